/// The first rounds are averaged equally, as published.
const WARM_UP: f64 = 10.0;
/// An average that is so many times the last call time moves faster by a twentieth a round, as published.
const FAR: f64 = 2.0;
const FAR_DECAY: f64 = 0.95;

/// The exponential average of the call times of good rounds.
#[derive(Clone, Copy, Debug)]
pub(super) struct LongAverage {
    window: f64,
    seconds: f64,
    rounds: f64,
}

impl LongAverage {
    pub(super) fn new(window: u32) -> Self {
        Self { window: f64::from(window), seconds: 0.0, rounds: 0.0 }
    }

    pub(super) const fn is_known(&self) -> bool {
        self.rounds > 0.0
    }

    /// Zero until it is known.
    pub(super) const fn seconds(&self) -> f64 {
        self.seconds
    }

    pub(super) fn add(&mut self, seconds: f64) {
        self.rounds += 1.0;
        let share = if self.rounds <= WARM_UP { 1.0 / self.rounds } else { 2.0 / (self.window + 1.0) };
        self.seconds += share * (seconds - self.seconds);
        if self.seconds > FAR * seconds {
            self.seconds *= FAR_DECAY;
        }
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
    fn far_above_the_calls_it_comes_down_faster() {
        let mut long = LongAverage::new(600);
        long.add(1.0);
        long.add(0.1);
        assert!((long.seconds() - 0.55 * 0.95).abs() < 1e-12, "{}", long.seconds());
    }
}
