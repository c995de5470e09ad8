//! Routed messages between shards of which one does not look: what waits for it has a bound.

use std::sync::Arc;

use bytes::Bytes;
use engine_catalogue::{Catalogue, Placement};
use engine_core::Core;
use engine_core::command::{Command, ConsumerSpec, Outcome, ProducerSpec, Settled};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey, Port};
use engine_core::limits::CoreConfig;
use engine_core::message::Message;
use engine_router::table::{Addresses, Rules};
use engine_router::{RouterId, Treatment};
use engine_routing::{Answer, Registry, Router, RouterConfig, RouterTotals, Told};
use engine_rt::Waker;
use engine_shard::limits::{ROUTED_BACKLOG_SHARE, SETTLED_BACKLOG_MAX};
use engine_shard::{Engine, ROUTED, mesh_of};

/// Messages in a lane.
const LANE: usize = 16;
/// Deliveries that a link may have unsettled.
const CAPACITY: u32 = 1000;

struct Node {
    engines: Vec<Engine>,
    registry: Registry,
    events: Vec<(LinkKey, Event)>,
}

impl Node {
    /// Two shards with so much memory for routed messages each.
    fn new(memory_bytes: u64) -> Self {
        let wakers: Vec<Waker> = (0..2).map(|_| Waker::new().expect("a descriptor")).collect();
        let catalogue = Arc::new(Catalogue::new(Placement::new(2)));
        let mut addresses = Addresses::new(Arc::new(Rules::new([], Treatment::Closest)), 7);
        let (table, id) = (addresses.view(), RouterId::new("A").expect("an id"));
        let engines = mesh_of(&wakers, LANE).into_iter().map(|mesh| {
            let (shard, catalogue) = (mesh.shard(), Arc::clone(&catalogue));
            let core = Core::new(CoreConfig { shard, catalogue, ..CoreConfig::default() });
            let (table, id) = (table.clone(), id.clone());
            let config = RouterConfig {
                shard,
                shards: 2,
                id,
                table,
                capacity: CAPACITY,
                memory_bytes,
                mode: engine_router::address::Mode::Interior,
            };
            Engine::new(core, mesh, None).with_router(Router::new(config))
        });
        Self { engines: engines.collect(), registry: Registry::new(addresses, 2, None), events: Vec::new() }
    }

    /// A turn of a shard.
    fn turn(&mut self, shard: usize) {
        let engine = &mut self.engines[shard];
        engine.begin_turn(0, 0);
        loop {
            self.events.extend(std::iter::from_fn(|| engine.poll_event()));
            let mut routed = Told::default();
            engine.take_routed(&mut routed);
            if routed.is_empty() {
                break;
            }
            self.events.append(&mut routed.events);
        }
        engine.flush();
        while let Some(note) = engine.poll_note() {
            self.registry.handle_note(note, 0);
        }
        if let Some(update) = self.registry.poll_update() {
            self.engines.iter_mut().for_each(|engine| engine.handle_update(update.clone()));
        }
        while let Some(Answer::Stands(consumer) | Answer::Refused(consumer)) = self.registry.poll_answer() {
            self.engines[usize::from(consumer.shard())].handle_router_answer(Answer::Stands(consumer));
        }
    }

    fn attach(&mut self, shard: u16, command: impl FnOnce(LinkKey) -> Command) -> EndKey {
        let link = LinkKey::at(Port::Peer, shard, 0, 1 + u32::from(shard));
        self.engines[usize::from(shard)].submit(ROUTED, command(link));
        (0..6).for_each(|turn| self.turn(turn % 2));
        let end = self.events.drain(..).find_map(|(_, event)| match event {
            Event::Attached { end, .. } => Some(end),
            _ => None,
        });
        end.expect("it is attached")
    }

    /// A receiver with so much credit on shard 1, and a sender on shard 0.
    fn link(&mut self, credit: u32) -> EndKey {
        let spec = Box::new(ConsumerSpec::of("a"));
        let receiver = self.attach(1, |link| Command::AttachConsumer { link, spec });
        self.engines[1].submit(ROUTED, Command::Grant { end: receiver, credit });
        let spec = Box::new(ProducerSpec::of("a"));
        self.attach(0, |link| Command::AttachProducer { link, spec })
    }

    fn send(&mut self, end: EndKey, number: u32, settled: Settled, octets: usize) {
        self.engines[0].deliver(ROUTED, end, number, settled, Message::new(Bytes::from(vec![0; octets])));
    }

    fn totals(&self, shard: usize) -> RouterTotals {
        self.engines[shard].router().expect("a router").totals()
    }
}

#[test]
fn settled_messages_for_a_shard_that_does_not_look_are_dropped_beyond_a_number() {
    let mut node = Node::new(1 << 40);
    let sender = node.link(1 << 20);
    let most = (LANE + SETTLED_BACKLOG_MAX) as u32;
    for number in 0..most + 100 {
        node.send(sender, number, Settled::Yes, 4);
        node.turn(0);
    }
    assert_eq!(node.totals(0).deliveries.dropped_late, 100);
    for _ in 0..most as usize / LANE + 1 {
        node.turn(1);
        node.turn(0);
    }
    let came = node.events.iter().filter(|(_, event)| matches!(event, Event::Deliver { .. })).count();
    assert_eq!(came, most as usize, "what waited came");
}

#[test]
fn messages_for_a_shard_that_does_not_look_are_released_beyond_so_many_octets() {
    let mut node = Node::new(ROUTED_BACKLOG_SHARE * 100_000);
    let sender = node.link(1 << 20);
    for number in 0..LANE as u32 + 200 {
        node.send(sender, number, Settled::No, 1000);
        node.turn(0);
    }
    node.turn(0);
    let released = |event: &Event| match event {
        Event::Settled { first, last, outcome: Outcome::Released } => last - first + 1,
        _ => 0,
    };
    let told: u32 = node.events.iter().map(|(_, event)| released(event)).sum();
    assert_eq!((told, node.totals(0).deliveries.refused), (111, 111), "100,000 octets wait, with what each costs");
    node.send(sender, 900, Settled::Yes, 1000);
    node.turn(0);
    assert_eq!(node.totals(0).deliveries.dropped_late, 1);
    // It looks: what waited comes, and there is room again.
    for _ in 0..20 {
        node.turn(1);
        node.turn(0);
    }
    node.send(sender, 901, Settled::No, 1000);
    node.turn(0);
    node.turn(1);
    let came = node.events.iter().filter(|(_, event)| matches!(event, Event::Deliver { .. })).count();
    assert_eq!(came, LANE + 200 - 111 + 1);
}
