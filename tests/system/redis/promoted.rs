//! A replica that takes over and lacks views that its master had applied.

use super::{
    process::eventually,
    redis_server::Server,
    setup::{SocketLink, all_acknowledged, load},
    sites::SITES,
};

#[test]
fn a_promoted_replica_receives_the_views_that_replication_missed() {
    let (mut master, replica) = (Server::start_on_port(&[]), Server::start(&[]));
    let (link, place) = SocketLink::place(&master);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(100);
    let first = load.tally();
    let () = replica.cli(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    eventually("the replica has all views so far", || replica.has(&first).then_some(()));
    let () = replica.cli("REPLICAOF NO ONE");
    load.wait_for(200);
    let second = load.tally();
    master.wait_for("newer views are in the master", &second);
    assert!(!replica.has(&second));
    master.kill();
    link.point_to(&replica);
    load.wait_for(50);
    let third = load.tally();
    replica.wait_for("the missed views are in the replica", &third);
    for site in SITES {
        service.wait_for_log(&["WARN", &format!("site={site}"), "the store went back"]);
    }
    let tally = load.finish();
    all_acknowledged(&tally);
    service.settle(&place, &replica, &tally);
}
