//! The owner's halves of links, and what is known of each.
//!
//! Guarantees: settlements of a producer's neighbouring deliveries become one range; a consumer that drains is told so once.
//!
//! Not here: what links ask for (`attach`), send (`producer`) and get (`consumer`).

use std::collections::VecDeque;

use crate::choice::Choice;
use crate::command::{Mode, Outcome, RoutingType, Settle};
use crate::cursor::Cursor;
use crate::event::Event;
use crate::held_back::Returning;
use crate::key::{EndKey, LinkKey};
use crate::origin::Origin;
use crate::pace::Pace;
use crate::queue::Place;
use crate::slab::Key;
use crate::unsettled::Unsettled;

/// The owner's half of a link.
#[derive(Debug)]
pub(crate) struct End {
    pub link: LinkKey,
    pub role: EndRole,
}

#[derive(Debug)]
pub(crate) enum EndRole {
    Producer(Producer),
    Consumer(Consumer),
}

#[derive(Debug)]
pub(crate) struct Consumer {
    pub queue: Key,
    pub mode: Mode,
    /// The higher, the sooner it is served.
    pub priority: i32,
    pub settle: Settle,
    pub default_outcome: Outcome,
    pub credit: u32,
    pub draining: bool,
    pub pace: Pace,
    /// Where a browser is.
    pub cursor: Option<Box<Cursor>>,
    /// Which messages it is given, if not all.
    pub choice: Option<Box<Choice>>,
    /// How far it has looked for messages that are for it, where not all are.
    pub looked: Option<Box<Place>>,
    /// Set for a link that outlives its connection.
    pub returning: Option<Box<Returning>>,
}

impl Consumer {
    /// Tells a consumer that drains that there is nothing more; the rest of its credit is gone.
    #[inline]
    pub fn drain(&mut self, link: LinkKey, events: &mut VecDeque<(LinkKey, Event)>) {
        if std::mem::take(&mut self.draining) {
            let unused = std::mem::take(&mut self.credit);
            self.pace.granted -= u64::from(unused);
            events.push_back((link, Event::Drained { unused }));
        }
    }
}

/// The owner's half of a link that sends.
#[derive(Debug)]
pub(crate) struct Producer {
    pub address: Key,
    pub route: Route,
    /// The container that they are from.
    pub origin: Option<Origin>,
    /// Messages that may still come.
    pub credit: u32,
    /// What `credit` is topped up to.
    pub window: u32,
    /// The queue that lets it wait for credit.
    pub withheld: Option<Key>,
    /// Deliveries that are accepted and not told yet.
    pub accepted: Option<(u32, u32)>,
    /// Set for a link that outlives its connection.
    pub unsettled: Option<Box<Unsettled>>,
}

/// Which queues of its address a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Those of both routing types.
    All,
    /// Those of one routing type.
    Typed(RoutingType),
    /// The one that `address::queue` names.
    Queue(Key),
}

/// What follows from accepting more of a producer's deliveries.
pub(crate) enum Told {
    /// Nothing: they are told with those before.
    Later,
    /// They are told when the owner is asked.
    First,
    /// Those before are told now, as these are no neighbours of theirs.
    Before(u32, u32),
}

impl Producer {
    /// Whether it is to get credit: half of its window is used, and no queue withholds it.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.credit <= self.window / 2 && self.withheld.is_none()
    }

    /// Notes that the deliveries `from..=to` are accepted.
    #[inline]
    pub fn accept(&mut self, (from, to): (u32, u32)) -> Told {
        match &mut self.accepted {
            Some((_, last)) if last.wrapping_add(1) == from => {
                *last = to;
                Told::Later
            }
            accepted => match accepted.replace((from, to)) {
                Some((first, last)) => Told::Before(first, last),
                None => Told::First,
            },
        }
    }
}

#[inline]
pub(crate) fn key(end: EndKey) -> Key {
    Key { slot: end.slot, generation: end.generation }
}

#[inline]
pub(crate) fn end_key(key: Key) -> EndKey {
    EndKey { slot: key.slot, generation: key.generation }
}
