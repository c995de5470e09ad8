//! Positions in a queue: what a link that looks at it is told of each message, so that it can begin there again.
//!
//! Guarantees: a position is the message's name in its journal: it grows along the queue, with gaps, and is the same over restarts. What
//! does not outlive the node has none.
//!
//! Not here: where a link begins (`command::Start`), where a cursor is (`cursor`), and how a run on disk is found by a name (`engine_shard`).

use std::num::NonZeroU64;

use engine_message::value::Value;

use crate::fact::LOCAL;
use crate::message::{Content, Message};

/// The annotation that tells a message's position, as RabbitMQ's streams have it.
const ANNOTATION: &str = "x-stream-offset";

/// The position of a message under a name, if it is one that stays.
pub(crate) fn position(stored: Option<NonZeroU64>, message: &Message) -> Option<u64> {
    stored.map(NonZeroU64::get).filter(|name| message.header.durable && name & LOCAL == 0)
}

/// A message that tells its position; `None` where it cannot: its annotations are in a file, or it has none that can be added to.
pub(crate) fn told(message: &Message, position: u64) -> Option<Message> {
    if message.content == Content::File {
        return None;
    }
    let body = message.annotated(|map| map.set(ANNOTATION, Value::Ulong(position)))?;
    Some(Message { body, ..message.clone() })
}
