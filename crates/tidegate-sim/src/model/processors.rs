use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::num::{Nanos, nanos, seconds};
use crate::scenario::{Database, Knee, Usl};
use crate::slab::Key;

/// A capacity shared equally among the queries that run.
///
/// All running queries progress at one rate, so their progress is one figure, the service attained since the database was
/// last empty; a query ends when that figure has grown by the query's work.
#[derive(Debug)]
pub(super) struct Processors {
    cores: f64,
    usl: Usl,
    knee: Knee,
    speed: f64,
    /// Seconds of service that a query running all the time would have got.
    attained: f64,
    /// When `attained` was brought up to date.
    since: Nanos,
    /// By the attained service at which they end. The bits of floats that are not negative sort as the floats do.
    running: BinaryHeap<Reverse<(u64, u64, Key)>>,
    started: u64,
}

impl Processors {
    pub(super) fn new(config: &Database) -> Self {
        Self {
            cores: config.cores.unwrap_or(f64::INFINITY),
            usl: config.usl.unwrap_or(Usl { sigma: 0.0, kappa: 0.0 }),
            knee: config.knee.unwrap_or(Knee { at: f64::INFINITY, cost: 0.0 }),
            speed: 1.0,
            attained: 0.0,
            since: 0,
            running: BinaryHeap::new(),
            started: 0,
        }
    }

    /// What `n` queries get together, in units of what one query alone gets.
    fn capacity(&self, n: f64) -> f64 {
        let Usl { sigma, kappa } = self.usl;
        // Without a knee `at` is infinite, and nothing is beyond it.
        let beyond = (n - self.knee.at).max(0.0);
        n.min(self.cores) / (1.0 + sigma * (n - 1.0) + kappa * n * (n - 1.0) + self.knee.cost * beyond)
    }

    /// Seconds of service per second that each running query gets.
    fn rate(&self) -> f64 {
        let running = u32::try_from(self.running.len()).map_or(f64::INFINITY, f64::from);
        self.speed * self.capacity(running) / running
    }

    fn advance(&mut self, now: Nanos) {
        if self.running.is_empty() {
            self.attained = 0.0;
        } else {
            self.attained += self.rate() * seconds(now - self.since);
        }
        self.since = now;
    }

    /// `work` seconds of a query begin.
    pub(super) fn start(&mut self, now: Nanos, query: Key, work: f64) {
        self.advance(now);
        self.running.push(Reverse(((self.attained + work).to_bits(), self.started, query)));
        self.started += 1;
    }

    pub(super) fn set_speed(&mut self, now: Nanos, speed: f64) {
        self.advance(now);
        self.speed = speed;
    }

    /// When the next query has had its work, if nothing changes before.
    pub(super) fn next_end(&self) -> Option<Nanos> {
        let Reverse((end, ..)) = self.running.peek()?;
        let rest = (f64::from_bits(*end) - self.attained).max(0.0);
        let rate = self.rate();
        (rate > 0.0).then(|| self.since.saturating_add(nanos(rest / rate)))
    }

    /// Takes the query that is due.
    pub(super) fn finish(&mut self, now: Nanos) -> Option<Key> {
        self.advance(now);
        let Reverse((end, _, query)) = self.running.pop()?;
        // The moment was rounded to a nanosecond.
        self.attained = self.attained.max(f64::from_bits(end));
        Some(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Span;

    fn processors(cores: Option<f64>, usl: Option<Usl>, knee: Option<Knee>) -> Processors {
        Processors::new(&Database { cores, usl, knee, ..Database::plain(Span::exactly(1.0)) })
    }

    #[test]
    fn one_query_alone_runs_at_full_speed_and_without_limits_all_do() {
        let free = processors(None, None, None);
        for n in [1.0, 2.0, 1000.0] {
            assert!((free.capacity(n) - n).abs() < 1e-12);
        }
        let all =
            processors(Some(2.0), Some(Usl { sigma: 0.5, kappa: 0.5 }), Some(Knee { at: 1.0, cost: 1.0 }));
        assert!((all.capacity(1.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn capacity_is_shared_as_the_formula_says() {
        #[track_caller]
        fn check(cores: Option<f64>, usl: Option<Usl>, knee: Option<Knee>, n: f64, capacity: f64) {
            let found = processors(cores, usl, knee).capacity(n);
            assert!((found - capacity).abs() < 1e-12, "{found}, expected {capacity}");
        }
        check(Some(8.0), None, None, 20.0, 8.0);
        // 20 / (1 + 0.05 × 19 + 0.01 × 20 × 19)
        check(None, Some(Usl { sigma: 0.05, kappa: 0.01 }), None, 20.0, 20.0 / 5.75);
        // Twelve beyond the knee cost 1.2 query times.
        check(Some(8.0), None, Some(Knee { at: 8.0, cost: 0.1 }), 20.0, 8.0 / 2.2);
        check(Some(8.0), None, Some(Knee { at: 8.0, cost: 0.1 }), 8.0, 8.0);
    }
}
