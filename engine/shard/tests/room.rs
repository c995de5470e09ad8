//! Producers of a journal that grows: as long as the disk has room, and makes segments faster than they are filled,
//! nobody is held up, however long the journal is and becomes.
//!
//! Time is counted in turns here: what is shown is which answers of the disk producers wait for, not how fast any disk
//! is.

use bytes::Bytes;
use engine_core::command::{Command, ProducerSpec, Settled};
use engine_core::event::Event;
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::{Header, Message};
use engine_core::{Core, Room};
use engine_shard::store::{Recovery, Store, StoreConfig};
use storage_journal::{Done, Order};

const SEGMENT: u64 = 256 * 1024;
const CONFIG: StoreConfig =
    StoreConfig { shard: 0, directory: [7; 16], segment_bytes: SEGMENT, checkpoint_segments: 100 };
/// Octets that a producer sends in a turn, two blocks with what is around them: a segment is full after 31 turns.
const TURN_BYTES: usize = 4000;
/// Turns that the disk takes to make a segment: three in the time in which two are filled.
const MAKING: u64 = 20;

/// A disk that writes at once, and makes one segment at a time.
#[derive(Default)]
struct Disk {
    now: u64,
    /// The segment that is made, and when it is ready.
    making: Option<(u64, u64)>,
    made: u64,
}

impl Disk {
    fn handle_order(&mut self, order: Order) -> Option<Done> {
        match order {
            Order::Write { place, buffer } => {
                assert!(place.segment <= self.made, "a batch goes to a segment that is ready");
                Some(Done::Written { buffer })
            }
            Order::Prepare { segment, .. } => {
                assert_eq!(self.making.replace((segment, self.now + MAKING)), None, "one at a time");
                None
            }
            Order::Vouch { batch } => Some(Done::Vouched { batch }),
            order => panic!("everything is needed, and in memory: {order:?}"),
        }
    }

    fn step(&mut self) -> Option<Done> {
        self.now += 1;
        let (segment, _) = self.making.take_if(|(_, ready)| *ready <= self.now)?;
        self.made = segment;
        Some(Done::Prepared { segment })
    }
}

struct World {
    core: Core,
    store: Store,
    disk: Disk,
    producer: EndKey,
    sent: u32,
}

impl World {
    fn new() -> Self {
        let mut core = Core::new(CoreConfig { storage: Storage::Journal, ..CoreConfig::default() });
        let spec = ProducerSpec::of("orders");
        let link = LinkKey { shard: 0, generation: 0, slot: 1 };
        core.handle_command(1, 1, Command::AttachProducer { link, spec: Box::new(spec) });
        let Some((_, Event::Attached { end: producer, .. })) = core.poll_event() else { panic!("it is attached") };
        let store = Recovery::new(CONFIG).finish().store;
        Self { core, store, disk: Disk::default(), producer, sent: 0 }
    }

    fn send(&mut self) {
        let header = Header { durable: true, ..Header::default() };
        let message = Message { header, ..Message::new(Bytes::from(vec![0; TURN_BYTES])) };
        let now_ns = self.disk.now;
        self.core.handle_deliver(now_ns, 1, self.producer, self.sent, Settled::No, message);
        self.sent += 1;
    }

    fn turn(&mut self) {
        if let Some(done) = self.disk.step() {
            self.handle_done(done);
        }
        self.store.handle_turn(&mut self.core, self.disk.now);
        while let Some(order) = self.store.poll_order() {
            if let Some(done) = self.disk.handle_order(order) {
                self.handle_done(done);
            }
        }
        while self.core.poll_event().is_some() {}
    }

    fn handle_done(&mut self, done: Done) {
        self.store.handle_done(&mut self.core, self.disk.now, done).expect("the disk does what it should");
    }
}

#[test]
fn a_journal_that_becomes_long_holds_up_nobody() {
    let mut world = World::new();
    // The first segments are made before there is much to write.
    world.send();
    (0..4 * MAKING).for_each(|_| world.turn());
    for turn in 0..1200 {
        world.send();
        world.turn();
        let totals = world.store.totals();
        assert_eq!(world.core.room(), Room::Plenty, "turn {turn}, {totals:?}");
    }
    assert!(world.store.totals().segments > 12, "a long journal: {:?}", world.store.totals());
}
