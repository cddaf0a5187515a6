//! Readers are counted in Redis, by all instances together, and nothing of them stays there for long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use truycap::{
    audience::{Estimate, Visitors},
    domain::site::{Rules, Site},
    store::{SharedVisitors, Store, StoreError},
};

use super::{
    day,
    redis_store::{Server, new_prefix, shared},
    site,
};

#[tokio::test]
async fn the_first_key_of_a_day_is_that_of_all() {
    let (store, site) = (shared().store(&new_prefix()), site("portal"));
    let today = day("2026-11-23");
    assert_eq!(store.key(&site, today, [1; 16]).await.unwrap(), [1; 16]);
    assert_eq!(store.key(&site, today, [2; 16]).await.unwrap(), [1; 16]);
    assert_eq!(store.key(&site, day("2026-11-24"), [3; 16]).await.unwrap(), [3; 16]);
}

#[tokio::test]
async fn readers_of_a_day_and_of_the_last_minutes_are_counted_once() {
    let (store, site, today) = (shared().store(&new_prefix()), site("portal"), day("2026-11-23"));
    let counts = async |minute, readers: &[u8]| {
        let hashes: Vec<_> = readers.iter().map(|reader| [*reader; 16]).collect();
        let counts = store.count(&site, today, minute, &hashes).await.unwrap();
        (counts.online, counts.today)
    };
    assert_eq!(counts(100, &[]).await, (0, 0));
    assert_eq!(counts(100, &[1, 2]).await, (2, 2));
    assert_eq!(counts(101, &[2, 3]).await, (3, 3));
    assert_eq!(counts(105, &[]).await, (3, 3));
    assert_eq!(counts(106, &[]).await, (2, 3));
    assert_eq!(counts(107, &[1]).await, (1, 3));
}

#[tokio::test]
async fn keys_of_readers_expire_within_48_hours() {
    let (prefix, site, today) = (new_prefix(), site("portal"), day("2026-11-23"));
    let store = shared().store(&prefix);
    store.key(&site, today, [1; 16]).await.unwrap();
    store.count(&site, today, 100, &[[1; 16]]).await.unwrap();
    let mut raw = shared().raw();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}:*")).query(&mut raw).unwrap();
    keys.sort();
    let names = ["visitors:2026-11-23", "visitors:key:2026-11-23", "visitors:online:100"];
    assert_eq!(keys, names.map(|name| format!("{prefix}:{{portal}}:{name}")));
    for key in keys {
        let seconds: i64 = redis::cmd("TTL").arg(&key).query(&mut raw).unwrap();
        assert!((1..48 * 3600).contains(&seconds), "{key}: {seconds}");
    }
}

#[tokio::test]
async fn something_else_under_their_names_is_told() {
    let (prefix, site, today) = (new_prefix(), site("portal"), day("2026-11-23"));
    let (store, mut raw) = (shared().store(&prefix), shared().raw());
    for name in ["visitors:2026-11-23", "visitors:key:2026-11-23"] {
        redis::cmd("HSET").arg(format!("{prefix}:{{portal}}:{name}")).arg("a").arg("b").exec(&mut raw).unwrap();
    }
    assert!(matches!(store.key(&site, today, [1; 16]).await, Err(StoreError::Corrupt(_))));
    assert!(store.count(&site, today, 100, &[[1; 16]]).await.is_err());
}

/// A Monday, 10:00 in Hà Nội; the clock of all instances.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_402_800, 0).unwrap()
}

fn portal() -> Site {
    let rules = Rules { visitors: true, ..Rules::default() };
    Site { id: site("portal"), origins: Vec::new(), timezone: Tz::Asia__Ho_Chi_Minh, rules }
}

/// Sends readers to the store and reads how many there are, for ever.
async fn sync(readers: Arc<Visitors>, store: Arc<dyn Store>) {
    loop {
        tokio::time::sleep(Duration::from_millis(1000)).await;
        readers.sync(&store, now()).await;
    }
}

/// Has readers come to an instance, again and again, until it knows of as many as there are.
async fn until(readers: &Visitors, here: &[&[u8]], expected: Estimate) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let portal = portal();
    while readers.estimate(&portal, now()) != Some(expected) {
        assert!(Instant::now() < deadline, "{:?}", readers.estimate(&portal, now()));
        here.iter().for_each(|address| readers.record(&portal, [address, b"agent"], now()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn instances_count_their_readers_together() {
    let prefix = new_prefix();
    let instance = || {
        let readers = Arc::new(Visitors::new(true));
        let store = Arc::new(shared().store(&prefix));
        (Arc::clone(&readers), tokio::spawn(sync(readers, store)))
    };
    let ((one, tending), (other, tending_other)) = (instance(), instance());
    assert_eq!(one.estimate(&portal(), now()), None);
    // Also the first ones of a day are counted, who come before the key is known.
    [b"a", b"b"].iter().for_each(|address| one.record(&portal(), [*address, b"agent"], now()));
    until(&one, &[], Estimate { online: 2, visitors_today: 2 }).await;
    until(&other, &[b"b", b"c"], Estimate { online: 3, visitors_today: 3 }).await;
    until(&one, &[], Estimate { online: 3, visitors_today: 3 }).await;
    // What was learnt long ago is not told.
    assert_eq!(one.estimate(&portal(), now() + TimeDelta::seconds(31)), None);
    for task in [tending, tending_other] {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn a_redis_that_is_away_leaves_nothing_known_and_nothing_waiting() {
    let server = Server::start(&[]);
    let store = Arc::new(server.store("truycap"));
    drop(server);
    let readers = Arc::new(Visitors::new(true));
    let tending = tokio::spawn(sync(Arc::clone(&readers), store));
    for address in 0..1000_u32 {
        readers.record(&portal(), [&address.to_le_bytes(), b"agent"], now());
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(readers.estimate(&portal(), now()), None);
    tending.abort();
}

#[tokio::test]
async fn a_redis_that_is_silent_keeps_no_addresses_of_many_sites_waiting() {
    let server = Server::start(&[]);
    let store = Arc::new(server.store("truycap"));
    store.ping().await.unwrap();
    server.signal("STOP");
    let readers = Arc::new(Visitors::new(true));
    for number in 0..50 {
        let site = Site { id: site(&format!("portal-{number}")), ..portal() };
        readers.record(&site, [b"address", b"agent"], now());
    }
    // As it is told to those who debug: there is no other way to see it.
    let waiting = || format!("{:?}", readers).matches("nameless: [[").count();
    assert_eq!(waiting(), 50);
    let tending = tokio::spawn(sync(Arc::clone(&readers), store));
    let deadline = Instant::now() + Duration::from_secs(15);
    while waiting() > 0 {
        assert!(Instant::now() < deadline, "{} are still waiting", waiting());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tending.abort();
    server.signal("CONT");
}
