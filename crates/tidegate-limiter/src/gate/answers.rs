//! What became of each waiter, where it can read that without the lock.
//!
//! One cell for each node of the arena. While its node waits, only holders of the lock write it; once it is answered it is its
//! ticket's, who reads it and frees the node, or keeps it for another wait, and needs the lock for neither. A node whose waiter
//! left unanswered is vacant with "waiting" in its cell, and one that is kept has "waiting" there between two waits.

use std::array;
use std::sync::OnceLock;

use super::fair::FlowId;
use super::nodes::{Kind, NONE, Ticket};
use super::{Grant, Hold, Stamp};
use crate::OverloadReason;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What a ticket came to.
#[derive(Debug)]
pub(super) enum Answer {
    Waiting,
    Granted(Grant),
    Refused(OverloadReason),
}

/// ```text
/// waiting    0
/// refused    1 + the reason's place among the reasons
/// permits    bit 62 and the hold
/// reserved   bit 63 and the stamp
/// news       both
/// freed      the index of the node freed before
/// ```
#[derive(Debug)]
pub(super) struct Answers {
    /// Cells never move: each block is twice as long as the one before it, and made when its first cell is needed.
    blocks: [OnceLock<Box<[AtomicU64]>>; BLOCKS],
    /// The node freed last without the lock; the one freed before it is next after it.
    freed: AtomicU32,
}

/// Loom has to look at every cell.
const FIRST_BLOCK: u64 = if cfg!(tidegate_loom) { 2 } else { 64 };
const BLOCKS: usize = 32;
const WAITING: u64 = 0;
const PERMITS: u64 = 1 << 62;
const RESERVED: u64 = 1 << 63;
const NEWS: u64 = PERMITS | RESERVED;

impl Answers {
    pub(super) fn new() -> Self {
        Self { blocks: array::from_fn(|_| OnceLock::new()), freed: AtomicU32::new(NONE) }
    }

    /// The block of a cell and its place there.
    #[inline]
    const fn place(index: u32) -> (usize, usize) {
        let at = index as u64 + FIRST_BLOCK;
        let block = at.ilog2() - FIRST_BLOCK.ilog2();
        #[expect(clippy::cast_possible_truncation, reason = "less than the index was")]
        let offset = (at - (FIRST_BLOCK << block)) as usize;
        (block as usize, offset)
    }

    #[inline]
    fn cell(&self, index: u32) -> &AtomicU64 {
        let (block, offset) = Self::place(index);
        let block = self.blocks[block]
            .get_or_init(|| (0..FIRST_BLOCK << block).map(|_| AtomicU64::new(WAITING)).collect());
        &block[offset]
    }

    /// A new node has its first waiter. Only under the lock, as what follows.
    pub(super) fn begin(&self, index: u32) {
        self.cell(index).store(WAITING, Ordering::Relaxed);
    }

    /// A freed node has a new waiter; the node freed before it.
    #[inline]
    pub(super) fn reuse(&self, index: u32) -> u32 {
        let cell = self.cell(index);
        let next = low_bits(cell.load(Ordering::Relaxed));
        cell.store(WAITING, Ordering::Relaxed);
        next
    }

    #[inline]
    pub(super) fn grant(&self, index: u32, kind: Kind, flow: FlowId, count: u32) {
        let answer = match kind {
            Kind::Permit => PERMITS | Hold::new(flow, count).bits(),
            Kind::Reservation => RESERVED | u64::from(count),
            Kind::Room | Kind::Drain => NEWS,
        };
        self.cell(index).store(answer, Ordering::Release);
    }

    pub(super) fn refuse(&self, index: u32, reason: OverloadReason) {
        self.cell(index).store(1 + reason as u64, Ordering::Release);
    }

    /// The reservation that a seated ticket was granted, if it was; then the ticket is spent.
    #[inline]
    pub(super) fn take_reservation(&self, ticket: &Ticket) -> Option<Stamp> {
        let cell = self.cell(ticket.index);
        let written = cell.load(Ordering::Acquire);
        if written & NEWS != RESERVED {
            return None;
        }
        self.spend(ticket, cell);
        Some(Stamp(low_bits(written)))
    }

    /// What a ticket was granted, if it was; then the ticket is spent, and its node free if it is not kept.
    #[inline]
    pub(super) fn take_grant(&self, ticket: &Ticket) -> Option<Grant> {
        let cell = self.cell(ticket.index);
        let grant = granted(cell.load(Ordering::Acquire))?;
        self.spend(ticket, cell);
        Some(grant)
    }

    pub(super) fn is_waiting(&self, index: u32) -> bool {
        self.cell(index).load(Ordering::Relaxed) == WAITING
    }

    /// What became of a ticket; if it was answered it is spent, and its node free if it is not kept.
    #[inline]
    pub(super) fn take(&self, ticket: &Ticket) -> Answer {
        let cell = self.cell(ticket.index);
        let written = cell.load(Ordering::Acquire);
        if written == WAITING {
            return Answer::Waiting;
        }
        self.spend(ticket, cell);
        match granted(written) {
            Some(grant) => Answer::Granted(grant),
            // Of what is left there are only the places of reasons.
            None => Answer::Refused(OverloadReason::ALL[low_bits(written - 1) as usize]),
        }
    }

    #[inline(always)]
    fn spend(&self, ticket: &Ticket, cell: &AtomicU64) {
        if ticket.is_seated {
            // Nobody else looks at it before its owner has taken the lock to wait again.
            cell.store(WAITING, Ordering::Relaxed);
        } else {
            self.free(ticket.index);
        }
    }

    /// The node is nobody's any more; it has been answered, or was kept and does not wait.
    pub(super) fn free(&self, index: u32) {
        let cell = self.cell(index);
        let mut head = self.freed.load(Ordering::Relaxed);
        loop {
            cell.store(u64::from(head), Ordering::Relaxed);
            // Release, so that who reuses the node sees what is next after it.
            match self.freed.compare_exchange_weak(head, index, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// The nodes that were freed, as a list: all of them at once, so that none is there twice.
    pub(super) fn take_freed(&self) -> u32 {
        if self.freed.load(Ordering::Relaxed) == NONE {
            NONE
        } else {
            self.freed.swap(NONE, Ordering::Acquire)
        }
    }
}

#[inline]
const fn granted(written: u64) -> Option<Grant> {
    match written & NEWS {
        PERMITS => Some(Grant::Permits(Hold::from_bits(written & !NEWS))),
        RESERVED => Some(Grant::Reservation(Stamp(low_bits(written)))),
        NEWS => Some(Grant::News),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what is asked for is in the low bits")]
const fn low_bits(cell: u64) -> u32 {
    cell as u32
}

#[cfg(all(test, not(tidegate_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_cell_of_its_own() {
        assert_eq!(Answers::place(0), (0, 0));
        assert_eq!(Answers::place(63), (0, 63));
        assert_eq!(Answers::place(64), (1, 0));
        assert_eq!(Answers::place(191), (1, 127));
        assert_eq!(Answers::place(192), (2, 0));
        let (block, offset) = Answers::place(u32::MAX);
        assert!(block < BLOCKS && (offset as u64) < FIRST_BLOCK << block);
    }

    fn ticket(index: u32) -> Ticket {
        Ticket::new(index, false)
    }

    #[test]
    fn an_answer_is_read_as_it_was_given() {
        let answers = Answers::new();
        assert!(matches!(answers.take(&ticket(5)), Answer::Waiting));
        for (flow, count) in [(0, 1), (Hold::FLOWS - 1, (1 << 20) - 1)] {
            answers.grant(5, Kind::Permit, flow, count);
            assert_eq!(answers.take_grant(&ticket(5)), Some(Grant::Permits(Hold::new(flow, count))));
        }
        answers.grant(5, Kind::Reservation, 0, u32::MAX);
        assert_eq!(answers.take_grant(&ticket(5)), Some(Grant::Reservation(Stamp(u32::MAX))));
        answers.grant(5, Kind::Drain, 0, 0);
        assert_eq!(answers.take_grant(&ticket(5)), Some(Grant::News));
        for reason in OverloadReason::ALL {
            answers.refuse(5, reason);
            assert_eq!(answers.take_grant(&ticket(5)), None);
            assert!(matches!(answers.take(&ticket(5)), Answer::Refused(found) if found == reason));
        }
    }

    #[test]
    fn freed_nodes_come_back_once_each() {
        let answers = Answers::new();
        for index in [7, 3, 900] {
            answers.grant(index, Kind::Room, 0, 0);
            assert_eq!(answers.take_grant(&ticket(index)), Some(Grant::News));
        }
        let first = answers.take_freed();
        let second = answers.reuse(first);
        let third = answers.reuse(second);
        assert_eq!([first, second, third, answers.reuse(third)], [900, 3, 7, NONE]);
        assert_eq!(answers.take_freed(), NONE);
    }

    #[test]
    fn a_node_that_is_kept_is_not_freed_by_its_answer() {
        let answers = Answers::new();
        let ticket = Ticket::seated(5, false);
        for stamp in [1, 2] {
            answers.grant(5, Kind::Reservation, 0, stamp);
            assert_eq!(answers.take_grant(&ticket), Some(Grant::Reservation(Stamp(stamp))));
            assert!(answers.is_waiting(5) && answers.take_freed() == NONE);
        }
        answers.free(5);
        assert_eq!(answers.take_freed(), 5);
    }
}
