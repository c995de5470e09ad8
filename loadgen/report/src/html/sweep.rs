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
        "Rate and latency",
        "Each point is a run of its own at a rate that was asked beforehand, so that its latencies count all waiting; it stands at that rate, whatever was done of it. What a server takes at most says little without the latency that it has there.",
    ),
    (
        "The service level",
        "The highest rate at which all that was required held for a whole run, with the generator on time, nothing lost and no backlog that grew.",
    ),
    (
        "The knee",
        "Where the p99 bends: the point that is farthest from the straight line between the curve's ends. Beyond it a little more of a rate costs much more latency.",
    ),
    (
        "Points that do not count",
        "Runs in which the generator was the limit are in the table and in no figure. Those in which something that was required did not hold, or the server did not keep up, are drawn in red, because that is where its limit is. Of several runs at one rate the line goes through one that holds, if any does.",
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
        page::section("Latency and rate", [curve(result), kept_up(result), cost(result)]),
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
        cards.push(card("Holds up to", limit.rate, explain::beyond(result, limit)));
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

/// Runs that say something about the server at a rate that was asked, in order of that rate.
fn open(result: &SweepResult) -> Vec<(f64, &Point)> {
    let points = explain::in_order(result).into_iter().filter(|point| point.is_valid);
    points.filter_map(|point| Some((point.rate()?, point))).collect()
}

/// One run for each rate: one that holds, if any does. Lines go through these.
fn curve_of<'a>(open: &[(f64, &'a Point)]) -> Vec<(f64, &'a Point)> {
    let runs = open.chunk_by(|(one, _), (other, _)| one == other);
    runs.filter_map(|runs| runs.iter().find(|(_, point)| point.holds).or(runs.last()).copied()).collect()
}

/// A line through one run for each rate, and red points at the runs of which something does not hold.
fn drawn(
    result: &SweepResult,
    (name, tone): (&str, Tone),
    fails: fn(&Point) -> bool,
    value: impl Fn(&Point) -> Option<f64>,
) -> [Series; 2] {
    let open = open(result);
    let points = |of: Vec<(f64, &Point)>| of.into_iter().filter_map(|(x, point)| Some((x, value(point)?))).collect();
    let failed = open.iter().copied().filter(|(_, point)| fails(point)).collect();
    [
        Series { name: name.to_owned(), tone, shape: Shape::Joined, points: points(curve_of(&open)) },
        Series { name: String::new(), tone: Tone::Alarm, shape: Shape::Points, points: points(failed) },
    ]
}

fn curve(result: &SweepResult) -> Markup {
    let line = |name: &str, tone, value: fn(&Percentiles) -> f64| {
        drawn(result, (name, tone), |point| !point.holds, |point| Some(value(explain::outcome_of(result, point)?)))
    };
    let lines = [
        line("p99.9", Tone::Fourth, |of| of.p99_9),
        line("p99", Tone::Third, |of| of.p99),
        line("p50", Tone::First, |of| of.p50),
    ];
    // Points lie over all lines.
    let (lines, points): (Vec<_>, Vec<_>) = lines.into_iter().map(|[line, points]| (line, points)).unzip();
    let has_failed = points.iter().any(|points| !points.points.is_empty());
    let series: Vec<Series> = lines.into_iter().chain(points).collect();
    let mut notes = Vec::new();
    if let Some(limit) = result.limit {
        notes.push(Note::At { x: limit.rate, name: format!("holds up to {}", number::rate(limit.rate)), row: 0 });
    }
    if let Some(knee) = result.knee {
        notes.push(Note::At { x: knee.rate, name: format!("knee at {}", number::rate(knee.rate)), row: 1 });
    }
    let read = if has_failed { "Red points do not hold." } else { "All that are drawn hold." };
    Chart {
        title: "Latency at each rate",
        caption: format!("{}. {read}", capital(result.scenario.outcome().title())),
        x: asked(result),
        y: Axis::log(Unit::Latency, series.iter().flat_map(|one| one.points.iter().map(|(_, y)| *y))),
        x_name: ASKED,
        y_name: "latency",
        size: Size::Tall,
        notes,
        series,
    }
    .figure()
}

/// What x is in all charts: the same range, so that they can be read one below the other.
const ASKED: &str = "messages a second that were asked";

fn asked(result: &SweepResult) -> Axis {
    let rates = open(result).into_iter().map(|(rate, _)| rate);
    Axis::from_zero(Unit::Rate, rates.chain(result.limit.map(|limit| limit.rate)))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn kept_up(result: &SweepResult) -> Markup {
    let [done, behind] = drawn(result, ("done", Tone::First), |point| !point.keeps_up, |point| Some(point.achieved));
    let most = open(result).last().map_or(0.0, |(rate, _)| *rate);
    let all = Series {
        name: "all of it".to_owned(),
        tone: Tone::Quiet,
        shape: Shape::Dashed,
        points: vec![(0.0, 0.0), (most, most)],
    };
    let caption = match behind.points.is_empty() {
        true => "All that are drawn kept up with what was asked.",
        false => "Where the line leaves the diagonal, the server did not keep up; there points are red.",
    };
    Chart {
        title: "What was done of what was asked",
        caption: caption.to_owned(),
        x: asked(result),
        y: Axis::from_zero(Unit::Rate, [most]),
        x_name: ASKED,
        y_name: "messages done a second",
        size: Size::Low,
        notes: Vec::new(),
        series: if most > 0.0 { vec![all, done, behind] } else { Vec::new() },
    }
    .figure()
}

fn cost(result: &SweepResult) -> Markup {
    let of_server = |point: &Point| Some(point.usage.as_ref()?.cpu_us_per_message).filter(|us| *us > 0.0);
    let [line, failed] = drawn(result, ("server", Tone::Second), |point| !point.holds, of_server);
    Chart {
        title: "The server's processor time for each message",
        caption: "Where it falls, more messages share the cost of a wake-up, a call or a sync.".to_owned(),
        x: asked(result),
        y: Axis::from_zero(Unit::Latency, line.points.iter().chain(&failed.points).map(|(_, y)| *y)),
        x_name: ASKED,
        y_name: "processor time",
        size: Size::Low,
        notes: Vec::new(),
        series: vec![line, failed],
    }
    .figure()
}

fn table(result: &SweepResult) -> Markup {
    let columns = ["asked", "done", "p50", "p99", "p99.9", "max", "server", "generator", "holds", "why not"];
    let rows: Vec<_> = explain::in_order(result).into_iter().map(|point| row(result, point)).collect();
    page::table(Cells::Figures, &columns, &rows)
}

fn row(result: &SweepResult, point: &Point) -> Row {
    let percentiles = explain::outcome_of(result, point);
    let latency = |of: fn(&Percentiles) -> f64| number::latency(percentiles.map_or(f64::NAN, of));
    let name = match point.rate() {
        Some(rate) => number::per_second(rate),
        None => "closed loop".to_owned(),
    };
    let usage = point.usage.as_ref().and_then(explain::cpu).map(|[_, each]| each);
    let (word, is_good) = explain::standing(point);
    let class = if is_good { "holds" } else { "fails" };
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
    let why = page::within("span", "why", &explain::why_not(point).join(" "));
    let cells = cells.iter().map(|cell| Markup::text(cell)).chain([holds, why]).collect();
    Row { class: if point.is_valid { "" } else { "aside" }, name, cells }
}
