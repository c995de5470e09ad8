//! A run as it goes on: what all workers tell becomes seconds, the seconds become figures, and the figures decide when to stop.
//!
//! A machine: `handle` takes what a worker told, `poll_view` gives what there is to show, `stop_at` says when to order the
//! workers to stop, `finish` gives the result.
//!
//! Guarantees:
//! 1. A second is added up when every worker has told of it (or is done), never twice, and in order of time.
//! 2. Counts of the figures are those of the measured time alone. Latencies are those of the measured time and of the drain behind
//!    it: the messages that took longest come last, and leaving them out would make the server look better the worse it is.
//! 3. Percentiles of figures come from histograms of all values.
//! 4. Memory does not grow with the length of a run: pending seconds, views and rows of the timeline have limits, below and in
//!    `timeline`.
//!
//! What it does not do: read a clock, know machines or servers (the caller adds `started_ms`, `machine`, `server`, `floor` and
//! `workers`), or judge (`RunResult::judge`).

use std::collections::{BTreeMap, VecDeque};

use crate::interval::{Counts, Interval, Resumed};
use crate::latency::Latencies;
use crate::ledger::{Ending, Ledger, audit};
use crate::result::{
    Audit, CutOff, FORMAT, Figures, Generator, Machine, RunResult, Second, Server, Side, Steadiness, Verdict,
    percentiles,
};
use crate::scenario::{Arrivals, Scenario, WarmUp};
use crate::steady::{Detector, Sample, Warmth};
use crate::worker::{Told, Tries};

mod row;
mod timeline;
mod view;

use row::Row;
use timeline::Timeline;
pub use view::{GroupView, Phase, View};

/// Seconds that some workers told of and others did not. A worker that is so far behind is not working; each takes up to some
/// megabytes.
const PENDING_MAX: usize = 30;
/// Views that wait to be polled: whoever polls more seldom sees the newest ones.
const VIEWS_MAX: usize = 16;
/// A second of a run, nanoseconds.
const SECOND_NS: u64 = 1_000_000_000;

/// What is known of a worker.
#[derive(Clone, Debug, Default)]
struct Worker {
    is_ready: bool,
    is_done: bool,
    /// Start of the newest interval that it told.
    newest_ns: Option<u64>,
    /// Processor time and idle time in the measured time.
    cpu_ns: u64,
    idle_ns: u64,
    /// Where its producers ended, if they have.
    over_ns: Option<u64>,
    /// What it does about connections that are down.
    tries: Tries,
}

/// Counts and latencies that are added up.
#[derive(Clone, Debug, Default)]
struct Tally {
    counts: Counts,
    latencies: Latencies,
}

/// Adds up what workers tell.
#[derive(Debug)]
pub struct Collector {
    scenario: Scenario,
    workers: Vec<Worker>,
    pending: BTreeMap<u64, Row>,
    /// Where the last complete second ended.
    elapsed_ns: u64,
    warm_up_end_ns: Option<u64>,
    steadiness: Steadiness,
    detector: Detector,
    /// Messages that were due and have not come to their end: it may be negative, as queues need not be empty at the start.
    backlog: f64,
    stop_at_ns: Option<u64>,
    /// Where the last measured second ended.
    measured_until_ns: u64,
    /// Messages sent in all, warm-up included: what `count` bounds.
    sent: u64,
    total: Tally,
    groups: Vec<Tally>,
    timeline: Timeline,
    phase: Phase,
    views: VecDeque<View>,
    ledgers: Vec<Ledger>,
    server: Server,
    is_interrupted: bool,
    cut_off: Option<CutOff>,
    resumed: Resumed,
}

impl Collector {
    /// Of a run by so many workers.
    pub fn new(scenario: &Scenario, workers: u32) -> Self {
        let mut collector = Self {
            scenario: scenario.without_credentials(),
            workers: vec![Worker::default(); workers as usize],
            pending: BTreeMap::new(),
            elapsed_ns: 0,
            warm_up_end_ns: None,
            steadiness: Steadiness::NotLookedFor,
            detector: Detector::default(),
            backlog: 0.0,
            stop_at_ns: None,
            measured_until_ns: 0,
            sent: 0,
            total: Tally::default(),
            groups: vec![Tally::default(); scenario.groups.len()],
            timeline: Timeline::default(),
            phase: Phase::Connecting,
            views: VecDeque::new(),
            ledgers: Vec::new(),
            server: Server::default(),
            is_interrupted: false,
            cut_off: None,
            resumed: Resumed::default(),
        };
        if let Some(end_ns) = fixed_warm_up(scenario) {
            collector.end_warm_up(end_ns);
        }
        collector
    }

    /// Takes what a worker told.
    ///
    /// # Errors
    /// When it tells what cannot be; a sentence for people. The run cannot go on then, but `finish` still gives what there is.
    pub fn handle(&mut self, told: Told) -> Result<(), String> {
        match told {
            Told::Ready { worker, product, container } => self.handle_ready(worker, product, container),
            Told::Tries { worker, tries } => {
                self.worker(worker)?.tries = tries;
                self.show(None, Latencies::default(), Vec::new());
                Ok(())
            }
            Told::Interval(interval) => self.handle_interval(interval),
            Told::Lost { worker, at_ns, why } => {
                self.cut_off(Side::Server, at_ns, why);
                // What a worker knows of a run that has begun comes behind this.
                if at_ns.is_some() { Ok(()) } else { self.handle_untold(worker) }
            }
            Told::Done { worker, ledger } => self.handle_done(worker, ledger),
            Told::Failed { worker, why } => {
                self.cut_off(Side::Generator, self.begun_ns(), format!("worker {worker}: {why}"));
                self.handle_untold(worker)
            }
        }
    }

    /// The run cannot go on: it ends at a time of the run, or does not begin. The first reason stays.
    pub fn cut_off(&mut self, by: Side, at_ns: Option<u64>, why: String) {
        self.cut_off.get_or_insert(CutOff { by, at_s: at_ns.map(|ns| ns as f64 / 1e9), why });
        self.stop_by(at_ns.unwrap_or(0));
    }

    /// Who cut it off, if somebody did.
    pub fn cut_off_by(&self) -> Option<Side> {
        self.cut_off.as_ref().map(|cut_off| cut_off.by)
    }

    /// The run ends sooner than planned, at a time of the run: someone interrupted it.
    pub fn interrupt(&mut self, at_ns: u64) {
        self.is_interrupted = true;
        self.stop_by(at_ns);
    }

    /// What there is to show; drained until there is nothing.
    pub fn poll_view(&mut self) -> Option<View> {
        let mut view = self.views.pop_front()?;
        // Looking through a histogram takes a while: only for who looks at it.
        view.percentiles = percentiles(&self.total.latencies);
        Some(view)
    }

    /// Where the warm-up ends, nanoseconds of the run; absent as long as it is not known. It stays.
    pub fn measure_from(&self) -> Option<u64> {
        self.warm_up_end_ns
    }

    /// When workers are to send nothing more, nanoseconds of the run; absent as long as it is not known. It may become sooner.
    pub fn stop_at(&self) -> Option<u64> {
        self.stop_at_ns
    }

    /// Whether all workers are attached, so that they may start.
    pub fn is_ready(&self) -> bool {
        self.workers.iter().all(|worker| worker.is_ready)
    }

    /// Whether all workers are done.
    pub fn is_done(&self) -> bool {
        self.workers.iter().all(|worker| worker.is_done)
    }

    /// The result, of whatever was told. Not judged yet.
    pub fn finish(mut self) -> RunResult {
        while let Some((start_ns, row)) = self.pending.pop_first() {
            self.complete(start_ns, row);
        }
        let is_untold = self.workers.iter().any(|worker| !worker.is_done);
        if is_untold {
            self.ledgers.push(Ledger { ending: Ending::Untold, ..Ledger::default() });
        }
        let measured_s = self.measured_ns() as f64 / 1e9;
        let generator = self.generator();
        let figures = |name: &str, tally: Tally| Figures {
            name: name.to_owned(),
            counts: tally.counts,
            percentiles: percentiles(&tally.latencies),
            latencies: tally.latencies,
        };
        let names = self.scenario.groups.iter().map(|group| group.name.as_str());
        let groups = names.zip(self.groups).map(|(name, tally)| figures(name, tally)).collect();
        RunResult {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: 0,
            machine: Machine::default(),
            server: self.server,
            warm_up_s: self.warm_up_end_ns.unwrap_or(self.elapsed_ns) as f64 / 1e9,
            steadiness: self.steadiness,
            measured_s,
            interrupted: self.is_interrupted,
            demonstration: String::new(),
            total: figures("total", self.total),
            groups,
            timeline: self.timeline.into_rows(),
            audit: match &self.cut_off {
                Some(CutOff { at_s: None, .. }) => Audit::nothing_sent(),
                _ => audit(&self.ledgers, &self.scenario),
            },
            generator,
            floor: None,
            verdict: Verdict::default(),
            requirements: Vec::new(),
            workers: Vec::new(),
            resumed: self.resumed,
            outages: Vec::new(),
            cut_off: self.cut_off,
            scenario: self.scenario,
        }
    }

    fn worker(&mut self, number: u32) -> Result<&mut Worker, String> {
        let workers = self.workers.len();
        let unknown = || format!("worker {number} is not one of the {workers} of this run");
        self.workers.get_mut(number as usize).ok_or_else(unknown)
    }

    fn handle_ready(&mut self, worker: u32, product: String, container: String) -> Result<(), String> {
        let known = self.worker(worker)?;
        (known.is_ready, known.tries) = (true, Tries::default());
        if self.server.product.is_empty() {
            self.server.product = product;
        }
        if self.server.container.is_empty() {
            self.server.container = container;
        }
        if self.is_ready() {
            self.phase = self.phase_at(0);
        }
        self.show(None, Latencies::default(), Vec::new());
        Ok(())
    }

    fn handle_interval(&mut self, interval: Interval) -> Result<(), String> {
        let Interval { worker, group, start_ns, end_ns, .. } = interval;
        let groups = self.groups.len();
        if group as usize >= groups || end_ns <= start_ns || end_ns - start_ns > SECOND_NS {
            return Err(format!(
                "worker {worker} tells of group {group} from {start_ns} to {end_ns} ns: no such interval"
            ));
        }
        if start_ns < self.elapsed_ns {
            return Err(format!("worker {worker} tells of {start_ns} ns, which was complete already"));
        }
        let workers = self.workers.len();
        let known = self.worker(worker)?;
        known.newest_ns = known.newest_ns.max(Some(start_ns));
        known.over_ns = known.over_ns.or(interval.over_ns);
        if let Some(resumed) = &interval.resumed {
            self.resumed.add(resumed);
        }
        self.pending.entry(start_ns).or_insert_with(|| Row::new(workers, groups)).add(interval);
        if self.pending.len() > PENDING_MAX {
            return Err(format!("{} has told nothing for {PENDING_MAX} s", self.slowest()));
        }
        self.complete_rows();
        Ok(())
    }

    fn handle_done(&mut self, worker: u32, ledger: Ledger) -> Result<(), String> {
        let known = self.worker(worker)?;
        if std::mem::replace(&mut known.is_done, true) {
            return Err(format!("worker {worker} was done already"));
        }
        self.ledgers.push(ledger);
        self.complete_rows();
        Ok(())
    }

    /// A worker ended, and what it received is not known.
    fn handle_untold(&mut self, worker: u32) -> Result<(), String> {
        if self.worker(worker)?.is_done {
            return Ok(());
        }
        self.handle_done(worker, Ledger { ending: Ending::Untold, ..Ledger::default() })
    }

    /// How far the run is, if it has begun.
    fn begun_ns(&self) -> Option<u64> {
        self.is_ready().then_some(self.elapsed_ns)
    }

    /// Which worker holds up the oldest second.
    fn slowest(&self) -> String {
        let working = self.workers.iter().enumerate().filter(|(_, worker)| !worker.is_done);
        let slowest = working.min_by_key(|(_, worker)| worker.newest_ns);
        slowest.map_or_else(|| "no worker".to_owned(), |(number, _)| format!("worker {number}"))
    }

    fn complete_rows(&mut self) {
        while let Some(start_ns) = self.first_complete()
            && let Some(row) = self.pending.remove(&start_ns)
        {
            self.complete(start_ns, row);
        }
    }

    /// The oldest second, if every worker has told of it.
    fn first_complete(&self) -> Option<u64> {
        let (start_ns, row) = self.pending.first_key_value()?;
        let has_told = |(number, worker): (usize, &Worker)| {
            worker.is_done || worker.newest_ns > Some(*start_ns) || row.is_told_by(number)
        };
        self.workers.iter().enumerate().all(has_told).then_some(*start_ns)
    }

    /// Adds a complete second to everything.
    fn complete(&mut self, start_ns: u64, row: Row) {
        self.elapsed_ns = self.elapsed_ns.max(row.end_ns);
        self.sent += row.groups.iter().map(|group| group.counts.sent).sum::<u64>();
        self.end_at_count(start_ns, row.end_ns);
        let phase = self.phase_at(start_ns);
        let end_ns =
            self.stop_at_ns.map_or(row.end_ns, |stop| if stop > start_ns { stop.min(row.end_ns) } else { row.end_ns });
        let names = self.scenario.groups.iter().map(|group| group.name.clone());
        let mut all = Tally::default();
        for (told, tally) in row.groups.iter().zip(&mut self.groups) {
            all.counts.add(&told.counts);
            all.latencies.merge(&told.latencies);
            tally.add(told, phase);
        }
        let of_all = percentiles(&all.latencies);
        let of_group = |told: &Tally| match row.groups.len() {
            1 => of_all.clone(),
            _ => percentiles(&told.latencies),
        };
        let told = names.zip(&row.groups);
        let views =
            told.map(|(name, told)| GroupView { name, counts: told.counts, percentiles: of_group(told) }).collect();
        self.total.add(&all, phase);
        if phase == Phase::Measuring {
            self.measured_until_ns = end_ns;
            // Of a second in which the measured time ends, processor and idle time are taken to be spread evenly.
            let measured = (end_ns - start_ns) as f64 / (row.end_ns - start_ns).max(1) as f64;
            for (worker, (cpu_ns, idle_ns)) in self.workers.iter_mut().zip(row.processor()) {
                worker.cpu_ns += (cpu_ns as f64 * measured) as u64;
                worker.idle_ns += (idle_ns as f64 * measured) as u64;
            }
        }
        let second = Second {
            at_s: start_ns as f64 / 1e9,
            length_s: (end_ns - start_ns) as f64 / 1e9,
            measured: phase == Phase::Measuring,
            counts: all.counts,
            percentiles: of_all,
            server_cpu: None,
            server_memory: None,
        };
        self.timeline.push(second.clone());
        if self.warm_up_end_ns.is_none() {
            let ended = self.scenario.ended(row.groups.iter().map(|group| &group.counts));
            self.look_for_steadiness(&second, ended);
        }
        self.phase = self.phase_at(self.elapsed_ns);
        self.show(Some(second), all.latencies, views);
    }

    /// What a second that begins at a time belongs to.
    fn phase_at(&self, start_ns: u64) -> Phase {
        if self.stop_at_ns.is_some_and(|stop| start_ns >= stop) {
            Phase::Draining
        } else if self.warm_up_end_ns.is_some_and(|end| start_ns >= end) {
            Phase::Measuring
        } else {
            Phase::WarmUp
        }
    }

    /// Ends the warm-up if all is steady, or if it has gone on for too long.
    fn look_for_steadiness(&mut self, second: &Second, ended: u64) {
        let name = self.scenario.outcome().name();
        let of_outcome = second.percentiles.iter().find(|percentiles| percentiles.metric == name);
        self.backlog += second.counts.due as f64 - ended as f64;
        let warmth = self.detector.handle_second(Sample {
            rate: ended as f64 / second.length_s,
            latency_us: of_outcome.map(|percentiles| percentiles.p50),
            backlog: self.backlog,
        });
        self.steadiness = match warmth {
            Warmth::Cold => return,
            Warmth::Steady => Steadiness::Reached,
            Warmth::Unsteady => Steadiness::NotReached,
        };
        self.end_warm_up(self.elapsed_ns);
    }

    /// Ends the run when as many messages were sent as it is to have: where the last one's share of the time ends, so that a count and a
    /// rate are a length. A worker that does not say where that is has it at the end of the second.
    fn end_at_count(&mut self, start_ns: u64, end_ns: u64) {
        if self.scenario.count > 0 && self.sent >= self.scenario.count {
            let of_workers = self.workers.iter().map(|worker| worker.over_ns.unwrap_or(end_ns));
            let over_ns = of_workers.max().unwrap_or(end_ns);
            self.stop_by(over_ns.clamp(start_ns + 1, end_ns.max(start_ns + 1)));
        }
    }

    fn stop_by(&mut self, at_ns: u64) {
        self.stop_at_ns = Some(self.stop_at_ns.map_or(at_ns, |stop| stop.min(at_ns)));
    }

    fn end_warm_up(&mut self, end_ns: u64) {
        self.warm_up_end_ns = Some(end_ns);
        self.measured_until_ns = end_ns;
        if self.scenario.duration.0 > 0 {
            self.stop_by(end_ns.saturating_add(self.scenario.duration.0));
        }
    }

    fn measured_ns(&self) -> u64 {
        self.warm_up_end_ns.map_or(0, |end| self.measured_until_ns - end)
    }

    fn show(&mut self, second: Option<Second>, latencies: Latencies, groups: Vec<GroupView>) {
        if self.views.len() == VIEWS_MAX {
            self.views.pop_front();
        }
        self.views.push_back(View {
            phase: self.phase,
            ready: self.workers.iter().map(|worker| u32::from(worker.is_ready)).sum(),
            workers: self.workers.len() as u32,
            elapsed_ns: self.elapsed_ns,
            measured_ns: self.measured_ns(),
            warm_up_end_ns: self.warm_up_end_ns.filter(|end| *end <= self.elapsed_ns),
            stop_at_ns: self.stop_at_ns,
            tries: self.workers.iter().map(|worker| &worker.tries).find(|tries| tries.down > 0).cloned(),
            second,
            latencies,
            groups,
            counts: self.total.counts,
            percentiles: Vec::new(),
        });
    }

    fn generator(&self) -> Generator {
        let measured_ns = self.measured_ns();
        let share = |ns: u64| if measured_ns == 0 { 0.0 } else { ns as f64 / measured_ns as f64 };
        let busiest_ns = self.workers.iter().map(|worker| worker.cpu_ns).max().unwrap_or(0);
        let idle_ns = self.workers.iter().map(|worker| worker.idle_ns).min().unwrap_or(0);
        // A client that cannot tell its idle time (the second one cannot) has none anywhere; its processor time has to do.
        let tells_idle = self.workers.iter().any(|worker| worker.idle_ns > 0);
        let busiest_share = if tells_idle { 1.0 - share(idle_ns) } else { share(busiest_ns) };
        let counts = &self.total.counts;
        // A reply is sent by one end of ours and received by the other.
        let messages = counts.sent + counts.received + 2 * counts.replies;
        Generator {
            threads: self.workers.len() as u32,
            busiest_cpu: share(busiest_ns).min(1.0),
            busiest_share: busiest_share.clamp(0.0, 1.0),
            cpu_ns_per_message: if messages == 0 { 0.0 } else { counts.cpu_ns as f64 / messages as f64 },
        }
    }
}

impl Tally {
    fn add(&mut self, other: &Self, phase: Phase) {
        if phase == Phase::Measuring {
            self.counts.add(&other.counts);
        }
        if matches!(phase, Phase::Measuring | Phase::Draining) {
            self.latencies.merge(&other.latencies);
        }
    }
}

/// When the warm-up of a scenario ends, if that is known beforehand. Seconds belong to it whole. A ramp is never steady, and of a
/// number of messages each one counts: without another word they have no warm-up.
fn fixed_warm_up(scenario: &Scenario) -> Option<u64> {
    let has_ramp = scenario.groups.iter().any(|group| matches!(group.arrivals, Arrivals::Ramp { .. }));
    match scenario.warm_up {
        WarmUp::Fixed(span) => Some(span.0.div_ceil(SECOND_NS) * SECOND_NS),
        WarmUp::Auto if has_ramp || scenario.count > 0 => Some(0),
        WarmUp::Auto => None,
    }
}

#[cfg(test)]
mod tests;
