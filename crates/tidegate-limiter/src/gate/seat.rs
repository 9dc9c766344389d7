//! Who waits again and again keeps its node: a service that is made ready for one call after the other.
//!
//! To free a node and to find one again for each wait would cost more than the rest of the wait.

use std::task::Waker;

use super::nodes::{NONE, Ticket};
use super::{Gate, Kind, Would};
use crate::sync::lock;

/// A node of the arena that its owner keeps between waits; none before the first one. It is to be given back by
/// [`Gate::free_seat`], unless the last ticket was cancelled: then it is free with that.
#[derive(Debug)]
pub(crate) struct Seat(pub(super) u32);

impl Seat {
    pub(crate) const fn new() -> Self {
        Self(NONE)
    }
}

impl Gate {
    /// Takes a reservation if a permit is free (`None`), or a place in the plain line.
    pub(crate) fn line_up(&self, seat: &mut Seat, waker: Waker) -> Option<Ticket> {
        // A waker that is not needed is dropped by this frame, outside the lock.
        let mut waker = Some(waker);
        let mut queue = lock(&self.queue);
        self.shut();
        if queue.is_open_to(false) && self.take_gated(&queue, Kind::Reservation, 1) {
            self.note_would(&mut queue, Would::Wait);
            self.leave(queue);
            return None;
        }
        queue.held_back |= !queue.is_braked;
        let ticket = queue.push_seated(seat, waker.take());
        // Should the driver's waker panic the ticket is cancelled, and the node free with it.
        let node = std::mem::replace(seat, Seat::new());
        let ticket = self.leave_waiting(queue, ticket);
        *seat = node;
        Some(ticket)
    }

    /// The owner of the seat is gone, and does not wait.
    #[inline]
    pub(crate) fn free_seat(&self, seat: &Seat) {
        if seat.0 != NONE {
            self.answers.free(seat.0);
        }
    }
}
