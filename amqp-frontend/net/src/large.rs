//! Messages that are too large for memory: in parts to a file, and in parts out of it.
//!
//! Guarantees: a message goes to its owner when its file is whole, so that one that was cut off leaves nothing behind; deliveries of
//! a link keep their order, as its connection is not read while a file is finished, and what comes for a consumer waits until the
//! message before is sent; a file whose checksum is wrong is never sent to its end.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::num::NonZeroU64;

use amqp_codec::AmqpError;
use amqp_proto::{Closing, LinkId, Outcome, Part, Send, Settled, Stage};
use bytes::Bytes;
use engine_core::command::{self, Command, DetachMode};
use engine_core::event::KEY_NONE;
use engine_core::message::{Content, Header, Large, Message};
use engine_message::Condition;
use engine_message::section;
use engine_rt::is_shortage;
use storage_disk::large::{Keep, Large as Disk, LargeDone, LargeOrder};
use storage_journal::Buffer;

use crate::connection::LinkKind;
use crate::frontend::Frontend;
use crate::inbound::expiry;
use crate::outbound::encode_header;
use crate::slots::Slot;

/// Octets of a part on its way to or from a file.
const PART_BYTES: usize = 256 << 10;
/// Parts of one message that are written at once; then its connection is not read.
const PARTS_MAX: u32 = 4;
/// Parts of all messages of a shard that are written at once, 16 MiB; then likewise.
const SHARD_PARTS_MAX: u32 = 64;

/// The large messages of one shard.
pub(crate) struct LargeMessages {
    disk: Disk,
    /// The link of each file that is written.
    arriving: HashMap<u64, Slot>,
    /// The link of each part that is read.
    reading: HashMap<u64, Slot>,
    next_reader: u64,
    parts: u32,
}

impl LargeMessages {
    pub fn new(disk: Disk) -> Self {
        Self { disk, arriving: HashMap::new(), reading: HashMap::new(), next_reader: 0, parts: 0 }
    }
}

/// What a link has under way in parts.
pub(crate) enum Stream {
    /// From its peer to a file.
    In(Incoming),
    /// Of no use any more: the rest is left out.
    Refused,
    /// From files to its peer.
    Out(Outgoing),
}

pub(crate) struct Incoming {
    id: u64,
    delivery: u32,
    settled: bool,
    format: u32,
    header: section::Header,
    /// From when on it may be dropped.
    expires_wall_ms: Option<NonZeroU64>,
    /// For a relay: where the message goes.
    to: String,
    buffer: Buffer,
    /// Octets that came, and where the buffer goes.
    bytes: u64,
    offset: u64,
    checksum: u32,
    parts: u32,
}

#[derive(Default)]
pub(crate) struct Outgoing {
    current: Option<Current>,
    /// Whether its owner has nothing more for the credit that is left when all is sent.
    pub drained: bool,
    pub waiting: VecDeque<(u64, Message)>,
}

impl Outgoing {
    /// Messages of which nothing was sent.
    pub fn unsent(&self) -> u32 {
        let current = self.current.as_ref().is_some_and(|current| current.offset == 0);
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX).saturating_add(u32::from(current))
    }

    /// Takes out the last message of which nothing was sent; gives its key. One that nobody keeps stays.
    pub fn take_back(&mut self) -> Option<u64> {
        if self.waiting.is_empty() {
            return self
                .current
                .take_if(|current| current.offset == 0 && current.key != KEY_NONE)
                .map(|found| found.key);
        }
        self.waiting.pop_back_if(|(key, _)| *key != KEY_NONE).map(|(key, _)| key)
    }

    /// Of the message with that key nothing will be sent.
    pub fn handle_taken_back(&mut self, key: u64) {
        self.current.take_if(|current| current.key == key);
    }
}

/// A message that is being sent.
struct Current {
    key: u64,
    message: Message,
    large: Large,
    /// Octets that were read.
    offset: u64,
    checksum: u32,
    /// The read of its next part that is under way.
    reader: Option<u64>,
}

impl Incoming {
    /// Takes octets; gives the parts that are full.
    fn take(&mut self, mut bytes: &[u8], mut full: impl FnMut(u64, Buffer)) {
        self.bytes += bytes.len() as u64;
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        while !bytes.is_empty() {
            let (now, rest) = bytes.split_at(bytes.len().min(PART_BYTES - self.buffer.len()));
            self.buffer.extend(now);
            bytes = rest;
            if self.buffer.len() == PART_BYTES {
                let buffer = std::mem::replace(&mut self.buffer, Buffer::with_capacity(PART_BYTES));
                full(self.offset, buffer);
                self.offset += PART_BYTES as u64;
                self.parts += 1;
            }
        }
    }
}

impl Frontend {
    /// A part of a message came.
    pub(crate) fn handle_part(
        &mut self,
        slot: Slot,
        id: LinkId,
        (delivery, settled, format): (u32, bool, u32),
        stage: Stage,
        payload: &[u8],
    ) {
        let Some(place) = self.conns.get(slot).and_then(|conn| conn.link(id)) else { return };
        if stage == Stage::First {
            return self.begin_file(slot, place, (delivery, settled, format), payload);
        }
        let (Some(link), Some(large)) = (self.links.get_mut(place), &mut self.large) else { return };
        let Some(Stream::In(incoming)) = link.stream.as_deref_mut() else {
            // It was refused before its end.
            if stage != Stage::Next {
                link.stream = None;
            }
            return;
        };
        incoming.settled |= settled;
        if stage == Stage::Aborted {
            self.drop_stream(place);
            return self.give_credit_back(slot, id);
        }
        let file = incoming.id;
        incoming.take(payload, |offset, buffer| {
            large.parts += 1;
            large.disk.submit(LargeOrder::Append { id: file, offset, buffer });
        });
        let mut pause = incoming.parts >= PARTS_MAX || (large.parts >= SHARD_PARTS_MAX && incoming.parts > 0);
        if stage == Stage::Last {
            let buffer = std::mem::replace(&mut incoming.buffer, Buffer::with_capacity(0));
            if !buffer.is_empty() {
                large.parts += 1;
                incoming.parts += 1;
                large.disk.submit(LargeOrder::Append { id: file, offset: incoming.offset, buffer });
            }
            let keep = if incoming.header.durable { Keep::Durably } else { Keep::ForNow };
            large.disk.submit(LargeOrder::Finish { id: file, keep });
            pause = true;
        }
        if let Some(conn) = self.conns.get_mut(slot).filter(|_| pause) {
            conn.paused = true;
        }
    }

    fn begin_file(&mut self, slot: Slot, place: Slot, (delivery, settled, format): (u32, bool, u32), payload: &[u8]) {
        let parsed = section::scan_front(payload).and_then(|sections| {
            let header = section::Header::decode(payload.get(sections.header.clone()).unwrap_or_default())?;
            let properties = payload.get(sections.properties.clone()).unwrap_or_default();
            let to = section::property_to(properties)?.unwrap_or_default().to_owned();
            Ok((sections.kept(), (header, expiry(&header, properties, self.wall_ms)), to))
        });
        let (Some(link), Some(large)) = (self.links.get_mut(place), &mut self.large) else { return };
        let id = link.id;
        match parsed {
            Ok((kept, (header, expires_wall_ms), to)) => {
                let file = large.disk.take_id();
                large.arriving.insert(file, place);
                let buffer = Buffer::with_capacity(PART_BYTES);
                let (bytes, offset, checksum, parts) = (0, 0, 0, 0);
                let mut incoming = Incoming {
                    id: file,
                    delivery,
                    settled,
                    format,
                    header,
                    expires_wall_ms,
                    to,
                    buffer,
                    bytes,
                    offset,
                    checksum,
                    parts,
                };
                incoming.take(payload.get(kept..).unwrap_or_default(), |offset, buffer| {
                    large.parts += 1;
                    large.disk.submit(LargeOrder::Append { id: file, offset, buffer });
                });
                link.stream = Some(Box::new(Stream::In(incoming)));
            }
            Err(error) => {
                link.stream = Some(Box::new(Stream::Refused));
                self.refuse_part(slot, id, (delivery, settled), (Condition::DecodeError, error.to_string()));
            }
        }
    }

    /// The delivery is at fault, or the disk: its credit is given back, as no owner will.
    fn refuse_part(&mut self, slot: Slot, id: LinkId, (delivery, settled): (u32, bool), why: (Condition, String)) {
        self.give_credit_back(slot, id);
        if let Some(conn) = self.conns.get_mut(slot).filter(|_| !settled) {
            let error = Box::new(AmqpError::new(why.0, why.1));
            conn.machine.settle(id, delivery, delivery, Outcome::Rejected(Some(error)));
        }
    }

    pub(crate) fn give_credit_back(&mut self, slot: Slot, id: LinkId) {
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.machine.grant(id, 1);
            self.touch(slot);
        }
    }

    /// Takes what the disk did; gives whether there was anything.
    pub(crate) fn handle_files(&mut self) -> bool {
        let mut found = false;
        while let Some(done) = self.large.as_ref().and_then(|large| large.disk.poll_done()) {
            found = true;
            match done {
                LargeDone::Appended { id } => self.handle_appended(id),
                LargeDone::Finished { id } => self.handle_finished(id),
                LargeDone::NotWritten { id, error } => self.handle_not_written(id, &error),
                LargeDone::Read { reader, part } => self.handle_part_read(reader, part),
            }
        }
        found
    }

    fn handle_appended(&mut self, id: u64) {
        let Some(large) = &mut self.large else { return };
        large.parts -= 1;
        let Some(&place) = large.arriving.get(&id) else { return };
        let Some(link) = self.links.get_mut(place) else { return };
        let Some(Stream::In(incoming)) = link.stream.as_deref_mut() else { return };
        incoming.parts -= 1;
        // One that has all its parts waits for the file to be finished.
        let receiving = incoming.buffer.capacity() > 0;
        if receiving && incoming.parts <= PARTS_MAX / 2 {
            link.conn.into_iter().for_each(|slot| self.read_on(slot));
        }
    }

    /// Reads a connection again.
    pub(crate) fn read_on(&mut self, slot: Slot) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if std::mem::take(&mut conn.paused) {
            self.resume(slot);
        }
    }

    /// A file is whole: its message goes to its owner.
    fn handle_finished(&mut self, id: u64) {
        let Some(large) = &mut self.large else { return };
        let place = large.arriving.remove(&id);
        let stream = place.and_then(|place| self.links.get_mut(place)?.stream.take());
        let (Some(place), Some(Stream::In(incoming))) = (place, stream.map(|stream| *stream)) else {
            // Its link is gone.
            return large.disk.submit(LargeOrder::Remove { id });
        };
        let Some((link, slot)) = self.links.get(place).and_then(|link| Some((link, link.conn?))) else { return };
        let section::Header { durable, priority, delivery_count, .. } = incoming.header;
        let file = Large { id, bytes: incoming.bytes, checksum: incoming.checksum };
        let message = Message {
            header: Header { durable, priority, first_acquirer: true, delivery_count },
            format: incoming.format,
            body: file.encode(),
            content: Content::File,
            expires_wall_ms: incoming.expires_wall_ms,
        };
        let settled = if incoming.settled { command::Settled::Yes } else { command::Settled::No };
        match (&link.kind, link.end) {
            (LinkKind::Producer(_), Some(end)) => {
                self.engine.deliver(link.owner, end, incoming.delivery, settled, message);
            }
            (LinkKind::Relay { .. }, _) => self.publish(slot, place, incoming.delivery, settled, incoming.to, message),
            _ => large.disk.submit(LargeOrder::Remove { id }),
        }
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.messages_in += 1;
        }
        self.read_on(slot);
    }

    fn handle_not_written(&mut self, id: u64, error: &io::Error) {
        let Some(large) = &mut self.large else { return };
        large.parts = large.parts.saturating_sub(1);
        let Some(place) = large.arriving.remove(&id) else { return };
        large.disk.submit(LargeOrder::Remove { id });
        let Some(link) = self.links.get_mut(place) else { return };
        let Some(Stream::In(incoming)) = link.stream.take().map(|stream| *stream) else { return };
        let receiving = incoming.buffer.capacity() > 0;
        link.stream = receiving.then(|| Box::new(Stream::Refused));
        let (Some(slot), link) = (link.conn, link.id) else { return };
        self.tell_not_written(error);
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let condition =
            if full || is_shortage(error) { Condition::ResourceLimitExceeded } else { Condition::InternalError };
        let why = (condition, format!("the message cannot be written to the disk: {error}"));
        self.refuse_part(slot, link, (incoming.delivery, incoming.settled), why);
        self.read_on(slot);
    }

    /// Sends on, on all links of a connection.
    pub(crate) fn advance_all(&mut self, slot: Slot) {
        let mut index = 0;
        while let Some(&place) = self.conns.get(slot).and_then(|conn| conn.streams.get(index)) {
            self.advance(place);
            // One that has nothing left is no longer there.
            let same = self.conns.get(slot).and_then(|conn| conn.streams.get(index)) == Some(&place);
            index += usize::from(same);
        }
    }

    /// Sends what a consumer's link has waiting, as far as its peer takes it.
    pub(crate) fn advance(&mut self, place: Slot) {
        loop {
            let Some(link) = self.links.get_mut(place) else { return };
            let (Some(slot), id) = (link.conn, link.id) else { return };
            let Some(Stream::Out(outgoing)) = link.stream.as_deref_mut() else { return };
            let (Some(conn), Some(large)) = (self.conns.get_mut(slot), &mut self.large) else { return };
            if conn.machine.waiting(id) > 0 {
                // Looked at again when its connection has written.
                return;
            }
            match &mut outgoing.current {
                Some(current) => {
                    if current.reader.is_none() {
                        let bytes = (current.large.bytes - current.offset).min(PART_BYTES as u64) as usize;
                        large.next_reader += 1;
                        large.reading.insert(large.next_reader, place);
                        current.reader = Some(large.next_reader);
                        let (reader, id, offset) = (large.next_reader, current.large.id, current.offset);
                        large.disk.submit(LargeOrder::Read { reader, id, offset, bytes });
                    }
                    return;
                }
                None => match outgoing.waiting.pop_front() {
                    None => {
                        if outgoing.drained {
                            conn.machine.drained(id);
                        }
                        link.stream = None;
                        conn.streams.retain(|&other| other != place);
                        return self.touch(slot);
                    }
                    Some((key, message)) => match message.large() {
                        Some(large) => {
                            let (offset, checksum, reader) = (0, 0, None);
                            outgoing.current = Some(Current { key, message, large, offset, checksum, reader });
                        }
                        None => {
                            encode_header(&mut self.header, &message, self.wall_ms);
                            let (format, body) = (message.format, &message.body);
                            let part = Part::Whole;
                            let send = Send { key, settled: Settled::No, format, prefix: &self.header, body, part };
                            conn.messages_out += 1;
                            conn.machine.send(id, send, &mut conn.out);
                            self.touch(slot);
                        }
                    },
                },
            }
        }
    }

    /// A part of a file was read: it is sent.
    fn handle_part_read(&mut self, reader: u64, part: io::Result<Buffer>) {
        let Some(place) = self.large.as_mut().and_then(|large| large.reading.remove(&reader)) else { return };
        let Some(link) = self.links.get_mut(place) else { return };
        let (Some(slot), id, owner, end) = (link.conn, link.id, link.owner, link.end) else { return };
        let Some(Stream::Out(outgoing)) = link.stream.as_deref_mut() else { return };
        // Its message may have been taken back, and be another one now.
        let current = outgoing.current.as_mut().filter(|current| current.reader == Some(reader));
        let (Some(current), Some(conn)) = (current, self.conns.get_mut(slot)) else { return };
        let bytes = match part {
            Ok(buffer) => Bytes::from_owner(Octets(buffer)),
            Err(error) => return self.give_up(slot, place, &format!("cannot be read: {error}")),
        };
        let first = current.offset == 0;
        current.offset += bytes.len() as u64;
        current.checksum = crc32c::crc32c_append(current.checksum, &bytes);
        current.reader = None;
        let last = current.offset == current.large.bytes;
        if last && current.checksum != current.large.checksum {
            return self.give_up(slot, place, "is damaged: its checksum does not match");
        }
        let part = match (first, last) {
            (true, true) => Part::Whole,
            (true, false) => Part::First,
            (false, false) => Part::Middle,
            (false, true) => Part::Last,
        };
        self.header.clear();
        if first {
            encode_header(&mut self.header, &current.message, self.wall_ms);
        }
        let (key, format) = (current.key, current.message.format);
        let send = Send { key, settled: Settled::No, format, prefix: &self.header, body: &bytes, part };
        conn.machine.send(id, send, &mut conn.out);
        if last {
            conn.messages_out += 1;
            outgoing.current = None;
            // Its owner kept it until now.
            if let Some(end) = end.filter(|_| key != KEY_NONE && conn.machine.is_presettled(id)) {
                self.engine.accept(owner, end, key);
            }
        }
        self.touch(slot);
        if first {
            // Its credit may have gone while it was read.
            self.take_back(place);
        }
        self.advance(place);
    }

    /// A message cannot be sent to its end: its link ends instead.
    fn give_up(&mut self, slot: Slot, place: Slot, why: &str) {
        let Some(link) = self.links.remove(place) else { return };
        let file = match link.stream.as_deref() {
            Some(Stream::Out(Outgoing { current: Some(current), .. })) => current.large.id,
            _ => 0,
        };
        let text = format!("the file {file:016x}.large of a message {why}");
        tracing::error!(target: "heddle::storage", "{text}");
        if let Some(end) = link.end {
            self.engine.submit(link.owner, Command::Detach { end, mode: DetachMode::Lost });
        }
        let Some(conn) = self.conns.get_mut(slot) else { return };
        conn.set_link(link.id, None);
        conn.streams.retain(|&other| other != place);
        let error = AmqpError::new(Condition::InternalError, text);
        conn.machine.detach(link.id, Closing::Closed, Some(error), &mut conn.out);
        self.touch(slot);
    }

    /// A link ends: what it had under way goes.
    pub(crate) fn drop_stream(&mut self, place: Slot) {
        let Some(link) = self.links.get_mut(place) else { return };
        let (stream, slot) = (link.stream.take(), link.conn);
        if let (Some(Stream::In(incoming)), Some(large)) = (stream.as_deref(), &mut self.large) {
            large.arriving.remove(&incoming.id);
            large.disk.submit(LargeOrder::Remove { id: incoming.id });
        }
        if let (Some(_), Some(conn)) = (stream, slot.and_then(|slot| self.conns.get_mut(slot))) {
            conn.streams.retain(|&other| other != place);
        }
    }
}

/// A buffer as shared octets.
struct Octets(Buffer);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
