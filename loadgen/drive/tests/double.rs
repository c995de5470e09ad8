//! Doubles do what was ordered of them: seen through sockets, by a client that is nothing but the protocol machine.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_codec::performative::{Attach, Coordinator, Role, Source, Target, Terminus};
use amqp_proto::{
    Config, Connection, Credentials, DeliveryOutcome, Event, Input, LinkId, Out, Part, Send, SessionId, Settled,
};
use bytes::Bytes;
use engine_message::Symbol;
use engine_message::encode;
use load_drive::double::{Behaviour, Double, DoubleSpec, Tally};

/// How long an answer may take before a test fails: much longer than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A client whose reads wait.
struct Client {
    socket: TcpStream,
    machine: Connection,
    out: Out,
    partial: Vec<u8>,
    session: Option<SessionId>,
    attached: Vec<(LinkId, Box<Attach>)>,
    credit: u32,
    accepted: Vec<u64>,
    received: Vec<u8>,
    drained: u32,
    raw: Vec<u8>,
}

impl Client {
    fn connect(double: &Double) -> Self {
        let socket = TcpStream::connect(double.address()).expect("it listens");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut out = Out::default();
        let machine = Connection::client(
            Arc::new(Config::default()),
            Config::default().client_open(),
            Some(Credentials::Anonymous),
            0,
            &mut out,
        );
        let mut client = Self {
            socket,
            machine,
            out,
            partial: Vec::new(),
            session: None,
            attached: Vec::new(),
            credit: 0,
            accepted: Vec::new(),
            received: Vec::new(),
            drained: 0,
            raw: Vec::new(),
        };
        client.until(|client| client.machine.is_open());
        client.session = client.machine.begin(&mut client.out);
        client
    }

    fn write(&mut self) {
        self.machine.poll_output(0, &mut self.out);
        let mut flat = Vec::new();
        self.out.drain_into(&mut flat);
        self.socket.write_all(&flat).expect("the double reads");
    }

    /// Reads until something holds.
    fn until(&mut self, mut holds: impl FnMut(&Self) -> bool) {
        while !holds(self) {
            self.write();
            let mut buffer = vec![0; 1 << 16];
            let count = self.socket.read(&mut buffer).expect("the double answers in time");
            assert!(count > 0, "the double keeps the connection");
            buffer.truncate(count);
            self.raw.extend_from_slice(&buffer);
            let bytes = [std::mem::take(&mut self.partial), buffer].concat();
            let mut input = Input::new(&bytes);
            while let Some(event) = self.machine.handle_input(0, &mut input, &mut self.out) {
                match event {
                    Event::Attached(id, attach) => self.attached.push((id, attach)),
                    Event::Credit { credit, .. } => self.credit = credit,
                    Event::Delivery { link, delivery, payload, .. } => {
                        let payload = match &payload {
                            amqp_proto::Payload::Borrowed(bytes) => bytes,
                            amqp_proto::Payload::Owned(bytes) => bytes.as_ref(),
                        };
                        self.received.push(*payload.last().expect("a body"));
                        self.machine.settle(link, delivery, delivery, DeliveryOutcome::Accepted);
                    }
                    Event::Settled(outcome) => {
                        while let Some(settling) = self.machine.next_settled() {
                            if outcome == Some(DeliveryOutcome::Accepted) {
                                self.accepted.push(settling.key);
                            }
                        }
                    }
                    Event::Drained(_) => self.drained += 1,
                    Event::Detached { error: Some(error), .. } => panic!("detached: {error}"),
                    Event::Closed(error) => panic!("closed: {error:?}"),
                    _ => {}
                }
            }
            self.partial = bytes[input.consumed()..].to_vec();
        }
    }

    fn attach(&mut self, attach: Attach) -> (LinkId, Box<Attach>) {
        let before = self.attached.len();
        let session = self.session.expect("it began");
        self.machine.attach(session, attach, &mut self.out).expect("the session is there");
        self.until(|client| client.attached.len() > before);
        self.attached.last().cloned().expect("it was told")
    }

    fn producer(&mut self, address: &str, capability: &'static str) -> LinkId {
        let capabilities = vec![Symbol::from(capability)];
        let target = Terminus { address: Some(address.to_owned()), capabilities, ..Terminus::default() };
        let name = format!("to-{address}");
        let attach = Attach {
            source: Some(Source::default()),
            target: Some(Target::Node(target)),
            ..Attach::new(name, 0, Role::Sender)
        };
        let (link, _) = self.attach(attach);
        self.until(|client| client.credit > 0);
        link
    }

    fn consumer(&mut self, source: Source, credit: u32) -> (LinkId, Box<Attach>) {
        let name = format!("from-{}", self.attached.len());
        let attach = Attach {
            source: Some(source),
            target: Some(Target::Node(Terminus::default())),
            ..Attach::new(name, 0, Role::Receiver)
        };
        let (link, attach) = self.attach(attach);
        self.machine.grant(link, credit);
        self.write();
        (link, attach)
    }

    fn send(&mut self, link: LinkId, number: u8) {
        let mut body = Vec::new();
        body.extend_from_slice(&[0x00, 0x53, 0x75]);
        encode::binary(&mut body, &[0, number]);
        self.send_octets(link, u64::from(number), body);
    }

    fn send_octets(&mut self, link: LinkId, key: u64, body: Vec<u8>) {
        let body = Bytes::from(body);
        let send = Send { key, settled: Settled::No, format: 0, prefix: &[], body: &body, part: Part::Whole };
        self.machine.send(link, send, &mut self.out);
    }
}

fn source(address: &str, capability: &'static str) -> Source {
    let capabilities = vec![Symbol::from(capability)];
    Source::from(Terminus { capabilities, ..Terminus::at(address) })
}

fn start(behaviour: &str) -> Double {
    let behaviour: Behaviour = behaviour.parse().expect("a behaviour");
    Double::start(DoubleSpec::local(behaviour)).expect("loopback has a port")
}

#[test]
fn a_sink_accepts_everything_and_gives_nothing() {
    let double = start("sink");
    let mut client = Client::connect(&double);
    let (consumer, _) = client.consumer(source("q", "queue"), 10);
    let producer = client.producer("q", "queue");
    (1..=100).for_each(|number| client.send(producer, number));
    client.until(|client| client.accepted.len() == 100);
    // The answer to a drain comes behind whatever the consumer would have been given.
    client.machine.drain(consumer);
    client.until(|client| client.drained == 1);
    assert!(client.received.is_empty());
    assert_eq!(double.stop().expect("it ran"), Tally { taken: 100, ..Tally::default() });
}

#[test]
fn a_relay_gives_to_one_of_a_queue_and_to_all_of_a_topic() {
    let double = start("relay");
    let mut client = Client::connect(&double);
    for _ in 0..2 {
        client.consumer(source("q", "queue"), 100);
        client.consumer(source("t", "topic"), 100);
    }
    let queue = client.producer("q", "queue");
    (1..=10).for_each(|number| client.send(queue, number));
    client.until(|client| client.received.len() == 10);
    client.received.sort_unstable();
    assert_eq!(client.received, (1..=10).collect::<Vec<u8>>());
    let topic = client.producer("t", "topic");
    (101..=110).for_each(|number| client.send(topic, number));
    client.until(|client| client.received.len() == 30 && client.accepted.len() == 20);
    assert_eq!(double.stop().expect("it ran"), Tally { taken: 20, given: 30, ..Tally::default() });
}

#[test]
fn a_relay_makes_nodes_for_replies_and_finds_them_by_what_messages_say() {
    let double = start("relay");
    let mut client = Client::connect(&double);
    let (_, attach) = client.consumer(Source::from(Terminus::dynamic()), 10);
    let name = attach.source.and_then(|source| source.terminus.address).expect("the node has a name");
    let relay = Attach {
        source: Some(Source::default()),
        target: Some(Target::Node(Terminus::default())),
        ..Attach::new("anywhere", 0, Role::Sender)
    };
    let (link, _) = client.attach(relay);
    client.until(|client| client.credit > 0);
    // Properties with nothing but `to`, and a body.
    let mut message = Vec::new();
    let mut properties = encode::Compound::described(&mut message, 0x73);
    properties.put_some(None::<&str>, encode::string).put_some(None::<&str>, encode::string);
    properties.put_some(Some(&*name), encode::string);
    properties.finish();
    message.extend_from_slice(&[0x00, 0x53, 0x75, 0xa0, 0x01, 77]);
    client.send_octets(link, 1, message);
    client.until(|client| client.received == [77] && client.accepted == [1]);
}

#[test]
fn transactions_are_declared_and_discharged() {
    let double = start("relay");
    let mut client = Client::connect(&double);
    let attach = Attach {
        source: Some(Source::default()),
        target: Some(Target::Coordinator(Coordinator::default())),
        ..Attach::new("transactions", 0, Role::Sender)
    };
    let (link, _) = client.attach(attach);
    client.until(|client| client.credit > 0);
    // declare, then discharge of the transaction "t" (parts 4.5.2, 4.5.3).
    client.send_octets(link, 1, vec![0x00, 0x53, 0x77, 0x00, 0x53, 0x31, 0x45]);
    client.until(|client| client.raw.windows(3).any(|octets| octets == [0x00, 0x53, 0x33]));
    let discharge = vec![0x00, 0x53, 0x77, 0x00, 0x53, 0x32, 0xc0, 0x05, 0x02, 0xa0, 0x01, b't', 0x42];
    client.send_octets(link, 2, discharge);
    client.until(|client| client.accepted == [2]);
}

#[test]
fn a_delay_is_not_shorter_than_ordered() {
    let double = start("delay:bimodal:20ms,120ms,2");
    let mut client = Client::connect(&double);
    client.consumer(source("q", "queue"), 10);
    let producer = client.producer("q", "queue");
    let sent = Instant::now();
    (1..=10).for_each(|number| client.send(producer, number));
    client.until(|client| !client.accepted.is_empty());
    assert!(sent.elapsed() >= Duration::from_millis(20));
    client.until(|client| client.accepted.len() == 10 && client.received.len() == 10);
    assert!(sent.elapsed() >= Duration::from_millis(120), "half of them take long");
    client.received.sort_unstable();
    assert_eq!(client.received, (1..=10).collect::<Vec<u8>>());
}

#[test]
fn a_stall_begins_after_the_first_message_and_lasts_as_long_as_ordered() {
    let double = start("stall:1ms,1s");
    let mut client = Client::connect(&double);
    let producer = client.producer("q", "queue");
    let started = Instant::now();
    // One after the other until one of them has met the stall.
    let mut longest = Duration::ZERO;
    for number in 1..=u8::MAX {
        let sent = Instant::now();
        client.send(producer, number);
        client.until(|client| client.accepted.last() == Some(&u64::from(number)));
        longest = longest.max(sent.elapsed());
        if started.elapsed() > Duration::from_secs(1) {
            break;
        }
    }
    // Half of it is left for a machine that runs this thread late.
    assert!(longest > Duration::from_millis(500), "{longest:?}");
}

#[test]
fn a_lossy_relay_does_and_counts_what_was_ordered() {
    let double = start("lossy:lose=50,duplicate=20,corrupt=11");
    let mut client = Client::connect(&double);
    client.consumer(source("q", "queue"), 1000);
    let producer = client.producer("q", "queue");
    (1..=200).for_each(|number| client.send(producer, number));
    // 4 are lost; of the 10 multiples of 20 two are lost instead.
    client.until(|client| client.accepted.len() == 200 && client.received.len() == 204);
    let tally = double.stop().expect("it ran");
    assert_eq!(tally, Tally { taken: 200, given: 204, lost: 4, duplicated: 8, reordered: 0, corrupted: 18 });
    let times = |number: u8| client.received.iter().filter(|&&one| one == number).count();
    assert_eq!((times(50), times(100), times(20), times(40)), (0, 0, 2, 2));
    assert_eq!((times(1), times(11)), (1, 0), "the last octet of every eleventh was changed");
}

#[test]
fn a_lossy_relay_lets_messages_overtake_each_other() {
    let double = start("lossy:reorder=7");
    let mut client = Client::connect(&double);
    client.consumer(source("q", "queue"), 1000);
    let producer = client.producer("q", "queue");
    (1..=196).for_each(|number| client.send(producer, number));
    // The last one of them waits to be overtaken, and comes all the same.
    client.until(|client| client.received.len() == 196);
    let mut highest = 0;
    let late = client.received.iter().filter(|&&number| {
        highest = highest.max(number);
        number < highest
    });
    assert_eq!(late.copied().collect::<Vec<u8>>(), (1..28).map(|n| n * 7).collect::<Vec<u8>>());
    assert_eq!(double.stop().expect("it ran").reordered, 27);
}
