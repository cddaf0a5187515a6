//! The Grafana dashboard.

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    time::Duration,
};

use serde_json::Value;

use super::{
    file,
    load::{Load, pages},
    process::wait::within,
    prometheus::Prometheus,
    redis_server::Server,
    rules::{documented, metrics, table},
    sites::sites,
};

fn dashboard() -> Value {
    serde_json::from_str(&fs::read_to_string(file("deploy/grafana/truycap.json")).unwrap()).unwrap()
}

/// The queries of all panels.
fn queries(dashboard: &Value) -> Vec<String> {
    let targets = dashboard["panels"].as_array().unwrap().iter().filter_map(|panel| panel["targets"].as_array());
    targets.flatten().map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn panels_do_not_overlap_and_use_the_selected_data_source() {
    let dashboard = dashboard();
    let (mut ids, mut taken) = (HashSet::new(), HashSet::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|part| panel["gridPos"][part].as_u64().unwrap());
        assert!(x + w <= 24, "{panel}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} overlaps another panel", panel["title"]);
        }
        let row = panel["type"] == "row";
        assert!(row || !panel["description"].as_str().unwrap_or_default().is_empty(), "{}", panel["title"]);
        assert!(row || panel["datasource"]["uid"] == "${datasource}", "{panel}");
    }
}

#[test]
fn the_dashboard_shows_every_documented_metric_and_no_other() {
    let queries = queries(&dashboard()).join("\n");
    let used: BTreeSet<_> = metrics(&queries).into_iter().map(|metric| documented(metric).to_owned()).collect();
    let mut table = table();
    table.retain(|metric| metric.starts_with("truycap_") || metric.starts_with("process_"));
    // The size of the address space says nothing about memory use.
    assert!(table.remove("process_virtual_memory_bytes"));
    // The same as truycap_journal_unapplied_views.
    assert!(table.remove("truycap_store_lag_views"));
    assert_eq!(used, table);
}

#[test]
fn every_query_of_the_dashboard_returns_data_while_views_are_counted() {
    // A file has no servers.
    let server = Server::start(&[]);
    let place = sites().with("STORE__URL", &server.url());
    let service = place.start();
    let load = Load::start(2, pages(3, ""), Duration::from_millis(20));
    load.aim(Some(&service.public));
    let prometheus = Prometheus::start(&[&service], "");
    for query in queries(&dashboard()) {
        let query = query.replace("$__rate_interval", "10s").replace("$site", ".*").replace("$instance", ".*");
        assert!(!query.contains('$'), "{query}");
        within(Duration::from_secs(60), &query, || prometheus.query(&query).into_iter().find(is_a_number));
    }
    load.finish();
    service.stop();
}

/// Whether a series has a finite value; a ratio to zero has none.
fn is_a_number(series: &Value) -> bool {
    series["value"][1].as_str().is_some_and(|value| value.parse().is_ok_and(f64::is_finite))
}
