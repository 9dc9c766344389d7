use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;

use super::locks::Locks;
use super::processors::Processors;
use crate::num::{Nanos, nanos};
use crate::scenario::{Database, HotRows};
use crate::slab::Key;

/// A server that works on queries: at most so many at once, on shared processors, some of them behind row locks.
///
/// ```text
/// queued  → working   a slot is free
/// working → waiting   the next row it locks is held
/// waiting → working   the row is its own now
/// working → done      the last part of its work is done
/// waiting → deadlocked
/// ```
#[derive(Debug)]
pub(crate) struct DatabaseModel {
    slots: usize,
    processors: Processors,
    locks: Option<Locks>,
    /// Those beyond the slots, in order.
    queued: VecDeque<(Key, Query)>,
    /// The queries that lock rows, while they have a slot.
    locking: BTreeMap<Key, Locking>,
    /// Queries with a slot.
    working: usize,
}

/// What a query is: its work, and the rows it locks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    /// Seconds, when it runs alone.
    work: f64,
    /// In the order in which it locks them.
    rows: Vec<u32>,
}

/// A query that locks rows, one before each part of its work.
#[derive(Debug)]
struct Locking {
    rows: Vec<u32>,
    /// How many of them it has.
    locked: usize,
    part: f64,
}

/// How a query ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Deadlocked(Key),
    Done(Key),
}

impl Query {
    /// One of the database's queries, with a multiple of the work.
    pub(crate) fn draw(config: &Database, times: f64, rng: &mut Rng) -> Self {
        let work = times * config.query.seconds(rng);
        let rows =
            config.hot_rows.filter(|hot| rng.f64() < hot.share).map_or_else(Vec::new, |hot| pick(hot, rng));
        Self { work, rows }
    }
}

/// Distinct rows in random order.
fn pick(hot: HotRows, rng: &mut Rng) -> Vec<u32> {
    let mut rows: Vec<u32> = Vec::new();
    while rows.len() < hot.locks as usize {
        let row = rng.u32(0..hot.rows);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows
}

impl DatabaseModel {
    pub(crate) fn new(config: &Database) -> Self {
        Self {
            slots: config.slots.map_or(usize::MAX, |slots| slots as usize),
            processors: Processors::new(config),
            locks: config.hot_rows.map(|hot| Locks::new(hot.rows, nanos(hot.deadlock_timeout_ms / 1e3))),
            queued: VecDeque::new(),
            locking: BTreeMap::new(),
            working: 0,
        }
    }

    /// Queries that have begun and not ended.
    pub(crate) fn running(&self) -> usize {
        self.working + self.queued.len()
    }

    /// A query begins.
    pub(crate) fn start(&mut self, now: Nanos, key: Key, query: Query) {
        if self.working < self.slots {
            self.take_slot(now, key, query);
        } else {
            self.queued.push_back((key, query));
        }
    }

    fn take_slot(&mut self, now: Nanos, key: Key, Query { work, rows }: Query) {
        self.working += 1;
        if rows.is_empty() {
            self.processors.start(now, key, work);
            return;
        }
        let parts = u32::try_from(rows.len()).map_or(f64::INFINITY, f64::from);
        self.locking.insert(key, Locking { rows, locked: 0, part: work / parts });
        self.lock_next(now, key);
    }

    /// The query goes on with its next row, or waits for it.
    fn lock_next(&mut self, now: Nanos, key: Key) {
        let (Some(locks), Some(query)) = (&mut self.locks, self.locking.get(&key)) else { return };
        if locks.lock(now, key, query.rows[query.locked]) {
            self.go_on(now, key);
        }
    }

    /// The row that the query wanted is its own.
    fn go_on(&mut self, now: Nanos, key: Key) {
        if let Some(query) = self.locking.get_mut(&key) {
            query.locked += 1;
            self.processors.start(now, key, query.part);
        }
    }

    pub(crate) fn set_speed(&mut self, now: Nanos, speed: f64) {
        self.processors.set_speed(now, speed);
    }

    /// When something happens next, if nothing is changed before.
    pub(crate) fn next_event(&mut self) -> Option<Nanos> {
        let look = self.locks.as_mut().and_then(Locks::next_look);
        let end = self.processors.next_end();
        look.into_iter().chain(end).min()
    }

    /// What is due happens; the query that ended with it, if one did.
    pub(crate) fn happen(&mut self, now: Nanos) -> Option<Ended> {
        if self.locks.as_mut().and_then(Locks::next_look).is_some_and(|look| look <= now) {
            let victim = self.locks.as_mut().and_then(Locks::look)?;
            self.end(now, victim);
            return Some(Ended::Deadlocked(victim));
        }
        let key = self.processors.finish(now)?;
        if self.locking.get(&key).is_some_and(|query| query.locked < query.rows.len()) {
            self.lock_next(now, key);
            return None;
        }
        self.end(now, key);
        Some(Ended::Done(key))
    }

    /// The rows and the slot of a query go on to those who wait for them.
    fn end(&mut self, now: Nanos, key: Key) {
        self.working -= 1;
        if let Some(query) = self.locking.remove(&key) {
            for row in &query.rows[..query.locked] {
                if let Some(next) = self.locks.as_mut().and_then(|locks| locks.unlock(*row)) {
                    self.go_on(now, next);
                }
            }
        }
        if let Some((next, query)) = self.queued.pop_front() {
            self.take_slot(now, next, query);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::num::seconds;
    use crate::random::Span;
    use crate::slab::Slab;

    fn config() -> Database {
        Database::plain(Span::exactly(1.0))
    }

    fn on_cores(cores: f64) -> Database {
        Database { cores: Some(cores), ..config() }
    }

    fn plain(at: f64, work: f64) -> (f64, Query) {
        (at, Query { work, rows: Vec::new() })
    }

    fn locking(at: f64, work: f64, rows: &[u32]) -> (f64, Query) {
        (at, Query { work, rows: rows.to_vec() })
    }

    /// Runs queries that begin at given seconds against speed changes `(at, speed)`; the seconds at which they end, in
    /// order of start, a deadlock's as a negative number.
    #[track_caller]
    fn check(config: &Database, queries: &[(f64, Query)], changes: &[(f64, f64)], ends: &[f64]) {
        let mut database = DatabaseModel::new(config);
        let mut keys = Slab::new();
        let mut found = vec![f64::NAN; queries.len()];
        let mut order = Vec::new();
        let mut plan: Vec<(Nanos, Option<Query>, f64)> =
            queries.iter().map(|(at, query)| (nanos(*at), Some(query.clone()), 0.0)).collect();
        plan.extend(changes.iter().map(|&(at, speed)| (nanos(at), None, speed)));
        plan.sort_by_key(|(at, ..)| *at);
        plan.push((Nanos::MAX, None, 1.0));
        for (at, query, speed) in plan {
            while let Some(due) = database.next_event().filter(|due| *due <= at) {
                let (key, sign) = match database.happen(due) {
                    None => continue,
                    Some(Ended::Deadlocked(key)) => (key, -1.0),
                    Some(Ended::Done(key)) => (key, 1.0),
                };
                found[order.iter().position(|known| *known == key).unwrap()] = sign * seconds(due);
            }
            match query {
                Some(query) => {
                    let key = keys.insert(());
                    order.push(key);
                    database.start(at, key, query);
                }
                None => database.set_speed(at, speed),
            }
        }
        for (found, end) in found.iter().zip(ends) {
            assert!((found - end).abs() < 1e-8, "ends {found}, expected {end}");
        }
        assert_eq!(database.running(), 0);
    }

    #[test]
    fn without_cores_every_query_takes_its_own_time() {
        check(&config(), &[plain(0.0, 1.0), plain(0.5, 1.0), plain(0.5, 0.1)], &[], &[1.0, 1.5, 0.6]);
    }

    #[test]
    fn processors_are_shared_equally() {
        // Two share one core from 1 s on: the first needs 1 more second, at half speed.
        check(&on_cores(1.0), &[plain(0.0, 2.0), plain(1.0, 3.0)], &[], &[3.0, 5.0]);
        check(&on_cores(2.0), &[0; 4].map(|_| plain(0.0, 1.0)), &[], &[2.0; 4]);
    }

    #[test]
    fn a_slow_database_slows_what_runs_and_a_stall_stops_it() {
        check(&config(), &[plain(0.0, 2.0)], &[(1.0, 0.2)], &[6.0]);
        check(&config(), &[plain(0.0, 2.0), plain(1.5, 1.0)], &[(1.0, 0.0), (11.0, 1.0)], &[12.0, 12.0]);
    }

    #[test]
    fn contention_slows_all_that_run() {
        // Two share a capacity of 2 / (1 + 0.5): each runs at 2/3.
        let usl = Some(crate::Usl { sigma: 0.5, kappa: 0.0 });
        check(&Database { usl, ..config() }, &[plain(0.0, 2.0), plain(0.0, 2.0)], &[], &[3.0, 3.0]);
    }

    #[test]
    fn beyond_its_slots_the_server_queues_in_order() {
        let config = Database { slots: Some(2), ..config() };
        let queries = [plain(0.0, 1.0), plain(0.0, 3.0), plain(0.1, 1.0), plain(0.2, 1.0)];
        check(&config, &queries, &[], &[1.0, 3.0, 2.0, 3.0]);
    }

    fn hot(deadlock_timeout_ms: f64) -> Database {
        let hot_rows = HotRows { rows: 2, locks: 2, share: 1.0, deadlock_timeout_ms };
        Database { hot_rows: Some(hot_rows), ..config() }
    }

    #[test]
    fn a_locked_row_holds_up_who_wants_it_and_nobody_else() {
        // The second waits for row 0 until the first has ended, and holds up the third with its row 1 meanwhile.
        let queries =
            [locking(0.0, 1.0, &[0]), locking(0.0, 1.0, &[1, 0]), locking(0.1, 1.0, &[1]), plain(0.1, 1.0)];
        check(&hot(1e4), &queries, &[], &[1.0, 1.5, 2.5, 1.1]);
    }

    #[test]
    fn those_who_lock_in_different_orders_deadlock_until_one_has_waited_too_long() {
        // At 0.5 s each wants the other's row. The first looks first, a second later; the other takes over at once.
        let queries = [locking(0.0, 1.0, &[0, 1]), locking(0.0, 1.0, &[1, 0]), locking(1.0, 1.0, &[0])];
        check(&hot(1e3), &queries, &[], &[-1.5, 2.0, 3.0]);
        // At once, as in MySQL: the one that closes the circle.
        check(&hot(0.0), &queries, &[], &[1.0, -0.5, 2.0]);
        // In one order there is no circle.
        check(&hot(0.0), &[locking(0.0, 1.0, &[0, 1]), locking(0.0, 1.0, &[0, 1])], &[], &[1.0, 2.0]);
    }

    #[test]
    fn a_slot_that_waits_for_a_row_is_taken() {
        let config = Database { slots: Some(2), ..hot(1e4) };
        let queries = [locking(0.0, 1.0, &[0]), locking(0.0, 1.0, &[0]), plain(0.0, 0.1)];
        check(&config, &queries, &[], &[1.0, 2.0, 1.1]);
    }

    #[test]
    fn rows_are_distinct_and_in_any_order() {
        let mut rng = Rng::with_seed(3);
        let config = hot(1e3);
        let drawn: Vec<Vec<u32>> = (0..200).map(|_| Query::draw(&config, 1.0, &mut rng).rows).collect();
        let count = |rows: &[u32]| drawn.iter().filter(|drawn| drawn.as_slice() == rows).count();
        // Either order has an even chance: within four standard deviations of 100.
        assert_eq!(count(&[0, 1]) + count(&[1, 0]), 200);
        assert!(count(&[0, 1]).abs_diff(100) <= 28, "{}", count(&[0, 1]));
    }
}
