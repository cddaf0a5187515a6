//! The keys that an operator sees in Redis, and the promises of the Redis store only.

use std::sync::Arc;

use redis::{Connection, FromRedisValue};
use truycap::{
    domain::{article::Section, producer::ProducerId},
    store::{
        Applied, Store, StoreError,
        redis::{Url, advice},
    },
};

use super::{
    Harness, MINE, Redis, THEIRS, add, article, at, bucket, count, day, deltas, export, offset,
    redis_store::{Server, new_prefix, open, shared},
    site, subject,
};

/// Runs a command line as `redis-cli` does.
pub(super) fn cli<T: FromRedisValue>(raw: &mut Connection, line: &str) -> T {
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
    add(harness.store(), &site, MINE, 7, 8, &[("2099-01-02", "/a", 1), ("2099-01-03", "/a", 1)]).await;
    let section = Section::parse("/a").unwrap();
    while harness.store().maintain(&site, std::slice::from_ref(&section)).await.unwrap() {}
    let base = format!("{}:{{portal}}:", harness.prefix);
    let mut keys: Vec<String> = cli(&mut raw, &format!("KEYS {}:*", harness.prefix));
    keys.sort();
    let names = [
        ("articles", "hash"),
        ("lists", "hash"),
        ("offsets", "hash"),
        ("past", "hash"),
        ("sections", "hash"),
        ("site", "hash"),
        ("top:2099-01-01", "zset"),
        ("top:2099-01-01:/a", "zset"),
        ("top:2099-01-02", "zset"),
        ("top:2099-01-02:/a", "zset"),
        ("top:2099-01-03", "zset"),
        ("top:2099-01-03:/a", "zset"),
        ("top:total", "zset"),
        ("top:total:/a", "zset"),
        ("views", "hash"),
    ];
    assert_eq!(keys, names.map(|(name, _)| format!("{base}{name}")));
    for (name, kind) in names {
        assert_eq!(cli::<String>(&mut raw, &format!("TYPE {base}{name}")), kind, "{name}");
        assert_eq!(cli::<i64>(&mut raw, &format!("TTL {base}{name}")), -1, "{name} does not expire");
    }
    let of_producers: Vec<(String, String)> = cli(&mut raw, &format!("HGETALL {base}offsets"));
    assert_eq!(of_producers, [("0".repeat(31) + "1", at(8).to_string())]);
    let mut views: Vec<(String, u64)> = cli(&mut raw, &format!("HGETALL {base}views"));
    views.sort();
    assert_eq!(views, [("2099-01-01".into(), 3), ("2099-W01".into(), 3), ("total".into(), 3)]);
    assert_eq!(cli::<String>(&mut raw, &format!("HGET {base}articles /a")), "2|47119:1,47118:1|||");
    assert_eq!(cli::<String>(&mut raw, &format!("HGET {base}past /a")), "47117:2|||");
    let top: Vec<(String, i64)> = cli(&mut raw, &format!("ZRANGE {base}top:total 0 -1 WITHSCORES"));
    assert_eq!(top, [("/a".into(), -2), ("/b".into(), -1)]);
    assert_eq!(cli::<String>(&mut raw, &format!("HGET {base}site version")), "2");
}

#[tokio::test]
async fn counts_of_other_kinds_are_left_alone() {
    let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
    add(harness.store(), &site, MINE, 0, 1, &[("2099", "", 1)]).await;
    let () = cli(&mut raw, &format!("HSET {}:{{portal}}:views later:2099 4", harness.prefix));
    add(harness.store(), &site, MINE, 1, 2, &[("2099", "", 2)]).await;
    assert_eq!(count(harness.store(), &site, "2099", "").await, 3);
    assert_eq!(export(harness.store(), &site).await.unwrap(), [(bucket("2099"), subject(""), 3)]);
}

#[tokio::test]
async fn a_site_of_another_version_is_refused_by_every_call() {
    for (field, found, other) in [("views", 1, "views"), ("site", 3, "site")] {
        let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
        let (store, base) = (harness.store(), format!("{}:{{portal}}:", harness.prefix));
        let value = if field == "views" { "total 1" } else { "version 3" };
        let () = cli(&mut raw, &format!("HSET {base}{other} {value}"));
        let expected = StoreError::Version { found };
        let text = expected.to_string();
        assert!(text.contains(&format!("version {found}")) && text.contains("version 2"), "{text}");
        assert_eq!(store.apply(&site, MINE, at(0), at(1), deltas(&[("2099", "/a", 1)])).await, Err(expected.clone()));
        assert_eq!(store.figures(&site, &[MINE], day("2099-01-01"), &[article("/a")]).await, Err(expected.clone()));
        assert_eq!(store.offset(&site, MINE).await, Err(expected.clone()));
        assert_eq!(store.top(&site, None, bucket("total"), 1).await, Err(expected.clone()));
        assert_eq!(store.history(&site, &subject(""), &[bucket("total")]).await, Err(expected.clone()));
        assert_eq!(store.history(&site, &subject("/a"), &[bucket("total")]).await, Err(expected.clone()));
        assert_eq!(store.maintain(&site, &[Section::parse("/").unwrap()]).await, Err(expected.clone()));
        assert_eq!(export(store, &site).await, Err(expected));
        assert_eq!(cli::<Vec<String>>(&mut raw, &format!("KEYS {}:*", harness.prefix)), [format!("{base}{other}")]);
    }
}

const ROWS: [(&str, &str, u64); 5] = [("2098", "/a", 1), ("2099", "/a", 1), ("2099", "", 1), ("2099", "/b", 2), ("total", "", 1)];

#[tokio::test]
async fn a_key_of_another_type_is_reported_and_nothing_is_written() {
    for name in ["site", "offsets", "views", "articles", "sections", "lists", "top:2099"] {
        let (harness, other, site, mut raw) = (Redis::start().await, site("other"), site("portal"), shared().raw());
        let (store, key) = (harness.store(), format!("{}:{{portal}}:{name}", harness.prefix));
        let () = cli(&mut raw, &format!("SET {key} text"));
        let answer = store.apply(&site, MINE, at(0), at(1), deltas(&ROWS)).await;
        // A `views` key alone is a site of version 1, and `articles` alone is one without its `site`.
        let reported = if name == "articles" { format!("{}:{{portal}}:site is missing", harness.prefix) } else { key.clone() };
        let named = matches!(&answer, Err(StoreError::Corrupt(text)) if text.contains(&reported));
        assert!(named || name == "views" && answer == Err(StoreError::Version { found: 1 }), "{answer:?}");
        let left: Vec<String> = cli(&mut raw, &format!("KEYS {}:*", harness.prefix));
        assert_eq!(left, std::slice::from_ref(&key));
        add(store, &other, MINE, 0, 1, &ROWS).await;
        let () = cli(&mut raw, &format!("DEL {key}"));
        add(store, &site, MINE, 0, 1, &ROWS).await;
        assert_eq!(export(store, &site).await.unwrap(), export(store, &other).await.unwrap());
    }
}

#[tokio::test]
async fn a_value_that_truycap_did_not_write_is_reported_and_nothing_is_written() {
    let values = [
        ("views", "total", "many"),
        ("views", "total", "1.5"),
        ("views", "total", "-1"),
        ("views", "total", "01"),
        ("views", "total", "9007199254740992"),
        ("site", "revision", "x"),
        ("site", "latest", "yesterday"),
        ("site", "ahead", "1"),
        ("articles", "/a", "many"),
        ("articles", "/a", "1|x|||"),
        ("articles", "/a", "1|||"),
        ("articles", "/a", "9007199254740992||||"),
        ("offsets", "00000000000000000000000000000001", "x"),
    ];
    for (name, field, value) in values {
        let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
        let (store, base) = (harness.store(), format!("{}:{{portal}}:", harness.prefix));
        add(store, &site, MINE, 0, 1, &[("2099-01-01", "/a", 1), ("2099-01-01", "", 1), ("total", "", 1), ("total", "/a", 1)]).await;
        let () = redis::cmd("HSET").arg(format!("{base}{name}")).arg(field).arg(value).query(&mut raw).unwrap();
        let before = dump(&mut raw, &harness.prefix);
        let rows = [("total", "", 1), ("2099-01-01", "/b", 1), ("2099-01-01", "/a", 1), ("total", "/a", 1)];
        let from = if name == "offsets" { at(0) } else { at(1) };
        let answer = store.apply(&site, MINE, from, at(2), deltas(&rows)).await;
        assert!(matches!(&answer, Err(StoreError::Corrupt(why)) if why.contains(&format!("{base}{name}"))), "{name} {value}: {answer:?}");
        if name == "articles" {
            assert!(answer.unwrap_err().to_string().contains("\"/a\""));
        }
        assert_eq!(dump(&mut raw, &harness.prefix), before, "{name} {value}");
    }
}

#[tokio::test]
async fn a_key_that_was_deleted_is_reported_and_nothing_is_counted_again() {
    for name in ["site", "offsets"] {
        let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
        let (store, key) = (harness.store(), format!("{}:{{portal}}:{name}", harness.prefix));
        let rows = [("total", "", 2), ("total", "/a", 2)];
        add(store, &site, MINE, 0, 1, &rows).await;
        let () = cli(&mut raw, &format!("DEL {key}"));
        let before = dump(&mut raw, &harness.prefix);
        for from in [at(0), at(1)] {
            let answer = store.apply(&site, MINE, from, at(2), deltas(&rows)).await;
            assert!(matches!(&answer, Err(StoreError::Corrupt(why)) if why.contains(&format!("{key} is missing"))), "{answer:?}");
        }
        assert_eq!(dump(&mut raw, &harness.prefix), before, "{name}");
    }
}

/// All hashes and sorted sets.
pub(super) fn dump(raw: &mut Connection, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let mut keys: Vec<String> = cli(raw, &format!("KEYS {prefix}:*"));
    keys.sort();
    keys.into_iter().map(|key| (key.clone(), cli(raw, &format!("DUMP {key}")))).collect()
}

#[tokio::test]
async fn damage_is_never_returned() {
    let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
    let (store, base) = (harness.store(), format!("{}:{{portal}}:", harness.prefix));
    let is_damage =
        |answer: StoreError, name: &str| assert!(matches!(&answer, StoreError::Corrupt(why) if why.contains(name)), "{answer:?}");
    add(store, &site, MINE, 0, 1, &[("total", "/a", 1)]).await;
    let () = cli(&mut raw, &format!("HSET {base}views total 9007199254740992"));
    is_damage(store.figures(&site, &[MINE], day("2099-01-01"), &[]).await.unwrap_err(), "views");
    is_damage(store.history(&site, &subject(""), &[bucket("total")]).await.unwrap_err(), "views");
    is_damage(export(store, &site).await.unwrap_err(), "views");
    let () = cli(&mut raw, &format!("HDEL {base}views total"));
    let () = cli(&mut raw, &format!("HSET {base}articles /a 1|||"));
    is_damage(store.figures(&site, &[MINE], day("2099-01-01"), &[article("/a")]).await.unwrap_err(), "articles");
    is_damage(store.history(&site, &subject("/a"), &[bucket("total")]).await.unwrap_err(), "articles");
    is_damage(export(store, &site).await.unwrap_err(), "articles");
    let () = cli(&mut raw, &format!("ZADD {base}top:total 1 /x"));
    is_damage(store.top(&site, None, bucket("total"), 2).await.unwrap_err(), "top:total");
}

#[tokio::test]
async fn scripts_that_redis_forgot_are_sent_again() {
    let server = Server::start(&[]);
    let (store, site, mut raw) = (server.store("p"), site("portal"), server.raw());
    for seq in 0..3 {
        let () = cli(&mut raw, "SCRIPT FLUSH");
        add(&store, &site, MINE, seq, seq + 1, &[("total", "/a", 1)]).await;
        let () = cli(&mut raw, "SCRIPT FLUSH");
        assert_eq!(store.top(&site, None, bucket("total"), 1).await.unwrap().articles, [(article("/a"), seq + 1)]);
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
    for command in ["zadd", "zremrangebyrank", "hdel", "hset"] {
        let () = cli(&mut raw, &format!("ACL SETUSER half on >hunter2 ~* +@all -{command}"));
        let store = open(&format!("{}?user=half&pass=hunter2", server.url()), "p");
        let answer = store.apply(&site, MINE, at(0), at(1), deltas(&[("2099", "", 1), ("2099", "/a", 1)])).await;
        assert!(matches!(&answer, Err(StoreError::NotApplied(why)) if why.contains("may not")), "{answer:?}");
        assert_eq!(cli::<u64>(&mut raw, "DBSIZE"), 0, "{command}");
        let () = cli(&mut raw, "ACL DELUSER half");
    }
}

/// Before Redis 7, scripts find out by these writes what they may do. One with a wrong number of arguments does not show that,
/// and one that is valid would write.
#[tokio::test]
async fn the_writes_that_check_rights_are_refused_for_their_values_or_change_nothing() {
    let server = Server::start(&[]);
    let mut raw = server.raw();
    let of_scripts = [
        include_str!("../../../src/store/redis/apply.lua"),
        include_str!("../../../src/store/redis/correct.lua"),
        include_str!("../../../src/store/redis/maintain.lua"),
    ];
    let lists = of_scripts.map(|script| script.split_once("check_rights({").unwrap().1.split_once("})").unwrap().0);
    let writes: Vec<Vec<String>> = lists
        .iter()
        .flat_map(|list| list.split('{').skip(1))
        .map(|write| write.split('}').next().unwrap().split(", ").map(|word| word.trim_matches('\'').to_owned()).collect())
        .collect();
    assert!(writes.len() >= 34, "{writes:?}");
    for write in writes {
        let (name, count) = (&write[0], i64::try_from(write.len()).unwrap());
        let ((_, arity),): ((String, i64),) = redis::cmd("EVAL")
            .arg("local info = redis.call('COMMAND', 'INFO', ARGV[1])[1] return {{info[1], info[2]}}")
            .arg(0)
            .arg(name)
            .query(&mut raw)
            .unwrap();
        assert!(arity == count || (arity < 0 && count >= -arity), "{write:?} has {count} words, and {name} takes {arity}");
        let _: Result<(), _> = redis::cmd(name).arg(&write[1..]).query(&mut raw);
        assert_eq!(cli::<u64>(&mut raw, "DBSIZE"), 0, "{write:?}");
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
    let top = harness.store().top(&site, None, bucket("total"), 5).await.unwrap().articles;
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
    // The damaged article is in the last step.
    let () = cli(&mut shared().raw(), &format!("HSET {}:{{portal}}:articles /2499 x", harness.prefix));
    let answer = harness.store().apply(&site, MINE, at(2), at(3), deltas(&rows(1))).await;
    assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}");
    let () = cli(&mut shared().raw(), &format!("HSET {}:{{portal}}:articles /2499 7||||", harness.prefix));
    assert_eq!(views().await, vec![7; 2500]);
}

#[tokio::test]
async fn a_closed_store_refuses_applies() {
    let (harness, site) = (Redis::start().await, site("portal"));
    add(harness.store(), &site, MINE, 0, 1, &[("total", "", 1)]).await;
    harness.store().close().await;
    let answer = harness.store().apply(&site, MINE, at(1), at(2), deltas(&[("total", "", 1)])).await;
    assert!(matches!(answer, Err(StoreError::NotApplied(_))), "{answer:?}");
    assert_eq!(shared().store(&harness.prefix).apply(&site, MINE, at(0), at(1), deltas(&[])).await, Ok(Applied::Refused(at(1))));
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
