//! Whether a queue takes a message, and whether it keeps it in memory or has the journal keep it.
//!
//! Guarantees: what `Plain` says of a message and a queue is what `admit` and `is_stored` say of them, found by few comparisons: nearly
//! all messages are plain. Where it says nothing those two decide.

use crate::core::Core;
use crate::durability::Room;
use crate::event::Refusal;
use crate::fact::Resident;
use crate::limits::{CoreConfig, REJECT_FACTOR, RESIDENT_BYTES, RESIDENT_BYTES_SHORT, Storage, WhenFull};
use crate::message::{Content, Message};
use crate::queue::Queue;
use crate::slab::Key;
use engine_message::Condition;

/// The bounds within which a queue takes what need not outlive the node into memory, and nowhere else. They are those of `admit`
/// and `residence`, or narrower.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain {
    messages: u64,
    queue_bytes: u64,
    memory_bytes: u64,
}

impl Plain {
    pub fn new(config: &CoreConfig) -> Self {
        let CoreConfig { hard_messages, hard_bytes, memory_bytes: budget, .. } = *config;
        let (resident, memory) = match config.storage {
            Storage::Memory => (u64::MAX, budget),
            Storage::Journal => (RESIDENT_BYTES.min(budget / 8), budget / 2),
        };
        Self {
            messages: hard_messages.saturating_mul(REJECT_FACTOR),
            queue_bytes: hard_bytes.saturating_mul(REJECT_FACTOR).min(resident),
            memory_bytes: memory,
        }
    }

    /// Whether a message that is put into `queue` is in memory then, and nowhere else; `memory_bytes` is what all messages have.
    #[inline]
    pub fn takes(&self, queue: &Queue, message: &Message, memory_bytes: u64) -> bool {
        let size = message.size();
        !message.header.durable
            && message.content == Content::Here
            && queue.paged | queue.away == 0
            && (queue.entries.len() as u64) < self.messages
            && queue.bytes + size <= self.queue_bytes
            && memory_bytes + size <= self.memory_bytes
    }
}

impl Core {
    /// Whether a queue takes a message: beyond its bounds producers have no credit, and those who send all the same are
    /// refused.
    pub(crate) fn admit(&self, queue: Key, message: &Message) -> Result<(), Box<Refusal>> {
        let Some(queue) = self.queues.get(queue) else { return Ok(()) };
        let CoreConfig { hard_messages, hard_bytes, memory_bytes, .. } = self.config;
        let full = queue.messages() >= hard_messages.saturating_mul(REJECT_FACTOR)
            || queue.all_bytes() + message.size() > hard_bytes.saturating_mul(REJECT_FACTOR)
            || (self.config.storage == Storage::Memory
                && self.memory_bytes + message.size() > memory_bytes + memory_bytes / 4);
        let no_room = match self.journal.room {
            Room::Plenty | Room::Busy => false,
            Room::Little => self.config.when_full == WhenFull::Refuse,
            Room::None => true,
        };
        if no_room && self.goes_to_disk(queue, message) {
            let text = format!("the disk is full, and the queue {} would keep the message there", queue.name);
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        if message.header.durable && queue.is_lasting() && message.body.len() as u64 > self.config.stored_bytes_max {
            let text = format!("durable messages have at most {} bytes here", self.config.stored_bytes_max);
            return Err(Refusal::new(Condition::MessageSizeExceeded, text));
        }
        if full {
            let text = format!("the queue {} is full", queue.name);
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        Ok(())
    }

    /// Whether a message goes to the journal when it is put into a queue.
    pub(crate) fn is_stored(&self, queue: Key, message: &Message) -> bool {
        self.config.storage == Storage::Journal
            && self.queues.get(queue).is_some_and(|queue| self.goes_to_disk(queue, message))
    }

    /// The same where there is a journal.
    pub(crate) fn goes_to_disk(&self, queue: &Queue, message: &Message) -> bool {
        // The journal says which files are needed.
        (message.header.durable && queue.is_lasting())
            || message.content == Content::File
            || self.residence(queue) == Resident::No
    }

    /// Where a queue keeps the next message.
    pub(crate) fn residence(&self, queue: &Queue) -> Resident {
        let budget = self.config.memory_bytes;
        let limit = if self.memory_bytes <= budget / 2 {
            RESIDENT_BYTES.min(budget / 8)
        } else if self.memory_bytes <= budget / 4 * 3 {
            RESIDENT_BYTES_SHORT.min(budget / 16)
        } else {
            0
        };
        if queue.paged > 0 || queue.bytes > limit { Resident::No } else { Resident::Yes }
    }
}
