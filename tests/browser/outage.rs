//! If the service is down or answers wrongly, the page stays as it was sent.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    driver::Browser,
    pages::{Portal, Reply, service},
    process::{Place, eventually},
};

/// The number of the script's requests that were answered or have failed.
const ENDED: &str = "return performance.getEntriesByType('resource').filter(({ name }) => name.includes('/v1/')).length";

/// Whether the page is still as its server sent it.
const AS_SENT: &str = "
    const request = new XMLHttpRequest();
    request.open('GET', location.href, false);
    request.send();
    const sent = new DOMParser().parseFromString(request.responseText, 'text/html');
    return sent.body.innerHTML.trim() === document.body.innerHTML.trim()";

const PAGE: &str = "<!DOCTYPE html><html lang=vi><body>
    <script async src=/counter.js data-site=portal></script>
    <p data-truycap=total>–</p><p data-truycap=total data-digits=11>–</p><p data-truycap=article.total>–</p>
    <p data-truycap=article.total data-article=/tin/2>–</p><div data-truycap-box>–</div>
    <ol data-truycap-top=this_week><li>–</li></ol>";

fn ok(text: impl Into<String>) -> Reply {
    Reply::Text("200 OK", "Content-Type: application/json".into(), text.into())
}

#[test]
fn a_page_stays_as_it_was_sent_if_the_service_is_down_or_answers_wrongly() {
    let place = Place::new();
    let service = service(&place);
    let portal = Portal::start();
    portal.show_demo(&service);
    let browser = Browser::start();
    // The comparison works: a page that was filled differs from what was sent.
    browser.open(&service.article_page());
    browser.shows("[data-truycap='article.total']", "1");
    assert_eq!(browser.run(AS_SENT), false);
    service.process.kill();

    let figures = |count: &str| {
        let names = crate::process::service::NAMES.map(|name| format!("\"{name}\":{count}"));
        let nine = format!("{{{}}}", names.join(","));
        format!("{{\"site\":{nine},\"articles\":{{\"/page\":{nine},\"/tin/2\":{nine}}},\"stale\":false}}")
    };
    let unknown = json!({ "counted": true, "site": null, "articles": {}, "stale": true }).to_string();
    let unavailable = Reply::Text("503 Service Unavailable", "Content-Type: application/problem+json".into(), "{}".into());
    let failed = Reply::Text("500 Internal Server Error", "Content-Type: application/json".into(), figures("5"));
    let mut replies = vec![Reply::Nothing, unavailable, failed, ok(unknown), ok("<h1>Đang bảo trì</h1>"), ok("")];
    replies.extend(["null", "5", "[]", "\"\"", "{}", r#"{"site":[],"articles":null}"#, r#"{"site":5,"articles":"x"}"#].map(ok));
    replies.extend(["\"5\"", "-5", "1.5", "1e400", "9007199254740992", "{}", "[5]", "true"].map(|count| ok(figures(count))));
    replies.push(ok("[".repeat(200_000)));
    replies.push(ok(r#"{"articles":{},"site":"abc","visitors":"xyz"}"#));
    replies.push(ok(r#"{"articles":[{"article":5,"views":"<b>"}],"site":null}"#));
    portal.page("/page", PAGE);
    for reply in replies {
        let shown = format!("{reply:.200?}");
        portal.otherwise(reply);
        for page in ["/page", "/"] {
            browser.open(&format!("{}{page}", portal.origin));
            eventually("the request ends", || (browser.run(ENDED) != 0).then_some(()));
            // The script handles the answer before this timer runs.
            browser.run("return new Promise((done) => setTimeout(done, 20))");
            assert_eq!(browser.run(AS_SENT), true, "{page} {shown}");
        }
        let messages = browser.messages();
        assert!(!messages.iter().any(|(_, message)| message.contains("Uncaught")), "{shown}: {messages:?}");
    }
    // A valid answer fills the same page.
    portal.otherwise(ok(figures("5")));
    browser.reload();
    browser.open(&format!("{}/page", portal.origin));
    browser.shows("[data-truycap='article.total']", "5");
    browser.shows("[data-digits]", "00000000005");
    // The script itself comes from the service, which is down.
    portal.page("/page", PAGE.replace("/counter.js", &format!("http://{}/counter.js", service.public)));
    browser.open(&format!("{}/page", portal.origin));
    browser.wait_for_message("/counter.js");
    assert_eq!(browser.run(AS_SENT), true);
}

#[test]
fn a_service_that_never_answers_does_not_delay_the_page_and_its_request_times_out() {
    let place = Place::new();
    let service = service(&place);
    let portal = Portal::start();
    portal.show_demo(&service);
    portal.otherwise(Reply::Never);
    portal.page("/page", PAGE);
    let browser = Browser::start();
    let begun = Instant::now();
    browser.open(&format!("{}/page", portal.origin));
    assert_eq!(browser.run("return performance.getEntriesByType('navigation')[0].loadEventEnd > 0"), true);
    eventually("the request is sent", || portal.requests().iter().any(|request| request.contains("/views")).then_some(()));
    assert_eq!(browser.run(ENDED), 0);
    eventually("the request ends", || (browser.run(ENDED) == 1).then_some(()));
    assert!(begun.elapsed() >= Duration::from_secs(9), "timed out after {:?}", begun.elapsed());
    assert_eq!(browser.run(AS_SENT), true);
    assert!(!browser.messages().iter().any(|(_, message)| message.contains("Uncaught")));
}
