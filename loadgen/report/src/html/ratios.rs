//! A chart of ratios with their intervals: what changed between two sets of runs, and how sure that is.
//!
//! A row for each figure: a point at the ratio, a line over its interval, and 1 in the middle of the picture, on a logarithmic axis, so that
//! twice and half are equally far from it.

use super::chart::Tone;
use super::markup::Markup;
use crate::number;

/// A figure that was compared.
#[derive(Clone, Debug)]
pub(crate) struct Ratio {
    pub(crate) name: String,
    /// The second by the first.
    pub(crate) ratio: f64,
    /// Where it lies with the confidence that the caption names.
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) tone: Tone,
}

/// The window that the chart is drawn for. Lengths are pixels.
struct Frame {
    class: &'static str,
    width: f64,
    left: f64,
    right: f64,
}

/// A row, and the room for ticks below all of them.
const ROW: f64 = 30.0;
const BOTTOM: f64 = 30.0;
const FRAMES: [Frame; 3] = [
    Frame { class: "wide", width: 1000.0, left: 190.0, right: 92.0 },
    Frame { class: "medium", width: 620.0, left: 160.0, right: 84.0 },
    Frame { class: "narrow", width: 380.0, left: 112.0, right: 64.0 },
];
/// Factors at which there may be a tick.
const TICKS: [f64; 13] = [0.1, 0.2, 0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 5.0, 10.0];
/// The least that the axis spans to each side: a difference of some percent must not look like a revolution.
const SPAN_LEAST: f64 = 1.25;
/// And the most: what lies beyond is drawn at the edge, and told in figures.
const SPAN_MOST: f64 = 10.0;

/// The chart with its title and caption; nothing where nothing was compared.
pub(crate) fn figure(title: &'static str, caption: &str, ratios: &[Ratio]) -> Markup {
    if ratios.is_empty() {
        return Markup::default();
    }
    let caption = [Markup::holding("h3", title), Markup::holding("p", caption)];
    let pictures = FRAMES.map(|frame| picture(&frame, title, ratios));
    let content = [Markup::element("figcaption", &[], Markup::all(caption))].into_iter().chain(pictures);
    Markup::element("figure", &[], Markup::all(content))
}

fn picture(frame: &Frame, title: &str, ratios: &[Ratio]) -> Markup {
    let height = ROW * ratios.len() as f64 + BOTTOM;
    let far = ratios.iter().flat_map(|ratio| [ratio.ratio, ratio.low, ratio.high]);
    let far = far.filter(|value| value.is_finite() && *value > 0.0).map(|value| value.max(1.0 / value));
    let span = (far.fold(SPAN_LEAST, f64::max) * 1.02).min(SPAN_MOST);
    let plot = frame.width - frame.left - frame.right;
    let x = |value: f64| {
        let share = (value.max(f64::MIN_POSITIVE).ln() / span.ln()).clamp(-1.0, 1.0);
        frame.left + plot * (1.0 + share) / 2.0
    };
    let mut pieces = Vec::new();
    let mut previous = f64::NEG_INFINITY;
    for tick in TICKS.into_iter().filter(|tick| *tick <= span && *tick >= 1.0 / span) {
        // Ticks that stand too close are left out, but never that of 1.
        let is_near = x(tick) - previous < 38.0 || (tick < 1.0 && x(1.0) - x(tick) < 38.0);
        if tick == 1.0 || !is_near {
            previous = x(tick);
            let class = if tick == 1.0 { "axis" } else { "grid" };
            pieces.push(line(class, (x(tick), 0.0), (x(tick), height - BOTTOM)));
            pieces.push(text("tick middle", (x(tick), height - 10.0), &format!("{}×", number::short(tick))));
        }
    }
    for (index, ratio) in ratios.iter().enumerate() {
        let y = ROW * (index as f64 + 0.5);
        pieces.push(text("tick end", (frame.left - 12.0, y + 4.0), &ratio.name));
        let known = ratio.low.is_finite() && ratio.high.is_finite();
        let bar = if known { line("line", (x(ratio.low), y), (x(ratio.high), y)) } else { Markup::default() };
        let (cx, cy) = (format!("{:.1}", x(ratio.ratio)), format!("{y:.1}"));
        let dot = Markup::element("circle", &[("cx", &cx), ("cy", &cy), ("r", "5")], Markup::default());
        let class = format!("series {}", ratio.tone.class());
        pieces.push(Markup::element("g", &[("class", &class)], Markup::all([bar, dot])));
        let told = format!("{}×", number::digits(ratio.ratio));
        pieces.push(text(&format!("name {}", ratio.tone.class()), (frame.width - frame.right + 14.0, y + 4.0), &told));
    }
    let view = format!("0 0 {} {height}", frame.width);
    let attributes = [("class", frame.class), ("viewBox", view.as_str()), ("role", "img"), ("aria-label", title)];
    Markup::element("svg", &attributes, Markup::all(pieces))
}

fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    let [x1, y1, x2, y2] = [from.0, from.1, to.0, to.1].map(|place| format!("{place:.1}"));
    let attributes = [("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)];
    Markup::element("line", &attributes.map(|(name, value)| (name, value)), Markup::default())
}

fn text(class: &str, at: (f64, f64), text: &str) -> Markup {
    let [x, y] = [at.0, at.1].map(|place| format!("{place:.1}"));
    Markup::element("text", &[("class", class), ("x", &x), ("y", &y)], Markup::text(text))
}
