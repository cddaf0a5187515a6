//! A damaged or foreign file is refused or its damage is detected. It is never repaired by guessing and never overwritten.

use std::fs;

use truycap::{
    domain::producer::Seq,
    journal::{
        Journal, JournalError,
        sqlite::{
            OpenError,
            entry::{Body, Group},
        },
    },
};

use super::support::{Place, append, copy, fill, flip, read_all, site, sum_of_a, trim};

const PAGE: u64 = 4096;

fn refused(place: &Place) -> OpenError {
    let before = fs::read(place.path()).unwrap();
    let error = place.try_open().unwrap_err();
    assert_eq!(fs::read(place.path()).unwrap(), before, "a refused file is not changed");
    assert!(error.to_string().contains(place.path().to_str().unwrap()), "{error}");
    error
}

#[test]
fn a_file_of_another_kind_is_refused_and_not_changed() {
    for content in [&b"not a database"[..], &[0x5a; 10_000], &[0; 5000]] {
        let place = Place::new();
        fs::write(place.path(), content).unwrap();
        assert!(matches!(refused(&place), OpenError::Damaged(_)));
    }
    let place = Place::new();
    place.sql("CREATE TABLE other (x); INSERT INTO other VALUES (1)");
    assert_eq!(refused(&place), OpenError::Foreign(place.path()));
    let place = Place::new();
    place.sql("PRAGMA application_id = 7; PRAGMA user_version = 1; CREATE TABLE entries (x)");
    assert_eq!(refused(&place), OpenError::Foreign(place.path()));
    // A store's file, configured as the journal by mistake, is in WAL mode.
    let place = Place::new();
    place.sql("PRAGMA journal_mode = WAL; CREATE TABLE views (x)");
    assert_eq!(refused(&place), OpenError::Foreign(place.path()));
    let place = Place::new();
    fs::create_dir(place.path()).unwrap();
    assert!(matches!(place.try_open(), Err(OpenError::Io { .. })));
}

#[tokio::test]
async fn another_format_is_refused_with_both_numbers_and_not_changed() {
    let place = Place::filled(3).await;
    for (found, instead) in [(3, "use the newer program that wrote it"), (1, "must be drained by the program that wrote it")] {
        place.sql(&format!("PRAGMA user_version = {found}"));
        let error = refused(&place);
        assert_eq!(error, OpenError::Format { path: place.path(), found });
        let message = error.to_string();
        assert!(message.contains(&format!("has format {found}, and this program has format 2")) && message.contains(instead), "{message}");
    }
    place.sql("PRAGMA user_version = 2");
    assert_eq!(place.open().head_at_open().seq, 3);
}

#[tokio::test]
async fn an_entry_of_a_newer_truycap_is_reported_as_such() {
    let kinds = [(0, 5), (9, 2)].to_vec();
    let group = Group { site: "a", day: 1, sums: kinds, articles: vec![] };
    let unknown_kind = Body { nonce: [0; 8], groups: vec![group] }.encode().unwrap();
    for data in [vec![9, 1, 2, 3], unknown_kind] {
        let place = Place::filled(4).await;
        place.replace_entry(2, &data);
        let error = read_all(&place.open(), "a", 0).await.unwrap_err();
        assert!(matches!(&error, JournalError::Damaged(m) if m.contains("entry 2") && m.contains("newer truycap")), "{error}");
    }
}

/// Bytes across a page in the middle of the entries: a read is correct, or it fails.
#[tokio::test]
async fn a_flipped_bit_is_detected_and_never_counted() {
    let whole = Place::filled(600).await;
    let leaf = whole.number("SELECT (SELECT rootpage FROM sqlite_schema WHERE name = 'entries')").cast_unsigned();
    let pages = fs::metadata(whole.path()).unwrap().len() / PAGE;
    assert!(pages > leaf + 3, "the entries fill several pages");
    let all = sum_of_a(1..=600);
    let mut detected = 0;
    let place = Place::new();
    for byte in (0..PAGE).step_by(37) {
        copy(&whole.path(), &place.path());
        flip(&place.path(), (leaf + 1) * PAGE + byte);
        match place.try_open() {
            Err(OpenError::Damaged(_)) => detected += 1,
            Err(error) => panic!("byte {byte}: {error}"),
            Ok(journal) => match read_all(&journal, "a", 0).await {
                Ok(days) => assert_eq!(days, all, "byte {byte}"),
                Err(JournalError::Damaged(message)) => {
                    assert!(message.contains("keep a copy"), "{message}");
                    detected += 1;
                }
                Err(error) => panic!("byte {byte}: {error}"),
            },
        }
    }
    // A flipped bit in the free space of a page has no effect.
    assert!(detected > 90, "detected {detected} of 111");
}

#[tokio::test]
async fn an_entry_that_was_changed_or_moved_is_detected() {
    let changes = [
        "UPDATE entries SET at = at + 1 WHERE seq = 5",
        "UPDATE entries SET digest = digest + 1 WHERE seq = 5",
        "UPDATE entries SET data = (SELECT data FROM entries WHERE seq = 4) WHERE seq = 5",
        "UPDATE entries SET data = x'' WHERE seq = 5",
        "UPDATE entries SET data = x'02' WHERE seq = 5",
        "UPDATE entries SET data = unhex(hex(data) || '00') WHERE seq = 5",
        // Whole rows: one in the place of another, and two that are exchanged.
        "UPDATE entries SET (at, digest, data) = (SELECT at, digest, data FROM entries WHERE seq = 4) WHERE seq = 5",
        "UPDATE entries SET seq = 99 WHERE seq = 5; UPDATE entries SET seq = 5 WHERE seq = 6; UPDATE entries SET seq = 6 WHERE seq = 99",
        // It belongs to another run.
        "INSERT INTO runs(after, producer) VALUES (4, '00000000000000000000000000000001')",
    ];
    for change in changes {
        let place = Place::filled(9).await;
        place.sql(change);
        let error = match place.try_open() {
            Ok(journal) => read_all(&journal, "a", 0).await.unwrap_err().to_string(),
            Err(OpenError::Damaged(message)) => message,
            Err(error) => panic!("{change}: {error}"),
        };
        assert!(error.contains("entry 5 does not match") || error.contains("entry 9 does not match"), "{change}: {error}");
    }
}

/// The entry before is gone with its digest, so that nothing proves that the next one follows it.
#[tokio::test]
async fn an_entry_from_another_history_is_detected() {
    let (one, two) = (Place::filled(9).await, Place::new());
    let journal = one.open();
    trim(&journal, 9, 9, 4).await.unwrap();
    journal.close().unwrap();
    copy(&one.path(), &two.path());
    assert_eq!(read_all(&two.open(), "a", 4).await.unwrap(), sum_of_a(5..=9));
    two.sql("UPDATE meta SET value = '4:0000000000000001' WHERE key = 'trimmed'");
    let error = read_all(&two.open(), "a", 4).await.unwrap_err();
    assert!(error.to_string().contains("entry 5 does not match its digest"), "{error}");
    for damaged in ["''", "4", "'4:1'", "'5:0000000000000001'"] {
        two.sql(&format!("UPDATE meta SET value = {damaged} WHERE key = 'trimmed'"));
        assert!(matches!(refused(&two), OpenError::Damaged(_)), "{damaged}");
    }
}

#[tokio::test]
async fn a_gap_is_reported_with_its_range() {
    let place = Place::filled(9).await;
    place.sql("DELETE FROM entries WHERE seq BETWEEN 4 AND 6");
    let journal = place.open();
    let is_gap = |error: JournalError| assert!(error.to_string().contains("entries 4 to 6 are missing"), "{error}");
    is_gap(journal.read(&site("a"), 0, Seq::MAX).await.unwrap_err());
    is_gap(journal.sites().await.unwrap_err());
    // Without entry 6, nothing shows that entry 7 is the one that was written after it.
    let error = journal.read(&site("a"), 6, Seq::MAX).await.unwrap_err();
    assert!(error.to_string().contains("entries 6 to 6 are missing"), "{error}");
    assert_eq!(read_all(&journal, "a", 7).await.unwrap(), sum_of_a(8..=9));

    // A gap at the beginning.
    let place = Place::filled(9).await;
    place.sql("DELETE FROM entries WHERE seq <= 2");
    let error = place.open().read(&site("a"), 0, Seq::MAX).await.unwrap_err();
    assert!(error.to_string().contains("entries 1 to 2 are missing"), "{error}");
}

#[tokio::test]
async fn a_journal_with_a_damaged_end_is_not_opened() {
    let damages = [
        "UPDATE entries SET at = 0 WHERE seq = 9",
        "UPDATE runs SET producer = '00000000000000000000000000000001'",
        "UPDATE runs SET producer = 'x'",
        "DELETE FROM runs",
        "DELETE FROM meta WHERE key = 'trimmed'",
        "UPDATE confirmed SET producer = 'x'",
        // The last entry that a trim has recorded is gone, and so is every entry of a run.
        "DELETE FROM entries WHERE seq = 9",
        "UPDATE meta SET value = 0 WHERE key = 'upto'; DELETE FROM entries",
    ];
    for damage in damages {
        let place = Place::filled(9).await;
        let journal = place.open();
        trim(&journal, 9, 9, 0).await.unwrap();
        journal.close().unwrap();
        place.sql(damage);
        assert!(matches!(refused(&place), OpenError::Damaged(_)), "{damage}");
    }
}

#[tokio::test]
async fn a_truncated_file_is_detected() {
    let place = Place::filled(600).await;
    let whole = fs::read(place.path()).unwrap();
    // At least four bytes are cut: missing bytes are read as zeros, and one in 256 last bytes is a zero.
    for length in [100, 4096, 5000, 12_288, whole.len() - 4096, whole.len() - 4] {
        fs::write(place.path(), &whole[..length]).unwrap();
        let Ok(journal) = place.try_open() else { continue };
        assert!(matches!(read_all(&journal, "a", 0).await, Err(JournalError::Damaged(_))), "{length} bytes of {}", whole.len());
    }
    fs::write(place.path(), &whole).unwrap();
    assert_eq!(append(&place.open(), 601).await, Ok(601));
}

#[tokio::test]
async fn a_log_without_its_file_is_not_discarded() {
    for gone in [true, false] {
        let place = Place::new();
        let journal = place.open();
        fill(&journal, 1..=5).await;
        // The state after a crash: the entries are only in the log.
        let crashed = Place::new();
        copy(&place.wal(), &crashed.wal());
        let log = fs::read(crashed.wal()).unwrap();
        assert!(!log.is_empty());
        if !gone {
            fs::write(crashed.path(), "").unwrap();
        }
        let error = crashed.try_open().unwrap_err();
        assert!(matches!(&error, OpenError::Damaged(why) if why.contains("-wal")), "{error}");
        assert_eq!(fs::read(crashed.wal()).unwrap(), log);
        assert_eq!(crashed.path().exists(), !gone, "no file is created");
    }
}
