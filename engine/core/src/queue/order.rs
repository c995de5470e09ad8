//! Which message of a queue is next.
//!
//! Guarantees:
//! 1. Messages of higher priority are in front of those of lower ones, among what is in memory or known by number (`Naming`); within a priority what came back is in
//!    front, and else the first that came.
//! 2. As long as all are of normal priority and none came back, the next one is the first of one line: `has_aside` is the only question.
//!
//! Not here: the messages of one priority (`rank`), messages themselves (`Entry`), and those that are in the journal only, which stand in the
//! order of their arrival behind all others (`paging`).

mod later;
mod rank;
mod values;

use super::entry::{Entry, Held};
use crate::limits::NAMED_MAX;
use crate::message::{Message, NORMAL_PRIORITY, PRIORITIES};
use crate::slab::{Key, Slab};
pub(crate) use later::Delays;
use later::Later;
pub(super) use rank::Verdict;
use rank::{Rank, Waited};
use values::LastValues;

/// The messages of a queue that wait, in memory or known by name.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Those of normal priority: mostly all.
    normal: Rank,
    /// Those of others, by priority, while there are some. The place of the normal ones is empty.
    others: Option<Box<[Rank; PRIORITIES]>>,
    /// Messages that are not to be given before a time: only where settings have one wait.
    later: Option<Box<Later>>,
    /// Which messages are the last of their keys: only where settings name a key.
    values: Option<Box<LastValues>>,
    /// Whether messages stand in their order by number, those that memory has no room for by their names.
    naming: Naming,
    /// Messages that are not in the line of normal ones: they came back, or have another priority.
    aside: usize,
    next_sequence: u64,
    /// Size of all that is in memory, octets.
    bytes: u64,
}

/// Which messages are known by number, wherever they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Those that came back.
    #[default]
    Returned,
    /// All that come, so that priorities hold over all of them.
    All,
}

/// The message that is next, where it is not just the first of the normal line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Candidate {
    /// One that came back.
    Returned(u64, Held),
    /// The first one of the normal line.
    Normal,
    /// The first one in the line of another priority.
    First(u8, Key),
}

/// How far a consumer has looked at the messages of each priority: the numbers from which on it has not.
#[derive(Debug, Default)]
pub(crate) struct Place {
    line: [u64; PRIORITIES],
    returned: [u64; PRIORITIES],
    /// The changes that it knows of.
    changes: u64,
}

impl Place {
    /// It looks again, from the start if there were changes since.
    pub fn begin(&mut self, changes: u64) {
        if self.changes != changes {
            *self = Self { changes, ..Self::default() };
        }
    }
}

/// The rank that messages of a priority stand in.
fn rank_of(priority: u8) -> usize {
    usize::from(priority).min(PRIORITIES - 1)
}

impl Order {
    /// Messages that wait.
    #[inline]
    pub fn depth(&self) -> u64 {
        (self.normal.in_line() + self.aside) as u64
    }

    /// Size of those in memory, octets.
    #[inline]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The number of the next message that is put in.
    #[inline]
    pub fn next_sequence(&mut self) -> u64 {
        self.next_sequence += 1;
        self.next_sequence - 1
    }

    /// The number that the next message will have.
    #[inline]
    pub fn upcoming_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// A message of normal priority stands behind all others of it.
    #[inline]
    pub fn append(&mut self, entry: Key, size: u64) {
        self.normal.append(entry);
        self.bytes += size;
    }

    /// A message of another priority stands behind all others of it.
    #[cold]
    pub fn append_ranked(&mut self, priority: u8, entry: Key, size: u64) {
        self.others.get_or_insert_default();
        let Some(rank) = self.rank_mut(priority) else { return };
        rank.append(entry);
        self.aside += 1;
        self.bytes += size;
    }

    /// The first message of normal priority that was never sent.
    #[inline]
    pub fn first(&self) -> Option<Key> {
        self.normal.first()
    }

    /// The oldest message that was never sent, whatever its priority.
    pub fn oldest(&self, entries: &Slab<Entry>) -> Option<(u64, Key)> {
        let firsts = self.ranks().filter_map(|(_, rank)| rank.first());
        firsts.filter_map(|entry| Some((entries.get(entry)?.sequence, entry))).min_by_key(|(sequence, _)| *sequence)
    }

    /// That message is sent.
    #[inline]
    pub fn pop_first(&mut self, size: u64, entries: &Slab<Entry>) {
        self.bytes -= size;
        self.normal.pop_first(entries);
    }

    /// The first message in the line of another priority is sent.
    pub fn pop_ranked(&mut self, priority: u8, size: u64, entries: &Slab<Entry>) {
        let Some(rank) = self.rank_mut(priority) else { return };
        rank.pop_first(entries);
        self.bytes -= size;
        self.handle_fewer_aside(1);
    }

    /// Whether more is to be asked than which message is the first of the normal line.
    #[inline]
    pub fn has_aside(&self) -> bool {
        self.aside > 0
    }

    /// The message that is next among all, and that whoever asks may have.
    pub fn candidate(&self, may_have: impl Fn(u64) -> bool) -> Option<Candidate> {
        for (priority, rank) in self.ranks() {
            if let Some((sequence, held)) = rank.first_returned(&may_have) {
                return Some(Candidate::Returned(sequence, held));
            }
            match rank.first() {
                Some(_) if priority == NORMAL_PRIORITY => return Some(Candidate::Normal),
                Some(entry) => return Some(Candidate::First(priority, entry)),
                None => {}
            }
        }
        None
    }

    /// Takes out the first message of a priority that `verdict` takes. `Err`: what comes next has to be waited for.
    pub fn pick_ranked(
        &mut self,
        priority: u8,
        looked: &mut Place,
        entries: &Slab<Entry>,
        verdict: &mut impl FnMut(u64, Held) -> Verdict,
    ) -> Option<Result<Key, ()>> {
        let at = rank_of(priority);
        let (returned, line) = (looked.returned.get_mut(at)?, looked.line.get_mut(at)?);
        let rank = self.rank_mut(priority)?;
        let (entry, aside) = match rank.pick_returned(returned, verdict) {
            Some(Ok((_, entry))) => (entry, 1),
            Some(Err(())) => return Some(Err(())),
            None => match rank.pick_in_line(line, entries, verdict)? {
                Ok(entry) => (entry, usize::from(priority != NORMAL_PRIORITY)),
                Err(()) => return Some(Err(())),
            },
        };
        self.bytes -= entries.get(entry).map_or(0, |found| found.message.size());
        self.handle_fewer_aside(aside);
        Some(Ok(entry))
    }

    /// That message, of `size` octets in memory, is sent again or dropped.
    pub fn take_returned(&mut self, sequence: u64, size: u64) {
        if self.ranks_mut().any(|rank| rank.take_returned(sequence)) {
            self.bytes -= size;
            self.handle_fewer_aside(1);
        }
    }

    /// A message comes back to its place, or into memory there; `size` octets of it are in memory.
    pub fn put_back(&mut self, priority: u8, (sequence, held): (u64, Held), size: u64, entries: &Slab<Entry>) {
        if priority != NORMAL_PRIORITY {
            self.others.get_or_insert_default();
        }
        let Some(rank) = self.rank_mut(priority) else { return };
        self.aside += usize::from(rank.put_back(sequence, held, entries));
        self.bytes += size;
    }

    /// What came back under a sequence number.
    pub fn returned(&self, sequence: u64) -> Option<Held> {
        self.ranks().find_map(|(_, rank)| rank.returned().get(&sequence).copied())
    }

    /// What came back, from a sequence number on: in their order.
    pub fn returned_from(&self, sequence: u64) -> impl Iterator<Item = (u64, Held)> {
        let mut next = sequence;
        std::iter::from_fn(move || {
            let firsts = self.ranks().filter_map(|(_, rank)| rank.returned().range(next..).next());
            let (&sequence, &held) = firsts.min_by_key(|(sequence, _)| **sequence)?;
            next = sequence + 1;
            Some((sequence, held))
        })
    }

    /// Messages wait so long from now on after their delivery failed.
    pub fn set_delays(&mut self, delays: Option<Delays>) {
        if delays.is_some() || self.later.is_some() {
            self.later.get_or_insert_default().delays = delays;
        }
    }

    /// The delivery of a message failed so often; gives whether it waits now, out of the order.
    pub fn delay(&mut self, sequence: u64, held: Held, failures: u32, now_ns: u64) -> bool {
        self.later.as_mut().is_some_and(|later| later.insert(sequence, held, failures, now_ns))
    }

    /// A message waits for a time, out of the order.
    pub fn schedule(&mut self, sequence: u64, held: Held, due_ns: u64) {
        self.later.get_or_insert_default().schedule(sequence, held, due_ns);
    }

    /// A message that waits for its time.
    pub fn scheduled(&self, sequence: u64) -> Option<Held> {
        self.later.as_ref()?.get(sequence)
    }

    /// It is in memory now, or has left it.
    pub fn set_scheduled(&mut self, sequence: u64, held: Held) {
        if let Some(later) = &mut self.later {
            later.set(sequence, held);
        }
    }

    /// Takes out the first message that waited and is due.
    pub fn take_due(&mut self, now_ns: u64) -> Option<(u64, Held)> {
        self.later.as_mut()?.take_due(now_ns)
    }

    /// When the first message is due that waits, nanoseconds.
    pub fn first_due(&self) -> Option<u64> {
        self.later.as_ref()?.first_due()
    }

    /// The owner is to look at it at that time; gives whether its agenda has to be told.
    pub fn note_due(&mut self, at_ns: u64) -> bool {
        self.later.as_mut().is_some_and(|later| later.note(at_ns))
    }

    /// The agenda named it for that time; gives whether it does not any more.
    pub fn take_noted_due(&mut self, at_ns: u64) -> bool {
        self.later.as_mut().is_some_and(|later| later.take_noted(at_ns))
    }

    /// Messages that wait for their time.
    pub fn delayed(&self) -> impl Iterator<Item = Held> {
        self.later.iter().flat_map(|later| later.all())
    }

    /// How many there are.
    pub fn delayed_count(&self) -> usize {
        self.later.as_ref().map_or(0, |later| later.len())
    }

    /// A message leaves out of its turn, if it waits; gives whether it does. The caller lets it leave the queue, and then calls `skip`.
    pub fn drop_waiting(&mut self, priority: u8, sequence: u64, size: u64, entries: &Slab<Entry>) -> bool {
        // What waits for its time expires when that has come.
        if self.scheduled(sequence).is_some() {
            return false;
        }
        // Held messages may be the only ones of their priority.
        let Some(rank) = self.rank_mut(priority) else { return false };
        let waited = rank.drop_waiting(sequence, entries);
        let in_normal_line = waited == Waited::InLine && rank_of(priority) == rank_of(NORMAL_PRIORITY);
        if waited != Waited::No {
            self.bytes -= size;
            self.aside -= usize::from(!in_normal_line);
        }
        waited != Waited::No
    }

    /// Takes out everything that waits in memory.
    pub fn take_here(&mut self, entries: &Slab<Entry>) -> Vec<(u64, Held)> {
        let mut taken: Vec<_> = self.ranks_mut().flat_map(|rank| rank.take_here(entries)).collect();
        taken.extend(self.later.iter_mut().flat_map(|later| later.take_here()));
        self.bytes = 0;
        self.aside = self.ranks().map(|(_, rank)| rank.returned().len()).sum();
        self.handle_fewer_aside(0);
        taken
    }

    /// Forgets the places of what was dropped, as far as that is due.
    pub fn skip(&mut self, entries: &Slab<Entry>) {
        self.ranks_mut().for_each(|rank| rank.skip(entries));
        self.handle_fewer_aside(0);
    }

    /// The first message from `sequence` on that was never sent, whatever its priority.
    pub fn from(&mut self, sequence: u64, entries: &Slab<Entry>) -> Option<(u64, Key)> {
        self.ranks_mut().filter_map(|rank| rank.from(sequence, entries)).min_by_key(|(sequence, _)| *sequence)
    }

    /// Messages of one value of this property replace each other from now on; of none if it has no name.
    pub fn set_last_values(&mut self, property: &str) {
        if self.values.as_ref().map_or("", |values| values.property()) != property {
            self.values = (!property.is_empty()).then(|| Box::new(LastValues::new(property)));
        }
    }

    /// Messages that come are known like this from now on.
    pub fn set_naming(&mut self, naming: Naming) {
        self.naming = naming;
    }

    /// Whether a message that comes stands in the order by its number, though it is not in memory.
    #[inline]
    pub fn names_all(&self) -> bool {
        self.values.is_some() || self.naming == Naming::All
    }

    /// Whether further ones may be known by their names.
    pub fn may_name(&self) -> bool {
        self.values.is_some() || (self.naming == Naming::All && self.aside < NAMED_MAX)
    }

    /// What came back, or is known by number, in the order in which it is given: from one on, and then those of lower priorities.
    pub fn next_from(&self, sequence: u64) -> impl Iterator<Item = (u64, Held)> {
        let of =
            self.ranks().find(|(_, rank)| rank.returned().contains_key(&sequence)).map_or(0, |(priority, _)| priority);
        let first = self.rank(of).into_iter().flat_map(move |rank| rank.returned().range(sequence..));
        let lower = self.ranks().filter(move |(priority, _)| *priority < of).flat_map(|(_, rank)| rank.returned());
        first.chain(lower).map(|(&sequence, &held)| (sequence, held))
    }

    /// Whether messages replace others.
    #[inline]
    pub fn keeps_last_values(&self) -> bool {
        self.values.is_some()
    }

    /// A message waits at its place, and may be the last of its key.
    pub fn note_value(&mut self, sequence: u64, message: &Message) {
        let Some(mut values) = self.values.take() else { return };
        values.insert(sequence, message, self.aside, |other| self.returned(other).is_some());
        self.values = Some(values);
    }

    /// Whether messages are to leave that others replaced.
    #[inline]
    pub fn has_replaced(&self) -> bool {
        self.values.as_ref().is_some_and(|values| values.has_replaced())
    }

    /// The first of them from a sequence number on.
    pub fn replaced_from(&self, sequence: u64) -> Option<u64> {
        self.values.as_ref()?.replaced_from(sequence)
    }

    /// It leaves.
    pub fn handle_replaced(&mut self, sequence: u64) {
        if let Some(values) = &mut self.values {
            values.handle_left(sequence);
        }
    }

    /// So many messages fewer are beside the normal line. When it is all that there is again, it is all that is asked again.
    fn handle_fewer_aside(&mut self, fewer: usize) {
        self.aside -= fewer;
        if self.aside == 0 {
            self.others = None;
        }
    }

    /// All ranks that there are, the highest priority first.
    fn ranks(&self) -> impl Iterator<Item = (u8, &Rank)> {
        (0..PRIORITIES as u8).rev().filter_map(|priority| Some((priority, self.rank(priority)?)))
    }

    fn rank(&self, priority: u8) -> Option<&Rank> {
        if priority == NORMAL_PRIORITY {
            return Some(&self.normal);
        }
        self.others.as_ref()?.get(rank_of(priority))
    }

    /// All ranks that there are.
    fn ranks_mut(&mut self) -> impl Iterator<Item = &mut Rank> {
        std::iter::once(&mut self.normal).chain(self.others.iter_mut().flat_map(|others| others.iter_mut()))
    }

    fn rank_mut(&mut self, priority: u8) -> Option<&mut Rank> {
        if priority == NORMAL_PRIORITY {
            return Some(&mut self.normal);
        }
        self.others.as_mut()?.get_mut(rank_of(priority))
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self, entries: &Slab<Entry>) {
        let mut bytes = 0;
        for (priority, rank) in self.ranks() {
            bytes += rank.check(entries, |entry| rank_of(entry.message.header.priority) == usize::from(priority));
        }
        assert_eq!(bytes, self.bytes, "sizes of what waits are added up");
        self.later.iter().for_each(|later| later.check());
        let all: usize = self.ranks().map(|(_, rank)| rank.in_line() + rank.returned().len()).sum();
        assert_eq!(all - self.normal.in_line(), self.aside, "what is beside the normal line is counted");
        assert!(self.others.is_none() || self.aside > 0, "other priorities cost nothing when there are none");
        let numbers = self.ranks().flat_map(|(_, rank)| rank.returned().keys());
        assert!(numbers.into_iter().all(|&sequence| sequence < self.next_sequence));
    }
}
