//! What a law suggests whose limit is not enforced: it must come to rest where the limit would be, however long the
//! overload lasts.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use tidegate_core::{
    ControlLaw, Demand, Evidence, PoolAimd, PoolAimdConfig, PoolEvidence, PoolReading, Timestamp,
};

const TICK: Duration = Duration::from_millis(100);
const POOL: u32 = 20;

/// One tick of so many calls out, which all want a connection of a pool of 20, each for 20 ms.
fn evidence(calls: u32) -> Evidence {
    let (held, pending) = (calls.min(POOL), calls.saturating_sub(POOL));
    let mut demand = Demand::default();
    (demand.in_flight, demand.in_flight_peak) = (calls, calls);
    demand.completed = u64::from(held) * 5;
    let mut pool = PoolEvidence::default();
    pool.reading = PoolReading::new(POOL, POOL, POOL - held, Duration::from_secs(5));
    (pool.pending, pool.held) = (pending, held);
    // First come, first served: the last in line waits as long as all before it take.
    pool.oldest_pending = Duration::from_millis(20) * pending / POOL;
    let activity = &mut pool.activity;
    (activity.requests, activity.grants, activity.returns) =
        (demand.completed, demand.completed, demand.completed);
    (activity.pending_time, activity.held_time) = (TICK * pending, TICK * held);
    activity.use_time = Duration::from_millis(20) * u32::try_from(demand.completed).unwrap();
    activity.wait = activity.pending_time;
    let mut evidence = Evidence::default();
    (evidence.demand, evidence.pool) = (demand, Some(pool));
    evidence
}

/// The lowest and the highest limit of the last of ten minutes.
fn suggested(start: u32, calls: impl Fn(u32) -> u32) -> (u32, u32) {
    let mut law = PoolAimd::new(PoolAimdConfig::default().initial_limit(start), POOL).unwrap();
    let mut range = (u32::MAX, 0);
    for tick in 1..=6_000 {
        let held = evidence(calls(tick)).held_to(law.limit(), TICK);
        law.tick(Timestamp::from_millis(u64::from(tick) * 100), &held);
        if tick > 5_400 {
            range = (range.0.min(law.limit()), range.1.max(law.limit()));
        }
    }
    range
}

#[test]
fn under_lasting_overload_it_rests_where_the_pool_is_full() {
    for calls in [60, 300, 2_000] {
        for start in [1, 20, 500] {
            let (lowest, highest) = suggested(start, |_| calls);
            assert!(lowest >= 18 && highest <= 40, "{calls} calls from {start}: {lowest} to {highest}");
        }
    }
}

#[test]
fn under_demand_that_comes_and_goes_it_stays_there() {
    // A multiplicative hash spreads the ticks over 0 to 299 calls.
    let (lowest, highest) = suggested(10, |tick| tick.wrapping_mul(2_654_435_769) / (u32::MAX / 300 + 1));
    assert!(lowest >= 15 && highest <= 60, "{lowest} to {highest}");
}
