//! What processes and the machine have used since they started, from `/proc`; made for the difference of two readings.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// The unit in which Linux reports times to programs, in seconds, on every architecture.
const TICK: f64 = 0.01;

/// The processor time of a process in seconds: of its threads, to the nanosecond, and of its ended children, because Redis
/// rewrites its file in a child.
pub(crate) fn cpu(pid: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
    let times = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok());
    let nanoseconds: f64 = times.filter_map(|times| times.split(' ').next()?.parse::<f64>().ok()).sum();
    let [_, _, children, children_system] = times_of(&pid.to_string());
    nanoseconds / 1e9 + children + children_system
}

/// The processor time of this process in seconds, including threads that have ended.
pub(crate) fn own_cpu() -> f64 {
    let [user, system, ..] = times_of("self");
    user + system
}

/// User and system time in seconds, of a process and of its ended children.
fn times_of(process: &str) -> [f64; 4] {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("it runs");
    // After the name, which can hold any character.
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a name").1.split_whitespace().collect();
    [11, 12, 13, 14].map(|place| fields[place].parse::<f64>().expect("a number") * TICK)
}

/// A process's resident memory in bytes: `VmRSS`, the present value, or `VmHWM`, the maximum so far.
pub(crate) fn memory(pid: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).expect("Linux") * 1024
}

/// The time of all processors together, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processors {
    pub(crate) all: f64,
    pub(crate) idle: f64,
}

pub(crate) fn processors() -> Processors {
    let stat = fs::read_to_string("/proc/stat").expect("Linux");
    // user, nice, system, idle, iowait, irq, softirq, and steal: time that the host gave to others.
    let times: Vec<f64> = stat.split_whitespace().skip(1).take(8).map(|time| time.parse::<f64>().expect("a number") * TICK).collect();
    Processors { all: times.iter().sum(), idle: times[3] + times[4] }
}

/// How many flushes the disk of a directory has received from any process, if that is known.
pub(crate) fn flushes(dir: &Path) -> Option<f64> {
    let device = fs::metadata(dir).ok()?.dev();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    let all = fs::read_to_string("/proc/diskstats").ok()?;
    let line = all
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .find(|line| line[..2] == [major.to_string(), minor.to_string()])?;
    line.get(18)?.parse().ok()
}
