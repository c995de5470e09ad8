//! The ways of messages: what passes to whom, and the only way of messages that have no other.
//!
//! Guarantee: an only way is what choosing would come to (`choosing`), as long as the table is the one that it was found in, and the consumer
//! is there.

use engine_core::message::{Content, Message};
use engine_core::slab::Key as Place;
use engine_router::address::{Class, Key};
use engine_router::forward::{Passage, Target, only};
use engine_router::network::Routes;
use engine_router::numbers::Numbered;
use engine_router::settlement::OutLink;
use engine_router::table::{Address, ConsumerId};

use crate::crossing::Consumers;
use crate::edge::is_anonymous;
use crate::end::{Receiver, lane_out, of_receiver};
use crate::joints::neighbour;
use crate::streams::Extent;

/// A message that passes, and for whom at other shards.
#[derive(Clone, Debug)]
pub(crate) struct Passing {
    pub message: Message,
    /// The same for other routers, if it is for some.
    pub away: Option<Box<Message>>,
    pub consumers: Consumers,
    pub extent: Extent,
}

impl Passing {
    /// The message as a receiver is to see it.
    #[inline]
    pub(crate) fn seen_by(self, receiver: &Receiver) -> Message {
        match self.away {
            Some(away) if receiver.key.is_none() || is_anonymous(receiver.consumer) => *away,
            Some(_) | None => self.message,
        }
    }
}

/// The only way of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Only {
    /// To one consumer.
    Consumer(Way),
    /// To one router. Which link leads there changes with the network (`Outward`).
    Router,
}

/// The way to a consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub link: OutLink,
    /// The consumer, if it is another shard's.
    pub away: Option<ConsumerId>,
}

impl Only {
    /// The only way of messages of this address that came so; nothing if there are several, or none.
    pub fn of(
        (key, address): (&Key, &Address),
        (routes, passage): (&Routes, &Passage),
        (shard, known): (u16, &Numbered<ConsumerId, Place>),
    ) -> Option<Self> {
        if key.class() == Class::Router || passage.is_round {
            return None;
        }
        match only(address, routes, passage)?? {
            Target::Router { .. } => Some(Self::Router),
            Target::Consumer(consumer) => Way::to(shard, known, consumer).map(Self::Consumer),
        }
    }
}

impl Way {
    /// The way to a consumer; nothing if that is a link over which whoever is beyond it is told something with each message.
    fn to(shard: u16, known: &Numbered<ConsumerId, Place>, consumer: ConsumerId) -> Option<Self> {
        if neighbour(consumer).is_some() || is_anonymous(consumer) {
            return None;
        }
        if consumer.shard() != shard {
            return Some(Self { link: lane_out(consumer.shard()), away: Some(consumer) });
        }
        known.get(&consumer).map(|place| Self { link: of_receiver(*place), away: None })
    }

    /// A message that goes there.
    #[inline]
    pub fn passing(self, message: Message, extent: Extent) -> Passing {
        expect_here(&message);
        let consumers = self.away.map_or(Consumers::Here, Consumers::One);
        Passing { message, away: None, consumers, extent }
    }
}

/// Asserts that a message that passes is here.
#[inline]
pub(crate) fn expect_here(message: &Message) {
    assert!(message.content == Content::Here, "what goes through files is refused where it comes in");
}
