//! Copies that receivers of this shard have, by the keys that their connections have for them.
//!
//! Guarantee: a key names one copy, or nothing once that is over. The first copy of a delivery, which is the only one of nearly all, is
//! named by the delivery itself, so that nothing is kept of it here; further ones have places of their own.

use engine_core::event::KEY_NONE;
use engine_core::slab::Key as Place;
use engine_router::settlement::{CopyKey, DeliveryKey};

use crate::end::End;
use crate::router::Router;

/// A copy that is not the first of its delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub receiver: Place,
    /// Its place among those of its receiver.
    pub at: u32,
    pub copy: CopyKey,
}

/// Deliveries, and further copies, have fewer places than that: a key with this bit is a delivery's.
const FIRST: u64 = 1 << 31;

/// What a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    First(CopyKey),
    Further(Place),
}

fn named(key: u64) -> Named {
    match key & FIRST {
        0 => Named::Further(Place::from_bits(key)),
        _ => Named::First(CopyKey { delivery: DeliveryKey::from_bits(key & !FIRST), index: 0 }),
    }
}

/// The key of the first copy of a delivery.
#[inline]
fn first(delivery: DeliveryKey) -> u64 {
    delivery.to_bits() | FIRST
}

/// The delivery of a key that is the first copy of one, and how many of so many keys that follow may be of its run.
#[inline]
pub(crate) fn held_together(key: u64, most: u32) -> Option<(DeliveryKey, u32)> {
    match named(key) {
        Named::First(CopyKey { delivery, .. }) => Some((delivery, most.min(delivery.neighbours()))),
        Named::Further(_) => None,
    }
}

impl Router {
    /// The key of what a receiver is sent, of which it has a copy if its outcome is waited for.
    #[inline]
    pub(crate) fn key_for(&mut self, receiver: Place, waited: Option<CopyKey>) -> u64 {
        waited.map_or(KEY_NONE, |copy| self.hold(receiver, copy))
    }

    /// A receiver has a copy; gives its key.
    #[inline]
    fn hold(&mut self, receiver: Place, copy: CopyKey) -> u64 {
        if copy.index == 0 {
            return first(copy.delivery);
        }
        self.hold_further(receiver, copy)
    }

    #[cold]
    fn hold_further(&mut self, receiver: Place, copy: CopyKey) -> u64 {
        let Some(End::Receiver(known)) = self.ends.get_mut(receiver) else {
            unreachable!("a copy is sent to who is there")
        };
        let key = self.waiting.held.insert(Held { receiver, at: known.held.len() as u32, copy });
        assert!(u64::from(key.slot()) < FIRST, "memory is used up before");
        known.held.push(key);
        key.to_bits()
    }

    /// The copy of a key.
    pub(crate) fn held(&self, key: u64) -> Option<CopyKey> {
        match named(key) {
            Named::First(copy) => Some(copy),
            Named::Further(place) => self.waiting.held.get(place).map(|held| held.copy),
        }
    }

    /// Takes out a copy that a receiver has, and gives it.
    #[inline]
    pub(crate) fn take_held(&mut self, key: u64) -> Option<CopyKey> {
        match named(key) {
            Named::First(copy) => Some(copy),
            Named::Further(place) => self.take_further(place),
        }
    }

    fn take_further(&mut self, place: Place) -> Option<CopyKey> {
        let Held { receiver, at, copy } = self.waiting.held.remove(place)?;
        if let Some(End::Receiver(receiver)) = self.ends.get_mut(receiver) {
            receiver.held.swap_remove(at as usize);
            let moved = receiver.held.get(at as usize).and_then(|key| self.waiting.held.get_mut(*key));
            moved.into_iter().for_each(|moved| moved.at = at);
        }
        Some(copy)
    }

    /// A receiver has a copy no more that is not settled.
    pub(crate) fn let_go(&mut self, receiver: Place, copy: CopyKey) {
        let Some(End::Receiver(receiver)) = self.ends.get(receiver) else { return };
        let is_its = |key: &&Place| self.waiting.held.get(**key).is_some_and(|held| held.copy == copy);
        if let Some(place) = receiver.held.iter().find(is_its).copied() {
            self.take_further(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_a_delivery_or_a_place() {
        for bits in [0, 1 << 32 | 5, u64::from(u32::MAX) << 32 | 0xf_ffff, 0x7fff_ffff] {
            let delivery = DeliveryKey::from_bits(bits);
            assert_eq!(named(first(delivery)), Named::First(CopyKey { delivery, index: 0 }));
            assert_eq!(named(bits), Named::Further(Place::from_bits(bits)));
            assert_ne!(first(delivery), KEY_NONE);
        }
    }
}
