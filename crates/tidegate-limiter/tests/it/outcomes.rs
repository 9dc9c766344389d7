//! What the law hears of how calls ended, and what a recorder hears of refusals.

use std::time::Duration;

use super::manual::{Rig, granted, turned_away};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tidegate_core::{Demand, Outcome};
use tidegate_limiter::{Class, Key, OverloadReason, Overloaded, Priority};
use tokio::time::Instant;

fn wide() -> Class {
    Class::default().key(Key::new("wide")).weight(3)
}

/// What the law was told at the last tick.
fn heard(rig: &mut Rig) -> Demand {
    rig.tick();
    rig.law.seen().last().unwrap().demand
}

#[test]
fn outcomes_count_in_permits() {
    let mut rig = Rig::new(5);
    let (one, three) = (rig.admitted(None), rig.admitted(wide()));
    assert_eq!(heard(&mut rig).in_flight, 4);
    one.finish(Outcome::Success);
    three.finish(Outcome::Overload);
    let demand = heard(&mut rig);
    assert_eq!((demand.completed, demand.overloads, demand.abandoned, demand.in_flight), (4, 3, 0, 0));
    let demand = heard(&mut rig);
    assert_eq!((demand.completed, demand.overloads), (0, 0), "once");
}

/// Vector's count of calls in flight grows by one with every future that is dropped.
#[test]
fn work_cut_short_leaves_no_count_behind_and_is_evidence_by_its_age() {
    let mut rig = Rig::new(5);
    let (young, old) = (rig.admitted(None), rig.admitted(wide()).begin());
    young.finish(Outcome::Success);
    for _ in 0..8 {
        rig.look();
    }
    drop(old);
    let demand = heard(&mut rig);
    assert_eq!((demand.completed, demand.overloads, demand.in_flight), (4, 0, 0));
    // Eight looks of a quarter of a tick of 100 ms each, for three permits.
    assert_eq!((demand.abandoned, demand.abandoned_calls), (3, 1));
    assert_eq!(demand.abandoned_time, Duration::from_millis(600));
    let demand = heard(&mut rig);
    assert_eq!(
        (demand.abandoned, demand.abandoned_calls, demand.abandoned_time),
        (0, 0, Duration::ZERO),
        "once"
    );
    rig.assert_nothing_is_lost();
}

/// A permit used as one of a semaphore is dropped at the end of the work, however long that took.
#[test]
fn a_permit_that_is_just_dropped_is_not_work_cut_short() {
    let mut rig = Rig::new(5);
    let permit = rig.admitted(None);
    for _ in 0..80 {
        rig.look();
    }
    drop(permit);
    let demand = heard(&mut rig);
    assert_eq!((demand.completed, demand.abandoned), (1, 0));
}

#[test]
fn a_permit_handed_over_and_never_seen_is_not_abandoned_work() {
    let mut rig = Rig::new(1);
    let held = rig.admitted(None);
    let call = rig.waiting(wide());
    held.finish(Outcome::Success);
    assert!(call.is_woken());
    rig.look();
    drop(call);
    let demand = heard(&mut rig);
    assert_eq!((demand.abandoned, demand.overloads, demand.in_flight), (0, 0, 0));
}

#[test]
fn a_call_that_the_limit_refused_was_held_back() {
    for ask in [
        |rig: &Rig| rig.limiter.try_acquire().unwrap_err(),
        |rig: &Rig| rig.limiter.try_acquire_with(Class::default()).unwrap_err(),
        |rig: &Rig| rig.refused(Class::default()),
    ] {
        let mut rig = Rig::with(1, |builder| builder.queue_limit(1));
        let held = rig.admitted(None);
        let waiting = rig.waiting(Class::default());
        ask(&rig);
        drop((waiting, held));
        assert!(heard(&mut rig).held_back);
        assert!(!heard(&mut rig).held_back, "once");
    }
}

#[test]
fn a_call_that_the_brake_or_the_end_refused_was_not_held_back_by_the_limit() {
    let mut rig = Rig::new(1);
    rig.set_brake(true);
    assert!(rig.limiter.try_acquire().is_err());
    drop((rig.waiting(None), rig.waiting(Class::default())));
    rig.set_brake(false);
    assert!(!heard(&mut rig).held_back);
    rig.limiter.close();
    assert!(rig.limiter.try_acquire().is_err());
    assert!(rig.limiter.try_acquire_with(wide()).is_err());
    rig.refused(Class::default());
    assert!(!heard(&mut rig).held_back);
}

#[test]
fn callers_that_wait_are_counted_whatever_they_need() {
    let mut rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut waiting = [rig.waiting(None), rig.waiting(wide()), rig.waiting(Class::default())];
    let demand = heard(&mut rig);
    assert_eq!((demand.queued, demand.in_flight, demand.held_back), (3, 1, true));
    drop(held);
    let served = waiting.iter_mut().filter(|call| call.is_woken()).map(granted).count();
    assert_eq!(served, 1);
}

#[tokio::test(start_paused = true)]
async fn every_refusal_is_counted_once_under_its_reason() {
    let recorder = DebuggingRecorder::new();
    let rig = metrics::with_local_recorder(&recorder, || {
        Rig::with(1, |b| b.queue_limit(1).sojourn(Duration::from_millis(1), Duration::from_millis(1)))
    });
    let _held = rig.admitted(None);
    rig.refused(Class::default().deadline(Instant::now()));
    let _ = rig.limiter.try_acquire().unwrap_err();
    let mut low = rig.waiting(Class::default().priority(Priority::Low));
    let mut normal = rig.waiting(Class::default());
    assert_eq!(turned_away(&mut low), OverloadReason::Displaced);
    rig.refused(Class::default());
    rig.pass(5).await;
    rig.pass(5).await;
    assert_eq!(turned_away(&mut normal), OverloadReason::Sojourn);
    rig.limiter.close();
    rig.refused(None);
    let all = recorder.snapshotter().snapshot().into_vec();
    for reason in OverloadReason::ALL {
        let counted = all.iter().find_map(|(key, _, _, value)| {
            let is_it = key.key().name() == "tidegate_refused_total"
                && key
                    .key()
                    .labels()
                    .any(|label| label.key() == "reason" && label.value() == reason.as_str());
            is_it.then_some(value)
        });
        // Nothing was known of the pace here, so nobody was refused for when his turn would come.
        let expected = u64::from(reason != OverloadReason::Deadline);
        assert_eq!(counted, Some(&DebugValue::Counter(expected)), "{reason}");
    }
}

#[test]
fn a_refusal_is_told_from_other_errors_behind_a_boxed_error() {
    let rig = Rig::new(1);
    let _held = rig.admitted(None);
    let boxed: Box<dyn std::error::Error + Send + Sync> = rig.limiter.try_acquire().unwrap_err().into();
    assert_eq!(boxed.downcast_ref::<Overloaded>().unwrap().reason(), OverloadReason::NoPermit);
}

#[test]
fn every_reason_has_a_label_and_a_text_of_its_own() {
    let labels: std::collections::BTreeSet<_> =
        OverloadReason::ALL.iter().map(|reason| reason.as_str()).collect();
    let texts: std::collections::BTreeSet<_> = OverloadReason::ALL.iter().map(ToString::to_string).collect();
    assert_eq!((labels.len(), texts.len()), (7, 7));
    assert!(labels.iter().all(|label| label.chars().all(|c| c.is_ascii_lowercase() || c == '_')));
}
