//! Which addresses an edge and the interior have in common: what an edge needs, and whether somebody in the interior receives.
//!
//! Guarantees: the interior says of each address that an edge sends to whether somebody else receives from it, once when that changes, and
//! what changes while the edge takes nothing as it is in the end. What waits is one place for each of the edge's senders. At the edge the
//! registry hears of the first and of the last client of a shard that an address has.

use engine_core::event::{Event, KEY_NONE};
use engine_core::slab::Key as Place;
use engine_router::address::{Class, Key, Mode};
use engine_router::table::Consumer;
use engine_router::uplink::{Proxy, Way};

use crate::edge::Need;
use crate::edge_messages::tracked;
use crate::end::End;
use crate::registry::Note;
use crate::router::Router;

/// So many senders that an edge is to be told of are looked through for those that are gone: that costs as much as they did.
const UNTOLD_LOOK: usize = 1024;

impl Router {
    /// Whether the interior has somebody who receives from an address.
    pub(crate) fn track(&mut self, connection: u64, key: &Key, is_wanted: bool) {
        let Some(edge) = self.edges.by_connection.get(&connection) else { return };
        let (link, place) = (edge.link, edge.proxies.get(key).copied());
        let place_there = self.beyond(link);
        let Some(End::Receiver(receiver)) = place.and_then(|place| self.ends.get_mut(place)) else { return };
        if std::mem::replace(&mut receiver.is_listed, is_wanted) == is_wanted {
            return;
        }
        let (key, id, capacity) = (key.clone(), receiver.consumer, receiver.capacity);
        self.out.notes.push_back(match is_wanted {
            true => Note::Came { key, consumer: Consumer { id, place: place_there, capacity } },
            false => Note::Went { key, consumer: id },
        });
    }

    /// A sender of an edge may have to be told of: whether somebody else receives from its address.
    pub(crate) fn note_tracked(&mut self, connection: u64, sender: Place) {
        if !self.edges.by_connection.contains_key(&connection) {
            return;
        }
        let untold = self.edges.untold.entry(connection).or_default();
        untold.push_back(sender);
        if untold.len() >= UNTOLD_LOOK && untold.len().is_power_of_two() {
            // Nobody takes it: of those that are gone nothing is to be left.
            let ends = &self.ends;
            untold.retain(|place| matches!(ends.get(*place), Some(End::Sender(_))));
        }
        self.say_tracked(connection);
    }

    /// Says what an edge is to know, as far as it takes that.
    pub(crate) fn say_tracked(&mut self, connection: u64) {
        let Some(edge) = self.edges.by_connection.get_mut(&connection) else { return };
        let Some(tracking) = &mut edge.tracking else { return };
        let Some(untold) = self.edges.untold.get_mut(&connection) else { return };
        while tracking.credit > 0
            && let Some(place) = untold.pop_front()
        {
            let Some(End::Sender(sender)) = self.ends.get_mut(place) else { continue };
            sender.is_noted = false;
            if sender.is_reached != std::mem::replace(&mut sender.is_told, sender.is_reached) {
                tracking.credit -= 1;
                let message = tracked(&sender.key, sender.is_reached);
                self.out.told.push((tracking.link, Event::Deliver { key: KEY_NONE, message }));
            }
        }
        if untold.is_empty() {
            self.edges.untold.remove(&connection);
        }
    }

    /// A client of this router, which is at the edge, comes or goes, so that its address has to be connected with the interior, or not.
    pub(crate) fn need(&mut self, way: Way, key: &Key, change: Need) {
        if self.own.mode != Mode::Edge || key.class() != Class::Mobile {
            return;
        }
        let fallback = (way == Way::Up).then(|| self.table.fallback(key)).flatten();
        for key in [Some(key.clone()), fallback].into_iter().flatten() {
            let proxy = Proxy { way, key };
            let count = self.edges.needs.entry(proxy.clone()).or_default();
            match change {
                Need::More => *count += 1,
                Need::Less => *count -= 1,
            }
            match (*count, change) {
                (1, Need::More) => self.out.notes.push_back(Note::Needed { proxy }),
                (0, _) => {
                    self.edges.needs.remove(&proxy);
                    self.out.notes.push_back(Note::Unneeded { proxy });
                }
                _ => {}
            }
        }
    }
}
