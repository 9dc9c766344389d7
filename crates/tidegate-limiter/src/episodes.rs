//! What lasts and a person should know: told once when it has lasted for long enough, and once when it is over.

use std::time::Duration;

use tidegate_core::{Bound, Demand, PoolEvidence, Timestamp};

/// What may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Episode {
    /// The law wants a limit below the least one, and callers wait.
    LimitAtFloor,
    /// Callers wait in the pool, and it is not this limiter's calls that fill it.
    PoolBusyElsewhere,
    /// The server lets no more connections be opened.
    ServerOutOfConnections,
}

impl Episode {
    pub(crate) const ALL: [Self; 3] =
        [Self::LimitAtFloor, Self::PoolBusyElsewhere, Self::ServerOutOfConnections];

    /// The name used as a metric label.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::LimitAtFloor => "limit_at_floor",
            Self::PoolBusyElsewhere => "pool_busy_elsewhere",
            Self::ServerOutOfConnections => "server_out_of_connections",
        }
    }

    /// What it means and what can be done, for a log.
    pub(crate) const fn advice(self) -> &'static str {
        match self {
            Self::LimitAtFloor => {
                "the limit has been at its floor for long while callers wait: \
                 the database is slow or the pool is used by others; no limit mends that"
            }
            Self::PoolBusyElsewhere => {
                "callers wait for connections although the limit does not hold calls back: \
                 somebody else uses the pool, or calls hold several connections"
            }
            Self::ServerOutOfConnections => {
                "a connection could not be opened: the server is out of connections or does not answer; \
                 compare the pools of all processes with the server's max_connections"
            }
        }
    }

    /// How long its sign must stand before it is told.
    ///
    /// The floor is where the law goes when the database fails for some seconds, so the first ten say nothing; a pool may
    /// be busy elsewhere for the length of a report; a refusal by the server is news at once.
    const fn told_after(self) -> Duration {
        match self {
            Self::LimitAtFloor => Duration::from_secs(10),
            Self::PoolBusyElsewhere => Duration::from_secs(5),
            Self::ServerOutOfConnections => Duration::ZERO,
        }
    }

    /// How long its sign may be gone before it is over.
    ///
    /// At the floor the law tries one permit more now and then. Refusals come as seldom as acquires that need a new
    /// connection, so a minute without any is a good deal more than chance.
    const fn over_after(self) -> Duration {
        match self {
            Self::LimitAtFloor | Self::PoolBusyElsewhere => Duration::from_secs(2),
            Self::ServerOutOfConnections => Duration::from_mins(1),
        }
    }
}

/// Which signs a tick shows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signs {
    limit_at_floor: bool,
    pool_busy_elsewhere: bool,
    server_out_of_connections: bool,
}

impl Signs {
    pub(crate) fn of(demand: &Demand, pool: Option<&PoolEvidence>, limit: u32, bound: Bound) -> Self {
        let limit_at_floor = bound == Bound::Min && demand.queued > 0;
        let Some(pool) = pool else {
            return Self { limit_at_floor, ..Self::default() };
        };
        let activity = &pool.activity;
        // More than one caller waits for two connections that ours hold: well above what the law aims at.
        let is_wait_high = activity.pending_time * 2 > activity.held_time;
        let is_binding = demand.held_back || demand.queued > 0 || demand.in_flight_peak >= limit;
        // Those that are just being opened for our callers are used too.
        let others = pool.reading.used().saturating_sub(pool.held + pool.pending);
        let is_mostly_others = others > pool.reading.max / 2;
        Self {
            limit_at_floor,
            pool_busy_elsewhere: is_wait_high && (!is_binding || is_mostly_others),
            server_out_of_connections: activity.refused > 0 || activity.connect_timeouts > 0,
        }
    }

    const fn shows(self, episode: Episode) -> bool {
        match episode {
            Episode::LimitAtFloor => self.limit_at_floor,
            Episode::PoolBusyElsewhere => self.pool_busy_elsewhere,
            Episode::ServerOutOfConnections => self.server_out_of_connections,
        }
    }
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Began(Episode),
    /// And how long it had lasted, from its first sign to its last.
    Ended(Episode, Duration),
}

/// Every episode of one limiter.
#[derive(Debug, Default)]
pub(crate) struct Episodes([Course; Episode::ALL.len()]);

/// ```text
/// Calm    → Lasting   a sign
/// Lasting → Told      signs for `told_after`, with gaps of `over_after` at most
/// Lasting → Calm      no sign for longer than `over_after`
/// Told    → Calm      no sign for longer than `over_after`
/// ```
#[derive(Clone, Copy, Debug, Default)]
enum Course {
    #[default]
    Calm,
    Lasting {
        first: Timestamp,
        last: Timestamp,
    },
    Told {
        first: Timestamp,
        last: Timestamp,
    },
}

impl Episodes {
    /// What a tick changes. While the driver sleeps there are no ticks, and so no signs.
    pub(crate) fn tick(&mut self, now: Timestamp, signs: Signs) -> impl Iterator<Item = Change> {
        let changes: [[Option<Change>; 2]; Episode::ALL.len()] = std::array::from_fn(|i| {
            let (episode, course) = (Episode::ALL[i], &mut self.0[i]);
            let ended = course.end(now, episode);
            [ended, signs.shows(episode).then(|| course.sign(now, episode)).flatten()]
        });
        changes.into_iter().flatten().flatten()
    }

    /// Whether it was told that it began, and not yet that it ended.
    pub(crate) const fn is_on(&self, episode: Episode) -> bool {
        matches!(self.0[episode as usize], Course::Told { .. })
    }
}

impl Course {
    fn end(&mut self, now: Timestamp, episode: Episode) -> Option<Change> {
        let (Self::Lasting { first, last } | Self::Told { first, last }) = *self else { return None };
        if now.since(last) <= episode.over_after() {
            return None;
        }
        let was_told = matches!(self, Self::Told { .. });
        *self = Self::Calm;
        was_told.then(|| Change::Ended(episode, last.since(first)))
    }

    fn sign(&mut self, now: Timestamp, episode: Episode) -> Option<Change> {
        let (first, was_told) = match *self {
            Self::Calm => (now, false),
            Self::Lasting { first, .. } => (first, false),
            Self::Told { first, .. } => (first, true),
        };
        if was_told || now.since(first) >= episode.told_after() {
            *self = Self::Told { first, last: now };
            return (!was_told).then_some(Change::Began(episode));
        }
        *self = Self::Lasting { first, last: now };
        None
    }
}

#[cfg(test)]
mod tests;
