//! The named workloads, as data, and what they demand at each moment.

use std::time::Duration;

/// What the jobs do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// Jobs at a time, each replaced by a new one when it ends.
    pub(crate) jobs: u32,
    /// Experts of one job, all asked for at once.
    pub(crate) experts: u32,
    /// Experts of the one job that runs beside the others and is replaced by another such job; 0 if there is none.
    pub(crate) big_job_experts: u32,
    /// Queries of one expert.
    pub(crate) queries: u32,
    /// Rows that an expert updates one by one after its queries.
    pub(crate) updates: u32,
    /// How often an expert that failed is tried at once, the first time included, where no policy says otherwise.
    pub(crate) tries: u32,
    pub(crate) query_mode: QueryMode,
    /// How long a query holds its connection beside its statements.
    pub(crate) query_time: Duration,
    /// How long an expert works before its first query, without a connection.
    pub(crate) think_time: Duration,
    /// Connections of the pool.
    pub(crate) pool: u32,
    /// How long the pool lets a caller wait.
    pub(crate) acquire_timeout: Duration,
    /// How long one run takes.
    pub(crate) duration: Duration,
    pub(crate) shape: Shape,
    pub(crate) statements: Statements,
}

/// How an expert's queries follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueryMode {
    /// All at once, each on a connection of its own.
    Parallel,
    /// One after another, each giving its connection back.
    Sequential,
    /// The first holds its connection while the others, in turn, need a second one.
    Nested,
}

/// How demand and the database change during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Steady,
    /// Queries take five times as long in the middle third.
    Slowdown,
    /// Jobs start for one second, then none for one second, and so on.
    Burst,
}

/// What the statements of a query fight for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Statements {
    /// Random rows: only connections are scarce.
    Spread,
    /// Two hot rows, locked in either order around a sort: more parallelism means lock waits and deadlocks.
    HotRows,
}

/// The names that can be asked for, in the order they are explained.
pub(crate) const NAMES: [&str; 10] = [
    "ticket",
    "short",
    "think",
    "slowdown",
    "nested",
    "burst",
    "thrash",
    "retries",
    "n-plus-one",
    "jobs-mixed",
];

pub(crate) const SLOWDOWN_FACTOR: u32 = 5;
pub(crate) const BURST: Duration = Duration::from_secs(1);
pub(crate) const BURST_PERIOD: Duration = Duration::from_secs(2);

/// The ticket: 5 jobs of 11 experts with 2 parallel queries want 110 connections of a pool of 20.
const TICKET: Workload = Workload {
    name: "ticket",
    jobs: 5,
    experts: 11,
    big_job_experts: 0,
    queries: 2,
    updates: 0,
    tries: 1,
    query_mode: QueryMode::Parallel,
    query_time: Duration::from_millis(200),
    think_time: Duration::ZERO,
    pool: 20,
    acquire_timeout: Duration::from_secs(1),
    duration: Duration::from_secs(10),
    shape: Shape::Steady,
    statements: Statements::Spread,
};

impl Workload {
    /// The workload of that name with its own figures.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let ms = Duration::from_millis;
        Some(match name {
            "ticket" => TICKET,
            "short" => Self { name: "short", query_mode: QueryMode::Sequential, query_time: ms(5), ..TICKET },
            "think" => Self { name: "think", jobs: 40, think_time: ms(200), query_time: ms(10), ..TICKET },
            "slowdown" => Self { name: "slowdown", query_time: ms(20), shape: Shape::Slowdown, ..TICKET },
            "nested" => Self { name: "nested", query_mode: QueryMode::Nested, query_time: ms(20), ..TICKET },
            "burst" => Self { name: "burst", query_time: ms(20), shape: Shape::Burst, ..TICKET },
            // One query after another: two at once would deadlock within one expert, where no limit can help.
            "thrash" => Self {
                name: "thrash",
                query_mode: QueryMode::Sequential,
                query_time: Duration::ZERO,
                statements: Statements::HotRows,
                ..TICKET
            },
            "retries" => Self { name: "retries", jobs: 10, tries: 3, ..TICKET },
            // The expert reads and notes once; its 50 updates are what is compared.
            "n-plus-one" => {
                Self { name: "n-plus-one", queries: 1, query_time: Duration::ZERO, updates: 50, ..TICKET }
            }
            // Queries short enough that a big job, of 1,000 experts, ends within the run.
            "jobs-mixed" => {
                Self { name: "jobs-mixed", jobs: 4, big_job_experts: 1_000, query_time: ms(20), ..TICKET }
            }
            _ => return None,
        })
    }

    /// Without its big job, but with one more of the others: what those then have is the same fair share of the pool.
    pub(crate) fn without_big_job(&self) -> Option<Self> {
        let jobs = self.jobs.saturating_add(1);
        (self.big_job_experts > 0).then(|| Self { jobs, big_job_experts: 0, ..self.clone() })
    }

    /// Jobs at a time, the big one included.
    pub(crate) fn jobs_at_once(&self) -> u32 {
        self.jobs.saturating_add(u32::from(self.big_job_experts > 0))
    }

    /// Queries of an expert that succeeds at once, its updates included.
    pub(crate) fn queries_per_expert(&self) -> u32 {
        self.queries.saturating_add(self.updates)
    }

    /// How long a query that begins at `elapsed` of the run holds its connection.
    pub(crate) fn query_time_at(&self, elapsed: Duration) -> Duration {
        let third = self.duration / 3;
        let is_slow = self.shape == Shape::Slowdown && (third..third * 2).contains(&elapsed);
        if is_slow { self.query_time * SLOWDOWN_FACTOR } else { self.query_time }
    }

    /// How long no new job starts, seen from `elapsed` of the run; zero while there is demand.
    pub(crate) fn idle_at(&self, elapsed: Duration) -> Duration {
        if self.shape != Shape::Burst {
            return Duration::ZERO;
        }
        let periods = elapsed.as_micros() / BURST_PERIOD.as_micros();
        let into = elapsed.saturating_sub(BURST_PERIOD * u32::try_from(periods).unwrap_or(u32::MAX));
        if into < BURST { Duration::ZERO } else { BURST_PERIOD.saturating_sub(into) }
    }

    /// Experts that ask at the same time if nothing holds them back.
    pub(crate) fn experts_at_once(&self) -> u32 {
        self.jobs.saturating_mul(self.experts).saturating_add(self.big_job_experts)
    }

    /// Connections one expert holds while it asks for another, that one included: what can deadlock a pool.
    pub(crate) fn connections_per_call(&self) -> u32 {
        if self.query_mode == QueryMode::Nested { 2 } else { 1 }
    }

    /// The same demand for another length of time.
    pub(crate) fn lasting(&self, duration: Duration) -> Self {
        Self { duration, ..self.clone() }
    }
}

impl QueryMode {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Parallel, Self::Sequential, Self::Nested].into_iter().find(|mode| mode.as_str() == name)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Parallel => "parallel",
            Self::Sequential => "sequential",
            Self::Nested => "nested",
        }
    }
}

impl Shape {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Slowdown => "slowdown",
            Self::Burst => "burst",
        }
    }
}

impl Statements {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Spread => "spread",
            Self::HotRows => "hot_rows",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_workload_of_that_name() {
        for name in NAMES {
            assert_eq!(Workload::named(name).map(|workload| workload.name), Some(name));
        }
        assert_eq!(Workload::named("tickets"), None);
    }

    #[test]
    fn the_ticket_wants_110_connections_of_20() {
        let ticket = Workload::named("ticket").unwrap();
        assert_eq!((ticket.experts_at_once() * ticket.queries, ticket.pool), (110, 20));
    }

    #[track_caller]
    fn check_query_time(elapsed_s: u64, ms: u64) {
        let slowdown = Workload::named("slowdown").unwrap().lasting(Duration::from_secs(30));
        let at = Duration::from_secs(elapsed_s);
        assert_eq!(slowdown.query_time_at(at), Duration::from_millis(ms), "at {elapsed_s} s");
    }

    #[test]
    fn slowdown_is_the_middle_third() {
        check_query_time(0, 20);
        check_query_time(9, 20);
        check_query_time(10, 100);
        check_query_time(19, 100);
        check_query_time(20, 20);
        check_query_time(40, 20);
    }

    #[track_caller]
    fn check_idle(elapsed_ms: u64, idle_ms: u64) {
        let burst = Workload::named("burst").unwrap();
        let idle = burst.idle_at(Duration::from_millis(elapsed_ms));
        assert_eq!(idle, Duration::from_millis(idle_ms), "at {elapsed_ms} ms");
    }

    #[test]
    fn bursts_last_one_second_of_two() {
        check_idle(0, 0);
        check_idle(999, 0);
        check_idle(1000, 1000);
        check_idle(1750, 250);
        check_idle(2000, 0);
        check_idle(7500, 500);
    }

    #[test]
    fn without_its_big_job_a_mix_has_one_more_of_the_others() {
        let mixed = Workload::named("jobs-mixed").unwrap();
        assert_eq!((mixed.jobs_at_once(), mixed.experts_at_once()), (5, 1_044));
        let alone = mixed.without_big_job().unwrap();
        assert_eq!((alone.jobs_at_once(), alone.experts_at_once()), (5, 55));
        assert_eq!(alone.without_big_job(), None);
    }

    #[test]
    fn only_nested_queries_hold_and_wait() {
        let per_call = |name| Workload::named(name).map(|workload| workload.connections_per_call());
        assert_eq!(per_call("nested"), Some(2));
        assert_eq!(per_call("ticket"), Some(1));
    }
}
