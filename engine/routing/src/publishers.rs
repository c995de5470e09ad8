//! Messages of anonymous relays that are under way: who is told of each, and how many each relay has.
//!
//! Guarantees: a relay has at most `PUBLISHED_MAX` of them; what is zero is not kept. What a relay that has ended sent is told to nobody,
//! also when its key became another one's.

use std::collections::HashMap;

use engine_core::key::LinkKey;
use engine_core::slab::{Key, Slab};

use crate::limits::PUBLISHED_MAX;

/// Whose message it is, and the number that it has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Published {
    pub link: LinkKey,
    pub delivery: u32,
}

/// A relay that has messages under way.
#[derive(Clone, Copy, Debug)]
struct Relay {
    /// Its number, of no other one.
    number: u64,
    count: u32,
}

/// Messages of relays that have no outcome yet.
#[derive(Debug, Default)]
pub(crate) struct Publishers {
    /// With the number of the relay that each is of.
    messages: Slab<(Published, u64), 0>,
    relays: HashMap<LinkKey, Relay>,
    /// How many relays there were.
    numbered: u64,
}

impl Publishers {
    /// Notes a message; gives its number, or nothing if its relay has as many as it may.
    pub fn add(&mut self, message: Published) -> Option<u32> {
        let numbered = &mut self.numbered;
        let relay = self.relays.entry(message.link).or_insert_with(|| {
            *numbered += 1;
            Relay { number: *numbered, count: 0 }
        });
        if relay.count >= PUBLISHED_MAX {
            return None;
        }
        relay.count += 1;
        Some(self.messages.insert((message, relay.number)).slot())
    }

    /// Takes out the message of a number, if its relay is still there.
    pub fn take(&mut self, number: u32) -> Option<Published> {
        let (message, of) = self.messages.remove(Key::at(number, 0))?;
        let relay = self.relays.get_mut(&message.link).filter(|relay| relay.number == of)?;
        relay.count -= 1;
        if relay.count == 0 {
            self.relays.remove(&message.link);
        }
        Some(message)
    }

    /// A relay has ended: nobody is told of what it sent.
    pub fn end(&mut self, link: LinkKey) {
        self.relays.remove(&link);
    }
}
