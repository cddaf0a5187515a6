//! Files that are restored from an older copy.

use std::{fs, path::PathBuf, time::Duration};

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
    load::{Load, Tally, VISITS, pages},
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
    let head = journal.head_at_open().seq;
    while after < head {
        let replay = runtime.block_on(journal.read(&site, after, head)).unwrap();
        views += replay.days.values().map(|day| day.views).sum::<u64>();
        after = replay.to.seq;
    }
    views
}

/// Waits until a line of the log contains all these words.
fn logged(service: &Service, words: &[&str]) {
    eventually(&format!("the log says {words:?}"), || {
        service.process.log().lines().any(|line| words.iter().all(|word| line.contains(word))).then_some(())
    });
}

/// The number of the last entry of a site that the store has.
fn offset(store: &PathBuf, site: &str) -> Seq {
    number(store, &format!("SELECT max(seq) FROM offsets WHERE site = (SELECT id FROM sites WHERE name = '{site}')"))
}

#[test]
fn a_journal_restored_from_a_copy_of_a_running_service_is_logged_and_views_are_counted_exactly() {
    let place = place();
    let service = place.start();
    let first = count(&service, "", 200);
    shown_fit(&service, &first, || first.clone());
    // Nothing is written now, so the two files belong together.
    let files = [place.journal(), format!("{}-wal", place.journal().display()).into()];
    let copies = files.clone().map(|file| fs::read(file).unwrap());
    let second = count(&service, "", 200);
    service.stop();
    for (file, copy) in files.iter().zip(copies) {
        fs::write(file, copy).unwrap();
    }

    let last = SITES.map(|site| offset(&place.store(), site));
    let service = place.start_unready();
    let third = count(&service, "", 200);
    for (site, last) in SITES.into_iter().zip(last) {
        logged(&service, &["WARN", &format!("site={site}"), &format!("last={last}"), "the journal is a copy"]);
    }
    let tally = first.and(&second).and(&third);
    shown_fit(&service, &tally, || tally.clone());
    service.stop();
    Counts::exported(&place).fit(&tally);
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
    let trimmed = number(&place.journal(), "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'trimmed'");
    // The store has all of the run before. Its last entries can be without views of one site.
    let run = number(&place.journal(), &format!("SELECT max(after) FROM runs WHERE after <= {trimmed}"));
    // The last deleted entries can be without views of one site. It has lost nothing after its last offset.
    let confirmed = SITES.map(|site| number(&place.journal(), &format!("SELECT seq FROM confirmed WHERE site = '{site}'")));

    let service = place.start();
    for ((site, kept), confirmed) in SITES.into_iter().zip(kept).zip(confirmed) {
        let given_up = trimmed.min(confirmed);
        let offset = offset(&copy, site);
        assert!(given_up > offset, "the journal reaches back to the copy");
        logged(&service, &["ERROR", &format!("site={site}"), &format!("first={} last={given_up}", offset.max(run) + 1)]);
        eventually("the views in the journal are counted", || (total(&service, site, "") == old.total(site, "") + kept).then_some(()));
    }
    let new = count(&service, "-new", 100);
    for (site, article) in new.sent.keys().filter(|key| !["", VISITS].contains(&key.1.as_str())) {
        assert_eq!(total(&service, site, article), new.of(site, article).acknowledged);
    }
    service.stop();
}

/// The numbers of a site's corrections in the journal, which no process has open.
fn seen(place: &Place, site: &str) -> Vec<u64> {
    let journal = SqliteJournal::open(Config { path: place.journal(), max_bytes: 1 << 20 }).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let seen = runtime.block_on(journal.corrections(&SiteId::parse(site).unwrap())).unwrap();
    seen.iter().map(|correction| correction.number).collect()
}

#[test]
fn a_store_restored_to_before_a_correction_has_its_views_again_and_names_the_correction() {
    let place = place();
    let service = place.start();
    let first = count(&service, "", 100);
    service.stop();
    let copy = copy_aside(&place.store());
    place.ok(&["adjust", "portal", "1000", "--period", "2020", "--reason", "sổ cũ"]);
    // The service looks once a second.
    let service = eventually("the journal has seen the correction", || {
        let service = place.start();
        for _ in 0..100 {
            total(&service, "portal", "");
            std::thread::sleep(Duration::from_millis(15));
        }
        service.stop();
        (seen(&place, "portal") == [1]).then(|| place.start())
    });
    let second = count(&service, "", 100);
    service.stop();
    put_back(&place.store(), &copy);

    let service = place.start();
    let tally = first.and(&second);
    shown_fit(&service, &tally, || tally.clone());
    logged(&service, &["ERROR", "correction_lost", "site=portal", "number=1", "kind=\"adjust\"", "portal 1000 --period 2020", "sổ cũ"]);
    // As the log says, the command is given again.
    let before = total(&service, "portal", "");
    place.ok(&["adjust", "portal", "1000", "--period", "2020"]);
    eventually("the correction is shown", || (total(&service, "portal", "") == before + 1000).then_some(()));
    service.stop();
}
