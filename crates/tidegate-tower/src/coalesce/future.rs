//! The future of a call that is joined with others.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;
use tower::BoxError;

use crate::CoalesceError;

/// The future of a call through [`Coalesce`](crate::Coalesce).
///
/// # Cancel safety
///
/// A row whose future is dropped before its batch is sent is left out of it. After that dropping the future changes
/// nothing: the batch goes on, and the row is written.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<T> {
    answer: Result<oneshot::Receiver<Result<T, BoxError>>, Option<CoalesceError>>,
}

impl<T> ResponseFuture<T> {
    pub(super) const fn new(answer: oneshot::Receiver<Result<T, BoxError>>) -> Self {
        Self { answer: Ok(answer) }
    }

    pub(super) const fn failed(error: CoalesceError) -> Self {
        Self { answer: Err(Some(error)) }
    }
}

impl<T> Future for ResponseFuture<T> {
    type Output = Result<T, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.answer {
            Ok(answer) => {
                let answer = ready!(Pin::new(answer).poll(cx));
                Poll::Ready(answer.unwrap_or_else(|_| Err(CoalesceError::Lost.into())))
            }
            Err(error) => Poll::Ready(Err(error.take().unwrap_or(CoalesceError::Closed).into())),
        }
    }
}
