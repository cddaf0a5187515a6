//! Power cuts on a disk that forgets what was not synced: every acknowledged entry is kept.
//!
//! The process that writes is this test binary. With `TRUYCAP_SOAK=1`, there are more cuts.

#![allow(clippy::print_stdout, reason = "a failure shows which faults there were")]

use std::{
    collections::BTreeMap,
    env,
    io::{self, BufRead, BufReader, Write},
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use tokio::runtime::Builder;
use truycap::{
    domain::producer::{Digest, Position, Seq},
    journal::{
        Journal, JournalError,
        sqlite::{Config, SqliteJournal},
    },
};
use truycap_test_support::forgetful_disk::{ForgetfulDisk, Pending};

use super::support::{MIB, Place, copy, numbered, read_all, sum_of_a, trim};

const FAULTS: [&str; 9] = [
    "",
    "sync *-wal 1/50",
    "sync * 1/30;sync . 1/3",
    "sync *.db 1/2",
    "kill * 1/50",
    "sync * 1/50;kill * 1/20",
    "short * 1/10",
    "full * 1/20",
    "sync * 1/50;short * 1/20;full * 1/40",
];

/// Names the journal of the process that writes.
const PATH: &str = "TRUYCAP_TEST_JOURNAL";

#[tokio::test]
#[ignore = "the process that writes"]
async fn writer() {
    let Some(path) = env::var_os(PATH) else { return };
    let Ok(journal) = SqliteJournal::open(Config { path: path.into(), max_bytes: 64 * MIB }) else { return };
    let mut seq = journal.head_at_open().seq;
    loop {
        match journal.append(numbered(seq + 1)).await {
            Ok(position) => {
                seq = position.seq;
                writeln!(io::stdout(), "\n:written {position}").unwrap();
            }
            Err(JournalError::Full(_)) => {}
            Err(_) => return,
        }
        if seq > 50 && seq.is_multiple_of(20) {
            writeln!(io::stdout(), "\n:deletes {}", seq - 40).unwrap();
            let _ = trim(&journal, seq - 20, seq - 20, seq - 40).await;
        }
    }
}

/// What the writers have reported.
#[derive(Default)]
struct Reported {
    written: BTreeMap<Seq, Digest>,
    /// Entries up to this one can be deleted.
    deleted: Seq,
}

/// Runs a writer until it has written some entries, or, so that a start is interrupted too, for a short time. It can end before.
fn write(disk: &ForgetfulDisk, rng: &mut StdRng, faults: &str, reported: &mut Reported) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "journal::power_cuts::writer", "--ignored", "--nocapture", "--test-threads", "1"]);
    command.env(PATH, disk.path("journal.db")).envs(disk.environment(rng.random(), faults));
    let mut writer = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let output = BufReader::new(writer.stdout.take().unwrap());
    let writer = Mutex::new(writer);
    let (entries, time) = (rng.random_range(1..150), Duration::from_millis(rng.random_range(10..80)));
    let by_time = rng.random_bool(0.25);
    let mut written = 0;
    thread::scope(|scope| {
        if by_time {
            scope.spawn(|| {
                thread::sleep(time);
                writer.lock().unwrap().kill().unwrap();
            });
        }
        for line in output.lines() {
            match *line.unwrap().split(' ').collect::<Vec<_>>() {
                [":written", position] => {
                    let Position { seq, digest } = position.parse().unwrap();
                    reported.written.insert(seq, digest);
                    written += 1;
                    if written == entries {
                        writer.lock().unwrap().kill().unwrap();
                    }
                }
                [":deletes", seq] => reported.deleted = seq.parse().unwrap(),
                _ => {}
            }
        }
    });
    writer.into_inner().unwrap().wait().unwrap();
}

/// Opens a copy, and compares all entries with those that were reported.
async fn compare(disk: &ForgetfulDisk, reported: &Reported) {
    let place = Place::new();
    for name in disk.names().iter().filter(|name| name.ends_with(".db") || name.ends_with("-wal") || name.ends_with("-journal")) {
        copy(&disk.path(name), &place.beside(name));
    }
    let journal = place.open();
    let head = journal.head_at_open().seq;
    let mut kept = 0;
    for (seq, written) in &reported.written {
        let found = journal.digest(*seq).await.unwrap();
        assert!(found == Some(*written) || (found.is_none() && *seq <= reported.deleted), "entry {seq} of {head}: {found:?}");
        kept += u64::from(found.is_some());
    }
    // Entries whose acknowledgement was lost can be there too.
    let first = (1..=head).find(|seq| *seq > reported.deleted).unwrap_or(1);
    assert_eq!(read_all(&journal, "a", first - 1).await.unwrap(), sum_of_a(first..=head), "{kept} of {} entries", reported.written.len());
    journal.close().unwrap();
}

/// Writes to one disk, and cuts its power several times. Returns how many entries were written.
async fn cut_repeatedly(seed: u64) -> usize {
    let mut rng = StdRng::seed_from_u64(seed);
    let place = Place::new();
    let disk = ForgetfulDisk::new(&place.beside("disk"));
    let mut reported = Reported::default();
    for _ in 0..5 {
        for _ in 0..rng.random_range(1..4) {
            let faults = FAULTS.choose(&mut rng).unwrap();
            println!("seed {seed}: {faults}");
            write(&disk, &mut rng, faults, &mut reported);
        }
        let pending = *[Pending::Lost, Pending::Half(512), Pending::Half(4096)].choose(&mut rng).unwrap();
        println!("seed {seed}: {pending:?}");
        disk.cut(pending, &mut rng, |_| true);
        compare(&disk, &reported).await;
    }
    reported.written.len()
}

#[test]
fn entries_outlive_power_cuts_after_failed_syncs_and_refused_writes() {
    let disks = if env::var_os("TRUYCAP_SOAK").is_some() { 1000 } else { 32 };
    let next = AtomicU64::new(0);
    let written = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let runtime = Builder::new_current_thread().build().unwrap();
                while let seed = next.fetch_add(1, Relaxed)
                    && seed < disks
                {
                    written.fetch_add(runtime.block_on(cut_repeatedly(seed)), Relaxed);
                }
            });
        }
    });
    assert!(written.into_inner() as u64 > 100 * disks, "too few entries were written");
}
