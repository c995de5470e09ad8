//! How long it takes until the journal has what it was given: of those that a queue chose to look at.
//!
//! Guarantees: what is looked at is told once, when its number is durable. At most `MEASURED_MAX` are looked at at a time: a disk that
//! hangs costs no memory, and what comes while it does is not counted.

use std::collections::VecDeque;

use crate::slab::Key;

/// 32 KiB: with one message of 64, of some 65,000 that wait for the disk.
const MEASURED_MAX: usize = 1024;

/// A durable message that is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Its number.
    pub number: u64,
    pub queue: Key,
    pub arrived_ns: u64,
    /// How many messages it stands for.
    pub weight: u64,
}

/// Those that are not durable yet, in the order of their numbers.
#[derive(Debug, Default)]
pub(crate) struct Measuring {
    waiting: VecDeque<Measured>,
}

impl Measuring {
    /// One that came.
    pub fn insert(&mut self, measured: Measured) {
        if self.waiting.len() < MEASURED_MAX {
            self.waiting.push_back(measured);
        }
    }

    /// The next one that is durable, everything up to `number` being so.
    pub fn poll(&mut self, number: u64) -> Option<Measured> {
        self.waiting.pop_front_if(|measured| measured.number <= number)
    }
}
