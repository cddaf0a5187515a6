//! Limits log lines that could repeat with every request: one for each key and interval. Further ones are counted. The next line
//! says how many were left out; if none follows, a sweep returns their number.

use std::{
    collections::BTreeMap,
    mem,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// When lines were last logged, by what they are about.
#[derive(Debug)]
pub struct LogThrottle<K> {
    limit: Limit,
    lines: Mutex<Lines<K>>,
}

/// A [`LogThrottle`] for each group, so that the keys of one group take no room from another. The caller bounds the groups.
#[derive(Debug)]
pub struct GroupedLogThrottle<G, K> {
    limit: Limit,
    groups: Mutex<BTreeMap<G, Lines<K>>>,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    interval: Duration,
    max_keys: usize,
}

#[derive(Debug)]
struct Lines<K> {
    lines: BTreeMap<K, Line>,
    /// The lines of keys for which there was no room.
    others: Option<Line>,
}

#[derive(Debug)]
struct Line {
    at: Instant,
    left_out: u64,
}

/// Lines that were left out and that no later line accounts for.
#[derive(Debug, PartialEq, Eq)]
pub struct LeftOut<K> {
    /// How many, by key.
    pub lines: Vec<(K, u64)>,
    /// How many of keys for which there was no room.
    pub others: u64,
}

/// Which lines a sweep forgets. Sweep every second, and once at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Those that have not repeated for an interval.
    Due,
    /// All.
    All,
}

impl<K: Ord + Clone> LogThrottle<K> {
    /// Allows one line for each key in an interval, and for up to `max_keys` at once.
    #[must_use]
    pub const fn new(interval: Duration, max_keys: usize) -> Self {
        Self { limit: Limit { interval, max_keys }, lines: Mutex::new(Lines::new()) }
    }

    /// Whether a line can be logged now; if so, how many were left out since the last one with this key.
    pub fn allow(&self, key: K) -> Option<u64> {
        self.lines.lock().allow(key, self.limit)
    }

    /// Forgets lines, and returns what was left out of them.
    pub fn sweep(&self, sweep: Sweep) -> LeftOut<K> {
        self.lines.lock().sweep(sweep, self.limit)
    }
}

impl<G: Ord + Clone, K: Ord + Clone> GroupedLogThrottle<G, K> {
    /// Allows one line for each key in an interval, and for up to `max_keys` of a group at once.
    #[must_use]
    pub const fn new(interval: Duration, max_keys: usize) -> Self {
        Self { limit: Limit { interval, max_keys }, groups: Mutex::new(BTreeMap::new()) }
    }

    /// Whether a line can be logged now; if so, how many were left out since the last one of this group with this key.
    pub fn allow(&self, group: G, key: K) -> Option<u64> {
        self.groups.lock().entry(group).or_insert_with(Lines::new).allow(key, self.limit)
    }

    /// Forgets lines, and returns what was left out of them, by group.
    pub fn sweep(&self, sweep: Sweep) -> Vec<(G, LeftOut<K>)> {
        let mut swept = Vec::new();
        self.groups.lock().retain(|group, lines| {
            let left_out = lines.sweep(sweep, self.limit);
            if left_out.total() > 0 {
                swept.push((group.clone(), left_out));
            }
            !lines.lines.is_empty() || lines.others.is_some()
        });
        swept
    }
}

impl<K> LeftOut<K> {
    /// How many, of all keys.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.lines.iter().map(|(_, left_out)| left_out).sum::<u64>() + self.others
    }
}

impl<K: Ord + Clone> Lines<K> {
    const fn new() -> Self {
        Self { lines: BTreeMap::new(), others: None }
    }

    fn allow(&mut self, key: K, limit: Limit) -> Option<u64> {
        let now = Instant::now();
        if let Some(line) = self.lines.get_mut(&key) {
            if now.duration_since(line.at) < limit.interval {
                line.left_out += 1;
                return None;
            }
            line.at = now;
            return Some(mem::take(&mut line.left_out));
        }
        if self.lines.len() < limit.max_keys {
            self.lines.insert(key, Line { at: now, left_out: 0 });
            return Some(0);
        }
        self.others.get_or_insert(Line { at: now, left_out: 0 }).left_out += 1;
        None
    }

    fn sweep(&mut self, sweep: Sweep, limit: Limit) -> LeftOut<K> {
        let (now, all) = (Instant::now(), sweep == Sweep::All);
        let mut lines = Vec::new();
        self.lines.retain(|key, line| {
            // A key whose line is due gets another interval, so that its next line accounts for those left out.
            let keep = !all && now.duration_since(line.at) < 2 * limit.interval;
            if !keep && line.left_out > 0 {
                lines.push((key.clone(), line.left_out));
            }
            keep
        });
        let others = self.others.take_if(|line| all || now.duration_since(line.at) >= limit.interval).map_or(0, |line| line.left_out);
        LeftOut { lines, others }
    }
}
