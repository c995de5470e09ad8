//! What became of the messages of a run, and of a server that was killed under it, in sentences.
//!
//! Guarantee: nothing is claimed that was not looked for. Order is seen only where one consumer has a place for itself, and losses
//! only where the audit says that it looked.

use load_model::interval::Counts;
use load_model::result::{Audit, Outage, RunResult};

use crate::number;

/// Where order was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ordered {
    Everywhere,
    Somewhere,
    Nowhere,
}

fn ordered(result: &RunResult) -> Ordered {
    let groups = &result.scenario.groups;
    let mut places = groups.iter().flat_map(|group| (0..group.places()).map(|place| group.is_ordered(place)));
    match (places.clone().any(|is_ordered| is_ordered), places.all(|is_ordered| is_ordered)) {
        (true, true) => Ordered::Everywhere,
        (true, false) => Ordered::Somewhere,
        (false, _) => Ordered::Nowhere,
    }
}

/// What was found of some messages: how many, and what, in the order of gravity.
fn found(audit: &Audit) -> Vec<String> {
    let all = [
        (audit.lost, "lost"),
        (audit.duplicates, "twice"),
        (audit.reordered, "out of order"),
        (audit.corrupt, "corrupt"),
        (audit.misplaced, "at a wrong consumer"),
        (audit.foreign, "of nobody in this run"),
        (audit.again, "again behind broken connections"),
        (audit.in_doubt, "in doubt"),
        (audit.leftovers, "left by others and taken away before"),
    ];
    let found = all.into_iter().filter(|(count, _)| *count > 0);
    found.map(|(count, what)| format!("{} {what}", number::count(count))).collect()
}

/// Messages that were sent in the whole run, warm-up included.
fn sent(result: &RunResult) -> u64 {
    of_all(result, |counts| counts.sent)
}

fn of_all(result: &RunResult, count: fn(&Counts) -> u64) -> u64 {
    result.timeline.iter().map(|row| count(&row.counts)).sum()
}

/// What became of the messages, in one line.
pub(crate) fn audit(result: &RunResult) -> String {
    let audit = &result.audit;
    let found = found(audit);
    let faults = found.join(", ");
    match (audit.not_checked.as_str(), found.is_empty()) {
        ("", true) if sent(result) == 0 => "no message was sent".to_owned(),
        ("", true) => match ordered(result) {
            Ordered::Everywhere => "every message came, once, in order, whole".to_owned(),
            Ordered::Somewhere => {
                "every message came, once, whole, and in order where one consumer has a queue for itself".to_owned()
            }
            Ordered::Nowhere => {
                "every message came, once, whole; order is not seen where consumers share a queue".to_owned()
            }
        },
        ("", false) if audit.lost == 0 => format!("none lost, {faults}"),
        ("", false) => faults,
        (why, true) => format!("not checked: {why}"),
        (why, false) => format!("{faults} (not all checked: {why})"),
    }
}

/// The messages lost, as a figure to be seen first, and what stands beside it.
pub(crate) fn lost(result: &RunResult) -> (String, String) {
    let audit = &result.audit;
    let was_looked_for = audit.not_checked.is_empty();
    if !was_looked_for && audit.lost == 0 {
        return (number::UNKNOWN.to_owned(), "not looked for, or not everywhere".to_owned());
    }
    let others = found(&Audit { lost: 0, ..audit.clone() });
    let beside = match (was_looked_for, others.is_empty()) {
        (false, _) => "not all were looked for".to_owned(),
        (true, false) => others.join(", "),
        (true, true) if sent(result) == 0 => "none was sent".to_owned(),
        (true, true) if audit.lost > 0 => "see below".to_owned(),
        (true, true) => match ordered(result) {
            Ordered::Everywhere => "all once, in order".to_owned(),
            Ordered::Somewhere | Ordered::Nowhere => "all once".to_owned(),
        },
    };
    (number::count(audit.lost), beside)
}

/// Whether messages were not what or where they must be: what the verdict calls a fault, and what is one in any run.
pub(crate) fn is_faulty(result: &RunResult) -> bool {
    let audit = &result.audit;
    !result.verdict.faults.is_empty() || audit.lost + audit.duplicates + audit.corrupt > 0
}

/// What the columns of a table of outages are.
pub(crate) const OUTAGES: &str = "Times count from the kill: until the server answered again, accepted a message again, and a consumer had one. The longest latency is that of the \
     seconds up to the next kill, which a second with two kills counts for both.";

/// Whether what the server accepted was there in the end, in one line: of the whole run, warm-up included.
pub(crate) fn proof(result: &RunResult) -> String {
    let audit = &result.audit;
    let counts = [
        (of_all(result, |counts| counts.accepted), "accepted"),
        (of_all(result, |counts| counts.received), "received"),
        (audit.lost, "lost"),
        (audit.again, "again"),
        (audit.in_doubt, "in doubt"),
    ];
    let counts = counts.map(|(count, what)| format!("{} {what}", number::count(count))).join(", ");
    let kills = number::counted(result.outages.len() as u64, "kill");
    match audit.not_checked.as_str() {
        "" => format!("{kills}: {counts}"),
        why => format!("{kills}: {counts}; there is no proof: {why}"),
    }
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
