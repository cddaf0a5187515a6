//! Primaries that die, freeze, or pass on their slots to a replica.

use std::time::Duration;

use super::{
    LOGGING, all_acknowledged,
    cluster::Cluster,
    load::{Load, pages},
    process::Place,
    setup::{Scene, THREE, settle},
    sites::sites,
    soak,
};

#[test]
fn a_killed_primary_is_replaced_and_comes_back_while_two_instances_count_each_view_once() {
    let mut cluster = Cluster::start(&THREE, true, &LOGGING);
    let place = sites().with("STORE__URL", &cluster.url_of_all());
    let places = [place.clone(), place.with_journal(place.path("b.db"))];
    let services: Vec<_> = places.iter().map(Place::start).collect();
    let loads = services.iter().map(|service| {
        let load = Load::start(3, pages(8, ""), Duration::from_millis(2));
        load.aim(Some(&service.public));
        load
    });
    let loads: Vec<_> = loads.collect();
    loads.iter().for_each(|load| load.wait_for(100));
    cluster.crash(0);
    cluster.wait_for_another("portal", 0);
    loads.iter().for_each(|load| load.wait_for(200));
    cluster.restart(0);
    cluster.wait_until_whole();
    loads.iter().for_each(|load| load.wait_for(100));
    let tally = loads.into_iter().map(Load::finish).reduce(|sum, tally| sum.and(&tally)).unwrap();
    all_acknowledged(&tally);
    cluster.wait_for("all views are in the cluster", &tally);
    settle(&cluster, &place, services, &tally);
}

#[test]
fn a_frozen_primary_is_replaced_and_what_it_still_does_when_it_continues_changes_nothing() {
    let mut scene = Scene::begin();
    scene.cluster.freeze(0);
    let (_, since) = scene.cluster.wait_for_another("portal", 0);
    scene.follows("portal", since, "a replica of the frozen primary");
    scene.is_current("khoa");
    scene.cluster.unfreeze(0);
    scene.load.wait_for(200);
    let log = scene.end();
    assert!(log.contains("slots of the store have another primary"), "{log}");
}

#[test]
fn fail_overs_in_a_loop_lose_nothing_and_count_nothing_twice() {
    let scene = Scene::begin();
    for _ in 0..soak(2, 50) {
        for site in ["portal", "khoa"] {
            let (_, since) = scene.cluster.failover(site);
            scene.follows(site, since, "an asked fail-over");
        }
        scene.cluster.wait_until_whole();
    }
    scene.end();
}

#[test]
fn a_replica_that_was_synchronized_anew_takes_over_with_everything() {
    let mut scene = Scene::begin();
    // Without its files, it needs all data of its primary. Its identity is in nodes.conf.
    scene.cluster.crash(3);
    let files = scene.cluster.nodes[3].server.file("appendonlydir");
    if files.exists() {
        std::fs::remove_dir_all(files).unwrap();
    }
    scene.load.wait_for(100);
    scene.cluster.restart(3);
    scene.cluster.wait_until_whole();
    let before = scene.load.tally();
    scene.cluster.wait_for("the primary has the views", &before);
    let (next, since) = scene.cluster.failover("portal");
    assert_eq!(next, 3);
    scene.follows("portal", since, "a replica that was synchronized anew");
    scene.end();
}
