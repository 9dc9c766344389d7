//! The statistics by which failsafe-go tells overload from a service that is slow by itself.

use std::collections::VecDeque;

/// A rolling window of pairs: failsafe-go's `CorrelationWindow`.
#[derive(Debug)]
pub(super) struct CorrelationWindow {
    pairs: VecDeque<(f64, f64)>,
    capacity: usize,
    warm_up: usize,
}

/// Both are 0 while too little is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Correlation {
    /// Pearson's coefficient; 0 also if one side varies by less than 1%.
    pub(super) coefficient: f64,
    /// Coefficient of variation of the second side.
    pub(super) variation: f64,
}

const VARIATION_MIN: f64 = 0.01;

impl CorrelationWindow {
    pub(super) fn new(capacity: usize, warm_up: usize) -> Self {
        Self { pairs: VecDeque::with_capacity(capacity), capacity, warm_up }
    }

    pub(super) fn add(&mut self, x: f64, y: f64) -> Correlation {
        if self.pairs.len() == self.capacity {
            self.pairs.pop_front();
        }
        self.pairs.push_back((x, y));
        if self.pairs.len() < self.warm_up {
            return Correlation::default();
        }
        let mean_of = |of: &dyn Fn(f64, f64) -> f64| {
            let count = f64::from(u32::try_from(self.pairs.len()).unwrap_or(u32::MAX));
            self.pairs.iter().map(|(x, y)| of(*x, *y)).sum::<f64>() / count
        };
        let (mean_x, mean_y) = (mean_of(&|x, _| x), mean_of(&|_, y| y));
        let deviation_x = mean_of(&|x, _| (x - mean_x).powi(2)).sqrt();
        let deviation_y = mean_of(&|_, y| (y - mean_y).powi(2)).sqrt();
        let variation = deviation_y / mean_y;
        if deviation_x / mean_x < VARIATION_MIN || variation < VARIATION_MIN {
            return Correlation { coefficient: 0.0, variation };
        }
        let covariance = mean_of(&|x, y| (x - mean_x) * (y - mean_y));
        Correlation { coefficient: covariance / (deviation_x * deviation_y), variation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coefficient_is_pearsons_over_the_last_pairs() {
        let mut window = CorrelationWindow::new(4, 3);
        assert_eq!(window.add(9.0, 9.0), Correlation::default());
        assert_eq!(window.add(1.0, 2.0), Correlation::default());
        window.add(2.0, 4.0);
        window.add(3.0, 6.0);
        // The first pair leaves; what is left lies on a line.
        let found = window.add(4.0, 8.0);
        assert!((found.coefficient - 1.0).abs() < 1e-12);
        assert!((found.variation - 5_f64.sqrt() / 5.0).abs() < 1e-12, "mean 5, variance 5");
        let found = window.add(5.0, 0.0);
        // x 2…5, y 4, 6, 8, 0: covariance −1.25, variances 1.25 and 8.75.
        assert!((found.coefficient + 1.25 / (1.25_f64 * 8.75).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn what_hardly_varies_correlates_with_nothing() {
        let mut window = CorrelationWindow::new(50, 2);
        window.add(100.0, 1.0);
        let found = window.add(101.0, 2.0);
        assert!(found.coefficient.abs() < f64::EPSILON && found.variation > 0.3, "{found:?}");
    }
}
