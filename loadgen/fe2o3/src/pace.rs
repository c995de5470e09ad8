//! Waits for moments more exactly than tokio's timers, whose unit is a millisecond: asleep until it is near, then
//! awake.

use std::time::Duration;

use engine_rt::monotonic_ns;

use crate::board::Board;

/// How long before a moment a task no longer sleeps, nanoseconds: the timer's millisecond, and the one that it rounds
/// up to.
const AWAKE_NS: u64 = 2_000_000;
/// Longest sleep, nanoseconds: an order to stop is heard within it.
const SLEEP_MAX_NS: u64 = 50_000_000;
/// A round of the executor that takes no longer than this did nothing but look, nanoseconds.
const LOOK_NS: u64 = 3_000;

/// What came of waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It is time.
    Due,
    /// The run stops before.
    Stopped,
}

/// Waits until a time of the run.
pub(crate) async fn until(board: &Board, due_ns: u64) -> Waited {
    loop {
        if due_ns >= board.with(|notes| notes.stop_ns) {
            return Waited::Stopped;
        }
        let left_ns = due_ns.saturating_sub(board.now_ns());
        if left_ns == 0 {
            return Waited::Due;
        }
        if left_ns > AWAKE_NS {
            tokio::time::sleep(Duration::from_nanos((left_ns - AWAKE_NS).min(SLEEP_MAX_NS))).await;
        } else {
            look(board).await;
        }
    }
}

/// Lets everything else have its turn; notes the time as idle if nothing did.
async fn look(board: &Board) {
    let from_ns = monotonic_ns();
    tokio::task::yield_now().await;
    let to_ns = monotonic_ns();
    if to_ns - from_ns <= LOOK_NS {
        board.with(|notes| {
            // Several may look at once: their time is the same time.
            notes.idle_ns += to_ns.saturating_sub(from_ns.max(notes.idle_until_ns));
            notes.idle_until_ns = to_ns;
        });
    }
}
