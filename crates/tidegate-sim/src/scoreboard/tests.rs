use super::*;
use crate::{Policy, Scenario, run, sweep};

#[test]
fn the_median_is_the_middle() {
    assert_eq!(median([]), None);
    assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
}

/// Of one seed; it came near after so many seconds and decisions.
fn score(share: f64, timeouts: u32, seconds: Option<f64>) -> Score {
    Score {
        goodput_of_oracle: Some(share),
        timeouts,
        failed_jobs: timeouts / 2,
        expert_p99_ms: 100.0,
        pool_wait_p99_ms: 10.0,
        converged: vec![seconds.map(|seconds| Converged { seconds, decisions: 3 })],
        overshoot: Some(1.5),
        limit_mean: Some(20.0),
        limit_cv: Some(0.1),
        jain: None,
    }
}

fn row(law: &str, shares: [f64; 3], timeouts: [u32; 3], seconds: [Option<f64>; 3]) -> Row {
    let scores: Vec<Score> = (0..3).map(|seed| score(shares[seed], timeouts[seed], seconds[seed])).collect();
    Row::of(law, &scores).unwrap()
}

#[test]
fn a_row_has_the_median_and_the_worst_of_its_seeds() {
    let found = row("a", [0.9, 1.0, 0.7], [0, 4, 2], [Some(1.0), Some(9.0), None]);
    assert_eq!(found.goodput_of_oracle, Some(MedianWorst { median: 0.9, worst: 0.7 }));
    assert_eq!(found.timeouts, MedianWorst { median: 2.0, worst: 4.0 });
    assert_eq!(found.failed_jobs, MedianWorst { median: 1.0, worst: 2.0 });
    // The seed that never came near is the slowest.
    assert_eq!((&found.converge_s[..], &found.converge_decisions[..]), (&[Some(9.0)][..], &[Some(3.0)][..]));
    let never = row("a", [1.0; 3], [0; 3], [Some(1.0), None, None]);
    assert_eq!(never.converge_s, [None]);
    assert_eq!(Row::of("a", &[]), None);
}

#[test]
fn the_law_with_the_best_worst_case_stands_first() {
    let steady = |share| row("steady", [share; 3], [0; 3], [Some(2.0); 3]);
    let brilliant = |share, timeouts| row("brilliant", [share; 3], [timeouts; 3], [None; 3]);
    let board = Board::new(vec![
        ("easy".to_owned(), vec![brilliant(1.0, 0), steady(0.9)]),
        ("hard".to_owned(), vec![brilliant(0.5, 7), steady(0.8)]),
    ]);
    let [first, second] = &board.standings()[..] else { panic!("two laws") };
    assert_eq!((first.law.as_str(), &first.lowest), ("steady", &Some(("hard".to_owned(), 0.8))));
    assert_eq!((first.scenarios_with_timeouts, first.converge_s), (0, Some(2.0)));
    assert!((first.mean.unwrap() - 0.85).abs() < 1e-9);
    assert_eq!(
        (second.law.as_str(), first.worst_seed, second.worst_seed),
        ("brilliant", Some(0.8), Some(0.5))
    );
    assert_eq!((second.scenarios_with_timeouts, second.converge_s), (1, None));
    assert!((second.timeouts - 7.0).abs() < 1e-9 && (second.failed_jobs - 3.0).abs() < 1e-9);
}

/// Two processes with a pool of four each, whose database becomes five times slower half way.
fn two_phases() -> Scenario {
    let mut scenario = Scenario::parse(
        r#"
        name = "two_phases"
        about = "a change"
        seeds = [1]
        duration_s = 60
        phases_s = [30]
        processes = 2
        load = { jobs = 4, experts = 6, queries = 1, think = { mean_ms = 60 } }
        pool = { max = 4, acquire_timeout_ms = 5000, per_process = true }
        database = { query = { mean_ms = 20 }, changes = [{ at_s = 30, speed = 0.2 }] }
        "#,
    )
    .unwrap();
    scenario.oracle = sweep(&scenario, &[1]).unwrap().unwrap();
    scenario
}

#[test]
fn each_phase_is_held_against_its_own_best_limit() {
    let scenario = two_phases();
    let phases = Phase::of(&scenario).unwrap();
    let score = |policy: &Policy| Score::of(&scenario, &phases, &run(&scenario, policy, 1).unwrap());
    // Of a call that is alone, three quarters are thought at first, and two fifths later.
    assert!(phases[0].curve.share(8.0) < 0.8 && phases[1].curve.share(8.0) > 0.95, "{phases:?}");

    let oracle = score(&Policy::oracle(&phases).unwrap());
    assert!((oracle.goodput_of_oracle.unwrap() - 1.0).abs() < 0.05, "{oracle:?}");
    assert!(
        oracle.converged.iter().all(|found| found.is_some_and(|found| found.seconds < 0.11)),
        "{oracle:?}"
    );
    assert!(oracle.jain.unwrap() > 0.98 && (0.99..1.5).contains(&oracle.overshoot.unwrap()), "{oracle:?}");

    // Four jobs of six experts share four connections with queries of 100 ms in the end.
    assert!((200.0..5_000.0).contains(&oracle.expert_p99_ms), "{oracle:?}");

    let low = score(&Policy::fixed(8));
    assert_eq!(low.converged[0], None, "too low at first: {low:?}");
    assert_eq!(low.converged[1].map(|found| found.decisions), Some(0), "and right from the change on");
    assert!(low.overshoot.unwrap() < 1.0, "{low:?}");

    // No limit has no mean: it used to be the highest limit there is.
    let none = score(&Policy::none());
    assert_eq!((none.limit_mean, none.limit_cv, none.overshoot), (None, None, None));
    assert_eq!((low.limit_mean, low.limit_cv), (Some(8.0), Some(0.0)));

    let found = score(&Policy::adaptive());
    assert!(found.converged[0].is_some_and(|first| first.decisions > 0), "{found:?}");
    assert!(found.converged[1].is_some(), "{found:?}");
}
