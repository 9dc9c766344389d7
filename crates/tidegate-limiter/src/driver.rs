use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use tidegate_core::{
    ControlLaw, Decision, Demand, Evidence, MAX_LIMIT, PoolActivity, PoolEvidence, Reason, Timestamp,
};
use tokio::time::{Instant, sleep};

use crate::gate::{Gate, Observation, WouldHave, nanos};
use crate::history::DecisionRecord;
use crate::leader::Following;
use crate::limiter::Shared;
use crate::occupancy::Occupied;
use crate::pace::Pace;
use crate::telemetry::{Standing, Telling, Tick};
use crate::{Mode, PoolProbe, RetryDenied};

/// Looks at the brake and at idle reservations this often per tick of the law.
const LOOKS_PER_TICK: u32 = 4;

/// The task that turns evidence into the limit: probe → law → limit. Nothing else changes a limit.
pub(crate) struct Driver {
    /// Weak, so that the driver ends with the last handle.
    shared: Weak<Shared>,
    law: Box<dyn ControlLaw>,
    pool: Option<Arc<dyn PoolProbe>>,
    following: Following,
    is_frozen: bool,
    mode: Mode,
    /// Whether the brake is on, as far as anybody was told.
    is_braking: bool,
    /// Whether the limit gave way to an overload, and the law has not said since that it is over.
    is_giving_way: bool,
    tick: Duration,
    seen: Seen,
    telling: Telling,
    pace: Pace,
    /// How long there is between two looks, and how many there were since that last changed.
    look: Duration,
    looks: u64,
}

/// What came of a tick.
pub(crate) struct Ticked {
    /// For who owns the time; the others find it among the decisions.
    #[cfg(feature = "test-util")]
    pub(crate) decision: Decision,
    /// Whether the driver may sleep until there is work.
    pub(crate) may_sleep: bool,
}

/// Totals at the previous tick.
#[derive(Default)]
struct Seen {
    at: Timestamp,
    admitted: u32,
    in_flight: u32,
    queued: u32,
    would_have: WouldHave,
    would_have_waited: Duration,
    looked_at: Timestamp,
    overload: u64,
    ignored: u64,
    abandoned: u64,
    abandoned_calls: u64,
    abandoned_looks: u64,
    unused: u64,
    occupied: Occupied,
    activity: PoolActivity,
}

impl Driver {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        law: Box<dyn ControlLaw>,
        pool: Option<Arc<dyn PoolProbe>>,
        tick: Duration,
    ) -> Self {
        // Another limiter, or an earlier one, may have used the pool: its past is not this one's evidence.
        let activity = pool.as_ref().map(|pool| pool.read().activity).unwrap_or_default();
        let mode = shared.gate.peek().mode();
        let following = Following::new(shared.live.leader().cloned());
        let mut seen = Seen { activity, ..Seen::default() };
        seen.occupied.look(&shared.gate, law.wants_latency());
        Self {
            shared: Arc::downgrade(shared),
            law,
            pool,
            following,
            is_frozen: false,
            mode,
            is_braking: false,
            is_giving_way: false,
            tick,
            seen,
            telling: Telling::default(),
            pace: Pace::default(),
            look: tick / LOOKS_PER_TICK,
            // It has never changed.
            looks: u64::MAX,
        }
    }

    /// Runs from `start`, the moment the limiter was built, to the end of the limiter.
    pub(crate) async fn run(mut self, start: Instant) {
        let mut next_tick = start + self.tick;
        loop {
            // A limit that is followed is heard of at once.
            self.following.until(sleep(self.look)).await;
            let now = Instant::now();
            if !self.look(Timestamp::from_start(now - start)) {
                return;
            }
            if now < next_tick {
                continue;
            }
            next_tick = now + self.tick;
            let ticked = self.tick(Timestamp::from_start(now - start));
            if ticked.is_some_and(|ticked| ticked.may_sleep) {
                let is_led = self.following.until(sleep_until_work(&self.shared, self.seen.admitted)).await;
                if is_led && let Some(shared) = self.shared.upgrade() {
                    // It is awake, and nobody need wake it.
                    shared.gate.wake_driver();
                }
                // Nobody stood above the limit meanwhile.
                self.seen.looked_at = Timestamp::from_start(start.elapsed());
                // The law hears of the pause at once, so that it does not stretch the first busy tick.
                self.tick(Timestamp::from_start(start.elapsed()));
            }
        }
    }

    /// What cannot wait for the law: what the owner asked for, a limit that is followed, the brake, reservations that stand idle while others wait,
    /// and calls that have stood in the queue for too long.
    ///
    /// Whether the limiter still exists.
    pub(crate) fn look(&mut self, now: Timestamp) -> bool {
        let Some(shared) = self.shared.upgrade() else {
            return false;
        };
        self.looks = self.looks.saturating_add(1);
        let is_asked = self.obey(&shared, now);
        if self.following.is_news() || (is_asked && self.following.is_any()) {
            self.tick(now);
        }
        self.note_shadow(&shared, now);
        if let Some(pool) = &self.pool {
            let wants = self.law.brakes(&pool.read());
            let seen = shared.gate.peek();
            // In shadow mode there is no brake: one that was on when it began has been let go of.
            let on = wants && !seen.is_shadow;
            if on != seen.is_braked {
                shared.gate.set_brake(on);
            }
            if on != std::mem::replace(&mut self.is_braking, on) {
                shared.telemetry.brake(on);
            }
        }
        shared.gate.look(nanos(now.since_start()));
        shared.retries.look(now, self.retries_denied(now));
        true
    }

    /// One tick of the law, if the limiter still exists.
    pub(crate) fn tick(&mut self, now: Timestamp) -> Option<Ticked> {
        let shared = self.shared.upgrade()?;
        self.obey(&shared, now);
        let observation = shared.gate.observe();
        let pool = self.pool.as_ref().map(|pool| pool.read());
        let tick = self.count(&shared, &observation, pool);
        let queued = would_queue(&observation);
        let is_waited_for = queued > 0 && self.seen.queued > 0;
        let span = now.since(self.seen.at);
        shared.gate.set_pace(self.pace.observe(span, tick.demand.completed, is_waited_for));
        self.seen.at = now;
        self.seen.queued = queued;
        let mut evidence = Evidence::default();
        evidence.demand = tick.demand;
        evidence.pool = tick.pool;
        evidence.leader = self.following.hear();
        if observation.is_shadow {
            evidence = evidence.held_to(observation.limit, span);
        }
        let decision = if self.is_frozen {
            Decision::new(observation.limit, observation.limit, Reason::Configured)
        } else {
            self.law.tick(now, &evidence)
        };
        shared.live.note(&decision);
        if decision.to != observation.limit {
            shared.set_limit(decision.to);
        }
        if let Some(pool) = &evidence.pool {
            shared.history.lock().note_sets(pool.sets);
        }
        if !self.is_frozen {
            shared.history.lock().note(DecisionRecord { at: now, decision });
        }
        shared.telemetry.tick(now, &tick, &shared.gate.peek(), &decision, &mut self.telling);
        let may_lend = self.note_retries(&shared, now, &tick, &decision);
        let is_quiet = observation.queued == 0 || observation.is_closed;
        let may_sleep =
            observation.in_flight == 0 && is_quiet && may_lend && (self.is_frozen || self.law.is_settled());
        Some(Ticked {
            #[cfg(feature = "test-util")]
            decision,
            may_sleep,
        })
    }

    /// Deposits what succeeded, if retries are lent just now.
    fn note_retries(&mut self, shared: &Shared, now: Timestamp, tick: &Tick, decision: &Decision) -> bool {
        // Losses within an epoch change nothing, and say all the same that it is not over.
        if decision.is_relief() {
            self.is_giving_way = true;
        } else if decision.reason != Reason::RoundOpen && !decision.reason.is_overload() {
            self.is_giving_way = false;
        }
        let denied = self.retries_denied(now);
        shared.retries.look(now, denied);
        shared.retries.deposit(tick.successes());
        denied.is_none()
    }

    /// Why no retries are lent, the gravest reason first.
    fn retries_denied(&self, now: Timestamp) -> Option<RetryDenied> {
        if self.is_braking {
            Some(RetryDenied::Braked)
        } else if self.is_giving_way {
            Some(RetryDenied::Shrinking)
        } else {
            self.law.is_recovering(now).then_some(RetryDenied::Recovering)
        }
    }

    /// What holds beside the law, and what shadow mode has let through since the previous tick.
    fn stand(&mut self, shared: &Shared, now: &Observation) -> Standing {
        let would_have = now.would_have.since(self.seen.would_have);
        self.seen.would_have = now.would_have;
        let total = shared.live.would_have_waited();
        let waited_before = std::mem::replace(&mut self.seen.would_have_waited, total);
        Standing {
            is_shadow: now.is_shadow,
            is_frozen: self.is_frozen,
            would_queue: would_have.waited,
            would_refuse: would_have.refused,
            would_wait: total.saturating_sub(waited_before),
        }
    }

    /// Does what the owner has asked for since the last time. Whether that was anything.
    fn obey(&mut self, shared: &Shared, now: Timestamp) -> bool {
        let Some(change) = shared.live.take() else { return false };
        if change.tick != self.tick {
            self.tick = change.tick;
            self.look = change.tick / LOOKS_PER_TICK;
            self.looks = 0;
        }
        let is_resumed = self.is_frozen && !change.is_frozen;
        let is_other_mode = std::mem::replace(&mut self.mode, change.mode) != change.mode;
        self.is_frozen = change.is_frozen;
        let is_given = change.law.is_some() || change.limit.is_some();
        if let Some(law) = change.law {
            self.law = law;
        }
        let from = shared.gate.peek().limit;
        // What was measured under another law, limit or mode, or before the limit was frozen, is no evidence now. A tick or
        // a queue is nothing to a law: it goes on as it is.
        let begins_anew = is_given || is_resumed || is_other_mode;
        if begins_anew {
            self.law.set_limit(now, change.limit.unwrap_or(from));
        }
        let follows = is_given || (begins_anew && !self.is_frozen);
        let to = if follows { self.law.limit().clamp(1, MAX_LIMIT) } else { from };
        if to != from {
            shared.set_limit(to);
        }
        let decision = Decision::new(from, to, Reason::Configured);
        shared.history.lock().keep_configured(DecisionRecord { at: now, decision });
        shared.telemetry.configured(&decision, &mut self.telling);
        true
    }

    /// Adds up what calls beyond the limit would wait now.
    fn note_shadow(&mut self, shared: &Shared, now: Timestamp) {
        let span = now.since(self.seen.looked_at);
        self.seen.looked_at = now;
        let seen = shared.gate.peek();
        if seen.is_shadow {
            shared.live.note_would_have_waited(would_queue(&seen), span);
        }
    }

    /// Turns totals into what happened since the previous tick.
    fn count(&mut self, shared: &Shared, now: &Observation, pool: Option<PoolEvidence>) -> Tick {
        let admitted = now.admitted.wrapping_sub(self.seen.admitted) % Gate::ADMITTED_MODULUS;
        let overload = shared.outcomes.overload.load(Ordering::Relaxed);
        let ignored = shared.outcomes.ignored.load(Ordering::Relaxed);
        let mut demand = Demand::default();
        demand.in_flight = now.in_flight;
        demand.in_flight_peak = now.peak;
        demand.queued = now.queued;
        demand.held_back = now.held_back;
        demand.completed = u64::from((admitted + self.seen.in_flight).saturating_sub(now.in_flight));
        demand.overloads = overload - self.seen.overload;
        let ignored_now = ignored - self.seen.ignored;
        let abandoned = shared.outcomes.abandoned.load(Ordering::Relaxed);
        let abandoned_looks = shared.outcomes.abandoned_looks.load(Ordering::Relaxed);
        let abandoned_calls = shared.outcomes.abandoned_calls.load(Ordering::Relaxed);
        demand.abandoned = abandoned - self.seen.abandoned;
        demand.abandoned_calls = abandoned_calls - self.seen.abandoned_calls;
        let looks = abandoned_looks - self.seen.abandoned_looks;
        demand.abandoned_time = self.look.saturating_mul(u32::try_from(looks).unwrap_or(u32::MAX));
        if looks > demand.abandoned.saturating_mul(self.looks) {
            // Of calls that began when a look was of another length nobody knows the age.
            (demand.abandoned, demand.abandoned_calls, demand.abandoned_time) = (0, 0, Duration::ZERO);
        }
        let unused = shared.outcomes.unused.load(Ordering::Relaxed);
        demand.unused = unused - self.seen.unused;
        // What shadow mode makes of the evidence rests on how many are out, not on who is out just now.
        let is_timed = self.law.wants_latency() || now.is_shadow;
        demand.in_flight_time = self.seen.occupied.look(&shared.gate, is_timed);
        self.seen.unused = unused;
        self.seen.abandoned = abandoned;
        self.seen.abandoned_calls = abandoned_calls;
        self.seen.abandoned_looks = abandoned_looks;
        let pool = pool.map(|mut pool| {
            let total = pool.activity;
            pool.activity = total.since(&self.seen.activity);
            self.seen.activity = total;
            pool
        });
        self.seen.admitted = now.admitted;
        self.seen.in_flight = now.in_flight;
        self.seen.overload = overload;
        self.seen.ignored = ignored;
        let standing = self.stand(shared, now);
        Tick { demand, pool, admitted: u64::from(admitted), ignored: ignored_now, standing }
    }
}

/// How many calls wait, or would if the limit were enforced.
const fn would_queue(seen: &Observation) -> u32 {
    if seen.is_shadow { seen.in_flight.saturating_sub(seen.limit) } else { seen.queued }
}

/// Waits, without a timer, until somebody was admitted since the tick that saw `admitted`, somebody waits, the owner
/// asks for something, or the last handle is gone.
async fn sleep_until_work(shared: &Weak<Shared>, admitted: u32) {
    // A reference that lasted over the wait would keep the limiter alive for ever.
    poll_fn(|cx| {
        let Some(shared) = shared.upgrade() else { return Poll::Ready(()) };
        let idle = shared.gate.poll_idle(cx, admitted);
        // Looked at after the waker stands where who asks for something finds it.
        if shared.live.is_news() { Poll::Ready(()) } else { idle }
    })
    .await;
}

impl Drop for Driver {
    /// The limiter outlives its driver only if the law or the probe panicked, or the runtime was shut down. Then nobody else
    /// could take the brake off, and nobody will move the limit.
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.live.undriven();
            shared.gate.undriven();
            shared.telemetry.driver_ended();
            // What is left may be spent; nobody deposits any more.
            shared.retries.look(Timestamp::default(), None);
        }
    }
}
