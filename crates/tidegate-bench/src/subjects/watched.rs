//! A service that sees how many of its calls run at once.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tower_service::Service;

use super::{ALL, FLOOR};
use crate::executor::runtime;
use crate::failure::Failure;
use crate::subject::{Excess, Gate, Subject};

const LIMIT: u32 = 3;
const TASKS: u32 = 24;
const CALLS: u32 = 10;

/// What the service saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    calls: u32,
    peak: u32,
}

#[derive(Default)]
struct Counts {
    calls: AtomicU32,
    running: AtomicU32,
    peak: AtomicU32,
}

#[derive(Clone)]
struct Watching(Arc<Counts>);

impl Service<()> for Watching {
    type Response = ();
    type Error = Infallible;
    type Future = Watched;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Watched {
        Watched { counts: Arc::clone(&self.0), is_running: false }
    }
}

struct Watched {
    counts: Arc<Counts>,
    is_running: bool,
}

impl Future for Watched {
    type Output = Result<(), Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let counts = Arc::clone(&self.counts);
        if self.is_running {
            counts.running.fetch_sub(1, Ordering::SeqCst);
            return Poll::Ready(Ok(()));
        }
        self.is_running = true;
        counts.calls.fetch_add(1, Ordering::SeqCst);
        let running = counts.running.fetch_add(1, Ordering::SeqCst) + 1;
        counts.peak.fetch_max(running, Ordering::SeqCst);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Many tasks through a small limit, seen from inside; `None` for a subject that makes nobody wait.
pub(super) fn watch<S: Subject>() -> Result<Option<Seen>, Failure> {
    if matches!(S::EXCESS, Excess::Refuses | Excess::Chooses) {
        return Ok(None);
    }
    let counts = Arc::new(Counts::default());
    runtime(1)?.block_on(async {
        let gate = S::gate(LIMIT, Watching(Arc::clone(&counts)))?;
        let tasks: Vec<_> = (0..TASKS).map(|_| tokio::spawn(repeat(gate.clone()))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        Ok(())
    })?;
    let read = |count: &AtomicU32| count.load(Ordering::SeqCst);
    Ok(Some(Seen { calls: read(&counts.calls), peak: read(&counts.peak) }))
}

async fn repeat<G: Gate>(mut gate: G) {
    for _ in 0..CALLS {
        assert!(gate.pass().await);
    }
}

#[test]
fn every_call_reaches_the_service_and_none_passes_beside_the_limiter() {
    let mut held = 0;
    for entry in ALL {
        let Some(seen) = (entry.watch)().unwrap() else { continue };
        let peak = if entry.name == super::BARE { TASKS } else { LIMIT };
        assert_eq!(seen, Seen { calls: TASKS * CALLS, peak }, "{}", entry.name);
        held += 1;
    }
    assert_eq!(held, ALL.len() - 2, "{FLOOR} and little_loadshedder alone make nobody wait");
}
