//! Links that take or send messages in parts: their peers' octets become files, and files their peers' octets.
//!
//! Guarantees: a message goes to its owner when its file is whole, so that one that was cut off leaves nothing behind. A home has no disk:
//! `poll_file_order` says what one is to do, `handle_file` takes what it did.
//!
//! Not here: how a message is cut into parts and put together (`incoming`, `outgoing`), and which files there are (`files`).

use std::io;

use engine_core::command::{Command, DetachMode, Settled};
use engine_core::message::Message;
use storage_disk::large::{LargeDone, LargeOrder};
use storage_journal::Buffer;

use crate::client::Client;
use crate::entering::{Delivered, Placed};
use crate::home::{Home, Route};
use crate::incoming::{Incoming, LargeArrival, NotWritten, Pace, WholeFile};
use crate::link::{Link, Stream};
use crate::outgoing::{Broken, Next, Outgoing, Piece};
use crate::slots::Slot;

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
    /// A message cannot be sent to its end: its link ends instead.
    Broken(Broken),
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
        let Some(incoming) = self.links.get_mut(place).and_then(Link::incoming) else { return Pace::Go };
        incoming.hear(settled);
        incoming.take(bytes, &mut self.files);
        incoming.pace(&self.files)
    }

    /// The last octets of a large message: its connection is read on when its file is whole.
    pub fn finish_large(&mut self, place: Slot, settled: Settled, bytes: &[u8]) -> Pace {
        let Some(link) = self.links.get_mut(place) else { return Pace::Go };
        let Some(incoming) = link.incoming() else {
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
    pub fn abort_large(&mut self, place: Slot) -> bool {
        let Some(link) = self.links.get_mut(place) else { return false };
        let is_coming = link.incoming().is_some();
        link.end_stream(&mut self.files);
        is_coming
    }

    /// A message waits to be sent in parts, or behind one that is.
    #[cold]
    pub fn wait_for_parts(&mut self, client: &mut Client, place: Slot, key: u64, message: Message) {
        let Some(link) = self.links.get_mut(place) else { return };
        let stream = link.stream.get_or_insert_with(|| {
            client.add_stream(place);
            Box::new(Stream::Out(Outgoing::default()))
        });
        if let Stream::Out(outgoing) = stream.as_mut() {
            outgoing.wait(key, message);
        }
    }

    /// What a consumer's link sends next, all before being sent; `None` if it sends nothing in parts.
    pub fn next_outgoing(&mut self, client: &mut Client, place: Slot) -> Option<Next> {
        let link = self.links.get_mut(place)?;
        let next = link.outgoing()?.next(place, &mut self.files);
        if matches!(next, Next::Done { .. }) {
            link.stream = None;
            client.drop_stream(place);
        }
        Some(next)
    }

    /// A message of a link cannot be sent to its end: the link ends. Gives the name of the message's file.
    pub fn give_up(&mut self, client: &mut Client, place: Slot) -> String {
        let sending = self.links.get_mut(place).and_then(Link::outgoing);
        let file = sending.and_then(|outgoing| outgoing.file()).unwrap_or_default();
        client.drop_stream(place);
        if let Some(link) = self.links.remove(place) {
            client.drop_link(&link);
            if let Some(end) = link.end {
                self.engine.submit(link.owner, Command::Detach { end, mode: DetachMode::Ended });
            }
        }
        format!("{file:016x}.large")
    }

    /// The next order for the disk of large messages. Orders are carried out in their order.
    pub fn poll_file_order(&mut self) -> Option<LargeOrder> {
        self.files.poll().or_else(|| {
            let wish = self.engine.poll_file_wish()?;
            Some(self.naming.order(&wish, self.files.take_id()))
        })
    }

    /// Takes what the disk of large messages did; gives what is to be done about it, if anything is.
    pub fn handle_file(&mut self, done: LargeDone) -> Option<FileAt> {
        let (place, news) = match done {
            LargeDone::Appended { id } => self.handle_appended(id)?,
            LargeDone::Finished { id } => self.handle_finished(id)?,
            LargeDone::NotWritten { id, error } => self.handle_not_written(id, error)?,
            LargeDone::Linked { id } => return self.handle_named(id, Some(id)),
            LargeDone::NotLinked { id } => return self.handle_named(id, None),
            LargeDone::Read { reader, part } => self.handle_read(reader, part)?,
        };
        Some(FileAt { route: self.route_of(place)?, news })
    }

    /// A file of a message that goes to another address has a name there, or gets none. No link waits for that.
    fn handle_named(&mut self, id: u64, name: Option<u64>) -> Option<FileAt> {
        let flight = self.naming.handle_done(id)?;
        self.engine.handle_file_named(flight, name);
        None
    }

    fn handle_appended(&mut self, id: u64) -> Option<(Slot, FileNews)> {
        let place = self.files.handle_appended(id)?;
        let pace = self.links.get_mut(place)?.incoming()?.handle_appended();
        (pace == Pace::Go).then_some((place, FileNews::Room))
    }

    fn handle_finished(&mut self, id: u64) -> Option<(Slot, FileNews)> {
        let place = self.files.handle_finished(id);
        let incoming = place.and_then(|place| self.links.get_mut(place)?.take_incoming());
        let (Some(place), Some(incoming)) = (place, incoming) else {
            // Its link is gone.
            self.files.submit(LargeOrder::Remove { id });
            return None;
        };
        Some((place, FileNews::Whole(Box::new(incoming.into_whole()))))
    }

    fn handle_not_written(&mut self, id: u64, error: io::Error) -> Option<(Slot, FileNews)> {
        let place = self.files.handle_not_written(id)?;
        let link = self.links.get_mut(place)?;
        let incoming = link.take_incoming()?;
        link.stream = incoming.is_receiving().then(|| Box::new(Stream::Refused));
        Some((place, FileNews::NotWritten(Box::new(incoming.into_not_written(error)))))
    }

    fn handle_read(&mut self, reader: u64, part: io::Result<Buffer>) -> Option<(Slot, FileNews)> {
        let place = self.files.handle_read(reader)?;
        let news = match self.links.get_mut(place)?.outgoing()?.handle_read(reader, part)? {
            Ok(piece) => FileNews::Part(Box::new(piece)),
            Err(broken) => FileNews::Broken(broken),
        };
        Some((place, news))
    }

    /// Takes the message of a file that is whole to its owner.
    pub fn take_file(&mut self, client: &Client, place: Slot, whole: WholeFile) -> Placed {
        let WholeFile { delivery, settled, to, wanted, tag, message, transaction } = whole;
        let file = message.large();
        let placed = match transaction.map_or(Ok(()), |id| self.check_transaction(client, id)) {
            Ok(()) => {
                let delivered = Delivered { delivery, settled, to: &to, wanted, tag, message, transaction };
                self.place(client, place, delivered)
            }
            // It ended while the file was written.
            Err(refusal) => Placed { credit: 1, refusal: Some(refusal) },
        };
        if let Some(file) = file.filter(|_| placed.refusal.is_some()) {
            // No owner has it.
            self.files.submit(LargeOrder::Remove { id: file.id });
        }
        placed
    }
}
