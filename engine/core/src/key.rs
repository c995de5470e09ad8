//! Keys by which the home of a connection and the owner of a queue name each other's half of a link.
//!
//! Both carry a generation, so that a key to a slot that has been reused since is recognised and ignored.

/// Names the half of a link that lives with its connection, on the connection's home shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkKey {
    /// The home shard's index.
    pub shard: u16,
    /// Distinguishes successive users of one slot.
    pub generation: u16,
    /// The place in the home shard's table of links.
    pub slot: u32,
}

/// Names the half of a link that lives with its queue, on the owner shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndKey {
    /// The place in the owner shard's table of link ends.
    pub slot: u32,
    /// Distinguishes successive users of one slot.
    pub generation: u32,
}

const _: () = assert!(size_of::<LinkKey>() == 8 && size_of::<EndKey>() == 8);
