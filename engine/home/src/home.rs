//! The table of a shard's links over its engine: links that begin, that owners answer, and that end.
//!
//! Guarantees: a link is forgotten when its peer's side is gone and its owner has answered, whichever comes last; an owner's half whose
//! link is gone is told so. Every attach passes `permission::may`.
//!
//! Messages: `entering` and `giving`; credit: `credit`; what is too large for memory: `streams`. Those are what links and a home do; what
//! they do it with (`link`, `taking`, `arena`, `files`, `incoming`, `outgoing`, `slots`) knows no home.

use engine_core::Origin;
use engine_core::command::{Command, ConsumerSpec, DetachMode, Mode, Outcome, ProducerSpec, RoutingType};
use engine_core::event::{AttachedInfo, Event, Moved, Refusal};
use engine_core::key::{EndKey, LinkKey, Port};
use engine_core::through::Half;
use engine_message::Condition;
use engine_shard::{Engine, ROUTED};

use crate::address_rules::AddressRules;
use crate::arena::Arena;
use crate::client::{Client, Peer};
use crate::files::Files;
use crate::kept::Ahead;
use crate::limits::{COORDINATOR_WINDOW, LINKS_SWEPT_MAX, MANAGEMENT_WINDOW, RELAY_WINDOW};
use crate::link::{Kind, Link, LocalId, Seen, Stream};
use crate::managing::MANAGEMENT;
use crate::naming::Naming;
use crate::node_names::NodeNames;
use crate::outgoing::Outgoing;
use crate::passed::Passage;
use crate::permission::{self, Action};
use crate::resuming::again;
use crate::slots::{OwnerEnd, Slot, Slots, peer_key, peer_place};
use crate::taking::Taking;
use crate::transactions::Transactions;
use crate::watching::{ByAddress, Carried, watch};

/// What a home is told at its start.
pub struct HomeConfig {
    /// How addresses are understood.
    pub addresses: AddressRules,
    /// Links of the shard, at most; more are refused.
    pub links_max: u32,
    /// Makes names of dynamic nodes unlike those of other runs.
    pub node_id: String,
    /// The first id that no file of a large message of this shard ever had.
    pub first_file: u64,
}

/// A shard's links.
pub struct Home {
    pub(crate) engine: Engine,
    pub(crate) links: Slots<Link>,
    pub(crate) rules: AddressRules,
    pub(crate) files: Files,
    pub(crate) naming: Naming,
    pub(crate) transactions: Transactions,
    pub(crate) passage: Passage,
    pub(crate) by_address: ByAddress,
    /// The place of the link that is looked at next.
    swept: u32,
    names: NodeNames,
    pub(crate) links_max: u32,
}

/// Where connections live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moves {
    /// With the owner of their first link; those of routed addresses with the others of that, if there is room.
    ToOwner,
    /// With the owner of their first link, if that is a queue's: they have moved before.
    ToQueue,
    /// Where the system put them.
    Never,
}

/// What becomes of messages of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// Queues keep them.
    Stored,
    /// They pass through a router.
    Routed,
}

/// What a peer wants to attach to.
#[derive(Debug)]
pub enum Plan {
    /// Messages for an address.
    Producer(Box<ProducerSpec>),
    /// Messages from an address.
    Consumer(Box<ConsumerSpec>),
    /// Messages that each name their address; all of them with this routing, if the link asks for one.
    Relay(Option<RoutingType>),
    /// Transactions to be begun and ended.
    Coordinator,
    /// Requests to whoever manages the node.
    Management,
}

/// What became of an attach that was not refused at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The owner was asked: its answer is an event.
    Owner(Slot),
    /// The link stands, and its peer has so much credit.
    Stands {
        /// The link.
        place: Slot,
        /// Messages.
        credit: u32,
    },
    /// Nothing was done: its connection lives better with the owner of the address.
    Elsewhere {
        /// The owner's shard.
        owner: u16,
    },
}

/// When a peer's detach is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// At once.
    Now,
    /// When the owner has ended the link: a [`Parting`] says so, behind what became of deliveries that came on it.
    Later,
}

/// What a connection hears of a link that it detached.
#[derive(Debug)]
pub struct Parting {
    /// The connection.
    pub conn: Slot,
    /// What its binding calls the link.
    pub id: LocalId,
    /// `Event::Settled` or `Event::Confirmed`, and at last `Event::Ended`.
    pub event: Event,
}

/// Whom an event of a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The connection.
    pub conn: Slot,
    /// The link.
    pub place: Slot,
    /// What its binding calls it.
    pub id: LocalId,
}

impl Home {
    /// A home without links.
    #[must_use]
    pub fn new(config: HomeConfig, engine: Engine) -> Self {
        let HomeConfig { addresses, links_max, node_id, first_file } = config;
        assert!(links_max <= LinkKey::PLACES, "keys of links have room for as many");
        Self {
            names: NodeNames::new(node_id, engine.shard()),
            transactions: Transactions::new(engine.shard()),
            passage: Passage::default(),
            engine,
            links: Slots::default(),
            rules: addresses,
            files: Files::new(first_file),
            naming: Naming::default(),
            by_address: ByAddress::default(),
            swept: 0,
            links_max,
        }
    }

    /// The engine under it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine under it, to be driven.
    pub fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// How addresses are understood.
    #[must_use]
    pub fn rules(&self) -> &AddressRules {
        &self.rules
    }

    /// What becomes of messages of a link.
    #[must_use]
    pub fn nodes_of(&self, place: Slot) -> Nodes {
        if self.links.get(place).is_some_and(|link| link.owner == ROUTED) { Nodes::Routed } else { Nodes::Stored }
    }

    /// A name for a dynamic node. Through a router it says whose it is: others of its network find it, and tools take the router's id from it.
    /// One that has addresses stored where nothing else is said keeps it, too.
    pub fn name_node(&mut self) -> String {
        let name = self.names.next(self.engine.core().catalogue());
        match self.engine.router() {
            Some(router) if !router.rules().keep_others() => router.address_of(&name),
            _ => name,
        }
    }

    /// Whether an address is that of whoever manages the node: a router has more than one.
    #[must_use]
    pub fn is_management(&self, address: &str) -> bool {
        address == MANAGEMENT || self.engine.router().is_some_and(|router| router.is_own(address, MANAGEMENT))
    }

    /// Whether a message of a link may be a request to whoever manages the node by what it names: through a router those of relays are.
    #[must_use]
    pub fn may_request(&self, place: Slot) -> bool {
        self.engine.router().is_some() && self.is_relay(place)
    }

    /// Whether a link sends to a routed address: of another router's links those of its own do, and those of its clients lead to queues.
    #[must_use]
    pub fn sends_routed(&self, place: Slot) -> bool {
        matches!(self.links.get(place), Some(Link { owner: ROUTED, kind: Kind::Producer(_), .. }))
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = (Slot, &Link)> {
        self.links.iter()
    }

    /// All places of links from one on, empty ones too.
    pub fn link_places(&self, from: u32) -> impl Iterator<Item = (u32, Option<&Link>)> {
        self.links.places(from)
    }

    /// What passed all links that there are or were.
    #[must_use]
    pub fn passage(&self) -> Passage {
        self.passage
    }

    /// Messages of addresses, as the router's table names them.
    pub fn carried<'a>(&'a self, keys: impl Iterator<Item = &'a str> + 'a) -> impl Iterator<Item = Carried> + 'a {
        keys.map(|key| self.by_address.get(key).copied().unwrap_or_default())
    }

    /// Nobody wants messages of an address any more: it is not counted on.
    pub fn forget_address(&mut self, key: &str) {
        self.by_address.remove(key);
    }

    /// The same of all addresses that are gone.
    pub fn forget_addresses(&mut self, is_gone: impl Fn(&str) -> bool) {
        self.by_address.retain(|key, _| !is_gone(key));
    }

    /// A link has a name for whoever looks.
    pub fn name_link(&mut self, place: Slot, name: &str) {
        if let Some(link) = self.links.get_mut(place) {
            (link.seen.name, link.seen.place) = (name.into(), place);
        }
    }

    /// Some messages of a link's peer, or for it, have an outcome.
    pub fn note_outcome(&mut self, place: Slot, outcome: &Outcome, count: u64) {
        let Some(link) = self.links.get_mut(place).filter(|link| link.owner == ROUTED) else { return };
        link.seen.passed.note_outcome(outcome, count);
        let passage = &mut self.passage;
        let all = if link.is_consumer() { &mut passage.to_peers } else { &mut passage.from_peers };
        all.note_outcome(outcome, count);
    }

    /// How many links there are.
    #[must_use]
    pub fn link_count(&self) -> usize {
        self.links.len()
    }

    /// Attaches a link that its binding calls `id`.
    ///
    /// # Errors
    /// When it is refused; its peer is told why.
    pub fn attach(
        &mut self,
        client: &mut Client,
        id: LocalId,
        mut plan: Plan,
        moves: Moves,
    ) -> Result<Asked, Box<Refusal>> {
        Self::sign(client, &mut plan);
        let owner = self.locate(client, &mut plan);
        let (kind, address, default_outcome) = match &plan {
            Plan::Producer(spec) => {
                permission::may(&client.user, Action::Send, &spec.address)?;
                let arena = Arena::default();
                let kind = if spec.lasting.is_some() { Kind::Lasting(arena) } else { Kind::Producer(arena) };
                (kind, spec.address.clone(), Outcome::Released)
            }
            Plan::Consumer(spec) => {
                if spec.searched.remembered.is_none() {
                    let action = if spec.mode == Mode::Browse { Action::Browse } else { Action::Consume };
                    permission::may(&client.user, action, &spec.address)?;
                }
                (Kind::Consumer(Taking::new()), spec.address.clone(), spec.default_outcome.clone())
            }
            Plan::Relay(_) => (Kind::Relay { arena: Arena::default(), used: 0 }, String::new(), Outcome::Released),
            Plan::Coordinator if self.engine.router().is_some_and(|router| !router.rules().keep_some()) => {
                let text = "a router has no transactions of its own: its addresses keep nothing";
                return Err(Refusal::new(Condition::NotImplemented, text));
            }
            Plan::Coordinator => (Kind::Coordinator, String::new(), Outcome::Released),
            Plan::Management => (Kind::Management, MANAGEMENT.to_owned(), Outcome::Released),
        };
        let shard = self.engine.shard();
        let may_move = client.peer == Peer::Client && client.has_no_links();
        if may_move && let Some(owner) = self.elsewhere(moves, owner, &plan) {
            return Ok(Asked::Elsewhere { owner });
        }
        let conn = Some(client.conn);
        let routing = match &plan {
            Plan::Producer(spec) => spec.routing,
            Plan::Relay(routing) => *routing,
            Plan::Consumer(_) | Plan::Coordinator | Plan::Management => None,
        };
        let origin = Origin::of(&client.container);
        if let Plan::Producer(spec) = &mut plan {
            spec.origin = Some(origin);
        }
        let (left, end, stream, ahead, seen) = (None, None, None, Ahead::default(), Seen::default());
        let link =
            Link { conn, left, id, owner, end, address, kind, routing, origin, default_outcome, stream, ahead, seen };
        let Ok(place) = self.links.insert_within(link, self.links_max) else {
            let text = format!("this shard has {} links, which is its limit", self.links_max);
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        };
        self.links.get(place).into_iter().for_each(|link| client.add_link(link));
        let link = peer_key(shard, place);
        let command = match plan {
            Plan::Producer(spec) => Command::AttachProducer { link, spec },
            Plan::Consumer(spec) => Command::AttachConsumer { link, spec },
            Plan::Relay(_) => return Ok(Asked::Stands { place, credit: RELAY_WINDOW }),
            Plan::Coordinator => return Ok(Asked::Stands { place, credit: COORDINATOR_WINDOW }),
            Plan::Management => return Ok(Asked::Stands { place, credit: MANAGEMENT_WINDOW }),
        };
        self.engine.submit(owner, command);
        Ok(Asked::Owner(place))
    }

    /// The other shard that a connection is better on by its first link. To where others of a routed address are it moves once: whoever attaches
    /// links one after the other would move for each.
    fn elsewhere(&self, moves: Moves, owner: u16, plan: &Plan) -> Option<u16> {
        match (moves, plan) {
            (Moves::Never, _) => None,
            (Moves::ToOwner, Plan::Producer(spec)) if owner == ROUTED => {
                self.engine.meets_at(&spec.address, Half::Sender, self.links.len())
            }
            (Moves::ToOwner, Plan::Consumer(spec)) if owner == ROUTED => {
                self.engine.meets_at(&spec.address, Half::Receiver, self.links.len())
            }
            _ => (owner != self.engine.shard() && owner != ROUTED).then_some(owner),
        }
    }

    /// Finds the owner of what a peer wants to attach to. Links of other routers are the router's, whatever is stored for clients, unless they
    /// are clients' that come to queues here whole. A link of a routed address ends with its connection: nothing is kept that it could take
    /// up again.
    fn locate(&self, client: &Client, plan: &mut Plan) -> u16 {
        let (address, half, passage) = match plan {
            Plan::Relay(_) | Plan::Coordinator | Plan::Management => return self.engine.shard(),
            // Whose it is is found out: the search begins here.
            Plan::Consumer(spec) if spec.searched.remembered.is_some() => return self.engine.shard(),
            Plan::Producer(spec) => (&mut spec.address, Half::Sender, &spec.passage),
            Plan::Consumer(spec) => (&mut spec.address, Half::Receiver, &spec.passage),
        };
        if self.engine.router().is_none() {
            return self.engine.owner_of(address);
        }
        let is_of_client = match client.peer {
            // Who names a phase is on the way to a queue, or from one.
            Peer::Client => passage.stage.is_none(),
            _ => passage.between.is_none() && self.engine.ends_here(address, half),
        };
        let owner = if is_of_client { self.engine.owner_of(address) } else { ROUTED };
        if owner != ROUTED {
            *address = self.engine.stored_name(address).to_owned();
            return owner;
        }
        match plan {
            Plan::Producer(spec) => spec.lasting = None,
            Plan::Consumer(spec) => spec.lasting = None,
            Plan::Relay(_) | Plan::Coordinator | Plan::Management => {}
        }
        ROUTED
    }

    /// Where an event of a link goes; `None` if its connection is gone, or it is no peer's.
    #[inline]
    #[must_use]
    pub fn route(&self, link: LinkKey) -> Option<Route> {
        self.route_of(peer_place(link))
    }

    /// The connection of a link, if it still has one.
    #[inline]
    #[must_use]
    pub fn route_of(&self, place: Slot) -> Option<Route> {
        let link = self.links.get(place)?;
        Some(Route { conn: link.conn?, place, id: link.id })
    }

    /// Takes an event for a link that has no connection any more, or that is no peer's; gives what a connection hears of it that waits for the
    /// link's end.
    #[cold]
    pub fn handle_unrouted(&mut self, link: LinkKey, event: Event) -> Option<Parting> {
        match link.port() {
            Port::Connection => self.handle_unclaimant(&event),
            // Nobody waits for what becomes of an answer.
            Port::Management => {}
            Port::Peer => {
                let place = peer_place(link);
                let left = self.links.get(place).and_then(|link| Some((link.left?, link.id)));
                match left {
                    Some((conn, id)) => return self.part(place, (conn, id), event),
                    None => self.handle_released(place, event),
                }
            }
            port => unreachable!("nobody here attaches by the port {port:?}"),
        }
        None
    }

    /// What the connection hears that detached a link: what became of deliveries, and that the link has ended.
    fn part(&mut self, place: Slot, (conn, id): (Slot, LocalId), event: Event) -> Option<Parting> {
        let event = match event {
            Event::Settled { .. } | Event::Confirmed { .. } => event,
            Event::Ended | Event::Detached { .. } => {
                self.links.remove(place);
                Event::Ended
            }
            _ => return None,
        };
        Some(Parting { conn, id, event })
    }

    /// Takes an event for a link that has no connection any more.
    fn handle_released(&mut self, place: Slot, event: Event) {
        match event {
            Event::Through(said) => self.handle_said_to_nobody(&said),
            // Its connection went while the owner made up its mind.
            Event::Attached { end, .. } => {
                if let Some(link) = self.links.remove(place) {
                    self.engine.submit(link.owner, Command::Detach { end, mode: DetachMode::Ended });
                }
            }
            Event::Refused { .. } | Event::Detached { .. } => drop(self.links.remove(place)),
            Event::Undelivered { .. }
            | Event::Ended
            | Event::Deliver { .. }
            | Event::Relayed { .. }
            | Event::Passed { .. }
            | Event::Request { .. }
            | Event::Settled { .. }
            | Event::Confirmed { .. }
            | Event::Credit { .. }
            | Event::Drained { .. }
            | Event::Slow { .. }
            | Event::Streamed(_)
            | Event::Revoked { .. } => {}
            Event::Admitted { .. } | Event::LinkWanted => unreachable!("no link asks for it"),
            Event::Moved(_) => unreachable!("it was taken where it came (`attach_again`)"),
            Event::Step(_) | Event::Pattern(_) => unreachable!("shards tell each other of it, and no link"),
        }
    }

    /// A wrong owner was asked to attach a link: the one that it named is asked. Whoever waits for the answer hears nothing of it.
    #[cold]
    pub(crate) fn attach_again(&mut self, link: LinkKey, moved: Moved) {
        let place = peer_place(link);
        match self.links.get_mut(place) {
            Some(found) if found.conn.is_some() => {
                let (owner, command) = moved.again();
                found.owner = owner;
                self.engine.submit(owner, command);
            }
            // Its connection went meanwhile, and no owner has a half of it.
            _ => drop(self.links.remove(place)),
        }
    }

    /// The owner answered an attach.
    ///
    /// # Errors
    /// When a subscription was found by its name, and its address is one that the link's user may not consume from: the link is gone,
    /// and its peer is told why. The subscription is as it was.
    pub fn handle_attached(
        &mut self,
        client: &mut Client,
        place: Slot,
        end: EndKey,
        info: &AttachedInfo,
    ) -> Result<(), Box<Refusal>> {
        let Some(link) = self.links.get_mut(place) else { return Ok(()) };
        link.end = Some(end);
        if let Some(again) = again(link, info) {
            link.stream = Some(Box::new(Stream::Out(Outgoing::again(again))));
            client.add_stream(place);
        }
        let address = &info.address;
        if !link.address.is_empty() {
            return Ok(());
        }
        address.clone_into(&mut link.address);
        let allowed = permission::may(&client.user, Action::Consume, address);
        if allowed.is_err() {
            self.release(client, place, DetachMode::Ended);
        }
        allowed
    }

    /// The owner refused an attach, or gave a link up: it is gone.
    pub fn handle_gone(&mut self, client: &mut Client, place: Slot) {
        client.drop_stream(place);
        if let Some(mut link) = self.links.remove(place) {
            link.end_stream(&mut self.files);
            client.drop_link(&link);
        }
    }

    /// A link ended at its peer's side; gives when that may be answered, if `mode` says that the peer waits for it.
    pub fn release(&mut self, client: &mut Client, place: Slot, mode: DetachMode) -> Answer {
        client.drop_stream(place);
        let Some(link) = self.links.get_mut(place) else { return Answer::Now };
        watch(link, &self.engine, &mut self.by_address);
        link.end_stream(&mut self.files);
        match (link.conn.take(), link.left.take()) {
            (Some(_), None) => client.drop_link(link),
            (Some(_), Some(_)) => client.drop_leaving(),
            (None, _) => {}
        }
        match (link.end, &link.kind) {
            (Some(end), _) => {
                let owner = link.owner;
                let answer = self.end_link(client.conn, OwnerEnd { owner, end }, mode);
                match (answer, self.links.get_mut(place)) {
                    (Answer::Later, Some(link)) => {
                        link.left = Some(client.conn);
                        client.add_leaving();
                    }
                    _ => drop(self.links.remove(place)),
                }
                return answer;
            }
            (None, Kind::Relay { .. }) => {
                self.links.remove(place);
                self.engine.end_relay(peer_key(self.engine.shard(), place));
            }
            (None, Kind::Coordinator) => {
                self.links.remove(place);
                self.end_begun_on(client.conn, place);
            }
            (None, Kind::Management | Kind::Half(_)) => drop(self.links.remove(place)),
            // The owner's answer to the attach is on its way: it finds the link without a connection.
            (None, _) => {}
        }
        Answer::Now
    }

    /// Whether a link's peer receives.
    #[must_use]
    pub fn receives(&self, place: Slot) -> bool {
        self.links.get(place).is_some_and(Link::receives)
    }

    /// Whether the messages of a link each name their address.
    #[must_use]
    pub fn is_relay(&self, place: Slot) -> bool {
        matches!(self.links.get(place), Some(Link { kind: Kind::Relay { .. }, .. }))
    }

    /// The owner's half of a link, once it has answered.
    #[inline]
    #[must_use]
    pub fn end_of(&self, place: Slot) -> Option<OwnerEnd> {
        let link = self.links.get(place)?;
        Some(OwnerEnd { owner: link.owner, end: link.end? })
    }

    /// A consumer's peer accepted a delivery, and waits for no confirmation.
    #[inline]
    pub fn accept(&mut self, at: OwnerEnd, key: u64) {
        self.engine.accept(at.owner, at.end, key);
    }

    /// The same of so many deliveries that came through the router, whose keys follow each other.
    #[inline]
    pub fn accept_routed(&mut self, first: u64, count: u32) {
        self.engine.accept_routed(first, count);
    }

    /// A consumer's peer ended a delivery otherwise; `confirm` names the delivery of one that waits until that is durable.
    pub fn settle(&mut self, at: OwnerEnd, key: u64, outcome: Outcome, confirm: Option<u32>) {
        self.engine.settle(at.owner, at.end, key, outcome, confirm);
    }

    /// A consumer's peer ended a delivery without saying how: it is what its source says (AMQP part 3.5.3).
    pub fn settle_by_default(&mut self, place: Slot, key: u64) {
        if let Some(&Link { owner, end: Some(end), ref default_outcome, .. }) = self.links.get(place) {
            let outcome = default_outcome.clone();
            self.note_outcome(place, &outcome, 1);
            self.engine.settle(owner, end, key, outcome, None);
        }
    }

    /// A message that its consumer's peer was not sent is for others, at its place in the queue.
    pub fn give_back(&mut self, place: Slot, key: u64) {
        if let Some(at) = self.end_of(place) {
            self.settle(at, key, Outcome::Released, None);
        }
    }

    /// Whether a link begins and ends transactions.
    #[must_use]
    pub fn coordinates(&self, place: Slot) -> bool {
        matches!(self.links.get(place), Some(Link { kind: Kind::Coordinator, .. }))
    }

    /// Whether the messages of a link are requests to whoever manages the node.
    #[must_use]
    pub fn manages(&self, place: Slot) -> bool {
        matches!(self.links.get(place), Some(Link { kind: Kind::Management, .. }))
    }

    /// Gives back the memory of links that carry little or nothing, and rolls back what has lived too long. Call it some times a second: each
    /// time `LINKS_SWEPT_MAX` links are looked at, in turn.
    pub fn sweep(&mut self) {
        self.end_overdue();
        let Self { links, engine, by_address, swept, .. } = self;
        let (part, next) = links.part_mut(*swept, LINKS_SWEPT_MAX);
        *swept = next;
        part.for_each(|link| {
            watch(link, engine, by_address);
            match &mut link.kind {
                Kind::Producer(arena) | Kind::Lasting(arena) | Kind::Relay { arena, .. } => arena.sweep(),
                Kind::Consumer { .. } | Kind::Coordinator | Kind::Management | Kind::Half(_) => {}
            }
        });
    }
}
