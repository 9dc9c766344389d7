mod held_to;

use std::time::Duration;

/// What one tick of a law looks at.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// What the limiter itself saw since the previous tick.
    pub demand: Demand,
    /// What the connection pool shows; `None` where there is no pool.
    pub pool: Option<PoolEvidence>,
    /// The limit of the limiter that this one follows, in permits; `None` where it follows none.
    pub leader: Option<u32>,
}

/// The limiter's own side: who is in, who waits, what came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demand {
    /// Permits out now.
    pub in_flight: u32,
    /// The most permits that were out at once since the previous tick.
    pub in_flight_peak: u32,
    /// Callers waiting for a permit now.
    pub queued: u32,
    /// Whether the limit (not the brake) held a caller back since the previous tick.
    pub held_back: bool,
    /// Permits that came back since the previous tick.
    pub completed: u64,
    /// Of those, how many reported [`Outcome::Overload`](crate::Outcome::Overload).
    pub overloads: u64,
    /// Of those that came back, how many were of work that was cut short: the caller gave up, or the work panicked.
    pub abandoned: u64,
    /// How many calls those were of.
    pub abandoned_calls: u64,
    /// How long those permits had been out, all together; to a quarter of a tick each.
    pub abandoned_time: Duration,
    /// Of those that came back, how many nobody used: they were handed over to a caller that had just gone.
    pub unused: u64,
    /// The number of permits out, integrated over time since the previous tick: permits × time.
    ///
    /// The time of calls that have not ended is in it. Zero unless the law
    /// [`wants_latency`](crate::ControlLaw::wants_latency), and at the first tick of one that does.
    pub in_flight_time: Duration,
}

/// What a pool shows: a reading, its own callers' counts, and what happened since the previous tick.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct PoolEvidence {
    /// The pool's own figures, which include connections used by anybody.
    pub reading: PoolReading,
    /// Our callers that asked the pool for a connection and have none yet.
    pub pending: u32,
    /// Connections our callers hold.
    pub held: u32,
    /// How long the oldest of the callers in the pool's line has been waiting; zero if none is.
    ///
    /// A caller that began before one that was served is not in line any more, but stuck while its connection is opened or
    /// tested; it does not count here.
    pub oldest_pending: Duration,
    /// Sums over what happened. From a probe: since the pool was made. In an [`Evidence`]: since the previous tick.
    pub activity: PoolActivity,
    /// The connection sets, where the pool reserves them. No law looks at them: who waits for one is pending.
    pub sets: Option<PoolSets>,
}

/// What stands at the gate of a pool that reserves connection sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSets {
    /// Sets open: calls that have a connection in hand, or are about to, and may ask for more.
    pub open: u32,
    /// How many can be open at once, in the best case: ⌊(max − 1) / (connections per call − 1)⌋.
    pub most: u32,
    /// Our callers that wait in front of the pool: for a set, or for a connection that no set needs.
    /// They are [pending](PoolEvidence::pending), too.
    pub waiting: u32,
}

impl PoolSets {
    /// So many sets open, of at most so many, and so many callers that wait for one.
    #[must_use]
    pub const fn new(open: u32, most: u32, waiting: u32) -> Self {
        Self { open, most, waiting }
    }
}

/// A pool's size figures at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolReading {
    /// The most connections the pool may have open.
    pub max: u32,
    /// Connections open now, those just being opened included.
    pub open: u32,
    /// Open connections that nobody uses.
    pub idle: u32,
    /// Connections that the pool may keep open while nobody uses them.
    pub idle_max: u32,
    /// Connections that the pool keeps open although nobody uses them.
    pub idle_min: u32,
    /// How long the pool lets a caller wait before it gives up on it.
    pub acquire_timeout: Duration,
}

impl PoolReading {
    /// A reading made plausible: no more connections open than allowed, no more idle than open.
    ///
    /// An idle count above the open count is read as 0, not as "all idle": a pool that briefly counts below zero
    /// (sqlx 0.9.0 shows 2⁶⁴−1) is a pool whose last idle connection was just taken.
    /// The pool is taken for one that may keep every connection open, and none for certain, until its
    /// [`idle_bounds`](Self::idle_bounds) are said.
    #[must_use]
    pub const fn new(max: u32, open: u32, idle: u32, acquire_timeout: Duration) -> Self {
        let idle = if idle > open { 0 } else { idle };
        Self { max, open, idle, idle_max: max, idle_min: 0, acquire_timeout }
    }

    /// The least and the most connections that the pool keeps open while nobody uses them. No law looks at them.
    #[must_use]
    pub const fn idle_bounds(mut self, least: u32, most: u32) -> Self {
        self.idle_min = least;
        self.idle_max = most;
        self
    }

    /// Connections lent out, or being opened for somebody.
    #[must_use]
    pub const fn used(&self) -> u32 {
        self.open.saturating_sub(self.idle)
    }

    /// Connections a caller could have at once or by opening one: idle + (max − open).
    #[must_use]
    pub const fn free(&self) -> u32 {
        self.idle.saturating_add(self.max.saturating_sub(self.open))
    }
}

/// Running sums over acquires and returns.
///
/// The counts of pending acquires and of held connections are integrated over time, so that bursts of acquires, which see
/// each other, weigh no more than their duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolActivity {
    /// Acquires that began.
    pub requests: u64,
    /// Acquires that ended with a connection.
    pub grants: u64,
    /// Acquires that the pool gave up on.
    pub timeouts: u64,
    /// Of those, the acquires that had no need to wait in line: the connection that was to be opened for them was not
    /// opened in time. The server has no room for it (which a pool may retry in silence), or does not answer.
    pub connect_timeouts: u64,
    /// Acquires whose caller went away while waiting.
    pub cancelled: u64,
    /// Acquires that failed because the server had no room for another connection.
    pub refused: u64,
    /// Acquires that failed in another way (the server is down, the pool was closed).
    pub failures: u64,
    /// The number of pending acquires, integrated over time: waiting acquires × time.
    pub pending_time: Duration,
    /// The number of connections our callers held, integrated over time: connections × time.
    pub held_time: Duration,
    /// Total time of the acquires that ended, however they ended.
    pub wait: Duration,
    /// Connections given back.
    pub returns: u64,
    /// Total time those were held.
    pub use_time: Duration,
}

impl PoolActivity {
    /// What happened between `earlier` and now, both being totals of one pool.
    ///
    /// A total that went backwards (the pool was replaced) counts as zero.
    #[must_use]
    pub const fn since(&self, earlier: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            grants: self.grants.saturating_sub(earlier.grants),
            timeouts: self.timeouts.saturating_sub(earlier.timeouts),
            connect_timeouts: self.connect_timeouts.saturating_sub(earlier.connect_timeouts),
            cancelled: self.cancelled.saturating_sub(earlier.cancelled),
            refused: self.refused.saturating_sub(earlier.refused),
            failures: self.failures.saturating_sub(earlier.failures),
            pending_time: self.pending_time.saturating_sub(earlier.pending_time),
            held_time: self.held_time.saturating_sub(earlier.held_time),
            wait: self.wait.saturating_sub(earlier.wait),
            returns: self.returns.saturating_sub(earlier.returns),
            use_time: self.use_time.saturating_sub(earlier.use_time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(max: u32, open: u32, idle: u32, used: u32, free: u32) {
        let reading = PoolReading::new(max, open, idle, Duration::from_secs(1));
        assert_eq!((reading.used(), reading.free()), (used, free));
    }

    #[test]
    fn free_slots_are_idle_plus_unopened() {
        check(20, 0, 0, 0, 20);
        check(20, 12, 4, 8, 12);
        check(20, 20, 0, 20, 0);
        check(20, 25, 5, 20, 5); // the pool was just resized down
    }

    #[test]
    fn idle_above_open_reads_as_none_idle() {
        check(4, 4, u32::MAX, 4, 0);
        check(4, 2, 3, 2, 2);
    }
}
