//! The memory of a shard for messages: what is used of its budget, and what follows from that.
//!
//! Guarantees: `used` is the size of all messages in memory, each counted once for each queue that has it. What is taken and given back
//! is said by queues (`Left`); nobody else changes it.
//!
//! Not here: what a single queue may have (`Plain`, `limits`).

use crate::limits::{
    CURSORS_BYTES, CURSORS_SHARE, CoreConfig, FETCH_BELOW, FETCH_SHARE, OVERDRAFT_SHARE, RECALL_BYTES, RECALL_SHARE,
    RESIDENT_BYTES, RESIDENT_BYTES_SHORT, RESIDENT_SHARE, RESIDENT_SHARE_SHORT, SHED_SHARE, SHORT_SHARE, Storage,
};

/// How short memory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Messages stay where they are.
    Plenty,
    /// More than a quarter is used: what consumers hold leaves memory if the journal has it.
    Shed,
    /// More than half: queues keep little in memory, and get what they can go on with.
    Short,
    /// More than three quarters: what comes is in the journal only.
    None,
}

/// What all messages have.
#[derive(Debug)]
pub(crate) struct Memory {
    used: u64,
    budget: u64,
    /// Where levels begin.
    shed_above: u64,
    short_above: u64,
    none_above: u64,
    /// Up to which use a plain message asks nothing else.
    plain_max: u64,
    /// Beyond that producers get no credit, and beyond that what they send all the same is refused. Where there is a journal it takes
    /// what memory does not.
    withhold_above: u64,
    refuse_above: u64,
}

impl Memory {
    pub fn new(config: &CoreConfig) -> Self {
        let budget = config.memory_bytes;
        let short_above = budget / SHORT_SHARE;
        let (plain_max, withhold_above, refuse_above) = match config.storage {
            Storage::Memory => (budget, budget, budget.saturating_add(budget / OVERDRAFT_SHARE)),
            Storage::Journal => (short_above, u64::MAX, u64::MAX),
        };
        Self {
            used: 0,
            budget,
            shed_above: budget / SHED_SHARE,
            short_above,
            none_above: short_above + short_above / 2,
            plain_max,
            withhold_above,
            refuse_above,
        }
    }

    /// Octets of messages, with overhead.
    #[inline]
    pub fn used(&self) -> u64 {
        self.used
    }

    #[inline]
    pub fn take(&mut self, bytes: u64) {
        self.used += bytes;
    }

    #[inline]
    pub fn give_back(&mut self, bytes: u64) {
        self.used -= bytes;
    }

    #[inline]
    pub fn level(&self) -> Level {
        match self.used {
            used if used <= self.shed_above => Level::Plenty,
            used if used <= self.short_above => Level::Shed,
            used if used <= self.none_above => Level::Short,
            _ => Level::None,
        }
    }

    /// Whether what consumers are shown leaves memory.
    #[inline]
    pub fn is_shed(&self) -> bool {
        self.used > self.shed_above
    }

    /// Whether a plain message finds room, and no queue has to think of others.
    #[inline]
    pub fn has_plain_room(&self, size: u64) -> bool {
        self.used + size <= self.plain_max
    }

    /// Whether producers have to wait for it.
    #[inline]
    pub fn is_overdrawn(&self) -> bool {
        self.used > self.withhold_above
    }

    /// Whether a message is refused for want of it.
    pub fn refuses(&self, size: u64) -> bool {
        self.used.saturating_add(size) > self.refuse_above
    }

    /// What a queue may have in memory before the next message is in the journal only, octets.
    pub fn resident_bytes(&self) -> u64 {
        match self.level() {
            Level::Plenty | Level::Shed => RESIDENT_BYTES.min(self.budget / RESIDENT_SHARE),
            Level::Short => RESIDENT_BYTES_SHORT.min(self.budget / RESIDENT_SHARE_SHORT),
            Level::None => 0,
        }
    }

    /// What all cursors together may read ahead, octets. It is beside the budget.
    pub fn cursor_bytes(&self) -> u64 {
        CURSORS_BYTES.min(self.budget / CURSORS_SHARE)
    }

    /// Size of a queue's waiting messages in memory below which more are read, and how much, octets. While memory is short each
    /// queue gets what it can go on with.
    #[inline]
    pub fn fetch_below(&self) -> u64 {
        if self.used > self.short_above { 1 } else { FETCH_BELOW.min(self.budget / FETCH_SHARE).max(1) }
    }

    /// Size of messages that came back which are read again at once, octets.
    pub fn recall_bytes(&self) -> u64 {
        self.fetch_below().max(RECALL_BYTES.min(self.budget / RECALL_SHARE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_shares_of_the_budget() {
        let config = CoreConfig { memory_bytes: 1600, storage: Storage::Journal, ..CoreConfig::default() };
        let mut memory = Memory::new(&config);
        memory.take(1);
        let levels = [Level::Plenty, Level::Shed, Level::Short, Level::None];
        for (level, (resident, fetch)) in levels.into_iter().zip([(200, 100), (200, 100), (100, 1), (0, 1)]) {
            assert_eq!((memory.level(), memory.resident_bytes(), memory.fetch_below()), (level, resident, fetch));
            assert_eq!(memory.is_shed(), level > Level::Plenty);
            memory.take(399);
            assert_eq!(memory.level(), level, "up to the share and with it");
            memory.take(1);
        }
        assert!(!memory.is_overdrawn() && !memory.refuses(u64::MAX), "the journal takes it");
        memory.give_back(1601);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn without_a_journal_producers_wait_and_are_refused() {
        let mut memory = Memory::new(&CoreConfig { memory_bytes: 400, ..CoreConfig::default() });
        assert!(memory.has_plain_room(400) && !memory.has_plain_room(401));
        memory.take(400);
        assert!(!memory.is_overdrawn() && !memory.refuses(100) && memory.refuses(101));
        memory.take(1);
        assert!(memory.is_overdrawn());
    }
}
