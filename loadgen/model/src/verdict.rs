//! Whether a run's figures say something about its server, and what else to know before believing them.
//!
//! Three kinds of findings, each a sentence that says what to do: *reasons* make a run invalid (the generator was the limit, or
//! next to nothing was measured), *faults* are messages that were lost, came twice, out of order or not whole (the figures are
//! right, the server is not), *remarks* are for reading.
//!
//! What makes a run invalid, and why:
//! 1. *Lateness*: latencies count from when a message was due, so that a late generator makes the server look slow, never fast. A
//!    p99 of lateness up to 1 ms or a tenth of the load's own p99 is taken: beyond it the tail is the generator's. From a tenth on
//!    it is remarked.
//! 2. *Unsent messages* that no missing credit or window explains: the load was not what the report says.
//! 3. *A busy generator*: its busiest thread had nothing to do for less than a twentieth of the time, and the load is a closed loop
//!    (whose rate is then the generator's) or an open one that fell behind.
//! 4. *Too short*: of less than a second rates are chance.
//!
//! An open loop at more than a server takes is valid: that it is overloaded is what was found.

use crate::latency::{Latencies, Metric};
use crate::number;
use crate::require;
use crate::result::{RunResult, Second, Steadiness, Verdict};
use crate::scenario::Arrivals;
use crate::steady::drift;

/// Lateness that is taken whatever the latencies are, microseconds.
const LAG_US: f64 = 1000.0;
/// Share of a load's p99 that lateness may have.
const LAG_SHARE: f64 = 0.1;
/// Share of the messages due that may be unsent when the measured time is over.
const BEHIND: f64 = 0.01;
/// Share of the time in which the busiest thread works, above which it may be the limit.
const BUSY: f64 = 0.95;
/// Measured seconds at least.
const MEASURED_S_MIN: f64 = 1.0;
/// Share of a p99 above which the floor is most of it.
const FLOOR_SHARE: f64 = 0.5;
/// Change of rate or latency over the measured time that is worth a word.
const DRIFT: f64 = 0.1;
/// Values of a distribution, at least, for its p99.9.
const VALUES_MIN: u64 = 10_000;

impl RunResult {
    /// Fills in the verdict and the requirements. Called once all else is known; called again it says the same.
    pub fn judge(&mut self) {
        let mut verdict = Verdict::default();
        let judged = Judged::of(self);
        verdict.reasons.extend(judged.too_short());
        if verdict.reasons.is_empty() {
            verdict.reasons.extend([judged.lateness(), judged.unsent(), judged.busy()].into_iter().flatten());
        }
        judged.audit(&mut verdict);
        if judged.run.measured_s > 0.0 {
            judged.load(&mut verdict.remarks);
            judged.steadiness(&mut verdict.remarks);
            judged.accuracy(&mut verdict.remarks);
        }
        verdict.remarks.extend(judged.kills());
        judged.surroundings(&mut verdict.remarks);
        verdict.valid = verdict.reasons.is_empty();
        self.requirements = require::check(self);
        self.verdict = verdict;
    }
}

/// A result and what is looked at more than once.
struct Judged<'a> {
    run: &'a RunResult,
    /// The p99 of the load's own latency, microseconds.
    p99_us: Option<f64>,
    /// The p99 of the generator's lateness, microseconds.
    lag_us: f64,
    /// Messages due that were not sent.
    unsent: u64,
    /// Whether every group is a closed loop.
    is_closed: bool,
    /// Share of their time for which producers were held back.
    blocked: f64,
}

impl<'a> Judged<'a> {
    fn of(run: &'a RunResult) -> Self {
        let p99 = |latencies: &Latencies, metric| Some(latencies.get(metric)?.value_at_quantile(0.99) as f64 / 1e3);
        let groups = &run.scenario.groups;
        let producers: u32 = groups.iter().map(|group| group.producers).sum();
        let producer_s = f64::from(producers) * run.measured_s;
        Self {
            run,
            p99_us: p99(&run.total.latencies, run.scenario.outcome()),
            lag_us: p99(&run.total.latencies, Metric::Lag).unwrap_or(0.0),
            unsent: run.total.counts.due.saturating_sub(run.total.counts.sent),
            is_closed: groups
                .iter()
                .filter(|group| group.producers > 0)
                .all(|group| group.arrivals == Arrivals::Closed),
            blocked: if producer_s > 0.0 { run.total.counts.blocked_ns as f64 / 1e9 / producer_s } else { 0.0 },
        }
    }

    fn too_short(&self) -> Option<String> {
        let measured_s = self.run.measured_s;
        if measured_s == 0.0 && self.run.interrupted {
            return Some("Nothing was measured: the run was interrupted in its warm-up. Let it run longer, or give a shorter --warm-up.".to_owned());
        }
        (measured_s < MEASURED_S_MIN).then(|| {
            format!("Only {measured_s:.2} s were measured, and rates of so short a time are chance. Ask for a --duration of several seconds, or a larger --count.")
        })
    }

    fn lateness(&self) -> Option<String> {
        let allowed = LAG_US.max(LAG_SHARE * self.p99_us.unwrap_or(0.0));
        (self.lag_us > allowed).then(|| {
            format!(
                "The generator was late by itself: one message in a hundred was sent more than {} after it was due though the server held nothing up. \
                 Give it a free core (--cores), more threads, or a lower rate.",
                time(self.lag_us)
            )
        })
    }

    /// Whether messages stayed unsent and the server is not why.
    fn unsent(&self) -> Option<String> {
        let due = self.run.total.counts.due;
        let share = self.unsent as f64 / due.max(1) as f64;
        // A producer that is held back for a share of the time sends at least what is due in the rest.
        (share > BEHIND && share > 2.0 * self.blocked).then(|| {
            format!(
                "The generator did not send what it should: {} of {due} messages due were not sent, and producers were held back by the server for only {} of the time. \
                 Give it more cores (--cores, --threads) or a lower rate.",
                self.unsent,
                percent(self.blocked)
            )
        })
    }

    fn busy(&self) -> Option<String> {
        let share = self.run.generator.busiest_share;
        if share < BUSY {
            return None;
        }
        let idle = percent(1.0 - share);
        if self.is_closed {
            return Some(format!(
                "The generator was the bottleneck: its busiest thread had nothing to do for only {idle} of the time, so that this rate is the generator's own. \
                 Give it more cores (--cores, --threads)."
            ));
        }
        let fell_behind = self.run.is_behind() || self.lag_us > LAG_US || self.lag_grows();
        fell_behind.then(|| {
            format!(
                "The generator was at its limit: its busiest thread had nothing to do for only {idle} of the time, and it fell behind. \
                 Give it more cores (--cores, --threads) or a lower rate."
            )
        })
    }

    fn lag_grows(&self) -> bool {
        drift(&self.series(|second| of_metric(second, Metric::Lag, |percentiles| percentiles.p99)))
            .is_some_and(|drift| drift > 1.0)
    }

    /// A series of the measured seconds.
    fn series(&self, of: impl Fn(&Second) -> Option<f64>) -> Vec<f64> {
        self.run.timeline.iter().filter(|second| second.measured).filter_map(of).collect()
    }

    /// What became of messages. The audit has set aside what connections that broke excuse, but for the order of what came again.
    fn audit(&self, verdict: &mut Verdict) {
        let audit = &self.run.audit;
        let breaks: u64 = self.run.timeline.iter().map(|second| second.counts.broken).sum();
        let has_breaks = breaks > 0 || self.run.scenario.connection.churn > 0.0;
        let say = |found: &mut Vec<String>, count: u64, what: &str| {
            if count > 0 {
                found.push(format!("{count} {what}"));
            }
        };
        say(&mut verdict.faults, audit.lost, "messages were accepted and never came: they are lost.");
        say(&mut verdict.faults, audit.corrupt, "messages came with other octets than were sent.");
        say(&mut verdict.faults, audit.duplicates, "messages came more than once.");
        // Of a server that is killed just that is asked: whether what it kept has its order, and whether it made something up.
        let is_killed = !self.run.outages.is_empty();
        let reordered = if has_breaks && !is_killed { &mut verdict.remarks } else { &mut verdict.faults };
        say(reordered, audit.reordered, "messages came after a later one of the same producer.");
        say(
            if is_killed { &mut verdict.faults } else { &mut verdict.remarks },
            audit.foreign,
            "messages that came are not of this run: its queues were not empty, or somebody else sends to them.",
        );
        say(&mut verdict.remarks, audit.again, "messages came again behind connections that broke, as they may.");
        say(
            &mut verdict.remarks,
            audit.in_doubt,
            "messages are in doubt: their connection broke before the server answered.",
        );
        if !audit.not_checked.is_empty() {
            let why = audit.not_checked.trim_end_matches('.');
            if is_killed {
                verdict
                    .reasons
                    .push(format!("There is no proof that nothing was lost, for which the server was killed: {why}."));
            } else {
                verdict.remarks.push(format!("Losses were not looked for: {why}."));
            }
        }
    }

    /// What the server did with the load.
    fn load(&self, remarks: &mut Vec<String>) {
        let run = self.run;
        let counts = &run.total.counts;
        if !self.is_closed && self.run.is_behind() {
            let rates = format!(
                "The server did {} of {} offered",
                number::per_second(run.rate()),
                number::per_second(run.offered())
            );
            let held = if self.blocked > BEHIND {
                format!(" (producers were held back for {} of the time)", percent(self.blocked))
            } else {
                String::new()
            };
            remarks.push(format!("{rates}{held}: it is overloaded, and latencies say more about how long the run was than about the server."));
        }
        if self.is_closed && counts.sent > 0 {
            remarks.push("This is a closed loop: whoever waits for the server sends less, so that its latencies hide what a stall does to others. Give a --rate to see that.".to_owned());
        }
        for (count, what) in [
            (counts.refused, "messages were rejected, released or modified by the server."),
            (counts.rolled_back, "transactions failed."),
            (counts.broken, "connections broke."),
        ] {
            if count > 0 {
                remarks.push(format!("{count} {what}"));
            }
        }
    }

    /// What kills of the server did.
    fn kills(&self) -> Option<String> {
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

    fn steadiness(&self, remarks: &mut Vec<String>) {
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
        let is_meant = has_ramp || !self.run.outages.is_empty();
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
    }

    /// How much of the latencies is the server's, and how well they are known.
    fn accuracy(&self, remarks: &mut Vec<String>) {
        let outcome = self.run.scenario.outcome();
        let Some((p99_us, histogram)) = self.p99_us.zip(self.run.total.latencies.get(outcome)) else { return };
        if self.lag_us > LAG_SHARE * p99_us && self.lag_us <= LAG_US {
            remarks.push(format!(
                "Of the p99 of {}, up to {} is the generator's own lateness: a free core for it would tell them apart.",
                time(p99_us),
                time(self.lag_us)
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
            remarks.push(format!("There are only {} latencies: p99.9 and above rest on a few messages. Measure longer, or more messages.", histogram.len()));
        }
    }

    fn surroundings(&self, remarks: &mut Vec<String>) {
        let run = self.run;
        if run.interrupted {
            remarks.push("The run was interrupted before its time.".to_owned());
        }
        if run.server.local && run.machine.cores_online == 1 {
            remarks.push("Server and generator share the only core: each delays the other.".to_owned());
        }
        if ["powersave", "ondemand", "schedutil", "conservative"].contains(&run.machine.governor.as_str()) {
            remarks.push(format!(
                "The processor's frequency is governed by `{}`: latencies at low rates say how fast it wakes up. `performance` is steadier.",
                run.machine.governor
            ));
        }
    }
}

fn of_metric(second: &Second, metric: Metric, of: fn(&crate::result::Percentiles) -> f64) -> Option<f64> {
    second.percentiles.iter().find(|percentiles| percentiles.metric == metric.name()).map(of)
}

fn time(us: f64) -> String {
    number::latency(us)
}

fn percent(share: f64) -> String {
    number::percent(share)
}

#[cfg(test)]
mod tests;
