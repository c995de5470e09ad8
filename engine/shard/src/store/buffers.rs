//! Memory for what is read: shared by the bodies in it, used again when the last of them is gone.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use storage_journal::Buffer;

use crate::limits::{AREA_BYTES_USUAL, READS_MAX};

/// Memory that bodies share. It serves again when the last of them is gone, on whichever shard that is.
struct Area {
    buffer: Option<Buffer>,
    home: SyncSender<Buffer>,
}

impl AsRef<[u8]> for Area {
    fn as_ref(&self) -> &[u8] {
        self.buffer.as_ref().map_or(&[], Buffer::bytes)
    }
}

impl Drop for Area {
    fn drop(&mut self) {
        // More than are kept are given back to the system.
        self.buffer.take().into_iter().for_each(|buffer| drop(self.home.try_send(buffer)));
    }
}

/// Buffers for reads: to make a new one costs more than to read into it.
#[derive(Debug)]
pub(super) struct Buffers {
    home: SyncSender<Buffer>,
    free: Receiver<Buffer>,
}

impl Buffers {
    pub fn new() -> Self {
        let (home, free) = sync_channel(READS_MAX);
        Self { home, free }
    }

    pub fn take(&self, bytes: usize) -> Buffer {
        let used = self.free.try_recv().ok().filter(|buffer| buffer.capacity() >= bytes);
        let mut buffer = used.unwrap_or_else(|| Buffer::with_capacity(bytes.max(AREA_BYTES_USUAL)));
        buffer.resize(bytes);
        buffer
    }

    pub fn share(&self, buffer: Buffer) -> Bytes {
        Bytes::from_owner(Area { buffer: Some(buffer), home: self.home.clone() })
    }

    pub fn give_back(&self, buffer: Buffer) {
        // As when an area is dropped.
        drop(self.home.try_send(buffer));
    }
}
