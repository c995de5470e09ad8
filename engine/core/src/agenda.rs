//! What is due when: keys by time, the earliest first; and the deadlines of an owner, each with its reason.
//!
//! Guarantees: what is due is given in the order of its time, each entry once, and nothing is looked at that is not due. Keys that have
//! gone stale stay until their time; whoever keeps an agenda makes it anew when it is crowded with them (`is_crowded`), so that it
//! never costs more than what lives.
//!
//! Not here: what the keys name, and whether they are stale.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::limits::{EXPIRY_LOOK_NS, EXPIRY_PERIOD_NS};
use crate::slab::Key;

/// Entries that may be stale whatever lives.
const STALE_MIN: usize = 64;

/// Keys by time.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, Key)>>,
}

impl Agenda {
    /// An agenda of what lives.
    pub fn of(living: impl Iterator<Item = (u64, Key)>) -> Self {
        Self { heap: living.map(Reverse).collect() }
    }

    pub fn insert(&mut self, at: u64, key: Key) {
        self.heap.push(Reverse((at, key)));
    }

    /// The time of its first entry.
    #[inline]
    pub fn earliest(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Whether something is due by `now`.
    #[inline]
    pub fn is_due(&self, now: u64) -> bool {
        self.earliest().is_some_and(|at| at <= now)
    }

    /// Takes out the first entry if it is due by `now`.
    pub fn take_due(&mut self, now: u64) -> Option<(u64, Key)> {
        if self.is_due(now) { self.heap.pop().map(|Reverse(entry)| entry) } else { None }
    }

    /// Whether more than half of it is stale when so many of what it may name live.
    #[inline]
    pub fn is_crowded(&self, living: usize) -> bool {
        self.heap.len() > 2 * living + STALE_MIN
    }
}

/// The two clocks of a shard, as they were when its turn began or its last input came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    /// Never set back.
    pub ns: u64,
    /// Milliseconds since the epoch; an operator may set it.
    pub wall_ms: u64,
}

/// Why an owner has to look at a queue at a time, though nobody asks for anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Messages of it may be dropped. A time of the wall clock, milliseconds.
    Expiry,
    /// Its consumers may not take any more, so that producers whose credit it withholds need not wait for them. A time of the clock
    /// that is never set back, nanoseconds.
    Release,
    /// Messages of it may go elsewhere that were refused there before. Likewise.
    Forward,
    /// Messages of it are to be delivered again. Likewise.
    Redelivery,
    /// It need not wait for further consumers any more. Likewise.
    Dispatch,
    /// Nobody may have needed it for as long as it stays then. Likewise.
    Idle,
    /// Its consumers are looked at, whether they take enough. Likewise.
    Look,
}

/// The deadlines of an owner: one heap for each reason, as they go by two clocks, one of which may be set.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    expiries: Agenda,
    releases: Agenda,
    forwards: Agenda,
    redeliveries: Agenda,
    dispatches: Agenda,
    idles: Agenda,
    looks: Agenda,
    /// Before that no messages are dropped: what expires together is dropped together.
    next_sweep_ns: u64,
}

impl Deadlines {
    pub fn insert(&mut self, due: Due, at: u64, queue: Key) {
        match due {
            Due::Expiry => self.expiries.insert(at, queue),
            Due::Release => self.releases.insert(at, queue),
            Due::Forward => self.forwards.insert(at, queue),
            Due::Redelivery => self.redeliveries.insert(at, queue),
            Due::Dispatch => self.dispatches.insert(at, queue),
            Due::Idle => self.idles.insert(at, queue),
            Due::Look => self.looks.insert(at, queue),
        }
    }

    /// Takes out the first queue that is due for a reason.
    pub fn take_due(&mut self, due: Due, now: Now) -> Option<(u64, Key)> {
        match due {
            Due::Expiry => self.expiries.take_due(now.wall_ms),
            Due::Release => self.releases.take_due(now.ns),
            Due::Forward => self.forwards.take_due(now.ns),
            Due::Redelivery => self.redeliveries.take_due(now.ns),
            Due::Dispatch => self.dispatches.take_due(now.ns),
            Due::Idle => self.idles.take_due(now.ns),
            Due::Look => self.looks.take_due(now.ns),
        }
    }

    /// Makes the entries of a reason anew, of what lives, if most of them are stale.
    pub fn tidy<I: Iterator<Item = (u64, Key)>>(&mut self, due: Due, queues: usize, living: impl FnOnce() -> I) {
        let agenda = match due {
            Due::Expiry => &mut self.expiries,
            Due::Release => &mut self.releases,
            Due::Forward => &mut self.forwards,
            Due::Redelivery => &mut self.redeliveries,
            Due::Dispatch => &mut self.dispatches,
            Due::Idle => &mut self.idles,
            Due::Look => &mut self.looks,
        };
        if agenda.is_crowded(queues) {
            *agenda = Agenda::of(living());
        }
    }

    /// How many there are, stale ones too.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        let Self { expiries, releases, forwards, redeliveries, dispatches, idles, looks, .. } = self;
        let all = [expiries, releases, forwards, redeliveries, dispatches, idles, looks];
        all.iter().map(|agenda| agenda.heap.len()).sum()
    }

    /// Whether messages may be dropped now.
    pub fn may_sweep(&self, now: Now) -> bool {
        now.ns >= self.next_sweep_ns
    }

    /// The next sweep is to begin with the next turn: there is more to drop.
    pub fn sweep_on(&mut self, now: Now) {
        self.next_sweep_ns = now.ns;
    }

    /// A sweep dropped all that was due.
    pub fn rest(&mut self, now: Now) {
        self.next_sweep_ns = now.ns + EXPIRY_PERIOD_NS;
    }

    /// When something is due, nanoseconds. The wall clock may be set: while a message has a time to live it is looked at once in
    /// `EXPIRY_LOOK_NS`.
    pub fn earliest(&self, now: Now) -> Option<u64> {
        let sweep = self.expiries.earliest().map(|at| {
            let wait_ns = at.saturating_sub(now.wall_ms).saturating_mul(1_000_000);
            (now.ns + wait_ns.min(EXPIRY_LOOK_NS)).max(self.next_sweep_ns)
        });
        let others = [&self.releases, &self.forwards, &self.redeliveries, &self.dispatches, &self.idles, &self.looks];
        let others = others.map(Agenda::earliest);
        others.into_iter().chain([sweep]).flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(slot: u32) -> Key {
        Key { slot, generation: 0 }
    }

    #[test]
    fn what_is_due_comes_in_its_order_and_once() {
        let mut agenda = Agenda::of([(30, key(0)), (10, key(1))].into_iter());
        agenda.insert(20, key(2));
        assert_eq!((agenda.earliest(), agenda.is_due(9)), (Some(10), false));
        let due: Vec<_> = std::iter::from_fn(|| agenda.take_due(25)).collect();
        assert_eq!(due, [(10, key(1)), (20, key(2))]);
        assert_eq!(agenda.earliest(), Some(30));
    }

    #[test]
    fn each_reason_goes_by_its_own_clock() {
        let mut deadlines = Deadlines::default();
        let now = Now { ns: 5_000_000, wall_ms: 1_000 };
        assert_eq!(deadlines.earliest(now), None);
        deadlines.insert(Due::Expiry, 1_002, key(1));
        assert_eq!(deadlines.earliest(now), Some(7_000_000));
        deadlines.insert(Due::Release, 6_000_000, key(2));
        assert_eq!(deadlines.earliest(now), Some(6_000_000));
        let later = Now { ns: 6_000_000, wall_ms: 1_001 };
        assert_eq!(deadlines.take_due(Due::Expiry, later), None);
        assert_eq!(deadlines.take_due(Due::Release, later), Some((6_000_000, key(2))));
        let set_back = Now { ns: 8_000_000, wall_ms: 10 };
        assert_eq!(deadlines.earliest(set_back), Some(8_000_000 + 992_000_000));
        deadlines.rest(set_back);
        let set_on = Now { ns: 9_000_000, wall_ms: 5_000 };
        assert_eq!(deadlines.earliest(set_on), Some(8_000_000 + EXPIRY_PERIOD_NS));
        assert_eq!(deadlines.take_due(Due::Expiry, set_on), Some((1_002, key(1))));
    }
}
