//! What deliveries and their copies are called.
//!
//! Guarantee: a key names one delivery, or nothing once that is over, also when its place was used again.

/// A delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    /// Below half of what it can be, also of one in a run.
    pub(super) place: u32,
    pub(super) generation: u32,
}

impl DeliveryKey {
    /// As one number, whose lower half is below `1 << 31`.
    #[inline]
    #[must_use]
    pub fn to_bits(self) -> u64 {
        (u64::from(self.generation) << 32) | u64::from(self.place)
    }

    /// The key that is that number.
    #[inline]
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        let [generation, place] = [bits >> 32, bits & u64::from(u32::MAX)].map(|half| half as u32);
        Self { place, generation }
    }
}

/// A copy of a delivery for one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CopyKey {
    /// Of which delivery.
    pub delivery: DeliveryKey,
    /// Which of its copies.
    pub index: u32,
}
