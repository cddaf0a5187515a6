//! What `truycap check` says if `store.url` names another topology than there is.

use super::{
    cluster::whole_node,
    process::Place,
    redis_server::Server,
    sentinel_set::{SERVICE, SentinelSet},
};

/// The error of `truycap check` on a store.
#[track_caller]
fn is_refused(url: &str, because: &[&str]) {
    let finished = Place::new().with("STORE__URL", url).run(&["check"]);
    assert_eq!(finished.code, Some(1), "{url}: {finished:?}");
    for words in because {
        assert!(finished.err.contains(words), "{url}: {words}: {}", finished.err);
    }
}

fn is_accepted(url: &str) {
    let finished = Place::new().with("STORE__URL", url).run(&["check"]);
    assert_eq!(finished.code, Some(0), "{url}: {finished:?}");
}

#[test]
fn check_says_what_to_write_instead_of_the_wrong_topology() {
    let (plain, node, set) = (Server::start_on_port(&["--appendonly", "yes"]), whole_node(), SentinelSet::start(&["--appendonly", "yes"]));
    let [plain, node] = [plain.tcp_url(), node.tcp_url()].map(|url| url.replace("redis://", ""));
    let sentinel = set.sentinels[0].address();
    let replica = set.servers[1].address();
    is_accepted(&format!("redis://{plain}"));
    is_accepted(&format!("redis+cluster://{node}"));
    is_accepted(&set.url());

    is_refused(&format!("redis://{sentinel}"), &["this is a Sentinel", "write redis+sentinel://"]);
    is_refused(&format!("redis://{node}"), &["node of a cluster", "write redis+cluster://"]);
    is_refused(&format!("redis://{replica}"), &["replica"]);
    is_refused(&format!("redis+cluster://{plain}"), &[&plain, "not a node of a cluster", "write redis://"]);
    is_refused(&format!("redis+cluster://{sentinel}"), &["this is a Sentinel", "write redis+sentinel://"]);
    is_refused(&format!("redis+sentinel://{plain}/{SERVICE}"), &[&plain, "not a Sentinel", "redis://"]);
    is_refused(&format!("redis+sentinel://{node}/{SERVICE}"), &["node of a cluster", "write redis+cluster://"]);
    is_refused(&format!("redis+sentinel://{sentinel}/mymaster"), &["\"mymaster\"", SERVICE]);
    is_refused("redis+sentinel://127.0.0.1:1,127.0.0.1:2/mymaster", &["127.0.0.1:1: ", "127.0.0.1:2: ", "Connection refused"]);
    is_refused("redis+cluster://127.0.0.1:1,127.0.0.1:2", &["127.0.0.1:1: ", "127.0.0.1:2: ", "Connection refused"]);
}
