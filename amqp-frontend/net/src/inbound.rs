//! From AMQP to the engine: what each event of a connection's machine becomes.

use std::num::NonZeroU64;

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, NodeTarget, Open, Source, Target};
use amqp_proto::{
    Authenticated, Credentials, Delivery, Event, Input, LinkId, Outcome, Payload, Settling, Update, Updated,
};
use bytes::Bytes;
use engine_core::command::{self, Command, Create, DYNAMIC_PREFIX, DetachMode, Publish, Settled};
use engine_core::event::KEY_NONE;
use engine_core::key::LinkKey;
use engine_core::message::{Content, Header, Message};
use engine_message::Condition;
use engine_message::DecodeError;
use engine_message::section;
use engine_shard::Engine;

use crate::arena::Arena;
use crate::config::{Moves, RELAY_WINDOW, Verify};
use crate::connection::{Conn, Leaving, Link, LinkKind, Taking};
use crate::frontend::Frontend;
use crate::outcome;
use crate::parting::Ended;
use crate::slots::{Slot, Slots};
use crate::terminus::{self, Plan};
use crate::transport::{Tls, Transport};

impl Frontend {
    #[inline]
    pub(crate) fn handle_amqp(&mut self, slot: Slot, event: Event<'_>) {
        match event {
            Event::Delivery { link, delivery, settled, format, head, payload } => {
                let (whole, owned) = match payload {
                    Payload::Borrowed(bytes) => (bytes, None),
                    Payload::Owned(bytes) => (&[][..], Some(bytes)),
                };
                let payload = owned.as_deref().unwrap_or(whole);
                let delivery = Delivery { link, delivery, format, settled, head: head.as_bytes(), payload };
                self.handle_delivery(slot, &delivery, owned.as_ref());
            }
            Event::Part { link, delivery, settled, format, stage, payload, .. } => {
                let bytes = match &payload {
                    Payload::Borrowed(bytes) => bytes,
                    Payload::Owned(bytes) => bytes.as_ref(),
                };
                self.handle_part(slot, link, (delivery, settled, format), stage, bytes);
            }
            // No owner hears of it: its credit is given back here.
            Event::Ignored { link, .. } => self.give_credit_back(slot, link),
            Event::Settled(outcome) => self.handle_outcome(slot, outcome),
            Event::Updated(update) => self.handle_update(slot, *update),
            Event::Credit { link, credit, drain } => self.handle_credit(slot, link, credit, drain),
            Event::Tls => self.start_tls(slot),
            Event::Authenticate(credentials) => self.authenticate(slot, credentials),
            Event::OpenAsked(open) => self.handle_open(slot, *open),
            // Nothing is asked of a peer that it would answer, and what came is settled at once.
            Event::Begun(_) | Event::Opened(_) | Event::Attached(..) | Event::Drained(_) | Event::Confirmed(_) => {}
            Event::AttachAsked(link, attach) => self.handle_attach(slot, link, attach, self.config.moves),
            Event::Detached { link, closed, error } => {
                if let Some(error) = error {
                    tracing::debug!(target: "heddle::net", %error, "link detached");
                }
                let mode = if closed { DetachMode::Close } else { DetachMode::Suspend };
                self.drop_link(slot, link, mode);
            }
            Event::Ended(session, error) => {
                if let Some(error) = error {
                    tracing::debug!(target: "heddle::net", %error, "session ended");
                }
                let links = self.conns.get_mut(slot).and_then(|conn| conn.links.get_mut(usize::from(session.0)));
                for link in links.map(std::mem::take).unwrap_or_default().into_iter().flatten() {
                    self.release_link(link, DetachMode::Lost);
                }
            }
            Event::Closed(error) => {
                if let Some(error) = error {
                    self.tell_closed(slot, &error);
                }
                self.drop_links(slot);
            }
        }
    }

    fn start_tls(&mut self, slot: Slot) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let tls = self.config.listeners.get(conn.listener).and_then(|listener| listener.tls.as_ref());
        // The header goes out in clear, before the layer is put in.
        let written = conn.write(self.now_ns).is_ok();
        match tls.map(Tls::accept) {
            Some(Ok(tls)) if written => conn.transport = Some(Transport::Tls(Box::new(tls))),
            _ => conn.ended = Some(Ended::ByUs),
        }
    }

    fn authenticate(&mut self, slot: Slot, credentials: Credentials) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        match credentials {
            Credentials::Anonymous => {
                conn.user = "anonymous".to_owned();
                conn.machine.authenticated(Authenticated::Yes, &mut conn.out);
            }
            Credentials::Plain { user, password } => {
                conn.user.clone_from(&user);
                let Some(reply) = self.peers.get(usize::from(self.engine.shard())).cloned() else { return };
                let verify = Verify { user, password, connection: slot, reply };
                if self.config.verifier.try_send(verify).is_err() {
                    // Too many at once: the client may try again.
                    conn.machine.authenticated(Authenticated::Unknown, &mut conn.out);
                    self.tell_refused(slot, "too many passwords wait to be verified");
                }
            }
        }
    }

    fn handle_open(&mut self, slot: Slot, open: Open) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        tracing::debug!(target: "heddle::net", peer = %conn.peer, container = %open.container_id, "connection opened");
        conn.container = open.container_id;
        conn.opened = true;
        let answer = conn.machine.config().server_open();
        conn.machine.accept_open(answer, &mut conn.out);
    }

    pub(crate) fn handle_attach(&mut self, slot: Slot, id: LinkId, attach: Box<Attach>, moves: Moves) {
        let shard = self.engine.shard();
        let placement = self.engine.placement();
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let (node_id, number) = (&self.node_id, &mut self.dynamic_names);
        // A dynamic node lives where its connection does.
        let make_name = || {
            let name = placement.name_owned_by(shard, |_| {
                *number += 1;
                format!("{DYNAMIC_PREFIX}{node_id}-{shard}-{number}")
            });
            name.unwrap_or_else(|| format!("{DYNAMIC_PREFIX}{node_id}-{shard}-{number}"))
        };
        let plan = match terminus::plan(&attach, &conn.container, &self.config.addresses, make_name) {
            Ok(plan) => plan,
            Err(error) => {
                if error.condition == Condition::NotImplemented {
                    // Whoever runs the node learns what its clients would use, which a client may hide from its user.
                    let (peer, container, link) = (&conn.peer, &conn.container, &attach.name);
                    tracing::warn!(target: "heddle::net", %peer, ?container, ?link, %error, "link refused");
                }
                return conn.machine.refuse_attach(id, error, &mut conn.out);
            }
        };
        let (kind, address, default_outcome) = match &plan {
            Plan::Producer(spec) => {
                (LinkKind::Producer(Arena::default()), spec.address.clone(), command::Outcome::Released)
            }
            Plan::Consumer(spec) => {
                (LinkKind::Consumer(Taking::new()), spec.address.clone(), spec.default_outcome.clone())
            }
            Plan::Relay => return self.attach_relay(slot, id, &attach),
        };
        let owner = placement.owner(&address);
        if owner != shard && moves == Moves::ToOwner && !conn.has_links() {
            conn.leaving = Some(Leaving { owner, id, attach });
            return;
        }
        let (conn_slot, attach) = (Some(slot), Some(attach));
        let link = Link { conn: conn_slot, id, owner, end: None, address, kind, attach, default_outcome, stream: None };
        let Ok(place) = self.links.insert(link) else {
            let text = format!("this shard has {} links, which is its limit", self.config.links_max);
            let error = AmqpError::new(Condition::ResourceLimitExceeded, text);
            return conn.machine.refuse_attach(id, error, &mut conn.out);
        };
        conn.set_link(id, Some(place));
        let link = LinkKey { shard, generation: place.generation, slot: place.index };
        let command = match plan {
            Plan::Producer(spec) => Command::AttachProducer { link, spec },
            Plan::Consumer(spec) => Command::AttachConsumer { link, spec },
            Plan::Relay => return,
        };
        self.engine.submit(owner, command);
    }

    /// Takes a message the long way; `owned` is its payload if that needs no copy.
    pub(crate) fn handle_delivery(&mut self, slot: Slot, delivery: &Delivery<'_>, owned: Option<&Bytes>) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        conn.messages_in += 1;
        let Some(place) = conn.link(delivery.link) else { return };
        let Some(link) = self.links.get_mut(place) else { return };
        let scanned = section::scan(delivery.payload);
        let parsed = scanned.and_then(|sections| Ok((header(delivery.payload, sections.header.end)?, sections)));
        let (header, sections) = match parsed {
            Ok(parsed) => parsed,
            Err(error) => {
                // The delivery is at fault, not the link; its credit is given back, as no owner will.
                let refusal =
                    Outcome::Rejected(Some(Box::new(AmqpError::new(Condition::DecodeError, error.to_string()))));
                conn.machine.grant(delivery.link, 1);
                if !delivery.settled {
                    conn.machine.settle(delivery.link, delivery.delivery, delivery.delivery, refusal);
                }
                return;
            }
        };
        let kept = delivery.payload.get(sections.kept()..).unwrap_or_default();
        let (LinkKind::Producer(arena) | LinkKind::Relay { arena, .. }) = &mut link.kind else { return };
        let body = owned.map_or_else(|| arena.copy(kept), |owned| owned.slice_ref(kept));
        let properties = delivery.payload.get(sections.properties.clone()).unwrap_or_default();
        let message = message(&header, delivery.format, body, expiry(&header, properties, self.engine.wall_ms()));
        let settled = settled(delivery.settled);
        match (&link.kind, link.end) {
            (LinkKind::Producer(_), Some(end)) => {
                self.engine.deliver(link.owner, end, delivery.delivery, settled, message);
            }
            (LinkKind::Relay { .. }, _) => {
                let to = section::property_to(properties).ok().flatten().unwrap_or_default().to_owned();
                self.publish(slot, place, delivery.delivery, settled, to, message);
            }
            _ => {}
        }
    }

    pub(crate) fn publish(
        &mut self,
        slot: Slot,
        place: Slot,
        delivery: u32,
        settled: Settled,
        to: String,
        message: Message,
    ) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let Some(link) = self.links.get_mut(place) else { return };
        if let LinkKind::Relay { used, .. } = &mut link.kind {
            *used += 1;
            if *used >= RELAY_WINDOW / 2 {
                conn.machine.grant(link.id, std::mem::take(used));
            }
        }
        let (address, routing) = self.config.addresses.strip(&to);
        if address.is_empty() {
            let text = "the message names no address: its `to` is missing or empty".to_owned();
            let refusal = Outcome::Rejected(Some(Box::new(AmqpError::new(Condition::NotFound, text))));
            if settled == Settled::No {
                conn.machine.settle(link.id, delivery, delivery, refusal);
            }
            return;
        }
        let owner = self.engine.placement().owner(address);
        let link = LinkKey { shard: self.engine.shard(), generation: place.generation, slot: place.index };
        let create = if self.config.addresses.may_create(address) { Create::Auto } else { Create::Never };
        let publish = Box::new(Publish { address: address.to_owned(), routing, create, message });
        self.engine.submit(owner, Command::Publish { link, delivery, settled, publish });
    }

    fn attach_relay(&mut self, slot: Slot, id: LinkId, attach: &Attach) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let kind = LinkKind::Relay { arena: Arena::default(), used: 0 };
        let link = Link {
            conn: Some(slot),
            id,
            owner: self.engine.shard(),
            end: None,
            address: String::new(),
            kind,
            attach: None,
            default_outcome: command::Outcome::Released,
            stream: None,
        };
        match self.links.insert(link) {
            Ok(place) => {
                conn.set_link(id, Some(place));
                let target = Some(Target::Node(NodeTarget::default()));
                let source = Some(Source::default());
                let answer = Attach { source, target, ..attach.answer() };
                conn.machine.accept_attach(id, answer, &mut conn.out);
                conn.machine.grant(id, RELAY_WINDOW);
            }
            Err(_) => {
                let error = AmqpError::new(Condition::ResourceLimitExceeded, "this shard has no room for a link");
                conn.machine.refuse_attach(id, error, &mut conn.out);
            }
        }
    }

    /// The peer decided on deliveries: their owners are told.
    #[inline]
    fn handle_outcome(&mut self, slot: Slot, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else { return self.settle_by_default(slot) };
        let Some(conn) = self.conns.get_mut(slot) else { return };
        let outcome = match outcome {
            Outcome::Accepted => command::Outcome::Accepted,
            Outcome::Rejected(error) => command::Outcome::Rejected(error.map(|error| outcome::refusal(*error))),
            Outcome::Released | Outcome::Declared(_) => command::Outcome::Released,
            Outcome::Modified(modified) => command::Outcome::Modified(Box::new(command::Modified {
                delivery_failed: modified.delivery_failed,
                undeliverable_here: modified.undeliverable_here,
                annotations: modified.annotations,
            })),
        };
        let accepted = outcome == command::Outcome::Accepted;
        // A disposition is mostly of one link's deliveries.
        let mut known = None;
        while let Some(Settling { link: id, key, confirm }) = conn.machine.next_settled() {
            let end = match known {
                Some((known, end)) if known == id => end,
                _ => {
                    let link = conn.link(id).and_then(|place| self.links.get(place));
                    let end = link.and_then(|link| Some((link.owner, link.end?)));
                    known = Some((id, end));
                    end
                }
            };
            match end.filter(|_| key != KEY_NONE) {
                Some((owner, end)) if accepted && confirm.is_none() => self.engine.accept(owner, end, key),
                Some((owner, end)) => self.engine.settle(owner, end, key, outcome.clone(), confirm),
                // Nobody keeps it: there is nothing to wait for.
                None => confirm.into_iter().for_each(|delivery| conn.machine.confirm(id, delivery)),
            }
        }
    }

    /// The peer told a state that is no outcome: there are no transactions, and how far a delivery came concerns no owner. What it
    /// settled with that has the default outcome.
    #[cold]
    fn handle_update(&mut self, slot: Slot, mut update: Update) {
        while let Some(conn) = self.conns.get_mut(slot)
            && let Some(Updated { link: id, key, .. }) = conn.machine.next_updated(&mut update)
        {
            let link = conn.link(id).and_then(|place| self.links.get(place)).filter(|_| update.settled.is_yes());
            if let Some(Link { owner, end: Some(end), default_outcome, .. }) = link
                && key != KEY_NONE
            {
                self.engine.settle(*owner, *end, key, default_outcome.clone(), None);
            }
        }
    }

    /// The peer settled deliveries without saying what became of them: it is what their links' sources say (part 3.5.3).
    #[cold]
    fn settle_by_default(&mut self, slot: Slot) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        while let Some(Settling { link: id, key, .. }) = conn.machine.next_settled() {
            let link = conn.link(id).and_then(|place| self.links.get(place));
            if let Some(Link { owner, end: Some(end), default_outcome, .. }) = link
                && key != KEY_NONE
            {
                self.engine.settle(*owner, *end, key, default_outcome.clone(), None);
            }
        }
    }

    fn handle_credit(&mut self, slot: Slot, id: LinkId, credit: u32, drain: bool) {
        let Some(place) = self.conns.get(slot).and_then(|conn| conn.link(id)) else { return };
        let Some(link) = self.links.get_mut(place) else { return };
        let unsent = link.unsent();
        let LinkKind::Consumer(taking) = &mut link.kind else { return };
        taking.wanted = credit.saturating_sub(unsent);
        taking.draining = drain;
        let revoked = taking.revoke();
        if let Some(end) = link.end.filter(|_| revoked > 0) {
            self.engine.submit(link.owner, Command::Revoke { end, credit: revoked });
        }
        self.take_back(place);
        self.pass_credit(place);
    }

    /// Gives back to its owner what waits on a consumer's link for credit that its peer took back.
    pub(crate) fn take_back(&mut self, place: Slot) {
        let mut streams = false;
        while let Some(link) = self.links.get_mut(place)
            && let Some(conn) = link.conn.and_then(|slot| self.conns.get_mut(slot))
            && let Some(key) = link.take_back(&mut conn.machine)
        {
            streams = link.stream.is_some();
            self.give_back(place, key);
        }
        if streams {
            // It may have been the last one.
            self.advance(place);
        }
    }

    /// A message that its consumer's peer was not sent is for others, at its place in the queue.
    pub(crate) fn give_back(&mut self, place: Slot, key: u64) {
        let Some(link) = self.links.get(place) else { return };
        if let Some(end) = link.end {
            self.engine.settle(link.owner, end, key, command::Outcome::Released, None);
        }
    }

    /// Passes on what a consumer's owner does not have of its credit yet, as far as its connection has room for what that brings;
    /// gives whether the owner was told.
    pub(crate) fn pass_credit(&mut self, place: Slot) -> bool {
        let Some(link) = self.links.get_mut(place) else { return false };
        let (Some(end), owner) = (link.end, link.owner) else { return false };
        let LinkKind::Consumer(taking) = &mut link.kind else { return false };
        let Some(conn) = link.conn.and_then(|slot| self.conns.get_mut(slot)) else { return false };
        if conn.is_full() || conn.machine.waiting(link.id) > 0 {
            // It gets it when there is room (`feed`).
            if !std::mem::replace(&mut taking.hungry, true) {
                conn.hungry.push(place);
            }
            return false;
        }
        let (credit, draining) = (taking.grant(), taking.draining);
        if credit > 0 {
            self.engine.submit(owner, Command::Grant { end, credit });
        }
        if draining {
            self.engine.submit(owner, Command::Drain { end });
        }
        credit > 0 || draining
    }

    /// Passes credit on that a connection had no room for; gives whether there was any.
    pub(crate) fn feed(&mut self, slot: Slot) -> bool {
        let may_be = |conn: &&mut Conn| !conn.hungry.is_empty() && !conn.is_full();
        let Some(conn) = self.conns.get_mut(slot).filter(may_be) else { return false };
        let mut fed = false;
        for place in std::mem::take(&mut conn.hungry) {
            if let Some(Link { kind: LinkKind::Consumer(taking), .. }) = self.links.get_mut(place) {
                taking.hungry = false;
            }
            fed |= self.pass_credit(place);
        }
        fed
    }

    /// A link of a connection ended.
    fn drop_link(&mut self, slot: Slot, id: LinkId, mode: DetachMode) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        if let Some(place) = conn.link(id) {
            conn.set_link(id, None);
            self.release_link(place, mode);
        }
    }

    /// All links of a connection ended with it.
    pub(crate) fn drop_links(&mut self, slot: Slot) {
        let Some(conn) = self.conns.get_mut(slot) else { return };
        for place in std::mem::take(&mut conn.links).into_iter().flatten().flatten() {
            self.release_link(place, DetachMode::Lost);
        }
    }

    fn release_link(&mut self, place: Slot, mode: DetachMode) {
        self.drop_stream(place);
        let Some(link) = self.links.get_mut(place) else { return };
        link.conn = None;
        match (link.end, &link.kind) {
            (Some(end), _) => {
                let owner = link.owner;
                self.links.remove(place);
                self.engine.submit(owner, Command::Detach { end, mode });
            }
            (None, LinkKind::Relay { .. }) => drop(self.links.remove(place)),
            // The owner's answer to the attach is on its way: it finds the link without a connection.
            (None, _) => {}
        }
    }

    /// Gives back the memory of links that carry little or nothing.
    pub(crate) fn sweep_links(&mut self) {
        self.links.iter_mut().for_each(|link| match &mut link.kind {
            LinkKind::Producer(arena) | LinkKind::Relay { arena, .. } => arena.sweep(),
            LinkKind::Consumer { .. } => {}
        });
    }
}

/// Takes messages the short way, to the owners of their links' addresses, until something else comes; a message that needs
/// more than that is given back.
#[inline]
pub(crate) fn deliver<'a>(
    conn: &mut Conn,
    links: &mut Slots<Link>,
    engine: &mut Engine,
    now_ns: u64,
    input: &mut Input<'a>,
) -> Option<Delivery<'a>> {
    while let Some(delivery) = conn.machine.next_delivery(now_ns, input) {
        let link = conn.link(delivery.link).and_then(|place| links.get_mut(place));
        let Some(Link { owner, end: Some(end), kind: LinkKind::Producer(arena), .. }) = link else {
            return Some(delivery);
        };
        let Ok(front) = section::front(delivery.payload) else { return Some(delivery) };
        let Ok(header) = header(delivery.payload, front.header_end) else { return Some(delivery) };
        conn.messages_in += 1;
        let body = arena.copy(delivery.payload.get(front.kept..).unwrap_or_default());
        let properties = delivery.payload.get(front.properties).unwrap_or_default();
        let message = message(&header, delivery.format, body, expiry(&header, properties, engine.wall_ms()));
        engine.deliver(*owner, *end, delivery.delivery, settled(delivery.settled), message);
    }
    None
}

/// The fields of the header section that ends there.
#[inline]
fn header(payload: &[u8], end: usize) -> Result<section::Header, DecodeError> {
    section::Header::decode(payload.get(..end).unwrap_or_default())
}

/// The message that travels: the fields of its header, and everything behind header and delivery annotations.
#[inline]
fn message(header: &section::Header, format: u32, body: Bytes, expires_wall_ms: Option<NonZeroU64>) -> Message {
    let section::Header { durable, priority, delivery_count, .. } = *header;
    Message {
        header: Header { durable, priority, first_acquirer: true, delivery_count },
        format,
        body,
        content: Content::Here,
        expires_wall_ms,
    }
}

/// From when on a message that came at `wall_ms` may be dropped: the time that its properties name, else when its time to live
/// (part 3.2.1) has passed.
#[inline]
pub(crate) fn expiry(header: &section::Header, properties: &[u8], wall_ms: u64) -> Option<NonZeroU64> {
    let ttl = || NonZeroU64::new(wall_ms + u64::from(header.ttl_ms?));
    section::property_expiry(properties).or_else(ttl)
}

fn settled(settled: bool) -> Settled {
    if settled { Settled::Yes } else { Settled::No }
}
