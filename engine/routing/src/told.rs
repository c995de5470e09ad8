//! What a router has for the links of its shard, taken all at once.
//!
//! Guarantee: what stands before messages is named once for all that go out one after another, so that none of them counts it.

use engine_core::event::Event;
use engine_core::key::LinkKey;
use engine_core::preface::Preface;

use engine_router::settlement::InLink;

/// Events for links of a shard, in their order.
#[derive(Debug, Default)]
pub struct Told {
    /// The events.
    pub events: Vec<(LinkKey, Event)>,
    /// What stands before messages, by their places (`Event::Relayed`, `Event::Passed`).
    pub prefaces: Vec<Preface>,
    /// Octets of small messages that did not lie in what the router was lent (`Event::Passed`).
    pub octets: Vec<u8>,
    /// Who was told by the last event that deliveries were accepted, and how many events there were with it.
    pub(crate) accepted: Option<(InLink, usize)>,
}

impl Told {
    /// An event more.
    #[inline]
    pub(crate) fn push(&mut self, told: (LinkKey, Event)) {
        self.events.push(told);
    }

    /// The place of what stands before a message.
    #[inline]
    pub(crate) fn place_of(&mut self, preface: &Preface) -> u32 {
        if !self.prefaces.last().is_some_and(|last| last.is(preface)) {
            self.prefaces.push(preface.clone());
        }
        self.prefaces.len() as u32 - 1
    }

    /// The octets that stand before a message, by their place, if some do.
    pub(crate) fn before(&self, preface: Option<u32>) -> &[u8] {
        preface.and_then(|place| self.prefaces.get(place as usize)).map_or(&[], Preface::octets)
    }

    /// All of it was heard.
    pub fn clear(&mut self) {
        self.events.clear();
        self.prefaces.clear();
        self.octets.clear();
        self.accepted = None;
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }
}
