//! A run's summary for a terminal.
//!
//! Guarantees: what peers and files say is printed without control characters; colours come only when asked for, and nothing is
//! said by colour alone; tables fit 80 columns, and sentences are broken between words where the paper ends (`sheet`).

use load_model::interval::Counts;
use load_model::latency::Metric;
use load_model::result::{Figures, Percentiles, RunResult};

use load_model::verdict::Conclusion;

use crate::explain;
use crate::number;

mod comparison;
mod outages;
mod plan;
mod sheet;
mod sweep;

pub use comparison::comparison;
pub use plan::plan;
pub use sheet::{Colour, Paper, fitted};
pub(crate) use sheet::{Ink, wrapped};
pub use sweep::sweep;

use sheet::{NAME, Sheet};

/// Width of a latency, and of a number of messages: all columns fit a terminal of 80.
const FIGURE: usize = 9;
const COUNT: usize = 13;

/// The summary of a run. `files` are those that were written of it.
pub fn summary(result: &RunResult, files: &[String], paper: Paper) -> String {
    let mut sheet = Sheet::new(paper);
    heading(&mut sheet, result);
    latencies(&mut sheet, result);
    facts(&mut sheet, result);
    outages::outages(&mut sheet, result);
    for requirement in &result.requirements {
        let (ink, word) = if requirement.holds { (Ink::Good, "holds") } else { (Ink::Bad, "DOES NOT HOLD") };
        let text = format!("{} {}", number::plain(&requirement.text), sheet.paint(ink, word));
        sheet.row("required", &format!("{text}: {}", number::plain(&requirement.found)));
    }
    for file in files {
        sheet.row("written", &number::plain(file));
    }
    let insights = explain::insights(result);
    if !insights.is_empty() {
        sheet.gap();
    }
    for sentence in insights {
        sheet.line(&number::plain(&sentence));
    }
    sheet.finish()
}

fn heading(sheet: &mut Sheet, result: &RunResult) {
    let name = sheet.paint(Ink::Strong, &number::plain(&result.scenario.name));
    sheet.line(&format!("{name}: {}", number::plain(&explain::run(result))));
    if let [_, _, ..] = result.scenario.groups.as_slice() {
        for group in &result.scenario.groups {
            sheet.hanging(4, &number::plain(&format!("  {}: {}", group.name, explain::group(group))));
        }
    }
    sheet.line(&number::plain(&explain::server(result)));
    let ink = match result.conclusion() {
        Conclusion::Valid | Conclusion::Held => Ink::Good,
        Conclusion::Faulty | Conclusion::CutOff | Conclusion::Invalid | Conclusion::NotHeld | Conclusion::Unproven => {
            Ink::Bad
        }
        Conclusion::Demonstration => Ink::Strong,
    };
    let said = sheet.paint(ink, &number::plain(&result.headline()));
    sheet.line(&said);
    for sentence in explain::findings(result) {
        sheet.item("  - ", &number::plain(&sentence));
    }
    sheet.gap();
}

fn latencies(sheet: &mut Sheet, result: &RunResult) {
    if result.total.percentiles.is_empty() {
        return;
    }
    let mut titles = format!("{:NAME$}", "latency");
    for title in ["p50", "p90", "p99", "p99.9", "p99.99", "max"] {
        titles.push_str(&format!("{title:>FIGURE$}"));
    }
    titles.push_str(&format!("{:>COUNT$}", "messages"));
    sheet.cells_in(Ink::Faint, &titles);
    for percentiles in &result.total.percentiles {
        sheet.cells(&latency_row(&percentiles.metric, percentiles));
        let metric = Metric::ALL.into_iter().find(|metric| metric.name() == percentiles.metric);
        if let Some(floor) = metric.and_then(|metric| explain::floor_of(result, metric)) {
            sheet.cells_in(Ink::Faint, &latency_row("  floor", floor));
        }
    }
    if result.groups.len() > 1 {
        result.groups.iter().for_each(|figures| group(sheet, figures));
    }
    for metric in Metric::ALL.into_iter().filter(|metric| result.total.of(*metric).is_some()) {
        sheet.row_in(Ink::Faint, metric.name(), metric.title());
    }
    if let Some(floor) = explain::floor(result) {
        sheet.row_in(Ink::Faint, "floor", &floor);
    }
    for remark in result.floor.iter().flat_map(|floor| &floor.remarks) {
        sheet.row_in(Ink::Faint, "", &number::plain(remark));
    }
    sheet.gap();
}

fn group(sheet: &mut Sheet, figures: &Figures) {
    sheet.cells_in(Ink::Strong, &format!("of {}", number::plain(&figures.name)));
    // The generator is late with whole threads, whichever group they serve: told once, for all.
    for percentiles in figures.percentiles.iter().filter(|percentiles| percentiles.metric != Metric::Lag.name()) {
        sheet.cells(&latency_row(&format!("  {}", percentiles.metric), percentiles));
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

fn facts(sheet: &mut Sheet, result: &RunResult) {
    if result.measured_s > 0.0 {
        sheet.row("rates", &rates(&result.total.counts, result.measured_s));
        if result.groups.len() > 1 {
            for group in &result.groups {
                let rates = rates(&group.counts, result.measured_s);
                sheet.row("", &format!("{}: {rates}", number::plain(&group.name)));
            }
        }
    }
    let audit = number::plain(&explain::audit(result));
    let audit = if explain::is_faulty(result) { sheet.paint(Ink::Bad, &audit) } else { audit };
    sheet.row("audit", &audit);
    for example in &result.audit.examples {
        sheet.row("", &number::plain(example));
    }
    if let Some(usage) = explain::usage(result) {
        sheet.row("server", &number::plain(&usage));
    }
    sheet.row("generator", &explain::generator(result));
    for worker in &result.workers {
        sheet.row("worker", &number::plain(&explain::worker(worker)));
    }
}

/// What was sent and came in each second, and what else there was, in one line.
fn rates(counts: &Counts, measured_s: f64) -> String {
    let rate = |count: u64| number::per_second(count as f64 / measured_s);
    let mut rates = format!(
        "due {}, sent {}, accepted {}, received {}",
        rate(counts.due),
        rate(counts.sent),
        rate(counts.accepted),
        rate(counts.received)
    );
    for (count, what) in [
        (counts.replies, "replies"),
        (counts.transactions.committed, "transactions"),
        (counts.transactions.rolled_back, "rolled back"),
    ] {
        if count > 0 {
            rates.push_str(&format!(", {what} {}", rate(count)));
        }
    }
    for (count, noun, what) in [
        (counts.refused, "message", "refused"),
        (counts.failed, "delivery", "failed"),
        (counts.broken, "connection", "broken"),
    ] {
        if count > 0 {
            rates.push_str(&format!(", {} {what}", number::counted(count, noun)));
        }
    }
    rates
}
