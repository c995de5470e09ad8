//! What is told of a journal while a turn goes on: what waits to be written counts before the journal was told of it.

use bytes::Bytes;
use engine_core::Core;
use engine_core::command::{Command, ConsumerSpec, Modified, Outcome, ProducerSpec, Settled};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::{Header, Message};
use engine_rt::Waker;
use engine_shard::Engine;
use engine_shard::store::{Recovery, StoreConfig};
use storage_journal::{Done, Order};

const CONFIG: StoreConfig =
    StoreConfig { shard: 0, directory: [7; 16], segment_bytes: 256 * 1024, checkpoint_segments: 100 };

/// A shard alone, with a disk that does at once what it is told.
struct Alone {
    engine: Engine,
    now_ns: u64,
}

impl Alone {
    fn new() -> Self {
        let waker = Waker::new().expect("a descriptor");
        let mesh = engine_shard::mesh(&[waker]).remove(0);
        let core = Core::new(CoreConfig { storage: Storage::Journal, ..CoreConfig::default() });
        let store = Recovery::new(CONFIG).finish().store;
        Self { engine: Engine::new(core, mesh, Some(store)), now_ns: 1 }
    }

    fn attach(&mut self, command: Command) -> EndKey {
        self.engine.submit(0, command);
        let attached = std::iter::from_fn(|| self.engine.poll_event()).find_map(|(_, event)| match event {
            Event::Attached { end, .. } => Some(end),
            _ => None,
        });
        attached.expect("it is attached")
    }

    /// Turns until nothing waits for the disk any more.
    fn rest(&mut self) {
        while self.engine.is_writing() {
            self.engine.commit();
            while let Some(order) = self.engine.poll_order() {
                let done = match order {
                    Order::Write { buffer, .. } => Done::Written { buffer },
                    Order::Prepare { segment, .. } => Done::Prepared { segment },
                    Order::Vouch { batch } => Done::Vouched { batch },
                    order => panic!("there is nothing to read, and nothing goes: {order:?}"),
                };
                self.engine.handle_done(done).expect("the disk does what it should");
            }
            self.now_ns += 1_000_000;
            self.engine.begin_turn(self.now_ns, 1);
        }
    }

    fn pending_bytes(&self) -> u64 {
        self.engine.journal().expect("it has one").pending_bytes
    }
}

#[test]
fn what_was_not_told_to_the_journal_waits_as_well() {
    let mut shard = Alone::new();
    shard.engine.begin_turn(1, 1);
    let key = |slot| LinkKey { shard: 0, generation: 0, slot };
    let spec = ProducerSpec::of("orders");
    let producer = shard.attach(Command::AttachProducer { link: key(1), spec: Box::new(spec) });
    let spec = ConsumerSpec::of("orders".to_owned());
    let consumer = shard.attach(Command::AttachConsumer { link: key(2), spec: Box::new(spec) });
    shard.rest();
    assert_eq!(shard.pending_bytes(), 0);
    let header = Header { durable: true, ..Header::default() };
    for delivery in 0..3 {
        let message = Message { header, ..Message::new(Bytes::from(vec![7; 1000])) };
        shard.engine.deliver(0, producer, delivery, Settled::No, message);
    }
    let sent = shard.pending_bytes();
    assert!((3000..4000).contains(&sent), "three messages and a declaration, before the turn ends: {sent}");
    assert!(shard.engine.is_writing());
    shard.rest();
    let totals = shard.engine.journal().expect("it has one");
    assert_eq!((totals.pending_bytes, totals.written, totals.durable), (0, 4, 4), "four facts");
    shard.engine.submit(0, Command::Grant { end: consumer, credit: 3 });
    let mut keys = Vec::new();
    while shard.engine.poll_event().is_some() {}
    while let Some((_, delivery)) = shard.engine.poll_delivery() {
        keys.push(delivery.key);
    }
    assert_eq!(keys.len(), 3);
    assert_eq!(shard.pending_bytes(), 0, "what is held is nothing to write");
    shard.engine.accept(0, consumer, keys[0]);
    let one = shard.pending_bytes();
    assert!(one > 0, "an acceptance that the journal has not heard of");
    shard.engine.accept(0, consumer, keys[1]);
    assert_eq!(shard.pending_bytes(), one, "neighbours are one record");
    let failed = Modified { delivery_failed: true, ..Modified::default() };
    shard.engine.settle(0, consumer, keys[2], Outcome::Modified(Box::new(failed)), None);
    assert!(shard.pending_bytes() > one, "a failure is one, too");
    assert!(shard.engine.is_writing(), "a node that stops waits for it");
    shard.rest();
    assert_eq!(shard.pending_bytes(), 0);
}
