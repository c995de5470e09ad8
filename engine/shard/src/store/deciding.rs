//! After a crash: which transactions over several shards are decided, and not done everywhere.
//!
//! Guarantees: what was decided is done by each owner once, however often the node ends on the way; an owner that noted that it did its share
//! does nothing again. What was not decided nobody did.
//!
//! Whoever starts a node reads what each journal has in its queue of transactions (`Recovered::take_transactions`), has all of it looked at
//! together (`resume`), and tells each journal (`Recovered::resume`) and its owner (`Core::resume_transactions`) before anything else.
//!
//! Not here: how that is done (`engine_core`), and its octets (`engine_ledger`).

use std::collections::{BTreeMap, BTreeSet};

use engine_core::fact::{DecisionId, IDS, Mark, Share, TRANSACTIONS};
use engine_core::step::{Resumed, Undone};
use engine_ledger::{Decision, Entry, Meaning, entries, read_decision};
use storage_journal::{Place, salvage_batches};

use super::Store;
use super::pages::Run;
use super::recovery::Recovered;

/// A part of a queue that is the journal's own, to be read and given to [`Area::entries`] or [`Area::read`].
#[derive(Debug)]
pub struct Area {
    directory: [u8; 16],
    queue: u64,
    run: Run,
}

/// What a journal's queue of transactions has, by name.
pub type Entries = BTreeMap<u64, Decision>;

impl Area {
    /// Where it lies.
    #[must_use]
    pub fn place(&self) -> Place {
        self.run.place()
    }

    /// Its length, octets.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.run.bytes()
    }

    /// Gives the bodies of the messages in it, by name.
    ///
    /// # Errors
    /// What `take` says of one; `None` when the disk gave something else than before.
    pub fn read(
        &self,
        bytes: &[u8],
        mut take: impl FnMut(u64, &[u8]) -> Result<(), &'static str>,
    ) -> Result<(), Option<&'static str>> {
        let names = self.run.messages.names();
        let mut seen = BTreeSet::new();
        let mut wrong = None;
        salvage_batches(self.directory, self.run.place(), bytes, |_, record| {
            let Ok(Some(meaning)) = Meaning::decode(&record) else { return };
            let (Meaning::Message { body, .. } | Meaning::Moved { body, .. }) = meaning else { return };
            entries(&meaning, record.number, |Entry { queue, name, .. }| {
                if queue == self.queue && names.contains(name) && seen.insert(name) {
                    wrong = wrong.or(take(name, body).err());
                }
            });
        });
        match wrong {
            Some(what) => Err(Some(what)),
            None if seen.len() == self.run.len() => Ok(()),
            None => Err(None),
        }
    }

    /// Adds what is in a part of a queue of transactions.
    ///
    /// # Errors
    /// As `read`.
    pub fn entries(&self, bytes: &[u8], all: &mut Entries) -> Result<(), Option<&'static str>> {
        self.read(bytes, |name, body| read_decision(body).map(|decision| drop(all.insert(name, decision))))
    }
}

/// What each shard goes on with: `all` is what their queues of transactions have, by shard.
#[must_use]
pub fn resume(all: Vec<Entries>) -> Vec<Resumed> {
    let mut resumed: Vec<Resumed> = all.iter().map(|_| Resumed::default()).collect();
    let mut notes: BTreeMap<(DecisionId, u16), u64> = BTreeMap::new();
    let mut decisions: Vec<(DecisionId, Vec<Share>)> = Vec::new();
    for (shard, entries) in (0..).zip(all) {
        for (name, entry) in entries {
            match entry {
                Decision::Decided(shares) => decisions.push((DecisionId { shard, name }, shares)),
                Decision::Carried(decision) => drop(notes.insert((decision, shard), name)),
            }
        }
    }
    for (decision, shares) in decisions {
        let shard = decision.shard;
        let coordinator = &mut resumed[usize::from(shard)].decisions;
        let transaction = coordinator.len() as u64 + 1;
        let owners: Vec<u16> = shares.iter().map(|share| share.owner).collect();
        let is_done: BTreeSet<u16> =
            owners.iter().copied().filter(|&owner| notes.contains_key(&(decision, owner))).collect();
        let unkept = owners.len() - is_done.len();
        coordinator.push(Undone { transaction, name: decision.name, owners, unkept });
        for share in shares {
            let (asked, owner) = ((shard, transaction), share.owner);
            let Some(resumed) = resumed.get_mut(usize::from(owner)) else { continue };
            match notes.remove(&(decision, owner)) {
                Some(note) => resumed.notes.push((asked, note)),
                None => resumed.shares.push((asked, decision, share)),
            }
        }
    }
    for ((_, owner), note) in notes {
        resumed[usize::from(owner)].stale.push(note);
    }
    resumed
}

impl Recovered {
    /// Takes out what its queue of transactions has.
    pub fn take_transactions(&mut self) -> Vec<Area> {
        self.take_own(TRANSACTIONS)
    }

    /// Takes out what its queue of ids has.
    pub fn take_ids(&mut self) -> Vec<Area> {
        self.take_own(IDS)
    }

    /// Takes out what a queue has that is the journal's own.
    fn take_own(&mut self, address: &str) -> Vec<Area> {
        let Some(found) = self.restored.iter().find(|queue| queue.declared.address == address) else {
            return Vec::new();
        };
        let queue = found.declared.queue;
        self.store.take_runs(queue).map(|run| Area { directory: self.store.config.directory, queue, run }).collect()
    }

    /// What leaves its queues by decisions that were made is not there any more.
    pub fn resume(&mut self, resumed: &Resumed) {
        for Mark { queue, name, failures } in resumed.shares.iter().flat_map(|(_, _, share)| &share.marks) {
            if failures.is_none()
                && self.store.leave_out(*queue, *name)
                && let Some(found) = self.restored.iter_mut().find(|found| found.declared.queue == *queue)
            {
                found.bytes -= found.bytes / found.messages.max(1);
                found.messages = found.messages.saturating_sub(1);
            }
        }
    }
}

impl Store {
    /// Takes out what a queue has on disk, all of which nobody reads as a queue's messages.
    fn take_runs(&mut self, queue: u64) -> impl Iterator<Item = Run> + use<> {
        let pages = self.queues.remove(queue).map(|stored| stored.into_pages());
        pages.into_iter().flat_map(|pages| pages.runs)
    }

    /// A queue has no such message any more; gives whether it had.
    fn leave_out(&mut self, queue: u64, name: u64) -> bool {
        self.needed.leave_out(queue, name);
        self.queues.get_mut(queue).is_some_and(|stored| stored.leave_out(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(owner: u16) -> Share {
        Share { owner, sends: Vec::new(), marks: vec![Mark { queue: 1, name: 7, failures: None }] }
    }

    #[test]
    fn each_owner_does_what_it_has_not_noted() {
        let id = DecisionId { shard: 1, name: 9 };
        let decided = Decision::Decided(vec![share(0), share(2)]);
        let resumed = resume(vec![
            Entries::new(),
            Entries::from([(9, decided)]),
            Entries::from([(4, Decision::Carried(id)), (5, Decision::Carried(DecisionId { shard: 1, name: 3 }))]),
        ]);
        assert_eq!(resumed[1].decisions, [Undone { transaction: 1, name: 9, owners: vec![0, 2], unkept: 1 }]);
        assert_eq!(resumed[0].shares, [((1, 1), id, share(0))]);
        assert_eq!((resumed[2].notes.as_slice(), resumed[2].stale.as_slice()), (&[((1, 1), 4)][..], &[5][..]));
        assert!(resumed[2].shares.is_empty() && resumed[0].notes.is_empty());
    }

    #[test]
    fn where_nothing_is_left_nothing_is_done() {
        assert_eq!(resume(vec![Entries::new(), Entries::new()]), [Resumed::default(), Resumed::default()]);
    }
}
