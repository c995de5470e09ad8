//! An owner's half of transactions that are about queues of several shards.
//!
//! Guarantees:
//! 1. What an owner said that it can do it can do until it is told what becomes of it: a link that holds deliveries which that ends stays as
//!    long, and so do the addresses and queues that messages of it go to, unless somebody deletes them.
//! 2. What it did is in one batch of the journal with a note that it did, which stays until nobody asks any more.
//!
//! Not here: whether a part can be done, and what doing it is (`transaction`), and who decides (`coordinating`).

use engine_catalogue::base;

use crate::command::{DetachMode, Modified, Outcome, Part, Publish};
use crate::core::Core;
use crate::ends::{End, EndRole, key};
use crate::fact::{DecisionId, Fact, Mark, Share};
use crate::key::EndKey;
use crate::limits::Storage;
use crate::step::{Asked, Step, What};

impl Core {
    /// Whether a part of a transaction over several shards can be done; it is kept then, and else rolled back.
    pub(crate) fn prepare_part(&mut self, asked: Asked, part: Part) {
        let what = match self.may_commit(&part) {
            Ok(_) => {
                let share = self.share_of(&part);
                self.transactions.prepared.parts.insert(asked, part);
                What::Prepared(share)
            }
            Err(refusal) => {
                self.roll_back(part);
                What::Refused(refusal)
            }
        };
        self.answer_step(asked, what);
    }

    /// What has to be remembered of a part, so that it can be done after a crash.
    fn share_of(&self, part: &Part) -> Share {
        let is_kept = self.config.storage == Storage::Journal;
        let outlives = |send: &&Publish| {
            let address = self.nodes.address(base(&send.address)).and_then(|key| self.nodes.addresses.get(key));
            is_kept && send.message.header.durable && address.is_none_or(|address| address.dynamic.is_none())
        };
        let sends = part.sends.iter().filter(outlives).cloned().collect();
        let marks = part.retired.iter().filter_map(|retired| {
            let end = key(retired.end);
            let End { role: EndRole::Consumer(consumer), .. } = self.nodes.ends.get(end)? else { return None };
            let queue = self.nodes.queues.get(consumer.queue)?;
            let (name, failures) = queue.failures(end, retired.key)?;
            let failures = match &retired.outcome {
                Outcome::Accepted => None,
                // Where it goes elsewhere it is at its place until it is there: whoever is given it again rejects it again.
                Outcome::Rejected(_) if queue.has_dead_letters() => return None,
                Outcome::Rejected(_) => None,
                Outcome::Modified(modified) if modified.delivery_failed => Some(failures.saturating_add(1)),
                Outcome::Released | Outcome::Modified(_) => return None,
            };
            Some(Mark { queue: queue.number()?, name, failures })
        });
        Share { owner: self.config.shard, sends, marks: marks.collect() }
    }

    /// Does what was asked; `marked` names the decision in its coordinator's journal that says so, if there is one.
    pub(crate) fn carry_out_part(&mut self, asked: Asked, marked: Option<u64>) {
        let Some(mut part) = self.transactions.prepared.parts.remove(&asked) else { return };
        let (addresses, closing) = (addresses_of(&part), std::mem::take(&mut part.closing));
        let since = self.journal.outbox.begin_together();
        self.do_part(part);
        if let Some(name) = marked {
            self.note_carried(asked, DecisionId { shard: asked.0, name });
        }
        self.journal.outbox.end_together(since);
        self.answer_step(asked, What::Done);
        if marked.is_some() {
            self.tell_kept(asked);
        }
        self.end_links(closing);
        self.let_go(&addresses);
    }

    /// Rolls back what was asked.
    pub(crate) fn forgo_part(&mut self, asked: Asked) {
        let Some(part) = self.transactions.prepared.parts.remove(&asked) else { return };
        let addresses = addresses_of(&part);
        self.roll_back(part);
        self.let_go(&addresses);
    }

    /// Nobody asks any more whether it was done.
    pub(crate) fn forget_note(&mut self, asked: Asked) {
        if let Some(note) = self.transactions.prepared.notes.remove(&asked) {
            self.forget_entry(note);
        }
    }

    /// Does, at a start, what a crash left of decisions. Whoever read the journal left out already what leaves by that.
    pub(crate) fn resume_shares(&mut self, shares: Vec<(Asked, DecisionId, Share)>) {
        for (asked, decision, share) in shares {
            let since = self.journal.outbox.begin_together();
            for Mark { queue, name, failures } in share.marks {
                match failures {
                    Some(count) => self.journal.failed(queue, name, count),
                    None => self.acknowledge(queue, name),
                }
            }
            // What has no place any more was for what was deleted since.
            self.do_part(Part { sends: share.sends, ..Part::default() });
            self.note_carried(asked, decision);
            self.journal.outbox.end_together(since);
            self.tell_kept(asked);
        }
    }

    /// What stayed for a part goes, if nothing else keeps it.
    fn let_go(&mut self, addresses: &[String]) {
        for address in addresses {
            let Some(address) = self.nodes.address(address) else { continue };
            let queues = self.nodes.addresses.get(address).map(|found| found.queues.on_demand().to_vec());
            queues.unwrap_or_default().into_iter().for_each(|queue| self.collect(queue));
            self.collect_address(address);
        }
    }

    /// Ends links behind a part that was about deliveries of them.
    pub(crate) fn end_links(&mut self, closing: Vec<(EndKey, DetachMode)>) {
        closing.into_iter().for_each(|(end, mode)| self.detach(key(end), mode));
    }

    fn note_carried(&mut self, asked: Asked, decision: DecisionId) {
        let queue = self.transactions_queue();
        let number = self.journal.numbers.take(1);
        self.journal.outbox.push(Fact::Carried { number, queue, decision });
        self.transactions.prepared.notes.insert(asked, number);
    }

    /// The coordinator hears of it when all that was done so far is on stable storage.
    fn tell_kept(&mut self, (coordinator, transaction): Asked) {
        let step = Step { from: self.config.shard, transaction, what: What::Kept };
        self.step_after(self.journal.numbers.last(), coordinator, step);
    }

    fn answer_step(&mut self, (coordinator, transaction): Asked, what: What) {
        self.tell_step(coordinator, Step { from: self.config.shard, transaction, what });
    }
}

/// The addresses that messages of a part go to, each once.
fn addresses_of(part: &Part) -> Vec<String> {
    let mut addresses: Vec<String> = part.sends.iter().map(|send| base(&send.address).to_owned()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

/// What becomes of a delivery that a transaction would have ended.
pub(crate) fn rolled_back() -> Outcome {
    Outcome::Modified(Box::new(Modified { delivery_failed: true, ..Modified::default() }))
}
