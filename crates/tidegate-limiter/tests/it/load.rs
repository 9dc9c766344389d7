//! Keys that always have calls waiting, through a limiter, in a time of turns.

use std::collections::VecDeque;

use super::manual::{Call, Rig};
use tidegate_limiter::{Class, Key, Permit};
use tokio_test::assert_ready_ok;

/// Calls of each key that wait at any time.
const DEPTH: usize = 2;

pub(crate) struct Load<'a> {
    rig: &'a Rig,
    pub(crate) keys: Vec<Keyed>,
    running: Vec<Running>,
    turn: u64,
}

pub(crate) struct Keyed {
    class: Option<Class>,
    /// Turns that a call of it takes.
    length: u64,
    waiting: VecDeque<Call>,
    /// Permits it was given so far, and those it holds.
    pub(crate) given: u64,
    pub(crate) held: u32,
}

struct Running {
    ends: u64,
    key: usize,
    permit: Permit,
}

impl<'a> Load<'a> {
    pub(crate) const fn new(rig: &'a Rig) -> Self {
        Self { rig, keys: Vec::new(), running: Vec::new(), turn: 0 }
    }

    /// Keys of these shares, all calls one turn long, that begin to wait together.
    pub(crate) fn of_shares(rig: &'a Rig, shares: &[u32]) -> Self {
        let mut load = Self::new(rig);
        let held: Vec<_> = (0..rig.limiter.snapshot().limit).map(|_| rig.admitted(None)).collect();
        for (name, &share) in shares.iter().enumerate() {
            load.add(Class::default().key(Key::new(name)).share(share), 1);
        }
        load.start(held);
        load
    }

    /// A further key whose calls take so many turns.
    pub(crate) fn add(&mut self, class: impl Into<Option<Class>>, length: u64) {
        self.keys.push(Keyed { class: class.into(), length, waiting: VecDeque::new(), given: 0, held: 0 });
        self.fill();
    }

    /// Lets the keys have the permits that kept them waiting so far.
    pub(crate) fn start(&mut self, held: Vec<Permit>) {
        for permit in held {
            drop(permit);
            self.serve();
        }
    }

    /// The call that ends first ends, and another is admitted.
    pub(crate) fn step(&mut self) {
        let first = (0..self.running.len()).min_by_key(|&index| self.running[index].ends);
        let Running { ends, key, permit } = self.running.remove(first.unwrap());
        self.turn = ends;
        self.keys[key].held -= permit.weight();
        drop(permit);
        self.serve();
    }

    fn serve(&mut self) {
        for (index, key) in self.keys.iter_mut().enumerate() {
            while key.waiting.front().is_some_and(Call::is_woken) {
                let permit = assert_ready_ok!(key.waiting.pop_front().unwrap().poll());
                key.given += u64::from(permit.weight());
                key.held += permit.weight();
                self.running.push(Running { ends: self.turn + key.length, key: index, permit });
            }
            assert!(!key.waiting.iter().any(Call::is_woken), "a younger call of the key was served first");
        }
        let snapshot = self.rig.limiter.snapshot();
        assert!(snapshot.in_flight <= snapshot.limit, "{snapshot:?}");
        self.fill();
    }

    fn fill(&mut self) {
        for key in &mut self.keys {
            while key.waiting.len() < DEPTH {
                key.waiting.push_back(self.rig.waiting(key.class));
            }
        }
    }

    /// The calls of a key that begin to wait from now on are of this share.
    pub(crate) fn set_share(&mut self, key: usize, share: u32) {
        self.keys[key].class = self.keys[key].class.map(|class| class.share(share));
    }

    /// What each key was given, in permits.
    pub(crate) fn given(&self) -> Vec<u64> {
        self.keys.iter().map(|key| key.given).collect()
    }

    /// How far the worst key is from its share of what was given, in permits.
    pub(crate) fn error(&self, shares: &[u32]) -> f64 {
        let given: f64 = self.given().iter().map(|&permits| real(permits)).sum();
        let all: f64 = shares.iter().copied().map(f64::from).sum();
        let exact = |share: u32| given * f64::from(share) / all;
        let errors = self.keys.iter().zip(shares).map(|(key, &share)| (real(key.given) - exact(share)).abs());
        errors.fold(0.0, f64::max)
    }
}

/// The counts of a test are small.
fn real(permits: u64) -> f64 {
    f64::from(u32::try_from(permits).unwrap())
}
