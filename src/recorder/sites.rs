//! The sites that are counted. They may change while the recorder runs.
//!
//! A site keeps its place for as long as the process lives: one that is taken out of the configuration still gets what was
//! acknowledged, and goes on where it was when it comes back.

use std::{collections::HashMap, sync::Arc};

use chrono_tz::Tz;

use super::counter::{Core, Counter, Shares};
use crate::domain::{
    producer::Seq,
    site::{Rules, Site, SiteId},
};

/// The sites at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Sites {
    /// Those that are configured, were, or have views in the journal; each at the place that is its index.
    pub(super) counters: Vec<Arc<Counter>>,
    places: HashMap<SiteId, usize>,
}

impl Sites {
    /// The sites at the start: those configured, and those that the journal still holds views of. Its last entry is `head`.
    pub(super) fn new(configured: Vec<Site>, journaled: Vec<SiteId>, head: Seq, apply_sums: usize) -> Self {
        let known: Vec<_> = configured.iter().map(|site| site.id.clone()).collect();
        // A site that is no longer configured still gets what was acknowledged: its days are in the journal already,
        // so its time zone does not matter.
        let left = journaled.into_iter().filter(|id| !known.contains(id));
        let left: Vec<_> = left.map(|id| Site { id, origins: Vec::new(), timezone: Tz::UTC, rules: Rules::default() }).collect();
        let shares = Shares::among(configured.len() + left.len(), apply_sums);
        let mut sites = Self::default();
        sites.add(configured, true, head, shares);
        sites.add(left, false, head, shares);
        sites
    }

    /// The sites after a change of the configuration, where the journal's last entry is `head`; and those of them that are
    /// new, and are at the end.
    pub(super) fn configured(&self, sites: Vec<Site>, head: Seq, apply_sums: usize) -> (Self, Vec<Arc<Counter>>) {
        let mut next = self.clone();
        for counter in &mut next.counters {
            *counter = Arc::new(counter.anew(counter.site.clone(), false));
        }
        let mut new = Vec::new();
        for site in sites {
            match next.places.get(&site.id) {
                Some(place) => next.counters[*place] = Arc::new(self.counters[*place].anew(site, true)),
                None => new.push(site),
            }
        }
        let known = next.counters.len();
        let shares = Shares::among(known + new.len(), apply_sums);
        next.add(new, true, head, shares);
        let new = next.counters[known..].to_vec();
        (next, new)
    }

    fn add(&mut self, sites: Vec<Site>, configured: bool, head: Seq, shares: Shares) {
        for site in sites {
            let index = self.counters.len();
            self.places.insert(site.id.clone(), index);
            let core = Arc::new(Core::new(site.timezone, index, head, shares));
            self.counters.push(Arc::new(Counter::new(site, configured, core)));
        }
    }

    /// The site of that id, configured or not.
    pub(super) fn find(&self, id: &SiteId) -> Option<&Arc<Counter>> {
        self.counters.get(*self.places.get(id)?)
    }

    /// The configured site of that id.
    pub(super) fn get(&self, id: &str) -> Option<&Arc<Counter>> {
        self.counters.get(*self.places.get(id)?).filter(|counter| counter.configured)
    }
}
