//! The recorder in situations that the simulation reaches only by chance.
//!
//! Time is simulated. The journal and the store are in memory and fail on demand.

mod aliases;
mod bounds;
mod corrections;
mod fakes;
mod freshness;
mod lists;
mod many_sites;
mod metrics;
mod reading;
mod recovery;
mod runs;
mod uncounted;

use std::{sync::Arc, time::Duration};

use chrono_tz::Tz;
use fakes::{FakeJournal, FakeStore, now, set_clock};
use tokio::time::{Instant, sleep};
use truycap::{
    domain::{
        article::ArticleId,
        counts::{Deltas, SiteViews},
        producer::{Digest, Position, ProducerId, Seq},
        site::{Rules, Site, SiteId},
    },
    recorder::{self, APPLY_SUMS, Answer, Config, Handle, NewView, RecordError, Recorder},
    store::{Applied, Store},
};

const RETAIN: Duration = Duration::from_secs(60);

fn id(site: &str) -> SiteId {
    SiteId::parse(site).unwrap()
}

fn article(number: usize) -> ArticleId {
    ArticleId::parse(&format!("/tin/{number}")).unwrap()
}

/// A recorder of sites with its journal and its store.
struct Stage {
    journal: FakeJournal,
    store: Arc<FakeStore>,
    handle: Handle,
    recorder: Recorder,
}

impl Stage {
    /// Begins at noon in Hanoi, with the sites `a` and `b`.
    async fn new() -> Self {
        set_clock("2026-11-23T05:00:00Z");
        Self::of(FakeJournal::new(), Arc::new(FakeStore::new()), &["a", "b"]).await
    }

    async fn of(journal: FakeJournal, store: Arc<FakeStore>, sites: &[&str]) -> Self {
        let site = |site: &&str| Site {
            id: id(site),
            aliases: Vec::new(),
            origins: Vec::new(),
            timezone: Tz::Asia__Ho_Chi_Minh,
            sections: Vec::new(),
            rules: Rules::default(),
        };
        let config = Config { flush_interval: Duration::from_millis(250), retain: RETAIN, apply_sums: APPLY_SUMS };
        let sites = sites.iter().map(site).collect();
        let (handle, recorder) = recorder::spawn(config, sites, Arc::new(journal.faulty()), Arc::new(store.faulty()), now).await.unwrap();
        Self { journal, store, handle, recorder }
    }

    /// Ends the process as a crash does, and starts the next one on the same journal.
    async fn restart(self, sites: &[&str]) -> Self {
        let Self { journal, store, recorder, .. } = self;
        drop(recorder);
        journal.memory.reopen();
        Self::of(journal, store, sites).await
    }

    async fn record(&self, site: &str, article: Option<ArticleId>) -> Result<(), RecordError> {
        self.handle.record(&self.handle.site(site).unwrap(), NewView::of(article)).await
    }

    /// Records a view of each article concurrently.
    async fn record_all(&self, site: &'static str, articles: std::ops::Range<usize>) -> Vec<Result<(), RecordError>> {
        let record = |number| {
            let handle = self.handle.clone();
            tokio::spawn(async move { handle.record(&handle.site(site).unwrap(), NewView::of(Some(article(number)))).await })
        };
        let tasks: Vec<_> = articles.map(record).collect();
        let mut outcomes = Vec::with_capacity(tasks.len());
        for task in tasks {
            outcomes.push(task.await.unwrap());
        }
        outcomes
    }

    async fn figures(&self, site: &str, articles: &[ArticleId]) -> Answer {
        self.handle.figures(&self.handle.site(site).unwrap(), articles).await
    }

    /// Waits until the store holds this many views of a site.
    async fn stored_becomes(&self, site: &str, views: u64, within: Duration) {
        let deadline = Instant::now() + within;
        loop {
            let stored = self.store.stored(site).await;
            if stored == views {
                break;
            }
            assert!(Instant::now() < deadline, "{site}: the store holds {stored}, not {views}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn at(seq: Seq) -> Position {
    Position { seq, digest: Digest(seq) }
}

/// Applies a view of a site as another producer.
async fn apply(store: &FakeStore, site: &str, producer: ProducerId, (from, to): (Seq, Seq), article: Option<ArticleId>) {
    let mut views = SiteViews::default();
    views.count(article);
    let deltas: Deltas = [(now().date_naive(), &views)].into_iter().collect();
    let answer = store.memory.apply(&id(site), producer, at(from), at(to), Arc::new(deltas)).await;
    assert!(matches!(answer, Ok(Applied::Done(_))), "{answer:?}");
}

/// How many views of each site a store has that is ahead of a copy of the journal, which has half of them.
const AHEAD: u64 = 100;

/// A copy of a journal, and a store that has more entries of its run.
async fn store_ahead() -> (FakeJournal, Arc<FakeStore>) {
    set_clock("2026-11-23T05:00:00Z");
    let (journal, store) = (FakeJournal::new(), Arc::new(FakeStore::new()));
    let stage = Stage::of(journal.clone(), Arc::clone(&store), &["a", "b"]).await;
    let record = async |range: std::ops::Range<u64>| {
        for _ in range {
            stage.record("b", None).await.unwrap();
            stage.record("a", None).await.unwrap();
        }
    };
    record(0..AHEAD / 2).await;
    let copy = journal.copy(2);
    record(AHEAD / 2..AHEAD).await;
    for site in ["a", "b"] {
        stage.stored_becomes(site, AHEAD, Duration::from_secs(1)).await;
    }
    (copy, store)
}
