//! What queues have on disk only is read ahead of their consumers.
//!
//! Guarantees: a queue gets its messages in its order, whichever reads end first; what is not written is not read; a batch that
//! does not check is an error, and nothing of it is given out.

use bytes::Bytes;
use engine_core::message::Message;
use engine_core::{Core, JournalReport};
use engine_ledger::{Entry, Meaning, entries, message};
use storage_journal::{Buffer, Fault, FaultKind, Place, read_batches};

use super::pages::Run;
use super::queues::{NextRun, Reading};
use super::reads::Reader;
use super::{Store, StoreError};

/// What messages are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The core gets them: where they lie is known from now on by their names.
    Take,
    /// Somebody looks at them; they stay in the journal only.
    Look,
}

impl Store {
    /// Orders reads of what queues want, as far as it is written and the disk takes reads.
    pub(super) fn feed(&mut self, core: &mut Core) {
        let mut hungry = self.queues.take_hungry();
        hungry.retain(|&queue| self.read_ahead(core, queue));
        self.queues.keep_hungry(hungry);
    }

    /// Orders reads for one queue; gives whether it still wants more.
    fn read_ahead(&mut self, core: &mut Core, queue: u64) -> bool {
        let Some(stored) = self.queues.get_mut(queue) else { return false };
        // Consumers go on meanwhile: a read ends seldom when nothing is left of the one before.
        stored.want(core.wants(queue));
        let mut next = NextRun::None;
        while self.reads.has_room_ahead() {
            next = stored.poll_run(self.writing.written());
            let NextRun::Run(run) = next else { break };
            self.needed.handle_read(run.segment);
            let (id, order) = self.reads.begin(Reader::Queue(queue), run.place(), run.bytes());
            self.orders.push_back(order);
            stored.reading().push_back(Reading { id, run, buffer: None });
            next = NextRun::None;
        }
        let wants = stored.wants_more();
        if stored.reading().is_empty() && !wants {
            core.handle_journal(JournalReport::FetchDone { queue });
        }
        if matches!(next, NextRun::Unwritten) {
            self.queues.note_unwritten();
        }
        wants
    }

    /// A run was read: it is given to the core as soon as those before it were.
    pub(super) fn handle_read(
        &mut self,
        core: &mut Core,
        queue: u64,
        id: u64,
        buffer: Buffer,
    ) -> Result<(), StoreError> {
        let Some(stored) = self.queues.get_mut(queue) else { return Ok(()) };
        let Some(reading) = stored.reading().iter_mut().find(|reading| reading.id == id) else { return Ok(()) };
        reading.buffer = Some(buffer);
        while let Some(stored) = self.queues.get_mut(queue)
            && stored.reading().front().is_some_and(|reading| reading.buffer.is_some())
            && let Some(Reading { run, buffer: Some(buffer), .. }) = stored.reading().pop_front()
        {
            self.hand_out(core, queue, &run, buffer)?;
        }
        self.queues.note_hungry(queue);
        Ok(())
    }

    fn hand_out(&mut self, core: &mut Core, queue: u64, run: &Run, buffer: Buffer) -> Result<(), StoreError> {
        let names = run.messages.names();
        let wanted = |name| names.contains(name);
        let found = self.messages_in(queue, run.place(), buffer, names.len(), Purpose::Take, wanted)?;
        assert_eq!(found.len(), names.len(), "a run has the messages that were put into it");
        core.handle_journal(JournalReport::Fetched { queue, messages: found });
        Ok(())
    }

    /// The wanted messages of a queue in an area that was read, about `count`, in the order of their names.
    pub(super) fn messages_in(
        &mut self,
        queue: u64,
        place: Place,
        buffer: Buffer,
        count: usize,
        purpose: Purpose,
        wanted: impl Fn(u64) -> bool,
    ) -> Result<Vec<(u64, Message)>, StoreError> {
        let area = self.reads.buffers().share(buffer);
        let mut found: Vec<(u64, Message)> = Vec::with_capacity(count);
        let mut bytes = 0;
        let (needed, since) = (&mut self.needed, self.since);
        let mut wrong = None;
        read_batches(self.config.directory, place, &area, |batch, record| {
            let meaning = match Meaning::decode(&record) {
                Ok(Some(meaning)) => meaning,
                Ok(None) => return,
                Err(what) => {
                    let Place { segment, offset } = batch.place;
                    wrong.get_or_insert(Fault { segment, offset, kind: FaultKind::Record(what) });
                    return;
                }
            };
            entries(&meaning, record.number, |Entry { queue: whose, name, number, .. }| {
                if whose != queue || !wanted(name) {
                    return;
                }
                // A message that was moved while it was read is known to lie elsewhere already. Where those lie that outlive the node
                // the ledger knows.
                if purpose == Purpose::Take {
                    needed.note_read(name, number);
                }
                let Some(mut message) = message(&meaning, |body| area.slice_ref(body)) else { return };
                message.header.first_acquirer = name >= since;
                if let Some(count) = needed.ledger().failures_of(name) {
                    message.header.delivery_count = count;
                }
                bytes += message.body.len();
                found.push((name, message));
            });
        })?;
        if let Some(fault) = wrong {
            return Err(fault.into());
        }
        // What was written again may lie behind what came later.
        if !found.is_sorted_by_key(|(name, _)| *name) {
            found.sort_by_key(|(name, _)| *name);
        }
        // Bodies share the area's memory unless most of it is of other queues, which would then be kept for nothing.
        if bytes < area.len() / 2 {
            found.iter_mut().for_each(|(_, message)| message.body = Bytes::copy_from_slice(&message.body));
        }
        Ok(found)
    }
}
