//! Which requests of an access log are views.

use std::{borrow::Cow, fmt, str::FromStr};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use percent_encoding::{CONTROLS, percent_decode, percent_encode};
use regex::{Regex, RegexBuilder};

use super::request::Request;
use crate::{
    audience::Bots,
    domain::{
        article::ArticleId,
        site::{Origin, Site},
    },
    transfer::until::Until,
};

/// The endings of paths that are no pages.
const FILES: &str = "7z aac apk ashx asf atom avi avif axd bmp bz2 class css csv dmg doc docm docx dot dotx eot epub exe flv gif gz ico iso jar jpeg jpg \
                     js json m3u8 m4a m4v map mjs mkv mov mp3 mp4 mpeg mpg msi odp ods odt ogg ogv otf pdf png ppt pptx ps psd rar rss rtf swf svg \
                     svgz tar tgz tif tiff ts ttf txt wasm wav webm webmanifest webp wma wmv woff woff2 xls xlsm xlsx xml xz zip zst";

/// The maximum size of the automaton of a pattern, in bytes.
const MAX_PATTERN: usize = 256 << 10;

/// How far a clock may be ahead.
const AHEAD: TimeDelta = TimeDelta::hours(1);

/// Which requests are views of a site.
#[derive(Debug)]
pub struct ViewRules<'a> {
    /// The site.
    pub site: &'a Site,
    /// Recognises bots.
    pub bots: &'a Bots,
    /// Further paths that are no pages.
    pub not_pages: Vec<NotPages>,
    /// Where the views end.
    pub until: Option<Until>,
    /// The present time.
    pub now: DateTime<Utc>,
}

/// A pattern of paths, with their queries, that are no pages.
#[derive(Clone, Debug)]
pub struct NotPages(Regex);

impl fmt::Display for NotPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for NotPages {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let pattern = RegexBuilder::new(text).size_limit(MAX_PATTERN).build();
        pattern.map(Self).map_err(|error| format!("{text:?} is not a regular expression: {error}"))
    }
}

/// Why a request is not a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// Another method than GET, or no path.
    Method,
    /// Another status than 200 and 304.
    Status,
    /// Another host than those of the site.
    Host,
    /// Not before the end of the views.
    Until,
    /// Later than now.
    Future,
    /// A request to truycap.
    Own,
    /// A file: its ending is none of a page.
    File,
    /// A pattern says that it is no page.
    NotPage,
    /// The browser loaded it before the visitor opened it.
    Prefetch,
    /// A bot.
    Bot,
}

impl Reason {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Status => "status",
            Self::Host => "host",
            Self::Until => "until",
            Self::Future => "future",
            Self::Own => "truycap",
            Self::File => "file",
            Self::NotPage => "not_page",
            Self::Prefetch => "prefetch",
            Self::Bot => "bot",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "not a GET request for a path",
            Self::Status => "another status than 200 and 304",
            Self::Host => "another host than those of the site's origins",
            Self::Until => "not before --until",
            Self::Future => "in the future",
            Self::Own => "a request to truycap",
            Self::File => "a file, not a page (by its extension)",
            Self::NotPage => "excluded by --not-pages",
            Self::Prefetch => "loaded before the visitor opened it",
            Self::Bot => "a bot",
        })
    }
}

/// Why a view counts for the site alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SiteAlone {
    /// The home page.
    Home,
    /// The path is no id of an article: too long, or with control characters.
    Path,
    /// The article does not match the site's pattern.
    Pattern,
}

impl SiteAlone {
    /// Its name in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Home => "home",
            Self::Path => "path",
            Self::Pattern => "article_pattern",
        }
    }
}

impl fmt::Display for SiteAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Home => "the home page",
            Self::Path => "a path that is no id of an article",
            Self::Pattern => "an article that does not match the pattern of the site",
        })
    }
}

/// A view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The day in the site's time zone.
    pub day: NaiveDate,
    /// The article, or why there is none.
    pub article: Result<ArticleId, SiteAlone>,
    /// Whether it begins a visit: its `Referer` is empty, or a page elsewhere. `None` if the log does not have it.
    pub is_visit: Option<bool>,
}

impl ViewRules<'_> {
    /// The view that a request is.
    ///
    /// # Errors
    /// If it is none.
    pub fn view(&self, request: &Request<'_>) -> Result<View, Reason> {
        if *request.method != *b"GET" || !(request.target.starts_with(b"/") || request.target.starts_with(b"http")) {
            return Err(Reason::Method);
        }
        if !matches!(request.status, 200 | 304) {
            return Err(Reason::Status);
        }
        if request.host.as_deref().is_some_and(|host| !is_host_of(self.site, host)) {
            return Err(Reason::Host);
        }
        if self.until.is_some_and(|until| until.leaves_out(request.at, self.site.timezone)) {
            return Err(Reason::Until);
        }
        if request.at > self.now + AHEAD {
            return Err(Reason::Future);
        }
        self.check_path(&request.target)?;
        if request.prefetch {
            return Err(Reason::Prefetch);
        }
        if request.agent.as_deref().is_some_and(|agent| self.bots.is_bot(agent)) {
            return Err(Reason::Bot);
        }
        let is_visit = request.referrer.as_deref().map(|referrer| !is_page_of(self.site, referrer));
        Ok(View { day: self.site.day(request.at), article: self.article(&request.target), is_visit })
    }

    fn check_path(&self, target: &[u8]) -> Result<(), Reason> {
        let path = target.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        if path.windows(b"/v1/sites/".len()).any(|part| part == b"/v1/sites/") {
            return Err(Reason::Own);
        }
        // Java's servers put the id of a session behind a semicolon.
        let name = path.rsplit(|&byte| byte == b'/').next().and_then(|name| name.split(|&byte| byte == b';').next()).unwrap_or_default();
        let ending = name.iter().rposition(|&byte| byte == b'.').map(|dot| &name[dot + 1..]);
        if ending.is_some_and(|ending| FILES.split_ascii_whitespace().any(|file| ending.eq_ignore_ascii_case(file.as_bytes()))) {
            return Err(Reason::File);
        }
        if self.not_pages.is_empty() {
            return Ok(());
        }
        let target = percent_decode(target).decode_utf8_lossy();
        if self.not_pages.iter().any(|pattern| pattern.0.is_match(&target)) { Err(Reason::NotPage) } else { Ok(()) }
    }

    fn article(&self, target: &[u8]) -> Result<ArticleId, SiteAlone> {
        // As a browser encodes it: the script sees no other bytes.
        let target: Cow<'_, str> = percent_encode(target, CONTROLS).into();
        let article = ArticleId::of_path(&target).map_err(|_| SiteAlone::Path)?.ok_or(SiteAlone::Home)?;
        let pattern = self.site.rules.articles.as_ref();
        if pattern.is_some_and(|pattern| !pattern.is_match(article.as_str())) { Err(SiteAlone::Pattern) } else { Ok(article) }
    }
}

/// Whether an address is that of a page of the site. Only its host is compared, because a proxy or a redirection changes the rest.
fn is_page_of(site: &Site, address: &[u8]) -> bool {
    let is_web = |scheme: &[u8]| scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    let separator = address.windows(3).position(|bytes| bytes == b"://").filter(|&scheme| is_web(&address[..scheme]));
    let host = separator.and_then(|scheme| address[scheme + 3..].split(|byte| matches!(byte, b'/' | b'?' | b'#')).next());
    host.is_some_and(|host| is_host_of(site, host))
}

/// Whether a host, with or without a port, is the host of one of the site's origins. Behind a proxy the ports differ.
fn is_host_of(site: &Site, host: &[u8]) -> bool {
    let Some(host) = str::from_utf8(host).ok().and_then(|host| Origin::parse(&format!("http://{}", host.trim_end_matches('.'))).ok())
    else {
        return false;
    };
    let name = without_port(host.as_str());
    site.origins.iter().any(|own| {
        let scheme = own.as_str().split("://").next().unwrap_or_default();
        let own = Origin::parse_configured(without_port(own.as_str()));
        own.is_ok_and(|own| own.admits(name.replacen("http", scheme, 1).as_bytes()))
    })
}

fn without_port(origin: &str) -> &str {
    let host = origin.find("://").map_or(0, |scheme| scheme + 3);
    origin[host..].rfind(':').filter(|colon| !origin[host + colon..].contains(']')).map_or(origin, |colon| &origin[..host + colon])
}
