//! Connection sets: a gate in front of a pool whose callers hold a connection while they wait for another one.
//!
//! # States and owners
//!
//! An acquire is *in line* (owned by its [`Ticket`]) or *inside* (owned by its [`Pass`]): it asks the pool or has its
//! connection, until that is back. A pass is one of
//!
//! - a *member* of a set: a connection that is, or is about to be, in the hands of a call, which may ask for more;
//! - *nested*: a connection for one statement, by a call that has a set;
//! - *single*: the same, by a call that has none;
//! - *passing*: a member no longer, on its way back to the pool.
//!
//! A set is open while it has members. An acquire is *nested* if a line of work that it is within has a member.
//!
//! # Rules
//!
//! With a pool of `max` connections and calls that hold at most `c` of them:
//!
//! 1. A nested acquire goes inside at once. So does whoever stands in line when its call's first acquire goes inside.
//! 2. Others go inside in the order they came in, and only while fewer than `max` are inside: the pool serves them at once.
//!    So nobody stands in the pool's own line but nested acquires.
//! 3. While a set is open, `sets × (c − 1) + singles ≤ max − 1`.
//! 4. A set is opened beside others only while `others × h + 1 + singles ≤ max`, where `h` is how many connections a set had
//!    or waited for in the pool, on the average over time, in the last 64 sets and more; at most `c`.
//!
//! # Why nobody waits for ever
//!
//! Take a moment at which every open set waits for the pool. Each has at most `c − 1` connections, so by rule 3 sets and
//! singles have at most `max − 1`, even if no single comes back before a set does (its statement may wait for a lock that a
//! set holds). What is passing comes back by itself. So a connection comes to the pool's line, and there to a set.
//! Those in line hold nothing, since whoever has a member is not in line; so those inside do not wait for them, and end.
//! Rule 4 holds nobody back for good: it lets the first set in.
//!
//! # Why the pool is not idle meanwhile
//!
//! Holders wait where the pool is full of calls that each want one more. A fixed number of sets does not prevent that; rule 2
//! does, for it counts those that wait in the pool as if they were served: none is let in while one of them waits.
//! But it does not know what those inside will ask for. Where all their times are alike, it lets in many at once, who take
//! their first connections together and then want their second ones together. Rule 4 does know: by `h`, which rises when
//! sets wait, so that fewer are let in.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hash;
use std::time::Duration;

use foldhash::fast::RandomState;

#[cfg(test)]
mod tests;

/// Sets that close before what they held counts half.
const WINDOW: u32 = 64;

/// The gate of one pool. It knows no clock, lock or task, so that the simulator can have the same one in virtual time.
///
/// `F` names lines of work, such as calls.
#[derive(Debug)]
pub struct Sets<F> {
    max: u32,
    per_call: u32,
    /// The members of each open set.
    open: HashMap<SetId, u32, RandomState>,
    /// How many are open.
    sets: u32,
    singles: u32,
    /// Connections of calls that have a set, had or waited for.
    members: u32,
    inside: u32,
    shape: Shape,
    flows: HashMap<F, FlowState, RandomState>,
    /// In line for a set, and for one statement. The lines of work of each, the innermost last.
    firsts: BTreeMap<Ticket, Vec<F>>,
    statements: BTreeMap<Ticket, Vec<F>>,
    /// Those let in of whom nobody was told yet.
    admitted: VecDeque<(Ticket, Pass<F>)>,
    next_ticket: u64,
    next_set: SetId,
}

/// What sets hold on the average.
#[derive(Debug, Default)]
struct Shape {
    /// Seconds, summed over the members of all sets, and over the sets.
    members: f64,
    sets: f64,
    closed: u32,
    /// Whether as many sets have closed as the pool has connections: before, they are all at the same point.
    is_known: bool,
}

impl Shape {
    fn one_closed(&mut self, max: u32) {
        self.closed += 1;
        self.is_known |= self.closed >= max.min(WINDOW);
        if self.closed >= WINDOW {
            *self = Self { members: self.members / 2.0, sets: self.sets / 2.0, closed: 0, is_known: true };
        }
    }

    /// Connections per set, one at least.
    fn held(&self) -> f64 {
        if self.is_known && self.sets > 0.0 { (self.members / self.sets).max(1.0) } else { 1.0 }
    }
}

type SetId = u64;

/// A place in line; the lower came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

#[derive(Debug, Default)]
struct FlowState {
    /// The set that its connections belong to, and how many it has.
    set: Option<(SetId, u32)>,
    in_line: BTreeSet<Ticket>,
}

impl FlowState {
    fn is_unused(&self) -> bool {
        self.set.is_none() && self.in_line.is_empty()
    }
}

/// An acquire inside, to be given back to [`Sets::end`].
#[derive(Debug)]
#[must_use]
pub struct Pass<F>(Role<F>);

#[derive(Clone, Copy, Debug)]
enum Role<F> {
    /// Of a set, in the hands of a line of work, if that is known.
    Member(SetId, Option<F>),
    Nested,
    Single,
    Passing,
}

impl<F: Copy + Eq + Hash> Sets<F> {
    /// A gate for a pool of `max` connections and calls that hold up to `per_call` of them, 2 to `max`. (Less than 2, which
    /// would need no gate, is taken for 2.)
    #[must_use]
    pub fn new(max: u32, per_call: u32) -> Self {
        Self {
            max,
            per_call: per_call.max(2),
            open: HashMap::default(),
            sets: 0,
            singles: 0,
            members: 0,
            inside: 0,
            shape: Shape::default(),
            flows: HashMap::default(),
            firsts: BTreeMap::new(),
            statements: BTreeMap::new(),
            admitted: VecDeque::new(),
            next_ticket: 0,
            next_set: 0,
        }
    }

    /// So much time has passed since the last change; to be called before each.
    pub fn pass_time(&mut self, span: Duration) {
        let seconds = span.as_secs_f64();
        self.shape.members += seconds * f64::from(self.members);
        self.shape.sets += seconds * f64::from(self.sets);
    }

    /// Somebody within the lines of work `flows`, the innermost last, asks for a connection, to have it in hand or for one
    /// statement.
    ///
    /// # Errors
    ///
    /// Who is not let in gets a place in line.
    pub fn ask(&mut self, flows: &[F], in_hand: bool) -> Result<Pass<F>, Ticket> {
        if let Some(set) = self.set_of(flows) {
            return Ok(self.enter_nested(set, flows, in_hand));
        }
        let line = if in_hand { &self.firsts } else { &self.statements };
        if line.is_empty() && self.has_room(in_hand) {
            return Ok(self.enter(flows, in_hand));
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        let line = if in_hand { &mut self.firsts } else { &mut self.statements };
        line.insert(ticket, flows.to_vec());
        for flow in flows {
            self.flows.entry(*flow).or_default().in_line.insert(ticket);
        }
        Err(ticket)
    }

    /// Somebody leaves the line. Who was let in already gives back the pass instead.
    pub fn leave(&mut self, ticket: Ticket) {
        self.take_from_line(ticket);
    }

    /// The next of those who are let in now; to be called after every change until there is none.
    pub fn admit(&mut self) -> Option<(Ticket, Pass<F>)> {
        if self.admitted.is_empty() {
            let head = |line: &BTreeMap<Ticket, Vec<F>>| line.first_key_value().map(|(ticket, _)| *ticket);
            let first = head(&self.firsts).filter(|_| self.has_room(true));
            let statement = head(&self.statements).filter(|_| self.has_room(false));
            let ticket = first.into_iter().chain(statement).min()?;
            let (flows, in_hand) = self.take_from_line(ticket)?;
            let pass = self.enter(&flows, in_hand);
            return Some((ticket, pass));
        }
        self.admitted.pop_front()
    }

    /// The connection is now in the hands of `flow`, or of nobody known: in the set that `flow` has, or else in a set of its
    /// own.
    pub fn move_to(&mut self, pass: &mut Pass<F>, flow: Option<F>) {
        let Role::Member(set, before) = pass.0 else { return };
        if before == flow {
            return;
        }
        let flows = flow.as_slice();
        let is_alone = self.open.get(&set) == Some(&1);
        let to = match self.set_of(flows) {
            Some(has) => has,
            None if is_alone => set,
            None => self.open_set(),
        };
        *pass = self.join(to, flows);
        self.leave_set(set, before);
    }

    /// The connection is no longer in the hands of its call, but not yet back.
    pub fn out_of_hand(&mut self, pass: &mut Pass<F>) {
        if let Role::Member(set, flow) = pass.0 {
            pass.0 = Role::Passing;
            self.leave_set(set, flow);
        }
    }

    /// The connection is back, or the acquire ended without one.
    pub fn end(&mut self, mut pass: Pass<F>) {
        self.out_of_hand(&mut pass);
        self.inside -= 1;
        match pass.0 {
            Role::Nested => self.members -= 1,
            Role::Single => self.singles -= 1,
            Role::Member(..) | Role::Passing => {}
        }
    }

    /// The pool has another size, which should not be less than what a call holds.
    pub const fn resize(&mut self, max: u32) {
        self.max = max;
    }

    /// How many sets are open.
    #[must_use]
    pub const fn open(&self) -> u32 {
        self.sets
    }

    /// How many sets can be open at once by rules 3 and 4, if there are no singles: at most ⌊(max − 1) / (c − 1)⌋.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "held is 1 at least")]
    #[must_use]
    pub fn most(&self) -> u32 {
        let safe = self.max.saturating_sub(1) / (self.per_call - 1);
        let others = (f64::from(self.max.saturating_sub(1)) / self.held()) as u32;
        others.saturating_add(1).min(safe)
    }

    /// The set under which an acquire within these lines of work is nested.
    fn set_of(&self, flows: &[F]) -> Option<SetId> {
        flows.iter().rev().find_map(|flow| self.flows.get(flow)?.set).map(|(set, _)| set)
    }

    /// Rules 2 to 4 for one more.
    fn has_room(&self, in_hand: bool) -> bool {
        if self.inside >= self.max {
            return false;
        }
        let opens = |singles| self.kept(self.sets + 1, singles) && self.fits(self.sets + 1, singles);
        if in_hand {
            return opens(self.singles);
        }
        // A set that waits for statements alone would wait for ever if more of them went by.
        let is_behind = !self.firsts.is_empty() && opens(0) && !opens(self.singles);
        !is_behind && (self.sets == 0 || self.kept(self.sets, self.singles + 1))
    }

    /// Whether rule 3 is kept with so many.
    const fn kept(&self, sets: u32, singles: u32) -> bool {
        sets * (self.per_call - 1) + singles < self.max
    }

    /// Whether rule 4 is kept with so many.
    fn fits(&self, sets: u32, singles: u32) -> bool {
        sets == 1 || f64::from(sets - 1) * self.held() + 1.0 + f64::from(singles) <= f64::from(self.max)
    }

    /// A call that takes more than it may has no say in how many others hold.
    fn held(&self) -> f64 {
        self.shape.held().min(f64::from(self.per_call))
    }

    fn enter(&mut self, flows: &[F], in_hand: bool) -> Pass<F> {
        self.inside += 1;
        if !in_hand {
            self.singles += 1;
            return Pass(Role::Single);
        }
        let set = self.open_set();
        self.join(set, flows)
    }

    const fn open_set(&mut self) -> SetId {
        self.next_set += 1;
        self.sets += 1;
        self.next_set
    }

    fn enter_nested(&mut self, set: SetId, flows: &[F], in_hand: bool) -> Pass<F> {
        self.inside += 1;
        if in_hand {
            return self.join(set, flows);
        }
        self.members += 1;
        Pass(Role::Nested)
    }

    fn join(&mut self, set: SetId, flows: &[F]) -> Pass<F> {
        *self.open.entry(set).or_default() += 1;
        self.members += 1;
        let flow = flows.last().copied();
        if let Some(flow) = flow {
            let state = self.flows.entry(flow).or_default();
            state.set.get_or_insert((set, 0)).1 += 1;
            for sibling in std::mem::take(&mut state.in_line) {
                if let Some((flows, in_hand)) = self.take_from_line(sibling) {
                    let pass = self.enter_nested(set, &flows, in_hand);
                    self.admitted.push_back((sibling, pass));
                }
            }
        }
        Pass(Role::Member(set, flow))
    }

    fn leave_set(&mut self, set: SetId, flow: Option<F>) {
        if let Some(members) = self.open.get_mut(&set) {
            *members -= 1;
            self.members -= 1;
            if *members == 0 {
                self.open.remove(&set);
                self.sets -= 1;
                self.shape.one_closed(self.max);
            }
        }
        let Some(flow) = flow else { return };
        let Some(state) = self.flows.get_mut(&flow) else { return };
        if let Some((_, members)) = &mut state.set {
            *members -= 1;
            if *members == 0 {
                state.set = None;
            }
        }
        if state.is_unused() {
            self.flows.remove(&flow);
        }
    }

    fn take_from_line(&mut self, ticket: Ticket) -> Option<(Vec<F>, bool)> {
        let first = self.firsts.remove(&ticket).map(|flows| (flows, true));
        let taken = first.or_else(|| self.statements.remove(&ticket).map(|flows| (flows, false)))?;
        for flow in &taken.0 {
            if let Some(state) = self.flows.get_mut(flow) {
                state.in_line.remove(&ticket);
                if state.is_unused() {
                    self.flows.remove(flow);
                }
            }
        }
        Some(taken)
    }
}
