//! Messages that pass through: the program as a router, between its clients.
//!
//! The system gives each connection to a shard of its choosing: with several shards senders and receivers are on the same ones and on
//! others.

use std::net::TcpStream;

use amqp_codec::performative::{Attach, DeliveryState, Performative, Role, Source, Target, Terminus};
use engine_message::value::{Map, Value};
use tempfile::TempDir;

use crate::broker::{Broker, heddle, run, text, wait_for};
use crate::peer::{Durable, End, Peer, opened};

const ROUTER: &str = r#"[storage]
enabled = false
[[listeners]]
address = "127.0.0.1:0"
[router]
enabled = true
link_capacity = 20
[[routes]]
prefix = "news"
distribution = "multicast"
[[routes]]
pattern = "near.#"
distribution = "closest"
[[routes]]
prefix = "closed"
distribution = "unavailable"
"#;

fn router(shards: u16) -> Broker {
    Broker::start_with(TempDir::new().expect("a folder"), shards, ROUTER)
}

fn receiver(router: &Broker, address: &str, credit: u32) -> Peer<TcpStream> {
    let mut peer = opened(router);
    peer.attach_receiver(address, credit);
    peer
}

fn sender(router: &Broker, address: &str) -> Peer<TcpStream> {
    let mut peer = opened(router);
    peer.attach_sender(address);
    peer
}

#[test]
fn what_a_receiver_says_is_what_its_sender_hears() {
    for shards in [1, 3] {
        let router = router(shards);
        // More than there are shards, so that both ends are on the same one and on others.
        for pair in 0..8 {
            let address = format!("orders.{pair}");
            let mut receiver = receiver(&router, &address, 10);
            let mut sender = sender(&router, &address);
            let states = [
                DeliveryState::Accepted,
                DeliveryState::Released,
                DeliveryState::Modified { delivery_failed: true, undeliverable_here: true, annotations: None },
                DeliveryState::Modified { delivery_failed: false, undeliverable_here: false, annotations: None },
            ];
            for (number, state) in (0..).zip(states) {
                sender.send_message(number, Durable::Yes, &[number as u8]);
                let (delivery, body) = receiver.receive();
                assert_eq!((delivery, &body[..]), (number, &[number as u8][..]));
                let shown = format!("{state:?}");
                receiver.decide(delivery, state);
                assert_eq!(sender.state(), (number, number, shown), "{shards} shards, pair {pair}");
            }
            sender.send_message(4, Durable::No, b"blue");
            let (delivery, _) = receiver.receive();
            receiver.reject(delivery, delivery, "too blue");
            let (_, _, why) = sender.outcome();
            assert!(why.is_some_and(|why| why.contains("shop:closed") && why.contains("too blue")));
        }
    }
}

#[test]
fn senders_have_credit_while_somebody_is_there() {
    for shards in [1, 3] {
        let router = router(shards);
        let mut waiting = opened(&router);
        waiting.attach_waiting_sender("orders");
        assert_eq!(waiting.ask_for_credit(), 0, "nobody is there");
        let mut receiver = receiver(&router, "orders", 100);
        waiting.wait_for_credit();
        waiting.send_message(0, Durable::No, b"first");
        let (delivery, _) = receiver.receive();
        receiver.accept(delivery, delivery);
        assert_eq!(waiting.outcome(), (0, 0, None));
        receiver.close();
        // What it has credit for comes back, once the router knows.
        let mut number = 0;
        wait_for("a release", || {
            number += 1;
            waiting.send_message(number, Durable::No, b"next");
            (waiting.state().2 == "Released").then_some(())
        });
    }
}

#[test]
fn each_distribution_is_kept() {
    for shards in [1, 3] {
        let router = router(shards);
        let mut listeners: Vec<_> = (0..4).map(|_| receiver(&router, "news.today", 100)).collect();
        let mut speaker = sender(&router, "news.today");
        for number in 0..10 {
            speaker.send_message(number, Durable::No, &[number as u8]);
        }
        for listener in &mut listeners {
            for number in 0..10 {
                let (delivery, body) = listener.receive();
                assert_eq!(body, [number as u8], "all of them, in their order");
                listener.accept(delivery, delivery);
            }
        }
        let mut told = 0;
        while told < 10 {
            let (first, last, refused) = speaker.outcome();
            assert_eq!((first, refused), (told, None));
            told = last + 1;
        }
        for address in ["orders", "near.by"] {
            let mut workers: Vec<_> = (0..4).map(|_| receiver(&router, address, 100)).collect();
            let mut sender = sender(&router, address);
            (0..12).for_each(|number| sender.send_message(number, Durable::No, &[number as u8]));
            for worker in &mut workers {
                let mut got: Vec<u8> = (0..3).map(|_| worker.receive().1[0]).collect();
                assert!(got.is_sorted(), "{got:?}");
                got.dedup();
                assert_eq!((got.len(), worker.drain(100)), (3, 0), "{address}: each has its share");
            }
        }
    }
}

#[test]
fn what_a_lost_receiver_had_is_told_its_sender() {
    for shards in [1, 3] {
        let router = router(shards);
        let mut receiver = receiver(&router, "orders", 2);
        let mut sender = sender(&router, "orders");
        (0..4).for_each(|number| sender.send_message(number, Durable::No, b"order"));
        receiver.receive();
        receiver.receive();
        drop(receiver);
        let mut told = Vec::new();
        while told.len() < 4 {
            let (first, last, state) = sender.state();
            told.extend((first..=last).map(|number| (number, state.clone())));
        }
        told.sort_unstable();
        let failed = DeliveryState::Modified { delivery_failed: true, undeliverable_here: false, annotations: None };
        let (failed, released) = (format!("{failed:?}"), format!("{:?}", DeliveryState::Released));
        assert_eq!(told, [(0, failed.clone()), (1, failed), (2, released.clone()), (3, released)]);
    }
}

#[test]
fn a_slow_receiver_slows_its_sender_and_nobody_else() {
    let router = router(3);
    let _slow = receiver(&router, "slow", 1);
    let mut held_up = sender(&router, "slow");
    (0..20).for_each(|number| held_up.send_message(number, Durable::No, b"wait"));
    assert_eq!(held_up.ask_for_credit(), 0, "it has as many unsettled as it may");
    let mut fast = receiver(&router, "fast", 1000);
    let mut busy = sender(&router, "fast");
    for number in 0..500 {
        busy.send_message(number, Durable::No, b"go");
        let (delivery, _) = fast.receive();
        fast.accept(delivery, delivery);
        assert_eq!(busy.outcome(), (number, number, None));
    }
}

#[test]
fn a_message_of_few_frames_passes_whole_and_one_that_is_aborted_is_never_seen() {
    for shards in [1, 3] {
        let router = router(shards);
        let mut receiver = receiver(&router, "files", 2);
        let mut sender = sender(&router, "files");
        // What is smaller than 128 KiB waits until it is whole.
        sender.send_large(0, Durable::No, 200_000, End::Aborted);
        sender.send_large(1, Durable::No, 110_000, End::Whole);
        let (delivery, bytes) = receiver.receive_large();
        assert_eq!(bytes, 110_000);
        receiver.accept(delivery, delivery);
        let (first, last, refused) = sender.outcome();
        assert_eq!((first, last, refused), (1, 1, None));
        sender.send_large(2, Durable::No, 5_000_000, End::Whole);
        let (delivery, bytes) = receiver.receive_large();
        assert_eq!(bytes, 5_000_000);
        receiver.accept(delivery, delivery);
        let (first, last, refused) = sender.outcome();
        assert_eq!((first, last, refused), (2, 2, None));
    }
}

#[test]
fn addresses_that_may_not_be_used_are_refused_and_nothing_is_kept() {
    let router = router(1);
    let mut peer = opened(&router);
    peer.attach_waiting_sender("closed.for.good");
    let why = peer.detached();
    assert!(why.contains("NotFound") || why.contains("not-found"), "{why}");
    let state = router.state();
    assert_eq!(state["queues"].as_array().map(Vec::len), Some(0), "nothing is kept");
}

/// Attaches a receiver of a node that the router makes for it, with credit; gives the node's address.
fn dynamic_receiver(peer: &mut Peer<TcpStream>) -> String {
    let attach = Attach {
        source: Some(Source::from(Terminus::dynamic())),
        target: Some(Target::Node(Terminus::default())),
        ..Attach::new("answers", 1, Role::Receiver)
    };
    peer.put(&Performative::Attach(Box::new(attach)));
    let (answer, refused) = peer.answer("answers");
    assert_eq!(refused, None);
    peer.set_credit(0, 10);
    answer.source.and_then(|source| source.terminus.address).expect("the node's address")
}

#[test]
fn temporary_nodes_and_answers_of_management_are_there_whatever_the_distribution_of_all_addresses() {
    for shards in [1, 3] {
        let written = ROUTER.replace("link_capacity = 20", "distribution = \"unavailable\"\nlink_capacity = 20");
        let router = Broker::start_with(TempDir::new().expect("a folder"), shards, &written);
        let mut asking = opened(&router);
        let address = dynamic_receiver(&mut asking);
        let mut answering = sender(&router, &address);
        answering.send_message(0, Durable::No, b"answer");
        let (delivery, body) = asking.receive();
        assert_eq!(body, b"answer");
        asking.accept(delivery, delivery);
        assert_eq!(answering.outcome(), (0, 0, None));
        // Any other address is as the configuration says.
        let mut other = opened(&router);
        other.attach_waiting_sender("orders");
        assert!(other.detached().contains("not-found"));
        // The tools ask over AMQP, and are answered at such a node.
        let url = format!("amqp://{}", router.addresses[0]);
        let output = run(&["queue", "list", "--url", &url]);
        assert!(output.status.success(), "{}", text(&output));
    }
}

#[test]
fn what_no_link_of_a_router_would_reach_is_not_declared() {
    let router = router(1);
    let url = format!("amqp://{}", router.addresses[0]);
    for what in [
        &["queue", "create", "q"][..],
        &["address", "create", "a", "--set", "max_messages=7"],
        &["queue", "pause", "q"],
        &["address", "block", "a"],
    ] {
        let output = run(&[what, &["--url", &url]].concat());
        let said = text(&output);
        assert!(!output.status.success() && said.contains("this node is a router"), "{what:?}: {said}");
    }
    assert_eq!(router.state()["queues"].as_array().map(Vec::len), Some(0), "nothing is kept");
}

#[test]
fn what_a_router_has_no_place_for_is_refused_at_once() {
    let refused = |text: &str| {
        let folder = TempDir::new().expect("a folder");
        let Err((_, said)) = Broker::try_start(folder, 1, text) else { panic!("{text} is refused") };
        said
    };
    let said = refused("[router]\nenabled = true\n[[queue]]\nname = \"q\"\n");
    assert!(said.contains("storage.enabled = false") && said.contains("[[queue]]"), "{said}");
    let said = refused("[[routes]]\nprefix = \"a\"\n");
    assert!(said.contains("router.enabled"), "{said}");
    let routes = "[router]\nenabled = true\n[storage]\nenabled = false\n[[routes]]\nprefix = \"a\"\npattern = \"b\"\n\
                  [[routes]]\npattern = \"a.#\"\n[[routes]]\nprefix = \"a\"\n[[routes]]\npattern = \"\"\n";
    let said = refused(routes);
    for part in ["either a prefix or a pattern", "for the same addresses", "no pattern"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("named.toml");
    let named = "[node]\ncontainer_id = \"a b\"\n[router]\nenabled = true\n[storage]\nenabled = false\n";
    std::fs::write(&path, named).expect("a file");
    let output = heddle().args(["config", "check", "--config"]).arg(&path).output().expect("the program runs");
    assert!(!output.status.success() && text(&output).contains("no name of a router"), "{}", text(&output));
}

#[test]
fn a_file_of_qdrouterd_is_run_and_becomes_a_configuration() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("qdrouterd.conf");
    let text = "router {\n    mode: standalone\n    id: R1\n}\nlistener {\n    host: 127.0.0.1\n    port: 0\n    authenticatePeer: no\n}\n\
                address {\n    prefix: news\n    distribution: multicast\n}\nlog {\n    module: DEFAULT\n    enable: info+\n}\n";
    std::fs::write(&path, text).expect("a file");
    let router = Broker::start_router(folder, &path);
    let mut listeners: Vec<_> = (0..2).map(|_| receiver(&router, "news", 10)).collect();
    let mut speaker = opened(&router);
    speaker.attach_sender("news");
    speaker.send_message(0, Durable::No, b"hello");
    for listener in &mut listeners {
        assert_eq!(listener.receive().1, b"hello");
    }
    let log = router.log();
    assert!(log.contains("qdrouterd.conf:14") && log.contains("--log"), "what has no effect is told: {log}");
    // The same as a configuration of our own.
    let path = path.to_str().expect("text");
    let printed = heddle().args(["config", "print", "--router", path]).output().expect("the program runs");
    let toml = String::from_utf8(printed.stdout).expect("text");
    assert!(toml.contains("container_id = \"R1\"") && toml.contains("prefix = \"news\""), "{toml}");
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("heddle.toml"), toml).expect("a file");
    let check = heddle().args(["config", "check", "--config"]).arg(folder.path().join("heddle.toml")).output();
    assert!(check.expect("the program runs").status.success());
}

/// What `heddle config print` says of a file of qdrouterd's with options; whether it is right, too.
fn printed(text_of_file: &str, options: &[&str]) -> (bool, String) {
    told_by("print", text_of_file, options)
}

/// The same with another command of `heddle config`.
fn told_by(command: &str, text_of_file: &str, options: &[&str]) -> (bool, String) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("r.conf");
    std::fs::write(&path, text_of_file).expect("a file");
    let path = path.to_string_lossy().into_owned();
    let output = run(&[&["config", command, "--router", &path], options].concat());
    (output.status.success(), text(&output))
}

/// Whether a line of a printed configuration has a value, and where that comes from.
fn has(printed: &str, value: &str, from: &str) -> bool {
    printed.lines().any(|line| line.starts_with(value) && line.trim_end().ends_with(from))
}

#[test]
fn listeners_of_an_option_have_what_those_of_the_file_agree_on() {
    let listener = |port: u16, frame: u32| format!("listener {{\n    port: {port}\n    maxFrameSize: {frame}\n}}\n");
    let policy = "policy {\n    maxMessageSize: 5000\n}\n";
    let listen = ["--listen", "127.0.0.1:7000"];
    let (is_right, said) = printed(&format!("{policy}{}{}", listener(1, 2048), listener(2, 2048)), &listen);
    assert!(is_right, "{said}");
    assert!(has(&said, "address = \"127.0.0.1:7000\"", "--listen") && !said.contains(":2\""), "{said}");
    assert!(
        has(&said, "max_frame_size = 2048", "r.conf:6") && has(&said, "max_message_size = 5000", "r.conf:2"),
        "{said}"
    );
    // Without a listener in the file what holds for all of them.
    let (is_right, said) = printed(policy, &listen);
    assert!(is_right && has(&said, "max_message_size = 5000", "default"), "{said}");
    let (is_right, said) = printed(&format!("{}{}", listener(1, 2048), listener(2, 4096)), &listen);
    assert!(
        !is_right && said.contains("max_frame_size (2048 and 4096)") && said.contains("Leave --listen out"),
        "{said}"
    );
    // TLS of one of them would be lost, or be where it is not looked for.
    let secured = "sslProfile {\n    name: s\n    certFile: c.pem\n}\nlistener {\n    port: 3\n    sslProfile: s\n    requireSsl: yes\n}\n";
    let (is_right, said) = printed(&format!("{secured}{}", listener(1, 2048)), &listen);
    assert!(!is_right && said.contains("transport"), "{said}");
    let (_, said) = printed(secured, &listen);
    assert!(
        has(&said, "transport = \"tls\"", "r.conf:7") && has(&said, "certificate = \"c.pem\"", "r.conf:3"),
        "{said}"
    );
}

#[test]
fn what_a_file_of_qdrouterd_says_is_told_with_its_line() {
    let file = "router {\n    id: R1\n    mode: standalone\n}\nlistener {\n    host: 127.0.0.1\n    port: 5000\n    idleTimeoutSeconds: 7\n    \
                linkCapacity: 9\n}\naddress {\n    prefix: news\n    distribution: multicast\n}\n";
    let (is_right, said) = printed(file, &[]);
    assert!(is_right, "{said}");
    for (value, from) in [
        ("address = \"127.0.0.1:5000\"", "r.conf:7"),
        ("idle_timeout_ms = 7000", "r.conf:8"),
        ("link_capacity = 9", "r.conf:9"),
        ("prefix = \"news\"", "r.conf:12"),
        ("distribution = \"multicast\"", "r.conf:13"),
        ("enabled = false", "r.conf:1"),
        ("max_frame_size", "default"),
    ] {
        assert!(has(&said, value, from), "{value} from {from}: {said}");
    }
}

#[test]
fn what_is_wrong_with_a_file_of_qdrouterd_is_told_in_its_words() {
    let router = "router {\n    id: R1\n    mode: interior\n}\n";
    let slow = "router {\n    id: R1\n    helloIntervalSeconds: 5\n    helloMaxAgeSeconds: 1\n}\n";
    let (is_right, said) = told_by("check", slow, &["--listen", "127.0.0.1:7000"]);
    assert!(!is_right && said.contains("r.conf:4: helloMaxAgeSeconds, in ms, is 1000, and helloInt"), "{said}");
    let connector = |more: &str| format!("connector {{\n    name: c\n    host: h\n    port: 1\n    {more}\n}}\n");
    let link = |more: &str| format!("autoLink {{\n    address: q\n    direction: in\n    {more}\n}}\n");
    let tls = "listener {\n    port: 1\n    sslProfile: p\n    requireSsl: yes\n}\nsslProfile {\n    name: p\n";
    let port = |host: &str| format!("listener {{\n    port: 1\n    host: {host}\n}}\n");
    for (file, line, told) in [
        (connector("saslUsername: u\n    saslMechanisms: PLAIN"), 9, "write saslPassword: file:PATH or env:NAME"),
        (connector("saslUsername: u\n    saslPassword: env:NOT_THERE"), 10, "saslPassword: the environment variable"),
        (
            connector("saslUsername: u\n    saslMechanisms: PLAIN").replace("name: c", "name: key"),
            9,
            "connector key: PLAIN needs a",
        ),
        (connector("sslProfile: p\n}\nsslProfile {\n    name: p"), 9, "its sslProfile needs caCertFile"),
        (connector("") + &link("connection: d"), 14, "autoLink \"q\": no connector and no listener is called \"d\""),
        (connector("role: inter-router") + &link("connection: c"), 14, "write role: route-container"),
        (connector("") + &link(""), 11, "write connection: NAME (of a connector or listener) or containerId: ID"),
        (format!("{tls}}}\n"), 7, "write certFile and privateKeyFile"),
        (
            format!("{tls}    certFile: no-such.pem\n    privateKeyFile: none.pem\n}}\n"),
            12,
            "certFile: no-such.pem does",
        ),
        (
            port("127.0.0.1") + &port("127.0.0.1"),
            9,
            "the listener of line 5 has '127.0.0.1:1' too: give this one another",
        ),
    ] {
        let (is_right, said) = told_by("check", &format!("{router}{file}"), &[]);
        assert!(!is_right && said.contains(&format!("r.conf:{line}: ")) && said.contains(told), "{told}: {said}");
        let is_ours = |word: &&str| word.contains('_') && !word.contains("NOT_THERE") && !word.contains('/');
        let ours: Vec<&str> = said.split_whitespace().filter(is_ours).collect();
        assert!(ours.is_empty() && !said.contains(" = \""), "words of another file, {ours:?}: {said}");
    }
}

#[test]
fn all_that_is_not_run_of_a_file_of_qdrouterd_is_refused_at_once() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("qdrouterd.conf");
    let file = "router {\n    mode: interior\n    id: R1\n}\nlistener {\n    multiTenant: yes\n    port: 5671\n}\nconnector {\n    host: a\n    protocolFamily: IPv4\n}\n\
                authServicePlugin {\n    name: p\n    host: h\n    port: 5672\n}\nautoLink {\n    address: q\n    direction: in\n    connection: c\n}\n";
    std::fs::write(&path, file).expect("a file");
    let output = heddle().args(["run", "--router"]).arg(&path).output().expect("the program runs");
    let said = text(&output);
    assert!(!output.status.success());
    for told in ["qdrouterd.conf:6:", "qdrouterd.conf:11:", "qdrouterd.conf:13:", "qdrouterd.conf:21:", "4 errors"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let both = heddle().args(["run", "--router", "a", "--config", "b"]).output().expect("the program runs");
    assert!(!both.status.success() && text(&both).contains("cannot be used with"), "{}", text(&both));
    let missing = heddle().args(["run", "--router", "nowhere.conf"]).output().expect("the program runs");
    assert!(!missing.status.success() && text(&missing).contains("nowhere.conf does not exist"));
}

/// A figure of the router over all shards.
pub fn figure(router: &Broker, name: &str) -> u64 {
    let state = router.state();
    let shards = state["shards"].as_array().expect("shards").iter();
    shards.map(|shard| shard["router"][name].as_u64().expect("a figure")).sum()
}

#[test]
fn figures_tell_what_became_of_messages_and_nothing_is_left() {
    for shards in [1, 3] {
        let router = router(shards);
        for round in 0..20 {
            let mut receiver = receiver(&router, "orders", 5);
            let mut sender = sender(&router, "orders");
            (0..10).for_each(|number| sender.send_message(number, Durable::No, &[round as u8]));
            let (delivery, body) = receiver.receive();
            assert_eq!(body, [round as u8], "of its own round");
            receiver.accept(delivery, delivery);
            assert_eq!(sender.outcome(), (0, 0, None), "{round}");
            if round % 2 == 0 {
                drop(receiver);
                drop(sender);
            } else {
                drop(sender);
                drop(receiver);
            }
            // What a sender that is gone had sent may still be on its way to the next receiver, whose word this round's sender would not
            // hear: the next round begins when nothing is left.
            wait_for("nothing to be left", || {
                let left = ["senders", "receivers", "under_way"].map(|name| figure(&router, name));
                (left == [0; 3]).then_some(())
            });
        }
        assert!(figure(&router, "accepted") >= 20);
        let (_, metrics) = router.http("GET /metrics");
        assert!(metrics.contains("heddle_router_accepted_total{shard=\"0\""), "{metrics}");
    }
}

#[test]
fn a_message_passes_as_it_is_whatever_it_asks_of_queues() {
    let router = router(1);
    let mut receiver = receiver(&router, "orders", 10);
    let mut sender = sender(&router, "orders");
    // A time to wait for, in the way of a broker, and an id that is there twice.
    let mut sections = vec![0x00, 0x53, 0x72];
    let mut annotations = Map::default();
    annotations.insert("x-opt-delivery-delay", Value::Long(3_600_000));
    annotations.encode(&mut sections);
    sections.extend([0x00, 0x53, 0x74]);
    let mut properties = Map::default();
    properties.insert("_AMQ_DUPL_ID", Value::String("one".to_owned()));
    properties.encode(&mut sections);
    sections.extend(b"\x00\x53\x75\xa0\x05hello");
    for number in 0..2 {
        sender.send_encoded(number, &sections);
        let (delivery, message) = receiver.receive_encoded();
        assert!(message.ends_with(&sections), "{message:x?} has {sections:x?}");
        receiver.accept(delivery, delivery);
        assert_eq!(sender.outcome(), (number, number, None));
    }
}

#[test]
fn a_router_that_reads_its_file_again_keeps_its_name() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("qdrouterd.conf");
    let listener = "listener {\n    host: 127.0.0.1\n    port: 0\n    authenticatePeer: no\n}\n";
    std::fs::write(&path, listener).expect("a file");
    let router = Broker::start_router(folder, &path);
    std::fs::write(&path, format!("{listener}address {{\n    prefix: news\n    distribution: multicast\n}}\n"))
        .expect("a file");
    router.signal(libc::SIGUSR1);
    let said = router.logged(&["routes"]);
    assert!(!said.contains("container_id"), "{said}");
}
