//! Messages on their way from files to a consumer's peer, and those that wait behind them.
//!
//! Guarantees: what comes for a consumer waits until the message before is sent; a file whose checksum is wrong is never sent to its end; a
//! delivery from before the link was attached again is said to be one, once.

use std::collections::{HashSet, VecDeque};
use std::io;

use bytes::Bytes;
use engine_core::event::KEY_NONE;
use engine_core::message::{Large, Message};
use storage_journal::Buffer;

use crate::files::Files;
use crate::limits::PART_BYTES;
use crate::slots::Slot;

/// What a consumer's link sends in parts, and what waits behind that.
#[derive(Default)]
pub(crate) struct Outgoing {
    current: Option<Current>,
    /// Keys of deliveries from before the link was attached again that are not sent yet.
    again: HashSet<u64>,
    /// The one of them that was given to be sent last.
    given: Option<u64>,
    /// Whether its owner has nothing more for the credit that is left when all is sent.
    pub drained: bool,
    waiting: VecDeque<(u64, Message)>,
}

/// A message that is being sent.
struct Current {
    key: u64,
    message: Message,
    large: Large,
    again: Again,
    /// Octets that were read.
    offset: u64,
    checksum: u32,
    /// The read of its next part that is under way.
    reader: Option<u64>,
}

/// Whether a delivery is one from before its link was attached again (AMQP part 2.6.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It is new.
    No,
    /// It is, and sent from its beginning by the tag that it had.
    Yes,
}

/// What a consumer's link sends next.
#[derive(Debug)]
pub enum Next {
    /// Nothing now: a part is being read, or what is sent again has not come.
    Waiting,
    /// This message, whole, and then the next.
    Whole {
        /// Its key.
        key: u64,
        /// The message.
        message: Message,
        /// Whether it is sent again.
        again: Again,
    },
    /// Nothing waits, and the peer is to be told that there is nothing for its credit.
    Drained,
    /// Nothing waits any more.
    Done {
        /// Whether the peer is to be told that there is nothing for its credit.
        drained: bool,
    },
}

/// Why a message cannot be sent to its end.
#[derive(Debug)]
pub struct Broken {
    /// What is wrong with its file.
    pub why: &'static str,
    /// What the disk said, if it said so.
    pub error: Option<io::Error>,
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
    /// Whether its message is sent again.
    pub again: Again,
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
    /// Of a link that was attached again, to which these deliveries are given again.
    pub fn again(keys: HashSet<u64>) -> Self {
        Self { again: keys, ..Self::default() }
    }

    /// Whether a delivery is from before, and not sent yet: nobody else is to have it.
    pub fn is_again(&self, key: u64) -> bool {
        self.again.contains(&key)
    }

    /// Messages of which nothing was sent.
    pub fn unsent(&self) -> u32 {
        let current = self.current.as_ref().is_some_and(|current| current.offset == 0);
        u32::try_from(self.waiting.len()).unwrap_or(u32::MAX).saturating_add(u32::from(current))
    }

    /// A message waits to be sent in parts, or behind one that is.
    pub fn wait(&mut self, key: u64, message: Message) {
        self.waiting.push_back((key, message));
    }

    /// What is sent next on the link at `place`, all before being sent; the next part of a file is ordered.
    pub fn next(&mut self, place: Slot, files: &mut Files) -> Next {
        if self.current.is_none() {
            if let Some(sent) = self.given.take() {
                self.again.remove(&sent);
            }
            let Some((key, message)) = self.waiting.pop_front() else { return self.nothing() };
            let again = if self.again.contains(&key) { Again::Yes } else { Again::No };
            self.given = (again == Again::Yes).then_some(key);
            let Some(large) = message.large() else { return Next::Whole { key, message, again } };
            self.current = Some(Current { key, message, large, again, offset: 0, checksum: 0, reader: None });
        }
        if let Some(current) = self.current.as_mut().filter(|current| current.reader.is_none()) {
            let bytes = (current.large.bytes - current.offset).min(PART_BYTES as u64) as usize;
            current.reader = Some(files.read(place, current.large.id, current.offset, bytes));
        }
        Next::Waiting
    }

    /// What that is when nothing waits.
    fn nothing(&mut self) -> Next {
        if self.again.is_empty() {
            Next::Done { drained: self.drained }
        } else if std::mem::take(&mut self.drained) {
            Next::Drained
        } else {
            Next::Waiting
        }
    }

    /// A part of a file was read; `None` if nobody waits for it: its message may have been taken back, and be another one now.
    pub fn handle_read(&mut self, reader: u64, part: io::Result<Buffer>) -> Option<Result<Piece, Broken>> {
        let current = self.current.as_mut().filter(|current| current.reader == Some(reader))?;
        let bytes = match part {
            Ok(buffer) => Bytes::from_owner(Octets(buffer)),
            Err(error) => return Some(Err(Broken { why: "cannot be read", error: Some(error) })),
        };
        let first = current.offset == 0;
        current.offset += bytes.len() as u64;
        current.checksum = crc32c::crc32c_append(current.checksum, &bytes);
        current.reader = None;
        let last = current.offset == current.large.bytes;
        if last && current.checksum != current.large.checksum {
            return Some(Err(Broken { why: "is damaged: its checksum does not match", error: None }));
        }
        let kind = match (first, last) {
            (true, true) => PieceKind::Whole,
            (true, false) => PieceKind::First,
            (false, false) => PieceKind::Middle,
            (false, true) => PieceKind::Last,
        };
        let Current { key, again, ref message, .. } = *current;
        let (format, message) = (message.format, message.clone());
        let bytes = if first { message.annotate_front(bytes) } else { bytes };
        if last {
            self.current = None;
        }
        Some(Ok(Piece { key, format, message, bytes, kind, again }))
    }

    /// The id of the file that is being sent.
    pub fn file(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.large.id)
    }

    /// Takes out the last message of which nothing was sent; gives its key. One that nobody keeps stays, and one that is sent again.
    pub fn take_back(&mut self) -> Option<u64> {
        let Self { current, waiting, again, .. } = self;
        let goes = |key: u64| key != KEY_NONE && !again.contains(&key);
        if waiting.is_empty() {
            return current.take_if(|current| current.offset == 0 && goes(current.key)).map(|found| found.key);
        }
        waiting.pop_back_if(|(key, _)| goes(*key)).map(|(key, _)| key)
    }

    /// Of the message with that key nothing will be sent.
    pub fn handle_taken_back(&mut self, key: u64) {
        self.current.take_if(|current| current.key == key);
    }
}

/// A buffer as shared octets.
struct Octets(Buffer);

impl AsRef<[u8]> for Octets {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}
