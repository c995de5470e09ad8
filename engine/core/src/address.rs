//! Addresses: where producers send to, and which queues get what they send.
//!
//! Guarantees: queues and producers come and go at the same cost however many an address has; so does finding a queue by its name, and
//! the turn of anycast queues. `Bindings::only` is the way of nearly all messages: one look.
//!
//! Not here: what queues and producers are (`queue`, `producer`), and which of them are made (`attach`).

use std::collections::HashMap;
use std::sync::Arc;

use engine_catalogue::AddressSettings;
use engine_selector::Index;

use crate::choice::Choice;
use crate::command::{ConnectionKey, Lifetime, RoutingType};
use crate::lifetimes::Lifetimes;
use crate::limits::FEW_QUEUES;
use crate::members::Members;
use crate::queue::{Kind, Queue};
use crate::slab::{Key, Slab};

/// An address.
#[derive(Debug)]
pub(crate) struct Address {
    pub name: Box<str>,
    /// What a link that does not say gets here.
    pub routing: RoutingType,
    pub queues: Bindings,
    pub producers: Members,
    pub dynamic: Option<Dynamic>,
    /// What holds for it and for queues of it that are made.
    pub settings: Arc<AddressSettings>,
    /// What that says of each message that comes; `bounds` has all of them go the long way for it.
    pub lifetimes: Lifetimes,
    /// Whether it stays when nobody uses it.
    pub is_declared: bool,
}

/// What makes an address a dynamic node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dynamic {
    pub lifetime: Lifetime,
    /// The link that it was made for.
    pub creator: Key,
    /// The connection of that link: only its links consume. `None`: it is no peer's that opened a connection, and anybody's do.
    pub connection: Option<ConnectionKey>,
}

impl Address {
    pub fn new(name: &str, routing: RoutingType, settings: Arc<AddressSettings>) -> Self {
        let (queues, producers) = (Bindings::default(), Members::default());
        let lifetimes = Lifetimes::new(&settings);
        Self { name: name.into(), routing, queues, producers, dynamic: None, settings, lifetimes, is_declared: false }
    }

    /// Other settings hold from now on.
    pub fn set_settings(&mut self, settings: Arc<AddressSettings>) {
        self.lifetimes = Lifetimes::new(&settings);
        self.settings = settings;
    }

    /// Whether nothing keeps it but what it has.
    pub fn is_without_links(&self) -> bool {
        !self.is_declared && self.producers.is_empty()
    }

    /// Whether nothing keeps it.
    pub fn is_unused(&self) -> bool {
        !self.is_declared && self.queues.is_empty() && self.producers.is_empty()
    }
}

/// What a divert's queue does with what is sent to its address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Diverting {
    /// It gets it as well.
    Beside,
    /// It gets it and nobody else does.
    Instead,
    /// It gets what the address's multicast queues get.
    Multicast,
    /// Nothing: the divert is no longer there.
    NoMore,
}

/// The name of the queue of what an address keeps for subscriptions that come later: peers can neither make nor name it (`attach`).
pub(crate) const RETAINED: &str = "$retroactive";

/// Which queues of multicast choose their messages.
#[derive(Debug)]
pub(crate) struct Choosing {
    /// Those that do by selectors, by what they ask for, whatever their routing type is.
    pub index: Index<Key>,
    /// Those that only leave out what is from one container, likewise.
    pub no_local: Members,
    /// Those that do not.
    pub others: Members,
}

impl Choosing {
    /// Whether no queue chooses any more.
    fn is_idle(&self) -> bool {
        self.index.is_empty() && self.no_local.is_empty()
    }
}

/// What gets messages of an address, and is not among its queues.
#[derive(Debug, Default)]
struct Besides {
    /// The queues of diverts, and those that lead to subscriptions elsewhere.
    diverts: Vec<(Key, Diverting)>,
    /// Addresses whose multicast queues get them, too: of patterns that this one matches. Some may have gone.
    wider: Vec<Key>,
}

/// The queues of one address.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    only: Option<Key>,
    /// They share the messages, in turn.
    anycast: Members,
    /// Whose turn it is, by its place among those that are listed.
    turn: usize,
    /// Each gets every message.
    multicast: Members,
    /// What gets messages besides; most addresses have nothing like that.
    beside: Option<Box<Besides>>,
    /// Only where queues choose their messages.
    choosing: Option<Box<Choosing>>,
    /// Those that may go when messages or producers do (`Kind::is_on_demand`).
    on_demand: Members,
    /// Once there were more than a few.
    names: Option<HashMap<Box<str>, Key>>,
}

impl Bindings {
    /// The queue that gets everything, if there is one queue.
    #[inline]
    pub fn only(&self) -> Option<Key> {
        self.only
    }

    pub fn len(&self) -> usize {
        self.anycast.len() + self.multicast.len() + self.diverts().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those of one routing type, and some that have gone.
    pub fn listed(&self, routing: RoutingType) -> &[Key] {
        match routing {
            RoutingType::Anycast => self.anycast.listed(),
            RoutingType::Multicast => self.multicast.listed(),
        }
    }

    /// All of them, and some that have gone.
    pub fn all(&self) -> impl Iterator<Item = Key> {
        let diverts = self.diverts().iter().map(|(key, _)| *key);
        self.anycast.listed().iter().chain(self.multicast.listed()).copied().chain(diverts)
    }

    /// The queues of diverts, and those that lead to subscriptions elsewhere.
    pub fn diverts(&self) -> &[(Key, Diverting)] {
        self.beside.as_ref().map_or(&[], |beside| &beside.diverts)
    }

    /// Addresses whose multicast queues get what is sent to this one, and some that have gone.
    pub fn wider(&self) -> &[Key] {
        self.beside.as_ref().map_or(&[], |beside| &beside.wider)
    }

    /// Whether others than its queues get what is sent to it.
    #[inline]
    pub fn has_beside(&self) -> bool {
        self.beside.is_some()
    }

    /// These addresses' multicast queues get what is sent to this one from now on.
    pub fn set_wider(&mut self, wider: Vec<Key>, queues: &Slab<Queue>) {
        if wider.is_empty() && self.beside.is_none() {
            return;
        }
        self.change_beside(queues, |beside| beside.wider = wider);
    }

    fn change_beside(&mut self, queues: &Slab<Queue>, change: impl FnOnce(&mut Besides)) {
        let mut beside = self.beside.take().unwrap_or_default();
        change(&mut beside);
        self.beside = (!beside.diverts.is_empty() || !beside.wider.is_empty()).then_some(beside);
        self.find_only(queues);
    }

    /// What the queue of a divert does with what is sent to the address.
    pub fn diverting(&self, key: Key) -> Option<Diverting> {
        self.diverts().iter().find(|(other, _)| *other == key).map(|(_, how)| *how)
    }

    /// It does this from now on.
    pub fn set_diverting(&mut self, key: Key, how: Diverting) {
        let diverts = self.beside.iter_mut().flat_map(|beside| &mut beside.diverts);
        if let Some((_, diverting)) = diverts.into_iter().find(|(other, _)| *other == key) {
            *diverting = how;
        }
    }

    /// Those that may go when messages or producers do, and some that have gone.
    pub fn on_demand(&self) -> &[Key] {
        self.on_demand.listed()
    }

    /// The queues of multicast, lent out while a message is put into each of them.
    pub fn lend_multicast(&mut self) -> Members {
        std::mem::take(&mut self.multicast)
    }

    /// They are back.
    pub fn return_multicast(&mut self, lent: Members) {
        self.multicast = lent;
    }

    /// The anycast queue whose turn it is; the next call gives the next one. It may have gone.
    pub fn next_anycast(&mut self) -> Option<Key> {
        let listed = self.anycast.listed();
        self.turn = if self.turn + 1 < listed.len() { self.turn + 1 } else { 0 };
        listed.get(self.turn).copied()
    }

    /// A queue of the address was made; `queues` has it.
    pub fn insert(&mut self, key: Key, queues: &Slab<Queue>) {
        let Some(queue) = queues.get(key) else { return };
        if queue.identity.kind.is_beside() {
            let how = if queue.identity.kind == Kind::Retained { Diverting::Multicast } else { Diverting::NoMore };
            self.change_beside(queues, |beside| beside.diverts.push((key, how)));
        } else {
            self.of(queue.identity.routing).insert(key);
        }
        if !queue.identity.kind.is_beside()
            && let (RoutingType::Multicast, Some(choosing)) = (queue.identity.routing, &mut self.choosing)
        {
            choosing.others.insert(key);
        }
        if queue.identity.kind.is_on_demand() {
            self.on_demand.insert(key);
        }
        if let Some(names) = &mut self.names {
            names.insert(queue.identity.name.clone(), key);
        } else if self.len() > FEW_QUEUES {
            let living = self.all().filter_map(|key| Some((queues.get(key)?.identity.name.clone(), key)));
            self.names = Some(living.collect());
        }
        self.find_only(queues);
    }

    /// A queue of the address was deleted: it is not among `queues` any more.
    pub fn remove(&mut self, queue: &Queue, queues: &Slab<Queue>) {
        let lives = |key| queues.get(key).is_some();
        if queue.identity.kind.is_beside() {
            self.change_beside(queues, |beside| beside.diverts.retain(|(key, _)| lives(*key)));
            if let Some(names) = &mut self.names {
                names.remove(&queue.identity.name);
            }
            return;
        }
        self.of(queue.identity.routing).handle_gone(lives);
        if queue.identity.kind.is_on_demand() {
            self.on_demand.handle_gone(lives);
        }
        match (&mut self.choosing, &queue.identity.choice) {
            (Some(choosing), Some(choice)) => {
                match choice.selector() {
                    Some(selector) => choosing.index.retain(selector, lives),
                    None => choosing.no_local.handle_gone(lives),
                }
                self.choosing = self.choosing.take().filter(|choosing| !choosing.is_idle());
            }
            (Some(choosing), None) if queue.identity.routing == RoutingType::Multicast => {
                choosing.others.handle_gone(lives);
            }
            _ => {}
        }
        if let Some(names) = &mut self.names {
            names.remove(&queue.identity.name);
        }
        self.find_only(queues);
    }

    /// A queue of the address, which `queues` has, gets chosen messages only.
    pub fn choose(&mut self, key: Key, choice: &Choice, queues: &Slab<Queue>) {
        let choosing = self.choosing.get_or_insert_with(|| {
            let mut others = Members::default();
            self.multicast
                .listed()
                .iter()
                .filter(|&&key| queues.get(key).is_some())
                .for_each(|&key| others.insert(key));
            Box::new(Choosing { index: Index::default(), no_local: Members::default(), others })
        });
        choosing.others.remove(key);
        match choice.selector() {
            Some(selector) => choosing.index.insert(key, selector),
            None => choosing.no_local.insert(key),
        }
    }

    /// How the queues of multicast choose their messages, if some of them do.
    #[inline]
    pub fn choosing(&self) -> Option<&Choosing> {
        self.choosing.as_deref()
    }

    /// A queue may go from now on when messages or producers do.
    pub fn insert_on_demand(&mut self, key: Key) {
        self.on_demand.insert(key);
    }

    /// A queue stays from now on, and gets messages as it says, and no longer as `from` does.
    pub fn keep(&mut self, key: Key, from: RoutingType, queue: &Queue) {
        self.on_demand.remove(key);
        let to = queue.identity.routing;
        if from == to {
            return;
        }
        self.of(from).remove(key);
        self.of(to).insert(key);
        if let (Some(choosing), None) = (&mut self.choosing, &queue.identity.choice) {
            match to {
                RoutingType::Anycast => choosing.others.remove(key),
                RoutingType::Multicast => choosing.others.insert(key),
            }
        }
    }

    fn of(&mut self, routing: RoutingType) -> &mut Members {
        match routing {
            RoutingType::Anycast => &mut self.anycast,
            RoutingType::Multicast => &mut self.multicast,
        }
    }

    fn find_only(&mut self, queues: &Slab<Queue>) {
        let is_alone = self.len() == 1 && self.beside.is_none();
        self.only = if is_alone { self.all().find(|&key| queues.get(key).is_some()) } else { None };
    }

    /// The queue with this name.
    pub fn find(&self, name: &str, queues: &Slab<Queue>) -> Option<Key> {
        if let Some(names) = &self.names {
            return names.get(name).copied();
        }
        self.all().find(|&key| queues.get(key).is_some_and(|queue| *queue.identity.name == *name))
    }
}
