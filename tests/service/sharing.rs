//! Two instances: one journal they cannot share, one store they can.

use std::time::{Duration, Instant};

use crate::{
    counts::{Counts, shown_fit, total},
    load::{Load, Tally, pages},
    place::place,
    process::{Place, wait::within},
};

#[test]
fn a_second_process_on_the_same_journal_ends_at_once_and_names_it() {
    let place = place();
    let service = place.start();
    service.count("portal", "/1");
    let second = place.with_store(place.path("other.db")).spawn().wait(Duration::from_secs(5));
    assert_eq!(second.code, Some(1), "{}", second.err);
    let name = place.journal().display().to_string();
    assert!(second.err.contains(&name) && second.err.contains("held by another process"), "{}", second.err);
    service.count("portal", "/1");
    service.stop();
    assert_eq!(Counts::exported(&place).total("portal", "/1"), 2);
}

#[test]
fn two_instances_on_one_store_count_together_and_show_each_others_views() {
    let place = place();
    let places = [place.with_journal(place.path("a.db")), place.with_journal(place.path("b.db"))];
    let services = places.each_ref().map(Place::start);
    let loads = services.each_ref().map(|service| {
        let load = Load::start(3, pages(8, ""), Duration::from_millis(2));
        load.aim(Some(&service.public));
        load
    });
    loads.iter().for_each(|load| load.wait_for(300));
    let mut tally = loads.into_iter().map(Load::finish).fold(Tally::default(), |sum, tally| sum.and(&tally));

    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        let (here, there) = (&services[round % 2], &services[(round + 1) % 2]);
        let before = total(there, "portal", "/seen-by-the-other");
        here.count("portal", "/seen-by-the-other");
        let acknowledged = Instant::now();
        tally.acknowledge(&("portal".into(), "/seen-by-the-other".into()));
        within(Duration::from_secs(5), "the other one shows the view", || {
            (total(there, "portal", "/seen-by-the-other") > before).then_some(())
        });
        slowest = slowest.max(acknowledged.elapsed());
    }
    println!("a view shows at the other instance after at most {slowest:?}");
    for service in services {
        // By now each has everything of the other.
        within(Duration::from_secs(5), "all views are shown", || {
            (total(&service, "portal", "") >= tally.of("portal", "").acknowledged).then_some(())
        });
        shown_fit(&service, &tally, || tally.clone());
        service.stop();
    }
    Counts::exported(&place).fit(&tally);
}
