//! The page of two sets of runs side by side.

use load_model::compare::{Change, Comparison, Conclusion, Method, Row, Values};

use super::chart::Tone;
use super::markup::Markup;
use super::page::{self, Cells, Mood};
use super::ratios::{self, Ratio};
use crate::{explain, number};

/// What intervals and words mean, for those who see such a page for the first time.
const READING: &str = "A ratio is B by A. Its interval holds the true ratio in 95 of 100 such comparisons; where it contains 1, the runs do not tell A from B. \
     From four runs on each side every run counts as one value (the rank test of Mann and Whitney, and the shift of Hodges and Lehmann); of fewer, blocks of \
     seconds are drawn again and again, which sees nothing of what differs from run to run. Runs that are not valid are left out; where a side has \
     no valid run, nothing is compared.";

/// The page.
pub fn compare(comparison: &Comparison) -> String {
    let title = if comparison.one.name == comparison.other.name {
        comparison.one.name.clone()
    } else {
        format!("{} and {}", comparison.one.name, comparison.other.name)
    };
    let sides = [("A", &comparison.one), ("B", &comparison.other)];
    let [one, other] = &sides.map(|(name, side)| format!("{name}: {}", explain::side(side)));
    let differences = comparison.differences.iter().map(|difference| format!("Not alike: {difference}."));
    let notes: Vec<String> =
        comparison.left_out.iter().cloned().chain(differences).chain(comparison.remarks.iter().cloned()).collect();
    let mut content = vec![
        page::head("Comparison", &title, &[], &[one, other]),
        page::verdict(mood(comparison), &explain::compared(comparison), &notes),
    ];
    if comparison.conclusion == Conclusion::Compared {
        content.extend([
            page::section(
                "Ratios",
                [ratios::figure(
                    "B by A",
                    "Points are ratios, lines their intervals. Green is better for B, red is worse, grey is unclear or the same.",
                    &comparison.rows.iter().filter_map(ratio).collect::<Vec<_>>(),
                )],
            ),
            page::section("All figures", [Markup::holding("p", &methods(&comparison.rows)), table(&comparison.rows)]),
        ]);
    }
    content.push(page::section("How to read this", [Markup::holding("p", READING)]));
    page::page(&format!("{title} – comparison"), Markup::all(content))
}

fn mood(comparison: &Comparison) -> Mood {
    let count = |change| explain::changed(comparison, change);
    let is_whole = comparison.differences.is_empty() && comparison.left_out.is_empty();
    match comparison.conclusion {
        Conclusion::NoValidRun => Mood::Bad,
        Conclusion::Compared => match count(Change::Worse) {
            0 if is_whole => Mood::Good,
            worse if worse > count(Change::Better) => Mood::Bad,
            _ => Mood::Note,
        },
    }
}

fn ratio(row: &Row) -> Option<Ratio> {
    let (low, high) = row.interval.unwrap_or((f64::NAN, f64::NAN));
    let tone = match row.change {
        Change::Better => Tone::Good,
        Change::Worse => Tone::Alarm,
        Change::Same | Change::Unclear => Tone::Quiet,
    };
    Some(Ratio { name: row.figure.clone(), ratio: row.ratio?, low, high, tone })
}

/// How the differences were tested, in a sentence.
fn methods(rows: &[Row]) -> String {
    let count = |method| rows.iter().filter(|row| row.method == method).count();
    let methods = [
        (Method::Ranks, "by the ranks of runs"),
        (Method::Blocks, "by blocks of seconds"),
        (Method::Untested, "not at all"),
    ];
    let used = methods.into_iter().filter(|(method, _)| count(*method) > 0);
    let used: Vec<_> = used.map(|(method, how)| format!("{} {how}", count(method))).collect();
    format!(
        "Medians of runs; the spread is from the least run to the most, beside the median. Tested: {}.",
        used.join(", ")
    )
}

fn table(rows: &[Row]) -> Markup {
    let columns = ["figure", "A", "spread", "B", "spread", "B by A", "95 % interval", "chance", "B is"];
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let value = |values: &Values| row.unit.print(values.median);
            let known = |value: Option<String>| value.unwrap_or_else(|| number::UNKNOWN.to_owned());
            let (class, word) = match row.change {
                Change::Better => ("holds", "better"),
                Change::Worse => ("fails", "worse"),
                Change::Same => ("", "the same"),
                Change::Unclear => ("", "unclear"),
            };
            let cells = [
                value(&row.one),
                spread(&row.one),
                value(&row.other),
                spread(&row.other),
                known(row.ratio.map(number::digits)),
                known(row.interval.map(|(low, high)| format!("{} to {}", number::digits(low), number::digits(high)))),
                known(row.chance.map(|chance| format!("{chance:.3}"))),
            ];
            let word = Markup::element("span", &[("class", class)], Markup::text(word));
            let cells = cells.iter().map(|cell| Markup::text(cell)).chain([word]).collect();
            page::Row { class: "", name: row.figure.clone(), cells }
        })
        .collect();
    page::table(Cells::Figures, &columns, &rows)
}

fn spread(values: &Values) -> String {
    number::percent((values.high - values.low) / values.median)
}
