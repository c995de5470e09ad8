//! `/metrics`: the node in Prometheus' text format, version 0.0.4, made from the tables of figures.
//!
//! 1. A family's lines are together, HELP before TYPE before samples; a value is in base units; what a thing does not have has no sample.
//! 2. Queues and connections have no more series than the question allows: those with most in them have theirs, and
//!    `heddle_series_left_out` tells how many have none. Counts of a shard are always of all.
//! 3. Distributions are many series each: the `LATENCIES_MAX` queues that got most messages have theirs.

use std::fmt::Write as _;

use engine_core::{Latencies, QueueView};
use engine_figures::{Figure, Figures, Kind, SPREAD_BOUNDS_NS, Spread, Unit, Value};
use engine_shard::{JOURNAL_FIGURES, LANE_FIGURES, ROUTER_FIGURES};
use node_shell::{CONNECTOR_FIGURES, ConnectionView};

use crate::figures::{self, LeftOut};
use crate::node::{Listed, NodeView, Row, SHARD, ShardOn};

/// Queues that have series of latencies: up to 45 each, three times as many as all others of a queue.
const LATENCIES_MAX: usize = 100;

/// What metrics are made from.
pub struct Metrics {
    pub node: NodeView,
    /// Its queues, as many as there is room for.
    pub queues: Top<QueueView>,
    /// Its connections, likewise.
    pub connections: Top<ConnectionView>,
}

/// Those of many things that rank highest.
pub struct Top<T> {
    most: usize,
    rank: fn(&T) -> (u64, u64),
    /// With how many were seen before each: the order in which they came.
    rows: Vec<(u64, Row<T>)>,
    seen: u64,
}

impl<T> Top<T> {
    /// At most so many, by this rank.
    pub fn new(most: usize, rank: fn(&T) -> (u64, u64)) -> Self {
        Self { most, rank, rows: Vec::new(), seen: 0 }
    }

    /// Takes another one.
    pub fn add(&mut self, row: Row<T>) {
        self.rows.push((self.seen, row));
        self.seen += 1;
        // Twice as many are kept, so that choosing costs each of them little.
        if self.rows.len() >= self.most.saturating_mul(2).max(1) {
            self.shed();
        }
    }

    fn shed(&mut self) {
        let rank = self.rank;
        if self.rows.len() > self.most {
            self.rows.sort_by_key(|(came, row)| (std::cmp::Reverse(rank(&row.view)), *came));
            self.rows.truncate(self.most);
        }
    }

    /// Those that rank highest, in the order in which they came, and how many others there were.
    pub fn end(mut self) -> (Vec<Row<T>>, u64) {
        self.shed();
        self.rows.sort_by_key(|(came, _)| *came);
        let left_out = self.seen - self.rows.len() as u64;
        (self.rows.into_iter().map(|(_, row)| row).collect(), left_out)
    }
}

impl Metrics {
    /// The metrics as text.
    pub fn into_text(self) -> String {
        let Self { node, queues, connections } = self;
        let ((mut queues, queues_left_out), (connections, connections_left_out)) = (queues.end(), connections.end());
        let latencies_left_out = leave_latencies_out(&mut queues, LATENCIES_MAX);
        let left_out = [
            LeftOut { of: QueueView::FIGURES.thing, count: queues_left_out },
            LeftOut { of: "latencies", count: queues_left_out + latencies_left_out },
            LeftOut { of: ConnectionView::FIGURES.thing, count: connections_left_out },
        ];
        let mut text = String::new();
        write_things(&mut text, &figures::PROCESS, [&node.process]);
        write_things(&mut text, &figures::NODE, [&node]);
        write_things(&mut text, &figures::BUILD, [&node]);
        write_things(&mut text, &figures::LOGINS, &figures::refused_logins(&node));
        write_things(&mut text, &figures::DISK, &node.disk);
        write_shards(&mut text, &node.shards);
        write_rows(&mut text, &queues);
        write_rows(&mut text, &connections);
        write_things(&mut text, &figures::LEFT_OUT, &left_out);
        text
    }
}

/// Of all but so many queues, those that got most messages, no latencies are told; gives of how many.
fn leave_latencies_out(queues: &mut [Row<QueueView>], most: usize) -> u64 {
    let mut enqueued: Vec<(u64, usize)> =
        queues.iter().enumerate().map(|(index, row)| (row.view.totals.enqueued, index)).collect();
    enqueued.sort_unstable_by_key(|&(enqueued, index)| (std::cmp::Reverse(enqueued), index));
    let others = enqueued.get(most..).unwrap_or_default();
    for &(_, index) in others {
        if let Some(row) = queues.get_mut(index) {
            row.view.latencies = Latencies::default();
        }
    }
    others.len() as u64
}

/// Shards, their journals, their lanes and their connectors.
fn write_shards(text: &mut String, shards: &[ShardOn]) {
    let of = |shard: &ShardOn| format!("shard=\"{}\",core=\"{}\"", shard.view.shard, shard.core);
    let views = shards.iter().map(|shard| (of(shard), &shard.view));
    write_table(text, SHARD, views.collect());
    let journals = shards.iter().filter_map(|shard| Some((of(shard), shard.view.journal.as_ref()?)));
    write_table(text, &JOURNAL_FIGURES, journals.collect());
    let routers = shards.iter().filter_map(|shard| Some((of(shard), shard.view.router.as_ref()?)));
    write_table(text, &ROUTER_FIGURES, routers.collect());
    let lanes = shards
        .iter()
        .flat_map(|shard| shard.view.lanes.iter().map(|lane| (format!("from=\"{}\"", shard.view.shard), lane)));
    write_table(text, &LANE_FIGURES, lanes.collect());
    let connectors = shards.iter().flat_map(|shard| {
        let of_shard = format!("shard=\"{}\"", shard.view.shard);
        shard.view.connectors.iter().map(move |connector| (of_shard.clone(), connector))
    });
    write_table(text, &CONNECTOR_FIGURES, connectors.collect());
}

/// Things that shards have.
fn write_rows<T: Listed>(text: &mut String, rows: &[Row<T>]) {
    let things = rows.iter().map(|row| (format!("shard=\"{}\"", row.shard), &row.view));
    write_table(text, T::FIGURES, things.collect());
}

/// Things that the node has.
fn write_things<'a, T: 'static>(text: &mut String, figures: &Figures<T>, things: impl IntoIterator<Item = &'a T>) {
    write_table(text, figures, things.into_iter().map(|thing| (String::new(), thing)).collect());
}

/// Writes all families of a table, each with a sample of every thing; the text at each thing is what labels it beyond its table.
fn write_table<T>(text: &mut String, figures: &Figures<T>, mut things: Vec<(String, &T)>) {
    for (labels, thing) in &mut things {
        for label in figures.labels {
            let Some(name) = label.label else { continue };
            let comma = if labels.is_empty() { "" } else { "," };
            // Writing to a string does not fail.
            let _ = match (label.of)(thing) {
                Value::Text(value) => write!(labels, "{comma}{name}=\"{}\"", escape(value)),
                Value::Count(value) => write!(labels, "{comma}{name}=\"{value}\""),
                Value::Flag(value) => write!(labels, "{comma}{name}=\"{value}\""),
                Value::Number(value) => write!(labels, "{comma}{name}=\"{value}\""),
                Value::Absent | Value::Spread(_) => Ok(()),
            };
        }
    }
    for figure in figures.figures {
        if let Some(metric) = figure.metric {
            write_family(text, metric, figure, &things);
        }
    }
}

fn write_family<T>(text: &mut String, metric: &str, figure: &Figure<T>, things: &[(String, &T)]) {
    let kind = match figure.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Distribution => "histogram",
    };
    let _ = writeln!(text, "# HELP {metric} {}\n# TYPE {metric} {kind}", figure.help);
    for (of, thing) in things {
        let labels = if of.is_empty() { String::new() } else { format!("{{{of}}}") };
        let _ = match (figure.of)(thing) {
            Value::Count(count) if figure.unit == Unit::Milliseconds => {
                writeln!(text, "{metric}{labels} {}", count as f64 / 1000.0)
            }
            Value::Count(count) => writeln!(text, "{metric}{labels} {count}"),
            Value::Number(number) => writeln!(text, "{metric}{labels} {number}"),
            Value::Flag(flag) => writeln!(text, "{metric}{labels} {}", u8::from(flag)),
            Value::Spread(spread) => {
                write_spread(text, metric, of, spread);
                Ok(())
            }
            Value::Text(_) | Value::Absent => Ok(()),
        };
    }
}

/// The series of a distribution, times in seconds.
fn write_spread(text: &mut String, metric: &str, of: &str, spread: &Spread) {
    let comma = if of.is_empty() { "" } else { "," };
    let seconds = |ns: u64| ns as f64 / 1e9;
    for (bound, within) in SPREAD_BOUNDS_NS.iter().zip(spread.within) {
        let _ = writeln!(text, "{metric}_bucket{{{of}{comma}le=\"{}\"}} {within}", seconds(*bound));
    }
    let _ = writeln!(text, "{metric}_bucket{{{of}{comma}le=\"+Inf\"}} {}", spread.count);
    let _ = writeln!(text, "{metric}_sum{{{of}}} {}", seconds(spread.sum_ns));
    let _ = writeln!(text, "{metric}_count{{{of}}} {}", spread.count);
}

fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_with_most_in_them_have_series_and_the_others_are_counted() {
        let row = |view: u64| Row { shard: 0, view };
        for most in [0, 1, 7, 100, 2000] {
            let mut top = Top::new(most, |&view| (view, 0));
            // 0 to 1008, in an order of its own.
            (0..1009_u64).for_each(|n| top.add(row(n * 500 % 1009)));
            assert!(top.rows.len() <= 2 * most);
            let (rows, left_out) = top.end();
            let kept = most.min(1009);
            assert_eq!((rows.len(), left_out), (kept, 1009 - kept as u64));
            assert!(rows.iter().all(|row| row.view >= 1009 - kept as u64), "{most}");
            let came: Vec<u64> = (0..1009).map(|n| n * 500 % 1009).filter(|n| *n >= 1009 - kept as u64).collect();
            assert_eq!(rows.iter().map(|row| row.view).collect::<Vec<_>>(), came, "in the order in which they came");
        }
    }
}
