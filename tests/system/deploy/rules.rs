//! The Prometheus rules.

use std::{collections::BTreeSet, fs, process::Command, thread};

use super::file;

/// The text of a file of the repository.
fn text(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap()
}

/// The names after a key, such as `- alert: NAME`.
fn names(rules: &str, key: &str) -> Vec<String> {
    rules.lines().filter_map(|line| Some(line.trim().strip_prefix(key)?.trim().to_owned())).collect()
}

/// Runs `promtool` in the directory of the rules; it must succeed.
#[track_caller]
fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(file("deploy/prometheus")).output().unwrap();
    let printed = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "{printed}");
}

/// The names of metrics in a text; those that a rule records contain a colon.
pub(crate) fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    words.filter(|word| word.contains("truycap_") || word.starts_with("process_")).map(|word| word.trim_end_matches(':')).collect()
}

/// The name under which a metric of a query is documented: without the suffix of a histogram.
pub(crate) fn documented(metric: &str) -> &str {
    let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|part| metric.strip_suffix(part));
    histogram.filter(|_| metric.contains("_duration_") || metric.contains("_batch_")).unwrap_or(metric)
}

/// The metrics in the table of docs/metrics.md.
pub(crate) fn table() -> BTreeSet<String> {
    names(&text("docs/metrics.md"), "| `").iter().filter_map(|row| Some(row.split_once('`')?.0.to_owned())).collect()
}

#[test]
fn promtool_accepts_the_rules_and_the_configuration() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "truycap.rules.yml"]);
}

#[test]
fn each_alert_fires_during_its_fault_and_resolves_after_it() {
    let files = ["truycap.rules.test.yml", "truycap.rules.days.test.yml"];
    thread::scope(|scope| files.iter().for_each(|file| drop(scope.spawn(|| promtool(&["test", "rules", file])))));
    let tests = files.map(|file| text(&format!("deploy/prometheus/{file}"))).concat();
    for alert in names(&text("deploy/prometheus/truycap.rules.yml"), "- alert:") {
        assert!(tests.contains(&format!("- alertname: {alert}\n")), "no test expects {alert} to fire");
        assert!(tests.contains(&format!("alertname: {alert}, eval_time")), "no test expects {alert} not to fire");
    }
}

#[test]
fn each_alert_links_to_its_section_in_the_operations_guide() {
    let (rules, operations) = (text("deploy/prometheus/truycap.rules.yml"), text("docs/operations.md"));
    let headings: BTreeSet<_> = names(&operations, "### ").into_iter().collect();
    let alerts = names(&rules, "- alert:");
    assert!(alerts.len() > 5, "{alerts:?}");
    for (alert, rule) in alerts.iter().zip(rules.split("- alert: ").skip(1)) {
        let runbook = format!("runbook_url: https://docs.example.vn/truycap/operations.md#{}\n", alert.to_lowercase());
        assert!(rule.contains(&runbook), "{alert} has no {runbook}");
        assert!(headings.contains(alert), "docs/operations.md has no heading {alert}");
    }
    let unknown = headings.iter().find(|heading| heading.starts_with("Truycap") && !alerts.contains(heading));
    assert_eq!(unknown, None, "there is no such alert");
}

#[test]
fn the_rules_use_only_documented_metrics() {
    let (rules, table) = (text("deploy/prometheus/truycap.rules.yml"), table());
    let recorded: BTreeSet<_> = names(&rules, "- record:").into_iter().collect();
    let known = |metric: &&&str| recorded.contains(**metric) || table.contains(documented(metric));
    let used = metrics(&rules);
    assert!(used.len() > 10, "{used:?}");
    assert_eq!(used.iter().find(|metric| !known(metric)), None);
}
