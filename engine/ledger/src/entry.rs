//! Messages as records have them.

use std::num::NonZeroU64;

use bytes::Bytes;
use engine_core::message::{Content, Header, Message};

use crate::meaning::{Meaning, Properties};

/// A message in a queue, as a record has it.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The queue.
    pub queue: u64,
    /// Its name there.
    pub name: u64,
    /// The number that it has in this record: where it lies.
    pub number: u64,
    /// Its delivery-count, if the record says so.
    pub failures: Option<u32>,
}

/// Gives the queues that a record's message is in; its first number is `number`.
#[inline]
pub fn entries(meaning: &Meaning<'_>, number: u64, mut take: impl FnMut(Entry)) {
    match meaning {
        Meaning::Message { queues, .. } => {
            for (queue, number) in queues.iter().zip(number..) {
                take(Entry { queue, name: number, number, failures: None });
            }
        }
        Meaning::Moved { places, .. } => {
            let mut numbers = places.iter();
            let mut number = number;
            while let (Some(queue), Some(name), Some(failures)) = (numbers.next(), numbers.next(), numbers.next()) {
                take(Entry { queue, name, number, failures: u32::try_from(failures).ok() });
                number += 1;
            }
        }
        _ => {}
    }
}

/// The message of a record, if it has one.
pub fn message(meaning: &Meaning<'_>, body: impl FnOnce(&[u8]) -> Bytes) -> Option<Message> {
    let (Meaning::Message { properties, body: found, .. } | Meaning::Moved { properties, body: found, .. }) = meaning
    else {
        return None;
    };
    let Properties { durable, large, scheduled, grouped, priority, format, expires_ms, delivery_count } = *properties;
    let header = Header { durable, priority, first_acquirer: false, scheduled, delivery_count };
    let content = if large { Content::File } else { Content::Here };
    let expires_wall_ms = NonZeroU64::new(expires_ms);
    Some(Message { header, format, body: body(found), content, grouped, unique: false, expires_wall_ms })
}
