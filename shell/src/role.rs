//! Who is at the other end of connections.

use engine_home::Peer;

/// Who is at the other end of a listener's or connector's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Clients.
    #[default]
    Normal,
    /// A broker or a service: the router may attach links to it.
    RouteContainer,
    /// Another router: a message over such a connection costs so much, from 1.
    InterRouter {
        /// The cost.
        cost: u32,
    },
    /// A router at the edge of the network that this one is of.
    Edge,
    /// A router of the network that this one is at the edge of.
    Interior,
}

impl Role {
    /// Who the peer is to the binding of a connection.
    pub(crate) fn peer(self) -> Peer {
        match self {
            Self::Normal | Self::RouteContainer => Peer::Client,
            Self::InterRouter { cost } => Peer::Router { cost },
            Self::Edge => Peer::Edge,
            Self::Interior => Peer::Interior,
        }
    }
}
