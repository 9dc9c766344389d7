//! The metrics, the dashboard and the alert rules, against a real Prometheus that watches the axum example under load.

#![expect(clippy::panic, clippy::expect_used, reason = "a test's helper that cannot help ends the test")]

mod database;
mod http;
mod pages;
mod prometheus;
mod service;

use std::collections::BTreeSet;
use std::time::Duration;

use self::database::Database;
use self::prometheus::{Prometheus, promtool};
use self::service::Service;

/// What promtool has to say of a name that is OpenTelemetry's.
const KNOWN_LINT: &str =
    r#"db_client_connection_count non-histogram and non-summary metrics should not have "_count" suffix"#;

#[test]
fn every_metric_of_the_table_is_served_and_no_other_and_promtool_accepts_them() {
    let service = Service::start(None);
    let _load = service.load(2);
    service.wait_for_scans(20);
    let metrics = service.get("/metrics").body;
    let served: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    let table = pages::metrics();
    // The example coalesces nothing and reserves no sets; the tests of those see their metrics.
    let elsewhere = ["tidegate_coalesce_", "tidegate_connection_sets_"];
    let expected =
        table.iter().map(String::as_str).filter(|name| !elsewhere.iter().any(|part| name.starts_with(part)));
    assert_eq!(served, expected.collect(), "served beside docs/metrics.md");
    let said = promtool(&["check", "metrics"], &metrics);
    assert_eq!(said.lines().filter(|line| *line != KNOWN_LINT).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn promtool_accepts_the_alert_rules() {
    let said = promtool(&["check", "rules", &pages::path("alerts.yml")], "");
    assert!(said.contains("SUCCESS: 4 rules found"), "{said}");
}

/// Two panels on one place hide each other, and two of one number are one to Grafana.
#[test]
fn panels_of_the_dashboard_have_numbers_and_places_of_their_own() {
    let panels = pages::panels();
    let numbers: BTreeSet<u64> = panels.iter().map(|panel| panel.number).collect();
    assert_eq!(numbers.len(), panels.len());
    for (i, panel) in panels.iter().enumerate() {
        assert!(panel.place.right() <= 24, "{} is beyond the right border", panel.title);
        for other in &panels[..i] {
            assert!(!panel.place.overlaps(other.place), "{} is on {}", panel.title, other.title);
        }
    }
}

/// The calm minute and the frozen one, in a few seconds each: windows and waits of the rules are shortened for it.
#[test]
fn every_query_has_data_and_alerts_fire_when_the_database_is_frozen_and_not_before() {
    let database = Database::start();
    let service = Service::start(Some(&database.url));
    let prometheus = Prometheus::watch(&service);
    let alerts = prometheus.alerts();
    assert_eq!(alerts.len(), 4, "{alerts:?}");
    // What is there before the first look is not seen to grow.
    prometheus.wait_for("the idle service was looked at", || !prometheus.query("tidegate_queued").is_empty());
    // More jobs than the limit admits at once, so that there is a queue.
    let load = service.load(12);
    service.wait_for_scans(10);
    std::thread::sleep(Duration::from_secs(12));
    for panel in pages::panels() {
        for query in panel.queries {
            let values = prometheus.query(&query);
            assert!(values.iter().any(|value| value.is_finite()), "{}: {query} has {values:?}", panel.title);
        }
    }
    assert_eq!(prometheus.firing(), BTreeSet::new(), "all is calm");
    let frozen = database.freeze();
    prometheus.wait_for("every alert fires", || prometheus.firing() == alerts);
    for query in prometheus.rules() {
        // It fired, but the brake goes on and off with the acquires that wait.
        prometheus.wait_for(&format!("{query} has data"), || !prometheus.query(&query).is_empty());
    }
    drop(frozen);
    prometheus.wait_for("a thawed database is served again", || service.get("/scan").status == 200);
    drop(load);
}
