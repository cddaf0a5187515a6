//! A service reloads its configuration without losing a view.

use std::time::Duration;

use super::{
    counts::Counts,
    files::place,
    load::{Load, pages},
    metrics::{scrape, value},
    process::{Place, Service, eventually},
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
    assert_eq!(log.matches("WARN").count(), 2, "{log}");
    assert_eq!((from("https://portal.example.vn").status, from("https://moi.example.vn").status), (403, 200));
    let answer = service.answer("portal", &[]);
    assert!(answer["as_of"].as_str().unwrap().ends_with("+14:00"), "{answer}");
    assert_eq!(answer["site"]["total"], 2);
    assert_eq!(value(&scrape(&service), "truycap_http_max_connections{listener=\"public\"}"), Some(77.0));
    service.get("/khong-co");
    eventually("a refusal is logged at level debug", || service.process.log().contains("a request was refused").then_some(()));
    service.stop();
}
