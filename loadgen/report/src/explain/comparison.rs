//! What two sets of runs come to side by side, in sentences; the same in the terminal and on the page.

use load_model::compare::{Change, Comparison, Conclusion, Side};

use crate::number;

/// What a side is, in one line.
pub(crate) fn side(side: &Side) -> String {
    let product = if side.product.is_empty() { "a server that does not say what it is" } else { &side.product };
    let runs = number::counted(side.runs as u64, "run");
    let valid = match side.valid {
        valid if valid == side.runs => String::new(),
        0 => ", none of them valid".to_owned(),
        valid => format!(", {valid} of them valid"),
    };
    let date = number::date(side.started_ms);
    if side.runs == 1 && side.valid == 1 {
        return format!("{}, {product}, {runs} of {date}", side.name);
    }
    format!("{}, {product}, {runs}{valid}, the first of {date}", side.name)
}

/// How many figures changed in a way.
pub(crate) fn changed(comparison: &Comparison, change: Change) -> usize {
    comparison.rows.iter().filter(|row| row.change == change).count()
}

/// What the comparison comes to, in one line.
pub(crate) fn compared(comparison: &Comparison) -> String {
    if comparison.conclusion == Conclusion::NoValidRun {
        let without = match (comparison.one.valid, comparison.other.valid) {
            (0, 0) => "neither A nor B has a valid run",
            (0, _) => "A has no valid run",
            (_, _) => "B has no valid run",
        };
        return format!("No verdict: {without}, and nothing was compared");
    }
    let (better, worse) = (changed(comparison, Change::Better), changed(comparison, Change::Worse));
    let all = number::counted(comparison.rows.len() as u64, "figure");
    match (better, worse) {
        (0, 0) => "No figure differs by more than chance".to_owned(),
        (better, 0) => format!("B is better in {better} of {all}, and worse in none"),
        (0, worse) => format!("B is worse in {worse} of {all}, and better in none"),
        (better, worse) => format!("B is better in {better} of {all}, and worse in {worse}"),
    }
}
