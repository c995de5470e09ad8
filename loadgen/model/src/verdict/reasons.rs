//! What makes a run invalid, and which statement its figures still are.
//!
//! 1. *Cut off*: the server went away, or the generator could not go on.
//! 2. *Too short*: of less than a second rates are chance.
//! 3. *No proof* of a server that was killed for one.
//! 4. *Nothing sent* of a group: it never had credit, be it that nobody receives from its address behind a router, or that a broker is full.
//! 5. *Unsent messages*, of any group with a schedule: the load was not the one that was asked for. Either the generator was the limit, or
//!    the server held producers back: a producer that is held back for a share of the time sends at least what is due in the rest.
//! 6. *A busy generator*: its busiest thread had nothing to do for less than a twentieth of the time, and the load is a closed loop
//!    (whose rate is then the generator's) or an open one that fell behind.
//! 7. *Lateness*: latencies count from when a message was due, so that a late generator makes the server look slow, never fast. A
//!    p99 of lateness up to 1 ms or a tenth of the load's own p99 is taken: beyond it the tail is the generator's.

use super::words::{counted, percent, rate, seconds, time};
use super::{BEHIND, Judged, LAG_SHARE, LAG_US};
use crate::result::{CutOff, Side, Standing};
use crate::scenario::Arrivals;

/// Share of the time in which the busiest thread works, above which it may be the limit.
const BUSY: f64 = 0.95;
/// Share of the time in which a producer is held back that has no credit at all: it takes a moment until something is due.
const HELD: f64 = 0.5;
/// Measured seconds at least.
const MEASURED_S_MIN: f64 = 1.0;

/// A reason, and what the figures say in spite of it.
type Reason = (Standing, String);

impl Judged<'_> {
    /// Why the run is not valid, the gravest first.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self.cut_off().into_iter().collect();
        match self.too_short() {
            Some(reason) => reasons.push(reason),
            None => {
                let busy = self.busy();
                let generator = busy.into_iter().chain(self.unsent(Standing::AtLeast));
                let server = self.unsent(Standing::Taken).into_iter().chain(self.lateness());
                reasons.extend(self.unproven().into_iter().chain(self.without_credit()).chain(generator).chain(server));
            }
        }
        reasons
    }

    fn cut_off(&self) -> Option<Reason> {
        let CutOff { by, at_s, why } = self.run.cut_off.as_ref()?;
        let why = why.trim_end_matches('.');
        let reason = match (by, at_s) {
            (Side::Server, Some(at_s)) => format!(
                "The server went away {at_s:.1} s into the run ({why}): the load ended there, and this is what was seen until then. Look at the server; with \
                 --reconnect a load goes on when a connection breaks."
            ),
            (Side::Server, None) => format!(
                "The server could not be reached, and nothing was sent: {why}. Start it, or name another with --server."
            ),
            (Side::Generator, Some(at_s)) => {
                format!(
                    "The generator could not go on {at_s:.1} s into the run: {why}. This is what was seen until then."
                )
            }
            (Side::Generator, None) => format!("The generator could not begin: {why}."),
        };
        Some((Standing::CutOff, reason))
    }

    fn too_short(&self) -> Option<Reason> {
        let measured_s = self.run.measured_s;
        if measured_s >= MEASURED_S_MIN {
            return None;
        }
        let reason = match (self.run.cut_off.is_some(), measured_s == 0.0, self.run.interrupted) {
            (true, true, _) => return None,
            (false, true, true) => {
                "Nothing was measured: the run was interrupted in its warm-up. Let it run longer, or give a shorter --warm-up.".to_owned()
            }
            _ => format!(
                "Only {measured_s:.2} s were measured, and rates of so short a time are chance. Ask for a --duration of several seconds, or a larger --count."
            ),
        };
        Some((Standing::Nothing, reason))
    }

    fn unproven(&self) -> Option<Reason> {
        let audit = &self.run.audit;
        let why = audit.not_checked.trim_end_matches('.');
        (self.is_killed && !why.is_empty()).then(|| {
            (
                Standing::Unproven,
                format!("There is no proof that nothing was lost, for which the server was killed: {why}."),
            )
        })
    }

    /// Whether groups sent nothing at all since the server let them not.
    fn without_credit(&self) -> Vec<Reason> {
        let run = self.run;
        let standing = if run.total.counts.sent == 0 { Standing::NoCredit } else { Standing::Taken };
        let groups = run.scenario.groups.iter().enumerate();
        let groups = groups.filter(|(place, _)| self.has_no_credit(*place));
        let reasons = groups.map(|(_, group)| {
            let advice = if group.consumers == 0 {
                "A router gives credit only while somebody receives from the address, and this group has no consumers (--consumers)"
            } else {
                "A router gives credit only while it knows of a consumer that takes what it gets: see that consumers are at this server, or at one of its network \
                 (--consumers-at), and let time pass until it knows (--warm-up)"
            };
            let what = format!(
                "Nothing was sent to {} (group {}) in {}: the server gave no credit, or no answer to what was under way. {advice}; a broker gives none while it is full.",
                group.address, group.name, seconds(run.measured_s)
            );
            (standing, what)
        });
        reasons.collect()
    }

    /// Whether the group at a place of the scenario sent nothing since the server gave it no credit.
    fn has_no_credit(&self, place: usize) -> bool {
        let run = self.run;
        let Some((group, figures)) = run.scenario.groups.get(place).zip(run.groups.get(place)) else { return false };
        let is_held = group.arrivals == Arrivals::Closed || figures.counts.due > 0 && run.held_back_of(place) > HELD;
        // Of a count all may have been sent before; and who was not connected had no credit, but for another reason.
        let is_other =
            run.scenario.count > 0 || self.is_killed || run.timeline.iter().any(|second| second.counts.broken > 0);
        group.producers > 0 && figures.counts.sent == 0 && is_held && !is_other
    }

    /// Whether messages stayed unsent: because of the generator, or of the server.
    fn unsent(&self, standing: Standing) -> Option<Reason> {
        let run = self.run;
        let groups = run.scenario.groups.iter().zip(&run.groups).enumerate();
        let mut open = groups.filter(|(_, (group, _))| group.producers > 0 && group.arrivals != Arrivals::Closed);
        open.find_map(|(place, (group, figures))| {
            let counts = &figures.counts;
            let unsent = counts.due.saturating_sub(counts.sent);
            let (share, held) = (unsent as f64 / counts.due.max(1) as f64, run.held_back_of(place));
            // What kills do to a load is meant.
            let is_of_server = share <= 2.0 * held;
            let wanted = if is_of_server { Standing::Taken } else { Standing::AtLeast };
            if share <= BEHIND || wanted != standing || is_of_server && self.is_killed || self.has_no_credit(place) {
                return None;
            }
            let per_second = |count: u64| rate(count as f64 / run.measured_s);
            let of_group = if run.groups.len() > 1 { format!(" of group {}", group.name) } else { String::new() };
            let what = format!(
                "The rate that was asked for was not offered: of {} due{of_group} {} were sent, and {} were not",
                per_second(counts.due),
                per_second(counts.sent),
                counted(unsent, "message")
            );
            let reason = if is_of_server {
                format!(
                    "{what}, since the server gave no credit, or no answer to the {} under way (--window), for {} of the time. Ask for less (--rate), or for what it does at most \
                     (--arrivals closed).",
                    counted(u64::from(group.window), "message"),
                    percent(held)
                )
            } else {
                format!(
                    "{what}, though the server held producers back for only {} of the time: the generator was the limit. To have more of it, {}; or ask for less (--rate).",
                    percent(held),
                    run.core_advice()
                )
            };
            Some((standing, reason))
        })
    }

    fn busy(&self) -> Option<Reason> {
        let share = self.run.generator.busiest_share;
        if share < BUSY {
            return None;
        }
        let (idle, advice) = (percent(1.0 - share), self.run.core_advice());
        if self.is_closed {
            return Some((
                Standing::AtLeast,
                format!(
                    "The generator was the bottleneck: its busiest thread had nothing to do for only {idle} of the time, so that this rate is the generator's own. To have more of it, \
                     {advice}."
                ),
            ));
        }
        let fell_behind = self.run.is_behind() || self.lag_us > LAG_US || self.lag_grows();
        fell_behind.then(|| {
            (
                Standing::AtLeast,
                format!(
                    "The generator was at its limit: its busiest thread had nothing to do for only {idle} of the time, and it fell behind. To have more of it, {advice}; or ask for less \
                     (--rate)."
                ),
            )
        })
    }

    fn lateness(&self) -> Option<Reason> {
        let allowed = LAG_US.max(LAG_SHARE * self.p99_us.unwrap_or(0.0));
        (self.lag_us > allowed).then(|| {
            (
                Standing::Late,
                format!(
                    "The generator was late by itself: one message in a hundred was sent more than {} after it was due though the server held nothing up. For a core of its own, {}; or ask \
                     for less (--rate).",
                    time(self.lag_us),
                    self.run.core_advice()
                ),
            )
        })
    }
}
