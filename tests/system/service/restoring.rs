//! Files that are restored from an older copy.

use std::{path::PathBuf, time::Duration};

use rusqlite::{Connection, OpenFlags};
use truycap::{
    domain::{producer::Seq, site::SiteId},
    journal::{
        Journal,
        sqlite::{Config, SqliteJournal},
    },
};

use super::{
    counts::{Counts, shown_fit, total},
    files::{copy_aside, place, put_back},
    load::{Load, Tally, pages},
    process::{Place, Service, eventually},
    sites::SITES,
};

/// Counts at least `views` views of articles whose ids end with `ending`.
fn count(service: &Service, ending: &str, views: u64) -> Tally {
    let load = Load::start(8, pages(12, ending), Duration::ZERO);
    load.aim(Some(&service.public));
    load.wait_for(views);
    load.finish()
}

fn number(path: &PathBuf, sql: &str) -> Seq {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
}

/// The number of a site's views in the journal, which no process has open.
fn kept(place: &Place, site: &str) -> u64 {
    let journal = SqliteJournal::open(Config { path: place.journal(), max_bytes: 1 << 20 }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (site, mut after, mut views) = (SiteId::parse(site).unwrap(), 0, 0);
    while after < journal.head_at_open() {
        let replay = runtime.block_on(journal.read(&site, after, journal.head_at_open())).unwrap();
        views += replay.days.values().map(|day| day.views).sum::<u64>();
        after = replay.to;
    }
    views
}

/// Waits until a line of the log contains all these words.
fn logged(service: &Service, words: &[&str]) {
    eventually(&format!("the log says {words:?}"), || {
        service.process.log().lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    });
}

#[test]
fn a_journal_restored_from_an_older_copy_is_logged_and_new_views_are_counted_exactly() {
    let place = place();
    let service = place.start();
    let first = count(&service, "", 200);
    service.stop();
    let copy = copy_aside(&place.journal());
    let head = number(&copy, "SELECT max(seq) FROM entries");
    let service = place.start();
    let second = count(&service, "", 200);
    service.stop();
    put_back(&place.journal(), &copy);

    let last = SITES.map(|site| number(&place.store(), &format!("SELECT offset FROM offsets WHERE site = '{site}'")));
    // Views arrive at once; none may get a sequence number that the store has already applied.
    let service = place.start_unready();
    let third = count(&service, "", 200);
    for (site, last) in SITES.into_iter().zip(last) {
        logged(&service, &["ERROR", &format!("site={site}"), &format!("first={} last={last}", head + 1), "older than the store"]);
    }
    let tally = first.and(&second).and(&third);
    shown_fit(&service, &tally, || tally.clone());
    service.stop();
    Counts::exported(&place).fit(&tally);
    // The next start logs no error.
    let service = place.start();
    shown_fit(&service, &tally, || tally.clone());
    assert!(!service.process.log().contains("ERROR"), "{}", service.process.log());
}

#[test]
fn a_store_restored_from_an_older_copy_catches_up_from_the_journal() {
    let place = place();
    let service = place.start();
    let first = count(&service, "", 200);
    service.stop();
    let copy = copy_aside(&place.store());
    let service = place.start();
    let second = count(&service, "", 300);
    service.process.kill();
    put_back(&place.store(), &copy);

    let tally = first.and(&second);
    let service = place.start();
    shown_fit(&service, &tally, || tally.clone());
    let third = count(&service, "", 50);
    service.stop();
    Counts::exported(&place).fit(&tally.and(&third));
}

#[test]
fn a_store_restored_to_before_the_journal_begins_is_logged_and_counting_continues() {
    let place = place().with("JOURNAL__MAX_BYTES", "1MiB");
    let service = place.start();
    count(&service, "", 100);
    service.stop();
    let copy = copy_aside(&place.store());
    let old = Counts::exported(&place);
    let service = place.start();
    count(&service, &"x".repeat(240), 8000);
    service.stop();
    put_back(&place.store(), &copy);
    let kept = SITES.map(|site| kept(&place, site));
    let trimmed = number(&place.journal(), "SELECT value FROM meta WHERE key = 'trimmed'");
    // The last deleted entries can be without views of one site. It has lost nothing after its last offset.
    let confirmed = SITES.map(|site| number(&place.journal(), &format!("SELECT offset FROM offsets WHERE site = '{site}'")));

    let service = place.start();
    for ((site, kept), confirmed) in SITES.into_iter().zip(kept).zip(confirmed) {
        let given_up = trimmed.min(confirmed);
        let offset = number(&copy, &format!("SELECT offset FROM offsets WHERE site = '{site}'"));
        assert!(given_up > offset, "the journal reaches back to the copy");
        logged(&service, &["ERROR", &format!("site={site}"), &format!("first={} last={given_up}", offset + 1)]);
        eventually("the views in the journal are counted", || (total(&service, site, "") == old.total(site, "") + kept).then_some(()));
    }
    let new = count(&service, "-new", 100);
    for (site, article) in new.sent.keys().filter(|key| !key.1.is_empty()) {
        assert_eq!(total(&service, site, article), new.of(site, article).acknowledged);
    }
    service.stop();
}
