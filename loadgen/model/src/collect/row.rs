//! A second that workers tell of: what each group did in it, and which workers have told.

use super::Tally;
use crate::interval::Interval;

/// A second, as far as it was told.
#[derive(Debug)]
pub(super) struct Row {
    /// Where it ends.
    pub(super) end_ns: u64,
    /// Each group, over workers.
    pub(super) groups: Vec<Tally>,
    workers: Vec<Told>,
}

/// What a worker told of a second.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    groups: usize,
    cpu_ns: u64,
    idle_ns: u64,
}

impl Row {
    pub(super) fn new(workers: usize, groups: usize) -> Self {
        Self { end_ns: 0, groups: vec![Tally::default(); groups], workers: vec![Told::default(); workers] }
    }

    /// Adds an interval; the caller has checked that its worker and its group exist.
    pub(super) fn add(&mut self, interval: Interval) {
        self.end_ns = self.end_ns.max(interval.end_ns);
        if let Some(told) = self.workers.get_mut(interval.worker as usize) {
            told.groups += 1;
            told.cpu_ns += interval.counts.cpu_ns;
            told.idle_ns += interval.counts.idle_ns;
        }
        if let Some(group) = self.groups.get_mut(interval.group as usize) {
            group.counts.add(&interval.counts);
            group.latencies.merge(&interval.latencies);
        }
    }

    /// Whether a worker told of every group.
    pub(super) fn is_told_by(&self, worker: usize) -> bool {
        self.workers.get(worker).is_some_and(|told| told.groups >= self.groups.len())
    }

    /// Processor time and idle time of each worker.
    pub(super) fn processor(&self) -> impl Iterator<Item = (u64, u64)> {
        self.workers.iter().map(|told| (told.cpu_ns, told.idle_ns))
    }
}
