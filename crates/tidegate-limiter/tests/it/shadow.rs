//! Shadow mode: nobody waits, and what would have been is counted.

use std::time::Duration;

use super::manual::{Rig, granted, still_waits};
use tidegate_limiter::{Class, Limiter, Mode, OverloadReason, Reservation};
use tokio::time::{Instant, advance, sleep};
use tokio_test::{assert_ready, task};

fn would_have(limiter: &Limiter) -> (u64, u64) {
    let seen = limiter.snapshot();
    (seen.would_have_queued, seen.would_have_refused)
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_or_is_refused_and_each_is_counted_as_what_would_have_become_of_it() {
    let rig = Rig::with(2, |builder| builder.mode(Mode::Shadow).queue_limit(3));
    let mut held: Vec<_> = (0..2).map(|_| rig.admitted(None)).collect();
    assert_eq!(would_have(&rig.limiter), (0, 0), "up to the limit nothing would have been otherwise");
    held.push(rig.admitted(None));
    held.push(rig.admitted(Class::default()));
    assert_eq!(would_have(&rig.limiter), (2, 0));
    held.push(rig.limiter.try_acquire().unwrap());
    held.push(rig.limiter.try_acquire_with(Class::default()).unwrap());
    assert_eq!(would_have(&rig.limiter), (2, 2), "who does not wait is refused");
    held.push(rig.admitted(Class::default()));
    assert_eq!(
        would_have(&rig.limiter),
        (2, 3),
        "of seven calls at a limit of two and three places two have none"
    );
    let mut service = task::spawn(Reservation::new(&rig.limiter));
    assert_ready!(service.enter(|cx, mut service| service.poll_ready(cx)));
    assert_eq!(would_have(&rig.limiter), (3, 3));
    assert_eq!(rig.counts(), (7, 1, 0));
    assert!(rig.limiter.snapshot().headroom() > 1_000_000);
    drop((held, service));
    rig.limiter.set_mode(Mode::Enforce);
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_turn_would_come_too_late_would_have_been_refused() {
    let mut rig = Rig::with(1, |builder| builder.mode(Mode::Shadow));
    let mut held = Vec::new();
    // One in ten milliseconds, while more are out than the limit allows.
    for _ in 0..40 {
        held.push(rig.admitted(None));
        held.push(rig.admitted(None));
        rig.pass(20).await;
        rig.tick();
        drop(held.pop());
        drop(held.pop());
        held.push(rig.admitted(None));
    }
    let before = would_have(&rig.limiter);
    held.push(rig.admitted(Class::default().deadline(Instant::now() + Duration::from_millis(1))));
    assert_eq!(would_have(&rig.limiter), (before.0, before.1 + 1));
    held.push(rig.admitted(Class::default().deadline(Instant::now() + Duration::from_secs(60))));
    assert_eq!(would_have(&rig.limiter), (before.0 + 1, before.1 + 1));
}

#[tokio::test(start_paused = true)]
async fn how_long_calls_would_have_waited_is_what_stood_above_the_limit_over_time() {
    let rig = Rig::with(2, |builder| builder.mode(Mode::Shadow));
    let held: Vec<_> = (0..5).map(|_| rig.admitted(None)).collect();
    rig.pass(400).await;
    drop(held);
    rig.pass(400).await;
    assert_eq!(rig.limiter.snapshot().would_have_waited, Duration::from_millis(3 * 400));
}

#[tokio::test(start_paused = true)]
async fn the_law_sees_what_it_would_have_seen() {
    let mut rig = Rig::with(2, |builder| builder.mode(Mode::Shadow));
    let held: Vec<_> = (0..5).map(|_| rig.admitted(None)).collect();
    advance(Duration::from_millis(100)).await;
    rig.tick();
    let demand = rig.law.seen().last().unwrap().demand;
    assert_eq!((demand.in_flight, demand.in_flight_peak, demand.queued, demand.held_back), (2, 2, 3, true));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_let_in_when_it_begins() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut calls =
        [rig.waiting(None), rig.waiting(Class::default().weight(u32::MAX)), rig.waiting(Class::default())];
    rig.limiter.set_mode(Mode::Shadow);
    let permits: Vec<_> = calls.iter_mut().map(granted).collect();
    // A call that wants everything has the whole limit, as one that comes now would, and keeps nobody waiting.
    assert_eq!(rig.counts(), (4, 0, 0));
    drop(rig.admitted(None));
    drop((held, permits));
    rig.limiter.set_mode(Mode::Enforce);
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn when_it_ends_nobody_gets_in_until_the_calls_above_the_limit_have_ended() {
    let rig = Rig::with(2, |builder| builder.mode(Mode::Shadow));
    let mut held: Vec<_> = (0..4).map(|_| rig.admitted(None)).collect();
    rig.limiter.set_mode(Mode::Enforce);
    assert_eq!(rig.limiter.snapshot().overhang, 2);
    let mut call = rig.waiting(None);
    drop(held.drain(..2));
    still_waits(&mut call);
    drop(held.pop());
    drop(granted(&mut call));
    drop(held);
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn the_brake_delays_nobody() {
    let rig = Rig::new(2);
    rig.set_brake(true);
    let mut call = rig.waiting(None);
    rig.limiter.set_mode(Mode::Shadow);
    drop(granted(&mut call));
    rig.set_brake(true);
    assert!(!rig.limiter.snapshot().is_braked);
    drop(rig.admitted(None));
}

#[tokio::test(start_paused = true)]
async fn a_closed_limiter_refuses_all_the_same() {
    let rig = Rig::with(1, |builder| builder.mode(Mode::Shadow));
    rig.limiter.close();
    assert_eq!(rig.refused(None).reason(), OverloadReason::Closed);
    assert_eq!(rig.refused(Class::default()).reason(), OverloadReason::Closed);
    assert_eq!(would_have(&rig.limiter), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pause_without_calls_is_no_time_that_anybody_would_have_waited() {
    let limiter = Limiter::builder().fixed(2).mode(Mode::Shadow).build().unwrap();
    sleep(Duration::from_secs(3_600)).await;
    let held: Vec<_> = (0..5).map(|_| limiter.try_acquire().unwrap()).collect();
    sleep(Duration::from_millis(60)).await;
    let waited = limiter.snapshot().would_have_waited;
    assert!(waited > Duration::ZERO && waited <= Duration::from_millis(3 * 60), "{waited:?}");
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_an_idle_reservation_would_have_gone_to_would_not_have_waited() {
    let rig = Rig::with(1, |builder| builder.mode(Mode::Shadow));
    let mut service = task::spawn(Reservation::new(&rig.limiter));
    assert_ready!(service.enter(|cx, mut service| service.poll_ready(cx)));
    rig.pass(25).await;
    let first = rig.admitted(None);
    assert_eq!(would_have(&rig.limiter), (0, 0));
    let second = rig.admitted(None);
    assert_eq!(would_have(&rig.limiter), (1, 0));
    drop((first, second));
}
