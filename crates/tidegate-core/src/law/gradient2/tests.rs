use super::*;
use crate::law::calls::testing::Bench;

fn bench(config: Gradient2Config) -> Bench<Gradient2> {
    Bench::new(Gradient2::new(config).unwrap())
}

/// One at 100 that does not double, with a long average of 100 ms.
fn steady() -> Bench<Gradient2> {
    let mut bench = bench(Gradient2Config::default().initial_limit(100));
    bench.law.calls.stop_doubling();
    for _ in 0..3 {
        bench.idle_round(100);
    }
    assert_eq!(bench.law.limit(), 100);
    bench
}

#[test]
fn the_formula_by_hand() {
    // Call time of two rounds in a row, and the limit after each; tolerance 1.5.
    let rows = [
        (100, 102, 104), // + 0.2 · √100, √102
        (149, 102, 104), // g 1: within the tolerance
        (200, 95, 71),   // g ¾: − 0.2 · ¼, then − ¼
        (900, 90, 45),   // g ½: − 0.2 · ½, then a half
    ];
    for (call_ms, first, second) in rows {
        let mut bench = steady();
        assert_eq!(bench.round(call_ms).to, first, "{call_ms}");
        assert_eq!(bench.round(call_ms).to, second, "{call_ms}");
    }
}

#[test]
fn at_small_limits_four_are_the_queue() {
    let mut bench = steady();
    bench.set_limit(9);
    bench.law.calls.stop_doubling();
    // 0.2 · 4 a round: 9.8, 10.6.
    let limits = [1, 2].map(|_| bench.round(100).to);
    assert_eq!(limits, [9, 10]);
}

#[test]
fn a_doubling_that_went_too_far_is_taken_back_whole() {
    let mut bench = bench(Gradient2Config::default());
    assert_eq!(bench.round(100).to, 40);
    assert_eq!(bench.round(200).to, 20);
    // And is not tried again.
    assert_eq!(bench.round(100).to, 20);
    assert_eq!(bench.round(100).to, 21);
}

/// The rival's average follows an overload of its own making, so that it takes it for usual and creeps up.
#[test]
fn under_a_lasting_overload_neither_the_average_nor_the_limit_drifts() {
    let mut bench = steady();
    let mut most = 0;
    for _ in 0..400 {
        // Beyond 50 calls queue in the service.
        let call_ms = 100 * u64::from(bench.law.limit().max(50)) / 50;
        most = most.max(bench.round(call_ms).to);
    }
    assert!(most <= 110, "{most}");
    let limit = bench.law.limit();
    assert!((50..=80).contains(&limit), "{limit}");
    assert!(bench.law.long.seconds() < 0.125, "{}", bench.law.long.seconds());
}

#[test]
fn a_service_that_has_become_slower_by_itself_is_believed_and_the_limit_comes_back() {
    let mut bench = steady();
    let mut least = 100;
    for _ in 0..12 {
        least = least.min(bench.round(500).to);
    }
    assert!(least >= 20, "{least}");
    assert!(bench.law.limit() >= 90, "{}", bench.law.limit());
    assert!((bench.law.long.seconds() - 0.5).abs() < 0.01, "{}", bench.law.long.seconds());
}

#[test]
fn at_the_floor_a_slower_service_is_believed_too() {
    let config = Gradient2Config::default().min_limit(10).max_limit(10);
    let mut bench = bench(config);
    bench.idle_round(100);
    let reasons = [1, 2, 3, 4].map(|_| bench.round(500).reason);
    let slow = Reason::CallTime;
    assert_eq!(reasons, [slow, slow, Reason::Balanced, Reason::Probe]);
}

#[test]
fn lost_calls_shrink_it_however_fast_they_fail() {
    let mut bench = steady();
    let decision = bench.full(1, |demand| demand.overloads = demand.completed / 2);
    assert_eq!((decision.reason, decision.to), (Reason::Overload, 90));
}

#[test]
fn calls_that_hang_halve_it() {
    let mut bench = steady();
    let hang = Demand { in_flight: 100, in_flight_peak: 100, ..Demand::default() };
    let decision = bench.tick(hang);
    assert_eq!((decision.reason, decision.to), (Reason::Hung, 50));
}
