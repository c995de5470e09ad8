//! How far the journal reaches, for its manifest: what is known to have been written is missed when it is gone.
//!
//! Guarantees: the manifest is told of a batch only when that is on this node's stable storage; a journal that rests is known to
//! its end. It is never waited for by a message: another thread of the disk writes it, once for a pause or a second
//! (`VOUCH_NS`), and with each segment.

use storage_journal::Order;

use super::Store;
use crate::limits::VOUCH_NS;

/// What the manifest was told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vouched {
    /// The last batch that it knows of.
    batch: u64,
    /// Whether it is being told of another one.
    writing: Option<u64>,
    /// When that began.
    since_ns: u64,
}

impl Vouched {
    /// A manifest that knows of the last batch of a journal that was read.
    pub fn new(batch: u64) -> Self {
        Self { batch, writing: None, since_ns: 0 }
    }

    /// The manifest was told.
    pub fn handle_vouched(&mut self, batch: u64) {
        self.batch = self.batch.max(batch);
        self.writing = None;
    }
}

impl Store {
    /// Has the manifest told, if the journal rests or it was not told for long.
    pub(super) fn vouch(&mut self, now_ns: u64) {
        let Vouched { batch, writing, since_ns } = self.vouched;
        let due = self.writing.has_ended() || now_ns >= since_ns + VOUCH_NS;
        let written = self.writing.written_batch();
        if writing.is_none() && written > batch && due {
            self.vouched = Vouched { batch, writing: Some(written), since_ns: now_ns };
            self.orders.push_back(Order::Vouch { batch: written });
        }
    }

    /// Whether nothing is to be written any more: what is not on stable storage, the mark behind it, or how far that
    /// reaches.
    pub fn is_resting(&self) -> bool {
        self.writing.has_ended() && self.writing.written_batch() <= self.vouched.batch
    }
}
