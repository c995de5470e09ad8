//! What the tasks of one worker note, and what is told of it.
//!
//! All tasks of a worker are on one thread. They reach the board through `Board::with`, whose closure cannot wait, so
//! that no borrow outlives a turn of the executor.

use std::cell::RefCell;
use std::rc::Rc;

use engine_rt::monotonic_ns;
use load_model::arrivals::Schedule;
use load_model::interval::{Counts, Interval};
use load_model::latency::{Latencies, Metric};
use load_model::ledger::{Budget, Ending, LEDGER_BYTES_MAX, Ledger, Place, Sent, Sequences};

/// What is noted, shared by all tasks of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Board(Rc<RefCell<Notes>>);

impl Board {
    /// Of a worker that has no links yet.
    pub fn new(groups: usize) -> Self {
        Self(Rc::new(RefCell::new(Notes {
            origin_ns: 0,
            run: 0,
            measure_from_ns: 0,
            stop_ns: u64::MAX,
            groups: (0..groups).map(|_| GroupNotes::default()).collect(),
            producers: Vec::new(),
            places: Vec::new(),
            budget: Budget { left_bytes: LEDGER_BYTES_MAX },
            full: false,
            last_ns: 0,
            idle_ns: 0,
            idle_until_ns: 0,
            failure: None,
        })))
    }

    /// Reads or changes what is noted.
    pub fn with<R>(&self, change: impl FnOnce(&mut Notes) -> R) -> R {
        change(&mut self.0.borrow_mut())
    }

    /// Nanoseconds of the run.
    pub fn now_ns(&self) -> u64 {
        monotonic_ns().saturating_sub(self.with(|notes| notes.origin_ns))
    }

    /// Notes why the worker cannot go on; the first reason stays.
    pub fn fail(&self, why: String) {
        self.with(|notes| {
            notes.failure.get_or_insert(why);
        });
    }
}

/// One worker's notes.
#[derive(Debug)]
pub(crate) struct Notes {
    /// When the run began, by the monotonic clock.
    pub origin_ns: u64,
    /// The number that stamps carry: what another run left is told apart by it.
    pub run: u32,
    /// What began before and ends behind it is not measured (`Order::Measure`).
    pub measure_from_ns: u64,
    /// Nothing that is due from here on is sent.
    pub stop_ns: u64,
    pub groups: Vec<GroupNotes>,
    pub producers: Vec<ProducerNotes>,
    pub places: Vec<Place>,
    pub budget: Budget,
    /// Whether the ledger has no memory left.
    pub full: bool,
    /// When the last message or outcome came, nanoseconds of the run.
    pub last_ns: u64,
    /// Time in which there was nothing to do, since the last interval.
    pub idle_ns: u64,
    /// Until when idle time was noted.
    pub idle_until_ns: u64,
    pub failure: Option<String>,
}

/// A group in the interval that is going on.
#[derive(Debug, Default)]
pub(crate) struct GroupNotes {
    pub counts: Counts,
    pub latencies: Latencies,
}

/// What a producer has to tell.
#[derive(Debug)]
pub(crate) struct ProducerNotes {
    pub group: u32,
    pub number: u32,
    /// Messages sent.
    pub sent: u64,
    /// Those with an outcome.
    pub settled: Sequences,
    pub refused: Sequences,
    /// Whether it sends no more.
    pub is_done: bool,
    /// The schedule once more, to count what became due whether it was sent or not.
    pub counting: Option<Schedule>,
}

impl Notes {
    /// A group, which every task has.
    pub fn group(&mut self, group: u32) -> &mut GroupNotes {
        self.groups.get_mut(group as usize).expect("links are made of groups of the scenario")
    }

    /// Notes what took from one time of the run until another.
    pub fn record(&mut self, group: u32, metric: Metric, (since_ns, now_ns): (u64, u64)) {
        if since_ns >= self.measure_from_ns || now_ns < self.measure_from_ns {
            self.group(group).latencies.record(metric, now_ns.saturating_sub(since_ns));
        }
    }

    /// A producer, which has noted itself.
    pub fn producer(&mut self, index: usize) -> &mut ProducerNotes {
        self.producers.get_mut(index).expect("a producer is noted before it sends")
    }

    /// Whether all producers are done and all their deliveries have an outcome.
    pub fn is_quiet(&self) -> bool {
        self.producers.iter().all(|producer| producer.is_done && producer.settled.count() >= producer.sent)
    }

    /// What happened since the last time, until `end_ns`; `cpu_ns` is told with the first group.
    pub fn take_interval(&mut self, worker: u32, (start_ns, end_ns): (u64, u64), cpu_ns: u64) -> Vec<Interval> {
        for producer in &mut self.producers {
            let Some(schedule) = &mut producer.counting else { continue };
            let counts = &mut self.groups.get_mut(producer.group as usize).expect("it is of a group").counts;
            while schedule.due_ns() < end_ns.min(self.stop_ns) {
                schedule.advance();
                counts.due += 1;
            }
        }
        let idle_ns = std::mem::take(&mut self.idle_ns);
        if let Some(first) = self.groups.first_mut() {
            first.counts.cpu_ns = cpu_ns;
            first.counts.idle_ns = idle_ns;
        }
        let groups = self.groups.iter_mut().enumerate();
        groups
            .map(|(group, notes)| {
                let GroupNotes { counts, latencies } = std::mem::take(notes);
                Interval {
                    worker,
                    group: group as u32,
                    start_ns,
                    end_ns,
                    counts,
                    latencies,
                    over_ns: None,
                    resumed: None,
                }
            })
            .collect()
    }

    /// What was sent and received.
    pub fn take_ledger(&mut self, ending: Ending) -> Ledger {
        let mut ledger =
            Ledger { full: self.full, ending, places: std::mem::take(&mut self.places), ..Ledger::default() };
        for producer in std::mem::take(&mut self.producers) {
            let mut in_doubt = Sequences::default();
            // Of most producers everything has an outcome.
            for sequence in producer.settled.below()..producer.sent {
                if !producer.settled.contains(sequence) {
                    in_doubt.insert(sequence, &mut self.budget);
                }
            }
            let ProducerNotes { group, number, sent, refused, .. } = producer;
            let unanswered = if ending == Ending::ServerGone { 0 } else { in_doubt.count() };
            ledger.sent.push(Sent { group, producer: number, count: sent, refused, in_doubt, unanswered });
        }
        ledger
    }
}
