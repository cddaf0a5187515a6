//! The store of a simulated world: the model of a store, or a real Redis.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use redis::Commands;
use tokio::{runtime::Runtime, sync::mpsc};
use truycap::{
    domain::{
        article::{ArticleId, Section},
        correction::{AuditEntry, Change},
        counts::{Deltas, Subject},
        period::Bucket,
        producer::{Position, ProducerId, Seq},
        retention::Retention,
        site::SiteId,
    },
    store::{
        Applied, Corrected, Row, Snapshot, Step, Store, StoreError, TopList,
        memory::{self, MemoryStore},
        redis::{RedisStore, RedisStoreConfig},
    },
};
use truycap_test_support::redis_server::Server;

use crate::world::now;

/// The most rows an export of a simulated world has.
const ROWS: usize = 10_000;

type RedisClock = Box<dyn Fn() -> DateTime<Utc> + Send + Sync>;

pub(crate) enum SimulatedStore {
    Memory(MemoryStore),
    Redis(OnRedis),
}

/// Everything that a store held at one moment.
#[derive(Clone)]
pub(crate) enum Image {
    Memory(memory::Image),
    /// Keys, as Redis dumps them.
    Redis(Vec<(String, Vec<u8>)>),
}

/// The keys of one world, on the server that all worlds share.
pub(crate) struct OnRedis {
    prefix: String,
    store: Arc<RedisStore>,
    /// The simulated time, for the threads of `runtime`.
    now: Arc<AtomicI64>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

/// The runtime in which real time passes.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap())
}

impl OnRedis {
    /// Makes a call in the other runtime while this thread blocks, and with it the simulated time. To the simulation, the
    /// call takes no time.
    fn call<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, call: impl FnOnce(Arc<RedisStore>) -> F) -> T {
        self.now.store(now().timestamp_millis(), Ordering::SeqCst);
        let (done, answer) = std::sync::mpsc::sync_channel(1);
        let call = call(Arc::clone(&self.store));
        runtime().spawn(async move { done.send(call.await) });
        answer.recv().unwrap()
    }

    fn keys(&self) -> Vec<String> {
        server().raw().keys(format!("{}:*", self.prefix)).unwrap()
    }
}

impl Drop for OnRedis {
    fn drop(&mut self) {
        let keys = self.keys();
        if !keys.is_empty() {
            let () = server().raw().del(keys).unwrap();
        }
    }
}

impl SimulatedStore {
    pub(crate) fn in_memory() -> Self {
        Self::Memory(MemoryStore::new(Retention::default(), now))
    }

    pub(crate) fn on_redis() -> Self {
        static WORLDS: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("world-{}", WORLDS.fetch_add(1, Ordering::Relaxed));
        let config = RedisStoreConfig { url: server().url().parse().unwrap(), prefix: prefix.parse().unwrap() };
        let now = Arc::new(AtomicI64::new(0));
        let time = Arc::clone(&now);
        let clock: RedisClock = Box::new(move || DateTime::from_timestamp_millis(time.load(Ordering::SeqCst)).unwrap());
        // Opened in the runtime in which its connection will run.
        let _guard = runtime().enter();
        Self::Redis(OnRedis { prefix, store: Arc::new(RedisStore::open(config, Retention::default(), clock)), now })
    }

    /// Everything the store holds of a site.
    pub(crate) async fn rows(&self, site: &SiteId) -> Vec<Row> {
        let (sender, mut receiver) = mpsc::channel(ROWS);
        self.export(site, sender).await.unwrap();
        let mut rows = Vec::new();
        while let Some(row) = receiver.recv().await {
            rows.push(row);
        }
        rows
    }

    pub(crate) fn image(&self) -> Image {
        match self {
            Self::Memory(store) => Image::Memory(store.image()),
            Self::Redis(redis) => {
                let mut raw = server().raw();
                let dump = |key: String| {
                    let dump = redis::cmd("DUMP").arg(&key).query(&mut raw).unwrap();
                    (key, dump)
                };
                Image::Redis(redis.keys().into_iter().map(dump).collect())
            }
        }
    }

    /// Restores an earlier state of the store. A Redis also loses its scripts.
    pub(crate) fn restore(&self, image: Image) {
        match (self, image) {
            (Self::Memory(store), Image::Memory(image)) => store.restore(image),
            (Self::Redis(redis), Image::Redis(image)) => {
                let mut all = redis::pipe();
                all.atomic().cmd("SCRIPT").arg("FLUSH").ignore();
                for key in redis.keys() {
                    all.del(key).ignore();
                }
                for (key, dump) in image {
                    all.cmd("RESTORE").arg(key).arg(0).arg(dump).ignore();
                }
                let () = all.query(&mut server().raw()).unwrap();
            }
            _ => unreachable!("an image is restored in the kind of store from which it was taken"),
        }
    }
}

#[async_trait]
impl Store for SimulatedStore {
    async fn apply_after(
        &self,
        site: &SiteId,
        earlier: Option<(ProducerId, Seq)>,
        producer: ProducerId,
        from: Position,
        to: Position,
        deltas: Arc<Deltas>,
    ) -> Result<Applied, StoreError> {
        match self {
            Self::Memory(store) => store.apply_after(site, earlier, producer, from, to, deltas).await,
            Self::Redis(redis) => {
                let site = site.clone();
                redis.call(move |store| async move { store.apply_after(&site, earlier, producer, from, to, deltas).await })
            }
        }
    }

    async fn correct(&self, _: &SiteId, _: Arc<Step>) -> Result<Corrected, StoreError> {
        unreachable!("the simulation makes no corrections")
    }

    async fn audit(&self, _: &SiteId, _: u64) -> Result<Vec<AuditEntry>, StoreError> {
        unreachable!("the simulation makes no corrections")
    }

    async fn changes(&self, _: &SiteId, _: u64, _: Seq) -> Result<Option<Vec<Change>>, StoreError> {
        unreachable!("the simulation makes no corrections")
    }

    async fn counts(&self, _: &SiteId, _: &Subject) -> Result<Vec<(Bucket, u64)>, StoreError> {
        unreachable!("the simulation makes no corrections")
    }

    async fn figures(
        &self,
        site: &SiteId,
        producers: &[ProducerId],
        today: NaiveDate,
        articles: &[ArticleId],
    ) -> Result<Snapshot, StoreError> {
        match self {
            Self::Memory(store) => store.figures(site, producers, today, articles).await,
            Self::Redis(redis) => {
                let (site, producers, articles) = (site.clone(), producers.to_vec(), articles.to_vec());
                redis.call(move |store| async move { store.figures(&site, &producers, today, &articles).await })
            }
        }
    }

    async fn offset(&self, site: &SiteId, producer: ProducerId) -> Result<Position, StoreError> {
        match self {
            Self::Memory(store) => store.offset(site, producer).await,
            Self::Redis(redis) => {
                let site = site.clone();
                redis.call(move |store| async move { store.offset(&site, producer).await })
            }
        }
    }

    async fn top(&self, _: &SiteId, _: Option<&Section>, _: Bucket, _: usize) -> Result<TopList, StoreError> {
        unreachable!("the simulation requests no lists")
    }

    async fn history(&self, _: &SiteId, _: &Subject, _: &[Bucket]) -> Result<Vec<u64>, StoreError> {
        unreachable!("the simulation requests no lists")
    }

    async fn export(&self, site: &SiteId, rows: mpsc::Sender<Row>) -> Result<(), StoreError> {
        match self {
            Self::Memory(store) => store.export(site, rows).await,
            Self::Redis(redis) => {
                let site = site.clone();
                redis.call(move |store| async move { store.export(&site, rows).await })
            }
        }
    }

    async fn maintain(&self, _: &SiteId, _: &[Section]) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
