//! What a shard keeps of connections between a router of the interior and one at the edge (`edges`).

use std::collections::{HashMap, VecDeque};

use engine_core::key::LinkKey;
use engine_core::slab::Key as Place;
use engine_router::address::Key;
use engine_router::network::LinkId;
use engine_router::table::ConsumerId;
use engine_router::uplink::Proxy;

use crate::limits::EDGES_MAX;

/// The name of the way up to the interior.
pub(crate) const UP: &str = "_edge";

/// The bit of a consumer's number that says that each of its messages is to say its address.
const IS_ANONYMOUS: u64 = 1 << 46;
/// The bit of a connection's number that says that it is one of these.
const IS_EDGES: u64 = 1 << 45;

/// A connection between a router of the interior and one at the edge.
#[derive(Debug)]
pub(crate) struct Edge {
    /// What it is called.
    pub link: LinkId,
    /// The link that messages for the other router itself go over, each with its address.
    pub anonymous: Option<Place>,
    /// Of the interior: the link that says of which addresses somebody receives.
    pub tracking: Option<Tracking>,
    /// At the edge: links that send to one address in the interior.
    pub proxies: HashMap<Key, Place>,
    /// Signs of life.
    pub heartbeat: Option<Heartbeat>,
    /// When a second began, nanoseconds, and what was asked since.
    pub asked: (u64, u32),
}

/// A link that says of which addresses somebody receives.
#[derive(Debug)]
pub(crate) struct Tracking {
    pub link: LinkKey,
    pub place: Place,
    pub credit: u32,
}

/// A link for signs of life.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    pub link: LinkKey,
    pub place: Place,
    /// When the last one was heard, or said.
    pub at_ns: u64,
    /// Of who says them: how many more the other end takes, and how many were said.
    pub credit: u32,
    pub said: u32,
}

/// Such connections by their numbers of this shard.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pub by_connection: HashMap<u64, Edge>,
    pub by_link: HashMap<LinkId, u64>,
    /// Senders that the other end of their connection is to be told of.
    pub untold: HashMap<u64, VecDeque<Place>>,
    /// Ends that are neither senders nor receivers.
    pub ends: usize,
    numbered: u64,
    /// When they are to be looked at, nanoseconds; `None`: there is nothing to look at.
    pub due_ns: Option<u64>,
    pub now_ns: u64,
    /// At the edge: senders and receivers of clients by the link that they need.
    pub needs: HashMap<Proxy, u32>,
}

/// An end of such a connection that is neither a sender of one address nor a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EdgeEnd {
    pub link: LinkKey,
    pub connection: u64,
    pub edge: LinkId,
    pub kind: EdgeKind,
}

/// What such an end is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EdgeKind {
    /// Messages come, each with its address.
    Messages,
    /// It says of which addresses somebody receives.
    TrackingOut,
    /// It hears that.
    TrackingIn,
    /// It is asked about addresses.
    Lookup,
    /// It says that this router is alive.
    HeartbeatOut,
    /// It hears that the other one is.
    HeartbeatIn,
}

/// Whether there is one more or one less who needs something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    More,
    Less,
}

impl Edges {
    /// The connection of a number, which is made if it is new; nothing if there are as many as there may be.
    pub fn get(&mut self, shard: u16, connection: u64) -> Option<&mut Edge> {
        if !self.by_connection.contains_key(&connection) {
            if self.by_connection.len() >= EDGES_MAX {
                return None;
            }
            let link = LinkId(ConsumerId::at(shard, IS_EDGES | self.numbered).0);
            self.numbered += 1;
            self.by_link.insert(link, connection);
            let edge =
                Edge { link, anonymous: None, tracking: None, proxies: HashMap::new(), heartbeat: None, asked: (0, 0) };
            self.by_connection.insert(connection, edge);
        }
        self.by_connection.get_mut(&connection)
    }

    /// A connection is gone; gives what it was called, if it was one of these.
    pub fn remove(&mut self, connection: u64) -> Option<LinkId> {
        let edge = self.by_connection.remove(&connection)?;
        self.by_link.remove(&edge.link);
        self.untold.remove(&connection);
        Some(edge.link)
    }
}

/// The number of a receiver whose messages each say their address.
pub(crate) fn anonymous(number: u64) -> u64 {
    number | IS_ANONYMOUS
}

/// Whether a consumer is one whose messages each say their address.
pub(crate) fn is_anonymous(ConsumerId(number): ConsumerId) -> bool {
    number & IS_ANONYMOUS != 0
}
