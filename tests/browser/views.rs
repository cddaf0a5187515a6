//! Views of an article are counted and shown.

use crate::{
    driver::{Browser, Scripts},
    pages::{ARTICLE, service},
    process::{Place, eventually},
};

const TODAY: &str = "[data-truycap-box] dl > :nth-child(1) dd";
const VIEWS_OF_ARTICLE: &str = "[data-truycap='article.total']";

#[test]
fn a_view_is_counted_and_shown_and_a_reload_is_another_view() {
    let place = Place::new();
    let service = service(&place);
    let browser = Browser::start();
    browser.open(&service.article_page());
    browser.shows(TODAY, "1");
    browser.shows(VIEWS_OF_ARTICLE, "1");
    browser.reload();
    browser.shows(TODAY, "2");
    browser.shows(VIEWS_OF_ARTICLE, "2");
    browser.open(&format!("{}?utm_source=x#noi-dung", service.article_page()));
    browser.shows(TODAY, "3");
    browser.shows("[data-truycap-box] .truycap-digits", "00000000003");
    browser.shows("[data-truycap='total']", "00000000003");
    let labels = browser.run("return [...document.querySelectorAll('[data-truycap-box] dt')].map((label) => label.textContent)");
    let expected = ["Hôm nay", "Hôm qua", "Tuần này", "Tuần trước", "Tháng này", "Tháng trước", "Năm nay", "Năm trước"];
    assert_eq!(labels, serde_json::json!(expected));
    assert_eq!(service.site("portal")[0], 3);
    assert_eq!(service.article("portal", ARTICLE)[0], 3);
    // The console has no error, neither from the page nor from its policy or requests.
    assert_eq!(browser.messages(), []);
}

#[test]
fn figures_are_formatted_for_vietnamese_readers() {
    let place = Place::new();
    let past = format!("site,article,period,views\nportal,,,8307144\nportal,{ARTICLE},,1234\n");
    place.ok(&["import", &place.write("past.csv", past)]);
    let service = service(&place);
    let browser = Browser::start();
    browser.open(&service.article_page());
    browser.shows(TODAY, "1");
    assert_eq!(browser.text("[data-truycap-box] .truycap-said"), "Tổng số lượt xem: 8.307.145");
    assert_eq!(browser.text("[data-truycap-box] .truycap-digits"), "00008307145");
    assert_eq!(browser.text("[data-truycap='total']"), "00008307145");
    assert_eq!(browser.text(VIEWS_OF_ARTICLE), "1.235");
    assert_eq!(browser.messages(), []);
}

#[test]
fn a_view_without_scripts_is_counted_and_the_page_stays_as_it_was() {
    let place = Place::new();
    let service = service(&place);
    let browser = Browser::with(Scripts::Off);
    browser.open(&service.article_page());
    eventually("the view is counted", || (service.site("portal")[0] > 0).then_some(()));
    browser.reload();
    eventually("the second view is counted", || (service.site("portal")[0] > 1).then_some(()));
    assert_eq!(service.article("portal", ARTICLE)[0], 2);
    assert_eq!(browser.text(VIEWS_OF_ARTICLE), "–");
}
