//! A capacity plan, for a terminal.

use load_model::plan::Plan;

use super::sheet::{Ink, Paper, Sheet};
use crate::{explain, number};

/// Where the names of needs end.
const NEED: usize = 26;

/// What is wanted, what it takes, and what that rests on.
pub fn plan(plan: &Plan, paper: Paper) -> String {
    let mut sheet = Sheet::new(paper);
    let wanted = sheet.paint(Ink::Strong, &number::plain(&explain::wanted(plan)));
    sheet.line(&wanted);
    let ink = if plan.answer.is_some() { Ink::Good } else { Ink::Bad };
    let planned = sheet.paint(ink, &number::plain(&explain::planned(plan)));
    sheet.line(&planned);
    sheet.gap();
    if let Some(answer) = plan.answer.as_ref() {
        for (name, text) in explain::needs(answer) {
            sheet.hanging(NEED, &format!("{name:<NEED$}{}", number::plain(&text)));
        }
        sheet.gap();
    }
    for measured in &plan.measured {
        let how = if measured.is_reached { "reached" } else { "from processor time" };
        let size = number::bytes_short(measured.body_bytes);
        let bound = explain::bound(measured.rate, number::per_second);
        sheet.row("measured", &format!("{}, {size}: {bound}, {how}", explain::cores(measured.cores)));
    }
    for (name, sentences) in [("beyond", &plan.extrapolated), ("assumed", &plan.assumed), ("note", &plan.remarks)] {
        for sentence in sentences {
            sheet.row(name, &number::plain(sentence));
        }
    }
    sheet.finish()
}
