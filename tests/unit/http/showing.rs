//! Figures for pages without JavaScript: the box as an HTML page, and one figure as an image.

use truycap::domain::site::Rules;

use super::{
    counting::escape,
    server::{Answer, ORIGIN, Options, Server, start},
};

const BOX: &str = "/v1/sites/portal/box";
const BADGE: &str = "/v1/sites/portal/badge.svg";

/// The text of each element of a kind, in order.
fn all<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    answer.text().split(&open).skip(1).map(|rest| rest.split_once(&close).unwrap().0).collect()
}

/// The title, the digits as they are shown, and the width of a badge.
fn badge(answer: &Answer) -> (String, String, usize) {
    let text = answer.text();
    let between = |from: &str, to: &str| text.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let shown: String = between("font-weight=\"600\" text-anchor=\"middle\">", "</text>").split(['<', '>']).step_by(2).collect();
    (between("<title id=\"t\">", "</title>").to_owned(), shown, between(" width=\"", "\"").parse().unwrap())
}

/// Checks that a target counts nothing, with any method.
fn counts_nothing(server: &Server, target: &str) {
    let before = server.total();
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert!(server.ask(method, target, &[], "").status < 300, "{method} {target}");
    }
    assert_eq!(server.ask("POST", target, &[], "").status, 405);
    assert_eq!(server.total(), before);
}

#[test]
fn the_box_is_a_page_in_vietnamese_or_english() {
    let server = start(Options::default());
    for _ in 0..3 {
        server.view("/a");
    }
    let answer = server.get(BOX);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=1"));
    assert!(answer.text().starts_with("<!DOCTYPE html>\n<html lang=\"vi\">"), "{}", answer.text());
    let heading =
        |answer: &Answer, text: &str| assert!(answer.text().contains(&format!("<h2 aria-level=\"1\">{text}</h2>")), "{}", answer.text());
    heading(&answer, "Thống kê truy cập");
    let labels = ["Hôm nay", "Hôm qua", "Tuần này", "Tuần trước", "Tháng này", "Tháng trước", "Năm nay", "Năm trước"];
    assert_eq!(all(&answer, "dt"), labels);
    assert_eq!(all(&answer, "dd"), ["3", "0", "3", "0", "3", "0", "3", "0"]);
    assert_eq!((all(&answer, "i"), all(&answer, "b")), (vec!["0"; 10], vec!["3"]));
    assert!(answer.text().contains(">Tổng số lượt xem: 3</span>"), "{}", answer.text());

    let english = server.get(&format!("{BOX}?lang=en"));
    assert!(english.text().contains("<html lang=\"en\">") && english.text().contains(">Total views: 3</span>"), "{}", english.text());
    let labels = ["Today", "Yesterday", "This week", "Last week", "This month", "Last month", "This year", "Last year"];
    heading(&english, "Visitor statistics");
    assert_eq!(all(&english, "dt"), labels);
    assert_eq!(server.get(&format!("{BOX}?lang=vi")).text(), answer.text());
}

#[test]
fn labels_of_the_box_can_be_set_and_are_escaped() {
    let server = start(Options::default());
    let english = ["Today", "Yesterday", "This week", "Last week", "This month", "Last month", "This year", "Last year"];
    let figures = english.map(|label| label.to_lowercase().replace(' ', "_"));
    let query = figures.each_ref().map(|figure| format!("label_{figure}={}", escape(&format!("<b>\"{figure}\" & more</b>")))).join("&");
    let expected = figures.map(|figure| format!("&lt;b&gt;&quot;{figure}&quot; &amp; more&lt;/b&gt;"));
    for lang in ["vi", "en"] {
        let answer = server.get(&format!("{BOX}?lang={lang}&{query}"));
        assert_eq!((answer.status, all(&answer, "dt")), (200, expected.each_ref().map(String::as_str).to_vec()));
        assert!(!answer.text().contains("more</b>"), "{}", answer.text());
    }
    // One label is set, and the others are the defaults. The longest label has 64 characters, not bytes.
    for (label, shown) in [("Năm này", "Năm này"), (&"ữ".repeat(64), &"ữ".repeat(64)), ("", "This year")] {
        let answer = server.get(&format!("{BOX}?lang=en&label_this_year={}", escape(label)));
        let mut expected = english;
        expected[6] = shown;
        assert_eq!((answer.status, all(&answer, "dt")), (200, expected.to_vec()), "{label:?}");
    }
    assert_eq!(all(&server.get(&format!("{BOX}?lang=en&label_total=x&label_views=x")), "dt"), english);
}

#[test]
fn the_box_loads_only_styles_and_only_pages_of_the_site_can_frame_it() {
    // `null`, which is an origin of the site here, has no place in a policy.
    let server = start(Options { demo: false, more_origins: &["null"], ..Options::default() });
    let answer = server.get(BOX);
    let policy = answer.header("content-security-policy").unwrap();
    let rules: Vec<_> = policy.split("; ").collect();
    let framing = format!("frame-ancestors 'self' http://127.0.0.1:8080 {ORIGIN}");
    assert_eq!(rules, ["default-src 'none'", "style-src 'self'", "base-uri 'none'", "form-action 'none'", &framing]);
    for nothing in ["<script", "<style", "style=", "unsafe-inline"] {
        assert!(!answer.text().contains(nothing) && !policy.contains(nothing), "{nothing}");
    }
    let links: Vec<_> = answer.text().split("href=\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    assert_eq!(links, ["../../../widget.css", "../../../box.css"]);
    for path in ["/widget.css", "/box.css"] {
        assert_eq!(server.get(path).header("content-type"), Some("text/css; charset=utf-8"));
    }
    counts_nothing(&server, BOX);
    assert_eq!(server.ask("HEAD", BOX, &[], "").header("content-length"), answer.header("content-length"));
}

#[test]
fn unknown_figures_are_shown_as_dashes_and_are_not_cached() {
    let server = start(Options { store_unreachable: true, ..Options::default() });
    let page = server.get(BOX);
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    assert_eq!((all(&page, "dd"), all(&page, "i"), all(&page, "b")), (vec!["–"; 8], vec!["–"; 11], vec![]));
    assert!(page.text().contains(">Chưa có số liệu</span>") && !page.text().contains(">0<"), "{}", page.text());
    let cases = [
        ("", "Lượt xem cả cổng: chưa có số liệu", "–", 21),
        ("?article=/a&digits=5", "Lượt xem: chưa có số liệu", "–––––", 57),
        ("?figure=today&lang=en&digits=20", "Site views today: not known yet", "––––––––––––––––––––", 192),
    ];
    for (query, title, shown, width) in cases {
        let answer = server.get(&format!("{BADGE}{query}"));
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{query}");
        assert_eq!(badge(&answer), (title.to_owned(), shown.to_owned(), width));
    }
}

#[test]
fn a_badge_shows_any_figure_of_the_site_or_of_an_article() {
    let server = start(Options::default());
    for article in ["/a", "/a", "/b"] {
        server.view(article);
    }
    let cases = [
        ("", "Lượt xem cả cổng: 3", "3", 21),
        ("?figure=total&digits=11", "Lượt xem cả cổng: 3", "00000000003", 111),
        ("?figure=total&digits=1", "Lượt xem cả cổng: 3", "3", 21),
        ("?figure=today&article=/a", "Lượt xem hôm nay: 2", "2", 21),
        ("?figure=yesterday&article=/a&digits=2", "Lượt xem hôm qua: 0", "00", 30),
        ("?figure=this_week&article=/never", "Lượt xem tuần này: 0", "0", 21),
        ("?figure=last_week", "Lượt xem cả cổng tuần trước: 0", "0", 21),
        ("?figure=this_month&lang=en", "Site views this month: 3", "3", 21),
        ("?figure=this_year", "Lượt xem cả cổng năm nay: 3", "3", 21),
        ("?figure=last_month&lang=en", "Site views last month: 0", "0", 21),
        ("?figure=this_year&article=/b&lang=en", "Views this year: 1", "1", 21),
        ("?figure=last_year&lang=vi&utm_source=x", "Lượt xem cả cổng năm trước: 0", "0", 21),
    ];
    for (query, title, shown, width) in cases {
        let answer = server.get(&format!("{BADGE}{query}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("image/svg+xml")), "{query}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=1"));
        assert_eq!(badge(&answer), (title.to_owned(), shown.to_owned(), width), "{query}");
    }
    counts_nothing(&server, &format!("{BADGE}?article=/a"));
    let (get, head) = (server.get(BADGE), server.ask("HEAD", BADGE, &[], ""));
    assert_eq!((head.status, head.header("content-length")), (200, get.header("content-length")));
}

#[test]
fn a_badge_shows_how_many_visitors_there_are() {
    let server = start(Options { rules: Rules { visitors: true, ..Rules::default() }, ..Options::default() });
    for _ in 0..3 {
        server.view("/a");
    }
    let cases = [
        ("?figure=online", "Đang truy cập: 1"),
        ("?figure=online&lang=en", "Online now: 1"),
        ("?figure=visitors_today", "Khách truy cập hôm nay: 1"),
        ("?figure=visitors_today&lang=en", "Visitors today: 1"),
    ];
    for (query, title) in cases {
        let answer = server.get(&format!("{BADGE}{query}"));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=1"), "{query}");
        assert_eq!(badge(&answer), (title.to_owned(), "1".to_owned(), 21), "{query}");
    }
}

#[test]
fn the_box_is_light_unless_the_page_asks_for_another_theme() {
    let server = start(Options::default());
    for (query, schemes) in [("", "light"), ("?theme=light", "light"), ("?theme=dark", "dark"), ("?theme=auto&lang=en", "light dark")] {
        let answer = server.get(&format!("{BOX}{query}"));
        assert!(answer.text().contains(&format!("<meta name=\"color-scheme\" content=\"{schemes}\">")), "{query}: {}", answer.text());
    }
}

#[test]
fn rows_digits_and_heading_of_the_box_can_be_chosen() {
    let server = start(Options { rules: Rules { visitors: true, ..Rules::default() }, ..Options::default() });
    for _ in 0..3 {
        server.view("/a");
    }
    // A total among the rows is not shown above them too, unless digits are given.
    let answer = server.get(&format!("{BOX}?rows=online+visitors_today,today+total&label_total=T%E1%BB%95ng+%26"));
    assert_eq!(all(&answer, "dt"), ["Đang truy cập", "Khách hôm nay", "Hôm nay", "Tổng &amp;"]);
    assert_eq!(all(&answer, "dd"), ["1", "1", "3", "3"]);
    assert!(!answer.text().contains("truycap-digits"), "{}", answer.text());
    let answer = server.get(&format!("{BOX}?rows=total&digits=3&lang=en&label_total=All"));
    assert_eq!((all(&answer, "dt"), all(&answer, "i"), all(&answer, "b")), (vec!["All"], vec!["0"; 2], vec!["3"]));
    assert!(answer.text().contains(">All: 3</span>"), "{}", answer.text());
    // No rows: the total alone. The heading of a bare box is for screen readers.
    let answer = server.get(&format!("{BOX}?rows=&bare"));
    assert!(answer.text().contains("<h2 class=\"truycap-said\" aria-level=\"1\">Thống kê truy cập</h2>"), "{}", answer.text());
    assert!(!answer.text().contains("<dl") && all(&answer, "b") == ["3"], "{}", answer.text());
    // Screen readers say what is counted.
    let answer = server.get(&format!("{BOX}?of=visits"));
    assert!(answer.text().contains(">Tổng số lượt truy cập: 0</span>"), "{}", answer.text());
}

#[test]
fn pages_that_require_cross_origin_policies_can_use_pictures_and_the_box() {
    let server = start(Options::default());
    for (target, embedder) in [(BOX, Some("require-corp")), (BADGE, None), ("/v1/sites/portal/views.gif", None)] {
        let answer = server.get(target);
        let policies = ["cross-origin-resource-policy", "cross-origin-embedder-policy"].map(|name| answer.header(name));
        assert_eq!(policies, [Some("cross-origin"), embedder], "{target}");
    }
    // Figures are for the site's own pages.
    assert_eq!(server.get("/v1/sites/portal/figures").header("cross-origin-resource-policy"), None);
}

#[test]
fn a_badge_does_not_contain_the_requested_article() {
    let server = start(Options::default());
    let expected = server.get(&format!("{BADGE}?article=/a"));
    for article in ["<script>alert(1)</script>", "\"><image href=x onerror=alert(1)>", "]]>&xxe;", "{title}", "\u{202e}\u{ffff}"] {
        let answer = server.get(&format!("{BADGE}?article={}", escape(article)));
        assert_eq!((answer.status, answer.text()), (200, expected.text()), "{article:?}");
        assert_eq!(answer.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    for nothing in ["<script", "<style", "style=", "href"] {
        assert!(!expected.text().contains(nothing), "{nothing}");
    }
}

#[test]
fn a_wrong_query_is_refused_with_a_reason() {
    let server = start(Options::default());
    let too_long = format!("box?label_today={}", "x".repeat(65));
    let cases = [
        (&*too_long, 400, "label_today is not a text of up to 64 characters without control characters"),
        ("box?label_last_year=a%00b", 400, "label_last_year is not a text of up to 64 characters"),
        ("box?label_this_week=%C2%85", 400, "without control characters"),
        ("box?label_today=a&label_today=b", 400, "label_today is given more than once"),
        ("box?lang=fr", 400, "lang is not one of vi, en"),
        ("box?lang=", 400, "lang is not one of"),
        ("box?lang=vi&lang=en", 400, "lang is given more than once"),
        ("box?%zz", 400, "percent-encoded"),
        ("box/", 404, "there is no page"),
        ("box?theme=", 400, "theme is not one of light, dark, auto"),
        ("box?theme=black", 400, "theme is not one of light, dark, auto"),
        ("box?theme=dark&theme=dark", 400, "theme is given more than once"),
        ("box?rows=today,views", 400, "a name in rows is not one of total, today,"),
        ("box?rows=today+today", 400, "rows has today more than once"),
        ("box?rows=online", 400, "the site portal does not estimate visitors: set visitors = true"),
        ("box?of=bot", 400, "of is not one of views, visits"),
        ("box?bare=false", 400, "bare has no value"),
        ("box?digits=21", 400, "digits is not a whole number from 1 to 20"),
        ("badge.svg?figure=views", 400, "figure is not one of total, today,"),
        ("badge.svg?figure=views", 400, "last_year, online, visitors_today"),
        ("badge.svg?figure=online", 400, "the site portal does not estimate visitors: set visitors = true"),
        ("badge.svg?figure=visitors_today&article=/a", 400, "leave out article"),
        ("badge.svg?figure=", 400, "figure is not one of"),
        ("badge.svg?figure=today&figure=total", 400, "figure is given more than once"),
        ("badge.svg?digits=0", 400, "digits is not a whole number from 1 to 20"),
        ("badge.svg?digits=21", 400, "from 1 to 20"),
        ("badge.svg?digits=-1", 400, "from 1 to 20"),
        ("badge.svg?digits=99999999999999999999", 400, "from 1 to 20"),
        ("badge.svg?digits=", 400, "from 1 to 20"),
        ("badge.svg?article=", 400, "is empty"),
        ("badge.svg?article=/a&article=/b", 400, "article is given more than once"),
        ("badge.svg?article=%0A", 400, "control character"),
        ("badge.svg?lang=VI", 400, "lang is not one of"),
        ("badge", 404, "there is no page"),
        ("../nope/box", 404, "there is no"),
    ];
    for (target, status, detail) in cases {
        let answer = server.get(&format!("/v1/sites/portal/{target}"));
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")), "{target}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{target}");
        assert!(answer.text().contains(detail), "{target}: {}", answer.text());
    }
    for resource in ["box", "badge.svg"] {
        assert_eq!(server.get(&format!("/v1/sites/nope/{resource}")).status, 404);
    }
}

#[test]
fn a_label_begins_with_a_capital_in_every_alphabet() {
    for (label, expected) in [("hôm nay", "Hôm nay"), ("đang truy cập", "Đang truy cập"), ("ảnh", "Ảnh"), ("1 ngày", "1 ngày"), ("", "")]
    {
        assert_eq!(truycap::http::capitalise(label), expected);
    }
}
