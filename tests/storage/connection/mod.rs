//! The connection between the service and Redis: cut, stalled or late, and servers that refuse.
//!
//! - `proxy`: a proxy that breaks connections at a given byte
//! - `cuts`, `stale`, `storm`: connections that break
//! - `refusals`, `cluster`: errors of real servers
//! - `mistakes`: what `truycap check` says to a URL of another topology
//! - `rights`: users with restricted rights
//! - `tls`: the binary over TLS

mod cluster;
mod cuts;
mod mistakes;
mod proxy;
mod refusals;
mod rights;
mod stale;
mod storm;
mod tls;

use truycap_test_support::{process, redis_server, redis_store, sentinel_set};

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use truycap::{
    domain::{
        article::ArticleId,
        counts::Deltas,
        period::Bucket,
        producer::{Digest, Position, ProducerId, Seq},
        site::SiteId,
    },
    store::{Applied, Row, Snapshot, Store, StoreError, redis::RedisStore},
};

const MINE: ProducerId = ProducerId(1);

/// The views that each step adds.
const STEP: [(&str, &str, u64); 6] =
    [("2099-01-01", "", 3), ("total", "", 3), ("2099-01-01", "/a", 1), ("total", "/a", 1), ("2099-01-01", "/b", 2), ("total", "/b", 2)];

/// The result of an apply of one step.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Done,
    /// The stored offset.
    Refused(Seq),
}

fn at(seq: Seq) -> Position {
    Position { seq, digest: Digest(seq) }
}

/// Applies increments from this offset to the next.
async fn step(store: &RedisStore, site: &SiteId, from: Seq, deltas: Deltas) -> Result<Step, StoreError> {
    store.apply(site, MINE, at(from), at(from + 1), Arc::new(deltas)).await.map(|applied| match applied {
        Applied::Done(_) => Step::Done,
        Applied::Refused(offset) => {
            assert_eq!(offset, at(offset.seq));
            Step::Refused(offset.seq)
        }
    })
}

fn site() -> SiteId {
    SiteId::parse("portal").unwrap()
}

/// Applies one step, from this offset to the next.
async fn apply(store: &RedisStore, from: Seq) -> Result<Step, StoreError> {
    let mut deltas = Deltas::default();
    for (bucket, id, views) in STEP {
        let bucket: Bucket = bucket.parse().unwrap();
        deltas.add([bucket].into_iter().collect(), (!id.is_empty()).then(|| ArticleId::parse(id).unwrap()), views);
    }
    step(store, &site(), from, deltas).await
}

/// Reads the figures of the site and of both articles.
async fn figures(store: &RedisStore) -> Result<Snapshot, StoreError> {
    let articles = ["/a", "/b"].map(|id| ArticleId::parse(id).unwrap());
    store.figures(&site(), &[MINE], "2099-01-01".parse().unwrap(), &articles).await
}

/// How many steps the store has applied, by its offset. Checks that all counters agree.
async fn steps(store: &RedisStore) -> Seq {
    let offset = figures(store).await.unwrap().offsets[0].seq;
    let counted: Vec<_> = STEP.iter().map(|(bucket, id, views)| ((*bucket).to_owned(), (*id).to_owned(), views * offset)).collect();
    let expected = if offset == 0 { Vec::new() } else { counted };
    let found = export(store).await.into_iter();
    let found: Vec<_> =
        found.map(|(bucket, id, views)| (bucket.to_string(), id.article().map_or_else(String::new, ToString::to_string), views)).collect();
    assert_eq!(found, expected, "the counters are not those of offset {offset}");
    offset
}

async fn export(store: &RedisStore) -> Vec<Row> {
    // More rows than any of these tests has.
    let (sender, mut receiver) = mpsc::channel(1000);
    store.export(&site(), sender).await.unwrap();
    std::iter::from_fn(|| receiver.try_recv().ok()).collect()
}

/// Retries until there is an answer. Checks that no error is in doubt.
async fn answered<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => {
                assert!(matches!(error, StoreError::NotApplied(_)), "{what}: {error}");
                assert!(Instant::now() < deadline, "{what}: {error}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

fn is_in_doubt(answer: &Result<Step, StoreError>) -> bool {
    matches!(answer, Err(StoreError::PerhapsApplied(_)))
}
