//! Every call waits: two tasks hand one permit to and fro.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::clock::{Of, Watch};
use crate::executor::{inside, run_pair, runtime, settle};
use crate::failure::Failure;
use crate::heap::{counted, uncounted};
use crate::inner::Yielding;
use crate::num::to_f64;
use crate::once::profiled;
use crate::sample::Sample;
use crate::scale::Scale;
use crate::subject::{Excess, Gate, Subject};

/// Time and allocations of a call.
pub(crate) fn queue<S: Subject>(scale: &Scale) -> Result<Sample, Failure> {
    let runtime = runtime(1)?;
    let gate = inside(&runtime, async { ready::<S>().await })?;
    let calls = scale.queue_calls;
    let (heap, ran) = counted(|| inside(&runtime, async { hand_over::<S>(&gate, calls / 10 + 1) }));
    ran.unwrap_or_else(|| Err(Failure::work("nothing ran")))?;
    let timed = uncounted(|| {
        let watch = Watch::start(Of::Thread);
        inside(&runtime, async { hand_over::<S>(&gate, calls) }).map(|()| watch.read())
    });
    let elapsed = timed.unwrap_or_else(|| Err(Failure::work("nothing ran")))?;
    let counted_calls = to_f64(2 * u64::from(calls / 10 + 1));
    Ok(Sample {
        // The two tasks themselves are a handful of allocations.
        allocs: to_f64(heap.count_total) / counted_calls,
        bytes: to_f64(heap.bytes_total) / counted_calls,
        ..Sample::timed(elapsed, 2 * u64::from(calls))
    })
}

/// The calls alone, for a profiler: `calls` in all.
pub(crate) fn run_queue<S: Subject>(calls: u32) -> Result<(), Failure> {
    let runtime = runtime(1)?;
    let gate = inside(&runtime, async { ready::<S>().await })?;
    profiled(|| inside(&runtime, async { hand_over::<S>(&gate, calls / 2) }))
}

async fn ready<S: Subject>() -> Result<S::Gate<Yielding>, Failure> {
    let gate = S::gate(1, Yielding)?;
    settle().await;
    hand_over::<S>(&gate, 100)?;
    settle().await;
    Ok(gate)
}

/// While one task's call is in the service the other waits for the permit; when it is done, that one gets it.
fn hand_over<S: Subject>(gate: &S::Gate<Yielding>, calls: u32) -> Result<(), Failure> {
    let has_refused = AtomicBool::new(false);
    let task = |mut gate: S::Gate<Yielding>| {
        let has_refused = &has_refused;
        async move {
            for _ in 0..calls {
                if !black_box(&mut gate).pass().await {
                    has_refused.store(true, Ordering::Relaxed);
                }
            }
        }
    };
    let polls = run_pair(task(gate.clone()), task(gate.clone()))?;
    if has_refused.load(Ordering::Relaxed) {
        return Err(Failure::work(format_args!("{} refused a call instead of making it wait", S::NAME)));
    }
    // A call that waits is polled twice: when it gets its permit and when the service is done.
    let waits = polls.saturating_sub(2 * u64::from(calls));
    if S::EXCESS == Excess::Waits && waits + 4 < 2 * u64::from(calls) {
        return Err(Failure::work(format_args!(
            "{} let calls pass without waiting at a limit of 1",
            S::NAME
        )));
    }
    Ok(())
}
