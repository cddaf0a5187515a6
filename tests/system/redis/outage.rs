//! An outage of Redis: ten minutes under load, over midnight.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;
use truycap::domain::record::Record;

use super::{
    load::{Load, Tally, VISITS, pages},
    on_redis::key,
    process::{Service, wait::within},
    redis_server::Server,
    setup::{LOGGING, all_acknowledged, logged_one_outage, place, soak},
    sites::SITES,
};

/// Times in Hà Nội. They are in the future, because Redis deletes expired keys by its own clock.
const MINUTES: [&str; 11] = [
    "2099-01-17T23:55:00+07:00",
    "2099-01-17T23:56:00+07:00",
    "2099-01-17T23:57:00+07:00",
    "2099-01-17T23:58:00+07:00",
    "2099-01-17T23:59:00+07:00",
    "2099-01-18T00:00:30+07:00",
    "2099-01-18T00:01:00+07:00",
    "2099-01-18T00:02:00+07:00",
    "2099-01-18T00:03:00+07:00",
    "2099-01-18T00:04:00+07:00",
    "2099-01-18T00:05:00+07:00",
];
const DAYS: [&str; 2] = ["2099-01-17", "2099-01-18"];

/// Sends views one after the other, whose answers have figures. Returns the median time of an answer.
fn median(service: &Service, load: &Load, is_right: impl Fn(&Value) -> bool) -> Duration {
    let (mut client, key) = (service.client(), ("portal".to_owned(), String::new()));
    let time = |_| {
        let start = Instant::now();
        let body = client.count(&key.0, &key.1);
        let time = start.elapsed();
        load.acknowledge(&key);
        assert!(is_right(&body), "{body}");
        time
    };
    let mut times: Vec<_> = (0..21).map(time).collect();
    times.sort();
    times[times.len() / 2]
}

/// The resident memory of the process in KiB.
fn memory(service: &Service) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process.id())).unwrap();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok()).unwrap()
}

/// Checks that all these views are in the buckets of this day, and none in those of the other day.
fn counted_on_day(server: &Server, tally: &Tally, day: usize) {
    for ((site, article), sent) in tally.sent.iter().filter(|(key, _)| !["", VISITS].contains(&key.1.as_str())) {
        let record: Record = server.cli::<String>(&format!("HGET {} {article}", key(site, "articles"))).parse().unwrap();
        let views = DAYS.map(|day| record.views(day.parse().unwrap()));
        let mut expected = [Some(0); 2];
        expected[day] = Some(sent.acknowledged);
        assert_eq!(views, expected, "{site} {article}");
    }
}

#[test]
fn a_redis_outage_over_midnight_delays_no_view_and_each_is_counted_on_its_own_day() {
    let mut server = Server::start(&LOGGING);
    let mut place = place(&server);
    place.set_clock(MINUTES[0]);
    let service = place.start();
    let begin = |ending: &str| {
        let load = Load::start(4, pages(500, ending), Duration::from_millis(1));
        load.aim(Some(&service.public));
        load.wait_for(200);
        load
    };
    let mut load = begin("-before");
    let before = load.tally();
    server.wait_for("views are in Redis", &before);
    let usual = median(&service, &load, |body| body["stale"] == false);
    server.crash();
    within(Duration::from_secs(10), "the figures are stale", || service.is_stale().then_some(()));

    let (mut tallies, mut medians) = (Vec::new(), Vec::new());
    for (minute, time) in MINUTES.into_iter().enumerate() {
        // Before midnight the first load ends, a second one runs over midnight, and a third begins after it.
        if minute == 5 || minute == 7 {
            tallies.push(load.finish());
            load = begin(if minute == 5 { "-over" } else { "-after" });
        }
        place.set_clock(time);
        load.wait_for(soak(300, 10_000));
        medians.push(median(&service, &load, |body| body["stale"] == true));
    }
    tallies.push(load.finish());
    let kib = memory(&service);
    let longest = medians.iter().max().copied().unwrap();
    let tally = tallies.iter().fold(Tally::default(), |sum, tally| sum.and(tally));
    println!("{kib} KiB; a view is usually acknowledged in {usual:?}, during the outage in {medians:?}");
    all_acknowledged(&tally);
    assert!(kib < 100 << 10, "{kib} KiB");
    assert!(longest < 10 * usual + Duration::from_millis(100), "{longest:?} instead of {usual:?}");
    assert!(tally.slowest < Duration::from_secs(2), "an answer took {:?}", tally.slowest);

    server.restart();
    server.wait_for("everything is in Redis after the outage", &tally);
    logged_one_outage(&service.settle(&place, &server, &tally));
    counted_on_day(&server, &tallies[0], 0);
    counted_on_day(&server, &tallies[2], 1);
    for site in SITES {
        let days = DAYS.map(|day| server.cli::<u64>(&format!("HGET {} {day}", key(site, "views"))));
        assert_eq!(days.iter().sum::<u64>(), tally.of(site, "").acknowledged);
        assert!(days[0] >= tallies[0].of(site, "").acknowledged && days[1] >= tallies[2].of(site, "").acknowledged, "{days:?}");
    }
}
