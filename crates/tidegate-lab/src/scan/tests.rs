use super::*;

fn text(value: &str) -> Option<String> {
    Some(value.to_owned())
}

#[track_caller]
fn check_faults(args: &DeepScanArgs, expect: &[&str]) {
    let faults = Scan::from_args(args).unwrap_err();
    let lines: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(lines.len(), expect.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(expect) {
        assert!(line.starts_with(start), "{line:?} does not start with {start:?}");
    }
}

#[test]
fn no_options_mean_the_ticket_on_sqlite() {
    let scan = Scan::from_args(&DeepScanArgs::default()).unwrap();
    assert_eq!(scan.workload, Workload::named("ticket").unwrap());
    assert_eq!(scan.policies, [Policy::None, Policy::PerJob(5), Policy::Adaptive]);
    assert!(matches!(scan.target, Target::Embedded));
    assert!(scan.json.is_none() && scan.report.is_none());
}

#[test]
fn options_override_the_named_workload() {
    let args = DeepScanArgs {
        workload: text("think"),
        jobs: text("3"),
        experts: text("4"),
        queries: text("5"),
        query_mode: text("nested"),
        query_ms: text("7ms"),
        think_ms: text("0.5"),
        pool: text("9"),
        acquire_timeout: text("250ms"),
        duration: text("2s"),
        min_limit: text("2"),
        max_limit: text("8"),
        ..DeepScanArgs::default()
    };
    let scan = Scan::from_args(&args).unwrap();
    let expect = Workload {
        jobs: 3,
        experts: 4,
        queries: 5,
        query_mode: QueryMode::Nested,
        query_time: Duration::from_millis(7),
        think_time: Duration::from_micros(500),
        pool: 9,
        acquire_timeout: Duration::from_millis(250),
        duration: Duration::from_secs(2),
        ..Workload::named("think").unwrap()
    };
    assert_eq!(scan.workload, expect);
    assert_eq!(scan.bounds, Bounds { min: Some(2), max: Some(8) });
}

#[test]
fn every_bad_field_is_reported_at_once() {
    let args = DeepScanArgs {
        database_url: text("ftp://host/x"),
        queue: text("rabbit"),
        workload: text("tickets"),
        jobs: text("0"),
        experts: text("NaN"),
        queries: text("-1"),
        query_mode: text("both"),
        query_ms: text("NaN"),
        think_ms: text("-3"),
        pool: text("0"),
        acquire_timeout: text("soon"),
        duration: text("0s"),
        policy: text("magic"),
        min_limit: text("0"),
        max_limit: text("NaN"),
        live: false,
        json: Some("/nowhere/at/all.json".into()),
        report: Some("/".into()),
        trace: Some("/nowhere/calls".into()),
    };
    let starts = [
        "database_url is ftp://host/x, allowed is postgres://",
        "queue is rabbit, allowed is none or apalis",
        "policy is magic, allowed is none, fixed:N",
        "workload is tickets, allowed is ticket, short",
        "jobs is 0, allowed is a whole number from 1 to 10000",
        "experts is NaN, allowed is",
        "queries is -1, allowed is",
        "pool is 0, allowed is",
        "query_mode is both, allowed is parallel, sequential or nested",
        "query_ms is NaN, allowed is milliseconds from 0 to 10m",
        "think_ms is -3, allowed is",
        "acquire_timeout is soon, allowed is",
        "duration is 0s, allowed is",
        "min_limit is 0, allowed is",
        "max_limit is NaN, allowed is",
        "json is /nowhere/at/all.json, allowed is",
        "report is /, allowed is",
        "trace is /nowhere/calls, allowed is",
    ];
    check_faults(&args, &starts);
}

#[test]
fn a_trace_is_of_one_policy() {
    let folder = tempfile::tempdir().unwrap();
    let trace = Some(folder.path().join("calls.jsonl"));
    let both = DeepScanArgs { policy: text("none,adaptive"), trace, ..DeepScanArgs::default() };
    check_faults(&both, &["policy is none,adaptive, allowed is one policy other than oracle"]);
    let one = DeepScanArgs { policy: text("none"), ..both };
    assert!(Scan::from_args(&one).unwrap().trace.is_some());
}

#[test]
fn the_least_limit_is_not_above_the_most() {
    let args = DeepScanArgs { min_limit: text("9"), max_limit: text("8"), ..DeepScanArgs::default() };
    check_faults(&args, &["min_limit is 9, allowed is 1 to the max_limit, 8"]);
}

#[test]
fn nested_queries_need_two_of_both() {
    let args = DeepScanArgs {
        workload: text("nested"),
        queries: text("1"),
        pool: text("1"),
        ..DeepScanArgs::default()
    };
    check_faults(&args, &["queries is 1, allowed is 2 or more", "pool is 1, allowed is 2 or more"]);
}

#[test]
fn the_least_limit_of_nested_queries_is_not_above_the_deadlock_free_ceiling() {
    let args = DeepScanArgs { workload: text("nested"), min_limit: text("20"), ..DeepScanArgs::default() };
    check_faults(&args, &["min_limit is 20, allowed is 1 to 19, above which"]);
}

#[test]
fn a_queue_needs_a_database_that_it_knows() {
    let args = |url: &str, queue| DeepScanArgs {
        database_url: (!url.is_empty()).then(|| url.to_owned()),
        queue: text(queue),
        ..DeepScanArgs::default()
    };
    let asked = |args: &DeepScanArgs| Scan::from_args(args).unwrap().queue;
    assert_eq!(asked(&DeepScanArgs::default()), QueueKind::None);
    assert_eq!(asked(&args("", "apalis")), QueueKind::Apalis);
    assert_eq!(asked(&args("postgres://localhost/x", "apalis")), QueueKind::Apalis);
    assert_eq!(asked(&args("mysql://localhost/x", "none")), QueueKind::None);
    let refused = "queue is apalis, allowed is none on MySQL and MariaDB; apalis on PostgreSQL and SQLite";
    check_faults(&args("mysql://localhost/x", "apalis"), &[refused]);
    check_faults(&args("", "bull"), &["queue is bull, allowed is none or apalis"]);
}

#[test]
fn sqlite_has_its_own_bounds() {
    let args = DeepScanArgs { workload: text("thrash"), pool: text("201"), ..DeepScanArgs::default() };
    check_faults(
        &args,
        &["pool is 201, allowed is 1 to 200 on SQLite", "workload is thrash, allowed is a workload other"],
    );
    let server = DeepScanArgs { database_url: text("postgres://localhost/x"), ..args };
    assert!(Scan::from_args(&server).is_ok());
}

#[test]
fn experts_at_once_have_a_bound() {
    let args = DeepScanArgs { jobs: text("10000"), experts: text("1000"), ..DeepScanArgs::default() };
    check_faults(&args, &["experts is 1000 × 10000 jobs, allowed is at most 100000"]);
}
