//! Where the pool is blind: trials, ceilings and overload.

use super::*;
use crate::Bound;

impl Bench {
    /// A law that may suspect the database.
    fn suspicious(limit: u32) -> Self {
        let config = PoolAimdConfig::default().initial_limit(limit);
        let mut bench = Self::with_constants(config, PoolAimdConstants::default());
        bench.law.round = Round::new(limit, &Demand::default());
        bench
    }

    /// Ticks in which every call holds a connection and `per_tick` queries are done, as the database does them for that many.
    fn play(&mut self, ticks: u32, per_tick: fn(u32) -> u32) -> Vec<Decision> {
        (0..ticks)
            .map(|_| {
                let calls = self.law.limit();
                let done = u64::from(per_tick(calls));
                let evidence = busy_but((calls, 0, calls.min(POOL), calls.min(POOL)), |_, pool| {
                    (pool.activity.grants, pool.activity.requests, pool.activity.returns) =
                        (done, done, done);
                });
                self.tick_after(100, &evidence)
            })
            .collect()
    }
}

/// A hundred per tick with eight at once, and a tenth less with each one more.
fn thrashing(calls: u32) -> u32 {
    if calls <= 8 { 12 * calls } else { 1000 / (calls + 2) }
}

#[test]
fn a_database_that_gets_less_done_with_more_calls_gets_a_ceiling() {
    let mut bench = Bench::suspicious(18);
    let decisions = bench.play(120, thrashing);
    let last = decisions.last().unwrap();
    assert!((6..=11).contains(&last.to), "{last:?}");
    assert_eq!(last.bound, Bound::Throughput);
    let moves: Vec<_> = decisions.iter().filter(|decision| decision.reason == Reason::Throughput).collect();
    assert!(!moves.is_empty());
    // What was done in the last round of the trial explains it.
    assert!(moves.iter().all(|decision| decision.terms.unwrap().throughput > 0.0));
    assert!(decisions.iter().any(|decision| decision.reason == Reason::Trial));
}

#[test]
fn a_database_that_gets_more_done_with_more_calls_gets_none() {
    let mut bench = Bench::suspicious(10);
    let decisions = bench.play(120, |calls| 12 * calls.min(POOL));
    assert!(bench.law.limit() > 18, "{}", bench.law.limit());
    assert!(decisions.iter().all(|decision| decision.bound != Bound::Throughput && decision.to >= 10));
}

#[test]
fn the_limit_does_not_grow_above_a_ceiling() {
    let mut bench = Bench::suspicious(20);
    bench.law.ceiling.lower(&PoolAimdConstants::default(), bench.now, 8.0);
    let unbound = busy_but((8, 0, 8, 8), |demand, _| demand.held_back = false);
    for _ in 0..20 {
        assert_eq!(bench.tick_after(100, &unbound).to, 8);
    }
    // The ceiling of a pool says nothing of another one.
    let resized = busy_but((8, 0, 8, 8), |_, pool| pool.reading.max = 2 * POOL);
    assert_eq!(bench.tick_after(100, &resized).to, 16);
    assert!(!bench.law.ceiling.is_known());
}

#[test]
fn no_jump_while_queries_take_longer_with_more_connections() {
    let mut bench = Bench::suspicious(4);
    let fast = busy_but((4, 0, 2, 2), |_, pool| {
        (pool.activity.grants, pool.activity.returns) = (10, 10);
    });
    bench.tick(&fast, 4, Reason::RoundOpen);
    // A step: 4 × 20 / 2 would be the most, and 4 × 8 is.
    bench.tick(&fast, 32, Reason::FreeConnections);
    // 32 calls hold 12 connections and get no more done.
    let slow = busy_but((32, 0, 12, 12), |_, pool| {
        (pool.activity.grants, pool.activity.returns) = (16, 4);
    });
    for _ in 0..8 {
        assert_eq!(bench.tick_after(100, &slow).to, 32);
    }
}

#[test]
fn a_jump_at_most_doubles_the_connections_held_beyond_twenty() {
    let jump = |pool_max: u32, held: u32, calls: u32, limit: u32| {
        let constants = PoolAimdConstants { suspect_held: f64::INFINITY, ..PoolAimdConstants::default() };
        let config = PoolAimdConfig::default().initial_limit(limit);
        let mut law = PoolAimd::with_constants(config, constants, pool_max).unwrap();
        let evidence = busy_but((calls, 0, held, held), |_, pool| {
            pool.reading = PoolReading::new(pool_max, pool_max, pool_max - held, Duration::from_secs(100));
        });
        law.tick(Timestamp::from_millis(100), &evidence).to
    };
    assert_eq!(jump(200, 30, 30, 30), 60);
    assert_eq!(jump(200, 5, 10, 10), 40);
    assert_eq!(jump(200, 1, 10, 10), 80);
    // What was not in flight held nothing: 12 × 20 / 3, not 20 × 20 / 3.
    assert_eq!(jump(200, 3, 12, 20), 80);
}

#[test]
fn a_large_pool_begins_with_twenty() {
    let initial = |pool_max| PoolAimd::new(PoolAimdConfig::default(), pool_max).unwrap().limit();
    assert_eq!([initial(7), initial(39), initial(40), initial(41), initial(400)], [4, 20, 20, 20, 20]);
}

#[test]
fn a_round_lasts_until_as_many_come_back_as_half_of_what_goes_out() {
    let mut bench = Bench::starting_at(10);
    let early = busy_but((10, 0, 8, 8), |_, pool| pool.activity.returns = 4);
    bench.tick(&early, 10, Reason::RoundOpen);
    // 4 of 10, then 8 + 2 of 20.
    bench.tick(&early, 10, Reason::RoundOpen);
    let late = busy_but((10, 0, 8, 8), |_, pool| pool.activity.returns = 6);
    bench.tick(&late, 24, Reason::FreeConnections);
}

// --- Overload ---

fn overloaded(calls: u32, completed: u64, overloads: u64) -> Evidence {
    busy_but((calls, 0, calls, calls), |demand, _| {
        (demand.completed, demand.overloads) = (completed, overloads)
    })
}

#[test]
fn a_rare_overload_is_none_of_the_limits_business() {
    let mut bench = Bench::starting_at(10);
    assert_eq!(bench.tick_after(100, &overloaded(10, 100, 0)).reason, Reason::RoundOpen);
    let decision = bench.tick_after(100, &overloaded(10, 100, 1));
    assert!(decision.reason != Reason::Overload && decision.to >= 10, "{decision:?}");
}

#[test]
fn overload_puts_a_ceiling_at_half_and_a_step_leads_back() {
    let mut bench = Bench::starting_at(16);
    bench.tick(&overloaded(16, 16, 8), 8, Reason::Overload);
    let decisions = bench.play(60, |calls| 12 * calls);
    let reached = decisions.iter().find(|decision| decision.to == 16).unwrap();
    assert_eq!((reached.from, reached.reason), (8, Reason::Trial));
    assert!(bench.law.limit() >= 16 && !bench.law.ceiling.is_trying());
}

#[test]
fn overload_of_calls_let_in_before_the_last_cut_is_no_news() {
    let late = |completed, overloads| {
        busy_but((12, 0, 12, 20), |demand, pool| {
            (demand.completed, demand.overloads) = (completed, overloads);
            pool.pending = 1;
        })
    };
    let mut bench = Bench::starting_at(16);
    bench.tick(&overloaded(16, 100, 8), 8, Reason::Overload);
    // Long after the epoch, but twelve are still out.
    for _ in 0..30 {
        assert_eq!(bench.tick_after(100, &late(10, 2)).to, 8);
    }
    // Once hardly any call succeeds, there is no need to wait for those.
    bench.now = bench.now + Duration::from_secs(2);
    assert_eq!((0..10).map(|_| bench.tick_after(100, &late(10, 10)).to).min(), Some(3));
}

#[test]
fn refused_connections_halve_the_limit_itself() {
    let refused = busy_but((10, 0, 20, 20), |_, pool| pool.activity.refused = 1);
    let mut bench = Bench::starting_at(10);
    bench.tick(&refused, 5, Reason::Overload);
    assert!(!bench.law.ceiling.is_known());
}

#[test]
fn calls_that_hold_several_connections_have_a_ceiling_too() {
    // ⌊19 / 1⌋ of them is the most without a deadlock, and a fifth of that is what overload of all leaves.
    let config = PoolAimdConfig::default().initial_limit(19).connections_per_call(2);
    let decision = Bench::new(config).tick(&overloaded(19, 19, 19), 3, Reason::Overload);
    assert_eq!(decision.bound, Bound::Throughput);
}

#[test]
fn a_ceiling_below_the_configured_minimum_is_not_what_holds_the_limit() {
    let mut bench = Bench::new(PoolAimdConfig::default().min_limit(7).initial_limit(10));
    let decision = bench.tick(&overloaded(10, 10, 10), 7, Reason::Overload);
    assert_eq!(decision.bound, Bound::Min);
}

// --- What a trial changes in the law ---

/// A law that has just begun to try 16 above a ceiling of 8.
fn trying() -> Bench {
    let mut bench = Bench::starting_at(16);
    bench.tick(&overloaded(16, 16, 8), 8, Reason::Overload);
    let begins = |bench: &mut Bench| {
        bench.play(1, |calls| 12 * calls);
        bench.law.ceiling.is_trying()
    };
    assert!((0..60).any(|_| begins(&mut bench)), "no trial in six seconds");
    assert_eq!(bench.law.limit(), 16);
    bench
}

#[test]
fn a_trial_under_which_nothing_comes_back_ends_inside_the_round() {
    let returned = |returns| {
        busy_but((16, 0, 16, 16), |_, pool| {
            (pool.activity.grants, pool.activity.returns) = (0, returns);
        })
    };
    // Under the ceiling there would be 96, and a tenth of that is 9.6.
    trying().tick(&returned(10), 16, Reason::RoundOpen);
    trying().tick(&returned(9), 8, Reason::Trial);
}

#[test]
fn what_reports_overload_is_not_done() {
    let rarely = busy_but((16, 0, 16, 16), |demand, pool| {
        (demand.completed, demand.overloads) = (1000, 1);
        (pool.activity.grants, pool.activity.returns) = (0, 10);
    });
    let mut bench = trying();
    bench.law.overloads = Overloads::default();
    let decision = bench.tick_after(100, &rarely);
    assert_eq!((decision.to, decision.reason), (8, Reason::Trial));
}

#[test]
fn a_round_of_a_trial_waits_for_slow_calls_for_two_seconds() {
    let mut bench = trying();
    bench.law.residence_seconds = 60.0;
    // One tick is skipped, twenty are measured.
    let decisions = bench.play(21, |calls| 12 * calls);
    assert_eq!(decisions.iter().position(|decision| decision.reason != Reason::RoundOpen), Some(20));
}

#[test]
fn below_a_ceiling_a_round_waits_for_calls_that_think_too() {
    let mut bench = Bench::starting_at(16);
    bench.tick(&overloaded(16, 16, 8), 8, Reason::Overload);
    for _ in 0..30 {
        bench.tick(&busy(16, 0, 2, 2), 8, Reason::RoundOpen);
    }
    bench.tick(&busy(8, 0, 2, 2), 8, Reason::RoundOpen);
    assert!(bench.law.round.has_drained());
}

#[test]
fn losses_end_a_trial_also_within_the_epoch() {
    let timeout = busy_but((16, 0, 16, 16), |_, pool| pool.activity.timeouts = 1);
    let mut bench = trying();
    assert!(bench.now < bench.law.epoch_end);
    bench.tick(&timeout, 8, Reason::PoolTimeout);
    assert!(!bench.law.ceiling.is_trying());
}

#[test]
fn an_emergency_ends_a_trial_and_counts_from_the_ceiling() {
    let mut bench = trying();
    bench.play(1, |calls| calls);
    let aged = busy_but((16, 1, 16, 20), |_, pool| pool.oldest_pending = Duration::from_secs(26));
    // The least decrease there is: 0.98 of 8.
    bench.tick(&aged, 7, Reason::Emergency);
    assert!(!bench.law.ceiling.is_trying());
}
