//! Slots and nodes that come and go.

use std::time::{Duration, Instant};

use super::{
    LOGGING,
    cluster::Cluster,
    process::wait::within,
    setup::{Scene, THREE},
    soak,
};

/// Imports articles for a site, each with one view in all periods. Returns the import's rows, which the tally does not know.
fn import(scene: &Scene, articles: u64) {
    let rows: String = (0..articles).map(|article| format!("portal,/old/{article}/an-article-with-a-usual-name,,0\n")).collect();
    let file = scene.place.write("old.csv", format!("site,article,period,views\n{rows}"));
    let finished = scene.place.run(&["import", &file]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn the_slot_of_a_busy_site_moves_back_and_forth() {
    let scene = Scene::on(Cluster::start(&THREE, false, &LOGGING));
    import(&scene, soak(2_000, 1_000_000));
    for turn in 0..soak(5, 50) {
        let to = if turn % 2 == 0 { 2 } else { 0 };
        let begun = Instant::now();
        scene.cluster.move_site("portal", to);
        println!("the slot moved within {:?}", begun.elapsed());
        scene.follows("portal", Instant::now(), "a moved slot");
    }
    scene.end();
}

#[test]
fn a_site_waits_while_each_of_its_keys_moves_and_never_shows_less() {
    let scene = Scene::on(Cluster::start(&THREE, false, &LOGGING));
    scene.is_current("portal");
    scene.cluster.begin_move("portal", 2);
    let shown = || scene.service.get("/v1/sites/portal/figures").json()["site"]["total"].as_u64().unwrap();
    let mut last = shown();
    loop {
        scene.load.wait_for(10);
        let now = shown();
        assert!(now >= last, "{now} after {last}");
        last = now;
        within(Duration::from_secs(5), "the figures are stale", || scene.is_stale("portal").then_some(()));
        scene.is_current("khoa");
        if !scene.cluster.move_key("portal", 2) {
            break;
        }
    }
    scene.cluster.end_move("portal", 2);
    scene.is_current("portal");
    scene.end();
}

#[test]
fn a_node_is_added_and_another_one_removed() {
    let mut scene = Scene::on(Cluster::start(&THREE, false, &LOGGING));
    let new = scene.cluster.add_node();
    scene.cluster.move_site("khoa", new);
    scene.follows("khoa", Instant::now(), "a site on a new node");
    scene.cluster.move_site("khoa", 1);
    scene.follows("khoa", Instant::now(), "a site that came back");
    scene.cluster.remove_node();
    scene.is_current("khoa");
    scene.end();
}

#[test]
fn one_node_of_the_url_that_answers_is_enough() {
    let mut cluster = Cluster::start(&THREE, true, &LOGGING);
    let dead = "127.0.0.1:1,nowhere.invalid";
    let url = cluster.url().replace("redis+cluster://", &format!("redis+cluster://{dead},"));
    // The node that the URL names is a replica from now on, and then away.
    cluster.failover("portal");
    cluster.wait_until_whole();
    let scene = Scene::on_url(cluster, &url);
    cluster = scene.cluster;
    cluster.crash(0);
    let scene = Scene { cluster, ..scene };
    scene.follows("portal", Instant::now(), "without a node of the URL");
    let mut scene = scene;
    scene.cluster.restart(0);
    scene.end();
}
