//! Sequences of frames against the connection machine, of either end: the bytes choose what the peer does next, and what the host does
//! in between, mostly things that nearly make sense, so that fuzzing gets past the handshake and into links.
//!
//! Checked: no panic, the machine's own invariants after every step, output within its bound and readable, no event after
//! the end.

use std::sync::Arc;

use amqp_codec::AmqpError;
use amqp_codec::frame::{self, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Attach, Begin, Close, DeliveryState, Detach, Disposition, End, Flow, Open, Performative, ReceiverSettleMode,
    Role, Source, Target, Terminus, Transfer, encode_frame, encode_transfer,
};
use amqp_proto::{
    Authenticated, Closing, Config, Connection, Deliveries, DeliveryOutcome, Event, Input, LinkId, OUT_SOFT_MAX, Out,
    Part, Particulars, Send, SessionId, Settled, Stage, State,
};
use bytes::Bytes;
use engine_message::Condition;

/// Beyond the soft bound output grows by no more than one answer to each frame of one input.
const OUT_MAX: usize = OUT_SOFT_MAX + 1024 * 1024;

struct Bytecode<'a>(&'a [u8]);

impl<'a> Bytecode<'a> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    /// A number that is small as a rule, and sometimes at the ends of its range.
    fn number(&mut self) -> u32 {
        match self.byte() {
            small @ 0..=0xef => u32::from(small % 16),
            0xf0..=0xf7 => u32::MAX - u32::from(self.byte()),
            _ => u32::from_be_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
        }
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct Host {
    machine: Connection,
    out: Out,
    now_ns: u64,
    kept: Vec<u8>,
    closed: bool,
    written: Vec<u8>,
    refuse: bool,
    /// Links that the host knows of, the last few.
    links: Vec<LinkId>,
}

/// Links that a host remembers.
const LINKS_KEPT: usize = 8;

/// Runs one sequence.
pub fn sequence(data: &[u8]) {
    let mut code = Bytecode(data);
    let config = Config {
        max_frame_size: 4096,
        handle_max: 7,
        incoming_window: 64,
        max_message_size: 8192,
        stream_above: 3000,
        ..Config::default()
    };
    let config = Arc::new(config);
    let (first, mut out) = (code.byte(), Out::default());
    let machine = if first & 2 == 0 {
        Connection::server(config, 0)
    } else {
        let open = config.client_open();
        Connection::client(config, open, None, 0, &mut out)
    };
    let mut host = Host {
        machine,
        out,
        now_ns: 0,
        kept: Vec::new(),
        closed: false,
        written: Vec::new(),
        refuse: false,
        links: Vec::new(),
    };
    let mut bytes = Vec::new();
    if first & 1 == 1 {
        bytes.extend_from_slice(&ProtocolHeader::Amqp.bytes());
        encode_frame(&mut bytes, 0, &Performative::Open(Box::new(Open { max_frame_size: 4096, ..Open::default() })));
        let begin = Begin { incoming_window: 100, outgoing_window: 100, ..Begin::default() };
        encode_frame(&mut bytes, 0, &Performative::Begin(Box::new(begin)));
    }
    while let Some(op) = code.next() {
        if op == 0xff {
            host.now_ns += u64::from(code.number()) * 1_000_000;
            host.deadline();
            continue;
        }
        if op >= 0xf0 {
            host.feed(&bytes);
            bytes.clear();
            host.act(op, &mut code);
            continue;
        }
        append(&mut bytes, op, &mut code);
        if code.flag() {
            host.feed(&bytes);
            bytes.clear();
        }
        host.refuse = op & 0x80 != 0;
    }
    host.feed(&bytes);
}

/// Appends what the peer does next.
fn append(bytes: &mut Vec<u8>, op: u8, code: &mut Bytecode<'_>) {
    let channel = u16::from(code.byte() % 3);
    let performative = match op % 12 {
        0 => return bytes.extend_from_slice(code.take(usize::from(op))),
        1 => {
            let length = usize::from(code.byte());
            return frame::amqp(bytes, channel, |out| out.extend_from_slice(code.take(length)));
        }
        2 => {
            let begin = Begin {
                remote_channel: (op & 0x40 != 0).then(|| u16::from(code.byte() % 3)),
                next_outgoing_id: code.number(),
                incoming_window: code.number(),
                handle_max: code.number(),
                ..Begin::default()
            };
            Performative::Begin(Box::new(begin))
        }
        3 => Performative::Attach(Box::new(attach(code))),
        4 | 5 => return transfer(bytes, channel, op, code),
        6 => Performative::Flow(Flow {
            next_incoming_id: Some(code.number()),
            incoming_window: code.number(),
            handle: code.flag().then(|| code.number()),
            delivery_count: code.flag().then(|| code.number()),
            link_credit: code.flag().then(|| code.number()),
            drain: code.flag(),
            echo: code.flag(),
            ..Flow::default()
        }),
        7 | 8 => Performative::Disposition(Disposition {
            role: if op & 0x40 == 0 { Role::Receiver } else { Role::Sender },
            first: code.number(),
            last: code.flag().then(|| code.number()),
            settled: code.flag(),
            state: state(code),
            batchable: false,
        }),
        9 => Performative::Detach(Detach { handle: code.number(), closed: code.flag(), error: None }),
        10 => Performative::End(End::default()),
        _ => Performative::Close(Close::default()),
    };
    encode_frame(bytes, channel, &performative);
}

/// A state, or none.
fn state<'a>(code: &mut Bytecode<'a>) -> Option<DeliveryState<'a>> {
    // Accepted, a rejection with an error, and one with something else in its place.
    const ACCEPTED: &[u8] = &[0x00, 0x53, 0x24, 0x45];
    const ERROR: &[u8] = &[0x00, 0x53, 0x1d, 0xc0, 7, 2, 0xa3, 1, b'x', 0xa1, 1, b'y'];
    Some(match code.byte() % 12 {
        0 => return None,
        1 => DeliveryState::Accepted,
        2 => DeliveryState::Released,
        3 => DeliveryState::Received { section_number: 0, section_offset: 1 },
        4 => DeliveryState::Rejected { error: Some(ERROR) },
        5 => DeliveryState::Rejected { error: Some(ACCEPTED) },
        6 => DeliveryState::Modified { delivery_failed: true, undeliverable_here: false, annotations: None },
        7 => DeliveryState::Declared { txn_id: code.take(3) },
        8 => DeliveryState::Transactional { txn_id: code.take(3), outcome: None },
        9 => DeliveryState::Transactional { txn_id: code.take(3), outcome: Some(ACCEPTED) },
        10 => DeliveryState::Transactional { txn_id: code.take(100), outcome: Some(ERROR) },
        _ => DeliveryState::Unknown(ERROR),
    })
}

fn attach(code: &mut Bytecode<'_>) -> Attach {
    let role = if code.flag() { Role::Sender } else { Role::Receiver };
    let mode = if code.flag() { ReceiverSettleMode::Second } else { ReceiverSettleMode::First };
    let handle = code.number();
    Attach {
        source: Some(Source::default()),
        target: Some(Target::Node(Terminus::default())),
        rcv_settle_mode: mode,
        initial_delivery_count: code.flag().then(|| code.number()),
        ..Attach::new(format!("link-{}", code.byte() % 4), handle, role)
    }
}

fn transfer(bytes: &mut Vec<u8>, channel: u16, op: u8, code: &mut Bytecode<'_>) {
    let tag = code.byte().to_be_bytes();
    let flags = code.byte();
    let transfer = Transfer {
        handle: code.number(),
        delivery_id: (flags & 1 == 0).then(|| code.number()),
        delivery_tag: (flags & 2 == 0).then_some(&tag),
        settled: Some(flags & 4 != 0),
        more: flags & 8 != 0,
        aborted: flags & 0x30 == 0x30,
        resume: flags & 0xc0 == 0xc0,
        state: if op & 0x40 == 0 { None } else { state(code) },
        ..Transfer::default()
    };
    let length = usize::from(code.byte());
    let payload = code.take(length);
    encode_transfer(bytes, channel, &transfer, payload.len());
    bytes.extend_from_slice(payload);
}

impl Host {
    fn feed(&mut self, bytes: &[u8]) {
        let mut all = std::mem::take(&mut self.kept);
        all.extend_from_slice(bytes);
        let mut input = Input::new(&all);
        loop {
            let before = (input.consumed(), self.closed);
            if let Some(delivery) = self.machine.next_delivery(self.now_ns, &mut input) {
                assert!(input.consumed() > before.0, "a delivery takes input");
                self.machine.settle(delivery.link, delivery.delivery, delivery.delivery, DeliveryOutcome::Accepted);
                self.machine.grant(delivery.link, 1);
                continue;
            }
            assert_eq!(input.consumed(), before.0, "the short way takes nothing that it does not give");
            let Some(event) = self.machine.handle_input(self.now_ns, &mut input, &mut self.out) else { break };
            assert!(!self.closed, "no event after the end: {event:?}");
            self.know(&event);
            answer(&mut self.machine, &mut self.out, (self.refuse, &mut self.closed), event, self.now_ns);
            self.machine.check();
        }
        self.kept = all.get(input.consumed()..).unwrap_or_default().to_vec();
        self.machine.poll_output(self.now_ns, &mut self.out);
        self.machine.check();
        assert!(self.out.len() < OUT_MAX, "output is bounded: {}", self.out.len());
        self.read_output();
    }

    /// Does something on its own.
    fn act(&mut self, op: u8, code: &mut Bytecode<'_>) {
        let Self { machine, out, .. } = self;
        if machine.is_waiting() || self.closed {
            return;
        }
        let link = self.links.get(usize::from(code.byte()) % LINKS_KEPT).copied();
        let body = Bytes::from(vec![0; usize::from(code.byte()) * 40]);
        let send = |part| Send { key: 9, settled: Settled::No, format: 0, prefix: b"prefix", body: &body, part };
        match (op & 0x0f, link) {
            (0, _) => drop(machine.begin(out)),
            (1, _) => {
                let answer = attach(code);
                let link = machine.attach(SessionId(u16::from(code.byte() % 3)), answer, out);
                self.links.extend(link);
            }
            (2, Some(link)) => machine.detach(link, Closing::Closed, None, out),
            (3, Some(link)) => {
                let state = state(code);
                let tag = Some(&[1, 2, 3][..]);
                let particulars = Particulars { tag, state, batchable: code.flag(), ..Particulars::default() };
                let _ = machine.send_as(link, send(Part::Whole), &particulars, out);
            }
            (4, Some(link)) => machine.send(link, send(Part::First), out),
            (5, Some(link)) => machine.send(link, send(Part::Last), out),
            (6, Some(link)) => machine.abort(link, out),
            (7, Some(link)) => {
                let deliveries = Deliveries { first: code.number(), last: code.number() };
                let state = State::Received { section_number: 0, section_offset: 0 };
                machine.dispose(link, deliveries, Some(&state), Settled::of(code.flag()), out);
            }
            (8, Some(link)) => machine.drain(link),
            (9, Some(link)) => machine.grant(link, code.number()),
            (10, Some(link)) => machine.enlist(link, Some(Bytes::from_static(b"tx"))),
            (11, _) => machine.end(SessionId(u16::from(code.byte() % 3)), None, out),
            _ => {}
        }
        machine.check();
        let old = self.links.len().saturating_sub(LINKS_KEPT);
        self.links.drain(..old);
        self.machine.poll_output(self.now_ns, &mut self.out);
        self.machine.check();
        self.read_output();
    }

    /// Notes a link that the peer attached.
    fn know(&mut self, event: &Event<'_>) {
        if let Event::AttachAsked(link, _) | Event::Attached(link, _) = event {
            self.links.push(*link);
            if self.links.len() > LINKS_KEPT {
                self.links.remove(0);
            }
        }
    }

    fn deadline(&mut self) {
        if let Some(event) = self.machine.handle_deadline(self.now_ns, &mut self.out) {
            answer(&mut self.machine, &mut self.out, (self.refuse, &mut self.closed), event, self.now_ns);
        }
        assert!(self.machine.deadline().is_none_or(|deadline| deadline > 0));
        self.machine.poll_output(self.now_ns, &mut self.out);
        self.read_output();
    }

    /// What the machine writes is AMQP.
    fn read_output(&mut self) {
        self.out.drain_into(&mut self.written);
        let mut at = 0;
        while let Some(header) = self.written.get(at..at + 8) {
            if header.starts_with(b"AMQP") {
                at += 8;
                continue;
            }
            let split = frame::split(&self.written[at..], u32::MAX).expect("the machine writes frames");
            let Split::Frame { frame, bytes } = split else { break };
            if frame.kind == frame::FrameKind::Amqp && !frame.body.is_empty() {
                performative::decode(frame.body).expect("the machine writes performatives");
            }
            at += bytes;
        }
        self.written.drain(..at);
    }
}

fn answer(machine: &mut Connection, out: &mut Out, (refuse, closed): (bool, &mut bool), event: Event<'_>, now_ns: u64) {
    match event {
        Event::Authenticate(_) => machine.authenticated(Authenticated::Yes, out),
        Event::OpenAsked(_) if refuse => {
            machine.refuse_open(AmqpError::new(Condition::NotAllowed, "no"), now_ns, out);
            *closed = true;
        }
        Event::OpenAsked(_) => {
            let answer = machine.config().server_open();
            machine.accept_open(answer, out);
        }
        Event::AttachAsked(link, _) if refuse => {
            machine.refuse_attach(link, AmqpError::new(Condition::NotFound, "no"), out);
        }
        Event::AttachAsked(link, attach) => {
            machine.accept_attach(link, attach.answer(), out);
            if attach.role == Role::Sender {
                machine.grant(link, 20);
            }
        }
        Event::Part { link, delivery, stage: Stage::Last, .. } | Event::Delivery { link, delivery, .. } => {
            machine.settle(link, delivery, delivery, DeliveryOutcome::Released);
        }
        Event::Part { .. } => {}
        Event::Credit { link, credit, drain } => {
            let body = Bytes::from_static(&[0x00, 0x53, 0x77, 0x40]);
            for key in 0..credit.min(5) {
                let send = Send {
                    key: u64::from(key),
                    settled: Settled::No,
                    format: 0,
                    prefix: &[],
                    body: &body,
                    part: Part::Whole,
                };
                machine.send(link, send, out);
            }
            if drain.is_yes() {
                machine.drained(link);
            } else if refuse {
                machine.detach(link, Closing::Closed, None, out);
            }
        }
        Event::Settled(_) => while machine.next_settled().is_some() {},
        Event::Closed(_) => *closed = true,
        Event::Updated(mut update) => while machine.next_updated(&mut update).is_some() {},
        Event::Tls
        | Event::Opened(_)
        | Event::Begun(_)
        | Event::Attached(..)
        | Event::Ignored { .. }
        | Event::Drained(_)
        | Event::Detached { .. }
        | Event::Ended(..)
        | Event::Confirmed(_) => {}
    }
}
