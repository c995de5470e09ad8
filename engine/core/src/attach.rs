//! Links come and go, and with them addresses and queues.

use crate::command::{
    ConsumerSpec, Create, DYNAMIC_PREFIX, DetachMode, Durability, Lifetime, Mode, Outcome, ProducerSpec, RoutingType,
    Sharing, Subscription,
};
use crate::core::{Address, Consumer, Core, End, EndRole};
use crate::event::{AttachedInfo, Event, Refusal};
use crate::key::{EndKey, LinkKey};
use crate::limits::{DYNAMIC_NODES_MAX, NAME_BYTES_MAX, Storage};
use crate::producer::{Producer, Route};
use crate::queue::{Kind, Queue};
use crate::slab::Key;
use engine_message::Condition;

impl Core {
    pub(crate) fn attach_producer(&mut self, link: LinkKey, spec: &ProducerSpec) {
        let create = self.create(&spec.address, spec.create, spec.lifetime);
        let attached = self.has_room(spec.lifetime).and_then(|()| self.address(&spec.address, spec.routing, create));
        let (address, route) = match attached {
            Ok(found) => found,
            Err(refusal) => return self.events.push_back((link, Event::Refused { refusal })),
        };
        let window = self.config.producer_window;
        let producer = Producer { address, route, credit: 0, window, withheld: false, accepted: None };
        let end = self.ends.insert(End { link, role: EndRole::Producer(producer) });
        let mut routing = RoutingType::Anycast;
        if let Some(address) = self.addresses.get_mut(address) {
            address.producers.push(end);
            routing = spec.routing.unwrap_or(address.routing);
        }
        if let Some(lifetime) = spec.lifetime {
            self.make_dynamic(address, lifetime, end);
        }
        let queue = match route {
            Route::Queue(queue) => self.queues.get(queue).map(|queue| queue.name.to_string()),
            Route::All | Route::Typed(_) => None,
        };
        let info = Box::new(AttachedInfo { address: spec.address.clone(), queue, routing });
        self.events.push_back((link, Event::Attached { end: end_key(end), info }));
        self.credit(end);
    }

    pub(crate) fn attach_consumer(&mut self, link: LinkKey, spec: ConsumerSpec) {
        let key = match self.has_room(spec.lifetime).and_then(|()| self.queue_of(&spec)) {
            Ok(queue) => queue,
            Err(refusal) => return self.events.push_back((link, Event::Refused { refusal })),
        };
        let consumer = Consumer {
            queue: key,
            settle: spec.settle,
            default_outcome: spec.default_outcome,
            credit: 0,
            draining: false,
            next_sequence: 0,
        };
        let end = self.ends.insert(End { link, role: EndRole::Consumer(consumer) });
        let Some(queue) = self.queues.get_mut(key) else { return };
        match spec.mode {
            Mode::Consume => queue.consumers.push_back(end),
            Mode::Browse => queue.browsers.push(end),
        }
        let (address, queue_name, routing) = (queue.address, queue.name.to_string(), queue.routing);
        if let Some(lifetime) = spec.lifetime {
            self.make_dynamic(address, lifetime, end);
        }
        let info = Box::new(AttachedInfo { address: spec.address, queue: Some(queue_name), routing });
        let attached = Event::Attached { end: end_key(end), info };
        // Whoever is told of a durable subscription finds it again.
        let subscribed = self.config.storage == Storage::Journal
            && self.queues.get(key).is_some_and(|queue| queue.kind == Kind::Durable);
        let number = if subscribed { self.declare(key) } else { 0 };
        self.tell_after(number, link, attached);
    }

    fn has_room(&self, lifetime: Option<Lifetime>) -> Result<(), Box<Refusal>> {
        if lifetime.is_some() && self.dynamic_nodes >= DYNAMIC_NODES_MAX {
            let text = format!("this shard has {DYNAMIC_NODES_MAX} dynamic nodes, which is its limit");
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        if self.ends.len() >= self.config.ends_max {
            let text = format!("this shard has {} links, which is its limit", self.config.ends_max);
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        Ok(())
    }

    /// An address becomes a dynamic node of the link `end`, and with it the queue that consumers share; subscriptions have lives of
    /// their own within it.
    fn make_dynamic(&mut self, key: Key, lifetime: Lifetime, end: Key) {
        let Some(address) = self.addresses.get_mut(key) else { return };
        address.dynamic = Some((lifetime, end));
        self.dynamic_nodes += 1;
        for &queue in &address.queues {
            if let Some(queue) = self.queues.get_mut(queue).filter(|queue| queue.routing == RoutingType::Anycast) {
                queue.kind = Kind::Dynamic(lifetime);
            }
        }
    }

    /// Whether an address, or a queue of it, is made where it is missing. Dynamic nodes are, whatever is said of others; their
    /// names are not made again for anybody.
    pub(crate) fn create(&self, name: &str, asked: Create, lifetime: Option<Lifetime>) -> Create {
        match lifetime {
            Some(_) => Create::Auto,
            None if self.config.auto_create == Create::Never || name.starts_with(DYNAMIC_PREFIX) => Create::Never,
            None => asked,
        }
    }

    /// The address of a name, and which of its queues are meant; made, with its queue if it is anycast or named, when that is
    /// allowed.
    pub(crate) fn address(
        &mut self,
        name: &str,
        routing: Option<RoutingType>,
        create: Create,
    ) -> Result<(Key, Route), Box<Refusal>> {
        let (name, qualified) = match name.split_once("::") {
            Some((name, queue)) => (name, Some(queue)),
            None => (name, None),
        };
        let key = match self.names.get(name) {
            Some(&key) => key,
            None if create == Create::Never => {
                return Err(Refusal::new(Condition::NotFound, format!("there is no address {name}")));
            }
            None => self.make_address(name, routing.unwrap_or(self.config.default_routing))?,
        };
        let own = self.addresses.get(key).map_or(RoutingType::Anycast, |address| address.routing);
        let wanted = routing.unwrap_or(own);
        let Some(queue) = qualified else {
            if wanted == RoutingType::Anycast && create == Create::Auto && self.find(key, name).is_none() {
                self.make_queue(key, name, RoutingType::Anycast, Kind::Auto)?;
            }
            return Ok((key, routing.map_or(Route::All, Route::Typed)));
        };
        match self.find(key, queue) {
            Some(found) => Ok((key, Route::Queue(found))),
            None if create == Create::Auto => Ok((key, Route::Queue(self.make_queue(key, queue, wanted, Kind::Auto)?))),
            None => Err(Refusal::new(Condition::NotFound, format!("there is no queue {queue}"))),
        }
    }

    fn make_address(&mut self, name: &str, routing: RoutingType) -> Result<Key, Box<Refusal>> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let text = format!("an address has 1 to {NAME_BYTES_MAX} bytes");
            return Err(Refusal::new(Condition::InvalidField, text));
        }
        if self.addresses.len() >= self.config.nodes_max {
            let text = format!("this shard has {} addresses, which is its limit", self.config.nodes_max);
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        let (queues, producers) = (Vec::new(), Vec::new());
        let address = Address { name: name.into(), routing, queues, producers, dynamic: None };
        let key = self.addresses.insert(address);
        self.names.insert(name.into(), key);
        Ok(key)
    }

    fn make_queue(&mut self, address: Key, name: &str, routing: RoutingType, kind: Kind) -> Result<Key, Box<Refusal>> {
        if self.queues.len() >= self.config.nodes_max || name.len() > NAME_BYTES_MAX {
            let text = format!("this shard has {} queues, or a name is too long", self.queues.len());
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        let key = self.queues.insert(Queue::new(name, address, routing, kind));
        if let Some(address) = self.addresses.get_mut(address) {
            address.queues.push(key);
        }
        Ok(key)
    }

    /// The queue of an address with this name.
    fn find(&self, address: Key, name: &str) -> Option<Key> {
        let queues = &self.addresses.get(address)?.queues;
        queues.iter().copied().find(|&queue| self.queues.get(queue).is_some_and(|queue| *queue.name == *name))
    }

    /// The queue that a consumer gets.
    fn queue_of(&mut self, spec: &ConsumerSpec) -> Result<Key, Box<Refusal>> {
        let (name, qualified) = match spec.address.split_once("::") {
            Some((address, queue)) => (address, Some(queue)),
            None => (spec.address.as_str(), None),
        };
        let known = self.names.get(name).copied();
        let create = self.create(name, spec.create, spec.lifetime);
        let routing = spec
            .routing
            .or_else(|| spec.subscription.as_ref().map(|_| RoutingType::Multicast))
            .or_else(|| Some(self.addresses.get(known?)?.routing))
            .unwrap_or(self.config.default_routing);
        let address = match (known, create) {
            (Some(address), _) => address,
            (None, Create::Auto) => self.make_address(name, routing)?,
            (None, Create::Never) => {
                return Err(Refusal::new(Condition::NotFound, format!("there is no address {name}")));
            }
        };
        let missing = |queue: &str| Refusal::new(Condition::NotFound, format!("there is no queue {queue}"));
        if let (None, RoutingType::Multicast) = (qualified, routing) {
            return self.subscribe(address, name, spec.subscription.as_ref());
        }
        let queue = qualified.unwrap_or(name);
        match self.find(address, queue) {
            Some(found) => Ok(found),
            None if create == Create::Auto => self.make_queue(address, queue, routing, Kind::Auto),
            None => Err(missing(queue)),
        }
    }

    /// The queue of a subscription to a multicast address (artemis.md, 2.7).
    fn subscribe(
        &mut self,
        address: Key,
        name: &str,
        subscription: Option<&Subscription>,
    ) -> Result<Key, Box<Refusal>> {
        let Some(subscription) = subscription else {
            self.subscriptions += 1;
            let queue = format!("{name}.{}.{}", self.config.shard, self.subscriptions);
            return self.make_queue(address, &queue, RoutingType::Multicast, Kind::Volatile);
        };
        if subscription.durability == Durability::Durable && name.starts_with(DYNAMIC_PREFIX) {
            let text = "a subscription to a dynamic node cannot be durable: the node does not outlive its links";
            return Err(Refusal::new(Condition::NotAllowed, text));
        }
        let queue = match (subscription.sharing, subscription.durability) {
            (Sharing::Global, Durability::Durable) => format!("{}:global", subscription.name),
            (Sharing::Global, Durability::Volatile) => format!("{}:shared-volatile:global", subscription.name),
            (Sharing::Shared, Durability::Volatile) => {
                format!("{}.{}:shared-volatile", subscription.container, subscription.name)
            }
            _ => format!("{}.{}", subscription.container, subscription.name),
        };
        let kind = match subscription.durability {
            Durability::Durable => Kind::Durable,
            Durability::Volatile => Kind::Volatile,
        };
        let Some(found) = self.find(address, &queue) else {
            return self.make_queue(address, &queue, RoutingType::Multicast, kind);
        };
        if subscription.sharing == Sharing::Exclusive {
            self.steal(found);
        }
        Ok(found)
    }

    /// Ends the links of a subscription whose owner, the same link of the same container, attaches anew (part 2.6.1): it has
    /// most likely lost the connection of the old one.
    fn steal(&mut self, key: Key) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        let text = format!("the container attached the subscription {} again", queue.name);
        for end in std::mem::take(&mut queue.consumers) {
            let Some(End { link, role: EndRole::Consumer(consumer) }) = self.ends.remove(end) else { continue };
            let refusal = Refusal::new(Condition::LinkStolen, text.as_str());
            self.abandon(key, end, &consumer.default_outcome);
            self.events.push_back((link, Event::Detached { refusal }));
        }
    }

    pub(crate) fn detach(&mut self, end: Key, mode: DetachMode) {
        let Some(End { role, .. }) = self.ends.remove(end) else { return };
        match role {
            EndRole::Producer(producer) => {
                let Some(address) = self.addresses.get_mut(producer.address) else { return };
                address.producers.retain(|&other| other != end);
                for queue in address.queues.clone() {
                    if let Some(queue) = self.queues.get_mut(queue) {
                        queue.withheld.retain(|&other| other != end);
                    }
                    self.collect(queue);
                }
                self.collect_created(producer.address, end);
            }
            EndRole::Consumer(consumer) => {
                let Some(queue) = self.queues.get_mut(consumer.queue) else { return };
                queue.consumers.retain(|&other| other != end);
                queue.browsers.retain(|&other| other != end);
                let address = queue.address;
                let last = queue.consumers.is_empty() && queue.browsers.is_empty();
                let over = match queue.kind {
                    Kind::Volatile => last,
                    Kind::Durable => last && mode == DetachMode::Close,
                    Kind::Auto | Kind::Dynamic(_) => false,
                };
                self.abandon(consumer.queue, end, &consumer.default_outcome);
                if over {
                    self.delete(consumer.queue);
                } else {
                    self.collect(consumer.queue);
                    self.touch(consumer.queue);
                }
                self.collect_created(address, end);
            }
        }
    }

    /// Deletes a dynamic node that lives as long as the link `gone`, or an address that has no reason to stay.
    fn collect_created(&mut self, key: Key, gone: Key) {
        let Some(address) = self.addresses.get(key) else { return };
        if address.dynamic != Some((Lifetime::OnClose, gone)) {
            return self.collect_address(key);
        }
        let queues = address.queues.clone();
        self.detach_producers(key);
        queues.into_iter().for_each(|queue| self.delete(queue));
        self.collect_address(key);
    }

    /// Ends the links that send to a dynamic node, which is deleted: what they sent would be accepted, and go nowhere.
    fn detach_producers(&mut self, key: Key) {
        let Some(address) = self.addresses.get_mut(key) else { return };
        let text = format!("the dynamic node {} was deleted", address.name);
        for end in std::mem::take(&mut address.producers) {
            let Some(End { link, role: EndRole::Producer(producer) }) = self.ends.remove(end) else { continue };
            if let Some((first, last)) = producer.accepted {
                self.events.push_back((link, Event::Settled { first, last, outcome: Outcome::Accepted }));
            }
            let refusal = Refusal::new(Condition::ResourceDeleted, text.as_str());
            self.events.push_back((link, Event::Detached { refusal }));
        }
    }

    /// Deletes a queue that has no reason to stay.
    pub(crate) fn collect(&mut self, key: Key) {
        let Some(queue) = self.queues.get(key) else { return };
        let lifetime = match queue.kind {
            Kind::Volatile | Kind::Durable | Kind::Dynamic(Lifetime::OnClose) => return,
            Kind::Auto => Lifetime::NoLinksOrMessages,
            Kind::Dynamic(lifetime) => lifetime,
        };
        let producers = self.addresses.get(queue.address).is_some_and(|address| !address.producers.is_empty());
        let linked = producers || !queue.consumers.is_empty() || !queue.browsers.is_empty();
        let empty = queue.messages() == 0;
        let over = match lifetime {
            Lifetime::NoLinks => !linked,
            // A node that was never used yet stays as long as somebody may use it.
            Lifetime::NoMessages => empty && (queue.totals.enqueued > 0 || !linked),
            _ => empty && !linked,
        };
        if over {
            self.delete(key);
        }
    }

    fn delete(&mut self, key: Key) {
        let Some(queue) = self.queues.remove(key) else { return };
        self.forget(&queue);
        self.memory_bytes -= queue.bytes;
        let deleted = || Refusal::new(Condition::ResourceDeleted, format!("the queue {} was deleted", queue.name));
        for end in queue.consumers.iter().chain(&queue.browsers) {
            if let Some(End { link, .. }) = self.ends.remove(*end) {
                self.events.push_back((link, Event::Detached { refusal: deleted() }));
            }
        }
        if matches!(queue.kind, Kind::Dynamic(_)) {
            self.detach_producers(queue.address);
        }
        for &end in &queue.withheld {
            self.credit(end);
        }
        if let Some(address) = self.addresses.get_mut(queue.address) {
            address.queues.retain(|&other| other != key);
        }
        self.collect_address(queue.address);
    }

    pub(crate) fn collect_address(&mut self, key: Key) {
        let unused = self.addresses.get(key).is_some_and(|a| a.queues.is_empty() && a.producers.is_empty());
        if unused && let Some(address) = self.addresses.remove(key) {
            self.names.remove(&address.name);
            self.dynamic_nodes -= usize::from(address.dynamic.is_some());
        }
    }
}

fn end_key(key: Key) -> EndKey {
    EndKey { slot: key.slot, generation: key.generation }
}
