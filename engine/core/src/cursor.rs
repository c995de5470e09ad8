//! Cursors: links that look at a queue without taking anything away.
//!
//! Guarantees: a cursor passes every message that waits when it comes to its place, once and in order, however long the backlog is and
//! whoever consumes meanwhile. What it needs of the journal is read for it alone, and kept in memory of its own, which is bounded for all
//! cursors together (`CURSORS_BYTES`): that memory is a copy, so that it may be given up at any time and read again.
//!
//! Not here: what is at a cursor's place (`queue::browsing`), and how the journal reads.

use std::collections::VecDeque;

use crate::ingress::came_at;
use crate::message::Message;
use crate::slab::Key;

/// A place in a queue's order, and what was read ahead from there on.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The sequence number of the next message.
    next: u64,
    /// Messages that are in the journal only, from `ahead_from` on, each with its name.
    ahead: VecDeque<(u64, Message)>,
    ahead_from: u64,
    /// Memory that they keep, octets.
    ahead_bytes: u64,
    asked: Asked,
    /// The last message that was passed, if it came back to its queue and was in memory.
    passed: Option<u64>,
    replay: Replay,
}

/// Whether a cursor tells the positions of messages, and where it begins by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Replay {
    /// It tells none.
    #[default]
    No,
    /// It passes over what is before this position, and tells the rest's.
    From(u64),
    /// It passes over what came before this time, milliseconds since the epoch, and tells the rest's.
    Since(u64),
    /// It tells all.
    All,
}

/// Whether the journal is to read for a cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    No,
    Yes,
}

impl Cursor {
    /// One that tells the positions of messages, from that sequence number on, and from the first position on that is not less.
    pub fn replaying(next: u64, least: u64) -> Self {
        let replay = if least == 0 { Replay::All } else { Replay::From(least) };
        Self { next, replay, ..Self::default() }
    }

    /// The same, from the first message on that came at that time or later, milliseconds since the epoch.
    pub fn replaying_since(wall_ms: u64) -> Self {
        Self { replay: Replay::Since(wall_ms), ..Self::default() }
    }

    /// Whether it tells the positions of messages.
    pub fn replays(&self) -> bool {
        self.replay != Replay::No
    }

    /// The least position that it begins at, 0 once it has begun.
    pub fn least(&self) -> u64 {
        if let Replay::From(least) = self.replay { least } else { 0 }
    }

    /// Whether it is to show a message of this position: not before it has begun.
    pub fn reaches(&mut self, position: Option<u64>, message: &Message) -> bool {
        let begins = match self.replay {
            Replay::No | Replay::All => return true,
            Replay::From(least) => position.is_some_and(|position| position >= least),
            Replay::Since(wall_ms) => came_at(message).is_some_and(|came| came >= wall_ms),
        };
        if begins {
            self.replay = Replay::All;
        }
        begins
    }

    /// The sequence number of the next message.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// The message under a number was passed.
    pub fn pass(&mut self, sequence: u64) {
        self.next = sequence + 1;
        self.passed = Some(sequence);
    }

    /// The last message that was passed, once.
    pub fn take_passed(&mut self) -> Option<u64> {
        self.passed.take()
    }

    /// The message under a number and its name, if it was read ahead. What is before it is not needed any more.
    pub fn take_ahead(&mut self, sequence: u64) -> Option<(u64, Message)> {
        let before = usize::try_from(sequence.checked_sub(self.ahead_from)?).unwrap_or(usize::MAX);
        self.ahead.drain(..before.min(self.ahead.len()));
        self.ahead_from = sequence;
        let message = self.ahead.pop_front();
        self.ahead_from += u64::from(message.is_some());
        if self.ahead.is_empty() {
            self.ahead_bytes = 0;
        }
        message
    }

    /// The first message from a number on that was read ahead and may not be dropped at a wall time, its number and its name.
    pub fn take_living(&mut self, mut sequence: u64, wall_ms: u64) -> Option<(u64, u64, Message)> {
        loop {
            let (name, message) = self.take_ahead(sequence)?;
            if message.expires_wall_ms.is_none_or(|at| at.get() > wall_ms) {
                return Some((sequence, name, message));
            }
            self.next = sequence + 1;
            sequence += 1;
        }
    }

    /// Gives whether the journal has to be asked for what comes next.
    pub fn ask(&mut self) -> bool {
        std::mem::replace(&mut self.asked, Asked::Yes) == Asked::No
    }

    /// The journal need not read, or did.
    pub fn end_read(&mut self) {
        self.asked = Asked::No;
    }

    /// What was read: messages from a number on, by their names, which keep so many octets in memory.
    pub fn handle_read(&mut self, from: u64, messages: VecDeque<(u64, Message)>, bytes: u64) {
        self.end_read();
        if self.least() > 0 {
            // What is before where it begins was not read.
            self.next = self.next.max(from);
        }
        self.ahead_bytes = if messages.is_empty() { 0 } else { bytes };
        (self.ahead_from, self.ahead) = (from, messages);
    }

    /// Memory that it keeps, octets.
    pub fn bytes(&self) -> u64 {
        self.ahead_bytes
    }

    /// Gives up what was read ahead.
    pub fn forget_ahead(&mut self) {
        (self.ahead, self.ahead_bytes) = (VecDeque::new(), 0);
    }
}

/// The cursors of an owner that have to do with the journal.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    /// Those for which it is to read, in turn.
    pub asking: VecDeque<Key>,
    /// Those that may have something read ahead.
    pub reading: Vec<Key>,
    /// For so many of them the journal reads now.
    pub readable: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_ahead_is_found_by_its_number() {
        let message = |number: u8| (u64::from(number), Message::new(vec![number].into()));
        let mut cursor = Cursor::default();
        assert!(cursor.ask() && !cursor.ask());
        cursor.handle_read(10, (0..5).map(message).collect(), 99);
        assert!(cursor.ask(), "it came");
        assert_eq!(cursor.take_ahead(9), None, "before");
        assert_eq!((cursor.take_ahead(10), cursor.bytes()), (Some(message(0)), 99));
        assert_eq!(cursor.take_ahead(13), Some(message(3)), "two of them were taken meanwhile");
        assert_eq!((cursor.take_ahead(14), cursor.bytes()), (Some(message(4)), 0));
        assert_eq!(cursor.take_ahead(15), None);
        cursor.handle_read(20, (0..5).map(message).collect(), 99);
        cursor.forget_ahead();
        assert_eq!((cursor.take_ahead(20), cursor.bytes()), (None, 0));
    }
}
