//! Pages that React renders on a server and hydrates in the browser.

use std::{fmt::Write as _, time::Duration};

use crate::{
    counting::counted,
    driver::Browser,
    pages::{Portal, npm},
    process::{Place, Service, eventually},
};

/// A component with figures, a box, a list, and a part that renders again or anew when a button is clicked.
const APP: &str = "
    const React = require('react'), h = React.createElement;
    function Again() {
      const [clicks, click] = React.useState(0);
      return h('div', null,
        h('button', { id: 'click', onClick: () => click(clicks + 1) }, clicks),
        h('p', { id: 'same', className: 'c' + clicks, 'data-truycap': 'total' }, '–'),
        h('p', { key: clicks, id: 'other', 'data-truycap': 'total' }, '–'));
    }
    const app = () => h('main', null,
      h('p', { id: 'own', 'data-truycap': 'article.total' }, '–'),
      h('p', null, 'Lượt xem: ', h('b', { id: 'padded', 'data-truycap': 'total', 'data-digits': 4 }, '–')),
      h('div', { 'data-truycap-box': true }), h('ol', { 'data-truycap-top': 'total' }), h(Again));
    const failed = [];
    const hydrate = () => require('react-dom/client').hydrateRoot(document.querySelector('#root'), h(app),
      { onRecoverableError: error => failed.push(error.message) });
";

#[derive(Clone, Copy, Debug)]
enum Version {
    React18,
    React19,
}

impl Version {
    /// A script that defines `require` for React's packages.
    fn script(self) -> String {
        match self {
            Self::React18 => {
                let files = ["react18/umd/react", "react-dom18/umd/react-dom", "react-dom18/umd/react-dom-server-legacy.browser"];
                let text: String = files.map(|file| npm(&format!("{file}.production.min.js"))).concat();
                let names = "{ react: window.React, 'react-dom/client': window.ReactDOM, 'react-dom/server': window.ReactDOMServer }";
                format!("{text};const require = name => ({names})[name];")
            }
            Self::React19 => {
                let mut text = "const required = {}, require = name => required[name];".to_owned();
                for (name, file) in [
                    ("react", "react/cjs/react"),
                    ("scheduler", "scheduler/cjs/scheduler"),
                    ("react-dom", "react-dom/cjs/react-dom"),
                    ("react-dom/client", "react-dom/cjs/react-dom-client"),
                    ("react-dom/server", "react-dom/cjs/react-dom-server-legacy.browser"),
                ] {
                    let module = npm(&format!("{file}.production.js"));
                    write!(text, "(exports => {{ {module} }})(required['{name}'] = {{}});").unwrap();
                }
                text
            }
        }
    }
}

/// Serves React, and the page at `/tin/1` with the application and the HTML of its server; returns the address of the page.
fn serve(portal: &Portal, browser: &Browser, version: Version, app: &str, tag: &str, start: &str) -> String {
    portal.file("/react.js", "text/javascript", version.script());
    browser.open(&portal.page("/render", format!("<script src=/react.js></script><script>{app}</script>")));
    let html = browser.run("return require('react-dom/server').renderToString(h(app))");
    portal.file("/app.js", "text/javascript", format!("{app}{start}"));
    let scripts = "<script defer src=/react.js></script><script defer src=/app.js></script>";
    let page = format!("<!doctype html><html lang=vi><head>{tag}{scripts}</head><body><div id=root>{}</div>", html.as_str().unwrap());
    portal.page("/tin/1", page)
}

/// Waits until everything shows this view of the article and of the site.
fn is_filled(browser: &Browser, own: &str, site: &str) {
    browser.shows("#own", own);
    browser.shows("#same", site);
    browser.shows("#other", site);
    browser.shows("#padded", &format!("{site:0>4}"));
    browser.shows(".truycap-digits", &format!("{site:0>11}"));
}

/// React has hydrated the page as it is, and its parts stay filled when it renders them again.
fn is_hydrated(browser: &Browser, service: &Service, views: u64) {
    is_filled(browser, &views.to_string(), &views.to_string());
    for clicks in ["1", "2"] {
        browser.run("document.querySelector('#click').click(); return 1");
        browser.shows("#click", clicks);
        is_filled(browser, &views.to_string(), &views.to_string());
    }
    counted(service, "/tin/1", views, views);
}

#[test]
fn a_page_that_react_hydrates_is_filled() {
    let browser = Browser::start();
    for version in [Version::React18, Version::React19] {
        let (portal, place) = (Portal::start(), Place::new());
        let service = portal.service(&place);
        let page = serve(&portal, &browser, version, APP, &service.tag(""), "hydrate();");
        // The service answers after the page is hydrated, or at the same time.
        browser.open(&page);
        is_hydrated(&browser, &service, 1);
        // The service could answer before, because the application loads slowly.
        portal.slow("/app.js", Duration::from_secs(1));
        browser.open(&page);
        is_hydrated(&browser, &service, 2);
        assert_eq!(browser.run("return failed"), serde_json::json!([]), "{version:?}");
        assert_eq!(browser.messages(), [], "{version:?}");
    }
}

#[test]
fn a_page_that_react_hydrates_after_it_was_filled_is_filled_again() {
    let browser = Browser::start();
    for version in [Version::React18, Version::React19] {
        let (portal, place) = (Portal::start(), Place::new());
        let service = portal.service(&place);
        browser.open(&serve(&portal, &browser, version, APP, &service.tag(""), ""));
        is_filled(&browser, "1", "1");
        browser.run("hydrate(); return 1");
        browser.run("document.querySelector('#click').click(); return 1");
        browser.shows("#click", "1");
        is_filled(&browser, "1", "1");
        counted(&service, "/tin/1", 1, 1);
    }
}

#[test]
fn places_that_react_is_told_to_leave_alone_are_filled_before_it_hydrates_them_without_a_message() {
    let app = "
        const h = require('react').createElement;
        const place = (props, html) => h('div', { ...props, suppressHydrationWarning: true, dangerouslySetInnerHTML: { __html: html } });
        const app = () => h('main', null,
          place({ id: 'own', 'data-truycap': 'article.total' }, '–'), place({ id: 'same', 'data-truycap': 'total' }, '–'),
          place({ id: 'other', 'data-truycap': 'total' }, '–'), place({ id: 'padded', 'data-truycap': 'total', 'data-digits': 4 }, '–'),
          place({ 'data-truycap-box': true }, ''), place({ 'data-truycap-top': 'total' }, ''));
        const hydrate = () => require('react-dom/client').hydrateRoot(document.querySelector('#root'), h(app));
    ";
    let browser = Browser::start();
    for version in [Version::React18, Version::React19] {
        let (portal, place) = (Portal::start(), Place::new());
        let service = portal.service(&place);
        browser.open(&serve(&portal, &browser, version, app, &service.tag(""), ""));
        is_filled(&browser, "1", "1");
        browser.run("hydrate(); return 1");
        let hydrated = "return Object.keys(document.querySelector('#own')).some((key) => key.startsWith('__reactFiber'))";
        eventually("React has hydrated the page", || (browser.run(hydrated) == true).then_some(()));
        is_filled(&browser, "1", "1");
        assert_eq!(browser.messages(), [], "{version:?}");
    }
}

#[test]
fn a_page_that_react_renders_in_the_browser_is_filled() {
    let browser = Browser::start();
    for version in [Version::React18, Version::React19] {
        let (portal, place) = (Portal::start(), Place::new());
        let service = portal.service(&place);
        portal.file("/react.js", "text/javascript", version.script());
        let page = "<div id=root></div><script src=/react.js></script>";
        let start = "const root = require('react-dom/client').createRoot(document.querySelector('#root'))";
        browser.open(&portal.page("/tin/1", format!("{}{page}<script>{APP}{start}</script>", service.tag(""))));
        counted(&service, "/tin/1", 1, 1);
        browser.run("root.render(h(app)); return 1");
        is_hydrated(&browser, &service, 1);
        assert_eq!(browser.messages(), [], "{version:?}");
    }
}
