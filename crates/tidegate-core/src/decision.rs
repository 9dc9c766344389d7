mod sentence;

use std::fmt;
use std::time::Duration;

/// What a law says at a tick. Its text says what and why in one line.
///
/// ```
/// use tidegate_core::{Decision, Reason};
///
/// let decision = Decision::new(7, 6, Reason::PoolResized);
/// assert_eq!(decision.to_string(), "limit 7 → 6: the pool was resized, and the limit with it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decision {
    /// The limit before.
    pub from: u32,
    /// The limit from now on.
    pub to: u32,
    /// Why.
    pub reason: Reason,
    /// What holds the limit where it is, if a bound does.
    pub bound: Bound,
    /// The figures the decision rests on; `None` where it rests on none.
    pub terms: Option<Terms>,
}

impl Decision {
    /// A decision that rests on no figures and meets no bound.
    #[must_use]
    pub const fn new(from: u32, to: u32, reason: Reason) -> Self {
        Self { from, to, reason, bound: Bound::None, terms: None }
    }

    /// Whether the limit moved.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        self.from != self.to
    }

    /// Whether the limit gives way to an overload: it shrinks to relieve the database, or would if it were not at its least.
    #[must_use]
    pub const fn is_relief(&self) -> bool {
        self.reason.is_overload() && (self.to < self.from || matches!(self.bound, Bound::Min))
    }
}

/// Why a limit is what it is. The text form is the `reason` label of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Callers gave up on calls that had been out for much longer than usual: the database may hang.
    Abandoned,
    /// The round ended with nothing to change: the limit did not hold work back, or the wait is near its target.
    Balanced,
    /// Calls take longer than is accepted: shrink.
    CallTime,
    /// Somebody set the limit by hand.
    Configured,
    /// An acquire has waited in the pool for a good part of its timeout: shrink at once, not at the end of the round.
    Emergency,
    /// The law holds one limit for ever.
    Fixed,
    /// The limit follows that of another limiter.
    Followed,
    /// The pool has free connections: jump to the limit that would fill it.
    FreeConnections,
    /// No call has ended for much longer than one takes: shrink by half.
    Hung,
    /// Nothing asked for a permit near the limit for a while: forget the unproven part of it.
    LowDemand,
    /// No pool traffic, so no evidence.
    NoEvidence,
    /// No connection was free for rounds, and callers queue for them: give way a little.
    NoFreeConnection,
    /// The server refused connections: shrink hard. Or many calls reported overload: a ceiling at half of what was out, or less.
    Overload,
    /// The pool's size changed: scale the limit with it.
    PoolResized,
    /// An acquire timed out in the pool: shrink hard.
    PoolTimeout,
    /// Acquires wait longer than the target: shrink by the surplus.
    PoolWait,
    /// The limit held work back and the wait is below its target: try a little more.
    Probe,
    /// The round has not yet seen enough to decide.
    RoundOpen,
    /// Trials showed with which limit the database gets more done: the ceiling moves.
    Throughput,
    /// Another limit is tried, for a few rounds, or a trial ended and changed nothing.
    Trial,
}

impl Reason {
    /// Every reason, for metrics that are described beforehand.
    pub const ALL: [Self; 20] = [
        Self::Abandoned,
        Self::Balanced,
        Self::CallTime,
        Self::Configured,
        Self::Emergency,
        Self::Fixed,
        Self::Followed,
        Self::FreeConnections,
        Self::Hung,
        Self::LowDemand,
        Self::NoEvidence,
        Self::NoFreeConnection,
        Self::Overload,
        Self::PoolResized,
        Self::PoolTimeout,
        Self::PoolWait,
        Self::Probe,
        Self::RoundOpen,
        Self::Throughput,
        Self::Trial,
    ];

    /// Whether the decision rests on a round of work that went well: without losses, an emergency or a trial, and not on the
    /// lack of evidence.
    #[must_use]
    pub const fn is_good(self) -> bool {
        match self {
            Self::Balanced
            | Self::CallTime
            | Self::Fixed
            | Self::FreeConnections
            | Self::NoFreeConnection
            | Self::PoolWait
            | Self::Probe
            | Self::Throughput => true,
            Self::Abandoned
            | Self::Configured
            | Self::Emergency
            | Self::Followed
            | Self::Hung
            | Self::LowDemand
            | Self::NoEvidence
            | Self::Overload
            | Self::PoolResized
            | Self::PoolTimeout
            | Self::RoundOpen
            | Self::Trial => false,
        }
    }

    /// Whether it says that the database, or the service, has more to do than it can: the reasons to shrink but for those that
    /// say that less is asked for, that the pool is another, or that something is tried.
    #[must_use]
    pub const fn is_overload(self) -> bool {
        matches!(
            self,
            Self::Abandoned
                | Self::CallTime
                | Self::Emergency
                | Self::Hung
                | Self::NoFreeConnection
                | Self::Overload
                | Self::PoolTimeout
                | Self::PoolWait
        )
    }

    /// The name used as a metric label, in snake case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Abandoned => "abandoned",
            Self::Balanced => "balanced",
            Self::CallTime => "call_time",
            Self::Configured => "configured",
            Self::Emergency => "emergency",
            Self::Fixed => "fixed",
            Self::Followed => "followed",
            Self::FreeConnections => "free_connections",
            Self::Hung => "hung",
            Self::LowDemand => "low_demand",
            Self::NoEvidence => "no_evidence",
            Self::NoFreeConnection => "no_free_connection",
            Self::Overload => "overload",
            Self::PoolResized => "pool_resized",
            Self::PoolTimeout => "pool_timeout",
            Self::PoolWait => "pool_wait",
            Self::Probe => "probe",
            Self::RoundOpen => "round_open",
            Self::Throughput => "throughput",
            Self::Trial => "trial",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The bound a limit rests on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Bound {
    /// The deadlock-free ceiling ⌊(max − 1)/(c − 1)⌋ for calls that hold c connections at once.
    ConnectionSets,
    /// The configured `max_limit`; where none is, 100 times the pool's size.
    Max,
    /// The configured `min_limit`, also where it holds the limit above a ceiling.
    Min,
    /// None: the law's own figure.
    #[default]
    None,
    /// A ceiling above which the database gets less done, or a limit that is tried to find out.
    Throughput,
}

impl Bound {
    /// The name used in log events: `connection_sets`, `max`, `min`, `none` or `throughput`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConnectionSets => "connection_sets",
            Self::Max => "max",
            Self::Min => "min",
            Self::None => "none",
            Self::Throughput => "throughput",
        }
    }
}

/// The figures behind a decision, so that it can be checked by hand.
///
/// Means are over the round that ended; where none did, they are the counts of the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Terms {
    /// Mean acquires pending in the pool.
    pub pending: f64,
    /// Mean connections held.
    pub held: f64,
    /// `pending / held`: by Little's law, the pool wait as a multiple of the use time.
    pub wait_ratio: f64,
    /// The wait ratio that is accepted.
    pub target_ratio: f64,
    /// Share of the pool's connections in use by anybody, 0 to 1; above 1 for a moment after the pool was resized down.
    pub utilisation: f64,
    /// Mean permits out.
    pub in_flight: f64,
    /// Mean time a connection was held.
    pub use_time: Duration,
    /// Connections given back per second, less one for each call that reported overload; 0 where no round has ended.
    pub throughput: f64,
    /// Acquires that timed out or were refused, and calls that reported overload; for [`Reason::Abandoned`], permits of work
    /// that was cut short. Since the previous tick.
    pub losses: u64,
    /// Age of the oldest acquire still waiting.
    pub oldest_pending: Duration,
    /// Mean time that a call held its permit, those included that have not ended; 0 from laws that look at a pool.
    pub call_time: Duration,
    /// The mean call time above which the limit shrinks; 0 where there is none.
    pub call_time_max: Duration,
    /// The limit that is followed; 0 from laws that follow none.
    pub leader_limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_way_if_it_shrinks_for_an_overload_or_would() {
        #[track_caller]
        fn check(to: u32, reason: Reason, bound: Bound, is_relief: bool) {
            let decision = Decision { bound, ..Decision::new(7, to, reason) };
            assert_eq!(decision.is_relief(), is_relief, "{decision:?}");
        }
        check(6, Reason::PoolWait, Bound::None, true);
        check(7, Reason::PoolWait, Bound::None, false);
        check(7, Reason::PoolTimeout, Bound::Min, true);
        check(7, Reason::Balanced, Bound::Min, false);
        check(6, Reason::PoolResized, Bound::None, false);
        check(6, Reason::Throughput, Bound::Throughput, false);
        check(8, Reason::Probe, Bound::None, false);
    }
}
