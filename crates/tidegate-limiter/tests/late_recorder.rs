//! A recorder that is installed after the limiter and the meter were built. In a process of its own, as a process has one
//! recorder.

#![allow(clippy::unwrap_used, reason = "a test")]

#[expect(dead_code, reason = "what this test does not need")]
#[path = "it/util.rs"]
mod util;

use std::collections::HashMap;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tidegate_core::PoolReading;
use tidegate_limiter::{Limiter, PoolMeter};
use tokio::time::sleep;

use self::util::{Told, ToldPool};

#[tokio::test(start_paused = true)]
async fn a_recorder_installed_late_hears_of_what_comes_after_it() {
    let law = Told::new(3);
    let limiter = Limiter::builder().pool(ToldPool::default()).law(law.clone()).build().unwrap();
    let meter = PoolMeter::new("reads");
    let reading = PoolReading::new(20, 0, 0, Duration::from_secs(1));
    let work = || async {
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(limiter.acquire().await.unwrap());
        }
        assert!(limiter.try_acquire().is_err());
        drop(meter.begin(reading).granted());
        meter.begin(reading).timed_out();
        sleep(Duration::from_millis(250)).await;
        drop(held);
        sleep(Duration::from_millis(250)).await;
    };
    work().await;
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    recorder.install().unwrap();
    work().await;
    let all = snapshotter.snapshot().into_vec();
    assert!(all.iter().all(|(.., description, _)| description.is_some()), "all are described");
    let mut found: HashMap<String, Vec<DebugValue>> = HashMap::new();
    for (key, .., value) in all {
        found.entry(key.key().name().to_owned()).or_default().push(value);
    }
    assert_eq!(found["tidegate_limit"], [DebugValue::Gauge(3.0.into())]);
    assert_eq!(found["tidegate_admitted_total"], [DebugValue::Counter(3)], "the earlier three are lost");
    assert!(found["tidegate_refused_total"].contains(&DebugValue::Counter(1)));
    assert_eq!(found["db.client.connection.timeouts"], [DebugValue::Counter(1)]);
    assert!(
        matches!(&found["db.client.connection.wait_time"][..], [DebugValue::Histogram(waits)] if waits.len() == 2)
    );
    assert!(
        matches!(&found["db.client.connection.use_time"][..], [DebugValue::Histogram(uses)] if uses.len() == 1)
    );
}
