//! The set itself: a fault of the other tests is one of the service only if the set does what they rely on.

use super::{
    process::wait::within,
    redis_server::Server,
    sentinel_set::{Node, SentinelSet},
};
use std::time::{Duration, Instant};

fn set(server: &Server, value: &str) {
    let () = server.cli(&format!("SET key {value}"));
}

fn has(node: &Node, value: &str) {
    within(Duration::from_secs(30), "the value is replicated", || {
        (node.server.cli::<Option<String>>("GET key").as_deref() == Some(value)).then_some(())
    });
}

#[test]
fn a_set_elects_another_primary_if_one_is_killed_frozen_cut_off_or_told_to_and_moves() {
    let begun = Instant::now();
    let say = |what: &str| println!("{:?}: {what}", begun.elapsed());
    let mut set_ = SentinelSet::start(&["--appendonly", "yes"]);
    say("whole");
    set(&set_.servers[0].server, "first");
    (1..3).for_each(|replica| has(&set_.servers[replica], "first"));
    set_.servers[0].server.crash();
    let second = set_.wait_for_another(0);
    say("another after a kill");
    set_.servers[0].server.restart();
    set_.wait_until_whole();
    say("whole");

    set(&set_.servers[second].server, "second");
    has(&set_.servers[0], "second");
    set_.isolate(second);
    let third = set_.wait_for_another(second);
    say("another after a cut");
    // Each accepts writes.
    set(&set_.servers[second].server, "lost");
    set(&set_.servers[third].server, "third");
    set_.heal();
    set_.wait_until_whole();
    say("whole");
    has(&set_.servers[second], "third");

    let fourth = set_.failover();
    say("another after a failover");
    set_.wait_until_whole();
    say("whole");
    set_.isolate_sentinel(0);
    set_.servers[fourth].server.signal("STOP");
    let fifth = set_.wait_for_another(fourth);
    say("another after a freeze");
    let named = [0, 1].map(|sentinel| set_.named_by(sentinel));
    assert_eq!(named, [fourth, fifth].map(|server| Some(set_.servers[server].address())));
    set_.servers[fourth].server.signal("CONT");
    set_.heal();
    set_.wait_until_whole();
    say("whole");
    set_.move_away();
    say("moved");
    has(&set_.servers[0], "third");
    println!("{:?}", set_.logged("+switch-master", Default::default()));
}
