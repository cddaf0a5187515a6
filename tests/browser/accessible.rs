//! axe-core finds nothing to improve on the demo, on the page of the box and on a page of a portal.

use serde_json::json;

use crate::{
    driver::Browser,
    pages::{Portal, npm},
    process::{Place, Service},
};

const RULES: [&str; 7] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "wcag22a"];

/// The kinds of window: a phone and a desktop, each for readers of light and of dark pages.
const LOOKS: [(u32, &str); 4] = [(360, "light"), (360, "dark"), (1280, "light"), (1280, "dark")];

/// Each page has an element that shows when it is filled.
pub(crate) fn finds_nothing(pages: &[(String, &str)]) {
    let axe = npm("axe-core/axe.min.js");
    let check = format!(
        "{axe};
         return axe.run(document, {{ runOnly: {} }}).then(({{ violations, passes }}) => [passes.length > 10,
             ...violations.flatMap(({{ id, nodes }}) => nodes.map((node) => `${{id}}: ${{node.html}} ${{node.failureSummary}}`))])",
        json!(RULES)
    );
    let browser = Browser::start();
    for (width, scheme) in LOOKS {
        browser.look(width, scheme);
        for (page, filled) in pages {
            browser.open(page);
            browser.has(filled);
            assert_eq!(browser.run(&check), json!([true]), "{page} {width} {scheme}");
        }
    }
}

/// A service whose box and lists have figures.
fn counted(portal: &Portal, place: &Place, demo: bool) -> Service {
    let past = "site,article,period,views\nportal,,,8307145\nportal,/tin/1,,1234\nportal,/tin/hai-ba,,7\n";
    place.ok(&["import", &place.write("past.csv", past)]);
    let service = if demo { place.start() } else { portal.service(place) };
    service.article("portal", "/tin/1");
    service
}

#[test]
fn axe_finds_nothing_on_the_demo_and_on_the_page_of_the_box() {
    let place = Place::new();
    let service = counted(&Portal::start(), &place, true);
    let box_page = format!("{}/v1/sites/portal/box", service.origin());
    finds_nothing(&[
        (service.origin(), "[data-truycap-box] .truycap-digits b"),
        (service.article_page(), "[data-truycap-box] .truycap-digits b"),
        (box_page.clone(), ".truycap-digits b"),
        (format!("{box_page}?lang=en"), ".truycap-digits b"),
    ]);
}

#[test]
fn axe_finds_nothing_on_a_page_with_figures_box_and_list() {
    let portal = Portal::start();
    let place = Place::new();
    let service = counted(&portal, &place, false);
    let page = |scheme: &str| {
        format!(
            "<!DOCTYPE html><html lang=vi><head><title>Bài một</title><meta name=viewport content='width=device-width'>
             <meta name=color-scheme content='{scheme}'><style>body {{ background: Canvas }}</style>{}</head><body><main><h1>Bài một</h1>
             <p>Lượt xem: <span data-truycap=article.total>–</span>, <a href=/tin/1>bài một</a></p></main>
             <aside aria-label='Thống kê'><div data-truycap-box></div><h2>Đọc nhiều</h2>
             <ol data-truycap-top=total><li>–</li></ol>
             <p>Tổng: <span data-truycap=total data-digits=11>–</span></p></aside></body></html>",
            service.tag("")
        )
    };
    finds_nothing(&[
        (portal.page("/tin/1", page("light")), ".truycap-views"),
        (portal.page("/tin/2", page("light dark")), ".truycap-views"),
    ]);
}
