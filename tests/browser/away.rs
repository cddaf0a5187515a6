//! The service is away: the page stays as it was.

use crate::{
    driver::Browser,
    pages::{Otherwise, demo, serve, service},
    process::{Place, eventually},
};

/// Whether the page has got its answer, or has heard that there is none.
const ANSWERED: &str = "return performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/views'))";

/// Whether the page is what its server sent.
const AS_SENT: &str = "
    const request = new XMLHttpRequest();
    request.open('GET', location.href, false);
    request.send();
    const sent = new DOMParser().parseFromString(request.responseText, 'text/html');
    return sent.body.innerHTML.trim() === document.body.innerHTML.trim()";

#[test]
fn without_the_service_a_page_stays_as_it_was() {
    let place = Place::new();
    let service = service(&place);
    let origin = service.origin();
    let pages = demo(&service);
    let browser = Browser::start();

    // The comparison itself: a page that is filled is not what was sent.
    browser.open(&service.article_page());
    browser.shows("[data-truycap='article.total']", "1");
    assert_eq!(browser.run("document.querySelector('h1').textContent = ''; return 1"), 1);
    assert_eq!(browser.run(AS_SENT), false);
    service.process.kill();

    // What the console says besides; where the answer is right, there is nothing to say.
    let cases = [
        (Otherwise::Nothing, Some(r#""truycap:" TypeError: Failed to fetch"#)),
        (Otherwise::Unavailable, Some("status of 503")),
        (Otherwise::Rubbish, Some(r#""truycap:" SyntaxError"#)),
        (Otherwise::Unknown, None),
    ];
    for (otherwise, sign) in cases {
        browser.open(&serve(pages.clone(), otherwise));
        eventually("the end of the request", || (browser.run(ANSWERED) == true).then_some(()));
        if let Some(sign) = sign {
            browser.says(sign);
        }
        assert_eq!(browser.run(AS_SENT), true, "{sign:?}");
        assert_eq!(browser.text("[data-truycap='article.total']"), "–");
    }

    // The script itself stands on the service that is away.
    let mut pages = pages;
    pages[0].2 = pages[0].2.replace("/counter.js", &format!("{origin}/counter.js"));
    browser.open(&serve(pages, Otherwise::Nothing));
    browser.says("/counter.js");
    assert_eq!(browser.run(AS_SENT), true);
}
