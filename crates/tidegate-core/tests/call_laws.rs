//! Whatever the evidence, the laws that look at calls keep their limits within their bounds.
#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use std::time::Duration;

use proptest::prelude::*;
use tidegate_core::{
    Aimd, AimdConfig, ControlLaw, Demand, Evidence, Gradient2, Gradient2Config, Reason, Timestamp, Vegas,
    VegasConfig,
};

const MIN: u32 = 3;
const MAX: u32 = 500;

fn laws() -> [Box<dyn ControlLaw>; 4] {
    let target = Duration::from_millis(200);
    let aimd = AimdConfig::default().min_limit(MIN).max_limit(MAX);
    let gradient2 = Gradient2Config::default().min_limit(MIN).max_limit(MAX);
    let vegas = VegasConfig::default().min_limit(MIN).max_limit(MAX);
    [
        Box::new(Aimd::new(aimd).unwrap()),
        Box::new(Aimd::new(aimd.latency_target(target)).unwrap()),
        Box::new(Gradient2::new(gradient2).unwrap()),
        Box::new(Vegas::new(vegas).unwrap()),
    ]
}

/// Counts as they come, and those at which arithmetic breaks.
fn count() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..60_u32, 1 => Just(0), 1 => Just(u32::MAX), 1 => any::<u32>()]
}

fn sum() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..300_u64, 1 => Just(0), 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        6 => (0..5_000_u64).prop_map(Duration::from_millis),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        1 => any::<u64>().prop_map(Duration::from_nanos),
    ]
}

prop_compose! {
    fn demand()(
        (in_flight, in_flight_peak, queued) in (count(), count(), count()),
        held_back in any::<bool>(),
        completed in sum(),
        // Mostly none, and sometimes more than came back.
        overloads in prop_oneof![4 => Just(0), 1 => sum()],
        (abandoned, unused) in prop_oneof![4 => Just((0, 0)), 1 => (sum(), sum())],
        (abandoned_time, in_flight_time) in (span(), span()),
    ) -> Demand {
        let mut demand = Demand::default();
        (demand.in_flight, demand.in_flight_peak, demand.queued) = (in_flight, in_flight_peak, queued);
        (demand.held_back, demand.completed, demand.overloads) = (held_back, completed, overloads);
        (demand.abandoned, demand.abandoned_calls, demand.unused) = (abandoned, abandoned, unused);
        (demand.abandoned_time, demand.in_flight_time) = (abandoned_time, in_flight_time);
        demand
    }
}

fn evidence(demand: Demand) -> Evidence {
    let mut evidence = Evidence::default();
    evidence.demand = demand;
    evidence
}

proptest! {
    #[test]
    fn the_limit_stays_within_its_bounds_whatever_the_evidence(
        ticks in prop::collection::vec((demand(), 0..5_000_u64), 1..80),
        set in prop::option::of(count()),
    ) {
        for mut law in laws() {
            let mut now = Timestamp::default();
            for (demand, elapsed_ms) in &ticks {
                now = now + Duration::from_millis(*elapsed_ms);
                let before = law.limit();
                let decision = law.tick(now, &evidence(*demand));
                prop_assert!((MIN..=MAX).contains(&decision.to), "{decision:?}");
                prop_assert_eq!((decision.from, decision.to), (before, law.limit()));
                let figures = decision.terms.map(|terms| [terms.in_flight, terms.throughput]);
                prop_assert!(figures.is_none_or(|all| all.iter().all(|figure| figure.is_finite())), "{decision:?}");
            }
            if let Some(limit) = set {
                law.set_limit(now, limit);
                prop_assert_eq!(law.limit(), limit.clamp(MIN, MAX));
            }
        }
    }

    /// Whatever else it sees, a law whose limit holds nobody back does not raise it.
    #[test]
    fn no_law_grows_while_nobody_is_held_back(ticks in prop::collection::vec(demand(), 1..80)) {
        for mut law in laws() {
            let mut now = Timestamp::default();
            for demand in &ticks {
                now = now + Duration::from_millis(100);
                let mut demand = *demand;
                demand.held_back = false;
                let decision = law.tick(now, &evidence(demand));
                // What a shrink took is given back where it did not help.
                prop_assert!(decision.to <= decision.from.max(20), "{decision:?}");
            }
        }
    }

    #[test]
    fn the_same_evidence_gives_the_same_decisions(ticks in prop::collection::vec(demand(), 1..40)) {
        let run = |mut law: Box<dyn ControlLaw>| {
            let mut now = Timestamp::default();
            let decide = |demand: &Demand| {
                now = now + Duration::from_millis(100);
                format!("{:?}", law.tick(now, &evidence(*demand)))
            };
            ticks.iter().map(decide).collect::<Vec<_>>()
        };
        for (one, other) in laws().into_iter().zip(laws()) {
            prop_assert_eq!(run(one), run(other));
        }
    }

    /// Calls of 500 ms, 300 of them out: those that were let in before a decrease take half a second to end.
    #[test]
    fn lost_calls_shrink_once_per_recovery_epoch(losses in prop::collection::vec(0..60_u64, 30)) {
        for mut law in laws() {
            law.set_limit(Timestamp::default(), 300);
            let mut last = None;
            for (tick, lost) in (1..).zip(losses.iter().copied()) {
                let mut demand = Demand::default();
                (demand.in_flight, demand.in_flight_peak) = (300, 300);
                (demand.completed, demand.overloads) = (60, lost);
                demand.in_flight_time = Duration::from_secs(30);
                let decision = law.tick(Timestamp::from_millis(tick * 100), &evidence(demand));
                if decision.reason == Reason::Overload {
                    prop_assert!(last.is_none_or(|last| tick - last >= 5), "at {last:?} and {tick}");
                    prop_assert!(decision.to * 2 + 1 >= decision.from.min(300), "{decision:?}");
                    last = Some(tick);
                }
            }
        }
    }
}
