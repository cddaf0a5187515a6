//! Configurations: files and environment variables.

use std::fs;

use bolero::check;
use tempfile::TempDir;
use truycap::config::{Config, Mistakes, PublicAddress};

const PASSWORD: &str = "hunter2";

/// Beginnings of a file that contain a URL with a password, valid or not.
const BEGINNINGS: [&str; 10] = [
    "[store]\nurl = \"redis://truycap:hunter2@",
    "[store]\nurl = 'redis://truycap:hunter2@",
    "[store]\nurl = redis://truycap:hunter2@",
    "[store]\nurl = \"\"\"hunter2",
    "[store]\nurl = [\"redis://truycap:hunter2@",
    "[store]\nredis://truycap:hunter2@",
    "store.url = \"sqlserver://hunter2",
    "store = \"redis://truycap:hunter2@",
    "[store]\nurl = \"redis+sentinel://host/mymaster?sentinel_password=hunter2",
    "[store]\nurl = \"redis+cluster://:hunter2@",
];

fn check_loaded(loaded: Result<Config, Mistakes>) {
    match loaded {
        Ok(config) => {
            assert!(!format!("{config:?} {}", config.store).contains(PASSWORD));
            assert!(!config.sites.is_empty());
            assert!(config.listen.public != PublicAddress::Ip(config.listen.admin) || config.listen.admin.port() == 0);
        }
        Err(mistakes) => {
            assert!(!mistakes.lines().is_empty());
            for line in mistakes.lines() {
                assert!(!line.is_empty() && !line.contains(PASSWORD), "{line}");
            }
        }
    }
}

/// An input is used as a whole file and as the rest of one.
#[test]
fn a_configuration_is_loaded_or_its_mistakes_are_reported_without_a_password() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("truycap.toml");
    let none: [(&str, &str); 0] = [];
    check!(name = "config").with_iterations(300).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        if text.contains(PASSWORD) {
            return;
        }
        fs::write(&path, bytes).unwrap();
        if let Err(mistakes) = Config::load(Some(&path), none) {
            assert!(!mistakes.lines().is_empty());
        }
        for beginning in BEGINNINGS {
            fs::write(&path, format!("{beginning}{text}")).unwrap();
            check_loaded(Config::load(Some(&path), none));
        }
        for scheme in ["redis", "redis+sentinel", "rediss+cluster"] {
            let url = format!("{scheme}://truycap:{PASSWORD}@{text}");
            check_loaded(Config::load(None, [("TRUYCAP_STORE__URL", url)]));
        }
        for variable in [("TRUYCAP_SITES", &*text), ("TRUYCAP_BOTS__DENY", &*text)] {
            check_loaded(Config::load(None, [variable]));
        }
    });
}
