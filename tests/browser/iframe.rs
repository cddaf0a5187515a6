//! The box in a frame and the badge: on which pages they show, and how they look.

use crate::{
    driver::{Browser, Scripts},
    pages::{Portal, Reply},
    process::{Place, Service, eventually},
};

const PAST: &str = "site,article,period,views\nportal,,,8307145\nportal,/tin/1,,1234\n";

/// A service that already knows the figures of a portal.
fn counted(place: &Place) -> Service {
    place.ok(&["import", &place.write("past.csv", PAST)]);
    let service = place.start();
    service.article("portal", "/tin/1");
    service
}

fn frame(service: &Service) -> String {
    format!("<iframe src=\"{}/v1/sites/portal/box\" width=320 height=384></iframe>", service.origin())
}

#[test]
fn the_page_of_the_box_has_its_content_and_its_style() {
    let place = Place::new();
    let service = counted(&place);
    let browser = Browser::with(Scripts::Off);
    browser.open(&format!("{}/v1/sites/portal/box", service.origin()));
    assert_eq!(browser.text(".truycap-box h2"), "Thống kê truy cập");
    assert_eq!(browser.text(".truycap-said"), "Tổng số lượt xem: 8.307.145");
    assert_eq!(browser.text(".truycap-digits"), "00008307145");
    // Both style sheets are applied: the page has no margin, and the digits are laid out as cells.
    assert_eq!(browser.run("return getComputedStyle(document.body).margin"), "0px");
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('.truycap-digits')).display"), "flex");
    assert_eq!(browser.messages(), []);
    browser.open(&format!("{}/v1/sites/portal/box?lang=en", service.origin()));
    assert_eq!(browser.text(".truycap-said"), "Total views: 8,307,145");
    assert_eq!(service.site("portal")[0], 8_307_145);
}

/// The style sheet is the same, so the elements are, too. Only the level of the heading differs.
#[test]
fn the_page_of_the_box_has_the_elements_that_the_script_makes() {
    let portal = Portal::start();
    let place = Place::new();
    place.ok(&["import", &place.write("past.csv", PAST)]);
    let service = portal.service(&place);
    let elements = "const of = (element) => [element.localName, element.className, element.ariaHidden,
            ...[...element.childNodes].filter((node) => node.data === undefined || node.data.trim())
                .map((node) => node.data === undefined ? of(node) : node.data)];
        return of(document.querySelector('.truycap-box'))";
    let browser = Browser::start();
    for lang in ["vi", "en"] {
        for (query, attributes) in [
            ("", ""),
            ("&bare&rows=today+total&label_today=%3Cb%3E1%3C/b%3E", "data-bare data-rows='today, total' data-label-today='<b>1</b>'"),
            ("&rows=&digits=8&label_total=S", "data-rows data-digits=8 data-label-total=S"),
        ] {
            browser.open(&format!("{}/v1/sites/portal/box?lang={lang}{query}", service.origin()));
            let framed = browser.run(elements);
            // The page fills its box, but counts nothing.
            let tag = service.tag("data-manual onload='truycap.fill()'");
            browser.open(&portal.page("/", format!("<html lang={lang}>{tag}<div data-truycap-box {attributes}></div>")));
            browser.has(".truycap-box");
            assert_eq!(browser.run(elements), framed, "{lang} {query}");
        }
    }
}

/// The frame has the size that docs/embedding.md recommends.
#[test]
fn a_frame_shows_the_whole_box_on_pages_of_the_service() {
    let place = Place::new();
    let service = counted(&place);
    let browser = Browser::start();
    browser.open(&format!("{}/widget.css", service.origin()));
    let sizes = "
        const frame = document.createElement('iframe');
        Object.assign(frame, { src: '/v1/sites/portal/box', width: 320, height: 384 });
        document.body.append(frame);
        return new Promise((done) => frame.addEventListener('load', done)).then(() => {
            const { scrollWidth, scrollHeight } = frame.contentDocument.documentElement;
            return scrollWidth <= 320 && scrollHeight <= 384 && frame.contentDocument.querySelectorAll('dd').length;
        })";
    assert_eq!(browser.run(sizes), 8);
}

#[test]
fn a_frame_on_a_foreign_page_stays_empty() {
    let place = Place::new();
    let service = counted(&place);
    let page = Portal::start().page("/", frame(&service));
    let browser = Browser::start();
    browser.open(&page);
    browser.wait_for_message("frame-ancestors");
}

#[test]
fn a_frame_on_a_page_of_the_site_shows_the_box() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    // Its script cannot look into the frame, so the test checks that the console has no refusal.
    browser.open(&portal.page("/", frame(&service)));
    let refused: Vec<_> = browser.messages().into_iter().filter(|(_, message)| message.contains("frame-ancestors")).collect();
    assert_eq!(refused, []);
}

/// A frame knows what the reader's system prefers, and nothing of the page around it.
#[test]
fn a_frame_is_dark_only_if_its_address_says_so() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    let browser = Browser::start();
    let (light, dark) = ("rgb(255, 255, 255)", "rgb(24, 33, 43)");
    for (theme, system, background) in [
        ("", "dark", light),
        ("?theme=light", "dark", light),
        ("?theme=dark", "light", dark),
        ("?theme=auto", "light", light),
        ("?theme=auto", "dark", dark),
    ] {
        browser.look(400, system);
        browser.open(&portal.page("/", format!("<iframe src='{}/v1/sites/portal/box{theme}'></iframe>", service.origin())));
        browser.enter_frame();
        let shown = browser.run("return getComputedStyle(document.querySelector('.truycap-box')).backgroundColor");
        assert_eq!(shown, background, "{theme} {system}");
    }
}

/// Such a page shows only what allows it: the script, the picture that counts, the badge and the box.
#[test]
fn a_page_that_requires_cross_origin_policies_counts_and_shows_everything() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    let sites = format!("{}/v1/sites/portal", service.origin());
    let body = format!(
        "{}<p data-truycap=total>–</p><img src='{sites}/views.gif' id=gif><img src='{sites}/badge.svg' id=badge>{}",
        service.tag(""),
        frame(&service)
    );
    for policy in ["require-corp", "credentialless"] {
        let headers = format!("Content-Type: text/html; charset=utf-8\r\nCross-Origin-Embedder-Policy: {policy}");
        let browser = Browser::start();
        browser.open(&portal.at("/", Reply::Text("200 OK", headers, body.clone())));
        let loaded = "return ['gif', 'badge'].map((id) => document.getElementById(id).naturalWidth > 0).join()";
        eventually("the pictures are shown", || (browser.run(loaded) == "true,true").then_some(()));
        eventually("the script has filled the page", || (browser.text("[data-truycap]") != "–").then_some(()));
        assert_eq!(browser.messages(), [], "{policy}");
        // A frame that the browser blocks has an error page instead, which has no figures.
        browser.enter_frame();
        assert_eq!(browser.text(".truycap-box h2"), "Thống kê truy cập", "{policy}");
        assert_eq!(browser.run("return getComputedStyle(document.querySelector('.truycap-digits')).display"), "flex", "{policy}");
    }
    assert_eq!(service.site("portal")[0], 4);
}

#[test]
fn a_badge_is_an_image_as_wide_as_its_number_on_every_page() {
    let place = Place::new();
    let service = counted(&place);
    let cases = [
        ("?figure=total", "8.307.145", "Lượt xem cả cổng: 8.307.145", 85),
        ("?figure=total&lang=en", "8,307,145", "Site views: 8,307,145", 85),
        ("?digits=11", "00008307145", "Lượt xem cả cổng: 8.307.145", 111),
        ("?digits=3", "8307145", "Lượt xem cả cổng: 8.307.145", 75),
        ("?article=/tin/1", "1.234", "Lượt xem: 1.234", 53),
    ];
    let browser = Browser::start();
    let address = |query: &str| format!("{}/v1/sites/portal/badge.svg{query}", service.origin());
    let page = Portal::start().page("/", "<title>x</title>");
    for (query, shown, title, width) in cases {
        // As an image on a page of another origin.
        browser.open(&page);
        let load = format!(
            "const image = new Image(); image.src = {:?};
             return image.decode().then(() => image.naturalWidth + ' ' + image.naturalHeight)",
            address(query)
        );
        assert_eq!(browser.run(&load), format!("{width} 20"), "{query}");
        // As a document: it is well-formed, its text fits into it, and its title is what screen readers announce.
        browser.open(&address(query));
        assert_eq!((browser.text("text"), browser.text("title")), (shown.to_owned(), title.to_owned()));
        let inside = "const { x, width } = document.querySelector('text').getBBox(); return x >= 2 && x + width <= innerWidth";
        assert_eq!(browser.run(inside), true, "{query}");
    }
}
