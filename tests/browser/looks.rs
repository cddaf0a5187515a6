//! How the box and the lists look on the pages of others, and that these pages look as before.

use serde_json::{Value, json};

use crate::{
    driver::Browser,
    pages::{Portal, Reply, get},
    process::{Place, Service},
};

const PAST: &str = "site,article,period,views\nportal,,,8307145\nportal,,2025,1845672\nportal,/tin/1,,1234567\nportal,/tin/2,,12\n\
    portal,/tin/mot-bai-co-dia-chi-dai-khong-co-khoang-trang-nao-ca,,7\n";

/// A service whose box and lists have figures.
fn counted(portal: &Portal, place: &Place) -> Service {
    place.ok(&["import", &place.write("past.csv", PAST)]);
    let service = portal.service(place);
    service.article("portal", "/tin/1");
    service
}

fn page(service: &Service, styles: &str, body: &str) -> String {
    let sheet = format!("<link rel=stylesheet href={}/widget.css>", service.origin());
    let tag = service.tag("data-article=none");
    format!("<!DOCTYPE html><html lang=vi><head><meta charset=utf-8>{sheet}<style>{styles}</style>{tag}</head><body>{body}</body></html>")
}

fn none() -> Value {
    json!([])
}

/// The computed styles of the elements that a selector matches, and of their pseudo-elements.
fn styles(browser: &Browser, selector: &str) -> Vec<Value> {
    let all = browser.run(&format!(
        "return [...document.querySelectorAll({selector:?})].flatMap((element) => ['', '::before', '::after'].flatMap((pseudo) => {{
             const style = getComputedStyle(element, pseudo);
             return [...style].filter((name) => !name.startsWith('animation'))
                 .map((name) => `${{element.localName}}${{pseudo}} ${{name}}: ${{style[name]}}`);
         }}))"
    ));
    all.as_array().unwrap().clone()
}

/// The styles that are in one list only, of two that have the same elements.
fn differences([one, other]: &[Vec<Value>; 2]) -> Vec<String> {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).filter(|(one, other)| one != other).map(|(one, other)| format!("{one} / {other}")).collect()
}

#[test]
fn rules_of_the_page_do_not_reach_into_the_box() {
    let portal = Portal::start();
    let place = Place::new();
    let service = counted(&portal, &place);
    let rules = "
        #right .block h2 { text-transform: uppercase; letter-spacing: 2px; border-bottom: 3px solid red; float: left; font-size: 30px }
        #right .block h2::before, #right dt::after { content: '» ' }
        #right .block div, #right p { margin: 20px; padding: 9px; background: yellow; min-height: 60px; text-indent: 2em }
        #right dl dt { float: left; width: 50%; clear: left } #right dl dd { margin-left: 40px; display: block; width: 20% }
        #right .block span, #right .block i, #right .block b { color: lime; font-size: 30px; display: block; position: static }
        .block { text-transform: uppercase; font-style: italic; letter-spacing: 1px; text-align: center; line-height: 3;
                 white-space: nowrap; font-weight: 700; text-shadow: 1px 1px red; word-spacing: 9px; text-indent: 1em }
        #right section { padding: 50px; border: 9px solid red; display: grid; width: 90px; height: 90px; float: right }
        section::before { content: 'x' }";
    let body = "<div id=right><div class=block><div style='width: 300px; margin: 0; padding: 0; display: block' data-truycap-box></div></div></div>";
    let browser = Browser::start();
    browser.look(1280, "light");
    let seen = ["", rules].map(|rules| {
        browser.open(&portal.page("/", page(&service, rules, body)));
        browser.has(".truycap-box dd");
        styles(&browser, ".truycap-box, .truycap-box *")
    });
    assert_eq!(browser.run("return document.querySelectorAll('.truycap-box *').length"), 40);
    assert_eq!(differences(&seen), [""; 0]);
}

#[test]
fn the_style_sheet_changes_nothing_outside_the_box_and_the_rows() {
    let portal = Portal::start();
    let place = Place::new();
    let service = counted(&portal, &place);
    let body = "<main><h1>Một</h1><section><h2>Hai</h2><p><a href=/>a</a> <i>i</i> <b>b</b> <span data-truycap=total>–</span></p></section>
        <dl><div><dt>dt</dt><dd>dd</dd></div></dl><ol><li><a>a</a></li></ol><span class=truycap-views>12</span>
        <div data-truycap-box></div><ol data-truycap-top=total></ol></main>";
    let browser = Browser::start();
    let text = page(&service, "", body);
    let seen = [text.replace("<link", "<meta"), text].map(|text| {
        // Without the service's script, which adds the style sheet.
        browser.open(&portal.page("/", text.replace("<script", "<script type=none")));
        styles(&browser, "html, body, body *")
    });
    assert_eq!(differences(&seen), [""; 0]);
}

#[test]
fn a_style_sheet_of_the_page_with_the_same_name_does_not_leave_the_box_without_style() {
    let portal = Portal::start();
    let place = Place::new();
    let service = counted(&portal, &place);
    portal.file("/theme/widget.css", "text/css", "p { color: red }");
    let own = "<link rel=stylesheet href=/theme/widget.css>";
    let text = page(&service, "", "<div data-truycap-box></div><ol data-truycap-top=total></ol>");
    let browser = Browser::start();
    let ours = format!("{}/widget.css", service.origin());
    for text in [text.replace(&format!("<link rel=stylesheet href={ours}>"), own), text.clone()] {
        browser.open(&portal.page("/", text));
        // Lists are drawn with their style.
        browser.has(".truycap-views");
        assert_eq!(browser.run("return getComputedStyle(document.querySelector('.truycap-views')).whiteSpace"), "nowrap");
        browser.has(".truycap-box");
        assert_eq!(browser.run("return getComputedStyle(document.querySelector('.truycap-digits')).display"), "flex");
        // The sheet is on the page once.
        let sheets = format!("return [...document.styleSheets].filter((sheet) => sheet.href === {ours:?}).length");
        assert_eq!(browser.run(&sheets), 1);
    }
}

#[test]
fn box_and_list_are_drawn_without_a_style_sheet_that_does_not_come() {
    let portal = Portal::start();
    let place = Place::new();
    let service = counted(&portal, &place);
    portal.show_files(&service, "");
    portal.file("/v1/sites/portal/views", "application/json", get(&service, "/v1/sites/portal/figures"));
    portal.file("/v1/sites/portal/top", "application/json", get(&service, "/v1/sites/portal/top?period=total"));
    // The load event waits for a style sheet, and `open` for that event.
    let text = "<!DOCTYPE html><html lang=vi><div data-truycap-box></div><ol data-truycap-top=total></ol><script>
        addEventListener('load', () => {
            const tag = document.createElement('script');
            tag.dataset.site = 'portal';
            tag.src = '/counter.js';
            document.head.append(tag);
        });</script>";
    let browser = Browser::start();
    for sheet in [Reply::Nothing, Reply::Never] {
        portal.at("/widget.css", sheet);
        browser.open(&portal.page("/", text));
        browser.has(".truycap-box dd");
        browser.has(".truycap-views");
    }
}

#[test]
fn a_list_takes_its_titles_from_links_of_the_page() {
    let portal = Portal::start();
    let place = Place::new();
    let past: String = ["/tin/1", "/tin/2", "/tin/3", "/tin/4", "/tin/5", "/app/#/tin/1"]
        .iter()
        .zip([60, 50, 40, 30, 20, 10])
        .map(|(article, views)| format!("portal,{article},,{views}\n"))
        .collect();
    place.ok(&["import", &place.write("past.csv", format!("site,article,period,views\n{past}"))]);
    let service = portal.service(&place);
    let links = "<a href=/tin/1><h3>Bài một</h3><p>Một đoạn tóm tắt dài hơn tiêu đề</p></a>
        <a href=/tin/2>Xem</a> <a href='/tin/2/?utm_source=x'>Bài hai có tiêu đề</a> <a href=/tin/2#binh-luan>Xem tất cả 12 bình luận của bài này</a>
        <a href=/tin/3 title='Bài ba'>Một đoạn dài hơn nhiều</a> <a href=/tin/4><img alt=''></a>
        <a href=https://other.example/tin/5>Bài của trang khác</a> <a href='/app/#/tin/1?x=1'>Bài của ứng dụng</a>";
    let browser = Browser::start();
    let titles = "return [...document.querySelectorAll('ol a')].map((link) => link.textContent)";
    for (tag, last) in [("data-article=none", "/app/#/tin/1"), ("data-article=none data-hash", "Bài của ứng dụng")] {
        browser.open(&portal.page("/", format!("<html lang=vi>{}{links}<ol data-truycap-top=total></ol>", service.tag(tag))));
        browser.has(".truycap-views");
        assert_eq!(browser.run(titles), json!(["Bài một", "Bài hai có tiêu đề", "Bài ba", "/tin/4", "/tin/5", last]));
    }
}

/// Rules of a list weigh less than any rule of the page.
#[test]
fn a_page_can_style_its_lists() {
    let portal = Portal::start();
    let place = Place::new();
    let service = counted(&portal, &place);
    let browser = Browser::start();
    let rules = "li { display: flex } span { float: none; margin: 0 } a { overflow-wrap: normal }";
    browser.open(&portal.page("/", page(&service, rules, "<ol data-truycap-top=total></ol>").replace("<style>", "<style></style><style>")));
    browser.has(".truycap-views");
    let set = "const style = (name) => getComputedStyle(document.querySelector('ol ' + name));
        return [style('li').display, style('span').float, style('span').marginLeft, style('a').overflowWrap]";
    assert_eq!(browser.run(set), json!(["flex", "none", "0px", "normal"]));
}

/// The texts in elements that leave them. Hidden texts are not looked at.
const OUTSIDE: &str = "
    const inside = (outer, inner) => inner.left >= outer.left - .5 && inner.right <= outer.right + .5
        && inner.top >= outer.top - .5 && inner.bottom <= outer.bottom + .5;
    const content = (element) => {
        const { left, right, top, bottom } = element.getBoundingClientRect();
        const { paddingLeft, paddingRight } = getComputedStyle(element);
        return { left: left + parseFloat(paddingLeft), right: right - parseFloat(paddingRight), top, bottom };
    };
    const texts = (element) => {
        const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
        const range = document.createRange();
        const all = [];
        while (walker.nextNode()) {
            range.selectNodeContents(walker.currentNode);
            if (!walker.currentNode.parentNode.matches('.truycap-said')) {
                for (const rect of range.getClientRects()) all.push([walker.currentNode.data, rect]);
            }
        }
        return all;
    };";

#[test]
fn labels_and_numbers_stay_inside_a_narrow_box() {
    let portal = Portal::start();
    let place = Place::new();
    let service = counted(&portal, &place);
    let boxes: String = [120, 150, 190, 300, 700]
        .into_iter()
        .flat_map(|width| [(width, 12), (width, 16)])
        .flat_map(|(width, size)| [(width, size, "ltr"), (width, size, "rtl")])
        .map(|(width, size, dir)| format!("<div data-truycap-box dir={dir} style='width: {width}px; font-size: {size}px'></div>"))
        .collect();
    let cell = "<table><tr><td width=150><div data-truycap-box id=cell></div><td>x</table>";
    let float = "<div style='float: left' data-truycap-box id=float></div>";
    let browser = Browser::start();
    browser.look(1280, "light");
    browser.open(&portal.page("/", page(&service, "", &(boxes + cell + float))));
    browser.has("#float dd");
    let out = format!(
        "{OUTSIDE} return [...document.querySelectorAll('.truycap-box')].flatMap((box) =>
            texts(box).filter(([, rect]) => !inside(content(box), rect)).map(([text]) => box.parentNode.outerHTML.slice(0, 90) + text))"
    );
    assert_eq!(browser.run(&out), none());
    // Labels and numbers of a row do not touch.
    let glued = "return [...document.querySelectorAll('.truycap-box dl > div')].filter(({ firstChild: label, lastChild: number }) => {
            const [a, b] = [label, number].map((one) => one.getBoundingClientRect());
            return a.bottom > b.top + 1 && Math.max(a.left, b.left) - Math.min(a.right, b.right) < 4;
        }).map((row) => row.outerHTML)";
    assert_eq!(browser.run(glued), none());
    // A cell keeps its width, and a box that nothing else widens is as wide as a column.
    assert_eq!(browser.run("return [cell.offsetWidth <= 150, float.offsetWidth > 200]"), json!([true, true]));
}

#[test]
fn numbers_of_a_list_are_at_the_end_of_its_lines() {
    let portal = Portal::start();
    let place = Place::new();
    let service = counted(&portal, &place);
    let links = "<a href=/tin/1 title='Một bài có tiêu đề dài hơn một dòng của cột'></a><a href=/tin/2 title='مكتبة المدينة مفتوحة'></a>";
    let lists: String = [150, 200, 260, 600]
        .into_iter()
        .flat_map(|width| [(width, "ltr"), (width, "rtl")])
        .map(|(width, dir)| format!("<ol dir={dir} style='width: {width}px; padding: 0' data-truycap-top=total></ol>"))
        .collect();
    let browser = Browser::start();
    browser.look(1280, "light");
    browser.open(&portal.page("/", page(&service, "", &(links.to_owned() + &lists))));
    browser.has("ol:last-child .truycap-views");
    let wrong = format!(
        "{OUTSIDE} return [...document.querySelectorAll('ol > li')].filter((row) => {{
            const end = row.parentNode.dir === 'rtl' ? 'left' : 'right';
            const [number] = texts(row.querySelector('.truycap-views')).map(([, rect]) => rect);
            const titles = texts(row.firstChild).map(([, rect]) => rect);
            const last = titles[titles.length - 1];
            const apart = Math.max(number.left - last.right, last.left - number.right);
            return Math.abs(number[end] - content(row)[end]) > 1
                || (last.bottom > number.top + 1 && apart < 8)
                || ![number, ...titles].every((rect) => inside(row.getBoundingClientRect(), rect));
        }}).map((row) => row.parentNode.outerHTML.slice(0, 99) + row.textContent)"
    );
    assert_eq!(browser.run(&wrong), none());
    // The markers stay.
    assert_eq!(browser.run("return getComputedStyle(document.querySelector('ol > li')).listStyleType"), "decimal");
    assert_eq!(browser.run("return document.querySelectorAll('ol > li').length"), 24);
}
