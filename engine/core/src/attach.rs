//! Links come: what they attach to is found, or made.
//!
//! Guarantees: a link is attached or refused, once; what was made for one that is refused goes again; dynamic nodes are made once.
//!
//! Not here: links that end, and nodes that nobody needs any more (`collecting`).

use engine_catalogue::setting::Word as _;
use engine_catalogue::{AddressSettings, QUALIFIER, base};
use engine_message::Condition;

use crate::address::{Dynamic, RETAINED};
use crate::choice::Choice;
use crate::command::{
    ConsumerSpec, DYNAMIC_PREFIX, DetachMode, Durability, Lifetime, Mode, ProducerSpec, RoutingType, Sharing,
    Subscription,
};
use crate::core::Core;
use crate::cursor::Cursor;
use crate::divert_name::DIVERT_PREFIX;
use crate::ends::{Consumer, End, EndRole, Producer, Route, end_key};
use crate::event::{AttachedInfo, Event, Refusal};
use crate::key::LinkKey;
use crate::limits::{DYNAMIC_NODES_MAX, Storage};
use crate::pace::Pace;
use crate::queue::Kind;
use crate::slab::Key;
use crate::wildcard::WILDCARD_PREFIX;

/// What becomes of an address, or a queue of it, that a link asks for and that is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Made,
    /// With `amqp:not-found`.
    Refused,
}

impl Missing {
    /// As the settings of the address say. Dynamic nodes are made, whatever is said of others; their names are not made again for
    /// anybody.
    fn of(name: &str, settings: &AddressSettings, lifetime: Option<Lifetime>) -> Self {
        let makes = lifetime.is_some() || (settings.auto_create && !name.starts_with(DYNAMIC_PREFIX));
        if makes { Self::Made } else { Self::Refused }
    }
}

/// The queue that a consumer gets.
struct Found {
    queue: Key,
    /// What it does there.
    mode: Mode,
    /// Where it begins, if it looks only.
    cursor: Option<Box<Cursor>>,
}

/// Whether an address that is missing is made.
fn check_missing(name: &str, settings: &AddressSettings, lifetime: Option<Lifetime>) -> Result<(), Box<Refusal>> {
    match Missing::of(name, settings, lifetime) {
        Missing::Made => Ok(()),
        Missing::Refused => Err(Refusal::new(Condition::NotFound, format!("there is no address {name}"))),
    }
}

/// Whether a subscription to an address may live so long.
fn check_lasting(name: &str, durability: Durability) -> Result<(), Box<Refusal>> {
    if durability == Durability::Durable && name.starts_with(DYNAMIC_PREFIX) {
        let text = "a subscription to a dynamic node cannot be durable: the node does not outlive its links";
        return Err(Refusal::new(Condition::NotAllowed, text));
    }
    Ok(())
}

/// Queues that lead elsewhere are nobody's to send to or to receive from.
fn check_public(queue: Option<&str>) -> Result<(), Box<Refusal>> {
    let own = [
        (DIVERT_PREFIX, "is a divert's"),
        (WILDCARD_PREFIX, "leads to a subscription on another shard"),
        (RETAINED, "is for subscriptions that come"),
    ];
    let found = queue.and_then(|queue| Some((queue, own.iter().find(|(prefix, _)| queue.starts_with(prefix))?.1)));
    match found {
        None => Ok(()),
        Some((queue, what)) => Err(Refusal::new(Condition::NotAllowed, format!("the queue {queue} {what}"))),
    }
}

impl Core {
    pub(crate) fn attach_producer(&mut self, link: LinkKey, spec: &ProducerSpec) {
        let has_room = self.has_room(spec.lifetime);
        let attached = has_room.and_then(|()| self.target_of(spec));
        let (address, route) = match attached {
            Ok(found) => found,
            Err(refusal) => return self.refuse_attach(link, &spec.address, refusal),
        };
        let window = self.nodes.addresses.get(address).map_or(0, |address| address.settings.producer_window);
        let producer = Producer {
            address,
            route,
            origin: spec.origin,
            credit: 0,
            window,
            withheld: None,
            accepted: None,
            unsettled: None,
        };
        let end = self.nodes.ends.insert(End { link, role: EndRole::Producer(producer) });
        let mut routing = RoutingType::Anycast;
        if let Some(address) = self.nodes.addresses.get_mut(address) {
            address.producers.insert(end);
            routing = spec.routing.unwrap_or(address.routing);
        }
        if let Some(lifetime) = spec.lifetime {
            self.make_dynamic(address, Dynamic { lifetime, creator: end, connection: spec.connection });
        }
        let queue = match route {
            Route::Queue(queue) => self.nodes.queues.get(queue).map(|queue| queue.identity.name.to_string()),
            Route::All | Route::Typed(_) => None,
        };
        let (left, number) = spec.lasting.as_ref().and_then(|lasting| self.begin_lasting(end, lasting)).unzip();
        let unsettled = left.map(|left| left.into_iter().map(|(tag, outcome)| (tag, Some(outcome))).collect());
        let address = spec.address.clone();
        let (selector, no_local, started) = (None, None, false);
        let info = Box::new(AttachedInfo { address, queue, routing, selector, no_local, started, unsettled });
        self.tell_after(number.unwrap_or(0), link, Event::Attached { end: end_key(end), info });
        self.credit(end);
    }

    pub(crate) fn attach_consumer(&mut self, link: LinkKey, spec: ConsumerSpec) {
        let mut choice = match Choice::of(spec.selector.as_deref(), spec.no_local) {
            Ok(choice) => choice,
            Err(refusal) => return self.refuse_attach(link, &spec.address, refusal),
        };
        let Some(spec) = self.clear_name(link, spec) else { return };
        let (decided, undecided) = spec.lasting.as_ref().map_or((0, None), |lasting| self.take_known(lasting));
        let Found { queue: key, mode, cursor } = match self.find_queue(&spec, &mut choice) {
            Ok(found) => found,
            Err(refusal) => {
                self.hold_on(spec.lasting.as_deref(), undecided);
                return self.refuse_attach(link, &spec.address, refusal);
            }
        };
        let started = cursor.is_some() && spec.start.is_some();
        let consumer = Consumer {
            queue: key,
            mode,
            priority: spec.priority,
            settle: spec.settle,
            default_outcome: spec.default_outcome.clone(),
            credit: 0,
            draining: false,
            pace: Pace::default(),
            cursor,
            // What no subscription took chooses for this link alone; whose messages are left out is a subscription's affair.
            choice: choice.and_then(Choice::without_no_local).map(Box::new),
            looked: None,
            returning: None,
        };
        let chooses = consumer.choice.as_ref().and_then(|choice| choice.text()).map(Box::from);
        let end = self.nodes.ends.insert(End { link, role: EndRole::Consumer(consumer) });
        if let Some(queue) = self.nodes.queues.get_mut(key) {
            // Before anything is left behind, after which a queue that nobody needs goes.
            queue.consumers.insert(mode, end, spec.priority);
        }
        let is_lasting = self.may_hold_back(end, mode, &spec);
        let taken_over = undecided.map(|undecided| self.take_over(undecided, end));
        let unsettled = is_lasting.then(|| taken_over.unwrap_or_default());
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        if chooses.is_some() && mode == Mode::Consume {
            queue.consumers.begin_picking();
        }
        let of = &queue.identity;
        let (address, queue_name, routing) = (of.address, of.name.to_string(), of.routing);
        let selector = chooses.or_else(|| of.choice.as_ref()?.text().map(Box::from));
        let no_local = of.choice.as_ref().and_then(|choice| choice.no_local());
        if mode == Mode::Consume {
            self.gather(key);
            self.watch_consumers(key);
        }
        if let Some(lifetime) = spec.lifetime {
            self.make_dynamic(address, Dynamic { lifetime, creator: end, connection: spec.connection });
        }
        let address = if spec.searched.remembered.is_some() { base(&spec.address).to_owned() } else { spec.address };
        let queue = Some(queue_name);
        let info = Box::new(AttachedInfo { address, queue, routing, selector, no_local, started, unsettled });
        let attached = Event::Attached { end: end_key(end), info };
        // Whoever is told of a durable subscription finds it again.
        let subscribed = self.config.storage == Storage::Journal
            && self.nodes.queues.get(key).is_some_and(|queue| queue.identity.kind == Kind::Durable);
        let number = if subscribed { self.declare(key) } else { None };
        self.tell_attached(key, number.unwrap_or(0).max(decided), link, attached);
    }

    fn find_queue(&mut self, spec: &ConsumerSpec, choice: &mut Option<Choice>) -> Result<Found, Box<Refusal>> {
        self.has_room(spec.lifetime)?;
        let queue = self.queue_of(spec, choice)?;
        let mode = self.mode(queue, spec.mode);
        self.check_consumers(queue, mode)?;
        let cursor = self.cursor_at(queue, mode, spec.start)?;
        Ok(Found { queue, mode, cursor })
    }

    /// Whether a queue takes a further consumer. A queue that was just made does.
    fn check_consumers(&self, key: Key, mode: Mode) -> Result<(), Box<Refusal>> {
        let Some(queue) = self.nodes.queues.get(key) else { return Ok(()) };
        let settings = self.nodes.addresses.get(queue.identity.address).map(|address| &address.settings);
        let max = settings.map_or(0, |settings| settings.max_consumers);
        if mode == Mode::Browse || max == 0 || queue.consumers.takers() < max as usize {
            return Ok(());
        }
        let text = format!("the queue {} has {max} consumers, and max_consumers allows no more", queue.identity.name);
        Err(Refusal::new(Condition::ResourceLimitExceeded, text))
    }

    /// What a link does that asks for a mode: where consumers take nothing away it looks, and stays for what comes.
    fn mode(&self, queue: Key, asked: Mode) -> Mode {
        let address = self.nodes.queues.get(queue).and_then(|queue| self.nodes.addresses.get(queue.identity.address));
        if address.is_some_and(|address| address.settings.non_destructive) { Mode::Browse } else { asked }
    }

    /// The address that a producer gets, and which of its queues.
    fn target_of(&mut self, spec: &ProducerSpec) -> Result<(Key, Route), Box<Refusal>> {
        let (address, route) = self.address(&spec.address, spec.routing, spec.lifetime)?;
        if let Route::Typed(routing) = route {
            self.check_routing(address, routing)?;
        }
        Ok((address, route))
    }

    /// Whether links may ask for this routing of an address: it hands messages out like that, has such queues, or may take the other
    /// routing type besides its own, as those may that links make (artemis.md, A5).
    fn check_routing(&self, key: Key, routing: RoutingType) -> Result<(), Box<Refusal>> {
        let Some(address) = self.nodes.addresses.get(key) else { return Ok(()) };
        let takes_any = address.settings.auto_create || address.name.starts_with(DYNAMIC_PREFIX);
        let has_such = || address.queues.listed(routing).iter().any(|&queue| self.nodes.queues.get(queue).is_some());
        if takes_any || address.routing == routing || has_such() {
            return Ok(());
        }
        let (asked, name) = (routing.word(), &address.name);
        let text = format!(
            "the address {name} is not {asked}, and auto_create is false for it: ask for no routing, or declare a queue of it with \
             routing = \"{asked}\""
        );
        Err(Refusal::new(Condition::IllegalState, text))
    }

    /// Refuses an attach; an address that was made for it goes again.
    pub(crate) fn refuse_attach(&mut self, link: LinkKey, address: &str, refusal: Box<Refusal>) {
        if let Some(made) = self.nodes.address(base(address)) {
            self.collect_address(made);
        }
        self.events.push_back((link, Event::Refused { refusal }));
    }

    fn has_room(&self, lifetime: Option<Lifetime>) -> Result<(), Box<Refusal>> {
        if lifetime.is_some() && self.nodes.dynamic >= DYNAMIC_NODES_MAX {
            let text = format!("this shard has {DYNAMIC_NODES_MAX} dynamic nodes, which is its limit");
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        if self.nodes.ends.len() >= self.config.ends_max {
            let text = format!("this shard has {} links, which is its limit", self.config.ends_max);
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        Ok(())
    }

    /// An address becomes a dynamic node, and with it the queue that consumers share; subscriptions have lives of
    /// their own within it.
    fn make_dynamic(&mut self, key: Key, node: Dynamic) {
        let Some(address) = self.nodes.addresses.get_mut(key) else { return };
        address.dynamic = Some(node);
        self.nodes.dynamic += 1;
        for &queue in address.queues.listed(RoutingType::Anycast) {
            if let Some(queue) = self.nodes.queues.get_mut(queue) {
                queue.identity.kind = Kind::Dynamic(node.lifetime);
            }
        }
    }

    /// Makes an address that is missing, if that is allowed.
    fn make_address(
        &mut self,
        name: &str,
        routing: Option<RoutingType>,
        lifetime: Option<Lifetime>,
    ) -> Result<Key, Box<Refusal>> {
        let settings = self.config.catalogue.settings(name);
        check_missing(name, &settings, lifetime)?;
        self.nodes.make_address(name, routing.unwrap_or(settings.routing), settings)
    }

    /// Whether a durable subscription to an address can be had here, as far as no other one of its name is in the way. Nothing is made.
    pub(crate) fn check_subscribing(&self, name: &str) -> Result<(), Box<Refusal>> {
        self.has_room(None)?;
        check_lasting(name, Durability::Durable)?;
        if let Some(known) = self.nodes.address(name) {
            return self.check_routing(known, RoutingType::Multicast);
        }
        check_missing(name, &self.config.catalogue.settings(name), None)?;
        self.nodes.check_address(name)
    }

    /// The address of a name, and which of its queues are meant; made, with its queue if it is anycast or named, when that is
    /// allowed.
    pub(crate) fn address(
        &mut self,
        name: &str,
        routing: Option<RoutingType>,
        lifetime: Option<Lifetime>,
    ) -> Result<(Key, Route), Box<Refusal>> {
        let (name, qualified) = match name.split_once(QUALIFIER) {
            Some((name, queue)) => (name, Some(queue)),
            None => (name, None),
        };
        check_public(qualified)?;
        let key = match self.nodes.address(name) {
            Some(key) => key,
            None => self.make_address(name, routing, lifetime)?,
        };
        let (missing, own) = self.missing_of(key, name, lifetime);
        let wanted = routing.unwrap_or(own);
        let Some(queue) = qualified else {
            // Where others take turns, one of the address's own name would get a share that nobody waits for.
            let makes = wanted == RoutingType::Anycast && missing == Missing::Made && !self.has_shares(key);
            if makes && self.nodes.find(key, name).is_none() && !self.has_declared_shares(key) {
                self.nodes.make_queue(key, name, RoutingType::Anycast, Kind::Auto)?;
            }
            return Ok((key, routing.map_or(Route::All, Route::Typed)));
        };
        match (self.nodes.find(key, queue), missing) {
            (Some(found), _) => Ok((key, Route::Queue(found))),
            (None, Missing::Made) => Ok((key, Route::Queue(self.nodes.make_queue(key, queue, wanted, Kind::Auto)?))),
            (None, Missing::Refused) => Err(Refusal::new(Condition::NotFound, format!("there is no queue {queue}"))),
        }
    }

    /// Whether an address has a queue of anycast.
    fn has_shares(&self, key: Key) -> bool {
        self.nodes.addresses.get(key).is_some_and(|address| !address.queues.listed(RoutingType::Anycast).is_empty())
    }

    /// Whether queues that are missing of an address are made, and how it is routed.
    fn missing_of(&self, key: Key, name: &str, lifetime: Option<Lifetime>) -> (Missing, RoutingType) {
        self.nodes.addresses.get(key).map_or((Missing::Refused, RoutingType::Anycast), |address| {
            (Missing::of(name, &address.settings, lifetime), address.routing)
        })
    }

    /// The queue that a consumer gets. A subscription takes its choice.
    fn queue_of(&mut self, spec: &ConsumerSpec, choice: &mut Option<Choice>) -> Result<Key, Box<Refusal>> {
        let (name, qualified) = match spec.address.split_once(QUALIFIER) {
            Some((address, queue)) => (address, Some(queue)),
            None => (spec.address.as_str(), None),
        };
        check_public(qualified)?;
        let asked = spec.routing.or_else(|| spec.subscription.as_ref().map(|_| RoutingType::Multicast));
        let address = match self.nodes.address(name) {
            Some(known) => known,
            None => self.make_address(name, asked, spec.lifetime)?,
        };
        self.check_own(address, spec)?;
        let (missing, own) = self.missing_of(address, name, spec.lifetime);
        let routing = asked.unwrap_or(own);
        if qualified.is_none() {
            self.check_routing(address, routing)?;
        }
        if let (None, RoutingType::Multicast) = (qualified, routing) {
            return self.subscribe(address, name, spec.subscription.as_ref(), choice.take());
        }
        let queue = qualified.unwrap_or(name);
        match (self.nodes.find(address, queue), missing) {
            (Some(found), _) => Ok(found),
            (None, _) if qualified.is_none() && self.has_declared_shares(address) => {
                let text = format!("the address {name} has the queues that are declared: name one, as {name}::queue");
                Err(Refusal::new(Condition::NotFound, text))
            }
            (None, Missing::Made) => self.nodes.make_queue(address, queue, routing, Kind::Auto),
            (None, Missing::Refused) => Err(Refusal::new(Condition::NotFound, format!("there is no queue {queue}"))),
        }
    }

    /// Whether a consumer may be one of this address: a dynamic node is read by the connection that made it (JMS 2.0, 6.2.2), and sent to by
    /// everybody.
    fn check_own(&self, key: Key, spec: &ConsumerSpec) -> Result<(), Box<Refusal>> {
        let Some(address) = self.nodes.addresses.get(key) else { return Ok(()) };
        let owner = address.dynamic.and_then(|node| node.connection);
        if owner.is_none() || owner == spec.connection {
            return Ok(());
        }
        let text = format!("only the connection that made the dynamic node {} may consume from it", address.name);
        Err(Refusal::new(Condition::ResourceLocked, text))
    }

    /// The queue of a subscription to a multicast address (artemis.md, 2.7).
    fn subscribe(
        &mut self,
        address: Key,
        name: &str,
        subscription: Option<&Subscription>,
        choice: Option<Choice>,
    ) -> Result<Key, Box<Refusal>> {
        self.check_wildcard(name, choice.as_ref())?;
        let Some(subscription) = subscription else {
            self.subscriptions.named += 1;
            let queue = format!("{name}.{}.{}", self.config.shard, self.subscriptions.named);
            return self.make_subscription(address, &queue, Kind::Volatile, choice);
        };
        check_lasting(name, subscription.durability)?;
        let queue = subscription.queue_name();
        check_public(Some(&queue))?;
        let kind = match subscription.durability {
            Durability::Durable => Kind::Durable,
            Durability::Volatile => Kind::Volatile,
        };
        let Some(found) = self.nodes.find(address, &queue) else {
            return self.make_subscription(address, &queue, kind, choice);
        };
        let Some(known) = self.nodes.queues.get(found) else { return Ok(found) };
        if known.identity.choice.as_deref() != choice.as_ref() {
            if known.identity.kind != Kind::Durable || !known.consumers.is_empty() {
                let text = format!(
                    "the subscription {queue} is in use or declared, and has another selector or no-local than is asked for"
                );
                return Err(Refusal::new(Condition::IllegalState, text));
            }
            // What it has was chosen by the other one (artemis.md, 2.7).
            self.delete_within(found);
            return self.make_subscription(address, &queue, kind, choice);
        }
        if subscription.sharing == Sharing::Exclusive {
            self.steal(found);
        }
        Ok(found)
    }

    fn make_subscription(
        &mut self,
        address: Key,
        name: &str,
        kind: Kind,
        choice: Option<Choice>,
    ) -> Result<Key, Box<Refusal>> {
        let key = self.nodes.make_queue(address, name, RoutingType::Multicast, kind)?;
        if let Some(choice) = choice {
            self.nodes.choose(key, choice);
        }
        self.give_retained(address, key);
        Ok(key)
    }

    /// Ends the links of a subscription whose owner, the same link of the same container, attaches anew (part 2.6.1): it has
    /// most likely lost the connection of the old one. What a transaction is to end that was asked for its part stays with the old link until
    /// that is done, or rolled back.
    fn steal(&mut self, key: Key) {
        self.release_parked(key);
        let Some(queue) = self.nodes.queues.get_mut(key) else { return };
        let text = format!("the container attached the subscription {} again", queue.identity.name);
        for end in queue.consumers.take_all() {
            let Some(End { link, role: EndRole::Consumer(consumer) }) = self.nodes.ends.get_mut(end) else { continue };
            let refusal = Refusal::new(Condition::LinkStolen, text.as_str());
            self.events.push_back((*link, Event::Detached { refusal }));
            if self.transactions.prepared.keep_closing(end, DetachMode::Ended) {
                (consumer.credit, consumer.returning) = (0, None);
                let (mode, priority) = (consumer.mode, consumer.priority);
                if let Some(queue) = self.nodes.queues.get_mut(key) {
                    queue.consumers.insert(mode, end, priority);
                }
                continue;
            }
            let outcome = consumer.default_outcome.clone();
            self.nodes.ends.remove(end);
            self.abandon(key, end, &outcome);
        }
    }
}
