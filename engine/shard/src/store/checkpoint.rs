//! The state of a shard's journal at the begin of a segment: a replay goes on from there.
//!
//! Guarantees: it holds what the records before its segment say, and nothing of later ones. Messages that do not outlive the node
//! are not in it. It is an accelerator: without it, the segments say the same.

use std::collections::{HashMap, HashSet};

use engine_core::Core;
use engine_core::fact::{Declared, Purpose};
use engine_core::message::Large;
use rkyv::rancor;
use rkyv::util::AlignedVec;
use storage_journal::{Position, SegmentState, Segments, open_checkpoint, seal_checkpoint};

use super::files::Files;
use super::names::Names;
use super::pages::Run;
use super::recovery::{Returning, routing_number, routing_of};
use super::{Store, StoreConfig};

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct Checkpoint {
    shard: u16,
    segment_bytes: u64,
    segment: u64,
    batch: u64,
    sequence: u64,
    previous: u32,
    last_queue: u64,
    segments: Vec<SegmentEntry>,
    queues: Vec<QueueEntry>,
    /// Queues of which the next records may say something, and soon that they are deleted.
    ending: Vec<u64>,
    failures: Vec<(u64, u32)>,
    files: Vec<FileEntry>,
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
    first_sequence: u64,
    messages: u64,
    bytes: u64,
    end: u32,
    batches: Vec<(u64, u32)>,
}

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
struct QueueEntry {
    queue: u64,
    number: u64,
    routing: u8,
    subscription: bool,
    address: String,
    name: String,
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
    sequences: Option<NamesEntry>,
    segment: u64,
    block: u32,
    blocks: u32,
}

impl NamesEntry {
    fn of(names: &Names) -> Self {
        let (base, count, offsets) = names.parts();
        Self { base, count, offsets }
    }

    fn names(self) -> Result<Names, &'static str> {
        let Self { base, count, offsets } = self;
        let fits = !offsets.is_empty() || (count > 0 && base.checked_add(u64::from(count)).is_some());
        if !fits || !offsets.is_sorted_by(|offset, next| offset < next) {
            return Err("the checkpoint has names that are none");
        }
        Ok(Names::restore(base, count, offsets))
    }
}

impl RunEntry {
    fn of(run: &Run) -> Self {
        let sequences = run.sequences.as_deref().map(NamesEntry::of);
        Self {
            names: NamesEntry::of(&run.names),
            sequences,
            segment: run.segment,
            block: run.block,
            blocks: run.blocks,
        }
    }

    fn run(self) -> Result<Run, &'static str> {
        let sequences = self.sequences.map(NamesEntry::names).transpose()?.map(Box::new);
        let (segment, block, blocks) = (self.segment, self.block, self.blocks);
        Ok(Run { names: self.names.names()?, sequences, durable: true, segment, block, blocks })
    }
}

/// What a checkpoint says.
pub(super) struct State {
    pub position: Position,
    pub last_queue: u64,
    pub segments: Segments,
    pub queues: HashMap<u64, Returning>,
    pub ending: HashSet<u64>,
    pub failures: HashMap<u64, u32>,
    pub files: Files,
    pub messages: u64,
}

impl Store {
    /// The state at the begin of the segment that was just begun; all facts before it were taken.
    pub(super) fn capture(&self, core: &Core, position: Position) -> Vec<u8> {
        let segments = self.segments.states().map(|state| SegmentEntry {
            number: state.number,
            first_sequence: state.first_sequence,
            messages: state.messages,
            bytes: state.bytes,
            end: state.end,
            batches: state.batches,
        });
        let (mut queues, mut ending) = (Vec::new(), Vec::new());
        for (&queue, stored) in self.queues.iter().filter(|(_, stored)| stored.declared != 0) {
            let Some((declared, body_bytes)) = core.declared(queue) else {
                ending.push(queue);
                continue;
            };
            let mut names = core.resident(queue);
            // What left since, and is said later, is here still.
            names.extend(core.unsaid(queue, position.sequence));
            names.retain(|&name| name < position.sequence);
            // What is read may have been written again since it was ordered, like what is in memory.
            let reading = stored.reading.iter().map(|reading| &reading.run).filter(|run| run.durable);
            let reading = reading.flat_map(Run::iter);
            let mut messages: Vec<_> = names.into_iter().map(|name| (name, name)).chain(reading).collect();
            messages.sort_unstable();
            let mut runs = self.runs_of(&messages);
            runs.extend(stored.pages.runs.iter().filter(|run| run.durable).map(RunEntry::of));
            queues.push(QueueEntry {
                queue,
                number: stored.declared,
                routing: routing_number(declared.routing),
                subscription: declared.purpose == Purpose::Subscription,
                address: declared.address,
                name: declared.name,
                body_bytes,
                runs,
            });
        }
        let files = self.files.messages().map(|(name, queue, Large { id, bytes, checksum })| FileEntry {
            name,
            queue,
            id,
            bytes,
            checksum,
        });
        let checkpoint = Checkpoint {
            shard: self.config.shard,
            segment_bytes: self.config.segment_bytes,
            segment: position.segment,
            batch: position.batch,
            sequence: position.sequence,
            previous: position.previous,
            last_queue: core.last_queue(),
            segments: segments.collect(),
            queues,
            ending,
            failures: self.failures.iter().map(|(&name, &count)| (name, count)).collect(),
            files: files.collect(),
        };
        let contents = rkyv::to_bytes::<rancor::Error>(&checkpoint).expect("a state can be written down");
        seal_checkpoint(self.config.directory, &contents)
    }

    /// Where messages lie that are in memory, or on the way there: their names, and the last sequence numbers that are known
    /// but for those of `moved`.
    fn runs_of(&self, messages: &[(u64, u64)]) -> Vec<RunEntry> {
        let mut runs: Vec<Run> = Vec::new();
        for &(name, sequence) in messages {
            let sequence = self.moved.get(&name).copied().unwrap_or(sequence);
            let Some((segment, block, blocks)) = self.segments.place_of(sequence) else { continue };
            match runs.last_mut() {
                Some(run) if (run.segment, run.block) == (segment, block) && run.takes((name, sequence)) => {
                    run.push((name, sequence));
                }
                _ => {
                    let mut run = Run::new((name, sequence), true, segment, block);
                    run.blocks = blocks;
                    runs.push(run);
                }
            }
        }
        runs.iter().map(RunEntry::of).collect()
    }
}

/// Reads a checkpoint.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(config: &StoreConfig, bytes: &[u8]) -> Result<State, &'static str> {
    let contents = open_checkpoint(config.directory, bytes)?;
    let mut aligned = AlignedVec::<16>::with_capacity(contents.len());
    aligned.extend_from_slice(contents);
    let checkpoint = rkyv::from_bytes::<Checkpoint, rancor::Error>(&aligned)
        .map_err(|_| "the checkpoint's contents are not what they should be")?;
    if (checkpoint.shard, checkpoint.segment_bytes) != (config.shard, config.segment_bytes) {
        return Err("the checkpoint is another journal's");
    }
    let states = checkpoint.segments.into_iter().map(|entry| SegmentState {
        number: entry.number,
        first_sequence: entry.first_sequence,
        messages: entry.messages,
        bytes: entry.bytes,
        end: entry.end,
        batches: entry.batches,
    });
    let mut segments = Segments::new(config.segment_bytes, config.allowance());
    segments.restore(states).ok_or("the checkpoint's segments do not follow each other")?;
    let (mut queues, mut messages) = (HashMap::new(), 0);
    for entry in checkpoint.queues {
        let declared = Declared {
            queue: entry.queue,
            routing: routing_of(entry.routing).ok_or("a queue has an unknown routing type")?,
            purpose: if entry.subscription { Purpose::Subscription } else { Purpose::OnDemand },
            address: entry.address,
            name: entry.name,
        };
        segments.handle_needed(entry.number);
        let mut returning = Returning::new(declared, entry.number, entry.body_bytes);
        for run in entry.runs {
            let run = run.run()?;
            messages += run.names.len() as u64;
            run.iter().for_each(|(_, sequence)| segments.handle_needed(sequence));
            returning.put(run);
        }
        queues.insert(entry.queue, returning);
    }
    let mut files = Files::default();
    for FileEntry { name, queue, id, bytes, checksum } in checkpoint.files {
        files.keep(name, queue, Large { id, bytes, checksum });
    }
    Ok(State {
        files,
        position: Position {
            segment: checkpoint.segment,
            batch: checkpoint.batch,
            sequence: checkpoint.sequence,
            previous: checkpoint.previous,
        },
        last_queue: checkpoint.last_queue,
        segments,
        queues,
        ending: checkpoint.ending.into_iter().collect(),
        failures: checkpoint.failures.into_iter().collect(),
        messages,
    })
}
