//! The permits out, integrated over time: how long calls take, without a note of when each began.
//!
//! Each permit that goes out takes the time away from a sum, and each that comes back adds it. With the permits that are
//! still out, times the present, that is the area under their count; its growth between two looks is the time that calls
//! spent in between, those that have not ended included. By Little's law, divided by those that ended, it is the mean time
//! of a call; and where none ends it says how old those are that hang.

use std::time::Duration;

use tokio::time::Instant;

#[cfg(feature = "test-util")]
use crate::ManualClock;
use crate::gate::Gate;
use crate::sync::{AtomicU64, Ordering};

/// Permits out and their time, in one word, so that the two are of the same moment.
///
/// ```text
/// bits  0..20  permits out that are counted
/// bits 20..64  Σ of the times at which permits came back, less Σ of those at which they went out, in µs, wrapping
/// ```
///
/// Only differences of less than half the span of the sum are asked for: 101 days of permit time between two looks.
#[derive(Debug)]
pub(crate) struct Occupancy {
    word: AtomicU64,
    clock: Clock,
}

const PERMITS: u64 = (1 << TIME_SHIFT) - 1;
const TIME_SHIFT: u32 = 20;
const TIME: u64 = u64::MAX >> TIME_SHIFT;

/// What tells the time.
#[derive(Debug)]
pub(crate) enum Clock {
    /// For simulators, which own the time.
    #[cfg(feature = "test-util")]
    Manual(ManualClock),
    /// tokio's clock, since the limiter was built.
    Tokio(Instant),
}

impl Clock {
    /// In microseconds; those of one day of a million permits fit the sum.
    fn now(&self) -> u64 {
        match self {
            #[cfg(feature = "test-util")]
            Self::Manual(clock) => clock.micros(),
            Self::Tokio(start) => micros(start.elapsed()),
        }
    }
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Occupancy {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { word: AtomicU64::new(0), clock }
    }

    /// So many more permits are out from now on, or, below zero, fewer.
    #[cold]
    pub(crate) fn change(&self, permits: i64) {
        let time = self.clock.now() << TIME_SHIFT;
        let change = permits.wrapping_sub_unsigned(time.wrapping_mul(permits.cast_unsigned()));
        self.word.fetch_add(change.cast_unsigned(), Ordering::AcqRel);
    }

    /// The area up to now, in permits times µs; only the difference of two of them has a meaning.
    pub(crate) fn area(&self) -> u64 {
        let word = self.word.load(Ordering::Acquire);
        let now = self.clock.now();
        (word >> TIME_SHIFT).wrapping_add((word & PERMITS).wrapping_mul(now)) & TIME
    }

    #[cfg(test)]
    pub(crate) fn permits(&self) -> u64 {
        self.word.load(Ordering::Acquire) & PERMITS
    }
}

/// What the driver saw at its last look; nothing while the law does not want it.
#[derive(Debug, Default)]
pub(crate) struct Occupied(Option<u64>);

impl Occupied {
    /// The permits out, integrated since the previous look; zero if calls were not timed at it.
    ///
    /// It turns the timing on or off as the law wants, so the law may change between two looks: permits that are out then
    /// are counted from then on.
    pub(crate) fn look(&mut self, gate: &Gate, is_wanted: bool) -> Duration {
        gate.time_calls(is_wanted);
        let now = is_wanted.then(|| gate.occupancy().area());
        let before = std::mem::replace(&mut self.0, now);
        let (Some(before), Some(now)) = (before, now) else { return Duration::ZERO };
        // A permit that comes back just now may have read the clock after this look did.
        let area = now.wrapping_sub(before) & TIME;
        Duration::from_micros(if area > TIME / 2 { 0 } else { area })
    }
}

#[cfg(all(test, not(tidegate_loom)))]
mod tests {
    use tidegate_core::Timestamp;

    use super::*;
    use crate::gate::{Hold, QueueConfig, QueueLimit};

    struct Rig {
        gate: Gate,
        clock: ManualClock,
        seen: Occupied,
    }

    impl Rig {
        fn new(at_ms: u64) -> Self {
            let clock = ManualClock::default();
            clock.set(Timestamp::from_millis(at_ms));
            let queue = QueueConfig { limit: QueueLimit::Fixed(1), sojourn: None };
            let gate = Gate::timed_by(9, queue, Clock::Manual(clock.clone()));
            Self { gate, clock, seen: Occupied::default() }
        }

        fn pass_to(&self, ms: u64) {
            self.clock.set(Timestamp::from_millis(ms));
        }

        /// What a look that wants it sees, in permits times ms.
        fn look(&mut self) -> u128 {
            self.seen.look(&self.gate, true).as_millis()
        }
    }

    #[test]
    fn the_area_is_that_under_the_permits_out_ended_or_not() {
        let mut rig = Rig::new(0);
        assert_eq!(rig.look(), 0);
        assert!(rig.gate.try_take() && rig.gate.try_take());
        rig.pass_to(10);
        rig.gate.release(Hold::PLAIN);
        rig.pass_to(30);
        assert_eq!(rig.look(), 2 * 10 + 20);
        rig.pass_to(35);
        rig.gate.release(Hold::PLAIN);
        rig.pass_to(500);
        assert_eq!(rig.look(), 5);
    }

    #[test]
    fn permits_that_are_out_when_the_law_begins_to_look_count_from_then_on() {
        let mut rig = Rig::new(7);
        assert!(rig.gate.try_take() && rig.gate.try_take());
        rig.pass_to(1_000);
        assert_eq!(rig.look(), 0);
        rig.pass_to(1_010);
        rig.gate.release(Hold::PLAIN);
        rig.pass_to(1_020);
        assert_eq!(rig.look(), 20 + 10);
        // Off, and on again, with one out throughout and one for a part of it.
        assert!(rig.gate.try_take());
        assert_eq!(rig.seen.look(&rig.gate, false), Duration::ZERO);
        rig.pass_to(9_000);
        rig.gate.release(Hold::PLAIN);
        assert_eq!(rig.look(), 0);
        rig.pass_to(9_005);
        rig.gate.release(Hold::PLAIN);
        rig.pass_to(9_100);
        assert_eq!((rig.look(), rig.gate.occupancy().permits()), (5, 0));
    }

    #[test]
    fn a_law_that_does_not_look_costs_no_read_of_the_clock() {
        let mut rig = Rig::new(1_000);
        assert_eq!(rig.seen.look(&rig.gate, false), Duration::ZERO);
        assert!(rig.gate.try_take());
        rig.gate.release(Hold::PLAIN);
        assert_eq!(rig.gate.occupancy().word.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_sum_may_wrap() {
        // 2^44 µs and a little more.
        let mut rig = Rig::new((1 << 44) / 1_000 - 5);
        rig.look();
        assert!(rig.gate.try_take() && rig.gate.try_take());
        rig.pass_to((1 << 44) / 1_000 + 15);
        assert_eq!(rig.look(), 40);
    }

    #[test]
    fn a_clock_that_stands_still_gives_no_time() {
        let mut rig = Rig::new(50);
        rig.look();
        assert!(rig.gate.try_take());
        rig.pass_to(40);
        assert_eq!(rig.look(), 0);
    }
}
