//! A layer says whose call it polls, so that a pool can tell a call that holds a connection and asks for another one from
//! calls that one task makes beside each other.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use futures_util::future::join_all;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tidegate_core::PoolReading;
use tidegate_limiter::{Limiter, PoolMeter};
use tidegate_tower::{LimitLayer, QueueLayer, ShedLayer};
use tokio::task::yield_now;
use tower::util::BoxCloneService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt as _};

const READING: PoolReading = PoolReading::new(20, 0, 0, Duration::from_secs(1));

/// A call that holds as many connections at once.
async fn hold(meter: PoolMeter, connections: u32) -> Result<(), BoxError> {
    let mut held = Vec::new();
    for _ in 0..connections {
        let mut lent = meter.begin(READING).granted();
        lent.in_hand();
        held.push(lent);
        yield_now().await;
    }
    Ok(())
}

/// Five calls in one task, each of which holds as many connections at once; how many acquires were nested.
async fn nested(layer: impl Fn(&PoolMeter) -> BoxCloneService<u32, (), BoxError>, connections: u32) -> u64 {
    let recorder = DebuggingRecorder::new();
    let meter = metrics::with_local_recorder(&recorder, || PoolMeter::new("reads"));
    let service = layer(&meter);
    let calls = (0..5).map(|_| service.clone().oneshot(connections));
    join_all(calls).await.into_iter().collect::<Result<(), _>>().unwrap();
    let all = recorder.snapshotter().snapshot().into_vec();
    match all.iter().find(|(key, ..)| key.key().name() == "tidegate_nested_acquires_total").unwrap().3 {
        DebugValue::Counter(count) => count,
        ref other => unreachable!("{other:?} is no counter"),
    }
}

async fn check(layer: impl Fn(&PoolMeter) -> BoxCloneService<u32, (), BoxError>) {
    assert_eq!(nested(&layer, 1).await, 0, "beside each other");
    assert_eq!(nested(&layer, 2).await, 5, "one within each call");
}

fn inner(
    meter: &PoolMeter,
) -> impl Service<u32, Response = (), Error = BoxError, Future: Send> + Clone + Send + use<> {
    let meter = meter.clone();
    tower::service_fn(move |connections| hold(meter.clone(), connections))
}

fn limiter() -> Limiter {
    Limiter::builder().fixed(10).build().unwrap()
}

#[tokio::test]
async fn the_limit_layer_tells_calls_apart() {
    check(|meter| {
        let layer = LimitLayer::new(limiter());
        BoxCloneService::new(ServiceBuilder::new().layer(layer).service(inner(meter)))
    })
    .await;
}

#[tokio::test]
async fn the_queue_layer_tells_calls_apart() {
    check(|meter| {
        let layer = QueueLayer::new(limiter());
        BoxCloneService::new(ServiceBuilder::new().layer(layer).service(inner(meter)))
    })
    .await;
}

#[tokio::test]
async fn the_shed_layer_tells_calls_apart() {
    check(|meter| {
        let layer = ShedLayer::new(limiter());
        BoxCloneService::new(ServiceBuilder::new().layer(layer).service(inner(meter)))
    })
    .await;
}
