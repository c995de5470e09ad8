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
use engine_ledger::{Checkpoint, Kept, Ledger, Meaning, entries, read_checkpoint};
use storage_journal::{
    End, Fault, FaultKind, Gap, Manifest, Piece, Place, Reach, Record, Salvage as Scan, SegmentPart, Segments,
};

use super::StoreConfig;
use super::offline::Extract;
use super::pages::{Pages, Run};
use super::recovery::{State, Taken};

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
    /// Numbers that are missing and that no checkpoint knows of: at most so many messages, acknowledgements and others.
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
    ledger: Ledger,
    /// What must be there, if anybody says so.
    manifest: Option<Manifest>,
    /// The checkpoint, until what comes before it was taken.
    checkpoint: Option<Checkpoint>,
    /// The first numbers that no checkpoint knows of; the first of all without one.
    known: Reach,
    /// What the checkpoint knows of and was not found, by queue; and the segments that it lay in.
    missing: HashMap<u64, Kept>,
    lost_segments: Segments,
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
            ledger: Ledger::new(),
            manifest: None,
            checkpoint: None,
            known: Reach::START,
            missing: HashMap::new(),
            lost_segments: Segments::new(config.segment_bytes, config.allowance()),
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
        self.checkpoint = Some(read_checkpoint(&self.config.whose(), bytes)?);
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
        let Self { scan, segments, ledger, taken, missing, losses, .. } = self;
        let mut state = State { segments, ledger };
        let (known, mut doubt) = (self.known, self.doubt);
        scan.handle_part(part, |piece| match piece {
            Piece::Record(batch, record) => {
                if !std::mem::replace(&mut taken.begun, true) {
                    state.segments.salvage_begun(number, batch.first);
                }
                if let Err(what) = state.handle_record(taken, batch, &record) {
                    let Place { segment, offset } = batch.place;
                    losses.add_record(Fault { segment, offset, kind: FaultKind::Record(what) });
                }
                find(missing, &record);
            }
            Piece::Gap(gap) => {
                // What was written again says nothing of others.
                if gap.shared.end > known.shared && gap.batches == 0
                    || gap.shared.end > gap.shared.start.max(known.shared)
                {
                    doubt = doubt.max(gap.shared.end);
                }
                losses.add_gap(gap, known);
            }
            Piece::Unknown(fault) => {
                doubt = u64::MAX;
                losses.add_record(fault);
            }
            Piece::Stray(place) => losses.add_stray(place),
        });
        ledger.settle(segments);
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
        let Some(Checkpoint { position, segments: lost_segments, ledger }) = self.checkpoint.take() else { return };
        self.known = position.reach;
        self.doubt = 0;
        self.losses.forget_unknown();
        self.ledger.note_last_queue(ledger.last_queue());
        for (name, count) in ledger.failures() {
            self.ledger.note_failures(name, count);
        }
        let mut known = ledger.into_queues();
        let segments = &mut self.segments;
        self.ledger.queues_mut().retain(|queue, found| match known.get_mut(queue) {
            Some(known) => {
                found.keep(known, |number| segments.handle_released(number));
                true
            }
            None => {
                found.remove(0, u64::MAX, |_, number| segments.handle_released(number));
                false
            }
        });
        for (queue, known) in &known {
            self.ledger.queues_mut().entry(*queue).or_default().declare_as(known);
        }
        known.retain(|_, known| known.messages() > 0);
        (self.missing, self.lost_segments) = (known, lost_segments);
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
        let Self { config, ledger, segments, missing, doubt, mut losses, .. } = self;
        let (mut stored, mut restored, mut found) = (HashMap::new(), Vec::new(), BTreeMap::new());
        for (queue, kept) in ledger.queues() {
            let undeclared = kept.declared().is_none();
            if undeclared && (complete || kept.messages() == 0 || queue & PASSING != 0) {
                // It did not outlive the node, and its messages did not either.
                continue;
            }
            let declared = kept.declared().cloned().unwrap_or_else(|| lost(config.shard, queue));
            let below = kept.runs().map(|run| run.names().range(0, doubt.saturating_sub(1)).len() as u64);
            let doubtful = if doubt == 0 { 0 } else { below.sum() };
            let missing = missing.get(&queue).map_or(0, Kept::messages);
            if missing + doubtful > 0 || undeclared {
                found.insert(queue, QueueLoss { name: declared.name.clone(), missing, doubtful, undeclared });
            }
            let mut pages = Pages::default();
            kept.batches(&segments, |place, messages| pages.append(Run::within(&place, messages)));
            let messages = pages.len();
            stored.insert(queue, pages);
            restored.push(Restored { declared, messages, bytes: messages * kept.body_bytes() });
        }
        losses.queues = found.into_values().collect();
        restored.sort_by_key(|restored| restored.declared.queue);
        (Extract::salvaged(config.directory, stored, ledger, restored), losses)
    }

    /// What is missing lay in segments before all that are there.
    fn note_front(&mut self) {
        let numbers = self.missing.values().flat_map(Kept::runs).flat_map(|run| run.numbers().iter());
        let segments = numbers.filter_map(|number| self.lost_segments.place_of(number)).map(|place| place.segment);
        let gone = segments.filter(|&segment| segment < self.first_segment);
        let (first, last) = gone.fold((u64::MAX, 0), |(first, last), segment| (first.min(segment), last.max(segment)));
        // With a manifest they were told when the first one came.
        if first <= last && (self.manifest.is_none() || self.first_segment == 0) {
            self.losses.segments.insert(0, (first, last));
        }
    }

    /// Whether a queue without a declaration never had one, as nothing is missing of what could have declared it.
    fn knows_every_queue(&self) -> bool {
        let Losses { gaps, unknown, records, strays, tail, segments, .. } = &self.losses;
        let has_checkpoint = self.known != Reach::START;
        let since = if has_checkpoint { *unknown == 0 } else { gaps.is_empty() && segments.is_empty() };
        // Queues that live are declared again when the segment goes that declared them.
        let begins = self.manifest.map_or(1, |manifest| manifest.first);
        let begun = has_checkpoint || (1..=begins).contains(&self.first_segment);
        begun && since && records.is_empty() && strays.is_empty() && *tail != Tail::Lost
    }
}

impl Losses {
    fn add_gap(&mut self, gap: Gap, known: Reach) {
        let mut gap = gap;
        if gap.batches == 0 && known != Reach::START {
            // Nothing before it is there, and the checkpoint says how far that went.
            for (missing, known) in [(&mut gap.shared, known.shared), (&mut gap.local, known.local)] {
                missing.start = missing.start.min(known.min(missing.end));
            }
        }
        self.batches += gap.batches;
        for (missing, known) in [(&gap.shared, known.shared), (&gap.local, known.local)] {
            self.unknown += missing.end.saturating_sub(missing.start.max(known));
        }
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
fn find(missing: &mut HashMap<u64, Kept>, record: &Record<'_>) {
    if missing.is_empty() {
        return;
    }
    match Meaning::decode(record) {
        Ok(Some(Meaning::Acknowledged { queue, first, last })) => {
            if let Some(known) = missing.get_mut(&queue) {
                known.remove(first, last, |_, _| {});
            }
        }
        Ok(Some(Meaning::Deleted { queue })) => drop(missing.remove(&queue)),
        Ok(Some(meaning)) => entries(&meaning, record.number, |entry| {
            if let Some(known) = missing.get_mut(&entry.queue) {
                known.remove(entry.name, entry.name, |_, _| {});
            }
        }),
        _ => {}
    }
}

/// A queue whose declaration is not there. Its number is one of its shard.
fn lost(shard: u16, queue: u64) -> Declared {
    let name = format!("lost-queue-{queue}-of-shard-{shard}");
    Declared {
        queue,
        routing: RoutingType::Anycast,
        purpose: Purpose::OnDemand,
        address: name.clone(),
        name,
        selector: None,
        no_local: None,
    }
}
