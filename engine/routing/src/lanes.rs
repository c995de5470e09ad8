//! What a shard's router has for other shards, by shard, in its order for each.
//!
//! Guarantees: small messages go together, with their octets, in bundles that come back: of these there are so many for a shard and no more,
//! whatever that does, so that nothing is allocated and no count is shared for a message. What is said behind a message arrives behind it;
//! but for acceptances, which are about what came from there and may be told before.

use std::collections::VecDeque;

use engine_core::command::Settled;
use engine_core::small::{Lying, Small};
use engine_router::table::ConsumerId;

use crate::crossing::{Accepted, Crossing};
use crate::limits::{BUNDLE_MESSAGES, BUNDLE_OCTETS, BUNDLES_EACH_MAX, BUNDLES_MAX};

/// Small messages of one shard for consumers of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    pub(crate) messages: Vec<Bundled>,
    /// Their octets.
    pub(crate) octets: Vec<u8>,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bundled {
    /// Whom it is for.
    pub consumer: ConsumerId,
    /// As in `Crossing::Deliver`.
    pub number: u32,
    /// Likewise.
    pub settled: Settled,
    pub message: Lying,
}

/// What is for one other shard.
#[derive(Debug, Default)]
struct Lane {
    crossings: VecDeque<Crossing>,
    /// Messages of this turn, behind all of that.
    open: Option<Bundle>,
    spare: Vec<Bundle>,
    /// Bundles that there are, here and there.
    bundles: usize,
}

/// What is for other shards.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// By shard.
    lanes: Vec<Lane>,
    bundles_each: usize,
    /// The shard that is given next.
    next: usize,
}

impl Bundle {
    fn new() -> Self {
        Self { messages: Vec::with_capacity(BUNDLE_MESSAGES), octets: Vec::with_capacity(BUNDLE_OCTETS) }
    }

    /// Octets of its messages.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.octets.len() as u64
    }

    #[inline]
    fn has_room(&self, octets: usize) -> bool {
        self.messages.len() < BUNDLE_MESSAGES && self.octets.len() + octets <= BUNDLE_OCTETS
    }

    /// Adds a message with these octets in front, without its own first ones.
    #[inline]
    pub(crate) fn add(
        &mut self,
        consumer: ConsumerId,
        (number, settled): (u32, Settled),
        (front, without): (&[u8], usize),
        small: &Small<'_>,
    ) {
        let message = small.lay_behind(front, without, &mut self.octets);
        self.messages.push(Bundled { consumer, number, settled, message });
    }
}

impl Lane {
    /// Has what is open go behind the rest.
    #[inline]
    fn close(&mut self) {
        self.crossings.extend(self.open.take().map(Crossing::Bundle));
    }

    /// An empty bundle is open, if there may be one more.
    #[cold]
    fn open_another(&mut self, bundles_max: usize) {
        self.close();
        if self.spare.is_empty() && self.bundles < bundles_max {
            self.bundles += 1;
            self.spare.push(Bundle::new());
        }
        self.open = self.spare.pop();
    }
}

impl Lanes {
    /// Nothing for so many shards.
    pub fn new(shards: u16) -> Self {
        let bundles_each = (BUNDLES_MAX / usize::from(shards.max(1))).clamp(1, BUNDLES_EACH_MAX);
        Self { lanes: (0..shards).map(|_| Lane::default()).collect(), bundles_each, next: 0 }
    }

    #[inline]
    fn lane(&mut self, shard: u16) -> &mut Lane {
        self.lanes.get_mut(usize::from(shard)).unwrap_or_else(|| unreachable!("lanes lead to shards that there are"))
    }

    /// Something for a shard.
    pub fn push(&mut self, shard: u16, crossing: Crossing) {
        let lane = self.lane(shard);
        lane.close();
        lane.crossings.push_back(crossing);
    }

    /// A copy that came from a shard was accepted.
    #[inline]
    pub fn accept(&mut self, shard: u16, number: u32) {
        let crossings = &mut self.lane(shard).crossings;
        if let Some(Crossing::Accepted(accepted)) = crossings.back_mut()
            && accepted.add(number)
        {
            return;
        }
        crossings.push_back(Crossing::Accepted(Accepted::of(number)));
    }

    /// A bundle for a shard that has room for a message of so many octets; nothing if the shard has all that there may be.
    #[inline]
    pub fn bundle(&mut self, shard: u16, octets: usize) -> Option<&mut Bundle> {
        let bundles_each = self.bundles_each;
        let lane = self.lane(shard);
        if !lane.open.as_ref().is_some_and(|open| open.has_room(octets)) {
            lane.open_another(bundles_each);
        }
        lane.open.as_mut().filter(|open| open.has_room(octets))
    }

    /// A bundle came back.
    pub fn take_back(&mut self, shard: u16, mut bundle: Bundle) {
        bundle.messages.clear();
        bundle.octets.clear();
        self.lane(shard).spare.push(bundle);
    }

    /// What a shard is told next, and which.
    pub fn poll(&mut self) -> Option<(u16, Crossing)> {
        while let Some(lane) = self.lanes.get_mut(self.next) {
            if let Some(crossing) = lane.crossings.pop_front().or_else(|| lane.open.take().map(Crossing::Bundle)) {
                return Some((self.next as u16, crossing));
            }
            self.next += 1;
        }
        self.next = 0;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_core::message::Header;

    fn small() -> Small<'static> {
        Small { header: Header::default(), format: 0, expires_wall_ms: None, front: None, body: b"body" }
    }

    fn add(lanes: &mut Lanes, shard: u16, number: u32) -> bool {
        let Some(bundle) = lanes.bundle(shard, small().body.len()) else { return false };
        bundle.add(ConsumerId::at(shard, 7), (number, Settled::No), (b"", 0), &small());
        true
    }

    fn numbers(bundle: &Bundle) -> Vec<u32> {
        bundle.messages.iter().map(|message| message.number).collect()
    }

    #[test]
    fn what_is_said_behind_messages_arrives_behind_them() {
        let mut lanes = Lanes::new(3);
        assert!(add(&mut lanes, 1, 0) && add(&mut lanes, 2, 1) && add(&mut lanes, 1, 2));
        lanes.push(1, Crossing::Forget { number: 2 });
        assert!(add(&mut lanes, 1, 3));
        lanes.accept(1, 9);
        let mut told: Vec<Vec<Crossing>> = vec![Vec::new(); 3];
        while let Some((shard, crossing)) = lanes.poll() {
            told[usize::from(shard)].push(crossing);
        }
        let [none, first, second] = told.try_into().expect("three");
        assert!(none.is_empty());
        let [Crossing::Bundle(before), Crossing::Forget { number: 2 }, Crossing::Accepted(_), Crossing::Bundle(behind)] =
            first.as_slice()
        else {
            panic!("{first:?}")
        };
        assert_eq!((numbers(before), numbers(behind)), (vec![0, 2], vec![3]));
        assert!(matches!(second.as_slice(), [Crossing::Bundle(bundle)] if numbers(bundle) == [1]));
    }

    #[test]
    fn there_are_so_many_bundles_and_each_comes_back() {
        let mut lanes = Lanes::new(2);
        let all = u32::try_from(BUNDLES_EACH_MAX * BUNDLE_MESSAGES).expect("few");
        assert!((0..all).all(|number| add(&mut lanes, 1, number)));
        assert!(!add(&mut lanes, 1, all), "no more");
        let (shard, Crossing::Bundle(bundle)) = lanes.poll().expect("one") else { panic!("it is a bundle") };
        assert_eq!((shard, bundle.messages.len()), (1, BUNDLE_MESSAGES));
        assert!(!add(&mut lanes, 1, all), "nor while it is there");
        let (octets, messages) = (bundle.octets.as_ptr(), bundle.messages.as_ptr());
        lanes.take_back(1, bundle);
        assert!(add(&mut lanes, 1, all));
        while let Some((_, crossing)) = lanes.poll() {
            let Crossing::Bundle(bundle) = crossing else { panic!("it is a bundle") };
            if numbers(&bundle) == [all] {
                assert_eq!((bundle.octets.as_ptr(), bundle.messages.as_ptr()), (octets, messages), "the same memory");
                return;
            }
        }
        panic!("the last one is there")
    }

    #[test]
    fn what_is_larger_than_a_bundle_goes_otherwise() {
        let mut lanes = Lanes::new(2);
        assert!(lanes.bundle(1, BUNDLE_OCTETS + 1).is_none() && lanes.bundle(1, BUNDLE_OCTETS).is_some());
    }

    #[test]
    fn a_shard_of_many_has_few_bundles_for_each() {
        let mut lanes = Lanes::new(u16::MAX);
        assert!((0..BUNDLE_MESSAGES as u32).all(|number| add(&mut lanes, 9, number)) && !add(&mut lanes, 9, 0));
    }
}
