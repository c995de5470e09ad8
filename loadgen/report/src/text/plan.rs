//! A capacity plan, for a terminal.

use load_model::plan::Plan;

use super::{Colour, Ink, line, row};
use crate::{explain, number};

/// What is wanted, what it takes, and what that rests on.
pub fn plan(plan: &Plan, colour: Colour) -> String {
    let mut out = String::new();
    line(&mut out, &colour.paint(Ink::Strong, &number::plain(&explain::wanted(plan))));
    let ink = if plan.answer.is_some() { Ink::Good } else { Ink::Bad };
    line(&mut out, &colour.paint(ink, &number::plain(&explain::planned(plan))));
    out.push('\n');
    if let Some(answer) = plan.answer.as_ref() {
        for (name, text) in explain::needs(answer) {
            line(&mut out, &format!("{name:<26}{}", number::plain(&text)));
        }
        out.push('\n');
    }
    for measured in &plan.measured {
        let how = if measured.is_reached { "reached" } else { "from processor time" };
        let size = number::bytes_short(measured.body_bytes);
        let bound = explain::bound(measured.rate, number::rate);
        row(
            &mut out,
            "measured",
            &format!("{}, {size}: {bound} messages a second, {how}", explain::cores(measured.cores)),
        );
    }
    for (name, sentences) in [("beyond", &plan.extrapolated), ("assumed", &plan.assumed), ("note", &plan.remarks)] {
        for sentence in sentences {
            row(&mut out, name, &number::plain(sentence));
        }
    }
    out
}
