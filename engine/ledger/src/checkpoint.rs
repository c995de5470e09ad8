//! The ledger of a journal at the begin of a segment: a replay goes on from there.
//!
//! Guarantees: it holds what the records before its segment say, and nothing of later ones. Messages that do not outlive the node
//! are not in it. Where messages lie follows from the numbers of their segments' batches. It is an accelerator: without it, the segments say the same.

use engine_core::message::Large;
use rkyv::rancor;
use rkyv::util::AlignedVec;
use storage_journal::{
    BatchStart, LogPosition, Position, Reach, SegmentState, Segments, open_checkpoint, seal_checkpoint,
};

use crate::attributes::Attributes;
use crate::declaration::{declaration, encode_declaration};
use crate::kept::Kept;
use crate::ledger::Ledger;
use crate::names::Names;
use crate::run::Run;

/// The version of a checkpoint's contents that this code writes and reads.
pub const CHECKPOINT_VERSION: u32 = 3;

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Contents {
    shard: u16,
    segment_bytes: u64,
    position: PositionEntry,
    last_queue: u64,
    segments: Vec<SegmentEntry>,
    queues: Vec<QueueEntry>,
    failures: Vec<(u64, u32)>,
    files: Vec<FileEntry>,
}

/// [`Position`].
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct PositionEntry {
    segment: u64,
    batch: u64,
    previous: u32,
    shared: u64,
    local: u64,
    term: u64,
    part: u64,
    part_previous: u32,
}

/// A message in a file.
#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct FileEntry {
    name: u64,
    queue: u64,
    id: u64,
    bytes: u64,
    checksum: u32,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct SegmentEntry {
    number: u64,
    shared: u64,
    local: u64,
    messages: u64,
    bytes: u64,
    end: u32,
    batches: Vec<(u32, u32, u32)>,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct QueueEntry {
    queue: u64,
    number: u64,
    attributes: Vec<u8>,
    body_bytes: u64,
    runs: Vec<RunEntry>,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct NamesEntry {
    base: u64,
    count: u32,
    offsets: Vec<u32>,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct RunEntry {
    names: NamesEntry,
    numbers: Option<NamesEntry>,
}

impl NamesEntry {
    fn of(names: &Names) -> Self {
        let (base, count, offsets) = names.parts();
        Self { base, count, offsets }
    }

    fn names(self) -> Result<Names, &'static str> {
        let Self { base, count, offsets } = self;
        let last = offsets.last().copied().unwrap_or(count);
        let fits = (!offsets.is_empty() || count > 0) && base.checked_add(u64::from(last)).is_some();
        if !fits || !offsets.is_sorted_by(|offset, next| offset < next) {
            return Err("the checkpoint has names that are none");
        }
        Ok(Names::restore(base, count, offsets))
    }
}

impl RunEntry {
    fn of(run: &Run) -> Self {
        Self { names: NamesEntry::of(run.names()), numbers: run.moved().map(NamesEntry::of) }
    }

    fn run(self) -> Result<Run, &'static str> {
        let numbers = self.numbers.map(NamesEntry::names).transpose()?;
        Run::restore(self.names.names()?, numbers).ok_or("the checkpoint has a run that is none")
    }
}

impl PositionEntry {
    fn of(position: &Position) -> Self {
        let Position { segment, batch, previous, reach, log } = *position;
        let (Reach { shared, local }, LogPosition { term, part, previous: part_previous }) = (reach, log);
        Self { segment, batch, previous, shared, local, term, part, part_previous }
    }

    fn position(&self) -> Position {
        Position {
            segment: self.segment,
            batch: self.batch,
            previous: self.previous,
            reach: Reach { shared: self.shared, local: self.local },
            log: LogPosition { term: self.term, part: self.part, previous: self.part_previous },
        }
    }
}

/// Whose checkpoint one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose {
    /// The shard.
    pub shard: u16,
    /// The identity of its data directory.
    pub directory: [u8; 16],
    /// Length of a segment, octets.
    pub segment_bytes: u64,
    /// Octets that the journal may be longer than twice what lives in it.
    pub allowance: u64,
}

/// What a checkpoint says.
pub struct Checkpoint {
    /// What a replay goes on from.
    pub position: Position,
    /// The segments before it.
    pub segments: Segments,
    /// What the records in them say.
    pub ledger: Ledger,
}

impl Ledger {
    /// The checkpoint of this state, at the begin of a segment of which nothing was written; everything was settled.
    pub fn checkpoint(&self, whose: &Whose, position: &Position, segments: &Segments) -> Vec<u8> {
        let segments = segments.states().map(|state| SegmentEntry {
            number: state.number,
            shared: state.first.shared,
            local: state.first.local,
            messages: state.messages,
            bytes: state.bytes,
            end: state.end,
            batches: state.batches.iter().map(|batch| (batch.shared, batch.local, batch.block)).collect(),
        });
        let queues = self.queues.iter().filter_map(|(&queue, kept)| {
            let attributes = encode_declaration(kept.declared()?);
            let runs = kept.runs().map(RunEntry::of).collect();
            Some(QueueEntry { queue, number: kept.number(), attributes, body_bytes: kept.body_bytes(), runs })
        });
        let lasting = self.files.messages().filter(|(name, ..)| name & storage_journal::LOCAL == 0);
        let files =
            lasting.map(|(name, queue, Large { id, bytes, checksum })| FileEntry { name, queue, id, bytes, checksum });
        let contents = Contents {
            shard: whose.shard,
            segment_bytes: whose.segment_bytes,
            position: PositionEntry::of(position),
            last_queue: self.last_queue,
            segments: segments.collect(),
            queues: queues.collect(),
            failures: self.failures().collect(),
            files: files.collect(),
        };
        let contents = rkyv::to_bytes::<rancor::Error>(&contents).expect("a state can be written down");
        seal_checkpoint(whose.directory, CHECKPOINT_VERSION, &contents)
    }
}

/// Reads a checkpoint.
///
/// # Errors
/// What is wrong with it.
pub fn read_checkpoint(whose: &Whose, bytes: &[u8]) -> Result<Checkpoint, &'static str> {
    let contents = open_checkpoint(whose.directory, CHECKPOINT_VERSION, bytes)?;
    let mut aligned = AlignedVec::<16>::with_capacity(contents.len());
    aligned.extend_from_slice(contents);
    let contents = rkyv::from_bytes::<Contents, rancor::Error>(&aligned)
        .map_err(|_| "the checkpoint's contents are not what they should be")?;
    if (contents.shard, contents.segment_bytes) != (whose.shard, whose.segment_bytes) {
        return Err("the checkpoint is another journal's");
    }
    let states = contents.segments.into_iter().map(|entry| SegmentState {
        number: entry.number,
        first: Reach { shared: entry.shared, local: entry.local },
        messages: entry.messages,
        bytes: entry.bytes,
        end: entry.end,
        batches: entry.batches.into_iter().map(|(shared, local, block)| BatchStart { shared, local, block }).collect(),
    });
    let mut segments = Segments::new(whose.segment_bytes, whose.allowance);
    segments.restore(states).ok_or("the checkpoint's segments do not follow each other")?;
    let mut ledger = Ledger::new();
    ledger.last_queue = contents.last_queue;
    for QueueEntry { queue, number, attributes, body_bytes, runs } in contents.queues {
        let declared = declaration(queue, Attributes(&attributes))?;
        segments.handle_needed(number);
        let mut kept = Kept::restore(declared, number, body_bytes);
        for run in runs {
            let run = run.run()?;
            run.numbers().iter().for_each(|number| segments.handle_needed(number));
            kept.put(run).ok_or("the checkpoint's messages are not in their order")?;
        }
        ledger.queues.insert(queue, kept);
    }
    ledger.failures = contents.failures.into_iter().collect();
    for FileEntry { name, queue, id, bytes, checksum } in contents.files {
        ledger.files.keep(name, queue, Large { id, bytes, checksum });
    }
    Ok(Checkpoint { position: contents.position.position(), segments, ledger })
}
