//! What the control law hears of calls: their results, and nothing of a refusal.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tidegate_core::{Outcome, Timestamp};
use tidegate_limiter::{Class, Limiter};
use tidegate_tower::{Classify, DefaultClassify, OneClass, QueueLayer, ShedLayer};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::timeout::error::Elapsed;
use tower::{BoxError, Layer, Service, service_fn};
use tower_test::mock::Spawn;

use super::{AtCall, BOTH, Boxed, Queue, Shed};
use crate::outcomes::listened;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Response,
    TimedOut,
    OtherError,
    Dropped,
}

const ENDS: [End; 4] = [End::Response, End::TimedOut, End::OtherError, End::Dropped];

/// An inner service whose calls end as they are told.
fn inner() -> impl Service<End, Response = (), Error = BoxError, Future: Send> + Clone + Send + Sync {
    service_fn(|end: End| async move {
        match end {
            End::Response => Ok(()),
            End::TimedOut => Err(Elapsed::new().into()),
            End::OtherError => Err("no such page".into()),
            End::Dropped => std::future::pending().await,
        }
    })
}

fn run(service: Boxed<End, ()>, end: End) {
    let mut service = Spawn::new(service);
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(end));
    match end {
        End::Dropped => assert_pending!(call.poll()),
        _ => drop(assert_ready!(call.poll())),
    }
}

/// The overloads that the law hears of after one call that ended in `end`.
#[track_caller]
fn overloads(end: End, service: impl FnOnce(&Limiter) -> Boxed<End, ()>) -> u64 {
    let (limiter, mut driver, law) = listened();
    run(service(&limiter), end);
    driver.tick(Timestamp::from_millis(100));
    let heard = law.heard.lock().unwrap();
    assert_eq!((heard[0].completed, heard[0].in_flight), (1, 0));
    heard[0].overloads
}

#[track_caller]
fn check<C>(classify: C, expected: impl Fn(End) -> u64)
where
    C: Classify<(), BoxError> + Clone + Send + Sync + 'static,
{
    for layer in BOTH {
        for end in ENDS {
            let service =
                |limiter: &Limiter| layer.layer_with(limiter, OneClass::default(), classify.clone(), inner());
            assert_eq!(overloads(end, service), expected(end), "{layer:?}, {end:?}");
        }
    }
}

#[test]
fn default_takes_a_timeout_for_overload_and_nothing_else() {
    check(DefaultClassify::default(), |end| u64::from(end == End::TimedOut));
}

#[test]
fn closure_judges_responses_too() {
    let any = |_: Result<&(), &BoxError>| Outcome::Overload;
    check(any, |end| u64::from(end != End::Dropped));
}

#[test]
fn type_can_be_a_classifier() {
    #[derive(Clone)]
    struct Strictly;
    impl Classify<(), BoxError> for Strictly {
        fn classify(&self, result: Result<&(), &BoxError>) -> Outcome {
            if result.is_ok() { Outcome::Success } else { Outcome::Overload }
        }
    }
    check(Strictly, |end| u64::from(matches!(end, End::TimedOut | End::OtherError)));
}

#[test]
fn errors_can_be_judged_alone() {
    let of_error =
        |error: &BoxError| if error.is::<Elapsed>() { Outcome::Ignored } else { Outcome::Overload };
    for end in ENDS {
        let expected = u64::from(end == End::OtherError);
        let queue = |limiter: &Limiter| {
            Boxed::new(QueueLayer::new(limiter.clone()).classify_errors(of_error).layer(inner()))
        };
        assert_eq!(overloads(end, queue), expected, "{end:?}");
        let shed = |limiter: &Limiter| {
            Boxed::new(ShedLayer::new(limiter.clone()).classify_errors(of_error).layer(inner()))
        };
        assert_eq!(overloads(end, shed), expected, "{end:?}");
    }
}

/// How many permits with each outcome the metrics count.
fn counted(act: impl FnOnce(&Limiter)) -> Vec<(String, u64)> {
    let recorder = DebuggingRecorder::new();
    let (limiter, mut driver, _law) = metrics::with_local_recorder(&recorder, listened);
    act(&limiter);
    driver.tick(Timestamp::from_millis(100));
    let snapshot = recorder.snapshotter().snapshot().into_vec().into_iter();
    let mut counted: Vec<_> = snapshot
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
    for layer in BOTH {
        for (end, name) in ENDS.into_iter().zip(["success", "overload", "ignored", "ignored"]) {
            let counted = counted(|limiter| run(layer.layer(limiter, inner()), end));
            assert_eq!(counted, [(name.to_owned(), 1)], "{layer:?}, {end:?}");
        }
    }
}

/// A wide call ends as so many permits, since that is what the law counts.
#[test]
fn wide_call_is_counted_by_its_permits() {
    for layer in BOTH {
        let wide = |_: &End| Class::default().weight(3);
        let counted = counted(|limiter| {
            let classify = DefaultClassify::default();
            run(layer.layer_with(limiter, wide, classify, inner()), End::TimedOut);
        });
        assert_eq!(counted, [("overload".to_owned(), 3)], "{layer:?}");
    }
}

/// Refuses one call: the queue by a deadline that is past, the other for want of a permit.
fn refuse(layer: AtCall, limiter: &Limiter) {
    let class_of = |_: &End| Class::default().weight(10).deadline(Instant::now());
    let classify = |_: Result<&(), &BoxError>| -> Outcome { unreachable!("a refusal is no result") };
    let mut service = Spawn::new(layer.layer_with(limiter, class_of, classify, inner()));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(End::Response));
    assert_ready_err!(call.poll());
}

#[tokio::test(start_paused = true)]
async fn refusal_is_no_outcome() {
    for layer in [Queue, Shed] {
        let (limiter, mut driver, law) = listened();
        let held = limiter.try_acquire().unwrap();
        refuse(layer, &limiter);
        driver.tick(Timestamp::from_millis(100));
        let heard = law.heard.lock().unwrap()[0];
        assert_eq!((heard.completed, heard.overloads, heard.in_flight), (0, 0, 1), "{layer:?}");
        held.finish(Outcome::Success);

        let counted = counted(|limiter| {
            let held = limiter.try_acquire().unwrap();
            refuse(layer, limiter);
            held.finish(Outcome::Success);
        });
        assert_eq!(counted, [("success".to_owned(), 1)], "{layer:?}: of the permit that was held");
    }
}

/// The law may grow a limit that holds calls back, whether they wait or are refused for it.
#[test]
fn refusal_for_want_of_a_permit_says_that_the_limit_holds_back() {
    let (limiter, mut driver, law) = listened();
    let _all: Vec<_> = (0..10).map(|_| limiter.try_acquire().unwrap()).collect();
    driver.tick(Timestamp::from_millis(100));
    let mut service = Spawn::new(Shed.layer(&limiter, inner()));
    assert_ready_ok!(service.poll_ready());
    assert_ready_err!(task::spawn(service.call(End::Response)).poll());
    driver.tick(Timestamp::from_millis(200));
    let heard = law.heard.lock().unwrap();
    assert_eq!((heard[0].held_back, heard[1].held_back), (false, true));
}
