//! Messages that are not to be given before a time: their delivery failed, or they say so themselves.
//!
//! Guarantees: a message waits here until its time, or for as long as the settings of its address said when it failed, and is due once; others
//! are not held up by it.
//!
//! Not here: whether it may be delivered again at all (`departing`), and its place in the order then (`order`).

use std::collections::{BTreeMap, BTreeSet};

use engine_catalogue::AddressSettings;

use super::super::entry::Held;

/// How long messages wait after a delivery that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delays {
    /// After the first one, nanoseconds.
    first_ns: u64,
    /// After each further one so many percent of the time before.
    growth: u64,
    /// At most, nanoseconds, but for the jitter.
    max_ns: u64,
    /// So many percent more or less.
    jitter: u64,
}

impl Delays {
    /// Those of the queues of an address; `None` if messages do not wait.
    pub fn new(settings: &AddressSettings) -> Option<Self> {
        const MS: u64 = 1_000_000;
        let first_ns = settings.redelivery_delay_ms * MS;
        let max_ns = match settings.max_redelivery_delay_ms {
            0 => first_ns.saturating_mul(10),
            max_ms => max_ms * MS,
        };
        let (growth, jitter) = (settings.redelivery_growth.into(), settings.redelivery_jitter.into());
        (first_ns > 0).then_some(Self { first_ns, growth, max_ns, jitter })
    }

    /// How long a message waits that failed so often, nanoseconds; `seed` tells it from others that failed together.
    fn after(&self, failures: u32, seed: u64) -> u64 {
        let mut wait_ns = self.first_ns.min(self.max_ns);
        // It has reached its end or stays the same long before the count does.
        for _ in 1..failures {
            let next_ns = (wait_ns.saturating_mul(self.growth) / 100).min(self.max_ns);
            if next_ns == wait_ns {
                break;
            }
            wait_ns = next_ns;
        }
        let spread_ns = wait_ns / 100 * self.jitter;
        if spread_ns == 0 {
            return wait_ns;
        }
        wait_ns - spread_ns + scattered(seed ^ u64::from(failures) << 48) % (2 * spread_ns)
    }
}

/// A number of which each bit depends on all of `seed`: the finalizer of MurmurHash3.
fn scattered(mut seed: u64) -> u64 {
    seed = (seed ^ seed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    seed = (seed ^ seed >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    seed ^ seed >> 33
}

/// Messages that wait until a time, and how long further ones will.
#[derive(Debug, Default)]
pub(super) struct Later {
    pub delays: Option<Delays>,
    messages: BTreeMap<u64, Held>,
    /// When they are due, nanoseconds, and which.
    due: BTreeSet<(u64, u64)>,
    /// The time for which the owner's agenda names the queue, nanoseconds.
    noted_ns: Option<u64>,
}

impl Later {
    /// A message failed so often; gives whether it waits.
    pub fn insert(&mut self, sequence: u64, held: Held, failures: u32, now_ns: u64) -> bool {
        let Some(delays) = &self.delays else { return false };
        self.due.insert((now_ns.saturating_add(delays.after(failures, sequence)), sequence));
        self.messages.insert(sequence, held);
        true
    }

    /// A message waits until a time.
    pub fn schedule(&mut self, sequence: u64, held: Held, due_ns: u64) {
        self.due.insert((due_ns, sequence));
        self.messages.insert(sequence, held);
    }

    /// A message that waits.
    pub fn get(&self, sequence: u64) -> Option<Held> {
        self.messages.get(&sequence).copied()
    }

    /// One that waits is elsewhere now.
    pub fn set(&mut self, sequence: u64, held: Held) {
        if let Some(found) = self.messages.get_mut(&sequence) {
            *found = held;
        }
    }

    /// Takes out the first message if it is due.
    pub fn take_due(&mut self, now_ns: u64) -> Option<(u64, Held)> {
        let &(due_ns, sequence) = self.due.first()?;
        if due_ns > now_ns {
            return None;
        }
        self.due.pop_first();
        self.messages.remove_entry(&sequence)
    }

    /// When the first one is due, nanoseconds.
    pub fn first_due(&self) -> Option<u64> {
        self.due.first().map(|(due_ns, _)| *due_ns)
    }

    /// The owner is to look at it at that time; gives whether its agenda has to be told.
    pub fn note(&mut self, at_ns: u64) -> bool {
        let is_new = self.noted_ns.is_none_or(|noted| at_ns < noted);
        if is_new {
            self.noted_ns = Some(at_ns);
        }
        is_new
    }

    /// The agenda named it for that time; gives whether it does not any more. It may have been told of an earlier one.
    pub fn take_noted(&mut self, at_ns: u64) -> bool {
        self.noted_ns.take_if(|noted| *noted == at_ns).is_some()
    }

    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = Held> {
        self.messages.values().copied()
    }

    /// Takes out everything that is in memory.
    pub fn take_here(&mut self) -> Vec<(u64, Held)> {
        let here: Vec<_> = self.messages.extract_if(.., |_, held| held.stub().is_none()).collect();
        self.due.retain(|(_, sequence)| self.messages.contains_key(sequence));
        here
    }

    /// Asserts what must hold between any two commands.
    pub fn check(&self) {
        assert!(self.due.iter().all(|(_, sequence)| self.messages.contains_key(sequence)), "what is due waits");
        assert_eq!(self.due.len(), self.messages.len(), "and each is due once");
        let first = self.first_due();
        assert!(first.is_none() || self.noted_ns.is_some_and(|noted| Some(noted) <= first), "the agenda knows");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(first_ms: u64, growth: u32, max_ms: u64, jitter: u32) -> Delays {
        let settings = AddressSettings {
            redelivery_delay_ms: first_ms,
            redelivery_growth: growth,
            max_redelivery_delay_ms: max_ms,
            redelivery_jitter: jitter,
            ..AddressSettings::default()
        };
        Delays::new(&settings).expect("messages wait")
    }

    fn waits_ms(delays: Delays, count: u32) -> Vec<u64> {
        (1..=count).map(|failures| delays.after(failures, 7) / 1_000_000).collect()
    }

    #[test]
    fn each_wait_is_longer_up_to_the_longest() {
        assert_eq!(waits_ms(delays(5000, 200, 15_000, 0), 4), [5000, 10_000, 15_000, 15_000], "the example of Artemis");
        assert_eq!(waits_ms(delays(100, 100, 0, 0), 3), [100, 100, 100]);
        assert_eq!(waits_ms(delays(100, 300, 0, 0), 4), [100, 300, 900, 1000], "ten times the first if nothing is set");
        assert_eq!(waits_ms(delays(100, 150, 50, 0), 2), [50, 50], "the longest is the longest");
        assert_eq!(delays(1, 1_000, u64::from(u32::MAX), 0).after(u32::MAX, 0), u64::from(u32::MAX) * 1_000_000);
        assert!(Delays::new(&AddressSettings::default()).is_none());
    }

    #[test]
    fn what_failed_together_comes_apart() {
        let delays = delays(1000, 100, 0, 20);
        let waits: Vec<u64> = (0..1000).map(|sequence| delays.after(1, sequence) / 1_000_000).collect();
        assert!(waits.iter().all(|wait| (800..1200).contains(wait)));
        let below = |limit| waits.iter().filter(|wait| **wait < limit).count();
        assert!((400..600).contains(&below(1000)) && (180..320).contains(&below(900)), "they are spread evenly");
        assert_eq!(delays.after(1, 5), delays.after(1, 5), "by seed");
    }
}
