use tidegate_core::PoolAimdConstants;

use crate::Policy;

/// A constant of the default law with another value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Variation {
    /// The constant's name.
    pub name: &'static str,
    /// Its value in the law.
    pub value: f64,
    /// A clearly lower value.
    pub low: f64,
    /// A clearly higher value.
    pub high: f64,
}

impl Variation {
    /// A variation of each constant of the default law: half and double, and of a share its odds.
    ///
    /// Half and double of a share of 0.95 are no likely slips; a share of 1 more in 20, and of 1 less, are. So it is the
    /// odds of a share, p to 1 − p, that are halved and doubled.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let value = |name| PoolAimdConstants::default().named(name).copied();
        let known = PoolAimdConstants::NAMES.iter().filter_map(|&name| Some((name, value(name)?)));
        known
            .map(|(name, value)| Self { name, value, low: by(name, value, 0.5), high: by(name, value, 2.0) })
            .collect()
    }

    /// The default law with the lower value, and with the higher one.
    #[must_use]
    pub fn policies(&self) -> [Policy; 2] {
        [self.low, self.high].map(|value| {
            let constants = self.constants(value);
            Policy::varied(self.law(value), move |builder| builder.constants(constants))
        })
    }

    /// The name of the law with this value: `keep=0.6`.
    #[must_use]
    pub fn law(&self, value: f64) -> String {
        format!("{}={}", self.name, (value * 1e3).round() / 1e3)
    }

    fn constants(&self, value: f64) -> PoolAimdConstants {
        let mut constants = PoolAimdConstants::default();
        if let Some(constant) = constants.named(self.name) {
            *constant = value;
        }
        constants
    }
}

fn by(name: &str, value: f64, factor: f64) -> f64 {
    let is_share = value < 1.0 && !name.ends_with("_s");
    if is_share { factor * value / (1.0 - value + factor * value) } else { factor * value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, low: f64, high: f64) {
        let found = Variation::all().into_iter().find(|found| found.name == name).unwrap();
        assert!((found.low - low).abs() < 1e-3 && (found.high - high).abs() < 1e-3, "{found:?}");
        assert_ne!(found.constants(found.low), PoolAimdConstants::default());
        assert_eq!(found.constants(found.value), PoolAimdConstants::default());
    }

    #[test]
    fn sizes_are_halved_and_doubled_and_shares_stay_shares() {
        check("queue_factor", 2.0, 8.0);
        check("half_life_s", 1.0, 4.0);
        check("epoch_min_s", 0.05, 0.2);
        check("utilisation_goal", 0.942, 0.985);
        check("skip", 0.333, 0.667);
        check("timeout_share", 0.026, 0.095);
    }
}
