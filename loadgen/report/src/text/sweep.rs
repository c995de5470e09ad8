//! A sweep, for a terminal.

use load_model::result::Percentiles;
use load_model::sweep::{Point, SweepResult};

use super::{Colour, Ink, line, row};
use crate::{explain, number};

/// Width of a rate, and of a latency.
const RATE: usize = 11;
const LATENCY: usize = 10;

/// What was found, and a row for each run.
pub fn sweep(result: &SweepResult, colour: Colour) -> String {
    let mut out = String::new();
    let name = number::plain(&result.scenario.name);
    line(&mut out, &format!("{}: a sweep of {} runs", colour.paint(Ink::Strong, &name), result.points.len()));
    line(&mut out, &number::plain(&explain::server_of(&result.server, &result.scenario)));
    let (ink, said) = match result.limit {
        Some(_) => (Ink::Good, explain::limit(result)),
        None => (Ink::Bad, explain::limit(result)),
    };
    line(&mut out, &colour.paint(ink, &number::plain(&said)));
    out.push('\n');
    let mut titles = format!("{:>RATE$}{:>RATE$}", "offered", "done");
    for title in ["p50", "p99", "p99.9", "max"] {
        titles.push_str(&format!("{title:>LATENCY$}"));
    }
    line(&mut out, &colour.paint(Ink::Faint, &(titles + "  holds")));
    for point in &result.points {
        line(&mut out, &of_point(result, point, colour));
    }
    out.push('\n');
    if let Some(limit) = result.limit {
        let fails = limit.fails_at.map(|rate| format!("; {} does not", number::per_second(rate))).unwrap_or_default();
        row(&mut out, "holds", &format!("up to {}{fails}", number::per_second(limit.rate)));
    }
    for (name, turn) in [("knee", result.knee), ("power", result.power)] {
        if let Some(turn) = turn {
            let what = if name == "knee" { "p99" } else { "mean" };
            row(
                &mut out,
                name,
                &format!("{}, {what} {}", number::per_second(turn.rate), number::latency(turn.latency_us)),
            );
        }
    }
    row(&mut out, "closed loop", &format!("{}, whatever the latency", number::per_second(result.probed)));
    row(&mut out, "ended", &number::plain(&result.ended));
    for remark in &result.remarks {
        line(&mut out, &format!("- {}", number::plain(remark)));
    }
    out
}

fn of_point(result: &SweepResult, point: &Point, colour: Colour) -> String {
    let offered = if point.rate().is_some() { number::rate(point.offered) } else { "closed".to_owned() };
    let mut text = format!("{offered:>RATE$}{:>RATE$}", number::rate(point.achieved));
    let of = explain::outcome_of(result, point);
    let latencies: [fn(&Percentiles) -> f64; 4] = [|of| of.p50, |of| of.p99, |of| of.p99_9, |of| of.max];
    for latency in latencies {
        text.push_str(&format!("{:>LATENCY$}", number::latency(of.map_or(f64::NAN, latency))));
    }
    let (ink, word) = match (point.is_valid, point.holds) {
        (false, _) => (Ink::Bad, "not valid"),
        (true, false) => (Ink::Bad, "no"),
        (true, true) => (Ink::Good, "yes"),
    };
    let why = if point.why.is_empty() { String::new() } else { format!(": {}", number::plain(&point.why.join(" "))) };
    format!("{text}  {}{why}", colour.paint(ink, word))
}
