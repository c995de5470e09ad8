//! What kills of a server did, for a terminal.

use load_model::result::RunResult;

use super::{Colour, Ink, line, row};
use crate::{explain, number};

/// Kills that are shown each; of more only those behind which it took longest until a message was accepted.
const SHOWN_MAX: usize = 20;
/// Width of a column.
const FIGURE: usize = 15;

/// Adds what kills did, if there were any: the proof first, and a row for each.
pub(super) fn outages(out: &mut String, result: &RunResult, colour: Colour) {
    if result.outages.is_empty() {
        return;
    }
    row(out, "proof", &explain::proof(result));
    out.push('\n');
    let titles =
        ["killed at", "answering", "accepting", "receiving", "longest"].map(|title| format!("{title:>FIGURE$}"));
    line(out, &colour.paint(Ink::Faint, &titles.concat()));
    for outage in explain::worst_outages(result, SHOWN_MAX) {
        let cells = explain::outage(outage).map(|cell| format!("{cell:>FIGURE$}"));
        line(out, &cells.concat());
    }
    let left_out = result.outages.len().saturating_sub(SHOWN_MAX);
    if left_out > 0 {
        line(out, &colour.paint(Ink::Faint, &format!("and {} that were shorter", number::count(left_out as u64))));
    }
    line(out, &colour.paint(Ink::Faint, explain::OUTAGES));
    out.push('\n');
}
