use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::num::{Nanos, nanos, seconds};
use crate::slab::Key;

/// Processors shared equally among the queries that run.
///
/// All running queries progress at one rate, so their progress is one figure, the service attained since the database was
/// last empty; a query ends when that figure has grown by the query's work.
#[derive(Debug)]
pub(crate) struct DatabaseModel {
    cores: f64,
    speed: f64,
    /// Seconds of service that a query running all the time would have got.
    attained: f64,
    /// When `attained` was brought up to date.
    since: Nanos,
    /// By the attained service at which they end. The bits of floats that are not negative sort as the floats do.
    running: BinaryHeap<Reverse<(u64, u64, Key)>>,
    started: u64,
}

impl DatabaseModel {
    pub(crate) fn new(cores: Option<f64>) -> Self {
        Self {
            cores: cores.unwrap_or(f64::INFINITY),
            speed: 1.0,
            attained: 0.0,
            since: 0,
            running: BinaryHeap::new(),
            started: 0,
        }
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    /// Seconds of service per second that each running query gets.
    fn rate(&self) -> f64 {
        let running = u32::try_from(self.running.len()).map_or(f64::INFINITY, f64::from);
        self.speed * (self.cores / running).min(1.0)
    }

    fn advance(&mut self, now: Nanos) {
        if self.running.is_empty() {
            self.attained = 0.0;
        } else {
            self.attained += self.rate() * seconds(now - self.since);
        }
        self.since = now;
    }

    /// A query of `work` seconds begins.
    pub(crate) fn start(&mut self, now: Nanos, query: Key, work: f64) {
        self.advance(now);
        self.running.push(Reverse(((self.attained + work).to_bits(), self.started, query)));
        self.started += 1;
    }

    pub(crate) fn set_speed(&mut self, now: Nanos, speed: f64) {
        self.advance(now);
        self.speed = speed;
    }

    /// When the next query ends, if nothing changes before.
    pub(crate) fn next_end(&self) -> Option<Nanos> {
        let Reverse((end, ..)) = self.running.peek()?;
        let rest = (f64::from_bits(*end) - self.attained).max(0.0);
        let rate = self.rate();
        (rate > 0.0).then(|| self.since.saturating_add(nanos(rest / rate)))
    }

    /// Ends the query that is due.
    pub(crate) fn finish(&mut self, now: Nanos) -> Option<Key> {
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
    use crate::num::SECOND;
    use crate::slab::Slab;

    /// Runs `(start, work)` in seconds against speed changes `(at, speed)`; the ends, in order of start.
    #[track_caller]
    fn check(cores: Option<f64>, queries: &[(f64, f64)], changes: &[(f64, f64)], ends: &[f64]) {
        let mut database = DatabaseModel::new(cores);
        let mut keys = Slab::new();
        let mut found = vec![f64::NAN; queries.len()];
        let mut order = Vec::new();
        let mut plan: Vec<(Nanos, Option<f64>, f64)> =
            queries.iter().map(|&(at, work)| (nanos(at), Some(work), 0.0)).collect();
        plan.extend(changes.iter().map(|&(at, speed)| (nanos(at), None, speed)));
        plan.sort_by_key(|(at, ..)| *at);
        plan.push((Nanos::MAX, None, 1.0));
        for (at, work, speed) in plan {
            while let Some(end) = database.next_end().filter(|end| *end <= at) {
                let key = database.finish(end).unwrap();
                found[order.iter().position(|known| *known == key).unwrap()] = seconds(end);
            }
            match work {
                Some(work) => {
                    let key = keys.insert(());
                    order.push(key);
                    database.start(at, key, work);
                }
                None => database.set_speed(at, speed),
            }
        }
        for (found, end) in found.iter().zip(ends) {
            assert!((found - end).abs() < 1e-8, "ends {found}, expected {end}");
        }
        assert!(database.running() == 0 && SECOND > 0);
    }

    #[test]
    fn without_cores_every_query_takes_its_own_time() {
        check(None, &[(0.0, 1.0), (0.5, 1.0), (0.5, 0.1)], &[], &[1.0, 1.5, 0.6]);
    }

    #[test]
    fn processors_are_shared_equally() {
        // Two share one core from 1 s on: the first needs 1 more second, at half speed.
        check(Some(1.0), &[(0.0, 2.0), (1.0, 3.0)], &[], &[3.0, 5.0]);
        check(Some(2.0), &[(0.0, 1.0), (0.0, 1.0), (0.0, 1.0), (0.0, 1.0)], &[], &[2.0; 4]);
    }

    #[test]
    fn a_slow_database_slows_what_runs_and_a_stall_stops_it() {
        check(None, &[(0.0, 2.0)], &[(1.0, 0.2)], &[6.0]);
        check(None, &[(0.0, 2.0), (1.5, 1.0)], &[(1.0, 0.0), (11.0, 1.0)], &[12.0, 12.0]);
    }
}
