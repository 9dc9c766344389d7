//! One test per rule of the law, with evidence set directly. The figures are computed by hand beside them.

mod demand;
mod given_up;
mod residence;
mod set_by_hand;
mod settling;
mod throughput;

use super::*;
use crate::{PoolActivity, PoolReading};

const POOL: u32 = 20;

/// A law and the time, so that a case is a list of ticks.
struct Bench {
    law: PoolAimd,
    now: Timestamp,
}

impl Bench {
    /// A law at work: the round is not its first.
    fn new(config: PoolAimdConfig) -> Self {
        let mut bench = Self::newborn(config);
        bench.law.round = Round::new(bench.law.limit(), &Demand::default());
        bench
    }

    fn newborn(config: PoolAimdConfig) -> Self {
        // No database is suspect, whatever the figures say of how long its queries take: trials have tests of their own.
        let constants = PoolAimdConstants { suspect_held: f64::INFINITY, ..PoolAimdConstants::default() };
        Self::with_constants(config, constants)
    }

    fn with_constants(config: PoolAimdConfig, constants: PoolAimdConstants) -> Self {
        Self { law: PoolAimd::with_constants(config, constants, POOL).unwrap(), now: Timestamp::default() }
    }

    fn starting_at(limit: u32) -> Self {
        Self::new(PoolAimdConfig::default().initial_limit(limit))
    }

    fn tick_after(&mut self, ms: u64, evidence: &Evidence) -> Decision {
        self.now = self.now + Duration::from_millis(ms);
        self.law.tick(self.now, evidence)
    }

    /// One tick of 100 ms must give this limit for this reason.
    #[track_caller]
    fn tick(&mut self, evidence: &Evidence, limit: u32, reason: Reason) -> Decision {
        let decision = self.tick_after(100, evidence);
        assert_eq!((decision.to, decision.reason), (limit, reason), "{decision:?}");
        assert_eq!(self.law.limit(), limit);
        decision
    }

    /// With a queue that stands: the round before was above its target already.
    fn above(limit: u32) -> Self {
        let mut bench = Self::starting_at(limit);
        bench.law.queue_before = Some(f64::INFINITY);
        bench
    }

    /// A round of two equal ticks, of which the second one is measured.
    #[track_caller]
    fn round(&mut self, evidence: &Evidence, limit: u32, reason: Reason) -> Decision {
        self.tick(evidence, self.law.limit(), Reason::RoundOpen);
        self.tick(evidence, limit, reason)
    }
}

/// One tick in which the limit held callers back and each of `calls` permits out made an acquire, with these counts all the while.
fn busy(calls: u32, pending: u32, held: u32, used: u32) -> Evidence {
    let requests = u64::from(calls);
    let over_a_tick = |count: u32| Duration::from_millis(100) * count;
    let reading = PoolReading::new(POOL, POOL, POOL.saturating_sub(used), Duration::from_secs(100));
    let activity = PoolActivity {
        requests,
        grants: requests,
        returns: requests,
        pending_time: over_a_tick(pending),
        held_time: over_a_tick(held),
        ..PoolActivity::default()
    };
    let pool = PoolEvidence { reading, pending, held, activity, ..PoolEvidence::default() };
    let demand =
        Demand { in_flight: calls, in_flight_peak: calls, queued: 5, held_back: true, ..Demand::default() };
    Evidence { demand, pool: Some(pool), ..Evidence::default() }
}

/// `busy`, with changes.
fn busy_but(counts: (u32, u32, u32, u32), change: impl FnOnce(&mut Demand, &mut PoolEvidence)) -> Evidence {
    let (calls, pending, held, used) = counts;
    let mut evidence = busy(calls, pending, held, used);
    let Evidence { demand, pool: Some(pool), .. } = &mut evidence else { unreachable!() };
    change(demand, pool);
    evidence
}

fn quiet(peak: u32) -> Evidence {
    let demand = Demand { in_flight_peak: peak, ..Demand::default() };
    Evidence { demand, pool: Some(idle_pool(POOL)), ..Evidence::default() }
}

fn idle_pool(max: u32) -> PoolEvidence {
    let reading = PoolReading::new(max, max, max, Duration::from_secs(100));
    PoolEvidence { reading, ..PoolEvidence::default() }
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
}

// --- Growth ---

#[test]
fn free_connections_let_the_limit_jump_to_where_the_pool_would_be_full() {
    // 10 × 0.97 / (8 / 20) = 24.25
    Bench::starting_at(10).round(&busy(10, 0, 8, 8), 24, Reason::FreeConnections);
    // 10 × 0.97 / (1 / 20) = 194, and no more than eight times as much.
    Bench::starting_at(10).round(&busy(10, 0, 1, 1), 80, Reason::FreeConnections);
    // Nothing in use at all is no division by zero.
    Bench::starting_at(10).round(&busy(10, 0, 0, 0), 80, Reason::FreeConnections);
}

#[test]
fn the_first_round_of_all_is_measured_from_its_start() {
    let mut bench = Bench::newborn(PoolAimdConfig::default());
    bench.tick(&busy(10, 0, 8, 8), 24, Reason::FreeConnections);
    // The next one skips what still shows the first limit.
    bench.tick(&busy(24, 0, 8, 8), 24, Reason::RoundOpen);
    bench.tick(&busy(24, 0, 8, 8), 58, Reason::FreeConnections);
}

#[test]
fn the_first_round_knows_who_was_there_before() {
    // Others hold 15 when we come.
    let quiet = busy_but((0, 0, 0, 15), |demand, pool| {
        (demand.held_back, pool.activity) = (false, PoolActivity::default());
    });
    let mut bench = Bench::newborn(PoolAimdConfig::default());
    bench.tick(&quiet, 10, Reason::NoEvidence);
    bench.tick(&busy(10, 0, 5, 20), 11, Reason::Probe);
    // Nobody was there: what is used and not held is being opened for us. 10 × 0.97 / (5 / 20) = 38.8.
    let nobody = busy_but((0, 0, 0, 0), |demand, pool| {
        (demand.held_back, pool.activity) = (false, PoolActivity::default());
    });
    let mut bench = Bench::newborn(PoolAimdConfig::default());
    bench.tick(&nobody, 10, Reason::NoEvidence);
    bench.tick(&busy(10, 0, 5, 20), 38, Reason::FreeConnections);
}

#[test]
fn a_jump_counts_from_what_was_in_flight() {
    // 14 of 20 in flight on average: 14 × 0.97 / 0.5 = 27.2, not 38.
    let evidence = busy_but((14, 0, 10, 10), |demand, _| demand.in_flight_peak = 20);
    Bench::starting_at(20).round(&evidence, 27, Reason::FreeConnections);
}

#[test]
fn a_full_pool_without_a_queue_lets_the_limit_grow_by_one_or_two_percent() {
    Bench::starting_at(10).round(&busy(10, 0, 19, 19), 11, Reason::Probe);
    Bench::starting_at(200).round(&busy(200, 0, 20, 20), 204, Reason::Probe);
    // A jump of less than a permit is a probe: 10 × 0.97 / 0.9 = 10.8.
    Bench::starting_at(10).round(&busy(10, 0, 18, 18), 11, Reason::Probe);
}

#[test]
fn connections_that_others_use_are_not_free() {
    // We hold 2, others 17: no jump. Those seen at one tick alone were being opened or returned for us.
    let evidence = busy_but((10, 0, 2, 2), |_, pool| pool.reading.idle = 1);
    Bench::starting_at(10).round(&evidence, 11, Reason::Probe);
    let mut bench = Bench::starting_at(10);
    bench.tick(&busy(10, 0, 2, 2), 10, Reason::RoundOpen);
    bench.tick(&evidence, 80, Reason::FreeConnections);
}

#[test]
fn the_limit_does_not_grow_when_it_held_nobody_back() {
    let idle = busy_but((10, 0, 8, 8), |demand, _| demand.held_back = false);
    Bench::starting_at(10).round(&idle, 10, Reason::Balanced);
    // Somebody was held back for a moment, but on average less than half the limit was out: 4 of 10.
    let tail = busy_but((4, 0, 4, 4), |demand, pool| {
        demand.in_flight_peak = 10;
        pool.activity.grants = 10;
        pool.activity.requests = 10;
        pool.activity.returns = 10;
    });
    Bench::starting_at(10).round(&tail, 10, Reason::Balanced);
}

// --- Decrease ---

/// `busy`, with an acquire timeout that a mean wait of 200 ms is more than a tenth of.
fn nearing(calls: u32, pending: u32, held: u32, used: u32) -> Evidence {
    busy_but((calls, pending, held, used), |_, pool| {
        pool.reading.acquire_timeout = Duration::from_millis(1_900);
    })
}

#[test]
fn the_decrease_is_as_large_as_the_surplus_of_waiters() {
    // Each of 16 calls wants 1.5 connections: of two at once ¾ each. τ = 4/√10 × √¼ = 0.632, x = 1.4.
    // Kept: 0.75 × τ × 10 = 4.74, and (14 − 4.74) / 1.5 = 6.17.
    let evidence = busy_but((16, 14, 10, 20), |_, pool| {
        pool.reading.acquire_timeout = Duration::from_millis(800);
    });
    let terms = Bench::starting_at(16).round(&evidence, 9, Reason::PoolWait).terms.unwrap();
    near(terms.wait_ratio, 1.4);
    near(terms.target_ratio, 2.0 / 10.0_f64.sqrt());
    near(terms.use_time.as_secs_f64(), 0.0625);
    // Surplus (100 − 1.88) / 11 = 8.92 of 10, and no more than half at once.
    Bench::starting_at(10).round(&nearing(10, 100, 10, 20), 5, Reason::PoolWait);
    // Far from the timeout, no more than 15%.
    Bench::above(10).round(&busy(10, 20, 10, 20), 8, Reason::PoolWait);
    // τ = 0.894 × √0.65 = 0.721, x = 0.75: 4.18 too many of 100.
    Bench::above(100).round(&busy(100, 15, 20, 20), 95, Reason::PoolWait);
}

#[test]
fn a_decrease_counts_from_the_peak_if_the_limit_was_not_reached() {
    // Six of ten out at most: (20 − 1.88) / (30/6) = 3.63 off 6, and no more than half.
    let mut evidence = nearing(10, 20, 10, 20);
    (evidence.demand.in_flight, evidence.demand.in_flight_peak) = (6, 6);
    Bench::starting_at(10).round(&evidence, 3, Reason::PoolWait);
}

#[test]
fn a_queue_at_the_target_is_no_reason_to_shrink() {
    // Three quarters of the calls are at the pool: τ = 4/√16 × √¼ = ½ = x.
    Bench::above(32).round(&busy(32, 8, 16, 20), 33, Reason::Probe);
    // One more, and what is beyond three quarters of the target goes: 9 − 0.75 × 0.468 × 16 = 3.4 of 32.
    Bench::above(32).round(&busy(32, 9, 16, 20), 28, Reason::PoolWait);
}

#[test]
fn a_queue_must_stand_for_two_rounds_unless_it_nears_the_timeout() {
    let mut bench = Bench::starting_at(10);
    bench.round(&busy(10, 20, 10, 20), 10, Reason::Balanced);
    bench.round(&busy(10, 20, 10, 20), 8, Reason::PoolWait);
    // A round at its target in between starts it anew.
    let mut bench = Bench::starting_at(10);
    bench.round(&busy(10, 20, 10, 20), 10, Reason::Balanced);
    bench.round(&busy(10, 0, 19, 19), 11, Reason::Probe);
    bench.round(&busy(11, 20, 11, 20), 11, Reason::Balanced);
    // A mean wait of 2 × 100 ms is more than a tenth of 1.9 s, and less than a tenth of 2.1 s.
    let timeout =
        |ms| busy_but((10, 20, 10, 20), |_, pool| pool.reading.acquire_timeout = Duration::from_millis(ms));
    Bench::starting_at(10).round(&timeout(2_100), 10, Reason::Balanced);
    Bench::starting_at(10).round(&timeout(1_900), 5, Reason::PoolWait);
}

#[test]
fn waits_while_connections_are_free_on_average_are_of_calls_in_step() {
    // Half the pool is used: 10 × 0.97 / 0.5 = 19.4.
    Bench::above(10).round(&busy(10, 20, 10, 10), 19, Reason::FreeConnections);
    Bench::above(10).round(&busy(10, 40, 17, 17), 11, Reason::FreeConnections);
    Bench::above(10).round(&busy(10, 40, 18, 18), 8, Reason::PoolWait);
    // Unless the timeout is near.
    Bench::above(10).round(&nearing(10, 20, 10, 10), 5, Reason::PoolWait);
}

#[test]
fn no_free_connection_for_rounds_and_a_queue_is_a_mild_decrease() {
    // x = 0.5, between 0.4 τ = 0.299 and τ = 0.894 × √0.7 = 0.748.
    let evidence = busy(100, 10, 20, 20);
    let mut bench = Bench::starting_at(100);
    // Only this round was full: the moving average is at 0.2.
    bench.round(&evidence, 102, Reason::Probe);
    bench.law.utilisation_mean = 1.0;
    bench.round(&busy(102, 10, 20, 20), 98, Reason::NoFreeConnection);
    bench.law.utilisation_mean = 1.0;
    bench.round(&busy(98, 6, 20, 20), 100, Reason::Probe); // x = 0.3, 0.4 τ = 0.307
}

#[test]
fn the_target_shrinks_with_the_connections_held_and_with_the_acquire_timeout() {
    let target = |pool_max, held_mean, use_seconds, timeout_ms| {
        let mut law = PoolAimd::new(PoolAimdConfig::default(), pool_max).unwrap();
        law.held_mean = held_mean;
        law.use_seconds = use_seconds;
        law.acquire_timeout = Duration::from_millis(timeout_ms);
        law.target_ratio()
    };
    near(target(16, 16.0, 0.05, 60_000), 1.0);
    near(target(16, 4.0, 0.05, 60_000), 2.0);
    near(target(16, 0.5, 0.05, 60_000), 4.0);
    near(target(10_000, 10_000.0, 0.05, 60_000), 0.25);
    // The wait it stands for, 1 × 500 ms, is more than 5% of a second.
    near(target(16, 16.0, 0.5, 1_000), 0.1);
    // In a small pool whose accepted wait is twice the use time, half as much of it is left.
    near(target(4, 16.0, 0.5, 1_000), 0.05);
    near(target(16, 16.0, 0.0, 1_000), 1.0);
    near(target(16, 16.0, 0.5, 0), 0.0);
}

#[test]
fn the_target_shrinks_with_the_calls_that_are_at_the_pool_already() {
    let target = |at_pool, use_seconds| {
        let mut law = PoolAimd::new(PoolAimdConfig::default(), 16).unwrap();
        (law.held_mean, law.at_pool, law.use_seconds) = (16.0, at_pool, use_seconds);
        law.acquire_timeout = Duration::from_secs(1);
        law.target_ratio()
    };
    near(target(0.0, 0.01), 1.0);
    near(target(0.75, 0.01), 0.5);
    near(target(1.0, 0.01), 0.25);
    // 5% of the acquire timeout is not much for any of them.
    near(target(0.0, 0.2), 0.25);
    near(target(0.75, 0.2), 0.25);
    near(at_pool(15.0, 20.0), 0.75);
    near(at_pool(30.0, 20.0), 0.75);
    near(at_pool(60.0, 20.0), 1.0);
    near(at_pool(21.0, 20.0), 1.0);
    near(at_pool(0.0, 0.0), 0.0);
}

// --- Losses ---

fn lossy(held: u32, timeouts: u64) -> Evidence {
    busy_but((10, 10, held, 20), |_, pool| pool.activity.timeouts = timeouts)
}

#[test]
fn a_timeout_halves_what_was_out() {
    let decision = Bench::starting_at(10).tick(&lossy(20, 3), 5, Reason::PoolTimeout);
    assert_eq!(decision.terms.unwrap().losses, 3);
    // Calls that think hold no connection: those held say nothing about how many calls there may be.
    Bench::starting_at(10).tick(&lossy(0, 1), 5, Reason::PoolTimeout);
    // Ten of a hundred were out: half of those.
    Bench::starting_at(100).tick(&lossy(20, 1), 5, Reason::PoolTimeout);
}

#[test]
fn one_recovery_epoch_sees_one_shrink() {
    let check = |residence_seconds, epoch_ms: u64| {
        let mut bench = Bench::starting_at(80);
        let evidence = busy_but((80, 10, 80, 20), |_, pool| pool.activity.timeouts = 1);
        bench.law.residence_seconds = residence_seconds;
        bench.tick(&evidence, 40, Reason::PoolTimeout);
        for _ in 1..epoch_ms / 100 {
            bench.tick(&evidence, 40, Reason::PoolTimeout);
        }
        bench.tick(&evidence, 20, Reason::PoolTimeout);
    };
    check(0.5, 500);
    check(0.01, 100); // at least a tick
    check(9.0, 1_000); // at most a second
    // At least 100 ms also where the ticks are shorter.
    let mut bench = Bench::starting_at(10);
    bench.law.residence_seconds = 0.01;
    bench.tick(&lossy(20, 1), 5, Reason::PoolTimeout);
    assert_eq!(bench.tick_after(99, &lossy(20, 1)).to, 5);
    assert_eq!(bench.tick_after(1, &lossy(20, 1)).to, 2);
}

#[test]
fn refusals_and_reported_overload_are_losses_too() {
    let refused = busy_but((10, 0, 20, 20), |_, pool| pool.activity.refused = 1);
    Bench::starting_at(10).tick(&refused, 5, Reason::Overload);
    let overload = busy_but((10, 0, 20, 20), |demand, _| demand.overloads = 2);
    // All that ended, but these are two: (0 + 2) / (2 + 4) of 10.
    Bench::starting_at(10).tick(&overload, 3, Reason::Overload);
    // The same without a pool.
    let mut alone = overload;
    alone.pool = None;
    Bench::starting_at(10).tick(&alone, 3, Reason::Overload);
    // Where other calls succeed it is half, and where all of many fail a fifth.
    let some = busy_but((10, 0, 20, 20), |demand, _| (demand.completed, demand.overloads) = (100, 20));
    Bench::starting_at(10).tick(&some, 5, Reason::Overload);
    let all = busy_but((10, 0, 20, 20), |demand, _| demand.overloads = 100);
    Bench::starting_at(10).tick(&all, 2, Reason::Overload);
}

#[test]
fn an_epoch_is_a_second_while_the_time_of_a_call_is_unknown() {
    let mut bench = Bench::starting_at(10);
    assert!(!bench.law.is_recovering(bench.now));
    bench.tick(&lossy(20, 1), 5, Reason::PoolTimeout);
    assert_eq!(bench.tick_after(999, &lossy(20, 1)).to, 5);
    assert!(bench.law.is_recovering(bench.now));
    assert!(!bench.law.is_recovering(bench.now + Duration::from_millis(1)));
    assert_eq!(bench.tick_after(1, &lossy(20, 1)).to, 2);
}

// --- Emergency and brake ---

/// A law that knows how long a connection is held, in the middle of a round.
fn informed() -> Bench {
    let mut bench = Bench::starting_at(10);
    bench.law.use_seconds = 0.1;
    bench
}

#[test]
fn an_old_acquire_is_an_emergency_and_a_brake() {
    let aged = |ms| busy_but((10, 1, 19, 20), |_, pool| pool.oldest_pending = Duration::from_millis(ms));
    let brakes = |ms| informed().law.brakes(&aged(ms).pool.unwrap());
    assert!(!brakes(25_000), "a quarter of the acquire timeout is allowed");
    assert!(brakes(25_001));
    informed().tick(&aged(25_000), 10, Reason::RoundOpen);
    // Without any grant the brake is enough: nothing was begun under this limit that could show a smaller one is better.
    let mut hung = aged(25_001);
    hung.pool.as_mut().unwrap().activity = PoolActivity::default();
    informed().tick(&hung, 10, Reason::RoundOpen);
    let decision = informed().tick(&aged(25_001), 9, Reason::Emergency);
    // Half a round in, what there is to see may still be of the limit before.
    let few = busy_but((10, 1, 19, 20), |_, pool| {
        (pool.oldest_pending, pool.activity.grants) = (Duration::from_secs(26), 4);
    });
    let mut bench = informed();
    bench.tick(&few, 10, Reason::RoundOpen);
    bench.tick(&few, 9, Reason::Emergency);
    assert_eq!(decision.terms.unwrap().oldest_pending, Duration::from_millis(25_001));
}

// --- Rounds ---

#[test]
fn a_round_lasts_for_as_many_grants_as_calls_were_in_flight_and_at_least_ten() {
    let tick = |calls, grants| busy_but((calls, 0, 8, 8), move |_, pool| pool.activity.grants = grants);
    let mut bench = Bench::starting_at(10);
    // The round began with nobody in flight: it needs ten.
    bench.tick(&tick(10, 4), 10, Reason::RoundOpen);
    bench.tick(&tick(10, 1), 10, Reason::RoundOpen); // the skipped half ends with this tick
    bench.tick(&tick(10, 4), 10, Reason::RoundOpen);
    bench.tick(&tick(10, 1), 24, Reason::FreeConnections);
    // The next one began with 10 in flight and 5 queued: it needs 15. In a tick without grants, connections are
    // held all the same; one without anything is no part of it.
    bench.tick(&tick(15, 8), 24, Reason::RoundOpen);
    bench.tick(&tick(15, 0), 24, Reason::RoundOpen);
    let nothing = busy_but((15, 0, 0, 8), |_, pool| pool.activity = PoolActivity::default());
    bench.tick(&nothing, 24, Reason::NoEvidence);
    bench.tick(&tick(15, 6), 24, Reason::RoundOpen);
    bench.tick(&tick(15, 1), 36, Reason::FreeConnections);
}

#[test]
fn the_first_half_of_a_round_is_not_measured() {
    let tick = |grants, used| {
        busy_but((10, 0, used, used), move |_, pool| {
            let grown = busy(grants, 0, used, used).pool.unwrap().activity;
            pool.activity = grown;
        })
    };
    let mut bench = Bench::starting_at(10);
    // Four and one of ten still show the pool of the limit before: a jump to forty.
    bench.tick(&tick(4, 1), 10, Reason::RoundOpen);
    bench.tick(&tick(1, 1), 10, Reason::RoundOpen);
    bench.tick(&tick(5, 8), 24, Reason::FreeConnections);
}

#[test]
fn being_held_back_once_in_a_round_is_enough() {
    let mut bench = Bench::starting_at(10);
    bench.tick(&busy(10, 0, 8, 8), 10, Reason::RoundOpen);
    let let_in = busy_but((10, 0, 8, 8), |demand, _| demand.held_back = false);
    bench.tick(&let_in, 24, Reason::FreeConnections);
    // The next round starts anew.
    let let_in = busy_but((20, 0, 8, 8), |demand, _| demand.held_back = false);
    bench.round(&let_in, 24, Reason::Balanced);
}

#[test]
fn a_round_is_not_measured_before_a_shrink_has_drained() {
    let mut bench = Bench::starting_at(10);
    bench.tick(&lossy(20, 1), 5, Reason::PoolTimeout);
    for _ in 0..5 {
        bench.tick(&busy(6, 1, 6, 6), 5, Reason::RoundOpen);
    }
    bench.tick(&busy(5, 0, 5, 5), 5, Reason::RoundOpen);
    bench.tick(&busy(5, 0, 5, 5), 19, Reason::FreeConnections);
}

/// What happened: after a hang, 40 calls that think for long kept a limit of 2 from growing, with 18 connections free.
#[test]
fn calls_above_the_limit_that_ask_for_nothing_do_not_hold_a_round_up() {
    let mut bench = Bench::starting_at(2);
    bench.tick(&busy(40, 0, 2, 2), 2, Reason::RoundOpen);
    bench.tick(&busy(40, 0, 2, 2), 16, Reason::FreeConnections);
}

#[test]
fn a_round_needs_samples_and_time() {
    let mut bench = Bench::starting_at(10);
    let few = busy_but((10, 0, 8, 8), |_, pool| {
        pool.activity = PoolActivity { requests: 2, grants: 2, ..pool.activity };
    });
    // Ten grants, of which five are measured: the third tick ends the skipped half, the sixth has the fifth measured grant.
    for _ in 1..6 {
        bench.tick(&few, 10, Reason::RoundOpen);
    }
    bench.tick(&few, 24, Reason::FreeConnections);
    // Two ticks at one moment measure no time, so no use time comes of them.
    let mut bench = Bench::starting_at(10);
    bench.tick(&busy(10, 0, 8, 8), 10, Reason::RoundOpen);
    assert_eq!(bench.tick_after(0, &busy(10, 0, 8, 8)).reason, Reason::RoundOpen);
}

#[test]
fn a_round_measures_for_as_long_as_a_call_takes_and_at_most_half_a_second() {
    let check = |residence_seconds, ticks| {
        let mut bench = Bench::starting_at(10);
        bench.law.residence_seconds = residence_seconds;
        for _ in 1..ticks {
            bench.tick(&busy(10, 0, 8, 8), 10, Reason::RoundOpen);
        }
        bench.tick(&busy(10, 0, 8, 8), 24, Reason::FreeConnections);
    };
    // The first tick is skipped; the rest is to the nearest tick.
    check(0.0, 2);
    check(0.24, 3);
    check(0.26, 4);
    check(60.0, 6);
}

// --- Bounds ---

#[test]
fn the_limit_keeps_within_its_bounds_and_says_so() {
    let config = PoolAimdConfig::default().min_limit(8).max_limit(15);
    let decision = Bench::new(config).round(&busy(10, 0, 4, 4), 15, Reason::FreeConnections);
    assert_eq!(decision.bound, Bound::Max);
    let decision = Bench::new(config).tick(&lossy(3, 1), 8, Reason::PoolTimeout);
    assert_eq!(decision.bound, Bound::Min);
    let decision = Bench::new(config).round(&busy(10, 0, 19, 19), 11, Reason::Probe);
    assert_eq!(decision.bound, Bound::None);
}

#[test]
fn the_limit_is_never_above_a_hundred_times_the_pool() {
    let mut bench = Bench::starting_at(1_900);
    bench.round(&busy(1_900, 0, 1, 1), 2_000, Reason::FreeConnections);
    assert_eq!(bench.tick(&busy(2_000, 0, 1, 1), 2_000, Reason::RoundOpen).bound, Bound::Max);
}

#[test]
fn calls_that_hold_several_connections_never_exceed_the_deadlock_free_ceiling() {
    let check = |connections, limit: u32| {
        let config = PoolAimdConfig::default().connections_per_call(connections).initial_limit(2);
        let mut bench = Bench::new(config);
        for _ in 0..10 {
            let calls = bench.law.limit();
            let evidence = busy_but((calls, 0, 1, 1), |_, pool| {
                pool.activity = busy(10, 0, 1, 1).pool.unwrap().activity;
            });
            bench.tick_after(100, &evidence);
        }
        assert_eq!(bench.law.limit(), limit, "{connections} connections");
        assert_eq!(bench.law.effective().1, Bound::ConnectionSets);
        near(bench.law.raw_limit, limit.into()); // nothing unproven builds up above the ceiling
    };
    check(2, 19);
    check(3, 9);
    check(20, 1);
    // Even a floor that was asked for gives way, and so does a start.
    let config = PoolAimdConfig::default().connections_per_call(2).min_limit(30);
    assert_eq!(Bench::new(config).law.limit(), 19);
}

#[test]
fn the_limit_scales_with_the_pool() {
    let check = |config: PoolAimdConfig, from: f64, pool_max, limit| {
        let mut bench = Bench::new(config);
        bench.law.raw_limit = from;
        let mut evidence = quiet(0);
        evidence.demand.held_back = true;
        evidence.pool = Some(idle_pool(pool_max));
        bench.tick(&evidence, limit, Reason::PoolResized);
        bench.tick(&evidence, limit, Reason::NoEvidence);
    };
    let config = PoolAimdConfig::default();
    check(config, 12.0, 10, 6);
    check(config, 12.0, 50, 30);
    check(config, 12.0, 1, 1);
    // It used to be cut to the new pool's ceiling first and then scaled as well: to 4 and to 500.
    check(config.connections_per_call(2), 19.0, 10, 9);
    check(config, 2_000.0, 10, 1_000);
    // A pool that is gone says nothing.
    let gone = Evidence { pool: Some(idle_pool(0)), ..quiet(0) };
    Bench::starting_at(10).tick(&gone, 10, Reason::NoEvidence);
}

#[test]
fn a_resize_comes_before_the_timeouts_that_it_causes() {
    let resized = busy_but((10, 10, 20, 20), |_, pool| {
        pool.reading.max = 10;
        pool.activity.timeouts = 5;
    });
    Bench::starting_at(10).tick(&resized, 5, Reason::PoolResized);
}
