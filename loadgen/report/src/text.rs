//! A run's summary for a terminal.
//!
//! Guarantees: what peers and files say is printed without control characters; colours come only when asked for, and nothing is
//! said by colour alone.

use load_model::latency::Metric;
use load_model::result::{Figures, Percentiles, RunResult};

use crate::explain::{self, Outcome};
use crate::number;

mod comparison;
mod outages;
mod plan;
mod sweep;

pub use comparison::comparison;
pub use plan::plan;
pub use sweep::sweep;

/// Whether a terminal's colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// ANSI colours.
    Ansi,
    /// Text alone.
    Plain,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Good,
    Bad,
    Faint,
    Strong,
}

impl Colour {
    /// Text in its colour.
    pub(crate) fn paint(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Good => 32,
            Ink::Bad => 31,
            Ink::Faint => 2,
            Ink::Strong => 1,
        };
        match self {
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

/// Where the first column ends.
const NAME: usize = 12;
/// Width of a latency, and of a number of messages: all columns fit a terminal of 80.
const FIGURE: usize = 9;
const COUNT: usize = 13;

/// The summary of a run. `files` are those that were written of it.
pub fn summary(result: &RunResult, files: &[String], colour: Colour) -> String {
    let mut out = String::new();
    heading(&mut out, result, colour);
    latencies(&mut out, result, colour);
    facts(&mut out, result, colour);
    outages::outages(&mut out, result, colour);
    for requirement in &result.requirements {
        let (ink, word) = if requirement.holds { (Ink::Good, "holds") } else { (Ink::Bad, "DOES NOT HOLD") };
        let text = format!("{} {}", number::plain(&requirement.text), colour.paint(ink, word));
        row(&mut out, "required", &format!("{text}: {}", number::plain(&requirement.found)));
    }
    for file in files {
        row(&mut out, "written", &number::plain(file));
    }
    let insights = explain::insights(result);
    if !insights.is_empty() {
        out.push('\n');
    }
    for sentence in insights {
        line(&mut out, &number::plain(&sentence));
    }
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn row(out: &mut String, name: &str, text: &str) {
    line(out, &format!("{name:NAME$}{text}"));
}

fn heading(out: &mut String, result: &RunResult, colour: Colour) {
    let name = number::plain(&result.scenario.name);
    line(out, &format!("{}: {}", colour.paint(Ink::Strong, &name), number::plain(&explain::run(result))));
    if let [_, _, ..] = result.scenario.groups.as_slice() {
        for group in &result.scenario.groups {
            line(out, &number::plain(&format!("  {}: {}", group.name, explain::group(group))));
        }
    }
    line(out, &number::plain(&explain::server(result)));
    let outcome = explain::outcome(result);
    let ink = match outcome {
        Outcome::Valid | Outcome::Held => Ink::Good,
        Outcome::NotValid | Outcome::Faulty | Outcome::NotHeld => Ink::Bad,
    };
    line(out, &colour.paint(ink, outcome.text()));
    for sentence in explain::findings(result) {
        line(out, &format!("  - {}", number::plain(&sentence)));
    }
    out.push('\n');
}

fn latencies(out: &mut String, result: &RunResult, colour: Colour) {
    let mut titles = format!("{:NAME$}", "latency");
    for title in ["p50", "p90", "p99", "p99.9", "p99.99", "max"] {
        titles.push_str(&format!("{title:>FIGURE$}"));
    }
    titles.push_str(&format!("{:>COUNT$}", "messages"));
    line(out, &colour.paint(Ink::Faint, &titles));
    for percentiles in &result.total.percentiles {
        line(out, &latency_row(&percentiles.metric, percentiles));
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == percentiles.metric);
        if let Some(floor) = metric.and_then(|metric| explain::floor_of(result, metric)) {
            line(out, &colour.paint(Ink::Faint, &latency_row("  floor", floor)));
        }
    }
    if result.groups.len() > 1 {
        result.groups.iter().for_each(|figures| group(out, figures, colour));
    }
    for metric in Metric::ALL.into_iter().filter(|metric| result.total.of(*metric).is_some()) {
        line(out, &colour.paint(Ink::Faint, &format!("{:NAME$}{}", metric.name(), metric.title())));
    }
    for remark in result.floor.iter().flat_map(|floor| &floor.remarks) {
        line(out, &colour.paint(Ink::Faint, &format!("{:NAME$}{}", "floor", number::plain(remark))));
    }
    out.push('\n');
}

fn group(out: &mut String, figures: &Figures, colour: Colour) {
    line(out, &colour.paint(Ink::Strong, &format!("of {}", number::plain(&figures.name))));
    // The generator is late with whole threads, whichever group they serve: told once, for all.
    for percentiles in figures.percentiles.iter().filter(|percentiles| percentiles.metric != Metric::Lag.name()) {
        line(out, &latency_row(&format!("  {}", percentiles.metric), percentiles));
    }
}

fn latency_row(name: &str, percentiles: &Percentiles) -> String {
    let mut text = format!("{:NAME$}", number::plain(name));
    let Percentiles { p50, p90, p99, p99_9, p99_99, max, .. } = percentiles;
    for us in [p50, p90, p99, p99_9, p99_99, max] {
        text.push_str(&format!("{:>FIGURE$}", number::latency(*us)));
    }
    text.push_str(&format!("{:>COUNT$}", number::count(percentiles.count)));
    text
}

fn facts(out: &mut String, result: &RunResult, colour: Colour) {
    let counts = &result.total.counts;
    let rate = |count: u64| number::per_second(count as f64 / result.measured_s);
    let mut rates = format!(
        "due {}, sent {}, accepted {}, received {}",
        rate(counts.due),
        rate(counts.sent),
        rate(counts.accepted),
        rate(counts.received)
    );
    for (count, what) in
        [(counts.replies, "replies"), (counts.committed, "transactions"), (counts.rolled_back, "rolled back")]
    {
        if count > 0 {
            rates.push_str(&format!(", {what} {}", rate(count)));
        }
    }
    for (count, what) in [(counts.refused, "refused"), (counts.broken, "connections broken")] {
        if count > 0 {
            rates.push_str(&format!(", {} {what}", number::count(count)));
        }
    }
    row(out, "rates", &rates);
    let audit = number::plain(&explain::audit(result));
    row(out, "audit", &if explain::is_faulty(&result.audit) { colour.paint(Ink::Bad, &audit) } else { audit });
    for example in &result.audit.examples {
        row(out, "", &number::plain(example));
    }
    if let Some(usage) = explain::usage(result) {
        row(out, "server", &number::plain(&usage));
    }
    row(out, "generator", &explain::generator(result));
    for worker in &result.workers {
        row(out, "worker", &number::plain(&explain::worker(worker)));
    }
}
