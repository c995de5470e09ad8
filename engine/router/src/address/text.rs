//! Which key the text of an address means on a router.
//!
//! Guarantees: any text means one key or none; schemes, hosts and one divider at either end make no difference.

use super::key::{Class, Key};
use super::phase::Phase;
use crate::router_id::RouterId;

/// What kind of router it is that reads an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Alone, or one of a network: it knows what is where.
    Interior,
    /// At the edge of a network: what is elsewhere goes up to the interior.
    Edge,
}

/// The router that reads an address.
#[derive(Clone, Copy, Debug)]
pub struct Here<'a> {
    /// Its name.
    pub id: &'a RouterId,
    /// What kind of router it is.
    pub mode: Mode,
}

/// What stands for the way up to the interior.
const UP: &str = "_edge";
/// The area of all routers there are.
const AREA: &str = "0";
/// What stands for all areas, and all routers of one.
const ALL: &str = "all";

/// The name of an address that is a mobile one, whatever router reads it.
#[must_use]
pub fn mobile(address: &str) -> Option<&str> {
    let path = path(address);
    let is_special = path.starts_with('_') && matches!(path.split('/').next(), Some("_local" | "_topo" | "_edge"));
    (!is_special).then_some(path)
}

/// The key of an address, as a router has it; `None` if it names nothing. The phase counts for mobile addresses.
#[must_use]
pub fn resolve(address: &str, phase: Phase, here: Here<'_>) -> Option<Key> {
    if let Some(name) = mobile(address) {
        return Key::mobile(phase, name);
    }
    let path = path(address);
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let of = |class, name: &str| Key::of_class(class, name);
    match first {
        "_local" => of(Class::Local, rest),
        "_topo" => {
            let (area, rest) = rest.split_once('/')?;
            let (router, name) = rest.split_once('/').unwrap_or((rest, ""));
            match (area, router, here.mode) {
                (ALL, ALL, Mode::Interior) | (AREA, ALL, Mode::Interior) => of(Class::Topological, name),
                (AREA, router, _) if router == here.id.as_str() => of(Class::Local, name),
                (_, _, Mode::Edge) => of(Class::Local, UP),
                (AREA, router, Mode::Interior) => of(Class::Router, router),
                (area, _, Mode::Interior) => of(Class::Area, area),
            }
        }
        "_edge" => {
            let (router, name) = rest.split_once('/')?;
            match here.mode {
                Mode::Edge if router == here.id.as_str() => of(Class::Local, name),
                Mode::Edge => of(Class::Local, UP),
                Mode::Interior => of(Class::Edge, router),
            }
        }
        _ => None,
    }
}

/// An address without scheme and host, and without one divider at either end.
#[must_use]
pub fn path(address: &str) -> &str {
    let mut path = address;
    for scheme in ["amqp:", "amqps:"] {
        if let Some(behind) = address.strip_prefix(scheme) {
            // A host stands between two dividers and the next one; without them there is none.
            path = match behind.strip_prefix("//") {
                Some(host) => host.split_once('/').map_or("", |(_, path)| path),
                None => behind,
            };
        }
    }
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix(['.', '/']).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(address: &str, mode: Mode) -> String {
        let me = RouterId::new("A").expect("an id");
        resolve(address, Phase::FIRST, Here { id: &me, mode }).map_or_else(String::new, |key| key.as_str().to_owned())
    }

    #[test]
    fn addresses_mean_what_they_mean_to_other_routers() {
        for (address, interior, edge) in [
            ("_local/x", "Lx", "Lx"),
            ("amqp:/_local/qdhello", "Lqdhello", "Lqdhello"),
            ("_topo/0/A/x", "Lx", "Lx"),
            ("amqp:/_topo/0/all/qdrouter.ma", "Tqdrouter.ma", "L_edge"),
            ("_topo/all/all/x", "Tx", "L_edge"),
            ("amqp://host:5672/_topo/0/B/$management", "RB", "L_edge"),
            ("_topo/0/B", "RB", "L_edge"),
            ("_topo/1/B/x", "A1", "L_edge"),
            ("_topo/0", "", ""),
            ("_edge/A/x", "HA", "Lx"),
            ("_edge/E/x", "HE", "L_edge"),
            ("a", "M0a", "M0a"),
            ("/a.b/", "M0a.b", "M0a.b"),
            ("amqps://host/a.", "M0a", "M0a"),
            ("amqp://host", "", ""),
            ("", "", ""),
            ("_local", "", ""),
        ] {
            assert_eq!(key(address, Mode::Interior), interior, "{address}");
            assert_eq!(key(address, Mode::Edge), edge, "{address}");
        }
    }

    proptest! {
        #[test]
        fn any_text_means_a_key_or_nothing(text in "(amqp:)?(//)?(_topo|_edge|_local|all|0|A|/|\\PC){0,9}") {
            key(&text, Mode::Interior);
            let key = key(&text, Mode::Edge);
            prop_assert_eq!(mobile(&text).filter(|name| !name.is_empty()), key.strip_prefix("M0"));
            prop_assert!(!key.starts_with(['R', 'T', 'H', 'A']), "an edge router has no table of others: {}", key);
        }
    }
}
