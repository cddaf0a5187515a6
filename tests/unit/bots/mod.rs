//! Bots are recognised, and common browsers are not taken for bots.
//!
//! `cargo test --test unit bots:: -- --nocapture` prints recall, false positives and the time of a check.

use std::{hint::black_box, time::Instant};

use truycap::audience::{BotRules, Bots};

/// User agents of bots: the instances of the npm package crawler-user-agents (MIT, see LICENSE in this directory).
const CRAWLERS: &str = include_str!("crawlers.txt");

const BROWSERS: &str = include_str!("browsers.txt");

fn agents(file: &str) -> Vec<&str> {
    file.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

fn bots(rules: &BotRules) -> Bots {
    Bots::new(rules).unwrap()
}

fn rules(deny: &[&str], allow: &[&str]) -> BotRules {
    let own = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
    BotRules { deny: own(deny), allow: own(allow), ..BotRules::default() }
}

/// Counts and prints how many of the agents match a rule.
fn count(what: &str, agents: &[&str], rule: impl Fn(&str) -> bool) -> usize {
    let found = agents.iter().filter(|agent| rule(agent)).count();
    println!("{what}: {found} of {} are bots: {:.2} %", agents.len(), 100.0 * found as f64 / agents.len() as f64);
    found
}

#[test]
fn at_least_99_percent_of_known_bots_and_no_common_browsers_are_recognised() {
    let bots = bots(&BotRules::default());
    let (crawlers, browsers) = (agents(CRAWLERS), agents(BROWSERS));
    assert!(crawlers.len() > 2000 && browsers.len() >= 100);
    let four_words = |agent: &str| ["bot", "crawler", "spider", "slurp"].iter().any(|word| agent.to_lowercase().contains(word));
    count("crawlers, by four words alone", &crawlers, four_words);
    count("browsers, by four words alone", &browsers, four_words);
    let recognised = count("crawlers, by all rules", &crawlers, |agent| bots.is_bot(agent.as_bytes()));
    let missed: Vec<_> = crawlers.iter().filter(|agent| !bots.is_bot(agent.as_bytes())).collect();
    println!("missed: {missed:#?}");
    assert!(recognised * 100 >= crawlers.len() * 99);
    count("browsers, by all rules", &browsers, |agent| bots.is_bot(agent.as_bytes()));
    let mistaken: Vec<_> = browsers.iter().filter(|agent| bots.is_bot(agent.as_bytes())).collect();
    assert!(mistaken.is_empty(), "{mistaken:#?}");
}

/// Prints the time of a check. The bound is far above the usual time, because the machine may be busy.
#[test]
fn a_check_is_fast() {
    let start = Instant::now();
    let _ = bots(&BotRules::default());
    println!("building the rules: {:?}", start.elapsed());
    let all: Vec<_> = agents(BROWSERS).into_iter().chain(agents(CRAWLERS)).collect();
    // Each agent joins as many different prefixes of names as fit: the worst case for a lazily built automaton.
    let names = agents(CRAWLERS);
    let mixed: Vec<String> = (0..500)
        .map(|n| (0..120).map(|m| names[(n * 131 + m * 17) % names.len()].chars().take(2 + m % 7).collect::<String>()).collect())
        .collect();
    let mixed: Vec<&str> = mixed.iter().map(|agent| agent.get(..900).unwrap_or(agent)).collect();
    let long = "Mozilla/5.0 (".repeat(1000);
    for (what, agents) in
        [("browsers", agents(BROWSERS)), ("browsers and crawlers", all), ("made up", mixed), ("13 000 bytes", vec![long.as_str()])]
    {
        let mut each = f64::MAX;
        for _ in 0..5 {
            // New rules in each round, because results are cached by agent.
            let bots = bots(&BotRules::default());
            let start = Instant::now();
            black_box(agents.iter().filter(|agent| bots.is_bot(black_box(agent.as_bytes()))).count());
            each = each.min(start.elapsed().as_secs_f64() / agents.len() as f64);
        }
        println!("{what}: {:.2} µs each, the fastest of 5 rounds", each * 1e6);
        assert!(each < 1e-3, "{what}: {each} s");
    }
}

#[test]
fn a_repeated_agent_gets_the_same_result() {
    let bots = bots(&BotRules::default());
    // More agents than the cache holds.
    let all: Vec<_> = agents(BROWSERS).into_iter().chain(agents(CRAWLERS)).collect();
    let found = || all.iter().map(|agent| bots.is_bot(agent.as_bytes())).collect::<Vec<_>>();
    assert_eq!(found(), found());
    assert!(!bots.is_bot(agents(BROWSERS)[0].as_bytes()));
}

#[test]
fn an_empty_agent_is_a_bot() {
    let bots = bots(&rules(&[], &["#"]));
    for (agent, is) in
        [(&b""[..], true), (b" \t", true), (b"Mozilla/5.0", false), (b"Mozilla/5.0 \xff\xfe", false), (b"Mozilla/5.0 \xff Googlebot", true)]
    {
        assert_eq!(bots.is_bot(agent), is, "{agent:?}");
    }
}

/// Programs that the list does not name, or only in part.
const PROGRAMS: [&str; 38] = [
    "node",
    "undici",
    "Deno/2.1.4",
    "Bun/1.2.0",
    "Java/17.0.2",
    "Java-http-client/21.0.1",
    "Dart/3.2 (dart:io)",
    "GuzzleHttp/7",
    "reqwest/0.12",
    "PHP/8.2.1",
    "Ruby",
    "Python-urllib/3.12",
    "PostmanRuntime/7.39.0",
    "insomnia/10.0.0",
    "WindowsPowerShell",
    "kube-probe/1.30",
    "ELB-HealthChecker/2.0",
    "Prometheus-Blackbox-Exporter/0.25",
    "Blackbox Exporter/0.25.0",
    "Nagios",
    "check_http/v2.3.3 (monitoring-plugins 2.3.3)",
    "nginx-health-check",
    "HealthChecks/1.0",
    "k6/0.54.0",
    "ApacheBench/2.3",
    "NetNewsWire (RSS Reader)",
    "Dalvik/2.1.0 (Linux; U; Android 14; SM-A155F Build/UP1A.231005.007)",
    "App/5.2 CFNetwork/1410 Darwin/22",
    "Microsoft Office Existence Discovery",
    "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17928; Pro)",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Viber",
    "WhatsApp/2.24.20.89 A",
    "facebookexternalhit/1.1",
    "meta-externalfetcher/1.1",
    // iMessage's preview of a link.
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_1) AppleWebKit/601.2.4 (KHTML, like Gecko) Version/9.0.1 Safari/601.2.4 facebookexternalhit/1.1 Facebot Twitterbot/1.0",
    "mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (contact ops@monitoring.example.vn)",
];

#[test]
fn an_agent_that_does_not_begin_as_browsers_do_is_a_program() {
    let counted: Vec<_> = PROGRAMS.into_iter().filter(|agent| !bots(&BotRules::default()).is_bot(agent.as_bytes())).collect();
    assert_eq!(counted, [""; 0]);
    let allowed = bots(&rules(&[], &["CongThongTin/"]));
    assert!(!allowed.is_bot(b"congthongtin/3.1 CFNetwork/1410 Darwin/22"));
    assert!(allowed.is_bot(b"App/5.2 CFNetwork/1410 Darwin/22"));
}

#[test]
fn configured_words_extend_and_override_the_built_in_rules() {
    let bots = bots(&rules(&["PortalMonitor/", "(x)"], &["so-y-te-bot", "curl/"]));
    for (agent, is) in [
        ("Mozilla/5.0 portalmonitor/2", true),
        ("Mozilla/5.0 portalmonitor", false),
        ("Mozilla/5.0 (X)", true),
        ("Mozilla/5.0 X", false),
        ("SO-Y-TE-BOT/1.0", false),
        ("curl/8.5.0", false),
        ("Googlebot/2.1", true),
    ] {
        assert_eq!(bots.is_bot(agent.as_bytes()), is, "{agent}");
    }
    assert!(self::bots(&BotRules::default()).is_bot(b"curl/8.5.0"));
}

#[test]
fn headless_browsers_are_bots_unless_configured_otherwise() {
    let headless = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0.0.0 Safari/537.36";
    assert!(bots(&BotRules::default()).is_bot(headless.as_bytes()));
    let bots = bots(&BotRules { headless: false, ..BotRules::default() });
    assert!(!bots.is_bot(headless.as_bytes()));
    assert!(bots.is_bot(format!("{headless} Googlebot/2.1").as_bytes()));
}

#[test]
fn a_hundred_words_are_allowed_and_only_the_start_of_an_agent_is_checked() {
    let words: Vec<_> = (0..100).map(|number| format!("{number:02}{}", "x".repeat(98))).collect();
    let bots = bots(&BotRules { deny: words.clone(), allow: words, ..BotRules::default() });
    assert!(bots.is_bot(b"Googlebot/2.1"));
    let padded = |spaces: usize| format!("Mozilla/5.0{}Googlebot", " ".repeat(spaces));
    assert!(bots.is_bot(padded(1000).as_bytes()));
    assert!(!bots.is_bot(padded(1024).as_bytes()));
}
