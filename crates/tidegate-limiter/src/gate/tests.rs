//! The gate against a model of it, operation by operation, and what the model does not know of.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken model must say so, and its seed"
)]

mod model;
mod ops;
mod pair;
mod shares;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use self::ops::Weights;
use self::pair::{Pair, Woken};
use super::queue::{QueueConfig, QueueLimit};
use super::{Entry, Gate, Grant, Hold, Line, Seat, Ticket};
use crate::sync::lock;
use crate::{Class, Key, Priority};

const CONFIG: QueueConfig = QueueConfig { limit: QueueLimit::PerPermit(100), sojourn: None };

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_does_what_the_model_does(
        limit in 1..7_u32,
        config in ops::config(),
        ops in prop::collection::vec(ops::op(Weights { drop: 6, close: 1 }), 1..120),
        mut order in any::<usize>(),
    ) {
        let mut pair = Pair::new(limit, config);
        for op in ops {
            pair.apply(op);
        }
        pair.drop_all(|| {
            order = order.wrapping_mul(31).wrapping_add(7);
            order >> 16
        });
    }
}

/// The number that replays a run, `TIDEGATE_SEED`.
fn seed() -> u64 {
    let given = std::env::var("TIDEGATE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or(20_261_124);
    println!("TIDEGATE_SEED={seed}");
    seed
}

#[test]
fn a_million_random_drops_lose_nothing() {
    let mut dice = seed() | 1;
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&dice.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let op = ops::op(Weights { drop: 20, close: 1 });
    let mut draw = || op.new_tree(&mut runner).expect("nothing is filtered").current();
    // Making an operation takes longer than applying it.
    let some: Vec<_> = (0..4096).map(|_| draw()).collect();
    let mut roll = || {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 40) as usize
    };
    let mut drops = 0;
    while drops < 1_000_000 {
        let places = u32::try_from(1 + roll() % 12).expect("a small number");
        let times = (Duration::from_millis(5), Duration::from_millis(40));
        let config = QueueConfig {
            limit: QueueLimit::Fixed(places),
            sojourn: roll().is_multiple_of(2).then_some(times),
        };
        let mut pair = Pair::new(3, config);
        while pair.drops < 20_000 && !pair.is_closed() {
            pair.apply(some[roll() % some.len()]);
        }
        drops += pair.drops + pair.held() as u64;
        pair.drop_all(&mut roll);
    }
}

fn queue_up(gate: &Gate, class: Class) -> Ticket {
    match gate.enter_class(&class, false, || 0, None, None) {
        Entry::Queued(ticket) => ticket,
        other => unreachable!("{other:?} where permits are lacking"),
    }
}

/// It used to have its turn from the next release on only, so that one of higher priority who came meanwhile went first, or
/// neither was served while a permit was free.
#[test]
fn a_wide_call_that_finds_too_few_permits_has_its_turn_at_once() {
    let gate = Gate::new(2, CONFIG);
    assert!(gate.try_take());
    let wide = queue_up(&gate, Class::default().weight(2));
    let narrow = queue_up(&gate, Class::default().priority(Priority::High));
    gate.release(Hold::PLAIN);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(gate.poll_ticket(&narrow, &mut cx).is_pending());
    assert!(gate.poll_ticket(&wide, &mut cx).is_ready());
}

/// The permit it had waited with used to stay free, and the call that took its place to wait, until the next release.
#[test]
fn the_turn_of_a_displaced_wide_call_goes_on_to_the_next() {
    let gate = Gate::new(2, QueueConfig { limit: QueueLimit::Fixed(1), sojourn: None });
    assert!(gate.try_take());
    let wide = queue_up(&gate, Class::default().weight(2).priority(Priority::Low));
    let narrow = queue_up(&gate, Class::default());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(gate.poll_ticket(&narrow, &mut cx).is_ready());
    assert!(matches!(gate.poll_ticket(&wide, &mut cx), Poll::Ready(Err(_))));
}

/// With the one displaced nobody with a class waited any more, so the flow of the newcomer, which was remembered only for
/// what it owed, used to be forgotten while the newcomer joined it.
#[test]
fn a_newcomer_that_displaces_the_last_waiter_keeps_its_flow() {
    let gate = Gate::new(3, QueueConfig { limit: QueueLimit::PerPermit(1), sojourn: None });
    assert!(gate.try_take() && gate.try_take() && gate.try_take());
    assert!(matches!(gate.enter(Line::Ordinary, None), Entry::Queued(_)));
    let keyed = Class::default().key(Key::from_hash(7));
    let wide = queue_up(&gate, keyed.weight(2));
    let _low = queue_up(&gate, Class::default().priority(Priority::Low));
    gate.release(Hold::PLAIN);
    gate.release(Hold::PLAIN);
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(Grant::Permits(hold))) = gate.poll_ticket(&wide, &mut cx) else {
        unreachable!("two permits are free")
    };
    gate.set_limit(1);
    gate.release(hold);
    let _newcomer = queue_up(&gate, keyed);
    assert_eq!(lock(&gate.queue).flows().keyed(), 1);
}

#[test]
fn peak_and_held_back_are_of_the_time_since_the_last_observation() {
    let gate = Gate::new(2, CONFIG);
    assert!(gate.try_take() && gate.try_take());
    let Entry::Queued(ticket) = gate.enter(Line::Ordinary, None) else {
        unreachable!("two of two permits are out");
    };
    gate.cancel(ticket);
    gate.release(Hold::PLAIN);
    let seen = gate.observe();
    assert_eq!((seen.peak, seen.held_back, seen.admitted), (2, true, 2));
    let seen = gate.observe();
    assert_eq!((seen.peak, seen.held_back), (1, false));
}

#[test]
fn a_braked_caller_is_not_held_back_by_the_limit() {
    let gate = Gate::new(2, CONFIG);
    gate.set_brake(true);
    assert!(matches!(gate.enter(Line::Ordinary, None), Entry::Queued(_)));
    assert!(!gate.observe().held_back);
}

#[test]
fn a_sleeping_driver_is_woken_by_the_first_caller_only_when_nobody_is_in() {
    let gate = Gate::new(2, CONFIG);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);

    assert!(gate.try_take());
    assert!(gate.poll_idle(&mut cx, 1).is_ready(), "there is work");
    gate.release(Hold::PLAIN);
    assert!(gate.poll_idle(&mut cx, 1).is_pending());
    assert!(!gate.try_take(), "the fast path is closed while the driver sleeps");
    assert!(gate.try_enter().is_ok());
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert!(gate.try_take(), "the fast path is open again");
}

#[test]
fn a_caller_that_must_wait_for_a_reservation_wakes_the_sleeping_driver() {
    let gate = Gate::new(1, CONFIG);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(gate.try_reserve());
    assert!(gate.poll_idle(&mut Context::from_waker(&waker), 0).is_pending());
    assert!(matches!(gate.enter(Line::Ordinary, None), Entry::Queued(_)));
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
}

#[test]
fn waiters_that_come_and_go_use_the_same_nodes() {
    for is_cancelled in [false, true] {
        let gate = Gate::new(1, CONFIG);
        assert!(gate.try_take());
        for _ in 0..1000 {
            let Entry::Queued(ticket) = gate.enter(Line::Ordinary, None) else { unreachable!() };
            assert_eq!(ticket.index, 0);
            if is_cancelled {
                gate.cancel(ticket);
            } else {
                gate.release(Hold::PLAIN);
                assert!(gate.poll_ticket(&ticket, &mut Context::from_waker(Waker::noop())).is_ready());
            }
        }
    }
}

#[test]
fn who_waits_again_and_again_keeps_its_node_until_it_goes() {
    let gate = Gate::new(1, CONFIG);
    let mut cx = Context::from_waker(Waker::noop());
    let mut seats = [Seat::new(), Seat::new()];
    for round in 0..100 {
        assert!(gate.try_take());
        for seat in &mut seats {
            let ticket = gate.line_up(seat, Waker::noop().clone()).unwrap();
            gate.release(Hold::PLAIN);
            let polled = gate.poll_ticket(&ticket, &mut cx);
            assert!(matches!(polled, Poll::Ready(Ok(Grant::Reservation(_)))), "{round}: {polled:?}");
            assert!(gate.claim(gate.stamp()).is_some());
        }
        gate.release(Hold::PLAIN);
    }
    assert_eq!([seats[0].0, seats[1].0], [0, 1]);
    seats.iter().for_each(|seat| gate.free_seat(seat));
    assert!(gate.try_take());
    let mut others = [Seat::new(), Seat::new()];
    let mut nodes = others.each_mut().map(|seat| gate.line_up(seat, Waker::noop().clone()).unwrap().index);
    nodes.sort_unstable();
    assert_eq!(nodes, [0, 1], "the nodes of those who are gone are used again");
}

/// The line would hold the node twice when its owner waits again.
#[test]
fn a_caller_whom_the_waker_of_the_driver_fails_is_not_in_line() {
    struct Fails;
    impl std::task::Wake for Fails {
        fn wake(self: Arc<Self>) {
            panic!("a runtime fails");
        }
    }
    let gate = Gate::new(1, CONFIG);
    let waker = Waker::from(Arc::new(Fails));
    let mut seat = Seat::new();
    for _ in 0..2 {
        assert!(gate.try_reserve());
        gate.set_brake(true);
        gate.set_brake(false);
        assert!(gate.poll_idle(&mut Context::from_waker(&waker), 0).is_pending());
        gate.set_brake(true);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            gate.line_up(&mut seat, Waker::noop().clone())
        }));
        assert!(unwound.is_err());
        assert_eq!((gate.peek().queued, seat.0), (0, Seat::new().0));
        gate.set_brake(false);
    }
    assert!(gate.try_take());
    let ticket = gate.line_up(&mut seat, Waker::noop().clone()).unwrap();
    assert_eq!(ticket.index, 0);
}

#[test]
fn keys_that_come_and_go_are_forgotten() {
    let gate = Gate::new(1, CONFIG);
    for key in 1..1000 {
        let hold = gate.try_take_class(&Class::default().key(Key::from_hash(key))).unwrap();
        gate.release(hold);
        // It counts those that are remembered, too.
        assert_eq!(lock(&gate.queue).flows().keyed(), 0);
    }
}

#[test]
fn a_call_that_finds_a_permit_lets_the_next_one_be_told_of_room() {
    let gate = Gate::new(1, QueueConfig { limit: QueueLimit::Fixed(1), sojourn: None });
    let hold = gate.try_take_class(&Class::default()).unwrap();
    let waiting = queue_up(&gate, Class::default());
    let woken = [(); 2].map(|()| Arc::new(Woken::default()));
    let mut places = [None, None];
    for (place, woken) in places.iter_mut().zip(&woken) {
        let waker = Waker::from(Arc::clone(woken));
        assert!(gate.poll_room(place, &mut Context::from_waker(&waker)).is_pending());
    }
    let told = || woken.each_ref().map(|woken| woken.0.load(Ordering::Relaxed));
    gate.cancel(waiting);
    assert_eq!(told(), [1, 0], "there is one place");
    gate.release(hold);
    assert_eq!(told(), [1, 0]);
    let entered = gate.try_take_class(&Class::default()).is_none()
        && matches!(gate.enter_class(&Class::default(), true, || 0, None, None), Entry::Admitted(_));
    assert!(entered, "the one that was told comes, and needs no place");
    assert_eq!(told(), [1, 1]);
}
