use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidegate_core::{
    ConfigChecks, ControlLaw, Fixed, MAX_LIMIT, PoolAimd, PoolAimdConfig, PoolAimdConstants,
};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::driver::Driver;
use crate::gate::{Gate, QueueConfig, QueueLimit};
use crate::limiter::{DECISIONS_KEPT, Outcomes, Shared};
use crate::telemetry::Telemetry;
use crate::{BuildError, Limiter, PoolProbe};

const TICK_MIN: Duration = Duration::from_millis(10);
const TICK_MAX: Duration = Duration::from_secs(1);
const QUEUE_MAX: u32 = 1_000_000;
const SOJOURN_MIN: Duration = Duration::from_millis(1);
const SOJOURN_MAX: Duration = Duration::from_hours(1);

/// Settings of a [`Limiter`]. Nothing but `pool` need be set.
#[must_use = "a builder does nothing until it is built"]
pub struct LimiterBuilder {
    name: String,
    pool: Option<Arc<dyn PoolProbe>>,
    law: Law,
    config: PoolAimdConfig,
    constants: PoolAimdConstants,
    tick: Duration,
    queue: QueueConfig,
}

enum Law {
    Default,
    Fixed(u32),
    Given(Box<dyn ControlLaw>),
}

impl Law {
    fn into_law(
        self,
        config: PoolAimdConfig,
        constants: PoolAimdConstants,
        pool: Option<&dyn PoolProbe>,
    ) -> Result<Box<dyn ControlLaw>, BuildError> {
        Ok(match (self, pool) {
            (Self::Given(law), _) => law,
            (Self::Fixed(limit), _) => Box::new(Fixed::new(limit)?),
            (Self::Default, Some(pool)) => {
                Box::new(PoolAimd::with_constants(config, constants, pool.read().reading.max)?)
            }
            (Self::Default, None) => return Err(BuildError::NO_POOL),
        })
    }
}

impl Default for LimiterBuilder {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            pool: None,
            law: Law::Default,
            config: PoolAimdConfig::default(),
            constants: PoolAimdConstants::default(),
            tick: Duration::from_millis(100),
            queue: QueueConfig { limit: QueueLimit::PerPermit(100), sojourn: None },
        }
    }
}

impl LimiterBuilder {
    /// The `limiter` label of metrics and events. Default: `default`. Give each limiter of a process its own.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The pool whose wait and free connections drive the law.
    pub fn pool(mut self, probe: impl PoolProbe) -> Self {
        self.pool = Some(Arc::new(probe));
        self
    }

    /// One limit for ever, in permits, 1 to 1,048,575, in place of the default law.
    pub fn fixed(mut self, limit: u32) -> Self {
        self.law = Law::Fixed(limit);
        self
    }

    /// A law of your own in place of the default law; the limit settings below are then the law's own matter.
    pub fn law(mut self, law: impl ControlLaw) -> Self {
        self.law = Law::Given(Box::new(law));
        self
    }

    /// See [`PoolAimdConfig::min_limit`]. Default 1.
    pub fn min_limit(mut self, permits: u32) -> Self {
        self.config = self.config.min_limit(permits);
        self
    }

    /// See [`PoolAimdConfig::max_limit`]. Default 100 times the pool's size.
    pub fn max_limit(mut self, permits: u32) -> Self {
        self.config = self.config.max_limit(permits);
        self
    }

    /// See [`PoolAimdConfig::initial_limit`]. Default half the pool's size, at most 20.
    pub fn initial_limit(mut self, permits: u32) -> Self {
        self.config = self.config.initial_limit(permits);
        self
    }

    /// See [`PoolAimdConfig::connections_per_call`]. Default 1.
    pub fn connections_per_call(mut self, connections: u32) -> Self {
        self.config = self.config.connections_per_call(connections);
        self
    }

    /// Other constants in the default law, for simulators that show how much they matter.
    #[cfg(feature = "test-util")]
    pub fn constants(mut self, constants: PoolAimdConstants) -> Self {
        self.constants = constants;
        self
    }

    /// How often the law looks, 10 ms to 1 s. Default 100 ms.
    ///
    /// It bounds the reaction, not the pace of the law, which decides by rounds of work: 20 to 200 ms make no difference
    /// to throughput; above 500 ms the reaction to a slow database is late.
    pub fn tick(mut self, tick: Duration) -> Self {
        self.tick = tick;
        self
    }

    /// How many calls may wait in the bounded queue, whatever the limit is: 1 to 1,000,000.
    ///
    /// In place of [`queue_limit_per_permit`](Self::queue_limit_per_permit). The bound is for calls with a class; what
    /// [`Limiter::acquire`] and the reservations of services wait in has none.
    pub fn queue_limit(mut self, calls: u32) -> Self {
        self.queue.limit = QueueLimit::Fixed(calls);
        self
    }

    /// How many calls may wait in the bounded queue for each permit of the limit: 1 to 1,000,000. Default 100.
    ///
    /// The queue follows the limit, so a call that is let into it waits at most so many turns, whatever the limit is.
    /// 100 turns let a fan-out of a thousand calls through a limit of ten without a refusal. Lower it where a caller would
    /// rather hear "no" soon: a call of 20 ms behind 100 turns waits 2 s.
    pub fn queue_limit_per_permit(mut self, calls: u32) -> Self {
        self.queue.limit = QueueLimit::PerPermit(calls);
        self
    }

    /// Refuses calls from a queue that does not clear (controlled delay): `target` 1 ms to 1 h, `interval` `target` to 1 h.
    /// Default: off.
    ///
    /// When the oldest call in the bounded queue has waited longer than `target` at every look for an `interval`, the
    /// newest calls are served first and those that have waited longer than `target` are refused, at the next look (a
    /// quarter of a tick). It ends when for an `interval` nobody had to be refused.
    ///
    /// Use it where callers are many, independent, and gone after a while, as users of a page are: a target of a tenth of
    /// their patience and an interval of their patience. Off by default, because calls of a batch are willing to wait.
    pub fn sojourn(mut self, target: Duration, interval: Duration) -> Self {
        self.queue.sojourn = Some((target, interval));
        self
    }

    /// Builds the limiter and starts its driver on the current tokio runtime, whose timers must be enabled.
    ///
    /// If the driver ends before the limiter, because the runtime is shut down or the law or the probe panics, the limit stays
    /// as it is, the brake is off, and ready services that are not called keep their permits.
    ///
    /// Install the `metrics` recorder before: the handles are made here, and a handle made earlier records nothing.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range (all of them are named), if the default law has no pool, or outside a runtime.
    pub fn build(self) -> Result<Limiter, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NO_RUNTIME)?;
        let (limiter, driver, tick) = self.assemble()?;
        runtime.spawn(driver.run(limiter.shared().start, tick));
        Ok(limiter)
    }

    /// Builds the limiter and hands over its driver, to be called by hand: for simulators and tests that own the time.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), but no runtime is needed.
    #[cfg(feature = "test-util")]
    pub fn build_manual(self) -> Result<(Limiter, crate::ManualDriver), BuildError> {
        let (limiter, driver, _) = self.assemble()?;
        Ok((limiter, crate::ManualDriver::new(driver)))
    }

    fn assemble(self) -> Result<(Limiter, Driver, Duration), BuildError> {
        let mut checks = ConfigChecks::default();
        checks.require(
            (TICK_MIN..=TICK_MAX).contains(&self.tick),
            "tick",
            format_args!("{:?}", self.tick),
            format_args!("{TICK_MIN:?} to {TICK_MAX:?}"),
        );
        check_queue(&mut checks, &self.queue);
        let law = self.law.into_law(self.config, self.constants, self.pool.as_deref());
        let law = match (checks.finish(()), law) {
            (Ok(()), law) => law?,
            (Err(settings), Ok(_)) => return Err(settings.into()),
            (Err(settings), Err(law)) => return Err(law.after(settings)),
        };
        let shared = Arc::new(Shared {
            start: Instant::now(),
            gate: Gate::new(law.limit().clamp(1, MAX_LIMIT), self.queue),
            telemetry: Telemetry::new(&self.name, self.pool.as_deref()),
            name: self.name,
            outcomes: Outcomes::default(),
            decisions: Mutex::new(VecDeque::with_capacity(DECISIONS_KEPT)),
        });
        let driver = Driver::new(&shared, law, self.pool, self.tick);
        Ok((Limiter::from_shared(shared), driver, self.tick))
    }
}

fn check_queue(checks: &mut ConfigChecks, queue: &QueueConfig) {
    let (field, calls) = match queue.limit {
        QueueLimit::Fixed(calls) => ("queue_limit", calls),
        QueueLimit::PerPermit(calls) => ("queue_limit_per_permit", calls),
    };
    let allowed = format_args!("1 to {QUEUE_MAX}");
    checks.require((1..=QUEUE_MAX).contains(&calls), field, calls, allowed);
    if let Some((target, interval)) = queue.sojourn {
        let is_target = (SOJOURN_MIN..=SOJOURN_MAX).contains(&target);
        let allowed = format_args!("{SOJOURN_MIN:?} to {SOJOURN_MAX:?}");
        checks.require(is_target, "sojourn target", format_args!("{target:?}"), allowed);
        let is_interval = (target..=SOJOURN_MAX).contains(&interval);
        let allowed = format_args!("the target, {target:?}, to {SOJOURN_MAX:?}");
        checks.require(is_interval, "sojourn interval", format_args!("{interval:?}"), allowed);
    }
}

impl fmt::Debug for LimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimiterBuilder")
            .field("name", &self.name)
            .field("config", &self.config)
            .field("tick", &self.tick)
            .finish_non_exhaustive()
    }
}
