//! A figure of a table, what it is held against, and how both are printed.

use std::io;

use serde::Serialize;

/// What a figure has to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// As it comes.
    None,
    /// So much, or less.
    AtMost(f64),
    /// So much, or more.
    AtLeast(f64),
}

impl Target {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
        }
    }
}

/// A row of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it is of.
    pub case: String,
    /// What it says.
    pub what: &'static str,
    /// The figure; none: it could not be measured, and the remark says why.
    pub value: Option<f64>,
    /// What it is counted in; empty: a ratio.
    pub unit: &'static str,
    /// What it has to be.
    pub target: Target,
    /// What else there is to know.
    pub remark: String,
}

impl Figure {
    /// One that is as it comes.
    pub fn new(case: &str, what: &'static str, value: f64, unit: &'static str) -> Self {
        Self { case: case.to_owned(), what, value: Some(value), unit, target: Target::None, remark: String::new() }
    }

    /// One that could not be measured.
    pub fn missing(case: &str, what: &'static str, remark: String) -> Self {
        Self { case: case.to_owned(), what, value: None, unit: "", target: Target::AtMost(0.0), remark }
    }

    /// The same, held against a target.
    pub fn held_to(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// The same, with a remark.
    pub fn remarked(self, remark: String) -> Self {
        Self { remark, ..self }
    }

    /// The same, with the least and the most of what it is the median of.
    pub fn spread(self, values: &[f64]) -> Self {
        let (least, most) =
            values.iter().fold((f64::INFINITY, 0.0_f64), |(least, most), value| (least.min(*value), most.max(*value)));
        self.remarked(format!("{least:.3} to {most:.3}"))
    }

    /// Whether it is what it has to be; what could not be measured is not.
    pub fn holds(&self) -> bool {
        self.value.is_some_and(|value| self.target.holds(value))
    }

    /// The heads of what `line` prints.
    pub fn columns() -> String {
        format!("{:<40} {:<34} {:>14} {:<12} {:<14} remark", "case", "what", "figure", "unit", "target")
    }

    /// As a line of the table.
    pub fn line(&self) -> String {
        let value = self.value.map_or_else(|| "none".to_owned(), |value| format!("{value:.3}"));
        let target = match self.target {
            Target::None => String::new(),
            Target::AtMost(most) => format!("<= {most}"),
            Target::AtLeast(least) => format!(">= {least}"),
        };
        let missed = if self.holds() { "" } else { " missed" };
        let Self { case, what, unit, remark, .. } = self;
        format!("{case:<40} {what:<34} {value:>14} {unit:<12} {:<14} {remark}", format!("{target}{missed}"))
    }
}

/// All figures.
#[derive(Default)]
pub struct Report(Vec<Figure>);

impl Report {
    /// Adds figures, and prints them.
    pub fn add(&mut self, figures: Vec<Figure>) {
        figures.iter().for_each(|figure| println!("{}", figure.line().trim_end()));
        self.0.extend(figures);
    }

    /// As JSON: a list.
    ///
    /// # Errors
    /// Never, but that a number is none.
    pub fn to_json(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_misses_its_target_says_so() {
        let ratio = Figure::new("idle queues", "ratio", 0.9712, "").held_to(Target::AtLeast(0.97));
        assert!(
            ratio.holds() && ratio.line().contains("0.971") && !ratio.line().contains("missed"),
            "{}",
            ratio.line()
        );
        let ratio = Figure::new("idle queues", "ratio", 0.969, "").held_to(Target::AtLeast(0.97));
        assert!(!ratio.holds() && ratio.line().contains(">= 0.97 missed"), "{}", ratio.line());
        let missing = Figure::missing("browse", "browsed", "refused".to_owned());
        assert!(!missing.holds() && missing.line().contains("none") && missing.line().contains("refused"));
        let json = Report(vec![missing]).to_json().expect("it is written");
        assert!(json.contains("\"value\": null") && json.contains("\"at-most\": 0.0"), "{json}");
    }
}
