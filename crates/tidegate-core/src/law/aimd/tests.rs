use std::time::Duration;

use super::*;
use crate::Bound;
use crate::law::calls::testing::Bench;

fn bench(config: AimdConfig) -> Bench<Aimd> {
    Bench::new(Aimd::new(config).unwrap())
}

/// One that has had its first decrease, so that it adds and does not double.
fn steady(config: AimdConfig) -> Bench<Aimd> {
    let mut bench = bench(config);
    bench.full(100, |demand| demand.overloads = demand.completed / 10);
    bench.idle_round(100);
    bench.set_limit(config.initial_limit.unwrap_or(20));
    bench.law.calls.stop_doubling();
    bench
}

#[test]
fn the_formula_by_hand() {
    // Calls in a thousand that are lost, call time, the limit after a round, from 100 with a target of 200 ms.
    let rows = [
        (0, 100, 102), // + 2%
        (9, 100, 102),
        (20, 100, 90),  // 0.9
        (250, 100, 75), // 1 − ¼
        (800, 100, 50), // at most a half
        (0, 210, 90),   // 0.9, though 200 / 210 is more
        (0, 250, 80),   // 200 / 250
        (0, 900, 50),
    ];
    let config = AimdConfig::default().initial_limit(100).latency_target(Duration::from_millis(200));
    for (lost, call_ms, limit) in rows {
        let mut bench = steady(config);
        let lose = |demand: &mut Demand| demand.overloads = demand.completed * lost / 1_000;
        while bench.full(call_ms, lose).reason == Reason::RoundOpen {}
        assert_eq!(bench.law.limit(), limit, "{lost} {call_ms}");
    }
}

#[test]
fn below_what_was_proven_it_doubles_and_above_it_adds() {
    let mut bench = bench(AimdConfig::default());
    let limits = [40, 80, 160].map(|_| bench.round(100).to);
    assert_eq!(limits, [40, 80, 160]);
    // A hang takes it down to the least. What it was says where it may go back to.
    while bench.law.limit() > 1 {
        let limit = bench.law.limit();
        bench.tick(Demand { in_flight: limit, in_flight_peak: limit, ..Demand::default() });
    }
    let limits = [2, 4, 8, 16, 32, 64, 80, 82].map(|_| bench.round(100).to);
    assert_eq!(limits, [2, 4, 8, 16, 32, 64, 80, 81]);
}

#[test]
fn losses_of_calls_let_in_before_a_decrease_do_not_decrease_again() {
    let mut bench = steady(AimdConfig::default().initial_limit(100));
    let lose = |demand: &mut Demand| (demand.completed, demand.overloads) = (20, 10);
    while bench.full(1_000, lose).reason != Reason::Overload {}
    let limit = bench.law.limit();
    // A hundred were out: of those twenty end in a tick. The usual call time is not known, so a second is an epoch at least.
    let decision = bench.full(1_000, lose);
    assert_eq!((decision.reason, bench.law.limit()), (Reason::RoundOpen, limit));
}

#[test]
fn it_grows_only_if_its_limit_held_callers_back() {
    let mut bench = bench(AimdConfig::default());
    assert_eq!(bench.idle_round(100).reason, Reason::Balanced);
    assert_eq!(bench.law.limit(), 20);
    // Held back, but by something else: less than half of it was out.
    for _ in 0..20 {
        bench.full(100, |demand| {
            (demand.in_flight, demand.in_flight_peak, demand.completed) = (9, 9, 90);
            demand.in_flight_time = Duration::from_secs(9);
        });
    }
    assert_eq!(bench.law.limit(), 20);
}

#[test]
fn calls_that_hang_halve_it_again_and_again_down_to_the_least() {
    let mut bench = bench(AimdConfig::default().min_limit(3));
    let _ = [0; 3].map(|_| bench.round(100));
    let mut reasons = Vec::new();
    for _ in 0..40 {
        let limit = bench.law.limit();
        let decision =
            bench.tick(Demand { in_flight: limit, queued: 5, held_back: true, ..Demand::default() });
        reasons.push(decision.reason);
    }
    assert_eq!((bench.law.limit(), reasons[0]), (3, Reason::Hung));
}

#[test]
fn callers_that_give_up_on_old_calls_shrink_it_and_on_young_ones_do_not() {
    let give_up = |age_ms: u64| {
        let mut bench = bench(AimdConfig::default());
        bench.round(100);
        let decisions = (0..10).map(|_| {
            bench.full(100, |demand| {
                (demand.abandoned, demand.abandoned_calls) = (20, 20);
                demand.abandoned_time = Duration::from_millis(age_ms * 20);
            })
        });
        decisions.map(|decision| decision.reason).collect::<Vec<_>>()
    };
    assert!(give_up(400).contains(&Reason::Abandoned));
    assert!(!give_up(390).contains(&Reason::Abandoned));
}

#[test]
fn without_a_target_it_needs_no_clock_and_slow_calls_are_none_of_its_business() {
    let mut bench = bench(AimdConfig::default());
    assert!(!bench.law.wants_latency());
    for _ in 0..30 {
        bench.full(900, |demand| demand.in_flight_time = Duration::ZERO);
    }
    assert!(bench.law.limit() > 20, "{}", bench.law.limit());
}

#[test]
fn the_bounds_hold_and_are_named() {
    let mut bench = bench(AimdConfig::default().max_limit(30));
    let decision = bench.round(100);
    assert_eq!((decision.to, decision.bound, decision.reason), (30, Bound::Max, Reason::Probe));
    let decision = bench.round(100);
    assert_eq!((decision.to, decision.bound), (30, Bound::Max));
}

#[test]
fn a_tick_without_anything_decides_nothing() {
    let mut bench = bench(AimdConfig::default());
    let decision = bench.tick(Demand::default());
    assert_eq!((decision.reason, decision.terms), (Reason::NoEvidence, None));
}

#[test]
fn a_limit_set_by_hand_is_gone_on_from_within_the_bounds() {
    let mut bench = bench(AimdConfig::default().max_limit(100));
    bench.set_limit(500);
    assert_eq!(bench.law.limit(), 100);
    bench.set_limit(7);
    assert_eq!((bench.law.limit(), bench.round(100).to), (7, 14));
}

/// One permit too many is refused again and again while the others work: most calls fail, but few permits are too many.
#[test]
fn refusals_count_by_the_time_they_take() {
    let mut bench = steady(AimdConfig::default().initial_limit(100));
    let refuse = |demand: &mut Demand| (demand.completed, demand.overloads) = (50_000, 49_050);
    while bench.full(100, refuse).reason == Reason::RoundOpen {}
    assert_eq!(bench.law.limit(), 90);
}

#[test]
fn callers_whose_patience_was_spent_in_the_queue_show_a_slow_service_too() {
    let mut bench = bench(AimdConfig::default());
    bench.round(100);
    let decisions = (0..10).map(|_| {
        bench.full(2_000, |demand| {
            // Given up on at 50 ms, long before they are old; but hardly a call ends of itself.
            (demand.abandoned, demand.abandoned_calls) = (100, 100);
            demand.completed = 104;
            demand.abandoned_time = Duration::from_secs(5);
        })
    });
    assert!(decisions.map(|decision| decision.reason).any(|reason| reason == Reason::Abandoned));
}

#[test]
fn it_recovers_from_a_decrease_for_losses_until_the_calls_of_before_have_ended() {
    let mut bench = steady(AimdConfig::default().initial_limit(100));
    assert!(!bench.law.is_recovering(bench.now()));
    while bench.full(100, |demand| demand.overloads = demand.completed / 2).reason != Reason::Overload {}
    let now = bench.now();
    assert!(bench.law.is_recovering(now));
    assert!(!bench.law.is_recovering(now + Duration::from_mins(1)), "however little ends");
    bench.idle_round(100);
    bench.idle_round(100);
    assert!(!bench.law.is_recovering(now), "they have ended");
}
