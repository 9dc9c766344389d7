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
    // Limit, call time of a round and the limit after it. The recent mean moves by 0.3 of the way.
    let rows = [
        (50, 100, 56),   // queue 0: + 6
        (50, 107, 51),   // recent 102.1, queue 1.03: + 1
        (50, 120, 51),   // recent 106, queue 2.83: + 1
        (50, 125, 50),   // recent 107.5, queue 3.49: holds
        (50, 145, 50),   // recent 113.5, queue 5.95: holds
        (50, 150, 47),   // recent 115, queue 6.52: down to 4.5
        (50, 1_000, 25), // recent 370: by a half at most
        (150, 100, 162), // two a step
        (150, 110, 152), // recent 103, queue 4.37: + 2
        (150, 140, 142), // recent 112, queue 16.07: down to 9
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
    assert!((50..=57).contains(&limit), "{limit}");
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
