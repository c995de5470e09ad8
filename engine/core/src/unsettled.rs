//! What one link that sends, and outlives its connection, may not have heard the outcome of: deliveries by their tags, with what became
//! of them.
//!
//! Guarantees:
//! 1. No tag is kept that its sender may have used again: a delivery is forgotten when its sender is told the outcome (where we settle
//!    first) or has settled it (where it settles first). A sender that found it here when it attached its link settles it with a
//!    transfer, or has done so when it uses the tag anew or sends something new before it loses the link once more.
//! 2. So many are kept and no more (`UNSETTLED_MAX`): of one that was forgotten before its time the message may come a second time.
//!
//! Not here: which links there are (`suspended`), and when an outcome is one (`resuming`).

use std::collections::{HashMap, VecDeque};

use crate::command::{Outcome, Settled};
use crate::limits::UNSETTLED_MAX;
use crate::resumption::{Keep, LinkName, Settling, Tag};

/// A delivery of which its sender may not know what became.
#[derive(Debug)]
struct Kept {
    delivery: u32,
    tag: Tag,
    outcome: Outcome,
}

/// What is unsettled of one link.
#[derive(Debug)]
pub(crate) struct Unsettled {
    pub name: LinkName,
    pub keep: Keep,
    settling: Settling,
    /// What it had when it was attached, and its sender has not resumed.
    before: HashMap<Tag, Outcome>,
    /// What came since, in the order of their deliveries.
    recent: VecDeque<Kept>,
    /// Whether something new came since: its sender is done with what was before.
    went_on: bool,
}

impl Unsettled {
    /// Of a link that is attached with what it had before.
    pub fn new(name: LinkName, settling: Settling, keep: Keep, before: Vec<(Tag, Outcome)>) -> Self {
        let before = before.into_iter().collect();
        Self { name, keep, settling, before, recent: VecDeque::new(), went_on: false }
    }

    /// A delivery came, and this is what becomes of it once its sender is told.
    pub fn note(&mut self, delivery: u32, tag: Tag, outcome: Outcome) {
        self.note_tag(tag);
        self.push(Kept { delivery, tag, outcome });
    }

    /// A delivery came that its sender settled: nobody waits for what becomes of it.
    pub fn note_tag(&mut self, tag: Tag) {
        self.went_on = true;
        self.before.remove(&tag);
    }

    /// The sender takes a delivery from before up, by another number; gives its outcome, if that is known and not settled.
    pub fn resume(&mut self, tag: Tag, delivery: u32, settled: Settled) -> Option<Outcome> {
        let outcome = self.before.remove(&tag)?;
        if settled == Settled::Yes {
            return None;
        }
        if self.settling == Settling::Second {
            self.push(Kept { delivery, tag, outcome: outcome.clone() });
        }
        Some(outcome)
    }

    /// The sender is told what became of the deliveries `first..=last`.
    pub fn handle_told(&mut self, (first, last): (u32, u32)) {
        if self.settling == Settling::First {
            self.forget(first, last);
        }
    }

    /// The deliveries `first..=last` (serial numbers) are settled at both ends.
    pub fn forget(&mut self, first: u32, last: u32) {
        let Some(oldest) = self.recent.front().map(|kept| kept.delivery) else { return };
        let place = |delivery: u32| delivery.wrapping_sub(oldest).cast_signed();
        let from = self.recent.partition_point(|kept| place(kept.delivery) < place(first));
        let to = self.recent.partition_point(|kept| place(kept.delivery) <= place(last));
        // A peer that numbers its deliveries out of order finds less of them.
        if from < to {
            self.recent.drain(from..to);
        }
    }

    fn push(&mut self, kept: Kept) {
        if self.recent.len() >= UNSETTLED_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(kept);
    }

    /// What its sender may not know when the link is lost now.
    pub fn into_left(self) -> (LinkName, Vec<(Tag, Outcome)>) {
        let mut left = if self.went_on { HashMap::new() } else { self.before };
        left.extend(self.recent.into_iter().map(|kept| (kept.tag, kept.outcome)));
        (self.name, left.into_iter().collect())
    }
}
