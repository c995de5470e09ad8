//! What a peer's attach asks for: a producer, a consumer, the anonymous relay, or nothing that there is here.
//!
//! Guarantees: what is asked for and not understood is left out of the answer, or refuses the link where leaving it out would change
//! what the link carries; nothing in it ends more than the link. Filters and outcomes have files of their own.

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    Attach, DistributionMode, Durability as TerminusDurability, ExpiryPolicy, LifetimePolicy, Role, SenderSettleMode,
    Source, Target, Terminus,
};
use engine_core::Origin;
use engine_core::command::{
    ConsumerSpec, Durability, Lifetime, Mode, Passage, ProducerSpec, Remembered, RoutingType, Searched, Settle,
    Sharing, Stage, Subscription,
};
use engine_core::event::AttachedInfo;
use engine_home::{AddressRules, Nodes, Plan};
use engine_message::Condition;
use engine_message::Symbol;
use engine_message::reader::Reader;
use engine_message::value::{Map, Value, read_symbols};

use crate::joints::is_between;
use crate::{filter, outcome, priority};

/// The capabilities of termini that mean something here.
const CAPABILITIES: [&str; 6] = ["queue", "topic", "temporary-queue", "temporary-topic", "shared", "global"];

/// Why a link that would receive from management is refused.
const NOT_FROM_HERE: &str =
    "management sends nothing by itself: attach to a dynamic source, and name its address as reply-to of requests";

/// Whether an attach asks for a node that gets a name here.
pub(crate) fn is_dynamic(attach: &Attach) -> bool {
    match (attach.role, &attach.source, &attach.target) {
        (Role::Sender, _, Some(Target::Node(target))) => target.dynamic,
        (Role::Receiver, Some(source), _) => source.terminus.dynamic,
        _ => false,
    }
}

/// Plans the answer to `attach`; `name` is the one of a dynamic node, if it asks for one, and `manages` says which addresses are those of
/// whoever manages the node.
pub(crate) fn plan(
    attach: &Attach,
    container: &str,
    name: Option<String>,
    rules: &AddressRules,
    manages: impl Fn(&str) -> bool,
) -> Result<Plan, AmqpError> {
    match attach.role {
        Role::Sender => match &attach.target {
            Some(Target::Node(target)) => producer(target, name, rules, manages),
            Some(Target::Coordinator(_)) => Ok(Plan::Coordinator),
            Some(Target::Other(_)) => Err(AmqpError::new(Condition::NotImplemented, "this type of target is unknown")),
            None => Err(AmqpError::new(Condition::InvalidField, "the attach has no target")),
        },
        Role::Receiver => match &attach.source {
            Some(source) => consumer(attach, source, container, name, rules, manages),
            None => remembered(attach, container),
        },
    }
}

/// The answer to an attach of a link to management.
pub(crate) fn managing(attach: &Attach) -> Attach {
    let target = match &attach.target {
        Some(Target::Node(node)) => Terminus { address: node.address.clone(), ..Terminus::default() },
        _ => Terminus::default(),
    };
    let answer = attach.answer();
    let source = answer.source.or_else(|| Some(Source::default()));
    Attach { source, target: Some(Target::Node(target)), ..answer }
}

fn producer(
    target: &Terminus,
    name: Option<String>,
    rules: &AddressRules,
    manages: impl Fn(&str) -> bool,
) -> Result<Plan, AmqpError> {
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
            if manages(address) {
                return Ok(Plan::Management);
            }
            (address.to_owned(), asked.or(prefixed), None)
        }
    };
    let passage = Passage::of(stage(&target.capabilities));
    Ok(Plan::Producer(Box::new(ProducerSpec { routing: prefixed, lifetime, passage, ..ProducerSpec::of(address) })))
}

fn consumer(
    attach: &Attach,
    source: &Source,
    container: &str,
    name: Option<String>,
    rules: &AddressRules,
    manages: impl Fn(&str) -> bool,
) -> Result<Plan, AmqpError> {
    let filter::Filters { selector, no_local, start } = filter::read(&source.filter)?;
    let default_outcome = outcome::default_of(source)?;
    let asked = routing(&source.terminus.capabilities);
    let (node, priority) = priority::of(&attach.properties, source.terminus.address.as_deref().unwrap_or_default())?;
    let (address, prefixed, lifetime) = match name {
        Some(name) => {
            let routing = asked.unwrap_or(RoutingType::Anycast);
            let lifetime = lifetime(&source.terminus.dynamic_node_properties, routing)?;
            (name, Some(routing), Some(lifetime))
        }
        None if !node.is_empty() => {
            let (address, prefixed) = rules.strip(node);
            if manages(address) {
                return Err(AmqpError::new(Condition::NotAllowed, NOT_FROM_HERE));
            }
            (address.to_owned(), asked.or(prefixed), None)
        }
        None => return Err(AmqpError::new(Condition::InvalidField, "the source has no address and is not dynamic")),
    };
    let browse = source.distribution_mode == Some(DistributionMode::Copy) && prefixed != Some(RoutingType::Multicast);
    Ok(Plan::Consumer(Box::new(ConsumerSpec {
        routing: prefixed,
        mode: if browse { Mode::Browse } else { Mode::Consume },
        priority,
        settle: settle(attach),
        subscription: subscription(attach, source, container),
        selector,
        no_local: no_local.then(|| Origin::of(container)),
        lifetime,
        default_outcome,
        passage: Passage::of(stage(&source.terminus.capabilities)),
        start,
        ..ConsumerSpec::of(address)
    })))
}

/// The durable subscription that a link had whose attach has no source (part 2.6.3): by its name, and by what of its container it
/// was, which clients say with capabilities of the link (artemis.md, 2.7).
fn remembered(attach: &Attach, container: &str) -> Result<Plan, AmqpError> {
    let subscription = named(attach, container, Durability::Durable, sharing(&attach.desired_capabilities));
    Ok(Plan::Consumer(Box::new(ConsumerSpec {
        priority: priority::of_link(&attach.properties)?.unwrap_or(0),
        settle: settle(attach),
        subscription: Some(subscription),
        searched: Searched { remembered: Some(Remembered::default()), ..Searched::default() },
        ..ConsumerSpec::of("")
    })))
}

/// The subscription that a link is named after. Qpid JMS: further consumers of a shared one add a bar and a suffix to its name.
fn named(attach: &Attach, container: &str, durability: Durability, sharing: Sharing) -> Subscription {
    let name = match sharing {
        Sharing::Exclusive => &attach.name,
        Sharing::Shared | Sharing::Global => attach.name.split('|').next().unwrap_or_default(),
    };
    Subscription { container: container.to_owned(), name: name.to_owned(), durability, sharing }
}

/// Who may attach, as capabilities say it, those of a source or those of a link without one. Which containers share a subscription is
/// asked of a shared one only.
fn sharing(capabilities: &[Symbol]) -> Sharing {
    let has = |name: &str| capabilities.iter().any(|capability| *capability == name);
    match (has("shared"), has("global")) {
        (true, true) => Sharing::Global,
        (true, false) => Sharing::Shared,
        (false, _) => Sharing::Exclusive,
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
    let sharing = sharing(&source.terminus.capabilities);
    if (!durable && sharing == Sharing::Exclusive) || has("queue") {
        return None;
    }
    let durability = if durable { Durability::Durable } else { Durability::Volatile };
    Some(named(attach, container, durability, sharing))
}

/// What capabilities ask for.
fn routing(capabilities: &[Symbol]) -> Option<RoutingType> {
    capabilities.iter().find_map(|capability| match capability.as_str() {
        "queue" | "temporary-queue" => Some(RoutingType::Anycast),
        "topic" | "temporary-topic" => Some(RoutingType::Multicast),
        _ => None,
    })
}

/// Which stage of a routed address capabilities ask for.
fn stage(capabilities: &[Symbol]) -> Option<Stage> {
    capabilities.iter().find_map(|capability| Stage::of_capability(capability.as_str()))
}

/// Whether the distribution modes that a dynamic node is to have (`supported-dist-modes`, part 3.5.9) are some that there are.
fn check_modes(properties: &Map) -> Result<(), AmqpError> {
    let modes = match properties.get("supported-dist-modes") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Symbol(mode)) => Some(vec![mode.clone()]),
        Some(Value::Array(modes)) => read_symbols(&mut Reader::new(modes.as_bytes())).ok(),
        Some(_) => None,
    };
    if modes.is_some_and(|modes| modes.iter().all(|mode| *mode == "move" || *mode == "copy")) {
        return Ok(());
    }
    let text = "the dynamic node's supported-dist-modes are others than move and copy";
    Err(AmqpError::new(Condition::InvalidField, text))
}

/// How long a dynamic node of `routing` lives.
fn lifetime(properties: &Map, routing: RoutingType) -> Result<Lifetime, AmqpError> {
    check_modes(properties)?;
    let asked = properties.get("lifetime-policy").is_some_and(|policy| *policy != Value::Null);
    match LifetimePolicy::of(properties) {
        Some(LifetimePolicy::DeleteOnClose) => Ok(Lifetime::OnClose),
        Some(LifetimePolicy::DeleteOnNoLinks) => Ok(Lifetime::NoLinks),
        Some(LifetimePolicy::DeleteOnNoMessages) if routing == RoutingType::Multicast => {
            let text = "a dynamic topic keeps no messages: its lifetime policy cannot be delete-on-no-messages";
            Err(AmqpError::new(Condition::NotImplemented, text))
        }
        Some(LifetimePolicy::DeleteOnNoMessages) => Ok(Lifetime::NoMessages),
        Some(LifetimePolicy::DeleteOnNoLinksOrMessages) => Ok(Lifetime::NoLinksOrMessages),
        None if asked => {
            let text = "the dynamic node's lifetime policy is none of the four that the specification has";
            Err(AmqpError::new(Condition::InvalidField, text))
        }
        None => Ok(Lifetime::OnClose),
    }
}

/// The answer to an attach whose plan succeeded: the peer's own terminus as it is, and ours as it is here: without filters that
/// are not applied and whatever else has no meaning here, with the name of a dynamic node and the outcomes that are used.
pub(crate) fn reply(attach: &Attach, info: &AttachedInfo, nodes: Nodes) -> Attach {
    let name = info.address.as_str();
    let known = |capability: &Symbol| {
        let is_stage = nodes == Nodes::Routed && Stage::of_capability(capability.as_str()).is_some();
        is_stage || is_between(capability.as_str()) || CAPABILITIES.contains(&capability.as_str())
    };
    let mut reply = attach.answer();
    if attach.role == Role::Receiver && reply.source.is_none() {
        reply.source = Some(remembered_source(attach, info));
    }
    let node = (attach.role, &mut reply.source, &mut reply.target);
    match node {
        (Role::Receiver, Some(source), _) => {
            filter::answer(&mut source.filter, info.no_local, info.started);
            outcome::answer(source);
            let made = source.terminus.dynamic.then(|| policy(&source.terminus.dynamic_node_properties));
            source.terminus.capabilities.retain(known);
            answer_node(&mut source.terminus.dynamic_node_properties, made);
            if source.terminus.dynamic {
                source.terminus.address = Some(name.to_owned());
            }
        }
        (Role::Sender, _, Some(Target::Node(target))) => {
            let made = target.dynamic.then(|| policy(&target.dynamic_node_properties));
            target.capabilities.retain(known);
            answer_node(&mut target.dynamic_node_properties, made);
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
    let filter = filter::in_force(info.selector.as_deref(), info.no_local);
    Source { terminus, filter, ..Source::default() }
}

/// The lifetime policy of a node that is made with these properties.
fn policy(properties: &Map) -> LifetimePolicy {
    LifetimePolicy::of(properties).unwrap_or(LifetimePolicy::DeleteOnClose)
}

/// Leaves what has a meaning here of a node's properties: the policy of one that was `made`.
fn answer_node(properties: &mut Map, made: Option<LifetimePolicy>) {
    *properties = Map::default();
    if let Some(policy) = made {
        properties.insert("lifetime-policy", policy.to_value());
    }
}

#[cfg(test)]
mod tests {
    use engine_message::value::{Described, Raw};

    use super::*;

    #[test]
    fn what_no_dynamic_node_can_be_is_an_invalid_field() {
        let policy = |code| {
            Value::Described(Box::new(Described { descriptor: Value::Ulong(code), value: Value::List(Vec::new()) }))
        };
        let symbol = |name: &'static str| Value::Symbol(name.into());
        let array = |names: &[&str]| {
            let mut bytes = vec![0xe0, 0, u8::try_from(names.len()).expect("few"), 0xa3];
            for name in names {
                bytes.push(u8::try_from(name.len()).expect("short"));
                bytes.extend(name.as_bytes());
            }
            bytes[1] = u8::try_from(bytes.len() - 2).expect("short");
            Value::Array(Raw::new(&bytes).expect("well-formed"))
        };
        let lived = |key: &'static str, value| {
            let mut properties = Map::default();
            properties.insert(key, value);
            lifetime(&properties, RoutingType::Anycast).map_err(|error| error.condition.as_str().to_owned())
        };
        let invalid = || Err("amqp:invalid-field".to_owned());
        for (key, value, wanted) in [
            ("lifetime-policy", policy(0x2c), Ok(Lifetime::NoLinks)),
            ("lifetime-policy", Value::Null, Ok(Lifetime::OnClose)),
            ("lifetime-policy", policy(0x2a), invalid()),
            ("lifetime-policy", symbol("delete-on-close"), invalid()),
            ("supported-dist-modes", symbol("move"), Ok(Lifetime::OnClose)),
            ("supported-dist-modes", array(&["copy", "move"]), Ok(Lifetime::OnClose)),
            ("supported-dist-modes", array(&["copy", "steal"]), invalid()),
            ("supported-dist-modes", symbol("steal"), invalid()),
            ("supported-dist-modes", Value::String("move".to_owned()), invalid()),
        ] {
            assert_eq!(lived(key, value.clone()), wanted, "{key}: {value:?}");
        }
    }

    /// The queue's name of a durable subscription of the link `name`, which capabilities ask for: with a source, and without.
    fn queue_names(name: &str, capabilities: &[&'static str]) -> [String; 2] {
        let capabilities: Vec<Symbol> = capabilities.iter().copied().map(Symbol::from).collect();
        let terminus = Terminus {
            durable: TerminusDurability::UnsettledState,
            capabilities: capabilities.clone(),
            ..Terminus::at("news")
        };
        let source = Some(Source { terminus, ..Source::default() });
        let link = || Attach::new(name, 0, Role::Receiver);
        [Attach { source, ..link() }, Attach { desired_capabilities: capabilities, ..link() }].map(|attach| match plan(
            &attach,
            "c",
            None,
            &AddressRules::default(),
            |_| false,
        ) {
            Ok(Plan::Consumer(spec)) => spec.subscription.expect("a subscription").queue_name(),
            other => panic!("no consumer: {other:?}"),
        })
    }

    #[test]
    fn a_subscription_has_one_name_whether_its_link_has_a_source_or_not() {
        for (capabilities, name, wanted) in [
            (&[][..], "sub", "c.sub"),
            (&[], "sub|1", "c.sub|1"),
            (&["shared"], "sub", "c.sub"),
            (&["shared"], "sub|1", "c.sub"),
            (&["shared", "global"], "sub|global2", "sub:global"),
            (&["global"], "sub", "c.sub"),
        ] {
            assert_eq!(queue_names(name, capabilities), [wanted; 2], "{name}, {capabilities:?}");
        }
    }
}
