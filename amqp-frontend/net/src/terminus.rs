//! What a peer's attach asks for: a producer, a consumer, the anonymous relay, or nothing that there is here.

use amqp_codec::performative::{
    Attach, DistributionMode, Durability as TerminusDurability, ExpiryPolicy, LifetimePolicy, NodeTarget, Role,
    SenderSettleMode, Source, Target,
};
use amqp_codec::value::Map;
use amqp_codec::{AmqpError, Symbol, condition};
use amqp_proto::AttachReply;
use engine_core::command::{
    ConsumerSpec, Create, DefaultOutcome, Durability, Lifetime, Mode, ProducerSpec, RoutingType, Settle, Sharing,
    Subscription,
};

use crate::config::AddressRules;

/// What to do about an attach.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Messages for an address.
    Producer(Box<ProducerSpec>),
    /// Messages from an address.
    Consumer(Box<ConsumerSpec>),
    /// Messages that each name their address.
    Relay,
}

/// Plans the answer to `attach`; `make_name` makes the name of a dynamic node.
pub(crate) fn plan(
    attach: &Attach,
    container: &str,
    rules: &AddressRules,
    make_name: impl FnOnce() -> String,
) -> Result<Plan, AmqpError> {
    match attach.role {
        Role::Sender => match &attach.target {
            Some(Target::Node(target)) => producer(target, rules, make_name),
            Some(Target::Coordinator(_)) => {
                Err(AmqpError::new(condition::NOT_IMPLEMENTED, "transactions are not implemented yet"))
            }
            Some(Target::Other(_)) => Err(AmqpError::new(condition::NOT_IMPLEMENTED, "this type of target is unknown")),
            None => Err(AmqpError::new(condition::INVALID_FIELD, "the attach has no target")),
        },
        Role::Receiver => match &attach.source {
            Some(source) => consumer(attach, source, container, rules, make_name),
            None => {
                Err(AmqpError::new(condition::NOT_FOUND, "the attach has no source, and nothing is remembered of one"))
            }
        },
    }
}

fn producer(target: &NodeTarget, rules: &AddressRules, make_name: impl FnOnce() -> String) -> Result<Plan, AmqpError> {
    let asked = routing(&target.capabilities);
    let (address, prefixed, lifetime) = match (&target.address, target.dynamic) {
        (_, true) => {
            (make_name(), asked.or(Some(RoutingType::Anycast)), Some(lifetime(&target.dynamic_node_properties)))
        }
        (None, false) => return Ok(Plan::Relay),
        (Some(address), false) if address.is_empty() => return Ok(Plan::Relay),
        (Some(address), false) => {
            let (address, prefixed) = rules.strip(address);
            (address.to_owned(), asked.or(prefixed), None)
        }
    };
    let create = create(&address, rules);
    Ok(Plan::Producer(Box::new(ProducerSpec { address, routing: prefixed, create, lifetime })))
}

fn consumer(
    attach: &Attach,
    source: &Source,
    container: &str,
    rules: &AddressRules,
    make_name: impl FnOnce() -> String,
) -> Result<Plan, AmqpError> {
    let asked = routing(&source.capabilities);
    let (address, prefixed, lifetime) = match (&source.address, source.dynamic) {
        (_, true) => {
            (make_name(), asked.or(Some(RoutingType::Anycast)), Some(lifetime(&source.dynamic_node_properties)))
        }
        (Some(address), false) if !address.is_empty() => {
            let (address, prefixed) = rules.strip(address);
            (address.to_owned(), asked.or(prefixed), None)
        }
        _ => return Err(AmqpError::new(condition::INVALID_FIELD, "the source has no address and is not dynamic")),
    };
    let browse = source.distribution_mode == Some(DistributionMode::Copy) && prefixed != Some(RoutingType::Multicast);
    let modified_failed = source.default_outcome.as_ref().is_some_and(|raw| raw.as_bytes().get(2) == Some(&0x27));
    Ok(Plan::Consumer(Box::new(ConsumerSpec {
        create: create(&address, rules),
        address,
        routing: prefixed,
        mode: if browse { Mode::Browse } else { Mode::Consume },
        settle: if attach.snd_settle_mode == SenderSettleMode::Settled { Settle::OnSend } else { Settle::ByPeer },
        subscription: subscription(attach, source, container),
        lifetime,
        default_outcome: if modified_failed { DefaultOutcome::ModifiedFailed } else { DefaultOutcome::Released },
    })))
}

/// A subscription that has a name of its own: durable, or shared (artemis.md, 2.7).
fn subscription(attach: &Attach, source: &Source, container: &str) -> Option<Subscription> {
    let has = |name: &str| source.capabilities.iter().any(|capability| *capability == name);
    let durable = source.durable != TerminusDurability::None || source.expiry_policy == ExpiryPolicy::Never;
    if (!durable && !has("shared")) || has("queue") {
        return None;
    }
    // Qpid JMS: further consumers of one subscription add a bar and a suffix to its name.
    let name = attach.name.split('|').next().unwrap_or_default().to_owned();
    Some(Subscription {
        container: container.to_owned(),
        name,
        durability: if durable { Durability::Durable } else { Durability::Volatile },
        sharing: match (has("shared"), has("global")) {
            (true, true) => Sharing::Global,
            (true, false) => Sharing::Shared,
            _ => Sharing::Exclusive,
        },
    })
}

fn create(address: &str, rules: &AddressRules) -> Create {
    if rules.may_create(address) { Create::Auto } else { Create::Never }
}

/// What capabilities ask for.
fn routing(capabilities: &[Symbol]) -> Option<RoutingType> {
    capabilities.iter().find_map(|capability| match capability.as_str() {
        "queue" | "temporary-queue" => Some(RoutingType::Anycast),
        "topic" | "temporary-topic" => Some(RoutingType::Multicast),
        _ => None,
    })
}

fn lifetime(properties: &Map) -> Lifetime {
    match LifetimePolicy::of(properties) {
        Some(LifetimePolicy::DeleteOnNoLinks) => Lifetime::NoLinks,
        Some(LifetimePolicy::DeleteOnNoMessages) => Lifetime::NoMessages,
        Some(LifetimePolicy::DeleteOnNoLinksOrMessages) => Lifetime::NoLinksOrMessages,
        Some(LifetimePolicy::DeleteOnClose) | None => Lifetime::OnClose,
    }
}

/// The answer to an attach whose plan succeeded: the termini as they are here, with the filters that are applied (none
/// yet) and a dynamic node's name.
pub(crate) fn reply(attach: &Attach, dynamic_name: Option<&str>) -> AttachReply {
    let mut reply = AttachReply { source: attach.source.clone(), target: attach.target.clone() };
    let node = (attach.role, &mut reply.source, &mut reply.target);
    match node {
        (Role::Receiver, Some(source), _) => {
            source.filter = Map::default();
            if let Some(name) = dynamic_name.filter(|_| source.dynamic) {
                source.address = Some(name.to_owned());
            }
        }
        (Role::Sender, _, Some(Target::Node(target))) => {
            if let Some(name) = dynamic_name.filter(|_| target.dynamic) {
                target.address = Some(name.to_owned());
            }
        }
        _ => {}
    }
    reply
}
