//! Results as JSON: what other commands of the generator read again.
//!
//! Guarantee: histograms and counts are read back value by value; the password of a scenario is never written.

use load_model::result::RunResult;

/// A result, indented.
pub fn run(result: &RunResult) -> String {
    let mut text = serde_json::to_string_pretty(result).expect("results have text keys only");
    text.push('\n');
    text
}
