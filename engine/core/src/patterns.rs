//! Patterns that somebody subscribes to, as one shard knows them, and which of them match an address.
//!
//! Guarantees: what is found for an address is what the patterns say that are known when it is asked; how far the addresses that are there
//! were brought to that is kept here (`Pass`).
//!
//! Not here: what shards tell each other, and who waits for that (`spreading`); what is done with a message (`wider`).

use std::collections::BTreeMap;

use engine_catalogue::{Matches, Pattern};

use crate::event::Event;
use crate::fact::INTERNAL;
use crate::key::LinkKey;
use crate::slab::Key;
use crate::wildcard::{Keeps, is_wildcard};

/// What the owner of a pattern has told the other shards.
#[derive(Debug)]
pub(crate) struct Told {
    pub keeps: Keeps,
    /// Counts what was told.
    pub round: u64,
    /// Others, and the pass over this shard's own addresses, that have not answered this round.
    pub unanswered: usize,
    /// What links are told when all have, each with the number that the journal is to have reached.
    pub parked: Vec<(u64, LinkKey, Event)>,
}

/// A pattern that somebody subscribes to.
#[derive(Debug)]
pub(crate) struct Known {
    /// Where what matches goes on this shard: the pattern's own address, or one whose queue leads there.
    pub leads: Key,
    /// What this shard told, if it owns the pattern.
    pub told: Option<Told>,
}

/// Whoever is told that all addresses of this shard were brought to a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asking {
    pub shard: u16,
    pub pattern: Box<str>,
    pub round: u64,
}

/// How far the addresses that are there were brought to the patterns that are known.
#[derive(Debug)]
struct Pass {
    /// The place in the table of addresses that comes next.
    from: u32,
    /// Who is told when it is over.
    asking: Vec<Asking>,
}

/// What a shard knows of patterns.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    known: BTreeMap<Box<str>, Known>,
    matches: Matches<Key>,
    /// Names of addresses of this shard whose subscriptions changed.
    changed: Vec<Box<str>>,
    pass: Option<Pass>,
    /// Who is told when the pass behind that one is over; some, if there is to be one.
    next: Option<Vec<Asking>>,
}

impl Patterns {
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn get(&self, pattern: &str) -> Option<&Known> {
        self.known.get(pattern)
    }

    pub fn told(&mut self, pattern: &str) -> Option<&mut Told> {
        self.known.get_mut(pattern)?.told.as_mut()
    }

    /// A pattern is known, or leads elsewhere than before.
    pub fn insert(&mut self, pattern: &str, known: Known) {
        self.known.insert(pattern.into(), known);
        self.find_anew();
    }

    /// Nobody subscribes to it any more.
    pub fn remove(&mut self, pattern: &str) -> Option<Known> {
        let known = self.known.remove(pattern)?;
        self.find_anew();
        Some(known)
    }

    fn find_anew(&mut self) {
        // Whoever subscribes has seen that these are patterns.
        let patterns = self.known.iter().filter_map(|(text, known)| Some((Pattern::new(text).ok()?, known.leads)));
        self.matches = Matches::new(patterns);
        self.next.get_or_insert_default();
    }

    /// The addresses whose subscriptions get what is sent to one of this name. What patterns name is matched by none, nor is what is the
    /// broker's own; names that begin with `$` (of dynamic nodes, say) are matched by patterns only that say how they begin.
    pub fn wider(&self, name: &str) -> Vec<Key> {
        if self.known.is_empty() || name.starts_with(INTERNAL) || is_wildcard(name) {
            return Vec::new();
        }
        let is_seen = |pattern: &Pattern| pattern.has_beginning() || !name.starts_with('$');
        self.matches.of(name).filter(|(pattern, _)| is_seen(pattern)).map(|(_, key)| *key).collect()
    }

    /// The subscriptions of an address changed.
    pub fn note_changed(&mut self, name: &str) {
        if is_wildcard(name) && !self.changed.iter().any(|known| **known == *name) {
            self.changed.push(name.into());
        }
    }

    pub fn take_changed(&mut self) -> Vec<Box<str>> {
        std::mem::take(&mut self.changed)
    }

    /// Whether there is something to do.
    #[inline]
    pub fn has_work(&self) -> bool {
        !self.changed.is_empty() || self.pass.is_some() || self.next.is_some()
    }

    /// Tells somebody when all addresses were brought to what is known now.
    pub fn ask(&mut self, asking: Asking) {
        self.next.get_or_insert_default().push(asking);
    }

    /// The place from which on addresses are to be looked at.
    pub fn begin_pass(&mut self) -> Option<u32> {
        if self.pass.is_none() {
            self.pass = self.next.take().map(|asking| Pass { from: 0, asking });
        }
        self.pass.as_ref().map(|pass| pass.from)
    }

    /// Addresses before this place were looked at, or all of them; gives who is to be told.
    pub fn pass_on(&mut self, next: Option<u32>) -> Vec<Asking> {
        match (next, &mut self.pass) {
            (Some(next), Some(pass)) => {
                pass.from = next;
                Vec::new()
            }
            _ => self.pass.take().map(|pass| pass.asking).unwrap_or_default(),
        }
    }
}
