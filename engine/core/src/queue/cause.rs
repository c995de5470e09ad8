//! Why a message leaves its queue for another address, and what that costs.
//!
//! Not here: which of several goes next (`departures`), and what the message says of it there (`hop`).

use std::sync::Arc;

use crate::event::Refusal;
use crate::limits::DEPARTING_BYTES;

/// Why a message goes elsewhere, and with that where to.
#[derive(Debug)]
pub(crate) enum Cause {
    /// A consumer cannot process it; perhaps it said why.
    Rejected(Option<Box<Refusal>>),
    /// It could be dropped from that time on, milliseconds since the epoch.
    Expired(u64),
    /// Its delivery failed as often as it may.
    Exhausted,
    /// A divert leads there.
    Diverted,
    /// Somebody subscribes to a pattern that its address matches.
    Subscribed,
    /// No queue of its address was for it.
    Unrouted,
    /// Somebody who manages the queue says so.
    Moved(Moved),
}

/// Lines that messages stand in, by their cause.
pub(super) const LINES: usize = 4;

/// Where somebody moves a message to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    /// An address, or `address::queue`.
    pub target: Arc<str>,
    /// What that is called in the message's annotations.
    pub reason: &'static str,
}

impl Cause {
    /// Which line it stands in.
    pub fn line(&self) -> usize {
        match self {
            Self::Rejected(_) | Self::Exhausted => 0,
            Self::Expired(_) => 1,
            Self::Diverted | Self::Subscribed | Self::Unrouted => 2,
            Self::Moved(_) => 3,
        }
    }

    /// Whether the message keeps its time to live.
    pub fn lives_on(&self) -> bool {
        matches!(self, Self::Diverted | Self::Subscribed | Self::Moved(_))
    }

    /// What it and its message's places here cost beside the message, octets.
    pub fn bytes(&self) -> u64 {
        let said = match self {
            Self::Rejected(Some(refusal)) => refusal.condition.as_str().len() + refusal.description.len(),
            Self::Moved(moved) => moved.target.len(),
            Self::Rejected(None) | Self::Expired(_) | Self::Exhausted => 0,
            Self::Diverted | Self::Subscribed | Self::Unrouted => 0,
        };
        DEPARTING_BYTES + said as u64
    }
}
