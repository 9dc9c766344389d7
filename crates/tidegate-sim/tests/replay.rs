//! A seed replays bit for bit.
#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use tidegate_sim::{Policy, Report, Scenario, run};

/// Everything that is random or comes and goes: parallel queries, failures, a stall, bursts.
fn busy_world(seed: u64) -> Report {
    let scenario = Scenario::parse(
        r#"
        name = "busy"
        about = "a bit of everything"
        seeds = [1]
        duration_s = 30
        load = { jobs = 6, experts = 11, queries = 3, mode = "parallel", think = { mean_ms = 30 }, bursts = { on_ms = 4000, off_ms = 1000 } }
        pool = { max = 10, acquire_timeout_ms = 400 }
        database = { query = { mean_ms = 40 }, cores = 6, changes = [{ at_s = 10, speed = 0 }, { at_s = 12, speed = 1 }] }
        expect = [{ statistic = "goodput", min = 0, during_s = [5, 25] }]
        "#,
    )
    .unwrap();
    run(&scenario, &Policy::adaptive(), seed).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_report_to_the_last_bit() {
    let (first, second) = (busy_world(42), busy_world(42));
    assert_eq!(first, second);
    // The text form shows every float with all its digits.
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    assert!(first.whole.pool_timeouts > 0 && first.whole.failed_jobs > 0 && first.whole.ok_jobs > 0);
    assert!(first.processes[0].limits.len() > 1);
}

#[test]
fn another_seed_gives_another_world() {
    assert_ne!(busy_world(42), busy_world(43));
}
