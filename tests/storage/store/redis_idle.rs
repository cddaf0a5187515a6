//! Producers that are no longer in use cost the others nothing, and their offsets are kept.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use redis::Commands;
use truycap::{
    domain::producer::ProducerId,
    store::{
        Applied, Store,
        redis::{RedisStore, Wait},
    },
};

use super::{
    Clock, MINE, THEIRS, add, count, day, deltas, offset,
    redis_store::{new_prefix, open_by, shared},
    site,
};

/// A store with a fixed clock.
fn on(prefix: &str, clock: Clock) -> RedisStore {
    open_by(&shared().url(), prefix, Wait::default(), clock)
}

fn noon(text: &str) -> DateTime<Utc> {
    format!("{text}T12:00:00Z").parse().unwrap()
}

fn offsets(prefix: &str, key: &str) -> BTreeMap<String, u64> {
    shared().raw().hgetall(format!("{prefix}:{{portal}}:{key}")).unwrap()
}

fn of(producers: &[(ProducerId, u64)]) -> BTreeMap<String, u64> {
    producers.iter().map(|(producer, offset)| (producer.to_string(), *offset)).collect()
}

const ONE: &[(&str, &str, u64)] = &[("total", "", 1), ("total", "/a", 1)];

/// Both producers apply on 1 December, and only MINE on 30 December and 1 January. THEIRS has then been idle for 31 days.
async fn leave_theirs_behind() -> String {
    let (prefix, site) = (new_prefix(), site("portal"));
    let first = on(&prefix, || noon("2098-12-01"));
    add(&first, &site, THEIRS, 0, 5, ONE).await;
    add(&first, &site, MINE, 0, 1, ONE).await;
    add(&on(&prefix, || noon("2098-12-30")), &site, MINE, 1, 2, ONE).await;
    assert_eq!(offsets(&prefix, "offsets"), of(&[(MINE, 2), (THEIRS, 5)]), "29 days are not 30");
    add(&on(&prefix, || noon("2099-01-01")), &site, MINE, 2, 3, ONE).await;
    prefix
}

#[tokio::test]
async fn offsets_of_producers_idle_for_thirty_days_are_moved_aside() {
    let prefix = leave_theirs_behind().await;
    assert_eq!(offsets(&prefix, "offsets"), of(&[(MINE, 3)]));
    assert_eq!(offsets(&prefix, "offsets:idle"), of(&[(THEIRS, 5)]));
    let seen: Vec<String> = shared().raw().zrange(format!("{prefix}:{{portal}}:offsets:seen"), 0, -1).unwrap();
    assert_eq!(seen, [MINE.to_string()]);
}

#[tokio::test]
async fn a_producer_that_returns_after_months_continues_from_its_offset() {
    let (prefix, site) = (leave_theirs_behind().await, site("portal"));
    let store = on(&prefix, || noon("2099-01-01"));
    assert_eq!(offset(&store, &site, THEIRS).await, 5);
    assert_eq!(store.apply(&site, THEIRS, 0, 5, deltas(ONE)).await, Ok(Applied::Refused(5)), "applied views are not counted again");
    add(&store, &site, THEIRS, 5, 6, ONE).await;
    assert_eq!(offsets(&prefix, "offsets"), of(&[(MINE, 3), (THEIRS, 6)]));
    assert_eq!(offsets(&prefix, "offsets:idle"), BTreeMap::new());
    assert_eq!(count(&store, &site, "total", "").await, 5);
}

#[tokio::test]
async fn idle_producers_are_not_in_the_sum_of_the_others() {
    let (prefix, site) = (leave_theirs_behind().await, site("portal"));
    let store = on(&prefix, || noon("2099-01-01"));
    let snapshot = store.figures(&site, MINE, day("2099-01-01"), &[]).await.unwrap();
    assert_eq!((snapshot.offset, snapshot.others), (3, 0));
}

#[tokio::test]
async fn counting_continues_if_the_search_for_idle_producers_fails() {
    let (prefix, site) = (new_prefix(), site("portal"));
    let store = on(&prefix, || noon("2099-01-01"));
    let _: () = shared().raw().set(format!("{prefix}:{{portal}}:offsets:seen"), "text").unwrap();
    add(&store, &site, MINE, 0, 1, ONE).await;
    add(&store, &site, MINE, 1, 2, ONE).await;
    assert_eq!(count(&store, &site, "total", "/a").await, 2);
}
