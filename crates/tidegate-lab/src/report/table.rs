//! The table on the terminal.

use comfy_table::{CellAlignment, Table, presets};

use super::{LimitReport, Quantiles, Report, RunReport};
use crate::gate::Shadow;
use crate::table::{dash, number};

const HEADER: [&str; 7] = [
    "policy",
    "jobs ok/failed",
    "errors",
    "experts/s",
    "expert ms p50/p99",
    "pool wait ms p50/p99",
    "limit mean (min–max)",
];

/// Only where a limiter was in shadow mode.
const SHADOW_HEADER: &str = "would queue/refuse";

/// Only where queries were begun that a run without failures does not need, or fewer than that.
const AMPLIFICATION_HEADER: &str = "queries/ideal";

/// Only where a big job runs beside others.
const SMALL_JOBS_HEADERS: [&str; 2] = ["small job ms p50/p99", "alone p50/p99"];

/// One row per run.
pub(crate) fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(header(report));
    for (i, column) in table.column_iter_mut().enumerate() {
        if i != 0 && i != 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for run in &report.runs {
        table.add_row(row(report, run));
    }
    table.to_string()
}

/// The cells of a run, in the order of the header; also the HTML report's.
pub(super) fn row(report: &Report, run: &RunReport) -> Vec<String> {
    let mut cells = vec![
        run.policy.clone(),
        format!("{}/{}", run.jobs_ok, run.jobs_failed),
        run.errors_text(),
        format!("{:.1}", run.experts_per_s),
        format!("{}/{}", number(run.expert_ms.p50, 1), number(run.expert_ms.p99, 1)),
        format!("{}/{}", number(run.pool_wait_ms.p50, 1), number(run.pool_wait_ms.p99, 1)),
        limit(&run.limit),
    ];
    if report.has_amplification() {
        cells.push(number(run.amplification, 2));
    }
    if report.has_small_jobs() {
        let times = |times: Quantiles| format!("{}/{}", number(times.p50, 1), number(times.p99, 1));
        let both = run.small_jobs.map(|small| [small.beside_ms, small.alone_ms].map(times));
        cells.extend(both.unwrap_or_else(|| [dash(), dash()]));
    }
    if report.shadow().is_some() {
        let would_have =
            |shadow: Shadow| format!("{}/{}", shadow.would_have_queued, shadow.would_have_refused);
        cells.push(run.shadow.map_or_else(dash, would_have));
    }
    cells
}

pub(super) fn header(report: &Report) -> Vec<&'static str> {
    let shadow = report.shadow().map(|_| SHADOW_HEADER);
    let amplification = report.has_amplification().then_some(AMPLIFICATION_HEADER);
    let small_jobs = report.has_small_jobs().then_some(SMALL_JOBS_HEADERS);
    HEADER.into_iter().chain(amplification).chain(small_jobs.into_iter().flatten()).chain(shadow).collect()
}

fn limit(limit: &LimitReport) -> String {
    match (limit.mean, limit.min, limit.max) {
        (Some(_), Some(min), Some(max)) if min == max => min.to_string(),
        (Some(mean), Some(min), Some(max)) => format!("{mean:.1} ({min}–{max})"),
        _ => dash(),
    }
}
