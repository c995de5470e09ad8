//! Deliveries that came one behind the other on a link and went to one receiver at once: one record for as many as a word has bits.
//!
//! Guarantees: such a delivery costs one bit, when it comes and when it ends. Keys of neighbours are neighbours, and the key of one that is over
//! names nothing. One of which more is asked than its last word leaves its run (`single.rs`): its key leads to what it is called then, as
//! long as that is under way.
//!
//! Not here: what links have of runs (`links.rs`).

use std::collections::BTreeMap;

use super::keys::DeliveryKey;
use super::links::{InLink, OutLink};

/// Deliveries of one run, at most.
const RUN_MAX: u32 = u64::BITS;
/// Set in a key's place if it is that of a run, and the number in it. Deliveries apart have fewer places, and so have runs.
const RUN: u32 = 1 << 30;

/// A run, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunKey(u32);

/// Which delivery of which run.
#[derive(Clone, Copy, Debug)]
struct Which {
    run: RunKey,
    number: u32,
}

impl Which {
    #[inline]
    fn of(key: DeliveryKey) -> Option<Self> {
        let bits = key.place & !RUN;
        (key.place & RUN != 0).then_some(Self { run: RunKey(bits / RUN_MAX), number: bits % RUN_MAX })
    }

    #[inline]
    fn key(self, generation: u32) -> DeliveryKey {
        let RunKey(run) = self.run;
        DeliveryKey { place: RUN | (run * RUN_MAX) | self.number, generation }
    }
}

impl DeliveryKey {
    /// How many keys may be of its run, from this one on: each is by one more than the one before (`to_bits`). One, if it is of none.
    #[inline]
    #[must_use]
    pub fn neighbours(self) -> u32 {
        Which::of(self).map_or(1, |which| RUN_MAX - which.number)
    }

    /// Whether it is one of a run.
    #[inline]
    pub(super) fn is_of_run(self) -> bool {
        self.place & RUN != 0
    }
}

/// A run.
#[derive(Debug, Default)]
#[repr(C, align(64))]
struct Run {
    generation: u32,
    /// How many it had until now.
    length: u32,
    /// Which of them are under way, and have not left.
    open: u64,
    ends: Ends,
    /// What the sender calls the first of them; others follow.
    first: u32,
    /// How many have left it and are under way.
    left: u32,
}

/// Between whom a run is, and its places among what they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub sender: InLink,
    pub receiver: OutLink,
    pub at_sender: u32,
    pub at_receiver: u32,
}

impl Default for Ends {
    fn default() -> Self {
        Self { sender: InLink(0), receiver: OutLink(0), at_sender: 0, at_receiver: 0 }
    }
}

const _: () = assert!(size_of::<Run>() == 64);

/// Deliveries of a run that are no more in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub ends: Ends,
    /// What the sender calls the first of them.
    pub number: u32,
    /// Their run, if nothing is left in it: it is to be closed.
    pub emptied: Option<RunKey>,
}

/// All runs.
#[derive(Debug, Default)]
pub(super) struct Runs {
    runs: Vec<Run>,
    free: Vec<RunKey>,
    /// Deliveries that are in one.
    open: usize,
    /// What those are called that have left theirs, by the places of their keys.
    left: BTreeMap<u32, DeliveryKey>,
}

impl Runs {
    /// One more of this run, if it is the next one of the same sender.
    #[inline(always)]
    pub fn extend(&mut self, key: RunKey, sender: InLink, number: u32) -> Option<DeliveryKey> {
        let run = self.runs.get_mut(key.0 as usize)?;
        let place = run.length;
        if run.ends.sender != sender || run.first.wrapping_add(place) != number || place >= RUN_MAX {
            return None;
        }
        run.length = place + 1;
        run.open |= 1 << place;
        self.open += 1;
        Some(Which { run: key, number: place }.key(run.generation))
    }

    /// A new one, and its first delivery, which the sender calls so.
    #[inline]
    pub fn begin(&mut self, ends: Ends, number: u32) -> (RunKey, DeliveryKey) {
        let key = self.free.pop().unwrap_or_else(|| self.grow());
        let Some(run) = self.runs.get_mut(key.0 as usize) else { unreachable!("it was made when it was needed first") };
        *run = Run { generation: run.generation, length: 1, open: 1, ends, first: number, left: 0 };
        self.open += 1;
        (key, Which { run: key, number: 0 }.key(run.generation))
    }

    /// A place more: there are no more than deliveries, as each has one that is open or has left.
    #[cold]
    fn grow(&mut self) -> RunKey {
        self.runs.push(Run::default());
        RunKey(self.runs.len() as u32 - 1)
    }

    #[inline]
    fn find(&self, key: DeliveryKey) -> Option<(Which, &Run)> {
        let which = Which::of(key)?;
        let run = self.runs.get(which.run.0 as usize)?;
        (run.generation == key.generation).then_some((which, run))
    }

    /// Takes so many out, this one and those behind it, if all of them are there.
    #[inline]
    pub fn take(&mut self, key: DeliveryKey, count: u32) -> Option<Taken> {
        let (Which { run: key, number }, run) = self.find(key)?;
        let (ends, first) = (run.ends, run.first);
        // So many bits, from this one's on; none if they are more than a run has.
        let meant = u64::MAX.checked_shr(RUN_MAX - count.min(RUN_MAX)).filter(|_| number + count <= RUN_MAX)? << number;
        let open = run.open & !meant;
        if run.open & meant != meant {
            return None;
        }
        self.runs.get_mut(key.0 as usize)?.open = open;
        self.open -= count as usize;
        Some(Taken { ends, number: first.wrapping_add(number), emptied: (open == 0).then_some(key) })
    }

    /// Nobody has an empty one among what it has any more.
    #[inline]
    pub fn close(&mut self, key: RunKey) {
        if let Some(run) = self.runs.get_mut(key.0 as usize)
            && run.open == 0
            && run.left == 0
        {
            run.generation = run.generation.wrapping_add(1);
            self.free.push(key);
        }
    }

    /// Between whom one is.
    pub fn ends(&self, key: RunKey) -> Option<&Ends> {
        Some(&self.runs.get(key.0 as usize)?.ends)
    }

    /// The same, to be changed.
    #[inline]
    pub fn ends_mut(&mut self, key: RunKey) -> Option<&mut Ends> {
        Some(&mut self.runs.get_mut(key.0 as usize)?.ends)
    }

    /// One that was taken out is called so from now on.
    pub fn leave(&mut self, key: DeliveryKey, called: DeliveryKey) {
        if let Some(which) = Which::of(key)
            && let Some(run) = self.runs.get_mut(which.run.0 as usize)
        {
            run.left += 1;
            self.left.insert(key.place, called);
        }
    }

    /// What one is called that has left its run; itself, if it has not.
    pub fn called(&self, key: DeliveryKey) -> DeliveryKey {
        match self.find(key) {
            Some(_) => self.left.get(&key.place).copied().unwrap_or(key),
            None => key,
        }
    }

    /// One that had left is over; its key was this.
    pub fn forget(&mut self, key: DeliveryKey) {
        if self.left.remove(&key.place).is_some()
            && let Some(which) = Which::of(key)
            && let Some(run) = self.runs.get_mut(which.run.0 as usize)
        {
            run.left -= 1;
            self.close(which.run);
        }
    }

    /// Whether it is in a run.
    pub fn has(&self, key: DeliveryKey) -> bool {
        self.find(key).is_some_and(|(which, run)| run.open & (1 << which.number) != 0)
    }

    /// Those that are in one.
    pub fn keys(&self, key: RunKey) -> impl Iterator<Item = DeliveryKey> + use<> {
        let (open, generation) = self.runs.get(key.0 as usize).map_or((0, 0), |run| (run.open, run.generation));
        let is_open = move |number: &u32| open & (1 << number) != 0;
        (0..RUN_MAX).filter(is_open).map(move |number| Which { run: key, number }.key(generation))
    }

    /// Deliveries that are in one.
    #[inline]
    pub fn open(&self) -> usize {
        self.open
    }

    /// Asserts what must hold between two inputs; gives how many deliveries are in runs.
    pub fn check(&self) -> usize {
        let open: u32 = self.runs.iter().map(|run| run.open.count_ones()).sum();
        assert_eq!(open as usize, self.open, "what is in runs is counted");
        for (place, run) in (0..).zip(&self.runs) {
            let place = |number| Which { run: RunKey(place), number }.key(0).place;
            let left = self.left.range(place(0)..=place(RUN_MAX - 1));
            assert_eq!(left.count(), run.left as usize, "what has left is known");
        }
        let used = self.runs.iter().filter(|run| run.open != 0 || run.left != 0).count();
        assert_eq!(used + self.free.len(), self.runs.len(), "a run that nobody needs is free");
        let is_free = |key: &RunKey| self.runs.get(key.0 as usize).is_some_and(|run| run.open == 0 && run.left == 0);
        assert!(self.free.iter().all(is_free), "and no other one");
        open as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENDS: Ends = Ends { sender: InLink(3), receiver: OutLink(4), at_sender: 0, at_receiver: 0 };

    #[test]
    fn a_run_takes_what_follows_and_gives_it_back_in_any_order() {
        let mut runs = Runs::default();
        let (run, first) = runs.begin(ENDS, u32::MAX);
        assert_eq!(runs.extend(run, InLink(3), u32::MAX), None, "it came already");
        assert_eq!(runs.extend(run, InLink(5), 0), None, "that is of another one");
        let others: Vec<_> = (0..RUN_MAX - 1).map(|number| runs.extend(run, InLink(3), number)).collect();
        let keys: Vec<_> = std::iter::once(Some(first)).chain(others).map(|key| key.expect("it follows")).collect();
        assert_eq!(runs.extend(run, InLink(3), RUN_MAX - 1), None, "it is full");
        assert_eq!(runs.keys(run).collect::<Vec<_>>(), keys);
        assert!(keys.windows(2).all(|two| two[1].to_bits() == two[0].to_bits() + 1), "keys are neighbours");
        assert_eq!((keys[0].neighbours(), keys[60].neighbours()), (RUN_MAX, 4));
        assert!(runs.take(keys[60], 5).is_none(), "so many there are not");
        assert_eq!(runs.take(keys[10], 1).map(|taken| taken.number), Some(9));
        assert!(runs.take(keys[0], RUN_MAX).is_none() && runs.take(keys[10], 1).is_none(), "once");
        assert!(runs.take(keys[0], 10).is_some_and(|taken| taken.number == u32::MAX && taken.emptied.is_none()));
        let last = runs.take(keys[11], RUN_MAX - 11).expect("the rest is there");
        assert_eq!((last.number, last.emptied, runs.open()), (10, Some(run), 0));
        runs.close(run);
        runs.check();
        let (again, key) = runs.begin(ENDS, 7);
        assert_eq!((again, runs.has(key), runs.has(keys[0])), (run, true, false), "a key names one delivery");
        assert!(runs.take(key, RUN_MAX).is_none(), "one is all there is");
    }

    #[test]
    fn the_key_of_one_that_left_leads_to_what_it_is_called_until_that_is_over() {
        let mut runs = Runs::default();
        let (run, first) = runs.begin(ENDS, 0);
        let second = runs.extend(run, InLink(3), 1).expect("it follows");
        let called = DeliveryKey::from_bits(9);
        assert!(runs.take(first, 1).is_some());
        runs.leave(first, called);
        assert_eq!((runs.called(first), runs.called(second), runs.called(called)), (called, second, called));
        assert_eq!(runs.take(second, 1).and_then(|taken| taken.emptied), Some(run));
        runs.close(run);
        assert_eq!(runs.called(first), called, "as long as one that left is under way");
        runs.check();
        runs.forget(first);
        runs.check();
        assert_eq!((runs.called(first), runs.has(first)), (first, false));
        assert_eq!(runs.begin(ENDS, 5).0, run);
    }
}
