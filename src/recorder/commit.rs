//! Group commit: all views that gather while an entry is being written make up the next one, with those that come while
//! there is no end of them. So the busier the service is, the less each view costs.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use chrono::NaiveDate;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::yield_now,
    time::Instant,
};

use super::{RecordError, Shared, Stage};
use crate::{
    domain::{article::ArticleId, counts::DayViews, outcome::Outcome, producer::Seq},
    journal::{Entry, JournalError},
};

/// The most views of one entry, and so of what one entry adds to an apply.
const MAX_BATCH: usize = 512;

/// After how long views wait for no others to come.
const GATHER: Duration = Duration::from_millis(1);

/// A view on its way to the journal.
pub(super) struct View {
    /// The site's place in the list.
    pub(super) site: usize,
    /// The site's calendar day on which it was received.
    pub(super) day: NaiveDate,
    pub(super) article: Option<ArticleId>,
    /// Whoever waits for it to be durable.
    pub(super) done: oneshot::Sender<Result<(), RecordError>>,
}

/// Writes views to the journal until told to stop, and then those that are still queued.
pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<View>, mut stage: watch::Receiver<Stage>) {
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        tokio::select! {
            biased;
            count = queue.recv_many(&mut batch, MAX_BATCH) => if count == 0 { return },
            _ = stage.wait_for(|stage| *stage >= Stage::Writing), if !queue.is_closed() => {
                queue.close();
                continue;
            }
        }
        gather(&mut queue, &mut batch).await;
        let outcome = commit(&shared, &mut batch).await;
        for view in batch.drain(..) {
            if let Err(error) = outcome {
                let outcome = if error == RecordError::Full { Outcome::Full } else { Outcome::Unknown };
                shared.sites().counters[view.site].note(outcome);
            }
            // Whoever has gone away does not hear it: the view is counted all the same.
            let _ = view.done.send(outcome);
        }
        if shared.has_failed() {
            return;
        }
    }
}

/// Lets requests that have arrived be read, and takes the views among them into the batch, until none comes any more. On a
/// quiet service that is at once.
async fn gather(queue: &mut mpsc::Receiver<View>, batch: &mut Vec<View>) {
    let begun = Instant::now();
    loop {
        let before = batch.len();
        yield_now().await;
        while batch.len() < MAX_BATCH
            && let Ok(view) = queue.try_recv()
        {
            batch.push(view);
        }
        if batch.len() == before || begun.elapsed() >= GATHER {
            return;
        }
    }
}

/// Makes a batch durable and takes it into the sites' states.
async fn commit(shared: &Shared, batch: &mut [View]) -> Result<(), RecordError> {
    // A view has its site's place from the sites as they were, and places stay.
    let sites = shared.sites();
    let sums = sum(batch).into_iter().map(|((site, day), sum)| ((sites.counters[site].site.id.clone(), day), sum));
    let entry = Arc::new(Entry { at: shared.clock.now(), views: sums.collect() });
    let begun = Instant::now();
    let seq = match append(shared, Arc::clone(&entry)).await {
        Ok(seq) => seq,
        Err(JournalError::Full(why)) => {
            shared.journal_room(false, &why);
            return Err(RecordError::Full);
        }
        Err(error) => {
            shared.fail(error);
            return Err(RecordError::Stopped);
        }
    };
    shared.metrics.journal.commit_seconds.observe(begun.elapsed().as_secs_f64());
    shared.metrics.journal.batch_views.observe(batch.len() as f64);
    shared.journal_room(true, "");
    let sums: Vec<_> = entry.views.iter().collect();
    for days in sums.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
        let Some(counter) = days.first().and_then(|((site, _), _)| sites.find(site)) else {
            // Sites stay, so this cannot be. If it were, the next start would read the entry from the journal.
            shared.fail(JournalError::Failed(format!("entry {seq} is of a site that is not known")));
            return Err(RecordError::Stopped);
        };
        counter.core.outcomes.add(Outcome::Counted, days.iter().map(|(_, sum)| sum.views).sum());
        // All days of a batch at once: a fold that ended between them would take the entry for applied with half of it.
        if counter.lock().committed(seq, days.iter().map(|((_, day), sum)| (*day, *sum))) {
            counter.core.wake.notify_one();
        }
    }
    shared.set_head(seq);
    Ok(())
}

/// Appends an entry. Where the journal is full, entries that are applied give way before their time.
async fn append(shared: &Shared, entry: Arc<Entry>) -> Result<Seq, JournalError> {
    match shared.journal.append(Arc::clone(&entry)).await {
        Err(JournalError::Full(_)) => {
            shared.make_room().await?;
            shared.journal.append(entry).await
        }
        result => result,
    }
}

/// The views of a batch by the place of their site, and by day. Each sum has room for all of its articles from the
/// beginning, for growing costs as much as counting does.
fn sum(batch: &mut [View]) -> BTreeMap<(usize, NaiveDate), DayViews> {
    let mut counts = BTreeMap::new();
    for view in &*batch {
        *counts.entry((view.site, view.day)).or_insert(0) += 1;
    }
    let empty = |views| DayViews { views: 0, articles: HashMap::with_capacity(views) };
    let mut sums: BTreeMap<_, _> = counts.into_iter().map(|(key, views)| (key, empty(views))).collect();
    for view in batch {
        if let Some(sum) = sums.get_mut(&(view.site, view.day)) {
            sum.count(view.article.take());
        }
    }
    sums
}
