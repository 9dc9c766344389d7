//! An inner service that keeps what it was sent.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tidegate_tower::{Coalesce, CoalesceConfig, CoalesceLayer};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tower::{BoxError, Layer, Service, ServiceExt};

pub(crate) const CALL: Duration = Duration::from_millis(10);
pub(crate) const LINGER: Duration = Duration::from_millis(2);

/// Rows of this value and above cannot be written.
pub(crate) const BAD: u64 = 1_000;
pub(crate) const PANIC: u64 = 2_000;
pub(crate) const SHORT: u64 = 3_000;
pub(crate) const OVERLOAD: u64 = 4_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused(pub(crate) u64);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} refused", self.0)
    }
}

impl std::error::Error for Refused {}

/// Takes 10 ms for a call and answers each row with ten times itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Store {
    sent: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Store {
    pub(crate) fn sent(&self) -> Vec<Vec<u64>> {
        self.sent.lock().unwrap().clone()
    }
}

impl Service<Vec<u64>> for Store {
    type Response = Vec<u64>;
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Vec<u64>, Refused>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, rows: Vec<u64>) -> Self::Future {
        self.sent.lock().unwrap().push(rows.clone());
        Box::pin(async move {
            sleep(CALL).await;
            assert!(!rows.contains(&PANIC), "a panic of the inner service");
            if let Some(bad) = rows.iter().find(|row| (BAD..PANIC).contains(row) || **row >= OVERLOAD) {
                return Err(Refused(*bad));
            }
            let results = rows.iter().filter(|row| **row != SHORT).map(|row| row * 10);
            Ok(results.collect())
        })
    }
}

pub(crate) fn config() -> CoalesceConfig {
    CoalesceConfig::default().linger(LINGER).max_batch(8)
}

pub(crate) fn layer(config: CoalesceConfig) -> CoalesceLayer<u64, Refused> {
    CoalesceLayer::new(config).unwrap()
}

pub(crate) fn coalesce(layer: &CoalesceLayer<u64, Refused>) -> (Coalesce<u64, u64>, Store) {
    let store = Store::default();
    (layer.layer(store.clone()), store)
}

pub(crate) type Answer = Result<u64, BoxError>;

/// Calls with each of the rows, in their order, from tasks of their own.
pub(crate) fn call_all(service: &Coalesce<u64, u64>, rows: &[u64]) -> Vec<JoinHandle<Answer>> {
    rows.iter().map(|row| tokio::spawn(service.clone().oneshot(*row))).collect()
}

pub(crate) async fn answers(calls: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for call in calls {
        answers.push(call.await.unwrap());
    }
    answers
}

pub(crate) async fn values(calls: Vec<JoinHandle<Answer>>) -> Vec<u64> {
    answers(calls).await.into_iter().map(Result::unwrap).collect()
}
