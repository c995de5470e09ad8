//! Whether a shard that has nothing to do looks for work or sleeps.
//!
//! Looking costs the core; sleeping costs the next message a wake-up of some 20 us. What pays is told by the past: while work
//! usually comes within the time that looking is allowed to take, the shard looks; when it does not, it sleeps at once.

/// Weight of the last gap in the average, as a shift: 1/8, so that a pause does not end what a steady load pays for, and a load
/// that ended stops costing after a few gaps.
const WEIGHT: u32 = 3;

/// Decides by the gaps between work.
#[derive(Clone, Copy, Debug)]
pub struct Spin {
    max_ns: u64,
    /// Average time from one work to the next, nanoseconds.
    gap_ns: u64,
    worked_ns: u64,
}

impl Spin {
    /// Looks for at most `max_ns` nanoseconds; 0: never.
    pub fn new(max_ns: u64) -> Self {
        Self { max_ns, gap_ns: 0, worked_ns: 0 }
    }

    /// There was work at `now_ns`.
    #[inline]
    pub fn handle_work(&mut self, now_ns: u64) {
        // One long pause counts as a gap that does not pay, no more.
        let gap = now_ns.saturating_sub(self.worked_ns).min(self.max_ns.saturating_mul(4));
        self.gap_ns = self.gap_ns - (self.gap_ns >> WEIGHT) + (gap >> WEIGHT);
        self.worked_ns = now_ns;
    }

    /// Whether to look on, there being none at `now_ns`.
    #[inline]
    pub fn looks_on(&self, now_ns: u64) -> bool {
        self.gap_ns < self.max_ns && now_ns.saturating_sub(self.worked_ns) < self.max_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Work every `gap` microseconds; gives whether it looks on just before the next.
    fn after(spin: &mut Spin, times: u64, gap_us: u64) -> bool {
        let mut looks = false;
        for _ in 0..times {
            let next = spin.worked_ns + gap_us * 1000;
            looks = spin.looks_on(next - 1);
            spin.handle_work(next);
        }
        looks
    }

    #[test]
    fn it_looks_while_that_finds_work() {
        let mut spin = Spin::new(1_000_000);
        assert!(after(&mut spin, 100, 100), "10,000 a second");
        assert!(!after(&mut spin, 30, 5_000), "200 a second is not worth a core");
        assert!(!spin.looks_on(spin.worked_ns + 1), "not even for the first microsecond");
        assert!(after(&mut spin, 30, 100), "it learns that the load is back");
        assert!(!spin.looks_on(spin.worked_ns + 1_000_000), "and has its bound");
    }

    #[test]
    fn one_pause_does_not_end_it() {
        let mut spin = Spin::new(1_000_000);
        after(&mut spin, 100, 100);
        after(&mut spin, 1, 60_000_000);
        assert!(after(&mut spin, 2, 100));
    }

    #[test]
    fn zero_is_never() {
        let mut spin = Spin::new(0);
        assert!(!after(&mut spin, 10, 1));
    }
}
