//! Names that peers chose, wherever they are shown.

use amqp_codec::AmqpError;
use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{Close, Open, Performative};
use amqp_codec::sasl::OutcomeCode;
use engine_message::Condition;
use tempfile::TempDir;

use crate::broker::{Broker, add_user, heddle, run, text, wait_for};
use crate::peer::{Durable, Peer, connect};

/// What a stranger may call things: an escape sequence, a line of its own, text that runs backwards, and much of it.
const EVIL: [&str; 4] = [
    "e\u{1b}[31mvil\u{1b}[2K",
    "l\n2030-01-01T00:00:00Z  INFO heddle: forged",
    "\u{202e}drawkcab\u{2066}",
    "a\u{9b}2Jb\r\u{7}",
];

/// Fails when a text of the program has more than its own lines, or steers a terminal.
fn is_harmless(text: &str, what: &str) {
    let wrong = |c: char| c != '\n' && c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.contains(wrong), "{what}: {text:?}");
    assert!(!text.contains("\n2030-01-01"), "{what}: {text:?}");
}

#[test]
fn what_peers_chose_is_shown_and_not_obeyed() {
    let folder = TempDir::new().expect("a folder");
    let users = folder.path().join("users");
    add_user(&users, "guest", "secret\n");
    let listener = "[[listeners]]\naddress = \"127.0.0.1:0\"\nmechanisms = [\"ANONYMOUS\", \"PLAIN\"]";
    let config = format!("[users]\nfile = {users:?}\n{listener}");
    let mut broker = Broker::start_telling(folder, 2, "debug", &config);
    let to = broker.addresses[0];
    let long = "z".repeat(2000);
    let mut peers = Vec::new();
    for name in EVIL.into_iter().chain([long.as_str()]) {
        assert_eq!(Peer::new(connect(to)).plain(name, "wrong"), OutcomeCode::Auth);
        let mut peer = Peer::new(connect(to));
        peer.open();
        peer.round_trip(name);
        peers.push(peer);
        // What is on disk is shown by other commands.
        let mut storing = Peer::new(connect(to));
        storing.open();
        storing.attach_sender(&format!("{name} stored"));
        storing.send_message(0, Durable::Yes, b"x");
        assert_eq!(storing.outcome(), (0, 0, None));
        // Its container, and why it goes.
        let mut going = Peer::new(connect(to));
        assert_eq!(going.header(ProtocolHeader::Amqp), Some(ProtocolHeader::Amqp));
        going.put(&Performative::Open(Box::new(Open { container_id: name.to_owned(), ..Open::default() })));
        let error = AmqpError::new(Condition::InternalError, name);
        going.put(&Performative::Close(Close { error: Some(error) }));
        going.until(|performative| matches!(performative, Performative::Close(_)).then_some(()));
    }
    let http = broker.http.to_string();
    wait_for("all queues", || (broker.state()["queues"].as_array()?.len() == 2 * (EVIL.len() + 1)).then_some(()));
    for columns in ["80", "200"] {
        let output = heddle().args(["status", "--http", &http]).env("COLUMNS", columns).output().expect("it runs");
        let said = text(&output);
        is_harmless(&said, "status");
        assert!(said.contains("\\u{1b}[31mvil") || columns == "80", "{said}");
        let width = columns.parse().expect("a number");
        assert!(said.lines().all(|line| line.chars().count() <= width), "{columns}: {said}");
        assert!(said.contains("zzz…"), "{said}");
    }
    let state = broker.state();
    let names: Vec<&str> =
        state["queues"].as_array().expect("queues").iter().filter_map(|queue| queue["name"].as_str()).collect();
    assert!(EVIL.iter().all(|name| names.contains(name)), "JSON has the names themselves: {names:?}");
    let metrics = broker.http("GET /metrics").1;
    assert!(
        metrics.lines().all(|line| ["#", "heddle_", "process_"].iter().any(|begin| line.starts_with(begin))),
        "{metrics}"
    );

    let line = broker.logged(&["connection ended", "\\u{1b}[31mvil\\u{1b}[2K"]);
    assert!(line.contains("container="), "{line}");
    broker.logged(&["connection ended", "zzz…"]);
    drop(peers);
    broker.signal(libc::SIGTERM);
    wait_for("its end", || broker.process.try_wait().expect("its state"));
    let log = broker.log();
    is_harmless(&log, "the log");
    assert!(log.contains("container=\"l\\n2030"), "{log}");

    let data = broker.folder.path().join("data");
    let data = data.to_str().expect("text");
    for command in ["check", "stat", "print"] {
        let said = text(&run(&["data", command, "--data-dir", data]));
        is_harmless(&said, command);
        assert!(command == "check" || said.contains("[31mvil"), "{command}: {said}");
    }
}

#[test]
fn errors_of_commands_quote_others_harmlessly() {
    let broker = Broker::start("[[listeners]]\naddress = \"127.0.0.1:0\"");
    let folder = &broker.folder;
    let users = folder.path().join("users");
    add_user(&users, "guest", "secret\n");
    // Line ends of what the caller says are the caller's.
    for evil in EVIL.into_iter().filter(|evil| !evil.contains('\n')) {
        for arguments in [
            &["user", "remove", evil, "--file", users.to_str().expect("text")][..],
            &["data", "stat", "--data-dir", evil],
            &["run", "--config", evil],
            &["load", "run", "--to", "orders", evil],
        ] {
            let output = run(arguments);
            assert!(!output.status.success(), "{arguments:?}");
            // What clap says of its arguments are the caller's own words.
            if output.status.code() != Some(2) {
                is_harmless(&text(&output), arguments[0]);
            }
        }
    }
}
