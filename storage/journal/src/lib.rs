//! The journal of one shard as machines: records go into batches, batches into segments, and come back after a crash.
//!
//! Guarantees: what was sealed and reached stable storage is replayed, in order; a batch that did not get there whole is cut
//! off at the end and is never seen in part; anything else that does not check is told with segment and offset. Nothing here
//! does I/O, reads a clock, or trusts a length that it read. The format is `docs/journal-format.md`.
#![forbid(unsafe_code)]

pub mod format;
mod liveness;
pub mod record;
mod replay;
mod writer;

pub use liveness::Liveness;
pub use record::{Location, Record};
pub use replay::{Ended, Fault, FaultKind, Replay};
pub use writer::{Appended, Sealed, Writer};
