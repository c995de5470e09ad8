//! Two sets of runs side by side, for a terminal.

use load_model::compare::{Change, Comparison, Row, Side};

use super::{Colour, Ink, line};
use crate::number;

/// Widths of columns: names, values, ratios.
const NAME: usize = 22;
const VALUE: usize = 13;
const RATIO: usize = 9;
const INTERVAL: usize = 18;

/// A row for each figure: both medians, the ratio with its interval, and what that comes to.
pub fn comparison(comparison: &Comparison, colour: Colour) -> String {
    let mut out = String::new();
    for (name, side) in [("A", &comparison.one), ("B", &comparison.other)] {
        line(&mut out, &format!("{name}  {}", number::plain(&about(side))));
    }
    for difference in &comparison.differences {
        line(&mut out, &colour.paint(Ink::Bad, &format!("  differs: {}", number::plain(&difference.to_string()))));
    }
    out.push('\n');
    let titles = format!(
        "{:NAME$}{:>VALUE$}{:>VALUE$}{:>RATIO$}  {:INTERVAL$}{}",
        "figure", "A", "B", "B/A", "95 % interval", "B is"
    );
    line(&mut out, &colour.paint(Ink::Faint, &titles));
    for row in &comparison.rows {
        line(&mut out, &figure(row, colour));
    }
    if !comparison.remarks.is_empty() {
        out.push('\n');
    }
    for remark in &comparison.remarks {
        line(&mut out, &format!("- {}", number::plain(remark)));
    }
    out
}

/// What a side is, in one line.
fn about(side: &Side) -> String {
    let product = if side.product.is_empty() { "an unnamed server" } else { &side.product };
    let runs = if side.runs == 1 { "1 run".to_owned() } else { format!("{} runs", side.runs) };
    format!("{}, {product}, {runs} from {}", side.name, number::date(side.started_ms))
}

fn figure(row: &Row, colour: Colour) -> String {
    let [one, other] = [&row.one, &row.other].map(|values| number::in_unit(row.unit, values.median));
    let ratio = row.ratio.map_or_else(|| number::UNKNOWN.to_owned(), number::digits);
    let (low, high) = row.interval.map_or((f64::NAN, f64::NAN), |interval| interval);
    let interval = format!("{} to {}", number::digits(low), number::digits(high));
    let interval = if row.interval.is_some() { interval } else { number::UNKNOWN.to_owned() };
    let (ink, word) = match row.change {
        Change::Better => (Ink::Good, "better"),
        Change::Worse => (Ink::Bad, "worse"),
        Change::Same => (Ink::Faint, "the same"),
        Change::Unclear => (Ink::Faint, "not clear"),
    };
    let name = number::plain(&row.figure);
    let word = colour.paint(ink, word);
    format!("{name:NAME$}{one:>VALUE$}{other:>VALUE$}{ratio:>RATIO$}  {interval:INTERVAL$}{word}")
}
