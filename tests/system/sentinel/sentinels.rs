//! Sentinels that are wrong, dead, or never existed, and a name that they do not know.

use super::{
    LOGGING, load,
    process::eventually,
    sentinel_set::{SERVICE, SentinelSet},
    setup::{Scene, place},
};

#[test]
fn a_sentinel_that_is_cut_off_and_names_the_old_primary_is_outvoted() {
    let mut scene = Scene::begin();
    scene.set.isolate_sentinel(0);
    let second = scene.set.failover_by([1, 1, 1]);
    scene.reaches(second, "views are in the next primary");
    assert_eq!(scene.set.named_by(0), Some(scene.set.servers[0].address()));
    // The old primary works, and so does the sentinel that names it: the service does not go back to it.
    scene.load.wait_for(1000);
    assert_eq!(scene.service.logged(&["the store has another primary"]).len(), 1);
    // A service that starts hears both.
    scene.load.aim(None);
    scene.service.process.signal("TERM");
    eventually("it ends", || scene.service.process.has_ended().then_some(()));
    scene.service = scene.place.start();
    scene.load.aim(Some(&scene.service.public));
    scene.load.wait_for(100);
    scene.reaches(second, "views are in the next primary after a restart");
    scene.load.wait_for(1000);
    assert!(scene.service.logged(&["the store has another primary"]).len() <= 1);
    scene.set.heal();
    scene.end();
}

#[test]
fn dead_sentinels_and_ones_that_never_existed_do_not_matter() {
    let mut set = SentinelSet::start(&LOGGING);
    // Nothing has these addresses: one refuses, the other never answers.
    set.more_sentinels = vec!["127.0.0.1:1".into(), "192.0.2.1:26379".into()];
    let mut scene = Scene::on(set);
    scene.set.sentinels[0].server.crash();
    let second = scene.set.failover_by([1, 1, 1]);
    scene.reaches(second, "views are in the next primary");
    scene.set.sentinels[0].server.run();
    scene.end();
}

#[test]
fn a_name_that_the_sentinels_do_not_know_is_named_beside_those_that_they_know() {
    let set = SentinelSet::start(&LOGGING);
    let place = place(&set);
    let right = place.environment["TRUYCAP_STORE__URL"].clone();
    let wrong = place.clone().with("STORE__URL", &right.replace(&format!("/{SERVICE}"), "/mymaster"));
    let service = wrong.start();
    let load = load(&service, "");
    load.wait_for(50);
    service.wait_for_log(&["the store is unreachable", "mymaster", SERVICE]);
    let tally = load.finish();
    let check = wrong.run(&["check"]);
    assert!(check.code != Some(0) && check.err.contains("mymaster") && check.err.contains(SERVICE), "{check:?}");
    service.stop();

    let service = place.start();
    set.servers[0].server.wait_for("the views of the journal are in the primary", &tally);
    service.settle(&place, &set.servers[0].server, &tally);
}

#[test]
fn check_advises_how_a_primary_that_is_cut_off_refuses_views() {
    let set = SentinelSet::start(&LOGGING);
    let place = place(&set);
    let advice = "set min-replicas-to-write to 1";
    assert!(place.ok(&["check"]).contains(advice));
    for node in &set.servers {
        let () = node.server.cli("CONFIG SET min-replicas-to-write 1");
    }
    let output = place.ok(&["check"]);
    assert!(!output.contains(advice) && !output.contains("no replica"), "{output}");
}
