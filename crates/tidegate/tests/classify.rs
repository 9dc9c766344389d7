//! One classifier for what sqlx reports and for timeouts.
#![cfg(all(feature = "sqlx", feature = "tower"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::SqlitePoolOptions;
use tidegate::{
    ControlLaw, Decision, Evidence, LimitLayer, Limiter, Outcome, Reason, Timestamp, classify_box_error,
    classify_error,
};
use tower::load_shed::error::Overloaded;
use tower::timeout::error::Elapsed;
use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};

/// A business error that says what it was caused by.
#[derive(Debug)]
struct ScanFailed(BoxError);

impl fmt::Display for ScanFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the scan failed")
    }
}

impl Error for ScanFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// The verdict is the same alone, in a box and behind a business error.
#[track_caller]
fn check(error: impl Into<BoxError>, expected: Outcome) {
    let error = error.into();
    assert_eq!(classify_error(&*error), expected, "{error:?}");
    assert_eq!(classify_box_error(&error), expected, "{error:?}");
    let failed = ScanFailed(error);
    assert_eq!(classify_error(&failed), expected, "{failed:?}");
    assert_eq!(classify_box_error(&failed.into()), expected);
}

async fn elapsed_of_tokio() -> tokio::time::error::Elapsed {
    tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err()
}

async fn unique_violation() -> sqlx::Error {
    let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
    sqlx::raw_sql("CREATE TABLE page (url TEXT UNIQUE); INSERT INTO page VALUES ('/')")
        .execute(&pool)
        .await
        .unwrap();
    sqlx::query("INSERT INTO page VALUES ('/')").execute(&pool).await.unwrap_err()
}

#[tokio::test]
async fn no_room_and_no_time_are_overload() {
    check(sqlx::Error::PoolTimedOut, Outcome::Overload);
    check(Elapsed::new(), Outcome::Overload);
    check(elapsed_of_tokio().await, Outcome::Overload);
}

#[tokio::test]
async fn business_error_is_ignored() {
    let violation = unique_violation().await;
    assert!(violation.as_database_error().unwrap().is_unique_violation());
    check(violation, Outcome::Ignored);
    check(sqlx::Error::RowNotFound, Outcome::Ignored);
    check("no such page", Outcome::Ignored);
}

#[test]
fn refusal_is_ignored() {
    check(Overloaded::new(), Outcome::Ignored);
}

/// A law that holds the limit at 1 and counts the overloads it is told of.
#[derive(Clone, Debug, Default)]
struct Listener {
    overloads: Arc<AtomicU64>,
}

impl ControlLaw for Listener {
    fn limit(&self) -> u32 {
        1
    }

    fn tick(&mut self, _now: Timestamp, evidence: &Evidence) -> Decision {
        self.overloads.fetch_add(evidence.demand.overloads, Ordering::SeqCst);
        Decision::new(1, 1, Reason::Fixed)
    }
}

/// The overloads that the law hears of after one call that ends in each of these errors.
async fn overloads_of(errors: impl IntoIterator<Item = BoxError>) -> u64 {
    let law = Listener::default();
    let limiter = Limiter::builder().law(law.clone()).build().unwrap();
    let service = ServiceBuilder::new()
        .layer(LimitLayer::new(limiter.clone()).classify_errors(classify_box_error))
        .service(service_fn(|error: BoxError| async move { Err::<(), _>(error) }));
    for error in errors {
        service.clone().oneshot(error).await.unwrap_err();
    }
    // A call that outlasts some ticks.
    let permit = limiter.acquire().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(permit);
    law.overloads.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn law_hears_of_overload_only() {
    let business = || [sqlx::Error::RowNotFound.into(), "no such page".into(), Overloaded::new().into()];
    let overload = || [sqlx::Error::PoolTimedOut.into(), Elapsed::new().into()];
    assert_eq!(overloads_of(business()).await, 0);
    assert_eq!(overloads_of(overload()).await, 2);
    assert_eq!(overloads_of(business().into_iter().chain(overload())).await, 2);
}
