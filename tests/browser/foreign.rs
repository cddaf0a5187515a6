//! Pages of another origin count nothing.

use crate::{driver::Browser, pages::Portal, process::Place};

#[test]
fn a_page_of_another_origin_counts_nothing() {
    let place = Place::new();
    place.ok(&["import", &place.write("past.csv", "site,article,period,views\nportal,,2019,7\n")]);
    let service = place.start();
    let before = place.ok(&["export"]);
    let portal = Portal::start();
    let page = portal.page("/", service.tag("") + "<p data-truycap='article.total'>–</p>");
    let browser = Browser::start();

    // The script itself: the service refuses the view, and the browser hides the answer from the script.
    browser.open(&page);
    browser.wait_for_message("has been blocked by CORS policy");
    browser.messages();
    assert_eq!(browser.text("[data-truycap='article.total']"), "–");
    // Requests that a browser sends without a preflight: the service refuses them, and the page cannot read the answer.
    let views = format!("{}/v1/sites/portal/views", service.origin());
    for (options, outcome) in [("", "TypeError"), ("mode: 'no-cors',", "opaque")] {
        let body = r#"'{"article":"/tin/1"}'"#;
        let script = format!("return fetch('{views}', {{ method: 'POST', {options} body: {body} }}).then((r) => r.type, (e) => e.name)");
        assert_eq!(browser.run(&script), outcome);
    }
    browser.wait_for_message("status of 403");
    assert_eq!(browser.run(&format!("return navigator.sendBeacon('{views}', '{{}}')")), true);
    browser.wait_for_message("status of 403");

    // After the process has ended, all accepted views are in the store.
    service.stop();
    assert_eq!(place.ok(&["export"]), before);
}
