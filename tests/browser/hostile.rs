//! Hostile article ids and labels stay text, and a hostile page causes a bounded number of requests.

use serde_json::json;

use crate::{
    driver::Browser,
    pages::{Portal, Reply},
    process::{Place, client::Client, eventually},
};

#[test]
fn markup_in_article_ids_stays_text_and_links_stay_on_their_host() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let ids = [
        "/<img src=x onerror=alert(1)>",
        "javascript:alert(1)",
        "//evil.example/x",
        "/\\evil.example/y",
        "<script>alert(1)</script>",
        "/a?b#c",
        "__proto__",
        "constructor",
    ];
    let mut client = Client::connect(&service.public).unwrap();
    for id in ids {
        let body = json!({ "article": id }).to_string();
        client
            .send(&format!(
                "POST /v1/sites/portal/views HTTP/1.1\r\nhost: x\r\nuser-agent: Mozilla/5.0\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ))
            .unwrap();
        assert_eq!(client.answer().unwrap().status, 200);
    }
    eventually("the list has all articles", || {
        let list = service.get("/v1/sites/portal/top?period=total&limit=100").json();
        (list["articles"].as_array().unwrap().len() == ids.len()).then_some(())
    });
    let browser = Browser::start();
    let spots: String =
        ids.iter().map(|id| format!("<i data-truycap=article.total data-article=\"{}\">–</i>", id.replace('<', "&lt;"))).collect();
    let title = "<a href='/a%3Fb%23c'>&lt;b onclick=alert(1)&gt;</a>";
    browser.open(&portal.page(
        "/page",
        service.tag("data-article=none")
            + &spots
            + title
            + "<ol data-truycap-top=total data-limit=100></ol><p id=end data-truycap=total>–</p>",
    ));
    let rows = "return [...document.querySelectorAll('ol a')].map((link) => link.textContent)";
    let titles = eventually("the list is filled", || Some(browser.run(rows)).filter(|rows| rows[0].is_string()));
    for id in ids {
        let shown = match id {
            "/a?b#c" => "<b onclick=alert(1)>",
            // Every JavaScript object has these names. The text that is shown for them does not matter.
            "__proto__" | "constructor" => continue,
            id => id,
        };
        assert!(titles.as_array().unwrap().contains(&json!(shown)), "{titles}");
    }
    assert_eq!(browser.run("return document.querySelectorAll('img, ol b, ol script, i *').length"), 0);
    let hosts = "return [...document.querySelectorAll('ol a[href]')].map((link) => link.origin)";
    let hosts = browser.run(hosts);
    assert_eq!(hosts.as_array().unwrap().len(), 4);
    assert!(hosts.as_array().unwrap().iter().all(|host| *host == *portal.origin), "{hosts}");
    // `?` and `#` are part of this article's path, so the link escapes them.
    assert_eq!(browser.run("return document.querySelectorAll(\"ol a[href$='/a%3Fb%23c']\").length"), 1);
    let filled = browser.run("return [...document.querySelectorAll('i')].map((i) => i.textContent)");
    assert!(filled.as_array().unwrap()[..6].iter().all(|count| count == "1"), "{filled}");
    assert_eq!(browser.messages(), []);
}

/// Titles that look like markup, and one that reverses the text after it; the portal does not have `/tin/3`, and fails for `/tin/4`.
#[test]
fn a_list_shows_the_titles_of_the_portal_as_text_before_those_of_links() {
    let portal = Portal::start();
    portal.page("/tin/1", "<title>&lt;img src=x onerror=alert(1)&gt; và &lt;b&gt;đậm&lt;/b&gt;</title>");
    portal.page("/tin/2", "<meta property=og:title content='Đã gỡ\u{202e} xuôi'><title>Khác</title>");
    portal.at("/tin/3", Reply::Text("404 Not Found", "Content-Type: text/html".into(), "<title>Không có</title>".into()));
    portal.at("/tin/4", Reply::Text("500 Internal Server Error", "Content-Type: text/html".into(), "<title>Lỗi</title>".into()));
    let place = Place::new();
    let rows: String = [(1, 40), (2, 30), (3, 20), (4, 10)].map(|(id, views)| format!("portal,/tin/{id},,{views}\n")).concat();
    place.ok(&["import", &place.write("past.csv", format!("site,article,period,views\n{rows}"))]);
    place.write("truycap.toml", format!("demo = false\n[[sites]]\nid = \"portal\"\norigins = [\"{}\"]\ntitles = true\n", portal.origin));
    let service = place.start();
    eventually("the portal was asked", || {
        let list = service.get("/v1/sites/portal/top?period=total").json();
        (list["stale"] == false).then_some(())
    });
    let links = "<a href=/tin/1>Một liên kết</a><a href=/tin/4>Liên kết bốn</a>";
    let browser = Browser::start();
    browser.open(&portal.page("/", service.tag("data-article=none") + links + "<ol data-truycap-top=total></ol>"));
    browser.has(".truycap-views");
    let titles = "return [...document.querySelectorAll('ol a')].map((link) => link.textContent)";
    let expected = json!(["<img src=x onerror=alert(1)> và <b>đậm</b>", "Đã gỡ xuôi", "Liên kết bốn"]);
    assert_eq!(browser.run(titles), expected);
    assert_eq!(browser.run("return document.querySelectorAll('ol img, ol b').length"), 0);
    assert_eq!(browser.messages(), []);
}

#[test]
fn labels_that_a_page_sets_for_its_box_stay_text() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    let boxes =
        "<div id=own data-truycap-box data-label-this_year='Năm này' data-label-today='<b>Nay</b> &amp; mai' data-label-last_week=''></div>
        <div id=plain data-truycap-box></div>";
    browser.open(&portal.page("/page", service.tag("") + boxes));
    browser.has("#plain dt");
    let labels = "return ['own', 'plain'].map((id) => [...document.querySelectorAll(`#${id} dt`)].map((label) => label.textContent))";
    let expected = json!([
        ["<b>Nay</b> & mai", "Hôm qua", "Tuần này", "Tuần trước", "Tháng này", "Tháng trước", "Năm này", "Năm trước"],
        ["Hôm nay", "Hôm qua", "Tuần này", "Tuần trước", "Tháng này", "Tháng trước", "Năm nay", "Năm trước"],
    ]);
    assert_eq!(browser.run(labels), expected);
    assert_eq!(browser.run("return document.querySelectorAll('dt *').length"), 0);
    assert_eq!(browser.messages(), []);
}

#[test]
fn ten_thousand_elements_cause_a_bounded_number_of_requests() {
    let portal = Portal::start();
    let place = Place::new();
    let service = portal.service(&place);
    let browser = Browser::start();
    let elements: String = (0..10_000).map(|n| format!("<i data-truycap=article.total data-article=/tin/{n}>–</i>")).collect();
    let lists: String = (1..=50).map(|limit| format!("<ol data-truycap-top=today data-limit={limit}></ol>")).collect();
    let lists = lists + &"<div data-truycap-box></div>".repeat(50);
    let bad = "<i id=bad data-truycap=article.total data-article='&#10;'>–</i><i id=digits data-truycap=total data-digits=1e9>–</i>";
    browser.open(&portal.page("/page", service.tag("data-manual") + bad + &elements + &lists));
    eventually("the script is loaded", || (browser.run("return !!window.truycap") == true).then_some(()));
    // Returns when all requests are answered.
    browser.run("return truycap.view()");
    let requests = "return ['views', 'figures', 'top'].map((name) => performance.getEntriesByType('resource')
        .filter((entry) => new URL(entry.name).pathname.endsWith('/' + name)).length)";
    eventually("all requests are known", || (browser.run(requests)[2].as_u64() >= Some(10)).then_some(()));
    assert_eq!(browser.run(requests), json!([1, 10, 10]));
    assert_eq!(browser.text("#digits").len(), 20);
    assert_eq!(browser.text("#bad"), "–");
    assert_eq!(browser.text("[data-article='/tin/1']"), "0");
    assert_eq!(service.site("portal")[0], 1);
    let messages = browser.messages();
    assert!(messages.len() == 1 && messages[0].1.contains("control character"), "{messages:?}");
}
