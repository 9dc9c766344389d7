//! How long a call takes.

use super::*;

#[test]
fn the_time_a_call_takes_is_occupied_permits_by_completions() {
    let mut bench = Bench::starting_at(10);
    let tick = |completed| busy_but((5, 0, 5, 5), |demand, _| demand.completed = completed);
    let mut after = |ms, completed, is_measuring, seconds: f64| {
        bench.law.round.is_measuring = is_measuring;
        bench.tick_after(ms, &tick(completed));
        near(bench.law.residence_seconds, seconds);
    };
    // What ends while a jump or a shrink works its way through says nothing.
    after(100, 3, false, 0.0);
    // 5 permits for 0.1 s and 0.1 s, one completion.
    after(100, 0, true, 0.0);
    after(100, 1, true, (0.5 + 0.5) / 1.0);
    // A driver that slept for an hour has not seen a call of an hour: 5 permits for 1 s at most.
    let occupied = (0.5 + 0.5) * (-0.1_f64).exp() + 5.0;
    after(3_600_000, 1, true, occupied / ((-0.1_f64).exp() + 1.0));
}
