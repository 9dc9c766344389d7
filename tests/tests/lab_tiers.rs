//! `tidegate deep-scan` with a job queue, from outside.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of these tests that cannot help ends the test")]

use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tidegate_tests::{Lab, count, postgres_url, text};

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
        assert!(jobs[0] > 0, "{run}");
    }
    runs
}

/// Six jobs whose experts end together: more than a worker that is stopping can note as ended.
#[test]
fn jobs_are_rows_of_a_queue_that_run_once_each() {
    let args = ["--jobs", "6", "--query-ms", "20", "--duration", "2s", "--policy", "none,per-job:2,adaptive"];
    let runs = check_queued(&args);
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
    let args = ["--workload", "jobs-mixed", "--query-ms", "2", "--duration", "2s", "--policy", "fixed:4"];
    let runs = check_queued(&args);
    // Four small jobs and a big one: two big ones would be 2,000 experts.
    let waiting = |point: &Value| count(&point["queued"]) + count(&point["in_flight"]);
    let most = runs[0]["series"].as_array().unwrap().iter().map(waiting).max().unwrap();
    assert!((900..=1_044).contains(&most), "{most} experts at once");
}

#[test]
fn mariadb_has_no_queue() {
    let output = Lab::new().run(&["--database-url", "mysql://localhost/x", "--queue", "apalis"]);
    assert_eq!(output.status.code(), Some(2));
    let expect =
        "error: queue is apalis, allowed is none on MySQL and MariaDB; apalis on PostgreSQL and SQLite\n";
    assert_eq!(text(&output.stderr), expect);
}
