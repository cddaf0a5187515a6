//! Corrections while both sites are counted, with kills of the command, of the service and of Redis at any moment.

use std::{thread, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    PAST, audited, files, import, past_of_articles,
    process::{Place, Service, child::Process, eventually},
    redis_server::Server,
    sender::Sender,
    sites::sites,
    soak, totals,
};

const LOGGING: [&str; 4] = ["--appendonly", "yes", "--appendfsync", "everysec"];

fn seeded() -> StdRng {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    eprintln!("seed {seed}");
    StdRng::seed_from_u64(seed)
}

/// Gives a command and kills it after a random time, again and again, until it has succeeded; then once more. `interrupt` is called
/// while it runs. Returns how often it was killed.
fn until_done(place: &Place, arguments: &[&str], random: &mut StdRng, mut interrupt: impl FnMut(u32)) -> u32 {
    let mut kills = 0;
    loop {
        let mut process = Process::spawn(place.command(arguments));
        // Longer each time, so that it ends.
        thread::sleep(Duration::from_millis(random.random_range(0..60 + 20 * u64::from(kills))));
        interrupt(kills);
        if process.has_ended() {
            let finished = process.wait(Duration::ZERO);
            assert_eq!(finished.code, Some(0), "{}", finished.err);
            return kills;
        }
        process.kill();
        kills += 1;
        assert!(kills < 500, "it does not end");
    }
}

/// What both sites have together is the past and the views that were counted, and the audit list agrees.
fn check(place: &Place, articles: usize, (least, most): (u64, u64)) {
    let ([portal, khoa], past) = (["portal", "khoa"].map(|site| totals(place, site)), past_of_articles(articles));
    let [own, of_articles] = [(portal.0 + khoa.0).checked_sub(2 * PAST), (portal.1 + khoa.1).checked_sub(2 * past)].map(Option::unwrap);
    assert!((least..=most).contains(&own), "{own} views of sites, {least} to {most} were counted");
    assert_eq!(of_articles, own, "each view was one of an article");
    let [by_portal, by_khoa] = ["portal", "khoa"].map(|site| audited(place, site));
    assert_eq!((by_portal.0 + by_khoa.0, by_portal.1 + by_khoa.1), (0, 0), "what left one site is in the other");
    println!("{own} views were counted; {by_portal:?} were moved");
}

fn merged_under_load(place: &Place, articles: usize, mut interrupt: impl FnMut(u32)) {
    let mut random = seeded();
    import(place, articles);
    let sender = Sender::start(["portal", "khoa"]);
    let mut service: Option<Service> = Some(place.start());
    sender.aim(Some(&service.as_ref().unwrap().public));
    sender.wait_for(50);
    let kills = until_done(place, &["merge", "khoa", "portal"], &mut random, |kill| {
        interrupt(kill);
        if kill % 4 == 1 {
            sender.aim(None);
            service.take().unwrap().process.kill();
            service = Some(place.start());
            sender.aim(Some(&service.as_ref().unwrap().public));
        }
    });
    sender.wait_for(50);
    let counted = sender.finish();
    service.take().unwrap().stop();
    println!("the command was killed {kills} times");
    check(place, articles, counted);
    // What came during the merge is moved by the same command.
    place.run(&["merge", "khoa", "portal"]);
    assert_eq!(totals(place, "khoa"), (0, 0));
    check(place, articles, counted);
    // Back again: all merges, the latest first. A command that was killed when it was done leaves one more.
    loop {
        let list: serde_json::Value = serde_json::from_str(&place.ok(&["audit", "khoa", "--json"])).unwrap();
        let standing = list.as_array().unwrap().iter().rfind(|entry| entry["kind"] == "merge" && entry["undone_by"].is_null());
        let Some(entry) = standing else { break };
        until_done(place, &["undo", "khoa", &entry["number"].to_string()], &mut random, |_| {});
    }
    check(place, articles, counted);
    assert_eq!(audited(place, "portal"), (0, 0));
}

#[test]
fn a_merge_under_load_that_is_killed_repeatedly_moves_everything_once() {
    merged_under_load(&files::place(), soak(3000, 100_000), |_| {});
}

#[test]
fn a_merge_under_load_in_a_redis_that_is_killed_repeatedly_moves_everything_once() {
    let mut server = Server::start(&LOGGING);
    let place = sites().with("STORE__URL", &server.url());
    merged_under_load(&place, soak(3000, 100_000), |kill| {
        if kill % 5 == 3 {
            server.crash();
            server.restart();
        }
    });
}

/// Two instances on one Redis show a correction that neither of them made.
#[test]
fn all_instances_show_a_correction_and_an_undo() {
    let server = Server::start(&LOGGING);
    let places = [(); 2].map(|()| sites().with("STORE__URL", &server.url()));
    import(&places[0], 10);
    let services = [&places[0], &places[1]].map(Place::start);
    let show = |what: &str, total: u64| {
        let begun = std::time::Instant::now();
        for service in &services {
            eventually(what, || (service.site("portal")[0] == total).then_some(()));
        }
        println!("{what}: after {:?}", begun.elapsed());
    };
    show("the past", PAST);
    places[0].ok(&["adjust", "portal", "-1000", "--period", "2024"]);
    show("the adjust", PAST - 1000);
    places[0].ok(&["merge", "khoa", "portal"]);
    show("the merge", 2 * PAST - 1000);
    assert_eq!(services[1].site("khoa")[0], 0);
    places[1].ok(&["undo", "portal", "1"]);
    places[1].ok(&["undo", "portal", "2"]);
    show("the undo", PAST);
    services.into_iter().for_each(|service| drop(service.stop()));
}
