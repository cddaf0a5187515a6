//! Nodes of a cluster. One node with all slots works; each of several nodes refuses the slots of the others.

use truycap::{
    domain::{article::ArticleId, counts::Deltas, period::Bucket, producer::Seq, site::SiteId},
    store::{Store, StoreError},
};

use super::{MINE, RedisStore, Step, answered, apply, figures, process::wait::eventually, redis_server::Server, step, steps};

/// A server in cluster mode, without slots.
fn node() -> Server {
    // The default bus port is 10 000 higher, which is too high for many ephemeral ports.
    let bus = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    Server::start_on_port(&["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-require-full-coverage", "no"])
}

/// Runs a command line as `redis-cli` does.
fn cli<T: redis::FromRedisValue>(server: &Server, line: &str) -> T {
    let words: Vec<_> = line.split(' ').collect();
    redis::cmd(words[0]).arg(&words[1..]).query(&mut server.raw()).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn has_all_slots(server: &Server) {
    let () = cli(server, "CLUSTER ADDSLOTSRANGE 0 16383");
    eventually("the cluster is up", || cli::<String>(server, "CLUSTER INFO").contains("cluster_state:ok").then_some(()));
}

/// Applies a view of a site and of an article, in one bucket.
async fn count(store: &RedisStore, site: &str, from: Seq, bucket: &str) -> Result<Step, StoreError> {
    let mut deltas = Deltas::default();
    for article in [None, Some(ArticleId::parse("/a").unwrap())] {
        deltas.add([bucket.parse::<Bucket>().unwrap()].into_iter().collect(), article, 1);
    }
    step(store, &SiteId::parse(site).unwrap(), from, deltas).await
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
        assert_eq!(apply(&store, from).await, Ok(Step::Done));
    }
    assert_eq!(steps(&store).await, 3);
    assert_eq!(store.verify(false).await, Ok(()));
    assert!(store.advice().await.unwrap()[0].contains("node of a cluster"));
    assert_eq!(store.top(&crate::connection::site(), None, "total".parse().unwrap(), 9).await.unwrap().articles.len(), 2);
    // The braces in the keys put all keys of a site into one slot, and different sites into different slots.
    for site in ["press", "shop", "a.b-c"] {
        assert_eq!(count(&store, site, 0, "2099").await, Ok(Step::Done), "{site}");
        let history = store.history(&SiteId::parse(site).unwrap(), None, &["2099".parse().unwrap()]).await;
        assert_eq!(history, Ok(vec![1]), "{site}");
    }
}

#[tokio::test]
async fn an_apply_to_a_slot_of_another_node_or_a_moving_slot_is_refused() {
    let (server, other) = (node(), node());
    has_all_slots(&server);
    let (host, bus) = (other.tcp_url().replace("redis://", "").replace(':', " "), cli::<Vec<String>>(&other, "CONFIG GET cluster-port"));
    let () = cli(&server, &format!("CLUSTER MEET {host} {}", bus[1]));
    let id: String = cli(&other, "CLUSTER MYID");
    eventually("the nodes have met", || {
        let nodes: String = cli(&server, "CLUSTER NODES");
        nodes.lines().any(|line| line.starts_with(&id) && line.contains(" connected") && !line.contains("handshake")).then_some(())
    });
    let store = server.store("p");
    for from in 0..2 {
        assert_eq!(count(&store, "portal", from, "2099").await, Ok(Step::Done));
    }

    // The slot of a site is moving: a key that is not here can already be on the other node.
    let slot: u16 = cli(&server, "CLUSTER KEYSLOT portal");
    let () = cli(&server, &format!("CLUSTER SETSLOT {slot} MIGRATING {id}"));
    is_refused(&count(&store, "portal", 2, "2098").await, "are being moved to another node");
    is_refused(&count(&server.store("new"), "portal", 0, "2099").await, "is a node of a cluster");
    let () = cli(&server, &format!("CLUSTER SETSLOT {slot} STABLE"));
    assert_eq!(count(&store, "portal", 2, "2098").await, Ok(Step::Done));

    // The slot of another site is on another node.
    let slot: u16 = cli(&server, "CLUSTER KEYSLOT press");
    for node in [&other, &server] {
        let () = cli(node, &format!("CLUSTER SETSLOT {slot} NODE {id}"));
    }
    is_refused(&count(&store, "press", 0, "2099").await, "is a node of a cluster");
    let press = SiteId::parse("press").unwrap();
    is_refused(&store.figures(&press, &[MINE], "2099-01-01".parse().unwrap(), &[]).await, "is a node of a cluster");
    let there = other.store("p");
    assert_eq!(answered("the other node accepts it", async || count(&there, "press", 0, "2099").await).await, Step::Done);
    assert_eq!(count(&store, "portal", 3, "2099").await, Ok(Step::Done));
    let counted = store.history(&crate::connection::site(), None, &["2099".parse().unwrap(), "2098".parse().unwrap()]).await;
    assert_eq!(counted, Ok(vec![3, 1]));
}
