//! Which servers are the primaries of which slots.

use std::{collections::BTreeSet, fmt};

use redis::{ConnectionAddr, ConnectionInfo};

/// The number of slots of a cluster.
pub(in super::super) const SLOTS: u16 = 16384;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// The address of a connection over TCP.
    pub(super) fn of(info: &ConnectionInfo) -> Option<Self> {
        match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some(Self { host: host.clone(), port: *port }),
            _ => None,
        }
    }

    /// Parses `host:port`. Without a host, it is that of the server which said it.
    pub(super) fn parse(text: &str, said_by: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        Some(Self::named(host, port.parse().ok()?, said_by))
    }

    /// A server as others name it. A cluster does not always know the host.
    pub(super) fn named(host: &str, port: u16, said_by: &Self) -> Self {
        let host = if host.is_empty() || host == "?" { &said_by.host } else { host };
        Self { host: host.into(), port }
    }

    /// The same login and TLS, at this address.
    pub(super) fn connection_info(&self, template: &ConnectionInfo) -> ConnectionInfo {
        let (host, port) = (self.host.clone(), self.port);
        let addr = match template.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => ConnectionAddr::TcpTls { host, port, insecure, tls_params },
            _ => ConnectionAddr::Tcp(host, port),
        };
        template.clone().set_addr(addr)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// The slots from `first` to `last`, and their primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) primary: Address,
}

/// The primaries of all slots, as a Sentinel or a node says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// Each fail-over has a higher one.
    pub(super) epoch: u64,
    /// In the order of the slots. No slot is in two of them, and neighbours have different primaries.
    ranges: Vec<Range>,
}

/// Slots that have another primary than before.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) from: Option<Address>,
    pub(super) to: Option<Address>,
    pub(super) slots: u16,
}

impl Table {
    /// `None` if a range has no slot or one that does not exist, or a slot is in two ranges.
    pub(super) fn new(epoch: u64, mut ranges: Vec<Range>) -> Option<Self> {
        ranges.sort_by_key(|range| range.first);
        let ordered = ranges.windows(2).all(|pair| pair[0].last < pair[1].first);
        let valid = ranges.iter().all(|range| range.first <= range.last && range.last < SLOTS);
        if !(ordered && valid) {
            return None;
        }
        ranges.dedup_by(|next, range| {
            let joins = range.primary == next.primary && range.last + 1 == next.first;
            if joins {
                range.last = next.last;
            }
            joins
        });
        Some(Self { epoch, ranges })
    }

    pub(super) fn primary(&self, slot: u16) -> Option<&Address> {
        let at = self.ranges.partition_point(|range| range.last < slot);
        self.ranges.get(at).filter(|range| range.first <= slot).map(|range| &range.primary)
    }

    pub(super) fn primaries(&self) -> BTreeSet<Address> {
        self.ranges.iter().map(|range| range.primary.clone()).collect()
    }

    /// The same with another primary of one slot.
    pub(super) fn with(&self, slot: u16, primary: Address) -> Option<Self> {
        let mut ranges = vec![Range { first: slot, last: slot, primary }];
        for range in &self.ranges {
            let part = |first: u16, last: u16| Range { first, last, primary: range.primary.clone() };
            if range.first < slot {
                ranges.push(part(range.first, range.last.min(slot - 1)));
            }
            if range.last > slot {
                ranges.push(part(range.first.max(slot + 1), range.last));
            }
        }
        Self::new(self.epoch, ranges)
    }

    /// What differs in a newer table, by old and new primary.
    pub(super) fn changes(&self, newer: &Self) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        let starts = |table: &Self| table.ranges.iter().flat_map(|range| [range.first, range.last + 1]).collect::<Vec<_>>();
        let edges: BTreeSet<u16> = [0, SLOTS].into_iter().chain(starts(self)).chain(starts(newer)).collect();
        let edges: Vec<u16> = edges.into_iter().collect();
        for pair in edges.windows(2) {
            let (from, to) = (self.primary(pair[0]).cloned(), newer.primary(pair[0]).cloned());
            if from == to {
                continue;
            }
            let slots = pair[1] - pair[0];
            match changes.iter_mut().find(|change| change.from == from && change.to == to) {
                Some(change) => change.slots += slots,
                None => changes.push(Change { from, to, slots }),
            }
        }
        changes
    }
}

/// The table that holds, from the answers of some of the `witnesses`; `None` if the current one stays.
///
/// The highest epoch wins, so that a witness that is cut off from the others does not mislead. A lower one than the current is
/// taken only if most witnesses name the same, and the current one is `outdated`: the set was made anew. Among tables of one epoch,
/// the most frequent one wins.
pub(super) fn choose(current: Option<&Table>, answers: &[Table], witnesses: usize, outdated: bool) -> Option<Table> {
    let newest = answers.iter().map(|table| table.epoch).max()?;
    let candidates = answers.iter().filter(|table| table.epoch == newest);
    let votes = |table: &Table| answers.iter().filter(|answer| *answer == table).count();
    let best = candidates.max_by_key(|table| (votes(table), Some(*table) == current))?;
    let is_older = current.is_some_and(|current| newest < current.epoch);
    let holds = !is_older || (outdated && 2 * votes(best) > witnesses);
    (holds && Some(best) != current).then(|| best.clone())
}
