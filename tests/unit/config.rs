//! The promises of the configuration.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use truycap::{
    audience::{BotRules, ClientResolver, ClientRules, ProxyHeader},
    config::{Config, DEFAULT, PublicAddress, StoreUrl},
    domain::{
        article::Section,
        retention::Retention,
        site::{ReportAccess, ReportToken},
    },
    telemetry::logging,
};

/// Loads a file with this text and these variables. In mistakes, the file's name is replaced by `FILE`.
fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("truycap.toml");
    fs::write(&path, text).unwrap();
    let name = path.display().to_string();
    Config::load(Some(&path), env.iter().copied())
        .map_err(|mistakes| mistakes.lines().iter().map(|line| line.replace(&name, "FILE")).collect())
}

fn built_in(env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    Config::load(None, env.iter().copied()).map_err(|mistakes| mistakes.lines().to_vec())
}

/// The only mistake of a file.
fn mistake(text: &str) -> String {
    only(load(text, &[]).unwrap_err())
}

/// The only mistake of an environment.
fn env_mistake(env: &[(&str, &str)]) -> String {
    only(built_in(env).unwrap_err())
}

fn only(mut mistakes: Vec<String>) -> String {
    assert_eq!(mistakes.len(), 1, "{mistakes:#?}");
    mistakes.remove(0)
}

fn site_ids(config: &Config) -> Vec<&str> {
    config.sites.iter().map(|site| site.id.as_str()).collect()
}

fn origins(config: &Config, site: usize) -> Vec<&str> {
    config.sites[site].origins.iter().map(|origin| origin.as_str()).collect()
}

const SITE: &str = "[[sites]]\nid = \"a\"\norigins = [\"https://a.example.vn\"]\n";

/// Every key except those of sites and those that name further files, each with a value that differs from the built-in one.
const KEYS: [(&str, &str); 26] = [
    ("demo", "false"),
    ("listen.public", "[::1]:80"),
    ("listen.admin", "0.0.0.0:81"),
    ("listen.max_connections", "7"),
    ("listen.idle_timeout", "10m"),
    ("listen.drain", "5s"),
    ("store.url", "sqlite:/var/lib/x.db"),
    ("store.prefix", "other:1"),
    ("store.flush_interval", "1s"),
    ("journal.path", "/var/lib/j.db"),
    ("journal.retain", "6h"),
    ("journal.max_bytes", "1GiB"),
    ("retention.days", "100"),
    ("retention.weeks", "101"),
    ("retention.months", "102"),
    ("retention.years", "103"),
    ("log.level", "debug"),
    ("log.format", "json"),
    ("metrics.per_site", "false"),
    ("clients.header", "forwarded"),
    ("clients.trusted_proxies", "10.0.0.0/8, 2001:db8::1"),
    ("clients.max_requests_per_second", "8"),
    ("clients.max_connections", "9"),
    ("bots.deny", "Evil, x y"),
    ("bots.allow", "Good/"),
    ("bots.headless", "false"),
];

fn assert_all_changed(config: &Config) {
    assert!(!config.demo);
    assert_eq!(config.listen.public, PublicAddress::Ip("[::1]:80".parse().unwrap()));
    assert_eq!(config.listen.admin, "0.0.0.0:81".parse().unwrap());
    assert_eq!(config.listen.max_connections, 7);
    assert_eq!((config.listen.idle_timeout, config.listen.drain), (Duration::from_secs(600), Duration::from_secs(5)));
    assert_eq!(config.store, StoreUrl::Sqlite("/var/lib/x.db".into()));
    assert_eq!(config.prefix.to_string(), "other:1");
    assert_eq!(config.recorder.flush_interval, Duration::from_secs(1));
    assert_eq!(config.journal.path, PathBuf::from("/var/lib/j.db"));
    assert_eq!(config.recorder.retain, Duration::from_secs(6 * 3600));
    assert_eq!(config.journal.max_bytes, 1 << 30);
    assert_eq!(config.retention, Retention { days: 100, weeks: 101, months: 102, years: 103 });
    assert_eq!(config.log, logging::Config { level: tracing::Level::DEBUG, format: logging::Format::Json });
    let networks = ["10.0.0.0/8", "2001:db8::1/128"].map(|network| network.parse().unwrap());
    let resolver = ClientResolver { header: Some(ProxyHeader::Forwarded), trusted_proxies: networks.into() };
    let clients = ClientRules { resolver, max_requests_per_second: 8, max_connections: 9 };
    assert!(!config.per_site_metrics);
    assert_eq!(config.clients, clients);
    assert_eq!(config.bots, BotRules { deny: vec!["Evil".into(), "x y".into()], allow: vec!["Good/".into()], headless: false });
}

/// A value in TOML: an array of strings, a number or a boolean for some keys, a string for all others.
fn toml_value(key: &str, value: &str) -> String {
    if key.starts_with("clients.trusted_") || matches!(key, "bots.deny" | "bots.allow") {
        return format!("{:?}", value.split(", ").collect::<Vec<_>>());
    }
    let plain = key == "demo"
        || matches!(key, "bots.headless" | "metrics.per_site")
        || key.contains(".max_connections")
        || key == "clients.max_requests_per_second"
        || key.starts_with("retention.");
    if plain { value.into() } else { format!("{value:?}") }
}

fn variable(key: &str) -> String {
    format!("TRUYCAP_{}", key.to_uppercase().replace('.', "__"))
}

#[test]
fn the_built_in_values_are_as_documented() {
    let config = built_in(&[]).unwrap();
    assert!(config.demo);
    assert_eq!(config.listen.public, PublicAddress::Ip("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(config.listen.admin, "127.0.0.1:8081".parse().unwrap());
    assert_eq!(config.listen.max_connections, 4096);
    assert_eq!((config.listen.idle_timeout, config.listen.drain), (Duration::from_secs(75), Duration::ZERO));
    assert_eq!(config.store.to_string(), "sqlite:data/truycap.db");
    assert_eq!(config.prefix.to_string(), "truycap");
    assert_eq!(config.recorder.flush_interval, Duration::from_millis(250));
    assert_eq!(config.recorder.retain, Duration::from_secs(15 * 60));
    assert_eq!(config.journal.path, PathBuf::from("data/journal.db"));
    assert_eq!(config.journal.max_bytes, 256 << 20);
    assert_eq!(config.retention, Retention::default());
    assert_eq!(config.log, logging::Config { level: tracing::Level::INFO, format: logging::Format::Auto });
    let networks = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
    let resolver = ClientResolver { header: None, trusted_proxies: networks.into() };
    let clients = ClientRules { resolver, max_requests_per_second: 100, max_connections: 256 };
    assert!(config.per_site_metrics);
    assert_eq!(config.clients, clients);
    assert_eq!(config.bots, BotRules::default());
    assert_eq!(site_ids(&config), ["portal"]);
    let rules = &config.sites[0].rules;
    assert!(!rules.require_origin && !rules.visitors && rules.repeat_window.is_zero() && rules.articles.is_none());
    assert_eq!((rules.max_new_articles_per_day, rules.max_views_per_second), (0, 0));
    assert_eq!(origins(&config, 0), ["http://127.0.0.1:8080", "http://localhost:8080"]);
    assert_eq!(config.sites[0].timezone, chrono_tz::Tz::Asia__Ho_Chi_Minh);
}

/// That the file loads shows that the parser accepts every key in it and reads no other key.
#[test]
fn the_built_in_file_documents_every_key_and_its_variable() {
    let mut keys = BTreeSet::new();
    let mut site_keys = BTreeSet::new();
    let mut table = String::new();
    let mut comment = String::new();
    for line in DEFAULT.lines() {
        if let Some(name) = line.strip_prefix("[[") {
            assert_eq!(name, "sites]]");
            assert!(comment.contains("TRUYCAP_SITES='["), "{comment}");
            table = "sites.".into();
        } else if let Some(name) = line.strip_prefix('[') {
            table = format!("{}.", name.trim_end_matches(']'));
        } else if let Some(text) = line.strip_prefix('#') {
            comment.push_str(text);
            comment.push('\n');
            continue;
        } else if let Some((name, _)) = line.split_once(" = ") {
            let key = format!("{table}{name}");
            if table == "sites." {
                assert!(comment.len() > 40, "{key} is not explained");
                site_keys.insert(name);
            } else {
                let (explained, form) = comment.trim_end().rsplit_once('\n').unwrap();
                assert_eq!(form.trim(), variable(&key));
                assert!(explained.len() > 30, "{key} is not explained");
                keys.insert(key);
            }
        } else if !line.is_empty() {
            panic!("not understood: {line}");
        }
        comment.clear();
    }
    assert_eq!(
        keys,
        KEYS.iter()
            .map(|(key, _)| *key)
            .chain(["sites_dir", "store.password_file", "store.sentinel_password_file"])
            .map(String::from)
            .collect()
    );
    assert_eq!(
        site_keys,
        [
            "id",
            "aliases",
            "origins",
            "timezone",
            "sections",
            "require_origin",
            "repeat_window",
            "max_new_articles_per_day",
            "max_views_per_second",
            "articles",
            "visitors",
            "titles",
            "report",
            "report_tokens",
            "report_tokens_file"
        ]
        .into()
    );
}

/// The keys and values of a text, as written. A line opens a table, has a key, or is ignored.
fn keys_of(text: &str, table: impl Fn(&str) -> Option<&str>, key: impl Fn(&str) -> Option<(&str, String)>) -> Vec<(String, String)> {
    let mut prefix = String::new();
    let mut keys = Vec::new();
    for line in text.lines() {
        if let Some(name) = table(line) {
            prefix = if name == "Top level" { String::new() } else { format!("{name}.") };
        } else if let Some((name, value)) = key(line) {
            keys.push((prefix.clone() + name, value));
        }
    }
    keys
}

#[test]
fn the_documented_tables_match_the_built_in_file_key_by_key() {
    let of_the_file = keys_of(
        DEFAULT.split_once("\n[[sites]]").unwrap().0,
        |line| line.strip_prefix('[')?.strip_suffix(']'),
        |line| line.split_once(" = ").filter(|_| !line.starts_with('#')).map(|(key, value)| (key, value.into())),
    );
    let of_the_file: Vec<_> = of_the_file.into_iter().map(|(key, value)| (key.clone(), format!("{value}, {}", variable(&key)))).collect();
    let sites = DEFAULT.split_once("\n[[sites]]").unwrap().1.lines().filter_map(|line| line.split_once(" = "));
    let of_a_site: Vec<_> = sites.filter(|(key, _)| !key.starts_with('#')).collect();
    for (name, text, top_level) in [
        ("configuration.md", include_str!("../../docs/configuration.md"), "Top level"),
        ("cau-hinh.md", include_str!("../../docs/cau-hinh.md"), "Cấp ngoài cùng"),
    ] {
        let of_the_tables = keys_of(
            text,
            |line| line.strip_prefix("### ").map(|name| if name == top_level { "Top level" } else { name }),
            |line| {
                let cells = cells(line)?;
                let [key, variable, default, ..] = cells[..] else { return None };
                variable.starts_with("TRUYCAP_").then(|| (key, format!("{default}, {variable}")))
            },
        );
        assert_eq!(of_the_tables, of_the_file, "{name}");
        let sites = text.split_once("### sites").unwrap().1;
        let rows: Vec<_> = sites.lines().filter_map(cells).map(|cells| (cells[0], cells[1])).collect();
        // Sites have no id and no origin by default; the file has those of the demo.
        let defaults: Vec<_> =
            of_a_site.iter().map(|(key, value)| (*key, if ["id", "origins"].contains(key) { "–" } else { *value })).collect();
        assert_eq!(rows, defaults, "{name}");
    }
}

/// The cells of a row of a table that begins with code, without the marks of code.
fn cells(line: &str) -> Option<Vec<&str>> {
    Some(line.strip_prefix("| `")?.split(" | ").map(|cell| cell.trim_matches('`')).collect())
}

#[test]
fn a_file_overrides_every_built_in_value() {
    let text: String = KEYS.iter().map(|(key, value)| format!("{key} = {}\n", toml_value(key, value))).collect();
    let config = load(&text, &[]).unwrap();
    assert_all_changed(&config);
    assert_eq!(site_ids(&config), ["portal"]);
}

#[test]
fn a_file_can_be_partial_and_tables_can_be_empty() {
    let config = load("\u{feff}[log]\n[store]\n[listen]\nmax_connections = 1_000\n", &[]).unwrap();
    assert_eq!(config.listen.max_connections, 1000);
    assert_eq!(config.listen.public, PublicAddress::Ip("127.0.0.1:8080".parse().unwrap()));
    assert_eq!(site_ids(&load("", &[]).unwrap()), ["portal"]);
}

#[test]
fn every_variable_overrides_the_file() {
    let variables: Vec<_> = KEYS.iter().map(|(key, value)| (variable(key), *value)).collect();
    let env: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    assert_all_changed(&load(DEFAULT, &env).unwrap());
    let config = load("retention.days = 50\nretention.weeks = 51", &[("TRUYCAP_RETENTION__DAYS", "60")]).unwrap();
    assert_eq!((config.retention.days, config.retention.weeks, config.retention.months), (60, 51, 14));
}

#[test]
fn the_key_in_a_variable_can_be_lower_case() {
    assert!(!built_in(&[("TRUYCAP_demo", "false")]).unwrap().demo);
    assert_eq!(built_in(&[("TRUYCAP_Log__Level", "warn")]).unwrap().log.level, tracing::Level::WARN);
    let mistake = env_mistake(&[("TRUYCAP_DEMO", "true"), ("TRUYCAP_demo", "false")]);
    assert_eq!(mistake, "TRUYCAP_demo: found a second variable for demo; expected either this one or TRUYCAP_DEMO");
}

#[test]
fn a_variable_overrides_an_invalid_value_of_the_file() {
    assert_eq!(load("log.level = \"loud\"", &[("TRUYCAP_LOG__LEVEL", "error")]).unwrap().log.level, tracing::Level::ERROR);
}

#[test]
fn other_variables_are_ignored() {
    assert!(built_in(&[("PATH", "/bin"), ("RUST_LOG", "x"), ("TRUYCAP", "x"), ("XTRUYCAP_DEMO", "x")]).is_ok());
}

#[test]
fn sites_of_a_file_replace_the_built_in_one_and_a_variable_replaces_both() {
    assert_eq!(site_ids(&load(SITE, &[]).unwrap()), ["a"]);
    let sites = "[{ id = \"b\", origins = [\"https://b.example.vn\"] },\n { id = \"c\", origins = [\"https://c.example.vn:444\"], timezone = \"Asia/Tokyo\" }]";
    for text in ["", SITE] {
        let config = load(text, &[("TRUYCAP_SITES", sites)]).unwrap();
        assert_eq!(site_ids(&config), ["b", "c"]);
        assert_eq!(origins(&config, 1), ["https://c.example.vn:444"]);
        assert_eq!(config.sites[0].timezone, chrono_tz::Tz::Asia__Ho_Chi_Minh);
        assert_eq!(config.sites[1].timezone, chrono_tz::Tz::Asia__Tokyo);
    }
}

#[test]
fn the_example_loads() {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/config/example.toml"));
    let config = Config::load(Some(&path), Vec::<(String, String)>::new()).unwrap();
    assert_eq!(site_ids(&config), ["tinh", "so-y-te", "so-giao-duc", "xuc-tien-tokyo"]);
    assert_eq!(config.sites[3].timezone, chrono_tz::Tz::Asia__Tokyo);
    assert_eq!(config.retention, Retention { days: 100, weeks: 10, months: 24, years: 5 });
    assert!(!config.demo);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let text = r#"demo = "yes"
stor = 1
[listen]
public = "localhost:8080"
max_connections = 0
[journal]
retain = "15"
max_bytes = "1 apple"
[log]
level = "loud"
[[sites]]
id = "a b"
origins = ["https://a.example.vn/x", "https://b.example.vn", 5]
timezone = "Asia/Hanoi"
[[sites]]
origins = []
colour = "red"
"#;
    let env = [("TRUYCAP_STORE__FLUSH_INTERVAL", "1ms"), ("TRUYCAP_RETENTION__DAYS", "many"), ("TRUYCAP_STORE__COLOUR", "red")];
    let mistakes = load(text, &env).unwrap_err();
    let expected = [
        ("FILE:1: demo: ", r#"found "yes"; expected true or false"#),
        ("FILE:4: listen.public: ", r#"found "localhost:8080"; expected an IP address and a port, such as "127.0.0.1:8080""#),
        ("FILE:5: listen.max_connections: ", "found 0; expected a whole number from 1 to 1000000, such as 4096"),
        ("FILE:8: journal.max_bytes: ", r#"found "1 apple"; expected a size from 1MiB to 64GiB, such as "256MiB""#),
        ("TRUYCAP_STORE__FLUSH_INTERVAL: ", r#"found "1ms"; expected a duration from 10ms to 10s, such as "250ms""#),
        ("FILE:7: journal.retain: ", r#"found "15"; expected a duration from 1m to 7d, such as "15m""#),
        ("TRUYCAP_RETENTION__DAYS: ", r#"found "many"; expected a whole number from 2 to 1000, such as 40"#),
        ("FILE:10: log.level: ", r#"found "loud"; expected "error", "warn", "info", "debug" or "trace""#),
        ("FILE:12: site no. 1: id: ", r#"found "a b"; expected 1 to 64 letters"#),
        ("FILE:13: site no. 1: origins: ", r#"found "https://a.example.vn/x"; expected http:// or https:// and a host"#),
        ("FILE:13: site no. 1: origins: ", "found 5; expected http:// or https:// and a host"),
        ("FILE:14: site no. 1: timezone: ", r#"found "Asia/Hanoi"; expected the name of a time zone"#),
        ("FILE:15: site no. 2: id: ", "missing; expected 1 to 64 letters"),
        ("FILE:16: site no. 2: origins: ", "found an empty array; expected an array of one or more texts"),
        ("FILE:17: site no. 2: colour: ", "found an unknown key"),
        ("FILE:2: stor: ", "found an unknown key; did you mean store?"),
        ("TRUYCAP_STORE__COLOUR: ", "found an unknown key"),
    ];
    assert_eq!(mistakes.len(), expected.len(), "{mistakes:#?}");
    for (place, what) in expected {
        let start = format!("{place}{what}");
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(&start)), "{start}\n{mistakes:#?}");
    }
}

#[test]
fn an_unknown_key_is_a_mistake_in_every_table() {
    for table in ["listen", "store", "journal", "retention", "log", "metrics", "clients", "bots"] {
        assert!(mistake(&format!("[{table}]\ncolour = 1")).starts_with(&format!("FILE:2: {table}.colour: found an unknown key")));
        let name = format!("TRUYCAP_{}__COLOUR", table.to_uppercase());
        assert!(env_mistake(&[(&name, "1")]).starts_with(&format!("{name}: found an unknown key")));
    }
    assert!(mistake("[colours]").starts_with("FILE:1: colours: found an unknown key"));
    assert!(mistake("\n\"store.url\" = \"sqlite:x.db\"").starts_with("FILE:2: \"store.url\": found an unknown key"));
    assert!(mistake(&format!("{SITE}[sites.colour]\nred = 1")).starts_with("FILE:4: site no. 1: colour: found an unknown key"));
    for name in ["TRUYCAP_", "TRUYCAP_COLOUR", "TRUYCAP_STORE", "TRUYCAP_STORE_URL", "TRUYCAP_STORE__URL__", "TRUYCAP_SITES__ID"] {
        assert!(env_mistake(&[(name, "1")]).starts_with(&format!("{name}: found an unknown key")), "{name}");
    }
    let sites = "[{ id = \"a\", origins = [\"https://a.example.vn\"], colour = 1 }]";
    assert!(env_mistake(&[("TRUYCAP_SITES", sites)]).starts_with("TRUYCAP_SITES: site no. 1: colour: found an unknown key"));
}

#[test]
fn the_bounds_of_every_range_are_inclusive() {
    let bounds = [
        ("store.flush_interval", ["10ms", "10s"], ["9ms", "10001ms"]),
        ("journal.retain", ["1m", "7d"], ["59s", "7d 1s"]),
        ("journal.max_bytes", ["1MiB", "64GiB"], ["1048575", "68719476737"]),
        ("listen.max_connections", ["1", "1000000"], ["0", "1000001"]),
        ("clients.max_requests_per_second", ["0", "100000"], ["-1", "100001"]),
        ("clients.max_connections", ["0", "1000000"], ["-1", "1000001"]),
        ("retention.days", ["2", "1000"], ["1", "1001"]),
        ("retention.weeks", ["2", "1000"], ["1", "1001"]),
        ("retention.months", ["2", "1000"], ["1", "1001"]),
        ("retention.years", ["2", "1000"], ["1", "1001"]),
    ];
    for (key, within, outside) in bounds {
        for value in within {
            assert!(load(&format!("{key} = {}", toml_value(key, value)), &[]).is_ok(), "{key} {value}");
            assert!(built_in(&[(&variable(key), value)]).is_ok(), "{key} {value}");
        }
        for value in outside {
            assert!(mistake(&format!("{key} = {}", toml_value(key, value))).starts_with(&format!("FILE:1: {key}: found ")));
            assert!(env_mistake(&[(&variable(key), value)]).starts_with(&format!("{}: found \"{value}\"; expected ", variable(key))));
        }
    }
}

#[test]
fn there_are_1_to_10_000_sites() {
    let sites = |count: usize| -> String { (0..count).map(|n| SITE.replace("\"a\"", &format!("\"a{n}\""))).collect() };
    assert_eq!(load(&sites(10_000), &[]).unwrap().sites.len(), 10_000);
    assert!(mistake(&sites(10_001)).starts_with("FILE:1: sites: found 10001 tables; expected 1 to 10000 tables"));
    assert!(mistake("sites = []").starts_with("FILE:1: sites: found 0 tables; "));
    assert!(
        mistake("[sites]\nid = \"a\"").starts_with("FILE:1: sites: found a table; expected 1 to 10000 tables, each under a line [[sites]]")
    );
    assert!(mistake("sites = [5]").starts_with("FILE:1: site no. 1: found 5; expected a table"));
}

#[test]
fn site_ids_are_unique_and_each_origin_is_kept_once() {
    let twice = mistake(&format!("{SITE}{}{SITE}", SITE.replace("\"a\"", "\"b\"")));
    assert_eq!(twice, "FILE:8: site no. 3: id: found \"a\", which is also the id of site no. 1; expected another one");
    let origin = "\"https://a.example.vn\"";
    let text = SITE.replace(origin, &format!("{origin}, \"HTTPS://A.example.vn:443/\", \"http://a.example.vn\""));
    assert_eq!(origins(&load(&text, &[]).unwrap(), 0), ["https://a.example.vn", "http://a.example.vn"]);
}

#[test]
fn the_listeners_differ_unless_their_ports_are_0() {
    let same = mistake("listen.public = \"127.0.0.1:8081\"");
    assert!(same.contains("listen.admin: found 127.0.0.1:8081, which is also listen.public"), "{same}");
    let same = env_mistake(&[("TRUYCAP_LISTEN__ADMIN", "127.0.0.1:8080")]);
    assert!(same.starts_with("TRUYCAP_LISTEN__ADMIN: found 127.0.0.1:8080, which is also listen.public"), "{same}");
    assert!(load("[listen]\npublic = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"", &[]).is_ok());
}

#[test]
fn the_public_listener_can_be_a_unix_socket_or_one_that_is_inherited() {
    for (text, expected) in
        [("unix:/run/truycap/public.sock", PublicAddress::Unix("/run/truycap/public.sock".into())), ("systemd", PublicAddress::Systemd)]
    {
        let config = load(&format!("listen.public = \"{text}\""), &[]).unwrap();
        assert_eq!((&config.listen.public, &*config.listen.public.to_string()), (&expected, text));
    }
    for wrong in ["unix:", "/run/truycap/public.sock", "unix:/run/{}"] {
        let wrong = wrong.replace("{}", &"x".repeat(107));
        let mistake = mistake(&format!("listen.public = \"{wrong}\""));
        assert!(mistake.contains("a Unix socket, such as \"unix:/run/truycap/public.sock\"; or \"systemd\""), "{mistake}");
    }
}

#[test]
fn the_journal_is_a_separate_file() {
    let same = mistake("[journal]\npath = \"data/truycap.db\"");
    let expected = "found \"data/truycap.db\", which is also the file of store.url, \"data/truycap.db\", or one that SQLite keeps beside it; \
                    expected another one";
    assert_eq!(same, format!("FILE:2: journal.path: {expected}"));
    for path in ["", ":memory:", "file:x.db"] {
        assert!(
            mistake(&format!("[journal]\npath = {path:?}"))
                .starts_with(&format!("FILE:2: journal.path: found {path:?}; expected the path of a file"))
        );
    }
}

/// Whether a journal at one path is refused beside a store at another.
fn is_refused(journal: &Path, store: &Path) -> bool {
    let loaded = load(&format!("journal.path = {journal:?}\nstore.url = \"sqlite:{}\"", store.display()), &[]);
    loaded.is_err_and(|mistakes| only(mistakes).contains("which is also the file of store.url"))
}

#[test]
fn the_journal_is_not_the_file_of_the_store_by_another_name() {
    let dir = TempDir::new().unwrap();
    let at = |path: &str| dir.path().join(path);
    fs::create_dir(at("data")).unwrap();
    symlink(at("data"), at("linked")).unwrap();
    symlink("data/store.db", at("link.db")).unwrap();
    symlink("link.db", at("second.db")).unwrap();
    let same = ["data/../data/store.db", "data/./store.db", "new/../data/store.db", "linked/store.db", "link.db", "second.db"];
    let other = ["data/journal.db", "store.db", "linked/../store.db", "new/store.db"];
    // Before the files exist, and after.
    for _ in 0..2 {
        for path in same {
            assert!(is_refused(&at(path), &at("data/store.db")) && is_refused(&at("data/store.db"), &at(path)), "{path}");
        }
        for path in other {
            assert!(!is_refused(&at(path), &at("data/store.db")), "{path}");
        }
        fs::write(at("data/store.db"), "").unwrap();
        fs::write(at("data/journal.db"), "").unwrap();
    }
    fs::hard_link(at("data/store.db"), at("hard.db")).unwrap();
    assert!(is_refused(&at("hard.db"), &at("data/store.db")));
    symlink("circle.db", at("circle.db")).unwrap();
    assert!(!is_refused(&at("circle.db"), &at("data/store.db")), "opening it fails with a clear error");
}

#[test]
fn a_store_can_be_a_file() {
    for (url, path) in [("sqlite:data/x.db", "data/x.db"), ("sqlite:/abs/x.db", "/abs/x.db"), ("sqlite:Dữ liệu/x.db", "Dữ liệu/x.db")]
    {
        assert_eq!(built_in(&[("TRUYCAP_STORE__URL", url)]).unwrap().store, StoreUrl::Sqlite(path.into()));
        assert_eq!(load(&format!("store.url = {url:?}"), &[]).unwrap().store.to_string(), url);
    }
    for url in ["sqlite:", "sqlite::memory:", "sqlite:file:x.db", "sqlite://x.db", "sqlite:///abs/x.db", "sqlite:x.db?mode=ro"] {
        let mistake = env_mistake(&[("TRUYCAP_STORE__URL", url)]);
        assert!(mistake.starts_with(&format!("TRUYCAP_STORE__URL: found {url:?}; expected sqlite: and the path of a file")), "{mistake}");
    }
    assert!(mistake("store.url = 5").starts_with("FILE:1: store.url: found no text; expected a URL"));
}

#[test]
fn a_store_can_be_a_redis_server() {
    for (url, shown) in [
        ("redis://host", "redis://host:6379/0"),
        ("redis://joe:hunter2@10.0.0.1:7000/15", "redis://10.0.0.1:7000/15"),
        ("rediss://:hunt%40er2@redis.example.vn", "rediss://redis.example.vn:6379/0"),
        ("redis://[::1]", "redis://[::1]:6379/0"),
        ("redis+unix:///run/redis.sock", "redis+unix:///run/redis.sock?db=0"),
        ("redis+unix:///run/redis.sock?db=2&user=joe&pass=hunter2", "redis+unix:///run/redis.sock?db=2"),
    ] {
        let config = built_in(&[("TRUYCAP_STORE__URL", url)]).unwrap();
        assert_eq!(config.store.to_string(), shown);
        assert!(!format!("{config:?}").contains("hunt"), "{config:?}");
    }
    for url in [
        "redis:",
        "redis:host",
        "redis://",
        "redis://host/many",
        "redis://host/-1",
        "redis://host?db=2",
        "rediss://host#insecure",
        "redis+unix://relative/redis.sock",
        "redis+unix:///run/redis.sock?database=2",
        "redis+unix:///run/redis.sock?db=-1",
    ] {
        let mistake = env_mistake(&[("TRUYCAP_STORE__URL", url)]);
        assert!(mistake.contains("URL, not shown"), "{url}: {mistake}");
    }
}

#[test]
fn a_prefix_has_1_to_64_plain_characters() {
    let long = "x".repeat(65);
    for prefix in ["", "a b", "{a}", "ế", "*", &long] {
        assert!(
            mistake(&format!("store.prefix = {prefix:?}"))
                .starts_with(&format!("FILE:1: store.prefix: found {prefix:?}; expected 1 to 64"))
        );
    }
    assert!(load(&format!("store.prefix = {:?}", &long[1..]), &[]).is_ok());
}

#[test]
fn a_store_can_be_the_primary_that_sentinels_name() {
    for (url, shown) in [
        ("redis+sentinel://a/m", "redis+sentinel://a:26379/m/0"),
        ("redis+sentinel://joe:hunter2@a,b:7,[::1]/my-master_1.x/15", "redis+sentinel://a:26379,b:7,[::1]:26379/my-master_1.x/15"),
        ("rediss+sentinel://:h%40unt@a/m", "rediss+sentinel://a:26379/m/0"),
        ("rediss+sentinel://a/m?sentinel_tls=true", "rediss+sentinel://a:26379/m/0"),
        ("rediss+sentinel://a,b/m?sentinel_tls=false", "rediss+sentinel://a:26379,b:26379/m/0?sentinel_tls=false"),
        ("redis+sentinel://a/m?sentinel_tls=true&sentinel_user=hunt", "redis+sentinel://a:26379/m/0?sentinel_tls=true"),
        ("redis+sentinel://a/m?sentinel_password=hunter%26", "redis+sentinel://a:26379/m/0"),
    ] {
        assert_shown(url, shown);
    }
    for (url, why) in [
        ("redis+sentinel:a/m", "no \"//\""),
        ("redis+sentinel://a", "no service"),
        ("redis+sentinel://a/", "no service"),
        ("redis+sentinel://a//0", "no service"),
        ("redis+sentinel://a/m%20x", "the name of the service"),
        ("redis+sentinel://a/m/", "not a number"),
        ("redis+sentinel://a/m/+1", "not a number"),
        ("redis+sentinel://a/m/-1", "not a number"),
        ("redis+sentinel://a/m/0/0", "not a number"),
        ("redis+sentinel://a/m?db=2", "a parameter that is not"),
        ("redis+sentinel://a/m?", "a parameter without a value"),
        ("redis+sentinel://a/m?sentinel_user=", "a parameter without a value"),
        ("redis+sentinel://a/m?sentinel_user=x&sentinel_user=x", "a parameter twice"),
        ("redis+sentinel://a/m?sentinel_tls=yes", "neither true nor false"),
        ("redis+sentinel://a/m?sentinel_password=%ff", "not UTF-8"),
        ("rediss+sentinel://a/m#insecure", "a fragment"),
        ("redis+sentinel:///m", "a host, its port or the login"),
    ] {
        assert_refused(url, why);
    }
}

#[test]
fn a_store_can_be_a_cluster() {
    let hosts = |count: usize| (1..=count).map(|n| format!("h{n}")).collect::<Vec<_>>().join(",");
    for (url, shown) in [
        ("redis+cluster://a", "redis+cluster://a:6379"),
        ("redis+cluster://a,b:7,10.0.0.1,[2001:db8::1]:8/0", "redis+cluster://a:6379,b:7,10.0.0.1:6379,[2001:db8::1]:8"),
        ("rediss+cluster://hunt:hunter%2c2@a,a:7/", "rediss+cluster://a:6379,a:7"),
    ] {
        assert_shown(url, shown);
    }
    assert!(built_in(&[("TRUYCAP_STORE__URL", &format!("redis+cluster://{}", hosts(32)))]).is_ok());
    for (url, why) in [
        (&*format!("redis+cluster://{}", hosts(33)), "more than 32 hosts"),
        ("redis+cluster://", "a host, its port or the login"),
        ("redis+cluster://joe:hunter2@", "a host, its port or the login"),
        ("redis+cluster://a,", "a host, its port or the login"),
        ("redis+cluster://a,,b", "a host, its port or the login"),
        ("redis+cluster://a,b:x", "a host, its port or the login"),
        ("redis+cluster://a,b:65536", "a host, its port or the login"),
        ("redis+cluster://[::1,b", "a host, its port or the login"),
        ("redis+cluster://::1", "a host, its port or the login"),
        ("redis+cluster://0.0.0.0", "a host, its port or the login"),
        ("redis+cluster://hunt%ffer2:x@a", "a host, its port or the login"),
        ("redis+cluster://a:", "an empty port"),
        ("redis+cluster://a:0", "an empty port or port 0"),
        ("redis+cluster://a,b,A:6379", "a host twice"),
        ("redis+cluster://[::1],[0::1]", "a host twice"),
        ("redis+cluster://a, b", "a space"),
        ("redis+cluster://a,b\n", "a space"),
        ("redis+cluster://a/1", "only database 0"),
        ("redis+cluster://a/m", "only database 0"),
        ("redis+cluster://a?sentinel_user=x", "a parameter"),
        ("redis+cluster://a#insecure", "a fragment"),
        ("redis+cluster://joe:hunter2@a,joe:hunter2@b", "write the login once"),
        ("redis+cluster://joe:hunt,er2@a", "write the login once"),
        ("redis+cluster://joe:hunter2@@a", "write the login once"),
    ] {
        assert_refused(url, why);
    }
}

fn assert_shown(url: &str, shown: &str) {
    let config = built_in(&[("TRUYCAP_STORE__URL", url)]).unwrap();
    assert_eq!(config.store.to_string(), shown);
    assert_eq!(StoreUrl::parse(shown).unwrap().to_string(), shown);
    assert!(!format!("{config:?}{}", config.to_toml()).contains("hunt"), "{config:?}");
}

/// That the URL is refused with a reason and an example of its own scheme.
fn assert_refused(url: &str, why: &str) {
    let mistake = env_mistake(&[("TRUYCAP_STORE__URL", url)]);
    let (scheme, _) = url.split_once(':').unwrap();
    let start = format!("TRUYCAP_STORE__URL: found an invalid {scheme}: URL, not shown because it can hold a password: ");
    let (found, expected) = mistake.split_once("; expected one such as \"").unwrap();
    assert!(found.starts_with(&start) && found.contains(why) && !mistake.contains("hunt"), "{url}: {mistake}");
    let example = expected.split_once('"').unwrap().0;
    assert!(example.starts_with(&format!("{scheme}://")) && StoreUrl::parse(example).is_ok(), "{mistake}");
}

#[test]
fn logins_of_servers_and_sentinels_differ() {
    let parse = |text: &str| StoreUrl::parse(text).unwrap();
    let url = "redis+sentinel://joe:pw@a/m?sentinel_user=ann&sentinel_password=p%40%2b+";
    assert_eq!(parse(url), parse("redis+sentinel://joe:%70w@a:26379/m/0?sentinel_password=p@++&sentinel_user=ann&sentinel_tls=false"));
    for other in [
        "redis+sentinel://joe:pw@a/m",
        "redis+sentinel://a/m?sentinel_user=ann&sentinel_password=p%40%2b+",
        "redis+sentinel://joe:pw2@a/m?sentinel_user=ann&sentinel_password=p%40%2b+",
        "redis+sentinel://joe:pw@a/m?sentinel_user=ann2&sentinel_password=p%40%2b+",
        "redis+sentinel://joe:pw@a/m?sentinel_user=ann&sentinel_password=p%40%2b%20",
        "redis+sentinel://joe:pw@a/m/1?sentinel_user=ann&sentinel_password=p%40%2b+",
        "redis+sentinel://joe:pw@b/m?sentinel_user=ann&sentinel_password=p%40%2b+",
        "redis+sentinel://joe:pw@a/n?sentinel_user=ann&sentinel_password=p%40%2b+",
        "redis+sentinel://joe:pw@a/m?sentinel_user=ann&sentinel_password=p%40%2b+&sentinel_tls=true",
    ] {
        assert_ne!(parse(url), parse(other), "{other}");
    }
    assert_ne!(parse("redis+cluster://joe:a@a,b"), parse("redis+cluster://joe:b@a,b"));
}

#[test]
fn a_mistake_never_shows_a_password() {
    for (url, kind) in [
        ("redis://:hunter2@host:port", "an invalid redis: URL, not shown"),
        ("rediss://u:hunt/er2@host", "an invalid rediss: URL, not shown"),
        ("redis+unix:///run/redis.sock?password=hunter2", "an invalid redis+unix: URL, not shown"),
        ("reddis://:hunter2@host", "no URL of a known kind, not shown"),
        ("hunter2", "no URL of a known kind, not shown"),
        ("", "no URL of a known kind, not shown"),
    ] {
        let mistake = env_mistake(&[("TRUYCAP_STORE__URL", url)]);
        assert!(mistake.starts_with(&format!("TRUYCAP_STORE__URL: found {kind}")), "{mistake}");
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }
    for text in
        ["[store]\nurl = \"redis://:hunter2@host", "store.url = [\"hunter2\"]", "store.url.password = \"hunter2\"", "store = \"hunter2\""]
    {
        let mistakes = load(text, &[]).unwrap_err();
        assert!(!mistakes.concat().contains("hunter2"), "{mistakes:#?}");
    }
}

#[test]
fn text_that_is_not_toml_is_reported_by_line_and_column() {
    let mistakes = load("demo = true\n[listen\npublic = 1\n\nx = = 2\n", &[("TRUYCAP_LOG__LEVEL", "loud")]).unwrap_err();
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("FILE:2:8: not TOML: ")), "{mistakes:#?}");
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("FILE:5:5: not TOML: ")), "{mistakes:#?}");
    assert!(mistakes.iter().any(|mistake| mistake.starts_with("TRUYCAP_LOG__LEVEL: ")), "{mistakes:#?}");
    assert!(mistake("demo = true\ndemo = true").starts_with("FILE:2:1: not TOML: "));
    let mistakes = built_in(&[("TRUYCAP_SITES", "[{ id = \"a\" ")]).unwrap_err();
    assert!(mistakes.iter().all(|mistake| mistake.starts_with("TRUYCAP_SITES:1:12: not TOML: ")), "{mistakes:#?}");
    assert!(env_mistake(&[("TRUYCAP_SITES", "portal")]).starts_with("TRUYCAP_SITES:1:1: not TOML: "));
}

#[test]
fn a_value_in_place_of_a_table_is_a_mistake() {
    assert_eq!(mistake("\njournal = 3"), "FILE:2: journal: found no table; expected [journal]");
    assert!(mistake("[[log]]").starts_with("FILE:1: log: found no table; expected [log]"));
    assert!(mistake("[log.level]\nx = 1").starts_with("FILE:1: log.level: found a table; expected "));
}

#[test]
fn numbers_of_a_file_are_not_text() {
    assert!(mistake("retention.days = \"40\"").starts_with("FILE:1: retention.days: found \"40\"; "));
    assert!(mistake("retention.days = -40").starts_with("FILE:1: retention.days: found -40; "));
    assert!(mistake("retention.days = 40.5").starts_with("FILE:1: retention.days: found 40.5; "));
    assert!(mistake("demo = 1").starts_with("FILE:1: demo: found 1; "));
}

#[test]
fn a_size_without_a_unit_is_bytes() {
    for text in ["journal.max_bytes = 2_000_000", "journal.max_bytes = \"2000000\"", "journal.max_bytes = \"2MB\""] {
        assert_eq!(load(text, &[]).unwrap().journal.max_bytes, 2_000_000, "{text}");
    }
    assert_eq!(built_in(&[("TRUYCAP_JOURNAL__MAX_BYTES", "2000000")]).unwrap().journal.max_bytes, 2_000_000);
}

#[test]
fn a_file_that_cannot_be_read_is_a_mistake() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("absent.toml");
    let mistakes = Config::load(Some(&path), [("TRUYCAP_DEMO", "x")]).unwrap_err();
    assert_eq!(mistakes.lines().len(), 2, "{mistakes}");
    assert!(mistakes.to_string().contains(&format!("{}: ", path.display())), "{mistakes}");
    assert_eq!(mistakes.to_string().lines().count(), 2);
}

#[cfg(unix)]
#[test]
fn invalid_utf8_is_a_mistake_only_in_truycap_variables() {
    use std::{ffi::OsString, os::unix::ffi::OsStringExt};
    let bytes = || OsString::from_vec(vec![0xff]);
    assert!(Config::load(None, [("PATH".into(), bytes()), (bytes(), bytes())] as [(OsString, OsString); 2]).is_ok());
    let mistakes = Config::load(None, [("TRUYCAP_STORE__URL", bytes())]).unwrap_err();
    assert_eq!(mistakes.lines(), ["TRUYCAP_STORE__URL: found bytes that are not UTF-8; expected text"]);
    let name = OsString::from_vec(b"TRUYCAP_\xff".to_vec());
    assert!(Config::load(None, [(name, "x")]).is_err());
}

#[test]
fn the_rules_of_a_site_are_read_and_are_optional() {
    let text = format!(
        "{SITE}require_origin = true\nrepeat_window = \"30m\"\nmax_new_articles_per_day = 1000\nmax_views_per_second = 100000\n\
         articles = \"^/tin/\"\nvisitors = true\ntitles = true\n"
    );
    let rules = load(&text, &[]).unwrap().sites.remove(0).rules;
    assert!(rules.require_origin && rules.visitors && rules.titles && rules.articles.unwrap().is_match("/tin/1"));
    assert_eq!((rules.repeat_window, rules.max_new_articles_per_day), (Duration::from_secs(1800), 1000));
    assert_eq!(rules.max_views_per_second, 100_000);
    let rules = load(SITE, &[]).unwrap().sites.remove(0).rules;
    assert_eq!((rules.repeat_window, rules.max_views_per_second), (Duration::ZERO, 0));
    assert_eq!(load(&SITE.replace("https://a.example.vn", "null"), &[]).map(|config| origins(&config, 0) == ["null"]), Ok(true));
    for (key, value, expected) in [
        ("require_origin", "1", "found 1; expected true or false"),
        ("visitors", "\"yes\"", "found \"yes\"; expected true or false"),
        ("titles", "1", "found 1; expected true or false"),
        ("repeat_window", "\"25h\"", "found \"25h\"; expected a duration from 0s to 24h"),
        ("max_new_articles_per_day", "1000001", "found 1000001; expected a whole number from 0 to 1000000"),
        ("max_views_per_second", "100001", "found 100001; expected a whole number from 0 to 100000"),
        ("articles", "\"(\"", "found \"(\"; expected a regular expression"),
        ("articles", "\"(a{1000}){1000}\"", "found \"(a{1000}){1000}\"; expected a regular expression"),
    ] {
        let mistake = mistake(&format!("{SITE}{key} = {value}\n"));
        assert!(mistake.starts_with(&format!("FILE:4: site no. 1: {key}: {expected}")), "{mistake}");
    }
}

#[test]
fn titles_need_an_origin_with_a_host() {
    for origins in ["\"null\"", "\"https://*.example.vn\"", "\"null\", \"https://*.example.vn\""] {
        let site = SITE.replace("\"https://a.example.vn\"", origins);
        assert!(load(&site, &[]).is_ok(), "{origins}");
        assert_eq!(
            mistake(&format!("{site}titles = true\n")),
            "FILE:4: site no. 1: titles: found true, but in origins only \"null\" or wildcards; expected an origin with the host from which \
             titles are fetched, such as \"https://portal.example.vn\" in origins"
        );
        let with_one = SITE.replace("[\"https", &format!("[{origins}, \"https"));
        assert!(load(&format!("{with_one}titles = true\n"), &[]).is_ok(), "{origins}");
    }
}

#[test]
fn ids_and_aliases_are_unique_over_all_sites() {
    let with = |id: &str, aliases: &str| format!("{}aliases = [{aliases}]\n", site_named(id));
    let config = load(&(with("a", "\"old-a\", \"x\"") + &with("b", "")), &[]).unwrap();
    assert_eq!(config.site("x").unwrap().id.as_str(), "a");
    assert_eq!(config.site("b").unwrap().id.as_str(), "b");
    assert!(config.site("c").is_none());
    let cases = [
        (with("a", "\"a\""), "site no. 1: aliases: found \"a\", which is also the id of the same site; expected another one"),
        (with("a", "\"x\", \"x\""), "site no. 1: aliases: found \"x\", which is also an alias of the same site; expected another one"),
        (with("a", "") + &with("b", "\"a\""), "site no. 2: aliases: found \"a\", which is also the id of site no. 1; expected another one"),
        (with("a", "\"b\"") + &with("b", ""), "site no. 2: id: found \"b\", which is also an alias of site no. 1; expected another one"),
        (
            with("a", "\"x\"") + &with("b", "\"x\""),
            "site no. 2: aliases: found \"x\", which is also an alias of site no. 1; expected another one",
        ),
    ];
    for (text, expected) in cases {
        assert!(mistake(&text).ends_with(expected), "{}", mistake(&text));
    }
    let error = mistake(&with("a", "\"no id\""));
    assert!(error.contains("aliases: found \"no id\"; expected 1 to 64 letters"), "{error}");
}

#[test]
fn a_site_has_up_to_20_sections_each_once() {
    let sections = |texts: &[&str]| load(&format!("{SITE}sections = [\"{}\"]\n", texts.join("\", \"")), &[]);
    let read = sections(&["/tin-tuc/", "/tie\u{302}\u{301}ng"]).unwrap().sites.remove(0).sections;
    assert_eq!(read.iter().map(Section::as_str).collect::<Vec<_>>(), ["/tin-tuc/", "/ti\u{1ebf}ng"]);
    assert!(load(SITE, &[]).unwrap().sites.remove(0).sections.is_empty());
    let texts: Vec<_> = (0..21).map(|n| format!("/{n}/")).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    assert_eq!(sections(&texts[..20]).unwrap().sites.remove(0).sections.len(), 20);
    let begins = "expected how the ids of a section's articles begin: 1 to 256 bytes without control characters, such as \"/tin-tuc/\"";
    let array = "expected an array of up to 20 texts, such as [\"/tin-tuc/\", \"/van-ban/\"]";
    for (value, expected) in [
        (format!("{texts:?}"), format!("found an array of 21; {array}")),
        ("\"/tin-tuc/\"".into(), format!("found \"/tin-tuc/\"; {array}")),
        ("[\"\"]".into(), format!("found \"\"; {begins}")),
        ("[5]".into(), format!("found 5; {begins}")),
        ("[\"a\\nb\"]".into(), format!("found \"a\\nb\"; {begins}")),
        (format!("[{:?}]", "x".repeat(257)), format!("found {:?}; {begins}", "x".repeat(257))),
        ("[\"/tin/\", \"/\", \"/tin/\"]".into(), "found \"/tin/\" twice; expected each section once".into()),
    ] {
        assert_eq!(mistake(&format!("{SITE}sections = {value}\n")), format!("FILE:4: site no. 1: sections: {expected}"));
    }
}

#[test]
fn trusted_proxies_are_networks_and_a_header_requires_at_least_one() {
    let mistake = env_mistake(&[("TRUYCAP_CLIENTS__HEADER", "x-real-ip"), ("TRUYCAP_CLIENTS__TRUSTED_PROXIES", "")]);
    assert!(mistake.starts_with("TRUYCAP_CLIENTS__TRUSTED_PROXIES: found none"), "{mistake}");
    assert!(built_in(&[("TRUYCAP_CLIENTS__TRUSTED_PROXIES", "")]).is_ok());
    for wrong in ["[\"10.0.0.0/33\"]", "[\"localhost\"]", "[1]", "\"10.0.0.0/8\""] {
        assert!(
            self::mistake(&format!("clients.trusted_proxies = {wrong}")).starts_with("FILE:1: clients.trusted_proxies: found "),
            "{wrong}"
        );
    }
    assert!(self::mistake("clients.header = \"cf-connecting-ip\"").starts_with("FILE:1: clients.header: found "));
    assert_eq!(
        self::mistake("bots.deny = [\"a good word\", \"\"]"),
        "FILE:1: bots.deny: found \"\"; expected a text of 2 to 100 bytes, such as \"MyMonitor/\""
    );
}

#[test]
fn an_unknown_key_names_the_one_that_was_probably_meant() {
    for (text, place, meant) in [
        ("[listen]\npubic = \"127.0.0.1:80\"", "FILE:2: listen.pubic", "listen.public"),
        ("[site]\nid = \"a\"", "FILE:1: site", "sites"),
        ("[journals]\n", "FILE:1: journals", "journal"),
        ("[store]\nmax_bytes = \"1GiB\"", "FILE:2: store.max_bytes", "journal.max_bytes"),
        ("level = \"info\"", "FILE:1: level", "log.level"),
        ("Demo = false", "FILE:1: Demo", "demo"),
        ("store-url = \"redis://host\"", "FILE:1: store-url", "store.url"),
        (&format!("{SITE}origin = []"), "FILE:4: site no. 1: origin", "origins"),
        (&format!("{SITE}time_zone = \"Asia/Tokyo\""), "FILE:4: site no. 1: time_zone", "timezone"),
    ] {
        assert_eq!(mistake(text), format!("{place}: found an unknown key; did you mean {meant}?"));
    }
    let two = ", with two underscores between table and key";
    for (name, meant, hint) in [
        ("TRUYCAP_LISTEN_PUBLIC", "TRUYCAP_LISTEN__PUBLIC", two),
        ("TRUYCAP_STORE_PASSWORD_FILE", "TRUYCAP_STORE__PASSWORD_FILE", two),
        ("TRUYCAP__DEMO", "TRUYCAP_DEMO", ""),
        ("TRUYCAP_LOG__LEVELS", "TRUYCAP_LOG__LEVEL", ""),
        ("TRUYCAP_SITES__DIR", "TRUYCAP_SITES_DIR", ""),
    ] {
        assert_eq!(env_mistake(&[(name, "1")]), format!("{name}: found an unknown key; did you mean {meant}{hint}?"));
    }
    let expected = "found an unknown key; expected one of those that \"truycap config\" prints";
    assert_eq!(mistake("colour = 1"), format!("FILE:1: colour: {expected}"));
    assert_eq!(mistake(&format!("{} = 1", "x".repeat(100_000))), format!("FILE:1: {}: {expected}", "x".repeat(100_000)));
}

#[test]
fn variables_that_kubernetes_sets_for_a_service_are_named_as_such() {
    let links = [
        ("TRUYCAP_SERVICE_HOST", "10.0.0.1"),
        ("TRUYCAP_SERVICE_PORT", "8080"),
        ("TRUYCAP_SERVICE_PORT_HTTP", "8080"),
        ("TRUYCAP_PORT", "tcp://10.0.0.1:8080"),
        ("TRUYCAP_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("TRUYCAP_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("TRUYCAP_REDIS_PORT_6379_TCP_PROTO", "tcp"),
    ];
    let found = "found a variable that Kubernetes sets for a service";
    let write = "; write \"enableServiceLinks: false\" into the pod's spec";
    assert_eq!(env_mistake(&links), format!("TRUYCAP_PORT: {found}, and 6 more of this kind{write}"));
    for link in links {
        assert_eq!(env_mistake(&[link]), format!("{}: {found}{write}", link.0));
    }
    assert!(env_mistake(&[("TRUYCAP_PORT", "8080")]).contains("unknown key"));
}

#[test]
fn sites_in_json_are_told_from_other_text_that_is_not_toml() {
    let expected = "TRUYCAP_SITES: found JSON; expected TOML, in which a key is written id = \"…\", not \"id\": \"…\"";
    for json in ["[{\"id\": \"portal\", \"origins\": [\"https://portal.example.vn\"]}]", "[{ \"id\" : \"portal\" }"] {
        assert_eq!(env_mistake(&[("TRUYCAP_SITES", json)]), expected);
    }
    let mistakes = built_in(&[("TRUYCAP_SITES", "[{ id = \"a\", origins = [\"https://a.vn\" }]")]).unwrap_err();
    assert!(mistakes.iter().all(|mistake| mistake.contains(": not TOML: ")), "{mistakes:#?}");
}

#[test]
fn a_list_names_the_wrong_entry() {
    let mistakes = load("clients.trusted_proxies = [\"10.0.0.0/33\", \"10.0.0.1\", \"abc\", 5]", &[]).unwrap_err();
    let entry = "expected an IP address or a network, such as \"10.0.0.0/8\" or \"2001:db8::/32\"";
    let expected = ["\"10.0.0.0/33\"", "\"abc\"", "5"].map(|found| format!("FILE:1: clients.trusted_proxies: found {found}; {entry}"));
    assert_eq!(mistakes, expected);
    // A wrong network is not the same as none.
    let only_wrong = "clients.trusted_proxies = [\"10.0.0.0/33\"]\nclients.header = \"x-forwarded-for\"";
    assert_eq!(mistake(only_wrong), expected[0]);
    let mistake = env_mistake(&[("TRUYCAP_BOTS__DENY", "good, x")]);
    assert_eq!(mistake, "TRUYCAP_BOTS__DENY: found \"x\"; expected a text of 2 to 100 bytes, such as \"MyMonitor/\"");
    let array = "expected an array of one or more texts, such as [\"https://portal.example.vn\"]";
    for (value, found) in [("[]", "an empty array"), ("\"https://a.example.vn\"", "\"https://a.example.vn\"")] {
        assert_eq!(
            self::mistake(&format!("[[sites]]\nid = \"a\"\norigins = {value}")),
            format!("FILE:3: site no. 1: origins: found {found}; {array}")
        );
    }
    let many = format!("bots.allow = [{}]", "\"good\", ".repeat(101));
    assert!(self::mistake(&many).starts_with("FILE:1: bots.allow: found an array of 101; expected an array of up to 100 texts"));
}

#[test]
fn the_header_of_a_proxy_has_no_case() {
    for header in ["X-Forwarded-For", "x-forwarded-for", "X-FORWARDED-FOR"] {
        assert_eq!(load(&format!("clients.header = {header:?}"), &[]).unwrap().clients.resolver.header, Some(ProxyHeader::XForwardedFor));
    }
    assert_eq!(built_in(&[("TRUYCAP_CLIENTS__HEADER", "Forwarded")]).unwrap().clients.resolver.header, Some(ProxyHeader::Forwarded));
}

#[test]
fn a_wrong_pattern_comes_with_the_reason() {
    for (pattern, reason) in [("(", "unclosed group"), ("[z-a]", "invalid character class range, the start must be <= the end")] {
        let expected = format!("found \"{pattern}\"; expected a regular expression, such as \"^/tin/\", or \"\" ({reason})");
        assert_eq!(mistake(&format!("{SITE}articles = {pattern:?}")), format!("FILE:4: site no. 1: articles: {expected}"));
    }
    assert!(mistake(&format!("{SITE}articles = \"(a{{1000}}){{1000}}\"")).contains("exceeds size limit"));
}

#[test]
fn a_store_without_a_scheme_and_a_journal_with_one_say_what_to_write() {
    for path in ["data/truycap.db", "truycap.db", "/var/lib/truycap"] {
        let expected = "found a path without a scheme; expected sqlite: before it, such as \"sqlite:data/truycap.db\"";
        assert_eq!(mistake(&format!("store.url = {path:?}")), format!("FILE:1: store.url: {expected}"));
    }
    assert_eq!(
        mistake("journal.path = \"sqlite:data/journal.db\""),
        "FILE:1: journal.path: found \"sqlite:data/journal.db\"; expected the path alone: \"data/journal.db\""
    );
    let redis = mistake("journal.path = \"redis://:hunter2@host\"");
    assert!(redis.starts_with("FILE:1: journal.path: found a URL of Redis; expected the path") && !redis.contains("hunter2"), "{redis}");
}

#[test]
fn journal_and_store_are_not_files_that_sqlite_keeps_beside_the_other() {
    let dir = TempDir::new().unwrap();
    let at = |path: &str| dir.path().join(path);
    symlink("store.db", at("link.db")).unwrap();
    for suffix in ["-wal", "-shm", "-journal"] {
        for store in ["store.db", "link.db"] {
            let beside = at(&format!("store.db{suffix}"));
            assert!(is_refused(&beside, &at(store)) && is_refused(&at(store), &beside), "{store} {suffix}");
        }
    }
    assert!(!is_refused(&at("store.db-log"), &at("store.db")));
}

/// Otherwise such a file would take minutes and fill the log.
#[test]
fn a_hundred_mistakes_are_named_and_the_rest_counted() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("truycap.toml");
    let zones: String =
        (0..10_000).map(|n| format!("{}timezone = \"Asia/Hanoi\"\n", SITE.replace("\"a\"", &format!("\"a{n}\"")))).collect();
    let unknown: String = (0..40_000).map(|n| format!("key{n} = 1\n")).collect();
    for (text, count, hundredth) in [
        (zones, 10_000, "400: site no. 100: timezone: found \"Asia/Hanoi\""),
        (unknown, 40_000, ": found an unknown key"),
        ("[log]\n".to_owned() + &"level = \"info\"\n".repeat(200_000), 199_999, "102:1: not TOML: duplicate key"),
    ] {
        fs::write(&path, text).unwrap();
        let mistakes = Config::load(Some(&path), Vec::<(String, String)>::new()).unwrap_err();
        assert_eq!((mistakes.lines().len(), mistakes.more()), (100, count - 100));
        assert!(mistakes.lines()[99].contains(hundredth), "{}", mistakes.lines()[99]);
        assert!(mistakes.to_string().ends_with(&format!("\nand {} more mistakes", count - 100)));
    }
    fs::write(&path, " ".repeat((16 << 20) + 1)).unwrap();
    let mistakes = Config::load(Some(&path), Vec::<(String, String)>::new()).unwrap_err();
    assert!(mistakes.lines()[0].ends_with("truycap.toml: the configuration is larger than 16 MiB"), "{mistakes}");
    let long = mistake(&format!("log.level = \"{}\"", "x".repeat(100_000)));
    assert!(long.len() < 500 && long.contains("xx\"…; expected"), "{long}");
}

#[test]
fn an_origin_can_be_a_wildcard_or_have_letters_of_any_language() {
    let one = |text: &str| load(&SITE.replace("https://a.example.vn", text), &[]).map(|config| origins(&config, 0)[0].to_owned());
    for (text, origin) in [
        ("https://*.example.vn", "https://*.example.vn"),
        ("HTTP://*.Example.vn:8080/", "http://*.example.vn:8080"),
        ("https://cổngthôngtin.vn", "https://xn--cngthngtin-vbb7982g.vn"),
        ("https://CỔNGTHÔNGTIN.vn", "https://xn--cngthngtin-vbb7982g.vn"),
        ("https://*.cổngthôngtin.vn", "https://*.xn--cngthngtin-vbb7982g.vn"),
    ] {
        assert_eq!(one(text).unwrap(), origin);
    }
    for suffix in ["vn", "gov.vn", "com.vn", "hanoi.vn", "github.io"] {
        let mistake = only(one(&format!("https://*.{suffix}")).unwrap_err());
        let expected = format!("found \"https://*.{suffix}\"; anyone can register a name below {suffix}; expected all hosts below a name");
        assert!(mistake.starts_with(&format!("FILE:3: site no. 1: origins: {expected}")), "{mistake}");
    }
    for wrong in [
        "*",
        "https://*",
        "https://*.",
        "https://www.*.example.vn",
        "https://*example.vn",
        "https://*.*.example.vn",
        "https://*.10.0.0.1",
        "https://*.[::1]",
        "*.example.vn",
        "https://*..vn",
    ] {
        let mistake = only(one(wrong).unwrap_err());
        assert!(mistake.contains(&format!("found {wrong:?}; expected http:// or https:// and a host")), "{mistake}");
        assert!(mistake.ends_with("or \"https://*.example.vn\" for all hosts below"), "{mistake}");
    }
}

#[test]
fn advice_names_origins_that_two_sites_list_and_siblings_that_seem_forgotten() {
    let config = |sites: &[&[&str]]| {
        let tables = sites.iter().zip(["a", "b", "c"]).map(|(origins, id)| format!("[[sites]]\nid = \"{id}\"\norigins = {origins:?}\n"));
        load(&tables.collect::<String>(), &[]).unwrap().origin_advice()
    };
    let shared = config(&[&["https://www.example.vn", "https://example.vn"], &["https://example.vn", "https://www.example.vn"]]);
    assert_eq!(shared.len(), 1, "{shared:?}");
    assert!(shared[0].ends_with(": https://example.vn of a and b, https://www.example.vn of a and b"), "{shared:?}");
    for (origin, sibling) in [
        ("https://www.tinh.example.vn", "https://tinh.example.vn"),
        ("https://example.gov.vn", "https://www.example.gov.vn"),
        ("https://example.vn:8443", "https://www.example.vn:8443"),
    ] {
        let advice = config(&[&[origin]]);
        assert!(advice.len() == 1 && advice[0].ends_with(&format!(": {sibling} of a")), "{advice:?}");
    }
    // http is forgotten only if it is used elsewhere; https if there is only http.
    let http = config(&[&["https://soyte.example.vn"], &["http://tinh.example.vn"]]);
    assert!(http.len() == 1 && http[0].ends_with(": http://soyte.example.vn of a, https://tinh.example.vn of b"), "{http:?}");
    let quiet = [
        &["https://soyte.example.vn"][..],
        &["https://example.vn", "https://*.example.vn"],
        &["http://127.0.0.1:8080", "http://localhost", "null"],
        &["https://portal-gov-vn.translate.goog"],
    ];
    assert_eq!(config(&quiet), [""; 0]);
    let many: Vec<_> = (0..9).map(|n| format!("https://e{n}.vn")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    assert!(config(&[&many])[0].ends_with(": https://www.e0.vn of a, https://www.e1.vn of a, https://www.e2.vn of a and 6 more"));
}

/// A directory with a configuration file and further ones. In mistakes, the directory's name is left out.
fn load_files(files: &[(&str, &str)], env: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let name = format!("{}/", dir.path().display());
    let env: Vec<_> = env.iter().map(|(key, value)| (*key, value.replace("DIR/", &name))).collect();
    Config::load(Some(&dir.path().join("truycap.toml")), env)
        .map_err(|mistakes| mistakes.lines().iter().map(|line| line.replace(&name, "")).collect())
}

const MAIN: &str = "sites_dir = \"sites.d\"\n";

fn site_named(id: &str) -> String {
    SITE.replace("\"a\"", &format!("\"{id}\""))
}

#[test]
fn the_files_of_a_directory_add_sites_in_the_order_of_their_names() {
    let (c, b, a) = (site_named("c"), site_named("b") + &site_named("b2"), site_named("a"));
    let files = [
        ("truycap.toml", MAIN),
        ("sites.d/20.toml", &*c),
        ("sites.d/10.toml", &b),
        ("sites.d/.10.toml.swp", "x"),
        ("sites.d/..data/x", "x"),
        ("sites.d/10.toml~", "x"),
        ("sites.d/10.toml.bak", "x"),
        ("sites.d/#10.toml#", "x"),
    ];
    assert_eq!(site_ids(&load_files(&files, &[]).unwrap()), ["b", "b2", "c"], "without the built-in site");
    let main = MAIN.to_owned() + &a;
    let with_own = [&[("truycap.toml", &*main)], &files[1..]].concat();
    assert_eq!(site_ids(&load_files(&with_own, &[]).unwrap()), ["a", "b", "b2", "c"]);
    let sites = ("TRUYCAP_SITES", "[{ id = \"v\", origins = [\"https://v.example.vn\"] }]");
    assert_eq!(site_ids(&load_files(&with_own, &[sites]).unwrap()), ["v"]);
    let dir = ("TRUYCAP_SITES_DIR", "DIR/sites.d");
    assert_eq!(site_ids(&load_files(&[&[("truycap.toml", "")], &files[1..]].concat(), &[dir]).unwrap()), ["b", "b2", "c"]);
    assert_eq!(site_ids(&load_files(&with_own, &[sites, dir]).unwrap()), ["v", "b", "b2", "c"]);
    assert_eq!(site_ids(&load_files(&with_own, &[("TRUYCAP_SITES_DIR", "")]).unwrap()), ["a"]);
}

#[test]
fn mistakes_in_a_directory_of_sites_name_both_places() {
    let (a, b) = (site_named("a"), format!("# A portal.\n{}", site_named("a")));
    let mistakes = load_files(&[("truycap.toml", MAIN), ("sites.d/a.toml", &a), ("sites.d/b.toml", &b)], &[]).unwrap_err();
    let expected =
        "sites.d/b.toml:3: site no. 1: id: found \"a\", which is also the id of a site in sites.d/a.toml:1; expected another one";
    assert_eq!(only(mistakes), expected);
    let main = MAIN.to_owned() + &a;
    let mistakes = load_files(&[("truycap.toml", &main), ("sites.d/b.toml", &b)], &[]).unwrap_err();
    assert_eq!(only(mistakes), expected.replace("sites.d/a.toml:1", "truycap.toml:2"));
    for (name, text, expected) in [
        ("a.toml", "id = \"a\"\n", "sites.d/a.toml:1: id: found an unknown key; expected tables under lines [[sites]] and nothing else"),
        ("a.toml", "", "sites.d/a.toml: found no site; expected a line [[sites]] and its keys below"),
        ("a.toml", "[[sites]", "sites.d/a.toml:1:"),
        ("a.toml", &format!("{a}[log]\nlevel = \"info\""), "sites.d/a.toml:5: log.level: found an unknown key; expected tables"),
        ("a.txt", &a, "sites.d/a.txt: the name does not end in .toml; move it elsewhere, or rename it to end in .bak"),
        ("a.toml/x.toml", &a, "sites.d/a.toml: not a regular file; move it elsewhere"),
        (".gitkeep", "", "truycap.toml:1: sites_dir: found no file in sites.d; expected one or more with a line [[sites]]"),
        ("a.toml", "\u{0}", "sites.d/a.toml:1:1: not TOML"),
    ] {
        let mistakes = load_files(&[("truycap.toml", MAIN), (&format!("sites.d/{name}"), text)], &[]).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.starts_with(expected)), "{name}: {mistakes:#?}");
    }
    let missing = only(load_files(&[("truycap.toml", MAIN)], &[]).unwrap_err());
    assert!(missing.starts_with("sites.d: No such file or directory"), "{missing}");
    let many: String = (0..9_999).map(|n| site_named(&format!("m{n}"))).collect();
    let two = site_named("x") + &site_named("y");
    assert_eq!(load_files(&[("truycap.toml", MAIN), ("sites.d/m.toml", &many), ("sites.d/x.toml", &a)], &[]).unwrap().sites.len(), 10_000);
    let mistakes = load_files(&[("truycap.toml", MAIN), ("sites.d/m.toml", &many), ("sites.d/x.toml", &two)], &[]).unwrap_err();
    assert!(only(mistakes).contains("sites: found 10001 tables; expected 1 to 10000 tables"));
}

#[test]
fn a_password_can_come_from_a_file() {
    let main = "[store]\nurl = \"redis://joe@host\"\npassword_file = \"secret/redis\"\n";
    let with = |password: &str| load_files(&[("truycap.toml", main), ("secret/redis", password)], &[]);
    let url = |text: &str| built_in(&[("TRUYCAP_STORE__URL", text)]).unwrap().store;
    for (text, percent_encoded) in [
        ("hunter2", "hunter2"),
        ("hunter2\n", "hunter2"),
        ("hunter2\r\n", "hunter2"),
        (" hunter2 \n", "%20hunter2%20"),
        ("h@n/t#e%r:2", "h%40n%2Ft%23e%25r%3A2"),
    ] {
        let config = with(text).unwrap();
        assert_eq!(config.store, url(&format!("redis://joe:{percent_encoded}@host")), "{text:?}");
        assert!(!format!("{config:?}{}", config.to_toml()).contains("hunter2"));
    }
    let uid = std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").unwrap());
    for (text, expected) in [
        ("", "found no password in secret/redis; the file is empty".to_owned()),
        ("\n", "found no password in secret/redis; the file is empty".to_owned()),
        ("a\nb\n", "found several lines in secret/redis; expected only the password".to_owned()),
        (&"x".repeat(4097), "found more than 4096 bytes in secret/redis; expected a password".to_owned()),
    ] {
        assert_eq!(only(with(text).unwrap_err()), format!("truycap.toml:3: store.password_file: {expected}"));
    }
    let missing = only(load_files(&[("truycap.toml", main)], &[]).unwrap_err());
    let expected = format!("truycap.toml:3: store.password_file: cannot read secret/redis as uid {uid}: No such file or directory");
    assert!(missing.starts_with(&expected), "{missing}");
    let twice = only(load_files(&[("truycap.toml", &main.replace("joe@", "joe:pw@")), ("secret/redis", "x")], &[]).unwrap_err());
    assert_eq!(twice, "truycap.toml:3: store.password_file: found a path, but store.url contains a password; expected only one of them");
    let file = only(load_files(&[("truycap.toml", "store.password_file = \"secret/redis\"\n"), ("secret/redis", "x")], &[]).unwrap_err());
    assert!(
        file.starts_with("truycap.toml:1: store.password_file: found a path, but store.url is a file, which has no password"),
        "{file}"
    );
    // An absolute path in a variable, as systemd's %d gives it, and a socket.
    let env = [("TRUYCAP_STORE__PASSWORD_FILE", "DIR/cred/redis"), ("TRUYCAP_STORE__URL", "redis+unix:///run/redis.sock?user=joe")];
    let config = load_files(&[("truycap.toml", main), ("cred/redis", "hunter2\n")], &env).unwrap();
    assert_eq!(config.store, url("redis+unix:///run/redis.sock?user=joe&pass=hunter2"));
    let other = load_files(&[("truycap.toml", main), ("cred/redis", "new\n")], &env).unwrap();
    assert_eq!(config.fixed_differences(&other), ["store.password_file"]);
}

/// Two tokens, which no message may show.
const TOKENS: [&str; 2] = ["hunter2-hunter2-hunter2", "0123456789-hunter2"];

fn with_report(lines: &str) -> String {
    site_named("portal") + lines
}

#[test]
fn a_report_is_off_public_or_for_those_who_have_a_token() {
    let access = |lines: &str| {
        let config = load_files(&[("truycap.toml", &with_report(lines)), ("tokens", &format!("{}\r\n{}\n", TOKENS[0], TOKENS[1]))], &[]);
        config.unwrap().sites[0].rules.report.clone()
    };
    assert_eq!(access(""), ReportAccess::Off);
    assert_eq!(access("report = \"off\"\n"), ReportAccess::Off);
    assert_eq!(access("report = \"public\"\n"), ReportAccess::Public);
    let tokens: Vec<_> = TOKENS.iter().map(|token| ReportToken::new(token).unwrap()).collect();
    let listed = format!("report = \"token\"\nreport_tokens = {TOKENS:?}\n");
    assert_eq!(access(&listed), ReportAccess::Token(tokens.clone()));
    assert_eq!(access("report = \"token\"\nreport_tokens_file = \"tokens\"\n"), ReportAccess::Token(tokens.clone()));
    assert_eq!(access(&format!("{listed}report_tokens_file = \"tokens\"\n")), ReportAccess::Token([&tokens[..], &tokens].concat()));
}

#[test]
fn tokens_are_never_shown() {
    let one = |token: &str| with_report(&format!("report = \"token\"\nreport_tokens = [\"{token}\"]\n"));
    let config = load_files(&[("truycap.toml", &one(TOKENS[0]))], &[]).unwrap();
    let toml = config.to_toml();
    assert!(toml.contains("report = \"token\"\n# The tokens, 1 in number, are not shown.\n"), "{toml}");
    assert!(!format!("{config:?}{toml}{:?}", config.effective()).contains("hunter2"));
    // A reload must notice a new token.
    let other = load_files(&[("truycap.toml", &one(TOKENS[1]))], &[]).unwrap();
    assert_ne!(config.sites_hash(), other.sites_hash());
}

#[test]
fn a_mistake_about_a_report_says_what_to_write_and_shows_no_token() {
    const TOKEN: &str = "16 to 128 of A-Z, a-z, 0-9, \"-\", \"_\", \".\" and \"~\"";
    let hidden = "not shown because it can be a token";
    let uses = "found tokens, which only \"token\" uses; expected \"token\", or no report_tokens".to_owned();
    let no_list = format!("found another value, {hidden}; expected an array of up to 20 texts");
    let many = "a\n".repeat(21);
    let known = [
        ("report = \"hunter2\"", "report", format!("found another value, {hidden}; expected \"off\", \"public\" or \"token\"")),
        ("report = \"token\"", "report", format!("found \"token\", but no token; expected one or more in report_tokens, each {TOKEN}")),
        ("report_tokens = [\"hunter2-hunter2-hunter2\"]", "report", uses.clone()),
        ("report = \"public\"\nreport_tokens = [\"hunter2-hunter2-hunter2\"]", "report", uses),
        ("report_tokens = \"hunter2-hunter2-hunter2\"", "report_tokens", no_list.clone()),
        ("report_tokens = [\"hunter2\"]", "report_tokens", format!("found another text as token no. 1, not shown; expected {TOKEN}")),
        ("report_tokens_file = \"many\"", "report_tokens_file", "found more than 20 lines in many; expected a token in each line".into()),
        (
            "report_tokens_file = \"short\"",
            "report_tokens_file",
            format!("short: found another text as token no. 2, not shown; expected {TOKEN}"),
        ),
        ("report_tokens_file = 5", "report_tokens_file", "found no text; expected the path of a file, or \"\"".into()),
    ];
    for (lines, key, expected) in known {
        let files = [("truycap.toml", &*with_report(lines)), ("many", &many), ("short", "hunter2-hunter2-hunter2\nhunter2\n")];
        let mistake = only(load_files(&files, &[]).unwrap_err());
        assert!(mistake.ends_with(&format!(": {key}: {expected}")) || mistake.ends_with(&format!(" {key}: {expected}")), "{mistake}");
        assert!(!mistake.contains("hunter2"), "{mistake}");
    }
    let missing = only(load_files(&[("truycap.toml", &with_report("report_tokens_file = \"none\""))], &[]).unwrap_err());
    assert!(missing.contains("report_tokens_file: cannot read none as uid "), "{missing}");
    let variable = format!("[{{ id = \"a\", origins = [\"https://a.example.vn\"], report_tokens = [\"{}\", \"hunter2\"] }}]", TOKENS[0]);
    let variable = built_in(&[("TRUYCAP_SITES", &variable)]).unwrap_err();
    assert!(!variable.concat().contains("hunter2"), "{variable:?}");
}

#[test]
fn the_passwords_of_servers_and_of_sentinels_can_come_from_two_files() {
    let main = "[store]\nurl = \"redis+sentinel://joe@a,b/m?sentinel_user=ann\"\npassword_file = \"redis\"\nsentinel_password_file = \"sentinel\"\n";
    let with =
        |main: &str, server: &str, sentinel: &str| load_files(&[("truycap.toml", main), ("redis", server), ("sentinel", sentinel)], &[]);
    let config = with(main, "hunter2\n", "hunt@er3").unwrap();
    let url = "redis+sentinel://joe:hunter2@a,b/m?sentinel_user=ann&sentinel_password=hunt%40er3";
    assert_eq!(config.store, StoreUrl::parse(url).unwrap());
    assert!(!format!("{config:?}{}", config.to_toml()).contains("hunt"));
    let differences = |server, sentinel| config.fixed_differences(&with(main, server, sentinel).unwrap());
    assert_eq!(differences("hunter2", "hunt@er3"), [""; 0]);
    assert_eq!(differences("new", "hunt@er3"), ["store.password_file"]);
    assert_eq!(differences("hunter2", "new"), ["store.sentinel_password_file"]);
    assert_eq!(differences("new", "new"), ["store.password_file", "store.sentinel_password_file"]);
    for url in ["redis+sentinel://jim@a,b/m?sentinel_user=ann", "redis+sentinel://joe@a/m?sentinel_user=ann", "redis+sentinel://joe@a,b/m"]
    {
        let other = main.replace("redis+sentinel://joe@a,b/m?sentinel_user=ann", url);
        assert_eq!(config.fixed_differences(&with(&other, "new", "new").unwrap()), ["store.url"], "{url}");
    }
    let refused = |url: &str| {
        let main = main.replace("redis+sentinel://joe@a,b/m?sentinel_user=ann", url).replace("password_file = \"redis\"\n", "");
        only(with(&main, "x", "x").unwrap_err())
    };
    let twice = refused("redis+sentinel://a/m?sentinel_password=x");
    let expected = "truycap.toml:3: store.sentinel_password_file: found a path, but store.url contains sentinel_password";
    assert!(twice.starts_with(expected), "{twice}");
    for url in ["redis://a", "redis+cluster://a", "sqlite:x.db"] {
        let expected = "truycap.toml:3: store.sentinel_password_file: found a path, but store.url is not a Sentinel URL";
        assert!(refused(url).starts_with(expected), "{}", refused(url));
    }
    // A cluster takes the other file.
    let cluster = main.replace("redis+sentinel://joe@a,b/m?sentinel_user=ann", "redis+cluster://joe@a,b").replace("\"sentinel\"", "\"\"");
    assert_eq!(with(&cluster, "pw", "").unwrap().store, StoreUrl::parse("redis+cluster://joe:pw@a,b").unwrap());
}

#[test]
fn differences_that_need_a_restart_are_named() {
    let changed = load("clients.max_connections = 5\nbots.headless = false\nretention.days = 41", &[]).unwrap();
    let keys = ["retention.days", "clients.max_connections", "bots.headless"];
    assert_eq!(load("", &[]).unwrap().fixed_differences(&changed), keys);
}

#[test]
fn the_effective_configuration_is_valid_and_names_the_layer_of_each_value() {
    let defaults = "[listen]\npublic = \"0.0.0.0:8080\"\n[log]\nlevel = \"warn\"\n";
    let main = "retention.days = 40\nlog.level = \"error\"\n[bots]\ndeny = [\"a\\\"b\\u0001\\u007f\"]\n[store]\nurl = \"redis://joe:hunter2@host\"\n".to_owned()
        + &site_named("a")
        + "repeat_window = \"90m\"\narticles = '^/tin/\\d'\n";
    let env = [
        ("TRUYCAP_DEFAULTS", "DIR/image.toml"),
        ("TRUYCAP_RETENTION__WEEKS", "020"),
        ("TRUYCAP_CLIENTS__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
    ];
    let config = load_files(&[("truycap.toml", &main), ("image.toml", defaults)], &env).unwrap();
    let differences: Vec<_> =
        config.differences().map(|value| (&*value.key, &*value.value, value.layer.rsplit('/').next().unwrap())).collect();
    let expected = [
        ("bots.deny", "[\"a\\\"b\\u0001\\u007f\"]", "truycap.toml:4"),
        ("clients.trusted_proxies", "[\"10.0.0.0/8\", \"::1\"]", "TRUYCAP_CLIENTS__TRUSTED_PROXIES"),
        ("listen.public", "\"0.0.0.0:8080\"", "image.toml:2"),
        ("log.level", "\"error\"", "truycap.toml:2"),
        ("retention.weeks", "20", "TRUYCAP_RETENTION__WEEKS"),
        ("store.url", "\"redis://host:6379/0\"", "truycap.toml:6"),
        ("sites", "1 table", "truycap.toml:7"),
    ];
    assert_eq!(differences, expected);
    let text = config.to_toml();
    let again = load(&text, &[]).unwrap();
    let values = |config: &Config| config.effective().iter().map(|value| (value.key.clone(), value.value.clone())).collect::<Vec<_>>();
    assert_eq!((values(&again), again.sites_hash()), (values(&config), config.sites_hash()));
    assert!(built_in(&[]).unwrap().differences().next().is_none());
    assert_eq!(load(DEFAULT, &[]).unwrap().differences().map(|value| &*value.key).collect::<Vec<_>>(), ["sites"]);
}

#[test]
fn the_hash_of_the_sites_differs_exactly_if_a_site_does() {
    let hash = |text: &str| load(text, &[]).unwrap().sites_hash();
    let (a, b) = (site_named("a"), site_named("b"));
    let base = hash(&(a.clone() + &b));
    assert!(base < 1 << 53);
    let spelled =
        a.replace("https://a.example.vn", "HTTPS://a.example.vn:443/") + "timezone = \"Asia/Ho_Chi_Minh\"\nrepeat_window = \"0ms\"\n";
    assert_eq!(hash(&format!("log.level = \"warn\"\n{b}{spelled}")), base);
    for change in [
        "timezone = \"Asia/Tokyo\"",
        "aliases = [\"c\"]",
        "sections = [\"/\"]",
        "require_origin = true",
        "repeat_window = \"1s\"",
        "max_new_articles_per_day = 1",
        "max_views_per_second = 1",
        "articles = \"a\"",
        "visitors = true",
        "titles = true",
        "report = \"public\"",
    ] {
        assert_ne!(hash(&format!("{a}{b}{change}\n")), base, "{change}");
    }
    assert_ne!(hash(&a), base);
    assert_ne!(hash(&(a + &b.replace("https", "http"))), base);
}

#[test]
fn the_address_of_the_admin_listener_is_read_whatever_else_is_wrong() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("truycap.toml");
    let admin = |text: &str| {
        fs::write(&path, text).unwrap();
        Config::admin_listener(Some(&path), Vec::<(String, String)>::new())
    };
    assert_eq!(admin("colour = 1\n[listen]\nadmin = \"[::]:81\"\n").unwrap(), "[::]:81".parse().unwrap());
    assert!(admin("[listen]\nadmin = \"x\"\n").unwrap_err().lines()[0].contains("listen.admin: found \"x\""));
    assert!(admin("[listen\n").unwrap_err().lines()[0].contains("not TOML"));
}
