//! A Redis that is rewound further than the journal reaches.

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

/// The number of entries in a journal. It is counted in a copy of its files, because the service locks them.
fn entries(place: &Place) -> Option<u64> {
    let copy = place.path("copy.db");
    for suffix in ["-wal", ""] {
        fs::copy(format!("{}{suffix}", place.journal().display()), format!("{}{suffix}", copy.display())).ok()?;
    }
    // A copy that was made during a write can be damaged; the caller retries.
    let conn = Connection::open(&copy).ok()?;
    conn.query_row("SELECT count(*) FROM entries", [], |row| row.get::<_, i64>(0)).ok()?.try_into().ok()
}

#[test]
fn a_redis_rewound_further_than_the_journal_reaches_is_logged_with_its_lost_entries_and_counting_continues() {
    let mut server = Server::start(&[]);
    let mut place = place(&server).with("JOURNAL__RETAIN", "1m");
    place.set_clock(&Utc::now().to_rfc3339());
    // The retention of entries is measured by the monotonic clock, so that one is stepped too.
    place.environment.remove("FAKETIME_DONT_FAKE_MONOTONIC");
    let service = place.start();
    let count = |ending: &str| {
        let load = load(&service, ending);
        load.wait_for(100);
        let tally = load.finish();
        server.wait_for("all views are in Redis", &tally);
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
    eventually("the journal has deleted all entries", || {
        // One step is not enough: an entry is kept until a minute after the service has seen it in Redis.
        if stepped.elapsed() > Duration::from_secs(1) {
            (stepped, minutes) = (Instant::now(), minutes + 2);
            place.set_clock(&(Utc::now() + TimeDelta::minutes(minutes)).to_rfc3339());
        }
        entries(&place).filter(|entries| *entries == 0)
    });

    // From now on, entries stay in the journal, because a frozen Redis confirms none.
    server.signal("STOP");
    let load = load(&service, "");
    load.wait_for(100);
    server.crash();
    load.wait_for(50);
    server.restart();
    for ((site, saved), last) in SITES.into_iter().zip(saved).zip(last) {
        let [first, last] = [saved, last].map(|offsets| *offsets.values().max().unwrap());
        let words = ["ERROR", &format!("site={site}"), "went back further than the journal reaches"];
        let line = eventually("the lost entries are logged", || service.logged(&words).pop());
        assert!(line.ends_with(&format!(" first={} last={last}", first + 1)), "{line}");
    }
    load.wait_for(100);
    let after = load.finish();
    all_acknowledged(&after);
    let log = service.settle(&place, &server, &kept.and(&after));
    assert_eq!(log.matches("ERROR").count(), SITES.len(), "{log}");
}
