//! A large message on its way from its peer to a file.
//!
//! Guarantees: deliveries of a link keep their order, as its connection is not read while a file is finished; so much is on its way to the
//! disk and no more (`PARTS_MAX` of a message, `SHARD_PARTS_MAX` of all).

use std::num::NonZeroU64;

use engine_core::command::Settled;
use engine_message::section;
use storage_disk::large::{Keep, LargeOrder};
use storage_journal::Buffer;

use crate::client::Client;
use crate::files::Files;
use crate::home::Home;
use crate::limits::{PART_BYTES, PARTS_MAX};
use crate::link::Stream;
use crate::slots::Slot;

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
    /// For a relay: where the message goes.
    pub to: String,
}

/// Whether a connection may be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// It may.
    Go,
    /// Not until the disk has done more.
    Pause,
}

/// A message of which parts are still to come, or to be written.
pub(crate) struct Incoming {
    pub id: u64,
    pub delivery: u32,
    pub settled: Settled,
    pub format: u32,
    pub header: section::Header,
    pub expires_wall_ms: Option<NonZeroU64>,
    pub to: String,
    buffer: Buffer,
    /// Octets that came, and where the buffer goes.
    pub bytes: u64,
    offset: u64,
    pub checksum: u32,
    /// Parts that are written.
    pub parts: u32,
}

impl Incoming {
    fn new(id: u64, start: LargeArrival) -> Self {
        let LargeArrival { delivery, settled, format, header, expires_wall_ms, to } = start;
        let buffer = Buffer::with_capacity(PART_BYTES);
        Self {
            id,
            delivery,
            settled,
            format,
            header,
            expires_wall_ms,
            to,
            buffer,
            bytes: 0,
            offset: 0,
            checksum: 0,
            parts: 0,
        }
    }

    /// Whether more of it is to come.
    pub fn is_receiving(&self) -> bool {
        self.buffer.capacity() > 0
    }

    /// Takes octets; orders the parts that are full.
    fn take(&mut self, mut bytes: &[u8], files: &mut Files) {
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
    fn finish(&mut self, files: &mut Files) {
        let buffer = std::mem::replace(&mut self.buffer, Buffer::with_capacity(0));
        if !buffer.is_empty() {
            self.order(buffer, files);
        }
        let keep = if self.header.durable { Keep::Durably } else { Keep::ForNow };
        files.submit(LargeOrder::Finish { id: self.id, keep });
    }
}

impl Home {
    /// A large message begins, with these of its octets that travel.
    pub fn begin_large(&mut self, place: Slot, start: LargeArrival, kept: &[u8]) {
        let Some(link) = self.links.get_mut(place) else { return };
        let mut incoming = Incoming::new(self.files.begin(place), start);
        incoming.take(kept, &mut self.files);
        link.stream = Some(Box::new(Stream::In(incoming)));
    }

    /// A large message was refused at its beginning: the rest of it is left out.
    pub fn refuse_large(&mut self, place: Slot) {
        if let Some(link) = self.links.get_mut(place) {
            link.stream = Some(Box::new(Stream::Refused));
        }
    }

    /// The next octets of a large message.
    pub fn continue_large(&mut self, place: Slot, settled: Settled, bytes: &[u8]) -> Pace {
        let Some(incoming) = incoming(self.links.get_mut(place)) else { return Pace::Go };
        incoming.hear(settled);
        incoming.take(bytes, &mut self.files);
        let busy = incoming.parts >= PARTS_MAX || (self.files.is_busy() && incoming.parts > 0);
        if busy { Pace::Pause } else { Pace::Go }
    }

    /// The last octets of a large message: its connection is read on when its file is whole.
    pub fn finish_large(&mut self, place: Slot, settled: Settled, bytes: &[u8]) -> Pace {
        let Some(link) = self.links.get_mut(place) else { return Pace::Go };
        let Some(Stream::In(incoming)) = link.stream.as_deref_mut() else {
            // It was refused before its end.
            link.stream = None;
            return Pace::Go;
        };
        incoming.hear(settled);
        incoming.take(bytes, &mut self.files);
        incoming.finish(&mut self.files);
        Pace::Pause
    }

    /// The sender gave a large message up; gives whether its credit is to be given back, which that of a refused one was.
    pub fn abort_large(&mut self, client: &mut Client, place: Slot) -> bool {
        let Some(link) = self.links.get_mut(place) else { return false };
        if matches!(link.stream.as_deref(), Some(Stream::In(_))) {
            self.drop_stream(client, place);
            return true;
        }
        link.stream = None;
        false
    }
}

fn incoming(link: Option<&mut crate::link::Link>) -> Option<&mut Incoming> {
    match link?.stream.as_deref_mut() {
        Some(Stream::In(incoming)) => Some(incoming),
        _ => None,
    }
}

impl Incoming {
    /// Whether it is settled may be said with any part of it.
    fn hear(&mut self, settled: Settled) {
        if settled == Settled::Yes {
            self.settled = Settled::Yes;
        }
    }
}
