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
    busy_but((5, 0, 5, 5), |demand, _| {
        demand.completed = calls;
        demand.abandoned = calls;
        demand.abandoned_time = Duration::from_millis(age_ms * calls);
    })
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
