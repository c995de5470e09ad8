//! What shards tell each other of routed messages, and the copies that one has at another.
//!
//! Guarantees: an outcome is told once for each copy that was sent unsettled, and by the shard that it was sent to, whatever becomes of
//! the consumer there.

use engine_core::command::Settled;
use engine_core::message::Message;
use engine_core::slab::{Key, Slab};
use engine_router::settlement::{CopyKey, State};
use engine_router::table::ConsumerId;

/// What one shard tells another of a routed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Crossing {
    /// It is for a consumer there.
    Deliver {
        /// Which.
        consumer: ConsumerId,
        /// The copy's number with the shard that sends it; of no meaning if no outcome is waited for.
        number: u32,
        /// Whether one is.
        settled: Settled,
        /// The message.
        message: Message,
    },
    /// A copy that came has its outcome.
    Settled {
        /// Its number.
        number: u32,
        /// The outcome.
        state: Box<State>,
    },
}

/// A copy that a consumer of another shard has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Away {
    pub copy: CopyKey,
    pub consumer: ConsumerId,
}

/// Copies that consumers of other shards have. Each is answered once, so that their numbers need no generations.
#[derive(Debug, Default)]
pub(crate) struct AwayCopies(Slab<Away, 0>);

impl AwayCopies {
    /// Notes a copy; gives its number.
    pub fn add(&mut self, away: Away) -> u32 {
        self.0.insert(away).slot()
    }

    /// Takes out the copy of a number.
    pub fn take(&mut self, number: u32) -> Option<Away> {
        self.0.remove(Key::at(number, 0))
    }
}
