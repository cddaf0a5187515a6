//! All sentinels away, or all servers.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use super::{
    LOGGING, load,
    load::{Load, pages},
    process::{Service, eventually},
    sentinel_set::SentinelSet,
    setup::{Scene, place},
    soak,
};

#[test]
fn without_sentinels_counting_goes_on_at_the_last_primary_even_over_a_new_connection() {
    let mut scene = Scene::begin();
    scene.set.sentinels.iter_mut().for_each(|node| node.server.crash());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(soak(4, 60)) {
        scene.reaches(0, "views are in the last primary");
        scene.set.disconnect(0);
        scene.reaches(0, "views are in the last primary after a disconnection");
        thread::sleep(Duration::from_millis(500));
    }
    scene.set.sentinels.iter_mut().for_each(|node| node.server.run());
    scene.set.wait_until_whole();
    // A change is followed again.
    let next = scene.set.failover();
    scene.reaches(next, "views are in the next primary");
    scene.end();
}

#[test]
fn a_service_that_starts_without_sentinels_keeps_views_until_one_names_a_primary() {
    let mut scene = Scene::begin();
    scene.set.sentinels.iter_mut().for_each(|node| node.server.crash());
    scene.load.aim(None);
    thread::sleep(Duration::from_millis(100));
    assert_eq!(scene.service.stop().code, Some(0));
    scene.service = scene.place.start();
    scene.load.aim(Some(&scene.service.public));
    scene.load.wait_for(100);
    scene.service.wait_for_log(&["the store is unreachable"]);
    let kept = scene.load.tally();
    thread::sleep(Duration::from_secs(soak(1, 60)));
    assert!(!scene.server(0).has(&kept));
    // One is enough.
    scene.set.sentinels[1].server.run();
    scene.server(0).wait_for("the views of the journal are in the primary", &kept);
    scene.set.sentinels.iter_mut().step_by(2).for_each(|node| node.server.run());
    scene.end();
}

/// The resident memory of the process in KiB.
fn memory(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process.id())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap()
}

#[test]
fn while_all_servers_are_away_memory_stays_bounded_and_later_each_view_is_counted_once() {
    let mut set = SentinelSet::start(&LOGGING);
    let place = place(&set);
    let service = place.start();
    let slow = load(&service, "");
    eventually("views are in the primary", || set.servers[0].server.has(&slow.tally()).then_some(()));
    set.servers.iter_mut().for_each(|node| node.server.crash());
    let fast = Load::start(8, pages(2000, "-fast"), Duration::ZERO);
    fast.aim(Some(&service.public));
    let (begun, mut kib) = (Instant::now(), Vec::new());
    while begun.elapsed() < Duration::from_secs(soak(4, 300)) {
        thread::sleep(Duration::from_secs(soak(1, 20)));
        kib.push(memory(&service));
    }
    let fast = fast.finish();
    println!("{} views while all servers were away; resident memory in KiB: {kib:?}", fast.all().acknowledged);
    assert!(kib.iter().all(|kib| *kib < 100 << 10), "{kib:?}");
    set.servers.iter_mut().for_each(|node| node.server.restart());
    set.wait_until_whole();
    let tally = slow.finish().and(&fast);
    super::all_acknowledged(&tally);
    let server = &set.servers[set.primary().unwrap()].server;
    server.wait_for("all views are in the primary", &tally);
    service.settle(&place, server, &tally);
}
