//! How connections end below AMQP, and what peers of other protocols are told.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{Close, Performative};
use amqp_codec::sasl::OutcomeCode;
use rustls::{ClientConnection, StreamOwned};
use tempfile::TempDir;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use crate::broker::{Broker, add_user, wait_for};
use crate::network::{certificate, secured, tls};
use crate::peer::{Durable, Peer, connect, opened};

const TCP: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n";
const WS: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\ntransport = \"ws\"\n";

/// Reads to the end of a stream in TLS, which is none without a close_notify.
fn ends_with_close_notify(mut stream: StreamOwned<ClientConnection, TcpStream>, what: &str) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap_or_else(|error| panic!("{what}: {error}"));
}

#[test]
fn every_end_of_a_connection_in_tls_has_a_close_notify() {
    let folder = TempDir::new().expect("a folder");
    let client = certificate(folder.path());
    let users = folder.path().join("users");
    add_user(&users, "guest", "secret\n");
    let listener = secured(folder.path(), "tls") + "mechanisms = [\"PLAIN\"]\nidle_timeout_ms = 1000\n";
    let broker = Broker::start_in(folder, &format!("[users]\nfile = {users:?}\n{listener}"));
    let peer = || Peer::new(tls(&client, connect(broker.addresses[0])));

    let mut closing = peer();
    closing.open();
    closing.put(&Performative::Close(Close::default()));
    closing.until(|performative| matches!(performative, Performative::Close(_)).then_some(()));
    ends_with_close_notify(closing.into_inner(), "closed by the peer");

    let mut silent = peer();
    silent.open();
    silent.closed().expect("it was silent for too long");
    ends_with_close_notify(silent.into_inner(), "closed for silence");

    let mut refused = peer();
    assert_eq!(refused.plain("guest", "wrong"), OutcomeCode::Auth);
    ends_with_close_notify(refused.into_inner(), "refused");

    let mut wrong = peer();
    assert_eq!(wrong.header(ProtocolHeader::Tls), Some(ProtocolHeader::Amqp));
    ends_with_close_notify(wrong.into_inner(), "another protocol header");

    let mut stopped = peer();
    stopped.open();
    broker.signal(libc::SIGTERM);
    stopped.closed().expect("the broker stops");
    ends_with_close_notify(stopped.into_inner(), "stopped");
}

/// A WebSocket of AMQP.
fn open(to: SocketAddr) -> WebSocket<TcpStream> {
    let mut request = "ws://localhost/".into_client_request().expect("a request");
    request.headers_mut().insert("Sec-WebSocket-Protocol", "amqp".parse().expect("a value"));
    tungstenite::client(request, connect(to)).unwrap_or_else(|_| panic!("no upgrade")).0
}

/// Reads to the close frame; gives its code.
fn close_code(mut socket: WebSocket<TcpStream>) -> CloseCode {
    loop {
        match socket.read().expect("a close frame comes before the end") {
            Message::Close(frame) => return frame.expect("it has a code").code,
            _ => continue,
        }
    }
}

#[test]
fn every_end_of_a_websocket_has_a_close_frame_with_a_code() {
    let broker = Broker::start(&format!("{WS}sasl = \"required\"\n"));
    let mut text = open(broker.addresses[0]);
    text.send(Message::text("hello")).expect("it is read");
    assert_eq!(close_code(text), CloseCode::Unsupported);

    let mut large = open(broker.addresses[0]);
    // The broker does not read it to its end.
    let _ = large.send(Message::binary(vec![0; 5 << 20]));
    assert_eq!(close_code(large), CloseCode::Size);

    let mut plain = open(broker.addresses[0]);
    plain.send(Message::binary(ProtocolHeader::Amqp.bytes().to_vec())).expect("it is read");
    assert_eq!(close_code(plain), CloseCode::Protocol);

    let mut refused = open(broker.addresses[0]);
    let mut bytes = ProtocolHeader::Sasl.bytes().to_vec();
    amqp_codec::sasl::SaslFrame::Init { mechanism: "EXTERNAL", initial_response: None, hostname: None }
        .encode(&mut bytes);
    refused.send(Message::binary(bytes)).expect("it is read");
    assert_eq!(close_code(refused), CloseCode::Policy);

    let idle = open(broker.addresses[0]);
    broker.signal(libc::SIGTERM);
    assert_eq!(close_code(idle), CloseCode::Away);
}

#[test]
fn a_websocket_that_amqp_is_done_with_is_closed() {
    let broker = Broker::start(WS);
    let mut socket = open(broker.addresses[0]);
    let mut bytes = ProtocolHeader::Amqp.bytes().to_vec();
    for performative in [
        Performative::Open(Box::new(amqp_codec::performative::Open {
            container_id: "test".to_owned(),
            ..Default::default()
        })),
        Performative::Close(Close::default()),
    ] {
        amqp_codec::performative::encode_frame(&mut bytes, 0, &performative);
    }
    socket.send(Message::binary(bytes)).expect("it is read");
    assert_eq!(close_code(socket), CloseCode::Normal);
}

/// Sends octets; gives what comes until the end.
fn ask(to: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = connect(to);
    stream.write_all(bytes).expect("it is read");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer, and an end");
    answer
}

#[test]
fn whoever_speaks_another_protocol_is_told_so_in_it() {
    let folder = TempDir::new().expect("a folder");
    let client = certificate(folder.path());
    let listeners =
        [TCP.to_owned(), secured(folder.path(), "tls"), WS.to_owned(), secured(folder.path(), "wss")].concat();
    let broker = Broker::start_telling(folder, 2, "info", &listeners);
    let get = b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n";
    for (to, (status, word)) in broker.addresses.iter().zip([
        ("HTTP/1.1 400 Bad Request", "amqp://"),
        ("HTTP/1.1 400 Bad Request", "amqps://"),
        ("HTTP/1.1 426 Upgrade Required", "Upgrade: websocket"),
        ("HTTP/1.1 400 Bad Request", "https://"),
    ]) {
        let answer = String::from_utf8(ask(*to, get)).expect("text");
        assert!(answer.starts_with(status) && answer.contains(word) && answer.contains("text/plain"), "{answer}");
    }
    // The start of a TLS handshake: a record of it, and the beginning of a hello.
    let hello = [0x16, 0x03, 0x01, 0x00, 0x2f, 0x01, 0x00, 0x00, 0x2b, 0x03, 0x03];
    let header = ProtocolHeader::Amqp.bytes();
    for (index, bytes) in [(0, &hello[..]), (1, &header), (2, &hello), (3, &header)] {
        let answer = ask(broker.addresses[index], bytes);
        assert_eq!((answer.first(), answer.len()), (Some(&0x15), 7), "an alert: {answer:?}");
    }
    let answer = String::from_utf8(ask(broker.addresses[2], &header)).expect("text");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("ws://"), "{answer}");
    let mut inside = tls(&client, connect(broker.addresses[3]));
    inside.write_all(b"HEAD /readyz HTTP/1.1\r\n\r\n").expect("it is read");
    let mut answer = String::new();
    inside.read_to_string(&mut answer).expect("an answer, and a close_notify");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("\r\n\r\n"), "{answer}");
    let line = broker.logged(&["INFO", "another protocol", "peer=127.0.0.1:"]);
    assert!(line.contains("an HTTP request on a port of AMQP") && line.contains("listener="), "{line}");
}

#[test]
fn a_peer_that_never_goes_is_let_go() {
    let broker = Broker::start(&[TCP, WS].concat());
    let mut kept = Vec::new();
    for &to in &broker.addresses {
        for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b"AMQP\x00\x00\x00\x00rubbish"] {
            let mut stream = connect(to);
            stream.write_all(bytes).expect("it is read");
            kept.push(stream);
        }
    }
    wait_for("all of them to be gone", || {
        broker.state()["connections"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    drop(kept);
}

#[test]
fn a_peer_that_does_not_read_is_let_go() {
    let broker = Broker::start(TCP);
    // More than the buffers of two sockets hold, so that the answer to the close cannot leave.
    const MESSAGES: u32 = 400;
    let mut sender = opened(&broker);
    sender.attach_sender("unread");
    sender.send_accepted(Durable::No, (0..MESSAGES).map(|_| vec![0; 60_000]));
    drop(sender);
    let mut peer = opened(&broker);
    peer.attach_receiver("unread", MESSAGES);
    wait_for("output that nobody reads", || {
        broker.state()["connections"].as_array()?.iter().find(|connection| connection["waiting"] != 0).map(drop)
    });
    peer.put(&Performative::Close(Close::default()));
    wait_for("the connection to be gone", || broker.state()["connections"].as_array()?.is_empty().then_some(()));
}

#[test]
fn a_handshake_that_fails_is_told_with_its_reason() {
    let folder = TempDir::new().expect("a folder");
    let trusting = certificate(folder.path());
    let listener = secured(folder.path(), "tls");
    let broker = Broker::start_telling(folder, 1, "info", &listener);
    // A client that trusts another authority says so in an alert.
    let elsewhere = TempDir::new().expect("a folder");
    let mut stranger = tls(&certificate(elsewhere.path()), connect(broker.addresses[0]));
    assert!(stranger.write_all(&ProtocolHeader::Amqp.bytes()).is_err());
    let line = broker.logged(&["INFO", "handshake failed", "peer=127.0.0.1:"]);
    assert!(line.contains("TLS: ") && line.contains("alert"), "{line}");
    let mut peer = Peer::new(tls(&trusting, connect(broker.addresses[0])));
    peer.open();
}

#[test]
fn a_client_need_not_wait_for_the_header_that_answers_its_own() {
    let folder = TempDir::new().expect("a folder");
    let client = certificate(folder.path());
    let listener = secured(folder.path(), "tcp");
    let broker = Broker::start_in(folder, &listener);
    let mut stream = tls(&client, connect(broker.addresses[0]));
    let mut first = ProtocolHeader::Tls.bytes().to_vec();
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut first).expect("a vector takes it");
    }
    stream.sock.write_all(&first).expect("it is read");
    let mut answer = [0; 8];
    stream.sock.read_exact(&mut answer).expect("a header");
    assert_eq!(ProtocolHeader::parse(answer), Some(ProtocolHeader::Tls));
    let mut peer = Peer::new(stream);
    peer.open();
    peer.round_trip("early");
}

#[test]
fn refused_logins_are_told_once_a_second_with_their_number() {
    let folder = TempDir::new().expect("a folder");
    let users = folder.path().join("users");
    add_user(&users, "guest", "secret\n");
    let broker = Broker::start_with(folder, 1, &format!("[users]\nfile = {users:?}\n{TCP}mechanisms = [\"PLAIN\"]\n"));
    assert_eq!(Peer::new(connect(broker.addresses[0])).plain("guest", "wrong"), OutcomeCode::Auth);
    let line = broker.logged(&["WARN", "a login was refused"]);
    for word in ["peer=127.0.0.1:", "mechanism=PLAIN", "user=guest", "reason=\"wrong name or password\""] {
        assert!(line.contains(word), "{line}");
    }
    // Without a name nothing has to be verified, so that many come in a second.
    const LOGINS: usize = 200;
    let started = std::time::Instant::now();
    for _ in 1..LOGINS {
        assert_eq!(Peer::new(connect(broker.addresses[0])).plain("", "x"), OutcomeCode::Auth);
    }
    // Each line stands for itself and for the others that it counts.
    let told = wait_for("all of them to be told of", || {
        let log = broker.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("refused")).collect();
        let number = |line: &&str| -> usize {
            let others = line.split("others=").nth(1).map_or(0, |number| number.trim().parse().expect("a number"));
            others + usize::from(line.contains("a login was refused"))
        };
        (lines.iter().map(number).sum::<usize>() == LOGINS).then_some(lines.len())
    });
    let seconds = started.elapsed().as_secs() as usize;
    assert!(told <= seconds + 3, "{told} lines in {seconds} seconds");
}
