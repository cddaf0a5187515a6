//! The recorder: from a view to a durable entry, from entries to counters, and back to figures.
//!
//! ```text
//! record ─► commit ─► journal             one task, group commit
//!              │
//!              ▼
//!           site (state, snapshot) ◄─► flush ◄─► store      one task for each site
//!              │
//! figures ◄────┘
//! ```
//!
//! - `site`: the sites; for each one counter with its state behind a lock, and the requests that wait for the store
//! - `state`, `snapshot`: what is known of a site, a state machine without I/O; what the store answered, as a part of it
//! - [`freshness`]: when the store must be asked again, a state machine without I/O
//! - `health`: whether the journal takes views and the store answers
//! - `commit`, `flush`, `trim`, `upkeep`, `corrections`: the tasks
//! - `uncounted`: what was not counted, until `commit` writes it
//! - `locate`: how far the store is with a site, when that is not known
//! - `lists`: the most-read lists in memory
//! - `recheck`: for which sites the store is asked although they are not requested
//! - `shared`: what they share
//! - `metrics`: what is read from all that at each scrape
//!
//! [`spawn`] starts the tasks. The [`Recorder`] owns them, and the [`Handle`] is what requests use.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use prometheus::proto::MetricFamily;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    domain::{
        article::{ArticleId, Section},
        clock::Clock,
        correction::AuditEntry,
        counts::Subject,
        outcome::Outcome,
        period::Bucket,
        producer::Seq,
        site::Site,
    },
    journal::{Backlog, Journal, JournalError},
    store::{Store, StoreError},
    telemetry::metrics::Metrics,
};

mod commit;
mod corrections;
mod flush;
pub mod freshness;
mod health;
mod lists;
mod locate;
mod metrics;
mod recheck;
mod shared;
mod site;
mod snapshot;
mod state;
mod trim;
mod uncounted;
mod upkeep;

use commit::{Queues, View};
use flush::Flusher;
use shared::{Shared, Stage};
use site::Sites;

pub use commit::{NewView, RecordError};
pub use freshness::STORE_WAIT;
pub use lists::MostRead;
pub use shared::{APPLY_SUMS, Config};
pub use site::{Answer, SiteCounter};

/// The most views that can wait to be written.
const MAX_QUEUED_VIEWS: usize = 1 << 16;

/// How often [`Recorder::run_dry`] looks whether the store has everything.
const DRY_INTERVAL: Duration = Duration::from_millis(50);

/// How the recorder is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether views can be journaled.
    pub journal_ok: bool,
    /// Whether the store's last calls were answered, for all sites.
    pub store_ok: bool,
    /// The journal's last entry.
    pub head: Seq,
}

/// Why a recorder cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Its journal cannot be used.
    #[error("{0}")]
    Journal(JournalError),
    /// The journal's file was deleted or replaced. The store can still get what was acknowledged.
    #[error("the journal is gone: {0}")]
    Gone(String),
    /// One of its tasks ended too early, because of a bug.
    #[error("a task of the recorder ended: {0}")]
    Task(String),
}

/// What was left when a recorder stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// What the store lacks. It is in the journal, and is applied at the next start.
    pub waiting: Backlog,
}

/// The recorder, as requests use it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    shared: Arc<Shared>,
    views: mpsc::Sender<View>,
    pings: mpsc::Sender<oneshot::Sender<()>>,
}

/// The owner of the recorder's tasks. Dropping it ends them at once, as a crash would.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    stage: watch::Sender<Stage>,
    /// Resolves when all queued views are written.
    written: oneshot::Receiver<()>,
}

/// Starts a recorder.
///
/// # Errors
/// If the journal cannot be read.
pub async fn spawn(
    config: Config,
    sites: Vec<Site>,
    journal: Arc<dyn Journal>,
    store: Arc<dyn Store>,
    clock: impl Into<Clock>,
) -> Result<(Handle, Recorder), JournalError> {
    let clock = clock.into();
    let sites = Sites::new(sites, &journal.sites().await?, config.apply_sums, clock.now());
    let (views, queued_views) = mpsc::channel(MAX_QUEUED_VIEWS);
    let (pings, asked_pings) = mpsc::channel(1);
    let (stage, now) = watch::channel(Stage::Running);
    let (all_written, written) = oneshot::channel();
    let shared = Arc::new(Shared::new(config, sites, journal, store, clock));
    let mut tasks = JoinSet::new();
    let queues = Queues { views: queued_views, pings: asked_pings, stage: now.clone(), written: all_written };
    tasks.spawn(commit::run(Arc::clone(&shared), queues));
    tasks.spawn(upkeep::run(Arc::clone(&shared), now.clone()));
    tasks.spawn(corrections::run(Arc::clone(&shared), now.clone()));
    tasks.spawn(trim::run(Arc::clone(&shared), now));
    let mut recorder = Recorder { shared: Arc::clone(&shared), tasks, stage, written };
    for counter in shared.sites.all().values() {
        recorder.start_flusher(Arc::clone(counter));
    }
    Ok((Handle { shared, views, pings }, recorder))
}

impl Handle {
    /// The configured site with that id or alias. A site that is taken out later is still counted by a counter obtained here.
    #[must_use]
    pub fn site(&self, id: &str) -> Option<Arc<SiteCounter>> {
        self.shared.sites.find(id)
    }

    /// Counts a view that was received now. The view is on its way from now on, even if the returned future is dropped; the future
    /// resolves when the view is durable.
    ///
    /// # Errors
    /// If the view could not be made durable; see [`RecordError`].
    pub fn record(&self, counter: &Arc<SiteCounter>, new: NewView) -> impl Future<Output = Result<(), RecordError>> + use<> {
        let (done, durable) = oneshot::channel();
        let day = counter.day(self.now());
        let view = View { counter: Arc::clone(counter), day, new, done };
        let queued = self.views.try_send(view).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                counter.note(Outcome::Busy);
                RecordError::Busy
            }
            mpsc::error::TrySendError::Closed(_) => {
                counter.note(Outcome::Unknown);
                RecordError::Stopped
            }
        });
        async move {
            queued?;
            durable.await.unwrap_or(Err(RecordError::Stopped))
        }
    }

    /// Takes in that a view does not count, and why. Nothing waits for that: it is durable within about a second.
    pub fn note(&self, counter: &Arc<SiteCounter>, outcome: Outcome) {
        counter.note(outcome);
        if let Some(kind) = outcome.kind() {
            self.shared.uncounted.add(counter, counter.day(self.now()), kind);
        }
    }

    /// The figures of a site and of its articles, everything that this process has acknowledged included.
    ///
    /// Waits up to [`STORE_WAIT`] if the store must be asked.
    pub async fn figures(&self, counter: &SiteCounter, articles: &[ArticleId]) -> Answer {
        counter.figures(&self.shared.clock, articles).await
    }

    /// The most-read articles of a bucket, of the whole site or of one of its sections, as the store has them.
    ///
    /// # Errors
    /// If the store does not answer within 5 s and the list is not in memory, or too many lists are being read.
    pub async fn top(&self, counter: &SiteCounter, section: Option<&Section>, bucket: Bucket) -> Result<MostRead, StoreError> {
        let most_read = self.shared.lists.top(&*self.shared.store, counter, section, bucket).await;
        if most_read.as_ref().is_ok_and(|most_read| most_read.stale) {
            self.shared.lists_missing.notify_one();
        }
        most_read
    }

    /// The counts of a site's subject in buckets, as the store has them.
    ///
    /// # Errors
    /// If the store does not answer within 5 s, or too many lists are being read.
    pub async fn history(&self, counter: &SiteCounter, subject: &Subject, buckets: Vec<Bucket>) -> Result<Vec<u64>, StoreError> {
        self.shared.lists.read(self.shared.store.history(counter.id(), subject, &buckets)).await
    }

    /// The corrections of a site, as the store has them.
    ///
    /// # Errors
    /// If the store does not answer within 5 s, or too many lists are being read.
    pub async fn audit(&self, counter: &SiteCounter) -> Result<Vec<AuditEntry>, StoreError> {
        self.shared.lists.read(self.shared.store.audit(counter.id(), 0)).await
    }

    /// How the recorder is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        let Shared { health, watermark, .. } = &*self.shared;
        Health { journal_ok: health.journal_ok(), store_ok: health.store_ok(), head: watermark.head() }
    }

    /// What the store lacks now, as far as is known.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        self.shared.backlog(self.now())
    }

    /// Whether the store has answered for all sites that have entries in the journal, and has all their views.
    #[must_use]
    pub fn is_dry(&self) -> bool {
        self.shared.sites.are_dry()
    }

    /// Waits until the task that writes views to the journal has finished what it is doing. Returns false if it has ended.
    pub async fn makes_progress(&self) -> bool {
        let (pong, answered) = oneshot::channel();
        self.pings.send(pong).await.is_ok() && answered.await.is_ok()
    }

    /// The metrics that are counted as things happen. Those who serve the recorder count theirs there, too.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// All metrics in Prometheus' text format, and `more`. The store is not asked for them.
    ///
    /// # Errors
    /// If they cannot be written, because of a bug.
    pub fn metrics_text(&self, per_site: bool, more: impl IntoIterator<Item = MetricFamily>) -> prometheus::Result<String> {
        self.metrics().text(metrics::families(&self.shared, per_site, self.now()).into_iter().chain(more))
    }

    /// The present instant, by the recorder's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }
}

impl Recorder {
    /// Returns when the recorder cannot go on: its journal failed, or a task ended too early.
    pub async fn failed(&mut self) -> Failure {
        let mut failure = self.shared.health.failure();
        tokio::select! {
            biased;
            error = failure.wait_for(Option::is_some) => {
                // The sender is in `shared`, which is held here, so there is an error.
                match error.ok().and_then(|error| error.clone()) {
                    Some(JournalError::Gone(reason)) => Failure::Gone(reason),
                    Some(error) => Failure::Journal(error),
                    None => Failure::Task("the last one".into()),
                }
            }
            task = self.tasks.join_next() => Failure::Task(format!("{task:?}")),
        }
    }

    /// Returns when the store has everything.
    ///
    /// # Errors
    /// If the recorder cannot go on.
    pub async fn run_dry(&mut self) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let dry = async {
            while !shared.sites.are_dry() {
                sleep(DRY_INTERVAL).await;
            }
        };
        tokio::select! {
            failure = self.failed() => Err(failure),
            () = dry => Ok(()),
        }
    }

    /// Counts these sites from now on, configured as given here. What was acknowledged for other sites is applied as
    /// before. A site that was counted before goes on where it was.
    pub fn configure(&mut self, sites: Vec<Site>) {
        for counter in self.shared.sites.configure(sites) {
            self.start_flusher(counter);
        }
        self.shared.configured.notify_one();
    }

    fn start_flusher(&mut self, counter: Arc<SiteCounter>) {
        self.tasks.spawn(Flusher::new(Arc::clone(&self.shared), counter).run(self.stage.subscribe()));
    }

    /// Stops: writes what is queued, applies what the store lacks, and joins all tasks, within `patience`.
    ///
    /// A [`Handle`] that is used afterwards returns [`RecordError::Stopped`].
    pub async fn shutdown(mut self, patience: Duration) -> Drained {
        let flushers = self.shared.sites.all().len();
        let tasks = async {
            self.stage.send_replace(Stage::Writing);
            // An error means that the commit task has ended.
            let _ = self.written.await;
            // The commit task, the upkeep and the comparison of corrections have ended too, and the trimmer ends last.
            for (stage, ending) in [(Stage::Applying, flushers + 3), (Stage::Trimming, 1)] {
                self.stage.send_replace(stage);
                for _ in 0..ending {
                    self.tasks.join_next().await;
                }
            }
        };
        let _late = timeout(patience, tasks).await;
        self.tasks.shutdown().await;
        Drained { waiting: self.shared.backlog(self.shared.clock.now()) }
    }
}
