//! Which messages go the short way into a queue.
//!
//! Guarantees: what is plain here is admitted and kept in memory only by `admission`; a property test holds them against each other
//! (`tests/short_ways.rs`). No setting of a queue is looked at for each message: whatever one asks is in these bounds, or makes the
//! queue take nothing as plain.
//!
//! Not here: the shard's memory (`memory`).

use crate::bounds::Bounds;
use crate::limits::{CoreConfig, RESIDENT_BYTES, RESIDENT_SHARE, Storage};
use crate::message::{Content, Header, Message, NORMAL_PRIORITY};

/// The bounds within which a queue takes what need not outlive the node into memory, and nowhere else. They are those of `admit`
/// and `residence`, or narrower; a queue whose settings ask more of its messages has none (`Plain::NEVER`).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    /// Messages in the queue before.
    messages_below: u64,
    /// Octets in the queue with it.
    bytes_max: u64,
}

impl Plain {
    /// Nothing is plain.
    pub const NEVER: Self = Self { messages_below: 0, bytes_max: 0 };

    /// Those of a queue of which so many octets are in memory at most.
    pub fn new(bounds: &Bounds, resident_max: u64) -> Self {
        if bounds.ask_more() {
            return Self::NEVER;
        }
        Self {
            messages_below: bounds.refused_from_messages(),
            bytes_max: bounds.refused_above_bytes().min(resident_max),
        }
    }

    /// Octets of one queue that are in memory at most while the shard has plenty of it.
    pub fn resident_max(config: &CoreConfig) -> u64 {
        match config.storage {
            Storage::Memory => u64::MAX,
            Storage::Journal => RESIDENT_BYTES.min(config.memory_bytes / RESIDENT_SHARE),
        }
    }

    /// Whether a message that is put into a queue is in memory then, and nowhere else, if the shard has room. The queue has so many
    /// `messages`, all of them in memory, and so many `bytes`.
    #[inline]
    pub fn takes(self, message: &Message, messages: u64, bytes: u64) -> bool {
        is_ordinary(message) && messages < self.messages_below && bytes + message.size() <= self.bytes_max
    }
}

/// Whether a message says nothing of itself that a queue would have to look at: it need not outlive the node, is in memory, waits for no time, is of no group, has no id, and is as urgent
/// as others. One comparison: it is asked for each message.
#[inline]
fn is_ordinary(message: &Message) -> bool {
    let Header { durable, scheduled, priority, .. } = message.header;
    let special = u8::from(durable)
        | u8::from(scheduled)
        | u8::from(message.grouped | message.unique)
        | (priority ^ NORMAL_PRIORITY);
    special | u8::from(message.content != Content::Here) == 0
}
