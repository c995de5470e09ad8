//! Which consumer has which group of messages of a place.
//!
//! A client knows before the node that a link of its ends: in the order in which clients tell of it a group is never with two consumers.

use std::collections::BTreeMap;

use super::{Holder, Place};

/// Groups, and who has them.
#[derive(Debug, Default)]
pub(super) struct Grouping(BTreeMap<(Place, u8), Holder>);

impl Grouping {
    /// A consumer got a message of a group: nobody else has that.
    pub fn give(&mut self, place: Place, group: u8, holder: Holder) {
        let has = *self.0.entry((place, group)).or_insert(holder);
        assert_eq!(has, holder, "group {group} of {place:?} is with one, and came to the other");
    }

    /// A link ended: what it had is anybody's.
    pub fn end(&mut self, holder: Holder) {
        self.0.retain(|_, has| *has != holder);
    }

    /// The node ended.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
