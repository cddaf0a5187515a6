//! Nodes of a cluster. One node with all slots works; each of several nodes refuses the slots of the others.

use truycap::{
    domain::{
        article::{ArticleId, Section},
        counts::{Deltas, Subject},
        period::Bucket,
        producer::Seq,
        site::SiteId,
    },
    store::{Store, StoreError},
};

use truycap_test_support::{cluster::Cluster, ports::free_port};

use super::{
    MINE, RedisStore, Step, answered, apply, figures, process::wait::eventually, redis_server::Server, redis_store::open, step, steps,
};

/// A server in cluster mode, without slots.
fn node() -> Server {
    // The default bus port, 10 000 higher, can be one of a client.
    let bus = free_port().to_string();
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

/// A cluster of one node, with an append-only file.
pub(super) fn whole_node() -> Server {
    let server = node();
    let () = cli(&server, "CONFIG SET appendonly yes");
    has_all_slots(&server);
    server
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
    is_refused(&apply(&store, 0).await, "the cluster is down, or has no node for this site");
    is_refused(&figures(&store).await, "the cluster is down, or has no node for this site");
    has_all_slots(&server);
    for from in 0..3 {
        assert_eq!(apply(&store, from).await, Ok(Step::Done));
    }
    assert_eq!(steps(&store).await, 3);
    is_refused(&store.verify(false).await, "write redis+cluster://");
    assert!(store.advice().await.unwrap()[0].contains("node of a cluster"));
    assert_eq!(store.top(&crate::connection::site(), None, "total".parse().unwrap(), 9).await.unwrap().articles.len(), 2);
    // The braces in the keys put all keys of a site into one slot, and different sites into different slots.
    for site in ["press", "shop", "a.b-c"] {
        assert_eq!(count(&store, site, 0, "2099").await, Ok(Step::Done), "{site}");
        let history = store.history(&SiteId::parse(site).unwrap(), &Subject::Site, &["2099".parse().unwrap()]).await;
        assert_eq!(history, Ok(vec![1]), "{site}");
    }
}

#[tokio::test]
async fn a_cluster_that_waits_for_a_node_that_fails_gets_advice() {
    let server = node();
    has_all_slots(&server);
    let store = open(&server.tcp_url().replace("redis://", "redis+cluster://"), "p");
    let about = async |words: &str| store.advice().await.unwrap().iter().any(|sentence| sentence.contains(words));
    assert!(about("no replica").await && !about("cluster-require-full-coverage").await);
    let () = cli(&server, "CONFIG SET cluster-require-full-coverage yes");
    assert!(about("set cluster-require-full-coverage to no").await);
    assert!(!about("min-replicas-to-write").await);
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
    is_refused(&count(&server.store("new"), "portal", 0, "2099").await, "are being moved to another node");
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
    let counted = store.history(&crate::connection::site(), &Subject::Site, &["2099".parse().unwrap(), "2098".parse().unwrap()]).await;
    assert_eq!(counted, Ok(vec![3, 1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_apply_to_a_site_whose_keys_are_on_two_nodes_changes_nothing() {
    let cluster = Cluster::start(&[(0, 8191), (8192, 16383)], false, &[]);
    let store = open(&cluster.url(), "p");
    for from in 0..3 {
        assert_eq!(answered("the cluster counts", async || apply(&store, from).await).await, Step::Done);
    }
    // The lists of a section are among the keys that no script is passed.
    while store.maintain(&crate::connection::site(), &[Section::parse("/").unwrap()]).await.unwrap() {}
    cluster.begin_move("portal", 1);
    let mut moved = 0;
    loop {
        let refused = apply(&store, 3).await;
        assert!(matches!(refused, Err(StoreError::NotApplied(_))), "{moved} keys are moved: {refused:?}");
        match figures(&store).await {
            Ok(figures) => assert_eq!(figures.offsets[0].seq, 3, "{moved} keys are moved"),
            // The connection, which other sites use, stays.
            refused => assert!(!format!("{refused:?}").contains("did not answer"), "{moved} keys are moved: {refused:?}"),
        }
        if !cluster.move_key("portal", 1) {
            break;
        }
        moved += 1;
    }
    assert!(moved >= 8, "{moved}");
    cluster.end_move("portal", 1);
    assert_eq!(steps(&store).await, 3);
    assert_eq!(apply(&store, 3).await, Ok(Step::Done));
    assert_eq!(steps(&store).await, 4);
}
