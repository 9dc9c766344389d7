//! What a user of `Limiter` can rely on.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::util::{Told, ToldPool};
use tidegate_core::{Outcome, Reason};
use tidegate_limiter::{Limiter, Reservation};
use tokio::time::{Instant, sleep, timeout};
use tokio_test::task;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok};

fn fixed(limit: u32) -> Limiter {
    Limiter::builder().fixed(limit).build().unwrap()
}

fn told(law: &Told) -> Limiter {
    Limiter::builder().pool(ToldPool::default()).law(law.clone()).build().unwrap()
}

/// Long enough for the driver to have ticked; the paused clock makes it no time at all.
async fn a_few_ticks() {
    sleep(Duration::from_millis(350)).await;
}

#[tokio::test(start_paused = true)]
async fn callers_are_served_in_the_order_in_which_they_polled() {
    let limiter = fixed(1);
    let held = limiter.acquire().await.unwrap();
    let mut waiting: Vec<_> = (0..5).map(|_| task::spawn(limiter.acquire())).collect();
    for acquire in &mut waiting {
        assert_pending!(acquire.poll());
    }
    let mut held = Some(held);
    for i in 0..5 {
        drop(held.take());
        for later in &mut waiting[i + 1..] {
            assert_pending!(later.poll());
        }
        held = Some(assert_ready_ok!(waiting[i].poll()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_cannot_overtake_a_permit_that_is_being_handed_over() {
    let limiter = fixed(1);
    let held = limiter.acquire().await.unwrap();
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    drop(held);
    assert!(waiting.is_woken());
    assert!(limiter.try_acquire().is_err());
    assert_pending!(task::spawn(limiter.acquire()).poll());
    drop(assert_ready_ok!(waiting.poll()));
}

#[tokio::test(start_paused = true)]
async fn try_acquire_fails_while_somebody_waits_and_says_so() {
    let limiter = fixed(1);
    let _held = limiter.try_acquire().unwrap();
    assert_eq!(limiter.try_acquire().unwrap_err().to_string(), "the call was refused: no permit is free");
}

#[tokio::test(start_paused = true)]
async fn an_acquire_dropped_before_its_first_poll_changes_nothing() {
    let limiter = fixed(1);
    drop(limiter.acquire());
    assert_eq!(limiter.snapshot().in_flight, 0);
    assert!(limiter.try_acquire().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_acquire_dropped_while_waiting_leaves_the_line() {
    let limiter = fixed(1);
    let held = limiter.acquire().await.unwrap();
    let (mut first, mut second) = (task::spawn(limiter.acquire()), task::spawn(limiter.acquire()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(first);
    assert_eq!(limiter.snapshot().queued, 1);
    drop(held);
    assert!(second.is_woken());
    drop(assert_ready_ok!(second.poll()));
}

#[tokio::test(start_paused = true)]
async fn an_acquire_dropped_after_hand_over_passes_the_permit_on() {
    let limiter = fixed(1);
    let held = limiter.acquire().await.unwrap();
    let (mut first, mut second) = (task::spawn(limiter.acquire()), task::spawn(limiter.acquire()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    drop(held);
    assert!(first.is_woken() && !second.is_woken());
    drop(first);
    assert!(second.is_woken());
    drop(assert_ready_ok!(second.poll()));
    assert_eq!(limiter.snapshot().in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_moved_to_another_task_is_woken_there() {
    let limiter = fixed(1);
    let held = limiter.acquire().await.unwrap();
    let mut acquire = pin!(limiter.acquire());
    assert!(acquire.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut elsewhere = task::spawn(acquire);
    assert_pending!(elsewhere.poll());
    drop(held);
    assert!(elsewhere.is_woken());
}

#[tokio::test(start_paused = true)]
async fn a_shrink_admits_nobody_until_the_overhang_is_gone() {
    let law = Told::new(3);
    let limiter = told(&law);
    let mut held = vec![
        limiter.acquire().await.unwrap(),
        limiter.acquire().await.unwrap(),
        limiter.acquire().await.unwrap(),
    ];
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    law.set_limit(1);
    a_few_ticks().await;
    assert_eq!((limiter.snapshot().limit, limiter.snapshot().overhang), (1, 2));
    for _ in 0..2 {
        held.pop();
        assert_pending!(waiting.poll());
    }
    assert_eq!(limiter.snapshot().overhang, 0);
    held.pop();
    drop(assert_ready_ok!(waiting.poll()));
}

#[tokio::test(start_paused = true)]
async fn growth_cancels_the_overhang_first_and_then_admits() {
    let law = Told::new(3);
    let limiter = told(&law);
    let _held = [
        limiter.acquire().await.unwrap(),
        limiter.acquire().await.unwrap(),
        limiter.acquire().await.unwrap(),
    ];
    let mut waiting = task::spawn(limiter.acquire());
    law.set_limit(1);
    a_few_ticks().await;
    assert_pending!(waiting.poll());
    law.set_limit(3);
    a_few_ticks().await;
    assert_eq!(limiter.snapshot().overhang, 0);
    assert_pending!(waiting.poll());
    law.set_limit(4);
    a_few_ticks().await;
    drop(assert_ready_ok!(waiting.poll()));
}

#[tokio::test(start_paused = true)]
async fn the_brake_admits_nobody_and_is_lifted_within_a_tick() {
    let law = Told::new(3);
    let limiter = told(&law);
    let _one = limiter.acquire().await.unwrap();
    law.set_brake(true);
    a_few_ticks().await;
    assert!(limiter.snapshot().is_braked);
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    assert!(limiter.try_acquire().is_err());
    law.set_brake(false);
    let lifted = Instant::now();
    drop(timeout(Duration::from_secs(1), &mut *waiting).await.unwrap());
    assert!(lifted.elapsed() <= Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn decisions_are_remembered_with_reason_and_moment_and_bounded() {
    let law = Told::new(1);
    let limiter = told(&law);
    let _work = limiter.acquire().await.unwrap();
    for limit in 2..=300 {
        law.set_limit(limit);
        sleep(Duration::from_millis(150)).await;
    }
    let decisions = limiter.decisions();
    assert_eq!(decisions.len(), 256);
    let last = decisions[255];
    assert_eq!((last.decision.from, last.decision.to, last.decision.reason), (299, 300, Reason::Configured));
    assert!(decisions.windows(2).all(|pair| pair[0].at < pair[1].at));
}

#[tokio::test(start_paused = true)]
async fn the_law_hears_of_peak_completions_overloads_and_the_queue() {
    let law = Told::new(2);
    let limiter = told(&law);
    let (a, b) = (limiter.acquire().await.unwrap(), limiter.acquire().await.unwrap());
    let mut waiting = task::spawn(limiter.acquire());
    assert_pending!(waiting.poll());
    a.finish(Outcome::Overload);
    b.finish(Outcome::Success);
    a_few_ticks().await;
    let seen = law.seen();
    let demand = seen.iter().find(|evidence| evidence.demand.completed > 0).unwrap().demand;
    assert_eq!((demand.in_flight, demand.in_flight_peak, demand.completed), (1, 2, 2));
    assert_eq!((demand.overloads, demand.held_back), (1, true));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_does_not_wait_is_held_back_too() {
    let law = Told::new(1);
    let limiter = told(&law);
    let _one = limiter.try_acquire().unwrap();
    assert!(limiter.try_acquire().is_err());
    a_few_ticks().await;
    assert!(law.seen().iter().any(|evidence| evidence.demand.held_back));
}

#[tokio::test(start_paused = true)]
async fn the_driver_sleeps_without_work_and_wakes_with_it() {
    let law = Told::new(2);
    let limiter = told(&law);
    sleep(Duration::from_secs(60)).await;
    let asleep = law.seen().len();
    assert!(asleep <= 2, "{asleep} ticks in an idle minute");
    let permit = limiter.acquire().await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let busy = law.seen().len() - asleep;
    assert!((8..=12).contains(&busy), "{busy} ticks in a busy second");
    drop(permit);
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_with_the_last_handle_awake_or_asleep() {
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    for asleep in [false, true] {
        let limiter = fixed(1);
        assert_eq!(alive(), 1);
        if asleep {
            sleep(Duration::from_secs(10)).await;
        }
        drop(limiter);
        a_few_ticks().await;
        assert_eq!(alive(), 0, "asleep: {asleep}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_reservation_is_revoked_at_once_by_a_caller_that_finds_nobody_waiting() {
    let limiter = fixed(1);
    let mut idle = task::spawn(Reservation::new(&limiter));
    assert_ready!(idle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    assert!(limiter.try_acquire().is_err(), "its call may be on the way");
    // A look of the driver has seen it uncalled.
    a_few_ticks().await;
    let permit = limiter.try_acquire().unwrap();
    // The revoked holder may still claim, and is first in line.
    let mut later = task::spawn(limiter.acquire());
    assert_pending!(later.poll());
    let mut claimed = task::spawn(idle.enter(|_, mut reservation| reservation.claim()).unwrap());
    assert_pending!(claimed.enter(|cx, mut claim| claim.poll_held(cx)));
    drop(permit);
    assert_pending!(later.poll());
    assert_ready!(claimed.enter(|cx, mut claim| claim.poll_held(cx)));
    drop(claimed);
    drop(assert_ready_ok!(later.poll()));
}

#[tokio::test(start_paused = true)]
async fn a_reservation_handed_over_and_left_idle_goes_to_those_who_wait() {
    let limiter = fixed(1);
    let held = limiter.acquire().await.unwrap();
    let mut idle = task::spawn(Reservation::new(&limiter));
    assert_pending!(idle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    let waiting = limiter.acquire();
    let mut waiting = task::spawn(waiting);
    assert_pending!(waiting.poll());
    drop(held);
    assert_ready!(idle.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    assert_pending!(waiting.poll());
    let since = Instant::now();
    drop(timeout(Duration::from_secs(1), &mut *waiting).await.unwrap());
    assert!(since.elapsed() <= Duration::from_millis(100), "{:?}", since.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reservation_is_given_back_in_every_state() {
    let limiter = fixed(1);
    let mut reserved = task::spawn(Reservation::new(&limiter));
    assert_ready!(reserved.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    assert_eq!(limiter.snapshot().reserved, 1);
    drop(reserved);
    assert_eq!(limiter.snapshot().reserved, 0);

    let held = limiter.acquire().await.unwrap();
    let mut waiting = task::spawn(Reservation::new(&limiter));
    assert_pending!(waiting.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    drop(waiting);
    assert_eq!(limiter.snapshot().queued, 0);

    let mut granted = task::spawn(Reservation::new(&limiter));
    assert_pending!(granted.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    drop(held);
    assert_eq!(limiter.snapshot().reserved, 1);
    drop(granted);
    assert_eq!(limiter.snapshot().reserved, 0);

    let mut claimed = task::spawn(Reservation::new(&limiter));
    assert_ready!(claimed.enter(|cx, mut reservation| reservation.poll_ready(cx)));
    let acquire = claimed.enter(|_, mut reservation| reservation.claim()).unwrap();
    assert_eq!(limiter.snapshot().in_flight, 1);
    drop(acquire);
    assert_eq!(limiter.snapshot().in_flight, 0);
    assert!(claimed.enter(|_, mut reservation| reservation.claim()).is_none(), "claimed twice");
}

#[tokio::test(start_paused = true)]
async fn bad_settings_are_refused_with_field_value_and_range() {
    let text = |builder: tidegate_limiter::LimiterBuilder| builder.build().unwrap_err().to_string();
    assert_eq!(text(Limiter::builder().fixed(0)), "law.limit is 0, allowed is 1 to 1048575");
    let tick = text(Limiter::builder().fixed(1).tick(Duration::ZERO));
    assert_eq!(tick, "tick is 0ns, allowed is 10ms to 1s");
    assert!(text(Limiter::builder()).starts_with("pool is not given"));
    let pool = ToldPool::default();
    pool.0.lock().unwrap().reading.max = 20;
    let min = text(Limiter::builder().pool(pool).min_limit(9).max_limit(8));
    assert_eq!(min, "law.min_limit is 9, allowed is 1 to 8 (max_limit)");
}

#[test]
fn outside_a_runtime_build_is_an_error_not_a_panic() {
    let error = Limiter::builder().fixed(1).build().unwrap_err();
    assert!(error.to_string().contains("tokio runtime"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_with_cancellations_never_exceed_a_moving_limit_and_lose_nothing() {
    let law = Told::new(8);
    let limiter = Limiter::builder().law(law.clone()).tick(Duration::from_millis(10)).build().unwrap();
    let inside = Arc::new(AtomicU32::new(0));
    let work = |seed: u32| {
        let (limiter, inside) = (limiter.clone(), Arc::clone(&inside));
        async move {
            for i in 0..2000_u32 {
                let mut acquire = pin!(limiter.acquire());
                // A third of the callers give up after one poll, wherever that leaves them.
                if (i + seed).is_multiple_of(3) {
                    let polled = acquire.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                    if let Poll::Ready(permit) = polled {
                        drop(permit);
                    }
                    continue;
                }
                let _permit = acquire.await;
                assert!(inside.fetch_add(1, Ordering::SeqCst) < 8, "more inside than the highest limit");
                if i.is_multiple_of(7) {
                    tokio::task::yield_now().await;
                }
                inside.fetch_sub(1, Ordering::SeqCst);
            }
        }
    };
    let tasks: Vec<_> = (0..64).map(|seed| tokio::spawn(work(seed))).collect();
    let mover = tokio::spawn(async move {
        for limit in (1..=8).cycle() {
            law.set_limit(limit);
            sleep(Duration::from_millis(15)).await;
        }
    });
    for task in tasks {
        timeout(Duration::from_secs(60), task).await.unwrap().unwrap();
    }
    mover.abort();
    let snapshot = limiter.snapshot();
    assert_eq!((snapshot.in_flight, snapshot.reserved, snapshot.queued), (0, 0, 0));
}
