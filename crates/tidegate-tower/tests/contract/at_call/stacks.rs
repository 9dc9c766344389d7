//! Under and over tower's own layers, with an inner service that insists on the contract.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{StreamExt, iter};
use tidegate_limiter::{Limiter, OverloadReason};
use tidegate_tower::{LimitLayer, ServiceBuilderExt};
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::buffer::Buffer;
use tower::load_shed::LoadShed;
use tower::steer::Steer;
use tower::timeout::Timeout;
use tower::timeout::error::Elapsed;
use tower::util::BoxCloneService;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_test::mock::{self, Mock};

use super::{AtCall, BOTH, Boxed, Queue, Shed, reason};
use crate::stacks::{CALLS, LIMIT, balanced, call_each, check, settled};
use crate::support::{Failed, Inside, Strict, assert_idle};

fn limited(layer: AtCall, inner: Strict) -> (Limiter, Boxed<u32, u32>, Inside) {
    let limiter = Limiter::builder().fixed(LIMIT).build().unwrap();
    let inside = inner.inside.clone();
    let service = layer.layer(&limiter, inner);
    (limiter, service, inside)
}

/// Of calls that come at once, a shedding service answers as many as there are permits and refuses the others.
#[track_caller]
fn assert_shed(answers: Vec<Result<u32, BoxError>>, inside: &Inside) {
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((answered.len(), refused.len()), (LIMIT as usize, (CALLS - LIMIT) as usize));
    for error in refused.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&error), OverloadReason::NoPermit);
    }
    assert_eq!(inside.peak(), LIMIT);
}

async fn check_shed<S>(service: S, limiter: Limiter, inside: Inside)
where
    S: Service<u32, Response = u32, Error = BoxError> + Clone,
{
    let answers = join_all((0..CALLS).map(|i| service.clone().oneshot(i))).await;
    assert_shed(answers, &inside);
    drop(service);
    settled(&limiter).await;
}

/// One test for each stack, of both layers: the queue answers all calls, the other those that find a permit.
macro_rules! stacks {
    ($($(#[$doc:meta])* $name:ident: $stack:expr;)*) => {$(
        $(#[$doc])*
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let (limiter, service, inside) = limited(Queue, Strict::default());
            check($stack(service), limiter, inside).await;
            let (limiter, service, inside) = limited(Shed, Strict::default());
            check_shed($stack(service), limiter, inside).await;
        }
    )*};
}

stacks! {
    oneshot: |service| service;
    box_clone_service: BoxCloneService::new;
    buffer_above: |service| Buffer::new(service, 4);
    load_shed_above_leaves_alone_what_may_wait: LoadShed::new;
    timeout_that_is_long_enough: |service| Timeout::new(service, Duration::from_secs(10));
}

/// A timeout below measures the work alone: the last of these calls waits far longer than that.
#[tokio::test(start_paused = true)]
async fn timeout_and_buffer_below_the_queue() {
    let limiter = Limiter::builder().fixed(LIMIT).build().unwrap();
    let inner = Strict::default();
    let inside = inner.inside.clone();
    let work = Duration::from_millis(15);
    let service = ServiceBuilder::new().queue(limiter.clone()).buffer(1).timeout(work).service(inner);
    check(service, limiter, inside).await;
}

#[tokio::test(start_paused = true)]
async fn call_all_in_order_and_unordered() {
    let in_order: Vec<_> = (0..CALLS).collect();
    let (limiter, service, inside) = limited(Queue, Strict::default());
    let answers: Vec<_> = service.clone().call_all(iter(0..CALLS)).map(Result::unwrap).collect().await;
    assert_eq!(answers, in_order);
    let mut answers: Vec<_> =
        service.call_all(iter(0..CALLS)).unordered().map(Result::unwrap).collect().await;
    answers.sort_unstable();
    assert_eq!(answers, in_order);
    assert_eq!(inside.peak(), LIMIT);
    assert_idle(&limiter);

    for is_unordered in [false, true] {
        let (limiter, service, inside) = limited(Shed, Strict::default());
        let calls = service.call_all(iter(0..CALLS));
        let answers = if is_unordered { calls.unordered().collect().await } else { calls.collect().await };
        assert_shed(answers, &inside);
        assert_idle(&limiter);
    }
}

#[tokio::test(start_paused = true)]
async fn steer_and_balance_over_more_services_than_permits() {
    for is_steer in [true, false] {
        for layer in BOTH {
            let (limiter, service, inside) = limited(layer, Strict::default());
            let answers = if is_steer {
                let services = [(); 3].map(|()| service.clone());
                call_each(&mut Steer::new(services, |request: &u32, _: &[_]| *request as usize % 3)).await
            } else {
                call_each(&mut balanced(&service)).await
            };
            match layer {
                Shed => assert_shed(answers, &inside),
                Queue => assert!(answers.into_iter().map(Result::unwrap).eq(0..CALLS)),
            }
            assert_eq!(inside.peak(), LIMIT);
            assert_idle(&limiter);
        }
    }
}

/// "Not ready", which a full queue is, becomes tower's own refusal; what is in the queue is served.
#[tokio::test(start_paused = true)]
async fn load_shed_above_refuses_when_the_queue_is_full() {
    let limiter = Limiter::builder().fixed(LIMIT).queue_limit(3).build().unwrap();
    let inner = Strict::default();
    let inside = inner.inside.clone();
    let service = LoadShed::new(Queue.layer(&limiter, inner));
    let answers = join_all((0..CALLS).map(|i| service.clone().oneshot(i))).await;
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(answered.len(), LIMIT as usize + 3);
    for error in refused.into_iter().filter_map(Result::err) {
        assert!(error.is::<tower::load_shed::error::Overloaded>(), "{error:?}");
    }
    assert_eq!(inside.peak(), LIMIT);
    assert_idle(&limiter);
}

/// A call takes its place when it is first polled. Calls that are made and not polled take none, so whoever makes many
/// of them is not pushed back, and finds the queue full.
#[tokio::test(start_paused = true)]
async fn calls_that_are_not_polled_take_no_place() {
    let limiter = Limiter::builder().fixed(LIMIT).queue_limit(3).build().unwrap();
    let mut service = Queue.layer(&limiter, Strict::default());
    let mut calls = Vec::new();
    for i in 0..CALLS {
        calls.push(service.ready().await.unwrap().call(i));
    }
    assert_idle(&limiter);
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), LIMIT as usize + 3);
    for error in answers.into_iter().filter_map(Result::err) {
        assert_eq!(reason(&error), OverloadReason::QueueFull);
    }
}

/// The backend hangs and its callers give up: all of it comes back, from those inside and from those who wait.
#[tokio::test(start_paused = true)]
async fn timeout_above_gives_back_what_hangs() {
    for layer in BOTH {
        let limiter = Limiter::builder().fixed(LIMIT).build().unwrap();
        let inside = Inside::default();
        let hung = service_fn({
            let inside = inside.clone();
            move |_: u32| {
                let guard = inside.enter();
                async move {
                    let _guard = guard;
                    std::future::pending::<Result<u32, Failed>>().await
                }
            }
        });
        let service = Timeout::new(layer.layer(&limiter, hung), Duration::from_secs(1));
        for round in 1..=3 {
            let begun = Instant::now();
            let answers = join_all((0..CALLS).map(|i| service.clone().oneshot(i))).await;
            assert_eq!(begun.elapsed(), Duration::from_secs(1));
            let gave_up =
                answers.into_iter().filter(|answer| matches!(answer, Err(error) if error.is::<Elapsed>()));
            let expected = if layer == Queue { CALLS } else { LIMIT };
            assert_eq!(gave_up.count(), expected as usize, "{layer:?}, round {round}");
            assert_eq!((inside.now(), inside.peak()), (0, LIMIT), "{layer:?}, round {round}");
            assert_idle(&limiter);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn buffer_below_the_queue_gets_nothing_before_there_is_a_permit() {
    let limiter = Limiter::builder().fixed(1).build().unwrap();
    let held = limiter.acquire().await.unwrap();
    let (mock, mut handle): (Mock<&str, &str>, _) = mock::pair();
    let (buffer, worker) = Buffer::pair(mock, 1);
    let mut worker = task::spawn(worker);
    let mut service = Queue.layer(&limiter, buffer.clone());
    let mut call = task::spawn(service.ready().await.unwrap().call("one"));
    assert_pending!(call.poll());
    assert_pending!(worker.poll());
    assert!(handle.poll_request().is_pending());
    let mut beside = buffer;
    assert!(beside.ready().await.is_ok(), "its only place is free");
    drop(beside);
    drop(held);
    assert_pending!(call.poll());
    assert_pending!(worker.poll());
    let (request, respond) = handle.next_request().await.unwrap();
    assert_eq!(request, "one");
    respond.send_response("done");
    assert_eq!(call.await.unwrap(), "done");
    assert_idle(&limiter);
}

/// A queue in front of a whole stack, and a limit for one part of it.
#[tokio::test(start_paused = true)]
async fn limit_of_its_own_inside() {
    for layer in BOTH {
        let outer = Limiter::builder().fixed(LIMIT).build().unwrap();
        let inner = Limiter::builder().fixed(1).build().unwrap();
        let strict = Strict::default();
        let inside = strict.inside.clone();
        let service = layer.layer(&outer, LimitLayer::new(inner.clone()).layer(strict));
        let answers = join_all((0..CALLS).map(|i| service.clone().oneshot(i))).await;
        let answered = answers.iter().filter(|answer| answer.is_ok()).count();
        // A shedding service is ready when the limit below is, so its callers come one by one.
        assert_eq!(answered, CALLS as usize, "{layer:?}");
        assert_eq!(inside.peak(), 1);
        assert_idle(&outer);
        assert_idle(&inner);

        // A call that holds its permit of the outer limit and waits for the inner one gives back both.
        let held = inner.acquire().await.unwrap();
        let mut call = task::spawn(service.oneshot(1));
        assert_pending!(call.poll());
        assert_eq!(inner.snapshot().queued, 1);
        drop(call);
        assert_idle(&outer);
        drop(held);
        assert_idle(&inner);
    }
}
/// Callers of a full queue wait for room in `poll_ready`, and those that have room are served: nobody is refused.
#[tokio::test(start_paused = true)]
async fn full_queue_pushes_back_instead_of_refusing() {
    let limiter = Limiter::builder().fixed(LIMIT).queue_limit(1).build().unwrap();
    let inner = Strict::default();
    let inside = inner.inside.clone();
    check(Queue.layer(&limiter, inner), limiter, inside).await;
}
