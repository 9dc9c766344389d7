use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

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
/// The label that names the pool on every metric of it.
pub(crate) const POOL_NAME: &str = "db.client.connection.pool.name";

/// The handles of what is recorded per event.
pub(super) struct Handles {
    pub(super) wait_time: Histogram,
    pub(super) use_time: Histogram,
    pub(super) create_time: Histogram,
    pub(super) timeouts: Counter,
    pub(super) nested: Counter,
}

impl Handles {
    pub(super) fn new(pool: &str) -> Self {
        describe_histogram!(
            WAIT_TIME,
            Unit::Seconds,
            "Time from asking the pool to holding a connection, or to giving up."
        );
        describe_histogram!(USE_TIME, Unit::Seconds, "Time from holding a connection to its return.");
        describe_histogram!(CREATE_TIME, Unit::Seconds, "Time to open a connection.");
        describe_counter!(TIMEOUTS, Unit::Count, "Acquires that the pool gave up on.");
        describe_counter!(NESTED, Unit::Count, "Acquires by a call that held a connection of the pool.");
        let pool = || pool.to_owned();
        Self {
            wait_time: histogram!(WAIT_TIME, POOL_NAME => pool()),
            use_time: histogram!(USE_TIME, POOL_NAME => pool()),
            create_time: histogram!(CREATE_TIME, POOL_NAME => pool()),
            timeouts: counter!(TIMEOUTS, POOL_NAME => pool()),
            nested: counter!(NESTED, POOL_NAME => pool()),
        }
    }
}
