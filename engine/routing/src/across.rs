//! Small messages that go to another shard together, and what came so.
//!
//! Guarantee: they go as one by one (`Crossing::Deliver`), in the same order: what has no room in a bundle goes so, behind what is in one, and
//! what is not passed on at once where it comes is taken there as if it had come so.

use bytes::Bytes;
use engine_core::command::Settled;
use engine_core::event::Event;
use engine_core::slab::Key as Place;
use engine_core::small::{Octets, Small};
use engine_router::settlement::InLink;
use engine_router::table::ConsumerId;

use crate::choosing::receiver_of;
use crate::crossing::{Consumers, Crossing};
use crate::end::{lane_in, lane_out};
use crate::lanes::{Bundle, Bundled};
use crate::relaying::Found;
use crate::router::Router;
use crate::states::settling;

impl Router {
    /// Has a small message go to a consumer of another shard with others; gives whether it does.
    #[inline(never)]
    pub(crate) fn pass_across(
        &mut self,
        from: InLink,
        (number, settled): (u32, Settled),
        consumer: ConsumerId,
        found: &Found,
        small: &Small<'_>,
    ) -> bool {
        let shard = consumer.shard();
        let octets = self.out.told.before(found.preface).len() + small.body.len();
        if self.out.lanes.bundle(shard, octets).is_none() {
            return false;
        }
        let Some(passed) = self.settlement.pass(from, number, settling(settled), lane_out(shard)) else { return false };
        let numbered = self.number_away(shard, passed.copy(), Some(consumer));
        let front = self.out.told.before(found.preface);
        let Some(bundle) = self.out.lanes.bundle(shard, octets) else { unreachable!("there was room just now") };
        bundle.add(consumer, numbered, (front, found.without), small);
        true
    }

    /// Takes what came from another shard together, and gives it the bundle back.
    pub(crate) fn handle_bundle(&mut self, from: u16, bundle: Bundle) {
        let mut known: Option<(ConsumerId, Option<Place>)> = None;
        for bundled in &bundle.messages {
            let receiver = match known {
                Some((consumer, receiver)) if consumer == bundled.consumer => receiver,
                _ => receiver_of((&self.consumers, &self.neighbours), bundled.consumer),
            };
            known = Some((bundled.consumer, receiver));
            let small = Small::of(&bundled.message, &Octets::copied(&bundle.octets));
            if !receiver.is_some_and(|receiver| self.pass_bundled(from, bundled, receiver, &small)) {
                self.take_bundled(from, bundled, &small);
                // Whatever that led to.
                known = None;
            }
        }
        self.out.lanes.push(from, Crossing::Emptied(bundle));
    }

    /// Passes one of them on at once; gives whether it is.
    #[inline]
    fn pass_bundled(&mut self, from: u16, bundled: &Bundled, receiver: Place, small: &Small<'_>) -> bool {
        let &Bundled { number, settled, .. } = bundled;
        let Some((link, key, delivery)) = self.pass_to(lane_in(from), (number, settled), receiver) else {
            return false;
        };
        if settled == Settled::No {
            self.waiting.came.note(from, number, delivery);
        }
        let message = self.out.lay(small, 0);
        self.out.told.push((link, Event::Passed { key, message, preface: None }));
        true
    }

    #[cold]
    fn take_bundled(&mut self, from: u16, bundled: &Bundled, small: &Small<'_>) {
        let &Bundled { consumer, number, settled, .. } = bundled;
        let message = small.with_body(Bytes::copy_from_slice(small.body));
        let consumers = Consumers::One(consumer);
        self.handle_crossing(from, Crossing::Deliver { consumers, number, settled, message, away: None });
    }
}
