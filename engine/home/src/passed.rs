//! What passed a link, or all links of a shard, so far, and what a link was like when it was looked at last.

use engine_core::command::{Outcome, Settled};

/// What passed in one direction so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Messages.
    pub messages: u64,
    /// Those of them that nobody settles.
    pub presettled: u64,
    /// Those that were accepted.
    pub accepted: u64,
    /// Those that were rejected.
    pub rejected: u64,
    /// Those that were released.
    pub released: u64,
    /// Those that were modified.
    pub modified: u64,
}

/// What passed in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passage {
    /// From peers.
    pub from_peers: Passed,
    /// To peers.
    pub to_peers: Passed,
}

/// What a link was like when it was looked at last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watched {
    /// Messages that count for its address.
    pub counted: u64,
    /// Since when it has no credit, nanoseconds.
    pub dry_since_ns: Option<u64>,
}

impl Watched {
    /// How long a link has had no credit, nanoseconds.
    pub fn dry_ns(&self, now_ns: u64) -> u64 {
        self.dry_since_ns.map_or(0, |since| now_ns.saturating_sub(since))
    }
}

impl Passed {
    /// A message passed.
    #[inline]
    pub(crate) fn note(&mut self, settled: Settled) {
        self.messages += 1;
        self.presettled += u64::from(settled == Settled::Yes);
    }

    /// Some messages passed, of which so many were presettled.
    pub(crate) fn note_some(&mut self, messages: u64, presettled: u64) {
        self.messages += messages;
        self.presettled += presettled;
    }

    /// What became of some.
    pub(crate) fn note_outcome(&mut self, outcome: &Outcome, count: u64) {
        match outcome {
            Outcome::Accepted => self.accepted += count,
            Outcome::Rejected(_) => self.rejected += count,
            Outcome::Released => self.released += count,
            Outcome::Modified(_) => self.modified += count,
        }
    }

    /// The sum of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            presettled: self.presettled + other.presettled,
            accepted: self.accepted + other.accepted,
            rejected: self.rejected + other.rejected,
            released: self.released + other.released,
            modified: self.modified + other.modified,
        }
    }
}
