//! A Prometheus of the test's own.

use std::collections::BTreeSet;
use std::fs::{read_to_string, write};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use url::form_urlencoded::byte_serialize;

use crate::http;
use crate::pages;
use crate::service::Service;

const MISSING: &str = "prometheus and promtool are there: run ./check, or apt-get install prometheus";

/// The rules look a second back where they look a minute back in life.
const SHORTENED: [(&str, &str); 3] = [("[5m]", "[10s]"), ("[1m]", "[10s]"), ("for: 1m", "for: 1s")];

pub(crate) struct Prometheus {
    process: Child,
    address: String,
    _folder: TempDir,
}

impl Prometheus {
    /// Asks the service every half second, and itself about the rules every second.
    pub(crate) fn watch(service: &Service) -> Self {
        let folder = tempfile::tempdir().expect("a temporary directory");
        let rules = SHORTENED.iter().fold(alerts_page(), |rules, (long, short)| {
            assert!(rules.contains(long), "the rules say {long}");
            rules.replace(long, short)
        });
        let config = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 1s}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n  - {{job_name: example, static_configs: [{{targets: ['{}']}}]}}\n",
            service.address
        );
        write(folder.path().join("rules.yml"), rules).expect("the rules are written");
        write(folder.path().join("config.yml"), config).expect("the configuration is written");
        let address = format!("127.0.0.1:{}", http::free_port());
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", folder.path().join("config.yml").display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=error")
            .spawn()
            .expect(MISSING);
        let prometheus = Self { process, address, _folder: folder };
        prometheus.wait_for("Prometheus is ready", || {
            http::try_get(&prometheus.address, "/-/ready").is_some_and(|ready| ready.status == 200)
        });
        prometheus
    }

    /// The values that the query has now.
    pub(crate) fn query(&self, query: &str) -> Vec<f64> {
        let query: String = byte_serialize(query.as_bytes()).collect();
        let data = self.ask(&format!("/api/v1/query?query={query}"));
        let value = |sample: &Value| {
            let text = sample["value"][1].as_str().unwrap_or_else(|| panic!("{sample} has a value"));
            text.parse().expect("a value is a number")
        };
        data["result"].as_array().expect("a query has a result").iter().map(value).collect()
    }

    /// The names of the alerts there are.
    pub(crate) fn alerts(&self) -> BTreeSet<String> {
        self.rules_with(|_| true).into_iter().map(|rule| text(&rule["name"])).collect()
    }

    /// The names of the alerts that fire now.
    pub(crate) fn firing(&self) -> BTreeSet<String> {
        self.rules_with(|rule| rule["state"] == "firing")
            .into_iter()
            .map(|rule| text(&rule["name"]))
            .collect()
    }

    /// The query of each alert.
    pub(crate) fn rules(&self) -> Vec<String> {
        self.rules_with(|_| true).into_iter().map(|rule| text(&rule["query"])).collect()
    }

    fn rules_with(&self, is_meant: impl Fn(&Value) -> bool) -> Vec<Value> {
        let data = self.ask("/api/v1/rules");
        let groups = data["groups"].as_array().expect("there are groups of rules");
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten());
        rules.filter(|rule| is_meant(rule)).cloned().collect()
    }

    fn ask(&self, path: &str) -> Value {
        let answer = http::get(&self.address, path);
        let answer: Value = serde_json::from_str(&answer.body).expect("Prometheus answers in JSON");
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// Waits until something is so, for at most 40 seconds.
    pub(crate) fn wait_for(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            let waited = start.elapsed();
            assert!(waited < Duration::from_secs(40), "{what}: not so; firing are {:?}", self.firing());
            sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended = self.process.kill();
        let _seen = self.process.wait();
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is a text")).to_owned()
}

fn alerts_page() -> String {
    read_to_string(pages::path("alerts.yml")).expect("the alert rules are there")
}

/// What promtool says of its input; it exits with 3 where it has only advice.
pub(crate) fn promtool(args: &[&str], input: &str) -> String {
    let mut process = Command::new("promtool")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(MISSING);
    let mut stdin = process.stdin.take().expect("its input is piped");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = process.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8(said).expect("promtool says text");
    assert!(matches!(output.status.code(), Some(0 | 3)), "promtool {args:?}: {said}");
    said
}
