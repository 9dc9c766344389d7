//! Those who wait ask what became of them, and leave.

use std::task::{Context, Poll};

use super::answers::Answer;
use super::queue::Queue;
use super::word::Word;
use super::{Gate, Grant, Stamp, Ticket};
use crate::Overloaded;
use crate::sync::{MutexGuard, lock};

impl Gate {
    /// The reservation that a seated ticket was granted, if it was; then the ticket is spent.
    #[inline]
    pub(crate) fn take_reservation(&self, ticket: &Ticket) -> Option<Stamp> {
        self.answers.take_reservation(ticket)
    }

    /// What became of a ticket; if it was answered the ticket is spent, and what it was granted is the caller's.
    ///
    /// A grant is seen without the lock: who is woken by one does not wait for the one who gave it.
    #[inline]
    pub(crate) fn poll_ticket(
        &self,
        ticket: &Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Grant, Overloaded>> {
        match self.answers.take_grant(ticket) {
            Some(grant) => Poll::Ready(Ok(grant)),
            None => self.poll_ungranted(ticket, cx),
        }
    }

    fn poll_ungranted(&self, ticket: &Ticket, cx: &Context<'_>) -> Poll<Result<Grant, Overloaded>> {
        let queue = lock(&self.queue);
        let answer = self.answer(&queue, ticket);
        if answer.is_ready() || queue.would_wake(ticket, cx.waker()) {
            return answer;
        }
        // Cloning and dropping a waker may run code of the caller's, so neither is done under the lock; and that code may
        // panic, so the ticket is not spent before.
        drop(queue);
        let mut waker = Some(cx.waker().clone());
        let mut queue = lock(&self.queue);
        if self.answers.is_waiting(ticket.index) {
            queue.swap_waker(ticket, &mut waker);
            drop(queue);
            return Poll::Pending;
        }
        drop(queue);
        drop(waker);
        self.answer(&lock(&self.queue), ticket)
    }

    fn answer(&self, queue: &Queue, ticket: &Ticket) -> Poll<Result<Grant, Overloaded>> {
        match self.answers.take(ticket) {
            Answer::Waiting => Poll::Pending,
            Answer::Granted(grant) => Poll::Ready(Ok(grant)),
            Answer::Refused(reason) => Poll::Ready(Err(queue.refusal(reason))),
        }
    }

    /// Leaves the line; the permits the ticket had been granted, if any. They go to the next one.
    pub(crate) fn cancel(&self, ticket: Ticket) -> u32 {
        let mut queue = lock(&self.queue);
        if !self.answers.is_waiting(ticket.index) {
            return self.cancel_answered(queue, &ticket.given_up());
        }
        let waker = queue.remove(ticket.index);
        self.leave_cancelled(queue);
        drop(waker);
        0
    }

    #[cold]
    fn cancel_answered(&self, mut queue: MutexGuard<'_, Queue>, ticket: &Ticket) -> u32 {
        let mut unseen = 0;
        match self.answers.take(ticket) {
            Answer::Waiting | Answer::Refused(_) => {}
            Answer::Granted(Grant::Permits(hold)) => {
                self.subtract(&mut queue, hold);
                unseen = hold.permits();
            }
            Answer::Granted(Grant::Reservation(stamp)) => {
                self.spend(stamp);
                self.update(Word::unreserve);
            }
            Answer::Granted(Grant::News) => queue.pass_on(ticket),
        }
        self.leave_cancelled(queue);
        unseen
    }

    #[inline]
    fn leave_cancelled(&self, queue: MutexGuard<'_, Queue>) {
        if self.is_settled(&queue) {
            drop(queue);
        } else {
            self.grant(queue);
        }
    }
}
