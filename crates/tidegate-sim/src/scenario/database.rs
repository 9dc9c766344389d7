use serde::Deserialize;

use super::check::{Checks, MS_MAX};
use crate::random::Span;

/// A database: how fast queries run, depending on how many run at once, and what they wait for.
///
/// `n` queries that run share the capacity
///
/// ```text
/// min(n, cores) / (1 + sigma (n − 1) + kappa n (n − 1) + cost max(0, n − at))
/// ```
///
/// equally, in units of what one query alone gets; left-out parts are infinite cores, and sigma, kappa and cost of 0.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Database {
    /// The time of a query that runs alone.
    pub query: Span,
    /// Processors, shared equally; without it every query has its own.
    pub cores: Option<f64>,
    /// Contention and coherence at every level of concurrency.
    pub usl: Option<Usl>,
    /// What concurrency costs beyond a knee.
    pub knee: Option<Knee>,
    /// The most queries the server works on at once. The others wait inside the server, in order, each on its connection:
    /// the pool does not see that queue.
    pub slots: Option<u32>,
    /// Rows that many queries lock.
    pub hot_rows: Option<HotRows>,
    /// What happens to the database, in order of time.
    #[serde(default)]
    pub changes: Vec<SpeedChange>,
}

/// The Universal Scalability Law (N. Gunther, "Guerrilla Capacity Planning", 2007): with coherence the capacity has a peak,
/// at √((1 − sigma) / kappa) queries.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Usl {
    /// Contention: the share of the work that only one query can do at a time, 0 to 1.
    pub sigma: f64,
    /// Coherence: what each pair of queries costs, 0 to 1.
    pub kappa: f64,
}

/// Each query beyond a number of them makes all slower.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Knee {
    /// Up to so many queries nothing is lost; at least 1.
    pub at: f64,
    /// What each query beyond costs, as a share of the time of a query; 0 to 10.
    pub cost: f64,
}

/// Rows that queries lock, each in an order of its own, and hold until they end.
///
/// A query takes its first lock before it begins and its others at equal parts of its work. Who waits for a row waits in
/// line, on its connection. Two queries that wait for each other do so for ever: one that has waited for
/// `deadlock_timeout_ms` looks whether it is in such a circle, once, and if so fails, as in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct HotRows {
    /// How many such rows there are, 1 to 1000.
    pub rows: u32,
    /// How many of them a query locks, 1 to `rows`. Default 2.
    #[serde(default = "two")]
    pub locks: u32,
    /// The share of queries that lock any, 0 to 1. Default 1.
    #[serde(default = "all")]
    pub share: f64,
    /// How long a query waits for a row before it looks for a deadlock, in milliseconds. Default 1000, as in PostgreSQL.
    #[serde(default = "one_second")]
    pub deadlock_timeout_ms: f64,
}

/// The database's speed from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SpeedChange {
    /// The moment, in seconds.
    pub at_s: f64,
    /// As a multiple of the normal speed; 0 is a stall: all queries hang.
    pub speed: f64,
}

const fn two() -> u32 {
    2
}

const fn all() -> f64 {
    1.0
}

const fn one_second() -> f64 {
    1e3
}

impl Database {
    /// One that is as fast with any number of queries, always.
    pub(crate) const fn plain(query: Span) -> Self {
        Self { query, cores: None, usl: None, knee: None, slots: None, hot_rows: None, changes: Vec::new() }
    }

    /// When it hangs: from a speed of nothing to the next change, in seconds.
    pub(crate) fn hangs(&self, duration_s: f64) -> Vec<[f64; 2]> {
        let ends = self.changes.iter().skip(1).map(|change| change.at_s).chain([duration_s]);
        let hanging = self.changes.iter().zip(ends).filter(|(change, _)| change.speed <= 0.0);
        hanging.map(|(change, end)| [change.at_s, end]).collect()
    }

    pub(super) fn check(&self, checks: &mut Checks, duration_s: f64) {
        checks.span("database.query.mean_ms", &self.query, 0.001);
        if let Some(cores) = self.cores {
            checks.within("database.cores", cores, 0.01, 1e6);
        }
        if let Some(Usl { sigma, kappa }) = self.usl {
            checks.within("database.usl.sigma", sigma, 0.0, 1.0);
            checks.within("database.usl.kappa", kappa, 0.0, 1.0);
        }
        if let Some(Knee { at, cost }) = self.knee {
            checks.within("database.knee.at", at, 1.0, 1e6);
            checks.within("database.knee.cost", cost, 0.0, 10.0);
        }
        if let Some(slots) = self.slots {
            checks.count("database.slots", slots);
        }
        if let Some(HotRows { rows, locks, share, deadlock_timeout_ms }) = self.hot_rows {
            checks.count_within("database.hot_rows.rows", rows, 1, 1000);
            checks.count_within("database.hot_rows.locks", locks, 1, rows.max(1));
            checks.within("database.hot_rows.share", share, 0.0, 1.0);
            checks.within("database.hot_rows.deadlock_timeout_ms", deadlock_timeout_ms, 0.0, MS_MAX);
        }
        let mut from = 0.0;
        for change in &self.changes {
            checks.within("database.changes.at_s", change.at_s, from, duration_s);
            checks.within("database.changes.speed", change.speed, 0.0, 1e6);
            from = change.at_s;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scenario;

    #[track_caller]
    fn check(parts: &str, fault: Option<&str>) {
        let toml = format!(
            r#"
            name = "parts"
            about = "a test"
            seeds = [1]
            duration_s = 10
            load = {{ jobs = 1, experts = 2, queries = 1, think = {{ mean_ms = 1 }} }}
            pool = {{ max = 4, acquire_timeout_ms = 1000 }}
            database = {{ query = {{ mean_ms = 20 }}, {parts} }}
            "#
        );
        let found = Scenario::parse(&toml).err().map(|error| error.to_string());
        match fault {
            None => assert_eq!(found, None),
            Some(fault) => assert!(found.as_ref().is_some_and(|found| found.contains(fault)), "{found:?}"),
        }
    }

    #[test]
    fn it_hangs_from_a_speed_of_nothing_to_the_next_change() {
        let change = |at_s, speed| SpeedChange { at_s, speed };
        let changes = vec![change(5.0, 0.5), change(10.0, 0.0), change(20.0, 1.0), change(50.0, 0.0)];
        let database = Database { changes, ..Database::plain(Span::exactly(1.0)) };
        assert_eq!(database.hangs(60.0), [[10.0, 20.0], [50.0, 60.0]]);
    }

    #[test]
    fn every_part_is_read_and_its_faults_are_named() {
        check("usl = { sigma = 0.02, kappa = 0.001 }, knee = { at = 8, cost = 0.1 }, slots = 60", None);
        check("hot_rows = { rows = 2 }", None);
        check("usl = { sigma = 1.1, kappa = 0 }", Some("database.usl.sigma is 1.1, allowed is 0 to 1"));
        check("usl = { sigma = 0, kappa = nan }", Some("database.usl.kappa is NaN"));
        check("knee = { at = 0, cost = 0.1 }", Some("database.knee.at is 0, allowed is 1 to"));
        check("knee = { at = 2, cost = -1 }", Some("database.knee.cost is -1, allowed is 0 to 10"));
        check("slots = 0", Some("database.slots is 0, allowed is 1 to"));
        check("hot_rows = { rows = 0 }", Some("database.hot_rows.rows is 0, allowed is 1 to 1000"));
        check("hot_rows = { rows = 3, locks = 4 }", Some("database.hot_rows.locks is 4, allowed is 1 to 3"));
        check("hot_rows = { rows = 3, share = 2 }", Some("database.hot_rows.share is 2, allowed is 0 to 1"));
        check(
            "hot_rows = { rows = 3, deadlock_timeout_ms = -1 }",
            Some("database.hot_rows.deadlock_timeout_ms is -1, allowed is 0 to"),
        );
    }
}
