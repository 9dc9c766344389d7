//! What "ready" means: room in the queue for one layer, a ready inner service for the other.

use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tidegate_limiter::{Limiter, ManualDriver, OverloadReason};
use tidegate_tower::{QueueLayer, ServiceBuilderExt, ShedLayer};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{Layer, Service, ServiceBuilder};
use tower_test::mock::Spawn;

use super::{BOTH, Boxed, Queue, Shed, reason};
use crate::support::{Failed, MockHandle, Strict, assert_idle, limiter};

type Waiting = task::Spawn<<Boxed<&'static str, &'static str> as Service<&'static str>>::Future>;

/// A limit of one permit, which is out, and a queue of one place, which is taken.
struct Full {
    limiter: Limiter,
    _driver: ManualDriver,
    service: Spawn<Boxed<&'static str, &'static str>>,
    waiting: Waiting,
    permit: tidegate_limiter::Permit,
    _handle: MockHandle,
}

fn full() -> Full {
    let (limiter, driver) = Limiter::builder().fixed(1).queue_limit(1).build_manual().unwrap();
    let permit = limiter.try_acquire().unwrap();
    let (mut service, handle) = Queue.mock(&limiter);
    assert_ready_ok!(service.poll_ready());
    let mut waiting = task::spawn(service.call("waiting"));
    assert_pending!(waiting.poll());
    Full { limiter, _driver: driver, service, waiting, permit, _handle: handle }
}

#[test]
fn queue_is_ready_while_it_has_room() {
    let Full { limiter, mut service, waiting, permit, .. } = full();
    assert_pending!(service.poll_ready());
    assert!(!service.is_woken());
    drop(permit);
    assert!(service.is_woken(), "the call that waited has left the queue");
    assert_ready_ok!(service.poll_ready());
    drop((waiting, service));
    assert_idle(&limiter);
}

#[test]
fn dropped_call_makes_room() {
    let Full { mut service, waiting, permit: _permit, .. } = full();
    assert_pending!(service.poll_ready());
    drop(waiting);
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
}

/// tower: "Until a request is dispatched, repeated calls to `poll_ready` must return" ready or an error.
#[test]
fn ready_queue_stays_ready_until_it_is_called() {
    let Full { mut service, waiting, permit: _permit, .. } = full();
    let mut other = service.clone();
    drop(waiting);
    assert_ready_ok!(service.poll_ready());
    assert_ready_ok!(other.poll_ready());
    let mut faster = task::spawn(other.call("faster"));
    assert_pending!(faster.poll());
    assert_pending!(other.poll_ready());

    assert_ready_ok!(service.poll_ready());
    let mut slower = task::spawn(service.call("slower"));
    assert_eq!(reason(&assert_ready_err!(slower.poll())), OverloadReason::QueueFull);
    assert_pending!(service.poll_ready(), "it is ready for one call");
}

#[test]
fn clone_asks_for_room_itself() {
    let (limiter, _driver) = Limiter::builder().fixed(1).queue_limit(1).build_manual().unwrap();
    let _permit = limiter.try_acquire().unwrap();
    let (mut service, _handle) = Queue.mock(&limiter);
    assert_ready_ok!(service.poll_ready());
    let mut ready = service.clone();
    assert_ready_ok!(ready.poll_ready());
    let mut waiting = task::spawn(service.call("waiting"));
    assert_pending!(waiting.poll());
    let mut clone = ready.clone();
    assert_ready_ok!(ready.poll_ready());
    assert_pending!(clone.poll_ready());
}

#[test]
fn services_that_wait_for_room_are_told_in_line_one_per_place() {
    let Full { mut service, waiting, permit: _permit, _driver, .. } = full();
    let mut second = service.clone();
    assert_pending!(service.poll_ready());
    assert_pending!(second.poll_ready());
    drop(waiting);
    assert!(service.is_woken());
    assert!(!second.is_woken());
    // It was told of room and never saw it: the next one is told.
    drop(service);
    assert!(second.is_woken());
    assert_ready_ok!(second.poll_ready());
}

#[test]
fn service_that_waits_for_room_leaves_the_line_when_dropped() {
    let Full { mut service, waiting, permit: _permit, .. } = full();
    let mut second = service.clone();
    assert_pending!(service.poll_ready());
    assert_pending!(second.poll_ready());
    drop(service);
    assert!(!second.is_woken());
    drop(waiting);
    assert!(second.is_woken());
}

/// Somebody who is ready and does nothing with it keeps the others from the room no longer than to the next look.
#[test]
fn look_tells_the_others_of_room_that_is_not_used() {
    let Full { mut service, waiting, _driver: mut driver, permit: _permit, .. } = full();
    let mut second = service.clone();
    assert_pending!(service.poll_ready());
    assert_pending!(second.poll_ready());
    drop(waiting);
    assert_ready_ok!(service.poll_ready());
    assert!(!second.is_woken());
    driver.look(tidegate_core::Timestamp::default());
    assert!(second.is_woken());
    assert_ready_ok!(second.poll_ready());
}

#[test]
fn closed_queue_is_ready_to_refuse() {
    let Full { limiter, mut service, permit, waiting: _waiting, .. } = full();
    assert_pending!(service.poll_ready());
    limiter.close();
    assert!(service.is_woken());
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call("late"));
    assert_eq!(reason(&assert_ready_err!(call.poll())), OverloadReason::Closed);
    drop(permit);
    assert_idle(&limiter);
}

#[test]
fn queue_is_ready_whether_or_not_the_inner_service_is() {
    let (limiter, _driver) = limiter(1);
    let (mut service, mut handle) = Queue.mock(&limiter);
    handle.allow(0);
    assert_ready_ok!(service.poll_ready());
    handle.send_error(Failed);
    assert_ready_ok!(service.poll_ready());
}

#[test]
fn shed_is_ready_when_the_inner_service_is() {
    let (limiter, _driver) = limiter(1);
    let (mut service, mut handle) = Shed.mock(&limiter);
    handle.allow(0);
    assert_pending!(service.poll_ready());
    assert_idle(&limiter);
    handle.allow(1);
    assert!(service.is_woken());
    let _all = limiter.try_acquire().unwrap();
    assert_ready_ok!(service.poll_ready());
}

#[tokio::test]
async fn refused_shed_call_leaves_the_inner_service_ready_and_uncalled() {
    let (limiter, _driver) = limiter(1);
    let (mut service, mut handle) = Shed.mock(&limiter);
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    let all = limiter.try_acquire().unwrap();
    let mut refused = task::spawn(service.call("refused"));
    assert_eq!(reason(&assert_ready_err!(refused.poll())), OverloadReason::NoPermit);
    assert!(handle.poll_request().is_pending(), "the inner service was not called");
    drop(all);
    // The readiness was not spent: the inner service has no other to give.
    assert_ready_ok!(service.poll_ready());
    let _call = service.call("admitted");
    let (request, _) = handle.next_request().await.unwrap();
    assert_eq!(request, "admitted");
}

/// An inner service that writes down what is asked of it. A clone begins unready and has a name of its own.
#[derive(Debug, Default)]
struct Probe {
    name: usize,
    heard: Arc<Mutex<Vec<(usize, &'static str)>>>,
    clones: Arc<Mutex<usize>>,
}

impl Clone for Probe {
    fn clone(&self) -> Self {
        let mut clones = self.clones.lock().unwrap();
        *clones += 1;
        Self { name: *clones, heard: Arc::clone(&self.heard), clones: Arc::clone(&self.clones) }
    }
}

impl Service<()> for Probe {
    type Response = ();
    type Error = Failed;
    type Future = std::future::Ready<Result<(), Failed>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.heard.lock().unwrap().push((self.name, "poll_ready"));
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        self.heard.lock().unwrap().push((self.name, "call"));
        std::future::ready(Ok(()))
    }
}

#[test]
fn queued_call_asks_nothing_of_the_inner_service_before_it_has_its_permit() {
    let (limiter, _driver) = limiter(1);
    let all = limiter.try_acquire().unwrap();
    let probe = Probe::default();
    let heard = Arc::clone(&probe.heard);
    let mut service = Spawn::new(QueueLayer::new(limiter).layer(probe));
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(()));
    assert_pending!(call.poll());
    assert!(heard.lock().unwrap().is_empty());
    drop(all);
    assert!(heard.lock().unwrap().is_empty(), "nor before it is polled");
    assert_ready_ok!(call.poll());
    let heard = heard.lock().unwrap();
    assert!(matches!(heard[..], [(ready, "poll_ready"), (called, "call")] if ready == called), "{heard:?}");
    assert_ne!(heard[0].0, 0, "the value that the layer was given is never called itself");
}

#[test]
fn shed_calls_the_very_value_it_made_ready() {
    let (limiter, _driver) = limiter(1);
    let probe = Probe::default();
    let heard = Arc::clone(&probe.heard);
    let mut service = Spawn::new(ShedLayer::new(limiter).layer(probe));
    assert_ready_ok!(service.poll_ready());
    assert_ready_ok!(task::spawn(service.call(())).poll());
    assert_eq!(*heard.lock().unwrap(), [(0, "poll_ready"), (0, "call")]);
}

#[test]
fn service_builder_puts_the_layers_on_the_stack() {
    for layer in BOTH {
        let (limiter, _driver) = limiter(1);
        let stack = ServiceBuilder::new();
        let mut service = Spawn::new(match layer {
            Queue => Boxed::new(stack.queue(limiter.clone()).service(Strict::default())),
            Shed => Boxed::new(stack.shed(limiter.clone()).service(Strict::default())),
        });
        assert_ready_ok!(service.poll_ready());
        limiter.close();
        let mut call = task::spawn(service.call(1));
        assert_eq!(reason(&assert_ready_err!(call.poll())), OverloadReason::Closed, "{layer:?}");
    }
}

#[test]
fn inner_service_is_within_reach() {
    let (limiter, _driver) = limiter(1);
    let mut queue = QueueLayer::new(limiter.clone()).layer(1_u8);
    *queue.get_mut() += 1;
    assert_eq!((*queue.get_ref(), queue.into_inner()), (2, 2));
    let mut shed = ShedLayer::new(limiter).layer(1_u8);
    *shed.get_mut() += 1;
    assert_eq!((*shed.get_ref(), shed.into_inner()), (2, 2));
}
