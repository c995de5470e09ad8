//! What peers do within transactions: messages and outcomes that wait for their commit, and what follows from it.
//!
//! Guarantees: nothing that belongs to a transaction reaches an owner before it is committed; what it is about reaches its owner in one
//! command, or where there are several owners, all of them or none (`engine_core`, `coordinating`). A transaction that ends otherwise leaves messages nowhere, and deliveries that its peer settled are for others again, as ones
//! that failed; so it is when its connection ends, or the coordinator's link that it was begun on. A link that ended meanwhile ends at its owner when its deliveries are decided on.
//!
//! Not here: what is kept of each (`transactions`).

use engine_core::command::{Command, DetachMode, Modified, Outcome, Part, Publish, Settled};
use engine_core::event::{KEY_NONE, Refusal};
use engine_core::step::Committer;
use engine_message::Condition;
use engine_shard::ROUTED;
use storage_disk::large::LargeOrder;

use crate::client::Client;
use crate::home::{Answer, Home};
use crate::slots::{OwnerEnd, Slot, peer_key};
use crate::transactions::{Closing, Ended, Enlisted, TransactionId, TransactionTotals, Work, retired};

/// What a peer wants of a transaction that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discharge {
    /// All of it is done.
    Commit,
    /// Nothing of it is done.
    RollBack,
}

/// The delivery by which a peer ends a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discharging {
    /// The coordinator's link.
    pub place: Slot,
    /// The binding's number for the delivery.
    pub delivery: u32,
    /// Whether its sender waits for an outcome.
    pub settled: Settled,
}

/// What became of a transaction that a peer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discharged {
    /// It has ended.
    Done,
    /// An owner was asked: its answer is an event of the coordinator's link.
    Asked,
}

impl Home {
    /// Begins a transaction, as asked on a coordinator's link.
    ///
    /// # Errors
    /// When it is refused.
    pub fn declare(&mut self, client: &Client, place: Slot) -> Result<TransactionId, Box<Refusal>> {
        self.transactions.begin(client.conn, place, self.engine.now_ns())
    }

    /// How many transactions there are, and what they keep.
    #[must_use]
    pub fn transactions(&self) -> TransactionTotals {
        TransactionTotals { committing: self.engine.core().committing(), ..self.transactions.totals() }
    }

    /// Whether a connection has such a transaction.
    ///
    /// # Errors
    /// When not.
    pub fn check_transaction(&mut self, client: &Client, id: TransactionId) -> Result<(), Box<Refusal>> {
        self.transactions.check(id, client.conn)
    }

    /// Ends a transaction.
    ///
    /// # Errors
    /// When there is none, or it is rolled back though its peer wants it committed.
    pub fn discharge(
        &mut self,
        client: &Client,
        id: TransactionId,
        how: Discharge,
        by: Discharging,
    ) -> Result<Discharged, Box<Refusal>> {
        let work = match self.transactions.end(id, client.conn)? {
            Ended::Whole(work) => work,
            Ended::Failed(_) if how == Discharge::RollBack => return Ok(Discharged::Done),
            Ended::Failed(refusal) => return Err(refusal),
        };
        match how {
            Discharge::RollBack => {
                self.roll_back(client.conn, work);
                Ok(Discharged::Done)
            }
            Discharge::Commit => Ok(self.commit(client.conn, work, by)),
        }
    }

    fn commit(&mut self, conn: Slot, work: Work, by: Discharging) -> Discharged {
        let (mut parts, closing) = work.into_parts();
        let link = peer_key(self.engine.shard(), by.place);
        let Discharging { delivery, settled, .. } = by;
        if parts.len() > 1 {
            // Each owner hears of it behind its part, which comes in several steps.
            for Closing { at, mode } in closing {
                if !self.keep_closing(conn, Closing { at, mode }) {
                    parts.entry(at.owner).or_default().closing.push((at.end, mode));
                }
            }
            self.engine.coordinate(Committer { link, delivery, settled }, parts);
            return Discharged::Asked;
        }
        let Some((owner, part)) = parts.pop_first() else { return Discharged::Done };
        self.engine.submit(owner, Command::Transact { link, delivery, settled, part: Box::new(part) });
        self.close(conn, closing);
        Discharged::Asked
    }

    /// A message belongs to a transaction, which the connection has.
    pub(crate) fn enlist_send(&mut self, client: &Client, id: TransactionId, owner: u16, publish: Publish) {
        if let Enlisted::Failed(work) = self.transactions.enlist_send(id, client.conn, owner, publish) {
            self.roll_back(client.conn, work);
        }
    }

    /// Whether what belongs to a transaction may be about an address of this owner.
    ///
    /// # Errors
    /// When it is routed: what passes through cannot be taken back.
    pub(crate) fn check_enlisting(&self, owner: u16) -> Result<(), Box<Refusal>> {
        if owner == ROUTED { Err(routed_within()) } else { Ok(()) }
    }

    /// A delivery's outcome belongs to a transaction; `confirm` names the delivery if its peer did not settle it.
    ///
    /// # Errors
    /// When the connection has no such transaction: then nothing was done.
    pub fn enlist_outcome(
        &mut self,
        client: &Client,
        id: TransactionId,
        (place, key): (Slot, u64),
        outcome: Option<Outcome>,
        confirm: Option<u32>,
    ) -> Result<(), Box<Refusal>> {
        self.transactions.check(id, client.conn)?;
        let Some(at) = self.end_of(place).filter(|_| key != KEY_NONE) else { return Ok(()) };
        self.check_enlisting(at.owner)?;
        let default = || self.links.get(place).map_or(Outcome::Released, |link| link.default_outcome.clone());
        let outcome = outcome.unwrap_or_else(default);
        let retired = retired(at, key, outcome, confirm);
        if let Enlisted::Failed(work) = self.transactions.enlist_outcome(id, client.conn, at.owner, retired) {
            self.roll_back(client.conn, work);
        }
        Ok(())
    }

    /// A connection ended: so do its transactions. To be called while its links are there.
    pub fn end_transactions(&mut self, client: &Client) {
        for work in self.transactions.end_all(client.conn) {
            self.roll_back(client.conn, work);
        }
    }

    /// A coordinator's link ended: what was begun on it and not ended is rolled back (AMQP part 4.2).
    pub(crate) fn end_begun_on(&mut self, conn: Slot, place: Slot) {
        for work in self.transactions.end_of(place) {
            self.roll_back(conn, work);
        }
    }

    /// Rolls back what has lived too long. Call it some times a second.
    pub(crate) fn end_overdue(&mut self) {
        let now_ns = self.engine.now_ns();
        for (conn, work) in self.transactions.take_overdue(now_ns) {
            self.roll_back(conn, work);
        }
    }

    /// A link ended that has a half at its owner: that ends, too, now or when transactions about it have. Of those the peer may wait to know that
    /// the link is detached before it ends them.
    pub(crate) fn end_link(&mut self, conn: Slot, at: OwnerEnd, mode: DetachMode) -> Answer {
        if self.keep_closing(conn, Closing { at, mode }) {
            return Answer::Now;
        }
        self.engine.submit(at.owner, Command::Detach { end: at.end, mode });
        if mode.is_awaited() && at.owner != ROUTED { Answer::Later } else { Answer::Now }
    }

    /// If a transaction of a connection is about deliveries of a link, the link ends at its owner when that has ended.
    fn keep_closing(&mut self, conn: Slot, closing: Closing) -> bool {
        let is_kept = self.transactions.keep_closing(conn, closing);
        if is_kept {
            // Nothing more is to come for it.
            self.engine.submit(closing.at.owner, Command::Revoke { end: closing.at.end, credit: u32::MAX });
        }
        is_kept
    }

    fn roll_back(&mut self, conn: Slot, work: Work) {
        let (parts, closing) = work.into_parts();
        parts.into_iter().for_each(|(owner, part)| self.undo(owner, part));
        self.close(conn, closing);
    }

    fn undo(&mut self, owner: u16, part: Part) {
        for publish in part.sends {
            if let Some(file) = publish.message.large() {
                self.files.submit(LargeOrder::Remove { id: file.id });
            }
        }
        // What its peer did not settle it still has.
        for retired in part.retired.into_iter().filter(|retired| retired.confirm.is_none()) {
            let failed = Modified { delivery_failed: true, ..Modified::default() };
            let outcome = Outcome::Modified(Box::new(failed));
            self.engine.settle(owner, retired.end, retired.key, outcome, None);
        }
    }

    fn close(&mut self, conn: Slot, closing: Vec<Closing>) {
        closing.into_iter().for_each(|Closing { at, mode }| {
            self.end_link(conn, at, mode);
        });
    }
}

/// What is said of a routed address within a transaction.
#[must_use]
pub fn routed_within() -> Box<Refusal> {
    let text =
        "this address is routed, and transactions are about stored ones: send and settle outside of the transaction";
    Refusal::new(Condition::NotImplemented, text)
}
