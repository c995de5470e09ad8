//! What a peer's attach asks a double for, and how it is answered.

use amqp_codec::AmqpError;
use amqp_codec::performative::{Attach, Coordinator, Role, Target};
use engine_message::Condition;
use engine_message::Symbol;

use super::node::Kind;

/// What an attach asks for.
#[derive(Debug)]
pub(super) enum Wanted {
    /// To send to an address.
    Send(Address),
    /// To send to an address of its own in every message.
    SendAnywhere,
    /// To receive from an address.
    Receive(Address),
    /// To do transactions.
    Coordinate,
}

/// An address that an attach names.
#[derive(Debug)]
pub(super) struct Address {
    /// `None`: it is to be made.
    pub name: Option<String>,
    /// What it is, if the attach says so.
    pub kind: Option<Kind>,
}

/// Reads an attach.
///
/// # Errors
/// What to refuse it with.
pub(super) fn wanted(attach: &Attach) -> Result<Wanted, AmqpError> {
    let address = |name: &Option<String>, dynamic: bool, capabilities: &[Symbol]| Address {
        name: name.clone().filter(|_| !dynamic),
        kind: kind(capabilities),
    };
    match (attach.role, &attach.source, &attach.target) {
        (Role::Sender, _, Some(Target::Node(target))) => {
            let named = target.address.as_deref().is_some_and(|name| !name.is_empty());
            Ok(if named || target.dynamic {
                Wanted::Send(address(&target.address, target.dynamic, &target.capabilities))
            } else {
                Wanted::SendAnywhere
            })
        }
        (Role::Sender, _, Some(Target::Coordinator(_))) => Ok(Wanted::Coordinate),
        (Role::Receiver, Some(source), _) if source.terminus.address.is_some() || source.terminus.dynamic => Ok(
            Wanted::Receive(address(&source.terminus.address, source.terminus.dynamic, &source.terminus.capabilities)),
        ),
        _ => Err(AmqpError::new(Condition::InvalidField, "the attach names nothing to send to or to receive from")),
    }
}

fn kind(capabilities: &[Symbol]) -> Option<Kind> {
    capabilities.iter().find_map(|capability| match capability.as_str() {
        "topic" | "temporary-topic" => Some(Kind::Topic),
        "queue" | "temporary-queue" => Some(Kind::Queue),
        _ => None,
    })
}

/// The answer to an attach that is accepted; `name` is that of its node.
pub(super) fn reply(attach: &Attach, name: Option<&str>) -> Attach {
    let mut reply = attach.answer();
    match (attach.role, &mut reply.source, &mut reply.target) {
        (Role::Receiver, Some(source), _) if source.terminus.dynamic => {
            source.terminus.address = name.map(str::to_owned)
        }
        (Role::Sender, _, Some(Target::Node(target))) if target.dynamic => target.address = name.map(str::to_owned),
        (Role::Sender, _, Some(Target::Coordinator(coordinator))) => *coordinator = Coordinator::default(),
        _ => {}
    }
    reply
}
