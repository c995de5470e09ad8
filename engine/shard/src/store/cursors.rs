//! Backlogs are read for cursors, and stay where they are.
//!
//! Guarantees: as for what is read ahead (`reading`): nothing is read before it is durable where it lies, a batch that does not check is an
//! error, and its segment stays until the read ended. Nothing is taken out of a queue's pages, and what is found is noted nowhere.
//!
//! Not here: where a cursor is, and how much may be read for all of them (`engine_core`).

use engine_core::{Browse, Core};
use storage_journal::{Buffer, Order};

use super::pages::Run;
use super::reading::Purpose;
use super::{Store, StoreError};
use crate::limits::{CURSOR_READS_MAX, READS_MAX};

/// A run that is read for a cursor.
#[derive(Debug)]
pub(super) struct Browsing {
    browse: Browse,
    run: Run,
    /// Messages of the run that the cursor has passed.
    passed: usize,
}

impl Store {
    /// Orders reads for cursors, as far as it is durable and the disk takes them. What the core says of a place is true as long as it
    /// is given nothing else, so that it is looked up at once.
    pub(super) fn take_browses(&mut self, core: &mut Core) {
        while self.browsing.len() < CURSOR_READS_MAX
            && self.reads.len() + self.recalls.len() + self.browsing.len() < READS_MAX
            && let Some(browse) = core.poll_browse()
        {
            let Some((run, passed)) = self.find_run(&browse) else {
                self.unsealed_wanted = true;
                return core.postpone_browse(&browse);
            };
            self.next_read += 1;
            let id = self.next_read;
            self.segments.handle_read(run.segment);
            let buffer = self.buffers.take(run.bytes());
            self.orders.push_back(Order::Read { id, place: run.place(), buffer });
            self.browsing.insert(id, Browsing { browse, run, passed });
        }
    }

    /// The run with the message that a cursor wants, if it can be read, and how many are before it there.
    fn find_run(&self, browse: &Browse) -> Option<(Run, usize)> {
        let stored = self.queues.get(&browse.queue)?;
        let mut passed = usize::try_from(browse.skip).ok()?;
        let reading = stored.reading.iter().map(|reading| &reading.run);
        let run = reading.chain(&stored.pages.runs).find(|run| {
            let here = passed < run.len();
            passed -= if here { 0 } else { run.len() };
            here
        })?;
        (run.blocks > 0 && self.durable.covers(run.last())).then(|| (run.clone(), passed))
    }

    /// A run was read: the cursor gets it, from the message on that it wants.
    pub(super) fn handle_browsed(
        &mut self,
        core: &mut Core,
        browsing: &Browsing,
        buffer: Buffer,
    ) -> Result<(), StoreError> {
        let Browsing { browse, run, passed } = browsing;
        self.segments.handle_read_done(run.segment);
        if !self.queues.contains_key(&browse.queue) {
            self.buffers.give_back(buffer);
            return Ok(());
        }
        let (bytes, count) = (buffer.len() as u64, run.len());
        let wanted = |name: u64| run.messages.names().contains(name);
        let found = self.messages_in(browse.queue, run.place(), buffer, count, Purpose::Look, wanted)?;
        assert_eq!(found.len(), count, "a run has the messages that were put into it");
        let messages = found.into_iter().skip(*passed).map(|(_, message)| message).collect();
        core.handle_browsed(browse, messages, bytes);
        Ok(())
    }
}
