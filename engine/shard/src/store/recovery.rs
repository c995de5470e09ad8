//! A shard's journal after a start: which queues there are, and which messages are still in them.
//!
//! Guarantees: what was durable is there again, in the order of its queue; what was acknowledged durably is not. Memory is a few
//! octets for each message, whatever its size.

use std::collections::{BTreeMap, HashMap, HashSet};

use engine_core::Restored;
use engine_core::command::RoutingType;
use engine_core::fact::{Declared, PASSING, Purpose};
use engine_core::message::Large;
use storage_journal::format::BLOCK;
use storage_journal::{
    Batch, Ended, Fault, FaultKind, Manifest, Owner, Place, Record, Replay, SegmentFound, SegmentPart, Segments,
};

use super::checkpoint;
use super::entry::{Entry, entries};
use super::files::Files;
use super::pages::{Pages, Run, block};
use super::streak::Streak;
use super::{Store, StoreConfig, Stored};

/// A queue on its way back.
#[derive(Default)]
pub(super) struct Returning {
    /// Comes behind its messages when it was written again. A queue without one does not outlive the node.
    pub declared: Option<Declared>,
    /// The number of its declaration.
    pub number: u64,
    /// By the first name in each.
    pub runs: BTreeMap<u64, Run>,
    /// Size of its bodies on average, octets, and how many make that average.
    pub average: (u64, u64),
}

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
    queues: HashMap<u64, Returning>,
    failures: HashMap<u64, u32>,
    last_queue: u64,
    files: Files,
    /// What the journal has at least; `None` for one of which only what can be read is wanted.
    manifest: Option<Manifest>,
    /// Queues that were about to be deleted at the checkpoint.
    ending: HashSet<u64>,
    /// Segments that hold no batch.
    empty: Vec<u64>,
    messages: u64,
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
            queues: HashMap::new(),
            failures: HashMap::new(),
            last_queue: 0,
            files: Files::default(),
            manifest: None,
            ending: HashSet::new(),
            empty: Vec::new(),
            messages: 0,
            first: 0,
        }
    }

    /// A recovery that goes on from the checkpoint that was taken at the begin of a segment.
    ///
    /// # Errors
    /// What is wrong with the checkpoint.
    pub fn resume(config: StoreConfig, segment: u64, checkpoint: &[u8]) -> Result<Self, &'static str> {
        let state = checkpoint::read(&config, checkpoint)?;
        if state.position.segment != segment {
            return Err("the checkpoint has the name of another one");
        }
        Ok(Self {
            replay: Replay::resume(config.shard, config.directory, state.position),
            segments: state.segments,
            queues: state.queues,
            failures: state.failures,
            last_queue: state.last_queue,
            files: state.files,
            ending: state.ending,
            messages: state.messages,
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
        let Self { replay, segments, queues, failures, last_queue, files, messages, taken, .. } = self;
        if part.is_first() {
            *taken = Taken::default();
        }
        let mut state = State { segments, queues, failures, last_queue, files, messages, streak: None };
        let unknown = self.manifest.is_some_and(|manifest| number > manifest.last);
        let mut fault = None;
        let replayed = replay.handle_part(part, |sequence, batch, record| {
            if !std::mem::replace(&mut taken.begun, true) {
                state.segments.handle_begun(number, sequence);
            }
            state.handle_batch(taken, sequence, batch);
            if let Err(what) = state.handle_record(sequence, batch, &record) {
                fault.get_or_insert(Fault {
                    segment: number,
                    offset: batch.place.offset,
                    kind: FaultKind::Record(what),
                });
            }
        });
        state.end_streak();
        replayed?;
        let ended = self.replay.ended();
        if unknown && part.is_last() && ended.is_some_and(|ended| ended.place.segment == number) {
            return Err(Fault::manifest("the manifest is older than the journal: it does not know the last segment"));
        }
        if part.is_last() && !self.taken.begun {
            match ended {
                // There is a mark in it, and nothing else.
                Some(Ended { place, .. }) if place.segment == number => {
                    self.segments.handle_begun(number, self.replay.position().sequence);
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
        for (&queue, returning) in &self.queues {
            let passing = queue & PASSING != 0 || self.ending.contains(&queue);
            if let Some(run) = returning.runs.values().next()
                && returning.declared.is_none()
                && !passing
            {
                let messages = returning.runs.values().map(|run| run.names.len() as u64).sum();
                let place = run.place();
                let kind = FaultKind::Undeclared { queue, messages };
                losses.push(Fault { segment: place.segment, offset: place.offset, kind });
            }
        }
        losses.sort_by_key(|fault| (fault.segment, fault.offset));
        losses
    }

    /// How the journal ended.
    pub fn ended(&self) -> Option<Ended> {
        self.replay.ended()
    }

    /// Messages that are left.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// The journal to go on with, the queues in it, and the last number and queue that were used.
    pub fn finish(self) -> (Store, Vec<Restored>, u64, u64) {
        let position = self.replay.position();
        // Those behind the end that were made ready before are ready still.
        let ready = self.manifest.map_or(0, |manifest| manifest.last);
        let mut store = Store::new(self.config, position, self.segments, ready.max(position.segment - 1));
        let mut restored = Vec::new();
        store.failures = self.failures;
        store.spare = self.empty.into_iter().filter(|&segment| segment < position.segment).collect();
        for (queue, returning) in self.queues {
            let Some(declared) = returning.declared else {
                let messages = returning.runs.values().flat_map(Run::iter);
                messages.for_each(|(_, sequence)| store.segments.handle_released(sequence));
                continue;
            };
            let mut pages = Pages::default();
            // What lies in a segment that is gone was released, though the journal may not know that for good.
            let oldest = store.segments.first().unwrap_or(0);
            let left = returning.runs.into_values().filter(|run| run.segment >= oldest);
            left.for_each(|run| pages.append(run));
            let messages = pages.runs.iter().map(|run| run.names.len() as u64).sum();
            store.queues.insert(queue, Stored { pages, declared: returning.number, ..Stored::default() });
            restored.push(Restored { declared, messages, bytes: messages * returning.average.0 });
        }
        restored.sort_by_key(|restored| restored.declared.queue);
        // A queue may be gone without a word, with the node that it belonged to.
        for (name, queue, large) in self.files.messages() {
            if store.queues.get(&queue).is_some_and(|stored| stored.pages.holds(name)) {
                store.files.keep(name, queue, large);
            }
        }
        (store, restored, position.sequence - 1, self.last_queue)
    }
}

/// What records change.
pub(super) struct State<'a> {
    pub segments: &'a mut Segments,
    pub queues: &'a mut HashMap<u64, Returning>,
    pub failures: &'a mut HashMap<u64, u32>,
    pub last_queue: &'a mut u64,
    pub files: &'a mut Files,
    pub messages: &'a mut u64,
    /// The last messages, if the next one may go on where they end; they are nowhere else yet.
    pub streak: Option<Streak>,
}

impl State<'_> {
    /// A record comes that may be the first of its batch.
    pub fn handle_batch(&mut self, taken: &mut Taken, sequence: u64, batch: Batch) {
        if taken.last.replace(batch.place) != Some(batch.place) {
            let blocks = u32::try_from(batch.bytes / BLOCK).expect("a batch is small");
            self.segments.handle_sealed(sequence, block(batch.place), blocks);
        }
    }

    pub fn handle_record(&mut self, sequence: u64, batch: Batch, record: &Record<'_>) -> Result<(), &'static str> {
        if let Some(message) = Streak::of(sequence, batch, record) {
            if !self.streak.as_mut().is_some_and(|streak| streak.append(&message)) {
                self.end_streak();
                self.streak = Some(message);
            }
            return Ok(());
        }
        self.end_streak();
        match *record {
            Record::Message { properties, body, .. } | Record::Moved { properties, body, .. } => {
                if properties.durable {
                    if let Some(large) = Large::decode(body).filter(|_| properties.large) {
                        entries(record, sequence, |entry| self.files.keep(entry.name, entry.queue, large));
                    }
                    self.handle_message(sequence, batch, record, body.len());
                }
            }
            Record::Acknowledged { queue, first, last } => {
                self.files.release_range(queue, first, last, sequence);
                self.handle_acknowledged(queue, first, last);
            }
            Record::Failed { queue, message, count } => {
                if self.queues.contains_key(&queue) {
                    self.failures.insert(message, count);
                }
            }
            Record::QueueDeclared { queue, routing, purpose, address, name } => {
                self.note_queue(queue);
                let declared = Declared {
                    queue,
                    routing: routing_of(routing).ok_or("a queue has an unknown routing type")?,
                    purpose: match purpose {
                        0 => Purpose::OnDemand,
                        1 => Purpose::Subscription,
                        _ => return Err("a queue has an unknown purpose"),
                    },
                    address: address.to_owned(),
                    name: name.to_owned(),
                };
                let returning = self.queues.entry(queue).or_default();
                returning.declared = Some(declared);
                // It may have been written again.
                self.segments.handle_released(returning.number);
                returning.number = sequence;
                self.segments.handle_stored(sequence, 1, record.bytes());
            }
            Record::QueueDeleted { queue } => {
                self.files.release_queue(queue, sequence);
                self.handle_acknowledged(queue, 0, u64::MAX);
                if let Some(returning) = self.queues.remove(&queue) {
                    self.segments.handle_released(returning.number);
                }
            }
            Record::TransactionPart { .. }
            | Record::TransactionCommitted { .. }
            | Record::TransactionAborted { .. } => {
                return Err("this version of Heddle does not know transactions: a newer one wrote this journal");
            }
        }
        Ok(())
    }

    /// A queue had this number: none gets it again.
    fn note_queue(&mut self, queue: u64) {
        *self.last_queue = (*self.last_queue).max(queue & !PASSING);
    }

    pub fn end_streak(&mut self) {
        let Some(streak) = self.streak.take() else { return };
        self.note_queue(streak.queue);
        self.segments.handle_stored(streak.first, streak.count, streak.record_bytes);
        *self.messages += u64::from(streak.count);
        self.queues.entry(streak.queue).or_default().append(&streak);
    }

    fn handle_message(&mut self, sequence: u64, batch: Batch, record: &Record<'_>, body_bytes: usize) {
        entries(record, sequence, |Entry { queue, name, sequence, failures }| {
            *self.last_queue = (*self.last_queue).max(queue & !PASSING);
            let returning = self.queues.entry(queue).or_default();
            self.segments.handle_stored(sequence, 1, record.bytes() / record.numbers().max(1) as usize);
            if name != sequence {
                // The older copy, if it is still there, is not needed.
                let segments = &mut *self.segments;
                *self.messages -= returning.remove(name, name, |_, older| segments.handle_released(older));
                if let Some(failures) = failures.filter(|&failures| failures > 0) {
                    self.failures.insert(name, failures);
                }
            }
            *self.messages += 1;
            returning.count_bodies(1, body_bytes as u64);
            returning.insert(name, sequence, batch);
        });
    }

    fn handle_acknowledged(&mut self, queue: u64, first: u64, last: u64) {
        let Some(returning) = self.queues.get_mut(&queue) else { return };
        let (segments, failures) = (&mut *self.segments, &mut *self.failures);
        *self.messages -= returning.remove(first, last, |name, sequence| {
            segments.handle_released(sequence);
            failures.remove(&name);
        });
    }
}

impl Returning {
    pub fn new(declared: Declared, number: u64, body_bytes: u64) -> Self {
        Self { declared: Some(declared), number, runs: BTreeMap::new(), average: (body_bytes, 1000) }
    }

    /// Takes a run of a checkpoint.
    pub fn put(&mut self, run: Run) {
        self.runs.insert(run.names.first(), run);
    }

    fn count_bodies(&mut self, messages: u64, bytes: u64) {
        let (average, count) = self.average;
        self.average = ((average * count + bytes) / (count + messages), (count + messages).min(1000));
    }

    /// Takes messages whose names are their sequence numbers; no run has a name between theirs.
    fn append(&mut self, streak: &Streak) {
        self.count_bodies(u64::from(streak.count), streak.body_bytes);
        let mut names = streak.names();
        names.next().into_iter().for_each(|first| self.insert(first, first, streak.batch));
        if names.is_empty() {
            return;
        }
        let Some((_, run)) = self.runs.range_mut(..=streak.first).next_back() else { return };
        let rest = names.find(|&name| {
            let takes = run.takes((name, name));
            if takes {
                run.push((name, name));
            }
            !takes
        });
        // A run has no room for names that are too far apart.
        rest.into_iter().chain(names).for_each(|name| self.insert(name, name, streak.batch));
    }

    fn insert(&mut self, name: u64, sequence: u64, batch: Batch) {
        let (segment, start) = (batch.place.segment, block(batch.place));
        if let Some((_, run)) = self.runs.range_mut(..=name).next_back()
            && (run.segment, run.block) == (segment, start)
            && run.takes((name, sequence))
        {
            return run.push((name, sequence));
        }
        // No run reaches over what comes between its names.
        if let Some((_, run)) = self.runs.range_mut(..name).next_back()
            && run.names.last() > name
        {
            let rest = run.split_off(name);
            self.runs.insert(rest.names.first(), rest);
        }
        let mut run = Run::new((name, sequence), true, segment, start);
        run.blocks = u32::try_from(batch.bytes / BLOCK).expect("a batch is small");
        self.runs.insert(name, run);
    }

    /// Takes messages out; gives how many there were.
    pub fn remove(&mut self, first: u64, last: u64, mut take: impl FnMut(u64, u64)) -> u64 {
        let mut removed = 0;
        let start = self.runs.range(..=first).next_back().map_or(first, |(&from, _)| from);
        let within: Vec<u64> = self.runs.range(start..=last).map(|(&from, _)| from).collect();
        for from in within {
            let Some(run) = self.runs.get_mut(&from) else { continue };
            removed += run.remove(first, last, &mut take);
            if run.names.is_empty() || run.names.first() != from {
                let run = self.runs.remove(&from).filter(|run| !run.names.is_empty());
                run.into_iter().for_each(|run| drop(self.runs.insert(run.names.first(), run)));
            }
        }
        removed
    }
}

pub(super) fn routing_number(routing: RoutingType) -> u8 {
    match routing {
        RoutingType::Anycast => 0,
        RoutingType::Multicast => 1,
    }
}

pub(super) fn routing_of(number: u8) -> Option<RoutingType> {
    match number {
        0 => Some(RoutingType::Anycast),
        1 => Some(RoutingType::Multicast),
        _ => None,
    }
}
