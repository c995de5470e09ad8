//! Routers at the edge of a network: addresses, outcomes and credit between them and the interior, and what becomes of that when the
//! active connection goes.

use std::net::{SocketAddr, TcpStream};

use amqp_codec::performative::{Attach, DeliveryState, Performative, Role, Source, Target, Terminus};
use tempfile::TempDir;

use crate::broker::{Broker, run, wait_for};
use crate::peer::{Durable, Peer, connect};
use crate::router_management::Tool;
use crate::router_network::{Got, hears, places};

const RULES: &str = "[[routes]]\nprefix = \"news\"\ndistribution = \"multicast\"\n[[routes]]\nprefix = \"near\"\n\
                     distribution = \"closest\"\n[[routes]]\nprefix = \"queues\"\nwaypoint = true\n";

/// An interior router of a name that edges connect to at the first place, and routers of the interior at the second, as it does to
/// `others`.
fn interior(name: &str, shards: u16, [edges, routers]: [SocketAddr; 2], others: &[SocketAddr]) -> Broker {
    let mut config = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"{edges}\"\nrole = \"edge\"\n\
         [[listeners]]\naddress = \"{routers}\"\nrole = \"inter-router\"\n[router]\nenabled = true\nlink_capacity = 20\n\
         hello_ms = 100\nhello_age_ms = 300\nadvertise_ms = 3000\nadvertise_flux_ms = 400\nlink_state_age_ms = 6000\n{RULES}"
    );
    config.push_str(&connectors("inter-router", others));
    Broker::start_named(TempDir::new().expect("a folder"), (shards, name), &config)
}

/// A router at the edge that connects to some of the interior.
fn edge(name: &str, shards: u16, to: &[SocketAddr]) -> Broker {
    let mut config = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\nmode = \"edge\"\nlink_capacity = 20\n{RULES}"
    );
    config.push_str(&connectors("edge", to));
    Broker::start_named(TempDir::new().expect("a folder"), (shards, name), &config)
}

fn connectors(role: &str, to: &[SocketAddr]) -> String {
    let one = |(index, to): (usize, &SocketAddr)| {
        format!(
            "[[connectors]]\nname = \"to-{index}\"\nrole = \"{role}\"\nendpoints = [\"{to}\"]\nretry_min_ms = 100\nretry_max_ms = 200\n"
        )
    };
    to.iter().enumerate().map(one).collect()
}

fn client(router: &Broker) -> Peer<TcpStream> {
    let mut peer = Peer::new(connect(router.addresses[0]));
    peer.open();
    peer
}

fn receiver(router: &Broker, address: &str, credit: u32) -> Peer<TcpStream> {
    let mut peer = client(router);
    peer.attach_receiver(address, credit);
    peer
}

/// A sender that has credit: somebody receives.
fn sender(router: &Broker, address: &str) -> Peer<TcpStream> {
    let mut peer = client(router);
    peer.attach_sender(address);
    peer
}

/// A receiver of a node that its router makes; gives the node's address.
fn temporary(router: &Broker) -> (Peer<TcpStream>, String) {
    let mut peer = client(router);
    let attach = Attach {
        source: Some(Source::from(Terminus::dynamic())),
        target: Some(Target::Node(Terminus::default())),
        ..Attach::new("answers", 1, Role::Receiver)
    };
    peer.put(&Performative::Attach(Box::new(attach)));
    let (answer, refused) = peer.answer("answers");
    assert_eq!(refused, None);
    peer.set_credit(0, 10);
    let address = answer.source.and_then(|source| source.terminus.address).expect("the node's address");
    (peer, address)
}

/// Sends messages of increasing numbers until something is so, and waits for each outcome.
fn send_until(sender: &mut Peer<TcpStream>, number: &mut u32, what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || {
        sender.send_message(*number, Durable::No, b"probe");
        sender.state();
        *number += 1;
        is_so().then_some(())
    });
}

/// States pass from the receiver to the sender.
fn talk(from: &Broker, to: &Broker, address: &str) {
    let mut receiver = receiver(to, address, 10);
    let mut sender = sender(from, address);
    let states = [
        DeliveryState::Accepted,
        DeliveryState::Released,
        DeliveryState::Modified { delivery_failed: true, undeliverable_here: true, annotations: None },
    ];
    for (number, state) in (0..).zip(states) {
        sender.send_message(number, Durable::Yes, &[number as u8]);
        let (delivery, body) = receiver.receive();
        assert_eq!((delivery, &body[..]), (number, &[number as u8][..]));
        let shown = format!("{state:?}");
        receiver.decide(delivery, state);
        assert_eq!(sender.state(), (number, number, shown), "{address}");
    }
    sender.send_message(3, Durable::No, b"blue");
    let (delivery, _) = receiver.receive();
    receiver.reject(delivery, delivery, "too blue");
    let (_, _, why) = sender.outcome();
    assert!(why.is_some_and(|why| why.contains("shop:closed") && why.contains("too blue")), "{address}");
}

#[test]
fn what_is_sent_at_an_edge_is_received_at_another_and_in_the_interior() {
    for shards in [1, 3] {
        let [a, b, c, d] = places();
        let one = interior("A", shards, [a, b], &[]);
        let two = interior("B", shards, [c, d], &[b]);
        let (east, west, south) = (edge("E", shards, &[a]), edge("W", shards, &[a]), edge("S", shards, &[c]));
        let ways = [
            (&east, &west),
            (&west, &east),
            (&east, &one),
            (&one, &east),
            (&east, &south),
            (&south, &west),
            (&two, &west),
            (&west, &two),
            (&east, &east),
        ];
        for (pair, (from, to)) in ways.into_iter().enumerate() {
            talk(from, to, &format!("orders.{pair}"));
        }
    }
}

#[test]
fn a_sender_at_an_edge_has_credit_when_somebody_receives_and_only_then() {
    for shards in [1, 3] {
        let [a, b] = places();
        let one = interior("A", shards, [a, b], &[]);
        let (east, west) = (edge("E", shards, &[a]), edge("W", shards, &[a]));
        let mut early = client(&east);
        early.attach_waiting_sender("orders");
        assert_eq!(early.ask_for_credit(), 0, "nobody receives");
        // What is sent to it at the same edge does not make up somebody.
        let mut other = client(&west);
        other.attach_waiting_sender("orders");
        assert_eq!(other.ask_for_credit(), 0, "nobody receives");
        let mut taker = receiver(&west, "orders", 10);
        early.wait_for_credit();
        other.wait_for_credit();
        early.send_message(0, Durable::No, b"first");
        let (delivery, _) = taker.receive();
        taker.accept(delivery, delivery);
        assert_eq!(early.outcome(), (0, 0, None));
        drop(taker);
        // Somebody who comes then has none, as soon as all know of it.
        wait_for("nobody to be known", || {
            let mut late = client(&east);
            late.attach_waiting_sender("orders");
            (late.ask_for_credit() == 0).then_some(())
        });
        // What is sent on credit that was there before comes back.
        early.send_message(1, Durable::No, b"second");
        assert!(early.state().2.contains("Released"));
        let mut again = receiver(&one, "orders", 10);
        let mut late = sender(&east, "orders");
        late.send_message(0, Durable::No, b"third");
        assert_eq!(again.receive().1, b"third");
    }
}

#[test]
fn a_slow_receiver_at_another_edge_slows_its_sender_only() {
    let [a, b] = places();
    let _one = interior("A", 2, [a, b], &[]);
    let (east, west) = (edge("E", 2, &[a]), edge("W", 2, &[a]));
    let _slow = receiver(&west, "slow", 1);
    let mut held_up = sender(&east, "slow");
    (0..20).for_each(|number| held_up.send_message(number, Durable::No, b"wait"));
    assert_eq!(held_up.ask_for_credit(), 0, "it has as many unsettled as it may");
    let mut fast = receiver(&west, "fast", 1000);
    let mut busy = sender(&east, "fast");
    for number in 0..300 {
        busy.send_message(number, Durable::No, b"go");
        let (delivery, _) = fast.receive();
        fast.accept(delivery, delivery);
        assert_eq!(busy.outcome(), (number, number, None));
    }
}

#[test]
fn requests_are_answered_at_temporary_nodes_of_edges_and_of_the_interior() {
    for shards in [1, 3] {
        let [a, b, c, d] = places();
        let one = interior("A", shards, [a, b], &[]);
        let two = interior("B", shards, [c, d], &[b]);
        let (east, west) = (edge("E", shards, &[a]), edge("W", shards, &[c]));
        let (at_east, east_node) = temporary(&east);
        assert!(east_node.starts_with("amqp:/_edge/E/"), "{east_node}");
        let (at_one, one_node) = temporary(&one);
        assert!(one_node.starts_with("amqp:/_topo/0/A/"), "{one_node}");
        let (at_east, at_one) = (hears(at_east), hears(at_one));
        let ask = |from: &Broker, node: &str, at: &Got, body: &[u8]| {
            // On a link to the node, and on one without an address. A network that has just come up does not know of the node at once: what
            // is sent before comes back.
            let mut named = client(from);
            named.attach_sender(node);
            let mut relay = client(from);
            relay.attach_sender("");
            for number in 0.. {
                named.send_message(number, Durable::No, body);
                if named.state().2.contains("Accepted") {
                    break;
                }
            }
            relay.send_encoded(0, &message_to(node, body));
            assert_eq!(relay.outcome(), (0, 0, None), "{node}");
            assert_eq!(at.take(), [body, body], "{node}");
        };
        ask(&west, &east_node, &at_east, b"west to east");
        ask(&one, &east_node, &at_east, b"A to east");
        ask(&two, &east_node, &at_east, b"B to east");
        ask(&east, &east_node, &at_east, b"east to itself");
        ask(&east, &one_node, &at_one, b"east to A");
        ask(&west, &one_node, &at_one, b"west to A");
    }
}

/// A message that names its address.
fn message_to(address: &str, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x00, 0x53, 0x73, 0xc0, address.len() as u8 + 5, 3, 0x40, 0x40, 0xa1, address.len() as u8];
    out.extend_from_slice(address.as_bytes());
    out.extend_from_slice(&[0x00, 0x53, 0x75, 0xb0]);
    out.extend_from_slice(&(body.len() as u32).to_be_bytes());
    out.extend_from_slice(body);
    out
}

#[test]
fn a_copy_goes_to_each_receiver_once_and_to_none_back() {
    for shards in [1, 3] {
        let [a, b, c, d] = places();
        let one = interior("A", shards, [a, b], &[]);
        let two = interior("B", shards, [c, d], &[b]);
        let (east, west, south) = (edge("E", shards, &[a]), edge("W", shards, &[a]), edge("S", shards, &[c]));
        let nodes = [&one, &two, &east, &west, &south];
        let receivers: Vec<Got> = nodes
            .iter()
            .flat_map(|node| [receiver(node, "news.today", 10_000), receiver(node, "news.today", 10_000)])
            .map(hears)
            .collect();
        let mut senders: Vec<_> = nodes.iter().map(|node| sender(node, "news.today")).collect();
        for (place, sender) in senders.iter_mut().enumerate() {
            let mut number = 0;
            // All know of all when messages come to each, and once.
            let mut in_a_row = 0;
            send_until(sender, &mut number, "all to be known", || {
                let counts: Vec<usize> = receivers.iter().map(|got| got.take().len()).collect();
                in_a_row = if counts.iter().all(|count| *count == 1) { in_a_row + 1 } else { 0 };
                in_a_row == 20
            });
            for index in 0..10 {
                sender.send_message(number + index, Durable::No, &[index as u8]);
                sender.outcome();
            }
            for (to, got) in receivers.iter().enumerate() {
                let expected: Vec<Vec<u8>> = (0..10).map(|index| vec![index]).collect();
                assert_eq!(got.take(), expected, "{shards} shards, from {place} to {to}: each of them once, in order");
            }
        }
    }
}

#[test]
fn what_is_for_receivers_of_the_same_edge_stays_there() {
    for shards in [1, 3] {
        let [a, b] = places();
        let one = interior("A", shards, [a, b], &[]);
        let east = edge("E", shards, &[a]);
        for address in ["near.by", "orders"] {
            let far = hears(receiver(&one, address, 10_000));
            let (mut sender, mut number) = (sender(&east, address), 0);
            send_until(&mut sender, &mut number, "the interior to have it", || !far.take().is_empty());
            let here = hears(receiver(&east, address, 10_000));
            for _ in 0..10 {
                send_until(&mut sender, &mut number, "its outcome", || true);
            }
            assert_eq!((here.take().len(), far.take().len()), (10, 0), "{address}");
        }
    }
}

#[test]
fn another_connection_takes_over_when_the_active_one_is_lost() {
    for shards in [1, 3] {
        let [a, b, c, d] = places();
        let one = interior("A", shards, [a, b], &[]);
        let two = interior("B", shards, [c, d], &[b]);
        two.logged(&["router A is a neighbour"]);
        let (east, west) = (edge("E", shards, &[a, c]), edge("W", shards, &[c]));
        let (got, (answers, node)) = (hears(receiver(&east, "orders", 10_000)), temporary(&east));
        let answers = hears(answers);
        let (mut sender, mut number) = (sender(&west, "orders"), 0);
        let mut back = client(&east);
        back.attach_waiting_sender("answers");
        send_until(&mut sender, &mut number, "it to come", || !got.take().is_empty());
        let found = east.logged(&["a connection to the interior is active"]);
        drop(found);
        // One of both is the active one: whichever it is, the other one takes over when it goes.
        drop(one);
        send_until(&mut sender, &mut number, "it to come over B", || !got.take().is_empty());
        let taker = hears(receiver(&west, "answers", 10_000));
        back.wait_for_credit();
        let mut back_number = 0;
        send_until(&mut back, &mut back_number, "an answer to come over B", || !taker.take().is_empty());
        let mut relay = client(&west);
        relay.attach_sender("");
        let mut asked = 0;
        wait_for("a request to come over B", || {
            relay.send_encoded(asked, &message_to(&node, b"request"));
            relay.state();
            asked += 1;
            (!answers.take().is_empty()).then_some(())
        });
        // And back again, when B goes and A is there again.
        let again = interior("A", shards, [a, b], &[]);
        drop(two);
        let (mut near, mut near_number) = (client(&again), 0);
        near.attach_sender("orders");
        send_until(&mut near, &mut near_number, "it to come over A", || !got.take().is_empty());
    }
}

#[test]
fn a_waypoint_of_the_interior_is_used_at_an_edge() {
    let [a, b] = places();
    let one = interior("A", 2, [a, b], &[]);
    let east = edge("E", 2, &[a]);
    // Who moves messages from the first phase to the second is in the interior.
    let mut taking = client(&one);
    let source = Source::from(Terminus { capabilities: vec!["qd.waypoint".into()], ..Terminus::at("queues.one") });
    let attach = Attach {
        source: Some(source),
        target: Some(Target::Node(Terminus::default())),
        ..Attach::new("taking", 1, Role::Receiver)
    };
    taking.put(&Performative::Attach(Box::new(attach)));
    assert_eq!(taking.answer("taking").1, None);
    taking.set_credit(0, 10);
    let mut first = sender(&east, "queues.one");
    first.send_message(0, Durable::No, b"in");
    let (delivery, body) = taking.receive();
    assert_eq!(body, b"in");
    taking.accept(delivery, delivery);
    assert_eq!(first.outcome(), (0, 0, None));
    let mut last = receiver(&east, "queues.one", 10);
    let mut giving = client(&one);
    let target = Terminus { capabilities: vec!["qd.waypoint".into()], ..Terminus::at("queues.one") };
    let attach = Attach {
        source: Some(Source::default()),
        target: Some(Target::Node(target)),
        initial_delivery_count: Some(0),
        ..Attach::new("giving", 0, Role::Sender)
    };
    giving.put(&Performative::Attach(Box::new(attach)));
    giving.wait_for_credit();
    giving.send_message(0, Durable::No, b"out");
    assert_eq!(last.receive().1, b"out");
}

#[test]
fn an_edge_is_managed_through_the_interior() {
    for shards in [1, 3] {
        let [a, b] = places();
        let one = interior("A", shards, [a, b], &[]);
        let east = edge("E", shards, &[a, a]);
        east.logged(&["a connection to the interior is active"]);
        let mut tool = Tool::new(&one, "_edge/E/$management");
        let rows = tool.all("router", &["id", "mode"]);
        let told: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
        assert!(told.len() == 1 && told[0].contains("\"E\"") && told[0].contains("\"edge\""), "{told:?}");
        // Of its two connections one stands by.
        wait_for("both connections to be there", || {
            let rows = tool.all("connection", &["role", "active", "opened"]);
            let edges = rows.iter().map(|row| format!("{row:?}")).filter(|row| row.contains("\"edge\""));
            let active: Vec<bool> = edges.map(|row| !row.contains("false")).collect();
            (active.iter().filter(|active| **active).count() == 1 && active.len() == 2).then_some(())
        });
        let mut tool = Tool::new(&east, "_topo/0/A/$management");
        let rows = tool.all("router", &["id", "mode"]);
        assert!(format!("{rows:?}").contains("interior"), "{rows:?}");
        let rows = tool.all("connection", &["role", "container", "dir"]);
        let told: Vec<String> = rows.iter().map(|row| format!("{row:?}")).collect();
        assert!(told.iter().any(|row| row.contains("\"edge\"") && row.contains("\"E\"")), "{told:?}");
    }
}

/// A peer that opens as the edge router of a name.
fn forged(to: SocketAddr, name: &str) -> Peer<TcpStream> {
    let mut peer = Peer::new(connect(to));
    peer.open_as(name);
    peer
}

fn downlink(name: &str, handle: u32) -> Attach {
    let source = Terminus { capabilities: vec!["qd.router-edge-downlink".into()], ..Terminus::at(name) };
    Attach {
        source: Some(Source::from(source)),
        target: Some(Target::Node(Terminus::default())),
        ..Attach::new(format!("down-{handle}"), handle, Role::Receiver)
    }
}

#[test]
fn an_edge_that_is_not_who_it_says_or_asks_for_more_than_one_has_loses_its_connection() {
    let [a, b] = places();
    let one = interior("A", 2, [a, b], &[]);
    let east = edge("E", 2, &[a]);
    east.logged(&["a connection to the interior is active"]);
    let mut other = forged(a, "X");
    other.put(&Performative::Attach(Box::new(downlink("E", 0))));
    assert!(other.closed().is_some());
    one.logged(&["whose name it has not"]);
    let mut twice = forged(a, "Y");
    twice.put(&Performative::Attach(Box::new(downlink("Y", 0))));
    twice.until(|performative| matches!(performative, Performative::Attach(_)).then_some(()));
    twice.put(&Performative::Attach(Box::new(downlink("Y", 1))));
    let why = twice.closed().expect("it is told why");
    assert!(why.to_string().contains("one link for messages that are for itself"), "{why}");
    // A client's listener knows nothing of all that, and the edge is there as before.
    talk(&one, &east, "orders");
}

#[test]
fn an_edge_that_says_nothing_for_eight_seconds_loses_its_connection() {
    let [a, b] = places();
    let _one = interior("A", 1, [a, b], &[]);
    let mut silent = forged(a, "X");
    let attach = Attach {
        source: Some(Source::default()),
        target: Some(Target::Node(Terminus::at("_$qd.edge_heartbeat"))),
        initial_delivery_count: Some(0),
        ..Attach::new("beat", 0, Role::Sender)
    };
    silent.put(&Performative::Attach(Box::new(attach)));
    let credit = silent.until(|performative| match performative {
        Performative::Flow(flow) => flow.link_credit.filter(|credit| *credit > 0),
        _ => None,
    });
    assert_eq!(credit, 2);
    let why = silent.closed().expect("it is told why");
    assert!(why.to_string().contains("no sign of life"), "{why}");
}

#[test]
fn roles_that_the_mode_does_not_have_are_refused_with_advice() {
    let folder = TempDir::new().expect("a folder");
    let check = |name: &str, text: &str, command: &[&str]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        let output = run(&[command, &[path.to_str().expect("a path")]].concat());
        (output.status.success(), crate::broker::text(&output))
    };
    let own = |mode: &str, rest: &str| {
        let config = format!(
            "[node]\ncontainer_id = \"R\"\n[storage]\nenabled = false\n[router]\nenabled = true\nmode = \"{mode}\"\n{rest}"
        );
        check("heddle.toml", &config, &["config", "check", "--config"])
    };
    let listener = |role: &str| format!("[[listeners]]\naddress = \"127.0.0.1:0\"\nrole = \"{role}\"\n");
    let connector =
        |role: &str| format!("[[connectors]]\nname = \"c\"\nendpoints = [\"127.0.0.1:1\"]\nrole = \"{role}\"\n");
    for (mode, rest, line, told) in [
        ("edge", listener("inter-router"), "heddle.toml:10", "by connectors of role edge"),
        ("edge", listener("edge"), "heddle.toml:10", "connect to those of the network"),
        ("edge", connector("inter-router"), "heddle.toml:11", "with role = \"edge\""),
        ("interior", connector("edge"), "heddle.toml:11", "set router.mode"),
    ] {
        let (is_right, said) = own(mode, &rest);
        assert!(!is_right && said.contains(told) && said.contains(line), "{mode} {rest}: {said}");
    }
    for (mode, rest) in [("edge", connector("edge")), ("interior", listener("edge")), ("edge", listener("normal"))] {
        let (is_right, said) = own(mode, &rest);
        assert!(is_right, "{mode} {rest}: {said}");
    }
    for (mode, section) in [
        ("edge", "listener {\n  role: inter-router\n}\n"),
        ("edge", "listener {\n  role: edge\n}\n"),
        ("standalone", "listener {\n  role: edge\n}\n"),
        ("interior", "connector {\n  role: edge\n}\n"),
        ("edge", "connector {\n  role: inter-router\n}\n"),
    ] {
        let (is_right, said) =
            check("r.conf", &format!("router {{\n  mode: {mode}\n}}\n{section}"), &["config", "print", "--router"]);
        assert!(!is_right && said.contains("r.conf:5") && said.contains("needs `mode:"), "{mode} {section}: {said}");
    }
}

#[test]
fn files_of_qdrouterd_make_an_interior_and_its_edge() {
    let [a, east_place, one_place] = places();
    let listener = |place: SocketAddr, role: &str| {
        format!(
            "listener {{\n  host: {}\n  port: {}\n  role: {role}\n  authenticatePeer: no\n}}\n",
            place.ip(),
            place.port()
        )
    };
    let start = |name: &str, text: String| {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("a file");
        Broker::start_router(folder, &file)
    };
    let one = start(
        "interior.conf",
        format!(
            "router {{\n  mode: interior\n  id: INT.A\n}}\n{}{}",
            listener(one_place, "normal"),
            listener(a, "edge")
        ),
    );
    let connector = format!("connector {{\n  name: up\n  host: {}\n  port: {}\n  role: edge\n}}\n", a.ip(), a.port());
    let east = start(
        "edge.conf",
        format!("router {{\n  mode: edge\n  id: EDGE.E\n}}\n{}{connector}", listener(east_place, "normal")),
    );
    talk(&east, &one, "orders");
    talk(&one, &east, "answers");
}
