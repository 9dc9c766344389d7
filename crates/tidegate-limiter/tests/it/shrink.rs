//! A limit that falls while calls of all kinds wait.

use std::collections::VecDeque;

use super::manual::{Rig, granted, still_waits};
use tidegate_limiter::{Class, Key};
use tokio_test::assert_ready_ok;
use tokio_test::task::Spawn;

fn key(name: u32) -> Class {
    Class::default().key(Key::new(name))
}

/// tower-acc hands the permit to the next caller before it takes it out: twenty go on running at a limit of one.
#[test]
fn what_runs_falls_to_the_limit_though_calls_wait() {
    for classes in [[None, None], [Some(key(1)), Some(key(2))]] {
        let mut rig = Rig::new(20);
        let mut running: VecDeque<_> = (0..20).map(|_| rig.admitted(classes[0])).collect();
        let mut waiting: VecDeque<_> = (0..40).map(|i| rig.waiting(classes[i % 2])).collect();
        rig.set_limit(1);
        for ended in 1..=19 {
            drop(running.pop_front());
            assert_eq!(rig.counts(), (20 - ended, 0, 40));
        }
        // From here on one is admitted for one that ends.
        for _ in 0..10 {
            drop(running.pop_front());
            let next = waiting.iter().position(Spawn::is_woken).unwrap();
            running.push_back(assert_ready_ok!(waiting.remove(next).unwrap().poll()));
            assert_eq!(rig.counts().0, 1);
        }
    }
}

/// Vector's waiter pays for the shrink and goes to the end of the line.
#[test]
fn a_waiter_keeps_its_place_through_a_shrink() {
    for class in [None, Some(key(1))] {
        let mut rig = Rig::new(3);
        let held: Vec<_> = (0..3).map(|_| rig.admitted(class)).collect();
        let mut calls = [rig.waiting(class), rig.waiting(class), rig.waiting(class)];
        rig.set_limit(1);
        drop(held);
        for turn in 0..3 {
            let permit = granted(&mut calls[turn]);
            calls[turn + 1..].iter_mut().for_each(still_waits);
            drop(permit);
        }
        rig.assert_nothing_is_lost();
    }
}

#[test]
fn growth_pays_off_the_overhang_before_it_admits() {
    let mut rig = Rig::new(4);
    let _held: Vec<_> = (0..4).map(|_| rig.admitted(key(1))).collect();
    let mut waiting = [rig.waiting(key(2)), rig.waiting(key(2))];
    for limit in [1, 3, 4] {
        rig.set_limit(limit);
        assert_eq!(rig.limiter.snapshot().overhang, 4 - limit);
        waiting.iter_mut().for_each(still_waits);
    }
    rig.set_limit(6);
    let admitted = waiting.each_mut().map(granted);
    assert_eq!(admitted.len(), 2);
}

/// `limit − available`, as bulkheads report it, is wrong after a shrink.
#[test]
fn in_flight_is_counted_and_not_derived_from_the_limit() {
    let mut rig = Rig::new(5);
    let held = [rig.admitted(None), rig.admitted(key(1)), rig.admitted(key(1).weight(2))];
    rig.set_limit(1);
    let snapshot = rig.limiter.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.overhang, snapshot.headroom()), (4, 3, 0));
    drop(held);
    assert_eq!(rig.limiter.snapshot().headroom(), 1);
}

/// tower-resilience takes a least limit of zero, and one error then stops every caller for ever.
#[test]
fn a_law_that_says_zero_leaves_one_permit() {
    let mut rig = Rig::new(2);
    rig.set_limit(0);
    assert_eq!(rig.limiter.snapshot().limit, 1);
    let held = rig.admitted(None);
    let mut waiting = rig.waiting(key(1));
    drop(held);
    drop(granted(&mut waiting));
}

#[test]
fn a_law_that_says_more_than_can_be_counted_gets_what_can() {
    let mut rig = Rig::new(2);
    rig.set_limit(u32::MAX);
    assert_eq!(rig.limiter.snapshot().limit, (1 << 20) - 1);
    let permit = rig.admitted(key(1).weight(u32::MAX));
    assert_eq!(permit.weight(), 1_000_000);
    drop(permit);
    rig.set_limit(2);
    rig.assert_nothing_is_lost();
}
