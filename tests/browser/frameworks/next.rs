//! A site that Next has built (tests/browser/npm/next), with its own hydration and router.

use std::{fs, path::Path, time::Duration};

use crate::{
    counting::counted,
    driver::Browser,
    pages::{Portal, Reply},
    process::{Place, Service},
};

/// What the pages name as the service; the tests have its address only when it runs.
const SERVICE: &str = "http://truycap.invalid";

/// Serves a directory slowly enough that the service answers before a page has its scripts, with `index.html` as `/` and other
/// pages without `.html`.
fn serve(portal: &Portal, service: &Service, dir: &Path, at: &str) {
    for entry in fs::read_dir(dir).expect("Next has built no site: run scripts/set-up.sh") {
        let path = entry.unwrap().path();
        // As browsers write it in addresses: a part of Next's page `[id]`.
        let name = path.file_name().unwrap().to_str().unwrap().replace('[', "%5B").replace(']', "%5D");
        let name = format!("{at}/{name}");
        if path.is_dir() {
            serve(portal, service, &path, &name);
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let text = text.replace(SERVICE, &service.origin());
        match name.rsplit_once('.') {
            Some(("/index", "html")) => portal.page("/", text),
            Some((name, "html")) => portal.page(name, text),
            Some((_, "js")) => {
                portal.slow(&name, Duration::from_millis(500));
                portal.file(&name, "text/javascript", text)
            }
            Some((_, "txt")) => portal.file(&name, "text/plain", text),
            _ => continue,
        };
    }
}

#[test]
fn a_site_that_next_has_built_is_counted_and_filled() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    portal.otherwise(Reply::Text("404 Not Found", "Content-Type: text/plain".into(), String::new()));
    serve(&portal, &service, Path::new("tests/browser/npm/next/out"), "");
    let browser = Browser::start();
    let shows = |article: &str, own: u64, all: u64| {
        browser.shows("h1", article);
        counted(&service, article, own, all);
        browser.shows("#own", &own.to_string());
        browser.shows("#site", &all.to_string());
        browser.shows(".truycap-digits", &format!("{all:0>11}"));
    };
    let hydrated = "return Object.keys(document.querySelector('#own')).some((key) => key.startsWith('__reactFiber'))";
    // The site's canonical links differ from its paths.
    browser.open(&format!("{}/1", portal.origin));
    shows("/tin/1", 1, 1);
    assert_eq!(browser.run(hydrated), true);
    browser.run("window.kept = true; document.querySelector('#to-2').click(); return 1");
    shows("/tin/2", 1, 2);
    browser.run("document.querySelector('#to-1').click(); return 1");
    shows("/tin/1", 2, 3);
    browser.back();
    shows("/tin/2", 2, 4);
    // A part that the page shows later.
    browser.run("document.querySelector('#more').click(); return 1");
    browser.shows("#later", "2");
    assert_eq!(browser.run("return window.kept"), true);
    assert_eq!(browser.messages(), []);
}
