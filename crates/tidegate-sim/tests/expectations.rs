//! What a scenario file can say, and what the sweep finds.
#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use tidegate_sim::{Policy, QueryMode, Scenario, run, sweep};

/// A pool of two whose queries take exactly 100 ms; half of the run it is stalled.
fn scenario(expectations: &str) -> Scenario {
    Scenario::parse(&format!(
        r#"
        name = "clockwork"
        about = "nothing is random"
        seeds = [1]
        duration_s = 20
        load = {{ jobs = 1, experts = 4, queries = 1, think = {{ mean_ms = 0 }} }}
        pool = {{ max = 2, acquire_timeout_ms = 150, connect_ms = 0, ping_ms = 0 }}
        database = {{ query = {{ mean_ms = 100, distribution = "deterministic" }}, changes = [{{ at_s = 10.05, speed = 0 }}] }}
        oracle = [{{ limit = 2, goodput = 20 }}]
        expect = [{expectations}]
        "#
    ))
    .unwrap()
}

#[track_caller]
fn check(expectations: &str, faults: &[&str]) {
    let scenario = scenario(expectations);
    let report = run(&scenario, &Policy::fixed(2), 1).unwrap();
    assert_eq!(scenario.faults(&report), faults);
}

#[test]
fn an_expectation_that_is_not_met_says_what_came_instead() {
    check(r#"{ statistic = "goodput", min = 10, max = 10 }"#, &[]);
    check(r#"{ statistic = "goodput", min = 11 }"#, &["Goodput is 10.0000, expected is 11 to inf"]);
    check(
        r#"{ statistic = "goodput_of_oracle", max = 0.4 }"#,
        &["GoodputOfOracle is 0.5000, expected is -inf to 0.4"],
    );
    check(r#"{ statistic = "limit_max", max = 1 }"#, &["LimitMax is 2.0000, expected is -inf to 1"]);
}

#[test]
fn each_expectation_is_measured_over_its_own_span() {
    check(
        r#"
        { statistic = "goodput", min = 20, max = 20, during_s = [1.05, 9.05] },
        { statistic = "goodput", max = 10 },
        { statistic = "goodput", min = 1, during_s = [11, 20] },
        { statistic = "utilisation", min = 1, during_s = [11, 20] },
        "#,
        &["Goodput from 11 s to 20 s is 0.0000, expected is 1 to inf"],
    );
}

#[test]
fn the_sweep_finds_the_lowest_of_the_best_limits_without_a_timeout() {
    let scenario = scenario("");
    // With three at once the third waits 100 ms, with four in a stall two time out.
    let oracle = sweep(&scenario, &[1, 2]).unwrap().unwrap();
    assert_eq!((oracle.len(), oracle[0].limit), (1, 2));
    assert!((oracle[0].goodput - 10.0).abs() < 1e-9);
    // One expert alone asks for twice as many connections as there are.
    let mut hopeless = scenario;
    (hopeless.load.queries, hopeless.load.mode) = (4, QueryMode::Parallel);
    assert_eq!(sweep(&hopeless, &[1]).unwrap(), None);
}

/// In the second phase the database is so slow that with three at once somebody waits for longer than the pool allows.
#[test]
fn the_oracle_is_found_for_each_phase_and_weighted_with_time() {
    let mut scenario = Scenario::parse(
        r#"
        name = "phases"
        about = "a fast database for 10 s, a slow one for 30 s"
        seeds = [1]
        duration_s = 40
        phases_s = [10]
        load = { jobs = 4, experts = 1, queries = 1, think = { mean_ms = 100, distribution = "deterministic" } }
        pool = { max = 2, acquire_timeout_ms = 250, connect_ms = 0, ping_ms = 0 }
        database = { query = { mean_ms = 100, distribution = "deterministic" }, changes = [{ at_s = 10, speed = 0.25 }] }
        oracle = [{ limit = 1, goodput = 1 }, { limit = 1, goodput = 1 }]
        expect = [{ statistic = "goodput_of_oracle", min = 0.95, during_s = [0, 10] }]
        "#,
    )
    .unwrap();
    scenario.oracle = sweep(&scenario, &[1]).unwrap().unwrap();
    let limits: Vec<u32> = scenario.oracle.iter().map(|oracle| oracle.limit).collect();
    assert_eq!(limits, [4, 2]);
    let goodput = |span| scenario.oracle_goodput(span).unwrap();
    let near = |span, expected: f64| assert!((goodput(span) - expected).abs() < 0.3, "{}", goodput(span));
    near([0.0, 10.0], 20.0);
    near([10.0, 40.0], 4.0);
    near([0.0, 40.0], 8.0);
    near([5.0, 15.0], 12.0);
    let faults = |limit| scenario.faults(&run(&scenario, &Policy::fixed(limit), 1).unwrap()).len();
    assert_eq!((faults(4), faults(2)), (0, 1), "a span is held against the oracle of its own phase");
}
