//! Messages that left memory while consumers held them, and came back, are read again.
//!
//! Guarantees: as for what is read ahead (`reading`): nothing is read before it is written where it lies, a batch that does not
//! check is an error, and its segment stays until the read ended. Each read takes whole batches' worth of what is wanted of them;
//! the core knows the order, so that reads may end in any.

use engine_core::{Core, JournalReport, Recalled};
use storage_journal::format::BLOCK;
use storage_journal::{BatchPlace, Buffer, Place};

use super::reading::Purpose;
use super::reads::{Reader, Recalling};
use super::{Store, StoreError};

impl Store {
    /// Orders reads of what queues want again, as far as it is written and the disk takes them.
    pub(super) fn recall(&mut self) {
        while self.reads.has_room()
            && let Some(first) = self.queues.recalls().front_mut()
        {
            let Some(&message) = first.messages.front() else {
                self.queues.recalls().pop_front();
                continue;
            };
            let queue = first.queue;
            // What was written again may be on its way to the disk still.
            let Some(batch) = self.batch_of(queue, message.name) else { return };
            let mut messages = Vec::new();
            while let Some(wanted) = self.queues.recalls().front_mut()
                && let Some(&next) = wanted.messages.front()
                && self.batch_of(queue, next.name) == Some(batch)
            {
                messages.push(next);
                self.queues.recalls().front_mut().and_then(|wanted| wanted.messages.pop_front());
            }
            // Names of both kinds may lie in a batch.
            messages.sort_unstable_by_key(|message| message.name);
            self.read_batch(queue, messages, batch);
        }
    }

    /// Where a message that is not in memory lies, if that is written: its segment, and the blocks of its batch.
    fn batch_of(&self, queue: u64, name: u64) -> Option<(u64, u32, u32)> {
        let number = self.needed.number_of(queue, name);
        if !self.writing.written().covers(number) {
            return None;
        }
        let BatchPlace { segment, block, blocks, .. } =
            self.needed.segments().place_of(number).expect("what is needed lies in a segment");
        Some((segment, block, blocks))
    }

    fn read_batch(&mut self, queue: u64, messages: Vec<Recalled>, (segment, block, blocks): (u64, u32, u32)) {
        let place = Place { segment, offset: u64::from(block) * BLOCK as u64 };
        self.read(Reader::Recall(Recalling { queue, messages, place }), place, blocks as usize * BLOCK);
    }

    /// A batch was read: what is wanted of it is given to the core.
    pub(super) fn handle_recalled(
        &mut self,
        core: &mut Core,
        recalling: &Recalling,
        buffer: Buffer,
    ) -> Result<(), StoreError> {
        let Recalling { queue, messages, place } = recalling;
        if !self.queues.contains(*queue) {
            self.reads.give_back(buffer);
            return Ok(());
        }
        let wanted = |name: u64| messages.binary_search_by_key(&name, |message| message.name).is_ok();
        let found = self.messages_in(*queue, *place, buffer, messages.len(), Purpose::Take, wanted)?;
        assert_eq!(found.len(), messages.len(), "a batch has the messages that were put into it");
        self.totals.recalled += found.len() as u64;
        let found = messages.iter().zip(found);
        let messages = found.map(|(recalled, (_, message))| (recalled.sequence, message)).collect();
        core.handle_journal(JournalReport::Recalled { queue: *queue, messages });
        Ok(())
    }
}
