//! `truycap backup` and `truycap restore` with the built-in store.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use super::{
    counts::{Counts, shown_fit},
    disk::{Disk, as_root},
    files::{copy_aside, place},
    load::{Load, Tally, pages},
    process::{Place, Service, child::Process, eventually, wait::PATIENCE},
};

fn count(service: &Service, views: u64) -> Tally {
    let load = Load::start(4, pages(12, ""), Duration::ZERO);
    load.aim(Some(&service.public));
    load.wait_for(views);
    load.finish()
}

/// Waits until the store has some views of the site.
fn stored(place: &Place) {
    eventually("views are in the store", || (Counts::exported(place).total("portal", "") > 0).then_some(()));
}

/// What a command that must fail prints.
#[track_caller]
fn refused(place: &Place, arguments: &[&str], reason: &str) {
    let finished = place.run(arguments);
    assert!(finished.code == Some(1) && finished.err.contains(reason), "{arguments:?}: {finished:?}");
}

fn lose(place: &Place) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", place.store().display()));
    }
}

#[test]
fn a_backup_of_a_running_service_and_its_journal_have_every_view_once() {
    let place = place();
    let service = place.start();
    let first = count(&service, 300);
    stored(&place);
    place.ok(&["backup", "backup.db"]);
    let second = count(&service, 300);
    refused(&place, &["restore", "--replace", "backup.db"], "stop it, and then restore");
    service.process.kill();
    // SQLite would take the log that remains for that of the restored file.
    let log = format!("{}-wal", place.store().display());
    assert!(fs::metadata(&log).unwrap().len() > 0);
    fs::remove_file(place.store()).unwrap();

    place.ok(&["restore", "backup.db"]);
    assert!(!Path::new(&log).exists());
    let tally = first.and(&second);
    let service = place.start();
    shown_fit(&service, &tally, || tally.clone());
    let third = count(&service, 50);
    let finished = service.stop();
    assert!(!finished.err.contains("ERROR"), "{}", finished.err);
    Counts::exported(&place).fit(&tally.and(&third));
    // The program reads the backup itself.
    let backup = place.with_store(place.path("backup.db")).with_journal(place.path("none/journal.db"));
    assert!(backup.ok(&["check", "--full"]).contains("can be used"));
}

#[test]
fn a_store_with_counts_is_replaced_only_if_that_is_asked_for_and_as_a_whole() {
    let place = place();
    let service = place.start();
    let first = count(&service, 100);
    service.stop();
    place.ok(&["backup", "backup.db"]);
    let service = place.start();
    let second = count(&service, 100);
    service.process.kill();
    refused(&place, &["restore", "backup.db"], "add --replace");
    for (name, bytes) in [("foreign.csv", vec![b'x'; 9000]), ("half.db", fs::read(place.path("backup.db")).unwrap()[..9000].to_vec())] {
        place.write(name, bytes);
        refused(&place, &["restore", "--replace", name], "is not a backup that can be restored");
    }
    let mode = fs::Permissions::from_mode(0o640);
    fs::set_permissions(place.store(), mode.clone()).unwrap();
    place.ok(&["restore", "--replace", "backup.db"]);
    assert_eq!(fs::metadata(place.store()).unwrap().mode() & 0o777, mode.mode());
    Counts::exported(&place).fit(&first);
    let service = place.start();
    let tally = first.and(&second);
    shown_fit(&service, &tally, || tally.clone());
    service.stop();
    Counts::exported(&place).fit(&tally);
}

#[test]
fn a_backup_replaces_only_a_backup_and_only_if_that_is_asked_for() {
    let place = place();
    let service = place.start();
    count(&service, 1);
    service.stop();
    place.ok(&["backup", "backup.db"]);
    refused(&place, &["backup", "backup.db"], "add --replace");
    place.ok(&["backup", "--replace", "backup.db"]);
    refused(&place, &["backup", "--replace", "truycap.db"], "is the store of the service");
    refused(&place, &["backup", "--replace", "./journal.db"], "is the journal of the service");
    refused(&place, &["restore", "--replace", "truycap.db"], "is the store of the service");
    refused(&place, &["backup", "none/backup.db"], "none: No such file");
    let other = place.write("truycap.toml", "[listen]\n");
    refused(&place, &["backup", "--replace", &other], "is not a backup, so it is not replaced");
    refused(&place, &["backup", "--replace", "/dev/full"], "is not a regular file");
    refused(&place.with_store(place.path("other.db")), &["backup", "other-backup.db"], "other.db: No such file");
    assert!(!place.path("other.db").exists());
    // What a killed backup left is deleted by the next one.
    let left = [".truycap-1.tmp", ".truycap-1.tmp-journal", ".truycap-2.tmp-journal"].map(|name| place.write(name, "left"));
    place.ok(&["backup", "--replace", "backup.db"]);
    for left in left {
        assert!(!Path::new(&left).exists(), "{left}");
    }
}

#[test]
fn a_restore_without_the_configuration_makes_no_store_in_the_working_directory() {
    let place = place();
    let service = place.start();
    let tally = count(&service, 10);
    service.stop();
    place.ok(&["backup", "backup.db"]);
    let mut without = place.clone();
    without.environment.remove("TRUYCAP_STORE__URL");
    without.environment.remove("TRUYCAP_JOURNAL__PATH");
    refused(&without, &["restore", "backup.db"], "name the configuration with --config, or set store.url");
    assert!(!place.path("data").exists());
    // A service that has the built-in paths.
    without.start().stop();
    fs::remove_file(place.path("data/truycap.db")).unwrap();
    without.ok(&["restore", "backup.db"]);
    Counts::exported(&without).fit(&tally);
}

#[test]
fn a_store_without_a_site_can_be_backed_up_but_its_copy_is_not_restored() {
    let place = place();
    place.start().stop();
    // The nightly backup must not fail before the first view.
    assert!(place.ok(&["backup", "backup.db"]).contains("no site yet"));
    let empty = copy_aside(&place.store());
    refused(&place, &["restore", "--replace", empty.to_str().unwrap()], "is a backup without a site");
}

/// Runs a command with a file, or nothing, as its standard input, and returns its standard output.
fn piped(place: &Place, arguments: &[&str], input: Option<&Path>) -> Vec<u8> {
    let mut command = place.command(arguments);
    let mut cat = input.map(|input| Command::new("cat").stdin(File::open(input).unwrap()).stdout(Stdio::piped()).spawn().unwrap());
    command.stdin(cat.as_mut().map_or_else(Stdio::null, |cat| cat.stdout.take().unwrap().into()));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    if let Some(mut cat) = cat {
        assert!(cat.wait().unwrap().success());
    }
    output.stdout
}

#[test]
fn a_backup_and_an_import_go_through_pipes() {
    let place = place();
    let rows = place.write("a.csv", "site,article,period,views\nportal,,2019,5\nportal,/tin/1,2019,3\n");
    assert_eq!(
        piped(&place, &["import", "-"], Some(Path::new(&rows))),
        b"-: imported 2 rows\n  portal: +5: 2019 +5; articles +3\n  to take it back: truycap undo portal 1\n"
    );
    assert_eq!(piped(&place, &["import", "/dev/stdin"], Some(Path::new(&rows))), b"/dev/stdin: was already imported, nothing was added\n");
    assert_eq!(place.ok(&["import", &rows]), format!("{rows}: was already imported, nothing was added\n"));
    refused(&place, &["import", "/dev/null"], "not a file; name a file, a pipe, or -");
    let before = place.ok(&["export"]);
    assert!(before.contains("portal,,total,5\n"), "{before}");

    let backup = place.write("backup.db", piped(&place, &["backup", "-"], None));
    lose(&place);
    piped(&place, &["restore", "-"], Some(Path::new(&backup)));
    assert_eq!(place.ok(&["export"]), before);
    // The backup also knows the file.
    assert_eq!(place.ok(&["import", &rows]), format!("{rows}: was already imported, nothing was added\n"));
    let names = fs::read_dir(place.path("")).unwrap().map(|name| name.unwrap().file_name().into_string().unwrap());
    assert_eq!(names.filter(|name| name.starts_with('.')).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn an_import_from_a_pipe_leaves_the_room_that_the_journal_needs() {
    let place = place();
    let mount = place.path("disk");
    let disk = Disk::new(&mount, 8);
    let place = disk.visible_to(place.with_journal(mount.join("journal.db")));
    let rows = place.write("a.csv", "site,article,period,views\nportal,,2019,5\n");
    let import = |place: &Place| {
        let mut command = place.command(&["import", "-"]);
        command.stdin(File::open(&rows).unwrap()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::new(command.spawn().unwrap()).wait(PATIENCE)
    };
    let finished = import(&place);
    assert!(finished.code == Some(1) && finished.err.contains("must stay free for the journal"), "{finished:?}");
    let finished = import(&place.with("JOURNAL__MAX_BYTES", "1MiB"));
    assert_eq!(finished.out, "-: imported 1 row\n  portal: +5: 2019 +5\n  to take it back: truycap undo portal 1\n", "{finished:?}");
}

/// As with the unit in deploy/: the service has a user of its own, and root imports before its first start.
#[test]
fn a_store_that_root_imports_into_belongs_to_the_user_of_the_service() {
    if !as_root() {
        return;
    }
    let mut place = place();
    chown(place.path(""), Some(61_184), Some(61_184)).unwrap();
    place.ok(&["import", &place.write("past.csv", "site,article,period,views\nportal,,2020,7\n")]);
    let words = ["setpriv", "--reuid=61184", "--regid=61184", "--clear-groups", "sh", "-c", "umask 0077; exec \"$@\"", "sh"];
    place.launcher = words.map(String::from).into();
    let service = place.start();
    service.count("portal", "/1");
    service.stop();
    assert_eq!(Counts::exported(&place).total("portal", ""), 8);
}

/// As with the unit in deploy/: the service has a user of its own, and root restores.
#[test]
fn a_store_that_root_restores_belongs_to_the_user_of_the_service() {
    if !as_root() {
        return;
    }
    let place = place();
    let user = 61_184;
    chown(place.path(""), Some(user), Some(user)).unwrap();
    let mut service_place = place.clone();
    let words = ["setpriv", "--reuid=61184", "--regid=61184", "--clear-groups", "sh", "-c", "umask 0077; exec \"$@\"", "sh"];
    service_place.launcher = words.map(String::from).into();
    let service = service_place.start();
    let first = count(&service, 100);
    stored(&place);
    place.ok(&["backup", "backup.db"]);
    let second = count(&service, 100);
    service.stop();
    let tally = first.and(&second);
    // With and without the file of the store, and with that of root's own umask.
    for lost in [false, true] {
        if lost {
            lose(&place);
        }
        place.ok(&["restore", "--replace", "backup.db"]);
        for file in [place.store(), place.journal()] {
            assert_eq!(fs::metadata(&file).unwrap().uid(), user, "{}", file.display());
        }
        let service = service_place.start();
        shown_fit(&service, &tally, || tally.clone());
        service.stop();
    }
    Counts::exported(&service_place).fit(&tally);
    // Another user could not make a file that the service can write.
    let mut other = place.clone();
    other.launcher = ["setpriv", "--reuid=61185", "--clear-groups"].map(String::from).into();
    let copy = copy_aside(&place.store());
    chown(&copy, Some(61_185), None).unwrap();
    fs::set_permissions(place.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let finished = other.run(&["restore", "--replace", copy.to_str().unwrap()]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    Counts::exported(&service_place).fit(&tally);
}
