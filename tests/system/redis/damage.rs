//! A key of one site that holds something else.

use super::{
    load::Load,
    on_redis::key,
    process::{Service, eventually},
    redis_server::Server,
    setup::{LOGGING, Way, all_acknowledged, load, place},
};

/// Puts the most-read list of `khoa` aside, and a text in its place.
fn damage(server: &Server) -> String {
    let name = key("khoa", "articles:total");
    let () = redis::pipe().atomic().rename(&name, "aside").set(&name, "text").query(&mut server.raw()).unwrap();
    name
}

fn repair(server: &Server, name: &str) {
    let () = redis::pipe().atomic().del(name).rename("aside", name).query(&mut server.raw()).unwrap();
}

/// The other site is counted; this one is told, with the key.
fn others_go_on(service: &Service, server: &Server, load: &Load, name: &str) {
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
fn a_key_of_the_wrong_type_stops_one_site_which_is_whole_when_it_is_repaired() {
    let server = Server::start(&LOGGING);
    let place = place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(100);
    let before = load.tally();
    server.wait_for("views are in Redis", &before);
    let name = damage(&server);
    others_go_on(&service, &server, &load, &name);
    repair(&server, &name);
    let before = load.tally();
    server.wait_for("everything is in Redis after the repair", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    let log = service.settle(&place, &server, &tally);
    assert_eq!((log.matches("ERROR").count(), log.matches("WARN").count()), (1, 0), "{log}");
}

#[test]
fn damage_is_told_though_redis_was_away_before_and_an_outage_though_there_is_damage() {
    let server = Server::start(&LOGGING);
    let (way, place) = Way::place(&server);
    let service = place.start();
    let load = load(&service, "");
    load.wait_for(100);
    let before = load.tally();
    server.wait_for("views are in Redis", &before);
    let told = |what: &str, times: usize| eventually(what, || (service.logged(&[what]).len() == times).then_some(()));
    way.cut(&server);
    told("the store is unreachable", 1);
    let name = damage(&server);
    way.lead_to(&server);
    told("the store is reachable again", 1);
    others_go_on(&service, &server, &load, &name);
    way.cut(&server);
    told("the store is unreachable", 2);
    repair(&server, &name);
    way.lead_to(&server);
    told("the store is reachable again", 2);
    let before = load.tally();
    server.wait_for("everything is in Redis after the repair", &before);
    let tally = load.finish();
    all_acknowledged(&tally);
    service.settle(&place, &server, &tally);
}
