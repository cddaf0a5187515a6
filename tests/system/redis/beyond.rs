//! A Redis that went back further than the journal reaches.

use std::{
    fs,
    time::{Duration, Instant},
};

use chrono::{TimeDelta, Utc};
use rusqlite::Connection;

use super::{
    process::{Place, eventually},
    redis_server::Server,
    setup::{all_acknowledged, load, place},
    sites::SITES,
};

/// How many entries a journal has, by a copy of its files: it is held by the service.
fn entries(place: &Place) -> Option<u64> {
    let copy = place.path("copy.db");
    for suffix in ["-wal", ""] {
        fs::copy(format!("{}{suffix}", place.journal().display()), format!("{}{suffix}", copy.display())).ok()?;
    }
    // Copied while it was written, it may be damaged: the next copy will do.
    let conn = Connection::open(&copy).ok()?;
    conn.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).ok()?.try_into().ok()
}

#[test]
fn a_redis_that_went_back_beyond_the_journal_is_told_with_the_entries_and_counting_goes_on() {
    let mut server = Server::start(&[]);
    let mut place = place(&server).with("JOURNAL__RETAIN", "1m");
    place.set_clock(&Utc::now().to_rfc3339());
    // How long entries are kept goes by the monotonic clock, so it is stepped too.
    place.environment.remove("FAKETIME_DONT_FAKE_MONOTONIC");
    let service = place.start();
    let count = |ending: &str| {
        let load = load(&service, ending);
        load.wait_for(100);
        let tally = load.finish();
        server.wait_for("what was sent is in Redis", &tally);
        tally
    };
    let kept = count("");
    server.counts().fit(&kept);
    let () = server.cli("SAVE");
    let saved = SITES.map(|site| server.offsets(site));
    let lost = count("-lost");
    all_acknowledged(&lost);
    let last = SITES.map(|site| server.offsets(site));
    let (mut stepped, mut minutes) = (Instant::now(), 0);
    eventually("the journal has let go of all that", || {
        // Again and again: it has to be seen in Redis before a minute passes.
        if stepped.elapsed() > Duration::from_secs(1) {
            (stepped, minutes) = (Instant::now(), minutes + 2);
            place.set_clock(&(Utc::now() + TimeDelta::minutes(minutes)).to_rfc3339());
        }
        entries(&place).filter(|entries| *entries == 0)
    });

    // What comes from now on, a silent Redis cannot confirm, and so it stays in the journal.
    server.signal("STOP");
    let load = load(&service, "");
    load.wait_for(100);
    server.crash();
    load.wait_for(50);
    server.restart();
    for ((site, saved), last) in SITES.into_iter().zip(saved).zip(last) {
        let [first, last] = [saved, last].map(|offsets| *offsets.values().next().unwrap());
        let words = ["ERROR", &format!("site={site}"), "went back further than the journal reaches"];
        let line = eventually("it is told what is lost", || service.logged(&words).pop());
        assert!(line.ends_with(&format!(" first={} last={last}", first + 1)), "{line}");
    }
    load.wait_for(100);
    let after = load.finish();
    all_acknowledged(&after);
    let log = service.settle(&place, &server, &kept.and(&after));
    assert_eq!(log.matches("ERROR").count(), SITES.len(), "{log}");
}
