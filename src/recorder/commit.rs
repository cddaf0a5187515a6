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
    shared::{Shared, Skip, Stage},
    site::SiteCounter,
};
use crate::{
    domain::{article::ArticleId, counts::DayViews, outcome::Outcome, producer::Seq},
    journal::{Entry, EntryViews, JournalError},
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
    pub(super) skips: mpsc::Receiver<Skip>,
    pub(super) stage: watch::Receiver<Stage>,
    /// Resolves when all queued views are written, on the way to a stop.
    pub(super) written: oneshot::Sender<()>,
}

/// Writes views to the journal until the recorder stops, and then those that are still queued. Skips numbers until the
/// flushers have ended too.
pub(super) async fn run(shared: Arc<Shared>, queues: Queues) {
    let Queues { mut views, mut skips, mut stage, written } = queues;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        let skip = tokio::select! {
            biased;
            count = views.recv_many(&mut batch, MAX_BATCH) => if count == 0 { break } else { None },
            Some(skip) = skips.recv() => Some(skip),
            _ = stage.wait_for(|stage| *stage >= Stage::Writing), if !views.is_closed() => {
                views.close();
                continue;
            }
        };
        if let Some(skip) = skip {
            apply_skip(&shared, skip).await;
            continue;
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
        if shared.health.has_failed() {
            return;
        }
        // Views can arrive without a pause.
        while let Ok(skip) = skips.try_recv() {
            apply_skip(&shared, skip).await;
        }
    }
    let _ = written.send(());
    loop {
        let skip = tokio::select! {
            biased;
            Some(skip) = skips.recv() => skip,
            _ = stage.wait_for(|stage| *stage >= Stage::Trimming) => return,
        };
        apply_skip(&shared, skip).await;
    }
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
    let seq = match append(shared, Arc::clone(&entry)).await {
        Ok(seq) => seq,
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
        counter.committed(seq, entry.days_of(counter.id()));
    }
    shared.watermark.set_head(seq);
    Ok(())
}

/// Appends an entry. If the journal is full, applied entries are deleted before their time.
async fn append(shared: &Shared, entry: Arc<Entry>) -> Result<Seq, JournalError> {
    match shared.journal.append(Arc::clone(&entry)).await {
        Err(JournalError::Full(_)) => {
            shared.delete_early().await?;
            shared.journal.append(entry).await
        }
        result => result,
    }
}

/// Between two entries, so that all entries before the skipped numbers are in the sites' states.
async fn apply_skip(shared: &Shared, Skip { seq, done }: Skip) {
    let result = shared.journal.skip(seq).await;
    if result.is_ok() {
        shared.watermark.set_head(seq.max(shared.watermark.head()));
    }
    let _ = done.send(result);
}

/// The views of a batch of one site and day.
struct Group {
    counter: Arc<SiteCounter>,
    size: usize,
    sum: DayViews,
}

/// The views of a batch by site and day, and the counters of these sites.
fn sum(batch: &mut [View]) -> (Vec<Arc<SiteCounter>>, EntryViews) {
    // Counters live as long as the process, so their addresses identify them and are cheap to compare.
    let key = |view: &View| (Arc::as_ptr(&view.counter).addr(), view.day);
    let mut groups = BTreeMap::new();
    for view in &*batch {
        let empty = || Group { counter: Arc::clone(&view.counter), size: 0, sum: DayViews::default() };
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
