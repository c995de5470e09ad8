//! `heddle queue` and requests to `$management`: what they do to messages on one shard and across several, what survives a kill, who may, and what
//! is said to whoever asks for what there is not.

use std::collections::BTreeSet;

use amqp_codec::performative::{Attach, Performative, Role, Source, Target, Terminus};
use serde_json::Value as Json;
use tempfile::TempDir;

use crate::broker::{Broker, add_user, heddle, run, text, wait_for};
use crate::peer::{Durable, connect, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const DEAD: &str = "[[address]]\nmatch = \"orders.#\"\ndead_letter_address = \"dead\"\nexpiry_address = \"late\"\n";

fn folder() -> TempDir {
    TempDir::new().expect("a folder")
}

fn start(folder: TempDir, shards: u16) -> Broker {
    Broker::start_with(folder, shards, &format!("{LISTENER}{DEAD}"))
}

fn url(broker: &Broker) -> String {
    format!("amqp://{}", broker.addresses[0])
}

/// Runs `heddle queue …` to its end; gives whether it was done, and what was said.
fn queue(broker: &Broker, arguments: &[&str]) -> (bool, String) {
    let output = run(&[&["queue"], arguments, &["--url", &url(broker)]].concat());
    (output.status.success(), text(&output))
}

/// The same for what has to be done, with what it says as JSON.
fn done(broker: &Broker, arguments: &[&str]) -> Json {
    let (is_done, said) = queue(broker, &[arguments, &["--json"]].concat());
    assert!(is_done, "{arguments:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}"))
}

fn send(broker: &Broker, to: &str, durable: Durable, bodies: impl IntoIterator<Item = String>) {
    let mut sender = opened(broker);
    sender.attach_sender(to);
    sender.send_accepted(durable, bodies.into_iter().map(String::into_bytes));
}

fn numbered(count: u32) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("number {number}"))
}

fn messages(broker: &Broker, name: &str) -> u64 {
    broker.queue(name).and_then(|queue| queue["messages"].as_u64()).unwrap_or(0)
}

/// What is in a queue, by bodies.
fn browsed(broker: &Broker, name: &str) -> Vec<String> {
    let (is_done, said) = queue(broker, &["browse", name, "--json"]);
    assert!(is_done, "{said}");
    let lines = said.lines().map(|line| serde_json::from_str::<Json>(line).expect("a line is a message"));
    lines.map(|message| message["body"].as_str().expect("a text").to_owned()).collect()
}

#[test]
fn messages_are_moved_copied_and_removed_wherever_their_queues_are() {
    for shards in [1, 3] {
        let broker = start(folder(), shards);
        // More than one step looks at, to addresses of all shards.
        send(&broker, "orders.1", Durable::Yes, numbered(400));
        for to in ["a", "b", "c"] {
            let told = done(&broker, &["move", "orders.1", "--to", to, "--all", "--count", "100"]);
            assert_eq!((&told["done"], &told["came_back"]), (&100.into(), &0.into()), "{told}");
            assert_eq!(messages(&broker, to), 100, "it is there when the command says so");
        }
        let told = done(&broker, &["copy", "orders.1", "--to", "d", "--all"]);
        assert_eq!(told["done"], 100);
        assert_eq!(browsed(&broker, "d"), browsed(&broker, "orders.1"));
        let all: BTreeSet<String> = ["a", "b", "c", "d"].iter().flat_map(|name| browsed(&broker, name)).collect();
        assert_eq!(all, numbered(400).collect(), "each is somewhere");
        let told = done(&broker, &["purge", "orders.1"]);
        assert_eq!((&told["done"], messages(&broker, "orders.1")), (&100.into(), 0));
    }
}

#[test]
fn dead_letters_go_back_and_what_was_done_survives_a_kill() {
    for shards in [1, 3] {
        let broker = start(folder(), shards);
        for name in ["orders.1", "orders.2", "orders.3"] {
            send(&broker, name, Durable::Yes, [format!("of {name}")]);
            send(&broker, name, Durable::Yes, ["waste".to_owned()]);
            assert_eq!(done(&broker, &["dead-letter", name, "--all", "--count", "1"])["done"], 1);
            assert_eq!(done(&broker, &["remove", name, "--filter", "JMSDeliveryMode = 'PERSISTENT'"])["done"], 1);
        }
        let broker = start(broker.kill(), shards);
        assert_eq!(messages(&broker, "dead"), 3);
        let told = done(&broker, &["retry", "dead", "--all"]);
        assert_eq!((&told["looked"], &told["done"]), (&3.into(), &3.into()));
        let broker = start(broker.kill(), shards);
        assert_eq!(messages(&broker, "dead"), 0);
        for name in ["orders.1", "orders.2", "orders.3"] {
            assert_eq!(browsed(&broker, name), [format!("of {name}")], "and what was removed stays so");
            assert_eq!(done(&broker, &["expire", name, "--all"])["done"], 1);
        }
        wait_for("what expired", || (messages(&broker, "late") == 3).then_some(()));
    }
}

#[test]
fn what_consumers_hold_is_theirs() {
    let broker = start(folder(), 2);
    send(&broker, "orders", Durable::No, numbered(5));
    let mut receiver = opened(&broker);
    receiver.attach_receiver("orders", 2);
    let held = [receiver.receive(), receiver.receive()];
    assert_eq!(done(&broker, &["purge", "orders"])["done"], 3);
    assert_eq!(messages(&broker, "orders"), 2);
    receiver.accept(held[0].0, held[1].0);
    wait_for("their end", || (messages(&broker, "orders") == 0).then_some(()));
}

#[test]
fn queues_are_listed_with_their_figures() {
    let broker = start(folder(), 3);
    for (number, name) in ["orders.1", "orders.2", "other"].into_iter().enumerate() {
        send(&broker, name, Durable::No, numbered(1 + u32::try_from(number).expect("few")));
    }
    let told = done(&broker, &["stat", "orders."]);
    let told: Vec<(&str, &Json)> = told
        .as_array()
        .expect("queues")
        .iter()
        .map(|one| (one["name"].as_str().expect("a name"), &one["messages"]))
        .collect();
    assert_eq!(told, [("orders.1", &1.into()), ("orders.2", &2.into())]);
    let (_, table) = queue(&broker, &["stat"]);
    assert!(table.starts_with("queue") && table.contains("other") && !table.contains("$dynamic"), "{table}");
    assert_eq!(queue(&broker, &["list", "ot"]), (true, "other::other\n".to_owned()));
}

#[test]
fn whoever_asks_for_what_there_is_not_is_told() {
    let broker = start(folder(), 2);
    send(&broker, "plain", Durable::No, numbered(2));
    for (arguments, words) in [
        (&["purge", "none"][..], &["there is no queue", "heddle queue stat"][..]),
        (&["browse", "none"], &["there is no queue"]),
        (&["remove", "plain"], &["--id <ID>|--filter <SELECTOR>|--all"]),
        (&["remove", "plain", "--filter", "a ="], &["filter"]),
        (&["dead-letter", "plain", "--all"], &["no dead_letter_address"]),
        (&["move", "plain", "--to", "plain", "--all"], &["already"]),
        (&["move", "plain", "--to", "", "--all"], &["bytes"]),
    ] {
        let (is_done, said) = queue(&broker, arguments);
        assert!(!is_done && words.iter().all(|word| said.contains(word)), "{arguments:?}: {said}");
    }
    assert_eq!(messages(&broker, "plain"), 2);
    let output = run(&["queue", "stat", "--url", "amqp://127.0.0.1:1"]);
    assert!(!output.status.success() && text(&output).contains("is it running?"), "{}", text(&output));
}

#[test]
fn while_there_are_users_nobody_else_manages() {
    let folder = folder();
    let users = folder.path().join("users");
    add_user(&users, "admin", "secret");
    let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"\nmechanisms = [\"ANONYMOUS\", \"PLAIN\"]\n";
    let broker = Broker::start_with(folder, 2, &format!("[users]\nfile = {users:?}\n{listener}"));
    send(&broker, "q", Durable::No, numbered(1));
    for arguments in [&["purge", "q"][..], &["stat"]] {
        let (is_done, said) = queue(&broker, arguments);
        assert!(!is_done && said.contains("give a user and a password"), "{said}");
    }
    assert_eq!(messages(&broker, "q"), 1);
    let mut command = heddle();
    command.args(["queue", "purge", "q", "--user", "admin", "--url", &url(&broker)]).env("HEDDLE_PASSWORD", "secret");
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(messages(&broker, "q"), 0);
}

#[test]
fn rubbish_for_management_does_no_harm() {
    let broker = start(folder(), 2);
    let mut peer = opened(&broker);
    let target = Some(Target::Node(Terminus::at("$management")));
    let attach =
        Attach { source: Some(Source::default()), target, ..Attach::new("rubbish".to_owned(), 0, Role::Sender) };
    peer.put(&Performative::Attach(Box::new(Attach { initial_delivery_count: Some(0), ..attach })));
    peer.until(|performative| matches!(performative, Performative::Flow(_)).then_some(()));
    // No message at all, one that says not where its answer goes, one that is too large.
    for (delivery, message) in [&[][..], &[0xff; 40], &[0x00, 0x53, 0x77, 0x40]].into_iter().enumerate() {
        peer.send_encoded(u32::try_from(delivery).expect("few"), message);
        assert_eq!(peer.outcome().2, None, "it is accepted, and has no answer");
    }
    peer.send_encoded(3, &[&[0x00, 0x53, 0x75, 0xb0, 0, 1, 0x20, 0][..], &[0; 0x12000]].concat());
    assert!(peer.outcome().2.is_some_and(|error| error.contains("message-size-exceeded")));
    let mut receiver = crate::peer::Peer::new(connect(broker.addresses[0]));
    receiver.open();
    receiver.attach_receiver("$management", 1);
    assert!(receiver.detached().contains("not-allowed"));
    assert_eq!(queue(&broker, &["list"]).1, "", "nothing of it is a queue");
}
