//! What an owner has: addresses, their queues, and its halves of links; how they are made, found and deleted.
//!
//! Guarantees: a queue belongs to an address for as long as it lives; names are unique within their kind. Making, finding and deleting
//! one costs the same however many there are.
//!
//! Not here: what links ask for (`attach`), and when nobody needs a node any more (`collecting`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use engine_catalogue::AddressSettings;
use engine_message::Condition;

use crate::address::{Address, RETAINED};
use crate::bounds::Bounds;
use crate::choice::Choice;
use crate::command::{Outcome, RoutingType};
use crate::divert_name::divert_of;
use crate::ends::End;
use crate::event::Refusal;
use crate::fact::{INTERNAL, PASSING};
use crate::held_back::HeldBack;
use crate::idle::Idle;
use crate::ids::Duplicates;
use crate::limits::{ENDING_BYTES, ENDING_MAX, NAME_BYTES_MAX};
use crate::patterns::Patterns;
use crate::plain::Plain;
use crate::queue::{Before, Destinations, Identity, Kind, Queue};
use crate::resumption::Tag;
use crate::slab::{Key, Slab};
use crate::suspended::Suspended;
use crate::wildcard::pattern_of_queue;

/// Addresses, queues and links of one shard.
#[derive(Debug)]
pub(crate) struct Nodes {
    pub addresses: Slab<Address>,
    pub queues: Slab<Queue>,
    pub ends: Slab<End>,
    names: HashMap<Box<str>, Key>,
    /// Subscriptions that outlive their links, by name: those of several addresses may have one.
    subscriptions: BTreeSet<(Box<str>, Key)>,
    /// Addresses that are dynamic nodes.
    pub dynamic: usize,
    /// Queues that were deleted, and go when what they forward is elsewhere.
    endings: Vec<Key>,
    /// Queues that go if nobody needs them for a while.
    pub idle: Idle,
    /// Ids of messages that addresses know.
    pub duplicates: Duplicates,
    /// Patterns that somebody subscribes to.
    pub patterns: Patterns,
    /// Links that send, and outlive their connections.
    pub senders: Suspended<Vec<(Tag, Outcome)>>,
    /// Links that receive, likewise.
    pub receivers: Suspended<HeldBack>,
    /// Addresses and queues each, at most.
    max: usize,
    /// Octets of one queue that are in memory at most while the shard has plenty.
    resident_max: u64,
    /// Nodes that were looked at because there might have been something to do.
    #[cfg(test)]
    looked: std::cell::Cell<usize>,
}

impl Nodes {
    pub fn new(max: usize, resident_max: u64) -> Self {
        Self {
            addresses: Slab::default(),
            queues: Slab::default(),
            ends: Slab::default(),
            names: HashMap::new(),
            subscriptions: BTreeSet::new(),
            dynamic: 0,
            endings: Vec::new(),
            idle: Idle::default(),
            duplicates: Duplicates::default(),
            patterns: Patterns::default(),
            senders: Suspended::default(),
            receivers: Suspended::default(),
            max,
            resident_max,
            #[cfg(test)]
            looked: std::cell::Cell::default(),
        }
    }

    /// A node is looked at by a search or a sweep.
    #[inline]
    pub fn note_look(&self) {
        #[cfg(test)]
        self.looked.set(self.looked.get() + 1);
    }

    /// How many were since this was asked last.
    #[cfg(test)]
    pub fn take_looked(&self) -> usize {
        self.looked.take()
    }

    /// The address of a name.
    pub fn address(&self, name: &str) -> Option<Key> {
        self.names.get(name).copied()
    }

    /// Whether an address of this name can be made.
    pub fn check_address(&self, name: &str) -> Result<(), Box<Refusal>> {
        if name.is_empty() || name.len() > NAME_BYTES_MAX {
            let text = format!("an address has 1 to {NAME_BYTES_MAX} bytes");
            return Err(Refusal::new(Condition::InvalidField, text));
        }
        if name.starts_with(INTERNAL) {
            let text = format!("names that begin with {INTERNAL} are the broker's own");
            return Err(Refusal::new(Condition::NotAllowed, text));
        }
        if self.addresses.len() >= self.max {
            let text = format!("this shard has {} addresses, which is its limit", self.max);
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        Ok(())
    }

    /// Makes an address that is not there yet.
    pub fn make_address(
        &mut self,
        name: &str,
        routing: RoutingType,
        settings: Arc<AddressSettings>,
    ) -> Result<Key, Box<Refusal>> {
        self.check_address(name)?;
        Ok(self.put_address(name, routing, settings))
    }

    /// The same whatever bounds say: it is declared, or was there before a restart.
    pub fn put_address(&mut self, name: &str, routing: RoutingType, settings: Arc<AddressSettings>) -> Key {
        let key = self.addresses.insert(Address::new(name, routing, settings));
        self.names.insert(name.into(), key);
        self.link_wider(key);
        if self.addresses.get(key).is_some_and(|address| address.settings.retroactive_messages > 0) {
            self.put_retained(key);
        }
        key
    }

    /// Makes the queue of what an address keeps for subscriptions that come later.
    pub fn put_retained(&mut self, address: Key) {
        let (name, routing, kind) = (RETAINED.into(), RoutingType::Multicast, Kind::Retained);
        self.put_queue(Identity { name, address, routing, kind, choice: None });
    }

    /// An address gets the list of those whose subscriptions get what is sent to it.
    pub fn link_wider(&mut self, key: Key) {
        self.note_look();
        let Some(address) = self.addresses.get_mut(key) else { return };
        let wider = self.patterns.wider(&address.name);
        address.queues.set_wider(wider, &self.queues);
    }

    /// Makes a queue that is not there yet.
    pub fn make_queue(
        &mut self,
        address: Key,
        name: &str,
        routing: RoutingType,
        kind: Kind,
    ) -> Result<Key, Box<Refusal>> {
        if self.queues.len() >= self.max || name.len() > NAME_BYTES_MAX {
            let text = format!("this shard has {} queues, or a name is too long", self.queues.len());
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        Ok(self.put_queue(Identity { name: name.into(), address, routing, kind, choice: None }))
    }

    /// The same whatever bounds say.
    pub fn put_queue(&mut self, identity: Identity) -> Key {
        let address = identity.address;
        let bounds = match self.addresses.get(address) {
            Some(address) => identity.kind.bounds(&address.settings),
            None => Bounds::new(&AddressSettings::default()),
        };
        let plain = Plain::new(&bounds, self.resident_max);
        let key = match self.take_ending(&identity) {
            Some(key) => {
                if let Some(queue) = self.queues.get_mut(key) {
                    (queue.identity, queue.bounds, queue.plain) = (identity, bounds, plain);
                }
                key
            }
            None => self.queues.insert(Queue::new(identity, bounds, plain)),
        };
        if let Some(of) = self.addresses.get(address)
            && let Some(queue) = self.queues.get_mut(key)
        {
            let to = match queue.identity.kind {
                Kind::Divert => divert_of(&queue.identity.name)
                    .map(|(_, target)| Destinations::of_divert(&of.name, &of.settings, target, None)),
                Kind::Retained => None,
                Kind::Wildcard(_) => {
                    pattern_of_queue(&queue.identity.name).map(|to| Destinations::of_wildcard(&of.name, to))
                }
                _ => Destinations::new(&of.name, &of.settings),
            };
            queue.redirect(to);
            if queue.identity.kind.is_given_by_settings() {
                queue.set_delays(&of.settings);
                queue.set_service(&of.settings);
                queue.set_naming(&of.settings);
            }
        }
        self.note_subscription(key);
        if let Some(address) = self.addresses.get_mut(address) {
            address.queues.insert(key, &self.queues);
            self.patterns.note_changed(&address.name);
        }
        key
    }

    /// A queue that was just made gets chosen messages from now on. What it chooses never changes.
    pub fn choose(&mut self, key: Key, choice: Choice) {
        let queue = self.queues.get(key).filter(|queue| queue.identity.choice.is_none());
        // What a divert chooses is declared.
        let Some(queue) = queue.filter(|queue| !queue.identity.kind.is_beside()) else { return };
        if let Some(address) = self.addresses.get_mut(queue.identity.address) {
            address.queues.choose(key, &choice, &self.queues);
        }
        let Some(queue) = self.queues.get_mut(key) else { return };
        queue.identity.choice = Some(Box::new(choice));
        queue.plain = Plain::NEVER;
    }

    /// The queue of a name is remembered if it is a subscription that outlives its links.
    pub fn note_subscription(&mut self, key: Key) {
        let Some(queue) = self.queues.get(key) else { return };
        if queue.identity.kind.before() == Before::Subscription {
            self.subscriptions.insert((queue.identity.name.clone(), key));
        }
    }

    /// A subscription that outlives its links, by name.
    pub fn subscription(&self, name: &str) -> Option<Key> {
        let (found, key) = self.subscriptions.range((Box::from(name), Key::default())..).next()?;
        (**found == *name).then_some(*key)
    }

    /// One of that name, of any other address.
    pub fn subscription_elsewhere(&self, name: &str, address: &str) -> Option<Key> {
        let from = (Box::from(name), Key::default());
        let named = self.subscriptions.range(from..).take_while(|(found, _)| **found == *name);
        let is_elsewhere = |key: Key| {
            let queue = self.queues.get(key)?;
            Some(*self.addresses.get(queue.identity.address)?.name != *address)
        };
        named.map(|(_, key)| *key).find(|&key| is_elsewhere(key).unwrap_or_default())
    }

    /// A queue that was deleted, and is not gone because of what it forwards. It is the same again if one of its name is made, so that there
    /// are no two of one name after a start: unless one of them outlives the node and the other does not.
    fn take_ending(&mut self, identity: &Identity) -> Option<Key> {
        let address = &self.addresses.get(identity.address)?.name;
        let lasts = identity.kind.is_lasting();
        let at = self.endings.iter().position(|&key| {
            self.queues.get(key).is_some_and(|queue| {
                queue.identity.name == identity.name
                    && queue.origin() == Some(address)
                    && queue.number().is_none_or(|number| (number & PASSING == 0) == lasts)
            })
        })?;
        Some(self.endings.swap_remove(at))
    }

    /// Whether one more queue may stay for what it forwards.
    pub fn may_end_later(&self, queue: &Queue) -> bool {
        let of = |key: &Key| self.queues.get(*key).map_or(0, Queue::bytes);
        self.endings.len() < ENDING_MAX && self.endings.iter().map(of).sum::<u64>() + queue.bytes() <= ENDING_BYTES
    }

    /// A queue that was deleted stays for what it forwards.
    pub fn put_ending(&mut self, queue: Queue) -> Key {
        let key = self.queues.insert(queue);
        self.endings.push(key);
        key
    }

    /// Whether such a queue was one of this address.
    pub fn has_ending(&self, address: &str) -> bool {
        self.endings.iter().filter_map(|&key| self.queues.get(key)).any(|queue| queue.origin() == Some(address))
    }

    /// How many there are.
    pub fn endings(&self) -> usize {
        self.endings.len()
    }

    /// A queue is declared: it stays, and gets messages as that says.
    pub fn make_declared(&mut self, key: Key, routing: RoutingType) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        let from = std::mem::replace(&mut queue.identity.routing, routing);
        queue.identity.kind = Kind::Declared(queue.identity.kind.before());
        if let Some(address) = self.addresses.get_mut(queue.identity.address) {
            address.queues.keep(key, from, queue);
            self.patterns.note_changed(&address.name);
        }
    }

    /// A queue that was declared is what it would be without that.
    pub fn undeclare(&mut self, key: Key) {
        let Some(queue) = self.queues.get_mut(key) else { return };
        queue.identity.kind = match queue.identity.kind.before() {
            Before::Subscription => Kind::Durable,
            Before::OnDemand => Kind::Auto,
        };
        if queue.identity.kind == Kind::Auto
            && let Some(address) = self.addresses.get_mut(queue.identity.address)
        {
            address.queues.insert_on_demand(key);
        }
    }

    /// Octets of one queue that are in memory at most while the shard has plenty.
    pub fn resident_max(&self) -> u64 {
        self.resident_max
    }

    /// The queue of an address with this name.
    pub fn find(&self, address: Key, name: &str) -> Option<Key> {
        self.addresses.get(address)?.queues.find(name, &self.queues)
    }

    /// Takes a queue out; its links are the caller's to end.
    pub fn remove_queue(&mut self, key: Key) -> Option<Queue> {
        let queue = self.queues.remove(key)?;
        if queue.identity.kind.before() == Before::Subscription {
            self.subscriptions.remove(&(queue.identity.name.clone(), key));
        }
        if queue.identity.kind == Kind::Ending {
            self.endings.retain(|&other| other != key);
        }
        if let Some(address) = self.addresses.get_mut(queue.identity.address) {
            address.queues.remove(&queue, &self.queues);
            self.patterns.note_changed(&address.name);
        }
        Some(queue)
    }

    /// Takes an address out that nothing keeps.
    pub fn remove_unused_address(&mut self, key: Key) -> Option<Address> {
        if !self.addresses.get(key).is_some_and(Address::is_unused) {
            return None;
        }
        let address = self.addresses.remove(key)?;
        self.names.remove(&address.name);
        Some(address)
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self) {
        for (key, queue) in self.queues.iter() {
            assert_eq!(self.endings.contains(&key), queue.identity.kind == Kind::Ending, "it is listed");
            if queue.identity.kind == Kind::Ending {
                queue.check();
                continue;
            }
            let outlives = queue.identity.kind.before() == Before::Subscription;
            let known = self.subscriptions.contains(&(queue.identity.name.clone(), key));
            assert_eq!(known, outlives, "subscriptions are remembered");
            let Some(address) = self.addresses.get(queue.identity.address) else { panic!("a queue has its address") };
            assert_eq!(address.queues.diverting(key).is_some(), queue.identity.kind.is_beside(), "it diverts, or not");
            if queue.identity.kind.is_beside() {
                assert_eq!(address.queues.find(&queue.identity.name, &self.queues), Some(key), "by its name");
                queue.check();
                continue;
            }
            assert!(address.queues.listed(queue.identity.routing).contains(&key), "and the address it");
            assert_eq!(address.queues.find(&queue.identity.name, &self.queues), Some(key), "by its name");
            let is_alone = address.queues.len() == 1 && address.queues.wider().is_empty();
            assert_eq!(address.queues.only() == Some(key), is_alone, "alone or not");
            let on_demand = address.queues.on_demand().contains(&key);
            assert_eq!(on_demand, queue.identity.kind.is_on_demand(), "it goes when it has to");
            let choosing = address.queues.choosing();
            assert!(queue.identity.choice.is_none() || choosing.is_some(), "what chooses is in the index");
            let gets_all = queue.identity.choice.is_none() && queue.identity.routing == RoutingType::Multicast;
            let others =
                choosing.map(|choosing| choosing.others.listed().iter().filter(|&&other| other == key).count());
            assert!(others.is_none_or(|count| count == usize::from(gets_all)), "and what gets everything is beside it");
            let leaves_out = queue.identity.choice.as_ref().is_some_and(|choice| choice.selector().is_none());
            let listed = choosing.is_some_and(|choosing| choosing.no_local.listed().contains(&key));
            assert_eq!(listed, leaves_out, "what only leaves messages out has its list");
            let living = |end: &Key| self.ends.get(*end).is_some();
            assert_eq!(queue.consumers.listed().filter(living).count(), queue.consumers.len(), "its links live");
            queue.check();
        }
        assert!(self.subscriptions.iter().all(|(_, key)| self.queues.get(*key).is_some()), "and no others");
        for (key, address) in self.addresses.iter() {
            assert_eq!(self.names.get(&address.name), Some(&key));
            let living = |queue: &Key| self.queues.get(*queue).is_some();
            assert_eq!(address.queues.all().filter(living).count(), address.queues.len(), "its queues live");
            let living = |end: &&Key| self.ends.get(**end).is_some();
            assert_eq!(address.producers.listed().iter().filter(living).count(), address.producers.len());
        }
    }
}
