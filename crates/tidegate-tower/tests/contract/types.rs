//! What the types of all layers promise: threads, `Unpin`, error types, `Debug`.

use std::convert::Infallible;
use std::fmt::Debug;
use std::future::{Ready, pending};

use tidegate_core::Outcome;
use tidegate_limiter::Class;
use tidegate_tower::{
    ClassifyErrors, Coalesce, CoalesceLayer, DefaultClassify, Limit, LimitLayer, OneClass, Queue, QueueLayer,
    Shed, ShedLayer, coalesce, limit, queue, shed,
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, service_fn};
use tower_test::mock::Spawn;

use crate::support::{Failed, Strict, limiter};

/// An inner service that is all that a service can be.
#[derive(Clone, Debug)]
struct Plain;

impl Service<u32> for Plain {
    type Response = u32;
    type Error = Infallible;
    type Future = Ready<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u32) -> Self::Future {
        std::future::ready(Ok(request))
    }
}

fn is_shareable<T: Send + Sync + Unpin + 'static>() {}

fn is_debug<T: Debug>() {}

fn is_clone<T: Clone>() {}

#[test]
fn layers_and_services_cross_threads() {
    is_shareable::<LimitLayer>();
    is_shareable::<QueueLayer>();
    is_shareable::<ShedLayer>();
    is_shareable::<CoalesceLayer<u32>>();
    is_shareable::<Coalesce<u32, u32>>();
    is_shareable::<coalesce::future::ResponseFuture<u32>>();
    is_shareable::<Limit<Plain>>();
    is_shareable::<Queue<Plain>>();
    is_shareable::<Shed<Plain>>();
    is_clone::<Limit<Plain>>();
    is_clone::<Queue<Plain>>();
    is_clone::<Shed<Plain>>();
    is_shareable::<ClassifyErrors<fn(&Failed) -> Outcome>>();
}

/// The futures of `Plain` are all three, so those of the layers are.
#[test]
fn futures_cross_threads() {
    is_shareable::<limit::future::ResponseFuture<Ready<Result<u32, Infallible>>, DefaultClassify>>();
    is_shareable::<queue::future::ResponseFuture<Plain, u32, DefaultClassify>>();
    is_shareable::<shed::future::ResponseFuture<Ready<Result<u32, Infallible>>, DefaultClassify>>();
}

/// Futures that are not `Sync` or `Unpin` are good enough to be sent: `Strict` boxes one, an `async` block is another.
#[test]
fn futures_of_less_can_still_be_sent() {
    fn is_send<T: Send + 'static>(_: &T) {}
    let (limiter, _driver) = limiter(1);
    let not_unpin = || service_fn(|(): ()| async { pending::<Result<(), Failed>>().await });
    is_send(&Spawn::new(QueueLayer::new(limiter.clone()).layer(not_unpin())).call(()));
    is_send(&Spawn::new(ShedLayer::new(limiter.clone()).layer(not_unpin())).call(()));
    is_send(&QueueLayer::new(limiter.clone()).layer(Strict::default()).call(1));
}

/// `Limit` only makes calls wait, so its error is the inner service's; the others can refuse.
#[test]
fn error_types_say_what_can_fail() {
    fn fails_with<S: Service<u32, Error = Err>, Err>() {}
    fails_with::<Limit<Plain>, Infallible>();
    fails_with::<Queue<Plain>, BoxError>();
    fails_with::<Shed<Plain>, BoxError>();
}

/// An inner service, class or classifier without `Debug` keeps nothing from being shown.
#[test]
fn everything_can_be_shown() {
    type OfError = fn(&Failed) -> Outcome;
    type OfRequest = fn(&u32) -> Class;
    is_debug::<LimitLayer<ClassifyErrors<OfError>>>();
    is_debug::<QueueLayer<OfRequest, ClassifyErrors<OfError>>>();
    is_debug::<ShedLayer<OfRequest, ClassifyErrors<OfError>>>();
    is_debug::<Limit<Plain, ClassifyErrors<OfError>>>();
    is_debug::<Queue<Plain, OfRequest, ClassifyErrors<OfError>>>();
    is_debug::<Shed<Plain, OfRequest, ClassifyErrors<OfError>>>();
    is_debug::<queue::future::ResponseFuture<Plain, u32, ClassifyErrors<OfError>>>();
    is_debug::<(OneClass, DefaultClassify, ClassifyErrors<OfError>)>();
}

#[test]
fn debug_names_the_state_of_a_queued_call() {
    let (limiter, _driver) = limiter(1);
    let layer = QueueLayer::new(limiter.clone()).class(|_: &u32| Class::default());
    assert!(format!("{layer:?}").starts_with("QueueLayer { limiter: Limiter"));
    let held = limiter.try_acquire().unwrap();
    let mut service = Spawn::new(layer.layer(Plain));
    assert!(format!("{:?}", service.get_ref()).starts_with("Queue { inner: Plain, room: Room"));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    assert!(format!("{:?}", *call).contains("waiting"));
    drop(held);
    assert_ready_ok!(call.poll());
    assert!(format!("{:?}", *call).contains("done"));

    let hung = service_fn(|_: u32| pending::<Result<u32, Failed>>());
    let mut service = Spawn::new(QueueLayer::new(limiter).layer(hung));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    assert_pending!(call.poll());
    assert!(format!("{:?}", *call).contains("running"));
}

#[test]
fn debug_names_the_state_of_a_shed_call() {
    let (limiter, _driver) = limiter(1);
    let layer = ShedLayer::new(limiter).classify_errors(|_: &Infallible| Outcome::Overload);
    assert!(format!("{layer:?}").starts_with("ShedLayer { limiter: Limiter"));
    let mut service = Spawn::new(layer.layer(Plain));
    assert!(format!("{:?}", service.get_ref()).starts_with("Shed { inner: Plain, limiter: Limiter"));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(1));
    assert!(format!("{:?}", *call).contains("running"));
    assert_ready_ok!(service.poll_ready());
    let mut refused = task::spawn(service.call(2));
    assert!(format!("{:?}", *refused).contains("refused"));
    assert_ready_err!(refused.poll());
    assert!(format!("{:?}", *refused).contains("done"));
    assert_ready_ok!(call.poll());
}
