//! Who may start when. The arithmetic is governor's; the line in front of it is tokio's.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tidegate_core::{ConfigChecks, ConfigError};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// tokio's timers tick once in so long; starts closer together could not be kept apart by them.
const GRAIN: Duration = Duration::from_millis(1);
const PERIOD_MAX: Duration = Duration::from_hours(24);

/// tokio's clock, which stands still in tests that pause it.
#[derive(Clone, Copy, Debug)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// The starts that the services of one layer share.
#[derive(Debug)]
pub(super) struct Starts {
    /// It has no burst: an interval lies between two starts, whatever the time before them was.
    governor: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>,
    clock: TokioClock,
    interval: Duration,
    /// When the next service may say that it is ready, in nanoseconds. Only a hint: what counts is asked of `governor`.
    opens: AtomicU64,
    /// Calls that wait for their start, in the order they came in; tokio's mutex is fair.
    line: Mutex<()>,
}

impl Starts {
    pub(super) fn new(starts: u32, period: Duration) -> Result<Self, ConfigError> {
        let mut checks = ConfigChecks::default();
        let most = u32::try_from(period.clamp(GRAIN, PERIOD_MAX).as_millis()).unwrap_or(u32::MAX);
        let allowed = format_args!("1 to {most} (one in each {GRAIN:?} of the period)");
        checks.require((1..=most).contains(&starts), "starts", starts, allowed);
        let is_period = (GRAIN..=PERIOD_MAX).contains(&period);
        let allowed = format_args!("{GRAIN:?} to {PERIOD_MAX:?}");
        checks.require(is_period, "period", format_args!("{period:?}"), allowed);
        checks.finish(())?;
        // Rounded up: with intervals a nanosecond too short, one start too many would fit into a period.
        let nanos = nanos(period).div_ceil(u64::from(starts));
        let interval = Duration::from_nanos(nanos);
        let clock = TokioClock { start: Instant::now() };
        let quota = Quota::with_period(interval).unwrap_or(Quota::per_second(NonZeroU32::MIN));
        let governor = RateLimiter::direct_with_clock(quota, clock);
        Ok(Self { governor, clock, interval, opens: AtomicU64::new(0), line: Mutex::new(()) })
    }

    /// Whether a service may say that it is ready; if not, when to ask again. One at a time may, and another one an interval
    /// later, so that no more become ready than can start.
    pub(super) fn open(&self) -> Result<(), Instant> {
        let opens = self.opens.load(Ordering::Relaxed);
        let now = self.clock.now();
        if nanos(now) < opens {
            return Err(self.at(Duration::from_nanos(opens)));
        }
        let next = nanos(now + self.interval);
        match self.opens.compare_exchange(opens, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Ok(()),
            Err(opens) => Err(self.at(Duration::from_nanos(opens))),
        }
    }

    /// Starts now, if that may be and nobody waits for his start.
    pub(super) fn try_start(&self) -> bool {
        self.line.try_lock().is_ok_and(|_line| self.take().is_ok())
    }

    /// Waits in line for a start. Dropped, it takes none.
    pub(super) async fn start(self: Arc<Self>) {
        let _line = self.line.lock().await;
        while let Err(at) = self.take() {
            sleep_until(at).await;
        }
    }

    fn take(&self) -> Result<(), Instant> {
        self.governor.check().map_err(|until| self.at(until.earliest_possible()))?;
        self.opens.fetch_max(nanos(self.clock.now() + self.interval), Ordering::Relaxed);
        Ok(())
    }

    fn at(&self, since_start: Duration) -> Instant {
        // A sum beyond what the clock can name is never; the period's bound keeps it far away.
        self.clock.start.checked_add(since_start).unwrap_or_else(Instant::now)
    }

    pub(super) const fn interval(&self) -> Duration {
        self.interval
    }
}

/// 584 years, if it is more.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
