//! A limit that nobody asks for, and ticks that tell nothing.

use super::*;

#[test]
fn a_limit_that_nobody_came_near_for_four_seconds_halves_in_two() {
    let check = |peak, held_back, limit, reason| {
        let mut bench = Bench::new(PoolAimdConfig::default());
        bench.law.raw_limit = 40.0;
        let mut evidence = quiet(peak);
        evidence.demand.held_back = held_back;
        let decision = bench.tick_after(6_000, &evidence);
        assert_eq!((decision.to, decision.reason), (limit, reason));
    };
    check(0, false, 20, Reason::LowDemand);
    check(12, false, 24, Reason::LowDemand); // no lower than twice the peak
    check(20, false, 40, Reason::NoEvidence); // half of it was used
    check(0, true, 40, Reason::NoEvidence);
}

#[test]
fn a_pause_of_four_seconds_is_no_reason_to_forget() {
    let mut bench = Bench::new(PoolAimdConfig::default());
    bench.law.raw_limit = 64.0;
    for _ in 0..3 {
        for _ in 0..40 {
            assert_eq!(bench.tick_after(100, &quiet(0)).to, 64);
        }
        // Somebody comes near it: the next pause begins anew.
        assert_eq!(bench.tick_after(100, &quiet(40)).to, 64);
    }
    let limits: Vec<u32> = (0..8).map(|_| bench.tick_after(1_000, &quiet(0)).to).collect();
    assert_eq!(limits, [64, 64, 64, 64, 45, 32, 22, 16]);
}

#[test]
fn a_fading_limit_comes_to_rest_at_half_the_pool_or_the_configured_start() {
    for (config, rest) in [(PoolAimdConfig::default(), 10), (PoolAimdConfig::default().initial_limit(16), 16)]
    {
        let mut bench = Bench::new(config);
        bench.law.raw_limit = 400.0;
        assert!(!bench.law.is_settled());
        for _ in 0..100 {
            bench.tick_after(1_000, &quiet(0));
        }
        assert_eq!(bench.law.limit(), rest);
        assert!(bench.law.is_settled(), "the driver may sleep");
    }
}

#[test]
fn no_evidence_changes_nothing() {
    let mut bench = Bench::starting_at(10);
    bench.tick(&quiet(10), 10, Reason::NoEvidence);
    bench.tick(&Evidence::default(), 10, Reason::NoEvidence);
    // Acquires that wait without any grant: still nothing is known of the pool's speed.
    let hung = busy_but((10, 10, 0, 20), |_, pool| pool.activity = PoolActivity::default());
    for _ in 0..20 {
        bench.tick(&hung, 10, Reason::RoundOpen);
    }
}
