//! The configuration files and variables in `deploy/` and the documents.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{file, process::Place};

/// The names of the program's environment variables in a text.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    words.filter(|word| word.starts_with("TRUYCAP_") && word.contains("__"))
}

#[test]
fn the_supplied_configurations_are_valid() {
    let manifests = fs::read_to_string(file("deploy/kubernetes/truycap.yaml")).unwrap();
    let map = manifests.split_once("truycap.toml: |\n").unwrap().1.split_once("---").unwrap().0;
    // The test replaces the paths of store and journal; everything else is checked.
    let place = || Place::new().with("STORE__URL", "sqlite:truycap.db").with("JOURNAL__PATH", "journal.db");
    for name in ["deploy/truycap/truycap.toml", "deploy/systemd/truycap.toml"] {
        let place = place();
        let checked = place.run(&["check", "--config", file(name).to_str().unwrap()]);
        assert_eq!((checked.code, &*checked.err), (Some(0), ""), "{name}");
    }
    let place = place();
    let checked = place.run(&["check", "--config", &place.write("map.toml", map)]);
    assert_eq!((checked.code, &*checked.err), (Some(0), ""), "{map}");
    assert!(checked.out.contains("sites: portal"), "{}", checked.out);
}

#[test]
fn every_supplied_environment_variable_exists() {
    let known = fs::read_to_string(file("config/default.toml")).unwrap();
    let mut checked = 0;
    for path in ["deploy", "docs", "benches/README.md", "README.md", "Dockerfile"].into_iter().flat_map(|path| files_below(&file(path))) {
        // Pictures have no variables.
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for variable in variables(&text) {
            assert!(known.contains(&format!("# {variable}\n")), "{}: {variable}", path.display());
            checked += 1;
        }
    }
    assert!(checked > 50, "{checked}");
}

/// The file, or all files in the directory and below it.
fn files_below(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.into()];
    }
    fs::read_dir(path).unwrap().flat_map(|entry| files_below(&entry.unwrap().path())).collect()
}

/// Each job runs a command of the program, on the configuration that truycap.yaml mounts.
#[test]
fn the_commands_of_the_jobs_are_valid() {
    let jobs = fs::read_to_string(file("deploy/kubernetes/jobs.yaml")).unwrap();
    let commands: Vec<Vec<&str>> = jobs
        .lines()
        .filter_map(|line| line.trim().strip_prefix("args: [")?.strip_suffix(']'))
        .map(|words| words.split(", ").map(|word| word.trim_matches('"')).collect())
        .collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    let place = Place::new();
    for mut command in commands {
        assert_eq!(command.split_off(command.len() - 2), ["--config", "/etc/truycap/truycap.toml"]);
        // Otherwise the import would read standard input.
        command.push("--help");
        let help = place.ok(&command);
        assert!(help.contains(&format!("Usage: truycap {}", command[..command.len() - 1].join(" ").replace(" -", ""))), "{help}");
    }
}

/// A variable would silently beat the file that an operator edits.
#[test]
fn the_compose_file_sets_nothing_beside_the_mounted_file() {
    let text = fs::read_to_string(file("deploy/compose.yaml")).unwrap();
    assert_eq!(variables(&text).next(), None);
}

/// A variable of the image would silently beat the file that an operator mounts.
#[test]
fn the_image_has_its_defaults_below_the_file_of_the_operator() {
    let dockerfile = fs::read_to_string(file("Dockerfile")).unwrap();
    assert!(dockerfile.contains("\nCOPY config/image.toml /\n") && dockerfile.contains("\nENV TRUYCAP_DEFAULTS=/image.toml\n"));
    let set = dockerfile.matches("TRUYCAP_").count() - dockerfile.matches("TRUYCAP_COMMIT").count();
    assert_eq!(set, 1, "{dockerfile}");
    let mut place = Place::new();
    place.environment.clear();
    let image = file("config/image.toml").display().to_string();
    place.environment.insert("TRUYCAP_DEFAULTS".into(), image.clone());
    let mounted = place.write("truycap.toml", "[store]\nurl = \"redis://joe:hunter2@redis\"\n[listen]\nadmin = \"127.0.0.1:8082\"\n");
    let shown = place.with("LISTEN__ADMIN", "[::]:8081").ok(&["config", "--effective", "--config", &mounted]);
    for line in [
        format!("url = \"redis://redis:6379/0\" # {mounted}:2"),
        format!("public = \"0.0.0.0:8080\" # {image}:7"),
        "admin = \"[::]:8081\" # TRUYCAP_LISTEN__ADMIN".into(),
        format!("demo = false # {image}:4"),
        "prefix = \"truycap\" # built-in".into(),
    ] {
        assert!(shown.contains(&format!("\n{line}\n")), "{line}: {shown}");
    }
    assert!(!shown.contains("hunter2"), "{shown}");
}
