//! What corrections keep in Redis, and when they change nothing.

use std::sync::Arc;

use chrono::DateTime;
use truycap::{
    domain::{
        MAX_COUNT,
        correction::{Change, CorrectionKind, KEPT_CHANGES, Note},
        counts::{Kind, Subject},
        producer::{ProducerId, Seq},
        site::SiteId,
    },
    store::{Corrected, LIST_LEAST, Step, Store, StoreError, redis::RedisStore},
};

use super::{
    Harness, MINE, Redis, THEIRS, add, article, at, bucket, count, export, maintain,
    redis::{cli, dump},
    redis_store::{Server, open, shared},
    site, top,
};

fn note(undoes: Option<u64>) -> Note {
    let at = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    Note { at, kind: CorrectionKind::Adjust, what: "tệp".into(), reason: String::new(), undoes }
}

fn change(id: &str, name: &str, views: i64) -> Change {
    let subject = if id.is_empty() { Subject::Site } else { Subject::Article(article(id)) };
    Change { subject, buckets: [bucket(name)].into_iter().collect(), views }
}

async fn correct(
    store: &RedisStore,
    site: &SiteId,
    producer: ProducerId,
    from: Seq,
    changes: Vec<Change>,
) -> Result<Corrected, StoreError> {
    store.correct(site, Arc::new(Step { producer, from: at(from), to: at(from + 1), changes, note: note(None) })).await
}

/// A step that must be made. Returns the number of the correction.
async fn made(store: &RedisStore, site: &SiteId, producer: ProducerId, from: Seq, changes: Vec<Change>) -> u64 {
    match correct(store, site, producer, from, changes).await {
        Ok(Corrected::Done { number, .. }) => number,
        answer => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn the_keys_of_corrections_are_as_documented() {
    let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
    let (store, base) = (harness.store(), format!("{}:{{portal}}:", harness.prefix));
    let bot = Change { subject: Subject::Kind(Kind::Bot), ..change("", "2099", 4) };
    made(store, &site, MINE, 0, vec![change("", "total", 3), change("/a", "total", 2), bot]).await;
    made(store, &site, MINE, 1, vec![change("", "total", -3), change("/a", "total", -2)]).await;
    let undo = Step { producer: THEIRS, from: at(0), to: at(1), changes: vec![], note: note(Some(1)) };
    assert!(matches!(store.correct(&site, Arc::new(undo)).await, Ok(Corrected::Done { number: 2, .. })));
    let mut keys: Vec<String> = cli(&mut raw, &format!("KEYS {}:*", harness.prefix));
    keys.sort();
    assert_eq!(keys, ["audit", "changes", "lists", "offsets", "site", "views"].map(|name| format!("{base}{name}")));
    let [mine, theirs] = [MINE, THEIRS].map(|producer| producer.to_string());
    let mut audit: Vec<(String, String)> = cli(&mut raw, &format!("HGETALL {base}audit"));
    audit.sort();
    let kept = |undoes: &str| format!(r#"{{"at":"2023-11-14T22:13:20Z","kind":"adjust","what":"tệp"{undoes}}}"#);
    let expected = [
        (mine.clone(), "1".into()),
        (theirs.clone(), "2".into()),
        ("1".into(), format!("{mine} 2 0 0 0 0 2")),
        ("1:note".into(), kept("")),
        ("2".into(), format!("{theirs} 1 0 0 0 0 0")),
        ("2:note".into(), kept(r#","undoes":1"#)),
        ("last".into(), "2".into()),
    ];
    assert_eq!(audit, expected);
    let mut steps: Vec<String> = cli(&mut raw, &format!("HKEYS {base}changes"));
    steps.sort();
    assert_eq!(steps, ["1:1", "1:2", "2:1"]);
    assert_eq!(cli::<Vec<(String, u64)>>(&mut raw, &format!("HGETALL {base}views")), [("bot:2099".into(), 4)]);
}

#[tokio::test]
async fn a_correction_reports_a_key_of_another_type_and_writes_nothing() {
    let changes = || vec![change("", "2099", 1), change("/a", "2099", 1)];
    for name in ["site", "offsets", "views", "articles", "past", "sections", "lists", "top:2099", "audit", "changes"] {
        let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
        let (store, base) = (harness.store(), format!("{}:{{portal}}:", harness.prefix));
        add(store, &site, MINE, 0, 1, &[("2099", "", 5), ("2099", "/a", 5)]).await;
        made(store, &site, THEIRS, 0, changes()).await;
        let key = format!("{base}{name}");
        let () = cli(&mut raw, &format!("DEL {key}"));
        let () = cli(&mut raw, &format!("SET {key} text"));
        let before = dump(&mut raw, &harness.prefix);
        for (producer, from) in [(THEIRS, 1), (ProducerId(3), 0)] {
            let answer = correct(store, &site, producer, from, changes()).await;
            assert!(matches!(&answer, Err(StoreError::Corrupt(why)) if why.contains(&key)), "{name}: {answer:?}");
        }
        assert_eq!(dump(&mut raw, &harness.prefix), before, "{name}");
    }
}

#[tokio::test]
async fn a_correction_reports_a_value_that_truycap_did_not_write_and_writes_nothing() {
    let mine = MINE.to_string();
    let values = [
        ("views", "2099", "many"),
        ("views", "2099", "9007199254740992"),
        ("articles", "/a", "many"),
        ("articles", "/a", "9007199254740992||||"),
        ("articles", "/a", "5||||129:x"),
        ("articles", "/a", "5||||128:1,129:5"),
        ("articles", "/a", "5||||129:9007199254740992"),
        ("articles", "/a", "5||||129:5,128:1,127:1"),
        ("past", "/a", "many"),
        ("audit", "last", "many"),
        ("audit", "kept", "1"),
        ("audit", "1", "x"),
        ("audit", mine.as_str(), "x"),
        ("audit", mine.as_str(), "7"),
        ("site", "revision", "x"),
    ];
    for (name, field, value) in values {
        let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
        let (store, base) = (harness.store(), format!("{}:{{portal}}:", harness.prefix));
        made(store, &site, MINE, 0, vec![change("", "2099", 5), change("/a", "2099", 5), change("/a", "total", 5)]).await;
        let () = redis::cmd("HSET").arg(format!("{base}{name}")).arg(field).arg(value).query(&mut raw).unwrap();
        let before = dump(&mut raw, &harness.prefix);
        let answer = correct(store, &site, MINE, 1, vec![change("", "2099", 1), change("/b", "2099", 1), change("/a", "2099", -5)]).await;
        assert!(matches!(&answer, Err(StoreError::Corrupt(why)) if why.contains(&format!("{base}{name}"))), "{name} {value}: {answer:?}");
        if matches!(name, "articles" | "past") {
            assert!(answer.unwrap_err().to_string().contains("\"/a\""));
        }
        assert_eq!(dump(&mut raw, &harness.prefix), before, "{name} {value}");
        if name == "audit" && field != "kept" && value == "x" || field == "last" {
            let answer = store.audit(&site, 0).await;
            assert!(field == mine || matches!(answer, Err(StoreError::Corrupt(_))), "{field} {value}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_correction_reports_a_missing_key_and_another_version() {
    for name in ["site", "offsets", "audit"] {
        let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
        let (store, key) = (harness.store(), format!("{}:{{portal}}:{name}", harness.prefix));
        made(store, &site, MINE, 0, vec![change("/a", "total", 2)]).await;
        let () = cli(&mut raw, &format!("DEL {key}"));
        let before = dump(&mut raw, &harness.prefix);
        let answer = correct(store, &site, THEIRS, 0, vec![change("/a", "total", 2)]).await;
        assert!(matches!(&answer, Err(StoreError::Corrupt(why)) if why.contains(&format!("{key} is missing"))), "{answer:?}");
        assert_eq!(dump(&mut raw, &harness.prefix), before, "{name}");
    }
    let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
    let () = cli(&mut raw, &format!("HSET {}:{{portal}}:site version 3", harness.prefix));
    let (store, expected) = (harness.store(), StoreError::Version { found: 3 });
    assert_eq!(correct(store, &site, MINE, 0, vec![]).await, Err(expected.clone()));
    assert_eq!(store.audit(&site, 0).await, Err(expected.clone()));
    assert_eq!(store.changes(&site, 1, 1).await, Err(expected.clone()));
    assert_eq!(store.counts(&site, &Subject::Site).await, Err(expected.clone()));
    assert_eq!(store.counts(&site, &Subject::Article(article("/a"))).await, Err(expected));
}

#[tokio::test]
async fn a_correction_without_all_the_rights_or_the_memory_that_it_needs_changes_nothing() {
    let server = Server::start(&[]);
    let (site, mut raw) = (site("portal"), server.raw());
    made(&server.store("p"), &site, MINE, 0, vec![change("", "2099", 5), change("/a", "2099", 5)]).await;
    let before = dump(&mut raw, "p");
    // Everything that it writes are deletions, which Redis allows without memory.
    let changes = || vec![change("", "2099", -5), change("/a", "2099", -5)];
    for command in ["zadd", "zrem", "zremrangebyrank", "hdel", "hset"] {
        let () = cli(&mut raw, &format!("ACL SETUSER half on >hunter2 ~* +@all -{command}"));
        let store = open(&format!("{}?user=half&pass=hunter2", server.url()), "p");
        let answer = correct(&store, &site, MINE, 1, changes()).await;
        assert!(matches!(&answer, Err(StoreError::NotApplied(why)) if why.contains("may not")), "{answer:?}");
        assert_eq!(dump(&mut raw, "p"), before, "{command}");
        let () = cli(&mut raw, "ACL DELUSER half");
    }
    let () = cli(&mut raw, "CONFIG SET maxmemory 1");
    let answer = correct(&server.store("p"), &site, MINE, 1, changes()).await;
    assert!(matches!(&answer, Err(StoreError::NotApplied(why)) if why.contains("memory")), "{answer:?}");
    let () = cli(&mut raw, "CONFIG SET maxmemory 0");
    assert_eq!(dump(&mut raw, "p"), before);
    made(&server.store("p"), &site, MINE, 1, changes()).await;
    let keys: Vec<String> = cli(&mut raw, "KEYS *");
    assert!(!keys.iter().any(|key| key.ends_with(":views") || key.ends_with(":articles") || key.contains(":top:")), "{keys:?}");
}

#[tokio::test]
async fn old_changes_are_deleted_some_at_a_time() {
    const STEPS: u64 = 2500;
    let (harness, site, mut raw) = (Redis::start().await, site("portal"), shared().raw());
    let (store, base) = (harness.store(), format!("{}:{{portal}}:", harness.prefix));
    // As many steps as a large import has.
    made(store, &site, MINE, 0, vec![change("", "total", 1)]).await;
    let mut copies = redis::cmd("EVAL");
    let script = "for step = 2, ARGV[1] do redis.call('HSET', KEYS[1], '1:' .. step, redis.call('HGET', KEYS[1], '1:1')) end
        redis.call('HSET', KEYS[2], '1', ARGV[2] .. ' ' .. ARGV[1] .. ' 0 1 0 0 0')";
    copies.arg(script).arg(2).arg(format!("{base}changes")).arg(format!("{base}audit")).arg(STEPS).arg(MINE.to_string());
    let () = copies.query(&mut raw).unwrap();
    let mut kept = async || cli::<u64>(&mut raw, &format!("HLEN {base}changes"));
    for number in 2..=KEPT_CHANGES {
        made(store, &site, ProducerId(number.into()), 0, vec![change("", "total", 1)]).await;
        assert_eq!(kept().await, STEPS + number - 1);
    }
    let more = |number: u64| made(store, &site, ProducerId((KEPT_CHANGES + number).into()), 0, vec![change("", "total", 1)]);
    assert!(store.changes(&site, 1, STEPS).await.unwrap().is_some());
    for (number, left) in [(1, 1500), (2, 500), (3, 0), (4, 0)] {
        more(number).await;
        // They are gone for readers at once.
        assert_eq!(store.changes(&site, 1, STEPS).await, Ok(None));
        let of_others = if number < 3 { KEPT_CHANGES - 1 + number } else { KEPT_CHANGES + 2 };
        assert_eq!(kept().await, left + of_others.min(KEPT_CHANGES - 1 + number), "{number}");
    }
    // A step of an old correction keeps no changes.
    assert_eq!(made(store, &site, MINE, 1, vec![change("", "total", 1)]).await, 1);
    assert_eq!(store.changes(&site, 1, STEPS + 1).await, Ok(None));
    assert_eq!(store.audit(&site, 0).await.unwrap()[0].steps, STEPS + 1);
    assert_eq!(cli::<u64>(&mut raw, &format!("HEXISTS {base}changes 1:{}", STEPS + 1)), 0);
}

#[tokio::test]
async fn sums_of_the_audit_list_are_exact() {
    let (harness, site) = (Redis::start().await, site("portal"));
    let (store, most) = (harness.store(), MAX_COUNT.cast_signed());
    let mut expected = (0_i64, 0_i64);
    for (seq, views) in (0..).zip([most, most, 1, -most, most - 1, -3, most, most]) {
        made(store, &site, MINE, seq, vec![change("", "total", views), change("/a", "total", views)]).await;
        expected = (expected.0 + views, expected.1 + views);
        let entry = store.audit(&site, 0).await.unwrap().remove(0);
        assert_eq!((entry.site_views, entry.article_views), expected);
    }
    assert_eq!(count(store, &site, "total", "/a").await, MAX_COUNT);
    let answer = correct(store, &site, MINE, 8, vec![change("/a", "total", -most), change("/a", "total", -1)]).await.unwrap();
    assert!(matches!(answer, Corrected::BelowZero(below) if below.has == 0 && below.subject == Subject::Article(article("/a"))));
    let answer = correct(store, &site, MINE, 8, vec![change("/a", "total", -most - 1)]).await.unwrap();
    assert!(matches!(answer, Corrected::BelowZero(below) if below.has == MAX_COUNT), "a number above 1e14");
}

/// The mark must outlast views that come before the list is filled.
#[tokio::test]
async fn a_list_that_lost_all_its_articles_is_filled() {
    let (harness, site) = (Redis::start().await, site("portal"));
    let store = harness.store();
    let names: Vec<_> = (0..2 * LIST_LEAST).map(|number| format!("/{number:03}")).collect();
    let rows: Vec<_> = names.iter().zip(0..).map(|(name, number)| ("2099", name.as_str(), 1000 - number)).collect();
    for (part, rows) in (0..).zip(rows.chunks(LIST_LEAST)) {
        add(store, &site, MINE, part, part + 1, rows).await;
    }
    let all = |rows: &[(&str, &str, u64)]| rows.iter().map(|row| change(row.1, row.0, -row.2.cast_signed())).collect::<Vec<_>>();
    made(store, &site, THEIRS, 0, all(&rows[..LIST_LEAST + 50])).await;
    let list = store.top(&site, None, bucket("2099"), LIST_LEAST).await.unwrap();
    assert!(!list.whole, "{list:?}");
    add(store, &site, MINE, 2, 3, &[("2099", "/new", 1)]).await;
    assert!(!store.top(&site, None, bucket("2099"), LIST_LEAST).await.unwrap().whole);
    maintain(store, &site, &[]).await;
    let mut expected: Vec<_> = rows[LIST_LEAST + 50..].iter().map(|row| (article(row.1), row.2)).collect();
    expected.push((article("/new"), 1));
    assert_eq!(top(store, &site, "2099", LIST_LEAST).await, expected);
    assert_eq!(export(store, &site).await.unwrap().len(), 51);
}
