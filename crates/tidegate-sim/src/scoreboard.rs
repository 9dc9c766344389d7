//! From runs to rows: how a law did in a scenario, over its seeds, held against the best fixed limits.

mod board;
mod converge;
mod curve;
mod row;
mod schedule;
mod score;
mod standing;
mod variation;

pub use board::{Board, ScenarioRows};
pub use row::{MedianWorst, Row};
pub use score::{Converged, Phase, Score, limited, limits};
pub use standing::Standing;
pub use variation::Variation;

/// The middle of the values, or the mean of the middle two; `None` of nothing.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

#[cfg(test)]
mod tests;
