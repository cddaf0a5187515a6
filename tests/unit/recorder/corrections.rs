//! Corrections that the store had and lost. Views come back from the journal; corrections do not, so they are reported.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use truycap::{
    domain::{
        correction::{Change, CorrectionKind, Note},
        counts::Subject,
        figures::Figure,
        period::{Bucket, BucketSet},
        producer::{Digest, Position, ProducerId},
    },
    store::{Corrected, Step, Store},
};

use super::{Stage, fakes::now, id};

const SECOND: Duration = Duration::from_secs(1);
const LOST: &str = "truycap_store_lost_corrections_total";

impl Stage {
    /// Adds views to the total of site `a`, as a command does.
    async fn correct(&self, producer: u128, views: i64) -> u64 {
        let step = Step {
            producer: ProducerId(producer),
            from: self.store.memory.offset(&id("a"), ProducerId(producer)).await.unwrap(),
            to: Position { seq: self.store.memory.offset(&id("a"), ProducerId(producer)).await.unwrap().seq + 1, digest: Digest(1) },
            changes: vec![Change { subject: Subject::Site, buckets: BucketSet::from_iter([Bucket::Total]), views }],
            note: Note { at: now(), kind: CorrectionKind::Adjust, what: format!("{views} views"), reason: String::new(), undoes: None },
        };
        match self.store.memory.correct(&id("a"), Arc::new(step)).await.unwrap() {
            Corrected::Done { number, .. } => number,
            refused => panic!("{refused:?}"),
        }
    }

    async fn numbers_in_journal(&self) -> Vec<u64> {
        let seen = self.journal.faulty();
        let seen = truycap::journal::Journal::corrections(&seen, &id("a")).await.unwrap();
        seen.iter().map(|correction| correction.number).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_correction_shows_in_the_figures_and_is_kept_in_the_journal_within_two_seconds() {
    let stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, SECOND).await;
    assert_eq!(stage.figures("a", &[]).await.site.unwrap()[Figure::Total], 1);
    assert_eq!(stage.correct(7, 41).await, 1);
    sleep(SECOND).await;
    assert_eq!(stage.figures("a", &[]).await.site.unwrap()[Figure::Total], 42);
    sleep(2 * SECOND).await;
    assert_eq!(stage.correct(8, -2).await, 2);
    stage.figures("a", &[]).await;
    sleep(2 * SECOND).await;
    assert_eq!(stage.numbers_in_journal().await, [1, 2]);
    assert_eq!(stage.figures("a", &[]).await.site.unwrap()[Figure::Total], 40);
    assert_eq!(stage.metric(LOST), 0.0);
}

#[tokio::test(start_paused = true)]
async fn corrections_that_a_store_lost_are_reported_once_by_each_process_that_had_seen_them() {
    for restart in [false, true] {
        let mut stage = Stage::new().await;
        stage.record("a", None).await.unwrap();
        stage.stored_becomes("a", 1, SECOND).await;
        stage.correct(7, 10).await;
        let image = stage.store.memory.image();
        for producer in 8..11 {
            stage.correct(producer, 10).await;
        }
        stage.figures("a", &[]).await;
        sleep(3 * SECOND).await;
        assert_eq!(stage.numbers_in_journal().await, [1, 2, 3, 4]);

        stage.store.memory.restore(image);
        if restart {
            stage = stage.restart(&["a", "b"]).await;
        }
        // Another correction takes the number of a lost one.
        assert_eq!(stage.correct(11, 5).await, 2);
        for _ in 0..3 {
            stage.record("a", None).await.unwrap();
            stage.figures("a", &[]).await;
            sleep(2 * SECOND).await;
        }
        assert_eq!(stage.metric(LOST), 3.0, "restarted: {restart}");
        assert_eq!(stage.numbers_in_journal().await, [1, 2]);
        assert_eq!(stage.figures("a", &[]).await.site.unwrap()[Figure::Total], 1 + 10 + 5 + 3);
    }
}

#[tokio::test(start_paused = true)]
async fn the_journal_keeps_the_latest_hundred_corrections() {
    let stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, SECOND).await;
    for producer in 1001..=1130 {
        stage.correct(producer, 1).await;
    }
    stage.figures("a", &[]).await;
    sleep(3 * SECOND).await;
    assert_eq!(stage.numbers_in_journal().await, (31..=130).collect::<Vec<_>>());
    for producer in 1131..=1140 {
        stage.correct(producer, 1).await;
    }
    stage.figures("a", &[]).await;
    sleep(3 * SECOND).await;
    assert_eq!(stage.numbers_in_journal().await, (41..=140).collect::<Vec<_>>());
    assert_eq!(stage.metric(LOST), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_went_back_into_a_correction_has_lost_its_last_steps() {
    let stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, SECOND).await;
    stage.correct(7, 10).await;
    let image = stage.store.memory.image();
    stage.correct(8, 10).await;
    sleep(2 * SECOND).await;
    // An earlier correction gets another step, and no figures are requested.
    stage.correct(7, 10).await;
    sleep(61 * SECOND).await;
    assert_eq!(stage.numbers_in_journal().await, [1, 2]);
    stage.store.memory.restore(image);
    sleep(61 * SECOND).await;
    assert_eq!(stage.metric(LOST), 2.0);
    assert_eq!(stage.numbers_in_journal().await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_site_that_is_taken_out_is_looked_at_too() {
    let mut stage = Stage::new().await;
    stage.record("a", None).await.unwrap();
    stage.stored_becomes("a", 1, SECOND).await;
    let image = stage.store.memory.image();
    stage = stage.restart(&["b"]).await;
    stage.correct(7, -1).await;
    sleep(61 * SECOND).await;
    assert_eq!(stage.numbers_in_journal().await, [1]);
    stage.store.memory.restore(image);
    sleep(61 * SECOND).await;
    assert_eq!(stage.metric(LOST), 1.0);
}
