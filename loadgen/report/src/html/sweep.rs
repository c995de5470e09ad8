//! The page of a sweep: how latency grows with throughput, where it bends, and the highest rate that holds a service level.

use load_model::result::Percentiles;
use load_model::sweep::{Point, SweepResult};

use super::axis::{Axis, Unit};
use super::chart::{Chart, Note, Series, Shape, Size, Tone};
use super::markup::Markup;
use super::page::{self, Card, Cells, Mood, Row};
use crate::{explain, number};

const READING: [(&str, &str); 4] = [
    (
        "Throughput and latency",
        "Each point is a run of its own at a rate that was set beforehand, so that its latencies count all waiting. What a server takes at most says little without the latency that it has there.",
    ),
    (
        "The service level",
        "The highest rate at which all that was required held for a whole run, with the generator on time, nothing lost and no backlog that grew.",
    ),
    (
        "The knee",
        "Where the p99 bends: the point that is farthest from the straight line between the curve's ends. Beyond it a little more throughput costs much more latency.",
    ),
    (
        "Points that do not count",
        "Runs in which the generator was the limit are in the table and in no figure. Those in which the server did not keep up are drawn, because that is where its limit is.",
    ),
];

/// The page.
pub fn sweep(result: &SweepResult) -> String {
    let mood = if result.limit.is_some() { Mood::Good } else { Mood::Note };
    let notes: Vec<String> = [format!("It ended because {}.", result.ended.trim_end_matches('.'))]
        .into_iter()
        .chain(result.remarks.iter().cloned())
        .collect();
    let groups: Vec<String> = result
        .scenario
        .groups
        .iter()
        .map(|group| format!("{}: {}", group.name, explain::group_at_any_rate(group)))
        .collect();
    let server = explain::server_of(&result.server, &result.scenario);
    let started =
        format!("{}, on {}, with heddle load {}", number::date(result.started_ms), result.machine.host, result.version);
    let content = [
        page::head("Sweep", &result.scenario.name, &[&result.scenario.description], &[&server, &started]),
        page::list(&groups),
        page::verdict(mood, &explain::limit(result), &notes),
        page::cards(&cards(result)),
        page::section("Latency and throughput", [curve(result), kept_up(result), cost(result)]),
        page::section("All runs", [table(result)]),
        page::section("How to read this", [page::terms(&READING)]),
    ];
    page::page(&format!("{} – sweep", result.scenario.name), Markup::all(content))
}

fn cards(result: &SweepResult) -> Vec<Card> {
    let card = |what: &str, rate: f64, beside: String| Card {
        what: what.to_owned(),
        figure: number::per_second(rate),
        beside,
        mood: Mood::Good,
    };
    let mut cards = Vec::new();
    if let Some(limit) = result.limit {
        let beside = limit.fails_at.map(|rate| format!("fails at {}", number::per_second(rate)));
        cards.push(card("Holds up to", limit.rate, beside.unwrap_or_else(|| "no higher rate was tried".to_owned())));
    }
    if let Some(knee) = result.knee {
        cards.push(card("Knee of the p99", knee.rate, format!("p99 {}", number::latency(knee.latency_us))));
    }
    if let Some(power) = result.power {
        cards.push(card("Most for its latency", power.rate, format!("mean {}", number::latency(power.latency_us))));
    }
    cards.push(card("In a closed loop", result.probed, "whatever the latency".to_owned()));
    cards
}

/// Points that say something about the server under a rate that was set.
fn open(result: &SweepResult) -> impl Iterator<Item = &Point> {
    result.points.iter().filter(|point| point.is_valid && point.rate().is_some())
}

fn curve(result: &SweepResult) -> Markup {
    let line = |name: &str, tone, value: fn(&Percentiles) -> f64| {
        let points =
            open(result).filter_map(|point| Some((point.achieved, value(explain::outcome_of(result, point)?))));
        let mut points: Vec<_> = points.collect();
        points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        Series { name: name.to_owned(), tone, shape: Shape::Joined, points }
    };
    let mut series = vec![
        line("p99.9", Tone::Fourth, |of| of.p99_9),
        line("p99", Tone::Third, |of| of.p99),
        line("p50", Tone::First, |of| of.p50),
    ];
    let failed = open(result).filter(|point| !point.holds);
    let failed = failed.filter_map(|point| Some((point.achieved, explain::outcome_of(result, point)?.p99)));
    series.push(Series { name: String::new(), tone: Tone::Alarm, shape: Shape::Points, points: failed.collect() });
    let xs = || series.iter().flat_map(|one| one.points.iter().map(|(x, _)| *x));
    let mut notes = Vec::new();
    if let Some(limit) = result.limit {
        notes.push(Note::At { x: limit.rate, name: format!("holds up to {}", number::rate(limit.rate)), row: 0 });
    }
    if let Some(knee) = result.knee {
        notes.push(Note::At { x: knee.rate, name: format!("knee at {}", number::rate(knee.rate)), row: 1 });
    }
    Chart {
        title: "Latency at each throughput",
        caption: format!("{}. Red points do not hold what was required.", capital(result.scenario.outcome().title())),
        x: Axis::from_zero(Unit::Rate, xs().chain(result.limit.map(|limit| limit.rate))),
        y: Axis::log(Unit::Latency, series.iter().flat_map(|one| one.points.iter().map(|(_, y)| *y))),
        x_name: "messages a second that came to their end",
        y_name: "latency",
        size: Size::Tall,
        notes,
        series,
    }
    .figure()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn kept_up(result: &SweepResult) -> Markup {
    let done: Vec<_> = open(result).map(|point| (point.offered, point.achieved)).collect();
    let most = done.iter().map(|(offered, _)| *offered).fold(0.0, f64::max);
    let all = Series {
        name: "all of it".to_owned(),
        tone: Tone::Quiet,
        shape: Shape::Dashed,
        points: vec![(0.0, 0.0), (most, most)],
    };
    let done = Series { name: "done".to_owned(), tone: Tone::First, shape: Shape::Joined, points: done };
    Chart {
        title: "What was done of what was offered",
        caption: "Where the line leaves the diagonal, the server no longer keeps up.".to_owned(),
        x: Axis::from_zero(Unit::Rate, [most]),
        y: Axis::from_zero(Unit::Rate, [most]),
        x_name: "messages offered a second",
        y_name: "messages done a second",
        size: Size::Low,
        notes: Vec::new(),
        series: if most > 0.0 { vec![all, done] } else { Vec::new() },
    }
    .figure()
}

fn cost(result: &SweepResult) -> Markup {
    let points = open(result).filter_map(|point| Some((point.achieved, point.usage.as_ref()?.cpu_us_per_message)));
    let mut points: Vec<_> = points.collect();
    points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let series = Series { name: "server".to_owned(), tone: Tone::Second, shape: Shape::Joined, points };
    Chart {
        title: "The server's processor time for each message",
        caption: "It falls where more messages share the cost of a wake-up, a call or a sync.".to_owned(),
        x: Axis::from_zero(Unit::Rate, series.points.iter().map(|(x, _)| *x)),
        y: Axis::from_zero(Unit::Latency, series.points.iter().map(|(_, y)| *y)),
        x_name: "messages a second that came to their end",
        y_name: "processor time",
        size: Size::Low,
        notes: Vec::new(),
        series: vec![series],
    }
    .figure()
}

fn table(result: &SweepResult) -> Markup {
    let columns = ["offered", "done", "p50", "p99", "p99.9", "max", "server", "generator", "holds", "why not"];
    let rows: Vec<_> = result.points.iter().map(|point| row(result, point)).collect();
    page::table(Cells::Figures, &columns, &rows)
}

fn row(result: &SweepResult, point: &Point) -> Row {
    let percentiles = explain::outcome_of(result, point);
    let latency = |of: fn(&Percentiles) -> f64| number::latency(percentiles.map_or(f64::NAN, of));
    let name = match point.rate() {
        Some(_) => number::per_second(point.offered),
        None => "closed loop".to_owned(),
    };
    let usage = point.usage.as_ref().map(|usage| format!("{} µs", number::digits(usage.cpu_us_per_message)));
    let (class, word) = match (point.is_valid, point.holds) {
        (false, _) => ("fails", "not valid"),
        (true, false) => ("fails", "no"),
        (true, true) => ("holds", "yes"),
    };
    let cells = [
        number::per_second(point.achieved),
        latency(|of| of.p50),
        latency(|of| of.p99),
        latency(|of| of.p99_9),
        latency(|of| of.max),
        usage.unwrap_or_else(|| number::UNKNOWN.to_owned()),
        number::percent(point.generator_share),
    ];
    let holds = Markup::element("span", &[("class", class)], Markup::text(word));
    let why = page::within("span", "why", &point.why.join(" "));
    let cells = cells.iter().map(|cell| Markup::text(cell)).chain([holds, why]).collect();
    Row { class: if point.is_valid { "" } else { "aside" }, name, cells }
}
