//! How messages of an address are spread over those who want them: its distribution.
//!
//! The numbers are those of the `hints` that routers tell each other beside their addresses.

/// A distribution of messages, or of links.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Treatment {
    /// To every router, whoever listens there: control addresses.
    Flood,
    /// To each consumer once.
    Multicast,
    /// To a consumer of this router while there is one, else to one of a router at the lowest cost.
    Closest,
    /// To the consumer with the least outstanding; what lies behind other routers counts with its cost.
    Balanced,
    /// Links, not messages: to containers in turn, those of this router first.
    LinkBalanced,
    /// To nobody: the address may not be used.
    Unavailable,
}

impl Treatment {
    /// All, by their number on the wire.
    pub const ALL: [Self; 6] =
        [Self::Flood, Self::Multicast, Self::Closest, Self::Balanced, Self::LinkBalanced, Self::Unavailable];

    /// The one of a number on the wire.
    #[must_use]
    pub fn of_hint(hint: u64) -> Option<Self> {
        usize::try_from(hint).ok().and_then(|hint| Self::ALL.get(hint)).copied()
    }

    /// Whether a message may go to more than one.
    #[must_use]
    pub fn is_copying(self) -> bool {
        matches!(self, Self::Flood | Self::Multicast)
    }

    /// Its number on the wire.
    #[must_use]
    pub fn hint(self) -> i32 {
        match self {
            Self::Flood => 0,
            Self::Multicast => 1,
            Self::Closest => 2,
            Self::Balanced => 3,
            Self::LinkBalanced => 4,
            Self::Unavailable => 5,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for treatment in Treatment::ALL {
            let hint = u64::try_from(treatment.hint()).expect("they are not negative");
            assert_eq!(Treatment::of_hint(hint), Some(treatment));
        }
        assert_eq!((Treatment::of_hint(6), Treatment::of_hint(u64::MAX)), (None, None));
    }
}
