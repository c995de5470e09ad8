//! What is done to messages of a queue because somebody who manages it says so, and what that leaves of those that it is not done to.
//!
//! Guarantees: only messages that wait are touched, wherever in the order they are; what consumers hold, and what waits for a time, is not.
//! What is moved and refused where it was to go is back at its place, with its time to live.
//!
//! Not here: which messages those are (`managing` of the owner), and how they leave (`leaving`, `departing`).

use std::num::NonZeroU64;

use super::cause::Moved;
use super::departures::{Departed, Departures};
use super::destinations::Destinations;
use super::entry::Held;
use super::stock::{Left, Why};
use super::{Kind, Queue};
use crate::message::NORMAL_PRIORITY;
use crate::slab::Key;

impl Queue {
    /// The number behind the last message that it has, in memory or not.
    pub fn horizon(&self) -> u64 {
        self.order.upcoming_sequence() + self.behind.messages()
    }

    /// A waiting message leaves because somebody removes it.
    pub fn remove(&mut self, entry: Key) -> Left {
        self.drop_waiting(entry, Why::Dropped)
    }

    /// A waiting message expires now, at a time in milliseconds since the epoch, whatever its time to live.
    pub fn expire_now(&mut self, entry: Key, wall_ms: u64) -> Left {
        if let Some(found) = self.entries.get_mut(entry) {
            found.message.expires_wall_ms = NonZeroU64::new(wall_ms);
        }
        self.drop_waiting(entry, Why::Expired)
    }

    /// A waiting message of an address is to go elsewhere.
    pub fn send_away(&mut self, entry: Key, address: &str, moved: Moved) -> Left {
        self.departures.get_or_insert_with(|| Box::new(Departures::new(Destinations::nowhere(address))));
        self.drop_waiting(entry, Why::Moved(moved))
    }

    /// Messages that are being moved.
    pub fn moving(&self) -> usize {
        self.departures.as_ref().map_or(0, |departures| departures.moving())
    }

    /// Messages that were moved or copied, and refused, so far.
    pub fn withdrawn(&self) -> u64 {
        self.stock.withdrawn()
    }

    /// Messages that are known by name only.
    pub fn away(&self) -> u64 {
        self.away.messages()
    }

    /// A copy of a message was refused where it was to go.
    pub fn count_withdrawn(&mut self) {
        self.stock.count_withdrawn();
    }

    /// A waiting message that was looked at leaves memory, if the journal has all of it: it is known by its name, and at its place. One that
    /// the journal has not is at its place among those.
    pub fn pass_by(&mut self, sequence: u64, entry: Key) -> Left {
        if self.order.returned(sequence).is_some() {
            return self.shed_returned(sequence);
        }
        let Some(found) = self.entries.get(entry) else { return Left::default() };
        let (priority, size) = (found.message.header.priority, found.message.size());
        if !self.order.drop_waiting(priority, sequence, size, &self.entries) {
            return Left::default();
        }
        let left = match self.put_away(sequence, entry) {
            Some((stub, left)) => {
                self.order.put_back(priority, (sequence, Held::Away(stub)), 0, &self.entries);
                left
            }
            None => {
                self.put_aside(sequence, entry);
                Left::default()
            }
        };
        self.order.skip(&self.entries);
        // Whoever has looked no further than here looks for it where it is now.
        self.note_back();
        left
    }

    /// A message that was taken out of the line stands among those that came back.
    fn put_aside(&mut self, sequence: u64, entry: Key) {
        // Its place in the line is known to be gone by its old key.
        if let Some(entry) = self.entries.remove(entry) {
            let entry = self.entries.insert(entry);
            self.stand(sequence, Held::Here(entry));
        }
    }

    /// A message that is nowhere in the order stands at its place among those that came back.
    fn stand(&mut self, sequence: u64, held: Held) {
        let (mut size, mut priority) = (0, held.stub().map_or(NORMAL_PRIORITY, |stub| stub.priority));
        if let Held::Here(entry) = held
            && let Some(found) = self.entries.get(entry)
        {
            (size, priority) = (found.message.size(), found.message.header.priority);
            if let Some(at) = found.message.expires_wall_ms {
                self.watch(at, entry);
            }
        }
        self.order.put_back(priority, (sequence, held), size, &self.entries);
    }

    /// A message was refused where it was moved to: it is back. `None` if it is none of those. If the queue was deleted it goes with it.
    pub(super) fn withdraw(&mut self, sequence: u64) -> Option<Left> {
        let Departed { held, bytes, .. } = self.departures.as_mut()?.withdraw(sequence)?;
        self.stock.count_withdrawn();
        self.stock.give_back(bytes);
        let left = Left { bytes, ..Left::default() };
        if self.identity.kind == Kind::Ending {
            return Some(left.and(self.let_go(sequence, held)));
        }
        self.stand(sequence, held);
        self.note_back();
        Some(left)
    }
}
