//! What ordinary threads and other shards tell a shard.

use amqp_proto::Authenticated;
use engine_core::{Answer, Version};
use engine_home::Slot;
use engine_rt::InboxSender;

use crate::connection::Conn;
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
    /// Somebody wants to see what there is.
    View(Ask),
    /// What is told of a version of the catalogue, and where the answer goes.
    Version(Version, flume::Sender<Answer>),
    /// A connection moves here.
    Arrive(Box<Arriving>),
    /// Close all connections, then stop.
    Stop,
}

/// A connection between two shards.
pub struct Arriving(pub(crate) Entry<Conn>);

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
