//! A section that is added to the configuration: its lists are built while views are counted, also if the service is killed.

use std::{collections::BTreeMap, fmt::Write as _, thread::sleep, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use truycap_test_support::redis_server::Server;

use super::{
    files::place,
    load::Load,
    process::{Place, Service, eventually},
};

const ARTICLES: usize = 12_000;
const SECTIONS: [&str; 2] = ["/tin/", "/van-ban/"];

/// A site with the sections, beside another one without.
fn with_sections(place: &Place, sections: &str) -> Place {
    let site = r#"id = "portal", origins = ["https://portal.example.vn"]"#;
    let khoa = r#"{ id = "khoa", origins = ["https://khoa.example.vn"] }"#;
    place.clone().with("SITES", &format!("[{{ {site}, sections = {sections} }}, {khoa}]"))
}

/// Imports articles of two sections, with many ties.
fn import(place: &Place) {
    let mut rows = "site,article,period,views\n".to_owned();
    for number in 0..ARTICLES {
        let section = if number.is_multiple_of(3) { "tin" } else { "van-ban" };
        writeln!(rows, "portal,/{section}/{number},,{}", 1 + number * 7919 % 400).unwrap();
    }
    let file = place.write("rows.csv", &rows);
    place.ok(&["import", &file]);
}

/// The total list of a section as the service shows it, when it is whole.
fn shown(service: &Service, section: &str) -> Vec<(String, u64)> {
    let path = format!("/v1/sites/portal/top?period=total&limit=100&prefix={section}");
    eventually("the list is whole", || {
        let answer = service.get(&path);
        let json = (answer.status == 200).then(|| answer.json())?;
        let row = |row: &serde_json::Value| (row["article"].as_str().unwrap().to_owned(), row["views"].as_u64().unwrap());
        (json["stale"] == false).then(|| json["articles"].as_array().unwrap().iter().map(row).collect())
    })
}

/// The same, sorted from an export.
fn sorted(place: &Place, section: &str) -> Vec<(String, u64)> {
    let export = place.ok(&["export"]);
    let mut totals = BTreeMap::new();
    for row in csv::Reader::from_reader(export.as_bytes()).deserialize() {
        let (_, article, bucket, views): (String, String, String, u64) = row.unwrap();
        if bucket == "total" && article.starts_with(section) {
            totals.insert(article, views);
        }
    }
    let mut list: Vec<_> = totals.into_iter().collect();
    list.sort_by(|(a, a_views), (b, b_views)| b_views.cmp(a_views).then_with(|| a.cmp(b)));
    list.truncate(100);
    list
}

/// Views of some articles of both sections.
fn load(service: &Service) -> Load {
    let article = |number: usize| format!("/{}/{number}", if number.is_multiple_of(3) { "tin" } else { "van-ban" });
    let load = Load::start(2, (0..60).map(|number| ("portal".to_owned(), article(number * 7))).collect(), Duration::from_millis(1));
    load.aim(Some(&service.public));
    load.wait_for(1);
    load
}

fn whole_after_kills(place: &Place, mut interrupt: impl FnMut(usize)) {
    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    eprintln!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    import(&with_sections(place, "[]"));
    let place = with_sections(place, r#"["/tin/", "/van-ban/"]"#);
    for kill in 0..4 {
        let service = place.start();
        let load = load(&service);
        sleep(Duration::from_millis(random.random_range(0..60)));
        interrupt(kill);
        service.process.kill();
        load.finish();
    }
    let service = place.start();
    let load = load(&service);
    for section in SECTIONS {
        shown(&service, section);
    }
    load.wait_for(200);
    load.finish();
    service.stop();
    let sorted = SECTIONS.map(|section| sorted(&place, section));
    let service = place.start();
    assert_eq!(SECTIONS.map(|section| shown(&service, section)), sorted);
    service.stop();
}

#[test]
fn lists_of_new_sections_are_whole_after_the_service_was_killed_while_they_were_built() {
    whole_after_kills(&place(), |_| {});
}

#[test]
fn lists_of_new_sections_in_redis_are_whole_after_redis_and_the_service_were_killed_while_they_were_built() {
    let mut server = Server::start(&["--appendonly", "yes", "--appendfsync", "everysec"]);
    let place = place().with("STORE__URL", &server.url());
    whole_after_kills(&place, |kill| {
        if kill % 2 == 0 {
            server.crash();
            server.restart();
        }
    });
}
