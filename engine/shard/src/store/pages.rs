//! Where the messages of a queue lie that are in the journal only: runs of them, in the queue's order.
//!
//! Guarantees: names of each kind are in order over all runs, and a run has names of one kind. A run costs a fixed amount, however many messages
//! are in it, as long as no other queue's lie between them.

use std::collections::VecDeque;

use engine_ledger::Run as Messages;
use storage_journal::format::BLOCK;
use storage_journal::{BatchPlace, Place, Reach};

/// An area grows by further batches while they begin within so many blocks of its start: then one read takes many small
/// batches.
const AREA_BLOCKS: u32 = 64;

/// Messages of one queue in one area of a segment. Names of both kinds lie between each other in a queue, but in no run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub messages: Messages,
    pub segment: u64,
    /// Where the area begins, blocks.
    pub block: u32,
    /// Its length, blocks; 0 while its last batch is open.
    pub blocks: u32,
    /// The first names behind all in this run and in those before it, of both kinds.
    reach: Reach,
}

impl Run {
    fn new(messages: Messages, segment: u64, block: u32) -> Self {
        Self { messages, segment, block, blocks: 0, reach: Reach::START }
    }

    /// A run in a batch that is on disk.
    pub fn within(place: &BatchPlace, messages: Messages) -> Self {
        Self { blocks: place.blocks, ..Self::new(messages, place.segment, place.block) }
    }

    /// How many messages are in it.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// The last number in it: it can be read once that is durable.
    pub fn last(&self) -> u64 {
        self.messages.numbers().last()
    }

    pub fn place(&self) -> Place {
        Place { segment: self.segment, offset: u64::from(self.block) * BLOCK as u64 }
    }

    pub fn bytes(&self) -> usize {
        self.blocks as usize * BLOCK
    }

    /// Whether a batch that begins at a block of its segment belongs to its area.
    pub fn reaches(&self, segment: u64, block: u32) -> bool {
        self.segment == segment && block >= self.block && block - self.block < AREA_BLOCKS
    }
}

/// The block that a place begins at.
pub(crate) fn block(place: Place) -> u32 {
    u32::try_from(place.offset / BLOCK as u64).expect("segments are smaller than 2^32 blocks")
}

/// How many blocks so many octets of whole blocks are.
pub(crate) fn blocks(bytes: usize) -> u32 {
    u32::try_from(bytes / BLOCK).expect("a batch is small")
}

/// A queue's messages on disk.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub runs: VecDeque<Run>,
}

/// Whether the end of a run's last batch is waited for already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// It is.
    Known,
    /// Not yet.
    New,
}

impl Pages {
    /// A message behind all others; gives whether the run is to be told of the batch's length.
    pub fn push(&mut self, name: u64, place: Place) -> Sealing {
        self.insert(self.runs.len(), (name, name), place)
    }

    /// Puts a message into the run before `at` if its area reaches as far as `place`, or into a new one.
    fn insert(&mut self, at: usize, message: (u64, u64), place: Place) -> Sealing {
        let block = block(place);
        let mut reach = Reach::START;
        if let Some(last) = at.checked_sub(1).and_then(|before| self.runs.get_mut(before)) {
            if last.reaches(place.segment, block) && last.messages.takes(message) {
                let open = last.blocks == 0;
                last.messages.push(message);
                last.reach.include(message.0);
                last.blocks = 0;
                return if open { Sealing::Known } else { Sealing::New };
            }
            reach = last.reach;
        }
        reach.include(message.0);
        self.runs.insert(at, Run { reach, ..Run::new(Messages::one(message), place.segment, block) });
        Sealing::New
    }

    /// Whether a message is here, rather than in memory.
    pub fn holds(&self, name: u64) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: u64) -> Option<usize> {
        let at = self.runs.partition_point(|run| !run.reach.covers(name));
        self.runs.get(at).is_some_and(|run| run.messages.names().contains(name)).then_some(at)
    }

    /// A message is not here any more; gives whether it was.
    pub fn leave_out(&mut self, name: u64) -> bool {
        let Some(at) = self.find(name) else { return false };
        let Some(run) = self.runs.get_mut(at) else { return false };
        run.messages.remove(name, name, |_, _| {});
        if run.messages.is_empty() {
            self.runs.remove(at);
        }
        true
    }

    /// The message, which is the first that is left of its run, was written again under another number.
    pub fn handle_moved(&mut self, name: u64, number: u64, place: Place) -> Sealing {
        let Some(at) = self.find(name) else { return Sealing::Known };
        let Some(run) = self.runs.get_mut(at) else { return Sealing::Known };
        assert_eq!(run.messages.names().first(), name, "messages are moved in their order");
        run.messages.remove(name, name, |_, _| {});
        if run.messages.is_empty() {
            self.runs.remove(at);
        }
        self.insert(at, (name, number), place)
    }

    /// Puts a run behind all others, together with the last one if their areas lie close.
    pub fn append(&mut self, run: Run) {
        let mut reach = self.runs.back().map_or(Reach::START, |last| last.reach);
        reach.include(run.messages.names().last());
        if let Some(last) = self.runs.back_mut()
            && last.reaches(run.segment, run.block)
            && last.messages.takes_all(&run.messages)
        {
            run.messages.iter().for_each(|message| last.messages.push(message));
            last.blocks = last.blocks.max(run.block + run.blocks - last.block);
            last.reach = reach;
            return;
        }
        self.runs.push_back(Run { reach, ..run });
    }

    /// The batch of the run with this name in it ended before block `end`.
    pub fn handle_sealed(&mut self, name: u64, end: u32) {
        if let Some(run) = self.find(name).and_then(|at| self.runs.get_mut(at))
            && run.blocks == 0
        {
            run.blocks = end - run.block;
        }
    }

    /// Messages that are here.
    pub fn len(&self) -> u64 {
        self.runs.iter().map(|run| run.len() as u64).sum()
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        assert!(self.runs.iter().is_sorted_by(|run, next| next.reach.reaches(run.reach)));
        assert!(self.runs.iter().all(|run| run.reach.covers(run.messages.names().last())), "a run reaches over itself");
    }
}

#[cfg(test)]
mod tests {
    use storage_journal::LOCAL;

    use super::*;

    fn at(block: u64) -> Place {
        Place { segment: 3, offset: block * BLOCK as u64 }
    }

    #[test]
    fn small_batches_share_an_area() {
        let mut pages = Pages::default();
        for name in 0..100 {
            assert_eq!(pages.push(2 * name, at(name)), Sealing::New);
            assert_eq!(pages.push(2 * name + 1, at(name)), Sealing::Known);
            pages.handle_sealed(2 * name, name as u32 + 1);
        }
        assert_eq!(pages.runs.len(), 2);
        assert!(pages.runs.iter().all(|run| run.bytes() > 0));
        assert_eq!(pages.runs.iter().map(|run| run.len()).sum::<usize>(), 200);
    }

    #[test]
    fn what_is_moved_keeps_its_place_in_the_order() {
        let mut pages = Pages::default();
        for name in [1, 4, 9] {
            pages.push(name, at(1));
        }
        pages.handle_sealed(9, 5);
        pages.push(20, at(200));
        pages.handle_sealed(20, 201);
        assert_eq!(pages.handle_moved(1, 30, at(400)), Sealing::New);
        assert_eq!(pages.handle_moved(4, 31, at(400)), Sealing::Known);
        pages.handle_sealed(4, 402);
        let order: Vec<_> = pages.runs.iter().map(|run| (run.messages.names().first(), run.block, run.len())).collect();
        assert_eq!(order, [(1, 400, 2), (9, 1, 1), (20, 200, 1)]);
        assert!(pages.holds(9) && !pages.holds(30));
    }

    #[test]
    fn what_is_put_aside_lies_between_the_others() {
        let mut pages = Pages::default();
        let names = [1, 2, LOCAL | 1, LOCAL | 2, 5, LOCAL | 3, 6];
        for name in names {
            pages.push(name, at(1));
        }
        assert_eq!(pages.runs.len(), 5);
        assert!(names.iter().all(|&name| pages.holds(name)));
        assert!(![3, 4, 7, LOCAL | 4].iter().any(|&name| pages.holds(name)));
        names.iter().for_each(|&name| pages.handle_sealed(name, 2));
        // The first of each are written again, and keep their places.
        for (name, number) in [(1, LOCAL | 9), (2, LOCAL | 10), (LOCAL | 1, LOCAL | 11), (LOCAL | 2, LOCAL | 12)] {
            pages.handle_moved(name, number, at(300));
            pages.check();
        }
        let order: Vec<u64> = pages.runs.iter().flat_map(|run| run.messages.names().iter()).collect();
        assert_eq!(order, names);
        assert!(names.iter().all(|&name| pages.holds(name)));
    }
}
