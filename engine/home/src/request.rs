//! What a binding asks of the shell under it: what needs a socket, a thread, another shard or a log.

use crate::Slot;
use std::io;

use crate::managing::Managed;

/// One thing that a connection's binding cannot do itself.
#[derive(Debug)]
pub enum Request {
    /// Put TLS in, once what is to be written is; then go on with the octets that are kept. Nothing more is taken before.
    Tls,
    /// Have a password verified, and say the result. Nothing more is taken before.
    Verify(Password),
    /// Have the connection judged by the policy, and say the result. Nothing more is taken before.
    Admit {
        /// The hostname of its open; empty: it has none.
        hostname: String,
    },
    /// Bring the connection to the shard that owns its first link's address. Nothing more is taken before.
    Move {
        /// That shard.
        owner: u16,
    },
    /// Note that both ends have opened the connection: one that was made, or any of a router.
    Opened,
    /// Tell who runs the node that the connection was closed with an error, by either end.
    Closed(Closed),
    /// A link that was asked for is there.
    LinkUp {
        /// Its number.
        number: u32,
        /// Where it is.
        place: Slot,
    },
    /// A link that was asked for is not, or no more.
    LinkDown {
        /// Its number.
        number: u32,
        /// Why, for people.
        why: String,
    },
    /// A link for an address to the interior of the network is not there, or no more.
    ProxyDown {
        /// Its number.
        number: u32,
        /// Why, for people.
        why: String,
    },
    /// A link between routers is not there, or no more: the connection is of no use.
    RouterLost {
        /// Why, for people.
        why: String,
    },
    /// Tell who runs the node that its clients would use what there is not.
    LinkRefused {
        /// The link's name.
        link: String,
        /// What it was told.
        error: String,
    },
    /// Tell who runs the node why a policy denied a link.
    Denied {
        /// What it was told, and the reason, which it was not.
        why: String,
    },
    /// Have a request to management answered: its answer is a message of its own.
    Manage(Box<Managed>),
    /// Tell who runs the node that a consumer is slow.
    ConsumerSlow {
        /// What it did.
        text: Box<str>,
    },
    /// Tell who runs the node that a large message cannot be written.
    NotWritten(io::Error),
}

/// A password, and whose it is said to be.
pub struct Password {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Password {{ user: {:?} }}", self.user)
    }
}

/// How a connection was closed with an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closed {
    /// Its peer is not let in, for this reason.
    NotLetIn(String),
    /// With this error.
    Error(String),
}
