//! Names of the queues of diverts: a divert has one for each of its targets. What has no route has one of the kind, of no divert's name.
//!
//! Guarantees: peers can neither make nor name such a queue (`attach`).

use engine_catalogue::QUALIFIER;

/// What they begin with.
pub(crate) const DIVERT_PREFIX: &str = "$divert::";

/// The name of the queue of a divert for one of its targets.
pub(crate) fn queue_name(divert: &str, target: &str) -> String {
    format!("{DIVERT_PREFIX}{divert}{QUALIFIER}{target}")
}

/// The name of the queue of what has no route, for one of its targets. No divert has an empty name.
pub(crate) fn unrouted_name(target: &str) -> String {
    queue_name("", target)
}

/// Whether a queue of that name has what has no route.
pub(crate) fn is_unrouted(name: &str) -> bool {
    divert_of(name).is_some_and(|(divert, _)| divert.is_empty())
}

/// The divert and the target of a queue's name.
pub(crate) fn divert_of(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(DIVERT_PREFIX)?.split_once(QUALIFIER)
}
