//! Whose turn it is, as the header of `fair` says it, by searching all flows every time.
//!
//! Flows are never forgotten here, so that one the gate forgets too soon shows.

use std::collections::BTreeMap;

use super::super::fair::{FlowId, PLAIN};
use crate::{Class, Priority};

const PERMIT: u64 = 1 << 40;
const FLOOR: i64 = 9;

/// What a call waits under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name {
    Plain,
    Classed(Priority, Option<u64>),
}

impl Name {
    pub(super) fn of(class: &Class) -> Self {
        Self::Classed(class.priority, class.key.map(|key| key.0.get()))
    }

    pub(super) fn priority(self) -> Priority {
        match self {
            Self::Plain => Priority::Normal,
            Self::Classed(priority, _) => priority,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Flow {
    /// The gate's number of it, which decides between equals.
    pub(super) id: FlowId,
    pub(super) held: u32,
    share: u32,
    /// What each of its waiters wants. Of the plain flow only whether anybody waits, as one who wants nothing.
    wants: Vec<u32>,
    start: u128,
    /// Passed over since it holds its share.
    is_passed: bool,
}

impl Flow {
    fn wanted(&self) -> u64 {
        self.wants.iter().map(|&wanted| u64::from(wanted)).sum()
    }
}

#[derive(Debug, Default)]
struct Level {
    now: u128,
    latest: u128,
    credit: i64,
}

#[derive(Debug)]
pub(super) struct Shares {
    pub(super) flows: BTreeMap<Name, Flow>,
    levels: [Level; 3],
    pub(super) plain_wanted: u64,
}

impl Shares {
    pub(super) fn new() -> Self {
        let mut shares = Self { flows: BTreeMap::new(), levels: Default::default(), plain_wanted: 0 };
        shares.open(Name::Plain, 1);
        shares.flow(Name::Plain).id = PLAIN;
        shares
    }

    pub(super) fn flow(&mut self, name: Name) -> &mut Flow {
        self.flows.get_mut(&name).expect("opened before it is used")
    }

    pub(super) fn open(&mut self, name: Name, share: u32) {
        let new = Flow { id: 0, held: 0, share, wants: Vec::new(), start: 0, is_passed: false };
        let before = std::mem::replace(&mut self.flows.entry(name).or_insert(new).share, share);
        if before != share {
            let level = &mut self.levels[name.priority() as usize];
            let flow = self.flows.get_mut(&name).expect("it was just opened");
            if let Some(ahead) = flow.start.checked_sub(level.now) {
                flow.start = level.now + ahead * u128::from(before) / u128::from(share);
                level.latest = level.latest.max(flow.start);
            }
            self.recall(name);
        }
    }

    /// A flow that was passed over takes part again, with no more than one turn saved up.
    fn recall(&mut self, name: Name) {
        let now = self.levels[name.priority() as usize].now;
        let flow = self.flow(name);
        if std::mem::take(&mut flow.is_passed) {
            flow.start = flow.start.max(now.saturating_sub(u128::from(PERMIT / u64::from(flow.share))));
        }
    }

    fn waiting(&self, priority: Priority) -> Vec<Name> {
        let is_waiting = |(name, flow): (&Name, &Flow)| {
            (name.priority() == priority && !flow.wants.is_empty()).then_some(*name)
        };
        self.flows.iter().filter_map(is_waiting).collect()
    }

    fn sum(&self, priority: Priority, of: impl Fn(&Flow) -> u64) -> u64 {
        self.waiting(priority).iter().map(|name| of(&self.flows[name])).sum()
    }

    pub(super) fn join(&mut self, name: Name, wanted: u32) {
        let now = self.levels[name.priority() as usize].now;
        let flow = self.flow(name);
        if flow.wants.is_empty() {
            flow.start = flow.start.max(now);
        }
        flow.wants.push(wanted);
    }

    pub(super) fn quit(&mut self, name: Name, wanted: u32) {
        let flow = self.flow(name);
        let one = flow.wants.iter().position(|&other| other == wanted).expect("one who waits wants it");
        flow.wants.remove(one);
        if !flow.wants.is_empty() {
            return;
        }
        flow.is_passed = false;
        let left = self.waiting(name.priority());
        match left[..] {
            [] => {
                let level = &mut self.levels[name.priority() as usize];
                level.credit = level.credit.min(0);
                level.now = level.now.max(level.latest);
            }
            [alone] => self.recall(alone),
            _ => {}
        }
    }

    pub(super) fn grant(&mut self, name: Name, wanted: u32, given: u32) {
        self.note_turn(name.priority(), given);
        let shares = self.sum(name.priority(), |flow| u64::from(flow.share));
        let worth = u64::from(given) * PERMIT;
        let flow = self.flow(name);
        flow.start += u128::from(worth / u64::from(flow.share));
        flow.held += given;
        flow.is_passed = false;
        let start = flow.start;
        let level = &mut self.levels[name.priority() as usize];
        level.latest = level.latest.max(start);
        level.now += u128::from(worth / shares);
        if name != Name::Plain {
            self.quit(name, wanted);
        }
    }

    fn note_turn(&mut self, served: Priority, permits: u32) {
        let waiting = Priority::ALL.map(|priority| !self.waiting(priority).is_empty());
        let permits = i64::from(permits);
        if (served as usize + 1..3).any(|higher| waiting[higher]) {
            self.levels[served as usize].credit -= FLOOR * permits;
        } else {
            let level = &mut self.levels[served as usize];
            level.credit = level.credit.max(0);
        }
        for lower in (0..served as usize).filter(|&lower| waiting[lower]) {
            self.levels[lower].credit += permits;
        }
    }

    pub(super) fn exit(&mut self, name: Name, permits: u32) {
        self.flow(name).held -= permits;
        self.recall(name);
    }

    /// Permits held by all flows but the plain one.
    pub(super) fn tracked(&self) -> u32 {
        self.flows.iter().filter(|(name, _)| **name != Name::Plain).map(|(_, flow)| flow.held).sum()
    }

    /// Plain callers take part while they wait and others do.
    pub(super) fn part_plain(&mut self) {
        if !self.flow(Name::Plain).wants.is_empty() {
            self.quit(Name::Plain, 0);
        }
    }

    pub(super) fn next(&mut self, limit: u32, occupied: u32) -> Option<Name> {
        if self.plain_wanted == 0 {
            self.part_plain();
        } else if self.flow(Name::Plain).wants.is_empty() {
            self.join(Name::Plain, 0);
        }
        let held = occupied - self.tracked();
        if std::mem::replace(&mut self.flow(Name::Plain).held, held) != held {
            self.recall(Name::Plain);
        }
        let waiting = || Priority::ALL.into_iter().filter(|&priority| !self.waiting(priority).is_empty());
        let neglected = waiting().find(|&priority| self.levels[priority as usize].credit >= FLOOR);
        let priority = neglected.or_else(|| waiting().next_back())?;
        Some(self.next_of(priority, limit))
    }

    fn next_of(&mut self, priority: Priority, limit: u32) -> Name {
        let waiting = self.waiting(priority);
        if let [alone] = waiting[..] {
            return alone;
        }
        let shares = self.sum(priority, |flow| u64::from(flow.share));
        let held = self.sum(priority, |flow| u64::from(flow.held));
        let widest = waiting
            .iter()
            .flat_map(|name| &self.flows[name].wants)
            .max()
            .map_or(1, |&widest| widest.clamp(1, limit));
        let in_all = held + u64::from(widest);
        let is_full = |flow: &Flow| u64::from(flow.held) * shares >= in_all * u64::from(flow.share);
        let not_full: Vec<_> = waiting.iter().filter(|name| !is_full(&self.flows[name])).collect();
        not_full.into_iter().for_each(|&name| self.recall(name));
        loop {
            let now = self.levels[priority as usize].now;
            let deadline = |flow: &Flow| flow.start + u128::from(PERMIT / u64::from(flow.share));
            let order = |name: &&Name| {
                let flow = &self.flows[name];
                let is_early = flow.start > now;
                (is_early, if is_early { flow.start } else { deadline(flow) }, flow.id)
            };
            let &name = waiting
                .iter()
                .filter(|name| !self.flows[name].is_passed)
                .min_by_key(order)
                .expect("not all can be full");
            if is_full(&self.flows[&name]) {
                self.flow(name).is_passed = true;
                continue;
            }
            let level = &mut self.levels[priority as usize];
            level.now = level.now.max(self.flows[&name].start);
            return name;
        }
    }

    pub(super) fn wanted(&self) -> u64 {
        self.flows.values().map(Flow::wanted).sum::<u64>() + self.plain_wanted
    }

    /// The permits that go to others before a call that wants so many.
    pub(super) fn ahead(&self, name: Name, wanted: u32) -> u64 {
        let higher = Priority::ALL.into_iter().filter(|&other| other > name.priority());
        let higher: u64 = higher.map(|priority| self.sum(priority, Flow::wanted)).sum();
        let (before, beside) = match name.priority() {
            Priority::Low => (self.plain_wanted, 0),
            Priority::Normal => (0, self.plain_wanted),
            Priority::High => (0, 0),
        };
        let flow = &self.flows[&name];
        let share_of_newcomer = |name: Name| {
            let flow = &self.flows[&name];
            if flow.wants.is_empty() { u64::from(flow.share) } else { 0 }
        };
        let plain_share = if beside > 0 { share_of_newcomer(Name::Plain) } else { 0 };
        let shares =
            self.sum(name.priority(), |flow| u64::from(flow.share)) + plain_share + share_of_newcomer(name);
        let in_turn = (flow.wanted() + u64::from(wanted)) * shares / u64::from(flow.share);
        higher + before + (self.sum(name.priority(), Flow::wanted) + beside).min(in_turn - u64::from(wanted))
    }
}
