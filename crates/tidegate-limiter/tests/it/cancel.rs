//! Every future and guard dropped at every moment: nothing is lost, and who is next gets in.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use super::manual::{Rig, claimed, granted, poll_held, still_waits};
use tidegate_limiter::{Class, Key, Priority, Reservation};
use tokio_test::task;
use tokio_test::{assert_pending, assert_ready};

/// One of each kind of call.
fn kinds() -> [Option<Class>; 6] {
    let class = Class::default();
    [
        None,
        Some(class),
        Some(class.key(Key::new("one")).share(5)),
        Some(class.key(Key::new("one")).weight(2)),
        Some(class.priority(Priority::High).weight(u32::MAX)),
        Some(class.priority(Priority::Low).within(Duration::from_secs(3600))),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_before_its_first_poll_changes_nothing() {
    for kind in kinds() {
        let rig = Rig::new(3);
        drop(rig.call(kind));
        rig.assert_nothing_is_lost();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_in_line_gives_up_its_place() {
    for kind in kinds() {
        let mut rig = Rig::new(3);
        let held: Vec<_> = (0..3).map(|_| rig.admitted(None)).collect();
        let call = rig.waiting(kind);
        let mut next = rig.waiting(None);
        drop(call);
        assert_eq!(rig.counts(), (3, 0, 1), "{kind:?}");
        still_waits(&mut next);
        drop(held);
        drop(granted(&mut next));
        rig.assert_nothing_is_lost();
        rig.tick();
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_call_was_handed_and_has_not_seen_goes_to_the_next_in_line() {
    for kind in kinds() {
        for next in kinds() {
            let rig = Rig::new(3);
            let held: Vec<_> = (0..3).map(|_| rig.admitted(None)).collect();
            let call = rig.waiting(kind);
            drop(held);
            assert!(call.is_woken(), "{kind:?}");
            let all: Vec<_> = std::iter::from_fn(|| rig.limiter.try_acquire().ok()).collect();
            let mut next = rig.waiting(next);
            drop(all);
            let next_had_it_already = next.is_woken();
            drop(call);
            assert!(next_had_it_already || next.is_woken(), "{kind:?}: the next was not woken");
            drop(granted(&mut next));
            rig.assert_nothing_is_lost();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_polled_anew_keeps_its_place() {
    for kind in kinds() {
        let rig = Rig::new(3);
        let held: Vec<_> = (0..3).map(|_| rig.admitted(None)).collect();
        let mut call = rig.waiting(kind);
        let mut later = rig.waiting(kind);
        // What `select!` does in a loop over `&mut call`.
        for _ in 0..3 {
            tokio::select! { biased; _ = &mut *call => unreachable!("nothing is free"), () = async {} => {} }
            still_waits(&mut call);
        }
        drop(held);
        assert!(call.is_woken());
        drop(granted(&mut call));
        drop(granted(&mut later));
        rig.assert_nothing_is_lost();
    }
}

/// Drops what it holds when it is woken, wherever that is.
struct Dropper<T>(Mutex<Option<T>>);

impl<T: Send + 'static> Wake for Dropper<T> {
    fn wake(self: Arc<Self>) {
        let held = self.0.lock().unwrap().take();
        drop(held);
    }
}

type Boxed = Pin<Box<tidegate_limiter::Acquire>>;

/// A call in line that is dropped in the middle of its own wake-up.
fn dropped_when_woken(rig: &Rig, kind: Option<Class>) -> Arc<Dropper<Boxed>> {
    let dropper = Arc::new(Dropper(Mutex::new(None)));
    let waker = Waker::from(Arc::clone(&dropper));
    let mut call: Boxed = Box::pin(match kind {
        Some(class) => rig.limiter.acquire_with(class),
        None => rig.limiter.acquire(),
    });
    assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    *dropper.0.lock().unwrap() = Some(call);
    dropper
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_is_woken_by_a_release_passes_the_permits_on() {
    for kind in kinds() {
        let rig = Rig::new(3);
        let held: Vec<_> = (0..3).map(|_| rig.admitted(None)).collect();
        let dropper = dropped_when_woken(&rig, kind);
        let mut next = rig.waiting(None);
        drop(held);
        assert!(dropper.0.lock().unwrap().is_none(), "{kind:?} was not woken");
        drop(granted(&mut next));
        rig.assert_nothing_is_lost();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_is_woken_by_growth_passes_the_permits_on() {
    for kind in kinds() {
        let mut rig = Rig::new(1);
        let held = rig.admitted(None);
        let dropper = dropped_when_woken(&rig, kind);
        let mut next = rig.waiting(None);
        rig.set_limit(4);
        drop(held);
        assert!(dropper.0.lock().unwrap().is_none(), "{kind:?} was not woken");
        drop(granted(&mut next));
        rig.assert_nothing_is_lost();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_while_it_is_woken_by_closing_holds_up_no_drain() {
    for kind in kinds() {
        let rig = Rig::new(1);
        let held = rig.admitted(None);
        let dropper = dropped_when_woken(&rig, kind);
        let mut drain = task::spawn(rig.limiter.drain());
        assert!(dropper.0.lock().unwrap().is_none(), "{kind:?} was not woken");
        assert_pending!(drain.poll());
        drop(held);
        assert!(drain.is_woken());
        assert_ready!(drain.poll());
        assert_eq!(rig.counts(), (0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_handed_a_permit_and_dropped_after_a_shrink_repays_the_overhang() {
    for kind in kinds() {
        let mut rig = Rig::new(3);
        let mut held: Vec<_> = (0..3).map(|_| rig.admitted(None)).collect();
        let call = rig.waiting(kind);
        let mut next = rig.waiting(Class::default().priority(Priority::Low));
        if kind.is_none_or(|class| class == class.weight(1)) {
            held.pop();
        } else {
            held.clear();
        }
        assert!(call.is_woken(), "{kind:?}");
        rig.set_limit(1);
        let out = rig.counts().0;
        drop(call);
        assert!(rig.counts().0 < out || next.is_woken(), "{kind:?}");
        assert!(rig.limiter.snapshot().overhang <= 1);
        held.clear();
        drop(granted(&mut next));
        rig.assert_nothing_is_lost();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_after_hand_over_while_closing_ends_the_drain() {
    for kind in kinds() {
        let rig = Rig::new(3);
        let held: Vec<_> = (0..3).map(|_| rig.admitted(None)).collect();
        let call = rig.waiting(kind);
        drop(held);
        let mut drain = task::spawn(rig.limiter.drain());
        assert_pending!(drain.poll());
        drop(call);
        assert!(drain.is_woken(), "{kind:?}");
        assert_ready!(drain.poll());
        assert_eq!(rig.counts(), (0, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_after_its_refusal_and_before_it_has_seen_it_leaves_nothing_behind() {
    for kind in kinds() {
        let rig = Rig::new(1);
        let held = rig.admitted(None);
        let call = rig.waiting(kind);
        rig.limiter.close();
        assert!(call.is_woken());
        drop((call, held));
        assert_eq!(rig.counts(), (0, 0, 0));
        assert_ready!(task::spawn(rig.limiter.drain()).poll());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_under_the_brake_leaves_nothing_behind() {
    for kind in kinds() {
        let rig = Rig::new(3);
        rig.set_brake(true);
        let call = rig.waiting(kind);
        let mut next = rig.waiting(None);
        drop(call);
        still_waits(&mut next);
        rig.set_brake(false);
        drop(granted(&mut next));
        rig.assert_nothing_is_lost();
    }
}

/// Every kind of waiter in one line, dropped from the front, from the back and from the middle.
#[tokio::test(start_paused = true)]
async fn calls_may_leave_the_line_in_any_order() {
    for first in 0..6 {
        let rig = Rig::new(2);
        let held = [rig.admitted(None), rig.admitted(None)];
        let mut calls: Vec<_> = kinds().into_iter().chain(kinds()).map(|kind| rig.waiting(kind)).collect();
        for step in 0..12 {
            let index = (first + step * 5) % calls.len();
            drop(calls.remove(index));
        }
        assert_eq!(rig.counts(), (2, 0, 0));
        drop(held);
        rig.assert_nothing_is_lost();
    }
}

#[test]
fn a_claim_dropped_in_line_gives_up_its_place_and_after_hand_over_passes_the_permit_on() {
    for is_handed_over in [false, true] {
        let rig = Rig::new(1);
        let mut handle = task::spawn(Reservation::new(&rig.limiter));
        assert_ready!(handle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
        rig.look();
        let held = rig.admitted(None);
        let mut claim = claimed(&mut handle);
        assert_pending!(poll_held(&mut claim));
        let mut next = rig.waiting(None);
        if is_handed_over {
            drop(held);
            assert!(claim.is_woken());
            drop(claim);
        } else {
            drop(claim);
            still_waits(&mut next);
            drop(held);
        }
        drop(granted(&mut next));
        rig.assert_nothing_is_lost();
    }
}
