//! Results, sweeps, comparisons and plans as JSON: what other commands of the generator read again.
//!
//! Guarantee: histograms and counts are read back value by value; the password of a scenario is never written.

use load_model::compare::Comparison;
use load_model::plan::Plan;
use load_model::result::RunResult;
use load_model::sweep::SweepResult;
use serde::Serialize;

/// A result, indented.
pub fn run(result: &RunResult) -> String {
    indented(result)
}

/// A sweep, indented.
pub fn sweep(result: &SweepResult) -> String {
    indented(result)
}

/// A comparison, indented.
pub fn comparison(comparison: &Comparison) -> String {
    indented(comparison)
}

/// A plan, indented.
pub fn plan(plan: &Plan) -> String {
    indented(plan)
}

fn indented(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(value).expect("results have text keys only");
    text.push('\n');
    text
}
