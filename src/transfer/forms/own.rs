//! truycap's own columns: `site,article,period,views`, or an export's `site,article,bucket,views`.

use std::collections::BTreeMap;

use chrono_tz::Tz;

use crate::{
    domain::{
        MAX_COUNT,
        article::{ArticleError, ArticleId},
        counts::{Kind, Subject},
        period::{Bucket, BucketSet},
        site::SiteId,
    },
    transfer::{
        header::Header,
        lines::OWN_LINE_BYTES,
        periods,
        row::{Form, Line, Row},
        until::Until,
    },
};

/// The positions of the fields in a line, and what they can be.
pub(in crate::transfer) struct Own {
    site: Site,
    article: usize,
    time: Time,
    views: usize,
    /// The number of columns, and that of columns without a name after them.
    columns: (usize, usize),
    until: Option<Until>,
}

/// The site of a row.
enum Site {
    /// The configured sites, one of which the column names.
    Column(usize, BTreeMap<SiteId, Tz>),
    /// All rows are of this site.
    Given(SiteId),
}

/// The column that names a time, and what it means.
#[derive(Clone, Copy)]
enum Time {
    /// A row also adds to the larger buckets.
    Period(usize),
    /// A row adds only to this bucket.
    Bucket(usize),
}

const NAMES: [&str; 5] = ["site", "article", "period", "bucket", "views"];

impl Own {
    /// Whether this is the header of such a file: it has at least two of the names.
    pub(in crate::transfer) fn has(header: &Header) -> bool {
        NAMES.iter().filter(|name| header.has(name)).count() >= 2
    }

    /// Reads a header. `given` is the site of the command line.
    pub(in crate::transfer) fn open(
        header: &Header,
        sites: &BTreeMap<SiteId, Tz>,
        given: Option<&SiteId>,
        until: Option<Until>,
    ) -> Result<Self, Vec<String>> {
        let mut mistakes = header.repeated();
        let unknown: Vec<_> = header.names.iter().filter(|name| !NAMES.contains(&name.as_str())).map(|name| format!("{name:?}")).collect();
        if !unknown.is_empty() {
            mistakes.push(format!("unknown columns {}; the columns are site,article,period,views", unknown.join(", ")));
        }
        let mut missing = Vec::new();
        let mut needed = |name: &'static str| {
            header.place(name).unwrap_or_else(|| {
                missing.push(name);
                0
            })
        };
        let (article, views) = (needed("article"), needed("views"));
        let time = match (header.place("period"), header.place("bucket")) {
            (None, Some(bucket)) => Time::Bucket(bucket),
            (Some(period), _) => Time::Period(period),
            (None, None) => Time::Period(needed("period")),
        };
        let site = match (header.place("site"), given) {
            (Some(_), Some(_)) => {
                mistakes.push("the file has a column \"site\", so omit --site".into());
                None
            }
            (Some(at), None) => Some(Site::Column(at, sites.clone())),
            (None, Some(given)) => Some(Site::Given(given.clone())),
            (None, None) => {
                missing.insert(0, "site");
                None
            }
        };
        if header.has("period") && header.has("bucket") {
            mistakes.push("there are both a column \"period\" and a column \"bucket\"; use one of them".into());
        }
        if matches!((time, until), (Time::Bucket(_), Some(_))) {
            mistakes.push("this is an export, whose buckets contain each other: import it without --until".into());
        }
        if !missing.is_empty() {
            mistakes.push(format!("missing columns: {}", missing.join(", ")));
        }
        let columns = (header.names.len(), header.unnamed);
        site.filter(|_| mistakes.is_empty()).map(|site| Self { site, article, time, views, columns, until }).ok_or(mistakes)
    }
}

impl Form for Own {
    fn line(&self, fields: &[&str]) -> Result<Line, Vec<String>> {
        let (count, (columns, unnamed)) = (fields.len(), self.columns);
        let fits = count >= columns && count <= columns + unnamed && fields.iter().skip(columns).all(|field| field.is_empty());
        if !fits {
            let hint = if count > columns { "; an id with the separator needs quotes, and views have no separators" } else { "" };
            return Err(vec![format!("{count} fields, but the header has {columns}{hint}")]);
        }
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        let site = match &self.site {
            Site::Given(site) => Ok(site.clone()),
            Site::Column(at, sites) => {
                let text = field(*at);
                let found = sites.get_key_value(text).map(|(site, _)| site.clone());
                found.ok_or_else(|| format!("site {text:?} is not one of the configured sites"))
            }
        };
        let article = field(self.article);
        let (time, views) = (self.time(field), read_views(field(self.views)));
        let subject = match self.time {
            Time::Period(_) => read_article(article),
            Time::Bucket(_) => Some(article).filter(|text| !text.is_empty()).map(ArticleId::parse).transpose().map(|id| (id, false)),
        };
        let (site, (article_id, cleaned), (kind, buckets, left_out), views) = match (site, subject, time, views) {
            (Ok(site), Ok(subject), Ok(time), Ok(views)) => (site, subject, time, views),
            (site, subject, time, views) => {
                let subject = subject.err().map(|error| error.to_string());
                return Err([site.err(), subject, time.err(), views.err()].into_iter().flatten().collect());
            }
        };
        if left_out {
            return Ok(Line::left_out("from --until on"));
        }
        let cleaned = article_id.clone().filter(|_| cleaned).map(|id| (article.to_owned(), id));
        let subject = match (kind, article_id) {
            (Some(_), Some(_)) => return Err(vec!["a count of what was not counted has no article: leave it empty".into()]),
            (Some(kind), None) => Subject::Kind(kind),
            (None, article) => article.map_or(Subject::Site, Subject::Article),
        };
        Ok(Line { rows: vec![Row { site, subject, buckets, views }], cleaned, ..Line::default() })
    }

    fn row_bytes(&self) -> usize {
        OWN_LINE_BYTES
    }
}

impl Own {
    /// The kind of a count, its buckets, and whether they are left out.
    fn time<'a>(&self, field: impl Fn(usize) -> &'a str) -> Result<(Option<Kind>, BucketSet, bool), String> {
        match self.time {
            Time::Period(at) => {
                let bucket = periods::read(field(at))?;
                let left_out = self.until.map_or(Ok(false), |until| until.leaves_out_period(bucket))?;
                Ok((None, periods::with_larger(bucket), left_out))
            }
            Time::Bucket(at) => read_bucket(field(at)).map(|(kind, buckets)| (kind, buckets, false)),
        }
    }
}

/// The id of an article in the form that pages send, and whether the text has another one. An address of a home page is that of the
/// page, because a row names it.
fn read_article(text: &str) -> Result<(Option<ArticleId>, bool), ArticleError> {
    if text.is_empty() {
        return Ok((None, false));
    }
    let id =
        if text.contains("://") { ArticleId::of_path(text)?.map_or_else(|| ArticleId::parse("/"), Ok) } else { ArticleId::as_sent(text) }?;
    // Another normal form of Unicode is no other id.
    let cleaned = ArticleId::parse(text).as_ref() != Ok(&id);
    Ok((Some(id), cleaned))
}

/// A bucket of an export. A kind of count and a colon precede it, unless it counts views.
fn read_bucket(text: &str) -> Result<(Option<Kind>, BucketSet), String> {
    let (kind, name) = text.split_once(':').map_or((None, text), |(kind, name)| (Some(kind), name));
    let kind = kind.map(str::parse::<Kind>).transpose().map_err(|error| format!("bucket {text:?}: {error}"))?;
    name.parse().map(|bucket: Bucket| (kind, BucketSet::from_iter([bucket]))).map_err(|_| {
        let instead = if text.is_empty() { "; for views that are older, write total" } else { "" };
        format!("bucket {text:?} is not a day (2026-11-22), week (2026-W47), month (2026-11), year (2026) or total{instead}")
    })
}

/// A number of views in plain digits.
pub(in crate::transfer) fn read_views(text: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("views {text:?}: write a whole number in plain digits, without separators, such as 8307145"));
    }
    text.parse().ok().filter(|views| *views <= MAX_COUNT).ok_or_else(|| format!("views {text}: more than {MAX_COUNT}"))
}
