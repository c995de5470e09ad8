//! Any body of a control message, over what a test lets its parts be. Not here: those parts, and who says it.

use engine_router::RouterId;
use engine_router::control::{Announced, Body, Changes, LinkState};
use proptest::prelude::*;

/// What the parts of a body may be.
pub struct Parts {
    pub instance: BoxedStrategy<Option<u64>>,
    /// Numbers of link states and of addresses.
    pub number: BoxedStrategy<u64>,
    pub seen: BoxedStrategy<Vec<RouterId>>,
    /// Each once, in their order.
    pub peers: BoxedStrategy<Vec<(RouterId, u32)>>,
    pub addresses: BoxedStrategy<Vec<Announced>>,
}

/// Each kind of body is as likely as any other.
pub fn bodies(parts: Parts) -> impl Strategy<Value = Body> {
    let Parts { instance, number, seen, peers, addresses } = parts;
    prop_oneof![
        (instance.clone(), seen).prop_map(|(instance, seen)| Body::Hello { instance, seen }),
        (instance.clone(), number.clone(), number.clone())
            .prop_map(|(instance, link_state, addresses)| { Body::Advertisement { instance, link_state, addresses } }),
        (instance, number.clone(), peers)
            .prop_map(|(instance, sequence, peers)| Body::LinkState { instance, state: LinkState { sequence, peers } }),
        Just(Body::LinkStateRequest),
        (number.clone(), addresses.clone(), addresses.clone()).prop_map(|(sequence, added, deleted)| {
            let deleted = deleted.into_iter().map(|deleted| deleted.key).collect();
            Body::Addresses { sequence, changes: Changes::Since { added, deleted } }
        }),
        (number.clone(), addresses)
            .prop_map(|(sequence, all)| Body::Addresses { sequence, changes: Changes::All(all) }),
        number.prop_map(|known| Body::AddressRequest { known }),
    ]
}
