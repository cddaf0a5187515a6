//! Pages do not jump when they are filled, and stay responsive.

use std::{ops::Range, time::Duration};

use serde_json::Value;

use crate::{
    driver::Browser,
    pages::{ARTICLE, Portal, service},
    process::{Place, Service, eventually},
};

const FIGURES: usize = 500;

/// A page of 10 000 elements. Some of them show figures if the page has the tag.
fn large_page(tag: &str) -> String {
    let cards: String = (0..2000)
        .map(|n| {
            let figure = if n < FIGURES { format!("data-truycap=article.total data-article=/tin/{n}") } else { String::new() };
            format!("<div class=card><h3><a href=/tin/{n}>Bài viết số {n}</a></h3><p>Lượt xem: <span {figure}>–</span></p></div>")
        })
        .collect();
    let list = "<div data-truycap-box></div><ol data-truycap-top=total></ol>";
    format!("<!DOCTYPE html><html lang=vi><head><meta charset=utf-8>{tag}</head><body>{list}<main>{cards}</main></body></html>")
}

/// Adds 1000 elements step by step, then a last one that shows a figure.
const ADD: &str = "
    let step = 0;
    const add = () => {
        for (let n = 0; n < 25; n++) document.querySelector('main').append(document.createElement('p'), 'x', document.createElement('b'));
        if (++step < 20) return setTimeout(add, 20);
        document.body.insertAdjacentHTML('beforeend', '<p id=last data-truycap=total>–</p>');
    };
    add();";

/// The processor time of the longest task that the thread of a page runs in this time. Other work on the machine makes a
/// task take longer, but it hardly changes this.
fn longest_task(trace: &[Value], page: &Value, times: Range<f64>) -> Duration {
    let tasks = trace.iter().filter(|event| event["name"] == "RunTask" && ["pid", "tid"].iter().all(|key| event[*key] == page[*key]));
    let tasks = tasks.filter(|event| times.contains(&time(event)));
    Duration::from_micros(tasks.filter_map(|event| event["tdur"].as_u64()).max().unwrap())
}

/// When an event of a trace begins, in microseconds.
fn time(event: &Value) -> f64 {
    event["ts"].as_f64().unwrap_or_default()
}

/// The first layout of the page is its longest task, also without the tag. On a busy machine it can exceed the limit.
#[test]
fn a_large_page_with_many_figures_has_no_long_task() {
    let portal = Portal::start();
    let place = Place::new();
    let past: String = (0..FIGURES).map(|n| format!("portal,/tin/{n},,{}\n", 1000 + n)).collect();
    place.ok(&["import", &place.write("past.csv", format!("site,article,period,views\nportal,,,8307145\n{past}"))]);
    let service = portal.service(&place);
    let articles: Vec<_> = (0..FIGURES).map(|n| format!("/tin/{n}")).collect();
    articles.chunks(50).for_each(|part| service.knows(part));
    let browser = Browser::traced();
    browser.open(&portal.page("/without", large_page("")));
    browser.run(ADD);
    browser.has("#last");
    // `open` would end the trace.
    let with = portal.page("/with", large_page(&service.tag("data-article=none")));
    browser.run(&format!("location = {with:?}"));
    browser.shows(&format!("[data-article='/tin/{}']", FIGURES - 1), "1.499");
    browser.has(".truycap-box dd");
    browser.has(".truycap-views");
    browser.run(ADD);
    browser.has("#last");
    browser.shows("#last", "8.307.146");
    let trace = browser.trace();
    let start = trace.iter().find(|event| event["name"] == "ParseHTML" && event["args"]["beginData"]["url"] == *with).unwrap();
    let [without, with] = [0.0..time(start), time(start)..f64::INFINITY].map(|times| longest_task(&trace, start, times));
    assert!(with <= Duration::from_millis(50).max(2 * without), "{with:?}; without the tag {without:?}");
}

/// A page that begins to load the script after its first paint.
fn sidebar(service: &Service, box_style: &str, list_style: &str) -> String {
    let others: String =
        (1..9).map(|n| format!("<li><a href=/tin/{n} title='Bài viết số {n} có một tiêu đề khá dài'>Bài {n}</a></li>")).collect();
    format!(
        "<!DOCTYPE html><html lang=vi><head><meta charset=utf-8><title>Bài một</title><meta name=viewport content='width=device-width'>
         <style>@media (min-width: 900px) {{ body {{ display: grid; grid-template-columns: 300px 1fr; gap: 30px }} }}</style><script>
             new PerformanceObserver((list, paints) => {{
                 paints.disconnect();
                 const tag = document.createElement('script');
                 tag.dataset.site = 'portal';
                 tag.src = '{}/counter.js';
                 document.head.append(tag);
             }}).observe({{ type: 'paint', buffered: true }});
         </script></head><body>
         <aside><div data-truycap-box {box_style}></div>
             <h2>Đọc nhiều</h2><ol data-truycap-top=total data-limit=5 {list_style}></ol><h2>Tin khác</h2><ul>{others}</ul></aside>
         <main><h1>Bài một</h1><p>Lượt xem: <span data-truycap=article.total>–</span>. Tổng: <span data-truycap=total>–</span></p>
             <p>Nội dung</p><p>Lượt xem: <span data-truycap=article.total data-article=/tin/2>–</span></p><p>Nội dung</p></main></body></html>",
        service.origin()
    )
}

/// How far the content of a page has moved when all its places are filled: the sum of its layout shifts.
fn shift(browser: &Browser, page: &str) -> f64 {
    browser.open(page);
    for place in [".truycap-box dd", ".truycap-views"] {
        browser.has(place);
    }
    let filled = "return [...document.querySelectorAll('[data-truycap]')].every((place) => place.textContent !== '–')";
    eventually("the figures", || (browser.run(filled) == true).then_some(()));
    // What was filled last is drawn in a frame before the one of the next change.
    browser.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))");
    // The observer reports all earlier shifts before one that is made now.
    browser.run(
        "window.shifts = [];
         new PerformanceObserver((list) => shifts.push(...list.getEntries())).observe({ type: 'layout-shift', buffered: true });
         window.end = performance.now();
         // A shift has the time at which its frame begins, so the change is in a frame that begins later.
         requestAnimationFrame(() => requestAnimationFrame(() => { document.body.style.paddingTop = '200px' }))",
    );
    let ended = "return shifts.some(({ startTime }) => startTime >= end)";
    eventually("the last shift", || (browser.run(ended) == true).then_some(()));
    browser.run("return shifts.filter(({ startTime }) => startTime < end).reduce((sum, { value }) => sum + value, 0)").as_f64().unwrap()
}

/// The styles are those of docs/embedding.md.
#[test]
fn a_page_that_reserves_space_does_not_jump_when_it_is_filled() {
    let portal = Portal::start();
    let place = Place::new();
    let past: String = (1..9).map(|n| format!("portal,/tin/{n},,{}\n", 1000 * n)).collect();
    place.ok(&["import", &place.write("past.csv", format!("site,article,period,views\nportal,,,8307145\n{past}"))]);
    let service = portal.service(&place);
    let browser = Browser::start();
    for width in [360, 1280] {
        browser.look(width, "light");
        let reserved = sidebar(&service, "style='min-height: 24em'", "style='min-height: 15em'");
        let shift_of = |text: String| shift(&browser, &portal.page("/tin/1", text));
        let (reserved, not) = (shift_of(reserved), shift_of(sidebar(&service, "", "")));
        assert!(reserved <= 0.02, "{reserved} at {width}");
        assert!(not > 0.02, "{not} at {width} without reserved space: the page does not show shifts");
    }
}

#[test]
fn the_demo_does_not_jump_when_it_is_filled() {
    let place = Place::new();
    let today = chrono::Utc::now().with_timezone(&chrono_tz::Asia::Ho_Chi_Minh).format("%Y-%m-%d");
    place.ok(&["import", &place.write("past.csv", format!("site,article,period,views\nportal,{ARTICLE},{today},1234\n"))]);
    let service = service(&place);
    let browser = Browser::start();
    for width in [360, 1280] {
        browser.look(width, "light");
        let shift = shift(&browser, &service.origin());
        assert!(shift <= 0.02, "{shift} at {width}");
    }
}
