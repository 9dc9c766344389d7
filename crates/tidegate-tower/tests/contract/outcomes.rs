//! What the control law hears of results.

use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tidegate_core::{ControlLaw, Decision, Demand, Evidence, Outcome, Reason, Timestamp};
use tidegate_limiter::{Limiter, ManualDriver};
use tidegate_tower::{Classify, DefaultClassify, LimitLayer};
use tokio_test::{assert_pending, assert_ready, task};
use tower::load_shed::LoadShed;
use tower::timeout::Timeout;
use tower::util::BoxService;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock::Spawn;

/// A law that holds the limit at 10 and writes down what it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listener {
    pub(crate) heard: Arc<Mutex<Vec<Demand>>>,
}

impl ControlLaw for Listener {
    fn limit(&self) -> u32 {
        10
    }

    fn tick(&mut self, _now: Timestamp, evidence: &Evidence) -> Decision {
        self.heard.lock().unwrap().push(evidence.demand);
        Decision::new(10, 10, Reason::Fixed)
    }
}

pub(crate) fn listened() -> (Limiter, ManualDriver, Listener) {
    let law = Listener::default();
    let (limiter, driver) = Limiter::builder().law(law.clone()).build_manual().unwrap();
    (limiter, driver, law)
}

#[derive(Clone, Copy)]
enum End {
    Response,
    NoRoom,
    Other,
    Dropped,
}

/// Runs a call that ends as told: `Err(true)` is an error that means "no room".
fn run<C: Classify<(), bool> + Clone>(layer: &LimitLayer<C>, end: End) {
    let mut service = Spawn::new(layer.layer(service_fn(|end: End| async move {
        match end {
            End::Response => Ok(()),
            End::NoRoom => Err(true),
            End::Other => Err(false),
            End::Dropped => std::future::pending().await,
        }
    })));
    assert!(assert_ready!(service.poll_ready::<End>()).is_ok());
    let mut call = task::spawn(service.call(end));
    match end {
        End::Dropped => assert_pending!(call.poll()),
        _ => drop(assert_ready!(call.poll())),
    }
}

/// The overloads and completions that the law hears of after one call that ended in `end`.
#[track_caller]
fn check<C: Classify<(), bool> + Clone>(
    classify: impl FnOnce(LimitLayer) -> LimitLayer<C>,
    end: End,
    overloads: u64,
) {
    let (limiter, mut driver, law) = listened();
    run(&classify(LimitLayer::new(limiter.clone())), end);
    driver.tick(Timestamp::from_millis(100));
    let heard = law.heard.lock().unwrap();
    assert_eq!(heard.len(), 1);
    assert_eq!((heard[0].overloads, heard[0].completed, heard[0].in_flight), (overloads, 1, 0));
}

fn no_room(error: &bool) -> Outcome {
    if *error { Outcome::Overload } else { Outcome::Ignored }
}

#[test]
fn overload_reaches_the_law() {
    check(|layer| layer.classify_errors(no_room), End::NoRoom, 1);
}

#[test]
fn business_error_is_no_overload() {
    check(|layer| layer.classify_errors(no_room), End::Other, 0);
}

#[test]
fn response_is_no_overload() {
    check(|layer| layer.classify_errors(no_room), End::Response, 0);
}

#[test]
fn dropped_call_is_no_overload() {
    check(|layer| layer.classify_errors(no_room), End::Dropped, 0);
}

#[test]
fn unknown_error_is_no_overload_by_default() {
    check(|layer| layer, End::NoRoom, 0);
}

#[test]
fn closure_judges_responses_too() {
    let all_is_overload = |_: Result<&(), &bool>| Outcome::Overload;
    check(|layer| layer.classify(all_is_overload), End::Response, 1);
}

#[test]
fn type_can_be_a_classifier() {
    #[derive(Clone)]
    struct Strictly;
    impl Classify<(), bool> for Strictly {
        fn classify(&self, result: Result<&(), &bool>) -> Outcome {
            if result.is_ok() { Outcome::Success } else { Outcome::Overload }
        }
    }
    check(|layer| layer.classify(Strictly), End::Other, 1);
}

#[test]
fn default_classifier_ignores_errors() {
    assert_eq!(DefaultClassify::default().classify(Ok::<_, &()>(&())), Outcome::Success);
    assert_eq!(DefaultClassify::default().classify(Err::<&(), _>(&())), Outcome::Ignored);
}

/// The overloads that the law hears of after one call through a layer without a classifier, which must fail.
async fn overloads_of<S>(inner: S) -> u64
where
    S: Service<(), Error = BoxError>,
    S::Response: std::fmt::Debug,
{
    let (limiter, mut driver, law) = listened();
    LimitLayer::new(limiter.clone()).layer(inner).oneshot(()).await.unwrap_err();
    driver.tick(Timestamp::from_millis(100));
    let heard = law.heard.lock().unwrap();
    assert_eq!((heard[0].completed, heard[0].in_flight), (1, 0));
    heard[0].overloads
}

#[tokio::test(start_paused = true)]
async fn timeout_below_the_limit_is_overload_by_default() {
    let hung = service_fn(|()| std::future::pending::<Result<(), BoxError>>());
    assert_eq!(overloads_of(Timeout::new(hung, Duration::from_secs(1))).await, 1);
}

#[tokio::test(start_paused = true)]
async fn timeout_in_a_handler_is_overload_by_default() {
    let handler = service_fn(|()| async {
        tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await?;
        Ok::<_, BoxError>(())
    });
    assert_eq!(overloads_of(BoxService::new(handler)).await, 1);
}

#[tokio::test]
async fn error_of_a_handler_is_no_overload_by_default() {
    let handler = service_fn(|()| async { Err::<(), BoxError>("no such page".into()) });
    assert_eq!(overloads_of(handler).await, 0);
}

#[tokio::test]
async fn refusal_of_a_load_shedder_below_is_no_overload() {
    /// An inner service that has no room, ever.
    struct Full;
    impl Service<()> for Full {
        type Response = ();
        type Error = BoxError;
        type Future = std::future::Ready<Result<(), BoxError>>;

        fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> Poll<Result<(), BoxError>> {
            Poll::Pending
        }

        fn call(&mut self, (): ()) -> Self::Future {
            unreachable!("it is never ready")
        }
    }
    assert_eq!(overloads_of(LoadShed::new(Full)).await, 0);
}

/// How many calls with each outcome the metrics count after one call that ended in `end`.
fn counted(end: End) -> Vec<(String, u64)> {
    let recorder = DebuggingRecorder::new();
    let (limiter, mut driver, _law) = metrics::with_local_recorder(&recorder, listened);
    run(&LimitLayer::new(limiter.clone()).classify_errors(no_room), end);
    driver.tick(Timestamp::from_millis(100));
    let mut counted: Vec<_> = recorder
        .snapshotter()
        .snapshot()
        .into_vec()
        .into_iter()
        .filter(|(key, ..)| key.key().name() == "tidegate_outcomes_total")
        .filter_map(|(key, _, _, value)| {
            let outcome = key.key().labels().find(|label| label.key() == "outcome")?;
            match value {
                DebugValue::Counter(count @ 1..) => Some((outcome.value().to_owned(), count)),
                _ => None,
            }
        })
        .collect();
    counted.sort();
    counted
}

#[test]
fn each_end_is_counted_under_its_own_name() {
    let once = |outcome: &str| vec![(outcome.to_owned(), 1)];
    assert_eq!(counted(End::Response), once("success"));
    assert_eq!(counted(End::NoRoom), once("overload"));
    assert_eq!(counted(End::Other), once("ignored"));
    assert_eq!(counted(End::Dropped), once("ignored"));
}
