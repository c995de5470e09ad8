//! When messages pass again after connections broke: what a server's absence was to those who use it.
//!
//! Guarantees: nothing is asked of messages, and nothing at all as long as connections hold; what came over a connection before it broke,
//! or over others at the same time, is not taken for a return.

use load_model::interval::Resumed;

use super::conn::{Conn, Stage};
use super::shared::Shared;

/// Whether the server is away, as far as a worker sees.
#[derive(Debug, Default)]
pub(super) struct Absence {
    stage: Away,
    resumed: Resumed,
}

#[derive(Clone, Copy, Debug, Default)]
enum Away {
    /// All connections are there.
    #[default]
    Not,
    /// A connection broke, and none that did is made again.
    Gone,
    /// One is; with how many messages there had been accepted and received by then in this interval, until there are more.
    Back { accepted: Option<u64>, received: Option<u64> },
}

impl Absence {
    /// Looks what there is, at the end of a turn.
    pub fn turn(&mut self, conns: &mut [Conn], shared: &mut Shared) {
        if std::mem::take(&mut shared.has_broken) {
            self.stage = Away::Gone;
        }
        match &mut self.stage {
            Away::Not => {}
            Away::Gone => {
                let is_back = |conn: &mut Conn| conn.stage() == Stage::Up && std::mem::take(&mut conn.was_lost);
                // All of them are asked: each return is one of this absence.
                if conns.iter_mut().filter_map(|conn| is_back(conn).then_some(())).count() > 0 {
                    let (accepted, received) = counts(shared);
                    self.stage = Away::Back { accepted: Some(accepted), received: Some(received) };
                }
            }
            Away::Back { accepted, received } => {
                let (accepted_now, received_now) = counts(shared);
                if accepted.take_if(|before| accepted_now > *before).is_some() {
                    self.resumed.accepted_ns.push(shared.now_ns);
                }
                if received.take_if(|before| received_now > *before).is_some() {
                    self.resumed.received_ns.push(shared.now_ns);
                }
                if accepted.is_none() && received.is_none() {
                    self.stage = Away::Not;
                }
            }
        }
    }

    /// An interval ended, and what is counted begins anew.
    pub fn end_interval(&mut self) -> Option<Box<Resumed>> {
        if let Away::Back { accepted, received } = &mut self.stage {
            [accepted, received].into_iter().flatten().for_each(|before| *before = 0);
        }
        let resumed = std::mem::take(&mut self.resumed);
        (!resumed.is_empty()).then(|| Box::new(resumed))
    }
}

/// Messages accepted, and messages and replies received, in the interval that goes on.
fn counts(shared: &Shared) -> (u64, u64) {
    let of_all = shared.tallies.iter().map(|tally| &tally.counts);
    of_all.fold((0, 0), |(accepted, received), counts| {
        (accepted + counts.accepted, received + counts.received + counts.replies)
    })
}
