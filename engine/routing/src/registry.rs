//! The one owner of the table: it hears of consumers from all shards, and tells all of them what the table is.
//!
//! Guarantees:
//! 1. A consumer is told that it stands when every shard has a table that has it: whoever sends then reaches it.
//! 2. What changes between two updates makes one table. The answers that an update leads to come behind it.
//!
//! Not here: threads and inboxes (its host's), and other routers.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use engine_router::address::Key;
use engine_router::table::{Addresses, Change, Consumer, ConsumerId, Table};

/// What a shard tells the registry.
#[derive(Clone, Debug)]
pub enum Note {
    /// A consumer came.
    Came {
        /// Its address.
        key: Key,
        /// It.
        consumer: Consumer,
    },
    /// A consumer went.
    Went {
        /// Its address.
        key: Key,
        /// Which.
        consumer: ConsumerId,
    },
    /// The shard goes by a table.
    Applied {
        /// The shard.
        shard: u16,
        /// The table's version.
        version: u64,
    },
}

/// A table that all shards are to go by.
#[derive(Clone, Debug)]
pub struct Update {
    /// Its number, larger than that of each before.
    pub version: u64,
    /// The table.
    pub table: Table,
    /// Addresses that are not as they were in the one before.
    pub changed: Arc<[Key]>,
}

/// What a shard is told of a consumer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Every shard knows of it.
    Stands(ConsumerId),
    /// There is no room for its address.
    Refused(ConsumerId),
}

/// The owner of the table.
#[derive(Debug)]
pub struct Registry {
    addresses: Addresses,
    version: u64,
    /// What each shard goes by.
    applied: Vec<u64>,
    changed: BTreeSet<Key>,
    /// Consumers that wait to be told that they stand, by the version that has them first.
    coming: VecDeque<(u64, ConsumerId)>,
    answers: VecDeque<Answer>,
}

impl Registry {
    /// A registry of a node of so many shards, which all go by its table as it is now.
    #[must_use]
    pub fn new(addresses: Addresses, shards: u16) -> Self {
        Self {
            addresses,
            version: 0,
            applied: vec![0; usize::from(shards)],
            changed: BTreeSet::new(),
            coming: VecDeque::new(),
            answers: VecDeque::new(),
        }
    }

    /// Takes what a shard tells.
    pub fn handle_note(&mut self, note: Note) {
        match note {
            Note::Came { key, consumer } => match self.addresses.add(&key, consumer) {
                Change::Full => self.answers.push_back(Answer::Refused(consumer.id)),
                Change::First(_) | Change::Last | Change::None => {
                    self.changed.insert(key);
                    self.coming.push_back((self.version + 1, consumer.id));
                }
            },
            Note::Went { key, consumer } => {
                self.addresses.remove(&key, consumer);
                self.changed.insert(key);
            }
            Note::Applied { shard, version } => {
                if let Some(applied) = self.applied.get_mut(usize::from(shard)) {
                    *applied = version;
                }
                let by_all = self.applied.iter().copied().min().unwrap_or_default();
                while let Some((_, consumer)) = self.coming.pop_front_if(|(version, _)| *version <= by_all) {
                    self.answers.push_back(Answer::Stands(consumer));
                }
            }
        }
    }

    /// The table for all shards, if it is another one than before.
    pub fn poll_update(&mut self) -> Option<Update> {
        if self.changed.is_empty() {
            return None;
        }
        self.version += 1;
        let changed = std::mem::take(&mut self.changed).into_iter().collect();
        Some(Update { version: self.version, table: self.addresses.view(), changed })
    }

    /// The next answer, for the consumer's shard.
    pub fn poll_answer(&mut self) -> Option<Answer> {
        self.answers.pop_front()
    }

    /// How many addresses somebody wants.
    #[must_use]
    pub fn addresses(&self) -> usize {
        self.addresses.count()
    }
}
