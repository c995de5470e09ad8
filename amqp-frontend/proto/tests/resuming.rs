//! A host that names deliveries from before in the answer to an attach, to a peer with small frames.
//!
//! Shown: as many are named as fit into a frame, and it is said when there are more; then what is new ends the link, and what is resumed
//! does not (part 2.7.3). An answer that does not fit without them refuses the link.

use std::sync::Arc;

use amqp_codec::frame::{self, ProtocolHeader, Split};
use amqp_codec::performative::{
    self, Attach, Begin, Open, Performative, Role, Source, Target, Terminus, Transfer, encode_frame, encode_transfer,
};
use amqp_proto::{Config, Connection, Event, Input, LinkId, Out};
use bytes::Bytes;
use engine_message::Condition;
use engine_message::value::{Map, Value};

const FRAME_MAX: u32 = 1024;

/// A server's machine that was asked for a link.
struct Server {
    machine: Connection,
    out: Out,
    link: LinkId,
    asked: Box<Attach>,
}

/// What a transfer came to.
#[derive(Debug, PartialEq, Eq)]
enum Came {
    Delivery,
    Ignored,
    Detached(String),
}

impl Server {
    fn asked() -> Self {
        let machine = Connection::server(Arc::new(Config::default()), 0);
        let mut server = Self {
            machine,
            out: Out::default(),
            link: LinkId { session: 0, generation: 0, handle: 0 },
            asked: Box::new(Attach::new("l", 0, Role::Sender)),
        };
        let open = Open { max_frame_size: FRAME_MAX, ..Open::default() };
        let (source, target) = (Some(Source::default()), Some(Target::Node(Terminus::default())));
        let attach = Attach { source, target, ..Attach::new("l", 0, Role::Sender) };
        let mut bytes = ProtocolHeader::Amqp.bytes().to_vec();
        let begin = Begin { incoming_window: 100, outgoing_window: 100, ..Begin::default() };
        for performative in [
            Performative::Open(Box::new(open)),
            Performative::Begin(Box::new(begin)),
            Performative::Attach(Box::new(attach)),
        ] {
            encode_frame(&mut bytes, 0, &performative);
        }
        let mut input = Input::new(&bytes);
        while let Some(event) = server.machine.handle_input(0, &mut input, &mut server.out) {
            match event {
                Event::OpenAsked(_) => {
                    let answer = server.machine.config().server_open();
                    server.machine.accept_open(answer, &mut server.out);
                }
                Event::AttachAsked(link, asked) => (server.link, server.asked) = (link, asked),
                _ => {}
            }
        }
        server
    }

    /// Answers the attach by a map of so many entries; gives the answer as it was written.
    fn answer(&mut self, named: u32, properties: Map) -> Attach {
        let tag = |number: u32| (Bytes::copy_from_slice(&number.to_be_bytes()), None);
        let unsettled = Some((0..named).map(tag).collect());
        let answer = Attach { unsettled, properties, ..self.asked.answer() };
        self.machine.accept_attach(self.link, answer, &mut self.out);
        self.machine.grant(self.link, 10);
        let mut written = Vec::new();
        self.out.drain_into(&mut written);
        let mut rest = written.get(8..).expect("a header");
        let mut attach = None;
        while let Ok(Split::Frame { frame, bytes }) = frame::split(rest, FRAME_MAX) {
            let (performative, _) = performative::decode(frame.body).expect("a performative");
            if let Performative::Attach(answer) = performative {
                attach = Some(*answer);
            }
            rest = rest.get(bytes..).expect("the frame");
        }
        assert_eq!(rest, [0; 0], "no frame is larger than the peer takes");
        attach.expect("an answer")
    }

    /// A transfer of one frame comes.
    fn transfer(&mut self, delivery: u32, resume: bool) -> Came {
        let tag = delivery.to_be_bytes();
        let (delivery_id, delivery_tag) = (Some(delivery), Some(&tag[..]));
        let settled = Some(false);
        let transfer = Transfer { handle: 0, delivery_id, delivery_tag, settled, resume, ..Transfer::default() };
        let message = [0x00, 0x53, 0x77, 0x40];
        let mut bytes = Vec::new();
        encode_transfer(&mut bytes, 0, &transfer, message.len());
        bytes.extend(message);
        let mut input = Input::new(&bytes);
        if self.machine.next_delivery(0, &mut input).is_some() {
            return Came::Delivery;
        }
        match self.machine.handle_input(0, &mut input, &mut self.out) {
            Some(Event::Delivery { .. }) => Came::Delivery,
            Some(Event::Ignored { .. }) => Came::Ignored,
            Some(Event::Detached { error, .. }) => Came::Detached(error.expect("why").condition.as_str().to_owned()),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn as_many_deliveries_are_named_as_fit_and_only_those_may_come_if_there_are_more() {
    for (named, incomplete) in [(0, false), (10, false), (1000, true)] {
        let mut server = Server::asked();
        let answer = server.answer(named, Map::default());
        let told = answer.unsettled.expect("a map");
        assert_eq!((told.len() < named as usize, answer.incomplete_unsettled), (incomplete, incomplete));
        assert!(named == 0 || told.len() > 9, "a frame has room for many: {}", told.len());
        assert_eq!(server.transfer(0, true), if named == 0 { Came::Ignored } else { Came::Delivery });
        let wanted = match incomplete {
            true => Came::Detached(Condition::NotAllowed.as_str().to_owned()),
            false => Came::Delivery,
        };
        assert_eq!(server.transfer(1, false), wanted);
    }
}

#[test]
fn an_answer_that_fits_with_no_map_either_refuses_the_link() {
    let mut server = Server::asked();
    let mut long = Map::default();
    long.insert("long", Value::String("x".repeat(3000)));
    let answer = server.answer(100, long);
    assert_eq!((answer.target, answer.unsettled), (None, None));
}
