//! The page of a capacity plan: what was measured, what follows from it, and how sure that is.

use load_model::plan::{Answer, Bound, CurvePoint, Plan};

use super::axis::{Axis, Unit};
use super::chart::{Chart, Note, Series, Shape, Size, Tone};
use super::markup::Markup;
use super::page::{self, Card, Cells, Mood, Row};
use crate::{explain, number};

/// Sizes and numbers of cores that are so near, as a share, are drawn in one chart.
const ALIKE: f64 = 0.1;

const READING: [(&str, &str); 4] = [
    (
        "Points and lines",
        "Points were measured, or follow from the processor time of a message where the most was not reached. The line is what the model makes of them, the area its 95 % bounds.",
    ),
    (
        "Cores",
        "The number that is recommended does the load at the lower bound of what a core does, and with one of several nodes lost. The estimate is what would do if all is as it looks.",
    ),
    (
        "Utilisation",
        "The share of the most up to which the latency that is wanted was seen to hold. Beyond it messages wait for each other.",
    ),
    (
        "Extrapolated",
        "What lies outside of what was measured. It may be right, and has to be measured before anybody depends on it.",
    ),
];

/// The page.
pub fn plan(plan: &Plan) -> String {
    let wanted = explain::wanted(plan);
    let mood = if plan.answer.is_some() { Mood::Good } else { Mood::Bad };
    let content = [
        page::head("Capacity plan", &wanted, &[], &[]),
        page::verdict(mood, &explain::planned(plan), &plan.remarks),
        page::cards(&plan.answer.as_ref().map(cards).unwrap_or_default()),
        page::section("The most that a node does", [over_cores(plan), over_size(plan)]),
        plan.answer.as_ref().map_or_else(Markup::default, |answer| page::section("What it takes", [needs(answer)])),
        page::section("What it rests on", basis(plan)),
        page::section("How to read this", [page::terms(&READING)]),
    ];
    page::page(&format!("{wanted} – capacity plan"), Markup::all(content))
}

fn cards(answer: &Answer) -> Vec<Card> {
    let card =
        |what: &str, figure: String, beside: String| Card { what: what.to_owned(), figure, beside, mood: Mood::Good };
    let used = format!("{} of the most", number::percent(answer.used));
    let mut cards = vec![
        card(
            "Cores of each node",
            answer.cores_per_node.to_string(),
            format!("estimate {}, at least {}", answer.cores_estimated, answer.cores_least),
        ),
        card("Headroom", format!("{} ×", number::digits(answer.headroom)), used),
    ];
    if let Some(headroom) = answer.headroom_one_lost {
        cards.push(card(
            "With one node lost",
            format!("{} ×", number::digits(headroom)),
            "of what is wanted".to_owned(),
        ));
    }
    cards.extend(answer.expected.iter().map(|expected| {
        let Bound { value, low, high } = expected.latency_us;
        card(&expected.figure, number::latency(value), format!("{} to {}", number::latency(low), number::latency(high)))
    }));
    cards
}

/// The line through a curve, and the area of its bounds.
fn fitted(points: &[CurvePoint]) -> (Series, Note) {
    let line = points.iter().map(|point| (point.x, point.rate.value)).collect();
    let edges = points.iter().map(|point| (point.x, point.rate.low, point.rate.high)).collect();
    (
        Series { name: "model".to_owned(), tone: Tone::First, shape: Shape::Line, points: line },
        Note::Between { tone: Tone::First, edges },
    )
}

fn is_alike(one: f64, other: f64) -> bool {
    (one / other).max(other / one) <= 1.0 + ALIKE
}

fn over_cores(plan: &Plan) -> Markup {
    let (line, between) = fitted(&plan.over_cores);
    let alike = plan.measured.iter().filter(|measured| is_alike(measured.body_bytes, plan.wanted.body_bytes));
    let points = alike.map(|measured| (measured.cores, measured.rate.value)).collect();
    let measured = Series { name: String::new(), tone: Tone::Fourth, shape: Shape::Points, points };
    let most = plan.over_cores.iter().map(|point| point.x).fold(1.0, f64::max);
    let of_node = plan.wanted.rate / f64::from(plan.wanted.nodes.max(1));
    let largest = plan.measured.iter().map(|measured| measured.cores).fold(0.0, f64::max);
    let mut notes = vec![Note::Range { from: largest, to: most, name: "extrapolated" }, between];
    notes.push(Note::Level { y: of_node, name: format!("wanted of each node: {}", number::per_second(of_node)) });
    if let Some(answer) = plan.answer.as_ref() {
        let cores = answer.cores_per_node;
        notes.push(Note::At { x: f64::from(cores), name: explain::cores(f64::from(cores)), row: 1 });
    }
    // Bounds far beyond what was measured would leave no room for the line.
    let most_likely = plan.over_cores.iter().map(|point| point.rate.value).fold(0.0, f64::max);
    let highest = plan.over_cores.iter().map(|point| point.rate.high.min(2.0 * most_likely));
    Chart {
        title: "By cores",
        caption: format!(
            "Messages of {} that a node does at most. {}",
            number::bytes_short(plan.wanted.body_bytes),
            if measured.points.is_empty() {
                "Nothing was measured at about this size."
            } else {
                "Orange points were measured at about this size."
            }
        ),
        x: Axis::between(Unit::Cores, 0.0, most),
        y: Axis::from_zero(Unit::Rate, highest.chain([of_node])),
        x_name: "cores of a node",
        y_name: "messages a second",
        size: Size::Tall,
        notes,
        series: vec![line, measured],
    }
    .figure()
}

fn over_size(plan: &Plan) -> Markup {
    let (line, between) = fitted(&plan.over_size);
    let fewest = plan.measured.iter().map(|measured| measured.cores).fold(f64::INFINITY, f64::min);
    let alike = plan.measured.iter().filter(|measured| is_alike(measured.cores, fewest));
    let points: Vec<_> = alike.map(|measured| (measured.body_bytes, measured.rate.value)).collect();
    let edges = plan.over_size.iter().flat_map(|point| [point.rate.low, point.rate.high]);
    let rates = edges.chain(points.iter().map(|(_, rate)| *rate));
    let sizes = plan.over_size.iter().map(|point| point.x).chain([plan.wanted.body_bytes]);
    Chart {
        title: "By size of a body",
        caption: format!("What {} does at most. Orange points were measured.", explain::cores(fewest)),
        x: Axis::log(Unit::Count, sizes),
        y: Axis::log(Unit::Rate, rates),
        x_name: "octets of a body",
        y_name: "messages a second",
        size: Size::Low,
        notes: vec![between, Note::At { x: plan.wanted.body_bytes, name: "wanted".to_owned(), row: 0 }],
        series: vec![line, Series { name: String::new(), tone: Tone::Fourth, shape: Shape::Points, points }],
    }
    .figure()
}

fn needs(answer: &Answer) -> Markup {
    page::facts("With 95 % bounds in brackets", &explain::needs(answer))
}

fn basis(plan: &Plan) -> Vec<Markup> {
    let rows: Vec<_> = plan
        .measured
        .iter()
        .map(|measured| {
            let how = if measured.is_reached { "reached" } else { "from processor time" };
            let rate = number::per_second;
            let cells = [
                number::bytes_short(measured.body_bytes),
                rate(measured.rate.value),
                rate(measured.rate.low),
                rate(measured.rate.high),
                how.to_owned(),
            ];
            let cells = cells.iter().map(|cell| Markup::text(cell)).collect();
            Row { class: "", name: number::short(measured.cores), cells }
        })
        .collect();
    let law = match plan.usl.as_ref() {
        Some(usl) => format!(
            "The scalability law fitted by itself: contention {}, coherency {}, {} of the variance explained.",
            number::digits(usl.alpha),
            number::digits(usl.beta),
            number::percent(usl.r_squared)
        ),
        None => format!(
            "Too few numbers of cores for the scalability law by itself; contention {} and coherency {} were used.",
            number::digits(plan.contention),
            number::digits(plan.coherency)
        ),
    };
    let mut parts = vec![
        page::table(Cells::Figures, &["cores", "size", "most", "lower bound", "upper bound", "known by"], &rows),
        Markup::holding("p", &law),
    ];
    for (title, sentences) in [("Extrapolated", &plan.extrapolated), ("Taken for granted", &plan.assumed)] {
        if !sentences.is_empty() {
            parts.extend([Markup::holding("h3", title), page::list(sentences)]);
        }
    }
    parts
}
