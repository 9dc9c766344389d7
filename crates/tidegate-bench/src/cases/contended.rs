//! Many tasks through a small limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::sleep;

use crate::case::CONTENDED_LIMIT;
use crate::clock::{Elapsed, Of, Watch};
use crate::executor::runtime;
use crate::failure::Failure;
use crate::inner::Yielding;
use crate::num::to_f64;
use crate::sample::Sample;
use crate::scale::Scale;
use crate::subject::{Gate, Subject};

/// Time of a call and how evenly the tasks were served.
pub(crate) fn contended<S: Subject>(tasks: u32, threads: u32, scale: &Scale) -> Result<Sample, Failure> {
    let runtime = runtime(threads as usize)?;
    let of = if threads == 1 { Of::Thread } else { Of::Process };
    let (elapsed, completions) = runtime.block_on(async {
        let gate = S::gate(CONTENDED_LIMIT, Yielding)?;
        compete(gate, tasks, of, scale.contended * threads).await
    })?;
    let most = completions.iter().copied().max().unwrap_or_default();
    let least = completions.iter().copied().min().unwrap_or_default();
    let total = completions.iter().sum::<u64>().max(1);
    Ok(Sample { fairness: Some(to_f64(most) / to_f64(least.max(1))), ..Sample::timed(elapsed, total) })
}

async fn compete<G: Gate>(
    gate: G,
    tasks: u32,
    of: Of,
    span: Duration,
) -> Result<(Elapsed, Vec<u64>), Failure> {
    let is_over = Arc::new(AtomicBool::new(false));
    let tallies: Vec<_> = (0..tasks).map(|_| Arc::new(Tally::default())).collect();
    let running: Vec<_> = tallies
        .iter()
        .map(|tally| tokio::spawn(compete_alone(gate.clone(), Arc::clone(tally), Arc::clone(&is_over))))
        .collect();
    let start = wait_for_all(&tallies, span).await;
    let watch = Watch::start(of);
    sleep(span).await;
    let elapsed = watch.read();
    let completions = tallies.iter().zip(start).map(|(tally, start)| tally.read() - start).collect();
    is_over.store(true, Ordering::Relaxed);
    for task in running {
        task.await.map_err(|err| Failure::work(format_args!("a task failed: {err}")))?;
    }
    Ok((elapsed, completions))
}

/// Waits until every task has completed a call, but no longer than the measurement itself; the completions of each.
///
/// A runtime of several threads begins tasks late that were spawned from outside; that is no unfairness of the limiter.
async fn wait_for_all(tallies: &[Arc<Tally>], span: Duration) -> Vec<u64> {
    let watch = Watch::start(Of::Thread);
    loop {
        sleep(Duration::from_millis(1)).await;
        let start: Vec<u64> = tallies.iter().map(|tally| tally.read()).collect();
        if start.iter().all(|&completions| completions > 0) || watch.read().wall > span {
            return start;
        }
    }
}

async fn compete_alone<G: Gate>(mut gate: G, tally: Arc<Tally>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        if gate.pass().await {
            tally.add_one();
        } else {
            // Whoever is refused tries again at once, and lets others run before.
            yield_now().await;
        }
    }
}

/// The completions of one task, on cache lines of its own, so that counting makes no contention.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Tally(AtomicU64);

impl Tally {
    /// Only its own task adds.
    fn add_one(&self) {
        self.0.store(self.read() + 1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
