//! Every metric and event of the limiter. Names, units and meanings are in `docs/metrics.md`, held to this by a test.

mod handles;
mod late;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_core::{Decision, Demand, PoolEvidence, Timestamp};
use tokio::time::Instant;
use tracing::Span;

use self::handles::Handles;
pub(crate) use self::late::Late;
use crate::episodes::{Change, Episode, Episodes, Signs};
use crate::gate::Observation;
use crate::retry::Answer;
use crate::{OverloadReason, PoolProbe};

/// What one tick of the driver counted.
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) demand: Demand,
    pub(crate) pool: Option<PoolEvidence>,
    pub(crate) admitted: u64,
    pub(crate) ignored: u64,
    pub(crate) standing: Standing,
}

impl Tick {
    /// Permits that came back with a success: those that did not come back otherwise.
    pub(crate) const fn successes(&self) -> u64 {
        self.demand.completed.saturating_sub(self.demand.overloads.saturating_add(self.ignored))
    }
}

/// What the driver makes of the law's word, and what it would have made of calls that shadow mode let through since the
/// previous tick.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    pub(crate) is_shadow: bool,
    pub(crate) is_frozen: bool,
    pub(crate) would_queue: u64,
    pub(crate) would_refuse: u64,
    pub(crate) would_wait: Duration,
}

/// The metrics of one limiter. Of the calls themselves only those touch one that wait or are refused.
pub(crate) struct Telemetry {
    limiter: String,
    pool: Option<String>,
    handles: Late<Handles>,
    has_queue_spans: AtomicBool,
}

/// What the driver remembers between ticks, to say it.
#[derive(Debug, Default)]
pub(crate) struct Telling {
    episodes: Episodes,
    /// When the limit last changed, in seconds since 1970.
    changed: Option<f64>,
    /// What would have been waited and is not yet a whole second: the facade's counters are of whole numbers.
    would_wait: Duration,
}

impl Telemetry {
    pub(crate) fn new(limiter: &str, pool: Option<&dyn PoolProbe>) -> Self {
        let pool = pool.map(|pool| pool.name().to_owned());
        let handles = Late::new(|| Handles::new(limiter, pool.as_deref()));
        Self { limiter: limiter.to_owned(), pool, handles, has_queue_spans: AtomicBool::new(false) }
    }

    #[inline]
    fn handles(&self) -> &Handles {
        self.handles.get(|| Handles::new(&self.limiter, self.pool.as_deref()))
    }

    pub(crate) fn set_queue_spans(&self, on: bool) {
        self.has_queue_spans.store(on, Ordering::Relaxed);
    }

    /// A span that lasts as long as the wait that begins now, if they are wanted.
    #[inline]
    pub(crate) fn queue_span(&self) -> Option<Span> {
        self.has_queue_spans.load(Ordering::Relaxed).then(|| self.new_queue_span())
    }

    #[cold]
    fn new_queue_span(&self) -> Span {
        let limiter = &*self.limiter;
        tracing::info_span!(target: "tidegate::queue", "queue_wait", limiter)
    }

    /// The end of a wait, if it is one of those that are timed.
    #[inline]
    pub(crate) fn queue_wait(&self, since: Option<Instant>) {
        if let Some(since) = since {
            self.handles().queue_wait.record(since.elapsed());
        }
    }

    /// A call that was refused.
    pub(crate) fn refused(&self, reason: OverloadReason) {
        self.handles().refused(reason);
    }

    /// Somebody wanted to retry.
    pub(crate) fn retried(&self, answer: Answer) {
        self.handles().retried(answer);
    }

    pub(crate) fn brake(&self, on: bool) {
        self.handles().braked.set(u8::from(on));
        let limiter = &*self.limiter;
        tracing::info!(target: "tidegate::brake", limiter, on, "an acquire has waited long: nobody is admitted while it is on");
    }

    /// A change by the owner, which may leave the limit as it is.
    pub(crate) fn configured(&self, decision: &Decision, telling: &mut Telling) {
        let handles = self.handles();
        if decision.is_change() {
            telling.changed = Some(unix_seconds());
        }
        handles.limit.set(decision.to);
        handles.decision(decision.reason);
        self.decide(decision, &Demand::default());
    }

    pub(crate) fn driver_ended(&self) {
        self.handles().braked.set(0.0);
        let limiter = &*self.limiter;
        tracing::warn!(target: "tidegate::driver", limiter, "the driver has ended before its limiter: the limit stays as it is");
    }

    pub(crate) fn tick(
        &self,
        at: Timestamp,
        tick: &Tick,
        now: &Observation,
        decision: &Decision,
        telling: &mut Telling,
    ) {
        let handles = self.handles();
        if decision.is_change() || telling.changed.is_none() {
            telling.changed = Some(unix_seconds());
        }
        handles.limit.set(now.limit);
        handles.suggested.set(decision.to);
        handles.changed.set(telling.changed.unwrap_or_default());
        handles.in_flight.set(now.in_flight);
        handles.queued.set(now.queued);
        handles.overhang.set(now.in_flight.saturating_sub(now.limit));
        handles.braked.set(u8::from(now.is_braked));
        let demand = &tick.demand;
        handles.admitted.increment(tick.admitted);
        handles.overload.increment(demand.overloads);
        handles.ignored.increment(tick.ignored);
        handles.success.increment(tick.successes());
        if let (Some(gauges), Some(pool)) = (&handles.pool, &tick.pool) {
            gauges.set(pool);
        }
        standing(handles, &tick.standing, telling);
        if decision.is_change() {
            handles.decision(decision.reason);
            self.decide(decision, demand);
        }
        let signs = Signs::of(demand, tick.pool.as_ref(), now.limit, decision.bound);
        for change in telling.episodes.tick(at, signs) {
            self.episode(change, tick, now);
        }
        for episode in Episode::ALL {
            handles.episode(episode, telling.episodes.is_on(episode));
        }
    }

    fn decide(&self, decision: &Decision, demand: &Demand) {
        let Decision { from, to, reason, bound, terms, .. } = *decision;
        let terms = terms.unwrap_or_default();
        tracing::info!(
            target: "tidegate::decision",
            limiter = &*self.limiter,
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
            mean_in_flight = terms.in_flight,
            throughput = terms.throughput,
            use_time_ms = terms.use_time.as_secs_f64() * 1e3,
            losses = terms.losses,
            oldest_pending_ms = terms.oldest_pending.as_secs_f64() * 1e3,
            call_time_ms = terms.call_time.as_secs_f64() * 1e3,
            call_time_max_ms = terms.call_time_max.as_secs_f64() * 1e3,
            leader_limit = terms.leader_limit,
            "{decision}",
        );
    }

    fn episode(&self, change: Change, tick: &Tick, now: &Observation) {
        let limiter = &*self.limiter;
        let pool = tick.pool.unwrap_or_default();
        match change {
            Change::Began(episode) => tracing::warn!(
                target: "tidegate::episode",
                limiter,
                episode = episode.as_str(),
                on = true,
                limit = now.limit,
                in_flight = now.in_flight,
                queued = now.queued,
                pool = self.pool.as_deref(),
                pool_pending = pool.pending,
                pool_held = pool.held,
                pool_used = pool.reading.used(),
                pool_max = pool.reading.max,
                "{}",
                episode.advice(),
            ),
            Change::Ended(episode, lasted) => tracing::info!(
                target: "tidegate::episode",
                limiter,
                episode = episode.as_str(),
                on = false,
                lasted_ms = lasted.as_secs_f64() * 1e3,
                "it is over",
            ),
        }
    }
}

fn standing(handles: &Handles, standing: &Standing, telling: &mut Telling) {
    handles.shadow.set(u8::from(standing.is_shadow));
    handles.frozen.set(u8::from(standing.is_frozen));
    handles.would_queue.increment(standing.would_queue);
    handles.would_refuse.increment(standing.would_refuse);
    telling.would_wait += standing.would_wait;
    let whole = telling.would_wait.as_secs();
    telling.would_wait -= Duration::from_secs(whole);
    handles.would_wait.increment(whole);
}

/// A time that other machines understand; whoever reads it takes it from a clock of its own.
#[expect(clippy::disallowed_methods, reason = "tokio's clock has no date")]
fn unix_seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
