//! One queue in the ledger: what it was declared as, and its messages by their names.
//!
//! Guarantees: runs do not overlap. Messages that follow each other without a gap cost nothing each, others four octets; taking some out
//! of the middle costs as much as [`LISTED_MAX`] names at most.

use std::collections::BTreeMap;

use engine_core::fact::Declared;
use storage_journal::{BatchPlace, Segments};

use crate::run::Run;
use crate::streak::Streak;

/// Names of a run with gaps: taking some out moves those behind them, and that many are moved in some tens of nanoseconds.
const LISTED_MAX: usize = 512;
/// Messages that make up the average of a queue's bodies at most: what came long ago counts no more.
const AVERAGE_OF: u64 = 1000;

/// A queue and the messages in it that outlive the node.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// Comes behind its messages when it was written again. A queue without one does not outlive the node.
    declared: Option<Declared>,
    /// The number under which its declaration lies.
    number: u64,
    /// By the first name in each.
    runs: BTreeMap<u64, Run>,
    messages: u64,
    /// Size of its bodies on average, octets, and how many make that average.
    average: (u64, u64),
}

impl Kept {
    /// A queue as a checkpoint has it, without its messages.
    pub(crate) fn restore(declared: Declared, number: u64, body_bytes: u64) -> Self {
        Self { declared: Some(declared), number, average: (body_bytes, AVERAGE_OF), ..Self::default() }
    }

    /// Takes a run of a checkpoint; `None` when it is in another's place.
    pub(crate) fn put(&mut self, run: Run) -> Option<()> {
        let behind = self.runs.last_key_value().is_none_or(|(_, last)| last.names().last() < run.names().first());
        if run.is_empty() || !behind {
            return None;
        }
        self.messages += run.len() as u64;
        self.runs.insert(run.names().first(), run);
        Some(())
    }

    /// What it was declared as.
    pub fn declared(&self) -> Option<&Declared> {
        self.declared.as_ref()
    }

    /// The number under which its declaration lies; 0 without one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Declares it; gives the number under which an older declaration lies.
    pub(crate) fn declare(&mut self, declared: Declared, number: u64) -> u64 {
        self.declared = Some(declared);
        std::mem::replace(&mut self.number, number)
    }

    /// Declares it as another one was, if it is not.
    pub fn declare_as(&mut self, known: &Self) {
        if self.declared.is_none() {
            self.declared.clone_from(&known.declared);
            self.number = known.number;
        }
    }

    /// Messages in it.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Size of its bodies on average, octets.
    pub fn body_bytes(&self) -> u64 {
        self.average.0
    }

    /// Its messages, in their order.
    pub fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.values()
    }

    /// The number under which a message lies.
    pub fn number_of(&self, name: u64) -> Option<u64> {
        self.runs.range(..=name).next_back().and_then(|(_, run)| run.number_of(name))
    }

    /// Whether a message is in it.
    pub fn contains(&self, name: u64) -> bool {
        self.runs.range(..=name).next_back().is_some_and(|(_, run)| run.names().contains(name))
    }

    /// Its messages batch by batch, in their order. Those that lie in no segment are left out.
    pub fn batches(&self, segments: &Segments, mut take: impl FnMut(BatchPlace, Run)) {
        for run in self.runs.values() {
            let mut rest = run.clone();
            while !rest.is_empty() {
                let number = rest.numbers().first();
                match segments.place_of(number) {
                    Some(place) => {
                        let behind = rest.split_off_number(place.end);
                        take(place, std::mem::replace(&mut rest, behind));
                    }
                    // What lies before all segments is gone, up to where the first one begins.
                    None => rest = rest.split_off_number(segments.begin_of(number).max(number + 1)),
                }
            }
        }
    }

    fn count_bodies(&mut self, messages: u64, bytes: u64) {
        let (average, count) = self.average;
        self.average = ((average * count + bytes) / (count + messages), (count + messages).min(AVERAGE_OF));
    }

    /// Takes messages whose numbers are their names; no run has a name between theirs.
    pub(crate) fn append(&mut self, streak: &Streak) {
        self.count_bodies(u64::from(streak.count), streak.body_bytes);
        let mut names = streak.names();
        self.messages += u64::from(streak.count);
        if let Some((_, run)) = self.runs.range_mut(..=streak.first).next_back() {
            names.start += u64::from(run.extend(names.clone()));
            while !names.is_empty() && run.len() < LISTED_MAX && run.takes((names.start, names.start)) {
                run.push((names.start, names.start));
                names.start += 1;
            }
        }
        if let Some(first) = names.next() {
            let mut run = Run::one((first, first));
            run.extend(names);
            self.runs.insert(first, run);
        }
    }

    /// Takes a message with a body of so many octets, which is not in it.
    pub(crate) fn insert(&mut self, message: (u64, u64), body_bytes: usize) {
        let (name, _) = message;
        self.count_bodies(1, body_bytes as u64);
        self.messages += 1;
        if let Some((_, run)) = self.runs.range_mut(..name).next_back() {
            if run.len() < LISTED_MAX && run.takes(message) {
                return run.push(message);
            }
            // No run reaches over what comes between its names.
            if run.names().last() > name {
                let rest = run.split_off(name);
                self.runs.insert(rest.names().first(), rest);
            }
        }
        self.runs.insert(name, Run::one(message));
    }

    /// Takes messages out; gives each to `take`, with its number, and how many there were.
    pub fn remove(&mut self, first: u64, last: u64, mut take: impl FnMut(u64, u64)) -> u64 {
        if first > last {
            return 0;
        }
        let mut removed = 0;
        let mut at = self.runs.range(..=first).next_back().map_or(first, |(&from, _)| from);
        while at <= last
            && let Some((&from, run)) = self.runs.range_mut(at..=last).next()
        {
            at = from.saturating_add(1);
            if run.len() > LISTED_MAX && first > from && last < run.names().last() {
                // A long run is cut at the hole, rather than listed.
                let rest = run.split_off(last + 1);
                removed += run.remove(first, last, &mut take);
                if !rest.is_empty() {
                    self.runs.insert(rest.names().first(), rest);
                }
                break;
            }
            removed += run.remove(first, last, &mut take);
            if run.is_empty() {
                self.runs.remove(&from);
            } else if run.names().first() != from
                && let Some(run) = self.runs.remove(&from)
            {
                self.runs.insert(run.names().first(), run);
            }
        }
        self.messages -= removed;
        removed
    }

    /// Keeps the messages that `known` has, and takes those out of it; gives each that went to `release`, with its number.
    pub fn keep(&mut self, known: &mut Self, mut release: impl FnMut(u64)) -> u64 {
        let mut gone = 0;
        let starts: Vec<u64> = self.runs.keys().copied().collect();
        for start in starts {
            let names = self.runs.get(&start).into_iter().flat_map(|run| run.names().iter());
            let names: Vec<(u64, bool)> = names.map(|name| (name, known.contains(name))).collect();
            // In rows, as a name for itself costs a look into the tables.
            for row in
                names.chunk_by(|(name, is_known), (next, next_known)| name + 1 == *next && is_known == next_known)
            {
                let (Some(&(first, is_known)), Some(&(last, _))) = (row.first(), row.last()) else { continue };
                if is_known {
                    known.remove(first, last, |_, _| {});
                } else {
                    gone += self.remove(first, last, |_, number| release(number));
                }
            }
        }
        gone
    }

    /// Asserts what must hold between any two inputs.
    pub fn check(&self) {
        assert_eq!(self.runs.values().map(|run| run.len() as u64).sum::<u64>(), self.messages);
        for (&from, run) in &self.runs {
            assert!(!run.is_empty() && run.names().first() == from);
        }
        assert!(self.runs.values().is_sorted_by(|run, next| run.names().last() < next.names().first()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use storage_journal::LOCAL;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0_u8..4, 1_u64..60, 1_u32..900), 0..30)) {
            let (mut kept, mut model) = (Kept::default(), BTreeMap::new());
            let (mut next, mut local) = (1, LOCAL | 1);
            for (step, gap, count) in steps {
                match step {
                    0 => {
                        next += gap / 30;
                        let streak = Streak { queue: 1, first: next, count, record_bytes: 0, body_bytes: 0 };
                        kept.append(&streak);
                        model.extend(streak.names().map(|name| (name, name)));
                        next += u64::from(count);
                    }
                    1 | 2 => {
                        let (first, last) = (next.saturating_sub(gap * 40), next.saturating_sub(gap * 40) + u64::from(count) / 8);
                        let mut taken = Vec::new();
                        kept.remove(first, last, |name, number| taken.push((name, number)));
                        let expected: Vec<(u64, u64)> = model.range(first..=last).map(|(&name, &number)| (name, number)).collect();
                        model.retain(|name, _| !(first..=last).contains(name));
                        prop_assert_eq!(taken, expected);
                    }
                    _ => {
                        // The oldest ones are written again, as they would be.
                        let names: Vec<u64> = model.keys().copied().skip(gap as usize).take(count as usize / 60).collect();
                        for name in names {
                            prop_assert_eq!(kept.remove(name, name, |_, _| {}), 1);
                            kept.insert((name, local), 0);
                            model.insert(name, local);
                            local += 1;
                        }
                    }
                }
                kept.check();
                let found: Vec<(u64, u64)> = kept.runs().flat_map(Run::iter).collect();
                let expected: Vec<(u64, u64)> = model.iter().map(|(&name, &number)| (name, number)).collect();
                prop_assert_eq!(found, expected);
                prop_assert!((next.saturating_sub(300)..next + 2).all(|name| kept.number_of(name) == model.get(&name).copied()));
            }
        }
    }
}
