//! Each opening begins a run with a producer of its own, so that copies of a journal go on beside each other.

use std::{collections::HashSet, sync::Arc};

use truycap::{
    domain::producer::{Digest, Position, ProducerId, Seq},
    journal::{Confirmed, Journal, Run, sqlite::SqliteJournal},
};

use super::support::{Place, append, copy, entry, fill, producer, read_all, site, sum_of_a, trim};
use crate::journal::support::at;

fn runs(journal: &SqliteJournal) -> Vec<Run> {
    journal.runs().to_vec()
}

/// The digests of all entries after the last deleted one.
async fn digests(journal: &SqliteJournal) -> Vec<(Seq, Digest)> {
    let mut digests = Vec::new();
    for seq in 1..=100 {
        digests.extend(journal.digest(seq).await.unwrap().map(|digest| (seq, digest)));
    }
    digests
}

#[tokio::test]
async fn each_opening_that_writes_is_a_run_of_its_own() {
    let place = Place::new();
    let mut written = Vec::new();
    for (after, last) in [(0, 3), (3, 4), (4, 9)] {
        let journal = place.open();
        fill(&journal, after + 1..=last).await;
        written.push(Run { producer: producer(&journal), after });
        assert_eq!(runs(&journal), written);
        drop(journal);
        // An opening that writes nothing leaves no run behind.
        let idle = place.open();
        assert_eq!(runs(&idle)[..written.len()], written);
        assert_eq!(runs(&idle).len(), written.len() + 1);
    }
    let journal = place.open();
    assert_eq!(runs(&journal)[..3], written);
    assert_eq!(runs(&journal)[3].after, 9);
    let producers: HashSet<ProducerId> = runs(&journal).iter().map(|run| run.producer).collect();
    assert_eq!(producers.len(), 4);
    assert_eq!(read_all(&journal, "a", 0).await.unwrap(), sum_of_a(1..=9));
}

#[tokio::test]
async fn positions_are_those_of_the_appends_and_stay_the_same() {
    let place = Place::new();
    let journal = place.open();
    let mut positions = vec![Position::START];
    for _ in 0..5 {
        // Equal views at an equal time are different entries.
        positions.push(journal.append(entry(at(0), &[("a", 1, 1, &[])])).await.unwrap());
    }
    assert_eq!(positions.iter().map(|position| position.digest).collect::<HashSet<_>>().len(), 6);
    drop(journal);
    let journal = place.open();
    assert_eq!(journal.head_at_open(), positions[5]);
    for position in &positions {
        assert_eq!(journal.digest(position.seq).await, Ok(Some(position.digest)));
        assert_eq!(journal.read(&site("a"), 0, position.seq).await.unwrap().to, *position);
    }
    assert_eq!(journal.digest(6).await, Ok(None));
    assert_eq!(journal.digest(Seq::MAX).await, Ok(None));
    // The last deleted entry is still known, because the next one continues it.
    trim(&journal, 5, 5, 3).await.unwrap();
    assert_eq!(digests(&journal).await, positions[3..].iter().map(|position| (position.seq, position.digest)).collect::<Vec<_>>());
    trim(&journal, 5, 5, 5).await.unwrap();
    drop(journal);
    let journal = place.open();
    assert_eq!(journal.head_at_open(), positions[5]);
    fill(&journal, [6]).await;
    assert_eq!(read_all(&journal, "a", 5).await.unwrap(), sum_of_a([6]));
}

#[tokio::test]
async fn copies_of_a_file_share_earlier_runs_and_go_on_as_different_ones() {
    let one = Place::filled(5).await;
    let two = Place::new();
    copy(&one.path(), &two.path());
    let (first, second) = (one.open(), two.open());
    assert_eq!(first.head_at_open(), second.head_at_open());
    assert_eq!(runs(&first)[0], runs(&second)[0]);
    assert_ne!(producer(&first), producer(&second));
    let shared = digests(&first).await;
    assert_eq!(digests(&second).await, shared);
    // The same views under the same number.
    fill(&first, [6]).await;
    fill(&second, [6]).await;
    assert_ne!(first.digest(6).await, second.digest(6).await);
    assert_eq!(digests(&second).await[..5], shared);
}

#[tokio::test]
async fn runs_before_the_last_deleted_entry_are_forgotten() {
    let place = Place::new();
    for last in [3, 6, 9] {
        let journal = place.open();
        fill(&journal, last - 2..=last).await;
    }
    let journal = place.open();
    let all = runs(&journal);
    trim(&journal, 9, 9, 2).await.unwrap();
    assert_eq!(runs(&journal), all);
    // The run of the last deleted entry stays.
    trim(&journal, 9, 9, 3).await.unwrap();
    assert_eq!(runs(&journal), all);
    trim(&journal, 9, 9, 4).await.unwrap();
    assert_eq!(runs(&journal), all[1..]);
    trim(&journal, 9, 9, 8).await.unwrap();
    assert_eq!(runs(&journal), all[2..]);
    assert_eq!(read_all(&journal, "a", 8).await.unwrap(), sum_of_a([9]));
    trim(&journal, 9, 9, 9).await.unwrap();
    assert_eq!(runs(&journal), all[2..]);
    fill(&journal, [10]).await;
    trim(&journal, 10, 10, 10).await.unwrap();
    assert_eq!(runs(&journal), all[3..]);
    drop(journal);
    let journal = place.open();
    assert_eq!(runs(&journal)[0], all[3]);
    assert_eq!(runs(&journal).len(), 2);
    // The file does not collect them either.
    fill(&journal, [11]).await;
    trim(&journal, 11, 11, 11).await.unwrap();
    drop(journal);
    assert_eq!(place.number("SELECT count(*) FROM runs"), 1);
}

#[tokio::test]
async fn a_run_that_parts_ends_and_has_one_heir_for_each_site() {
    let place = Place::new();
    let journal = place.open();
    fill(&journal, 1..=5).await;
    let run = runs(&journal)[0];
    let heir = journal.part(&site("a"), run.producer, 3).await.unwrap();
    assert_eq!(heir.seq, 3);
    let next = runs(&journal)[1];
    assert_eq!((runs(&journal)[0], next.after), (run, 5));
    let other = journal.part(&site("b"), run.producer, 4).await.unwrap();
    assert_eq!(runs(&journal), [run, next], "only the run of this process ends");
    let producers = HashSet::from([run.producer, next.producer, heir.producer, other.producer]);
    assert_eq!(producers.len(), 4);
    fill(&journal, 6..=7).await;

    // Later calls return what the first one recorded, also in the next process, and after a crash.
    let crashed = Place::new();
    copy(&place.path(), &crashed.path());
    copy(&place.wal(), &crashed.wal());
    drop(journal);
    for place in [&place, &crashed] {
        let journal = place.open();
        assert_eq!(runs(&journal)[..2], [run, next]);
        assert_eq!(journal.part(&site("a"), run.producer, 1).await, Ok(heir));
        assert_eq!(journal.part(&site("b"), run.producer, 1).await, Ok(other));
        assert_eq!(runs(&journal).len(), 3);
        assert_eq!(read_all(&journal, "a", 0).await.unwrap(), sum_of_a(1..=7));
    }
}

#[tokio::test]
async fn a_run_without_entries_parts_too() {
    let place = Place::filled(5).await;
    let journal = place.open();
    let before = runs(&journal);
    let Confirmed { producer: heir, seq } = journal.part(&site("a"), before[1].producer, 5).await.unwrap();
    assert_eq!(seq, 5);
    assert_eq!(runs(&journal)[0], before[0]);
    assert_eq!(runs(&journal)[1].after, 5);
    assert!(![before[0].producer, before[1].producer, heir].contains(&producer(&journal)));
    assert_eq!(runs(&journal).len(), 2);
    assert_eq!(append(&journal, 6).await, Ok(6));
    drop(journal);
    assert_eq!(read_all(&place.open(), "a", 0).await.unwrap(), sum_of_a(1..=6));
}

#[tokio::test]
async fn what_parted_is_kept_as_long_as_the_run_has_entries() {
    let place = Place::filled(5).await;
    let journal = place.open();
    let run = runs(&journal)[0].producer;
    let heir = journal.part(&site("a"), run, 2).await.unwrap();
    fill(&journal, 6..=8).await;
    trim(&journal, 8, 8, 4).await.unwrap();
    assert_eq!(journal.part(&site("a"), run, 2).await, Ok(heir));
    trim(&journal, 8, 8, 6).await.unwrap();
    drop(journal);
    assert_eq!(place.number("SELECT count(*) FROM parted"), 0);
}

/// The runs can be read while the journal is busy.
#[tokio::test]
async fn an_append_belongs_to_the_run_that_was_the_last_one_then() {
    let place = Place::new();
    let journal = Arc::new(place.open());
    let first = producer(&journal);
    let a = site("a");
    let (_, _, third) = tokio::join!(biased; append(&journal, 1), journal.part(&a, first, 0), append(&journal, 2));
    assert_eq!(third, Ok(2));
    assert_eq!(runs(&journal)[0], Run { producer: first, after: 0 });
    assert_eq!(runs(&journal)[1].after, 1);
}
