use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::pin_project;

/// A call of a fan-out, and which request it is.
#[pin_project]
pub(super) struct Expert<F> {
    index: usize,
    #[pin]
    call: F,
}

impl<F> Expert<F> {
    pub(super) const fn new(index: usize, call: F) -> Self {
        Self { index, call }
    }
}

impl<F: Future> Future for Expert<F> {
    type Output = (usize, F::Output);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.call.poll(cx).map(|result| (*this.index, result))
    }
}
