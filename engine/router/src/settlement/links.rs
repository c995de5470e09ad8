//! Links of a router's settlement machine: those that bring deliveries, and those that take them.
//!
//! Guarantees: a sender's credit and what it has unsettled are its link's capacity at most; a receiver is sent no more than its credit.

use super::keys::{CopyKey, DeliveryKey};
use super::line::Line;
use super::runs::RunKey;

/// A link that brings deliveries, by a number that its host gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InLink(pub u64);

/// A link that takes deliveries, by a number that its host gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutLink(pub u64);

/// Who sends on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InKind {
    /// A client or a container: it gets credit back with each outcome.
    Endpoint,
    /// A router, which holds its own senders back: it gets credit back with each delivery.
    Router,
}

/// Who receives on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutKind {
    /// Somebody who decides.
    Deciding,
    /// Another part of the router, which decides likewise, and takes parts of several messages between each other.
    Lane,
    /// Somebody who wants all settled, or is in the program: what is sent counts as accepted.
    Settled,
}

/// How a link stands, for whoever looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Deliveries that may be unsettled.
    pub capacity: u32,
    /// Credit that is not used.
    pub credit: u32,
    /// Deliveries that wait for credit.
    pub waiting: usize,
    /// Deliveries that were sent, or came, and have no last word.
    pub unsettled: usize,
}

/// A link that brings deliveries.
#[derive(Debug)]
pub(super) struct In {
    pub kind: InKind,
    pub capacity: u32,
    /// What its sender may send still.
    pub credit: u32,
    /// Credit that is to be said.
    pub unsaid: u32,
    /// Whether somebody can be reached who takes what it sends.
    pub is_reached: bool,
    /// Whether that is noted.
    pub is_noted: bool,
    /// Deliveries that its sender has unsettled, each at the place that it knows, but for those that are in runs.
    pub unsettled: Vec<DeliveryKey>,
    /// Those.
    pub runs: OfRuns,
}

/// What a link has in runs.
#[derive(Debug, Default)]
pub(super) struct OfRuns {
    /// How many deliveries.
    pub deliveries: u32,
    /// The runs, each at the place that it knows.
    pub runs: Vec<RunKey>,
}

impl In {
    pub fn new(kind: InKind, capacity: u32) -> Self {
        let (unsettled, runs) = (Vec::new(), OfRuns::default());
        Self { kind, capacity, credit: 0, unsaid: 0, is_reached: false, is_noted: false, unsettled, runs }
    }

    /// How many deliveries its sender has unsettled.
    #[inline]
    pub fn unsettled(&self) -> usize {
        self.unsettled.len() + self.runs.deliveries as usize
    }

    /// Fills its credit up to what it may have; gives whether it is to be noted that there is some to be said.
    #[inline(always)]
    pub fn fill(&mut self) -> bool {
        let used = match self.kind {
            InKind::Endpoint => u32::try_from(self.unsettled()).unwrap_or(u32::MAX),
            InKind::Router => 0,
        };
        let more = self.capacity.saturating_sub(used).saturating_sub(self.credit);
        if self.is_reached {
            self.credit += more;
            self.unsaid = self.unsaid.saturating_add(more);
        }
        self.unsaid > 0 && !std::mem::replace(&mut self.is_noted, true)
    }
}

/// A link that takes deliveries.
#[derive(Debug)]
pub(super) struct Out {
    pub kind: OutKind,
    pub capacity: u32,
    pub credit: u32,
    /// The message that goes out in parts; nothing else may meanwhile.
    pub carried: Option<Carried>,
    /// Whether it wants that credit used up when the message has ended.
    pub is_draining: bool,
    /// What waits for credit.
    pub line: Line,
    /// What was sent, and has no last word, each at the place that it knows, but for what is in runs.
    pub sent: Vec<CopyKey>,
    /// That.
    pub runs: OfRuns,
    /// The last one of those, if what it is sent next may belong to it.
    pub run: Option<RunKey>,
}

/// A message that goes out in parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Carried {
    pub copy: CopyKey,
    /// The link's credit behind it.
    pub credit: u32,
}

impl Out {
    pub fn new(kind: OutKind, capacity: u32) -> Self {
        let (line, sent, runs) = (Line::default(), Vec::new(), OfRuns::default());
        Self { kind, capacity, credit: 0, carried: None, is_draining: false, line, sent, runs, run: None }
    }

    /// How many copies it was sent that have no last word.
    #[inline]
    pub fn sent(&self) -> usize {
        self.sent.len() + self.runs.deliveries as usize
    }

    /// What it may be sent still, now or when what goes out in parts has ended.
    pub fn unused(&self) -> u32 {
        self.credit + self.carried.map_or(0, |carried| carried.credit)
    }
}
