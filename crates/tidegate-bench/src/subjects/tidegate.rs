//! Ours.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use tidegate_core::{ControlLaw, Decision, Evidence, PoolEvidence, PoolReading, Reason, Timestamp};
use tidegate_limiter::{Class, Key, Limiter, PoolProbe};
use tidegate_tower::{ClassOf, Limit, LimitLayer, Queue, QueueLayer};
use tower::Layer;

use crate::clock::{Of, Watch};
use crate::executor::poll_once;
use crate::failure::Failure;
use crate::heap::uncounted;
use crate::inner::{Inner, Yielding};
use crate::sample::Sample;
use crate::scale::Scale;
use crate::subject::{Excess, Subject, Through, pass};

/// `LimitLayer` with the default law, no recorder installed.
pub(crate) struct TidegateLimit;

impl Subject for TidegateLimit {
    const NAME: &'static str = "tidegate_limit";
    const EXCESS: Excess = Excess::Waits;
    type Gate<I: Inner> = Through<Limit<I>>;

    fn gate<I: Inner>(limit: u32, inner: I) -> Result<Self::Gate<I>, Failure> {
        Ok(Through(LimitLayer::new(limiter(limit)?).layer(inner)))
    }

    fn resize(waiting: u32, scale: &Scale) -> Option<Result<Sample, Failure>> {
        Some(resize(waiting, scale))
    }
}

/// The same with a Prometheus recorder, whose handles the limiter makes when it is built.
pub(crate) struct TidegateLimitRecorder;

impl Subject for TidegateLimitRecorder {
    const NAME: &'static str = "tidegate_limit_recorder";
    const EXCESS: Excess = Excess::Waits;
    type Gate<I: Inner> = Through<Limit<I>>;

    fn gate<I: Inner>(limit: u32, inner: I) -> Result<Self::Gate<I>, Failure> {
        let recorder = PrometheusBuilder::new().build_recorder();
        let limiter = metrics::with_local_recorder(&recorder, || limiter(limit))?;
        Ok(Through(LimitLayer::new(limiter).layer(inner)))
    }
}

/// `QueueLayer` with the default law, where tasks call on behalf of eight keys in turn.
pub(crate) struct TidegateQueue;

impl Subject for TidegateQueue {
    const NAME: &'static str = "tidegate_queue";
    const EXCESS: Excess = Excess::Waits;
    type Gate<I: Inner> = Through<Queue<I, ByTask>>;

    fn gate<I: Inner>(limit: u32, inner: I) -> Result<Self::Gate<I>, Failure> {
        Ok(Through(QueueLayer::new(limiter(limit)?).class(ByTask::default()).layer(inner)))
    }
}

/// The class of every call of one task. A task has a clone of the service, and each clone the next key.
///
/// The count of clones is a static, so that the subject owns nothing that has to be dropped with it.
#[derive(Debug, Default)]
pub(crate) struct ByTask {
    task: u64,
}

static TASKS: AtomicU64 = AtomicU64::new(0);

impl Clone for ByTask {
    fn clone(&self) -> Self {
        Self { task: TASKS.fetch_add(1, Ordering::Relaxed) }
    }
}

impl ClassOf<()> for ByTask {
    fn class_of(&self, (): &()) -> Class {
        Class::default().key(Key::new(self.task % 8))
    }
}

/// A limiter whose law has no room to move.
fn limiter(limit: u32) -> Result<Limiter, Failure> {
    Limiter::builder()
        .pool(QuietPool(limit))
        .initial_limit(limit)
        .min_limit(limit)
        .max_limit(limit)
        .queue_limit(1_000_000)
        .build()
        .map_err(unbuilt)
}

fn unbuilt(err: tidegate_limiter::BuildError) -> Failure {
    Failure::work(format_args!("no limiter: {err}"))
}

/// A pool of so many connections that nobody uses.
struct QuietPool(u32);

impl PoolProbe for QuietPool {
    fn read(&self) -> PoolEvidence {
        let mut evidence = PoolEvidence::default();
        evidence.reading = PoolReading::new(self.0, self.0, self.0, Duration::from_secs(1));
        evidence
    }

    fn name(&self) -> &'static str {
        "quiet"
    }
}

/// The lower of the two limits between which the law goes to and fro.
const LOW: u32 = 8;

/// Time of one tick of the driver that changes the limit, all permits of the higher limit being out.
fn resize(waiting: u32, scale: &Scale) -> Result<Sample, Failure> {
    let (limiter, mut driver) =
        Limiter::builder().law(Seesaw { limit: LOW + 1 }).build_manual().map_err(unbuilt)?;
    let gate = Through(LimitLayer::new(limiter).layer(Yielding));
    let mut callers: Vec<_> = (0..LOW + 1 + waiting).map(|_| Box::pin(pass(gate.clone()))).collect();
    for caller in &mut callers {
        let _ = poll_once(caller.as_mut());
    }
    let mut now = Duration::ZERO;
    let elapsed = uncounted(|| {
        let watch = Watch::start(Of::Thread);
        for _ in 0..scale.resizes {
            now += Duration::from_millis(100);
            driver.tick(Timestamp::from_start(now));
        }
        watch.read()
    });
    let elapsed = elapsed.ok_or_else(|| Failure::work("nothing ran"))?;
    Ok(Sample::timed(elapsed, scale.resizes.into()))
}

/// A law that changes its mind at every tick.
#[derive(Debug)]
struct Seesaw {
    limit: u32,
}

impl ControlLaw for Seesaw {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn tick(&mut self, _: Timestamp, _: &Evidence) -> Decision {
        let from = self.limit;
        self.limit = if from == LOW { LOW + 1 } else { LOW };
        Decision::new(from, self.limit, Reason::Configured)
    }
}
