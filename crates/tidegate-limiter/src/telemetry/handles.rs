use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use tidegate_core::{Outcome, PoolEvidence, Reason};

use crate::episodes::Episode;
use crate::pool_meter::POOL_NAME;
use crate::retry::Answer;
use crate::{OverloadReason, RetryDenied};

const LIMIT: &str = "tidegate_limit";
const SUGGESTED: &str = "tidegate_suggested_limit";
const CHANGED: &str = "tidegate_limit_changed_timestamp_seconds";
const IN_FLIGHT: &str = "tidegate_in_flight";
const QUEUED: &str = "tidegate_queued";
const OVERHANG: &str = "tidegate_overhang";
const BRAKED: &str = "tidegate_braked";
const SHADOW: &str = "tidegate_shadow";
const FROZEN: &str = "tidegate_frozen";
const EPISODE: &str = "tidegate_episode";
const QUEUE_WAIT: &str = "tidegate_queue_wait_seconds";
const ADMITTED: &str = "tidegate_admitted_total";
const REFUSED: &str = "tidegate_refused_total";
const RETRIES: &str = "tidegate_retries_total";
const OUTCOMES: &str = "tidegate_outcomes_total";
const DECISIONS: &str = "tidegate_decisions_total";
const WOULD_QUEUE: &str = "tidegate_would_queue_total";
const WOULD_REFUSE: &str = "tidegate_would_refuse_total";
const WOULD_WAIT: &str = "tidegate_would_wait_seconds_total";
const POOL_CONNECTIONS: &str = "db.client.connection.count";
const POOL_MAX: &str = "db.client.connection.max";
const POOL_IDLE_MAX: &str = "db.client.connection.idle.max";
const POOL_IDLE_MIN: &str = "db.client.connection.idle.min";
const POOL_PENDING: &str = "db.client.connection.pending_requests";

const LIMITER_LABEL: &str = "limiter";
const STATE_LABEL: &str = "db.client.connection.state";

/// The handles of one limiter's metrics, and of the gauges of its pool.
pub(crate) struct Handles {
    pub(super) limit: Gauge,
    pub(super) suggested: Gauge,
    pub(super) changed: Gauge,
    pub(super) in_flight: Gauge,
    pub(super) queued: Gauge,
    pub(super) overhang: Gauge,
    pub(super) braked: Gauge,
    pub(super) shadow: Gauge,
    pub(super) frozen: Gauge,
    pub(super) queue_wait: Histogram,
    pub(super) admitted: Counter,
    pub(super) success: Counter,
    pub(super) overload: Counter,
    pub(super) ignored: Counter,
    pub(super) would_queue: Counter,
    pub(super) would_refuse: Counter,
    pub(super) would_wait: Counter,
    pub(super) pool: Option<PoolGauges>,
    decisions: Vec<(Reason, Counter)>,
    refused: Vec<(OverloadReason, Counter)>,
    lent: Counter,
    would_deny: Counter,
    denied: Vec<(RetryDenied, Counter)>,
    episodes: Vec<(Episode, Gauge)>,
}

impl Handles {
    pub(super) fn new(limiter: &str, pool: Option<&str>) -> Self {
        describe();
        let name = || limiter.to_owned();
        let outcome =
            |outcome: Outcome| counter!(OUTCOMES, LIMITER_LABEL => name(), "outcome" => outcome.as_str());
        let decision = |reason: Reason| {
            (reason, counter!(DECISIONS, LIMITER_LABEL => name(), "reason" => reason.as_str()))
        };
        let refusal = |reason: OverloadReason| {
            (reason, counter!(REFUSED, LIMITER_LABEL => name(), "reason" => reason.as_str()))
        };
        let retry = |outcome: &'static str| counter!(RETRIES, LIMITER_LABEL => name(), "outcome" => outcome);
        let episode = |episode: Episode| {
            (episode, gauge!(EPISODE, LIMITER_LABEL => name(), "episode" => episode.as_str()))
        };
        Self {
            limit: gauge!(LIMIT, LIMITER_LABEL => name()),
            suggested: gauge!(SUGGESTED, LIMITER_LABEL => name()),
            changed: gauge!(CHANGED, LIMITER_LABEL => name()),
            in_flight: gauge!(IN_FLIGHT, LIMITER_LABEL => name()),
            queued: gauge!(QUEUED, LIMITER_LABEL => name()),
            overhang: gauge!(OVERHANG, LIMITER_LABEL => name()),
            braked: gauge!(BRAKED, LIMITER_LABEL => name()),
            shadow: gauge!(SHADOW, LIMITER_LABEL => name()),
            frozen: gauge!(FROZEN, LIMITER_LABEL => name()),
            queue_wait: histogram!(QUEUE_WAIT, LIMITER_LABEL => name()),
            admitted: counter!(ADMITTED, LIMITER_LABEL => name()),
            success: outcome(Outcome::Success),
            overload: outcome(Outcome::Overload),
            ignored: outcome(Outcome::Ignored),
            would_queue: counter!(WOULD_QUEUE, LIMITER_LABEL => name()),
            would_refuse: counter!(WOULD_REFUSE, LIMITER_LABEL => name()),
            would_wait: counter!(WOULD_WAIT, LIMITER_LABEL => name()),
            pool: pool.map(PoolGauges::new),
            decisions: Reason::ALL.into_iter().map(decision).collect(),
            refused: OverloadReason::ALL.into_iter().map(refusal).collect(),
            lent: retry("lent"),
            would_deny: retry("would_deny"),
            denied: RetryDenied::ALL.into_iter().map(|reason| (reason, retry(reason.as_str()))).collect(),
            episodes: Episode::ALL.into_iter().map(episode).collect(),
        }
    }

    pub(super) fn decision(&self, reason: Reason) {
        if let Some((_, counter)) = self.decisions.iter().find(|(other, _)| *other == reason) {
            counter.increment(1);
        }
    }

    pub(super) fn refused(&self, reason: OverloadReason) {
        if let Some((_, counter)) = self.refused.iter().find(|(other, _)| *other == reason) {
            counter.increment(1);
        }
    }

    pub(super) fn retried(&self, answer: Answer) {
        match answer {
            Answer::Lent => self.lent.increment(1),
            Answer::WouldDeny => self.would_deny.increment(1),
            Answer::Denied(reason) => {
                if let Some((_, counter)) = self.denied.iter().find(|(other, _)| *other == reason) {
                    counter.increment(1);
                }
            }
        }
    }

    pub(super) fn episode(&self, episode: Episode, is_on: bool) {
        if let Some((_, gauge)) = self.episodes.iter().find(|(other, _)| *other == episode) {
            gauge.set(u8::from(is_on));
        }
    }
}

/// The gauges of a pool, moved by the limiters that watch it.
pub(super) struct PoolGauges {
    idle: Gauge,
    used: Gauge,
    max: Gauge,
    idle_max: Gauge,
    idle_min: Gauge,
    pending: Gauge,
}

impl PoolGauges {
    fn new(pool: &str) -> Self {
        let pool = || pool.to_owned();
        Self {
            idle: gauge!(POOL_CONNECTIONS, POOL_NAME => pool(), STATE_LABEL => "idle"),
            used: gauge!(POOL_CONNECTIONS, POOL_NAME => pool(), STATE_LABEL => "used"),
            max: gauge!(POOL_MAX, POOL_NAME => pool()),
            idle_max: gauge!(POOL_IDLE_MAX, POOL_NAME => pool()),
            idle_min: gauge!(POOL_IDLE_MIN, POOL_NAME => pool()),
            pending: gauge!(POOL_PENDING, POOL_NAME => pool()),
        }
    }

    pub(super) fn set(&self, pool: &PoolEvidence) {
        let reading = &pool.reading;
        self.idle.set(reading.idle);
        self.used.set(reading.used());
        self.max.set(reading.max);
        self.idle_max.set(reading.idle_max);
        self.idle_min.set(reading.idle_min);
        self.pending.set(pool.pending);
    }
}

fn describe() {
    describe_gauge!(LIMIT, Unit::Count, "Permits that may be out at once.");
    describe_gauge!(SUGGESTED, Unit::Count, "The limit that the control law finds right.");
    describe_gauge!(CHANGED, Unit::Seconds, "When the limit last changed, in seconds since 1970.");
    describe_gauge!(IN_FLIGHT, Unit::Count, "Permits out.");
    describe_gauge!(QUEUED, Unit::Count, "Callers waiting for a permit.");
    describe_gauge!(OVERHANG, Unit::Count, "Permits out above the limit after a shrink.");
    describe_gauge!(BRAKED, Unit::Count, "1 while the brake is on and nobody is admitted.");
    describe_gauge!(SHADOW, Unit::Count, "1 in shadow mode: nobody is made to wait or refused.");
    describe_gauge!(FROZEN, Unit::Count, "1 while the limit is frozen: the control law does not move it.");
    describe_gauge!(EPISODE, Unit::Count, "1 while something lasts that a person should know, by episode.");
    describe_histogram!(
        QUEUE_WAIT,
        Unit::Seconds,
        "Time in the limiter's queue, of a sample of the callers that had to wait."
    );
    describe_counter!(ADMITTED, Unit::Count, "Permits given.");
    describe_counter!(REFUSED, Unit::Count, "Calls that were refused, by reason.");
    describe_counter!(RETRIES, Unit::Count, "Retries that were asked for, by what was said.");
    describe_counter!(OUTCOMES, Unit::Count, "Permits that came back, by outcome.");
    describe_counter!(DECISIONS, Unit::Count, "Changes of the limit, by reason.");
    describe_counter!(WOULD_QUEUE, Unit::Count, "Calls that shadow mode let through and would have waited.");
    describe_counter!(
        WOULD_REFUSE,
        Unit::Count,
        "Calls that shadow mode let through and would have been refused."
    );
    describe_counter!(
        WOULD_WAIT,
        Unit::Seconds,
        "Time that calls let through by shadow mode would have waited."
    );
    describe_gauge!(POOL_CONNECTIONS, Unit::Count, "Open connections of the pool, by state.");
    describe_gauge!(POOL_MAX, Unit::Count, "Connections the pool may open.");
    describe_gauge!(POOL_IDLE_MAX, Unit::Count, "Connections the pool may keep open while nobody uses them.");
    describe_gauge!(POOL_IDLE_MIN, Unit::Count, "Connections the pool keeps open although nobody uses them.");
    describe_gauge!(POOL_PENDING, Unit::Count, "Callers waiting for a connection of the pool.");
}
