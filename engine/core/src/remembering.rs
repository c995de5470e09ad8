//! Durable subscriptions by their names alone: whoever comes back to one, or ends it, need not say which address it is of, as a name has
//! one at a time.
//!
//! Guarantees:
//! 1. An owner that does not have a subscription sends its search on to the next one, each once; the last one refuses it. A search costs
//!    each owner one look into an index. A subscription that somebody is attached to is refused: who has no source to give mostly wants to
//!    end it (`unsubscribe` of JMS, 8.3.2 there), which would end nothing.
//! 2. Whoever subscribes durably at an address gets that when every owner has looked, in turn, whether it has one of the same name at
//!    another address: one that nobody is attached to is deleted with its messages, durably, before the next owner is asked; one that
//!    somebody is attached to, or that is declared, refuses the link. Nothing is deleted for a link that its address would refuse. After
//!    a crash in between neither is there.
//! 3. Two links that ask for one name at addresses of two shards in the same moment may both get it, as neither is there when the other
//!    looks. The next attach with a source puts it right.
//!
//! Not here: how subscriptions are made (`attach`), and end (`collecting`).

use engine_catalogue::{NodeNumber, Owner, QUALIFIER, Resolved};
use engine_message::Condition;

use crate::command::{Command, ConsumerSpec, Durability, Remembered, RoutingType};
use crate::core::Core;
use crate::event::{Event, Moved, Refusal};
use crate::key::LinkKey;
use crate::queue::Kind;

/// The name of the durable subscription that is asked for at an address.
fn claimed(spec: &ConsumerSpec) -> Option<String> {
    let subscription = spec.subscription.as_ref()?;
    let is_asked_for = subscription.durability == Durability::Durable
        && spec.routing != Some(RoutingType::Anycast)
        && !spec.address.contains(QUALIFIER);
    is_asked_for.then(|| subscription.queue_name())
}

impl Core {
    /// Attaches a consumer to a subscription that is named and nothing else, or lets the next owner look for it.
    pub(crate) fn attach_remembered(&mut self, link: LinkKey, mut spec: Box<ConsumerSpec>) {
        let name = spec.subscription.as_ref().map(|subscription| subscription.queue_name()).unwrap_or_default();
        let found = self.nodes.subscription(&name).and_then(|key| self.nodes.queues.get(key));
        let is_used = found.is_some_and(|queue| !queue.consumers.is_empty());
        let address = found.and_then(|queue| self.nodes.addresses.get(queue.identity.address));
        if let Some(address) = address {
            if is_used {
                let text = format!("the subscription {name} to {} has consumers: it cannot be ended now", address.name);
                let refusal = Refusal::new(Condition::IllegalState, text);
                return self.events.push_back((link, Event::Refused { refusal }));
            }
            spec.address = format!("{}{QUALIFIER}{name}", address.name);
            return self.attach_consumer(link, *spec);
        }
        let asked = spec.searched.remembered.map_or(0, |search| search.asked) + 1;
        let answer = if asked < self.shards() {
            spec.searched.remembered = Some(Remembered { asked });
            self.ask_next(link, spec)
        } else {
            let text = format!("there is no durable subscription {name}");
            Event::Refused { refusal: Refusal::new(Condition::NotFound, text) }
        };
        self.events.push_back((link, answer));
    }

    /// Whether an attach is on its way through the owners that may have a subscription of its name.
    pub(crate) fn is_clearing(&self, spec: &ConsumerSpec) -> bool {
        spec.searched.cleared > 0 && spec.searched.cleared < self.shards()
    }

    /// Ends subscriptions of the name that a durable one is asked for with, at other addresses. Gives what is asked for back when no owner
    /// has any; otherwise lets the next owner look, the last of them being the one of the address, or refuses the link.
    pub(crate) fn clear_name(&mut self, link: LinkKey, mut spec: ConsumerSpec) -> Option<ConsumerSpec> {
        let Some(name) = claimed(&spec) else { return Some(spec) };
        let allowed = if spec.searched.cleared == 0 { self.check_subscribing(&spec.address) } else { Ok(()) };
        let before = self.journal.numbers.last();
        if let Err(refusal) = allowed.and_then(|()| self.delete_elsewhere(&name, &spec.address)) {
            self.refuse_attach(link, &spec.address, refusal);
            return None;
        }
        spec.searched.cleared = spec.searched.cleared.saturating_add(1);
        if spec.searched.cleared > self.shards() || self.shards() == 1 {
            return Some(spec);
        }
        let deleted = self.journal.numbers.last();
        let asked = self.ask_next(link, Box::new(spec));
        self.tell_after(if deleted > before { deleted } else { 0 }, link, asked);
        None
    }

    /// Deletes subscriptions of a name, unless they are of this address.
    fn delete_elsewhere(&mut self, name: &str, address: &str) -> Result<(), Box<Refusal>> {
        while let Some(key) = self.nodes.subscription_elsewhere(name, address) {
            let Some(queue) = self.nodes.queues.get(key) else { break };
            let of = self.nodes.addresses.get(queue.identity.address).map_or("", |address| &address.name);
            let why = match queue.identity.kind {
                Kind::Declared(_) => "is declared",
                _ if !queue.consumers.is_empty() => "has consumers",
                _ => {
                    self.delete(key);
                    continue;
                }
            };
            let text = format!("the subscription {name} is one to {of} and {why}: it cannot become one to {address}");
            return Err(Refusal::new(Condition::IllegalState, text));
        }
        Ok(())
    }

    /// What lets the next owner look for a subscription. One that all of them have looked for goes back to the owner of its address.
    fn ask_next(&self, link: LinkKey, mut spec: Box<ConsumerSpec>) -> Event {
        // No address changed hands by it.
        spec.searched.moved = 0;
        let next = Owner { node: NodeNumber::HERE, shard: (self.config.shard + 1) % self.shards(), epoch: 0 };
        let owner = if spec.searched.cleared == self.shards() {
            let Resolved::Stored { owner } = self.config.catalogue.resolve(&spec.address);
            owner
        } else {
            next
        };
        Event::Moved(Box::new(Moved { owner, command: Command::AttachConsumer { link, spec } }))
    }

    fn shards(&self) -> u16 {
        self.config.catalogue.placement().shards()
    }
}
