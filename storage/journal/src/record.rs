//! Records: what the journal remembers.
//!
//! Guarantees: `decode(encode(record))` is the record; a length that does not fit what encloses it, a kind that is not known
//! and text that is none are errors, never a panic and never an allocation beyond the octets that are there. A record has no
//! checksum of its own: its batch has one, and is read whole.

use crate::buffer::Buffer;
use crate::format::{Fields, RECORD_HEADER};

/// Numbers of fixed width, as they lie in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers<'a>(pub &'a [u8]);

impl Numbers<'_> {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.chunks_exact(8).map(|number| u64::from_le_bytes(number.try_into().unwrap_or_default()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len() / 8
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is stored of a message beside its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Whether it outlives the node. If not, it is here because memory was short, and a replay skips it.
    pub durable: bool,
    /// Whether the body only says which file the message is in.
    pub large: bool,
    /// Priority, 0 to 9 in practice.
    pub priority: u8,
    /// The transfer's message-format.
    pub format: u32,
    /// When it expires, milliseconds since the epoch; 0: never.
    pub expires_ms: u64,
    /// The header's delivery-count when it came.
    pub delivery_count: u32,
}

/// One fact. Queues have numbers that are never used again, and so do messages: the name of a message in a queue is the
/// sequence number that it got there first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A message was put into queues. It uses up one sequence number for each: its names there.
    Message {
        /// All but the body.
        properties: Properties,
        /// The queues.
        queues: Numbers<'a>,
        /// All sections after header and delivery annotations.
        body: &'a [u8],
    },
    /// A message that lies in an older segment as well, which is to be used again. One sequence number for each queue.
    Moved {
        /// All but the body.
        properties: Properties,
        /// For each queue that it is still in three numbers: the queue, its name there, and failures so far.
        places: Numbers<'a>,
        /// As in `Message`.
        body: &'a [u8],
    },
    /// Messages left a queue.
    Acknowledged {
        /// The queue.
        queue: u64,
        /// The first message's name.
        first: u64,
        /// The last one's: all messages of the queue between them left it, too.
        last: u64,
    },
    /// A delivery failed.
    Failed {
        /// The queue.
        queue: u64,
        /// The message's name.
        message: u64,
        /// Failures so far.
        count: u32,
    },
    /// A queue was made.
    QueueDeclared {
        /// Its number.
        queue: u64,
        /// 0: anycast, 1: multicast.
        routing: u8,
        /// 0: made on demand, 1: a durable subscription.
        purpose: u8,
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
    /// The next records hold once the transaction is committed.
    TransactionPart {
        /// The shard that coordinates.
        coordinator: u16,
        /// Its number there.
        transaction: u64,
        /// How many records.
        records: u32,
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
    pub const MOVED: u8 = 2;
    pub const ACKNOWLEDGED: u8 = 3;
    pub const FAILED: u8 = 4;
    pub const QUEUE_DECLARED: u8 = 5;
    pub const QUEUE_DELETED: u8 = 6;
    pub const TRANSACTION_PART: u8 = 7;
    pub const TRANSACTION_COMMITTED: u8 = 8;
    pub const TRANSACTION_ABORTED: u8 = 9;
}

/// Octets of a message's properties.
const PROPERTIES: usize = 24;

impl<'a> Record<'a> {
    fn kind(&self) -> u8 {
        match self {
            Self::Message { .. } => kind::MESSAGE,
            Self::Moved { .. } => kind::MOVED,
            Self::Acknowledged { .. } => kind::ACKNOWLEDGED,
            Self::Failed { .. } => kind::FAILED,
            Self::QueueDeclared { .. } => kind::QUEUE_DECLARED,
            Self::QueueDeleted { .. } => kind::QUEUE_DELETED,
            Self::TransactionPart { .. } => kind::TRANSACTION_PART,
            Self::TransactionCommitted { .. } => kind::TRANSACTION_COMMITTED,
            Self::TransactionAborted { .. } => kind::TRANSACTION_ABORTED,
        }
    }

    /// Sequence numbers that it uses up.
    #[inline]
    pub fn numbers(&self) -> u32 {
        let numbers = match self {
            Self::Message { queues, .. } => queues.len(),
            Self::Moved { places, .. } => places.len() / 3,
            _ => 1,
        };
        u32::try_from(numbers).expect("a record is smaller than a segment")
    }

    /// Length of header and payload, octets.
    #[inline]
    pub fn bytes(&self) -> usize {
        RECORD_HEADER
            + match self {
                Self::Message { queues: numbers, body, .. } | Self::Moved { places: numbers, body, .. } => {
                    PROPERTIES + numbers.0.len() + body.len()
                }
                Self::Acknowledged { .. } => 24,
                Self::Failed { .. } => 20,
                Self::QueueDeclared { address, name, .. } => 14 + address.len() + name.len(),
                Self::QueueDeleted { .. } => 8,
                Self::TransactionPart { .. } => 14,
                Self::TransactionCommitted { .. } | Self::TransactionAborted { .. } => 10,
            }
    }

    /// Appends the record to `out`, which has room for it.
    #[inline]
    pub fn encode(&self, sequence: u64, out: &mut Buffer) {
        let payload = u32::try_from(self.bytes() - RECORD_HEADER).expect("a record is smaller than a segment");
        let mut header = [0; RECORD_HEADER];
        header[..8].copy_from_slice(&sequence.to_le_bytes());
        header[8..12].copy_from_slice(&payload.to_le_bytes());
        header[12] = self.kind();
        out.extend(&header);
        match self {
            Self::Message { properties, queues: numbers, body } | Self::Moved { properties, places: numbers, body } => {
                out.extend(&properties.encode(numbers.len()));
                out.extend(numbers.0);
                out.extend(body);
            }
            Self::Acknowledged { queue, first, last } => numbers(out, &[*queue, *first, *last]),
            Self::Failed { queue, message, count } => {
                numbers(out, &[*queue, *message]);
                out.extend(&count.to_le_bytes());
            }
            Self::QueueDeclared { queue, routing, purpose, address, name } => {
                numbers(out, &[*queue]);
                out.extend(&[*routing, *purpose]);
                out.extend(&u32::try_from(address.len()).expect("addresses are bounded").to_le_bytes());
                out.extend(address.as_bytes());
                out.extend(name.as_bytes());
            }
            Self::QueueDeleted { queue } => numbers(out, &[*queue]),
            Self::TransactionPart { coordinator, transaction, records } => {
                out.extend(&coordinator.to_le_bytes());
                numbers(out, &[*transaction]);
                out.extend(&records.to_le_bytes());
            }
            Self::TransactionCommitted { coordinator, transaction }
            | Self::TransactionAborted { coordinator, transaction } => {
                out.extend(&coordinator.to_le_bytes());
                numbers(out, &[*transaction]);
            }
        }
    }

    /// Reads the record at the start of `bytes`: its sequence number, itself, and its length, octets.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(bytes: &'a [u8]) -> Result<(u64, Self, usize), &'static str> {
        let mut fields = Fields(bytes);
        let header = (|| Some((fields.u64()?, fields.u32()?, fields.u8()?, fields.take(3)?)))();
        let (sequence, length, kind, _) = header.ok_or("a record's header is cut off")?;
        let end = RECORD_HEADER + length as usize;
        let payload = bytes.get(RECORD_HEADER..end).ok_or("a record is longer than what encloses it")?;
        let mut fields = Fields(payload);
        let record = Self::fields(kind, &mut fields).ok_or("a record's payload is none of its kind")?;
        if !fields.0.is_empty() {
            return Err("a record is longer than its kind");
        }
        Ok((sequence, record, end))
    }

    fn fields(kind: u8, fields: &mut Fields<'a>) -> Option<Self> {
        Some(match kind {
            kind::MESSAGE => {
                let (properties, count) = Properties::decode(fields)?;
                let queues = Numbers(fields.take(count.checked_mul(8)?)?);
                Self::Message { properties, queues, body: fields.take(fields.0.len())? }
            }
            kind::MOVED => {
                let (properties, count) = Properties::decode(fields)?;
                let places = Numbers(fields.take(count.checked_mul(8)?)?);
                if count % 3 != 0 {
                    return None;
                }
                Self::Moved { properties, places, body: fields.take(fields.0.len())? }
            }
            kind::ACKNOWLEDGED => {
                Self::Acknowledged { queue: fields.u64()?, first: fields.u64()?, last: fields.u64()? }
            }
            kind::FAILED => Self::Failed { queue: fields.u64()?, message: fields.u64()?, count: fields.u32()? },
            kind::QUEUE_DECLARED => {
                let (queue, routing, purpose) = (fields.u64()?, fields.u8()?, fields.u8()?);
                let length = fields.u32()?;
                let address = str::from_utf8(fields.take(length as usize)?).ok()?;
                let name = str::from_utf8(fields.take(fields.0.len())?).ok()?;
                Self::QueueDeclared { queue, routing, purpose, address, name }
            }
            kind::QUEUE_DELETED => Self::QueueDeleted { queue: fields.u64()? },
            kind::TRANSACTION_PART => {
                Self::TransactionPart { coordinator: fields.u16()?, transaction: fields.u64()?, records: fields.u32()? }
            }
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

impl Properties {
    #[inline]
    fn encode(&self, numbers: usize) -> [u8; PROPERTIES] {
        let mut octets = [0; PROPERTIES];
        octets[0] = u8::from(self.durable) | u8::from(self.large) << 1;
        octets[1] = self.priority;
        octets[4..8].copy_from_slice(&self.format.to_le_bytes());
        octets[8..16].copy_from_slice(&self.expires_ms.to_le_bytes());
        octets[16..20].copy_from_slice(&self.delivery_count.to_le_bytes());
        octets[20..24].copy_from_slice(&u32::try_from(numbers).expect("queues are bounded").to_le_bytes());
        octets
    }

    /// The properties, and how many numbers follow.
    fn decode(fields: &mut Fields<'_>) -> Option<(Self, usize)> {
        let [flags @ 0..=3, priority, _, _] = fields.array()? else { return None };
        let (durable, large) = (flags & 1 != 0, flags & 2 != 0);
        let (format, expires_ms, delivery_count) = (fields.u32()?, fields.u64()?, fields.u32()?);
        Some((Self { durable, large, priority, format, expires_ms, delivery_count }, fields.u32()? as usize))
    }
}

fn numbers(out: &mut Buffer, numbers: &[u64]) {
    numbers.iter().for_each(|number| out.extend(&number.to_le_bytes()));
}
