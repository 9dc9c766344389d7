use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use tidegate_core::PoolSets;

/// Histogram, seconds: how long each acquire waited, however it ended.
pub(super) const WAIT_TIME: &str = "db.client.connection.wait_time";
/// Histogram, seconds: how long each connection was lent.
pub(super) const USE_TIME: &str = "db.client.connection.use_time";
/// Histogram, seconds: how long it took to open a connection.
pub(super) const CREATE_TIME: &str = "db.client.connection.create_time";
/// Counter: acquires that the pool gave up on.
pub(super) const TIMEOUTS: &str = "db.client.connection.timeouts";
/// Counter: acquires by a call that held a connection of the pool.
pub(super) const NESTED: &str = "tidegate_nested_acquires_total";
/// Gauges of a pool that reserves connection sets: the sets open, how many can be, and callers in front of the pool.
const SETS_OPEN: &str = "tidegate_connection_sets_open";
const SETS_MAX: &str = "tidegate_connection_sets_max";
const SETS_PENDING: &str = "tidegate_connection_sets_pending";
/// The label that names the pool on every metric of it.
pub(crate) const POOL_NAME: &str = "db.client.connection.pool.name";

/// The handles of what is recorded per event.
pub(super) struct Handles {
    pub(super) wait_time: Histogram,
    pub(super) use_time: Histogram,
    pub(super) create_time: Histogram,
    pub(super) timeouts: Counter,
    pub(super) nested: Counter,
    sets: Option<SetGauges>,
}

struct SetGauges {
    open: Gauge,
    max: Gauge,
    pending: Gauge,
}

impl SetGauges {
    fn new(pool: &str) -> Self {
        describe_gauge!(SETS_OPEN, Unit::Count, "Connection sets open.");
        describe_gauge!(SETS_MAX, Unit::Count, "Connection sets that can be open at once.");
        describe_gauge!(SETS_PENDING, Unit::Count, "Callers waiting in front of the pool.");
        let gauge = |name| gauge!(name, POOL_NAME => pool.to_owned());
        Self { open: gauge(SETS_OPEN), max: gauge(SETS_MAX), pending: gauge(SETS_PENDING) }
    }
}

impl Handles {
    pub(super) fn new(pool: &str, reserves: bool) -> Self {
        describe_histogram!(
            WAIT_TIME,
            Unit::Seconds,
            "Time from asking the pool to holding a connection, or to giving up."
        );
        describe_histogram!(USE_TIME, Unit::Seconds, "Time from holding a connection to its return.");
        describe_histogram!(CREATE_TIME, Unit::Seconds, "Time to open a connection.");
        describe_counter!(TIMEOUTS, Unit::Count, "Acquires that the pool gave up on.");
        describe_counter!(NESTED, Unit::Count, "Acquires by a call that held a connection of the pool.");
        let sets = reserves.then(|| SetGauges::new(pool));
        let pool = || pool.to_owned();
        Self {
            wait_time: histogram!(WAIT_TIME, POOL_NAME => pool()),
            use_time: histogram!(USE_TIME, POOL_NAME => pool()),
            create_time: histogram!(CREATE_TIME, POOL_NAME => pool()),
            timeouts: counter!(TIMEOUTS, POOL_NAME => pool()),
            nested: counter!(NESTED, POOL_NAME => pool()),
            sets,
        }
    }

    pub(super) fn show(&self, sets: PoolSets) {
        if let Some(gauges) = &self.sets {
            gauges.open.set(sets.open);
            gauges.max.set(sets.most);
            gauges.pending.set(sets.waiting);
        }
    }
}
