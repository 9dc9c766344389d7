use std::task::Waker;

use super::fair::FlowId;
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
}

impl Ticket {
    pub(super) const fn new(index: u32, is_timed: bool) -> Self {
        Self { index, is_timed }
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    /// What was wanted is the ticket's.
    Granted,
    Refused(OverloadReason),
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
    /// Permits wanted; once granted, permits owned, or the stamp of a reservation.
    pub(super) count: u32,
    pub(super) kind: Kind,
    pub(super) state: State,
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

impl Node {
    pub(super) const fn new(kind: Kind, waker: Option<Waker>, flow: FlowId) -> Self {
        Self {
            waker,
            since: 0,
            links: [APART; 2],
            flow,
            count: 1,
            kind,
            state: State::Waiting,
            is_bounded: false,
        }
    }
}

/// The waiters of all lines in one arena: joining reuses a vacant node, leaving from anywhere is O(1).
#[derive(Debug)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// The node vacated last; the one vacated before it is next after it.
    vacant: u32,
}

impl Nodes {
    pub(super) const fn new() -> Self {
        Self { nodes: Vec::new(), vacant: NONE }
    }

    pub(super) fn insert(&mut self, node: Node) -> u32 {
        let index = self.vacant;
        if index == NONE {
            return self.append(node);
        }
        self.vacant = self.next(By::Turn, index);
        self.nodes[index as usize] = node;
        index
    }

    #[cold]
    fn append(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        // Four billion waiting futures do not fit into memory.
        u32::try_from(self.nodes.len() - 1).unwrap_or(NONE)
    }

    /// The node may be used again; its waker, to be dropped outside the lock.
    pub(super) fn vacate(&mut self, index: u32) -> Option<Waker> {
        self.vacate_woken(index);
        self.get(index).waker.take()
    }

    /// The same of a node whose waker was taken.
    #[inline]
    pub(super) fn vacate_woken(&mut self, index: u32) {
        let next = self.vacant;
        self.get(index).links[By::Turn as usize].next = next;
        self.vacant = index;
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
