//! Workers on other machines: each is a process that listens for a coordinator, does its share of a run, and tells what it did.
//!
//! A coordinator connects to all, measures how their clocks differ from its own, gives each its share, and then sees them as it sees
//! threads of its own process: orders go in, intervals and ledgers come out. Messages are lines of JSON over TCP (`wire`).
//!
//! Guarantees:
//! 1. Latencies between two machines are given only as far as their clocks support it: the offset of each is measured before and behind
//!    the run, and what is left unknown is a bound (`clock`). Where that is too much for what was measured, they are taken out of the
//!    result (`one_way`). Latencies from accept to accept, and of rounds, are of one worker's clock and need none of this.
//! 2. A worker that goes away, or falls silent, fails the run with its address; a coordinator that goes away ends its workers' load.
//! 3. Whoever does not know the secret of a worker gets nothing from it. Nothing is encrypted: secrets and passwords are for networks
//!    that are trusted, or for tunnels.

mod clock;
mod coordinator;
mod one_way;
mod wire;
mod worker;

pub use coordinator::{Remote, RemoteError};
pub use one_way::refuse_one_way;
pub use worker::{Site, Start};
