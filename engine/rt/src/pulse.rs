//! What a shard lets ordinary threads see without being asked: that it is alive, whether it serves, whether its disk has room.
//!
//! 1. One word says when the shard shows itself again at the latest: a turn sets it to its own time, a sleep to the time at which it ends.
//!    Whoever looks compares it with the clock; the shard is not woken, and a probe costs it nothing.
//! 2. A shard that does neither for `HUNG_NS` hangs: a turn that does not end, or a sleep from which it does not come back. One that sleeps
//!    until somebody wakes it has no time to keep.
//!
//! Not here: what follows from it. Stores are relaxed: nothing else is read by what they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

/// How long a shard may be silent, nanoseconds: turns are a thousandth of that also where a machine is overbooked, and a probe that asks
/// every ten seconds finds it out with its next question.
pub const HUNG_NS: u64 = 5_000_000_000;

/// Whether a shard takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Not yet.
    Starting,
    /// It does.
    Serving,
    /// No longer.
    Stopping,
}

/// Whether a shard's journal has room for durable messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskRoom {
    /// It has, or there is none.
    Some,
    /// The disk is full.
    None,
}

/// A shard's pulse; the shard has one, whoever looks has others of the same.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// When it shows itself again at the latest; `u64::MAX` while it need not.
    due_ns: AtomicU64,
    service: AtomicU8,
    disk_is_full: AtomicBool,
}

impl Default for Pulse {
    /// Of a shard that has not started: it has no time to keep yet.
    fn default() -> Self {
        let (due_ns, service) = (AtomicU64::new(u64::MAX), AtomicU8::new(Service::Starting as u8));
        Self(Arc::new(Shared { due_ns, service, disk_is_full: AtomicBool::new(false) }))
    }
}

impl Pulse {
    /// A turn begins at this time.
    #[inline]
    pub fn turn(&self, now_ns: u64) {
        self.0.due_ns.store(now_ns, Ordering::Relaxed);
    }

    /// The shard sleeps, until then or until it is woken.
    #[inline]
    pub fn sleep(&self, until_ns: Option<u64>) {
        self.0.due_ns.store(until_ns.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Says whether it serves.
    pub fn tell(&self, service: Service) {
        self.0.service.store(service as u8, Ordering::Relaxed);
    }

    /// Says whether its disk has room.
    #[inline]
    pub fn tell_disk(&self, room: DiskRoom) {
        self.0.disk_is_full.store(room == DiskRoom::None, Ordering::Relaxed);
    }

    /// How long it has been due beyond what is allowed, nanoseconds; `None` while it is alive.
    pub fn hangs(&self, now_ns: u64) -> Option<u64> {
        let late = now_ns.saturating_sub(self.0.due_ns.load(Ordering::Relaxed));
        (late > HUNG_NS).then_some(late)
    }

    /// Whether it serves.
    pub fn service(&self) -> Service {
        match self.0.service.load(Ordering::Relaxed) {
            service if service == Service::Serving as u8 => Service::Serving,
            service if service == Service::Stopping as u8 => Service::Stopping,
            _ => Service::Starting,
        }
    }

    /// Whether its disk has room.
    pub fn disk_room(&self) -> DiskRoom {
        if self.0.disk_is_full.load(Ordering::Relaxed) { DiskRoom::None } else { DiskRoom::Some }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_shard_that_stops_in_a_turn_hangs_within_the_bound() {
        let shard = Pulse::default();
        let looked = shard.clone();
        assert_eq!(looked.hangs(u64::MAX - 1), None, "it starts");
        shard.turn(10 * SECOND);
        assert_eq!(looked.hangs(10 * SECOND + HUNG_NS), None);
        assert_eq!(looked.hangs(10 * SECOND + HUNG_NS + 1), Some(HUNG_NS + 1));
        shard.turn(20 * SECOND);
        assert_eq!(looked.hangs(20 * SECOND), None, "it turns again");
        assert_eq!(looked.hangs(19 * SECOND), None, "a clock that was read before");
    }

    #[test]
    fn a_sleep_may_last_but_has_to_end_in_time() {
        let shard = Pulse::default();
        shard.turn(SECOND);
        shard.sleep(None);
        assert_eq!(shard.hangs(1_000_000 * SECOND), None, "nobody has asked it for anything");
        shard.sleep(Some(100 * SECOND));
        assert_eq!(shard.hangs(100 * SECOND), None);
        assert_eq!(shard.hangs(106 * SECOND), Some(6 * SECOND), "it did not wake");
    }

    #[test]
    fn what_it_says_is_seen() {
        let shard = Pulse::default();
        assert_eq!((shard.service(), shard.disk_room()), (Service::Starting, DiskRoom::Some));
        for service in [Service::Serving, Service::Stopping, Service::Starting] {
            shard.tell(service);
            assert_eq!(shard.clone().service(), service);
        }
        for room in [DiskRoom::None, DiskRoom::Some] {
            shard.tell_disk(room);
            assert_eq!(shard.clone().disk_room(), room);
        }
    }
}
