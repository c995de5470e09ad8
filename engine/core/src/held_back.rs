//! What a link that receives left unsettled: it stays with nobody for a while, in case its peer comes back and says what became of it; and
//! what of it such a link is given again.

use std::collections::VecDeque;

use crate::command::Outcome;
use crate::resumption::{Keep, LinkName, Rest};
use crate::slab::Key;

/// Messages of one queue that are held by a link's end which has gone.
#[derive(Debug)]
pub(crate) struct HeldBack {
    pub queue: Key,
    /// Who holds them.
    pub end: Key,
    /// What becomes of them if nobody comes back.
    pub outcome: Outcome,
}

/// Messages that were held back for a peer which is here again, and has not decided on them.
#[derive(Debug)]
pub(crate) struct Undecided {
    pub held_back: HeldBack,
    /// Until when it is, nanoseconds.
    pub until_ns: u64,
    /// Those that it named.
    pub named: Vec<u64>,
    /// What becomes of the others.
    pub rest: Rest,
}

/// An attached link that receives, and outlives its connection.
#[derive(Debug)]
pub(crate) struct Returning {
    pub name: LinkName,
    pub keep: Keep,
    /// What it is given again, before anything else: keys of what it holds.
    pub again: VecDeque<u64>,
    /// What its peer did not name: if that stays, there is nothing new for it.
    pub rest: Rest,
}

impl Returning {
    /// Whether it is served otherwise than others: with what it holds, or not at all.
    pub fn is_apart(&self) -> bool {
        !self.again.is_empty() || self.rest == Rest::Stays
    }
}
