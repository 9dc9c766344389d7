//! What the layers need of the limiter behind them, at its edges.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tidegate_core::{ControlLaw, Decision, Demand, Evidence, Outcome, PoolEvidence, Reason, Timestamp};
use tidegate_limiter::{Limiter, ManualDriver, PoolProbe};
use tidegate_tower::LimitLayer;
use tokio::time::timeout;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_test::mock::Spawn;

/// A law that holds one limit and writes down what it is told.
#[derive(Clone, Debug)]
struct Listener {
    limit: u32,
    heard: Arc<Mutex<Vec<Demand>>>,
}

impl ControlLaw for Listener {
    fn limit(&self) -> u32 {
        self.limit
    }

    fn tick(&mut self, _now: Timestamp, evidence: &Evidence) -> Decision {
        self.heard.lock().unwrap().push(evidence.demand);
        Decision::new(self.limit, self.limit, Reason::Fixed)
    }
}

fn listener(limit: u32) -> Listener {
    Listener { limit, heard: Arc::default() }
}

/// A service whose calls never end by themselves.
fn endless(limiter: &Limiter) -> Spawn<impl Service<(), Response = (), Error = (), Future: Unpin>> {
    Spawn::new(LimitLayer::new(limiter.clone()).layer(service_fn(|()| pending::<Result<(), ()>>())))
}

fn recorded(permits: u32) -> (Limiter, ManualDriver, Snapshotter) {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (limiter, driver) =
        metrics::with_local_recorder(&recorder, || Limiter::builder().fixed(permits).build_manual().unwrap());
    (limiter, driver, snapshotter)
}

/// The values recorded under a name, with the outcome label where there is one.
fn metric(snapshotter: &Snapshotter, name: &str) -> Vec<(String, DebugValue)> {
    let snapshot = snapshotter.snapshot().into_vec().into_iter();
    snapshot
        .filter(|(key, ..)| key.key().name() == name)
        .map(|(key, _, _, value)| {
            let outcome = key.key().labels().find(|label| label.key() == "outcome");
            (outcome.map_or(String::new(), |label| label.value().to_owned()), value)
        })
        .collect()
}

#[test]
fn wait_for_readiness_is_a_queue_wait() {
    let (limiter, _driver, snapshotter) = recorded(1);
    let mut first = endless(&limiter);
    let mut second = endless(&limiter);
    assert_ready_ok!(first.poll_ready());
    let call = first.call(());
    assert_pending!(second.poll_ready());
    drop(call);
    assert_ready_ok!(second.poll_ready());
    let waits = metric(&snapshotter, "tidegate_queue_wait_seconds");
    assert!(matches!(&waits[..], [(_, DebugValue::Histogram(waits))] if waits.len() == 1), "{waits:?}");
}

#[test]
fn permit_that_was_just_dropped_is_no_success() {
    let (limiter, mut driver, snapshotter) = recorded(1);
    drop(limiter.try_acquire().unwrap());
    driver.tick(Timestamp::from_millis(100));
    for (outcome, value) in metric(&snapshotter, "tidegate_outcomes_total") {
        if outcome == "success" {
            assert_eq!(value, DebugValue::Counter(0));
        }
    }
}

#[test]
fn call_that_was_dropped_before_it_began_is_no_success() {
    let (limiter, mut driver, snapshotter) = recorded(1);
    let mut service = Spawn::new(LimitLayer::new(limiter).layer(service_fn(|()| async { Ok::<_, ()>(()) })));
    assert_ready_ok!(service.poll_ready::<()>());
    drop(service.call(()));
    driver.tick(Timestamp::from_millis(100));
    for (outcome, value) in metric(&snapshotter, "tidegate_outcomes_total") {
        if outcome == "success" {
            assert_eq!(value, DebugValue::Counter(0));
        }
    }
}

/// A call can begin and end before the sleeping driver's task runs; what it reported must not wait for a busier day.
#[tokio::test(start_paused = true)]
async fn law_hears_of_a_call_that_was_over_before_the_driver_woke() {
    let law = listener(1);
    let limiter = Limiter::builder().law(law.clone()).build().unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    limiter.acquire().await.unwrap().finish(Outcome::Overload);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let overloads: u64 = law.heard.lock().unwrap().iter().map(|demand| demand.overloads).sum();
    assert_eq!(overloads, 1);
}

/// "Parked while nothing is in flight": job workers stand ready all night.
#[tokio::test(start_paused = true)]
async fn driver_sleeps_while_services_are_only_ready() {
    let law = listener(4);
    let limiter = Limiter::builder().law(law.clone()).build().unwrap();
    let mut service = LimitLayer::new(limiter.clone()).layer(service_fn(|()| async { Ok::<_, ()>(()) }));
    service.ready().await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let ticks = law.heard.lock().unwrap().len();
    assert!(ticks < 10, "{ticks} ticks in 10 s without a call");
    // And it is awake again for the call.
    service.call(()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let completed: u64 = law.heard.lock().unwrap().iter().map(|demand| demand.completed).sum();
    assert_eq!(completed, 1);
}

/// A driver that ended (a law or probe of the user's panicked, its runtime was shut down) leaves the limit where it is;
/// it must not leave the brake on, which nobody could take off.
#[tokio::test(start_paused = true)]
async fn brake_does_not_outlive_its_driver() {
    #[derive(Debug)]
    struct Broken {
        brakes: AtomicBool,
    }
    impl ControlLaw for Broken {
        fn limit(&self) -> u32 {
            1
        }
        fn tick(&mut self, _now: Timestamp, _evidence: &Evidence) -> Decision {
            assert!(!self.brakes.load(Ordering::SeqCst), "a law's bug");
            Decision::new(1, 1, Reason::Fixed)
        }
        fn brakes(&self, _pool: &PoolEvidence) -> bool {
            self.brakes.store(true, Ordering::SeqCst);
            true
        }
    }
    let law = Broken { brakes: AtomicBool::new(false) };
    let limiter = Limiter::builder().law(law).pool(NoPool).build().unwrap();
    let permit = limiter.acquire();
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(limiter.snapshot().is_braked);
    drop(timeout(Duration::from_secs(60), permit).await.unwrap());
}

struct NoPool;

impl PoolProbe for NoPool {
    fn read(&self) -> PoolEvidence {
        PoolEvidence::default()
    }

    fn name(&self) -> &str {
        "none"
    }
}

/// A recorder is foreign code, and may panic: the counts must be whole before it runs.
#[test]
fn panic_of_the_recorder_loses_no_permit() {
    let (limiter, _driver) =
        metrics::with_local_recorder(&Panicking, || Limiter::builder().fixed(1).build_manual().unwrap());
    let holder = limiter.try_acquire().unwrap();
    let mut waiter = task::spawn(limiter.acquire());
    assert_pending!(waiter.poll());
    drop(holder);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(waiter.poll()))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| drop(waiter))).is_ok());
    let seen = limiter.snapshot();
    assert_eq!((seen.in_flight, seen.queued), (0, 0));
    assert!(limiter.try_acquire().is_ok());
}

#[derive(Clone, Debug)]
struct Panicking;

impl metrics::HistogramFn for Panicking {
    fn record(&self, _value: f64) {
        unreachable!("a recorder's bug");
    }
}

impl metrics::Recorder for Panicking {
    fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
    fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::noop()
    }
    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }
    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::from_arc(Arc::new(Self))
    }
}

/// The driver takes back what stood uncalled over a look, not what was given a moment ago.
#[test]
fn look_does_not_revoke_a_reservation_that_has_just_been_given() {
    let (limiter, mut driver) = Limiter::builder().fixed(1).build_manual().unwrap();
    let (mut first, mut second, mut third) = (endless(&limiter), endless(&limiter), endless(&limiter));
    assert_ready_ok!(first.poll_ready());
    let running = first.call(());
    assert_pending!(second.poll_ready());
    assert_pending!(third.poll_ready());
    drop(running);
    // The second has its reservation for the moment of the look, and uses it at once.
    driver.look(Timestamp::default());
    assert_ready_ok!(second.poll_ready());
    let running = second.call(());
    let mut fourth = endless(&limiter);
    assert_pending!(fourth.poll_ready());
    drop(running);
    // The third has had its own for no time at all when the driver looks again.
    driver.look(Timestamp::default());
    assert!(third.is_woken());
    assert_ready_ok!(third.poll_ready());
    assert!(!fourth.is_woken(), "the fourth must not overtake the third");
}
