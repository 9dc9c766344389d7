//! Under tower's own layers, with an inner service that insists on the contract.

use std::time::Duration;

use futures_util::future::{Ready, join_all, ready};
use futures_util::stream::{StreamExt, iter};
use tidegate_limiter::Limiter;
use tidegate_tower::{Limit, LimitLayer, ServiceBuilderExt};
use tower::balance::p2c::Balance;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::load::Constant;
use tower::load_shed::LoadShed;
use tower::load_shed::error::Overloaded;
use tower::retry::{Policy, Retry};
use tower::steer::Steer;
use tower::timeout::Timeout;
use tower::timeout::error::Elapsed;
use tower::util::{BoxCloneService, BoxCloneSyncService};
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt};

use crate::support::{Failed, Inside, Strict, assert_idle};

pub(crate) const CALLS: u32 = 20;
pub(crate) const LIMIT: u32 = 2;

fn limited(inner: Strict) -> (Limiter, Limit<Strict>, Inside) {
    let limiter = Limiter::builder().fixed(LIMIT).build().unwrap();
    let inside = inner.inside.clone();
    (limiter.clone(), LimitLayer::new(limiter).layer(inner), inside)
}

/// Many calls at once through clones: all answered, never more than the limit inside, and at times that many.
pub(crate) async fn check<S>(service: S, limiter: Limiter, inside: Inside)
where
    S: Service<u32, Response = u32> + Clone,
    S::Error: std::fmt::Debug,
{
    let answers = join_all((0..CALLS).map(|i| service.clone().oneshot(i))).await;
    for (i, answer) in (0..CALLS).zip(answers) {
        assert_eq!(answer.unwrap(), i);
    }
    assert_eq!(inside.peak(), LIMIT);
    drop(service);
    settled(&limiter).await;
}

/// Waits until everything came back, which a layer with a task of its own does a little later.
pub(crate) async fn settled(limiter: &Limiter) {
    for _ in 0..1000 {
        if limiter.snapshot().reserved + limiter.snapshot().queued == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_idle(limiter);
}

#[tokio::test(start_paused = true)]
async fn oneshot() {
    let (limiter, service, inside) = limited(Strict::default());
    check(service, limiter, inside).await;
}

#[tokio::test(start_paused = true)]
async fn buffer() {
    let (limiter, service, inside) = limited(Strict::default());
    check(Buffer::new(service, 4), limiter, inside).await;
}

#[tokio::test(start_paused = true)]
async fn timeout_that_is_long_enough() {
    let (limiter, service, inside) = limited(Strict::default());
    check(Timeout::new(service, Duration::from_secs(10)), limiter, inside).await;
}

#[tokio::test(start_paused = true)]
async fn timeout_gives_the_permit_back() {
    let (limiter, service, _) = limited(Strict::default());
    let mut service = Timeout::new(service, Duration::from_millis(1));
    for i in 0..CALLS {
        let error = service.ready().await.unwrap().call(i).await.unwrap_err();
        assert!(error.is::<Elapsed>());
    }
    assert_idle(&limiter);
}

/// A timeout below the limit measures the work alone: the last of these calls waits far longer than that.
#[tokio::test(start_paused = true)]
async fn timeout_below_the_limit_leaves_out_the_wait() {
    let limiter = Limiter::builder().fixed(LIMIT).build().unwrap();
    let inner = Strict::default();
    let inside = inner.inside.clone();
    let service =
        ServiceBuilder::new().limit(limiter.clone()).timeout(Duration::from_millis(15)).service(inner);
    check(service, limiter, inside).await;
}

/// A caller whose time runs out while it waits to be ready leaves the line.
#[tokio::test(start_paused = true)]
async fn timeout_around_the_wait_leaves_the_line() {
    let (limiter, service, _) = limited(Strict::default());
    let _held = [limiter.try_acquire().unwrap(), limiter.try_acquire().unwrap()];
    let waiting = tokio::time::timeout(Duration::from_secs(1), service.oneshot(1));
    waiting.await.unwrap_err();
    assert_eq!(limiter.snapshot().queued, 0);
}

#[tokio::test(start_paused = true)]
async fn box_clone_service() {
    let (limiter, service, inside) = limited(Strict::default());
    check(BoxCloneService::new(service), limiter, inside).await;
}

#[tokio::test(start_paused = true)]
async fn box_clone_sync_service() {
    let (limiter, service, inside) = limited(Strict::default());
    check(BoxCloneSyncService::new(service), limiter, inside).await;
}

#[tokio::test(start_paused = true)]
async fn buffer_below_the_limit() {
    let limiter = Limiter::builder().fixed(LIMIT).build().unwrap();
    let inner = Strict::default();
    let inside = inner.inside.clone();
    let service = ServiceBuilder::new().limit(limiter.clone()).buffer(1).service(inner);
    check(service, limiter, inside).await;
}

/// Tries again, at most so many times.
#[derive(Clone)]
struct Attempts(u32);

impl Policy<u32, u32, Failed> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, _request: &mut u32, result: &mut Result<u32, Failed>) -> Option<Ready<()>> {
        result.as_ref().err()?;
        self.0 = self.0.checked_sub(1)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &u32) -> Option<u32> {
        Some(*request)
    }
}

#[tokio::test(start_paused = true)]
async fn retry_above_the_limit() {
    let (limiter, service, inside) = limited(Strict::failing_first(CALLS));
    check(Retry::new(Attempts(CALLS), service), limiter, inside).await;
}

#[tokio::test(start_paused = true)]
async fn retry_below_the_limit() {
    let limiter = Limiter::builder().fixed(LIMIT).build().unwrap();
    let inner = Strict::failing_first(CALLS);
    let inside = inner.inside.clone();
    let service = ServiceBuilder::new().limit(limiter.clone()).retry(Attempts(CALLS)).service(inner);
    check(service, limiter, inside).await;
}

#[tokio::test(start_paused = true)]
async fn load_shed_refuses_what_would_wait() {
    let (limiter, service, inside) = limited(Strict::default());
    let service = LoadShed::new(service);
    let answers = join_all((0..CALLS).map(|i| service.clone().oneshot(i))).await;
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(answered, LIMIT as usize);
    assert!(answers.into_iter().filter_map(Result::err).all(|error| error.is::<Overloaded>()));
    assert_eq!(inside.peak(), LIMIT);
    drop(service);
    assert_idle(&limiter);
}

#[tokio::test(start_paused = true)]
async fn call_all_in_order() {
    let (limiter, service, inside) = limited(Strict::default());
    let answers: Vec<_> = service.call_all(iter(0..CALLS)).map(Result::unwrap).collect().await;
    assert_eq!(answers, (0..CALLS).collect::<Vec<_>>());
    assert_eq!(inside.peak(), LIMIT);
    assert_idle(&limiter);
}

#[tokio::test(start_paused = true)]
async fn call_all_unordered() {
    let (limiter, service, inside) = limited(Strict::default());
    let mut answers: Vec<_> =
        service.call_all(iter(0..CALLS)).unordered().map(Result::unwrap).collect().await;
    answers.sort_unstable();
    assert_eq!(answers, (0..CALLS).collect::<Vec<_>>());
    assert_eq!(inside.peak(), LIMIT);
    assert_idle(&limiter);
}

/// Calls one after the other, each as soon as the service is ready, and all at once inside.
pub(crate) async fn call_each<S>(service: &mut S) -> Vec<Result<u32, S::Error>>
where
    S: Service<u32, Response = u32>,
    S::Error: std::fmt::Debug + Send + 'static,
    S::Future: Send + 'static,
{
    let mut calls = Vec::new();
    for i in 0..CALLS {
        let ready = tokio::time::timeout(Duration::from_secs(60), service.ready()).await;
        calls.push(tokio::spawn(ready.unwrap().unwrap().call(i)));
    }
    join_all(calls).await.into_iter().map(Result::unwrap).collect()
}

/// `Steer` is ready only when all its services are, so it holds one reservation for each of them: with a limit of 2 and
/// three services it would never be ready if reservations could not be taken back.
#[tokio::test(start_paused = true)]
async fn steer_over_more_services_than_permits() {
    let (limiter, service, inside) = limited(Strict::default());
    let services = [(); 3].map(|()| service.clone());
    drop(service);
    let mut steer = Steer::new(services, |request: &u32, _: &[_]| *request as usize % 3);
    for (i, answer) in (0..CALLS).zip(call_each(&mut steer).await) {
        assert_eq!(answer, Ok(i));
    }
    assert_eq!(inside.peak(), LIMIT);
    drop(steer);
    assert_idle(&limiter);
}

/// Three equal services to choose from.
pub(crate) fn balanced<S>(service: &S) -> Balance<ServiceList<[Constant<S, u8>; 3]>, u32>
where
    S: Service<u32> + Clone,
    S::Error: Into<BoxError>,
{
    Balance::new(ServiceList::new::<u32>([(); 3].map(|()| Constant::new(service.clone(), 1))))
}

/// `Balance` makes all its services ready and calls one of them.
#[tokio::test(start_paused = true)]
async fn balance_over_more_services_than_permits() {
    let (limiter, service, inside) = limited(Strict::default());
    let mut balance = balanced(&service);
    drop(service);
    for (i, answer) in (0..CALLS).zip(call_each(&mut balance).await) {
        assert_eq!(answer.unwrap(), i);
    }
    assert_eq!(inside.peak(), LIMIT);
    drop(balance);
    assert_idle(&limiter);
}
