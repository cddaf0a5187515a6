//! The main promises hold in Firefox too.

use serde_json::json;

use crate::{counting::counted, driver::Browser, pages::Portal, process::Place};

/// What a page's own code sees of errors and warnings.
const SAID: &str = "<script>var said = []; console.warn = console.error = (text) => said.push(text);
    onerror = (text) => said.push(text); onunhandledrejection = (event) => said.push(`${event.reason}`)</script>";

#[test]
fn firefox_counts_each_display_once_and_fills_figures_box_and_list() {
    let portal = Portal::start();
    let place = Place::new();
    let past = "site,article,period,views\nportal,,,1233\nportal,/tin/2,,99\n";
    place.ok(&["import", &place.write("past.csv", past)]);
    let service = portal.service(&place);
    let parts = "<p id=own data-truycap=article.total>–</p><p id=padded data-truycap=total data-digits=11>–</p>
        <a href=/tin/2>Tin hai</a> <i data-truycap=article.total data-article=/tin/2>–</i>
        <div data-truycap-box></div><ol data-truycap-top=total data-limit=1><li>–</li></ol>";
    let page = portal.page("/tin/1", format!("<!DOCTYPE html><html lang=vi>{SAID}{}{parts}", service.tag("")));
    let other = portal.page("/tin/3", format!("<!DOCTYPE html>{SAID}{}<p id=own data-truycap=article.total>–</p>", service.tag("")));
    let browser = Browser::firefox();
    browser.open(&page);
    browser.shows("#own", "1");
    browser.shows("#padded", "00000001234");
    browser.shows("i", "99");
    browser.shows(".truycap-box .truycap-digits", "00000001234");
    browser.shows("ol", "Tin hai 99");
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('.truycap-digits')).display != 'inline'"), true);
    counted(&service, "/tin/1", 1, 1234);
    browser.reload();
    counted(&service, "/tin/1", 2, 1235);
    browser.shows("#own", "2");
    assert_eq!(browser.run("return said"), json!([]));
    browser.open(&other);
    browser.shows("#own", "1");
    assert_eq!(browser.run("return said"), json!([]));
    // From the back/forward cache or not.
    browser.back();
    counted(&service, "/tin/1", 3, 1237);
    browser.shows("#own", "3");
}

#[test]
fn firefox_counts_each_page_that_a_router_shows() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let tag = service.tag("");
    let browser = Browser::firefox();
    let show = |path: &str| {
        // As a router does: several changes of the address in one task, then the content.
        let content = format!("`<h1>{path}</h1><p id=own data-truycap=article.total>–</p>`");
        browser.run(&format!(
            "history.pushState(null, '', '/soon'); history.replaceState(null, '', '{path}');
             document.querySelector('main').innerHTML = {content}; return 1"
        ));
    };
    // The second page comes from an older Firefox, which has no navigation API.
    for (start, globals, before) in [("/new", "", 0), ("/old", "<script>var navigation = {}</script>", 4)] {
        let page = format!("<!DOCTYPE html>{globals}{SAID}{tag}<main><p id=own data-truycap=article.total>–</p></main>");
        browser.open(&portal.page(start, page));
        browser.shows("#own", "1");
        for (path, all) in [("/tin/1", before + 2), ("/tin/2", before + 3)] {
            let path = format!("{start}{path}");
            show(&path);
            browser.shows("#own", "1");
            counted(&service, &path, 1, all);
        }
        browser.back();
        counted(&service, &format!("{start}/tin/1"), 2, before + 4);
        assert_eq!(service.article("portal", "/soon")[0], 0);
        assert_eq!(browser.run("return said"), json!([]));
    }
}
