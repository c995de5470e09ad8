//! What the binding of an edge's connection to the interior is asked for, for an address.

use amqp_bind::{ProxyAsking, ProxyWay};
use engine_core::command::Stage;
use engine_router::address::Phase;
use engine_router::table::Rules;
use engine_router::uplink::{Proxy, Way};

/// The link of an address: the interior's end is like a client's, or that of a waypoint, by the phase
/// that it has. The interior has the same rules.
pub(crate) fn proxy_asking(number: u32, Proxy { way, key }: &Proxy, rules: &Rules) -> ProxyAsking {
    let phase = key.phase().unwrap_or_default();
    let (ingress, egress) = rules.rule(key.name()).map(|rule| (rule.ingress, rule.egress)).unwrap_or_default();
    let (way, as_client, waypoint) = match way {
        // A waypoint takes from the phase before its own.
        Way::Down => (ProxyWay::Down, egress, phase.annotation() + 1),
        Way::Up => (ProxyWay::Up, ingress, phase.annotation()),
    };
    let capability = match phase {
        Phase::FALLBACK => Some("qd.fallback".to_owned()),
        _ if phase == as_client => None,
        _ => Some(format!("qd.waypoint.{waypoint}")),
    };
    let stage = Stage::Phase(phase.annotation());
    ProxyAsking { number, address: key.name().to_owned(), capability, way, stage }
}
