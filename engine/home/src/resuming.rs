//! Links that outlive their connections: what owners of those that send have to know beside the messages, and what those that receive are
//! given again.
//!
//! Not here: what is kept of them, which the owner does (`engine_core`, `resuming` and `holding`), so that it is found from any shard.

use std::collections::HashSet;

use engine_core::command::{Command, Outcome, Settled};
use engine_core::event::AttachedInfo;
use engine_core::resumption::{Tag, TaggedDelivery};

use crate::home::Home;
use crate::link::{Kind, Link};
use crate::slots::{OwnerEnd, Slot};

impl Home {
    /// Whether a link that sends outlives its connection.
    #[must_use]
    pub fn is_lasting(&self, place: Slot) -> bool {
        matches!(self.links.get(place), Some(Link { kind: Kind::Lasting(_), .. }))
    }

    /// The peer of a link takes a delivery up that it sent before: it is told what became of it, by this number. Its credit comes from the
    /// owner.
    pub fn resume(&mut self, place: Slot, delivery: u32, settled: Settled, tag: Tag) {
        if let Some(OwnerEnd { owner, end }) = self.end_of(place) {
            self.engine.submit(owner, Command::Resume { end, delivery, settled, tag });
        }
    }

    /// The peer of a link settled deliveries that came on its session.
    pub fn forget(&mut self, place: Slot, first: u32, last: u32) {
        if let Some(OwnerEnd { owner, end }) = self.end_of(place) {
            self.engine.submit(owner, Command::Forget { end, first, last });
        }
    }

    /// Hands a message and its tag to its owner.
    pub(crate) fn deliver_tagged(&mut self, to: OwnerEnd, tagged: TaggedDelivery) {
        self.engine.submit(to.owner, Command::DeliverTagged(Box::new(tagged)));
    }
}

/// The keys of deliveries that the peer of a link which was just attached is given again, if there are any: its tags are keys.
pub(crate) fn again(link: &Link, info: &AttachedInfo) -> Option<HashSet<u64>> {
    let unsettled = info.unsettled.as_ref().filter(|unsettled| !unsettled.is_empty())?;
    let key = |(tag, _): &(Tag, Option<Outcome>)| Some(u64::from_be_bytes(tag.as_bytes().try_into().ok()?));
    matches!(link.kind, Kind::Consumer(_)).then(|| unsettled.iter().filter_map(key).collect())
}
