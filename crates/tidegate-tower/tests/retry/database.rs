//! A database that is too small, and may freeze: a pool of 20 connections, queries of 20 ms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidegate_core::{PoolEvidence, PoolReading};
use tidegate_limiter::{PoolMeter, PoolProbe};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tower::BoxError;
use tower::timeout::error::Elapsed;

pub(crate) const CONNECTIONS: u32 = 20;
const QUERY: Duration = Duration::from_millis(20);
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(300);
/// How long a query may take; it is cancelled then, and its connection is free.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct Database {
    connections: Arc<Semaphore>,
    meter: PoolMeter,
    queries: Arc<AtomicU32>,
    frozen: Option<(Instant, Instant)>,
}

impl Database {
    /// One that does nothing in this span, if it is given.
    pub(crate) fn new(frozen: Option<(Instant, Instant)>) -> Self {
        Self {
            connections: Arc::new(Semaphore::new(CONNECTIONS as usize)),
            meter: PoolMeter::new("database"),
            queries: Arc::default(),
            frozen,
        }
    }

    /// Queries it was asked for, those included that got no connection.
    pub(crate) fn queries(&self) -> u32 {
        self.queries.load(Ordering::Relaxed)
    }

    fn reading(&self) -> PoolReading {
        let idle = u32::try_from(self.connections.available_permits()).unwrap();
        PoolReading::new(CONNECTIONS, CONNECTIONS, idle, ACQUIRE_TIMEOUT)
    }

    pub(crate) async fn query(self) -> Result<(), BoxError> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        let wait = self.meter.begin(self.reading());
        let Ok(connection) = timeout(ACQUIRE_TIMEOUT, self.connections.acquire()).await else {
            wait.timed_out();
            // The default classifier knows it; what a pool says is told to it in the same way.
            return Err(Elapsed::new().into());
        };
        let lent = wait.granted();
        let work = async {
            sleep(QUERY).await;
            if let Some((from, to)) = self.frozen
                && (from..to).contains(&Instant::now())
            {
                sleep_until(to).await;
            }
        };
        let done = timeout(STATEMENT_TIMEOUT, work).await;
        drop((connection, lent));
        Ok(done?)
    }
}

impl PoolProbe for Database {
    fn read(&self) -> PoolEvidence {
        self.meter.evidence(self.reading())
    }

    fn name(&self) -> &str {
        self.meter.name()
    }
}
