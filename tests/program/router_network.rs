//! Routers that are a network: addresses, outcomes and credit over several of them, and what becomes of that when one goes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use amqp_codec::performative::{self, DeliveryState, Performative};
use engine_message::encode;
use engine_message::section::{self, Header};
use engine_message::value::Value;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, connect};
use crate::router_management::Tool;

/// A router: clients come in at its first listener, other routers at the second.
pub struct Node {
    pub broker: Broker,
}

/// A router of a name that listens for others at `at`, and connects to some with their costs. Its times are a tenth of those that hold
/// otherwise.
pub fn node(name: &str, shards: u16, at: SocketAddr, others: &[(SocketAddr, u32)]) -> Node {
    node_with(name, shards, at, others, "")
}

/// The same with more of its configuration.
pub fn node_with(name: &str, shards: u16, at: SocketAddr, others: &[(SocketAddr, u32)], rest: &str) -> Node {
    let mut config = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\naddress = \"{at}\"\nrole = \"inter-router\"\n\
         [router]\nenabled = true\nlink_capacity = 20\nhello_ms = 100\nhello_age_ms = 300\nadvertise_ms = 3000\nadvertise_flux_ms = 400\n\
         link_state_age_ms = 6000\n[[routes]]\nprefix = \"news\"\ndistribution = \"multicast\"\n\
         [[routes]]\nprefix = \"near\"\ndistribution = \"closest\"\n"
    );
    for (index, (other, cost)) in others.iter().enumerate() {
        config.push_str(&format!(
            "[[connectors]]\nname = \"to-{index}\"\nrole = \"inter-router\"\ncost = {cost}\nendpoints = [\"{other}\"]\n\
             retry_min_ms = 100\nretry_max_ms = 200\n"
        ));
    }
    config.push_str(rest);
    Node { broker: Broker::start_named(TempDir::new().expect("a folder"), (shards, name), &config) }
}

/// Three in a row.
fn row(shards: u16) -> [Node; 3] {
    let [a, b, c] = places();
    [node("A", shards, a, &[]), node("B", shards, b, &[(a, 1)]), node("C", shards, c, &[(b, 1)])]
}

/// Ports of which `places` are taken.
const PORTS: u16 = 10_000;

/// Places that are free now, below those that the system gives to whoever asks for any: between this and a router's start many do.
pub fn places<const COUNT: usize>() -> [SocketAddr; COUNT] {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").expect("the range is told");
    let lowest: u16 = range.split_whitespace().next().and_then(|port| port.parse().ok()).expect("a port");
    let first = lowest.checked_sub(PORTS).filter(|first| *first > 1024).expect("there are ports below those");
    [(); COUNT].map(|()| {
        // Other runs of these tests begin elsewhere.
        let mut ports = std::iter::repeat_with(|| {
            let taken = TAKEN.fetch_add(1, Ordering::Relaxed).wrapping_add(std::process::id().wrapping_mul(97));
            first + (taken % u32::from(PORTS)) as u16
        });
        let free = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?.local_addr().ok();
        ports.by_ref().take(PORTS.into()).find_map(free).expect("a free port")
    })
}

/// What a receiver got, which accepts all of it as long as its router is there.
#[derive(Clone)]
pub struct Got(Arc<Mutex<Vec<Vec<u8>>>>);

impl Got {
    /// What came since this was asked before.
    pub fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.0.lock().expect("nobody panics"))
    }
}

/// Lets a receiver accept what it gets.
pub fn hears(mut peer: Peer<TcpStream>) -> Got {
    let got = Got(Arc::default());
    let told = got.clone();
    std::thread::spawn(move || {
        while let Some((_, frame)) = peer.frame() {
            let Ok((Performative::Transfer(transfer), payload)) = performative::decode(&frame) else { continue };
            let at = payload.windows(4).position(|octets| octets == [0x00, 0x53, 0x75, 0xb0]).expect("a data section");
            told.0.lock().expect("nobody panics").push(payload[at + 8..].to_vec());
            let delivery = transfer.delivery_id.expect("it is the first frame");
            peer.accept(delivery, delivery);
        }
    });
    got
}

/// Sends messages of increasing numbers until something is so, and waits for each outcome.
fn send_until(
    sender: &mut Peer<TcpStream>,
    number: &mut u32,
    body: &[u8],
    what: &str,
    mut is_so: impl FnMut() -> bool,
) {
    wait_for(what, || {
        sender.send_message(*number, Durable::No, body);
        sender.state();
        *number += 1;
        is_so().then_some(())
    });
}

impl Node {
    /// Messages that passed, and were accepted.
    fn passed(&self) -> u64 {
        let state = self.broker.state();
        let shards = state["shards"].as_array().expect("shards").iter();
        shards.map(|shard| shard["router"]["accepted"].as_u64().expect("a figure")).sum()
    }

    pub fn client(&self) -> Peer<TcpStream> {
        let mut peer = Peer::new(connect(self.broker.addresses[0]));
        peer.open();
        peer
    }

    pub fn receiver(&self, address: &str, credit: u32) -> Peer<TcpStream> {
        let mut peer = self.client();
        peer.attach_receiver(address, credit);
        peer
    }

    /// A sender that has credit: its router knows of somebody who receives.
    pub fn sender(&self, address: &str) -> Peer<TcpStream> {
        let mut peer = self.client();
        peer.attach_sender(address);
        peer
    }
}

#[test]
fn what_is_sent_at_one_router_is_received_at_another() {
    for shards in [1, 3] {
        let [one, _two, three] = row(shards);
        // Over two hops, in both directions, from and to any shard.
        for (pair, (from, to)) in
            [(&one, &three), (&three, &one), (&one, &three), (&three, &one)].into_iter().enumerate()
        {
            let address = format!("orders.{pair}");
            let mut receiver = to.receiver(&address, 10);
            let mut sender = from.sender(&address);
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
                assert_eq!(sender.state(), (number, number, shown), "{shards} shards, pair {pair}");
            }
            sender.send_message(3, Durable::No, b"blue");
            let (delivery, _) = receiver.receive();
            receiver.reject(delivery, delivery, "too blue");
            let (_, _, why) = sender.outcome();
            assert!(why.is_some_and(|why| why.contains("shop:closed") && why.contains("too blue")));
        }
    }
}

/// A message by its number: of every three one says nothing of itself, one is annotated by its user, and one has a priority.
fn encoded(number: u32) -> (Vec<u8>, Vec<u8>) {
    let annotations = match number % 3 {
        1 => [&[0x00, 0x53, 0x72, 0xd1, 0, 0, 0, 13, 0, 0, 0, 2, 0xa3, 6][..], b"x-mine", &[0x43]].concat(),
        _ => Vec::new(),
    };
    let mut message = Vec::new();
    if number % 3 == 2 {
        Header { priority: 7, ..Header::default() }.encode(&mut message);
    }
    message.extend_from_slice(&annotations);
    message.extend_from_slice(&[0x00, 0x53, 0x75]);
    encode::binary(&mut message, &number.to_be_bytes());
    (message, annotations)
}

#[test]
fn what_users_annotate_comes_as_it_was_and_nothing_else_whether_messages_wait_or_not() {
    for shards in [1, 2] {
        let [one, _two, three] = row(shards);
        let mut receiver = three.receiver("orders", 2);
        let mut sender = one.sender("orders");
        let mut came = 0;
        for round in 0..4_u32 {
            let numbers = round * 15..(round + 1) * 15;
            for number in numbers.clone() {
                sender.send_encoded(number, &encoded(number).0);
            }
            // In the first round most wait for credit at all three, later ones pass.
            receiver.set_credit(came, 100);
            let mut got: Vec<(u32, Vec<u8>)> = Vec::new();
            for _ in numbers.clone() {
                let (_, message) = receiver.receive_encoded();
                let sections = section::scan(&message).expect("it is well-formed");
                let number = message[message.len() - 4..].try_into().map(u32::from_be_bytes).expect("four octets");
                got.push((number, message[sections.message_annotations].to_vec()));
            }
            came += 15;
            // Messages of one priority come in their order.
            for kind in [[0, 1], [2, 2]] {
                let sent: Vec<_> = numbers.clone().filter(|number| kind.contains(&(number % 3))).collect();
                let came: Vec<_> = got.iter().filter(|(number, _)| kind.contains(&(number % 3))).collect();
                assert_eq!(came.iter().map(|(number, _)| *number).collect::<Vec<_>>(), sent, "{shards} shards");
                came.iter().for_each(|(number, annotations)| assert_eq!(*annotations, encoded(*number).1, "{number}"));
            }
            receiver.accept(round * 15, came - 1);
            let mut settled = 0;
            while settled < 15 {
                let (first, last, why) = sender.outcome();
                assert_eq!(why, None);
                settled += last - first + 1;
            }
        }
    }
}

/// A message of a burst, by its number: of most sizes that go together, and larger ones; now and then one that expires, at some time.
fn of_a_burst(number: u32) -> Vec<u8> {
    let mut message = Vec::new();
    if number.is_multiple_of(17) {
        Header { ttl_ms: Some(600_000), ..Header::default() }.encode(&mut message);
    }
    let size = [0, 1, 100, 30, 1024, 7, 1900, 2500][number as usize % 8];
    message.extend_from_slice(&[0x00, 0x53, 0x75, 0xb0]);
    message.extend((size + 4_u32).to_be_bytes());
    message.extend(number.to_be_bytes());
    message.resize(message.len() + size as usize, number as u8);
    message
}

#[test]
fn what_comes_at_once_goes_on_in_its_order_and_each_is_decided_by_itself() {
    // Half of a link's capacity: so much credit a sender knows of when all that it sent is decided.
    const BURST: u32 = 10;
    for shards in [1, 3] {
        let [one, _two, three] = row(shards);
        let mut receiver = three.receiver("orders", 1000);
        let mut sender = one.sender("orders");
        for burst in 0..40 {
            let numbers = burst * BURST..(burst + 1) * BURST;
            let messages: Vec<_> = numbers.clone().map(|number| (number, of_a_burst(number))).collect();
            sender.send_all(&messages);
            let mut expected = Vec::new();
            for (number, message) in &messages {
                let (delivery, came) = receiver.receive();
                let at = message.windows(4).position(|octets| octets == [0x00, 0x53, 0x75, 0xb0]).expect("its body");
                assert!(came == message[at + 8..], "{shards} shards, message {number}");
                let state = match number % 7 {
                    0 => DeliveryState::Released,
                    1 => {
                        DeliveryState::Modified { delivery_failed: true, undeliverable_here: false, annotations: None }
                    }
                    _ => DeliveryState::Accepted,
                };
                expected.push(format!("{state:?}"));
                receiver.decide(delivery, state);
            }
            let mut heard = vec![String::new(); BURST as usize];
            while heard.iter().any(String::is_empty) {
                let (first, last, state) = sender.state();
                (first..=last).for_each(|number| heard[(number % BURST) as usize].clone_from(&state));
            }
            assert_eq!(heard, expected, "{shards} shards, burst {burst}");
        }
    }
}

#[test]
fn a_copy_goes_to_each_receiver_once_whatever_ways_there_are() {
    // A full mesh of three, and one behind it.
    let [a, b, c, d] = places();
    let nodes = [
        node("A", 2, a, &[]),
        node("B", 2, b, &[(a, 1)]),
        node("C", 2, c, &[(a, 1), (b, 1)]),
        node("D", 1, d, &[(c, 1)]),
    ];
    let receivers: Vec<_> = nodes
        .iter()
        .flat_map(|node| [node.receiver("news.today", 10_000), node.receiver("news.today", 10_000)])
        .map(hears)
        .collect();
    let mut sender = nodes[1].sender("news.today");
    for (node, neighbours) in nodes.iter().zip(["BC", "AC", "ABD", "C"]) {
        neighbours.chars().for_each(|name| drop(node.broker.logged(&[&format!("router {name} is a neighbour")])));
    }
    // All routers know of all when messages come to each receiver, and once: before that two may think that it goes over them.
    let (mut number, mut in_a_row) = (0, 0);
    send_until(&mut sender, &mut number, b"probe", "all to be known", || {
        let counts: Vec<usize> = receivers.iter().map(|got| got.take().len()).collect();
        in_a_row = if counts.iter().all(|count| *count == 1) { in_a_row + 1 } else { 0 };
        in_a_row == 100
    });
    for index in 0..10 {
        sender.send_message(number + index, Durable::No, &[index as u8]);
        sender.outcome();
    }
    for (place, got) in receivers.iter().enumerate() {
        let bodies: Vec<_> = got.take().into_iter().filter(|body| body != b"probe").collect();
        assert_eq!(
            bodies,
            (0..10).map(|index| vec![index]).collect::<Vec<_>>(),
            "{place}: each of them once, in order"
        );
    }
}

#[test]
fn the_nearest_receiver_has_it_and_another_one_when_that_goes() {
    let [a, b, c] = places();
    let one = node("A", 2, a, &[]);
    let two = node("B", 2, b, &[(a, 10)]);
    let three = node("C", 2, c, &[(a, 1)]);
    let far = hears(two.receiver("near.by", 10_000));
    let nearer = hears(three.receiver("near.by", 10_000));
    let (mut sender, mut number) = (one.sender("near.by"), 0);
    let has_some = |got: &Got| !got.take().is_empty();
    send_until(&mut sender, &mut number, b"who", "the nearer one to be known", || has_some(&nearer));
    far.take();
    let mut five = |sender: &mut Peer<TcpStream>| {
        (0..5).for_each(|_| send_until(sender, &mut number, b"to whom", "its outcome", || true));
    };
    five(&mut sender);
    assert_eq!((nearer.take().len(), far.take().len()), (5, 0), "all of them to the nearer one");
    let here = hears(one.receiver("near.by", 10_000));
    five(&mut sender);
    assert_eq!((here.take().len(), nearer.take().len(), far.take().len()), (5, 0, 0));
    drop(three);
    // Whoever is here is the nearest one, whatever goes elsewhere.
    five(&mut sender);
    assert_eq!((here.take().len(), far.take().len()), (5, 0));
}

#[test]
fn a_farther_receiver_has_it_when_the_nearer_one_goes() {
    let [a, b, c] = places();
    let one = node("A", 2, a, &[]);
    let two = node("B", 2, b, &[(a, 10)]);
    let three = node("C", 2, c, &[(a, 1)]);
    let far = hears(two.receiver("near.by", 10_000));
    let nearer = hears(three.receiver("near.by", 10_000));
    let (mut sender, mut number) = (one.sender("near.by"), 0);
    let has_some = |got: &Got| !got.take().is_empty();
    send_until(&mut sender, &mut number, b"who", "the nearer one to be known", || has_some(&nearer));
    drop(three);
    far.take();
    send_until(&mut sender, &mut number, b"who", "the farther one to have it", || has_some(&far));
}

#[test]
fn a_router_that_goes_is_gone_round_and_comes_back() {
    // A and D are two hops from each other, over B or over C.
    let [a, b, c, d] = places();
    let one = node("A", 2, a, &[]);
    let _two = node("B", 2, b, &[(a, 2)]);
    let three = node("C", 2, c, &[(a, 1)]);
    let four = node("D", 2, d, &[(b, 2), (c, 1)]);
    let probes = hears(four.receiver("probe", 10_000));
    let (mut prober, mut number) = (one.sender("probe"), 0);
    send_until(&mut prober, &mut number, b"how", "the way over C", || three.passed() > 0);
    drop((probes, prober));
    let mut receiver = four.receiver("orders", 1000);
    let mut sender = one.sender("orders");
    sender.send_message(0, Durable::Yes, b"over C");
    let (delivery, _) = receiver.receive();
    // What was sent and not decided on has failed when the way is gone: its sender hears that, and nothing is lost in silence.
    drop(three);
    let (_, _, state) = sender.state();
    assert!(state.contains("Modified") && state.contains("delivery_failed: true"), "{state}");
    receiver.accept(delivery, delivery);
    let (got, mut number) = (hears(receiver), 1);
    send_until(&mut sender, &mut number, b"over B", "a way over B", || !got.take().is_empty());
    let again = node("C", 2, c, &[(a, 1)]);
    again.broker.logged(&["is a neighbour", "router"]);
}

#[test]
fn a_slow_receiver_at_another_router_slows_its_sender_only() {
    let [a, b] = places();
    let one = node("A", 2, a, &[]);
    let two = node("B", 2, b, &[(a, 1)]);
    let _slow = two.receiver("slow", 1);
    let mut held_up = one.sender("slow");
    (0..20).for_each(|number| held_up.send_message(number, Durable::No, b"wait"));
    assert_eq!(held_up.ask_for_credit(), 0, "it has as many unsettled as it may");
    let mut fast = two.receiver("fast", 1000);
    let mut busy = one.sender("fast");
    for number in 0..300 {
        busy.send_message(number, Durable::No, b"go");
        let (delivery, _) = fast.receive();
        fast.accept(delivery, delivery);
        assert_eq!(busy.outcome(), (number, number, None));
    }
}

#[test]
fn whoever_is_no_router_is_no_neighbour() {
    let [a, b] = places();
    let one = node("A", 1, a, &[]);
    // A client at the listener for routers.
    let mut client = Peer::new(connect(a));
    client.open();
    client.attach_waiting_sender("orders");
    let why = client.detached();
    assert!(why.contains("connection-role"), "{why}");
    // A router that has this one's name.
    let twin = node("A", 1, b, &[(a, 1)]);
    one.broker.logged(&["this one's id"]);
    drop(twin);
    let two = node("B", 1, b, &[(a, 1)]);
    two.broker.logged(&["router A is a neighbour"]);
}

#[test]
fn a_router_is_managed_through_another_one() {
    for shards in [1, 3] {
        let [one, _two, three] = row(shards);
        // Somebody who receives at C is heard of at A when all know of each other.
        let _known = three.receiver("orders", 1);
        drop(one.sender("orders"));
        for name in ["A", "B", "C"] {
            let mut tool = Tool::new(&one.broker, &format!("_topo/0/{name}/$management"));
            let rows = tool.all("router", &["id", "mode", "nodeCount"]);
            let told =
                rows.iter().map(|row| row.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" "));
            let told: Vec<String> = told.collect();
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(
                told[0].contains(&format!("{name:?}")) && told[0].contains("interior") && told[0].contains("2"),
                "{told:?}"
            );
            let nodes = tool.all("router.node", &["id", "nextHop", "cost"]);
            assert_eq!(nodes.len(), 3, "{nodes:?}");
            // B is in the middle, and has two neighbours.
            let neighbours = tool.all("router.node", &["routerLink"]);
            let linked = neighbours.iter().filter(|row| row[0] != Value::Null).count();
            assert_eq!(linked, if name == "B" { 2 } else { 1 }, "{neighbours:?}");
            // Each end of a connection has ten links for messages, and four for large ones that it asks for when it is open.
            wait_for("the links to the neighbours", || {
                let links = tool.all("router.link", &["linkType"]);
                let count = |kind: &str| links.iter().filter(|row| row[0] == Value::String(kind.to_owned())).count();
                (count("router-control") == 2 * linked && count("inter-router") == 28 * linked).then_some(())
            });
        }
    }
}

#[test]
fn a_queue_behind_one_router_is_used_at_another() {
    let broker = Broker::start("[[listeners]]\naddress = \"127.0.0.1:0\"\n[[queue]]\nname = \"orders\"\n");
    let at = broker.addresses[0];
    let waypoint = "[[routes]]\nprefix = \"orders\"\nwaypoint = true\n";
    let link =
        |way: &str| format!("[[auto_links]]\naddress = \"orders\"\ndirection = {way:?}\nconnection = \"broker\"\n");
    let behind = format!(
        "{waypoint}{}{}[[connectors]]\nname = \"broker\"\nrole = \"route-container\"\nendpoints = [\"{at}\"]\n\
         retry_min_ms = 100\nretry_max_ms = 200\n",
        link("in"),
        link("out")
    );
    let [a, b] = places();
    let _one = node_with("A", 2, a, &[], &behind);
    let two = node_with("B", 2, b, &[(a, 1)], waypoint);
    // What is sent at B goes to the queue over A, and comes back the same way: phases go along.
    let mut sender = two.sender("orders");
    (0..5).for_each(|number| {
        sender.send_message(number, Durable::Yes, &[number as u8]);
        assert_eq!(sender.outcome(), (number, number, None), "the broker's word");
    });
    assert_eq!(broker.queue("orders").expect("it is there")["messages"], 5);
    let mut receiver = two.receiver("orders", 10);
    for number in 0..5 {
        let (delivery, body) = receiver.receive();
        assert_eq!(body, [number]);
        receiver.accept(delivery, delivery);
    }
    wait_for("the broker to hear of it", || {
        (broker.queue("orders").expect("it is there")["messages"] == 0).then_some(())
    });
}
