//! Who keeps the server while it is loaded: starts it, kills it again and again, and holds on to it until the load is over.
//!
//! A thread of its own, since the server lives no longer than the thread that started it. Guarantees: nothing is killed before it is told to
//! begin, nor once the load is to stop, so that what is under way comes in; whatever happens the server is gone when the keeper is.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use engine_rt::wall_ms;
use flume::RecvTimeoutError;
use load_model::outage::{Kill, Lives};

use super::server::{Server, ServerError};
use crate::exit::CommandError;
use crate::terminal::say;

/// How long the load goes on behind the last kill: long enough for clients to be back and for what waited to be sent.
const CALM: Duration = Duration::from_secs(3);
/// How often it is looked whether the load is to stop.
const LOOK: Duration = Duration::from_millis(20);

/// How often a server is killed.
#[derive(Debug)]
pub struct Plan {
    /// How many times.
    pub kills: u32,
    /// How long it lives each time.
    pub lives: Lives,
    /// How long it is left down.
    pub outage: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Kept {
    /// What was done, in order.
    pub kills: Vec<Kill>,
    /// Whether they are as many as were planned.
    pub is_complete: bool,
    /// Why there is no server any more.
    pub failed: Option<ServerError>,
}

/// The keeper's thread, as others see it.
#[derive(Debug)]
pub struct Keeper {
    begin: Arc<AtomicBool>,
    /// Nothing is ever sent: that it is gone says that the load is over.
    load: Option<flume::Sender<Infallible>>,
    thread: Option<JoinHandle<Kept>>,
}

impl Keeper {
    /// Starts the server and waits until it answers. `stop` is what ends the load: the keeper sets it when its plan is done, and heeds it.
    ///
    /// # Errors
    /// When there is no server.
    pub fn start(server: Server, plan: Plan, stop: &Arc<AtomicBool>) -> Result<Self, CommandError> {
        let begin = Arc::new(AtomicBool::new(false));
        let (load, over) = flume::bounded(1);
        let (tell, told) = flume::bounded(1);
        let (stop, begun) = (Arc::clone(stop), Arc::clone(&begin));
        let keep = move || {
            let mut work = Work { server, stop, begun, over, kept: Kept::default() };
            let started = work.server.start();
            let is_up = started.is_ok();
            // Whoever waits for this is there until it has heard.
            if tell.send(started).is_ok() && is_up { work.keep(plan) } else { Kept::default() }
        };
        let thread = std::thread::Builder::new().name("server".to_owned()).spawn(keep).map_err(CommandError::failed)?;
        let keeper = Self { begin, load: Some(load), thread: Some(thread) };
        match told.recv() {
            Ok(Ok(())) => Ok(keeper),
            Ok(Err(error)) => Err(CommandError::failed(error)),
            Err(flume::RecvError::Disconnected) => Err(CommandError::Failed("the server's keeper ended".to_owned())),
        }
    }

    /// What is set when the server may be killed.
    pub fn begin(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.begin)
    }

    /// The load is over: ends the server, and gives what was done to it.
    pub fn finish(&mut self) -> Kept {
        self.load = None;
        let thread = self.thread.take();
        thread.and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.finish();
    }
}

struct Work {
    server: Server,
    stop: Arc<AtomicBool>,
    begun: Arc<AtomicBool>,
    over: flume::Receiver<Infallible>,
    kept: Kept,
}

impl Work {
    fn keep(mut self, mut plan: Plan) -> Kept {
        let mut is_over = !self.wait_to_begin();
        while !is_over && self.kept.kills.len() < plan.kills as usize {
            is_over = !self.rest(Duration::from_nanos(plan.lives.next_ns()));
            if !is_over && let Err(error) = self.kill(plan.outage) {
                say("the server is gone: the load ends, and what is known is reported");
                self.kept.failed = Some(error);
                is_over = true;
            }
        }
        self.kept.is_complete = self.kept.failed.is_none() && self.kept.kills.len() == plan.kills as usize;
        if !is_over {
            self.rest(CALM);
        }
        self.stop.store(true, Ordering::Relaxed);
        // What is under way comes in meanwhile.
        while !self.is_over_within(LOOK) {}
        if self.kept.failed.is_none() {
            // One that ended by itself, now that nobody was to kill it, is news as well.
            self.kept.failed = self.server.kill().err();
        }
        self.kept
    }

    /// Kills the server and starts it again.
    fn kill(&mut self, outage: Duration) -> Result<(), ServerError> {
        let at_ms = wall_ms();
        self.server.kill()?;
        self.kept.kills.push(Kill { at_ms, back_ms: None });
        // If the load is to stop meanwhile, what is under way still needs a server.
        self.rest(outage);
        self.server.start()?;
        if let Some(kill) = self.kept.kills.last_mut() {
            kill.back_ms = Some(wall_ms());
        }
        Ok(())
    }

    /// Waits until it may kill; gives whether the load goes on.
    fn wait_to_begin(&self) -> bool {
        while !self.begun.load(Ordering::Relaxed) {
            if self.is_over_within(LOOK) {
                return false;
            }
        }
        true
    }

    /// Waits for the end of the load, and no longer than a time; gives whether it is over.
    fn is_over_within(&self, time: Duration) -> bool {
        matches!(self.over.recv_timeout(time), Err(RecvTimeoutError::Disconnected))
    }

    /// Waits; gives whether the load goes on.
    fn rest(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.stop.load(Ordering::Relaxed) {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            if self.is_over_within(left.min(LOOK)) {
                return false;
            }
        }
    }
}
