//! What a decrease waits for before the next one, and what of a queue counts.

use super::*;

/// `busy` with a queue at twice its target, and so many calls that end in each tick.
fn queued(calls: u32, completed: u64) -> Evidence {
    busy_but((calls, 20, 10, 20), |demand, _| demand.completed = completed)
}

#[test]
fn after_a_decrease_those_that_are_left_must_end_twice_over_before_anything_is_measured() {
    let mut bench = Bench::above(10);
    bench.round(&queued(10, 8), 8, Reason::PoolWait);
    // It has not drained yet.
    bench.tick(&queued(9, 8), 8, Reason::RoundOpen);
    // From here on sixteen must end. What is then measured is one tick.
    bench.tick(&queued(8, 8), 8, Reason::RoundOpen);
    bench.tick(&queued(8, 8), 8, Reason::RoundOpen);
    bench.tick(&queued(8, 8), 8, Reason::RoundOpen);
    bench.tick(&queued(8, 8), 6, Reason::PoolWait);
}

#[test]
fn a_decrease_of_which_everybody_is_in_already_settles_from_its_start() {
    let mut bench = Bench::above(10);
    // Ten were out in the last tick, and eight are at its end.
    let mut last = queued(8, 8);
    last.demand.in_flight_peak = 10;
    bench.tick(&queued(10, 8), 10, Reason::RoundOpen);
    bench.tick(&last, 8, Reason::PoolWait);
    bench.tick(&queued(8, 8), 8, Reason::RoundOpen);
    bench.tick(&queued(8, 8), 8, Reason::RoundOpen);
    bench.tick(&queued(8, 8), 6, Reason::PoolWait);
}

#[test]
fn once_nobody_waits_a_decrease_has_settled() {
    let mut bench = Bench::above(10);
    bench.round(&queued(10, 8), 8, Reason::PoolWait);
    // Nobody has ended, and 8 × 0.97 / 0.4 = 19.4.
    bench.round(&busy(8, 0, 8, 8), 19, Reason::FreeConnections);
}

#[test]
fn an_emergency_in_the_aftermath_of_a_decrease_is_the_same_one() {
    let aged = |completed| {
        busy_but((8, 1, 19, 20), |demand, pool| {
            demand.completed = completed;
            pool.oldest_pending = Duration::from_secs(26);
        })
    };
    let mut bench = Bench::above(10);
    bench.round(&queued(10, 8), 8, Reason::PoolWait);
    bench.tick(&aged(8), 8, Reason::RoundOpen);
    bench.tick(&aged(8), 8, Reason::RoundOpen);
    bench.tick(&aged(8), 7, Reason::Emergency);
    bench.tick(&aged(8), 7, Reason::RoundOpen);
}

#[test]
fn of_two_rounds_the_shorter_queue_is_what_stands() {
    // x = 2 and 1. τ = 0.894 × √(1 − 0.4) = 0.693 or 0.894 × √(1 − 0.6) = 0.566: of the 20 waiters of the better round 10.4
    // or 8.5 are kept, so 9.6 or 11.5 of 100 are too many.
    for (first, second, expected) in [(40, 20, 90), (20, 40, 88)] {
        let mut bench = Bench::starting_at(100);
        bench.round(&busy(100, first, 20, 20), 100, Reason::Balanced);
        bench.round(&busy(100, second, 20, 20), expected, Reason::PoolWait);
    }
}
