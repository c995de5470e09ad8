//! Whether a queue takes a message, and whether it keeps it in memory or has the journal keep it.
//!
//! Guarantees: a message is taken or refused before anything is done to the queue. What `Plain` says of a message is the same, found by
//! few comparisons; where it says nothing these decide.

use engine_catalogue::WhenFull;
use engine_message::Condition;

use crate::commits::Admits;
use crate::core::Core;
use crate::event::Refusal;
use crate::exchange::Room;
use crate::fact::Resident;
use crate::limits::Storage;
use crate::message::{Content, Message};
use crate::queue::{Kind, Queue};
use crate::slab::Key;

/// What a queue does with a message that it does not refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    Taken,
    /// Its producer hears that it is accepted, and it is nowhere.
    Dropped,
}

/// Why a queue has no place for a message.
enum Full {
    /// Another one would have, or the same one later.
    NoRoom(Box<Refusal>),
    TooLarge(Box<Refusal>),
}

impl Core {
    /// Whether a queue takes a message: beyond its bounds producers have no credit, and those who send all the same are
    /// refused, or what they send is dropped, as its settings say.
    pub(crate) fn admit(&self, queue: Key, message: &Message) -> Result<Admission, Box<Refusal>> {
        let Some(queue) = self.nodes.queues.get(queue) else { return Ok(Admission::Taken) };
        if !queue.gets() {
            return Ok(Admission::Dropped);
        }
        match self.refusal(queue, message) {
            Some(_) if self.transactions.admits == Admits::Everything => Ok(Admission::Taken),
            Some(Full::NoRoom(_)) if queue.bounds.when_full == WhenFull::Drop => Ok(Admission::Dropped),
            Some(Full::NoRoom(refusal) | Full::TooLarge(refusal)) => Err(refusal),
            None => Ok(Admission::Taken),
        }
    }

    /// Why a message is not to be put into a queue, if it is not.
    fn refusal(&self, queue: &Queue, message: &Message) -> Option<Full> {
        let name = &queue.identity.name;
        let bounds = &queue.bounds;
        let full = queue.messages() >= bounds.refused_from_messages()
            || queue.all_bytes() + message.size() > bounds.refused_above_bytes()
            || self.memory.refuses(message.size());
        let no_room = match self.journal.disk.room {
            Room::Plenty | Room::Busy => false,
            Room::Little => bounds.when_full != WhenFull::Hold,
            Room::None => true,
        };
        if no_room && self.stores(queue, message) {
            let text = format!(
                "the disk is full or files cannot be made (the log says which), and the queue {name} would keep the message there"
            );
            return Some(Full::NoRoom(Refusal::new(Condition::ResourceLimitExceeded, text)));
        }
        if message.header.durable && queue.is_lasting() && message.body.len() as u64 > self.config.stored_bytes_max {
            let text = format!("durable messages have at most {} bytes here", self.config.stored_bytes_max);
            return Some(Full::TooLarge(Refusal::new(Condition::MessageSizeExceeded, text)));
        }
        if full {
            let text = format!("the queue {name} is full");
            return Some(Full::NoRoom(Refusal::new(Condition::ResourceLimitExceeded, text)));
        }
        None
    }

    /// Whether a message goes to the journal when it is put into a queue.
    pub(crate) fn is_stored(&self, queue: Key, message: &Message) -> bool {
        self.nodes.queues.get(queue).is_some_and(|queue| self.stores(queue, message))
    }

    fn stores(&self, queue: &Queue, message: &Message) -> bool {
        // The journal says which files are needed.
        let goes_to_disk = || {
            (message.header.durable && queue.is_lasting())
                || message.content == Content::File
                || self.residence(queue) == Resident::No
        };
        self.config.storage == Storage::Journal && goes_to_disk()
    }

    /// Where a queue keeps the next message.
    pub(crate) fn residence(&self, queue: &Queue) -> Resident {
        if queue.identity.kind == Kind::Retained && !queue.has_behind() {
            return Resident::Yes;
        }
        if queue.has_behind() || queue.bytes() > self.memory.resident_bytes() { Resident::No } else { Resident::Yes }
    }
}
