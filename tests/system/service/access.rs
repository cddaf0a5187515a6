//! Files that this user cannot use are refused at the start, and the errors name file, user and disk.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::{
    disk::{Disk, as_root},
    files::place,
    process::{Place, eventually},
};

/// The service as a user with few rights: root can write to every file.
fn as_nobody(mut place: Place) -> Place {
    mode(place.path(".").as_path(), 0o777);
    if as_root() {
        place.launcher = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"].map(str::to_owned).into();
    }
    place
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A place in which this user has counted a view.
fn used() -> Place {
    let place = as_nobody(place());
    let service = place.start();
    service.count("portal", "/1");
    service.stop();
    place
}

#[test]
fn a_start_that_makes_a_new_store_says_so() {
    let place = place();
    let log = place.start().stop().err;
    for (file, words) in [(place.store(), "a new store was made"), (place.journal(), "a new journal was made")] {
        let line = log.lines().find(|line| line.contains(words)).unwrap_or_else(|| panic!("no {words:?} in {log}"));
        assert!(line.contains(&file.display().to_string()), "{line}");
    }
    let log = place.start().stop().err;
    assert!(!log.contains("was made"), "{log}");
}

/// Runs both commands, which must refuse the files and say why in these words.
#[track_caller]
fn refused(place: &Place, words: &[&str]) {
    for command in ["serve", "check"] {
        let finished = place.run(&[command]);
        assert_eq!(finished.code, Some(1), "{command}: {finished:?}");
        for word in words {
            assert!(finished.err.contains(word), "{command}: no {word:?} in {}", finished.err);
        }
    }
}

#[test]
fn a_store_or_journal_that_can_be_read_but_not_written_is_refused_with_its_owner_and_the_user() {
    let place = used();
    for path in [place.store(), place.journal()] {
        let user = fs::metadata(&path).map(|found| std::os::unix::fs::MetadataExt::uid(&found)).unwrap();
        mode(&path, 0o444);
        let words =
            [format!("this user (uid {user}) cannot read and write {}", path.display()), format!("it belongs to uid {user} with mode 444")];
        refused(&place, &words.each_ref().map(String::as_str));
        mode(&path, 0o600);
    }
    if as_root() {
        // As after a restore by root.
        std::os::unix::fs::chown(place.store(), Some(0), Some(0)).unwrap();
        mode(&place.store(), 0o644);
        refused(&place, &["this user (uid 65534) cannot read and write", "it belongs to uid 0 with mode 644"]);
        std::os::unix::fs::chown(place.store(), Some(65534), None).unwrap();
    }
    place.start().stop();
}

#[test]
fn a_directory_in_which_sqlite_cannot_make_its_files_is_refused() {
    let place = used();
    mode(place.path(".").as_path(), 0o555);
    refused(&place, &["cannot make SQLite's files (-wal, -shm) in", "with mode 555"]);
    mode(place.path(".").as_path(), 0o755);
    if as_root() {
        refused(&place, &["this user (uid 65534) cannot make SQLite's files (-wal, -shm) in", "it belongs to uid 0 with mode 755"]);
    }
    mode(place.path(".").as_path(), 0o777);
    place.start().stop();
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = used();
    let closed = place.path("closed");
    fs::create_dir(&closed).unwrap();
    mode(&closed, 0o555);
    let place = place.with_journal(closed.join("below/journal.db"));
    let served = place.run(&["serve"]).err;
    assert!(served.contains("cannot use the journal") && served.contains("its directory cannot be made: Permission denied"), "{served}");
    let checked = place.run(&["check"]);
    assert!(checked.code == Some(1) && checked.err.contains(&format!("cannot make files in {}", closed.display())), "{checked:?}");
}

#[test]
fn the_log_names_the_disk_that_is_full_and_not_a_setting() {
    let place = place();
    let mount = place.path("disk");
    let disk = Disk::new(&mount, 8);
    let place = disk.visible_to(place.with_journal(mount.join("journal.db")).with_store(mount.join("truycap.db")));
    let service = place.start();
    service.count("portal", "/1");
    disk.fill();
    eventually("a view is refused", || service.client().view("portal", "/2").ok().filter(|answer| answer.status == 503));
    let log = eventually("the log has the reason", || Some(service.process.log()).filter(|log| log.contains("the journal is full")));
    assert!(log.contains(&format!("the disk of {} is full", mount.join("journal.db").display())), "{log}");
    assert!(!log.contains("max_bytes"), "{log}");
    service.process.kill();
    // Nor is there room for a start with new files.
    for name in ["journal.db", "truycap.db"] {
        fs::remove_file(disk.path(name)).unwrap();
        let _ = fs::remove_file(disk.path(&format!("{name}-wal")));
        let _ = fs::remove_file(disk.path(&format!("{name}-shm")));
    }
    disk.fill();
    let finished = place.run(&["serve"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.err.contains(&format!("the disk of {} is full", mount.join("journal.db").display())), "{}", finished.err);
}
