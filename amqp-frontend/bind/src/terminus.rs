//! What a peer's attach asks for: a producer, a consumer, the anonymous relay, or nothing that there is here.
//!
//! Guarantees: what is asked for and not understood is left out of the answer, or refuses the link where leaving it out would change
//! what the link carries; nothing in it ends more than the link. Filters and outcomes have files of their own.

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    Attach, DistributionMode, Durability as TerminusDurability, ExpiryPolicy, LifetimePolicy, Role, SenderSettleMode,
    Source, Target, Terminus,
};
use engine_core::command::{
    ConsumerSpec, Durability, Lifetime, Mode, ProducerSpec, Remembered, RoutingType, Settle, Sharing, Subscription,
};
use engine_core::event::AttachedInfo;
use engine_home::{AddressRules, Plan};
use engine_message::Condition;
use engine_message::Symbol;
use engine_message::value::{Map, Value};

use crate::{filter, outcome};

/// The capabilities of termini that mean something here.
const CAPABILITIES: [&str; 6] = ["queue", "topic", "temporary-queue", "temporary-topic", "shared", "global"];

/// Whether an attach asks for a node that gets a name here.
pub(crate) fn is_dynamic(attach: &Attach) -> bool {
    match (attach.role, &attach.source, &attach.target) {
        (Role::Sender, _, Some(Target::Node(target))) => target.dynamic,
        (Role::Receiver, Some(source), _) => source.terminus.dynamic,
        _ => false,
    }
}

/// Plans the answer to `attach`; `name` is the one of a dynamic node, if it asks for one.
pub(crate) fn plan(
    attach: &Attach,
    container: &str,
    rules: &AddressRules,
    name: Option<String>,
) -> Result<Plan, AmqpError> {
    match attach.role {
        Role::Sender => match &attach.target {
            Some(Target::Node(target)) => producer(target, rules, name),
            Some(Target::Coordinator(_)) => {
                Err(AmqpError::new(Condition::NotImplemented, "transactions are not implemented yet"))
            }
            Some(Target::Other(_)) => Err(AmqpError::new(Condition::NotImplemented, "this type of target is unknown")),
            None => Err(AmqpError::new(Condition::InvalidField, "the attach has no target")),
        },
        Role::Receiver => match &attach.source {
            Some(source) => consumer(attach, source, container, rules, name),
            None => Ok(remembered(attach, container)),
        },
    }
}

fn producer(target: &Terminus, rules: &AddressRules, name: Option<String>) -> Result<Plan, AmqpError> {
    let asked = routing(&target.capabilities);
    let (address, prefixed, lifetime) = match (&target.address, name) {
        (_, Some(name)) => {
            let routing = asked.unwrap_or(RoutingType::Anycast);
            let lifetime = lifetime(&target.dynamic_node_properties, routing)?;
            (name, Some(routing), Some(lifetime))
        }
        (None, None) => return Ok(Plan::Relay(asked)),
        (Some(address), None) if address.is_empty() => return Ok(Plan::Relay(asked)),
        (Some(address), None) => {
            let (address, prefixed) = rules.strip(address);
            (address.to_owned(), asked.or(prefixed), None)
        }
    };
    Ok(Plan::Producer(Box::new(ProducerSpec { routing: prefixed, lifetime, ..ProducerSpec::of(address) })))
}

fn consumer(
    attach: &Attach,
    source: &Source,
    container: &str,
    rules: &AddressRules,
    name: Option<String>,
) -> Result<Plan, AmqpError> {
    let selector = filter::selector(&source.filter)?;
    let default_outcome = outcome::default_of(source)?;
    let asked = routing(&source.terminus.capabilities);
    let (address, prefixed, lifetime) = match (&source.terminus.address, name) {
        (_, Some(name)) => {
            let routing = asked.unwrap_or(RoutingType::Anycast);
            let lifetime = lifetime(&source.terminus.dynamic_node_properties, routing)?;
            (name, Some(routing), Some(lifetime))
        }
        (Some(address), None) if !address.is_empty() => {
            let (address, prefixed) = rules.strip(address);
            (address.to_owned(), asked.or(prefixed), None)
        }
        _ => return Err(AmqpError::new(Condition::InvalidField, "the source has no address and is not dynamic")),
    };
    let browse = source.distribution_mode == Some(DistributionMode::Copy) && prefixed != Some(RoutingType::Multicast);
    Ok(Plan::Consumer(Box::new(ConsumerSpec {
        routing: prefixed,
        mode: if browse { Mode::Browse } else { Mode::Consume },
        settle: settle(attach),
        subscription: subscription(attach, source, container),
        selector,
        lifetime,
        default_outcome,
        ..ConsumerSpec::of(address)
    })))
}

/// The durable subscription that a link had whose attach has no source (part 2.6.3): by its name, and by what of its container it
/// was, which clients say with capabilities of the link (artemis.md, 2.7).
fn remembered(attach: &Attach, container: &str) -> Plan {
    let subscription = Subscription {
        container: container.to_owned(),
        name: subscription_name(attach),
        durability: Durability::Durable,
        sharing: sharing(&attach.desired_capabilities),
    };
    Plan::Consumer(Box::new(ConsumerSpec {
        settle: settle(attach),
        subscription: Some(subscription),
        remembered: Some(Remembered::default()),
        ..ConsumerSpec::of("")
    }))
}

/// The name of the subscription of a link. Qpid JMS: further consumers of one add a bar and a suffix to its name.
fn subscription_name(attach: &Attach) -> String {
    attach.name.split('|').next().unwrap_or_default().to_owned()
}

/// Who may attach, as capabilities say it.
fn sharing(capabilities: &[Symbol]) -> Sharing {
    let has = |name: &str| capabilities.iter().any(|capability| *capability == name);
    match (has("shared"), has("global")) {
        (_, true) => Sharing::Global,
        (true, false) => Sharing::Shared,
        (false, false) => Sharing::Exclusive,
    }
}

/// Who settles what a link is sent.
fn settle(attach: &Attach) -> Settle {
    if attach.snd_settle_mode == SenderSettleMode::Settled { Settle::OnSend } else { Settle::ByPeer }
}

/// A subscription that has a name of its own: durable, or shared (artemis.md, 2.7).
fn subscription(attach: &Attach, source: &Source, container: &str) -> Option<Subscription> {
    let has = |name: &str| source.terminus.capabilities.iter().any(|capability| *capability == name);
    let durable =
        source.terminus.durable != TerminusDurability::None || source.terminus.expiry_policy == ExpiryPolicy::Never;
    if (!durable && !has("shared")) || has("queue") {
        return None;
    }
    Some(Subscription {
        container: container.to_owned(),
        name: subscription_name(attach),
        durability: if durable { Durability::Durable } else { Durability::Volatile },
        sharing: match (has("shared"), has("global")) {
            (true, true) => Sharing::Global,
            (true, false) => Sharing::Shared,
            _ => Sharing::Exclusive,
        },
    })
}

/// What capabilities ask for.
fn routing(capabilities: &[Symbol]) -> Option<RoutingType> {
    capabilities.iter().find_map(|capability| match capability.as_str() {
        "queue" | "temporary-queue" => Some(RoutingType::Anycast),
        "topic" | "temporary-topic" => Some(RoutingType::Multicast),
        _ => None,
    })
}

/// How long a dynamic node of `routing` lives.
fn lifetime(properties: &Map, routing: RoutingType) -> Result<Lifetime, AmqpError> {
    let asked = properties.get("lifetime-policy").is_some_and(|policy| *policy != Value::Null);
    let unknown = |text| Err(AmqpError::new(Condition::NotImplemented, text));
    match LifetimePolicy::of(properties) {
        Some(LifetimePolicy::DeleteOnClose) => Ok(Lifetime::OnClose),
        Some(LifetimePolicy::DeleteOnNoLinks) => Ok(Lifetime::NoLinks),
        Some(LifetimePolicy::DeleteOnNoMessages) if routing == RoutingType::Multicast => {
            unknown("a dynamic topic keeps no messages: its lifetime policy cannot be delete-on-no-messages")
        }
        Some(LifetimePolicy::DeleteOnNoMessages) => Ok(Lifetime::NoMessages),
        Some(LifetimePolicy::DeleteOnNoLinksOrMessages) => Ok(Lifetime::NoLinksOrMessages),
        None if asked => unknown("the dynamic node's lifetime policy is none of the four that the specification has"),
        None => Ok(Lifetime::OnClose),
    }
}

/// The answer to an attach whose plan succeeded: the peer's own terminus as it is, and ours as it is here: without filters that
/// are not applied and whatever else has no meaning here, with the name of a dynamic node and the outcomes that are used.
pub(crate) fn reply(attach: &Attach, info: &AttachedInfo) -> Attach {
    let name = info.address.as_str();
    let mut reply = attach.answer();
    if attach.role == Role::Receiver && reply.source.is_none() {
        reply.source = Some(remembered_source(attach, info));
    }
    let node = (attach.role, &mut reply.source, &mut reply.target);
    match node {
        (Role::Receiver, Some(source), _) => {
            filter::answer(&mut source.filter);
            outcome::answer(source);
            let made = source.terminus.dynamic.then(|| policy(&source.terminus.dynamic_node_properties));
            answer_node(&mut source.terminus.capabilities, &mut source.terminus.dynamic_node_properties, made);
            if source.terminus.dynamic {
                source.terminus.address = Some(name.to_owned());
            }
        }
        (Role::Sender, _, Some(Target::Node(target))) => {
            let made = target.dynamic.then(|| policy(&target.dynamic_node_properties));
            answer_node(&mut target.capabilities, &mut target.dynamic_node_properties, made);
            if target.dynamic {
                target.address = Some(name.to_owned());
            }
        }
        _ => {}
    }
    reply
}

/// The source of a durable subscription to an address that was found by its name.
fn remembered_source(attach: &Attach, info: &AttachedInfo) -> Source {
    let shared =
        ["shared", "global"].into_iter().filter(|name| attach.desired_capabilities.iter().any(|has| has == name));
    let terminus = Terminus {
        durable: TerminusDurability::UnsettledState,
        expiry_policy: ExpiryPolicy::Never,
        capabilities: std::iter::once("topic").chain(shared).map(Symbol::from).collect(),
        ..Terminus::at(info.address.as_str())
    };
    let filter = info.selector.as_deref().map(filter::of_selector).unwrap_or_default();
    Source { terminus, filter, ..Source::default() }
}

/// The lifetime policy of a node that is made with these properties.
fn policy(properties: &Map) -> LifetimePolicy {
    LifetimePolicy::of(properties).unwrap_or(LifetimePolicy::DeleteOnClose)
}

/// Leaves what has a meaning here of capabilities, and of a node's properties: the policy of one that was `made`.
fn answer_node(capabilities: &mut Vec<Symbol>, properties: &mut Map, made: Option<LifetimePolicy>) {
    capabilities.retain(|capability| CAPABILITIES.contains(&capability.as_str()));
    *properties = Map::default();
    if let Some(policy) = made {
        properties.insert("lifetime-policy", policy.to_value());
    }
}
