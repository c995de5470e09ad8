//! Connectors and listeners that management makes and removes on a router that runs.

use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use engine_message::value::Value;
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::network::certificate;
use crate::peer::{Durable, Peer, connect, opened};
use crate::router_changes::{create, made, of, router};
use crate::router_management::{Tool, text};
use crate::router_network::places;

const CONNECTOR: &str = "connector";
const LISTENER: &str = "listener";
const PROFILE: &str = "sslProfile";
const AUTO_LINK: &str = "router.config.autoLink";

/// A broker with a queue.
fn broker() -> Broker {
    Broker::start("[[listeners]]\naddress = \"127.0.0.1:0\"\n[[queue]]\nname = \"orders\"\n")
}

/// A router with so many shards, on however few cores.
fn routes(shards: u16) -> Broker {
    let config = "[storage]\nenabled = false\n[[listeners]]\naddress = \"127.0.0.1:0\"\nname = \"first\"\n[router]\nenabled = true\n";
    Broker::start_telling(TempDir::new().expect("a folder"), shards, "info", config)
}

fn connections(broker: &Broker) -> usize {
    broker.state()["connections"].as_array().map_or(0, Vec::len)
}

/// A connector of the router's as its HTTP listener tells of it.
fn connector(router: &Broker, name: &str) -> Option<serde_json::Value> {
    let state = router.state();
    let connectors = state["connectors"].as_array().expect("a list").clone();
    connectors.into_iter().find(|connector| connector["name"] == name)
}

/// Makes a connector to a place.
fn connects(tool: &mut Tool, name: &str, to: SocketAddr, rest: &[(&str, &str)]) -> Vec<(String, Value)> {
    let (host, port) = (to.ip().to_string(), to.port().to_string());
    let body: Vec<(&str, &str)> =
        [("host", host.as_str()), ("port", port.as_str())].into_iter().chain(rest.iter().copied()).collect();
    made(create(tool, CONNECTOR, name, &body))
}

fn opened_at(at: SocketAddr) -> Peer<TcpStream> {
    let mut peer = Peer::new(connect(at));
    peer.open();
    peer
}

#[test]
fn a_connector_connects_when_it_is_made_and_its_connection_ends_when_it_is_removed() {
    for shards in [1, 3] {
        let broker = broker();
        let router = routes(shards);
        let mut tool = Tool::new(&router, "$management");
        let at = broker.addresses[0];
        // Those of a file begin at number 0: these are of the shards 0, 1, 2, 0.
        for name in ["a", "b", "c", "broker"] {
            let row = connects(&mut tool, name, at, &[("role", "route-container")]);
            assert_eq!(of(&row, "identity"), &text(&format!("connector/{at}:{name}")));
            assert_eq!((of(&row, "name"), of(&row, "role")), (&text(name), &text("route-container")));
        }
        wait_for("four connections", || (connections(&broker) == 4).then_some(()));
        let stands = tool.all(CONNECTOR, &["connectionStatus", "connectionMsg"]);
        assert!(stands.iter().all(|row| *row == [text("SUCCESS"), Value::Null]), "{stands:?}");
        for (number, name) in (0..).zip(["a", "b", "c", "broker"]) {
            let told = connector(&router, name).expect("it is told of");
            assert_eq!(told["shard"], number % shards, "as one of a file of this number: {told}");
        }
        let rows = tool.all("connection", &["role", "dir", "host"]);
        let made: Vec<_> = rows.iter().filter(|row| row[..2] == [text("route-container"), text("out")]).collect();
        assert_eq!(made.len(), 4, "{rows:?}");
        // Other sections name it, and see it come and go.
        let link = [("address", "orders"), ("direction", "out"), ("connection", "broker")];
        crate::router_changes::made(create(&mut tool, AUTO_LINK, "l", &link));
        let stands = |tool: &mut Tool| tool.all(AUTO_LINK, &["operStatus"])[0][0].clone();
        wait_for("the link", || (stands(&mut tool) == text("active")).then_some(()));
        for _ in 0..shards {
            let mut sender = opened(&router);
            sender.attach_sender("orders");
            sender.send_message(0, Durable::Yes, b"x");
            assert_eq!(sender.outcome(), (0, 0, None), "the broker has it");
        }
        assert_eq!(tool.entity("DELETE", CONNECTOR, ("name", "broker"), &[]).code, 204);
        assert_eq!(tool.entity("DELETE", CONNECTOR, ("name", "broker"), &[]).code, 404);
        wait_for("its end", || (connections(&broker) == 3).then_some(()));
        wait_for("the link's end", || (stands(&mut tool) == text("inactive")).then_some(()));
        assert!(connector(&router, "broker").is_none());
        // One of the same name is another one, for which the same sections are.
        connects(&mut tool, "broker", at, &[("role", "route-container")]);
        wait_for("the link again", || (stands(&mut tool) == text("active")).then_some(()));
        assert_eq!(connections(&broker), 4);
        let identity = format!("connector/{at}:a");
        assert_eq!(tool.entity("DELETE", CONNECTOR, ("identity", &identity), &[]).code, 204);
        wait_for("another end", || (connections(&broker) == 3).then_some(()));
        assert_eq!(tool.all(CONNECTOR, &["name"]).len(), 3);
    }
}

#[test]
fn what_no_file_could_have_of_a_connector_or_listener_is_refused() {
    let (router, _) = router(2);
    let mut tool = Tool::new(&router, "$management");
    let at = router.addresses[0];
    let port = at.port().to_string();
    for (kind, name, body, words) in [
        (CONNECTOR, "c", &[("sslProfile", "none")][..], "there is no such sslProfile"),
        (CONNECTOR, "c", &[("port", "0")], "where nothing listens"),
        (CONNECTOR, "c", &[("port", "imaps")], "neither a number nor amqp or amqps"),
        (CONNECTOR, "c", &[("host", "a b")], "has a blank"),
        (CONNECTOR, "c", &[("host", "0.0.0.0")], "is where to listen"),
        (CONNECTOR, "c", &[("role", "inter-router")], "the router's mode is standalone"),
        (CONNECTOR, "c", &[("role", "edge")], "the router's mode is standalone"),
        (CONNECTOR, "c", &[("foo", "1")], "Unknown attribute 'foo' for 'org.apache.qpid.dispatch.connector'"),
        (CONNECTOR, "c", &[("idleTimeoutSeconds", "-1")], "idleTimeoutSeconds"),
        (CONNECTOR, "c", &[("policyVhost", "v")], "connector.policyVhost"),
        (CONNECTOR, "c", &[("saslMechanisms", "GSSAPI")], "here there are PLAIN"),
        (CONNECTOR, "c", &[("saslUsername", "u"), ("saslMechanisms", "PLAIN")], "saslPassword"),
        (
            CONNECTOR,
            "c",
            &[("saslUsername", "u"), ("saslPassword", "file:/etc/hostname")],
            "are not read for management",
        ),
        (CONNECTOR, "c", &[("saslUsername", "u"), ("saslPassword", "env:HOME")], "are not read for management"),
        (LISTENER, "listener/127.0.0.1:0", &[("host", "127.0.0.1")], "Name conflicts"),
        (LISTENER, "l", &[("host", "127.0.0.1"), ("port", &port)], "Address already in use"),
        (LISTENER, "l", &[("host", "192.0.2.1"), ("port", "0")], "cannot listen on 192.0.2.1:0"),
        (LISTENER, "l", &[("role", "edge")], "the router's mode is standalone"),
        (LISTENER, "l", &[("requireSsl", "yes")], "no 'sslProfile'"),
        (LISTENER, "l", &[("http", "yes")], "listener.http"),
        (LISTENER, "l", &[("authenticatePeer", "yes")], "files of qdrouterd have no users"),
        (LISTENER, "l", &[("saslMechanisms", "PLAIN")], "there are ANONYMOUS and, with a users file"),
    ] {
        let answer = create(&mut tool, kind, name, body);
        assert!(answer.code == 400 && answer.description.contains(words), "{body:?}: {answer:?}");
    }
    assert_eq!(tool.all(CONNECTOR, &["name"]).len(), 0);
    assert_eq!(tool.all(LISTENER, &["name"]), [[text("listener/127.0.0.1:0")]]);
    // What was refused listens nowhere, and its name is nobody's.
    let [free] = places();
    let port = free.port().to_string();
    made(create(&mut tool, LISTENER, "l", &[("host", "127.0.0.1"), ("port", &port)]));
    let again = create(&mut tool, LISTENER, "l", &[("host", "127.0.0.1"), ("port", "0")]);
    assert!(again.code == 400 && again.description.contains("Name conflicts"), "{again:?}");
    let same = create(&mut tool, LISTENER, "m", &[("host", "127.0.0.1"), ("port", &port)]);
    assert!(same.code == 400 && same.description.contains("Address already in use"), "its own has it: {same:?}");
    // A connector without a name has one made, which a second such would have too.
    let unnamed = [("host", text("127.0.0.1")), ("port", text(&port))];
    let row = made(tool.entity("CREATE", CONNECTOR, ("identity", "x"), &unnamed));
    assert_eq!(of(&row, "name"), &text(&format!("connector/{free}")));
    assert_eq!(tool.entity("CREATE", CONNECTOR, ("identity", "x"), &unnamed).code, 400);
}

/// Until the other end ends it.
fn ends(mut stream: TcpStream) {
    let mut octets = [0; 1024];
    while !matches!(stream.read(&mut octets), Ok(0) | Err(_)) {}
}

#[test]
fn a_connector_that_is_removed_while_it_connects_connects_no_more() {
    for shards in [1, 3] {
        let router = routes(shards);
        let mut tool = Tool::new(&router, "$management");
        // One of a peer that takes the connection and says nothing.
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        connects(&mut tool, "silent", silent.local_addr().expect("it has one"), &[]);
        let (stream, _) = silent.accept().expect("it connects");
        assert_eq!(tool.entity("DELETE", CONNECTOR, ("name", "silent"), &[]).code, 204);
        ends(stream);
        // One that waits for its next round.
        let [nowhere] = places();
        connects(&mut tool, "nowhere", nowhere, &[]);
        wait_for("a try", || connector(&router, "nowhere").filter(|connector| connector["error"].as_str().is_some()));
        wait_for("its failure", || {
            let stands = tool.all(CONNECTOR, &["connectionStatus", "connectionMsg"]);
            let failed = [text("FAILED"), text(&format!("{nowhere}: Connection refused (os error 111)"))];
            (stands == [failed]).then_some(())
        });
        assert_eq!(tool.entity("DELETE", CONNECTOR, ("name", "nowhere"), &[]).code, 204);
        let there = TcpListener::bind(nowhere).expect("the port is free");
        // What is made now connects, and goes through several rounds by the time that those would have come.
        let [other] = places();
        connects(&mut tool, "other", other, &[]);
        wait_for("three rounds", || {
            let tried = connector(&router, "other").and_then(|connector| connector["attempts"].as_u64());
            (tried >= Some(3)).then_some(())
        });
        for gone in [silent, there] {
            gone.set_nonblocking(true).expect("a listener");
            assert!(matches!(gone.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock));
        }
        // By its name, which is looked up.
        connects_by_name(&mut tool);
        assert_eq!(tool.entity("DELETE", CONNECTOR, ("name", "named"), &[]).code, 204);
        assert!(connector(&router, "named").is_none());
    }
}

/// Makes a connector to a name that is found, and listens there.
fn connects_by_name(tool: &mut Tool) {
    let there = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = there.local_addr().expect("it has one").port().to_string();
    made(create(tool, CONNECTOR, "named", &[("host", "localhost"), ("port", &port)]));
    there.accept().expect("it connects");
}

#[test]
fn a_listener_listens_when_it_is_made_and_its_connections_outlive_it() {
    for shards in [1, 3] {
        let router = routes(shards);
        let mut tool = Tool::new(&router, "$management");
        let [at] = places();
        let port = at.port().to_string();
        let body =
            [("host", "127.0.0.1"), ("port", port.as_str()), ("maxFrameSize", "1000000"), ("role", "route-container")];
        for round in 0..3 {
            let row = made(create(&mut tool, LISTENER, "more", &body));
            assert_eq!(
                (of(&row, "identity"), of(&row, "role")),
                (&text(&format!("listener/{at}:more")), &text("route-container"))
            );
            // On each shard, by frames that are larger than those of the listener that was there before.
            let mut peers: Vec<_> = (0..6).map(|_| opened_at(at)).collect();
            let mut receiver = opened_at(at);
            receiver.attach_receiver("a", 100);
            let large = vec![7; 300_000];
            for peer in &mut peers {
                peer.attach_sender("a");
                peer.send_message(0, Durable::No, &large);
                let (delivery, body) = receiver.receive();
                assert_eq!(body.len(), large.len());
                receiver.accept(delivery, delivery);
                assert_eq!(peer.outcome(), (0, 0, None));
            }
            let rows = tool.all("connection", &["role", "dir"]);
            assert_eq!(rows.iter().filter(|row| row[0] == text("route-container")).count(), 7, "{round}: {rows:?}");
            assert_eq!(tool.entity("DELETE", LISTENER, ("name", "more"), &[]).code, 204);
            assert_eq!(tool.entity("DELETE", LISTENER, ("name", "more"), &[]).code, 404);
            let refused = TcpStream::connect(at).expect_err("nobody listens");
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            for (number, peer) in (1..).zip(&mut peers) {
                peer.send_message(1, Durable::No, b"y");
                let (delivery, _) = receiver.receive();
                receiver.accept(delivery, delivery);
                assert_eq!(peer.outcome(), (1, 1, None), "the connection {number} goes on");
            }
            let rows = tool.all("connection", &["role"]);
            assert_eq!(
                rows.iter().filter(|row| row[0] == text("route-container")).count(),
                7,
                "they are told as they were"
            );
            peers.into_iter().chain([receiver]).for_each(Peer::close);
            wait_for("their ends", || {
                let rows = tool.all("connection", &["role"]);
                rows.iter().all(|row| row[0] != text("route-container")).then_some(())
            });
        }
        // The one that the file has goes as well; whoever is connected stays.
        assert_eq!(tool.entity("DELETE", LISTENER, ("name", "first"), &[]).code, 204);
        let refused = TcpStream::connect(router.addresses[0]).expect_err("nobody listens");
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(tool.all(LISTENER, &["name"]).len(), 0);
    }
}

#[test]
fn two_that_make_the_same_at_once_make_one() {
    for shards in [1, 3] {
        let broker = broker();
        let router = routes(shards);
        let [at] = places();
        let (port, to) = (at.port().to_string(), broker.addresses[0].port().to_string());
        for (kind, port) in [(CONNECTOR, &to), (LISTENER, &port)] {
            let at_once = |operation: &'static str, wanted: i32, refused: i32| {
                let body = vec![("host", text("127.0.0.1")), ("port", text(port))];
                let body = if operation == "CREATE" { body } else { Vec::new() };
                let mut codes: Vec<i32> = std::thread::scope(|scope| {
                    let ask = || Tool::new(&router, "$management").entity(operation, kind, ("name", "x"), &body).code;
                    let asking = [scope.spawn(ask), scope.spawn(ask)];
                    asking.map(|one| one.join().expect("an answer")).into()
                });
                codes.sort_unstable();
                assert_eq!(codes, [wanted, refused], "{operation} {kind}");
            };
            at_once("CREATE", 201, 400);
            at_once("DELETE", 204, 404);
        }
        wait_for("no connection", || (connections(&broker) == 0).then_some(()));
    }
}

#[test]
fn as_many_as_may_be_are_made_and_not_one_more() {
    let (router, _) = router(1);
    let mut tool = Tool::new(&router, "$management");
    let [nowhere] = places();
    for number in 0..64 {
        connects(&mut tool, &format!("c{number}"), nowhere, &[]);
    }
    let (host, port) = (nowhere.ip().to_string(), nowhere.port().to_string());
    let body = [("host", host.as_str()), ("port", port.as_str())];
    let refused = create(&mut tool, CONNECTOR, "more", &body);
    assert!(refused.code == 409 && refused.description.contains("remove some"), "{refused:?}");
    assert_eq!(tool.entity("DELETE", CONNECTOR, ("name", "c7"), &[]).code, 204);
    made(create(&mut tool, CONNECTOR, "more", &body));
}

/// A router of a file that says what it is to others, and connects with nobody yet.
fn lonely(name: &str, mode: &str, shards: u16, rest: &str) -> Broker {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("r.conf");
    let text = format!(
        "router {{\n  id: {name}\n  mode: {mode}\n  workerThreads: {shards}\n}}\nlistener {{\n  host: 127.0.0.1\n  port: 0\n  \
         saslMechanisms: ANONYMOUS\n}}\n{rest}"
    );
    std::fs::write(&file, text).expect("a file");
    Broker::start_router(folder, &file)
}

#[test]
fn routers_become_a_network_when_they_are_connected_and_part_when_that_is_removed() {
    for shards in [1, 3] {
        let (one, other) = (lonely("A", "interior", shards, ""), lonely("B", "interior", shards, ""));
        let (mut of_one, mut of_other) = (Tool::new(&one, "$management"), Tool::new(&other, "$management"));
        let ids = |tool: &mut Tool| tool.all("router.node", &["id"]).len();
        assert_eq!((ids(&mut of_one), ids(&mut of_other)), (1, 1), "each itself");
        let [at] = places();
        let port = at.port().to_string();
        let between = [("host", "127.0.0.1"), ("port", port.as_str()), ("role", "inter-router")];
        made(create(&mut of_one, LISTENER, "network", &between));
        connects(&mut of_other, "network", at, &[("role", "inter-router")]);
        wait_for("each other", || (ids(&mut of_one) == 2 && ids(&mut of_other) == 2).then_some(()));
        let (mut receiver, mut sender) = (opened(&one), opened(&other));
        receiver.attach_receiver("a", 10);
        sender.attach_sender("a");
        sender.send_message(0, Durable::No, b"x");
        assert_eq!(receiver.receive().1, b"x");
        assert_eq!(of_other.entity("DELETE", CONNECTOR, ("name", "network"), &[]).code, 204);
        for tool in [&mut of_one, &mut of_other] {
            wait_for("the end of it", || {
                let rows = tool.all("connection", &["role"]);
                rows.iter().all(|row| row[0] != text("inter-router")).then_some(())
            });
        }
        wait_for("senders without credit", || {
            let mut late = opened(&other);
            late.attach_waiting_sender("a");
            (late.ask_for_credit() == 0).then_some(())
        });
    }
}

#[test]
fn a_router_at_the_edge_has_a_way_to_the_interior_when_it_is_made() {
    let (interior, edge) = (lonely("A", "interior", 2, ""), lonely("E", "edge", 2, ""));
    let (mut of_interior, mut of_edge) = (Tool::new(&interior, "$management"), Tool::new(&edge, "$management"));
    let [at] = places();
    let port = at.port().to_string();
    let role = [("host", "127.0.0.1"), ("port", port.as_str()), ("role", "edge")];
    let refused = create(&mut of_edge, LISTENER, "edges", &role);
    assert!(refused.code == 400 && refused.description.contains("the router's mode is edge"), "{refused:?}");
    made(create(&mut of_interior, LISTENER, "edges", &role));
    connects(&mut of_edge, "up", at, &[("role", "edge")]);
    let mut receiver = opened(&interior);
    receiver.attach_receiver("a", 10);
    let mut sender = opened(&edge);
    sender.attach_sender("a");
    sender.send_message(0, Durable::No, b"x");
    assert_eq!(receiver.receive().1, b"x");
    let roles = |tool: &mut Tool| tool.all("connection", &["role"]).iter().filter(|row| row[0] == text("edge")).count();
    assert_eq!((roles(&mut of_interior), roles(&mut of_edge)), (1, 1));
    assert_eq!(of_edge.entity("DELETE", CONNECTOR, ("name", "up"), &[]).code, 204);
    wait_for("the end of it", || (roles(&mut of_interior) + roles(&mut of_edge) == 0).then_some(()));
}

#[test]
fn profiles_of_the_file_are_those_of_what_is_made() {
    let folder = TempDir::new().expect("a folder");
    certificate(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("certificate.pem"), path("key.pem"));
    let profiles = format!(
        "sslProfile {{\n  name: server\n  certFile: {certificate}\n  privateKeyFile: {key}\n}}\nsslProfile {{\n  name: client\n  \
         caCertFile: {certificate}\n}}\n"
    );
    let router = lonely("A", "interior", 2, &profiles);
    let mut tool = Tool::new(&router, "$management");
    let [at] = places();
    let port = at.port().to_string();
    let server = [("host", "127.0.0.1"), ("port", port.as_str()), ("sslProfile", "server"), ("requireSsl", "yes")];
    made(create(&mut tool, LISTENER, "secure", &server));
    let unclear = create(&mut tool, LISTENER, "unclear", &[("port", "0"), ("sslProfile", "server")]);
    assert!(unclear.code == 400 && unclear.description.contains("requireSsl: yes"), "{unclear:?}");
    let wrong = create(&mut tool, LISTENER, "wrong", &[("port", "0"), ("sslProfile", "client"), ("requireSsl", "yes")]);
    assert!(wrong.code == 400 && wrong.description.contains("has no certFile"), "{wrong:?}");
    // The router connects to itself, by the name that its certificate is of.
    let client = [("host", "localhost"), ("port", port.as_str()), ("sslProfile", "client")];
    made(create(&mut tool, CONNECTOR, "secure", &client));
    wait_for("a secure connection", || {
        let rows = tool.all("connection", &["dir", "isEncrypted", "opened"]);
        rows.contains(&vec![text("out"), Value::Boolean(true), Value::Boolean(true)]).then_some(())
    });
    // Profiles come and go as well, but for those that something goes by.
    made(create(&mut tool, PROFILE, "late", &[("caCertFile", &certificate)]));
    let twice = create(&mut tool, PROFILE, "late", &[("caCertFile", &certificate)]);
    assert!(twice.code == 400 && twice.description.contains("Name conflicts"), "{twice:?}");
    let undone = create(&mut tool, PROFILE, "undone", &[("caCertFile", &certificate), ("ciphers", "NULL")]);
    assert!(undone.code == 400 && undone.description.contains("sslProfile.ciphers"), "{undone:?}");
    let late = [("host", "localhost"), ("port", port.as_str()), ("sslProfile", "late")];
    made(create(&mut tool, CONNECTOR, "late", &late));
    for (profile, user) in [("late", "late"), ("server", "secure")] {
        let used = tool.entity("DELETE", PROFILE, ("name", profile), &[]);
        assert!(used.code == 409 && used.description.contains(&format!("{user} goes by")), "{used:?}");
    }
    assert_eq!(tool.entity("DELETE", CONNECTOR, ("name", "late"), &[]).code, 204);
    assert_eq!(tool.entity("DELETE", PROFILE, ("name", "late"), &[]).code, 204);
    assert_eq!(tool.entity("DELETE", PROFILE, ("name", "late"), &[]).code, 404);
    assert_eq!(create(&mut tool, CONNECTOR, "late", &late).code, 400);
    // The files are read when it is made: one that is gone is a reason.
    std::fs::remove_file(folder.path().join("certificate.pem")).expect("it was there");
    let gone = create(&mut tool, CONNECTOR, "gone", &client);
    assert!(gone.code == 400 && gone.description.contains("certificate.pem"), "{gone:?}");
    assert_eq!(tool.all(CONNECTOR, &["name"]), [[text("secure")]]);
}

#[test]
fn what_was_made_is_gone_with_the_router() {
    let (router, file) = router(1);
    let before = std::fs::read_to_string(&file).expect("the file");
    let mut tool = Tool::new(&router, "$management");
    let [at] = places();
    let port = at.port().to_string();
    made(create(&mut tool, LISTENER, "more", &[("host", "127.0.0.1"), ("port", &port)]));
    connects(&mut tool, "self", at, &[]);
    // It stops in order with all that was made.
    let folder = router.stop();
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), before);
    let router = Broker::start_router(folder, &file);
    let mut tool = Tool::new(&router, "$management");
    assert_eq!(tool.all(CONNECTOR, &["name"]).len(), 0);
    assert_eq!(tool.all(LISTENER, &["name"]), [[text("listener/127.0.0.1:0")]]);
    assert!(TcpStream::connect(at).is_err());
}
