//! What the parts of the database do in a whole world.
#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use tidegate_core::Reason;
use tidegate_sim::{Policy, Report, Scenario, run};

fn play(database: &str, policy: &Policy) -> Report {
    let scenario = Scenario::parse(&format!(
        r#"
        name = "database"
        about = "plenty of experts in front of one kind of database"
        seeds = [1]
        duration_s = 60
        load = {{ jobs = 5, experts = 11, queries = 1, think = {{ mean_ms = 10 }} }}
        pool = {{ max = 20, acquire_timeout_ms = 30000 }}
        database = {{ query = {{ mean_ms = 20 }}, {database} }}
        "#
    ))
    .unwrap();
    run(&scenario, policy, 1).unwrap()
}

#[test]
fn deadlocks_fail_jobs_and_reach_the_law_as_overload() {
    let hot = "hot_rows = { rows = 2 }";
    let alone = play(hot, &Policy::fixed(1)).whole;
    assert_eq!((alone.deadlocks, alone.failed_jobs), (0, 0), "one query locks nobody out");
    let crowd = play(hot, &Policy::none()).whole;
    assert!(crowd.deadlocks > 10 && crowd.failed_jobs > 10, "{crowd:?}");
    assert_eq!(crowd.pool_timeouts, 0);
    assert!(crowd.goodput < alone.goodput / 4.0, "{} against {}", crowd.goodput, alone.goodput);
    let adaptive = play(hot, &Policy::adaptive());
    let reasons =
        |reason| adaptive.processes[0].limits.iter().filter(|change| change.reason == reason).count();
    assert!(reasons(Reason::Overload) > 0 && reasons(Reason::PoolTimeout) == 0);
}

#[test]
fn few_hot_queries_hinder_few() {
    let some = play("hot_rows = { rows = 10, share = 0.01 }", &Policy::none()).whole;
    let none = play("cores = 1000", &Policy::none()).whole;
    assert!(some.goodput > 0.9 * none.goodput && some.goodput < none.goodput);
}

#[test]
fn a_queue_inside_the_server_holds_connections_and_is_no_pool_wait() {
    let hidden = play("slots = 5", &Policy::fixed(15)).whole;
    // Five at a time of 20 ms each, and a round trip of half a millisecond between.
    assert!((240.0..=250.5).contains(&hidden.goodput), "{}", hidden.goodput);
    assert!(hidden.utilisation > 0.6 && hidden.pool_wait.mean < 0.002, "{hidden:?}");
}
