//! The box in a frame and the badge: on which pages they show, and how they look.

use crate::{
    driver::{Browser, Scripts},
    pages::Portal,
    process::{Place, Service},
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
    assert_eq!(browser.text(".truycap-said"), "Tổng số lượt truy cập: 8.307.145");
    assert_eq!(browser.text(".truycap-digits"), "00008307145");
    // Both style sheets are applied: the page has no margin, and the digits are laid out as cells.
    assert_eq!(browser.run("return getComputedStyle(document.body).margin"), "0px");
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('.truycap-digits')).display"), "flex");
    assert_eq!(browser.messages(), []);
    browser.open(&format!("{}/v1/sites/portal/box?lang=en", service.origin()));
    assert_eq!(browser.text(".truycap-said"), "Total views: 8,307,145");
    assert_eq!(service.site("portal")[0], 8_307_145);
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

#[test]
fn a_badge_is_an_image_as_wide_as_its_number_on_every_page() {
    let place = Place::new();
    let service = counted(&place);
    let cases = [
        ("?figure=total", "8.307.145", "Lượt truy cập: 8.307.145", 85),
        ("?figure=total&lang=en", "8,307,145", "Site views: 8,307,145", 85),
        ("?digits=11", "00008307145", "Lượt truy cập: 8.307.145", 111),
        ("?digits=3", "8307145", "Lượt truy cập: 8.307.145", 75),
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
