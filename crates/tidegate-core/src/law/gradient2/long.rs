/// The first rounds are averaged equally, as published.
const WARM_UP: f64 = 10.0;
/// After so many rounds in a row that took less than the average by this factor the service is known to have become faster;
/// of ten calls of exponential times one mean in eight is so low by chance.
const FAST: f64 = 1.5;
const FAST_ROUNDS: u32 = 3;

/// The exponential average of the call times of good rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongAverage {
    window: f64,
    seconds: f64,
    rounds: f64,
    fast_rounds: u32,
}

impl LongAverage {
    pub(super) fn new(window: u32) -> Self {
        Self { window: f64::from(window), seconds: 0.0, rounds: 0.0, fast_rounds: 0 }
    }

    pub(super) const fn is_known(&self) -> bool {
        self.rounds > 0.0
    }

    /// Zero until it is known.
    pub(super) const fn seconds(&self) -> f64 {
        self.seconds
    }

    pub(super) fn add(&mut self, seconds: f64) {
        self.fast_rounds = if FAST * seconds < self.seconds { self.fast_rounds + 1 } else { 0 };
        if self.fast_rounds >= FAST_ROUNDS {
            (self.rounds, self.fast_rounds) = (0.0, 0);
        }
        self.rounds += 1.0;
        let share = if self.rounds <= WARM_UP { 1.0 / self.rounds } else { 2.0 / (self.window + 1.0) };
        self.seconds += share * (seconds - self.seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_mean_at_first_and_then_exponential() {
        let mut long = LongAverage::new(19);
        assert!(!long.is_known());
        for seconds in [0.1, 0.2, 0.3] {
            long.add(seconds);
        }
        assert!((long.seconds() - 0.2).abs() < 1e-12);
        (0..7).for_each(|_| long.add(0.2));
        // A tenth of the way.
        long.add(0.3);
        assert!((long.seconds() - 0.21).abs() < 1e-12, "{}", long.seconds());
    }

    #[test]
    fn three_much_faster_rounds_in_a_row_begin_it_anew() {
        let mut long = LongAverage::new(600);
        (0..20).for_each(|_| long.add(0.3));
        (0..5).for_each(|_| [0.19, 0.19, 0.3].iter().for_each(|seconds| long.add(*seconds)));
        assert!(long.seconds() > 0.28, "{}", long.seconds());
        [0.19, 0.18, 0.1].iter().for_each(|seconds| long.add(*seconds));
        assert!((long.seconds() - 0.1).abs() < 1e-12, "{}", long.seconds());
    }
}
