//! Two files of Plausible's export: `imported_pages_…` has the views of articles, and `imported_visitors_…` those of the site.

use crate::transfer::{
    header::Header,
    lines::LINE_BYTES,
    periods,
    reading::Reading,
    row::{Form, Line, Target},
};

use super::own::read_views;

/// The positions of the fields in a line.
pub(in crate::transfer) struct Plausible {
    target: Target,
    date: usize,
    /// The path; a file without it has the views of the site.
    page: Option<usize>,
    views: usize,
    columns: usize,
}

/// The columns of `imported_visitors_…`. Each other file has further ones.
const OF_SITE: [&str; 6] = ["date", "visitors", "pageviews", "bounces", "visits", "visit_duration"];

const HOW: &str = "import imported_visitors_….csv, for the site, and imported_pages_….csv, for articles, of the archive that \
                   Plausible's site settings, Imports & Exports, export";

impl Plausible {
    /// Whether this is the header of such a file.
    pub(in crate::transfer) fn has(header: &Header) -> bool {
        let of_site = header.has("pageviews") && header.has("visitors") && header.names.iter().all(|name| OF_SITE.contains(&name.as_str()));
        header.has("date") && (of_site || header.has("page") && header.has("pageviews"))
    }

    /// What a file of Plausible is that has no such header, and what to do.
    pub(in crate::transfer) fn other(header: &Header) -> Option<String> {
        let has = |names: &[&str]| names.iter().all(|name| header.has(name));
        let of_names = has(&["name", "visitors"]) && (has(&["bounce_rate"]) || has(&["pageviews"])) && !has(&["date"]);
        let what = if of_names || has(&["date", "visitors", "views_per_visit"]) {
            "this is a file of Plausible's dashboard, whose rows have no days or are cut off"
        } else if has(&["date", "visitors"]) && (has(&["pageviews"]) || has(&["events"])) {
            "this file of Plausible's export has the same views again, by another property"
        } else {
            return None;
        };
        Some(format!("{what}: {HOW}"))
    }

    /// Reads a header.
    pub(in crate::transfer) fn open(header: &Header, reading: &Reading) -> Result<Self, Vec<String>> {
        let mut mistakes = header.repeated();
        let target = Target::of_days(reading).map_err(|mut found| mistakes.append(&mut found)).ok();
        let columns = header.names.len();
        let place = |name: &str| header.place(name).unwrap_or_default();
        let (date, page, views) = (place("date"), header.place("page"), place("pageviews"));
        target.filter(|_| mistakes.is_empty()).map(|target| Self { target, date, page, views, columns }).ok_or(mistakes)
    }
}

impl Form for Plausible {
    fn line(&self, fields: &[&str]) -> Result<Line, Vec<String>> {
        if fields.len() != self.columns {
            return Err(vec![format!("{} fields, but the header has {}", fields.len(), self.columns)]);
        }
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let date = match field(self.date) {
            "" => Err("the row has no date".to_owned()),
            text => periods::read(text).and_then(|bucket| Ok((bucket, self.target.leaves_out(bucket)?))),
        };
        let views = match field(self.views) {
            "" | "\\N" => Ok(0),
            text => read_views(text),
        };
        let ((bucket, left_out), views) = match (date, views) {
            (Ok(date), Ok(views)) => (date, views),
            (date, views) => return Err([date.err(), views.err()].into_iter().flatten().collect()),
        };
        if left_out {
            return Ok(Line::left_out("from --until on"));
        }
        let (site, buckets) = (&self.target.site, periods::with_larger(bucket));
        Ok(match self.page {
            Some(page) => {
                let line = Line::of_page(site, field(page), buckets, views, false);
                // The file of the site has its views.
                let left_out = line.site_alone;
                Line { left_out, site_alone: None, ..line }
            }
            None => Line::of_site(site, buckets, views, None),
        })
    }

    fn row_bytes(&self) -> usize {
        LINE_BYTES
    }
}
