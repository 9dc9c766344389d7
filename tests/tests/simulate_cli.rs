//! `tidegate simulate` from outside.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a helper of these tests that cannot help ends the test")]

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;
use tidegate_tests::{Lab, check_bad_input, count, text};

/// A scenario that takes milliseconds.
const SMALL: &str = r#"
    name = "small"
    about = "two jobs in front of a pool of four"
    seeds = [1]
    duration_s = 20
    load = { jobs = 2, experts = 6, queries = 1, think = { mean_ms = 50 } }
    pool = { max = 4, acquire_timeout_ms = 1000 }
    database = { query = { mean_ms = 20 } }
    oracle = [{ limit = 12, goodput = 81 }]
"#;

/// A lab with that scenario in a folder of its own.
fn small() -> Lab {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("scenarios")).unwrap();
    std::fs::write(lab.path("scenarios/small.toml"), SMALL).unwrap();
    lab
}

fn law<'a>(json: &'a Value, name: &str) -> &'a Value {
    let laws = json["scenarios"][0]["laws"].as_array().unwrap();
    laws.iter().find(|law| law["law"] == name).unwrap()
}

#[test]
fn bad_input_gets_one_line_and_exit_code_2() {
    check_bad_input(&["simulate", "--seeds", "0"], "seeds");
    check_bad_input(&["simulate", "--laws", "magic"], "laws");
    check_bad_input(&["simulate", "--laws", "default,default"], "laws");
    check_bad_input(&["simulate", "--laws", "all,default"], "laws");
    check_bad_input(&["simulate", "--only", "nowhere"], "only");
    check_bad_input(&["simulate", "--only", "nested,nested"], "only");
    check_bad_input(&["simulate", "--only", ""], "only");
    check_bad_input(&["simulate", "--vary", "luck"], "vary");
    check_bad_input(&["simulate", "--vary", "keep,keep"], "vary");
    check_bad_input(&["simulate", "--scenarios", "missing"], "scenarios");
    check_bad_input(&["simulate", "--scenarios", "."], "scenarios");
    check_bad_input(&["simulate", "--json", "missing/board.json"], "json");
    check_bad_input(&["simulate", "--report", "."], "report");
    check_bad_input(&["simulate", "--json", "board", "--report", "board"], "report");
}

#[test]
fn a_file_that_is_no_scenario_is_named() {
    let lab = small();
    std::fs::write(lab.path("scenarios/small.toml"), SMALL.replace("max = 4", "max = 0")).unwrap();
    let output = lab.run(&["simulate", "--scenarios", "scenarios"]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("small.toml") && said.contains("max"), "{said}");
}

/// Their rows used to stand under one name, as if they were of one scenario.
#[test]
fn two_scenarios_of_one_name_are_refused() {
    let lab = small();
    std::fs::copy(lab.path("scenarios/small.toml"), lab.path("scenarios/twin.toml")).unwrap();
    let output = lab.run(&["simulate", "--scenarios", "scenarios"]);
    let said = text(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    assert!(said.contains("twin.toml") && said.contains("a scenario small, too"), "{said}");
}

#[test]
fn the_json_has_a_row_for_the_oracle_and_each_law() {
    let lab = small();
    let args = ["simulate", "--scenarios", "scenarios", "--laws", "default,fixed:1", "--seeds", "2"];
    let json = run(&lab, &args);
    assert_eq!((&json["schema"], &json["scenarios"][0]["name"]), (&1.into(), &"small".into()));
    let share = |name: &str| law(&json, name)["goodput_of_oracle"]["median"].as_f64().unwrap();
    assert!(share("oracle") > 0.9 && share("default") > 0.9 && share("fixed:1") < 0.5, "{json}");
    for key in ["timeouts", "failed_jobs"] {
        assert!(law(&json, "default")[key]["worst"].is_number(), "{json}");
    }
    for key in ["expert_p99_ms", "pool_wait_p99_ms", "limit_cv"] {
        assert!(law(&json, "default")[key].is_number(), "{json}");
    }
    assert!(law(&json, "default")["converge_s"][0].as_f64().unwrap() < 5.0, "{json}");
    assert!(law(&json, "default")["converge_decisions"][0].as_f64().unwrap() < 10.0, "{json}");
    assert!(law(&json, "fixed:1")["converge_s"][0].is_null(), "{json}");
    assert_eq!(run(&lab, &args), json, "a seed replays");
}

/// It used to be 1048575, which somebody may have taken for a limit.
#[test]
fn no_limit_is_null_in_the_json() {
    let lab = small();
    let json = run(&lab, &["simulate", "--scenarios", "scenarios", "--laws", "none,fixed:1", "--seeds", "2"]);
    for key in ["limit_mean", "limit_cv", "overshoot"] {
        assert!(law(&json, "none")[key].is_null() && law(&json, "fixed:1")[key].is_number(), "{json}");
    }
}

/// Runs it and reads the JSON.
fn run(lab: &Lab, args: &[&str]) -> Value {
    let path = lab.path("board.json");
    let output = lab.run(&[args, &["--json", &path]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    for part in
        ["scenarios under fixed limits: 1\n100%: small\n", "runs: 6\n", "100%: small, ", "events a second"]
    {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
    let json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    std::fs::remove_file(path).unwrap();
    json
}

#[test]
fn the_built_in_scenarios_are_played_anywhere_and_the_page_needs_nothing_but_itself() {
    let lab = Lab::new();
    let args = ["simulate", "--only", "nested,stall", "--laws", "none,default", "--seeds", "1"];
    let output = lab.run(&[&args[..], &["--report", "board.html"]].concat());
    let said = text(&output.stdout);
    assert!(
        output.status.success() && said.contains("nested\n") && said.contains("worst case first"),
        "{said}"
    );
    let page = std::fs::read_to_string(lab.path("board.html")).unwrap();
    assert_eq!(page.matches("<svg").count(), 2);
    // No limit is no line: it used to press the others to the ground of the plot.
    let label = page.split("aria-label=\"Limit over time: ").nth(1).unwrap();
    let label = label.split('"').next().unwrap();
    assert!(label.starts_with("oracle mean 19.0, default mean ") && !label.contains("none"), "{label}");
    assert!(page.contains("The law with the best worst case is \u{201c}default\u{201d}: "));
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    for link in ["http:", "https:", "<script", "src=", "@import", "url("] {
        assert!(!outside.contains(link), "{link}");
    }
}

#[test]
fn constants_can_be_varied() {
    let lab = small();
    let output =
        lab.run(&["simulate", "--scenarios", "scenarios", "--vary", "keep,jump_max", "--seeds", "1"]);
    let said = text(&output.stdout);
    for part in ["`keep`", "As it is: ", "0.6: ", "0.857: ", "`jump_max`", "4: ", "16: "] {
        assert!(said.contains(part), "no {part:?} in:\n{said}");
    }
}

/// With a shorter queue accepted in the pool the limit is lower.
#[test]
fn a_varied_constant_is_the_one_that_is_played() {
    let lab = Lab::new();
    let args = ["--only", "small_pool", "--vary", "queue_factor", "--seeds", "1", "--json", "board.json"];
    let output = lab.run(&[&["simulate"][..], &args].concat());
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&std::fs::read(lab.path("board.json")).unwrap()).unwrap();
    let limit = |name: &str| law(&json, name)["limit_mean"].as_f64().unwrap();
    let [low, as_it_is, high] = ["queue_factor=2", "default", "queue_factor=8"].map(limit);
    assert!(low + 1.0 < as_it_is && low + 1.0 < high && as_it_is < high, "{low}, {as_it_is}, {high}");
}

/// Twenty calls at once that hold two connections each for 100 ms.
fn trace(first: &str) -> String {
    let call = r#"{"arrival_ms":0,"queries":2,"mode":"parallel","use_ms":100,"took_ms":400,"outcome":"ok"}"#;
    format!("{first}\n{}", vec![call; 20].join("\n"))
}

#[test]
fn a_trace_is_played_under_another_setting() {
    let lab = Lab::new();
    std::fs::write(lab.path("calls"), trace(r#"{"pool":20,"acquire_timeout_ms":250}"#)).unwrap();
    let args = ["simulate", "--trace", "calls", "--json", "replay.json"];
    let play = |more: &[&str]| -> Value {
        let output = lab.run(&[&args[..], more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&std::fs::read(lab.path("replay.json")).unwrap()).unwrap()
    };
    let names = |json: &Value| {
        let laws = json["laws"].as_array().unwrap().iter();
        laws.map(|row| row["law"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&play(&[])), ["recorded", "default", "none"]);
    let said = text(&lab.run(&args).stderr);
    assert!(said.starts_with("laws: 2\n50%: ") && said.contains("\n100%: "), "{said}");
    let laws = ["--laws", "none,fixed:5"];
    let play = |more: &[&str]| play(&[&laws[..], more].concat());
    let row = |json: &Value, number: usize, key: &str| count(&json["laws"][number][key]);
    let json = play(&[]);
    assert_eq!(names(&json), ["recorded", "none", "fixed:5"]);
    assert_eq!((row(&json, 0, "done"), row(&json, 0, "failed")), (20, 0), "{json}");
    let p50 = json["laws"][0]["call_p50_ms"].as_f64().unwrap();
    assert!((399.0..401.0).contains(&p50), "{json}");
    let limits = [0, 1, 2].map(|number| json["laws"][number]["limit_mean"].as_f64());
    assert_eq!(limits, [None, None, Some(5.0)], "{json}");
    assert_eq!((row(&json, 1, "done"), row(&json, 1, "failed")), (20, 0), "{json}");
    // A pool half as large: some of forty queries at once wait too long; of ten at once none does.
    let half = play(&["--pool", "10"]);
    assert!(row(&half, 1, "failed") > 0 && row(&half, 1, "timeouts") > 0, "{half}");
    assert_eq!((row(&half, 2, "done"), row(&half, 2, "unfinished")), (20, 0), "{half}");
    let patient = play(&["--pool", "10", "--acquire-timeout", "1s"]);
    assert_eq!(row(&patient, 1, "done"), 20, "{patient}");
}

#[test]
fn a_trace_that_cannot_be_played_is_named() {
    check_bad_input(&["simulate", "--trace", "missing"], "trace");
    let lab = Lab::new();
    std::fs::write(lab.path("calls"), trace("")).unwrap();
    let output = lab.run(&["simulate", "--trace", "calls", "--pool", "0"]);
    assert!(text(&output.stderr).starts_with("error: pool is 0, allowed is "), "{output:?}");
    let output = lab.run(&["simulate", "--trace", "calls", "--pool", "5"]);
    assert!(text(&output.stderr).starts_with("error: acquire_timeout is absent, allowed is "), "{output:?}");
    let nested = trace(r#"{"pool":1,"acquire_timeout_ms":250}"#).replace("parallel", "nested");
    std::fs::write(lab.path("calls"), nested).unwrap();
    let output = lab.run(&["simulate", "--trace", "calls"]);
    assert!(text(&output.stderr).contains("connections_per_call is 2, allowed is 1 to 1"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
    // What is read is not overwritten.
    let output = lab.run(&["simulate", "--trace", "calls", "--json", "./calls"]);
    assert!(
        text(&output.stderr).contains("error: json is calls, allowed is a file other than"),
        "{output:?}"
    );
    std::fs::write(lab.path("calls"), trace("{}").replace("use_ms", "used")).unwrap();
    let output = lab.run(&["simulate", "--trace", "calls"]);
    assert!(text(&output.stderr).contains("line 2 of the trace: unknown field `used`"), "{output:?}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_run_is_recorded_and_played_again() {
    let lab = Lab::new();
    let args = ["--duration", "2s", "--query-ms", "20", "--policy", "fixed:5", "--trace", "calls"];
    assert!(lab.run(&[&["deep-scan"][..], &args, &["--think-ms", "3"]].concat()).status.success());
    // All 55 experts of the first jobs are asked for at once, though only five may work.
    let calls = std::fs::read_to_string(lab.path("calls")).unwrap();
    let mut calls = calls.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    assert_eq!(calls.next().unwrap(), serde_json::json!({"pool": 20, "acquire_timeout_ms": 1000.0}));
    let calls: Vec<Value> = calls.collect();
    let is_first = |call: &&Value| call["arrival_ms"].as_f64().unwrap() < 50.0;
    assert_eq!(calls.iter().filter(is_first).count(), 55, "{calls:?}");
    assert!(calls.iter().all(|call| call["think_ms"] == 3.0 && call["use_ms"].as_f64().unwrap() >= 20.0));
    let output = lab.run(&["simulate", "--trace", "calls", "--laws", "fixed:5", "--json", "replay.json"]);
    assert!(output.status.success(), "{output:?}");
    let json: Value = serde_json::from_slice(&std::fs::read(lab.path("replay.json")).unwrap()).unwrap();
    let done = count(&json["laws"][0]["done"]);
    assert!(done > 20 && count(&json["laws"][0]["failed"]) == 0, "{json}");
    assert_eq!((count(&json["laws"][1]["done"]), &json["pool"]), (done, &20.into()), "{json}");
}

/// How near they are is a matter of a machine that has nothing else to do, so it is no test.
#[test]
fn a_workload_is_run_for_real_and_in_the_simulator() {
    check_bad_input(&["agreement", "--workload", "tickets"], "workload");
    check_bad_input(&["agreement", "--workload", "thrash"], "workload");
    check_bad_input(&["agreement", "--workload", "short,short"], "workload");
    check_bad_input(&["agreement", "--duration", "0s"], "duration");
    let lab = Lab::new();
    let output = lab.run(&["agreement", "--workload", "nested", "--duration", "2s", "--json", "both.json"]);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let json: Value = serde_json::from_slice(&std::fs::read(lab.path("both.json")).unwrap()).unwrap();
    let row = &json["workloads"][0];
    for side in ["real", "simulated"] {
        assert!(row[side]["goodput"].as_f64().unwrap() > 10.0, "{row}");
        // The deadlock-free ceiling is 19.
        assert!((1.0..=19.0).contains(&row[side]["limit_mean"].as_f64().unwrap()), "{row}");
    }
    assert!(row["costs"]["query_ms"].as_f64().unwrap() > 20.0, "{row}");
    assert_eq!(text(&output.stdout).contains("agree within 10%"), output.status.success(), "{output:?}");
}

#[test]
fn a_signal_ends_it_and_leaves_nothing() {
    let lab = Lab::new();
    let mut child = lab
        .command(&[
            "simulate",
            "--only",
            "nested",
            "--laws",
            "default",
            "--seeds",
            "1000",
            "--json",
            "board.json",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = child.stderr.take().unwrap();
    let mut first = [0];
    errors.read_exact(&mut first).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    lab.check_empty();
}
