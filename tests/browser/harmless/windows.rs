//! Frames, copies and files: what is not a page of the portal is not an article of it.

use serde_json::json;

use crate::{
    driver::Browser,
    harmless::WATCH,
    pages::Portal,
    process::{Place, Service, eventually},
};

fn start() -> (Place, Portal, Service, Browser) {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    (place, portal, service, Browser::start())
}

/// The articles that the service has counted, after it has stopped.
fn articles(place: &Place, service: Service) -> Vec<String> {
    service.stop();
    let rows = place.ok(&["export"]);
    let totals = rows.lines().filter_map(|row| row.strip_prefix("portal,")?.split_once(",total,"));
    totals.map(|(article, _)| article.to_owned()).filter(|article| !article.is_empty()).collect()
}

/// A page in a frame that posts what it shows and what its error handlers saw once the script has an answer.
fn framed(service: &Service) -> String {
    let report = "<script>const own = document.querySelector('p');
        console.warn = (text) => parent.postMessage([own.textContent, [text]], '*');
        new MutationObserver(() => parent.postMessage([own.textContent, seen], '*')).observe(own, { childList: true })</script>";
    format!("{WATCH}<p data-truycap=total>–</p>{report}{}", service.tag("")).replace('"', "&quot;")
}

#[test]
fn a_frame_from_srcdoc_and_a_page_from_a_blob_count_for_the_site_alone() {
    let (place, portal, service, browser) = start();
    let listen = "<script>window.told = []; onmessage = ({ data }) => { told.push(data) }</script>";
    browser.open(&portal.page("/srcdoc", format!("{listen}<iframe srcdoc=\"{}\"></iframe>", framed(&service))));
    let told = eventually("the frame is filled", || Some(browser.run("return told[0]")).filter(|told| !told.is_null()));
    assert_eq!(told, json!(["1", []]));
    // A page as a blob, in a frame.
    browser.open(&portal.page("/blob", format!("{listen}<iframe></iframe>")));
    let page = framed(&service).replace("&quot;", "\"");
    let blob = format!("frames[0].frameElement.src = URL.createObjectURL(new Blob([{}], {{ type: 'text/html' }})); return 1", json!(page));
    browser.run(&blob);
    let told = eventually("the blob is filled", || Some(browser.run("return told[0]")).filter(|told| !told.is_null()));
    assert_eq!(told, json!(["2", []]));
    assert_eq!(browser.messages(), []);
    assert_eq!(service.site("portal")[0], 2);
    assert_eq!(articles(&place, service), [""; 0]);
}

#[test]
fn a_copy_for_printing_counts_nothing() {
    let (place, portal, service, browser) = start();
    let page = portal.page("/tin/in", format!("{WATCH}{}<p id=own data-truycap=article.total>–</p>", service.tag("")));
    let copies = [
        "const copy = open(''); copy.document.write(document.documentElement.outerHTML); copy.document.close();",
        "const copy = open('about:blank', 'print'); copy.document.open(); copy.document.write(document.documentElement.outerHTML); copy.document.close();",
        "const frame = document.createElement('iframe'); document.body.append(frame); const copy = frame.contentWindow;
            copy.document.write(document.documentElement.outerHTML); copy.document.close();",
        "const copy = open(''); copy.document.documentElement.innerHTML = document.documentElement.innerHTML;
            for (const old of copy.document.querySelectorAll('script')) { const tag = copy.document.createElement('script');
                for (const { name, value } of old.attributes) tag.setAttribute(name, value); tag.text = old.text; old.replaceWith(tag) }",
    ];
    for (views, copy) in (1..).zip(copies) {
        browser.open(&page);
        browser.shows("#own", &views.to_string());
        // The copy tells when its script has run; the figures of the page are those of the copy.
        let state = browser.run(&format!(
            "{copy} return new Promise((done) => {{ const tag = copy.document.querySelector('script[src]'); tag.onload = () => done(copy.document.querySelector('#own').textContent) }})"
        ));
        assert_eq!(state, json!(views.to_string()), "{copy}");
        assert_eq!(browser.run("return seen"), json!([]));
        assert_eq!(browser.messages(), [], "{copy}");
    }
    // Pages in frames and in windows that scripts open are views, which are counted after all copies.
    portal.page("/cuoi", format!("{}<p id=own data-truycap=total>–</p>", service.tag("")));
    for (views, window) in [
        (5, "document.body.append(document.createElement('iframe')); frames[0].location = '/cuoi'; window.other = frames[0]"),
        (6, "window.other = open('/cuoi', '', 'popup')"),
        (7, "window.other = open('about:blank'); other.location = '/cuoi'"),
    ] {
        browser.open(&portal.page("/khung", ""));
        browser.run(window);
        let own = "const own = other.document.querySelector('#own'); return own && own.textContent";
        eventually(window, || (browser.run(own) == json!(views.to_string())).then_some(()));
    }
    assert_eq!((service.article("portal", "/tin/in")[0], service.site("portal")[0]), (4, 7));
    let mut counted = articles(&place, service);
    counted.sort();
    assert_eq!(counted, ["/cuoi", "/tin/in"]);
}

#[test]
fn a_page_without_an_origin_is_refused_with_a_reason() {
    let (place, portal, service, browser) = start();
    // A sandboxed frame.
    let listen = "<script>window.told = []; onmessage = ({ data }) => { told.push(data) }</script>";
    browser.open(&portal.page("/sandbox", format!("{listen}<iframe sandbox=allow-scripts srcdoc=\"{}\"></iframe>", framed(&service))));
    let told = eventually("the frame warns", || Some(browser.run("return told[0]")).filter(|told| !told.is_null()));
    assert!(told[1][0].as_str().unwrap().starts_with("truycap: "), "{told}");
    // A file.
    let text = format!("{WATCH}{}<p data-truycap=total>–</p>", service.tag(""));
    browser.open(&format!("file://{}", place.write("page.html", text)));
    browser.wait_for_message("truycap: ");
    assert_eq!(browser.text("p"), "–");
    assert_eq!(browser.run("return seen"), json!([]));
    assert_eq!(service.site("portal")[0], 0);
}
