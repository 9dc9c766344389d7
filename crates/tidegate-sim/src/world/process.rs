//! A process: its own limiter and driver, its own demand, its own counts.

use std::time::Duration;

use fastrand::Rng;
use tidegate_core::{Outcome, PoolReading, Reason, Timestamp};
use tidegate_limiter::{Limiter, ManualClock, ManualDriver, Snapshot};

use super::audit::Tally;
use super::demand::Demand;
use crate::model::{MeterModel, Published};
use crate::num::{Nanos, SECOND};
use crate::report::LimitChange;
use crate::rivals::{EndedCall, RivalLaw};
use crate::{Policy, Scenario, SimError};

/// The law looks ten times a second, as in production.
pub(super) const TICK: Nanos = SECOND / 10;
/// The driver looks at the brake this often per tick.
pub(super) const LOOKS_PER_TICK: u64 = 4;

pub(super) struct Process {
    pub(super) limiter: Limiter,
    driver: ManualDriver,
    /// The law, if it wants to hear of every call.
    rival: Option<RivalLaw>,
    published: Published,
    /// The process counts its acquires of this pool.
    pub(super) pool: usize,
    pub(super) meter: MeterModel,
    pub(super) demand: Demand,
    pub(super) limits: Vec<LimitChange>,
    pub(super) gauges: Gauges,
    /// Up to when the areas are summed.
    since: Nanos,
    pub(super) areas: Areas,
    pub(super) tally: Tally,
}

/// Counts that hold from one event of the process to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gauges {
    pub(super) in_flight: u32,
    pub(super) queued: u32,
    pub(super) pending: u32,
    pub(super) held: u32,
}

/// The same summed over time, in nanoseconds: whole numbers, so that Little's law can be checked to the last digit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Areas {
    pub(super) in_flight: u128,
    pub(super) queued: u128,
    pub(super) pending: u128,
    pub(super) held: u128,
}

impl Process {
    pub(super) fn new(
        scenario: &Scenario,
        policy: &Policy,
        seed: u64,
        pool: usize,
        reading: PoolReading,
        clock: &ManualClock,
        rng: &mut Rng,
    ) -> Result<Self, SimError> {
        let published = Published::default();
        let meter = MeterModel::default();
        published.set(meter.evidence(0, reading));
        let builder = Limiter::builder()
            .name("simulated")
            .pool(published.clone())
            .clock(clock.clone())
            .connections_per_call(scenario.limiter.connections_per_call);
        let (builder, rival) = policy.configure(builder, seed);
        let (limiter, driver) = builder.build_manual().map_err(SimError::new)?;
        let first = limiter.snapshot().limit;
        Ok(Self {
            limiter,
            driver,
            rival,
            published,
            pool,
            meter,
            demand: Demand::new(&scenario.load, rng),
            limits: vec![LimitChange { at: Duration::ZERO, limit: first, reason: Reason::Configured }],
            gauges: Gauges::default(),
            since: 0,
            areas: Areas::default(),
            tally: Tally::default(),
        })
    }

    /// What the driver's task does several times a tick in production.
    pub(super) fn look(&mut self, now: Nanos, reading: PoolReading) {
        self.published.set(self.meter.evidence(now, reading));
        self.driver.look(timestamp(now));
    }

    /// One tick of the law, on the evidence of the last look.
    pub(super) fn tick(&mut self, now: Timestamp) {
        let Some(decision) = self.driver.tick(now) else { return };
        let limit = self.limiter.snapshot().limit;
        if self.limits.last().is_none_or(|last| last.limit != limit) {
            self.limits.push(LimitChange { at: now.since_start(), limit, reason: decision.reason });
        }
    }

    /// A call was admitted; the permits out, its own included.
    pub(super) fn admitted(&self, now: Nanos) -> u32 {
        let in_flight = self.limiter.snapshot().in_flight;
        if let Some(rival) = &self.rival {
            rival.admitted(timestamp(now), in_flight);
        }
        in_flight
    }

    /// A call ends, which held a permit for so long; a rival that draws a conclusion from it moves the limit at once.
    pub(super) fn ended(&mut self, now: Nanos, held: Nanos, in_flight_at_start: u32, outcome: Outcome) {
        let Some(rival) = &self.rival else { return };
        let call = EndedCall {
            now: timestamp(now),
            latency: Duration::from_nanos(held),
            in_flight_at_start,
            in_flight_at_end: self.limiter.snapshot().in_flight,
            outcome,
        };
        if rival.ended(&call) {
            self.tick(call.now);
        }
    }

    /// The gauges hold no longer: their areas are summed, and they are read anew.
    pub(super) fn read_gauges(&mut self, now: Nanos) {
        let span = u128::from(now - self.since);
        self.since = now;
        self.areas.in_flight += span * u128::from(self.gauges.in_flight);
        self.areas.queued += span * u128::from(self.gauges.queued);
        self.areas.pending += span * u128::from(self.gauges.pending);
        self.areas.held += span * u128::from(self.gauges.held);
        let Snapshot { in_flight, queued, .. } = self.limiter.snapshot();
        let (pending, held) = (self.meter.pending(), self.meter.held());
        self.gauges = Gauges { in_flight, queued, pending, held };
    }
}

pub(super) const fn timestamp(now: Nanos) -> Timestamp {
    Timestamp::from_start(Duration::from_nanos(now))
}
