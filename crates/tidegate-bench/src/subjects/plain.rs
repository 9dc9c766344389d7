//! No limiter, the least possible limiter, and the semaphore that most limiters stand on.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Semaphore;

use crate::failure::Failure;
use crate::inner::Inner;
use crate::subject::{Excess, Gate, Subject, Through};
use crate::subjects::{BARE, FLOOR, SEMAPHORE};

/// The service alone.
pub(crate) struct Bare;

impl Subject for Bare {
    const NAME: &'static str = BARE;
    const EXCESS: Excess = Excess::Admits;
    type Gate<I: Inner> = Through<I>;

    fn gate<I: Inner>(_: u32, inner: I) -> Result<Through<I>, Failure> {
        Ok(Through(inner))
    }
}

/// One atomic count and a permit that owns a handle on it. It can neither wait nor change.
pub(crate) struct Floor;

impl Subject for Floor {
    const NAME: &'static str = FLOOR;
    const EXCESS: Excess = Excess::Refuses;
    type Gate<I: Inner> = FloorGate<I>;

    fn gate<I: Inner>(limit: u32, inner: I) -> Result<FloorGate<I>, Failure> {
        Ok(FloorGate { count: Arc::new(Count { in_flight: AtomicU32::new(0), limit }), inner })
    }
}

struct Count {
    in_flight: AtomicU32,
    limit: u32,
}

struct FloorPermit(Arc<Count>);

impl FloorPermit {
    fn take(count: &Arc<Count>) -> Option<Self> {
        let one_more = |in_flight| (in_flight < count.limit).then_some(in_flight + 1);
        count.in_flight.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more).ok()?;
        Some(Self(Arc::clone(count)))
    }
}

impl Drop for FloorPermit {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

#[derive(Clone)]
pub(crate) struct FloorGate<I> {
    count: Arc<Count>,
    inner: I,
}

impl<I: Inner> Gate for FloorGate<I> {
    async fn pass(&mut self) -> bool {
        let Some(permit) = FloorPermit::take(&self.count) else { return false };
        let is_served = serve(&mut self.inner).await;
        drop(permit);
        is_served
    }
}

/// The owned permit of tokio's semaphore, as a service that is called from several tasks needs it.
pub(crate) struct TokioSemaphore;

impl Subject for TokioSemaphore {
    const NAME: &'static str = SEMAPHORE;
    const EXCESS: Excess = Excess::Waits;
    type Gate<I: Inner> = SemaphoreGate<I>;

    fn gate<I: Inner>(limit: u32, inner: I) -> Result<SemaphoreGate<I>, Failure> {
        Ok(SemaphoreGate { semaphore: Arc::new(Semaphore::new(limit as usize)), inner })
    }
}

#[derive(Clone)]
pub(crate) struct SemaphoreGate<I> {
    semaphore: Arc<Semaphore>,
    inner: I,
}

impl<I: Inner> Gate for SemaphoreGate<I> {
    async fn pass(&mut self) -> bool {
        let Ok(permit) = Arc::clone(&self.semaphore).acquire_owned().await else { return false };
        let is_served = serve(&mut self.inner).await;
        drop(permit);
        is_served
    }
}

/// A call of the service itself, whose error type has no value.
pub(crate) async fn serve<I: Inner>(inner: &mut I) -> bool {
    poll_fn(|cx| inner.poll_ready(cx)).await.is_ok() && inner.call(()).await.is_ok()
}
