//! The owner's report in a browser: accessible, as wide as its window, on paper, and without scripts.

use serde_json::json;
use truycap::http::{Language, render};
use truycap_test_support::reports::{all, hostile, view};

use crate::{
    accessible::finds_nothing,
    driver::{Browser, Scripts},
    pages::{Portal, Reply},
    process::Place,
};

/// The policy of the page.
const POLICY: &str = "Content-Security-Policy: default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'";

/// Serves these reports, each in both languages, as the service does; returns their URLs.
fn served(portal: &Portal, names: &[&str]) -> Vec<String> {
    portal.file("/report.css", "text/css", include_str!("../../web/report.css"));
    let reports = all().into_iter().filter(|(name, _)| names.contains(name));
    let pages = reports.flat_map(|(name, report)| {
        [Language::Vietnamese, Language::English].map(|language| {
            let path = format!("/v1/sites/{name}/{language:?}");
            let head = format!("Content-Type: text/html; charset=utf-8\r\n{POLICY}");
            portal.at(&path, Reply::Text("200 OK", head, render(&report, &view(language))))
        })
    });
    pages.collect()
}

#[test]
fn axe_finds_nothing_on_a_report() {
    let portal = Portal::start();
    let pages = served(&portal, &["month", "year-so-far", "stale", "empty"]);
    let pages: Vec<(String, &str)> = pages.into_iter().map(|page| (page, "h1")).collect();
    finds_nothing(&pages);
}

#[test]
fn a_report_is_as_wide_as_its_window() {
    let portal = Portal::start();
    let pages = served(
        &portal,
        &["month", "year-by-week", "year-by-day", "years", "years-by-year", "day", "million", "year-so-far", "empty", "hostile"],
    );
    let browser = Browser::start();
    let mut wrong = Vec::new();
    for width in [320, 360, 800, 1280] {
        browser.look(width, "light");
        for page in &pages {
            browser.open(page);
            let wide = "const page = document.documentElement;
                document.querySelector('details').open = true;
                const over = [...document.querySelectorAll('main *, header *, form *')]
                    .filter((one) => one.getBoundingClientRect().right > page.clientWidth && !one.closest('svg, .said'));
                return [page.scrollWidth <= page.clientWidth ? [] : over.map((one) => one.outerHTML.slice(0, 80)),
                    getComputedStyle(document.querySelector('h1')).fontWeight]";
            let found = browser.run(wide);
            if found != json!([[], "700"]) {
                wrong.push(format!("{page} {width}: {found}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// The labels below a chart, and the numbers beside it, are neither over each other nor smaller on a phone.
#[test]
fn labels_of_a_chart_can_be_read_in_every_window() {
    let portal = Portal::start();
    let pages = served(&portal, &["month", "fifteenth", "quarter", "year", "year-by-week", "year-by-day", "years", "million"]);
    let browser = Browser::start();
    let mut wrong = Vec::new();
    for width in [360, 800, 1000, 1280] {
        browser.look(width, "dark");
        for page in &pages {
            browser.open(page);
            let glued = "const labels = [...document.querySelectorAll('svg text')].map((text) => text.getBoundingClientRect())
                    .filter(({ width }) => width > 0).sort((a, b) => a.left - b.left);
                return [labels.length > 1, labels.every(({ height }) => height > 11),
                    labels.map(({ left }, i) => i === 0 ? 99 : left - labels[i - 1].right).filter((gap) => gap < 2)]";
            let found = browser.run(glued);
            if found != json!([true, true, []]) {
                wrong.push(format!("{page} {width}: {found}"));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
}

#[test]
fn paper_has_places_for_signatures_and_no_forms_and_no_dark_colours() {
    let portal = Portal::start();
    let pages = served(&portal, &["month"]);
    let browser = Browser::start();
    browser.look(1280, "dark");
    for page in pages {
        browser.open(&page);
        let shown = "const shown = (name) => getComputedStyle(document.querySelector(name)).display !== 'none';
            return [shown('.signatures'), shown('nav'), shown('table'), getComputedStyle(document.body).backgroundColor]";
        assert_eq!(browser.run(shown), json!([false, true, true, "rgb(16, 22, 29)"]));
        browser.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "media": "print", "features": [{ "name": "prefers-color-scheme", "value": "dark" }] }),
        );
        assert_eq!(browser.run(shown), json!([true, false, true, "rgb(255, 255, 255)"]));
        let colour = "return getComputedStyle(document.querySelector('td')).color";
        assert_eq!(browser.run(colour), "rgb(0, 0, 0)");
        browser.look(1280, "dark");
    }
}

#[test]
fn titles_and_ids_of_a_report_run_nothing() {
    let portal = Portal::start();
    portal.file("/report.css", "text/css", include_str!("../../web/report.css"));
    let page = portal.page("/v1/sites/portal/report", render(&hostile(), &view(Language::Vietnamese)));
    let browser = Browser::start();
    browser.open(&page);
    let seen = "return [document.title.includes('taken'), document.scripts.length,
        [...document.querySelectorAll('.articles a')].map((link) => new URL(link.href).origin)]";
    let own = "https://portal.example.vn";
    assert_eq!(browser.run(seen), json!([false, 0, [own, own, own, own, own]]));
}

#[test]
fn an_owner_reads_the_report_of_the_service_without_scripts() {
    let place = Place::new();
    let config = "demo = false\n[[sites]]\nid = \"portal\"\norigins = [\"https://portal.example.vn\"]\nreport = \"public\"\n";
    place.write("truycap.toml", config);
    let past = "site,article,period,views\nportal,,2026-10-05,1234\nportal,,2026-10-06,77\nportal,/tin/1,2026-10-05,1200\n";
    place.ok(&["import", &place.write("past.csv", past)]);
    let service = place.start();
    let browser = Browser::with(Scripts::Off);
    browser.look(1280, "light");
    browser.open(&format!("{}/v1/sites/portal/report?month=2026-10", service.origin()));
    browser.shows(".period", "Tháng 10 năm 2026");
    browser.shows(".numbers .views dd", "1.311");
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('.numbers')).display"), "grid");
    // A form works without scripts.
    browser.click("summary");
    browser.click("#year + button");
    browser.has("h1");
    assert_eq!(browser.run("return new URL(location).searchParams.has('year')"), true);
    browser.open(&format!("{}/v1/sites/portal/report?month=2026-10", service.origin()));
    browser.click("a[hreflang=en]");
    browser.shows(".period", "October 2026");
    assert_eq!(browser.messages(), []);
}
