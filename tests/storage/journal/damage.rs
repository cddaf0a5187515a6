//! A damaged or foreign file is refused or its damage is detected. It is never repaired by guessing and never overwritten.

use std::fs;

use truycap::{
    domain::producer::Seq,
    journal::{Journal, JournalError, sqlite::OpenError},
};

use super::support::{Place, copy, fill, flip, numbered, read_all, site, sum_of_a, trim};

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
async fn a_newer_format_is_refused_and_not_changed() {
    let place = Place::filled(3).await;
    place.sql("PRAGMA user_version = 2");
    let error = refused(&place);
    assert!(error.to_string().contains("written by a newer truycap"), "{error}");
    place.sql("PRAGMA user_version = 1");
    assert_eq!(place.open().head_at_open(), 3);
}

#[tokio::test]
async fn an_entry_in_a_newer_encoding_is_reported_as_such() {
    let place = Place::filled(3).await;
    place.sql("UPDATE entries SET data = unhex('09' || substr(hex(data), 3)) WHERE seq = 2");
    let error = read_all(&place.open(), "a", 0).await.unwrap_err();
    assert!(matches!(&error, JournalError::Damaged(m) if m.contains("entry 2") && m.contains("newer truycap")), "{error}");
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
        "UPDATE entries SET data = (SELECT data FROM entries WHERE seq = 4) WHERE seq = 5",
        "UPDATE entries SET data = x'' WHERE seq = 5",
        "UPDATE entries SET data = x'01' WHERE seq = 5",
        "UPDATE entries SET data = unhex(hex(data) || '00') WHERE seq = 5",
    ];
    for change in changes {
        let place = Place::filled(9).await;
        place.sql(change);
        let error = read_all(&place.open(), "a", 0).await.unwrap_err();
        assert!(matches!(&error, JournalError::Damaged(message) if message.contains("entry 5")), "{change}: {error}");
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
    assert_eq!(read_all(&journal, "a", 6).await.unwrap(), sum_of_a(7..=9));

    // A gap at the beginning.
    let place = Place::filled(9).await;
    place.sql("DELETE FROM entries WHERE seq <= 2");
    let error = place.open().read(&site("a"), 0, Seq::MAX).await.unwrap_err();
    assert!(error.to_string().contains("entries 1 to 2 are missing"), "{error}");
}

#[tokio::test]
async fn a_journal_with_a_damaged_end_is_not_opened() {
    let place = Place::filled(9).await;
    place.sql("UPDATE entries SET at = 0 WHERE seq = 9");
    assert!(matches!(refused(&place), OpenError::Damaged(_)));
    // The last entry that a trim has recorded is gone.
    let place = Place::filled(9).await;
    trim(&place.open(), 9, 9, 2).await.unwrap();
    place.sql("DELETE FROM entries WHERE seq = 9");
    assert!(matches!(refused(&place), OpenError::Damaged(_)));
}

#[tokio::test]
async fn a_journal_with_another_producer_is_not_opened() {
    let place = Place::filled(3).await;
    place.sql("UPDATE meta SET value = '00000000000000000000000000000001' WHERE key = 'producer'");
    assert!(matches!(refused(&place), OpenError::Damaged(_)));
    place.sql("DELETE FROM meta WHERE key = 'producer'");
    assert!(matches!(refused(&place), OpenError::Damaged(_)));
}

#[tokio::test]
async fn a_truncated_file_is_detected() {
    let place = Place::filled(600).await;
    let whole = fs::read(place.path()).unwrap();
    // At least four bytes are cut: missing bytes are read as zeros, and one in 256 checksums ends with a zero byte.
    for length in [100, 4096, 5000, 12_288, whole.len() - 4096, whole.len() - 4] {
        fs::write(place.path(), &whole[..length]).unwrap();
        let Ok(journal) = place.try_open() else { continue };
        assert!(matches!(read_all(&journal, "a", 0).await, Err(JournalError::Damaged(_))), "{length} bytes of {}", whole.len());
    }
    fs::write(place.path(), &whole).unwrap();
    assert_eq!(place.open().append(numbered(601)).await, Ok(601));
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
