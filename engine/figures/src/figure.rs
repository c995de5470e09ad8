//! Figures: what is told of a thing (a queue, a connection, a shard), declared once beside the type that knows it.
//!
//! 1. A figure is one row: its name (`/state`, management), its metric (Prometheus), what it says, its unit, whether it counts or shows,
//!    its column in `heddle status`, Artemis' name where Artemis has the same, and where it comes from.
//! 2. They are constants without I/O: whoever prints them (`src/http`, `src/status.rs`) goes through the rows and knows none by name.
//! 3. Names follow Prometheus' rules: `heddle_` and the thing first, the base unit behind, counters end in `_total`; `Figures::check` says
//!    what breaks them.
//!
//! Not here: who asks, who prints, and how long it may take; how distributions are counted (`spread` says what is told of one).

use std::collections::BTreeSet;

use crate::spread::Spread;

/// How a figure behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A total since the thing was made, which never falls.
    Counter,
    /// What is at this moment.
    Gauge,
    /// How long something took, of many.
    Distribution,
}

/// What a figure is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Octets.
    Bytes,
    /// Time, in its base unit.
    Seconds,
    /// Milliseconds; as a metric they are seconds, the base unit.
    Milliseconds,
    /// Yes or no; as a metric 1 or 0.
    Flag,
}

/// What a label or figure of one thing is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// A number of things, octets or milliseconds.
    Count(u64),
    /// A number that need not be whole.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Text, of others or ours.
    Text(&'a str),
    /// How long something took, of many.
    Spread(&'a Spread),
    /// The thing has none.
    Absent,
}

impl<'a> Value<'a> {
    /// How long something took, if any was counted.
    #[must_use]
    pub fn of(spread: Option<&'a Spread>) -> Self {
        spread.map_or(Self::Absent, Self::Spread)
    }
}

/// Where a row's value stands in a table of `heddle status`, and under which title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// It is not shown there.
    None,
    /// The value as it is, under this head.
    Value(&'static str),
    /// What was added since the last look, a second ago.
    Rate(&'static str),
}

/// How a label's column gives way when a line is too wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Text of others, which may be shortened.
    Name,
    /// One of a few words.
    Word,
    /// A number.
    Figure,
}

/// What tells things of one kind apart, or says what they are.
#[derive(Debug)]
pub struct Label<T: 'static> {
    /// Its name in `/state`.
    pub name: &'static str,
    /// The label of metrics; `None` where metrics do without.
    pub label: Option<&'static str>,
    /// Its column in `heddle status`, and how that gives way.
    pub column: (Column, Fill),
    /// Where it comes from.
    pub of: for<'a> fn(&'a T) -> Value<'a>,
}

/// What is known of one thing to be measured, and how it is read of a `T`.
#[derive(Debug)]
pub struct Figure<T: 'static> {
    /// Its name in `/state`.
    pub name: &'static str,
    /// Its metric, whole, as one looks for it; `None` where there is none.
    pub metric: Option<&'static str>,
    /// What it says, one sentence.
    pub help: &'static str,
    /// Whether it counts or shows.
    pub kind: Kind,
    /// What it is counted in.
    pub unit: Unit,
    /// Its column in `heddle status`.
    pub column: Column,
    /// The attribute of Artemis' management that says the same.
    pub artemis: Option<&'static str>,
    /// Where it comes from.
    pub of: for<'a> fn(&'a T) -> Value<'a>,
}

/// All that is told of things of one kind.
#[derive(Debug)]
pub struct Figures<T: 'static> {
    /// The thing: `queue`, `connection`.
    pub thing: &'static str,
    /// What tells one from another.
    pub labels: &'static [Label<T>],
    /// What is told of each.
    pub figures: &'static [Figure<T>],
}

impl<T> Label<T> {
    /// A label that is also one of metrics, under the same name.
    #[must_use]
    pub const fn new(name: &'static str, of: for<'a> fn(&'a T) -> Value<'a>) -> Self {
        Self { name, label: Some(name), column: (Column::None, Fill::Word), of }
    }

    /// Under this name in metrics.
    #[must_use]
    pub const fn labelled(mut self, label: &'static str) -> Self {
        self.label = Some(label);
        self
    }

    /// Not in metrics.
    #[must_use]
    pub const fn unlabelled(mut self) -> Self {
        self.label = None;
        self
    }

    /// With a column in `heddle status`.
    #[must_use]
    pub const fn column(mut self, title: &'static str, fill: Fill) -> Self {
        self.column = (Column::Value(title), fill);
        self
    }
}

impl<T> Figure<T> {
    /// What is at this moment.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str, unit: Unit, of: for<'a> fn(&'a T) -> Value<'a>) -> Self {
        Self { name, metric: None, help, kind: Kind::Gauge, unit, column: Column::None, artemis: None, of }
    }

    /// A total that never falls.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        help: &'static str,
        unit: Unit,
        of: for<'a> fn(&'a T) -> Value<'a>,
    ) -> Self {
        Self { name, metric: None, help, kind: Kind::Counter, unit, column: Column::None, artemis: None, of }
    }

    /// How long something took, of many.
    #[must_use]
    pub const fn spread(name: &'static str, help: &'static str, of: for<'a> fn(&'a T) -> Value<'a>) -> Self {
        Self {
            name,
            metric: None,
            help,
            kind: Kind::Distribution,
            unit: Unit::Seconds,
            column: Column::None,
            artemis: None,
            of,
        }
    }

    /// The same, told to Prometheus under this name as well.
    #[must_use]
    pub const fn metric(mut self, metric: &'static str) -> Self {
        self.metric = Some(metric);
        self
    }

    /// With a column in `heddle status`.
    #[must_use]
    pub const fn column(mut self, title: &'static str) -> Self {
        self.column = Column::Value(title);
        self
    }

    /// With a column in `heddle status` that shows what was added in a second.
    #[must_use]
    pub const fn rate(mut self, title: &'static str) -> Self {
        self.column = Column::Rate(title);
        self
    }

    /// With the name that Artemis has for it.
    #[must_use]
    pub const fn artemis(mut self, attribute: &'static str) -> Self {
        self.artemis = Some(attribute);
        self
    }
}

impl<T> Figures<T> {
    /// Asserts what the head promises of names: for the tests of whoever declares a table.
    ///
    /// # Panics
    /// When a name breaks a rule, or is there twice.
    pub fn check(&self) {
        let mut names = BTreeSet::new();
        let mut metrics = BTreeSet::new();
        let fits = |name: &str| {
            let letters =
                name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_');
            letters && name.starts_with(|letter: char| letter.is_ascii_lowercase())
        };
        for label in self.labels {
            assert!(fits(label.name) && names.insert(label.name), "{}: label {}", self.thing, label.name);
            assert!(label.label.is_none_or(fits), "{}: label {}", self.thing, label.name);
        }
        for Figure { name, metric, help, kind, unit, .. } in self.figures {
            assert!(fits(name) && names.insert(name), "{}: {name}", self.thing);
            assert!(help.ends_with('.') && !help.contains('\n') && help.len() > 8, "{name}: {help:?} is one sentence");
            let Some(metric) = *metric else { continue };
            assert!(fits(metric) && metrics.insert(metric), "{name}: {metric}");
            assert!(metric.starts_with("heddle_") || metric.starts_with("process_"), "{metric} says whose it is");
            assert_eq!(*kind == Kind::Counter, metric.ends_with("_total"), "{metric}: counters end in _total");
            let base = metric.trim_end_matches("_total");
            // A metric may be named for octets before more words: heddle_connection_bytes_in_total.
            assert!(*unit != Unit::Bytes || base.contains("bytes"), "{metric} counts octets");
            assert!(
                !matches!(unit, Unit::Seconds | Unit::Milliseconds) || base.ends_with("_seconds"),
                "{metric} is in seconds"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing {
        name: String,
        octets: u64,
    }

    const LABELS: &[Label<Thing>] =
        &[Label::<Thing>::new("name", |thing| Value::Text(&thing.name)).column("thing", Fill::Name)];
    const GOOD: Figures<Thing> = Figures {
        thing: "thing",
        labels: LABELS,
        figures: &[Figure::<Thing>::counter("octets", "Octets of a thing.", Unit::Bytes, |thing| {
            Value::Count(thing.octets)
        })
        .metric("heddle_thing_bytes_total")
        .rate("B/s")],
    };

    fn with(metric: &'static str, kind: Kind, unit: Unit) -> impl FnOnce() + std::panic::UnwindSafe {
        move || {
            let figure: Figure<Thing> = Figure { kind, ..Figure::gauge("a", "What it says.", unit, |_| Value::Absent) };
            Figures { thing: "thing", labels: &[], figures: Box::leak(Box::new([figure.metric(metric)])) }.check();
        }
    }

    #[test]
    fn a_row_gives_what_its_thing_has() {
        GOOD.check();
        let thing = Thing { name: "a".to_owned(), octets: 3 };
        assert_eq!((GOOD.labels[0].of)(&thing), Value::Text("a"));
        assert_eq!((GOOD.figures[0].of)(&thing), Value::Count(3));
        assert_eq!(GOOD.figures[0].column, Column::Rate("B/s"));
    }

    #[test]
    fn names_that_break_the_rules_are_told() {
        with("heddle_thing_bytes", Kind::Gauge, Unit::Bytes)();
        for wrong in [
            with("thing_bytes", Kind::Gauge, Unit::Bytes),
            with("heddle_thing_Bytes", Kind::Gauge, Unit::Bytes),
            with("heddle_thing_size", Kind::Gauge, Unit::Bytes),
            with("heddle_thing_total", Kind::Gauge, Unit::Count),
            with("heddle_things", Kind::Counter, Unit::Count),
            with("heddle_thing_ms", Kind::Gauge, Unit::Milliseconds),
        ] {
            assert!(std::panic::catch_unwind(wrong).is_err());
        }
    }
}
