//! Links that outlive their connections: what they are known by, how long that is kept, and what a peer says that attaches one again
//! (AMQP parts 2.6.5 and 2.6.13).
//!
//! Not here: what is kept of one (`unsettled`), which there are (`suspended`), and what is done with them (`resuming`).

use std::collections::HashSet;

use crate::command::{DetachMode, Outcome, Settled};
use crate::key::EndKey;
use crate::message::Message;

/// Octets of a delivery's tag, at most (part 2.8.7).
pub const TAG_BYTES_MAX: usize = 32;

/// A delivery's tag, by value.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag {
    len: u8,
    bytes: [u8; TAG_BYTES_MAX],
}

impl Tag {
    /// The tag of these octets; `None` if they are more than a tag has.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        let len = u8::try_from(octets.len()).ok()?;
        let mut bytes = [0; TAG_BYTES_MAX];
        bytes.get_mut(..octets.len())?.copy_from_slice(octets);
        Some(Self { len, bytes })
    }

    /// Its octets.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tag({:x?})", self.as_bytes())
    }
}

/// What a link is found again by, among those of its direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LinkName {
    /// Who authenticated: nobody finds the links of others.
    pub user: String,
    /// The peer's container.
    pub container: String,
    /// The link's own name.
    pub link: String,
    /// What it sends to or receives from, prefix stripped.
    pub address: String,
}

/// Which end of a link settles a delivery first (part 2.6.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settling {
    /// Its receiver, with the outcome.
    First,
    /// Its sender, when it knows the outcome.
    Second,
}

/// How long is kept what a link leaves unsettled, nanoseconds; 0: not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// After it was detached without being closed.
    pub detached_ns: u64,
    /// After its session or connection ended, or was lost.
    pub ended_ns: u64,
}

impl Keep {
    /// How long that is after a link ended so, nanoseconds.
    #[must_use]
    pub fn after(self, mode: DetachMode) -> u64 {
        match mode {
            DetachMode::Close => 0,
            DetachMode::Suspend => self.detached_ns,
            DetachMode::Ended | DetachMode::Lost => self.ended_ns,
        }
    }
}

/// What a peer that attaches a link has of it from before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// Nothing: what is kept of it here is of no use any more.
    Afresh,
    /// These deliveries, which it has not settled.
    Unsettled(HashSet<Tag>),
    /// Some that it names and some that it does not: what is kept here stays.
    Incomplete,
}

/// A link that sends, and that is to outlive its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// What it is found again by.
    pub name: LinkName,
    /// Which end settles first.
    pub settling: Settling,
    /// How long that is kept which it leaves.
    pub keep: Keep,
    /// What its peer has of it.
    pub resumed: Resumed,
}

/// A link that receives, and that is to outlive its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastingConsumer {
    /// What it is found again by.
    pub name: LinkName,
    /// How long that is held back for it which it leaves unsettled.
    pub keep: Keep,
    /// What its peer has of it.
    pub known: Known,
}

/// What a peer that attaches a link to receive has of what it was sent before, by the keys of deliveries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: what was held for it is left behind.
    Nothing,
    /// Some that it names.
    Named {
        /// Those that it decided on.
        decided: Vec<(u64, Outcome)>,
        /// Those that it did not: it is sent them again, by their tags.
        undecided: Vec<u64>,
        /// Those that it does not name.
        rest: Rest,
    },
}

/// What becomes of deliveries that a peer does not name when it attaches its link again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It has none of them: they are for everybody again.
    Released,
    /// It could not name all: they stay, and nothing new comes on the link until it is attached once more (part 2.7.3).
    Stays,
}

/// A message on a link that outlives its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedDelivery {
    /// The producer.
    pub end: EndKey,
    /// The home's number for the delivery; named again in `Event::Settled`.
    pub delivery: u32,
    /// Whether an answer is wanted.
    pub settled: Settled,
    /// The delivery's tag.
    pub tag: Tag,
    /// The message.
    pub message: Message,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_its_octets_and_no_more_than_fit() {
        for octets in [&[][..], &[0], &[0, 0], &[7; TAG_BYTES_MAX]] {
            assert_eq!(Tag::new(octets).expect("it fits").as_bytes(), octets);
        }
        assert_ne!(Tag::new(&[0]), Tag::new(&[0, 0]), "octets behind the tag are none of it");
        assert_eq!(Tag::new(&[7; TAG_BYTES_MAX + 1]), None);
        assert_eq!(Tag::new(&[7; 300]), None);
    }
}
