//! What else to know of a run: what became of its messages, what the server did with the load, and what was around it.

use super::words::{counted, percent, rate, time};
use super::{BEHIND, Judged, LAG_SHARE, LAG_US, cores, of_metric};
use crate::interval::{Counts, Returned};
use crate::latency::Metric;
use crate::result::{Steadiness, Verdict};
use crate::scenario::Arrivals;
use crate::steady::drift;

/// Share of a p99 above which the floor is most of it.
const FLOOR_SHARE: f64 = 0.5;
/// Change of rate or latency over the measured time that is worth a word.
const DRIFT: f64 = 0.1;
/// Values of a distribution, at least, for its p99.9.
const VALUES_MIN: u64 = 10_000;

impl Judged<'_> {
    /// What became of messages. The audit has set aside what connections that broke excuse, but for the order of what came again.
    pub(super) fn audit(&self, verdict: &mut Verdict) {
        let audit = &self.run.audit;
        let breaks: u64 = self.run.timeline.iter().map(|second| second.counts.broken).sum();
        let has_breaks = breaks > 0 || self.run.scenario.connection.churn > 0.0;
        let say = |found: &mut Vec<String>, count: u64, what: &str| {
            if count > 0 {
                found.push(format!("{} {what}", counted(count, "message")));
            }
        };
        say(&mut verdict.faults, audit.lost, "accepted that never came: they are lost.");
        say(&mut verdict.faults, audit.corrupt, "with other octets than were sent.");
        say(&mut verdict.faults, audit.duplicates, "more than once.");
        say(&mut verdict.faults, audit.misplaced, "at a consumer whose selector is for others.");
        // Of a server that is killed just that is asked: whether what it kept has its order, and whether it made something up.
        let is_killed = self.is_killed;
        let reordered = if has_breaks && !is_killed { &mut verdict.remarks } else { &mut verdict.faults };
        say(reordered, audit.reordered, "behind a later one of the same producer.");
        say(
            if is_killed { &mut verdict.faults } else { &mut verdict.remarks },
            audit.foreign,
            "of nobody in this run: somebody else sends to its addresses (choose others with --address).",
        );
        say(&mut verdict.remarks, audit.again, "again behind connections that broke, as they may come.");
        if audit.moved > 0 {
            let moves = counted(audit.moved, "time");
            verdict.remarks.push(format!("Message groups went to another consumer {moves}."));
        }
        let broken_off = audit.in_doubt.saturating_sub(audit.unanswered);
        say(&mut verdict.remarks, broken_off, "in doubt: their connection broke before the server answered.");
        say(
            &mut verdict.remarks,
            audit.unanswered,
            "in doubt: the server had not answered them when the run was over.",
        );
        say(
            &mut verdict.remarks,
            audit.leftovers,
            "at its addresses before the run, left by an earlier one or by others: they were taken away before it began.",
        );
        let why = audit.not_checked.trim_end_matches('.');
        if !why.is_empty() && !self.is_killed {
            let doubt = match (audit.incomplete, self.run.scenario.ignore_losses) {
                (true, false) => "Whether anything was lost is not known",
                (true, true) => "Whether anything was lost is not known, and was not to be (--ignore-losses)",
                (false, _) => "Losses were not looked for",
            };
            verdict.remarks.push(format!("{doubt}: {why}."));
        }
    }

    /// What the server did with the load.
    pub(super) fn load(&self, remarks: &mut Vec<String>) {
        let run = self.run;
        let counts = &run.total.counts;
        if self.has_backlog() && counts.sent > 0 {
            let held = if run.held_back() > BEHIND {
                format!(" (producers were held back for {} of the time)", percent(run.held_back()))
            } else {
                String::new()
            };
            remarks.push(format!(
                "The server did {} of {} asked for{held}: it is overloaded, and latencies say more about how long the run was than about the server.",
                rate(run.rate()),
                rate(run.offered())
            ));
        }
        if self.is_closed && counts.sent > 0 {
            remarks.push("This is a closed loop: whoever waits for the server sends less, so that its latencies hide what a stall does to others. Give a --rate to see that.".to_owned());
        }
        if counts.refused > 0 {
            remarks.push(refused(counts));
        }
        for (count, noun, what) in [
            (counts.failed, "delivery", "failed, as was asked: consumers gave them back."),
            (counts.transactions.rolled_back, "transaction", "failed."),
            (counts.broken, "connection", "broke."),
        ] {
            if count > 0 {
                remarks.push(format!("{} {what}", counted(count, noun)));
            }
        }
    }

    /// What kills of the server did.
    pub(super) fn kills(&self) -> Option<String> {
        let outages = &self.run.outages;
        let mut accepted: Vec<f64> = outages.iter().filter_map(|outage| outage.accepted_s).collect();
        accepted.sort_by(f64::total_cmp);
        let longest = accepted.last().copied();
        let kills = outages.len();
        let back = match (accepted.get(accepted.len() / 2), longest) {
            (Some(median), Some(longest)) => {
                format!(
                    "it accepted a message again after {} in the median and {} at most",
                    time(median * 1e6),
                    time(longest * 1e6)
                )
            }
            _ => "it accepted no message again".to_owned(),
        };
        let without = kills - accepted.len();
        let without = if without > 0 && !accepted.is_empty() {
            format!(", and none before the next kill behind {without} of them")
        } else {
            String::new()
        };
        (kills > 0).then(|| format!("The server was killed {kills} times; {back}{without}."))
    }

    /// Why the figures are those of the measured time as a whole, and of no other.
    pub(super) fn unsteady(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if self.run.steadiness == Steadiness::NotReached {
            remarks.push(format!(
                "The load was not steady when the measuring began, after {:.0} s: look at the time series before you take one figure for all of it.",
                self.run.warm_up_s
            ));
        }
        let outcome = self.run.scenario.outcome();
        let groups = &self.run.scenario.groups;
        let has_ramp = groups.iter().any(|group| matches!(group.arrivals, Arrivals::Ramp { .. }));
        let rates = self.series(|second| {
            (second.length_s > 0.0).then(|| second.counts.accepted.max(second.counts.received) as f64 / second.length_s)
        });
        let latencies = self.series(|second| of_metric(second, outcome, |percentiles| percentiles.p50));
        // What a ramp or kills do to the series is meant.
        let is_meant = has_ramp || self.is_killed;
        for (series, what) in [(rates, "rate"), (latencies, "median latency")] {
            let change = drift(&series).filter(|change| change.abs() > DRIFT && !is_meant);
            if let Some(change) = change {
                let way = if change > 0.0 { "rose" } else { "fell" };
                remarks.push(format!(
                    "The {what} {way} by {} in the measured time: it was not steady.",
                    percent(change.abs())
                ));
            }
        }
        remarks
    }

    /// How much of the latencies is the server's, and how well they are known.
    pub(super) fn accuracy(&self, remarks: &mut Vec<String>) {
        let outcome = self.run.scenario.outcome();
        let Some((p99_us, histogram)) = self.p99_us.zip(self.run.total.latencies.get(outcome)) else { return };
        if self.lag_us > LAG_SHARE * p99_us && self.lag_us <= LAG_US {
            remarks.push(format!(
                "Of the p99 of {}, up to {} is the generator's own lateness. To tell them apart, {}.",
                time(p99_us),
                time(self.lag_us),
                self.run.core_advice()
            ));
        }
        let floor_us = self
            .run
            .floor
            .as_ref()
            .and_then(|floor| Some(floor.latencies.get(Metric::Receive)?.value_at_quantile(0.99) as f64 / 1e3));
        if let Some(floor_us) = floor_us.filter(|floor_us| *floor_us > FLOOR_SHARE * p99_us) {
            remarks.push(format!(
                "Echoed over the loopback, without a server, the messages have a p99 of {} beside the {} measured: much of it is this machine, not the server.",
                time(floor_us),
                time(p99_us)
            ));
        }
        if histogram.len() < VALUES_MIN {
            let latencies = counted(histogram.len(), "value");
            remarks.push(format!(
                "Latencies are of only {latencies}: p99.9 and above rest on a few messages. Measure longer (--duration), or more messages (--rate)."
            ));
        }
    }

    pub(super) fn surroundings(&self, remarks: &mut Vec<String>) {
        let run = self.run;
        if run.interrupted {
            remarks.push("The run was interrupted before its time.".to_owned());
        }
        if run.server.local && run.machine.cores_online == 1 {
            remarks.push(format!(
                "Server and generator share the only core: each delays the other. To part them, {}.",
                run.core_advice()
            ));
        } else if !run.server.shared_cores.is_empty() {
            let shared = &run.server.shared_cores;
            let core = if shared.len() == 1 { "core" } else { "cores" };
            remarks.push(format!(
                "The server ran on {core} {} beside the load: each delays the other. To part them, {}.",
                cores::list(shared),
                run.core_advice()
            ));
        }
        if ["powersave", "ondemand", "schedutil", "conservative"].contains(&run.machine.governor.as_str()) {
            remarks.push(format!(
                "The processor's frequency is governed by `{}`: latencies at low rates say how fast it wakes up. `performance` is steadier.",
                run.machine.governor
            ));
        }
    }
}

/// How messages came back, in a sentence.
fn refused(counts: &Counts) -> String {
    let Returned { rejected, released, modified } = counts.returned;
    let others = counts.refused.saturating_sub(rejected + released + modified);
    let parts = [
        (rejected, "rejected (invalid, says who was to take them)"),
        (released, "released (nobody took them: behind a router, their receiver went away or none was there)"),
        (modified, "modified (they failed: behind a router, who had them was lost)"),
        (others, "without an outcome of their own (of transactions that failed)"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = parts.map(|(count, how)| format!("{} {how}", crate::number::count(count))).collect();
    format!("{} refused by the server: {}.", counted(counts.refused, "message"), parts.join(", "))
}
