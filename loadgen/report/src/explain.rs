//! What a run was and what to look at in it, in sentences; the same in the terminal and on the page.
//!
//! Guarantee: every sentence is made of figures of the result; nothing is said where a figure is missing. Names are given as they
//! are: whoever prints the sentences makes them safe for where they go.

use load_model::latency::Metric;
use load_model::result::{Percentiles, RunResult, Second, Server, Usage, WorkerFacts};
use load_model::scenario::{Arrivals, Group, Jms, Pattern, Priorities, Scenario, Settle, Size};
use load_model::units::Bytes;

use crate::number;

mod audit;
mod comparison;
mod plan;
mod sweep;

pub(crate) use audit::{OUTAGES, audit, is_faulty, lost, outage, proof, worst_outages};
pub(crate) use comparison::{changed, compared, side};
pub(crate) use plan::{bound, cores, needs, planned, wanted};
pub(crate) use sweep::{beyond, in_order, limit, outcome_of, standing, why_not};

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
        Metric::Accept | Metric::Receive | Metric::Again | Metric::Round => Metric::Receive,
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
    let size = size(&group.size);
    format!("{size} to {place}: {links}, {settle}, {durable}{transaction}{}{}", ends(group), jms(&group.jms))
}

/// How its consumers take messages, and where its ends are if that is not where the scenario's are; each behind a comma.
fn ends(group: &Group) -> String {
    let at = |end: &str, servers: &[String]| format!("{end} at {}", servers.join(" and "));
    let parts = [
        (group.hold.0 > 0, format!("each held for {}", number::latency(group.hold.0 as f64 / 1000.0))),
        (!group.producers_at.is_empty(), at("producers", &group.producers_at)),
        (!group.consumers_at.is_empty(), at("consumers", &group.consumers_at)),
    ];
    joined(parts)
}

/// What applications of JMS ask for, each behind a comma.
fn jms(jms: &Jms) -> String {
    let parts = [
        (!jms.selector.is_empty(), format!("selector {:?}", jms.selector)),
        (jms.priorities != Priorities::default(), format!("priorities {}", jms.priorities)),
        (jms.message_groups > 0, plural(jms.message_groups, "message group")),
        (jms.fail.share > 0.0, format!("{} failing", jms.fail)),
    ];
    joined(parts)
}

/// What was asked for, each behind a comma.
fn joined<const N: usize>(parts: [(bool, String); N]) -> String {
    parts.into_iter().filter_map(|(is_asked, what)| is_asked.then(|| format!(", {what}"))).collect()
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
        Size::Uniform { min, max } => format!("{} to {}", octets(*min), octets(*max)),
        Size::LogNormal { median, p99, max } => {
            format!("{} (median; p99 {}, at most {})", octets(*median), octets(*p99), octets(*max))
        }
        Size::Mix(sizes) => format!("{} sizes", sizes.len()),
    }
}

fn octets(size: Bytes) -> String {
    number::bytes_short(size.0 as f64)
}

fn plural(count: u32, noun: &str) -> String {
    number::counted(count.into(), noun)
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

/// Whom the load went to, in one line.
pub(crate) fn server(result: &RunResult) -> String {
    server_of(&result.server, &result.scenario)
}

/// Whom the loads of a scenario went to, in one line.
pub(crate) fn server_of(server: &Server, scenario: &Scenario) -> String {
    let product = if server.product.is_empty() { "a server that does not say what it is" } else { &server.product };
    let place = if server.local { ", on the generator's machine" } else { "" };
    format!("{product} at {}{place}", scenario.every_server().join(", "))
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

/// How many times the floor the p99.9 of the first metric is.
pub(crate) fn times_floor(result: &RunResult) -> Option<f64> {
    let metric = primary(result)?;
    let (measured, floor) = (result.total.of(metric)?, floor_of(result, metric)?);
    (floor.p99_9 > 0.0).then(|| measured.p99_9 / floor.p99_9)
}

/// The commands that do a run again, with the scenario that is written beside its report. An audit starts its server by itself, at an
/// address that nobody else is to have: there is nothing to repeat it by but its options.
pub(crate) fn repeat(result: &RunResult) -> Vec<String> {
    const SCENARIO: &str = "scenario.toml";
    let password = if result.scenario.connection.user.is_empty() { "" } else { " --password-file FILE" };
    match (result.demonstration.is_empty(), result.outages.is_empty()) {
        // The broker of a demonstration is gone when it is over.
        (false, _) => {
            let cores = if ["", "0"].contains(&result.scenario.cores.as_str()) { "" } else { " --cores 0" };
            vec![format!("heddle run{cores}"), format!("heddle load run {SCENARIO} --server amqp://127.0.0.1:5672")]
        }
        (true, true) => vec![format!("heddle load run {SCENARIO}{password}")],
        (true, false) => Vec::new(),
    }
}

/// What the floor is, in one line: what of the load is in it, and what is not.
pub(crate) fn floor(result: &RunResult) -> Option<String> {
    result.floor.as_ref()?;
    let sending = || result.scenario.groups.iter().filter(|group| group.producers > 0);
    let has = |of: fn(&Group) -> bool| sending().any(of);
    let times = if has(|group| group.arrivals != Arrivals::Closed) { " when they are due" } else { "" };
    let parts = [
        (
            has(|group| group.pattern == Pattern::Topic && group.consumers > group.addresses),
            "distribution to several consumers",
        ),
        (has(|group| group.pattern == Pattern::RequestReply), "replies"),
        (has(|group| group.durable), "storage"),
        (has(|group| group.transaction > 0), "transactions"),
        (has(|group| !group.jms.selector.is_empty()), "selectors"),
        (has(|group| group.jms.priorities != Priorities::default()), "priorities"),
        (has(|group| group.jms.message_groups > 0), "message groups"),
        (has(|group| group.jms.fail.share > 0.0), "failed deliveries"),
    ];
    let left_out: Vec<_> = parts.into_iter().filter_map(|(is_left_out, what)| is_left_out.then_some(what)).collect();
    let left_out = left_out.iter().map(|what| format!(", nor {what}")).collect::<String>();
    Some(format!(
        "the octets of these messages{times}, echoed over the loopback without a server: neither AMQP nor a queue is in it{left_out}"
    ))
}

/// What to look at first: at most one sentence of each kind. Of figures that say nothing there is nothing to be seen.
pub(crate) fn insights(result: &RunResult) -> Vec<String> {
    if !result.verdict.valid {
        return Vec::new();
    }
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
            "p99.9 is {} times the floor: what is beyond the floor is the server, and AMQP on the way to it.",
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
            number::percent(share.min(1.0))
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

/// What the server took, in one line; what was not seen is left out.
pub(crate) fn usage(result: &RunResult) -> Option<String> {
    let usage = result.server.usage.as_ref()?;
    let parts = [
        cpu(usage).map(|[cores, each]| format!("{cores}, {each} a message")),
        memory(usage).map(|[end, peak]| format!("{end} (peak {peak})")),
        usage.messages_per_sync.map(|messages| format!("{} messages a sync", number::digits(messages))),
        usage.written_per_message.map(|bytes| format!("{} written a message", number::bytes(bytes))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Cores that the server used, and its processor time for each message; nothing if none was seen.
pub(crate) fn cpu(usage: &Usage) -> Option<[String; 2]> {
    let seen = usage.cpu_cores > 0.0;
    seen.then(|| [format!("{} cores", number::digits(usage.cpu_cores)), number::latency(usage.cpu_us_per_message)])
}

/// Memory of the server at the end and at most; nothing if it was not seen, since a process has some.
pub(crate) fn memory(usage: &Usage) -> Option<[String; 2]> {
    (usage.memory_peak_bytes > 0).then(|| [usage.memory_bytes, usage.memory_peak_bytes].map(number::octets))
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
