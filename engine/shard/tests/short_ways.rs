//! The short ways into an engine, `deliver`, `accept` and `settle`, against `submit` of the same as commands: for owners on the same shard
//! and behind a lane, which takes what is accepted several at a time.

use std::sync::Arc;

use engine_catalogue::{Catalogue, Layer, Placement};
use engine_core::command::{Command, ConsumerSpec, Outcome, ProducerSpec, Settled};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::CoreConfig;
use engine_core::message::Message;
use engine_core::{Core, QueueView};
use engine_rt::Waker;
use engine_shard::{Engine, mesh_of};
use proptest::prelude::*;

/// What the links of a queue do.
#[derive(Clone, Debug)]
enum Deed {
    Send {
        body: usize,
        settled: Settled,
    },
    Grant(u32),
    Accept(usize),
    /// Accepted, and the peer waits for a confirmation.
    Confirm,
    Release(usize),
    Reject,
    Turns,
}

fn deed() -> impl Strategy<Value = Deed> {
    let settled = prop_oneof![4 => Just(Settled::No), 1 => Just(Settled::Yes)];
    prop_oneof![
        8 => (0..300_usize, settled).prop_map(|(body, settled)| Deed::Send { body, settled }),
        3 => (1..20_u32).prop_map(Deed::Grant),
        4 => (1..20_usize).prop_map(Deed::Accept),
        1 => Just(Deed::Confirm),
        1 => (0..8_usize).prop_map(Deed::Release),
        1 => Just(Deed::Reject),
        3 => Just(Deed::Turns),
    ]
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Short,
    Long,
}

/// Two shards; the links are at the first one.
struct World {
    way: Way,
    engines: Vec<Engine>,
    owner: u16,
    ends: [EndKey; 2],
    held: Vec<u64>,
    sent: u32,
    confirmed: u32,
    now_ns: u64,
}

const PRODUCER: LinkKey = LinkKey { shard: 0, generation: 0, slot: 0 };
const CONSUMER: LinkKey = LinkKey { shard: 0, generation: 0, slot: 1 };

impl World {
    fn new(way: Way, owner: u16) -> Self {
        let wakers: Vec<Waker> = (0..2).map(|_| Waker::new().expect("a descriptor")).collect();
        let placement = Placement::new(2);
        let catalogue =
            Arc::new(Catalogue::new(placement).with_all(Layer { producer_window: Some(10), ..Layer::default() }));
        let engines = mesh_of(&wakers, 1024).into_iter().map(|mesh| {
            let config = CoreConfig { shard: mesh.shard(), catalogue: catalogue.clone(), ..CoreConfig::default() };
            Engine::new(Core::new(config), mesh, None)
        });
        let mut engines: Vec<Engine> = engines.collect();
        let address = catalogue.name_owned_by(owner, |number| format!("q{number}")).expect("there is one");
        let producer = ProducerSpec::of(address.clone());
        engines[0].submit(owner, Command::AttachProducer { link: PRODUCER, spec: Box::new(producer) });
        let consumer = Box::new(ConsumerSpec::of(address));
        engines[0].submit(owner, Command::AttachConsumer { link: CONSUMER, spec: consumer });
        let none = EndKey { generation: 0, slot: 0 };
        let (held, sent, confirmed, now_ns) = (Vec::new(), 0, 0, 1);
        let mut world = Self { way, engines, owner, ends: [none; 2], held, sent, confirmed, now_ns };
        for (link, event) in world.turns() {
            if let Event::Attached { end, .. } = event {
                world.ends[link.slot as usize] = end;
            }
        }
        world
    }

    /// Turns of both until all has come; gives what the links were told.
    fn turns(&mut self) -> Vec<(LinkKey, Event)> {
        let mut told = Vec::new();
        for _ in 0..4 {
            self.now_ns += 1_000_000;
            for engine in &mut self.engines {
                engine.begin_turn(self.now_ns, self.now_ns / 1_000_000);
                loop {
                    let before = told.len();
                    told.extend(std::iter::from_fn(|| engine.poll_event()));
                    while let Some((link, delivery)) = engine.poll_delivery() {
                        let message = engine.message(&delivery).clone();
                        told.push((link, Event::Deliver { key: delivery.key, message }));
                    }
                    if told.len() == before {
                        break;
                    }
                }
                engine.flush();
            }
        }
        self.held.extend(told.iter().filter_map(|(_, event)| match event {
            Event::Deliver { key, .. } => Some(*key),
            _ => None,
        }));
        told
    }

    fn settle(&mut self, key: u64, outcome: Outcome, confirm: Option<u32>) {
        let ([_, end], owner, engine) = (self.ends, self.owner, &mut self.engines[0]);
        match (self.way, &outcome, confirm) {
            (Way::Short, Outcome::Accepted, None) => engine.accept(owner, end, key),
            (Way::Short, ..) => engine.settle(owner, end, key, outcome, confirm),
            (Way::Long, ..) => engine.submit(owner, Command::Settle { end, key, outcome, confirm }),
        }
    }

    fn follow(&mut self, deed: &Deed) -> (Vec<(LinkKey, Event)>, Vec<QueueView>) {
        let ([producer, consumer], owner) = (self.ends, self.owner);
        match *deed {
            Deed::Send { body, settled } => {
                self.sent += 1;
                let (delivery, engine) = (self.sent, &mut self.engines[0]);
                let message = Message::new(vec![delivery as u8; body].into());
                if self.way == Way::Short {
                    engine.deliver(owner, producer, delivery, settled, message);
                } else {
                    engine.submit(owner, Command::Deliver { end: producer, delivery, settled, message });
                }
            }
            Deed::Grant(credit) => self.engines[0].submit(owner, Command::Grant { end: consumer, credit }),
            Deed::Accept(count) => {
                let count = count.min(self.held.len());
                for key in self.held.drain(..count).collect::<Vec<_>>() {
                    self.settle(key, Outcome::Accepted, None);
                }
            }
            Deed::Confirm | Deed::Reject | Deed::Release(_) if self.held.is_empty() => {}
            Deed::Confirm => {
                self.confirmed += 1;
                let key = self.held.remove(0);
                self.settle(key, Outcome::Accepted, Some(self.confirmed));
            }
            Deed::Reject => {
                let key = self.held.remove(0);
                self.settle(key, Outcome::Rejected(None), None);
            }
            Deed::Release(place) => {
                let key = self.held.remove(place % self.held.len());
                self.settle(key, Outcome::Released, None);
            }
            Deed::Turns => return (self.turns(), self.views()),
        }
        (Vec::new(), Vec::new())
    }

    fn views(&self) -> Vec<QueueView> {
        self.engines.iter().flat_map(|engine| engine.core().queue_views()).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn short_ways_into_an_engine_do_what_commands_do(
        owner in 0..2_u16, mut deeds in prop::collection::vec(deed(), 1..100),
    ) {
        deeds.push(Deed::Turns);
        let [mut short, mut long] = [Way::Short, Way::Long].map(|way| World::new(way, owner));
        for deed in &deeds {
            prop_assert_eq!(short.follow(deed), long.follow(deed), "after {:?}", deed);
        }
        for world in [&short, &long] {
            world.engines.iter().for_each(|engine| engine.core().check());
            prop_assert!(world.engines.iter().all(|engine| engine.mesh().views().all(|lane| lane.waiting == 0)));
        }
    }
}
