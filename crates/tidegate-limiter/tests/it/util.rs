//! Laws and pools that do as they are told.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tidegate_core::{ControlLaw, Decision, Evidence, PoolEvidence, Reason, Timestamp};
use tidegate_limiter::PoolProbe;

/// A law whose limit and brake the test sets, and whose evidence it reads.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    limit: Arc<AtomicU32>,
    brake: Arc<AtomicBool>,
    wants_latency: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Evidence>>>,
    current: u32,
}

impl Told {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            limit: Arc::new(AtomicU32::new(limit)),
            brake: Arc::default(),
            wants_latency: Arc::default(),
            seen: Arc::default(),
            current: limit,
        }
    }

    pub(crate) fn set_limit(&self, limit: u32) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    pub(crate) fn set_brake(&self, on: bool) {
        self.brake.store(on, Ordering::Relaxed);
    }

    pub(crate) fn set_wants_latency(&self, on: bool) {
        self.wants_latency.store(on, Ordering::Relaxed);
    }

    /// The evidence of every tick so far.
    pub(crate) fn seen(&self) -> Vec<Evidence> {
        self.seen.lock().unwrap().clone()
    }
}

impl ControlLaw for Told {
    fn limit(&self) -> u32 {
        self.current
    }

    fn tick(&mut self, _now: Timestamp, evidence: &Evidence) -> Decision {
        self.seen.lock().unwrap().push(evidence.clone());
        let from = std::mem::replace(&mut self.current, self.limit.load(Ordering::Relaxed));
        Decision::new(from, self.current, Reason::Configured)
    }

    fn brakes(&self, _pool: &PoolEvidence) -> bool {
        self.brake.load(Ordering::Relaxed)
    }

    fn wants_latency(&self) -> bool {
        self.wants_latency.load(Ordering::Relaxed)
    }
}

/// A pool whose evidence the test sets.
#[derive(Clone, Default)]
pub(crate) struct ToldPool(pub(crate) Arc<Mutex<PoolEvidence>>);

impl PoolProbe for ToldPool {
    fn read(&self) -> PoolEvidence {
        *self.0.lock().unwrap()
    }

    fn name(&self) -> &str {
        "told"
    }
}
