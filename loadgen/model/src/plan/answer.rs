//! What a wanted load takes.

use serde::{Deserialize, Serialize};

use super::latency::{self, Curve, UTILISATION_MAX};
use super::{Bound, Model, Plan, Wanted, demand};
use crate::number::{self, Unit};
use crate::require::Threshold;

/// Cores of a node at most: nobody has more, and the law has long ended by then.
const CORES_MAX: u32 = 1024;

/// What it takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Cores of each node; hold also at the lower bound of what a core does, and when one of several nodes is lost.
    pub cores_per_node: u32,
    /// As many would do if everything is as estimated.
    pub cores_estimated: u32,
    /// As many at least, at the upper bound.
    pub cores_least: u32,
    /// Cores of all nodes together.
    pub cores: u32,
    /// What one node of that many cores does at most, messages a second.
    pub most_of_node: Bound,
    /// Share of that up to which the service level holds.
    pub utilisation: Bound,
    /// Share of the most that is used with all nodes.
    pub used: f64,
    /// The most of all nodes beside what is wanted, within the service level: 1.5 is half as much again.
    pub headroom: f64,
    /// The same with one node lost; absent with one node.
    pub headroom_one_lost: Option<f64>,
    /// Latencies of the service level at the load of each node, as measured at that utilisation.
    pub expected: Vec<Expected>,
    /// Connections that it takes at least, over all nodes.
    pub connections: Option<f64>,
    /// The same for each core.
    pub connections_per_core: Option<f64>,
    /// What all nodes receive in bodies, and send to as many consumers as there were, octets a second.
    pub network_bytes_per_s: f64,
    /// What all nodes write to their disks, octets a second.
    pub written_bytes_per_s: Option<Bound>,
    /// Syncs a second of each node, at most.
    pub syncs_per_s: Option<f64>,
    /// Disk space of all nodes for what is retained, octets.
    pub disk_bytes: Option<Bound>,
    /// Memory of each node, octets; without a backlog.
    pub memory_bytes: Option<f64>,
}

/// A latency to be expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Which, such as `p99.9`.
    pub figure: String,
    /// Microseconds.
    pub latency_us: Bound,
}

pub(super) fn answer(model: &Model<'_>, wanted: &Wanted, thresholds: &[Threshold], plan: &mut Plan) -> Option<Answer> {
    let utilisation = utilisation(model, wanted, thresholds, plan)?;
    let load = wanted.rate / f64::from(if wanted.nodes > 1 { wanted.nodes - 1 } else { 1 });
    let cores_for = |most: fn(Bound) -> f64, share: f64| {
        (1..=CORES_MAX).find(|cores| most(model.capacity(f64::from(*cores), wanted.body_bytes)) * share >= load)
    };
    let cores = cores_for(|most| most.low, utilisation.low);
    let (Some(estimated), Some(least)) =
        (cores_for(|most| most.value, utilisation.value), cores_for(|most| most.high, utilisation.high))
    else {
        plan.remarks.push("No number of cores of one node does that: share the load over more nodes.".to_owned());
        return None;
    };
    let Some(cores) = cores else {
        plan.remarks.push(format!(
            "{} would do if everything is as estimated, but what is measured does not assure it with any number: measure nearer to what is wanted, or share the load over more nodes.",
            number::counted(estimated.into(), "core")
        ));
        return None;
    };
    say_what_is_known(model, wanted, cores, plan);
    let most = model.capacity(f64::from(cores), wanted.body_bytes);
    let nodes = f64::from(wanted.nodes);
    let used = wanted.rate / nodes / most.value;
    let within = most.value * utilisation.value;
    let reference = model.reference(wanted);
    let reference_most = model.capacity(reference.cores, reference.body_bytes).value;
    let written = demand::written_per_message(&model.swept, wanted.body_bytes);
    let connections = demand::connections(reference, wanted, used, reference_most);
    let consumers: f64 = fan_out(reference);
    Some(Answer {
        cores_per_node: cores,
        cores_estimated: estimated,
        cores_least: least,
        cores: cores * wanted.nodes,
        most_of_node: most,
        utilisation,
        used,
        headroom: within * nodes / wanted.rate,
        headroom_one_lost: (wanted.nodes > 1).then(|| within * (nodes - 1.0) / wanted.rate),
        expected: expected(model, wanted, thresholds, used),
        connections,
        connections_per_core: connections.map(|connections| (connections / f64::from(cores * wanted.nodes)).ceil()),
        network_bytes_per_s: wanted.rate * wanted.body_bytes * (1.0 + consumers),
        written_bytes_per_s: written.map(|written| written.times(wanted.rate)),
        syncs_per_s: demand::syncs_per_core(&model.swept).map(|syncs| syncs * f64::from(cores)),
        disk_bytes: written.map(|written| written.times(wanted.rate * wanted.retention_s)),
        memory_bytes: demand::memory_per_core(&model.swept).map(|bytes| bytes * f64::from(cores)),
    })
}

/// Up to which share of its most a node may be used.
fn utilisation(model: &Model<'_>, wanted: &Wanted, thresholds: &[Threshold], plan: &mut Plan) -> Option<Bound> {
    let mut least = Bound::exact(UTILISATION_MAX);
    let reference = model.reference(wanted);
    let most = model.capacity(reference.cores, reference.body_bytes).value;
    for threshold in thresholds {
        let Some((metric, statistic)) = latency::of_threshold(threshold, reference.sweep.scenario.outcome()) else {
            plan.remarks.push(format!("{} is no latency: a plan does not look at it.", threshold.text));
            continue;
        };
        let curve = Curve::of(reference, most, metric, statistic);
        let Some(share) = curve.share_below(threshold.bound) else {
            let best = curve.points.iter().map(|point| point.1).min_by(f64::total_cmp);
            let found = best.map_or_else(
                || "nothing of it was measured".to_owned(),
                |us| format!("the best that was measured is {}", Unit::Latency.print(us)),
            );
            plan.remarks
                .push(format!("{} does not hold at any load: {found}. More cores do not help.", threshold.text));
            return None;
        };
        if !share.is_limited && share.bound.value < UTILISATION_MAX {
            plan.remarks.push(format!(
                "{} held at every load that was measured, up to {} of the most; nothing is planned beyond it.",
                threshold.text,
                number::percent(share.bound.value)
            ));
        }
        let at_most = |value: f64, other: f64| value.min(other);
        least = Bound {
            value: at_most(least.value, share.bound.value),
            low: at_most(least.low, share.bound.low),
            high: at_most(least.high, share.bound.high),
        };
    }
    Some(least)
}

/// Latencies of the service level at the share of the most that is used.
fn expected(model: &Model<'_>, wanted: &Wanted, thresholds: &[Threshold], used: f64) -> Vec<Expected> {
    let reference = model.reference(wanted);
    let most = model.capacity(reference.cores, reference.body_bytes).value;
    let outcome = reference.sweep.scenario.outcome();
    let of = |threshold: &Threshold| {
        let (metric, statistic) = latency::of_threshold(threshold, outcome)?;
        let latency_us = Curve::of(reference, most, metric, statistic).at(used)?;
        Some(Expected { figure: threshold.figure.to_string(), latency_us })
    };
    thresholds.iter().filter_map(of).collect()
}

/// Consumers that get each message.
fn fan_out(reference: &super::Swept<'_>) -> f64 {
    use crate::scenario::Pattern;
    let of = |group: &crate::scenario::Group| match group.pattern {
        Pattern::Topic => f64::from(group.consumers) / f64::from(group.addresses.max(1)),
        Pattern::Queue | Pattern::RequestReply => f64::from(group.consumers.min(1)),
    };
    reference.sweep.scenario.groups.iter().map(of).fold(0.0, f64::max)
}

/// What of the answer was measured, what follows by a model, and what was taken for granted.
fn say_what_is_known(model: &Model<'_>, wanted: &Wanted, cores: u32, plan: &mut Plan) {
    let (sizes, measured_cores) = (model.capacity.sizes, model.capacity.cores);
    if wanted.body_bytes > sizes.1 * 1.01 || wanted.body_bytes < sizes.0 * 0.99 {
        plan.extrapolated.push(format!(
            "Bodies of {} are beyond what was measured ({} to {}): the time of a message is taken to be a line in its octets.",
            Unit::Octets.print(wanted.body_bytes),
            Unit::Octets.print(sizes.0),
            Unit::Octets.print(sizes.1)
        ));
    }
    if f64::from(cores) > measured_cores.1 {
        plan.extrapolated.push(format!(
            "{} are more than the {} that {} measured: they follow from the scalability law with contention {} and coherency {}.",
            number::counted(cores.into(), "core"),
            number::short(measured_cores.1),
            if measured_cores.1 == 1.0 { "was" } else { "were" },
            number::short(plan.contention),
            number::short(plan.coherency)
        ));
    }
    let unreached = model.most.iter().filter(|most| !most.is_reached).count();
    if unreached > 0 {
        plan.extrapolated.push(format!(
            "{unreached} of {} did not reach the most of the server (the generator was the limit, or no rate was too much): what more it could do follows from the processor time of a message.",
            number::counted(model.most.len() as u64, "sweep")
        ));
    }
    if sizes.1 < sizes.0 * 1.5 {
        plan.assumed.push("Only one size was measured: what an octet costs is taken to be 0.5 ns, give or take 1. A sweep at another size settles it.".to_owned());
    }
    if measured_cores.0 == measured_cores.1 && cores > 1 {
        plan.assumed.push("Only one number of cores was measured: contention is taken to be 3 %, give or take 5. A sweep with another number settles it.".to_owned());
    }
    if wanted.service_level.is_empty() {
        plan.assumed
            .push(format!("Without a service level, {} of the most is used.", number::percent(UTILISATION_MAX)));
    }
    if wanted.nodes > 1 {
        plan.assumed.push("The load is even over the nodes, and nodes do not slow each other down.".to_owned());
    }
}
