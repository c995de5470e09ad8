//! What consumers hold, and what comes back from them.
//!
//! Guarantees:
//! 1. A message that the journal has may leave memory while a consumer holds it (`shed`); 40 octets of it stay. The journal gives
//!    it again before it is given to anybody else (`put_back`), at its place in the order.
//! 2. What consumers said of a message and the journal does not know (`Changes`) is kept until the message leaves the queue.
//!
//! Not here: when memory is short (`core`), and how the journal reads (`durability`).

use std::collections::VecDeque;

use bytes::Bytes;

use crate::command::{Modified, Outcome};
use crate::event::KEY_NONE;
use crate::limits::EXCLUSIONS_MAX;
use crate::message::{Content, Message};
use crate::queue::{Entry, Next, Queue};
use crate::slab::{Key, Slab};

/// Where a message is that was given to a consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Held {
    /// In memory.
    Here(Key),
    /// In the journal only.
    Away(Away),
}

/// What is left in memory of a message that is in the journal only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away {
    /// Its name in the journal.
    pub stored: u64,
    pub delivery_count: u32,
    /// Whether it outlives the node.
    pub durable: bool,
}

/// Who holds which message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acquired {
    pub end: Key,
    pub sequence: u64,
    pub held: Held,
}

/// A message that is acquired costs its place here and 16 octets in its session: at most 64 if the rest of it left memory.
const _: () = assert!(Slab::<Acquired>::PLACE_BYTES + 16 <= 64);

/// What consumers said of a message with `modified` that the journal does not know.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Ends that said `undeliverable-here`.
    excluded: VecDeque<Key>,
    annotations: Annotations,
}

#[derive(Debug, Default)]
enum Annotations {
    #[default]
    None,
    /// To be merged when the message comes back into memory.
    Waiting(Bytes),
    /// Merged: the body is not the one that the journal has, so that it stays in memory.
    Merged,
}

/// Whether messages that came back are to be read from the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Recalling {
    #[default]
    No,
    /// From this sequence number on.
    Wanted(u64),
    /// So many are on their way.
    Coming(usize),
}

/// A message that the journal is to give again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recalled {
    /// Its name.
    pub name: u64,
    /// Its place in the queue's order, for [`crate::Core::handle_recalled`].
    pub sequence: u64,
}

#[inline]
fn slab_key(key: u64) -> Key {
    let [generation, slot] = [key >> 32, key & u64::from(u32::MAX)].map(|half| half as u32);
    Key { slot, generation }
}

#[inline]
fn delivery_key(key: Key) -> u64 {
    (u64::from(key.generation) << 32) | u64::from(key.slot)
}

impl Queue {
    /// Notes that `end` holds a message; gives the key to settle it by.
    #[inline]
    pub fn hold(&mut self, next: Next, end: Key) -> u64 {
        let Next { entry, sequence, .. } = next;
        let key = delivery_key(self.acquired.insert(Acquired { end, sequence, held: Held::Here(entry) }));
        debug_assert_ne!(key, KEY_NONE);
        key
    }

    #[inline]
    fn acquired_by(&self, end: Key, key: u64) -> Option<&Acquired> {
        self.acquired.get(slab_key(key)).filter(|acquired| acquired.end == end)
    }

    /// Ends what `end` holds under `key` and accepted; gives the octets that are free by it.
    #[inline]
    pub fn accept(&mut self, end: Key, key: u64) -> u64 {
        let Some(Acquired { sequence, held, .. }) = self.take_acquired(end, key) else { return 0 };
        self.leave_accepted(sequence, held)
    }

    #[inline]
    fn leave_accepted(&mut self, sequence: u64, held: Held) -> u64 {
        self.totals.acknowledged += 1;
        self.leave(sequence, held)
    }

    #[inline]
    fn take_acquired(&mut self, end: Key, key: u64) -> Option<Acquired> {
        self.acquired.remove_if(slab_key(key), |acquired| acquired.end == end)
    }

    /// Ends what `end` holds under `key`; gives the octets that are free by it.
    pub fn settle(&mut self, end: Key, key: u64, outcome: Outcome) -> u64 {
        let Some(Acquired { sequence, held, .. }) = self.take_acquired(end, key) else { return 0 };
        match outcome {
            Outcome::Accepted => self.leave_accepted(sequence, held),
            Outcome::Rejected(_) => {
                self.totals.rejected += 1;
                self.leave(sequence, held)
            }
            Outcome::Released => self.give_back(sequence, held),
            Outcome::Modified(modified) => {
                let held = self.modify(end, sequence, held, &modified);
                self.give_back(sequence, held)
            }
        }
    }

    #[inline]
    fn leave(&mut self, sequence: u64, held: Held) -> u64 {
        match held {
            Held::Here(entry) => self.remove(entry),
            Held::Away(away) => {
                self.leave_away(sequence, away);
                0
            }
        }
    }

    #[cold]
    fn leave_away(&mut self, sequence: u64, away: Away) {
        self.forget_away();
        self.changes.remove(&sequence);
        self.note_gone(sequence, away.stored, away.durable);
    }

    /// One message less is away. Which one does not matter: their sizes are known as an average.
    fn forget_away(&mut self) {
        self.away_bytes -= self.away_bytes / self.away.max(1);
        self.away -= 1;
        if self.away == 0 {
            self.away_bytes = 0;
        }
    }

    #[cold]
    fn modify(&mut self, end: Key, sequence: u64, mut held: Held, modified: &Modified) -> Held {
        let failed = u32::from(modified.delivery_failed);
        match &mut held {
            Held::Here(entry) => {
                if let Some(entry) = self.entries.get_mut(*entry) {
                    entry.message.header.delivery_count += failed;
                }
            }
            Held::Away(away) => away.delivery_count += failed,
        }
        if modified.undeliverable_here {
            let excluded = &mut self.changes.entry(sequence).or_default().excluded;
            if excluded.len() == EXCLUSIONS_MAX {
                excluded.pop_front();
            }
            excluded.push_back(end);
        }
        held
    }

    #[cold]
    fn give_back(&mut self, sequence: u64, held: Held) -> u64 {
        if let Held::Here(entry) = held
            && let Some(found) = self.entries.get_mut(entry)
        {
            found.message.header.first_acquirer = false;
            self.ready_bytes += found.message.size();
            if let Some(at) = found.message.expires_wall_ms {
                self.watch(at, entry);
            }
        }
        self.returned.insert(sequence, held);
        0
    }

    /// Takes the first message that came back and that `end` may have; the next one that was never sent if it may have none of
    /// those. While the journal has to give it again, there is none.
    #[cold]
    pub fn pop_returned(&mut self, end: Key, durable: u64) -> Option<Next> {
        let allowed = |sequence: &u64| !self.changes.get(sequence).is_some_and(|found| found.excluded.contains(&end));
        let mut first = self.returned.iter().take(EXCLUSIONS_MAX);
        match first.find(|(sequence, _)| allowed(sequence)).map(|(&sequence, &held)| (sequence, held)) {
            Some((sequence, Held::Here(entry))) => {
                let message = &self.entries.get(entry)?.message;
                let (bytes, content) = (message.size(), message.content);
                self.ready_bytes -= bytes;
                self.returned.remove(&sequence);
                Some(Next { entry, sequence, content, bytes })
            }
            Some((sequence, Held::Away(_))) => {
                self.want(sequence);
                None
            }
            None => self.pop_ready(durable),
        }
    }

    /// Messages that came back are to be read, from a sequence number on, unless some are on their way already.
    pub fn want(&mut self, sequence: u64) {
        if self.recalling == Recalling::No {
            self.recalling = Recalling::Wanted(sequence);
        }
    }

    /// What is to be read, about `bytes` octets of it; nothing if nothing is wanted.
    pub fn recall(&mut self, bytes: u64) -> Vec<Recalled> {
        let Recalling::Wanted(from) = self.recalling else { return Vec::new() };
        let average = (self.away_bytes / self.away.max(1)).max(1);
        let away = self.returned.range(from..).filter_map(|(&sequence, held)| match held {
            Held::Away(away) => Some(Recalled { name: away.stored, sequence }),
            Held::Here(_) => None,
        });
        let count = usize::try_from(bytes / average).unwrap_or(usize::MAX).max(1);
        let messages: Vec<Recalled> = away.take(count).collect();
        self.recalling = if messages.is_empty() { Recalling::No } else { Recalling::Coming(messages.len()) };
        messages
    }

    /// A message that came back is in memory again; `merge` puts annotations into its body.
    pub fn put_back(&mut self, sequence: u64, mut message: Message, merge: fn(&[u8], &[u8]) -> Option<Bytes>) {
        let Some(Held::Away(away)) = self.returned.get(&sequence).copied() else { return };
        self.recalling = match self.recalling {
            Recalling::Coming(left) if left > 1 => Recalling::Coming(left - 1),
            _ => Recalling::No,
        };
        if let Some(changes) = self.changes.get_mut(&sequence)
            && let Annotations::Waiting(annotations) = std::mem::take(&mut changes.annotations)
        {
            self.bytes -= annotations.len() as u64;
            if message.content == Content::Here
                && let Some(body) = merge(&message.body, &annotations)
            {
                message.body = body;
                changes.annotations = Annotations::Merged;
            }
        }
        message.header.first_acquirer = false;
        message.header.delivery_count = away.delivery_count;
        self.forget_away();
        self.bytes += message.size();
        self.ready_bytes += message.size();
        let expires = message.expires_wall_ms;
        let entry = self.entries.insert(Entry { sequence, message, stored: away.stored });
        self.returned.insert(sequence, Held::Here(entry));
        if let Some(at) = expires {
            self.watch(at, entry);
        }
    }

    /// Takes a message out of memory that is held under `key`, if the journal has all of it; gives the octets that are free by
    /// it.
    #[cold]
    pub fn shed(&mut self, key: u64) -> u64 {
        let Some(acquired) = self.acquired.get_mut(slab_key(key)) else { return 0 };
        let Held::Here(entry) = acquired.held else { return 0 };
        let Some(Entry { sequence, message, stored }) = self.entries.get(entry) else { return 0 };
        let changes = self.changes.get(sequence);
        if *stored == 0 || changes.is_some_and(|changes| matches!(changes.annotations, Annotations::Merged)) {
            return 0;
        }
        let (size, header) = (message.size(), message.header);
        acquired.held =
            Held::Away(Away { stored: *stored, delivery_count: header.delivery_count, durable: header.durable });
        self.entries.clear(entry, |_| ());
        self.bytes -= size;
        self.away += 1;
        self.away_bytes += size;
        size
    }

    /// Puts annotations into a message that `end` holds, or keeps them until it is in memory again.
    pub fn annotate(
        &mut self,
        end: Key,
        key: u64,
        annotations: &Bytes,
        merge: fn(&[u8], &[u8]) -> Option<Bytes>,
    ) -> Option<()> {
        let Acquired { sequence, held, .. } = *self.acquired_by(end, key)?;
        match held {
            // A file is not written anew for that.
            Held::Here(entry) if self.is_large(entry) => None,
            Held::Here(entry) => {
                let Entry { message, stored, .. } = self.entries.get_mut(entry)?;
                let before = message.size();
                message.body = merge(&message.body, annotations)?;
                self.bytes = self.bytes - before + message.size();
                if *stored != 0 {
                    self.changes.entry(sequence).or_default().annotations = Annotations::Merged;
                }
                Some(())
            }
            Held::Away(_) => {
                self.bytes += annotations.len() as u64;
                self.changes.entry(sequence).or_default().annotations = Annotations::Waiting(annotations.clone());
                Some(())
            }
        }
    }

    /// Name and failures of a message that `end` holds, if the journal keeps it.
    pub fn held(&self, end: Key, key: u64) -> Option<(u64, u32)> {
        let away = match self.acquired_by(end, key)?.held {
            Held::Away(away) => away,
            Held::Here(entry) => {
                let Entry { message, stored, .. } = self.entry(entry)?;
                let (delivery_count, durable) = (message.header.delivery_count, message.header.durable);
                Away { stored: *stored, delivery_count, durable }
            }
        };
        let lasting = away.stored != 0 && away.durable && self.declared != 0;
        lasting.then_some((away.stored, away.delivery_count))
    }

    /// The keys of everything that `end` holds.
    pub fn held_by(&self, end: Key) -> Vec<u64> {
        let held = self.acquired.iter().filter(|(_, held)| held.end == end);
        held.map(|(key, _)| delivery_key(key)).collect()
    }

    /// What is in the journal only, but for what lies behind all others: held, or come back.
    pub fn away(&self) -> impl Iterator<Item = Away> {
        let held = self.acquired.iter().map(|(_, acquired)| acquired.held).chain(self.returned.values().copied());
        held.filter_map(|held| match held {
            Held::Away(away) => Some(away),
            Held::Here(_) => None,
        })
    }

    /// Asserts what must hold between any two commands.
    pub fn check_held(&self) {
        assert_eq!(self.away().count() as u64, self.away, "what is away is counted");
        assert!(self.away > 0 || self.away_bytes == 0);
        assert!(self.away().all(|away| away.stored != 0), "the journal has what is away");
        let waits = self.returned.values().any(|held| matches!(held, Held::Away(_)));
        assert!(waits || self.recalling == Recalling::No, "what comes was asked for");
    }
}
