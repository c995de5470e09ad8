//! One run, from the first attach to the result: starts all workers at once, hears what they tell, ends them.
//!
//! Guarantees: every worker begins at the same moment of its own clock; nothing is decided here that `load_model::collect` can decide;
//! when one worker fails all are ended; whatever ends a run that was to begin, there is a result of what was seen until then.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine_rt::{monotonic_ns, wall_ms};
use load_model::collect::{Collector, View};
use load_model::result::{RunResult, Side};
use load_model::scenario::Scenario;
use load_model::worker::{Order, Told};

use crate::error::RunError;

/// How long all links may take to be attached, seconds: 100,000 of them at a slow server.
const READY_S: u64 = 120;
/// From the order to begin to the beginning, nanoseconds: for the order to reach a worker that looks every 10 ms, elsewhere too.
const LEAD_NS: u64 = 100_000_000;
/// How long workers may take beyond the time to drain, until they have told everything, nanoseconds.
const LAST_WORDS_NS: u64 = 30_000_000_000;
/// How often whoever waits looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(20);

/// One worker, as its coordinator sees it: a thread here, or one on another machine.
#[derive(Clone, Debug)]
pub struct Handle {
    /// Where its orders go.
    pub orders: flume::Sender<Order>,
    /// Its monotonic clock less ours, nanoseconds; 0 for a thread of this machine.
    pub clock_offset_ns: i64,
}

/// All workers of a run, in the order of their numbers, and where they tell what they did.
#[derive(Debug)]
pub struct Workers {
    /// The workers.
    pub handles: Vec<Handle>,
    /// What they tell.
    pub told: flume::Receiver<Told>,
}

/// Does a run with workers that are connecting. `stop` ends it sooner, as if its time were over; `on_view` is called about once a
/// second, for those who watch. Machine, server's usage, floor and workers of the result are the caller's to fill in.
///
/// What ends a run before its time is in its result (`RunResult::cut_off`).
///
/// # Errors
/// When it was interrupted before it began.
pub fn run(
    scenario: &Scenario,
    workers: &Workers,
    stop: &AtomicBool,
    on_view: &mut dyn FnMut(&View),
) -> Result<RunResult, RunError> {
    let count = u32::try_from(workers.handles.len()).unwrap_or(u32::MAX);
    let mut run = Run {
        workers,
        collector: Collector::new(scenario, count),
        drain_ns: scenario.drain.0,
        begun: None,
        is_measured: false,
        stop_at_ns: None,
        made_ns: monotonic_ns(),
    };
    if let Err(error) = run.coordinate(stop, on_view) {
        // A worker that does not even take this order hangs; what happened first is known.
        let _ = run.order(|_| Order::Abort);
        match error {
            RunError::Interrupted => return Err(error),
            RunError::NotReady { .. } => run.collector.cut_off(Side::Server, None, error.to_string()),
            other => {
                let at_ns = run.begun.map(|begun| monotonic_ns().saturating_sub(begun.origin_ns));
                run.collector.cut_off(Side::Generator, at_ns, other.to_string());
            }
        }
    }
    let started_ms = run.begun.map_or_else(wall_ms, |begun| begun.wall_ms);
    Ok(RunResult { started_ms, ..run.collector.finish() })
}

/// When a run began.
#[derive(Clone, Copy)]
struct Begun {
    origin_ns: u64,
    wall_ms: u64,
}

struct Run<'a> {
    workers: &'a Workers,
    collector: Collector,
    drain_ns: u64,
    begun: Option<Begun>,
    /// Whether workers were told what is measured.
    is_measured: bool,
    /// What workers were told of the end.
    stop_at_ns: Option<u64>,
    made_ns: u64,
}

impl Run<'_> {
    fn coordinate(&mut self, stop: &AtomicBool, on_view: &mut dyn FnMut(&View)) -> Result<(), RunError> {
        let mut is_interrupted = false;
        while !self.collector.is_done() {
            match self.workers.told.recv_timeout(LOOK) {
                Ok(told) => self.collector.handle(told).map_err(RunError::Told)?,
                Err(flume::RecvTimeoutError::Timeout) => {}
                Err(flume::RecvTimeoutError::Disconnected) => return Err(RunError::Gone),
            }
            while let Some(view) = self.collector.poll_view() {
                on_view(&view);
            }
            let now_ns = monotonic_ns();
            match (self.begun, self.collector.cut_off_by()) {
                // What others know of a run in which one worker failed is no result of it; one that has not begun has none.
                (None, Some(_)) | (_, Some(Side::Generator)) => {
                    return self.order(|_| Order::Abort);
                }
                (begun, _) => self.go_on(begun, now_ns, stop, &mut is_interrupted)?,
            }
        }
        while let Some(view) = self.collector.poll_view() {
            on_view(&view);
        }
        Ok(())
    }

    fn go_on(
        &mut self,
        begun: Option<Begun>,
        now_ns: u64,
        stop: &AtomicBool,
        is_interrupted: &mut bool,
    ) -> Result<(), RunError> {
        let Some(begun) = begun else { return self.begin_if_ready(now_ns, stop) };
        let at_ns = now_ns.saturating_sub(begun.origin_ns);
        if stop.load(Ordering::Relaxed) && !std::mem::replace(is_interrupted, true) {
            self.collector.interrupt(at_ns);
        }
        self.order_measure()?;
        self.order_stop()?;
        let last_ns = self.stop_at_ns.map(|stop_ns| stop_ns + self.drain_ns + LAST_WORDS_NS);
        if last_ns.is_some_and(|last_ns| at_ns > last_ns) {
            return Err(RunError::Silent);
        }
        Ok(())
    }

    fn begin_if_ready(&mut self, now_ns: u64, stop: &AtomicBool) -> Result<(), RunError> {
        if stop.load(Ordering::Relaxed) {
            return Err(RunError::Interrupted);
        }
        if !self.collector.is_ready() {
            let workers = self.workers.handles.len();
            let is_late = now_ns > self.made_ns + READY_S * 1_000_000_000;
            return if is_late { Err(RunError::NotReady { workers, seconds: READY_S }) } else { Ok(()) };
        }
        let wall_ms = wall_ms();
        // Whoever counts runs would have to keep the count somewhere; time and process tell them apart as well.
        let run = (wall_ms as u32) ^ std::process::id().rotate_left(16);
        let origin_ns = now_ns + LEAD_NS;
        self.order(|handle| Order::Start { origin_ns: origin_ns.saturating_add_signed(handle.clock_offset_ns), run })?;
        self.begun = Some(Begun { origin_ns, wall_ms: wall_ms + LEAD_NS / 1_000_000 });
        self.order_measure()?;
        self.order_stop()
    }

    /// Tells workers what is measured, once it is known.
    fn order_measure(&mut self) -> Result<(), RunError> {
        match self.collector.measure_from() {
            Some(from_ns) if !std::mem::replace(&mut self.is_measured, true) => {
                self.order(|_| Order::Measure { from_ns })
            }
            _ => Ok(()),
        }
    }

    /// Tells workers when to stop, as soon as it is known and whenever it becomes sooner.
    fn order_stop(&mut self) -> Result<(), RunError> {
        if let Some(at_ns) = self.collector.stop_at().filter(|at_ns| self.stop_at_ns.is_none_or(|told| *at_ns < told)) {
            self.stop_at_ns = Some(at_ns);
            return self.order(|_| Order::Stop { at_ns });
        }
        Ok(())
    }

    fn order(&self, order: impl Fn(&Handle) -> Order) -> Result<(), RunError> {
        for handle in &self.workers.handles {
            match handle.orders.try_send(order(handle)) {
                // One that is gone has said why.
                Ok(()) | Err(flume::TrySendError::Disconnected(_)) => {}
                Err(flume::TrySendError::Full(_)) => return Err(RunError::Silent),
            }
        }
        Ok(())
    }
}
