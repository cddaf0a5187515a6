//! Group commit: all views that arrive while one entry is being written make up the next one. So the busier the service
//! is, the less each view costs. This task is the only one that moves the journal's head.

use std::{sync::Arc, time::Duration};

use chrono::NaiveDate;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::yield_now,
    time::Instant,
};
use tracing::warn;

use super::{
    shared::{Shared, Stage},
    site::SiteCounter,
    uncounted::{Groups, count, group},
};
use crate::{
    domain::{
        article::ArticleId,
        counts::Kind,
        outcome::{Outcome, SiteAlone},
        producer::Position,
    },
    journal::{Entry, EntryViews, JournalError, Run},
};

/// The most views of one entry, and so of what one entry adds to an apply.
const MAX_BATCH: usize = 512;

/// How long a batch waits at most for views that are about to arrive.
const GATHER: Duration = Duration::from_millis(1);

/// Why a view was not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The journal has no room; the view is not counted.
    #[error("the journal is full")]
    Full,
    /// Too many views wait to be written; the view is not counted.
    #[error("too many views wait to be written")]
    Busy,
    /// The recorder stops, or its journal failed; the view may be counted or not.
    #[error("the service is stopping")]
    Stopped,
}

/// A view to record: what it counts for, beside its site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewView {
    /// The article, if it is of one.
    pub article: Option<ArticleId>,
    /// Why it is not of the article that it named.
    pub site_alone: Option<SiteAlone>,
    /// Whether it begins a visit.
    pub visit: bool,
}

impl NewView {
    /// A view of an article, or of the site alone, that begins no visit.
    #[must_use]
    pub fn of(article: Option<ArticleId>) -> Self {
        Self { article, ..Self::default() }
    }
}

/// A view on its way to the journal.
pub(super) struct View {
    pub(super) counter: Arc<SiteCounter>,
    /// The site's calendar day on which it was received.
    pub(super) day: NaiveDate,
    pub(super) new: NewView,
    /// Resolves when the view is durable, or cannot be.
    pub(super) done: oneshot::Sender<Result<(), RecordError>>,
}

/// The task's inputs.
pub(super) struct Queues {
    pub(super) views: mpsc::Receiver<View>,
    /// Questions whether the task makes progress.
    pub(super) pings: mpsc::Receiver<oneshot::Sender<()>>,
    pub(super) stage: watch::Receiver<Stage>,
    /// Resolves when all queued views are written, on the way to a stop.
    pub(super) written: oneshot::Sender<()>,
}

/// Writes views to the journal until the recorder stops, and then those that are still queued; with what was not counted.
pub(super) async fn run(shared: Arc<Shared>, queues: Queues) {
    let Queues { mut views, mut pings, mut stage, written } = queues;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    // When an entry last had something that was not counted.
    let mut written_uncounted = Instant::now();
    loop {
        tokio::select! {
            biased;
            Some(pong) = pings.recv() => {
                let _ = pong.send(());
                continue;
            }
            count = views.recv_many(&mut batch, MAX_BATCH) => if count == 0 { break },
            () = shared.uncounted.due(written_uncounted) => {}
            _ = stage.wait_for(|stage| *stage >= Stage::Writing), if !views.is_closed() => {
                views.close();
                continue;
            }
        }
        gather(&mut views, &mut batch).await;
        let uncounted = shared.uncounted.take();
        if !uncounted.is_empty() {
            written_uncounted = Instant::now();
        }
        let result = commit(&shared, &mut batch, uncounted).await;
        for view in batch.drain(..) {
            if let Err(error) = result {
                view.counter.note(if error == RecordError::Full { Outcome::Full } else { Outcome::Unknown });
            }
            // A client that has left does not hear it. The view is counted all the same.
            let _ = view.done.send(result);
        }
        if shared.health.failure().borrow().is_some() {
            return;
        }
    }
    write_rest(&shared).await;
    let _ = written.send(());
}

/// Writes what was not counted and is left when the recorder stops.
async fn write_rest(shared: &Shared) {
    let uncounted = shared.uncounted.take();
    let requests = count(&uncounted);
    if uncounted.is_empty() || commit(shared, &mut [], uncounted).await.is_ok() {
        return;
    }
    warn!(
        event = "not_counted_lost",
        requests,
        "the journal could not be written until the end: these requests, which did not count as views, are missing from the history of what was not counted"
    );
}

/// Adds views of requests that have already arrived, until none comes any more. On a quiet service that is at once.
async fn gather(views: &mut mpsc::Receiver<View>, batch: &mut Vec<View>) {
    let begun = Instant::now();
    loop {
        let before = batch.len();
        yield_now().await;
        while batch.len() < MAX_BATCH
            && let Ok(view) = views.try_recv()
        {
            batch.push(view);
        }
        if batch.len() == before || begun.elapsed() >= GATHER {
            return;
        }
    }
}

/// Makes a batch durable and adds it to the sites' states, with what was not counted. If that does not fit, it waits for a later
/// entry.
async fn commit(shared: &Shared, batch: &mut [View], uncounted: Groups) -> Result<(), RecordError> {
    let (counters, views) = sum(batch, uncounted.clone());
    let entry = Arc::new(Entry { at: shared.clock.now(), views });
    let begun = Instant::now();
    let (run, to) = match append(shared, Arc::clone(&entry)).await {
        Ok(written) => written,
        Err(JournalError::Full(reason)) => {
            shared.health.journal_full(&reason);
            shared.uncounted.put_back(uncounted);
            return Err(RecordError::Full);
        }
        Err(error) => {
            shared.health.fail(error);
            return Err(RecordError::Stopped);
        }
    };
    shared.metrics.journal.commit_seconds.observe(begun.elapsed().as_secs_f64());
    if !batch.is_empty() {
        shared.metrics.journal.batch_views.observe(batch.len() as f64);
    }
    shared.health.journal_ready();
    for counter in counters {
        // All days of an entry at once: a segment that ended between them would count the entry as applied with half of it.
        counter.committed(run, to, entry.days_of(counter.id()));
    }
    shared.watermark.set_head(to.seq);
    Ok(())
}

/// Appends an entry, and returns its run and position. If the journal is full, applied entries are deleted before their time.
async fn append(shared: &Shared, entry: Arc<Entry>) -> Result<(Run, Position), JournalError> {
    let to = match shared.journal.append(Arc::clone(&entry)).await {
        Err(JournalError::Full(reason)) => {
            shared.delete_early(&reason).await?;
            shared.journal.append(entry).await?
        }
        result => result?,
    };
    // Another run can have begun since the entry was written, but not before it.
    let run = shared.journal.runs().iter().rev().find(|run| run.after < to.seq).copied();
    run.map(|run| (run, to)).ok_or_else(|| JournalError::Damaged(format!("entry {} belongs to no run", to.seq)))
}

/// The views of a batch by site and day, added to what was not counted, and the counters of these sites.
fn sum(batch: &mut [View], uncounted: Groups) -> (Vec<Arc<SiteCounter>>, EntryViews) {
    let mut groups = uncounted;
    for view in &*batch {
        group(&mut groups, &view.counter, view.day).views += 1;
    }
    // A sum has room for all of its articles from the beginning, because growing a map costs as much as counting does.
    groups.values_mut().for_each(|group| group.sum.articles.reserve(group.views));
    for view in batch {
        let sum = &mut group(&mut groups, &view.counter, view.day).sum;
        let NewView { article, site_alone, visit } = std::mem::take(&mut view.new);
        sum.count(article);
        site_alone.into_iter().for_each(|reason| sum.count_kind(reason.kind()));
        if visit {
            sum.count_kind(Kind::Visits);
        }
    }
    let mut counters: Vec<_> = groups.values().map(|group| Arc::clone(&group.counter)).collect();
    counters.dedup_by(|a, b| Arc::ptr_eq(a, b));
    let views = groups.into_iter().map(|((_, day), group)| ((group.counter.id().clone(), day), group.sum));
    (counters, views.collect())
}
