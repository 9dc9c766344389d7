//! A limit that is set from outside, or is not enforced.

use super::*;

#[test]
fn the_law_goes_on_from_the_new_limit_with_a_round_of_its_own() {
    let mut bench = Bench::starting_at(10);
    bench.tick(&busy(10, 0, 10, 10), 10, Reason::RoundOpen);
    bench.law.set_limit(bench.now, 30);
    assert_eq!(bench.law.limit(), 30);
    // The tick before would have ended the round of the old limit.
    bench.round(&busy(30, 4, 20, 20), 31, Reason::Probe);
}

#[test]
fn it_keeps_to_its_bounds() {
    let config = PoolAimdConfig::default().min_limit(3).max_limit(40);
    let mut bench = Bench::new(config);
    for (limit, kept) in [(0, 3), (1, 3), (17, 17), (u32::MAX, 40)] {
        bench.law.set_limit(bench.now, limit);
        assert_eq!(bench.law.limit(), kept);
    }
}

#[test]
fn a_ceiling_does_not_hold_it_down() {
    let mut bench = Bench::starting_at(20);
    bench.law.ceiling.lower(&bench.law.constants, bench.now, 4.0);
    assert!(bench.law.limit() < 20);
    bench.law.set_limit(bench.now, 20);
    assert_eq!(bench.law.limit(), 20);
}

#[test]
fn a_long_time_before_it_is_not_a_long_tick() {
    let mut bench = Bench::starting_at(40);
    bench.now = Timestamp::from_millis(3_600_000);
    bench.law.set_limit(bench.now, 40);
    // An hour would have let an unused limit fade at once.
    let mut idle = busy(1, 0, 1, 1);
    idle.demand.held_back = false;
    assert_eq!(bench.tick_after(100, &idle).to, 40);
}

/// 44 calls at once on a pool of 20, whatever the law says: what it sees is as if its limit were in force.
#[test]
fn a_limit_that_is_not_enforced_settles_where_an_enforced_one_would() {
    let mut bench = Bench::starting_at(10);
    let unlimited = busy(44, 24, 20, 20);
    let mut limits = Vec::new();
    for _ in 0..400 {
        let seen = unlimited.held_to(bench.law.limit(), Duration::from_millis(100));
        limits.push(bench.tick_after(100, &seen).to);
    }
    let settled = &limits[100..];
    assert!(settled.iter().all(|limit| (18..=40).contains(limit)), "{settled:?}");
}
