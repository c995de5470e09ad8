//! What queues have on disk, and what they want of it.
//!
//! Guarantees: a queue is known from its first message on until it is deleted; what is in a batch that is not written
//! is told of the batch's length when that is closed, and is not read before.
//!
//! Not here: reading it (`reading`, `recalling`, `cursors`).

use std::collections::{HashMap, VecDeque};

use engine_core::fact::{Resident, Target};
use engine_core::{Recall, Recalled};
use storage_journal::{Buffer, Place, Reach};

use super::pages::{Pages, Run, Sealing};
use super::writing::Closed;

/// A run that is read.
#[derive(Debug)]
pub(super) struct Reading {
    pub id: u64,
    pub run: Run,
    pub buffer: Option<Buffer>,
}

/// What one queue wants again and that is not being read yet.
#[derive(Debug)]
pub(super) struct Wanted {
    pub queue: u64,
    pub messages: VecDeque<Recalled>,
}

/// What a queue has on disk, and what of it is on the way.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pages: Pages,
    reading: VecDeque<Reading>,
    /// Octets that the queue wants and that are not written yet, or that find no free read.
    wanted: u64,
}

/// What is next to be read of a queue.
#[derive(Debug)]
pub(super) enum NextRun {
    /// Nothing is there, or wanted.
    None,
    /// It is not written yet.
    Unwritten,
    /// This.
    Run(Run),
}

impl Stored {
    /// A queue of which nothing is on the way.
    pub fn new(pages: Pages) -> Self {
        Self { pages, ..Self::default() }
    }

    pub fn into_pages(self) -> Pages {
        self.pages
    }

    /// A message that nobody has read is not here any more; gives whether it was.
    pub fn leave_out(&mut self, name: u64) -> bool {
        self.pages.leave_out(name)
    }

    /// What is on the way, in the queue's order.
    pub fn reading(&mut self) -> &mut VecDeque<Reading> {
        &mut self.reading
    }

    /// The queue wants that much beside what is on the way.
    pub fn want(&mut self, bytes: u64) {
        let ahead: usize = self.reading.iter().map(|reading| reading.run.bytes()).sum();
        self.wanted = self.wanted.max(bytes.saturating_sub(ahead as u64));
    }

    /// Takes what is next to be read.
    pub fn poll_run(&mut self, written: Reach) -> NextRun {
        let Some(first) = self.pages.runs.front().filter(|_| self.wanted > 0) else { return NextRun::None };
        if first.blocks == 0 || !written.covers(first.last()) {
            return NextRun::Unwritten;
        }
        let Some(run) = self.pages.runs.pop_front() else { return NextRun::None };
        self.wanted = self.wanted.saturating_sub(run.bytes() as u64);
        NextRun::Run(run)
    }

    /// Whether it wants more than is on the way; what it has not it does not want.
    pub fn wants_more(&mut self) -> bool {
        if self.pages.runs.is_empty() {
            self.wanted = 0;
        }
        self.wanted > 0
    }

    /// Everything that is on disk only, in its order.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.reading.iter().map(|reading| &reading.run).chain(&self.pages.runs)
    }
}

/// The queues of one shard's journal.
#[derive(Debug, Default)]
pub(super) struct Queues {
    stored: HashMap<u64, Stored>,
    /// The queue of the last message: it is among `stored`, and most often the next one's too. 0: none.
    known: u64,
    /// Runs whose last batch is open, by queue and a name in them.
    unsealed: Vec<(u64, u64)>,
    /// Queues that want more than could be read yet.
    hungry: Vec<u64>,
    /// What queues want again that came back to them.
    recalls: VecDeque<Wanted>,
    /// Whether what one of them, or a cursor, wants next is in a batch that is not written.
    wants_unwritten: bool,
}

impl Queues {
    /// Those that were found at a start.
    pub fn found(stored: HashMap<u64, Stored>) -> Self {
        Self { stored, ..Self::default() }
    }

    pub fn get(&self, queue: u64) -> Option<&Stored> {
        self.stored.get(&queue)
    }

    pub fn get_mut(&mut self, queue: u64) -> Option<&mut Stored> {
        self.stored.get_mut(&queue)
    }

    pub fn contains(&self, queue: u64) -> bool {
        self.stored.contains_key(&queue)
    }

    /// All of them, when nothing is written any more.
    pub fn into_pages(self) -> HashMap<u64, Pages> {
        self.stored.into_iter().map(|(queue, stored)| (queue, stored.into_pages())).collect()
    }

    /// A message was put into queues, under the names from `first` on; it lies in the open batch at `place`.
    #[inline]
    pub fn put(&mut self, first: u64, targets: &[Target], place: Place) {
        for (target, name) in targets.iter().zip(first..) {
            if target.resident == Resident::Yes && target.queue == self.known {
                continue;
            }
            self.known = target.queue;
            let stored = self.stored.entry(target.queue).or_default();
            if target.resident == Resident::No && stored.pages.push(name, place) == Sealing::New {
                self.unsealed.push((target.queue, name));
            }
        }
    }

    /// A message that a queue has on disk only was written again under another number, in the open batch. Gives whether
    /// it has it there.
    pub fn handle_moved(&mut self, queue: u64, name: u64, number: u64, place: Place) -> bool {
        let Some(stored) = self.stored.get_mut(&queue).filter(|stored| stored.pages.holds(name)) else { return false };
        if stored.pages.handle_moved(name, number, place) == Sealing::New {
            self.unsealed.push((queue, name));
        }
        true
    }

    /// The open batch was closed.
    pub fn handle_closed(&mut self, closed: &Closed) {
        for (queue, name) in self.unsealed.drain(..) {
            if let Some(stored) = self.stored.get_mut(&queue) {
                stored.pages.handle_sealed(name, closed.block + closed.blocks);
            }
        }
    }

    /// A queue is gone.
    pub fn remove(&mut self, queue: u64) -> Option<Stored> {
        let stored = self.stored.remove(&queue)?;
        self.known = 0;
        self.recalls.retain(|wanted| wanted.queue != queue);
        Some(stored)
    }

    /// More of a queue is to be read, about so much.
    pub fn fetch(&mut self, queue: u64, bytes: u64) {
        self.stored.entry(queue).or_default().wanted = bytes;
        self.hungry.push(queue);
    }

    /// It may want more by now, or its fetch is over.
    pub fn note_hungry(&mut self, queue: u64) {
        if !self.hungry.contains(&queue) {
            self.hungry.push(queue);
        }
    }

    /// Queues that may want more, to be looked at and noted again if they do.
    pub fn take_hungry(&mut self) -> Vec<u64> {
        self.wants_unwritten = false;
        std::mem::take(&mut self.hungry)
    }

    /// Those of them that do.
    pub fn keep_hungry(&mut self, hungry: Vec<u64>) {
        self.hungry = hungry;
    }

    /// Messages are to be read again.
    pub fn recall(&mut self, recall: Recall) {
        let Recall { queue, messages } = recall;
        self.recalls.push_back(Wanted { queue, messages: messages.into() });
    }

    /// What is to be read again, in turn.
    pub fn recalls(&mut self) -> &mut VecDeque<Wanted> {
        &mut self.recalls
    }

    /// What somebody wants is in a batch that is not written.
    pub fn note_unwritten(&mut self) {
        self.wants_unwritten = true;
    }

    /// Whether somebody waits for a batch that is not written.
    pub fn await_writing(&self) -> bool {
        self.wants_unwritten || !self.recalls.is_empty()
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        self.stored.values().for_each(|stored| stored.pages.check());
    }
}
