//! A real Prometheus.

use std::{collections::BTreeSet, process::Command};

use serde_json::Value;
use tempfile::TempDir;
use truycap_test_support::ports::free_address;

use super::process::{Service, child::Process, wait::eventually};

pub(crate) struct Prometheus {
    process: Process,
    address: String,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts a server that scrapes these instances and evaluates the rules four times a second.
    pub(crate) fn start(instances: &[&Service], rules: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let targets: Vec<_> = instances.iter().map(|service| format!("\"{}\"", service.admin)).collect();
        let config = format!(
            "global: {{ scrape_interval: 250ms, scrape_timeout: 200ms, evaluation_interval: 250ms }}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n- job_name: truycap\n  scrape_timeout: 250ms\n  static_configs: [{{ targets: [{}] }}]\n",
            targets.join(", ")
        );
        std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
        std::fs::write(dir.path().join("rules.yml"), rules).unwrap();
        let address = free_address().to_string();
        let mut command = Command::new("prometheus");
        command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]);
        command.arg(format!("--web.listen-address={address}")).current_dir(dir.path());
        let mut prometheus = Self { process: Process::spawn(command), address, _dir: dir };
        eventually("Prometheus answers", || {
            assert!(!prometheus.process.has_ended(), "{}", prometheus.process.log());
            ureq::get(format!("http://{}/-/ready", prometheus.address)).call().ok()
        });
        prometheus
    }

    /// The series that a query returns now.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        let url = format!("http://{}/api/v1/query", self.address);
        let answer = ureq::get(&url).query("query", query).config().http_status_as_error(false).build().call().unwrap();
        let answer: Value = answer.into_body().read_json().unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// The names of the alerts that fire now.
    pub(crate) fn firing(&self) -> BTreeSet<String> {
        let alerts = self.query("ALERTS{alertstate=\"firing\"}");
        alerts.iter().map(|alert| alert["metric"]["alertname"].as_str().unwrap().to_owned()).collect()
    }
}
