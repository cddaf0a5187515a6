//! A primary that dies, freezes, is cut off, or has acknowledged what no replica has.

use super::{measure::Measure, setup::Scene};

#[test]
fn a_killed_primary_is_replaced_and_comes_back_as_a_replica_while_every_view_is_counted_once() {
    let mut scene = Scene::begin();
    let measure = Measure::begin(&scene, "killed");
    scene.set.servers[0].server.crash();
    let second = scene.set.wait_for_another(0);
    scene.reaches(second, "views are in the next primary");
    measure.end(&scene);
    scene.set.servers[0].server.restart();
    scene.load.wait_for(100);
    scene.end();
}

#[test]
fn a_frozen_primary_is_replaced_and_what_it_still_does_when_it_continues_changes_nothing() {
    let scene = Scene::begin();
    let measure = Measure::begin(&scene, "frozen");
    // Applies are in its buffers, and it executes them later.
    scene.server(0).signal("STOP");
    let second = scene.set.wait_for_another(0);
    scene.reaches(second, "views are in the next primary");
    measure.end(&scene);
    scene.server(0).signal("CONT");
    scene.load.wait_for(200);
    scene.end();
}

#[test]
fn a_host_with_the_primary_and_a_sentinel_that_answers_no_more_is_left() {
    let scene = Scene::begin();
    let measure = Measure::begin(&scene, "host lost");
    scene.set.lose_host(0);
    let second = scene.set.wait_for_another(0);
    scene.reaches(second, "views are in the next primary");
    measure.end(&scene);
    scene.set.heal();
    scene.load.wait_for(100);
    scene.end();
}

#[test]
fn what_a_primary_that_was_cut_off_took_alone_is_applied_to_the_next_one() {
    let scene = Scene::begin();
    let measure = Measure::begin(&scene, "cut off");
    scene.set.isolate(0);
    // The service reaches it, so it counts on.
    scene.reaches(0, "views are in the primary that is cut off");
    let alone = scene.load.tally();
    let second = scene.set.wait_for_another(0);
    scene.reaches(second, "views are in the next primary");
    measure.end(&scene);
    assert!(scene.server(0).has(&alone));
    scene.went_back();
    scene.set.heal();
    scene.load.wait_for(100);
    scene.end();
}

#[test]
fn what_a_primary_acknowledged_and_no_replica_has_is_applied_to_the_next_one() {
    let mut scene = Scene::begin();
    scene.set.stop_replication(0);
    scene.load.wait_for(200);
    scene.reaches(0, "newer views are in the primary");
    let lost = scene.load.tally();
    assert!((1..3).all(|replica| !scene.server(replica).has(&lost)), "the replicas have them too");
    scene.set.servers[0].server.crash();
    let second = scene.set.wait_for_another(0);
    scene.reaches(second, "the lost views are in the next primary");
    scene.went_back();
    scene.set.heal();
    scene.set.servers[0].server.restart();
    scene.end();
}
