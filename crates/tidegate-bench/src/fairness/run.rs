//! One run: the real limiter, and keys that never have fewer calls waiting than they can use.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;
use tidegate_limiter::{Acquire, Class, Key, Limiter, Permit};

use super::world::{SERVICE_TIME, Service};
use crate::executor::poll_once;
use crate::failure::Failure;
use crate::num::{round3, to_f64};

/// How long a run is, in service times of a short call.
pub(super) const SERVICE_TIMES: u32 = 2000;

/// What came out of a run. Errors are in permits, waits in turns.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    /// Permits that each key held, averaged over time.
    held: Vec<f64>,
    /// The largest distance of `held` from the share of the limit.
    pub(super) error: f64,
    /// The largest distance, at any moment, between a key's permits so far and its share of all permits so far. Only where
    /// every call takes the same time: elsewhere it is not permits but time that is shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error_at_any_moment: Option<f64>,
    /// The longest that the lightest key's oldest call waited as the oldest; and the time between two of that
    /// key's permits if they came evenly.
    pub(super) longest_wait: f64,
    pub(super) ideal_wait: f64,
    /// The same from the moment the call came.
    longest_wait_in_queue: f64,
    ideal_wait_in_queue: f64,
    /// The most permits out at once.
    peak_in_flight: u32,
}

/// Divides `limit` by `shares` among keys that always wait.
///
/// # Errors
///
/// If more permits are out than the limit, or if a permit that came back was not handed to the oldest call of a key.
pub(super) fn run(limit: u32, shares: &[u32], service: Service, seed: u64) -> Result<Run, Failure> {
    let mut plant = Plant::saturated(limit, shares, service, seed)?;
    while plant.step()? {}
    Ok(plant.read())
}

/// A call that waits, and since when.
struct Waiting {
    call: Pin<Box<Acquire>>,
    since: Duration,
}

/// A key and what was seen of it.
struct Caller {
    class: Class,
    line: VecDeque<Waiting>,
    /// Its part of the whole.
    share: f64,
    in_flight: u32,
    granted: u64,
    /// Permits held, summed over time, in permit-seconds.
    held: f64,
    /// Since when its oldest call is the oldest.
    head_since: Duration,
    longest_at_head: Duration,
    longest_in_queue: Duration,
}

struct Plant {
    limiter: Limiter,
    limit: u32,
    service: Service,
    rng: Rng,
    now: Duration,
    callers: Vec<Caller>,
    /// The permits that are out, and whose they are: those of nobody fill the limiter until everybody waits.
    slots: Vec<(Option<Permit>, Option<usize>)>,
    /// When which slot's call ends; what was begun first ends first among equals.
    ends: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    granted: u64,
    error_at_any_moment: f64,
    peak_in_flight: u32,
}

impl Plant {
    /// All permits are out and every key waits. The permits come free evenly over one service time.
    fn saturated(limit: u32, shares: &[u32], service: Service, seed: u64) -> Result<Self, Failure> {
        let (limiter, _driver) =
            Limiter::builder().name("fairness").fixed(limit).build_manual().map_err(Failure::work)?;
        let whole: u32 = shares.iter().sum();
        let callers = shares.iter().zip(0_u32..).map(|(&share, number)| Caller {
            class: Class::default().key(Key::new(number)).share(share),
            line: VecDeque::new(),
            share: f64::from(share) / f64::from(whole),
            in_flight: 0,
            granted: 0,
            held: 0.0,
            head_since: Duration::ZERO,
            longest_at_head: Duration::ZERO,
            longest_in_queue: Duration::ZERO,
        });
        let mut plant = Self {
            limit,
            service,
            rng: Rng::with_seed(seed),
            now: Duration::ZERO,
            callers: callers.collect(),
            slots: Vec::new(),
            ends: BinaryHeap::new(),
            granted: 0,
            error_at_any_moment: 0.0,
            peak_in_flight: 0,
            limiter,
        };
        for (slot, number) in (1..=limit).enumerate() {
            let permit = plant.limiter.try_acquire().map_err(Failure::work)?;
            plant.slots.push((Some(permit), None));
            plant.ends.push(Reverse((SERVICE_TIME * number / limit, 0, slot)));
        }
        for key in 0..shares.len() {
            for _ in 0..line_length(limit) {
                plant.line_up(key)?;
            }
        }
        Ok(plant)
    }

    /// One more call of this key begins to wait.
    fn line_up(&mut self, key: usize) -> Result<(), Failure> {
        let caller = &mut self.callers[key];
        let mut call = Box::pin(self.limiter.acquire_with(caller.class));
        if poll_once(call.as_mut()).is_ready() {
            return Err(Failure::work("a call of a key was admitted or refused past those that wait"));
        }
        caller.line.push_back(Waiting { call, since: self.now });
        Ok(())
    }

    /// The next call ends and its permit goes to who is next; whether it was before the end of the run.
    fn step(&mut self) -> Result<bool, Failure> {
        let Some(Reverse((end, _, slot))) = self.ends.pop() else {
            return Err(Failure::work("no permit is out though everybody waits"));
        };
        let last = SERVICE_TIME * (SERVICE_TIMES + 1);
        self.advance(end.min(last));
        if end > last {
            return Ok(false);
        }
        let (permit, whose) = std::mem::take(&mut self.slots[slot]);
        drop(permit);
        if let Some(key) = whose {
            self.callers[key].in_flight -= 1;
        }
        let (key, permit) = self.granted()?;
        self.slots[slot] = (Some(permit), Some(key));
        self.ends.push(Reverse((self.now + self.service.draw(key, &mut self.rng), self.granted, slot)));
        self.note_grant(key);
        self.line_up(key)?;
        self.check_in_flight()?;
        Ok(true)
    }

    /// Lets time pass. What is held counts from the end of the first service time, when all permits are the keys'.
    fn advance(&mut self, now: Duration) {
        let span = now.saturating_sub(self.now.max(SERVICE_TIME)).as_secs_f64();
        for caller in &mut self.callers {
            caller.held += f64::from(caller.in_flight) * span;
        }
        self.now = now;
    }

    /// Whose oldest call has the permit that came back.
    fn granted(&mut self) -> Result<(usize, Permit), Failure> {
        for (key, caller) in self.callers.iter_mut().enumerate() {
            let Some(oldest) = caller.line.front_mut() else { continue };
            if let Poll::Ready(got) = poll_once(oldest.call.as_mut()) {
                return Ok((key, got.map_err(Failure::work)?));
            }
        }
        Err(Failure::work("a permit came back and no oldest call of a key has it"))
    }

    /// The oldest call of this key was admitted now.
    fn note_grant(&mut self, key: usize) {
        let caller = &mut self.callers[key];
        caller.note_wait(self.now);
        caller.line.pop_front();
        caller.head_since = self.now;
        caller.in_flight += 1;
        caller.granted += 1;
        self.granted += 1;
        for caller in &self.callers {
            let error = (to_f64(caller.granted) - caller.share * to_f64(self.granted)).abs();
            self.error_at_any_moment = self.error_at_any_moment.max(error);
        }
    }

    fn check_in_flight(&mut self) -> Result<(), Failure> {
        let in_flight = self.limiter.snapshot().in_flight;
        self.peak_in_flight = self.peak_in_flight.max(in_flight);
        if in_flight == self.limit {
            return Ok(());
        }
        Err(Failure::work(format_args!(
            "{in_flight} permits are out, allowed is the limit of {}",
            self.limit
        )))
    }

    /// What was seen, at the end of the run. A call that waits still has waited too.
    fn read(mut self) -> Run {
        for caller in &mut self.callers {
            caller.note_wait(self.now);
        }
        let limit = f64::from(self.limit);
        let held: Vec<f64> =
            self.callers.iter().map(|caller| caller.held / f64::from(SERVICE_TIMES)).collect();
        let off = |(held, caller): (&f64, &Caller)| (held - caller.share * limit).abs();
        let error = held.iter().zip(&self.callers).map(off).fold(0.0, f64::max);
        let lightest = self.callers.len() - 1;
        let Caller { share, longest_at_head, longest_in_queue, .. } = self.callers[lightest];
        let turns = |wait: Duration| round3(wait.as_secs_f64() / SERVICE_TIME.as_secs_f64() * limit);
        let own = self.service.mean(lightest).as_secs_f64() / SERVICE_TIME.as_secs_f64();
        Run {
            held: held.into_iter().map(round3).collect(),
            error: round3(error),
            error_at_any_moment: matches!(self.service, Service::Equal)
                .then(|| round3(self.error_at_any_moment)),
            longest_wait: turns(longest_at_head),
            ideal_wait: round3(own / share),
            longest_wait_in_queue: turns(longest_in_queue),
            ideal_wait_in_queue: round3(own / share * f64::from(line_length(self.limit))),
            peak_in_flight: self.peak_in_flight,
        }
    }
}

impl Caller {
    fn note_wait(&mut self, now: Duration) {
        self.longest_at_head = self.longest_at_head.max(now - self.head_since);
        if let Some(oldest) = self.line.front() {
            self.longest_in_queue = self.longest_in_queue.max(now - oldest.since);
        }
    }
}

/// How many calls of each key wait at any time: more than could be admitted at once.
const fn line_length(limit: u32) -> u32 {
    3 * limit + 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_those_of_the_classes_and_not_of_the_harness() {
        // With the shares of the callers swapped, the error is all that the two shares differ by.
        let mut plant = Plant::saturated(10, &[9, 1], Service::Equal, 1).unwrap();
        let shares = [plant.callers[1].share, plant.callers[0].share];
        plant.callers.iter_mut().zip(shares).for_each(|(caller, share)| caller.share = share);
        while plant.step().unwrap() {}
        let run = plant.read();
        assert!((run.error - 8.0).abs() < 0.01, "{run:?}");
    }

    #[test]
    fn a_seed_gives_one_run() {
        let run = |seed| format!("{:?}", run(3, &[7, 2, 1], Service::Exponential, seed).unwrap());
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
