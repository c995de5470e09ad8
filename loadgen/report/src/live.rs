//! A run as it goes on, for a terminal: a frame that is drawn over the one before, or a line now and then where there is no terminal.
//!
//! Guarantees: a frame is never wider or higher than the window, which may change from one to the next; what files and peers say
//! has no control characters; memory is bounded by `HISTORY_SECONDS`. Not here: writing, reading the window's size, or the clock.

use std::collections::VecDeque;

use load_model::collect::{Phase, View};
use load_model::interval::Counts;
use load_model::latency::Metric;
use load_model::result::Percentiles;
use load_model::scenario::{Arrivals, Scenario};
use load_model::worker::Tries;

use crate::number;
use crate::text::{Colour, Ink, wrapped};

mod spark;

/// Seconds that the small curves go back: ten minutes, longer than a glance takes in.
const HISTORY_SECONDS: usize = 600;
/// Lateness of the generator at p99 that is told: what makes a whole run invalid (`load_model::verdict`), above a millisecond and a tenth of the load's own p99.
const LATE_US: f64 = 1000.0;
const LATE_SHARE: f64 = 0.1;
/// Share of a second for which producers were held back that is told.
const HELD_BACK: f64 = 0.1;
/// Where names end.
const NAME: usize = 18;
/// Width of a figure.
const FIGURE: usize = 11;
/// Groups that are shown; a window has room for few, and the report has all.
const GROUPS_SHOWN: usize = 8;

/// A terminal's window, characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Characters of a line.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

/// A second of the past.
#[derive(Clone, Copy, Debug)]
struct Past {
    rate: f64,
    p99_us: f64,
}

/// What is shown of a run.
#[derive(Clone, Debug)]
pub struct Live {
    name: String,
    outcome: Metric,
    producers: u32,
    is_open: bool,
    history: VecDeque<Past>,
    newest: Option<View>,
}

/// Where a count is.
type Count = fn(&Counts) -> u64;

/// A line of a frame, all in one colour.
struct Line(Option<Ink>, String);

impl Live {
    /// Of a run of a scenario.
    pub fn new(scenario: &Scenario) -> Self {
        Self {
            name: number::plain(&scenario.name),
            outcome: scenario.outcome(),
            producers: scenario.groups.iter().map(|group| group.producers).sum(),
            is_open: scenario.groups.iter().any(|group| group.arrivals != Arrivals::Closed),
            history: VecDeque::new(),
            newest: None,
        }
    }

    /// Takes what a run has to show.
    pub fn handle_view(&mut self, view: View) {
        if let Some(second) = view.second.as_ref() {
            if self.history.len() == HISTORY_SECONDS {
                self.history.pop_front();
            }
            let p99_us = of(&second.percentiles, self.outcome).map_or(f64::NAN, |percentiles| percentiles.p99);
            self.history.push_back(Past { rate: self.ended(&second.counts) as f64 / second.length_s, p99_us });
        }
        // A view that tells of a new phase only keeps the second that is on the screen.
        let shown = self.newest.take();
        let mut view = view;
        if let (None, Some(shown)) = (view.second.as_ref(), shown) {
            (view.second, view.groups) = (shown.second, shown.groups);
        }
        self.newest = Some(view);
    }

    fn ended(&self, counts: &Counts) -> u64 {
        match self.outcome {
            Metric::Receive => counts.received,
            Metric::Round => counts.replies,
            _ => counts.accepted.max(counts.sent.saturating_sub(counts.refused)),
        }
    }

    /// A frame: goes to the window's first place, and leaves nothing of the frame before.
    pub fn frame(&self, window: Window, colour: Colour) -> String {
        let mut frame = "\x1b[H".to_owned();
        // The last line stays free: a line break on it would move the window.
        for Line(ink, text) in self.lines(window.width).into_iter().take(window.height.saturating_sub(1)) {
            let text: String = text.chars().take(window.width).collect();
            frame.push_str(&ink.map_or_else(|| text.clone(), |ink| colour.paint(ink, &text)));
            frame.push_str("\x1b[K\r\n");
        }
        frame.push_str("\x1b[J");
        frame
    }

    fn lines(&self, width: usize) -> Vec<Line> {
        let Some(view) = self.newest.as_ref() else {
            return vec![Line(Some(Ink::Strong), self.name.clone())];
        };
        let mut lines = vec![Line(Some(Ink::Strong), format!("{}: {}", self.name, state(view)))];
        lines.push(Line(None, spark::bar(progress(view), width.min(72))));
        lines.push(Line(None, String::new()));
        lines.extend(self.rates(view));
        lines.push(Line(None, String::new()));
        lines.extend(self.latencies(view));
        lines.push(Line(None, String::new()));
        lines.extend(self.curves(width));
        lines.push(Line(None, String::new()));
        for warning in self.warnings(view) {
            let warning = wrapped(&format!("! {warning}"), width, 2);
            lines.extend(warning.into_iter().map(|line| Line(Some(Ink::Bad), line)));
        }
        lines.push(Line(Some(Ink::Faint), "Ctrl-C ends the run and reports what there is.".to_owned()));
        lines
    }

    fn rates(&self, view: &View) -> Vec<Line> {
        let Some(second) = view.second.as_ref() else {
            return Vec::new();
        };
        let measured_s = view.measured_ns as f64 / 1e9;
        let all: [(&str, Count); 5] = [
            ("due", |counts| counts.due),
            ("sent", |counts| counts.sent),
            ("accepted", |counts| counts.accepted),
            ("received", |counts| counts.received),
            ("replies", |counts| counts.replies),
        ];
        let mut titles = columns("rate", &["this second", "measured"].map(str::to_owned));
        titles.0 = Some(Ink::Faint);
        let rows = all.into_iter().filter(|(_, count)| count(&second.counts) + count(&view.counts) > 0).map(
            |(name, count)| {
                let now = number::rate(count(&second.counts) as f64 / second.length_s);
                let so_far = number::rate(count(&view.counts) as f64 / measured_s);
                columns(name, &[now, if measured_s > 0.0 { so_far } else { number::UNKNOWN.to_owned() }])
            },
        );
        [titles].into_iter().chain(rows).collect()
    }

    fn latencies(&self, view: &View) -> Vec<Line> {
        let mut titles = columns(self.outcome.name(), &["p50", "p90", "p99", "p99.9", "max"].map(str::to_owned));
        titles.0 = Some(Ink::Faint);
        let row = |name: &str, percentiles: &[Percentiles]| {
            let of = of(percentiles, self.outcome)?;
            Some(columns(name, &[of.p50, of.p90, of.p99, of.p99_9, of.max].map(number::latency)))
        };
        let second = view.second.as_ref().and_then(|second| row("this second", &second.percentiles));
        let groups = view.groups.iter().take(GROUPS_SHOWN).filter(|_| view.groups.len() > 1);
        let groups = groups.filter_map(|group| row(&format!("  {}", number::plain(&group.name)), &group.percentiles));
        let measured = row("measured", &view.percentiles);
        [titles].into_iter().chain(second).chain(groups).chain(measured).collect()
    }

    fn curves(&self, width: usize) -> Vec<Line> {
        let columns = width.min(100).saturating_sub(NAME + 24).max(10);
        let rates: Vec<f64> = self.history.iter().map(|past| past.rate).collect();
        let tails: Vec<f64> = self.history.iter().map(|past| past.p99_us).collect();
        let (Some(rate), Some(tail)) = (rates.last(), tails.last()) else {
            return Vec::new();
        };
        let rate_curve = spark::from_zero(&spark::fewer(&rates, columns, spark::Keep::Least));
        let tail_curve = spark::log(&spark::fewer(&tails, columns, spark::Keep::Largest));
        let back = number::seconds(rates.len() as f64);
        let highest = tails.iter().copied().fold(f64::NAN, f64::max);
        let end = |text: String| format!("{text:<22}");
        vec![
            Line(None, format!("{:NAME$}{} {}", "rate", end(number::per_second(*rate)), rate_curve)),
            Line(None, format!("{:NAME$}{} {}", "p99", end(number::latency(*tail)), tail_curve)),
            Line(Some(Ink::Faint), format!("{:NAME$}the last {back}; highest p99 {}", "", number::latency(highest))),
        ]
    }

    fn warnings(&self, view: &View) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(tries) = view.tries.as_ref().filter(|_| view.phase != Phase::Connecting) {
            let until = "they are tried until the load ends";
            warnings.push(format!(
                "{} connections are down, {}; {until}",
                number::count(tries.down.into()),
                attempt(tries)
            ));
        }
        let Some(second) = view.second.as_ref() else {
            return warnings;
        };
        let p99_us = of(&second.percentiles, self.outcome).map_or(0.0, |percentiles| percentiles.p99);
        let is_late = |lag: &&Percentiles| self.is_open && lag.p99 > LATE_US.max(LATE_SHARE * p99_us);
        if let Some(lag) = of(&second.percentiles, Metric::Lag).filter(is_late) {
            warnings.push(format!(
                "the generator is late: p99 {}. Give it more cores, or ask for less",
                number::latency(lag.p99)
            ));
        }
        let held_back = second.counts.blocked_ns as f64 / 1e9 / second.length_s / f64::from(self.producers.max(1));
        if self.is_open && held_back > HELD_BACK {
            let share = number::percent(held_back.min(1.0));
            warnings.push(format!("producers had no credit or window {share} of this second: the server is the limit"));
        }
        let counts = [(view.counts.refused, "message", "refused"), (view.counts.broken, "connection", "broken")];
        for (count, noun, what) in counts.into_iter().filter(|(count, ..)| *count > 0) {
            warnings.push(format!("{} {what} so far", number::counted(count, noun)));
        }
        warnings
    }

    /// One line about the newest second, for where there is no terminal; absent as long as there was none.
    pub fn line(&self) -> Option<String> {
        let view = self.newest.as_ref()?;
        let Some(second) = view.second.as_ref() else {
            return view.tries.as_ref().map(|_| state(view));
        };
        let rate = |count: u64| number::per_second(count as f64 / second.length_s);
        let mut line = format!(
            "{}: due {}, {} {}",
            state(view),
            rate(second.counts.due),
            self.outcome.name(),
            rate(self.ended(&second.counts))
        );
        if let Some(of) = of(&second.percentiles, self.outcome) {
            let [p50, p99, p99_9, max] = [of.p50, of.p99, of.p99_9, of.max].map(number::latency);
            line.push_str(&format!(", p50 {p50}, p99 {p99}, p99.9 {p99_9}, max {max}"));
        }
        for warning in self.warnings(view) {
            line.push_str(&format!("; {warning}"));
        }
        Some(line)
    }
}

fn of(percentiles: &[Percentiles], metric: Metric) -> Option<&Percentiles> {
    percentiles.iter().find(|percentiles| percentiles.metric == metric.name())
}

fn columns(name: &str, figures: &[String]) -> Line {
    let name: String = name.chars().take(NAME - 1).collect();
    let figures: String = figures.iter().map(|figure| format!("{figure:>FIGURE$}")).collect();
    Line(None, format!("{name:NAME$}{figures}"))
}

/// What the run does, and how long yet.
fn state(view: &View) -> String {
    let at = number::clock(view.elapsed_ns as f64 / 1e9);
    let left = view.stop_at_ns.map(|stop| stop.saturating_sub(view.elapsed_ns) as f64 / 1e9);
    match (view.phase, left) {
        (Phase::Connecting, _) if view.tries.is_some() => {
            let tries = view.tries.iter().map(|tries| {
                let left = tries.left_ns.map(|ns| format!("; gives up in {}", number::clock(ns as f64 / 1e9)));
                attempt(tries) + &left.unwrap_or_default()
            });
            format!("connecting, {}", tries.collect::<String>())
        }
        (Phase::Connecting, _) => {
            format!("connecting, {} of {} ready", view.ready, number::counted(view.workers.into(), "worker"))
        }
        (Phase::WarmUp, _) => format!("warming up, {at}"),
        (Phase::Measuring, Some(left)) => format!("measuring, {at}, {} left", number::clock(left)),
        (Phase::Measuring, None) => format!("measuring, {at}"),
        (Phase::Draining, _) => "waiting for messages under way".to_owned(),
    }
}

/// What was tried last, and what it met.
fn attempt(tries: &Tries) -> String {
    format!("attempt {}: {}", number::count(tries.attempts.into()), number::plain(&tries.why))
}

/// How much of a run is done, 0 to 1; nothing as long as its end is not known.
fn progress(view: &View) -> f64 {
    match (view.phase, view.stop_at_ns) {
        (Phase::Draining, _) => 1.0,
        (_, Some(stop)) if stop > 0 => view.elapsed_ns as f64 / stop as f64,
        (_, _) => 0.0,
    }
}
