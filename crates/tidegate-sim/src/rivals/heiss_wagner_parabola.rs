use std::time::Duration;

use tidegate_core::{Evidence, Timestamp};

use super::interval::{Point, Throughput};
use super::{EndedCall, LIMIT_MAX, Rival, whole};

const INITIAL: f64 = 10.0;
const INTERVAL: Duration = Duration::from_secs(1);
/// What an interval weighs as against the one after it.
const MEMORY: f64 = 0.9;
/// While no maximum shows, and around one so that the curve stays visible.
const EXPLORE: f64 = 0.5;
const EXCITE: f64 = 0.05;
/// The fit is only trusted near where it was measured.
const JUMP: f64 = 2.0;

/// Parabola approximation: Heiss and Wagner, Adaptive load control in transaction processing systems, VLDB 1991, pp. 47–54.
///
/// Each interval gives a point (permits out, throughput). A parabola P(n) = a + b·n + c·n² is fitted by least squares with
/// fading memory, and the limit goes to its vertex −b / 2c. The paper's text was not at hand, only its abstract and accounts
/// of it. A reading of ours is: the interval of 1 s, a memory of 0.9, half of the load up the slope where it has no maximum,
/// jumps of at most a factor of 2, an excitation of ±5% in turn, and a first limit of 10.
#[derive(Debug)]
pub(super) struct HeissWagnerParabola {
    limit: f64,
    fit: Parabola,
    excitation: f64,
    throughput: Throughput,
}

impl HeissWagnerParabola {
    pub(super) fn new() -> Self {
        Self {
            limit: INITIAL,
            fit: Parabola::default(),
            excitation: EXCITE,
            throughput: Throughput::new(INTERVAL),
        }
    }

    fn decide(&mut self, load: f64, rate: f64) {
        self.fit.add(load, rate);
        let target = match self.fit.solve() {
            Some((b, c)) if c < 0.0 => (-b / (2.0 * c)).clamp(load / JUMP, load * JUMP),
            Some((b, c)) => load * (1.0 + EXPLORE * (b + 2.0 * c * load).signum()),
            None => load * (1.0 + EXPLORE),
        };
        // Where it begins, a share of the limit may be less than a permit, which nobody would notice.
        let excited = target + (self.excitation * target).abs().max(1.0).copysign(self.excitation);
        self.excitation = -self.excitation;
        self.limit = excited.clamp(1.0, LIMIT_MAX);
    }
}

impl Rival for HeissWagnerParabola {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn ended(&mut self, call: &EndedCall) {
        self.throughput.add(call);
    }

    fn elapsed(&mut self, now: Timestamp, _evidence: &Evidence) {
        if let Some(Point { rate, load: Some(load) }) = self.throughput.look(now) {
            self.decide(load, rate);
        }
    }
}

/// A least-squares parabola with fading memory, as sums of powers.
#[derive(Debug, Default)]
struct Parabola {
    /// Σ n⁰ … Σ n⁴.
    powers: [f64; 5],
    /// Σ P, Σ n·P, Σ n²·P.
    products: [f64; 3],
}

impl Parabola {
    fn add(&mut self, n: f64, p: f64) {
        let mut power = 1.0;
        for (index, sum) in self.powers.iter_mut().enumerate() {
            *sum = MEMORY * *sum + power;
            if let Some(product) = self.products.get_mut(index) {
                *product = MEMORY * *product + power * p;
            }
            power *= n;
        }
    }

    /// b and c by Cramer's rule; `None` while the points do not determine them.
    fn solve(&self) -> Option<(f64, f64)> {
        let [s0, s1, s2, s3, s4] = self.powers;
        let [t0, t1, t2] = self.products;
        let determinant = determinant([[s0, s1, s2], [s1, s2, s3], [s2, s3, s4]]);
        // Against its largest term, which it would be without correlation between the powers.
        if determinant <= 1e-9 * s0 * s2 * s4 {
            return None;
        }
        let b = determinant_of_b([s0, s1, s2, s3, s4], [t0, t1, t2]) / determinant;
        let c = self::determinant([[s0, s1, t0], [s1, s2, t1], [s2, s3, t2]]) / determinant;
        Some((b, c))
    }
}

fn determinant_of_b([s0, s1, s2, s3, s4]: [f64; 5], [t0, t1, t2]: [f64; 3]) -> f64 {
    determinant([[s0, t0, s2], [s1, t1, s3], [s2, t2, s4]])
}

fn determinant([[a, b, c], [d, e, f], [g, h, i]]: [[f64; 3]; 3]) -> f64 {
    a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
}

#[cfg(test)]
mod tests {
    use tidegate_core::Outcome;

    use super::*;
    use crate::rivals::tests::call;

    #[test]
    fn points_on_a_parabola_give_it_back() {
        let mut fit = Parabola::default();
        for n in [10.0, 20.0] {
            fit.add(n, 3.0 + 4.0 * n - 0.1 * n * n);
            assert_eq!(fit.solve(), None, "two points do not determine three coefficients");
        }
        fit.add(25.0, 3.0 + 4.0 * 25.0 - 0.1 * 625.0);
        let (b, c) = fit.solve().unwrap();
        assert!((b - 4.0).abs() < 1e-6 && (c + 0.1).abs() < 1e-6, "{b} {c}");
    }

    #[test]
    fn the_formula_by_hand() {
        let mut law = HeissWagnerParabola::new();
        // Permits out, throughput (on 4n − 0.1n², whose vertex is 20), limit after it.
        let rows = [
            (5.0, 17.5, 8.5),     // 7.5 and up by 1
            (10.0, 30.0, 14.0),   // 15 and down by 1
            (30.0, 30.0, 21.0),   // the vertex and up by 5%
            (50.0, -50.0, 23.75), // the vertex is below half the load: 25 and down by 5%
            (8.0, 25.6, 17.0),    // above twice the load: 16 and up by 1
        ];
        for (load, rate, limit) in rows {
            law.decide(load, rate);
            assert!((law.limit - limit).abs() < 1e-6, "{load}: {}", law.limit);
        }
    }

    #[test]
    fn each_second_with_a_call_gives_a_point() {
        let mut law = HeissWagnerParabola::new();
        law.elapsed(Timestamp::from_millis(1_000), &Evidence::default());
        assert_eq!(law.limit(), 10, "no call has ended, so no load is known");
        (0..20).for_each(|_| law.ended(&call(1_500, 10, 8, Outcome::Success)));
        law.elapsed(Timestamp::from_millis(1_999), &Evidence::default());
        assert_eq!(law.limit(), 10);
        law.elapsed(Timestamp::from_millis(2_000), &Evidence::default());
        assert_eq!(law.limit(), 13, "half of 8 up, and up by 1");
        assert!((law.fit.products[1] - 8.0 * 20.0).abs() < 1e-9, "20 calls a second at 8 permits");
    }

    #[test]
    fn without_a_maximum_it_goes_up_the_slope() {
        // n² falls on the left of 0 and rises on the right: c > 0.
        for (slope, limit) in [(1.0, 60.0 + 3.0), (-1.0, 20.0 + 1.0)] {
            let mut law = HeissWagnerParabola::new();
            for n in [10.0, 20.0] {
                law.fit.add(n, 1_000.0 + slope * n * (1.0 + 0.001 * slope * n));
            }
            law.decide(40.0, 1_000.0 + slope * 40.0 * (1.0 + 0.001 * slope * 40.0));
            assert!((law.limit - limit).abs() < 1e-6, "{slope}: {}", law.limit);
        }
    }
}
