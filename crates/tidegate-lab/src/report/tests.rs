use super::*;
use crate::args::DeepScanArgs;
use crate::error_kind::ErrorKind;
use crate::recorder::Tally;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn point(t_s: f64, limit: Option<u32>) -> Point {
    Point {
        t_s,
        limit,
        in_flight: 10,
        queued: 45,
        free: 0,
        pool_wait_ms: (t_s > 0.15).then_some(2.5),
        experts_per_s: 50.0,
    }
}

fn measured(limit: Option<u32>, pool_timeouts: u64) -> Measured {
    let mut tally = Tally {
        jobs_ok: 40,
        experts_ok: 480,
        queries: 960,
        queries_of_ended: 880 + 110 * pool_timeouts,
        jobs_failed: pool_timeouts,
        ..Tally::default()
    };
    tally.expert_time.add(MS(200));
    tally.pool_wait.add(MS(3));
    if pool_timeouts > 0 {
        tally.errors.insert(ErrorKind::PoolTimeout, pool_timeouts);
        tally.errors.insert(ErrorKind::Deadlock, 1);
    }
    let series = vec![point(0.1, limit), point(0.2, limit.map(|limit| limit + 4))];
    let change = |from| {
        let text = "limit 10 → 14: more & more".to_owned();
        Change { t_s: 0.15, from, to: from + 4, reason: "probe", text }
    };
    let changes = limit.map(change).into_iter().collect();
    Measured {
        duration: MS(10_000),
        pool: 20,
        ideal_queries: 880,
        tally,
        series,
        changes,
        shadow: None,
        job_limit: None,
        rows: None,
        trace: None,
        use_ms: None,
    }
}

/// A report of `none` with nine pool timeouts and of `adaptive`, with the oracle if asked.
fn report(with_oracle: bool, adaptive_timeouts: u64) -> Report {
    let args = DeepScanArgs { policy: Some("none,adaptive".to_owned()), ..DeepScanArgs::default() };
    let scan = Scan::from_args(&args).unwrap();
    let machine = Machine {
        cores: 2,
        os: "linux",
        arch: "x86_64",
        database: "sqlite",
        database_version: "3.<b>".to_owned(),
    };
    let mut report = Report::of(&scan, machine);
    report.runs.push(RunReport::new(Policy::None, &measured(None, 9)));
    report.runs.push(RunReport::new(Policy::Adaptive, &measured(Some(10), adaptive_timeouts)));
    if with_oracle {
        let trial = Trial { limit: 12, duration_s: 2.0, experts_per_s: 49.0, connection_errors: 0 };
        report.runs.push(RunReport::new(Policy::Oracle, &measured(Some(12), 0)).with_sweep(12, vec![trial]));
    }
    report
}

#[test]
fn the_json_has_the_names_of_schema_1() {
    let json = serde_json::to_value(report(true, 0)).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["workload"]["acquire_timeout_ms"], 1000.0);
    assert_eq!(json["machine"]["cores"], 2);
    let [none, adaptive, oracle] = [0, 1, 2].map(|i| &json["runs"][i]);
    for key in ["p50", "p99"] {
        assert!(none["expert_ms"][key].is_number() && none["job_ms"][key].is_null(), "{key}");
        assert!(none["pool_wait_ms"][key].is_number(), "{key}");
    }
    assert!(none["pool_wait_ms"]["max"].is_number());
    assert_eq!(
        (&none["policy"], &none["jobs_ok"], &none["jobs_failed"]),
        (&"none".into(), &40.into(), &9.into())
    );
    assert_eq!((&none["experts_ok"], &none["experts_per_s"]), (&480.into(), &48.0.into()));
    assert_eq!((&none["errors"]["pool_timeout"], &none["errors"]["deadlock"]), (&9.into(), &1.into()));
    assert_eq!((&none["queries_per_ok_job"], &none["amplification"]), (&24.0.into(), &2.125.into()));
    assert_eq!((&adaptive["amplification"], adaptive.get("small_jobs")), (&1.0.into(), None));
    assert!(["mean", "min", "max", "last"].iter().all(|key| none["limit"].get(key).unwrap().is_null()));
    assert!(none["series"][0]["limit"].is_null() && none["series"][0]["pool_wait_ms"].is_null());
    assert_eq!(adaptive["limit"], serde_json::json!({"mean": 12.0, "min": 10, "max": 14, "last": 14}));
    let point = adaptive["series"][1].as_object().unwrap();
    let mut keys: Vec<_> = point.keys().map(String::as_str).collect();
    // Built together with some other crates, serde_json keeps the order of the fields.
    keys.sort_unstable();
    assert_eq!(keys, ["experts_per_s", "free", "in_flight", "limit", "pool_wait_ms", "queued", "t_s"]);
    assert_eq!(
        adaptive["decisions"][0],
        serde_json::json!({
            "t_s": 0.15, "from": 10, "to": 14, "reason": "probe", "text": "limit 10 → 14: more & more"
        })
    );
    assert_eq!(oracle["oracle_limit"], 12);
    assert!(oracle["oracle_sweep"][0]["limit"] == 12 && adaptive.get("oracle_sweep").is_none());
}

#[test]
fn only_connection_errors_of_the_adaptive_run_fail_the_command() {
    assert_eq!(report(false, 0).adaptive_connection_errors(), 0);
    assert_eq!(report(false, 2).adaptive_connection_errors(), 2);
}

#[test]
fn the_table_has_a_row_per_run() {
    let table = table(&report(false, 0));
    let row = |policy| table.lines().find(|line| line.starts_with(&format!("| {policy}"))).unwrap();
    let has = |row: &str, parts: &[&str]| parts.iter().all(|part| row.contains(part));
    assert!(has(row("none"), &["40/9", "deadlock 1, pool_timeout 9", "48.0"]), "{table}");
    assert!(has(row("adaptive"), &["40/0", "–", "12.0 (10–14)"]), "{table}");
}

#[test]
fn queries_over_the_ideal_have_a_column_where_they_are_not_one() {
    let row = |report: &Report, start: &str| {
        table(report).lines().find(|line| line.starts_with(start)).unwrap().to_owned()
    };
    let mut report = report(false, 0);
    assert!(row(&report, "| policy").contains("queries/ideal"));
    assert!(row(&report, "| none").contains(" 2.12 |") && row(&report, "| adaptive").contains(" 1.00 |"));
    report.runs.remove(0);
    assert!(!row(&report, "| policy").contains("queries/ideal"));
}

#[test]
fn small_jobs_are_compared_with_themselves_alone() {
    let with_times = |ms: [u64; 2]| {
        let mut measured = measured(Some(10), 0);
        for ms in ms {
            measured.tally.small_job_time.add(MS(ms));
        }
        measured
    };
    let (beside, alone) = (with_times([100, 300]), with_times([100, 200]));
    let mut report = report(false, 0);
    report.runs.push(RunReport::new(Policy::Fixed(3), &beside).with_small_jobs(&beside, &alone));
    let table = table(&report);
    assert!(table.lines().next().unwrap().contains("alone p50/p99"), "{table}");
    let row = table.lines().find(|line| line.starts_with("| fixed:3")).unwrap();
    assert!(row.contains(" 100.0/300.0 ") && row.contains(" 100.0/200.1 "), "{row}");
    let json = serde_json::to_value(&report).unwrap();
    let ratio = json["runs"][2]["small_jobs"]["p99_ratio"].as_f64().unwrap();
    assert!((1.49..1.51).contains(&ratio), "{ratio}");
}

#[test]
fn the_sentence_says_what_failed_and_what_did_not() {
    assert_eq!(
        sentence(&report(true, 0)),
        "Without a limit 9 of 49 jobs failed with 9 connection errors and 48.0 experts a second were done; with the \
         adaptive limit no job of 40 failed and 48.0 experts a second were done, 100% of the best fixed limit (limit 12)."
    );
    assert!(
        sentence(&report(false, 2)).contains("adaptive limit 2 of 42 jobs failed with 2 connection errors")
    );
}

#[test]
fn shadow_mode_is_told_by_what_it_would_have_done() {
    let mut report = report(false, 0);
    let would_have = Shadow { would_have_queued: 31, would_have_refused: 2, would_have_waited_s: 4.25 };
    let shadow = Measured { shadow: Some(would_have), ..measured(Some(10), 9) };
    report.runs.push(RunReport::new(Policy::Shadow, &shadow));
    let table = table(&report);
    let last =
        |start| table.lines().find(|line| line.starts_with(start)).unwrap().rsplit("| ").next().unwrap();
    assert!(last("| policy").contains("would queue/refuse"), "{table}");
    assert!(last("| shadow").contains("31/2") && last("| none").contains('–'), "{table}");
    let told = "In shadow mode the limiter suggested a limit of 14 at the end; it would have made 31 experts wait, 4.2 s all \
                together, and refused 2.";
    assert!(sentence(&report).ends_with(told), "{}", sentence(&report));
    let page = html(&report).unwrap();
    assert!(page.contains(told) && page.contains("<td>31/2</td>"));
    let json = serde_json::to_value(&report).unwrap();
    let expect =
        serde_json::json!({"would_have_queued": 31, "would_have_refused": 2, "would_have_waited_s": 4.25});
    assert_eq!((&json["runs"][2]["shadow"], json["runs"][1].get("shadow")), (&expect, None));
    assert_eq!(report.adaptive_connection_errors(), 0, "errors of the shadow run are no failure");
}

#[test]
fn a_run_too_short_for_a_job_is_not_called_a_success() {
    let mut report = report(false, 0);
    report.runs.remove(0);
    report.runs[0].jobs_ok = 0;
    assert!(sentence(&report).starts_with("With the adaptive limit no job came to its end"));
}

#[test]
fn the_page_needs_nothing_but_itself() {
    let page = html(&report(true, 0)).unwrap();
    assert_eq!(page.matches("<svg").count(), 6);
    for part in ["Limit", "In flight", "Queued", "Pool wait, ms", "Free slots", "Throughput, experts/s"] {
        assert!(page.contains(&format!("<strong>{part}</strong>")), "{part}");
    }
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("width=device-width"));
    assert!(
        page.contains("aria-label=\"Limit over time: none no value, adaptive mean 12.0, oracle mean 14.0.\"")
    );
    assert!(page.contains("sqlite 3.&lt;b&gt;"), "text from a server is escaped");
    assert!(page.contains("<td>limit 10 → 14: more &amp; more</td>"), "the decision in words");
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    for link in ["http:", "https:", "<script", "src=", "@import", "url("] {
        assert!(!outside.contains(link), "{link}");
    }
}
