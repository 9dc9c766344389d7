//! Calls: an acquire of a connection, and the query on it.

use super::{Event, World};
use crate::model::{Ended, GiveUp, Opening, Query};
use crate::num::{Nanos, nanos};
use crate::slab::Key;

#[derive(Debug)]
pub(super) struct Call {
    /// Whose it is; the expert may have failed meanwhile.
    expert: Key,
    ticket: u64,
    pub(super) asked_at: Nanos,
    pub(super) state: CallState,
}

/// ```text
/// InLine  → Opening   a connection comes free
/// Opening → Running   it is open and tested
/// Running → Idle      the query has ended, and an expert with nested queries keeps the connection
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallState {
    InLine,
    Opening,
    Running { granted_at: Nanos },
    Idle { granted_at: Nanos },
}

impl World<'_> {
    /// The expert asks the pool for a connection for its next query.
    pub(super) fn ask_pool(&mut self, expert: Key) {
        let Some(owner) = self.experts.get_mut(expert) else { return };
        owner.queries_to_ask -= 1;
        let call =
            self.calls.insert(Call { expert, ticket: 0, asked_at: self.now, state: CallState::InLine });
        owner.calls.push(call);
        let (ticket, opening) = self.pool.request(self.now, call);
        if let Some(call) = self.calls.get_mut(call) {
            call.ticket = ticket;
        }
        let patience = nanos(self.scenario.pool.acquire_timeout_ms / 1e3);
        self.agenda.plan(self.now + patience, Event::AcquireExpires(call));
        if let Some(opening) = opening {
            self.open(call, opening);
        }
    }

    fn open(&mut self, key: Key, opening: Opening) {
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
        call.state = CallState::Running { granted_at: now };
        let waited = now - call.asked_at;
        self.pool.grant(now, call.ticket);
        self.tally.pool_wait += u128::from(waited);
        for ledger in &mut self.ledgers {
            ledger.pool_wait(now, waited, false);
        }
        let Some(expert) = self.experts.get_mut(call.expert) else { return };
        let query = Query::draw(&self.scenario.database, &mut expert.rng);
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
        let expert = call.expert;
        let is_wanted = self.experts.get(expert).is_some();
        match ended {
            Some(Ended::Done(_)) if is_wanted => self.query_done(expert, key),
            Some(Ended::Deadlocked(_)) if is_wanted => {
                for ledger in &mut self.ledgers {
                    ledger.deadlock(self.now);
                }
                self.fail_expert(expert);
            }
            _ => self.release(key),
        }
    }

    /// The connection goes back to the pool, and on to the first in line.
    pub(super) fn release(&mut self, key: Key) {
        let Some(call) = self.calls.remove(key) else { return };
        let (CallState::Running { granted_at } | CallState::Idle { granted_at }) = call.state else { return };
        let used = self.now - granted_at;
        self.tally.use_time += u128::from(used);
        if let Some(next) = self.pool.release(self.now, used) {
            self.open(next, Opening::Ping);
        }
    }

    pub(super) fn acquire_expires(&mut self, key: Key) {
        let Some(call) = self.calls.get(key) else { return };
        if !matches!(call.state, CallState::InLine | CallState::Opening) {
            return;
        }
        let (expert, waited) = (call.expert, self.now - call.asked_at);
        for ledger in &mut self.ledgers {
            ledger.pool_wait(self.now, waited, true);
        }
        self.give_up(key, GiveUp::TimedOut);
        self.fail_expert(expert);
    }

    /// The expert of the call has failed.
    pub(super) fn abandon(&mut self, key: Key) {
        let Some(call) = self.calls.get(key) else { return };
        match call.state {
            CallState::InLine | CallState::Opening => self.give_up(key, GiveUp::Cancelled),
            CallState::Idle { .. } => self.release(key),
            CallState::Running { .. } => {}
        }
    }

    fn give_up(&mut self, key: Key, why: GiveUp) {
        let Some(call) = self.calls.remove(key) else { return };
        self.tally.pool_wait += u128::from(self.now - call.asked_at);
        if call.state == CallState::InLine {
            self.pool.leave_line(self.now, key, call.ticket, why);
        } else if let Some(next) = self.pool.abandon_opening(self.now, call.ticket, why) {
            self.open(next, Opening::Connect);
        }
    }
}
