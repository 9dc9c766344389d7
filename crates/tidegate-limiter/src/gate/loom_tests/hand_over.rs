//! Permits handed over: what orders memory, the nodes that are freed without the lock, and the fast path that stays closed.

use std::future::poll_fn;
use std::task::{Context, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};

use super::{
    Entry, Hold, Seat, assert_empty, beside, class, gate, line_up, line_up_for_reservation, model, wait,
};

#[test]
fn a_permit_orders_memory() {
    model(|| {
        let gate = Arc::new(gate(1));
        let data = Arc::new(AtomicU32::new(0));
        assert!(gate.try_take());
        let ticket = line_up(&gate);
        let written = Arc::clone(&data);
        let other = beside(&gate, move |gate| {
            wait(gate, &ticket);
            let seen = written.load(Ordering::Relaxed);
            gate.release(Hold::PLAIN);
            seen
        });
        data.store(7, Ordering::Relaxed);
        gate.release(Hold::PLAIN);
        assert_eq!(other.join().unwrap(), 7);
        assert_empty(&gate);
    });
}

#[test]
fn two_free_their_nodes_at_once_while_a_third_comes() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take() && gate.try_take());
        let tickets = [line_up(&gate), line_up(&gate)];
        gate.release(Hold::PLAIN);
        gate.release(Hold::PLAIN);
        let others = tickets.map(|ticket| {
            beside(&gate, move |gate| {
                wait(gate, &ticket);
            })
        });
        let third = line_up(&gate);
        others.into_iter().for_each(|other| other.join().unwrap());
        let more = [line_up(&gate), line_up(&gate), line_up(&gate)];
        let all: Vec<_> = std::iter::once(third).chain(more).collect();
        let mut indices: Vec<_> = all.iter().map(|ticket| ticket.index).collect();
        indices.sort_unstable();
        indices.dedup();
        assert!(
            indices.len() == 4 && indices[3] < 4,
            "each a node of its own, and old ones used again: {indices:?}"
        );
        for ticket in &all {
            gate.release(Hold::PLAIN);
            wait(&gate, ticket);
        }
        gate.release(Hold::PLAIN);
        gate.release(Hold::PLAIN);
        assert_empty(&gate);
    });
}

#[test]
fn a_claim_wakes_the_driver_that_fell_asleep_with_the_path_still_closed() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let ticket = line_up_for_reservation(&gate, &mut Seat::new());
        gate.release(Hold::PLAIN);
        assert!(gate.load().is_gated());
        assert!(gate.poll_ticket(&ticket, &mut Context::from_waker(Waker::noop())).is_ready());
        let driver = beside(&gate, |gate| block_on(poll_fn(|cx| gate.poll_idle(cx, 1))));
        assert!(gate.claim(gate.stamp()).is_some());
        gate.release(Hold::PLAIN);
        driver.join().unwrap();
        assert_empty(&gate);
        assert!(gate.try_take(), "the fast path is open again");
    });
}

#[test]
fn a_hand_over_a_reservation_given_back_and_a_shrink() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take() && gate.try_reserve());
        let (first, second) = (line_up(&gate), line_up(&gate));
        let giver = beside(&gate, |gate| gate.unreserve(gate.stamp()));
        let shrinker = beside(&gate, |gate| gate.set_limit(1));
        gate.release(Hold::PLAIN);
        giver.join().unwrap();
        shrinker.join().unwrap();
        wait(&gate, &first);
        let seen = gate.peek();
        assert!(seen.in_flight == 1 || (seen.in_flight == 2 && seen.queued == 0), "{seen:?}");
        gate.release(Hold::PLAIN);
        wait(&gate, &second);
        gate.release(Hold::PLAIN);
        assert_empty(&gate);
        assert!(gate.try_take());
    });
}

#[test]
fn growth_and_a_reservation_given_back_beside_a_hand_over_leave_nothing_free() {
    model(|| {
        let gate = Arc::new(gate(2));
        assert!(gate.try_take() && gate.try_reserve());
        let tickets = [(); 3].map(|()| line_up(&gate));
        let giver = beside(&gate, |gate| gate.unreserve(gate.stamp()));
        let grower = beside(&gate, |gate| gate.set_limit(3));
        gate.release(Hold::PLAIN);
        giver.join().unwrap();
        grower.join().unwrap();
        assert_eq!((gate.peek().in_flight, gate.peek().queued), (3, 0));
        for ticket in &tickets {
            wait(&gate, ticket);
            gate.release(Hold::PLAIN);
        }
        assert_empty(&gate);
        assert!(gate.try_take());
    });
}

#[test]
fn a_close_and_a_drain_beside_a_hand_over() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let ticket = line_up(&gate);
        let waiter = beside(&gate, move |gate| {
            if block_on(poll_fn(|cx| gate.poll_ticket(&ticket, cx))).is_ok() {
                gate.release(Hold::PLAIN);
            }
        });
        let closer = beside(&gate, |gate| {
            gate.close();
            let mut place = None;
            block_on(poll_fn(|cx| gate.poll_drained(&mut place, cx)));
            assert_eq!(gate.peek().in_flight, 0);
        });
        gate.release(Hold::PLAIN);
        waiter.join().unwrap();
        closer.join().unwrap();
        assert_empty(&gate);
    });
}

#[test]
fn a_class_comes_while_the_last_is_handed_over() {
    model(|| {
        let gate = Arc::new(gate(1));
        assert!(gate.try_take());
        let ticket = line_up(&gate);
        let waiter = beside(&gate, move |gate| {
            wait(gate, &ticket);
            gate.release(Hold::PLAIN);
        });
        let classed = beside(&gate, |gate| {
            let entry = match gate.try_take_class(&class(1)) {
                Some(hold) => Entry::Admitted(hold),
                None => gate.enter_class(&class(1), false, || 0, None, None),
            };
            gate.release(match entry {
                Entry::Admitted(hold) => hold,
                Entry::Queued(ticket) => wait(gate, &ticket),
                Entry::Refused(refusal) => unreachable!("{refusal}"),
            });
        });
        gate.release(Hold::PLAIN);
        waiter.join().unwrap();
        classed.join().unwrap();
        assert_empty(&gate);
        assert!(gate.try_take());
    });
}
