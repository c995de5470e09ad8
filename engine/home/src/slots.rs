//! The tables of a shard's connections and links: the owners' slab, with generations for which a [`LinkKey`] has room.
//!
//! Here a link's place and its key become each other; the owner's half has a name of its own. A key of another port than a peer's has a place that no table reaches.

use engine_core::key::{EndKey, LinkKey, Port};
use engine_core::slab::{Key, Slab};
use engine_shard::ROUTED;

/// Names a connection or a link of a shard.
pub type Slot = Key;

/// Connections or links by slot.
pub type Slots<T> = Slab<T, { LinkKey::GENERATION_MAX }>;

/// The owner's half of a link, and the shard where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnerEnd {
    /// The shard.
    pub owner: u16,
    /// The half.
    pub end: EndKey,
}

impl OwnerEnd {
    /// Whether it is the router's.
    #[inline]
    #[must_use]
    pub fn is_routed(self) -> bool {
        self.owner == ROUTED
    }
}

/// The place of a peer's link.
#[inline]
pub(crate) fn peer_place(link: LinkKey) -> Slot {
    Slot::at(link.slot, u32::from(link.generation))
}

/// The place among those of its port.
pub(crate) fn place_at(link: LinkKey) -> Slot {
    Slot::at(link.place(), u32::from(link.generation))
}

/// What the owners call the link of a peer at a place of this shard.
pub(crate) fn peer_key(shard: u16, place: Slot) -> LinkKey {
    key_at(Port::Peer, shard, place)
}

/// What the owners call what is at a place of a port of this shard.
pub(crate) fn key_at(port: Port, shard: u16, place: Slot) -> LinkKey {
    let generation = u16::try_from(place.generation()).expect("generations of these tables are as long as a key's");
    LinkKey::at(port, shard, generation, place.slot())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_and_its_key_become_each_other_for_every_generation() {
        let mut slots = Slots::default();
        for _ in 0..=LinkKey::GENERATION_MAX {
            let place = slots.insert(());
            assert_eq!(peer_place(peer_key(3, place)), place);
            slots.remove(place);
        }
        assert_eq!(slots.insert(()), Slot::default(), "generations begin anew");
        let other = LinkKey::at(Port::Router, 3, 0, 0);
        assert_eq!(slots.get(peer_place(other)), None, "a link that is no peer's");
    }
}
