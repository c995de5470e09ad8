//! The links of one owner's addresses that outlive their connections, attached or suspended, by their names: those that send, or those
//! that receive.
//!
//! Guarantees: a link is found until the time comes up to which it is kept; so many are known and no more (`LASTING_MAX`): then the
//! suspended one goes whose time comes first, and a link that finds no room is one like all others. Nothing of it outlives the node.
//!
//! Not here: what a link leaves (`unsettled`), and who finds it (`resuming`).

use std::collections::HashMap;

use crate::limits::LASTING_MAX;
use crate::resumption::LinkName;
use crate::slab::Key;

/// Where a link is.
#[derive(Debug)]
pub(crate) enum Standing<L> {
    /// Somewhere, with this end; which may have gone since.
    Attached(Key),
    /// Nowhere.
    Suspended {
        /// What it left.
        left: L,
        /// How long it is kept, nanoseconds of the clock that is never set back.
        until_ns: u64,
    },
}

/// The links that outlive their connections, each of which leaves an `L`.
#[derive(Debug)]
pub(crate) struct Suspended<L> {
    links: HashMap<LinkName, Standing<L>>,
    /// The time of the first one that is to go, or an earlier one.
    next_ns: Option<u64>,
}

impl<L> Standing<L> {
    fn into_left(self) -> Option<L> {
        match self {
            Self::Attached(_) => None,
            Self::Suspended { left, .. } => Some(left),
        }
    }
}

/// Whether there is room for a link that is attached.
#[derive(Debug)]
pub(crate) enum Room<L> {
    /// There is, for what this one left goes.
    Taken(Option<L>),
    None,
}

impl<L> Default for Suspended<L> {
    fn default() -> Self {
        Self { links: HashMap::new(), next_ns: None }
    }
}

impl<L> Suspended<L> {
    /// Takes a link out.
    pub fn take(&mut self, name: &LinkName) -> Option<Standing<L>> {
        self.links.remove(name)
    }

    /// The end that a link is attached with, if it is attached.
    pub fn attached(&self, name: &LinkName) -> Option<Key> {
        match self.links.get(name)? {
            Standing::Attached(end) => Some(*end),
            Standing::Suspended { .. } => None,
        }
    }

    /// A link is attached. `lives` says whether an end is still there.
    pub fn attach(&mut self, name: LinkName, end: Key, lives: impl Fn(Key) -> bool) -> Room<L> {
        let mut gone = None;
        if self.links.len() >= LASTING_MAX {
            gone = self.make_room(lives);
        }
        if self.links.len() >= LASTING_MAX {
            return Room::None;
        }
        self.links.insert(name, Standing::Attached(end));
        Room::Taken(gone)
    }

    /// A link is suspended until then.
    pub fn suspend(&mut self, name: LinkName, left: L, until_ns: u64) {
        self.next_ns = Some(self.next_ns.map_or(until_ns, |next| next.min(until_ns)));
        self.links.insert(name, Standing::Suspended { left, until_ns });
    }

    /// When `take_due` has something, nanoseconds, or before.
    #[inline]
    pub fn deadline(&self) -> Option<u64> {
        self.next_ns
    }

    /// Takes out what need not be kept any more.
    pub fn take_due(&mut self, now_ns: u64) -> Vec<L> {
        if self.next_ns.is_none_or(|next| next > now_ns) {
            return Vec::new();
        }
        let is_due =
            |standing: &Standing<L>| matches!(standing, Standing::Suspended { until_ns, .. } if *until_ns <= now_ns);
        let due = self.links.extract_if(|_, standing| is_due(standing));
        let left = due.filter_map(|(_, standing)| standing.into_left()).collect();
        self.next_ns = self.suspended().map(|(_, until_ns)| until_ns).min();
        left
    }

    fn suspended(&self) -> impl Iterator<Item = (&LinkName, u64)> {
        self.links.iter().filter_map(|(name, standing)| match standing {
            Standing::Attached(_) => None,
            Standing::Suspended { until_ns, .. } => Some((name, *until_ns)),
        })
    }

    /// Forgets links whose ends have gone, or else the one that would go first; gives what that left.
    fn make_room(&mut self, lives: impl Fn(Key) -> bool) -> Option<L> {
        self.links.retain(|_, standing| match standing {
            Standing::Attached(end) => lives(*end),
            Standing::Suspended { .. } => true,
        });
        if self.links.len() < LASTING_MAX {
            return None;
        }
        let first = self.suspended().min_by_key(|(_, until_ns)| *until_ns).map(|(name, _)| name.clone())?;
        self.links.remove(&first)?.into_left()
    }

    /// How many there are, attached or suspended.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.links.len()
    }
}
