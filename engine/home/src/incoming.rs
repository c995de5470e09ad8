//! A large message on its way from its peer to a file.
//!
//! Guarantees: deliveries of a link keep their order, as its connection is not read while a file is finished; so much is on its way to the
//! disk and no more (`PARTS_MAX` of a message, `SHARD_PARTS_MAX` of all).

use std::io;
use std::num::NonZeroU64;

use bytes::Bytes;
use engine_core::command::{RoutingType, Settled};
use engine_core::event::Refusal;
use engine_core::message::{Content, Header, Large, Message};
use engine_message::{Condition, section};
use engine_rt::is_shortage;
use storage_disk::large::{Keep, LargeOrder};
use storage_journal::Buffer;

use crate::files::Files;
use crate::limits::{PART_BYTES, PARTS_MAX};
use crate::scheduling::waits_until;
use crate::transactions::TransactionId;

/// The start of a large message, as its binding took it off the wire.
#[derive(Debug)]
pub struct LargeArrival {
    /// The binding's number for the delivery.
    pub delivery: u32,
    /// Whether its sender waits for an outcome, as far as it said.
    pub settled: Settled,
    /// Version and format.
    pub format: u32,
    /// The fields of its header.
    pub header: section::Header,
    /// From when on it may be dropped, milliseconds since the epoch.
    pub expires_wall_ms: Option<NonZeroU64>,
    /// The time before which it is not to be given, milliseconds since the epoch.
    pub not_before_ms: Option<NonZeroU64>,
    /// For a relay: where the message goes.
    pub to: String,
    /// For a relay: the routing that the message asks for.
    pub wanted: Option<RoutingType>,
    /// What it belongs to: a transaction that the connection has.
    pub transaction: Option<TransactionId>,
    /// The delivery's tag.
    pub tag: Bytes,
    /// What of its first part is kept beside its file.
    pub front: Vec<u8>,
}

/// Whether a connection may be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It may.
    Go,
    /// Not until the disk has done more.
    Pause,
}

/// A message whose file is whole.
#[derive(Debug)]
pub struct WholeFile {
    /// The delivery.
    pub delivery: u32,
    /// Whether its sender waits for an outcome.
    pub settled: Settled,
    pub(crate) to: String,
    pub(crate) wanted: Option<RoutingType>,
    /// The delivery's tag; to be taken out where nobody needs it (`Arrival`).
    pub tag: Option<Bytes>,
    pub(crate) message: Message,
    /// What it belongs to.
    pub transaction: Option<TransactionId>,
}

/// A message whose file could not be written.
#[derive(Debug)]
pub struct NotWritten {
    /// The delivery.
    pub delivery: u32,
    /// Whether its sender waits for an outcome.
    pub settled: Settled,
    /// What its sender is told.
    pub refusal: Box<Refusal>,
    /// What the disk said.
    pub error: io::Error,
}

/// A message of which parts are still to come, or to be written.
pub(crate) struct Incoming {
    /// Its file's.
    id: u64,
    start: LargeArrival,
    /// Octets that do not make a part yet; without room for any when all of the message came.
    buffer: Buffer,
    /// Octets that came, and where the buffer goes.
    bytes: u64,
    offset: u64,
    checksum: u32,
    /// Parts that are written.
    parts: u32,
}

impl Incoming {
    /// A message that begins, to the file of that id.
    pub fn new(id: u64, start: LargeArrival) -> Self {
        let buffer = Buffer::with_capacity(PART_BYTES);
        Self { id, start, buffer, bytes: 0, offset: 0, checksum: 0, parts: 0 }
    }

    /// Its file's id.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whether more of it is to come.
    pub fn is_receiving(&self) -> bool {
        self.buffer.capacity() > 0
    }

    /// Its sender settles it: that may be said with any part of it.
    pub fn hear(&mut self, settled: Settled) {
        if settled == Settled::Yes {
            self.start.settled = Settled::Yes;
        }
    }

    /// Takes octets; orders the parts that are full.
    pub fn take(&mut self, mut bytes: &[u8], files: &mut Files) {
        self.bytes += bytes.len() as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(PART_BYTES - self.buffer.len()));
            self.buffer.extend(now);
            bytes = rest;
            if self.buffer.len() == PART_BYTES {
                let buffer = std::mem::replace(&mut self.buffer, Buffer::with_capacity(PART_BYTES));
                self.order(buffer, files);
            }
        }
    }

    fn order(&mut self, buffer: Buffer, files: &mut Files) {
        let (id, offset) = (self.id, self.offset);
        self.offset += buffer.len() as u64;
        self.parts += 1;
        files.submit(LargeOrder::Append { id, offset, buffer });
    }

    /// All of it came: orders what is left, and the end.
    pub fn finish(&mut self, files: &mut Files) {
        let buffer = std::mem::replace(&mut self.buffer, Buffer::with_capacity(0));
        if !buffer.is_empty() {
            self.order(buffer, files);
        }
        let keep = if self.start.header.durable { Keep::Durably } else { Keep::ForNow };
        files.submit(LargeOrder::Finish { id: self.id, keep });
    }

    /// Whether more of it is to be read now.
    pub fn pace(&self, files: &Files) -> Pace {
        let busy = self.parts >= PARTS_MAX || (files.is_busy() && self.parts > 0);
        if busy { Pace::Pause } else { Pace::Go }
    }

    /// A part of it was written; gives whether more of it may be read. One that has all its parts waits for the file to be finished.
    pub fn handle_appended(&mut self) -> Pace {
        self.parts -= 1;
        if self.is_receiving() && self.parts <= PARTS_MAX / 2 { Pace::Go } else { Pace::Pause }
    }

    /// Its file is whole.
    pub fn into_whole(self) -> WholeFile {
        let Self { id, start, bytes, checksum, .. } = self;
        let LargeArrival {
            delivery,
            settled,
            format,
            header,
            expires_wall_ms,
            not_before_ms,
            to,
            wanted,
            tag,
            transaction,
            front,
        } = start;
        let large = Large { id, bytes, checksum };
        let message = Message {
            header: Header { scheduled: not_before_ms.is_some(), ..Header::of_arrival(&header) },
            format,
            body: large.encode_with(&not_before_ms.map_or_else(Vec::new, waits_until), &front),
            content: Content::File,
            grouped: false,
            unique: section::property_id(&front).is_some(),
            expires_wall_ms,
        };
        let message = message.regrouped();
        WholeFile { delivery, settled, to, wanted, tag: Some(tag), message, transaction }
    }

    /// Its file could not be written.
    pub fn into_not_written(self, error: io::Error) -> NotWritten {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let condition =
            if full || is_shortage(&error) { Condition::ResourceLimitExceeded } else { Condition::InternalError };
        let refusal = Refusal::new(condition, format!("the message cannot be written to the disk: {error}"));
        NotWritten { delivery: self.start.delivery, settled: self.start.settled, refusal, error }
    }
}
