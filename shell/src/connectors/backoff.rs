//! How long to wait before the next try: longer from failure to failure, up to a bound, and never as long as everybody
//! else.
//!
//! Guarantees: the wait behind the nth failure in a row lies between the half and the whole of `min * 2^(n-1)`, at most
//! `max`. Half of it is chance, so that a thousand nodes whose peer was away do not come back in the same moment.
//! Chance comes from outside: one seed, one sequence.

/// Waits between tries.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    min_ns: u64,
    max_ns: u64,
    /// Failures in a row.
    failures: u32,
    chance: u64,
}

impl Backoff {
    /// Waits between these bounds, nanoseconds.
    pub fn new(min_ns: u64, max_ns: u64, seed: u64) -> Self {
        Self { min_ns, max_ns: max_ns.max(min_ns), failures: 0, chance: seed }
    }

    /// The wait behind another failure, nanoseconds.
    pub fn next_ns(&mut self) -> u64 {
        let factor = 1u64.checked_shl(self.failures).unwrap_or(u64::MAX);
        let most = self.min_ns.saturating_mul(factor).min(self.max_ns);
        self.failures = self.failures.saturating_add(1);
        let least = most / 2;
        least + self.draw() % (most - least + 1)
    }

    /// What was tried went well: the next wait is a short one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// SplitMix64.
    fn draw(&mut self) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_bound_and_begin_anew() {
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..100 {
            let mut backoff = Backoff::new(500, 30_000, seed);
            for round in 0..2 {
                for most in [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000] {
                    let wait = backoff.next_ns();
                    assert!((most / 2..=most).contains(&wait), "seed {seed}, round {round}: {wait} of {most}");
                    seen.insert(wait);
                }
                backoff.reset();
            }
        }
        assert!(seen.len() > 1000, "it is chance: {} waits", seen.len());
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let mut backoff = Backoff::new(1_000_000, u64::MAX, seed);
            (0..100).map(|_| backoff.next_ns()).collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }
}
