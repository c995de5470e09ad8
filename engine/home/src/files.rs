//! Files of messages that are too large for memory: which are written and read, and what the disk said of them.
//!
//! Guarantees: a message goes to its owner when its file is whole, so that one that was cut off leaves nothing behind. It has no disk:
//! `poll_file_order` says what one is to do, `handle_file` takes what it did.

use std::collections::{HashMap, VecDeque};
use std::io;

use engine_core::command::Settled;
use engine_core::event::Refusal;
use engine_core::message::{Content, Header, Large, Message};
use engine_message::{Condition, section};
use engine_rt::is_shortage;
use storage_disk::large::{LargeDone, LargeOrder};

use crate::client::Client;
use crate::entering::{Delivered, Placed};
use crate::home::{Home, Route};
use crate::incoming::Incoming;
use crate::limits::{PARTS_MAX, SHARD_PARTS_MAX};
use crate::link::{Link, Stream};
use crate::outgoing::Piece;
use crate::slots::Slot;

/// The files of one shard's large messages that are under way.
pub(crate) struct Files {
    /// The link of each file that is written.
    arriving: HashMap<u64, Slot>,
    /// The link of each part that is read.
    reading: HashMap<u64, Slot>,
    orders: VecDeque<LargeOrder>,
    next_file: u64,
    next_reader: u64,
    /// Parts that are written.
    parts: u32,
}

impl Files {
    pub fn new(first_file: u64) -> Self {
        Self {
            arriving: HashMap::new(),
            reading: HashMap::new(),
            orders: VecDeque::new(),
            next_file: first_file,
            next_reader: 0,
            parts: 0,
        }
    }

    /// An id that no file of the shard ever had.
    pub fn take_id(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file - 1
    }

    /// Begins a file for a message of a link; gives its id.
    pub fn begin(&mut self, place: Slot) -> u64 {
        let id = self.take_id();
        self.arriving.insert(id, place);
        id
    }

    /// Gives an order, and counts the part that it writes.
    pub fn submit(&mut self, order: LargeOrder) {
        self.parts += u32::from(matches!(order, LargeOrder::Append { .. }));
        self.orders.push_back(order);
    }

    /// Gives a file up.
    pub fn give_up(&mut self, id: u64) {
        self.arriving.remove(&id);
        self.submit(LargeOrder::Remove { id });
    }

    /// A name for the read of a part for a link.
    pub fn take_reader(&mut self, place: Slot) -> u64 {
        self.next_reader += 1;
        self.reading.insert(self.next_reader, place);
        self.next_reader
    }

    /// Whether as many parts are written as may be.
    pub fn is_busy(&self) -> bool {
        self.parts >= SHARD_PARTS_MAX
    }
}

/// What the disk of large messages did, and for which link.
#[derive(Debug)]
pub struct FileAt {
    /// Whom it is for.
    pub route: Route,
    /// What it is.
    pub news: FileNews,
}

/// What is to be done about what the disk did.
#[derive(Debug)]
pub enum FileNews {
    /// Parts were written: the connection may be read on.
    Room,
    /// A file is whole: `Home::take_file` has its message.
    Whole(Box<WholeFile>),
    /// A file could not be written: its delivery is refused, and the connection read on.
    NotWritten(Box<NotWritten>),
    /// A part was read: it is sent.
    Part(Box<Piece>),
    /// A message cannot be sent to its end, for this reason: its link ends instead.
    Broken(&'static str, Option<io::Error>),
}

/// A message whose file is whole.
#[derive(Debug)]
pub struct WholeFile {
    /// The delivery.
    pub delivery: u32,
    /// Whether its sender waits for an outcome.
    pub settled: Settled,
    to: String,
    message: Message,
}

/// A message whose file could not be written.
#[derive(Debug)]
pub struct NotWritten {
    /// The delivery.
    pub delivery: u32,
    /// Whether its sender waits for an outcome.
    pub settled: Settled,
    /// What its sender is told.
    pub refusal: Refusal,
    /// What the disk said.
    pub error: io::Error,
}

impl Home {
    /// The next order for the disk of large messages. Orders are carried out in their order.
    pub fn poll_file_order(&mut self) -> Option<LargeOrder> {
        self.files.orders.pop_front().or_else(|| {
            let wish = self.engine.poll_file_wish()?;
            Some(self.naming.order(&wish, self.files.take_id()))
        })
    }

    /// Takes what the disk of large messages did; gives what is to be done about it, if anything is.
    pub fn handle_file(&mut self, done: LargeDone) -> Option<FileAt> {
        match done {
            LargeDone::Appended { id } => self.handle_appended(id),
            LargeDone::Finished { id } => self.handle_finished(id),
            LargeDone::NotWritten { id, error } => self.handle_not_written(id, error),
            LargeDone::Linked { id } => self.handle_named(id, Some(id)),
            LargeDone::NotLinked { id } => self.handle_named(id, None),
            LargeDone::Read { reader, part } => {
                let place = self.files.reading.remove(&reader)?;
                self.handle_part_read(place, reader, part)
            }
        }
    }

    /// A file of a message that goes to another address has a name there, or gets none. No link waits for that.
    fn handle_named(&mut self, id: u64, name: Option<u64>) -> Option<FileAt> {
        let flight = self.naming.handle_done(id)?;
        self.engine.handle_file_named(flight, name);
        None
    }

    fn handle_appended(&mut self, id: u64) -> Option<FileAt> {
        self.files.parts -= 1;
        let &place = self.files.arriving.get(&id)?;
        let link = self.links.get_mut(place)?;
        let Some(Stream::In(incoming)) = link.stream.as_deref_mut() else { return None };
        incoming.parts -= 1;
        // One that has all its parts waits for the file to be finished.
        let goes_on = incoming.is_receiving() && incoming.parts <= PARTS_MAX / 2;
        let route = self.route_of(place)?;
        goes_on.then_some(FileAt { route, news: FileNews::Room })
    }

    fn handle_finished(&mut self, id: u64) -> Option<FileAt> {
        let place = self.files.arriving.remove(&id);
        let stream = place.and_then(|place| self.links.get_mut(place)?.stream.take());
        let (Some(place), Some(Stream::In(incoming))) = (place, stream.map(|stream| *stream)) else {
            // Its link is gone.
            self.files.submit(LargeOrder::Remove { id });
            return None;
        };
        let route = self.route_of(place)?;
        let section::Header { durable, priority, delivery_count, .. } = incoming.header;
        let file = Large { id, bytes: incoming.bytes, checksum: incoming.checksum };
        let message = Message {
            header: Header { durable, priority, first_acquirer: true, delivery_count },
            format: incoming.format,
            body: file.encode(),
            content: Content::File,
            expires_wall_ms: incoming.expires_wall_ms,
        };
        let Incoming { delivery, settled, to, .. } = incoming;
        Some(FileAt { route, news: FileNews::Whole(Box::new(WholeFile { delivery, settled, to, message })) })
    }

    /// Takes the message of a file that is whole to its owner.
    pub fn take_file(&mut self, client: &Client, place: Slot, whole: WholeFile) -> Placed {
        let WholeFile { delivery, settled, to, message } = whole;
        let file = message.large();
        let placed = self.place(client, place, Delivered { delivery, settled, to: &to, message });
        if let Some(file) = file.filter(|_| placed.refusal.is_some()) {
            // No owner has it.
            self.files.submit(LargeOrder::Remove { id: file.id });
        }
        placed
    }

    fn handle_not_written(&mut self, id: u64, error: io::Error) -> Option<FileAt> {
        self.files.parts = self.files.parts.saturating_sub(1);
        let place = self.files.arriving.remove(&id)?;
        self.files.submit(LargeOrder::Remove { id });
        let link = self.links.get_mut(place)?;
        let Some(Stream::In(incoming)) = link.stream.take().map(|stream| *stream) else { return None };
        link.stream = incoming.is_receiving().then(|| Box::new(Stream::Refused));
        let route = self.route_of(place)?;
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let condition =
            if full || is_shortage(&error) { Condition::ResourceLimitExceeded } else { Condition::InternalError };
        let description = format!("the message cannot be written to the disk: {error}");
        let refusal = Refusal { condition: condition.into(), description };
        let Incoming { delivery, settled, .. } = incoming;
        Some(FileAt { route, news: FileNews::NotWritten(Box::new(NotWritten { delivery, settled, refusal, error })) })
    }

    /// A link ends: what it had under way in parts goes.
    pub(crate) fn drop_stream(&mut self, client: &mut Client, place: Slot) {
        let Some(Link { stream, .. }) = self.links.get_mut(place) else { return };
        let Some(stream) = stream.take() else { return };
        if let Stream::In(incoming) = stream.as_ref() {
            self.files.give_up(incoming.id);
        }
        client.drop_stream(place);
    }
}
