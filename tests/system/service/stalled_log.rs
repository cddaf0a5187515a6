//! A reader of the log that stalls does not stop the service, and the log says what it left out.

use std::{
    io::{BufRead, BufReader, PipeReader, Read},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    counts::Counts,
    disk::Disk,
    files::place,
    load::{Load, pages},
    process::{Place, Service, child::Process, client::Client, eventually, wait::within},
};

/// Starts the service with its log in a pipe of which nothing is read after the line with the addresses.
fn start(place: &Place) -> (Service, BufReader<PipeReader>) {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = place.command(&["serve"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(writer).spawn().unwrap();
    // It holds the end that is written to, too.
    drop(command);
    let process = Process::new(child);
    let mut log = BufReader::new(reader);
    let serving = loop {
        let mut line = String::new();
        assert!(log.read_line(&mut line).unwrap() > 0, "the service ended");
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if line.get("public").is_some() {
            break line;
        }
    };
    let address = |name: &str| serving[name].as_str().unwrap().to_owned();
    (Service { process, public: address("public"), admin: address("admin") }, log)
}

fn metric(service: &Service, name: &str) -> u64 {
    let metrics = Client::connect(&service.admin).unwrap().get("/metrics").unwrap().body;
    let line = metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {metrics}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

fn dropped(service: &Service) -> u64 {
    metric(service, "truycap_log_lines_dropped_total")
}

/// Sends requests, each of which is a line of the log, until lines are left out.
fn fill(service: &Service) {
    let before = dropped(service);
    let mut client = service.client();
    let request = format!("GET /{} HTTP/1.1\r\nhost: x\r\nx-request-id: {}\r\n\r\n", "x".repeat(200), "y".repeat(64));
    eventually("lines are left out", || {
        for _ in 0..100 {
            client.send(&request).unwrap();
            assert_eq!(client.answer().unwrap().status, 404);
        }
        (dropped(service) > before).then_some(())
    });
}

/// All that a visitor and a monitor ask for is answered.
#[track_caller]
fn serves(service: &Service) {
    let mut client = service.client();
    client.count("portal", "/1");
    for path in ["/counter.js", "/v1/sites/portal/figures"] {
        assert_eq!(client.get(path).unwrap().status, 200, "{path}");
    }
    let mut admin = Client::connect(&service.admin).unwrap();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(admin.get(path).unwrap().status, 200, "{path}");
    }
}

/// How many lines were left out, as the log says.
fn left_out(log: &str) -> u64 {
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines
        .filter(|line| line["message"].as_str().unwrap().starts_with("log lines were left out"))
        .map(|line| line["lines"].as_u64().unwrap())
        .sum()
}

#[test]
fn a_log_reader_that_stalls_stops_neither_the_service_nor_its_end() {
    let place = place().with("LOG__LEVEL", "debug").with("LOG__FORMAT", "json");
    let (service, mut log) = start(&place);
    fill(&service);
    serves(&service);
    // The reader goes on: the log says what is missing, in its place and in a whole line.
    let mut said = 0;
    while said < dropped(&service) {
        let mut line = String::new();
        while left_out(&line) == 0 {
            line.clear();
            log.read_line(&mut line).unwrap();
        }
        said += left_out(&line);
    }
    assert_eq!(said, dropped(&service));

    fill(&service);
    serves(&service);
    service.process.signal("TERM");
    let signalled = Instant::now();
    let finished = service.process.wait(Duration::from_secs(10));
    println!("ended {:?} after SIGTERM", signalled.elapsed());
    assert_eq!(finished.code, Some(0));
}

#[test]
fn the_last_lines_of_a_service_that_ends_are_in_the_log() {
    let place = place().with("LOG__LEVEL", "debug").with("LOG__FORMAT", "json");
    let (service, mut log) = start(&place);
    fill(&service);
    let dropped = dropped(&service);
    service.process.signal("TERM");
    let mut read = String::new();
    log.read_to_string(&mut read).unwrap();
    let finished = service.process.wait(Duration::from_secs(10));
    assert_eq!(finished.code, Some(0));
    // The first lines of the stop are left out too if the queue is full.
    let left_out = left_out(&read);
    assert!((dropped..dropped + 20).contains(&left_out), "{left_out} lines, {dropped} before the stop");
    assert!(read.lines().last().unwrap().contains("\"stopped\""), "{read}");
}

/// How long the log is not read, and how long the disk is full; each of them twice.
fn long() -> Duration {
    Duration::from_secs(if std::env::var_os("TRUYCAP_SOAK").is_some() { 15 * 60 } else { 1 })
}

/// Waits, while the load goes on and monitors get their answers.
fn keep_asking(service: &Service, ready: &[u16]) {
    let until = Instant::now() + long();
    while Instant::now() < until {
        let mut admin = Client::connect(&service.admin).unwrap();
        for (path, statuses) in [("/healthz", [200].as_slice()), ("/readyz", ready), ("/metrics", &[200])] {
            let status = admin.get(path).unwrap().status;
            assert!(statuses.contains(&status), "{path}: {status}");
        }
        assert_eq!(service.get("/counter.js").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn with_a_stalled_log_and_a_full_disk_for_long_twice_over_no_acknowledged_view_is_lost() {
    let place = place().with("LOG__LEVEL", "debug").with("LOG__FORMAT", "json");
    // The journal grows all the time, so that it needs room, but does not fill the disk itself.
    let place = place.with("JOURNAL__MAX_BYTES", "4GiB").with("JOURNAL__RETAIN", "7d");
    let mount = place.path("disk");
    let disk = Disk::new(&mount, if long() > Duration::from_secs(1) { 1024 } else { 8 });
    let place = disk.visible_to(place.with_journal(mount.join("journal.db")));
    let (service, mut log) = start(&place);
    let load = Load::start(4, pages(12, ""), Duration::from_millis(5));
    load.aim(Some(&service.public));
    for _ in 0..2 {
        fill(&service);
        keep_asking(&service, &[200]);
        disk.fill();
        let refused = load.tally().refused;
        eventually("views are refused", || (load.tally().refused > refused + 10).then_some(()));
        // The write-ahead log can have room for a small entry now and then.
        keep_asking(&service, &[200, 503]);
        disk.empty();
        let counted = load.tally().all().acknowledged;
        within(Duration::from_secs(15), "views are counted again", || (load.tally().all().acknowledged > counted + 100).then_some(()));
        // The reader goes on, as far as the line about what is missing.
        let mut line = String::new();
        while left_out(&line) == 0 {
            line.clear();
            log.read_line(&mut line).unwrap();
        }
    }
    fill(&service);
    let tally = load.finish();
    service.process.signal("TERM");
    let finished = service.process.wait(Duration::from_secs(10));
    assert_eq!(finished.code, Some(0));
    println!("{:?}, {} refused", tally.all(), tally.refused);
    Counts::exported(&place).fit(&tally);
}
