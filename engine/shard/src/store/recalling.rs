//! Messages that left memory while consumers held them, and came back, are read again.
//!
//! Guarantees: as for what is read ahead (`reading`): nothing is read before it is durable where it lies, a batch that does not
//! check is an error, and its segment stays until the read ended. Each read takes whole batches' worth of what is wanted of them;
//! the core knows the order, so that reads may end in any.

use std::collections::VecDeque;

use engine_core::{Core, Recall, Recalled};
use storage_journal::format::BLOCK;
use storage_journal::{BatchPlace, Buffer, Order, Place};

use super::reading::Purpose;
use super::{Store, StoreError};
use crate::limits::READS_MAX;

/// What one queue wants again and that is not being read yet.
#[derive(Debug)]
pub(super) struct Wanted {
    pub queue: u64,
    messages: VecDeque<Recalled>,
}

/// A batch that is read for messages of one queue.
#[derive(Debug)]
pub(super) struct Recalling {
    queue: u64,
    /// In the order of their names.
    messages: Vec<Recalled>,
    place: Place,
}

impl Store {
    /// Takes what the core wants again, and orders reads as far as it is durable and the disk takes them.
    pub(super) fn take_recalls(&mut self, core: &mut Core) {
        while let Some(Recall { queue, messages }) = core.poll_recall() {
            self.wanted.push_back(Wanted { queue, messages: messages.into() });
        }
        self.recall();
    }

    pub(super) fn recall(&mut self) {
        while self.reads.len() + self.recalls.len() + self.browsing.len() < READS_MAX
            && let Some(first) = self.wanted.front_mut()
        {
            let Some(&message) = first.messages.front() else {
                self.wanted.pop_front();
                continue;
            };
            let queue = first.queue;
            // What was written again may be on its way to the disk still.
            let Some(batch) = self.batch_of(queue, message.name) else { return };
            let mut messages = Vec::new();
            while let Some(wanted) = self.wanted.front_mut()
                && let Some(&next) = wanted.messages.front()
                && self.batch_of(queue, next.name) == Some(batch)
            {
                messages.push(next);
                self.wanted.front_mut().and_then(|wanted| wanted.messages.pop_front());
            }
            // Names of both kinds may lie in a batch.
            messages.sort_unstable_by_key(|message| message.name);
            self.read_batch(queue, messages, batch);
        }
    }

    /// Where a message that is not in memory lies, if that is durable: its segment, and the blocks of its batch.
    fn batch_of(&self, queue: u64, name: u64) -> Option<(u64, u32, u32)> {
        let number = self.number_of(queue, name);
        if !self.durable.covers(number) {
            return None;
        }
        let BatchPlace { segment, block, blocks, .. } =
            self.segments.place_of(number).expect("what is needed lies in a segment");
        Some((segment, block, blocks))
    }

    fn read_batch(&mut self, queue: u64, messages: Vec<Recalled>, (segment, block, blocks): (u64, u32, u32)) {
        self.next_read += 1;
        let id = self.next_read;
        let place = Place { segment, offset: u64::from(block) * BLOCK as u64 };
        self.segments.handle_read(segment);
        let buffer = self.buffers.take(blocks as usize * BLOCK);
        self.recalls.insert(id, Recalling { queue, messages, place });
        self.orders.push_back(Order::Read { id, place, buffer });
    }

    /// A batch was read: what is wanted of it is given to the core.
    pub(super) fn handle_recalled(
        &mut self,
        core: &mut Core,
        recalling: &Recalling,
        buffer: Buffer,
    ) -> Result<(), StoreError> {
        let Recalling { queue, messages, place } = recalling;
        self.segments.handle_read_done(place.segment);
        if !self.queues.contains_key(queue) {
            return Ok(());
        }
        let wanted = |name: u64| messages.binary_search_by_key(&name, |message| message.name).is_ok();
        let found = self.messages_in(*queue, *place, buffer, messages.len(), Purpose::Take, wanted)?;
        assert_eq!(found.len(), messages.len(), "a batch has the messages that were put into it");
        self.totals.recalled += found.len() as u64;
        for (Recalled { sequence, .. }, (_, message)) in messages.iter().zip(found) {
            core.handle_recalled(*queue, *sequence, message);
        }
        Ok(())
    }
}
