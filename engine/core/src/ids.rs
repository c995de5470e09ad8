//! The ids of messages that an owner's addresses know, oldest first, in bounds.
//!
//! Guarantees: an address knows as many as its settings say; all together cost no more than `limits::IDS_BYTES_MAX`, beyond which the address that was
//! asked for longest ago forgets its own.
//!
//! Not here: whose they are, and what the journal has of them (`duplicates`).

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::num::NonZeroU64;

use crate::limits::{ID_OVERHEAD, IDS_BYTES_MAX};

/// An id of a message, and its name in the journal if it is there.
#[derive(Debug)]
struct Known {
    id: Box<[u8]>,
    name: Option<NonZeroU64>,
}

/// The ids of one address, oldest first.
#[derive(Debug, Default)]
struct Ids {
    order: VecDeque<Known>,
    known: HashSet<Box<[u8]>>,
    /// When it was asked for last, among all addresses.
    asked: u64,
}

/// The ids that an owner's addresses know.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    addresses: HashMap<Box<str>, Ids>,
    /// Addresses by when they were asked for last.
    by_asked: BTreeMap<u64, Box<str>>,
    last_asked: u64,
    /// What all of them cost, octets.
    bytes: u64,
    ids: usize,
    /// Messages that went nowhere, so far.
    pub dropped: u64,
    /// The number of the queue of the journal that ids are in, once there is one.
    pub queue: Option<u64>,
}

/// What an owner's addresses know of ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DuplicateTotals {
    /// Ids that are known.
    pub ids: usize,
    /// Octets that they cost.
    pub bytes: u64,
    /// Messages that went nowhere, as their ids were known, so far.
    pub dropped: u64,
}

/// Ids that a journal has after a start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResumedIds {
    /// Those of this owner's addresses, oldest first: name, address, id.
    pub known: Vec<(NonZeroU64, String, Vec<u8>)>,
    /// The names of those that are not.
    pub stale: Vec<u64>,
}

impl Duplicates {
    /// Whether an address knows an id.
    pub fn knows(&mut self, address: &str, id: &[u8]) -> bool {
        let Some(ids) = self.addresses.get_mut(address) else { return false };
        self.by_asked.remove(&ids.asked);
        self.last_asked += 1;
        ids.asked = self.last_asked;
        self.by_asked.insert(ids.asked, address.into());
        ids.known.contains(id)
    }

    /// An address knows an id that it did not; gives the names of those that are forgotten for it, of which it knows `max` at most.
    pub fn insert(&mut self, address: &str, id: &[u8], name: Option<NonZeroU64>, max: usize) -> Vec<NonZeroU64> {
        let mut forgotten = Vec::new();
        if !self.addresses.contains_key(address) {
            self.last_asked += 1;
            self.by_asked.insert(self.last_asked, address.into());
            self.bytes += address.len() as u64 + ID_OVERHEAD;
            self.addresses.insert(address.into(), Ids { asked: self.last_asked, ..Ids::default() });
        }
        let Some(ids) = self.addresses.get_mut(address) else { return forgotten };
        ids.known.insert(id.into());
        ids.order.push_back(Known { id: id.into(), name });
        (self.bytes, self.ids) = (self.bytes + cost(id), self.ids + 1);
        while ids.order.len() > max
            && let Some(Known { id, name }) = ids.order.pop_front()
        {
            ids.known.remove(&id);
            (self.bytes, self.ids) = (self.bytes - cost(&id), self.ids - 1);
            forgotten.extend(name);
        }
        while self.bytes > IDS_BYTES_MAX && self.addresses.len() > 1 {
            forgotten.extend(self.forget_one());
        }
        forgotten
    }

    /// Forgets all ids of the address that was asked for longest ago; gives their names.
    fn forget_one(&mut self) -> Vec<NonZeroU64> {
        let Some((_, address)) = self.by_asked.pop_first() else { return Vec::new() };
        let Some(ids) = self.addresses.remove(&address) else { return Vec::new() };
        let bytes = ids.order.iter().map(|known| cost(&known.id)).sum::<u64>();
        self.bytes -= bytes + address.len() as u64 + ID_OVERHEAD;
        self.ids -= ids.order.len();
        ids.order.into_iter().filter_map(|known| known.name).collect()
    }

    /// What is known.
    pub fn totals(&self) -> DuplicateTotals {
        DuplicateTotals { ids: self.ids, bytes: self.bytes, dropped: self.dropped }
    }
}

/// What an id costs, octets: it is in line and table.
fn cost(id: &[u8]) -> u64 {
    2 * id.len() as u64 + ID_OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_knows_its_last_ids_and_those_asked_for_longest_ago_go_first() {
        let mut all = Duplicates::default();
        let name = NonZeroU64::new;
        for number in 1..=3_u64 {
            assert!(!all.knows("a", &number.to_le_bytes()));
            let forgotten = all.insert("a", &number.to_le_bytes(), name(number), 2);
            assert_eq!(forgotten, name(1).filter(|_| number == 3).into_iter().collect::<Vec<_>>());
        }
        assert!(!all.knows("a", &1_u64.to_le_bytes()) && all.knows("a", &3_u64.to_le_bytes()));
        assert!(!all.knows("b", &3_u64.to_le_bytes()), "of another address");
        all.insert("b", b"x", None, 2);
        assert!(all.knows("a", &2_u64.to_le_bytes()));
        assert_eq!(all.totals().ids, 3);
        assert_eq!(all.forget_one(), [], "that of b had no name");
        assert_eq!(all.forget_one().len(), 2);
        assert_eq!(all.totals(), DuplicateTotals::default());
    }

    #[test]
    fn they_are_bounded_by_their_octets() {
        let mut all = Duplicates::default();
        let id = |number: u64| [&[0; 200][..], &number.to_le_bytes()].concat();
        let count = 2 * IDS_BYTES_MAX / cost(&id(0));
        for number in 0..count {
            all.insert(&format!("a{}", number % 64), &id(number), None, 1 << 30);
        }
        assert!(all.totals().bytes <= IDS_BYTES_MAX);
        assert!(all.knows(&format!("a{}", (count - 1) % 64), &id(count - 1)));
    }
}
