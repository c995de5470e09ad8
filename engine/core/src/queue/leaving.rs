//! How a message leaves its queue, and why.
//!
//! Guarantees: each message leaves once, for one reason, by `leave`; nothing of it stays, and the journal hears of it. One that is to go to
//! another address leaves when it is safe there.
//!
//! Not here: what that adds up to (`stock`), and what goes elsewhere (`departing`).

use std::num::NonZeroU64;

use super::Queue;
use super::entry::{Entry, Held, Stub};
use super::stock::{Left, News, Why};
use crate::slab::Key;

impl Queue {
    /// Lets a message leave that is out of the order and that nobody holds any more. **The only way out of a queue**: whatever is to
    /// become of a message that was not acknowledged is decided here, where the message and the reason are both at hand. It is dropped,
    /// unless the settings of the address say where what leaves for that reason goes.
    #[inline(always)]
    pub fn leave(&mut self, sequence: u64, held: Held, why: Why) -> Left {
        self.stock.count_left(&why);
        if !matches!(why, Why::Acknowledged) {
            self.stock.moments.forget(sequence);
            if self.goes_elsewhere(&why) {
                return self.depart(sequence, held, why);
            }
        }
        self.let_go(sequence, held)
    }

    /// Nothing of a message stays, whatever the reason.
    #[inline(always)]
    pub(super) fn let_go(&mut self, sequence: u64, held: Held) -> Left {
        let entry = match held {
            Held::Here(entry) => entry,
            Held::Away(stub) => return self.leave_away(sequence, stub),
        };
        let look = |found: &Entry| (found.message.size(), found.stored, found.message.header.durable);
        let Some((size, stored, durable)) = self.entries.clear(entry, look) else { return Left::default() };
        self.stock.give_back(size);
        let mut left = Left { bytes: size, news: News::None };
        if stored.is_some() || self.held.has_changes() {
            left = left.and(self.forget(sequence, stored, durable));
        }
        left
    }

    /// A message was shown to somebody who does not hold it.
    #[inline]
    pub fn leave_shown(&mut self, entry: Key) -> Left {
        let Some(sequence) = self.entry(entry).map(|entry| entry.sequence) else { return Left::default() };
        self.leave(sequence, Held::Here(entry), Why::Acknowledged)
    }

    #[cold]
    fn leave_away(&mut self, sequence: u64, stub: Stub) -> Left {
        self.away.remove();
        self.forget(sequence, Some(stub.stored), stub.durable)
    }

    /// Forgets what is known of a message that left beside itself.
    #[inline(never)]
    fn forget(&mut self, sequence: u64, stored: Option<NonZeroU64>, durable: bool) -> Left {
        let bytes = self.held.forget(sequence);
        self.stock.give_back(bytes);
        let told = (durable && self.is_declared()).then_some(sequence);
        Left { bytes, news: stored.map_or(News::None, |name| self.stock.release(name, told)) }
    }

    /// Names of all messages that the journal has, but for those that it has behind all others; of those that left, too. When the queue
    /// is deleted nobody needs them.
    pub fn names(&self) -> impl Iterator<Item = u64> {
        let here = self.entries.iter().filter_map(|(_, entry)| entry.stored);
        here.chain(self.stubs().map(|stub| stub.stored)).chain(self.stock.released()).map(NonZeroU64::get)
    }

    /// Tells of what left since it was asked last (`Stock::tell`).
    pub fn tell(&mut self, range: impl FnMut(u64, u64), name: impl FnMut(u64)) {
        self.stock.tell(range, name);
    }

    /// How many ranges of names it would tell of.
    pub fn untold_ranges(&self) -> usize {
        self.stock.untold_ranges()
    }

    /// Whether something left that the journal has.
    pub fn has_news(&self) -> bool {
        self.stock.has_news()
    }

    /// What is in the journal only, but for what lies behind all others: held, come back, or about to go elsewhere.
    pub(super) fn stubs(&self) -> impl Iterator<Item = Stub> {
        let returned = self.order.returned_from(0).filter_map(|(_, held)| held.stub());
        let departing = self.departures.iter().flat_map(|departures| departures.stubs());
        let delayed = self.order.delayed().filter_map(Held::stub);
        self.held.stubs().chain(returned).chain(departing).chain(delayed)
    }
}
