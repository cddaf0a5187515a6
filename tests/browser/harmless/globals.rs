//! The script counts and fills in pages that replace globals, prototypes and the console, and changes none of these.

use std::fs;

use serde_json::{Value, json};

use crate::{
    driver::Browser,
    harmless::{PAST, PLACES, WATCH},
    pages::Portal,
    process::{Place, Service, eventually},
};

/// Pages of a portal, opened one after the other.
struct Visits {
    browser: Browser,
    portal: Portal,
    service: Service,
    _place: Place,
    views: u64,
}

impl Visits {
    fn start() -> Self {
        let place = Place::new();
        let portal = Portal::start();
        place.ok(&["import", &place.write("past.csv", PAST)]);
        let service = portal.service(&place);
        Self { browser: Browser::start(), portal, service, _place: place, views: 0 }
    }

    /// Opens a page that runs a script before the tag; checks that its view is counted, all its places are filled, a soft
    /// navigation is counted, and neither its error handlers nor the console have seen anything.
    fn check(&mut self, name: &str, script: &str) {
        println!("{name}");
        let browser = &self.browser;
        let path = format!("/{}", name.replace(' ', "-"));
        self.service.knows(&[&path, &format!("{path}-2")]);
        let page = format!("<!DOCTYPE html><html lang=vi>{WATCH}<script>{script}</script>{}<body>{PLACES}", self.service.tag(""));
        browser.open(&self.portal.page(&path, page));
        self.views += 1;
        browser.shows("#own", "1");
        browser.shows("#site", &grouped(self.views));
        browser.shows("#padded", &format!("{:011}", 1000 + self.views));
        browser.shows("#other", "7");
        browser.has(".truycap-box dd");
        browser.has("[data-truycap-top] a[href$='/tin/khac']");
        assert_eq!(browser.text("[data-truycap-top] a[href$='/tin/khac']"), "Tin khác", "{name}");
        // A router that changes the address shows other content too.
        browser.run("history.pushState(0, '', location.pathname + '-2'); document.body.append('Trang khác'); return 1");
        self.views += 1;
        browser.shows("#own", "1");
        browser.shows("#site", &grouped(self.views));
        // The promises of its methods do not reject.
        browser.run("return Promise.all([truycap.fill(), truycap.fill()])");
        assert_eq!(browser.run("return [...seen]"), json!([]), "{name}");
        assert_eq!(browser.messages(), [], "{name}");
        assert_eq!(self.service.article("portal", &path)[0], 1, "{name}");
        assert_eq!(self.service.site("portal")[0], 1000 + self.views, "{name}");
    }
}

fn grouped(views: u64) -> String {
    format!("1.{views:03}")
}

#[test]
fn globals_that_a_page_replaces_are_not_needed() {
    let mut visits = Visits::start();
    visits.check("URL", "var URL = 'https://portal.example.vn/', URLSearchParams = '?', TextEncoder = 0");
    visits.check("navigation", "var navigation = {}");
    visits.check("navigation without events", "Object.defineProperty(window, 'navigation', { value: undefined })");
    let names = "top parent self origin screen performance event external status length name frames opener closed scrollX
        Event Text Node Element Comment Range Option Image Audio Request Response Headers FormData Map Set List Page Symbol Proxy";
    let names = names.split_whitespace().map(|name| format!("{name} = '{name}'")).collect::<Vec<_>>().join(", ");
    visits.check("many names", &format!("var {names}"));
    visits.check("names of the script", "var site = 5, tag = {}, article = [], view = 'x', fill = null, base = '', draw = 1, places = 0");
    visits.check("a value named truycap", "var truycap = 1234567");
    visits.check("an object named truycap", "var truycap = { online: 5, view: 'trang' }");
}

#[test]
fn elements_that_only_look_like_those_of_truycap_change_nothing() {
    let mut visits = Visits::start();
    visits.check("an id", "</script><div id=truycap></div><script>");
    visits.check("a name", "</script><form name=truycap><input name=view></form><img name=site><script>");
    visits.check(
        "names of the document",
        "</script><img name=body><img name=title><form name=forms></form><form name=scripts></form><script>",
    );
    let other = "addEventListener('DOMContentLoaded', () => {
        const place = document.createElementNS('urn:x', 'p');
        place.setAttribute('data-truycap', 'total');
        document.body.prepend(place);
    })";
    visits.check("an element of another namespace", other);
}

#[test]
fn fetch_and_other_functions_that_a_page_patches_work_as_before() {
    let mut visits = Visits::start();
    let headers = "const real = fetch;
        window.fetch = (input, init = {}) => real(input, { ...init, headers: { ...init.headers,
            traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'X-Requested-With': 'XMLHttpRequest' } })";
    visits.check("fetch with headers", headers);
    let request = "const real = fetch;
        window.fetch = (input, init) => { const request = new Request(input, init); request.headers.set('X-CSRF-Token', 'abc'); return real(request) }";
    visits.check("fetch with a Request", request);
    let xhr = "window.fetch = (url, { method = 'GET', body } = {}) => new Promise((resolve, reject) => {
            const request = new XMLHttpRequest();
            request.open(method, url);
            request.onload = () => resolve({ ok: request.status < 300, status: request.status,
                text: () => Promise.resolve(request.responseText), json: () => Promise.resolve(JSON.parse(request.responseText)) });
            request.onerror = () => reject(new TypeError('network'));
            request.send(body);
        })";
    visits.check("fetch by XMLHttpRequest", xhr);
    let patched = "const { open, send } = XMLHttpRequest.prototype;
        XMLHttpRequest.prototype.open = function (...all) { this.asked = all; return open.apply(this, all) };
        XMLHttpRequest.prototype.send = function (body) { this.setRequestHeader('X-Requested-With', 'XMLHttpRequest'); return send.call(this, body) }";
    visits.check("XMLHttpRequest", patched);
    let router = "window.moves = [];
        const real = history.pushState;
        window.own = history.pushState = function (state, title, url) { moves.push(url); return real.call(history, state, title, url) }";
    visits.check("history", router);
    assert_eq!(visits.browser.run("return [history.pushState === own, moves]"), json!([true, ["/history-2"]]));
    let timers = "const real = setTimeout; window.setTimeout = (run, ms, ...all) => ({ id: real(run, ms, ...all) });
        const stop = clearTimeout; window.clearTimeout = (timer) => stop(timer && timer.id)";
    visits.check("timers", timers);
    visits.check("no navigator.sendBeacon", "delete Navigator.prototype.sendBeacon; delete window.requestIdleCallback");
}

#[test]
fn prototypes_that_a_page_extends_change_nothing() {
    let mut visits = Visits::start();
    // Prototype.js up to 1.7 and libraries of its time write JSON like this.
    let to_json = "for (const { prototype } of [String, Number, Array, Date, Boolean]) {
            prototype.toJSON = function () { return '\"' + this + '\"' } }
        Object.toJSON = (value) => '' + value";
    visits.check("toJSON", to_json);
    // Prototype.js and MooTools replace these by functions of other results.
    let arrays = "for (const name of ['find', 'entries', 'keys', 'values', 'reduce', 'flat', 'flatMap', 'fill', 'with'])
            Object.defineProperty(Array.prototype, name, { value: () => { throw new Error(name) }, writable: true });
        Function.prototype.bind = () => { throw new Error('bind') };
        Array.from = Object.entries = Object.fromEntries = () => { throw new Error('from') };
        document.getElementsByClassName = () => [];";
    visits.check("methods of arrays", arrays);
    let enumerable = "Object.prototype.extend = function () {};
        Object.prototype.forEach = function () { throw new Error('forEach') };
        Array.prototype.each = Array.prototype.remove = function () { throw new Error('each') };
        String.prototype.trim2 = Function.prototype.delay = Element.prototype.update = function () {};";
    visits.check("enumerable members", enumerable);
    let frozen = "for (const one of [Object, Array, Function, String, Promise, Map, Element, Node]) { Object.freeze(one); Object.freeze(one.prototype) }
        Object.freeze(document); Object.freeze(history); Object.freeze(console)";
    visits.check("frozen prototypes", frozen);
}

#[test]
fn prototype_js_and_mootools_change_nothing() {
    let mut visits = Visits::start();
    for name in ["prototype/prototype.js", "mootools/mootools-core.min.js", "mootools/mootools-more.min.js"] {
        let path = format!("/usr/share/javascript/{name}");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; run scripts/set-up.sh"));
        visits.portal.file(&format!("/{name}"), "text/javascript", text);
    }
    visits.check("Prototype", "</script><script src=/prototype/prototype.js></script><script>");
    let old = "Array.prototype.toJSON = function () { return '[' + this.map(Object.toJSON).join(', ') + ']' };
        String.prototype.toJSON = function () { return this.inspect(true) };";
    visits.check("Prototype 1 point 6", &format!("</script><script src=/prototype/prototype.js></script><script>{old}"));
    let mootools =
        "</script><script src=/mootools/mootools-core.min.js></script><script src=/mootools/mootools-more.min.js></script><script>";
    visits.check("MooTools", mootools);
}

#[test]
fn a_page_that_locks_the_name_truycap_is_counted() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    let browser = Browser::start();
    let lock = "<script>Object.defineProperty(window, 'truycap', { value: 1234567 })</script>";
    browser.open(&portal.page("/page", format!("{WATCH}{lock}{}{PLACES}", service.tag(""))));
    browser.shows("#own", "1");
    eventually("the script of boxes is loaded", || {
        let loaded = "return performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/widget.js'))";
        (browser.run(loaded) == true).then_some(())
    });
    assert_eq!(browser.run("return [truycap, seen]"), json!([1_234_567, []]));
    assert_eq!(browser.messages(), []);
}

#[test]
fn a_browser_of_2018_has_all_that_the_script_calls() {
    let mut visits = Visits::start();
    let newer = "delete window.AbortController; delete window.AbortSignal; delete window.queueMicrotask; delete window.trustedTypes;
        Object.defineProperty(window, 'navigation', { value: undefined });
        const of = (owner, ...names) => names.forEach((name) => delete owner[name]);
        of(Array.prototype, 'flat', 'flatMap', 'at', 'findLast', 'findLastIndex', 'toSorted', 'toReversed', 'with', 'toSpliced');
        of(String.prototype, 'replaceAll', 'matchAll', 'at', 'trimStart', 'trimEnd', 'isWellFormed', 'toWellFormed');
        of(Object, 'fromEntries', 'groupBy');
        of(Promise, 'allSettled', 'any', 'withResolvers', 'try');
        of(Element.prototype, 'replaceChildren', 'toggleAttribute', 'ariaHidden', 'checkVisibility', 'setHTMLUnsafe', 'moveBefore');
        of(Document.prototype, 'prerendering', 'replaceChildren');
        of(DocumentFragment.prototype, 'replaceChildren');
        of(window, 'ResizeObserver', 'structuredClone', 'WeakRef', 'FinalizationRegistry', 'globalThis', 'reportError', 'scheduler');
        of(Symbol.prototype, 'description')";
    visits.check("2018", newer);
}

#[test]
fn a_page_without_a_usable_console_is_filled() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    let browser = Browser::start();
    let consoles = ["delete window.console", "console = undefined", "console = {}", "console.warn = () => { throw new Error('warn') }"];
    for (views, console) in consoles.iter().enumerate() {
        let seen = "window.seen = []; window.onerror = window.onunhandledrejection = (what) => { seen.push('' + what) }";
        let places = "<p data-truycap=toatl>–</p><p data-truycap=article.total data-article='&#10;'>–</p><ol data-truycap-top=never></ol>";
        let page = format!("<script>{seen}; {console}</script>{}{places}<p id=own data-truycap=article.total>–</p>", service.tag(""));
        browser.open(&portal.page("/page", page));
        browser.shows("#own", &(views + 1).to_string());
        browser.run("return truycap.fill()");
        assert_eq!(browser.run("return seen"), json!([]), "{console}");
    }
}

#[test]
fn a_page_whose_fetch_does_not_work_stays_as_it_was() {
    let place = Place::new();
    let portal = Portal::start();
    let service = portal.service(&place);
    let browser = Browser::start();
    let broken = [
        "window.fetch = undefined",
        "window.fetch = () => { throw new Error('fetch') }",
        "window.fetch = () => 5",
        "window.fetch = () => Promise.resolve()",
        "window.fetch = () => Promise.resolve({ ok: true, json: () => null })",
        "window.fetch = () => Promise.reject()",
    ];
    for script in broken {
        let page =
            format!("{WATCH}<script>{script}; console.warn = () => {{ document.title = 'warned' }}</script>{}{PLACES}", service.tag(""));
        browser.open(&portal.page("/page", page));
        let known = browser
            .run("return new Promise((done) => { const ask = () => window.truycap ? done(truycap.fill()) : setTimeout(ask, 10); ask() })");
        assert_eq!(known, Value::Null);
        assert_eq!(browser.text("#site"), "–");
        assert_eq!(browser.run("return seen"), json!([]), "{script}");
        assert_eq!(browser.messages(), [], "{script}");
    }
    assert_eq!(service.site("portal")[0], 0);
}
