//! Two machines, client and server, with a wire between them that cuts the octets anywhere, under simulated time.
//!
//! Shown: whatever the order of sends, credit, settlement, drains and detaches, every message sent arrives once and in order,
//! every outcome comes back, credit is never overrun, and a peer that falls silent is given up in time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use amqp_codec::frame::{Split, split};
use amqp_codec::performative::{
    Attach, Coordinator, DeliveryState, Disposition, Performative, ReceiverSettleMode, Role, SenderSettleMode, Source,
    Target, Terminus, decode, encode_disposition,
};
use amqp_proto::{
    Authenticated, Body, Closing, Config, Connection, Credentials, Deliveries, DeliveryOutcome, Event, Input, LinkId,
    Mechanism, Out, Part, Payload, Send, SendNow, SessionId, Settled, Settling, Stage, State,
};
use bytes::Bytes;
use proptest::prelude::*;

/// One machine, what arrived for it, and what it told.
struct Side {
    machine: Connection,
    out: Out,
    wire: VecDeque<u8>,
    kept: Vec<u8>,
    links: Vec<LinkId>,
    credit: u32,
    received: Vec<(u32, Bytes)>,
    /// A message that comes in parts.
    partial: Vec<u8>,
    /// Parts of a message to send, each when the one before has left.
    parts: VecDeque<(u64, Bytes, Part)>,
    outcomes: BTreeMap<u64, Option<DeliveryOutcome>>,
    drained: u32,
    confirmed: u32,
    closed: Option<String>,
    opened: bool,
}

impl Side {
    fn new(machine: Connection, out: Out) -> Self {
        Self {
            machine,
            out,
            wire: VecDeque::new(),
            kept: Vec::new(),
            links: Vec::new(),
            credit: 0,
            received: Vec::new(),
            partial: Vec::new(),
            parts: VecDeque::new(),
            outcomes: BTreeMap::new(),
            drained: 0,
            confirmed: 0,
            closed: None,
            opened: false,
        }
    }

    /// Takes up to `count` octets off the wire.
    fn read(&mut self, count: usize, now_ns: u64) {
        let mut bytes = std::mem::take(&mut self.kept);
        bytes.extend(self.wire.drain(..count.min(self.wire.len())));
        let mut input = Input::new(&bytes);
        loop {
            while let Some(delivery) = self.machine.next_delivery(now_ns, &mut input) {
                self.received.push((delivery.delivery, Bytes::copy_from_slice(delivery.payload)));
            }
            let Some(event) = self.machine.handle_input(now_ns, &mut input, &mut self.out) else { break };
            self.answer(event);
            self.machine.check();
        }
        self.kept = bytes[input.consumed()..].to_vec();
    }

    /// Sends a message of `size` octets, in its turn.
    fn send(&mut self, link: LinkId, number: usize, size: usize) {
        self.credit -= 1;
        let body = Bytes::from(vec![number as u8; size]);
        let key = number as u64;
        let send = Send { key, settled: Settled::No, format: 0, prefix: b"prefix", body: &body, part: Part::Whole };
        self.machine.send(link, send, &mut self.out);
    }

    /// Sends a message of `size` octets, if it can be sent at once.
    fn send_now(&mut self, link: LinkId, number: usize, size: usize) -> bool {
        let room = self.machine.room(link);
        let body = Bytes::from(vec![number as u8; size]);
        let send = SendNow {
            key: number as u64,
            settled: Settled::No,
            mark: None,
            front: b"prefix",
            body: Body::Shared(&body),
        };
        let sent = self.machine.send_now(link, send, &mut self.out);
        assert!(!sent || room > 0, "within credit and window");
        self.credit -= u32::from(sent);
        sent
    }

    /// Begins to send a message of `size` octets in three parts.
    fn send_parts(&mut self, link: LinkId, number: usize, size: usize) {
        self.credit -= 1;
        let (key, body) = (number as u64, Bytes::from(vec![number as u8; size]));
        let first = body.slice(..size / 3);
        let send = Send { key, settled: Settled::No, format: 0, prefix: b"prefix", body: &first, part: Part::First };
        self.machine.send(link, send, &mut self.out);
        let rest = [(size / 3..size / 2, Part::Middle), (size / 2..size, Part::Last)];
        self.parts.extend(rest.map(|(range, part)| (key, body.slice(range), part)));
    }

    /// Sends the next part of a message if the one before has left.
    fn send_part(&mut self, link: LinkId) {
        if self.machine.waiting(link) == 0
            && let Some((key, body, part)) = self.parts.pop_front()
        {
            let send = Send { key, settled: Settled::No, format: 0, prefix: &[], body: &body, part };
            self.machine.send(link, send, &mut self.out);
        }
    }

    fn answer(&mut self, event: Event<'_>) {
        match event {
            Event::Authenticate(Credentials::Plain { user, password }) => {
                let right = user == "guest" && password == "secret";
                let answer = if right { Authenticated::Yes } else { Authenticated::No };
                self.machine.authenticated(answer, &mut self.out);
            }
            Event::Authenticate(_) => self.machine.authenticated(Authenticated::Yes, &mut self.out),
            Event::OpenAsked(_) => {
                let answer = self.machine.config().server_open();
                self.machine.accept_open(answer, &mut self.out);
                self.opened = true;
            }
            Event::Opened(_) => self.opened = true,
            Event::AttachAsked(link, attach) => {
                self.links.push(link);
                self.machine.accept_attach(link, attach.answer(), &mut self.out);
            }
            Event::Attached(link, _) => self.links.push(link),
            Event::Delivery { delivery, payload, .. } => {
                let bytes = match payload {
                    Payload::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
                    Payload::Owned(bytes) => bytes,
                };
                self.received.push((delivery, bytes));
            }
            Event::Part { delivery, stage, payload, .. } => {
                let bytes = match payload {
                    Payload::Borrowed(bytes) => Bytes::copy_from_slice(bytes),
                    Payload::Owned(bytes) => bytes,
                };
                assert_eq!(stage == Stage::First, self.partial.is_empty(), "parts of one message follow each other");
                self.partial.extend_from_slice(&bytes);
                if stage == Stage::Last {
                    self.received.push((delivery, std::mem::take(&mut self.partial).into()));
                }
            }
            Event::Credit { link, credit, drain } => {
                self.credit = credit;
                if drain.is_yes() {
                    self.credit = 0;
                    self.machine.drained(link);
                }
            }
            Event::Settled(outcome) => {
                while let Some(Settling { link, key, confirm }) = self.machine.next_settled() {
                    confirm.into_iter().for_each(|delivery| self.machine.confirm(link, delivery));
                    assert!(self.outcomes.insert(key, outcome.clone()).is_none(), "one outcome for each delivery");
                }
            }
            Event::Drained(_) => self.drained += 1,
            Event::Detached { link, .. } => self.links.retain(|&other| other != link),
            Event::Closed(error) => {
                self.closed = Some(error.map(|error| error.condition.as_str().to_owned()).unwrap_or_default());
            }
            Event::Updated(mut update) => {
                while let Some(updated) = self.machine.next_updated(&mut update) {
                    let State::Transactional { outcome, .. } = &update.state else { continue };
                    assert!(self.outcomes.insert(updated.key, outcome.clone()).is_none(), "one outcome for each");
                }
            }
            Event::Confirmed(confirmation) => {
                let Deliveries { first, last } = confirmation.deliveries;
                self.confirmed += last.wrapping_sub(first) + 1;
            }
            Event::Ignored { .. } => panic!("nothing is given up"),
            Event::Tls | Event::Begun(_) | Event::Ended(..) => {}
        }
    }

    fn write(&mut self, to: &mut VecDeque<u8>, now_ns: u64) {
        self.machine.poll_output(now_ns, &mut self.out);
        let mut bytes = Vec::new();
        self.out.drain_into(&mut bytes);
        to.extend(bytes);
    }
}

/// Who attaches a link.
#[derive(Clone, Copy, Debug)]
enum Asker {
    Client,
    Server,
}

/// Client, server, and the time.
struct Pair {
    client: Side,
    server: Side,
    now_ns: u64,
}

impl Pair {
    /// Both go on with messages that they send in parts.
    fn send_parts(&mut self, near: LinkId, far: LinkId) {
        self.client.send_part(near);
        self.server.send_part(far);
        self.client.machine.check();
        self.server.machine.check();
    }

    fn new(credentials: Option<Credentials>) -> Self {
        let config = Config {
            max_frame_size: 600,
            incoming_window: 4,
            stream_above: 3000,
            mechanisms: vec![Mechanism::Anonymous, Mechanism::Plain],
            ..Config::default()
        };
        let config = Arc::new(config);
        let mut out = Out::default();
        let client = Connection::client(Arc::clone(&config), config.client_open(), credentials, 0, &mut out);
        let server = Connection::server(config, 0);
        Self { client: Side::new(client, out), server: Side::new(server, Out::default()), now_ns: 0 }
    }

    /// Moves octets, `step` at a time, until nothing moves any more.
    fn settle(&mut self, step: usize) {
        for round in 0.. {
            assert!(round < 100_000, "the two come to rest");
            self.client.write(&mut self.server.wire, self.now_ns);
            self.server.write(&mut self.client.wire, self.now_ns);
            if self.client.wire.is_empty() && self.server.wire.is_empty() {
                return;
            }
            self.server.read(step, self.now_ns);
            self.client.read(step, self.now_ns);
        }
    }

    /// A pair with a session and one link, which `asker` attached; the client is its sender or its receiver. Gives the client's end.
    fn attached(role: Role, mode: ReceiverSettleMode, asker: Asker) -> (Self, LinkId) {
        let mut pair = Self::new(None);
        pair.settle(5);
        assert!(pair.client.opened && pair.server.opened);
        let session = pair.client.machine.begin(&mut pair.client.out).expect("open");
        let attach = Attach {
            source: Some(Source::from(Terminus::at("q"))),
            target: Some(Target::Node(Terminus::at("q"))),
            snd_settle_mode: SenderSettleMode::Mixed,
            rcv_settle_mode: mode,
            initial_delivery_count: Some(u32::MAX - 2),
            ..Attach::new("link", 0, role)
        };
        match asker {
            Asker::Client => drop(pair.client.machine.attach(session, attach, &mut pair.client.out)),
            Asker::Server => {
                pair.settle(3);
                let attach = Attach { role: role.other(), ..attach };
                let link = pair.server.machine.attach(SessionId(0), attach, &mut pair.server.out);
                assert!(link.is_some(), "the session is there");
            }
        }
        pair.settle(3);
        assert_eq!((pair.client.links.len(), pair.server.links.len()), (1, 1), "both know of it");
        let link = pair.client.links[0];
        (pair, link)
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send(usize),
    SendNow(usize),
    SendParts(usize),
    Grant(u32),
    Settle(u8),
    Drain,
    Wire(usize),
}

fn mode() -> impl Strategy<Value = ReceiverSettleMode> {
    prop_oneof![Just(ReceiverSettleMode::First), Just(ReceiverSettleMode::Second)]
}

fn asker() -> impl Strategy<Value = Asker> {
    prop_oneof![Just(Asker::Client), Just(Asker::Server)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..5000_usize).prop_map(Step::Send),
        4 => (0..600_usize).prop_map(Step::SendNow),
        2 => (3..20_000_usize).prop_map(Step::SendParts),
        3 => (1..6_u32).prop_map(Step::Grant),
        3 => (0..4_u8).prop_map(Step::Settle),
        1 => Just(Step::Drain),
        5 => (1..8000_usize).prop_map(Step::Wire),
    ]
}

/// What a receiver decides, mostly to accept.
fn outcome(kind: u8) -> DeliveryOutcome {
    match kind {
        1 => DeliveryOutcome::Released,
        2 => DeliveryOutcome::Rejected(None),
        _ => DeliveryOutcome::Accepted,
    }
}

/// Runs steps; the sender is the client or the server, and either attached the link, so that both halves of both machines are seen.
fn run(client_sends: bool, mode: ReceiverSettleMode, asker: Asker, steps: Vec<Step>) {
    let role = if client_sends { Role::Sender } else { Role::Receiver };
    let (mut pair, link) = Pair::attached(role, mode, asker);
    let far = pair.server.links[0];
    let (mut sent, mut decided, mut granted) = (Vec::new(), 0, 0_u32);
    for step in steps {
        let (sender, receiver, from, to) = if client_sends {
            (&mut pair.client, &mut pair.server, link, far)
        } else {
            (&mut pair.server, &mut pair.client, far, link)
        };
        match step {
            Step::SendParts(size) if sender.credit > 0 && sender.parts.is_empty() => {
                sender.send_parts(from, sent.len(), size);
                sent.push(size);
            }
            Step::Send(size) if sender.credit > 0 && sender.parts.is_empty() => {
                sender.send(from, sent.len(), size);
                sent.push(size);
            }
            Step::SendNow(size) if sender.parts.is_empty() && sender.send_now(from, sent.len(), size) => {
                sent.push(size);
            }
            Step::Send(_) | Step::SendNow(_) | Step::SendParts(_) => {}
            Step::Grant(credit) => {
                granted += credit;
                receiver.machine.grant(to, credit);
            }
            Step::Settle(kind) if decided < receiver.received.len() => {
                let (delivery, _) = receiver.received[decided];
                decided += 1;
                receiver.machine.settle(to, delivery, delivery, outcome(kind));
            }
            Step::Drain => receiver.machine.drain(to),
            Step::Settle(_) => {}
            Step::Wire(count) => {
                pair.client.write(&mut pair.server.wire, pair.now_ns);
                pair.server.write(&mut pair.client.wire, pair.now_ns);
                pair.server.read(count, pair.now_ns);
                pair.client.read(count, pair.now_ns);
            }
        }
        pair.send_parts(link, far);
    }
    for _ in 0..3 {
        pair.settle(9700);
        pair.send_parts(link, far);
    }
    assert_eq!((&pair.client.closed, &pair.server.closed), (&None, &None), "nobody did anything wrong");
    let (sender, receiver, to) = if client_sends {
        (&mut pair.client, &mut pair.server, far)
    } else {
        (&mut pair.server, &mut pair.client, link)
    };
    assert!(sent.len() as u32 <= granted, "credit is not overrun");
    assert_eq!(receiver.received.len(), sent.len(), "everything arrived");
    for (number, ((_, bytes), size)) in receiver.received.iter().zip(&sent).enumerate() {
        assert!(bytes.starts_with(b"prefix") && bytes.len() == size + 6, "whole");
        assert!(bytes[6..].iter().all(|&octet| octet == number as u8), "in order");
    }
    for &(delivery, _) in &receiver.received[decided..] {
        receiver.machine.settle(to, delivery, delivery, DeliveryOutcome::Accepted);
    }
    assert!(sender.outcomes.len() <= sent.len());
    pair.settle(11);
    let sender = if client_sends { &pair.client } else { &pair.server };
    assert_eq!(sender.outcomes.len(), sent.len(), "every outcome came back");
    let receiver = if client_sends { &pair.server } else { &pair.client };
    let confirmed = if mode == ReceiverSettleMode::Second { sent.len() as u32 } else { 0 };
    assert_eq!(receiver.confirmed, confirmed, "a receiver of mode second hears that its sender settled");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_arrives_once_in_order_and_is_settled(
        client_sends in any::<bool>(), mode in mode(), asker in asker(), steps in proptest::collection::vec(step(), 1..120),
    ) {
        run(client_sends, mode, asker, steps);
    }
}

#[test]
fn credentials_are_judged() {
    let plain = |password: &str| Credentials::Plain { user: "guest".to_owned(), password: password.to_owned() };
    for (credentials, opened) in [(Credentials::Anonymous, true), (plain("secret"), true), (plain("wrong"), false)] {
        let mut pair = Pair::new(Some(credentials));
        pair.settle(1);
        assert_eq!(pair.client.opened, opened);
        let told = if opened { None } else { Some("amqp:unauthorized-access".to_owned()) };
        assert_eq!(pair.client.closed, told);
    }
}

#[test]
fn a_transaction_is_declared_used_and_discharged() {
    let (mut pair, link) = Pair::attached(Role::Sender, ReceiverSettleMode::First, Asker::Client);
    let far = pair.server.links[0];
    let attach = Attach {
        source: Some(Source::default()),
        target: Some(Target::Coordinator(Coordinator::default())),
        ..Attach::new("coordinator", 0, Role::Sender)
    };
    let session = SessionId(link.session);
    let coordinator = pair.client.machine.attach(session, attach, &mut pair.client.out).expect("a session");
    pair.settle(5);
    let far_coordinator = pair.server.links[1];
    pair.server.machine.grant(far_coordinator, 10);
    pair.server.machine.grant(far, 10);
    pair.settle(5);
    let declare = Bytes::from_static(&[0x00, 0x53, 0x77, 0x00, 0x53, 0x31, 0x45]);
    let send = |key, body| SendNow { key, settled: Settled::No, mark: None, front: &[], body: Body::Shared(body) };
    assert!(pair.client.machine.send_now(coordinator, send(100, &declare), &mut pair.client.out));
    pair.settle(5);
    let (delivery, _) = pair.server.received[0];
    pair.server.machine.settle(
        far_coordinator,
        delivery,
        delivery,
        DeliveryOutcome::Declared(Bytes::from_static(b"tx")),
    );
    pair.settle(5);
    assert_eq!(pair.client.outcomes[&100], Some(DeliveryOutcome::Declared(Bytes::from_static(b"tx"))));
    pair.client.machine.enlist(link, Some(Bytes::from_static(b"tx")));
    let body = Bytes::from_static(b"in it");
    assert!(pair.client.machine.send_now(link, send(101, &body), &mut pair.client.out));
    let mut wire = Vec::new();
    pair.client.machine.poll_output(0, &mut pair.client.out);
    pair.client.out.drain_into(&mut wire);
    let Ok(Split::Frame { frame, .. }) = split(&wire, 600) else { panic!("a frame") };
    let Ok((Performative::Transfer(transfer), payload)) = decode(frame.body) else { panic!("a transfer") };
    assert_eq!(transfer.state, Some(DeliveryState::Transactional { txn_id: b"tx", outcome: None }));
    assert_eq!(payload, b"in it");
    // A resource answers within the transaction; the outcome is what counts.
    let accepted = [0x00, 0x53, 0x24, 0x45];
    let state = DeliveryState::Transactional { txn_id: b"tx", outcome: Some(&accepted) };
    let first = transfer.delivery_id.expect("it has one");
    let answer =
        Disposition { role: Role::Receiver, first, last: None, settled: true, state: Some(state), batchable: false };
    let mut answered = Vec::new();
    encode_disposition(&mut answered, 0, &answer);
    pair.client.wire.extend(answered);
    pair.client.read(1000, 0);
    assert_eq!(pair.client.outcomes[&101], Some(DeliveryOutcome::Accepted));
}

#[test]
fn a_drain_takes_the_credit_back() {
    let (mut pair, link) = Pair::attached(Role::Receiver, ReceiverSettleMode::First, Asker::Client);
    pair.client.machine.grant(link, 10);
    pair.settle(7);
    assert_eq!(pair.server.credit, 10);
    pair.client.machine.drain(link);
    pair.settle(7);
    assert_eq!((pair.client.drained, pair.server.credit), (1, 0));
    pair.client.machine.grant(link, 3);
    pair.settle(7);
    assert_eq!(pair.server.credit, 3, "and it goes on from there");
}

#[test]
fn what_waits_for_the_window_leaves_before_a_drain_is_answered() {
    let (mut pair, link) = Pair::attached(Role::Receiver, ReceiverSettleMode::First, Asker::Client);
    pair.client.machine.grant(link, 10);
    pair.settle(50);
    let far = pair.server.links[0];
    // The window is four frames.
    (0..6).for_each(|number| pair.server.send(far, number, 100));
    pair.client.machine.drain(link);
    pair.client.write(&mut pair.server.wire, pair.now_ns);
    pair.server.read(usize::MAX, pair.now_ns);
    assert_eq!(pair.server.machine.waiting(far), 2);
    pair.settle(50);
    assert_eq!((pair.client.received.len(), pair.client.drained), (6, 1));
    // And the credit is known to be gone at both ends.
    pair.client.machine.grant(link, 1);
    pair.settle(50);
    assert_eq!(pair.server.credit, 1);
    // What has no credit does not keep the answer back: that is for the next.
    pair.server.credit = 3;
    (6..9).for_each(|number| pair.server.send(far, number, 100));
    pair.client.machine.drain(link);
    pair.settle(50);
    assert_eq!((pair.client.received.len(), pair.server.machine.waiting(far)), (7, 2));
    assert!(!pair.server.machine.wants_room(), "it waits for credit, and would be asked again and again for nothing");
    pair.client.machine.grant(link, 2);
    pair.settle(50);
    assert_eq!(pair.client.received.len(), 9);
}

#[test]
fn links_sessions_and_connections_end_in_order() {
    let (mut pair, link) = Pair::attached(Role::Sender, ReceiverSettleMode::First, Asker::Client);
    pair.client.machine.detach(link, Closing::Closed, None, &mut pair.client.out);
    pair.settle(2);
    assert!(pair.server.links.is_empty());
    let session = pair.client.machine.begin(&mut pair.client.out).expect("a second session");
    pair.settle(2);
    pair.client.machine.end(session, None, &mut pair.client.out);
    pair.settle(2);
    assert_eq!(pair.client.machine.begin(&mut pair.client.out), Some(session), "the channel is free again");
    pair.settle(2);
    pair.client.machine.close(None, pair.now_ns, &mut pair.client.out);
    pair.settle(2);
    assert_eq!(pair.server.closed.as_deref(), Some(""));
    assert!(pair.client.machine.is_closed() && pair.server.machine.is_closed());
}

#[test]
fn a_silent_peer_is_given_up_and_a_living_one_is_not() {
    let (mut pair, _) = Pair::attached(Role::Sender, ReceiverSettleMode::First, Asker::Client);
    for _ in 0..10 {
        // Both look at their deadlines; heart beats keep the connection alive for longer than the timeout of a minute.
        pair.now_ns += 14_000_000_000;
        for side in [&mut pair.client, &mut pair.server] {
            let event = side.machine.handle_deadline(pair.now_ns, &mut side.out);
            assert_eq!(event, None);
        }
        pair.settle(64);
    }
    let deadline = pair.server.machine.deadline().expect("there is one");
    assert!(deadline > pair.now_ns);
    pair.now_ns += 61_000_000_000;
    let event = pair.server.machine.handle_deadline(pair.now_ns, &mut pair.server.out);
    assert!(matches!(event, Some(Event::Closed(Some(_)))), "the client fell silent: {event:?}");
}
