//! The node: the product's own front ends, owners, meshes and stores of all shards, on one thread, with disks in memory.
//!
//! Guarantees: a shard has a turn when something is ready for it, when it was woken or when its own deadline has come, as in a node
//! that sleeps in its epoll; what survives a crash is what the disks have. Not here: when that happens (`world`).

use std::io::{IoSlice, IoSliceMut};
use std::sync::Arc;
use std::time::Duration;

use amqp_net::{AddressRules, Frontend, FrontendConfig, Layers, ListenerConfig, Moves, Parts, Post, Rest, ShardView};
use engine_core::Core;
use engine_core::limits::{CoreConfig, Storage};
use engine_rt::{Clock, InboxSender, Permits, Socket, Waker};
use engine_shard::placement::Placement;
use engine_shard::store::{Recovery, Store, StoreConfig, StoreError};
use engine_shard::{Engine, Journal, Mesh, mesh_of};
use storage_disk::Attendant;
use storage_journal::SegmentPart;
use storage_journal::format::BLOCK;
use test_support::{Chance, Crash, Disk, DiskOptions};

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
    /// Messages of a queue from which producers get no more credit.
    pub hard_messages: u64,
    /// Whether connections move to the shard of their first link.
    pub moves: Moves,
    /// Largest frame that the node takes and sends, octets.
    pub frame: u32,
    /// Segments that a disk has room for.
    pub segments_max: usize,
    /// Octets that the system keeps of what a connection did not read, about.
    pub send_buffer: usize,
}

/// A shard that runs.
struct Running {
    frontend: Frontend,
    attendant: Option<Attendant>,
    waker: Waker,
    /// When its next turn is due, whatever happens.
    rest: Rest,
}

/// What a shard had to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: it sleeps.
    None,
    /// It had a turn, and has another one at once.
    Due,
    /// It had a turn, and sleeps, until this time if nothing comes before.
    Until(Option<u64>),
    /// It had its last one.
    Stopped,
}

/// All shards, and their disks.
pub struct Node {
    options: NodeOptions,
    shards: Vec<Running>,
    inboxes: Vec<InboxSender<Post>>,
    disks: Vec<Disk>,
    /// Starts so far.
    starts: u64,
}

impl Node {
    /// A node on empty disks; it does not run yet.
    pub fn new(options: NodeOptions) -> Self {
        let disk = |shard| {
            let segments_max = options.segments_max;
            Disk::new(DiskOptions { shard, directory: DIRECTORY, segment_bytes: SEGMENT, segments_max })
        };
        let disks = (0..options.shards).map(disk).collect();
        Self { options, shards: Vec::new(), inboxes: Vec::new(), disks, starts: 0 }
    }

    /// Starts it on what its disks have.
    pub fn start(&mut self, chance: &mut Chance) {
        self.starts += 1;
        let NodeOptions { shards, lane, .. } = self.options;
        let wakers: Vec<Waker> = (0..shards).map(|_| Waker::new().expect("a descriptor")).collect();
        let (senders, inboxes): (Vec<_>, Vec<_>) =
            wakers.iter().map(|waker| engine_rt::inbox(64, waker.clone())).unzip();
        self.inboxes = senders;
        let config = self.frontend_config();
        let meshes = mesh_of(&wakers, lane).into_iter().zip(inboxes).zip(wakers);
        for ((mesh, inbox), waker) in meshes {
            let (engine, attendant) = self.engine(mesh, chance);
            let parts = Parts {
                engine,
                waker: waker.clone(),
                inbox,
                peers: self.inboxes.clone(),
                clock: Clock::default(),
                listeners: Vec::new(),
                large: None,
                node_id: format!("run{}", self.starts),
            };
            let frontend = Frontend::new(config.clone(), parts).expect("a descriptor");
            self.shards.push(Running { frontend, attendant, waker, rest: Rest::Due });
        }
    }

    fn frontend_config(&self) -> FrontendConfig {
        let amqp = amqp_proto::Config {
            max_frame_size: self.options.frame,
            incoming_window: 64,
            idle_timeout_ms: 0,
            ..amqp_proto::Config::default()
        };
        let address = ([127, 0, 0, 1], 0).into();
        let listener = ListenerConfig { address, layers: Layers::Plain, tls: None, amqp: Arc::new(amqp) };
        let (verifier, _) = flume::bounded(1);
        FrontendConfig {
            listeners: vec![listener],
            addresses: AddressRules::default(),
            connections_max: 64,
            connections: Permits::new(64),
            links_max: 1024,
            moves: self.options.moves,
            spin_ns: 0,
            verifier,
        }
    }

    /// A shard's engine, as its disk has it.
    fn engine(&mut self, mesh: Mesh, chance: &mut Chance) -> (Engine, Option<Attendant>) {
        let shard = mesh.shard();
        let mut core = Core::new(CoreConfig {
            shard,
            producer_window: self.options.window,
            hard_messages: self.options.hard_messages,
            memory_bytes: self.options.memory_bytes,
            storage: self.options.storage,
            stored_bytes_max: Store::body_max(64 << 20),
            merge_annotations: amqp_net::merge_annotations,
            ..CoreConfig::default()
        });
        let mut attendant = None;
        let mut journal = None;
        if self.options.storage == Storage::Journal
            && let Some(disk) = self.disks.get(usize::from(shard))
        {
            let store = recover(disk, &mut core, chance);
            let (disk, other) = storage_disk::Disk::attended();
            attendant = Some(other);
            journal = Some(Journal { store, disk });
        }
        (Engine::new(core, mesh, Placement::new(self.options.shards), journal), attendant)
    }

    /// A new connection to a shard.
    pub fn connect(&mut self, shard: usize) -> Option<Wire> {
        let running = self.shards.get_mut(shard)?;
        let (ours, theirs) = Socket::pair().expect("descriptors");
        ours.set_send_buffer(self.options.send_buffer).expect("it is a socket");
        running.frontend.add(ours, 0);
        Some(Wire { socket: theirs })
    }

    /// Gives a shard its turn if there is anything for it.
    ///
    /// # Errors
    /// When its journal failed: the node stops.
    pub fn turn(&mut self, shard: usize, now_ns: u64) -> Result<Turn, StoreError> {
        let Some(running) = self.shards.get_mut(shard) else { return Ok(Turn::None) };
        let is_due = match running.rest {
            Rest::Due => true,
            Rest::Until(until) => until.is_some_and(|until| until <= now_ns),
            Rest::Stopped => return Ok(Turn::Stopped),
        };
        let is_ready = running.frontend.look(Some(Duration::ZERO)).expect("an epoll can be asked");
        if !is_due && !is_ready {
            return Ok(Turn::None);
        }
        running.rest = running.frontend.round(now_ns, wall_ms(now_ns))?;
        if let (Some(attendant), Some(disk)) = (&running.attendant, self.disks.get_mut(shard)) {
            while let Some(order) = attendant.poll_order() {
                disk.submit(order);
            }
        }
        if let Rest::Until(Some(until)) = running.rest {
            // A deadline that has passed would make the shard spin until something else happens.
            assert!(until > now_ns, "shard {shard} sleeps until {until} at {now_ns}");
        }
        Ok(match running.rest {
            Rest::Due => Turn::Due,
            Rest::Until(until) => Turn::Until(until),
            Rest::Stopped => Turn::Stopped,
        })
    }

    /// A disk does something of what it was told; gives whether it has more to do.
    pub fn step_disk(&mut self, shard: usize, chance: &mut Chance) -> bool {
        let (Some(disk), Some(running)) = (self.disks.get_mut(shard), self.shards.get(shard)) else { return false };
        if let (Some(done), Some(attendant)) = (disk.step(chance), &running.attendant) {
            attendant.answer(done);
            running.waker.wake();
        }
        !disk.is_idle()
    }

    /// Whether a shard was woken, and has had no turn since.
    pub fn is_woken(&self, shard: usize) -> bool {
        let running = self.shards.get(shard);
        running.is_some_and(|running| running.rest != Rest::Stopped && running.waker.is_awake())
    }

    /// Asks it to stop.
    pub fn stop(&mut self) {
        for inbox in &self.inboxes {
            assert!(inbox.send(Post::Stop).is_ok(), "an inbox has room for the end");
        }
    }

    /// It ends without being asked, in the middle of whatever its disks do. What it had in memory is gone.
    pub fn crash(&mut self, how: Crash, chance: &mut Chance) {
        self.shards.clear();
        self.disks.iter_mut().for_each(|disk| disk.crash(how, chance));
    }

    /// Whether it runs.
    pub fn is_running(&self) -> bool {
        !self.shards.is_empty()
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
    pub fn views(&self) -> Vec<ShardView> {
        self.shards.iter().map(|running| running.frontend.view()).collect()
    }

    /// Asserts what must hold between any two turns.
    pub fn check(&self) {
        for running in &self.shards {
            let engine = running.frontend.engine();
            engine.core().check();
            for lane in engine.mesh().views().filter(|lane| lane.depth + lane.waiting > 0) {
                let peer = self.shards.get(usize::from(lane.peer)).expect("lanes lead to shards");
                // Whoever has something in a lane has a turn at once, or was woken; so is whoever waits for room that there is.
                let (who, at_work) = if lane.depth > 0 { (lane.peer, peer) } else { (engine.shard(), running) };
                assert!(at_work.rest == Rest::Due || at_work.waker.is_awake(), "shard {who} sleeps on a lane");
            }
        }
    }
}

/// A client's end of a connection; the node sees its end when it is dropped.
pub struct Wire {
    socket: Socket,
}

/// What a wire gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// So many octets.
    Some(usize),
    /// Nothing now.
    Nothing,
    /// The end.
    End,
}

impl Wire {
    /// Gives the node octets; gives how many it has room for, `None` when it has ended the connection.
    pub fn send(&self, bytes: &[u8]) -> Option<usize> {
        self.socket.write(&[IoSlice::new(bytes)]).ok().map(|count| count.unwrap_or(0))
    }

    /// Takes octets of the node into `buffer`.
    pub fn receive(&self, buffer: &mut [u8]) -> Received {
        match self.socket.read(&mut [IoSliceMut::new(buffer)]) {
            Ok(None) => Received::Nothing,
            Ok(Some(0)) | Err(_) => Received::End,
            Ok(Some(count)) => Received::Some(count),
        }
    }
}

/// The wall's time at a simulated one, milliseconds since 1970.
pub fn wall_ms(now_ns: u64) -> u64 {
    WALL_MS + now_ns / 1_000_000
}

/// What a start makes of a disk: as `src/data/open.rs`, with segments in parts of any size.
fn recover(disk: &Disk, core: &mut Core, chance: &mut Chance) -> Store {
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
    let (store, restored, last_number, last_queue) = recovery.finish();
    core.restore_numbers(last_number, last_queue);
    restored.iter().for_each(|queue| core.restore(queue));
    core.check();
    store
}
