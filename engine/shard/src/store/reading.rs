//! What queues have on disk only is read ahead of their consumers.
//!
//! Guarantees: a queue gets its messages in its order, whichever reads end first; what is not durable is not read; a batch that
//! does not check is an error, and nothing of it is given out.

use bytes::Bytes;
use engine_core::Core;
use engine_core::message::Message;
use engine_ledger::{Entry, Meaning, entries, message};
use storage_journal::{Buffer, Fault, FaultKind, LOCAL, Order, Place, read_batches};

use super::pages::Run;
use super::{Store, StoreError};
use crate::limits::{READING_MAX, READS_MAX};

/// A run that is read.
#[derive(Debug)]
pub(super) struct Reading {
    pub id: u64,
    pub run: Run,
    pub buffer: Option<Buffer>,
}

/// What messages are read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The core gets them: where they lie is known from now on by their names.
    Take,
    /// Somebody looks at them; they stay in the journal only.
    Look,
}

impl Store {
    /// Orders reads of what queues want, as far as it is durable and the disk takes reads.
    pub(super) fn feed(&mut self, core: &mut Core) {
        self.unsealed_wanted = false;
        let mut hungry = std::mem::take(&mut self.hungry);
        hungry.retain(|&queue| self.read_ahead(core, queue));
        self.hungry = hungry;
    }

    /// Orders reads for one queue; gives whether it still wants more.
    fn read_ahead(&mut self, core: &mut Core, queue: u64) -> bool {
        let Some(stored) = self.queues.get_mut(&queue) else { return false };
        // Consumers go on meanwhile: a read ends seldom when nothing is left of the one before.
        let ahead: usize = stored.reading.iter().map(|reading| reading.run.bytes()).sum();
        stored.wanted = stored.wanted.max(core.wants(queue).saturating_sub(ahead as u64));
        while stored.wanted > 0
            && self.reads.len() + self.recalls.len() + self.browsing.len() < READS_MAX
            && self.reading_bytes < READING_MAX
        {
            let Some(first) = stored.pages.runs.front() else { break };
            if first.blocks == 0 || !self.durable.covers(first.last()) {
                self.unsealed_wanted = true;
                break;
            }
            let Some(run) = stored.pages.runs.pop_front() else { break };
            stored.wanted = stored.wanted.saturating_sub(run.bytes() as u64);
            self.next_read += 1;
            let id = self.next_read;
            self.reads.insert(id, (queue, run.segment));
            self.reading_bytes += run.bytes();
            self.segments.handle_read(run.segment);
            let buffer = self.buffers.take(run.bytes());
            self.orders.push_back(Order::Read { id, place: run.place(), buffer });
            stored.reading.push_back(Reading { id, run, buffer: None });
        }
        if stored.pages.runs.is_empty() {
            stored.wanted = 0;
        }
        let wants = stored.wanted > 0;
        if stored.reading.is_empty() && !wants {
            core.handle_fetch_done(queue);
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
        let Some(stored) = self.queues.get_mut(&queue) else { return Ok(()) };
        let Some(reading) = stored.reading.iter_mut().find(|reading| reading.id == id) else { return Ok(()) };
        reading.buffer = Some(buffer);
        while let Some(stored) = self.queues.get_mut(&queue)
            && stored.reading.front().is_some_and(|reading| reading.buffer.is_some())
            && let Some(Reading { run, buffer: Some(buffer), .. }) = stored.reading.pop_front()
        {
            self.hand_out(core, queue, &run, buffer)?;
        }
        // It may want more by now, or its fetch is over (`feed`).
        if !self.hungry.contains(&queue) {
            self.hungry.push(queue);
        }
        Ok(())
    }

    fn hand_out(&mut self, core: &mut Core, queue: u64, run: &Run, buffer: Buffer) -> Result<(), StoreError> {
        let names = run.messages.names();
        let wanted = |name| names.contains(name);
        let found = self.messages_in(queue, run.place(), buffer, names.len(), Purpose::Take, wanted)?;
        assert_eq!(found.len(), names.len(), "a run has the messages that were put into it");
        core.handle_fetched(queue, found);
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
        let area = self.buffers.share(buffer);
        let mut found: Vec<(u64, Message)> = Vec::with_capacity(count);
        let mut bytes = 0;
        let (moved, ledger, segments, since) = (&mut self.moved, &self.ledger, &self.segments, self.since);
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
                let aside = purpose == Purpose::Take && name & LOCAL != 0;
                if aside && number != name && segments.is_live(number) {
                    moved.insert(name, number);
                }
                let Some(mut message) = message(&meaning, |body| area.slice_ref(body)) else { return };
                message.header.first_acquirer = name >= since;
                if let Some(count) = ledger.failures_of(name) {
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
