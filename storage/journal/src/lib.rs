//! The journal of one shard as machines: records go into batches, batches into segments, and come back after a crash. What a record
//! means it does not know.
//!
//! Guarantees: what was sealed and reached stable storage is replayed, in order; a batch that did not get there whole is cut
//! off at the end and is never seen in part; anything else that does not check is told with segment and offset. Nothing here
//! does I/O, reads a clock, or trusts a length that it read. The format is `docs/journal-format.md`.
#![forbid(unsafe_code)]

mod buffer;
mod checkpoint;
mod cut;
mod fault;
pub mod format;
mod manifest;
mod number;
mod order;
pub mod record;
mod replay;
mod salvage;
mod segments;
mod shared;
mod walk;
mod writer;

pub use buffer::Buffer;
pub use checkpoint::{open_checkpoint, seal_checkpoint};
pub use cut::{Cut, CutSearch, CutStep, CutTail, Keep, NoCut};
pub use fault::{Fault, FaultKind};
pub use manifest::{Manifest, ManifestFound, ManifestTail, Owner, SegmentFound};
pub use number::{LOCAL, Reach};
pub use order::{Done, Margin, Order};
pub use record::{Part, Record, RecordHeader, Unknown};
pub use replay::{Batch, Ended, Replay, read_batches};
pub use salvage::{End, Gap, Piece, Salvage, salvage_batches};
pub use segments::{BatchPlace, BatchStart, Entries, Freed, Living, SegmentState, Segments};
pub use shared::{SharedPart, read_parts};
pub use walk::SegmentPart;
pub use writer::{BATCH_MAX, Full, LogPosition, NotTaken, Place, Position, Sealed, Writer};
