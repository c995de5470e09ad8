//! What a shard remembers to spread messages: deliveries without an outcome, and whose turn it is.
//!
//! Guarantees: what was counted is taken back by the same call with its outcome, and nothing is kept of what is zero. Each shard counts
//! its own: what others have outstanding with the same consumer shows in that consumer's credit, not here. Who knows
//! better says so to whoever chooses (`choose_at`).

use crate::numbers::Numbered;
use crate::set::RouterIndex;
use crate::table::ConsumerId;

/// A shard's part in spreading messages.
#[derive(Debug, Default)]
pub struct Spread {
    consumers: Numbered<ConsumerId, u32>,
    /// By an address' number and the next hop.
    hops: Numbered<(u32, RouterIndex), u32>,
    /// How often each address was given in turn, by its number.
    turns: Numbered<u32, u32>,
}

impl Spread {
    /// What a consumer has outstanding.
    #[must_use]
    pub fn of_consumer(&self, consumer: ConsumerId) -> u32 {
        self.consumers.get(&consumer).copied().unwrap_or_default()
    }

    /// What an address has outstanding over a neighbour.
    #[must_use]
    pub fn of_hop(&self, address: u32, hop: RouterIndex) -> u32 {
        self.hops.get(&(address, hop)).copied().unwrap_or_default()
    }

    /// A consumer is given a delivery.
    pub fn give(&mut self, consumer: ConsumerId) {
        *self.consumers.entry(consumer).or_default() += 1;
    }

    /// A consumer's delivery has its outcome, or was settled.
    pub fn take_back(&mut self, consumer: ConsumerId) {
        less(&mut self.consumers, consumer);
    }

    /// A delivery of an address goes over a neighbour.
    pub fn give_hop(&mut self, address: u32, hop: RouterIndex) {
        *self.hops.entry((address, hop)).or_default() += 1;
    }

    /// That delivery has its outcome, or was settled.
    pub fn take_back_hop(&mut self, address: u32, hop: RouterIndex) {
        less(&mut self.hops, (address, hop));
    }

    /// Whose turn it is of so many, and passes it on.
    pub(super) fn turn(&mut self, address: u32, of: usize) -> usize {
        let turn = self.turns.entry(address).or_default();
        let now = *turn as usize % of.max(1);
        *turn = u32::try_from(now + 1).unwrap_or_default();
        now
    }

    /// Any address may be gone.
    pub fn forget_turns(&mut self) {
        self.turns.clear();
    }

    /// An address is gone, and its number may become another's.
    pub fn forget(&mut self, address: u32) {
        self.turns.remove(&address);
    }
}

fn less<K: Eq + std::hash::Hash>(counts: &mut Numbered<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}
