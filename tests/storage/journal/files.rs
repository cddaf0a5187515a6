//! What happens to the journal's files outside of this process: unclean stops, and files that go while they are open.

use std::{
    fs::{self, File},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use truycap::{
    domain::producer::Seq,
    journal::{
        Journal, JournalError,
        sqlite::{Config, SqliteJournal},
    },
};

use super::support::{MIB, Place, append, copy, fill, read_all, site, sum_of_a, trim};

/// Gives a file an old time of modification, and returns how to ask whether it was written since.
fn watch(path: PathBuf) -> impl Fn() -> bool {
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    File::options().write(true).open(&path).unwrap().set_modified(old).unwrap();
    move || fs::metadata(&path).unwrap().modified().unwrap() != old
}

/// The files of a process that died after it had written entries 601 to 640 to the log.
async fn died() -> Place {
    let (place, died) = (Place::filled(600).await, Place::new());
    let journal = place.open();
    fill(&journal, 601..=640).await;
    copy(&place.path(), &died.path());
    copy(&place.wal(), &died.wal());
    died
}

#[tokio::test]
async fn both_files_are_written_again_after_anything_but_a_clean_stop() {
    let place = died().await;
    let before = [fs::read(place.path()).unwrap(), fs::read(place.wal()).unwrap()];
    let (file, log) = (watch(place.path()), watch(place.wal()));
    let journal = place.open();
    assert!(file() && log(), "both files are written");
    assert_eq!([fs::read(place.path()).unwrap(), fs::read(place.wal()).unwrap()], before, "and hold the same");
    assert_eq!(read_all(&journal, "a", 0).await.unwrap(), sum_of_a(1..=640));
    journal.close().unwrap();
    // A clean stop.
    let (file, log) = (watch(place.path()), watch(place.wal()));
    let journal = place.open();
    assert!(!file() && !log(), "nothing is written");
    assert_eq!(read_all(&journal, "a", 0).await.unwrap(), sum_of_a(1..=640));
}

/// Its making can have failed when its content was synced, which the empty log does not show.
#[test]
fn a_file_without_entries_is_written_again() {
    let place = Place::new();
    drop(place.open());
    let file = watch(place.path());
    drop(place.open());
    assert!(file());
}

/// Closing any handle of a file releases the locks of the process, which only other processes notice.
#[tokio::test]
async fn the_lock_is_kept_also_after_the_files_are_written_again() {
    let place = died().await;
    let journal = place.open();
    let inode = format!(":{} ", fs::metadata(place.path()).unwrap().ino());
    let locked = || fs::read_to_string("/proc/locks").unwrap().lines().any(|line| line.contains("WRITE") && line.contains(&inode));
    assert!(locked());
    fill(&journal, 641..=642).await;
    assert!(trim(&journal, 642, 642, 10).await.is_ok());
    assert!(locked());
    drop(journal);
    assert!(!locked());
}

/// Takes a file away from where the journal opened it.
type Removal = fn(&Place);

const REMOVALS: [(&str, Removal); 7] = [
    ("the file is deleted", |place| fs::remove_file(place.path()).unwrap()),
    ("the file is renamed", |place| fs::rename(place.path(), place.beside("aside.db")).unwrap()),
    ("the file is replaced by a copy", |place| {
        copy(&place.path(), &place.beside("copy.db"));
        fs::rename(place.beside("copy.db"), place.path()).unwrap();
    }),
    ("the log is deleted", |place| fs::remove_file(place.wal()).unwrap()),
    ("the log is renamed", |place| fs::rename(place.wal(), place.beside("aside.db-wal")).unwrap()),
    ("both are deleted", |place| {
        fs::remove_file(place.path()).unwrap();
        fs::remove_file(place.wal()).unwrap();
    }),
    ("a link leads to another file", |place| {
        fs::remove_file(place.path()).unwrap();
        std::os::unix::fs::symlink(place.beside("nowhere"), place.path()).unwrap();
    }),
];

fn is_gone<T: std::fmt::Debug>(result: Result<T, JournalError>) -> bool {
    matches!(&result, Err(JournalError::Gone(message)) if message.contains("was deleted, renamed or replaced"))
}

/// What the open file holds can be read, so that the store gets it.
async fn can_be_read(journal: &SqliteJournal, last: Seq) -> bool {
    let head = journal.digest(last).await.unwrap().is_some();
    let sites = journal.sites().await.unwrap().iter().any(|known| known.id == site("a"));
    let read = journal.read(&site("a"), 0, last).await.unwrap();
    head && sites && read.days == sum_of_a(1..=last)
}

#[tokio::test]
async fn nothing_is_acknowledged_after_a_file_is_gone() {
    for (what, remove) in REMOVALS {
        let place = Place::filled(10).await;
        let journal = place.open();
        fill(&journal, 11..=20).await;
        remove(&place);
        assert!(is_gone(append(&journal, 21).await), "{what}");
        assert!(is_gone(append(&journal, 21).await), "{what}");
        assert!(is_gone(trim(&journal, 5, 5, 5).await), "{what}");
        assert!(can_be_read(&journal, 20).await, "{what}");
        assert!(is_gone(journal.close()), "{what}");
    }
}

#[tokio::test]
async fn a_trim_notices_that_a_file_is_gone() {
    for (what, remove) in REMOVALS {
        let place = Place::filled(10).await;
        let journal = place.open();
        fill(&journal, 11..=20).await;
        remove(&place);
        assert!(is_gone(trim(&journal, 5, 5, 5).await), "{what}");
        assert!(is_gone(append(&journal, 21).await), "{what}");
        // A run that parts still gets its heir, because the store takes what is here.
        let run = journal.runs()[0].producer;
        assert!(journal.part(&site("a"), run, 3).await.is_ok(), "{what}");
        assert!(can_be_read(&journal, 20).await, "{what}");
    }
}

#[tokio::test]
async fn a_renamed_file_is_complete_after_the_end_of_the_process() {
    let place = Place::filled(10).await;
    let journal = place.open();
    fill(&journal, 11..=20).await;
    let aside = place.beside("aside.db");
    fs::rename(place.path(), &aside).unwrap();
    assert!(is_gone(trim(&journal, 20, 20, 5).await));
    // Also if it comes back: another process could have written to it.
    fs::rename(&aside, place.path()).unwrap();
    assert!(is_gone(append(&journal, 21).await));
    fs::rename(place.path(), &aside).unwrap();
    assert!(is_gone(journal.close()));
    assert_eq!(fs::metadata(place.wal()).unwrap().len(), 0, "a file that takes its place does not get its log");
    let journal = SqliteJournal::open(Config { path: aside, max_bytes: MIB }).unwrap();
    assert_eq!(journal.head_at_open().seq, 20);
    assert_eq!(read_all(&journal, "a", 0).await.unwrap(), sum_of_a(1..=20));
}

#[tokio::test]
async fn a_journal_can_be_a_link_to_a_file_elsewhere() {
    let place = Place::new();
    fs::create_dir(place.beside("elsewhere")).unwrap();
    std::os::unix::fs::symlink(place.beside("elsewhere/other.db"), place.path()).unwrap();
    let journal = place.open();
    fill(&journal, 1..=5).await;
    trim(&journal, 1, 1, 1).await.unwrap();
    journal.close().unwrap();
    assert_eq!(place.open().head_at_open().seq, 5);
    // Its log is beside the file.
    let journal = place.open();
    fill(&journal, 6..=9).await;
    fs::remove_file(place.beside("elsewhere/other.db-wal")).unwrap();
    assert!(is_gone(trim(&journal, 1, 1, 1).await));
}
