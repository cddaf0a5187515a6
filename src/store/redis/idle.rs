//! Sets aside the offsets of producers that are no longer in use, so that reads of figures do not fetch them forever.
//!
//! The offsets are kept: a journal that returns after months, or a file that is imported again, finds its offset and is not
//! counted twice. A producer is recorded as seen at the first apply to a site on each day.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use parking_lot::Mutex;
use tracing::debug;

use super::{connection::Connection, keys::Keys, script::Script};
use crate::domain::{producer::ProducerId, site::SiteId};

/// How long a producer has not applied when it becomes idle.
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

    /// Records that `producer` has applied to a site, and sets idle producers aside. Does nothing if it did so today.
    ///
    /// Counts do not depend on it, so a failure is only logged, and the next apply tries again.
    pub(super) async fn look(&self, connection: &Connection, keys: &Keys, site: &SiteId, producer: ProducerId, now: DateTime<Utc>) {
        let today = now.date_naive();
        if self.looked.lock().get(site) == Some(&today) {
            return;
        }
        let fill = |cmd: &mut redis::Cmd| {
            cmd.arg(3).arg(keys.offsets()).arg(keys.idle()).arg(keys.seen());
            cmd.arg(producer.to_string()).arg(now.timestamp()).arg((now - IDLE).timestamp());
        };
        match self.script.run(connection, fill).await {
            Ok(_) => drop(self.looked.lock().insert(site.clone(), today)),
            Err(error) => debug!(%site, error = error.message(), "idle producers were not set aside"),
        }
    }
}
