//! Links that are to outlive their connections: what their termini ask for, what an attach has of them from before, and what the answer
//! says (parts 2.6.5, 2.6.13, 2.7.3 and 3.5.6).
//!
//! Guarantees: the answer says how long what is unsettled is kept. To a peer that sends it names what that has not settled and is known
//! here, with its outcome; to one that receives it names nothing, as what that decided on is settled by then, and the rest goes to
//! others. A link whose terminus asks for nothing of this is one like all others.
//!
//! Not here: what is known of a link (`engine_core`, `resuming` and `holding`), how much of it fits into a frame (`amqp_proto`), and what
//! comes on one (`resuming`).

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Durability, ExpiryPolicy, ReceiverSettleMode, Source, Target, Terminus};
use amqp_proto::DeliveryOutcome;
use bytes::Bytes;
use engine_core::command::{Outcome, Settled};
use engine_core::resumption::{Decided, Keep, Lasting, LastingConsumer, LinkName, Resumed, Settling, Tag};
use engine_home::{Client, Home, Plan, Slot};
use engine_message::Condition;
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
///
/// # Errors
/// When a peer that receives has more unsettled than its map names: what it does not name would be taken for undecided.
pub(crate) fn lasting(mut plan: Plan, attach: &Attach, client: &Client) -> Result<Plan, AmqpError> {
    if client.container.is_empty() {
        return Ok(plan);
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
            if attach.incomplete_unsettled {
                let text = "a link that receives is resumed by a map of all that is unsettled, or of nothing";
                return Err(AmqpError::new(Condition::NotImplemented, text));
            }
            let decided = decided(attach, source);
            let name = name(&spec.address);
            let keep = keep(&source.terminus);
            spec.lasting = keep.map(|keep| Box::new(LastingConsumer { name, keep, decided }));
        }
        _ => {}
    }
    Ok(plan)
}

/// Whether a source asks that messages are held back when its link is gone, which others do not get meanwhile: by a timeout alone, as
/// sources of durable subscriptions never expire.
fn may_hold_back(source: &Terminus) -> bool {
    source.timeout_s > 0
}

/// What a peer that receives has decided on of what it was sent: by tags that are keys of deliveries.
fn decided(attach: &Attach, source: &Source) -> Decided {
    let Some(unsettled) = &attach.unsettled else { return Decided::Nothing };
    let listed = Outcomes::of(Some(source));
    let of = |(tag, state): &(Bytes, Option<Raw>)| {
        let key = u64::from_be_bytes(tag.as_ref().try_into().ok()?);
        let outcome = DeliveryOutcome::of(state.as_ref()?.as_bytes())?;
        listed.hold(Outcomes::only(&outcome)).then(|| (key, of_peer(outcome)))
    };
    Decided::These(unsettled.iter().filter_map(of).collect())
}

/// What a peer that sends has of a link from before. Its states say nothing that its receiver does not know better.
fn resumed(attach: &Attach) -> Resumed {
    match &attach.unsettled {
        _ if attach.incomplete_unsettled => Resumed::Incomplete,
        None => Resumed::Afresh,
        Some(unsettled) => Resumed::Unsettled(unsettled.iter().filter_map(|(tag, _)| Tag::new(tag)).collect()),
    }
}

/// Makes the answer to an attach of a link that receives say whether something is held back for it.
pub(crate) fn answer_receiver(reply: &mut Attach, attach: &Attach, holds_back: bool) {
    let Some(source) = reply.source.as_mut().filter(|_| attach.source.is_some()) else { return };
    source.terminus.timeout_s = if holds_back { source.terminus.timeout_s.min(KEEP_S_MAX) } else { 0 };
    if holds_back && attach.unsettled.is_some() {
        reply.unsettled = Some(Vec::new());
    }
}

/// Makes the answer to an attach of a link that sends, and is to outlive its connection, say what there is of it. `None`: nothing is kept.
pub(crate) fn answer_sender(reply: &mut Attach, attach: &Attach, unsettled: Option<&[(Tag, Outcome)]>) {
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
