use std::sync::Arc;
use std::task::Waker;

use super::answers::Answers;
use super::fair::{FlowId, PLAIN};
use crate::OverloadReason;

/// What a waiter wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Permits, for a call.
    Permit,
    /// A permit kept for a service that says "ready".
    Reservation,
    /// A place in the bounded queue.
    Room,
    /// That nothing be in flight any more.
    Drain,
}

/// A place in a line, or what came of it. Not `Clone`: it is spent by being answered or by being removed.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(super) index: u32,
    is_timed: bool,
    /// Whether its node stays its owner's when it is answered.
    pub(super) is_seated: bool,
}

impl Ticket {
    pub(super) const fn new(index: u32, is_timed: bool) -> Self {
        Self { index, is_timed, is_seated: false }
    }

    pub(super) const fn seated(index: u32, is_timed: bool) -> Self {
        Self { index, is_timed, is_seated: true }
    }

    /// The same, whose owner is gone: its node is nobody's any more.
    pub(super) const fn given_up(self) -> Self {
        Self { is_seated: false, ..self }
    }

    /// Whether the wait is one of those that are timed; reading the clock costs as much as all the rest of a short wait.
    pub(crate) const fn is_timed(&self) -> bool {
        self.is_timed
    }
}

pub(super) const NONE: u32 = u32::MAX;

/// The two lines a waiter can stand in at once.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// The line it is served from: its flow's, or one of the lines beside the flows.
    Turn,
    /// The line of all bounded waiters of a priority, oldest first.
    Age,
}

/// The first and the last of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) head: u32,
    pub(super) tail: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Self { head: NONE, tail: NONE }
    }
}

/// On a cache line of its own: the thread that comes to wait, the one that hands over and the next in line are often three.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Node {
    pub(super) waker: Option<Waker>,
    /// When it came, in nanoseconds since the limiter was built; only of bounded waiters.
    pub(super) since: u64,
    pub(super) links: [Link; 2],
    pub(super) flow: FlowId,
    /// Permits wanted.
    pub(super) wanted: u32,
    pub(super) kind: Kind,
    /// Whether it counts for the bound of the queue and may be refused.
    pub(super) is_bounded: bool,
}

/// The neighbours in a line. What is before the first of a line is not kept up: to hand over to it touches no other waiter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    previous: u32,
    next: u32,
}

const APART: Link = Link { previous: NONE, next: NONE };

/// The waiters of all lines in one arena: joining reuses a vacant node, leaving from anywhere is O(1).
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// The node vacated last under the lock; the one vacated before it follows it in its links. Their cells say "waiting".
    vacant: u32,
    /// One of the nodes that their tickets freed; the others follow it in their cells.
    freed: u32,
    answers: Arc<Answers>,
}

impl Nodes {
    pub(super) const fn new(answers: Arc<Answers>) -> Self {
        Self { nodes: Vec::new(), vacant: NONE, freed: NONE, answers }
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// A node for one who wants one permit, or something else; in no line yet.
    pub(super) fn insert(&mut self, kind: Kind, waker: Option<Waker>, flow: FlowId) -> u32 {
        let index = self.take_vacant();
        if index == NONE {
            return self.append(kind, waker, flow);
        }
        let node = self.get(index);
        node.waker = waker;
        node.flow = flow;
        node.wanted = 1;
        node.kind = kind;
        node.is_bounded = false;
        index
    }

    /// A node that its owner has kept waits again.
    #[inline]
    pub(super) fn renew(&mut self, index: u32, waker: Option<Waker>) {
        self.get(index).waker = waker;
    }

    fn take_vacant(&mut self) -> u32 {
        if self.vacant != NONE {
            let index = self.vacant;
            self.vacant = self.next(By::Turn, index);
            return index;
        }
        if self.freed == NONE {
            self.freed = self.answers.take_freed();
        }
        let index = self.freed;
        if index != NONE {
            self.freed = self.answers.reuse(index);
        }
        index
    }

    #[cold]
    fn append(&mut self, kind: Kind, waker: Option<Waker>, flow: FlowId) -> u32 {
        // Four billion waiting futures do not fit into memory.
        let index = u32::try_from(self.nodes.len()).unwrap_or(NONE);
        self.nodes.push(Node {
            waker,
            since: 0,
            links: [APART; 2],
            flow,
            wanted: 1,
            kind,
            is_bounded: false,
        });
        self.answers.begin(index);
        index
    }

    /// The node, which was not answered, may be used again; its waker, to be dropped outside the lock.
    pub(super) fn vacate(&mut self, index: u32) -> Option<Waker> {
        let next = std::mem::replace(&mut self.vacant, index);
        let node = self.get(index);
        node.links[By::Turn as usize].next = next;
        node.waker.take()
    }

    /// Tells the waiter, which has left its lines, that it has what it wanted: so many permits of this flow, or a reservation
    /// of this stamp. Whom to wake.
    pub(super) fn grant(&mut self, index: u32, flow: FlowId, count: u32) -> Option<Waker> {
        let node = &mut self.nodes[index as usize];
        let waker = node.waker.take();
        // From here on the node is its ticket's.
        self.answers.grant(index, node.kind, flow, count);
        waker
    }

    /// Takes the first out of the plain line, which is not empty, and tells it that it has what it wants: a permit, or a
    /// reservation of this stamp. Whom to wake.
    #[inline]
    pub(super) fn grant_first(&mut self, line: &mut Ends, kind: Kind, stamp: u32) -> Option<Waker> {
        let index = line.head;
        let node = &mut self.nodes[index as usize];
        let waker = node.waker.take();
        line.head = node.links[By::Turn as usize].next;
        if line.head == NONE {
            line.tail = NONE;
        }
        self.answers.grant(index, kind, PLAIN, if kind == Kind::Permit { 1 } else { stamp });
        waker
    }

    /// Tells the waiter, which has left its lines, that it is refused; whom to wake.
    pub(super) fn refuse(&mut self, index: u32, reason: OverloadReason) -> Option<Waker> {
        let waker = self.get(index).waker.take();
        self.answers.refuse(index, reason);
        waker
    }

    pub(super) fn get(&mut self, index: u32) -> &mut Node {
        &mut self.nodes[index as usize]
    }

    pub(super) fn peek(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    pub(super) fn next(&self, by: By, index: u32) -> u32 {
        self.peek(index).links[by as usize].next
    }

    pub(super) fn push_back(&mut self, line: &mut Ends, by: By, index: u32) {
        self.get(index).links[by as usize] = Link { previous: line.tail, next: NONE };
        match line.tail {
            NONE => line.head = index,
            tail => self.get(tail).links[by as usize].next = index,
        }
        line.tail = index;
    }

    #[inline]
    pub(super) fn unlink(&mut self, line: &mut Ends, by: By, index: u32) {
        let Link { previous, next } = self.peek(index).links[by as usize];
        let is_first = line.head == index;
        if is_first {
            line.head = next;
        } else {
            self.get(previous).links[by as usize].next = next;
        }
        match next {
            NONE => line.tail = if is_first { NONE } else { previous },
            next if !is_first => self.get(next).links[by as usize].previous = previous,
            _ => {}
        }
    }
}
