//! A node of one shard with a few queues and a consumer of each, whose disk does at once what it is told. What it writes can be looked at.

use engine_core::Core;
use engine_core::command::{Command, ConsumerSpec, RoutingType};
use engine_core::event::Event;
use engine_core::fact::{Declared, Purpose};
use engine_core::key::{EndKey, LinkKey};
use engine_core::limits::{CoreConfig, Storage};
use engine_core::message::{Header, Message};
use engine_shard::store::{Recovery, Store, StoreConfig};
use storage_journal::{Order, Place};
use test_support::{Chance, Disk, DiskOptions};

/// Length of a segment, octets.
pub const SEGMENT: usize = 64 * 1024;

/// The store of a node's first shard.
pub fn config(directory: [u8; 16]) -> StoreConfig {
    StoreConfig { shard: 0, directory, segment_bytes: SEGMENT as u64, checkpoint_segments: 3 }
}

/// A batch as it was written.
pub type Batch = (Place, Vec<u8>);

pub struct Node {
    pub core: Core,
    pub store: Store,
    pub disk: Disk,
    /// Every batch in the order of writing, until somebody takes them.
    pub batches: Vec<Batch>,
    /// What consumers have and did not settle.
    pub held: Vec<(EndKey, u64)>,
    /// The names of its queues.
    pub names: &'static [&'static str],
    /// Their numbers.
    pub queues: Vec<u64>,
    consumers: Vec<EndKey>,
    sent: u64,
    now_ns: u64,
}

impl Node {
    /// A node with these queues, and nobody that consumes.
    pub fn new(directory: [u8; 16], memory_bytes: u64, names: &'static [&'static str]) -> Self {
        let disk = Disk::new(DiskOptions {
            shard: 0,
            directory,
            segment_bytes: SEGMENT,
            segments_max: 10_000,
            file_segments: 0,
            lost_checkpoints: None,
        });
        let mut node = Self {
            core: Self::core(memory_bytes),
            store: Recovery::new(config(directory)).finish().store,
            disk,
            batches: Vec::new(),
            held: Vec::new(),
            names,
            queues: Vec::new(),
            consumers: Vec::new(),
            sent: 0,
            now_ns: 1,
        };
        names.iter().for_each(|name| node.declare(name));
        node
    }

    /// An owner without queues.
    pub fn core(memory_bytes: u64) -> Core {
        let (storage, stored_bytes_max) = (Storage::Journal, Store::body_max(64 << 20));
        Core::new(CoreConfig { storage, stored_bytes_max, memory_bytes, ..CoreConfig::default() })
    }

    /// Another queue.
    pub fn declare(&mut self, name: &str) {
        let (routing, purpose) = (RoutingType::Anycast, Purpose::OnDemand);
        let declared = Declared {
            queue: 0,
            routing,
            purpose,
            address: name.to_owned(),
            name: name.to_owned(),
            selector: None,
            no_local: None,
        };
        self.queues.push(self.core.adopt_queue(&declared));
    }

    /// Each queue gets a consumer.
    pub fn attach(&mut self) {
        self.consumers.clear();
        for (slot, &address) in (0..).zip(self.names) {
            let link = LinkKey { shard: 0, generation: 0, slot };
            let spec = Box::new(ConsumerSpec::of(address));
            self.core.handle_command(1, 1, Command::AttachConsumer { link, spec });
            let attached = std::iter::from_fn(|| self.core.poll_event()).find_map(|(_, event)| match event {
                Event::Attached { end, .. } => Some(end),
                _ => None,
            });
            self.consumers.push(attached.expect("the queue is there"));
        }
    }

    /// A queue gets a message with its number, and so many octets that follow from it.
    pub fn put(&mut self, queue: usize, size: usize, header: Header) {
        self.sent += 1;
        let mut body = self.sent.to_be_bytes().to_vec();
        body.resize(8 + size, self.sent as u8);
        self.core.adopt_message(self.queues[queue], Message { header, ..Message::new(body.into()) });
    }

    /// Consumers get up to so many more messages.
    pub fn take(&mut self, credit: u32) {
        for &end in &self.consumers {
            self.core.handle_command(1, 1, Command::Grant { end, credit });
        }
        self.turn();
        while let Some((link, delivery)) = self.core.poll_delivery() {
            self.held.push((self.consumers[link.slot as usize], delivery.key));
        }
    }

    /// A turn, after which the disk has done everything.
    pub fn turn(&mut self) {
        self.now_ns += 10_000_000;
        self.store.handle_turn(&mut self.core, self.now_ns);
        // One order after the other, so that nothing is left to chance.
        let mut chance = Chance::new(0);
        while let Some(order) = self.store.poll_order() {
            if let Order::Write { place, buffer } = &order {
                self.batches.push((*place, buffer.bytes().to_vec()));
            }
            self.disk.submit(order);
            if let Some(done) = self.disk.step(&mut chance) {
                self.store.handle_done(&mut self.core, self.now_ns, done).expect("the disk does what it should");
            }
        }
        while self.core.poll_event().is_some() {}
    }

    /// Turns until nothing is under way.
    pub fn rest(&mut self) {
        for _ in 0..1000 {
            self.turn();
            if self.store.is_resting() {
                return;
            }
        }
        panic!("it comes to rest");
    }
}
