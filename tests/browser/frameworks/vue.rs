//! Pages that Vue renders on a server and hydrates in the browser.

use std::time::Duration;

use crate::{
    counting::counted,
    driver::Browser,
    pages::{Portal, npm},
    process::Place,
};

/// A component with figures, a box, and a part that is rendered anew when a button is clicked.
const APP: &str = "
    import { createSSRApp, h, ref } from 'vue';
    const app = createSSRApp({
      setup() {
        const clicks = ref(0);
        return () => h('main', [
          h('button', { id: 'click', onClick: () => clicks.value++ }, clicks.value),
          h('p', { id: 'own', 'data-truycap': 'article.total' }, '–'),
          h('p', { id: 'same', class: 'c' + clicks.value, 'data-truycap': 'total' }, '–'),
          h('p', { id: 'other', key: clicks.value, 'data-truycap': 'total' }, '–'),
          h('div', { 'data-truycap-box': '' }),
        ]);
      },
    });
";

#[test]
fn a_page_that_vue_hydrates_is_filled() {
    let (portal, place) = (Portal::start(), Place::new());
    let service = portal.service(&place);
    let browser = Browser::start();
    portal.file("/vue.js", "text/javascript", npm("vue/dist/vue.runtime.esm-browser.prod.js"));
    portal.file("/server.js", "text/javascript", npm("@vue/server-renderer/dist/server-renderer.esm-browser.prod.js"));
    let head = "<!doctype html><meta charset=utf-8><script type=importmap>{ \"imports\": { \"vue\": \"/vue.js\" } }</script>";
    let render = "import { renderToString } from '/server.js'; window.rendered = renderToString(app)";
    browser.open(&portal.page("/render", format!("{head}<script type=module>{APP}{render}</script>")));
    let html = browser.run("return window.rendered");
    let page = |start: &str| {
        let root = format!("<div id=root>{}</div>", html.as_str().unwrap());
        format!("{head}{}<script type=module src=/app.js></script>{root}<script type=module>{start}</script>", service.tag(""))
    };
    portal.file("/app.js", "text/javascript", format!("{APP}app.mount('#root'); window.isHydrated = true"));
    let url = portal.page("/tin/1", page(""));
    let is_filled = |views: u64| {
        for id in ["#own", "#same", "#other"] {
            browser.shows(id, &views.to_string());
        }
        browser.shows(".truycap-digits", &format!("{views:0>11}"));
    };
    for (views, is_late) in [(1, false), (2, true)] {
        if is_late {
            portal.slow("/app.js", Duration::from_secs(1));
        }
        browser.open(&url);
        is_filled(views);
        browser.run("document.querySelector('#click').click(); return 1");
        browser.shows("#click", "1");
        is_filled(views);
        counted(&service, "/tin/1", views, views);
        assert_eq!(browser.messages(), []);
    }
}
