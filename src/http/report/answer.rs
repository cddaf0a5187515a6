//! Who may read a report, and its headers.

use std::{sync::Arc, time::Duration};

use hyper::{
    Response, StatusCode,
    header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY},
};
use tokio::time::{Instant, sleep};

use super::{csv, page::render, view::View};
use crate::{
    domain::{
        article::ArticleId,
        site::{ReportAccess, Site},
    },
    http::{
        pages::labels::Language,
        request::Query,
        response::{Body, Caching, Problem, content, framed_by},
    },
    recorder::SiteCounter,
    report::{Gap, MAX_MOST_READ, RangeQuery, ReadArticle, Report, ReportError, Reports},
    titles::Titles,
};

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Form {
    Page,
    File,
}

/// Who reads a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Reader {
    /// A client of the public listener, whom the site's configuration must admit.
    Public,
    /// A client of the admin listener, who may read all.
    Admin,
}

/// How long a report waits for the titles of its articles. It is made to be kept, so it is worth a wait.
const TITLES_WAIT: Duration = Duration::from_secs(5);

/// How often it looks for them.
const LOOK: Duration = Duration::from_millis(50);

/// Responds with the report of a site. `uri` has the query.
pub(in crate::http) async fn respond(
    reports: &Reports,
    titles: &Titles,
    counter: &Arc<SiteCounter>,
    uri: &hyper::Uri,
    reader: Reader,
    form: Form,
) -> Result<Response<Body>, Problem> {
    let site = counter.site();
    let query = Query::of(uri)?;
    let token = match reader {
        Reader::Public => admit(&site, &query)?,
        Reader::Admin => None,
    };
    let language = Language::of(&query)?;
    let today = site.day(reports.now());
    let (days, by) = range(&query)?.read(today).map_err(|error| Problem::bad_request(error.to_string()))?;
    let report = reports.report(counter, days, by).await.map_err(|error| match error {
        ReportError::Busy => Problem::unavailable("other reports are being made", 1),
        ReportError::Store(error) => Problem::store_unreachable(&error),
    })?;
    let (report, waits) = with_titles(&report, titles).await;
    let is_public = reader == Reader::Public && site.rules.report == ReportAccess::Public;
    let caching = if is_public && !report.stale && !waits { Caching::Second } else { Caching::Never };
    let mut response = match form {
        Form::Page => page(&site, &report, language, token, caching),
        Form::File => file(&report, language, caching)?,
    };
    let headers = response.headers_mut();
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex"));
    Ok(response)
}

/// The report with the titles of its articles, and without those that the portal does not have; and whether the portal has not answered
/// about some.
async fn with_titles(report: &Report, titles: &Titles) -> (Report, bool) {
    let articles: Vec<_> = report.most_read.articles.iter().map(|read| (read.article.clone(), read.views)).collect();
    let end = Instant::now() + TITLES_WAIT;
    let list = loop {
        let list = titles.list(&report.site, &articles, MAX_MOST_READ);
        if !list.waits || Instant::now() >= end {
            break list;
        }
        sleep(LOOK).await;
    };
    let mut report = report.clone();
    let read = |(article, views, title): (ArticleId, u64, Option<Arc<str>>)| ReadArticle {
        article,
        title: title.map(|title| title.to_string()),
        views,
    };
    report.most_read.articles = list.rows.into_iter().map(read).collect();
    let shown = report.most_read.articles.len();
    if shown == MAX_MOST_READ {
        report.most_read.gap = None;
    } else if shown < articles.len() {
        report.most_read.gap.get_or_insert(Gap::NotListed);
    }
    (report, list.waits)
}

/// Checks that the site's configuration lets a client read the report. Returns the token, which links must keep.
fn admit<'a>(site: &Site, query: &'a Query<'_>) -> Result<Option<&'a str>, Problem> {
    let refused = |detail: String| Problem::new(StatusCode::FORBIDDEN, detail);
    let id = &site.id;
    match &site.rules.report {
        ReportAccess::Off => Err(refused(format!(
            "the report of the site {id} is off: write report = \"token\" and report_tokens, or report = \"public\", into its configuration"
        ))),
        ReportAccess::Public => Ok(None),
        // SECURITY: the token must be in no message, because messages are logged.
        ReportAccess::Token(tokens) => match query.once("token")? {
            None => Err(refused(format!("the report of the site {id} needs a token: write token= and one of its report_tokens"))),
            Some(given) if tokens.iter().fold(false, |found, token| token.is(given) | found) => Ok(Some(given)),
            Some(_) => Err(refused(format!("this token is none of the report_tokens of the site {id}"))),
        },
    }
}

fn range<'a>(query: &'a Query<'_>) -> Result<RangeQuery<'a>, Problem> {
    Ok(RangeQuery {
        from: query.once("from")?,
        to: query.once("to")?,
        month: query.once("month")?,
        quarter: query.once("quarter")?,
        half: query.once("half")?,
        year: query.once("year")?,
        by: query.once("by")?,
    })
}

fn page(site: &Site, report: &Report, language: Language, token: Option<&str>, caching: Caching) -> Response<Body> {
    let origin = site.origins.iter().find(|origin| origin.is_one()).map(|origin| origin.as_str());
    let host = origin.and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    let name = host.unwrap_or(site.id.as_str());
    let view = View { language, name, origin, token, repeat_window: site.rules.repeat_window };
    let mut response = content("text/html; charset=utf-8", caching, render(report, &view));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, framed_by(site, "'self'"));
    response
}

fn file(report: &Report, language: Language, caching: Caching) -> Result<Response<Body>, Problem> {
    let failed = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the file could not be written");
    let body = csv::write(report, language).map_err(failed)?;
    let mut response = content("text/csv; charset=utf-8; header=present", caching, body);
    // The characters of an id are safe in a name.
    let name = format!("attachment; filename=\"{}_{}_{}.csv\"", report.site, report.days.from, report.days.to);
    if let Ok(name) = HeaderValue::try_from(name) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    Ok(response)
}
