//! What a scenario can let happen, where the outcome can be said beforehand.
#![expect(clippy::unwrap_used, reason = "a test's helper that cannot help ends the test")]

use std::time::Duration;

use tidegate_core::Reason;
use tidegate_sim::{Canary, Figures, LimitChange, Policy, Report, Scenario, run};

/// Queries of exactly 100 ms, and nothing else that takes time; 20 s of it.
fn play(head: &str, load: &str, pool: &str, policy: &Policy) -> Report {
    let scenario = Scenario::parse(&format!(
        r#"
        name = "clockwork"
        about = "queries of exactly 100 ms, and nothing else takes time"
        seeds = [1]
        duration_s = 20
        {head}
        load = {{ experts = 1, queries = 1, think = {{ mean_ms = 0 }}, {load} }}
        pool = {{ acquire_timeout_ms = 10000, connect_ms = 0, ping_ms = 0, {pool} }}
        database = {{ query = {{ mean_ms = 100, distribution = "deterministic" }} }}
        "#
    ))
    .unwrap();
    run(&scenario, policy, 1).unwrap()
}

#[track_caller]
fn near(found: f64, expected: f64, tolerance: f64) {
    assert!((found - expected).abs() <= tolerance, "{found} is not {expected} within {tolerance}");
}

/// The goodputs of the phases, from experts per second.
#[track_caller]
fn check_phases(report: &Report, expected: &[f64]) {
    assert_eq!(report.phases.len(), expected.len());
    for (phase, expected) in report.phases.iter().zip(expected) {
        let length = (phase.to - phase.from).as_secs_f64();
        // A query that runs over the phase's end counts in the next one.
        near(phase.goodput, *expected, 4.0 / length);
    }
}

#[test]
fn each_process_has_a_limiter_of_its_own_in_front_of_one_pool() {
    let report = play("processes = 4", "jobs = 3", "max = 2", &Policy::fixed(1));
    assert_eq!(report.processes.len(), 4);
    let Figures { in_flight_peak, limit, goodput, utilisation, .. } = report.whole;
    assert_eq!((in_flight_peak, limit.min, limit.max), (4, 1, 1));
    near(goodput, 20.0, 0.2);
    near(utilisation, 1.0, 1e-9);
    for process in &report.processes {
        near(process.goodput, 5.0, 0.1);
    }
}

#[test]
fn processes_with_pools_of_their_own_do_not_hinder_each_other() {
    let report = play("processes = 4", "jobs = 3", "max = 2, per_process = true", &Policy::none());
    near(report.whole.goodput, 80.0, 0.8);
    near(report.whole.utilisation, 1.0, 1e-9);
}

#[test]
fn the_laws_of_several_processes_tick_out_of_phase() {
    let canary = Policy::law("canary", Canary::new);
    let report = play("processes = 5", "jobs = 1", "max = 5", &canary);
    let tick = Duration::from_millis(100);
    let mut phases: Vec<u128> =
        report.processes.iter().map(|process| process.limits[1].at.as_nanos() % tick.as_nanos()).collect();
    phases.sort_unstable();
    phases.dedup();
    assert_eq!(phases.len(), 5);
}

#[test]
fn every_change_of_every_limit_is_kept() {
    let canary = Policy::law("canary", Canary::new);
    let report = play("", "jobs = 1", "max = 5", &canary);
    let limits = &report.processes[0].limits;
    assert_eq!((limits[0].at, limits[0].limit, limits[0].reason), (Duration::ZERO, 10, Reason::Configured));
    assert_eq!(
        (limits[1].at, limits[1].limit, limits[1].reason),
        (Duration::from_millis(100), 11, Reason::Probe)
    );
    assert!(limits.windows(2).all(|pair| pair[0].at < pair[1].at && pair[0].limit < pair[1].limit));
    assert_eq!(report.whole.limit.max, limits.last().unwrap().limit);
}

#[test]
fn a_share_that_is_not_equal_shows_in_jains_index() {
    let load = "jobs = 1, changes = [{ at_s = 0, process = 0, jobs = 3 }]";
    let report = play("processes = 2", load, "max = 4", &Policy::none());
    near(report.processes[0].goodput, 30.0, 0.2);
    near(report.processes[1].goodput, 10.0, 0.2);
    near(report.whole.jain, 40.0 * 40.0 / (2.0 * (30.0 * 30.0 + 10.0 * 10.0)), 0.005);
    near(report.whole.jain_5s, report.whole.jain, 0.01);
}

#[test]
fn the_bins_hold_what_the_goodput_counts() {
    let report = play("", "jobs = 2", "max = 2", &Policy::none());
    assert_eq!(report.goodput_bins.len(), 200);
    let sum: u32 = report.goodput_bins.iter().sum();
    near(f64::from(sum) / 20.0, report.whole.goodput, 1e-9);
    // The first ends at 0.1 s; what ends with the run belongs to the last bin.
    assert_eq!((report.goodput_bins[0], report.goodput_bins[199]), (0, 4));
    assert!(report.goodput_bins[1..199].iter().all(|&experts| experts == 2));
}

/// Within four standard deviations of a Poisson count, whatever the pool does with it.
#[test]
fn jobs_that_come_by_themselves_come_at_their_rate() {
    let report = play("", "arrivals_per_s = 50", "max = 20", &Policy::none());
    near(report.whole.goodput * 20.0, 1000.0, 4.0 * 1000_f64.sqrt());
    // Twice as many as the pool can serve: the rest waits in front of the limiter.
    let crowded = play("", "arrivals_per_s = 40", "max = 2", &Policy::fixed(2)).whole;
    near(crowded.goodput, 20.0, 0.2);
    near(crowded.queued_mean, 20.0 * 20.0 / 2.0, 50.0);
}

#[test]
fn a_job_that_came_by_itself_is_tried_again_after_a_failure() {
    // One job in ten seconds; while the tenant has the only connection it fails every second.
    let load = "arrivals_per_s = 0.1, retry_pause_ms = 500";
    let pool = "max = 1, tenants = [{ from_s = 0, to_s = 20, connections = 1 }]";
    let scenario = format!(
        r#"
        name = "hopeless"
        about = "a job that fails again and again"
        seeds = [1]
        duration_s = 100
        load = {{ experts = 1, queries = 1, think = {{ mean_ms = 0 }}, {load} }}
        pool = {{ acquire_timeout_ms = 500, {pool} }}
        database = {{ query = {{ mean_ms = 1 }} }}
        "#
    );
    let figures = run(&Scenario::parse(&scenario).unwrap(), &Policy::none(), 3).unwrap().whole;
    assert!(figures.failed_jobs > 1 && figures.failed_jobs == figures.pool_timeouts, "{figures:?}");
    assert!(figures.ok_jobs > 0, "in the end it is served");
}

#[test]
fn experts_of_several_kinds_come_in_their_shares() {
    let kinds = "jobs = 20, kinds = [{ share = 0.25, work = 3 }, { share = 0.25, queries = 2 }]";
    let figures = play("", kinds, "max = 20", &Policy::none()).whole;
    // Half take 100 ms, a quarter 300 ms, a quarter 200 ms.
    near(figures.expert_time.mean, 0.175, 0.005);
    near(figures.expert_time.max, 0.3, 0.001);
    near(figures.goodput, 20.0 / 0.175, 4.0);
}

#[test]
fn a_kind_thinks_queries_and_loses_patience_in_its_own_way() {
    let kind = r#"share = 1, think = { mean_ms = 50, distribution = "deterministic" }, queries = 2, mode = "parallel""#;
    let figures = play("", &format!("jobs = 1, kinds = [{{ {kind} }}]"), "max = 2", &Policy::none()).whole;
    near(figures.expert_time.mean, 0.15, 0.001);
    let kind = r#"share = 1, patience = { mean_ms = 50, distribution = "deterministic" }"#;
    let figures = play("", &format!("jobs = 1, kinds = [{{ {kind} }}]"), "max = 2", &Policy::none()).whole;
    assert!(figures.given_up > 0 && figures.ok_jobs == 0, "{figures:?}");
}

#[test]
fn jobs_that_would_come_by_themselves_stay_away_in_the_pauses() {
    let load = "arrivals_per_s = 50, bursts = { on_ms = 1000, off_ms = 4000 }";
    let report = play("", load, "max = 20", &Policy::none());
    near(report.whole.goodput * 20.0, 200.0, 4.0 * 200_f64.sqrt());
    // A query that began at the end of a burst ends in the pause.
    let in_pauses =
        report.goodput_bins.chunks(50).map(|period| period[12..].iter().sum::<u32>()).sum::<u32>();
    assert_eq!(in_pauses, 0);
}

#[test]
fn a_caller_who_loses_patience_ends_the_expert_and_its_job() {
    let patient = r#"jobs = 1, patience = { mean_ms = 101, distribution = "deterministic" }"#;
    let figures = play("", patient, "max = 1", &Policy::none()).whole;
    assert_eq!((figures.given_up, figures.failed_jobs), (0, 0));
    // The query goes on in the database, and so the connection comes back only after 100 ms.
    let impatient =
        r#"jobs = 1, patience = { mean_ms = 50, distribution = "deterministic" }, retry_pause_ms = 150"#;
    let report = play("", impatient, "max = 1", &Policy::adaptive());
    assert_eq!((report.whole.given_up, report.whole.failed_jobs, report.whole.ok_jobs), (100, 100, 0));
    near(report.whole.utilisation, 0.5, 0.01);
    near(report.whole.in_flight_mean, 0.25, 0.01);
}

#[test]
fn a_caller_who_loses_patience_in_the_queue_leaves_it() {
    let load =
        r#"jobs = 3, patience = { mean_ms = 150, distribution = "deterministic" }, retry_pause_ms = 1"#;
    let report = play("", load, "max = 3", &Policy::fixed(1));
    // One runs; of those who wait the first is served 50 ms before its patience ends, and leaves in the middle of it.
    assert!(report.whole.given_up > 20, "{:?}", report.whole);
    near(report.whole.queued_mean, 2.0, 0.1);
}

/// The law is told that callers gave up, not that the database had no room.
#[test]
fn lost_patience_reaches_the_law_as_abandoned_calls() {
    let load = r#"jobs = 30, patience = { mean_ms = 1000, distribution = "deterministic" }"#;
    let scenario = format!(
        r#"
        name = "hanging"
        about = "a database that hangs behind a pool with room for all"
        seeds = [1]
        duration_s = 20
        load = {{ experts = 1, queries = 1, think = {{ mean_ms = 0 }}, {load} }}
        pool = {{ acquire_timeout_ms = 10000, max = 100 }}
        database = {{ query = {{ mean_ms = 20 }}, changes = [{{ at_s = 10, speed = 0 }}] }}
        "#
    );
    let report = run(&Scenario::parse(&scenario).unwrap(), &Policy::adaptive(), 1).unwrap();
    let reasons = |reason| report.processes[0].limits.iter().filter(|change| change.reason == reason).count();
    assert!(reasons(Reason::Abandoned) > 0 && reasons(Reason::Overload) == 0);
}

#[test]
fn a_tenant_takes_connections_for_a_while() {
    let pool = "max = 4, tenants = [{ from_s = 5, to_s = 12, connections = 3 }]";
    let report = play("phases_s = [5, 12]", "jobs = 4", pool, &Policy::none());
    check_phases(&report, &[40.0, 10.0, 40.0]);
    near(report.phases[1].utilisation, 1.0, 1e-9);
    assert_eq!(report.whole.pool_timeouts, 0);
}

#[test]
fn a_pool_that_is_resized_serves_as_many_as_it_has() {
    let pool = "max = 2, resizes = [{ at_s = 5, max = 1 }, { at_s = 12, max = 3 }]";
    let report = play("phases_s = [5, 12]", "jobs = 4", pool, &Policy::none());
    check_phases(&report, &[20.0, 10.0, 30.0]);
    near(report.whole.utilisation, 1.0, 0.01);
    let adaptive = play("", "jobs = 4", pool, &Policy::adaptive());
    let resized = |change: &&LimitChange| change.reason == Reason::PoolResized;
    assert!(adaptive.processes[0].limits.iter().filter(resized).count() > 0);
}

#[test]
fn pools_of_processes_are_resized_and_shared_with_tenants_one_as_the_other() {
    for others in
        ["resizes = [{ at_s = 0, max = 1 }]", "tenants = [{ from_s = 0, to_s = 20, connections = 1 }]"]
    {
        let pool = format!("max = 2, per_process = true, {others}");
        let report = play("processes = 3", "jobs = 2", &pool, &Policy::none());
        for process in &report.processes {
            near(process.goodput, 10.0, 0.2);
        }
    }
}

#[test]
fn demand_changes_when_the_scenario_says() {
    let load = "jobs = 1, changes = [{ at_s = 5, jobs = 0 }, { at_s = 12, jobs = 3 }]";
    let report = play("phases_s = [5, 12]", load, "max = 4", &Policy::none());
    check_phases(&report, &[10.0, 0.0, 30.0]);
    let load = "changes = [{ at_s = 5, arrivals_per_s = 100 }, { at_s = 12, arrivals_per_s = 0 }]";
    let report = play("phases_s = [5, 12]", load, "max = 50", &Policy::none());
    let goodputs: Vec<f64> = report.phases.iter().map(|phase| phase.goodput).collect();
    near(goodputs[0], 0.0, 1e-9);
    near(goodputs[1], 100.0, 4.0 * (100.0 / 7.0_f64).sqrt());
    assert!(goodputs[2] < 5.0);
}

#[test]
fn calls_that_nest_need_no_limit_where_the_pool_reserves_sets() {
    let nested = |pool: &str| {
        let load = "jobs = 30, mode = \"nested\", kinds = [{ share = 1, queries = 2 }]";
        play("", load, &format!("max = 4, {pool}"), &Policy::none()).whole
    };
    let locked = nested("reserve = 2");
    assert_eq!((locked.pool_timeouts, locked.failed_jobs), (0, 0));
    // Two calls of 200 ms fill the pool.
    near(locked.goodput, 10.0, 0.2);
    assert!(nested("").goodput < 1.0);
}
