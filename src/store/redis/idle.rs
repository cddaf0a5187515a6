//! Producers that are no longer in use: their offsets are put aside, so that figures need not read them for ever.
//!
//! Put aside, not forgotten: a journal that comes back after months, or a file that is imported again, finds its offset
//! and is not counted twice. A producer is seen whenever an apply of its comes first on a day.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tracing::debug;

use super::{connection::Connection, keys::Keys, script::Script};
use crate::domain::{producer::ProducerId, site::SiteId};

/// After how long without an apply a producer is idle.
const IDLE: TimeDelta = TimeDelta::days(30);

/// Looks for idle producers of each site, once a day.
pub(super) struct Idle {
    script: Script,
    looked: Mutex<HashMap<SiteId, NaiveDate>>,
}

impl Idle {
    pub(super) fn new() -> Self {
        Self { script: Script::new(include_str!("idle.lua")), looked: Mutex::default() }
    }

    /// Notes that `producer` has applied to a site, and puts idle ones aside. Does nothing where it did today.
    ///
    /// Counts do not depend on it, so it never fails: another apply tries again.
    pub(super) async fn look(&self, connection: &Connection, keys: &Keys, site: &SiteId, producer: ProducerId, now: DateTime<Utc>) {
        let today = now.date_naive();
        if self.looked.lock().unwrap_or_else(PoisonError::into_inner).get(site) == Some(&today) {
            return;
        }
        let fill = |cmd: &mut redis::Cmd| {
            cmd.arg(3).arg(keys.offsets()).arg(keys.idle()).arg(keys.seen());
            cmd.arg(producer.to_string()).arg(now.timestamp()).arg((now - IDLE).timestamp());
        };
        match self.script.run(connection, fill).await {
            Ok(_) => drop(self.looked.lock().unwrap_or_else(PoisonError::into_inner).insert(site.clone(), today)),
            Err(failure) => debug!(%site, why = failure.sentence(), "idle producers were not looked for"),
        }
    }
}
