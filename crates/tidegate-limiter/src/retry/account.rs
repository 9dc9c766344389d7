//! The arithmetic of the budget: it is told the time, and has no lock.

use std::time::Duration;

use tidegate_core::Timestamp;

use super::RetryDenied;

/// Parts of a retry, so that a share of one success is a whole number.
const RETRY: u64 = 1_000_000;

/// A deposit lapses by slots, of which a window has so many.
const SLOTS: usize = 10;
const SLOTS_PER_WINDOW: u32 = 10;

/// The settings in parts of a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// For each success.
    share: u64,
    /// The most that the reserve holds, and what it is filled by in a window.
    reserve: u64,
    window: Duration,
}

impl Terms {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share within 0 and 1, of a million"
    )]
    pub(crate) fn new(share: f64, reserve: u32, window: Duration) -> Self {
        let share = (share.clamp(0.0, 1.0) * RETRY as f64).round() as u64;
        Self { share, reserve: u64::from(reserve) * RETRY, window }
    }

    /// Never zero, whatever the window.
    fn slot(&self) -> Duration {
        (self.window / SLOTS_PER_WINDOW).max(Duration::from_millis(1))
    }
}

/// ```text
/// lending → holding   a look that found a reason
/// holding → lending   a look that found none
/// ```
/// While it holds, nothing is deposited or lent. Time passes in both: deposits lapse and the reserve is filled, so that what
/// was lent over a span is bounded whatever the states were.
#[derive(Debug)]
pub(crate) struct Account {
    terms: Terms,
    /// Deposits that have not lapsed, by the slot of time they came in.
    slots: [u64; SLOTS],
    current: usize,
    slot_end: Timestamp,
    reserve: u64,
    now: Timestamp,
    hold: Option<RetryDenied>,
}

impl Account {
    pub(super) const fn new(terms: Terms) -> Self {
        Self {
            terms,
            slots: [0; SLOTS],
            current: 0,
            slot_end: Timestamp::from_millis(0),
            // A process that has just begun has had no time for successes.
            reserve: terms.reserve,
            now: Timestamp::from_millis(0),
            hold: None,
        }
    }

    /// What is there is lent on the terms it came in, up to the new reserve.
    pub(super) fn set_terms(&mut self, terms: Terms) {
        if terms == self.terms {
            return;
        }
        self.reserve = self.reserve.min(terms.reserve);
        self.terms = terms;
    }

    pub(super) fn look(&mut self, now: Timestamp, hold: Option<RetryDenied>) {
        self.hold = hold;
        let elapsed = now.since(self.now);
        self.now = self.now.max(now);
        let Terms { reserve, window, .. } = self.terms;
        let filled = u128::from(reserve) * elapsed.as_nanos() / window.as_nanos().max(1);
        self.reserve = reserve.min(self.reserve.saturating_add(u64::try_from(filled).unwrap_or(u64::MAX)));
        // After as many steps every slot is empty, however long it was.
        for _ in 0..SLOTS {
            if self.now < self.slot_end {
                return;
            }
            self.current = (self.current + 1) % SLOTS;
            self.slots[self.current] = 0;
            self.slot_end = self.slot_end + self.terms.slot();
        }
        self.slot_end = self.now + self.terms.slot();
    }

    pub(super) fn deposit(&mut self, successes: u64) {
        if self.hold.is_none() {
            let slot = &mut self.slots[self.current];
            *slot = slot.saturating_add(successes.saturating_mul(self.terms.share));
        }
    }

    pub(super) fn withdraw(&mut self) -> Result<(), RetryDenied> {
        if let Some(reason) = self.hold {
            return Err(reason);
        }
        if self.parts() < RETRY {
            return Err(RetryDenied::Spent);
        }
        let mut due = RETRY;
        // The oldest first, since it lapses first; the reserve last.
        let oldest = (self.current + 1) % SLOTS;
        let (newer, older) = self.slots.split_at_mut(oldest);
        for part in older.iter_mut().chain(newer).chain([&mut self.reserve]) {
            let paid = due.min(*part);
            *part -= paid;
            due -= paid;
        }
        Ok(())
    }

    fn parts(&self) -> u64 {
        self.slots.iter().fold(self.reserve, |sum, slot| sum.saturating_add(*slot))
    }

    pub(super) fn balance(&self) -> u32 {
        match self.hold {
            Some(_) => 0,
            None => u32::try_from(self.parts() / RETRY).unwrap_or(u32::MAX),
        }
    }

    pub(super) const fn hold(&self) -> Option<RetryDenied> {
        self.hold
    }
}
