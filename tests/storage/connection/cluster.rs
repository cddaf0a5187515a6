//! Nodes of a cluster. One that has all slots will do; of several, each says no to what the others have.

use std::sync::Arc;

use truycap::{
    domain::{article::ArticleId, counts::Deltas, producer::Seq, site::SiteId},
    store::{Applied, Store, StoreError},
};

use super::{MINE, RedisStore, answered, apply, figures, process::wait::eventually, redis_server::Server, steps};

/// A server that may be a node of a cluster, and has no slots yet.
fn node() -> Server {
    // The ports that the system gives away leave no room for one that is ten thousand higher, the usual one.
    let bus = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    Server::start_on_port(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-require-full-coverage", "no"])
}

/// What an operator types.
fn say<T: redis::FromRedisValue>(server: &Server, line: &str) -> T {
    let words: Vec<_> = line.split(' ').collect();
    redis::cmd(words[0]).arg(&words[1..]).query(&mut server.raw()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn has_all_slots(server: &Server) {
    let () = say(server, "CLUSTER ADDSLOTSRANGE 0 16383");
    eventually("the cluster is up", || say::<String>(server, "CLUSTER INFO").contains("cluster_state:ok").then_some(()));
}

/// A view of a site and an article of it, in one bucket.
async fn count(store: &RedisStore, site: &str, from: Seq, bucket: &str) -> Result<Applied, StoreError> {
    let mut deltas = Deltas::default();
    for article in [None, Some(ArticleId::parse("/a").unwrap())] {
        deltas.add(bucket.parse().unwrap(), article, 1);
    }
    store.apply(&SiteId::parse(site).unwrap(), MINE, from, from + 1, Arc::new(deltas)).await
}

#[track_caller]
fn is_refused<T: std::fmt::Debug>(answer: &Result<T, StoreError>, because: &str) {
    assert!(matches!(answer, Err(StoreError::NotApplied(why)) if why.contains(because)), "{answer:?}");
}

#[tokio::test]
async fn a_node_counts_once_it_has_all_slots() {
    let server = node();
    let store = server.store("p");
    is_refused(&apply(&store, 0).await, "the cluster of this Redis is down");
    is_refused(&figures(&store).await, "the cluster of this Redis is down");
    has_all_slots(&server);
    for from in 0..3 {
        assert_eq!(apply(&store, from).await, Ok(Applied::Done(0)));
    }
    assert_eq!(steps(&store).await, 3);
    assert_eq!(store.top(&crate::connection::site(), "total".parse().unwrap(), 9).await.unwrap().len(), 2);
    // By the braces in their keys, the keys of each site are in one slot, and the sites in slots of their own.
    for site in ["press", "shop", "a.b-c"] {
        assert_eq!(count(&store, site, 0, "2099").await, Ok(Applied::Done(0)), "{site}");
        let history = store.history(&SiteId::parse(site).unwrap(), None, &["2099".parse().unwrap()]).await;
        assert_eq!(history, Ok(vec![1]), "{site}");
    }
}

#[tokio::test]
async fn what_another_node_has_or_is_to_have_is_not_applied() {
    let (server, other) = (node(), node());
    has_all_slots(&server);
    let (host, bus) = (other.tcp_url().replace("redis://", "").replace(':', " "), say::<Vec<String>>(&other, "CONFIG GET cluster-port"));
    let () = say(&server, &format!("CLUSTER MEET {host} {}", bus[1]));
    let id: String = say(&other, "CLUSTER MYID");
    eventually("the nodes have met", || {
        let nodes: String = say(&server, "CLUSTER NODES");
        nodes.lines().any(|line| line.starts_with(&id) && line.contains(" connected") && !line.contains("handshake")).then_some(())
    });
    let store = server.store("p");
    for from in 0..2 {
        assert_eq!(count(&store, "portal", from, "2099").await, Ok(Applied::Done(0)));
    }

    // The slot of a site moves: some of its keys are still here, and one that is not may be on its way.
    let slot: u16 = say(&server, "CLUSTER KEYSLOT portal");
    let () = say(&server, &format!("CLUSTER SETSLOT {slot} MIGRATING {id}"));
    is_refused(&count(&store, "portal", 2, "2098").await, "are being moved to another node");
    is_refused(&count(&server.store("new"), "portal", 0, "2099").await, "is a node of a cluster");
    let () = say(&server, &format!("CLUSTER SETSLOT {slot} STABLE"));
    assert_eq!(count(&store, "portal", 2, "2098").await, Ok(Applied::Done(0)));

    // The slot of another site is elsewhere.
    let slot: u16 = say(&server, "CLUSTER KEYSLOT press");
    for node in [&other, &server] {
        let () = say(node, &format!("CLUSTER SETSLOT {slot} NODE {id}"));
    }
    is_refused(&count(&store, "press", 0, "2099").await, "is a node of a cluster");
    let press = SiteId::parse("press").unwrap();
    is_refused(&store.figures(&press, MINE, "2099-01-01".parse().unwrap(), &[]).await, "is a node of a cluster");
    let there = other.store("p");
    assert_eq!(answered("the other node takes it", async || count(&there, "press", 0, "2099").await).await, Applied::Done(0));
    assert_eq!(count(&store, "portal", 3, "2099").await, Ok(Applied::Done(0)));
    let counted = store.history(&crate::connection::site(), None, &["2099".parse().unwrap(), "2098".parse().unwrap()]).await;
    assert_eq!(counted, Ok(vec![3, 1]));
}
