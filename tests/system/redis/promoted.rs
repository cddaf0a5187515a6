//! A replica that takes over, and lacks what its master had applied.

use super::{
    process::eventually,
    redis_server::Server,
    setup::{Way, all_acknowledged, load},
    sites::SITES,
};

#[test]
fn a_replica_that_is_promoted_gets_what_the_link_did_not_bring_it() {
    let (mut master, replica) = (Server::start_on_port(&[]), Server::start(&[]));
    let (way, place) = Way::place(&master);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(100);
    let first = load.tally();
    let () = replica.cli(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    eventually("the replica has what the master has", || replica.has(&first).then_some(()));
    let () = replica.cli("REPLICAOF NO ONE");
    load.wait_for(200);
    let second = load.tally();
    master.wait_for("more is in the master", &second);
    assert!(!replica.has(&second));
    master.kill();
    way.lead_to(&replica);
    load.wait_for(50);
    let third = load.tally();
    replica.wait_for("what the link did not bring is in the replica", &third);
    for site in SITES {
        service.wait_for_log(&["WARN", &format!("site={site}"), "the store went back"]);
    }
    let tally = load.finish();
    all_acknowledged(&tally);
    service.settle(&place, &replica, &tally);
}
