//! Messages on their way from files to a consumer's peer, and those that wait behind them.
//!
//! Guarantees: what comes for a consumer waits until the message before is sent; a file whose checksum is wrong is never sent to its end.

use std::collections::VecDeque;
use std::io;

use bytes::Bytes;
use engine_core::command::{Command, DetachMode};
use engine_core::event::KEY_NONE;
use engine_core::message::{Large, Message};
use storage_disk::large::LargeOrder;
use storage_journal::Buffer;

use crate::client::Client;
use crate::files::{FileAt, FileNews};
use crate::home::Home;
use crate::limits::PART_BYTES;
use crate::link::{Link, Stream};
use crate::slots::Slot;

/// What a consumer's link sends in parts, and what waits behind that.
#[derive(Default)]
pub(crate) struct Outgoing {
    current: Option<Current>,
    /// Whether its owner has nothing more for the credit that is left when all is sent.
    pub drained: bool,
    waiting: VecDeque<(u64, Message)>,
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

/// What a consumer's link sends next.
#[derive(Debug)]
pub enum Next {
    /// Nothing until a part is read.
    Reading,
    /// This message, whole, and then the next.
    Whole {
        /// Its key.
        key: u64,
        /// The message.
        message: Message,
    },
    /// Nothing waits any more.
    Done {
        /// Whether the peer is to be told that there is nothing for its credit.
        drained: bool,
    },
}

/// A part of a message.
#[derive(Debug)]
pub struct Piece {
    /// The delivery's key.
    pub key: u64,
    /// Version and format.
    pub format: u32,
    /// The message, of which the first part says the header.
    pub message: Message,
    /// Its octets.
    pub bytes: Bytes,
    /// Where it belongs.
    pub kind: PieceKind,
}

/// Where a part of a message belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// It is all of it.
    Whole,
    /// At the start.
    First,
    /// Behind others, and others follow.
    Middle,
    /// At the end.
    Last,
}

impl PieceKind {
    /// Whether the message begins with it.
    #[must_use]
    pub fn begins(self) -> bool {
        matches!(self, Self::Whole | Self::First)
    }

    /// Whether the message ends with it.
    #[must_use]
    pub fn ends(self) -> bool {
        matches!(self, Self::Whole | Self::Last)
    }
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

impl Home {
    /// A message waits to be sent in parts, or behind one that is.
    #[cold]
    pub fn wait_for_parts(&mut self, client: &mut Client, place: Slot, key: u64, message: Message) {
        let Some(link) = self.links.get_mut(place) else { return };
        let stream = link.stream.get_or_insert_with(|| {
            client.add_stream(place);
            Box::new(Stream::Out(Outgoing::default()))
        });
        if let Stream::Out(outgoing) = stream.as_mut() {
            outgoing.waiting.push_back((key, message));
        }
    }

    /// What a consumer's link sends next, all before being sent; `None` if it sends nothing in parts.
    pub fn next_outgoing(&mut self, client: &mut Client, place: Slot) -> Option<Next> {
        let link = self.links.get_mut(place)?;
        let Some(Stream::Out(outgoing)) = link.stream.as_deref_mut() else { return None };
        if outgoing.current.is_none() {
            let Some((key, message)) = outgoing.waiting.pop_front() else {
                let drained = outgoing.drained;
                link.stream = None;
                client.drop_stream(place);
                return Some(Next::Done { drained });
            };
            let Some(large) = message.large() else { return Some(Next::Whole { key, message }) };
            outgoing.current = Some(Current { key, message, large, offset: 0, checksum: 0, reader: None });
        }
        let current = outgoing.current.as_mut()?;
        if current.reader.is_none() {
            let bytes = (current.large.bytes - current.offset).min(PART_BYTES as u64) as usize;
            let reader = self.files.take_reader(place);
            current.reader = Some(reader);
            let (id, offset) = (current.large.id, current.offset);
            self.files.submit(LargeOrder::Read { reader, id, offset, bytes });
        }
        Some(Next::Reading)
    }

    /// A part of a file was read for a link.
    pub(crate) fn handle_part_read(&mut self, place: Slot, reader: u64, part: io::Result<Buffer>) -> Option<FileAt> {
        let route = self.route_of(place)?;
        let Some(Stream::Out(outgoing)) = self.links.get_mut(place)?.stream.as_deref_mut() else { return None };
        // Its message may have been taken back, and be another one now.
        let current = outgoing.current.as_mut().filter(|current| current.reader == Some(reader))?;
        let bytes = match part {
            Ok(buffer) => Bytes::from_owner(Octets(buffer)),
            Err(error) => return Some(FileAt { route, news: FileNews::Broken("cannot be read", Some(error)) }),
        };
        let first = current.offset == 0;
        current.offset += bytes.len() as u64;
        current.checksum = crc32c::crc32c_append(current.checksum, &bytes);
        current.reader = None;
        let last = current.offset == current.large.bytes;
        if last && current.checksum != current.large.checksum {
            return Some(FileAt { route, news: FileNews::Broken("is damaged: its checksum does not match", None) });
        }
        let kind = match (first, last) {
            (true, true) => PieceKind::Whole,
            (true, false) => PieceKind::First,
            (false, false) => PieceKind::Middle,
            (false, true) => PieceKind::Last,
        };
        let (key, format, message) = (current.key, current.message.format, current.message.clone());
        let bytes = if first { message.annotate_front(bytes) } else { bytes };
        if last {
            outgoing.current = None;
        }
        Some(FileAt { route, news: FileNews::Part(Box::new(Piece { key, format, message, bytes, kind })) })
    }

    /// A message of a link cannot be sent to its end: the link ends. Gives the name of the message's file.
    pub fn give_up(&mut self, client: &mut Client, place: Slot) -> String {
        let file = match self.links.get(place).and_then(|link| link.stream.as_deref()) {
            Some(Stream::Out(Outgoing { current: Some(current), .. })) => current.large.id,
            _ => 0,
        };
        client.drop_stream(place);
        if let Some(Link { owner, end, .. }) = self.links.remove(place) {
            client.links -= 1;
            if let Some(end) = end {
                self.engine.submit(owner, Command::Detach { end, mode: DetachMode::Lost });
            }
        }
        format!("{file:016x}.large")
    }
}

/// A buffer as shared octets.
struct Octets(Buffer);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
