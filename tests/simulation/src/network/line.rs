//! A connection between two nodes: octets in both directions, late, in pieces of any size, or cut.

use std::collections::VecDeque;

use super::letter::{Number, Watch};
use super::shape::LineShape;
use crate::wire::{Received, Wire};

/// Octets that are on their way in one direction, at most.
const UNDER_WAY_MAX: usize = 128 << 10;

/// A connection, or the connector that will make one.
pub struct Line {
    /// Between whom.
    pub shape: LineShape,
    /// Both nodes' ends, of the one that connects first; `None` while there is no connection.
    pub ends: Option<[Wire; 2]>,
    /// Until when nothing moves, nanoseconds.
    pub hangs_ns: u64,
    /// Whether it is not to be made again for now.
    pub is_barred: bool,
    /// What is due: a look at each direction, and to connect.
    pub due: [bool; 2],
    /// Whether connecting is due.
    pub dial_due: bool,
    under_way: [VecDeque<u8>; 2],
    watches: [Watch; 2],
}

/// What moving some octets came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Moved {
    /// More may have to move; these messages were seen.
    On(Vec<Number>),
    /// Nothing is there to be moved.
    Nothing(Vec<Number>),
    /// The connection is over.
    Over,
}

impl Line {
    /// One that is not connected.
    pub fn new(shape: LineShape) -> Self {
        Self {
            shape,
            ends: None,
            hangs_ns: 0,
            is_barred: false,
            due: [false; 2],
            dial_due: false,
            under_way: Default::default(),
            watches: Default::default(),
        }
    }

    /// It is cut: what was on its way is lost.
    pub fn cut(&mut self) {
        self.ends = None;
        self.under_way = Default::default();
        self.watches = Default::default();
    }

    /// Moves octets in one direction (0: from who connects): what was on its way arrives, and up to `most` octets begin theirs.
    pub fn pump(&mut self, way: usize, most: usize, buffer: &mut [u8]) -> Moved {
        let Some(ends) = &self.ends else { return Moved::Nothing(Vec::new()) };
        let under_way = &mut self.under_way[way];
        let mut seen = Vec::new();
        if !under_way.is_empty() {
            let chunk = under_way.make_contiguous();
            let Some(sent) = ends[1 - way].send(chunk) else { return Moved::Over };
            seen = self.watches[way].look(&chunk[..sent]);
            under_way.drain(..sent);
        }
        let room = UNDER_WAY_MAX.saturating_sub(under_way.len()).min(most).min(buffer.len());
        match ends[way].receive(&mut buffer[..room]) {
            Received::End if under_way.is_empty() => return Moved::Over,
            Received::End | Received::Nothing => {}
            Received::Some(count) => under_way.extend(&buffer[..count]),
        }
        if under_way.is_empty() { Moved::Nothing(seen) } else { Moved::On(seen) }
    }
}
