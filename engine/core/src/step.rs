//! What shards tell each other of a transaction that is about queues of several of them: its coordinator, which is the shard of its
//! connection, asks all owners, decides, and has them do it (decision 0019).
//!
//! Not here: what the coordinator does (`coordinating`), and what an owner does (`prepared`).

use crate::command::{Part, Settled};
use crate::event::Refusal;
use crate::fact::{DecisionId, Mark, Share};
use crate::key::LinkKey;

/// Whoever hears what became of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committer {
    /// The coordinator's link.
    pub link: LinkKey,
    /// The home's number for the delivery that commits.
    pub delivery: u32,
    /// Whether an answer is wanted.
    pub settled: Settled,
}

/// Who asks, and of which transaction: the coordinator's shard, and its number there.
pub type Asked = (u16, u64);

/// A decision of this shard's that a crash left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The number that the transaction has from now on.
    pub transaction: u64,
    /// The decision's name in this shard's journal.
    pub name: u64,
    /// The owners that it has something of.
    pub owners: Vec<u16>,
    /// How many of them do it now.
    pub unkept: usize,
}

/// What a shard goes on with after a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resumed {
    /// Its own decisions.
    pub decisions: Vec<Undone>,
    /// Its shares of all that it has not done.
    pub shares: Vec<(Asked, DecisionId, Share)>,
    /// The names of notes that it did its share, of decisions that are still there.
    pub notes: Vec<(Asked, u64)>,
    /// The names of other notes.
    pub stale: Vec<u64>,
}

/// One step of a transaction over several shards. Steps of one shard to another arrive in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The shard that tells.
    pub from: u16,
    /// The coordinator's number for the transaction.
    pub transaction: u64,
    /// What is told.
    pub what: What,
}

/// What a step says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// To an owner: whether it can do this. Answered by `Prepared`, and kept; or by `Refused`, and rolled back.
    Prepare(Part),
    /// To an owner: this is rolled back, of which it was not asked.
    Undo(Part),
    /// Of an owner: it can, and keeps what has to be remembered of it like this. Its address is of the owner.
    Prepared(Share),
    /// Of an owner: it cannot.
    Refused(Box<Refusal>),
    /// To the coordinator itself: its decision is on stable storage.
    Decided,
    /// To an owner: it is to do what it was asked; `marked` names the decision that a crash would leave to be carried out.
    CarryOut {
        /// The decision's name in its coordinator's journal.
        marked: Option<u64>,
    },
    /// Of an owner: it is done, and to be seen as far as it need not be durable.
    Done,
    /// Of an owner: what is done is on stable storage, and so is that it is.
    Kept,
    /// To an owner: what it was asked is rolled back.
    RollBack,
    /// To the coordinator itself: its decision is durably gone.
    Forgotten,
    /// To an owner: nobody asks any more whether it was done.
    Forget,
}

impl Share {
    /// Whether nothing of it has to be remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.marks.is_empty()
    }

    /// About how much it is when it is written, octets; a little more.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        /// Beside a message's body and address.
        const SEND: u64 = 64;
        let sends = self.sends.iter().map(|send| SEND + send.address.len() as u64 + send.message.body.len() as u64);
        sends.sum::<u64>() + (self.marks.len() * size_of::<Mark>()) as u64 + SEND
    }
}
