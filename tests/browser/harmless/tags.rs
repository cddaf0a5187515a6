//! The ways in which the script comes into a page.

use serde_json::json;

use crate::{
    driver::Browser,
    harmless::{PAST, PLACES, WATCH},
    pages::{Portal, Reply},
    process::{Place, Service, eventually},
};

fn start() -> (Place, Portal, Service, Browser) {
    let place = Place::new();
    let portal = Portal::start();
    place.ok(&["import", &place.write("past.csv", PAST)]);
    let service = portal.service(&place);
    (place, portal, service, Browser::start())
}

/// Waits until all places are filled, and checks that the page and its console have seen nothing.
fn is_filled(browser: &Browser, name: &str) {
    browser.shows("#own", "1");
    browser.shows("#other", "7");
    browser.has(".truycap-box dd");
    browser.has("[data-truycap-top] a[href$='/tin/khac']");
    assert_eq!(browser.run("return window.seen"), json!([]), "{name}");
    assert_eq!(browser.messages(), [], "{name}");
}

#[test]
fn a_tag_counts_once_however_it_comes_into_the_page() {
    let (_place, portal, service, browser) = start();
    let server = service.origin();
    let script = service.get("/counter.js").body;
    portal.file("/copy.js", "text/javascript", &*script);
    let bundle = format!("const vendor = 1;\n{script}\n;window.isBundled = true");
    portal.file("/bundle.js", "text/javascript", &*bundle);
    let element = format!(
        "const tag = document.createElement('script'); tag.async = true; tag.src = '{server}/counter.js'; tag.setAttribute('data-site', 'portal');"
    );
    let ways = [
        ("async", service.tag("")),
        ("defer", format!("<script defer src={server}/counter.js data-site=portal></script>")),
        ("blocking", format!("<script src={server}/counter.js data-site=portal></script>")),
        ("module", format!("<script type=module src={server}/counter.js data-site=portal></script>")),
        ("twice", service.tag("") + &service.tag("")),
        ("no scheme", service.tag("").replace("http:", "")),
        ("query", service.tag("").replace("counter.js", "counter.js?v=12#x")),
        ("base", format!("<base href='https://cdn.example.vn/x/'>{}", service.tag(""))),
        ("copy", format!("<script async src=/copy.js data-site=portal data-host={server}></script>")),
        ("copy with slash", format!("<script async src=/copy.js data-site=portal data-host={server}/></script>")),
        ("bundle", format!("<script async src=/bundle.js data-site=portal data-host={server}></script>")),
        ("module bundle", format!("<script type=module src=/bundle.js data-site=portal data-host={server}></script>")),
        ("inline", format!("<script data-site=portal data-host={server}>{script}</script>")),
        (
            "eval",
            format!(
                "<script type=text/plain data-site=portal data-host={server}></script>
                <script>fetch('/copy.js').then((answer) => answer.text()).then((text) => (0, eval)(text))</script>"
            ),
        ),
        (
            "delayed",
            format!(
                "<script type=text/delayed data-site=portal data-src={server}/counter.js></script><script>setTimeout(() => {{
                    const old = document.querySelector('[data-src]'), tag = document.createElement('script');
                    for (const {{ name, value }} of old.attributes) tag.setAttribute(name.replace('data-src', 'src'), name == 'type' ? '' : value);
                    old.replaceWith(tag) }}, 50)</script>"
            ),
        ),
        ("document.write", format!("<script>document.write('{}')</script>", service.tag("").replace('\'', "").replace("</script>", "<\\/script>"))),
        ("tag manager", format!("<script>{element}document.head.appendChild(tag)</script>")),
        ("tag manager, removed", format!("<script>{element}document.head.appendChild(tag).remove()</script>")),
        ("tag manager, late", format!("<script>addEventListener('load', () => {{ {element}document.head.appendChild(tag) }})</script>")),
    ];
    for (views, (name, tag)) in (1001..).zip(ways) {
        println!("{name}");
        let path = format!("/{}", name.replace([' ', ','], "-"));
        // A base applies to links too.
        let places =
            if name == "base" { PLACES.replace("href=/tin/khac", &format!("href={}/tin/khac", portal.origin)) } else { PLACES.into() };
        service.knows(&[&path]);
        browser.open(&portal.page(&path, format!("<!DOCTYPE html><html lang=vi><head>{WATCH}{tag}</head><body>{places}")));
        is_filled(&browser, name);
        assert_eq!((service.article("portal", &path)[0], service.site("portal")[0]), (1, views), "{name}");
    }
}

#[test]
fn a_tag_under_a_prefix_of_the_portal_asks_there() {
    let (_place, portal, service, browser) = start();
    portal.show_files(&service, "/thongke");
    let answer = service.get("/v1/sites/portal/figures?article=/page&article=/tin/khac").body;
    portal.file("/thongke/v1/sites/portal/views", "application/json", &*answer);
    portal.file("/thongke/v1/sites/portal/top", "application/json", service.get("/v1/sites/portal/top?period=total").body);
    browser.open(&portal.page("/page", format!("{WATCH}<script async src=/thongke/counter.js data-site=portal></script>{PLACES}")));
    browser.shows("#own", "0");
    browser.has(".truycap-box dd");
    browser.has("[data-truycap-top] a");
    assert_eq!(browser.messages(), []);
}

#[test]
fn strict_policies_and_trusted_types_let_the_script_work() {
    let (_place, portal, service, browser) = start();
    let server = service.origin();
    let policies = [
        format!("default-src 'none'; script-src {server} 'nonce-watch'; connect-src {server}; style-src {server}"),
        format!("script-src 'nonce-watch' 'strict-dynamic'; connect-src {server}; style-src {server}; require-trusted-types-for 'script'"),
        format!(
            "default-src 'none'; script-src 'nonce-watch' 'strict-dynamic'; connect-src {server}; style-src {server}; \
             require-trusted-types-for 'script'; trusted-types truycap"
        ),
        format!(
            "default-src 'none'; script-src {server} 'nonce-watch'; connect-src {server}; style-src {server}; \
             require-trusted-types-for 'script'; trusted-types truycap"
        ),
        // Nonces only: what the script adds has the nonce of its tag.
        format!(
            "default-src 'none'; script-src 'nonce-watch'; connect-src {server}; style-src {server}; require-trusted-types-for 'script'"
        ),
    ];
    let watch = WATCH.replace("<script>", "<script nonce=watch>");
    for (number, policy) in policies.iter().enumerate() {
        println!("{policy}");
        let page = format!("<!DOCTYPE html><html lang=vi>{watch}{}{PLACES}", service.tag("nonce=watch"));
        let header = format!("Content-Type: text/html; charset=utf-8\r\nContent-Security-Policy: {policy}");
        browser.open(&portal.at(&format!("/page-{number}"), Reply::Text("200 OK", header, page)));
        is_filled(&browser, policy);
    }
    assert_eq!(service.site("portal")[0], 1000 + policies.len() as u64);
}

#[test]
fn a_policy_that_forbids_the_tag_leaves_the_page_as_it_was() {
    let (_place, portal, service, browser) = start();
    let server = service.origin();
    let policies = [
        ("script-src 'nonce-watch'; connect-src 'none'".to_owned(), "violates the following Content Security Policy directive"),
        (format!("script-src 'nonce-watch' {server}; connect-src 'self'"), "truycap: no answer from "),
    ];
    for (policy, message) in policies {
        let header = format!("Content-Type: text/html; charset=utf-8\r\nContent-Security-Policy: {policy}");
        let page = WATCH.replace("<script>", "<script nonce=watch>") + &service.tag("") + PLACES;
        browser.open(&portal.at("/page", Reply::Text("200 OK", header, page)));
        browser.wait_for_message(message);
        assert_eq!(browser.text("#own"), "–");
        assert_eq!(browser.run("return seen"), json!([]), "{policy}");
    }
    // Figures are shown even if the policy does not allow the script of boxes and lists.
    let policy = format!("script-src 'nonce-watch'; connect-src {server}; require-trusted-types-for 'script'; trusted-types 'none'");
    let header = format!("Content-Type: text/html; charset=utf-8\r\nContent-Security-Policy: {policy}");
    let page = WATCH.replace("<script>", "<script nonce=watch>") + &service.tag("nonce=watch") + PLACES;
    browser.open(&portal.at("/page", Reply::Text("200 OK", header, page)));
    browser.shows("#own", "1");
    browser.shows("#other", "7");
    assert_eq!(browser.run("return seen"), json!([]));
}

#[test]
fn a_page_that_allows_only_resources_that_agree_is_counted_and_filled() {
    let (_place, portal, service, browser) = start();
    for (views, policy) in [(1, "require-corp"), (2, "credentialless")] {
        let header =
            format!("Content-Type: text/html; charset=utf-8\r\nCross-Origin-Embedder-Policy: {policy}\r\nReferrer-Policy: no-referrer");
        let page = format!("<!DOCTYPE html><html lang=vi>{WATCH}{}{PLACES}", service.tag(""));
        browser.open(&portal.at(&format!("/{policy}"), Reply::Text("200 OK", header, page)));
        is_filled(&browser, policy);
        eventually("the view is counted", || (service.site("portal")[0] == 1000 + views).then_some(()));
    }
}
