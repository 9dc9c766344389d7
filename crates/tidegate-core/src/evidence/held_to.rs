//! What evidence would have been under a limit that was not enforced.

use std::time::Duration;

use super::{Demand, Evidence, PoolEvidence};

/// Which shares of what happened would have happened under the limit, 0 to 1.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Of the waiting in the pool.
    waiting: f64,
    /// Of all that those calls do which do not wait in the pool.
    running: f64,
}

impl Evidence {
    /// What this evidence of one tick of length `span` would have been with at most `limit` permits out.
    ///
    /// For a law whose limit is not enforced, so that it does not take for its own doing what it would have prevented.
    /// The calls above the limit would have stood in the limiter's queue instead. Those are, first, the ones that wait in the
    /// pool, where they get nothing done either: what gets done stays the same. If there are more, the rest of the calls get
    /// proportionally less done.
    ///
    /// Without a pool all waiting is inside the service. Then it is taken for one that is busy: as much gets done by fewer
    /// calls, and each takes proportionally less time.
    ///
    /// How many calls are out is taken from [`Demand::in_flight_time`], if that is known: those out at the moment of the tick may
    /// be all or none of a crowd that comes in step.
    ///
    /// So it knows nothing of a database that gets more done with fewer connections.
    #[must_use]
    pub fn held_to(&self, limit: u32, span: Duration) -> Self {
        let in_flight = self.demand.mean_in_flight(span);
        let excess = (in_flight - f64::from(limit)).max(0.0);
        let kept = self.kept(in_flight, excess, span);
        Self {
            demand: self.demand.held_to(limit, span, in_flight, kept),
            pool: self.pool.map(|pool| pool.held_to(kept)),
            leader: self.leader,
        }
    }

    fn kept(&self, in_flight: f64, excess: f64, span: Duration) -> Kept {
        let Some(pool) = self.pool else { return Kept { waiting: 1.0, running: 1.0 } };
        let mean = |time: Duration, now: u32| {
            if span.is_zero() { f64::from(now) } else { time.as_secs_f64() / span.as_secs_f64() }
        };
        let pending = mean(pool.activity.pending_time, pool.pending);
        let held = mean(pool.activity.held_time, pool.held);
        // Calls that want several connections at once are fewer than the acquires that wait.
        let connections_per_call = ((pending + held) / in_flight.max(1.0)).max(1.0);
        let waiting = (pending / connections_per_call).min(in_flight);
        let queued_instead = waiting.min(excess);
        Kept {
            waiting: share_left(queued_instead, waiting),
            running: share_left(excess - queued_instead, in_flight - waiting),
        }
    }
}

impl Demand {
    fn mean_in_flight(&self, span: Duration) -> f64 {
        if span.is_zero() || self.in_flight_time.is_zero() {
            return f64::from(self.in_flight);
        }
        self.in_flight_time.as_secs_f64() / span.as_secs_f64()
    }

    fn held_to(&self, limit: u32, span: Duration, mean: f64, kept: Kept) -> Self {
        let out = self.in_flight.max(whole(mean));
        let excess = out.saturating_sub(limit);
        Self {
            in_flight: out.min(limit),
            in_flight_peak: self.in_flight_peak.min(limit),
            queued: self.queued.saturating_add(excess),
            held_back: self.held_back || self.in_flight_peak > limit,
            completed: scale(self.completed, kept.running),
            // Where calls crowd before the pool, that is what they fail of, or what is given up on: a call that timed out
            // there is told of at this tick or at the next, and takes with it those that were made together with it.
            overloads: scale(self.overloads, kept.waiting),
            abandoned: scale(self.abandoned, kept.waiting),
            abandoned_calls: scale(self.abandoned_calls, kept.waiting),
            abandoned_time: part(self.abandoned_time, kept.waiting),
            unused: scale(self.unused, kept.running),
            // Not by the calls out at this moment, of which there may be none or many just now.
            in_flight_time: self.in_flight_time.min(span.saturating_mul(limit)),
        }
    }
}

impl PoolEvidence {
    fn held_to(&self, kept: Kept) -> Self {
        let mut pool = *self;
        let held = scale_u32(self.held, kept.running);
        pool.reading.idle = self.reading.idle.saturating_add(self.held - held).min(self.reading.open);
        pool.held = held;
        pool.pending = scale_u32(self.pending, kept.waiting);
        pool.oldest_pending = part(self.oldest_pending, kept.waiting);
        let activity = &mut pool.activity;
        for waited in [&mut activity.timeouts, &mut activity.cancelled] {
            *waited = scale(*waited, kept.waiting);
        }
        for waited in [&mut activity.pending_time, &mut activity.wait] {
            *waited = part(*waited, kept.waiting);
        }
        for done in [&mut activity.requests, &mut activity.grants, &mut activity.returns] {
            *done = scale(*done, kept.running);
        }
        for held in [&mut activity.held_time, &mut activity.use_time] {
            *held = part(*held, kept.running);
        }
        pool
    }
}

/// The nearest whole number of calls.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float saturates")]
fn whole(calls: f64) -> u32 {
    calls.round() as u32
}

fn share_left(less: f64, whole: f64) -> f64 {
    if whole > 0.0 { (1.0 - less / whole).clamp(0.0, 1.0) } else { 1.0 }
}

/// A share, 0 to 1, of a time that may be too long to be told from the longest one.
fn part(time: Duration, share: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * share).unwrap_or(time).min(time)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share, 0 to 1, of a count is no more than the count"
)]
fn scale(count: u64, share: f64) -> u64 {
    ((count as f64 * share).round() as u64).min(count)
}

fn scale_u32(count: u32, share: f64) -> u32 {
    u32::try_from(scale(count.into(), share)).unwrap_or(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolReading;

    const TICK: Duration = Duration::from_millis(100);

    /// So many calls out on a pool of 20, of which some wait for a connection and 20 hold one.
    fn busy(in_flight: u32, pending: u32) -> Evidence {
        let demand = Demand { in_flight, in_flight_peak: in_flight, completed: 100, ..Demand::default() };
        let mut pool = PoolEvidence {
            reading: PoolReading::new(20, 20, 0, Duration::from_secs(5)),
            pending,
            held: 20,
            oldest_pending: Duration::from_secs(2),
            ..PoolEvidence::default()
        };
        pool.activity.pending_time = TICK * pending;
        pool.activity.held_time = TICK * 20;
        pool.activity.timeouts = 4;
        pool.activity.grants = 100;
        pool.activity.returns = 100;
        Evidence { demand, pool: Some(pool), leader: Some(9) }
    }

    #[test]
    fn under_a_limit_that_is_not_reached_nothing_changes() {
        assert_eq!(busy(40, 20).held_to(40, TICK), busy(40, 20));
        assert_eq!(busy(40, 20).held_to(u32::MAX, TICK), busy(40, 20));
    }

    #[test]
    fn calls_that_wait_in_the_pool_go_to_the_queue_first_and_all_else_goes_on() {
        let held = busy(40, 20).held_to(25, TICK);
        let pool = held.pool.unwrap();
        assert_eq!((held.demand.in_flight, held.demand.queued, held.demand.held_back), (25, 15, true));
        assert_eq!((pool.pending, pool.held, pool.activity.timeouts), (5, 20, 1));
        assert_eq!(pool.oldest_pending, Duration::from_millis(500));
        assert_eq!((held.demand.completed, pool.activity.returns, pool.reading.idle), (100, 100, 0));
    }

    #[test]
    fn below_the_pools_size_there_are_free_connections_and_less_gets_done() {
        let held = busy(40, 20).held_to(10, TICK);
        let pool = held.pool.unwrap();
        assert_eq!((pool.pending, pool.held, pool.reading.idle, pool.activity.timeouts), (0, 10, 10, 0));
        assert_eq!((held.demand.completed, pool.activity.grants), (50, 50));
        assert_eq!(pool.oldest_pending, Duration::ZERO);
        assert_eq!(pool.activity.held_time, TICK * 10);
    }

    #[test]
    fn what_fails_and_is_given_up_on_before_a_crowded_pool_goes_with_the_waiting() {
        let mut evidence = busy(40, 20);
        evidence.demand.overloads = 6;
        evidence.demand.abandoned = 10;
        evidence.demand.abandoned_calls = 10;
        evidence.demand.abandoned_time = Duration::from_secs(8);
        let half = evidence.held_to(30, TICK).demand;
        assert_eq!((half.overloads, half.abandoned, half.abandoned_time), (3, 5, Duration::from_secs(4)));
        let none = evidence.held_to(20, TICK).demand;
        assert_eq!((none.overloads, none.abandoned_calls, none.abandoned_time), (0, 0, Duration::ZERO));
        // Before a pool that is not crowded it is the database's doing.
        evidence.pool = busy(40, 0).pool;
        assert_eq!(evidence.held_to(20, TICK).demand.overloads, 6);
    }

    #[test]
    fn without_a_pool_fewer_calls_do_as_much_in_less_time_each() {
        let mut evidence = busy(40, 0);
        evidence.pool = None;
        (evidence.demand.unused, evidence.demand.in_flight_time) = (8, TICK * 40);
        let held = evidence.held_to(10, TICK);
        assert_eq!((held.demand.unused, held.demand.in_flight_time), (8, TICK * 10));
        assert_eq!((held.demand.in_flight, held.demand.queued, held.demand.completed), (10, 30, 100));
        assert_eq!(Evidence::default().held_to(1, Duration::ZERO), Evidence::default());
    }

    #[test]
    fn figures_that_contradict_each_other_do_no_harm() {
        let mut evidence = busy(3, 500);
        evidence.demand.in_flight_peak = u32::MAX;
        let held = evidence.held_to(1, Duration::from_nanos(1));
        assert_eq!(held.demand.in_flight, 1);
        assert!(held.pool.unwrap().pending < 500);
        // As a probe or a clock may say that has gone wrong.
        let pool = evidence.pool.as_mut().unwrap();
        (pool.oldest_pending, pool.activity.held_time) = (Duration::MAX, Duration::MAX);
        evidence.demand.abandoned_time = Duration::MAX;
        assert_eq!(evidence.held_to(3, TICK).pool, evidence.pool);
        evidence.demand.in_flight_time = Duration::MAX;
        assert_eq!(evidence.held_to(3, TICK).demand.in_flight, 3);
    }

    #[test]
    fn without_a_pool_it_does_not_matter_how_many_are_out_at_the_moment_of_the_tick() {
        for at_the_tick in [0, 3, 40, 90] {
            let mut evidence = busy(at_the_tick, 0);
            (evidence.pool, evidence.demand.in_flight_time) = (None, TICK * 40);
            assert_eq!(evidence.held_to(10, TICK).demand.in_flight_time, TICK * 10);
            assert_eq!(evidence.held_to(50, TICK).demand.in_flight_time, TICK * 40);
        }
    }

    #[test]
    fn of_calls_that_want_two_connections_each_those_that_wait_are_half_the_acquires() {
        // 55 calls want 110 connections. Twelve of them want 24 of the 20 there are.
        let held = busy(55, 90).held_to(12, TICK);
        let pool = held.pool.unwrap();
        assert_eq!((pool.pending, pool.held, held.demand.completed), (4, 20, 100));
        assert_eq!(pool.activity.pending_time, TICK * 4);
        assert_eq!(busy(55, 90).held_to(10, TICK).pool.unwrap().pending, 0);
    }

    #[test]
    fn of_a_crowd_that_has_just_gone_the_mean_counts() {
        for at_the_tick in [0, 3, 40] {
            let mut evidence = busy(40, 20);
            (evidence.demand.in_flight, evidence.demand.in_flight_time) = (at_the_tick, TICK * 40);
            let held = evidence.held_to(20, TICK);
            let pool = held.pool.unwrap();
            assert_eq!((held.demand.in_flight, held.demand.queued), (20, 20));
            assert_eq!((pool.activity.pending_time, pool.activity.timeouts), (Duration::ZERO, 0));
            assert_eq!(pool.activity.returns, 100);
        }
    }
}
