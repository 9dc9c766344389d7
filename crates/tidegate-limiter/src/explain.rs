//! The answer to "what does the limiter do, and why".

use std::fmt::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tidegate_core::{Bound, Decision, PoolSets, Timestamp};

use crate::{LawSettings, Limiter, Mode, RetryDenied, Snapshot};

/// How many changes the text has; the data has all that are remembered.
const CHANGES_SHOWN: usize = 8;

const DAY: Duration = Duration::from_hours(24);

/// What a limiter does now and what it did before, with the reasons; see [`Limiter::explain`].
///
/// Its text is of at most eleven lines: the state now, the law's last word, and the last changes of the limit with their
/// time of day in UTC (and their date, if they are older than a day).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The limiter's name.
    pub limiter: String,
    /// When it was asked.
    pub at: SystemTime,
    /// The name of the limiter that this one follows.
    pub leader: Option<String>,
    /// The counts, and whether it is braked, closed, frozen or in shadow mode.
    pub snapshot: Snapshot,
    /// What the limit rests on, if a bound holds it.
    pub bound: Bound,
    /// The connection sets at the driver's last tick, if the pool reserves them: who waits for one is held back by the pool's
    /// gate, not by the limit.
    pub sets: Option<PoolSets>,
    /// Whether the driver is there to move the limit: not once the law or the probe panicked, or the runtime was shut down.
    pub is_driven: bool,
    /// Why no retries are lent whatever succeeds, if somebody has asked for one before.
    pub retries_denied: Option<RetryDenied>,
    /// The law's last word, whether or not it moved the limit; `None` before the first. While a round is open it is the one
    /// before that.
    pub latest: Option<DatedDecision>,
    /// The last changes of the limit and of the settings, newest first, at most 256.
    pub changes: Vec<DatedDecision>,
}

/// A decision and its date.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct DatedDecision {
    /// When it was taken. It is counted back from now by the time that has passed since, so a clock that was set meanwhile
    /// does not tear the dates apart.
    pub at: SystemTime,
    /// The decision.
    pub decision: Decision,
}

impl Limiter {
    /// What the limiter does now and why, as data and, printed with `{}`, as a short text for a person.
    ///
    /// It copies what is remembered and holds nobody up; ask it as often as somebody wants to know.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tidegate_limiter::Limiter;
    ///
    /// let limiter = Limiter::builder().name("experts").fixed(2).build()?;
    /// let permit = limiter.acquire().await?;
    /// let text = limiter.explain().to_string();
    /// assert_eq!(text, "experts: limit 2, 1 in flight, 0 queued\nno change of the limit yet");
    /// # drop(permit);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn explain(&self) -> Explanation {
        let shared = self.shared();
        let (at, since_start) = (system_time(), Timestamp::from_start(shared.start.elapsed()));
        let dated = |record: crate::DecisionRecord| {
            let ago = since_start.since(record.at);
            DatedDecision { at: at.checked_sub(ago).unwrap_or(UNIX_EPOCH), decision: record.decision }
        };
        let snapshot = self.snapshot();
        let history = shared.history.lock();
        Explanation {
            limiter: self.name().to_owned(),
            leader: self.leader_name(),
            at,
            snapshot,
            bound: history.bound(),
            sets: history.sets(),
            is_driven: shared.live.is_driven(),
            retries_denied: shared.retries.hold(),
            latest: history.latest().map(dated),
            changes: history.changes().rev().map(dated).collect(),
        }
    }
}

impl Limiter {
    /// A leader may be given and another law be in force.
    fn leader_name(&self) -> Option<String> {
        let leader = self.shared().live.leader()?;
        matches!(self.settings().law, LawSettings::Follow(_)).then(|| leader.name().to_owned())
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state(f)?;
        match &self.latest {
            Some(latest) if self.changes.first() != Some(latest) => {
                write!(f, "\nlast word, {}: {}", time_of_day(latest.at, self.at), latest.decision)?;
            }
            _ => {}
        }
        for change in self.changes.iter().take(CHANGES_SHOWN) {
            write!(f, "\n{} {}", time_of_day(change.at, self.at), change.decision)?;
        }
        match self.changes.len().saturating_sub(CHANGES_SHOWN) {
            0 if self.changes.is_empty() => f.write_str("\nno change of the limit yet"),
            0 => Ok(()),
            earlier => write!(f, "\nand {earlier} before"),
        }
    }
}

impl Explanation {
    /// The state now, in one line.
    fn state(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { limit, in_flight, queued, overhang, mode, .. } = self.snapshot;
        write!(f, "{}: limit {limit}", self.limiter)?;
        if let Some(leader) = &self.leader {
            write!(f, " (follows {leader})")?;
        }
        if self.bound != Bound::None {
            write!(f, " ({})", self.bound.as_str())?;
        }
        write!(f, ", {in_flight} in flight, {queued} queued")?;
        if overhang > 0 && mode == Mode::Enforce {
            write!(f, ", {overhang} above the limit until they come back")?;
        }
        if let Some(sets) = &self.sets {
            let PoolSets { open, most, waiting, .. } = sets;
            write!(
                f,
                "; {open} of {most} connection sets open, {waiting} wait in front of the pool for one"
            )?;
        }
        if self.snapshot.is_closed {
            f.write_str("; closed, nobody is admitted any more")?;
        }
        if self.snapshot.is_braked {
            f.write_str("; the brake is on, nobody is admitted, as an acquire has waited long in the pool")?;
        }
        if mode == Mode::Shadow {
            let Snapshot { would_have_queued, would_have_refused, would_have_waited, .. } = self.snapshot;
            let waited = Duration::from_secs(would_have_waited.as_secs());
            write!(
                f,
                "; shadow mode, nobody is held back: {would_have_queued} would have waited, \
                 {would_have_refused} been refused, {} in all",
                humantime::format_duration(waited)
            )?;
        }
        if let Some(reason) = self.retries_denied {
            write!(f, "; {reason}")?;
        }
        if self.snapshot.is_frozen {
            f.write_str("; frozen, the law does not move the limit")?;
        }
        if !self.is_driven {
            f.write_str("; the driver has ended, the limit stays as it is")?;
        }
        Ok(())
    }
}

/// `12:00:03`, in UTC; with the date if it was more than a day ago.
fn time_of_day(at: SystemTime, now: SystemTime) -> String {
    let mut text = String::new();
    // A clock beyond the year 9999 has no such text, and is not worth an error.
    let _ = write!(text, "{}", humantime::format_rfc3339_seconds(at.max(UNIX_EPOCH)));
    let is_old = now.duration_since(at).is_ok_and(|ago| ago > DAY);
    if is_old { text } else { text.get(11..19).unwrap_or_default().to_owned() }
}

/// A person compares the dates with those of other systems.
#[expect(clippy::disallowed_methods, reason = "tokio's clock has no date")]
fn system_time() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connection_sets_are_told_as_the_pool_last_showed_them() {
        use crate::{PoolMeter, PoolProbe};
        use tidegate_core::{PoolEvidence, PoolReading};
        struct Sets(PoolMeter);
        impl PoolProbe for Sets {
            fn read(&self) -> PoolEvidence {
                self.0.evidence(PoolReading::new(3, 0, 0, Duration::from_secs(1)))
            }

            fn name(&self) -> &str {
                self.0.name()
            }
        }
        let meter = PoolMeter::with_nested("sets", crate::Nested::reserve(2), 3).unwrap();
        let builder = Limiter::builder().name("experts").pool(Sets(meter.clone())).fixed(9);
        let (limiter, mut driver) = builder.build_manual().unwrap();
        assert_eq!(limiter.explain().sets, None, "nothing was seen yet");
        let reading = PoolReading::new(3, 0, 0, Duration::from_secs(1));
        let waits: Vec<_> = (1..=4)
            .map(|call| {
                crate::flow::within(&mut crate::CallId::numbered(call), || meter.begin_in_hand(reading, None))
            })
            .collect();
        driver.tick(Timestamp::from_start(Duration::from_millis(100)));
        let told = limiter.explain();
        assert_eq!(told.sets, Some(PoolSets::new(2, 2, 2)));
        let text = "experts: limit 9, 0 in flight, 0 queued; 2 of 2 connection sets open, 2 wait in front of the pool for one";
        assert_eq!(told.to_string().lines().next(), Some(text));
        drop(waits);
    }

    #[test]
    fn what_is_old_has_a_date() {
        let at = UNIX_EPOCH + Duration::from_secs(1_795_867_203);
        #[track_caller]
        fn check(at: SystemTime, ago: Duration, text: &str) {
            assert_eq!(time_of_day(at, at + ago), text);
        }
        check(at, Duration::ZERO, "12:00:03");
        check(at, DAY, "12:00:03");
        check(at, DAY + Duration::from_secs(1), "2026-11-28T12:00:03Z");
        // A clock that was set back meanwhile, or never set at all.
        assert_eq!(time_of_day(at, at - DAY), "12:00:03");
        assert_eq!(time_of_day(UNIX_EPOCH - DAY, UNIX_EPOCH - DAY), "00:00:00");
    }
}
