use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use super::{Flow, FlowId, PLAIN};

/// One permit at a share of one, in units of virtual time. Shares are at most 10⁶ and weights at most 2²⁰, so that a
/// permit's cost is exact to one part in 2²⁰ and `weight · PERMIT` fits into 64 bits.
const PERMIT: u64 = 1 << 40;

/// Where a flow stands among those of its level, and by what it is ordered there.
pub(super) type Place = (Zone, u128);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Zone {
    /// Its start has come; by deadline.
    Ready,
    /// Its start has not come; by start.
    Early,
    /// It holds its share already; by permits held per share.
    Full,
    /// It waits for nothing but has had more than its share, and is remembered until that is made up; by start.
    Owing,
}

/// The flows of one priority. While only one of them waits it stands in no order at all.
#[derive(Debug, Default)]
pub(super) struct Level {
    now: u128,
    /// The latest start given.
    latest: u128,
    places: BTreeSet<(Zone, u128, FlowId)>,
    sole: Option<FlowId>,
    /// How many flows wait, their shares, the permits they hold, and the permits they want.
    waiting: u32,
    shares: u64,
    held: u64,
    wanted: u64,
    /// How many calls wait that want more than one permit, by what they want.
    wide: BTreeMap<u32, u32>,
    /// What lower levels have saved up for a turn of their own.
    pub(super) credit: i64,
}

impl Level {
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting > 0
    }

    pub(super) fn wanted(&self) -> u64 {
        self.wanted
    }

    /// The permits that go to others of the level before a call of this flow that wants so many, where one more flow of the
    /// given share wants so many `more` permits.
    pub(super) fn ahead(&self, flow: &Flow, wanted: u32, more: u64, share: u32) -> u64 {
        let own = if flow.waiting > 0 { 0 } else { u64::from(flow.share) };
        let shares = self.shares + u64::from(share) + own;
        // What the level is given until this flow has been given what it wants, with all others going on waiting.
        let in_turn = (flow.wanted + u64::from(wanted)).saturating_mul(shares) / u64::from(flow.share);
        (self.wanted + more).min(in_turn.saturating_sub(u64::from(wanted)))
    }

    /// Whether the flow must be remembered.
    pub(super) fn keeps(&mut self, flows: &mut [Flow], id: FlowId) -> bool {
        let flow = &flows[id as usize];
        if flow.waiting > 0 || flow.in_flight > 0 || flow.place.is_some() {
            return true;
        }
        let owes = self.is_waiting() && flow.start > self.now;
        if owes {
            self.put(flows, id, (Zone::Owing, flows[id as usize].start));
        }
        owes
    }

    pub(super) fn join(&mut self, flows: &mut [Flow], id: FlowId, wanted: u32) {
        let flow = &mut flows[id as usize];
        flow.waiting += 1;
        flow.wanted += u64::from(wanted);
        self.wanted += u64::from(wanted);
        if wanted > 1 {
            *self.wide.entry(wanted).or_default() += 1;
        }
        if flow.waiting > 1 {
            return;
        }
        flow.start = flow.start.max(self.now);
        self.shares += u64::from(flow.share);
        self.held += u64::from(flow.in_flight);
        self.waiting += 1;
        self.take_out(flows, id);
        if self.waiting == 1 {
            self.sole = Some(id);
            return;
        }
        if let Some(other) = self.sole.take() {
            self.put_by_start(flows, other);
        }
        self.put_by_start(flows, id);
    }

    /// A call waits no longer; whether it was the last of its flow.
    #[inline]
    pub(super) fn quit(&mut self, flows: &mut [Flow], id: FlowId, wanted: u32) -> bool {
        let flow = &mut flows[id as usize];
        flow.waiting -= 1;
        flow.wanted -= u64::from(wanted);
        self.wanted -= u64::from(wanted);
        let is_last = flow.waiting == 0;
        if wanted > 1 {
            self.forget_wide(wanted);
        }
        if is_last {
            self.part(flows, id);
        }
        is_last
    }

    #[inline(never)]
    fn forget_wide(&mut self, wanted: u32) {
        if let Entry::Occupied(mut alike) = self.wide.entry(wanted) {
            *alike.get_mut() -= 1;
            if *alike.get() == 0 {
                alike.remove();
            }
        }
    }

    /// A flow waits no longer.
    #[inline(never)]
    fn part(&mut self, flows: &mut [Flow], id: FlowId) {
        let flow = &flows[id as usize];
        self.shares -= u64::from(flow.share);
        self.held -= u64::from(flow.in_flight);
        self.waiting -= 1;
        self.take_out(flows, id);
        match self.waiting {
            0 => {
                // Nobody competes, so nobody owes anything any more.
                self.sole = None;
                // What it had before its turn it still owes to the higher priorities.
                self.credit = self.credit.min(0);
                self.now = self.now.max(self.latest);
            }
            1 => {
                if let Some(&(zone, _, other)) = self.places.first() {
                    if zone == Zone::Full {
                        self.reconsider(flows, other);
                    }
                    self.take_out(flows, other);
                    self.sole = Some(other);
                }
            }
            _ => {}
        }
    }

    /// A waiting flow was given so many permits.
    pub(super) fn charge(&mut self, flows: &mut [Flow], id: FlowId, permits: u32) {
        let worth = u64::from(permits) * PERMIT;
        let flow = &mut flows[id as usize];
        flow.start += u128::from(worth / u64::from(flow.share));
        flow.in_flight += permits;
        self.latest = self.latest.max(flow.start);
        self.now += u128::from(worth / self.shares.max(1));
        self.held += u64::from(permits);
        if flow.place.is_some() {
            self.put_by_start(flows, id);
        }
    }

    pub(super) fn set_held(&mut self, flows: &mut [Flow], id: FlowId, held: u32) {
        let flow = &mut flows[id as usize];
        let before = std::mem::replace(&mut flow.in_flight, held);
        if flow.waiting == 0 {
            return;
        }
        self.held = self.held - u64::from(before) + u64::from(held);
        if flow.place.is_some_and(|(zone, _)| zone == Zone::Full) {
            self.reconsider(flows, id);
        }
    }

    pub(super) fn set_share(&mut self, flows: &mut [Flow], id: FlowId, share: u32) {
        let flow = &mut flows[id as usize];
        let before = std::mem::replace(&mut flow.share, share);
        // The permits it is ahead of its share stay what they are; their worth in time changes.
        if let Some(ahead) = flow.start.checked_sub(self.now) {
            flow.start = self.now + ahead * u128::from(before) / u128::from(share);
            self.latest = self.latest.max(flow.start);
        }
        if flow.waiting > 0 {
            self.shares = self.shares - u64::from(before) + u64::from(share);
            if flow.place.is_some() {
                self.reconsider(flows, id);
            }
        } else if flow.place.is_some() {
            let owing = (Zone::Owing, flow.start);
            self.put(flows, id, owing);
        }
    }

    /// The flow whose turn it is, if any waits.
    pub(super) fn next(&mut self, flows: &mut [Flow], limit: u32) -> Option<FlowId> {
        if self.sole.is_some() {
            return self.sole;
        }
        let widest = self.wide.last_key_value().map_or(1, |(&wanted, _)| wanted.min(limit));
        while let Some(id) = self.first(Zone::Full).filter(|&id| !self.is_full(&flows[id as usize], widest)) {
            self.reconsider(flows, id);
        }
        loop {
            let early = self.first(Zone::Early);
            if let Some(id) = early.filter(|&id| flows[id as usize].start <= self.now) {
                self.put_by_start(flows, id);
                continue;
            }
            // When no start has come, time goes on to the next one.
            let Some(id) = self.first(Zone::Ready).or(early) else {
                // All who wait cannot hold their shares of more than they hold, so this is not reached.
                return self.first(Zone::Full);
            };
            let flow = &flows[id as usize];
            if self.is_full(flow, widest) {
                let per_share = (u128::from(flow.in_flight) << 40) / u128::from(flow.share);
                self.put(flows, id, (Zone::Full, per_share));
            } else {
                self.now = self.now.max(flow.start);
                return Some(id);
            }
        }
    }

    /// Takes out a flow that owes nothing any more; it may be forgotten.
    pub(super) fn next_lapsed(&mut self, flows: &mut [Flow]) -> Option<FlowId> {
        let id = self.first(Zone::Owing).filter(|&id| flows[id as usize].start <= self.now)?;
        self.take_out(flows, id);
        Some(id)
    }

    /// Whether the flow holds its share, rounded up, of what all who wait hold and the widest call among them wants.
    ///
    /// If it were of what they hold and one permit more, those beside a wide call could not hold in their turn what it
    /// holds in its own.
    fn is_full(&self, flow: &Flow, widest: u32) -> bool {
        u128::from(flow.in_flight) * u128::from(self.shares)
            >= u128::from(self.held + u64::from(widest)) * u128::from(flow.share)
    }

    fn first(&self, zone: Zone) -> Option<FlowId> {
        let &(at, _, id) = self.places.range((zone, 0, 0)..).next()?;
        (at == zone).then_some(id)
    }

    /// Puts a flow back into the order that was out of it for what it held: that was its turn, so it has one permit saved up
    /// at most. With none, a flow whose share is a whole number of permits could never make up for a moment without one.
    fn reconsider(&mut self, flows: &mut [Flow], id: FlowId) {
        let flow = &mut flows[id as usize];
        if flow.place.is_some_and(|(zone, _)| zone == Zone::Full) {
            let saved = u128::from(PERMIT / u64::from(flow.share));
            flow.start = flow.start.max(self.now.saturating_sub(saved));
        }
        self.put_by_start(flows, id);
    }

    fn put_by_start(&mut self, flows: &mut [Flow], id: FlowId) {
        let flow = &flows[id as usize];
        let place = if flow.start <= self.now {
            (Zone::Ready, flow.start + u128::from(PERMIT / u64::from(flow.share)))
        } else {
            (Zone::Early, flow.start)
        };
        self.put(flows, id, place);
    }

    fn put(&mut self, flows: &mut [Flow], id: FlowId, place: Place) {
        self.take_out(flows, id);
        self.places.insert((place.0, place.1, id));
        flows[id as usize].place = Some(place);
    }

    fn take_out(&mut self, flows: &mut [Flow], id: FlowId) {
        if let Some((zone, order)) = flows[id as usize].place.take() {
            self.places.remove(&(zone, order, id));
        }
    }
}

// The plain flow is one of the flows without a key, which are never forgotten.
const _: () = assert!(PLAIN == 3);
