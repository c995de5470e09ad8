//! The configuration is read again while the broker runs: what it says of addresses and queues holds then, all of it or nothing; and
//! addresses are on the shards that it names.

use std::net::TcpStream;

use amqp_codec::performative::{Attach, Performative, Role, Target, Terminus};
use tempfile::TempDir;

use crate::broker::{Broker, run, text, wait_for};
use crate::peer::{Durable, Peer, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const SHARDS: u16 = 3;

/// A broker whose log tells of what it does.
fn broker(folder: TempDir, addresses: &str) -> Broker {
    Broker::start_telling(folder, SHARDS, "info", &format!("{LISTENER}{addresses}"))
}

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

/// Has a broker read this behind what its configuration begins with; gives the line of its log about it.
fn reload(broker: &Broker, addresses: &str) -> String {
    let path = broker.folder.path().join("heddle.toml");
    let text = std::fs::read_to_string(&path).expect("its configuration");
    let (before, _) = text.split_once(LISTENER).expect("its listener");
    std::fs::write(&path, format!("{before}{LISTENER}{addresses}")).expect("another one");
    let told = |broker: &Broker| {
        let log = broker.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("was read again")).map(str::to_owned).collect();
        lines
    };
    let before = told(broker).len();
    broker.signal(libc::SIGUSR1);
    wait_for("a line about it", || told(broker).get(before).cloned())
}

/// Sends a message; whether it was accepted.
fn send(peer: &mut Peer<TcpStream>, delivery: u32, durable: Durable) -> bool {
    peer.send_message(delivery, durable, b"message");
    let (first, last, refused) = peer.outcome();
    assert_eq!((first, last), (delivery, delivery));
    refused.is_none()
}

/// The shard of a queue, and how many messages it has.
fn queue(broker: &Broker, name: &str) -> Option<(u64, u64)> {
    let queue = broker.queue(name)?;
    Some((queue["shard"].as_u64()?, queue["messages"].as_u64()?))
}

/// The versions that shards serve by.
fn versions(broker: &Broker) -> Vec<u64> {
    let state = broker.state();
    let shards = state["shards"].as_array().expect("shards").iter();
    shards.map(|shard| shard["catalogue_version"].as_u64().expect("a version")).collect()
}

fn take_all(broker: &Broker, address: &str, count: u32) {
    let mut consumer = opened(broker);
    consumer.attach_receiver(address, count);
    for _ in 0..count {
        let (delivery, _) = consumer.receive();
        consumer.accept(delivery, delivery);
    }
    wait_for("the messages to leave", || (queue(broker, address)?.1 == 0).then_some(()));
}

/// Waits until nobody is attached to a queue.
fn left_alone(broker: &Broker, name: &str) {
    wait_for("its links to go", || {
        let queue = broker.queue(name)?;
        (queue["producers"] == 0 && queue["consumers"] == 0).then_some(())
    });
}

fn on_shard(address: &str, shard: u16) -> String {
    format!("[[address]]\nname = \"{address}\"\nshard = {shard}\n")
}

#[test]
fn addresses_are_on_the_shard_that_is_named() {
    let declared: String = (0..SHARDS).map(|shard| on_shard(&format!("hot.{shard}"), shard)).collect();
    let broker = broker(folder(), &declared);
    for shard in 0..SHARDS {
        let name = format!("hot.{shard}");
        // Connections come to any shard, and some stay there for a link of their own.
        for _ in 0..4 {
            let mut peer = opened(&broker);
            peer.attach_sender(&name);
            assert!(send(&mut peer, 0, Durable::Yes));
        }
        assert_eq!(queue(&broker, &name), Some((shard.into(), 4)));
        let http = broker.http.to_string();
        let listed = text(&run(&["status", "--http", &http, "--queues", &name]));
        let row = listed.lines().find(|line| line.starts_with(&name)).expect("its row");
        assert_eq!(row.split_whitespace().nth(2), Some(shard.to_string().as_str()), "{listed}");
        take_all(&broker, &name, 4);
    }
}

#[test]
fn messages_move_to_the_shard_that_is_named_at_a_start() {
    let mut before = broker(folder(), "");
    for (shard, count) in [(0, 0), (1, 1), (2, 2), (0, 3)] {
        if count > 0 {
            let mut producer = opened(&before);
            producer.attach_sender("hot");
            assert!(send(&mut producer, 0, Durable::Yes));
        }
        let after = broker(before.stop(), &on_shard("hot", shard));
        assert_eq!(queue(&after, "hot"), Some((shard.into(), count)), "it is there once, with what it had");
        before = after;
    }
    // What is written again without a node stays where it is.
    let folder = before.stop();
    let data = folder.path().join("data");
    let data = data.to_str().expect("a path");
    assert!(run(&["data", "compact", "--data-dir", data]).status.success());
    let stat = run(&["data", "stat", "--json", "--data-dir", data]);
    let stat: serde_json::Value = serde_json::from_slice(&stat.stdout).expect("JSON");
    assert_eq!((&stat["queues"][0]["shard"], &stat["queues"][0]["messages"]), (&0.into(), &3.into()));
    // Where its hash says again.
    let last = broker(folder, "");
    take_all(&last, "hot", 3);
}

#[test]
fn what_the_configuration_says_now_holds_for_what_is_there() {
    let broker = broker(folder(), "[[address]]\nmatch = \"#\"\nmax_messages = 2\nproducer_window = 10\n");
    let before = versions(&broker);
    let mut producer = opened(&broker);
    producer.attach_sender("jobs");
    let taken = (0..10).filter(|&delivery| send(&mut producer, delivery, Durable::No)).count();
    assert_eq!(taken, 4, "twice the maximum");
    let said = reload(
        &broker,
        "[[address]]\nmatch = \"#\"\nmax_messages = 1000\nproducer_window = 10\n[[queue]]\nname = \"audit\"\naddress = \"all\"\n",
    );
    assert!(said.contains("all shards hold to what it says"), "{said}");
    let after = versions(&broker);
    assert!(after.iter().all(|version| *version == before[0] + 1) && before.iter().all(|one| *one == before[0]));
    wait_for("the declared queue", || queue(&broker, "audit"));
    let credit = producer.until(|performative| match performative {
        Performative::Flow(flow) => flow.link_credit.filter(|&credit| credit > 0),
        _ => None,
    });
    assert_eq!(credit, 10);
    let taken = (10..20).filter(|&delivery| send(&mut producer, delivery, Durable::No)).count();
    assert_eq!(taken, 10, "it waited at the lower one, and goes on");
    let said = reload(&broker, "[[address]]\nmatch = \"#\"\nauto_create = false\n");
    assert!(said.contains("all shards hold to what it says"), "{said}");
    wait_for("what is no longer declared to go", || queue(&broker, "audit").is_none().then_some(()));
    assert_eq!(queue(&broker, "jobs").expect("it has messages").1, 14);
    let mut other = opened(&broker);
    let target = Some(Target::Node(Terminus::at("none")));
    other.put(&Performative::Attach(Box::new(Attach { target, ..Attach::new("none", 0, Role::Sender) })));
    assert!(other.detached().contains("there is no address none"));
    let said = reload(&broker, "[[address]]\nmatch = \"#\"\nauto_create = false\n");
    assert!(said.contains("what it said before"), "{said}");
}

#[test]
fn what_cannot_be_taken_over_changes_nothing() {
    let broker = broker(folder(), "");
    let before = versions(&broker);
    for (addresses, words) in [
        ("[[address]]\nname = \"a\"\nmax_message = 7\n", "did you mean address.max_messages?"),
        ("[[address]]\nname = \"a\"\nshard = 3\n", "address.shard is 3: the node has 3 shards"),
        ("[[address]]\nmatch = \"a.#\"\nshard = 1\n", "a match has no shard"),
        ("[limits]\nlinks = 7\n[[address]]\nname = \"a\"\n", "limits.links: this takes a start"),
        ("[[listeners]]\naddress = \"127.0.0.1:0\"\n", "listeners: this takes a start"),
    ] {
        let said = reload(&broker, addresses);
        assert!(said.contains("nothing of it was taken over") && said.contains(words), "{said}");
    }
    assert_eq!(versions(&broker), before);
    assert_eq!(broker.state()["queues"].as_array().map(Vec::len), Some(0));
    let mut peer = opened(&broker);
    peer.attach_sender("it.serves");
    assert!(send(&mut peer, 0, Durable::Yes));
}

#[test]
fn an_address_changes_its_shard_while_nobody_uses_it() {
    let broker = broker(folder(), &on_shard("hot", 0));
    let mut producer = opened(&broker);
    producer.attach_sender("hot");
    assert!(send(&mut producer, 0, Durable::Yes));
    let said = reload(&broker, &on_shard("hot", 1));
    assert!(said.contains("the address hot has links on shard 0"), "{said}");
    assert!(send(&mut producer, 1, Durable::Yes), "it goes on where it was");
    drop(producer);
    left_alone(&broker, "hot");
    let said = reload(&broker, &on_shard("hot", 1));
    assert!(
        said.contains("the address hot has messages on shard 0") && said.contains("Start the node again"),
        "{said}"
    );
    assert_eq!(queue(&broker, "hot"), Some((0, 2)));
    take_all(&broker, "hot", 2);
    left_alone(&broker, "hot");
    for shard in [1, 2, 0, 2] {
        let said = reload(&broker, &on_shard("hot", shard));
        assert!(said.contains("all shards hold to what it says"), "{said}");
        let there = || queue(&broker, "hot").filter(|(on, _)| *on == u64::from(shard));
        assert_eq!(wait_for("the queue on its new shard", there), (shard.into(), 0));
        let mut peer = opened(&broker);
        peer.attach_sender("hot");
        assert!(send(&mut peer, 0, Durable::Yes));
        drop(peer);
        take_all(&broker, "hot", 1);
        left_alone(&broker, "hot");
    }
    // What holds outlives the node, also one that is killed.
    let mut peer = opened(&broker);
    peer.attach_sender("hot");
    assert!(send(&mut peer, 0, Durable::Yes));
    let again = self::broker(broker.kill(), &on_shard("hot", 2));
    assert_eq!(queue(&again, "hot"), Some((2, 1)));
}

#[test]
fn a_relay_and_links_find_addresses_wherever_they_are() {
    let broker = broker(folder(), "");
    let names: Vec<String> = (0..6).map(|number| format!("spread.{number}")).collect();
    for round in 0..SHARDS {
        let declared: String =
            (0..).zip(&names).map(|(number, name): (u16, _)| on_shard(name, (number + round) % SHARDS)).collect();
        let said = reload(&broker, &declared);
        assert!(said.contains("all shards hold to what it says"), "{said}");
        let mut peers: Vec<_> = (0..4).map(|_| opened(&broker)).collect();
        for (handle, name) in (0..).zip(&names) {
            for peer in &mut peers {
                let target = Some(Target::Node(Terminus::at(name.as_str())));
                peer.put(&Performative::Attach(Box::new(Attach { target, ..Attach::new(name, handle, Role::Sender) })));
                peer.answer(name);
            }
        }
        for (number, name) in (0..).zip(&names) {
            let shard = u64::from((number + round) % SHARDS);
            assert_eq!(wait_for("the queue", || queue(&broker, name)), (shard, 0));
        }
        drop(peers);
        names.iter().for_each(|name| left_alone(&broker, name));
    }
}
