//! Corrections by hand, on the reference model.

use std::{collections::BTreeMap, sync::Arc};

use truycap::{
    domain::{
        correction::AuditEntry,
        counts::{Deltas, Subject},
        period::Bucket,
        producer::{Digest, Position, ProducerId},
        site::SiteId,
    },
    store::Store,
    transfer::corrections::{Adjust, CorrectionError, Order, Report, adjust, audit_list},
};

use super::{Files, Memory, article, exported, memory, now, site, today};

mod adjusting;
mod interrupted;
mod moving;
mod tables;
mod undoing;

/// The counters of three articles of `portal` and of two of `press`, of which one has the same id; and visits of both.
const PAST: &str = "site,article,period,views\n\
    portal,,2020-01-16,30\nportal,,2019,100\nportal,/a,2020-01-16,10\nportal,/a,2020-01-15,4\nportal,/b,2020-01-16,7\nportal,/c,2019-12,3\n\
    portal,visits,2020-01-16,12\npress,visits,2019,4\npress,,2020-01-16,5\npress,/a,2020-01-16,2\npress,/z,,9\n";

async fn with_past() -> Arc<Memory> {
    let store = memory();
    count(&store, PAST).await;
    Arc::new(store)
}

/// Counts rows as a service counts views: an import would be a correction.
async fn count(store: &Memory, csv: &str) {
    let mut sites: BTreeMap<SiteId, Deltas> = BTreeMap::new();
    for line in csv.lines().skip(1) {
        let [of, id, period, views] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let buckets = if period.is_empty() { vec![Bucket::Total] } else { bucket(period).and_larger().unwrap() };
        sites.entry(site(of)).or_default().add(buckets.into_iter().collect(), subject(id), views.parse().unwrap());
    }
    for (site, deltas) in sites {
        let to = Position { seq: 1, digest: Digest(1) };
        store.apply(&site, ProducerId(9), Position::START, to, Arc::new(deltas)).await.unwrap();
    }
}

fn order(store: &dyn Store) -> Order<'_> {
    Order { store, at: now(), reason: "", dry_run: false }
}

fn planned(store: &dyn Store) -> Order<'_> {
    Order { dry_run: true, ..order(store) }
}

fn bucket(text: &str) -> Bucket {
    text.parse().unwrap()
}

/// The site for an empty text, a kind of its counts by its name, or an article.
fn subject(text: &str) -> Subject {
    if text.is_empty() { Subject::Site } else { text.parse().map_or_else(|_| Subject::Article(article(text)), Subject::Kind) }
}

/// The counts of a subject of a site in a bucket.
async fn views(store: &dyn Store, of: &str, id: &str, period: &str) -> u64 {
    store.history(&site(of), &subject(id), &[bucket(period)]).await.unwrap()[0]
}

async fn audit(store: &dyn Store, of: &str) -> Vec<AuditEntry> {
    audit_list(store, &site(of)).await.unwrap()
}

/// What was changed, such as `portal/a total 14 -> 0`.
fn changed(report: &Report) -> Vec<String> {
    let line = |c: &truycap::transfer::corrections::Changed| {
        let of = c.of.map(|of| format!(" {of}")).or(c.article.clone()).unwrap_or_default();
        format!("{}{of} {} {} -> {}", c.site, c.bucket, c.before, c.after)
    };
    report.changed.iter().map(line).collect()
}

fn why<T: std::fmt::Debug>(result: Result<T, CorrectionError>) -> String {
    result.unwrap_err().to_string()
}

fn portal() -> SiteId {
    site("portal")
}

fn press() -> SiteId {
    site("press")
}

/// Adds views to the total of a site.
async fn adjusting_by(store: &dyn Store, of: &str, views: i64) {
    let adjusted = Adjust { views, period: Bucket::Total, subject: Subject::Site };
    adjust(&order(store), &site(of), &adjusted, today()).await.unwrap();
}
