//! Pages of which htmx replaces the body.

use std::time::Duration;

use crate::{
    counting::counted,
    driver::Browser,
    pages::{Portal, npm},
    process::Place,
};

const FIGURES: &str = "<p id=own data-truycap=article.total>–</p><p id=site data-truycap=total>–</p>";

/// The figures of each page after a reader went from one to the next, and back.
fn boosted_pages_are_counted_and_filled(package: &str) {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    portal.file("/htmx.js", "text/javascript", npm(&format!("{package}/dist/htmx.min.js")));
    for name in ["a", "b", "c"] {
        let head = format!("{}<script src=/htmx.js></script><link rel=canonical href=/{name}>", service.tag(""));
        let links = "<a id=to-b href=/b>b</a><a id=to-c href=/c>c</a>";
        let page = format!("<!doctype html><html><head>{head}</head><body hx-boost=true><h1>{name}</h1>{links}{FIGURES}</body></html>");
        portal.page(&format!("/{name}"), page);
    }
    let browser = Browser::start();
    let shows = |name: &str, own: u64, all: u64| {
        browser.shows("h1", name);
        browser.shows("#site", &all.to_string());
        browser.shows("#own", &own.to_string());
        counted(&service, &format!("/{name}"), own, all);
    };
    browser.open(&format!("{}/a", portal.origin));
    shows("a", 1, 1);
    browser.run("window.kept = true; document.querySelector('#to-b').click(); return 1");
    shows("b", 1, 2);
    portal.slow("/c", Duration::from_secs(3));
    browser.run("document.querySelector('#to-c').click(); return 1");
    shows("c", 1, 3);
    browser.back();
    shows("b", 2, 4);
    browser.back();
    shows("a", 2, 5);
    assert_eq!(browser.run("return window.kept"), true);
    assert_eq!(browser.messages(), []);
}

#[test]
fn pages_that_htmx_2_boosts_are_counted_and_filled() {
    boosted_pages_are_counted_and_filled("htmx2");
}

#[test]
fn pages_that_htmx_4_boosts_are_counted_and_filled() {
    boosted_pages_are_counted_and_filled("htmx.org");
}
