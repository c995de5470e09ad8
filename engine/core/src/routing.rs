//! Which queues of an address get a message.
//!
//! Guarantees: every queue of a multicast address gets it that does not choose others (`choosing`); of anycast queues one does, in turn,
//! passing over those that would refuse it. A message is put into all queues that it is for or into none: each is asked before any gets it.
//!
//! Not here: whether a queue takes it, and where it keeps it (`admission`).

use std::num::NonZeroU64;

use engine_message::Condition;

use crate::admission::Admission;
use crate::command::{Outcome, Publish, RoutingType, Settled};
use crate::core::Core;
use crate::ends::Route;
use crate::event::{Event, Refusal};
use crate::ingress;
use crate::key::{LinkKey, Port};
use crate::lifetimes::Lifetimes;
use crate::message::Message;
use crate::origin::Origin;
use crate::slab::Key;

/// Where a message goes, and where it is from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heading {
    pub address: Key,
    /// Which queues of the address are meant.
    pub route: Route,
    /// The container that it is from, if that is known.
    pub origin: Option<Origin>,
}

/// Which anycast queue of an address gets a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Of(Key),
    /// None has a place for it, and one of them drops it.
    Dropped,
    /// None of them is for it, or there is none.
    Nobodys,
}

impl Turn {
    /// The queue whose it is.
    pub fn queue(self) -> Option<Key> {
        if let Self::Of(queue) = self { Some(queue) } else { None }
    }
}

impl Core {
    /// Puts a message into every queue that it is for, or into none of them; gives the number that the journal has to reach before it
    /// is acknowledged, or 0.
    #[inline]
    pub(crate) fn route(&mut self, heading: Heading, message: Message) -> Result<u64, Box<Refusal>> {
        let large = message.large();
        let routed = self.put(heading, message);
        if routed.is_err() {
            self.journal.outbox.note_untaken(large);
        }
        routed
    }

    #[inline]
    pub(crate) fn put(&mut self, heading: Heading, mut message: Message) -> Result<u64, Box<Refusal>> {
        let Heading { address, route, origin } = heading;
        let Some(found) = self.nodes.addresses.get(address) else {
            return Err(Refusal::new(Condition::ResourceDeleted, "the address is gone"));
        };
        if message.unique {
            return self.put_unique(heading, message);
        }
        if found.lifetimes != Lifetimes::AsSent {
            found.lifetimes.hold(&mut message, self.now.wall_ms);
        }
        if found.settings.ingress_timestamp {
            ingress::stamp(&mut message, self.now.wall_ms);
        }
        if found.queues.has_beside() && !matches!(route, Route::Queue(_)) {
            return self.put_beside(heading, message);
        }
        match (route, found.queues.only()) {
            (Route::All, Some(only)) => self.put_one(heading, only, message),
            (Route::All, None) => {
                let turn = self.take_turn(address, origin, &message)?;
                self.put_all(heading, turn, message)
            }
            (Route::Typed(RoutingType::Anycast), _) => match self.take_turn(address, origin, &message)? {
                Turn::Of(one) => self.put_one(heading, one, message),
                Turn::Dropped => Ok(self.put_nowhere(&message)),
                Turn::Nobodys => self.put_unrouted(address, message),
            },
            (Route::Typed(RoutingType::Multicast), _) => self.put_all(heading, Turn::Nobodys, message),
            (Route::Queue(only), _) if self.nodes.queues.get(only).is_some() => self.put_one(heading, only, message),
            (Route::Queue(_), _) => {
                Err(Refusal::new(Condition::ResourceDeleted, "the queue that the sender named is gone"))
            }
        }
    }

    fn put_one(&mut self, heading: Heading, only: Key, message: Message) -> Result<u64, Box<Refusal>> {
        if !self.chooses(only, heading.origin, &message)? {
            return self.put_unrouted(heading.address, message);
        }
        if self.admit(only, &message)? == Admission::Dropped {
            self.drop_at(only);
            return Ok(self.put_nowhere(&message));
        }
        if self.is_stored(only, &message) {
            return Ok(self.store(&[only], message));
        }
        self.push(only, message, None);
        Ok(0)
    }

    /// The anycast queue of an address whose turn it is, and that takes the message. When all refuse it, so does the address; when none has a
    /// place and one of them drops it, it is counted there.
    pub(crate) fn take_turn(
        &mut self,
        address: Key,
        origin: Option<Origin>,
        message: &Message,
    ) -> Result<Turn, Box<Refusal>> {
        let (mut refused, mut dropped) = (None, None);
        let Some(bindings) = self.nodes.addresses.get(address).map(|address| &address.queues) else {
            return Ok(Turn::Nobodys);
        };
        for _ in 0..bindings.listed(RoutingType::Anycast).len() {
            let Some(address) = self.nodes.addresses.get_mut(address) else { break };
            let Some(next) = address.queues.next_anycast() else { break };
            self.nodes.note_look();
            if self.nodes.queues.get(next).is_none() || !self.chooses(next, origin, message)? {
                continue;
            }
            match self.admit(next, message) {
                Ok(Admission::Taken) => return Ok(Turn::Of(next)),
                Ok(Admission::Dropped) => dropped = Some(next),
                Err(refusal) => refused = Some(refusal),
            }
        }
        if let Some(refusal) = refused {
            return Err(refusal);
        }
        let Some(dropped) = dropped else { return Ok(Turn::Nobodys) };
        self.drop_at(dropped);
        Ok(Turn::Dropped)
    }

    /// Puts a message into all multicast queues of an address, and into the anycast queue whose turn it is.
    fn put_all(&mut self, heading: Heading, turn: Turn, message: Message) -> Result<u64, Box<Refusal>> {
        let Heading { address, origin, .. } = heading;
        if let Some(chosen) = self.chosen(address, origin, &message)? {
            if turn == Turn::Nobodys && !self.has_any(&chosen) {
                return self.put_unrouted(address, message);
            }
            return self.put_each(&chosen, turn.queue(), message);
        }
        let Some(address_of) = self.nodes.addresses.get(address) else { return Ok(0) };
        if turn == Turn::Nobodys && !self.has_any(address_of.queues.listed(RoutingType::Multicast)) {
            return self.put_unrouted(address, message);
        }
        let Some(address_of) = self.nodes.addresses.get_mut(address) else { return Ok(0) };
        // Nothing that is done to a queue here makes or deletes one.
        let lent = address_of.queues.lend_multicast();
        let put = self.put_each(lent.listed(), turn.queue(), message);
        if let Some(address) = self.nodes.addresses.get_mut(address) {
            address.queues.return_multicast(lent);
        }
        put
    }

    pub(crate) fn put_each(&mut self, queues: &[Key], one: Option<Key>, message: Message) -> Result<u64, Box<Refusal>> {
        let all = || queues.iter().copied().chain(one);
        let mut drops = false;
        for queue in all() {
            drops |= self.admit(queue, &message)? == Admission::Dropped;
        }
        if drops {
            return self.put_where_taken(all().collect(), message);
        }
        if all().any(|queue| self.is_stored(queue, &message)) {
            if one.is_none() {
                return Ok(self.store(queues, message));
            }
            let all: Vec<Key> = all().collect();
            return Ok(self.store(&all, message));
        }
        if all().next().is_none() {
            return Ok(self.put_nowhere(&message));
        }
        for queue in all() {
            self.push(queue, message.clone(), None);
        }
        Ok(0)
    }

    /// Puts a message into those of several queues that take it; none of them refuses it.
    #[cold]
    fn put_where_taken(&mut self, mut queues: Vec<Key>, message: Message) -> Result<u64, Box<Refusal>> {
        let mut dropping = Vec::new();
        queues.retain(|&queue| {
            let takes = self.admit(queue, &message).is_ok_and(|admission| admission == Admission::Taken);
            if !takes {
                dropping.push(queue);
            }
            takes
        });
        dropping.into_iter().for_each(|queue| self.drop_at(queue));
        self.put_each(&queues, None, message)
    }

    /// No queue is there for a message: it is accepted, and gone.
    pub(crate) fn put_nowhere(&mut self, message: &Message) -> u64 {
        self.journal.outbox.note_untaken(message.large());
        0
    }

    #[inline]
    pub(crate) fn push(&mut self, key: Key, message: Message, stored: Option<NonZeroU64>) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        self.memory.take(message.size());
        let scheduled = message.header.scheduled;
        let expires = queue.push(message, stored, self.now);
        if scheduled {
            self.note_redelivery(key);
        }
        self.touch_pushed(key, expires);
    }

    #[inline]
    fn touch_pushed(&mut self, key: Key, expires: Option<NonZeroU64>) {
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if queue.begin_turn() {
            self.turns.insert(key);
        }
        if let Some(at) = expires {
            self.note_expiry(key, at);
        }
        self.trim(key);
    }

    /// Takes a message to the address that it names; gives the number that the journal has to reach before it is acknowledged, or 0.
    pub(crate) fn publish_to(&mut self, publish: Publish) -> Result<u64, Box<Refusal>> {
        let (address, route) = self.address_of_message(&publish.address, publish.routing, &publish.message)?;
        self.route_and_collect(Heading { address, route, origin: publish.origin }, publish.message)
    }

    /// The address that a message names, and which of its queues are meant.
    fn address_of_message(
        &mut self,
        address: &str,
        routing: Option<RoutingType>,
        message: &Message,
    ) -> Result<(Key, Route), Box<Refusal>> {
        let found = self.address(address, routing, None);
        if found.is_err() {
            self.journal.outbox.note_untaken(message.large());
        }
        found
    }

    /// Puts a message into the queues of an address that it is for.
    fn route_and_collect(&mut self, heading: Heading, message: Message) -> Result<u64, Box<Refusal>> {
        let routed = self.route(heading, message);
        // It may have been made for this message, and have no queue.
        self.collect_address(heading.address);
        routed
    }

    /// Whether an address takes what comes without a link of its own: not from peers while it is blocked.
    fn check_open(
        &mut self,
        link: LinkKey,
        (address, route): (Key, Route),
        message: &Message,
    ) -> Result<(Key, Route), Box<Refusal>> {
        if link.port() != Port::Peer || !self.is_blocked(address) {
            return Ok((address, route));
        }
        self.journal.outbox.note_untaken(message.large());
        self.collect_address(address);
        Err(Refusal::new(Condition::ResourceLocked, "the address is blocked: nothing is to come to it"))
    }

    /// Takes a relay's message. Where no outcome can tell that it is refused, an event tells it: of a settled one only if it has nowhere to
    /// go, as nobody waits for its fate.
    pub(crate) fn publish(&mut self, link: LinkKey, delivery: u32, settled: Settled, publish: Publish) {
        let Publish { address, routing, message, origin, tag, .. } = publish;
        let found = self.address_of_message(&address, routing, &message);
        let found = found.and_then(|found| self.check_open(link, found, &message));
        let is_lost = found.is_err();
        let routed =
            found.and_then(|(address, route)| self.route_and_collect(Heading { address, route, origin }, message));
        match (routed, tag) {
            (Ok(number), _) if settled == Settled::No => {
                let settled = Event::Settled { first: delivery, last: delivery, outcome: Outcome::Accepted };
                self.tell_after(number, link, settled);
            }
            (Err(refusal), Some(tag)) if is_lost || settled == Settled::No => {
                self.events.push_back((link, Event::Undelivered { refusal, tag }));
            }
            (Err(refusal), _) if settled == Settled::No => self.refuse(link, delivery, refusal),
            _ => {}
        }
    }
}
