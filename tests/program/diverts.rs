//! Diverts: what is sent to an address is at others as well, or instead, on whichever shard those are, and behind a kill.

use std::collections::BTreeSet;

use tempfile::TempDir;

use crate::broker::{Broker, run, text, wait_for};
use crate::peer::{Durable, End, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const FULL: &str = "[[address]]\nmatch = \"to.#\"\nmax_messages = 2\nwhen_full = \"refuse\"\n";
const COUNT: u8 = 40;

/// Diverts of four addresses, each to two others; some of them are on other shards if there are several.
fn diverts() -> String {
    let one = |number| {
        format!("[[divert]]\nname = \"d{number}\"\naddress = \"from.{number}\"\nto = \"to.{number}, copy.{number}\"\n")
    };
    (0..4).map(one).collect()
}

fn start(folder: TempDir, shards: u16, tables: &str) -> Broker {
    Broker::start_with(folder, shards, &format!("{LISTENER}{tables}"))
}

fn messages(broker: &Broker, queue: &str) -> u64 {
    broker.queue(queue).and_then(|queue| queue["messages"].as_u64()).unwrap_or(0)
}

fn wait_until_there(broker: &Broker, queue: &str, count: u64) {
    wait_for("messages to be there", || (messages(broker, queue) == count).then_some(()));
}

fn send(broker: &Broker, address: &str, numbers: std::ops::Range<u8>) {
    let mut sender = opened(broker);
    sender.attach_sender(address);
    sender.send_accepted(Durable::Yes, numbers.map(|number| vec![number]));
}

#[test]
fn what_was_accepted_comes_to_every_target_behind_a_kill() {
    for shards in [1, 3] {
        let broker = start(TempDir::new().expect("a folder"), shards, &format!("{FULL}{}", diverts()));
        for number in 0..4 {
            send(&broker, &format!("from.{number}"), 0..COUNT);
            wait_until_there(&broker, &format!("copy.{number}"), COUNT.into());
            wait_until_there(&broker, &format!("to.{number}"), 2);
            assert_eq!(messages(&broker, &format!("from.{number}")), u64::from(COUNT));
        }
        // Nobody holds it up any more; what was on its way may be there twice.
        let broker = start(broker.kill(), shards, &diverts());
        for number in 0..4 {
            let mut receiver = opened(&broker);
            receiver.attach_receiver(&format!("to.{number}"), 1000);
            let mut got = BTreeSet::new();
            while got.len() < usize::from(COUNT) {
                let (delivery, body) = receiver.receive();
                receiver.accept(delivery, delivery);
                got.insert(body[0]);
            }
            assert_eq!(got, (0..COUNT).collect());
        }
    }
}

#[test]
fn a_large_message_is_diverted_and_one_of_a_chosen_divert_if_the_filter_is_true_for_it() {
    let tables = "[[divert]]\nname = \"all\"\naddress = \"from\"\nto = \"to\"\nexclusive = true\n\
                  [[divert]]\nname = \"some\"\naddress = \"chosen\"\nto = \"elsewhere\"\nfilter = \"kind = 'x'\"\n";
    for shards in [1, 3] {
        let broker = start(TempDir::new().expect("a folder"), shards, tables);
        let mut sender = opened(&broker);
        sender.attach_sender("from");
        sender.send_large(0, Durable::Yes, 3 << 20, End::Whole);
        assert_eq!(sender.outcome(), (0, 0, None));
        wait_until_there(&broker, "to", 1);
        let broker = start(broker.kill(), shards, tables);
        let mut receiver = opened(&broker);
        receiver.attach_receiver("to", 1);
        assert!(receiver.receive_large().1 >= 3 << 20);
        let mut sender = opened(&broker);
        sender.attach_sender("chosen");
        // Of one there is no property, the other one is what the filter asks for.
        let chosen = [0x00, 0x53, 0x74, 0xc1, 10, 2, 0xa1, 4, b'k', b'i', b'n', b'd', 0xa1, 1, b'x'];
        for (delivery, front) in [(0, &[][..]), (1, &chosen)] {
            sender.send_large_behind(delivery, front, 3 << 20);
            assert_eq!(sender.outcome(), (delivery, delivery, None));
        }
        wait_until_there(&broker, "elsewhere", 1);
        assert_eq!(messages(&broker, "chosen"), 2);
    }
}

#[test]
fn what_diverts_cannot_do_is_told_before_the_start() {
    for (table, said) in [
        ("name = \"d\"\naddress = \"a\"\nto = \"a\"", "it leads from a to itself"),
        ("name = \"d\"\naddress = \"a\"\nto = \"b\"\nfilter = \"kind = \"", "filter: "),
        ("name = \"d\"\naddress = \"a\"", "where it leads"),
        ("name = \"d\"\naddress = \"a\"\nto = \"b\"\nrouting = \"pass\"", "anycast"),
    ] {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("heddle.toml");
        std::fs::write(&path, format!("[[divert]]\n{table}\n")).expect("a file");
        let output = run(&["config", "check", "--config", path.to_str().expect("a path")]);
        assert!(!output.status.success() && text(&output).contains(said), "{table}: {}", text(&output));
    }
}
