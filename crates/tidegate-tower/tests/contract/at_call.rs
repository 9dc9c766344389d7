//! Admission when a service is called: `QueueLayer` and `ShedLayer`.
//!
//! What holds for both is tested with both; a failure names the layer.

mod class;
mod outcomes;
mod readiness;
mod refusals;
mod releases;
mod retry;
mod stacks;
mod waits;

use tidegate_limiter::{Acquire, Limiter, OverloadReason, Overloaded};
use tidegate_tower::{ClassOf, Classify, DefaultClassify, OneClass, QueueLayer, ShedLayer};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service};
use tower_test::mock::{self, Mock, Spawn};

use crate::support::{MockHandle, assert_idle};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AtCall {
    Queue,
    Shed,
}

use AtCall::{Queue, Shed};

const BOTH: [AtCall; 2] = [Queue, Shed];

/// A service behind either layer.
type Boxed<Request, Response> = BoxCloneSyncService<Request, Response, BoxError>;

impl AtCall {
    fn layer<S, Request>(self, limiter: &Limiter, inner: S) -> Boxed<Request, S::Response>
    where
        S: Service<Request, Future: Send + 'static> + Clone + Send + Sync + 'static,
        S::Response: 'static,
        S::Error: Into<BoxError> + 'static,
        Request: Send + 'static,
    {
        self.layer_with(limiter, OneClass::default(), DefaultClassify::default(), inner)
    }

    fn layer_with<S, Request, K, C>(
        self,
        limiter: &Limiter,
        class_of: K,
        classify: C,
        inner: S,
    ) -> Boxed<Request, S::Response>
    where
        S: Service<Request, Future: Send + 'static> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        Request: Send + 'static,
        K: ClassOf<Request> + Clone + Send + Sync + 'static,
        C: Classify<S::Response, S::Error> + Clone + Send + Sync + 'static,
    {
        let limiter = limiter.clone();
        match self {
            Queue => Boxed::new(QueueLayer::new(limiter).class(class_of).classify(classify).layer(inner)),
            Shed => Boxed::new(ShedLayer::new(limiter).class(class_of).classify(classify).layer(inner)),
        }
    }

    /// A mock behind the layer, on a mock task that says when it was woken.
    fn mock(self, limiter: &Limiter) -> (Spawn<Boxed<&'static str, &'static str>>, MockHandle) {
        let (mock, handle): (Mock<&'static str, &'static str>, _) = mock::pair();
        (Spawn::new(self.layer(limiter, mock)), handle)
    }
}

/// Somebody who waits for a permit, last in line.
#[track_caller]
fn waiter(limiter: &Limiter) -> task::Spawn<Acquire> {
    let mut waiter = task::spawn(limiter.acquire());
    assert_pending!(waiter.poll());
    waiter
}

/// The waiter was woken and has its permit, and nothing is left once it is gone.
#[track_caller]
fn assert_came_back(layer: AtCall, mut waiter: task::Spawn<Acquire>, limiter: &Limiter) {
    assert!(waiter.is_woken(), "{layer:?}");
    drop(assert_ready_ok!(waiter.poll(), "{layer:?}"));
    assert_idle(limiter);
}

/// Why the limiter refused the call.
#[track_caller]
fn reason(error: &BoxError) -> OverloadReason {
    let refusal = error.downcast_ref::<Overloaded>();
    assert!(refusal.is_some(), "not the limiter's refusal: {error:?}");
    refusal.unwrap().reason()
}
