/// The counts of the gate in one machine word.
///
/// ```text
/// bits  0..20  in_flight   permits out
/// bit  20      GATED       the fast path is closed
/// bit  21      TIMED       the permits out are integrated over time
/// bits 22..42  reserved    permits kept for services that said "ready"
/// bits 42..64  admitted    permits given so far, wrapping off the top
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

const FIELD: u64 = (1 << 20) - 1;
const RESERVED_SHIFT: u32 = 22;
const ADMITTED_SHIFT: u32 = 42;

impl Word {
    pub(super) const IN_FLIGHT: u64 = 1;
    pub(super) const GATED: u64 = 1 << 20;
    pub(super) const TIMED: u64 = 1 << 21;
    pub(super) const ADMITTED_MODULUS: u32 = 1 << (64 - ADMITTED_SHIFT);
    const RESERVED: u64 = 1 << RESERVED_SHIFT;
    const ADMITTED: u64 = 1 << ADMITTED_SHIFT;

    /// What to add to the word when a permit that is out becomes another one's, or a reservation; wrapping.
    #[inline]
    pub(super) const fn handed_over(is_permit: bool) -> u64 {
        if is_permit { Self::ADMITTED } else { Self::RESERVED - Self::IN_FLIGHT }
    }

    #[inline]
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    #[inline]
    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) const fn is_gated(self) -> bool {
        self.0 & Self::GATED != 0
    }

    /// Whether the time of the permits out is integrated: whoever changes their number tells the [`Occupancy`].
    ///
    /// It stands in the word so that each change is told once, or not at all, whenever it is turned on or off.
    ///
    /// [`Occupancy`]: crate::occupancy::Occupancy
    #[inline]
    pub(super) const fn is_timed(self) -> bool {
        self.0 & Self::TIMED != 0
    }

    /// Whether there is more to do for a change of the counts than to change them.
    #[inline]
    pub(super) const fn is_marked(self) -> bool {
        self.0 & (Self::GATED | Self::TIMED) != 0
    }

    #[inline]
    pub(super) const fn in_flight(self) -> u32 {
        low_bits(self.0 & FIELD)
    }

    #[inline]
    pub(super) const fn reserved(self) -> u32 {
        low_bits((self.0 >> RESERVED_SHIFT) & FIELD)
    }

    /// Permits that are not free.
    #[inline]
    pub(super) const fn occupied(self) -> u32 {
        self.in_flight() + self.reserved()
    }

    /// Permits that are not free, as one who takes without the lock sees them: `GATED` stands just above the permits out and
    /// reads as more of them than any limit allows.
    #[inline]
    pub(super) const fn occupied_or_gated(self) -> u32 {
        low_bits(self.0 & (FIELD | Self::GATED)) + self.reserved()
    }

    #[inline]
    pub(super) const fn admitted(self) -> u32 {
        low_bits(self.0 >> ADMITTED_SHIFT)
    }

    /// Permits taken. There are never more of them than the limit, so the field cannot overflow.
    #[inline]
    pub(super) const fn take(self, permits: u32) -> Self {
        let permits = permits as u64;
        Self(
            self.0.wrapping_add(permits * Self::IN_FLIGHT).wrapping_add(permits.wrapping_mul(Self::ADMITTED)),
        )
    }

    /// So many permits less; their owner says that they were out.
    #[inline]
    pub(super) const fn release(self, permits: u32) -> Self {
        Self(self.0 - permits as u64 * Self::IN_FLIGHT)
    }

    #[inline]
    pub(super) const fn reserve(self) -> Self {
        Self(self.0 + Self::RESERVED)
    }

    /// A reservation less, if there is one.
    #[inline]
    pub(super) fn unreserve(self) -> Option<Self> {
        self.unreserve_many(1)
    }

    /// So many reservations less, if there are as many.
    #[inline]
    pub(super) fn unreserve_many(self, reservations: u32) -> Option<Self> {
        (self.reserved() >= reservations).then(|| Self(self.0 - u64::from(reservations) * Self::RESERVED))
    }

    /// A reservation turned into a permit, if there is one.
    #[inline]
    pub(super) fn claim(self) -> Option<Self> {
        self.unreserve().map(|word| word.take(1))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "every field is at most 23 bits wide")]
#[inline]
const fn low_bits(field: u64) -> u32 {
    field as u32
}
