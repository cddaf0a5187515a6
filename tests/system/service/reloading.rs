//! A service reloads its configuration without losing a view.

use std::{fs, process::Command, thread, time::Duration};

use serde_json::json;

use super::{
    counts::Counts,
    files::place,
    load::{Load, pages},
    metrics::{scrape, value},
    process::{
        Place, Service,
        child::Finished,
        client::{Answer, Client},
        eventually,
    },
    views::view,
};

/// Tables of sites with the origins that they have in [`place`].
fn sites(ids: &[&str]) -> String {
    let site = |id: &&str| format!("[[sites]]\nid = \"{id}\"\norigins = [\"https://{id}.example.vn\"]\n");
    ids.iter().map(site).collect()
}

/// A place that is configured by a file.
fn by_file(text: &str) -> Place {
    let mut place = place();
    place.environment.remove("TRUYCAP_SITES");
    place.options = vec!["--config".into(), place.write("truycap.toml", text)];
    place
}

/// Changes the file and reloads it; returns the log since then.
fn reload(place: &Place, service: &Service, text: &str) -> String {
    let before = service.process.log().len();
    place.write("truycap.toml", text);
    service.process.signal("HUP");
    eventually("the reload ends", || {
        let log = service.process.log().split_off(before);
        (log.contains("was reloaded") || log.contains("was not reloaded")).then_some(log)
    })
}

fn status(service: &Service, site: &str) -> u16 {
    service.get(&format!("/v1/sites/{site}/figures")).status
}

#[test]
fn sites_are_added_and_removed_under_load_without_losing_a_view() {
    // Views are applied every ten seconds, so a removed site still has views that are not applied.
    let place = by_file(&sites(&["portal", "khoa"])).with("STORE__FLUSH_INTERVAL", "10s");
    let service = place.start();
    let load = Load::start(4, pages(12, ""), Duration::ZERO);
    load.aim(Some(&service.public));
    let (with, without) = (sites(&["thu-vien", "khoa", "portal"]), sites(&["portal", "khoa"]));
    let mut counted = 0;
    for _ in 0..5 {
        assert_eq!(status(&service, "thu-vien"), 404);
        reload(&place, &service, &with);
        for _ in 0..3 {
            let figures = service.count("thu-vien", "/1");
            counted += 1;
            if figures["stale"] == false {
                assert_eq!(figures["articles"]["/1"]["total"], counted);
            }
        }
        load.wait_for(100);
        reload(&place, &service, &without);
    }
    // Sites that existed when the service started can be removed too.
    load.aim(None);
    eventually("no request is in flight", || {
        (scrape(&service).contains("truycap_http_requests_in_flight{listener=\"public\"} 0")).then_some(())
    });
    reload(&place, &service, &sites(&["thu-vien"]));
    assert_eq!((status(&service, "portal"), status(&service, "khoa"), status(&service, "thu-vien")), (404, 404, 200));
    service.stop();
    let tally = load.finish();
    store_has(&place, "thu-vien", counted);
    place.write("truycap.toml", &without);
    Counts::exported(&place).fit(&tally);
}

/// Checks the views of a site, and of its article, in the store.
#[track_caller]
fn store_has(place: &Place, site: &str, views: u64) {
    let rows = place.ok(&["export", "--site", site]);
    for article in ["", "/1"] {
        assert!(rows.contains(&format!("\n{site},{article},total,{views}\n")), "{views} views in {rows}");
    }
}

#[test]
fn views_of_a_removed_site_are_applied_while_the_service_runs() {
    let place = by_file(&sites(&["portal", "khoa"])).with("STORE__FLUSH_INTERVAL", "2s");
    let service = place.start();
    service.count("khoa", "/1");
    reload(&place, &service, &sites(&["portal"]));
    assert_eq!(status(&service, "khoa"), 404);
    eventually("the acknowledged view is applied", || {
        place.run(&["export", "--site", "khoa"]).out.contains("khoa,/1,total,1\n").then_some(())
    });
    service.stop();
}

#[test]
fn a_removed_site_is_not_in_the_metrics_and_keeps_its_count_if_it_is_added_again() {
    let (with, without) = (sites(&["portal", "khoa"]), sites(&["portal"]));
    let place = by_file(&with);
    let service = place.start();
    service.count("khoa", "/1");
    let counted = |service: &Service| value(&scrape(service), "truycap_views_total{outcome=\"counted\",site=\"khoa\"}");
    assert_eq!(counted(&service), Some(1.0));
    reload(&place, &service, &without);
    assert!(!scrape(&service).contains("khoa"), "{}", scrape(&service));
    reload(&place, &service, &with);
    assert_eq!(counted(&service), Some(1.0));
    service.stop();
}

#[test]
fn an_invalid_configuration_is_refused_and_the_previous_one_stays_active() {
    let place = by_file(&sites(&["portal"]));
    let service = place.start();
    let wrong = format!("color = \"red\"\n[log]\nlevel = \"loud\"\n{}", sites(&["khoa"]));
    let log = reload(&place, &service, &wrong);
    for mistake in ["color", "loud"] {
        let lines =
            log.lines().filter(|line| line.contains("ERROR") && line.contains("the configuration is invalid") && line.contains(mistake));
        assert_eq!(lines.count(), 1, "{mistake}: {log}");
    }
    assert_eq!((status(&service, "portal"), status(&service, "khoa")), (200, 404));
    service.count("portal", "/1");
    reload(&place, &service, &sites(&["khoa"]));
    assert_eq!((status(&service, "portal"), status(&service, "khoa")), (404, 200));
    service.stop();
}

#[test]
fn origins_time_zones_limits_and_the_log_level_are_reloaded_and_other_changed_keys_are_logged() {
    let place = by_file(&sites(&["portal"]));
    let service = place.start();
    let from = |origin: &str| {
        let (head, body) = view("portal", "/1");
        let mut client = service.client();
        client.send(&(head.replace("host: x", &format!("host: x\r\norigin: {origin}")) + &body)).unwrap();
        client.answer().unwrap()
    };
    assert_eq!((from("https://portal.example.vn").status, from("https://moi.example.vn").status), (200, 403));
    let new = "demo = false\n[listen]\nmax_connections = 77\n[log]\nlevel = \"debug\"\n[journal]\nretain = \"20m\"\n\
               [[sites]]\nid = \"portal\"\norigins = [\"https://moi.example.vn\"]\ntimezone = \"Pacific/Kiritimati\"\n";
    let log = reload(&place, &service, new);
    for key in ["demo", "journal.retain"] {
        assert!(log.lines().any(|line| line.contains("WARN") && line.contains(&format!("key=\"{key}\""))), "{key}: {log}");
    }
    assert_eq!(log.matches("key_needs_restart").count(), 2, "{log}");
    assert_eq!((from("https://portal.example.vn").status, from("https://moi.example.vn").status), (403, 200));
    let answer = service.answer("portal", &[]);
    assert!(answer["as_of"].as_str().unwrap().ends_with("+14:00"), "{answer}");
    assert_eq!(answer["site"]["total"], 2);
    assert_eq!(value(&scrape(&service), "truycap_http_max_connections{listener=\"public\"}"), Some(77.0));
    service.get("/khong-co");
    eventually("a refusal is logged at level debug", || service.process.log().contains("a request was refused").then_some(()));
    service.stop();
}

/// Runs `truycap reload` in the place of a service.
fn command(place: &Place, service: &Service, arguments: &[&str]) -> Finished {
    place.clone().with("LISTEN__ADMIN", &service.admin).run(&[&["reload"], arguments].concat())
}

/// Sends `POST /-/reload`, with further headers.
fn post(service: &Service, headers: &str) -> Answer {
    let mut client = Client::connect(&service.admin).unwrap();
    client.send(&format!("POST /-/reload HTTP/1.1\r\nhost: x\r\n{headers}content-length: 0\r\n\r\n")).unwrap();
    client.answer().unwrap()
}

fn config_metric(service: &Service, name: &str) -> f64 {
    value(&scrape(service), &format!("truycap_config_{name}")).unwrap()
}

#[test]
fn a_reload_by_command_says_what_changed() {
    let place = by_file(&sites(&["portal", "khoa"]));
    let service = place.start();
    assert_eq!(config_metric(&service, "last_reload_successful"), 1.0);
    let (started, hash) = (config_metric(&service, "last_reload_timestamp_seconds"), config_metric(&service, "sites_hash"));
    assert!(started > 1.6e9 && hash > 0.0 && hash < 2f64.powi(53), "{started} {hash}");
    let same = command(&place, &service, &[]);
    assert_eq!((same.code, &*same.out), (Some(0), "the configuration was reloaded; sites: 2\n"), "{}", same.err);
    let new = format!("[journal]\nretain = \"20m\"\n{}", sites(&["thu-vien", "portal"]).replace("https://portal", "https://moi"));
    place.write("truycap.toml", new);
    let changed = command(&place, &service, &[]);
    let expected = "the configuration was reloaded; sites: 2\nadded: thu-vien\nchanged: portal\nremoved: khoa\n\
                    journal.retain was changed; the change takes effect at the next start\n";
    assert_eq!((changed.code, &*changed.out), (Some(0), expected), "{}", changed.err);
    assert_ne!(config_metric(&service, "sites_hash"), hash);
    // The order of the sites does not matter.
    place.write("truycap.toml", sites(&["khoa", "portal"]));
    let none = json!({ "count": 0, "first": [] });
    let names = |name: &str| json!({ "count": 1, "first": [name] });
    let answer = json!({
        "ok": true, "sites": 2, "added": names("khoa"), "changed": names("portal"), "removed": names("thu-vien"), "restart": []
    });
    assert_eq!(post(&service, "").json(), answer);
    assert_eq!(config_metric(&service, "sites_hash"), hash);
    let again = command(&place, &service, &["--json"]);
    let answer = json!({ "ok": true, "sites": 2, "added": none, "changed": none, "removed": none, "restart": [] });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&again.out).unwrap(), answer);
    service.stop();
    let gone = place.clone().with("LISTEN__ADMIN", "127.0.0.1:1").run(&["reload"]);
    assert!(gone.code == Some(1) && gone.err.contains("127.0.0.1:1 did not answer"), "{gone:?}");
}

#[test]
fn a_reload_by_command_prints_the_mistakes_and_metrics_show_that_it_was_refused() {
    let place = by_file(&sites(&["portal"]));
    let service = place.start();
    place.write("truycap.toml", format!("color = 1\n{}timezone = \"Asia/Hanoi\"\n", sites(&["khoa"])));
    let refused = command(&place, &service, &[]);
    assert_eq!((refused.code, &*refused.out), (Some(1), ""));
    for mistake in ["\ntruycap.toml:1: color: found an unknown key", "\ntruycap.toml:5: site no. 1: timezone: found \"Asia/Hanoi\""] {
        assert!(refused.err.contains(mistake), "{mistake}: {}", refused.err);
    }
    let answer = post(&service, "");
    assert_eq!((answer.status, &answer.json()["ok"], answer.json()["mistakes"].as_array().unwrap().len()), (422, &json!(false), 2));
    assert_eq!(config_metric(&service, "last_reload_successful"), 0.0);
    assert_eq!((status(&service, "portal"), status(&service, "khoa")), (200, 404));
    // The health of the service is another matter.
    let health = place.clone().with("LISTEN__ADMIN", &service.admin).run(&["health"]);
    assert_eq!(health.code, Some(0), "{}", health.err);
    place.write("truycap.toml", sites(&["portal"]));
    assert_eq!(command(&place, &service, &[]).code, Some(0));
    assert_eq!(config_metric(&service, "last_reload_successful"), 1.0);
    service.stop();
}

#[test]
fn a_configuration_without_sites_is_refused_if_the_previous_one_had_some() {
    let place = by_file(&sites(&["portal"]));
    let service = place.start();
    for empty in ["", "demo = false\n"] {
        assert!(reload(&place, &service, empty).contains("sites: found none, although 1 are in effect"));
        let refused = command(&place, &service, &[]);
        assert!(refused.code == Some(1) && refused.err.contains("sites: found none"), "{refused:?}");
        assert_eq!(status(&service, "portal"), 200);
    }
    service.stop();
    // The built-in site is not missed.
    let place = by_file("");
    let service = place.start();
    assert!(reload(&place, &service, "[log]\n").contains("was reloaded"));
    service.stop();
}

#[test]
fn the_log_names_ten_sites_that_are_gone_and_counts_the_rest() {
    let ids: Vec<_> = (10..22).map(|number| format!("s{number}")).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).chain(["portal"]).collect();
    let place = by_file(&sites(&ids));
    let service = place.start();
    let log = reload(&place, &service, &sites(&["portal"]));
    let named: Vec<_> = log.lines().filter(|line| line.contains("WARN") && line.contains("this site is no longer configured")).collect();
    assert!(named.len() == 10 && named[0].contains("site=s10") && named[9].contains("site=s19"), "{log}");
    assert!(log.lines().any(|line| line.contains("further sites are no longer configured") && line.contains("sites=2")), "{log}");
    service.stop();
}

#[test]
fn a_page_in_a_browser_cannot_reload() {
    let place = by_file(&sites(&["portal"]));
    let service = place.start();
    place.write("truycap.toml", sites(&["khoa"]));
    for header in ["origin: https://evil.example\r\n", "origin: null\r\n", "sec-fetch-site: cross-site\r\n", "sec-fetch-site: none\r\n"] {
        let answer = post(&service, header);
        assert_eq!((answer.status, status(&service, "portal")), (403, 200), "{header}");
        assert!(!answer.head.contains("access-control"), "{answer:?}");
    }
    assert_eq!(Client::connect(&service.admin).unwrap().get("/-/reload").unwrap().status, 405);
    assert_eq!(service.get("/-/reload").status, 404, "it is not on the public listener");
    assert!(!service.process.log().contains("reloaded"));
    assert_eq!((post(&service, "").status, status(&service, "portal")), (200, 404));
    service.stop();
}

/// The configuration is a pipe that is open and has no end.
#[test]
fn a_reload_that_hangs_delays_neither_requests_nor_the_end() {
    let place = by_file(&sites(&["portal"]));
    let service = place.start();
    let file = place.path("truycap.toml");
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    service.process.signal("HUP");
    // Opens as soon as the service reads.
    let pipe = fs::File::options().write(true).open(&file).unwrap();
    service.count("portal", "/1");
    // One reload waits, and further ones are refused.
    let mut waiting = Client::connect(&service.admin).unwrap();
    waiting.send("POST /-/reload HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").unwrap();
    let in_flight = "truycap_http_requests_in_flight{listener=\"admin\"}";
    eventually("a reload waits", || value(&scrape(&service), in_flight).filter(|requests| *requests == 2.0));
    let refused = post(&service, "");
    assert_eq!((refused.status, &refused.json()["detail"]), (503, &json!("other reloads are waiting")));
    let waiting = thread::spawn(move || waiting.answer().unwrap().json()["detail"].clone());
    let log = service.stop().err;
    assert!(log.contains("stopped"), "{log}");
    assert_eq!(waiting.join().unwrap(), json!("the service is stopping"));
    drop(pipe);
}

#[test]
fn a_reload_that_hung_does_not_hold_up_the_next_one() {
    let place = by_file(&sites(&["portal"]));
    let service = place.start();
    let file = place.path("truycap.toml");
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    let late = post(&service, "");
    assert!(late.status == 422 && late.json().to_string().contains("within 10s"), "{late:?}");
    fs::remove_file(&file).unwrap();
    place.write("truycap.toml", sites(&["portal", "khoa"]));
    assert_eq!((post(&service, "").status, status(&service, "khoa")), (200, 200));
    service.stop();
}

#[test]
fn a_reload_reads_the_directory_of_sites_again() {
    let place = by_file("sites_dir = \"sites.d\"\n");
    fs::create_dir(place.path("sites.d")).unwrap();
    place.write("sites.d/khoa.toml", sites(&["khoa"]));
    let service = place.start();
    place.write("sites.d/portal.toml", sites(&["portal"]));
    assert_eq!(command(&place, &service, &[]).out, "the configuration was reloaded; sites: 2\nadded: portal\n");
    fs::remove_file(place.path("sites.d/khoa.toml")).unwrap();
    assert_eq!(command(&place, &service, &[]).out, "the configuration was reloaded; sites: 1\nremoved: khoa\n");
    fs::remove_file(place.path("sites.d/portal.toml")).unwrap();
    assert_eq!(command(&place, &service, &[]).code, Some(1));
    assert_eq!((status(&service, "portal"), status(&service, "khoa")), (200, 404));
    service.stop();
}
