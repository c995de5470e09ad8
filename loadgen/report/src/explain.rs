//! What a run was and what to look at in it, in sentences; the same in the terminal and on the page.
//!
//! Guarantee: every sentence is made of figures of the result; nothing is said where a figure is missing. Names are given as they
//! are: whoever prints the sentences makes them safe for where they go.

use load_model::interval::Counts;
use load_model::latency::Metric;
use load_model::outage::Outage;
use load_model::plan::{Answer, Bound, Plan};
use load_model::result::{Audit, Percentiles, RunResult, Second, Server, WorkerFacts};
use load_model::scenario::{Arrivals, Group, Pattern, Scenario, Settle, Size};
use load_model::sweep::{Point, SweepResult};

use crate::number;

/// A floor so near, as a factor, that what is measured is mostly the generator and the system.
const FLOOR_NEAR: f64 = 2.0;
/// Producers held back for more than this share of the time are worth a sentence.
const HELD_BACK: f64 = 0.01;
/// A second is out of the ordinary when its p99 is so many times the median of all seconds.
const OUTLIER: f64 = 5.0;

/// The metric that a run is judged by first, if it has values; one that was cut short may have others only.
pub(crate) fn primary(result: &RunResult) -> Option<Metric> {
    let order = [result.scenario.outcome(), Metric::Receive, Metric::Round, Metric::Accept];
    order.into_iter().find(|metric| result.total.of(*metric).is_some())
}

/// The floor's percentiles that belong beside a metric; only latencies from the due time have one.
pub(crate) fn floor_of(result: &RunResult, metric: Metric) -> Option<&Percentiles> {
    let floor = result.floor.as_ref()?;
    let beside = match metric {
        Metric::Accept | Metric::Receive | Metric::Round => Metric::Receive,
        Metric::Lag => Metric::Lag,
        Metric::Settle | Metric::Service => return None,
    };
    floor.percentiles.iter().find(|percentiles| percentiles.metric == beside.name())
}

/// The percentiles of a metric in a second.
pub(crate) fn in_second(second: &Second, metric: Metric) -> Option<&Percentiles> {
    second.percentiles.iter().find(|percentiles| percentiles.metric == metric.name())
}

/// What a group did, in one line.
pub(crate) fn group(group: &Group) -> String {
    format!("{} of {}", arrivals(group), group_at_any_rate(group))
}

/// The same without its rate.
pub(crate) fn group_at_any_rate(group: &Group) -> String {
    let links = match (group.producers, group.consumers) {
        (producers, 0) => format!("{}, no consumers", plural(producers, "producer")),
        (0, consumers) => format!("no producers, {}", plural(consumers, "consumer")),
        (producers, consumers) => format!("{}, {}", plural(producers, "producer"), plural(consumers, "consumer")),
    };
    let pattern = match group.pattern {
        Pattern::Queue => "queue",
        Pattern::Topic => "topic",
        Pattern::RequestReply => "request and reply at",
    };
    let place = match group.addresses {
        1 => format!("{pattern} {}", group.address),
        several => format!("{several} addresses of {pattern} {}", group.address),
    };
    let settle = match group.settle {
        Settle::Presettled => "presettled",
        Settle::Unsettled => "unsettled",
        Settle::Second => "settled by the receiver second",
    };
    let durable = if group.durable { "durable" } else { "not durable" };
    let transaction = match group.transaction {
        0 => String::new(),
        messages => format!(", {} to a transaction", plural(messages, "message")),
    };
    format!("{} to {place}: {links}, {settle}, {durable}{transaction}", size(&group.size))
}

fn arrivals(group: &Group) -> String {
    let rate = number::rate(group.rate.0);
    match group.arrivals {
        Arrivals::Constant => format!("{rate} messages a second"),
        Arrivals::Poisson => format!("{rate} messages a second (Poisson)"),
        Arrivals::Burst { messages } => format!("{rate} messages a second in bursts of {messages}"),
        Arrivals::Ramp { from } => format!("{} to {rate} messages a second", number::rate(from.0)),
        Arrivals::Closed => format!("as many as {} on the way allow (closed loop)", number::count(group.window.into())),
    }
}

fn size(size: &Size) -> String {
    match size {
        Size::Fixed(bytes) => number::bytes_short(bytes.0 as f64),
        Size::Uniform { min, max } => format!("{min} to {max}"),
        Size::LogNormal { median, p99, max } => format!("{median} (median; p99 {p99}, at most {max})"),
        Size::Mix(sizes) => format!("{} sizes", sizes.len()),
    }
}

fn plural(count: u32, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", number::count(count.into()))
}

/// What a run did and for how long, in one line.
pub(crate) fn run(result: &RunResult) -> String {
    let length = number::seconds(result.measured_s);
    match result.scenario.groups.as_slice() {
        [only] => format!("{length} of {}", group(only)),
        groups => {
            let paced = groups.iter().filter(|group| group.arrivals != Arrivals::Closed);
            let rate: f64 = paced.clone().map(|group| group.rate.0).sum();
            let closed = groups.len() - paced.count();
            let together = match (rate, closed) {
                (_, 0) => format!("{} messages a second", number::rate(rate)),
                (0.0, _) => "closed loops".to_owned(),
                (_, _) => format!("{} messages a second and closed loops", number::rate(rate)),
            };
            format!("{length} of {together} in {} groups", groups.len())
        }
    }
}

/// Up to which rate a sweep's service level holds, in one line.
pub(crate) fn limit(result: &SweepResult) -> String {
    let level = if result.service_level.is_empty() { "The rate".to_owned() } else { result.service_level.join(", ") };
    match result.limit {
        Some(limit) => format!("{level} holds up to {} messages a second", number::rate(limit.rate)),
        None => format!("{level} holds at no rate that was tried"),
    }
}

/// The latencies of a point that its sweep is about.
pub(crate) fn outcome_of<'a>(result: &SweepResult, point: &'a Point) -> Option<&'a Percentiles> {
    let outcome = result.scenario.outcome().name();
    point.percentiles.iter().find(|percentiles| percentiles.metric == outcome)
}

/// Whom the load went to, in one line.
pub(crate) fn server(result: &RunResult) -> String {
    server_of(&result.server, &result.scenario)
}

/// Whom the loads of a scenario went to, in one line.
pub(crate) fn server_of(server: &Server, scenario: &Scenario) -> String {
    let product = if server.product.is_empty() { "a server that does not say what it is" } else { &server.product };
    let place = if server.local { ", on the generator's machine" } else { "" };
    format!("{product} at {}{place}", scenario.servers.join(", "))
}

/// A worker on a machine of its own, and how far its clock may be off.
pub(crate) fn worker(worker: &WorkerFacts) -> String {
    let span = |ns: f64| number::latency(ns / 1000.0);
    format!(
        "{} on {}, clock {} off, known to ± {}",
        worker.address,
        worker.machine.host,
        span(worker.clock_offset_ns as f64),
        span(worker.clock_bound_ns as f64)
    )
}

/// Why a run comes to that, and what else to know: a sentence each, the gravest first.
pub(crate) fn findings(result: &RunResult) -> Vec<String> {
    let verdict = &result.verdict;
    verdict.reasons.iter().chain(&verdict.faults).chain(&verdict.remarks).cloned().collect()
}

/// What became of the messages, in one line.
pub(crate) fn audit(result: &RunResult) -> String {
    let audit = &result.audit;
    let faults = [
        (audit.lost, "lost"),
        (audit.duplicates, "twice"),
        (audit.reordered, "out of order"),
        (audit.corrupt, "corrupt"),
        (audit.foreign, "of nobody in this run"),
        (audit.again, "again behind broken connections"),
        (audit.in_doubt, "in doubt"),
        (audit.leftovers, "left by others and taken away before"),
    ];
    let found: Vec<_> = faults.into_iter().filter(|(count, _)| *count > 0).collect();
    let faults =
        found.iter().map(|(count, what)| format!("{} {what}", number::count(*count))).collect::<Vec<_>>().join(", ");
    match (audit.not_checked.as_str(), found.is_empty()) {
        ("", true) => "every message came, once, in order, whole".to_owned(),
        ("", false) => faults,
        (why, true) => format!("not checked: {why}"),
        (why, false) => format!("{faults} (not all checked: {why})"),
    }
}

/// Whether a message was lost or is not what or where it should be. One in doubt is not: its sender was told of no outcome.
pub(crate) fn is_faulty(audit: &Audit) -> bool {
    audit.lost + audit.duplicates + audit.reordered + audit.corrupt + audit.foreign > 0
}

/// What the columns of a table of outages are.
pub(crate) const OUTAGES: &str = "Times count from the kill: until the server answered again, accepted a message again, and a consumer had one. The longest latency is that of the \
     seconds up to the next kill, which a second with two kills counts for both.";

/// Whether what the server accepted was there in the end, in one line: of the whole run, warm-up included.
pub(crate) fn proof(result: &RunResult) -> String {
    let of_all = |count: fn(&Counts) -> u64| result.timeline.iter().map(|row| count(&row.counts)).sum::<u64>();
    let audit = &result.audit;
    let counts = [
        (of_all(|counts| counts.accepted), "accepted"),
        (of_all(|counts| counts.received), "received"),
        (audit.lost, "lost"),
        (audit.again, "again"),
        (audit.in_doubt, "in doubt"),
    ];
    let counts = counts.map(|(count, what)| format!("{} {what}", number::count(count))).join(", ");
    let kills = number::count(result.outages.len() as u64);
    format!("{kills} kills: {counts}")
}

/// The outages of a run that lasted longest until a message was accepted, in their order; one that lasted until the next kill is longest.
pub(crate) fn worst_outages(result: &RunResult, count_max: usize) -> Vec<&Outage> {
    let mut outages: Vec<&Outage> = result.outages.iter().collect();
    let lasted = |outage: &Outage| outage.accepted_s.unwrap_or(f64::INFINITY);
    outages.sort_by(|one, other| lasted(other).total_cmp(&lasted(one)));
    outages.truncate(count_max);
    outages.sort_by(|one, other| one.at_s.total_cmp(&other.at_s));
    outages
}

/// An outage in the columns of a table: when, and until it answered, accepted, and gave messages again; the longest latency.
pub(crate) fn outage(outage: &Outage) -> [String; 5] {
    let lasted = |s: Option<f64>| s.map_or_else(|| "not".to_owned(), |s| number::latency(s * 1e6));
    let Outage { at_s, answering_s, accepted_s, received_s, longest_us } = outage;
    let longest = longest_us.map_or_else(|| "none".to_owned(), number::latency);
    [format!("{at_s:.1} s"), lasted(*answering_s), lasted(*accepted_s), lasted(*received_s), longest]
}

/// How many times the floor the p99.9 of the first metric is.
pub(crate) fn times_floor(result: &RunResult) -> Option<f64> {
    let metric = primary(result)?;
    let (measured, floor) = (result.total.of(metric)?, floor_of(result, metric)?);
    (floor.p99_9 > 0.0).then(|| measured.p99_9 / floor.p99_9)
}

/// What to look at first: at most one sentence of each kind.
pub(crate) fn insights(result: &RunResult) -> Vec<String> {
    [floor_insight(result), held_back(result), worst_second(result), hidden_waiting(result)]
        .into_iter()
        .flatten()
        .collect()
}

fn floor_insight(result: &RunResult) -> Option<String> {
    let times = times_floor(result)?;
    Some(if times < FLOOR_NEAR {
        format!(
            "p99.9 is only {} times the floor: much of it is the generator and the system, so compare servers at a higher rate or from other cores.",
            number::digits(times)
        )
    } else {
        format!(
            "p99.9 is {} times the floor (the same load without a server): what is beyond the floor is the server and the way to it.",
            number::digits(times)
        )
    })
}

fn held_back(result: &RunResult) -> Option<String> {
    let share = result.held_back();
    let open = result.scenario.groups.iter().any(|group| group.arrivals != Arrivals::Closed);
    (open && share > HELD_BACK).then(|| {
        format!(
            "Producers had messages due and no credit or window for them {} of the time: there the server was the limit.",
            number::percent(share)
        )
    })
}

fn worst_second(result: &RunResult) -> Option<String> {
    let metric = primary(result)?;
    let seconds = result.timeline.iter().filter(|second| second.measured);
    let tails = seconds.filter_map(|second| Some((second.at_s, in_second(second, metric)?.p99)));
    let mut tails: Vec<(f64, f64)> = tails.collect();
    tails.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let (_, middle) = *tails.get(tails.len() / 2)?;
    let (at_s, worst) = *tails.last()?;
    (tails.len() >= 5 && worst > OUTLIER * middle).then(|| {
        format!(
            "The worst second began {} into the run, with a p99 of {} where the median of all seconds is {}: look at what the server did then.",
            number::seconds(at_s),
            number::latency(worst),
            number::latency(middle)
        )
    })
}

fn hidden_waiting(result: &RunResult) -> Option<String> {
    let (service, accept) = (result.total.of(Metric::Service)?, result.total.of(Metric::Accept)?);
    (accept.p99_9 > 2.0 * service.p99_9).then(|| {
        format!(
            "Measured from the moment of sending, as closed loops do, p99.9 to acceptance would read {} instead of {}: the rest is waiting that such loops do not see.",
            number::latency(service.p99_9),
            number::latency(accept.p99_9)
        )
    })
}

/// What the server took, in one line.
pub(crate) fn usage(result: &RunResult) -> Option<String> {
    let usage = result.server.usage.as_ref()?;
    let mut text = format!(
        "{} cores, {} µs a message, {} (peak {})",
        number::digits(usage.cpu_cores),
        number::digits(usage.cpu_us_per_message),
        number::bytes(usage.memory_bytes as f64),
        number::bytes(usage.memory_peak_bytes as f64)
    );
    if let Some(messages) = usage.messages_per_sync {
        text.push_str(&format!(", {} messages a sync", number::digits(messages)));
    }
    if let Some(bytes) = usage.written_per_message {
        text.push_str(&format!(", {} written a message", number::bytes(bytes)));
    }
    Some(text)
}

/// What the generator took, in one line.
pub(crate) fn generator(result: &RunResult) -> String {
    let generator = &result.generator;
    format!(
        "{}, the busiest {} busy, {} a message",
        plural(generator.threads, "thread"),
        number::percent(generator.busiest_share),
        number::latency(generator.cpu_ns_per_message / 1000.0)
    )
}

/// So many cores.
pub(crate) fn cores(cores: f64) -> String {
    if cores == 1.0 { "1 core".to_owned() } else { format!("{} cores", number::short(cores)) }
}

/// A value and its bounds.
pub(crate) fn bound(bound: Bound, print: fn(f64) -> String) -> String {
    format!("{} ({} to {})", print(bound.value), print(bound.low), print(bound.high))
}

/// The load that a plan is for, in one line.
pub(crate) fn wanted(plan: &Plan) -> String {
    let wanted = &plan.wanted;
    let level =
        if wanted.service_level.is_empty() { String::new() } else { format!(", {}", wanted.service_level.join(", ")) };
    let nodes = if wanted.nodes == 1 { "on 1 node".to_owned() } else { format!("on {} nodes", wanted.nodes) };
    format!(
        "{} messages a second of {}{level}, {nodes}",
        number::rate(wanted.rate),
        number::bytes_short(wanted.body_bytes)
    )
}

/// What a plan comes to, in one line.
pub(crate) fn planned(plan: &Plan) -> String {
    match plan.answer.as_ref() {
        Some(answer) => format!(
            "It takes {} a node, {} in all",
            cores(f64::from(answer.cores_per_node)),
            cores(f64::from(answer.cores))
        ),
        None => "No number of cores does it".to_owned(),
    }
}

/// What a planned load takes, by name; what is not known is left out.
pub(crate) fn needs(answer: &Answer) -> Vec<(&'static str, String)> {
    let times = |times: f64| format!("{} times what is wanted", number::digits(times));
    let a_second = |bytes: f64| format!("{} a second", number::bytes(bytes));
    let estimate = format!(
        "{} (would do if all is as estimated: {}; at least {})",
        answer.cores_per_node, answer.cores_estimated, answer.cores_least
    );
    let most = format!("{} messages a second", bound(answer.most_of_node, number::rate));
    let mut needs = vec![
        ("cores of each node", Some(estimate)),
        ("a node does at most", Some(most)),
        ("level holds up to", Some(format!("{} of that", bound(answer.utilisation, number::percent)))),
        ("used with all nodes", Some(number::percent(answer.used))),
        ("headroom", Some(times(answer.headroom))),
        ("headroom, one node lost", answer.headroom_one_lost.map(times)),
    ];
    let expected = answer.expected.iter();
    let latencies: Vec<_> = expected
        .map(|expected| format!("{} {}", expected.figure, bound(expected.latency_us, number::latency)))
        .collect();
    needs.push(("latency to be expected", (!latencies.is_empty()).then(|| latencies.join(", "))));
    needs.extend([
        ("connections", answer.connections.map(|count| format!("{} at least", number::digits(count.ceil())))),
        (
            "connections of each core",
            answer.connections_per_core.map(|count| format!("{} at least", number::digits(count))),
        ),
        ("network, bodies alone", Some(a_second(answer.network_bytes_per_s))),
        (
            "written to disks",
            answer.written_bytes_per_s.map(|bytes| format!("{} a second", bound(bytes, number::bytes))),
        ),
        ("syncs of each node", answer.syncs_per_s.map(|syncs| format!("{} a second", number::digits(syncs)))),
        ("disk space", answer.disk_bytes.map(|bytes| bound(bytes, number::bytes))),
        ("memory of each node", answer.memory_bytes.map(number::bytes)),
    ]);
    needs.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
}
