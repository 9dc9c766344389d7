//! The `tidegate` command from outside: what it prints, writes, leaves behind and returns.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of these tests that cannot help ends the test")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, PgConnection};
use tidegate_tests::{Lab, check_bad_input, count, mariadb_url, postgres_url, text};
use url::Url;

#[test]
fn bad_input_gets_one_line_and_exit_code_2_and_leaves_nothing() {
    check_bad_input(&["deep-scan", "--pool", "0"], "pool");
    check_bad_input(&["--jobs", "0"], "jobs");
    check_bad_input(&["--experts", "many"], "experts");
    check_bad_input(&["--queries", "0"], "queries");
    check_bad_input(&["--query-mode", "both"], "query_mode");
    check_bad_input(&["--query-ms", "NaN"], "query_ms");
    check_bad_input(&["--think-ms", "-1"], "think_ms");
    check_bad_input(&["--acquire-timeout", "0s"], "acquire_timeout");
    check_bad_input(&["--duration", "10"], "duration");
    check_bad_input(&["--workload", "tickets"], "workload");
    check_bad_input(&["--workload", "thrash"], "workload");
    check_bad_input(&["--policy", "magic"], "policy");
    check_bad_input(&["--queue", "rabbit"], "queue");
    check_bad_input(&["--min-limit", "5", "--max-limit", "4"], "min_limit");
    check_bad_input(&["--json", "missing/run.json"], "json");
    check_bad_input(&["--report", "."], "report");
    check_bad_input(&["--database-url", "nonsense"], "database_url");
    check_bad_input(&["--database-url", "sqlite://missing/app.db"], "database_url");
    check_bad_input(&["--json", "run", "--report", "run"], "report");
    check_bad_input(&["--json", "run", "--policy", "none", "--trace", "./run"], "trace");
    check_bad_input(&["plan", "--pool", "NaN"], "pool");
    check_bad_input(&["plan", "--json", "missing/plan.json"], "json");
}

#[test]
fn a_server_that_does_not_answer_is_named_without_its_password() {
    for scheme in ["postgres", "mysql"] {
        let url = format!("{scheme}://scott:tiger@127.0.0.1:1/x");
        let args = ["--database-url", &url, "--json", "run.json", "--report", "run.html"];
        check_bad_input(&args, "database_url");
        let lines = text(&Lab::new().run(&args).stderr);
        assert!(lines.contains("127.0.0.1:1") && !lines.contains("tiger"), "{lines}");
    }
}

/// The table used to be lost in silence, with exit code 0.
#[test]
fn a_full_disk_under_the_standard_output_fails_the_command_and_keeps_the_files() {
    let lab = Lab::new();
    let commands = [
        &["--help"][..],
        &["plan", "--json", "out"],
        &["deep-scan", "--duration", "1s", "--policy", "adaptive", "--json", "out"],
        &["simulate", "--only", "small_pool", "--laws", "none", "--seeds", "1", "--json", "out"],
    ];
    for args in commands {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = lab.command(args).stdout(full).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        let errors: Vec<_> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{args:?}: {said}");
        assert!(errors[0].starts_with("error: cannot write to the standard output: No space"), "{said}");
        if args.contains(&"--json") {
            std::fs::remove_file(lab.path("out")).unwrap();
        }
        lab.check_empty();
    }
    // Nobody who reads on is no error.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = lab.command(&["plan"]).stdout(writer).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn options_that_do_not_exist_get_one_line_too() {
    for args in [&["--frobnicate"][..], &["--jobs"], &["deep-scan", "now"], &["plan", "--workload", "ticket"]]
    {
        let output = Lab::new().run(args);
        let said = text(&output.stderr);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        assert!(said.starts_with("error: ") && said.trim_end().ends_with("; see --help"), "{said}");
    }
    let output = Lab::new().run(&["simulate", "--pool", "5"]);
    assert!(text(&output.stderr).contains(" not provided: --trace <FILE>; see --help"), "{output:?}");
    let help = Lab::new().run(&["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("deep-scan"));
}

#[test]
fn every_bad_field_is_reported_at_once() {
    let output = Lab::new().run(&["--pool", "0", "--jobs", "0", "--policy", "magic"]);
    assert_eq!(text(&output.stderr).lines().count(), 3);
}

#[test]
fn the_ticket_fails_without_a_limit_and_not_with_the_adaptive_one() {
    let lab = Lab::new();
    let json = lab.json(&["--duration", "2s", "--policy", "none,adaptive"], 0);
    let [none, adaptive] = [0, 1].map(|i| &json["runs"][i]);
    assert!(count(&none["errors"]["pool_timeout"]) > 0 && count(&none["jobs_failed"]) > 0, "{none}");
    assert!(none["limit"]["mean"].is_null() && none["series"][0]["limit"].is_null());
    assert_eq!(count(&adaptive["connection_errors"]), 0, "{adaptive}");
    assert_eq!((count(&adaptive["jobs_failed"]), adaptive["errors"].as_object().unwrap().len()), (0, 0));
    assert!(count(&adaptive["jobs_ok"]) > 0 && count(&adaptive["limit"]["last"]) > 0);
    assert!(adaptive["writer_wait_ms"]["p50"].is_number());
    let first = count(&adaptive["limit"]["min"]);
    let changes = adaptive["decisions"].as_array().unwrap();
    assert!(changes.iter().all(|change| change["from"] != change["to"] && change["reason"].is_string()));
    assert!(first >= 1 && json["machine"]["database"] == "sqlite" && json["workload"]["name"] == "ticket");
}

#[test]
fn shadow_mode_holds_nobody_back_and_says_what_it_would_have_done() {
    let lab = Lab::new();
    let json = lab.json(&["--duration", "2s", "--policy", "shadow"], 0);
    let run = &json["runs"][0];
    let points = run["series"].as_array().unwrap();
    assert!(points.iter().all(|point| count(&point["queued"]) == 0), "{run}");
    // All 55 experts are at work at once, which the pool of 20 does not bear.
    assert!(points.iter().any(|point| count(&point["in_flight"]) > 40), "{run}");
    assert!(count(&run["errors"]["pool_timeout"]) > 0, "{run}");
    assert!((1..40).contains(&count(&run["limit"]["last"])), "{run}");
    assert!(count(&run["shadow"]["would_have_queued"]) > 10, "{run}");
    assert!(run["shadow"]["would_have_waited_s"].as_f64().unwrap() > 1.0, "{run}");
}

#[test]
fn an_adaptive_run_with_connection_errors_fails_the_command() {
    // A least limit above all experts is no limit.
    let args = ["--duration", "2s", "--policy", "adaptive", "--min-limit", "55"];
    let json = Lab::new().json(&args, 1);
    assert!(count(&json["runs"][0]["connection_errors"]) > 0);
}

#[test]
fn fixed_limits_hold_over_all_jobs_or_in_each() {
    let args = ["--duration", "1s", "--query-ms", "20", "--policy", "fixed:3,per-job:2"];
    let json = Lab::new().json(&args, 0);
    for (run, limit) in [(0, 3), (1, 10)] {
        let run = &json["runs"][run];
        assert_eq!(count(&run["limit"]["max"]), limit);
        let in_flight = run["series"].as_array().unwrap().iter().map(|point| count(&point["in_flight"]));
        let most = in_flight.max().unwrap();
        assert!((1..=limit).contains(&most), "{most} of {limit} in flight");
        assert!(count(&run["experts_ok"]) > 0);
    }
}

#[test]
fn the_oracle_shows_what_it_tried_and_uses_the_best() {
    // One job of two experts on a pool of four: two at once is twice as fast as one.
    let args = ["--jobs", "1", "--experts", "2", "--pool", "4", "--duration", "1s", "--query-ms", "20"];
    let json = Lab::new().json(&[&args[..], &["--policy", "oracle"]].concat(), 0);
    let run = &json["runs"][0];
    assert_eq!((count(&run["oracle_limit"]), count(&run["limit"]["max"])), (2, 2));
    let tried: Vec<_> =
        run["oracle_sweep"].as_array().unwrap().iter().map(|trial| count(&trial["limit"])).collect();
    assert_eq!(tried, [1, 2, 2, 1]);
}

#[test]
fn nested_queries_stay_under_the_deadlock_free_ceiling() {
    let args = ["--workload", "nested", "--duration", "2s", "--policy", "none,adaptive"];
    let json = Lab::new().json(&args, 0);
    assert!(count(&json["runs"][0]["errors"]["pool_timeout"]) > 0);
    let adaptive = &json["runs"][1];
    assert!(count(&adaptive["limit"]["max"]) <= 19 && count(&adaptive["jobs_ok"]) > 0, "{adaptive}");
}

/// The series' values of a run in a span of its time.
fn between(run: &Value, from_s: f64, to_s: f64, key: &str) -> Vec<f64> {
    let points = run["series"].as_array().unwrap().iter();
    let within = points.filter(|point| (from_s..to_s).contains(&point["t_s"].as_f64().unwrap()));
    within.map(|point| point[key].as_f64().unwrap()).collect()
}

#[test]
fn a_burst_is_a_second_of_demand_and_a_second_without() {
    let args = ["--workload", "burst", "--duration", "2s", "--policy", "fixed:20"];
    let json = Lab::new().json(&args, 0);
    let run = &json["runs"][0];
    assert!(between(run, 0.0, 1.0, "in_flight").iter().any(|count| *count > 0.0));
    let idle = between(run, 1.6, 2.0, "in_flight");
    assert!(!idle.is_empty() && idle.iter().all(|count| *count < 0.5), "{idle:?}");
}

#[test]
fn queries_are_slower_in_the_middle_third_of_slowdown() {
    let args = ["--workload", "slowdown", "--duration", "3s", "--policy", "fixed:5"];
    let json = Lab::new().json(&args, 0);
    let mean = |from_s, to_s| {
        let rates = between(&json["runs"][0], from_s, to_s, "experts_per_s");
        rates.iter().sum::<f64>() / 10.0
    };
    let (first, middle) = (mean(0.0, 1.05), mean(1.15, 2.05));
    assert!(middle < first / 2.0, "{middle} of {first} experts a second");
}

#[test]
fn experts_think_before_they_ask() {
    let args =
        ["--think-ms", "300", "--query-ms", "0", "--jobs", "1", "--duration", "1s", "--policy", "none"];
    let json = Lab::new().json(&args, 0);
    let p50 = json["runs"][0]["expert_ms"]["p50"].as_f64().unwrap();
    assert!((300.0..900.0).contains(&p50), "{p50}");
}

#[test]
fn tries_at_once_amplify_what_an_overloaded_pool_is_asked() {
    let args = ["--workload", "retries", "--acquire-timeout", "300ms", "--duration", "3s"];
    let json = Lab::new().json(&[&args[..], &["--policy", "none"]].concat(), 0);
    let run = &json["runs"][0];
    assert_eq!((count(&json["workload"]["tries"]), count(&json["workload"]["jobs"])), (3, 10));
    // An expert that is tried once has two queries that can fail.
    let failed = count(&run["errors"]["pool_timeout"]);
    let ended = count(&run["jobs_failed"]) + count(&run["jobs_unfinished"]);
    let asked = count(&run["experts_ok"]) + ended * 11;
    assert!(failed > 2 * asked, "{failed} timeouts of at most {asked} experts: {run}");
}

#[test]
fn an_expert_updates_row_after_row() {
    let args = ["--workload", "n-plus-one", "--jobs", "1", "--duration", "2s", "--policy", "none"];
    let json = Lab::new().json(&args, 0);
    let run = &json["runs"][0];
    assert!(count(&run["jobs_ok"]) > 0, "{run}");
    // One query and 50 updates for each of 11 experts, and those of the job that the end cut short.
    let queries = run["queries_per_ok_job"].as_f64().unwrap();
    assert!((561.0..1_122.0).contains(&queries), "{queries}");
    assert!((run["amplification"].as_f64().unwrap() - 1.0).abs() < 0.001, "{run}");
}

#[test]
fn a_mix_of_jobs_times_the_small_ones_beside_the_big_one_and_alone() {
    let args =
        ["--workload", "jobs-mixed", "--query-ms", "2", "--duration", "2s", "--policy", "none,fixed:4"];
    let json = Lab::new().json(&args, 0);
    assert_eq!(count(&json["workload"]["big_job_experts"]), 1_000);
    let [none, fifo] = [0, 1].map(|i| &json["runs"][i]["small_jobs"]);
    let p99 = |times: &Value| times["p99"].as_f64().unwrap();
    assert!(p99(&none["alone_ms"]) > 0.0 && p99(&none["beside_ms"]) > 0.0, "{none}");
    // First come, first served: the small ones stand behind a thousand experts.
    assert!(p99(&fifo["beside_ms"]) > 2.0 * p99(&fifo["alone_ms"]), "{fifo}");
    assert!(fifo["p99_ratio"].as_f64().unwrap() > 2.0, "{fifo}");
}

#[test]
fn the_report_is_one_page_with_six_plots() {
    let lab = Lab::new();
    let path = lab.path("run.html");
    let output = lab.run(&["--duration", "1s", "--policy", "adaptive", "--report", &path]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.matches("<svg").count() == 6);
    let printed = text(&output.stdout);
    assert!(
        printed.contains("| adaptive |") && printed.contains("With the adaptive limit no job"),
        "{printed}"
    );
}

#[test]
fn nothing_is_written_unless_asked() {
    let lab = Lab::new();
    assert!(lab.run(&["--duration", "1s", "--policy", "adaptive"]).status.success());
    lab.check_empty();
}

#[test]
fn a_sqlite_url_uses_a_file_beside_the_named_one_and_removes_it() {
    let lab = Lab::new();
    let home = tempfile::tempdir().unwrap();
    let app = home.path().join("app.db");
    std::fs::write(&app, "not even a database").unwrap();
    let url = format!("sqlite://{}", app.display());
    lab.json(&["--database-url", &url, "--duration", "1s", "--policy", "adaptive"], 0);
    assert_eq!(std::fs::read_to_string(&app).unwrap(), "not even a database");
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
}

#[test]
fn the_plan_is_printed_and_written() {
    let lab = Lab::new();
    let path = lab.path("plan.json");
    let args = ["plan", "--pool", "20", "--jobs", "5", "--experts", "11", "--queries", "2"];
    let more = ["--connections-per-expert", "2", "--instances", "6", "--server-max", "100", "--json", &path];
    let output = lab.run(&[&args[..], &more[..]].concat());
    assert!(output.status.success());
    let printed = text(&output.stdout);
    for part in ["110 connections", "90 connections", "19 experts at once", "16 connections for each of 6"] {
        assert!(printed.contains(part), "no {part:?} in:\n{printed}");
    }
    assert!(printed.contains("warning: deadlock:") && printed.contains("warning: server:"), "{printed}");
    assert!(printed.contains("[limiter]\n") && printed.contains("max_limit = 15\n"), "{printed}");
    let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!((count(&json["need"]), count(&json["shortfall"])), (110, 90));
    assert_eq!((count(&json["deadlock_free_ceiling"]), count(&json["fleet_share"])), (19, 16));
    assert_eq!(count(&json["suggestion"]["limiter"]["max_limit"]), 15);
}

/// A running command whose error stream is read as it comes.
struct Running {
    child: Child,
    errors: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(lab: &Lab, args: &[&str]) -> Self {
        let mut command = lab.command(args);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let errors = BufReader::new(child.stderr.take().unwrap());
        Self { child, errors }
    }

    /// Waits for the line that holds `part`.
    fn line_with(&mut self, part: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.errors.read_line(&mut line).unwrap(), 0, "ended before it said {part:?}");
            if line.contains(part) {
                return line;
            }
        }
    }

    /// What is made on the server, as the line about it says.
    fn place(&mut self) -> String {
        let line = self.line_with("tidegate_lab_");
        let name = line.split_whitespace().find(|word| word.starts_with("tidegate_lab_"));
        name.unwrap().to_owned()
    }

    fn signal(&self, signal: &str) {
        let killed = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(killed.unwrap().success());
    }

    fn end(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.errors.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap(), rest)
    }
}

/// Stops a run by `signal` once it says `when`; returns the name of what it had made.
#[track_caller]
fn check_stopped(url: &str, when: &str, signal: &str, code: i32) -> String {
    let lab = Lab::new();
    let args = ["--database-url", url, "--duration", "60s", "--policy", "none", "--json", "run.json"];
    let mut running = Running::start(&lab, &args);
    let place = running.place();
    if !when.is_empty() {
        running.line_with(when);
    }
    running.signal(signal);
    let (status, said) = running.end();
    assert_eq!(status.code(), Some(code), "{said}");
    assert!(said.contains("everything the run made is removed"), "{said}");
    lab.check_empty();
    place
}

async fn is_on_postgres(schema: &str) -> bool {
    let mut conn = PgConnection::connect(&postgres_url()).await.unwrap();
    let query = sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = $1");
    let found: i64 = query.bind(schema).fetch_one(&mut conn).await.unwrap();
    found > 0
}

async fn is_on_mariadb(database: &str) -> bool {
    let mut conn = MySqlConnection::connect(&mariadb_url()).await.unwrap();
    let query = sqlx::query_scalar("SELECT count(*) FROM information_schema.schemata WHERE schema_name = ?");
    let found: i64 = query.bind(database).fetch_one(&mut conn).await.unwrap();
    found > 0
}

/// Runs every policy but the oracle on a server; returns the name of what was made there, seen to exist meanwhile.
fn check_server(url: &str, kind: &str, exists: impl Fn(&str) -> bool) {
    let lab = Lab::new();
    let args = [
        "--database-url",
        url,
        "--duration",
        "1s",
        "--policy",
        "none,fixed:8,adaptive",
        "--json",
        "run.json",
    ];
    let mut running = Running::start(&lab, &args);
    let place = running.place();
    running.line_with("none: running");
    assert!(exists(&place), "{place} was not made");
    let (status, said) = running.end();
    assert!(status.success(), "{said}");
    assert!(!exists(&place), "{place} is left behind");
    let json: Value = serde_json::from_slice(&std::fs::read(lab.path("run.json")).unwrap()).unwrap();
    assert_eq!(json["machine"]["database"], kind);
    for run in json["runs"].as_array().unwrap() {
        assert!(count(&run["experts_ok"]) > 0, "{run}");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

#[test]
fn a_run_on_postgres_removes_its_schema() {
    check_server(&postgres_url(), "postgres", |schema| block_on(is_on_postgres(schema)));
}

#[test]
fn a_run_on_mariadb_removes_its_database() {
    check_server(&mariadb_url(), "mariadb", |database| block_on(is_on_mariadb(database)));
}

#[test]
fn a_stopped_run_on_postgres_removes_its_schema() {
    let url = postgres_url();
    for (when, signal, code) in
        [("none: running", "-INT", 130), ("", "-INT", 130), ("none: running", "-TERM", 143)]
    {
        let schema = check_stopped(&url, when, signal, code);
        assert!(!block_on(is_on_postgres(&schema)), "{schema} is left behind after {signal} at {when:?}");
    }
}

#[test]
fn a_stopped_run_on_mariadb_removes_its_database() {
    for when in ["none: running", ""] {
        let database = check_stopped(&mariadb_url(), when, "-INT", 130);
        assert!(!block_on(is_on_mariadb(&database)), "{database} is left behind after {when:?}");
    }
}

#[test]
fn a_stopped_run_on_sqlite_removes_its_directory() {
    for when in ["none: running", "making the file"] {
        let lab = Lab::new();
        let mut running = Running::start(&lab, &["--duration", "60s", "--policy", "none"]);
        running.line_with(when);
        running.signal("-INT");
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(130), "{said}");
        lab.check_empty();
    }
}

#[test]
fn a_user_who_may_not_make_a_schema_is_told_so() {
    let guest = format!("tidegate_guest_{}", std::process::id());
    let as_owner = |statement: String| {
        block_on(async {
            let mut conn = PgConnection::connect(&postgres_url()).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut conn).await.unwrap();
        });
    };
    as_owner(format!("CREATE ROLE {guest} LOGIN PASSWORD 'tiger'"));
    let mut url = Url::parse(&postgres_url()).unwrap();
    url.set_username(&guest).unwrap();
    url.set_password(Some("tiger")).unwrap();
    let output = Lab::new().run(&["--database-url", url.as_str(), "--duration", "1s"]);
    as_owner(format!("DROP ROLE {guest}"));
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("error: database_url is postgres://{guest}@")), "{said}");
    assert!(said.contains("permission denied") && !said.contains("tiger"), "{said}");
}

#[test]
fn hot_rows_are_fought_for_on_a_server() {
    let args = ["--workload", "thrash", "--duration", "2s", "--policy", "none", "--database-url"];
    let json = Lab::new().json(&[&args[..], &[&mariadb_url()]].concat(), 0);
    assert!(count(&json["runs"][0]["errors"]["deadlock"]) > 0, "{}", json["runs"][0]["errors"]);
}
