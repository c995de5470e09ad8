//! A lane: a bounded path from one shard to another, one producer, one consumer, without locks.
//!
//! Guarantees: values arrive once and in order; a full lane gives the value back; neither side ever waits for the other. A
//! sender that found it full and says so (`starve`) is told of by the receiver's next `take_starved`, or finds room at once.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// On a cache line of its own, so that the two sides do not take lines from each other.
#[repr(align(128))]
struct Padded(AtomicUsize);

struct Ring<T> {
    /// Values taken so far; written by the receiver.
    head: Padded,
    /// Values put so far; written by the sender.
    tail: Padded,
    /// Set by the sender that waits for room, taken back by the receiver that made some.
    starved: AtomicBool,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: a slot is touched by the sender while it is outside head..tail and by the receiver while it is inside; the
// release and acquire of the indices hand it over. One sender and one receiver exist, as neither can be cloned.
unsafe impl<T: Send> Sync for Ring<T> {}

impl<T> Ring<T> {
    fn slot(&self, index: usize) -> *mut MaybeUninit<T> {
        self.slots[index & (self.slots.len() - 1)].get()
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let (head, tail) = (*self.head.0.get_mut(), *self.tail.0.get_mut());
        let mut index = head;
        while index != tail {
            // SAFETY: head..tail holds values, and nobody else is left.
            unsafe { (*self.slot(index)).assume_init_drop() };
            index = index.wrapping_add(1);
        }
    }
}

/// The sending side.
pub struct LaneSender<T> {
    ring: Arc<Ring<T>>,
    tail: usize,
    /// The receiver's index as it was last seen.
    head: usize,
}

/// The receiving side.
pub struct LaneReceiver<T> {
    ring: Arc<Ring<T>>,
    head: usize,
    /// The sender's index as it was last seen.
    tail: usize,
}

/// A lane for at least `capacity` values.
pub fn lane<T: Send>(capacity: usize) -> (LaneSender<T>, LaneReceiver<T>) {
    let capacity = capacity.max(2).next_power_of_two();
    let slots = (0..capacity).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect();
    let (head, tail) = (Padded(AtomicUsize::new(0)), Padded(AtomicUsize::new(0)));
    let ring = Arc::new(Ring { head, tail, starved: AtomicBool::new(false), slots });
    (LaneSender { ring: Arc::clone(&ring), tail: 0, head: 0 }, LaneReceiver { ring, head: 0, tail: 0 })
}

impl<T> LaneSender<T> {
    /// Puts a value in.
    ///
    /// # Errors
    /// Gives it back when the lane is full.
    #[inline]
    pub fn try_send(&mut self, value: T) -> Result<(), T> {
        if self.tail.wrapping_sub(self.head) == self.ring.slots.len() {
            self.head = self.ring.head.0.load(Ordering::Acquire);
            if self.tail.wrapping_sub(self.head) == self.ring.slots.len() {
                return Err(value);
            }
        }
        // SAFETY: the slot is outside head..tail, so that it is ours.
        unsafe { (*self.ring.slot(self.tail)).write(value) };
        self.tail = self.tail.wrapping_add(1);
        self.ring.tail.0.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// Asks to be told of room; gives whether there is some already. Either this sees what the receiver took, or the
    /// receiver sees that somebody waits: both have a sequentially consistent fence between their two steps.
    pub fn starve(&mut self) -> bool {
        self.ring.starved.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.head = self.ring.head.0.load(Ordering::Acquire);
        self.tail.wrapping_sub(self.head) < self.ring.slots.len()
    }

    /// Values under way.
    pub fn len(&self) -> usize {
        self.tail.wrapping_sub(self.ring.head.0.load(Ordering::Relaxed))
    }

    /// Whether nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> LaneReceiver<T> {
    /// Takes the next value out.
    #[inline]
    pub fn receive(&mut self) -> Option<T> {
        if self.head == self.tail {
            self.tail = self.ring.tail.0.load(Ordering::Acquire);
            if self.head == self.tail {
                return None;
            }
        }
        // SAFETY: the slot is inside head..tail, so that it holds a value, which is ours and read once.
        let value = unsafe { (*self.ring.slot(self.head)).assume_init_read() };
        self.head = self.head.wrapping_add(1);
        self.ring.head.0.store(self.head, Ordering::Release);
        Some(value)
    }

    /// Whether the sender waits for the room that was made by taking values out. Call it after some were taken.
    pub fn take_starved(&self) -> bool {
        fence(Ordering::SeqCst);
        self.ring.starved.load(Ordering::Relaxed) && self.ring.starved.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_arrive_once_and_in_order() {
        let (mut sender, mut receiver) = lane::<Box<u64>>(64);
        let count = 200_000;
        let thread = std::thread::spawn(move || {
            for n in 0..count {
                let mut value = Box::new(n);
                while let Err(back) = sender.try_send(value) {
                    value = back;
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < count {
            match receiver.receive() {
                Some(value) => {
                    assert_eq!(*value, expected);
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        thread.join().expect("the sender ends");
        assert!(receiver.receive().is_none());
    }

    #[test]
    fn a_starved_sender_is_told() {
        let (mut sender, mut receiver) = lane(2);
        assert!(sender.starve(), "there is room");
        assert!(receiver.take_starved(), "it asked all the same");
        assert!(sender.try_send(1).is_ok() && sender.try_send(2).is_ok() && sender.try_send(3).is_err());
        assert!(!sender.starve());
        assert_eq!(receiver.receive(), Some(1));
        assert!(receiver.take_starved());
        assert!(!receiver.take_starved(), "once");
        assert!(sender.try_send(3).is_ok());
    }

    #[test]
    fn a_full_lane_gives_back_and_a_dropped_one_drops() {
        let value = Arc::new(());
        let (mut sender, receiver) = lane(4);
        for _ in 0..4 {
            assert!(sender.try_send(Arc::clone(&value)).is_ok());
        }
        assert!(sender.try_send(Arc::clone(&value)).is_err());
        drop((sender, receiver));
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
