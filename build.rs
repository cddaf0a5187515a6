//! Names the commit that the program is built from, as `BUILD_COMMIT`. Not as `TRUYCAP_…`: cargo hands it to what it runs,
//! where it would be taken for a key of the configuration.
//!
//! The variable `TRUYCAP_COMMIT` says it; without it, git is asked, where there is one. A debug build does not ask: each
//! commit would have all of it compiled anew.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-env-changed=TRUYCAP_COMMIT");
    let given = env::var("TRUYCAP_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = match env::var("PROFILE").as_deref() {
        Ok("debug") => given.unwrap_or_else(|| "debug".into()),
        _ => given.or_else(asked).unwrap_or_else(|| "unknown".into()),
    };
    println!("cargo::rustc-env=BUILD_COMMIT={commit}");
}

/// The commit that is checked out; asked again after the next one.
fn asked() -> Option<String> {
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|text| !text.is_empty())
}
