use super::waiters::Kind;

/// The counts of the gate in one machine word.
///
/// ```text
/// bits  0..20  in_flight   permits out
/// bits 20..40  reserved    permits kept for services that said "ready"
/// bit  40      GATED       the fast path is closed
/// bits 41..64  admitted    permits given so far, wrapping off the top
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

const FIELD: u64 = (1 << 20) - 1;
const RESERVED_SHIFT: u32 = 20;
const ADMITTED_SHIFT: u32 = 41;

impl Word {
    pub(super) const IN_FLIGHT: u64 = 1;
    pub(super) const GATED: u64 = 1 << 40;
    pub(super) const ADMITTED_MODULUS: u32 = 1 << (64 - ADMITTED_SHIFT);
    const RESERVED: u64 = 1 << RESERVED_SHIFT;
    const ADMITTED: u64 = 1 << ADMITTED_SHIFT;

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn is_gated(self) -> bool {
        self.0 & Self::GATED != 0
    }

    pub(super) const fn in_flight(self) -> u32 {
        low_bits(self.0 & FIELD)
    }

    pub(super) const fn reserved(self) -> u32 {
        low_bits((self.0 >> RESERVED_SHIFT) & FIELD)
    }

    /// Permits that are not free.
    pub(super) const fn occupied(self) -> u32 {
        self.in_flight() + self.reserved()
    }

    pub(super) const fn admitted(self) -> u32 {
        low_bits(self.0 >> ADMITTED_SHIFT)
    }

    pub(super) const fn take(self, kind: Kind) -> Self {
        match kind {
            Kind::Permit => Self(self.0.wrapping_add(Self::IN_FLIGHT).wrapping_add(Self::ADMITTED)),
            Kind::Reservation => Self(self.0 + Self::RESERVED),
        }
    }

    /// A reservation less, if there is one.
    pub(super) fn unreserve(self) -> Option<Self> {
        (self.reserved() > 0).then(|| Self(self.0 - Self::RESERVED))
    }

    /// A reservation turned into a permit, if there is one.
    pub(super) fn claim(self) -> Option<Self> {
        self.unreserve().map(|word| word.take(Kind::Permit))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "every field is at most 23 bits wide")]
const fn low_bits(field: u64) -> u32 {
    field as u32
}
