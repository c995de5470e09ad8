//! Charts as inline SVG: lines, areas, points, shaded ranges and marks, with names directly at their lines.
//!
//! Each chart is drawn for wide, medium and narrow windows, because letters must not shrink with the lines; the style sheet shows one
//! of them, so that letters are at least 10 pixels high. No script is needed; with one, the values under the pointer are told (`script.js`).
//!
//! Guarantees: nothing is drawn outside of the plot but names and ticks; a line of any number of points is drawn with at most two for
//! each pixel, and keeps its largest values.

use super::axis::Axis;
use super::markup::Markup;

mod line;

/// What a series is about, which decides its colour in the style sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// The first thing to look at.
    First,
    /// The next one: what is compared with it.
    Second,
    /// The third of several of a kind.
    Third,
    /// The fourth; there are no more.
    Fourth,
    /// What is beside the point: floors, offers.
    Quiet,
    /// What is better.
    Good,
    /// What is too much, or worse.
    Alarm,
}

impl Tone {
    /// Of the series at a place, in turn.
    pub(crate) fn nth(index: usize) -> Self {
        [Self::First, Self::Second, Self::Third, Self::Fourth].get(index % 4).copied().unwrap_or(Self::First)
    }

    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Third => "third",
            Self::Fourth => "fourth",
            Self::Quiet => "quiet",
            Self::Good => "good",
            Self::Alarm => "alarm",
        }
    }
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A line through its points.
    Line,
    /// A broken one.
    Dashed,
    /// A line with what is under it.
    Area,
    /// The same, with its name at its top instead of its end.
    Hill,
    /// Points alone.
    Points,
    /// Points and a line through them.
    Joined,
}

/// Values that belong together. One that is not finite interrupts the line.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    pub(crate) shape: Shape,
    pub(crate) points: Vec<(f64, f64)>,
}

/// What is marked beside the series.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// A range of x, shaded, with its name.
    Range { from: f64, to: f64, name: &'static str },
    /// A place on x; its name is in a row of its own where names of several would meet.
    At { x: f64, name: String, row: u8 },
    /// A value of y.
    Level { y: f64, name: String },
    /// What lies between two lines, such as a bound: x, low, high.
    Between { tone: Tone, edges: Vec<(f64, f64, f64)> },
}

/// A chart: series over two axes, and what is written at them.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: &'static str,
    /// What it shows and how to read it, a sentence or two.
    pub(crate) caption: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    /// What the axes count.
    pub(crate) x_name: &'static str,
    pub(crate) y_name: &'static str,
    pub(crate) size: Size,
    pub(crate) notes: Vec<Note>,
    pub(crate) series: Vec<Series>,
}

/// How much there is to see in a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// Curves that are read closely.
    Tall,
    /// Those that are read at a glance.
    Low,
}

/// The window that a chart is drawn for. Lengths are pixels.
#[derive(Clone, Copy, Debug)]
struct Frame {
    class: &'static str,
    width: f64,
    height: f64,
    left: f64,
    right: f64,
}

/// Room above the plot, for the name of y.
const TOP: f64 = 26.0;
/// Room below, for ticks and the name of x.
const BOTTOM: f64 = 44.0;
/// Room that a label on x and one on y needs.
const X_GAP: f64 = 74.0;
const Y_GAP: f64 = 22.0;
/// Distance of two names beside each other's lines.
const NAME_GAP: f64 = 15.0;
/// Letters of a name: what the room on the right holds.
const NAME_LETTERS: usize = 12;

impl Frame {
    fn all(size: Size) -> [Self; 3] {
        let [wide, medium, narrow] = match size {
            Size::Tall => [400.0, 360.0, 330.0],
            Size::Low => [230.0, 220.0, 210.0],
        };
        [
            Self { class: "wide", width: 1000.0, height: wide, left: 62.0, right: 92.0 },
            Self { class: "medium", width: 620.0, height: medium, left: 60.0, right: 84.0 },
            Self { class: "narrow", width: 380.0, height: narrow, left: 54.0, right: 68.0 },
        ]
    }

    fn plot_width(&self) -> f64 {
        self.width - self.left - self.right
    }

    fn plot_height(&self) -> f64 {
        self.height - TOP - BOTTOM
    }

    fn bottom(&self) -> f64 {
        self.height - BOTTOM
    }
}

impl Chart {
    /// The chart with its title and caption; nothing where no series has a point.
    pub(crate) fn figure(&self) -> Markup {
        if self.series.iter().all(|one| one.points.iter().all(|(_, y)| !y.is_finite())) {
            return Markup::default();
        }
        let caption = [Markup::holding("h3", self.title), Markup::holding("p", &self.caption)];
        let pictures = Frame::all(self.size).map(|frame| self.picture(&frame));
        let content = [Markup::element("figcaption", &[], Markup::all(caption))].into_iter().chain(pictures);
        Markup::element("figure", &[], Markup::all(content))
    }

    fn picture(&self, frame: &Frame) -> Markup {
        let view = format!("0 0 {} {}", frame.width, frame.height);
        let plot = format!("{} {TOP} {} {}", frame.left, frame.plot_width(), frame.plot_height());
        let attributes = [
            ("class", frame.class),
            ("viewBox", view.as_str()),
            ("role", "img"),
            ("aria-label", self.title),
            ("data-plot", plot.as_str()),
            ("data-x", &self.x.script()),
            ("data-y", &self.y.script()),
        ];
        let layers = [
            self.ranges(frame),
            self.grid(frame),
            self.betweens(frame),
            self.lines(frame),
            self.marks(frame),
            self.names(frame),
        ];
        Markup::element("svg", &attributes, Markup::all(layers))
    }

    fn x_of(&self, frame: &Frame, value: f64) -> f64 {
        frame.left + self.x.place(value) * frame.plot_width()
    }

    fn y_of(&self, frame: &Frame, value: f64) -> f64 {
        frame.bottom() - self.y.place(value) * frame.plot_height()
    }

    fn grid(&self, frame: &Frame) -> Markup {
        let mut pieces = Vec::new();
        for tick in self.y.ticks(frame.plot_height(), Y_GAP) {
            let y = self.y_of(frame, tick.at);
            let class = if tick.label.is_empty() { "grid minor" } else { "grid" };
            pieces.push(segment(class, (frame.left, y), (frame.width - frame.right, y)));
            pieces.push(label("tick end", (frame.left - 8.0, y + 4.0), &tick.label));
        }
        for tick in self.x.ticks(frame.plot_width(), X_GAP) {
            let x = self.x_of(frame, tick.at);
            let class = if tick.label.is_empty() { "grid minor" } else { "grid" };
            pieces.push(segment(class, (x, TOP), (x, frame.bottom())));
            pieces.push(label("tick middle", (x, frame.bottom() + 18.0), &tick.label));
        }
        pieces.push(segment("axis", (frame.left, frame.bottom()), (frame.width - frame.right, frame.bottom())));
        pieces.push(label("name-y", (0.0, 12.0), self.y_name));
        let middle = frame.left + frame.plot_width() / 2.0;
        pieces.push(label("name-x middle", (middle, frame.height - 6.0), self.x_name));
        Markup::all(pieces)
    }

    fn ranges(&self, frame: &Frame) -> Markup {
        Markup::all(self.notes.iter().map(|note| match note {
            Note::Range { from, to, name } => {
                let (left, right) = (self.x_of(frame, *from), self.x_of(frame, *to));
                let attributes = [
                    ("class", "range"),
                    ("x", &place(left)),
                    ("y", &place(TOP)),
                    ("width", &place(right - left)),
                    ("height", &place(frame.plot_height())),
                ];
                let shade = Markup::element("rect", &attributes.map(|(name, value)| (name, value)), Markup::default());
                // A name that is wider than its range would lie on the lines beside it.
                let has_room = right - left > name.len() as f64 * 6.5;
                let name = if has_room { label("note", (left + 5.0, TOP + 13.0), name) } else { Markup::default() };
                Markup::all([shade, name])
            }
            Note::At { .. } | Note::Level { .. } | Note::Between { .. } => Markup::default(),
        }))
    }

    fn betweens(&self, frame: &Frame) -> Markup {
        Markup::all(self.notes.iter().map(|note| match note {
            Note::Between { tone, edges } => {
                let there = edges.iter().map(|(x, low, _)| (self.x_of(frame, *x), self.y_of(frame, *low)));
                let back = edges.iter().rev().map(|(x, _, high)| (self.x_of(frame, *x), self.y_of(frame, *high)));
                let outline = line::path(&there.chain(back).collect::<Vec<_>>());
                let class = format!("between {}", tone.class());
                Markup::element("path", &[("class", &class), ("d", &outline)], Markup::default())
            }
            Note::At { .. } | Note::Level { .. } | Note::Range { .. } => Markup::default(),
        }))
    }

    /// Marks come over the lines, so that a mark is seen where lines are dense.
    fn marks(&self, frame: &Frame) -> Markup {
        let (lines, names): (Vec<_>, Vec<_>) = self.notes.iter().filter_map(|note| self.mark(frame, note)).unzip();
        // A name lies over the marks beside its own.
        Markup::all(lines.into_iter().chain(names))
    }

    /// A mark's line and its name.
    fn mark(&self, frame: &Frame, note: &Note) -> Option<(Markup, Markup)> {
        match note {
            Note::At { x, name, row } => {
                let x = self.x_of(frame, *x);
                // The name stands on the side that has more room.
                let is_left = x > frame.left + frame.plot_width() / 2.0;
                let (class, beside) = if is_left { ("note end", x - 5.0) } else { ("note", x + 5.0) };
                let name = label(class, (beside, TOP + 13.0 + f64::from(*row) * NAME_GAP), name);
                Some((segment("mark", (x, TOP), (x, frame.bottom())), name))
            }
            Note::Level { y, name } => {
                let y = self.y_of(frame, *y);
                let line = segment("mark", (frame.left, y), (frame.width - frame.right, y));
                Some((line, label("note end", (frame.width - frame.right - 5.0, y - 5.0), name)))
            }
            Note::Range { .. } | Note::Between { .. } => None,
        }
    }

    fn lines(&self, frame: &Frame) -> Markup {
        Markup::all(self.series.iter().map(|series| {
            let places = self.places(frame, series);
            let class = format!("series {}", series.tone.class());
            let mut pieces = Vec::new();
            if matches!(series.shape, Shape::Area | Shape::Hill) {
                pieces.push(drawn("fill", &line::closed(&places, frame.bottom())));
            }
            if series.shape != Shape::Points {
                pieces.push(drawn(if series.shape == Shape::Dashed { "dashed" } else { "line" }, &line::path(&places)));
            }
            if matches!(series.shape, Shape::Points | Shape::Joined) {
                pieces.extend(places.iter().filter(|(_, y)| y.is_finite()).map(|(x, y)| dot(*x, *y)));
            }
            Markup::element("g", &[("class", &class), ("data-name", &series.name)], Markup::all(pieces))
        }))
    }

    fn places(&self, frame: &Frame, series: &Series) -> Vec<(f64, f64)> {
        let places = series.points.iter().map(|(x, y)| {
            let y = if y.is_finite() { self.y_of(frame, *y) } else { f64::NAN };
            (self.x_of(frame, *x), y)
        });
        line::thinned(places.collect())
    }

    /// Names stand where their lines end, or at their tops, pushed apart where they would be too close to each other.
    fn names(&self, frame: &Frame) -> Markup {
        let named = self.series.iter().filter(|series| !series.name.is_empty());
        let mut names: Vec<_> = named
            .filter_map(|series| {
                let mut finite = series.points.iter().filter(|(_, y)| y.is_finite());
                let ((x, y), beside) = match series.shape {
                    Shape::Hill => (finite.max_by(|(_, one), (_, other)| one.total_cmp(other)).copied()?, (0.0, -7.0)),
                    _ => (finite.next_back().copied()?, (7.0, 4.0)),
                };
                Some((self.x_of(frame, x) + beside.0, self.y_of(frame, y) + beside.1, series))
            })
            .collect();
        names.sort_by(|(_, one, _), (_, other, _)| one.total_cmp(other));
        let wanted: Vec<f64> = names.iter().map(|(_, y, _)| *y).collect();
        let spread = line::spread(&wanted, NAME_GAP, (TOP, frame.bottom()));
        Markup::all(names.iter().zip(spread).map(|((x, _, series), y)| {
            let class = format!("name {}", series.tone.class());
            label(&class, (*x, y), &shortened(&series.name))
        }))
    }
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_LETTERS {
        return name.to_owned();
    }
    name.chars().take(NAME_LETTERS - 1).chain(['…']).collect()
}

/// A place in a picture: a tenth of a pixel is finer than screens are.
fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn segment(class: &str, from: (f64, f64), to: (f64, f64)) -> Markup {
    let attributes =
        [("class", class), ("x1", &place(from.0)), ("y1", &place(from.1)), ("x2", &place(to.0)), ("y2", &place(to.1))];
    Markup::element("line", &attributes, Markup::default())
}

fn label(class: &str, at: (f64, f64), text: &str) -> Markup {
    if text.is_empty() {
        return Markup::default();
    }
    Markup::element("text", &[("class", class), ("x", &place(at.0)), ("y", &place(at.1))], Markup::text(text))
}

fn drawn(class: &str, path: &str) -> Markup {
    Markup::element("path", &[("class", class), ("d", path)], Markup::default())
}

fn dot(x: f64, y: f64) -> Markup {
    Markup::element("circle", &[("cx", &place(x)), ("cy", &place(y)), ("r", "3.5")], Markup::default())
}
