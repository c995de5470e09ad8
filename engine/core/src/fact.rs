//! What the journal is to remember. Flat; rare payloads are boxed.

use crate::command::{Publish, RoutingType};
use crate::message::Message;
use crate::origin::Origin;

/// Whether a queue keeps a message in memory, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resident {
    /// It does.
    Yes,
    /// The journal alone has it, until it is fetched.
    No,
}

/// The bit in the number of a queue that ends with the node: none declares it, whatever the messages in it are.
pub const PASSING: u64 = 1 << 63;

/// The bit of numbers that are this node's own affair: of messages that are stored without outliving it. All other numbers are the same
/// for whoever keeps the log, and those of facts that outlive the node follow each other.
pub const LOCAL: u64 = 1 << 63;

/// A queue that a message was put into, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The queue.
    pub queue: u64,
    /// Where it keeps the message.
    pub resident: Resident,
}

/// The queues that a message was put into, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Targets {
    /// The usual case.
    One(Target),
    /// A subscription each.
    Many(Box<[Target]>),
}

impl Targets {
    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[Target] {
        match self {
            Self::One(target) => std::slice::from_ref(target),
            Self::Many(targets) => targets,
        }
    }
}

/// Why a queue exists, as far as it matters after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Made on demand: goes with its last message and link.
    OnDemand,
    /// A durable subscription.
    Subscription,
}

/// A queue that outlives the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its number, never used again.
    pub queue: u64,
    /// How it gets its messages.
    pub routing: RoutingType,
    /// Why it exists.
    pub purpose: Purpose,
    /// Its address.
    pub address: String,
    /// Its name.
    pub name: String,
    /// The selector that its messages have to match, if it chooses them.
    pub selector: Option<Box<str>>,
    /// The container whose messages are left out, if any are.
    pub no_local: Option<Origin>,
}

/// How names of addresses begin that are the broker's own: no link gets there.
pub const INTERNAL: &str = "$heddle.";

/// The address, and the name, of the queue of decisions and of notes that they were carried out, one in each journal. It has no address and no
/// queue in memory, and no link is attached to it.
pub const TRANSACTIONS: &str = "$heddle.transactions";

/// The same of the queue of ids by which producers say that messages are the same.
pub const IDS: &str = "$heddle.ids";

/// Names a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DecisionId {
    /// The shard of its coordinator.
    pub shard: u16,
    /// Its name in the journal of that.
    pub name: u64,
}

/// What becomes of a message by a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its queue.
    pub queue: u64,
    /// Its name there.
    pub name: u64,
    /// How often its delivery failed; `None` if it leaves the queue.
    pub failures: Option<u32>,
}

/// What one owner does by a decision, as far as it outlives the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The owner's shard.
    pub owner: u16,
    /// Messages, in their order.
    pub sends: Vec<Publish>,
    /// What becomes of messages that are in its queues.
    pub marks: Vec<Mark>,
}

/// One fact. Those that are written have a number; a stored message has one for each of its queues, its names there: it outlives the node
/// in all of them, or in none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// A message was put into queues.
    Stored {
        /// The first number, its name in the first queue.
        number: u64,
        /// The queues.
        targets: Targets,
        /// The message.
        message: Message,
    },
    /// Messages left a queue.
    Acknowledged {
        /// The fact's number.
        number: u64,
        /// The queue.
        queue: u64,
        /// The first message's name.
        first: u64,
        /// The last one's: all messages of the queue between them left it, too.
        last: u64,
    },
    /// A delivery failed.
    Failed {
        /// The fact's number.
        number: u64,
        /// The queue.
        queue: u64,
        /// The message's name.
        message: u64,
        /// Its delivery-count from now on.
        count: u32,
    },
    /// A queue was made.
    Declared {
        /// The fact's number.
        number: u64,
        /// The queue.
        declared: Box<Declared>,
    },
    /// A queue was deleted, with everything in it.
    Deleted {
        /// The fact's number; 0 when nothing of it outlives the node, so that there is nothing to write.
        number: u64,
        /// The queue.
        queue: u64,
    },
    /// What other shards do of a transaction is decided, and to be carried out after a crash, too. It is a message in a queue of its own.
    Decided {
        /// Its number, and its name.
        number: u64,
        /// The queue.
        queue: u64,
        /// What there is to do, by owner.
        shares: Box<[Share]>,
    },
    /// An owner did its share of a decision. It is a message in the same queue of the owner's.
    Carried {
        /// Its number, and its name.
        number: u64,
        /// The queue.
        queue: u64,
        /// Whose.
        decision: DecisionId,
    },
    /// A message with an id came to an address. It is a message in a queue of its own.
    Identified {
        /// Its number, and its name.
        number: u64,
        /// The queue.
        queue: u64,
        /// The address.
        address: Box<str>,
        /// The id.
        id: Box<[u8]>,
    },
    /// These hold all of them or none: they are on stable storage together.
    Together(Box<[Fact]>),
}

const _: () = assert!(size_of::<Fact>() <= 96);
