//! The table on the terminal.

use comfy_table::{CellAlignment, Table, presets};

use super::{LimitReport, Report, RunReport};
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

/// One row per run.
pub(crate) fn table(report: &Report) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(HEADER);
    for (i, column) in table.column_iter_mut().enumerate() {
        if i != 0 && i != 2 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for run in &report.runs {
        table.add_row(row(run));
    }
    table.to_string()
}

/// The cells of a run, in the order of the header; also the HTML report's.
pub(super) fn row(run: &RunReport) -> [String; HEADER.len()] {
    [
        run.policy.clone(),
        format!("{}/{}", run.jobs_ok, run.jobs_failed),
        run.errors_text(),
        format!("{:.1}", run.experts_per_s),
        format!("{}/{}", number(run.expert_ms.p50, 1), number(run.expert_ms.p99, 1)),
        format!("{}/{}", number(run.pool_wait_ms.p50, 1), number(run.pool_wait_ms.p99, 1)),
        limit(&run.limit),
    ]
}

pub(super) const fn header() -> [&'static str; HEADER.len()] {
    HEADER
}

fn limit(limit: &LimitReport) -> String {
    match (limit.mean, limit.min, limit.max) {
        (Some(_), Some(min), Some(max)) if min == max => min.to_string(),
        (Some(mean), Some(min), Some(max)) => format!("{mean:.1} ({min}–{max})"),
        _ => dash(),
    }
}
