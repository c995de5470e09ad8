//! Links of peers that send, and that are to outlive their connections: what their targets ask for, what an attach has of them from
//! before, and what the answer says (parts 2.6.5, 2.6.13, 2.7.3 and 3.5.6).
//!
//! Guarantees: the answer says how long what is unsettled is kept, and names what the peer has not settled and is known here, with its
//! outcome: whoever attached first learns it all from one answer. A link whose target asks for nothing of this is one like all others.
//!
//! Not here: what is known of a link (`engine_core`, `resuming`), how much of it fits into a frame (`amqp_proto`), and what comes on one
//! (`resuming`).

use amqp_codec::performative::{Attach, Durability, ExpiryPolicy, ReceiverSettleMode, Target, Terminus};
use bytes::Bytes;
use engine_core::command::{Outcome, Settled};
use engine_core::resumption::{Keep, Lasting, LinkName, Resumed, Settling, Tag};
use engine_home::{Client, Home, Plan, Slot};
use engine_message::value::Raw;

use crate::outcome::said;

/// Longest that what a link leaves is kept, seconds: a node that was away is back within that, and a client that is not is not coming
/// back. A longer timeout is answered by this one.
const KEEP_S_MAX: u32 = 3600;

/// How long a target asks to be kept, nanoseconds; `None`: as long as its link, as most do.
fn keep(target: &Terminus) -> Option<Keep> {
    let (most_ns, asked_ns) =
        [KEEP_S_MAX, target.timeout_s.min(KEEP_S_MAX)].map(|s| u64::from(s) * 1_000_000_000).into();
    let keep = match target.expiry_policy {
        ExpiryPolicy::LinkDetach => Keep { detached_ns: asked_ns, ended_ns: asked_ns },
        // Its time begins when something else ends.
        ExpiryPolicy::SessionEnd | ExpiryPolicy::ConnectionClose => Keep { detached_ns: most_ns, ended_ns: asked_ns },
        ExpiryPolicy::Never => Keep { detached_ns: most_ns, ended_ns: most_ns },
    };
    let by_default = target.expiry_policy == ExpiryPolicy::SessionEnd && target.durable != Durability::UnsettledState;
    (keep.ended_ns > 0 || (keep.detached_ns > 0 && !by_default)).then_some(keep)
}

/// Adds to a plan that its link outlives its connection, if the peer asks for that and can be found again.
pub(crate) fn lasting(mut plan: Plan, attach: &Attach, client: &Client) -> Plan {
    if let (Plan::Producer(spec), Some(Target::Node(target))) = (&mut plan, &attach.target)
        && let Some(keep) = keep(target).filter(|_| spec.lifetime.is_none() && !client.container.is_empty())
    {
        let name = LinkName {
            user: client.user.clone(),
            container: client.container.clone(),
            link: attach.name.clone(),
            address: spec.address.clone(),
        };
        let settling = match attach.rcv_settle_mode {
            ReceiverSettleMode::First => Settling::First,
            ReceiverSettleMode::Second => Settling::Second,
        };
        spec.lasting = Some(Box::new(Lasting { name, settling, keep, resumed: resumed(attach) }));
    }
    plan
}

/// What a peer has of a link from before. Its states say nothing that its receiver does not know better.
fn resumed(attach: &Attach) -> Resumed {
    match &attach.unsettled {
        _ if attach.incomplete_unsettled => Resumed::Incomplete,
        None => Resumed::Afresh,
        Some(unsettled) => Resumed::Unsettled(unsettled.iter().filter_map(|(tag, _)| Tag::new(tag)).collect()),
    }
}

/// Makes the answer to an attach of a link that is to outlive its connection say what there is of it. `None`: nothing is kept.
pub(crate) fn answer(reply: &mut Attach, attach: &Attach, unsettled: Option<&[(Tag, Outcome)]>) {
    let Some(Target::Node(target)) = &mut reply.target else { return };
    let Some(unsettled) = unsettled else {
        (target.durable, target.expiry_policy, target.timeout_s) = (Durability::None, ExpiryPolicy::LinkDetach, 0);
        return;
    };
    target.timeout_s = target.timeout_s.min(KEEP_S_MAX);
    if target.durable == Durability::UnsettledState {
        // What is unsettled does not outlive the node.
        target.durable = Durability::Configuration;
    }
    if attach.unsettled.is_some() || attach.incomplete_unsettled {
        reply.unsettled = Some(unsettled.iter().map(named).collect());
    }
}

/// A delivery as an attach names it.
fn named((tag, outcome): &(Tag, Outcome)) -> (Bytes, Option<Raw>) {
    let mut encoded = Vec::new();
    said(outcome.clone()).encode(&mut encoded);
    (Bytes::copy_from_slice(tag.as_bytes()), Raw::new(&encoded).ok())
}

/// A delivery from before is taken up by another number: its owner says what became of it.
pub(crate) fn take_up(home: &mut Home, place: Slot, delivery: u32, settled: Settled, tag: &[u8]) {
    if let Some(tag) = Tag::new(tag) {
        home.resume(place, delivery, settled, tag);
    }
}
