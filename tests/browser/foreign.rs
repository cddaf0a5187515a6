//! Pages of another origin count nothing, and their console can say what is wrong.

use crate::{driver::Browser, pages::Portal, process::Place};

#[test]
fn a_page_of_another_origin_counts_nothing() {
    let place = Place::new();
    place.ok(&["import", &place.write("past.csv", "site,article,period,views\nportal,,2019,7\n")]);
    let service = place.start();
    let before = place.ok(&["export"]);
    let portal = Portal::start();
    let page = portal.page("/", service.tag("") + "<p data-truycap='article.total'>–</p>");
    let browser = Browser::start();

    // The script itself: the service refuses the view.
    browser.open(&page);
    browser.wait_for_message("status of 403");
    browser.messages();
    assert_eq!(browser.text("[data-truycap='article.total']"), "–");
    // Requests that a browser sends without a preflight: the page can read that they are refused, and why.
    let views = format!("{}/v1/sites/portal/views", service.origin());
    for (options, outcome) in [("", "cors"), ("mode: 'no-cors',", "opaque")] {
        let body = r#"'{"article":"/tin/1"}'"#;
        let script = format!("return fetch('{views}', {{ method: 'POST', {options} body: {body} }}).then((r) => r.type)");
        assert_eq!(browser.run(&script), outcome);
    }
    browser.wait_for_message("status of 403");
    assert_eq!(browser.run(&format!("return navigator.sendBeacon('{views}', '{{}}')")), true);
    browser.wait_for_message("status of 403");

    // After the process has ended, all accepted views are in the store.
    service.stop();
    let after = place.ok(&["export"]);
    let (refused, counted): (Vec<_>, Vec<_>) = after.lines().partition(|row| row.starts_with("portal,,foreign:"));
    assert_eq!(counted, before.lines().collect::<Vec<_>>());
    assert_eq!(refused.len(), 5, "the day, week, month, year and total of what was refused: {refused:?}");
}

#[test]
fn a_page_that_is_not_set_up_right_can_read_what_to_change() {
    let (portal, other, place) = (Portal::start(), Portal::start(), Place::new());
    let service = portal.service(&place);
    let browser = Browser::start();
    browser.open(&other.page("/", "<title>x</title>"));
    // With and without a preflight. What is read is status and detail, or why the browser hides the answer.
    let ask = |site: &str, path: &str, options: &str| {
        let url = format!("{}/v1/sites/{site}/{path}", service.origin());
        let read = "r => r.json().then(({ detail }) => r.status + ' ' + detail), String";
        browser.run(&format!("return fetch('{url}', {options}).then({read})")).as_str().unwrap().to_owned()
    };
    let own = &other.origin;
    for (method, headers) in [("POST", ""), ("POST", "headers: { traceparent: '1', 'X-Requested-With': 'fetch' }")] {
        let options = format!("{{ method: '{method}', {headers} }}");
        let refused = format!("403 the site portal does not accept views from {own}: add it to the site's origins");
        assert_eq!(ask("portal", "views", &options), refused);
        let unknown = "404 there is no site portl: data-site must be the id of a site in the configuration";
        assert_eq!(ask("portl", "views", &options), unknown);
    }
    for path in ["figures?article=/tin/1", "top?period=today", "history"] {
        let refused = format!("403 the site portal does not show its figures to {own}: add it to the site's origins");
        assert_eq!(ask("portal", path, "{}"), refused);
    }
    assert_eq!(service.site("portal")[0], 0);
}

/// Monitoring and old libraries patch `fetch` on all pages of a portal. Such a request needs a preflight.
#[test]
fn a_page_that_adds_headers_to_each_request_is_counted() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    let patch = "<script>const old = fetch; fetch = (url, options) => old(url, { ...options, headers: { traceparent: '00-1-1-01', \
                 'X-Requested-With': 'XMLHttpRequest' } })</script>";
    let page = portal.page("/tin/1", format!("{patch}{}<p data-truycap=article.total>–</p>", service.tag("")));
    let browser = Browser::start();
    browser.open(&page);
    browser.shows("[data-truycap]", "1");
    assert_eq!(browser.messages(), []);
}
