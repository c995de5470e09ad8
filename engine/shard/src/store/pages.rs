//! Where the messages of a queue lie that are in the journal only: runs of them, in the queue's order.
//!
//! Guarantees: runs are in the order of the names in them and do not overlap; all messages of the queue whose names lie in a run
//! and that are in its area belong to it, unless it lists them. A run costs a fixed amount, however many messages are in it.

use std::collections::{HashMap, VecDeque};

use storage_journal::Place;
use storage_journal::format::BLOCK;

/// An area grows by further batches while they begin within so many blocks of its start: then one read takes many small
/// batches.
pub(crate) const AREA_BLOCKS: u32 = 64;

/// Messages of one queue in one area of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first and the last name in it.
    pub from: u64,
    pub to: u64,
    /// The last sequence number in it: it can be read once that is durable.
    pub last: u64,
    pub segment: u64,
    /// Where the area begins, blocks.
    pub block: u32,
    /// Its length, blocks; 0 while its last batch is open.
    pub blocks: u32,
    pub count: u32,
}

impl Run {
    pub fn place(&self) -> Place {
        Place { segment: self.segment, offset: u64::from(self.block) * BLOCK as u64 }
    }

    pub fn bytes(&self) -> usize {
        self.blocks as usize * BLOCK
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
    /// For runs of which only some messages are left, by their first name: which ones, counted from it.
    pub only: HashMap<u64, Box<[u32]>>,
}

impl Pages {
    /// A message behind all others; gives whether the run is to be told of the batch's length.
    pub fn push(&mut self, name: u64, place: Place) -> Sealing {
        self.insert(self.runs.len(), (name, name), place)
    }

    /// Puts a message into the run before `at` if its area reaches as far as `place`, or into a new one.
    fn insert(&mut self, at: usize, (name, sequence): (u64, u64), place: Place) -> Sealing {
        let block = block(place);
        if let Some(last) = at.checked_sub(1).and_then(|before| self.runs.get_mut(before))
            && last.segment == place.segment
            && block >= last.block
            && (block == last.block || block - last.block < AREA_BLOCKS)
            && !self.only.contains_key(&last.from)
        {
            let open = last.blocks == 0;
            (last.to, last.last, last.count, last.blocks) = (name, sequence, last.count + 1, 0);
            return if open { Sealing::Known } else { Sealing::New };
        }
        let run = Run { from: name, to: name, last: sequence, segment: place.segment, block, blocks: 0, count: 1 };
        self.runs.insert(at, run);
        Sealing::New
    }

    /// Whether a message is here, rather than in memory.
    pub fn holds(&self, name: u64) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: u64) -> Option<usize> {
        let at = self.runs.partition_point(|run| run.to < name);
        self.runs.get(at).is_some_and(|run| run.from <= name).then_some(at)
    }

    /// The message, which is the first that is left of its run, was written again under another sequence number.
    pub fn handle_moved(&mut self, name: u64, sequence: u64, place: Place) -> Sealing {
        let Some(at) = self.find(name) else { return Sealing::Known };
        let Some(run) = self.runs.get_mut(at) else { return Sealing::Known };
        let only = self.only.remove(&run.from);
        run.count -= 1;
        run.from = name + 1;
        let next = run.from;
        if run.count == 0 {
            self.runs.remove(at);
        } else if let Some(only) = only {
            let gone = only.len() - run.count as usize;
            let base = run.from - u64::from(only[gone - 1]) - 1;
            let rest = only[gone..].iter().map(|&offset| (base + u64::from(offset) - next) as u32).collect();
            self.only.insert(next, rest);
        }
        self.insert(at, (name, sequence), place)
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

/// Whether the end of a run's last batch is waited for already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sealing {
    /// It is.
    Known,
    /// Not yet.
    New,
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
            assert_eq!(pages.push(name, at(name)), Sealing::New);
            assert_eq!(pages.push(1000 + name, at(name)), Sealing::Known);
            pages.handle_sealed(1000 + name, name as u32 + 1);
        }
        assert_eq!(pages.runs.len(), 2);
        assert!(pages.runs.iter().all(|run| run.bytes() > 0));
        assert_eq!(pages.runs.iter().map(|run| run.count).sum::<u32>(), 200);
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
        let order: Vec<(u64, u32, u32)> = pages.runs.iter().map(|run| (run.from, run.block, run.count)).collect();
        assert_eq!(order, [(1, 400, 2), (5, 1, 1), (20, 200, 1)]);
        assert!(pages.holds(9) && !pages.holds(30));
    }
}
