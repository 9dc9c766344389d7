use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::Limiter;
use crate::gate::Ticket;
use crate::limiter::Shared;

/// Tells whether the bounded queue has room: what `poll_ready` of a service that queues its calls asks.
///
/// Use [`Limiter::acquire_with`] unless you implement a `poll_ready`.
pub struct Room {
    shared: Arc<Shared>,
    place: Option<Ticket>,
    /// Whether it has waited for room and was told of some, and no call has come since.
    is_told: bool,
}

impl Room {
    /// A handle for one caller.
    #[must_use]
    pub fn new(limiter: &Limiter) -> Self {
        Self { shared: Arc::clone(limiter.shared()), place: None, is_told: false }
    }

    /// Whether a call that comes now may wait, or be admitted; if not, the task is woken when that may be so.
    ///
    /// The next call of a handle that had to wait for room is not refused for want of it, even if others have taken it
    /// meanwhile. Otherwise room is not reserved: of several that find some at the same moment, some may find it taken.
    /// Once the limiter is closed there is room, so that calls hear that they are refused.
    ///
    /// # Cancel safety
    ///
    /// Dropping the handle gives up its place among those who wait to be told; who is next in line is told instead.
    #[inline]
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.place.is_none() && self.shared.gate.has_room() {
            return Poll::Ready(());
        }
        self.poll_place(cx)
    }

    fn poll_place(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let waits = self.place.is_some();
        let polled = self.shared.gate.poll_room(&mut self.place, cx);
        self.is_told |= waits && polled.is_ready();
        polled
    }

    /// A future for one call through this handle's limiter; see [`Limiter::acquire_with`].
    #[inline]
    pub fn acquire_with(&mut self, class: crate::Class) -> crate::Acquire {
        let has_room = std::mem::take(&mut self.is_told);
        crate::Acquire::new(Arc::clone(&self.shared), Some(class), has_room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.gate.cancel(place);
        }
    }
}

impl Clone for Room {
    /// A handle on the same limiter for another caller: a place belongs to one.
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), place: None, is_told: false }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("is_waiting", &self.place.is_some()).finish_non_exhaustive()
    }
}
