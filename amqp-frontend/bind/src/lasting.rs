//! Links that are to outlive their connections: what their termini ask for, what an attach has of them from before, and what the answer
//! says (parts 2.6.5, 2.6.13, 2.7.3 and 3.5.6).
//!
//! Guarantees: the answer says how long what is unsettled is kept. To a peer that sends it names what that has not settled and is known
//! here, with its outcome; to one that receives what it is sent again. A link whose terminus asks for nothing of this is one like all
//! others.
//!
//! Not here: what is known of a link (`engine_core`, `resuming` and `holding`), how much of it fits into a frame (`amqp_proto`), and what
//! comes on one (`resuming`).

use amqp_codec::performative::{Attach, Durability, ExpiryPolicy, ReceiverSettleMode, Source, Target, Terminus};
use amqp_proto::DeliveryOutcome;
use bytes::Bytes;
use engine_core::command::{Outcome, Settled};
use engine_core::resumption::{Keep, Known, Lasting, LastingConsumer, LinkName, Rest, Resumed, Settling, Tag};
use engine_home::{Client, Home, Plan, Slot};
use engine_message::value::Raw;

use crate::outcome::{Outcomes, of_peer, said};

/// Longest that what a link leaves is kept, seconds: a node that was away is back within that, and a client that is not is not coming
/// back. A longer timeout is answered by this one.
const KEEP_S_MAX: u32 = 3600;

/// How long a terminus asks to be kept, nanoseconds; `None`: as long as its link, as most do.
fn keep(terminus: &Terminus) -> Option<Keep> {
    let (most_ns, asked_ns) =
        [KEEP_S_MAX, terminus.timeout_s.min(KEEP_S_MAX)].map(|s| u64::from(s) * 1_000_000_000).into();
    let keep = match terminus.expiry_policy {
        ExpiryPolicy::LinkDetach => Keep { detached_ns: asked_ns, ended_ns: asked_ns },
        // Its time begins when something else ends.
        ExpiryPolicy::SessionEnd | ExpiryPolicy::ConnectionClose => Keep { detached_ns: most_ns, ended_ns: asked_ns },
        ExpiryPolicy::Never => Keep { detached_ns: most_ns, ended_ns: most_ns },
    };
    let by_default =
        terminus.expiry_policy == ExpiryPolicy::SessionEnd && terminus.durable != Durability::UnsettledState;
    (keep.ended_ns > 0 || (keep.detached_ns > 0 && !by_default)).then_some(keep)
}

/// Adds to a plan that its link outlives its connection, if the peer asks for that and can be found again.
pub(crate) fn lasting(mut plan: Plan, attach: &Attach, client: &Client) -> Plan {
    if client.container.is_empty() {
        return plan;
    }
    let name = |address: &str| LinkName {
        user: client.user.clone(),
        container: client.container.clone(),
        link: attach.name.clone(),
        address: address.to_owned(),
    };
    match (&mut plan, &attach.target, &attach.source) {
        (Plan::Producer(spec), Some(Target::Node(target)), _) => {
            if let Some(keep) = keep(target).filter(|_| spec.lifetime.is_none()) {
                let settling = match attach.rcv_settle_mode {
                    ReceiverSettleMode::First => Settling::First,
                    ReceiverSettleMode::Second => Settling::Second,
                };
                let name = name(&spec.address);
                spec.lasting = Some(Box::new(Lasting { name, settling, keep, resumed: resumed(attach) }));
            }
        }
        (Plan::Consumer(spec), _, Some(source)) if may_hold_back(&source.terminus) && spec.lifetime.is_none() => {
            let known = known(attach, source);
            let name = name(&spec.address);
            let keep = keep(&source.terminus);
            spec.lasting = keep.map(|keep| Box::new(LastingConsumer { name, keep, known }));
        }
        _ => {}
    }
    plan
}

/// Whether a source asks that messages are held back when its link is gone, which others do not get meanwhile: by a timeout alone, as
/// sources of durable subscriptions never expire.
fn may_hold_back(source: &Terminus) -> bool {
    source.timeout_s > 0
}

/// What a peer that receives has of what it was sent, by tags that are keys of deliveries. One with an outcome that its source does not
/// list is named as none.
fn known(attach: &Attach, source: &Source) -> Known {
    let (unsettled, rest) = match &attach.unsettled {
        None if attach.incomplete_unsettled => (&[][..], Rest::Stays),
        None => return Known::Nothing,
        Some(unsettled) if attach.incomplete_unsettled => (&unsettled[..], Rest::Stays),
        Some(unsettled) => (&unsettled[..], Rest::Released),
    };
    let listed = Outcomes::of(Some(source));
    let (mut decided, mut undecided) = (Vec::new(), Vec::new());
    for (tag, state) in unsettled {
        let Ok(key) = tag.as_ref().try_into().map(u64::from_be_bytes) else { continue };
        match state.as_ref().and_then(|state| DeliveryOutcome::of(state.as_bytes())) {
            Some(outcome) if listed.hold(Outcomes::only(&outcome)) => decided.push((key, of_peer(&outcome))),
            Some(_) => {}
            None => undecided.push(key),
        }
    }
    Known::Named { decided, undecided, rest }
}

/// What a peer that sends has of a link from before. Its states say nothing that its receiver does not know better.
fn resumed(attach: &Attach) -> Resumed {
    match &attach.unsettled {
        _ if attach.incomplete_unsettled => Resumed::Incomplete,
        None => Resumed::Afresh,
        Some(unsettled) => Resumed::Unsettled(unsettled.iter().filter_map(|(tag, _)| Tag::new(tag)).collect()),
    }
}

/// Makes the answer to an attach of a link that receives say whether something is held back for it, and what of it comes again. `None`:
/// nothing is held back.
pub(crate) fn answer_receiver(reply: &mut Attach, attach: &Attach, again: Option<&[(Tag, Option<Outcome>)]>) {
    let Some(source) = reply.source.as_mut().filter(|_| attach.source.is_some()) else { return };
    source.terminus.timeout_s = again.map_or(0, |_| source.terminus.timeout_s.min(KEEP_S_MAX));
    if let Some(again) = again
        && (attach.unsettled.is_some() || attach.incomplete_unsettled)
    {
        reply.unsettled = Some(again.iter().map(named).collect());
    }
}

/// Makes the answer to an attach of a link that sends, and is to outlive its connection, say what there is of it. `None`: nothing is kept.
pub(crate) fn answer_sender(reply: &mut Attach, attach: &Attach, unsettled: Option<&[(Tag, Option<Outcome>)]>) {
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
fn named((tag, outcome): &(Tag, Option<Outcome>)) -> (Bytes, Option<Raw>) {
    let state = outcome.as_ref().and_then(|outcome| {
        let mut encoded = Vec::new();
        said(outcome.clone()).encode(&mut encoded);
        Raw::new(&encoded).ok()
    });
    (Bytes::copy_from_slice(tag.as_bytes()), state)
}

/// A delivery from before is taken up by another number: its owner says what became of it.
pub(crate) fn take_up(home: &mut Home, place: Slot, delivery: u32, settled: Settled, tag: &[u8]) {
    if let Some(tag) = Tag::new(tag) {
        home.resume(place, delivery, settled, tag);
    }
}
