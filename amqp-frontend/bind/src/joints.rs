//! What opens and attaches between routers say.

use amqp_codec::performative::{Attach, ExpiryPolicy, Open, Role, Source, Target, Terminus};
use engine_core::command::Carries;
use engine_home::Peer;
use engine_message::Symbol;
use engine_message::value::Value;

use crate::prefaces::NUMBERED;

/// The capability of termini of links for what routers tell each other.
pub(crate) const CONTROL: &str = "qd.router";
/// That of links for messages.
pub(crate) const MESSAGES: &str = "qd.router-data";
/// That of those which carry messages in parts alone, each of which begins with its first frame.
pub(crate) const PARTS: &str = "heddle:parts";
/// What an open offers of a router that takes further links for messages, one for each that comes in parts.
pub(crate) const APART: &str = "qd.streaming-links";
/// What an open offers of a router that takes small messages together (`together`).
pub(crate) const TOGETHER: &str = "heddle:messages-together";
/// The property of an open that says what a message over the connection costs, if that is more than 1.
const COST: &str = "qd.inter-router-cost";
/// The property that says how routers annotate messages.
const ANNOTATIONS: &str = "qd.annotations-version";

/// What a message over the connection costs, as the peer's open says it; 0 if it does not.
pub(crate) fn cost(open: &Open) -> u32 {
    match open.properties.get(COST) {
        Some(Value::Int(said)) => u32::try_from(*said).unwrap_or_default(),
        Some(Value::Uint(said)) => *said,
        Some(Value::Long(said)) => u32::try_from(*said).unwrap_or_default(),
        _ => 0,
    }
}

/// Says in an open what one between routers says, of which this one takes messages in parts if they are so large.
pub(crate) fn mark(open: &mut Open, peer: Peer, stream_above: u64) {
    let cost = match peer {
        Peer::Client => return,
        Peer::Router { cost } => cost,
        Peer::Edge | Peer::Interior => 0,
    };
    open.properties.insert(ANNOTATIONS, Value::Int(1));
    if let Peer::Router { .. } = peer {
        open.offered_capabilities.extend([NUMBERED, TOGETHER].map(Symbol::from));
        if stream_above < u64::MAX {
            open.offered_capabilities.push(APART.into());
        }
    }
    if cost > 1 {
        open.properties.insert(COST, Value::Int(i32::try_from(cost).unwrap_or(i32::MAX)));
    }
}

/// Whether a capability is of a link between routers.
pub(crate) fn is_between(capability: &str) -> bool {
    matches!(capability, CONTROL | MESSAGES)
}

/// What goes over a link between routers; nothing if it is none.
pub(crate) fn carries(attach: &Attach) -> Option<Carries> {
    let source = attach.source.iter().flat_map(|source| &source.terminus.capabilities);
    let target = match &attach.target {
        Some(Target::Node(target)) => target.capabilities.as_slice(),
        _ => &[],
    };
    let has = |wanted: &str| source.clone().chain(target).any(|capability| capability.as_str() == wanted);
    match (has(CONTROL), has(MESSAGES)) {
        (true, _) => Some(Carries::Control),
        (false, true) if has(PARTS) && attach.role == Role::Sender => Some(Carries::Parts),
        (false, true) => Some(Carries::Messages),
        (false, false) => None,
    }
}

/// Our attach of such a link.
pub(crate) fn attach(name: String, role: Role, capabilities: &[&'static str]) -> Attach {
    let terminus = || Terminus {
        capabilities: capabilities.iter().copied().map(Symbol::from).collect(),
        expiry_policy: ExpiryPolicy::LinkDetach,
        ..Terminus::default()
    };
    Attach {
        source: Some(Source::from(terminus())),
        target: Some(Target::Node(terminus())),
        initial_delivery_count: (role == Role::Sender).then_some(0),
        ..Attach::new(name, 0, role)
    }
}
