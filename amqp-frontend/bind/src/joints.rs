//! What opens and attaches between routers say.

use amqp_codec::performative::{Attach, ExpiryPolicy, Open, Role, Source, Target, Terminus};
use engine_core::command::Carries;
use engine_home::Peer;
use engine_message::value::Value;

use crate::prefaces::NUMBERED;

/// The capability of termini of links for what routers tell each other.
pub(crate) const CONTROL: &str = "qd.router";
/// That of links for messages.
pub(crate) const MESSAGES: &str = "qd.router-data";
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

/// Says in an open what one between routers says.
pub(crate) fn mark(open: &mut Open, peer: Peer) {
    let cost = match peer {
        Peer::Client => return,
        Peer::Router { cost } => cost,
        Peer::Edge | Peer::Interior => 0,
    };
    open.properties.insert(ANNOTATIONS, Value::Int(1));
    if let Peer::Router { .. } = peer {
        open.offered_capabilities.push(NUMBERED.into());
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
    source.chain(target).find_map(|capability| match capability.as_str() {
        CONTROL => Some(Carries::Control),
        MESSAGES => Some(Carries::Messages),
        _ => None,
    })
}

/// Our attach of such a link.
pub(crate) fn attach(name: String, role: Role, capability: &'static str) -> Attach {
    let terminus = || Terminus {
        capabilities: vec![capability.into()],
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
