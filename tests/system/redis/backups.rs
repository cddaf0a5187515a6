//! `truycap backup` and `truycap restore` with Redis, and moves between the kinds of stores.

use super::{
    cluster::Cluster,
    counts::Counts,
    process::Place,
    redis_server::Server,
    sentinel_set::SentinelSet,
    setup::{all_acknowledged, load, place},
    sites::sites,
};

#[test]
fn a_backup_is_restored_into_a_redis_beside_its_instances_and_every_view_counts_once() {
    let server = Server::start(&[]);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(200);
    server.wait_for("the first views are in Redis", &load.tally());
    place.ok(&["backup", "backup.db"]);
    let before = load.tally();
    load.wait_for(200);
    server.wait_for("views are in Redis that the backup lacks", &load.tally());
    let finished = place.run(&["restore", "backup.db"]);
    assert!(finished.code == Some(1) && finished.err.contains("add --replace"), "{finished:?}");
    let finished = place.clone().with("STORE__PREFIX", "other").run(&["backup", "other.db"]);
    assert!(finished.code == Some(1) && finished.err.contains("holds no site with the prefix other"), "{finished:?}");
    assert!(!place.path("other.db").exists());
    place.ok(&["restore", "--replace", "backup.db"]);
    service.wait_for_log(&["WARN", "the store went back"]);
    load.wait_for(100);
    let tally = load.finish();
    all_acknowledged(&tally);
    server.wait_for("the views after the backup are in Redis again", &tally);
    let log = service.settle(&place, &server, &tally);
    assert!(!log.contains("ERROR"), "{log}");
    // A Redis that lost everything while no instance ran.
    let () = server.cli("FLUSHALL");
    place.ok(&["restore", "backup.db"]);
    assert!(!server.has(&tally) && server.counts().total("portal", "") >= 1, "{before:?}");
    let service = place.start();
    service.wait_for_views(&tally);
    service.settle(&place, &server, &tally);
}

/// Counts on one store, and goes on counting on another one with the same journal.
fn moves(from: &Place, to: &Place) {
    let service = from.start();
    let first = load(&service, "");
    first.wait_for(200);
    from.ok(&["backup", "move.db"]);
    first.wait_for(200);
    first.aim(None);
    service.stop();
    to.ok(&["restore", "move.db"]);
    let service = to.start();
    first.aim(Some(&service.public));
    first.wait_for(100);
    let tally = first.finish();
    service.wait_for_views(&tally);
    let log = service.stop().err;
    assert!(!log.contains("ERROR"), "{log}");
    Counts::exported(to).fit(&tally);
}

#[test]
fn a_service_moves_between_the_built_in_store_and_redis_by_a_backup() {
    let server = Server::start(&[]);
    let file = sites();
    let path = format!("sqlite:{}", file.path("truycap.db").display());
    let file = file.with("STORE__URL", &path);
    moves(&file, &file.clone().with("STORE__URL", &server.url()));
    let again = Server::start(&[]);
    let redis = place(&again);
    moves(&redis, &redis.clone().with("STORE__URL", &format!("sqlite:{}", redis.path("truycap.db").display())));
}

#[test]
fn a_service_moves_between_one_server_a_cluster_and_a_sentinel_set_by_a_backup() {
    let (server, again) = (Server::start(&[]), Server::start(&[]));
    // The sites are on different primaries.
    let cluster = Cluster::start(&[(0, 3000), (3001, 16383)], false, &[]);
    let set = SentinelSet::start(&[]);
    let one = place(&server);
    moves(&one, &one.clone().with("STORE__URL", &cluster.url()));
    assert!(cluster.nodes.iter().filter(|node| node.server.cli::<u64>("DBSIZE") > 0).count() > 1);
    let many = sites().with("STORE__URL", &cluster.url()).with("STORE__PREFIX", "other");
    moves(&many, &many.clone().with("STORE__URL", &set.url()));
    let primary = sites().with("STORE__URL", &set.url()).with("STORE__PREFIX", "third");
    moves(&primary, &primary.clone().with("STORE__URL", &again.url()));
}
