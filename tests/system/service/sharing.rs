//! Two instances cannot share a journal, but they can share a store.

use std::time::Duration;

use super::{counts::Counts, files::place, process::Place, together::count_together};

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
    let tally = count_together(&services);
    services.into_iter().for_each(|service| drop(service.stop()));
    Counts::exported(&place).fit(&tally);
}
