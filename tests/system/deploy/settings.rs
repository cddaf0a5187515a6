//! The configuration files and variables in `deploy/` and the documents.

use std::fs;

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
    for name in [
        "Dockerfile",
        "deploy/compose.yaml",
        "deploy/kubernetes/truycap.yaml",
        "deploy/systemd/truycap.service",
        "docs/operations.md",
        "benches/README.md",
    ] {
        let text = fs::read_to_string(file(name)).unwrap();
        let mut variables = variables(&text).peekable();
        assert!(variables.peek().is_some(), "{name}");
        assert_eq!(variables.find(|variable| !known.contains(&format!("# {variable}\n"))), None, "{name}");
    }
}
