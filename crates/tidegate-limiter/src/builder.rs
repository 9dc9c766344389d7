use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidegate_core::{
    AimdConfig, ControlLaw, FollowConfig, Gradient2Config, MAX_LIMIT, PoolAimdConfig, PoolAimdConstants,
    VegasConfig,
};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

#[cfg(doc)]
use crate::QueueSettings;
use crate::driver::Driver;
use crate::gate::Gate;
use crate::history::History;
use crate::leader::Leader;
use crate::limiter::{Outcomes, Shared};
use crate::live::Live;
use crate::occupancy::Clock;
use crate::retry::Retries;
use crate::telemetry::Telemetry;
use crate::{BuildError, LawSettings, Limiter, Mode, PoolProbe, RetrySettings, Settings, SojournSettings};

/// Makes a [`Limiter`] from [`Settings`], a name and a pool. Nothing but `pool` need be set.
#[must_use = "a builder does nothing until it is built"]
#[derive(Default)]
pub struct LimiterBuilder {
    name: Option<String>,
    pool: Option<Arc<dyn PoolProbe>>,
    leader: Option<Leader>,
    settings: Settings,
    /// The law for [`LawSettings::Custom`].
    law: Option<Box<dyn ControlLaw>>,
    constants: PoolAimdConstants,
    #[cfg(feature = "test-util")]
    clock: Option<crate::ManualClock>,
}

impl LimiterBuilder {
    /// The `limiter` label of metrics and events. Default: `default`. Give each limiter of a process its own.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The pool whose wait and free connections drive the law.
    pub fn pool(mut self, probe: impl PoolProbe) -> Self {
        self.pool = Some(Arc::new(probe));
        self
    }

    /// All settings at once, as read from a file, in place of those made so far; what is set after it changes them.
    ///
    /// A law of your own is given with [`law`](Self::law) after it, or before it where the settings say `custom`.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// One limit for ever, in permits, 1 to 1,048,575, in place of the default law.
    pub fn fixed(mut self, limit: u32) -> Self {
        self.settings.law = LawSettings::Fixed { limit };
        self
    }

    /// Losses and, with a target, call times as evidence in place of a pool's: for a service that refuses what it cannot
    /// serve. See [`Aimd`](tidegate_core::Aimd).
    pub fn aimd(mut self, config: AimdConfig) -> Self {
        self.settings.law = LawSettings::Aimd(config);
        self
    }

    /// Call times against their long average as evidence: for a service that refuses nothing. See
    /// [`Gradient2`](tidegate_core::Gradient2).
    pub fn gradient2(mut self, config: Gradient2Config) -> Self {
        self.settings.law = LawSettings::Gradient2(config);
        self
    }

    /// Call times against their floor as evidence: for a service in which next to no queue is to stand. See
    /// [`Vegas`](tidegate_core::Vegas).
    pub fn vegas(mut self, config: VegasConfig) -> Self {
        self.settings.law = LawSettings::Vegas(config);
        self
    }

    /// The limit of `leader` as evidence: for jobs, whose experts `leader` holds. See [`Follow`](tidegate_core::Follow).
    ///
    /// The same as [`leader`](Self::leader) and the settings of the law. A change of the leader's limit is heard of at once, also
    /// while nothing is in flight here; permits above a smaller limit stay out until they come back, as always.
    ///
    /// Only the limit is followed. A leader that is frozen holds its follower with it; one that is closed, or whose driver has
    /// ended, keeps its limit, and so does the follower. The brake of a leader holds its own calls and no jobs. In shadow mode
    /// its limit is only a suggestion, and followed all the same: whether jobs are held back is up to the follower's own mode.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidegate_core::FollowConfig;
    /// use tidegate_limiter::Limiter;
    ///
    /// let experts = Limiter::builder().name("experts").fixed(11).build()?;
    /// let config = FollowConfig::default().experts_per_job(2).max_limit(20);
    /// let jobs = Limiter::builder().name("jobs").follow(&experts, config).build()?;
    /// assert_eq!(jobs.snapshot().limit, 5);
    /// # Ok(()) }
    /// ```
    pub fn follow(mut self, leader: &Limiter, config: FollowConfig) -> Self {
        self.settings.law = LawSettings::Follow(config);
        self.leader(leader)
    }

    /// The limiter to follow, for settings whose law is [`LawSettings::Follow`], and for a law of your own that looks at
    /// [`Evidence::leader`](tidegate_core::Evidence::leader). It cannot be changed later.
    ///
    /// It is not kept alive: once its last handle is gone the limit stays as it was.
    pub fn leader(mut self, leader: &Limiter) -> Self {
        self.leader = Some(Leader::of(leader));
        self
    }

    /// A law of your own in place of the default law; the limit settings below are then the law's own matter.
    pub fn law(mut self, law: impl ControlLaw) -> Self {
        self.settings.law = LawSettings::Custom;
        self.law = Some(Box::new(law));
        self
    }

    /// See [`PoolAimdConfig::min_limit`]. Default 1.
    pub fn min_limit(self, permits: u32) -> Self {
        self.pool_aimd(|config| config.min_limit(permits))
    }

    /// See [`PoolAimdConfig::max_limit`]. Default 100 times the pool's size.
    pub fn max_limit(self, permits: u32) -> Self {
        self.pool_aimd(|config| config.max_limit(permits))
    }

    /// See [`PoolAimdConfig::initial_limit`]. Default half the pool's size, at most 20.
    pub fn initial_limit(self, permits: u32) -> Self {
        self.pool_aimd(|config| config.initial_limit(permits))
    }

    /// See [`PoolAimdConfig::connections_per_call`]. Default 1.
    pub fn connections_per_call(self, connections: u32) -> Self {
        self.pool_aimd(|config| config.connections_per_call(connections))
    }

    fn pool_aimd(mut self, change: impl FnOnce(PoolAimdConfig) -> PoolAimdConfig) -> Self {
        if let LawSettings::PoolAimd(config) = &mut self.settings.law {
            *config = change(*config);
        }
        self
    }

    /// Other constants in the default law, for simulators that show how much they matter.
    #[cfg(feature = "test-util")]
    pub fn constants(mut self, constants: PoolAimdConstants) -> Self {
        self.constants = constants;
        self
    }

    /// The clock that calls are timed with, if the law wants their time, in place of tokio's.
    #[cfg(feature = "test-util")]
    pub fn clock(mut self, clock: crate::ManualClock) -> Self {
        self.clock = Some(clock);
        self
    }

    fn call_clock(&self) -> Clock {
        #[cfg(feature = "test-util")]
        if let Some(clock) = &self.clock {
            return Clock::Manual(clock.clone());
        }
        Clock::Tokio(Instant::now())
    }

    /// Whether calls are held back; see [`Mode`]. Default: they are.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.settings.mode = mode;
        self
    }

    /// How often the law looks, 10 ms to 1 s; see [`Settings::tick`]. Default 100 ms.
    pub fn tick(mut self, tick: Duration) -> Self {
        self.settings.tick = tick;
        self
    }

    /// How many calls may wait in the bounded queue, whatever the limit is: 1 to 1,000,000.
    ///
    /// In place of [`queue_limit_per_permit`](Self::queue_limit_per_permit); see [`QueueSettings::places`].
    pub fn queue_limit(mut self, calls: u32) -> Self {
        self.settings.queue.places = Some(calls);
        self
    }

    /// How many calls may wait in the bounded queue for each permit of the limit: 1 to 1,000,000. Default 100.
    ///
    /// In place of [`queue_limit`](Self::queue_limit); see [`QueueSettings::places_per_permit`].
    pub fn queue_limit_per_permit(mut self, calls: u32) -> Self {
        self.settings.queue.places_per_permit = calls;
        self.settings.queue.places = None;
        self
    }

    /// Refuses calls from a queue that does not clear; see [`SojournSettings`]. `target` 1 ms to 1 h, `interval` `target` to
    /// 1 h. Default: off.
    pub fn sojourn(mut self, target: Duration, interval: Duration) -> Self {
        self.settings.queue.sojourn = Some(SojournSettings::new(target, interval));
        self
    }

    /// Whether each wait for a permit is a `tracing` span; see [`QueueSettings::spans`]. Default: no.
    pub fn queue_spans(mut self, on: bool) -> Self {
        self.settings.queue.spans = on;
        self
    }

    /// How many retries the limiter lends; see [`RetrySettings`]. Default: for a tenth of what succeeds, and 3 in 10 s.
    pub fn retry(mut self, settings: RetrySettings) -> Self {
        self.settings.retry = settings;
        self
    }

    /// Builds the limiter and starts its driver on the current tokio runtime, whose timers must be enabled.
    ///
    /// If the driver ends before the limiter, because the runtime is shut down or the law or the probe panics, the limit stays
    /// as it is, the brake is off, and ready services that are not called keep their permits.
    ///
    /// A `metrics` recorder may be installed before or after: what happens once it is there is recorded.
    ///
    /// # Errors
    ///
    /// If a setting is outside its range (all of them are named), if the default law has no pool, or outside a runtime.
    pub fn build(self) -> Result<Limiter, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NO_RUNTIME)?;
        let (limiter, driver) = self.assemble()?;
        runtime.spawn(driver.run(limiter.shared().start));
        Ok(limiter)
    }

    /// Builds the limiter and hands over its driver, to be called by hand: for simulators and tests that own the time.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), but no runtime is needed.
    #[cfg(feature = "test-util")]
    pub fn build_manual(self) -> Result<(Limiter, crate::ManualDriver), BuildError> {
        let (limiter, driver) = self.assemble()?;
        Ok((limiter, crate::ManualDriver::new(driver)))
    }

    fn assemble(self) -> Result<(Limiter, Driver), BuildError> {
        let clock = self.call_clock();
        let Self { name, pool, leader, settings, law, constants, .. } = self;
        let name = name.unwrap_or_else(|| "default".to_owned());
        let pool_max = pool.as_deref().map(|pool| pool.read().reading.max);
        let leader_limit = leader.as_ref().map(Leader::limit);
        let law = settings.law.build(pool_max, leader_limit, law, constants);
        let law = match (settings.check(pool_max), law) {
            (Ok(()), law) => law?,
            (Err(faults), Ok(_)) => return Err(faults),
            (Err(faults), Err(law)) => return Err(faults.with_missing_of(&law)),
        };
        let (mode, tick, queue_spans) = (settings.mode, settings.tick, settings.queue.spans);
        let limit = law.limit().clamp(1, MAX_LIMIT);
        let shared = Arc::new(Shared {
            start: Instant::now(),
            retries: Retries::new(settings.retry.terms()),
            gate: Gate::timed_by(limit, settings.queue.config(), clock),
            limit_told: watch::Sender::new(limit),
            live: Live::new(settings, pool.clone(), leader, constants),
            telemetry: Telemetry::new(&name, pool.as_deref()),
            name,
            outcomes: Outcomes::default(),
            history: Mutex::new(History::new()),
        });
        shared.gate.set_shadow(mode == Mode::Shadow);
        shared.telemetry.set_queue_spans(queue_spans);
        let driver = Driver::new(&shared, law, pool, tick);
        Ok((Limiter::from_shared(shared), driver))
    }
}

impl fmt::Debug for LimiterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimiterBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
