//! How long calls take: the worlds the shares are measured in.

use std::time::Duration;

use fastrand::Rng;

/// The service time of a short call, or the mean where it is random.
pub(super) const SERVICE_TIME: Duration = Duration::from_secs(1);

/// How many times as long a slow key's calls are.
const SLOW: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum World {
    Equal,
    Exponential,
    SlowKey,
}

impl World {
    pub(super) const ALL: [Self; 3] = [Self::Equal, Self::Exponential, Self::SlowKey];

    /// Its name in the JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Exponential => "exponential",
            Self::SlowKey => "slow_key",
        }
    }

    /// The sentence over its table.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Equal => "Every call takes the same time.",
            Self::Exponential => "Service times are exponential, with one mean for all.",
            Self::SlowKey => {
                "The calls of one key take ten times as long; each figure is of the worst choice of that key. A turn is a short call's."
            }
        }
    }
}

/// The service times of one run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Service {
    Equal,
    Exponential,
    /// The calls of the key of this number are slow.
    Slow(usize),
}

impl Service {
    /// What there is to run of a world with so many keys.
    pub(super) fn all(world: World, keys: usize) -> Vec<Self> {
        match world {
            World::Equal => vec![Self::Equal],
            World::Exponential => vec![Self::Exponential],
            World::SlowKey => (0..keys).map(Self::Slow).collect(),
        }
    }

    pub(super) const fn slow_key(self) -> Option<usize> {
        match self {
            Self::Slow(key) => Some(key),
            Self::Equal | Self::Exponential => None,
        }
    }

    /// The service time of a call of this key.
    pub(super) fn draw(self, key: usize, rng: &mut Rng) -> Duration {
        match self {
            // `1 - f64()` is above 0, so its logarithm is finite.
            Self::Exponential => SERVICE_TIME.mul_f64(-(1.0 - rng.f64()).ln()),
            Self::Equal | Self::Slow(_) => self.mean(key),
        }
    }

    /// The mean service time of this key's calls.
    pub(super) fn mean(self, key: usize) -> Duration {
        match self.slow_key() {
            Some(slow) if slow == key => SERVICE_TIME * SLOW,
            _ => SERVICE_TIME,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_the_slow_one_once_and_alone() {
        let slow = Service::all(World::SlowKey, 3);
        assert_eq!(slow.iter().map(|service| service.slow_key()).collect::<Vec<_>>(), [0, 1, 2].map(Some));
        assert_eq!([0, 1, 2].map(|key| slow[1].mean(key).as_secs()), [1, 10, 1]);
    }

    #[test]
    fn exponential_times_have_the_mean_and_spread_they_should() {
        let mut rng = Rng::with_seed(1);
        let drawn: Vec<f64> =
            (0..10_000).map(|_| Service::Exponential.draw(0, &mut rng).as_secs_f64()).collect();
        let mean = drawn.iter().sum::<f64>() / 1e4;
        let square = drawn.iter().map(|time| time * time).sum::<f64>() / 1e4;
        assert!((mean - 1.0).abs() < 0.05 && (square - 2.0).abs() < 0.2, "mean {mean}, mean square {square}");
    }
}
