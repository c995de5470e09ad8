//! The coordinator of transactions that are about queues of several shards: the shard of the connection that commits.
//!
//! It asks all owners, decides, has the decision written, and has it carried out. Its own part is done with the decision, in one batch.
//!
//! Guarantees:
//! 1. All owners do their parts, or none does: no owner is told to before the decision is on stable storage, if anything of theirs outlives
//!    the node, and what is decided is carried out, after a crash too (`Core::resume_transactions`).
//! 2. Whoever commits hears of it when all have done it. By then it is on stable storage: in the decision, if not in owners' journals.
//! 3. A decision is forgotten when all owners have it on stable storage that they did their parts; then they forget that.
//! 4. So many are under way and no more: further commits are refused.
//!
//! Not here: what an owner does (`prepared`).

use std::collections::BTreeMap;

use engine_message::Condition;

use crate::command::{Outcome, Part, Settled};
use crate::commits::{Commit, Written};
use crate::core::Core;
use crate::event::{Event, Refusal};
use crate::exchange::Room;
use crate::fact::{Fact, Share, TRANSACTIONS};
use crate::key::{LinkKey, Port};
use crate::limits::COMMITS_MAX;
use crate::step::{Committer, Resumed, Step, Undone, What};

impl Core {
    /// A transaction about queues of several shards is committed; gives the first steps, to be sent to their shards before anything else is.
    #[must_use]
    pub fn coordinate(&mut self, by: Committer, mut parts: BTreeMap<u16, Part>) -> Vec<(u16, Step)> {
        let from = self.config.shard;
        let own = parts.remove(&from);
        let looked = self.may_begin().and_then(|()| own.as_ref().map_or(Ok(0), |part| self.may_commit(part)));
        if let Err(refusal) = looked {
            let undo = |(owner, part)| (owner, Step { from, transaction: 0, what: What::Undo(part) });
            let steps = parts.into_iter().map(undo).collect();
            own.into_iter().for_each(|part| self.roll_back(part));
            self.refuse_commit(by, &refusal);
            return steps;
        }
        self.transactions.last += 1;
        let transaction = self.transactions.last;
        let shares = parts.keys().map(|&owner| (owner, None)).collect();
        let commit = Commit { by, own, shares, refusal: None, decision: None, undone: 0, unkept: 0 };
        self.transactions.commits.insert(transaction, commit);
        let prepare = |(owner, part)| (owner, Step { from, transaction, what: What::Prepare(part) });
        parts.into_iter().map(prepare).collect()
    }

    /// How many transactions over several shards this one is committing.
    #[must_use]
    pub fn committing(&self) -> usize {
        self.transactions.committing()
    }

    fn may_begin(&self) -> Result<(), Box<Refusal>> {
        let refuse = |text: &str| Err(Refusal::new(Condition::ResourceLimitExceeded, text));
        if self.transactions.committing() >= COMMITS_MAX {
            return refuse("its shard is committing as many transactions over several shards as it may: try again");
        }
        match self.journal.disk.room {
            Room::Plenty | Room::Busy => Ok(()),
            Room::Little | Room::None => refuse(
                "the disk is full or files cannot be made (the log says which), and what is decided would be kept there",
            ),
        }
    }

    /// Takes a step of a transaction over several shards.
    pub fn handle_step(&mut self, step: Step) {
        let Step { from, transaction, what } = step;
        let asked = (from, transaction);
        match what {
            What::Prepare(part) => self.prepare_part(asked, part),
            What::Undo(part) => self.roll_back(part),
            What::CarryOut { marked } => self.carry_out_part(asked, marked),
            What::RollBack => self.forgo_part(asked),
            What::Forget => self.forget_note(asked),
            What::Prepared(share) => self.handle_answer(transaction, from, Ok(share)),
            What::Refused(refusal) => self.handle_answer(transaction, from, Err(refusal)),
            What::Decided => self.have_carried_out(transaction),
            What::Done => self.handle_part_done(transaction),
            What::Kept => self.handle_part_kept(transaction),
            What::Forgotten => self.have_forgotten(transaction),
        }
    }

    /// An owner can do its part, or not. When all have answered it is decided.
    fn handle_answer(&mut self, transaction: u64, owner: u16, answer: Result<Share, Box<Refusal>>) {
        let Some(commit) = self.transactions.commits.get_mut(&transaction) else { return };
        match answer {
            Ok(share) => drop(commit.shares.insert(owner, Some(share))),
            Err(refusal) => {
                commit.shares.remove(&owner);
                commit.refusal.get_or_insert(refusal);
            }
        }
        if commit.shares.values().any(Option::is_none) {
            return;
        }
        let own = commit.own.take().unwrap_or_default();
        let decided = match commit.refusal.take() {
            Some(refusal) => Err((own, refusal)),
            None => self.decide(transaction, own),
        };
        if let Err((own, refusal)) = decided {
            self.give_up_commit(transaction, own, &refusal);
        }
    }

    /// Decides that all is done, and does the coordinator's own part, unless that cannot be any more.
    fn decide(&mut self, transaction: u64, mut own: Part) -> Result<(), (Part, Box<Refusal>)> {
        let shares = self.transactions.commits.get(&transaction).map(|commit| commit.lasting_shares());
        let shares = shares.unwrap_or_default();
        let looked = self.may_commit(&own).and_then(|bytes| {
            let all = shares.iter().map(Share::bytes).fold(bytes, u64::saturating_add);
            self.check_bytes(all)
        });
        if let Err(refusal) = looked {
            return Err((own, refusal));
        }
        let before = self.journal.numbers.last();
        let since = self.journal.outbox.begin_together();
        let closing = std::mem::take(&mut own.closing);
        self.do_part(own);
        let decision = (!shares.is_empty()).then(|| {
            let owners = shares.iter().map(|share| share.owner).collect();
            let queue = self.transactions_queue();
            let name = self.journal.numbers.take(1);
            self.journal.outbox.push(Fact::Decided { number: name, queue, shares: shares.into() });
            Written { name, owners }
        });
        self.journal.outbox.end_together(since);
        self.end_links(closing);
        if let Some(commit) = self.transactions.commits.get_mut(&transaction) {
            commit.decision = decision;
        }
        let last = self.journal.numbers.last();
        self.step_to_self(if last > before { last } else { 0 }, transaction, What::Decided);
        Ok(())
    }

    /// Nothing of a transaction is done.
    fn give_up_commit(&mut self, transaction: u64, own: Part, why: &Refusal) {
        self.roll_back(own);
        let Some(Commit { by, shares, .. }) = self.transactions.commits.remove(&transaction) else { return };
        for owner in shares.into_keys() {
            self.tell_step(owner, Step { from: self.config.shard, transaction, what: What::RollBack });
        }
        self.refuse_commit(by, why);
    }

    /// The decision is on stable storage, if it has to be.
    fn have_carried_out(&mut self, transaction: u64) {
        let Some(commit) = self.transactions.commits.get_mut(&transaction) else { return };
        let Written { name, owners } = commit.decision.clone().unwrap_or(Written { name: 0, owners: Vec::new() });
        (commit.undone, commit.unkept) = (commit.shares.len(), owners.len());
        for owner in std::mem::take(&mut commit.shares).into_keys() {
            let marked = owners.contains(&owner).then_some(name);
            self.tell_step(owner, Step { from: self.config.shard, transaction, what: What::CarryOut { marked } });
        }
    }

    /// An owner did its part.
    fn handle_part_done(&mut self, transaction: u64) {
        let Some(commit) = self.transactions.commits.get_mut(&transaction) else { return };
        commit.undone = commit.undone.saturating_sub(1);
        let Committer { link, delivery, settled } = commit.by;
        if commit.undone == 0 && settled == Settled::No {
            let accepted = Event::Settled { first: delivery, last: delivery, outcome: Outcome::Accepted };
            self.events.push_back((link, accepted));
        }
        self.end_commit(transaction);
    }

    /// What an owner did is on stable storage.
    fn handle_part_kept(&mut self, transaction: u64) {
        let Some(commit) = self.transactions.commits.get_mut(&transaction) else { return };
        commit.unkept = commit.unkept.saturating_sub(1);
        self.end_commit(transaction);
    }

    /// Nothing is left to do of a transaction, unless there is.
    fn end_commit(&mut self, transaction: u64) {
        let Some(commit) = self.transactions.commits.get(&transaction) else { return };
        if commit.undone > 0 || commit.unkept > 0 {
            return;
        }
        match commit.decision.as_ref().map(|written| written.name) {
            Some(name) => {
                self.forget_entry(name);
                self.step_to_self(self.journal.numbers.last(), transaction, What::Forgotten);
            }
            None => drop(self.transactions.commits.remove(&transaction)),
        }
    }

    /// Nothing asks any more whether owners did their parts.
    fn have_forgotten(&mut self, transaction: u64) {
        let Some(commit) = self.transactions.commits.remove(&transaction) else { return };
        for owner in commit.decision.into_iter().flat_map(|written| written.owners) {
            self.tell_step(owner, Step { from: self.config.shard, transaction, what: What::Forget });
        }
    }

    /// Goes on after a restart with what a crash left, when all that the journal has was told.
    pub fn resume_transactions(&mut self, resumed: Resumed) {
        let nobody = Committer { link: LinkKey::at(Port::Shard, 0, 0, 0), delivery: 0, settled: Settled::Yes };
        for Undone { transaction, name, owners, unkept } in resumed.decisions {
            self.transactions.last = self.transactions.last.max(transaction);
            let (shares, decision) = (BTreeMap::new(), Some(Written { name, owners }));
            let commit = Commit { by: nobody, own: None, shares, refusal: None, decision, undone: 0, unkept };
            self.transactions.commits.insert(transaction, commit);
            self.end_commit(transaction);
        }
        self.resume_shares(resumed.shares);
        resumed.notes.into_iter().for_each(|(asked, name)| self.transactions.prepared.resume_note(asked, name));
        resumed.stale.into_iter().for_each(|name| self.forget_entry(name));
    }

    /// The queue of decisions and notes in the journal. It is in the journal only: nobody consumes from it.
    pub(crate) fn transactions_queue(&mut self) -> u64 {
        if let Some(queue) = self.transactions.queue {
            return queue;
        }
        let queue = self.declare_internal(TRANSACTIONS);
        self.transactions.queue = Some(queue);
        queue
    }

    /// A decision or note need not be kept any more.
    pub(crate) fn forget_entry(&mut self, name: u64) {
        let queue = self.transactions_queue();
        self.acknowledge(queue, name);
    }

    /// A message leaves a queue of the journal that nobody has in memory.
    pub(crate) fn acknowledge(&mut self, queue: u64, name: u64) {
        let number = self.journal.numbers.take(1);
        self.journal.outbox.push(Fact::Acknowledged { number, queue, first: name, last: name });
    }

    fn refuse_commit(&mut self, by: Committer, why: &Refusal) {
        if by.settled == Settled::No {
            let text = format!("the transaction was rolled back: {}", why.description);
            self.refuse(by.link, by.delivery, Refusal::new(Condition::TransactionRollback, text));
        }
    }

    fn step_to_self(&mut self, number: u64, transaction: u64, what: What) {
        let from = self.config.shard;
        self.step_after(number, from, Step { from, transaction, what });
    }

    /// Tells a shard a step when the journal has reached `number`.
    pub(crate) fn step_after(&mut self, number: u64, shard: u16, step: Step) {
        self.tell_after(number, LinkKey::at(Port::Shard, shard, 0, 0), Event::Step(Box::new(step)));
    }

    pub(crate) fn tell_step(&mut self, shard: u16, step: Step) {
        self.events.push_back((LinkKey::at(Port::Shard, shard, 0, 0), Event::Step(Box::new(step))));
    }
}
