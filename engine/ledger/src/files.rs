//! Which files of large messages a shard's queues need.
//!
//! Guarantees: a file goes when the last message that names it is gone, and that is durable.

use std::collections::{BTreeMap, HashMap, VecDeque};

use engine_core::message::Large;

/// The files of one shard. They are few: a message in a file is larger than a megabyte.
#[derive(Debug, Default)]
pub struct Files {
    /// By the name of a message: its queue and its file.
    messages: BTreeMap<u64, (u64, Large)>,
    /// How many messages name a file.
    counts: HashMap<u64, u32>,
    /// Files that nobody needs once a number is durable.
    unneeded: VecDeque<(u64, u64)>,
}

impl Files {
    /// A message of a queue is in a file.
    pub fn keep(&mut self, name: u64, queue: u64, large: Large) {
        if self.messages.insert(name, (queue, large)).is_none() {
            *self.counts.entry(large.id).or_default() += 1;
        }
    }

    /// A message left its queue, which is durable with `number`.
    #[inline]
    pub fn release(&mut self, name: u64, number: u64) {
        if self.messages.is_empty() {
            return;
        }
        let Some((_, Large { id, .. })) = self.messages.remove(&name) else { return };
        if let Some(count) = self.counts.get_mut(&id) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&id);
                self.unneeded.push_back((number, id));
            }
        }
    }

    /// All messages from `first` to `last` left a queue.
    pub fn release_range(&mut self, queue: u64, first: u64, last: u64, number: u64) {
        let gone = self.messages.range(first..=last).filter(|(_, (whose, _))| *whose == queue);
        let gone: Vec<u64> = gone.map(|(&name, _)| name).collect();
        gone.into_iter().for_each(|name| self.release(name, number));
    }

    /// A queue was deleted.
    pub fn release_queue(&mut self, queue: u64, number: u64) {
        self.release_range(queue, 0, u64::MAX, number);
    }

    /// The next file that nobody needs.
    pub fn poll_unneeded(&mut self, durable: u64) -> Option<u64> {
        self.unneeded.pop_front_if(|(number, _)| *number <= durable).map(|(_, id)| id)
    }

    /// Forgets the messages that `is_there` does not know by name and queue, and nothing of their files: those that no message names are
    /// deleted at a start.
    pub fn retain(&mut self, is_there: impl Fn(u64, u64) -> bool) {
        let gone = self.messages.iter().filter(|&(&name, &(queue, _))| !is_there(name, queue));
        let gone: Vec<u64> = gone.map(|(&name, _)| name).collect();
        for name in gone {
            self.release(name, 0);
        }
        self.unneeded.clear();
    }

    /// Names, queues and files.
    pub fn messages(&self) -> impl Iterator<Item = (u64, u64, Large)> {
        self.messages.iter().map(|(&name, &(queue, large))| (name, queue, large))
    }
}
