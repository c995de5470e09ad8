//! Messages that are not to be given before a time that they name.
//!
//! Guarantees: until then a message counts as one of the queue's and is with nobody; then it stands in front of those of its priority that were never
//! sent, and that came later or wait since before. One that was read from the disk leaves memory again until then.
//!
//! **Limit**: of what is on disk only, it is known when it was read, in the order of arrival: until a consumer has come so far such a message waits like
//! any other. By which clock: it is reckoned when the message comes into memory, from the wall clock of then; that it is set afterwards changes nothing.
//!
//! Not here: where a message says it (`message`), and who looks at the queue then (`redelivery`).

use std::num::NonZeroU64;

use super::Queue;
use super::entry::{Entry, Held};
use super::stock::Left;
use crate::agenda::Now;
use crate::message::Message;

impl Queue {
    /// Puts a message in that is not to be given before its time; gives it back, as any other, if that has come.
    #[cold]
    pub(super) fn schedule(
        &mut self,
        mut message: Message,
        stored: Option<NonZeroU64>,
        now: Now,
    ) -> Result<Option<NonZeroU64>, Message> {
        let Some(at_ms) = message.not_before_ms().map(NonZeroU64::get).filter(|&at_ms| at_ms > now.wall_ms) else {
            message.header.scheduled = false;
            return Err(message);
        };
        let due_ns = now.ns.saturating_add((at_ms - now.wall_ms).saturating_mul(1_000_000));
        self.stock.enter(message.size());
        let (sequence, expires) = (self.order.next_sequence(), message.expires_wall_ms);
        let entry = self.entries.insert(Entry { sequence, message, stored });
        self.order.schedule(sequence, Held::Here(entry), due_ns);
        if let Some(at) = expires {
            self.watch(at, entry);
        }
        Ok(expires)
    }

    /// A message that was read waits for its time: it leaves memory again.
    pub(super) fn shed_scheduled(&mut self, sequence: u64) -> Left {
        let Some(Held::Here(entry)) = self.order.scheduled(sequence) else { return Left::default() };
        let Some((stub, left)) = self.put_away(sequence, entry) else { return Left::default() };
        self.order.set_scheduled(sequence, Held::Away(stub));
        left
    }
}
