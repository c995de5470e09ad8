//! What records mean: the payloads of `docs/journal-format.md`.
//!
//! Guarantees: `decode(encode(meaning))` is the meaning; a length that does not fit what encloses it, a record in the wrong part of its
//! batch and text that is none are errors, never a panic and never an allocation beyond the octets that are there. A kind that is not
//! known is skipped or refused, as the record says.

use std::num::NonZeroU64;

use engine_core::message::{Content, Message};
use storage_journal::format::Fields;
use storage_journal::{Part, Record, RecordHeader, Unknown};

use crate::attributes::Attributes;

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
    /// What its header says; whether it outlives the node is said by the part that its record lies in.
    pub durable: bool,
    /// Whether the body only says which file the message is in.
    pub large: bool,
    /// Whether its annotations name a time before which it is not to be given.
    pub scheduled: bool,
    /// Whether its properties name a group.
    pub grouped: bool,
    /// Priority, 0 to 9 in practice.
    pub priority: u8,
    /// The transfer's message-format.
    pub format: u32,
    /// When it expires, milliseconds since the epoch; 0: never.
    pub expires_ms: u64,
    /// The header's delivery-count when it came.
    pub delivery_count: u32,
}

/// Records within a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nested<'a> {
    /// How many.
    pub count: u32,
    /// The number of the first one.
    pub number: u64,
    /// They lie one behind the other, as in a batch.
    pub bytes: &'a [u8],
}

impl<'a> Nested<'a> {
    /// Gives each of them; afterwards the first number behind them.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn read(&self, mut take: impl FnMut(Record<'a>)) -> Result<u64, &'static str> {
        let (mut bytes, mut number) = (self.bytes, self.number);
        for _ in 0..self.count {
            let (record, length) = Record::decode(Part::Shared, number, bytes)?;
            number = number.checked_add(record.header.numbers.into()).ok_or("a record has too many numbers")?;
            bytes = bytes.get(length..).unwrap_or_default();
            take(record);
        }
        if bytes.is_empty() { Ok(number) } else { Err("a transaction's part is longer than its records") }
    }
}

/// What one record says. Queues have numbers that are never used again, and so do messages: the name of a message in a queue is the
/// number that it got there first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// A message was put into queues. It uses up one number for each: its names there. In the local part: for want of memory, or because
    /// its file is needed; it ends with the node.
    Message {
        /// All but the body.
        properties: Properties,
        /// The queues.
        queues: Numbers<'a>,
        /// What else is said of it.
        attributes: Attributes<'a>,
        /// All sections after header and delivery annotations.
        body: &'a [u8],
    },
    /// A message that lies in an older segment as well, which is to be used again. One number for each queue. Local.
    Moved {
        /// All but the body.
        properties: Properties,
        /// For each queue that it is still in three numbers: the queue, its name there, and failures so far.
        places: Numbers<'a>,
        /// As in `Message`.
        attributes: Attributes<'a>,
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
    Declared {
        /// Its number.
        queue: u64,
        /// What it is ([`crate::declaration`]).
        attributes: Attributes<'a>,
    },
    /// A declaration that lies in an older segment as well. Local.
    DeclaredAgain {
        /// The queue.
        queue: u64,
        /// As in `Declared`.
        attributes: Attributes<'a>,
    },
    /// A queue was deleted, with everything in it.
    Deleted {
        /// The queue.
        queue: u64,
    },
    /// Records that hold once the transaction is committed. No node writes them yet.
    TransactionPart {
        /// Who coordinates.
        coordinator: u64,
        /// Its number there.
        transaction: u64,
        /// The records.
        records: Nested<'a>,
    },
    /// A transaction's parts hold, wherever they are. No node writes it yet.
    TransactionCommitted {
        /// Who coordinates.
        coordinator: u64,
        /// Its number there.
        transaction: u64,
    },
    /// A transaction's parts are void. No node writes it yet.
    TransactionAborted {
        /// Who coordinates.
        coordinator: u64,
        /// Its number there.
        transaction: u64,
    },
}

mod kind {
    pub const MESSAGE: u8 = 1;
    pub const MOVED: u8 = 2;
    pub const ACKNOWLEDGED: u8 = 3;
    pub const FAILED: u8 = 4;
    pub const DECLARED: u8 = 5;
    pub const DELETED: u8 = 6;
    pub const TRANSACTION_PART: u8 = 7;
    pub const TRANSACTION_COMMITTED: u8 = 8;
    pub const TRANSACTION_ABORTED: u8 = 9;
    pub const DECLARED_AGAIN: u8 = 10;
}

/// Octets of a message's properties.
const PROPERTIES: usize = 24;

impl<'a> Meaning<'a> {
    /// That of a message's record, but for its numbers.
    pub(crate) const MESSAGE_HEADER: RecordHeader =
        RecordHeader { part: Part::Shared, kind: kind::MESSAGE, unknown: Unknown::Refuse, numbers: 0 };

    /// Gives header and payload of the record that says so in a part of a batch.
    #[inline]
    pub fn encode<R>(&self, part: Part, put: impl FnOnce(RecordHeader, &[&[u8]]) -> R) -> R {
        let numbers = self.numbers();
        let header = |kind| RecordHeader { part, kind, unknown: Unknown::Refuse, numbers };
        match *self {
            Self::Message { properties, queues, attributes, body } => {
                let properties = properties.encode(&attributes);
                put(header(kind::MESSAGE), &[&properties, queues.0, attributes.0, body])
            }
            Self::Moved { properties, places, attributes, body } => {
                let properties = properties.encode(&attributes);
                put(header(kind::MOVED), &[&properties, places.0, attributes.0, body])
            }
            Self::Acknowledged { queue, first, last } => {
                put(header(kind::ACKNOWLEDGED), &[&queue.to_le_bytes(), &two(first, last)])
            }
            Self::Failed { queue, message, count } => {
                put(header(kind::FAILED), &[&two(queue, message), &count.to_le_bytes()])
            }
            Self::Declared { queue, attributes } => put(header(kind::DECLARED), &[&queue.to_le_bytes(), attributes.0]),
            Self::DeclaredAgain { queue, attributes } => {
                put(header(kind::DECLARED_AGAIN), &[&queue.to_le_bytes(), attributes.0])
            }
            Self::Deleted { queue } => put(header(kind::DELETED), &[&queue.to_le_bytes()]),
            Self::TransactionPart { coordinator, transaction, records } => {
                let [count, rest] = [records.count.to_le_bytes(), [0; 4]];
                put(header(kind::TRANSACTION_PART), &[&two(coordinator, transaction), &count, &rest, records.bytes])
            }
            Self::TransactionCommitted { coordinator, transaction } => {
                put(header(kind::TRANSACTION_COMMITTED), &[&two(coordinator, transaction)])
            }
            Self::TransactionAborted { coordinator, transaction } => {
                put(header(kind::TRANSACTION_ABORTED), &[&two(coordinator, transaction)])
            }
        }
    }

    /// Numbers that its record uses up.
    #[inline]
    pub fn numbers(&self) -> u32 {
        let numbers = match self {
            Self::Message { queues, .. } => queues.len(),
            Self::Moved { places, .. } => places.len() / 3,
            Self::TransactionPart { records, .. } => {
                let end = records.read(|_| {}).expect("a part is made of whole records");
                return u32::try_from(end - records.number).expect("a record is smaller than a segment");
            }
            _ => 1,
        };
        u32::try_from(numbers).expect("a record is smaller than a segment")
    }

    /// What a record says; `None` when that is not known and may be skipped.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(record: &Record<'a>) -> Result<Option<Self>, &'static str> {
        let RecordHeader { part, kind, unknown, numbers } = record.header;
        let local = match kind {
            kind::MESSAGE => None,
            kind::MOVED | kind::DECLARED_AGAIN => Some(Part::Local),
            kind::ACKNOWLEDGED..=kind::TRANSACTION_ABORTED => Some(Part::Shared),
            _ if unknown == Unknown::Skip => return Ok(None),
            _ => {
                return Err(
                    "a record is of a kind that this version of Heddle does not know: a newer one wrote it, and is \
                            needed to read it",
                );
            }
        };
        if local.is_some_and(|local| local != part) {
            return Err("a record lies in the wrong part of its batch");
        }
        let mut fields = Fields(record.payload);
        let meaning = Self::fields(record, &mut fields).ok_or("a record's payload is none of its kind")?;
        if !fields.0.is_empty() {
            return Err("a record is longer than its kind");
        }
        if let Self::TransactionPart { records, .. } = &meaning {
            records.read(|_| {})?;
        }
        if meaning.numbers() != numbers {
            return Err("a record uses up other numbers than its kind does");
        }
        Ok(Some(meaning))
    }

    fn fields(record: &Record<'a>, fields: &mut Fields<'a>) -> Option<Self> {
        let Record { header, number, .. } = *record;
        Some(match header.kind {
            kind::MESSAGE | kind::MOVED => return Self::message(&header, fields),
            kind::ACKNOWLEDGED => {
                let (queue, first, last) = (fields.u64()?, fields.u64()?, fields.u64()?);
                return (first <= last).then_some(Self::Acknowledged { queue, first, last });
            }
            kind::FAILED => Self::Failed { queue: fields.u64()?, message: fields.u64()?, count: fields.u32()? },
            kind::DECLARED => Self::Declared { queue: fields.u64()?, attributes: Attributes(rest(fields)?) },
            kind::DECLARED_AGAIN => Self::DeclaredAgain { queue: fields.u64()?, attributes: Attributes(rest(fields)?) },
            kind::DELETED => Self::Deleted { queue: fields.u64()? },
            kind::TRANSACTION_PART => {
                let (coordinator, transaction, count) = (fields.u64()?, fields.u64()?, fields.u32()?);
                fields.u32()?;
                let records = Nested { count, number, bytes: rest(fields)? };
                Self::TransactionPart { coordinator, transaction, records }
            }
            kind::TRANSACTION_COMMITTED => {
                Self::TransactionCommitted { coordinator: fields.u64()?, transaction: fields.u64()? }
            }
            kind::TRANSACTION_ABORTED => {
                Self::TransactionAborted { coordinator: fields.u64()?, transaction: fields.u64()? }
            }
            _ => return None,
        })
    }

    fn message(header: &RecordHeader, fields: &mut Fields<'a>) -> Option<Self> {
        let [flags @ 0..=15, priority] = fields.array()? else { return None };
        if fields.u16()? != 0 {
            return None;
        }
        let (format, expires_ms, delivery_count) = (fields.u32()?, fields.u64()?, fields.u32()?);
        let [durable, large, scheduled, grouped] = [1, 2, 4, 8].map(|flag| flags & flag != 0);
        let properties =
            Properties { durable, large, scheduled, grouped, priority, format, expires_ms, delivery_count };
        let attributes = fields.u32()? as usize;
        // It is in as many queues as it has numbers.
        let width = if header.kind == kind::MOVED { 24 } else { 8 };
        let numbers = Numbers(fields.take((header.numbers as usize).checked_mul(width)?)?);
        let attributes = Attributes(fields.take(attributes)?);
        let body = rest(fields)?;
        Some(match header.kind {
            kind::MOVED => Self::Moved { properties, places: numbers, attributes, body },
            _ => Self::Message { properties, queues: numbers, attributes, body },
        })
    }
}

impl Properties {
    /// What is stored of a message.
    #[inline]
    #[must_use]
    pub fn of(message: &Message) -> Self {
        let Message { header, format, content, grouped, expires_wall_ms, .. } = message;
        Self {
            durable: header.durable,
            large: *content == Content::File,
            scheduled: header.scheduled,
            grouped: *grouped,
            priority: header.priority,
            format: *format,
            expires_ms: expires_wall_ms.map_or(0, NonZeroU64::get),
            delivery_count: header.delivery_count,
        }
    }

    #[inline]
    fn encode(&self, attributes: &Attributes<'_>) -> [u8; PROPERTIES] {
        let mut octets = [0; PROPERTIES];
        let flags = [self.durable, self.large, self.scheduled, self.grouped];
        octets[0] = flags.into_iter().rev().fold(0, |octet, flag| octet << 1 | u8::from(flag));
        octets[1] = self.priority;
        octets[4..8].copy_from_slice(&self.format.to_le_bytes());
        octets[8..16].copy_from_slice(&self.expires_ms.to_le_bytes());
        octets[16..20].copy_from_slice(&self.delivery_count.to_le_bytes());
        let attributes = u32::try_from(attributes.0.len()).expect("a record is smaller than a segment");
        octets[20..24].copy_from_slice(&attributes.to_le_bytes());
        octets
    }
}

/// What is left.
fn rest<'a>(fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    fields.take(fields.0.len())
}

/// Two numbers one behind the other.
fn two(first: u64, second: u64) -> [u8; 16] {
    (u128::from(first) | u128::from(second) << 64).to_le_bytes()
}
