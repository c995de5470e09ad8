//! Messages as records have them.

use std::num::NonZeroU64;

use bytes::Bytes;
use engine_core::message::{Content, Header, Message};
use storage_journal::{Properties, Record};

/// A message in a queue, as a record has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub queue: u64,
    /// Its name there.
    pub name: u64,
    /// The sequence number that it has in this record.
    pub sequence: u64,
    /// Its delivery-count, if the record says so.
    pub failures: Option<u32>,
}

/// Gives the queues that a record's message is in.
#[inline]
pub(super) fn entries(record: &Record<'_>, sequence: u64, mut take: impl FnMut(Entry)) {
    match record {
        Record::Message { queues, .. } => {
            for (queue, sequence) in queues.iter().zip(sequence..) {
                take(Entry { queue, name: sequence, sequence, failures: None });
            }
        }
        Record::Moved { places, .. } => {
            let mut numbers = places.iter();
            let mut sequence = sequence;
            while let (Some(queue), Some(name), Some(failures)) = (numbers.next(), numbers.next(), numbers.next()) {
                take(Entry { queue, name, sequence, failures: u32::try_from(failures).ok() });
                sequence += 1;
            }
        }
        _ => {}
    }
}

/// The message of a record.
pub(super) fn message(record: &Record<'_>, body: impl FnOnce(&[u8]) -> Bytes) -> Option<Message> {
    let (Record::Message { properties, body: found, .. } | Record::Moved { properties, body: found, .. }) = record
    else {
        return None;
    };
    let Properties { durable, large, priority, format, expires_ms, delivery_count } = *properties;
    let header = Header { durable, priority, first_acquirer: false, delivery_count };
    let content = if large { Content::File } else { Content::Here };
    Some(Message { header, format, body: body(found), content, expires_wall_ms: NonZeroU64::new(expires_ms) })
}
