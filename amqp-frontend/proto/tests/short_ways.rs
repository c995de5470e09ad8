//! Each short way against the long way that it stands for, over random traffic.
//!
//! Shown: taking deliveries by `next_delivery` tells the same, answers the same and leaves the same as taking everything by
//! `handle_input`, whatever else comes between them; a message that is sent by `send`, by `send_now` and by `send_as` without
//! particulars is the same to its receiver, and so are those that are sent by `send_together`.

use std::sync::Arc;

use amqp_codec::frame::{self, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Attach, Begin, Bundle, DeliveryState, Detach, Flow, Open, Performative, ReceiverSettleMode, Role, Source,
    Target, Terminus, Transfer, bundled, encode_frame, encode_transfer,
};
use amqp_proto::{
    Body, Config, Connection, DeliveryOutcome, Event, Input, LinkId, Out, Part, Particulars, Payload, Send, SendNow,
    SendTogether, Settled,
};
use bytes::Bytes;
use proptest::prelude::*;

/// A machine whose window is soon used up.
fn server() -> Connection {
    let config =
        Config { max_frame_size: 2048, handle_max: 7, incoming_window: 6, max_message_size: 900, ..Config::default() };
    Connection::server(Arc::new(config), 0)
}

/// The octets of a peer that opened, began, and attached two links as `role`.
fn opening(role: Role, max_frame_size: u32) -> Vec<u8> {
    let mut bytes = ProtocolHeader::Amqp.bytes().to_vec();
    let begin = Begin { incoming_window: 1000, outgoing_window: 1000, ..Begin::default() };
    for performative in [
        Performative::Open(Box::new(Open { max_frame_size, ..Open::default() })),
        Performative::Begin(Box::new(begin)),
        attach(0, role),
        attach(1, role),
    ] {
        encode_frame(&mut bytes, 0, &performative);
    }
    bytes
}

fn attach(handle: u32, role: Role) -> Performative<'static> {
    let (source, target) = (Some(Source::default()), Some(Target::Node(Terminus::default())));
    Performative::Attach(Box::new(Attach { source, target, ..Attach::new(format!("link-{handle}"), handle, role) }))
}

/// Which way deliveries are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Short,
    Long,
}

/// A machine of a host that takes deliveries one way, and notes what it was told and what it said.
struct Host {
    machine: Connection,
    out: Out,
    way: Way,
    told: Vec<String>,
    said: Vec<u8>,
    short: usize,
}

impl Host {
    fn new(way: Way) -> Self {
        Self { machine: server(), out: Out::default(), way, told: Vec::new(), said: Vec::new(), short: 0 }
    }

    fn feed(&mut self, bytes: &[u8]) -> usize {
        let mut input = Input::new(bytes);
        loop {
            if self.way == Way::Short
                && let Some(delivery) = self.machine.next_delivery(0, &mut input)
            {
                self.short += 1;
                let transfer = delivery.transfer();
                let (link, id, settled) = (delivery.link, delivery.delivery, delivery.settled);
                self.came(link, id, settled, delivery.format, &transfer, delivery.payload);
                continue;
            }
            let Some(event) = self.machine.handle_input(0, &mut input, &mut self.out) else { break };
            match event {
                Event::OpenAsked(_) => {
                    let answer = self.machine.config().server_open();
                    self.machine.accept_open(answer, &mut self.out);
                }
                Event::AttachAsked(link, attach) => {
                    self.machine.accept_attach(link, attach.answer(), &mut self.out);
                    self.machine.grant(link, 20);
                }
                Event::Delivery { link, delivery, settled, format, head, payload } => {
                    let payload = match &payload {
                        Payload::Borrowed(bytes) => bytes,
                        Payload::Owned(bytes) => bytes.as_ref(),
                    };
                    self.came(link, delivery, settled, format, &head.transfer(), payload);
                }
                other => self.told.push(format!("{other:?}")),
            }
            self.machine.check();
        }
        self.machine.poll_output(0, &mut self.out);
        self.out.drain_into(&mut self.said);
        input.consumed()
    }

    fn came(&mut self, link: LinkId, id: u32, settled: Settled, format: u32, transfer: &Transfer<'_>, payload: &[u8]) {
        self.told.push(format!("{link:?} {id} {settled:?} {format} {transfer:?} {payload:?}"));
        if settled == Settled::No {
            self.machine.settle(link, id, id, DeliveryOutcome::Accepted);
        }
        self.machine.grant(link, 1);
    }
}

/// What a peer sends next.
#[derive(Clone, Debug)]
enum Deed {
    Transfer { handle: u32, tag: Vec<u8>, fields: [u8; 7], payload: usize },
    Flow,
    Detach(u32),
    Attach(u32),
    Beat,
}

fn deed() -> impl Strategy<Value = Deed> {
    let tag = proptest::collection::vec(any::<u8>(), 0..5);
    let payload = prop_oneof![4 => 0..60_usize, 1 => 0..1000_usize];
    let transfer = (0..3_u32, tag, any::<[u8; 7]>(), payload);
    prop_oneof![
        20 => transfer.prop_map(|(handle, tag, fields, payload)| Deed::Transfer { handle, tag, fields, payload }),
        1 => Just(Deed::Flow),
        1 => (0..2_u32).prop_map(Deed::Detach),
        1 => (0..2_u32).prop_map(Deed::Attach),
        1 => Just(Deed::Beat),
    ]
}

/// Whether something rare is so, by an octet.
fn rare(octet: u8) -> bool {
    octet > 240
}

fn append(bytes: &mut Vec<u8>, number: u32, deed: &Deed) {
    match deed {
        Deed::Transfer { handle, tag, fields: [settled, more, mode, state, resume, aborted, batchable], payload } => {
            let transfer = Transfer {
                handle: if rare(*settled) { 9 } else { *handle % 2 },
                delivery_id: Some(number),
                delivery_tag: Some(tag),
                message_format: Some(0),
                settled: Some(settled & 1 == 1),
                more: rare(*more),
                rcv_settle_mode: rare(*mode).then_some(ReceiverSettleMode::First),
                state: rare(*state).then_some(DeliveryState::Received { section_number: 0, section_offset: 1 }),
                resume: rare(*resume),
                aborted: rare(*aborted),
                batchable: batchable & 1 == 1,
            };
            encode_transfer(bytes, 0, &transfer, *payload);
            bytes.resize(bytes.len() + payload, *handle as u8);
        }
        Deed::Flow => {
            let flow = Flow { handle: Some(0), echo: true, incoming_window: 100, ..Flow::default() };
            encode_frame(bytes, 0, &Performative::Flow(flow));
        }
        Deed::Detach(handle) => {
            let detach = Detach { handle: *handle, closed: true, error: None };
            encode_frame(bytes, 0, &Performative::Detach(detach));
        }
        Deed::Attach(handle) => encode_frame(bytes, 0, &attach(*handle, Role::Sender)),
        Deed::Beat => frame::amqp(bytes, 0, |_| {}),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn deliveries_taken_the_short_way_are_those_of_the_long_way(
        deeds in proptest::collection::vec(deed(), 1..80), cuts in proptest::collection::vec(1..3000_usize, 1..30),
    ) {
        let mut bytes = opening(Role::Sender, 2048);
        for (number, deed) in deeds.iter().enumerate() {
            append(&mut bytes, number as u32, deed);
        }
        let mut hosts = [Host::new(Way::Short), Host::new(Way::Long)];
        for host in &mut hosts {
            let (mut at, mut end) = (0, 0);
            for cut in cuts.iter().chain([&usize::MAX]) {
                end = cut.saturating_add(end).min(bytes.len());
                at += host.feed(&bytes[at..end]);
            }
        }
        let [short, long] = hosts;
        prop_assert_eq!(&short.told, &long.told);
        prop_assert_eq!(&short.said, &long.said, "it answered the same");
        prop_assert_eq!((short.machine.is_open(), long.short), (long.machine.is_open(), 0));
        let first_is_plain = matches!(
            deeds.first(),
            Some(Deed::Transfer { fields, payload, .. }) if !fields.iter().any(|&octet| rare(octet)) && *payload <= 900
        );
        prop_assert!(!first_is_plain || short.short > 0, "the short way was taken");
    }

    #[test]
    fn a_message_is_the_same_to_its_receiver_whichever_way_it_is_sent(
        messages in proptest::collection::vec((0..3000_usize, any::<bool>(), 0..3_u32), 1..12), prefix in 0..30_usize,
        max_frame_size in 512..4000_u32, link_credit in 0..14_u32, incoming_window in 0..14_u32,
    ) {
        let ways: [fn(&mut Connection, LinkId, Send<'_>, &mut Out); 3] = [
            |machine, link, send, out| machine.send(link, send, out),
            |machine, link, send, out| {
                let Send { key, settled, format, prefix: front, body, .. } = send;
                // It has no way to say another format.
                if format != 0 || !machine.send_now(link, SendNow { key, settled, mark: None, front, body: Body::Shared(body) }, out) {
                    machine.send(link, send, out);
                }
            },
            |machine, link, send, out| assert!(machine.send_as(link, send, &Particulars::default(), out)),
        ];
        let said = ways.map(|way| {
            let handle = Some(1);
            let (mut machine, link, mut out) = sending(max_frame_size, link_credit, incoming_window);
            for (key, (size, settled, format)) in messages.iter().enumerate() {
                let body = Bytes::from(vec![key as u8; *size]);
                let (key, settled) = (key as u64, Settled::of(*settled));
                let prefix = &[7; 30][..prefix];
                let send = Send { key, settled, format: *format, prefix, body: &body, part: Part::Whole };
                way(&mut machine, link, send, &mut out);
                machine.check();
            }
            machine.poll_output(0, &mut out);
            // What credit and window did not suffice for leaves when there is more of both.
            let (mut more, mut said) = (Vec::new(), Vec::new());
            out.drain_into(&mut said);
            let at_once = read(&said).len();
            let (link_credit, next_incoming_id) = (Some(100), Some(0));
            let flow = Flow { handle, link_credit, next_incoming_id, incoming_window: 1000, ..Flow::default() };
            encode_frame(&mut more, 0, &Performative::Flow(flow));
            let mut input = Input::new(&more);
            while machine.handle_input(0, &mut input, &mut out).is_some() {}
            machine.check();
            machine.poll_output(0, &mut out);
            out.drain_into(&mut said);
            (read(&said), at_once, (0..messages.len() as u64).map(|key| machine.sent(link, key)).collect::<Vec<_>>())
        });
        prop_assert_eq!(&said[0], &said[1]);
        prop_assert_eq!(&said[0], &said[2]);
        prop_assert_eq!(said[0].0.len() >= messages.len(), true, "everything left");
    }

    #[test]
    fn messages_that_go_together_are_those_that_go_one_by_one(
        runs in proptest::collection::vec((proptest::collection::vec(0..200_u16, 1..10), any::<u16>()), 1..8),
        front in 0..30_usize, max_frame_size in 512..4000_u32, link_credit in 0..50_u32,
    ) {
        let front = &[7; 30][..front];
        let said = [Way::Short, Way::Long].map(|way| {
            let (mut machine, link, mut out) = sending(max_frame_size, link_credit, 1000);
            let (mut key, mut together) = (0, 0);
            for (lengths, mark) in &runs {
                let messages: Vec<(u64, u16)> = (key..).zip(lengths.iter().copied()).collect();
                let bodies: Vec<Vec<u8>> = messages.iter().map(|&(key, length)| vec![key as u8; length.into()]).collect();
                // Some lie one behind the other.
                let pieces = bodies.chunks(1 + bodies.len() % 3).map(<[_]>::concat).collect::<Vec<_>>();
                let bodies_of = pieces.iter().map(Vec::as_slice);
                let run = SendTogether { messages: &messages, mark: *mark, front, bodies: bodies_of };
                if way == Way::Short && machine.send_together(link, run, &mut out) {
                    together += messages.len();
                } else {
                    for (&(key, _), body) in messages.iter().zip(&bodies) {
                        let body = Body::Copied(body);
                        machine.send_now(link, SendNow { key, settled: Settled::No, mark: Some(*mark), front, body }, &mut out);
                    }
                }
                machine.check();
                key += messages.len() as u64;
            }
            let (mut said, keys) = (Vec::new(), 0..key);
            out.drain_into(&mut said);
            (deliveries(&said), keys.map(|key| machine.sent(link, key)).collect::<Vec<_>>(), together)
        });
        let [short, long] = said;
        prop_assert_eq!((&short.0, &short.1), (&long.0, &long.1));
        let first = runs[0].0.iter().map(|&length| usize::from(length) + 2).sum::<usize>() + 200;
        let fits = first < max_frame_size as usize && first < 900 && runs[0].0.len() <= link_credit as usize;
        prop_assert!(!fits || short.2 > 0, "some went together");
    }
}

/// A machine that sends on a link, to a receiver with so much credit whose session has such a window; what it said was taken.
fn sending(max_frame_size: u32, link_credit: u32, incoming_window: u32) -> (Connection, LinkId, Out) {
    let (mut machine, mut out) = (server(), Out::default());
    let mut bytes = opening(Role::Receiver, max_frame_size);
    let (handle, link_credit) = (Some(1), Some(link_credit));
    let flow = Flow { handle, link_credit, incoming_window, ..Flow::default() };
    encode_frame(&mut bytes, 0, &Performative::Flow(flow));
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
    machine.poll_output(0, &mut out);
    out.advance(out.len());
    (machine, link.expect("it was attached"), out)
}

/// The deliveries in octets, each in one frame or together with others: id, mark, message.
fn deliveries(mut bytes: &[u8]) -> Vec<(u32, Vec<u8>, Vec<u8>)> {
    let mut deliveries = Vec::new();
    while !bytes.is_empty() {
        let Ok(Split::Frame { frame, bytes: length }) = frame::split(bytes, u32::MAX) else { panic!("a frame") };
        let Ok((Performative::Transfer(transfer), payload)) = performative::decode(frame.body) else {
            panic!("only transfers")
        };
        let (id, tag) = (transfer.delivery_id.expect("one frame each"), transfer.delivery_tag.expect("a tag"));
        match bundled(tag) {
            None => deliveries.push((id, tag[4..].to_vec(), payload.to_vec())),
            Some(messages) => {
                let bundle = Bundle::read(payload, messages).expect("it adds up");
                let message = |body: &[u8]| [bundle.front, body].concat();
                let all = (0_u32..).zip(bundle.bodies());
                deliveries.extend(all.map(|(further, body)| (id + further, tag[4..6].to_vec(), message(body))));
            }
        }
        bytes = &bytes[length..];
    }
    deliveries
}

/// The transfers in octets, and their payloads.
fn read(mut bytes: &[u8]) -> Vec<String> {
    let mut transfers = Vec::new();
    while !bytes.is_empty() {
        let Ok(Split::Frame { frame, bytes: length }) = frame::split(bytes, u32::MAX) else { panic!("a frame") };
        let (performative, payload) = performative::decode(frame.body).expect("a performative");
        transfers.push(format!("{performative:?} {payload:?}"));
        bytes = &bytes[length..];
    }
    transfers
}
