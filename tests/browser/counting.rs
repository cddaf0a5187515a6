//! When a page counts a view, and when it does not.

use serde_json::json;

use crate::{
    driver::Browser,
    pages::{Portal, Reply},
    process::{Place, Service, eventually},
};

const FIGURES: &str = "<p id=site data-truycap=total>–</p><p id=own data-truycap=article.total>–</p>";

/// Waits until an article has `views` views and the site has `all`, and checks that they have no more.
pub(crate) fn counted(service: &Service, article: &str, views: u64, all: u64) {
    eventually(article, || (service.article("portal", article)[0] >= views && service.site("portal")[0] >= all).then_some(()));
    assert_eq!((service.article("portal", article)[0], service.site("portal")[0]), (views, all), "{article}");
}

#[test]
fn each_display_of_a_page_counts_once() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    // A page with two script tags counts one view.
    let a = portal.page("/a", service.tag("") + FIGURES + &service.tag(""));
    let b = portal.page("/b", service.tag("") + FIGURES + "<script>onpageshow = (e) => { document.title = e.persisted }</script>");
    browser.open(&a);
    counted(&service, "/a", 1, 1);
    browser.reload();
    counted(&service, "/a", 2, 2);
    browser.open(&b);
    counted(&service, "/b", 1, 3);
    browser.open(&a);
    counted(&service, "/a", 3, 4);
    browser.back();
    counted(&service, "/b", 2, 5);
    // The browser took that page from its back/forward cache.
    assert_eq!(browser.run("return document.title"), "true");
    // A page that cannot be cached is loaded again.
    portal.page("/a", service.tag("") + FIGURES + "<script>new WebSocket(location.origin.replace('http', 'ws') + '/never')</script>");
    portal.at("/never", Reply::Never);
    browser.open(&a);
    counted(&service, "/a", 4, 6);
    browser.open(&b);
    counted(&service, "/b", 3, 7);
    browser.back();
    counted(&service, "/a", 5, 8);

    // A view also counts if the visitor leaves before the page is loaded, without waiting for the answer.
    portal.at("/never.js", Reply::Never);
    let leaving = format!(
        "<script src='{}/counter.js' data-site=portal onload=\"location='/b'\"></script><script src=/never.js></script>",
        service.origin()
    );
    let gone = portal.page("/gone", leaving);
    browser.run(&format!("setTimeout(() => {{ location = '{gone}' }}); return 1"));
    counted(&service, "/gone", 1, 10);
    counted(&service, "/b", 4, 10);
}

#[test]
fn a_view_that_waits_for_a_connection_is_sent_after_its_page_has_closed() {
    let portal = Portal::start();
    let place = Place::new();
    portal.show_demo(&place.start());
    portal.at("/never", Reply::Never);
    let sent = |what: &str| portal.requests().iter().filter(|request| request.contains(what)).count();
    portal.page("/page", "<script src=/counter.js data-site=portal data-manual></script>");
    let browser = Browser::start();
    browser.open(&portal.page("/", "<iframe src=/page></iframe>"));
    // A browser opens six connections to a host. All are busy until the page with the view is removed.
    browser.run("window.stop = new AbortController(); for (let n = 0; n < 6; n++) fetch('/never?' + n, stop).catch(() => 0); return 1");
    eventually("all connections are busy", || (sent("/never") == 6).then_some(()));
    browser.run("frames[0].truycap.view('/tin/1'); return 1");
    browser.run("document.querySelector('iframe').remove(); return 1");
    assert_eq!(sent("/views"), 0);
    browser.run("stop.abort(); return 1");
    eventually("the view is sent", || (sent("POST /v1/sites/portal/views") == 1).then_some(()));
}

#[test]
fn a_page_with_data_manual_counts_the_views_that_it_reports() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    browser.open(&portal.page("/page", service.tag("data-manual") + FIGURES));
    eventually("the script is loaded", || (browser.run("return !!window.truycap") == true).then_some(()));
    browser.run("history.pushState(0, '', '/other'); return dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))");
    for (call, article, views, all) in
        [("'/tin/1/'", "/tin/1", 1, 1), ("'/tin/2'", "/tin/2", 1, 2), ("", "/other", 1, 3), ("'none'", "/other", 1, 4)]
    {
        browser.run(&format!("return truycap.view({call})"));
        counted(&service, article, views, all);
        browser.shows("#site", &all.to_string());
    }
    // Two views at the same time count as two.
    browser.run("truycap.view('/tin/3'); return truycap.view('/tin/4')");
    counted(&service, "/tin/3", 1, 6);
    counted(&service, "/tin/4", 1, 6);
}

#[test]
fn a_single_page_application_counts_when_its_path_changes() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    let canonical = "<link rel=canonical href=/first>";
    // In a browser with the Navigation API, and in one without it.
    for (all, before) in [(0, ""), (6, "<script>Object.defineProperty(window, 'navigation', { value: undefined })</script>")] {
        let views = all / 6;
        browser.open(&portal.page("/start", format!("{before}{canonical}{}{FIGURES}", service.tag(""))));
        counted(&service, "/first", views + 1, all + 1);
        // A router shows other content. That is how a browser without the Navigation API sees another address.
        let show = |script: &str| browser.run(&format!("{script}; document.body.append(''); return 1"));
        show("history.pushState(0, '', '/tin/1?a=1')");
        counted(&service, "/tin/1", views + 1, all + 2);
        browser.shows("#own", &(views + 1).to_string());
        // Another query, fragment or trailing slash is the same page.
        browser.run("history.pushState(0, '', '/tin/1/'); history.replaceState(0, '', '?b=2'); location.hash = 'c'; return 1");
        show("history.replaceState(0, '', '/tin/2')");
        counted(&service, "/tin/2", 2 * views + 1, all + 3);
        show("history.pushState(0, '', '/tin/3')");
        counted(&service, "/tin/3", views + 1, all + 4);
        browser.run("history.back(); return 1");
        counted(&service, "/tin/2", 2 * views + 2, all + 5);
        show("history.pushState(0, '', '/tin/5')");
        counted(&service, "/tin/5", views + 1, all + 6);
    }
    let none = portal.page("/none", service.tag("data-article=none") + FIGURES);
    browser.open(&none);
    browser.shows("#site", "13");
    browser.run("history.pushState(0, '', '/tin/6'); return 1");
    browser.shows("#site", "14");
    counted(&service, "/tin/6", 0, 14);
}

#[test]
fn a_prerendered_page_counts_when_it_is_shown_and_not_before() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    let rules = json!({ "prerender": [{ "source": "list", "urls": ["/shown", "/unshown"], "eagerness": "immediate" }] });
    for path in ["/shown", "/unshown"] {
        // The page requests the mark after the script has run.
        let mark = format!(
            "<script defer src='{}/counter.js' data-site=portal></script><script type=module>fetch('/mark{path}')</script>",
            service.origin()
        );
        portal.page(path, mark + FIGURES);
    }
    portal.page("/mark/shown", "");
    portal.page("/mark/unshown", "");
    browser.open(&portal.page("/start", service.tag("") + FIGURES + &format!("<script type=speculationrules>{rules}</script>")));
    counted(&service, "/start", 1, 1);
    let marked = |path: &str| portal.requests().iter().any(|request| request.starts_with(&format!("GET /mark{path}")));
    eventually("both are prerendered", || (marked("/shown") && marked("/unshown")).then_some(()));
    counted(&service, "/shown", 0, 1);
    browser.run("setTimeout(() => { location = '/shown' }); return 1");
    counted(&service, "/shown", 1, 2);
    browser.shows("#own", "1");
    assert_eq!(browser.run("return performance.getEntriesByType('navigation')[0].activationStart > 0"), true);
    let loads = portal.requests().iter().filter(|request| request.starts_with("GET /shown")).count();
    assert_eq!(loads, 1, "{:?}", portal.requests());
    counted(&service, "/unshown", 0, 2);
}

#[test]
fn the_scripts_declare_no_global_name_but_their_own() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    let before = "<script>const before = new Set(Object.getOwnPropertyNames(window))</script>";
    // A short name that the page declares is its own.
    let names: String = ('a'..='z').map(|name| format!("const {name} = 1;")).collect();
    let page = format!("{before}<script>{names}</script><div data-truycap-box></div>{}", service.tag(""));
    browser.open(&portal.page("/page", page));
    browser.shows(".truycap-digits", "00000000001");
    // `ret_nodes` is of chromedriver.
    let added = "return Object.getOwnPropertyNames(window).filter((name) => !before.has(name) && isNaN(name) && name != 'ret_nodes')";
    assert_eq!(browser.run(added), json!(["truycap"]));
    assert_eq!(browser.messages(), []);
}
