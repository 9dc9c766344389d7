//! What stands in `docs/`.

use std::fs::read_to_string;

use serde_json::Value;

/// The file of that name in `docs/observability/`.
pub(crate) fn path(name: &str) -> String {
    format!("{}/../docs/observability/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The names of all metrics in the tables of `docs/metrics.md`, as a recorder with Prometheus's naming serves them.
pub(crate) fn metrics() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = read_to_string(page).expect("docs/metrics.md is there");
    let served = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind @ ("counter" | "gauge" | "histogram"), unit, ..] = cells[..] else { return None };
        let mut name = name.trim_matches('`').replace('.', "_");
        let suffixes =
            [(kind == "counter", "_total"), (kind == "histogram" && unit == "seconds", "_seconds")];
        for (is_due, suffix) in suffixes {
            if is_due && !name.ends_with(suffix) {
                name += suffix;
            }
        }
        Some(name)
    };
    text.lines().filter_map(served).collect()
}

pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) number: u64,
    pub(crate) place: Place,
    /// With the dashboard's variables filled in.
    pub(crate) queries: Vec<String>,
}

#[derive(Clone, Copy)]
pub(crate) struct Place {
    left: u64,
    top: u64,
    width: u64,
    height: u64,
}

impl Place {
    pub(crate) const fn right(self) -> u64 {
        self.left + self.width
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.left < other.right()
            && other.left < self.right()
            && self.top < other.top + other.height
            && other.top < self.top + self.height
    }
}

/// Every panel of the dashboard.
pub(crate) fn panels() -> Vec<Panel> {
    let text = read_to_string(path("dashboard.json")).expect("the dashboard is there");
    let dashboard: Value = serde_json::from_str(&text).expect("the dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("the dashboard has panels");
    let number = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} is a number"));
    let panel = |panel: &Value| {
        let place = &panel["gridPos"];
        let targets = panel["targets"].as_array().into_iter().flatten();
        let queries = targets.map(|target| fill_in(target["expr"].as_str().expect("a target has a query")));
        let queries: Vec<String> = queries.collect();
        assert!(panel["type"] == "row" || !queries.is_empty(), "a panel without a query: {panel}");
        Panel {
            title: panel["title"].to_string(),
            number: number(&panel["id"]),
            place: Place {
                left: number(&place["x"]),
                top: number(&place["y"]),
                width: number(&place["w"]),
                height: number(&place["h"]),
            },
            queries,
        }
    };
    panels.iter().map(panel).collect()
}

fn fill_in(query: &str) -> String {
    let query = query.replace("$__rate_interval", "10s").replace("$limiter", ".*").replace("$pool", ".*");
    assert!(!query.contains('$'), "{query} has a variable that this test does not know");
    query
}
