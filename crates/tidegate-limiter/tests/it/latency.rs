//! What a law that wants the time of calls is told of it, to the last permit.

use super::manual::{Rig, claimed, granted};
use tidegate_core::Outcome;
use tidegate_limiter::{Class, Key, Reservation};
use tokio_test::task;

fn wide(weight: u32) -> Class {
    Class::default().key(Key::new("wide")).weight(weight)
}

fn rig(limit: u32) -> Rig {
    let mut rig = Rig::new(limit);
    rig.law.set_wants_latency(true);
    rig.tick();
    rig
}

/// The permits out times ms since the last tick, and the permits that came back.
fn heard(rig: &mut Rig) -> (u128, u64) {
    rig.tick();
    let demand = rig.law.seen().last().unwrap().demand;
    (demand.in_flight_time.as_millis(), demand.completed)
}

#[tokio::test(start_paused = true)]
async fn it_is_the_area_under_the_permits_out() {
    let mut rig = rig(5);
    let (one, three) = (rig.admitted(None), rig.admitted(wide(3)));
    rig.pass(10).await;
    one.finish(Outcome::Success);
    rig.pass(20).await;
    assert_eq!(heard(&mut rig), (10 + 3 * 30, 1), "those that are still out are in it");
    rig.pass(5).await;
    three.finish(Outcome::Success);
    rig.pass(70).await;
    assert_eq!(heard(&mut rig), (3 * 5, 3));
    assert_eq!(heard(&mut rig), (0, 0), "once");
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_handed_on_is_out_all_the_time() {
    let mut rig = rig(2);
    let held = [rig.admitted(None), rig.admitted(None)];
    let (mut first, second) = (rig.waiting(None), rig.waiting(wide(1)));
    rig.pass(10).await;
    drop(held);
    let permit = granted(&mut first);
    rig.pass(10).await;
    drop(second);
    rig.pass(10).await;
    drop(permit);
    rig.pass(10).await;
    assert_eq!(heard(&mut rig), (2 * 10 + 2 * 10 + 10, 4));
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_no_permit_until_it_is_claimed() {
    let mut rig = rig(1);
    let held = rig.admitted(None);
    let mut handle = task::spawn(Reservation::new(&rig.limiter));
    assert!(handle.enter(|cx, mut reservation| reservation.poll_ready(cx)).is_pending());
    rig.pass(10).await;
    drop(held);
    assert!(handle.enter(|cx, mut reservation| reservation.poll_ready(cx)).is_ready());
    rig.pass(10).await;
    assert_eq!(heard(&mut rig).0, 10);
    let claim = claimed(&mut handle);
    rig.pass(10).await;
    drop(claim);
    rig.pass(10).await;
    assert_eq!(heard(&mut rig).0, 10);
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn work_cut_short_has_its_time_in_it() {
    let mut rig = rig(2);
    let work = rig.admitted(None).begin();
    rig.pass(30).await;
    drop(work);
    assert_eq!(heard(&mut rig), (30, 1));
}

#[tokio::test(start_paused = true)]
async fn a_law_may_begin_and_cease_to_want_it_while_permits_are_out() {
    let mut rig = Rig::new(3);
    let (one, two) = (rig.admitted(None), rig.admitted(wide(2)));
    rig.pass(100).await;
    assert_eq!(heard(&mut rig), (0, 0), "nobody wants it");
    rig.law.set_wants_latency(true);
    assert_eq!(heard(&mut rig), (0, 0), "from now on");
    rig.pass(10).await;
    drop(one);
    rig.pass(10).await;
    assert_eq!(heard(&mut rig), (10 + 2 * 20, 1));
    rig.law.set_wants_latency(false);
    rig.pass(10).await;
    assert_eq!(heard(&mut rig), (0, 0));
    drop(two);
    rig.law.set_wants_latency(true);
    rig.tick();
    rig.pass(10).await;
    assert_eq!(heard(&mut rig), (0, 0));
    rig.assert_nothing_is_lost();
}

#[tokio::test(start_paused = true)]
async fn permits_that_nobody_saw_are_told_apart() {
    let mut rig = rig(3);
    let held = rig.admitted(wide(3));
    let call = rig.waiting(wide(3));
    drop(held);
    assert!(call.is_woken());
    drop(call);
    rig.tick();
    let demand = rig.law.seen().last().unwrap().demand;
    assert_eq!((demand.completed, demand.unused, demand.abandoned), (6, 3, 0));
    rig.tick();
    assert_eq!(rig.law.seen().last().unwrap().demand.unused, 0, "once");
}
