//! What a line of a file adds to the counters, whatever the form of the file.

use chrono_tz::Tz;

use super::{reading::Reading, until::Until};
use crate::domain::{
    article::ArticleId,
    counts::Subject,
    period::{Bucket, BucketSet},
    site::SiteId,
};

/// What a row adds to the counters.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) site: SiteId,
    pub(super) subject: Subject,
    /// Each grows by `views`; the last one contains the others.
    pub(super) buckets: BucketSet,
    pub(super) views: u64,
}

/// What a line of a file adds, and what a summary says of it.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) rows: Vec<Row>,
    /// Why its views are left out.
    pub(super) left_out: Option<&'static str>,
    /// Why its views count for the site alone.
    pub(super) site_alone: Option<&'static str>,
    /// The id that the line has, if it is brought to the form that pages send.
    pub(super) cleaned: Option<(String, ArticleId)>,
}

/// A form of files.
pub(super) trait Form {
    /// What a line adds, or all of its mistakes, one sentence each.
    fn line(&self, fields: &[&str]) -> Result<Line, Vec<String>>;

    /// The maximum length of a row, in bytes.
    fn row_bytes(&self) -> usize;

    /// Whether a quoted field can have line breaks.
    fn is_multiline(&self) -> bool {
        false
    }

    /// Why a file has no rows, and what to do, if that is no file to import.
    fn without_rows(&self) -> Option<&'static str> {
        None
    }

    /// What the operator should check of the columns, in one sentence.
    fn note(&self) -> Option<String> {
        None
    }
}

/// Where the views of a file go that does not name its sites.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) site: SiteId,
    pub(super) timezone: Tz,
    pub(super) until: Option<Until>,
}

impl Target {
    /// The site of the command line.
    pub(super) fn of(reading: &Reading) -> Result<Self, Vec<String>> {
        let configured = || reading.sites.keys().map(SiteId::as_str).collect::<Vec<_>>().join(", ");
        let site =
            reading.site.clone().ok_or_else(|| vec![format!("the file does not name its site: give --site, one of {}", configured())])?;
        let timezone = reading.sites.get(&site).copied().unwrap_or_default();
        Ok(Self { site, timezone, until: reading.until })
    }

    /// The same for a file that has days and no times.
    pub(super) fn of_days(reading: &Reading) -> Result<Self, Vec<String>> {
        if matches!(reading.until, Some(Until::Moment(_))) {
            return Err(vec!["the file has days and no times, so --until must be a day, such as 2026-11-22".into()]);
        }
        Self::of(reading)
    }

    /// Whether views of a period are left out; an error if only a part of it is.
    pub(super) fn leaves_out(&self, bucket: Bucket) -> Result<bool, String> {
        self.until.map_or(Ok(false), |until| until.leaves_out_period(bucket))
    }
}

impl Line {
    /// A line that adds nothing.
    pub(super) fn left_out(why: &'static str) -> Self {
        Self { left_out: Some(why), ..Self::default() }
    }

    /// Views of a page, by its path or address, in buckets of a site; `of_site` says whether they are views of the site, too.
    pub(super) fn of_page(site: &SiteId, path: &str, buckets: BucketSet, views: u64, of_site: bool) -> Self {
        let row = |subject| Row { site: site.clone(), subject, buckets, views };
        let site_rows = || if of_site { vec![row(Subject::Site)] } else { Vec::new() };
        match ArticleId::of_path(path) {
            Ok(Some(article)) => {
                let mut rows = site_rows();
                rows.push(row(Subject::Article(article)));
                Self { rows, ..Self::default() }
            }
            Ok(None) => Self { rows: site_rows(), site_alone: Some("of the home page, which is no article"), ..Self::default() },
            Err(_) => Self { rows: site_rows(), site_alone: Some("whose path is no article id"), ..Self::default() },
        }
    }

    /// Views that belong to no page.
    pub(super) fn of_site(site: &SiteId, buckets: BucketSet, views: u64, why: Option<&'static str>) -> Self {
        let rows = vec![Row { site: site.clone(), subject: Subject::Site, buckets, views }];
        Self { rows, site_alone: why, ..Self::default() }
    }
}
