//! `truycap explain` says what the service does.

use serde_json::Value;

use super::process::Place;

const SITES: &str = r#"[
    { id = "portal", origins = ["https://portal.example.vn", "https://*.portal.example.vn"], articles = "^/tin/" },
    { id = "khoa", origins = ["https://khoa.example.vn"], require_origin = true, repeat_window = "30m", max_views_per_second = 9, max_new_articles_per_day = 7 },
]"#;

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn place() -> Place {
    Place::new().with("SITES", SITES).with("BOTS__ALLOW", "our-monitor").with("BOTS__DENY", "ImageProxy")
}

/// The explanation, as text and as JSON.
fn explain(place: &Place, site: &str, agent: &str, more: &[&str]) -> (String, Value) {
    let arguments = [&["explain", site, "--agent", agent], more].concat();
    let json = place.ok(&[&arguments[..], &["--json"]].concat());
    (place.ok(&arguments), serde_json::from_str(&json).unwrap())
}

#[test]
fn the_rule_that_decides_is_named_with_what_to_change() {
    let place = place();
    let portal = |agent, more: &[&str]| explain(&place, "portal", agent, more);
    let khoa = |agent, more: &[&str]| explain(&place, "khoa", agent, more);
    let (own, elsewhere) = (["--origin", "https://tin.portal.example.vn"], ["--origin", "https://elsewhere.example"]);
    let cases = [
        (portal(BROWSER, &[&own[..], &["--article", "/tin/1"]].concat()), true, 200, None, "its article /tin/1: https://tin.portal"),
        (portal(BROWSER, &[]), true, 200, None, "counts for portal: it names no origin"),
        (
            portal(BROWSER, &["--article", "/khac"]),
            true,
            200,
            Some("article_pattern"),
            "alone (article_pattern): the article does not match the site's articles = \"^/tin/\"",
        ),
        (
            portal(BROWSER, &elsewhere),
            false,
            403,
            Some("foreign"),
            "https://elsewhere.example is not one of the site's origins (https://portal.example.vn, https://*.portal.example.vn)",
        ),
        (portal(BROWSER, &["--prefetch"]), false, 200, Some("prefetch"), "before the visitor opens it"),
        (portal("curl/8.5.0", &[]), false, 200, Some("bot"), "does not begin with Mozilla/"),
        (portal("Mozilla/5.0 (compatible; Googlebot/2.1)", &[]), false, 200, Some("bot"), "contains \"Googlebot"),
        (portal("", &[]), false, 200, Some("bot"), "does not begin with Mozilla/"),
        (portal("our-monitor/1 bot", &[]), true, 200, None, "counts for portal"),
        (portal("Mozilla/5.0 imageproxy", &[]), false, 200, Some("bot"), "contains \"imageproxy\""),
        (khoa(BROWSER, &[]), false, 403, Some("foreign"), "khoa has require_origin"),
        (khoa(BROWSER, &["--referrer", "https://khoa.example.vn/tin/1"]), true, 200, None, "the referrer is a page"),
    ];
    for ((text, json), counted, status, reason, words) in cases {
        assert!(text.contains(words), "{words}: {text}");
        assert_eq!(
            (json["counted"].as_bool(), json["status"].as_u64(), json["reason"].as_str()),
            (Some(counted), Some(status), reason),
            "{json}"
        );
    }
}

#[test]
fn rules_about_other_views_are_named() {
    let place = place().with("CLIENTS__TRUSTED_PROXIES", "10.0.0.0/8").with("CLIENTS__HEADER", "x-forwarded-for");
    let own = ["--origin", "https://khoa.example.vn", "--article", "/tin/1"];
    let (text, json) = explain(&place, "khoa", BROWSER, &own);
    let unless: Vec<_> = json["unless"].as_array().unwrap().iter().map(|rule| rule.as_str().unwrap()).collect();
    let keys = ["repeat_window = 30m", "max_views_per_second = 9", "clients.max_requests_per_second = ", "max_new_articles_per_day = 7"];
    assert!(keys.iter().zip(&unless).all(|(key, rule)| rule.contains(key)) && unless.len() == keys.len(), "{unless:?}");
    assert_eq!(text.matches("\n  unless ").count(), keys.len(), "{text}");
    let (_, json) = explain(&place, "khoa", BROWSER, &[&own[..], &["--client", "10.1.2.3"]].concat());
    assert!(json["unless"][2].as_str().unwrap().contains("10.1.2.3, which is one of clients.trusted_proxies"), "{json}");
}

#[test]
fn the_service_does_the_same() {
    let place = place();
    let service = place.start();
    for (agent, origin, article) in [
        (BROWSER, "https://portal.example.vn", "/tin/1"),
        (BROWSER, "https://portal.example.vn", "/khac"),
        (BROWSER, "https://portal.example", "/tin/1"),
        ("curl/8.5.0", "https://portal.example.vn", "/tin/1"),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", "https://a.portal.example.vn", "/tin/1"),
    ] {
        let (_, explained) = explain(&place, "portal", agent, &["--origin", origin, "--article", article]);
        let (mut client, body) = (service.client(), format!("{{\"article\":\"{article}\"}}"));
        let head = format!(
            "host: x\r\nuser-agent: {agent}\r\norigin: {origin}\r\ncontent-type: application/json\r\ncontent-length: {}",
            body.len()
        );
        client.send(&format!("POST /v1/sites/portal/views HTTP/1.1\r\n{head}\r\n\r\n{body}")).unwrap();
        let answer = client.answer().unwrap();
        assert_eq!(explained["status"], answer.status, "{explained}");
        if answer.status == 200 {
            assert_eq!((&explained["counted"], &explained["reason"]), (&answer.json()["counted"], &answer.json()["reason"]), "{explained}");
        }
    }
    service.stop();
}

#[test]
fn mistakes_say_what_to_write() {
    let place = place();
    for (arguments, words) in [
        (["explain", "portl", "--agent", "x"], "there is no site \"portl\"; configured: portal, khoa"),
        (["explain", "portal", "--agent=x", "--origin=portal.example.vn"], "--origin: \"portal.example.vn\" is not an origin: write it as"),
    ] {
        let done = place.run(&arguments);
        assert_eq!(done.code, Some(1), "{}", done.err);
        assert!(done.err.contains(words), "{}", done.err);
    }
}

/// A page can send an id that hides or reorders what is around it on a terminal.
#[test]
fn hidden_characters_of_an_id_are_shown_as_escapes() {
    let place = place();
    let id = "/tin/\u{202e}1\u{200b}";
    let shown = r"/tin/\u{202e}1\u{200b}";
    let explained = place.ok(&["explain", "portal", "--agent=Mozilla/5.0", "--article", id]);
    assert!(explained.contains(shown) && !explained.contains(id), "{explained}");
    place.ok(&["import", &place.write("past.csv", "site,article,period,views\nportal,/tin/1,2019,7\n")]);
    let deleted = place.run(&["delete", "portal", "--article", id, "--reason", "thử"]);
    assert!(deleted.err.contains(&format!("article {shown} of site portal has no views")), "{}", deleted.err);
}
