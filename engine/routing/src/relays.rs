//! Anonymous relays: links whose messages each name their address.
//!
//! Guarantees: a relay has at most `PUBLISHED_MAX` messages without an outcome. When it ends nobody is told of what it sent, and that goes
//! on like what any sender leaves.
//!
//! A relay is not told of when it comes: it is there from its first message on, as one sender of the settlement machine.

use bytes::Bytes;
use engine_core::command::{Outcome, Publish, Settled};
use engine_core::event::{Event, Refusal};
use engine_core::key::LinkKey;
use engine_core::slab::Key as Place;
use engine_router::settlement::{InKind, State};
use engine_router::table;

use crate::end::{End, of_sender};
use crate::entry::Entry;
use crate::limits::{ENDS_MAX, PUBLISHED_MAX};
use crate::router::Router;
use crate::states::state;
use crate::streams::Extent;

impl Router {
    /// Takes a message of a relay, which names its address, or the beginning of one; gives whether somebody is to have it.
    pub(crate) fn publish(
        &mut self,
        link: LinkKey,
        delivery: u32,
        settled: Settled,
        (publish, extent): (Publish, Extent),
    ) -> bool {
        let Publish { address: to, message, tag, .. } = publish;
        let key = match self.key(&to, table::End::Sender, None) {
            Ok(key) => key,
            Err(_) if settled == Settled::Yes => {
                self.settlement.note_dropped();
                return false;
            }
            Err(refusal) => {
                self.refuse_published((link, delivery), refusal, tag);
                return false;
            }
        };
        let place = self.relay(link).filter(|place| {
            settled == Settled::Yes || self.settlement.unsettled(of_sender(*place)) < PUBLISHED_MAX as usize
        });
        match (place, settled) {
            (Some(place), _) => {
                // What nobody at the edge takes the interior may know of.
                let up = self.own.up.clone().filter(|_| !self.table.is_reached(&key));
                let key = up.unwrap_or(key);
                let (_, mut choosing) = self.choosing();
                let passing = choosing.prepare(&Entry::of_client(&key, choosing.table, &to, extent), message);
                return matches!(self.take(of_sender(place), delivery, settled, passing), Ok(Some(_)));
            }
            (None, Settled::Yes) => self.settlement.note_dropped(),
            // Its sender is to wait for those that it has.
            (None, Settled::No) => {
                self.settlement.note_told(&State::Released);
                self.tell_settled(link, delivery, Outcome::Released);
            }
        }
        false
    }

    /// A relay's message goes nowhere. Its sender is told by an outcome, if its link knows one for that, and else by the end of that.
    fn refuse_published(&mut self, (link, delivery): (LinkKey, u32), refusal: Box<Refusal>, tag: Option<Bytes>) {
        match tag {
            Some(tag) => self.out.told.push((link, Event::Undelivered { refusal, tag })),
            None => {
                let rejected = Outcome::Rejected(Some(refusal));
                self.settlement.note_told(&state(rejected.clone()));
                self.tell_settled(link, delivery, rejected);
            }
        }
    }

    /// The place of a relay, which gets one with its first message; nothing if there is none left.
    fn relay(&mut self, link: LinkKey) -> Option<Place> {
        if let Some(place) = self.relays.get(&link) {
            return Some(*place);
        }
        let place = self.ends.insert_within(End::Relay(link), ENDS_MAX).ok()?;
        self.relays.insert(link, place);
        // What it may send is not said to it: it is held back by what it has without an outcome.
        self.settlement.handle_in(of_sender(place), InKind::Router, u32::MAX);
        self.settlement.handle_reached(of_sender(place));
        Some(place)
    }

    /// A relay has ended.
    pub(crate) fn end_relay(&mut self, link: LinkKey) {
        if let Some(place) = self.relays.remove(&link) {
            self.ends.remove(place);
            self.settlement.handle_in_lost(of_sender(place));
            self.act();
        }
    }
}
