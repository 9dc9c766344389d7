//! Calls that start at a rate: on a clock that stands still while nothing waits for it.
#![expect(clippy::unwrap_used, reason = "a helper of these tests that cannot help ends the test")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_limiter::Limiter;
use tidegate_tower::{LimitLayer, RateLayer, ServiceBuilderExt};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// When calls started, in milliseconds since it was made.
#[derive(Clone)]
struct Starts {
    since: Instant,
    at: Arc<Mutex<Vec<u128>>>,
}

impl Starts {
    fn new() -> Self {
        Self { since: Instant::now(), at: Arc::default() }
    }

    fn seen(&self) -> Vec<u128> {
        self.at.lock().unwrap().clone()
    }

    /// Notes when it is called, and takes so long.
    fn service(
        &self,
        takes: Duration,
    ) -> impl Service<(), Response = (), Error = Infallible, Future: Send> + Clone + Send + 'static {
        let starts = self.clone();
        service_fn(move |()| {
            starts.at.lock().unwrap().push(starts.since.elapsed().as_millis());
            async move {
                sleep(takes).await;
                Ok(())
            }
        })
    }
}

fn rate(starts: u32, period: Duration) -> RateLayer {
    RateLayer::new(starts, period).unwrap()
}

/// The most starts in any span of that length.
fn most_within(seen: &[u128], span: u128) -> usize {
    let from = |&first: &u128| seen.iter().filter(|&&at| at >= first && at < first + span).count();
    seen.iter().map(from).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn so_many_start_in_any_period_and_no_more() {
    let starts = Starts::new();
    let service = rate(2, MS(1_000)).layer(starts.service(MS(10)));
    let calls = (0..7).map(|_| tokio::spawn(service.clone().oneshot(())));
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let seen = starts.seen();
    assert_eq!(seen.len(), 7);
    assert_eq!(most_within(&seen, 1_000), 2, "{seen:?}");
    assert!((3_000..3_010).contains(&seen[6]), "one in 500 ms, and not slower: {seen:?}");
}

#[tokio::test(start_paused = true)]
async fn starts_that_nobody_wanted_are_not_saved_up() {
    let starts = Starts::new();
    let service = rate(10, MS(1_000)).layer(starts.service(MS(0)));
    sleep(MS(60_000)).await;
    for call in (0..20).map(|_| tokio::spawn(service.clone().oneshot(()))).collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert!(most_within(&starts.seen(), 1_000) <= 10, "{:?}", starts.seen());
}

#[tokio::test(start_paused = true)]
async fn services_of_one_layer_share_the_rate_and_those_of_another_do_not() {
    let (layer, starts) = (rate(1, MS(100)), Starts::new());
    let (first, second) = (layer.layer(starts.service(MS(0))), layer.clone().layer(starts.service(MS(0))));
    let other = rate(1, MS(100)).layer(starts.service(MS(0)));
    first.oneshot(()).await.unwrap();
    other.oneshot(()).await.unwrap();
    second.oneshot(()).await.unwrap();
    let seen = starts.seen();
    assert!(seen[0] == 0 && seen[1] == 0 && seen[2] >= 100, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn ready_services_that_are_not_called_take_no_start_from_others() {
    let starts = Starts::new();
    let service = rate(1, MS(100)).layer(starts.service(MS(0)));
    let mut idle = vec![service.clone(), service.clone()];
    for service in &mut idle {
        service.ready().await.unwrap();
    }
    let begun = Instant::now();
    service.clone().oneshot(()).await.unwrap();
    assert!(begun.elapsed() <= MS(105), "{:?}", begun.elapsed());
    // They are still ready; two calls at once start an interval apart all the same.
    let calls: Vec<_> = idle.iter_mut().map(|service| tokio::spawn(service.call(()))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(most_within(&starts.seen(), 100), 1, "{:?}", starts.seen());
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_moment_a_waiting_call_takes_no_start() {
    let starts = Starts::new();
    let service = rate(1, MS(100)).layer(starts.service(MS(0)));
    service.clone().oneshot(()).await.unwrap();
    for ms in 0..90 {
        // Dropped while it waits to be ready.
        assert!(timeout(MS(1), service.clone().oneshot(())).await.is_err(), "after {ms} ms");
    }
    service.clone().oneshot(()).await.unwrap();
    let seen = starts.seen();
    assert!(seen.len() == 2 && seen[1] < 210, "{seen:?}");
    // Dropped while it waits in its future.
    let (mut first, mut second) = (service.clone(), service.clone());
    first.ready().await.unwrap();
    second.ready().await.unwrap();
    let call = first.call(());
    let waits = second.call(());
    call.await.unwrap();
    assert!(timeout(MS(10), waits).await.is_err());
    let begun = Instant::now();
    service.oneshot(()).await.unwrap();
    assert!(begun.elapsed() <= MS(105), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn above_the_limit_a_call_that_waits_for_its_start_holds_no_permit() {
    let (limiter, starts) = (Limiter::builder().fixed(4).build().unwrap(), Starts::new());
    let stack = ServiceBuilder::new().rate(1, MS(1_000)).unwrap().layer(LimitLayer::new(limiter.clone()));
    let service = stack.service(starts.service(MS(100)));
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(service.clone().oneshot(()))).collect();
    sleep(MS(500)).await;
    let seen = limiter.snapshot();
    assert_eq!((seen.in_flight, seen.reserved, seen.queued), (0, 0, 0), "{seen:?}");
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(starts.seen().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn the_limit_below_holds_calls_back_beside_the_rate() {
    let (limiter, starts) = (Limiter::builder().fixed(1).build().unwrap(), Starts::new());
    let stack = ServiceBuilder::new().rate(10, MS(1_000)).unwrap().layer(LimitLayer::new(limiter.clone()));
    let service = stack.service(starts.service(MS(1_000)));
    for call in (0..3).map(|_| tokio::spawn(service.clone().oneshot(()))).collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    let seen = starts.seen();
    assert!(seen[1] >= 1_000 && seen[2] >= 2_000, "{seen:?}");
}

#[test]
fn bad_settings_are_named_with_what_is_allowed() {
    #[track_caller]
    fn check(starts: u32, period: Duration, text: &str) {
        let error = RateLayer::new(starts, period).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
    check(0, MS(1_000), "starts is 0, allowed is 1 to 1000");
    check(1_001, MS(1_000), "starts is 1001, allowed is 1 to 1000");
    check(u32::MAX, Duration::MAX, "starts is 4294967295");
    check(1, Duration::ZERO, "period is 0ns, allowed is 1ms to 86400s");
    check(1, Duration::MAX, "period is");
    assert_eq!(rate(3, MS(1_000)).interval(), Duration::from_nanos(333_333_334));
}
