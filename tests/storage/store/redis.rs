//! The keys that an operator sees in Redis, and the promises of the Redis store only.

use std::sync::Arc;

use redis::{Connection, FromRedisValue};
use truycap::{
    domain::{MAX_COUNT, producer::ProducerId, retention::Retention},
    store::{
        Applied, Store, StoreError,
        redis::{Url, advice},
    },
};

use super::{
    Harness, MINE, Redis, THEIRS, add, article, bucket, count, day, deltas, export, offset,
    redis_store::{Server, new_prefix, open, shared},
    site,
};

/// Runs a command line as `redis-cli` does.
fn cli<T: FromRedisValue>(raw: &mut Connection, line: &str) -> T {
    let mut words = line.split(' ');
    let mut cmd = redis::cmd(words.next().unwrap());
    cmd.arg(words.collect::<Vec<_>>());
    cmd.query(raw).unwrap()
}

#[tokio::test]
async fn keys_and_types_are_as_documented() {
    let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
    let rows =
        [("2099-01-01", "", 3), ("2099-W01", "", 3), ("total", "", 3), ("2099-01-01", "/a", 2), ("total", "/a", 2), ("total", "/b", 1)];
    add(harness.store(), &site, MINE, 0, 7, &rows).await;
    let base = format!("{}:{{portal}}:", harness.prefix);
    let mut keys: Vec<String> = cli(&mut raw, &format!("KEYS {}:*", harness.prefix));
    keys.sort();
    let expected = ["articles:2099-01-01", "articles:total", "offsets", "offsets:seen", "views"].map(|name| format!("{base}{name}"));
    assert_eq!(keys, expected);
    let types: Vec<String> = expected.iter().map(|key| cli(&mut raw, &format!("TYPE {key}"))).collect();
    assert_eq!(types, ["zset", "zset", "hash", "zset", "hash"]);
    let of_producers: Vec<(String, String)> = cli(&mut raw, &format!("HGETALL {base}offsets"));
    assert_eq!(of_producers, [("0".repeat(31) + "1", "7".into())]);
    let mut views: Vec<(String, u64)> = cli(&mut raw, &format!("HGETALL {base}views"));
    views.sort();
    assert_eq!(views, [("2099-01-01".into(), 3), ("2099-W01".into(), 3), ("total".into(), 3)]);
    let top: Vec<(String, u64)> = cli(&mut raw, &format!("ZREVRANGE {base}articles:total 0 -1 WITHSCORES"));
    assert_eq!(top, [("/a".into(), 2), ("/b".into(), 1)]);
}

#[tokio::test]
async fn only_article_buckets_expire_and_at_a_fixed_instant() {
    let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
    let names = ["2099-01-01", "2099-W01", "2099-01", "2099"];
    let rows: Vec<_> = names.iter().chain(&["total"]).flat_map(|name| [(*name, "", 1), (*name, "/a", 1)]).collect();
    for seq in 0..2 {
        add(harness.store(), &site, MINE, seq, seq + 1, &rows).await;
    }
    let mut expiry = |name: &str| -> i64 { cli(&mut raw, &format!("EXPIRETIME {}:{{portal}}:{name}", harness.prefix)) };
    assert_eq!(expiry("articles:2099-01-01"), "2099-02-12T00:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp());
    for name in names {
        let gone = Retention::default().expiry(bucket(name)).unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
        assert_eq!(expiry(&format!("articles:{name}")), gone.timestamp(), "{name}");
    }
    for name in ["articles:total", "views", "offsets"] {
        assert_eq!(expiry(name), -1, "{name}");
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_reported_and_nothing_is_written() {
    let rows = [("2098", "/a", 1), ("2099", "/a", 1), ("2099", "", 1), ("2099", "/b", 2), ("total", "", 1)];
    for name in ["offsets", "views", "articles:2098", "articles:2099"] {
        let (harness, other, site, mut raw) = (Redis::start().await, site("other"), site("portal"), shared().raw());
        let (store, key) = (harness.store(), format!("{}:{{portal}}:{name}", harness.prefix));
        let () = cli(&mut raw, &format!("SET {key} text"));
        let answer = store.apply(&site, MINE, 0, 1, deltas(&rows)).await;
        assert!(matches!(&answer, Err(StoreError::Corrupt(text)) if text.contains(&key)), "{answer:?}");
        let left: Vec<String> = cli(&mut raw, &format!("KEYS {}:*", harness.prefix));
        assert_eq!(left, std::slice::from_ref(&key));
        let read = store.figures(&site, MINE, day("2099-01-01"), &[article("/a")]).await;
        assert!(matches!(&read, Err(StoreError::Corrupt(text)) if text.contains(&key)), "{read:?}");
        add(store, &other, MINE, 0, 1, &rows).await;
        let () = cli(&mut raw, &format!("DEL {key}"));
        add(store, &site, MINE, 0, 1, &rows).await;
        assert_eq!(export(store, &site).await.unwrap(), export(store, &other).await.unwrap());
    }
}

#[tokio::test]
async fn an_invalid_count_is_reported_and_nothing_is_written() {
    for text in ["many", "1.5", "-1", "01", "+1", "", "1e3"] {
        let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
        let (store, key) = (harness.store(), format!("{}:{{portal}}:views", harness.prefix));
        let () = redis::cmd("HSET").arg(&key).arg("total").arg(text).query(&mut raw).unwrap();
        let answer = store.apply(&site, MINE, 0, 1, deltas(&[("2099", "", 1), ("2099", "/a", 1), ("total", "", 1)])).await;
        assert!(matches!(&answer, Err(StoreError::Corrupt(why)) if why.contains(&key)), "{text}: {answer:?}");
        let left: Vec<String> = cli(&mut raw, &format!("KEYS {}:*", harness.prefix));
        assert_eq!((left, cli::<u64>(&mut raw, &format!("HLEN {key}"))), (vec![key], 1));
    }
}

#[tokio::test]
async fn a_count_over_the_maximum_is_damage_and_never_returned() {
    for views in ["9007199254740992", "18446744073709551615"] {
        let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
        let (store, base) = (harness.store(), format!("{}:{{portal}}:", harness.prefix));
        let is_damage =
            |answer: StoreError, name: &str| assert!(matches!(&answer, StoreError::Corrupt(why) if why.contains(name)), "{answer:?}");
        let () = cli(&mut raw, &format!("HSET {base}views total {views}"));
        is_damage(store.figures(&site, MINE, day("2099-01-01"), &[]).await.unwrap_err(), "views");
        is_damage(store.history(&site, None, &[bucket("total")]).await.unwrap_err(), "views");
        is_damage(export(store, &site).await.unwrap_err(), "views");
        let () = cli(&mut raw, &format!("DEL {base}views"));
        let () = cli(&mut raw, &format!("ZADD {base}articles:total {views} /a"));
        is_damage(store.figures(&site, MINE, day("2099-01-01"), &[article("/a")]).await.unwrap_err(), "articles");
        is_damage(store.history(&site, Some(&article("/a")), &[bucket("total")]).await.unwrap_err(), "articles");
        is_damage(store.top(&site, bucket("total"), 1).await.unwrap_err(), "articles");
        is_damage(export(store, &site).await.unwrap_err(), "articles");
    }
}

#[tokio::test]
async fn an_invalid_offset_is_damage() {
    let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
    for (whose, offset) in [(MINE, "x"), (THEIRS, "x"), (THEIRS, "99999999999999999999")] {
        let () = cli(&mut raw, &format!("HSET {}:{{portal}}:offsets {whose} {offset}", harness.prefix));
        let answer = harness.store().apply(&site, MINE, 0, 1, deltas(&[("total", "", 1)])).await;
        assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
        let () = cli(&mut raw, &format!("HDEL {}:{{portal}}:offsets {whose}", harness.prefix));
        assert_eq!(count(harness.store(), &site, "total", "").await, 0);
    }
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again() {
    let server = Server::start(&[]);
    let (store, site, mut raw) = (server.store("p"), site("portal"), server.raw());
    for seq in 0..3 {
        let () = cli(&mut raw, "SCRIPT FLUSH");
        add(&store, &site, MINE, seq, seq + 1, &[("total", "/a", 1)]).await;
        let () = cli(&mut raw, "SCRIPT FLUSH");
        assert_eq!(store.top(&site, bucket("total"), 1).await.unwrap(), [(article("/a"), seq + 1)]);
    }
    // A script that Redis knows is called by its digest and not sent again.
    add(&store, &site, MINE, 3, 4, &[("total", "/a", 1)]).await;
    let before: String = cli(&mut raw, "INFO commandstats");
    add(&store, &site, MINE, 4, 5, &[("total", "/a", 1)]).await;
    let after: String = cli(&mut raw, "INFO commandstats");
    let evals = |info: &str| info.lines().find_map(|line| line.strip_prefix("cmdstat_eval:calls=")?.split(',').next()?.parse::<u32>().ok());
    assert_eq!(evals(&before), evals(&after));
}

#[tokio::test]
async fn an_apply_without_all_the_rights_it_needs_changes_nothing() {
    let server = Server::start(&[]);
    let (site, mut raw) = (site("portal"), server.raw());
    for command in ["hincrby", "zmscore", "zadd", "expireat", "hdel", "hset"] {
        let () = cli(&mut raw, &format!("ACL SETUSER half on >hunter2 ~* +@all -{command}"));
        let store = open(&format!("{}?user=half&pass=hunter2", server.url()), "p");
        let answer = store.apply(&site, MINE, 0, 1, deltas(&[("2099", "", 1), ("2099", "/a", 1)])).await;
        assert!(matches!(&answer, Err(StoreError::NotApplied(why)) if why.contains("may not")), "{answer:?}");
        assert_eq!(cli::<u64>(&mut raw, "DBSIZE"), 0, "{command}");
        let () = cli(&mut raw, "ACL DELUSER half");
    }
}

#[tokio::test]
async fn a_database_and_a_prefix_are_used() {
    let (prefix, site, mut raw) = (new_prefix(), site("portal"), shared().raw());
    let store = open(&format!("{}?db=3", shared().url()), &prefix);
    add(&store, &site, MINE, 0, 1, &[("total", "", 1)]).await;
    let key = format!("{prefix}:{{portal}}:views");
    assert_eq!(cli::<u64>(&mut raw, &format!("EXISTS {key}")), 0);
    let () = cli(&mut raw, "SELECT 3");
    assert_eq!(cli::<u64>(&mut raw, &format!("EXISTS {key}")), 1);
}

#[tokio::test]
async fn top_breaks_ties_at_the_limit_by_id() {
    let (harness, site) = (Redis::start().await, site("portal"));
    let names: Vec<_> = (10..40).map(|i| format!("/{i}")).collect();
    let mut rows: Vec<_> = names.iter().map(|name| ("total", name.as_str(), 5)).collect();
    rows.extend([("total", "/x", 9), ("total", "/y", 8), ("total", "/0", 1)]);
    add(harness.store(), &site, MINE, 0, 1, &rows).await;
    let top = harness.store().top(&site, bucket("total"), 5).await.unwrap();
    let expected = [("/x", 9), ("/y", 8), ("/10", 5), ("/11", 5), ("/12", 5)];
    assert_eq!(top, expected.map(|(id, views)| (article(id), views)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_that_share_a_server_lose_nothing() {
    const ROUNDS: u64 = 100;
    let (prefix, site) = (new_prefix(), site("portal"));
    let mut tasks = tokio::task::JoinSet::new();
    for producer in 1..3 {
        let (store, site) = (Arc::new(shared().store(&prefix)), site.clone());
        tasks.spawn(async move {
            for seq in 0..ROUNDS {
                add(&*store, &site, ProducerId(producer), seq, seq + 1, &[("total", "", 1), ("total", "/a", 1)]).await;
            }
        });
    }
    tasks.join_all().await;
    let store = shared().store(&prefix);
    assert_eq!(count(&store, &site, "total", "").await, 2 * ROUNDS);
    assert_eq!(count(&store, &site, "total", "/a").await, 2 * ROUNDS);
    assert_eq!((offset(&store, &site, MINE).await, offset(&store, &site, THEIRS).await), (ROUNDS, ROUNDS));
}

#[tokio::test]
async fn an_export_that_takes_many_steps_is_complete() {
    let (harness, site) = (Redis::start().await, site("portal"));
    let names: Vec<_> = (0..5000).map(|i| format!("/{i}")).collect();
    let rows: Vec<_> = (1..).zip(&names).map(|(views, name)| ("total", name.as_str(), views)).collect();
    add(harness.store(), &site, MINE, 0, 1, &rows).await;
    let exported = export(harness.store(), &site).await.unwrap();
    assert!(exported.is_sorted());
    assert_eq!((exported.len(), exported.iter().map(|row| row.2).sum::<u64>()), (5000, 5000 * 5001 / 2));
}

#[tokio::test]
async fn an_apply_of_more_articles_than_one_script_step_is_all_or_nothing() {
    let (harness, site) = (Redis::start().await, site("portal"));
    let names: Vec<_> = (0..2500).map(|i| format!("/{i:04}")).collect();
    let rows = |views| names.iter().map(|name| ("total", name.as_str(), views)).collect::<Vec<_>>();
    add(harness.store(), &site, MINE, 0, 1, &rows(3)).await;
    add(harness.store(), &site, MINE, 1, 2, &rows(4)).await;
    let views = async || export(harness.store(), &site).await.unwrap().iter().map(|row| row.2).collect::<Vec<_>>();
    assert_eq!(views().await, vec![7; 2500]);
    // The article that exceeds the maximum is in the last step.
    let mut much = rows(1);
    much[2499].2 = MAX_COUNT;
    let answer = harness.store().apply(&site, MINE, 2, 3, deltas(&much)).await;
    assert!(matches!(answer, Err(StoreError::TooMany { .. })), "{answer:?}");
    assert_eq!(views().await, vec![7; 2500]);
}

#[tokio::test]
async fn a_closed_store_refuses_applies() {
    let (harness, site) = (Redis::start().await, site("portal"));
    add(harness.store(), &site, MINE, 0, 1, &[("total", "", 1)]).await;
    harness.store().close().await;
    let answer = harness.store().apply(&site, MINE, 1, 2, deltas(&[("total", "", 1)])).await;
    assert!(matches!(answer, Err(StoreError::NotApplied(_))), "{answer:?}");
    assert_eq!(shared().store(&harness.prefix).apply(&site, MINE, 0, 1, deltas(&[])).await, Ok(Applied::Refused(1)));
}

#[tokio::test]
async fn a_server_that_can_lose_counters_gets_advice() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru", "--appendfsync", "no"]);
    let (store, mut raw) = (server.store("p"), server.raw());
    let advice = store.advice().await.unwrap();
    assert_eq!(advice.len(), 3, "{advice:#?}");
    for (sentence, setting) in advice.iter().zip(["maxmemory-policy to noeviction", "appendonly to yes", "appendfsync to everysec"]) {
        assert!(sentence.contains(setting), "{sentence}");
    }
    for line in ["CONFIG SET maxmemory-policy noeviction", "CONFIG SET appendonly yes", "CONFIG SET appendfsync everysec"] {
        let () = cli(&mut raw, line);
    }
    assert_eq!(store.advice().await.unwrap(), [""; 0]);
}

#[test]
fn versions_before_6_2_are_too_old() {
    for (version, old) in [("5.0.14", true), ("6.0.20", true), ("6.2.0", false), ("7.0.15", false), ("8.2.1", false), ("10.0.0", false)] {
        assert_eq!(advice(&format!("# Server\r\nredis_version:{version}\r\n"), None).len(), usize::from(old), "{version}");
    }
}

#[test]
fn a_url_shows_neither_user_nor_password() {
    for (text, shown) in [
        ("redis://joe:hunter2@host", "redis://host:6379/0"),
        ("rediss://:hunter2@host:7000/5", "rediss://host:7000/5"),
        ("redis://joe:hunter2@[::1]:7000", "redis://[::1]:7000/0"),
        ("redis+unix:///run/redis.sock?db=2&user=joe&pass=hunter2", "redis+unix:///run/redis.sock?db=2"),
    ] {
        let url: Url = text.parse().unwrap();
        assert_eq!((url.to_string(), format!("{url:?}")), (shown.into(), format!("Url({shown})")));
    }
}
