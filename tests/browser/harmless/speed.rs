//! A page with the tag is as fast as the same page without it, whatever the service does.

use std::time::{Duration, Instant};

use serde_json::Value;
use truycap_test_support::ports::free_address;

use crate::{
    driver::Browser,
    pages::{Portal, Reply},
    process::{Place, eventually},
};

/// How much later than without the tag. The faulty services need five seconds or more, and the machine may be busy.
const LIMIT: f64 = 2500.0;

const TIMES: &str = "
    const [{ domContentLoadedEventEnd: parsed }] = performance.getEntriesByType('navigation');
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    return parsed && paint ? { parsed, paint: paint.startTime } : null";

/// When a reader sees and uses the page, in milliseconds after the navigation or the click.
#[derive(Debug)]
struct Times {
    parsed: f64,
    paint: f64,
    /// The longest time from a click to its handler.
    click: f64,
    /// From the click on a link until the next page is parsed.
    away: f64,
}

/// A page with figures, a box, a list, a style sheet, a script that waits for style sheets, and elements to click on.
fn page(tag: &str) -> String {
    let places = "<p data-truycap=total>–</p><p data-truycap=article.total>–</p><div data-truycap-box>–</div>
        <ol data-truycap-top=today><li>–</li></ol>";
    let clicks = "addEventListener('click', ({ timeStamp }) => clicks.push(performance.now() - timeStamp), true)";
    format!(
        "<!DOCTYPE html><html lang=vi><head><script>window.clicks = []; {clicks}</script>{tag}<link rel=stylesheet href=/style.css></head>
        <body><h1>Tin</h1><button>Mở</button><a id=top href='#top'>Lên</a><input type=checkbox><a id=away href=/away>Đi</a>{places}
        <script>document.body.className = 'parsed'</script>"
    )
}

fn measure(browser: &Browser, url: &str) -> Times {
    browser.open(url);
    let known = |key: &str| eventually("the page is parsed and painted", || browser.run(TIMES)[key].as_f64());
    let (parsed, paint) = (known("parsed"), known("paint"));
    for selector in ["button", "#top", "input"] {
        browser.click(selector);
    }
    let clicks = eventually("the clicks are handled", || Some(browser.run("return clicks")).filter(|clicks| clicks[2].is_number()));
    let click = clicks.as_array().unwrap().iter().filter_map(Value::as_f64).fold(0.0, f64::max);
    assert_eq!(browser.run("return document.querySelector('input').checked"), true);
    let begun = Instant::now();
    browser.click("#away");
    eventually("the next page is parsed", || (browser.run("return document.title") == "away").then_some(()));
    Times { parsed, paint, click, away: begun.elapsed().as_secs_f64() * 1000.0 }
}

#[test]
fn a_page_is_as_fast_as_without_the_tag_whatever_the_service_does() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    for file in ["counter.js", "widget.js"] {
        portal.file(&format!("/{file}"), "text/javascript", service.get(&format!("/{file}")).body);
    }
    portal.file("/style.css", "text/css", "h1 { color: green }");
    portal.page("/away", "<!DOCTYPE html><title>away</title><h1>Trang khác</h1>");
    let browser = Browser::without_waiting();
    measure(&browser, &portal.page("/start", page("")));
    let plain = measure(&browser, &portal.page("/plain", page("")));

    let faulty = |reply: Reply| {
        let faulty = Portal::start();
        faulty.otherwise(reply);
        faulty.origin
    };
    let text = |status, kind: &str| Reply::Text(status, format!("Content-Type: {kind}\r\nAccess-Control-Allow-Origin: *"), "{}".into());
    let closed = free_address();
    service.process.signal("STOP");
    let services = [
        ("frozen", service.origin()),
        ("dead", format!("http://{closed}")),
        ("failing", faulty(text("500 Internal Server Error", "text/html"))),
        ("slow", faulty(Reply::After(Duration::from_secs(5), Box::new(text("200 OK", "application/json"))))),
        ("silent", faulty(Reply::Never)),
        ("unknown", "http://truycap.invalid".into()),
    ];
    for (name, origin) in services {
        let tags = [
            // A first visit: the script is as late as everything else.
            ("first", format!("<script async src={origin}/counter.js data-site=portal></script>")),
            // The browser has the script already.
            ("cached", format!("<script async src=/counter.js data-site=portal data-host={origin}></script>")),
        ];
        for (visit, tag) in tags {
            let times = measure(&browser, &portal.page(&format!("/{name}-{visit}"), page(&tag)));
            println!("{name:8} {visit:6} {times:.0?}, without the tag {plain:.0?}");
            for (what, with, without) in [
                ("DOMContentLoaded", times.parsed, plain.parsed),
                ("first paint", times.paint, plain.paint),
                ("a click", times.click, plain.click),
                ("a click on a link", times.away, plain.away),
            ] {
                assert!(with < without + LIMIT, "{name}, {visit}: {what} after {with:.0} ms, {without:.0} ms without the tag");
            }
        }
    }
    service.process.signal("CONT");
    // The comparison works: a style sheet in the head does delay the page.
    let slow = faulty(Reply::After(Duration::from_secs(5), Box::new(text("200 OK", "text/css"))));
    let times = measure(&browser, &portal.page("/sheet", page(&format!("<link rel=stylesheet href={slow}/widget.css>"))));
    assert!(times.paint > plain.paint + LIMIT, "{times:?}");
    let messages = browser.messages();
    assert!(!messages.iter().any(|(_, message)| message.contains("Uncaught")), "{messages:?}");
}

#[test]
fn the_load_event_waits_for_the_files_of_the_service_and_for_no_figures() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    portal.show_files(&service, "");
    // Figures never come.
    portal.otherwise(Reply::Never);
    let browser = Browser::without_waiting();
    let state = |wanted: &str| eventually(wanted, || (browser.run("return document.readyState") == wanted).then_some(()));
    let page = page("<script async src=/counter.js data-site=portal></script>");
    let page = page.replace("<link rel=stylesheet href=/style.css>", "");
    browser.open(&portal.page("/page", &*page));
    state("complete");
    for file in ["/counter.js", "/widget.js"] {
        let kept = Reply::Text("200 OK", "Content-Type: text/javascript".into(), service.get(file).body);
        portal.at(file, Reply::After(Duration::from_secs(2), Box::new(kept.clone())));
        browser.open(&portal.page(&format!("/slow{file}"), &*page));
        state("interactive");
        let waited = browser.run("return new Promise((done) => { onload = () => done(performance.now()) })");
        assert!(waited.as_f64() >= Some(2000.0), "{file}: {waited}");
        portal.at(file, kept);
    }
}
