//! A hundred thousand callers that wait.

use std::future::Future;
use std::pin::Pin;

use crate::clock::{Of, Watch};
use crate::executor::{inside, poll_once, runtime, settle};
use crate::failure::Failure;
use crate::heap::{counted, uncounted};
use crate::inner::Yielding;
use crate::num::to_f64;
use crate::once::profiled;
use crate::sample::Sample;
use crate::scale::Scale;
use crate::subject::{Subject, pass};

/// The callers' own futures, each in a box that outlives it, so that nothing but the limiter's own memory is in the times.
type Crowd<F> = Vec<Pin<Box<Option<F>>>>;

/// Time to join the queue, and what a waiter owns: its future, its service and what the limiter keeps for it.
pub(crate) fn join<S: Subject>(scale: &Scale) -> Result<Sample, Failure> {
    let runtime = runtime(1)?;
    inside(&runtime, join_and_leave::<S>(scale)).map(|(joined, _)| joined)
}

/// Time to leave the queue, when all leave, the first in line first.
pub(crate) fn cancel<S: Subject>(scale: &Scale) -> Result<Sample, Failure> {
    let runtime = runtime(1)?;
    inside(&runtime, join_and_leave::<S>(scale)).map(|(_, left)| left)
}

async fn join_and_leave<S: Subject>(scale: &Scale) -> Result<(Sample, Sample), Failure> {
    let gate = S::gate(1, Yielding)?;
    settle().await;
    let mut holder = Box::pin(pass(gate.clone()));
    let _ = poll_once(holder.as_mut());
    settle().await;
    let waiters = u64::from(scale.waiters);
    let mut crowd = Vec::with_capacity(scale.waiters as usize);
    let (own, _) = counted(|| crowd.extend((0..waiters).map(|_| Box::pin(Some(pass(gate.clone()))))));
    let (waiting, _) = counted(|| all_join(&mut crowd));
    all_leave(&mut crowd);
    // Once more for the times: the limiter has its memory now.
    let timed = uncounted(|| {
        for caller in &mut crowd {
            caller.as_mut().set(Some(pass(gate.clone())));
        }
        let watch = Watch::start(Of::Thread);
        all_join(&mut crowd);
        let joined = watch.read();
        let watch = Watch::start(Of::Thread);
        all_leave(&mut crowd);
        (joined, watch.read())
    });
    let (joined, left) = timed.ok_or_else(|| Failure::work("nothing ran"))?;
    let each = |bytes: i64| to_f64(u64::try_from(bytes).unwrap_or_default()) / to_f64(waiters);
    let joined = Sample {
        allocs: to_f64(own.count_total + waiting.count_total) / to_f64(waiters),
        bytes: each(own.bytes_current + waiting.bytes_current),
        heap_bytes: Some(each(waiting.bytes_current)),
        ..Sample::timed(joined, waiters)
    };
    Ok((joined, Sample::timed(left, waiters)))
}

/// Leaving the queue alone, for a profiler: so many waiters.
pub(crate) fn run_cancel<S: Subject>(waiters: u32) -> Result<(), Failure> {
    let runtime = runtime(1)?;
    inside(&runtime, async {
        let gate = S::gate(1, Yielding)?;
        settle().await;
        let mut holder = Box::pin(pass(gate.clone()));
        let _ = poll_once(holder.as_mut());
        let mut crowd: Crowd<_> = (0..waiters).map(|_| Box::pin(Some(pass(gate.clone())))).collect();
        all_join(&mut crowd);
        profiled(|| {
            all_leave(&mut crowd);
            Ok(())
        })
    })
}

/// Polls each caller once. A caller is never done at that: it waits, or is in a service that yields.
fn all_join<F: Future>(crowd: &mut Crowd<F>) {
    for caller in crowd {
        if let Some(caller) = caller.as_mut().as_pin_mut() {
            let _ = poll_once(caller);
        }
    }
}

fn all_leave<F>(crowd: &mut Crowd<F>) {
    for caller in crowd {
        caller.as_mut().set(None);
    }
}
