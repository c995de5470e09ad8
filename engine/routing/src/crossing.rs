//! What shards tell each other of routed messages, the copies that one has at another, and those that it has from others.
//!
//! Guarantees: an outcome is told once for each copy that was sent unsettled, and by the shard that it was sent to, whatever becomes of
//! the consumers there and of the sender here. A shard gets a message once, for however many consumers.

use std::sync::Arc;

use bytes::Bytes;
use engine_core::command::Settled;
use engine_core::key::LinkKey;
use engine_core::message::Message;
use engine_core::slab::{Key, Slab};
use engine_core::through::Said;
use engine_router::network::LinkId;
use engine_router::settlement::{Audience, CopyKey, DeliveryKey, Following, State};
use engine_router::table::ConsumerId;

use crate::lanes::Bundle;

/// What one shard tells another of a routed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// It is for consumers there.
    Deliver {
        /// Which.
        consumers: Consumers,
        /// The copy's number with the shard that sends it; of no meaning if no outcome is waited for.
        number: u32,
        /// Whether one is.
        settled: Settled,
        /// The message.
        message: Message,
        /// The same for other routers, if it is for some.
        away: Option<Box<Message>>,
    },
    /// Small messages, each for a consumer there.
    Bundle(Bundle),
    /// A bundle that came is empty, and whose it is may fill it again.
    Emptied(Bundle),
    /// As `Deliver` of a message that is not whole: its parts follow.
    Begins(Box<Begins>),
    /// A message that began goes on.
    Part {
        /// What it is called.
        stream: u64,
        /// Behind what came before.
        bytes: Bytes,
        /// Whether that is all.
        following: Following,
    },
    /// A message that began does not go on: nobody there needs what came of it.
    Aborted {
        /// What it is called.
        stream: u64,
    },
    /// So much of a message that began is not kept any more.
    Taken {
        /// What it is called.
        stream: u64,
        /// As its parts count.
        octets: u64,
    },
    /// A copy that came has its outcome: of several consumers what counts most.
    Settled {
        /// Its number.
        number: u32,
        /// The outcome.
        state: Box<State>,
    },
    /// Copies that came were accepted, as nearly all are.
    Accepted(Accepted),
    /// A link is to be attached on a connection there.
    Attach {
        /// Which.
        target: LinkTarget,
        /// How.
        said: Box<Said>,
    },
    /// A half of a link says something to the other one.
    Through {
        /// That.
        to: LinkKey,
        /// What.
        said: Box<Said>,
    },
    /// How far the one receiver of a copy has come: not told to a shard that does not keep up.
    Received {
        /// Its number.
        number: u32,
        /// The state.
        state: Box<State>,
    },
    /// The sender of a copy that was sent unsettled is gone: it need not be kept. It has its outcome all the same.
    Forget {
        /// Its number.
        number: u32,
    },
}

/// Numbers of some copies: as many as take no more than a message does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    numbers: [u32; Accepted::MAX],
    count: u8,
}

impl Accepted {
    const MAX: usize = 15;

    /// One copy.
    pub(crate) fn of(number: u32) -> Self {
        let mut accepted = Self::default();
        accepted.add(number);
        accepted
    }

    /// Adds one, if there is room.
    #[inline]
    pub(crate) fn add(&mut self, number: u32) -> bool {
        let free = self.numbers.get_mut(usize::from(self.count));
        self.count += u8::from(free.is_some());
        free.map(|free| *free = number).is_some()
    }

    /// Their numbers.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.numbers.into_iter().take(usize::from(self.count))
    }
}

/// A message that crosses before it is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begins {
    /// As in `Crossing::Deliver`.
    pub consumers: Consumers,
    /// Likewise.
    pub number: u32,
    /// Likewise.
    pub settled: Settled,
    /// Its first part.
    pub message: Message,
    /// The same for other routers, if it is for some.
    pub away: Option<Box<Message>>,
    /// What its parts are called, by the shard that sends them and once.
    pub stream: u64,
    /// What the first part counts.
    pub octets: u64,
    /// Who else has it.
    pub audience: Audience,
}

/// Consumers of other shards that a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Consumers {
    /// None: it is for this shard's.
    Here,
    /// One.
    One(ConsumerId),
    /// Those of all other shards, of which each takes its own.
    Several(Arc<[ConsumerId]>),
}

/// The connection that a link goes on over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// One of a container.
    Container(ConsumerId),
    /// One to another router.
    Router(LinkId),
}

impl LinkTarget {
    /// The shard of the connection.
    pub(crate) fn shard(self) -> u16 {
        match self {
            Self::Container(consumer) => consumer.shard(),
            Self::Router(LinkId(link)) => ConsumerId(link).shard(),
        }
    }
}

impl Consumers {
    /// The only one.
    pub(crate) fn only(&self) -> Option<ConsumerId> {
        match self {
            Self::One(consumer) => Some(*consumer),
            Self::Here | Self::Several(_) => None,
        }
    }

    /// Those of a shard.
    pub(crate) fn of(&self, shard: u16) -> impl Iterator<Item = ConsumerId> {
        let consumers = match self {
            Self::Here => &[],
            Self::One(consumer) => std::slice::from_ref(consumer),
            Self::Several(consumers) => &**consumers,
        };
        consumers.iter().copied().filter(move |consumer| consumer.shard() == shard)
    }
}

/// A copy that another shard has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away {
    pub copy: CopyKey,
    /// Whose it is, if one has it: that one's deliveries are counted.
    pub consumer: Option<ConsumerId>,
}

/// Copies that other shards have. Each is answered once, so that their numbers need no generations.
#[derive(Debug, Default)]
pub(crate) struct AwayCopies(Slab<Away, 0>);

impl AwayCopies {
    /// Notes a copy; gives its number.
    pub fn add(&mut self, away: Away) -> u32 {
        self.0.insert(away).slot()
    }

    /// The copy of a number.
    pub fn get(&self, number: u32) -> Option<CopyKey> {
        self.0.get(Key::at(number, 0)).map(|away| away.copy)
    }

    /// Takes out the copy of a number.
    pub fn take(&mut self, number: u32) -> Option<Away> {
        self.0.remove(Key::at(number, 0))
    }
}

/// What came from other shards, by the numbers that those have for it. One that is used again is another delivery's: who sent it knew that
/// the one before has its outcome.
#[derive(Debug, Default)]
pub(crate) struct Came(Vec<Vec<Option<DeliveryKey>>>);

impl Came {
    /// A delivery of another shard's came.
    pub fn note(&mut self, from: u16, number: u32, delivery: Option<DeliveryKey>) {
        let (from, number) = (usize::from(from), number as usize);
        if self.0.len() <= from {
            self.0.resize_with(from + 1, Vec::new);
        }
        let Some(numbers) = self.0.get_mut(from) else { return };
        if numbers.len() <= number {
            numbers.resize(number + 1, None);
        }
        numbers.get_mut(number).into_iter().for_each(|known| *known = delivery);
    }

    /// The delivery of a number, which may be gone.
    pub fn of(&self, from: u16, number: u32) -> Option<DeliveryKey> {
        *self.0.get(usize::from(from))?.get(number as usize)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acceptances_are_as_many_as_there_is_room_for_and_in_their_order() {
        let mut accepted = Accepted::of(7);
        let added = (0..).take_while(|number| accepted.add(*number)).count();
        assert_eq!(added, Accepted::MAX - 1);
        assert!(accepted.numbers().eq(std::iter::once(7).chain(0..added as u32)));
        assert!(size_of::<Accepted>() <= size_of::<Message>() + 8, "no parcel is larger for it");
    }
}
