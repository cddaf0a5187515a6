//! Long addresses, parts that fail, and ids of every kind.

use std::{fs, process::Command};

use serde_json::json;
use truycap_test_support::ports::free_address;

use crate::{
    driver::Browser,
    pages::{Portal, Reply},
    process::{Place, Service, child::Process, client::Client, eventually},
};

/// nginx with its default buffers in front of a service. It ends with the test.
struct Nginx {
    process: Process,
    origin: String,
}

impl Nginx {
    fn start(place: &Place, service: &Service) -> Self {
        let address = free_address();
        let folder = place.path("nginx");
        fs::create_dir(&folder).unwrap();
        let temporary: String =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|name| format!("{name}_temp_path {name};")).collect();
        let user = if truycap_test_support::disk::as_root() { "user root;" } else { "" };
        let text = format!(
            "{user} daemon off; worker_processes 1; pid pid; error_log stderr; events {{}}
            http {{ {temporary} access_log off; server {{ listen {address}; location / {{ proxy_pass http://{}; }} }} }}",
            service.public
        );
        fs::write(folder.join("nginx.conf"), text).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-p"]).arg(&folder).args(["-c", "nginx.conf"]);
        let mut process = Process::spawn(command);
        eventually("nginx listens", || {
            assert!(!process.has_ended(), "{}", process.log());
            Client::connect(&address.to_string()).ok()
        });
        Self { process, origin: format!("http://{address}") }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if !self.process.has_ended() {
            // Its workers outlive a master that is killed.
            self.process.signal("TERM");
            eventually("nginx ends", || self.process.has_ended().then_some(()));
        }
    }
}

/// An element that shows the views of an article.
fn place_of(article: &str) -> String {
    format!("<i data-truycap=article.total data-article='{article}'>–</i>")
}

const SHOWN: &str = "return [...document.querySelectorAll('i')].map((place) => place.textContent)";

#[test]
fn fifty_long_ids_are_filled_behind_nginx_with_default_buffers() {
    let place = Place::new();
    // 163 bytes: 54 letters of three bytes, each of which an address writes as nine characters.
    let ids: Vec<_> = (0..49).map(|n| format!("/{}{n:03}", "ế".repeat(53))).collect();
    assert!(ids.iter().all(|id| id.len() == 163));
    let rows: String = ids.iter().map(|id| format!("portal,{id},,7\n")).collect();
    place.ok(&["import", &place.write("past.csv", format!("site,article,period,views\n{rows}"))]);
    let portal = Portal::start();
    let service = portal.service(&place);
    ids.chunks(10).for_each(|part| service.knows(part));
    let nginx = Nginx::start(&place, &service);
    let places: String = ids.iter().map(|id| place_of(id)).collect();
    let tag = service.tag("").replace(&service.origin(), &nginx.origin);
    let browser = Browser::start();
    browser.open(&portal.page("/page", format!("<!DOCTYPE html><html lang=vi>{tag}{places}<ol data-truycap-top=total></ol>")));
    eventually("all are filled", || (browser.run(SHOWN) == json!(vec!["7"; 49])).then_some(()));
    browser.has("ol li");
    assert_eq!(browser.messages(), []);
}

#[test]
fn a_part_that_fails_stops_neither_the_other_parts_nor_the_lists() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    portal.show_files(&service, "");
    let ids: Vec<_> = (0..120).map(|n| format!("/tin/{n}")).collect();
    let figures = json!({ "total": 5, "today": 1 });
    let ok = |body: serde_json::Value| Reply::Text("200 OK", "Content-Type: application/json".into(), body.to_string());
    portal.at("/v1/sites/portal/views", ok(json!({ "counted": true, "site": figures, "articles": {} })));
    portal.at("/v1/sites/portal/top", ok(json!({ "articles": [{ "article": "/tin/0", "views": 5 }] })));
    let places: String = ids.iter().map(|id| place_of(id)).collect();
    let page = format!(
        "<!DOCTYPE html><html lang=vi><script async src=/counter.js data-site=portal></script>{places}<ol data-truycap-top=total></ol>"
    );
    // Only the second of three parts fails.
    let part = |ids: &[String]| {
        let articles: serde_json::Map<_, _> = ids.iter().map(|id| (id.clone(), figures.clone())).collect();
        ok(json!({ "articles": articles }))
    };
    portal.at("/v1/sites/portal/figures", Reply::InTurn(vec![part(&ids[..50]), Reply::Nothing, part(&ids[100..])]));
    let browser = Browser::start();
    browser.open(&portal.page("/page", page));
    browser.has("ol li");
    eventually("the last part is filled", || (browser.run(SHOWN)[119] == "5").then_some(()));
    let shown = browser.run(SHOWN);
    assert_eq!((&shown[0], &shown[60]), (&json!("5"), &json!("–")));
    assert_eq!(portal.requests().iter().filter(|request| request.contains("/figures")).count(), 3);
}

#[test]
fn ids_that_javascript_has_names_for_are_ids_like_any_other() {
    let place = Place::new();
    let ids = ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf", "isPrototypeOf", "then", "length"];
    let rows: String = (1..).zip(ids).map(|(views, id)| format!("portal,{id},,{}\n", views + 10)).collect();
    place.ok(&["import", &place.write("past.csv", format!("site,article,period,views\n{rows}"))]);
    let portal = Portal::start();
    let service = portal.service(&place);
    service.knows(&ids);
    let browser = Browser::start();
    let places: String = ids.iter().map(|id| place_of(id)).collect();
    for (views, id) in (1..).zip(ids) {
        let tag = service.tag(&format!("data-article={id}"));
        let list = "<ol data-truycap-top=total data-limit=100></ol>";
        browser.open(&portal.page("/page", format!("<!DOCTYPE html><html lang=vi>{tag}<p data-truycap=article.total>–</p>{places}{list}")));
        browser.shows("p", &(views + 11).to_string());
        let expected: Vec<_> = (1..=ids.len()).map(|n| (n + 10 + usize::from(n <= views)).to_string()).collect();
        eventually("the figures are filled", || (browser.run(SHOWN) == json!(expected)).then_some(()));
        browser.has("ol li:nth-child(8)");
        let mut listed: Vec<String> =
            serde_json::from_value(browser.run("return [...document.querySelectorAll('li a')].map((a) => a.textContent)")).unwrap();
        let mut sorted = ids.map(str::to_owned);
        sorted.sort();
        listed.sort();
        assert_eq!(listed, sorted);
    }
    assert_eq!(browser.messages(), []);
}

#[test]
fn characters_that_hide_or_reorder_text_are_shown_percent_encoded() {
    let place = Place::new();
    let ids = [
        "/tin/\u{202e}gnp.exe",
        "/tin/\u{200b}a",
        "/tin/\u{2066}b\u{2069}",
        "/tin/\u{feff}c",
        "/tin/d\u{ad}",
        "/tin/e\u{e0041}",
        "/tin/f\u{200f}",
        "/tin/ếờ",
    ];
    let rows: String = ids.iter().map(|id| format!("portal,{id},,7\n")).collect();
    place.ok(&["import", &place.write("past.csv", format!("site,article,period,views\n{rows}"))]);
    let portal = Portal::start();
    let service = portal.service(&place);
    let browser = Browser::start();
    let list = "<ol data-truycap-top=total data-limit=100></ol>";
    browser.open(&portal.page("/page", format!("<!DOCTYPE html><html lang=vi>{}{list}", service.tag("data-article=none"))));
    browser.has("ol li:nth-child(8)");
    let mut shown: Vec<String> =
        serde_json::from_value(browser.run("return [...document.querySelectorAll('li a')].map((a) => a.textContent)")).unwrap();
    shown.sort();
    let mut expected = [
        "/tin/%E2%80%8Ba",
        "/tin/%E2%80%AEgnp.exe",
        "/tin/%E2%81%A6b%E2%81%A9",
        "/tin/%EF%BB%BFc",
        "/tin/d%C2%AD",
        "/tin/e%F3%A0%81%81",
        "/tin/f%E2%80%8F",
        "/tin/ếờ",
    ];
    expected.sort_unstable();
    assert_eq!(shown, expected);
    // The links still lead to the articles.
    let links =
        browser.run("return [...document.querySelectorAll('li a')].map((a) => decodeURIComponent(new URL(a.href).pathname)).sort()");
    let mut ids = ids;
    ids.sort_unstable();
    let mut links: Vec<String> = serde_json::from_value(links).unwrap();
    links.sort();
    assert_eq!(links, ids);
    assert_eq!(browser.run("return [...document.querySelectorAll('li a')].every((a) => a.dir === 'auto')"), true);
    assert_eq!(browser.messages(), []);
}

#[test]
fn a_path_that_is_too_long_counts_for_the_site_and_warns() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    let browser = Browser::start();
    let path = format!("/{}", "a".repeat(299));
    browser.open(&portal.page(&path, service.tag("") + "<p id=site data-truycap=total>–</p><p id=own data-truycap=article.total>–</p>"));
    browser.shows("#site", "1");
    assert_eq!(browser.text("#own"), "–");
    let messages = browser.messages();
    assert!(messages.len() == 1 && messages[0].0 == "WARNING", "{messages:?}");
    assert!(messages[0].1.contains(&path[..99]) && !messages[0].1.contains(&path[..100]), "{messages:?}");
}
