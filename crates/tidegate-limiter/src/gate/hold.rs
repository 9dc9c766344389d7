use super::Stamp;
use super::fair::{FlowId, PLAIN};
use super::nodes::Ticket;

/// Permits out, the flow that holds them, and since when, in one machine word: a permit that fits into two registers is
/// handed from place to place for nothing.
///
/// ```text
/// bits  0..20  permits
/// bit  20      ENDED     the work is over, or the permit given back; then NOT_HELD, too
/// bit  21      NOT_HELD  without ENDED, not yet: bits 22..54 are the ticket that will be granted one permit
/// bits 22..46  flow
/// bits 46..64  given     the driver's look before which they were given, wrapping off the top
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold(u64);

const PERMITS: u64 = (1 << 20) - 1;
const FLOW_SHIFT: u32 = 22;
const FLOW: u64 = (1 << 24) - 1;
const GIVEN_SHIFT: u32 = 46;
const GIVEN: u32 = (1 << 18) - 1;
const ENDED: u64 = 1 << 20;
const NOT_HELD: u64 = 1 << 21;
const TICKET_SHIFT: u32 = 22;

impl Hold {
    /// How many flows a hold can tell apart.
    pub(super) const FLOWS: FlowId = 1 << 24;

    /// One permit without a class.
    pub(crate) const PLAIN: Self = Self::new(PLAIN, 1);

    pub(super) const fn new(flow: FlowId, permits: u32) -> Self {
        Self((permits as u64 & PERMITS) | ((flow as u64 & FLOW) << FLOW_SHIFT))
    }

    /// Before it is given a hold leaves the two highest bits free.
    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(crate) const fn permits(self) -> u32 {
        low_bits(self.0 & PERMITS)
    }

    #[inline]
    pub(super) const fn flow(self) -> FlowId {
        low_bits((self.0 >> FLOW_SHIFT) & FLOW)
    }

    /// The same, given now.
    #[inline]
    pub(crate) const fn given(self, now: Stamp) -> Self {
        Self(self.0 | (now.0 as u64) << GIVEN_SHIFT)
    }

    /// Looks of the driver since it was given, modulo 2¹⁸: the count begins anew after 1.8 hours at a tick of 100 ms.
    pub(super) const fn age(self, now: Stamp) -> u32 {
        now.0.wrapping_sub(low_bits(self.0 >> GIVEN_SHIFT)) & GIVEN
    }

    /// One permit without a class that is still to be granted to this ticket.
    #[expect(clippy::needless_pass_by_value, reason = "the ticket is kept in the word")]
    pub(crate) const fn promised(ticket: Ticket) -> Self {
        Self(NOT_HELD | (ticket.index as u64) << TICKET_SHIFT)
    }

    /// Whether it is out: neither still promised nor at its end.
    #[inline]
    pub(crate) const fn is_held(self) -> bool {
        self.0 & NOT_HELD == 0
    }

    /// The ticket of a promise. It is the caller's to see that it is spent once.
    pub(crate) const fn ticket(self) -> Option<Ticket> {
        if self.0 & (NOT_HELD | ENDED) == NOT_HELD {
            Some(Ticket::new(low_bits(self.0 >> TICKET_SHIFT), false))
        } else {
            None
        }
    }

    #[inline]
    pub(crate) const fn ended(self) -> Self {
        Self(self.0 | NOT_HELD | ENDED)
    }

    #[inline]
    pub(crate) const fn is_ended(self) -> bool {
        self.0 & ENDED != 0
    }
}

#[expect(clippy::cast_possible_truncation, reason = "what is asked for is in the low bits")]
#[inline]
const fn low_bits(word: u64) -> u32 {
    word as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_do_not_touch_each_other() {
        let hold = Hold::new(Hold::FLOWS - 1, (1 << 20) - 1).given(Stamp(u32::MAX)).ended();
        assert_eq!((hold.flow(), hold.permits(), hold.is_ended()), (Hold::FLOWS - 1, (1 << 20) - 1, true));
        let hold = Hold::new(5, 7).given(Stamp(9));
        assert_eq!((hold.flow(), hold.permits(), hold.is_ended()), (5, 7, false));
    }

    #[test]
    fn a_promise_keeps_its_ticket() {
        let promise = Hold::promised(Ticket::new(u32::MAX, true));
        assert_eq!(promise.ticket().map(|ticket| ticket.index), Some(u32::MAX));
        assert!(!promise.is_ended() && !promise.is_held());
        assert!(Hold::PLAIN.is_held() && !Hold::PLAIN.ended().is_held());
        assert!(Hold::new(Hold::FLOWS - 1, 1).given(Stamp(u32::MAX)).ticket().is_none());
    }

    #[test]
    fn the_age_survives_the_wrap_of_the_looks() {
        assert_eq!(Hold::PLAIN.given(Stamp(u32::MAX)).age(Stamp(2)), 3);
        assert_eq!(Hold::PLAIN.given(Stamp(GIVEN)).ended().age(Stamp(GIVEN + 40)), 40);
    }
}
