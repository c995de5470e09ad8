//! Several shards on one thread, in an order that a seed chooses: which shard takes its turn, how long others wait for what
//! it said, how small the lanes are.
//!
//! Shown for every seed: nothing sent is lost or doubled, each message is with one consumer at a time, one consumer's
//! first deliveries of a queue are in order, every producer is answered once for each message, and when all is done nothing is
//! left in a lane. A failing seed fails again: there is no clock, no thread and no other chance in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use engine_catalogue::Placement;
use engine_catalogue::{Catalogue, Layer};
use engine_core::Core;
use engine_core::command::{Command, ConsumerSpec, DetachMode, Outcome, ProducerSpec, Settled};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::CoreConfig;
use engine_core::message::Message;
use engine_rt::Waker;
use engine_shard::{Engine, mesh_of};
use test_support::Chance;

const QUEUES: usize = 4;

enum Role {
    Producer {
        credit: u32,
        next: u32,
        open: BTreeSet<u32>,
    },
    /// Its credit is what the owner may have of it.
    Consumer {
        newest: Option<u64>,
        held: Vec<(u64, u64)>,
        credit: u32,
        revoking: u32,
    },
}

/// A link at its home.
struct Link {
    queue: usize,
    home: usize,
    owner: u16,
    end: Option<EndKey>,
    gone: bool,
    role: Role,
}

struct World {
    chance: Chance,
    engines: Vec<Engine>,
    names: Vec<String>,
    links: Vec<Link>,
    /// Messages sent to each queue, in order.
    sent: Vec<u64>,
    /// Where each message of a queue is with a consumer.
    held: BTreeMap<(usize, u64), usize>,
    done: BTreeSet<(usize, u64)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let shards = 2 + chance.below(3);
        let capacity = [2, 4, 16, 1024][chance.below(4)];
        let wakers: Vec<Waker> = (0..shards).map(|_| Waker::new().expect("a descriptor")).collect();
        let placement = Placement::new(shards as u16);
        let engines = mesh_of(&wakers, capacity).into_iter().map(|mesh| {
            let layer = Layer { producer_window: Some(20), ..Layer::default() };
            let catalogue = Arc::new(Catalogue::new(placement).with_all(layer));
            let config = CoreConfig { shard: mesh.shard(), catalogue, ..CoreConfig::default() };
            Engine::new(Core::new(config), mesh, None)
        });
        let names = (0..QUEUES).map(|queue| format!("queue-{queue}")).collect();
        let (engines, sent) = (engines.collect(), vec![0; QUEUES]);
        let (links, held, done) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { chance, engines, names, links, sent, held, done }
    }

    fn attach(&mut self, queue: usize, consumer: bool) {
        let home = self.chance.below(self.engines.len());
        let (address, slot) = (self.names[queue].clone(), self.links.len() as u32);
        let link = LinkKey { shard: home as u16, generation: 0, slot };
        let owner = self.engines[home].owner_of(&address);
        let (command, role) = if consumer {
            let spec = ConsumerSpec::of(address);
            let role = Role::Consumer { newest: None, held: Vec::new(), credit: 0, revoking: 0 };
            (Command::AttachConsumer { link, spec: Box::new(spec) }, role)
        } else {
            let spec = ProducerSpec::of(address);
            let role = Role::Producer { credit: 0, next: 0, open: BTreeSet::new() };
            (Command::AttachProducer { link, spec: Box::new(spec) }, role)
        };
        self.links.push(Link { queue, home, owner, end: None, gone: false, role });
        self.engines[home].submit(owner, command);
    }

    /// One shard's turn.
    fn turn(&mut self, shard: usize) {
        self.engines[shard].begin_turn(1, 1);
        loop {
            let mut any = false;
            while let Some((link, event)) = self.engines[shard].poll_event() {
                any = true;
                assert_eq!(usize::from(link.shard), shard, "events reach the home of their link");
                self.handle(link.slot as usize, event);
            }
            while let Some((link, delivery)) = self.engines[shard].poll_delivery() {
                any = true;
                let message = self.engines[shard].message(&delivery).clone();
                self.handle(link.slot as usize, Event::Deliver { key: delivery.key, message });
            }
            if !any {
                break;
            }
        }
        self.engines[shard].flush();
    }

    fn handle(&mut self, index: usize, event: Event) {
        let link = &mut self.links[index];
        match (event, &mut link.role) {
            (Event::Attached { end, .. }, _) => {
                link.end = Some(end);
                if link.gone {
                    self.engines[link.home].submit(link.owner, Command::Detach { end, mode: DetachMode::Lost });
                }
            }
            (_, _) if link.gone => {}
            (Event::Credit { credit: more }, Role::Producer { credit, .. }) => *credit += more,
            (Event::Settled { first, last, outcome }, Role::Producer { open, .. }) => {
                assert_eq!(outcome, Outcome::Accepted);
                (first..=last).for_each(|delivery| assert!(open.remove(&delivery), "answered once"));
            }
            (Event::Revoked { asked, taken }, Role::Consumer { credit, revoking, .. }) => {
                assert!(
                    taken <= asked && taken <= *credit && asked <= *revoking,
                    "no more than was asked for and is there"
                );
                *credit -= taken;
                *revoking -= asked;
                assert!(*revoking > 0 || *credit == 0, "all of it was taken back, or used before");
            }
            (Event::Deliver { key, message }, Role::Consumer { newest, held, credit, .. }) => {
                *credit = credit.checked_sub(1).expect("a consumer has credit for what it gets");
                let number = u64::from_be_bytes(message.body[..].try_into().expect("eight octets"));
                let place = (link.queue, number);
                assert!(!self.done.contains(&place), "{place:?} came again after it was done");
                assert_eq!(self.held.insert(place, index), None, "{place:?} is with two consumers");
                if message.header.first_acquirer {
                    assert!(newest.is_none_or(|newest| newest < number), "first deliveries are in order");
                    *newest = Some(number);
                }
                held.push((key, number));
            }
            (event, _) => panic!("no link gets this: {event:?}"),
        }
    }

    /// Something that a random link does.
    fn act(&mut self) {
        let index = self.chance.below(self.links.len());
        let choice = self.chance.below(10);
        let link = &mut self.links[index];
        let (Some(end), false) = (link.end, link.gone) else { return };
        let engine = &mut self.engines[link.home];
        match &mut link.role {
            Role::Producer { credit, next, open } if *credit > 0 => {
                *credit -= 1;
                let number = self.sent[link.queue];
                self.sent[link.queue] += 1;
                open.insert(*next);
                let message = Message::new(Bytes::copy_from_slice(&number.to_be_bytes()));
                engine.deliver(link.owner, end, *next, Settled::No, message);
                *next += 1;
            }
            Role::Consumer { held, .. } if choice < 5 && !held.is_empty() => {
                let (key, number) = held.swap_remove(choice % held.len());
                self.held.remove(&(link.queue, number));
                let outcome = if choice == 0 { Outcome::Released } else { Outcome::Accepted };
                if outcome == Outcome::Accepted {
                    self.done.insert((link.queue, number));
                }
                engine.settle(link.owner, end, key, outcome, None);
            }
            Role::Consumer { held, .. } if choice == 9 => {
                for (_, number) in held.drain(..) {
                    self.held.remove(&(link.queue, number));
                }
                link.gone = true;
                engine.submit(link.owner, Command::Detach { end, mode: DetachMode::Lost });
                let queue = self.chance.below(QUEUES);
                self.attach(queue, true);
            }
            // It takes all of its credit back, and gives none until it has it.
            Role::Consumer { credit, revoking, .. } if choice == 8 && *credit > 0 && *revoking == 0 => {
                *revoking = *credit;
                engine.submit(link.owner, Command::Revoke { end, credit: *credit });
            }
            Role::Consumer { revoking, .. } if *revoking > 0 => {}
            Role::Consumer { credit, .. } => {
                *credit += 3;
                engine.submit(link.owner, Command::Grant { end, credit: 3 });
            }
            Role::Producer { .. } => {}
        }
    }
}

fn simulate(seed: u64) {
    let mut world = World::new(seed);
    // One producer for each queue keeps the order of its messages known.
    (0..QUEUES).for_each(|queue| world.attach(queue, false));
    (0..6).for_each(|consumer| world.attach(consumer % QUEUES, true));
    for _ in 0..3_000 {
        if world.chance.below(4) == 0 {
            let shard = world.chance.below(world.engines.len());
            world.turn(shard);
        } else {
            world.act();
        }
    }
    // The end: everybody takes turns until nothing moves, and everything that is held is given back.
    for _ in 0..400 {
        (0..world.engines.len()).for_each(|shard| world.turn(shard));
    }
    for link in &world.links {
        if let Role::Producer { open, .. } = &link.role {
            assert!(open.is_empty(), "every message was answered");
        }
    }
    let queued: u64 =
        world.engines.iter().flat_map(|engine| engine.core().queue_views()).map(|queue| queue.messages).sum();
    let sent: u64 = world.sent.iter().sum();
    assert_eq!(queued + world.done.len() as u64, sent, "nothing is lost, nothing is invented");
    for engine in &world.engines {
        engine.core().check();
        assert!(engine.mesh().views().all(|lane| lane.depth == 0 && lane.waiting == 0), "lanes are empty");
    }
}

#[test]
fn shards_keep_their_promises_in_any_order() {
    let number = |name, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let first = number("HEDDLE_FIRST_SEED", 0);
    for seed in first..first + number("HEDDLE_SEEDS", 300) {
        let outcome = std::panic::catch_unwind(|| simulate(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
