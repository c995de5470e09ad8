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
    /// The place in the home shard's table of links, below the bits that say which [`Port`].
    pub slot: u32,
}

/// Whose link it is, on its home shard: an answer finds whom it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// A connection's: its place is one in the table of links.
    Peer,
    /// The forwarder's, which moves messages from one address to another.
    Forwarder,
    /// Management's.
    Management,
    /// The router's.
    Router,
    /// A connection, as the claimant of its container: its place is one in the table of connections.
    Connection,
    /// The shard itself: what shards tell each other.
    Shard,
}

/// How many of the bits of `LinkKey::slot` a place has; those above name the port.
const PLACE_BITS: u32 = 29;

impl LinkKey {
    /// Places of one port, and so the most links that a shard can have.
    pub const PLACES: u32 = 1 << PLACE_BITS;
    /// The highest generation that a key has room for.
    pub const GENERATION_MAX: u32 = u16::MAX as u32;

    /// The key of a link of `port`, whose place there is below [`Self::PLACES`].
    #[must_use]
    pub fn at(port: Port, shard: u16, generation: u16, place: u32) -> Self {
        assert!(place < Self::PLACES, "a table of links has no more places");
        let port = match port {
            Port::Peer => 0,
            Port::Forwarder => 1,
            Port::Management => 2,
            Port::Router => 3,
            Port::Connection => 4,
            Port::Shard => 5,
        };
        Self { shard, generation, slot: port << PLACE_BITS | place }
    }

    /// Whose link it is.
    #[must_use]
    pub fn port(self) -> Port {
        match self.slot >> PLACE_BITS {
            0 => Port::Peer,
            1 => Port::Forwarder,
            2 => Port::Management,
            3 => Port::Router,
            4 => Port::Connection,
            _ => Port::Shard,
        }
    }

    /// Its place among the links of its port.
    #[must_use]
    pub fn place(self) -> u32 {
        self.slot & (Self::PLACES - 1)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_and_a_place_share_a_key() {
        for port in [Port::Peer, Port::Forwarder, Port::Management, Port::Router, Port::Connection, Port::Shard] {
            for place in [0, 1, LinkKey::PLACES - 1] {
                let key = LinkKey::at(port, 7, 9, place);
                assert_eq!((key.port(), key.place(), key.shard, key.generation), (port, place, 7, 9));
            }
        }
        assert_eq!(LinkKey::at(Port::Peer, 1, 2, 3).slot, 3, "a peer's place is its place in the table");
    }
}
