//! Positions in a queue: what a link that looks at it is told of each message, so that it can begin there again.
//!
//! Guarantees: a position is the message's name in its journal: it grows along the queue, with gaps, and is the same over restarts. What
//! does not outlive the node has none.
//!
//! Not here: where a link begins (`command::Start`), where a cursor is (`cursor`), and how a run on disk is found by a name (`engine_shard`).

use std::num::NonZeroU64;

use bytes::Bytes;
use engine_message::section;

use crate::fact::LOCAL;
use crate::message::{Content, Message};

/// The annotation that tells a message's position, as RabbitMQ's streams have it.
const ANNOTATION: &[u8] = b"x-stream-offset";

/// The position of a message under a name, if it is one that stays.
pub(crate) fn position(stored: Option<NonZeroU64>, message: &Message) -> Option<u64> {
    stored.map(NonZeroU64::get).filter(|name| message.header.durable && name & LOCAL == 0)
}

/// A message that tells its position; `None` where it cannot: its annotations are in a file, or it has none that can be added to.
pub(crate) fn told(message: &Message, position: u64) -> Option<Message> {
    if message.content == Content::File {
        return None;
    }
    let mut annotations = vec![0xc1, 0, 2, 0xa3, ANNOTATION.len() as u8];
    annotations.extend_from_slice(ANNOTATION);
    annotations.push(0x80);
    annotations.extend_from_slice(&position.to_be_bytes());
    let size = (annotations.len() - 2) as u8;
    *annotations.get_mut(1)? = size;
    let body = section::merge_annotations(&message.body, &annotations).ok()?;
    Some(Message { body: Bytes::from(body), ..message.clone() })
}
