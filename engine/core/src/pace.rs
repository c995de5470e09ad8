//! How fast a consumer settles what it is given.
//!
//! Guarantees: nothing is counted for each message: what a consumer settled is what it gave credit for, without what is left of that and what it
//! holds. It is judged by whole periods only.
//!
//! Not here: when consumers are looked at, and what follows (`slow`).

use engine_catalogue::AddressSettings;

/// What a consumer took, for as long as it is there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// Credit that it gave and did not take back.
    pub granted: u64,
    /// Messages that it had settled when it was looked at last.
    settled: u64,
    /// When that was, nanoseconds; `None` before the first time.
    looked_ns: Option<u64>,
}

/// How a consumer stands when it is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Credit that it has.
    pub credit: u32,
    /// Messages that it holds.
    pub held: u64,
    /// Messages that wait, and that it may be given if it gives credit.
    pub waiting: u64,
}

impl Pace {
    /// It is looked at: gives what is to be said of it if it took less than settings want, though there was enough for it.
    pub fn look(&mut self, standing: Standing, settings: &AddressSettings, now_ns: u64) -> Option<String> {
        let Standing { credit, held, waiting } = standing;
        let settled = self.granted.saturating_sub(u64::from(credit)).saturating_sub(held);
        let before = std::mem::replace(&mut self.settled, settled);
        let passed_ms = now_ns.saturating_sub(self.looked_ns.replace(now_ns)?) / 1_000_000;
        let (moved, threshold) = (settled.saturating_sub(before), u64::from(settings.slow_consumer_threshold));
        let wanted = (threshold.saturating_mul(passed_ms) / 1000).max(1);
        let waited = if credit == 0 { waiting } else { 0 };
        let is_slow = moved < wanted && moved + held + waited >= wanted;
        is_slow.then(|| {
            format!(
                "the consumer settled {moved} messages in {passed_ms} ms, and held {held}: slow_consumer_threshold is {threshold} a second"
            )
        })
    }
}
