//! Which views begin a visit: what the script says of how the reader came.

use serde_json::{Value, json};

use crate::{
    driver::Browser,
    pages::Portal,
    process::{Place, Service, eventually},
};

/// Keeps what views say of a visit, also over the pages of one tab.
const LISTEN: &str = "<script>
    const send = fetch;
    window.fetch = (url, init) => {
        const { visit, from } = init.body ? JSON.parse(init.body) : {};
        if (init.body) sessionStorage.said = (sessionStorage.said || '') + JSON.stringify([visit || false, from || null]) + ';';
        return send(url, init);
    }</script>";

struct Site {
    portal: Portal,
    service: Service,
    _place: Place,
}

impl Site {
    fn start() -> Self {
        let (portal, place) = (Portal::start(), Place::new());
        let service = portal.service(&place);
        Self { portal, service, _place: place }
    }

    fn page(&self, path: &str, more: &str) -> String {
        let tag = self.service.tag("");
        self.portal.page(path, format!("<!DOCTYPE html><html lang=vi>{more}{LISTEN}{tag}<p data-truycap=total>–</p><a href=/other>x</a>"))
    }
}

/// Waits until the tab has sent as many views, and returns what they said: whether it is a visit, and from where.
fn said(browser: &Browser, views: usize) -> Vec<Value> {
    eventually("the views are sent", || {
        (browser.run("return (sessionStorage.said || '').split(';').length - 1").as_u64() >= Some(views as u64)).then_some(())
    });
    let text = browser.run("return sessionStorage.said");
    text.as_str().unwrap().split_terminator(';').map(|one| serde_json::from_str(one).unwrap()).collect()
}

#[test]
fn a_new_navigation_from_outside_begins_a_visit_and_nothing_else_does() {
    let site = Site::start();
    let (first, other) = (site.page("/first", ""), site.page("/other", ""));
    let browser = Browser::start();
    let mut expected = vec![json!([true, null])];
    // A typed address.
    browser.open(&first);
    assert_eq!(said(&browser, 1), expected);
    // A reload, a link within the site, the back button with and without the browser's cache, and a change of the path.
    for (act, views) in [("reload", 1), ("link", 1), ("back", 1), ("path", 1)] {
        match act {
            "reload" => browser.reload(),
            "link" => browser.click("a"),
            "back" => browser.back(),
            _ => drop(browser.run("history.pushState(0, '', '/soft'); document.body.append(''); return 1")),
        }
        expected.extend(vec![json!([false, null]); views]);
        assert_eq!(said(&browser, expected.len()), expected, "{act}");
    }
    assert_eq!(browser.run("return location.pathname"), "/soft");
    // A page that is not in the cache of the back button is loaded again.
    browser.open(
        &site.page("/uncached", "<script>onunload = () => 0; new WebSocket(location.origin.replace('http', 'ws') + '/never')</script>"),
    );
    site.portal.at("/never", crate::pages::Reply::Never);
    expected.push(json!([true, null]));
    assert_eq!(said(&browser, expected.len()), expected);
    browser.open(&other);
    expected.push(json!([true, null]));
    assert_eq!(said(&browser, expected.len()), expected);
    browser.back();
    expected.push(json!([false, null]));
    assert_eq!(said(&browser, expected.len()), expected);
}

/// The service knows all origins of a site, so it gets the origin of the page before. It gets no path.
#[test]
fn a_visit_says_only_the_origin_of_the_page_before() {
    let (site, outside) = (Site::start(), Portal::start());
    let browser = Browser::start();
    let first = site.page("/first", "");
    let mut views = 0;
    for (policy, from) in [("unsafe-url", json!(outside.origin)), ("no-referrer", Value::Null)] {
        browser.open(&outside.page("/secret", format!("<meta name=referrer content={policy}><a href='{first}?q'>x</a>")));
        browser.click("a");
        views += 1;
        assert_eq!(said(&browser, views).last(), Some(&json!([true, from])), "{policy}");
    }
}

/// A page that hides itself from the pages of its own site cannot be told from a typed address (docs/embedding.md).
#[test]
fn a_site_that_sends_no_referrer_begins_a_visit_on_each_page() {
    let site = Site::start();
    site.page("/other", "");
    let browser = Browser::start();
    browser.open(&site.page("/first", "<meta name=referrer content=no-referrer>"));
    assert_eq!(said(&browser, 1), [json!([true, null])]);
    browser.click("a");
    assert_eq!(said(&browser, 2)[1], json!([true, null]));
}
