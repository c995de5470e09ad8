//! Backlogs are read for cursors, and stay where they are.
//!
//! Guarantees: as for what is read ahead (`reading`): nothing is read before it is written where it lies, a batch that
//! does not check is an error, and its segment stays until the read ended. Nothing is taken out of a queue's pages, and
//! what is found is noted nowhere.
//!
//! Not here: where a cursor is, and how much may be read for all of them (`engine_core`).

use engine_core::{Browse, Core, JournalReport};
use storage_journal::Buffer;

use super::pages::Run;
use super::reading::Purpose;
use super::reads::{Browsing, Reader};
use super::{Store, StoreError};

impl Store {
    /// Orders a read for a cursor, if that is written. What the core says of a place is true as long as it is given
    /// nothing else, so that it is looked up at once.
    pub(super) fn browse(&mut self, core: &mut Core, browse: Browse) {
        let browse = self.seek(browse);
        let Some((run, passed)) = self.find_run(&browse) else {
            self.queues.note_unwritten();
            return core.handle_journal(JournalReport::Postponed(browse));
        };
        let (place, bytes) = (run.place(), run.bytes());
        self.read(Reader::Cursor(Browsing { browse, run, passed }), place, bytes);
    }

    /// A wish for messages from a name on, rather than from a place that is before that: whole runs are passed over.
    fn seek(&self, mut browse: Browse) -> Browse {
        let Some(stored) = self.queues.get(browse.queue).filter(|_| browse.least > 0) else { return browse };
        let (mut passed, mut runs) = (0, stored.runs().peekable());
        while let Some(run) = runs.next() {
            // The last one is read in any case: the cursor is behind it then.
            if run.messages.names().last() >= browse.least || runs.peek().is_none() {
                break;
            }
            passed += run.len() as u64;
        }
        let further = passed.saturating_sub(browse.skip);
        (browse.skip, browse.sequence) = (browse.skip + further, browse.sequence + further);
        browse
    }

    /// The run with the message that a cursor wants, if it can be read, and how many are before it there.
    fn find_run(&self, browse: &Browse) -> Option<(Run, usize)> {
        let stored = self.queues.get(browse.queue)?;
        let mut passed = usize::try_from(browse.skip).ok()?;
        let run = stored.runs().find(|run| {
            let here = passed < run.len();
            passed -= if here { 0 } else { run.len() };
            here
        })?;
        (run.blocks > 0 && self.writing.written().covers(run.last())).then(|| (run.clone(), passed))
    }

    /// A run was read: the cursor gets it, from the message on that it wants.
    pub(super) fn handle_browsed(
        &mut self,
        core: &mut Core,
        browsing: &Browsing,
        buffer: Buffer,
    ) -> Result<(), StoreError> {
        let Browsing { browse, run, passed } = browsing;
        if !self.queues.contains(browse.queue) {
            self.reads.give_back(buffer);
            return Ok(());
        }
        let (bytes, count) = (buffer.len() as u64, run.len());
        let wanted = |name: u64| run.messages.names().contains(name);
        let found = self.messages_in(browse.queue, run.place(), buffer, count, Purpose::Look, wanted)?;
        assert_eq!(found.len(), count, "a run has the messages that were put into it");
        let messages = found.into_iter().skip(*passed).collect();
        core.handle_journal(JournalReport::Browsed { browse: *browse, messages, bytes });
        Ok(())
    }
}
