//! What a broker told, as text: a title, the disk, and tables of which each shows the first of its things.
//!
//! A figure that the broker does not tell is a dash. No line is wider than it may be.

use std::collections::HashMap;

use engine_core::QUEUE_FIGURES;
use engine_figures::{Column, Figures, Fill, Kind as Figured, Unit};
use engine_shard::{JOURNAL_FIGURES, ROUTER_FIGURES};
use load_model::number::{UNKNOWN, count, counted, octets, seconds};
use load_model::shown;
use node_shell::{CONNECTION_FIGURES, CONNECTOR_FIGURES, LINK_FIGURES};
use serde_json::Value;

use super::state::{Object, Queues, State, number, text};
use crate::node::SHARD;
use crate::table::{Kind, Table};

/// Rows of each table; beyond them a line says how many more there are.
const ROWS_MAX: usize = 20;

/// A column that no table of figures has: its title, and the name of its value.
type Extra = (&'static str, &'static str);

/// The node as text, beside what it was at the last look.
pub fn render(now: &State, before: Option<&State>, columns: usize) -> String {
    let [connections, links, queues] = ["connection_count", "link_count", "queue_count"].map(|of| now.count(of));
    let title = format!(
        "{} · heddle {} · up {} · {}, {}, {}",
        shown::name(text(&now.node, "container_id")).at_most(30),
        shown::name(text(&now.node, "version")),
        seconds((number(&now.node, "uptime_ms").unwrap_or(0) / 1000) as f64),
        counted(connections, "connection"),
        counted(links, "link"),
        counted(queues, "queue"),
    );
    let title = shown::sentence(&title).at_most(columns).to_string();
    let name = |queue: &Object| [text(queue, "address").to_owned(), text(queue, "name").to_owned()];
    let old: HashMap<_, _> =
        before.iter().flat_map(|before| &before.queues).map(|queue| (name(queue), queue)).collect();
    let rows = now.queues.iter().take(ROWS_MAX).map(|queue| (queue, old.get(&name(queue)).copied()));
    let lists = [
        part(table(SHARD, &[("shard", "shard"), ("core", "core")], plain(&now.shards)), now.shards.len(), columns),
        part(table(&JOURNAL_FIGURES, &[("journal", "shard")], plain(&now.journals)), now.journals.len(), columns),
        part(table(&ROUTER_FIGURES, &[("router", "shard")], plain(&now.routers)), now.routers.len(), columns),
        disk_line(&now.node, columns),
        part(table(&QUEUE_FIGURES, &[("shard", "shard")], rows), queues as usize, columns),
        part(table(&CONNECTOR_FIGURES, &[("shard", "shard")], plain(&now.connectors)), now.connectors.len(), columns),
        part(table(&CONNECTION_FIGURES, &[("shard", "shard")], plain(&now.connections)), connections as usize, columns),
        part(table(&LINK_FIGURES, &[("home", "shard")], plain(&now.links)), links as usize, columns),
    ];
    std::iter::once(title + "\n").chain(lists).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A list of queues as text.
pub fn render_queues(list: &Queues, columns: usize) -> String {
    if list.queues.is_empty() {
        return "no queue has a name that begins so\n".to_owned();
    }
    let mut text =
        table(&QUEUE_FIGURES, &[("shard", "shard")], list.queues.iter().map(|queue| (queue, None))).render(columns);
    if list.more {
        text += "… and more: give a longer beginning of their names\n";
    }
    text
}

/// The first of some things, which are compared with nothing.
fn plain(things: &[Object]) -> impl Iterator<Item = (&Object, Option<&Object>)> {
    things.iter().take(ROWS_MAX).map(|thing| (thing, None))
}

/// A table of some of `all` things, and how many more there are; nothing if there are none.
fn part(table: Table, all: usize, columns: usize) -> String {
    if table.rows.is_empty() {
        return String::new();
    }
    let mut text = table.render(columns);
    if all > table.rows.len() {
        text += &format!("… and {} more\n", count((all - table.rows.len()) as u64));
    }
    text
}

/// What a column shows.
#[derive(Clone, Copy)]
enum Cell {
    /// What tells things apart.
    Label,
    /// A figure.
    Value(Unit),
    /// What was added to it since the last look, a second ago.
    Rate,
    /// Of a distribution, what 99 of a hundred did not exceed.
    Most,
}

/// The columns that figures have, of some things beside what they were at the last look: first what tells the things apart, then what no
/// table of figures knows, then the figures.
fn table<'a, T>(
    figures: &Figures<T>,
    extra: &[Extra],
    things: impl Iterator<Item = (&'a Object, Option<&'a Object>)>,
) -> Table {
    let labels = figures.labels.iter().filter_map(|label| match label.column {
        (Column::Value(title), Fill::Name) => Some((title, Kind::Name, label.name, Cell::Label)),
        (Column::Value(title), Fill::Word) => Some((title, Kind::Word, label.name, Cell::Label)),
        (Column::Value(title), Fill::Figure) => Some((title, Kind::Figure, label.name, Cell::Label)),
        _ => None,
    });
    let extra = extra.iter().map(|&(title, name)| (title, Kind::Figure, name, Cell::Label));
    let figures = figures.figures.iter().filter_map(|figure| match figure.column {
        Column::None => None,
        Column::Value(title) if figure.kind == Figured::Distribution => {
            Some((title, Kind::Figure, figure.name, Cell::Most))
        }
        Column::Value(title) => Some((title, Kind::Figure, figure.name, Cell::Value(figure.unit))),
        Column::Rate(title) => Some((title, Kind::Figure, figure.name, Cell::Rate)),
    });
    let columns: Vec<_> = labels.chain(extra).chain(figures).collect();
    let row = |(thing, old): (&Object, Option<&Object>)| {
        let cells = columns.iter().map(|&(_, _, name, cell)| match cell {
            Cell::Label => of_label(thing.get(name)),
            Cell::Value(unit) => of_figure(unit, thing.get(name)),
            Cell::Most => microseconds(thing.get(name).and_then(|spread| spread.get("p99_us"))),
            Cell::Rate => rate(number(thing, name), old.and_then(|old| number(old, name))),
        });
        cells.collect()
    };
    let rows = things.map(row).collect();
    Table { head: columns.iter().map(|&(title, kind, ..)| (title, kind)).collect(), rows }
}

fn of_label(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => UNKNOWN.to_owned(),
    }
}

fn of_figure(unit: Unit, value: Option<&Value>) -> String {
    let shown = value.and_then(|value| match unit {
        Unit::Count => value.as_u64().map(count),
        Unit::Bytes => value.as_u64().map(octets),
        Unit::Seconds => value.as_f64().map(seconds),
        Unit::Milliseconds => value.as_f64().map(|ms| seconds(ms / 1000.0)),
        Unit::Flag => value.as_bool().map(|flag| if flag { "yes" } else { "no" }.to_owned()),
    });
    shown.unwrap_or_else(|| UNKNOWN.to_owned())
}

/// A time of so many microseconds.
pub fn microseconds(us: Option<&Value>) -> String {
    us.and_then(Value::as_u64).map_or_else(|| UNKNOWN.to_owned(), |us| seconds(us as f64 / 1e6))
}

/// What was added since the last look, a second ago.
fn rate(now: Option<u64>, old: Option<u64>) -> String {
    now.zip(old).map_or_else(|| UNKNOWN.to_owned(), |(now, old)| count(now.saturating_sub(old)))
}

/// What of the disk is free; nothing without one.
fn disk_line(node: &Object, columns: usize) -> String {
    let Some(Value::Object(disk)) = node.get("disk") else { return String::new() };
    let is_full = disk.get("full").and_then(Value::as_bool).unwrap_or(false);
    let full = if is_full { "the disk is full, no durable messages are taken: " } else { "" };
    let [free, all, kept] =
        ["free_bytes", "total_bytes", "min_free_bytes"].map(|of| of_figure(Unit::Bytes, disk.get(of)));
    let line = format!("disk: {full}{free} of {all} free, {kept} are to stay free, at {}", text(disk, "path"));
    format!("{}\n", shown::sentence(&line).at_most(columns))
}
