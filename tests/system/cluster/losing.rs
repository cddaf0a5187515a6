//! Nodes that are away for longer, and nodes that went back.

use std::{fs, time::Duration};

use super::{
    LOGGING,
    cluster::Cluster,
    process::{client::Client, wait::within},
    setup::{Scene, THREE},
};

#[test]
fn the_sites_of_a_node_that_is_away_wait_and_the_others_go_on() {
    let mut scene = Scene::on(Cluster::start(&THREE, false, &LOGGING));
    scene.cluster.freeze(0);
    within(Duration::from_secs(10), "the figures of the site are stale", || scene.is_stale("portal").then_some(()));
    for _ in 0..20 {
        scene.load.wait_for(20);
        scene.is_current("khoa");
    }
    assert!(scene.is_stale("portal"));
    let up = |node: usize| format!("truycap_store_node_up{{node=\"{}:6379\"}} {}", scene.cluster.nodes[node].host, u8::from(node > 0));
    within(Duration::from_secs(10), "a metric names the server", || {
        let metrics = Client::connect(&scene.service.admin).unwrap().get("/metrics").unwrap().body;
        (0..3).all(|node| metrics.contains(&up(node))).then_some(())
    });
    scene.cluster.unfreeze(0);
    scene.is_current("portal");
    scene.end();
}

#[test]
fn without_a_majority_all_views_wait_until_it_is_back() {
    let mut scene = Scene::begin();
    scene.cluster.crash(0);
    scene.cluster.crash(2);
    for site in ["portal", "khoa"] {
        within(Duration::from_secs(30), "the figures of all sites are stale", || scene.is_stale(site).then_some(()));
    }
    scene.load.wait_for(300);
    scene.cluster.restart(0);
    scene.cluster.restart(2);
    scene.cluster.wait_until_whole();
    for site in ["portal", "khoa"] {
        scene.is_current(site);
    }
    scene.end();
}

#[test]
fn one_node_that_went_back_gets_its_views_again() {
    let mut scene = Scene::on(Cluster::start(&THREE, false, &LOGGING));
    // `SAVE` is of one moment; the append-only file is removed, so that the server starts from it.
    let server = &scene.cluster.nodes[0].server;
    let () = server.cli("CONFIG SET appendonly no");
    let () = server.cli("SAVE");
    let snapshot = fs::read(server.file("dump.rdb")).unwrap();
    scene.load.wait_for(300);
    scene.reaches("newer views are in the cluster");
    scene.cluster.crash(0);
    let node = &mut scene.cluster.nodes[0].server;
    let _ = fs::remove_dir_all(node.file("appendonlydir"));
    fs::write(node.file("dump.rdb"), snapshot).unwrap();
    node.option("--appendonly", "no");
    scene.cluster.restart(0);
    scene.service.wait_for_log(&["WARN", "site=portal", "the store went back"]);
    assert_eq!(scene.service.logged(&["site=khoa", "the store went back"]), [""; 0]);
    scene.end();
}

#[test]
fn nodes_that_come_back_at_other_addresses_are_found_by_one_that_stays() {
    let mut scene = Scene::on(Cluster::start(&THREE, false, &LOGGING));
    scene.cluster.readdress(1);
    scene.cluster.readdress(2);
    scene.cluster.wait_until_whole();
    for site in ["portal", "khoa"] {
        scene.is_current(site);
    }
    scene.end();
}
