//! Limits log lines that could repeat with every request: one for each key and interval. Further ones are counted, and the
//! next line says how many were left out.

use std::{
    collections::BTreeMap,
    mem,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

/// When lines were last logged, by what they are about.
#[derive(Debug)]
pub struct LogThrottle<K> {
    interval: Duration,
    max_keys: usize,
    state: Mutex<State<K>>,
}

#[derive(Debug)]
struct State<K> {
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

impl<K: Ord + Clone> LogThrottle<K> {
    /// Allows one line for each key in an interval, and for up to `max_keys` at once.
    #[must_use]
    pub const fn new(interval: Duration, max_keys: usize) -> Self {
        Self { interval, max_keys, state: Mutex::new(State { lines: BTreeMap::new(), others: None }) }
    }

    /// Whether a line can be logged now; if so, how many were left out since the last one with this key.
    pub fn allow(&self, key: K) -> Option<u64> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        if let Some(line) = state.lines.get_mut(&key) {
            if now.duration_since(line.at) < self.interval {
                line.left_out += 1;
                return None;
            }
            line.at = now;
            return Some(mem::take(&mut line.left_out));
        }
        if state.lines.len() < self.max_keys {
            state.lines.insert(key, Line { at: now, left_out: 0 });
            return Some(0);
        }
        state.others.get_or_insert(Line { at: now, left_out: 0 }).left_out += 1;
        None
    }

    /// Forgets lines that have not repeated for an interval, and returns what was left out of them. Call it every second.
    pub fn expire(&self) -> LeftOut<K> {
        let (mut state, now) = (self.state.lock(), Instant::now());
        let mut lines = Vec::new();
        state.lines.retain(|key, line| {
            // A key whose line is due gets another interval, so that its next line accounts for those left out.
            let keep = now.duration_since(line.at) < 2 * self.interval;
            if !keep && line.left_out > 0 {
                lines.push((key.clone(), line.left_out));
            }
            keep
        });
        let others = state.others.take_if(|line| now.duration_since(line.at) >= self.interval).map_or(0, |line| line.left_out);
        LeftOut { lines, others }
    }
}
