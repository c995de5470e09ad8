//! Which container a message comes from, as a number: what no-local (JMS 2.0, 8.3.1) leaves messages out by.
//!
//! Guarantees: a container has the same number on every shard, after a restart, and in every version: subscriptions that outlive the node
//! keep it in the journal.
//!
//! Not here: messages do not keep theirs. It goes with them from their sender's link to the queues of their address, and no further: what
//! is forwarded from one address to another is from nobody.

use std::num::NonZeroU64;

use crate::message::spread;

/// The number of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(NonZeroU64);

impl Origin {
    /// That of a container with this id: FNV-1a of its octets, 64 bits. That two ids share a number is as good as never met by chance
    /// (1 in 2^64 a pair), and who looks for an id that does only keeps messages of its own from a subscription.
    #[must_use]
    pub fn of(container: &str) -> Self {
        Self(NonZeroU64::new(spread(container.as_bytes())).unwrap_or(NonZeroU64::MIN))
    }

    /// The one that was kept as a number; none is 0.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// As a number.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_they_were() {
        // The test vectors of FNV-1a.
        for (container, number) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(Origin::of(container).number(), number, "{container}");
            assert_eq!(Origin::from_number(number), Some(Origin::of(container)));
        }
        assert_eq!(Origin::from_number(0), None);
    }
}
