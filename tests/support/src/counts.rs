//! The final counts, and whether they match the views that were sent.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::{
    load::{Key, Tally, VISITS},
    process::{Place, Service},
    sites::SITES,
};

/// The counts of a store: for each site and article, the sum over each kind of bucket.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Key, BTreeMap<&'static str, u64>>);

const KINDS: [&str; 5] = ["day", "week", "month", "year", "total"];

impl Counts {
    /// The counts of the store, read with `truycap export`.
    pub fn exported(place: &Place) -> Self {
        let export = place.ok(&["export"]);
        let mut counts = Self::default();
        for row in csv::Reader::from_reader(export.as_bytes()).deserialize() {
            let (site, article, bucket, views): (String, String, String, u64) = row.unwrap();
            counts.add((site, article), &bucket, views);
        }
        counts
    }

    /// Adds a counter, unless it is one of what was not counted.
    pub fn add(&mut self, key: Key, bucket: &str, views: u64) {
        let (key, bucket) = match bucket.strip_prefix(VISITS) {
            Some(bucket) => ((key.0, VISITS.to_owned()), bucket),
            None if bucket.contains(':') => return,
            None => (key, bucket),
        };
        *self.0.entry(key).or_default().entry(kind(bucket)).or_default() += views;
    }

    /// The counts of both.
    pub fn and(mut self, other: Self) -> Self {
        for (key, sums) in other.0 {
            let mine = self.0.entry(key).or_default();
            sums.into_iter().for_each(|(kind, views)| *mine.entry(kind).or_default() += views);
        }
        self
    }

    /// The total of a site, or of one of its articles.
    pub fn total(&self, site: &str, article: &str) -> u64 {
        self.0.get(&(site.into(), article.into())).map_or(0, |sums| sums.get("total").copied().unwrap_or(0))
    }

    /// Checks that acknowledged ≤ counted ≤ acknowledged + unanswered for each site and article, that all kinds of buckets
    /// agree, and that nothing else is counted.
    #[track_caller]
    pub fn fit(&self, tally: &Tally) {
        let keys: BTreeSet<_> = self.0.keys().chain(tally.sent.keys()).collect();
        for key in keys {
            let sent = tally.of(&key.0, &key.1);
            let counted = self.total(&key.0, &key.1);
            let right = (sent.acknowledged..=sent.acknowledged + sent.unanswered).contains(&counted);
            assert!(right, "{key:?}: {counted} counted of {sent:?}");
            let sums = self.0.get(key).cloned().unwrap_or_default();
            let same = KINDS.iter().all(|kind| sums.get(kind).copied().unwrap_or(0) == counted);
            assert!(same, "{key:?}: the buckets do not agree: {sums:?}");
        }
    }
}

fn kind(bucket: &str) -> &'static str {
    match bucket.len() {
        _ if bucket == "total" => "total",
        4 => "year",
        7 => "month",
        10 => "day",
        _ if bucket.contains("-W") => "week",
        _ => panic!("unknown bucket {bucket:?}"),
    }
}

/// The total of a site, or of one of its articles, that the service shows once it is in sync with the store.
pub fn total(service: &Service, site: &str, article: &str) -> u64 {
    let figures = if article.is_empty() { service.site(site) } else { service.article(site, article) };
    figures[0]
}

/// Checks that the service shows at least the views that were acknowledged, and at most those that can be counted.
#[track_caller]
pub fn shown_fit(service: &Service, before: &Tally, after: impl Fn() -> Tally) {
    for site in SITES {
        let keys: Vec<_> = before.sent.keys().filter(|key| key.0 == site && !["", VISITS].contains(&key.1.as_str())).collect();
        for keys in keys.chunks(40) {
            let articles: Vec<_> = keys.iter().map(|key| key.1.as_str()).collect();
            let body = service.answer(site, &articles);
            let after = after();
            let totals = articles
                .iter()
                .map(|article| (*article, &body["articles"][article]))
                .chain([("", &body["site"]), (VISITS, &body["visits"])]);
            for (article, figures) in totals {
                let counted = figures["total"].as_u64().unwrap();
                let (least, most) = (before.of(site, article), after.of(site, article));
                let most = most.acknowledged + most.unanswered;
                assert!(least.acknowledged <= counted, "{site} {article}: {counted} shown, {least:?}");
                assert!(counted <= most, "{site} {article}: {counted} shown, at most {most} counted");
                agree(figures);
            }
        }
    }
}

/// Checks that two adjacent days hold all views of a test, as they must even at midnight, and so do two adjacent weeks,
/// months and years.
fn agree(figures: &Value) {
    let sum = |names: [&str; 2]| names.iter().filter_map(|name| figures[name].as_u64()).sum::<u64>();
    for names in [["today", "yesterday"], ["this_week", "last_week"], ["this_month", "last_month"], ["this_year", "last_year"]] {
        assert_eq!(Some(sum(names)), figures["total"].as_u64(), "{names:?} of {figures}");
    }
}
