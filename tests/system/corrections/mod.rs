//! Corrections as an operator makes them: the commands beside running services, on both stores, killed and given again.

mod aliases;
mod commands;
mod killing;
mod sender;

use std::fmt::Write as _;

use truycap_test_support::{files, process, redis_server, sites};

use self::process::Place;

/// The views of the site that each site of [`two_sites`] has in the past.
const PAST: u64 = 1_000_000;

/// The rows of two sites that have the same ids in part, each with so many articles.
fn two_sites(articles: usize) -> String {
    let mut rows = "site,article,period,views\n".to_owned();
    for (site, step) in [("portal", 1), ("khoa", 2)] {
        writeln!(rows, "{site},,2024,{PAST}").unwrap();
        for number in 0..articles {
            writeln!(rows, "{site},/bai-viet/{},2024-{:02},{}", number * step, number % 12 + 1, number % 7 + 1).unwrap();
        }
    }
    rows
}

/// The view of all articles that each site of [`two_sites`] has in the past.
fn past_of_articles(articles: usize) -> u64 {
    (0..articles).map(|number| number as u64 % 7 + 1).sum()
}

fn import(place: &Place, articles: usize) {
    let file = place.write("past.csv", two_sites(articles));
    place.ok(&["import", &file]);
}

/// `more` with `TRUYCAP_SOAK`, otherwise `plain`.
fn soak(plain: usize, more: usize) -> usize {
    if std::env::var_os("TRUYCAP_SOAK").is_some() { more } else { plain }
}

/// The views of a site itself in an export, and of all of its articles, in total.
fn totals(place: &Place, site: &str) -> (u64, u64) {
    let export = place.ok(&["export", "--site", site]);
    let (mut own, mut of_articles) = (0, 0);
    for row in csv::Reader::from_reader(export.as_bytes()).records() {
        let row = row.unwrap();
        if &row[2] == "total" {
            let views: u64 = row[3].parse().unwrap();
            if row[1].is_empty() { own += views } else { of_articles += views }
        }
    }
    (own, of_articles)
}

/// The corrections of a site, without imports: by how much they changed its total, and those of its articles.
fn audited(place: &Place, site: &str) -> (i64, i64) {
    let list: serde_json::Value = serde_json::from_str(&place.ok(&["audit", site, "--json"])).unwrap();
    let entries = list.as_array().unwrap().iter().filter(|entry| entry["kind"] != "import");
    entries.fold((0, 0), |sums, entry| (sums.0 + entry["site_views"].as_i64().unwrap(), sums.1 + entry["article_views"].as_i64().unwrap()))
}
