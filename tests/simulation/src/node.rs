//! The node: the product's own bindings, homes, owners, meshes and stores of all shards, on one thread, with disks in memory.
//!
//! Guarantees: what survives a crash is what the disks have; what one shard hands to another comes there. Not here: how a shard has its
//! turn (`shard`), and when (`world`).

use std::sync::Arc;

use engine_catalogue::Catalogue;
use engine_core::fact::TRANSACTIONS;
use engine_core::limits::{CoreConfig, Storage};
use engine_core::step::Resumed;
use engine_core::{Answer, Core, QueueView, Version, kept_patterns};
use engine_home::{AddressRules, HomeConfig, Moves};
use engine_ledger::Ledger;
use engine_rt::Waker;
use engine_shard::store::{Entries, Recovered, Recovery, Store, StoreConfig, StoreError, StoreTotals, resume};
use engine_shard::{Engine, LaneView, Mesh, mesh_of};
use storage_journal::SegmentPart;
use storage_journal::format::BLOCK;
use test_support::{Chance, Crash, Disk, DiskOptions};

use crate::model::{DeadLetters, Redelivery};
use crate::shard::{Accepts, Moment, Rest, Shard};
use crate::wire::{Wire, wire};

/// Length of a segment, octets: short, so that a run goes through many.
pub const SEGMENT: usize = 64 * 1024;
/// The data directory's identity.
const DIRECTORY: [u8; 16] = [9; 16];
/// The wall's time when a simulation begins, milliseconds since 1970.
const WALL_MS: u64 = 1_700_000_000_000;

/// How a node is set up.
#[derive(Clone, Copy, Debug)]
pub struct NodeOptions {
    /// Shards.
    pub shards: u16,
    /// Messages in one lane.
    pub lane: usize,
    /// Whether there is a journal.
    pub storage: Storage,
    /// Memory of a shard's messages, octets.
    pub memory_bytes: u64,
    /// Credit of a producer.
    pub window: u32,
    /// Messages of a queue beyond which producers get no more credit; 0: any number.
    pub max_messages: u64,
    /// Whether connections move to the shard of their first link.
    pub moves: Moves,
    /// Largest frame that the node takes and sends, octets.
    pub frame: u32,
    /// Segments that a disk has room for.
    pub segments_max: usize,
    /// Octets that the node may be ahead of a client that does not read.
    pub ahead: usize,
    /// What becomes of messages that are rejected or expire.
    pub dead_letters: DeadLetters,
    /// What becomes of messages whose delivery fails.
    pub redelivery: Redelivery,
}

/// Octets of messages beyond a shard's budget, at most: what producers have credit for still, and what is about to leave memory.
const MEMORY_BEYOND: u64 = 1 << 20;

/// What a shard had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// Nothing: it sleeps.
    Not,
    /// It had a turn, and is due then.
    Until(Rest),
}

/// A shard, as it is now.
#[derive(Debug)]
pub struct View {
    /// Size of its messages in memory, octets.
    pub memory_bytes: u64,
    /// Connections.
    pub connections: usize,
    /// Links.
    pub links: usize,
    /// What its journal did.
    pub journal: Option<StoreTotals>,
    /// What is kept there of queues: their addresses, and how many messages; not that there is a queue of transactions.
    pub kept: Vec<(String, u64)>,
    /// Transactions over several shards that it is committing.
    pub committing: usize,
    /// Its queues.
    pub queues: Vec<QueueView>,
    /// Its lanes.
    pub lanes: Vec<LaneView>,
}

/// All shards, and their disks.
pub struct Node {
    options: NodeOptions,
    shards: Vec<Shard>,
    disks: Vec<Disk>,
    /// What holds at a start.
    catalogue: Arc<Catalogue>,
    /// Starts so far.
    starts: u64,
}

impl Node {
    /// A node on empty disks; it does not run yet.
    pub fn new(options: NodeOptions, catalogue: Arc<Catalogue>) -> Self {
        let disk = |shard| {
            let segments_max = options.segments_max;
            Disk::new(DiskOptions {
                shard,
                directory: DIRECTORY,
                segment_bytes: SEGMENT,
                segments_max,
                file_segments: 1,
                lost_checkpoints: Some(10),
            })
        };
        let disks = (0..options.shards).map(disk).collect();
        Self { options, shards: Vec::new(), disks, catalogue, starts: 0 }
    }

    /// Starts it on what its disks have.
    pub fn start(&mut self, chance: &mut Chance) {
        self.starts += 1;
        let NodeOptions { shards, lane, moves, frame, .. } = self.options;
        let wakers: Vec<Waker> = (0..shards).map(|_| Waker::new().expect("a descriptor")).collect();
        let amqp = amqp_proto::Config {
            max_frame_size: frame,
            incoming_window: 64,
            idle_timeout_ms: 0,
            ..amqp_proto::Config::default()
        };
        let accepts = Accepts { amqp: Arc::new(amqp), moves };
        let journals = self.recover(chance);
        let patterns = kept_patterns(journals.iter().flat_map(|(journal, _)| &journal.restored));
        let mut journals = journals.into_iter();
        for (mesh, waker) in mesh_of(&wakers, lane).into_iter().zip(wakers) {
            let home = HomeConfig {
                addresses: AddressRules::default(),
                links_max: 1024,
                node_id: format!("run{}", self.starts),
                first_file: 0,
            };
            let engine = self.engine(mesh, journals.next(), &patterns);
            self.shards.push(Shard::new(engine, home, accepts.clone(), waker));
        }
    }

    /// A shard's engine, as its disk has it.
    fn engine(&self, mesh: Mesh, journal: Option<(Recovered, Resumed)>, patterns: &[Box<str>]) -> Engine {
        let shard = mesh.shard();
        let mut core = Core::new(CoreConfig {
            shard,
            catalogue: Arc::clone(&self.catalogue),
            memory_bytes: self.options.memory_bytes,
            storage: self.options.storage,
            stored_bytes_max: Store::body_max(64 << 20),
            ..CoreConfig::default()
        });
        let store = journal.map(|(Recovered { store, restored, last }, resumed)| {
            core.restore_numbers(last);
            restored.iter().for_each(|queue| core.restore(queue));
            core.know_patterns(patterns);
            core.resume_transactions(resumed);
            core.check();
            store
        });
        Engine::new(core, mesh, store)
    }

    /// What its disks have, and what of transactions over several shards a crash left to each.
    fn recover(&self, chance: &mut Chance) -> Vec<(Recovered, Resumed)> {
        if self.options.storage == Storage::Memory {
            return Vec::new();
        }
        let mut journals: Vec<Recovered> = self.disks.iter().map(|disk| recover(disk, chance)).collect();
        let entries = journals.iter_mut().zip(&self.disks).map(|(journal, disk)| {
            let mut all = Entries::new();
            for area in journal.take_transactions() {
                let (place, bytes) = (area.place(), area.bytes());
                let from = usize::try_from(place.offset).expect("segments are small");
                let read = &disk.segments()[&place.segment][from..from + bytes];
                area.entries(read, &mut all).expect("decisions are whole");
            }
            all
        });
        let resumed = resume(entries.collect());
        journals.iter_mut().zip(&resumed).for_each(|(journal, resumed)| journal.resume(resumed));
        journals.into_iter().zip(resumed).collect()
    }

    /// A new connection to a shard.
    pub fn connect(&mut self, shard: usize, now_ns: u64) -> Option<Wire> {
        let (ours, theirs) = wire(self.options.ahead);
        self.shards.get_mut(shard)?.accept(theirs, now_ns);
        Some(ours)
    }

    /// Gives a shard its turn if there is anything for it.
    ///
    /// # Errors
    /// When its journal failed: the node stops.
    pub fn turn(&mut self, shard: usize, chance: &mut Chance, now_ns: u64) -> Result<Turned, StoreError> {
        let at = Moment { now_ns, wall_ms: wall_ms(now_ns) };
        let (Some(running), Some(disk)) = (self.shards.get_mut(shard), self.disks.get_mut(shard)) else {
            return Ok(Turned::Not);
        };
        let turned = running.run(Some(disk), chance, at)?;
        let (rest, leaving) = (running.rest(), running.take_leaving());
        leaving.into_iter().for_each(|moving| moving.arrive(&mut self.shards));
        Ok(if turned { Turned::Until(rest) } else { Turned::Not })
    }

    /// Tells a shard of a version of the catalogue.
    pub fn tell(&mut self, shard: usize, version: Version) -> Answer {
        self.shards.get_mut(shard).map_or(Answer::Done, |shard| shard.tell(version))
    }

    /// A version is on stable storage: it holds at the next start.
    pub fn keep(&mut self, catalogue: Arc<Catalogue>) {
        self.catalogue = catalogue;
    }

    /// A disk does something of what it was told.
    pub fn step_disk(&mut self, shard: usize, chance: &mut Chance) {
        let (Some(disk), Some(running)) = (self.disks.get_mut(shard), self.shards.get_mut(shard)) else { return };
        if let Some(done) = disk.step(chance) {
            running.answer(done);
        }
    }

    /// Whether a shard has something to do, or was woken.
    pub fn is_awake(&self, shard: usize) -> bool {
        self.shards.get(shard).is_some_and(|shard| shard.rest() != Rest::Stopped && shard.is_awake())
    }

    /// Asks it to stop.
    pub fn stop(&mut self, now_ns: u64) {
        self.shards.iter_mut().for_each(|shard| shard.stop(now_ns));
    }

    /// It ends without being asked, in the middle of whatever its disks do. What it had in memory is gone.
    pub fn crash(&mut self, how: Crash, chance: &mut Chance) {
        self.shards.clear();
        self.disks.iter_mut().for_each(|disk| disk.crash(how, chance));
    }

    /// The number of shards.
    pub fn shards(&self) -> usize {
        usize::from(self.options.shards)
    }

    /// The disks, by shard.
    pub fn disks(&mut self) -> &mut [Disk] {
        &mut self.disks
    }

    /// What its shards show of themselves.
    pub fn views(&self) -> Vec<View> {
        let views = self.shards.iter().map(|shard| {
            let (turn, home) = (shard.turn(), shard.turn().home());
            let engine = home.engine();
            View {
                memory_bytes: engine.core().memory_bytes(),
                connections: turn.entries().count(),
                links: home.links().count(),
                journal: engine.journal(),
                kept: engine.ledger().map(kept).unwrap_or_default(),
                committing: engine.core().committing(),
                queues: engine.core().queue_views().collect(),
                lanes: engine.mesh().views().collect(),
            }
        });
        views.collect()
    }

    /// Asserts what must hold between any two turns.
    pub fn check(&self) {
        for (index, shard) in self.shards.iter().enumerate() {
            let engine = shard.turn().home().engine();
            engine.core().check();
            let memory = engine.core().memory_bytes();
            assert!(memory <= self.options.memory_bytes + MEMORY_BEYOND, "{memory} octets of messages in memory");
            for lane in engine.mesh().views().filter(|lane| lane.depth + lane.waiting > 0) {
                // Whoever has something in a lane has a turn at once, or was woken; so is whoever waits for room that there is.
                let who = if lane.depth > 0 { usize::from(lane.peer) } else { index };
                let at_work = self.shards.get(who).is_some_and(Shard::is_awake);
                assert!(at_work, "shard {who} sleeps on a lane");
            }
        }
    }
}

/// What a journal keeps of queues. That of transactions stays once there was one.
fn kept(ledger: &Ledger) -> Vec<(String, u64)> {
    let queues = ledger.queues().map(|(_, kept)| {
        let address = kept.declared().map(|declared| declared.address.clone());
        (address.unwrap_or_default(), kept.messages())
    });
    queues.filter(|(address, messages)| address != TRANSACTIONS || *messages > 0).collect()
}

/// The wall's time at a simulated one, milliseconds since 1970.
pub fn wall_ms(now_ns: u64) -> u64 {
    WALL_MS + now_ns / 1_000_000
}

/// What a start makes of a disk: as `src/data/open.rs`, with segments in parts of any size.
fn recover(disk: &Disk, chance: &mut Chance) -> Recovered {
    let shard = disk.options.shard;
    let config = StoreConfig { shard, directory: DIRECTORY, segment_bytes: SEGMENT as u64, checkpoint_segments: 3 };
    let mut recovery = match disk.checkpoint() {
        Some((segment, bytes)) if !chance.one_in(4) => {
            Recovery::resume(config, segment, bytes).expect("a checkpoint is whole")
        }
        _ => Recovery::new(config),
    };
    for number in recovery.handle_manifest(disk.manifest(), &disk.found()).expect("no segment is missing") {
        let (bytes, cut) = (&disk.segments()[&number], BLOCK * (1 + chance.below(SEGMENT / BLOCK)));
        let whole = SegmentPart::whole(number, bytes);
        for (bytes, offset) in bytes.chunks(cut).zip((0..).step_by(cut)) {
            recovery.handle_part(&SegmentPart { offset, bytes, ..whole }).expect("a crash is no damage");
        }
    }
    assert_eq!(recovery.losses(), [], "nothing was lost");
    recovery.finish()
}
