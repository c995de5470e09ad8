//! A message's whole road without sockets: bytes of a producer in, bytes for a consumer out, settled both ways.
//!
//! The rooms are the real ones (connection machines, arena, owner of the queue); what stands for the front end's turn here
//! is only their order.

use std::sync::Arc;

use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{
    Attach, Begin, DeliveryState, Disposition, Flow, NodeTarget, Open, Performative, Role, SenderSettleMode, Source,
    Target, Transfer, encode_disposition, encode_flow, encode_frame, encode_transfer,
};
use amqp_net::Arena;
use amqp_proto::{Config, Connection, Event, Input, LinkId, Out, Outcome, Part, Send, Settled};
use engine_core::message::{Content, Header, Message};
use engine_message::section;

use crate::queue::Queue;

/// Messages that go one road in one turn.
pub const BATCH: u32 = 256;

/// One peer's connection.
struct Side {
    machine: Connection,
    link: LinkId,
    out: Out,
}

impl Side {
    fn open(role: Role, snd_settle_mode: SenderSettleMode) -> Self {
        let mut machine = Connection::server(Arc::new(Config::default()), 0);
        let mut out = Out::default();
        let mut bytes = ProtocolHeader::Amqp.bytes().to_vec();
        encode_frame(&mut bytes, 0, &Performative::Open(Box::new(Open { max_frame_size: 1 << 20, ..Open::default() })));
        let window = u32::MAX >> 1;
        let begin = Begin { incoming_window: window, outgoing_window: window, ..Begin::default() };
        encode_frame(&mut bytes, 0, &Performative::Begin(Box::new(begin)));
        let attach = Attach {
            source: Some(Source::default()),
            target: Some(Target::Node(NodeTarget::default())),
            snd_settle_mode,
            ..Attach::new("link", 0, role)
        };
        encode_frame(&mut bytes, 0, &Performative::Attach(Box::new(attach)));
        let mut input = Input::new(&bytes);
        let mut link = None;
        while let Some(event) = machine.handle_input(0, &mut input, &mut out) {
            match event {
                Event::OpenAsked(_) => machine.accept_open(Config::default().server_open(), &mut out),
                Event::AttachAsked(id, attach) => {
                    machine.accept_attach(id, attach.answer(), &mut out);
                    link = Some(id);
                }
                _ => {}
            }
        }
        Self { machine, link: link.expect("the attach came"), out }
    }

    /// What a socket would take.
    fn write(&mut self) -> usize {
        let mut written = 0;
        loop {
            self.machine.poll_output(0, &mut self.out);
            let bytes = self.out.len();
            self.out.advance(bytes);
            written += bytes;
            if !self.machine.wants_room() {
                return written;
            }
        }
    }
}

/// A producer, a queue and a consumer.
pub struct Road {
    producer: Side,
    consumer: Side,
    queue: Queue,
    arena: Arena,
    transfers: Vec<u8>,
    feedback: Vec<u8>,
    header: Vec<u8>,
    received: u32,
    settled: bool,
}

impl Road {
    /// A road for messages of `size` octets, that the producer sends settled, and the consumer gets settled, or not.
    pub fn new(size: usize, settled: bool) -> Self {
        let mut payload = vec![0x00, 0x53, 0x75];
        engine_message::encode::binary(&mut payload, &vec![b'x'; size]);
        let mut transfers = Vec::new();
        for id in 0..BATCH {
            let tag = id.to_be_bytes();
            let transfer = Transfer {
                delivery_id: Some(id),
                delivery_tag: Some(&tag),
                message_format: Some(0),
                settled: Some(settled),
                ..Transfer::default()
            };
            encode_transfer(&mut transfers, 0, &transfer, payload.len());
            transfers.extend_from_slice(&payload);
        }
        let mode = if settled { SenderSettleMode::Settled } else { SenderSettleMode::Unsettled };
        Self {
            producer: Side::open(Role::Sender, mode),
            consumer: Side::open(Role::Receiver, mode),
            queue: Queue::new(settled),
            arena: Arena::default(),
            transfers,
            feedback: Vec::new(),
            header: Vec::new(),
            received: 0,
            settled,
        }
    }

    /// One turn: `BATCH` messages from the producer's bytes to the consumer's, and all that follows. Gives the octets
    /// that left.
    pub fn turn(&mut self) -> usize {
        self.credit();
        self.take();
        self.give();
        let written = self.consumer.write();
        if self.settled {
            self.received = self.received.wrapping_add(BATCH);
        } else {
            self.settle();
        }
        self.answer();
        written + self.producer.write()
    }

    /// Several turns.
    pub fn turns(&mut self, turns: u32) {
        for _ in 0..turns {
            self.turn();
        }
    }

    fn credit(&mut self) {
        self.producer.machine.grant(self.producer.link, BATCH);
        self.feedback.clear();
        let flow = Flow {
            next_incoming_id: Some(self.received),
            incoming_window: u32::MAX >> 1,
            handle: Some(0),
            delivery_count: Some(self.received),
            link_credit: Some(BATCH),
            ..Flow::default()
        };
        encode_flow(&mut self.feedback, 0, &flow);
        let mut input = Input::new(&self.feedback);
        let side = &mut self.consumer;
        while side.machine.handle_input(0, &mut input, &mut side.out).is_some() {}
        self.queue.grant(BATCH);
    }

    fn take(&mut self) {
        let mut input = Input::new(&self.transfers);
        while let Some(delivery) = self.producer.machine.next_delivery(0, &mut input) {
            let front = section::front(delivery.payload).expect("a message");
            let header = section::Header::decode(&delivery.payload[..front.header_end]).expect("a header");
            let message = Message {
                header: Header { durable: header.durable, priority: header.priority, ..Header::default() },
                format: delivery.format,
                body: self.arena.copy(&delivery.payload[front.kept..]),
                content: Content::Here,
                expires_wall_ms: None,
            };
            self.queue.deliver(delivery.delivery, message);
        }
        assert_eq!(input.consumed(), self.transfers.len(), "all went the short way");
    }

    fn give(&mut self) {
        let side = &mut self.consumer;
        let header = &mut self.header;
        self.queue.dispatch(|key, message| {
            header.clear();
            let Header { durable, priority, first_acquirer, delivery_count } = message.header;
            section::Header { durable, priority, ttl_ms: None, first_acquirer, delivery_count }.encode(header);
            let send = Send {
                key,
                settled: Settled::No,
                format: message.format,
                prefix: header,
                body: &message.body,
                part: Part::Whole,
            };
            side.machine.send(side.link, send, &mut side.out);
        });
    }

    fn settle(&mut self) {
        let first = self.received;
        self.received = self.received.wrapping_add(BATCH);
        self.feedback.clear();
        let disposition = Disposition {
            role: Role::Receiver,
            first,
            last: Some(self.received.wrapping_sub(1)),
            settled: true,
            state: Some(DeliveryState::Accepted),
            batchable: false,
        };
        encode_disposition(&mut self.feedback, 0, &disposition);
        let mut input = Input::new(&self.feedback);
        let side = &mut self.consumer;
        while let Some(event) = side.machine.handle_input(0, &mut input, &mut side.out) {
            if let Event::Settled(_) = event {
                while let Some(amqp_proto::Settling { key, .. }) = side.machine.next_settled() {
                    self.queue.settle(key);
                }
            }
        }
    }

    fn answer(&mut self) {
        let side = &mut self.producer;
        let settled = self.settled;
        self.queue.outcomes(|first, last| {
            assert!(!settled, "nothing is to be said of what came settled");
            side.machine.settle(side.link, first, last, Outcome::Accepted);
        });
    }
}
