//! Names of addresses and queues: what they may be.
//!
//! Guarantees: what is checked here is what whoever defines something may call it; links may ask for other names, within the bounds of
//! owners.

use crate::limits::NAME_MAX;

/// What stands between an address and a queue of it.
pub const QUALIFIER: &str = "::";

/// Whether something can have this name.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(format!("a name has 1 to {NAME_MAX} bytes"));
    }
    if name.contains(QUALIFIER) {
        return Err(format!("`{QUALIFIER}` stands between an address and its queue, and in no name"));
    }
    if name.contains(char::is_control) {
        return Err("a name has no control characters".to_owned());
    }
    if name.starts_with('$') {
        return Err("names that begin with `$` are the node's own".to_owned());
    }
    Ok(())
}

/// Whether messages can be sent there: to an address, or to a queue of it.
pub(crate) fn check_destination(name: &str) -> Result<(), String> {
    match name.split_once(QUALIFIER) {
        Some((address, queue)) => check_name(address).and_then(|()| check_name(queue)),
        None => check_name(name),
    }
}

/// The address of a name that may name a queue with it.
#[must_use]
pub fn base(address: &str) -> &str {
    address.split_once(QUALIFIER).map_or(address, |(address, _)| address)
}
