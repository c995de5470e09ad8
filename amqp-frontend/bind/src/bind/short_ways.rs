//! The binding's short ways beside its long ones: two nodes of one shard hear the same octets of a producer and a consumer, and do the
//! same in two ways.
//!
//! Shown, for each short way alone and for all of them together: both peers hear the same octets, both owners have the same queues, and
//! both homes the same links, after every turn. The same is shown of messages that come together and one by one.

use std::sync::Arc;

use amqp_codec::frame::{self, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Begin, BundleHead, DeliveryState, Disposition, Flow, Open, Performative, Role, SenderSettleMode, Source,
    Target, Terminus, Transfer, encode_bundle, encode_disposition, encode_flow, encode_frame, encode_transfer,
};
use amqp_proto::{DeliveryOutcome, Event, Settling};
use bytes::Bytes;
use engine_core::Core;
use engine_core::command::Outcome;
use engine_core::event::{self, KEY_NONE};
use engine_core::key::LinkKey;
use engine_core::limits::CoreConfig;
use engine_core::small::{Lent, Octets, Small};
use engine_home::{AddressRules, Due, Gift, HomeConfig, Parting, Prefix};
use engine_message::section;
use engine_router::RouterId;
use engine_router::address::Mode;
use engine_router::table::Addresses;
use engine_routing::{Registry, Router, RouterConfig, Told};
use engine_rt::Waker;
use engine_shard::Engine;
use proptest::prelude::*;

use super::*;
use crate::Given;

/// The queue of the producer and of the consumer's first link.
const ADDRESS: &str = "q";
/// The queue of the consumer's second link, to which messages come by the anonymous relay alone.
const OTHER: &str = "p";

/// Which of the short ways a node leaves out.
#[derive(Clone, Copy, Debug, Default)]
struct Long {
    /// `take_plain`: each transfer comes as an event of the machine.
    taking: bool,
    /// `send`: each message waits first, as behind one that is sent in parts.
    sending: bool,
    /// `accept`: each delivery is settled by itself, with its outcome.
    settling: bool,
}

/// One end of a peer: its connection, and what it was told.
struct Peer {
    bind: Bind,
    said: Vec<u8>,
}

/// A shard's home with a producer, who may name the address in each message too, and a consumer.
struct Node {
    home: Home,
    /// The producer, then the consumer.
    peers: [Peer; 2],
    long: Long,
    turns: u64,
    /// What the router of its shard tells, if its addresses are routed.
    registry: Option<Registry>,
    lending: Lending,
}

impl Node {
    fn new(long: Long, snd_settle_mode: SenderSettleMode) -> Self {
        Self::of(long, snd_settle_mode, (engine(), None))
    }

    /// One whose addresses are routed.
    fn routed() -> Self {
        let mut addresses = Addresses::new(Arc::default(), 1);
        let (id, table, mode) = (RouterId::new("A").expect("an id"), addresses.view(), Mode::Interior);
        let config = RouterConfig { shard: 0, shards: 1, id, table, capacity: 1000, mode, memory_bytes: 1 << 30 };
        let registry = Registry::new(addresses, 1, None);
        let engine = engine().with_router(Router::new(config));
        Self::of(Long::default(), SenderSettleMode::Unsettled, (engine, Some(registry)))
    }

    fn of(long: Long, snd_settle_mode: SenderSettleMode, (engine, registry): (Engine, Option<Registry>)) -> Self {
        let addresses = AddressRules::default();
        let config = HomeConfig { addresses, links_max: 10, node_id: String::new(), first_file: 1 };
        let mut home = Home::new(config, engine);
        let peers = [0, 1].map(|number| {
            let mut bind = Bind::server(Arc::new(Config::default()), Moves::Never, 0);
            bind.set_place(Slot::at(number, 0));
            Peer { bind, said: Vec::new() }
        });
        home.engine_mut().begin_turn(0, 0);
        let mut node = Self { home, peers, long, turns: 0, registry, lending: Lending::Nothing };
        let consumer = [(0, ADDRESS), (1, OTHER)]
            .map(|(handle, address)| attach(handle, Role::Receiver, Some(address), snd_settle_mode));
        let mode = SenderSettleMode::Mixed;
        let producer = [attach(0, Role::Sender, Some(ADDRESS), mode), attach(1, Role::Sender, None, mode)];
        node.turn([&opening(&producer), &opening(&consumer)]);
        node
    }

    /// A turn in which both say something.
    fn turn(&mut self, octets: [&[u8]; 2]) {
        self.turns += 1;
        self.home.engine_mut().begin_turn(self.turns * 1_000_000, self.turns * 1_000);
        for (number, octets) in octets.into_iter().enumerate() {
            let bytes = [self.peers[number].bind.kept(), octets].concat();
            self.hear_lent(number, &bytes);
        }
        while self.hand_out() || self.register() {}
        for peer in &mut self.peers {
            peer.bind.poll_output(0).drain_into(&mut peer.said);
            peer.bind.handle_written(&mut self.home, 0);
        }
        while self.hand_out() || self.register() {}
    }

    /// The router's registry hears and is heard; gives whether there was anything.
    fn register(&mut self) -> bool {
        let Some(registry) = &mut self.registry else { return false };
        let engine = self.home.engine_mut();
        let mut any = false;
        while let Some(note) = engine.poll_note() {
            registry.handle_note(note, 0);
            any = true;
        }
        while let Some(update) = registry.poll_update() {
            engine.handle_update(update);
            any = true;
        }
        while let Some(answer) = registry.poll_answer() {
            engine.handle_router_answer(answer);
            any = true;
        }
        any
    }

    /// Takes octets, which the router is lent or not, and what it tells of them.
    fn hear_lent(&mut self, number: usize, bytes: &[u8]) {
        let read = if self.lending == Lending::All { bytes } else { &[] };
        self.home.engine_mut().lend(Lent::of(read));
        self.hear(number, bytes);
        self.home.engine_mut().lend(Lent::default());
        self.hand_out_routed(read);
    }

    /// Takes octets by the short ways, but for those that are left out.
    fn hear(&mut self, number: usize, bytes: &[u8]) {
        let (home, bind) = (&mut self.home, &mut self.peers[number].bind);
        let mut input = Input::new(bytes);
        loop {
            if !self.long.taking
                && let Some(delivery) = bind.take_plain(home, 0, &mut input)
            {
                bind.handle_delivery(home, &delivery, None, Belongs::Nowhere);
                continue;
            }
            match bind.machine.handle_input(0, &mut input, &mut bind.out) {
                None => break,
                Some(Event::Settled(Some(outcome))) if self.long.settling => settle(bind, home, &outcome),
                Some(event) => bind.handle_amqp(home, event),
            }
        }
        bind.keep(&bytes[input.consumed()..], 0);
    }

    /// Hands out one event or one message; gives whether there was any.
    fn hand_out(&mut self) -> bool {
        let wall_ms = self.home.engine().wall_ms();
        if let Some((link, event)) = self.home.poll_event() {
            self.hear_owner(link, event);
            return true;
        }
        if self.hand_out_routed(&[]) {
            return true;
        }
        let Some((link, delivery)) = self.home.poll_delivery() else { return false };
        let Some(gift) = self.home.give(link, &delivery) else { return true };
        let bind = &mut self.peers[gift.conn.slot() as usize].bind;
        let waits = self.long.sending && matches!(gift.due, Due::Send | Due::SendAndCredit);
        if !waits {
            bind.send(&gift, &mut Prefix::default(), wall_ms);
        }
        let given = Given::of(&Gift { due: if waits { Due::Wait } else { gift.due }, ..gift });
        bind.handle_given(&mut self.home, given);
        true
    }

    fn hear_owner(&mut self, link: LinkKey, event: event::Event) {
        if let Some(conn) = Home::claimant(link) {
            self.peers[conn.slot() as usize].bind.handle_claim(&mut self.home, event);
        } else if let Some(route) = self.home.route(link) {
            self.peers[route.conn.slot() as usize].bind.handle_owner(&mut self.home, route, event);
        } else if let Some(Parting { conn, id, event }) = self.home.handle_unrouted(link, event) {
            self.peers[conn.slot() as usize].bind.handle_parting(&mut self.home, id, event);
        }
    }

    /// Hands out what the router has; gives whether there was any.
    fn hand_out_routed(&mut self, read: &[u8]) -> bool {
        let mut told = Told::default();
        self.home.engine_mut().take_routed(&mut told);
        let Told { events, octets, .. } = &mut told;
        let any = !events.is_empty();
        for (link, event) in events.drain(..) {
            let (key, message) = match event {
                event::Event::Deliver { key, message } => (key, message),
                event::Event::Passed { key, message, .. } => {
                    let small = Small::of(&message, &Octets { read, copied: octets });
                    (key, small.with_body(Bytes::copy_from_slice(small.body)))
                }
                event => {
                    if let Some(event) = self.home.take_own(link, event) {
                        self.hear_owner(link, event);
                    }
                    continue;
                }
            };
            let Some(gift) = self.home.give_sent(link, key, &message, None) else { continue };
            let bind = &mut self.peers[gift.conn.slot() as usize].bind;
            bind.send(&gift, &mut Prefix::default(), 0);
            let given = Given::of(&gift);
            bind.handle_given(&mut self.home, given);
        }
        any
    }

    /// What can be seen of it.
    fn seen(&self) -> String {
        let queues: Vec<_> = self.home.engine().core().queue_views().collect();
        let links = self.home.links().map(|(place, link)| (place, link.kind(), link.address(), link.credit()));
        let clients = self.peers.iter().map(|peer| {
            let client = peer.bind.client();
            (client.messages_in, client.messages_out, client.links(), client.paused, peer.bind.is_closed())
        });
        format!("{queues:?} {:?} {:?}", links.collect::<Vec<_>>(), clients.collect::<Vec<_>>())
    }
}

fn engine() -> Engine {
    let mesh = engine_shard::mesh(&[Waker::new().expect("a descriptor")]).pop().expect("of one shard");
    Engine::new(Core::new(CoreConfig::default()), mesh, None)
}

/// What `handle_outcome` does, each delivery by itself and as if its outcome were a rare one.
fn settle(bind: &mut Bind, home: &mut Home, outcome: &DeliveryOutcome) {
    while let Some(Settling { link, key, confirm }) = bind.machine.next_settled() {
        let end = bind.link(link).and_then(|place| home.end_of(place)).filter(|_| key != KEY_NONE);
        let outcome = match outcome {
            DeliveryOutcome::Accepted => Outcome::Accepted,
            DeliveryOutcome::Rejected(None) => Outcome::Rejected(None),
            DeliveryOutcome::Released => Outcome::Released,
            other => panic!("nobody says {other:?} here"),
        };
        match end {
            Some(end) => home.settle(end, key, outcome, confirm),
            None => confirm.into_iter().for_each(|delivery| bind.machine.confirm(link, delivery)),
        }
    }
}

/// What a peer says first.
fn opening(attaches: &[Performative<'static>]) -> Vec<u8> {
    let mut bytes = ProtocolHeader::Amqp.bytes().to_vec();
    encode_frame(&mut bytes, 0, &Performative::Open(Box::new(Open { max_frame_size: 1 << 20, ..Open::default() })));
    let begin = Begin { incoming_window: 1 << 20, outgoing_window: 1 << 20, ..Begin::default() };
    encode_frame(&mut bytes, 0, &Performative::Begin(Box::new(begin)));
    attaches.iter().for_each(|attach| encode_frame(&mut bytes, 0, attach));
    bytes
}

/// An attach to an address, or to none: the anonymous relay.
fn attach(handle: u32, role: Role, address: Option<&str>, mode: SenderSettleMode) -> Performative<'static> {
    let terminus = Terminus { address: address.map(str::to_owned), ..Terminus::default() };
    Performative::Attach(Box::new(Attach {
        source: Some(Source::from(terminus.clone())),
        target: Some(Target::Node(terminus)),
        snd_settle_mode: mode,
        initial_delivery_count: (role == Role::Sender).then_some(0),
        ..Attach::new(format!("link-{handle}"), handle, role)
    }))
}

/// What the peers do next.
#[derive(Clone, Debug)]
enum Deed {
    /// The producer sends a message on one of its links.
    Send { handle: u32, settled: Option<bool>, format: u32, payload: Vec<u8>, frames: Frames },
    /// It sends several that begin with the same octets, as another router would.
    Run { settled: bool, front: Vec<u8>, payloads: Vec<Vec<u8>> },
    /// The consumer gives credit on one of its links.
    Credit { handle: u32, credit: u32, drain: bool },
    /// The consumer says something of deliveries from the oldest that it has not named on.
    Decide { count: u32, state: Option<DeliveryState<'static>>, settled: bool },
    /// The node gets what was said.
    Turn,
}

/// How a message is cut into frames.
#[derive(Clone, Copy, Debug)]
enum Frames {
    One,
    Two,
    Aborted,
}

fn deed() -> impl Strategy<Value = Deed> {
    let frames = prop_oneof![6 => Just(Frames::One), 1 => Just(Frames::Two), 1 => Just(Frames::Aborted)];
    let handle = prop_oneof![2 => Just(0_u32), 1 => Just(1)];
    let send = (handle, any::<Option<bool>>(), prop_oneof![4 => Just(0), 1 => Just(7)], payload(), frames)
        .prop_map(|(handle, settled, format, payload, frames)| Deed::Send { handle, settled, format, payload, frames });
    let credit = (0..2_u32, 0..30_u32, proptest::bool::weighted(0.2))
        .prop_map(|(handle, credit, drain)| Deed::Credit { handle, credit, drain });
    let state = prop_oneof![
        6 => Just(Some(DeliveryState::Accepted)),
        1 => Just(Some(DeliveryState::Released)),
        1 => Just(Some(DeliveryState::Rejected { error: None })),
        1 => Just(None),
    ];
    let decide = (1..6_u32, state, proptest::bool::weighted(0.8)).prop_map(|(count, state, settled)| Deed::Decide {
        count,
        state,
        settled,
    });
    prop_oneof![8 => send, 2 => credit, 2 => decide, 3 => Just(Deed::Turn)]
}

/// A message with some of its sections; now and then one that is damaged.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let header = proptest::option::of((any::<bool>(), 0..10_u8, proptest::option::of(0..5_000_u32), 0..3_u32));
    let sections = (header, any::<[bool; 3]>(), properties(), 0..3_usize, 0..300_usize);
    let damage = proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    (sections, damage).prop_map(|((header, [delivery, message, application], properties, data, size), damage)| {
        let mut payload = Vec::new();
        if let Some((durable, priority, ttl_ms, delivery_count)) = header {
            section::Header { durable, priority, ttl_ms, first_acquirer: true, delivery_count }.encode(&mut payload);
        }
        let map = [0xc1, 6, 2, 0xa3, 1, b'k', 0xa1, 0];
        for (present, code) in [(delivery, 0x71), (message, 0x72)] {
            payload.extend(present.then_some([&[0x00, 0x53, code], &map[..]].concat()).into_iter().flatten());
        }
        payload.extend(properties);
        payload.extend(application.then_some([&[0x00, 0x53, 0x74], &map[..]].concat()).into_iter().flatten());
        for _ in 0..data {
            payload.extend([0x00, 0x53, 0x75]);
            engine_message::encode::binary(&mut payload, &vec![b'x'; size]);
        }
        match damage {
            Some((place, flip)) if flip % 2 == 0 => payload.truncate(place.index(payload.len() + 1)),
            Some((place, flip)) if !payload.is_empty() => {
                let place = place.index(payload.len());
                payload[place] ^= flip;
            }
            _ => {}
        }
        payload
    })
}

/// A properties section, or none: with `to` and an absolute expiry time, or without.
fn properties() -> impl Strategy<Value = Vec<u8>> {
    let to = prop_oneof![2 => Just(Some(ADDRESS)), 2 => Just(Some(OTHER)), 1 => Just(None)];
    let expiry_ms = proptest::option::weighted(0.2, 0..9_000_u64);
    proptest::option::of((to, expiry_ms)).prop_map(|properties| {
        let Some((to, expiry_ms)) = properties else { return Vec::new() };
        let mut fields = vec![0x40, 0x40];
        match to {
            Some(to) => fields.extend([&[0xa1, to.len() as u8], to.as_bytes()].concat()),
            None => fields.push(0x40),
        }
        fields.extend([0x40; 5]);
        match expiry_ms {
            Some(ms) => fields.extend([&[0x83], &ms.to_be_bytes()[..]].concat()),
            None => fields.push(0x40),
        }
        [&[0x00, 0x53, 0x73, 0xc0, fields.len() as u8 + 1, 9], &fields[..]].concat()
    })
}

/// What the router is lent of what a peer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lending {
    Nothing,
    All,
}

/// How messages of a run come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Coming {
    #[default]
    OneByOne,
    Together,
}

/// Messages that begin with a header, or with something else now and then.
fn run() -> impl Strategy<Value = Deed> {
    let header = proptest::option::of((any::<bool>(), 0..10_u8)).prop_map(|header| {
        let mut front = Vec::new();
        if let Some((durable, priority)) = header {
            section::Header { durable, priority, ttl_ms: None, first_acquirer: true, delivery_count: 0 }
                .encode(&mut front);
        }
        front
    });
    let damaged = proptest::collection::vec(any::<u8>(), 0..5);
    let front = prop_oneof![6 => header, 1 => damaged];
    let payloads = proptest::collection::vec(payload(), 1..6);
    (any::<bool>(), front, payloads).prop_map(|(settled, front, payloads)| Deed::Run { settled, front, payloads })
}

/// What both peers say, deed by deed.
#[derive(Default)]
struct Script {
    coming: Coming,
    producer: Vec<u8>,
    consumer: Vec<u8>,
    deliveries: u32,
    decided: u32,
}

impl Script {
    fn say(&mut self, deed: &Deed) {
        match deed {
            Deed::Send { handle, settled, format, payload, frames } => {
                let (id, handle) = (self.deliveries, *handle);
                self.deliveries += 1;
                let tag = id.to_be_bytes();
                let first = Transfer {
                    handle,
                    delivery_id: Some(id),
                    delivery_tag: Some(&tag),
                    message_format: Some(*format),
                    settled: *settled,
                    ..Transfer::default()
                };
                let (head, tail) = payload.split_at(payload.len() / 2);
                let next = Transfer { handle, ..Transfer::default() };
                match frames {
                    Frames::One => self.put(&first, payload),
                    Frames::Two => {
                        self.put(&Transfer { more: true, ..first }, head);
                        self.put(&next, tail);
                    }
                    Frames::Aborted => {
                        self.put(&Transfer { more: true, ..first }, head);
                        self.put(&Transfer { aborted: true, ..next }, &[]);
                    }
                }
            }
            Deed::Run { settled, front, payloads } => {
                let (first, mark) = (self.deliveries, 0x8000_u16);
                self.deliveries += payloads.len() as u32;
                if self.coming == Coming::Together {
                    let (tag, lengths) = (first, payloads.iter().map(|payload| payload.len() as u16));
                    let head = BundleHead { delivery_id: first, tag, mark, settled: *settled, front, lengths };
                    let bodies = payloads.concat();
                    encode_bundle(&mut self.producer, (0, 0), &head, bodies.len());
                    return self.producer.extend(bodies);
                }
                for (id, payload) in (first..).zip(payloads) {
                    let tag = [&first.to_be_bytes()[..], &mark.to_be_bytes()].concat();
                    let (delivery_id, delivery_tag, settled) = (Some(id), Some(&tag[..]), Some(*settled));
                    let transfer = Transfer { delivery_id, delivery_tag, settled, ..Transfer::default() };
                    self.put(&transfer, &[&front[..], payload].concat());
                }
            }
            Deed::Credit { handle, credit, drain } => {
                let flow = Flow {
                    next_incoming_id: Some(0),
                    incoming_window: 1 << 20,
                    next_outgoing_id: 0,
                    outgoing_window: 1 << 20,
                    handle: Some(*handle),
                    // From the start: what was sent already is within it or beyond it.
                    delivery_count: Some(0),
                    link_credit: Some(self.decided + credit),
                    drain: *drain,
                    ..Flow::default()
                };
                encode_flow(&mut self.consumer, 0, &flow);
            }
            Deed::Decide { count, state, settled } => {
                let (first, last) = (self.decided, Some(self.decided + count - 1));
                self.decided += count;
                let (state, settled) = (state.clone(), *settled);
                let disposition = Disposition { role: Role::Receiver, first, last, settled, state, batchable: false };
                encode_disposition(&mut self.consumer, 0, &disposition);
            }
            Deed::Turn => {}
        }
    }

    fn put(&mut self, transfer: &Transfer<'_>, payload: &[u8]) {
        encode_transfer(&mut self.producer, 0, transfer, payload.len());
        self.producer.extend_from_slice(payload);
    }
}

/// Runs deeds on two nodes, one of which leaves short ways out.
fn compare(long: Long, mode: SenderSettleMode, deeds: &[Deed]) -> Result<(), TestCaseError> {
    let mut nodes = [Node::new(Long::default(), mode), Node::new(long, mode)];
    let mut script = Script::default();
    for deed in deeds.iter().chain([&Deed::Turn]) {
        script.say(deed);
        if matches!(deed, Deed::Turn) {
            let (producer, consumer) = (std::mem::take(&mut script.producer), std::mem::take(&mut script.consumer));
            // Cut anywhere: what is not whole is kept, and goes on with the next.
            let cut = producer.len() - producer.len() % 7;
            for octets in [[&producer[..cut], &consumer[..]], [&producer[cut..], &[]]] {
                nodes.iter_mut().for_each(|node| node.turn(octets));
                let [short, long] = &nodes;
                for (short, long) in short.peers.iter().zip(&long.peers) {
                    prop_assert_eq!(&short.said, &long.said);
                }
                prop_assert_eq!(short.seen(), long.seen());
            }
        }
    }
    Ok(())
}

/// Runs deeds on nodes to which runs come one by one, and together, and whose router copies what goes on, or is lent it.
fn compare_together(deeds: &[Deed]) -> Result<(), TestCaseError> {
    let comings = [Coming::OneByOne, Coming::Together];
    let ways = [Lending::Nothing, Lending::All].map(|lending| comings.map(|coming| (coming, lending)));
    let node = |(coming, lending)| {
        let mut node = Node { lending, ..Node::routed() };
        let output = &mut node.peers[0].bind.output;
        (output.prefaces, output.is_together) = (Some(Box::default()), true);
        (node, Script { coming, ..Script::default() })
    };
    let mut nodes: Vec<_> = ways.into_iter().flatten().map(node).collect();
    for deed in deeds.iter().chain([&Deed::Turn]) {
        for (node, script) in &mut nodes {
            script.say(deed);
            if matches!(deed, Deed::Turn) {
                let (producer, consumer) = (std::mem::take(&mut script.producer), std::mem::take(&mut script.consumer));
                node.turn([&producer, &consumer]);
            }
        }
        if matches!(deed, Deed::Turn) {
            let Some(((single, _), others)) = nodes.split_first() else { unreachable!("there are four") };
            for (other, _) in others {
                for (single, other) in single.peers.iter().zip(&other.peers) {
                    prop_assert_eq!(said(&single.said), said(&other.said));
                }
                prop_assert_eq!(single.seen(), other.seen());
            }
        }
    }
    Ok(())
}

/// What octets say, but for how many frames of transfers came.
fn said(mut octets: &[u8]) -> Vec<String> {
    octets = octets.get(ProtocolHeader::Amqp.bytes().len()..).unwrap_or_default();
    let mut said = Vec::new();
    while !octets.is_empty() {
        let Ok(Split::Frame { frame, bytes }) = frame::split(octets, u32::MAX) else { panic!("a frame") };
        octets = &octets[bytes..];
        let (mut performative, payload) = performative::decode(frame.body).expect("a performative");
        if let Performative::Flow(flow) = &mut performative {
            (flow.next_incoming_id, flow.incoming_window) = (None, 0);
        }
        said.push(format!("{performative:?} {payload:?}"));
    }
    said
}

fn mode() -> impl Strategy<Value = SenderSettleMode> {
    prop_oneof![3 => Just(SenderSettleMode::Unsettled), 1 => Just(SenderSettleMode::Settled)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn messages_that_are_taken_at_once_are_taken_as_events_are(mode in mode(), deeds in proptest::collection::vec(deed(), 1..80)) {
        compare(Long { taking: true, ..Long::default() }, mode, &deeds)?;
    }

    #[test]
    fn messages_that_are_sent_at_once_are_sent_as_those_that_wait(mode in mode(), deeds in proptest::collection::vec(deed(), 1..80)) {
        compare(Long { sending: true, ..Long::default() }, mode, &deeds)?;
    }

    #[test]
    fn deliveries_that_are_accepted_are_settled_as_others_are(mode in mode(), deeds in proptest::collection::vec(deed(), 1..80)) {
        compare(Long { settling: true, ..Long::default() }, mode, &deeds)?;
    }

    #[test]
    fn messages_that_come_together_are_taken_as_those_that_come_one_by_one(
        deeds in proptest::collection::vec(prop_oneof![1 => deed(), 1 => run()], 1..40),
    ) {
        compare_together(&deeds)?;
    }

    #[test]
    fn all_short_ways_together_do_what_the_long_ones_do(mode in mode(), deeds in proptest::collection::vec(deed(), 1..80)) {
        compare(Long { taking: true, sending: true, settling: true }, mode, &deeds)?;
    }
}

#[test]
fn every_short_way_is_taken_and_left_out() {
    let mut script = Script::default();
    let mut payload = vec![0x00, 0x53, 0x75];
    engine_message::encode::binary(&mut payload, b"body");
    script.say(&Deed::Credit { handle: 0, credit: 10, drain: false });
    for _ in 0..3 {
        let (settled, format, frames) = (Some(false), 0, Frames::One);
        script.say(&Deed::Send { handle: 0, settled, format, payload: payload.clone(), frames });
    }
    for long in [Long::default(), Long { taking: true, sending: true, settling: true }] {
        let mut node = Node::new(long, SenderSettleMode::Unsettled);
        node.turn([&script.producer, &script.consumer]);
        let [producer, consumer] = &node.peers;
        assert_eq!((producer.bind.client().messages_in, consumer.bind.client().messages_out), (3, 3), "{long:?}");
        let mut decided = Script::default();
        decided.say(&Deed::Decide { count: 3, state: Some(DeliveryState::Accepted), settled: true });
        node.turn([&[], &decided.consumer]);
        let left: u64 = node.home.engine().core().queue_views().map(|queue| queue.messages).sum();
        assert_eq!(left, 0, "{long:?}");
    }
}
