//! Two sets of runs side by side, for a terminal.

use load_model::compare::{Change, Comparison, Conclusion, Row};

use super::sheet::{Ink, Paper, Sheet};
use crate::{explain, number};

/// Widths of columns, which fit 80 together: names, values, ratios.
const NAME: usize = 20;
const VALUE: usize = 12;
const RATIO: usize = 9;
const INTERVAL: usize = 16;

/// What is left out, what that leaves to conclude, and a row for each figure: both medians, the ratio with its interval, and what
/// that comes to.
pub fn comparison(comparison: &Comparison, paper: Paper) -> String {
    let mut sheet = Sheet::new(paper);
    for (name, side) in [("A", &comparison.one), ("B", &comparison.other)] {
        sheet.item(&format!("{name}  "), &number::plain(&explain::side(side)));
    }
    for sentence in &comparison.left_out {
        let sentence = sheet.paint(Ink::Bad, &number::plain(sentence));
        sheet.item("  left out: ", &sentence);
    }
    for difference in &comparison.differences {
        let difference = sheet.paint(Ink::Bad, &number::plain(&difference.to_string()));
        sheet.item("  differs: ", &difference);
    }
    sheet.gap();
    let said = explain::compared(comparison);
    match comparison.conclusion {
        Conclusion::NoValidRun => {
            let said = sheet.paint(Ink::Bad, &said);
            sheet.line(&said);
        }
        Conclusion::Compared => {
            let said = sheet.paint(Ink::Strong, &said);
            sheet.line(&said);
            sheet.gap();
            rows(&mut sheet, &comparison.rows);
        }
    }
    if !comparison.remarks.is_empty() {
        sheet.gap();
    }
    for remark in &comparison.remarks {
        sheet.item("- ", &number::plain(remark));
    }
    sheet.finish()
}

fn rows(sheet: &mut Sheet, rows: &[Row]) {
    let titles = format!(
        "{:NAME$}{:>VALUE$}{:>VALUE$}{:>RATIO$}  {:INTERVAL$}{}",
        "figure", "A", "B", "B by A", "95 % interval", "B is"
    );
    sheet.cells_in(Ink::Faint, &titles);
    for row in rows {
        let text = figure(sheet, row);
        sheet.cells(&text);
    }
}

fn figure(sheet: &Sheet, row: &Row) -> String {
    let [one, other] = [&row.one, &row.other].map(|values| row.unit.print(values.median));
    let ratio = row.ratio.map_or_else(|| number::UNKNOWN.to_owned(), number::digits);
    let interval = |(low, high)| format!("{} to {}", number::digits(low), number::digits(high));
    let interval = row.interval.map_or_else(|| number::UNKNOWN.to_owned(), interval);
    let (ink, word) = match row.change {
        Change::Better => (Ink::Good, "better"),
        Change::Worse => (Ink::Bad, "worse"),
        Change::Same => (Ink::Faint, "the same"),
        Change::Unclear => (Ink::Faint, "unclear"),
    };
    let name = number::plain(&row.figure);
    let word = sheet.paint(ink, word);
    format!("{name:NAME$}{one:>VALUE$}{other:>VALUE$}{ratio:>RATIO$}  {interval:INTERVAL$}{word}")
}
