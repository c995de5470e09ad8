//! Deliveries that were sent and that the peer has not settled, by delivery-id.
//!
//! Delivery-ids of one session follow each other, so that the map is a ring: its place is the difference to the oldest.
//!
//! Guarantees: finding one costs no search; a disposition over any range costs what the ring holds, not what the range
//! claims; a settled delivery in the middle keeps its place until those before it are settled.

use std::collections::VecDeque;

use crate::state::DeliveryOutcome;

/// A place whose delivery is settled.
const HOLE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Sent {
    key: u64,
    handle: u32,
}

/// The unsettled deliveries of one session.
#[derive(Debug, Default)]
pub struct Unsettled {
    oldest: u32,
    ring: VecDeque<Sent>,
}

impl Unsettled {
    /// How many places are taken.
    #[inline]
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Notes that delivery `id`, the one after the last noted, was sent unsettled.
    #[inline]
    pub fn push(&mut self, id: u32, handle: u32, key: u64) {
        if self.ring.is_empty() {
            self.oldest = id;
        }
        debug_assert_eq!(self.oldest.wrapping_add(self.ring.len() as u32), id);
        self.ring.push_back(Sent { key, handle });
    }

    /// Notes that delivery `id` was sent settled.
    #[inline]
    pub fn skip(&mut self, id: u32) {
        if !self.ring.is_empty() {
            self.push(id, HOLE, 0);
        }
    }

    /// The part of `first..=last` (serial numbers, RFC 1982) that the ring holds.
    pub fn clip(&self, first: u32, last: u32) -> Option<(u32, u32)> {
        let len = i32::try_from(self.ring.len()).unwrap_or(i32::MAX);
        let distance = |id: u32| id.wrapping_sub(self.oldest).cast_signed();
        let (from, to) = (distance(first).max(0), distance(last).min(len - 1));
        let id = |place: i32| self.oldest.wrapping_add(place.cast_unsigned());
        (from <= to && distance(first) <= distance(last)).then(|| (id(from), id(to)))
    }

    /// Forgets an unsettled delivery; gives its handle and key.
    #[inline]
    pub fn take(&mut self, id: u32) -> Option<(u32, u64)> {
        if id == self.oldest {
            // No hole: those at the front went with what was before them.
            let Sent { key, handle } = self.ring.pop_front()?;
            self.oldest = id.wrapping_add(1);
            self.drop_holes();
            return Some((handle, key));
        }
        let entry = self.ring.get_mut(id.wrapping_sub(self.oldest) as usize)?;
        let Sent { key, handle } = *entry;
        entry.handle = HOLE;
        (handle != HOLE).then_some((handle, key))
    }

    /// Forgets the oldest deliveries, so many at most, that are of this link and have keys one behind the other, from this one on, if `id` is
    /// the oldest; gives how many.
    #[inline]
    pub fn take_following(&mut self, id: u32, handle: u32, key: u64, most: u32) -> u32 {
        if id != self.oldest {
            return 0;
        }
        let (ring, _) = self.ring.as_slices();
        let alike = |(more, entry): &(u64, &Sent)| entry.handle == handle && entry.key.checked_sub(key) == Some(*more);
        let count = (0..).zip(ring).take(most as usize).take_while(alike).count();
        self.ring.drain(..count);
        self.oldest = id.wrapping_add(count as u32);
        self.drop_holes();
        count as u32
    }

    /// Handle and key of an unsettled delivery.
    pub fn get(&self, id: u32) -> Option<(u32, u64)> {
        let Sent { key, handle } = *self.ring.get(id.wrapping_sub(self.oldest) as usize)?;
        (handle != HOLE).then_some((handle, key))
    }

    /// The oldest unsettled delivery of a link with that key.
    pub fn find(&self, handle: u32, key: u64) -> Option<u32> {
        let place = self.ring.iter().position(|entry| entry.handle == handle && entry.key == key)?;
        Some(self.oldest.wrapping_add(place as u32))
    }

    /// Deliveries of a link whose keys are among some, with their keys. Looks at all that there are.
    pub fn of_keys(&self, handle: u32, is_meant: impl Fn(u64) -> bool) -> Vec<(u32, u64)> {
        let of_link = (0..).zip(&self.ring).filter(|(_, entry)| entry.handle == handle && is_meant(entry.key));
        of_link.map(|(place, entry)| (self.oldest.wrapping_add(place), entry.key)).collect()
    }

    /// Gives the places of settled deliveries back that have no unsettled one before them.
    #[inline]
    fn drop_holes(&mut self) {
        while self.ring.front().is_some_and(|entry| entry.handle == HOLE) {
            self.ring.pop_front();
            self.oldest = self.oldest.wrapping_add(1);
        }
    }

    /// Forgets the deliveries of a link that is gone.
    pub fn forget(&mut self, handle: u32) {
        self.ring.iter_mut().filter(|entry| entry.handle == handle).for_each(|entry| entry.handle = HOLE);
        self.drop_holes();
    }
}

/// Deliveries that a disposition named and that the host has not taken yet.
#[derive(Debug)]
pub(crate) struct Named {
    pub session: u16,
    pub next: u32,
    pub last: u32,
    /// What we settle in turn, at a receiver of mode second.
    pub answer: Option<DeliveryOutcome>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clipped_across_the_wrap() {
        let mut unsettled = Unsettled::default();
        for n in 0..6_u32 {
            unsettled.push(n.wrapping_sub(3), 7, u64::from(n));
        }
        assert_eq!(unsettled.clip(u32::MAX - 100, 100), Some((u32::MAX - 2, 2)));
        assert_eq!(unsettled.clip(0, 1), Some((0, 1)));
        assert_eq!(unsettled.clip(3, 9), None);
        assert_eq!(unsettled.clip(1, 0), None);
        assert_eq!(unsettled.take(u32::MAX), Some((7, 2)));
        assert_eq!((unsettled.take(u32::MAX), unsettled.len()), (None, 6));
        assert_eq!(unsettled.take(u32::MAX - 2), Some((7, 0)));
        assert_eq!(unsettled.take(u32::MAX - 1), Some((7, 1)));
        assert_eq!(unsettled.len(), 3, "the hole went with those before it");
        unsettled.skip(3);
        unsettled.forget(7);
        assert_eq!(unsettled.len(), 0);
    }

    #[test]
    fn what_follows_is_taken_as_one_by_one() {
        let mut unsettled = Unsettled::default();
        let keys = [5, 6, 7, 9, 10, u64::MAX, 0, 1];
        for (id, key) in (u32::MAX - 1..=u32::MAX).chain(0..).zip(keys) {
            unsettled.push(id, if key == 10 { 8 } else { 7 }, key);
        }
        assert_eq!(unsettled.take_following(0, 7, 7, 9), 0, "others are before it");
        assert_eq!(unsettled.take_following(u32::MAX - 1, 7, 6, 9), 0, "another key");
        assert_eq!(unsettled.take_following(u32::MAX - 1, 7, 5, 2), 2, "no more than asked for");
        assert_eq!(unsettled.take(1), Some((7, 9)));
        assert_eq!(unsettled.take_following(0, 7, 7, 9), 1);
        assert_eq!((unsettled.len(), unsettled.take_following(2, 7, 10, 9)), (4, 0), "of another link");
        assert_eq!(unsettled.take(2), Some((8, 10)));
        assert_eq!(unsettled.take_following(3, 7, u64::MAX, 9), 1, "there is no key behind the last");
        assert_eq!(unsettled.take_following(4, 7, 0, 9), 2);
        assert_eq!(unsettled.take_following(6, 7, 2, 9), 0);
    }
}
