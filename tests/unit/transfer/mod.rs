//! The promises of imports, exports and figures.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
};

use chrono::{DateTime, NaiveDate, Utc};
use tempfile::TempDir;
use truycap::{
    domain::{article::ArticleId, retention::Retention, site::SiteId},
    store::{Store, memory::MemoryStore},
    transfer::{CheckError, Checked, Dialect, ImportError, ImportSummary, Reading, check, export, import},
};

mod corrections;
mod counters;
mod faults;
mod forms;
mod logs;
mod mistakes;
mod roundtrip;
mod shapes;
mod spellings;

type Memory = MemoryStore;

/// The producer of a file with the text `site,article,period,views\nportal,,,5\n`:
/// printf 'chunks of 1000 rows\nsite,article,period,views\nportal,,,5\n' | sha256sum
///
/// Another chunk size is another producer.
const PRODUCER: &str = "4d8821cb1d2255d181e934c6b452f0ab";

/// The day of every test.
fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 1, 17).unwrap()
}

fn now() -> DateTime<Utc> {
    today().and_hms_opt(3, 0, 0).unwrap().and_utc()
}

fn memory() -> Memory {
    MemoryStore::new(Retention::default(), now)
}

fn site(id: &str) -> SiteId {
    SiteId::parse(id).unwrap()
}

fn article(id: &str) -> ArticleId {
    ArticleId::parse(id).unwrap()
}

/// The configured sites.
fn sites() -> BTreeSet<SiteId> {
    ["portal", "press", "shop"].map(site).into()
}

/// Files of any form, which can name the configured sites.
fn reading() -> Reading {
    let sites = sites().into_iter().map(|site| (site, chrono_tz::Asia::Ho_Chi_Minh)).collect();
    Reading { sites, site: None, format: None, until: None, today: today() }
}

/// A directory with files in it.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    }
}

fn checked(path: &Path) -> Result<Checked, CheckError> {
    check(path, File::open(path).unwrap(), &reading(), |_, _| {})
}

async fn import_file<S: Store>(store: &S, path: &Path) -> Result<ImportSummary, ImportError> {
    import(store, &checked(path).unwrap(), now(), "", |_, _| {}).await
}

/// Imports a text into an empty store, and exports the store.
async fn counters_of(text: impl AsRef<[u8]>) -> String {
    let (files, store) = (Files::new(), memory());
    import_file(&store, &files.write("a.csv", text)).await.unwrap();
    exported(&store).await
}

async fn exported<S: Store>(store: &S) -> String {
    exported_as(store, Dialect::Plain).await
}

async fn exported_as<S: Store>(store: &S, dialect: Dialect) -> String {
    let mut out = Vec::new();
    let sites: Vec<_> = sites().into_iter().collect();
    export(store, &sites, dialect, &mut out, |_| {}).await.unwrap();
    String::from_utf8(out).unwrap()
}

/// Rows of three sites, partly interleaved, that make 5 + 2 + 2 chunks: two sites have only full chunks, and the third has
/// a full one and a rest of 999.
fn three_sites() -> String {
    let mut text = "site,article,period,views\n".to_owned();
    for row in 0..5000 {
        let day = row % 28 + 1;
        writeln!(text, "portal,/tin/{},2019-12-{day:02},{}", row % 7, row % 11).unwrap();
        if row < 2000 {
            writeln!(text, "press,,2019-12-{day:02},{}", row + 1).unwrap();
        }
        if row % 2 == 0 && row < 3998 {
            writeln!(text, "shop,,2019,1").unwrap();
        }
    }
    text
}
