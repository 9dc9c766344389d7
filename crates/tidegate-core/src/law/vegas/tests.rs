use super::*;
use crate::law::calls::testing::Bench;

fn bench(config: VegasConfig) -> Bench<Vegas> {
    Bench::new(Vegas::new(config).unwrap())
}

/// One at this limit that does not double, with a floor of 100 ms.
fn steady(limit: u32) -> Bench<Vegas> {
    let mut bench = bench(VegasConfig::default().initial_limit(limit));
    bench.law.calls.stop_doubling();
    bench.law.floor.set(0.1);
    bench.law.floor.look(0.1, limit.into());
    assert_eq!(bench.law.limit(), limit);
    bench
}

#[test]
fn the_formula_by_hand() {
    // Limit, call time of a round, the limit after it. The recent mean moves by 0.3 of the way; ½√50 is 3.54.
    let rows = [
        (50, 100, 56),   // queue 0: + 6
        (50, 130, 56),   // recent 109, queue 4.13 − 3.54: + 6
        (50, 135, 51),   // recent 110.5, queue 1.21: + 1
        (50, 145, 51),   // recent 113.5, queue 2.41: + 1
        (50, 160, 50),   // recent 118, queue 4.09: holds
        (50, 175, 50),   // recent 122.5, queue 5.65: holds
        (50, 180, 48),   // recent 124, queue 6.14: down to 4.5
        (50, 1_000, 25), // by a half at most
        (150, 100, 162), // two a step
        (150, 120, 152), // recent 106, queue 8.49 − 6.12: + 2
        (150, 180, 136), // recent 124, queue 22.91: down to 9
    ];
    for (limit, call_ms, after) in rows {
        let mut bench = steady(limit);
        assert_eq!(bench.round(call_ms).to, after, "{limit} {call_ms}");
    }
}

#[test]
fn it_doubles_while_nothing_queues_and_takes_back_a_doubling_that_went_too_far() {
    let mut bench = bench(VegasConfig::default());
    assert_eq!([1, 2].map(|_| bench.round(100).to), [40, 80]);
    assert_eq!(bench.round(200).to, 40);
    assert_eq!(bench.round(100).to, 46);
}

/// The rival now and then takes whatever call comes for its floor.
#[test]
fn under_a_lasting_overload_neither_the_floor_nor_the_limit_drifts() {
    let mut bench = steady(100);
    for _ in 0..400 {
        let call_ms = 100 * u64::from(bench.law.limit().max(50)) / 50;
        bench.round(call_ms);
    }
    let limit = bench.law.limit();
    assert!((50..=62).contains(&limit), "{limit}");
    assert!(bench.law.floor.seconds() < 0.105, "{}", bench.law.floor.seconds());
}

#[test]
fn a_service_that_has_become_slower_by_itself_is_believed_and_the_limit_comes_back() {
    let mut bench = steady(100);
    for _ in 0..12 {
        bench.round(500);
    }
    assert!(bench.law.limit() >= 90, "{}", bench.law.limit());
    assert!((bench.law.floor.seconds() - 0.5).abs() < 0.01, "{}", bench.law.floor.seconds());
}

#[test]
fn calls_that_are_lost_or_hang_shrink_it() {
    let decision = steady(100).full(1, |demand| demand.overloads = demand.completed / 2);
    assert_eq!((decision.reason, decision.to), (Reason::Overload, 50));
    let mut bench = steady(100);
    bench.round(100);
    let limit = bench.law.limit();
    let decision = bench.tick(Demand { in_flight: limit, in_flight_peak: limit, ..Demand::default() });
    assert_eq!((decision.reason, decision.to), (Reason::Hung, limit / 2));
}
