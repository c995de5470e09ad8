//! A client by hand, over any stream: frames out, frames in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use amqp_codec::AmqpError;
use amqp_codec::frame::{self, FrameKind, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Attach, Begin, Close, Coordinator, DeliveryState, Disposition, DistributionMode, Flow, Open, Performative,
    Role, Source, Target, Terminus, Transfer, encode_frame, encode_transfer,
};
use amqp_codec::sasl::{OutcomeCode, SaslFrame};
use engine_message::{encode, section};

use crate::broker::{Broker, PATIENCE};

/// Connects to a broker.
pub fn connect(to: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(to).expect("the broker listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A connection to a broker's first listener, with a session.
pub fn opened(broker: &Broker) -> Peer<TcpStream> {
    let mut peer = Peer::new(connect(broker.addresses[0]));
    peer.open();
    peer
}

/// How the frames of a large message end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With its last octet.
    Whole,
    /// In the middle, by the sender's wish.
    Aborted,
    /// In the middle, without a word.
    CutOff,
}

/// The octet of a large message at a place.
fn octet(at: usize) -> u8 {
    (at % 251) as u8
}

/// A transfer of a whole message on the link of handle 0.
fn transfer(delivery: u32, tag: &[u8], message: &[u8]) -> Vec<u8> {
    let transfer = Transfer { handle: 0, delivery_id: Some(delivery), delivery_tag: Some(tag), ..Transfer::default() };
    let mut out = Vec::new();
    encode_transfer(&mut out, 0, &transfer, message.len());
    out.extend(message);
    out
}

/// Whether a message is to outlive the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durable {
    Yes,
    No,
}

/// One connection.
pub struct Peer<S> {
    stream: S,
    received: Vec<u8>,
    /// Deliveries that the link of handle 0 has had credit for.
    granted: u32,
}

impl<S: Read + Write> Peer<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, received: Vec::new(), granted: 0 }
    }

    /// The stream, to put a layer over it.
    pub fn into_inner(self) -> S {
        assert!(self.received.is_empty(), "nothing was read ahead");
        self.stream
    }

    /// Sends octets in one write.
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the broker reads");
        self.stream.flush().expect("the broker reads");
    }

    /// Octets up to `count`.
    fn read(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.received.len() < count {
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.received.extend_from_slice(&buffer[..read]),
            }
        }
        Some(self.received.drain(..count).collect())
    }

    /// Exchanges protocol headers; gives the broker's.
    pub fn header(&mut self, header: ProtocolHeader) -> Option<ProtocolHeader> {
        self.send(&header.bytes());
        let octets: [u8; 8] = self.read(8)?.try_into().expect("eight octets");
        ProtocolHeader::parse(octets)
    }

    /// The next frame's kind and body; `None` at the end.
    pub fn frame(&mut self) -> Option<(FrameKind, Vec<u8>)> {
        let header = self.read(8)?;
        let size = u32::from_be_bytes(header[..4].try_into().expect("four octets")) as usize;
        let mut bytes = header;
        bytes.extend_from_slice(&self.read(size - 8)?);
        let Ok(Split::Frame { frame, .. }) = frame::split(&bytes, u32::MAX) else { panic!("no frame: {bytes:?}") };
        Some((frame.kind, frame.body.to_vec()))
    }

    /// Runs SASL PLAIN; gives the outcome.
    pub fn plain(&mut self, user: &str, password: &str) -> OutcomeCode {
        assert_eq!(self.header(ProtocolHeader::Sasl), Some(ProtocolHeader::Sasl));
        let (kind, _) = self.frame().expect("mechanisms");
        assert_eq!(kind, FrameKind::Sasl);
        let response = format!("\0{user}\0{password}");
        let mut out = Vec::new();
        let init = SaslFrame::Init { mechanism: "PLAIN", initial_response: Some(response.as_bytes()), hostname: None };
        init.encode(&mut out);
        self.send(&out);
        let (_, body) = self.frame().expect("an outcome");
        match SaslFrame::decode(&body) {
            Ok(SaslFrame::Outcome { code, .. }) => code,
            other => panic!("no outcome: {other:?}"),
        }
    }

    /// Opens; gives the name of the broker.
    pub fn open(&mut self) -> String {
        self.open_with(u32::MAX)
    }

    /// The same with frames to it of so many octets at most.
    pub fn open_with(&mut self, max_frame_size: u32) -> String {
        self.open_of(Open { container_id: "test".to_owned(), max_frame_size, ..Open::default() })
    }

    /// The same as a container of another name.
    pub fn open_as(&mut self, container: &str) -> String {
        self.open_of(Open { container_id: container.to_owned(), ..Open::default() })
    }

    fn open_of(&mut self, open: Open) -> String {
        assert_eq!(self.header(ProtocolHeader::Amqp), Some(ProtocolHeader::Amqp));
        self.put(&Performative::Open(Box::new(open)));
        let begin = Begin { incoming_window: 100, outgoing_window: 100, ..Begin::default() };
        self.put(&Performative::Begin(Box::new(begin)));
        let mut name = String::new();
        self.until(|performative| match performative {
            Performative::Open(open) => {
                name.clone_from(&open.container_id);
                None
            }
            Performative::Begin(_) => Some(()),
            other => panic!("neither open nor begin: {other:?}"),
        });
        name
    }

    pub fn put(&mut self, performative: &Performative<'_>) {
        let mut out = Vec::new();
        encode_frame(&mut out, 0, performative);
        self.send(&out);
    }

    /// Reads until `look` finds something.
    pub fn until<T>(&mut self, mut look: impl FnMut(&Performative<'_>) -> Option<T>) -> T {
        loop {
            let (_, body) = self.frame().expect("the broker goes on");
            if body.is_empty() {
                continue;
            }
            let (performative, _) = performative::decode(&body).expect("a performative");
            if let Some(found) = look(&performative) {
                return found;
            }
        }
    }

    /// Sends a message to a queue and receives it again.
    pub fn round_trip(&mut self, queue: &str) {
        let source = Source::from(Terminus::at(queue));
        let target = Terminus::at(queue);
        for (handle, role) in [(0, Role::Sender), (1, Role::Receiver)] {
            let attach = Attach {
                source: Some(source.clone()),
                target: Some(Target::Node(target.clone())),
                ..Attach::new(format!("{queue}-{handle}"), handle, role)
            };
            self.put(&Performative::Attach(Box::new(attach)));
        }
        self.until(|performative| {
            matches!(performative, Performative::Flow(flow) if flow.link_credit > Some(0)).then_some(())
        });
        let message = [0x00, 0x53, 0x77, 0xa1, 2, b'h', b'i'];
        let mut out = Vec::new();
        let transfer = Transfer {
            handle: 0,
            delivery_id: Some(0),
            delivery_tag: Some(b"t"),
            settled: Some(true),
            ..Transfer::default()
        };
        encode_transfer(&mut out, 0, &transfer, message.len());
        out.extend_from_slice(&message);
        self.send(&out);
        let flow = Flow {
            next_incoming_id: Some(0),
            incoming_window: 100,
            next_outgoing_id: 1,
            outgoing_window: 100,
            handle: Some(1),
            delivery_count: Some(0),
            link_credit: Some(10),
            ..Flow::default()
        };
        self.put(&Performative::Flow(flow));
        let (_, body) = std::iter::from_fn(|| self.frame())
            .find(|(_, body)| matches!(performative::decode(body), Ok((Performative::Transfer(_), _))))
            .expect("the message comes back");
        assert!(body.ends_with(&message));
    }

    /// Attaches a link of handle 0 that sends to a queue, and waits for credit.
    pub fn attach_sender(&mut self, queue: &str) {
        self.attach_sender_as(queue, 0);
    }

    /// Attaches such a link, and waits for nothing.
    pub fn attach_waiting_sender(&mut self, queue: &str) {
        self.attach(queue, 0, Role::Sender, None);
        self.until(|performative| matches!(performative, Performative::Attach(_)).then_some(()));
    }

    /// Attaches a link of handle 0 that sends to a queue; gives why it is refused, if it is.
    pub fn try_attach_sender(&mut self, queue: &str) -> Option<AmqpError> {
        self.attach(queue, 0, Role::Sender, None);
        self.answer(&format!("{queue}-0")).1
    }

    /// Attaches a link of handle 0 to the coordinator of transactions; gives why it is refused, if it is.
    pub fn try_attach_coordinator(&mut self) -> Option<AmqpError> {
        let target = Some(Target::Coordinator(Coordinator::default()));
        let attach = Attach { target, initial_delivery_count: Some(0), ..Attach::new("coordinator", 0, Role::Sender) };
        self.put(&Performative::Attach(Box::new(attach)));
        self.answer("coordinator").1
    }

    /// Waits until the link of handle 0 has credit.
    pub fn wait_for_credit(&mut self) {
        self.granted = self.until(|performative| granted(performative).filter(|&granted| granted > 0));
    }

    /// Asks for the credit of the link of handle 0, which sent nothing so far.
    pub fn ask_for_credit(&mut self) -> u32 {
        self.put(&Performative::Flow(Flow { handle: Some(0), echo: true, ..receiving() }));
        self.until(|performative| match performative {
            Performative::Flow(flow) if flow.handle.is_some() => Some(flow.link_credit.unwrap_or(0)),
            _ => None,
        })
    }

    /// The same with another handle.
    pub fn attach_sender_as(&mut self, queue: &str, handle: u32) {
        self.attach(queue, handle, Role::Sender, None);
        self.granted = self.until(|performative| granted(performative).filter(|&granted| granted > 0));
    }

    /// Attaches a link of handle 1 that receives from a queue, and gives credit.
    pub fn attach_receiver(&mut self, queue: &str, credit: u32) {
        self.receive_from(queue, credit, None);
    }

    /// The same, only to look at messages.
    pub fn attach_browser(&mut self, queue: &str, credit: u32) {
        self.receive_from(queue, credit, Some(DistributionMode::Copy));
    }

    fn receive_from(&mut self, queue: &str, credit: u32, distribution_mode: Option<DistributionMode>) {
        self.attach(queue, 1, Role::Receiver, distribution_mode);
        self.until(|performative| matches!(performative, Performative::Attach(_)).then_some(()));
        self.put(&Performative::Flow(Flow { link_credit: Some(credit), ..receiving() }));
    }

    /// Sets the credit of the link that receives, after so many messages.
    pub fn set_credit(&mut self, messages: u32, credit: u32) {
        let delivery_count = Some(messages);
        self.put(&Performative::Flow(Flow { link_credit: Some(credit), delivery_count, ..receiving() }));
    }

    /// The same, until the broker says that it knows; counts the messages that came before that.
    pub fn agree_on_credit(&mut self, messages: u32, credit: u32) -> u32 {
        let flow = Flow { link_credit: Some(credit), delivery_count: Some(messages), echo: true, ..receiving() };
        self.put(&Performative::Flow(flow));
        let mut came = 0;
        self.until(|performative| match performative {
            Performative::Flow(flow) => (flow.handle.is_some() && flow.link_credit == Some(credit)).then_some(()),
            Performative::Transfer(_) => {
                came += 1;
                None
            }
            _ => None,
        });
        came
    }

    /// Has the broker use up so much credit at once, as far as there are messages; counts them.
    pub fn drain(&mut self, credit: u32) -> usize {
        self.put(&Performative::Flow(Flow { link_credit: Some(credit), drain: true, ..receiving() }));
        let mut received = 0;
        self.until(|performative| match performative {
            Performative::Transfer(_) => {
                received += 1;
                None
            }
            Performative::Flow(flow) => (flow.handle.is_some() && flow.link_credit == Some(0)).then_some(()),
            _ => None,
        });
        received
    }

    /// Has the broker use up so much credit at once; gives the bodies of the messages that come.
    pub fn drain_bodies(&mut self, credit: u32) -> Vec<Vec<u8>> {
        self.put(&Performative::Flow(Flow { link_credit: Some(credit), drain: true, ..receiving() }));
        let mut bodies = Vec::new();
        loop {
            let (_, body) = self.frame().expect("the broker goes on");
            match performative::decode(&body) {
                Ok((Performative::Transfer(_), payload)) => {
                    let at = payload.windows(4).position(|octets| octets == [0x00, 0x53, 0x75, 0xb0]);
                    bodies.push(payload[at.expect("a data section") + 8..].to_vec());
                }
                Ok((Performative::Flow(flow), _)) if flow.handle.is_some() && flow.link_credit == Some(0) => {
                    return bodies;
                }
                _ => {}
            }
        }
    }

    /// Has the broker use up so much credit at once; gives the delivery counts of the messages that come.
    pub fn drain_counts(&mut self, credit: u32) -> Vec<u32> {
        self.put(&Performative::Flow(Flow { link_credit: Some(credit), drain: true, ..receiving() }));
        let mut counts = Vec::new();
        loop {
            let (_, body) = self.frame().expect("the broker goes on");
            match performative::decode(&body) {
                Ok((Performative::Transfer(_), payload)) => {
                    let sections = section::scan(payload).expect("a message");
                    let header = section::Header::decode(&payload[..sections.header.end]).expect("a header");
                    counts.push(header.delivery_count);
                }
                Ok((Performative::Flow(flow), _)) if flow.handle.is_some() && flow.link_credit == Some(0) => {
                    return counts;
                }
                _ => {}
            }
        }
    }

    fn attach(&mut self, queue: &str, handle: u32, role: Role, distribution_mode: Option<DistributionMode>) {
        let source = Source { distribution_mode, ..Terminus::at(queue).into() };
        let target = Terminus::at(queue);
        let attach = Attach {
            source: Some(source),
            target: Some(Target::Node(target)),
            ..Attach::new(format!("{queue}-{handle}"), handle, role)
        };
        self.put(&Performative::Attach(Box::new(attach)));
    }

    /// The answer to an attach: the attach, and the error of the detach that refuses it.
    pub fn answer(&mut self, name: &str) -> (Attach, Option<AmqpError>) {
        let attach = self.until(|performative| match performative {
            Performative::Attach(attach) if attach.name == name => Some((**attach).clone()),
            Performative::Attach(_) | Performative::Flow(_) => None,
            other => panic!("no answer to {name}: {other:?}"),
        });
        let is_there = match attach.role {
            Role::Sender => attach.source.is_some(),
            Role::Receiver => attach.target.is_some(),
        };
        if is_there {
            return (attach, None);
        }
        let handle = attach.handle;
        let why = self.until(|performative| match performative {
            Performative::Detach(detach) if detach.handle == handle => detach.error.clone(),
            _ => None,
        });
        (attach, Some(why))
    }

    /// Sends a message that waits for its outcome.
    pub fn send_message(&mut self, delivery: u32, durable: Durable, body: &[u8]) {
        let mut message = Vec::new();
        if durable == Durable::Yes {
            message.extend([0x00, 0x53, 0x70, 0xc0, 2, 1, 0x41]);
        }
        message.extend([0x00, 0x53, 0x75, 0xb0]);
        message.extend(u32::try_from(body.len()).expect("a short body").to_be_bytes());
        message.extend(body);
        self.send_encoded(delivery, &message);
    }

    /// Sends messages as the credit of a new link allows, from delivery 0; ends when the broker has accepted all of them.
    pub fn send_accepted(&mut self, durable: Durable, bodies: impl IntoIterator<Item = Vec<u8>>) {
        let (mut sent, mut accepted) = (0, 0);
        for body in bodies {
            while sent >= self.granted {
                self.hear(&mut accepted);
            }
            self.send_message(sent, durable, &body);
            sent += 1;
        }
        while accepted < sent {
            self.hear(&mut accepted);
        }
    }

    /// Takes credit, or counts deliveries as accepted.
    fn hear(&mut self, accepted: &mut u32) {
        let mut credit = self.granted;
        self.until(|performative| {
            credit = granted(performative).unwrap_or(credit);
            let Performative::Disposition(disposition) = performative else { return Some(()) };
            assert_eq!(disposition.state, Some(DeliveryState::Accepted));
            *accepted += disposition.last.unwrap_or(disposition.first) - disposition.first + 1;
            Some(())
        });
        self.granted = credit;
    }

    /// Sends a message of one frame whose sections are encoded already.
    pub fn send_encoded(&mut self, delivery: u32, message: &[u8]) {
        self.send_tagged(delivery, &delivery.to_be_bytes(), message);
    }

    /// The same with this tag.
    pub fn send_tagged(&mut self, delivery: u32, tag: &[u8], message: &[u8]) {
        self.send(&transfer(delivery, tag, message));
    }

    /// Sends messages, each with its delivery's number, at once.
    pub fn send_all(&mut self, messages: &[(u32, Vec<u8>)]) {
        let transfers =
            messages.iter().map(|(delivery, message)| transfer(*delivery, &delivery.to_be_bytes(), message));
        self.send(&transfers.collect::<Vec<_>>().concat());
    }

    /// Sends the frames of a message with one large data section, up to `until` octets of it; `end` ends the delivery.
    pub fn send_large(&mut self, delivery: u32, durable: Durable, bytes: usize, end: End) {
        let header = [0x00, 0x53, 0x70, 0xc0, 2, 1, 0x41];
        let front = if durable == Durable::Yes { &header[..] } else { &[] };
        self.send_large_until(delivery, front, bytes, end);
    }

    /// The same, whole, behind these sections.
    pub fn send_large_behind(&mut self, delivery: u32, front: &[u8], bytes: usize) {
        self.send_large_until(delivery, front, bytes, End::Whole);
    }

    fn send_large_until(&mut self, delivery: u32, front: &[u8], bytes: usize, end: End) {
        let mut head = front.to_vec();
        head.extend([0x00, 0x53, 0x75, 0xb0]);
        head.extend(u32::try_from(bytes).expect("it fits").to_be_bytes());
        let tag = delivery.to_be_bytes();
        let mut sent = 0;
        let limit = if end == End::Whole { bytes } else { bytes / 2 };
        while sent < limit {
            let first = sent == 0;
            let part = (limit - sent).min(100_000);
            let more = sent + part < limit || end != End::Whole;
            let transfer = Transfer {
                handle: 0,
                delivery_id: first.then_some(delivery),
                delivery_tag: first.then_some(&tag),
                more,
                ..Transfer::default()
            };
            let mut payload = if first { head.clone() } else { Vec::new() };
            payload.extend((sent..sent + part).map(octet));
            let mut out = Vec::new();
            encode_transfer(&mut out, 0, &transfer, payload.len());
            out.extend(payload);
            self.send(&out);
            sent += part;
        }
        if end == End::Aborted {
            let mut out = Vec::new();
            encode_transfer(&mut out, 0, &Transfer { handle: 0, aborted: true, ..Transfer::default() }, 0);
            self.send(&out);
        }
    }

    /// Waits for a large message: its delivery's number, and the length of its data; each octet is looked at.
    pub fn receive_large(&mut self) -> (u32, usize) {
        let (delivery, bytes, _) = self.receive_large_with_front();
        (delivery, bytes)
    }

    /// The same, with the sections in front of its body.
    pub fn receive_large_with_front(&mut self) -> (u32, usize, Vec<u8>) {
        let (mut delivery, mut bytes, mut front) = (None, 0, Vec::new());
        loop {
            let (_, body) = self.frame().expect("the broker goes on");
            let Ok((Performative::Transfer(transfer), payload)) = performative::decode(&body) else { continue };
            let data = match delivery {
                Some(_) => payload,
                None => {
                    delivery = transfer.delivery_id;
                    let at = payload.windows(4).position(|octets| octets == [0x00, 0x53, 0x75, 0xb0]);
                    front.extend_from_slice(&payload[..at.expect("a data section")]);
                    &payload[front.len() + 8..]
                }
            };
            assert!(data.iter().zip(bytes..).all(|(&found, at)| found == octet(at)), "what was sent");
            bytes += data.len();
            if !transfer.more {
                return (delivery.expect("it has begun"), bytes, front);
            }
        }
    }

    /// Waits for the next outcomes: the first and last delivery, and the condition of a rejection.
    pub fn outcome(&mut self) -> (u32, u32, Option<String>) {
        self.until(|performative| {
            let Performative::Disposition(disposition) = performative else { return None };
            let (first, last) = (disposition.first, disposition.last.unwrap_or(disposition.first));
            match disposition.state.as_ref()? {
                DeliveryState::Accepted => Some((first, last, None)),
                DeliveryState::Rejected { error } => {
                    let text = String::from_utf8_lossy(error.unwrap_or_default()).into_owned();
                    Some((first, last, Some(text)))
                }
                other => panic!("neither accepted nor rejected: {other:?}"),
            }
        })
    }

    /// Waits for an outcome: of which deliveries, and the state as it is shown.
    pub fn state(&mut self) -> (u32, u32, String) {
        self.until(|performative| {
            let Performative::Disposition(disposition) = performative else { return None };
            let state = disposition.state.as_ref().map(|state| format!("{state:?}")).unwrap_or_default();
            Some((disposition.first, disposition.last.unwrap_or(disposition.first), state))
        })
    }

    /// Settles a delivery with a state.
    pub fn decide(&mut self, delivery: u32, state: DeliveryState<'_>) {
        let disposition = Disposition {
            role: Role::Receiver,
            first: delivery,
            last: None,
            settled: true,
            state: Some(state),
            batchable: false,
        };
        self.put(&Performative::Disposition(disposition));
    }

    /// Waits for a message: its delivery's number, and its body.
    pub fn receive(&mut self) -> (u32, Vec<u8>) {
        loop {
            let (_, body) = self.frame().expect("the broker goes on");
            if let Ok((Performative::Transfer(transfer), payload)) = performative::decode(&body) {
                let at =
                    payload.windows(4).position(|octets| octets == [0x00, 0x53, 0x75, 0xb0]).expect("a data section");
                return (transfer.delivery_id.expect("it is the first frame"), payload[at + 8..].to_vec());
            }
        }
    }

    /// Accepts and settles deliveries.
    pub fn accept(&mut self, first: u32, last: u32) {
        let state = Some(DeliveryState::Accepted);
        let disposition =
            Disposition { role: Role::Receiver, first, last: Some(last), settled: true, state, batchable: false };
        self.put(&Performative::Disposition(disposition));
    }

    /// Rejects and settles deliveries, and says why.
    pub fn reject(&mut self, first: u32, last: u32, description: &str) {
        let mut error = Vec::new();
        let mut list = encode::Compound::described(&mut error, 0x1d);
        list.put(|out| encode::symbol(out, "shop:closed")).put(|out| encode::string(out, description));
        list.finish();
        let state = Some(DeliveryState::Rejected { error: Some(&error) });
        let disposition =
            Disposition { role: Role::Receiver, first, last: Some(last), settled: true, state, batchable: false };
        self.put(&Performative::Disposition(disposition));
    }

    /// Waits for a message of one frame: its delivery's number, and its sections.
    pub fn receive_encoded(&mut self) -> (u32, Vec<u8>) {
        loop {
            let (_, body) = self.frame().expect("the broker goes on");
            if let Ok((Performative::Transfer(transfer), payload)) = performative::decode(&body) {
                return (transfer.delivery_id.expect("it is the first frame"), payload.to_vec());
            }
        }
    }

    /// Waits for the end of a link; gives why.
    pub fn detached(&mut self) -> String {
        self.until(|performative| match performative {
            Performative::Detach(detach) => Some(format!("{:?}", detach.error)),
            _ => None,
        })
    }

    /// Closes, and reads to the end.
    pub fn close(mut self) {
        self.put(&Performative::Close(Close::default()));
        self.until(|performative| matches!(performative, Performative::Close(_)).then_some(()));
    }

    /// Reads to the end; gives the error of the broker's close.
    pub fn closed(&mut self) -> Option<AmqpError> {
        let error = self.until(|performative| match performative {
            Performative::Close(close) => Some(close.error.clone()),
            _ => None,
        });
        self.put(&Performative::Close(Close::default()));
        assert!(self.read(1).is_none(), "nothing comes after a close");
        error
    }
}

/// Deliveries that a link may have sent by then, of a flow that says so.
fn granted(performative: &Performative<'_>) -> Option<u32> {
    let Performative::Flow(Flow { handle: Some(_), delivery_count, link_credit, .. }) = performative else {
        return None;
    };
    Some(delivery_count.unwrap_or(0) + (*link_credit)?)
}

/// A flow of the link that receives, before its first message.
fn receiving() -> Flow<'static> {
    Flow {
        next_incoming_id: Some(0),
        incoming_window: 100_000,
        next_outgoing_id: 0,
        outgoing_window: 100,
        handle: Some(1),
        delivery_count: Some(0),
        ..Flow::default()
    }
}
