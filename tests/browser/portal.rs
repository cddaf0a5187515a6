//! The demo portal: home page, articles and most-read list.

use serde_json::json;

use crate::{
    driver::{Browser, Scripts},
    pages::ARTICLE,
    process::{Place, Service, eventually},
};

const LIBRARY: &str = "/tin/thu-vien-mo-cua-buoi-toi";

/// The demo portal with imported views, whose figures the service knows.
fn portal(place: &Place) -> Service {
    let past = format!("site,article,period,views\nportal,,,8307144\nportal,{ARTICLE},,1234\nportal,{LIBRARY},,99\n");
    place.ok(&["import", &place.write("past.csv", past)]);
    let service = place.start();
    for article in [ARTICLE, LIBRARY] {
        service.article("portal", article);
    }
    service
}

/// The selector of the views beside the link to an article.
fn beside(article: &str) -> String {
    format!("[data-truycap='article.total'][data-article='{article}']")
}

#[test]
fn the_home_page_shows_the_views_of_its_articles_and_is_not_counted_as_one() {
    let place = Place::new();
    let service = portal(&place);
    let browser = Browser::start();
    browser.open(&service.origin());
    browser.shows(&beside(ARTICLE), "1.234");
    browser.shows(&beside(LIBRARY), "99");
    browser.shows("[data-truycap-box] .truycap-digits", "00008307145");
    assert_eq!(service.site("portal")[0], 8_307_145);
    assert!(!place.ok(&["export"]).contains("portal,/,"), "the home page was counted as an article");
    assert_eq!(browser.messages(), []);
}

#[test]
fn an_article_is_counted_under_its_path_and_shows_the_views_of_others() {
    let place = Place::new();
    let service = portal(&place);
    let browser = Browser::start();
    browser.open(&format!("{}{ARTICLE}?utm_source=x", service.origin()));
    browser.shows("article .facts [data-truycap]", "1.235");
    browser.shows(&beside(LIBRARY), "99");
    // By the link, as a visitor does.
    browser.run(&format!("document.querySelector('a[href={LIBRARY:?}]').click()"));
    browser.shows("h1", "Thư viện tỉnh mở cửa cả buổi tối cuối tuần");
    browser.shows("article .facts [data-truycap]", "100");
    browser.shows(&beside(ARTICLE), "1.235");
    assert_eq!((service.article("portal", ARTICLE)[0], service.article("portal", LIBRARY)[0]), (1235, 100));
    assert_eq!(browser.messages(), []);
}

#[test]
fn the_most_read_list_shows_titles_and_switches_periods() {
    let place = Place::new();
    // The month has views that belong to none of its days, so its order differs from that of the week.
    let month = chrono::Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh).format("%Y-%m");
    place.ok(&["import", &place.write("month.csv", format!("site,article,period,views\nportal,{ARTICLE},{month},50\n"))]);
    let service = portal(&place);
    for article in [LIBRARY, ARTICLE, LIBRARY] {
        service.count("portal", article);
    }
    let stored = || place.ok(&["export"]).lines().any(|row| row.contains(LIBRARY) && row.ends_with(",2"));
    eventually("the views in the store", || stored().then_some(()));
    let browser = Browser::start();
    browser.open(&service.origin());
    let (library, boats) = ("Thư viện tỉnh mở cửa cả buổi tối cuối tuần", "Rộn ràng hội đua thuyền trên sông Mẫu");
    browser.shows(".most-read > :first-child", &format!("{library} 2"));
    let titles = "return [...document.querySelectorAll('.most-read li a')].map((link) => [link.textContent, link.pathname])";
    assert_eq!(browser.run(titles), json!([[library, LIBRARY], [boats, ARTICLE]]));
    for (period, first) in [("this_month", format!("{boats} 51")), ("today", format!("{library} 2")), ("this_month", format!("{boats} 51"))]
    {
        browser.run(&format!("document.querySelector('.periods [value={period}]').click()"));
        assert_eq!(browser.run("return document.querySelector('.periods [aria-pressed=true]').value"), period);
        browser.shows(".most-read > :first-child", &first);
    }
    // Opening the page counts one view; switching periods counts none.
    assert_eq!(service.site("portal")[0], 8_307_144 + 4);
    assert_eq!(browser.messages(), []);
}

#[test]
fn no_page_is_wider_than_a_phone() {
    let place = Place::new();
    let service = portal(&place);
    let browser = Browser::start();
    for path in ["/", ARTICLE, LIBRARY] {
        // A document without styles.
        browser.open(&format!("{}/widget.css", service.origin()));
        let narrow = format!(
            "document.body.innerHTML = '<iframe src={path:?} width=320 height=700></iframe>';
             const frame = document.querySelector('iframe');
             return new Promise((done) => frame.addEventListener('load', done))
                 .then(() => frame.contentDocument.documentElement)
                 .then(({{ scrollWidth, clientWidth }}) => clientWidth > 290 && scrollWidth - clientWidth)"
        );
        assert_eq!(browser.run(&narrow), 0, "{path} is too wide by this many pixels");
    }
}

#[test]
fn without_scripts_an_article_shows_its_box_in_a_frame_and_its_views_in_an_image() {
    let place = Place::new();
    let service = portal(&place);
    let browser = Browser::with(Scripts::Off);
    browser.open(&format!("{}{ARTICLE}", service.origin()));
    eventually("the view is counted", || (service.article("portal", ARTICLE)[0] == 1235).then_some(()));
    let seen = "return [...document.querySelectorAll('noscript iframe, noscript img')].filter((one) => one.offsetHeight > 1).length";
    assert_eq!(browser.run(seen), 2);
    assert_eq!(browser.run("return document.querySelector('[data-truycap-box]').offsetHeight"), 0);
    let in_frame = "return document.querySelector('iframe').contentDocument.querySelector('.truycap-said')?.textContent ?? ''";
    eventually("the box is shown", || browser.run(in_frame).as_str().unwrap().starts_with("Tổng số lượt xem: 8.307.14").then_some(()));
    assert_eq!(browser.messages(), []);
}
