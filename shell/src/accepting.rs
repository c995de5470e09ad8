//! When a shard accepts connections: always, but for pauses while something that each of them needs is used up.
//!
//! A listener whose connection cannot be accepted stays ready; a shard that went on asking would do nothing else. So it does not look at its
//! listeners for a while: until one of its own connections has ended, or a pause is over that doubles from attempt to attempt.
//!
//! `Accepting` is a machine: time comes in, `is_open` says what to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine_rt::Listener;

use crate::listener::ListenerConfig;

/// The first pause, nanoseconds: a connection that ends elsewhere is noticed soon.
const PAUSE_MIN_NS: u64 = 10_000_000;
/// The longest one: nobody waits longer than that for room that there is.
const PAUSE_MAX_NS: u64 = 1_000_000_000;

/// A socket that is listened on, and what its connections go by.
pub(crate) type Listening = (Listener, Arc<ListenerConfig>);

/// A shard's listeners.
pub(crate) struct Door {
    /// By numbers of which each is given once.
    pub listeners: BTreeMap<u64, Listening>,
    next: u64,
    pub accepting: Accepting,
    /// Whether the listeners are looked at.
    pub is_watched: bool,
}

impl Door {
    pub fn new() -> Self {
        Self { listeners: BTreeMap::new(), next: 0, accepting: Accepting::new(), is_watched: true }
    }

    /// Listens on another socket; gives its number.
    pub fn add(&mut self, listening: Listening) -> u64 {
        let number = self.next;
        self.next += 1;
        self.listeners.insert(number, listening);
        number
    }

    /// Takes out all sockets of a listener.
    pub fn remove(&mut self, listener: u32) -> Vec<Listener> {
        let gone = self.listeners.extract_if(.., |_, (_, config)| config.number == listener);
        gone.map(|(_, (socket, _))| socket).collect()
    }
}

/// Whether a shard accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepting {
    /// Until when it does not.
    until_ns: Option<u64>,
    pause_ns: u64,
}

impl Accepting {
    pub fn new() -> Self {
        Self { until_ns: None, pause_ns: PAUSE_MIN_NS }
    }

    /// A connection was accepted.
    #[inline]
    pub fn handle_accepted(&mut self) {
        self.pause_ns = PAUSE_MIN_NS;
    }

    /// One could not be, for want of something.
    pub fn handle_short(&mut self, now_ns: u64) {
        self.until_ns = Some(now_ns + self.pause_ns);
        self.pause_ns = (self.pause_ns * 2).min(PAUSE_MAX_NS);
    }

    /// A connection of the shard ended: what it used is there again.
    #[inline]
    pub fn handle_ended(&mut self) {
        self.until_ns = None;
    }

    /// Whether listeners are to be looked at.
    #[inline]
    pub fn is_open(&mut self, now_ns: u64) -> bool {
        if self.until_ns.is_some_and(|until| until <= now_ns) {
            self.until_ns = None;
        }
        self.until_ns.is_none()
    }

    /// When it is over even if nothing happens.
    #[inline]
    pub fn deadline(&self) -> Option<u64> {
        self.until_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew_behind_a_connection() {
        let mut accepting = Accepting::new();
        let mut now = 7;
        assert!(accepting.is_open(now) && accepting.deadline().is_none());
        for pause in [10, 20, 40, 80, 160, 320, 640, 1000, 1000] {
            accepting.handle_short(now);
            assert!(!accepting.is_open(now + pause * 1_000_000 - 1));
            assert_eq!(accepting.deadline(), Some(now + pause * 1_000_000));
            now += pause * 1_000_000;
            assert!(accepting.is_open(now) && accepting.deadline().is_none(), "no deadline that has passed stays");
        }
        accepting.handle_accepted();
        accepting.handle_short(now);
        assert_eq!(accepting.deadline(), Some(now + PAUSE_MIN_NS));
    }

    #[test]
    fn a_connection_that_ends_makes_room_at_once() {
        let mut accepting = Accepting::new();
        accepting.handle_short(1);
        accepting.handle_ended();
        assert!(accepting.is_open(2));
        accepting.handle_short(3);
        assert_eq!(accepting.deadline(), Some(3 + 2 * PAUSE_MIN_NS), "if that was not enough it waits longer");
    }
}
