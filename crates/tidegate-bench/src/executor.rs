//! The smallest ways to run futures, so that what is measured is not the runtime.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use tokio::runtime::{Builder, Runtime};
use tokio::task::{coop::unconstrained, yield_now};

use crate::failure::Failure;

/// A runtime with timers on this thread alone, or with worker threads.
pub(crate) fn runtime(threads: usize) -> Result<Runtime, Failure> {
    let mut builder = match threads {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if threads > 1 {
        builder.worker_threads(threads);
    }
    builder.enable_time().build().map_err(|err| Failure::work(format_args!("no runtime: {err}")))
}

/// Runs `act` inside the runtime, where tokio's own semaphores would otherwise yield after 128 calls: that is the
/// runtime's doing and not theirs.
pub(crate) fn inside<T>(runtime: &Runtime, act: impl Future<Output = T>) -> T {
    runtime.block_on(unconstrained(act))
}

/// Lets tasks that a subject has spawned (the driver of a limiter) come as far as they can.
pub(crate) async fn settle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs two futures in turn, each only when it was woken, to the end of both; how often one was polled.
///
/// # Errors
///
/// If neither was woken: then a wake-up is lost.
pub(crate) fn run_pair<F: Future<Output = ()>>(first: F, second: F) -> Result<u64, Failure> {
    let mut futures = [Some(Box::pin(first)), Some(Box::pin(second))];
    let flags = [(); 2].map(|()| Arc::new(Flag(AtomicBool::new(true))));
    let wakers = flags.clone().map(Waker::from);
    let mut polls = 0;
    while futures.iter().any(Option::is_some) {
        let before = polls;
        for ((future, flag), waker) in futures.iter_mut().zip(&flags).zip(&wakers) {
            let Some(running) = future.as_mut() else { continue };
            if !flag.0.load(Ordering::Acquire) {
                continue;
            }
            flag.0.store(false, Ordering::Relaxed);
            polls += 1;
            if running.as_mut().poll(&mut Context::from_waker(waker)).is_ready() {
                *future = None;
            }
        }
        if polls == before {
            return Err(Failure::work("both tasks wait and nobody wakes them"));
        }
    }
    Ok(polls)
}

/// Polls once with a waker that does nothing; whether it is ready.
pub(crate) fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn a_pair_that_nobody_wakes_is_an_error() {
        let failure = run_pair(pending::<()>(), pending::<()>()).unwrap_err();
        assert_eq!(failure.to_string(), "error: both tasks wait and nobody wakes them");
    }
}
