//! The end of a limiter: `close`, `drain`, and `run` beside them.

use std::cell::Cell;
use std::future::{pending, ready};

use super::manual::{Rig, claimed, granted, poll_held, still_waits, turned_away};
use tidegate_limiter::{Class, Key, Limiter, OverloadReason, Reservation};
use tokio_test::task::{self, Spawn};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok};

fn keyed() -> Class {
    Class::default().key(Key::new("one"))
}

/// A handle that has said "ready".
fn reserved(rig: &Rig) -> Spawn<Reservation> {
    let mut handle = task::spawn(Reservation::new(&rig.limiter));
    assert_ready!(handle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    handle
}

#[test]
fn calls_that_wait_are_refused_when_the_limiter_is_closed() {
    let rig = Rig::new(1);
    let _held = rig.admitted(None);
    let mut calls = [rig.waiting(None), rig.waiting(keyed()), rig.waiting(keyed().weight(7))];
    rig.limiter.close();
    for call in &mut calls {
        assert_eq!(turned_away(call), OverloadReason::Closed);
    }
    assert_eq!(rig.counts(), (1, 0, 0));
}

#[test]
fn calls_that_come_after_closing_are_refused_by_every_clone() {
    let rig = Rig::new(2);
    let clone = Limiter::clone(&rig.limiter);
    clone.close();
    for class in [None, Some(keyed()), Some(keyed().weight(2))] {
        assert_eq!(rig.refused(class).reason(), OverloadReason::Closed);
    }
    assert_eq!(rig.limiter.try_acquire().unwrap_err().reason(), OverloadReason::Closed);
    assert_eq!(rig.limiter.try_acquire_with(keyed()).unwrap_err().reason(), OverloadReason::Closed);
    let mut run = task::spawn(rig.limiter.run(ready(1)));
    assert_eq!(assert_ready_err!(run.poll()).reason(), OverloadReason::Closed);
    let snapshot = rig.limiter.snapshot();
    assert!(snapshot.is_closed);
    assert_eq!((snapshot.headroom(), snapshot.in_flight), (0, 0));
    assert_eq!(rig.refused(None).to_string(), "the call was refused: the limiter is closed");
}

#[test]
fn a_future_made_before_closing_and_polled_after_it_is_refused() {
    let rig = Rig::new(1);
    let mut calls = [rig.call(None), rig.call(keyed())];
    rig.limiter.close();
    for call in &mut calls {
        assert_eq!(assert_ready_err!(call.poll()).reason(), OverloadReason::Closed);
    }
}

#[test]
fn closing_is_for_good_and_closing_again_changes_nothing() {
    let mut rig = Rig::new(1);
    let held = rig.admitted(keyed());
    rig.limiter.close();
    rig.limiter.close();
    rig.set_limit(5);
    rig.set_brake(true);
    rig.set_brake(false);
    rig.look();
    assert_eq!(rig.refused(None).reason(), OverloadReason::Closed);
    drop(held);
    assert_eq!(rig.refused(keyed()).reason(), OverloadReason::Closed);
    assert_eq!(rig.counts(), (0, 0, 0));
}

#[test]
fn permits_that_are_out_stay_valid() {
    let rig = Rig::new(3);
    let permits = [rig.admitted(None), rig.admitted(keyed().weight(2))];
    rig.limiter.close();
    assert_eq!(rig.counts(), (3, 0, 0));
    assert_eq!(permits.each_ref().map(tidegate_limiter::Permit::weight), [1, 2]);
    drop(permits);
    assert_eq!(rig.counts(), (0, 0, 0));
}

#[test]
fn a_permit_handed_over_before_closing_is_kept() {
    for class in [None, Some(keyed())] {
        let rig = Rig::new(1);
        let held = rig.admitted(None);
        let mut call = rig.waiting(class);
        drop(held);
        let mut drain = task::spawn(rig.limiter.drain());
        assert_pending!(drain.poll());
        drop(granted(&mut call));
        assert!(drain.is_woken());
        assert_ready!(drain.poll());
    }
}

#[test]
fn drain_ends_when_the_last_permit_comes_back() {
    let rig = Rig::new(4);
    let (plain, wide) = (rig.admitted(None), rig.admitted(keyed().weight(3)));
    let mut drain = task::spawn(rig.limiter.drain());
    assert_pending!(drain.poll());
    drop(plain);
    assert!(!drain.is_woken());
    assert_pending!(drain.poll());
    drop(wide);
    assert!(drain.is_woken());
    assert_ready!(drain.poll());
}

#[test]
fn drain_closes_when_it_is_called_and_not_when_it_is_polled() {
    let rig = Rig::new(1);
    let drain = rig.limiter.drain();
    assert!(rig.limiter.snapshot().is_closed);
    drop(drain);
    assert_eq!(rig.refused(None).reason(), OverloadReason::Closed, "and a dropped drain does not open again");
}

#[test]
fn drain_ends_at_once_when_nothing_is_out_and_so_does_the_next() {
    let rig = Rig::new(1);
    for _ in 0..2 {
        assert_ready!(task::spawn(rig.limiter.drain()).poll());
    }
}

#[test]
fn every_drain_is_told_and_a_dropped_one_is_not_missed() {
    let rig = Rig::new(1);
    let held = rig.admitted(keyed());
    let mut drains = [(); 3].map(|()| task::spawn(rig.limiter.drain()));
    drains.iter_mut().for_each(|drain| assert_pending!(drain.poll()));
    let [first, mut second, mut third] = drains;
    drop(first);
    drop(held);
    assert!(second.is_woken() && third.is_woken());
    assert_ready!(second.poll());
    assert_ready!(third.poll());
}

#[test]
fn a_drain_that_was_told_and_is_dropped_takes_nothing_from_the_others() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let (mut first, mut second) = (task::spawn(rig.limiter.drain()), task::spawn(rig.limiter.drain()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(held);
    drop(first);
    assert_ready!(second.poll());
}

#[test]
fn drain_waits_for_the_overhang_of_a_shrink() {
    let mut rig = Rig::new(3);
    let mut held: Vec<_> = (0..3).map(|_| rig.admitted(None)).collect();
    rig.set_limit(1);
    let mut drain = task::spawn(rig.limiter.drain());
    assert_pending!(drain.poll());
    held.truncate(1);
    assert_pending!(drain.poll());
    held.clear();
    assert_ready!(drain.poll());
}

#[test]
fn a_service_that_was_ready_when_the_limiter_was_closed_still_has_its_call() {
    let rig = Rig::new(1);
    let mut handle = reserved(&rig);
    rig.limiter.close();
    assert_eq!(rig.counts(), (0, 0, 0), "the reservation is taken back");
    let mut permit = claimed(&mut handle);
    assert_ready!(poll_held(&mut permit));
    assert_eq!(rig.counts(), (1, 0, 0));
    drop(permit);
    assert_eq!(rig.counts(), (0, 0, 0));
}

#[test]
fn a_revoked_reservation_that_was_claimed_is_served_after_closing_and_before_the_drain_ends() {
    let rig = Rig::new(1);
    let mut handle = reserved(&rig);
    rig.look();
    let held = rig.admitted(None);
    let mut claim = claimed(&mut handle);
    assert_pending!(poll_held(&mut claim));
    let mut drain = task::spawn(rig.limiter.drain());
    assert_pending!(drain.poll());
    assert_pending!(poll_held(&mut claim));
    drop(held);
    assert!(claim.is_woken() && !drain.is_woken());
    assert_ready!(poll_held(&mut claim));
    assert_pending!(drain.poll());
    drop(claim);
    assert!(drain.is_woken());
    assert_ready!(drain.poll());
}

#[test]
fn a_drain_does_not_end_while_the_brake_keeps_a_promised_call_waiting() {
    let rig = Rig::new(1);
    let mut handle = reserved(&rig);
    rig.look();
    let held = rig.admitted(None);
    let mut claim = claimed(&mut handle);
    assert_pending!(poll_held(&mut claim));
    rig.set_brake(true);
    let mut drain = task::spawn(rig.limiter.drain());
    assert_pending!(drain.poll());
    drop(held);
    assert!(!drain.is_woken() && !claim.is_woken());
    rig.set_brake(false);
    assert!(claim.is_woken() && !drain.is_woken());
    assert_ready!(poll_held(&mut claim));
    drop(claim);
    assert_ready!(drain.poll());
}

#[test]
fn a_claim_that_is_dropped_while_closing_ends_the_drain() {
    let rig = Rig::new(1);
    let mut handle = reserved(&rig);
    rig.set_brake(true);
    let claim = claimed(&mut handle);
    let mut drain = task::spawn(rig.limiter.drain());
    assert_pending!(drain.poll());
    drop(claim);
    assert!(drain.is_woken());
    assert_ready!(drain.poll());
}

#[test]
fn a_service_that_waits_to_be_ready_goes_on_waiting_and_may_go() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut handle = task::spawn(Reservation::new(&rig.limiter));
    assert_pending!(handle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    let mut drain = task::spawn(rig.limiter.drain());
    assert_pending!(drain.poll());
    drop(held);
    assert!(!handle.is_woken());
    assert_pending!(handle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    assert!(drain.is_woken(), "nobody waits for a service that may never be called");
    assert_ready!(drain.poll());
    drop(handle);
    assert_eq!(rig.counts(), (0, 0, 0));
}

#[test]
fn a_handle_is_not_ready_any_more_after_closing() {
    let rig = Rig::new(1);
    rig.limiter.close();
    let mut handle = task::spawn(Reservation::new(&rig.limiter));
    assert_pending!(handle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
}

#[test]
fn run_gives_the_result_and_the_permit_back() {
    let rig = Rig::new(1);
    let mut run = task::spawn(rig.limiter.run(async { rig.counts().0 }));
    assert_eq!(assert_ready_ok!(run.poll()), 1, "the work has the permit");
    drop(run);
    rig.assert_nothing_is_lost();
}

#[test]
fn run_polls_its_work_only_with_a_permit() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let polled = Cell::new(false);
    let mut run = task::spawn(rig.limiter.run(async { polled.set(true) }));
    assert_pending!(run.poll());
    rig.limiter.close();
    assert_eq!(assert_ready_err!(run.poll()).reason(), OverloadReason::Closed);
    assert!(!polled.get());
    drop(held);
}

#[test]
fn a_run_that_is_dropped_drops_its_work_first_and_then_gives_back_the_permit() {
    struct Work<'a>(&'a Rig, &'a Cell<Option<u32>>);
    impl Drop for Work<'_> {
        fn drop(&mut self) {
            self.1.set(Some(self.0.counts().0));
        }
    }
    let rig = Rig::new(1);
    let seen = Cell::new(None);
    let work = Work(&rig, &seen);
    let mut run = task::spawn(rig.limiter.run(async move {
        let _work = work;
        pending::<()>().await;
    }));
    assert_pending!(run.poll());
    let mut next = rig.waiting(None);
    drop(run);
    assert_eq!(seen.get(), Some(1), "the permit was out while the work was dropped");
    drop(granted(&mut next));
    rig.assert_nothing_is_lost();
}

#[test]
fn a_run_that_is_dropped_in_line_gives_up_its_place() {
    let rig = Rig::new(1);
    let held = rig.admitted(None);
    let mut run = task::spawn(rig.limiter.run(pending::<()>()));
    assert_pending!(run.poll());
    let mut next = rig.waiting(None);
    drop(run);
    still_waits(&mut next);
    drop(held);
    drop(granted(&mut next));
}
