//! What this router tells of itself: its neighbours and its addresses, each with a number that grows with each change.
//!
//! Guarantees: an address that comes and goes between two messages is in neither; all addresses are told only when no change is left to
//! be told, so that the next change follows.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::address::Key;
use crate::control::{Announced, Body, Changes, Control, LinkState};
use crate::limits::ROUTER_ADDRESSES_MAX;
use crate::router_id::RouterId;
use crate::treatment::Treatment;

/// An address, as it is and as it was told; `None` for one that has no consumers.
#[derive(Clone, Copy, Debug, Default)]
struct Address {
    is: Option<Treatment>,
    told: Option<Treatment>,
}

/// What this router tells of itself.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Its neighbours.
    pub link_state: LinkState,
    /// Since when there are changes that were not told.
    pub changed_ns: Option<u64>,
    addresses: BTreeMap<Key, Address>,
    /// Those that may not be as they were told.
    changed: BTreeSet<Key>,
    /// The number of what was told.
    sequence: u64,
    kept: Option<Kept>,
}

/// A message's body that says all addresses.
#[derive(Debug)]
struct Kept {
    sequence: u64,
    /// When it was asked for last.
    used_ns: u64,
    body: Bytes,
}

impl Own {
    /// Has a router be a neighbour at a cost, or none; gives whether that is a change.
    pub fn set_neighbour(&mut self, id: &RouterId, cost: Option<u32>) -> bool {
        let peers = &mut self.link_state.peers;
        let at = peers.binary_search_by(|(peer, _)| peer.cmp(id));
        let is_change = match (at, cost) {
            (Ok(at), Some(cost)) => peers.get_mut(at).is_some_and(|peer| std::mem::replace(&mut peer.1, cost) != cost),
            (Err(at), Some(cost)) => {
                peers.insert(at, (id.clone(), cost));
                true
            }
            (Ok(at), None) => {
                peers.remove(at);
                true
            }
            (Err(_), None) => false,
        };
        self.link_state.sequence += u64::from(is_change);
        is_change
    }

    /// Has its neighbours be told again as they are, so that all routers tell their numbers soon.
    pub fn renew_link_state(&mut self) {
        self.link_state.sequence += 1;
    }

    /// The number of the addresses that were told.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// An address has consumers; gives whether there is room for it.
    pub fn add(&mut self, key: Key, treatment: Treatment, now_ns: u64) -> bool {
        if self.addresses.len() >= ROUTER_ADDRESSES_MAX && !self.addresses.contains_key(&key) {
            return false;
        }
        let address = self.addresses.entry(key.clone()).or_default();
        if address.is != Some(treatment) {
            address.is = Some(treatment);
            self.note_change(key, now_ns);
        }
        true
    }

    /// An address has no consumers any more.
    pub fn remove(&mut self, key: &Key, now_ns: u64) {
        if self.addresses.get_mut(key).is_some_and(|address| address.is.take().is_some()) {
            self.note_change(key.clone(), now_ns);
        }
    }

    fn note_change(&mut self, key: Key, now_ns: u64) {
        self.changed.insert(key);
        self.changed_ns.get_or_insert(now_ns);
    }

    /// What changed and was not told, with its number.
    pub fn take_changes(&mut self) -> Option<(u64, Changes)> {
        self.changed_ns = None;
        let (mut added, mut deleted) = (Vec::new(), Vec::new());
        for key in std::mem::take(&mut self.changed) {
            let Some(address) = self.addresses.get_mut(&key) else { continue };
            let told = std::mem::replace(&mut address.told, address.is);
            match address.is {
                None => drop(self.addresses.remove(&key)),
                Some(_) if told == address.is => continue,
                treatment => {
                    added.push(Announced { key, treatment });
                    continue;
                }
            }
            deleted.extend(told.map(|_| key));
        }
        if added.is_empty() && deleted.is_empty() {
            return None;
        }
        self.sequence += 1;
        self.kept = None;
        Some((self.sequence, Changes::Since { added, deleted }))
    }

    /// All addresses that were told, as a message's body. It is made once, whoever asks, as long as they stay as they are and somebody does.
    pub fn encoded_all(&mut self, id: &RouterId, now_ns: u64) -> Bytes {
        let kept = self.kept.take().filter(|kept| kept.sequence == self.sequence);
        let body = kept.map_or_else(|| Control { id: id.clone(), body: self.all() }.encoded_body(), |kept| kept.body);
        self.kept = Some(Kept { sequence: self.sequence, used_ns: now_ns, body: body.clone() });
        body
    }

    /// Forgets what nobody has asked for since then.
    pub fn age(&mut self, since_ns: u64) {
        self.kept.take_if(|kept| kept.used_ns < since_ns);
    }

    fn all(&self) -> Body {
        let told = |(key, address): (&Key, &Address)| {
            address.told.map(|told| Announced { key: key.clone(), treatment: Some(told) })
        };
        let changes = Changes::All(self.addresses.iter().filter_map(told).collect());
        Body::Addresses { sequence: self.sequence, changes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::read(name).expect(name)
    }

    #[test]
    fn what_comes_and_goes_in_between_is_not_told() {
        let mut own = Own::default();
        assert!(own.add(key("M0a"), Treatment::Balanced, 5) && own.add(key("M0b"), Treatment::Closest, 6));
        own.remove(&key("M0b"), 7);
        assert_eq!(own.changed_ns, Some(5));
        let a = Announced { key: key("M0a"), treatment: Some(Treatment::Balanced) };
        let all = |own: &Own| match own.all() {
            Body::Addresses { changes, .. } => changes,
            body => panic!("{body:?}"),
        };
        assert_eq!(all(&own), Changes::All(Vec::new()), "nothing was told");
        assert_eq!(own.take_changes(), Some((1, Changes::Since { added: vec![a.clone()], deleted: Vec::new() })));
        own.remove(&key("M0a"), 8);
        assert!(own.add(key("M0a"), Treatment::Balanced, 9));
        assert_eq!((own.take_changes(), own.changed_ns, own.sequence()), (None, None, 1));
        assert_eq!(all(&own), Changes::All(vec![a]));
        // Another distribution is told, and what was told goes.
        assert!(own.add(key("M0a"), Treatment::Multicast, 9));
        assert!(own.take_changes().is_some_and(|(sequence, _)| sequence == 2));
        own.remove(&key("M0a"), 10);
        let gone = Changes::Since { added: Vec::new(), deleted: vec![key("M0a")] };
        assert_eq!((own.take_changes(), all(&own)), (Some((3, gone)), Changes::All(Vec::new())));
        assert!(own.addresses.is_empty());
    }

    #[test]
    fn all_addresses_are_written_once_for_whoever_asks_while_they_are_the_same() {
        let (mut own, id) = (Own::default(), RouterId::new("A").expect("an id"));
        assert!((0..100).all(|number| own.add(key(&format!("M0{number}")), Treatment::Balanced, 0)));
        own.take_changes();
        let first = own.encoded_all(&id, 5);
        own.remove(&key("M07"), 6);
        let second = own.encoded_all(&id, 7);
        assert_eq!(first.as_ptr(), second.as_ptr(), "what was not told yet is no change");
        own.take_changes();
        assert!(own.kept.is_none(), "nobody is told what was");
        let third = own.encoded_all(&id, 8);
        assert_eq!(third, Control { id: id.clone(), body: own.all() }.encoded_body());
        assert_ne!(first, third);
        own.age(8);
        assert!(own.kept.is_some());
        own.age(9);
        assert!(own.kept.is_none(), "nobody has asked for it since");
    }

    #[test]
    fn each_change_of_neighbours_has_its_number() {
        let mut own = Own::default();
        let id = RouterId::new("B").expect("an id");
        let changes = [(Some(1), true), (Some(1), false), (Some(2), true), (None, true), (None, false)];
        for (cost, is_change) in changes {
            assert_eq!(own.set_neighbour(&id, cost), is_change, "{cost:?}");
        }
        assert_eq!(own.link_state, LinkState { sequence: 3, peers: Vec::new() });
    }
}
