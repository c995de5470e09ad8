//! To whom a message goes: the links of this shard and of others, and what of it each of them is to see.
//!
//! Guarantees: receivers are chosen by the table, and by what this shard's have to do; nothing is counted. What has one receiver, as nearly
//! all have, is not copied.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Buf;
use engine_core::message::Message;
use engine_core::slab::{Key as Place, Slab};
use engine_router::address::{Here, Key, Phase, mobile, resolve};
use engine_router::forward::{Spread, Taken, Target, choose_at};
use engine_router::numbers::Numbered;
use engine_router::settlement::{Audience, Beginning, OutLink, Settlement};
use engine_router::table::{Address, ConsumerId, Table};

use crate::crossing::Consumers;
use crate::edge::is_anonymous;
use crate::end::{End, lane_out, of_receiver};
use crate::entry::{Entry, Said};
use crate::heard::Heard;
use crate::joints::{Neighbours, consumer, neighbour};
use crate::router::{Own, Router};
use crate::streams::Extent;
use crate::ways::{Passing, expect_here};

/// Where a message's targets are put together, and the links to them; by what was chosen before.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub spread: Spread,
    pub targets: Vec<Target>,
    pub links: Vec<OutLink>,
    pub lanes: Vec<OutLink>,
    /// Where a key is written that is looked up.
    pub text: String,
}

/// What a message's receivers are chosen by.
pub(crate) struct Choosing<'a> {
    pub own: &'a Own,
    pub table: &'a Table,
    settlement: &'a Settlement<Passing>,
    consumers: &'a Numbered<ConsumerId, Place>,
    neighbours: &'a Neighbours,
    chosen: &'a mut Chosen,
    pub heard: &'a Heard,
}

impl Router {
    /// What receivers are chosen by, and the ends of links.
    #[inline]
    pub(crate) fn choosing(&mut self) -> (&Slab<End>, Choosing<'_>) {
        let Self { own, table, settlement, consumers, neighbours, chosen, heard, ends, .. } = self;
        (ends, Choosing { own, table, settlement, consumers, neighbours, chosen, heard })
    }

    /// Puts the links to those of a message's consumers together that are of this shard.
    pub(crate) fn choose_here(&mut self, consumers: &Consumers) {
        self.chosen.links.clear();
        let known = (&self.consumers, &self.neighbours);
        let places = consumers.of(self.own.shard).filter_map(|consumer| receiver_of(known, consumer));
        self.chosen.links.extend(places.map(of_receiver));
    }
}

impl<'a> Choosing<'a> {
    /// The key that a text means, and its address, if somebody wants messages of that. Those that are known are found without a key being
    /// made.
    pub fn find(&mut self, to: &str, phase: Phase) -> Option<(Cow<'a, Key>, Option<&'a Arc<Address>>)> {
        if let Some(name) = mobile(to) {
            let text = &mut self.chosen.text;
            text.clear();
            text.extend(['M', phase.letter()]);
            text.push_str(name);
            if let Some((key, address)) = self.table.find_text(text) {
                return Some((Cow::Borrowed(key), Some(address)));
            }
        }
        let key = resolve(to, phase, self.here())?;
        let address = self.table.find(&key);
        Some((Cow::Owned(key), address))
    }

    /// Who reads addresses.
    pub fn here(&self) -> Here<'a> {
        Here { id: &self.own.id, mode: self.own.mode }
    }

    /// Puts the links to those together who are to have a message; gives what passes to them.
    pub fn prepare(&mut self, entry: &Entry<'_>, message: Message) -> Passing {
        expect_here(&message);
        self.chosen.targets.clear();
        self.chosen.links.clear();
        let priority = message.header.priority;
        let (shard, known, settlement) = (self.own.shard, (self.consumers, self.neighbours), self.settlement);
        // What receivers of this shard have to do the settlement machine knows, of a neighbour that of all addresses. What those of others
        // have is counted as it goes there and comes back.
        let own = |target| {
            let consumer = consumer_of(target, priority);
            let is_own = consumer.shard() == shard;
            is_own.then(|| receiver_of(known, consumer).map_or(0, |place| settlement.load(of_receiver(place))))
        };
        let Chosen { spread, targets, .. } = &mut *self.chosen;
        // Who goes nowhere is released, or dropped and counted, whatever the reason.
        let taken = choose_at(self.table, (entry.key, entry.address), &entry.passage, spread, own, targets);
        let (message, away) = match taken {
            Ok(taken) if entry.is_from_router() || self.has_routers() => self.versions(entry, &taken, message),
            _ => (message, None),
        };
        let consumers = self.find_ways(priority);
        Passing { message, away, consumers, extent: self.extent(entry) }
    }

    /// What came of a message, with who else has it: what another router sends of a copied one others of its receivers may have, too.
    fn extent(&self, entry: &Entry<'_>) -> Extent {
        let Extent::Begins(beginning) = entry.extent else { return Extent::Whole };
        let is_copied = entry.address.is_some_and(|address| address.treatment.is_copying());
        let may_others_have_it = entry.is_from_router() || self.chosen.targets.len() > 1;
        let audience = if is_copied && may_others_have_it { Audience::Several } else { Audience::One };
        Extent::Begins(Beginning { audience, ..beginning })
    }

    /// A message as its receivers are to see it; and as other routers are, beside that, if it is for both. One that cannot go on is for no
    /// router.
    fn versions(&mut self, entry: &Entry<'_>, taken: &Taken, mut message: Message) -> (Message, Option<Box<Message>>) {
        let routers = self.chosen.targets.iter().filter(|target| is_router(target)).count();
        if let (0, Some(octets)) = (routers, entry.bare) {
            // All that stands before the rest is routers'.
            message.body.advance(octets);
            return (message, None);
        }
        let said = entry.said.or_else(|| Said::read(&message.body));
        let on =
            said.filter(|_| routers > 0).and_then(|said| said.for_routers(self.here(), &message.body, entry, taken));
        match on {
            // Nobody else has it.
            Some(body) if routers == self.chosen.targets.len() => return (Message { body, ..message }, None),
            None if routers > 0 => self.chosen.targets.retain(|target| !is_router(target)),
            Some(_) | None => {}
        }
        let away = on.map(|body| Box::new(Message { body, ..message.clone() }));
        match said.filter(|_| entry.is_from_router()).map(|said| said.for_clients(&message.body)) {
            Some(body) => (Message { body, ..message }, away),
            None => (message, away),
        }
    }

    /// Whether other routers are among the targets, that are told the address with the message.
    fn has_routers(&self) -> bool {
        self.chosen.targets.iter().any(is_router)
    }

    /// Puts the links to a message's targets together, of which each shard has one; gives those of other shards.
    fn find_ways(&mut self, priority: u8) -> Consumers {
        let known = (self.consumers, self.neighbours);
        if let [target] = *self.chosen.targets.as_slice() {
            let consumer = consumer_of(target, priority);
            if consumer.shard() == self.own.shard {
                self.chosen.links.extend(receiver_of(known, consumer).map(of_receiver));
                return Consumers::Here;
            }
            self.chosen.links.push(lane_out(consumer.shard()));
            return Consumers::One(consumer);
        }
        self.chosen.lanes.clear();
        let mut elsewhere = Vec::new();
        for target in &self.chosen.targets {
            let consumer = consumer_of(*target, priority);
            if consumer.shard() == self.own.shard {
                self.chosen.links.extend(receiver_of(known, consumer).map(of_receiver));
                continue;
            }
            elsewhere.push(consumer);
            let lane = lane_out(consumer.shard());
            if !self.chosen.lanes.contains(&lane) {
                self.chosen.lanes.push(lane);
            }
        }
        self.chosen.links.append(&mut self.chosen.lanes);
        if elsewhere.is_empty() { Consumers::Here } else { Consumers::Several(elsewhere.into()) }
    }
}

/// Whether a target is another router.
fn is_router(target: &Target) -> bool {
    match target {
        Target::Router { .. } => true,
        Target::Consumer(consumer) => is_anonymous(*consumer),
    }
}

/// The consumer that a target is: a neighbour's is the link of a priority.
pub(crate) fn consumer_of(target: Target, priority: u8) -> ConsumerId {
    match target {
        Target::Consumer(consumer) => consumer,
        Target::Router { link, .. } => consumer(link, priority),
    }
}

/// The receiver of this shard that a consumer is: of a neighbour the one of that priority, or of the next one that is there.
pub(crate) fn receiver_of(
    (consumers, neighbours): (&Numbered<ConsumerId, Place>, &Neighbours),
    consumer: ConsumerId,
) -> Option<Place> {
    match neighbour(consumer) {
        Some((link, priority)) => neighbours.receiver(link, priority),
        None => consumers.get(&consumer).copied(),
    }
}
