//! The tables of a run: all its figures, and all that was recorded with them.

use load_model::latency::Metric;
use load_model::result::{Figures, Machine, Percentiles, RunResult};

use crate::html::markup::Markup;
use crate::html::page::{self, Cells, Row};
use crate::number::UNKNOWN;
use crate::{explain, number};

/// Kills that a page shows each, those behind which it took longest: more of them nobody reads.
const OUTAGES_MAX: usize = 200;

/// Latencies and counts.
pub(super) fn figures(result: &RunResult) -> [Markup; 3] {
    let floor = explain::floor(result).map(|what| format!("The floor: {what}."));
    let remarks = result.floor.iter().flat_map(|floor| floor.remarks.iter().cloned());
    let remarks = page::list(&floor.into_iter().chain(remarks).collect::<Vec<_>>());
    [latencies(result), remarks, rates(result)]
}

fn latencies(result: &RunResult) -> Markup {
    let columns = ["latency", "min", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", "messages"];
    let several = result.groups.len() > 1;
    let mut rows = Vec::new();
    let mut part = |name: String, figures: &[Percentiles], class| {
        if !name.is_empty() {
            rows.push(Row { class: "group", name, cells: columns.iter().skip(1).map(|_| Markup::default()).collect() });
        }
        rows.extend(figures.iter().map(|percentiles| latency_row(percentiles, class)));
    };
    part(if several { "all groups".to_owned() } else { String::new() }, &result.total.percentiles, "");
    if several {
        result.groups.iter().for_each(|group| part(group.name.clone(), &group.percentiles, ""));
    }
    if let Some(floor) = result.floor.as_ref() {
        part(format!("floor, at {} without a server", number::per_second(floor.rate)), &floor.percentiles, "aside");
    }
    page::table(Cells::Figures, &columns, &rows)
}

fn latency_row(of: &Percentiles, class: &'static str) -> Row {
    let metric = Metric::ALL.into_iter().find(|metric| metric.name() == of.metric);
    let name = metric.map_or_else(|| of.metric.clone(), |metric| format!("{}: {}", metric.name(), metric.title()));
    let latencies = [of.min, of.mean, of.p50, of.p90, of.p99, of.p99_9, of.p99_99, of.max].map(number::latency);
    let cells = latencies.into_iter().chain([number::count(of.count)]);
    Row { class, name, cells: cells.map(|cell| Markup::text(&cell)).collect() }
}

fn rates(result: &RunResult) -> Markup {
    let columns = [
        "each second",
        "due",
        "sent",
        "accepted",
        "received",
        "replies",
        "octets sent",
        "octets received",
        "refused, in all",
    ];
    let row = |figures: &Figures, class| {
        let counts = &figures.counts;
        let rate = |count: u64| number::rate(count as f64 / result.measured_s);
        let bytes = |count: u64| number::bytes(count as f64 / result.measured_s);
        let cells = [
            rate(counts.due),
            rate(counts.sent),
            rate(counts.accepted),
            rate(counts.received),
            rate(counts.replies),
            bytes(counts.sent_bytes),
            bytes(counts.received_bytes),
            number::count(counts.refused),
        ];
        Row { class, name: figures.name.clone(), cells: cells.iter().map(|cell| Markup::text(cell)).collect() }
    };
    let mut rows = vec![row(&result.total, "")];
    if result.groups.len() > 1 {
        rows.extend(result.groups.iter().map(|group| row(group, "aside")));
    }
    page::table(Cells::Figures, &columns, &rows)
}

/// What kills of the server did; nothing where there were none.
pub(super) fn outages(result: &RunResult) -> Markup {
    if result.outages.is_empty() {
        return Markup::default();
    }
    let columns = ["killed at", "answering", "accepting", "receiving", "longest latency"];
    let outages = explain::worst_outages(result, OUTAGES_MAX);
    let rows: Vec<Row> = outages
        .into_iter()
        .map(|outage| {
            let [name, cells @ ..] = explain::outage(outage);
            Row { class: "", name, cells: cells.iter().map(|cell| Markup::text(cell)).collect() }
        })
        .collect();
    let sentences = [explain::proof(result), explain::OUTAGES.to_owned()];
    page::section("What kills did", [page::list(&sentences), page::table(Cells::Figures, &columns, &rows)])
}

/// What became of the messages.
pub(super) fn audit(result: &RunResult) -> [Markup; 3] {
    let audit = &result.audit;
    let counted = [
        ("lost", audit.lost, "accepted (or sent settled), and no consumer had it in the end"),
        ("duplicates", audit.duplicates, "a place had it more than once"),
        ("reordered", audit.reordered, "came after a later one of the same producer"),
        ("corrupt", audit.corrupt, "its octets are not those that were sent"),
        ("misplaced", audit.misplaced, "came to a consumer whose selector is for others"),
        ("foreign", audit.foreign, "nobody in this run sent it"),
        (
            "in doubt",
            audit.in_doubt,
            "a connection broke before its sender learned what became of it; it may come or not",
        ),
    ];
    let rows: Vec<_> = counted
        .into_iter()
        .map(|(name, count, meaning)| {
            let class = if count > 0 && name != "in doubt" { "fails" } else { "" };
            let count = Markup::element("span", &[("class", class)], Markup::text(&number::count(count)));
            Row { class: "", name: name.to_owned(), cells: vec![count, Markup::text(meaning)] }
        })
        .collect();
    let said = format!("Over the whole run: {}.", explain::audit(result));
    [
        Markup::holding("p", &said),
        page::table(Cells::Words, &["messages", "", "which means"], &rows),
        page::list(&audit.examples),
    ]
}

/// What was required.
pub(super) fn requirements(result: &RunResult) -> [Markup; 1] {
    if result.requirements.is_empty() {
        return [Markup::holding(
            "p",
            "Nothing. With --require 'p99.9<2ms' and the like, a run says by its exit code whether it holds.",
        )];
    }
    let rows: Vec<_> = result
        .requirements
        .iter()
        .map(|requirement| {
            let (class, word) = if requirement.holds { ("holds", "holds") } else { ("fails", "does not hold") };
            let word = Markup::element("span", &[("class", class)], Markup::text(word));
            Row { class: "", name: requirement.text.clone(), cells: vec![word, Markup::text(&requirement.found)] }
        })
        .collect();
    [page::table(Cells::Words, &["requirement", "", "found"], &rows)]
}

/// What server and generator took.
pub(super) fn cost(result: &RunResult) -> [Markup; 1] {
    let optional = |value: Option<String>| value.unwrap_or_default();
    let server = match result.server.usage.as_ref() {
        None => page::facts("The server", &[("usage", "not known".to_owned())]),
        Some(usage) => {
            let cpu = explain::cpu(usage).unwrap_or_else(|| [UNKNOWN, UNKNOWN].map(str::to_owned));
            let memory = explain::memory(usage).unwrap_or_else(|| [UNKNOWN, UNKNOWN].map(str::to_owned));
            let ([cores, each], [end, peak]) = (cpu, memory);
            page::facts(
                "The server",
                &[
                    ("from", usage.source.clone()),
                    ("processor", cores),
                    ("for each message", each),
                    ("memory at the end", end),
                    ("memory at most", peak),
                    ("syncs of its journal", optional(usage.syncs.map(number::count))),
                    ("messages for each sync", optional(usage.messages_per_sync.map(number::digits))),
                    ("written for each octet of body", optional(usage.written_per_byte.map(number::digits))),
                    ("written for each message", optional(usage.written_per_message.map(number::bytes))),
                ],
            )
        }
    };
    let generator = &result.generator;
    let generator = page::facts(
        "The generator",
        &[
            ("threads", generator.threads.to_string()),
            (
                "busiest thread",
                format!(
                    "{} busy, {} of a core",
                    number::percent(generator.busiest_share),
                    number::percent(generator.busiest_cpu)
                ),
            ),
            ("for each message", number::latency(generator.cpu_ns_per_message / 1000.0)),
            ("its lateness, p99", optional(result.total.of(Metric::Lag).map(|lag| number::latency(lag.p99)))),
        ],
    );
    [Markup::element("div", &[("class", "columns")], Markup::all([server, generator]))]
}

/// Machine, server, scenario.
pub(super) fn setting(result: &RunResult) -> Vec<Markup> {
    let server = &result.server;
    let about_server = [
        ("product", server.product.clone()),
        ("container", server.container.clone()),
        ("where", if server.local { "on the generator's machine".to_owned() } else { String::new() }),
        ("data on", server.device.clone()),
    ];
    let mut columns = vec![
        page::facts("The generator's machine", &machine(&result.machine)),
        page::facts("The server", &about_server),
    ];
    for worker in &result.workers {
        let mut facts = machine(&worker.machine).to_vec();
        let offset = |ns: f64| number::latency(ns / 1000.0);
        let clock =
            format!("{} off, ± {}", offset(worker.clock_offset_ns as f64), offset(worker.clock_bound_ns as f64));
        facts.push(("clock", clock));
        columns.push(page::facts(&format!("Worker {}", worker.address), &facts));
    }
    let scenario = toml_of(result);
    vec![
        Markup::element("div", &[("class", "columns")], Markup::all(columns)),
        repeat(result),
        page::verbatim("The scenario of this run", &scenario),
        page::verbatim("The server's configuration", &server.configuration),
    ]
}

/// How the run is done again, with the file that is written beside this page.
fn repeat(result: &RunResult) -> Markup {
    let commands = explain::repeat(result);
    if commands.is_empty() {
        return Markup::default();
    }
    Markup::all([
        Markup::holding("h3", "To repeat this run"),
        Markup::element("pre", &[], Markup::text(&commands.join("\n"))),
    ])
}

fn toml_of(result: &RunResult) -> String {
    toml::to_string(&result.scenario).expect("a scenario that was read can be printed")
}

fn machine(machine: &Machine) -> [(&'static str, String); 8] {
    let cores = machine.cores.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    [
        ("name", machine.host.clone()),
        ("processor", machine.processor.clone()),
        ("cores used", if cores.is_empty() { cores } else { format!("{cores} of {}", machine.cores_online) }),
        ("memory", if machine.memory_bytes > 0 { number::octets(machine.memory_bytes) } else { String::new() }),
        ("system", machine.kernel.clone()),
        ("congestion control", machine.congestion_control.clone()),
        ("frequency governor", machine.governor.clone()),
        ("virtualization", machine.virtualization.clone()),
    ]
}
