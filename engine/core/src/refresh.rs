//! A version of the catalogue comes into force: what is there is brought to what it says.
//!
//! Guarantees:
//! 1. What comes into being, and what is asked for, is what the newest version says from the moment on that it holds.
//! 2. What was there before follows within turns that each look at `REFRESH_MAX` things, however many there are: what is declared is made;
//!    addresses get their settings, queues their bounds, producers their windows; what is no longer declared goes as what was made on
//!    demand does. Nothing that has messages or links goes.
//! 3. Whoever waited for credit at a bound that is higher now, or none any more, gets it.
//!
//! How an address is routed that links made stays as it was when it was made: its queues are what they are. A version that comes while
//! another one is brought about takes its place from the beginning.
//!
//! Not here: addresses that change hands (`handover`).

use std::sync::Arc;

use engine_catalogue::QUALIFIER;

use crate::core::Core;
use crate::ends::EndRole;
use crate::limits::REFRESH_MAX;
use crate::plain::Plain;
use crate::queue::{Destinations, Kind, Queue};
use crate::slab::Key;
use crate::versions::Refresh;
use crate::wildcard::settings_name;

impl Core {
    /// Whether what is there is still to be brought to the newest version.
    #[inline]
    pub(crate) fn is_refreshing(&self) -> bool {
        self.versions.refresh.is_some()
    }

    /// Goes on with that, for as many things as a turn looks at.
    pub(crate) fn refresh(&mut self) {
        let mut left = REFRESH_MAX;
        while left > 0
            && let Some(at) = self.versions.refresh.take()
        {
            self.versions.refresh = match at {
                Refresh::Declared(after) => Some(self.refresh_declared(after, &mut left)),
                Refresh::DeclaredQueues(after) => Some(self.refresh_declared_queues(after, &mut left)),
                Refresh::DeclaredDiverts(after) => Some(self.refresh_declared_diverts(after, &mut left)),
                Refresh::Addresses(from) => {
                    let keys = self.nodes.addresses.keys(from, &mut left);
                    keys.living.into_iter().for_each(|key| self.refresh_address(key));
                    Some(keys.next.map_or(Refresh::Queues(0), Refresh::Addresses))
                }
                Refresh::Queues(from) => {
                    let keys = self.nodes.queues.keys(from, &mut left);
                    keys.living.into_iter().for_each(|key| self.refresh_queue(key));
                    Some(keys.next.map_or(Refresh::Ends(0), Refresh::Queues))
                }
                Refresh::Ends(from) => {
                    let keys = self.nodes.ends.keys(from, &mut left);
                    keys.living.into_iter().for_each(|key| self.refresh_end(key));
                    if keys.next.is_none() {
                        self.sort_waiting();
                    }
                    keys.next.map(Refresh::Ends)
                }
            };
        }
    }

    fn refresh_declared(&mut self, after: Option<String>, left: &mut usize) -> Refresh {
        let catalogue = Arc::clone(&self.config.catalogue);
        let mut last = None;
        for name in catalogue.addresses_after(after.as_deref()).take(*left) {
            *left -= 1;
            self.declare_address(&catalogue, name);
            last = Some(name);
        }
        match last {
            Some(last) if *left == 0 => Refresh::Declared(Some(last.to_owned())),
            _ => Refresh::DeclaredQueues(None),
        }
    }

    fn refresh_declared_queues(&mut self, after: Option<String>, left: &mut usize) -> Refresh {
        let catalogue = Arc::clone(&self.config.catalogue);
        let mut last = None;
        for (key, routing) in catalogue.queues_after(after.as_deref()).take(*left) {
            *left -= 1;
            self.declare_queue(&catalogue, key, routing);
            last = Some(key);
        }
        match last {
            Some(last) if *left == 0 => Refresh::DeclaredQueues(Some(last.to_owned())),
            _ => Refresh::DeclaredDiverts(None),
        }
    }

    fn refresh_declared_diverts(&mut self, after: Option<String>, left: &mut usize) -> Refresh {
        let catalogue = Arc::clone(&self.config.catalogue);
        let mut last = None;
        for (name, divert) in catalogue.diverts_after(after.as_deref()).take(*left) {
            *left -= 1;
            self.declare_divert(&catalogue, name, divert);
            last = Some(name);
        }
        match last {
            Some(last) if *left == 0 => Refresh::DeclaredDiverts(Some(last.to_owned())),
            _ => Refresh::Addresses(0),
        }
    }

    fn refresh_address(&mut self, key: Key) {
        let Some(address) = self.nodes.addresses.get_mut(key) else { return };
        address.set_settings(self.config.catalogue.settings(settings_name(&address.name)));
        if settings_name(&address.name) != &*address.name {
            return;
        }
        address.is_declared = self.config.catalogue.is_declared(&address.name);
        if address.is_declared {
            address.routing = address.settings.routing;
        }
        self.refresh_retained(key);
        self.collect_address(key);
    }

    fn refresh_queue(&mut self, key: Key) {
        let Some(queue) = self.nodes.queues.get(key) else { return };
        let Some(address) = self.nodes.addresses.get(queue.identity.address) else { return };
        let destinations = match (queue.identity.kind, queue.diverting()) {
            (Kind::Divert, Some((target, routing))) => {
                Some(Destinations::of_divert(&address.name, &address.settings, target, routing))
            }
            (Kind::Retained, _) => None,
            (Kind::Wildcard(_), Some((pattern, _))) => Some(Destinations::of_wildcard(&address.name, pattern)),
            _ => Destinations::new(&address.name, &address.settings),
        };
        let settings = Arc::clone(&address.settings);
        let bounds = queue.identity.kind.bounds(&address.settings);
        let plain = match queue.identity.choice {
            Some(_) => Plain::NEVER,
            None => Plain::new(&bounds, self.nodes.resident_max()),
        };
        let (is_same, was_declared) = (bounds == queue.bounds, matches!(queue.identity.kind, Kind::Declared(_)));
        if !is_same && let Some(queue) = self.nodes.queues.get_mut(key) {
            queue.bounds = bounds;
            queue.plain = plain;
            self.release_credit(key);
        }
        if self.nodes.queues.get(key).is_some_and(Queue::is_to_be_empty) {
            self.trim(key);
        }
        if let Some(queue) = self.nodes.queues.get_mut(key) {
            queue.redirect(destinations);
            if !queue.identity.kind.is_given_by_settings() {
                return;
            }
            queue.set_delays(&settings);
            queue.set_naming(&settings);
            if queue.set_service(&settings) {
                self.touch(key);
            }
        }
        self.watch_consumers(key);
        if was_declared && !self.stays(key) {
            self.nodes.undeclare(key);
        }
        if self.nodes.queues.get(key).is_some_and(|queue| queue.identity.kind == Kind::Divert) {
            self.refresh_divert(key);
        }
        // What was to stay may have no reason any more.
        self.collect(key);
    }

    /// Whether the catalogue declares a queue.
    fn stays(&self, key: Key) -> bool {
        let Some(queue) = self.nodes.queues.get(key) else { return false };
        let Some(address) = self.nodes.addresses.get(queue.identity.address) else { return false };
        let name = &queue.identity.name;
        self.config
            .catalogue
            .origin(engine_catalogue::Kind::Queue, &format!("{}{QUALIFIER}{name}", address.name))
            .is_some()
            || (*name == address.name && self.has_queue_of_its_own(queue.identity.address))
    }

    fn refresh_end(&mut self, key: Key) {
        let Some(EndRole::Producer(producer)) = self.nodes.ends.get_mut(key).map(|end| &mut end.role) else { return };
        let Some(address) = self.nodes.addresses.get(producer.address) else { return };
        producer.window = address.settings.producer_window;
        if producer.is_due() {
            self.credit(key);
        }
    }
}
