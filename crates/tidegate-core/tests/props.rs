//! Whatever the evidence, the default law keeps its limit within its bounds.

use std::time::Duration;

use proptest::prelude::*;
use tidegate_core::{
    ControlLaw, Decision, Evidence, MAX_LIMIT, PoolAimd, PoolAimdConfig, PoolEvidence, Reason, Timestamp,
};

/// Counts as they come, and those at which arithmetic breaks.
fn count() -> impl Strategy<Value = u32> {
    prop_oneof![4 => 0..40_u32, 1 => 0..5_000_u32, 1 => Just(0), 1 => Just(u32::MAX), 1 => any::<u32>()]
}

/// Sums over one tick: anything a pool could count in it, and a lot more.
fn sum() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0..2_000_u64, 1 => Just(0), 1 => Just(u64::from(u32::MAX)), 1 => 0..1_u64 << 50]
}

fn span() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..5_000_u64).prop_map(Duration::from_millis),
        1 => Just(Duration::ZERO),
        1 => Just(Duration::MAX),
        1 => any::<u64>().prop_map(Duration::from_nanos),
    ]
}

prop_compose! {
    fn pool()(
        (max, open, idle) in (prop_oneof![6 => Just(20_u32), 1 => Just(0), 2 => count()], count(), count()),
        (pending, held) in (count(), count()),
        (oldest_pending, acquire_timeout) in (span(), span()),
        (requests, grants, pending_time, held_time) in (sum(), sum(), span(), span()),
        // Mostly as many as go out, since a round does not end before half of those are back.
        returned in prop_oneof![3 => Just(None), 1 => sum().prop_map(Some)],
        losses in prop_oneof![3 => Just((0, 0)), 1 => (sum(), sum())],
    ) -> PoolEvidence {
        let mut pool = PoolEvidence::default();
        // Not made plausible by `PoolReading::new`: a probe may be wrong.
        (pool.reading.max, pool.reading.open, pool.reading.idle) = (max, open, idle);
        pool.reading.acquire_timeout = acquire_timeout;
        (pool.pending, pool.held, pool.oldest_pending) = (pending, held, oldest_pending);
        (pool.activity.requests, pool.activity.grants) = (requests, grants);
        pool.activity.returns = returned.unwrap_or(grants);
        (pool.activity.pending_time, pool.activity.held_time) = (pending_time, held_time);
        (pool.activity.timeouts, pool.activity.refused) = losses;
        pool
    }
}

prop_compose! {
    fn evidence()(
        pool in prop_oneof![8 => pool().prop_map(Some), 1 => Just(None)],
        (in_flight, in_flight_peak, queued) in (count(), count(), count()),
        held_back in any::<bool>(),
        (completed, overloads) in (sum(), prop_oneof![5 => Just(0), 1 => sum()]),
        (abandoned, abandoned_calls) in prop_oneof![5 => Just((0, 0)), 1 => (sum(), sum())],
        abandoned_time in span(),
    ) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.pool = pool;
        (evidence.demand.in_flight, evidence.demand.in_flight_peak) = (in_flight, in_flight_peak);
        (evidence.demand.queued, evidence.demand.held_back) = (queued, held_back);
        (evidence.demand.completed, evidence.demand.overloads) = (completed, overloads);
        (evidence.demand.abandoned, evidence.demand.abandoned_calls) = (abandoned, abandoned_calls);
        evidence.demand.abandoned_time = abandoned_time;
        evidence
    }
}

prop_compose! {
    fn config()(
        min in 1..30_u32,
        max in prop::option::of(30..500_u32),
        initial in prop::option::of(Just(30_u32)),
        connections in 1..=20_u32,
    ) -> (PoolAimdConfig, u32, Option<u32>, u32) {
        let mut config = PoolAimdConfig::default().min_limit(min).connections_per_call(connections);
        if let Some(max) = max {
            config = config.max_limit(max);
        }
        if let Some(initial) = initial {
            config = config.initial_limit(initial);
        }
        (config, min, max, connections)
    }
}

fn is_a_number(decision: &Decision) -> bool {
    decision.terms.is_none_or(|terms| {
        let figures = [
            terms.pending,
            terms.held,
            terms.wait_ratio,
            terms.target_ratio,
            terms.utilisation,
            terms.in_flight,
            terms.throughput,
        ];
        figures.iter().all(|figure| !figure.is_nan())
    })
}

proptest! {
    #[test]
    fn the_limit_stays_within_its_bounds_whatever_the_evidence(
        (config, min, max, connections) in config(),
        ticks in prop::collection::vec((evidence(), 0..10_000_u64), 1..60),
    ) {
        let mut law = PoolAimd::new(config, 20).unwrap();
        let (mut now, mut pool_max) = (Timestamp::default(), 20);
        for (evidence, elapsed_ms) in ticks {
            now = now + Duration::from_millis(elapsed_ms);
            let before = law.limit();
            let decision = law.tick(now, &evidence);
            if let Some(pool) = evidence.pool.filter(|pool| pool.reading.max > 0) {
                pool_max = pool.reading.max;
                let _ = law.brakes(&pool);
            }
            let sets = if connections > 1 { ((pool_max - 1) / (connections - 1)).max(1) } else { MAX_LIMIT };
            let most = max.unwrap_or_else(|| pool_max.saturating_mul(100).max(min)).min(sets).min(MAX_LIMIT);
            prop_assert!((min.min(sets)..=most).contains(&decision.to), "{decision:?}: {min} to {most}");
            prop_assert_eq!((decision.from, decision.to), (before, law.limit()));
            prop_assert!(is_a_number(&decision), "{:?}", decision);
        }
    }

    /// A recorded run replays exactly.
    #[test]
    fn the_same_evidence_gives_the_same_decisions(
        ticks in prop::collection::vec((evidence(), 0..1_000_u64), 1..40),
    ) {
        let run = || {
            let mut law = PoolAimd::new(PoolAimdConfig::default(), 20).unwrap();
            let mut now = Timestamp::default();
            let decide = |(evidence, elapsed_ms): &(Evidence, u64)| {
                now = now + Duration::from_millis(*elapsed_ms);
                law.tick(now, evidence)
            };
            // The text form, since no figure equals itself where one is not a number.
            ticks.iter().map(decide).map(|decision| format!("{decision:?}")).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }

    /// Within a second, whatever happens, losses shrink the limit by at most two halvings: calls of 500 ms are an epoch.
    #[test]
    fn losses_shrink_once_per_recovery_epoch(timeouts in prop::collection::vec(0..3_u64, 10)) {
        let config = PoolAimdConfig::default().initial_limit(800);
        let mut law = PoolAimd::new(config, 20).unwrap();
        let tick = |law: &mut PoolAimd, at_ms: u64, timeouts: u64| {
            let mut evidence = Evidence::default();
            let demand = &mut evidence.demand;
            (demand.in_flight, demand.in_flight_peak, demand.completed) = (800, 800, 160);
            let mut pool = PoolEvidence::default();
            (pool.reading.max, pool.held) = (20, 800);
            pool.activity.timeouts = timeouts;
            evidence.pool = Some(pool);
            law.tick(Timestamp::from_millis(at_ms), &evidence)
        };
        // Calls of 500 ms are learnt first.
        for i in 1..=100 {
            tick(&mut law, i * 100, 0);
        }
        let mut last_shrink = None;
        for (i, timeouts) in (101..).zip(timeouts) {
            let decision = tick(&mut law, i * 100, timeouts);
            if decision.is_change() {
                prop_assert_eq!(decision.reason, Reason::PoolTimeout);
                prop_assert!(timeouts > 0);
                prop_assert!(last_shrink.is_none_or(|last| i - last >= 5), "shrunk at {:?} and {}", last_shrink, i);
                last_shrink = Some(i);
            }
        }
    }
}
