//! Links: every attach is answered first, temporary nodes do not come back, filters are refused.

use std::net::TcpStream;

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    Attach, Begin, Close, Coordinator, Detach, DistributionMode, End, Flow, LifetimePolicy, Performative, Role, Source,
    Target, Terminus, Transfer, encode_frame, encode_transfer,
};
use engine_message::Condition;
use engine_message::value::{Described, Map, Value};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Peer, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"";

type Wire = Peer<TcpStream>;

fn frames(performatives: &[Performative<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    performatives.iter().for_each(|performative| encode_frame(&mut bytes, 0, performative));
    bytes
}

pub fn source(address: &str) -> Source {
    Source::from(Terminus::at(address))
}

fn topic(address: &str) -> Source {
    Source::from(Terminus { capabilities: vec!["topic".into()], ..Terminus::at(address) })
}

fn dynamic_source() -> Source {
    Source::from(Terminus::dynamic())
}

fn target(address: &str) -> Target {
    Target::Node(Terminus::at(address))
}

pub fn receiver(name: &str, handle: u32, source: Source) -> Performative<'static> {
    let (source, target) = (Some(source), Some(target("here")));
    Performative::Attach(Box::new(Attach { source, target, ..Attach::new(name, handle, Role::Receiver) }))
}

fn sender(name: &str, handle: u32, target: Target) -> Performative<'static> {
    let (source, target) = (Some(source("here")), Some(target));
    Performative::Attach(Box::new(Attach { source, target, ..Attach::new(name, handle, Role::Sender) }))
}

pub fn detach(handle: u32) -> Performative<'static> {
    Performative::Detach(Detach { handle, closed: true, error: None })
}

pub fn flow(handle: u32) -> Performative<'static> {
    let (handle, link_credit) = (Some(handle), Some(1));
    let window = 1000;
    Performative::Flow(Flow {
        handle,
        link_credit,
        incoming_window: window,
        outgoing_window: window,
        ..Flow::default()
    })
}

/// Attaches and gives the condition that it was refused with.
fn refusal(peer: &mut Wire, attach: &Performative<'_>) -> Option<AmqpError> {
    let Performative::Attach(asked) = attach else { panic!("an attach") };
    peer.put(attach);
    peer.answer(&asked.name).1
}

fn condition_of(refusal: Option<AmqpError>) -> Option<String> {
    refusal.map(|error| error.condition.as_str().to_owned())
}

/// What the broker says of links up to the end of the last one that is named, or of session or connection.
fn said(peer: &mut Wire, until: &str) -> Vec<String> {
    let mut said = Vec::new();
    let mut names = std::collections::BTreeMap::new();
    peer.until(|performative| {
        let what = match performative {
            Performative::Attach(attach) => {
                names.insert(attach.handle, attach.name.clone());
                let address = attach
                    .source
                    .as_ref()
                    .filter(|source| source.terminus.dynamic)
                    .map(|source| &source.terminus.address);
                assert_ne!(address, Some(&None), "the answer names a dynamic node");
                format!("attach {}", attach.name)
            }
            Performative::Detach(detach) => {
                let name = names.remove(&detach.handle).expect("a detach names what was attached");
                format!("detach {name}")
            }
            Performative::End(_) => "end".to_owned(),
            Performative::Close(_) => "close".to_owned(),
            _ => return None,
        };
        let done = what == until;
        said.push(what);
        done.then_some(())
    });
    said
}

/// Links of every kind: to queues of both shards, topics, dynamic nodes, the relay, and what is refused.
fn kinds() -> Vec<(String, Performative<'static>)> {
    let topic = topic("quick-topic");
    let mut kinds = vec![
        ("topic".to_owned(), receiver("topic", 0, topic)),
        ("dynamic".to_owned(), receiver("dynamic", 0, dynamic_source())),
        ("refused".to_owned(), receiver("refused", 0, source(""))),
        ("relay".to_owned(), sender("relay", 0, Target::Node(Terminus::default()))),
        ("coordinator".to_owned(), sender("coordinator", 0, Target::Coordinator(Coordinator::default()))),
    ];
    for number in 0..8 {
        let (to, from) = (format!("to-{number}"), format!("from-{number}"));
        kinds.push((to.clone(), sender(&to, 0, target(&to))));
        kinds.push((from.clone(), receiver(&from, 0, source(&from))));
    }
    kinds
}

#[test]
fn an_attach_is_answered_before_its_end_on_a_connection_that_moves_to_its_first_link() {
    let broker = Broker::start(LISTENER);
    let transfer = {
        let mut bytes = Vec::new();
        let transfer = Transfer { handle: 0, delivery_id: Some(0), delivery_tag: Some(b"t"), ..Transfer::default() };
        encode_transfer(&mut bytes, 0, &transfer, 4);
        bytes.extend([0x00, 0x53, 0x77, 0x40]);
        bytes
    };
    for (name, attach) in kinds() {
        let (attached, detached) = (format!("attach {name}"), format!("detach {name}"));
        for (behind, until, wanted) in [
            (frames(&[detach(0)]), detached.as_str(), vec![attached.clone(), detached.clone()]),
            (frames(&[flow(0), detach(0)]), &detached, vec![attached.clone(), detached.clone()]),
            (frames(&[Performative::End(End::default())]), "end", vec![attached.clone(), "end".to_owned()]),
            (frames(&[Performative::Close(Close::default())]), "close", vec![attached.clone(), "close".to_owned()]),
        ] {
            let mut peer = opened(&broker);
            peer.send(&[frames(std::slice::from_ref(&attach)), behind].concat());
            let mut said = said(&mut peer, until);
            // What is refused is detached at once, so that the end finds nothing.
            said.retain(|what| what != &detached || until == detached);
            assert_eq!(said, wanted);
        }
        let Performative::Attach(asked) = &attach else { panic!("an attach") };
        if asked.role == Role::Sender {
            let mut peer = opened(&broker);
            peer.send(&[frames(&[attach.clone(), flow(0)]), transfer.clone(), frames(&[detach(0)])].concat());
            assert_eq!(said(&mut peer, &detached), [attached, detached]);
        }
    }
}

#[test]
fn an_attach_is_answered_before_its_end_while_its_owner_is_another_shard() {
    let broker = Broker::start(LISTENER);
    // A link that stays keeps the connection where it is, so that half of the answers come through the mesh.
    let mut peer = opened(&broker);
    assert_eq!(refusal(&mut peer, &receiver("stays", 1, source("stays"))), None);
    let (mut bytes, mut wanted) = (Vec::new(), Vec::new());
    for (name, attach) in kinds() {
        // Twice the same name and handle.
        for _ in 0..2 {
            bytes.extend(frames(&[attach.clone(), detach(0)]));
            wanted.extend([format!("attach {name}"), format!("detach {name}")]);
        }
    }
    bytes.extend(frames(&[sender("last", 0, target("last")), Performative::End(End::default())]));
    wanted.extend(["attach last".to_owned(), "end".to_owned()]);
    peer.send(&bytes);
    let said = said(&mut peer, "end");
    let (attaches, names): (Vec<_>, Vec<_>) =
        wanted.iter().filter_map(|what| Some((what, what.strip_prefix("attach ")?))).unzip();
    let is_attach = |what: &&String| what.starts_with("attach ");
    assert_eq!(said.iter().filter(is_attach).collect::<Vec<_>>(), attaches, "attaches are answered in their order");
    // A detach is answered when the owner has ended the link, and the next attach of its name behind that.
    for name in names {
        let of = |all: &[String]| all.iter().filter(|what| what.ends_with(name)).cloned().collect::<Vec<_>>();
        assert_eq!(of(&said), of(&wanted));
    }
    assert_eq!(said.last(), wanted.last());
    // Nothing of them is left.
    wait_for("links to be gone", || {
        let state = broker.state();
        let links: Option<u64> =
            state["connections"].as_array()?.iter().map(|connection| connection["links"].as_u64()).sum();
        (links == Some(0)).then_some(())
    });
}

#[test]
fn begin_and_end_open_and_close_in_one_write_are_answered() {
    let broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    let begin = Begin { incoming_window: 100, outgoing_window: 100, ..Begin::default() };
    peer.send(&frames(&[
        Performative::End(End::default()),
        Performative::Begin(Box::new(begin)),
        Performative::End(End::default()),
        Performative::Close(Close::default()),
    ]));
    assert_eq!(said(&mut peer, "close"), ["end", "end", "close"]);
}

#[test]
fn filters_that_choose_messages_are_refused_by_name_and_told_once() {
    let broker = Broker::start(LISTENER);
    let mut peer = opened(&broker);
    let filtered = |name: &'static str, descriptor: Value, value: Value| {
        let mut filter = Map::default();
        filter.insert(name, Value::Described(Box::new(Described { descriptor, value })));
        Source { filter, ..source("filtered") }
    };
    let text = || Value::String("colour = 'red'".to_owned());
    let symbol = |name: &'static str| Value::Symbol(name.into());
    let refused = [
        ("sql", Value::Ulong(0x120), text()),
        ("headers", Value::Ulong(0x0000_468c_0000_0002), Value::List(Vec::new())),
        ("direct", symbol("apache.org:legacy-amqp-direct-binding:string"), text()),
        ("topic", symbol("apache.org:legacy-amqp-topic-binding:string"), text()),
    ];
    let count = refused.len();
    for (handle, (name, descriptor, value)) in refused.into_iter().enumerate() {
        let link = receiver(name, handle as u32, filtered(name, descriptor, value));
        let error = refusal(&mut peer, &link).expect("it is refused");
        assert_eq!(error.condition, Condition::NotImplemented);
        let description = error.description.expect("it says why");
        assert!(description.contains(&format!("the filter {name:?} (a")), "{description}");
    }
    let log = wait_for("the log", || {
        let log = broker.log();
        (log.matches("link refused").count() >= count).then_some(log)
    });
    assert_eq!(log.matches("link refused").count(), count, "one line for each: {log}");
    assert!(log.contains("legacy-amqp-headers-binding"), "{log}");
    // One that nobody knows is left out of the answer.
    peer.put(&receiver("unknown", 20, filtered("mine", symbol("com.example:sampling"), Value::Uint(7))));
    let (attach, refused) = peer.answer("unknown");
    assert_eq!(refused, None);
    assert!(attach.source.expect("it is attached").filter.is_empty());
}

#[test]
fn a_temporary_node_is_made_where_no_other_is_and_never_again() {
    let folder = TempDir::new().expect("a folder");
    let config = format!("{LISTENER}\n[[address]]\nmatch = \"#\"\nauto_create = false");
    let broker = Broker::start_in(folder, &config);
    let mut peer = opened(&broker);
    let not_found = Some(Condition::NotFound.to_string());
    assert_eq!(condition_of(refusal(&mut peer, &sender("none", 9, target("none")))), not_found);
    // Names of one connection, which may live on either shard, and of others.
    let mut names = std::collections::BTreeSet::new();
    let mut others: Vec<Wire> = (0..4).map(|_| opened(&broker)).collect();
    for (handle, peer) in others.iter_mut().chain([&mut peer]).enumerate() {
        for more in 0..4 {
            let name = format!("dynamic-{handle}-{more}");
            peer.put(&receiver(&name, more, dynamic_source()));
            let (attach, refused) = peer.answer(&name);
            assert_eq!(refused, None, "dynamic nodes are made all the same");
            names.insert(attach.source.and_then(|source| source.terminus.address).expect("a name"));
        }
    }
    assert_eq!(names.len(), 20, "each has a name of its own");
    let node = names.iter().next().expect("a name").clone();
    // While it is there, others reach it.
    let mut client = opened(&broker);
    assert_eq!(refusal(&mut client, &sender("replies", 0, target(&node))), None);
    let credit = |performative: &Performative<'_>| {
        matches!(performative, Performative::Flow(flow) if flow.handle.is_some()).then_some(())
    };
    client.until(credit);
    drop((others, peer));
    // It goes with its creator, and whoever sends to it is told.
    let why = client.detached();
    assert!(why.contains(Condition::ResourceDeleted.as_str()), "{why}");
    let folder = gone_for_good(broker, &names, &config);
    // Nor does another run make one of the old names.
    let broker = Broker::start_in(folder, LISTENER);
    let mut peer = opened(&broker);
    peer.put(&receiver("dynamic", 0, dynamic_source()));
    let name = peer.answer("dynamic").0.source.and_then(|source| source.terminus.address).expect("a name");
    assert!(!names.contains(&name), "{name} comes again");
    gone_for_good(broker, &names, LISTENER);
}

/// Attaches to deleted nodes in every way, and ends the broker; gives its folder.
fn gone_for_good(mut broker: Broker, names: &std::collections::BTreeSet<String>, config: &str) -> TempDir {
    let not_found = Some(Condition::NotFound.to_string());
    for (number, name) in names.iter().map(String::as_str).chain(["$dynamic-of-mine"]).enumerate() {
        let mut peer = opened(&broker);
        let topic = topic(name);
        let qualified = format!("{name}::{name}");
        for (handle, attach) in [
            sender("s", 0, target(name)),
            sender("q", 1, target(&qualified)),
            receiver("r", 2, source(name)),
            receiver("t", 3, topic),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(condition_of(refusal(&mut peer, &attach)), not_found, "{config}: {name} by {handle}");
        }
        if number < 2 {
            assert!(relayed(&mut peer, name).contains(Condition::NotFound.as_str()), "{config}: {name} by the relay");
        }
    }
    // Killed, so that nothing is put in order at the end.
    broker.process.kill().expect("it is killed");
    broker.process.wait().expect("its end");
    std::mem::replace(&mut broker.folder, TempDir::new().expect("a folder"))
}

/// What becomes of a message to `to` on the anonymous relay.
fn relayed(peer: &mut Wire, to: &str) -> String {
    assert_eq!(refusal(peer, &sender("relay", 4, Target::Node(Terminus::default()))), None);
    let to = u8::try_from(to.len()).map(|length| [&[0xa1, length], to.as_bytes()].concat()).expect("a short name");
    let properties = [&[0x40, 0x40][..], &to].concat();
    let mut message = vec![0x00, 0x53, 0x73, 0xc0, u8::try_from(properties.len() + 1).expect("it is short"), 3];
    message.extend(properties);
    message.extend([0x00, 0x53, 0x77, 0x40]);
    let mut bytes = Vec::new();
    let transfer = Transfer { handle: 4, delivery_id: Some(0), delivery_tag: Some(b"t"), ..Transfer::default() };
    encode_transfer(&mut bytes, 0, &transfer, message.len());
    bytes.extend(message);
    peer.send(&bytes);
    peer.outcome().2.expect("it is rejected")
}

#[test]
fn lifetime_policies_are_honoured_or_refused() {
    let broker = Broker::start(LISTENER);
    let with = |policy: Value, capability: &'static str| {
        let mut properties = Map::default();
        properties.insert("lifetime-policy", policy);
        properties.insert("x-opt-mine", Value::Boolean(true));
        Source::from(Terminus {
            dynamic_node_properties: properties,
            capabilities: vec![capability.into()],
            ..Terminus::dynamic()
        })
    };
    let policies = [
        LifetimePolicy::DeleteOnClose,
        LifetimePolicy::DeleteOnNoLinks,
        LifetimePolicy::DeleteOnNoMessages,
        LifetimePolicy::DeleteOnNoLinksOrMessages,
    ];
    let not_found = Some(Condition::NotFound.to_string());
    for policy in policies {
        let mut creator = opened(&broker);
        creator.put(&receiver("creator", 0, with(policy.to_value(), "temporary-queue")));
        let source_of = creator.answer("creator").0.source.expect("it is attached");
        let mut wanted = Map::default();
        wanted.insert("lifetime-policy", policy.to_value());
        assert_eq!(source_of.terminus.dynamic_node_properties, wanted, "what is honoured is answered");
        let node = source_of.terminus.address.expect("a name");
        assert_eq!(refusal(&mut creator, &receiver("further", 1, source(&node))), None);
        creator.put(&detach(0));
        let handle = |performative: &Performative<'_>| match performative {
            Performative::Detach(detach) => Some(detach.handle),
            _ => None,
        };
        let first = creator.until(handle);
        if policy == LifetimePolicy::DeleteOnClose {
            assert_eq!(first + creator.until(handle), 1, "the other link was ended, too");
        } else {
            // A link is left: the node is there until that goes.
            let mut other = opened(&broker);
            assert_eq!(refusal(&mut other, &sender("sender", 2, target(&node))), None, "{policy:?}");
            other.put(&detach(2));
            creator.put(&detach(1));
        }
        wait_for("the node to go", || {
            let mut late = opened(&broker);
            (condition_of(refusal(&mut late, &receiver("late", 0, source(&node)))) == not_found).then_some(())
        });
    }
    let mut peer = opened(&broker);
    let own = Value::Described(Box::new(Described { descriptor: Value::Ulong(0x99), value: Value::List(Vec::new()) }));
    let no_messages = LifetimePolicy::DeleteOnNoMessages.to_value();
    let text = Value::String("delete-on-close".to_owned());
    for (handle, source, condition) in [
        (0, with(own, "temporary-queue"), Condition::InvalidField),
        (1, with(text, "temporary-topic"), Condition::InvalidField),
        (2, with(no_messages, "temporary-topic"), Condition::NotImplemented),
    ] {
        let refused = refusal(&mut peer, &receiver(&format!("refused-{handle}"), handle, source));
        assert_eq!(condition_of(refused), Some(condition.to_string()));
    }
}

#[test]
fn only_the_connection_that_made_a_dynamic_node_consumes_from_it() {
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER);
        for capability in ["temporary-queue", "temporary-topic"] {
            let mut creator = opened(&broker);
            let terminus = Terminus { capabilities: vec![capability.into()], ..Terminus::dynamic() };
            creator.put(&receiver("creator", 0, Source::from(terminus)));
            let node = creator.answer("creator").0.source.and_then(|source| source.terminus.address).expect("a name");
            let mut other = opened(&broker);
            for (handle, address) in [(1, node.clone()), (2, format!("{node}::{node}"))] {
                let name = format!("other-{handle}");
                let refused = condition_of(refusal(&mut other, &receiver(&name, handle, source(&address))));
                assert_eq!(refused, Some(Condition::ResourceLocked.to_string()), "{address}, {shards} shards");
                let browser = Source { distribution_mode: Some(DistributionMode::Copy), ..source(&address) };
                let refused =
                    condition_of(refusal(&mut other, &receiver(&format!("browser-{handle}"), 10 + handle, browser)));
                assert_eq!(refused, Some(Condition::ResourceLocked.to_string()));
            }
            assert_eq!(refusal(&mut other, &sender("sender", 3, target(&node))), None, "whoever replies may send");
            assert_eq!(refusal(&mut creator, &receiver("further", 4, source(&node))), None);
            creator.close();
        }
    }
}
