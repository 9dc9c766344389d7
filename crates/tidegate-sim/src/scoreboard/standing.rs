use super::{Row, median};

/// How a law did over all scenarios, worst case first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// The law's name.
    pub law: String,
    /// The scenario with the lowest median goodput as a share of the oracle's, and that share.
    pub lowest: Option<(String, f64)>,
    /// The lowest share of any seed in any scenario.
    pub worst_seed: Option<f64>,
    /// Mean of the scenarios' medians.
    pub mean: Option<f64>,
    /// Scenarios in which the median seed had a pool timeout.
    pub scenarios_with_timeouts: usize,
    /// Sum over the scenarios of the median pool timeouts.
    pub timeouts: f64,
    /// Sum over the scenarios of the median failed jobs.
    pub failed_jobs: f64,
    /// Median over the scenarios of the seconds to come near the oracle from the start; `None` if in half of them it never
    /// did.
    pub converge_s: Option<f64>,
}

impl Standing {
    /// The standing of a law with these rows, each given with its scenario's name.
    pub(super) fn of(law: &str, rows: &[(String, Row)]) -> Self {
        let shares = || rows.iter().filter_map(|(name, row)| Some((name, row.goodput_of_oracle?)));
        let lowest = shares().min_by(|(_, a), (_, b)| a.median.total_cmp(&b.median));
        // A scenario in which it never came near is beyond all in which it did.
        let from_start =
            || rows.iter().filter_map(|(_, row)| Some(row.converge_s.first()?.unwrap_or(f64::INFINITY)));
        let count = crate::num::float(shares().count() as u128);
        Self {
            law: law.to_owned(),
            lowest: lowest.map(|(name, share)| (name.clone(), share.median)),
            worst_seed: shares().map(|(_, share)| share.worst).min_by(f64::total_cmp),
            mean: lowest.map(|_| shares().map(|(_, share)| share.median).sum::<f64>() / count),
            scenarios_with_timeouts: rows.iter().filter(|(_, row)| row.timeouts.median > 0.0).count(),
            timeouts: rows.iter().map(|(_, row)| row.timeouts.median).sum(),
            failed_jobs: rows.iter().map(|(_, row)| row.failed_jobs.median).sum(),
            converge_s: median(from_start()).filter(|median| median.is_finite()),
        }
    }
}
