//! What callers, driver and owner can do to a gate, at random.

use std::time::Duration;

use proptest::prelude::*;

use super::super::queue::{QueueConfig, QueueLimit};
use super::super::{Kind, Line};
use crate::{Class, Key, Priority};

const MS: u64 = 1_000_000;

/// A number that names the nth of what there is, counted round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    TryFast(Kind),
    Try(Option<Class>),
    Enter(Kind, Line),
    /// With the nanoseconds left to the deadline.
    EnterClass(Class, Option<u64>),
    /// Polls a ticket, by the task that polled it last or by a new one.
    Poll(usize, bool),
    Cancel(usize),
    Release(usize),
    Unreserve,
    Claim,
    Limit(u32),
    Brake(bool),
    Shadow(bool),
    /// Other bounds of the queue.
    Queue(QueueConfig),
    /// A look of the driver so many nanoseconds after the last one.
    Look(u64),
    Pace(Option<f64>),
    Close,
    Room,
    Drain,
}

fn class() -> impl Strategy<Value = Class> {
    let key = prop::option::weighted(0.8, 0..5_u64);
    let share = prop_oneof![3 => Just(1), 1 => 1..10_u32];
    let weight = prop_oneof![3 => Just(1), 1 => 1..8_u32];
    let priority = prop::sample::select(&Priority::ALL);
    (key, share, weight, priority).prop_map(|(key, share, weight, priority)| {
        let class = Class::default().share(share).weight(weight).priority(priority);
        key.map_or(class, |key| class.key(Key::from_hash(key)))
    })
}

/// How often each kind of operation comes.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    pub(super) drop: u32,
    pub(super) close: u32,
}

pub(super) fn op(weights: Weights) -> impl Strategy<Value = Op> {
    let kind = prop::sample::select(&[Kind::Permit, Kind::Reservation]);
    let left = prop::option::weighted(0.3, 0..100 * MS);
    let pace = prop::sample::select(&[None, Some(0.0), Some(10.0), Some(1000.0)]);
    prop_oneof![
        4 => kind.clone().prop_map(Op::TryFast),
        2 => prop::option::of(class()).prop_map(Op::Try),
        6 => kind.prop_map(|kind| Op::Enter(kind, Line::Ordinary)),
        1 => Just(Op::Enter(Kind::Permit, Line::First)),
        20 => (class(), left).prop_map(|(class, left)| Op::EnterClass(class, left)),
        14 => (0..64_usize, prop::bool::weighted(0.2)).prop_map(|(index, is_new)| Op::Poll(index, is_new)),
        weights.drop => (0..64_usize).prop_map(Op::Cancel),
        2 * weights.drop => (0..64_usize).prop_map(Op::Release),
        2 => Just(Op::Unreserve),
        3 => Just(Op::Claim),
        4 => (1..7_u32).prop_map(Op::Limit),
        2 => prop::bool::weighted(0.3).prop_map(Op::Brake),
        2 => prop::bool::weighted(0.3).prop_map(Op::Shadow),
        1 => config().prop_map(Op::Queue),
        4 => (0..50 * MS).prop_map(Op::Look),
        1 => pace.prop_map(Op::Pace),
        weights.close => Just(Op::Close),
        2 => Just(Op::Room),
        1 => Just(Op::Drain),
    ]
}

pub(super) fn config() -> impl Strategy<Value = QueueConfig> {
    let limit =
        prop_oneof![(1..12_u32).prop_map(QueueLimit::Fixed), (1..5_u32).prop_map(QueueLimit::PerPermit)];
    let sojourn = prop::option::of(Just((Duration::from_millis(5), Duration::from_millis(40))));
    (limit, sojourn).prop_map(|(limit, sojourn)| QueueConfig { limit, sojourn })
}
