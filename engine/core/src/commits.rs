//! Transactions over several shards as a shard has them: those that it coordinates, and those that it was asked about as an owner.
//!
//! Guarantees: what is here is bounded by how many a shard may coordinate (`limits::COMMITS_MAX`).
//!
//! Not here: what is done with them (`coordinating`, `prepared`).

use std::collections::BTreeMap;

use engine_catalogue::base;

use crate::command::{DetachMode, Part};
use crate::ends::{end_key, key};
use crate::event::Refusal;
use crate::fact::Share;
use crate::slab::Key;
use crate::step::{Asked, Committer};

/// What an owner's queues take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admits {
    /// What is within their bounds.
    WhatFits,
    /// Whatever comes: it was looked at before.
    Everything,
}

/// Transactions as a shard sees them: as a coordinator, and as an owner.
#[derive(Debug)]
pub(crate) struct Transactions {
    /// What queues take now.
    pub admits: Admits,
    pub prepared: Prepared,
    /// Those that this shard coordinates, by its numbers for them.
    pub commits: BTreeMap<u64, Commit>,
    /// The last of these numbers.
    pub last: u64,
    /// The number of the queue in the journal that decisions and notes are in, once there is one.
    pub queue: Option<u64>,
}

impl Default for Transactions {
    fn default() -> Self {
        let (prepared, commits) = (Prepared::default(), BTreeMap::new());
        Self { admits: Admits::WhatFits, prepared, commits, last: 0, queue: None }
    }
}

impl Transactions {
    /// How many this shard is committing.
    pub fn committing(&self) -> usize {
        self.commits.len()
    }
}

/// A transaction that is being committed.
#[derive(Debug)]
pub(crate) struct Commit {
    pub by: Committer,
    /// The coordinator's own part, until it is done.
    pub own: Option<Part>,
    /// What the other owners have to remember, each once it has answered.
    pub shares: BTreeMap<u16, Option<Share>>,
    /// Why one of them cannot do its part.
    pub refusal: Option<Box<Refusal>>,
    /// The decision, once it is written; none if nothing of it outlives the node.
    pub decision: Option<Written>,
    /// Owners that are to say that they did their part.
    pub undone: usize,
    /// Owners that are to say that this is on stable storage.
    pub unkept: usize,
}

/// A decision that is written.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// Its name.
    pub name: u64,
    /// The owners that it has something of.
    pub owners: Vec<u16>,
}

impl Commit {
    /// What other owners have to remember.
    pub fn lasting_shares(&self) -> Vec<Share> {
        self.shares.values().flatten().filter(|share| !share.is_empty()).cloned().collect()
    }
}

/// What an owner was asked, and said that it can do.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub parts: BTreeMap<Asked, Part>,
    /// The names of the notes of what was done, as long as somebody may ask.
    pub notes: BTreeMap<Asked, u64>,
}

impl Prepared {
    /// Whether a message of what was asked goes to an address.
    pub fn is_for(&self, address: &str) -> bool {
        self.parts.values().any(|part| part.sends.iter().any(|send| base(&send.address) == address))
    }

    /// Whether nothing of any transaction is left here.
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        self.parts.is_empty() && self.notes.is_empty()
    }

    /// Before a restart it noted that it did its share.
    pub fn resume_note(&mut self, asked: Asked, note: u64) {
        self.notes.insert(asked, note);
    }

    /// A link ended: if something that was asked ends deliveries of it, it ends behind that.
    pub fn keep_closing(&mut self, end: Key, mode: DetachMode) -> bool {
        let has_end = |part: &&mut Part| part.retired.iter().any(|retired| key(retired.end) == end);
        let Some(part) = self.parts.values_mut().find(has_end) else { return false };
        part.closing.push((end_key(end), mode));
        true
    }
}
