//! `tidegate deep-scan` with a job queue and with limits on every tier, from outside.
#![cfg(unix)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper of these tests that cannot help ends the test"
)]

#[path = "observability/database.rs"]
mod database;

use std::process::Stdio;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tidegate_tests::{Lab, count, postgres_url, text};

/// These tests measure: each has the machine to itself, as far as the others are concerned.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runs of the command, which ends well; every row of their queues is accounted for.
#[track_caller]
fn check_queued(args: &[&str]) -> Vec<Value> {
    let json = Lab::new().json(&[&["--queue", "apalis"], args].concat(), 0);
    assert_eq!(json["workload"]["queue"], "apalis");
    let runs = json["runs"].as_array().unwrap().clone();
    for run in &runs {
        let rows = |key: &str| count(&run["queue"][key]);
        assert_eq!((rows("lost"), rows("run_twice")), (0, 0), "{run}");
        assert_eq!(rows("ended") + rows("left"), rows("enqueued"), "{run}");
        // Rows wait at every moment, and only what the worker took has ended.
        assert!(rows("left") >= 5, "{run}");
        let jobs = ["jobs_ok", "jobs_failed", "jobs_unfinished"].map(|key| count(&run[key]));
        assert_eq!(jobs.iter().sum::<u64>(), rows("ended"), "{run}");
        assert!(rows("ended") > 0, "{run}");
    }
    runs
}

/// Six jobs whose experts end together: more than a worker that is stopping can note as ended.
#[test]
fn jobs_are_rows_of_a_queue_that_run_once_each() {
    let _alone = alone();
    let args = ["--jobs", "6", "--query-ms", "20", "--acquire-timeout", "30s", "--duration", "2s"];
    let runs = check_queued(&[&args[..], &["--policy", "none,per-job:2,adaptive"]].concat());
    for run in &runs {
        let in_flight = run["series"].as_array().unwrap().iter().map(|point| count(&point["in_flight"]));
        // The worker runs six jobs at once, not one and not all that wait.
        let most = in_flight.max().unwrap();
        assert!((7..=66).contains(&most), "{most} in flight: {run}");
    }
    assert!(runs[1]["series"].as_array().unwrap().iter().all(|point| count(&point["in_flight"]) <= 12));
}

#[test]
fn a_queue_leaves_a_users_own_alone_and_nothing_behind() {
    let _alone = alone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let on_server = |query: &'static str| -> i64 {
        runtime.block_on(async {
            let mut conn = PgConnection::connect(&postgres_url()).await.unwrap();
            sqlx::query_scalar(query).fetch_one(&mut conn).await.unwrap()
        })
    };
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'apalis'";
    let before = on_server(schemas);
    let url = postgres_url();
    let args = ["--database-url", &url, "--query-ms", "20", "--duration", "2s", "--policy", "none,adaptive"];
    check_queued(&args);
    assert_eq!(on_server(schemas), before, "apalis's schema was made in the user's database");
    let databases = "SELECT count(*) FROM pg_database WHERE datname LIKE 'tidegate_lab_%'";
    assert_eq!(on_server(databases), 0, "a database is left behind");
}

#[test]
fn one_big_job_at_a_time_comes_out_of_the_queue() {
    let _alone = alone();
    let args = ["--workload", "jobs-mixed", "--query-ms", "2", "--duration", "2s", "--policy", "fixed:4"];
    let runs = check_queued(&args);
    // Four small jobs and a big one: two big ones would be 2,000 experts.
    let waiting = |point: &Value| count(&point["queued"]) + count(&point["in_flight"]);
    let most = runs[0]["series"].as_array().unwrap().iter().map(waiting).max().unwrap();
    assert!((900..=1_044).contains(&most), "{most} experts at once");
}

#[test]
fn mariadb_has_no_queue() {
    let _alone = alone();
    let output = Lab::new().run(&["--database-url", "mysql://localhost/x", "--queue", "apalis"]);
    assert_eq!(output.status.code(), Some(2));
    let expect =
        "error: queue is apalis, allowed is none on MySQL and MariaDB; apalis on PostgreSQL and SQLite\n";
    assert_eq!(text(&output.stderr), expect);
}

/// The runs of a workload under each of the policies.
#[track_caller]
fn runs(workload: &str, policies: &str, more: &[&str]) -> Vec<Value> {
    let args = ["--workload", workload, "--policy", policies];
    Lab::new().json(&[&args, more].concat(), 0)["runs"].as_array().unwrap().clone()
}

fn float(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn the_tickets_recipe_has_its_pool_its_limits_and_its_rate() {
    let _alone = alone();
    let runs = runs("ticket", "ticket", &["--query-ms", "5", "--duration", "3s"]);
    let run = &runs[0];
    assert_eq!((count(&run["pool"]), count(&run["limit"]["max"])), (40, 10), "{run}");
    // Each job takes a few milliseconds, so only the rate keeps them at two a second.
    assert!((5..=6).contains(&count(&run["jobs_ok"])), "{run}");
    let in_flight = |point: &Value| count(&point["in_flight"]);
    assert!(run["series"].as_array().unwrap().iter().map(in_flight).max().unwrap() <= 10, "{run}");
}

#[test]
fn as_many_jobs_run_as_the_experts_limit_feeds() {
    let _alone = alone();
    let more = ["--jobs", "12", "--duration", "3s"];
    let run = &runs("ticket", "adaptive-tiers", &more)[0];
    assert_eq!(count(&run["connection_errors"]), 0, "{run}");
    let jobs = ["min", "max"].map(|key| count(&run["job_limit"][key]));
    let experts = ["min", "max"].map(|key| count(&run["limit"][key]));
    assert!(jobs[0] >= 1 && jobs[1] <= experts[1] / 2 && jobs[0] >= (experts[0] / 2).max(1), "{run}");
    // Without a limit of jobs all of the 132 experts would ask at once.
    let asking = |point: &Value| count(&point["queued"]) + count(&point["in_flight"]);
    let most = run["series"].as_array().unwrap().iter().map(asking).max().unwrap();
    assert!(most <= jobs[1] * 11, "{most} experts of {} jobs: {run}", jobs[1]);
}

#[test]
fn a_big_job_does_not_delay_small_ones_beyond_their_fair_share() {
    let _alone = alone();
    // SQLite writes on one connection, whose queue the limiter does not see: the limit has to hold it short.
    let more = ["--query-ms", "5", "--duration", "4s", "--acquire-timeout", "30s", "--max-limit", "12"];
    let runs = runs("jobs-mixed", "adaptive,adaptive-tiers", &more);
    let ratio = |run: &Value| float(&run["small_jobs"]["p99_ratio"]);
    // First come, first served against turns by job; the bound leaves room for a slow machine.
    assert!(ratio(&runs[0]) > 3.0, "{}", runs[0]);
    assert!(ratio(&runs[1]) < 2.5, "{}", runs[1]);
}

#[test]
fn updates_that_are_joined_need_a_fraction_of_the_statements() {
    let _alone = alone();
    let runs =
        runs("n-plus-one", "adaptive,adaptive-tiers", &["--jobs", "2", "--experts", "2", "--duration", "3s"]);
    assert!((float(&runs[0]["amplification"]) - 1.0).abs() < 0.001, "{}", runs[0]);
    assert!(float(&runs[1]["amplification"]) < 0.2, "{}", runs[1]);
    assert!(count(&runs[1]["jobs_ok"]) > count(&runs[0]["jobs_ok"]), "{} {}", runs[0], runs[1]);
}

#[test]
fn tiers_work_with_a_queue_too() {
    let _alone = alone();
    let args = ["--query-ms", "20", "--duration", "2s", "--policy", "ticket,adaptive-tiers"];
    let runs = check_queued(&args);
    assert!(count(&runs[0]["jobs_ok"]) <= 4, "two starts a second: {}", runs[0]);
    assert!(count(&runs[1]["jobs_ok"]) > 8, "{}", runs[1]);
}

/// Freezes the server for five seconds in the middle of the run.
fn frozen(policy: &str) -> Value {
    let database = database::Database::start();
    let lab = Lab::new();
    let path = lab.path("run.json");
    let args = ["--database-url", &database.url, "--workload", "retries", "--policy", policy];
    let more = ["--duration", "20s", "--json", &path];
    let mut command = lab.command(&[&args[..], &more].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    sleep(Duration::from_secs(4));
    let frozen = database.freeze();
    sleep(Duration::from_secs(5));
    drop(frozen);
    child.wait().unwrap();
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    json["runs"][0].clone()
}

#[test]
fn a_frozen_database_is_not_asked_again_and_again() {
    let _alone = alone();
    let [none, tiers] = ["none", "adaptive-tiers"].map(frozen);
    assert!(float(&none["amplification"]) > 1.5, "{none}");
    assert!(float(&tiers["amplification"]) <= 1.1, "{tiers}");
    assert!(count(&tiers["jobs_ok"]) > 0, "{tiers}");
}
