//! A cluster, on which the contract holds too.

use std::{collections::BTreeSet, fs, sync::OnceLock, time::Duration};

use chrono::Utc;
use tempfile::TempDir;
use truycap::{
    domain::retention::Retention,
    store::{
        redis::{self, RedisStoreConfig},
        sqlite::SqliteStore,
    },
};
use truycap_test_support::cluster::Cluster;

use super::{
    MINE, add, count,
    redis_store::{new_prefix, open},
    redis_visitors::{the_first_key_of_a_day_is_used, visitors_are_counted_once},
    site,
};

/// The cluster that all tests of this process share: three primaries.
pub(super) fn shared_cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start(&[(0, 8191), (8192, 12287), (12288, 16383)], false, &[]))
}

/// Sites of the contract, which are on different nodes.
const SITES: [&str; 3] = ["portal", "other", "xa.cu-m"];

#[tokio::test]
async fn visitors_are_counted_on_all_nodes() {
    let cluster = shared_cluster();
    let owners: BTreeSet<_> = SITES.iter().map(|site| cluster.owner(site)).collect();
    assert_eq!(owners.len(), 3, "{owners:?}");
    let store = open(&cluster.url(), &new_prefix());
    for name in SITES {
        the_first_key_of_a_day_is_used(&store, &site(name)).await;
        visitors_are_counted_once(&store, &site(name)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_has_a_site_that_moves_to_a_node_that_is_scanned_already() {
    let mut cluster = Cluster::start(&[(0, 5460), (5461, 10922), (10923, 16383)], false, &[]);
    let prefix = new_prefix();
    let config = RedisStoreConfig { url: cluster.url().parse().unwrap(), prefix: prefix.parse().unwrap() };
    // The nodes are scanned in the order of their hosts.
    let mut order = [0, 1, 2];
    order.sort_by_key(|node| cluster.nodes[*node].host.to_string());
    let [first, frozen, last] = order;
    let name = (0..1000).map(|number| format!("site-{number}")).find(|site| cluster.owner(site) == Some(last)).unwrap();
    add(&open(&cluster.url(), &prefix), &site(&name), MINE, 0, 1, &[("total", "", 1)]).await;

    let dir = TempDir::new().unwrap();
    let file = dir.path().join("backup.db");
    fs::write(&file, "").unwrap();
    cluster.freeze(frozen);
    let backup = async { redis::backup(&config, Retention::default(), Utc::now as fn() -> _, &file).await.unwrap() };
    let scenario = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cluster.begin_move(&name, first);
        while cluster.move_key(&name, first) {}
        for node in [first, last] {
            let () = cluster.nodes[node].server.cli(&format!("CLUSTER SETSLOT {} NODE {}", cluster.slot(&name), cluster.nodes[first].id));
        }
        cluster.unfreeze(frozen);
    };
    tokio::join!(backup, scenario);
    let copy = SqliteStore::open(&file, Retention::default(), Utc::now as fn() -> _).unwrap();
    assert_eq!(count(&copy, &site(&name), "total", "").await, 1);
}
