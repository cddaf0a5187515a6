//! An apply can wait for replicas and disks.

use std::time::Duration;

use chrono::Utc;
use tokio::time::{Instant, sleep};
use truycap::store::{Applied, Store, StoreError, redis::Wait};

use super::{
    MINE, THEIRS, add, count, day, deltas, offset,
    redis_store::{Server, open_by},
    site,
};

const ONE: &[(&str, &str, u64)] = &[("total", "", 1)];

#[tokio::test]
async fn an_apply_succeeds_only_once_a_replica_has_it() {
    let (master, site, other) = (Server::start_on_port(&[]), site("portal"), site("other"));
    let store = open_by(&master.url(), "p", Wait { replicas: 1, aof: false }, Utc::now);
    let answer = store.apply(&site, MINE, 0, 1, deltas(ONE)).await;
    assert!(matches!(&answer, Err(StoreError::PerhapsApplied(why)) if why.contains("store.wait_replicas")), "{answer:?}");
    // The master has applied it, but the store does not confirm it: a trim would delete the views.
    assert_eq!(count(&open_by(&master.url(), "p", Wait::default(), Utc::now), &site, "total", "").await, 1);
    let today = day("2099-01-01");
    for _ in 0..2 {
        let answer = store.figures(&site, MINE, today, &[]).await;
        assert!(matches!(&answer, Err(StoreError::NotApplied(_))), "{answer:?}");
    }
    let answer = store.apply(&site, MINE, 0, 1, deltas(ONE)).await;
    assert!(matches!(&answer, Err(StoreError::NotApplied(_))), "a refusal does not confirm it either: {answer:?}");

    let mut replica = Server::start_on_port(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.figures(&site, MINE, today, &[]).await.is_err() {
        assert!(Instant::now() < deadline, "the replica is up, but reads still fail");
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(store.apply(&site, MINE, 0, 1, deltas(ONE)).await, Ok(Applied::Refused(1)));
    let (mine, theirs) = (add(&store, &site, MINE, 1, 2, ONE), add(&store, &site, THEIRS, 0, 1, ONE));
    tokio::join!(mine, theirs, add(&store, &other, MINE, 0, 1, ONE));
    let reader = replica.store("p");
    assert_eq!(
        (offset(&reader, &site, MINE).await, offset(&reader, &other, MINE).await),
        (2, 1),
        "the replica has all applies without a further wait"
    );

    replica.kill();
    let answer = store.apply(&site, MINE, 2, 3, deltas(ONE)).await;
    assert!(matches!(&answer, Err(StoreError::PerhapsApplied(_))), "{answer:?}");
    let answer = store.figures(&site, MINE, today, &[]).await;
    assert!(matches!(&answer, Err(StoreError::NotApplied(_))), "{answer:?}");
}

#[tokio::test]
async fn an_apply_succeeds_only_once_the_disk_has_it() {
    let site = site("portal");
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let version: String = redis::cmd("INFO").arg("server").query(&mut server.raw()).unwrap();
    let store = open_by(&server.url(), "p", Wait { replicas: 0, aof: true }, Utc::now);
    if version.contains("redis_version:6.") || version.contains("redis_version:7.0") {
        let answer = store.apply(&site, MINE, 0, 1, deltas(ONE)).await;
        assert!(matches!(&answer, Err(StoreError::PerhapsApplied(why)) if why.contains("WAITAOF")), "{answer:?}");
        return;
    }
    add(&store, &site, MINE, 0, 1, ONE).await;
    // A server without an append-only file reports an error instead of confirming every apply.
    let server = Server::start(&[]);
    let store = open_by(&server.url(), "p", Wait { replicas: 0, aof: true }, Utc::now);
    let answer = store.apply(&site, MINE, 0, 1, deltas(ONE)).await;
    assert!(matches!(&answer, Err(StoreError::PerhapsApplied(why)) if why.contains("appendonly")), "{answer:?}");
}
