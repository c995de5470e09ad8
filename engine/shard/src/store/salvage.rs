//! What is left of a shard's queues when its journal is damaged, and what of them is not.
//!
//! Guarantees:
//! 1. Every message in a batch that is whole is there again, unless a record that is whole, too, or a checkpoint says that it left.
//! 2. What is missing is told: gaps with their places, messages that a checkpoint knows, queues without a declaration, and how many
//!    messages may have left without a word, because the record that said so may lie in a gap.
//! 3. Nothing is invented: a body is read out of a batch that is whole, under the name that it has there.
//!
//! A checkpoint is of use beyond its speed: it says of everything before it what was left and whose it was, so that a gap before it
//! takes only the messages that lay in it. Memory is that of a recovery (`recovery.rs`), and [`PLACES_MAX`] places of damage.

use std::collections::{BTreeMap, HashMap};

use engine_core::Restored;
use engine_core::command::RoutingType;
use engine_core::fact::{Declared, PASSING, Purpose};
use storage_journal::{
    End, Fault, FaultKind, Gap, Manifest, Piece, Place, Record, Salvage as Scan, SegmentPart, Segments,
};

use super::StoreConfig;
use super::checkpoint::{self, State as Known};
use super::entry::entries;
use super::files::Files;
use super::offline::Extract;
use super::pages::{Pages, Run};
use super::recovery::{Returning, State, Taken};

/// Places of damage that are told one by one; those behind them are counted. A gap takes a hundred octets, and a person reads fewer.
const PLACES_MAX: usize = 1000;

/// What a queue lost, or may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLoss {
    /// Its name, or the one that it was given.
    pub name: String,
    /// Messages that were in it at the last checkpoint, and neither are there nor left it since.
    pub missing: u64,
    /// Messages that are there, and may have left it: a record that said so may be in a gap.
    pub doubtful: u64,
    /// Whether the record that declared it is lost, or it did not outlive the node: nothing tells the two apart.
    pub undeclared: bool,
}

/// What is not there of a journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Batches that are missing, place by place.
    pub gaps: Vec<Gap>,
    /// Gaps that are not among them, because there are too many.
    pub more_gaps: u64,
    /// How many batches are missing in all.
    pub batches: u64,
    /// Sequence numbers that are missing and that no checkpoint knows of: at most so many messages, acknowledgements and others.
    pub unknown: u64,
    /// Segments that are missing, between others or with what a checkpoint knows of: the first and the last of each row.
    pub segments: Vec<(u64, u64)>,
    /// Records that cannot be read, in batches that are whole.
    pub records: Vec<Fault>,
    /// Batches that are whole and older than what comes before them: their file is of another past.
    pub strays: Vec<Place>,
    /// Whether what followed the last whole batch is lost, as far as can be known.
    pub tail: Tail,
    /// Where that is.
    pub end: Option<End>,
    /// The queues that lost something, or may have.
    pub queues: Vec<QueueLoss>,
}

/// What followed the last whole batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tail {
    /// Nothing.
    #[default]
    Whole,
    /// A batch that is not whole: a crash cut it off, and nobody was told that it is kept; or it was damaged later.
    Torn,
    /// Something that is lost.
    Lost,
}

impl Losses {
    /// Whether everything is there, as far as can be known.
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
            && self.segments.is_empty()
            && self.records.is_empty()
            && self.strays.is_empty()
            && self.tail != Tail::Lost
            && self.queues.is_empty()
    }
}

/// Takes the segments of one shard, oldest first, part by part.
pub struct Salvage {
    config: StoreConfig,
    scan: Scan,
    taken: Taken,
    segments: Segments,
    queues: HashMap<u64, Returning>,
    failures: HashMap<u64, u32>,
    last_queue: u64,
    files: Files,
    messages: u64,
    /// What must be there, if anybody says so.
    manifest: Option<Manifest>,
    /// The checkpoint, until what comes before it was taken.
    checkpoint: Option<Known>,
    /// The first sequence number that no checkpoint knows of; 1 without one.
    known: u64,
    /// What the checkpoint knows of and was not found, by queue.
    missing: HashMap<u64, Returning>,
    /// The first segment that came, and the last one; 0 before any did.
    first_segment: u64,
    last_segment: u64,
    /// Messages with names below may have left without a word.
    doubt: u64,
    losses: Losses,
}

impl Salvage {
    /// A salvage that has seen nothing yet.
    pub fn new(config: StoreConfig) -> Self {
        Self {
            config,
            scan: Scan::new(config.directory),
            taken: Taken::default(),
            segments: Segments::new(config.segment_bytes, config.allowance()),
            queues: HashMap::new(),
            failures: HashMap::new(),
            last_queue: 0,
            files: Files::default(),
            messages: 0,
            manifest: None,
            checkpoint: None,
            known: 1,
            missing: HashMap::new(),
            first_segment: 0,
            last_segment: 0,
            doubt: 0,
            losses: Losses::default(),
        }
    }

    /// Takes a checkpoint, before any segment: the newest one that is whole.
    ///
    /// # Errors
    /// What is wrong with it; it is as if there were none.
    pub fn handle_checkpoint(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        self.checkpoint = Some(checkpoint::read(&self.config, bytes)?);
        Ok(())
    }

    /// Takes what must be there, before any segment. Segments before its first one are not to be given: nothing in them is needed.
    pub fn handle_manifest(&mut self, manifest: Manifest) {
        self.manifest = Some(manifest);
    }

    /// Takes what can be read of the next part of the segments.
    pub fn handle_part(&mut self, part: &SegmentPart<'_>) {
        if part.is_first() {
            self.begin(part.segment);
        }
        let number = part.segment;
        let Self { scan, segments, queues, failures, last_queue, files, messages, taken, missing, losses, .. } = self;
        let mut state = State { segments, queues, failures, last_queue, files, messages, streak: None };
        let (known, mut doubt) = (self.known, self.doubt);
        scan.handle_part(part, |piece| match piece {
            Piece::Record(sequence, batch, record) => {
                if !std::mem::replace(&mut taken.begun, true) {
                    state.segments.salvage_begun(number, sequence);
                }
                state.handle_batch(taken, sequence, batch);
                if let Err(what) = state.handle_record(sequence, batch, &record) {
                    let Place { segment, offset } = batch.place;
                    losses.add_record(Fault { segment, offset, kind: FaultKind::Record(what) });
                }
                find(missing, sequence, &record);
            }
            Piece::Gap(gap) => {
                if gap.sequences.end > known {
                    doubt = doubt.max(gap.sequences.end);
                }
                losses.add_gap(gap, known);
            }
            Piece::Unknown(fault) => {
                doubt = u64::MAX;
                losses.add_record(fault);
            }
            Piece::Stray(place) => losses.add_stray(place),
        });
        state.end_streak();
        self.doubt = doubt;
    }

    /// A segment begins: those that should have come before it are missing.
    fn begin(&mut self, segment: u64) {
        self.taken = Taken::default();
        if self.last_segment > 0 && segment > self.last_segment + 1 {
            self.losses.segments.push((self.last_segment + 1, segment - 1));
        }
        if self.first_segment == 0 {
            self.first_segment = segment;
            if let Some(manifest) = self.manifest.filter(|manifest| manifest.first < segment) {
                self.losses.segments.push((manifest.first, segment - 1));
            }
        }
        self.last_segment = segment;
        if self.checkpoint.as_ref().is_some_and(|known| known.position.segment <= segment) {
            self.compare();
        }
    }

    /// What is known at the checkpoint is held against what was found before it.
    fn compare(&mut self) {
        let Some(Known { position, last_queue, queues, failures, .. }) = self.checkpoint.take() else { return };
        self.known = position.sequence;
        self.doubt = 0;
        self.losses.forget_unknown();
        self.last_queue = self.last_queue.max(last_queue);
        let mut known = queues;
        let segments = &mut self.segments;
        self.queues.retain(|queue, found| match known.get_mut(queue) {
            Some(known) => {
                self.messages -= found.keep(known, |sequence| segments.handle_released(sequence));
                true
            }
            None => {
                self.messages -= found.remove(0, u64::MAX, |_, sequence| segments.handle_released(sequence));
                false
            }
        });
        for (queue, known) in &known {
            self.queues.entry(*queue).or_default().declare(known);
        }
        for (name, count) in failures {
            self.failures.entry(name).or_insert(count);
        }
        known.retain(|_, known| !known.is_empty());
        self.missing = known;
    }

    /// Where the last whole batch ended, if there was one.
    pub fn end(&self) -> Option<End> {
        self.scan.end()
    }

    /// What followed the last whole batch is lost, and what it said of older messages with it: the shell knows that a file is too
    /// short, cannot be read, or should be there.
    pub fn handle_tail_lost(&mut self) {
        self.losses.tail = Tail::Lost;
    }

    /// The messages that are there, and what is not.
    pub fn finish(mut self) -> (Extract, Losses) {
        let end = self.scan.end();
        if self.checkpoint.is_some() {
            // Nothing is there of what came behind it.
            self.compare();
            self.losses.tail = Tail::Lost;
        }
        let last = end.map_or(0, |end| end.place.segment);
        if let Some(Manifest { first, last: prepared, batch }) = self.manifest {
            if prepared > self.last_segment {
                self.losses.segments.push((first.max(self.last_segment + 1), prepared));
            }
            if end.map_or(0, |end| end.batch) < batch {
                self.losses.tail = Tail::Lost;
            }
        }
        if self.losses.segments.iter().any(|(_, missing)| *missing > last) {
            // It comes behind all batches that are there, and before segments that were only made ready.
            self.losses.tail = Tail::Lost;
        }
        self.losses.end = end;
        if let Some(End { torn, beyond, .. }) = end
            && self.losses.tail != Tail::Lost
        {
            let rest = if torn.is_some() { Tail::Torn } else { Tail::Whole };
            self.losses.tail = if beyond.is_some() { Tail::Lost } else { rest };
        }
        if self.losses.tail == Tail::Lost {
            self.doubt = u64::MAX;
        }
        let complete = self.knows_every_queue();
        self.note_front();
        let Self { config, queues, failures, missing, doubt, mut losses, .. } = self;
        let (mut stored, mut restored, mut found) = (HashMap::new(), Vec::new(), BTreeMap::new());
        for (queue, returning) in queues {
            let Returning { declared, runs, average, .. } = returning;
            let undeclared = declared.is_none();
            if undeclared && (complete || runs.is_empty() || queue & PASSING != 0) {
                // It did not outlive the node, and its messages did not either.
                continue;
            }
            let declared = declared.unwrap_or_else(|| lost(config.shard, queue));
            let below = |run: &Run| run.names.range(0, doubt.saturating_sub(1)).len() as u64;
            let doubtful = if doubt == 0 { 0 } else { runs.values().map(below).sum() };
            let missing = missing.get(&queue).map_or(0, Returning::count);
            if missing + doubtful > 0 || undeclared {
                found.insert(queue, QueueLoss { name: declared.name.clone(), missing, doubtful, undeclared });
            }
            let mut pages = Pages::default();
            runs.into_values().for_each(|run| pages.append(run));
            let messages = pages.runs.iter().map(|run| run.names.len() as u64).sum();
            stored.insert(queue, pages);
            restored.push(Restored { declared, messages, bytes: messages * average.0 });
        }
        losses.queues = found.into_values().collect();
        restored.sort_by_key(|restored| restored.declared.queue);
        (Extract::salvaged(config.directory, stored, failures, restored), losses)
    }

    /// What is missing lay in segments before all that are there.
    fn note_front(&mut self) {
        let runs = self.missing.values().flat_map(|known| known.runs.values());
        let gone = runs.map(|run| run.segment).filter(|&segment| segment < self.first_segment);
        let (first, last) = gone.fold((u64::MAX, 0), |(first, last), segment| (first.min(segment), last.max(segment)));
        // With a manifest they were told when the first one came.
        if first <= last && (self.manifest.is_none() || self.first_segment == 0) {
            self.losses.segments.insert(0, (first, last));
        }
    }

    /// Whether a queue without a declaration never had one, as nothing is missing of what could have declared it.
    fn knows_every_queue(&self) -> bool {
        let Losses { gaps, unknown, records, strays, tail, segments, .. } = &self.losses;
        let since = if self.known > 1 { *unknown == 0 } else { gaps.is_empty() && segments.is_empty() };
        // Queues that live are declared again when the segment goes that declared them.
        let begins = self.manifest.map_or(1, |manifest| manifest.first);
        let begun = self.known > 1 || (1..=begins).contains(&self.first_segment);
        begun && since && records.is_empty() && strays.is_empty() && *tail != Tail::Lost
    }
}

impl Losses {
    fn add_gap(&mut self, gap: Gap, known: u64) {
        let mut gap = gap;
        if gap.batches == 0 && known > 1 && known < gap.sequences.end {
            // Nothing before it is there, and the checkpoint says how far that went.
            gap.sequences.start = known;
        }
        self.batches += gap.batches;
        self.unknown += gap.sequences.end.saturating_sub(gap.sequences.start.max(known));
        if self.gaps.len() < PLACES_MAX { self.gaps.push(gap) } else { self.more_gaps += 1 }
    }

    /// A checkpoint says what was left before it.
    fn forget_unknown(&mut self) {
        self.unknown = 0;
    }

    fn add_record(&mut self, fault: Fault) {
        if self.records.len() < PLACES_MAX {
            self.records.push(fault);
        }
    }

    fn add_stray(&mut self, place: Place) {
        if self.strays.len() < PLACES_MAX {
            self.strays.push(place);
        }
    }
}

/// A record says where a message is that was missing, or that it left.
fn find(missing: &mut HashMap<u64, Returning>, sequence: u64, record: &Record<'_>) {
    if missing.is_empty() {
        return;
    }
    match *record {
        Record::Acknowledged { queue, first, last } => {
            if let Some(known) = missing.get_mut(&queue) {
                known.remove(first, last, |_, _| {});
            }
        }
        Record::QueueDeleted { queue } => drop(missing.remove(&queue)),
        _ => entries(record, sequence, |entry| {
            if let Some(known) = missing.get_mut(&entry.queue) {
                known.remove(entry.name, entry.name, |_, _| {});
            }
        }),
    }
}

/// A queue whose declaration is not there. Its number is one of its shard.
fn lost(shard: u16, queue: u64) -> Declared {
    let name = format!("lost-queue-{queue}-of-shard-{shard}");
    Declared { queue, routing: RoutingType::Anycast, purpose: Purpose::OnDemand, address: name.clone(), name }
}

impl Returning {
    /// How many messages it has.
    fn count(&self) -> u64 {
        self.runs.values().map(|run| run.names.len() as u64).sum()
    }

    fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Takes what is known of the queue itself.
    fn declare(&mut self, known: &Self) {
        if self.declared.is_none() {
            self.declared.clone_from(&known.declared);
            self.number = known.number;
        }
    }

    fn contains(&self, name: u64) -> bool {
        self.runs.range(..=name).next_back().is_some_and(|(_, run)| run.names.contains(name))
    }

    /// Keeps the messages that `known` has, and takes those out of it; gives how many went, and each to `release`.
    fn keep(&mut self, known: &mut Self, mut release: impl FnMut(u64)) -> u64 {
        let mut gone = 0;
        let starts: Vec<u64> = self.runs.keys().copied().collect();
        for start in starts {
            let names = self.runs.get(&start).into_iter().flat_map(|run| run.names.iter());
            let names: Vec<(u64, bool)> = names.map(|name| (name, known.contains(name))).collect();
            // In rows, as a name for itself costs a look into the tables.
            for row in
                names.chunk_by(|(name, is_known), (next, next_known)| name + 1 == *next && is_known == next_known)
            {
                let (Some(&(first, is_known)), Some(&(last, _))) = (row.first(), row.last()) else { continue };
                if is_known {
                    known.remove(first, last, |_, _| {});
                } else {
                    gone += self.remove(first, last, |_, sequence| release(sequence));
                }
            }
        }
        gone
    }
}
