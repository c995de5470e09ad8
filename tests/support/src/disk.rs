//! A shard's disk in memory: it carries out the journal's orders when it is told to, and loses what was not synced when power fails.
//!
//! Guarantees: batches are written in the order of their orders; what was answered is there after any crash; of the batch that is
//! written when power fails any sectors may be there; names of files are not synced, so that a removed segment may be back, in part.
//! It keeps to what `storage/disk` promises of the manifest and of the room that is left to others. It has no time: whoever steps it
//! decides how slow it is. What outside hands do to it (`segments_mut`, `manifest_mut`) is done by whoever tries damage.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use storage_journal::format::{BLOCK, SegmentHeader};
use storage_journal::{Done, Manifest, Margin, Order, SegmentFound};

use crate::chance::Chance;

/// What a disk writes as a whole, octets.
const SECTOR: usize = 512;

/// Whose disk it is, and how large.
#[derive(Clone, Copy, Debug)]
pub struct DiskOptions {
    /// The shard.
    pub shard: u16,
    /// The data directory's identity.
    pub directory: [u8; 16],
    /// Length of a segment, octets.
    pub segment_bytes: usize,
    /// Segments that it has room for.
    pub segments_max: usize,
    /// Segments that would have room where the file of a large message lies.
    pub file_segments: usize,
    /// One checkpoint in so many cannot be written; all can be if it is not set.
    pub lost_checkpoints: Option<usize>,
}

/// How a node ends without being asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Its process is killed: what the system was given is carried out.
    Process,
    /// Power fails.
    Power,
}

/// The disk of one shard.
#[derive(Debug)]
pub struct Disk {
    /// Whose it is, and its room, which may change while it is used.
    pub options: DiskOptions,
    /// Whether the next write fails, and all that follow.
    pub is_failing: bool,
    segments: BTreeMap<u64, Vec<u8>>,
    checkpoints: BTreeMap<u64, Vec<u8>>,
    manifest: Manifest,
    /// Segments that were removed since the last crash, which may take that back.
    removed: Vec<(u64, Vec<u8>)>,
    writes: VecDeque<Order>,
    others: VecDeque<Order>,
    files: BTreeSet<u64>,
}

impl Disk {
    /// An empty one.
    pub fn new(options: DiskOptions) -> Self {
        Self {
            options,
            is_failing: false,
            segments: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            manifest: Manifest::NEW,
            removed: Vec::new(),
            writes: VecDeque::new(),
            others: VecDeque::new(),
            files: BTreeSet::new(),
        }
    }

    /// What the journal has at least.
    pub fn manifest(&self) -> Manifest {
        self.manifest
    }

    /// The same, for one that lies.
    pub fn manifest_mut(&mut self) -> &mut Manifest {
        &mut self.manifest
    }

    /// The segments, by number.
    pub fn segments(&self) -> &BTreeMap<u64, Vec<u8>> {
        &self.segments
    }

    /// The same, for outside hands.
    pub fn segments_mut(&mut self) -> &mut BTreeMap<u64, Vec<u8>> {
        &mut self.segments
    }

    /// The checkpoints, each by the segment that a replay goes on with.
    pub fn checkpoints(&self) -> &BTreeMap<u64, Vec<u8>> {
        &self.checkpoints
    }

    /// The newest checkpoint that a start may go on from, and its segment.
    pub fn checkpoint(&self) -> Option<(u64, &[u8])> {
        let (&segment, bytes) = self.checkpoints.iter().next_back()?;
        (self.manifest.first <= segment).then_some((segment, bytes))
    }

    /// Files of large messages.
    pub fn files(&mut self) -> &mut BTreeSet<u64> {
        &mut self.files
    }

    /// The segments that a start finds.
    pub fn found(&self) -> Vec<SegmentFound> {
        let found = self.segments.iter().map(|(&number, bytes)| SegmentFound {
            number,
            bytes: bytes.len() as u64,
            header: SegmentHeader::decode(bytes),
        });
        found.collect()
    }

    /// Takes an order.
    pub fn submit(&mut self, order: Order) {
        match order {
            Order::Write { .. } => self.writes.push_back(order),
            order => self.others.push_back(order),
        }
    }

    /// Whether there is no room for another segment, or for the file of a large message.
    pub fn is_full(&self) -> bool {
        self.used() >= self.options.segments_max
    }

    /// Its room that is used, in segments.
    fn used(&self) -> usize {
        self.segments.len() + self.files.len() * self.options.file_segments
    }

    /// Whether nothing is to be done.
    pub fn is_idle(&self) -> bool {
        self.writes.is_empty() && self.others.is_empty()
    }

    /// Whether a batch is written.
    pub fn is_writing(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Carries out an order, the first of those that write or the first of the others; gives its answer if it has one.
    pub fn step(&mut self, chance: &mut Chance) -> Option<Done> {
        let from_writes = self.others.is_empty() || (!self.writes.is_empty() && chance.one_in(2));
        let order = if from_writes { self.writes.pop_front()? } else { self.others.pop_front()? };
        self.carry_out(order, chance)
    }

    fn carry_out(&mut self, order: Order, chance: &mut Chance) -> Option<Done> {
        match order {
            Order::Write { .. } if self.is_failing => {
                Some(Done::Failed { what: "write", error: std::io::Error::other("the disk is gone") })
            }
            Order::Write { place, buffer } => {
                let segment = self.segments.get_mut(&place.segment).expect("a batch goes to a segment that is ready");
                let at = place.offset as usize;
                segment[at..at + buffer.len()].copy_from_slice(buffer.bytes());
                Some(Done::Written { buffer })
            }
            Order::Read { id, place, mut buffer } => {
                let (at, segment) = (place.offset as usize, &self.segments[&place.segment]);
                let end = at + buffer.len();
                buffer.bytes_mut().copy_from_slice(&segment[at..end]);
                Some(Done::Read { id, buffer })
            }
            Order::Prepare { segment, reuse, margin, first, batch } => {
                Some(self.prepare(segment, reuse, margin, Manifest { first, last: segment, batch }))
            }
            Order::Checkpoint { .. } if self.options.lost_checkpoints.is_some_and(|bound| chance.one_in(bound)) => {
                Some(Done::NotCheckpointed)
            }
            Order::Checkpoint { segment, bytes } => {
                self.checkpoints.insert(segment, bytes);
                Some(Done::Checkpointed { segment })
            }
            Order::Remove { segment, first } => {
                self.give_up(segment, first);
                let bytes = self.segments.remove(&segment).expect("a segment is removed once");
                self.removed.push((segment, bytes));
                None
            }
            Order::Vouch { batch } => {
                self.manifest = self.manifest.join(Manifest { batch, ..Manifest::NEW });
                Some(Done::Vouched { batch })
            }
            Order::Discard { id } => {
                assert!(self.files.remove(&id), "a file is deleted once");
                None
            }
        }
    }

    fn prepare(&mut self, segment: u64, reuse: Option<u64>, margin: Margin, manifest: Manifest) -> Done {
        reuse.into_iter().for_each(|older| self.give_up(older, manifest.first));
        // Half of what is left to others is another segment.
        let room = self.options.segments_max.saturating_add(usize::from(margin == Margin::Half));
        if reuse.is_none() && !self.segments.contains_key(&segment) && self.used() >= room {
            return Done::NoRoom { segment, reuse };
        }
        // One that a crash brought back in part does not serve again.
        let length = self.options.segment_bytes;
        let whole = |bytes: &Vec<u8>| bytes.len() == length;
        let old = reuse.and_then(|older| self.segments.remove(&older)).filter(whole);
        let there = old.or_else(|| self.segments.remove(&segment)).filter(whole);
        let mut bytes = there.unwrap_or_else(|| vec![0; length]);
        bytes[..BLOCK].copy_from_slice(&self.header(segment));
        self.segments.insert(segment, bytes);
        self.manifest = self.manifest.join(manifest);
        Done::Prepared { segment }
    }

    fn header(&self, segment: u64) -> Vec<u8> {
        let DiskOptions { shard, directory, segment_bytes, .. } = self.options;
        SegmentHeader { shard, segment, directory, bytes: segment_bytes as u64 }.encode()
    }

    /// Nothing before `first` is needed: the manifest says so before anything becomes of `segment`.
    fn give_up(&mut self, segment: u64, first: u64) {
        assert!(first > segment, "{segment} is needed, as all from {first} on are");
        self.manifest = self.manifest.join(Manifest { first, ..Manifest::NEW });
    }

    /// The node ends in the middle of what it does. What is ordered and was not begun is forgotten.
    pub fn crash(&mut self, how: Crash, chance: &mut Chance) {
        self.is_failing = false;
        match how {
            Crash::Process => {
                // What the system has it carries out, to the last octet.
                if let Some(order) = self.writes.pop_front()
                    && chance.one_in(2)
                {
                    self.carry_out(order, chance);
                }
            }
            Crash::Power => {
                self.write_in_part(chance);
                self.prepare_in_part(chance);
                self.bring_back(chance);
            }
        }
        self.writes.clear();
        self.others.clear();
    }

    /// Of the batch that was written any sectors got there.
    fn write_in_part(&mut self, chance: &mut Chance) {
        let Some(Order::Write { place, buffer }) = self.writes.pop_front() else { return };
        let Some(segment) = self.segments.get_mut(&place.segment) else { return };
        let all = chance.one_in(4);
        for (number, sector) in buffer.bytes().chunks(SECTOR).enumerate() {
            if all || chance.one_in(2) {
                let at = place.offset as usize + number * SECTOR;
                segment[at..at + sector.len()].copy_from_slice(sector);
            }
        }
    }

    /// Only some of the steps of making a segment ready were done: giving up the old one, the new name, the new header.
    fn prepare_in_part(&mut self, chance: &mut Chance) {
        match self.others.front() {
            Some(&Order::Prepare { segment, reuse: Some(older), first, .. }) => {
                let steps = chance.below(4);
                if steps > 0 {
                    self.give_up(older, first);
                }
                if steps > 1
                    && let Some(mut bytes) = self.segments.remove(&older)
                {
                    if steps > 2 && bytes.len() == self.options.segment_bytes {
                        bytes[..BLOCK].copy_from_slice(&self.header(segment));
                    }
                    self.segments.insert(segment, bytes);
                }
            }
            Some(&Order::Remove { segment, first }) if chance.one_in(2) => self.give_up(segment, first),
            _ => {}
        }
    }

    /// What was removed may be there again, in part.
    fn bring_back(&mut self, chance: &mut Chance) {
        for (segment, mut bytes) in std::mem::take(&mut self.removed) {
            if chance.one_in(2) {
                bytes.truncate(chance.below(2 * self.options.segment_bytes));
                self.segments.entry(segment).or_insert(bytes);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use storage_journal::{Buffer, Place};

    use super::*;

    const OPTIONS: DiskOptions = DiskOptions {
        shard: 0,
        directory: [9; 16],
        segment_bytes: 16 * BLOCK,
        segments_max: 2,
        file_segments: 1,
        lost_checkpoints: Some(10),
    };

    fn prepare(segment: u64, reuse: Option<u64>, margin: Margin) -> Order {
        Order::Prepare { segment, reuse, margin, first: reuse.map_or(1, |older| older + 1), batch: 0 }
    }

    fn write(segment: u64) -> Order {
        let mut buffer = Buffer::zeroed(2 * BLOCK);
        buffer.bytes_mut().fill(7);
        Order::Write { place: Place { segment, offset: BLOCK as u64 }, buffer }
    }

    fn done(disk: &mut Disk, order: Order, chance: &mut Chance) -> Option<Done> {
        disk.submit(order);
        disk.step(chance)
    }

    /// How much of a batch that was being written is there, octets.
    fn written(disk: &Disk) -> usize {
        disk.segments()[&1].iter().skip(BLOCK).filter(|&&octet| octet == 7).count()
    }

    #[test]
    fn it_is_full_of_segments_and_files_and_leaves_one_to_acknowledgements() {
        let (mut disk, mut chance) = (Disk::new(OPTIONS), Chance::new(1));
        assert!(matches!(done(&mut disk, prepare(1, None, Margin::All), &mut chance), Some(Done::Prepared { .. })));
        disk.files().insert(5);
        assert!(disk.is_full());
        assert!(matches!(done(&mut disk, prepare(2, None, Margin::All), &mut chance), Some(Done::NoRoom { .. })));
        assert!(matches!(done(&mut disk, prepare(2, None, Margin::Half), &mut chance), Some(Done::Prepared { .. })));
        assert!(matches!(done(&mut disk, prepare(3, Some(1), Margin::All), &mut chance), Some(Done::Prepared { .. })));
        assert_eq!((disk.segments().keys().copied().collect::<Vec<_>>(), disk.manifest().first), (vec![2, 3], 2));
    }

    /// Each kind of fault that it knows occurs within a hundred seeds.
    #[test]
    fn each_kind_of_fault_occurs() {
        let mut seen = BTreeSet::new();
        for seed in 0..100 {
            let mut chance = Chance::new(seed);
            for how in [Crash::Process, Crash::Power] {
                let mut disk = Disk::new(OPTIONS);
                done(&mut disk, prepare(1, None, Margin::All), &mut chance);
                disk.submit(write(1));
                disk.crash(how, &mut chance);
                let there = match written(&disk) {
                    0 => "nothing",
                    all if all == 2 * BLOCK => "all",
                    _ => "a part",
                };
                seen.insert(format!("{how:?}: {there} of a batch"));
            }
            // One segment is to serve again as another: its name may be new already, its header still the old one.
            let mut disk = Disk::new(OPTIONS);
            done(&mut disk, prepare(1, None, Margin::All), &mut chance);
            disk.submit(prepare(2, Some(1), Margin::All));
            disk.crash(Crash::Power, &mut chance);
            let (number, bytes) = disk.segments().first_key_value().expect("it is there");
            let header = SegmentHeader::decode(bytes).expect("it was whole").segment;
            seen.insert(format!("needed from {}, called {number}, says {header}", disk.manifest().first));
            // What was removed is back.
            let mut disk = Disk::new(OPTIONS);
            done(&mut disk, prepare(1, None, Margin::All), &mut chance);
            done(&mut disk, Order::Remove { segment: 1, first: 2 }, &mut chance);
            disk.crash(Crash::Power, &mut chance);
            let back = disk
                .segments()
                .get(&1)
                .map_or("gone", |bytes| if bytes.len() == OPTIONS.segment_bytes { "back" } else { "back in part" });
            seen.insert(format!("removed: {back}"));
            let checkpoint = Order::Checkpoint { segment: 2, bytes: vec![1] };
            let lost = matches!(done(&mut disk, checkpoint, &mut chance), Some(Done::NotCheckpointed));
            seen.insert(format!("checkpoint {}", if lost { "lost" } else { "written" }));
            disk.is_failing = true;
            assert!(matches!(done(&mut disk, write(1), &mut chance), Some(Done::Failed { .. })));
        }
        let expected = [
            "Power: a part of a batch",
            "Power: all of a batch",
            "Process: all of a batch",
            "Process: nothing of a batch",
            "checkpoint lost",
            "checkpoint written",
            "needed from 1, called 1, says 1",
            "needed from 2, called 1, says 1",
            "needed from 2, called 2, says 1",
            "needed from 2, called 2, says 2",
            "removed: back",
            "removed: back in part",
            "removed: gone",
        ];
        let missing: Vec<_> = expected.iter().filter(|&&kind| !seen.contains(kind)).collect();
        assert!(missing.is_empty(), "{missing:?} of {seen:?}");
    }
}
