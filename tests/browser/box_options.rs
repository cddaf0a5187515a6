//! What a place of the box can set: rows, labels, digits, theme, and no heading.

use serde_json::json;

use crate::{
    driver::Browser,
    pages::{Portal, npm},
    process::{Place, Service},
};

const PAST: &str = "site,article,period,views\nportal,,,8307145\nportal,/tin/1,,1234\n";

/// A service that estimates visitors.
fn service(portal: &Portal, place: &Place) -> Service {
    place.ok(&["import", &place.write("past.csv", PAST)]);
    place.write("truycap.toml", format!("demo = false\n[[sites]]\nid = \"portal\"\norigins = [\"{}\"]\nvisitors = true\n", portal.origin));
    let service = place.start();
    service.site("portal");
    service
}

const BOXES: [&str; 4] = [
    "data-rows='online visitors_today today yesterday this_month total'",
    "data-bare data-digits=8 data-label-this_year='Năm này'",
    "data-rows=''",
    "data-theme=dark data-rows='today,total' data-label-today='<b>Nay</b>'",
];

fn page(service: &Service, boxes: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=vi><head><title>Hộp</title><meta name=viewport content='width=device-width'>
         <meta name=color-scheme content='light dark'><style>body {{ background: Canvas }} div {{ max-width: 20em; margin: 1em }}</style>{}</head>
         <body><main><h1>Hộp</h1>{boxes}</main></body></html>",
        service.tag("")
    )
}

#[test]
fn a_place_sets_rows_labels_digits_theme_and_hides_the_heading() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = service(&portal, &place);
    let boxes: String = BOXES.iter().map(|options| format!("<div data-truycap-box {options}></div>")).collect();
    let browser = Browser::start();
    browser.look(360, "light");
    browser.open(&portal.page("/", page(&service, &boxes)));
    browser.has("div:last-child .truycap-box");
    let read = "return [...document.querySelectorAll('.truycap-box')].map((box) => {
        const texts = (name) => [...box.querySelectorAll(name)].map((one) => one.textContent).join('|');
        const { backgroundColor } = getComputedStyle(box);
        return [box.querySelector('h2').offsetHeight > 1, texts('.truycap-digits'), texts('dt'), texts('dd'), backgroundColor];
    })";
    let (light, dark) = ("rgb(255, 255, 255)", "rgb(24, 33, 43)");
    let periods = "Hôm nay|Hôm qua|Tuần này|Tuần trước|Tháng này|Tháng trước|Năm này|Năm trước";
    assert_eq!(
        browser.run(read),
        json!([
            [true, "", "Đang truy cập|Khách hôm nay|Hôm nay|Hôm qua|Tháng này|Tổng số", "1|1|1|0|1|8.307.146", light],
            [false, "08307146", periods, "1|0|1|0|1|0|1|0", light],
            [true, "00008307146", "", "", light],
            [true, "", "<b>Nay</b>|Tổng số", "1|8.307.146", dark],
        ])
    );
    assert_eq!(browser.messages(), []);
}

#[test]
fn a_row_that_has_no_figure_is_left_out_and_the_console_says_so() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    let browser = Browser::start();
    browser.open(&portal.page("/", page(&service, "<div data-truycap-box data-theme=black data-rows='today online constructor'></div>")));
    browser.shows(".truycap-box dl", "Hôm nay1");
    let messages: Vec<_> = browser.messages().into_iter().filter(|(_, text)| text.contains("truycap: ")).collect();
    assert_eq!(messages.len(), 3, "{messages:?}");
}

#[test]
fn axe_finds_nothing_on_boxes_with_options() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = service(&portal, &place);
    let boxes: String = BOXES.iter().map(|options| format!("<div data-truycap-box {options}></div>")).collect();
    let check = format!(
        "{}; return axe.run(document).then(({{ violations, passes }}) => [passes.length > 10,
             ...violations.flatMap(({{ id, nodes }}) => nodes.map((node) => id + ': ' + node.html))])",
        npm("axe-core/axe.min.js")
    );
    let framed = |query: &str| format!("{}/v1/sites/portal/box?{query}", service.origin());
    let pages = [
        portal.page("/", page(&service, &boxes)),
        framed("rows=online+visitors_today+today+total&theme=auto"),
        framed("bare&digits=8&theme=dark"),
        framed("rows=&bare"),
    ];
    let browser = Browser::start();
    for scheme in ["light", "dark"] {
        browser.look(360, scheme);
        for page in &pages {
            browser.open(page);
            browser.has(".truycap-box");
            assert_eq!(browser.run(&check), json!([true]), "{page} {scheme}");
        }
    }
}
