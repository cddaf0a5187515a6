//! Pages whose scripts change the address: which article is counted, and that each change counts once.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use crate::{
    addresses::{Case, cases},
    counting::counted,
    driver::Browser,
    pages::{Portal, Reply},
    process::{Place, Service, eventually},
};

const FIGURES: &str = "<p id=own data-truycap=article.total>–</p><p id=site data-truycap=total>–</p><p id=content></p>";

/// Functions of a page that set its canonical link, and that go to a path and show its content; `after` is when the link follows
/// the path.
const GO: &str = "<script>
    const link = (href) => {
      const made = Object.assign(document.createElement('link'), { rel: 'canonical', href });
      document.querySelector('[rel=canonical]')?.remove();
      document.head.append(made);
    };
    const go = (path, href, after) => {
      if (after === undefined && href) link(href);
      history.pushState(0, '', path);
      document.querySelector('#content').textContent = path;
      if (after !== undefined) setTimeout(link, after, href);
    };
</script>";

/// Hides the Navigation API, as in browsers without it.
const WITHOUT_NAVIGATION: &str = "<script>Object.defineProperty(window, 'navigation', { value: undefined })</script>";

/// Runs a test on a page of a browser with the Navigation API, and on one without it.
fn in_all_browsers(attributes: &str, head: &str, path: &str, test: impl Fn(&Browser, &Service, &Portal)) {
    let browser = Browser::start();
    for before in ["", WITHOUT_NAVIGATION] {
        let (portal, place) = (Portal::start(), Place::new());
        let service = portal.service(&place);
        browser.open(&portal.page(path, format!("<!doctype html>{before}{}{GO}{head}{FIGURES}", service.tag(attributes))));
        test(&browser, &service, &portal);
        assert_eq!(browser.messages(), []);
    }
}

/// Waits until the page shows and the service has this count of the page's article and of the site.
fn shows(browser: &Browser, service: &Service, article: &str, own: u64, all: u64) {
    counted(service, article, own, all);
    browser.shows("#site", &all.to_string());
    browser.shows("#own", &own.to_string());
}

#[test]
fn a_page_whose_canonical_link_changes_with_its_path_counts_under_the_link() {
    in_all_browsers("", "<link rel=canonical href=/-/a>", "/web/guest/-/a", |browser, service, _| {
        shows(browser, service, "/-/a", 1, 1);
        // The link changes before the path, and up to a second after it.
        for (all, (name, after)) in (2..).zip([("b", "undefined"), ("c", "0"), ("d", "300"), ("e", "1000")]) {
            browser.run(&format!("go('/web/guest/-/{name}', '/-/{name}', {after}); return 1"));
            browser.run("document.querySelector('#own').textContent = '–'; return 1");
            shows(browser, service, &format!("/-/{name}"), 1, all);
        }
        // The path changes later than the call, and a link that changes before it would belong to the page that is left.
        browser.run("addEventListener('popstate', () => link('/-/d'), { once: true }); history.back(); return 1");
        shows(browser, service, "/-/d", 2, 6);
        browser.run("history.forward(); setTimeout(link, 500, '/-/e'); return 1");
        shows(browser, service, "/-/e", 2, 7);
        assert_eq!(service.article("portal", "/web/guest/-/b")[0], 0);
    });
}

#[test]
fn a_page_whose_canonical_link_never_changes_counts_under_its_path() {
    in_all_browsers("", "<link rel=canonical href=/>", "/start", |browser, service, _| {
        shows(browser, service, "/", 1, 1);
        for (path, own, all) in [("/tin/1", 1, 2), ("/tin/2?a=1", 1, 3), ("/tin/1/", 2, 4)] {
            browser.run(&format!("go('{path}'); return 1"));
            shows(browser, service, path.split('?').next().unwrap().trim_end_matches('/'), own, all);
        }
    });
}

#[test]
fn all_that_a_router_does_in_one_task_is_one_navigation() {
    in_all_browsers("", "", "/start", |browser, service, _| {
        shows(browser, service, "/start", 1, 1);
        browser.run("history.pushState(0, '', '/x1'); history.replaceState(0, '', '/x2'); document.body.append('.'); return 1");
        shows(browser, service, "/x2", 1, 2);
        // A router that comes back to where it was has not navigated.
        browser.run("history.pushState(0, '', '/x3'); history.replaceState(0, '', '/x2'); document.body.append('.'); return 1");
        // Neither does it by another spelling, query or fragment.
        browser.run("history.pushState(0, '', '/x2/'); history.replaceState(0, '', '?b=2'); location.hash = 'c'; document.body.append('.'); return 1");
        browser.run("go('/x4'); return 1");
        shows(browser, service, "/x4", 1, 3);
        counted(service, "/x1", 0, 3);
        counted(service, "/x3", 0, 3);
    });
}

#[test]
fn each_of_two_quick_navigations_counts() {
    in_all_browsers("", "<link rel=canonical href=/>", "/start", |browser, service, _| {
        shows(browser, service, "/", 1, 1);
        browser.run("go('/tin/1'); return new Promise((done) => setTimeout(() => { go('/tin/2'); done(1) }, 200))");
        shows(browser, service, "/tin/2", 1, 3);
        counted(service, "/tin/1", 1, 3);
    });
}

#[test]
fn each_of_two_quick_navigations_counts_under_its_own_canonical_link() {
    in_all_browsers("", "<link rel=canonical href=/-/a>", "/web/a", |browser, service, _| {
        shows(browser, service, "/-/a", 1, 1);
        // The first page is left before it has a link.
        browser.run("go('/web/b'); return new Promise((done) => setTimeout(() => { go('/web/c', '/-/c'); done(1) }, 200))");
        counted(service, "/-/c", 1, 3);
        counted(service, "/web/b", 1, 3);
        // The service can count the second of two views at once first, so the site's figure in its answer can lack the other one.
        browser.shows("#own", "1");
    });
}

#[test]
fn a_canonical_link_that_comes_after_its_page_was_counted_is_not_taken_for_the_next_page() {
    in_all_browsers("", "", "/web/a", |browser, service, _| {
        shows(browser, service, "/web/a", 1, 1);
        browser.run("link('/-/a'); return 1");
        browser.run("go('/web/b', '/-/b', 200); return 1");
        shows(browser, service, "/-/b", 1, 2);
        // A page can also change the address of the link that it has.
        browser.run("document.querySelector('[rel=canonical]').href = '/-/late'; return 1");
        browser.run("go('/web/c', '/-/c', 200); return 1");
        shows(browser, service, "/-/c", 1, 3);
    });
}

#[test]
fn each_of_two_quick_navigations_counts_under_the_article_of_its_own_tag() {
    in_all_browsers("data-article=art-a", "", "/a", |browser, service, _| {
        shows(browser, service, "art-a", 1, 1);
        let go = "const go2 = (name) => { document.querySelector('script[data-site]').dataset.article = 'art-' + name; go('/' + name) };";
        browser.run(&format!("{go} go2('b'); return new Promise((done) => setTimeout(() => {{ go2('c'); done(1) }}, 300))"));
        counted(service, "art-b", 1, 3);
        counted(service, "art-c", 1, 3);
    });
}

#[test]
fn a_view_counts_if_the_reader_leaves_before_the_canonical_link_could_change() {
    in_all_browsers("", "<link rel=canonical href=/>", "/start", |browser, service, portal| {
        shows(browser, service, "/", 1, 1);
        let other = portal.page("/other", "<h1>other</h1>");
        browser.run(&format!("setTimeout(() => {{ go('/tin/1'); location = '{other}' }}); return 1"));
        browser.shows("h1", "other");
        counted(service, "/tin/1", 1, 2);
    });
}

#[test]
fn a_page_of_the_back_forward_cache_counts_under_the_article_that_it_shows() {
    in_all_browsers("", "<link rel=canonical href=/-/a>", "/web/a", |browser, service, portal| {
        shows(browser, service, "/-/a", 1, 1);
        browser.run("window.kept = true; go('/web/b', '/-/b', 200); return 1");
        shows(browser, service, "/-/b", 1, 2);
        browser.open(&portal.page("/other", "<h1>other</h1>"));
        browser.back();
        shows(browser, service, "/-/b", 2, 3);
        assert_eq!(browser.run("return window.kept"), true);
    });
}

#[test]
fn with_data_hash_each_route_of_a_hash_router_is_an_article() {
    in_all_browsers("data-hash", "", "/app/", |browser, service, _| {
        shows(browser, service, "/app", 1, 1);
        let go = |hash: &str| browser.run(&format!("location.hash = '{hash}'; document.body.append('.'); return 1"));
        for (hash, article, own, all) in [
            ("#/tin/1", "/app/#/tin/1", 1, 2),
            ("#!/tin/2", "/app/#!/tin/2", 1, 3),
            ("#/tin/b%C3%A0i/", "/app/#/tin/bài", 1, 4),
            ("#/tin/1?tab=2", "/app/#/tin/1", 2, 5),
        ] {
            go(hash);
            let encoded = article.replace('#', "%23");
            eventually(article, || (service.answer("portal", &[&encoded])["articles"][article]["total"] == own).then_some(()));
            browser.shows("#site", &all.to_string());
            browser.shows("#own", &own.to_string());
        }
        // The same route with another query is the same article.
        go("#/tin/1?tab=3");
        browser.run("history.back(); history.back(); return 1");
        browser.shows("#site", "6");
        browser.shows("#own", "2");
    });
}

#[test]
fn without_data_hash_a_fragment_is_a_place_in_the_page() {
    in_all_browsers("", "<a id=link href=#noi-dung>nội dung</a>", "/tin/1", |browser, service, _| {
        shows(browser, service, "/tin/1", 1, 1);
        browser.run("document.querySelector('#link').click(); location.hash = '/tin/2'; location.hash = '!/tin/3'; return 1");
        browser.run("go('/tin/4'); return 1");
        shows(browser, service, "/tin/4", 1, 2);
    });
}

#[test]
fn a_page_is_counted_under_the_id_of_its_address_after_a_change_of_the_address() {
    let cases = cases();
    let (portal, place) = (Portal::start(), Place::new());
    let mut config = "demo = false\n".to_owned();
    for site in 0..cases.len() {
        write!(config, "[[sites]]\nid = \"s{site}\"\norigins = [\"{}\"]\n", portal.origin).unwrap();
    }
    place.write("truycap.toml", config);
    let service = place.start();
    let browser = Browser::start();
    let mut frames = String::new();
    // All pages navigate at the same time, because each waits for its canonical link.
    for (site, Case { address, canonical, .. }) in cases.iter().enumerate() {
        let call = serde_json::json!([format!("{}{address}", portal.origin), canonical]);
        let link = canonical.as_ref().map_or("", |_| "<link rel=canonical href=/truoc>");
        let tag = format!("<script src='{}/counter.js' data-site=s{site}></script>", service.origin());
        let start = format!("<script>onload = () => setTimeout(() => go(...{}))</script>", call.to_string().replace('<', "\\u003c"));
        portal.page(&format!("/page/{site}"), format!("<meta charset=utf-8>{link}{tag}{GO}<p id=content></p>{start}"));
        write!(frames, "<iframe src=/page/{site}></iframe>").unwrap();
    }
    browser.open(&portal.page("/all", frames));
    for (site, Case { address, .. }) in cases.iter().enumerate() {
        eventually(address, || (service.site(&format!("s{site}"))[0] == 2).then_some(()));
    }
    service.stop();
    let counters = place.ok(&["export", "--config", "truycap.toml"]);
    let mut rows = csv::Reader::from_reader(counters.as_bytes());
    let rows: Vec<_> = rows.records().map(Result::unwrap).filter(|row| &row[2] == "total" && !row[1].is_empty()).collect();
    for (site, Case { address, canonical, id }) in cases.iter().enumerate() {
        let own = rows.iter().filter(|row| row[0] == format!("s{site}") && !["/truoc", &format!("/page/{site}")].contains(&&row[1]));
        let own: Vec<_> = own.map(|row| row[1].to_owned()).collect();
        assert_eq!(own, Vec::from_iter(id.clone()), "{address} {canonical:?}");
    }
}

#[test]
fn an_answer_that_comes_after_the_next_page_shows_nothing_of_the_page_before() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    portal.show_files(&service, "");
    let answer = |total: u32, article: &str, views: u32| {
        let body = json!({ "counted": true, "site": { "total": total }, "articles": { article: { "total": views } } });
        Reply::Text("200 OK", "Content-Type: application/json".into(), body.to_string())
    };
    let late = Reply::After(Duration::from_secs(3), Box::new(answer(1, "/start", 7)));
    let down = Reply::Text("503 Service Unavailable", "Content-Type: text/plain".into(), String::new());
    portal.at("/v1/sites/portal/views", Reply::InTurn(vec![late, answer(2, "/b", 9), down]));
    let browser = Browser::start();
    let tag = "<script async src=/counter.js data-site=portal></script>";
    browser.open(&portal.page("/start", format!("<!doctype html>{tag}{GO}{FIGURES}")));
    let asked = |views: usize| portal.requests().iter().filter(|request| request.contains("/views")).count() == views;
    eventually("the first view is sent", || asked(1).then_some(()));
    browser.run("go('/b'); return 1");
    browser.shows("#own", "9");
    let answered = "return performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/views')).length";
    eventually("the first view is answered", || (browser.run(answered) == 2).then_some(()));
    // A place that comes later is filled with the latest answer.
    browser.run("document.querySelector('#content').outerHTML = '<p id=content></p><p id=later data-truycap=total>–</p>'; return 1");
    browser.shows("#later", "2");
    assert_eq!([browser.text("#own"), browser.text("#site")], ["9", "2"]);
    // The number of the article before does not stay beside the next one, whose view fails.
    browser.run("go('/c'); return 1");
    browser.shows("#own", "–");
    eventually("the third view is sent", || asked(3).then_some(()));
    assert_eq!([browser.text("#own"), browser.text("#site")], ["–", "2"]);
}

#[test]
fn a_place_that_becomes_one_of_another_article_does_not_keep_the_figure_of_the_first() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    portal.show_files(&service, "");
    let json = |body: serde_json::Value| Reply::Text("200 OK", "Content-Type: application/json".into(), body.to_string());
    portal.at("/v1/sites/portal/views", json(json!({ "counted": true, "site": { "total": 5 }, "articles": { "/tin/1": { "total": 7 } } })));
    portal.at("/v1/sites/portal/figures", Reply::Never);
    let browser = Browser::start();
    let tag = "<script async src=/counter.js data-site=portal></script>";
    let place = "<p id=place data-truycap=article.total data-article=/tin/1>–</p>";
    browser.open(&portal.page("/start", format!("<!doctype html>{tag}{place}")));
    browser.shows("#place", "7");
    browser.run("document.querySelector('#place').dataset.article = '/tin/2'; return 1");
    browser.shows("#place", "–");
}
