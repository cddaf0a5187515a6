//! A clock that is wrong for a while deletes nothing.

use truycap_test_support::redis_server::Server;

use super::process::{Place, Service, eventually};

const NOW: &str = "2026-11-23T12:00:00+07:00";

/// The views that the store has of an article, by day and by week.
fn history(service: &Service, article: &str) -> Vec<u64> {
    let query = |by: &str, from: &str, to: &str| {
        let answer = service.get(&format!("/v1/sites/portal/history?by={by}&from={from}&to={to}&article={article}"));
        let buckets = answer.json()["buckets"].as_array().unwrap().clone();
        buckets.into_iter().map(|bucket| bucket["views"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    [query("day", "2026-11-20", "2026-11-23"), query("week", "2026-W46", "2026-W48")].concat()
}

fn count(service: &Service, views: usize) {
    for _ in 0..views {
        service.count("portal", "/tin/1");
    }
}

fn total(service: &Service, views: u64) {
    eventually("the views are in the store", || {
        let answer = service.get("/v1/sites/portal/history?by=year&from=2026&to=2028").json();
        let years = answer["buckets"].as_array()?.iter().map(|bucket| bucket["views"].as_u64().unwrap()).sum::<u64>();
        (years == views).then_some(())
    });
}

/// The clock is ahead for two views, also over a restart, and comes back.
fn nothing_is_lost(mut place: Place, ahead: &str) {
    place.set_clock("2026-11-20T12:00:00+07:00");
    let service = place.start();
    count(&service, 2);
    total(&service, 2);
    place.set_clock(NOW);
    count(&service, 5);
    total(&service, 7);
    let before = history(&service, "/tin/1");
    assert_eq!(before, [2, 0, 0, 5, 0, 2, 5]);
    place.set_clock(ahead);
    count(&service, 1);
    total(&service, 8);
    let log = service.stop().err;
    assert_eq!(log.matches("nothing expires for six hours").count(), 1, "{log}");
    let service = place.start();
    count(&service, 1);
    total(&service, 9);
    place.set_clock(NOW);
    count(&service, 1);
    total(&service, 10);
    assert_eq!(history(&service, "/tin/1"), [2, 0, 0, 6, 0, 2, 6]);
    assert_eq!(service.article("portal", "/tin/1")[..2], [10, 6]);
    service.stop();
}

#[test]
fn a_clock_that_is_days_or_years_ahead_for_a_while_deletes_nothing() {
    for ahead in ["2027-01-07T12:00:00+07:00", "2027-12-28T12:00:00+07:00"] {
        nothing_is_lost(Place::new(), ahead);
    }
}

#[test]
fn a_clock_that_is_ahead_for_a_while_deletes_nothing_in_redis() {
    let server = Server::start(&[]);
    nothing_is_lost(Place::new().with("STORE__URL", &server.url()), "2027-12-28T12:00:00+07:00");
}
