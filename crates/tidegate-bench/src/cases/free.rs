//! A permit is free.

use std::hint::black_box;

use crate::clock::{Of, Watch};
use crate::executor::{inside, runtime, settle};
use crate::failure::Failure;
use crate::heap::{counted, uncounted};
use crate::inner::NoOp;
use crate::num::to_f64;
use crate::once::profiled;
use crate::sample::Sample;
use crate::scale::Scale;
use crate::subject::{Gate, Subject};

/// More than the calls in flight, which is one.
const LIMIT: u32 = 16;

/// Time and allocations of a call.
pub(crate) fn free<S: Subject>(scale: &Scale) -> Result<Sample, Failure> {
    let runtime = runtime(1)?;
    let gate = inside(&runtime, async { ready::<S>().await })?;
    let calls = scale.free_calls;
    let (heap, served) = counted(|| inside(&runtime, call::<S>(gate.clone(), calls / 10 + 1)));
    served.unwrap_or_else(|| Err(Failure::work("nothing ran")))?;
    let timed = uncounted(|| {
        let watch = Watch::start(Of::Thread);
        inside(&runtime, call::<S>(gate, calls)).map(|()| watch.read())
    });
    let elapsed = timed.unwrap_or_else(|| Err(Failure::work("nothing ran")))?;
    let counted_calls = to_f64((calls / 10 + 1).into());
    Ok(Sample {
        allocs: to_f64(heap.count_total) / counted_calls,
        bytes: to_f64(heap.bytes_total) / counted_calls,
        ..Sample::timed(elapsed, calls.into())
    })
}

/// The calls alone, for a profiler.
pub(crate) fn run_free<S: Subject>(calls: u32) -> Result<(), Failure> {
    let runtime = runtime(1)?;
    let gate = inside(&runtime, async { ready::<S>().await })?;
    profiled(|| inside(&runtime, call::<S>(gate, calls)))
}

/// A gate that has been used and whose driver, if it has one, is awake.
async fn ready<S: Subject>() -> Result<S::Gate<NoOp>, Failure> {
    let gate = S::gate(LIMIT, NoOp)?;
    settle().await;
    call::<S>(gate.clone(), 100).await?;
    settle().await;
    Ok(gate)
}

async fn call<S: Subject>(mut gate: S::Gate<NoOp>, calls: u32) -> Result<(), Failure> {
    for _ in 0..calls {
        if !black_box(&mut gate).pass().await {
            return Err(Failure::work(format_args!("{} refused a call while a permit was free", S::NAME)));
        }
    }
    Ok(())
}
