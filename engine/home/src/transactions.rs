//! Transactions that peers have begun: what belongs to each of them, until it is committed or rolled back.
//!
//! Guarantees: a transaction is of one connection, and unknown to all others; what it keeps is bounded, for itself and for all of the shard
//! together. One that asks for more, or lives too long, has failed: it keeps nothing any more, and its peer hears why when it commits.
//!
//! Not here: what is done with what it kept (`enlisting`), and what owners do with that (`engine_core`).

use std::collections::BTreeMap;

use engine_core::command::{DetachMode, Outcome, Part, Publish, Retired};
use engine_core::event::Refusal;
use engine_core::key::EndKey;
use engine_message::Condition;

use crate::limits::{
    TRANSACTION_BYTES_MAX, TRANSACTION_ENTRY_BYTES, TRANSACTION_NS_MAX, TRANSACTIONS_BYTES_MAX, TRANSACTIONS_MAX,
};
use crate::slots::{OwnerEnd, Slot};

/// Names a transaction of one shard's home, and is never used again while the node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TransactionId {
    shard: u16,
    number: u64,
}

impl TransactionId {
    /// Length of the octets that stand for one.
    pub const BYTES: usize = 10;

    /// What a peer calls it.
    #[must_use]
    pub fn bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&self.shard.to_be_bytes());
        bytes[2..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// What a peer calls so; `None` if no home ever gave that name.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (shard, number) = bytes.split_first_chunk()?;
        Some(Self { shard: u16::from_be_bytes(*shard), number: u64::from_be_bytes(number.try_into().ok()?) })
    }
}

/// A link that ended while a transaction was about deliveries of it: its owner hears of that afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    pub at: OwnerEnd,
    pub mode: DetachMode,
}

/// What a transaction is about.
#[derive(Debug, Default)]
pub(crate) struct Work {
    parts: BTreeMap<u16, Part>,
    /// Places of deliveries in their parts: one that is named again has the later outcome.
    places: BTreeMap<(u16, EndKey, u64), usize>,
    closing: Vec<Closing>,
    bytes: u64,
}

impl Work {
    /// What it is about, by owner, and the links that ended meanwhile.
    pub fn into_parts(self) -> (BTreeMap<u16, Part>, Vec<Closing>) {
        (self.parts, self.closing)
    }

    fn has_end(&self, at: OwnerEnd) -> bool {
        let first = (at.owner, at.end, 0);
        self.places.range(first..=(at.owner, at.end, u64::MAX)).next().is_some()
    }
}

/// One transaction.
#[derive(Debug)]
struct Transaction {
    conn: Slot,
    /// The coordinator's link that it was begun on.
    by: Slot,
    begun_ns: u64,
    work: Work,
    /// Why it cannot be committed any more.
    failed: Option<Box<Refusal>>,
}

/// How a transaction that its peer ends stands.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It can be committed.
    Whole(Work),
    /// It has failed before: what it kept is gone already.
    Failed(Box<Refusal>),
}

/// The transactions of one shard's connections.
#[derive(Debug)]
pub(crate) struct Transactions {
    shard: u16,
    last: u64,
    open: BTreeMap<u64, Transaction>,
    /// What all of them keep, octets.
    bytes: u64,
    /// Those that asked for too much, or lived too long, so far.
    failed: u64,
}

/// Transactions of one shard's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransactionTotals {
    /// Those that are neither committed nor rolled back.
    pub open: usize,
    /// What they keep, octets.
    pub bytes: u64,
    /// Those about queues of several shards that are being committed.
    pub committing: usize,
    /// Those that were rolled back because they were about too much, or took too long, so far.
    pub failed: u64,
}

impl Transactions {
    /// None yet.
    pub fn new(shard: u16) -> Self {
        Self { shard, last: 0, open: BTreeMap::new(), bytes: 0, failed: 0 }
    }

    /// Begins one, as the peer of a connection asks on a coordinator's link.
    ///
    /// # Errors
    /// When there are too many.
    pub fn begin(&mut self, conn: Slot, by: Slot, now_ns: u64) -> Result<TransactionId, Box<Refusal>> {
        if self.open.len() >= TRANSACTIONS_MAX {
            let text = format!("this shard has {TRANSACTIONS_MAX} transactions, which is its limit");
            return Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        }
        self.last += 1;
        let transaction = Transaction { conn, by, begun_ns: now_ns, work: Work::default(), failed: None };
        self.open.insert(self.last, transaction);
        Ok(TransactionId { shard: self.shard, number: self.last })
    }

    /// Takes a transaction out that its peer ends.
    ///
    /// # Errors
    /// When the connection has none of that name.
    pub fn end(&mut self, id: TransactionId, conn: Slot) -> Result<Ended, Box<Refusal>> {
        self.find(id, conn)?;
        let Some(Transaction { work, failed, .. }) = self.open.remove(&id.number) else { return Err(unknown()) };
        self.bytes -= work.bytes;
        Ok(failed.map_or(Ended::Whole(work), Ended::Failed))
    }

    /// Takes out what a connection that ended has, in the order in which it was begun.
    pub fn end_all(&mut self, conn: Slot) -> Vec<Work> {
        self.end_those(|open| open.conn == conn)
    }

    /// Takes out those that were begun on a coordinator's link that ended.
    pub fn end_of(&mut self, by: Slot) -> Vec<Work> {
        self.end_those(|open| open.by == by)
    }

    fn end_those(&mut self, is_meant: impl Fn(&Transaction) -> bool) -> Vec<Work> {
        let ended: Vec<u64> = self.open.iter().filter(|(_, open)| is_meant(open)).map(|(&id, _)| id).collect();
        let works = ended.iter().filter_map(|id| self.open.remove(id)).map(|open| open.work);
        let works: Vec<Work> = works.collect();
        self.bytes -= works.iter().map(|work| work.bytes).sum::<u64>();
        works
    }

    fn find(&mut self, id: TransactionId, conn: Slot) -> Result<&mut Transaction, Box<Refusal>> {
        let found = self.open.get_mut(&id.number).filter(|open| open.conn == conn && id.shard == self.shard);
        found.ok_or_else(unknown)
    }

    /// Whether a connection has one of that name.
    ///
    /// # Errors
    /// When not.
    pub fn check(&mut self, id: TransactionId, conn: Slot) -> Result<(), Box<Refusal>> {
        self.find(id, conn).map(|_| ())
    }

    /// A message belongs to a transaction. Gives what the transaction kept, if it has failed by it, to be rolled back; and the message, if it
    /// is kept nowhere.
    pub fn enlist_send(&mut self, id: TransactionId, conn: Slot, owner: u16, publish: Publish) -> Enlisted {
        let bytes = publish.message.size() + publish.address.len() as u64 + TRANSACTION_ENTRY_BYTES;
        match self.take_room(id, conn, bytes) {
            Room::Some(work) => {
                work.parts.entry(owner).or_default().sends.push(publish);
                Enlisted::Kept
            }
            Room::None(failed) => {
                let mut failed = failed.unwrap_or_default();
                failed.parts.entry(owner).or_default().sends.push(publish);
                Enlisted::Failed(failed)
            }
        }
    }

    /// A delivery's outcome belongs to a transaction. Gives as for a message.
    pub fn enlist_outcome(&mut self, id: TransactionId, conn: Slot, owner: u16, retired: Retired) -> Enlisted {
        match self.take_room(id, conn, TRANSACTION_ENTRY_BYTES) {
            Room::Some(work) => {
                let all = &mut work.parts.entry(owner).or_default().retired;
                let place = *work.places.entry((owner, retired.end, retired.key)).or_insert(all.len());
                match all.get_mut(place) {
                    Some(before) => *before = retired,
                    None => all.push(retired),
                }
                Enlisted::Kept
            }
            Room::None(failed) => {
                let mut failed = failed.unwrap_or_default();
                failed.parts.entry(owner).or_default().retired.push(retired);
                Enlisted::Failed(failed)
            }
        }
    }

    /// Room for something that belongs to a transaction.
    fn take_room(&mut self, id: TransactionId, conn: Slot, bytes: u64) -> Room<'_> {
        let all = self.bytes;
        let Ok(open) = self.find(id, conn) else { return Room::None(None) };
        if open.failed.is_some() {
            return Room::None(None);
        }
        let text = if open.work.bytes + bytes > TRANSACTION_BYTES_MAX {
            format!(
                "it is about more than {TRANSACTION_BYTES_MAX} bytes, the most that one may be about: commit more often"
            )
        } else if all + bytes > TRANSACTIONS_BYTES_MAX {
            format!("all transactions of its shard are about {TRANSACTIONS_BYTES_MAX} bytes, which is their limit")
        } else {
            self.bytes += bytes;
            return match self.open.get_mut(&id.number) {
                Some(open) => {
                    open.work.bytes += bytes;
                    Room::Some(&mut open.work)
                }
                None => Room::None(None),
            };
        };
        let text = format!("the transaction was rolled back: {text}");
        open.failed = Some(Refusal::new(Condition::TransactionRollback, text));
        let work = std::mem::take(&mut open.work);
        self.bytes -= work.bytes;
        self.failed += 1;
        Room::None(Some(work))
    }

    /// A link ended. If a transaction of its connection is about deliveries of it, its owner hears of that when that has ended.
    pub fn keep_closing(&mut self, conn: Slot, closing: Closing) -> bool {
        let mut open = self.open.values_mut().filter(|open| open.conn == conn);
        let Some(found) = open.find(|open| open.work.has_end(closing.at)) else { return false };
        found.work.closing.push(closing);
        true
    }

    /// Takes what those kept that have lived too long, which have failed by it.
    pub fn take_overdue(&mut self, now_ns: u64) -> Vec<(Slot, Work)> {
        let mut works = Vec::new();
        for open in self.open.values_mut() {
            if open.failed.is_none() && now_ns.saturating_sub(open.begun_ns) > TRANSACTION_NS_MAX {
                let text = format!("the transaction was rolled back after {} s", TRANSACTION_NS_MAX / 1_000_000_000);
                open.failed = Some(Refusal::new(Condition::TransactionTimeout, text));
                let work = std::mem::take(&mut open.work);
                self.bytes -= work.bytes;
                self.failed += 1;
                works.push((open.conn, work));
            }
        }
        works
    }

    /// How many there are, and what they keep; not those that are being committed.
    pub fn totals(&self) -> TransactionTotals {
        TransactionTotals { open: self.open.len(), bytes: self.bytes, committing: 0, failed: self.failed }
    }
}

/// What became of what belongs to a transaction.
#[derive(Debug)]
pub(crate) enum Enlisted {
    Kept,
    /// The transaction has failed: this is to be rolled back.
    Failed(Work),
}

enum Room<'a> {
    Some(&'a mut Work),
    /// With what the transaction kept, if it failed just now.
    None(Option<Work>),
}

fn unknown() -> Box<Refusal> {
    let text = "the connection has no such transaction: it was never begun here, or has ended";
    Refusal::new(Condition::TransactionUnknownId, text)
}

/// A delivery that a transaction ends.
pub(crate) fn retired(at: OwnerEnd, key: u64, outcome: Outcome, confirm: Option<u32>) -> Retired {
    Retired { end: at.end, key, outcome, confirm }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine_core::message::Message;

    fn conn(place: u32) -> Slot {
        Slot::at(place, 0)
    }

    fn message(bytes: usize) -> Publish {
        Publish::of("a", Message::new(vec![0; bytes].into()))
    }

    fn work(ended: Ended) -> Work {
        match ended {
            Ended::Whole(work) => work,
            Ended::Failed(refusal) => panic!("it failed: {refusal:?}"),
        }
    }

    #[test]
    fn names_are_read_as_they_are_written_and_nothing_else_is() {
        let mut all = Transactions::new(7);
        let id = all.begin(conn(0), Slot::at(9, 0), 0).expect("there is room");
        assert_eq!(TransactionId::read(&id.bytes()), Some(id));
        for foreign in [&b""[..], b"123456789", b"12345678901"] {
            assert_eq!(TransactionId::read(foreign), None);
        }
    }

    #[test]
    fn a_transaction_is_of_its_connection_and_ends_once() {
        let mut all = Transactions::new(0);
        let id = all.begin(conn(1), Slot::at(9, 0), 0).expect("there is room");
        assert!(all.end(id, conn(2)).is_err(), "somebody else's");
        assert!(matches!(all.enlist_send(id, conn(1), 3, message(5)), Enlisted::Kept));
        let (parts, _) = work(all.end(id, conn(1)).expect("its own")).into_parts();
        assert_eq!(parts.keys().copied().collect::<Vec<_>>(), [3]);
        assert!(all.end(id, conn(1)).is_err(), "it has ended");
        assert_eq!(all.totals(), TransactionTotals::default());
    }

    #[test]
    fn the_last_outcome_of_a_delivery_counts() {
        let mut all = Transactions::new(0);
        let id = all.begin(conn(1), Slot::at(9, 0), 0).expect("there is room");
        let at = OwnerEnd { owner: 0, end: EndKey::default() };
        for (key, outcome) in [(1, Outcome::Released), (2, Outcome::Accepted), (1, Outcome::Accepted)] {
            all.enlist_outcome(id, conn(1), 0, retired(at, key, outcome, None));
        }
        let (mut parts, _) = work(all.end(id, conn(1)).expect("its own")).into_parts();
        let part = parts.remove(&0).expect("its part");
        let outcomes: Vec<_> = part.retired.into_iter().map(|retired| (retired.key, retired.outcome)).collect();
        assert_eq!(outcomes, [(1, Outcome::Accepted), (2, Outcome::Accepted)]);
    }

    #[test]
    fn one_that_is_about_too_much_fails_and_keeps_nothing() {
        let mut all = Transactions::new(0);
        let id = all.begin(conn(1), Slot::at(9, 0), 0).expect("there is room");
        let half = message(usize::try_from(TRANSACTION_BYTES_MAX / 2).expect("it fits"));
        assert!(matches!(all.enlist_send(id, conn(1), 0, half.clone()), Enlisted::Kept));
        let Enlisted::Failed(work) = all.enlist_send(id, conn(1), 1, half.clone()) else { panic!("it is too much") };
        assert_eq!(work.into_parts().0.len(), 2, "both are given back");
        let Enlisted::Failed(work) = all.enlist_send(id, conn(1), 1, half) else { panic!("it has failed") };
        let totals = TransactionTotals { open: 1, failed: 1, ..TransactionTotals::default() };
        assert_eq!((work.into_parts().0.len(), all.totals()), (1, totals));
        let Ok(Ended::Failed(refusal)) = all.end(id, conn(1)) else { panic!("it has failed") };
        assert_eq!(refusal.condition, Condition::TransactionRollback);
    }

    #[test]
    fn one_that_lives_too_long_fails() {
        let mut all = Transactions::new(0);
        let id = all.begin(conn(1), Slot::at(9, 0), 5).expect("there is room");
        all.enlist_send(id, conn(1), 0, message(1));
        assert!(all.take_overdue(5 + TRANSACTION_NS_MAX).is_empty());
        assert_eq!(all.take_overdue(6 + TRANSACTION_NS_MAX).len(), 1);
        assert!(all.take_overdue(7 + TRANSACTION_NS_MAX).is_empty(), "once");
        let Ok(Ended::Failed(refusal)) = all.end(id, conn(1)) else { panic!("it has failed") };
        assert_eq!(refusal.condition, Condition::TransactionTimeout);
    }

    #[test]
    fn a_link_stays_with_its_owner_while_a_transaction_is_about_it() {
        let mut all = Transactions::new(0);
        let id = all.begin(conn(1), Slot::at(9, 0), 0).expect("there is room");
        let (at, other) =
            (OwnerEnd { owner: 1, end: EndKey::default() }, OwnerEnd { owner: 2, end: EndKey::default() });
        all.enlist_outcome(id, conn(1), 1, retired(at, 9, Outcome::Accepted, None));
        let closing = |at| Closing { at, mode: DetachMode::Close };
        assert!(!all.keep_closing(conn(1), closing(other)) && !all.keep_closing(conn(2), closing(at)));
        assert!(all.keep_closing(conn(1), closing(at)));
        assert_eq!(work(all.end(id, conn(1)).expect("its own")).into_parts().1, [closing(at)]);
    }
}
