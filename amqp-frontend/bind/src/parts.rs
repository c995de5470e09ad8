//! Messages in parts, both ways between a connection's machine and the home, which knows their files.

use amqp_codec::AmqpError;
use amqp_codec::performative::DeliveryState;
use amqp_proto::{Closing, LinkId, Part, Particulars, Send, Stage};
use bytes::Bytes;
use engine_core::command::Settled;
use engine_core::event::{KEY_NONE, Refusal};
use engine_core::message::large_front;
use engine_home::{
    Again, Broken, FileAt, FileNews, Home, LargeArrival, Next, Pace, Piece, PieceKind, Placed, Request, Route, Slot,
    TransactionId, delivery_time, encode_header, expiry, wanted_routing,
};
use engine_message::{Condition, DecodeError, section};

use crate::bind::{Bind, link_id};
use crate::coordinating::Belongs;
use crate::inbound::Answered;
use crate::{lasting, managing};

/// A part of a message that came.
pub(crate) struct PartIn<'a> {
    pub link: LinkId,
    pub delivery: u32,
    pub settled: Settled,
    pub format: u32,
    /// What its first transfer says of its transaction.
    pub belongs: Belongs,
    /// The delivery's tag; empty behind its first part.
    pub tag: &'a [u8],
    /// Whether its first transfer takes up a delivery from before.
    pub is_resumed: bool,
    pub bytes: &'a [u8],
    /// The same, if it needs no copy.
    pub owned: Option<&'a Bytes>,
}

impl Bind {
    /// A part of a message came.
    pub(crate) fn handle_part(&mut self, home: &mut Home, stage: Stage, part: &PartIn<'_>) {
        let Some(place) = self.link(part.link) else { return };
        let passes = match stage {
            Stage::First => home.is_to_pass(place, || named(part.bytes)),
            Stage::Next | Stage::Last | Stage::Aborted => home.is_passing(place),
        };
        if passes {
            return self.handle_part_through(home, place, stage, part);
        }
        let pace = match stage {
            Stage::First => return self.begin_large(home, place, part),
            Stage::Next => home.continue_large(place, part.settled, part.bytes),
            Stage::Last => home.finish_large(place, part.settled, part.bytes),
            Stage::Aborted => {
                if home.abort_large(place) {
                    // No owner will give it back.
                    self.machine.grant(part.link, 1);
                }
                return;
            }
        };
        self.client.paused |= pace == Pace::Pause;
    }

    fn begin_large(&mut self, home: &mut Home, place: Slot, part: &PartIn<'_>) {
        let named = (part.link, part.delivery);
        if home.coordinates(place) {
            home.refuse_large(place);
            let text = "a message to the coordinator is larger than any declare or discharge";
            let refusal = Some(Refusal::new(Condition::NotImplemented, text));
            let answered = Answered { delivery: part.delivery, settled: part.settled, tag: None, transaction: None };
            return self.handle_placed(home, part.link, answered, Placed { credit: 1, refusal });
        }
        if home.manages(place) {
            home.refuse_large(place);
            let refusal = Some(Refusal::new(Condition::MessageSizeExceeded, managing::too_large().to_string()));
            let answered = Answered { delivery: part.delivery, settled: part.settled, tag: None, transaction: None };
            return self.handle_placed(home, part.link, answered, Placed { credit: 1, refusal });
        }
        if part.is_resumed {
            // The message is here.
            home.refuse_large(place);
            return lasting::take_up(home, place, part.delivery, part.settled, part.tag);
        }
        let transaction = match part.belongs {
            Belongs::Nowhere => None,
            belongs => match self.transaction_of(home, belongs, named, part.settled) {
                // The rest is left out.
                None => return home.refuse_large(place),
                found => found,
            },
        };
        match start(part, transaction, home.engine().wall_ms()) {
            Ok((arrival, kept)) => home.begin_large(place, arrival, part.bytes.get(kept..).unwrap_or_default()),
            Err(refusal) => {
                home.refuse_large(place);
                let tag = self.names(home, place, part.settled).then(|| Bytes::copy_from_slice(part.tag));
                let answered = Answered { delivery: part.delivery, settled: part.settled, tag, transaction: None };
                self.handle_placed(home, part.link, answered, Placed { credit: 1, refusal: Some(refusal) });
            }
        }
    }

    /// Takes what the disk of large messages did for a link.
    pub fn handle_file(&mut self, home: &mut Home, file: FileAt) {
        let FileAt { route, news } = file;
        let id = link_id(route.id);
        match news {
            FileNews::Room => self.read_on(home),
            FileNews::Whole(mut whole) => {
                self.client.messages_in += 1;
                let (delivery, settled, transaction) = (whole.delivery, whole.settled, whole.transaction);
                let names = self.names(home, route.place, settled);
                let tag = whole.tag.clone().filter(|_| names);
                if !names && !home.is_lasting(route.place) {
                    whole.tag = None;
                }
                let placed = home.take_file(&self.client, route.place, *whole);
                self.handle_placed(home, id, Answered { delivery, settled, tag, transaction }, placed);
                self.read_on(home);
            }
            FileNews::NotWritten(failed) => {
                self.requests.push_back(Request::NotWritten(failed.error));
                let placed = Placed { credit: 1, refusal: Some(failed.refusal) };
                let (delivery, settled) = (failed.delivery, failed.settled);
                let answered = Answered { delivery, settled, tag: None, transaction: None };
                self.handle_placed(home, id, answered, placed);
                self.read_on(home);
            }
            FileNews::Part(piece) => self.send_piece(home, route, &piece),
            FileNews::Broken(broken) => self.give_up(home, route, &broken),
        }
    }

    /// A part of a file was read: it is sent.
    fn send_piece(&mut self, home: &mut Home, route: Route, piece: &Piece) {
        let (id, place) = (link_id(route.id), route.place);
        let mut header = Vec::new();
        if piece.kind.begins() {
            encode_header(&mut header, &piece.message, home.engine().wall_ms());
        }
        let (key, format, part) = (piece.key, piece.format, part_of(piece.kind));
        let send = Send { key, settled: amqp_proto::Settled::No, format, prefix: &header, body: &piece.bytes, part };
        self.send_from_home(id, send, piece.again);
        if piece.kind.ends() {
            self.client.messages_out += 1;
            // Its owner kept it until now.
            if let Some(end) = home.end_of(place)
                && key != KEY_NONE
                && self.machine.is_presettled(id)
            {
                home.accept(end, key);
            }
        }
        if piece.kind.begins() {
            // Its credit may have gone while it was read.
            self.take_back(home, place, id);
        }
        self.advance(home, place, id);
    }

    /// Sends on, on all links that send in parts; gives whether there is something to write.
    pub(crate) fn advance_all(&mut self, home: &mut Home) -> bool {
        let (mut index, mut sent) = (0, false);
        while let Some(place) = self.client.stream(index) {
            if let Some(route) = home.route_of(place) {
                sent |= self.advance(home, place, link_id(route.id));
            }
            // One that has nothing left is no longer there.
            index += usize::from(self.client.stream(index) == Some(place));
        }
        sent
    }

    /// Sends what a consumer's link has waiting, as far as its peer takes it; gives whether there is something to write.
    pub(crate) fn advance(&mut self, home: &mut Home, place: Slot, id: LinkId) -> bool {
        let mut sent = false;
        // What waits for the peer is looked at again when the connection has written.
        while self.machine.waiting(id) == 0 {
            match home.next_outgoing(&mut self.client, place) {
                None | Some(Next::Waiting) => return sent,
                Some(Next::Drained) => {
                    self.machine.drained(id);
                    return true;
                }
                Some(Next::Done { drained }) => {
                    if drained {
                        self.machine.drained(id);
                    }
                    return true;
                }
                Some(Next::Whole { key, message, again }) => {
                    let mut header = Vec::new();
                    encode_header(&mut header, &message, home.engine().wall_ms());
                    let (format, body, part) = (message.format, &message.body, Part::Whole);
                    let send = Send { key, settled: amqp_proto::Settled::No, format, prefix: &header, body, part };
                    self.client.messages_out += 1;
                    self.send_from_home(id, send, again);
                    sent = true;
                }
            }
        }
        sent
    }

    /// Sends a message that waited, or a part of one; where it is sent again its first transfer says so, and that it begins anew (parts
    /// 2.6.13 and 3.4.1).
    fn send_from_home(&mut self, id: LinkId, send: Send<'_>, again: Again) {
        if again == Again::No || matches!(send.part, Part::Middle | Part::Last) {
            self.machine.send(id, send, &mut self.out);
            return;
        }
        let state = Some(DeliveryState::Received { section_number: 0, section_offset: 0 });
        let particulars = Particulars { state, resume: true, ..Particulars::default() };
        let fits = self.machine.send_as(id, send, &particulars, &mut self.out);
        debug_assert!(fits, "that state fits into any frame");
    }

    /// A message cannot be sent to its end: its link ends instead.
    fn give_up(&mut self, home: &mut Home, route: Route, broken: &Broken) {
        let file = home.give_up(&mut self.client, route.place);
        let error = broken.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        let text = format!("the file {file} of a message {}{error}", broken.why);
        tracing::error!(target: "heddle::storage", "{text}");
        let id = link_id(route.id);
        self.set_link(id, None);
        self.outcomes.remove(&route.place);
        let error = AmqpError::new(Condition::InternalError, text);
        self.handle_asked_ended(id, || error.to_string());
        self.machine.detach(id, Closing::Closed, Some(error), &mut self.out);
    }
}

/// What the first part of a message says of it, and from where on its octets travel.
fn start(
    part: &PartIn<'_>,
    transaction: Option<TransactionId>,
    wall_ms: u64,
) -> Result<(LargeArrival, usize), Box<Refusal>> {
    let broken = |error: DecodeError| Refusal::new(Condition::DecodeError, error.to_string());
    let sections = section::scan_front(part.bytes).map_err(broken)?;
    let header =
        section::Header::decode(part.bytes.get(sections.header.clone()).unwrap_or_default()).map_err(broken)?;
    let not_before_ms = delivery_time(part.bytes.get(sections.kept()..).unwrap_or_default(), wall_ms)?;
    let properties = part.bytes.get(sections.properties.clone()).unwrap_or_default();
    let arrival = LargeArrival {
        delivery: part.delivery,
        settled: part.settled,
        format: part.format,
        header,
        expires_wall_ms: expiry(&header, section::property_terms(properties), wall_ms),
        not_before_ms,
        to: section::property_to(properties).map_err(broken)?.unwrap_or_default().to_owned(),
        wanted: wanted_routing(part.bytes),
        tag: Bytes::copy_from_slice(part.tag),
        transaction,
        front: large_front(part.bytes),
    };
    Ok((arrival, sections.kept()))
}

/// Where a part belongs, in AMQP's machine's words.
fn part_of(kind: PieceKind) -> Part {
    match kind {
        PieceKind::Whole => Part::Whole,
        PieceKind::First => Part::First,
        PieceKind::Middle => Part::Middle,
        PieceKind::Last => Part::Last,
    }
}

/// The address that a message names itself, by its first part; `None` if that cannot be read.
fn named(bytes: &[u8]) -> Option<&str> {
    let sections = section::scan_front(bytes).ok()?;
    let to = section::property_to(bytes.get(sections.properties).unwrap_or_default()).ok()?;
    Some(to.unwrap_or_default())
}
