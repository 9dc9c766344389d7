//! The command as it is typed: the rows it writes, and what it says to bad input.
#![expect(clippy::unwrap_used, reason = "a helper of these tests that cannot help ends the test")]

use std::fs::read_to_string;
use std::process::{Command, Output};

use serde_json::Value;

fn bench(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidegate-bench")).args(args).output().unwrap()
}

/// The cases of a subject that makes calls wait; changes of the limit aside.
const WAITING: [&str; 12] = [
    "free",
    "queue",
    "contended_2",
    "contended_8",
    "contended_64",
    "contended_1024",
    "contended_2_mt",
    "contended_8_mt",
    "contended_64_mt",
    "contended_1024_mt",
    "waiters_100k",
    "cancel_100k",
];

const SUBJECTS: [&str; 10] = [
    "bare",
    "floor",
    "tokio_semaphore",
    "tower_concurrency_limit",
    "tidegate_limit",
    "tidegate_limit_recorder",
    "tidegate_queue",
    "tower_resilience_aimd",
    "congestion_limiter_aimd",
    "little_loadshedder",
];

fn cases_of(subject: &str) -> Vec<&'static str> {
    let mut cases = match subject {
        "floor" => vec!["free"],
        // Its limit and its queue are its own choice.
        "little_loadshedder" => {
            WAITING.into_iter().filter(|case| *case == "free" || case.starts_with("contended")).collect()
        }
        _ => WAITING.to_vec(),
    };
    if subject == "tidegate_limit" {
        cases.extend(["resize_idle", "resize_100k"]);
    }
    cases
}

#[track_caller]
fn check_row(row: &Value) {
    let subject = row["subject"].as_str().unwrap();
    for field in ["ns", "ns_min", "ns_max", "wall_ns", "allocs", "bytes"] {
        assert!(row[field].is_number(), "{field} of {row}");
    }
    assert!(
        row["ns_min"].as_f64() <= row["ns"].as_f64() && row["ns"].as_f64() <= row["ns_max"].as_f64(),
        "{row}"
    );
    assert!(row.as_object().unwrap().contains_key("ratio_to_tower"), "{row}");
    let case = row["case"].as_str().unwrap();
    assert_eq!(row["threads"], if case.ends_with("_mt") { 2 } else { 1 }, "{row}");
    assert_eq!(row.get("fairness").is_some(), case.starts_with("contended"), "{row}");
    if case == "free" && ["floor", "tokio_semaphore", "tower_concurrency_limit"].contains(&subject) {
        assert_eq!(row["allocs"], 0.0, "{row}");
    }
    if case == "waiters_100k" && subject == "tower_concurrency_limit" {
        // A box of tokio's own future each: the counting is not idle.
        assert!(row["heap_bytes"].as_f64() >= Some(64.0), "{row}");
    }
}

#[test]
fn every_subject_has_a_row_of_every_case_it_can_be_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.json");
    let ran = bench(&["overhead", "--tiny", "--passes", "1", "--json", path.to_str().unwrap()]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_str(&read_to_string(&path).unwrap()).unwrap();
    assert_eq!(report["schema"], 1);
    assert!(report["machine"]["cores"].as_u64() >= Some(1));
    let rows = report["rows"].as_array().unwrap();
    rows.iter().for_each(check_row);
    for subject in SUBJECTS {
        let mut found: Vec<&str> = rows
            .iter()
            .filter(|row| row["subject"] == subject)
            .map(|row| row["case"].as_str().unwrap())
            .collect();
        let mut expected = cases_of(subject);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{subject}");
    }
    assert_eq!(rows.iter().filter(|row| !SUBJECTS.contains(&row["subject"].as_str().unwrap())).count(), 0);
    let table = String::from_utf8_lossy(&ran.stdout);
    for part in ["tidegate_limit", "contended_1024_mt: ", "resize_100k: "] {
        assert!(table.contains(part), "{part} in {table}");
    }
}

#[test]
fn one_case_runs_alone_for_a_profiler() {
    for case in ["free", "queue", "cancel_100k"] {
        let ran = bench(&["once", "--subject", "tidegate_limit", "--case", case, "--calls", "100"]);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.stdout, b"");
    }
}

#[track_caller]
fn check_fairness(row: &Value) {
    let limit = row["limit"].as_u64().unwrap();
    let held: f64 = row["held"].as_array().unwrap().iter().map(|held| held.as_f64().unwrap()).sum();
    assert!((held - f64::from(u32::try_from(limit).unwrap())).abs() < 0.01, "all permits are held: {row}");
    assert_eq!(row["peak_in_flight"], limit, "{row}");
    assert!(row["longest_wait_in_queue"].as_f64() >= row["longest_wait"].as_f64(), "{row}");
    let is_equal = row["world"] == "equal";
    assert_eq!(row.get("error_at_any_moment").is_some(), is_equal, "{row}");
    assert_eq!(row.get("slow_key").is_some(), row["world"] == "slow_key", "{row}");
    if is_equal {
        assert!(row["error"].as_f64() <= Some(0.01), "{row}");
        assert!(row["error_at_any_moment"].as_f64() <= Some(1.0), "{row}");
        // The ideal is the mean. (A slow key that is given more time than its share waits less.)
        assert!(row["longest_wait"].as_f64() >= row["ideal_wait"].as_f64(), "{row}");
        // A key is never put off by more than the time of one call, and its ideal.
        assert!(row["longest_wait"].as_f64() <= Some(row["ideal_wait"].as_f64().unwrap() + held), "{row}");
    }
    assert!(row["error"].as_f64() <= Some(1.0), "{row}");
}

#[test]
fn shares_are_exact_to_one_permit_at_every_small_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fairness.json");
    let ran = bench(&["fairness", "--json", path.to_str().unwrap()]);
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_str(&read_to_string(&path).unwrap()).unwrap();
    assert_eq!((&report["schema"], &report["seed"]), (&Value::from(1), &Value::from(1)));
    let rows = report["rows"].as_array().unwrap();
    rows.iter().for_each(check_fairness);
    let mut expected = 0;
    for shares in [vec![5, 5], vec![9, 1], vec![7, 2, 1]] {
        for limit in 1..=20 {
            for (world, runs) in [("equal", 1), ("exponential", 1), ("slow_key", shares.len())] {
                let of_case = |row: &&Value| {
                    row["shares"] == Value::from(shares.clone())
                        && row["limit"] == limit
                        && row["world"] == world
                };
                assert_eq!(rows.iter().filter(of_case).count(), runs, "{shares:?} {limit} {world}");
                expected += runs;
            }
        }
    }
    assert_eq!(rows.len(), expected);
    let table = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(table.matches("Worst of limits 1 to 20: ").count(), 3, "{table}");
    assert_eq!(table.matches("\n|    20 | ").count(), 3, "{table}");
    // What the shares are compared with gives a tenth of a limit of 1 to 5 nothing.
    let light = rows.iter().filter(|row| row["shares"] == Value::from(vec![9, 1]) && row["world"] == "equal");
    for row in light {
        assert_eq!(row["rounded"]["wait"].is_null(), row["limit"].as_u64() <= Some(5), "{row}");
    }
}

#[track_caller]
fn check_refused(args: &[&str], part: &str) {
    let ran = bench(args);
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{said}");
    assert!(said.starts_with("error: ") && said.contains(part) && said.lines().count() == 1, "{said}");
    assert_eq!(ran.stdout, b"");
}

#[test]
fn bad_input_is_one_line_and_exit_code_2() {
    check_refused(&["overhead", "--passes", "0"], "0 is not in 1..=1001");
    check_refused(&["overhead", "--passes", "many"], "'many'");
    check_refused(&["overhead", "--case", "freee"], r#"case is "freee", allowed is one of free, queue,"#);
    check_refused(&["overhead", "--subject", ""], r#"subject is "", allowed is one of bare, floor,"#);
    check_refused(&["overhead", "--json", "/"], "json is /, allowed is a path");
    check_refused(
        &["once", "--subject", "floor", "--case", "queue", "--calls", "9"],
        r#"case is "queue" of floor, allowed"#,
    );
    check_refused(
        &["once", "--subject", "bare", "--case", "waiters_100k", "--calls", "9"],
        r#"case is "waiters_100k" of bare"#,
    );
    check_refused(&["fairness", "--json", "/"], "json is /, allowed is a path");
    check_refused(&["fairness", "--seed", "-1"], "'-1'");
    check_refused(&["never"], "'never'");
}
