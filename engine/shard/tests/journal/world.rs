//! Owner, store and disk of one shard: its turns, its crashes and starts, and what is left in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine_catalogue::{Catalogue, Layer};
use engine_core::Core;
use engine_core::command::{Command, Outcome};
use engine_core::event::Event;
use engine_core::limits::{CoreConfig, Storage};
use engine_shard::store::{Recovered, Recovery, Store, StoreConfig};
use storage_journal::format::BLOCK;
use storage_journal::{Fault, SegmentPart};
use test_support::{Chance, Crash, Disk, DiskOptions};

use crate::links::{Fate, Link, QUEUES, place_of};

pub const SEGMENT: usize = 64 * 1024;
pub const DIRECTORY: [u8; 16] = [9; 16];

pub struct World {
    pub chance: Chance,
    pub disk: Disk,
    pub core: Core,
    pub store: Store,
    pub links: Vec<Link>,
    /// By the place where messages are kept (a queue or a subscription) and their number.
    pub fates: BTreeMap<(String, u64), Fate>,
    pub sent: [u64; QUEUES.len()],
    memory: u64,
    crashes: u32,
    pub refused: u64,
    pub resumed: u64,
    pub recalled: u64,
    pub now_ns: u64,
}

pub fn config() -> StoreConfig {
    StoreConfig { shard: 0, directory: DIRECTORY, segment_bytes: SEGMENT as u64, checkpoint_segments: 3 }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let memory = [8 << 10, 64 << 10, 64 << 20][chance.below(3)];
        let segments_max = [12, 400][chance.below(2)];
        Self::with(chance, memory, segments_max)
    }

    pub fn with(chance: Chance, memory: u64, segments_max: usize) -> Self {
        let disk = Disk::new(DiskOptions {
            shard: 0,
            directory: DIRECTORY,
            segment_bytes: SEGMENT,
            segments_max,
            // Files of large messages are none here, but for their names.
            file_segments: 0,
            lost_checkpoints: Some(10),
        });
        let store = Recovery::new(config()).finish().store;
        let core = Self::core(memory);
        let (links, fates, sent) = (Vec::new(), BTreeMap::new(), [0; 3]);
        let (crashes, refused, resumed, recalled, now_ns) = (0, 0, 0, 0, 1);
        let mut world =
            Self { chance, disk, core, store, links, fates, sent, memory, crashes, refused, resumed, recalled, now_ns };
        world.attach();
        world
    }

    fn core(memory: u64) -> Core {
        Core::new(CoreConfig {
            storage: Storage::Journal,
            stored_bytes_max: Store::body_max(64 << 20),
            memory_bytes: memory * 4,
            catalogue: Arc::new(Catalogue::of_all(Layer { producer_window: Some(40), ..Layer::default() })),
            ..CoreConfig::default()
        })
    }

    pub fn turn(&mut self) {
        self.now_ns += [50_000, 10_000_000][self.chance.below(2)];
        self.store.handle_turn(&mut self.core, self.now_ns);
        while let Some(order) = self.store.poll_order() {
            self.disk.submit(order);
        }
        // A deadline that has passed would make the shard spin until something else happens.
        let deadline = self.store.deadline();
        assert!(deadline.is_none_or(|deadline| deadline > self.now_ns), "{deadline:?} has passed at {}", self.now_ns);
    }

    pub fn step_disk(&mut self) {
        self.complete_order();
        self.events();
    }

    pub fn complete_order(&mut self) {
        if let Some(done) = self.disk.step(&mut self.chance) {
            self.store.handle_done(&mut self.core, self.now_ns, done).expect("the disk does what it should");
        }
    }

    pub fn events(&mut self) {
        loop {
            let mut any = false;
            while let Some((link, event)) = self.core.poll_event() {
                any = true;
                self.handle(link.slot as usize, event);
            }
            while let Some((link, delivery)) = self.core.poll_delivery() {
                any = true;
                let message = self.core.message(&delivery).clone();
                self.handle(link.slot as usize, Event::Deliver { key: delivery.key, message });
            }
            if !any {
                return;
            }
        }
    }

    /// The node is killed or, more often, its power fails, and it starts again.
    pub fn crash(&mut self) {
        self.crashes += 1;
        let how = if self.chance.one_in(4) { Crash::Process } else { Crash::Power };
        self.disk.crash(how, &mut self.chance);
        let mut recovery = match self.disk.checkpoint() {
            Some((segment, bytes)) if !self.chance.one_in(4) => {
                self.resumed += 1;
                Recovery::resume(config(), segment, bytes).expect("the checkpoint is whole")
            }
            _ => Recovery::new(config()),
        };
        for number in recovery.handle_manifest(self.disk.manifest(), &self.disk.found()).expect("none is missing") {
            let cut = BLOCK * (1 + self.chance.below(SEGMENT / BLOCK));
            handle_segment(&mut recovery, number, &self.disk.segments()[&number], cut).expect("a crash is no damage");
        }
        assert_eq!(recovery.losses(), [], "nothing was lost");
        let Recovered { store, restored, last } = recovery.finish();
        self.recalled += self.store.totals().recalled;
        self.store = store;
        // What a start does with files that no message names.
        let needed: BTreeSet<u64> = self.store.files().map(|large| large.id).collect();
        let files = self.disk.files();
        assert!(needed.is_subset(files), "files are gone: {:?}", needed.difference(files));
        *files = needed;
        self.core = Self::core(self.memory);
        self.core.restore_numbers(last);
        restored.iter().for_each(|queue| self.core.restore(queue));
        self.core.check();
        self.fates.values_mut().for_each(|fate| (fate.delivered, fate.failures) = (false, None));
        self.check_restored();
        self.attach();
    }

    /// What is owed is there.
    fn check_restored(&self) {
        for queue in self.core.queue_views() {
            let place = match queue.name.strip_prefix("world.") {
                Some(name) => format!("news/{name}"),
                None => queue.name.clone(),
            };
            let owed = |fate: &Fate| fate.accepted && !fate.acknowledged;
            let owed = self.fates.iter().filter(|((at, _), fate)| *at == place && owed(fate)).count() as u64;
            let messages = queue.messages;
            assert!(messages >= owed, "{place}: {messages} messages after crash {}, {owed} are owed", self.crashes);
        }
    }

    /// Everything that is due comes, and nothing else.
    pub fn drain(&mut self) {
        self.disk.options.segments_max = 10_000;
        for round in 0..20_000 {
            for index in 0..self.links.len() {
                let Link::Consumer(consumer) = &mut self.links[index] else { continue };
                let (end, place) = (consumer.end, place_of(consumer));
                for (key, number) in std::mem::take(&mut consumer.held) {
                    self.fates.get_mut(&(place.clone(), number)).expect("it was sent").acknowledged = true;
                    self.core.handle_settle(end, key, Outcome::Accepted, None);
                }
                if round % 4 == 0 {
                    self.core.handle_command(1, 1, Command::Grant { end, credit: 20 });
                }
            }
            self.events();
            self.turn();
            self.step_disk();
            let left = self.core.queue_views().any(|queue| queue.messages > 0);
            if !left && !self.store.is_busy() && !self.disk.is_writing() {
                break;
            }
        }
        for ((place, number), fate) in &self.fates {
            let owed = fate.accepted && !fate.acknowledged;
            assert!(!owed, "{place} {number} was accepted and never came: {fate:?}");
        }
        let left: Vec<_> = self.core.queue_views().filter(|queue| queue.messages > 0).collect();
        assert!(left.is_empty(), "{left:?}");
        for _ in 0..5_000 {
            self.turn();
            self.step_disk();
            if self.disk.files().is_empty() {
                break;
            }
        }
        assert!(self.disk.files().is_empty(), "nobody needs {:?}", self.disk.files());
    }

    pub fn check_space(&self) {
        let totals = self.store.totals();
        let bound = 2 * totals.live_bytes + 9 * SEGMENT as u64;
        assert!(totals.journal_bytes <= bound, "{} octets for {} that live", totals.journal_bytes, totals.live_bytes);
    }
}

/// Gives a segment to a recovery in parts of so many octets.
pub fn handle_segment(recovery: &mut Recovery, number: u64, bytes: &[u8], cut: usize) -> Result<(), Fault> {
    let whole = SegmentPart::whole(number, bytes);
    let parts = bytes.chunks(cut).zip((0..).step_by(cut));
    parts.into_iter().try_for_each(|(bytes, offset)| recovery.handle_part(&SegmentPart { offset, bytes, ..whole }))
}
