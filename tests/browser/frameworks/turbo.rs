//! Pages that Turbo replaces without loading them.

use std::time::Duration;

use crate::{
    counting::counted,
    driver::Browser,
    pages::{Portal, npm},
    process::{Place, Service},
};

const LINKS: &str = "<a id=home href=/home>home</a><a id=a href=/a>a</a><a id=b href=/b>b</a>";
const FIGURES: &str = "<p id=own data-truycap=article.total>–</p><p id=site data-truycap=total>–</p><div data-truycap-box></div>";

/// Where a page has its tag.
#[derive(Clone, Copy)]
enum Tag {
    Head,
    Body,
}

/// Serves a home page that is no article, and two articles whose canonical links differ from their paths.
fn serve(portal: &Portal, service: &Service, place: Tag) {
    portal.file("/turbo.js", "text/javascript", npm("@hotwired/turbo/dist/turbo.es2017-umd.js"));
    for (name, more) in [("home", "data-article=none"), ("a", ""), ("b", "")] {
        let tag = service.tag(more);
        let (head, body) = match place {
            Tag::Head => (tag, String::new()),
            Tag::Body => (String::new(), tag),
        };
        let head = format!("{head}<script src=/turbo.js></script><link rel=canonical href=/bai/{name}><title>{name}</title>");
        let page = format!("<!doctype html><html lang=vi><head>{head}</head><body><h1>{name}</h1>{LINKS}{FIGURES}{body}</body>");
        portal.page(&format!("/{name}"), page);
    }
}

fn go(browser: &Browser, name: &str) {
    browser.run(&format!("document.querySelector('#{name}').click(); return 1"));
    browser.shows("h1", name);
}

fn each_page_counts_under_its_own_tag(place: Tag) {
    let (portal, data) = (Portal::start(), Place::new());
    let service = portal.service(&data);
    serve(&portal, &service, place);
    let browser = Browser::start();
    let shows = |article: &str, own: u64, all: u64| {
        counted(&service, article, own, all);
        browser.shows("#site", &all.to_string());
        browser.shows(".truycap-digits", &format!("{all:0>11}"));
        if article != "/bai/home" {
            browser.shows("#own", &own.to_string());
        }
    };
    browser.open(&format!("{}/home", portal.origin));
    shows("/bai/home", 0, 1);
    go(&browser, "a");
    shows("/bai/a", 1, 2);
    // A page that comes late, and later than a canonical link is waited for.
    portal.slow("/b", Duration::from_secs(3));
    go(&browser, "b");
    shows("/bai/b", 1, 3);
    go(&browser, "home");
    shows("/bai/home", 0, 4);
    assert_eq!(browser.text("#own"), "–");
    // Turbo shows its copy of the page first, and then the page.
    go(&browser, "a");
    shows("/bai/a", 2, 5);
    // The copy is all that it shows.
    browser.back();
    browser.shows("h1", "home");
    shows("/bai/home", 0, 6);
    browser.run("history.forward(); return 1");
    browser.shows("h1", "a");
    shows("/bai/a", 3, 7);
    assert_eq!(browser.run("return performance.getEntriesByType('navigation')[0].name.split('/').pop()"), "home");
    assert_eq!(browser.messages(), []);
}

#[test]
fn pages_that_turbo_replaces_count_under_the_tags_of_their_heads() {
    each_page_counts_under_its_own_tag(Tag::Head);
}

#[test]
fn pages_that_turbo_replaces_count_under_the_tags_of_their_bodies() {
    each_page_counts_under_its_own_tag(Tag::Body);
}

#[test]
fn a_turbo_frame_is_filled_and_counts_if_it_changes_the_address() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    serve(&portal, &service, Tag::Head);
    let browser = Browser::start();
    let figure = |name: &str| format!("<p id={name} data-truycap=article.total data-article=/bai/{name}>–</p>");
    let frame = |name: &str| format!("<turbo-frame id=part>{}</turbo-frame>", figure(name));
    portal.page("/part", frame("part"));
    portal.page("/whole", format!("<link rel=canonical href=/bai/whole>{}", frame("whole")));
    let links =
        "<a id=inside href=/part data-turbo-frame=part></a><a id=moves href=/whole data-turbo-frame=part data-turbo-action=advance></a>";
    let page = format!(
        "<head>{}<script src=/turbo.js></script><link rel=canonical href=/start></head><body>{links}<turbo-frame id=part></turbo-frame>{FIGURES}",
        service.tag("")
    );
    browser.open(&portal.page("/start", page));
    counted(&service, "/start", 1, 1);
    browser.run("document.querySelector('#inside').click(); return 1");
    browser.shows("#part p", "0");
    counted(&service, "/start", 1, 1);
    browser.run("document.querySelector('#moves').click(); return 1");
    // Turbo replaces this frame, the address, and the canonical link.
    counted(&service, "/bai/whole", 1, 2);
    browser.shows("#own", "1");
    browser.shows("#whole", "1");
    assert_eq!(browser.messages(), []);
}
