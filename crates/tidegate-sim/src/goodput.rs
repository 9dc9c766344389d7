use crate::num::{Nanos, SECOND};

/// Stretches of this many seconds are fair or unfair on their own.
const STRETCH: usize = 5;
const BIN: Nanos = SECOND / 10;

/// Experts done, of jobs that did not fail: when, and of which process.
#[derive(Clone, Debug)]
pub(crate) struct Goodput {
    /// Per tenth of a second.
    bins: Vec<u32>,
    /// Per process and second.
    by_process: Vec<Vec<u32>>,
}

impl Goodput {
    pub(crate) fn new(processes: usize, end: Nanos) -> Self {
        let seconds = place(end.saturating_sub(1), SECOND) + 1;
        Self {
            bins: vec![0; place(end.saturating_sub(1), BIN) + 1],
            by_process: vec![vec![0; seconds]; processes],
        }
    }

    pub(crate) fn add(&mut self, process: usize, at: Nanos) {
        let (bin, second) = self.counts(process, at);
        *bin += 1;
        *second += 1;
    }

    /// What was done at that moment turns out to be in vain.
    pub(crate) fn take_back(&mut self, process: usize, at: Nanos) {
        let (bin, second) = self.counts(process, at);
        *bin -= 1;
        *second -= 1;
    }

    /// What is done at the very end belongs to the last bin.
    fn counts(&mut self, process: usize, at: Nanos) -> (&mut u32, &mut u32) {
        let seconds = &mut self.by_process[process];
        let (last_bin, last_second) = (self.bins.len() - 1, seconds.len() - 1);
        (&mut self.bins[place(at, BIN).min(last_bin)], &mut seconds[place(at, SECOND).min(last_second)])
    }

    pub(crate) fn bins(&self) -> &[u32] {
        &self.bins
    }

    /// Experts done in the whole run by one process.
    pub(crate) fn total(&self, process: usize) -> u64 {
        self.by_process[process].iter().map(|&count| u64::from(count)).sum()
    }

    /// Jain's index of the processes' goodputs over the whole seconds of a span.
    pub(crate) fn jain(&self, from: Nanos, to: Nanos) -> f64 {
        self.jain_of(place(from + SECOND - 1, SECOND), place(to, SECOND))
    }

    /// The mean of that index over stretches of five seconds; over the span, if it is shorter than one.
    pub(crate) fn jain_5s(&self, from: Nanos, to: Nanos) -> f64 {
        let (from_s, to_s) = (place(from + SECOND - 1, SECOND), place(to, SECOND));
        let starts = (from_s..).step_by(STRETCH).take_while(|start| start + STRETCH <= to_s);
        let (mut sum, mut stretches) = (0.0, 0.0);
        for start in starts {
            sum += self.jain_of(start, start + STRETCH);
            stretches += 1.0;
        }
        if stretches > 0.0 { sum / stretches } else { self.jain(from, to) }
    }

    /// (Σx)² / (n Σx²), where all that have nothing are equal.
    fn jain_of(&self, from_s: usize, to_s: usize) -> f64 {
        let (mut sum, mut squares, mut processes) = (0.0, 0.0, 0.0);
        for seconds in &self.by_process {
            let span = seconds.iter().take(to_s).skip(from_s);
            let done: f64 = span.map(|&count| f64::from(count)).sum();
            sum += done;
            squares += done * done;
            processes += 1.0;
        }
        if squares > 0.0 { sum * sum / (processes * squares) } else { 1.0 }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a run is at most a day, in tenths of a second")]
const fn place(at: Nanos, width: Nanos) -> usize {
    (at / width) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn equal(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
    }

    /// In seconds 0 to 4 the first of two processes does all, in 5 to 9 the second.
    fn in_turn() -> Goodput {
        let mut goodput = Goodput::new(2, 10 * SECOND);
        for second in 0..10 {
            goodput.add(usize::from(second >= 5), second * SECOND + BIN);
        }
        goodput
    }

    #[test]
    fn what_is_fair_in_the_long_run_may_be_unfair_in_every_stretch() {
        let goodput = in_turn();
        equal(goodput.jain(0, 10 * SECOND), 1.0);
        equal(goodput.jain_5s(0, 10 * SECOND), 0.5);
        equal(goodput.jain(0, 8 * SECOND), 64.0 / (2.0 * (25.0 + 9.0)));
        equal(goodput.jain_5s(0, 4 * SECOND), 0.5);
        equal(goodput.jain(SECOND / 2, SECOND), 1.0);
        assert_eq!((goodput.total(0), goodput.total(1)), (5, 5));
    }

    #[test]
    fn work_is_counted_in_its_tenth_of_a_second_and_taken_back_there() {
        let mut goodput = Goodput::new(1, 3 * BIN);
        for at in [0, BIN - 1, BIN, 3 * BIN] {
            goodput.add(0, at);
        }
        assert_eq!(goodput.bins(), [2, 1, 1]);
        goodput.take_back(0, BIN);
        assert_eq!((goodput.bins(), goodput.total(0)), (&[2, 0, 1][..], 3));
    }
}
