//! A sweep, for a terminal.

use load_model::result::Percentiles;
use load_model::sweep::{Point, SweepResult};

use super::sheet::{Ink, Paper, Sheet};
use crate::{explain, number};

/// Width of a rate, and of a latency.
const RATE: usize = 11;
const LATENCY: usize = 10;
/// Where reasons begin that stand below their run.
const WHY: usize = 13;

/// What was found, and a row for each run.
pub fn sweep(result: &SweepResult, paper: Paper) -> String {
    let mut sheet = Sheet::new(paper);
    let name = sheet.paint(Ink::Strong, &number::plain(&result.scenario.name));
    sheet.line(&format!("{name}: a sweep of {}", number::counted(result.points.len() as u64, "run")));
    sheet.line(&number::plain(&explain::server_of(&result.server, &result.scenario)));
    let ink = if result.limit.is_some() { Ink::Good } else { Ink::Bad };
    let said = sheet.paint(ink, &number::plain(&explain::limit(result)));
    sheet.line(&said);
    sheet.gap();
    let mut titles = format!("{:>RATE$}{:>RATE$}", "asked", "done");
    for title in ["p50", "p99", "p99.9", "max"] {
        titles.push_str(&format!("{title:>LATENCY$}"));
    }
    sheet.cells_in(Ink::Faint, &(titles + "  holds"));
    for point in explain::in_order(result) {
        of_point(&mut sheet, result, point);
    }
    sheet.gap();
    if let Some(limit) = result.limit {
        let beyond = explain::beyond(result, limit);
        sheet.row("holds", &format!("up to {}; {beyond}", number::per_second(limit.rate)));
    }
    for (name, turn, what) in [("knee", result.knee, "p99"), ("power", result.power, "mean")] {
        if let Some(turn) = turn {
            let latency = number::latency(turn.latency_us);
            sheet.row(name, &format!("{}, {what} {latency}", number::per_second(turn.rate)));
        }
    }
    sheet.row("closed loop", &format!("{}, whatever the latency", number::per_second(result.probed)));
    sheet.row("ended", &number::plain(&result.ended));
    for remark in &result.remarks {
        sheet.item("- ", &number::plain(remark));
    }
    sheet.finish()
}

fn of_point(sheet: &mut Sheet, result: &SweepResult, point: &Point) {
    let asked = point.rate().map_or_else(|| "closed loop".to_owned(), number::rate);
    let mut text = format!("{asked:>RATE$}{:>RATE$}", number::rate(point.achieved));
    let of = explain::outcome_of(result, point);
    let latencies: [fn(&Percentiles) -> f64; 4] = [|of| of.p50, |of| of.p99, |of| of.p99_9, |of| of.max];
    for latency in latencies {
        text.push_str(&format!("{:>LATENCY$}", number::latency(of.map_or(f64::NAN, latency))));
    }
    let (word, is_good) = explain::standing(point);
    let word = sheet.paint(if is_good { Ink::Good } else { Ink::Bad }, word);
    sheet.cells(&format!("{text}  {word}"));
    for why in explain::why_not(point) {
        let why = sheet.paint(Ink::Faint, &format!("{:WHY$}{}", "", number::plain(&why)));
        sheet.hanging(WHY, &why);
    }
}
