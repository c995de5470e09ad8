//! Whether a server ran on the cores of the load: each then delays the other, and what is measured is the machine's share-out.
//!
//! Where a thread was is looked at now and then, and the processor time that it took since the last look is taken to be of there: enough to see
//! what goes on for a whole run.

use std::collections::{BTreeMap, HashMap};

use super::find::Found;
use super::process::{self, Thread};

/// Share of a server's processor time on cores of the load that is worth a word.
const SHARE: f64 = 0.2;
/// Processor time of it, seconds: the system counts in hundredths.
const LEAST_S: f64 = 0.1;

/// What was seen.
#[derive(Debug)]
pub(super) struct Sharing {
    /// The cores of the load.
    load: Vec<usize>,
    /// Processor time of each thread at the last look.
    before: HashMap<u32, f64>,
    /// Processor time on each core of the load.
    on_load: BTreeMap<usize, f64>,
    all_s: f64,
}

impl Sharing {
    pub fn new(load: Vec<usize>) -> Self {
        Self { load, before: HashMap::new(), on_load: BTreeMap::new(), all_s: 0.0 }
    }

    /// Looks where a server's threads are.
    pub fn look(&mut self, found: &Found) {
        if !found.local || self.load.is_empty() {
            return;
        }
        for &pid in &found.pids {
            process::threads(pid, found.threads).iter().for_each(|thread| self.note(thread));
        }
    }

    fn note(&mut self, thread: &Thread) {
        let before_s = self.before.insert(thread.number, thread.cpu_s);
        // What it took before the first look was before the run.
        let Some(took_s) = before_s.map(|before_s| thread.cpu_s - before_s).filter(|took_s| *took_s > 0.0) else {
            return;
        };
        self.all_s += took_s;
        if self.load.contains(&thread.core) {
            *self.on_load.entry(thread.core).or_default() += took_s;
        }
    }

    /// The cores that both had, if that was more than a little.
    pub fn cores(&self) -> Vec<usize> {
        let shared_s: f64 = self.on_load.values().sum();
        let is_much = shared_s >= LEAST_S && shared_s > self.all_s * SHARE;
        if is_much { self.on_load.keys().copied().collect() } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_on_the_load_s_cores_is_told_from_time_elsewhere() {
        let mut sharing = Sharing::new(vec![1, 2]);
        let mut look = |number, cpu_s, core| {
            sharing.note(&Thread { number, cpu_s, core });
            sharing.cores()
        };
        assert!(look(7, 100.0, 1).is_empty(), "what was before the run does not count");
        assert!(look(7, 100.05, 1).is_empty(), "that is too little to say");
        assert_eq!(look(7, 100.5, 1), [1]);
        look(8, 0.0, 0);
        assert_eq!(look(8, 1.0, 0), [1]);
        assert!(look(8, 9.0, 0).is_empty(), "next to all of it was elsewhere");
        assert_eq!(look(7, 105.5, 2), [1, 2]);
    }

    #[test]
    fn a_server_that_is_elsewhere_shares_nothing() {
        let mut sharing = Sharing::new(vec![0]);
        sharing.look(&Found { local: false, pids: vec![std::process::id()], ..Found::default() });
        assert!(sharing.before.is_empty() && sharing.cores().is_empty());
    }
}
