//! Whose turn it is: shares among keys, a floor among priorities. Bookkeeping without clocks, locks or waiters.
//!
//! A *flow* is what one key waits with at one priority. Among the flows of a priority the order is that of earliest
//! eligible virtual deadline first: each flow has a start tag, the virtual time at which its next permit is due to it at
//! the earliest, and a deadline one permit's worth of its share later. Virtual time goes on by one permit divided by the
//! shares of all who wait. Among the flows whose start has come the earliest deadline goes first, so by this order alone no
//! flow is ever more than one permit ahead of its share or behind it.
//! (Stoica and Abdel-Wahab, "Earliest Eligible Virtual Deadline First", 1995; Bennett and Zhang, "WF²Q", 1996.)
//!
//! Tags count permits, not time. So that a flow of long calls cannot gather permits, a flow that holds its share of what
//! all who wait hold, rounded up, is passed over; one of the others always holds less. It keeps one permit of what it
//! missed, so this can put a flow off by one permit more, for a while.

mod level;
#[cfg(all(test, not(tidegate_loom)))]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use self::level::Level;
use super::hold::Hold;
use super::nodes::Ends;
use crate::{Class, Key, Priority};

/// The number of a flow.
pub(crate) type FlowId = u32;

/// The flow of calls without a class. Its permits are counted by the gate's word alone, and it is told of them.
pub(crate) const PLAIN: FlowId = 3;

/// How many flows that are done are kept, so that a key which comes again and again costs one look-up.
const DONE_KEPT: usize = 64;

/// A waiting level gets one permit for so many that other levels get.
const FLOOR: i64 = 9;

/// The flows that wait or hold permits, and their order.
#[derive(Debug)]
pub(super) struct Flows {
    flows: Vec<Flow>,
    vacant: Vec<FlowId>,
    by_key: HashMap<(Priority, Key), FlowId, BuildHasherDefault<Hashed>>,
    levels: [Level; 3],
    /// Flows that are done and not forgotten yet, since their keys may come again: the longest listed first. Some may be in
    /// use again.
    done: VecDeque<FlowId>,
    /// Permits held by all flows but [`PLAIN`].
    tracked: u32,
    /// The most permits a call is given.
    limit: u32,
    /// The flow that was opened last: the calls of a key come in bunches.
    latest: FlowId,
}

#[derive(Debug)]
pub(super) struct Flow {
    priority: Priority,
    key: Option<Key>,
    share: u32,
    /// Permits held.
    in_flight: u32,
    /// Calls that wait, and the permits they want.
    waiting: u32,
    wanted: u64,
    /// The virtual time before which its next permit is not due.
    start: u128,
    place: Option<level::Place>,
    /// Whether it stands in the list of those that are done.
    is_listed: bool,
    /// Its waiters, oldest first.
    pub(super) line: Ends,
}

impl Flow {
    fn new(priority: Priority, key: Option<Key>, share: u32) -> Self {
        Self {
            priority,
            key,
            share,
            in_flight: 0,
            waiting: 0,
            wanted: 0,
            start: 0,
            place: None,
            is_listed: false,
            line: Ends::default(),
        }
    }
}

impl Default for Flows {
    fn default() -> Self {
        let keyless = Priority::ALL.into_iter().chain([Priority::Normal]);
        Self {
            flows: keyless.map(|priority| Flow::new(priority, None, 1)).collect(),
            vacant: Vec::new(),
            by_key: HashMap::default(),
            levels: Default::default(),
            done: VecDeque::new(),
            tracked: 0,
            limit: u32::MAX,
            latest: PLAIN,
        }
    }
}

impl Flows {
    /// The flow of a call's class. A new one must be used or given up by [`retire`](Self::retire).
    #[inline]
    pub(super) fn open(&mut self, class: &Class) -> FlowId {
        let latest = self.get(self.latest);
        let is_latest = class.key.is_some() && latest.key == class.key && latest.priority == class.priority;
        if !is_latest {
            self.latest = self.find(class);
        }
        let id = self.latest;
        if self.get(id).share != class.share {
            self.set_share(id, class.share);
        }
        id
    }

    #[inline(never)]
    fn find(&mut self, class: &Class) -> FlowId {
        let priority = class.priority;
        let keyless = priority as FlowId;
        let Some(key) = class.key else { return keyless };
        match self.by_key.get(&(priority, key)) {
            Some(&id) => id,
            // More keys than can be told apart are one with those that have none.
            None => self.create(priority, key, class.share).unwrap_or(keyless),
        }
    }

    fn create(&mut self, priority: Priority, key: Key, share: u32) -> Option<FlowId> {
        let flow = Flow::new(priority, Some(key), share);
        let id = if let Some(id) = self.vacant.pop() {
            self.flows[id as usize] = flow;
            id
        } else {
            let id = FlowId::try_from(self.flows.len()).ok().filter(|&id| id < Hold::FLOWS)?;
            self.flows.push(flow);
            id
        };
        self.by_key.insert((priority, key), id);
        Some(id)
    }

    #[inline(never)]
    fn set_share(&mut self, id: FlowId, share: u32) {
        let (level, flows) = self.level(id);
        level.set_share(flows, id, share);
    }

    /// Lists a flow that holds nothing, waits for nothing and owes nothing as done, and forgets the one that is so longest.
    pub(super) fn retire(&mut self, id: FlowId) {
        let flow = self.get(id);
        if flow.is_listed || flow.key.is_none() || flow.in_flight > 0 || flow.waiting > 0 || self.owes(id) {
            return;
        }
        self.flows[id as usize].is_listed = true;
        self.done.push_back(id);
        if self.done.len() > DONE_KEPT
            && let Some(longest) = self.done.pop_front()
        {
            self.flows[longest as usize].is_listed = false;
            if self.is_done(longest) {
                self.forget(longest);
            }
        }
    }

    fn owes(&mut self, id: FlowId) -> bool {
        let (level, flows) = self.level(id);
        level.keeps(flows, id)
    }

    fn is_done(&self, id: FlowId) -> bool {
        let flow = self.get(id);
        flow.in_flight == 0 && flow.waiting == 0 && flow.place.is_none()
    }

    fn forget(&mut self, id: FlowId) {
        let Flow { priority, ref mut key, .. } = self.flows[id as usize];
        if let Some(key) = key.take() {
            self.by_key.remove(&(priority, key));
            self.vacant.push(id);
        }
    }

    /// A call that wants so many permits begins to wait.
    pub(super) fn join(&mut self, id: FlowId, wanted: u32) {
        let (level, flows) = self.level(id);
        level.join(flows, id, wanted);
    }

    /// A waiting call that wanted so many permits is gone, without them.
    #[inline]
    pub(super) fn quit(&mut self, id: FlowId, wanted: u32) {
        let (level, flows) = self.level(id);
        // Time went on for nobody unless the flow itself is done waiting.
        if level.quit(flows, id, wanted) {
            self.sweep(id);
        }
    }

    /// A waiting call that wanted so many permits was given so many.
    pub(super) fn grant(&mut self, id: FlowId, wanted: u32, given: u32) {
        let priority = self.get(id).priority;
        self.note_turn(priority, given);
        let (level, flows) = self.level(id);
        level.charge(flows, id, given);
        if id != PLAIN {
            level.quit(flows, id, wanted);
            self.tracked += given;
        }
        self.sweep(id);
    }

    /// A call got so many permits without waiting, as nobody waited.
    #[inline]
    pub(super) fn enter(&mut self, id: FlowId, permits: u32) {
        self.tracked += permits;
        let flow = &mut self.flows[id as usize];
        let held = flow.in_flight + permits;
        if flow.waiting > 0 {
            self.set_held(id, held);
        } else {
            flow.in_flight = held;
        }
    }

    /// So many permits came back.
    #[inline]
    pub(super) fn exit(&mut self, id: FlowId, permits: u32) {
        self.tracked -= permits;
        let flow = &mut self.flows[id as usize];
        let held = flow.in_flight.saturating_sub(permits);
        if flow.waiting > 0 {
            self.set_held(id, held);
            return;
        }
        flow.in_flight = held;
        if held == 0 && !flow.is_listed {
            self.retire(id);
        }
    }

    /// A flow that is compared with others has another number of permits.
    #[inline(never)]
    fn set_held(&mut self, id: FlowId, held: u32) {
        let (level, flows) = self.level(id);
        level.set_held(flows, id, held);
    }

    /// Tells the plain flow whether anybody waits in it, and what is occupied: it holds what nobody else does.
    pub(super) fn set_plain(&mut self, is_waiting: bool, occupied: u32) {
        if !is_waiting {
            self.part_plain();
        }
        let held = occupied.saturating_sub(self.tracked);
        let (level, flows) = self.level(PLAIN);
        let Flow { waiting, in_flight, .. } = flows[PLAIN as usize];
        if is_waiting && waiting == 0 {
            level.join(flows, PLAIN, 0);
        }
        if in_flight != held {
            level.set_held(flows, PLAIN, held);
        }
    }

    /// Nobody waits in the plain flow any more, or nobody with a class, so that it is not compared with anybody.
    pub(super) fn part_plain(&mut self) {
        if self.get(PLAIN).waiting > 0 {
            let (level, flows) = self.level(PLAIN);
            level.quit(flows, PLAIN, 0);
            self.sweep(PLAIN);
        }
    }

    /// Says what the limit is: a call that wants more is given no more.
    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// The flow whose turn it is.
    pub(super) fn next(&mut self) -> Option<FlowId> {
        let priority = self.next_priority()?;
        self.levels[priority as usize].next(&mut self.flows, self.limit)
    }

    fn next_priority(&self) -> Option<Priority> {
        let waiting = |priority: &Priority| self.levels[*priority as usize].is_waiting();
        let neglected = |priority: &Priority| self.levels[*priority as usize].credit >= FLOOR;
        let mut in_order = Priority::ALL.into_iter().filter(waiting);
        in_order.clone().find(neglected).or_else(|| in_order.next_back())
    }

    /// Levels below the one that was served earn their floor; one that was served before a higher one pays for it.
    fn note_turn(&mut self, served: Priority, permits: u32) {
        let permits = i64::from(permits);
        let was_before_its_turn =
            Priority::ALL.into_iter().any(|other| other > served && self.levels[other as usize].is_waiting());
        let level = &mut self.levels[served as usize];
        if was_before_its_turn {
            level.credit -= FLOOR * permits;
        } else {
            // Nobody higher waits, so nobody is owed anything any more.
            level.credit = level.credit.max(0);
        }
        for lower in Priority::ALL.into_iter().filter(|&other| other < served) {
            let level = &mut self.levels[lower as usize];
            if level.is_waiting() {
                level.credit += permits;
            }
        }
    }

    /// The permits that go to others before a call of this flow that wants so many, by estimate.
    ///
    /// All that wait at a higher priority, and of its own priority those due before it, which are never more than all. What
    /// lower priorities get for their floor meanwhile is left out, as is what comes later. The plain flow, in which so many
    /// wait, joins the others only at a turn.
    pub(super) fn ahead(&self, id: FlowId, wanted: u32, plain_waiting: u32) -> u64 {
        let flow = &self.flows[id as usize];
        let higher: u64 = Priority::ALL
            .into_iter()
            .filter(|&other| other > flow.priority)
            .map(|other| self.levels[other as usize].wanted())
            .sum();
        let plain = u64::from(plain_waiting);
        let level = &self.levels[flow.priority as usize];
        match flow.priority {
            Priority::Low => higher + plain + level.ahead(flow, wanted, 0, 0),
            Priority::Normal => {
                let plain_flow = self.get(PLAIN);
                let share = if plain > 0 && plain_flow.waiting == 0 { plain_flow.share } else { 0 };
                higher + level.ahead(flow, wanted, plain, share)
            }
            Priority::High => level.ahead(flow, wanted, 0, 0),
        }
    }

    /// The permits that all bounded calls want.
    pub(super) fn wanted(&self) -> u64 {
        self.levels.iter().map(Level::wanted).sum()
    }

    pub(super) fn get(&self, id: FlowId) -> &Flow {
        &self.flows[id as usize]
    }

    pub(super) fn line(&mut self, id: FlowId) -> &mut Ends {
        &mut self.flows[id as usize].line
    }

    pub(super) fn priority(&self, id: FlowId) -> Priority {
        self.get(id).priority
    }

    /// How many flows with a key are in use or owe something.
    #[cfg(test)]
    pub(super) fn keyed(&self) -> usize {
        assert!(
            self.by_key.len() <= DONE_KEPT + self.by_key.values().filter(|&&id| !self.is_done(id)).count()
        );
        self.by_key.values().filter(|&&id| !self.is_done(id)).count()
    }

    /// Forgets flows of this flow's level whose debt has lapsed, and the flow itself if it is done.
    #[inline(never)]
    fn sweep(&mut self, id: FlowId) {
        let priority = self.get(id).priority;
        while let Some(lapsed) = self.levels[priority as usize].next_lapsed(&mut self.flows) {
            if lapsed != id {
                self.retire(lapsed);
            }
        }
        self.retire(id);
    }

    fn level(&mut self, id: FlowId) -> (&mut Level, &mut [Flow]) {
        let priority = self.flows[id as usize].priority;
        (&mut self.levels[priority as usize], &mut self.flows)
    }
}

/// Keys are hashes already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }

    /// The discriminant of the priority.
    fn write_isize(&mut self, level: isize) {
        self.0 ^= level.unsigned_abs() as u64;
    }
}
