//! What the owner of a limiter changes while it runs.
//!
//! Only the driver has the law, and only it changes the limit, so what concerns those is left here for its next look. All
//! that was asked since the last look is one change: a later wish takes the place of an earlier one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tidegate_core::{ConfigChecks, ControlLaw, Decision, MAX_LIMIT, PoolAimdConstants};
use tokio::time::Instant;

use crate::gate::nanos;
use crate::leader::Leader;
use crate::{BuildError, LawSettings, Limiter, Mode, PoolProbe, Settings};

/// The state of a limiter that its owner may change.
pub(crate) struct Live {
    pool: Option<Arc<dyn PoolProbe>>,
    leader: Option<Leader>,
    constants: PoolAimdConstants,
    wishes: Mutex<Wishes>,
    /// Whether there is something in `wishes` that the driver has not seen.
    is_news: AtomicBool,
    is_driven: AtomicBool,
    /// The last limit that a round of work went well with; 0 for none.
    last_good: AtomicU32,
    /// What those would have waited that shadow mode let through, in microseconds.
    would_have_waited: AtomicU64,
}

/// What is in force, or will be from the driver's next look on.
struct Wishes {
    /// How often anything was asked for.
    version: u64,
    settings: Settings,
    is_frozen: bool,
    law: Option<Box<dyn ControlLaw>>,
    limit: Option<u32>,
}

/// What the driver is asked for.
pub(crate) struct Change {
    pub(crate) law: Option<Box<dyn ControlLaw>>,
    pub(crate) limit: Option<u32>,
    pub(crate) is_frozen: bool,
    pub(crate) mode: Mode,
    pub(crate) tick: Duration,
}

impl Live {
    pub(crate) const fn new(
        settings: Settings,
        pool: Option<Arc<dyn PoolProbe>>,
        leader: Option<Leader>,
        constants: PoolAimdConstants,
    ) -> Self {
        let wishes = Wishes { version: 0, settings, is_frozen: false, law: None, limit: None };
        Self {
            pool,
            leader,
            constants,
            wishes: Mutex::new(wishes),
            is_news: AtomicBool::new(false),
            is_driven: AtomicBool::new(true),
            last_good: AtomicU32::new(0),
            would_have_waited: AtomicU64::new(0),
        }
    }

    /// The limiter that this one follows, or may.
    pub(crate) const fn leader(&self) -> Option<&Leader> {
        self.leader.as_ref()
    }

    /// Whether the driver has something to take.
    #[inline]
    pub(crate) fn is_news(&self) -> bool {
        self.is_news.load(Ordering::Acquire)
    }

    /// What was asked for since the last time, if anything was.
    pub(crate) fn take(&self) -> Option<Change> {
        if !self.is_news() {
            return None;
        }
        let mut wishes = self.wishes.lock();
        self.is_news.store(false, Ordering::Release);
        let (law, limit) = (wishes.law.take(), wishes.limit.take());
        let Settings { mode, tick, .. } = wishes.settings;
        Some(Change { law, limit, is_frozen: wishes.is_frozen, mode, tick })
    }

    pub(crate) fn is_frozen(&self) -> bool {
        self.wishes.lock().is_frozen
    }

    /// A decision of the driver's.
    pub(crate) fn note(&self, decision: &Decision) {
        if decision.reason.is_good() {
            self.last_good.store(decision.to, Ordering::Relaxed);
        }
    }

    /// Adds what calls beyond the limit would have waited in the last `span`.
    pub(crate) fn note_would_have_waited(&self, calls: u32, span: Duration) {
        let micros = u64::try_from(span.saturating_mul(calls).as_micros()).unwrap_or(u64::MAX);
        self.would_have_waited.fetch_add(micros, Ordering::Relaxed);
    }

    pub(crate) fn would_have_waited(&self) -> Duration {
        Duration::from_micros(self.would_have_waited.load(Ordering::Relaxed))
    }

    pub(crate) fn undriven(&self) {
        self.is_driven.store(false, Ordering::Release);
    }

    pub(crate) fn is_driven(&self) -> bool {
        self.is_driven.load(Ordering::Acquire)
    }

    fn check_driven(&self) -> Result<(), BuildError> {
        self.is_driven().then_some(()).ok_or(BuildError::NO_DRIVER)
    }
}

impl Limiter {
    /// The settings in force, or in force from the driver's next look on.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.shared().live.wishes.lock().settings.clone()
    }

    /// Changes any settings, all at once.
    ///
    /// The mode and the queue change at once; the law and the tick at the driver's next look, a quarter of a tick later at
    /// most. Where the settings of the law are other ones a new law goes on from the limit in force (its `initial_limit`
    /// matters no more), and has to learn anew what the old one knew; else the law goes on as it is. Nobody who waits is
    /// refused for a shorter queue. Each change is a decision with the reason
    /// [`Configured`](tidegate_core::Reason::Configured); settings that are in force already are none.
    ///
    /// # Errors
    ///
    /// As [`LimiterBuilder::build`](crate::LimiterBuilder::build), or if the driver has ended. Then nothing has changed.
    ///
    /// [`LawSettings::Custom`] stands for the law that the limiter has already; give it one with [`set_law`](Self::set_law).
    pub fn reconfigure(&self, settings: Settings) -> Result<(), BuildError> {
        let live = &self.shared().live;
        let pool_max = live.pool.as_deref().map(|pool| pool.read().reading.max);
        settings.check(pool_max)?;
        live.check_driven()?;
        self.change(|wishes| {
            let is_change = settings != wishes.settings;
            if settings.law != wishes.settings.law {
                let leader = live.leader.as_ref().map(Leader::limit);
                wishes.law = Some(settings.law.build(pool_max, leader, None, live.constants)?);
            }
            wishes.settings = settings;
            Ok(is_change)
        })
    }

    /// Gives the limiter a law of your own, which goes on from the limit in force; see
    /// [`ControlLaw::set_limit`]. It is asked from the driver's next look on.
    ///
    /// # Errors
    ///
    /// If the driver has ended.
    pub fn set_law(&self, law: impl ControlLaw) -> Result<(), BuildError> {
        self.shared().live.check_driven()?;
        self.change(|wishes| {
            wishes.settings.law = LawSettings::Custom;
            wishes.law = Some(Box::new(law));
            Ok(true)
        })
    }

    /// Begins to hold calls back, or to let all of them through; see [`Mode`].
    ///
    /// It takes effect at once and is safe under load: calls that wait are let in when shadow mode begins; when it ends the
    /// calls above the limit stay, and nobody gets in until they have ended. It works after the driver has ended, too.
    pub fn set_mode(&self, mode: Mode) {
        // A mode is never refused.
        let _ = self.change(|wishes| Ok(std::mem::replace(&mut wishes.settings.mode, mode) != mode));
    }

    /// Sets the limit by hand: the law goes on from it, within its bounds, from the driver's next look on.
    ///
    /// With [`last_good_limit`](Self::last_good_limit), saved when a process ends and set when the next one begins, a restart
    /// does not have to find the limit again. A law of one fixed limit stays at that,
    /// and one that follows another limiter with that one: [`freeze`](Self::freeze) holds it.
    ///
    /// # Errors
    ///
    /// If `limit` is 0 or above 1,048,575, or if the driver has ended.
    pub fn set_limit(&self, limit: u32) -> Result<(), BuildError> {
        let mut checks = ConfigChecks::default();
        checks.require((1..=MAX_LIMIT).contains(&limit), "limit", limit, format_args!("1 to {MAX_LIMIT}"));
        checks.finish(())?;
        self.shared().live.check_driven()?;
        self.change(|wishes| {
            wishes.limit = Some(limit);
            Ok(true)
        })
    }

    /// Holds the limit where it is, whatever the law would say, until [`resume`](Self::resume). The brake still works.
    ///
    /// # Errors
    ///
    /// If the driver has ended: then the limit stays where it is anyway.
    pub fn freeze(&self) -> Result<(), BuildError> {
        self.set_frozen(true)
    }

    /// Lets the law go on from the limit in force after [`freeze`](Self::freeze).
    ///
    /// # Errors
    ///
    /// If the driver has ended.
    pub fn resume(&self) -> Result<(), BuildError> {
        self.set_frozen(false)
    }

    fn set_frozen(&self, is_frozen: bool) -> Result<(), BuildError> {
        self.shared().live.check_driven()?;
        self.change(|wishes| Ok(std::mem::replace(&mut wishes.is_frozen, is_frozen) != is_frozen))
    }

    /// The limit at the last round of work that went well, without losses, trial or emergency; `None` before the first.
    #[must_use]
    pub fn last_good_limit(&self) -> Option<u32> {
        Some(self.shared().live.last_good.load(Ordering::Relaxed)).filter(|&limit| limit > 0)
    }

    /// Leaves a wish to the driver, and wakes it if it sleeps. The wish says whether it is another one than before.
    fn change(&self, wish: impl FnOnce(&mut Wishes) -> Result<bool, BuildError>) -> Result<(), BuildError> {
        let live = &self.shared().live;
        let mut wishes = live.wishes.lock();
        // What is replaced may be a law of the user's, whose drop is not run under the lock.
        let replaced = wishes.law.take();
        let (given, replaced) = match wish(&mut wishes) {
            Ok(is_change) if wishes.law.is_some() => (Ok(is_change), replaced),
            given => {
                wishes.law = replaced;
                (given, None)
            }
        };
        if matches!(given, Ok(true)) {
            wishes.version += 1;
            live.is_news.store(true, Ordering::Release);
        }
        drop(wishes);
        drop(replaced);
        if given.is_ok() {
            self.apply_to_gate();
            self.shared().gate.wake_driver();
        }
        given.map(drop)
    }

    /// Tells the gate what of the settings is not the driver's.
    ///
    /// That wakes callers, so it is not done under the lock of the wishes. Of several that do it at once each looks again
    /// afterwards, so that what the gate was told last is what was asked for last.
    fn apply_to_gate(&self) {
        let (gate, wishes) = (&self.shared().gate, &self.shared().live.wishes);
        let mut applied = None;
        loop {
            let wishes = wishes.lock();
            if applied == Some(wishes.version) {
                return;
            }
            applied = Some(wishes.version);
            let (queue, mode) = (wishes.settings.queue.config(), wishes.settings.mode);
            let (queue_spans, retry) = (wishes.settings.queue.spans, wishes.settings.retry.terms());
            drop(wishes);
            let now = Instant::now().saturating_duration_since(self.shared().start);
            gate.set_queue(queue, nanos(now));
            gate.set_shadow(mode == Mode::Shadow);
            self.shared().telemetry.set_queue_spans(queue_spans);
            self.shared().retries.set_terms(retry);
        }
    }
}
