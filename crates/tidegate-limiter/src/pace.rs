use std::time::Duration;

/// How fast permits come back while calls wait for them, over the last seconds.
///
/// Only spans in which somebody waited count: otherwise few permits come back because few are asked for.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    permits: f64,
    seconds: f64,
    /// How long nobody has waited.
    idle: f64,
    /// How long somebody has waited and nothing has come back.
    silent: f64,
}

/// Seconds in which what was seen loses most of its weight: long enough for a few calls of a second, short enough to follow
/// a database that changes. Nothing for so long is a pace of zero; for less it may be that calls are long.
const MEMORY: f64 = 2.0;
/// Seconds without a waiter, or without a return, after which what was seen says nothing about now.
const STALE: f64 = 10.0;

impl Pace {
    /// Adds a span in which so many permits came back; the permits per second, if known.
    pub(crate) fn observe(&mut self, span: Duration, returned: u64, is_waited_for: bool) -> Option<f64> {
        let span = span.as_secs_f64();
        if is_waited_for {
            let kept = (-span / MEMORY).exp();
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let returned = returned as f64;
            self.permits = self.permits * kept + returned;
            self.seconds = self.seconds * kept + span;
            self.idle = 0.0;
            self.silent = if returned > 0.0 { 0.0 } else { self.silent + span };
        } else {
            self.idle += span;
            if self.idle > STALE {
                *self = Self::default();
            }
        }
        let is_known = self.seconds > 0.0 && (self.permits > 0.0 || self.silent >= MEMORY);
        is_known.then(|| if self.silent >= STALE { 0.0 } else { self.permits / self.seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);

    #[test]
    fn the_pace_is_that_of_spans_with_waiters() {
        let mut pace = Pace::default();
        assert_eq!(pace.observe(TICK, 1, false), None, "nobody waited");
        for _ in 0..100 {
            pace.observe(TICK, 10, true);
        }
        let known = pace.observe(TICK, 0, false).unwrap();
        assert!((known - 100.0).abs() < 1e-6, "{known}");
    }

    #[test]
    fn a_database_that_stops_brings_the_pace_down() {
        let mut pace = Pace::default();
        for _ in 0..100 {
            pace.observe(TICK, 10, true);
        }
        let after = (0..40).fold(0.0, |_, _| pace.observe(TICK, 0, true).unwrap());
        assert!(after < 20.0, "{after}");
    }

    #[test]
    fn a_queue_that_has_just_formed_is_no_evidence_and_one_that_stands_for_seconds_is() {
        let mut pace = Pace::default();
        for _ in 0..19 {
            assert_eq!(pace.observe(TICK, 0, true), None);
        }
        let _ = (0..2).map(|_| pace.observe(TICK, 0, true)).last();
        assert_eq!(pace.observe(TICK, 0, true), Some(0.0));
        assert!(pace.observe(TICK, 1, true).unwrap() > 0.0);
        let _ = (0..101).map(|_| pace.observe(TICK, 0, true)).last();
        assert_eq!(pace.observe(TICK, 0, true), Some(0.0), "nothing for ten seconds");
    }

    #[test]
    fn what_was_seen_long_ago_is_forgotten() {
        let mut pace = Pace::default();
        pace.observe(TICK, 10, true);
        assert!(pace.observe(Duration::from_secs(9), 0, false).is_some());
        assert_eq!(pace.observe(Duration::from_secs(2), 0, false), None);
    }

    #[test]
    fn no_time_at_all_is_no_evidence() {
        assert_eq!(Pace::default().observe(Duration::ZERO, 5, true), None);
    }
}
