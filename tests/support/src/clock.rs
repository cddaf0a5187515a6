//! A fake clock for the processes of a test.

use std::{fs, path::PathBuf};

use chrono::{DateTime, Utc};

use crate::process::Place;

impl Place {
    /// Sets the clock of all processes of this place, running ones included. It runs on from there.
    pub fn set_clock(&mut self, rfc3339: &str) {
        let offset = DateTime::parse_from_rfc3339(rfc3339).unwrap().timestamp() - Utc::now().timestamp();
        // Renamed into place, because processes read the file each time they read the clock and must not see half of it.
        let (new, clock) = (self.write("clock.new", format!("{offset:+}\n")), self.path("clock"));
        fs::rename(new, &clock).unwrap();
        let variables = [
            ("LD_PRELOAD", libfaketime()),
            ("FAKETIME_TIMESTAMP_FILE", clock),
            ("FAKETIME_NO_CACHE", "1".into()),
            // Timers use the monotonic clock, which must not change.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ];
        self.environment.extend(variables.map(|(name, value)| (name.into(), value.to_str().unwrap().into())));
    }
}

fn libfaketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let mut paths = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    paths.find(|path| path.exists()).expect("libfaketime is missing: run scripts/set-up.sh")
}
