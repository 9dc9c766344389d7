//! Shares, floors, and the order against a plain statement of it.

#![expect(
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "helpers of tests fail as tests do, and count few things"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{FlowId, Flows, PLAIN};
use crate::{Class, Key, Priority};

fn class(name: u32, share: u32) -> Class {
    Class::default().key(Key::new(name)).share(share)
}

/// Keys that always have calls waiting, through a limit, each call one turn long.
struct Saturated {
    flows: Flows,
    ids: Vec<FlowId>,
    shares: Vec<u32>,
    got: Vec<u64>,
    held: Vec<u32>,
}

impl Saturated {
    fn new(shares: &[u32]) -> Self {
        let mut flows = Flows::default();
        let ids = (0_u32..).zip(shares).map(|(name, &share)| {
            let id = flows.open(&class(name, share));
            flows.join(id, 1);
            flows.join(id, 1);
            id
        });
        let ids: Vec<_> = ids.collect();
        Self { flows, got: vec![0; ids.len()], held: vec![0; ids.len()], ids, shares: shares.to_vec() }
    }

    fn grant(&mut self) -> usize {
        let id = self.flows.next().unwrap();
        let index = self.ids.iter().position(|&other| other == id).unwrap();
        self.flows.grant(id, 1, 1);
        self.flows.join(id, 1);
        self.got[index] += 1;
        self.held[index] += 1;
        index
    }

    fn release(&mut self, index: usize) {
        self.flows.exit(self.ids[index], 1);
        self.held[index] -= 1;
    }

    fn total_share(&self) -> u64 {
        self.shares.iter().map(|&share| u64::from(share)).sum()
    }

    /// How far the worst key is from its share of what was given, in permits.
    fn error(&self) -> f64 {
        let total: u64 = self.got.iter().sum();
        let exact = |index: usize| total as f64 * f64::from(self.shares[index]) / self.total_share() as f64;
        (0..self.ids.len()).map(|i| (self.got[i] as f64 - exact(i)).abs()).fold(0.0, f64::max)
    }
}

proptest! {
    /// The promise of the module: at a limit of one, after any number of turns.
    #[test]
    fn no_key_is_ever_more_than_one_permit_from_its_share(
        shares in prop::collection::vec(1_u32..100, 1..12),
        turns in 1_usize..400,
    ) {
        let mut keys = Saturated::new(&shares);
        for _ in 0..turns {
            let index = keys.grant();
            keys.release(index);
            prop_assert!(keys.error() <= 1.0 + 1e-6, "{} {:?}", keys.error(), keys.got);
        }
    }

    /// Whatever calls end first: a key never holds more than its share of the limit, rounded up.
    #[test]
    fn long_calls_do_not_gather_permits(
        shares in prop::collection::vec(1_u32..20, 2..8),
        limit in 1_u32..20,
        ends in prop::collection::vec(any::<prop::sample::Index>(), 200),
    ) {
        let mut keys = Saturated::new(&shares);
        for end in ends {
            while keys.held.iter().sum::<u32>() < limit {
                let index = keys.grant();
                let most = (u64::from(limit) * u64::from(shares[index])).div_ceil(keys.total_share());
                prop_assert!(u64::from(keys.held[index]) <= most, "{:?} of {limit}, {shares:?}", keys.held);
            }
            let holders: Vec<_> = (0..keys.ids.len()).filter(|&i| keys.held[i] > 0).collect();
            keys.release(holders[end.index(holders.len())]);
        }
    }

    /// Random joins, grants, cancels and returns: the counts hold, and nothing is remembered in the end.
    #[test]
    fn everything_is_forgotten_once_it_is_over(ops in prop::collection::vec((0_u8..4, 0_u32..5, 1_u32..4), 0..300)) {
        let mut flows = Flows::default();
        let mut waiting: BTreeMap<FlowId, Vec<u32>> = BTreeMap::new();
        let mut held: Vec<(FlowId, u32)> = Vec::new();
        for (op, name, weight) in ops {
            match op {
                0 => {
                    let priority = Priority::ALL[name as usize % 3];
                    let id = flows.open(&class(name, name + 1).priority(priority));
                    flows.join(id, weight);
                    waiting.entry(id).or_default().push(weight);
                }
                1 => if let Some(id) = flows.next() {
                    let wants = waiting.get_mut(&id).unwrap();
                    let wanted = wants.pop().unwrap();
                    flows.grant(id, wanted, wanted);
                    held.push((id, wanted));
                }
                2 => if let Some((&id, wants)) = waiting.iter_mut().find(|(_, wants)| !wants.is_empty()) {
                    flows.quit(id, wants.pop().unwrap());
                }
                _ => if let Some((id, permits)) = held.pop() {
                    flows.exit(id, permits);
                }
            }
            waiting.retain(|_, wants| !wants.is_empty());
            let wanted: u64 = waiting.values().flatten().map(|&weight| u64::from(weight)).sum();
            prop_assert_eq!(flows.wanted(), wanted);
            prop_assert_eq!(flows.next().is_some(), wanted > 0);
        }
        for (id, wants) in waiting {
            wants.into_iter().for_each(|wanted| flows.quit(id, wanted));
        }
        held.into_iter().for_each(|(id, permits)| flows.exit(id, permits));
        prop_assert_eq!(flows.keyed(), 0);
        prop_assert_eq!(flows.tracked, 0);
    }
}

/// A heavy key among fifty light ones has its turns spread, not fifty in a row.
#[test]
fn a_heavy_key_does_not_wait_for_all_the_light_ones() {
    let mut shares = vec![1; 51];
    shares[0] = 50;
    let mut keys = Saturated::new(&shares);
    for turn in 0..1000 {
        let index = keys.grant();
        keys.release(index);
        assert!(keys.error() <= 1.0 + 1e-6, "turn {turn}: {:?}", keys.got);
    }
}

/// A light key with one call at a time gets its share and no more: going away does not pay a debt.
#[test]
fn leaving_and_coming_back_is_no_way_to_more_than_the_share() {
    let mut flows = Flows::default();
    let (heavy, light) = (class(1, 9), class(2, 1));
    let (mut got_heavy, mut got_light) = (0, 0);
    let heavy = flows.open(&heavy);
    flows.join(heavy, 1);
    flows.join(heavy, 1);
    let mut light_id = flows.open(&light);
    flows.join(light_id, 1);
    for _ in 0..1000 {
        let id = flows.next().unwrap();
        flows.grant(id, 1, 1);
        if id == heavy {
            got_heavy += 1;
            flows.join(heavy, 1);
            flows.exit(id, 1);
        } else {
            got_light += 1;
            flows.exit(id, 1);
            light_id = flows.open(&light);
            flows.join(light_id, 1);
        }
    }
    assert!((99..=101).contains(&got_light), "{got_light} of {}", got_light + got_heavy);
}

/// Who lent its share has it back within one service time: the first permits that come free are its own.
#[test]
fn a_lent_share_comes_back_at_once() {
    let mut keys = Saturated::new(&[1, 1]);
    let lender = keys.ids[1];
    keys.flows.quit(lender, 1);
    keys.flows.quit(lender, 1);
    for _ in 0..10 {
        assert_eq!(keys.grant(), 0, "nobody else waits");
    }
    lender_returns(&mut keys);
    for freed in 1..=5 {
        keys.release(0);
        assert_eq!(keys.grant(), 1, "after {freed} came back");
    }
}

fn lender_returns(keys: &mut Saturated) {
    let id = keys.flows.open(&class(1, 1));
    keys.ids[1] = id;
    keys.flows.join(id, 1);
    keys.flows.join(id, 1);
}

#[test]
fn a_lower_priority_gets_one_permit_in_ten() {
    let mut flows = Flows::default();
    let ids = Priority::ALL.map(|priority| {
        let id = flows.open(&Class::default().priority(priority));
        flows.join(id, 1);
        flows.join(id, 1);
        id
    });
    let mut got = [0; 3];
    for _ in 0..1100 {
        let id = flows.next().unwrap();
        flows.grant(id, 1, 1);
        flows.join(id, 1);
        flows.exit(id, 1);
        got[ids.iter().position(|&other| other == id).unwrap()] += 1;
    }
    assert!(got[0] >= 110, "low {got:?}");
    assert!(got[1] >= 90, "normal {got:?}");
    assert!(got[2] >= 850, "high {got:?}");
}

#[test]
fn the_plain_flow_holds_what_nobody_else_does() {
    let mut flows = Flows::default();
    let keyed = flows.open(&class(1, 1));
    flows.enter(keyed, 3);
    flows.set_plain(true, 5);
    assert_eq!(flows.get(PLAIN).in_flight, 2);
    assert_eq!(flows.next(), Some(PLAIN));
    flows.exit(keyed, 3);
    flows.set_plain(false, 2);
    assert_eq!(flows.get(PLAIN).in_flight, 2);
    assert_eq!(flows.next(), None);
}

/// Two keys of equal share at a limit of two, one with a long call; the other's line is empty for a moment; then the limit
/// is one. What the one with the long call missed is not saved up.
#[test]
fn what_a_full_key_missed_is_not_saved_up_while_it_waits_alone() {
    let mut keys = Saturated::new(&[1, 1]);
    let (first, second) = (keys.grant(), keys.grant());
    assert_ne!(first, second);
    for _ in 0..1000 {
        keys.release(1);
        assert_eq!(keys.grant(), 1, "the other holds its share");
    }
    let id = keys.ids[1];
    keys.flows.quit(id, 1);
    keys.flows.quit(id, 1);
    lender_returns(&mut keys);
    keys.release(0);
    keys.release(1);
    let turns = (0..5).map(|_| {
        let index = keys.grant();
        keys.release(index);
        index
    });
    assert!(turns.collect::<Vec<_>>()[..3].contains(&1));
}

#[test]
fn a_low_priority_pays_for_a_wide_call_though_it_waits_for_nothing_after_it() {
    let mut flows = Flows::default();
    flows.set_limit(100);
    let high = flows.open(&Class::default().priority(Priority::High));
    let low = flows.open(&Class::default().priority(Priority::Low));
    flows.join(high, 1);
    flows.join(high, 1);
    flows.join(low, 100);
    let mut got = [0, 0];
    for _ in 0..2000 {
        let id = flows.next().unwrap();
        let permits = if id == low { 100 } else { 1 };
        flows.grant(id, permits, permits);
        flows.exit(id, permits);
        flows.join(id, permits);
        got[usize::from(id == high)] += permits;
    }
    assert!(got[0] <= got[1] / 5, "low {} high {}", got[0], got[1]);
}

#[test]
fn a_share_that_rises_holds_from_then_on() {
    let mut flows = Flows::default();
    let (small, big) = (flows.open(&class(1, 1)), flows.open(&class(2, 1000)));
    for id in [small, big] {
        flows.join(id, 1);
        flows.join(id, 1);
    }
    let turn = |flows: &mut Flows| {
        let id = flows.next().unwrap();
        flows.grant(id, 1, 1);
        flows.join(id, 1);
        flows.exit(id, 1);
        id
    };
    while turn(&mut flows) != small {}
    flows.open(&class(1, 1000));
    let turns = (0..10).map(|_| turn(&mut flows)).collect::<Vec<_>>();
    assert!(turns.contains(&small), "{turns:?}");
}

/// The flow that was opened last is found without its key, so that it must not outlive it.
#[test]
fn a_flow_that_was_opened_last_and_forgotten_is_not_taken_for_the_one_that_came_after_it() {
    let mut flows = Flows::default();
    let come_and_go = |flows: &mut Flows, key| {
        let id = flows.open(&class(key, 1));
        flows.enter(id, 1);
        flows.exit(id, 1);
        id
    };
    let first = come_and_go(&mut flows, 1);
    let stays = flows.open(&class(2, 1));
    flows.enter(stays, 1);
    for other in 3..66 {
        come_and_go(&mut flows, other);
    }
    assert_eq!(come_and_go(&mut flows, 1), first);
    flows.exit(stays, 1);
    let (again, another) = (flows.open(&class(1, 1)), flows.open(&class(99, 1)));
    assert_ne!(again, another);
}
