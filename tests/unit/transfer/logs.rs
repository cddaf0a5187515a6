//! Access logs count each view once, in every format, however they grow and are cut.

use std::{collections::HashMap, fs::File, io::Write as _, path::Path};

use chrono::{DateTime, NaiveDate, Utc};
use flate2::{Compression, write::GzEncoder};
use truycap::{
    audience::{BotRules, Bots},
    domain::{
        correction::{CorrectionKind, Note},
        retention::Retention,
        site::{Origin, Rules, Site},
    },
    store::{Store, memory::MemoryStore},
    transfer::{
        Until,
        logs::{Format, Line, Log, LogError, LogSummary, Parser, Reason, Request, SiteAlone, Target, ViewRules, import_log},
    },
};
use truycap_test_support::access_log::{BROWSER, Traffic};

use super::{Files, Memory, exported, site};

fn at(time: &str) -> DateTime<Utc> {
    time.parse().unwrap()
}

fn later() -> DateTime<Utc> {
    at("2026-11-05T00:00:00Z")
}

fn store() -> Memory {
    MemoryStore::new(Retention::default(), later)
}

fn portal() -> Site {
    let origins = ["https://portal.example.vn", "https://*.xa.example.vn"].map(|origin| Origin::parse_configured(origin).unwrap()).into();
    Site {
        id: site("portal"),
        origins,
        timezone: chrono_tz::Asia::Ho_Chi_Minh,
        aliases: Vec::new(),
        sections: Vec::new(),
        rules: Rules::default(),
    }
}

fn note() -> Note {
    Note { at: later(), kind: CorrectionKind::Import, what: "a log".into(), reason: String::new(), undoes: None }
}

/// What a test can choose.
#[derive(Default)]
struct Options {
    format: Option<Format>,
    until: Option<Until>,
    not_pages: Vec<&'static str>,
    articles: Option<&'static str>,
}

async fn import_with(target: &mut Target<'_>, path: &Path, options: &Options) -> Result<LogSummary, LogError> {
    let (mut portal, bots) = (portal(), Bots::new(&BotRules::default()).unwrap());
    portal.rules.articles = options.articles.map(|pattern| regex::Regex::new(pattern).unwrap());
    let not_pages = options.not_pages.iter().map(|pattern| pattern.parse().unwrap()).collect();
    let rules = ViewRules { site: &portal, bots: &bots, not_pages, until: options.until, now: later() };
    let log = Log::open(File::open(path).unwrap(), options.format)?;
    import_log(target, log, &rules, note(), |_| {}).await
}

async fn import(store: &Memory, path: &Path) -> Result<LogSummary, LogError> {
    import_with(&mut Target::Store(store), path, &Options::default()).await
}

/// The counters after the import of the true views as CSV.
async fn truth(traffic: &Traffic) -> String {
    let (files, store) = (Files::new(), store());
    let path = files.write("truth.csv", traffic.as_csv("portal"));
    let reading = super::Reading { today: later().date_naive(), ..super::reading() };
    let checked = truycap::transfer::check(&path, File::open(&path).unwrap(), &reading, |_, _| {}).unwrap();
    truycap::transfer::import(&store, &checked, later(), "", |_, _| {}).await.unwrap();
    exported(&store).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn assert_left_out(summary: &LogSummary, traffic: &Traffic) {
    let left_out = summary.counts.left_out.iter().map(|(reason, lines)| (reason.name(), lines.count)).collect();
    assert_eq!(traffic.left_out, left_out);
    assert_eq!((summary.counts.views(), summary.counts.not_understood.0.count), (traffic.total(), 0));
    assert_eq!((&summary.counts.visits, summary.counts.visits()), (&traffic.visits, Some(traffic.all_visits())));
}

#[tokio::test]
async fn a_week_in_any_format_has_the_true_counts() {
    let traffic = Traffic::week(20_000, 1);
    let (files, truth) = (Files::new(), truth(&traffic).await);
    let logs = [("combined", traffic.combined()), ("nginx-json", traffic.nginx_json()), ("caddy", traffic.caddy()), ("w3c", traffic.w3c())];
    for (format, log) in logs {
        let store = store();
        let summary = import(&store, &files.write(format, log)).await.unwrap();
        assert_eq!(summary.format.unwrap().name(), format);
        assert_left_out(&summary, &traffic);
        let (found, expected) = (exported(&store).await, truth.clone());
        let first = found.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
        assert!(found == expected, "{format}: {first:?}");
        let entry = store.audit(&site("portal"), 0).await.unwrap().remove(0);
        assert_eq!((entry.number, summary.number), (1, Some(1)));
        assert_eq!(entry.site_views, traffic.total().cast_signed());
    }
}

/// A log whose parts were read one after the other.
async fn read_in_parts(log: &[u8], cuts: &[usize], pack: impl Fn(&[u8], usize) -> (String, Vec<u8>)) -> (Memory, Vec<LogSummary>) {
    let (files, store) = (Files::new(), store());
    let mut summaries = Vec::new();
    for (part, &cut) in cuts.iter().enumerate() {
        let (name, bytes) = pack(&log[..cut], part);
        summaries.push(import(&store, &files.write(&name, bytes)).await.unwrap());
    }
    (store, summaries)
}

#[tokio::test]
async fn a_log_that_grows_is_renamed_and_is_compressed_counts_each_line_once() {
    let traffic = Traffic::week(6000, 2);
    let truth = truth(&traffic).await;
    for log in [traffic.combined(), traffic.w3c()] {
        let all = log.len();
        // Most cuts are within lines.
        let cuts = [150, all / 9, all / 9, all / 3, all / 3 + 1, all / 2, all - 1, all, all];
        let pack = |bytes: &[u8], part: usize| match part % 3 {
            0 => ("access.log".to_owned(), bytes.to_vec()),
            1 => ("access.log.1".to_owned(), bytes.to_vec()),
            // Compressed in two members, as by an append.
            _ => ("access.log.1.gz".to_owned(), [gzip(&bytes[..bytes.len() / 2]), gzip(&bytes[bytes.len() / 2..])].concat()),
        };
        let (store, summaries) = read_in_parts(&log, &cuts, pack).await;
        assert!(exported(&store).await == truth);
        assert_eq!(summaries.iter().map(|summary| summary.counts.views()).sum::<u64>(), traffic.total());
        assert_eq!(summaries.iter().filter_map(|summary| summary.number).max(), Some(1), "one entry of the audit list for a log");
        assert_eq!(
            summaries.last().unwrap().to_string().lines().next().unwrap().split_once(": ").unwrap().1,
            "was already imported, nothing was added"
        );
    }
}

#[tokio::test]
async fn a_rotation_makes_two_logs_that_are_read_in_any_order() {
    let traffic = Traffic::week(5000, 3);
    let (truth, log) = (truth(&traffic).await, traffic.combined());
    let cut = log[..log.len() / 2].iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
    for order in [[0, 1], [1, 0]] {
        let (files, store) = (Files::new(), store());
        // The first part was read up to its middle before the rotation.
        import(&store, &files.write("access.log", &log[..cut / 2])).await.unwrap();
        let parts = [files.write("access.log.1", &log[..cut]), files.write("access.log", &log[cut..])];
        for part in order {
            import(&store, &parts[part]).await.unwrap();
        }
        for part in parts {
            assert_eq!(import(&store, &part).await.unwrap().counts.lines, 0);
        }
        assert!(exported(&store).await == truth);
    }
}

#[tokio::test]
async fn a_log_that_was_cut_or_changed_is_refused_and_adds_nothing() {
    let log = Traffic::week(2000, 4).combined();
    let (files, store) = (Files::new(), store());
    import(&store, &files.write("a.log", &log)).await.unwrap();
    let before = exported(&store).await;
    let error = import(&store, &files.write("a.log", &log[..log.len() / 2])).await.unwrap_err();
    assert!(matches!(error, LogError::Shorter { .. }), "{error}");
    let mut changed = log.clone();
    let digit = log.len() / 2 + log[log.len() / 2..].iter().position(u8::is_ascii_digit).unwrap();
    changed[digit] = if log[digit] == b'7' { b'8' } else { b'7' };
    changed.extend_from_slice(&log);
    let error = import(&store, &files.write("a.log", changed)).await.unwrap_err();
    assert!(matches!(error, LogError::Changed(_)), "{error}");
    assert_eq!(exported(&store).await, before);
}

/// The way out that the error of a changed log names.
#[tokio::test]
async fn a_log_with_the_first_line_of_another_counts_after_a_comment_in_each_format() {
    let traffic = Traffic::week(200, 7);
    let logs = [("combined", traffic.combined()), ("nginx-json", traffic.nginx_json()), ("caddy", traffic.caddy()), ("w3c", traffic.w3c())];
    for (format, log) in logs {
        let (files, store) = (Files::new(), store());
        import(&store, &files.write("web1", &log)).await.unwrap();
        let other: Vec<u8> = [&log[..log.len() - 2], b" \n".as_slice(), &log].concat();
        let error = import(&store, &files.write("web2", other)).await.unwrap_err().to_string();
        assert!(error.contains("always put the same comment line before it: (echo '# NAME'; cat LOG)"), "{error}");
        let summary = import(&store, &files.write("web2", [b"# web2\n".as_slice(), &log].concat())).await.unwrap();
        assert_eq!((summary.format.unwrap().name(), summary.number), (format, Some(2)));
        assert_left_out(&summary, &traffic);
    }
    let mut common = Parser::new(Format::Common, &[]);
    assert!(matches!(common.parse(b"# web2"), Some(Line::Other)));
}

#[tokio::test]
async fn a_log_that_was_taken_back_can_be_imported_again() {
    let traffic = Traffic::week(3000, 5);
    let (files, store, truth) = (Files::new(), store(), truth(&traffic).await);
    let path = files.write("a.log", traffic.combined());
    import(&store, &path).await.unwrap();
    take_back(&store, 1).await;
    assert_eq!(exported(&store).await, "site,article,bucket,views\n");
    let again = import(&store, &path).await.unwrap();
    assert_eq!((again.number, again.counts.views()), (Some(3), traffic.total()));
    assert!(exported(&store).await == truth);
    assert_eq!(import(&store, &path).await.unwrap().counts.lines, 0);
}

/// Takes back a correction in one step for each of its steps.
async fn take_back(store: &Memory, number: u64) {
    use truycap::{
        domain::producer::{Digest, Position, ProducerId},
        store::{Corrected, Step},
    };
    let steps = store.audit(&site("portal"), number - 1).await.unwrap()[0].steps;
    let position = |seq| if seq == 0 { Position::START } else { Position { seq, digest: Digest(seq) } };
    for step in 1..=steps {
        let changes = store.changes(&site("portal"), number, steps + 1 - step).await.unwrap().unwrap();
        let changes = changes.iter().map(truycap::domain::correction::Change::inverse).collect();
        let note = Note { kind: CorrectionKind::Undo, undoes: Some(number), ..note() };
        let step = Step { producer: ProducerId(99), from: position(step - 1), to: position(step), changes, note };
        let made = store.correct(&site("portal"), step.into()).await.unwrap();
        assert!(matches!(made, Corrected::Done { .. }), "{made:?}");
    }
}

#[tokio::test]
async fn two_imports_of_a_log_at_once_count_each_line_once() {
    let traffic = Traffic::week(8000, 6);
    let (files, store, truth) = (Files::new(), store(), truth(&traffic).await);
    let path = files.write("a.log", traffic.combined());
    let (a, b) = tokio::join!(import(&store, &path), import(&store, &path));
    assert_eq!(a.unwrap().counts.views() + b.unwrap().counts.views(), traffic.total());
    assert!(exported(&store).await == truth);
}

#[tokio::test]
async fn a_dry_run_reports_what_an_import_adds_and_writes_nothing() {
    let traffic = Traffic::week(3000, 7);
    let (files, store) = (Files::new(), store());
    let log = traffic.combined();
    let path = files.write("a.log", &log);
    let copy = files.write("a.log.gz", gzip(&log));
    let mut target = Target::DryRun(None, HashMap::new());
    let planned = import_with(&mut target, &path, &Options::default()).await.unwrap();
    assert_left_out(&planned, &traffic);
    assert_eq!(import_with(&mut target, &copy, &Options::default()).await.unwrap().counts.lines, 0, "the same log twice in one run");
    import(&store, &files.write("half.log", &log[..log.len() / 2])).await.unwrap();
    let before = store.image();
    let rest = import_with(&mut Target::DryRun(Some(&store), HashMap::new()), &path, &Options::default()).await.unwrap();
    assert_eq!(store.image(), before);
    let added = import(&store, &path).await.unwrap();
    assert_eq!(rest.counts, added.counts);
    assert!(rest.counts.views() > 0 && rest.counts.views() < planned.counts.views());
}

/// The counts of a log in the combined format whose lines have this time, target, status and agent.
async fn counts_of(lines: &[(&str, &str, u16, &str)], options: &Options) -> (String, LogSummary) {
    let (files, store) = (Files::new(), store());
    let lines =
        lines.iter().map(|(time, request, status, agent)| format!("192.0.2.1 - - [{time}] \"{request}\" {status} 10 \"-\" \"{agent}\"\n"));
    let path = files.write("a.log", lines.collect::<String>());
    let summary = import_with(&mut Target::Store(&store), &path, options).await.unwrap();
    (exported(&store).await, summary)
}

#[tokio::test]
async fn a_line_counts_on_the_day_of_its_own_time_in_the_zone_of_the_site() {
    let line = |time| (time, "GET /a HTTP/1.1", 200, BROWSER);
    let lines = ["31/Oct/2026:23:59:59 +0700", "31/Oct/2026:16:59:59 +0000", "31/Oct/2026:17:00:00 +0000", "01/Nov/2026:02:00:00 +0900"];
    let (counts, summary) = counts_of(&lines.map(line), &Options::default()).await;
    assert!(counts.contains("portal,/a,2026-10-31,2\n") && counts.contains("portal,/a,2026-11-01,2\n"), "{counts}");
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).unwrap();
    assert_eq!(summary.counts.days.last_key_value(), Some((&day(1), &2)));
    for until in [Until::Day(day(1)), Until::Moment(at("2026-10-31T17:00:00Z"))] {
        let (counts, summary) = counts_of(&lines.map(line), &Options { until: Some(until), ..Options::default() }).await;
        assert!(counts.contains("portal,,2026-10-31,2\n") && !counts.contains("2026-11-01"), "{counts}");
        assert_eq!(summary.counts.left_out[&Reason::Until].first, [3, 4]);
    }
    let (_, summary) = counts_of(&[line("05/Nov/2026:09:00:00 +0700"), line("31/Oct/2026:09:00:00 +0700")], &Options::default()).await;
    assert_eq!(summary.counts.left_out[&Reason::Future].first, [1]);
}

#[tokio::test]
async fn only_pages_that_people_read_are_views() {
    const TIME: &str = "01/Nov/2026:10:00:00 +0700";
    let lines = [
        (TIME, "GET /tin/1 HTTP/1.1", 200, BROWSER),
        (TIME, "GET /tin/1/ HTTP/2.0", 304, BROWSER),
        (TIME, "GET / HTTP/1.1", 200, BROWSER),
        (TIME, "GET /tin/v1.2 HTTP/1.1", 200, BROWSER),
        (TIME, "GET /bai.aspx?file=a.pdf HTTP/1.1", 200, BROWSER),
        (TIME, "GET /api/tin HTTP/1.1", 200, BROWSER),
        (TIME, "GET /tin?ajax=1 HTTP/1.1", 200, BROWSER),
        (TIME, "HEAD /tin/1 HTTP/1.1", 200, BROWSER),
        (TIME, "GET /tin/1 HTTP/1.1", 206, BROWSER),
        (TIME, "GET /a.JPG;jsessionid=1 HTTP/1.1", 200, BROWSER),
        (TIME, "GET /counter/v1/sites/portal/top HTTP/1.1", 200, BROWSER),
        (TIME, "GET /tin/1 HTTP/1.1", 200, "-"),
        (TIME, "GET /tin/1 HTTP/1.1", 200, "python-requests/2.32"),
        (TIME, "-", 408, "-"),
        (TIME, "GET /tin/a b HTTP/1.1", 200, BROWSER),
    ];
    let options = Options { not_pages: vec!["^/api/", "[?&]ajax="], articles: Some("^/tin"), ..Options::default() };
    let (counts, summary) = counts_of(&lines, &options).await;
    let lines_of = |reason| summary.counts.left_out[&reason].first.clone();
    assert_eq!(lines_of(Reason::NotPage), [6, 7]);
    assert_eq!((lines_of(Reason::Method), lines_of(Reason::Status)), (vec![8, 14], vec![9]));
    assert_eq!((lines_of(Reason::File), lines_of(Reason::Own), lines_of(Reason::Bot)), (vec![10], vec![11], vec![12, 13]));
    assert_eq!(summary.counts.site_alone[&SiteAlone::Home].first, [3]);
    assert_eq!(summary.counts.site_alone[&SiteAlone::Pattern].first, [5]);
    assert!(
        ["portal,,total,6\n", "portal,/tin/1,total,2\n", "portal,/tin/v1.2,total,1\n", "portal,/tin/a b,total,1\n"]
            .iter()
            .all(|row| counts.contains(row)),
        "{counts}"
    );
}

#[tokio::test]
async fn a_view_begins_a_visit_if_it_does_not_come_from_a_page_of_the_site() {
    let own =
        ["https://portal.example.vn", "https://portal.example.vn/a?b#c", "http://PORTAL.example.vn:8080/", "https://so-1.xa.example.vn/"];
    let elsewhere = [
        "-",
        "",
        "https://www.google.com/search?q=https://portal.example.vn/",
        "https://portal.example.vn.example.com/",
        "https://portal.example.vn@example.com/",
        "https://xa.example.vn/",
        "https://a.portal.example.vn/",
        "android-app://portal.example.vn/",
        "about:client",
        "portal.example.vn",
        "https://",
    ];
    for (referrers, visits) in [(&own[..], 0), (&elsewhere, elsewhere.len() as u64)] {
        let (files, store) = (Files::new(), store());
        let line = |referrer: &&str| {
            format!("192.0.2.7 - - [01/Nov/2026:10:15:00 +0700] \"GET /a HTTP/1.1\" 200 5 \"{referrer}\" \"{BROWSER}\"\n")
        };
        let summary = import(&store, &files.write("a.log", referrers.iter().map(line).collect::<String>())).await.unwrap();
        assert_eq!((summary.counts.views(), summary.counts.visits()), (referrers.len() as u64, Some(visits)));
        let row = format!("portal,,visits:2026-11-01,{visits}\n");
        assert_eq!(exported(&store).await.contains(&row), visits > 0);
    }
}

#[tokio::test]
async fn a_log_without_referrers_adds_no_visits_and_says_so() {
    let agent = BROWSER.replace(' ', "+");
    let logs = [
        ("common", "192.0.2.7 - - [01/Nov/2026:10:15:00 +0700] \"GET /a HTTP/1.1\" 200 5\n".to_owned()),
        ("w3c", format!("#Fields: date time cs-method cs-uri-stem sc-status cs(User-Agent)\n2026-11-01 03:15:00 GET /a 200 {agent}\n")),
        ("nginx-json", format!("{{\"msec\":1793502900.1,\"request\":\"GET /a HTTP/1.1\",\"status\":200,\"agent\":\"{BROWSER}\"}}\n")),
    ];
    for (format, log) in logs {
        let (files, store) = (Files::new(), store());
        let summary = import(&store, &files.write("a.log", log)).await.unwrap();
        assert_eq!((summary.counts.views(), summary.counts.visits()), (1, None), "{format}");
        let shown = summary.to_string();
        assert!(shown.starts_with(&format!("{format}: 1 view of ")), "{shown}");
        assert!(shown.contains("warning: the log does not have the Referer of 1 view, so their visits are missing"), "{shown}");
        assert!(summary.json("a.log")["visits"].is_null());
        assert!(!exported(&store).await.contains("visits:"));
    }
}

#[tokio::test]
async fn a_summary_has_the_visits_of_each_period() {
    let line = |day: u32, referrer: &str| {
        format!("192.0.2.7 - - [{day}/Oct/2026:10:15:00 +0700] \"GET /a HTTP/1.1\" 200 5 \"{referrer}\" \"{BROWSER}\"\n")
    };
    let (files, store) = (Files::new(), store());
    let log = [line(30, "-"), line(30, "https://portal.example.vn/"), line(31, "https://example.com/")].concat();
    let summary = import(&store, &files.write("a.log", log)).await.unwrap();
    let expected = "combined: 3 views (2 visits) of 3 lines added to site portal
                       views    visits
  2026                     3         2
    2026-10                3         2
      2026-10-30           2         1
      2026-10-31           1         1
  take it back with: truycap undo portal 1";
    assert_eq!(summary.to_string(), expected);
    let days = serde_json::json!({ "2026-10-30": 1, "2026-10-31": 1 });
    let visits = serde_json::json!({ "total": 2, "years": { "2026": 2 }, "months": { "2026-10": 2 }, "days": days });
    assert_eq!(summary.json("a.log")["visits"], visits);
}

#[tokio::test]
async fn a_log_whose_server_leaves_referrers_out_is_suspected() {
    let log = String::from_utf8(Traffic::week(500, 18).caddy()).unwrap();
    let warns = |summary: &LogSummary| summary.warnings().iter().any(|warning| warning.starts_with("each view counts as a visit"));
    let (files, store) = (Files::new(), store());
    assert!(!warns(&import(&store, &files.write("a.log", &log)).await.unwrap()));
    let summary = import(&store, &files.write("b.log", format!("# b\n{}", log.replace("\"Referer\"", "\"Other\"")))).await.unwrap();
    assert!(summary.counts.views() >= 100 && warns(&summary), "{summary}");
}

/// What a parser for this format makes of the last of these lines.
fn parsed<'a>(format: Format, lines: &[&'a str]) -> Option<Line<'a>> {
    let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
    let mut parser = Parser::new(format, &lines);
    lines.iter().map(|line| parser.parse(line)).last().unwrap()
}

#[track_caller]
fn request<'a>(format: Format, lines: &[&'a str]) -> Request<'a> {
    match parsed(format, lines) {
        Some(Line::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// The target, the agent and the host of a request at 10:15 in Hanoi with the status 200.
#[track_caller]
fn assert_request(format: Format, lines: &[&str], target: &str, agent: Option<&str>, host: Option<&str>) {
    let request = request(format, lines);
    let text = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
    assert_eq!(request.at.timestamp(), at("2026-11-22T03:15:00Z").timestamp());
    assert_eq!((text(&request.method), request.status), ("GET".into(), 200));
    let found = (text(&request.target), request.agent.as_deref().map(text), request.host.as_deref().map(text));
    assert_eq!(found, (target.into(), agent.map(Into::into), host.map(Into::into)));
}

#[test]
fn lines_of_apache_and_nginx_are_understood() {
    use Format::{Combined, Common};
    let plain = r#"192.0.2.7 - - [22/Nov/2026:10:15:00 +0700] "GET /tin/1?a=b HTTP/1.1" 200 5120"#;
    assert_request(Common, &[plain], "/tin/1?a=b", None, None);
    let combined = format!(r#"{plain} "https://example.vn/" "Fire \"fox\" \x41\\""#);
    assert_request(Combined, &[&combined], "/tin/1?a=b", Some(r#"Fire "fox" A\"#), None);
    assert_eq!(parsed(Common, &[&combined]), None, "bots would be counted");
    assert_eq!(parsed(Combined, &[plain]), None);
    assert_request(
        Combined,
        &[&format!("xa.example.vn:443 {combined}")],
        "/tin/1?a=b",
        Some(r#"Fire "fox" A\"#),
        Some("xa.example.vn:443"),
    );
    let last = format!(r#"{combined} "-" 0.004 "xa.example.vn""#);
    assert_request(Combined, &[&last, &last], "/tin/1?a=b", Some(r#"Fire "fox" A\"#), Some("xa.example.vn"));
    // If one line does not end with a host, the field is something else.
    let other = format!(r#"{combined} "-" 0.004 TLSv1.3"#);
    assert_request(Combined, &[&other, &last], "/tin/1?a=b", Some(r#"Fire "fox" A\"#), None);
    let user = r#"host.example.net - a [b] c [22/Nov/2026:03:15:00 +0000] "GET /a b HTTP/1.1" 200 - "-" "-""#;
    assert_request(Combined, &[user], "/a b", Some(""), None);
    assert_request(Combined, &[r#"::1 - - [22/Nov/2026:03:15:00 +0000] "GET /" 200 - "-" "x""#], "/", Some("x"), None);
    for wrong in [
        "",
        "192.0.2.7 - - [22/Nov/2026:10:15:00 +0700]",
        r#"192.0.2.7 - - [31/Feb/2026:10:15:00 +0700] "GET / HTTP/1.1" 200 5 "-" "-""#,
        r#"192.0.2.7 - - [22/Nov/2026:10:15:00 +0700] "GET / HTTP/1.1" 2000 5 "-" "-""#,
        r#"192.0.2.7 - - [22/Nov/2026:10:15:00 +0700] "GET / HTTP/1.1" 200 5 "-" "x"#,
        r#"192.0.2.7 - - [22/Nov/2026:10:15:00 +0700] "GET / HTTP/1.1" 200 5 "-" "x\"#,
        "2026/11/22 10:15:00 [error] 71#71: *3 open() failed",
    ] {
        assert_eq!(parsed(Combined, &[wrong]), None, "{wrong}");
    }
}

#[test]
fn lines_in_json_are_understood() {
    use Format::{Caddy, NginxJson};
    let caddy = r#"{"level":"info","ts":1795317300.25,"logger":"http.log.access.log0","request":{"remote_ip":"192.0.2.7","method":"GET",
        "host":"portal.example.vn","uri":"/tin/1","headers":{"User-Agent":["Firefox"]}},"status":200}"#;
    assert_request(Caddy, &[caddy], "/tin/1", Some("Firefox"), Some("portal.example.vn"));
    for ts in ["\"2026-11-22T10:15:00.25+07:00\"", "\"2026-11-22T10:15:00.250+0700\"", "1795317300250", "1795317300250000000"] {
        assert_request(Caddy, &[&caddy.replace("1795317300.25", ts)], "/tin/1", Some("Firefox"), Some("portal.example.vn"));
    }
    assert_request(Caddy, &[&caddy.replace("User-Agent", "Accept")], "/tin/1", Some(""), Some("portal.example.vn"));
    assert!(request(Caddy, &[&caddy.replace("{\"User", "{\"Sec-Purpose\":[\"prefetch;prerender\"],\"User")]).prefetch);
    assert_eq!(parsed(Caddy, &[r#"{"level":"info","ts":1.0,"logger":"tls","msg":"done"}"#]), Some(Line::Other));
    let nginx = r#"{"time_iso8601":"2026-11-22T10:15:00+07:00","request_method":"GET","request_uri":"/tin/1","status":"200","http_user_agent":"Firefox","host":"xa.vn"}"#;
    assert_request(NginxJson, &[nginx], "/tin/1", Some("Firefox"), Some("xa.vn"));
    let other = r#"{"time":"22/Nov/2026:10:15:00 +0700","request":"GET /b\xE1\xBA\xA3n HTTP/2.0","status":200,"agent":"a\\x\x22"}"#;
    assert_request(NginxJson, &[other], "/bản", Some(r#"a\x""#), None);
    assert_request(NginxJson, &[r#"{"msec":"1795317300.001","path":"/bản","method":"GET","status":200}"#], "/bản", None, None);
    for wrong in ["", "{", "[]", "{}", r#"{"time":"yesterday","request":"GET / HTTP/1.1","status":200}"#] {
        assert_eq!(parsed(NginxJson, &[wrong]), None, "{wrong}");
    }
}

#[test]
fn the_referrer_of_a_line_is_understood() {
    let combined = |referrer| format!("192.0.2.7 - - [22/Nov/2026:10:15:00 +0700] \"GET / HTTP/1.1\" 200 5 \"{referrer}\" \"x\"");
    let caddy = |header| {
        format!(r#"{{"ts":1795317300.25,"request":{{"method":"GET","uri":"/","headers":{{"User-Agent":["x"]{header}}}}},"status":200}}"#)
    };
    let nginx = |field| format!(r#"{{"msec":1795317300.001,"request":"GET / HTTP/1.1","status":200{field}}}"#);
    let fields = "#Fields: date time cs-method cs-uri-stem sc-status cs(Referer)";
    let w3c = |referrer| format!("2026-11-22 03:15:00 GET / 200 {referrer}");
    let without = ("#Fields: date time cs-method cs-uri-stem sc-status", "2026-11-22 03:15:00 GET / 200".to_owned());
    let cases = [
        (Format::Combined, "", combined(r#"https://a.vn/\"b"#), Some("https://a.vn/\"b")),
        (Format::Combined, "", combined("-"), Some("")),
        (Format::Caddy, "", caddy(r#","Referer":["https://a.vn/"]"#), Some("https://a.vn/")),
        (Format::Caddy, "", caddy(""), Some("")),
        (Format::NginxJson, "", nginx(r#","http_referer":"https://a.vn/""#), Some("https://a.vn/")),
        (Format::NginxJson, "", nginx(r#","referrer":"-""#), Some("")),
        (Format::NginxJson, "", nginx(""), None),
        (Format::W3c, fields, w3c("https://a.vn/"), Some("https://a.vn/")),
        (Format::W3c, fields, w3c("-"), Some("")),
        (Format::W3c, fields, w3c("https://a.vn/%2520").replace(' ', "\t"), Some("https://a.vn/ ")),
        (Format::W3c, without.0, without.1, None),
    ];
    for (format, first, line, expected) in cases {
        let found = request(format, &[first, &line]).referrer.map(|referrer| String::from_utf8(referrer.into_owned()).unwrap());
        assert_eq!(found.as_deref(), expected, "{line}");
    }
}

#[test]
fn lines_of_iis_and_cloudfront_are_understood() {
    let iis = "#Fields: date time s-sitename cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) cs-host sc-status";
    let line = "2026-11-22 03:15:00 W3SVC1 GET /tin+mới/1 id=5 192.0.2.7 Mozilla/5.0+(Windows) portal.example.vn 200";
    assert_request(Format::W3c, &[iis, line], "/tin mới/1?id=5", Some("Mozilla/5.0 (Windows)"), Some("portal.example.vn"));
    assert_eq!(parsed(Format::W3c, &[iis]), Some(Line::Other));
    // The columns can change within a file.
    let short = "#Fields: time date sc-status cs-method cs-uri-stem";
    assert_request(Format::W3c, &[iis, line, short, "03:15:00 2026-11-22 200 GET /a"], "/a", None, None);
    assert_eq!(parsed(Format::W3c, &[short, line]), None);
    assert_eq!(parsed(Format::W3c, &[line]), None);
    let cloudfront = "#Fields: date time cs-method cs(Host) cs-uri-stem sc-status cs(User-Agent) x-host-header";
    let line = "2026-11-22\t03:15:00\tGET\td1.cloudfront.net\t/b%E1%BA%A3n\t200\tMozilla/5.0%2520(X11)\txa.vn";
    assert_request(Format::W3c, &[cloudfront, line], "/b%E1%BA%A3n", Some("Mozilla/5.0 (X11)"), Some("xa.vn"));
}

#[tokio::test]
async fn requests_of_other_hosts_are_left_out() {
    let hosts = ["portal.example.vn", "PORTAL.example.vn:443", "a.xa.example.vn", "xa.example.vn", "other.vn", "203.0.113.9"];
    let line = |host| format!("{host} 192.0.2.7 - - [01/Nov/2026:10:15:00 +0700] \"GET /a HTTP/1.1\" 200 5 \"-\" \"{BROWSER}\"\n");
    let (files, store) = (Files::new(), store());
    let summary = import(&store, &files.write("a.log", hosts.map(line).concat())).await.unwrap();
    assert_eq!((summary.counts.views(), &*summary.counts.left_out[&Reason::Host].first), (3, &[4, 5, 6][..]));
}

#[tokio::test]
async fn lines_that_are_not_understood_are_named_and_too_many_of_them_refuse_the_log() {
    let good = String::from_utf8(Traffic::week(4000, 8).combined()).unwrap();
    let (files, store) = (Files::new(), store());
    let wrong = "a line\u{1b}[31m of something else\n";
    let few = files.write("few.log", good.lines().map(|line| format!("{line}\n")).collect::<String>() + wrong + "\n" + wrong);
    let summary = import(&store, &few).await.unwrap();
    let (lines, texts) = &summary.counts.not_understood;
    assert_eq!((lines.count, summary.counts.no_requests, &*texts[0]), (2, 1, "a line\\u{1b}[31m of something else"));
    assert!(summary.to_string().contains(&format!("line {}: a line\\u{{1b}}[31m", lines.first[0])), "{summary}");

    let before = exported(&store).await;
    let many = files.write("many.log", wrong.repeat(200) + &good);
    let error = import(&store, &many).await.unwrap_err().to_string();
    assert!(
        error.contains("200 of 1000 lines are not in the format combined\n  line 1: a line") && error.contains("the formats are"),
        "{error}"
    );
    for (file, expected) in [
        ("site,article,period,views\nportal,,2026-11-01,5\n", "it looks like counts in CSV: import it without --format"),
        ("2026/11/22 10:15:00 [error] 71#71: *3 open() failed\n", "1 of 1 lines are not in a format of access logs\n  line 1: 2026/11/22"),
    ] {
        let error = import(&store, &files.write("a.log", file)).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let options = Options { format: Some(Format::Common), ..Options::default() };
    let error = import_with(&mut Target::Store(&store), &few, &options).await.unwrap_err().to_string();
    assert!(error.ends_with("its lines are in the format combined: use --format combined"), "{error}");
    assert_eq!(exported(&store).await, before);

    // Later in the log, what was added stays.
    let other = String::from_utf8(Traffic::week(4000, 9).combined()).unwrap();
    let late = files.write("late.log", other + &wrong.repeat(400));
    let error = import(&store, &late).await.unwrap_err().to_string();
    assert!(error.contains("truycap audit portal"), "{error}");
}

#[tokio::test]
async fn a_log_without_a_complete_line_waits() {
    let (files, store) = (Files::new(), store());
    for text in ["", "\n\n", "#Fields: date time\r\n", "192.0.2.7 - - [22/Nov/2026"] {
        let summary = import(&store, &files.write("a.log", text)).await.unwrap();
        assert_eq!(summary.to_string(), "has no complete line yet", "{text:?}");
    }
    for (bytes, expected) in [(&b"\xff\xfea\0"[..], "UTF-16"), (b"BZh91AY", "bzcat FILE"), (b"\x1f\x8b\x08\0", "")] {
        let error = import(&store, &files.write("a.log", bytes)).await.unwrap_err();
        assert!(matches!(&error, LogError::Unreadable(why) if why.to_string().contains(expected)), "{error}");
    }
    assert_eq!(exported(&store).await, "site,article,bucket,views\n");
}

#[tokio::test]
async fn what_is_before_broken_compression_counts_and_a_file_without_requests_is_refused() {
    let (files, store) = (Files::new(), store());
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    let line =
        |at: usize| format!("10.0.0.1 - - [01/Nov/2026:10:00:{:02} +0700] \"GET /tin/{at} HTTP/1.1\" 200 5 \"-\" \"{agent}\"\n", at % 60);
    let mut bytes = gzip((0..500).map(line).collect::<String>().as_bytes());
    bytes.extend([7; 100]);
    let path = files.write("broken.gz", bytes);
    let error = import(&store, &path).await.unwrap_err().to_string();
    assert!(error.contains("after line 500") && error.contains("the lines up to there count"), "{error}");
    assert!(exported(&store).await.contains("portal,,total,500\n"));
    let no_requests =
        [vec![0; 2 << 20], "# x\n".repeat(1500).into_bytes(), (0..500).map(line).collect::<String>().replace('\n', "\r").into_bytes()];
    for bytes in no_requests {
        let error = import(&store, &files.write("no.log", bytes)).await.unwrap_err().to_string();
        assert!(error.contains("have no request"), "{error}");
    }
    // An old year is no time of a log.
    let old = files.write("old.log", line(1).replace("2026", "0001"));
    assert!(import(&store, &old).await.unwrap_err().to_string().contains("line 1"));
}
