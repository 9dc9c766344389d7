//! Plays an order: every scenario under every law with every seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tidegate_sim::scoreboard::{Board, Phase, Row, Score, limits};
use tidegate_sim::{Policy, Report, Scenario, SimError, run};

use super::crew::share_out;
use super::order::Order;
use super::progress::Progress;

/// What came of an order.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) board: Board,
    /// Beside the rows of the board: how the limits went with the first seed.
    pub(crate) limit_lines: Vec<Vec<LimitLine>>,
    pub(crate) cost: Cost,
}

/// The limit of one run over time, of its first process: the moments in seconds from which each held.
#[derive(Clone, Debug)]
pub(crate) struct LimitLine {
    pub(crate) limits: Vec<(f64, u32)>,
    pub(crate) to_s: f64,
}

/// What it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) runs: usize,
    pub(crate) events: u64,
    pub(crate) virtual_s: f64,
    pub(crate) elapsed: Duration,
    /// Before the runs: to find what fixed limits are worth.
    pub(crate) fixed_limits: Duration,
}

/// One law on one scenario.
#[derive(Clone, Copy)]
struct Pairing<'a> {
    scenario: &'a Scenario,
    phases: &'a [Phase],
    law: &'a Policy,
}

/// Plays it on all processors, and shows how it goes.
///
/// # Errors
///
/// A run that broke a law of conservation, or settings that a limiter refuses.
pub(crate) fn play(order: &Order) -> Result<Played, SimError> {
    let began = Instant::now();
    let progress = Progress::begin("scenarios under fixed limits", order.scenarios.len());
    let phases = share_out(order.scenarios.len(), |number| {
        let scenario = &order.scenarios[number];
        let phases = Phase::of(scenario)?;
        progress.ended(&scenario.name);
        Ok(phases)
    })?;
    drop(progress);
    let oracles: Vec<Option<Policy>> = phases.iter().map(|phases| Policy::oracle(phases)).collect();
    let mut pairings = Vec::new();
    for ((scenario, phases), oracle) in order.scenarios.iter().zip(&phases).zip(&oracles) {
        pairings.extend(oracle.iter().chain(&order.laws).map(|law| Pairing { scenario, phases, law }));
    }
    let seeds = &order.seeds;
    let progress = Progress::begin("runs", pairings.len() * seeds.len());
    let events = AtomicU64::new(0);
    let runs_began = Instant::now();
    let scores = share_out(pairings.len() * seeds.len(), |piece| {
        let Pairing { scenario, phases, law } = pairings[piece / seeds.len()];
        let seed = seeds[piece % seeds.len()];
        let report = run(scenario, law, seed)?;
        events.fetch_add(report.events, Ordering::Relaxed);
        progress.ended(&format!("{}, {}", scenario.name, law.name()));
        let line = (seed == seeds[0]).then(|| LimitLine::of(&report));
        Ok((Score::of(scenario, phases, &report), line))
    })?;
    let cost = Cost {
        runs: scores.len(),
        events: events.into_inner(),
        virtual_s: pairings.iter().map(|pairing| pairing.scenario.duration_s).sum::<f64>()
            * crate::num::to_f64(seeds.len() as u64),
        elapsed: runs_began.elapsed(),
        fixed_limits: runs_began - began,
    };
    let (board, limit_lines) = gather(order, &pairings, scores);
    Ok(Played { board, limit_lines, cost })
}

/// The runs by scenario and law.
fn gather(
    order: &Order,
    pairings: &[Pairing<'_>],
    scores: Vec<(Score, Option<LimitLine>)>,
) -> (Board, Vec<Vec<LimitLine>>) {
    let mut scores = scores.into_iter();
    let mut rows: Vec<(String, Vec<Row>)> = Vec::new();
    let mut limit_lines: Vec<Vec<LimitLine>> = Vec::new();
    for Pairing { scenario, law, .. } in pairings {
        let (of_law, first): (Vec<Score>, Vec<Option<LimitLine>>) =
            scores.by_ref().take(order.seeds.len()).unzip();
        if rows.last().is_none_or(|(name, _)| *name != scenario.name) {
            rows.push((scenario.name.clone(), Vec::new()));
            limit_lines.push(Vec::new());
        }
        if let (Some((_, rows)), Some(limit_lines)) = (rows.last_mut(), limit_lines.last_mut()) {
            rows.extend(Row::of(law.name(), &of_law));
            limit_lines.extend(first.into_iter().flatten());
        }
    }
    (Board::new(rows), limit_lines)
}

impl LimitLine {
    fn of(report: &Report) -> Self {
        Self {
            limits: report.processes.first().map_or(Vec::new(), limits),
            to_s: report.whole.to.as_secs_f64(),
        }
    }
}
