//! When a checkpoint is made, and when it is written.
//!
//! Guarantees: one at a time, at the begin of a segment; it is written once everything before it is durable.
//!
//! Not here: what it says (`engine_ledger`).

use storage_journal::{Order, Position, Reach};

/// The checkpoints of one journal.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Segments between two of them.
    every: u64,
    /// The segment of the last one that is written.
    last: u64,
    next: Next,
    written: u64,
}

/// What becomes of the next one.
#[derive(Debug)]
enum Next {
    /// There is none.
    None,
    /// It waits until all before it is durable.
    Waiting { position: Position, bytes: Vec<u8> },
    /// The disk has it.
    Handed,
}

impl Checkpoints {
    /// Those of a journal that goes on in a segment, after which so many are to pass.
    pub fn new(every: u64, segment: u64) -> Self {
        Self { every, last: segment, next: Next::None, written: 0 }
    }

    /// Whether one is to be made at the begin of a segment.
    pub fn is_due(&self, segment: u64) -> bool {
        segment >= self.last + self.every && matches!(self.next, Next::None)
    }

    /// It was made.
    pub fn handle_made(&mut self, position: Position, bytes: Vec<u8>) {
        self.next = Next::Waiting { position, bytes };
    }

    /// Has it written if it may be.
    pub fn poll_order(&mut self, durable: Reach) -> Option<Order> {
        match std::mem::replace(&mut self.next, Next::Handed) {
            Next::Waiting { position, bytes } if durable.reaches(position.reach) => {
                Some(Order::Checkpoint { segment: position.segment, bytes })
            }
            next => {
                self.next = next;
                None
            }
        }
    }

    /// It is on stable storage.
    pub fn handle_written(&mut self, segment: u64) {
        (self.next, self.last) = (Next::None, segment);
        self.written += 1;
    }

    /// The disk had no room for it, which is no harm.
    pub fn handle_left_out(&mut self) {
        self.next = Next::None;
    }

    /// How many were written.
    pub fn written(&self) -> u64 {
        self.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_made_at_a_time_and_written_when_all_before_it_is_durable() {
        let reach = Reach { shared: 100, ..Reach::START };
        let position = Position { segment: 9, reach, ..Position::START };
        let mut checkpoints = Checkpoints::new(8, 1);
        assert!(!checkpoints.is_due(8) && checkpoints.is_due(9));
        assert!(checkpoints.poll_order(reach).is_none(), "none was made");
        checkpoints.handle_made(position, vec![1]);
        assert!(!checkpoints.is_due(17), "one waits");
        assert!(checkpoints.poll_order(Reach { shared: 99, ..reach }).is_none());
        assert!(matches!(checkpoints.poll_order(reach), Some(Order::Checkpoint { segment: 9, .. })));
        assert!(checkpoints.poll_order(reach).is_none() && !checkpoints.is_due(17), "it is being written");
        checkpoints.handle_written(9);
        assert!(!checkpoints.is_due(16) && checkpoints.is_due(17));
    }
}
