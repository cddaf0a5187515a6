//! Questions that go to the store as they are: most-read lists and histories.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use super::{Shared, Stage};
use crate::{
    domain::{article::ArticleId, period::Bucket, site::SiteId},
    store::StoreError,
};

/// The most questions that may wait to be asked, and that may be asked at once.
pub(super) const MAX_QUEUE: usize = 256;
const MAX_ASKING: usize = 64;

/// How long a question may take in all.
const PATIENCE: Duration = Duration::from_secs(5);

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// A question.
pub(super) enum Query {
    Top { site: SiteId, bucket: Bucket, limit: usize, answer: Reply<Vec<(ArticleId, u64)>> },
    History { site: SiteId, article: Option<ArticleId>, buckets: Vec<Bucket>, answer: Reply<Vec<u64>> },
}

/// Asks, and waits for the answer.
pub(super) async fn ask<T>(queue: &mpsc::Sender<Query>, query: impl FnOnce(Reply<T>) -> Query) -> Result<T, StoreError> {
    let (answer, answered) = oneshot::channel();
    let busy = |_| StoreError::NotApplied("too many questions wait".into());
    queue.try_send(query(answer)).map_err(busy)?;
    match timeout(PATIENCE, answered).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => Err(StoreError::NotApplied("the service is stopping".into())),
        Err(_) => Err(StoreError::NotApplied("no answer in time".into())),
    }
}

/// Passes questions on until told to stop. Those under way are then given up: nobody waits for them any more.
pub(super) async fn run(shared: Arc<Shared>, mut queue: mpsc::Receiver<Query>, mut stage: watch::Receiver<Stage>) {
    let mut asking = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage >= Stage::Writing) => return,
            _ = asking.join_next(), if !asking.is_empty() => {}
            query = queue.recv(), if asking.len() < MAX_ASKING => match query {
                Some(query) => { asking.spawn(pass(Arc::clone(&shared), query)); }
                None => return,
            },
        }
    }
}

async fn pass(shared: Arc<Shared>, query: Query) {
    match query {
        Query::Top { site, bucket, limit, answer } => reply(answer, shared.store.top(&site, bucket, limit)).await,
        Query::History { site, article, buckets, answer } => {
            reply(answer, shared.store.history(&site, article.as_ref(), &buckets)).await;
        }
    }
}

/// Answers, unless whoever asked has gone away: a store that hangs is not waited for longer than somebody does.
async fn reply<T>(mut answer: Reply<T>, asking: impl Future<Output = Result<T, StoreError>>) {
    tokio::select! {
        biased;
        () = answer.closed() => {}
        told = asking => {
            let _gone = answer.send(told);
        }
    }
}
