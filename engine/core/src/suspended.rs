//! The links of one owner's addresses that outlive their connections, attached or suspended, by their names.
//!
//! Guarantees: a link is found until the time comes up to which it is kept; so many are known and no more (`LASTING_MAX`): then the
//! suspended one goes whose time comes first, and a link that finds no room is one like all others. Nothing of it outlives the node.
//!
//! Not here: what a link leaves (`unsettled`), and who finds it (`resuming`).

use std::collections::HashMap;

use crate::command::Outcome;
use crate::limits::LASTING_MAX;
use crate::resumption::{LinkName, Tag};
use crate::slab::Key;

/// Where a link is.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Somewhere, with this end; which may have gone since.
    Attached(Key),
    /// Nowhere.
    Suspended {
        /// What its sender may not know.
        left: Vec<(Tag, Outcome)>,
        /// How long it is kept, nanoseconds of the clock that is never set back.
        until_ns: u64,
    },
}

/// The links that outlive their connections.
#[derive(Debug, Default)]
pub(crate) struct Suspended {
    links: HashMap<LinkName, Standing>,
    /// The time of the first one that is to go, or an earlier one.
    next_ns: Option<u64>,
}

impl Suspended {
    /// Takes a link out.
    pub fn take(&mut self, name: &LinkName) -> Option<Standing> {
        self.links.remove(name)
    }

    /// A link is attached; gives whether there is room for it. `lives` says whether an end is still there.
    pub fn attach(&mut self, name: LinkName, end: Key, lives: impl Fn(Key) -> bool) -> bool {
        let has_room = self.links.len() < LASTING_MAX || self.make_room(lives);
        if has_room {
            self.links.insert(name, Standing::Attached(end));
        }
        has_room
    }

    /// A link is suspended until then.
    pub fn suspend(&mut self, name: LinkName, left: Vec<(Tag, Outcome)>, until_ns: u64) {
        self.next_ns = Some(self.next_ns.map_or(until_ns, |next| next.min(until_ns)));
        self.links.insert(name, Standing::Suspended { left, until_ns });
    }

    /// When `drop_due` is to be called, nanoseconds.
    #[inline]
    pub fn deadline(&self) -> Option<u64> {
        self.next_ns
    }

    /// Drops what need not be kept any more.
    pub fn drop_due(&mut self, now_ns: u64) {
        if self.next_ns.is_none_or(|next| next > now_ns) {
            return;
        }
        self.links.retain(|_, standing| match standing {
            Standing::Attached(_) => true,
            Standing::Suspended { until_ns, .. } => *until_ns > now_ns,
        });
        self.next_ns = self.suspended().map(|(_, until_ns)| until_ns).min();
    }

    fn suspended(&self) -> impl Iterator<Item = (&LinkName, u64)> {
        self.links.iter().filter_map(|(name, standing)| match standing {
            Standing::Attached(_) => None,
            Standing::Suspended { until_ns, .. } => Some((name, *until_ns)),
        })
    }

    /// Forgets links whose ends have gone, or else the one that would go first; gives whether that made room.
    fn make_room(&mut self, lives: impl Fn(Key) -> bool) -> bool {
        self.links.retain(|_, standing| match standing {
            Standing::Attached(end) => lives(*end),
            Standing::Suspended { .. } => true,
        });
        if self.links.len() >= LASTING_MAX {
            let first = self.suspended().min_by_key(|(_, until_ns)| *until_ns).map(|(name, _)| name.clone());
            first.and_then(|name| self.links.remove(&name));
        }
        self.links.len() < LASTING_MAX
    }

    /// How many there are, attached or suspended.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.links.len()
    }
}
