//! Users with restricted rights.

use std::{fs, sync::Arc};

use chrono::Utc;
use truycap::{
    domain::{
        article::{ArticleId, Section},
        correction::{Change, CorrectionKind, Note},
        counts::Subject,
        period::Bucket,
        producer::{ProducerId, Seq},
        retention::Retention,
    },
    store::{
        self, Corrected, Row, SharedVisitors, Store, StoreError, VisitorCounts,
        redis::{RedisStore, RedisStoreConfig, backup, restore},
        sqlite::Backup,
    },
};

use super::{
    STEP, Step, answered, apply, at,
    cluster::whole_node,
    export, figures,
    redis_server::Server,
    redis_store::open,
    sentinel_set::{Node, SERVICE, SentinelSet},
    site, steps,
};

/// The same rights by the categories of commands, for keys that begin with `p`.
const RIGHTS: &str = "~p:* +@read +@write +@transaction +@scripting +@connection -@dangerous +info +config|get +acl|dryrun";

/// A server with a user that has these rights, and the user's URL.
fn with_user(options: &[&str], rights: &str) -> (Server, String) {
    let server = Server::start(options);
    let mut cmd = redis::cmd("ACL");
    cmd.arg("SETUSER").arg("counter").arg("on").arg(">hunter2").arg(rights.split(' ').collect::<Vec<_>>());
    cmd.exec(&mut server.raw()).unwrap();
    let url = format!("{}?user=counter&pass=hunter2", server.url());
    (server, url)
}

/// The file of users that `docs/operations.md` shows.
fn documented_users() -> &'static str {
    let text = include_str!("../../../docs/operations.md");
    let users = &text[text.find("user default on >").unwrap()..];
    &users[..users.find("```").unwrap()]
}

/// The documented rights, for keys that begin with `p`.
fn documented_rights() -> String {
    let (_, rights) = documented_users().split_once("user truycap on >hunter2 ~truycap:* ").unwrap();
    format!("~p:* {}", rights.trim())
}

#[tokio::test]
async fn the_documented_rights_are_sufficient() {
    for rights in [RIGHTS.to_owned(), documented_rights()] {
        let (server, url) = with_user(&["--appendonly", "yes"], &rights);
        is_allowed_everything(&url, "p", &server).await;
    }
}

/// What the documentation has between these texts.
fn documented(from: &str, to: &str) -> &'static str {
    let text = include_str!("../../../docs/operations.md");
    let rest = &text[text.find(from).unwrap()..];
    &rest[..rest.find(to).unwrap()]
}

#[tokio::test]
async fn the_documented_rights_in_a_cluster_are_sufficient_and_needed() {
    let node = whole_node();
    let more = documented("+cluster|info", "`");
    let rights = format!("{} {more}", documented_rights());
    let set = |rights: &str| {
        let mut cmd = redis::cmd("ACL");
        cmd.arg("SETUSER").arg("counter").arg("on").arg(">hunter2").arg(rights.split(' ').collect::<Vec<_>>());
        cmd.exec(&mut node.raw()).unwrap();
    };
    set(&rights);
    let url = node.tcp_url().replace("redis://", "redis+cluster://counter:hunter2@");
    is_allowed_everything(&url, "p", &node).await;
    for right in more.split(' ') {
        set(&format!("{rights} {}", right.replace('+', "-")));
        let error = open(&url, "p").ping().await.unwrap_err().to_string();
        assert!(error.contains("may not do this"), "{right}: {error}");
    }
}

#[tokio::test]
async fn the_documented_users_of_a_sentinel_set_are_sufficient_and_needed() {
    let users = documented_users().trim_end();
    let users = format!("{users} +role\n{}", documented("user replica on", "```"));
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, users).unwrap();
    let login = "?user=default&pass=correct-horse-battery-staple";
    let asking = documented("user truycap on >hunter3", "```");
    let config = format!("sentinel auth-user {SERVICE} sentinel\nsentinel auth-pass {SERVICE} sentinel-password\n{asking}");
    let options = ["--appendonly", "yes", "--aclfile", file.path().to_str().unwrap(), "--masteruser", "replica"];
    let options = [&options[..], &["--masterauth", "replica-password", "--min-replicas-to-write", "1"]].concat();
    let mut set = SentinelSet::start_with(&options, login, &config, "");
    set.login = ("truycap:hunter2@".into(), "?sentinel_user=truycap&sentinel_password=hunter3".into());
    let url = set.url();
    is_allowed_everything(&url, "truycap", &set.servers[0].server).await;

    let store = open(&url, "truycap");
    assert_eq!(steps(&store).await, 3);
    set.failover();
    // An apply that the fail-over ends is in doubt, and is repeated.
    let counted = async || match apply(&store, 3).await {
        Err(StoreError::PerhapsApplied(why)) => Err(StoreError::NotApplied(why)),
        answer => answer,
    };
    assert!(matches!(answered("the next primary counts", counted).await, Step::Done | Step::Refused(4)));
    set.wait_until_whole();

    let nodes = |nodes: &[Node], right: &str| nodes.iter().for_each(|node| node.server.cli(&format!("ACL SETUSER truycap {right}")));
    for (who, right) in [(&set.servers, "role"), (&set.sentinels, "sentinel|master"), (&set.sentinels, "sentinel|get-master-addr-by-name")]
    {
        nodes(who, &format!("-{right}"));
        let error = open(&url, "truycap").ping().await.unwrap_err().to_string();
        assert!(error.contains("may not do this"), "{right}: {error}");
        nodes(who, &format!("+{right}"));
    }
    assert_eq!(open(&url, "truycap").ping().await, Ok(()));
}

/// Calls everything that a store has. `server` has the keys of the site.
async fn is_allowed_everything(url: &str, prefix: &str, server: &Server) {
    let store = open(url, prefix);
    for from in 0..3 {
        assert_eq!(apply(&store, from).await, Ok(Step::Done));
    }
    assert_eq!(steps(&store).await, 3);
    assert_eq!(figures(&store).await.unwrap(), figures(&server.store(prefix)).await.unwrap());
    assert_eq!(store.top(&site(), None, "total".parse().unwrap(), 1).await.unwrap().articles.len(), 1);
    for (seq, views) in [(0, 2), (1, -2)] {
        assert!(matches!(correct(&store, seq, views).await, Ok(Corrected::Done { number: 1, .. })));
    }
    assert_eq!(store.audit(&site(), 0).await.unwrap()[0].steps, 2);
    assert_eq!(store.changes(&site(), 1, 2).await.unwrap().unwrap()[0].views, -2);
    assert_eq!(store.counts(&site(), &Subject::Site).await.unwrap().len(), 2);
    assert_eq!(store.history(&site(), &Subject::Site, &["total".parse().unwrap()]).await, Ok(vec![9]));
    for sections in [&[Section::parse("/").unwrap()][..], &[]] {
        while store.maintain(&site(), sections).await.unwrap() {}
    }
    let today = "2026-11-23".parse().unwrap();
    assert_eq!(store.key(&site(), today, [1; 16]).await, Ok([1; 16]));
    assert_eq!(store.count(&site(), today, 1, &[[1; 16]]).await, Ok(VisitorCounts { online: 1, today: 1 }));
    assert_eq!(store.verify(true).await, Ok(()));
    // The cluster of one node has no replica.
    let advice = store.advice().await.unwrap().into_iter().filter(|sentence| !sentence.contains("has no replica"));
    assert_eq!(advice.collect::<Vec<_>>(), [""; 0]);
    restore_backup(url, prefix).await;
    assert_eq!(steps(&store).await, 3);
    // Keys with another prefix are not allowed.
    let elsewhere = apply(&open(url, "q"), 0).await;
    assert!(format!("{elsewhere:?}").contains("may not do this"), "{elsewhere:?}");
}

/// Adds views to an article of its own, or takes them away.
async fn correct(store: &RedisStore, from: Seq, views: i64) -> Result<Corrected, StoreError> {
    let subject = Subject::Article(ArticleId::parse("/c").unwrap());
    let changes = vec![Change { subject, buckets: [Bucket::Total].into_iter().collect(), views }];
    let note = Note { at: Utc::now(), kind: CorrectionKind::Adjust, what: String::new(), reason: String::new(), undoes: None };
    let step = store::Step { producer: ProducerId(2), from: at(from), to: at(from + 1), changes, note };
    store.correct(&site(), Arc::new(step)).await
}

/// Makes a backup, and restores it over what is there.
async fn restore_backup(url: &str, prefix: &str) {
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("backup.db");
    fs::write(&file, "").unwrap();
    let place = RedisStoreConfig { url: url.parse().unwrap(), prefix: prefix.parse().unwrap() };
    backup(&place, Retention::default(), Utc::now, &file).await.unwrap();
    restore(&place, &Backup::open(&file).unwrap(), true).await.unwrap();
}

/// A user without the right to move keys must not replace a part of a site.
#[tokio::test]
async fn a_restore_without_its_rights_changes_nothing() {
    let (server, url) = with_user(&[], RIGHTS);
    let store = open(&url, "p");
    assert_eq!(apply(&store, 0).await, Ok(Step::Done));
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("backup.db");
    fs::write(&file, "").unwrap();
    let place = RedisStoreConfig { url: url.parse().unwrap(), prefix: "p".parse().unwrap() };
    backup(&place, Retention::default(), Utc::now, &file).await.unwrap();
    assert_eq!(apply(&store, 1).await, Ok(Step::Done));
    for right in ["-unlink", "-rename", "-persist"] {
        let mut cmd = redis::cmd("ACL");
        cmd.arg("SETUSER").arg("counter").arg("+@write").arg(right).exec(&mut server.raw()).unwrap();
        let error = restore(&place, &Backup::open(&file).unwrap(), true).await.unwrap_err().to_string();
        assert!(error.contains("may not do this"), "{right}: {error}");
        assert_eq!(steps(&store).await, 2);
    }
}

#[tokio::test]
async fn a_server_or_a_user_without_scripts_gets_advice() {
    let rights = |missing: &str| format!("~* +@all {missing}");
    let without = [
        (vec![], rights("-evalsha"), vec!["EVALSHA"]),
        (vec![], rights("-eval"), vec!["EVAL"]),
        (vec![], rights("-@scripting"), vec!["EVALSHA", "EVAL"]),
        (vec!["--rename-command", "EVAL", ""], rights("+@all"), vec!["EVAL"]),
    ];
    for (options, rights, missing) in without {
        let options: Vec<&str> = [vec!["--appendonly", "yes"], options].concat();
        let (_server, url) = with_user(&options, &rights);
        let advice = open(&url, "p").advice().await.unwrap();
        assert_eq!(advice.len(), missing.len(), "{rights}: {advice:?}");
        for (sentence, command) in advice.iter().zip(missing) {
            assert!(sentence.contains(&format!("allow {command} (")), "{rights}: {sentence}");
        }
    }
}

/// Hosted servers hide their settings. They can be used all the same.
#[tokio::test]
async fn a_server_that_hides_its_settings_can_be_used() {
    let (_server, url) = with_user(&[], "~* +@all -info -config");
    let store = open(&url, "p");
    assert_eq!(store.advice().await, Ok(vec![]));
    assert_eq!(apply(&store, 0).await, Ok(Step::Done));
}

/// A server that knows its users from a file, keeps an append-only file, has counted, and then restored a backup; and the rows of
/// its export.
async fn counted_with(users: &str) -> (Server, RedisStore, Vec<Row>) {
    // With the default, a kill loses what Redis acknowledged while a disk was slow to sync.
    let mut server = Server::new(0, &["--appendonly", "yes", "--appendfsync", "always"]);
    let file = server.file("users.acl");
    fs::write(&file, users).unwrap();
    server.option("--aclfile", file.to_str().unwrap());
    server.run();
    let url = format!("{}?user=truycap&pass=hunter2", server.url());
    let store = open(&url, "truycap");
    for from in 0..3 {
        assert_eq!(answered("Redis counts", async || apply(&store, from).await).await, Step::Done);
    }
    restore_backup(&url, "truycap").await;
    let rows = export(&store).await;
    assert_eq!(rows.len(), STEP.len());
    (server, store, rows)
}

/// Restarts Redis, and returns what it has of the rows.
async fn restarted((mut server, store, _): (Server, RedisStore, Vec<Row>)) -> Vec<Row> {
    server.end("keep\n");
    server.run();
    answered("Redis is back", async || store.ping().await).await;
    export(&store).await
}

#[tokio::test]
async fn the_documented_users_lose_nothing_when_redis_restarts() {
    let counted = counted_with(documented_users()).await;
    assert_eq!(counted.1.advice().await, Ok(vec![]));
    let rows = counted.2.clone();
    assert_eq!(restarted(counted).await, rows);
}

#[tokio::test]
async fn a_default_user_that_is_off_but_has_its_rights_loses_nothing_when_redis_restarts() {
    let (_, truycap) = documented_users().split_once('\n').unwrap();
    let counted = counted_with(&format!("user default off ~* &* +@all\n{truycap}")).await;
    assert_eq!(counted.1.advice().await, Ok(vec![]));
    let rows = counted.2.clone();
    assert_eq!(restarted(counted).await, rows);
}

/// The version of Redis that a server names, and that of Valkey.
fn versions(info: &str) -> [Option<(u32, u32)>; 2] {
    ["redis_version:", "valkey_version:"].map(|name| {
        let mut parts = info.lines().find_map(|line| line.strip_prefix(name))?.split('.').map(|part| part.parse().unwrap());
        Some((parts.next().unwrap(), parts.next().unwrap()))
    })
}

#[tokio::test]
async fn a_default_user_without_rights_gets_advice_because_redis_drops_counters_when_it_restarts() {
    let (_, truycap) = documented_users().split_once('\n').unwrap();
    // The last one is all that counting needs.
    let some = "on >correct-horse-battery-staple ~* +hset +hdel +zadd +zrem +zremrangebyrank +unlink +ping +multi +exec";
    for default in ["off", "on >correct-horse-battery-staple +@all", "on >correct-horse-battery-staple ~* +@all -zadd", some] {
        let counted = counted_with(&format!("user default {default}\n{truycap}")).await;
        let url = format!("{}?user=truycap&pass=hunter2", counted.0.url());
        let info: String = redis::cmd("INFO").query(&mut redis::Client::open(url).unwrap().get_connection().unwrap()).unwrap();
        let advice = counted.1.advice().await.unwrap();
        let rows = counted.2.clone();
        let lost = restarted(counted).await != rows;
        let [redis, valkey] = versions(&info);
        if redis < Some((7, 0)) {
            assert!(advice.is_empty() && !lost, "{default}: {advice:?}");
            continue;
        }
        assert!(advice.len() == 1 && advice[0].contains("run ACL SETUSER default '~*' +@all"), "{advice:?}");
        // Without ZADD, only the lists are lost. Valkey loses nothing from 9.1 on.
        assert_eq!(lost, !default.ends_with("-zadd") && valkey < Some((9, 1)), "{default}");
    }
}

#[tokio::test]
async fn a_user_who_may_not_look_at_the_default_user_gets_advice() {
    let (server, url) = with_user(&["--appendonly", "yes"], &documented_rights().replace(" +acl|dryrun", ""));
    let advice = open(&url, "p").advice().await.unwrap();
    let [redis, _] = versions(&redis::cmd("INFO").query::<String>(&mut server.raw()).unwrap());
    assert_eq!(advice.len(), usize::from(redis >= Some((7, 0))), "{advice:?}");
    assert!(advice.iter().all(|advice| advice.contains("allow acl|dryrun")), "{advice:?}");
}

#[tokio::test]
async fn a_connection_is_named_and_a_server_that_refuses_the_name_can_be_used() {
    for (rights, is_named) in [("~* +@all", true), ("~* +@all -client", false)] {
        let (server, url) = with_user(&[], rights);
        let store = open(&url, "p");
        assert_eq!(apply(&store, 0).await, Ok(Step::Done));
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut server.raw()).unwrap();
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let name = format!(" name=truycap-{}-{} ", host.trim(), std::process::id());
        assert_eq!(list.contains(&name), is_named, "{list}");
    }
}
