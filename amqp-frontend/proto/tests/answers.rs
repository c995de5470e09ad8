//! A peer that sends everything at once against a host that answers attaches, and the detaches of some links, later: what is answered, and in which order.
//!
//! Shown: every attach is answered by an attach, before anything else is said of its link (part 2.6.3), whatever the peer sent behind it,
//! wherever its octets are cut, and whenever the host answers; numbers out of range are framing errors; an attach that cannot be
//! understood ends no more than itself.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use amqp_codec::AmqpError;
use amqp_codec::frame::{self, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Attach, Begin, Close, Detach, End, Flow, Open, Performative, Role, Source, Target, Transfer, encode_frame,
    encode_transfer,
};
use amqp_proto::{Closing, Config, Connection, DeliveryOutcome, Event, Input, LinkId, Out};
use engine_message::Condition;
use proptest::prelude::*;

/// What the machine wrote, as far as these tests look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Open,
    Begin,
    /// Name, handle, and whether there is a source.
    Attach(String, u32, bool),
    Flow(u32),
    Disposition(u32),
    /// Handle, and why.
    Detach(u32, Option<String>),
    End(Option<String>),
    Close(Option<String>),
}

/// How the names of links end whose detaches the host answers.
const LATER: [char; 2] = ['1', '3'];

/// What the host has not answered.
enum Asked {
    Attach(LinkId, Box<Attach>),
    /// A detach, which may be answered already.
    Detach(LinkId),
}

/// A server's machine, and a host that answers attaches when it is told to.
struct Server {
    machine: Connection,
    out: Out,
    kept: Vec<u8>,
    written: Vec<u8>,
    asked: VecDeque<Asked>,
    said: Vec<Said>,
    ended: usize,
}

impl Server {
    fn new() -> Self {
        let config = Config { channel_max: 3, handle_max: 31, ..Config::default() };
        Self {
            machine: Connection::server(Arc::new(config), 0),
            out: Out::default(),
            kept: Vec::new(),
            written: Vec::new(),
            asked: VecDeque::new(),
            said: Vec::new(),
            ended: 0,
        }
    }

    /// Steps the machine through more octets; what it leaves waits.
    fn feed(&mut self, bytes: &[u8]) {
        let mut given = std::mem::take(&mut self.kept);
        given.extend_from_slice(bytes);
        let mut input = Input::new(&given);
        loop {
            assert_eq!(self.machine.next_delivery(0, &mut input), None, "nobody has credit");
            let Some(event) = self.machine.handle_input(0, &mut input, &mut self.out) else { break };
            match event {
                Event::OpenAsked(_) => {
                    let answer = self.machine.config().server_open();
                    self.machine.accept_open(answer, &mut self.out);
                }
                Event::AttachAsked(link, attach) => self.asked.push_back(Asked::Attach(link, attach)),
                Event::Detached { link, .. } => {
                    self.ended += 1;
                    self.asked.push_back(Asked::Detach(link));
                }
                Event::Ended(..) | Event::Closed(_) => self.ended += 1,
                _ => {}
            }
            self.machine.check();
        }
        self.kept = given[input.consumed()..].to_vec();
        self.listen();
    }

    /// Answers what was asked first, and goes on with what waited for it.
    fn answer(&mut self, refuse: bool) {
        match self.asked.pop_front() {
            None => return,
            Some(Asked::Detach(link)) => self.machine.detach(link, Closing::Suspended, None, &mut self.out),
            Some(Asked::Attach(link, _)) if refuse => {
                let error = AmqpError::new(Condition::NotFound, "there is no such address");
                self.machine.refuse_attach(link, error, &mut self.out);
            }
            Some(Asked::Attach(link, attach)) => {
                self.machine.accept_attach(link, attach.answer(), &mut self.out);
                if attach.name.ends_with(LATER) {
                    self.machine.answer_later(link);
                }
            }
        }
        self.feed(&[]);
    }

    /// Answers everything, to the end.
    fn answer_all(&mut self) {
        while !self.asked.is_empty() {
            self.answer(false);
        }
        assert!(!self.machine.is_waiting(), "nothing waits when all is answered");
    }

    fn listen(&mut self) {
        self.machine.poll_output(0, &mut self.out);
        self.out.drain_into(&mut self.written);
        let mut at = 0;
        while let Some(rest) = self.written.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with(b"AMQP") {
                at += 8;
                continue;
            }
            let Ok(Split::Frame { frame, bytes }) = frame::split(rest, u32::MAX) else { panic!("a frame") };
            let why = |error: &Option<AmqpError>| error.as_ref().map(|error| error.condition.as_str().to_owned());
            let (performative, _) = performative::decode(frame.body).expect("a performative");
            match performative {
                Performative::Open(_) => self.said.push(Said::Open),
                Performative::Begin(_) => self.said.push(Said::Begin),
                Performative::Attach(attach) => {
                    self.said.push(Said::Attach(attach.name, attach.handle, attach.source.is_some()));
                }
                Performative::Flow(flow) => self.said.extend(flow.handle.map(Said::Flow)),
                Performative::Disposition(told) => self.said.push(Said::Disposition(told.first)),
                Performative::Detach(detach) => self.said.push(Said::Detach(detach.handle, why(&detach.error))),
                Performative::End(end) => self.said.push(Said::End(why(&end.error))),
                Performative::Close(close) => self.said.push(Said::Close(why(&close.error))),
                other => panic!("a server without messages says {other:?}"),
            }
            at += bytes;
        }
        self.written.clear();
    }
}

fn frames(performatives: &[Performative<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    performatives.iter().for_each(|performative| encode_frame(&mut bytes, 0, performative));
    bytes
}

fn opening() -> Vec<u8> {
    let mut bytes = ProtocolHeader::Amqp.bytes().to_vec();
    bytes.extend(frames(&[Performative::Open(Box::default()), begin()]));
    bytes
}

fn begin() -> Performative<'static> {
    Performative::Begin(Box::new(Begin { incoming_window: 100, outgoing_window: 100, ..Begin::default() }))
}

fn attach(name: &str, handle: u32, role: Role) -> Performative<'static> {
    let (source, target) = (Some(Source::default()), Some(Target::Node(performative::Terminus::default())));
    Performative::Attach(Box::new(Attach { source, target, ..Attach::new(name, handle, role) }))
}

fn detach(handle: u32) -> Performative<'static> {
    Performative::Detach(Detach { handle, closed: true, error: None })
}

fn flow(handle: u32) -> Performative<'static> {
    let (handle, link_credit) = (Some(handle), Some(10));
    Performative::Flow(Flow { handle, link_credit, echo: true, incoming_window: 100, ..Flow::default() })
}

fn transfer(handle: u32) -> Vec<u8> {
    let body = [0x00, 0x53, 0x77, 0x40];
    let mut bytes = Vec::new();
    let transfer = Transfer { handle, delivery_id: Some(0), delivery_tag: Some(b"t"), ..Transfer::default() };
    encode_transfer(&mut bytes, 0, &transfer, body.len());
    bytes.extend(body);
    bytes
}

fn end() -> Performative<'static> {
    Performative::End(End::default())
}

fn close() -> Performative<'static> {
    Performative::Close(Close::default())
}

#[test]
fn an_attach_is_answered_before_what_came_behind_it() {
    let attached = Said::Attach("a".to_owned(), 0, true);
    let detached = Said::Detach(0, None);
    let sender = || attach("a", 0, Role::Sender);
    let receiver = || attach("a", 0, Role::Receiver);
    for (sent, wanted) in [
        (vec![receiver(), detach(0)], vec![attached.clone(), detached.clone()]),
        (vec![sender(), detach(0)], vec![attached.clone(), detached.clone()]),
        (vec![receiver(), flow(0), detach(0)], vec![attached.clone(), Said::Flow(0), detached.clone()]),
        (vec![sender(), end()], vec![attached.clone(), Said::End(None)]),
        (vec![sender(), close()], vec![attached.clone(), Said::Close(None)]),
        (vec![sender(), end(), close()], vec![attached.clone(), Said::End(None), Said::Close(None)]),
        (
            vec![sender(), detach(0), sender(), detach(0), end()],
            vec![attached.clone(), detached.clone(), attached.clone(), detached.clone(), Said::End(None)],
        ),
        (
            // The same name without a detach: the first link is stolen, once it was there.
            vec![sender(), attach("a", 1, Role::Sender)],
            vec![
                attached.clone(),
                Said::Detach(0, Some("amqp:link:stolen".to_owned())),
                Said::Attach("a".to_owned(), 1, true),
            ],
        ),
    ] {
        let mut server = Server::new();
        server.feed(&[opening(), frames(&sent)].concat());
        server.answer_all();
        assert_eq!(server.said[..2], [Said::Open, Said::Begin]);
        // An echo may leave when all events were taken: its place among the rest is not fixed, but it is behind its attach.
        let mut said = server.said.split_off(2);
        if let Some(place) = said.iter().position(|said| matches!(said, Said::Flow(_))) {
            assert!(place > 0);
            said.remove(place);
        }
        let wanted: Vec<_> = wanted.into_iter().filter(|wanted| !matches!(wanted, Said::Flow(_))).collect();
        assert_eq!(said, wanted, "{sent:?}");
    }
}

#[test]
fn an_echo_that_is_asked_for_early_follows_the_attach() {
    let mut server = Server::new();
    server.feed(&[opening(), frames(&[attach("a", 0, Role::Receiver), flow(0)])].concat());
    assert_eq!(server.said, [Said::Open, Said::Begin], "nothing is said of a link that is not there yet");
    server.answer_all();
    assert_eq!(server.said[2..], [Said::Attach("a".to_owned(), 0, true), Said::Flow(0)]);
}

#[test]
fn a_detach_that_the_host_answers_is_behind_what_became_of_deliveries_and_before_the_next_attach_of_its_name() {
    let mut server = Server::new();
    server.feed(&[opening(), frames(&[attach("link-1", 0, Role::Sender)])].concat());
    let Some(Asked::Attach(link, _)) = server.asked.front() else { panic!("it was asked") };
    let link = *link;
    server.answer(false);
    server.machine.grant(link, 1);
    server.feed(&transfer(0));
    // The handle is free when the peer has said so, and only the name waits.
    let sent = [detach(0), attach("other", 0, Role::Sender), attach("link-1", 1, Role::Sender), end()];
    server.feed(&frames(&sent));
    assert!(server.machine.is_waiting());
    server.said.clear();
    server.machine.settle(link, 0, 0, DeliveryOutcome::Accepted);
    server.answer_all();
    let wanted = [
        Said::Disposition(0),
        Said::Detach(0, None),
        Said::Attach("other".to_owned(), 1, true),
        Said::Attach("link-1".to_owned(), 0, true),
        Said::End(None),
    ];
    assert_eq!(server.said, wanted);
}

#[test]
fn messages_without_credit_end_a_link_that_was_answered() {
    let mut server = Server::new();
    let sent = [frames(&[attach("a", 0, Role::Sender)]), transfer(0), frames(&[detach(0)])].concat();
    server.feed(&[opening(), sent].concat());
    server.answer_all();
    let without = Said::Detach(0, Some("amqp:link:transfer-limit-exceeded".to_owned()));
    assert_eq!(server.said[2..], [Said::Attach("a".to_owned(), 0, true), without]);
}

#[test]
fn begin_end_open_and_close_in_one_read_are_all_answered() {
    let mut server = Server::new();
    server.feed(&[opening(), frames(&[end(), begin(), end(), close()])].concat());
    let ends = || Said::End(None);
    assert_eq!(server.said, [Said::Open, Said::Begin, ends(), Said::Begin, ends(), Said::Close(None)]);
    assert!(server.machine.is_closed());
}

#[test]
fn numbers_out_of_range_are_framing_errors() {
    let on_channel = |channel, performative: &Performative<'_>| {
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, channel, performative);
        bytes
    };
    let header = ProtocolHeader::Amqp.bytes().to_vec();
    let open = || Performative::Open(Box::<Open>::default());
    for (sent, wanted) in [
        ([header.clone(), on_channel(1, &open())].concat(), "amqp:connection:framing-error"),
        ([opening(), on_channel(1, &open())].concat(), "amqp:connection:framing-error"),
        ([opening(), on_channel(0, &open())].concat(), "amqp:not-allowed"),
        ([header, on_channel(1, &begin())].concat(), "amqp:not-allowed"),
        ([opening(), on_channel(3, &begin())].concat(), ""),
        ([opening(), on_channel(4, &begin())].concat(), "amqp:connection:framing-error"),
        ([opening(), on_channel(4, &flow(0))].concat(), "amqp:connection:framing-error"),
        ([opening(), on_channel(4, &end())].concat(), "amqp:connection:framing-error"),
        ([opening(), on_channel(3, &end())].concat(), "amqp:not-allowed"),
        ([opening(), on_channel(0xffff, &close())].concat(), "amqp:connection:framing-error"),
        ([opening(), frames(&[attach("a", 32, Role::Sender)])].concat(), "amqp:connection:framing-error"),
        ([opening(), frames(&[detach(32)])].concat(), "amqp:connection:framing-error"),
        ([opening(), frames(&[flow(32)])].concat(), "amqp:connection:framing-error"),
        ([opening(), transfer(32)].concat(), "amqp:connection:framing-error"),
        ([opening(), frames(&[detach(31)])].concat(), ""),
    ] {
        let mut server = Server::new();
        server.feed(&sent);
        let closed = server.said.iter().find_map(|said| match said {
            Said::Close(why) => Some(why.clone().unwrap_or_default()),
            _ => None,
        });
        assert_eq!(closed.unwrap_or_default(), wanted, "{sent:x?}");
    }
    // A close may come on any channel that there can be (part 2.4.3).
    let mut server = Server::new();
    server.feed(&[opening(), on_channel(3, &close())].concat());
    assert_eq!(server.said.last(), Some(&Said::Close(None)));
    // A begin that answers none.
    let answer = Performative::Begin(Box::new(Begin { remote_channel: Some(0), ..Begin::default() }));
    let mut server = Server::new();
    server.feed(&[opening(), on_channel(1, &answer)].concat());
    assert_eq!(server.said.last(), Some(&Said::Close(Some("amqp:not-allowed".to_owned()))));
    // Handles that nobody has are the session's affair.
    for sent in [frames(&[flow(31)]), transfer(31)] {
        let mut server = Server::new();
        server.feed(&[opening(), sent].concat());
        assert_eq!(server.said.last(), Some(&Said::End(Some("amqp:session:unattached-handle".to_owned()))));
    }
}

#[test]
fn an_attach_that_cannot_be_understood_ends_itself_and_nothing_else() {
    let mut server = Server::new();
    server.feed(&opening());
    server.feed(&frames(&[attach("good", 0, Role::Receiver)]));
    server.answer_all();
    server.said.clear();
    // Name "bad", handle 1, receiver, snd-settle-mode 9.
    let mut bytes = Vec::new();
    let fields = [0xa1, 3, b'b', b'a', b'd', 0x52, 1, 0x41, 0x50, 9];
    frame::amqp(&mut bytes, 0, |out| {
        out.extend_from_slice(&[0x00, 0x53, 0x12, 0xc0, fields.len() as u8 + 1, 4]);
        out.extend_from_slice(&fields);
    });
    server.feed(&bytes);
    assert!(server.asked.is_empty() && server.ended == 0, "the host need not know");
    let refused = Said::Detach(1, Some("amqp:invalid-field".to_owned()));
    assert_eq!(server.said, [Said::Attach("bad".to_owned(), 1, false), refused]);
    server.feed(&frames(&[detach(1), attach("next", 1, Role::Sender)]));
    server.answer_all();
    assert_eq!(server.said[2..], [Said::Attach("next".to_owned(), 1, true)]);
}

/// What a peer does to its link of one handle; two handles share a name.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Attach,
    Flow,
    Transfer,
    Detach,
}

#[derive(Clone, Copy, Debug)]
enum Last {
    Nothing,
    End,
    Close,
}

/// The octets of a peer that does `deeds`, as far as they make sense to itself, and how often each name was attached and detached.
fn pipelined(deeds: &[(u32, Deed)], last: Last) -> (Vec<u8>, BTreeMap<String, (usize, usize)>) {
    let (mut bytes, mut counts) = (opening(), BTreeMap::new());
    let mut attached = [false; 8];
    for &(handle, deed) in deeds {
        let name = format!("link-{}", handle / 2);
        let role = if handle < 4 { Role::Sender } else { Role::Receiver };
        let there = &mut attached[handle as usize];
        let count: &mut (usize, usize) = counts.entry(name.clone()).or_default();
        match deed {
            Deed::Attach if !*there => {
                *there = true;
                count.0 += 1;
                bytes.extend(frames(&[attach(&name, handle, role)]));
            }
            Deed::Detach if *there => {
                *there = false;
                count.1 += 1;
                bytes.extend(frames(&[detach(handle)]));
            }
            Deed::Flow if *there => bytes.extend(frames(&[flow(handle)])),
            Deed::Transfer if *there && role == Role::Sender => bytes.extend(transfer(handle)),
            _ => {}
        }
    }
    match last {
        Last::Nothing => {}
        Last::End => bytes.extend(frames(&[end()])),
        Last::Close => bytes.extend(frames(&[close()])),
    }
    (bytes, counts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_attach_is_answered_first_whatever_is_sent_behind_it(
        deeds in proptest::collection::vec((0..8_u32, prop_oneof![
            3 => Just(Deed::Attach), 1 => Just(Deed::Flow), 1 => Just(Deed::Transfer), 2 => Just(Deed::Detach),
        ]), 1..60),
        last in prop_oneof![Just(Last::Nothing), Just(Last::End), Just(Last::Close)],
        steps in proptest::collection::vec((0..400_usize, 0..4_u8), 0..60),
    ) {
        let (bytes, counts) = pipelined(&deeds, last);
        let mut server = Server::new();
        let mut rest = bytes.as_slice();
        for (count, answer) in steps {
            let (now, later) = rest.split_at(count.min(rest.len()));
            rest = later;
            server.feed(now);
            if answer < 3 {
                server.answer(answer == 0);
            }
        }
        server.feed(rest);
        server.answer_all();
        prop_assert!(server.kept.is_empty(), "everything was understood");
        let mut there: BTreeMap<u32, String> = BTreeMap::new();
        let mut seen: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for said in &server.said {
            match said {
                Said::Attach(name, handle, _) => {
                    prop_assert_eq!(there.insert(*handle, name.clone()), None, "handle {} is in use", handle);
                    seen.entry(name.clone()).or_default().0 += 1;
                }
                Said::Flow(handle) => prop_assert!(there.contains_key(handle), "a flow without a link"),
                Said::Detach(handle, _) => {
                    let name = there.remove(handle);
                    prop_assert!(name.is_some(), "a detach of handle {handle} without an attach: {:?}", server.said);
                    seen.entry(name.unwrap_or_default()).or_default().1 += 1;
                }
                Said::Open | Said::Begin | Said::End(None) | Said::Close(None) => {}
                other => prop_assert!(false, "nobody did anything wrong: {other:?}"),
            }
        }
        for (name, (attached, detached)) in counts {
            let (answered, ended) = seen.remove(&name).unwrap_or_default();
            prop_assert_eq!(answered, attached, "attaches of {}", name);
            prop_assert!(ended >= detached, "{} of {} detaches of {} were answered", ended, detached, name);
        }
        let end = match last {
            Last::Nothing => None,
            Last::End => Some(Said::End(None)),
            Last::Close => Some(Said::Close(None)),
        };
        prop_assert!(end.is_none() || server.said.last() == end.as_ref(), "the end is last: {:?}", server.said);
    }
}
