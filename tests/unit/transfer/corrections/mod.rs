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

/// The counters of three articles of `portal` and of two of `press`, of which one has the same id.
const PAST: &str = "site,article,period,views\n\
    portal,,2020-01-16,30\nportal,,2019,100\nportal,/a,2020-01-16,10\nportal,/a,2020-01-15,4\nportal,/b,2020-01-16,7\nportal,/c,2019-12,3\n\
    press,,2020-01-16,5\npress,/a,2020-01-16,2\npress,/z,,9\n";

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
        let article = (!id.is_empty()).then(|| article(id));
        sites.entry(site(of)).or_default().add(buckets.into_iter().collect(), article, views.parse().unwrap());
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

/// The views of a site, or of an article, in a bucket.
async fn views(store: &dyn Store, of: &str, article_id: &str, period: &str) -> u64 {
    let subject = if article_id.is_empty() { Subject::Site } else { Subject::Article(article(article_id)) };
    store.history(&site(of), &subject, &[bucket(period)]).await.unwrap()[0]
}

async fn audit(store: &dyn Store, of: &str) -> Vec<AuditEntry> {
    audit_list(store, &site(of)).await.unwrap()
}

/// What was changed, such as `portal/a total 14 -> 0`.
fn changed(report: &Report) -> Vec<String> {
    let line = |c: &truycap::transfer::corrections::Changed| {
        format!("{}{} {} {} -> {}", c.site, c.article.as_deref().unwrap_or_default(), c.bucket, c.before, c.after)
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
