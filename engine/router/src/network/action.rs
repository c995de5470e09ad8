//! What a network machine asks its host to do, and what it tells.

use std::fmt;

use bytes::Bytes;
use engine_message::Condition;

use super::links::LinkId;
use crate::control::{Changes, ControlError};
use crate::router_id::RouterId;
use crate::set::RouterIndex;

/// What is to be done, in the order in which it is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A control message goes out, settled.
    Send {
        /// Over which link.
        link: LinkId,
        /// As a whole.
        message: Bytes,
    },
    /// A connection ends, for its peer's fault.
    Close {
        /// The link on it, which is not known here any more.
        link: LinkId,
        /// Why.
        condition: Condition,
        /// Why, for people.
        reason: String,
    },
    /// `Network::routes` are others now.
    Routes,
    /// A router's addresses changed.
    Learned {
        /// Whose.
        router: RouterIndex,
        /// How.
        changes: Changes,
    },
    /// A router has no addresses any more, and its number may become another router's.
    Forgotten {
        /// Whose.
        router: RouterIndex,
    },
    /// Something that an operator may want to know.
    Notice(Notice),
}

/// What an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A neighbour hears this router, and is heard.
    NeighbourFound(RouterId),
    /// A neighbour is not heard any more.
    NeighbourLost(RouterId),
    /// A router speaks a later version; told once for each.
    Version {
        /// Which.
        id: RouterId,
        /// What it speaks.
        version: u64,
    },
    /// Another router has this one's id; told once.
    DuplicateId,
    /// There are more routers than a network can have; told once.
    Full(RouterId),
    /// A message that came from afar was passed over.
    PassedOver {
        /// Over which neighbour it came.
        neighbour: RouterId,
        /// What is wrong with it.
        error: ControlError,
    },
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeighbourFound(id) => write!(f, "router {id} is a neighbour"),
            Self::NeighbourLost(id) => write!(f, "router {id} is no neighbour any more"),
            Self::Version { id, version } => write!(f, "router {id} speaks version {version}, and is not understood"),
            Self::DuplicateId => write!(f, "another router of the network has the id of this one: give each its own"),
            Self::Full(id) => write!(f, "router {id} is not taken note of: the network has as many as it can have"),
            Self::PassedOver { neighbour, error } => {
                write!(f, "a message over router {neighbour} is passed over: {error}")
            }
        }
    }
}
