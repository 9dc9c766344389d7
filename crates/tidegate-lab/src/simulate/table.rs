//! The board on the terminal.

use tidegate_sim::scoreboard::{Board, MedianWorst, Row, Standing, Variation};

use super::play::Cost;
use crate::table::{dash, number, table};

pub(super) const ROW_HEADER: [&str; 12] = [
    "law",
    "goodput, %",
    "timeouts",
    "failed jobs",
    "expert p99, ms",
    "pool wait p99, ms",
    "near after, s",
    "decisions",
    "overshoot",
    "limit",
    "limit cv",
    "Jain",
];

pub(super) const STANDING_HEADER: [&str; 7] = [
    "law",
    "lowest scenario, %",
    "lowest seed, %",
    "mean, %",
    "timeouts (scenarios)",
    "failed jobs",
    "near after, s",
];

/// The rows of each scenario under its name.
pub(crate) fn scenarios(board: &Board) -> String {
    let tables = board.scenarios.iter().map(|scenario| {
        let rows = scenario.laws.iter().map(|row| cells(row).to_vec());
        format!("{}\n{}\n", scenario.name, table(&ROW_HEADER, rows))
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// All laws, the one with the best worst case first.
pub(crate) fn standings(board: &Board) -> String {
    let rows = board.standings().into_iter().map(|standing| standing_cells(&standing).to_vec());
    format!("All scenarios, worst case first\n{}\n", table(&STANDING_HEADER, rows))
}

/// What other values of the constants do, in the form of `docs/control-law.md`.
pub(crate) fn sensitivity(board: &Board, variations: &[Variation]) -> String {
    let header = ["constant", "value", "lower: mean/lowest %, timeouts", "higher: mean/lowest %, timeouts"];
    let figures = |law: &str| {
        let standing = board.standing(law);
        let lowest = standing.lowest.as_ref().map(|(_, share)| *share);
        format!("{}/{}, {:.0}", per_cent(standing.mean), per_cent(lowest), standing.timeouts)
    };
    let side = |variation: &Variation, value: f64| {
        format!("{}: {}", crate::num::round3(value), figures(&variation.law(value)))
    };
    let rows = variations.iter().map(|variation| {
        let (name, value) = (format!("`{}`", variation.name), variation.value.to_string());
        vec![name, value, side(variation, variation.low), side(variation, variation.high)]
    });
    format!("As it is: {}.\n\n{}\n", figures("default"), table(&header, rows))
}

/// What it took, in one line.
pub(crate) fn cost(cost: &Cost) -> String {
    let seconds = cost.elapsed.as_secs_f64();
    let events_per_s = crate::num::ratio(crate::num::to_f64(cost.events), seconds).unwrap_or(0.0);
    format!(
        "{} runs, {:.1} virtual hours in {seconds:.1} s: {:.2} million events a second; {:.1} s before them for fixed limits",
        cost.runs,
        cost.virtual_s / 3600.0,
        events_per_s / 1e6,
        cost.fixed_limits.as_secs_f64()
    )
}

/// The cells of a row, in the order of its header.
pub(super) fn cells(row: &Row) -> [String; ROW_HEADER.len()] {
    let both = |counts: MedianWorst| format!("{:.0}/{:.0}", counts.median, counts.worst);
    let each = |values: &[Option<f64>]| match values {
        [] => dash(),
        _ => values.iter().map(|value| number(*value, 1)).collect::<Vec<_>>().join(" "),
    };
    [
        row.law.clone(),
        row.goodput_of_oracle.map_or_else(dash, |share| {
            format!("{}/{}", per_cent(Some(share.median)), per_cent(Some(share.worst)))
        }),
        both(row.timeouts),
        both(row.failed_jobs),
        number(Some(row.expert_p99_ms), 0),
        number(Some(row.pool_wait_p99_ms), 1),
        each(&row.converge_s),
        each(&row.converge_decisions),
        number(row.overshoot, 2),
        number(row.limit_mean, 1),
        number(row.limit_cv, 3),
        number(row.jain, 3),
    ]
}

pub(super) fn standing_cells(standing: &Standing) -> [String; STANDING_HEADER.len()] {
    let lowest = standing.lowest.as_ref();
    [
        standing.law.clone(),
        lowest.map_or_else(dash, |(name, share)| format!("{} ({name})", per_cent(Some(*share)))),
        per_cent(standing.worst_seed),
        per_cent(standing.mean),
        format!("{:.0} ({})", standing.timeouts, standing.scenarios_with_timeouts),
        format!("{:.0}", standing.failed_jobs),
        number(standing.converge_s, 1),
    ]
}

fn per_cent(share: Option<f64>) -> String {
    number(share.map(|share| 100.0 * share), 1)
}
