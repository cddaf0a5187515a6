//! The script fills in a page of another origin, whose policy allows nothing but the service.

use serde_json::json;

use crate::{
    driver::Browser,
    pages::Portal,
    process::{Place, eventually},
};

/// The number of the script's requests for views, figures and lists.
const REQUESTS: &str = "return ['views', 'figures', 'top'].map((name) => performance.getEntriesByType('resource')
    .filter((entry) => new URL(entry.name).pathname.endsWith('/' + name)).length)";

const FIGURES: &str = "<p id=plain data-truycap=total>–</p><p id=padded data-truycap=total data-digits=11>–</p>
    <p id=own data-truycap=article.total>–</p><p id=unknown data-truycap=no.such>–</p>";

#[test]
fn a_page_is_filled_with_one_request_and_one_more_for_the_articles_that_it_lists() {
    let portal = Portal::start();
    let place = Place::new();
    let past = "site,article,period,views\nportal,,,6341529\nportal,,2019,1965615\nportal,/tin/2,,1233\nportal,/tin/ba thứ,,7\n";
    place.ok(&["import", &place.write("past.csv", past)]);
    let service = portal.service(&place);
    let server = service.origin();
    let head = |lang: &str| {
        let link = "<link rel=canonical href='https://elsewhere.example/tin/m%E1%BB%99t/index.html?x=1#y'>";
        let style = format!("<link rel=stylesheet href={server}/widget.css>");
        format!("<!DOCTYPE html><html lang='{lang}'><head>{}{style}{link}</head><body>", service.tag(""))
    };
    let browser = Browser::start();

    browser.open(&portal.strict_page("/a", &server, head("vi-VN") + FIGURES));
    browser.shows("#own", "1");
    assert_eq!(browser.text("#plain"), "8.307.145");
    assert_eq!(browser.text("#padded"), "00008307145");
    assert_eq!(browser.run("return document.querySelector('#padded [aria-hidden=true]').textContent"), "0000");
    assert_eq!(browser.text("#unknown"), "–");
    assert_eq!(service.article("portal", "/tin/một")[0], 1);
    assert_eq!(browser.run(REQUESTS), json!([1, 0, 0]));

    // An invalid language is ignored.
    browser.open(&portal.strict_page("/a", &server, head("{lang}") + FIGURES));
    browser.shows("#plain", "8.307.146");

    let lists = "<div data-truycap-box>–</div><ul><li><a href='/tin/2/?utm=x'></a><a href='/tin/2'> Tin <b>hai</b> </a>
        <i data-truycap=article.total data-article='/tin/2/'>–</i></li>
        <li><i data-truycap=article.total data-article='/tin/ba%20th%E1%BB%A9'>–</i></li>
        <li><i data-truycap=article.today data-article='/tin/m%E1%BB%99t'>–</i></li></ul>
        <ol data-truycap-top=total data-limit=2><li>–</li></ol><ol data-truycap-top=never><li>–</li></ol>
        <ol id=third data-truycap-top=today><li>–</li></ol>";
    browser.open(&portal.strict_page("/b", &server, head("en") + FIGURES + lists));
    // Lists come from the store, to which this view may not be applied yet.
    eventually("the third list is filled", || browser.text("#third").starts_with("/tin/một ").then_some(()));
    assert_eq!(browser.text("#plain"), "8,307,147");
    let filled = browser.run("return [...document.querySelectorAll('ul i')].map((i) => i.textContent)");
    assert_eq!(filled, json!(["1,233", "7", "3"]));
    let top = "return [...document.querySelectorAll('ol')].slice(0, 2).map((list) => [...list.children].map((row) => row.textContent))";
    assert_eq!(browser.run(top), json!([["Tin hai 1,233", "/tin/ba thứ 7"], ["–"]]));
    let links = "return [...document.querySelectorAll('ol a')].map((link) => link.href)";
    let at = |path: &str| format!("{}{path}", portal.origin);
    assert_eq!(browser.run(links), json!([at("/tin/2"), at("/tin/ba%20th%E1%BB%A9"), at("/tin/m%E1%BB%99t")]));
    eventually("one request for the articles and one for each list", || (browser.run(REQUESTS) == json!([1, 1, 3])).then_some(()));
    // The box has a heading, the total as text for screen readers and as digits, and eight periods.
    assert_eq!(browser.text("section.truycap-box[lang=en] > h2"), "Visitor statistics");
    assert_eq!(browser.text(".truycap-said"), "Total views: 8,307,147");
    assert_eq!(browser.text(".truycap-digits[aria-hidden=true]"), "00008307147");
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('.truycap-digits')).display"), "flex");
    let rows = "return [...document.querySelectorAll('dl > div')].map((row) => [...row.children].map((e) => e.textContent).join(' '))";
    assert_eq!(browser.run(rows)[0], "Today 3");
    assert_eq!(browser.run(rows)[7].as_str().unwrap().split(' ').next(), Some("Last"));
    assert_eq!(browser.run(&format!("{rows}.length")), 8);

    // `fill` fills in elements that are added later, and counts nothing.
    let later = "const later = document.body.appendChild(document.createElement('p'));
        Object.assign(later, { id: 'later' });
        Object.assign(later.dataset, { truycap: 'article.total', article: '/tin/2' });
        return truycap.fill()";
    browser.run(later);
    browser.shows("#later", "1,233");
    assert_eq!(service.site("portal")[0], 8_307_147);
    // Nothing violated the page's policy; only the unknown figure and the list with an invalid period cause messages.
    let mut messages = browser.messages();
    messages.retain(|(_, text)| !text.contains("truycap: no figure \\\"no.such\\\"") && !text.contains("truycap: period is not one of"));
    assert!(messages.iter().all(|(_, text)| text.contains("period=never")), "{messages:?}");
}

#[test]
fn an_article_has_one_id_in_every_form_of_its_address() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    let long = format!("/{}", "x".repeat(256));
    let cases = [
        ("/", "", Some("/")),
        ("/index.html", "", Some("/")),
        ("/tin/a/", "", Some("/tin/a")),
        ("/tin/b/index.html", "", Some("/tin/b")),
        ("/tin/%C3%A0", "", Some("/tin/à")),
        ("/tin/a%CC%80", "", Some("/tin/à")),
        ("/tin/%E9", "", Some("/tin/%E9")),
        ("/tin/c", "data-article='/tin/c%20c/'", Some("/tin/c c")),
        ("/tin/d", "data-article='50%'", Some("50%")),
        ("/tin/e", "data-article=none", None),
        ("/tin/f%0A", "", None),
        (&long, "", None),
    ];
    let mut views = 0;
    for (path, more, article) in &cases {
        portal.page(path, service.tag(more) + FIGURES);
        browser.open(&format!("{}{path}?x=1#y", portal.origin));
        views += 1;
        browser.shows("#plain", &views.to_string());
        // Script and service agree on the id of the article, so its figure is filled in.
        assert_eq!(browser.text("#own") == "–", article.is_none(), "{path}");
    }
    assert_eq!(service.site("portal")[0], 12);
    service.stop();
    let counted = place.ok(&["export"]);
    for (_, _, article) in cases {
        let Some(article) = article else { continue };
        let views = if article == "/" || article == "/tin/à" { 2 } else { 1 };
        assert!(counted.contains(&format!("portal,{article},total,{views}\n")), "{article}: {counted}");
    }
    assert_eq!(counted.matches(",total,").count(), 1 + 7, "{counted}");
}
