//! Every metric and event of the limiter. Names, units and meanings are in `docs/metrics.md`, held to this file by a test.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use tidegate_core::{Decision, Demand, Outcome, PoolEvidence, Reason};

use tokio::time::Instant;

use crate::gate::Observation;
use crate::pool_meter::POOL_NAME;
use crate::{OverloadReason, PoolProbe};

const LIMIT: &str = "tidegate_limit";
const IN_FLIGHT: &str = "tidegate_in_flight";
const QUEUED: &str = "tidegate_queued";
const OVERHANG: &str = "tidegate_overhang";
const BRAKED: &str = "tidegate_braked";
const QUEUE_WAIT: &str = "tidegate_queue_wait_seconds";
const ADMITTED: &str = "tidegate_admitted_total";
const REFUSED: &str = "tidegate_refused_total";
const OUTCOMES: &str = "tidegate_outcomes_total";
const DECISIONS: &str = "tidegate_decisions_total";
const POOL_CONNECTIONS: &str = "db.client.connection.count";
const POOL_MAX: &str = "db.client.connection.max";
const POOL_PENDING: &str = "db.client.connection.pending_requests";

const LIMITER_LABEL: &str = "limiter";
const STATE_LABEL: &str = "db.client.connection.state";

/// What one tick of the driver counted.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) demand: Demand,
    pub(crate) pool: Option<PoolEvidence>,
    pub(crate) admitted: u64,
    pub(crate) ignored: u64,
}

/// The handles of one limiter, made once. Of the calls themselves only those touch one that wait or are refused.
pub(crate) struct Telemetry {
    limit: Gauge,
    in_flight: Gauge,
    queued: Gauge,
    overhang: Gauge,
    braked: Gauge,
    queue_wait: Histogram,
    admitted: Counter,
    success: Counter,
    overload: Counter,
    ignored: Counter,
    decisions: Vec<(Reason, Counter)>,
    refused: Vec<(OverloadReason, Counter)>,
    pool: Option<PoolGauges>,
}

struct PoolGauges {
    idle: Gauge,
    used: Gauge,
    max: Gauge,
    pending: Gauge,
}

impl Telemetry {
    pub(crate) fn new(name: &str, pool: Option<&dyn PoolProbe>) -> Self {
        describe();
        let name = || name.to_owned();
        let outcome =
            |outcome: Outcome| counter!(OUTCOMES, LIMITER_LABEL => name(), "outcome" => outcome.as_str());
        let decision = |reason: Reason| {
            (reason, counter!(DECISIONS, LIMITER_LABEL => name(), "reason" => reason.as_str()))
        };
        let refusal = |reason: OverloadReason| {
            (reason, counter!(REFUSED, LIMITER_LABEL => name(), "reason" => reason.as_str()))
        };
        Self {
            limit: gauge!(LIMIT, LIMITER_LABEL => name()),
            in_flight: gauge!(IN_FLIGHT, LIMITER_LABEL => name()),
            queued: gauge!(QUEUED, LIMITER_LABEL => name()),
            overhang: gauge!(OVERHANG, LIMITER_LABEL => name()),
            braked: gauge!(BRAKED, LIMITER_LABEL => name()),
            queue_wait: histogram!(QUEUE_WAIT, LIMITER_LABEL => name()),
            admitted: counter!(ADMITTED, LIMITER_LABEL => name()),
            success: outcome(Outcome::Success),
            overload: outcome(Outcome::Overload),
            ignored: outcome(Outcome::Ignored),
            decisions: Reason::ALL.into_iter().map(decision).collect(),
            refused: OverloadReason::ALL.into_iter().map(refusal).collect(),
            pool: pool.map(|pool| PoolGauges::new(pool.name())),
        }
    }

    /// The end of a wait, if it is one of those that are timed.
    #[inline]
    pub(crate) fn queue_wait(&self, since: Option<Instant>) {
        if let Some(since) = since {
            self.queue_wait.record(since.elapsed());
        }
    }

    /// A call that was refused.
    pub(crate) fn refused(&self, reason: OverloadReason) {
        if let Some((_, counter)) = self.refused.iter().find(|(other, _)| *other == reason) {
            counter.increment(1);
        }
    }

    pub(crate) fn brake(&self, limiter: &str, on: bool) {
        self.braked.set(if on { 1.0 } else { 0.0 });
        tracing::info!(target: "tidegate::brake", limiter, on, "an acquire has waited long: nobody is admitted while it is on");
    }

    pub(crate) fn driver_ended(&self, limiter: &str) {
        self.braked.set(0.0);
        tracing::warn!(target: "tidegate::driver", limiter, "the driver has ended before its limiter: the limit stays as it is");
    }

    pub(crate) fn tick(&self, limiter: &str, tick: &Tick, now: &Observation, decision: &Decision) {
        self.limit.set(now.limit);
        self.in_flight.set(now.in_flight);
        self.queued.set(now.queued);
        self.overhang.set(now.in_flight.saturating_sub(now.limit));
        let demand = &tick.demand;
        self.admitted.increment(tick.admitted);
        self.overload.increment(demand.overloads);
        self.ignored.increment(tick.ignored);
        self.success.increment(demand.completed.saturating_sub(demand.overloads + tick.ignored));
        if let (Some(gauges), Some(pool)) = (&self.pool, &tick.pool) {
            gauges.set(pool);
        }
        if decision.is_change() {
            self.decide(limiter, decision, demand);
        }
    }

    fn decide(&self, limiter: &str, decision: &Decision, demand: &Demand) {
        if let Some((_, counter)) = self.decisions.iter().find(|(reason, _)| *reason == decision.reason) {
            counter.increment(1);
        }
        let Decision { from, to, reason, bound, terms, .. } = *decision;
        let terms = terms.unwrap_or_default();
        tracing::info!(
            target: "tidegate::decision",
            limiter,
            from,
            to,
            reason = reason.as_str(),
            bound = bound.as_str(),
            in_flight = demand.in_flight,
            queued = demand.queued,
            pending = terms.pending,
            held = terms.held,
            wait_ratio = terms.wait_ratio,
            target_ratio = terms.target_ratio,
            utilisation = terms.utilisation,
            throughput = terms.throughput,
            use_time_ms = terms.use_time.as_secs_f64() * 1e3,
            losses = terms.losses,
            oldest_pending_ms = terms.oldest_pending.as_secs_f64() * 1e3,
            "limit {from} → {to}: {reason}",
        );
    }
}

impl PoolGauges {
    fn new(pool: &str) -> Self {
        let pool = || pool.to_owned();
        Self {
            idle: gauge!(POOL_CONNECTIONS, POOL_NAME => pool(), STATE_LABEL => "idle"),
            used: gauge!(POOL_CONNECTIONS, POOL_NAME => pool(), STATE_LABEL => "used"),
            max: gauge!(POOL_MAX, POOL_NAME => pool()),
            pending: gauge!(POOL_PENDING, POOL_NAME => pool()),
        }
    }

    fn set(&self, pool: &PoolEvidence) {
        self.idle.set(pool.reading.idle);
        self.used.set(pool.reading.used());
        self.max.set(pool.reading.max);
        self.pending.set(pool.pending);
    }
}

fn describe() {
    describe_gauge!(LIMIT, Unit::Count, "Permits that may be out at once.");
    describe_gauge!(IN_FLIGHT, Unit::Count, "Permits out.");
    describe_gauge!(QUEUED, Unit::Count, "Callers waiting for a permit.");
    describe_gauge!(OVERHANG, Unit::Count, "Permits out above the limit after a shrink.");
    describe_gauge!(BRAKED, Unit::Count, "1 while the brake is on and nobody is admitted.");
    describe_histogram!(
        QUEUE_WAIT,
        Unit::Seconds,
        "Time in the limiter's queue, of a sample of the callers that had to wait."
    );
    describe_counter!(ADMITTED, Unit::Count, "Permits given.");
    describe_counter!(REFUSED, Unit::Count, "Calls that were refused, by reason.");
    describe_counter!(OUTCOMES, Unit::Count, "Permits that came back, by outcome.");
    describe_counter!(DECISIONS, Unit::Count, "Changes of the limit, by reason.");
    describe_gauge!(POOL_CONNECTIONS, Unit::Count, "Open connections of the pool, by state.");
    describe_gauge!(POOL_MAX, Unit::Count, "Connections the pool may open.");
    describe_gauge!(POOL_PENDING, Unit::Count, "Callers waiting for a connection of the pool.");
}
