//! Those who wait for room in the bounded queue. Were they not told, loom would report a deadlock.

use std::future::poll_fn;

use loom::future::block_on;
use loom::sync::Arc;

use super::{Gate, assert_empty, beside, class, gate, model, queue_up, wait};

fn wait_for_room(gate: &Gate) {
    let mut place = None;
    block_on(poll_fn(|cx| gate.poll_room(&mut place, cx)));
}

#[test]
fn a_release_makes_room_by_serving_the_queue() {
    model(|| {
        let gate = Arc::new(gate(1));
        let hold = gate.try_enter_class(&class(1)).unwrap();
        let ticket = queue_up(&gate, &class(1));
        let service = beside(&gate, move |gate| wait_for_room(gate));
        gate.release(hold);
        service.join().unwrap();
        let hold = wait(&gate, &ticket);
        gate.release(hold);
        assert_empty(&gate);
    });
}

#[test]
fn a_cancelled_call_makes_room_and_one_who_was_told_and_left_passes_it_on() {
    model(|| {
        let gate = Arc::new(gate(1));
        let hold = gate.try_enter_class(&class(1)).unwrap();
        let ticket = queue_up(&gate, &class(1));
        let mut place = None;
        let waker = std::task::Waker::noop();
        assert!(gate.poll_room(&mut place, &mut std::task::Context::from_waker(waker)).is_pending());
        let service = beside(&gate, move |gate| wait_for_room(gate));
        let _ = gate.cancel(ticket);
        let _ = gate.cancel(place.unwrap());
        service.join().unwrap();
        gate.release(hold);
        assert_empty(&gate);
    });
}
