//! What a shard's shell does for a router: connections by the listener or connector that they are of, and links that the router attaches
//! itself.
//!
//! Guarantee: the same calls in the same order as in the shell (`shell/linking.rs`); log lines are left out.

use amqp_bind::Caller;
use engine_home::{Peer, Request, Slot};
use engine_message::Condition;

use crate::shard::Shard;
use crate::wire::Socket;

/// A connection's octets, and where it came in or went out.
pub struct Host {
    /// Its end of the connection.
    pub socket: Socket,
    /// The listener or connector that it is of.
    pub door: Door,
}

/// A listener, or a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A listener for clients.
    Clients,
    /// A listener for containers: links go to them whole.
    Containers,
    /// A listener for other routers: a message costs so much.
    FromRouter {
        /// The cost.
        cost: u32,
    },
    /// A connector to one.
    ToRouter {
        /// The cost.
        cost: u32,
    },
    /// A listener for routers at the edge.
    FromEdge,
    /// A connector of such a router.
    ToInterior,
}

/// What listeners for containers are called.
pub const CONTAINERS: &str = "containers";

impl Door {
    /// Who is at the other end.
    pub fn peer(self) -> Peer {
        match self {
            Self::Clients | Self::Containers => Peer::Client,
            Self::FromRouter { cost } | Self::ToRouter { cost } => Peer::Router { cost },
            Self::FromEdge => Peer::Edge,
            Self::ToInterior => Peer::Interior,
        }
    }

    /// Who connects, if the node does.
    pub fn caller(self) -> Option<Caller<'static>> {
        let goes_out = matches!(self, Self::ToRouter { .. } | Self::ToInterior);
        let user = "connector".to_owned();
        goes_out.then(|| Caller { hostname: "router", credentials: None, user, peer: self.peer() })
    }
}

impl Shard {
    /// What connections to containers and other routers ask for.
    pub(crate) fn handle_linking(&mut self, slot: Slot, request: Request) {
        match request {
            Request::Opened => self.handle_opened(slot),
            Request::ProxyDown { number, why } => self.turn.handle_proxy_down(slot, number, why),
            Request::RouterLost { .. } => {
                self.turn.dismiss(slot, Condition::ConnectionForced, "a link between routers is missing");
            }
            other => panic!("nobody is let to ask for {other:?}"),
        }
    }

    fn handle_opened(&mut self, slot: Slot) {
        let Some(entry) = self.turn.get(slot) else { return };
        match entry.host.door {
            Door::Containers => {
                let container = entry.protocol.client().container.clone();
                self.turn.handle_container(slot, CONTAINERS, &container);
            }
            Door::ToRouter { .. } => self.turn.ask_router(slot),
            Door::ToInterior => self.turn.handle_interior_opened(slot),
            Door::Clients | Door::FromRouter { .. } | Door::FromEdge => {}
        }
    }
}
