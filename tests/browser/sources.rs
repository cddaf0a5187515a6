//! The scripts that are served are built from their sources.

use std::{fs, process::Command};

use tempfile::TempDir;

#[test]
fn the_committed_scripts_are_those_of_their_sources_and_old_browsers_can_read_them() {
    let fresh = TempDir::new().unwrap();
    // The script fails if the syntax is newer than ES2018.
    let output = Command::new("bash").arg("scripts/web.sh").arg(fresh.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for file in ["counter.js", "widget.js"] {
        let [committed, built] = ["web/dist".as_ref(), fresh.path()].map(|folder| fs::read_to_string(folder.join(file)).unwrap());
        assert!(committed == built, "web/dist/{file} is outdated: run scripts/web.sh and commit web/dist");
    }
}
