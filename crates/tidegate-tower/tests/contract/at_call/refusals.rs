//! A refusal, and what is not one, through tower's boxes.

use std::time::Duration;

use tidegate_limiter::{Class, Limiter, OverloadReason, Overloaded};
use tidegate_tower::DefaultClassify;
use tokio::time::Instant;
use tower::buffer::Buffer;
use tower::load_shed::LoadShed;
use tower::timeout::Timeout;
use tower::timeout::error::Elapsed;
use tower::util::{BoxCloneService, MapErr};
use tower::{BoxError, Service, ServiceExt, service_fn};

use super::{AtCall, BOTH, Boxed, Queue, Shed, reason};
use crate::support::{Failed, Strict, limiter};

/// A service that refuses every call, and why.
fn refusing(layer: AtCall) -> (Boxed<u32, u32>, OverloadReason) {
    let (limiter, _driver) = limiter(1);
    limiter.close();
    (layer.layer(&limiter, Strict::default()), OverloadReason::Closed)
}

#[track_caller]
fn assert_refusal<T: std::fmt::Debug>(layer: AtCall, answer: Result<T, BoxError>, expected: OverloadReason) {
    assert_eq!(reason(&answer.unwrap_err()), expected, "{layer:?}");
}

#[tokio::test(start_paused = true)]
async fn refusal_is_found_in_the_box() {
    for layer in BOTH {
        let (service, why) = refusing(layer);
        assert_refusal(layer, service.oneshot(1).await, why);
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_is_found_through_tower_s_own_layers() {
    for layer in BOTH {
        let (service, why) = refusing(layer);
        assert_refusal(layer, Buffer::new(service.clone(), 4).oneshot(1).await, why);
        assert_refusal(layer, LoadShed::new(service.clone()).oneshot(1).await, why);
        assert_refusal(layer, Timeout::new(service.clone(), Duration::from_secs(1)).oneshot(1).await, why);
        assert_refusal(layer, BoxCloneService::new(service.clone()).oneshot(1).await, why);
        let stack = Timeout::new(LoadShed::new(Buffer::new(service, 4)), Duration::from_secs(1));
        assert_refusal(layer, stack.oneshot(1).await, why);
    }
}

/// A layer that maps errors keeps the refusal as a source; that is as far as a chain of sources goes.
#[tokio::test(start_paused = true)]
async fn refusal_is_the_end_of_a_chain() {
    for layer in BOTH {
        let (service, _) = refusing(layer);
        let mut service = MapErr::new(service, std::io::Error::other);
        let error = service.ready().await.unwrap().call(1).await.unwrap_err();
        let refusal = error.get_ref().and_then(|error| error.downcast_ref::<Overloaded>()).unwrap();
        assert!(std::error::Error::source(refusal).is_none(), "{layer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn inner_error_is_found_in_the_box() {
    for layer in BOTH {
        let (limiter, _driver) = limiter(1);
        let service = layer.layer(&limiter, Strict::failing_first(2));
        let error = service.clone().oneshot(1).await.unwrap_err();
        assert!(error.is::<Failed>() && !error.is::<Overloaded>(), "{layer:?}: {error:?}");
        let error = Buffer::new(service, 4).oneshot(1).await.unwrap_err();
        assert!(error.is::<Failed>(), "{layer:?}: {error:?}");
    }
}

/// An inner service whose errors are boxed already: the box is not boxed again.
#[tokio::test(start_paused = true)]
async fn inner_error_in_a_box_is_not_boxed_again() {
    for layer in BOTH {
        let (limiter, _driver) = limiter(1);
        let hung = service_fn(|()| std::future::pending::<Result<(), BoxError>>());
        let service = layer.layer(&limiter, Timeout::new(hung, Duration::from_secs(1)));
        let error = service.oneshot(()).await.unwrap_err();
        assert!(error.is::<Elapsed>(), "{layer:?}: {error:?}");
    }
}

/// A refusal by a layer below is not this limiter's refusal of the call: it comes through as the inner service's error.
#[tokio::test(start_paused = true)]
async fn refusal_of_another_limiter_below_comes_through() {
    for layer in BOTH {
        let (limiter, _driver) = limiter(1);
        let (below, why) = refusing(Shed);
        assert_refusal(layer, layer.layer(&limiter, below).oneshot(1).await, why);
        assert_eq!(limiter.snapshot().in_flight, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_says_why_in_one_line() {
    let (limiter, _driver) = Limiter::builder().fixed(1).queue_limit(1).build_manual().unwrap();
    let by_deadline = |request: &u32| match request {
        0 => Class::default().deadline(Instant::now()),
        _ => Class::default(),
    };
    let queue = Queue.layer_with(&limiter, by_deadline, DefaultClassify::default(), Strict::default());
    let shed = Shed.layer(&limiter, Strict::default());
    let expired = queue.clone().oneshot(0).await.unwrap_err();
    assert_eq!(expired.to_string(), "the call was refused: its deadline passed before its turn came");
    let _all = limiter.try_acquire().unwrap();
    let refused = shed.oneshot(1).await.unwrap_err();
    assert_eq!(refused.to_string(), "the call was refused: no permit is free");
    let full = {
        // Both are told of room while there is some.
        let (mut one, mut two) = (queue.clone(), queue);
        one.ready().await.unwrap();
        two.ready().await.unwrap();
        let mut waiting = tokio_test::task::spawn(one.call(1));
        tokio_test::assert_pending!(waiting.poll());
        two.call(1).await.unwrap_err()
    };
    assert_eq!(full.to_string(), "the call was refused: the queue is full");
}
