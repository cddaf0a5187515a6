//! The systemd units.

use std::{fs, process::Command};

use tempfile::TempDir;

use super::{file, process::place::program};

/// The version of `systemd-analyze`; `None` if it is not installed.
fn version() -> Option<u32> {
    let output = Command::new("systemd-analyze").arg("--version").output().ok()?;
    String::from_utf8(output.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn systemd_accepts_the_units() {
    let Some(version) = version() else { return println!("systemd-analyze is not installed") };
    let dir = TempDir::new().unwrap();
    let units = ["truycap.service", "truycap@.service", "truycap.socket"];
    for name in fs::read_dir(file("deploy/systemd")).unwrap().map(|entry| entry.unwrap().file_name()) {
        let name = name.to_str().unwrap();
        let text = fs::read_to_string(file("deploy/systemd").join(name)).unwrap();
        let mut text = text.replace("/usr/local/bin/truycap", program().to_str().unwrap());
        if version < 253 {
            text = text.replace("Type=notify-reload", "Type=notify");
        }
        // An instance, because a template alone is not checked.
        let name = name.replace('@', "@a");
        let path = if name == "socket.conf" { dir.path().join("truycap.service.d/socket.conf") } else { dir.path().join(name) };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for unit in units {
        let unit = dir.path().join(unit.replace('@', "@a"));
        let output = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        let ours: Vec<_> = printed.lines().filter(|line| line.contains("truycap")).collect();
        assert!(output.status.success() && ours.is_empty(), "{}: {printed}", unit.display());
    }
}

/// systemd would otherwise kill a start that reads a large journal, after 90 seconds and again and again. It sends the signal to
/// reload itself, so a command that sends it would reload twice.
#[test]
fn a_start_has_unlimited_time_and_a_reload_happens_once() {
    for name in ["truycap.service", "truycap@.service"] {
        let text = fs::read_to_string(file("deploy/systemd").join(name)).unwrap();
        for (line, set) in [("TimeoutStartSec=infinity", true), ("Type=notify-reload", true), ("ExecReload=", false)] {
            assert_eq!(text.contains(&format!("\n{line}")), set, "{name}: {line}");
        }
    }
}

#[test]
fn a_stop_has_time_for_the_drain() {
    for name in ["truycap.service", "truycap@.service"] {
        let text = fs::read_to_string(file("deploy/systemd").join(name)).unwrap();
        let seconds = |key: &str| text.split_once(key).unwrap().1.split_once('s').unwrap().0.parse::<u32>().unwrap();
        assert!(seconds("\nTimeoutStopSec=") > seconds("TRUYCAP_LISTEN__DRAIN=") + 10, "{name}");
    }
}
