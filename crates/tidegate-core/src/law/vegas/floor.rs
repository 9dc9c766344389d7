/// Of each new round; three rounds or so are averaged, so that the chance of one is not taken for a queue.
const RECENT_SHARE: f64 = 0.3;
/// Permits out may differ by this factor between rounds that are averaged.
const ALIKE: f64 = 1.25;
/// The floor goes down by this share of the way and up by that.
const DOWN_SHARE: f64 = 0.25;
const UP_SHARE: f64 = 0.05;

/// The call time when nothing queues in the service, and the mean of the last rounds. In seconds; zero if not known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Floor {
    seconds: f64,
    recent: f64,
    in_flight: f64,
}

impl Floor {
    pub(super) const fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Adds a round with so many permits out; the mean of the last rounds like it.
    pub(super) fn look(&mut self, call_seconds: f64, in_flight: f64) -> f64 {
        let is_alike = in_flight < ALIKE * self.in_flight && self.in_flight < ALIKE * in_flight;
        if is_alike && self.recent > 0.0 {
            self.recent += RECENT_SHARE * (call_seconds - self.recent);
        } else {
            (self.recent, self.in_flight) = (call_seconds, in_flight);
        }
        if self.seconds <= 0.0 {
            self.seconds = self.recent;
        }
        self.recent
    }

    /// The round was good: the floor goes down to it, or, if next to nothing queued, up.
    pub(super) fn learn(&mut self, recent: f64, is_empty: bool) {
        if recent < self.seconds {
            self.seconds += DOWN_SHARE * (recent - self.seconds);
        } else if is_empty {
            self.seconds += UP_SHARE * (recent - self.seconds);
        }
    }

    /// Calls take so long by themselves.
    pub(super) const fn set(&mut self, seconds: f64) {
        (self.seconds, self.recent) = (seconds, seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_with_as_many_out_are_averaged_and_others_begin_anew() {
        let mut floor = Floor::default();
        assert!((floor.look(0.1, 20.0) - 0.1).abs() < 1e-12);
        assert!((floor.look(0.2, 24.0) - 0.13).abs() < 1e-12);
        assert!((floor.look(0.2, 40.0) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn it_goes_down_faster_than_up_and_up_only_without_a_queue() {
        let mut floor = Floor::default();
        floor.set(0.2);
        floor.learn(0.1, false);
        assert!((floor.seconds() - 0.175).abs() < 1e-12);
        floor.learn(0.275, true);
        assert!((floor.seconds() - 0.18).abs() < 1e-12);
        floor.learn(0.3, false);
        assert!((floor.seconds() - 0.18).abs() < 1e-12);
    }
}
