use std::task::Waker;

/// What a caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Permit,
    Reservation,
}

/// Where a caller stands. `First` is for calls whose reservation was revoked: they were ready before all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    First,
    Ordinary,
}

/// The driver's look before which a reservation was given, so that the look can tell old ones from new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(super) u32);

/// A place in the line, or what came of it. Not `Clone`: it is spent by being polled ready or by being removed.
#[derive(Debug)]
pub(crate) struct Ticket(u32);

const NONE: u32 = u32::MAX;

/// Two lines, first in first out, in one arena: joining reuses a vacant node, leaving from anywhere is O(1).
#[derive(Debug, Default)]
pub(super) struct Waiters {
    nodes: Vec<Node>,
    /// Vacant nodes.
    vacant: Vec<u32>,
    first: Ends,
    ordinary: Ends,
    waiting: u32,
}

#[derive(Debug)]
struct Node {
    waker: Option<Waker>,
    previous: u32,
    next: u32,
    kind: Kind,
    line: Line,
    granted: Option<Stamp>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    head: u32,
    tail: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Self { head: NONE, tail: NONE }
    }
}

impl Waiters {
    /// How many wait; those granted and not yet polled do not.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Whether nobody would be served before a newcomer of this line.
    pub(super) fn is_first(&self, line: Line) -> bool {
        self.first.head == NONE && (line == Line::First || self.ordinary.head == NONE)
    }

    pub(super) fn push(&mut self, kind: Kind, line: Line, waker: Option<Waker>) -> Ticket {
        let tail = self.ends(line).tail;
        let node = Node { waker, previous: tail, next: NONE, kind, line, granted: None };
        let index = if let Some(index) = self.vacant.pop() {
            self.nodes[index as usize] = node;
            index
        } else {
            self.nodes.push(node);
            // Four billion waiting futures do not fit into memory.
            u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
        };
        match tail {
            NONE => self.ends(line).head = index,
            tail => self.node(tail).next = index,
        }
        self.ends(line).tail = index;
        self.waiting += 1;
        Ticket(index)
    }

    /// Grants the next one in line; its kind, and whom to wake.
    pub(super) fn grant_next(&mut self, stamp: Stamp) -> Option<(Kind, Option<Waker>)> {
        let index = [self.first.head, self.ordinary.head].into_iter().find(|&head| head != NONE)?;
        self.unlink(index);
        let node = self.node(index);
        node.granted = Some(stamp);
        Some((node.kind, node.waker.take()))
    }

    /// The stamp of the grant, if the ticket was granted; then its node is vacant and the ticket spent.
    pub(super) fn take_granted(&mut self, ticket: &Ticket) -> Option<Stamp> {
        let granted = self.node(ticket.0).granted.take();
        if granted.is_some() {
            self.vacant.push(ticket.0);
        }
        granted
    }

    pub(super) fn would_wake(&mut self, ticket: &Ticket, waker: &Waker) -> bool {
        self.node(ticket.0).waker.as_ref().is_some_and(|own| own.will_wake(waker))
    }

    pub(super) fn swap_waker(&mut self, ticket: &Ticket, waker: &mut Option<Waker>) {
        std::mem::swap(&mut self.node(ticket.0).waker, waker);
    }

    /// Leaves the line: what was wanted, the grant if there was one, and the waker to drop outside the lock.
    #[expect(clippy::needless_pass_by_value, reason = "the ticket is spent")]
    pub(super) fn remove(&mut self, ticket: Ticket) -> (Kind, Option<Stamp>, Option<Waker>) {
        if self.node(ticket.0).granted.is_none() {
            self.unlink(ticket.0);
        }
        self.vacant.push(ticket.0);
        let node = self.node(ticket.0);
        (node.kind, node.granted.take(), node.waker.take())
    }

    fn unlink(&mut self, index: u32) {
        let &mut Node { previous, next, line, .. } = self.node(index);
        match previous {
            NONE => self.ends(line).head = next,
            previous => self.node(previous).next = next,
        }
        match next {
            NONE => self.ends(line).tail = previous,
            next => self.node(next).previous = previous,
        }
        self.waiting -= 1;
    }

    fn ends(&mut self, line: Line) -> &mut Ends {
        match line {
            Line::First => &mut self.first,
            Line::Ordinary => &mut self.ordinary,
        }
    }

    fn node(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }
}
