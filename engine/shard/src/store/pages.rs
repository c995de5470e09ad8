//! Where the messages of a queue lie that are in the journal only: runs of them, in the queue's order.
//!
//! Guarantees: runs are in the order of the names in them and do not overlap. A run costs a fixed amount, however many messages
//! are in it, as long as no other queue's lie between them.

use std::collections::VecDeque;

use storage_journal::Place;
use storage_journal::format::BLOCK;

use super::names::Names;

/// An area grows by further batches while they begin within so many blocks of its start: then one read takes many small
/// batches.
const AREA_BLOCKS: u32 = 64;

/// Messages of one queue in one area of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub names: Names,
    /// Where they have other sequence numbers than their names (they were written again): these, in the same order.
    pub sequences: Option<Box<Names>>,
    /// Whether they outlive the node.
    pub durable: bool,
    pub segment: u64,
    /// Where the area begins, blocks.
    pub block: u32,
    /// Its length, blocks; 0 while its last batch is open.
    pub blocks: u32,
}

impl Run {
    pub fn new((name, sequence): (u64, u64), durable: bool, segment: u64, block: u32) -> Self {
        let sequences = (name != sequence).then(|| Box::new(Names::one(sequence)));
        Self { names: Names::one(name), sequences, durable, segment, block, blocks: 0 }
    }

    /// The last sequence number in it: it can be read once that is durable.
    pub fn last(&self) -> u64 {
        self.sequences.as_deref().unwrap_or(&self.names).last()
    }

    /// Whether a message behind all others finds room.
    pub fn takes(&self, (name, sequence): (u64, u64)) -> bool {
        self.names.takes(name) && self.sequences.as_deref().unwrap_or(&self.names).takes(sequence)
    }

    pub fn push(&mut self, (name, sequence): (u64, u64)) {
        if name != sequence && self.sequences.is_none() {
            self.sequences = Some(Box::new(self.names.clone()));
        }
        self.names.push(name);
        self.sequences.iter_mut().for_each(|sequences| sequences.push(sequence));
    }

    /// Names and sequence numbers.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.names.iter().zip(self.sequences.as_deref().unwrap_or(&self.names).iter())
    }

    /// Takes messages out by their names; gives each to `take`, with its sequence number, and how many there were.
    pub fn remove(&mut self, first: u64, last: u64, mut take: impl FnMut(u64, u64)) -> u64 {
        let places = self.names.range(first, last);
        let sequences = self.sequences.as_deref().unwrap_or(&self.names);
        places.clone().for_each(|place| take(self.names.get(place), sequences.get(place)));
        let count = places.len();
        self.sequences.iter_mut().for_each(|sequences| sequences.remove(places.clone()));
        self.names.remove(places);
        count as u64
    }

    /// Keeps what comes before `name`, and gives the rest.
    pub fn split_off(&mut self, name: u64) -> Self {
        let place = self.names.range(name, name).start;
        let sequences = self.sequences.as_mut().map(|sequences| Box::new(sequences.split_off(place)));
        Self { names: self.names.split_off(place), sequences, ..self.clone() }
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
    pub fn push(&mut self, name: u64, durable: bool, place: Place) -> Sealing {
        self.insert(self.runs.len(), (name, name), durable, place)
    }

    /// Puts a message into the run before `at` if its area reaches as far as `place`, or into a new one.
    fn insert(&mut self, at: usize, message: (u64, u64), durable: bool, place: Place) -> Sealing {
        let block = block(place);
        if let Some(last) = at.checked_sub(1).and_then(|before| self.runs.get_mut(before))
            && last.reaches(place.segment, block)
            && last.durable == durable
            && last.takes(message)
        {
            let open = last.blocks == 0;
            last.push(message);
            last.blocks = 0;
            return if open { Sealing::Known } else { Sealing::New };
        }
        self.runs.insert(at, Run::new(message, durable, place.segment, block));
        Sealing::New
    }

    /// Whether a message is here, rather than in memory.
    pub fn holds(&self, name: u64) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: u64) -> Option<usize> {
        let at = self.runs.partition_point(|run| run.names.last() < name);
        self.runs.get(at).is_some_and(|run| run.names.contains(name)).then_some(at)
    }

    /// The message, which is the first that is left of its run, was written again under another sequence number.
    pub fn handle_moved(&mut self, name: u64, sequence: u64, place: Place) -> Sealing {
        let Some(at) = self.find(name) else { return Sealing::Known };
        let Some(run) = self.runs.get_mut(at) else { return Sealing::Known };
        assert_eq!(run.names.first(), name, "messages are moved in their order");
        let durable = run.durable;
        run.remove(name, name, |_, _| {});
        if run.names.is_empty() {
            self.runs.remove(at);
        }
        self.insert(at, (name, sequence), durable, place)
    }

    /// Puts a run of durable messages behind all others, together with the last one if their areas lie close.
    pub fn append(&mut self, run: Run) {
        if let Some(last) = self.runs.back_mut()
            && last.reaches(run.segment, run.block)
            && run.iter().all(|message| last.takes(message))
        {
            run.iter().for_each(|message| last.push(message));
            last.blocks = last.blocks.max(run.block + run.blocks - last.block);
            return;
        }
        self.runs.push_back(run);
    }

    /// The batch of the run with this name in it ended before block `end`.
    pub fn handle_sealed(&mut self, name: u64, end: u32) {
        if let Some(run) = self.find(name).and_then(|at| self.runs.get_mut(at))
            && run.blocks == 0
        {
            run.blocks = end - run.block;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(block: u64) -> Place {
        Place { segment: 3, offset: block * BLOCK as u64 }
    }

    #[test]
    fn small_batches_share_an_area() {
        let mut pages = Pages::default();
        for name in 0..100 {
            assert_eq!(pages.push(2 * name, true, at(name)), Sealing::New);
            assert_eq!(pages.push(2 * name + 1, true, at(name)), Sealing::Known);
            pages.handle_sealed(2 * name, name as u32 + 1);
        }
        assert_eq!(pages.runs.len(), 2);
        assert!(pages.runs.iter().all(|run| run.bytes() > 0));
        assert_eq!(pages.runs.iter().map(|run| run.names.len()).sum::<usize>(), 200);
    }

    #[test]
    fn what_is_moved_keeps_its_place_in_the_order() {
        let mut pages = Pages::default();
        for name in [1, 4, 9] {
            pages.push(name, true, at(1));
        }
        pages.handle_sealed(9, 5);
        pages.push(20, true, at(200));
        pages.handle_sealed(20, 201);
        assert_eq!(pages.handle_moved(1, 30, at(400)), Sealing::New);
        assert_eq!(pages.handle_moved(4, 31, at(400)), Sealing::Known);
        pages.handle_sealed(4, 402);
        let order: Vec<_> = pages.runs.iter().map(|run| (run.names.first(), run.block, run.names.len())).collect();
        assert_eq!(order, [(1, 400, 2), (9, 1, 1), (20, 200, 1)]);
        assert!(pages.holds(9) && !pages.holds(30));
    }
}
