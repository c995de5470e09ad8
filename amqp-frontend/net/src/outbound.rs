//! From the engine to AMQP: what each event for a link becomes on its connection.

use amqp_codec::AmqpError;
use amqp_proto::{Closing, Outcome, Part, Send, Settled};
use engine_core::command::{self, Command, DetachMode};
use engine_core::event::{AttachedInfo, Event, KEY_NONE, Refusal};
use engine_core::key::{EndKey, LinkKey};
use engine_core::message::{Content, Message};
use engine_message::section;

use crate::connection::{Conn, Given, Link, LinkKind};
use crate::frontend::{Frontend, TURN_GIVEN_BYTES};
use crate::large::{Outgoing, Stream};
use crate::slots::{Slot, Slots};
use crate::terminus;

/// About what a message has beside its body on the wire, octets.
const GIVEN_OVERHEAD: usize = 48;

impl Frontend {
    /// Hands out what the engine has for links of this shard, and as many messages as a turn may; gives whether there was anything.
    pub(crate) fn handle_engine(&mut self) -> bool {
        let mut found = false;
        let mut left = TURN_GIVEN_BYTES;
        loop {
            let mut any = false;
            while let Some((link, event)) = self.engine.poll_event() {
                any = true;
                self.handle_event(place(link), event);
            }
            while left > 0
                && let Some((link, delivery)) = self.engine.poll_delivery()
            {
                any = true;
                let (place, message) = (place(link), self.engine.message(&delivery));
                left = left.saturating_sub(message.body.len() + GIVEN_OVERHEAD);
                let at = (place, delivery.key);
                let (tables, dirty) = ((&mut self.links, &mut self.conns), &mut self.dirty);
                let due = deliver(tables, dirty, &mut self.header, self.wall_ms, at, message);
                self.handle_due(at, due);
            }
            if !any {
                return found;
            }
            found = true;
        }
    }

    #[inline]
    fn handle_event(&mut self, place: Slot, event: Event) {
        match event {
            Event::Deliver { key, message } => {
                let at = (place, key);
                let (tables, dirty) = ((&mut self.links, &mut self.conns), &mut self.dirty);
                let due = deliver(tables, dirty, &mut self.header, self.wall_ms, at, &message);
                self.handle_due(at, due);
            }
            Event::Settled { first, last, outcome } => self.handle_settled(place, first, last, outcome),
            Event::Confirmed { delivery } => {
                let Some((slot, id)) = self.home(place) else { return };
                if let Some(conn) = self.conns.get_mut(slot) {
                    conn.machine.confirm(id, delivery);
                    self.touch(slot);
                }
            }
            Event::Credit { credit } => {
                let Some((slot, id)) = self.home(place) else { return };
                if let Some(conn) = self.conns.get_mut(slot) {
                    conn.machine.grant(id, credit);
                    self.touch(slot);
                }
            }
            Event::Attached { end, info } => self.handle_attached(place, end, &info),
            Event::Refused { refusal } => self.handle_refused(place, *refusal),
            Event::Drained { unused } => self.handle_drained(place, unused),
            Event::Revoked { asked, taken } => self.handle_revoked(place, asked, taken),
            Event::Detached { refusal } => self.handle_detached(place, *refusal),
        }
    }

    /// Does what is due after a delivery.
    #[inline]
    fn handle_due(&mut self, (place, key): (Slot, u64), due: Due) {
        match due {
            Due::Nothing => {}
            Due::Credit => drop(self.pass_credit(place)),
            Due::Stream => {
                self.pass_credit(place);
                self.advance(place);
            }
            Due::Back => self.give_back(place, key),
        }
    }

    /// The connection that a link lives on, if it still does.
    #[inline]
    fn home(&self, place: Slot) -> Option<(Slot, amqp_proto::LinkId)> {
        let link = self.links.get(place)?;
        Some((link.conn?, link.id))
    }

    #[inline]
    fn handle_settled(&mut self, place: Slot, first: u32, last: u32, outcome: command::Outcome) {
        let Some((slot, id)) = self.home(place) else { return };
        let outcome = match outcome {
            command::Outcome::Accepted => Outcome::Accepted,
            command::Outcome::Released => Outcome::Released,
            command::Outcome::Rejected(refusal) => Outcome::Rejected(
                refusal.map(|refusal| Box::new(AmqpError::new(refusal.condition, refusal.description))),
            ),
            command::Outcome::Modified(_) => Outcome::Released,
        };
        if let Some(conn) = self.conns.get_mut(slot) {
            conn.machine.settle(id, first, last, outcome);
            self.touch(slot);
        }
    }

    fn handle_attached(&mut self, place: Slot, end: EndKey, info: &AttachedInfo) {
        let Some(link) = self.links.get_mut(place) else { return };
        link.end = Some(end);
        let (owner, id) = (link.owner, link.id);
        let Some(slot) = link.conn else {
            // Its connection went while the owner made up its mind.
            self.links.remove(place);
            return self.engine.submit(owner, Command::Detach { end, mode: DetachMode::Lost });
        };
        let attach = link.attach.take();
        let (Some(conn), Some(attach)) = (self.conns.get_mut(slot), attach) else { return };
        let reply = terminus::reply(&attach, Some(&info.address));
        conn.machine.accept_attach(id, reply, &mut conn.out);
        self.touch(slot);
        // Credit may have come with the attach.
        self.pass_credit(place);
        self.answered(slot);
    }

    fn handle_refused(&mut self, place: Slot, refusal: Refusal) {
        let Some(link) = self.links.remove(place) else { return };
        let Some(conn) = link.conn.and_then(|slot| self.conns.get_mut(slot)) else { return };
        conn.set_link(link.id, None);
        let error = AmqpError::new(refusal.condition, refusal.description);
        conn.machine.refuse_attach(link.id, error, &mut conn.out);
        if let Some(slot) = link.conn {
            self.touch(slot);
            self.answered(slot);
        }
    }

    /// An attach was answered: what the peer sent behind it may have waited for that.
    fn answered(&mut self, slot: Slot) {
        if self.conns.get(slot).is_some_and(|conn| conn.machine.is_waiting() && !conn.paused) {
            self.resume(slot);
        }
    }

    fn handle_drained(&mut self, place: Slot, unused: u32) {
        let Some(link) = self.links.get_mut(place) else { return };
        let LinkKind::Consumer(taking) = &mut link.kind else { return };
        taking.granted = 0;
        if unused == 0 && taking.wanted > 0 {
            // The owner gave a whole share: there may be more.
            self.pass_credit(place);
            return;
        }
        (taking.wanted, taking.draining) = (0, false);
        if let Some(Stream::Out(outgoing)) = link.stream.as_deref_mut() {
            outgoing.drained = true;
            return;
        }
        let (conn, id) = (link.conn, link.id);
        if let Some(slot) = conn
            && let Some(conn) = self.conns.get_mut(slot)
        {
            conn.machine.drained(id);
            self.touch(slot);
        }
    }

    fn handle_revoked(&mut self, place: Slot, asked: u32, taken: u32) {
        let Some(Link { kind: LinkKind::Consumer(taking), .. }) = self.links.get_mut(place) else { return };
        taking.handle_revoked(asked, taken);
        // The peer may have given new credit meanwhile.
        self.pass_credit(place);
    }

    /// The owner gave a link up: its queue was deleted.
    fn handle_detached(&mut self, place: Slot, refusal: Refusal) {
        self.drop_stream(place);
        let Some(link) = self.links.remove(place) else { return };
        // It may not have been read for the sake of this link.
        link.conn.into_iter().for_each(|slot| self.read_on(slot));
        let Some(conn) = link.conn.and_then(|slot| self.conns.get_mut(slot)) else { return };
        conn.set_link(link.id, None);
        let error = AmqpError::new(refusal.condition, refusal.description);
        conn.machine.detach(link.id, Closing::Closed, Some(error), &mut conn.out);
        link.conn.into_iter().for_each(|slot| self.touch(slot));
    }
}

fn place(link: LinkKey) -> Slot {
    Slot { index: link.slot, generation: link.generation }
}

/// What is due after a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    /// The owner has too little of the consumer's credit.
    Credit,
    /// And a message waits to be sent in parts, or behind one that is.
    Stream,
    /// The peer took its credit back while the message was on its way: it is for others.
    Back,
}

/// Writes a message to the connection of its consumer's link, and notes that the connection has something to write.
#[inline]
fn deliver(
    (links, conns): (&mut Slots<Link>, &mut Slots<Conn>),
    dirty: &mut Vec<Slot>,
    header: &mut Vec<u8>,
    wall_ms: u64,
    (place, key): (Slot, u64),
    message: &Message,
) -> Due {
    let Some(link) = links.get_mut(place) else { return Due::Nothing };
    let Some((slot, conn)) = link.conn.and_then(|slot| Some((slot, conns.get_mut(slot)?))) else { return Due::Nothing };
    if !std::mem::replace(&mut conn.dirty, true) {
        dirty.push(slot);
    }
    let mut due = Due::Nothing;
    if let LinkKind::Consumer(taking) = &mut link.kind {
        match taking.handle_given(message.body.len() + GIVEN_OVERHEAD) {
            Given::Within => {}
            Given::Last => due = Due::Credit,
            // Nobody keeps what has no key: it waits here for the link's next credit.
            Given::Beyond if key == KEY_NONE => {}
            Given::Beyond => return Due::Back,
        }
    }
    if message.content == Content::File || link.stream.is_some() {
        wait_for_parts(link, conn, (place, key), message);
        return Due::Stream;
    }
    conn.messages_out += 1;
    encode_header(header, message, wall_ms);
    let (format, part) = (message.format, Part::Whole);
    let send = Send { key, settled: Settled::No, format, prefix: header, body: &message.body, part };
    conn.machine.send(link.id, send, &mut conn.out);
    due
}

#[cold]
fn wait_for_parts(link: &mut Link, conn: &mut Conn, (place, key): (Slot, u64), message: &Message) {
    let stream = link.stream.get_or_insert_with(|| {
        conn.streams.push(place);
        Box::new(Stream::Out(Outgoing::default()))
    });
    if let Stream::Out(outgoing) = stream.as_mut() {
        outgoing.waiting.push_back((key, message.clone()));
    }
}

/// Encodes a message's header section as it is now.
#[inline]
pub(crate) fn encode_header(header: &mut Vec<u8>, message: &Message, wall_ms: u64) {
    header.clear();
    section::Header {
        durable: message.header.durable,
        priority: message.header.priority,
        // What is left of it (part 3.2.1): a message lives no longer for having waited. More than a field holds is said by the
        // message's properties.
        ttl_ms: message.expires_wall_ms.and_then(|at| u32::try_from(at.get().saturating_sub(wall_ms)).ok()),
        first_acquirer: message.header.first_acquirer,
        delivery_count: message.header.delivery_count,
    }
    .encode(header);
}
