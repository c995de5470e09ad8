//! Addresses and queues that are declared while the broker runs: there after restarts and beside a configuration that is read again, deleted only as far
//! as nothing is lost by it, and not what the configuration says.

use tempfile::TempDir;

use crate::broker::{Broker, run, text, wait_for};
use crate::peer::{Durable, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const CONFIGURED: &str = "[[queue]]\nname = \"fixed\"\naddress = \"fixed\"\n";

fn start(folder: TempDir, shards: u16) -> Broker {
    Broker::start_with(folder, shards, &format!("{LISTENER}{CONFIGURED}"))
}

/// Runs a command to its end; gives whether it was done, and what was said.
fn heddle(broker: &Broker, arguments: &[&str]) -> (bool, String) {
    let url = format!("amqp://{}", broker.addresses[0]);
    let output = run(&[arguments, &["--url", &url]].concat());
    (output.status.success(), text(&output))
}

fn done(broker: &Broker, arguments: &[&str]) -> String {
    let (is_done, said) = heddle(broker, arguments);
    assert!(is_done, "{arguments:?}: {said}");
    said
}

fn refused(broker: &Broker, arguments: &[&str], word: &str) {
    let (is_done, said) = heddle(broker, arguments);
    assert!(!is_done && said.contains(word), "{arguments:?}: {said}");
}

fn send(broker: &Broker, to: &str, count: u32) {
    let mut sender = opened(broker);
    sender.attach_sender(to);
    sender.send_accepted(Durable::Yes, (0..count).map(|number| number.to_be_bytes().to_vec()));
}

fn messages(broker: &Broker, queue: &str) -> Option<u64> {
    broker.queue(queue)?["messages"].as_u64()
}

#[test]
fn what_was_declared_is_there_after_a_kill_and_what_was_deleted_is_not() {
    for shards in [1, 3] {
        let broker = start(TempDir::new().expect("a folder"), shards);
        for name in ["one", "two", "three"] {
            done(&broker, &["queue", "create", name]);
            assert_eq!(messages(&broker, name), Some(0), "it is there when the command says so");
        }
        done(&broker, &["queue", "create", "audit", "--address", "one", "--multicast"]);
        send(&broker, "two", 5);
        done(&broker, &["queue", "delete", "three"]);
        let broker = start(broker.kill(), shards);
        assert_eq!([messages(&broker, "one"), messages(&broker, "audit")], [Some(0), Some(0)]);
        assert_eq!([messages(&broker, "two"), messages(&broker, "three")], [Some(5), None]);
        // The configuration says nothing of them when it is read again.
        broker.signal(libc::SIGUSR1);
        refused(&broker, &["queue", "create", "one"], "declared already");
        refused(&broker, &["queue", "delete", "two"], "5 messages");
        assert_eq!(messages(&broker, "two"), Some(5));
        done(&broker, &["queue", "delete", "two", "--force"]);
        done(&broker, &["queue", "delete", "audit"]);
        let broker = start(broker.kill(), shards);
        assert_eq!(
            [messages(&broker, "one"), messages(&broker, "two"), messages(&broker, "audit")],
            [Some(0), None, None]
        );
    }
}

#[test]
fn what_the_configuration_says_is_changed_there() {
    let broker = start(TempDir::new().expect("a folder"), 2);
    refused(&broker, &["queue", "delete", "fixed"], "stands in the configuration");
    refused(&broker, &["queue", "update", "fixed::fixed", "--multicast"], "stands in the configuration");
    assert_eq!(messages(&broker, "fixed"), Some(0));
}

#[test]
fn consumers_of_a_deleted_queue_are_told() {
    let broker = start(TempDir::new().expect("a folder"), 2);
    done(&broker, &["queue", "create", "q"]);
    let mut receiver = opened(&broker);
    receiver.attach_receiver("q", 1);
    wait_for("the consumer", || (broker.queue("q")?["consumers"] == 1).then_some(()));
    refused(&broker, &["queue", "delete", "q"], "1 consumers");
    done(&broker, &["queue", "delete", "q", "--force"]);
    assert!(receiver.detached().contains("resource-deleted"));
    assert_eq!(messages(&broker, "q"), None);
}

#[test]
fn settings_of_an_address_are_declared_changed_and_taken_back() {
    let broker = start(TempDir::new().expect("a folder"), 2);
    done(&broker, &["address", "create", "small", "--set", "max_messages=7", "--set", "when_full=refuse"]);
    let broker = start(broker.kill(), 2);
    let shown = done(&broker, &["address", "show", "small"]);
    let line = shown.lines().find(|line| line.starts_with("max_messages ")).expect("the setting");
    assert!(line.contains('7') && line.contains("address small"), "{shown}");
    done(&broker, &["address", "update", "small", "--set", "max_messages=9"]);
    let shown: serde_json::Value =
        serde_json::from_str(&done(&broker, &["address", "show", "small", "--json"])).expect("JSON");
    assert_eq!((&shown["max_messages"][0], &shown["when_full"][0]), (&9.into(), &"refuse".into()), "the rest stays");
    for (arguments, word) in [
        (&["address", "update", "small", "--set", "max_messages=many"][..], "max_messages"),
        (&["address", "update", "small", "--set", "size=1"], "no setting \"size\""),
        (&["address", "update", "other", "--set", "max_messages=1"], "create it"),
        (&["address", "create", "a::b"], "stands between"),
        (&["address", "delete", "other"], "not declared"),
    ] {
        refused(&broker, arguments, word);
    }
    send(&broker, "small", 1);
    let listed = done(&broker, &["address", "list"]);
    let line = listed.lines().find(|line| line.starts_with("small ")).expect("the address");
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["small", "management", "1", "1"], "{listed}");
    refused(&broker, &["queue", "delete", "small", "--force"], "comes with its address");
    refused(&broker, &["address", "delete", "small"], "1 messages");
    done(&broker, &["queue", "create", "more", "--address", "small", "--multicast"]);
    refused(&broker, &["address", "delete", "small", "--force"], "small::more");
    done(&broker, &["queue", "delete", "more"]);
    done(&broker, &["address", "delete", "small", "--force"]);
    assert!(!done(&broker, &["address", "list"]).contains("small"));
}
