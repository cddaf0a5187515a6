//! Which visitors' views count and how often, bots, and estimates of visitors.

use std::{
    sync::atomic::{AtomicI64, Ordering::SeqCst},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use truycap::{
    audience::{BotRules, ClientResolver, ClientRules, ProxyHeader},
    domain::site::Rules,
};

use super::server::{AGENT, Options, Server, now, start, wait_for};

const VIEWS: &str = "/v1/sites/portal/views";
const GIF: &str = "/v1/sites/portal/views.gif";

/// A server whose clients come through a proxy on this machine.
fn behind_a_proxy(rules: Rules) -> Options {
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let resolver = ClientResolver { header: Some(ProxyHeader::XForwardedFor), trusted_proxies };
    let clients = ClientRules { resolver, ..ClientRules::default() };
    Options { rules, clients, ..Options::default() }
}

pub(crate) fn once_in(window: &str) -> Options {
    behind_a_proxy(Rules { repeat_window: humantime::parse_duration(window).unwrap(), ..Rules::default() })
}

impl Server {
    /// The outcome of a view of an article with these headers: `counted`, or the reason why not.
    pub(crate) fn outcome(&self, article: &str, headers: &[&str]) -> Value {
        let mut all = vec!["Content-Type: text/plain"];
        all.extend(headers);
        let answer = self.ask("POST", VIEWS, &all, &json!({ "article": article }).to_string());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        if answer["counted"] == true && answer["reason"].is_null() { json!("counted") } else { answer["reason"].clone() }
    }
}

pub(crate) fn from(address: &str) -> String {
    format!("X-Forwarded-For: {address}")
}

#[test]
fn a_visitor_counts_once_in_a_window_for_each_article() {
    let server = start(once_in("30m"));
    let one = from("203.0.113.5");
    assert_eq!(server.outcome("/a", &[&one]), "counted");
    assert_eq!(server.outcome("/a", &[&one]), "repeat");
    assert_eq!(server.outcome("/b", &[&one]), "counted");
    // What the client itself adds to the proxy's header does not make it another client.
    assert_eq!(server.outcome("/a", &[&from("8.8.8.8, 203.0.113.5")]), "repeat");
    assert_eq!(server.outcome("/a", &[&from("203.0.113.6")]), "counted");
    assert_eq!(server.outcome("/a", &[&one, "User-Agent: Mozilla/5.0"]), "counted");
    // A /64 is one client.
    assert_eq!(server.outcome("/a", &[&from("2001:db8:1:2::3")]), "counted");
    assert_eq!(server.outcome("/a", &[&from("2001:db8:1:2:ffff::9")]), "repeat");
    assert_eq!(server.outcome("/a", &[&from("2001:db8:1:3::3")]), "counted");
    // The same rule applies to the GIF, and to a view of the site alone.
    assert_eq!(server.ask("GET", &format!("{GIF}?article=/b"), &[&one], "").body.len(), 43);
    assert_eq!(server.total(), 6);
    for counted in [true, false] {
        assert_eq!(server.ask("POST", VIEWS, &[&one], "").json()["counted"], counted);
    }
    let answer = server.ask("POST", VIEWS, &[&one, "Content-Type: text/plain"], r#"{"article":"/a"}"#).json();
    assert_eq!((&answer["site"]["total"], &answer["articles"]["/a"]["total"]), (&json!(7), &json!(5)));
}

#[test]
fn without_a_window_every_view_counts() {
    let server = start(behind_a_proxy(Rules::default()));
    for _ in 0..3 {
        assert_eq!(server.outcome("/a", &[&from("203.0.113.5")]), "counted");
    }
}

#[test]
fn visitors_who_do_not_want_to_be_tracked_are_not_remembered_and_always_count() {
    let server = start(once_in("30m"));
    for wish in ["DNT: 1", "Sec-GPC: 1", "Dnt:  1 "] {
        assert_eq!(server.outcome("/a", &[wish]), "counted");
        assert_eq!(server.outcome("/a", &[wish]), "counted");
    }
    // None of them was remembered.
    assert_eq!(server.outcome("/a", &["DNT: 0"]), "counted");
    assert_eq!(server.outcome("/a", &["DNT: 0"]), "repeat");
}

#[test]
fn a_view_that_was_not_journaled_does_not_make_the_next_one_a_repeat() {
    let server = start(once_in("30m"));
    server.faults.full.store(true, SeqCst);
    for _ in 0..3 {
        assert_eq!(server.ask("POST", VIEWS, &[], "").status, 503);
    }
    server.faults.full.store(false, SeqCst);
    wait_for("room in the journal", || {
        let answer = server.ask("POST", VIEWS, &[], "");
        assert!(answer.status == 503 || answer.json()["counted"] == true, "{}", answer.text());
        answer.status == 200
    });
    assert_eq!(server.ask("POST", VIEWS, &[], "").json()["reason"], "repeat");
    assert_eq!(server.total(), 1);
}

/// Minutes since 10:00.
static MINUTES: AtomicI64 = AtomicI64::new(0);

fn later() -> DateTime<Utc> {
    now() + TimeDelta::minutes(MINUTES.load(SeqCst))
}

#[test]
fn a_visitor_counts_again_after_the_window_and_after_midnight() {
    let server = start(Options { clock: later, ..once_in("24h") });
    assert_eq!(server.outcome("/a", &[]), "counted");
    // 23:59, and midnight.
    MINUTES.store(14 * 60 - 1, SeqCst);
    assert_eq!(server.outcome("/a", &[]), "repeat");
    MINUTES.store(14 * 60, SeqCst);
    assert_eq!(server.outcome("/a", &[]), "counted");
    let server = start(Options { clock: later, ..once_in("30m") });
    let begun = MINUTES.load(SeqCst);
    for (minute, expected) in [(0, "counted"), (29, "repeat"), (30, "counted"), (59, "repeat"), (60, "counted")] {
        MINUTES.store(begun + minute, SeqCst);
        assert_eq!(server.outcome("/a", &[]), expected, "{minute}");
    }
}

#[test]
fn requests_without_a_user_agent_and_requests_of_programs_are_bots() {
    let server = start(Options {
        bots: BotRules { deny: vec!["Evil".into()], allow: vec!["wget/9".into()], headless: false },
        ..Options::default()
    });
    for (agent, expected) in [
        ("", "bot"),
        ("curl/8.5.0", "bot"),
        ("python-requests/2.32.3", "bot"),
        ("node", "bot"),
        ("kube-probe/1.30", "bot"),
        ("Mozilla/5.0 evil", "bot"),
        ("Wget/9", "counted"),
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36", "counted"),
        (AGENT, "counted"),
    ] {
        assert_eq!(server.outcome("/a", &[&format!("User-Agent: {agent}")]), expected, "{agent}");
    }
    let mut client = server.connect();
    client.send(format!("POST {VIEWS} HTTP/1.1\r\nHost: t\r\n\r\n"));
    assert_eq!(client.answer().json()["reason"], "bot");
    assert_eq!(server.outcome("/a", &[&format!("User-Agent: {AGENT}"), "User-Agent: Googlebot"]), "bot");
    assert_eq!(server.total(), 3);
}

#[test]
fn remembered_repeats_are_bounded_and_forgotten() {
    use truycap::{
        audience::{Claim, MAX_REMEMBERED, Repeats},
        domain::site::{Site, SiteId},
    };
    let rules = Rules { repeat_window: Duration::from_secs(1800), ..Rules::default() };
    let site = Site {
        id: SiteId::parse("portal").unwrap(),
        aliases: Vec::new(),
        origins: vec![],
        timezone: chrono_tz::Tz::Asia__Ho_Chi_Minh,
        sections: vec![],
        rules,
    };
    let repeats = Repeats::default();
    let view = |number: usize, at| match repeats.claim(&site, None, [&number.to_le_bytes(), b"agent"], at) {
        Claim::First(mut guard) => {
            guard.keep();
            "first"
        }
        Claim::Repeat => "repeat",
        Claim::Unknown => "unknown",
    };
    (0..MAX_REMEMBERED).for_each(|number| assert_eq!(view(number, now()), "first"));
    // Above the maximum every view counts, and remembered visitors still count once.
    for _ in 0..2 {
        assert_eq!(view(MAX_REMEMBERED, now()), "unknown");
    }
    assert_eq!(view(0, now()), "repeat");
    assert_eq!(repeats.remembered(), MAX_REMEMBERED);
    assert_eq!(view(MAX_REMEMBERED, now() + TimeDelta::minutes(30)), "first");
    assert_eq!(repeats.remembered(), 1);
    // A claim that is dropped is not remembered.
    drop(repeats.claim(&site, None, [b"x", b""], now() + TimeDelta::minutes(31)));
    assert_eq!(repeats.remembered(), 1);
    // A day is forgotten at the site's midnight, even without further views. A claim in progress is forgotten after that.
    let midnight = now() + TimeDelta::hours(14);
    repeats.forget(midnight - TimeDelta::seconds(1));
    assert_eq!(repeats.remembered(), 1);
    let in_progress = repeats.claim(&site, None, [b"x", b""], midnight - TimeDelta::seconds(1));
    repeats.forget(midnight);
    drop(in_progress);
    repeats.forget(midnight);
    assert_eq!(repeats.remembered(), 0);
    assert_eq!(view(0, midnight), "first");
}

#[test]
fn figures_include_visitors_if_the_site_enables_them() {
    MINUTES_OF_VISITORS.store(0, SeqCst);
    let options = behind_a_proxy(Rules { visitors: true, ..Rules::default() });
    let server = start(Options { clock: visitors_later, ..options });
    let shown = || server.get("/v1/sites/portal/figures").json()["visitors"].clone();
    let view = |headers: &[&str]| server.ask("POST", VIEWS, headers, "").json()["visitors"].clone();
    assert_eq!(shown(), json!({ "online": 0, "visitors_today": 0 }));
    let (one, two) = (from("203.0.113.5"), from("203.0.113.6"));
    assert_eq!(view(&[&one]), json!({ "online": 1, "visitors_today": 1 }));
    assert_eq!(view(&[&one]), json!({ "online": 1, "visitors_today": 1 }));
    assert_eq!(view(&[&two]), json!({ "online": 2, "visitors_today": 2 }));
    // Bots and visitors who do not want to be tracked are not included.
    assert_eq!(view(&[&from("203.0.113.7"), "User-Agent: Googlebot"]), json!({ "online": 2, "visitors_today": 2 }));
    assert_eq!(view(&[&from("203.0.113.7"), "DNT: 1"]), json!({ "online": 2, "visitors_today": 2 }));
    MINUTES_OF_VISITORS.store(5, SeqCst);
    assert_eq!(server.ask("GET", GIF, &[&two], "").status, 200);
    assert_eq!(shown(), json!({ "online": 2, "visitors_today": 2 }));
    MINUTES_OF_VISITORS.store(6, SeqCst);
    assert_eq!(shown(), json!({ "online": 1, "visitors_today": 2 }));
    // After midnight no visitor is remembered.
    MINUTES_OF_VISITORS.store(14 * 60, SeqCst);
    assert_eq!(shown(), json!({ "online": 0, "visitors_today": 0 }));
    assert_eq!(view(&[&one]), json!({ "online": 1, "visitors_today": 1 }));
    let other = start(Options::default());
    assert!(other.view("/a").json().get("visitors").is_none());
    assert!(other.get("/v1/sites/portal/figures").json().get("visitors").is_none());
}

static MINUTES_OF_VISITORS: AtomicI64 = AtomicI64::new(0);

fn visitors_later() -> DateTime<Utc> {
    now() + TimeDelta::minutes(MINUTES_OF_VISITORS.load(SeqCst))
}

#[test]
fn remembered_visitors_are_bounded_and_forgotten_at_midnight() {
    use truycap::{
        audience::{Estimate, MAX_VISITORS, Visitors},
        domain::site::{Site, SiteId},
    };
    let site = Site {
        id: SiteId::parse("portal").unwrap(),
        aliases: Vec::new(),
        origins: vec![],
        timezone: chrono_tz::Tz::Asia__Ho_Chi_Minh,
        sections: vec![],
        rules: Rules::default(),
    };
    let visitors = Visitors::new(false);
    for number in 0..MAX_VISITORS + 1000 {
        visitors.record(&site, [&number.to_le_bytes(), b"agent"], now());
    }
    let most = MAX_VISITORS as u64;
    assert_eq!(visitors.estimate(&site, now()), Some(Estimate { online: most, visitors_today: most }));
    // The day is forgotten at the site's midnight, which makes room for visitors of other sites.
    let khoa = Site { id: SiteId::parse("khoa").unwrap(), ..site.clone() };
    for (hours, expected) in [(13, 0), (14, 1)] {
        visitors.forget(now() + TimeDelta::hours(hours));
        visitors.record(&khoa, [b"x", b"agent"], now());
        assert_eq!(visitors.estimate(&khoa, now()).unwrap().visitors_today, expected, "{hours}");
    }
}
