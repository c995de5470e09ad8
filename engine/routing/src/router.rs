//! A shard's part of the router: it answers commands for routed addresses as the owner of an address does.
//!
//! Guarantees:
//! 1. Nothing is kept: `accepted` is a receiver's word, and a message that nobody takes is released to its sender, or dropped and counted
//!    if it was sent settled.
//! 2. A sender has credit while somebody can be reached who takes its messages, `RouterConfig::capacity` unsettled deliveries at most. A
//!    receiver is sent what its credit allows, in the order in which it came from each sender.
//! 3. An attach of a receiver is answered when all shards know of it.
//! 4. What this shard's links were told and asked leaves nothing behind when they are gone.
//!
//! Its host gives it commands, what other shards say (`handle_crossing`), tables and answers of the registry; and takes events, crossings
//! and notes. A receiver's last word is passed on at once and ends its delivery: nobody waits for a sender's.

use std::collections::{HashMap, VecDeque};

use engine_core::command::{Between, Carries, Command, RoutingType, Settled, Stage};
use engine_core::event::{AttachedInfo, Event, Refusal};
use engine_core::key::{EndKey, LinkKey};
use engine_core::slab::{Key as Place, Slab};
use engine_core::small::{Lent, Lying, Small};
use engine_message::Condition;
use engine_router::address::{Class, Here, Key, Mode, Phase, path, resolve};
use engine_router::numbers::Numbered;
use engine_router::settlement::{Bound, InKind, InLink, OutKind, Settlement, Standing, State, Totals};
use engine_router::table::{self, Claim, ConsumerId, Keeping, Table};
use engine_router::uplink::Way;
use engine_router::{RouterId, Treatment};

use crate::choosing::Chosen;
use crate::containers::Containers;
use crate::crossing::{AwayCopies, Came, Crossing};
use crate::edge::{EdgeEnd, EdgeKind, Edges, Need, UP, is_anonymous};
use crate::end::{End, Receiver, Sender, end_key, lane_in, lane_out, of_receiver, of_sender, place};
use crate::heard::Heard;
use crate::held::Held;
use crate::joints::{Joint, JointKind, Neighbours};
use crate::lanes::Lanes;
use crate::limits::{ENDS_MAX, LOOKS_MAX};
use crate::registry::{Answer, Changed, Note, Update};
use crate::senders::{Due, Senders};
use crate::streams::{Extent, Streams};
use crate::told::Told;
use crate::ways::Passing;

/// What a shard's router is told at its start.
#[derive(Clone, Debug)]
pub struct RouterConfig {
    /// The shard, of so many.
    pub shard: u16,
    /// How many there are.
    pub shards: u16,
    /// The router's name in its network.
    pub id: RouterId,
    /// The table that all shards go by at first.
    pub table: Table,
    /// Deliveries of a link that may be unsettled, from 1.
    pub capacity: u32,
    /// Octets of memory for messages that are under way.
    pub memory_bytes: u64,
    /// What kind of router it is.
    pub mode: Mode,
}

/// A shard's part of the router.
#[derive(Debug)]
pub struct Router {
    pub(crate) own: Own,
    pub(crate) table: Table,
    pub(crate) settlement: Settlement<Passing>,
    pub(crate) ends: Slab<End>,
    /// Receivers of this shard.
    pub(crate) consumers: Numbered<ConsumerId, Place>,
    pub(crate) senders: Senders,
    /// Anonymous relays of this shard that have sent something.
    pub(crate) relays: HashMap<LinkKey, Place>,
    pub(crate) neighbours: Neighbours,
    pub(crate) edges: Edges,
    /// How many receivers this shard has had.
    pub(crate) numbered: u64,
    pub(crate) containers: Containers,
    pub(crate) waiting: Waiting,
    pub(crate) chosen: Chosen,
    pub(crate) heard: Heard,
    pub(crate) out: Outbox,
}

/// What a router is told of itself.
#[derive(Debug)]
pub(crate) struct Own {
    pub shard: u16,
    pub id: RouterId,
    pub mode: Mode,
    /// The way to the interior, if it is at the edge.
    pub up: Option<Key>,
    /// Deliveries of a link that may be unsettled.
    pub capacity: u32,
}

/// What waits for an outcome, by the keys and numbers that others have for it.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    /// Copies that receivers of this shard have, behind the first of each delivery.
    pub held: Slab<Held>,
    /// Copies at other shards.
    pub away: AwayCopies,
    /// Deliveries from other shards.
    pub came: Came,
    /// Copies that go out in parts.
    pub streams: Streams,
}

/// What is for others, in its order.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub told: Told,
    pub lanes: Lanes,
    pub notes: VecDeque<Note>,
    /// What was read that messages are taken from now.
    lent: Lent,
}

impl Outbox {
    /// Has a small message, but for its first `without` octets, go with the events for links of this shard.
    #[inline]
    pub fn lay(&mut self, small: &Small<'_>, without: usize) -> Lying {
        small.lay(without, &self.lent, &mut self.told.octets)
    }
}

/// What a shard's part of the router has, and what it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterTotals {
    /// Links whose peers send.
    pub senders: usize,
    /// Links whose peers receive.
    pub receivers: usize,
    /// Deliveries that wait for a receiver's credit or its word.
    pub under_way: usize,
    /// Octets that they take.
    pub octets: u64,
    /// What became of deliveries.
    pub deliveries: Totals,
}

/// An end of a link, as whoever looks sees it.
#[derive(Clone, Copy, Debug)]
pub struct EndView<'a> {
    /// Its address; `None` if it is another router.
    pub key: Option<&'a Key>,
    /// How it stands.
    pub standing: Standing,
}

impl Router {
    /// A router without links.
    #[must_use]
    pub fn new(config: RouterConfig) -> Self {
        let RouterConfig { shard, shards, id, table, capacity, memory_bytes, mode } = config;
        let octets = |passing: &Passing| {
            let away = passing.away.as_ref().map_or(0, |away| away.body.len());
            (passing.message.body.len() + away) as u64
        };
        let mut settlement = Settlement::new(Bound { octets_max: memory_bytes, octets });
        // What it says itself.
        begin_lane(&mut settlement, lane_in(shard));
        // What comes over lanes is held back where it comes from.
        for other in (0..shards).filter(|other| *other != shard) {
            begin_lane(&mut settlement, lane_in(other));
            settlement.handle_out(lane_out(other), OutKind::Lane, u32::MAX);
            settlement.handle_credit(lane_out(other), u32::MAX);
        }
        Self {
            own: Own {
                shard,
                id,
                mode,
                up: (mode == Mode::Edge).then(|| Key::of_class(Class::Local, UP)).flatten(),
                capacity,
            },
            edges: Edges::default(),
            table,
            settlement,
            ends: Slab::default(),
            consumers: Numbered::default(),
            senders: Senders::default(),
            relays: HashMap::new(),
            neighbours: Neighbours::default(),
            numbered: 0,
            containers: Containers::default(),
            waiting: Waiting::default(),
            chosen: Chosen::default(),
            heard: Heard::new(shard),
            out: Outbox {
                told: Told::default(),
                lanes: Lanes::new(shards),
                notes: VecDeque::new(),
                lent: Lent::default(),
            },
        }
    }

    /// Takes a command for a routed address.
    pub fn handle_command(&mut self, command: Command) {
        match command {
            Command::AttachProducer { link, spec } => match spec.passage.between {
                None | Some(Between { carries: Carries::Address, .. }) => self.attach_sender(link, &spec),
                Some(between @ Between { carries: Carries::Control | Carries::Messages | Carries::Parts, .. }) => {
                    self.attach_from(link, &spec, between);
                }
                Some(between) => self.attach_edge_from(link, &spec, between),
            },
            Command::AttachConsumer { link, spec } => match spec.passage.between {
                None | Some(Between { carries: Carries::Address, .. }) => self.attach_receiver(link, *spec),
                Some(between @ Between { carries: Carries::Control | Carries::Messages | Carries::Parts, .. }) => {
                    self.attach_to(link, *spec, between);
                }
                Some(between) => self.attach_edge_to(link, *spec, between),
            },
            Command::Deliver { end, delivery, settled, message } => {
                self.handle_deliver(end, delivery, settled, message);
            }
            Command::Publish { link, delivery, settled, publish } => {
                self.publish(link, delivery, settled, (*publish, Extent::Whole));
            }
            Command::Settle { end, key, outcome, confirm } => self.handle_settle(end, key, outcome, confirm),
            Command::Accept { count, keys, .. } => {
                keys.iter().take(usize::from(count)).for_each(|key| self.handle_accepted(*key, 1));
            }
            Command::Grant { end, credit } => self.grant(end, credit),
            Command::Revoke { end, credit } => self.revoke(end, credit),
            Command::Drain { end } => self.drain(end),
            Command::Detach { end, .. } => self.detach(end),
            // Their homes do not ask that of routed addresses.
            Command::DeliverTagged(_)
            | Command::Resume { .. }
            | Command::Forget { .. }
            | Command::Transact { .. }
            | Command::Claim { .. }
            | Command::MoveClaim { .. }
            | Command::DropClaim { .. } => unreachable!("no router is asked for it"),
        }
    }

    /// All shards are to go by another table, and this one does from here on.
    pub fn handle_update(&mut self, update: Update) {
        self.table = update.table;
        self.neighbours.ways += 1;
        self.heard.clear();
        if let Some(routes) = update.link_routes {
            // Before it is told that this shard goes by the table: the registry then knows of all that serve them.
            let notes = self.containers.change(self.own.shard, routes);
            self.out.notes.extend(notes);
        }
        let is_first = self.senders.is_done();
        match update.changed {
            Changed::Some { keys, gone } => {
                gone.iter().for_each(|(_, number)| self.chosen.spread.forget(*number));
                keys.iter().for_each(|key| self.senders.note(key.name()));
            }
            Changed::All => {
                self.chosen.spread.forget_turns();
                self.senders.note_all();
            }
        }
        self.senders.apply(update.version);
        // Behind what an update before left each turn goes on with it.
        if is_first {
            self.proceed();
        }
    }

    /// Goes on with what an update left to be done: a turn does so much of it.
    pub fn proceed(&mut self) {
        for _ in 0..LOOKS_MAX {
            match self.senders.poll_due() {
                Some(Due::Look(sender)) => self.look(sender),
                Some(Due::Applied(version)) => {
                    self.out.notes.push_back(Note::Applied { shard: self.own.shard, version })
                }
                None => break,
            }
        }
        self.act();
    }

    /// Whether something is left of an update.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.senders.is_done()
    }

    /// The registry says what became of a receiver's attach.
    pub fn handle_answer(&mut self, answer: Answer) {
        let (Answer::Stands(consumer) | Answer::Refused(consumer)) = answer;
        let Some(&place) = self.consumers.get(&consumer) else { return };
        let Some(End::Receiver(receiver)) = self.ends.get_mut(place) else { return };
        let link = receiver.link;
        let is_proxy = receiver.connection.is_some() && self.own.mode == Mode::Edge && !is_anonymous(consumer);
        if is_proxy {
            // Its link stands; without room in the table nothing goes over it.
            return;
        }
        let event = match answer {
            Answer::Stands(_) => {
                let info = info(std::mem::take(&mut receiver.address), receiver.routing);
                Event::Attached { end: end_key(place), info }
            }
            Answer::Refused(_) => {
                self.consumers.remove(&consumer);
                self.ends.remove(place);
                self.settlement.handle_out_lost(of_receiver(place));
                let text = "the router has as many addresses as it may";
                Event::Refused { refusal: Refusal::new(Condition::ResourceLimitExceeded, text) }
            }
        };
        self.out.told.push((link, event));
        self.act();
    }

    /// Messages are taken from what was read there now, or from nothing that is lent: small ones that lie in it are not copied. What is told while
    /// it is lent is to be taken, and heard, before it is gone.
    pub fn lend(&mut self, lent: Lent) {
        self.out.lent = lent;
    }

    /// Takes all events for links of this shard, in place of `told`, which is cleared. There may be new ones when they were heard.
    pub fn take_told(&mut self, told: &mut Told) {
        told.clear();
        if self.out.told.is_empty() {
            self.give_credit();
        }
        std::mem::swap(told, &mut self.out.told);
    }

    /// A relay has ended: nobody is told of what it sent.
    pub fn handle_relay_ended(&mut self, link: LinkKey) {
        self.end_relay(link);
    }

    /// A message for another shard went nowhere, as that does not keep up.
    pub fn handle_unsent(&mut self, to: u16, number: u32, settled: Settled) {
        match settled {
            Settled::Yes => self.settlement.note_dropped_late(),
            Settled::No => {
                self.settlement.note_refused();
                self.handle_crossing(to, Crossing::Settled { number, state: Box::new(State::Released) });
            }
        }
    }

    /// Octets of memory for messages that are under way.
    #[must_use]
    pub fn octets_max(&self) -> u64 {
        self.settlement.octets_max()
    }

    /// What another shard is told next.
    pub fn poll_crossing(&mut self) -> Option<(u16, Crossing)> {
        self.out.lanes.poll()
    }

    /// What the registry is told next.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.out.notes.pop_front()
    }

    /// What there is, and what became of deliveries in sum. What crosses a lane is a delivery on both shards.
    #[must_use]
    pub fn totals(&self) -> RouterTotals {
        let receivers = self.consumers.len() - self.neighbours.receivers();
        let joints = self.neighbours.joints() + self.neighbours.apart();
        let others = self.relays.len() + joints + self.edges.ends;
        let senders = self.ends.len() - self.consumers.len() - others;
        let (deliveries, under_way, octets) = (self.settlement.totals(), self.under_way(), self.settlement.octets());
        RouterTotals { senders, receivers, under_way, octets, deliveries }
    }

    /// An end of a link, as whoever looks sees it; `None` if it is gone.
    #[must_use]
    pub fn end(&self, end: EndKey) -> Option<EndView<'_>> {
        let place = place(end);
        Some(match self.ends.get(place)? {
            End::Sender(Sender { key, .. }) => {
                EndView { key: Some(key), standing: self.settlement.standing_in(of_sender(place))? }
            }
            End::Receiver(Receiver { key, .. }) => {
                EndView { key: key.as_ref(), standing: self.settlement.standing_out(of_receiver(place))? }
            }
            End::Joint(Joint { kind: JointKind::MessagesIn, .. }) => {
                EndView { key: None, standing: self.settlement.standing_in(of_sender(place))? }
            }
            End::Edge(EdgeEnd { kind: EdgeKind::Messages, .. }) => {
                EndView { key: None, standing: self.settlement.standing_in(of_sender(place))? }
            }
            End::Joint(_) | End::Relay(_) | End::Edge(_) => return None,
        })
    }

    /// Whether an end is of a link for what routers tell each other.
    #[must_use]
    pub fn is_control(&self, end: EndKey) -> bool {
        let joint = |joint: &Joint| matches!(joint.kind, JointKind::ControlIn | JointKind::ControlOut);
        matches!(self.ends.get(place(end)), Some(End::Joint(known)) if joint(known))
    }

    /// Whether an address, however it is written, names something of this router that goes by `name`: by itself, `_local/NAME`, or
    /// `_topo/0/ID/NAME` with the router's own id.
    #[must_use]
    pub fn is_own(&self, address: &str, name: &str) -> bool {
        let here = Here { id: &self.own.id, mode: self.own.mode };
        let key = resolve(address, Phase::FIRST, here);
        key.is_some_and(|key| matches!(key.class(), Class::Mobile | Class::Local) && key.name() == name)
    }

    /// Its name in its network.
    #[must_use]
    pub fn id(&self) -> &RouterId {
        &self.own.id
    }

    /// What holds for addresses.
    #[must_use]
    pub fn rules(&self) -> &table::Rules {
        self.table.rules()
    }

    /// The name of an address if queues of its node keep what clients send there. It may be written as routers have it, with a scheme and a
    /// divider.
    #[must_use]
    pub fn stored<'a>(&self, address: &'a str) -> Option<&'a str> {
        let keeping = self.table.rules().keeping(address, Here { id: &self.own.id, mode: self.own.mode });
        (keeping == Keeping::Stored).then(|| path(address))
    }

    /// The address of something of this router, for all routers.
    #[must_use]
    pub fn address_of(&self, name: &str) -> String {
        match self.own.mode {
            Mode::Interior => format!("amqp:/_topo/0/{}/{name}", self.own.id.as_str()),
            Mode::Edge => format!("amqp:/_edge/{}/{name}", self.own.id.as_str()),
        }
    }

    /// Deliveries that are under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.settlement.under_way()
    }

    /// Asserts what must hold between two inputs.
    pub fn check(&self) {
        self.settlement.check();
        let receivers = self.ends.iter().filter(|(_, end)| matches!(end, End::Receiver(_))).count();
        let consumers = self.consumers.len() + self.neighbours.apart();
        assert_eq!(receivers, consumers, "each receiver is a consumer, or one for messages in parts");
        let held =
            self.ends.iter().map(|(_, end)| if let End::Receiver(receiver) = end { receiver.held.len() } else { 0 });
        assert_eq!(held.sum::<usize>(), self.waiting.held.len(), "what is held somebody has");
        assert_eq!(self.waiting.streams.len(), self.settlement.open_copies(), "what began has a number until it ends");
        let ends = self.senders.count() + receivers + self.relays.len() + self.neighbours.joints() + self.edges.ends;
        assert_eq!(ends, self.ends.len(), "each sender is found by its address, each relay by its link");
    }

    /// The key of an address for a link's end.
    pub(crate) fn key(&self, address: &str, end: table::End, stage: Option<Stage>) -> Result<Key, Box<Refusal>> {
        self.key_and_routing(address, end, stage).map(|(key, _)| key)
    }

    /// The same, with what the address's distribution is to a client.
    pub(crate) fn key_and_routing(
        &self,
        address: &str,
        end: table::End,
        stage: Option<Stage>,
    ) -> Result<(Key, RoutingType), Box<Refusal>> {
        let here = Here { id: &self.own.id, mode: self.own.mode };
        let key = self.table.rules().key(address, end, stage.and_then(claim), here).ok_or_else(|| {
            Refusal::new(Condition::InvalidField, format!("{address:?} names nothing that messages can be routed by"))
        })?;
        let treatment = self.table.treatment(&key);
        if treatment == Treatment::Unavailable {
            let text = format!("{address} is not available: the distribution of its addresses is `unavailable`");
            return Err(Refusal::new(Condition::NotFound, text));
        }
        Ok((key, if treatment.is_copying() { RoutingType::Multicast } else { RoutingType::Anycast }))
    }

    /// A link is gone.
    pub(crate) fn detach(&mut self, end: EndKey) {
        let place = place(end);
        match self.ends.remove(place) {
            Some(End::Sender(Sender { key, at, edge, .. })) => {
                if edge.is_none() {
                    self.need(Way::Up, &key, Need::Less);
                }
                if let Some(moved) = self.senders.remove(key.name(), at) {
                    if let Some(End::Sender(sender)) = self.ends.get_mut(moved) {
                        sender.at = at;
                    }
                    self.look(moved);
                }
                self.settlement.handle_in_lost(of_sender(place));
            }
            Some(End::Receiver(Receiver { key, consumer, held, connection, is_listed, .. })) => {
                if let Some(key) = &key {
                    match connection {
                        Some(connection) => self.part_receiver(connection, key, place),
                        None => self.need(Way::Down, key, Need::Less),
                    }
                }
                self.consumers.remove(&consumer);
                for key in held {
                    self.waiting.held.remove(key);
                }
                self.settlement.handle_out_lost(of_receiver(place));
                match (key, self.connection_of(consumer)) {
                    (Some(key), _) if is_listed => self.out.notes.push_back(Note::Went { key, consumer }),
                    (Some(_), _) => {}
                    (None, Some(connection)) => self.part(connection, place),
                    (None, None) => {}
                }
            }
            Some(End::Joint(joint)) => {
                self.neighbours.said.remove(&place);
                if joint.kind == JointKind::MessagesIn {
                    self.settlement.handle_in_lost(of_sender(place));
                }
                self.part(joint.connection, place);
            }
            Some(End::Edge(end)) => self.part_edge(place, end),
            // Relays end otherwise.
            Some(End::Relay(_)) | None => return,
        }
        self.act();
    }

    /// Tells senders of the credit that they have.
    fn give_credit(&mut self) {
        while let Some((link, credit)) = self.settlement.poll_credit() {
            let link = match self.ends.get(Place::from_bits(link.0)) {
                Some(End::Sender(sender)) => sender.link,
                Some(End::Joint(joint)) => joint.link,
                Some(End::Edge(end)) => end.link,
                Some(End::Receiver(_) | End::Relay(_)) | None => continue,
            };
            self.out.told.push((link, Event::Credit { credit }));
        }
    }
}

/// Has what comes over a link be taken whatever there is of it.
fn begin_lane(settlement: &mut Settlement<Passing>, link: InLink) {
    settlement.handle_in(link, InKind::Router, u32::MAX);
    settlement.handle_reached(link);
}

/// What a link claims that asks for a stage; nothing where there is no such one.
fn claim(stage: Stage) -> Option<Claim> {
    match stage {
        Stage::Phase(number) => Phase::of_annotation(number.into()).map(Claim::Phase),
        Stage::Waypoint(number) => Some(Claim::Waypoint(number)),
        Stage::Fallback => Some(Claim::Fallback),
    }
}

/// What a link got attached to.
pub(crate) fn info(address: String, routing: RoutingType) -> Box<AttachedInfo> {
    let (selector, no_local, queue, unsettled) = (None, None, None, None);
    Box::new(AttachedInfo { selector, no_local, address, queue, routing, started: false, unsettled })
}

pub(crate) fn too_many() -> Box<Refusal> {
    Refusal::new(
        Condition::ResourceLimitExceeded,
        format!("this shard has {ENDS_MAX} routed links, which is its limit"),
    )
}
