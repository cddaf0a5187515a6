//! The demo portal, which shows the figures on a page.
//!
//! Its pages are assembled once, from the pieces in `web/demo/`: a placeholder looks like `{name}`.

use hyper::{Response, body::Bytes};

use crate::{
    domain::site::SiteId,
    http::response::{Body, html},
};

/// Names of placeholders and their values. If a name occurs twice, its first value is used.
type Fields<'a> = Vec<(&'a str, &'a str)>;

macro_rules! piece {
    ($($name:literal),+) => {
        include_str!(concat!("../../../web/demo/", $($name),+))
    };
}

/// An article: its path, and its file and picture in `web/demo/tin/`.
macro_rules! article {
    ($name:literal) => {
        (concat!("/tin/", $name), piece!("tin/", $name, ".html"), piece!("tin/", $name, ".svg"))
    };
}

/// All articles, the newest first.
const ARTICLES: [(&str, &str, &str); 5] = [
    article!("hoi-dua-thuyen-song-mau"),
    article!("thu-vien-mo-cua-buoi-toi"),
    article!("thu-tuc-truc-tuyen-toan-trinh"),
    article!("lay-y-kien-cong-vien-ven-song"),
    article!("vuon-cam-vao-vu"),
];

/// The pages of the demo, by their paths.
#[derive(Debug)]
pub(in crate::http) struct Demo {
    site: SiteId,
    pages: Vec<(&'static str, Bytes)>,
}

impl Demo {
    /// A demo whose views are counted for a site.
    pub(in crate::http) fn new(site: &SiteId) -> Self {
        // SECURITY: a site id has no character with a meaning in HTML.
        let id = site;
        let site = site.as_str();
        let articles = ARTICLES.map(|article| fields(article, site));
        let mut pages = vec![("/", home(&articles, site).into())];
        pages.extend(articles.iter().zip(ARTICLES).map(|(own, (path, ..))| (path, story(own, &articles).into())));
        Self { site: id.clone(), pages }
    }

    /// Whether the views of its pages are counted for a site.
    pub(in crate::http) fn counts_for(&self, site: &SiteId) -> bool {
        self.site == *site
    }

    /// The page at a path; its script counts a view.
    pub(in crate::http) fn page(&self, path: &str) -> Option<Response<Body>> {
        let (_, page) = self.pages.iter().find(|(own, _)| *own == path)?;
        Some(html(page.clone()))
    }
}

/// The content of an article's file: lines such as `title: …`, an empty line, and the text.
fn fields<'a>((path, file, scene): (&'static str, &'static str, &'static str), site: &'a str) -> Fields<'a> {
    let (head, text) = file.split_once("\n\n").unwrap_or((file, ""));
    let mut fields: Fields<'_> = head.lines().filter_map(|line| line.split_once(": ")).collect();
    fields.extend([("path", path), ("scene", scene.trim_end()), ("text", text.trim_end()), ("site", site)]);
    fields
}

fn home(articles: &[Fields<'_>], site: &str) -> String {
    let cards: String = articles.iter().map(|article| fill(piece!("card.html"), article)).collect();
    let main = fill(piece!("home.html"), &vec![("cards", cards.trim_end())]);
    let fields = vec![
        ("title", "Trang chủ"),
        ("lead", "Trang minh họa của truycap: một cổng thông tin có lượt xem, bài đọc nhiều và hộp thống kê truy cập."),
        ("current", r#" aria-current="page""#),
        // The home page is not an article: its views count for the site alone.
        ("counts", r#" data-article="none""#),
        ("gif", ""),
        ("main", main.trim_end()),
        ("beside", piece!("most-read.html").trim_end()),
        ("site", site),
    ];
    fill(piece!("shell.html"), &fields)
}

/// The page of an article. It counts under its path, which is the script's default.
fn story(own: &Fields<'_>, articles: &[Fields<'_>]) -> String {
    let others = articles.iter().filter(|article| *article != own);
    let others: String = others.map(|article| fill(piece!("other.html"), article)).collect();
    let beside = fill(piece!("others.html"), &vec![("others", others.trim_end())]);
    let main = fill(piece!("article.html"), own);
    let gif = fill("?article={path}", own);
    let mut fields: Fields<'_> =
        vec![("current", ""), ("counts", ""), ("gif", &gif), ("main", main.trim_end()), ("beside", beside.trim_end())];
    fields.extend(own);
    fill(piece!("shell.html"), &fields)
}

/// Fills a piece. Values are not searched for placeholders; a placeholder without a value stays.
fn fill(piece: &str, fields: &Fields<'_>) -> String {
    let mut parts = piece.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let given = part.split_once('}').and_then(|(name, rest)| Some((fields.iter().find(|(own, _)| *own == name)?.1, rest)));
        match given {
            Some((value, rest)) => filled = filled + value + rest,
            None => filled = filled + "{" + part,
        }
    }
    filled
}
