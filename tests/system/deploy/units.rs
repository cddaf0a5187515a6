//! The systemd units.

use std::{fs, process::Command};

use tempfile::TempDir;

use super::{
    file,
    process::{Place, place::program},
};

/// The version of `systemd-analyze`.
fn version() -> u32 {
    let output = Command::new("systemd-analyze").arg("--version").output().expect("systemd-analyze: run scripts/set-up.sh");
    String::from_utf8(output.stdout).unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn systemd_accepts_the_units() {
    let version = version();
    let dir = TempDir::new().unwrap();
    let mut units = Vec::new();
    for name in fs::read_dir(file("deploy/systemd")).unwrap().map(|entry| entry.unwrap().file_name()) {
        let name = name.to_str().unwrap();
        let text = fs::read_to_string(file("deploy/systemd").join(name)).unwrap();
        let mut text = text.replace("/usr/local/bin/truycap", program().to_str().unwrap());
        if version < 253 {
            text = text.replace("Type=notify-reload", "Type=notify");
        }
        // An instance, because a template alone is not checked.
        let name = name.replace('@', "@a");
        if [".service", ".socket", ".timer"].iter().any(|ending| name.ends_with(ending)) {
            units.push(name.clone());
        }
        let path = if name == "socket.conf" { dir.path().join("truycap.service.d/socket.conf") } else { dir.path().join(name) };
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    assert_eq!(units.len(), 5, "{units:?}");
    for unit in units {
        let unit = dir.path().join(unit);
        let output = Command::new("systemd-analyze").arg("verify").arg(&unit).output().unwrap();
        let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        let ours: Vec<_> = printed.lines().filter(|line| line.contains("truycap")).collect();
        assert!(output.status.success() && ours.is_empty(), "{}: {printed}", unit.display());
    }
}

#[test]
fn the_unit_of_backups_makes_one_and_keeps_the_last_fourteen() {
    let place = Place::new().with("STORE__URL", "sqlite:truycap.db").with("JOURNAL__PATH", "journal.db");
    let service = place.start();
    service.count("portal", "/1");
    service.stop();
    let directory = place.path("backup");
    fs::create_dir(&directory).unwrap();
    let old: Vec<_> = (1..=20).map(|day| format!("truycap-2025-01-{day:02}.db")).collect();
    old.iter().for_each(|name| fs::write(directory.join(name), "").unwrap());
    let unit = fs::read_to_string(file("deploy/systemd/truycap-backup.service")).unwrap();
    let unit = unit.replace("/usr/local/bin/truycap --config /etc/truycap/truycap.toml", program().to_str().unwrap());
    let unit = unit.replace("/var/lib/truycap/backup", directory.to_str().unwrap()).replace("$$", "$").replace("%%", "%");
    let lines: Vec<_> = unit.lines().filter_map(|line| line.strip_prefix("ExecStart=/bin/sh -c '")?.strip_suffix('\'')).collect();
    assert_eq!(lines.len(), 2);
    // Twice in a night.
    for line in lines.iter().chain(&lines) {
        let mut shell = Command::new("/bin/sh");
        assert!(shell.args(["-c", line]).current_dir(place.path(".")).envs(&place.environment).status().unwrap().success(), "{line}");
    }
    let names = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let (mut kept, new): (Vec<_>, Vec<_>) = names.partition(|name| old.contains(name));
    kept.sort();
    assert_eq!(kept, old[7..]);
    assert_eq!(new.len(), 1, "{new:?}");
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
