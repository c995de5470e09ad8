//! What kills of a server did, for a terminal.

use load_model::result::RunResult;

use super::sheet::{Ink, Sheet};
use crate::{explain, number};

/// Kills that are shown each; of more only those behind which it took longest until a message was accepted.
const SHOWN_MAX: usize = 20;
/// Width of a column.
const FIGURE: usize = 15;

/// Adds what kills did, if there were any: the proof first, and a row for each.
pub(super) fn outages(sheet: &mut Sheet, result: &RunResult) {
    if result.outages.is_empty() {
        return;
    }
    sheet.row("proof", &explain::proof(result));
    sheet.gap();
    let titles =
        ["killed at", "answering", "accepting", "receiving", "longest"].map(|title| format!("{title:>FIGURE$}"));
    sheet.cells_in(Ink::Faint, &titles.concat());
    for outage in explain::worst_outages(result, SHOWN_MAX) {
        let cells = explain::outage(outage).map(|cell| format!("{cell:>FIGURE$}"));
        sheet.cells(&cells.concat());
    }
    let left_out = result.outages.len().saturating_sub(SHOWN_MAX);
    if left_out > 0 {
        let more = format!("and {} behind which a message was accepted sooner", number::count(left_out as u64));
        let more = sheet.paint(Ink::Faint, &more);
        sheet.line(&more);
    }
    let read = sheet.paint(Ink::Faint, explain::OUTAGES);
    sheet.line(&read);
    sheet.gap();
}
