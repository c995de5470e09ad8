//! What a worker tells while a run goes on: counts and latencies of one group in one interval of time.
//!
//! Intervals are the only thing that is added up: the live view, the interval log, the warm-up's end and the result are all
//! made of them. Workers on other machines send them as JSON.
//!
//! Times are nanoseconds of the run: 0 is the moment at which all workers started.

use serde::{Deserialize, Serialize};

use crate::latency::Latencies;

/// Length of an interval, nanoseconds; the last one may be shorter.
pub const INTERVAL_NS: u64 = 1_000_000_000;

/// One group in one interval, as one worker saw it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interval {
    /// Who tells it, by number from 0.
    pub worker: u32,
    /// The group's place in the scenario.
    pub group: u32,
    /// When it began, nanoseconds of the run.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
    /// What happened in it.
    pub counts: Counts,
    /// Latencies of what came to its end in it.
    pub latencies: Latencies,
    /// Where the worker's producers ended, if all of them have sent what `count` gives them: when the next message of their schedules
    /// would have been due, or when the last one was sent, if that is later; told with its first group only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over_ns: Option<u64>,
    /// When messages passed again after connections had broken, all groups, if they did; told with the worker's first group only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed: Option<Box<Resumed>>,
}

/// When messages passed again after connections had broken, nanoseconds of the run: of each worker the first one each time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resumed {
    /// A message was accepted.
    pub accepted_ns: Vec<u64>,
    /// A message or a reply was received.
    pub received_ns: Vec<u64>,
}

/// Times of a run that are kept, of each kind; a server that goes away more often than that is known to.
const RESUMED_MAX: usize = 100_000;

impl Resumed {
    /// Adds `other`, as far as there is room.
    pub fn add(&mut self, other: &Self) {
        for (ours, theirs) in [(&mut self.accepted_ns, &other.accepted_ns), (&mut self.received_ns, &other.received_ns)]
        {
            ours.extend(theirs.iter().take(RESUMED_MAX.saturating_sub(ours.len())));
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.accepted_ns.is_empty() && self.received_ns.is_empty()
    }
}

/// What happened, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Messages that became due.
    pub due: u64,
    /// Messages sent.
    pub sent: u64,
    /// Messages that the server accepted.
    pub accepted: u64,
    /// Messages that it rejected, released or modified, and those of transactions that failed.
    pub refused: u64,
    /// Which of these came back how; keys of these like all others.
    #[serde(flatten)]
    pub returned: Returned,
    /// Messages received, replies not among them.
    pub received: u64,
    /// Replies received.
    pub replies: u64,
    /// Octets of bodies sent.
    pub sent_bytes: u64,
    /// Octets of bodies received.
    pub received_bytes: u64,
    /// Deliveries that consumers gave back as failed.
    pub failed: u64,
    /// What became of transactions; keys of these like all others.
    #[serde(flatten)]
    pub transactions: Transactions,
    /// Connections made.
    pub connected: u64,
    /// Connections that broke.
    pub broken: u64,
    /// Time for which producers had a due message and no credit or window for it, nanoseconds, summed over producers.
    pub blocked_ns: u64,
    /// Processor time of the worker's thread, nanoseconds; told with its first group only.
    pub cpu_ns: u64,
    /// Time in which the worker had nothing to do, nanoseconds; told with its first group only.
    pub idle_ns: u64,
}

/// Messages that came back, by their outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Returned {
    /// Rejected: invalid, says who was to take them.
    pub rejected: u64,
    /// Released: nobody took them.
    pub released: u64,
    /// Modified: they failed at whoever had them.
    pub modified: u64,
}

/// What became of transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transactions {
    /// Transactions committed.
    pub committed: u64,
    /// Transactions that failed.
    pub rolled_back: u64,
}

impl Counts {
    /// Adds `other`.
    pub fn add(&mut self, other: &Self) {
        self.due += other.due;
        self.sent += other.sent;
        self.accepted += other.accepted;
        self.refused += other.refused;
        self.returned.rejected += other.returned.rejected;
        self.returned.released += other.returned.released;
        self.returned.modified += other.returned.modified;
        self.received += other.received;
        self.replies += other.replies;
        self.sent_bytes += other.sent_bytes;
        self.received_bytes += other.received_bytes;
        self.failed += other.failed;
        self.transactions.committed += other.transactions.committed;
        self.transactions.rolled_back += other.transactions.rolled_back;
        self.connected += other.connected;
        self.broken += other.broken;
        self.blocked_ns += other.blocked_ns;
        self.cpu_ns += other.cpu_ns;
        self.idle_ns += other.idle_ns;
    }
}
