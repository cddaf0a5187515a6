//! Power cuts on a disk that forgets what was not synced: every acknowledged view is counted, and none twice.
//!
//! With `TRUYCAP_SOAK=1`, there are more cuts. A seed decides the faults and the cuts, but not the moments.

use std::{
    os::unix::fs::symlink,
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use super::{
    counts::{Counts, shown_fit},
    files::place,
    forgetful_disk::{ForgetfulDisk, Pending},
    load::{Load, pages},
    process::{Place, Service},
};

/// What fails in a process. One that does not end by itself is killed.
const FAILED_SYNCS: [&str; 8] = [
    "sync journal.db 1/2;sync store.db 1/2",
    "sync * 1/20;kill * 1/60",
    "sync journal.db-wal 1/60",
    "sync journal.db* 1/30;sync . 1/4",
    "sync store.db-wal 1/4",
    "sync store.db* 1/3",
    "sync * 1/40",
    "sync * 1/40;short * 1/10",
];
const REFUSED_WRITES: [&str; 5] =
    ["short * 1/8", "full journal.db* 1/30", "full journal.db* 60-300", "full store.db* 1/6", "full * 1/40;short * 1/20"];

/// A service on such a disk, and the views that are sent to it.
struct Portal {
    disk: ForgetfulDisk,
    place: Place,
    load: Load,
    rng: StdRng,
}

impl Portal {
    fn new(seed: u64, articles: usize) -> Self {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let place = place();
        let disk = ForgetfulDisk::new(&place.path("disk"));
        // With the longest one, views are only in the journal.
        let interval = ["10ms", "50ms", "10s"].choose(&mut rng).unwrap();
        let place = place.with("STORE__FLUSH_INTERVAL", interval);
        let place = place.with_journal(disk.path("journal.db")).with_store(disk.path("store.db"));
        let load = Load::start(3, pages(articles, ""), Duration::from_micros(200));
        Self { disk, place, load, rng }
    }

    /// Configures symbolic links to the files.
    fn use_links(&mut self) {
        let [journal, store] = ["journal.db", "store.db"].map(|name| {
            symlink(self.disk.path(name), self.place.path(name)).unwrap();
            self.place.path(name)
        });
        self.place = self.place.with_journal(journal).with_store(store);
    }

    fn on_disk(&mut self, faults: &str) -> Place {
        self.disk.under(&self.place, self.rng.random(), faults)
    }

    /// Starts the service without faults, and checks its figures.
    #[track_caller]
    fn start(&mut self) -> Service {
        let before = self.load.tally();
        let service = self.on_disk("").start();
        shown_fit(&service, &before, || self.load.most());
        service
    }

    /// Runs the service for a short time with faults; it can end before.
    fn run(&mut self, faults: &str) {
        if let Ok(service) = self.on_disk(faults).try_start() {
            self.count_and_kill(service);
        }
    }

    fn run_with_one_of(&mut self, faults: &[&str]) {
        let faults = faults.choose(&mut self.rng).unwrap();
        println!("{faults}");
        self.run(faults);
    }

    /// Sends views until the service ends, or for a short time; then kills it.
    fn count_and_kill(&mut self, mut service: Service) {
        self.load.aim(Some(&service.public));
        let end = Instant::now() + Duration::from_millis(self.rng.random_range(5..150));
        while Instant::now() < end && !service.process.has_ended() {
            thread::sleep(Duration::from_millis(1));
        }
        service.process.kill();
        self.load.aim(None);
    }

    /// Cuts the power of some files.
    fn cut(&mut self, files: &str) {
        let pending = *[Pending::Lost, Pending::Half(512), Pending::Half(4096)].choose(&mut self.rng).unwrap();
        println!("cut of {files:?}: {pending:?}");
        self.disk.cut(pending, &mut self.rng, |name| name.starts_with(files));
    }

    /// Stops the load, looks for damage, and compares the store with the load.
    fn finish(mut self) {
        let service = self.start();
        let tally = self.load.finish();
        shown_fit(&service, &tally, || tally.clone());
        service.stop();
        self.place.ok(&["check", "--full"]);
        Counts::exported(&self.place).fit(&tally);
        println!("{:?}, {} refused", tally.all(), tally.refused);
        assert!(tally.all().acknowledged > 0);
    }
}

/// `more` with `TRUYCAP_SOAK`, otherwise `plain`.
fn soak(plain: u64, more: u64) -> u64 {
    if std::env::var_os("TRUYCAP_SOAK").is_some() { more } else { plain }
}

const BOTH: &str = "";

/// Cuts the power several times on each of some disks. Before a cut, `outage` runs the service.
fn cuts(disks: u64, outage: impl Fn(&mut Portal), choose: impl Fn(&mut StdRng) -> &'static str) {
    let mut faults = 0;
    for seed in 0..disks {
        let mut portal = Portal::new(seed, 12);
        for _ in 0..5 {
            outage(&mut portal);
            let files = choose(&mut portal.rng);
            portal.cut(files);
            let service = portal.start();
            portal.count_and_kill(service);
        }
        faults += portal.disk.fired().lines().count();
        println!("{}", portal.disk.fired());
        portal.finish();
    }
    assert!(faults > 10, "only {faults} calls failed");
}

fn both_or_one(rng: &mut StdRng) -> &'static str {
    [BOTH, BOTH, "journal", "store"].choose(rng).unwrap()
}

#[test]
fn power_cuts_lose_nothing() {
    let outage = |portal: &mut Portal| portal.run_with_one_of(&["", "kill journal.db* 1/60", "kill store.db* 1/20", "kill *.db 1/2"]);
    cuts(soak(15, 200), outage, both_or_one);
}

#[test]
fn short_writes_and_full_disks_lose_nothing_at_a_power_cut() {
    cuts(soak(15, 200), |portal| portal.run_with_one_of(&REFUSED_WRITES), both_or_one);
}

#[test]
fn failed_syncs_lose_nothing_at_a_power_cut() {
    cuts(soak(15, 200), |portal| portal.run_with_one_of(&FAILED_SYNCS), |_| BOTH);
}

#[test]
fn failed_syncs_and_restarts_lose_nothing_at_a_power_cut() {
    let outage = |portal: &mut Portal| {
        for _ in 0..portal.rng.random_range(1..3) {
            portal.run_with_one_of(&FAILED_SYNCS);
        }
        portal.run("");
    };
    cuts(soak(15, 200), outage, both_or_one);
}

/// A process dies with a failed sync, the next one in the middle of copying a log into its file, and then the power goes. On the
/// disk, the file is then newer than what is left of the log.
#[test]
fn a_power_cut_during_a_checkpoint_after_a_failed_sync_and_a_restart_damages_nothing() {
    const ARTICLES: usize = 1000;
    for seed in 0..soak(16, 200) {
        let file = if seed % 2 == 0 { "journal" } else { "store" };
        let mut portal = Portal::new(seed, ARTICLES);
        portal.place = portal.place.clone().with("STORE__FLUSH_INTERVAL", "10ms");
        if seed / 4 % 2 == 1 {
            portal.use_links();
        }
        let service = portal.start();
        portal.load.aim(Some(&service.public));
        portal.load.wait_for(2 * ARTICLES as u64);
        service.stop();
        let faulty = portal.on_disk(&format!("sync {file}.db-wal 9-9;kill {file}.db-wal 9-9")).start();
        portal.load.aim(Some(&faulty.public));
        assert_eq!(faulty.process.wait(Duration::from_secs(30)).code, None);
        // A start can write the file again. The next sync of it is that of the checkpoint at the stop.
        let call = seed / 2 % 2 + 1;
        if let Ok(service) = portal.on_disk(&format!("kill {file}.db {call}-{call}")).try_start() {
            portal.load.aim(Some(&service.public));
            portal.load.wait_for(200);
            service.process.signal("TERM");
            service.process.wait(Duration::from_secs(30));
        }
        portal.load.aim(None);
        portal.cut(BOTH);
        portal.finish();
    }
}

#[test]
fn views_acknowledged_after_a_failed_sync_and_a_restart_outlive_a_power_cut() {
    let mut portal = Portal::new(1, 12);
    portal.place = portal.place.clone().with("STORE__FLUSH_INTERVAL", "10s");
    let faulty = portal.on_disk("sync journal.db-wal 50-50").start();
    portal.load.aim(Some(&faulty.public));
    let faulty = faulty.process.wait(Duration::from_secs(30));
    assert_eq!(faulty.code, Some(1), "{}", faulty.err);
    portal.load.aim(None);
    let service = portal.start();
    portal.load.aim(Some(&service.public));
    portal.load.wait_for(300);
    service.process.kill();
    portal.load.aim(None);
    portal.disk.cut(Pending::Lost, &mut portal.rng, |_| true);
    portal.finish();
}
