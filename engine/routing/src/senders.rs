//! Senders by the names of their addresses, and those whose address is to be looked up again.
//!
//! Guarantees: one comes and goes at a cost that does not depend on how many there are. What is due is given one by one, so that a turn
//! takes as much of it as it can: an address may have as many senders as a shard has links. An address that is noted again before its turn
//! is due once, as whoever looks goes by the last table.

use std::collections::{HashMap, VecDeque};

use engine_core::slab::Key as Place;

/// What is due since the table is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// A sender's address is to be looked up.
    Look(Place),
    /// All that this version of the table has brought is done.
    Applied(u64),
}

/// The same as it waits.
#[derive(Debug)]
enum Waiting {
    /// An address, of whose senders so many were looked at.
    Address {
        name: Box<str>,
        done: usize,
    },
    Applied(u64),
}

/// Senders of one name.
#[derive(Debug, Default)]
struct Of {
    senders: Vec<Place>,
    /// Whether it waits, and none of them was looked at.
    is_noted: bool,
}

/// Senders of this shard.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    /// Whatever the phase of their addresses.
    by_name: HashMap<Box<str>, Of>,
    waiting: VecDeque<Waiting>,
}

impl Senders {
    /// A sender comes; gives where it is among those of its address.
    pub fn add(&mut self, name: &str, sender: Place) -> usize {
        let of = match self.by_name.get_mut(name) {
            Some(of) => of,
            None => self.by_name.entry(name.into()).or_default(),
        };
        of.senders.push(sender);
        of.senders.len() - 1
    }

    /// The sender at a place goes; gives the one that has the place now. That is to be looked at, as it may have been passed over there.
    pub fn remove(&mut self, name: &str, at: usize) -> Option<Place> {
        let of = self.by_name.get_mut(name)?;
        of.senders.swap_remove(at);
        let moved = of.senders.get(at).copied();
        if of.senders.is_empty() {
            self.by_name.remove(name);
        }
        moved
    }

    /// An address is not as it was.
    pub fn note(&mut self, name: &str) {
        if let Some(of) = self.by_name.get_mut(name)
            && !std::mem::replace(&mut of.is_noted, true)
        {
            self.waiting.push_back(Waiting::Address { name: name.into(), done: 0 });
        }
    }

    /// No address may be as it was.
    pub fn note_all(&mut self) {
        for (name, of) in &mut self.by_name {
            if !std::mem::replace(&mut of.is_noted, true) {
                self.waiting.push_back(Waiting::Address { name: name.clone(), done: 0 });
            }
        }
    }

    /// That was all that a version has brought.
    pub fn apply(&mut self, version: u64) {
        match self.waiting.back_mut() {
            Some(Waiting::Applied(known)) => *known = version,
            _ => self.waiting.push_back(Waiting::Applied(version)),
        }
    }

    /// What is due next.
    pub fn poll_due(&mut self) -> Option<Due> {
        while let Some(front) = self.waiting.front_mut() {
            if let Waiting::Address { name, done } = front
                && let Some(of) = self.by_name.get_mut(name)
            {
                of.is_noted &= *done > 0;
                if let Some(sender) = of.senders.get(*done) {
                    *done += 1;
                    return Some(Due::Look(*sender));
                }
            }
            if let Some(Waiting::Applied(version)) = self.waiting.pop_front() {
                return Some(Due::Applied(version));
            }
        }
        None
    }

    /// Whether nothing is due.
    pub fn is_done(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.by_name.values().map(|of| of.senders.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(senders: &mut Senders) -> Vec<Due> {
        std::iter::from_fn(|| senders.poll_due()).collect()
    }

    #[test]
    fn a_version_is_applied_behind_what_it_brought_and_never_waits_for_what_comes_later() {
        let mut senders = Senders::default();
        let place = |slot| Place::at(slot, 0);
        (0..3).for_each(|slot| assert_eq!(senders.add("a", place(slot)), slot as usize));
        senders.note("a");
        senders.note("nobody");
        senders.apply(1);
        assert_eq!(senders.poll_due(), Some(Due::Look(place(0))));
        // What was begun is due again, once, however often that is said.
        for version in 2..5 {
            senders.note("a");
            senders.apply(version);
        }
        // The last one has the place of one that was looked at: who removed it looks at that.
        assert_eq!(senders.remove("a", 0), Some(place(2)));
        let (look, applied) = (|slot| Due::Look(place(slot)), Due::Applied);
        assert_eq!(due(&mut senders), [look(1), applied(1), look(2), look(1), applied(4)]);
        assert!(senders.is_done());
        senders.note("a");
        assert_eq!((senders.remove("a", 1), senders.remove("a", 0), senders.count()), (None, None, 0));
        senders.apply(5);
        assert_eq!(due(&mut senders), [applied(5)]);
    }
}
