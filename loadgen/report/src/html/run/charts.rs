//! The charts of a run.

use load_model::latency::{Latencies, Metric};
use load_model::result::{Figures, Percentiles, RunResult, Second};

use crate::html::axis::{Axis, Unit};
use crate::html::chart::{Chart, Note, Series, Shape, Size, Tone};
use crate::html::markup::Markup;
use crate::{curve, explain, number};

/// Bins below this share of the highest are three pixels high at most; where only such are left, the distribution's axis ends.
const HEIGHT_SEEN: f64 = 0.02;

/// What is measured from the due time, and its colour; the generator's lateness has its own place in the tables.
const LATENCIES: [(Metric, Tone); 5] = [
    (Metric::Receive, Tone::First),
    (Metric::Accept, Tone::Second),
    (Metric::Round, Tone::Fourth),
    (Metric::Settle, Tone::Third),
    (Metric::Service, Tone::Third),
];

fn points_of(latencies: &Latencies, metric: Metric) -> Option<Vec<(f64, f64)>> {
    let histogram = latencies.get(metric)?;
    Some(curve::percentiles(histogram).into_iter().map(|point| (point.one_in, point.us)).collect())
}

fn quantile_chart(title: &'static str, caption: String, series: Vec<Series>) -> Markup {
    let points = || series.iter().flat_map(|one| &one.points);
    Chart {
        title,
        caption,
        x: Axis::quantiles(points().map(|(one_in, _)| *one_in).fold(1.0, f64::max)),
        y: Axis::log(Unit::Latency, points().map(|(_, us)| *us)),
        x_name: "share of messages that were not slower",
        y_name: "latency",
        size: Size::Tall,
        notes: Vec::new(),
        series,
    }
    .figure()
}

/// The percentile curve of each metric, with the floor.
pub(super) fn percentiles(result: &RunResult) -> Markup {
    let measured = LATENCIES.into_iter().filter_map(|(metric, tone)| {
        // What a closed loop would say is beside the point, and drawn so.
        let shape = if metric == Metric::Service { Shape::Dashed } else { Shape::Line };
        let points = points_of(&result.total.latencies, metric)?;
        Some(Series { name: metric.name().to_owned(), tone, shape, points })
    });
    let floor = result.floor.as_ref().and_then(|floor| points_of(&floor.latencies, Metric::Receive));
    let floor =
        floor.map(|points| Series { name: "floor".to_owned(), tone: Tone::Quiet, shape: Shape::Dashed, points });
    let mut caption =
        "Each step to the right is ten times as rare. Where a line climbs, that share of messages waited.".to_owned();
    if let Some(what) = floor.as_ref().and_then(|_| explain::floor(result)) {
        caption.push_str(&format!(" The floor: {what}."));
    }
    quantile_chart("Percentiles", caption, measured.chain(floor).collect())
}

/// The percentile curve of each group, where there are several.
pub(super) fn groups(result: &RunResult) -> Markup {
    let series_of = |(index, group): (usize, &Figures)| {
        let metric =
            [Metric::Receive, Metric::Round, Metric::Accept].into_iter().find(|metric| group.of(*metric).is_some())?;
        let points = points_of(&group.latencies, metric)?;
        Some(Series { name: group.name.clone(), tone: Tone::nth(index), shape: Shape::Line, points })
    };
    if result.groups.len() < 2 {
        return Markup::default();
    }
    // As many as there are colours: more lines cannot be told apart, and the table has them all.
    let shown = result.groups.iter().take(4).enumerate().filter_map(series_of).collect();
    let to = "To the receiver or the reply, or to acceptance where nobody receives.";
    let caption = match result.groups.len() {
        0..=4 => to.to_owned(),
        all => format!("{to} The first 4 of {all} groups; the table has all."),
    };
    quantile_chart("Percentiles of each group", caption, shown)
}

/// How often which latency was.
pub(super) fn distribution(result: &RunResult) -> Markup {
    let mut series = Vec::new();
    let mut beyond: Vec<String> = Vec::new();
    for (metric, tone) in LATENCIES.into_iter().filter(|(metric, _)| *metric != Metric::Service) {
        let Some(histogram) = result.total.latencies.get(metric) else { continue };
        let (points, hidden) = outline(&curve::distribution(histogram));
        if hidden > 0.0 {
            beyond.push(format!("{} of {}", number::percent(hidden), metric.name()));
        }
        series.push(Series { name: metric.name().to_owned(), tone, shape: Shape::Hill, points });
    }
    if let Some(histogram) = result.floor.as_ref().and_then(|floor| floor.latencies.get(Metric::Receive)) {
        let (points, _) = outline(&curve::distribution(histogram));
        series.push(Series { name: "floor".to_owned(), tone: Tone::Quiet, shape: Shape::Hill, points });
    }
    let mut caption = "The share of messages at each latency, in 24 steps for each factor of ten.".to_owned();
    if !beyond.is_empty() {
        caption.push_str(&format!(" Too rare to be seen and further right: {}.", beyond.join(", ")));
    }
    let points = || series.iter().flat_map(|one| &one.points);
    Chart {
        title: "Distribution",
        caption,
        x: Axis::log(Unit::Latency, points().map(|(us, _)| *us)),
        y: Axis::from_zero(Unit::Share, points().map(|(_, share)| *share)),
        x_name: "latency",
        y_name: "messages",
        size: Size::Low,
        notes: Vec::new(),
        series,
    }
    .figure()
}

/// The upper edge of a distribution as far as it can be seen, and the share that lies further right.
fn outline(bins: &[curve::Bin]) -> (Vec<(f64, f64)>, f64) {
    let highest = bins.iter().map(|bin| bin.share).fold(0.0, f64::max);
    let seen = |bin: &curve::Bin| bin.share >= HEIGHT_SEEN * highest;
    let first = bins.iter().position(seen).unwrap_or(0);
    let end = bins.iter().rposition(seen).map_or(bins.len(), |last| last + 1);
    let shown = bins.get(first..end).unwrap_or_default();
    let hidden = bins.get(end..).unwrap_or_default().iter().map(|bin| bin.share).sum();
    let mut points = Vec::with_capacity(2 * shown.len() + 2);
    points.extend(shown.first().map(|bin| (bin.from_us, 0.0)));
    points.extend(shown.iter().flat_map(|bin| [(bin.from_us, bin.share), (bin.to_us, bin.share)]));
    points.extend(shown.last().map(|bin| (bin.to_us, 0.0)));
    (points, hidden)
}

/// The charts over time; those of which nothing is known are left out.
pub(super) fn over_time(result: &RunResult) -> Vec<Markup> {
    let Some(last) = result.timeline.last() else {
        return Vec::new();
    };
    let end_s = last.at_s + last.length_s;
    let warm_up =
        result.timeline.iter().find(|second| second.measured).map(|second| second.at_s).filter(|at_s| *at_s > 0.0);
    let notes: Vec<Note> = warm_up.map(|to| Note::Range { from: 0.0, to, name: "warm-up" }).into_iter().collect();
    let chart = |title, caption: &str, y: Axis, y_name, size, series: Vec<Series>| {
        let x = Axis::between(Unit::Seconds, 0.0, end_s);
        let chart = Chart {
            title,
            caption: caption.to_owned(),
            x,
            y,
            x_name: "time of the run",
            y_name,
            size,
            notes: notes.clone(),
            series,
        };
        chart.figure()
    };
    let (latencies, rates) = (latencies_over_time(result), rates_over_time(result));
    let cpu = over(result, "cores", Tone::First, Shape::Area, |second| second.server_cpu.unwrap_or(f64::NAN));
    let memory = over(result, "memory", Tone::Second, Shape::Area, |second| {
        second.server_memory.map_or(f64::NAN, |bytes| bytes as f64)
    });
    let metric = explain::primary(result).map_or("", Metric::title);
    vec![
        chart(
            "Latency, second by second",
            &format!(
                "Percentiles of each second by itself, {metric}. Less than half a second at the end is not drawn."
            ),
            Axis::log(Unit::Latency, values(&latencies)),
            "latency",
            Size::Tall,
            latencies,
        ),
        chart(
            "Rates",
            &format!("Messages of each second: {}.", counted(&rates)),
            Axis::from_zero(Unit::Rate, values(&rates)),
            "messages a second",
            Size::Low,
            rates,
        ),
        chart(
            "The server's processor time",
            "Cores in use, each second.",
            Axis::from_zero(Unit::Cores, values(std::slice::from_ref(&cpu))),
            "cores",
            Size::Low,
            vec![cpu],
        ),
        chart(
            "The server's memory",
            "Resident memory at the end of each second.",
            Axis::from_zero(Unit::Bytes, values(std::slice::from_ref(&memory))),
            "memory",
            Size::Low,
            vec![memory],
        ),
    ]
}

/// What the rates that are drawn count.
fn counted(rates: &[Series]) -> String {
    let meanings = [
        ("due", "that became due"),
        ("accepted", "that the server accepted"),
        ("received", "that consumers had"),
        ("replies", "that are replies"),
    ];
    let drawn = meanings.into_iter().filter(|(name, _)| rates.iter().any(|series| series.name == *name));
    drawn.map(|(_, meaning)| meaning).collect::<Vec<_>>().join(", ")
}

fn values(series: &[Series]) -> impl Iterator<Item = f64> {
    series.iter().flat_map(|one| one.points.iter().map(|(_, y)| *y))
}

fn over(result: &RunResult, name: &str, tone: Tone, shape: Shape, of: impl Fn(&Second) -> f64) -> Series {
    let whole = result.timeline.iter().filter(|second| second.length_s >= SHORTEST_S);
    let points = whole.map(|second| (second.at_s + second.length_s / 2.0, of(second))).collect();
    Series { name: name.to_owned(), tone, shape, points }
}

/// Shortest piece of a second that is drawn, seconds: the few messages of the rest in which the last ones came are neither a rate nor
/// percentiles, and would bend the end of every line. They count in all other figures.
const SHORTEST_S: f64 = 0.5;

fn rates_over_time(result: &RunResult) -> Vec<Series> {
    let rate = |name, tone, shape, count: fn(&Second) -> u64| {
        over(result, name, tone, shape, |second| count(second) as f64 / second.length_s)
    };
    let counts = &result.total.counts;
    let mut series = vec![
        rate("due", Tone::Quiet, Shape::Dashed, |second| second.counts.due),
        rate("accepted", Tone::Second, Shape::Line, |second| second.counts.accepted),
        rate("received", Tone::First, Shape::Line, |second| second.counts.received),
        rate("replies", Tone::Fourth, Shape::Line, |second| second.counts.replies),
    ];
    let all = [counts.due, counts.accepted, counts.received, counts.replies];
    let mut seen = all.into_iter().map(|count| count > 0);
    series.retain(|_| seen.next() == Some(true));
    series
}

fn latencies_over_time(result: &RunResult) -> Vec<Series> {
    let Some(metric) = explain::primary(result) else {
        return Vec::new();
    };
    let of = |name, tone, shape, value: fn(&Percentiles) -> f64| {
        over(result, name, tone, shape, |second| explain::in_second(second, metric).map_or(f64::NAN, value))
    };
    vec![
        of("max", Tone::Quiet, Shape::Line, |percentiles| percentiles.max),
        of("p99.9", Tone::Fourth, Shape::Line, |percentiles| percentiles.p99_9),
        of("p99", Tone::Third, Shape::Line, |percentiles| percentiles.p99),
        of("p50", Tone::First, Shape::Line, |percentiles| percentiles.p50),
    ]
}
