//! Visitors are counted in Redis by all instances together, and their data expires.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use truycap::{
    audience::{Estimate, Visitors},
    domain::site::{Rules, Site, SiteId},
    store::{SharedVisitors, Store, StoreError, redis::RedisStore},
};

use super::{
    day,
    redis_store::{Server, new_prefix, shared},
    site,
};

#[tokio::test]
async fn all_instances_use_the_first_key_of_a_day() {
    the_first_key_of_a_day_is_used(&shared().store(&new_prefix()), &site("portal")).await;
}

pub(super) async fn the_first_key_of_a_day_is_used(store: &RedisStore, site: &SiteId) {
    let today = day("2026-11-23");
    assert_eq!(store.key(site, today, [1; 16]).await.unwrap(), [1; 16]);
    assert_eq!(store.key(site, today, [2; 16]).await.unwrap(), [1; 16]);
    assert_eq!(store.key(site, day("2026-11-24"), [3; 16]).await.unwrap(), [3; 16]);
}

#[tokio::test]
async fn visitors_of_a_day_and_of_the_last_minutes_are_counted_once() {
    visitors_are_counted_once(&shared().store(&new_prefix()), &site("portal")).await;
}

pub(super) async fn visitors_are_counted_once(store: &RedisStore, site: &SiteId) {
    let today = day("2026-11-23");
    let counts = async |minute, visitors: &[u8]| {
        let hashes: Vec<_> = visitors.iter().map(|visitor| [*visitor; 16]).collect();
        let counts = store.count(site, today, minute, &hashes).await.unwrap();
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
async fn visitor_keys_expire_within_48_hours() {
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
async fn visitor_keys_of_another_type_are_reported() {
    let (prefix, site, today) = (new_prefix(), site("portal"), day("2026-11-23"));
    let (store, mut raw) = (shared().store(&prefix), shared().raw());
    for name in ["visitors:2026-11-23", "visitors:key:2026-11-23"] {
        redis::cmd("HSET").arg(format!("{prefix}:{{portal}}:{name}")).arg("a").arg("b").exec(&mut raw).unwrap();
    }
    assert!(matches!(store.key(&site, today, [1; 16]).await, Err(StoreError::Corrupt(_))));
    assert!(store.count(&site, today, 100, &[[1; 16]]).await.is_err());
}

/// The clock of all instances: a Monday, 10:00 in Hà Nội.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_402_800, 0).unwrap()
}

fn portal() -> Site {
    let rules = Rules { visitors: true, ..Rules::default() };
    Site { id: site("portal"), aliases: Vec::new(), origins: Vec::new(), timezone: Tz::Asia__Ho_Chi_Minh, sections: Vec::new(), rules }
}

/// Syncs the visitors of an instance with the store, for ever.
async fn sync(visitors: Arc<Visitors>, store: Arc<dyn Store>) {
    loop {
        tokio::time::sleep(Duration::from_millis(1000)).await;
        visitors.sync(&store, now()).await;
    }
}

/// Records these visitors at an instance repeatedly, until its estimate is the expected one.
async fn until(visitors: &Visitors, addresses: &[&[u8]], expected: Estimate) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let portal = portal();
    while visitors.estimate(&portal, now()) != Some(expected) {
        assert!(Instant::now() < deadline, "{:?}", visitors.estimate(&portal, now()));
        addresses.iter().for_each(|address| visitors.record(&portal, [address, b"agent"], now()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn instances_count_their_visitors_together() {
    let prefix = new_prefix();
    let instance = || {
        let visitors = Arc::new(Visitors::new(true));
        let store = Arc::new(shared().store(&prefix));
        (Arc::clone(&visitors), tokio::spawn(sync(visitors, store)))
    };
    let ((one, syncing), (other, syncing_other)) = (instance(), instance());
    assert_eq!(one.estimate(&portal(), now()), None);
    // The first visitors of a day are counted too, although they come before the key is known.
    [b"a", b"b"].iter().for_each(|address| one.record(&portal(), [*address, b"agent"], now()));
    until(&one, &[], Estimate { online: 2, visitors_today: 2 }).await;
    until(&other, &[b"b", b"c"], Estimate { online: 3, visitors_today: 3 }).await;
    until(&one, &[], Estimate { online: 3, visitors_today: 3 }).await;
    // An old estimate is not returned.
    assert_eq!(one.estimate(&portal(), now() + TimeDelta::seconds(31)), None);
    for task in [syncing, syncing_other] {
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
    }
}

#[tokio::test]
async fn an_unreachable_redis_leaves_no_estimate() {
    let server = Server::start(&[]);
    let store = Arc::new(server.store("truycap"));
    drop(server);
    let visitors = Arc::new(Visitors::new(true));
    let syncing = tokio::spawn(sync(Arc::clone(&visitors), store));
    for address in 0..1000_u32 {
        visitors.record(&portal(), [&address.to_le_bytes(), b"agent"], now());
    }
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(visitors.estimate(&portal(), now()), None);
    syncing.abort();
}

#[tokio::test]
async fn a_hung_redis_keeps_no_addresses_of_many_sites_pending() {
    let server = Server::start(&[]);
    let store = Arc::new(server.store("truycap"));
    store.ping().await.unwrap();
    server.signal("STOP");
    let visitors = Arc::new(Visitors::new(true));
    for number in 0..50 {
        let site = Site { id: site(&format!("portal-{number}")), ..portal() };
        visitors.record(&site, [b"address", b"agent"], now());
    }
    // Only the debug output shows them.
    let pending = || format!("{:?}", visitors).matches("nameless: [[").count();
    assert_eq!(pending(), 50);
    let syncing = tokio::spawn(sync(Arc::clone(&visitors), store));
    let deadline = Instant::now() + Duration::from_secs(15);
    while pending() > 0 {
        assert!(Instant::now() < deadline, "{} are still pending", pending());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    syncing.abort();
    server.signal("CONT");
}
