//! The class of a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tidegate_core::Timestamp;
use tidegate_limiter::{Class, Key, Limiter, OverloadReason, Priority};
use tidegate_tower::{ClassOf, DefaultClassify, QueueLayer, ShedLayer};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, ServiceExt, service_fn};
use tower_test::mock::Spawn;

use super::{AtCall, BOTH, Boxed, Queue, Shed, reason};
use crate::support::{Failed, assert_idle, limiter};

/// A request that says itself what class it is of. Its call is complete after two polls, and answers its name.
#[derive(Clone, Copy, Debug)]
struct Job {
    name: &'static str,
    class: Class,
}

type Call = task::Spawn<BoxFuture<'static, Result<&'static str, BoxError>>>;

fn service(layer: AtCall, limiter: &Limiter) -> Spawn<Boxed<Job, &'static str>> {
    let inner = service_fn(|job: Job| async move {
        tokio::task::yield_now().await;
        Ok::<_, Failed>(job.name)
    });
    Spawn::new(layer.layer_with(limiter, |job: &Job| job.class, DefaultClassify::default(), inner))
}

#[track_caller]
fn call(service: &mut Spawn<Boxed<Job, &'static str>>, name: &'static str, class: Class) -> Call {
    assert_ready_ok!(service.poll_ready());
    let mut call = task::spawn(service.call(Job { name, class }));
    assert_pending!(call.poll());
    call
}

/// Calls the jobs behind one that runs, and tells the order in which they are served.
#[track_caller]
fn order(limiter: &Limiter, jobs: &[(&'static str, Class)]) -> Vec<&'static str> {
    let mut service = service(Queue, limiter);
    let holder = limiter.try_acquire().unwrap();
    let mut calls: Vec<_> = jobs.iter().map(|&(name, class)| call(&mut service, name, class)).collect();
    drop(holder);
    let mut served = Vec::new();
    while !calls.is_empty() {
        let next = calls.iter().position(task::Spawn::is_woken).unwrap();
        let mut call = calls.remove(next);
        assert_pending!(call.poll());
        served.push(assert_ready_ok!(call.poll()));
    }
    assert_idle(limiter);
    served
}

#[test]
fn weight_of_a_closure_is_held_while_the_call_runs() {
    for layer in BOTH {
        let (limiter, _driver) = limiter(5);
        let mut service = service(layer, &limiter);
        let mut wide = call(&mut service, "wide", Class::default().weight(3));
        assert_eq!(limiter.snapshot().in_flight, 3, "{layer:?}");
        let narrow = call(&mut service, "narrow", Class::default());
        assert_eq!(limiter.snapshot().in_flight, 4, "{layer:?}");
        assert_ready_ok!(wide.poll());
        assert_eq!(limiter.snapshot().in_flight, 1, "{layer:?}");
        drop(narrow);
        assert_idle(&limiter);
    }
}

#[test]
fn type_can_say_the_class() {
    #[derive(Clone)]
    struct Doubled(u32);
    impl ClassOf<()> for Doubled {
        fn class_of(&self, (): &()) -> Class {
            Class::default().weight(self.0 * 2)
        }
    }
    for layer in BOTH {
        let (limiter, _driver) = limiter(5);
        let inner = service_fn(|()| std::future::pending::<Result<(), Failed>>());
        let mut service =
            Spawn::new(layer.layer_with(&limiter, Doubled(2), DefaultClassify::default(), inner));
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call(()));
        assert_pending!(call.poll());
        assert_eq!(limiter.snapshot().in_flight, 4, "{layer:?}");
    }
}

#[test]
fn request_without_a_class_weighs_one_permit() {
    for layer in BOTH {
        let (limiter, _driver) = limiter(2);
        let (mut service, _handle) = layer.mock(&limiter);
        assert_ready_ok!(service.poll_ready());
        let mut call = task::spawn(service.call("one"));
        assert_pending!(call.poll());
        assert_eq!(limiter.snapshot().in_flight, 1, "{layer:?}");
    }
}

/// A closure with an effect (a counter, say) has it once for each call, however often the call is polled.
#[tokio::test]
async fn class_is_asked_for_once_per_call() {
    for layer in BOTH {
        let (limiter, _driver) = limiter(1);
        let asked = Arc::new(AtomicU32::new(0));
        let class_of = {
            let asked = Arc::clone(&asked);
            move |(): &()| {
                asked.fetch_add(1, Ordering::SeqCst);
                Class::default()
            }
        };
        let inner = service_fn(|()| async {
            tokio::task::yield_now().await;
            Ok::<_, Failed>(())
        });
        let service = layer.layer_with(&limiter, class_of, DefaultClassify::default(), inner);
        service.clone().oneshot(()).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{layer:?}");

        let holder = limiter.try_acquire().unwrap();
        let mut call = task::spawn(service.oneshot(()));
        if call.poll().is_pending() {
            assert_pending!(call.poll());
            drop(holder);
            call.await.unwrap();
        }
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{layer:?}, waiting or refused");
    }
}

/// A key with many calls does not keep the limit from one with few, though its calls came first.
#[test]
fn keys_share_the_limit() {
    let (limiter, _driver) = limiter(1);
    let (many, few) = (Class::default().key(Key::new("many")), Class::default().key(Key::new("few")));
    let served =
        order(&limiter, &[("m1", many), ("m2", many), ("m3", many), ("m4", many), ("f1", few), ("f2", few)]);
    for turns in [2, 4] {
        let of_few = served[..turns].iter().filter(|name| name.starts_with('f')).count();
        assert_eq!(of_few, turns / 2, "{served:?}");
    }
    let of_many: Vec<_> = served.iter().filter(|name| name.starts_with('m')).collect();
    assert_eq!(of_many, [&"m1", &"m2", &"m3", &"m4"], "within a key the oldest goes first");
}

#[test]
fn higher_priority_goes_first() {
    let (limiter, _driver) = limiter(1);
    let class = |priority| Class::default().priority(priority);
    let jobs = [Priority::Low, Priority::Normal, Priority::High].map(class);
    let served = order(&limiter, &[("low", jobs[0]), ("normal", jobs[1]), ("high", jobs[2])]);
    assert_eq!(served, ["high", "normal", "low"]);
}

#[test]
fn wide_call_is_not_overtaken_by_narrow_ones() {
    let (limiter, _driver) = limiter(3);
    let mut service = service(Queue, &limiter);
    let mut running = [0; 3].map(|_| call(&mut service, "running", Class::default()));
    let wide = call(&mut service, "wide", Class::default().weight(3));
    let narrow = call(&mut service, "narrow", Class::default());
    for running in &mut running {
        assert!(!wide.is_woken());
        assert_ready_ok!(running.poll());
        assert!(!narrow.is_woken());
    }
    assert!(wide.is_woken());
    assert_eq!(limiter.snapshot().in_flight, 3);
    drop(wide);
    assert!(narrow.is_woken());
}

#[tokio::test(start_paused = true)]
async fn call_whose_deadline_is_past_is_refused_though_a_permit_is_free() {
    let (limiter, _driver) = limiter(1);
    let service = service(Queue, &limiter).into_inner();
    let late = Job { name: "late", class: Class::default().deadline(Instant::now()) };
    assert_eq!(reason(&service.oneshot(late).await.unwrap_err()), OverloadReason::Expired);
    assert_idle(&limiter);
}

#[tokio::test(start_paused = true)]
async fn call_is_refused_when_its_deadline_comes_while_it_waits() {
    let (limiter, _driver) = limiter(1);
    let _holder = limiter.try_acquire().unwrap();
    let service = service(Queue, &limiter).into_inner();
    let begun = Instant::now();
    let job = Job { name: "late", class: Class::default().within(Duration::from_secs(2)) };
    assert_eq!(reason(&service.oneshot(job).await.unwrap_err()), OverloadReason::Expired);
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(limiter.snapshot().queued, 0);
}

/// One permit comes back every 100 ms and one call waits: the next would have its permit in 200 ms.
#[tokio::test(start_paused = true)]
async fn call_whose_turn_would_come_too_late_is_refused_at_once() {
    let (limiter, mut driver) = limiter(1);
    let mut service = service(Queue, &limiter);
    let first = call(&mut service, "first", Class::default());
    let second = call(&mut service, "second", Class::default());
    let _third = call(&mut service, "third", Class::default());
    driver.tick(Timestamp::from_millis(100));
    drop(first);
    driver.tick(Timestamp::from_millis(200));
    assert!(second.is_woken());

    let in_time = Class::default().within(Duration::from_millis(201));
    let in_time = call(&mut service, "in time", in_time);
    drop(in_time);
    let late = Job { name: "late", class: Class::default().within(Duration::from_millis(199)) };
    assert_ready_ok!(service.poll_ready());
    let mut late = task::spawn(service.call(late));
    assert_eq!(reason(&assert_ready_err!(late.poll())), OverloadReason::Deadline);
}

#[test]
fn call_of_higher_priority_takes_a_place_in_a_full_queue() {
    let (limiter, _driver) = Limiter::builder().fixed(1).queue_limit(2).build_manual().unwrap();
    let _holder = limiter.try_acquire().unwrap();
    let mut service = service(Queue, &limiter);
    let mut clone = service.clone();
    assert_ready_ok!(clone.poll_ready());
    let oldest = call(&mut service, "oldest", Class::default().priority(Priority::Low));
    let mut newest = call(&mut service, "newest", Class::default().priority(Priority::Low));
    let high = call(&mut clone, "high", Class::default().priority(Priority::High));
    assert!(newest.is_woken());
    assert_eq!(reason(&assert_ready_err!(newest.poll())), OverloadReason::Displaced);
    assert!(!oldest.is_woken() && !high.is_woken());
    assert_eq!(limiter.snapshot().queued, 2);
}

/// Shares, priorities and deadlines are for those who wait; a shed call that gets in holds its weight, no more.
#[test]
fn wide_shed_call_is_refused_rather_than_given_less() {
    let (limiter, _driver) = limiter(3);
    let mut service = service(Shed, &limiter);
    let _narrow = call(&mut service, "narrow", Class::default());
    assert_ready_ok!(service.poll_ready());
    let wide = Job { name: "wide", class: Class::default().weight(3) };
    let mut wide = task::spawn(service.call(wide));
    assert_eq!(reason(&assert_ready_err!(wide.poll())), OverloadReason::NoPermit);
    assert_eq!(limiter.snapshot().in_flight, 1);
}

/// Both layers take one class for all requests where they are told none, also through their own builders.
#[test]
fn builders_keep_what_was_set_before() {
    let (limiter, _driver) = limiter(4);
    let wide = |(): &()| Class::default().weight(2);
    let inner = || service_fn(|()| std::future::pending::<Result<(), Failed>>());
    let of_error = |_: &Failed| tidegate_core::Outcome::Overload;
    let mut queue =
        Spawn::new(QueueLayer::new(limiter.clone()).class(wide).classify_errors(of_error).layer(inner()));
    let mut shed =
        Spawn::new(ShedLayer::new(limiter.clone()).classify_errors(of_error).class(wide).layer(inner()));
    assert_ready_ok!(queue.poll_ready());
    assert_ready_ok!(shed.poll_ready());
    let mut queued = task::spawn(queue.call(()));
    assert_pending!(queued.poll());
    let _shed = shed.call(());
    assert_eq!(limiter.snapshot().in_flight, 4);
}
