//! A key of one site that holds a value of the wrong type.

use super::{
    load::Load,
    on_redis::key,
    process::{Service, eventually},
    redis_server::Server,
    setup::{LOGGING, SocketLink, all_acknowledged, load, place},
};

/// Renames the records of `khoa`, and sets a text under its name.
fn damage(server: &Server) -> String {
    let name = key("khoa", "articles");
    let () = redis::pipe().atomic().rename(&name, "aside").set(&name, "text").query(&mut server.raw()).unwrap();
    name
}

fn repair(server: &Server, name: &str) {
    let () = redis::pipe().atomic().del(name).rename("aside", name).query(&mut server.raw()).unwrap();
}

/// Checks that the damage is logged with its site and key, and that the other site is still counted.
fn only_khoa_stops(service: &Service, server: &Server, load: &Load, name: &str) {
    service.wait_for_log(&["ERROR", "site=khoa", name]);
    load.wait_for(100);
    let mut tally = load.tally();
    tally.sent.retain(|(site, _), _| site == "portal");
    eventually("the other site's views are in Redis", || {
        let views: u64 = redis::cmd("HGET").arg(key("portal", "views")).arg("total").query(&mut server.raw()).unwrap();
        (views >= tally.of("portal", "").acknowledged).then_some(())
    });
}

#[test]
fn a_key_of_the_wrong_type_stops_only_its_site_which_recovers_after_the_repair() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(100);
    let before = load.tally();
    server.wait_for("views are in Redis", &before);
    let name = damage(&server);
    only_khoa_stops(&service, &server, &load, &name);
    repair(&server, &name);
    let before = load.tally();
    server.wait_for("everything is in Redis after the repair", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    let log = service.settle(&place, &server, &tally);
    assert_eq!((log.matches("ERROR").count(), log.matches("WARN").count()), (1, 0), "{log}");
}

#[test]
fn damage_is_logged_after_an_outage_and_an_outage_is_logged_during_damage() {
    let server = Server::start(&LOGGING);
    let (link, place) = SocketLink::place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(100);
    let before = load.tally();
    server.wait_for("views are in Redis", &before);
    let logged = |what: &str, times: usize| eventually(what, || (service.logged(&[what]).len() == times).then_some(()));
    link.cut(&server);
    logged("the store is unreachable", 1);
    let name = damage(&server);
    link.point_to(&server);
    logged("the store is reachable again", 1);
    only_khoa_stops(&service, &server, &load, &name);
    link.cut(&server);
    logged("the store is unreachable", 2);
    repair(&server, &name);
    link.point_to(&server);
    logged("the store is reachable again", 2);
    let before = load.tally();
    server.wait_for("everything is in Redis after the repair", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    service.settle(&place, &server, &tally);
}
