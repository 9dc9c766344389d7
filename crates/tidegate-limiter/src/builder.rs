use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tidegate_core::{ConfigChecks, ControlLaw, Fixed, MAX_LIMIT, PoolAimd, PoolAimdConfig};
use tokio::runtime::Handle;

use crate::driver::Driver;
use crate::gate::Gate;
use crate::limiter::{DECISIONS_KEPT, Outcomes, Shared};
use crate::telemetry::Telemetry;
use crate::{BuildError, Limiter, PoolProbe};

const TICK_MIN: Duration = Duration::from_millis(10);
const TICK_MAX: Duration = Duration::from_secs(1);

/// Settings of a [`Limiter`]. Nothing but `pool` need be set.
#[must_use = "a builder does nothing until it is built"]
pub struct LimiterBuilder {
    name: String,
    pool: Option<Arc<dyn PoolProbe>>,
    law: Law,
    config: PoolAimdConfig,
    tick: Duration,
}

enum Law {
    Default,
    Fixed(u32),
    Given(Box<dyn ControlLaw>),
}

impl Default for LimiterBuilder {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            pool: None,
            law: Law::Default,
            config: PoolAimdConfig::default(),
            tick: Duration::from_millis(100),
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

    /// See [`PoolAimdConfig::initial_limit`]. Default half the pool's size.
    pub fn initial_limit(mut self, permits: u32) -> Self {
        self.config = self.config.initial_limit(permits);
        self
    }

    /// See [`PoolAimdConfig::connections_per_call`]. Default 1.
    pub fn connections_per_call(mut self, connections: u32) -> Self {
        self.config = self.config.connections_per_call(connections);
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

    /// Builds the limiter and starts its driver on the current tokio runtime, whose timers must be enabled.
    ///
    /// Install the `metrics` recorder before: the handles are made here, and a handle made earlier records nothing.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range (all of them are named), if the default law has no pool, or outside a runtime.
    pub fn build(self) -> Result<Limiter, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NO_RUNTIME)?;
        let (limiter, driver, tick) = self.assemble()?;
        runtime.spawn(driver.run(tick));
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
        checks.finish(())?;
        let law = match (self.law, &self.pool) {
            (Law::Given(law), _) => law,
            (Law::Fixed(limit), _) => Box::new(Fixed::new(limit)?),
            (Law::Default, Some(pool)) => Box::new(PoolAimd::new(self.config, pool.read().reading.max)?),
            (Law::Default, None) => return Err(BuildError::NO_POOL),
        };
        let shared = Arc::new(Shared {
            gate: Gate::new(law.limit().clamp(1, MAX_LIMIT)),
            telemetry: Telemetry::new(&self.name, self.pool.as_deref()),
            name: self.name,
            outcomes: Outcomes::default(),
            decisions: Mutex::new(VecDeque::with_capacity(DECISIONS_KEPT)),
        });
        let driver = Driver::new(&shared, law, self.pool);
        Ok((Limiter::from_shared(shared), driver, self.tick))
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
