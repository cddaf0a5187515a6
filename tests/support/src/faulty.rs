//! Decorators for a store and a journal. A test decides which calls fail, wait, get lost or are recorded.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;
use tokio::sync::mpsc;
use truycap::{
    domain::{
        article::{ArticleId, Section},
        correction::{AuditEntry, Change},
        counts::{Deltas, Subject},
        period::Bucket,
        producer::{Digest, Position, ProducerId, Seq},
        site::SiteId,
    },
    journal::{Confirmed, Entry, Journal, JournalError, JournaledSite, Replay, Run, SeenCorrection, Usage},
    store::{Applied, Corrected, Row, SharedVisitors, Snapshot, Step, Store, StoreError, TopList},
};

/// The arguments of [`Store::apply_after`].
#[derive(Clone, Debug)]
pub struct Apply {
    pub site: SiteId,
    pub earlier: Option<(ProducerId, Seq)>,
    pub producer: ProducerId,
    pub from: Position,
    pub to: Position,
    pub deltas: Arc<Deltas>,
}

impl Apply {
    pub async fn to(&self, store: &dyn Store) -> Result<Applied, StoreError> {
        store.apply_after(&self.site, self.earlier, self.producer, self.from, self.to, Arc::clone(&self.deltas)).await
    }
}

/// A call of a store.
#[derive(Clone, Copy, Debug)]
pub enum StoreCall<'a> {
    Apply(&'a Apply),
    Correct(&'a Step),
    Figures(&'a SiteId),
    Offset,
    Top,
    History,
    Export,
    Maintain,
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
    async fn apply_after(
        &self,
        site: &SiteId,
        earlier: Option<(ProducerId, Seq)>,
        producer: ProducerId,
        from: Position,
        to: Position,
        deltas: Arc<Deltas>,
    ) -> Result<Applied, StoreError> {
        assert!(from.seq < to.seq, "an apply moves the offset");
        let apply = Apply { site: site.clone(), earlier, producer, from, to, deltas };
        self.call(StoreCall::Apply(&apply), apply.to(&*self.inner)).await
    }

    async fn correct(&self, site: &SiteId, step: Arc<Step>) -> Result<Corrected, StoreError> {
        self.call(StoreCall::Correct(&step), self.inner.correct(site, Arc::clone(&step))).await
    }

    async fn audit(&self, site: &SiteId, after: u64) -> Result<Vec<AuditEntry>, StoreError> {
        self.inner.audit(site, after).await
    }

    async fn changes(&self, site: &SiteId, number: u64, step: Seq) -> Result<Option<Vec<Change>>, StoreError> {
        self.inner.changes(site, number, step).await
    }

    async fn counts(&self, site: &SiteId, subject: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError> {
        self.inner.counts(site, subject).await
    }

    async fn figures(
        &self,
        site: &SiteId,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> Result<Snapshot, StoreError> {
        self.call(StoreCall::Figures(site), self.inner.figures(site, producers, today, articles)).await
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Position, StoreError> {
        self.call(StoreCall::Offset, self.inner.offset(site, producer)).await
    }

    async fn top(&self, site: &SiteId, section: Option<&Section>, bucket: Bucket, limit: usize) -> Result<TopList, StoreError> {
        self.call(StoreCall::Top, self.inner.top(site, section, bucket, limit)).await
    }

    async fn history(&self, site: &SiteId, subject: &Subject, buckets: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        self.call(StoreCall::History, self.inner.history(site, subject, buckets)).await
    }

    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        self.call(StoreCall::Export, self.inner.export(site, rows)).await
    }

    async fn maintain(&self, site: &SiteId, sections: &[Section]) -> Result<bool, StoreError> {
        self.call(StoreCall::Maintain, self.inner.maintain(site, sections)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call(StoreCall::Ping, self.inner.ping()).await
    }

    async fn verify(&self, full: bool) -> Result<(), StoreError> {
        self.inner.verify(full).await
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
    Digest,
    Trim,
    Part,
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
    fn runs(&self) -> Arc<[Run]> {
        self.inner.runs()
    }

    fn head_at_open(&self) -> Position {
        self.inner.head_at_open()
    }

    async fn append(&self, entry: Arc<Entry>) -> Result<Position, JournalError> {
        self.call(JournalCall::Append(&entry), self.inner.append(Arc::clone(&entry))).await
    }

    async fn read(&self, site: &SiteId, after: Seq, upto: Seq) -> Result<Replay, JournalError> {
        self.call(JournalCall::Read, self.inner.read(site, after, upto)).await
    }

    async fn digest(&self, seq: Seq) -> Result<Option<Digest>, JournalError> {
        self.call(JournalCall::Digest, self.inner.digest(seq)).await
    }

    async fn trim(&self, confirmed: Vec<(SiteId, Confirmed)>, upto: Seq, delete: Seq) -> Result<Usage, JournalError> {
        let usage = self.call(JournalCall::Trim, self.inner.trim(confirmed, upto, delete)).await?;
        Ok(Usage { room: usage.room && self.faults.has_room(), ..usage })
    }

    async fn part(&self, site: &SiteId, producer: ProducerId, after: Seq) -> Result<Confirmed, JournalError> {
        self.call(JournalCall::Part, self.inner.part(site, producer, after)).await
    }

    async fn is_parted(&self, producer: ProducerId) -> Result<bool, JournalError> {
        self.call(JournalCall::Part, self.inner.is_parted(producer)).await
    }

    async fn corrections(&self, site: &SiteId) -> Result<Vec<SeenCorrection>, JournalError> {
        self.inner.corrections(site).await
    }

    async fn keep_corrections(&self, site: &SiteId, after: u64, seen: Vec<SeenCorrection>) -> Result<(), JournalError> {
        self.inner.keep_corrections(site, after, seen).await
    }

    async fn sites(&self) -> Result<Vec<JournaledSite>, JournalError> {
        self.call(JournalCall::Sites, self.inner.sites()).await
    }
}
