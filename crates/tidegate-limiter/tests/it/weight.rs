//! Calls that need several permits at once.

use super::manual::{Rig, granted, still_waits};
use std::collections::VecDeque;
use tidegate_limiter::{Class, Key, OverloadReason, Priority, Reservation};
use tokio_test::{assert_ready, assert_ready_ok, task};

fn wide(permits: u32) -> Class {
    Class::default().weight(permits).key(Key::new("wide"))
}

fn narrow() -> Class {
    Class::default().key(Key::new("narrow"))
}

#[test]
fn a_wide_call_counts_with_all_its_permits() {
    let rig = Rig::new(5);
    let permit = rig.admitted(wide(3));
    assert_eq!((permit.weight(), rig.counts()), (3, (3, 0, 0)));
    assert_eq!(rig.limiter.snapshot().headroom(), 2);
    let waiting = rig.waiting(wide(3));
    assert_eq!(rig.counts(), (3, 0, 1), "one caller waits, whatever it needs");
    drop((waiting, permit));
    rig.assert_nothing_is_lost();
}

#[test]
fn a_wide_call_is_admitted_only_when_its_permits_are_free_together() {
    let rig = Rig::new(4);
    let mut held: Vec<_> = (0..4).map(|_| rig.admitted(None)).collect();
    let mut call = rig.waiting(wide(3));
    for _ in 0..2 {
        held.pop();
        still_waits(&mut call);
    }
    held.pop();
    assert_eq!(granted(&mut call).weight(), 3);
}

#[test]
fn nobody_is_admitted_while_a_wide_call_whose_turn_it_is_waits() {
    let rig = Rig::new(4);
    let mut held: Vec<_> = (0..4).map(|_| rig.admitted(None)).collect();
    let mut call = rig.waiting(wide(4));
    held.truncate(1);
    still_waits(&mut call);
    assert_eq!(rig.limiter.try_acquire().unwrap_err().reason(), OverloadReason::NoPermit);
    assert_eq!(rig.limiter.try_acquire_with(narrow()).unwrap_err().reason(), OverloadReason::NoPermit);
    let mut plain = rig.waiting(None);
    let mut urgent = rig.waiting(narrow().priority(Priority::High));
    assert_eq!(rig.counts(), (1, 0, 3));
    held.clear();
    let permit = granted(&mut call);
    still_waits(&mut urgent);
    drop(permit);
    drop((granted(&mut urgent), granted(&mut plain)));
    rig.assert_nothing_is_lost();
}

#[test]
fn narrow_calls_never_starve_a_wide_one() {
    for limit in 2..=8 {
        let rig = Rig::new(limit);
        let mut running: VecDeque<_> = (0..limit).map(|_| rig.admitted(narrow())).collect();
        let mut queue: VecDeque<_> = (0..2 * limit).map(|_| rig.waiting(narrow())).collect();
        let mut call = rig.waiting(wide(limit));
        let mut ended = 0;
        while !call.is_woken() {
            drop(running.pop_front());
            ended += 1;
            assert!(ended <= 2 * limit, "starved at {limit}");
            while queue.front().is_some_and(task::Spawn::is_woken) {
                running.push_back(assert_ready_ok!(queue.pop_front().unwrap().poll()));
                queue.push_back(rig.waiting(narrow()));
            }
            assert!(rig.limiter.snapshot().in_flight <= limit);
        }
        assert_eq!(granted(&mut call).weight(), limit);
    }
}

#[test]
fn wide_calls_pay_for_all_their_permits() {
    let rig = Rig::new(4);
    let mut held = vec![rig.admitted(wide(4))];
    let mut given = [0_u32; 2];
    let mut queues: [VecDeque<_>; 2] = std::array::from_fn(|_| VecDeque::new());
    for _ in 0..2000 {
        for (queue, class) in queues.iter_mut().zip([wide(4), narrow()]) {
            while queue.len() < 5 {
                queue.push_back(rig.waiting(class));
            }
        }
        drop(held.remove(0));
        for (queue, given) in queues.iter_mut().zip(&mut given) {
            while queue.front().is_some_and(task::Spawn::is_woken) {
                let permit = assert_ready_ok!(queue.pop_front().unwrap().poll());
                *given += permit.weight();
                held.push(permit);
            }
        }
    }
    let difference = given[0].abs_diff(given[1]);
    assert!(difference <= 4, "equal shares in permits, not in calls: {given:?}");
}

#[test]
fn a_call_wider_than_the_limit_gets_the_whole_limit() {
    for weight in [4, 1000, u32::MAX] {
        let rig = Rig::new(3);
        assert_eq!(rig.admitted(wide(weight)).weight(), 3);
        let held = rig.admitted(None);
        let mut call = rig.waiting(wide(weight));
        drop(held);
        assert_eq!(granted(&mut call).weight(), 3);
        assert_eq!(rig.limiter.try_acquire_with(wide(weight)).unwrap().weight(), 3);
        rig.assert_nothing_is_lost();
    }
}

#[test]
fn a_waiting_call_is_served_after_the_limit_has_shrunk_below_its_weight() {
    let mut rig = Rig::new(4);
    let mut held: Vec<_> = (0..4).map(|_| rig.admitted(None)).collect();
    let mut call = rig.waiting(wide(4));
    held.pop();
    rig.set_limit(2);
    held.pop();
    held.pop();
    still_waits(&mut call);
    held.pop();
    let permit = granted(&mut call);
    assert_eq!((permit.weight(), rig.counts()), (2, (2, 0, 0)));
    rig.set_limit(4);
    assert_eq!(permit.weight(), 2, "what it was given does not grow");
    drop(permit);
    rig.assert_nothing_is_lost();
}

#[test]
fn a_shrink_below_a_wide_permit_that_is_out_is_overhang_until_it_comes_back() {
    let mut rig = Rig::new(4);
    let permit = rig.admitted(wide(4));
    let mut waiting = rig.waiting(narrow());
    rig.set_limit(1);
    assert_eq!(rig.limiter.snapshot().overhang, 3);
    still_waits(&mut waiting);
    drop(permit);
    drop(granted(&mut waiting));
    rig.assert_nothing_is_lost();
}

#[test]
fn a_wide_call_gives_way_when_it_is_dropped() {
    let rig = Rig::new(3);
    let held = rig.admitted(None);
    let wide = rig.waiting(wide(3));
    let (mut one, mut two) = (rig.waiting(narrow()), rig.waiting(None));
    drop(wide);
    drop((granted(&mut one), granted(&mut two), held));
    rig.assert_nothing_is_lost();
}

#[test]
fn a_wide_call_takes_idle_reservations_at_once_if_nobody_else_waits() {
    let rig = Rig::new(2);
    let mut idle = task::spawn(Reservation::new(&rig.limiter));
    assert_ready!(idle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    rig.look();
    assert_eq!(rig.admitted(wide(2)).weight(), 2);
}

#[test]
fn a_wide_call_that_waits_gets_idle_reservations_within_two_looks() {
    let rig = Rig::new(3);
    let held = [rig.admitted(None), rig.admitted(None)];
    let mut idle = task::spawn(Reservation::new(&rig.limiter));
    assert_ready!(idle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    let mut call = rig.waiting(wide(3));
    drop(held);
    still_waits(&mut call);
    rig.look();
    rig.look();
    assert_eq!(granted(&mut call).weight(), 3);
}
