//! The recorder: from a view to a durable entry, from entries to counters, and back to figures.
//!
//! ```text
//! record ─► commit ─► journal            one task, group commit
//!              │
//!              ▼
//!           counter (state, base) ◄─► worker ◄─► store     one worker for each site
//!              │
//! figures ◄────┘
//! ```
//!
//! - `state`: what is known of a site; a state machine without I/O
//! - `base`, `fold`: what the store said, and what it is to be told, as parts of it
//! - `sites`, `counter`: the sites, which may change; the state behind its lock, and who waits for what
//! - `fault`: how the store fails for a site
//! - `outcome`, `observe`: what became of views, and the recorder in metrics
//! - `commit`, `worker`, `query`, `trim`: the tasks
//! - `shared`: what they share
//!
//! [`spawn`] starts the tasks; the [`Recorder`] owns them, and the [`Handle`] is what requests see.

use std::{fmt, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use crate::{
    domain::{
        article::ArticleId,
        clock::Clock,
        figures::Figures,
        outcome::Outcome,
        period::Bucket,
        producer::Seq,
        site::{Site, SiteId},
    },
    journal::{Journal, JournalError},
    store::{Store, StoreError},
    telemetry::metrics::Metrics,
};

mod base;
mod commit;
mod counter;
mod fault;
mod fold;
mod observe;
mod query;
mod shared;
mod sites;
mod state;
mod trim;
mod worker;

pub use counter::Counter;
use query::Query;
use shared::{Shared, Status};

/// How long a reader waits for the store before it is answered with what is known.
pub const PATIENCE: Duration = Duration::from_millis(250);

/// The usual [`Config::apply_sums`]. Each sum is five increments of less than a microsecond: Redis, which does nothing
/// else meanwhile, is busy for up to about five milliseconds. Most views of a busy site are of fewer articles than that, so
/// one apply takes all that came since the last one, and costs no more the more of them there are.
pub const APPLY_SUMS: usize = 1024;

/// The most views that may wait to be written.
const MAX_QUEUE: usize = 1 << 16;

/// How often applied entries that have passed their time are deleted.
const TRIM_INTERVAL: Duration = Duration::from_secs(1);

/// How a recorder works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How often each site's views are folded and applied to the store.
    pub flush_interval: Duration,
    /// How long applied entries stay in the journal, so that a store that went back can be made whole.
    pub retain: Duration,
    /// The most sums (of an article on a day) of one apply; [`APPLY_SUMS`] outside of tests. More are in one only where a
    /// single entry has more, or where a store is ahead of its journal at the start.
    pub apply_sums: usize,
}

/// Why a view was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The journal cannot take more for now; the view is not counted.
    #[error("the journal is full")]
    Full,
    /// More views wait to be written than the recorder holds; the view is not counted.
    #[error("too many views wait to be written")]
    Busy,
    /// The recorder stops, or its journal failed; the view may be counted or not.
    #[error("the service is stopping")]
    Stopped,
}

/// The figures of a site and of some of its articles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The site's figures; `None` where the store is away and they are not known.
    pub site: Option<Figures>,
    /// The articles whose figures are known, in the order asked for.
    pub articles: Vec<(ArticleId, Figures)>,
    /// When the store was last in step with the figures: now, unless they are stale.
    pub as_of: DateTime<Utc>,
    /// Whether the store could not be asked lately: views counted elsewhere may be missing.
    pub stale: bool,
}

/// How the recorder is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Whether views can be journaled.
    pub journal_ok: bool,
    /// Whether the store answered when it was last asked.
    pub store_ok: bool,
    /// The journal's last entry.
    pub head: Seq,
}

/// Why a recorder cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Its journal cannot be used.
    #[error("{0}")]
    Journal(#[from] JournalError),
    /// One of its tasks ended before its time, by a mistake in the program.
    #[error("a task of the recorder ended: {0}")]
    Task(String),
}

/// What was left when a recorder stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// The sites whose last views the store has not got. They are in the journal, and are applied at the next start.
    pub waiting: Vec<SiteId>,
}

/// The recorder, as handlers of requests see it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    status: Arc<Status>,
    views: mpsc::Sender<commit::View>,
    queries: mpsc::Sender<Query>,
    clock: Clock,
}

/// The owner of the recorder's tasks. Dropping it ends them where they stand, as a crash would.
#[derive(Debug)]
pub struct Recorder {
    status: Arc<Status>,
    tasks: JoinSet<()>,
    stage: watch::Sender<Stage>,
    starter: Starter,
}

/// Starts the worker of a site. It hides which journal and store there are, which whoever owns the recorder need not know.
struct Starter(Box<Start>);

type Start = dyn Fn(&mut JoinSet<()>, Arc<Counter>) + Send + Sync;

impl fmt::Debug for Starter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Starter")
    }
}

/// How far a shutdown has come; each stage has the one before behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// What is queued is written, and nothing more is taken.
    Writing,
    /// What is written is applied.
    Applying,
    /// The journal is told how far the store is.
    Trimming,
}

/// Starts a recorder.
///
/// # Errors
/// Where the journal cannot be read.
pub async fn spawn(
    config: Config,
    sites: Vec<Site>,
    journal: Arc<dyn Journal>,
    store: Arc<dyn Store>,
    clock: impl Into<Clock>,
) -> Result<(Handle, Recorder), JournalError> {
    let clock = clock.into();
    let status = Arc::new(Status::new(sites, journal.sites().await?, journal.head_at_open(), config.apply_sums));
    let shared = Arc::new(Shared { config, status: Arc::clone(&status), journal, store, clock: clock.clone() });
    let (views, views_queue) = mpsc::channel(MAX_QUEUE);
    let (queries, queries_queue) = mpsc::channel(query::MAX_QUEUE);
    let (stage, now) = watch::channel(Stage::Running);
    let mut tasks = JoinSet::new();
    tasks.spawn(commit::run(Arc::clone(&shared), views_queue, now.clone()));
    tasks.spawn(query::run(Arc::clone(&shared), queries_queue, now.clone()));
    tasks.spawn(trim::run(Arc::clone(&shared), now.clone()));
    let starter = Starter(Box::new(move |tasks, counter| {
        tasks.spawn(worker::Worker::new(Arc::clone(&shared), counter).run(now.clone()));
    }));
    for counter in &status.sites().counters {
        starter.0(&mut tasks, Arc::clone(counter));
    }
    let handle = Handle { status: Arc::clone(&status), views, queries, clock };
    Ok((handle, Recorder { status, tasks, stage, starter }))
}

impl Handle {
    /// The configured site of that id. One that is taken out meanwhile is still counted for whoever has got it here.
    #[must_use]
    pub fn site(&self, id: &str) -> Option<Arc<Counter>> {
        self.status.site(id)
    }

    /// Counts a view that was received now. What is returned is ready once the view is durable; the view is on its way
    /// from now on, also where nobody waits for that.
    ///
    /// # Errors
    /// Where the view could not be made durable; see [`RecordError`].
    pub fn record(&self, counter: &Counter, article: Option<ArticleId>) -> impl Future<Output = Result<(), RecordError>> + use<> {
        let (done, durable) = oneshot::channel();
        let view = commit::View { site: counter.core.index, day: counter.site.day(self.now()), article, done };
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

    /// The figures of a site and of articles of it, everything this process has acknowledged included.
    ///
    /// Waits up to [`PATIENCE`] for the store where it must be asked.
    pub async fn figures(&self, counter: &Counter, articles: &[ArticleId]) -> Answer {
        counter.figures(&self.clock, articles).await
    }

    /// The most-read articles of a bucket, as the store has them.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn top(&self, counter: &Counter, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        let site = counter.site.id.clone();
        query::ask(&self.queries, |answer| Query::Top { site, bucket, limit, answer }).await
    }

    /// The views in buckets of a site or of one article, as the store has them.
    ///
    /// # Errors
    /// Where the store is away.
    pub async fn history(&self, counter: &Counter, article: Option<ArticleId>, buckets: Vec<Bucket>) -> Result<Vec<u64>, StoreError> {
        let site = counter.site.id.clone();
        query::ask(&self.queries, |answer| Query::History { site, article, buckets, answer }).await
    }

    /// How the recorder is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.status.health()
    }

    /// What is measured; whoever serves the recorder measures there, too.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.status.metrics
    }

    /// All metrics in Prometheus' text format. The store is not asked for them.
    ///
    /// # Errors
    /// Where they cannot be written, by a mistake in the program.
    pub fn metrics_text(&self) -> prometheus::Result<String> {
        self.metrics().text(observe::families(&self.status, self.now()))
    }

    /// The instant now, by the recorder's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

impl Recorder {
    /// Returns when the recorder cannot go on: its journal failed, or a task ended that should not have.
    pub async fn failed(&mut self) -> Failure {
        let mut failure = self.status.failure();
        tokio::select! {
            biased;
            error = failure.wait_for(Option::is_some) => {
                // The sender is in the status, which is held here: there is an error.
                error.ok().and_then(|error| error.clone()).map_or_else(|| Failure::Task("the last one".into()), Failure::Journal)
            }
            task = self.tasks.join_next() => Failure::Task(format!("{task:?}")),
        }
    }

    /// Counts these sites from now on, their origins and time zones as they are given here. What was acknowledged of
    /// others is applied as before; one that was counted before goes on where it was.
    pub fn configure(&mut self, sites: Vec<Site>) {
        for counter in self.status.configure(sites) {
            self.starter.0(&mut self.tasks, counter);
        }
    }

    /// Stops: writes what is queued, gives the store what it lacks, and joins all tasks, within `patience`.
    ///
    /// Whoever still holds a [`Handle`] gets [`RecordError::Stopped`] from now on.
    pub async fn shutdown(mut self, patience: Duration) -> Drained {
        // How many tasks end at each stage: the writer and the asker of questions, the sites' workers, the trimmer.
        let stages = [(Stage::Writing, 2), (Stage::Applying, self.status.sites().counters.len()), (Stage::Trimming, 1)];
        let tasks = async {
            for (stage, count) in stages {
                self.stage.send_replace(stage);
                for _ in 0..count {
                    self.tasks.join_next().await;
                }
            }
        };
        let _late = timeout(patience, tasks).await;
        self.tasks.shutdown().await;
        Drained { waiting: self.status.waiting() }
    }
}
