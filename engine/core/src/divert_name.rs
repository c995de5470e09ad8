//! Names of the queues of diverts: a divert has one for each of its targets.
//!
//! Guarantees: peers can neither make nor name such a queue (`attach`).

use engine_catalogue::QUALIFIER;

/// What they begin with.
pub(crate) const DIVERT_PREFIX: &str = "$divert::";

/// The name of the queue of a divert for one of its targets.
pub(crate) fn queue_name(divert: &str, target: &str) -> String {
    format!("{DIVERT_PREFIX}{divert}{QUALIFIER}{target}")
}

/// The divert and the target of a queue's name.
pub(crate) fn divert_of(name: &str) -> Option<(&str, &str)> {
    name.strip_prefix(DIVERT_PREFIX)?.split_once(QUALIFIER)
}
