//! What all pages have: one file without references to others, a head, cards, tables, and lists of facts.
//!
//! Guarantee: a page names no other resource; style and script are within it, and the content security policy in its head forbids
//! everything else, so that nothing in a report can call anywhere.

use super::markup::Markup;
use crate::number;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A whole page.
pub(crate) fn page(title: &str, content: Markup) -> String {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
    let head = [
        Markup::element("meta", &[("charset", "utf-8")], Markup::default()),
        Markup::element(
            "meta",
            &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")],
            Markup::default(),
        ),
        Markup::element("meta", &[("http-equiv", "Content-Security-Policy"), ("content", policy)], Markup::default()),
        Markup::holding("title", title),
        Markup::element("style", &[], Markup::fixed(STYLE)),
    ];
    let body = [Markup::element("main", &[], content), Markup::element("script", &[], Markup::fixed(SCRIPT))];
    let whole = [Markup::element("head", &[], Markup::all(head)), Markup::element("body", &[], Markup::all(body))];
    let html = Markup::element("html", &[("lang", "en")], Markup::all(whole));
    format!("<!DOCTYPE html>\n{}\n", html.into_string())
}

/// How good what is said is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    Note,
    Bad,
}

/// The head of a page: what kind of report, its title, and lines about it.
pub(crate) fn head(kind: &str, title: &str, lead: &[&str], meta: &[&str]) -> Markup {
    let mut pieces = vec![within("p", "kind", kind), Markup::holding("h1", title)];
    pieces.extend(lead.iter().filter(|line| !line.is_empty()).map(|line| within("p", "lead", line)));
    pieces.extend(meta.iter().filter(|line| !line.is_empty()).map(|line| within("p", "meta", line)));
    Markup::element("header", &[], Markup::all(pieces))
}

/// What the report comes to, and why.
pub(crate) fn verdict(mood: Mood, what: &str, reasons: &[String]) -> Markup {
    let class = match mood {
        Mood::Good => "verdict",
        Mood::Note => "verdict note",
        Mood::Bad => "verdict bad",
    };
    let content = [Markup::element("strong", &[], kept_together(what)), list(reasons)];
    Markup::element("section", &[("class", class)], Markup::all(content))
}

/// Sentences, one below the other.
pub(crate) fn list(sentences: &[String]) -> Markup {
    if sentences.is_empty() {
        return Markup::default();
    }
    let items = sentences.iter().map(|sentence| Markup::element("li", &[], kept_together(sentence)));
    Markup::element("ul", &[], Markup::all(items))
}

/// A sentence in which no line ends between a number and its unit.
fn kept_together(sentence: &str) -> Markup {
    let (mut pieces, mut text) = (Vec::new(), String::new());
    for word in sentence.split(' ') {
        if number::is_unit_of(&text, word) {
            // The blank is ours: in text it would be shown as what it is, an escape.
            pieces.extend([Markup::text(&text), Markup::fixed("\u{a0}")]);
            text.clear();
        } else if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
    }
    pieces.push(Markup::text(&text));
    Markup::all(pieces)
}

/// A figure to be seen first.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) what: String,
    /// With a unit behind a space, which is shown smaller.
    pub(crate) figure: String,
    pub(crate) beside: String,
    pub(crate) mood: Mood,
}

/// Cards side by side.
pub(crate) fn cards(cards: &[Card]) -> Markup {
    let cards = cards.iter().map(|card| {
        let class = if card.mood == Mood::Bad { "card bad" } else { "card" };
        let (figure, unit) = card.figure.split_once(' ').unwrap_or((&card.figure, ""));
        let unit = if unit.is_empty() { Markup::default() } else { Markup::holding("small", &format!(" {unit}")) };
        let figure = Markup::element("div", &[("class", "figure")], Markup::all([Markup::text(figure), unit]));
        let content = [within("div", "what", &card.what), figure, within("div", "beside", &card.beside)];
        Markup::element("div", &[("class", class)], Markup::all(content))
    });
    Markup::element("section", &[("class", "cards")], Markup::all(cards))
}

/// A part of the page with its title.
pub(crate) fn section(title: &str, content: impl IntoIterator<Item = Markup>) -> Markup {
    Markup::element("section", &[], Markup::all([Markup::holding("h2", title), Markup::all(content)]))
}

/// Names and what belongs to them; those without anything are left out.
pub(crate) fn facts(title: &str, facts: &[(&str, String)]) -> Markup {
    let known = facts.iter().filter(|(_, text)| !text.is_empty());
    let rows: Vec<_> = known
        .map(|(name, text)| {
            Markup::element("tr", &[], Markup::all([Markup::holding("th", name), Markup::holding("td", text)]))
        })
        .collect();
    if rows.is_empty() {
        return Markup::default();
    }
    let table = Markup::element("table", &[("class", "facts")], Markup::element("tbody", &[], Markup::all(rows)));
    Markup::element("div", &[], Markup::all([Markup::holding("h3", title), table]))
}

/// A row of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Its class in the style sheet; empty for most.
    pub(crate) class: &'static str,
    pub(crate) name: String,
    pub(crate) cells: Vec<Markup>,
}

/// What a table's cells are, which decides where they are aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cells {
    Figures,
    Words,
}

/// A table with the names of its columns; that of the first is that of the rows.
pub(crate) fn table(cells: Cells, columns: &[&str], rows: &[Row]) -> Markup {
    let head = Markup::all(columns.iter().map(|column| Markup::holding("th", column)));
    let head = Markup::element("thead", &[], Markup::element("tr", &[], head));
    let body = rows.iter().map(|row| {
        let cells = row.cells.iter().cloned().map(|cell| Markup::element("td", &[], cell));
        let cells = Markup::all([Markup::holding("th", &row.name)].into_iter().chain(cells));
        Markup::element("tr", &[("class", row.class)], cells)
    });
    let body = Markup::element("tbody", &[], Markup::all(body));
    let class = match cells {
        Cells::Figures => "",
        Cells::Words => "words",
    };
    let table = Markup::element("table", &[("class", class)], Markup::all([head, body]));
    Markup::element("div", &[("class", "scroll")], table)
}

/// Terms and what they mean.
pub(crate) fn terms(terms: &[(&str, &str)]) -> Markup {
    let terms = terms.iter().flat_map(|(term, meaning)| [Markup::holding("dt", term), Markup::holding("dd", meaning)]);
    Markup::element("dl", &[], Markup::all(terms))
}

/// Text of several lines, as it is, behind a word that opens it.
pub(crate) fn verbatim(summary: &str, text: &str) -> Markup {
    if text.is_empty() {
        return Markup::default();
    }
    let content = [Markup::holding("summary", summary), Markup::holding("pre", text)];
    Markup::element("details", &[], Markup::all(content))
}

/// Text in an element of a class.
pub(crate) fn within(name: &'static str, class: &'static str, text: &str) -> Markup {
    if text.is_empty() {
        return Markup::default();
    }
    Markup::element(name, &[("class", class)], Markup::text(text))
}
