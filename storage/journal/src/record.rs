//! Records: what the journal remembers.
//!
//! Guarantees: `decode(encode(record))` is the record; a length that does not fit what encloses it, a kind that is not known
//! and text that is none are errors, never a panic and never an allocation beyond the octets that are there.

use crate::format::{Fields, RECORD_HEADER};

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The segment's number.
    pub segment: u64,
    /// Octets from the segment's start.
    pub offset: u64,
    /// Octets of header and payload.
    pub bytes: u32,
}

/// One fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A message was stored, and put into a queue. Its record's sequence number names it from then on.
    Message {
        /// The queue.
        queue: u64,
        /// Priority, 0 to 9 in practice.
        priority: u8,
        /// The transfer's message-format.
        format: u32,
        /// When it expires, milliseconds since the epoch; 0: never.
        expires_ms: u64,
        /// All sections after header and delivery annotations.
        body: &'a [u8],
    },
    /// A stored message was put into one more queue.
    Reference {
        /// The queue.
        queue: u64,
        /// The message's sequence number.
        message: u64,
    },
    /// Messages left a queue.
    Acknowledged {
        /// The queue.
        queue: u64,
        /// The first message's sequence number.
        first: u64,
        /// The last one's: messages of other queues between them are not meant.
        last: u64,
    },
    /// A delivery failed.
    Failed {
        /// The queue.
        queue: u64,
        /// The message's sequence number.
        message: u64,
        /// Failures so far.
        count: u32,
    },
    /// A queue was made.
    QueueDeclared {
        /// Its number, never used again.
        queue: u64,
        /// 0: anycast, 1: multicast.
        routing: u8,
        /// Its address.
        address: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// A queue was deleted, with everything in it.
    QueueDeleted {
        /// The queue.
        queue: u64,
    },
    /// Records of a transaction follow, each marked with its number, from this shard's part of it.
    TransactionPart {
        /// The shard that coordinates.
        coordinator: u16,
        /// Its number there.
        transaction: u64,
    },
    /// A transaction's parts hold, on every shard.
    TransactionCommitted {
        /// The shard that coordinates.
        coordinator: u16,
        /// Its number there.
        transaction: u64,
    },
    /// A transaction's parts are void.
    TransactionAborted {
        /// The shard that coordinates.
        coordinator: u16,
        /// Its number there.
        transaction: u64,
    },
}

mod kind {
    pub const MESSAGE: u8 = 1;
    pub const REFERENCE: u8 = 2;
    pub const ACKNOWLEDGED: u8 = 3;
    pub const FAILED: u8 = 4;
    pub const QUEUE_DECLARED: u8 = 5;
    pub const QUEUE_DELETED: u8 = 6;
    pub const TRANSACTION_PART: u8 = 7;
    pub const TRANSACTION_COMMITTED: u8 = 8;
    pub const TRANSACTION_ABORTED: u8 = 9;
}

impl<'a> Record<'a> {
    fn kind(&self) -> u8 {
        match self {
            Self::Message { .. } => kind::MESSAGE,
            Self::Reference { .. } => kind::REFERENCE,
            Self::Acknowledged { .. } => kind::ACKNOWLEDGED,
            Self::Failed { .. } => kind::FAILED,
            Self::QueueDeclared { .. } => kind::QUEUE_DECLARED,
            Self::QueueDeleted { .. } => kind::QUEUE_DELETED,
            Self::TransactionPart { .. } => kind::TRANSACTION_PART,
            Self::TransactionCommitted { .. } => kind::TRANSACTION_COMMITTED,
            Self::TransactionAborted { .. } => kind::TRANSACTION_ABORTED,
        }
    }

    /// Octets of the record with its header.
    pub fn bytes(&self) -> usize {
        RECORD_HEADER
            + match self {
                Self::Message { body, .. } => 21 + body.len(),
                Self::Reference { .. } => 16,
                Self::Acknowledged { .. } => 24,
                Self::Failed { .. } => 20,
                Self::QueueDeclared { address, name, .. } => 13 + address.len() + name.len(),
                Self::QueueDeleted { .. } => 8,
                Self::TransactionPart { .. } | Self::TransactionCommitted { .. } | Self::TransactionAborted { .. } => {
                    10
                }
            }
    }

    /// Appends header and payload.
    pub(crate) fn encode(&self, sequence: u64, out: &mut Vec<u8>) {
        let start = out.len();
        let length = u32::try_from(self.bytes() - RECORD_HEADER).expect("larger messages are stored in chunks");
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&sequence.to_le_bytes());
        out.extend_from_slice(&[self.kind(), 0, 0, 0]);
        match self {
            Self::Message { queue, priority, format, expires_ms, body } => {
                out.extend_from_slice(&queue.to_le_bytes());
                out.push(*priority);
                out.extend_from_slice(&format.to_le_bytes());
                out.extend_from_slice(&expires_ms.to_le_bytes());
                out.extend_from_slice(body);
            }
            Self::Reference { queue, message } => numbers(out, &[*queue, *message]),
            Self::Acknowledged { queue, first, last } => numbers(out, &[*queue, *first, *last]),
            Self::Failed { queue, message, count } => {
                numbers(out, &[*queue, *message]);
                out.extend_from_slice(&count.to_le_bytes());
            }
            Self::QueueDeclared { queue, routing, address, name } => {
                numbers(out, &[*queue]);
                out.push(*routing);
                out.extend_from_slice(&u32::try_from(address.len()).expect("names are short").to_le_bytes());
                out.extend_from_slice(address.as_bytes());
                out.extend_from_slice(name.as_bytes());
            }
            Self::QueueDeleted { queue } => numbers(out, &[*queue]),
            Self::TransactionPart { coordinator, transaction }
            | Self::TransactionCommitted { coordinator, transaction }
            | Self::TransactionAborted { coordinator, transaction } => {
                out.extend_from_slice(&coordinator.to_le_bytes());
                numbers(out, &[*transaction]);
            }
        }
        debug_assert_eq!(out.len() - start, self.bytes());
        let checksum = crc32c::crc32c(&out[start + 4..]);
        out[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads the record at the start of `bytes`: its sequence number, itself, and its length, octets.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &'a [u8]) -> Result<(u64, Self, usize), &'static str> {
        let mut fields = Fields(bytes);
        let header = (|| Some((fields.u32()?, fields.u32()?, fields.u64()?, fields.u8()?, fields.take(3)?)))();
        let (checksum, length, sequence, kind, _) = header.ok_or("a record's header is cut off")?;
        let end = RECORD_HEADER + length as usize;
        let content = bytes.get(4..end).ok_or("a record is longer than what encloses it")?;
        if crc32c::crc32c(content) != checksum {
            return Err("the checksum of a record does not match");
        }
        let mut fields = Fields(&bytes[RECORD_HEADER..end]);
        let record = Self::fields(kind, &mut fields).ok_or("a record's payload is none of its kind")?;
        if !fields.0.is_empty() {
            return Err("a record is longer than its kind");
        }
        Ok((sequence, record, end))
    }

    fn fields(kind: u8, fields: &mut Fields<'a>) -> Option<Self> {
        Some(match kind {
            kind::MESSAGE => {
                let (queue, priority, format, expires_ms) = (fields.u64()?, fields.u8()?, fields.u32()?, fields.u64()?);
                Self::Message { queue, priority, format, expires_ms, body: fields.take(fields.0.len())? }
            }
            kind::REFERENCE => Self::Reference { queue: fields.u64()?, message: fields.u64()? },
            kind::ACKNOWLEDGED => {
                Self::Acknowledged { queue: fields.u64()?, first: fields.u64()?, last: fields.u64()? }
            }
            kind::FAILED => Self::Failed { queue: fields.u64()?, message: fields.u64()?, count: fields.u32()? },
            kind::QUEUE_DECLARED => {
                let (queue, routing, length) = (fields.u64()?, fields.u8()?, fields.u32()?);
                let address = str::from_utf8(fields.take(length as usize)?).ok()?;
                let name = str::from_utf8(fields.take(fields.0.len())?).ok()?;
                Self::QueueDeclared { queue, routing, address, name }
            }
            kind::QUEUE_DELETED => Self::QueueDeleted { queue: fields.u64()? },
            kind::TRANSACTION_PART => Self::TransactionPart { coordinator: fields.u16()?, transaction: fields.u64()? },
            kind::TRANSACTION_COMMITTED => {
                Self::TransactionCommitted { coordinator: fields.u16()?, transaction: fields.u64()? }
            }
            kind::TRANSACTION_ABORTED => {
                Self::TransactionAborted { coordinator: fields.u16()?, transaction: fields.u64()? }
            }
            _ => return None,
        })
    }
}

fn numbers(out: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}
