//! What has to hold of a result: `p99.9<2ms`, `orders.accept.p50<=300us`, `lost=0`, `rate>=9.9k`, `cpu_us<10`.
//!
//! A threshold is a figure (`figure`), a comparison and a bound. A bare percentile is that of the latency from due to the end of a
//! message: received, or replied where requests are made, or accepted where nobody receives. A figure that is not known does not
//! hold: what was not measured was not met.

use std::cmp::Ordering;

use crate::figure::{Figure, FigureError, Statistic, What};
use crate::number::{self, Unit};
use crate::result::{Requirement, RunResult};
use crate::scenario::Scenario;
use crate::units::{Bytes, Rate, Span, UnitError};

/// Values beyond a percentile that it takes to know it: of fewer it is the chance of a few single messages.
pub const VALUES_BEYOND_MIN: f64 = 10.0;

/// A figure and what is asked of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As it was written.
    pub text: String,
    /// What has to hold, by name.
    pub figure: Figure,
    /// What is asked.
    pub comparison: Comparison,
    /// In the unit of the figure.
    pub bound: f64,
}

/// How a value relates to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Smaller.
    Below,
    /// Not larger.
    AtMost,
    /// Larger.
    Above,
    /// Not smaller.
    AtLeast,
    /// The same.
    Equal,
}

/// Why a threshold was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequireError {
    /// It compares nothing.
    #[error("{text:?} compares nothing: write it like p99.9<2ms, rate>=9.9k or lost=0")]
    Comparison {
        /// As it was written.
        text: String,
    },
    /// Its figure is unknown.
    #[error("{text:?}: {error}")]
    Figure {
        /// As it was written.
        text: String,
        /// What is wrong.
        error: FigureError,
    },
    /// Its bound is none.
    #[error("{text:?}: {error}")]
    Bound {
        /// As it was written.
        text: String,
        /// What is wrong.
        error: UnitError,
    },
    /// Its bound is a number where there has to be a unit, or no number.
    #[error("{text:?}: the bound has to be {expected}")]
    Number {
        /// As it was written.
        text: String,
        /// What it has to be.
        expected: &'static str,
    },
}

/// Longer signs first, so that `<=` is not taken for `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("<", Comparison::Below),
    (">", Comparison::Above),
    ("=", Comparison::Equal),
];

impl Threshold {
    /// Reads a threshold on results of a scenario.
    ///
    /// # Errors
    /// When it is none; what would be right.
    pub fn parse(text: &str, scenario: &Scenario) -> Result<Self, RequireError> {
        let nothing = || RequireError::Comparison { text: text.to_owned() };
        let place = text.find(['<', '>', '=']).ok_or_else(nothing)?;
        let (name, rest) = text.split_at(place);
        let found = COMPARISONS.into_iter().find_map(|(sign, comparison)| Some((comparison, rest.strip_prefix(sign)?)));
        let (comparison, bound) = found.ok_or_else(nothing)?;
        let figure =
            Figure::parse(name, scenario).map_err(|error| RequireError::Figure { text: text.to_owned(), error })?;
        let bound = bound_of(text, bound.trim(), figure.unit())?;
        Ok(Self { text: text.to_owned(), figure, comparison, bound })
    }

    /// Whether it holds of a result, and what was found.
    pub fn check(&self, run: &RunResult) -> Requirement {
        let value = self.figure.value(run);
        let found = match value {
            Some(value) => self.figure.unit().print(value) + self.hair(value) + &self.caution(run),
            None => "not known: nothing of it was measured".to_owned(),
        };
        Requirement {
            text: self.text.clone(),
            found,
            holds: value.is_some_and(|value| self.comparison.holds(value, self.bound)),
        }
    }

    /// Which side of the bound a value is on that reads like the bound itself.
    fn hair(&self, value: f64) -> &'static str {
        let print = |value| self.figure.unit().print(value);
        match value.partial_cmp(&self.bound) {
            Some(Ordering::Greater) if print(value) == print(self.bound) => " and a little more",
            Some(Ordering::Less) if print(value) == print(self.bound) => " and a little less",
            _ => "",
        }
    }

    /// What to know about a percentile of few values.
    fn caution(&self, run: &RunResult) -> String {
        let What::Latency(_, Statistic::Quantile(quantile)) = self.figure.what else { return String::new() };
        let values = self.figure.values(run);
        if values as f64 * (1.0 - quantile) >= VALUES_BEYOND_MIN {
            return String::new();
        }
        format!(" (of only {})", number::counted(values, "message"))
    }
}

impl Comparison {
    /// Whether it holds.
    pub fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::AtLeast => value >= bound,
            Self::Equal => value == bound,
        }
    }
}

fn bound_of(text: &str, bound: &str, unit: Unit) -> Result<f64, RequireError> {
    let wrong = |error| RequireError::Bound { text: text.to_owned(), error };
    let expected = |expected| RequireError::Number { text: text.to_owned(), expected };
    match unit {
        // A bare number would be seconds elsewhere and milliseconds in most people's heads.
        Unit::Latency if !bound.ends_with(|c: char| c.is_alphabetic()) => {
            Err(expected("a time with its unit, such as 250us or 2ms"))
        }
        Unit::Latency => bound.parse::<Span>().map(|span| span.0 as f64 / 1e3).map_err(wrong),
        Unit::Rate => bound.parse::<Rate>().map(|rate| rate.0).map_err(wrong),
        Unit::Octets => bound.parse::<Bytes>().map(|bytes| bytes.0 as f64).map_err(wrong),
        Unit::Count => bound.parse::<u64>().map(|count| count as f64).map_err(|_| expected("a whole number")),
        Unit::Plain => {
            let number = bound.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| expected("a number"))
        }
    }
}

/// The thresholds of a scenario.
///
/// # Errors
/// The first that is none.
pub fn thresholds(scenario: &Scenario) -> Result<Vec<Threshold>, RequireError> {
    scenario.require.iter().map(|text| Threshold::parse(text, scenario)).collect()
}

/// What has to hold of a result by its own scenario, checked.
pub fn check(run: &RunResult) -> Vec<Requirement> {
    let of = |text: &String| match Threshold::parse(text, &run.scenario) {
        Ok(threshold) => threshold.check(run),
        Err(error) => Requirement { text: text.clone(), found: error.to_string(), holds: false },
    };
    run.scenario.require.iter().map(of).collect()
}

#[cfg(test)]
mod tests;
