//! truycap's own columns: `site,article,period,views` and perhaps `visits`, or an export's `site,article,bucket,views`.

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
        excel::unguarded,
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
    /// The visits of the site, which are a kind of count beside its views.
    visits: Option<usize>,
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
    /// A row adds only to this bucket. `excel` says whether the file can be one for Excel, which has semicolons.
    Bucket { at: usize, excel: bool },
}

const NAMES: [&str; 6] = ["site", "article", "period", "bucket", "views", "visits"];

impl Own {
    /// Whether this is the header of such a file: it has at least two of the names. Other products have visits too.
    pub(in crate::transfer) fn has(header: &Header) -> bool {
        NAMES.iter().filter(|name| **name != "visits").filter(|name| header.has(name)).count() >= 2
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
            mistakes.push(format!(
                "unknown columns {}; the columns are site,article,period,views, and visits if they are known",
                unknown.join(", ")
            ));
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
            (None, Some(at)) => Time::Bucket { at, excel: header.separator == ';' },
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
        if matches!(time, Time::Bucket { .. }) && header.has("visits") {
            mistakes.push(
                "an export has its visits in rows of their own, such as portal,,visits:2026-11-22,97: omit the column \"visits\", or name \
                 the times in a column \"period\""
                    .into(),
            );
        }
        if matches!((time, until), (Time::Bucket { .. }, Some(_))) {
            mistakes.push("this is an export, whose buckets contain each other: import it without --until".into());
        }
        if !missing.is_empty() {
            mistakes.push(format!("missing columns: {}", missing.join(", ")));
        }
        let columns = (header.names.len(), header.unnamed);
        let visits = header.place("visits");
        site.filter(|_| mistakes.is_empty()).map(|site| Self { site, article, time, views, visits, columns, until }).ok_or(mistakes)
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
        let (time, counts) = (self.time(field), self.counts(field));
        let subject = match self.time {
            Time::Period(_) => read_article(article),
            Time::Bucket { excel, .. } => {
                let text = if excel { unguarded(article) } else { article };
                Some(text).filter(|text| !text.is_empty()).map(ArticleId::parse).transpose().map(|id| (id, false))
            }
        };
        let (site, (article_id, cleaned), (kind, buckets, left_out), (views, visits)) = match (site, subject, time, counts) {
            (Ok(site), Ok(subject), Ok(time), Ok(counts)) => (site, subject, time, counts),
            (site, subject, time, counts) => {
                let subject = subject.err().map(|error| error.to_string());
                let others = [site.err(), subject, time.err()].into_iter().flatten();
                return Err(others.chain(counts.err().unwrap_or_default()).collect());
            }
        };
        if left_out {
            return Ok(Line::left_out("from --until on"));
        }
        let cleaned = article_id.clone().filter(|_| cleaned).map(|id| (article.to_owned(), id));
        let subject = match (kind, article_id) {
            (Some(kind), Some(_)) => {
                return Err(vec![format!("bucket of {kind}: it is counted for the site and not for articles; leave the article empty")]);
            }
            (Some(kind), None) => Subject::Kind(kind),
            (None, article) => article.map_or(Subject::Site, Subject::Article),
        };
        let visits = (visits > 0).then(|| Row { site: site.clone(), subject: Subject::Kind(Kind::Visits), buckets, views: visits });
        let rows = [Row { site, subject, buckets, views }].into_iter().chain(visits).collect();
        Ok(Line { rows, cleaned, ..Line::default() })
    }

    fn row_bytes(&self) -> usize {
        OWN_LINE_BYTES
    }
}

impl Own {
    /// The views of a row and its visits, or what is wrong with either.
    fn counts<'a>(&self, field: impl Fn(usize) -> &'a str) -> Result<(u64, u64), Vec<String>> {
        let visits = match self.visits.map_or("", &field) {
            "" => Ok(0),
            text => read_count("visits", text),
        };
        let of_article = !field(self.article).is_empty();
        let visits = visits.and_then(|visits| match visits {
            1.. if of_article => {
                Err("visits are counted for the site and not for articles: leave them empty here, and write them in a row \
                                      without an article"
                    .into())
            }
            visits => Ok(visits),
        });
        match (read_views(field(self.views)), visits) {
            (Ok(views), Ok(visits)) => Ok((views, visits)),
            (views, visits) => Err([views.err(), visits.err()].into_iter().flatten().collect()),
        }
    }

    /// The kind of a count, its buckets, and whether they are left out.
    fn time<'a>(&self, field: impl Fn(usize) -> &'a str) -> Result<(Option<Kind>, BucketSet, bool), String> {
        match self.time {
            Time::Period(at) => {
                let bucket = periods::read(field(at))?;
                let left_out = self.until.map_or(Ok(false), |until| until.leaves_out_period(bucket))?;
                Ok((None, periods::with_larger(bucket), left_out))
            }
            Time::Bucket { at, .. } => read_bucket(field(at)).map(|(kind, buckets)| (kind, buckets, false)),
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
    read_count("views", text)
}

/// The number in a column.
fn read_count(name: &str, text: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("{name} {text:?}: write a whole number in plain digits, without separators, such as 8307145"));
    }
    text.parse().ok().filter(|count| *count <= MAX_COUNT).ok_or_else(|| format!("{name} {text}: more than {MAX_COUNT}"))
}
