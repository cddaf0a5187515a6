//! The console says what a web master can change: each sentence once, and nothing if all is well.

use serde_json::json;

use crate::{
    driver::Browser,
    harmless::PLACES,
    pages::{Portal, Reply},
    process::{Place, eventually},
};

/// Keeps the warnings of the page in `warned`.
const LISTEN: &str = "<script>window.warned = [];
    for (const level of ['debug', 'log', 'info', 'warn', 'error']) {
        const real = console[level];
        console[level] = (...all) => { warned.push(level + ' ' + all.join()); real.apply(console, all) };
    }</script>";

const FIGURES: &str = "total,today,yesterday,this_week,last_week,this_month,last_month,this_year,last_year";

/// Opens a page; checks that its console gets these warnings, in any order, and nothing more when the page asks again.
fn says(browser: &Browser, url: &str, expected: &[String]) {
    browser.open(url);
    let warned = || {
        let mut warned: Vec<String> = serde_json::from_value(browser.run("return [...warned]")).unwrap();
        warned.sort();
        warned
    };
    let mut all: Vec<_> = expected.iter().map(|text| format!("warn truycap: {text}")).collect();
    all.sort();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while warned() != all {
        assert!(std::time::Instant::now() < deadline, "{url}\n{:#?}\n{all:#?}", warned());
    }
    browser
        .run("document.body.append(...[...document.querySelectorAll('[data-truycap]')].map((place) => place.cloneNode(true))); return 1");
    browser.run("return window.truycap && truycap.fill && truycap.fill()");
    // The observer has seen the new places.
    browser.run("return new Promise((done) => setTimeout(done, 250))");
    browser.run("return window.truycap && truycap.fill && truycap.fill()");
    assert_eq!(warned(), all, "{url}");
    let texts: Vec<_> = browser.messages().into_iter().filter(|(_, text)| text.contains("truycap: ")).collect();
    assert_eq!(texts.len(), expected.len(), "{texts:?}");
    assert!(texts.iter().all(|(level, _)| level == "WARNING"), "{texts:?}");
}

#[test]
fn the_console_says_what_is_wrong_with_the_tag_or_a_place() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    let server = service.origin();
    let browser = Browser::start();
    let no_site = "the script tag has no data-site".to_owned();
    let long = format!("/{}", "đ".repeat(128));
    let too_long = "an id has up to 256 bytes, no control characters: ";
    let tag = service.tag("");
    let cases: Vec<(&str, String, Vec<String>)> = vec![
        ("well", format!("{tag}{PLACES}"), vec![]),
        ("without data-site", format!("<script async src={server}/counter.js></script>"), vec![no_site.clone()]),
        ("empty data-site", format!("<script async src={server}/counter.js data-site=''></script>"), vec![no_site.clone()]),
        ("module without data-site", format!("<script type=module src={server}/counter.js></script>"), vec![no_site.clone()]),
        (
            "injected without attributes",
            format!("<script>document.head.appendChild(document.createElement('script')).src = '{server}/counter.js'</script>"),
            vec![no_site.clone()],
        ),
        (
            "inline without data-host",
            format!("<script data-site=portal>{}</script>", service.get("/counter.js").body),
            vec!["the script tag has no data-host".into()],
        ),
        (
            "unknown site",
            tag.replace("portal", "portl"),
            vec!["there is no site portl: data-site must be the id of a site in the configuration".into()],
        ),
        (
            "unknown figures",
            format!(
                "{tag}<p data-truycap=toatl></p><p data-truycap=toatl></p><p data-truycap=article.todya></p><p data-truycap=article></p>"
            ),
            ["toatl", "article.todya", "article"].map(|name| format!("no figure \"{name}\", only {FIGURES}")).to_vec(),
        ),
        ("unknown period", format!("{tag}<ol data-truycap-top=week></ol><ol data-truycap-top=week data-limit=5></ol>"), vec![]),
        (
            "long article",
            service.tag(&format!("data-article='{long}'")) + "<p data-truycap=article.total></p>",
            vec![format!("{too_long}{}", &long.chars().take(99).collect::<String>())],
        ),
        ("control character", format!("{tag}<p data-truycap=article.total data-article='a&#10;b'></p>"), vec![format!("{too_long}a\nb")]),
        ("as long as can be", service.tag(&format!("data-article='{}'", "đ".repeat(128))) + "<p data-truycap=article.total></p>", vec![]),
    ];
    for (name, body, mut texts) in cases {
        println!("{name}");
        if name == "unknown period" {
            let answer = service.get("/v1/sites/portal/top?period=week").json();
            texts.push(answer["detail"].as_str().unwrap().to_owned());
        }
        let url = portal.page(&format!("/{}", name.replace(' ', "-")), format!("<!DOCTYPE html><html lang=vi>{LISTEN}<body>{body}"));
        says(&browser, &url, &texts);
    }
}

#[test]
fn the_console_names_the_origin_that_the_service_refuses() {
    let place = Place::new();
    let service = place.start();
    let portal = Portal::start();
    let browser = Browser::start();
    let url = portal.page("/page", format!("<!DOCTYPE html><html lang=vi>{LISTEN}<body>{}<p data-truycap=total>–</p>", service.tag("")));
    browser.open(&url);
    eventually("the console warns", || (browser.run("return warned.length") == 1).then_some(()));
    let text = format!("warn truycap: the site portal does not accept views from {}: add it to the site's origins", portal.origin);
    assert_eq!(browser.run("return warned"), json!([text]));
    assert!(!browser.messages().iter().any(|(_, text)| text.contains("CORS")));
}

#[test]
fn the_console_says_that_the_service_does_not_answer_or_why_it_fails() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    portal.show_files(&service, "");
    let browser = Browser::start();
    let page = portal.page(
        "/page",
        format!("<!DOCTYPE html><html lang=vi>{LISTEN}<body><script async src=/counter.js data-site=portal></script>{PLACES}"),
    );
    let silent = format!("no answer from {}/", portal.origin);
    let problem = |status, text: &str| Reply::Text(status, "Content-Type: application/problem+json".into(), text.into());
    let replies = [
        (Reply::Nothing, &*silent),
        (problem("503 Service Unavailable", r#"{"status":503,"detail":"the journal is full"}"#), "the journal is full"),
        (problem("502 Bad Gateway", "{}"), &silent),
        (Reply::Text("502 Bad Gateway", "Content-Type: text/html".into(), "<h1>Bad Gateway</h1>".into()), &silent),
        (Reply::Text("200 OK", "Content-Type: text/html".into(), "<h1>Bảo trì</h1>".into()), &silent),
    ];
    for (reply, text) in replies {
        println!("{text}");
        portal.otherwise(reply);
        says(&browser, &page, &[text.to_owned()]);
    }
    // The view fails at once if the page's policy forbids it.
    let policy = "Content-Type: text/html; charset=utf-8\r\nContent-Security-Policy: connect-src 'none'";
    let page = format!("<!DOCTYPE html><html lang=vi>{LISTEN}<body><script async src=/counter.js data-site=portal></script>");
    says(&browser, &portal.at("/csp", Reply::Text("200 OK", policy.into(), page)), &[silent]);
}
