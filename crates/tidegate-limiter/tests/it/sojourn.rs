//! A queue that does not clear.

use std::time::Duration;

use super::manual::{Call, Rig, granted, still_waits, turned_away};
use tidegate_limiter::{Class, OverloadReason, Permit};

const TARGET: Duration = Duration::from_millis(50);
const INTERVAL: Duration = Duration::from_millis(100);

fn rig() -> Rig {
    Rig::with(1, |builder| builder.sojourn(TARGET, INTERVAL))
}

fn call() -> Class {
    Class::default()
}

/// Looks every 25 ms; the call that waits has stood above the target for an interval.
async fn stand(rig: &Rig) -> (Permit, Vec<Call>) {
    let held = rig.admitted(call());
    let mut old = vec![rig.waiting(call()), rig.waiting(call())];
    for _ in 0..6 {
        rig.pass(25).await;
        old.iter_mut().for_each(still_waits);
    }
    (held, old)
}

#[tokio::test(start_paused = true)]
async fn those_who_stood_above_the_target_are_refused_once_the_queue_stands() {
    let rig = rig();
    let (_held, mut old) = stand(&rig).await;
    let mut young = rig.waiting(call());
    rig.pass(25).await;
    for call in &mut old {
        assert_eq!(turned_away(call), OverloadReason::Sojourn);
    }
    still_waits(&mut young);
    rig.pass(25).await;
    still_waits(&mut young);
    rig.pass(25).await;
    assert_eq!(turned_away(&mut young), OverloadReason::Sojourn);
    assert_eq!(rig.counts(), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_standing_queue_serves_the_newest_first_and_the_oldest_again_when_it_has_cleared() {
    let rig = rig();
    let (held, _old) = stand(&rig).await;
    rig.pass(25).await;
    let (mut older, mut newer) = (rig.waiting(call()), rig.waiting(call()));
    drop(held);
    let held = granted(&mut newer);
    still_waits(&mut older);
    drop(held);
    let held = granted(&mut older);
    // For an interval nobody had to be refused.
    for _ in 0..4 {
        rig.pass(25).await;
    }
    let (mut older, mut newer) = (rig.waiting(call()), rig.waiting(call()));
    drop(held);
    let held = granted(&mut older);
    still_waits(&mut newer);
    drop(held);
    drop(granted(&mut newer));
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_clears_within_the_interval_refuses_nobody() {
    let rig = rig();
    for _ in 0..10 {
        let held = rig.admitted(call());
        let mut waiting = rig.waiting(call());
        for _ in 0..3 {
            rig.pass(25).await;
            still_waits(&mut waiting);
        }
        drop(held);
        drop(granted(&mut waiting));
        rig.pass(25).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_class_is_never_refused_for_how_long_it_stood() {
    let rig = rig();
    let held = rig.admitted(call());
    let (mut first, mut second) = (rig.waiting(None), rig.waiting(None));
    let classed = rig.waiting(call());
    for _ in 0..40 {
        rig.pass(25).await;
    }
    assert!(classed.is_woken(), "the queue stands");
    drop(classed);
    still_waits(&mut second);
    drop(held);
    let held = granted(&mut first);
    still_waits(&mut second);
    drop(held);
    drop(granted(&mut second));
}

#[tokio::test(start_paused = true)]
async fn by_default_nobody_is_refused_for_how_long_he_stood() {
    let rig = Rig::new(1);
    let _held = rig.admitted(call());
    let mut waiting = rig.waiting(call());
    for _ in 0..40 {
        rig.pass(1000).await;
    }
    still_waits(&mut waiting);
}

#[tokio::test(start_paused = true)]
async fn the_permits_kept_for_a_wide_call_that_is_refused_go_to_the_next() {
    let rig = Rig::with(2, |builder| builder.sojourn(TARGET, INTERVAL));
    let _held = rig.admitted(call());
    let mut wide = rig.waiting(call().weight(2));
    let mut plain = rig.waiting(None);
    for _ in 0..7 {
        still_waits(&mut plain);
        rig.pass(25).await;
    }
    assert_eq!(turned_away(&mut wide), OverloadReason::Sojourn);
    drop(granted(&mut plain));
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_that_is_dropped_unseen_leaves_nothing_behind() {
    let rig = rig();
    let (held, old) = stand(&rig).await;
    rig.pass(25).await;
    drop((old, held));
    rig.assert_nothing_is_lost();
}
