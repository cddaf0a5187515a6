//! What was not counted, by reason, over crashes.
//!
//! No client waits until it is durable. But it is in the journal before a view that comes later, so what was answered before a view that
//! was acknowledged must not be lost.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use truycap_test_support::redis_server::Server;

use super::process::{
    Place, Service,
    client::{Answer, Client},
    eventually,
};

const SITES: &str =
    r#"[{ id = "portal", origins = ["https://portal.example.vn"], repeat_window = "1h", max_views_per_second = 20, articles = "^/tin/" }]"#;

const REASONS: [&str; 6] = ["bot", "prefetch", "repeat", "foreign", "rate_limited", "article_pattern"];

/// The visitors that send at once.
const VISITORS: u64 = 3;

/// How many requests had which outcome.
type Outcomes = BTreeMap<String, u64>;

/// What visitors know of their requests.
#[derive(Clone, Default)]
struct Tally {
    answered: Outcomes,
    /// What must be counted whenever the service is killed.
    sure: Outcomes,
    unanswered: u64,
}

/// Numbers that no two requests share, so that each can be another visitor's.
static NUMBER: AtomicU64 = AtomicU64::new(0);

fn send(client: &mut Client, number: u64) -> io::Result<Answer> {
    let unique = format!("Mozilla/5.0 (visitor {number})");
    let (agent, header, article) = match number % 8 {
        0 => ("curl/8.5.0", "", "/tin/1"),
        1 => (&*unique, "sec-purpose: prefetch\r\n", "/tin/1"),
        2 => (&*unique, "origin: https://elsewhere.example\r\n", "/tin/1"),
        3 => ("Mozilla/5.0 (the same)", "origin: https://portal.example.vn\r\n", "/tin/2"),
        4 => (&*unique, "", "/khac"),
        _ => (&*unique, "", "/tin/1"),
    };
    let body = format!("{{\"article\":\"{article}\"}}");
    let head = format!("host: x\r\nuser-agent: {agent}\r\n{header}content-type: application/json\r\ncontent-length: {}", body.len());
    client.send(&format!("POST /v1/sites/portal/views HTTP/1.1\r\n{head}\r\n\r\n{body}"))?;
    client.answer()
}

/// The outcomes that an answer names: a view that counts for the site alone has two.
fn outcomes(answer: &Answer) -> Vec<String> {
    match answer.status {
        403 => vec!["foreign".into()],
        429 => vec!["rate_limited".into()],
        200 => {
            let body = answer.json();
            let reason = body["reason"].as_str().map(str::to_owned);
            (body["counted"] == true).then(|| "counted".to_owned()).into_iter().chain(reason).collect()
        }
        _ => panic!("{answer:?}"),
    }
}

fn add(sums: &mut Outcomes, more: &Outcomes) {
    for (outcome, count) in more {
        *sums.entry(outcome.clone()).or_default() += count;
    }
}

/// Sends requests until the service is gone or `stop` is true.
fn visit(address: &str, tally: &Mutex<Tally>, stop: &AtomicBool) {
    let mut client = Client::connect(address).unwrap();
    while !stop.load(Ordering::Relaxed) {
        let before = tally.lock().unwrap().answered.clone();
        let answer = send(&mut client, NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut tally = tally.lock().unwrap();
        let Ok(answer) = answer else {
            tally.unanswered += 1;
            return;
        };
        let outcomes = outcomes(&answer);
        outcomes.iter().for_each(|outcome| *tally.answered.entry(outcome.clone()).or_default() += 1);
        if outcomes[0] == "counted" {
            for (outcome, count) in before {
                let sure = tally.sure.entry(outcome).or_default();
                *sure = count.max(*sure);
            }
        }
    }
}

/// Lets visitors send until there are some of each outcome, and kills the service.
fn round(service: Service) -> Tally {
    let (tally, stop, address) = (Mutex::new(Tally::default()), AtomicBool::new(false), service.public.clone());
    thread::scope(|scope| {
        for _ in 0..VISITORS {
            scope.spawn(|| visit(&address, &tally, &stop));
        }
        eventually("there are some of each outcome", || {
            let sure = &tally.lock().unwrap().sure;
            REASONS.iter().all(|reason| sure.get(*reason).is_some_and(|count| *count > 1)).then_some(())
        });
        service.process.kill();
    });
    tally.into_inner().unwrap()
}

/// The totals of an export, by outcome.
fn exported(place: &Place) -> Outcomes {
    let export = place.ok(&["export"]);
    let totals = export.lines().filter_map(|line| {
        let bucket = line.strip_prefix("portal,,")?;
        let (bucket, count) = bucket.rsplit_once(',')?;
        let outcome = if bucket == "total" { "counted" } else { bucket.strip_suffix(":total")? };
        Some((outcome.to_owned(), count.parse().unwrap()))
    });
    totals.collect()
}

/// The sum of a history of this year and the next one.
fn history(service: &Service, of: &str) -> u64 {
    let of = if of == "counted" { String::new() } else { format!("&of={of}") };
    let answer = service.get(&format!("/v1/sites/portal/history?by=year&from=2020&to=2100{of}"));
    answer.json()["buckets"].as_array().unwrap().iter().map(|bucket| bucket["views"].as_u64().unwrap()).sum()
}

fn nothing_is_lost_or_counted_twice(place: &Place) {
    let place = place.clone().with("SITES", SITES).with("STORE__FLUSH_INTERVAL", "20ms").with("CLIENTS__MAX_REQUESTS_PER_SECOND", "0");
    let (mut least, mut most, mut unanswered) = (Outcomes::new(), Outcomes::new(), 0);
    for _ in 0..4 {
        let tally = round(place.start());
        add(&mut least, &tally.sure);
        add(&mut most, &tally.answered);
        unanswered += tally.unanswered;
    }
    let service = place.start();
    let (address, tally) = (service.public.clone(), Mutex::new(Tally::default()));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| visit(&address, &tally, &stop));
        eventually("some are answered", || (tally.lock().unwrap().answered.values().sum::<u64>() > 200).then_some(()));
        stop.store(true, Ordering::Relaxed);
    });
    // An orderly stop writes all.
    service.stop();
    let tally = tally.into_inner().unwrap();
    assert_eq!(tally.unanswered, 0);
    add(&mut least, &tally.answered);
    add(&mut most, &tally.answered);
    let counted = exported(&place);
    for outcome in REASONS.iter().chain(&["counted"]) {
        let [least, counted, most] = [&least, &counted, &most].map(|sums| sums.get(*outcome).copied().unwrap_or_default());
        eprintln!("{outcome}: {least} <= {counted} <= {most} + {unanswered}");
        assert!(least <= counted && counted <= most + unanswered, "{outcome}: {least} <= {counted} <= {most} + {unanswered}");
    }
    let service = place.start();
    for (outcome, count) in &counted {
        eventually("the history is that of the export", || (history(&service, outcome) == *count).then_some(()));
    }
    // Without any view, it is in the store a moment later, and a crash does not lose it.
    let bots = counted["bot"];
    for number in 0..30 {
        assert_eq!(outcomes(&send(&mut service.client(), 8 * number).unwrap()), ["bot"]);
    }
    eventually("the bots are counted", || (history(&service, "bot") == bots + 30).then_some(()));
    service.process.kill();
    assert_eq!(exported(&place)["bot"], bots + 30);
}

#[test]
fn what_was_not_counted_survives_crashes() {
    nothing_is_lost_or_counted_twice(&Place::new());
}

#[test]
fn what_was_not_counted_survives_crashes_on_redis() {
    let server = Server::start(&[]);
    nothing_is_lost_or_counted_twice(&Place::new().with("STORE__URL", &server.url()));
}
