//! What a home keeps of one connection, in its binding's hands: who it is, which of its links wait for room, and what it carried.
//!
//! It moves with the connection to another shard, which has no links then.

use std::collections::VecDeque;

use engine_core::command::ConnectionKey;
use engine_message::value::Map;
use engine_policy::Admission;

use crate::limits::PROPERTIES_BYTES_MAX;
use crate::link::Link;
use crate::slots::Slot;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Peer {
    /// Whoever sends and receives.
    #[default]
    Client,
    /// Another router: a message over the connection costs so much, from 1.
    Router {
        /// The cost.
        cost: u32,
    },
    /// A router at the edge of the network that this one is of.
    Edge,
    /// A router of the network that this one is at the edge of.
    Interior,
}

/// How many links a connection has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct LinkCounts {
    /// All.
    links: u32,
    /// Those of them that receive.
    receivers: u32,
    /// Others that it detached, and whose owners have not answered.
    leaving: u32,
}

/// One connection, as its links see it.
#[derive(Debug, Default)]
pub struct Client {
    /// Its place among the connections of its shard.
    pub(crate) conn: Slot,
    /// Who authenticated; empty before.
    pub user: String,
    /// What it calls itself: in AMQP its container.
    pub container: String,
    /// Deliveries of each of its links through a router that may be unsettled; `None`: as many as the router has for all.
    pub link_capacity: Option<u32>,
    /// Who is at its other end.
    pub peer: Peer,
    /// What it says of itself beside that, as AMQP encodes a map: in AMQP the properties of its open, kept for management by
    /// `Client::introduce`.
    properties: Box<[u8]>,
    /// Messages from it.
    pub messages_in: u64,
    /// Messages to it.
    pub messages_out: u64,
    /// Whether it is not read because a large message waits for the disk.
    pub paused: bool,
    /// Its claim to its container, once it was admitted.
    pub(crate) claim: Option<ConnectionKey>,
    counts: LinkCounts,
    /// What it may do, if a policy says so.
    admission: Option<Box<Admission>>,
    /// Consumers' links whose credit the owner gets when there is room for what it brings.
    hungry: VecDeque<Slot>,
    /// Consumers' links that have messages to send in parts.
    streams: Vec<Slot>,
}

impl Client {
    /// It lives at `conn` now.
    pub fn set_place(&mut self, conn: Slot) {
        assert_eq!(self.counts, LinkCounts::default(), "links do not move");
        self.conn = conn;
    }

    /// What it says of itself, as AMQP encodes a map. More than `PROPERTIES_BYTES_MAX` octets are not kept.
    pub fn introduce(&mut self, properties: &Map) {
        let mut encoded = Vec::new();
        properties.encode(&mut encoded);
        if encoded.len() <= PROPERTIES_BYTES_MAX {
            self.properties = encoded.into();
        }
    }

    /// What it said of itself; empty if nothing is kept.
    #[must_use]
    pub fn properties(&self) -> &[u8] {
        &self.properties
    }

    /// Its place among the connections of its shard.
    #[must_use]
    pub fn place(&self) -> Slot {
        self.conn
    }

    /// How many links it has.
    #[must_use]
    pub fn links(&self) -> u32 {
        self.counts.links
    }

    /// How many of its links receive.
    #[must_use]
    pub fn receivers(&self) -> u32 {
        self.counts.receivers
    }

    pub(crate) fn add_link(&mut self, link: &Link) {
        self.counts.links += 1;
        self.counts.receivers += u32::from(link.receives());
    }

    pub(crate) fn drop_link(&mut self, link: &Link) {
        self.counts.links -= 1;
        self.counts.receivers -= u32::from(link.receives());
    }

    /// Whether it has no links, nor any that it waits for the end of.
    pub(crate) fn has_no_links(&self) -> bool {
        self.counts == LinkCounts::default()
    }

    /// It waits for the end of a link.
    pub(crate) fn add_leaving(&mut self) {
        self.counts.leaving += 1;
    }

    /// A link has ended that it detached.
    pub fn drop_leaving(&mut self) {
        self.counts.leaving -= 1;
    }

    /// A policy let it in, for as long as it is there.
    pub fn admit(&mut self, admission: Admission) {
        self.admission = Some(Box::new(admission));
    }

    /// What a policy lets it do; `None`: everything.
    #[inline]
    #[must_use]
    pub fn admission(&self) -> Option<&Admission> {
        self.admission.as_deref()
    }

    /// How many of its consumers' links wait for room.
    #[must_use]
    pub fn hungry(&self) -> usize {
        self.hungry.len()
    }

    /// Takes the one of them that waits longest.
    pub fn next_hungry(&mut self) -> Option<Slot> {
        self.hungry.pop_front()
    }

    /// A link waits for room.
    pub fn wait_for_room(&mut self, place: Slot) {
        self.hungry.push_back(place);
    }

    /// Consumers' links that have messages to send in parts: the one at `index`.
    #[inline]
    #[must_use]
    pub fn stream(&self, index: usize) -> Option<Slot> {
        self.streams.get(index).copied()
    }

    pub(crate) fn add_stream(&mut self, place: Slot) {
        self.streams.push(place);
    }

    pub(crate) fn drop_stream(&mut self, place: Slot) {
        self.streams.retain(|&other| other != place);
    }
}
