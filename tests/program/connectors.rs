//! Connections that a broker makes to its peers: kept open, made again, and served as if the peers had connected.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_codec::AmqpError;
use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{Close, Performative};
use amqp_codec::sasl::{OutcomeCode, SaslFrame};
use engine_message::Condition;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use tempfile::TempDir;

use crate::broker::{Broker, PATIENCE, add_user, heddle, run, text, wait_for};
use crate::network::{certificate, secured};
use crate::peer::{Durable, Peer, opened};
use crate::router_network::places;

const TCP: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";

/// A connector that tries often; what follows it is of the same table.
fn connector(name: &str, endpoints: &[&str]) -> String {
    format!("[[connectors]]\nname = {name:?}\nendpoints = {endpoints:?}\nretry_min_ms = 100\nretry_max_ms = 200\n")
}

/// A broker with a connector `up`.
fn connecting(shards: u16, endpoints: &[&str], rest: &str) -> Broker {
    let folder = TempDir::new().expect("a folder");
    Broker::start_telling(folder, shards, "info", &format!("{TCP}{}{rest}", connector("up", endpoints)))
}

/// The connector of a name, as it is now.
fn look(broker: &Broker, name: &str) -> Value {
    let state = broker.state();
    let connectors = state["connectors"].as_array().expect("a list");
    connectors.iter().find(|connector| connector["name"] == name).expect("it is configured").clone()
}

/// Waits until the connector is open, so many times by now.
fn is_open(broker: &Broker, name: &str, opens: u64) -> Value {
    wait_for(&format!("{name} to be open"), || {
        let now = look(broker, name);
        (now["open"] == true && now["opens"].as_u64() >= Some(opens)).then_some(now)
    })
}

/// Waits until the connector has failed with these words.
fn has_failed(broker: &Broker, words: &[&str]) -> String {
    let mut last = Value::Null;
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        last = look(broker, "up")["error"].clone();
        if let Some(error) = last.as_str().filter(|error| words.iter().all(|word| error.contains(word))) {
            return error.to_owned();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no failure with {words:?}, but {last}");
}

/// A place that nobody listens on.
fn nobody() -> SocketAddr {
    let [place] = places();
    place
}

/// A peer of a test, to which a broker connects.
fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let at = listener.local_addr().expect("it has one").to_string();
    (listener, at)
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("the broker connects");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A peer that the broker connected to without SASL, with a session.
fn accepted(listener: &TcpListener) -> Peer<TcpStream> {
    let mut peer = Peer::new(accept(listener));
    peer.open();
    peer
}

#[test]
fn brokers_are_connected_and_both_serve_their_clients() {
    for shards in [1, 2] {
        let other = Broker::start_with(TempDir::new().expect("a folder"), shards, TCP);
        let at = other.addresses[0].to_string();
        let broker = connecting(shards, &[&at], &connector("second", &[&at]));
        let open = is_open(&broker, "up", 1);
        let second = is_open(&broker, "second", 1);
        assert_eq!(
            (&open["state"], &open["endpoint"], &open["error"]),
            (&"open".into(), &at.as_str().into(), &Value::Null)
        );
        assert_eq!((&open["shard"], &second["shard"]), (&0.into(), &(1 % shards).into()), "they are spread");
        let there = other.state();
        let incoming = there["connections"].as_array().expect("a list");
        assert_eq!(incoming.len(), 2, "{incoming:?}");
        assert_eq!(open["container"], there["container_id"]);
        assert!(incoming.iter().all(|connection| connection["open"] == true), "{incoming:?}");
        let here = broker.state();
        let outgoing = here["connections"].as_array().expect("a list").clone();
        let users: Vec<&str> = outgoing.iter().filter_map(|connection| connection["user"].as_str()).collect();
        assert!(users.contains(&"connector:up") && users.contains(&"connector:second"), "{users:?}");
        opened(&broker).round_trip("here");
        opened(&other).round_trip("there");
        assert!(broker.queue("there").is_none() && other.queue("here").is_none(), "nothing is forwarded by itself");

        broker.logged(&["a connector is connected", "connector=up", &format!("peer={at}")]);
        let metrics = broker.http("GET /metrics").1;
        assert!(metrics.contains("heddle_connector_open{shard=\"0\",connector=\"up\"} 1"), "{metrics}");
        let shown = text(&run(&["status", "--http", &broker.http.to_string()]));
        assert!(shown.contains("connector") && shown.contains("second"), "{shown}");
    }
}

#[test]
fn what_a_peer_attaches_is_served_as_if_it_had_connected() {
    for shards in [1, 2] {
        let (listener, at) = listen();
        let broker = connecting(shards, &[&at], "sasl_mechanism = \"none\"\n");
        let mut peer = accepted(&listener);
        is_open(&broker, "up", 1);
        // Queues of both shards, over the connection that stays on one.
        for queue in ["a", "b", "c", "d", "e"] {
            let mut client = opened(&broker);
            client.attach_sender(queue);
            client.send_accepted(Durable::Yes, [format!("for {queue}").into_bytes()]);
        }
        peer.attach_receiver("c", 10);
        let (delivery, body) = peer.receive();
        assert_eq!(body, b"for c");
        peer.accept(delivery, delivery);
        wait_for("the acknowledgement", || broker.queue("c").is_none_or(|queue| queue["messages"] == 0).then_some(()));
        peer.attach_sender("a");
        peer.send_accepted(Durable::Yes, [b"from the peer".to_vec()]);
        let mut client = opened(&broker);
        client.attach_receiver("a", 10);
        assert_eq!([client.receive().1, client.receive().1], [b"for a".to_vec(), b"from the peer".to_vec()]);
        let connection = broker.state()["connections"].as_array().expect("a list").iter().any(|one| {
            one["user"] == "connector:up"
                && one["links"] == 2
                && one["container"] == "test"
                && one["peer"] == at.as_str()
        });
        assert!(connection, "{}", broker.state()["connections"]);
    }
}

#[test]
fn a_peer_that_was_away_is_connected_to_again() {
    for shards in [1, 2] {
        let other = Broker::start_with(TempDir::new().expect("a folder"), shards, TCP);
        let at = other.addresses[0].to_string();
        let broker = connecting(shards, &[&at], "");
        is_open(&broker, "up", 1);
        let folder = other.kill();
        has_failed(&broker, &[&at, "refused"]);
        // It goes on trying, and tells it once.
        let before = look(&broker, "up")["attempts"].as_u64();
        wait_for("more attempts", || (look(&broker, "up")["attempts"].as_u64() > before.map(|n| n + 3)).then_some(()));
        let same = format!("[[listeners]]\naddress = \"{at}\"\n");
        let other = Broker::start_with(folder, shards, &same);
        let open = is_open(&broker, "up", 2);
        assert_eq!(open["container"], other.state()["container_id"]);
        // In order this time: the error of its close is told.
        other.stop();
        broker.logged(&["lost its connection", "amqp:connection:forced", "shutting down"]);
        let log = broker.log();
        let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
        assert_eq!((count("is connected"), count("lost its connection")), (2, 2), "{log}");
        assert!((1..=2).contains(&count("cannot connect")), "once while it was away, not for every attempt: {log}");
    }
}

#[test]
fn the_next_endpoint_is_tried_when_one_fails() {
    let other = Broker::start(TCP);
    let (at, port) = (other.addresses[0].to_string(), other.addresses[0].port());
    let broker = connecting(1, &[&nobody().to_string(), "no-such-host.invalid:5672", &at], "");
    assert_eq!(is_open(&broker, "up", 1)["endpoint"], at.as_str());
    // By name: of its addresses, one of which may be of IPv6, the one that answers.
    let broker = connecting(2, &[&format!("localhost:{port}")], "");
    is_open(&broker, "up", 1);
    assert!(broker.log().lines().all(|line| !line.contains("cannot connect")), "{}", broker.log());
}

#[test]
fn a_stop_waits_for_no_connector() {
    // One that waits for long, one that hangs while it connects, one whose name is looked up for ever or not found.
    let (listener, at) = listen();
    let patient = format!("retry_min_ms = 3600000\nretry_max_ms = 3600000\n{}", "connect_timeout_ms = 3600000\n");
    let of = |name: &str, to: &str| format!("[[connectors]]\nname = {name:?}\nendpoints = [{to:?}]\n{patient}");
    let connectors =
        [of("up", &nobody().to_string()), of("silent", &at), of("lost", "no-such-host.invalid:1")].concat();
    let broker = Broker::start_with(TempDir::new().expect("a folder"), 2, &format!("{TCP}{connectors}"));
    has_failed(&broker, &["refused"]);
    let silent = accept(&listener);
    wait_for("the handshake", || (look(&broker, "silent")["state"] == "handshake").then_some(()));
    assert_eq!(look(&broker, "up")["state"], "waiting");
    // An hour is what it would take otherwise.
    broker.stop();
    drop(silent);
}

#[test]
fn what_cannot_be_reached_says_why() {
    let broker = connecting(1, &["no-such-host.invalid:5672"], "");
    has_failed(&broker, &["no-such-host.invalid:5672", "cannot be looked up", "/etc/hosts"]);
    broker.logged(&["cannot connect", "connector=up", "no-such-host.invalid"]);
    let at = nobody().to_string();
    has_failed(&connecting(2, &[&at], ""), &[&at, "refused"]);
}

#[test]
fn a_peer_that_hangs_is_given_up() {
    let (listener, at) = listen();
    let broker = connecting(1, &[&at], "connect_timeout_ms = 300\nsasl_mechanism = \"none\"\n");
    // It takes the connection, and says nothing.
    let mut silent = accept(&listener);
    has_failed(&broker, &[&at, "did not open", "300 ms"]);
    let mut all = Vec::new();
    silent.read_to_end(&mut all).expect("the broker ends it");
    assert!(all.starts_with(&ProtocolHeader::Amqp.bytes()), "{all:?}");
    // The next one it answers.
    drop(silent);
    let open = wait_for("a connection that opens", || {
        let mut peer = Peer::new(accept(&listener));
        let answered = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| peer.open()));
        answered.is_ok().then_some(peer)
    });
    is_open(&broker, "up", 1);
    drop(open);
}

#[test]
fn a_peer_of_another_protocol_is_told_by_name() {
    for (answer, words) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP"),
        (b"AMQP\x00\x00\x09\x01", "another version of AMQP"),
        (b"\x15\x03\x01\x00\x02\x02\x0a", "transport to \"tls\""),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "another protocol than AMQP 1.0"),
        (b"AMQP\x03\x01\x00\x00", "with SASL"),
    ] {
        let (listener, at) = listen();
        let broker = connecting(1, &[&at], "sasl_mechanism = \"none\"\n");
        let mut stream = accept(&listener);
        stream.write_all(answer).expect("it is read");
        has_failed(&broker, &[words]);
        // It goes on: the peer may be mended.
        drop(stream);
        let mut stream = accept(&listener);
        stream.shutdown(Shutdown::Write).expect("it is open");
        has_failed(&broker, &["ended the connection"]);
        let _ = stream.read(&mut [0; 100]);
    }
}

#[test]
fn an_error_of_the_peer_is_told() {
    let (listener, at) = listen();
    let broker = connecting(1, &[&at], "sasl_mechanism = \"none\"\n");
    let mut peer = accepted(&listener);
    is_open(&broker, "up", 1);
    let error = AmqpError::new(Condition::NotAllowed, "two of you are too many");
    peer.put(&Performative::Close(Close { error: Some(error) }));
    broker.logged(&["lost its connection", "too many"]);
    let _again = accepted(&listener);
    is_open(&broker, "up", 2);
}

/// Makes a folder with certificates of a server, and of another one; gives the path of each.
fn authorities() -> (TempDir, String, String) {
    let folder = TempDir::new().expect("a folder");
    certificate(folder.path());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("other.pem"), other.cert.pem()).expect("a file");
    std::fs::write(folder.path().join("other-key.pem"), other.signing_key.serialize_pem()).expect("a file");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (right, wrong) = (path("certificate.pem"), path("other.pem"));
    (folder, right, wrong)
}

#[test]
fn tls_talks_to_whom_an_authority_vouches_for() {
    let (folder, right, wrong) = authorities();
    let other = Broker::start(&secured(folder.path(), "tls"));
    let port = other.addresses[0].port();
    let named = format!("localhost:{port}");
    let tls = |ca: &str| format!("transport = \"tls\"\nca = {ca:?}\n");
    let broker = connecting(2, &[&named], &tls(&right));
    is_open(&broker, "up", 1);
    has_failed(&connecting(1, &[&named], &tls(&wrong)), &["none of the authorities"]);
    let by_address = format!("127.0.0.1:{port}");
    has_failed(&connecting(1, &[&by_address], &tls(&right)), &["not issued for 127.0.0.1"]);
    let broker = connecting(1, &[&by_address], &format!("{}verify_hostname = false\n", tls(&right)));
    is_open(&broker, "up", 1);
    broker.logged(&["verify_hostname"]);
    // A peer without TLS, and TLS to a peer that has none.
    let clear = Broker::start(TCP);
    has_failed(&connecting(1, &[&format!("localhost:{}", clear.addresses[0].port())], &tls(&right)), &["TLS"]);
    has_failed(&connecting(1, &[&by_address], ""), &["speaks TLS"]);
}

#[test]
fn amqp_goes_through_websocket_as_well() {
    let (folder, right, _) = authorities();
    let other = Broker::start(&(TCP.to_owned() + "transport = \"ws\"\n" + &secured(folder.path(), "wss")));
    let [ws, wss] = [0, 1].map(|index| format!("localhost:{}", other.addresses[index].port()));
    let broker = connecting(1, &[&ws], "transport = \"ws\"\n");
    is_open(&broker, "up", 1);
    let broker = connecting(2, &[&wss], &format!("transport = \"wss\"\nca = {right:?}\n"));
    is_open(&broker, "up", 1);
    let plain = Broker::start(TCP);
    let broker = connecting(1, &[&plain.addresses[0].to_string()], "transport = \"ws\"\n");
    has_failed(&broker, &["WebSocket"]);
}

#[test]
fn passwords_come_from_a_file_or_the_environment() {
    let folder = TempDir::new().expect("a folder");
    let users = folder.path().join("users");
    add_user(&users, "bridge", "secret\n");
    let listener = format!("[users]\nfile = {users:?}\n{TCP}sasl = \"required\"\nmechanisms = [\"PLAIN\"]\n");
    let other = Broker::start_in(folder, &listener);
    let at = other.addresses[0].to_string();
    let keys = TempDir::new().expect("a folder");
    let file = |password: &str| {
        let path = keys.path().join(password);
        std::fs::write(&path, format!("{password}\nanother line\n")).expect("a file");
        format!("sasl_username = \"bridge\"\nsasl_password_file = {path:?}\n")
    };
    let broker = connecting(1, &[&at], &file("wrong"));
    has_failed(&broker, &["does not accept the credentials"]);
    other.logged(&["a login was refused", "bridge"]);
    assert!(!broker.log().contains("wrong") && !broker.state().to_string().contains("secret"), "no password is told");
    is_open(&connecting(2, &[&at], &file("secret")), "up", 1);
    let config = format!(
        "{TCP}{}sasl_username = \"bridge\"\nsasl_password_env = \"HEDDLE_TEST_PASSWORD\"\n",
        connector("up", &[&at])
    );
    let broker = Broker::start_command(TempDir::new().expect("a folder"), 1, &config, |command| {
        command.env("HEDDLE_TEST_PASSWORD", "secret");
    });
    is_open(&broker, "up", 1);
    let users = other.state()["connections"].to_string();
    assert!(users.contains("bridge"), "{users}");
    // A mechanism that the peer does not offer.
    has_failed(&connecting(1, &[&at], ""), &["does not offer", "ANONYMOUS", "PLAIN"]);
}

/// A server of TLS with the certificate of `authorities`, which asks for one that the other authority has issued.
fn server(folder: &Path, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
    let read = |name: &str| std::fs::read(folder.join(name)).expect("a file");
    let certificate = |name: &str| CertificateDer::from_pem_slice(&read(name)).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&read("key.pem")).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate("other.pem")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build().expect("a verifier");
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = config.with_client_cert_verifier(verifier).with_single_cert(vec![certificate("certificate.pem")], key);
    let connection = ServerConnection::new(Arc::new(config.expect("they belong together"))).expect("a server");
    StreamOwned::new(connection, stream)
}

#[test]
fn external_is_the_certificate_that_tls_shows() {
    let (folder, right, other) = authorities();
    let (listener, at) = listen();
    let port = at.rsplit_once(':').expect("a port").1;
    let key = folder.path().join("other-key.pem");
    let rest = format!(
        "transport = \"tls\"\nca = {right:?}\ncertificate = {other:?}\nkey = {key:?}\nsasl_mechanism = \"EXTERNAL\"\n"
    );
    let broker = connecting(2, &[&format!("localhost:{port}")], &rest);
    let mut peer = Peer::new(server(folder.path(), accept(&listener)));
    assert_eq!(peer.header(ProtocolHeader::Sasl), Some(ProtocolHeader::Sasl));
    let mut frames = Vec::new();
    SaslFrame::Mechanisms(vec!["PLAIN".into(), "EXTERNAL".into()]).encode(&mut frames);
    peer.send(&frames);
    let (_, init) = peer.frame().expect("a choice");
    assert!(matches!(SaslFrame::decode(&init), Ok(SaslFrame::Init { mechanism: "EXTERNAL", .. })), "{init:?}");
    frames.clear();
    SaslFrame::Outcome { code: OutcomeCode::Ok, additional_data: None }.encode(&mut frames);
    peer.send(&frames);
    peer.open();
    is_open(&broker, "up", 1);
    let shown = peer.into_inner().conn.peer_certificates().expect("it showed one").to_vec();
    assert_eq!(shown, [CertificateDer::from_pem_file(&other).expect("a certificate")]);
}

#[test]
fn a_stop_says_goodbye_in_every_layer() {
    let (folder, right, _) = authorities();
    let (listener, at) = listen();
    let port = at.rsplit_once(':').expect("a port").1;
    let rest = format!("transport = \"tls\"\nca = {right:?}\nsasl_mechanism = \"none\"\n");
    let broker = connecting(1, &[&format!("localhost:{port}")], &rest);
    let mut peer = Peer::new(server(folder.path(), accept(&listener)));
    peer.open();
    is_open(&broker, "up", 1);
    broker.signal(libc::SIGTERM);
    let error = peer.closed().expect("the broker stops");
    assert_eq!(error.condition, Condition::ConnectionForced);
    // Without a close_notify this end is none.
    assert_eq!(peer.into_inner().read_to_end(&mut Vec::new()).expect("a close_notify"), 0);
}

/// Runs `config check` on connectors; gives whether they are right, and what was said.
fn check(folder: &Path, connectors: &str) -> (bool, String) {
    let path = folder.join("heddle.toml");
    std::fs::write(&path, format!("[node]\ndata_dir = {:?}\n{TCP}{connectors}", folder.join("data"))).expect("a file");
    let mut command = heddle();
    let output = command.args(["config", "check", "--config"]).arg(&path).current_dir(folder).env("EMPTY", "").output();
    let output = output.expect("the program runs");
    (output.status.success(), text(&output))
}

/// What is wrong with one connector, and the words that say so.
const WRONG: &[(&str, &[&str])] = &[
    ("endpoints = [\"a:1\"]", &["has no name", "name = "]),
    ("name = \"a b\"\nendpoints = [\"a:1\"]", &["connectors.name is \"a b\"", "letters"]),
    ("name = \"a\"", &["connector a", "no endpoint", "HOST:PORT"]),
    ("name = \"a\"\nendpoints = [\"a\"]", &["port is missing"]),
    ("name = \"a\"\nendpoints = [\"a:0\"]", &["port 0", "5672"]),
    ("name = \"a\"\nendpoints = [\"0.0.0.0:5672\"]", &["0.0.0.0:5672", "where to listen"]),
    ("name = \"a\"\nendpoints = \"a:1\"", &["connectors.endpoints", "list"]),
    ("name = \"a\"\nhost = \"a\"", &["connectors.host", "write endpoints"]),
    ("name = \"a\"\nsasl_password = \"secret\"", &["does not stand in this file", "sasl_password_file"]),
    ("name = \"a\"\nendpoints = [\"a:1\"]\ntransport = \"tls\"", &["needs ca"]),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nca = \"one.pem\"", &["ca is for TLS"]),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nverify_hostname = false", &["verify_hostname is for TLS"]),
    ("name = \"a\"\nendpoints = [\"a:1\"]\ntransport = \"tls\"\nca = \"none.pem\"", &["none.pem does not exist"]),
    ("name = \"a\"\nendpoints = [\"a:1\"]\ntransport = \"tls\"\nca = \"empty\"", &["is empty"]),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\ntransport = \"tls\"\nca = \"one.pem\"\ncertificate = \"one.pem\"",
        &["certificate is set, and key is not"],
    ),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nsasl_mechanism = \"PLAIN\"", &["needs a name", "sasl_username"]),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nsasl_username = \"u\"", &["needs a password", "sasl_password_env"]),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nsasl_password_env = \"UNSET\"", &["needs a name"]),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\nsasl_username = \"u\"\nsasl_password_env = \"UNSET\"",
        &["\"UNSET\" is not set"],
    ),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\nsasl_username = \"u\"\nsasl_password_env = \"EMPTY\"",
        &["\"EMPTY\" is empty"],
    ),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\nsasl_username = \"u\"\nsasl_password_file = \"empty\"",
        &["first line of empty is empty"],
    ),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\nsasl_username = \"u\"\nsasl_password_file = \"one.pem\"\nsasl_password_env = \"X\"",
        &["leave one of them out"],
    ),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\nsasl_mechanism = \"ANONYMOUS\"\nsasl_username = \"u\"",
        &["only PLAIN takes a name"],
    ),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nsasl_mechanism = \"EXTERNAL\"", &["EXTERNAL is by a certificate"]),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\nsasl_mechanism = \"SCRAM\"",
        &["\"ANONYMOUS\", \"PLAIN\", \"EXTERNAL\", \"none\""],
    ),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nidle_timeout_ms = 100", &["idle_timeout_ms is 100", "200 ms"]),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\nretry_min_ms = 2000\nretry_max_ms = 1000",
        &["retry_max_ms is 1,000", "2,000"],
    ),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nretry_min_ms = 1", &["retry_min_ms is 1", "100 to 3,600,000 ms"]),
    (
        "name = \"a\"\nendpoints = [\"a:1\"]\n[[connectors]]\nname = \"a\"\nendpoints = [\"b:1\"]",
        &["has this name already"],
    ),
    ("name = \"a\"\nendpoints = [\"a:1\"]\nrole = \"inter-router\"", &["without a router", "router.enabled"]),
];

#[test]
fn wrong_connectors_are_refused_with_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.path().join("one.pem"), made.cert.pem()).expect("a file");
    std::fs::write(folder.path().join("empty"), "").expect("a file");
    for (connector, words) in WRONG {
        let (is_right, said) = check(folder.path(), &format!("[[connectors]]\n{connector}\n"));
        assert!(!is_right && words.iter().all(|word| said.contains(word)), "{connector}\n{said}");
        assert!(said.contains("heddle.toml:") && !said.contains("secret\""), "{connector}\n{said}");
    }
    let many = |count: usize| (0..count).map(|n| connector(&format!("c{n}"), &["a:1"])).collect::<String>();
    assert!(check(folder.path(), &many(64)).0);
    assert!(check(folder.path(), &many(65)).1.contains("64 times"));
    let wide: Vec<String> = (1..=17).map(|n| format!("a:{n}")).collect();
    let wide: Vec<&str> = wide.iter().map(String::as_str).collect();
    assert!(check(folder.path(), &connector("wide", &wide)).1.contains("16 are tried at most"));
    assert!(check(folder.path(), &connector("wide", &wide[..16])).0, "names are not looked up by a check");
    let (_, said) = check(folder.path(), "[connectors]\nname = \"a\"\n");
    assert!(said.contains("[[connectors]]"), "{said}");
    std::fs::write(folder.path().join("password"), "secret\n").expect("a file");
    let clear =
        connector("c", &["broker.example.org:1"]) + "sasl_username = \"u\"\nsasl_password_file = \"password\"\n";
    let (is_right, said) = check(folder.path(), &clear);
    assert!(is_right && said.contains("in clear"), "{said}");
}
