//! What the two halves of a link tell each other that passes through the node whole: from a client to a container, or a router on the way.
//!
//! Each half is a link of a connection of its own, perhaps on another shard, and each is at its link what its other half's peer is: what one
//! peer says the other one hears. Attaches, errors and states of deliveries are as their protocol encodes them: nobody between two bindings
//! reads them.
//!
//! Guarantee: deliveries are named by the numbers that they came with, on the half whose peer sends.

use std::sync::Arc;

use bytes::Bytes;

use crate::command::Settled;
use crate::key::LinkKey;

/// What one half tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who says it: answers go there.
    pub from: LinkKey,
    /// What it says.
    pub word: Word,
}

/// One thing that a half tells the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The other half is to be, on the connection that this is for: its link is to be attached so.
    Attach(Box<Attaching>),
    /// The peer answered the attach so.
    Answered {
        /// The attach of the peer.
        attach: Bytes,
    },
    /// The peer takes so many deliveries, counted from the first one: a serial number.
    Credit {
        /// How many.
        limit: u32,
        /// Whether it wants those used up now that nothing uses.
        drain: Drain,
    },
    /// The peer that was to use up its credit has nothing more, and so much was left.
    Drained {
        /// How much.
        unused: u32,
    },
    /// The peer sent a message, or a part of one.
    Transfer(Box<Transfer>),
    /// The peer that receives said something of deliveries.
    Received(Disposed),
    /// The peer that sends said something of deliveries.
    Sent(Disposed),
    /// So many octets of what was to be sent have left.
    Left {
        /// How many.
        octets: u64,
    },
    /// The peer detached, or is to be detached.
    Ended {
        /// Whether the link is closed, and not only detached.
        ending: Ending,
        /// Why.
        error: Option<Bytes>,
    },
    /// The peer ended its session or its connection in order, and the other half with it.
    Gone,
    /// The connection of the other half is lost, or it never was.
    Lost,
}

/// Whether a receiver wants its credit used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// It does.
    Yes,
    /// Its credit waits for messages.
    No,
}

/// How a link ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// For good.
    Closed,
    /// It may be attached again.
    Detached,
}

/// Which half of a link one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The one whose peer sends.
    Sender,
    /// The one whose peer receives.
    Receiver,
}

/// A link that is to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Going {
    /// The half that is there.
    pub from: LinkKey,
    /// Which that is.
    pub half: Half,
    /// The address that it is for.
    pub address: String,
    /// The connection that it came over, if that is one to another router: it goes on over another one.
    pub came_over: Option<u64>,
    /// How it is attached.
    pub attaching: Attaching,
}

/// There is nobody whom the route of a link leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoute;

/// A link that is to be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attaching {
    /// How.
    pub attach: Bytes,
    /// The container that asked for it: what its name is told apart by.
    pub container: Box<str>,
    /// What becomes of its address.
    pub rewrite: Rewrite,
}

/// What becomes of addresses that a container is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rewrite {
    /// What they lose in front, if they have it.
    pub remove: Option<Arc<str>>,
    /// What they get in front then.
    pub add: Option<Arc<str>>,
}

impl Rewrite {
    /// What a container is asked for.
    #[must_use]
    pub fn apply(&self, address: &str) -> String {
        let bare = self.remove.as_deref().and_then(|remove| address.strip_prefix(remove)).unwrap_or(address);
        format!("{}{bare}", self.add.as_deref().unwrap_or_default())
    }
}

/// A message on its way, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Its delivery.
    pub delivery: u32,
    /// Whether that is settled.
    pub settled: Settled,
    /// Version and format of the message.
    pub format: u32,
    /// How much of the message it is.
    pub part: Part,
    /// What the transfer of its first part says.
    pub head: Bytes,
    /// The octets.
    pub payload: Bytes,
}

/// How much of a message is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// Its beginning.
    First,
    /// What follows, with more behind it.
    Middle,
    /// Its end.
    Last,
    /// Nothing more of it: it is given up.
    Aborted,
}

/// What is said of deliveries `first..=last`, serial numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disposed {
    /// The first.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// Their state, if it is said.
    pub state: Option<Bytes>,
    /// Whether they are settled by that.
    pub settled: Settled,
}

impl Disposed {
    /// Whether it is about a delivery.
    #[must_use]
    pub fn is_about(&self, delivery: u32) -> bool {
        delivery.wrapping_sub(self.first) <= self.last.wrapping_sub(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_loses_what_it_has_and_gets_what_it_is_to_have() {
        let rewrite = |remove: Option<&str>, add: Option<&str>| Rewrite {
            remove: remove.map(Into::into),
            add: add.map(Into::into),
        };
        for (rewrite, wanted) in [
            (rewrite(None, None), "a.b"),
            (rewrite(Some("a."), None), "b"),
            (rewrite(Some("b"), None), "a.b"),
            (rewrite(None, Some("x.")), "x.a.b"),
            (rewrite(Some("a."), Some("x.")), "x.b"),
        ] {
            assert_eq!(rewrite.apply("a.b"), wanted, "{rewrite:?}");
        }
    }

    #[test]
    fn a_range_goes_round_with_its_numbers() {
        let about = |first, last| Disposed { first, last, state: None, settled: Settled::Yes };
        assert!(about(u32::MAX, 1).is_about(0) && about(3, 3).is_about(3));
        assert!(!about(u32::MAX, 1).is_about(2) && !about(3, 4).is_about(2));
    }
}
