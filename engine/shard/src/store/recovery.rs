//! A shard's journal after a start: which queues there are, and which messages are still in them.
//!
//! Guarantees: what was durable is there again, in the order of its queue; what was acknowledged durably is not. Memory is a few
//! octets for each message, whatever its size.

use std::collections::HashMap;

use engine_core::fact::PASSING;
use engine_core::{LastNumbers, Restored};
use engine_ledger::{Kept, Ledger, read_checkpoint};
use storage_journal::format::BLOCK;
use storage_journal::{
    Batch, Ended, Fault, FaultKind, Manifest, Owner, Place, Record, Replay, SegmentFound, SegmentPart, Segments,
};

use super::needed::Needed;
use super::pages::{Pages, Run, block};
use super::queues::{Queues, Stored};
use super::space::Space;
use super::{Found, Store, StoreConfig};

/// What was taken of the segment that is read.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub begun: bool,
    /// The batch of the last record.
    pub last: Option<Place>,
}

/// Takes the segments of one shard, oldest first, part by part.
pub struct Recovery {
    config: StoreConfig,
    replay: Replay,
    taken: Taken,
    segments: Segments,
    ledger: Ledger,
    /// What the journal has at least; `None` for one of which only what can be read is wanted.
    manifest: Option<Manifest>,
    /// Segments that hold no batch.
    empty: Vec<u64>,
    /// The segment to go on with after a checkpoint; 0 without one.
    first: u64,
}

impl Recovery {
    /// A recovery that has seen nothing yet.
    pub fn new(config: StoreConfig) -> Self {
        Self {
            config,
            replay: Replay::new(config.shard, config.directory),
            taken: Taken::default(),
            segments: Segments::new(config.segment_bytes, config.allowance()),
            ledger: Ledger::new(),
            manifest: None,
            empty: Vec::new(),
            first: 0,
        }
    }

    /// A recovery that goes on from the checkpoint that was taken at the begin of a segment.
    ///
    /// # Errors
    /// What is wrong with the checkpoint.
    pub fn resume(config: StoreConfig, segment: u64, checkpoint: &[u8]) -> Result<Self, &'static str> {
        let state = read_checkpoint(&config.whose(), checkpoint)?;
        if state.position.segment != segment {
            return Err("the checkpoint has the name of another one");
        }
        Ok(Self {
            replay: Replay::resume(config.shard, config.directory, state.position),
            segments: state.segments,
            ledger: state.ledger,
            first: state.position.segment,
            ..Self::new(config)
        })
    }

    /// Says what there is at least, and which segments there are, in the order of their numbers; gives those that have
    /// to be taken.
    ///
    /// # Errors
    /// What is missing or not what it should be.
    pub fn handle_manifest(&mut self, manifest: Manifest, found: &[SegmentFound]) -> Result<Vec<u64>, Vec<Fault>> {
        let StoreConfig { shard, directory, segment_bytes, .. } = self.config;
        let faults = manifest.faults(&Owner { shard, directory, segment_bytes }, found);
        if !faults.is_empty() {
            return Err(faults);
        }
        let first = manifest.first;
        assert!(self.first == 0 || first <= self.first, "what a checkpoint goes on with is still needed");
        self.manifest = Some(manifest);
        // What was freed since is gone, or may go: nothing in it is needed.
        self.segments.forget_before(first);
        let known = if self.first == 0 { first } else { self.segments.first().unwrap_or(self.first) };
        let numbers = found.iter().map(|found| found.number);
        self.empty.extend(numbers.clone().filter(|&number| number < known));
        let from = first.max(self.first);
        Ok(numbers.filter(|&number| number >= from).collect())
    }

    /// Takes the next part of the segments.
    ///
    /// # Errors
    /// When the journal is damaged.
    pub fn handle_part(&mut self, part: &SegmentPart<'_>) -> Result<(), Fault> {
        let number = part.segment;
        if part.is_first() {
            self.taken = Taken::default();
        }
        let Self { replay, segments, ledger, taken, .. } = self;
        let mut state = State { segments, ledger };
        let unknown = self.manifest.is_some_and(|manifest| number > manifest.last);
        let mut fault = None;
        let replayed = replay.handle_part(part, |batch, record| {
            if !std::mem::replace(&mut taken.begun, true) {
                state.segments.handle_begun(number, batch.first);
            }
            if let Err(what) = state.handle_record(taken, batch, &record) {
                fault.get_or_insert(Fault {
                    segment: number,
                    offset: batch.place.offset,
                    kind: FaultKind::Record(what),
                });
            }
        });
        ledger.settle(segments);
        replayed?;
        let ended = self.replay.ended();
        if unknown && part.is_last() && ended.is_some_and(|ended| ended.place.segment == number) {
            return Err(Fault::manifest("the manifest is older than the journal: it does not know the last segment"));
        }
        if part.is_last() && !self.taken.begun {
            match ended {
                // There is a mark in it, and nothing else.
                Some(Ended { place, .. }) if place.segment == number => {
                    self.segments.handle_begun(number, self.replay.position().reach);
                }
                _ => self.empty.push(number),
            }
        }
        fault.map_or(Ok(()), Err)
    }

    /// What must be there, and was not found in any segment. To be asked when all were taken.
    pub fn losses(&self) -> Vec<Fault> {
        let mut losses = Vec::new();
        let reached = self.replay.position();
        if let Some(manifest) = self.manifest
            && reached.batch <= manifest.batch
        {
            let place = self.ended().map_or(Place { segment: reached.segment, offset: 0 }, |ended| ended.place);
            let kind = FaultKind::Short { last: reached.batch - 1, written: manifest.batch };
            losses.push(Fault { segment: place.segment, offset: place.offset, kind });
        }
        for (queue, kept) in self.ledger.queues() {
            if queue & PASSING == 0
                && kept.declared().is_none()
                && let Some(place) = self.first_place(kept)
            {
                let kind = FaultKind::Undeclared { queue, messages: kept.messages() };
                losses.push(Fault { segment: place.segment, offset: place.offset, kind });
            }
        }
        losses.sort_by_key(|fault| (fault.segment, fault.offset));
        losses
    }

    /// Where the first message of a queue lies.
    fn first_place(&self, kept: &Kept) -> Option<Place> {
        let first = kept.runs().next()?.numbers().first();
        let place = self.segments.place_of(first)?;
        Some(Place { segment: place.segment, offset: u64::from(place.block) * BLOCK as u64 })
    }

    /// How the journal ended.
    pub fn ended(&self) -> Option<Ended> {
        self.replay.ended()
    }

    /// Messages that are left.
    pub fn messages(&self) -> u64 {
        self.ledger.messages()
    }

    /// What is known of queues and messages so far; more can be taken afterwards.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The journal to go on with, and what the owner goes on with.
    pub fn finish(self) -> Recovered {
        let position = self.replay.position();
        // Those behind the end that were made ready before are ready still.
        let ready = self.manifest.map_or(0, |manifest| manifest.last);
        let Self { mut segments, mut ledger, empty, .. } = self;
        ledger.forget_gone(&mut segments);
        let mut restored = Vec::new();
        let mut queues = HashMap::new();
        for (queue, kept) in ledger.queues() {
            let Some(declared) = kept.declared().cloned() else { continue };
            let mut pages = Pages::default();
            kept.batches(&segments, |place, messages| pages.append(Run::within(&place, messages)));
            let messages = pages.len();
            queues.insert(queue, Stored::new(pages));
            restored.push(Restored { declared, messages, bytes: messages * kept.body_bytes() });
        }
        restored.sort_by_key(|restored| restored.declared.queue);
        let last = LastNumbers {
            fact: position.reach.shared - 1,
            local: position.reach.local - 1,
            queue: ledger.last_queue(),
        };
        let spare = empty.into_iter().filter(|&segment| segment < position.segment).collect();
        let space = Space::new(ready.max(position.segment - 1), spare);
        let needed = Needed::new(segments, ledger, &position);
        let store = Store::new(self.config, position, Found { needed, queues: Queues::found(queues), space });
        Recovered { store, restored, last }
    }
}

/// What there is after a start.
#[derive(Debug)]
pub struct Recovered {
    /// The journal to go on with.
    pub store: Store,
    /// The queues in it.
    pub restored: Vec<Restored>,
    /// The last numbers that were used.
    pub last: LastNumbers,
}

/// What records change.
pub(super) struct State<'a> {
    pub segments: &'a mut Segments,
    pub ledger: &'a mut Ledger,
}

impl State<'_> {
    /// Takes a record of a batch; it may be the first of it.
    pub fn handle_record(&mut self, taken: &mut Taken, batch: Batch, record: &Record<'_>) -> Result<(), &'static str> {
        if taken.last.replace(batch.place) != Some(batch.place) {
            let blocks = u32::try_from(batch.bytes / BLOCK).expect("a batch is small");
            self.segments.handle_sealed(batch.first, block(batch.place), blocks);
        }
        self.ledger.apply_record(self.segments, record)
    }
}
