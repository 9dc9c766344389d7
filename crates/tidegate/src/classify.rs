use std::error::Error;

use tidegate_core::Outcome;

/// What an error of a call says about load: both what sqlx reports and a timeout below the limit.
///
/// [`Outcome::Overload`] if [`classify_sqlx_chain`](crate::classify_sqlx_chain) or
/// [`classify_elapsed`](crate::classify_elapsed) says so of `error` and the chain of [`source`](Error::source)s below it;
/// [`Outcome::Ignored`] otherwise, which covers every error that neither knows.
/// A unique violation or a row not found is never overload, whatever it is wrapped in.
///
/// It needs the features `sqlx` and `tower`.
///
/// ```
/// # #[derive(Debug)] struct ScanError(sqlx::Error);
/// # impl std::fmt::Display for ScanError {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("the scan failed") }
/// # }
/// # impl std::error::Error for ScanError {
/// #     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> { Some(&self.0) }
/// # }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tidegate::{LimitLayer, Limiter, Outcome, classify_error};
///
/// let limiter = Limiter::builder().fixed(5).build()?;
/// let layer = LimitLayer::new(limiter).classify_errors(|error: &ScanError| classify_error(error));
/// # drop(layer);
///
/// assert_eq!(classify_error(&ScanError(sqlx::Error::PoolTimedOut)), Outcome::Overload);
/// assert_eq!(classify_error(&ScanError(sqlx::Error::RowNotFound)), Outcome::Ignored);
/// # Ok(()) }
/// ```
#[must_use]
pub fn classify_error(error: &(dyn Error + 'static)) -> Outcome {
    let verdicts = [tidegate_sqlx::classify_chain(error), tidegate_tower::classify_elapsed(error)];
    if verdicts.contains(&Outcome::Overload) { Outcome::Overload } else { Outcome::Ignored }
}

/// [`classify_error`] for services whose error is tower's `BoxError`, as it is below most of tower's own layers.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tower::BoxError> {
/// use std::time::Duration;
/// use tidegate::{LimitLayer, Limiter, classify_box_error};
/// use tower::timeout::TimeoutLayer;
/// use tower::{BoxError, ServiceBuilder, ServiceExt, service_fn};
///
/// let limiter = Limiter::builder().name("experts").fixed(5).build()?;
/// let expert = ServiceBuilder::new()
///     .layer(LimitLayer::new(limiter).classify_errors(classify_box_error))
///     .layer(TimeoutLayer::new(Duration::from_secs(30)))
///     .service(service_fn(|question: u32| async move { Ok::<_, BoxError>(question * 2) }));
///
/// assert_eq!(expert.oneshot(21).await?, 42);
/// # Ok(()) }
/// ```
#[must_use]
#[expect(clippy::borrowed_box, reason = "a classifier is handed the service's error as it is")]
pub fn classify_box_error(error: &Box<dyn Error + Send + Sync>) -> Outcome {
    classify_error(&**error)
}
