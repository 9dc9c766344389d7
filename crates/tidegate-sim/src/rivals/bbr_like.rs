use std::collections::VecDeque;
use std::time::Duration;

use tidegate_core::{Outcome, Timestamp};

use super::{EndedCall, LIMIT_MAX, Rival, whole};

const INITIAL: f64 = 10.0;
const HIGH_GAIN: f64 = 2.885;
const GAIN: f64 = 2.0;
const RATE_ROUNDS: usize = 10;
const GROWTH: f64 = 1.25;
const FLAT_ROUNDS: u32 = 3;
const LATENCY_AGE: Duration = Duration::from_secs(10);
const PROBE_LIMIT: f64 = 4.0;
const PROBE_SPAN: Duration = Duration::from_millis(200);
const SMOOTHING: f64 = 1.0 / 8.0;
const ROUND_CALLS: f64 = 10.0;

/// BBR's model as a limit: Cardwell and others, BBR: congestion-based congestion control, ACM Queue 2016, and
/// draft-cardwell-iccrg-bbr-congestion-control-00.
///
/// The limit is the window of BBR: a gain times the product of the highest rate of 10 rounds and the lowest latency of 10 s.
/// At the start the gain is 2.885, until the rate has not grown by 25% for 3 rounds; then the surplus drains; from then on it
/// is 2. A lowest latency that is 10 s old is measured anew with 4 permits for 200 ms and a round.
///
/// There a round is the trip of a packet and the latency a single trip's; with service times that scatter both would be the
/// luck of one call. So a round lasts for the smoothed latency and 10 calls here, and its latency is that of Little's law,
/// permits out by rate: the mean of the calls that end in it would favour the short ones whenever more are let in.
/// BBR also paces its packets, and probes with the pace; a limiter has no pace, and its calls end when they end.
/// Losses count as nothing, as in BBR's first version. Never below 4, which is part of the law.
#[derive(Debug)]
pub(super) struct BbrLike {
    limit: f64,
    mode: Mode,
    round: Round,
    /// Calls done per second in the last rounds.
    rates: VecDeque<f64>,
    /// The lowest mean latency of a round in seconds, and when it was seen.
    lowest: f64,
    lowest_at: Timestamp,
    smoothed: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Startup { best: f64, flat: u32 },
    Drain,
    Cruise,
    Probe { is_drained: bool },
}

#[derive(Debug, Default)]
struct Round {
    since: Timestamp,
    done: f64,
    in_flight_sum: f64,
    reached_limit: bool,
}

impl BbrLike {
    pub(super) fn new() -> Self {
        Self {
            limit: INITIAL,
            mode: Mode::Startup { best: 0.0, flat: 0 },
            round: Round::default(),
            rates: VecDeque::new(),
            lowest: f64::INFINITY,
            lowest_at: Timestamp::default(),
            smoothed: 0.0,
        }
    }

    /// What the model says is in flight when nothing queues.
    fn product(&self) -> f64 {
        self.rates.iter().copied().fold(0.0, f64::max) * self.lowest
    }

    fn is_round_over(&self, now: Timestamp) -> bool {
        let mut least = Duration::from_secs_f64(self.smoothed);
        if self.mode == (Mode::Probe { is_drained: true }) {
            least = least.max(PROBE_SPAN);
        }
        now.since(self.round.since) >= least && self.round.done >= ROUND_CALLS
    }

    fn end_round(&mut self, now: Timestamp, in_flight: f64) {
        let round = std::mem::replace(&mut self.round, Round { since: now, ..Round::default() });
        let rate = round.done / now.since(round.since).as_secs_f64().max(f64::MIN_POSITIVE);
        let is_proof = round.reached_limit || self.rates.iter().all(|known| rate > *known);
        if is_proof && !matches!(self.mode, Mode::Probe { .. }) {
            self.rates.push_back(rate);
            if self.rates.len() > RATE_ROUNDS {
                self.rates.pop_front();
            }
        }
        let latency = round.in_flight_sum / round.done / rate;
        let is_old = now.since(self.lowest_at) > LATENCY_AGE;
        if latency <= self.lowest || is_old {
            (self.lowest, self.lowest_at) = (latency, now);
        }
        self.mode = match self.mode {
            Mode::Probe { is_drained: false } => Mode::Probe { is_drained: in_flight <= PROBE_LIMIT },
            Mode::Probe { is_drained: true } => {
                (self.lowest, self.lowest_at) = (latency, now);
                Mode::Cruise
            }
            _ if is_old => Mode::Probe { is_drained: false },
            mode => self.next_mode(mode, rate, round.reached_limit, in_flight),
        };
        let gain = match self.mode {
            Mode::Startup { .. } => HIGH_GAIN,
            Mode::Drain => 1.0,
            Mode::Cruise => GAIN,
            Mode::Probe { .. } => 0.0,
        };
        self.limit = (gain * self.product()).clamp(PROBE_LIMIT, LIMIT_MAX);
    }

    fn next_mode(&self, mode: Mode, rate: f64, reached_limit: bool, in_flight: f64) -> Mode {
        match mode {
            Mode::Startup { best, .. } if rate >= GROWTH * best => Mode::Startup { best: rate, flat: 0 },
            Mode::Startup { flat, .. } if reached_limit && flat + 1 == FLAT_ROUNDS => Mode::Drain,
            Mode::Startup { best, flat } => Mode::Startup { best, flat: flat + u32::from(reached_limit) },
            Mode::Drain if in_flight > self.product() => Mode::Drain,
            Mode::Cruise | Mode::Drain | Mode::Probe { .. } => Mode::Cruise,
        }
    }
}

impl Rival for BbrLike {
    fn limit(&self) -> u32 {
        whole(self.limit)
    }

    fn admitted(&mut self, _now: Timestamp, in_flight: u32) {
        self.round.reached_limit |= in_flight >= self.limit();
    }

    fn ended(&mut self, call: &EndedCall) {
        let latency = call.latency.as_secs_f64();
        if call.outcome != Outcome::Success || latency <= 0.0 {
            return;
        }
        self.smoothed += (latency - self.smoothed) * if self.smoothed > 0.0 { SMOOTHING } else { 1.0 };
        self.round.done += 1.0;
        self.round.in_flight_sum += f64::from(call.in_flight_at_end);
        if self.is_round_over(call.now) {
            self.end_round(call.now, call.in_flight_at_end.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::tests::call;

    /// A second with `done` calls and the limit reached, which `in_flight` permits were out for; mode and limit after it.
    fn round(law: &mut BbrLike, done: u32, in_flight: u32) -> (Mode, u32) {
        law.admitted(law.round.since, law.limit());
        unused_round(law, done, in_flight)
    }

    /// The same without the limit reached.
    fn unused_round(law: &mut BbrLike, done: u32, in_flight: u32) -> (Mode, u32) {
        let end = law.round.since + Duration::from_secs(1);
        for number in 1..=done {
            law.smoothed = 1.0;
            let mut ended = call(0, 1_000, in_flight, Outcome::Success);
            ended.now = if number < done { law.round.since } else { end };
            law.ended(&ended);
        }
        (law.mode, law.limit())
    }

    #[test]
    fn the_formula_by_hand() {
        let mut law = BbrLike::new();
        // Calls in a second, permits out, mode and limit after it; the latency is permits by calls.
        let startup = |best, flat| Mode::Startup { best, flat };
        let rows = [
            (100, 10, startup(100.0, 0), 28), // 2.885 · 100/s · 0.1 s
            (280, 28, startup(280.0, 0), 80),
            (300, 75, startup(280.0, 1), 86), // 2.885 · 300/s · 0.1 s
            (290, 86, startup(280.0, 2), 86),
            (307, 86, Mode::Drain, 30),
            (300, 31, Mode::Drain, 30),
            (300, 30, Mode::Cruise, 61),
            (318, 61, Mode::Cruise, 63), // 2 · 318/s · 0.1 s
            (300, 27, Mode::Cruise, 57), // 2 · 318/s · 0.09 s
        ];
        for (done, in_flight, mode, limit) in rows {
            assert_eq!(round(&mut law, done, in_flight), (mode, limit), "{done} {in_flight}");
        }
    }

    #[test]
    fn rounds_that_never_reached_the_limit_prove_nothing() {
        let mut law = BbrLike::new();
        round(&mut law, 100, 10);
        for _ in 0..5 {
            law.admitted(law.round.since, law.limit() - 1);
            assert_eq!(unused_round(&mut law, 50, 5).0, Mode::Startup { best: 100.0, flat: 0 });
        }
        assert_eq!(law.rates, [100.0]);
    }

    #[test]
    fn an_old_latency_is_measured_anew_with_four_permits() {
        let mut law = BbrLike::new();
        law.mode = Mode::Cruise;
        for _ in 0..13 {
            assert_eq!(round(&mut law, 100, 20).0, Mode::Cruise, "each was as low as the lowest");
        }
        for _ in 0..10 {
            assert_eq!(round(&mut law, 100, 30).0, Mode::Cruise);
        }
        let probe = |is_drained| (Mode::Probe { is_drained }, 4);
        assert_eq!(round(&mut law, 100, 30), probe(false));
        assert_eq!(round(&mut law, 100, 5), probe(false));
        assert_eq!(round(&mut law, 40, 4), probe(true));
        // 2 · 100/s · 4 / 26 s: the rates of the probe do not count.
        assert_eq!(round(&mut law, 26, 4), (Mode::Cruise, 30));
    }

    #[test]
    fn old_rates_are_forgotten_after_ten_rounds() {
        let mut law = BbrLike::new();
        law.mode = Mode::Cruise;
        round(&mut law, 200, 20);
        for _ in 0..9 {
            round(&mut law, 100, 20);
        }
        assert!((law.product() - 20.0).abs() < 1e-9);
        round(&mut law, 100, 20);
        assert!((law.product() - 10.0).abs() < 1e-9);
    }
}
