//! Rivals in the world: they hear of every call, act at once, and replay.
#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use tidegate_sim::{Policy, Report, Scenario, run};

/// More demand than connections, losses, and a stall.
fn hard_world(policy: &str, seed: u64) -> Report {
    let scenario = Scenario::parse(
        r#"
        name = "hard"
        about = "a small pool, a short timeout, a stall"
        seeds = [1]
        duration_s = 40
        load = { jobs = 6, experts = 11, queries = 2, think = { mean_ms = 30 } }
        pool = { max = 10, acquire_timeout_ms = 200 }
        database = { query = { mean_ms = 40 }, cores = 6, changes = [{ at_s = 10, speed = 0 }, { at_s = 12, speed = 1 }] }
        "#,
    )
    .unwrap();
    run(&scenario, &Policy::named(policy).unwrap(), seed).unwrap()
}

fn rivals() -> impl Iterator<Item = &'static str> {
    let ours =
        |name: &str| name.starts_with("guarded_") || ["default", "none", "fixed:LIMIT"].contains(&name);
    Policy::names().filter(move |name| !ours(name))
}

/// Each run also checks that no permit was given above the limit of the moment.
#[test]
fn every_rival_lives_through_a_hard_time_and_replays_bit_for_bit() {
    for rival in rivals() {
        let report = hard_world(rival, 7);
        assert_eq!(report.policy, rival);
        assert!(report.whole.goodput > 0.0, "{rival}");
        assert_eq!(report, hard_world(rival, 7), "{rival}");
    }
}

#[test]
fn a_law_of_single_calls_acts_when_the_call_ends_and_not_at_the_next_tick() {
    let report = hard_world("netflix_aimd", 1);
    let between = |at: std::time::Duration| !at.as_nanos().is_multiple_of(100_000_000);
    let changes = &report.processes[0].limits[1..];
    assert!(changes.len() > 100, "{}", changes.len());
    assert!(changes.iter().all(|change| between(change.at)));
}
