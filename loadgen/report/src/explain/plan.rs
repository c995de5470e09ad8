//! What a capacity plan comes to, in sentences.

use load_model::plan::{Answer, Bound, Plan};

use crate::number;

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
    let nodes = number::counted(wanted.nodes.into(), "node");
    format!(
        "{} messages a second of {}{level}, on {nodes}",
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
