//! What a journal asks of its disk, and what the disk answers.

use std::io;

use crate::buffer::Buffer;
use crate::writer::Place;

/// Something for the disk to do.
#[derive(Debug)]
pub enum Order {
    /// Write a batch and bring it to stable storage. Batches are written in the order of these.
    Write {
        /// Where.
        place: Place,
        /// What; whole blocks.
        buffer: Buffer,
    },
    /// Read from a segment.
    Read {
        /// Named in the answer.
        id: u64,
        /// From where.
        place: Place,
        /// Where to; it is as long as what is to be read.
        buffer: Buffer,
    },
    /// Make a segment ready to be written, with its header on stable storage, and then in the manifest.
    Prepare {
        /// Its number.
        segment: u64,
        /// A segment that is no longer needed, whose file serves again once the manifest says so.
        reuse: Option<u64>,
        /// What is to stay free on the disk behind it.
        margin: Margin,
        /// The oldest segment that is needed.
        first: u64,
        /// The last batch on stable storage.
        batch: u64,
        /// The last batch that was begun: that earlier segments are not needed follows from it and those before.
        firm: u64,
    },
    /// Write a checkpoint as a whole; the one before the last may go.
    Checkpoint {
        /// The segment that a replay goes on with.
        segment: u64,
        /// The file's contents.
        bytes: Vec<u8>,
    },
    /// Delete the file of a segment that is no longer needed, once the manifest says so.
    Remove {
        /// Its number.
        segment: u64,
        /// The oldest segment that is needed.
        first: u64,
        /// As when one is prepared.
        firm: u64,
    },
    /// Have the manifest say how far the journal reaches.
    Vouch {
        /// The last batch on stable storage.
        batch: u64,
    },
    /// Delete the file of a large message that is no longer needed.
    Discard {
        /// The file's id.
        id: u64,
    },
}

/// How much of what the disk leaves to others a new segment may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Margin {
    /// Nothing.
    All,
    /// Half of it: nothing can be written any more, and what waits are acknowledgements that will make room.
    Half,
}

/// What became of an order.
#[derive(Debug)]
pub enum Done {
    /// The batch is on stable storage, and all before it.
    Written {
        /// The batch's buffer, for a later one.
        buffer: Buffer,
    },
    /// What was read.
    Read {
        /// As in the order.
        id: u64,
        /// The contents.
        buffer: Buffer,
    },
    /// The segment is ready.
    Prepared {
        /// Its number.
        segment: u64,
    },
    /// The disk has no room for the segment: ask again later.
    NoRoom {
        /// Its number.
        segment: u64,
        /// The segment whose file was to serve again, if it was not touched.
        reuse: Option<u64>,
    },
    /// The checkpoint is on stable storage.
    Checkpointed {
        /// As in the order.
        segment: u64,
    },
    /// The disk has no room for the checkpoint, which is no harm.
    NotCheckpointed,
    /// The manifest says how far the journal reaches.
    Vouched {
        /// As in the order.
        batch: u64,
    },
    /// The disk failed. What was written before may be there or not: the node stops.
    Failed {
        /// What was done.
        what: &'static str,
        /// Why it failed.
        error: io::Error,
    },
}
