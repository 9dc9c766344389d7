//! How a limiter hears of the limit of another one, which it follows.
//!
//! A leader's driver writes each limit into a `watch` channel that its [`Shared`](crate::limiter::Shared) owns, and a follower's
//! driver reads there. The follower keeps nothing of the leader alive but that channel, so there is no cycle of owners; and since
//! only a limiter that exists can be followed, and only from the moment another one is built, nobody can follow itself.
//!
//! A driver that sleeps waits for the channel, too. So a follower that is idle moves with its leader, and the first call that
//! comes to it later finds the limit of that moment; it need not look at the leader itself, which would cost every call.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::sync::watch;

use crate::Limiter;

/// A leader as its follower knows it.
#[derive(Clone, Debug)]
pub(crate) struct Leader {
    name: String,
    limit: watch::Receiver<u32>,
    /// The limit that the follower's law was told.
    heard: u32,
}

impl Leader {
    pub(crate) fn of(limiter: &Limiter) -> Self {
        let limit = limiter.shared().limit_told.subscribe();
        let heard = *limit.borrow();
        Self { name: limiter.name().to_owned(), limit, heard }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its limit; the last one, once it is gone.
    pub(crate) fn limit(&self) -> u32 {
        *self.limit.borrow()
    }

    /// Its limit, which is no news any more.
    fn hear(&mut self) -> u32 {
        self.heard = self.limit();
        self.heard
    }

    /// Whether its limit is another one than was heard.
    fn is_news(&self) -> bool {
        self.limit() != self.heard
    }

    /// Waits until there is news; for ever, once it is gone.
    async fn moved(&mut self) {
        while !self.is_news() {
            if self.limit.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }
}

/// The limiter that a driver follows, if any.
#[derive(Debug, Default)]
pub(crate) struct Following(Option<Leader>);

impl Following {
    pub(crate) const fn new(leader: Option<Leader>) -> Self {
        Self(leader)
    }

    pub(crate) fn hear(&mut self) -> Option<u32> {
        self.0.as_mut().map(Leader::hear)
    }

    pub(crate) const fn is_any(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn is_news(&self) -> bool {
        self.0.as_ref().is_some_and(Leader::is_news)
    }

    /// Waits for `other`, and no longer than until the leader's limit moves. Whether it did.
    pub(crate) async fn until(&mut self, other: impl Future<Output = ()>) -> bool {
        let Some(leader) = &mut self.0 else {
            other.await;
            return false;
        };
        let (mut other, mut moved) = (pin!(other), pin!(leader.moved()));
        poll_fn(|cx| {
            if moved.as_mut().poll(cx).is_ready() {
                return Poll::Ready(true);
            }
            other.as_mut().poll(cx).map(|()| false)
        })
        .await
    }
}
