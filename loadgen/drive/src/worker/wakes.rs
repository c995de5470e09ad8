//! What is to be done at a time of the run.
//!
//! Guarantee: each producer and consumer stands here at most once (whoever adds one keeps a note of it), so that the heap is as large as
//! the worker has links, and costs one step of it for all that a producer has due at once.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Who is woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// A producer of a connection has something due.
    Producer { conn: usize, place: usize },
    /// A consumer of a connection has held a message for long enough.
    Consumer { conn: usize, place: usize },
}

/// Times, the next one first.
#[derive(Default)]
pub(crate) struct Wakes {
    heap: BinaryHeap<Reverse<(u64, Who)>>,
}

impl Wakes {
    /// Wakes somebody at a time; earlier times first.
    pub fn add(&mut self, at_ns: u64, who: Who) {
        self.heap.push(Reverse((at_ns, who)));
    }

    /// When the next one is.
    pub fn next_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at_ns, _))| *at_ns)
    }

    /// Takes the next one that is due.
    pub fn take_due(&mut self, now_ns: u64) -> Option<Who> {
        let Reverse((at_ns, _)) = self.heap.peek()?;
        if *at_ns > now_ns {
            return None;
        }
        self.heap.pop().map(|Reverse((_, who))| who)
    }
}
