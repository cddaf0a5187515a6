//! Group commit: all views that arrive while one entry is being written make up the next one. So the busier the service
//! is, the less each view costs. This task is the only one that moves the journal's head.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::NaiveDate;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::yield_now,
    time::Instant,
};

use super::{
    shared::{Shared, Stage},
    site::SiteCounter,
};
use crate::{
    domain::{article::ArticleId, counts::SiteViews, outcome::Outcome, producer::Position},
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

/// A view on its way to the journal.
pub(super) struct View {
    pub(super) counter: Arc<SiteCounter>,
    /// The site's calendar day on which it was received.
    pub(super) day: NaiveDate,
    pub(super) article: Option<ArticleId>,
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

/// Writes views to the journal until the recorder stops, and then those that are still queued.
pub(super) async fn run(shared: Arc<Shared>, queues: Queues) {
    let Queues { mut views, mut pings, mut stage, written } = queues;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        tokio::select! {
            biased;
            Some(pong) = pings.recv() => {
                let _ = pong.send(());
                continue;
            }
            count = views.recv_many(&mut batch, MAX_BATCH) => if count == 0 { break },
            _ = stage.wait_for(|stage| *stage >= Stage::Writing), if !views.is_closed() => {
                views.close();
                continue;
            }
        }
        gather(&mut views, &mut batch).await;
        let result = commit(&shared, &mut batch).await;
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
    let _ = written.send(());
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

/// Makes a batch durable and adds it to the sites' states.
async fn commit(shared: &Shared, batch: &mut [View]) -> Result<(), RecordError> {
    let (counters, views) = sum(batch);
    let entry = Arc::new(Entry { at: shared.clock.now(), views });
    let begun = Instant::now();
    let (run, to) = match append(shared, Arc::clone(&entry)).await {
        Ok(written) => written,
        Err(JournalError::Full(reason)) => {
            shared.health.journal_full(&reason);
            return Err(RecordError::Full);
        }
        Err(error) => {
            shared.health.fail(error);
            return Err(RecordError::Stopped);
        }
    };
    shared.metrics.journal.commit_seconds.observe(begun.elapsed().as_secs_f64());
    shared.metrics.journal.batch_views.observe(batch.len() as f64);
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

/// The views of a batch of one site and day.
struct Group {
    counter: Arc<SiteCounter>,
    size: usize,
    sum: SiteViews,
}

/// The views of a batch by site and day, and the counters of these sites.
fn sum(batch: &mut [View]) -> (Vec<Arc<SiteCounter>>, EntryViews) {
    // Counters live as long as the process, so their addresses identify them and are cheap to compare.
    let key = |view: &View| (Arc::as_ptr(&view.counter).addr(), view.day);
    let mut groups = BTreeMap::new();
    for view in &*batch {
        let empty = || Group { counter: Arc::clone(&view.counter), size: 0, sum: SiteViews::default() };
        groups.entry(key(view)).or_insert_with(empty).size += 1;
    }
    // A sum has room for all of its articles from the beginning, because growing a map costs as much as counting does.
    groups.values_mut().for_each(|group| group.sum.articles.reserve(group.size));
    for view in batch {
        if let Some(group) = groups.get_mut(&key(view)) {
            group.sum.count(view.article.take());
        }
    }
    let mut counters: Vec<_> = groups.values().map(|group| Arc::clone(&group.counter)).collect();
    counters.dedup_by(|a, b| Arc::ptr_eq(a, b));
    let views = groups.into_iter().map(|((_, day), group)| ((group.counter.id().clone(), day), group.sum));
    (counters, views.collect())
}
