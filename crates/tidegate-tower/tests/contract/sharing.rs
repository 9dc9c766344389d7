//! One limit for all services of a limiter, whatever layer made them.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tidegate_core::Timestamp;
use tidegate_limiter::{Class, Limiter};
use tidegate_tower::{LimitLayer, QueueLayer, ShedLayer};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_test::mock::Spawn;

use crate::support::{Failed, Inside, Strict, assert_idle, limiter};

#[tokio::test(start_paused = true)]
async fn services_made_from_one_queue_layer_share_the_limit() {
    let limiter = Limiter::builder().fixed(3).build().unwrap();
    let layer = QueueLayer::new(limiter.clone());
    let inner = Strict::default();
    let inside = inner.inside.clone();
    let services = [
        layer.layer(inner.clone()),
        layer.clone().layer(inner.clone()),
        QueueLayer::new(limiter.clone()).layer(inner),
    ];
    let calls = (0..30).map(|i| services[i % 3].clone().oneshot(1));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(inside.peak(), 3, "the limit is used up, and kept");
    assert_idle(&limiter);
}

#[tokio::test(start_paused = true)]
async fn services_made_from_one_shed_layer_share_the_limit() {
    let limiter = Limiter::builder().fixed(3).build().unwrap();
    let layer = ShedLayer::new(limiter.clone());
    let inner = Strict::default();
    let inside = inner.inside.clone();
    let services = [
        layer.layer(inner.clone()),
        layer.clone().layer(inner.clone()),
        ShedLayer::new(limiter.clone()).layer(inner),
    ];
    let calls = (0..30).map(|i| services[i % 3].clone().oneshot(1));
    assert_eq!(join_all(calls).await.iter().filter(|answer| answer.is_ok()).count(), 3);
    assert_eq!(inside.peak(), 3);
    assert_idle(&limiter);
}

type Call<Err> = task::Spawn<BoxFuture<'static, Result<(), Err>>>;

fn endless() -> impl Service<(), Response = (), Error = Failed, Future: Send + 'static> + Clone {
    service_fn(|()| std::future::pending())
}

/// Calls that need no readiness wait behind those that have it, and the other way round: there is one line.
#[test]
fn limit_and_queue_stand_in_one_line() {
    let (limiter, _driver) = limiter(1);
    let mut limit = Spawn::new(LimitLayer::new(limiter.clone()).layer(endless()));
    let mut other = limit.clone();
    let mut queue = Spawn::new(QueueLayer::new(limiter.clone()).layer(endless()));
    let mut shed = Spawn::new(ShedLayer::new(limiter.clone()).layer(endless()));
    assert_ready_ok!(limit.poll_ready());
    let running = limit.call(());
    assert_ready_ok!(queue.poll_ready());
    let mut queued: Call<BoxError> = task::spawn(Box::pin(queue.call(())));
    assert_pending!(queued.poll());
    assert_pending!(other.poll_ready());
    assert_eq!(limiter.snapshot().queued, 2);
    assert_ready_ok!(shed.poll_ready());
    let mut refused: Call<BoxError> = task::spawn(Box::pin(shed.call(())));
    assert_ready_err!(refused.poll());

    // What comes back goes to those who wait, never to one who does not.
    drop(running);
    assert!(queued.is_woken() != other.is_woken(), "one permit came back");
    assert_ready_ok!(shed.poll_ready());
    let mut refused: Call<BoxError> = task::spawn(Box::pin(shed.call(())));
    assert_ready_err!(refused.poll());
    let (was_queued, was_ready) = (queued.is_woken(), other.is_woken());
    drop(queued);
    assert!(was_ready || other.is_woken());
    assert!(was_queued || was_ready);
    assert!(assert_ready!(other.poll_ready()).is_ok());
    drop(other);
    assert_idle(&limiter);
}

/// A service that stands ready and is not called gives way to calls at once, where nobody else waits.
#[test]
fn idle_reservation_gives_way_to_a_call_at_hand() {
    let (limiter, mut driver) = limiter(1);
    let mut idle = Spawn::new(LimitLayer::new(limiter.clone()).layer(endless()));
    assert_ready_ok!(idle.poll_ready());
    driver.look(Timestamp::default());
    let mut queue = Spawn::new(QueueLayer::new(limiter.clone()).layer(endless()));
    assert_ready_ok!(queue.poll_ready());
    let mut queued = task::spawn(queue.call(()));
    assert_pending!(queued.poll());
    assert_eq!((limiter.snapshot().in_flight, limiter.snapshot().reserved), (1, 0));

    // Its call is accepted, waits first in line, and gets its permit.
    let mut late = task::spawn(idle.call(()));
    assert_pending!(late.poll());
    assert_eq!(limiter.snapshot().queued, 1);
    drop(queued);
    assert!(late.is_woken());
    drop(late);

    assert_ready_ok!(idle.poll_ready());
    driver.look(Timestamp::default());
    let mut shed = Spawn::new(ShedLayer::new(limiter.clone()).layer(endless()));
    assert_ready_ok!(shed.poll_ready());
    let admitted = shed.call(());
    assert_eq!((limiter.snapshot().in_flight, limiter.snapshot().reserved), (1, 0));
    drop((admitted, idle));
    assert_idle(&limiter);
}

const LIMIT: u32 = 3;

/// A service that counts the permits its calls hold, and yields as often as it is told.
#[derive(Clone, Copy)]
struct Work {
    permits: u32,
    yields: u32,
}

fn counting(
    inside: &Inside,
) -> impl Service<Work, Response = (), Error = BoxError, Future: Send + 'static> + Clone + Send + Sync + use<>
{
    let inside = inside.clone();
    service_fn(move |work: Work| {
        let inside = inside.clone();
        async move {
            let _guards: Vec<_> = (0..work.permits).map(|_| inside.enter()).collect();
            for _ in 0..work.yields {
                tokio::task::yield_now().await;
            }
            Ok(())
        }
    })
}

/// Calls of all three layers that end, that are refused, and that are dropped at any point, on real threads: never more
/// permits inside than the limit, every queued call answered, and nothing lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peak_over_all_layers_stays_within_the_limit() {
    const TASKS: u32 = 18;
    const CALLS: u32 = 300;
    let limiter = Limiter::builder().fixed(LIMIT).tick(Duration::from_millis(10)).build().unwrap();
    let inside = Inside::default();
    let by_width = |work: &Work| Class::default().weight(work.permits);
    let limit = LimitLayer::new(limiter.clone()).layer(counting(&inside));
    let queue = QueueLayer::new(limiter.clone()).class(by_width).layer(counting(&inside));
    let shed = ShedLayer::new(limiter.clone()).class(by_width).layer(counting(&inside));
    let services: [BoxCloneSyncService<Work, (), BoxError>; 3] =
        [BoxCloneSyncService::new(limit), BoxCloneSyncService::new(queue), BoxCloneSyncService::new(shed)];
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(run(services.clone(), task, CALLS))).collect();
    for task in tasks {
        tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
    }
    assert_eq!(inside.peak(), LIMIT, "the limit is used up, and kept");
    assert_eq!(inside.now(), 0);
    drop(services);
    assert_idle(&limiter);
}

async fn run(services: [BoxCloneSyncService<Work, (), BoxError>; 3], task: u32, calls: u32) {
    for i in 0..calls {
        let which = ((task + i) % 3) as usize;
        // `Limit` knows no weights.
        let permits = if which == 0 { 1 } else { 1 + (task * 5 + i) % LIMIT };
        let mut service = services[which].clone();
        let call = service.ready().await.unwrap().call(Work { permits, yields: (task + i) % 5 });
        match (task * 7 + i) % 4 {
            0 => drop(call),
            1 => drop(tokio::time::timeout(Duration::ZERO, call).await),
            _ => {
                let answer = call.await;
                assert!(answer.is_ok() || which == 2, "only the shedding layer refuses: {answer:?}");
            }
        }
    }
}
