//! `truycap check` finds what a start would fail at, and makes nothing.

use std::{
    fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        net::UnixListener,
    },
    path::Path,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    disk::as_root,
    files::place,
    process::{Place, child::Finished},
};

/// A user that owns nothing.
const STRANGER: u32 = 61_184;

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Checks as a user that may not write these files.
fn check_without_rights(place: &Place, files: &[&Path]) -> Finished {
    let mut place = place.clone();
    fs::set_permissions(place.path("."), fs::Permissions::from_mode(0o777)).unwrap();
    if as_root() {
        let user = STRANGER.to_string();
        place.launcher = ["setpriv", "--clear-groups", "--reuid", &user, "--regid", &user].map(str::to_owned).into();
    }
    for file in files {
        fs::set_permissions(file, fs::Permissions::from_mode(0o444)).unwrap();
    }
    place.run(&["check"])
}

#[test]
fn check_makes_no_file_and_says_that_the_service_makes_them() {
    let place = place();
    let place = place.with_journal(place.path("state/journal.db")).with_store(place.path("state/truycap.db"));
    let text = place.ok(&["check"]);
    assert_eq!(text.matches("does not exist yet; the service makes it").count(), 2, "{text}");
    let report: Value = serde_json::from_str(&place.ok(&["check", "--json"])).unwrap();
    assert_eq!((&report["journal"]["exists"], &report["store"]["exists"], &report["ok"]), (&json!(false), &json!(false), &json!(true)));
    assert!(names(&place.path(".")).is_empty());
}

#[test]
fn a_place_that_this_user_cannot_write_is_refused_with_its_owner() {
    let place = place();
    place.start().stop();
    let owner = fs::metadata(place.store()).unwrap().uid();
    let user = if as_root() { STRANGER } else { owner };
    for (file, key) in [(place.store(), "store.url"), (place.journal(), "journal.path")] {
        let check = check_without_rights(&place, &[&file]);
        assert_eq!(check.code, Some(1), "{check:?}");
        let whose = format!("it belongs to uid {owner} with mode 444");
        let expected = format!("{key}: this user (uid {user}) cannot read and write {}: {whose}", file.display());
        assert!(check.err.contains(&expected), "{}", check.err);
    }
    // Neither exists, and the directory is another user's.
    fs::remove_file(place.store()).unwrap();
    fs::remove_file(place.journal()).unwrap();
    fs::create_dir(place.path("locked")).unwrap();
    let locked = place.with_journal(place.path("locked/journal.db")).with_store(place.path("locked/truycap.db"));
    let check = check_without_rights(&locked, &[&place.path("locked")]);
    assert_eq!(
        (check.code, check.err.matches(&format!("this user (uid {user}) cannot make files in")).count()),
        (Some(1), 2),
        "{}",
        check.err
    );
    assert!(names(&place.path("locked")).is_empty());
}

#[test]
fn a_file_of_another_owner_than_its_directory_is_pointed_out_to_root() {
    if !as_root() {
        return;
    }
    let place = place();
    place.start().stop();
    chown(place.path("."), Some(STRANGER), Some(STRANGER)).unwrap();
    let text = place.ok(&["check"]);
    for file in [place.store(), place.journal()] {
        let expected = format!("{} does not belong to the owner of its directory (uid {STRANGER})", file.display());
        assert!(text.contains(&expected), "{text}");
        chown(file, Some(STRANGER), Some(STRANGER)).unwrap();
    }
    let _ = fs::remove_file(place.journal().with_extension("db-wal"));
    let text = place.ok(&["check"]);
    assert!(text.contains("root may write everything: run this check as that user"), "{text}");
}

#[test]
fn a_port_that_is_taken_is_found_and_its_key_is_named_unless_a_service_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (variable, key) in [("LISTEN__PUBLIC", "listen.public"), ("LISTEN__ADMIN", "listen.admin")] {
        let check = place().with(variable, &address).run(&["check"]);
        assert_eq!(check.code, Some(1), "{check:?}");
        assert!(check.err.contains(&format!("{key}: cannot listen on {address}: Address already in use")), "{}", check.err);
    }
    let place = place();
    let service = place.start();
    let running = place.with("LISTEN__PUBLIC", &service.public).with("LISTEN__ADMIN", &service.admin);
    assert!(running.ok(&["check"]).contains("in use by a running truycap"));
    service.stop();
}

#[test]
fn a_unix_socket_that_the_start_cannot_make_is_found() {
    let place = place().with("LISTEN__PUBLIC", "unix:run/public.sock");
    let refused = |reason: &str| {
        let check = place.run(&["check"]);
        let expected = format!("listen.public: cannot listen on unix:run/public.sock: {reason}");
        assert!(check.code == Some(1) && check.err.contains(&expected), "{check:?}");
        assert_eq!(place.run(&["serve"]).code, Some(1), "{reason}");
    };
    refused("the directory run does not exist");
    fs::create_dir(place.path("run")).unwrap();
    place.ok(&["check"]);
    place.write("run/public.sock", "a file");
    refused("the file exists and is not a socket");
    fs::remove_file(place.path("run/public.sock")).unwrap();
    let _listener = UnixListener::bind(place.path("run/public.sock")).unwrap();
    refused("another process listens on it");
    // A unit with RuntimeDirectory= makes this one.
    let text = place.clone().with("LISTEN__PUBLIC", "unix:/run/truycap-of-no-unit/public.sock").ok(&["check"]);
    assert!(text.contains("listen.public: /run/truycap-of-no-unit does not exist"), "{text}");
}

#[test]
fn a_journal_in_memory_or_on_a_disk_that_is_too_small_is_advised_against() {
    let memory = TempDir::new_in("/dev/shm").unwrap();
    let place = place().with_journal(memory.path().join("journal.db")).with("JOURNAL__MAX_BYTES", "64GiB");
    let text = place.ok(&["check"]);
    assert!(text.contains("(tmpfs) is in memory") && text.contains("free, and journal.max_bytes is 64.0 GiB"), "{text}");
    let report: Value = serde_json::from_str(&place.ok(&["check", "--json"])).unwrap();
    assert_eq!(report["journal"]["advice"].as_array().unwrap().len(), 2, "{report}");
    assert!(names(memory.path()).is_empty());
}

#[test]
fn many_sites_are_a_number_and_a_long_header_is_pointed_out() {
    let origins = |count: usize| (0..count).map(|number| format!("\"https://xa-{number}.tinh.gov.vn\"")).collect::<Vec<_>>().join(", ");
    let site = |number: usize| format!("[[sites]]\nid = \"s{number}\"\norigins = [{}]\n", origins(if number == 3 { 130 } else { 1 }));
    let mut place = place();
    place.environment.remove("TRUYCAP_SITES");
    let file = place.write("many.toml", (0..300).map(site).collect::<String>());
    let text = place.ok(&["check", "--config", &file]);
    assert!(text.starts_with("configuration: valid; sites: 300\n"), "{text}");
    assert!(text.contains("the box of site s3 names its 130 origins in a header of"), "{text}");
    assert!(text.contains("configuration: journal.path = ") && text.contains(" (TRUYCAP_JOURNAL__PATH)"), "{text}");
}
