//! Messages of anonymous relays that are under way: who is told of each, and how many each relay has.
//!
//! Guarantee: a relay has at most `PUBLISHED_MAX` of them; what is zero is not kept.

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

/// Messages of relays that have no outcome yet.
#[derive(Debug, Default)]
pub(crate) struct Publishers {
    messages: Slab<Published, 0>,
    counts: HashMap<LinkKey, u32>,
}

impl Publishers {
    /// Notes a message; gives its number, or nothing if its relay has as many as it may.
    pub fn add(&mut self, message: Published) -> Option<u32> {
        let count = self.counts.entry(message.link).or_default();
        if *count >= PUBLISHED_MAX {
            return None;
        }
        *count += 1;
        Some(self.messages.insert(message).slot())
    }

    /// Takes out the message of a number.
    pub fn take(&mut self, number: u32) -> Option<Published> {
        let message = self.messages.remove(Key::at(number, 0))?;
        if let Some(count) = self.counts.get_mut(&message.link) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&message.link);
            }
        }
        Some(message)
    }
}
