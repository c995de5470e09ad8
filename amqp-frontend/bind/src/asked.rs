//! Links that are to be attached to a peer's nodes, and those that were (`asking`).

use std::collections::HashMap;

use amqp_proto::{LinkId, SessionId};
use engine_core::command::{ConsumerSpec, ProducerSpec};

/// A link that is to be attached.
#[derive(Debug)]
pub struct Asking {
    /// Its number, of no other link of the connection that is asked for.
    pub number: u32,
    /// Its name, of no other link between the two containers.
    pub name: String,
    /// The node of the peer.
    pub node: String,
    /// What the peer's end is here.
    pub peer: PeerEnd,
}

/// What the peer's end of a link is to the home.
#[derive(Debug)]
pub enum PeerEnd {
    /// The peer sends to an address: we receive.
    Sends(Box<ProducerSpec>),
    /// It receives from one: we send.
    Receives(Box<ConsumerSpec>),
}

/// Links that were asked for and have not ended.
#[derive(Debug, Default)]
pub(crate) struct AskedLinks {
    /// Sessions that they are on: a further one is begun when none takes more.
    pub sessions: Vec<SessionId>,
    pub links: HashMap<LinkId, AskedLink>,
}

/// A link that was asked for.
#[derive(Debug)]
pub(crate) struct AskedLink {
    pub purpose: Purpose,
    /// Until the peer has answered.
    pub peer: Option<PeerEnd>,
}

/// What a link is for that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Purpose {
    /// It was asked for by this number.
    Asked(u32),
    /// It is one of those between routers.
    Between,
    /// It is for an address, between the interior and this router at its edge, and was asked for by this number.
    Proxy(u32),
}
