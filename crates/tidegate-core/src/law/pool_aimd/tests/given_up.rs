//! Callers that give up on old calls.

use super::*;

#[test]
fn calls_that_were_given_up_on_do_not_make_calls_look_slow() {
    let mut bench = Bench::starting_at(10);
    bench.law.round.is_measuring = true;
    bench.tick_after(100, &busy_but((5, 0, 5, 5), |demand, _| demand.completed = 50));
    let usual = bench.law.residence_seconds;
    near(usual, 0.01);
    // Nothing ends for two seconds, then all callers lose their patience.
    for _ in 0..20 {
        bench.tick_after(100, &busy_but((5, 0, 5, 5), |demand, _| demand.completed = 0));
    }
    bench.tick_after(100, &given_up(5, 2000));
    near(bench.law.residence_seconds, usual);
}

fn given_up(calls: u64, age_ms: u64) -> Evidence {
    given_up_of(5, calls, age_ms)
}

#[test]
fn old_calls_given_up_on_halve_the_limit_once_in_their_callers_patience() {
    let mut bench = Bench::starting_at(20);
    bench.tick(&given_up(5, 1000), 2, Reason::Abandoned); // half of the five that were out
    assert_eq!(bench.tick_after(999, &given_up(5, 1000)).to, 2, "they began before the shrink");
    assert_eq!(bench.tick_after(1, &given_up(2, 1000)).to, 1);
}

#[test]
fn young_calls_given_up_on_are_no_evidence() {
    let mut bench = Bench::starting_at(20);
    assert_eq!(bench.tick_after(100, &given_up(5, 500)).to, 20);
}

/// Calls that are out, of which so many are given up on at this age in the tick.
fn given_up_of(in_flight: u32, calls: u64, age_ms: u64) -> Evidence {
    busy_but((in_flight, 0, 5, 5), |demand, _| {
        demand.completed = calls;
        demand.abandoned = calls;
        demand.abandoned_calls = calls;
        demand.abandoned_time = Duration::from_millis(age_ms * calls);
    })
}

#[test]
fn young_calls_given_up_on_do_not_make_calls_look_fast() {
    // Ten calls of a second are out; in each tick one ends, and later one more is given up on at 200 ms.
    let mut bench = Bench::starting_at(20);
    bench.law.round.is_measuring = true;
    for _ in 0..20 {
        bench.tick_after(100, &busy_but((10, 0, 5, 5), |demand, _| demand.completed = 1));
    }
    near(bench.law.residence_seconds, 1.0);
    let evidence = busy_but((10, 0, 5, 5), |demand, _| {
        demand.completed = 2;
        demand.abandoned = 1;
        demand.abandoned_calls = 1;
        demand.abandoned_time = Duration::from_millis(200);
    });
    for _ in 0..100 {
        bench.law.round.is_measuring = true;
        bench.tick_after(100, &evidence);
    }
    assert!(bench.law.residence_seconds > 0.5, "{}", bench.law.residence_seconds);
}

#[test]
fn those_that_began_before_a_shrink_cause_no_other_one_as_long_as_they_have_patience() {
    let mut bench = Bench::starting_at(20);
    bench.tick(&given_up_of(20, 3, 5000), 10, Reason::Abandoned);
    for _ in 0..49 {
        assert_eq!(bench.tick_after(100, &given_up_of(20, 3, 5000)).to, 10);
    }
    assert_eq!(bench.tick_after(100, &given_up_of(10, 3, 5000)).to, 5);
}

#[test]
fn an_emergency_is_not_hidden_by_calls_given_up_on() {
    let mut bench = Bench::starting_at(20);
    bench.tick(&given_up_of(20, 5, 1000), 10, Reason::Abandoned);
    bench.law.use_seconds = 0.02;
    let stuck = busy_but((10, 15, 5, 20), |demand, pool| {
        demand.completed = 5;
        demand.abandoned = 5;
        demand.abandoned_calls = 5;
        demand.abandoned_time = Duration::from_secs(5);
        pool.oldest_pending = Duration::from_secs(26);
    });
    assert!(bench.tick_after(100, &stuck).to < 10);
}

#[test]
fn what_went_well_is_not_forgotten_as_a_burst_ends() {
    let mut bench = Bench::starting_at(20);
    for _ in 0..20 {
        bench.law.round.is_measuring = true;
        bench.tick_after(100, &busy_but((20, 0, 10, 10), |demand, _| demand.completed = 100));
    }
    let before = bench.law.limit();
    let last = busy_but((0, 0, 0, 0), |demand, _| {
        demand.completed = 12;
        demand.in_flight_peak = 20;
        demand.abandoned = 8;
        demand.abandoned_calls = 8;
        demand.abandoned_time = Duration::from_secs(8);
    });
    assert_eq!(bench.tick_after(100, &last).to, before);
}

#[test]
fn the_limit_does_not_grow_while_callers_give_up() {
    let mut bench = Bench::starting_at(20);
    bench.tick(&given_up_of(20, 5, 1000), 10, Reason::Abandoned);
    assert!(bench.law.abandonment.prevails(&PoolAimdConstants::default()));
    for _ in 0..30 {
        let held_back = busy_but((10, 0, 5, 5), |demand, pool| {
            demand.completed = 1;
            demand.abandoned = 1;
            demand.abandoned_calls = 1;
            demand.abandoned_time = Duration::from_secs(1);
            demand.held_back = true;
            pool.activity.grants = 10;
        });
        assert!(bench.tick_after(100, &held_back).to <= 10);
    }
}

#[test]
fn one_wide_call_given_up_on_is_one_call() {
    let mut bench = Bench::starting_at(20);
    let wide = busy_but((14, 0, 5, 5), |demand, _| {
        demand.completed = 6;
        demand.abandoned = 6;
        demand.abandoned_calls = 1;
        demand.abandoned_time = Duration::from_secs(6);
    });
    assert_eq!(bench.tick_after(100, &wide).to, 20);
}
