//! Places that come after the answer, or that the page changes.

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    counting::counted,
    driver::Browser,
    pages::Portal,
    process::{Place, eventually},
};

const SITE: &str = "<p id=site data-truycap=total>–</p>";

#[test]
fn articles_that_a_page_adds_as_the_reader_scrolls_are_filled() {
    let (portal, place) = (Portal::start(), Place::new());
    let mut past = "site,article,period,views\n".to_owned();
    for n in 1..=500 {
        writeln!(past, "portal,/tin/{n},,{n}").unwrap();
    }
    place.ok(&["import", &place.write("past.csv", past)]);
    let service = portal.service(&place);
    let articles: Vec<_> = (1..=500).map(|n| format!("/tin/{n}")).collect();
    articles.chunks(50).for_each(|part| service.knows(part));
    let browser = Browser::start();
    let add = "<main></main><script>
        let n = 0;
        const add = (count) => {
          for (const end = n + count; n < end;) document.querySelector('main').insertAdjacentHTML('beforeend',
            `<p><a href=/tin/${++n}>${n}</a> <i id=n${n} data-truycap=article.total data-article=/tin/${n}>–</i></p>`);
        };
        add(20);
    </script>";
    browser.open(&portal.page("/", service.tag("data-article=none") + SITE + add));
    browser.shows("#n20", "20");
    for last in (50..=500).step_by(30) {
        browser.run("add(30); return 1");
        browser.shows(&format!("#n{last}"), &last.to_string());
    }
    let filled = "return [...document.querySelectorAll('i')].every((place, n) => place.textContent == n + 1)";
    eventually("all are filled", || (browser.run(filled) == true).then_some(()));
    let requests = "return performance.getEntriesByType('resource').filter((entry) => entry.name.includes('/figures?')).length";
    assert_eq!(browser.run(requests), 17);
    counted(&service, "/tin/1", 1, 1);
    assert_eq!(browser.messages(), []);
}

#[test]
fn tabs_are_filled_each_time_they_are_shown() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    let browser = Browser::start();
    let tabs = "<div id=tab></div><script>
        const tabs = {
          figures: '<b data-truycap=total>–</b><b data-truycap=article.total>–</b><b data-truycap=article.total data-article=/tin/2>–</b>',
          box: '<div data-truycap-box><b>–</b></div>', list: '<ol data-truycap-top=total><li><b>–</b></li></ol>' };
        const show = (tab) => { document.querySelector('#tab').innerHTML = tabs[tab] };
    </script>";
    browser.open(&portal.page("/tin/1", service.tag("") + SITE + tabs));
    browser.shows("#site", "1");
    // Lists come from the store, to which this view may not be applied yet.
    eventually("the store has the view", || service.get("/v1/sites/portal/top?period=total").body.contains("/tin/1").then_some(()));
    for _ in 0..2 {
        browser.run("show('figures'); return 1");
        browser.shows("#tab b:last-child", "0");
        assert_eq!(browser.text("#tab"), "110");
        browser.run("show('box'); return 1");
        browser.shows(".truycap-digits", "00000000001");
        browser.run("show('list'); return 1");
        browser.shows("#tab .truycap-views", "1");
    }
    counted(&service, "/tin/1", 1, 1);
    assert_eq!(browser.messages(), []);
}

#[test]
fn content_that_comes_after_its_address_is_filled() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    let browser = Browser::start();
    browser.open(&portal.page("/", service.tag("") + SITE + "<main></main>"));
    browser.shows("#site", "1");
    browser.run("history.pushState(0, '', '/tin/1'); return 1");
    browser.shows("#site", "2");
    browser.run("document.querySelector('main').innerHTML = '<b id=own data-truycap=article.total>–</b>'; return 1");
    browser.shows("#own", "1");
    // A framework keeps an element and changes what it shows.
    browser.run("document.querySelector('#own').dataset.article = '/'; return 1");
    browser.run("document.querySelector('#site').dataset.truycap = 'yesterday'; return 1");
    browser.shows("#site", "0");
    browser.run("document.querySelector('#own').dataset.article = '/tin/2'; return 1");
    browser.shows("#own", "0");
    counted(&service, "/tin/1", 1, 2);
    assert_eq!(browser.messages(), []);
}

#[test]
fn a_component_that_resets_its_place_all_the_time_keeps_its_figure_and_the_page_its_speed() {
    let (portal, place) = (Portal::start(), Place::new());
    place.ok(&["import", &place.write("past.csv", "site,article,period,views\nportal,/tin/9,,7\n")]);
    let service = portal.service(&place);
    let browser = Browser::start();
    let again = "<p id=again data-truycap=total>–</p><div id=both></div><script>
        const again = document.querySelector('#again');
        let resets = 0, fills = 0;
        new MutationObserver(() => { if (again.textContent != '–') fills++ }).observe(again, { childList: true, characterData: true, subtree: true });
        const timer = setInterval(() => {
          again.textContent = '–';
          document.querySelector('#both').innerHTML = '<ol data-truycap-top=total></ol><i data-truycap=article.total data-article=/tin/9>–</i>';
          resets++;
        }, 50);
    </script>";
    browser.open(&portal.page("/", service.tag("") + SITE + again));
    browser.shows("#site", "1");
    eventually("the component has rendered often", || browser.run("return resets >= 40").as_bool().filter(|is| *is));
    let seen = browser.run("clearInterval(timer); return [fills, resets]");
    assert!(seen[0].as_u64() > Some(0) && seen[0].as_u64() <= seen[1].as_u64(), "fills and resets: {seen}");
    browser.shows("#again", "1");
    browser.shows("#both i", "7");
    browser.shows("#both .truycap-views", "7");
    // What is known is not asked for again.
    let requests = "return ['views', 'figures', 'top'].map((name) => performance.getEntriesByType('resource')
        .filter((entry) => new URL(entry.name).pathname.endsWith('/' + name)).length)";
    assert_eq!(browser.run(requests), json!([1, 1, 1]));
    assert_eq!(browser.messages(), []);
}

#[test]
fn a_filled_text_that_is_translated_is_left_alone() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    let browser = Browser::start();
    let box_place = "<div id=box data-truycap-box></div>";
    browser.open(&portal.page("/", service.tag("") + SITE + box_place + "<p id=later></p>"));
    browser.shows("#site", "1");
    browser.shows("#box h2", "Thống kê truy cập");
    // A translator puts its text into elements of its own, and again whenever it changes.
    browser.run(
        "const translate = (place, text) => {
           const now = () => place.textContent == text || place.replaceChildren(
             Object.assign(document.createElement('font'), { innerHTML: '<font>' + text + '</font>' }));
           now();
           window.changes = 0;
           new MutationObserver(() => { changes++; now() }).observe(place, { childList: true, characterData: true, subtree: true });
         };
         window.changes = 0;
         translate(document.querySelector('#site'), 'one');
         window.changes = 0;
         translate(document.querySelector('#box h2'), 'Visitors');
         return 1",
    );
    browser.run("document.querySelector('#later').dataset.truycap = 'total'; return 1");
    browser.shows("#later", "1");
    assert_eq!(browser.text("#site"), "one");
    assert_eq!(browser.text("#box h2"), "Visitors");
    assert_eq!(browser.run("return changes"), 0);
    assert_eq!(browser.messages(), []);
}
