//! Ends of routed links: what a link is to a router.

use std::sync::Arc;

use engine_core::command::RoutingType;
use engine_core::key::{EndKey, LinkKey};
use engine_core::slab::Key as Place;
use engine_router::address::Key;
use engine_router::network::LinkId;
use engine_router::settlement::{InLink, OutLink};
use engine_router::table::{Address, ConsumerId};

use crate::edge::EdgeEnd;
use crate::joints::Joint;
use crate::outward::Outward;
use crate::ways::Only;

/// The end of a link.
#[derive(Debug)]
pub(crate) enum End {
    Sender(Sender),
    Receiver(Receiver),
    /// An anonymous relay, whose messages each name their address.
    Relay(LinkKey),
    /// A link of a connection to another router. Those that messages go out over are receivers.
    Joint(Joint),
    /// A link of a connection between interior and edge. Those for one address are senders and receivers.
    Edge(EdgeEnd),
}

/// A link whose peer sends.
#[derive(Debug)]
pub(crate) struct Sender {
    pub link: LinkKey,
    /// The address that its messages are for, as its peer named it.
    pub to: Arc<str>,
    /// The same as a key.
    pub key: Key,
    /// Where it is among the senders of that.
    pub at: usize,
    /// The address, as the table has it, if somebody wants it.
    pub address: Option<Arc<Address>>,
    /// Where all its messages go, if there is nothing to choose.
    pub only: Option<Only>,
    /// The connection between interior and edge that it is on, if it is, and what that is called.
    pub edge: Option<(u64, LinkId)>,
    /// What its messages go out by.
    pub outward: Outward,
    /// Whether somebody receives its messages, and whether the other end of such a connection was told so, or is to be told.
    pub is_reached: bool,
    pub is_told: bool,
    pub is_noted: bool,
}

/// A link whose peer receives.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub link: LinkKey,
    /// The address that it has messages of; `None` for another router.
    pub key: Option<Key>,
    pub consumer: ConsumerId,
    /// The address as its peer named it, until the attach is answered.
    pub address: String,
    /// What its distribution is to a client.
    pub routing: RoutingType,
    /// Keys of what it has, each at the place that the copy knows.
    pub held: Vec<Place>,
    /// Deliveries without an outcome from which on it counts as busy.
    pub capacity: u32,
    /// The connection between interior and edge that it is on, if it is.
    pub connection: Option<u64>,
    /// Whether the table is to have it: a link to the interior only counts while somebody receives there.
    pub is_listed: bool,
}

/// The place of an end.
pub(crate) fn place(end: EndKey) -> Place {
    Place::at(end.slot, end.generation)
}

/// The end at a place.
pub(crate) fn end_key(place: Place) -> EndKey {
    EndKey { slot: place.slot(), generation: place.generation() }
}

/// What the settlement machine calls the link of a sender.
pub(crate) fn of_sender(place: Place) -> InLink {
    InLink(place.to_bits())
}

/// What it calls the link of a receiver.
pub(crate) fn of_receiver(place: Place) -> OutLink {
    OutLink(place.to_bits())
}

/// Ends have fewer places than that: numbers from here on are lanes to other shards.
const BEYOND: u64 = 1 << 31;

/// What the settlement machine calls the lane from another shard.
pub(crate) fn lane_in(shard: u16) -> InLink {
    InLink(BEYOND + u64::from(shard))
}

/// What it calls the lane to another shard.
pub(crate) fn lane_out(shard: u16) -> OutLink {
    OutLink(BEYOND + u64::from(shard))
}

/// What a link of the settlement machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    End(Place),
    Lane(u16),
}

/// What the number of a link names.
pub(crate) fn named(link: u64) -> Named {
    let place = Place::from_bits(link);
    match u64::from(place.slot()).checked_sub(BEYOND) {
        None => Named::End(place),
        Some(lane) => Named::Lane(lane as u16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_names_one_link() {
        let end = Place::at(7, u32::MAX);
        assert_eq!(named(of_sender(end).0), Named::End(end));
        assert_eq!(named(of_receiver(end).0), Named::End(end));
        assert_eq!((named(lane_in(3).0), named(lane_out(u16::MAX).0)), (Named::Lane(3), Named::Lane(u16::MAX)));
        assert_eq!(named(lane_in(0).0), Named::Lane(0));
        assert_eq!(place(end_key(end)), end);
    }
}
