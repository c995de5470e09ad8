//! What a link asks a server for, so that Heddle, Artemis, RabbitMQ and qdrouterd understand the same by it.
//!
//! Queues and topics are asked for by the capabilities `queue` and `topic`, which brokers that create addresses go by and others ignore.
//! RabbitMQ 4 has its own addresses, `/queues/…` and `/exchanges/…`: they are used as they are, and nothing is asked for besides.

use amqp_codec::performative::{
    Attach, Coordinator, ReceiverSettleMode, Role, SenderSettleMode, Source, Target, Terminus,
};
use engine_message::value::{Described, Map, Value};
use load_model::scenario::{Group, Pattern, Settle};

/// The filter of JMS selectors, as apache.org registered it.
const SELECTOR: &str = "apache.org:selector-filter:string";
/// The name that ours has.
const FILTER: &str = "jms-selector";

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask<'a> {
    /// Sends to an address.
    Send(&'a str),
    /// Receives from an address.
    Receive(&'a str),
    /// Receives from an address what a selector is true for.
    Select(&'a str, &'a str),
    /// Receives from a node that the server makes up.
    ReceiveReplies,
    /// Sends to wherever each message says.
    SendReplies,
    /// Speaks to the coordinator of transactions.
    Coordinate,
}

/// The attach of a link of a group.
pub(crate) fn attach(name: String, group: &Group, ask: Ask<'_>) -> Attach {
    let topic = group.pattern == Pattern::Topic;
    let capabilities = |address: &str| {
        let own = address.starts_with("/queues/") || address.starts_with("/exchanges/");
        if own { Vec::new() } else { vec![if topic { "topic".into() } else { "queue".into() }] }
    };
    let modes = |role, settle| {
        let (snd_settle_mode, rcv_settle_mode) = match settle {
            Settle::Presettled => (SenderSettleMode::Settled, ReceiverSettleMode::First),
            Settle::Unsettled => (SenderSettleMode::Unsettled, ReceiverSettleMode::First),
            Settle::Second => (SenderSettleMode::Unsettled, ReceiverSettleMode::Second),
        };
        let initial_delivery_count = (role == Role::Sender).then_some(0);
        Attach { snd_settle_mode, rcv_settle_mode, initial_delivery_count, ..Attach::new(name, 0, role) }
    };
    let outcomes = || {
        ["amqp:accepted:list", "amqp:rejected:list", "amqp:released:list", "amqp:modified:list"]
            .map(Into::into)
            .to_vec()
    };
    let filter = match ask {
        Ask::Select(_, selector) => filter(selector),
        _ => Map::default(),
    };
    match ask {
        Ask::Send(address) => Attach {
            source: Some(Source { outcomes: outcomes(), ..Source::default() }),
            target: Some(Target::Node(Terminus { capabilities: capabilities(address), ..Terminus::at(address) })),
            ..modes(Role::Sender, group.settle)
        },
        Ask::Receive(address) | Ask::Select(address, _) => Attach {
            source: Some(Source {
                outcomes: outcomes(),
                filter,
                ..Terminus { capabilities: capabilities(address), ..Terminus::at(address) }.into()
            }),
            target: Some(Target::Node(Terminus::default())),
            ..modes(Role::Receiver, group.settle)
        },
        Ask::ReceiveReplies => Attach {
            source: Some(Source { outcomes: outcomes(), ..Terminus::dynamic().into() }),
            target: Some(Target::Node(Terminus::default())),
            ..modes(Role::Receiver, first(group.settle))
        },
        Ask::SendReplies => Attach {
            source: Some(Source { outcomes: outcomes(), ..Source::default() }),
            target: Some(Target::Node(Terminus::default())),
            ..modes(Role::Sender, first(group.settle))
        },
        Ask::Coordinate => Attach {
            source: Some(Source { outcomes: outcomes(), ..Source::default() }),
            target: Some(Target::Coordinator(Coordinator {
                capabilities: vec!["amqp:local-transactions".into(), "amqp:multi-txns-per-ssn".into()],
            })),
            ..modes(Role::Sender, Settle::Unsettled)
        },
    }
}

fn filter(selector: &str) -> Map {
    let (descriptor, value) = (Value::Symbol(SELECTOR.into()), Value::String(selector.to_owned()));
    let mut filter = Map::default();
    filter.insert(FILTER, Value::Described(Box::new(Described { descriptor, value })));
    filter
}

/// Whether the server's answer to our attach says that it goes by our selector: what it leaves out it does not do (part 3.5.3).
pub(crate) fn has_selector(answer: &Attach) -> bool {
    answer.source.as_ref().is_some_and(|source| source.filter.get(FILTER).is_some_and(|filter| *filter != Value::Null))
}

/// Replies are confirmed by nobody: their latency is that of the round.
fn first(settle: Settle) -> Settle {
    if settle == Settle::Second { Settle::Unsettled } else { settle }
}
