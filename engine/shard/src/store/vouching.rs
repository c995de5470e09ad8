//! How far the journal reaches, for its manifest: what is known to have been written is missed when it is gone.
//!
//! Guarantees: the manifest is told of a batch only when that is on stable storage; a journal that rests is known to
//! its end. It is never waited for by a message: another thread of the disk writes it, once for a pause or a second
//! (`VOUCH_NS`), and with each segment.

use storage_journal::Order;

use super::{Store, Tail};
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
        let due = self.has_ended() || now_ns >= since_ns + VOUCH_NS;
        if writing.is_none() && self.durable_batch > batch && due {
            self.vouched = Vouched { batch, writing: Some(self.durable_batch), since_ns: now_ns };
            self.orders.push_back(Order::Vouch { batch: self.durable_batch });
        }
    }

    /// Whether everything is on stable storage, and the mark behind it.
    pub(super) fn has_ended(&self) -> bool {
        !self.is_busy() && self.tail == Tail::Marked
    }

    /// Whether nothing is to be written any more: what is not on stable storage, the mark behind it, or how far that
    /// reaches.
    pub fn is_resting(&self) -> bool {
        self.has_ended() && self.durable_batch <= self.vouched.batch
    }
}
