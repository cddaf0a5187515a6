//! The exports of other counters.

use std::fs::File;

use truycap::transfer::{CheckError, Format, ImportSummary, Reading, Until, check, import};

use super::{Files, exported, memory, now, reading, site};

mod ga4;
mod goatcounter;
mod matomo;
mod plausible;
mod umami;

/// Files of the site `portal`.
fn of_portal() -> Reading {
    Reading { site: Some(site("portal")), ..reading() }
}

/// What an import of the contents says, and the counters of an empty store after it.
async fn imported(contents: impl AsRef<[u8]>, reading: &Reading) -> (ImportSummary, String) {
    let (files, store) = (Files::new(), memory());
    let path = files.write("file.csv", contents);
    let file = check(&path, File::open(&path).unwrap(), reading, |_, _| {}).unwrap();
    let summary = import(&store, &file, now(), "", |_, _| {}).await.unwrap();
    (summary, exported(&store).await)
}

/// The counters of all time and of a period, one line each.
fn of(counters: &str, buckets: &[&str]) -> Vec<String> {
    let is = |line: &&str| line.split(',').nth(2).is_some_and(|bucket| buckets.contains(&bucket));
    counters.lines().filter(is).map(str::to_owned).collect()
}

/// The mistakes of a file.
fn mistakes(contents: impl AsRef<[u8]>, reading: &Reading) -> Vec<String> {
    let files = Files::new();
    let path = files.write("file.csv", contents);
    match check(&path, File::open(&path).unwrap(), reading, |_, _| {}) {
        Err(CheckError::Mistakes { mistakes, .. }) => {
            mistakes.named.into_iter().map(|found| format!("{}: {}", found.line, found.what)).collect()
        }
        other => panic!("no mistakes: {other:?}"),
    }
}

/// The same of the format that is given.
fn as_format(format: Format) -> Reading {
    Reading { format: Some(format), ..of_portal() }
}

/// Files whose days from this one on are left out.
fn until(time: &str) -> Reading {
    Reading { until: Some(time.parse::<Until>().unwrap()), ..of_portal() }
}
