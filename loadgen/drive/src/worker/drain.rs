//! The end of a run: nothing more is due, and what is under way comes in.
//!
//! A worker that is alone knows what is to come, and ends when it is there. One of several does not know what the others sent: it ends
//! when it owes nothing, is owed nothing, and has heard nothing for `QUIET_NS`. Neither waits longer than the scenario's `drain`.

use load_model::ledger::Ending;
use load_model::scenario::{Pattern, Scenario};
use load_model::worker::Share;

use super::conn::{Conn, Stage, Surroundings};
use super::shared::Shared;

/// How long nothing has to come for a worker to believe that nothing will, nanoseconds.
const QUIET_NS: u64 = 2_000_000_000;
/// Messages that came within this time before the end of the drain show that more were on their way, nanoseconds.
const RECENT_NS: u64 = 500_000_000;

/// Where the end of a run is.
pub(super) struct Drain {
    drain_ns: u64,
    is_alone: bool,
    stage: DrainStage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DrainStage {
    /// The run goes on, or what is under way comes in.
    Waiting,
    /// Connections are closed.
    Closing(Ending),
    /// Everything is over.
    Over(Ending),
}

impl Drain {
    pub fn new(scenario: &Scenario, share: Share) -> Self {
        Self { drain_ns: scenario.drain.0, is_alone: share.workers <= 1, stage: DrainStage::Waiting }
    }

    /// Whether connections that are gone are to be made again.
    pub fn wants_connections(&self) -> bool {
        self.stage == DrainStage::Waiting
    }

    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, DrainStage::Over(_))
    }

    /// How the end came.
    pub fn ending(&self) -> Ending {
        match self.stage {
            DrainStage::Over(ending) | DrainStage::Closing(ending) => ending,
            DrainStage::Waiting => Ending::Untold,
        }
    }

    /// A connection broke that is not to be made again: nothing more is waited for.
    pub fn give_up(&mut self, conns: &mut [Conn], around: &Surroundings<'_>, shared: &mut Shared) {
        conns.iter_mut().for_each(|conn| conn.close(around, shared));
        self.stage = DrainStage::Closing(Ending::ServerGone);
    }

    /// Goes on, if the run's load is over.
    pub fn turn(&mut self, conns: &mut [Conn], around: &Surroundings<'_>, shared: &mut Shared) {
        if !shared.has_begun {
            return;
        }
        match self.stage {
            DrainStage::Waiting if shared.now_ns >= shared.stop_ns => {
                // What is left of transactions ends; nothing more is sent.
                conns.iter_mut().for_each(|conn| conn.pump_all(shared));
                let waited_ns = shared.now_ns - shared.stop_ns;
                let is_cut_short = waited_ns >= self.drain_ns && shared.now_ns < shared.heard_ns + RECENT_NS;
                if waited_ns >= self.drain_ns || self.is_complete(conns, shared) {
                    let is_gone = conns.iter().any(|conn| !conn.why_down.is_empty());
                    conns.iter_mut().for_each(|conn| conn.close(around, shared));
                    self.stage = DrainStage::Closing(match (is_gone, is_cut_short) {
                        (true, _) => Ending::ServerGone,
                        (false, true) => Ending::DrainOver,
                        (false, false) => Ending::Quiet,
                    });
                }
            }
            DrainStage::Closing(ending) => {
                if conns.iter().all(|conn| conn.stage() == Stage::Down) {
                    self.stage = DrainStage::Over(ending);
                }
            }
            DrainStage::Waiting | DrainStage::Over(_) => {}
        }
    }

    /// Whether nothing is under way, as far as this worker can know.
    fn is_complete(&self, conns: &[Conn], shared: &Shared) -> bool {
        let mut producers = conns.iter().flat_map(|conn| &conn.producers);
        let mut consumers = conns.iter().flat_map(|conn| &conn.consumers);
        let is_settled = producers.all(|producer| producer.is_over(shared) && producer.is_settled())
            && consumers.all(|consumer| consumer.is_settled());
        let is_quiet = shared.now_ns >= shared.heard_ns.max(shared.stop_ns) + QUIET_NS;
        is_settled && (is_quiet || self.is_alone && is_all_there(conns, shared))
    }
}

/// Whether every message that was accepted has come to everybody, replies included.
fn is_all_there(conns: &[Conn], shared: &Shared) -> bool {
    let mut owed = 0;
    for (group, producer) in
        conns.iter().flat_map(|conn| conn.producers.iter().map(|producer| (conn.group(), producer)))
    {
        let Some(spec) = shared.scenario.groups.get(group as usize) else { continue };
        let places = match (spec.consumers, spec.pattern) {
            (0, _) => 0,
            // A selector gives each to one consumer.
            (_, Pattern::Topic) if spec.jms.is_dealt() => 1,
            (_, Pattern::Topic) => u64::from(spec.consumers_of(spec.address_of_producer(producer.number()))),
            (_, Pattern::Queue) => 1,
            // The request, and its reply.
            (_, Pattern::RequestReply) => 2,
        };
        owed += producer.owed() * places;
    }
    shared.came >= owed
}
