//! Calls: an acquire of a connection, and the query on it.

use tidegate_core::Outcome;
use tidegate_limiter::sets::{Pass, Ticket as Place};

use super::gate::Gate;
use super::{Event, World};
use crate::model::{Ended, GiveUp, Opening, Query, Ticket};
use crate::num::{Nanos, nanos};
use crate::scenario::QueryMode;
use crate::slab::Key;

#[derive(Debug)]
pub(super) struct Call {
    pub(super) user: User,
    pub(super) pool: usize,
    pub(super) asked_at: Nanos,
    /// What lets it past the gate, if there is one and it is past.
    pass: Option<Pass<Key>>,
    pub(super) state: CallState,
}

/// Whose call it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum User {
    /// An expert, which may have failed meanwhile, of a process, whose meter knows the acquire by its ticket.
    Expert { expert: Key, process: usize, ticket: Ticket },
    /// Somebody else who uses the pool, and whom no process counts.
    Tenant,
}

/// ```text
/// AtGate  → InLine    it may go inside
/// InLine  → Opening   a connection comes free
/// Opening → Running   it is open and tested
/// Opening → Idle      the same, for a tenant
/// Running → Idle      the query has ended, and an expert with nested queries keeps the connection
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallState {
    AtGate(Place),
    InLine,
    Opening,
    Running { granted_at: Nanos },
    Idle { granted_at: Nanos },
}

impl World<'_> {
    /// The expert asks the pool for a connection for its next query.
    pub(super) fn ask_pool(&mut self, expert: Key) {
        let now = self.now;
        let Some(owner) = self.experts.get_mut(expert) else { return };
        owner.queries_to_ask -= 1;
        let process = owner.process;
        let pool = self.processes[process].pool;
        let ticket = self.process(process).meter.request(now);
        let call = self.ask_for(User::Expert { expert, process, ticket }, pool);
        if let Some(owner) = self.experts.get_mut(expert) {
            owner.calls.push(call);
        }
        let patience = nanos(self.scenario.pool.acquire_timeout_ms / 1e3);
        self.agenda.plan(now + patience, Event::AcquireExpires(call));
    }

    pub(super) fn ask_for(&mut self, user: User, pool: usize) -> Key {
        let state = CallState::InLine;
        let call = self.calls.insert(Call { user, pool, asked_at: self.now, pass: None, state });
        if self.pass_gate(call, user, pool) {
            self.go_inside(call, pool);
        }
        call
    }

    /// Whether the call has not to wait in front of the pool.
    fn pass_gate(&mut self, key: Key, user: User, pool: usize) -> bool {
        let User::Expert { expert, .. } = user else { return true };
        let in_hand = self.experts.get(expert).is_some_and(|expert| expert.plan.mode == QueryMode::Nested);
        let Some(gate) = &mut self.gates[pool] else { return true };
        gate.pass_time(self.now);
        let asked = gate.sets.ask(&[expert], in_hand);
        let Some(call) = self.calls.get_mut(key) else { return false };
        match asked {
            Ok(pass) => call.pass = Some(pass),
            Err(place) => {
                call.state = CallState::AtGate(place);
                gate.callers.insert(place, key);
            }
        }
        !matches!(call.state, CallState::AtGate(_))
    }

    fn go_inside(&mut self, call: Key, pool: usize) {
        if let Some(opening) = self.pool(pool).request(call) {
            self.open(call, opening);
        }
    }

    /// The call has ended; those whom the gate lets in now go inside.
    fn leave_gate(&mut self, call: Call) {
        let Some(gate) = &mut self.gates[call.pool] else { return };
        gate.pass_time(self.now);
        if let Some(pass) = call.pass {
            gate.sets.end(pass);
        } else if let CallState::AtGate(place) = call.state {
            gate.sets.leave(place);
            gate.callers.remove(&place);
        }
        while let Some((key, pass)) = self.gates[call.pool].as_mut().and_then(Gate::next) {
            if let Some(call) = self.calls.get_mut(key) {
                call.pass = Some(pass);
                call.state = CallState::InLine;
                let pool = call.pool;
                self.go_inside(key, pool);
            }
        }
    }

    pub(super) fn open(&mut self, key: Key, opening: Opening) {
        let Some(call) = self.calls.get_mut(key) else { return };
        call.state = CallState::Opening;
        let ms = match opening {
            Opening::Connect => self.scenario.pool.connect_ms,
            Opening::Ping => self.scenario.pool.ping_ms,
        };
        self.agenda.plan(self.now + nanos(ms / 1e3), Event::Connected(key));
    }

    pub(super) fn connected(&mut self, key: Key) {
        let now = self.now;
        // The caller may have gone, and its connection with it.
        let Some(call) = self.calls.get_mut(key) else { return };
        let (user, pool, waited) = (call.user, call.pool, now - call.asked_at);
        call.state = match user {
            User::Expert { .. } => CallState::Running { granted_at: now },
            User::Tenant => CallState::Idle { granted_at: now },
        };
        self.pool(pool).grant();
        let User::Expert { expert, process, ticket } = user else { return };
        let process = self.process(process);
        process.meter.grant(now, ticket);
        process.tally.pool_wait += u128::from(waited);
        self.books.pool_wait(now, waited, false);
        let Some(expert) = self.experts.get_mut(expert) else { return };
        let query = Query::draw(&self.scenario.database, expert.plan.work, &mut expert.rng);
        self.database.start(now, key, query);
        self.plan_served();
    }

    pub(super) fn plan_served(&mut self) {
        let next = self.database.next_event();
        if next == self.served_at {
            return;
        }
        self.served_at = next;
        self.served_plan += 1;
        if let Some(at) = next {
            self.agenda.plan(at, Event::Served { plan: self.served_plan });
        }
    }

    pub(super) fn served(&mut self, plan: u64) {
        if plan != self.served_plan {
            return;
        }
        self.served_at = None;
        let ended = self.database.happen(self.now);
        self.plan_served();
        let Some(Ended::Done(key) | Ended::Deadlocked(key)) = ended else { return };
        let Some(call) = self.calls.get_mut(key) else { return };
        if let CallState::Running { granted_at } = call.state {
            call.state = CallState::Idle { granted_at };
        }
        let User::Expert { expert, .. } = call.user else { return };
        let is_wanted = self.experts.get(expert).is_some();
        match ended {
            Some(Ended::Done(_)) if is_wanted => self.query_done(expert, key),
            Some(Ended::Deadlocked(_)) if is_wanted => {
                self.books.deadlock(self.now);
                self.fail_expert(expert, Some(Outcome::Overload));
            }
            _ => self.release(key),
        }
    }

    /// The connection goes back to the pool, and on to the first in line.
    pub(super) fn release(&mut self, key: Key) {
        let now = self.now;
        let Some(call) = self.calls.remove(key) else { return };
        let (CallState::Running { granted_at } | CallState::Idle { granted_at }) = call.state else { return };
        let used = now - granted_at;
        if let User::Expert { process, .. } = call.user {
            let process = self.process(process);
            process.meter.release(now, used);
            process.tally.use_time += u128::from(used);
        }
        if let Some(next) = self.pool(call.pool).release() {
            self.open(next, Opening::Ping);
        }
        self.leave_gate(call);
    }

    pub(super) fn acquire_expires(&mut self, key: Key) {
        let Some(call) = self.calls.get(key) else { return };
        let User::Expert { expert, .. } = call.user else { return };
        if !matches!(call.state, CallState::AtGate(_) | CallState::InLine | CallState::Opening) {
            return;
        }
        self.books.pool_wait(self.now, self.now - call.asked_at, true);
        self.give_up(key, GiveUp::TimedOut);
        self.fail_expert(expert, Some(Outcome::Overload));
    }

    /// The call's user has gone.
    pub(super) fn abandon(&mut self, key: Key) {
        let Some(call) = self.calls.get(key) else { return };
        match call.state {
            CallState::AtGate(_) | CallState::InLine | CallState::Opening => {
                self.give_up(key, GiveUp::Cancelled)
            }
            CallState::Idle { .. } => self.release(key),
            CallState::Running { .. } => {}
        }
    }

    fn give_up(&mut self, key: Key, why: GiveUp) {
        let now = self.now;
        let Some(call) = self.calls.remove(key) else { return };
        if let User::Expert { process, ticket, .. } = call.user {
            let process = self.process(process);
            process.meter.give_up(now, ticket, why);
            process.tally.pool_wait += u128::from(now - call.asked_at);
        }
        match call.state {
            CallState::AtGate(_) => {}
            CallState::InLine => self.pool(call.pool).leave_line(key),
            _ => {
                if let Some(next) = self.pool(call.pool).abandon_opening() {
                    self.open(next, Opening::Connect);
                }
            }
        }
        self.leave_gate(call);
    }
}
