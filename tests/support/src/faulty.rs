//! Decorators for a store and a journal. A test decides which calls fail, wait, get lost or are recorded.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::mpsc;
use truycap::{
    domain::{
        article::ArticleId,
        counts::Deltas,
        period::Bucket,
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    journal::{Entry, Journal, JournalError, Replay, Usage},
    store::{Applied, Row, SharedVisitors, Snapshot, Store, StoreError},
};

/// The arguments of [`Store::apply`].
#[derive(Clone, Debug)]
pub struct Apply {
    pub site: SiteId,
    pub producer: ProducerId,
    pub from: Seq,
    pub to: Seq,
    pub deltas: Arc<Deltas>,
}

impl Apply {
    pub async fn to(&self, store: &dyn Store) -> Result<Applied, StoreError> {
        store.apply(&self.site, self.producer, self.from, self.to, Arc::clone(&self.deltas)).await
    }
}

/// A call of a store.
#[derive(Clone, Copy, Debug)]
pub enum StoreCall<'a> {
    Apply(&'a Apply),
    Figures(&'a SiteId),
    Offset,
    Top,
    History,
    Export,
    Ping,
}

/// What happens to the calls of a store.
#[async_trait]
pub trait StoreFaults: Send + Sync + 'static {
    /// Before a call. If this fails, the store does not see the call.
    async fn before(&self, _: StoreCall<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    /// After a call that the store has answered. If this fails, the answer is lost.
    async fn after(&self, _: StoreCall<'_>) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl<F: StoreFaults> StoreFaults for Arc<F> {
    async fn before(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        (**self).before(call).await
    }

    async fn after(&self, call: StoreCall<'_>) -> Result<(), StoreError> {
        (**self).after(call).await
    }
}

/// A store with faults.
pub struct FaultyStore<F> {
    inner: Arc<dyn Store>,
    pub faults: F,
}

impl<F: StoreFaults> FaultyStore<F> {
    pub fn new(inner: Arc<dyn Store>, faults: F) -> Self {
        Self { inner, faults }
    }

    async fn call<T>(&self, call: StoreCall<'_>, answer: impl Future<Output = Result<T, StoreError>> + Send) -> Result<T, StoreError> {
        self.faults.before(call).await?;
        let answer = answer.await;
        self.faults.after(call).await?;
        answer
    }
}

#[async_trait]
impl<F: StoreFaults> Store for FaultyStore<F> {
    async fn apply(&self, site: &SiteId, producer: ProducerId, from: Seq, to: Seq, deltas: Arc<Deltas>) -> Result<Applied, StoreError> {
        assert!(from < to, "an apply moves the offset");
        let apply = Apply { site: site.clone(), producer, from, to, deltas };
        self.call(StoreCall::Apply(&apply), apply.to(&*self.inner)).await
    }

    async fn figures(&self, site: &SiteId, producer: ProducerId, today: NaiveDate, articles: &[ArticleId]) -> Result<Snapshot, StoreError> {
        self.call(StoreCall::Figures(site), self.inner.figures(site, producer, today, articles)).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Seq, StoreError> {
        self.call(StoreCall::Offset, self.inner.offset(site, producer)).await
    }

    async fn top(&self, site: &SiteId, bucket: Bucket, limit: usize) -> Result<Vec<(ArticleId, u64)>, StoreError> {
        self.call(StoreCall::Top, self.inner.top(site, bucket, limit)).await
    }

    async fn history(&self, site: &SiteId, article: Option<&ArticleId>, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        self.call(StoreCall::History, self.inner.history(site, article, buckets)).await
    }

    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        self.call(StoreCall::Export, self.inner.export(site, rows)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call(StoreCall::Ping, self.inner.ping()).await
    }

    async fn verify(&self) -> Result<(), StoreError> {
        self.inner.verify().await
    }

    async fn advice(&self) -> Result<Vec<String>, StoreError> {
        self.inner.advice().await
    }

    fn visitors(&self) -> Option<&dyn SharedVisitors> {
        self.inner.visitors()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

/// A call of a journal.
#[derive(Clone, Copy, Debug)]
pub enum JournalCall<'a> {
    Append(&'a Arc<Entry>),
    Read,
    Trim,
    Skip,
    Sites,
}

/// What happens to the calls of a journal.
#[async_trait]
pub trait JournalFaults: Send + Sync + 'static {
    /// Before a call. If this fails, the journal does not see the call.
    async fn before(&self, _: JournalCall<'_>) -> Result<(), JournalError> {
        Ok(())
    }

    /// After a call that the journal has completed.
    async fn after(&self, _: JournalCall<'_>) {}

    /// Whether a trim reports room for more entries.
    fn has_room(&self) -> bool {
        true
    }
}

#[async_trait]
impl<F: JournalFaults> JournalFaults for Arc<F> {
    async fn before(&self, call: JournalCall<'_>) -> Result<(), JournalError> {
        (**self).before(call).await
    }

    async fn after(&self, call: JournalCall<'_>) {
        (**self).after(call).await;
    }

    fn has_room(&self) -> bool {
        (**self).has_room()
    }
}

/// A journal with faults.
pub struct FaultyJournal<F> {
    inner: Arc<dyn Journal>,
    pub faults: F,
}

impl<F: JournalFaults> FaultyJournal<F> {
    pub fn new(inner: Arc<dyn Journal>, faults: F) -> Self {
        Self { inner, faults }
    }

    async fn call<T>(
        &self,
        call: JournalCall<'_>,
        answer: impl Future<Output = Result<T, JournalError>> + Send,
    ) -> Result<T, JournalError> {
        self.faults.before(call).await?;
        let answer = answer.await?;
        self.faults.after(call).await;
        Ok(answer)
    }
}

#[async_trait]
impl<F: JournalFaults> Journal for FaultyJournal<F> {
    fn producer(&self) -> ProducerId {
        self.inner.producer()
    }

    fn head_at_open(&self) -> Seq {
        self.inner.head_at_open()
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Seq, JournalError> {
        self.call(JournalCall::Append(&entry), self.inner.append(Arc::clone(&entry))).await
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        self.call(JournalCall::Read, self.inner.read(site, after, upto)).await
    }

    async fn trim(&self, offsets: Vec<(SiteId, Seq)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
        let usage = self.call(JournalCall::Trim, self.inner.trim(offsets, upto, delete)).await?;
        Ok(Usage { room: usage.room && self.faults.has_room(), ..usage })
    }

    async fn skip(&self, seq: Seq) -> Result<(), JournalError> {
        self.call(JournalCall::Skip, self.inner.skip(seq)).await
    }

    async fn sites(&self) -> Result<Vec<SiteId>, JournalError> {
        self.call(JournalCall::Sites, self.inner.sites()).await
    }
}
