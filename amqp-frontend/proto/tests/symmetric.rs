//! Two machines that do the same to each other: whatever one may ask or say, the other may too.
//!
//! Shown: every field of an open and of an attach passes in both directions, asked and answered, by the end that connected and by the
//! one that was connected to; so do delivery tags, states and the errors of rejections, on links that send and on links that receive;
//! deliveries can be given up; links can be given up before they are answered.

use std::sync::Arc;

use amqp_codec::AmqpError;
use amqp_codec::frame::{self, Frame, Split};
use amqp_codec::performative::{
    self, Attach, DeliveryState, Disposition, Open, Performative, ReceiverSettleMode, Role, SenderSettleMode, Source,
    Target, Terminus,
};
use amqp_proto::{
    Closing, Config, Confirmation, Connection, Deliveries, DeliveryOutcome, Drain, Event, Input, LinkId, Out, Part,
    Particulars, Payload, Send, SessionId, Settled, Settling, Stage, State, Updated,
};
use bytes::Bytes;
use engine_message::Condition;
use engine_message::value::{Map, Raw, Value};

/// A delivery, or a part of one, as it was told.
#[derive(Clone, Debug, PartialEq)]
struct Came {
    delivery: u32,
    settled: Settled,
    stage: Option<Stage>,
    /// Tag, encoded state, and whether it is resumed or its outcome may wait.
    head: Option<(Vec<u8>, Vec<u8>, bool, bool)>,
    payload: Vec<u8>,
}

/// What a machine told.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    OpenAsked(Box<Open>),
    Opened(Box<Open>),
    AttachAsked(LinkId, Box<Attach>),
    Attached(LinkId, Box<Attach>),
    Came(Came),
    Ignored(u32),
    Credit(u32),
    Settled(Option<DeliveryOutcome>, Vec<Settling>),
    Updated(State, Settled, Vec<Updated>),
    Confirmed(Confirmation),
    Detached(LinkId, Option<String>),
    Closed(Option<String>),
    Other,
}

/// One end.
struct End {
    machine: Connection,
    out: Out,
    kept: Vec<u8>,
    told: Vec<Told>,
}

fn state_of(state: Option<&DeliveryState<'_>>) -> Vec<u8> {
    let mut encoded = Vec::new();
    if let Some(state) = state {
        state.encode(&mut encoded);
    }
    encoded
}

fn why(error: Option<Box<AmqpError>>) -> Option<String> {
    error.map(|error| error.condition.as_str().to_owned())
}

impl End {
    fn new(machine: Connection, out: Out) -> Self {
        Self { machine, out, kept: Vec::new(), told: Vec::new() }
    }

    fn read(&mut self, bytes: &[u8]) {
        let mut given = std::mem::take(&mut self.kept);
        given.extend_from_slice(bytes);
        let mut input = Input::new(&given);
        loop {
            if let Some(delivery) = self.machine.next_delivery(0, &mut input) {
                let transfer = delivery.transfer();
                let head = (
                    transfer.delivery_tag.unwrap_or_default().to_vec(),
                    state_of(transfer.state.as_ref()),
                    transfer.resume,
                    transfer.batchable,
                );
                let payload = delivery.payload.to_vec();
                let (delivery, settled) = (delivery.delivery, delivery.settled);
                self.told.push(Told::Came(Came { delivery, settled, stage: None, head: Some(head), payload }));
                continue;
            }
            let Some(event) = self.machine.handle_input(0, &mut input, &mut self.out) else { break };
            let told = self.hear(event);
            self.told.push(told);
            self.machine.check();
        }
        self.kept = given[input.consumed()..].to_vec();
    }

    fn hear(&mut self, event: Event<'_>) -> Told {
        let bytes = |payload: Payload<'_>| match payload {
            Payload::Borrowed(bytes) => bytes.to_vec(),
            Payload::Owned(bytes) => bytes.to_vec(),
        };
        let read = |head: &amqp_proto::Head<'_>| {
            let transfer = head.transfer();
            let tag = transfer.delivery_tag.unwrap_or_default().to_vec();
            (tag, state_of(transfer.state.as_ref()), transfer.resume, transfer.batchable)
        };
        match event {
            Event::OpenAsked(open) => Told::OpenAsked(open),
            Event::Opened(open) => Told::Opened(open),
            Event::AttachAsked(link, attach) => Told::AttachAsked(link, attach),
            Event::Attached(link, attach) => Told::Attached(link, attach),
            Event::Delivery { delivery, settled, head, payload, .. } => {
                let head = Some(read(&head));
                Told::Came(Came { delivery, settled, stage: None, head, payload: bytes(payload) })
            }
            Event::Part { delivery, settled, stage, head, payload, .. } => {
                let head = head.as_ref().map(read);
                Told::Came(Came { delivery, settled, stage: Some(stage), head, payload: bytes(payload) })
            }
            Event::Ignored { delivery, .. } => Told::Ignored(delivery),
            Event::Credit { credit, .. } => Told::Credit(credit),
            Event::Settled(outcome) => {
                Told::Settled(outcome, std::iter::from_fn(|| self.machine.next_settled()).collect())
            }
            Event::Updated(mut update) => {
                let named = std::iter::from_fn(|| self.machine.next_updated(&mut update)).collect();
                Told::Updated(update.state, update.settled, named)
            }
            Event::Confirmed(confirmation) => Told::Confirmed(confirmation),
            Event::Detached { link, error, .. } => Told::Detached(link, why(error)),
            Event::Closed(error) => Told::Closed(why(error)),
            _ => Told::Other,
        }
    }

    fn write(&mut self) -> Vec<u8> {
        self.machine.poll_output(0, &mut self.out);
        let mut bytes = Vec::new();
        self.out.drain_into(&mut bytes);
        bytes
    }

    /// What was told since the last time, but for credit that is none.
    fn heard(&mut self) -> Vec<Told> {
        let matters = |told: &Told| !matches!(told, Told::Other | Told::Credit(0));
        std::mem::take(&mut self.told).into_iter().filter(matters).collect()
    }
}

/// Carries octets until nothing moves: whole, or a few at a time.
fn carry(ends: &mut [End; 2], step: usize) {
    for round in 0.. {
        assert!(round < 10_000, "the two come to rest");
        let (first, second) = (ends[0].write(), ends[1].write());
        if first.is_empty() && second.is_empty() {
            return;
        }
        first.chunks(step).for_each(|bytes| ends[1].read(bytes));
        second.chunks(step).for_each(|bytes| ends[0].read(bytes));
    }
}

fn config() -> Arc<Config> {
    Arc::new(Config { max_frame_size: 1024, stream_above: 5000, idle_timeout_ms: 4000, ..Config::default() })
}

/// Client and server, open, with one session that the client began.
fn opened() -> ([End; 2], SessionId) {
    let mut out = Out::default();
    let client = Connection::client(config(), config().client_open(), None, 0, &mut out);
    let mut ends = [End::new(client, out), End::new(Connection::server(config(), 0), Out::default())];
    carry(&mut ends, 1000);
    let answer = ends[1].machine.config().server_open();
    ends[1].machine.accept_open(answer, &mut ends[1].out);
    carry(&mut ends, 1000);
    let session = ends[0].machine.begin(&mut ends[0].out).expect("it is open");
    carry(&mut ends, 1000);
    ends.iter_mut().for_each(|end| drop(end.heard()));
    (ends, session)
}

/// Two ends of one link, one of which asked for it.
struct Linked {
    ends: [End; 2],
    /// The link at each end.
    links: [LinkId; 2],
}

/// A link that end `asker` attached in role `role`; both settle as `mode` says.
fn linked(asker: usize, role: Role, mode: ReceiverSettleMode) -> Linked {
    let (mut ends, session) = opened();
    let attach = Attach { rcv_settle_mode: mode, ..plain_attach("l", role) };
    let End { machine, out, .. } = &mut ends[asker];
    let near = machine.attach(session, attach, out).expect("the session is there");
    carry(&mut ends, 7);
    let heard = ends[1 - asker].heard();
    let [Told::AttachAsked(far, attach)] = heard.as_slice() else { panic!("it was asked: {heard:?}") };
    let End { machine, out, .. } = &mut ends[1 - asker];
    machine.accept_attach(*far, attach.answer(), out);
    carry(&mut ends, 7);
    assert!(matches!(ends[asker].heard().as_slice(), [Told::Attached(link, _)] if *link == near));
    let links = if asker == 0 { [near, *far] } else { [*far, near] };
    Linked { ends, links }
}

fn plain_attach(name: &str, role: Role) -> Attach {
    let (source, target) = (Some(Source::default()), Some(Target::Node(Terminus::default())));
    Attach { source, target, ..Attach::new(name, 0, role) }
}

fn map(key: &'static str, value: u64) -> Map {
    let mut map = Map::default();
    map.insert(key, Value::Ulong(value));
    map
}

/// Every way to have a sender and a receiver: who asks, and who of the two sends.
fn ways() -> impl Iterator<Item = (usize, Role)> {
    [(0, Role::Sender), (0, Role::Receiver), (1, Role::Sender), (1, Role::Receiver)].into_iter()
}

impl Linked {
    /// Which end sends.
    fn sender(asker: usize, role: Role) -> usize {
        if role == Role::Sender { asker } else { 1 - asker }
    }

    fn grant(&mut self, end: usize, credit: u32) {
        let link = self.links[end];
        self.ends[end].machine.grant(link, credit);
        carry(&mut self.ends, 11);
        assert_eq!(self.ends[1 - end].heard(), [Told::Credit(credit)]);
    }

    fn send_as(&mut self, end: usize, key: u64, body: &Bytes, part: Part, particulars: &Particulars<'_>) -> bool {
        let link = self.links[end];
        let send = Send { key, settled: Settled::No, format: 0, prefix: b"prefix", body, part };
        let End { machine, out, .. } = &mut self.ends[end];
        machine.send_as(link, send, particulars, out)
    }

    fn send(&mut self, end: usize, key: u64, body: &Bytes, part: Part) {
        let link = self.links[end];
        let send = Send { key, settled: Settled::No, format: 0, prefix: &[], body, part };
        let End { machine, out, .. } = &mut self.ends[end];
        machine.send(link, send, out);
    }

    fn dispose(&mut self, end: usize, delivery: u32, state: Option<State>, settled: Settled) {
        let link = self.links[end];
        let End { machine, out, .. } = &mut self.ends[end];
        machine.dispose(link, Deliveries::one(delivery), state.as_ref(), settled, out);
        carry(&mut self.ends, 5);
    }

    /// A message that end `sender` sent unsettled with key 7 and that came; gives its number.
    fn sent(sender: usize, asker: usize, role: Role, mode: ReceiverSettleMode) -> (Self, u32) {
        let mut linked = linked(asker, role, mode);
        linked.grant(1 - sender, 10);
        linked.send(sender, 7, &Bytes::from_static(b"body"), Part::Whole);
        carry(&mut linked.ends, 13);
        let heard = linked.ends[1 - sender].heard();
        let [Told::Came(came)] = heard.as_slice() else { panic!("it came: {heard:?}") };
        (linked, came.delivery)
    }
}

#[test]
fn every_field_of_an_open_passes_in_both_directions() {
    let said = |name: &str| Open {
        container_id: name.to_owned(),
        hostname: Some(format!("{name}.example")),
        max_frame_size: 800,
        channel_max: 9,
        idle_timeout_ms: Some(1500),
        outgoing_locales: vec!["de-DE".into()],
        incoming_locales: vec!["fr-FR".into(), "en-US".into()],
        offered_capabilities: vec!["offered".into()],
        desired_capabilities: vec!["desired".into(), "LINK_PAIR_V1_0".into()],
        properties: map("product", 3),
    };
    let mut out = Out::default();
    let client = Connection::client(config(), said("client"), None, 0, &mut out);
    let mut ends = [End::new(client, out), End::new(Connection::server(config(), 0), Out::default())];
    carry(&mut ends, 3);
    assert_eq!(ends[1].heard(), [Told::OpenAsked(Box::new(said("client")))]);
    assert!(ends[1].machine.is_waiting());
    let End { machine, out, .. } = &mut ends[1];
    machine.accept_open(said("server"), out);
    carry(&mut ends, 3);
    assert_eq!(ends[0].heard(), [Told::Opened(Box::new(said("server")))]);
    // What was said holds: frames of more than 800 octets, channels above 9.
    for end in &mut ends {
        for _ in 0..=9 {
            assert!(end.machine.begin(&mut end.out).is_some());
        }
        assert_eq!(end.machine.begin(&mut end.out), None, "the peer's highest channel");
        assert_eq!(end.machine.deadline(), Some(750_000_000), "a sign of life in half the peer's time");
    }
}

#[test]
fn an_open_is_refused_with_where_to_go() {
    let mut out = Out::default();
    let client = Connection::client(config(), config().client_open(), None, 0, &mut out);
    let mut ends = [End::new(client, out), End::new(Connection::server(config(), 0), Out::default())];
    carry(&mut ends, 50);
    let mut error = AmqpError::new(Condition::ConnectionRedirect, "it moved");
    error.info = map("port", 5673);
    let End { machine, out, .. } = &mut ends[1];
    machine.refuse_open(error, 0, out);
    carry(&mut ends, 50);
    let heard = ends[0].heard();
    let [Told::Opened(open), Told::Closed(Some(condition))] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(condition, "amqp:connection:redirect");
    assert_eq!(open.properties.get("amqp:connection-establishment-failed"), Some(&Value::Boolean(true)));
    assert!(ends.iter().all(|end| end.machine.is_closed()));
}

/// An attach of which every field says something.
fn full_attach(name: &str, role: Role) -> Attach {
    Attach {
        snd_settle_mode: SenderSettleMode::Unsettled,
        rcv_settle_mode: ReceiverSettleMode::Second,
        source: Some(Source { filter: map("f", 1), ..Terminus::at("from").into() }),
        target: Some(Target::Node(Terminus::at("to"))),
        unsettled: Some(vec![
            (Bytes::from_static(b"tag"), None),
            (Bytes::from_static(b"other"), Some(Raw::new(&[0x00, 0x53, 0x24, 0x45]).expect("a state"))),
        ]),
        incomplete_unsettled: true,
        initial_delivery_count: (role == Role::Sender).then_some(u32::MAX - 1),
        max_message_size: Some(70_000),
        offered_capabilities: vec!["offered".into()],
        desired_capabilities: vec!["desired".into()],
        properties: map("paired", 1),
        ..Attach::new(name, 0, role)
    }
}

#[test]
fn every_field_of_an_attach_passes_in_both_directions_whoever_asks() {
    for (asker, role) in ways() {
        let (mut ends, session) = opened();
        let asked = full_attach("l", role);
        let End { machine, out, .. } = &mut ends[asker];
        let near = machine.attach(session, asked.clone(), out).expect("the session is there");
        carry(&mut ends, 9);
        let heard = ends[1 - asker].heard();
        let [Told::AttachAsked(far, came)] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!(**came, asked);
        // The answer says other things, and as much.
        let answer = Attach {
            snd_settle_mode: SenderSettleMode::Mixed,
            rcv_settle_mode: ReceiverSettleMode::First,
            properties: map("answered", 2),
            incomplete_unsettled: false,
            max_message_size: Some(50_000),
            ..full_attach("l", role.other())
        };
        let End { machine, out, .. } = &mut ends[1 - asker];
        machine.accept_attach(*far, answer.clone(), out);
        carry(&mut ends, 9);
        assert_eq!(ends[asker].heard(), [Told::Attached(near, Box::new(answer))], "{asker} as {role:?}");
        // Counts begin where the sender said, so that credit is what it seems.
        let mut linked = Linked { links: if asker == 0 { [near, *far] } else { [*far, near] }, ends };
        let sender = Linked::sender(asker, role);
        linked.grant(1 - sender, 3);
        // One of the two named less than all that is unsettled: nothing new comes.
        let resumed = Particulars { resume: true, ..Particulars::default() };
        for key in 0..3 {
            assert!(linked.send_as(sender, key, &Bytes::from_static(b"x"), Part::Whole, &resumed));
        }
        carry(&mut linked.ends, 100);
        assert_eq!(linked.ends[1 - sender].heard().len(), 3);
    }
}

#[test]
fn a_link_is_refused_whoever_asks() {
    for (asker, role) in ways() {
        let (mut ends, session) = opened();
        let End { machine, out, .. } = &mut ends[asker];
        let near = machine.attach(session, plain_attach("l", role), out).expect("the session is there");
        carry(&mut ends, 1);
        let heard = ends[1 - asker].heard();
        let [Told::AttachAsked(far, _)] = heard.as_slice() else { panic!("{heard:?}") };
        let End { machine, out, .. } = &mut ends[1 - asker];
        machine.refuse_attach(*far, AmqpError::new(Condition::NotFound, "no"), out);
        carry(&mut ends, 1);
        let heard = ends[asker].heard();
        let [Told::Attached(link, answer), Told::Detached(detached, Some(condition))] = heard.as_slice() else {
            panic!("{heard:?}")
        };
        assert_eq!((*link, *detached, condition.as_str()), (near, near, "amqp:not-found"));
        assert!(answer.source.is_none() && answer.target.is_none());
    }
}

#[test]
fn an_attach_that_does_not_fit_into_a_frame_ends_its_link_at_most() {
    let mut long = Map::default();
    long.insert("long", Value::String("x".repeat(3000)));
    for (asker, role) in ways() {
        let (mut ends, session) = opened();
        let End { machine, out, .. } = &mut ends[asker];
        let attach = Attach { properties: long.clone(), ..plain_attach("l", role) };
        assert_eq!(machine.attach(session, attach, out), None);
        let near = machine.attach(session, plain_attach("l", role), out).expect("the session is there");
        carry(&mut ends, 1000);
        let heard = ends[1 - asker].heard();
        let [Told::AttachAsked(far, attach)] = heard.as_slice() else { panic!("{heard:?}") };
        let answer = Attach { properties: long.clone(), ..attach.answer() };
        let End { machine, out, .. } = &mut ends[1 - asker];
        machine.accept_attach(*far, answer, out);
        carry(&mut ends, 1000);
        let why = || Some("amqp:frame-size-too-small".to_owned());
        assert_eq!(ends[1 - asker].heard(), [Told::Detached(*far, why())]);
        let heard = ends[asker].heard();
        let [Told::Attached(_, answer), Told::Detached(link, condition)] = heard.as_slice() else {
            panic!("{heard:?}")
        };
        assert!(answer.source.is_none() && *link == near && *condition == why());
    }
    // A name that cannot be answered.
    let mut out = Out::default();
    let open = Open { max_frame_size: 512, ..config().client_open() };
    let client = Connection::client(config(), open, None, 0, &mut out);
    let mut ends = [End::new(client, out), End::new(Connection::server(config(), 0), Out::default())];
    carry(&mut ends, 1000);
    let [client, server] = &mut ends;
    server.machine.accept_open(server.machine.config().server_open(), &mut server.out);
    server.write().chunks(100).for_each(|bytes| client.read(bytes));
    let session = client.machine.begin(&mut client.out).expect("it is open");
    let name = "n".repeat(600);
    client
        .machine
        .attach(session, plain_attach(&name, Role::Sender), &mut client.out)
        .expect("it fits in our direction");
    carry(&mut ends, 1000);
    assert!(
        ends.iter()
            .all(|end| end.machine.is_open() && !end.told.iter().any(|told| matches!(told, Told::AttachAsked(..))))
    );
}

#[test]
fn both_ends_attach_and_each_others_links_do_not_meet() {
    let (mut ends, session) = opened();
    // At once, with the same name in both directions: four links' ends, two links.
    for end in &mut ends {
        end.machine.attach(session, plain_attach("l", Role::Sender), &mut end.out).expect("a session");
    }
    carry(&mut ends, 4);
    for end in &mut ends {
        let heard = end.heard();
        let [Told::AttachAsked(link, attach)] = heard.as_slice() else { panic!("{heard:?}") };
        end.machine.accept_attach(*link, attach.answer(), &mut end.out);
    }
    carry(&mut ends, 4);
    assert!(ends.iter_mut().all(|end| matches!(end.heard().as_slice(), [Told::Attached(..)])));
}

#[test]
fn two_attaches_of_one_link_answer_each_other() {
    let (mut ends, session) = opened();
    let roles = [Role::Sender, Role::Receiver];
    for (end, role) in ends.iter_mut().zip(roles) {
        end.machine.attach(session, plain_attach("l", role), &mut end.out).expect("a session");
    }
    carry(&mut ends, 4);
    for (end, role) in ends.iter_mut().zip(roles) {
        let heard = end.heard();
        let [Told::Attached(_, attach)] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!(attach.role, role.other());
    }
}

#[test]
fn a_link_that_is_given_up_before_its_answer_leaves_its_handle() {
    for asker in [0, 1] {
        let (mut ends, session) = opened();
        let End { machine, out, .. } = &mut ends[asker];
        let first = machine.attach(session, plain_attach("l", Role::Sender), out).expect("a session");
        machine.detach(first, Closing::Closed, None, out);
        carry(&mut ends, 1000);
        let heard = ends[1 - asker].heard();
        let [Told::AttachAsked(far, attach)] = heard.as_slice() else { panic!("{heard:?}") };
        let End { machine, out, .. } = &mut ends[1 - asker];
        machine.accept_attach(*far, attach.answer(), out);
        // The detach waited for that.
        ends[1 - asker].read(&[]);
        carry(&mut ends, 1000);
        assert!(matches!(ends[1 - asker].heard().as_slice(), [Told::Detached(..)]));
        assert_eq!(ends[asker].heard(), [], "nobody waits for it any more");
        let End { machine, out, .. } = &mut ends[asker];
        let second = machine.attach(session, plain_attach("l", Role::Sender), out).expect("a session");
        assert_eq!(second.handle, first.handle, "the handle is free again");
    }
}

#[test]
fn tags_and_states_of_deliveries_pass_as_they_are() {
    let transaction = DeliveryState::Transactional { txn_id: b"tx-1", outcome: None };
    let received = DeliveryState::Received { section_number: 1, section_offset: 1 << 40 };
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        // One frame, several, and parts.
        for size in [10, 3000, 20_000] {
            for state in
                [None, Some(transaction.clone()), Some(received.clone()), Some(DeliveryState::Unknown(b"\x44"))]
            {
                for tag in [&b"t"[..], &[9; 32]] {
                    let mut linked = linked(asker, role, ReceiverSettleMode::First);
                    linked.grant(1 - sender, 10);
                    let batchable = size == 10;
                    let particulars =
                        Particulars { tag: Some(tag), state: state.clone(), batchable, ..Particulars::default() };
                    assert!(linked.send_as(sender, 3, &Bytes::from(vec![1; size]), Part::Whole, &particulars));
                    carry(&mut linked.ends, 500);
                    let heard = linked.ends[1 - sender].heard();
                    let Some(Told::Came(Came { head: Some(head), .. })) = heard.first() else { panic!("{heard:?}") };
                    assert_eq!(*head, (tag.to_vec(), state_of(state.as_ref()), false, batchable));
                    let came: Vec<u8> = heard
                        .iter()
                        .flat_map(|told| match told {
                            Told::Came(came) => came.payload.clone(),
                            other => panic!("{other:?}"),
                        })
                        .collect();
                    assert!(came.starts_with(b"prefix") && came.len() == size + 6, "{size}: {}", came.len());
                }
            }
        }
        // What leaves no room in a frame of 1024 octets is not sent.
        let mut linked = linked(asker, role, ReceiverSettleMode::First);
        linked.grant(1 - sender, 10);
        let long = [&[0xb0, 0, 0, 0x10, 0][..], &[0; 4096]].concat();
        let particulars = Particulars { state: Some(DeliveryState::Unknown(&long)), ..Particulars::default() };
        assert!(!linked.send_as(sender, 3, &Bytes::new(), Part::Whole, &particulars));
        carry(&mut linked.ends, 500);
        assert_eq!(linked.ends[1 - sender].heard(), []);
    }
}

#[test]
fn resumed_deliveries_pass_where_they_are_known_and_are_left_out_elsewhere() {
    for known in [true, false] {
        for size in [10, 3000] {
            let (mut ends, session) = opened();
            let unsettled = known.then(|| vec![(Bytes::from_static(b"old"), None)]);
            let attach = Attach { unsettled, ..plain_attach("l", Role::Receiver) };
            let [client, _] = &mut ends;
            let near = client.machine.attach(session, attach, &mut client.out).expect("a session");
            carry(&mut ends, 1000);
            let heard = ends[1].heard();
            let [Told::AttachAsked(far, attach)] = heard.as_slice() else { panic!("{heard:?}") };
            let far = *far;
            let [_, server] = &mut ends;
            server.machine.accept_attach(far, attach.answer(), &mut server.out);
            carry(&mut ends, 1000);
            ends[0].heard();
            let mut linked = Linked { ends, links: [near, far] };
            linked.grant(0, 10);
            let particulars = Particulars { tag: Some(b"old"), resume: true, ..Particulars::default() };
            assert!(linked.send_as(1, 3, &Bytes::from(vec![1; size]), Part::Whole, &particulars));
            linked.send(1, 4, &Bytes::from_static(b"new"), Part::Whole);
            carry(&mut linked.ends, 1000);
            let heard = linked.ends[0].heard();
            let [first, Told::Came(second)] = heard.as_slice() else { panic!("{heard:?}") };
            assert_eq!(second.payload, b"new");
            match first {
                Told::Came(Came { head: Some((tag, _, true, _)), .. }) => assert!(known && tag == b"old"),
                Told::Ignored(0) => assert!(!known),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_rejection_keeps_its_error() {
    let mut error = AmqpError::new("com.example:too-blue", "it is too blue");
    error.info = map("blueness", 11);
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        for error in [None, Some(Box::new(error.clone()))] {
            let (mut linked, delivery) = Linked::sent(sender, asker, role, ReceiverSettleMode::First);
            let link = linked.links[1 - sender];
            let outcome = DeliveryOutcome::Rejected(error);
            linked.ends[1 - sender].machine.settle(link, delivery, delivery, outcome.clone());
            carry(&mut linked.ends, 3);
            let settling = Settling { link: linked.links[sender], key: 7, confirm: None };
            assert_eq!(linked.ends[sender].heard(), [Told::Settled(Some(outcome), vec![settling])]);
        }
    }
}

#[test]
fn long_errors_are_shortened_to_what_the_peer_takes() {
    let long = |text: &str| {
        let mut error = AmqpError::new("com.example:too-blue", text.repeat(3000));
        error.info = map("blueness", 11);
        error
    };
    let read = |error: &AmqpError| {
        let text = error.description.clone().unwrap_or_default();
        assert!(error.condition.as_str() == "com.example:too-blue" && text.len() > 700, "{error}");
    };
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        let rejected = DeliveryOutcome::Rejected(Some(Box::new(long("ü"))));
        let transaction = Bytes::from_static(b"tx");
        let within = State::Transactional { transaction, outcome: Some(rejected.clone()) };
        let (mut linked, delivery) = Linked::sent(sender, asker, role, ReceiverSettleMode::Second);
        linked.dispose(1 - sender, delivery, Some(within), Settled::No);
        let link = linked.links[1 - sender];
        linked.ends[1 - sender].machine.settle(link, delivery, delivery, rejected);
        carry(&mut linked.ends, 1000);
        let heard = linked.ends[sender].heard();
        let [
            Told::Updated(State::Transactional { outcome: Some(DeliveryOutcome::Rejected(Some(first))), .. }, ..),
            second,
        ] = heard.as_slice()
        else {
            panic!("{heard:?}")
        };
        let Told::Settled(Some(DeliveryOutcome::Rejected(Some(second))), _) = second else { panic!("{second:?}") };
        read(first);
        read(second);
        let End { machine, out, .. } = &mut linked.ends[1 - sender];
        machine.detach(link, Closing::Closed, Some(long("x")), out);
        machine.end(SessionId(link.session), Some(long("y")), out);
        machine.close(Some(long("z")), 0, out);
        carry(&mut linked.ends, 1000);
        let heard = linked.ends[sender].heard();
        let [Told::Detached(_, Some(_)), Told::Closed(Some(why))] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!(why, "com.example:too-blue");
    }
}

#[test]
fn a_rejection_with_an_error_that_cannot_be_read_stays_a_rejection() {
    let (mut linked, delivery) = Linked::sent(0, 0, Role::Sender, ReceiverSettleMode::First);
    // Rejected, with a list that is no error.
    let state = State::Other(Bytes::from_static(&[0x00, 0x53, 0x25, 0xc0, 2, 1, 0x45]));
    linked.dispose(1, delivery, Some(state), Settled::Yes);
    let heard = linked.ends[0].heard();
    let [Told::Settled(Some(DeliveryOutcome::Rejected(Some(error))), _)] = heard.as_slice() else {
        panic!("{heard:?}")
    };
    assert_eq!(error.condition, Condition::DecodeError);
}

#[test]
fn states_that_are_no_outcomes_reach_the_sender_and_settle_nothing() {
    let states = [
        State::Received { section_number: 2, section_offset: 1 << 33 },
        State::Transactional { transaction: Bytes::from_static(b"tx"), outcome: None },
        State::Transactional { transaction: Bytes::from_static(b"tx"), outcome: Some(DeliveryOutcome::Released) },
        State::Other(Bytes::from_static(&[0x00, 0xa3, 3, b'o', b'w', b'n', 0x45])),
    ];
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        let (mut linked, delivery) = Linked::sent(sender, asker, role, ReceiverSettleMode::Second);
        let updated = Updated { link: linked.links[sender], key: 7, delivery };
        for state in &states {
            linked.dispose(1 - sender, delivery, Some(state.clone()), Settled::No);
            assert_eq!(linked.ends[sender].heard(), [Told::Updated(state.clone(), Settled::No, vec![updated])]);
            assert_eq!(linked.ends[sender].machine.sent(updated.link, 7), Some(delivery), "it waits");
        }
        let last = states[2].clone();
        linked.dispose(1 - sender, delivery, Some(last.clone()), Settled::Yes);
        assert_eq!(linked.ends[sender].heard(), [Told::Updated(last.clone(), Settled::Yes, vec![updated])]);
        assert_eq!(linked.ends[sender].machine.sent(updated.link, 7), None, "it is settled");
        linked.dispose(1 - sender, delivery, Some(last), Settled::Yes);
        assert_eq!(linked.ends[sender].heard(), [], "and told of once");
    }
}

#[test]
fn what_a_sender_says_reaches_the_receiver() {
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        let (mut linked, delivery) = Linked::sent(sender, asker, role, ReceiverSettleMode::Second);
        let state =
            State::Transactional { transaction: Bytes::from_static(b"tx"), outcome: Some(DeliveryOutcome::Accepted) };
        let session = SessionId(linked.links[1 - sender].session);
        let deliveries = Deliveries::one(delivery);
        for (state, settled) in [(Some(state.clone()), Settled::No), (Some(state), Settled::Yes)] {
            linked.dispose(sender, delivery, state.clone(), settled);
            let confirmation = Confirmation { session, deliveries, settled, state: state.map(Box::new) };
            assert_eq!(linked.ends[1 - sender].heard(), [Told::Confirmed(confirmation)]);
        }
        // It settled first: what the receiver says now concerns nobody.
        let link = linked.links[1 - sender];
        linked.ends[1 - sender].machine.settle(link, delivery, delivery, DeliveryOutcome::Released);
        carry(&mut linked.ends, 3);
        assert_eq!(linked.ends[sender].heard(), []);
    }
}

#[test]
fn a_receiver_of_mode_second_hears_that_its_sender_settled() {
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        for outcome in
            [DeliveryOutcome::Accepted, DeliveryOutcome::Released, DeliveryOutcome::Declared(Bytes::from_static(b"tx"))]
        {
            let (mut linked, delivery) = Linked::sent(sender, asker, role, ReceiverSettleMode::Second);
            let (near, far) = (linked.links[sender], linked.links[1 - sender]);
            linked.ends[1 - sender].machine.settle(far, delivery, delivery, outcome.clone());
            carry(&mut linked.ends, 3);
            let accepted = outcome == DeliveryOutcome::Accepted;
            let settling = Settling { link: near, key: 7, confirm: accepted.then_some(delivery) };
            assert_eq!(linked.ends[sender].heard(), [Told::Settled(Some(outcome.clone()), vec![settling])]);
            if accepted {
                assert_eq!(linked.ends[1 - sender].heard(), [], "not before the host says so");
                linked.ends[sender].machine.confirm(near, delivery);
                carry(&mut linked.ends, 3);
            }
            let session = SessionId(far.session);
            let (deliveries, state) = (Deliveries::one(delivery), Some(Box::new(outcome.into())));
            let confirmation = Confirmation { session, deliveries, settled: Settled::Yes, state };
            assert_eq!(linked.ends[1 - sender].heard(), [Told::Confirmed(confirmation)]);
        }
    }
}

#[test]
fn a_delivery_that_is_given_up_leaves_nothing() {
    let body = |size: usize| Bytes::from(vec![1; size]);
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        // Its beginning waits, left unseen, or was told.
        for (credit, size) in [(0, 10), (10, 10), (10, 3000), (10, 9000)] {
            let mut linked = linked(asker, role, ReceiverSettleMode::First);
            if credit > 0 {
                linked.grant(1 - sender, credit);
            }
            linked.send(sender, 1, &body(size), Part::First);
            carry(&mut linked.ends, 100);
            let link = linked.links[sender];
            let End { machine, out, .. } = &mut linked.ends[sender];
            machine.abort(link, out);
            machine.check();
            assert_eq!(machine.sent(link, 1), None, "nobody decides on it");
            linked.send(sender, 2, &body(20), Part::Whole);
            carry(&mut linked.ends, 100);
            let heard = linked.ends[1 - sender].heard();
            if credit == 0 {
                assert_eq!(heard, []);
                let link = linked.links[1 - sender];
                linked.ends[1 - sender].machine.grant(link, 1);
                carry(&mut linked.ends, 100);
                assert!(matches!(linked.ends[1 - sender].heard().as_slice(), [Told::Came(_)]), "the next one has it");
                continue;
            }
            let [.., given_up, Told::Came(Came { payload, stage: None, .. })] = heard.as_slice() else {
                panic!("{heard:?}")
            };
            assert_eq!(*payload, body(20));
            match given_up {
                Told::Ignored(0) => assert!(size <= 5000),
                Told::Came(Came { stage: Some(Stage::Aborted), .. }) => assert!(size > 5000),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn a_window_is_announced_although_a_link_with_something_to_say_ended() {
    let mut out = Out::default();
    let config = Arc::new(Config { incoming_window: 4, max_frame_size: 600, ..Config::default() });
    let client = Connection::client(Arc::clone(&config), config.client_open(), None, 0, &mut out);
    let mut ends = [End::new(client, out), End::new(Connection::server(config, 0), Out::default())];
    carry(&mut ends, 1000);
    let [_, server] = &mut ends;
    server.machine.accept_open(server.machine.config().server_open(), &mut server.out);
    carry(&mut ends, 1000);
    let [client, _] = &mut ends;
    let session = client.machine.begin(&mut client.out).expect("it is open");
    let link = client.machine.attach(session, plain_attach("a", Role::Receiver), &mut client.out).expect("a session");
    let other = client.machine.attach(session, plain_attach("b", Role::Receiver), &mut client.out).expect("a session");
    carry(&mut ends, 1000);
    let asked: Vec<_> = ends[1]
        .heard()
        .into_iter()
        .filter_map(|told| match told {
            Told::AttachAsked(link, attach) => Some((link, attach)),
            _ => None,
        })
        .collect();
    let [_, server] = &mut ends;
    asked.iter().for_each(|(link, attach)| server.machine.accept_attach(*link, attach.answer(), &mut server.out));
    carry(&mut ends, 1000);
    ends[0].machine.grant(link, 100);
    carry(&mut ends, 1000);
    let body = Bytes::from_static(b"body");
    let [client, server] = &mut ends;
    for key in 0..20 {
        let send = Send { key, settled: Settled::No, format: 0, prefix: &[], body: &body, part: Part::Whole };
        server.machine.send(asked[0].0, send, &mut server.out);
    }
    // The client reads the first ones, wants to say something of its other link, and ends that.
    let bytes = server.write();
    client.heard();
    client.read(&bytes);
    client.machine.grant(other, 1);
    client.machine.detach(other, Closing::Closed, None, &mut client.out);
    carry(&mut ends, 1000);
    let came = ends[0].heard().into_iter().filter(|told| matches!(told, Told::Came(_))).count();
    assert_eq!(came, 20, "the sender was given its window again");
}

#[test]
fn credit_that_is_taken_back_may_have_been_used_by_what_is_under_way() {
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        let receiver = 1 - sender;
        let mut linked = linked(asker, role, ReceiverSettleMode::First);
        linked.grant(receiver, 5);
        let body = Bytes::from_static(b"under way");
        (0..3).for_each(|key| linked.send(sender, key, &body, Part::Whole));
        let link = linked.links[receiver];
        linked.ends[receiver].machine.set_credit(link, 1, Drain::No);
        carry(&mut linked.ends, 9);
        let came = linked.ends[receiver].heard();
        assert_eq!(came.iter().filter(|told| matches!(told, Told::Came(_))).count(), 3, "{came:?}");
        // The sender knows that it has none.
        let link = linked.links[sender];
        assert_eq!(linked.ends[sender].machine.credit_free(link), 0);
        let link = linked.links[receiver];
        linked.ends[receiver].machine.set_credit(link, 2, Drain::Yes);
        linked.ends[sender].heard();
        carry(&mut linked.ends, 9);
        assert_eq!(linked.ends[sender].heard(), [Told::Credit(2)]);
    }
}

#[test]
fn credit_that_was_used_up_when_nobody_wanted_that_any_more_is_given_anew() {
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        let receiver = 1 - sender;
        let mut linked = linked(asker, role, ReceiverSettleMode::First);
        linked.grant(receiver, 105);
        let links = linked.links;
        linked.ends[receiver].machine.set_credit(links[receiver], 105, Drain::Yes);
        let asked = linked.ends[receiver].write();
        linked.ends[sender].read(&asked);
        linked.ends[sender].machine.drained(links[sender]);
        let answer = linked.ends[sender].write();
        // Meanwhile it may have three, and keep them.
        linked.ends[receiver].machine.set_credit(links[receiver], 3, Drain::No);
        let asked = linked.ends[receiver].write();
        linked.ends[receiver].read(&answer);
        linked.ends[sender].read(&asked);
        assert_eq!(linked.ends[sender].machine.credit_free(links[sender]), 0, "it has used up more");
        carry(&mut linked.ends, 9);
        assert_eq!(linked.ends[sender].machine.credit_free(links[sender]), 3);
        let body = Bytes::from_static(b"one of three");
        (0..3).for_each(|key| linked.send(sender, key, &body, Part::Whole));
        linked.ends[receiver].heard();
        carry(&mut linked.ends, 9);
        let came = linked.ends[receiver].heard();
        assert_eq!(came.iter().filter(|told| matches!(told, Told::Came(_))).count(), 3, "{came:?}");
    }
}

#[test]
fn a_window_is_closed_and_opened_without_a_frame_beyond_it() {
    let (asker, role) = (0, Role::Sender);
    let mut linked = linked(asker, role, ReceiverSettleMode::First);
    linked.grant(1, 100_000);
    let most = linked.ends[1].machine.config().incoming_window;
    let session = SessionId(linked.links[1].session);
    linked.ends[1].machine.set_window(session, 0);
    let body = Bytes::from_static(b"x");
    let sent = u64::from(most) + 100;
    for key in 0..sent {
        linked.send(0, key, &body, Part::Whole);
        if key % 1000 == 0 {
            carry(&mut linked.ends, 1 << 20);
        }
    }
    carry(&mut linked.ends, 1 << 20);
    let came = |told: Vec<Told>| told.iter().filter(|told| matches!(told, Told::Came(_))).count();
    assert_eq!(came(linked.ends[1].heard()), most as usize, "what was announced, and nothing more");
    linked.ends[1].machine.set_window(session, 10);
    carry(&mut linked.ends, 1 << 20);
    assert_eq!(came(linked.ends[1].heard()), 100, "the rest, ten at a time");
    assert!(linked.ends.iter().all(|end| end.machine.is_open()));
}

#[test]
fn a_message_that_has_begun_comes_to_its_end_although_another_link_of_its_session_has_no_room() {
    let mut linked = linked(0, Role::Sender, ReceiverSettleMode::First);
    let session = linked.links.map(|link| SessionId(link.session));
    let End { machine, out, .. } = &mut linked.ends[0];
    let near = machine.attach(session[0], plain_attach("m", Role::Sender), out).expect("the session is there");
    carry(&mut linked.ends, 1000);
    let heard = linked.ends[1].heard();
    let [Told::AttachAsked(far, attach)] = heard.as_slice() else { panic!("it was asked: {heard:?}") };
    let End { machine, out, .. } = &mut linked.ends[1];
    machine.accept_attach(*far, attach.answer(), out);
    let (first, other) = (linked.links, [near, *far]);
    carry(&mut linked.ends, 1000);
    linked.ends[0].heard();
    linked.grant(1, 100_000);
    linked.ends[1].machine.grant(*far, 100_000);
    linked.ends[1].machine.pass_on(*far);
    // What was announced at first is used up, and the window is small.
    linked.ends[1].machine.set_window(session[1], 0);
    let body = Bytes::from_static(b"x");
    for key in 0..u64::from(linked.ends[1].machine.config().incoming_window) {
        linked.send(0, key, &body, Part::Whole);
        if key % 1000 == 0 {
            carry(&mut linked.ends, 1 << 20);
        }
    }
    linked.ends[1].machine.set_window(session[1], 4);
    linked.links = other;
    linked.send(0, 0, &body, Part::First);
    carry(&mut linked.ends, 1 << 20);
    linked.ends[1].heard();
    linked.ends[1].machine.hold(first[1]);
    for key in 0..20 {
        linked.send(0, 0, &body, Part::Middle);
        linked.links = first;
        linked.send(0, key, &body, Part::Whole);
        linked.links = other;
    }
    linked.send(0, 0, &body, Part::Last);
    carry(&mut linked.ends, 1 << 20);
    let came = |end: &mut End| {
        let (whole, parts): (Vec<Told>, Vec<Told>) = end
            .heard()
            .into_iter()
            .filter(|told| matches!(told, Told::Came(_)))
            .partition(|told| matches!(told, Told::Came(Came { stage: None, .. })));
        (whole.len(), parts.len())
    };
    let (whole, parts) = came(&mut linked.ends[1]);
    assert_eq!(parts, 21, "it has come to its end");
    linked.links = first;
    (20..60).for_each(|key| linked.send(0, key, &body, Part::Whole));
    carry(&mut linked.ends, 1 << 20);
    let (more, _) = came(&mut linked.ends[1]);
    assert!(whole + more <= 20 + 2 * 4, "what was announced, and nothing more: {whole} and {more}");
    linked.ends[1].machine.release(first[1]);
    carry(&mut linked.ends, 1 << 20);
    assert_eq!(whole + more + came(&mut linked.ends[1]).0, 60);
}

#[test]
fn a_link_that_is_passed_on_is_told_of_frame_by_frame_and_found_by_name_and_keys() {
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        let receiver = 1 - sender;
        let mut linked = linked(asker, role, ReceiverSettleMode::First);
        let link = linked.links[receiver];
        linked.ends[receiver].machine.pass_on(link);
        linked.grant(receiver, 5);
        // Less than is told of in parts on other links.
        let body = Bytes::from(vec![7; 3000]);
        linked.send(sender, 8, &body, Part::Whole);
        let link = linked.links[sender];
        linked.send(sender, 9, &Bytes::from_static(b"z"), Part::Whole);
        assert_eq!(linked.ends[sender].machine.waiting_octets(link), 0, "there is room for both");
        carry(&mut linked.ends, 100);
        let stages: Vec<Option<Stage>> = linked.ends[receiver]
            .heard()
            .into_iter()
            .filter_map(|told| if let Told::Came(came) = told { Some(came.stage) } else { None })
            .collect();
        let parts = [Stage::First, Stage::Next, Stage::Next, Stage::Last].map(Some);
        assert_eq!(stages, [&parts[..], &[None]].concat(), "each frame by itself");
        let machine = &mut linked.ends[sender].machine;
        assert_eq!(machine.sent_with(link, |key| key > 8).iter().map(|(_, key)| *key).collect::<Vec<_>>(), [9]);
        assert_eq!(machine.sent_with(link, |_| true).len(), 2);
        assert!(machine.has_link("l", Role::Sender) && !machine.has_link("l", Role::Receiver));
        assert!(!machine.has_link("m", Role::Sender));
    }
}

#[test]
fn nobody_is_told_of_what_was_given_up_while_that_waits_for_the_window() {
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        let receiver = 1 - sender;
        let mut linked = linked(asker, role, ReceiverSettleMode::First);
        let link = linked.links[receiver];
        linked.ends[receiver].machine.pass_on(link);
        linked.grant(receiver, 5);
        let session = SessionId(link.session);
        linked.ends[receiver].machine.set_window(session, 0);
        let most = linked.ends[receiver].machine.config().incoming_window as usize;
        let body = Bytes::from(vec![7; (most + 1) * linked.ends[receiver].machine.config().max_frame_size as usize]);
        linked.send(sender, 8, &body, Part::First);
        carry(&mut linked.ends, 1 << 20);
        let of_sender = linked.links[sender];
        let End { machine, out, .. } = &mut linked.ends[sender];
        assert!(machine.waiting(of_sender) > 0, "the window is used up");
        machine.abort(of_sender, out);
        linked.ends[receiver].machine.settle(link, 0, 0, DeliveryOutcome::Released);
        carry(&mut linked.ends, 1 << 20);
        let heard = linked.ends[sender].heard();
        assert!(!heard.iter().any(|told| matches!(told, Told::Settled(..))), "{heard:?}");
        drop(linked.ends[receiver].heard());
        linked.ends[receiver].machine.set_window(session, 10);
        carry(&mut linked.ends, 1 << 20);
        let heard = linked.ends[receiver].heard();
        let is_aborted = |told: &Told| matches!(told, Told::Came(came) if came.stage == Some(Stage::Aborted));
        assert!(heard.iter().any(is_aborted), "{heard:?}");
    }
}

/// Frames that were written, with their sizes.
fn frames(mut written: &[u8]) -> impl Iterator<Item = (Frame<'_>, usize)> {
    std::iter::from_fn(move || {
        let Ok(Split::Frame { frame, bytes }) = frame::split(written, u32::MAX) else { return None };
        written = &written[bytes..];
        Some((frame, bytes))
    })
}

/// The dispositions that an end writes: which deliveries, and whether they are settled.
fn dispositions(end: &mut End) -> (Vec<u8>, Vec<(u32, u32, bool)>) {
    let written = end.write();
    let said = |(frame, _): (Frame<'_>, usize)| match performative::decode(frame.body) {
        Ok((Performative::Disposition(Disposition { first, last, settled, .. }), _)) => {
            Some((first, last.unwrap_or(first), settled))
        }
        _ => None,
    };
    let said = frames(&written).filter_map(said).collect();
    (written, said)
}

#[test]
fn what_is_decided_on_half_way_is_said_at_once_and_settled_when_it_has_come_whole() {
    let body = Bytes::from(vec![1; 9000]);
    for (asker, role) in ways() {
        for (part, settled_by_sender) in
            [(Part::Last, Settled::No), (Part::Last, Settled::Yes), (Part::Aborted, Settled::No)]
        {
            let sender = Linked::sender(asker, role);
            let receiver = 1 - sender;
            let mut linked = linked(asker, role, ReceiverSettleMode::First);
            linked.grant(receiver, 5);
            linked.send(sender, 8, &Bytes::from_static(b"x"), Part::Whole);
            linked.send(sender, 9, &body, Part::First);
            carry(&mut linked.ends, 100);
            linked.ends.iter_mut().for_each(|end| drop(end.heard()));
            let link = linked.links[receiver];
            linked.ends[receiver].machine.settle(link, 0, 1, DeliveryOutcome::Released);
            let (written, said) = dispositions(&mut linked.ends[receiver]);
            assert_eq!(said, [(0, 0, true), (1, 1, false)]);
            // Told once, by the first of its dispositions.
            linked.ends[sender].read(&written);
            let keys = |told: &Told| match told {
                Told::Settled(Some(DeliveryOutcome::Released), settled) => settled.iter().map(|one| one.key).collect(),
                other => panic!("{other:?}"),
            };
            let told: Vec<Vec<u64>> = linked.ends[sender].heard().iter().map(keys).collect();
            assert_eq!(told, [[8], [9]]);
            let id = linked.links[sender];
            let End { machine, out, .. } = &mut linked.ends[sender];
            match part {
                Part::Aborted => machine.abort(id, out),
                _ => {
                    let send = Send { key: 9, settled: settled_by_sender, format: 0, prefix: &[], body: &body, part };
                    machine.send(id, send, out);
                }
            }
            let written = linked.ends[sender].write();
            linked.ends[receiver].read(&written);
            linked.ends[receiver].machine.check();
            let (written, said) = dispositions(&mut linked.ends[receiver]);
            let waits = part == Part::Last && settled_by_sender == Settled::No;
            assert_eq!(said, if waits { vec![(1, 1, true)] } else { vec![] });
            linked.ends[sender].read(&written);
            assert_eq!(linked.ends[sender].heard(), [], "it knows already");
        }
    }
}

#[test]
fn what_stands_before_a_message_may_be_long_and_wait() {
    let body = Bytes::from(vec![1; 50]);
    for (asker, role) in ways() {
        for prefix in [0, 1, 25, 30, 31, 255, 256, 900, 5000].map(|octets| vec![2; octets]) {
            for credit_first in [true, false] {
                let sender = Linked::sender(asker, role);
                let mut linked = linked(asker, role, ReceiverSettleMode::First);
                if credit_first {
                    linked.grant(1 - sender, 1);
                }
                let (id, settled, part) = (linked.links[sender], Settled::No, Part::Whole);
                let End { machine, out, .. } = &mut linked.ends[sender];
                machine.send(id, Send { key: 7, settled, format: 0, prefix: &prefix, body: &body, part }, out);
                carry(&mut linked.ends, 500);
                if !credit_first {
                    assert_eq!(linked.ends[1 - sender].heard(), []);
                    let receiver = linked.links[1 - sender];
                    linked.ends[1 - sender].machine.grant(receiver, 1);
                    carry(&mut linked.ends, 500);
                }
                let payload = |told: &Told| match told {
                    Told::Came(came) => came.payload.clone(),
                    other => panic!("{other:?}"),
                };
                let came: Vec<u8> = linked.ends[1 - sender].heard().iter().flat_map(payload).collect();
                assert!(came == [&prefix[..], &body].concat(), "{} octets before it", prefix.len());
            }
        }
    }
}

/// Sizes of the frames that an end writes, octets.
fn frame_sizes(end: &mut End) -> Vec<usize> {
    let written = end.write();
    let sizes: Vec<usize> = frames(&written).map(|(_, bytes)| bytes).collect();
    assert_eq!(sizes.iter().sum::<usize>(), written.len());
    sizes
}

#[test]
fn what_came_in_one_frame_of_a_long_message_goes_out_in_one() {
    /// All of a frame that is not message, with the handle 0.
    const AROUND: usize = 20;
    for (asker, role) in ways() {
        let sender = Linked::sender(asker, role);
        let mut linked = linked(asker, role, ReceiverSettleMode::First);
        let max_frame = linked.ends[1 - sender].machine.config().max_frame_size as usize;
        linked.grant(1 - sender, 5);
        linked.send(sender, 9, &Bytes::from_static(b"begins"), Part::First);
        assert_eq!(frame_sizes(&mut linked.ends[sender]).len(), 1);
        for (octets, sizes) in
            [(max_frame - AROUND, vec![max_frame]), (max_frame - AROUND + 1, vec![max_frame, AROUND + 1])]
        {
            linked.send(sender, 9, &Bytes::from(vec![1; octets]), Part::Middle);
            assert_eq!(frame_sizes(&mut linked.ends[sender]), sizes);
        }
    }
}

/// A link on which one delivery came that is not settled, and which of its ends sends and receives; nobody has anything to hear.
fn sent(asker: usize, role: Role) -> (Linked, usize, usize) {
    let sender = Linked::sender(asker, role);
    let receiver = 1 - sender;
    let mut linked = linked(asker, role, ReceiverSettleMode::First);
    linked.grant(receiver, 5);
    linked.send(sender, 8, &Bytes::from_static(b"x"), Part::Whole);
    carry(&mut linked.ends, 100);
    linked.ends.iter_mut().for_each(|end| drop(end.heard()));
    (linked, sender, receiver)
}

#[test]
fn what_was_decided_on_is_said_before_the_link_is_detached() {
    for (asker, role) in ways() {
        let (mut linked, sender, receiver) = sent(asker, role);
        let link = linked.links[receiver];
        let End { machine, out, .. } = &mut linked.ends[receiver];
        machine.settle(link, 0, 0, DeliveryOutcome::Accepted);
        machine.detach(link, Closing::Closed, None, out);
        carry(&mut linked.ends, 100);
        let heard = linked.ends[sender].heard();
        let [Told::Settled(Some(DeliveryOutcome::Accepted), settled), Told::Detached(..)] = heard.as_slice() else {
            panic!("{heard:?}")
        };
        assert_eq!(settled.len(), 1);
    }
}

#[test]
fn whoever_detaches_and_hears_is_told_of_deliveries_until_the_peer_has_detached_it_too() {
    for (asker, role) in ways() {
        for is_heard in [true, false] {
            let (mut linked, sender, receiver) = sent(asker, role);
            let links = linked.links;
            linked.ends[receiver].machine.answer_later(links[receiver]);
            let End { machine, out, .. } = &mut linked.ends[sender];
            match is_heard {
                true => machine.detach_and_hear(links[sender], Closing::Closed, None, out),
                false => machine.detach(links[sender], Closing::Closed, None, out),
            }
            carry(&mut linked.ends, 100);
            let End { machine, out, .. } = &mut linked.ends[receiver];
            assert!(machine.is_leaving(links[receiver]), "its host is to answer");
            machine.settle(links[receiver], 0, 0, DeliveryOutcome::Accepted);
            let error = AmqpError::new(Condition::NotFound, "not here");
            machine.detach(links[receiver], Closing::Closed, Some(error), out);
            assert!(!machine.is_leaving(links[receiver]));
            carry(&mut linked.ends, 100);
            match (linked.ends[sender].heard().as_slice(), is_heard) {
                ([Told::Settled(Some(DeliveryOutcome::Accepted), settled), Told::Detached(gone, Some(why))], true) => {
                    assert_eq!((settled.len(), *gone), (1, links[sender]));
                    assert_eq!(why, "amqp:not-found");
                }
                ([], false) => {}
                ([Told::Settled(_, settled)], false) if settled.is_empty() => {}
                (heard, _) => panic!("{heard:?}"),
            }
            linked.ends.iter().for_each(|end| end.machine.check());
        }
    }
}

#[test]
fn a_session_ends_with_its_last_link_when_the_peer_has_detached_it_too() {
    for (asker, role) in ways() {
        let mut linked = linked(asker, role, ReceiverSettleMode::First);
        let link = linked.links[0];
        let End { machine, out, .. } = &mut linked.ends[0];
        machine.detach(link, Closing::Closed, None, out);
        machine.end_empty(SessionId(link.session), out);
        let is_there = |end: &mut End| {
            let attach = plain_attach("other", Role::Sender);
            end.machine.attach(SessionId(link.session), attach, &mut Out::default()).is_some()
        };
        let written = linked.ends[0].write();
        assert!(!written.windows(3).any(|bytes| bytes == [0x00, 0x53, 0x17]), "no end behind the detach");
        linked.ends[1].read(&written);
        carry(&mut linked.ends, 100);
        assert!(!is_there(&mut linked.ends[0]), "it ended when the peer had answered");
    }
}
