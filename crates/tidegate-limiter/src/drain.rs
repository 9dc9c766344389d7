use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::gate::Ticket;
use crate::limiter::Shared;

/// A future that ends when a closed limiter has nothing in flight; see [`Limiter::drain`](crate::Limiter::drain).
#[must_use = "futures do nothing unless polled"]
pub struct Drain {
    shared: Arc<Shared>,
    place: Option<Ticket>,
}

impl Drain {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, place: None }
    }
}

impl Future for Drain {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, place } = &mut *self;
        shared.gate.poll_drained(place, cx)
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.shared.gate.cancel(place);
        }
    }
}

impl fmt::Debug for Drain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").finish_non_exhaustive()
    }
}
