use super::*;
use crate::{Policy, Report, run};

/// Ten calls at once, of two queries of 100 ms each.
const TEN: &str = r#"{"arrival_ms":0,"think_ms":50,"queries":2,"use_ms":100}"#;

fn ten() -> String {
    [TEN; 10].join("\n")
}

fn play(trace: &str, pool: u32, policy: &Policy) -> Report {
    run(&Trace::parse(trace).unwrap().scenario(pool, 500.0).unwrap(), policy, 1).unwrap()
}

#[test]
fn calls_come_think_and_hold_as_they_did() {
    let one = play(r#"{"arrival_ms":500,"think_ms":50,"queries":2,"use_ms":100}"#, 1, &Policy::none());
    assert_eq!((one.whole.ok_jobs, one.whole.failed_jobs), (1, 0));
    // The first connection is opened in 20 ms, the second acquire tests it in 0.5 ms.
    assert!((one.whole.expert_time.max - 0.2705).abs() < 1e-6, "{:?}", one.whole.expert_time);
    let both = play(r#"{"arrival_ms":0,"queries":2,"use_ms":100,"mode":"parallel"}"#, 2, &Policy::none());
    assert!((both.whole.expert_time.max - 0.12).abs() < 1e-6, "{:?}", both.whole.expert_time);
}

#[test]
fn another_setting_gives_another_end() {
    let all = play(&ten(), 10, &Policy::none()).whole;
    assert_eq!((all.ok_jobs, all.pool_timeouts), (10, 0));
    // On one connection the queries need 2 s, and half of them would wait for more than half a second.
    let one = play(&ten(), 1, &Policy::none()).whole;
    assert!(one.pool_timeouts > 0 && one.failed_jobs > 0, "{one:?}");
    assert_eq!(one.ok_jobs + one.failed_jobs, 10, "nothing is tried again and all have ended");
    let limited = play(&ten(), 1, &Policy::fixed(1)).whole;
    assert_eq!((limited.ok_jobs, limited.failed_jobs), (10, 0));
}

#[test]
fn a_call_that_got_no_connection_would_have_held_it_as_the_others_did() {
    let trace = Trace::parse(
        "{\"pool\":2}\n\n{\"arrival_ms\":9,\"outcome\":\"failed\"}\n{\"arrival_ms\":0,\"use_ms\":30,\"took_ms\":31}",
    )
    .unwrap();
    assert_eq!((trace.settings.pool, trace.settings.acquire_timeout_ms), (Some(2), None));
    let [first, second] = trace.calls[..] else { panic!("{trace:?}") };
    assert!(first.arrival_ms < second.arrival_ms, "sorted");
    assert_eq!((first.outcome, second.outcome), (TraceOutcome::Ok, TraceOutcome::Failed));
    let recorded = trace.scenario(2, 1000.0).unwrap().load.recorded;
    assert!(recorded.iter().all(|call| (call.plan.work - 30.0).abs() < 1e-9), "{recorded:?}");
}

#[test]
fn the_limiter_knows_how_many_connections_a_nested_call_holds() {
    let connections = |trace: &str| {
        let scenario = Trace::parse(trace).unwrap().scenario(20, 1000.0).unwrap();
        scenario.limiter.connections_per_call
    };
    assert_eq!(connections(r#"{"arrival_ms":0,"queries":5,"use_ms":1}"#), 1);
    let nested = |queries| format!(r#"{{"arrival_ms":0,"queries":{queries},"mode":"nested","use_ms":1}}"#);
    assert_eq!(connections(&format!("{TEN}\n{}\n{}", nested(2), nested(3))), 3);
}

#[track_caller]
fn check_fault(trace: &str, part: &str) {
    let fault = Trace::parse(trace).unwrap_err().to_string();
    assert!(fault.contains(part) && !fault.contains('\n'), "{fault}");
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    check_fault(
        &format!("{TEN}\n{{\"arrival_ms\":-1}}"),
        "line 2 of the trace: arrival_ms is -1, allowed is 0 to ",
    );
    check_fault(r#"{"arrival_ms":0,"queries":0,"use_ms":1}"#, "line 1 of the trace: queries is 0");
    check_fault(r#"{"arrival_ms":0,"use":1}"#, "line 1 of the trace: unknown field `use`");
    check_fault(&format!("{{\"pol\":1}}\n{TEN}"), "line 1 of the trace: unknown field `pol`");
    check_fault("arrival,think\n0,0", "line 1 of the trace: expected value");
    check_fault(r#"{"arrival_ms":0,"outcome":"failed"}"#, "no call with a use_ms");
    check_fault("", "no call with a use_ms");
    let trace = Trace::parse(TEN).unwrap();
    assert!(trace.scenario(0, 1000.0).unwrap_err().to_string().contains("pool.max"));
}

#[test]
fn a_call_is_written_as_it_is_read() {
    let line = serde_json::to_string(&TraceCall::new(1.5, 2, QueryMode::Parallel)).unwrap();
    let text = format!("{line}\n{TEN}");
    assert_eq!(Trace::parse(&text).unwrap().calls[1], TraceCall::new(1.5, 2, QueryMode::Parallel));
}
