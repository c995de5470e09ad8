//! What ordinary threads and other shards tell a shard.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use amqp_proto::Authenticated;
use engine_core::command::Publish;
use engine_core::event::Refusal;
use engine_core::{Answer, Progress, Task, Version};
use engine_home::Slot;
use engine_policy::{Admission, Denial, Peer};
use engine_router::auto_links::{AutoLink, AutoLinkId};
use engine_routing::{Answer as RouterAnswer, Order as RouterOrder, Update};
use engine_rt::{InboxSender, Listener};

use crate::connection::Conn;
use crate::connectors::ConnectorConfig;
use crate::listener::ListenerConfig;
use crate::turn::Entry;
use crate::view::Ask;

/// One thing that a shard is told.
pub enum Post {
    /// A password was verified.
    Verified {
        /// Whose.
        connection: Slot,
        /// The result.
        authenticated: Authenticated,
    },
    /// The policy judged a connection.
    Judged {
        /// Which.
        connection: Slot,
        /// Whether it may be opened.
        judged: Box<Result<Admission, Denial>>,
    },
    /// The name of a connector's peer was looked up.
    Resolved {
        /// Whose, by its number.
        connector: u32,
        /// For which of its attempts.
        attempt: u32,
        /// The addresses, or why there are none.
        found: Result<Vec<SocketAddr>, String>,
    },
    /// Somebody wants to see what there is.
    View(Ask),
    /// A step of work on the messages of a queue, and where what it did goes.
    Manage(Box<Manage>, flume::Sender<Managing>),
    /// An answer of management is to be sent.
    Answer(Box<Publish>),
    /// What is told of a version of the catalogue, and where the answer goes.
    Version(Version, flume::Sender<Answer>),
    /// All shards are to go by another table of the router's.
    Table(Box<Update>),
    /// The registry of the router says what became of the attach of one of the shard's receivers.
    Registered(RouterAnswer),
    /// The registry of the router wants something done with a connection to another router.
    RouterOrder(Box<RouterOrder>),
    /// The router is to attach another link, as management says; that it does goes back.
    Declare(AutoLinkId, Box<AutoLink>, flume::Sender<()>),
    /// It is to do so no more; that it does not goes back.
    Undeclare(AutoLinkId, flume::Sender<()>),
    /// Further sockets are to be listened on, as management says; whether they are goes back.
    Listen(Vec<(Listener, Arc<ListenerConfig>)>, flume::Sender<io::Result<()>>),
    /// All of a listener are to be so no more; that they are not goes back.
    ListenNoMore(u32, flume::Sender<()>),
    /// A connector of this number is to connect, as management says; that it begins goes back.
    Connect(u32, Arc<ConnectorConfig>, flume::Sender<()>),
    /// It is to end, and its connection with it; that it does goes back.
    Disconnect(u32, flume::Sender<()>),
    /// A connection is to be closed, as management says; whether there is such a one goes back.
    Dismiss(Slot, flume::Sender<bool>),
    /// A connection moves here.
    Arrive(Box<Arriving>),
    /// Close all connections, then stop.
    Stop,
}

/// Work on messages of a queue of the shard, for a user.
pub struct Manage {
    /// As `engine_home::Managed` has it.
    pub user: String,
    /// What is to be done.
    pub task: Task,
}

/// What a step of such work did, or why it was not done.
pub type Managing = Result<Progress, Box<Refusal>>;

/// A connection between two shards.
pub struct Arriving(pub(crate) Entry<Conn>);

/// A name to look up on an ordinary thread; the answer goes to the shard's inbox as `Post::Resolved`.
pub struct Resolve {
    /// The name of a host.
    pub name: String,
    /// The port that goes with its addresses.
    pub port: u16,
    /// When nobody waits for the answer any more, on the system's monotonic clock (`engine_rt::monotonic_ns`),
    /// nanoseconds.
    pub until_ns: u64,
    /// Who asks, by its number.
    pub connector: u32,
    /// For which of its attempts.
    pub attempt: u32,
    /// Where the answer goes.
    pub reply: InboxSender<Post>,
}

/// A connection that is to be judged by the policy; the answer goes to the shard's inbox as `Post::Judged`.
pub struct Asking {
    /// Who it is of.
    pub peer: Peer,
    /// Who asks.
    pub connection: Slot,
    /// Where the answer goes.
    pub reply: InboxSender<Post>,
}

/// A password to verify on an ordinary thread; the answer goes to the shard's inbox as `Post::Verified`.
pub struct Verify {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
    /// Who asks.
    pub connection: Slot,
    /// Where the answer goes.
    pub reply: InboxSender<Post>,
}
