use std::sync::Arc;
use std::time::Duration;

use tidegate_core::ConfigError;
use tower_layer::Layer;

use super::Rate;
use super::starts::Starts;

/// Lets calls start at a rate: at most so many in any period, at even intervals.
///
/// All services made from one layer and from clones of the layer share the rate; another layer has one of its own.
/// It says when calls begin, whatever becomes of them; how many run at once is the limit's matter.
///
/// # Which rate
///
/// Of *n* per period one starts every period ÷ *n*: there is no burst, so there are never more than *n* in any span as long
/// as the period, wherever it begins. A window that begins anew (tower's `RateLimit`, a job queue's `max 2 per 1000 ms`) lets up
/// to 2 *n* start around its edge, all at once. A start that nobody wanted is not saved up.
/// A start may be a millisecond late, as tokio's timers are, so a saturated rate of one in 10 ms is up to a tenth lower.
///
/// # Where
///
/// Above the limit: a call that waits for its start then holds no permit. Below a limit it would hold one while it waits, and
/// the law would see calls that do nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use tidegate_limiter::Limiter;
/// use tidegate_tower::ServiceBuilderExt;
/// use tokio::time::Instant;
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
///
/// let jobs = Limiter::builder().name("jobs").fixed(3).build()?;
/// let mut job = ServiceBuilder::new()
///     .rate(2, Duration::from_secs(1))?
///     .limit(jobs)
///     .service(service_fn(|id: u32| async move { Ok::<_, std::io::Error>(id) }));
/// let begun = Instant::now();
/// for id in 0..3 {
///     job.ready().await?.call(id).await?;
/// }
/// assert_eq!(begun.elapsed(), Duration::from_secs(1));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct RateLayer {
    starts: Arc<Starts>,
}

impl RateLayer {
    /// At most `starts` in any `period`, which is 1 ms to 24 h; at most one start in each millisecond of it.
    ///
    /// # Errors
    ///
    /// If one of them is outside its range; both are named.
    pub fn new(starts: u32, period: Duration) -> Result<Self, ConfigError> {
        Ok(Self { starts: Arc::new(Starts::new(starts, period)?) })
    }

    /// The time between two starts at least.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.starts.interval()
    }
}

impl<S> Layer<S> for RateLayer {
    type Service = Rate<S>;

    fn layer(&self, inner: S) -> Rate<S> {
        Rate::new(inner, Arc::clone(&self.starts))
    }
}
