//! The rules for Prometheus.

use std::{collections::BTreeSet, fs, process::Command};

use super::file;

/// The text of a file of the repository.
fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

/// The names that stand after a key, as `- alert: NAME`.
fn names(rules: &str, key: &str) -> Vec<String> {
    rules.lines().filter_map(|line| Some(line.trim().strip_prefix(key)?.trim().to_owned())).collect()
}

/// What the program says of files in the rules' directory.
#[track_caller]
fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(file("deploy/prometheus")).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(output.status.success(), "{said}");
}

/// The names of metrics in a text; those that were recorded by a rule have a colon.
pub(crate) fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    words.filter(|word| word.contains("truycap_") || word.starts_with("process_")).map(|word| word.trim_end_matches(':')).collect()
}

/// The name under which a metric of a query is documented: without what a histogram adds to it.
pub(crate) fn documented(metric: &str) -> &str {
    let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| metric.strip_suffix(part));
    histogram.filter(|_| metric.contains("_duration_") || metric.contains("_batch_")).unwrap_or(metric)
}

/// The metrics in the table of the documents.
pub(crate) fn table() -> BTreeSet<String> {
    names(&text("docs/metrics.md"), "| `").iter().filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

#[test]
fn the_rules_and_the_configuration_are_what_prometheus_expects() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "truycap.rules.yml"]);
}

#[test]
fn each_alert_comes_with_its_fault_and_goes_after_it() {
    promtool(&["test", "rules", "truycap.rules.test.yml"]);
    let tests = text("deploy/prometheus/truycap.rules.test.yml");
    for alert in names(&text("deploy/prometheus/truycap.rules.yml"), "- alert:") {
        assert!(tests.contains(&format!("- alertname: {alert}\n")), "no test sees {alert} come");
        assert!(tests.contains(&format!("alertname: {alert}, eval_time")), "no test sees {alert} stay away");
    }
}

#[test]
fn each_alert_says_where_an_operator_reads_what_to_do() {
    let (rules, operations) = (text("deploy/prometheus/truycap.rules.yml"), text("docs/operations.md"));
    let told: BTreeSet<_> = names(&operations, "### ").into_iter().collect();
    let alerts = names(&rules, "- alert:");
    assert!(alerts.len() > 5, "{alerts:?}");
    for (alert, rule) in alerts.iter().zip(rules.split("- alert: ").skip(1)) {
        let runbook = format!("runbook: docs/operations.md#{}\n", alert.to_lowercase());
        assert!(rule.contains(&runbook), "{alert} has no {runbook}");
        assert!(told.contains(alert), "docs/operations.md has no heading {alert}");
    }
    let gone = told.iter().find(|heading| heading.starts_with("Truycap") && !alerts.contains(heading));
    assert_eq!(gone, None, "there is no such alert");
}

#[test]
fn the_rules_use_metrics_that_are_documented() {
    let (rules, table) = (text("deploy/prometheus/truycap.rules.yml"), table());
    let recorded: BTreeSet<_> = names(&rules, "- record:").into_iter().collect();
    let known = |metric: &&&str| recorded.contains(**metric) || table.contains(documented(metric));
    let used = metrics(&rules);
    assert!(used.len() > 10, "{used:?}");
    assert_eq!(used.iter().find(|metric| !known(metric)), None);
}
