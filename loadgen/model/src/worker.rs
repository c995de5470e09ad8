//! What a coordinator and its workers say to each other, whether they are threads of one process or on several machines.
//!
//! A worker is a thread that does its share of a scenario. It connects when it is made and says `Ready`; at `Start` its clock begins, at `Stop` it sends
//! nothing more, waits for what is under way (at most the scenario's `drain`), and says `Done`. It says `Interval` for each group
//! and second, and `Tries` while connections are down that it makes again. When a connection breaks that is not to be made again it says
//! `Lost`, and in a run that has begun everything else that it knows behind it, up to `Done`; whatever it cannot do ends with `Failed`.
//!
//! Guarantee: which worker has which link follows from the scenario and the number of workers alone (`Share`), and when a message is due
//! follows from the scenario alone, so that the same scenario is the same load however many workers do it.

use serde::{Deserialize, Serialize};

use crate::interval::Interval;
use crate::ledger::Ledger;

/// One worker of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Which one, from 0.
    pub worker: u32,
    /// How many there are.
    pub workers: u32,
}

impl Share {
    /// Whether a link of a group is this worker's. `unit` counts producers first, then consumers, so that one producer and one
    /// consumer go to two workers if there are two.
    pub fn has(self, unit: u32) -> bool {
        unit % self.workers.max(1) == self.worker
    }
}

/// From the coordinator to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The run begins.
    Start {
        /// When, by the worker's own monotonic clock, nanoseconds (`engine_rt::monotonic_ns`); a moment in the near future.
        origin_ns: u64,
        /// Which run it is: every message carries it, so that those of an earlier run are told apart.
        #[serde(default)]
        run: u32,
    },
    /// What was due before this time of the run and ends behind it gives no latency: it belongs to the warm-up. Counted by when they
    /// end, messages of the warm-up that took long would be among those that are measured, and none would be missing for them.
    Measure {
        /// Nanoseconds of the run.
        from_ns: u64,
    },
    /// Nothing that is due at or after this time of the run is sent.
    Stop {
        /// Nanoseconds of the run.
        at_ns: u64,
    },
    /// End at once, without waiting for anything.
    Abort,
}

/// What a worker does about connections that are down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tries {
    /// How many are down; 0: none any more.
    pub down: u32,
    /// How often the one that was tried most was.
    pub attempts: u32,
    /// Why the last attempt failed, for people.
    pub why: String,
    /// When it gives up, nanoseconds from now; absent: when the run is over.
    pub left_ns: Option<u64>,
}

/// From a worker to the coordinator.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// All its links are attached.
    Ready {
        /// Who tells it, by number from 0.
        worker: u32,
        /// Product and version that the server said of itself; empty if it has no connection or the server says nothing.
        product: String,
        /// The server's container id.
        container: String,
    },
    /// Connections are down, and it tries to make them; told about once a second, and once when all are there again.
    Tries {
        /// Who tells it, by number from 0.
        worker: u32,
        /// What it does.
        tries: Tries,
    },
    /// A group in an interval.
    Interval(Interval),
    /// The server is gone, or was never there: this worker ends.
    Lost {
        /// Who tells it, by number from 0.
        worker: u32,
        /// When, nanoseconds of the run; absent when it had not begun, and then nothing more is told.
        at_ns: Option<u64>,
        /// Why, for people.
        why: String,
    },
    /// It came to its end, and tells nothing more.
    Done {
        /// Who tells it, by number from 0.
        worker: u32,
        /// What it sent and what it received.
        ledger: Ledger,
    },
    /// It could not go on.
    Failed {
        /// Who tells it, by number from 0.
        worker: u32,
        /// Why, for people.
        why: String,
    },
}
