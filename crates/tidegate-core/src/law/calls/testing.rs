//! What the tests of the laws have in common.

use std::time::Duration;

use super::Measured;
use crate::{ControlLaw, Decision, Demand, Evidence, Timestamp};

pub(in crate::law) fn measured(call_seconds: f64, in_flight: f64) -> Measured {
    Measured { call_seconds, in_flight, peak: super::whole(in_flight), is_bound: true, throughput: 0.0 }
}

/// A law, and a service behind it whose calls take as long as the test says.
pub(in crate::law) struct Bench<L> {
    pub(in crate::law) law: L,
    now_ms: u64,
}

impl<L: ControlLaw> Bench<L> {
    pub(in crate::law) const fn new(law: L) -> Self {
        Self { law, now_ms: 0 }
    }

    pub(in crate::law) fn set_limit(&mut self, limit: u32) {
        self.law.set_limit(Timestamp::from_millis(self.now_ms), limit);
    }

    pub(in crate::law) const fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms)
    }

    /// A tick of a second with this demand.
    pub(in crate::law) fn tick(&mut self, demand: Demand) -> Decision {
        self.now_ms += 1_000;
        let evidence = Evidence { demand, ..Evidence::default() };
        self.law.tick(Timestamp::from_millis(self.now_ms), &evidence)
    }

    /// A tick of a second in which the whole limit was out, callers waited, and calls took so many milliseconds each; `edit`
    /// may say otherwise.
    pub(in crate::law) fn full(&mut self, call_ms: u64, edit: impl FnOnce(&mut Demand)) -> Decision {
        let limit = self.law.limit();
        let mut demand = full(limit, call_ms);
        edit(&mut demand);
        self.tick(demand)
    }

    /// Such ticks until a round ends: the last decision.
    #[track_caller]
    pub(in crate::law) fn round(&mut self, call_ms: u64) -> Decision {
        for _ in 0..1_000 {
            let decision = self.full(call_ms, |_| {});
            if decision.reason != crate::Reason::RoundOpen {
                return decision;
            }
        }
        unreachable!("no round ends");
    }

    /// The same with no caller waiting.
    #[track_caller]
    pub(in crate::law) fn idle_round(&mut self, call_ms: u64) -> Decision {
        for _ in 0..1_000 {
            let decision = self.full(call_ms, |demand| (demand.queued, demand.held_back) = (0, false));
            if decision.reason != crate::Reason::RoundOpen {
                return decision;
            }
        }
        unreachable!("no round ends");
    }
}

/// A second of a full limit, with calls that take so many milliseconds.
pub(in crate::law) fn full(limit: u32, call_ms: u64) -> Demand {
    Demand {
        in_flight: limit,
        in_flight_peak: limit,
        queued: 5,
        held_back: true,
        completed: u64::from(limit) * 1_000 / call_ms.max(1),
        in_flight_time: Duration::from_secs(u64::from(limit)),
        ..Demand::default()
    }
}
