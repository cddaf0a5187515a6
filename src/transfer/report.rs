//! What a file adds, for the summary of an import.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::row::{Line, Row};
use crate::domain::{
    article::ArticleId,
    counts::{Kind, Subject},
    period::Bucket,
    site::SiteId,
};

/// How many changed ids are named; the others are counted.
const NAMED_IDS: usize = 3;

/// More months than this are not listed.
const FEW_MONTHS: usize = 24;

/// What a file adds, and what of it is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of rows that add something.
    pub rows: u64,
    /// What is added to each site.
    pub sites: BTreeMap<SiteId, Added>,
    /// The number of rows that are left out, by the reason, and their views are not counted.
    pub left_out: BTreeMap<&'static str, u64>,
    /// The number of rows that count for the site but for no article, by the reason.
    pub site_alone: BTreeMap<&'static str, u64>,
    /// How many ids were brought to the form that pages send.
    pub cleaned: u64,
    /// The first of these: the line, the id in the file, and the new one.
    pub first_cleaned: Vec<(u64, String, ArticleId)>,
    /// What the operator should check of the columns.
    pub note: Option<String>,
}

/// What is added to a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Views of the site.
    pub views: u64,
    /// Those of each year and month.
    pub periods: BTreeMap<NaiveDate, Year>,
    /// The number of rows of articles.
    pub article_rows: u64,
    /// Views of articles.
    pub article_views: u64,
    /// Visits of the site.
    pub visits: u64,
    /// The number of rows of what was not counted.
    pub other_rows: u64,
    /// Whether a row of the site names a period, so that it also adds to larger ones.
    has_site_rows: bool,
}

/// What is added to a year of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Year {
    /// All views of the year.
    pub views: u64,
    /// Those of its months.
    pub months: BTreeMap<NaiveDate, u64>,
}

impl Report {
    /// Adds a line.
    pub(super) fn add(&mut self, number: u64, line: &Line) {
        self.rows += u64::from(!line.rows.is_empty());
        for row in &line.rows {
            self.sites.entry(row.site.clone()).or_default().add(row);
        }
        line.left_out.into_iter().for_each(|why| *self.left_out.entry(why).or_default() += 1);
        line.site_alone.into_iter().for_each(|why| *self.site_alone.entry(why).or_default() += 1);
        if let Some((from, to)) = &line.cleaned {
            self.cleaned += 1;
            if self.first_cleaned.len() < NAMED_IDS {
                self.first_cleaned.push((number, from.clone(), to.clone()));
            }
        }
    }

    /// What the operator should know of the rows, one sentence each.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.cleaned > 0 {
            let first: Vec<_> =
                self.first_cleaned.iter().map(|(line, from, to)| format!("{from:?} is {:?} (line {line})", to.as_str())).collect();
            let more = if self.cleaned > NAMED_IDS as u64 { ", …" } else { "" };
            let ids = if self.cleaned == 1 { "1 id was".into() } else { format!("{} ids were", self.cleaned) };
            remarks.push(format!("{ids} brought to the form that pages send: {}{more}", first.join(", ")));
        }
        remarks.extend(self.left_out.iter().map(|(why, count)| format!("left out: {} {why}", rows(*count))));
        remarks.extend(self.site_alone.iter().map(|(why, count)| format!("for no article: {} {why}", rows(*count))));
        remarks
    }

    /// What the operator should be warned of, one sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let articles_alone = self.sites.iter().filter(|(_, added)| !added.has_site_rows && added.article_rows > 0);
        let articles_alone = articles_alone
            .map(|(site, _)| format!("the file has views of articles of {site} and none of the site, whose own figures stay as they are"));
        let swapped = self.sites.iter().filter(|(_, added)| added.visits > added.views && added.views > 0);
        let swapped = swapped.map(|(site, _)| format!("{site} has more visits than views in this file: are the columns swapped?"));
        self.note.iter().cloned().chain(articles_alone).chain(swapped).collect()
    }
}

impl Added {
    fn add(&mut self, row: &Row) {
        let in_total = row.buckets.total;
        match row.subject {
            Subject::Site => {
                self.has_site_rows = true;
                if in_total {
                    self.views = self.views.saturating_add(row.views);
                }
            }
            Subject::Article(_) => {
                self.article_rows += 1;
                if in_total {
                    self.article_views = self.article_views.saturating_add(row.views);
                }
                return;
            }
            Subject::Kind(Kind::Visits) => {
                if in_total {
                    self.visits = self.visits.saturating_add(row.views);
                }
                return;
            }
            Subject::Kind(_) => {
                self.other_rows += 1;
                return;
            }
        }
        for bucket in row.buckets.buckets() {
            let Some(first) = bucket.first_day() else { continue };
            let year = first.format("%Y-01-01").to_string().parse().unwrap_or(first);
            match bucket {
                Bucket::Year(_) => self.periods.entry(year).or_default().add(None, row.views),
                Bucket::Month { .. } => self.periods.entry(year).or_default().add(Some(first), row.views),
                _ => {}
            }
        }
    }

    /// The views that belong to no year.
    #[must_use]
    pub fn older(&self) -> u64 {
        self.views.saturating_sub(self.periods.values().fold(0, |sum: u64, year| sum.saturating_add(year.views)))
    }

    /// As JSON.
    #[must_use]
    pub fn as_json(&self) -> Value {
        let years: BTreeMap<_, _> = self.periods.iter().map(|(year, added)| (year.format("%Y").to_string(), added.views)).collect();
        let months = self.periods.values().flat_map(|year| &year.months);
        let months: BTreeMap<_, _> = months.map(|(month, views)| (month.format("%Y-%m").to_string(), views)).collect();
        json!({
            "views": self.views, "older": self.older(), "years": years, "months": months,
            "article_rows": self.article_rows, "article_views": self.article_views, "visits": self.visits,
        })
    }
}

impl Year {
    fn add(&mut self, month: Option<NaiveDate>, views: u64) {
        let sum = match month {
            Some(month) => self.months.entry(month).or_default(),
            None => &mut self.views,
        };
        *sum = sum.saturating_add(views);
    }
}

/// One line, such as `+8307145: older +6341529; 2019 +1845672 (2019-12 +108517); visits +2104220; articles +31440`.
impl fmt::Display for Added {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.older() > 0 && !self.periods.is_empty() {
            parts.push(format!("older +{}", self.older()));
        }
        let few = self.periods.values().map(|year| year.months.len()).sum::<usize>() <= FEW_MONTHS;
        for (year, added) in &self.periods {
            let mut part = format!("{} +{}", year.format("%Y"), added.views);
            if few && !added.months.is_empty() {
                let months: Vec<_> = added.months.iter().map(|(month, views)| format!("{} +{views}", month.format("%Y-%m"))).collect();
                write!(part, " ({})", months.join(", "))?;
            }
            parts.push(part);
        }
        if self.visits > 0 {
            parts.push(format!("visits +{}", self.visits));
        }
        if self.article_rows > 0 {
            parts.push(format!("articles +{}", self.article_views));
        }
        if self.other_rows > 0 {
            parts.push(format!("{} of what was not counted", rows(self.other_rows)));
        }
        // A file of articles alone says nothing of the site.
        let site = (self.has_site_rows || parts.is_empty()).then(|| format!("+{}", self.views));
        let parts = Some(parts.join("; ")).filter(|parts| !parts.is_empty());
        f.write_str(&[site, parts].into_iter().flatten().collect::<Vec<_>>().join(": "))
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".into() } else { format!("{count} rows") }
}
