//! The messages of one priority that wait.
//!
//! Guarantees:
//! 1. What came back, or had waited for its time, is in front of all that was never sent; both are in the order of their sequence numbers.
//! 2. The first place of the line is of a message that lives. Dropping one from the middle costs no more than one from the front: its
//!    place stays, counted, until those before it are gone or half of the line is such places. A line that messages were taken out of,
//!    out of their turn, is searched, and the place removed: what is behind its first message may have left it.
//!
//! Not here: which priority is next (`order`).

use std::collections::{BTreeMap, VecDeque};

use super::super::entry::{Entry, Held};
use crate::limits::EXCLUSIONS_MAX;
use crate::slab::{Key, Slab};

/// Messages that were never sent, in order.
#[derive(Debug, Default)]
struct Line {
    places: VecDeque<Key>,
    /// How many of them are of messages that were dropped.
    dropped: usize,
    /// Whether messages with numbers behind the first one's may be elsewhere: taken out of their turn, or never in the line.
    has_gaps: bool,
}

/// Messages of one priority, in memory or known by name.
#[derive(Debug, Default)]
pub(super) struct Rank {
    line: Line,
    /// Delivered and given back, by sequence number.
    returned: BTreeMap<u64, Held>,
}

/// What becomes of a message that a consumer looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Verdict {
    /// It gets it.
    Take,
    /// It is not for it.
    Pass,
    /// It is not known yet, or not to be given yet: the consumer looks no further.
    Wait,
}

/// Where a message waited that was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    InLine,
    Returned,
    /// It did not wait.
    No,
}

impl Line {
    /// Forgets the places of messages that were dropped: those in front, and all when they are more than the others.
    fn skip_dropped(&mut self, entries: &Slab<Entry>) {
        while self.dropped > 0
            && let Some(&first) = self.places.front()
            && entries.get(first).is_none()
        {
            self.places.pop_front();
            self.dropped -= 1;
        }
        if self.dropped > self.places.len() / 2 {
            self.forget_dropped(entries);
        }
    }

    #[cold]
    fn forget_dropped(&mut self, entries: &Slab<Entry>) {
        self.places.retain(|&entry| entries.get(entry).is_some());
        self.dropped = 0;
    }

    /// Takes a message out, wherever it stands; gives whether it does.
    #[cold]
    fn remove(&mut self, sequence: u64, entries: &Slab<Entry>) -> bool {
        if self.dropped > 0 {
            // Places of what is gone have no order.
            self.forget_dropped(entries);
        }
        let number = |entry: &Key| entries.get(*entry).map(|entry| entry.sequence);
        let place = self.places.partition_point(|entry| number(entry) < Some(sequence));
        let stands = self.places.get(place).and_then(number) == Some(sequence);
        if stands {
            self.places.remove(place);
        }
        self.has_gaps = !self.places.is_empty();
        stands
    }
}

impl Rank {
    /// Messages that were never sent.
    #[inline]
    pub fn in_line(&self) -> usize {
        self.line.places.len() - self.line.dropped
    }

    /// Messages that came back.
    pub fn returned(&self) -> &BTreeMap<u64, Held> {
        &self.returned
    }

    /// A message stands behind all others of its priority.
    #[inline]
    pub fn append(&mut self, entry: Key) {
        self.line.places.push_back(entry);
    }

    /// The first message that was never sent.
    #[inline]
    pub fn first(&self) -> Option<Key> {
        self.line.places.front().copied()
    }

    /// That message is sent.
    #[inline]
    pub fn pop_first(&mut self, entries: &Slab<Entry>) {
        self.line.places.pop_front();
        if self.line.dropped > 0 {
            self.line.skip_dropped(entries);
        }
    }

    /// The first message that came back and that whoever asks may have. One is kept from at most `EXCLUSIONS_MAX` consumers, and
    /// further ones are not looked for behind as many.
    pub fn first_returned(&self, may_have: impl Fn(u64) -> bool) -> Option<(u64, Held)> {
        let mut first = self.returned.iter().take(EXCLUSIONS_MAX);
        first.find(|(sequence, _)| may_have(**sequence)).map(|(&sequence, &held)| (sequence, held))
    }

    /// Takes out what came back under a sequence number; gives whether it is there.
    pub fn take_returned(&mut self, sequence: u64) -> bool {
        self.returned.remove(&sequence).is_some()
    }

    /// A message comes back to its place, or into memory there; gives whether it was not there before.
    pub fn put_back(&mut self, sequence: u64, held: Held, entries: &Slab<Entry>) -> bool {
        self.line.has_gaps |= self.is_behind_first(sequence, entries);
        self.returned.insert(sequence, held).is_none()
    }

    /// Whether the line's first message came before that number, or has it.
    fn is_behind_first(&self, sequence: u64, entries: &Slab<Entry>) -> bool {
        self.first().and_then(|entry| entries.get(entry)).is_some_and(|first| first.sequence <= sequence)
    }

    /// A message leaves out of its turn, if it waits here. The caller lets it leave the queue, and then calls `skip`.
    pub fn drop_waiting(&mut self, sequence: u64, entries: &Slab<Entry>) -> Waited {
        if self.take_returned(sequence) {
            return Waited::Returned;
        }
        let is_in_line = if self.line.has_gaps {
            self.line.remove(sequence, entries)
        } else {
            // Those of the line are from its first one on.
            let is_in_line = self.is_behind_first(sequence, entries);
            self.line.dropped += usize::from(is_in_line);
            is_in_line
        };
        if is_in_line { Waited::InLine } else { Waited::No }
    }

    /// Takes out everything that waits in memory.
    pub fn take_here(&mut self, entries: &Slab<Entry>) -> Vec<(u64, Held)> {
        let returned = self.returned.extract_if(.., |_, held| held.stub().is_none());
        let Line { places, .. } = std::mem::take(&mut self.line);
        let line = places.into_iter().filter_map(|entry| Some((entries.get(entry)?.sequence, Held::Here(entry))));
        returned.chain(line).collect()
    }

    /// Takes out the first message that came back and that `verdict` takes, from a sequence number on, which it moves behind what was passed. `Err`: what comes
    /// next has to be waited for.
    pub fn pick_returned(
        &mut self,
        from: &mut u64,
        verdict: &mut impl FnMut(u64, Held) -> Verdict,
    ) -> Option<Result<(u64, Key), ()>> {
        for (&sequence, &held) in self.returned.range(*from..) {
            match (verdict(sequence, held), held) {
                (Verdict::Take, Held::Here(entry)) => {
                    self.returned.remove(&sequence);
                    return Some(Ok((sequence, entry)));
                }
                (Verdict::Wait, _) => return Some(Err(())),
                (Verdict::Take | Verdict::Pass, _) => *from = sequence + 1,
            }
        }
        None
    }

    /// The same for what was never sent.
    pub fn pick_in_line(
        &mut self,
        from: &mut u64,
        entries: &Slab<Entry>,
        verdict: &mut impl FnMut(u64, Held) -> Verdict,
    ) -> Option<Result<Key, ()>> {
        if self.line.dropped > 0 {
            // Places of what is gone have no order.
            self.line.forget_dropped(entries);
        }
        let older = |entry: &Key| entries.get(*entry).is_some_and(|entry| entry.sequence < *from);
        let mut place = self.line.places.partition_point(older);
        while let Some(&entry) = self.line.places.get(place) {
            let Some(sequence) = entries.get(entry).map(|entry| entry.sequence) else { break };
            match verdict(sequence, Held::Here(entry)) {
                Verdict::Take => {
                    // Mostly near the front, or near the end: what is shorter moves.
                    self.line.places.remove(place);
                    self.line.has_gaps |= place > 0;
                    return Some(Ok(entry));
                }
                Verdict::Wait => return Some(Err(())),
                Verdict::Pass => (*from, place) = (sequence + 1, place + 1),
            }
        }
        None
    }

    /// Forgets the places of what was dropped, as far as that is due.
    pub fn skip(&mut self, entries: &Slab<Entry>) {
        self.line.skip_dropped(entries);
    }

    /// The first message from `sequence` on that was never sent, and its number.
    pub fn from(&mut self, sequence: u64, entries: &Slab<Entry>) -> Option<(u64, Key)> {
        if self.line.dropped > 0 {
            // Places of what is gone have no order; there are new ones after a sweep only.
            self.line.forget_dropped(entries);
        }
        let older = |entry: &Key| entries.get(*entry).is_some_and(|entry| entry.sequence < sequence);
        let place = self.line.places.partition_point(older);
        let entry = self.line.places.get(place).copied()?;
        Some((entries.get(entry)?.sequence, entry))
    }

    /// Asserts what must hold between any two commands; gives the size of what waits in memory, octets.
    pub fn check(&self, entries: &Slab<Entry>, is_of: impl Fn(&Entry) -> bool) -> u64 {
        let mut bytes = 0;
        let mut see = |entry: &Entry| {
            assert!(is_of(entry), "it stands among those of its priority");
            bytes += entry.message.size();
        };
        for (&sequence, held) in &self.returned {
            if let Held::Here(entry) = held {
                let entry = entries.get(*entry).expect("the order names living messages");
                assert_eq!(entry.sequence, sequence, "a message comes back to its place");
                see(entry);
            }
        }
        let Line { places, dropped, .. } = &self.line;
        let living = places.iter().filter_map(|&entry| entries.get(entry));
        assert_eq!(living.clone().count() + dropped, places.len(), "what was dropped is counted");
        assert!(places.front().is_none_or(|&first| entries.get(first).is_some()), "the first one lives");
        living.clone().for_each(see);
        assert!(living.map(|entry| entry.sequence).is_sorted(), "what was never sent stands as it came");
        bytes
    }
}
