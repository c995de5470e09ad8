//! Links that go through a router whole, to a broker behind it: what a client asks of the broker it has as if it were connected there.
//!
//! More of that: tests of the broker itself, which are run with a router in front of it (`broker.rs`, `HEDDLE_TEST_FRONT`).

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_codec::AmqpError;
use amqp_codec::performative::{
    self, Attach, Close, DeliveryState, Detach, Disposition, Durability, ExpiryPolicy, Flow, Performative,
    ReceiverSettleMode, Role, SenderSettleMode, Source, Target, Terminus, Transfer, encode_transfer,
};
use amqp_proto::{
    Closing, Config, Confirmation, Connection, DeliveryOutcome, Event, Input, LinkId, Out, Payload, SessionId,
};
use engine_message::value::{Map, Value};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, End, Peer, opened};
use crate::router_network::{Node, node_with, places};

/// A broker.
const BROKER: &str =
    "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nname = \"in\"\n[[address]]\nname = \"out\"\n";
/// Links to any address go to the broker.
const ALL: &str = "[[link_routes]]\npattern = \"#\"\nconnection = \"broker\"\n";

/// A router with a connector to the broker at `at`, and `routes`.
fn in_front_of(at: SocketAddr, shards: u16, routes: &str) -> Broker {
    let config = format!("[storage]\nenabled = false\n[router]\nenabled = true\n{}", to_broker(at, routes));
    let config = format!("[[listeners]]\naddress = \"127.0.0.1:0\"\n{config}");
    Broker::start_telling(TempDir::new().expect("a folder"), shards, "info", &config)
}

/// What a router's configuration has of the broker at `at`.
fn to_broker(at: SocketAddr, routes: &str) -> String {
    format!(
        "[[connectors]]\nname = \"broker\"\nrole = \"route-container\"\nendpoints = [\"{at}\"]\nretry_min_ms = 100\nretry_max_ms = 200\n\
         {routes}"
    )
}

/// Waits until links to `queue` go through.
fn wait_for_route(router: &Broker, queue: &str) {
    wait_for("the way to the broker", || opened(router).try_attach_sender(queue).is_none().then_some(()));
}

/// A broker, and a router in front of it that has all links go there.
fn behind(shards: u16) -> (Broker, Broker) {
    let broker = Broker::start(BROKER);
    let router = in_front_of(broker.addresses[0], shards, ALL);
    wait_for_route(&router, "in");
    (broker, router)
}

fn messages(broker: &Broker, queue: &str) -> u64 {
    broker.queue(queue).map_or(0, |queue| queue["messages"].as_u64().expect("a number"))
}

fn consumers(broker: &Broker, queue: &str) -> u64 {
    broker.queue(queue).map_or(0, |queue| queue["consumers"].as_u64().expect("a number"))
}

fn condition(error: &AmqpError) -> &str {
    error.condition.as_str()
}

/// The error of the detach that ends a link of the peer's.
fn ended(peer: &mut Peer<TcpStream>) -> Detach {
    peer.until(|performative| match performative {
        Performative::Detach(detach) => Some(detach.clone()),
        _ => None,
    })
}

#[test]
fn messages_and_outcomes_go_to_the_broker_and_back() {
    for shards in [1, 3] {
        let (broker, router) = behind(shards);
        for number in 0..4_u8 {
            let mut sender = opened(&router);
            sender.attach_sender("in");
            for delivery in 0..5 {
                sender.send_message(delivery, Durable::Yes, &[number * 5 + delivery as u8]);
                assert_eq!(sender.outcome(), (delivery, delivery, None), "accepted by the broker");
            }
        }
        assert_eq!(messages(&broker, "in"), 20);
        let state = broker.state();
        assert_eq!(state["connections"].as_array().expect("a list").len(), 1, "one connection for all");
        let mut receiver = opened(&router);
        receiver.attach_receiver("in", 20);
        let mut got = Vec::new();
        for number in 0..20 {
            let (delivery, body) = receiver.receive();
            got.extend(body);
            match number {
                0 => receiver.decide(delivery, DeliveryState::Released),
                1 => receiver.reject(delivery, delivery, "too blue"),
                _ => receiver.accept(delivery, delivery),
            }
        }
        assert_eq!(got, (0..20).collect::<Vec<u8>>(), "in the queue's order");
        wait_for("what was released to be there", || (messages(&broker, "in") == 1).then_some(()));
    }
}

#[test]
fn a_link_without_a_way_is_refused_and_other_addresses_are_routed() {
    let routes = "[[link_routes]]\nprefix = \"queue\"\nconnection = \"broker\"\n";
    // Nobody listens there.
    let [nowhere] = places();
    let router = in_front_of(nowhere, 2, routes);
    let refused = opened(&router).try_attach_sender("queue.a").expect("there is no way");
    assert_eq!(condition(&refused), "qd:no-route-to-dest");
    // It was answered, and the connection goes on.
    let mut sender = opened(&router);
    assert!(sender.try_attach_sender("queue.a").is_some());
    let mut receiver = opened(&router);
    receiver.attach_receiver("queues.a", 1);
    sender.attach_sender_as("queues.a", 1);
    let transactions = opened(&router).try_attach_coordinator().expect("there is no coordinator");
    assert_eq!(condition(&transactions), "amqp:not-implemented");
}

#[test]
fn a_broker_that_goes_ends_its_links_and_one_that_comes_has_new_ones() {
    for shards in [1, 3] {
        let (broker, router) = behind(shards);
        let at = broker.addresses[0];
        let mut receiver = opened(&router);
        receiver.attach_receiver("in", 10);
        let mut sender = opened(&router);
        sender.attach_sender("in");
        sender.send_message(0, Durable::Yes, b"before");
        assert_eq!(sender.outcome(), (0, 0, None));
        assert_eq!(receiver.receive().1, b"before");
        let folder = broker.kill();
        for peer in [&mut sender, &mut receiver] {
            let detach = ended(peer);
            let error = detach.error.expect("why");
            assert_eq!((condition(&error), detach.closed), ("qd:routed-link-lost", true));
        }
        let broker = Broker::start_in(folder, &BROKER.replace("127.0.0.1:0", &at.to_string()));
        wait_for_route(&router, "in");
        let mut receiver = opened(&router);
        receiver.attach_receiver("in", 10);
        assert_eq!(receiver.receive().1, b"before", "it is still the broker's");
        drop(broker);
    }
}

/// A container that connects to a router, and answers what it is asked for.
struct Service {
    machine: Connection,
    out: Out,
    stream: TcpStream,
    kept: Vec<u8>,
}

/// What a container is told.
#[derive(Debug)]
enum Heard {
    Asked(LinkId, Box<Attach>),
    /// A message: its number, tag and format, and its octets.
    Came(u32, Vec<u8>, u32, Vec<u8>),
    Confirmed(Confirmation),
    /// What was decided on one that it sent.
    Settled(Option<DeliveryOutcome>),
    Detached(LinkId),
}

impl Service {
    fn new(at: SocketAddr) -> Self {
        let config = Arc::new(Config { container_id: "service".to_owned(), ..Config::default() });
        let mut out = Out::default();
        let machine = Connection::client(Arc::clone(&config), config.client_open(), None, 0, &mut out);
        let stream = crate::peer::connect(at);
        stream.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
        Self { machine, out, stream, kept: Vec::new() }
    }

    /// Begins a session.
    fn begin(&mut self) -> SessionId {
        wait_for("the router's open", || {
            while self.hear().is_some() {}
            self.machine.begin(&mut self.out)
        })
    }

    /// Writes what it has to say.
    fn flush(&mut self) {
        self.machine.poll_output(0, &mut self.out);
        let mut octets = Vec::new();
        self.out.drain_into(&mut octets);
        self.stream.write_all(&octets).expect("the router is there");
    }

    /// Hears what is next, if it comes soon.
    fn hear(&mut self) -> Option<Heard> {
        loop {
            self.flush();
            let kept = std::mem::take(&mut self.kept);
            let mut input = Input::new(&kept);
            let event = self.machine.handle_input(0, &mut input, &mut self.out);
            let heard = event.and_then(|event| {
                Some(match event {
                    Event::AttachAsked(link, attach) => Heard::Asked(link, attach),
                    Event::Delivery { delivery, format, head, payload: Payload::Borrowed(payload), .. } => {
                        let tag = head.transfer().delivery_tag.unwrap_or_default().to_vec();
                        Heard::Came(delivery, tag, format, payload.to_vec())
                    }
                    Event::Confirmed(confirmation) => Heard::Confirmed(confirmation),
                    Event::Settled(outcome) => {
                        while self.machine.next_settled().is_some() {}
                        Heard::Settled(outcome)
                    }
                    Event::Detached { link, .. } => Heard::Detached(link),
                    _ => return None,
                })
            });
            let is_at_rest = input.consumed() == 0 && heard.is_none();
            self.kept = kept[input.consumed()..].to_vec();
            match heard {
                Some(heard) => return Some(heard),
                None if is_at_rest => {
                    let mut more = [0; 4096];
                    let count = match self.stream.read(&mut more) {
                        Ok(count) => count,
                        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                            return None;
                        }
                        Err(error) => panic!("the router goes on: {error}"),
                    };
                    assert!(count > 0, "the router goes on");
                    self.kept.extend_from_slice(&more[..count]);
                }
                None => {}
            }
        }
    }

    /// Hears until something is so.
    fn until<T>(&mut self, mut look: impl FnMut(Heard) -> Option<T>) -> T {
        wait_for("what the container is to hear", || look(self.hear()?))
    }

    /// Refuses the link that it is asked for next.
    fn refuse_next(&mut self) {
        let link = self.until(|heard| match heard {
            Heard::Asked(link, _) => Some(link),
            _ => None,
        });
        self.machine.refuse_attach(link, AmqpError::new("x:no", "not now"), &mut self.out);
        self.flush();
    }
}

/// A router that containers connect to, and one that did: links to `in` go there.
fn served(shards: u16) -> (Broker, Service) {
    let config = "[storage]\nenabled = false\n[router]\nenabled = true\n[[listeners]]\naddress = \"127.0.0.1:0\"\n[[listeners]]\n\
                  address = \"127.0.0.1:0\"\nname = \"services\"\nrole = \"route-container\"\n[[link_routes]]\nprefix = \"in\"\n\
                  connection = \"services\"\n";
    let router = Broker::start_with(TempDir::new().expect("a folder"), shards, config);
    let service = Service::new(router.addresses[1]);
    (router, service)
}

#[test]
fn a_container_that_attaches_links_of_its_own_stays_where_links_to_it_go() {
    let (router, mut service) = served(3);
    for number in 0..6 {
        let session = service.begin();
        let attach = Attach {
            source: Some(Source::default()),
            target: Some(Target::Node(Terminus::at(format!("own.{number}")))),
            initial_delivery_count: Some(0),
            ..Attach::new(format!("own-{number}"), 0, Role::Sender)
        };
        let own = service.machine.attach(session, attach, &mut service.out).expect("the session is there");
        service.flush();
        // It is the only link that the connection has, and may be asked for at any time.
        let (_, link, _) = asking(&router, &mut service, &sending(&format!("to-it-{number}")));
        service.machine.refuse_attach(link, AmqpError::new("x:no", "not now"), &mut service.out);
        service.machine.detach(own, Closing::Closed, None, &mut service.out);
        service.flush();
        wait_for("its link to be gone", || {
            while service.hear().is_some() {}
            let state = router.state();
            let links = state["links"].as_array()?;
            links.iter().all(|link| link["address"] != format!("own.{number}")).then_some(())
        });
    }
}

/// A client that asks for a link to `in`, once there is a way: it, and what the service was asked for.
fn asking(router: &Broker, service: &mut Service, attach: &Attach) -> (Peer<TcpStream>, LinkId, Box<Attach>) {
    wait_for("the way to the service", || {
        let mut client = opened(router);
        client.put(&Performative::Attach(Box::new(attach.clone())));
        // What has no way is refused at once, and the service hears nothing.
        let heard = service.hear()?;
        let Heard::Asked(link, attach) = heard else { panic!("{heard:?}") };
        Some((client, link, attach))
    })
}

fn sending(name: &str) -> Attach {
    Attach {
        source: Some(Source::default()),
        target: Some(Target::Node(Terminus::at("in"))),
        initial_delivery_count: Some(0),
        ..Attach::new(name, 0, Role::Sender)
    }
}

/// What a sender says that settles a delivery which was accepted.
fn settling(delivery: u32) -> Disposition<'static> {
    let (role, state) = (Role::Sender, Some(DeliveryState::Accepted));
    Disposition { role, first: delivery, last: None, settled: true, state, batchable: false }
}

#[test]
fn an_attach_goes_on_as_it_is_and_so_does_its_answer() {
    for shards in [1, 3] {
        let (router, mut service) = served(shards);
        let mut properties = Map::default();
        properties.insert("colour", Value::String("blue".to_owned()));
        let attach = Attach {
            snd_settle_mode: SenderSettleMode::Unsettled,
            rcv_settle_mode: ReceiverSettleMode::Second,
            properties,
            desired_capabilities: vec!["x:y".into()],
            max_message_size: Some(77),
            ..sending("as-it-is")
        };
        let (mut client, link, asked) = asking(&router, &mut service, &attach);
        let unnumbered = |attach: Attach| Attach { handle: 0, initial_delivery_count: Some(0), ..attach };
        assert_eq!(unnumbered((*asked).clone()), attach);
        let mut answer = asked.answer();
        answer.offered_capabilities = vec!["z".into()];
        answer.max_message_size = Some(4321);
        service.machine.accept_attach(link, answer, &mut service.out);
        service.machine.grant(link, 3);
        service.flush();
        let (answer, refused) = client.answer("as-it-is");
        assert_eq!(
            (answer.offered_capabilities, answer.max_message_size, refused),
            (vec!["z".into()], Some(4321), None)
        );
        assert_eq!(
            (answer.snd_settle_mode, answer.rcv_settle_mode),
            (SenderSettleMode::Unsettled, ReceiverSettleMode::Second)
        );
        client.wait_for_credit();
        // A tag, a format, and the settling of both ends.
        let tag = [7; 32];
        let message = b"\x00\x53\x75\xa0\x04body";
        let transfer = Transfer {
            delivery_id: Some(0),
            delivery_tag: Some(&tag),
            message_format: Some(0x00aa_bb00),
            ..Transfer::default()
        };
        let mut frame = Vec::new();
        encode_transfer(&mut frame, 0, &transfer, message.len());
        frame.extend(message);
        client.send(&frame);
        let delivery = service.until(|heard| match heard {
            Heard::Came(delivery, came, 0x00aa_bb00, payload) if came == tag && payload == message => Some(delivery),
            other => panic!("{other:?}"),
        });
        service.machine.settle(link, delivery, delivery, DeliveryOutcome::Accepted);
        service.flush();
        let settled = client.until(|performative| match performative {
            Performative::Disposition(said) => Some(said.settled),
            _ => None,
        });
        assert!(!settled, "the receiver waits for its sender");
        client.put(&Performative::Disposition(settling(0)));
        service.until(|heard| match heard {
            Heard::Confirmed(said) => (said.settled.is_yes() && said.deliveries.first == delivery).then_some(()),
            _ => None,
        });
        // The container ends it, and says why.
        let error = AmqpError::new("shop:closed", "for today");
        service.machine.detach(link, Closing::Closed, Some(error.clone()), &mut service.out);
        service.flush();
        assert_eq!(ended(&mut client).error, Some(error));
    }
}

#[test]
fn an_attach_that_the_container_refuses_is_refused_as_it_says() {
    let (router, mut service) = served(2);
    let (mut client, link, _) = asking(&router, &mut service, &sending("refused"));
    let error = AmqpError::new("shop:closed", "for good");
    service.machine.refuse_attach(link, error.clone(), &mut service.out);
    service.flush();
    let (answer, refused) = client.answer("refused");
    assert!(answer.target.is_none());
    assert_eq!(refused, Some(error));
}

#[test]
fn a_container_that_does_not_answer_holds_up_its_link_only_and_not_for_ever() {
    let (router, mut service) = served(2);
    let (mut client, ..) = asking(&router, &mut service, &sending("waits"));
    // Other links are served meanwhile.
    client.attach_receiver("elsewhere", 1);
    // What would end it waits for the answer; not for longer than ten seconds.
    let begun = Instant::now();
    client.put(&Performative::Close(Close::default()));
    let refused = ended(&mut client).error.expect("why");
    assert_eq!(condition(&refused), "qd:no-route-to-dest");
    assert!(begun.elapsed() > Duration::from_secs(5), "it was given some time");
    client.until(|performative| matches!(performative, Performative::Close(_)).then_some(()));
}

/// A link of a client to the service, which answers detaches itself, and has given credit for three.
fn linked(router: &Broker, service: &mut Service, attach: &Attach) -> (Peer<TcpStream>, LinkId) {
    let (mut client, link, asked) = asking(router, service, attach);
    service.machine.accept_attach(link, asked.answer(), &mut service.out);
    service.machine.answer_later(link);
    if asked.role == Role::Sender {
        service.machine.grant(link, 3);
    }
    service.flush();
    client.answer(&attach.name);
    (client, link)
}

fn detach(handle: u32, closed: bool) -> Performative<'static> {
    Performative::Detach(Detach { handle, closed, error: None })
}

/// What a client hears of its deliveries before the detach, and that.
fn told(client: &mut Peer<TcpStream>) -> (Vec<(u32, String)>, Detach) {
    let mut said = Vec::new();
    let detach = client.until(|performative| match performative {
        Performative::Disposition(told) => {
            said.push((told.first, format!("{:?}", told.state)));
            None
        }
        Performative::Detach(detach) => Some(detach.clone()),
        _ => None,
    });
    (said, detach)
}

#[test]
fn a_detach_is_answered_behind_what_the_container_says_of_deliveries() {
    for (shards, closed) in [(1, true), (3, false)] {
        let (router, mut service) = served(shards);
        let (mut client, link) = linked(&router, &mut service, &sending("leaves"));
        client.wait_for_credit();
        for delivery in 0..2 {
            client.send_message(delivery, Durable::Yes, b"at the last moment");
        }
        client.put(&detach(0, closed));
        let came: Vec<u32> = (0..2)
            .map(|_| {
                service.until(|heard| match heard {
                    Heard::Came(delivery, ..) => Some(delivery),
                    _ => None,
                })
            })
            .collect();
        service.until(|heard| matches!(heard, Heard::Detached(gone) if gone == link).then_some(()));
        service.machine.settle(link, came[0], came[0], DeliveryOutcome::Accepted);
        service.machine.settle(link, came[1], came[1], DeliveryOutcome::Released);
        let error = AmqpError::new("shop:closed", "for today");
        service.machine.detach(link, Closing::Closed, Some(error.clone()), &mut service.out);
        service.flush();
        let (said, answer) = told(&mut client);
        assert_eq!((said.len(), said[0].0, said[1].0), (2, 0, 1), "{said:?}");
        assert!(said[0].1.contains("Accepted") && said[1].1.contains("Released"), "{said:?}");
        assert_eq!((answer.closed, answer.error), (closed, Some(error)));
        // All of it is gone, and a link of the name may be there anew.
        client.put(&Performative::Attach(Box::new(sending("leaves"))));
        service.refuse_next();
        assert!(client.answer("leaves").1.is_some());
    }
}

#[test]
fn a_container_that_detaches_hears_what_the_client_says_of_deliveries() {
    for shards in [1, 3] {
        let (router, mut service) = served(shards);
        let attach = Attach {
            source: Some(Terminus::at("in").into()),
            target: Some(Target::Node(Terminus::default())),
            ..Attach::new("is-left", 1, Role::Receiver)
        };
        let (mut client, link) = linked(&router, &mut service, &attach);
        client.set_credit(0, 3);
        wait_for("credit", || {
            while service.hear().is_some() {}
            (service.machine.credit_free(link) > 0).then_some(())
        });
        let body = bytes::Bytes::from_static(b"\x00\x53\x75\xa0\x04body");
        let settled = amqp_proto::Settled::No;
        let send =
            amqp_proto::Send { key: 1, settled, format: 0, prefix: &[], body: &body, part: amqp_proto::Part::Whole };
        service.machine.send(link, send, &mut service.out);
        service.machine.detach_and_hear(link, Closing::Closed, None, &mut service.out);
        service.flush();
        let (delivery, _) = client.receive_encoded();
        assert!(ended(&mut client).closed);
        client.accept(delivery, delivery);
        client.put(&detach(1, true));
        let outcome = service.until(|heard| match heard {
            Heard::Settled(outcome) => Some(outcome),
            Heard::Detached(_) => panic!("it was told first"),
            _ => None,
        });
        assert_eq!(outcome, Some(DeliveryOutcome::Accepted));
        service.until(|heard| matches!(heard, Heard::Detached(gone) if gone == link).then_some(()));
        wait_for("both halves to be gone", || router.state()["links"].as_array()?.is_empty().then_some(()));
    }
}

#[test]
fn a_detach_that_the_container_does_not_answer_is_answered_all_the_same() {
    let (router, mut service) = served(2);
    let (mut client, link) = linked(&router, &mut service, &sending("waits"));
    client.wait_for_credit();
    client.send_message(0, Durable::Yes, b"for nobody");
    let begun = Instant::now();
    client.put(&detach(0, true));
    // Who attaches it anew waits with it, and others do not.
    client.put(&Performative::Attach(Box::new(sending("waits"))));
    opened(&router).attach_receiver("elsewhere", 1);
    let (said, _) = told(&mut client);
    assert!(said.is_empty() && begun.elapsed() > Duration::from_secs(5), "it was given some time: {said:?}");
    service.machine.detach(link, Closing::Closed, None, &mut service.out);
    service.refuse_next();
    assert!(client.answer("waits").1.is_some());
}

#[test]
fn what_a_container_has_not_settled_has_failed_when_it_goes() {
    for shards in [1, 3] {
        let (router, mut service) = served(shards);
        let (mut client, _) = linked(&router, &mut service, &sending("lost"));
        client.wait_for_credit();
        client.send_message(0, Durable::Yes, b"for nobody");
        service.until(|heard| matches!(heard, Heard::Came(..)).then_some(()));
        drop(service);
        let (_, _, state) = client.state();
        assert!(state.contains("Modified") && state.contains("delivery_failed: true"), "{state}");
        let detach = ended(&mut client);
        assert_eq!((condition(&detach.error.expect("why")), detach.closed), ("qd:routed-link-lost", true));
    }
}

#[test]
fn a_client_that_goes_leaves_nothing_but_what_outlives_its_link() {
    for shards in [1, 3] {
        let (broker, router) = behind(shards);
        let subscribe = || {
            let mut peer = opened(&router);
            let terminus = Terminus {
                durable: Durability::UnsettledState,
                expiry_policy: ExpiryPolicy::Never,
                capabilities: vec!["topic".into()],
                ..Terminus::at("news")
            };
            let attach = Attach {
                source: Some(Source::from(terminus)),
                target: Some(Target::Node(Terminus::at("here"))),
                ..Attach::new("sub", 1, Role::Receiver)
            };
            peer.put(&Performative::Attach(Box::new(attach)));
            assert_eq!(peer.answer("sub").1, None);
            let flow = Flow {
                next_incoming_id: Some(0),
                incoming_window: 100,
                outgoing_window: 100,
                handle: Some(1),
                delivery_count: Some(0),
                link_credit: Some(10),
                ..Flow::default()
            };
            peer.put(&Performative::Flow(flow));
            peer
        };
        let subscriber = subscribe();
        let mut receiver = opened(&router);
        receiver.attach_receiver("in", 10);
        wait_for("the receiver to be there", || (consumers(&broker, "in") == 1).then_some(()));
        drop((subscriber, receiver));
        wait_for("the receiver to be gone", || (consumers(&broker, "in") == 0).then_some(()));
        let mut sender = opened(&router);
        sender.attach_sender("news");
        sender.send_message(0, Durable::Yes, b"while it was away");
        assert_eq!(sender.outcome(), (0, 0, None));
        let mut subscriber = subscribe();
        assert_eq!(subscriber.receive().1, b"while it was away");
        // Its name has that of its container in it: all links of the router are one container's to the broker.
        let state = broker.state();
        let queues = state["queues"].as_array().expect("queues").iter().map(|queue| queue["name"].to_string());
        assert!(queues.clone().any(|name| name.contains("sub@test")), "{:?}", queues.collect::<Vec<_>>());
        // What it detaches for good is gone.
        subscriber.put(&Performative::Detach(Detach { handle: 1, closed: true, error: None }));
        ended(&mut subscriber);
        let has_one = || broker.state()["queues"].to_string().contains("sub@test");
        wait_for("the subscription to be gone", || (!has_one()).then_some(()));
    }
}

#[test]
fn what_a_client_had_has_failed_if_it_is_lost_and_not_if_it_goes_in_order() {
    type Leave = fn(Peer<TcpStream>);
    let session: Leave = |mut peer| peer.put(&Performative::End(performative::End::default()));
    let ways: [(&str, Leave, u32); 3] = [("end", session, 0), ("close", Peer::close, 0), ("lost", drop, 1)];
    for (shards, routers) in [(1, 1), (3, 1), (1, 3)] {
        let broker = Broker::start(BROKER);
        let network = chain(shards, &broker);
        let node = &network[network.len() - routers];
        wait_for("the way to the broker", || opened(&node.broker).try_attach_coordinator().is_none().then_some(()));
        for (way, leave, counts) in ways {
            let _sender = sent(node, 5);
            let mut receiver = node.client();
            receiver.attach_receiver("in", 10);
            (0..5).for_each(|_| drop(receiver.receive()));
            leave(receiver);
            wait_for("it to be gone", || (consumers(&broker, "in") == 0).then_some(()));
            let mut next = node.client();
            next.attach_receiver("in", 0);
            assert_eq!(next.drain_counts(5), [counts; 5], "{way} over {routers} routers");
            next.accept(0, 4);
            wait_for("they to be taken", || (messages(&broker, "in") == 0).then_some(()));
        }
    }
}

#[test]
fn a_drain_ends_with_what_the_broker_has() {
    let (_broker, router) = behind(2);
    let mut sender = opened(&router);
    sender.attach_sender("in");
    sender.send_accepted(Durable::No, (0..3_u8).map(|number| vec![number]));
    let mut receiver = opened(&router);
    receiver.attach_receiver("in", 0);
    assert_eq!(receiver.drain_bodies(10), [[0], [1], [2]]);
    // And once more, behind what was used up.
    let flow = |drain| Flow {
        next_incoming_id: Some(3),
        incoming_window: 100,
        outgoing_window: 100,
        handle: Some(1),
        delivery_count: Some(10),
        link_credit: Some(5),
        drain,
        ..Flow::default()
    };
    receiver.put(&Performative::Flow(flow(false)));
    sender.send_message(3, Durable::No, b"3");
    assert_eq!(receiver.receive().1, b"3");
    receiver.put(&Performative::Flow(Flow { delivery_count: Some(11), link_credit: Some(4), ..flow(true) }));
    let count = receiver.until(|performative| match performative {
        Performative::Flow(Flow { handle: Some(_), link_credit: Some(0), delivery_count, .. }) => *delivery_count,
        _ => None,
    });
    assert_eq!(count, 15, "all credit is used up");
}

#[test]
fn credit_is_that_of_the_other_end() {
    let (_broker, router) = behind(2);
    let mut direct = opened(&_broker);
    direct.attach_sender("in");
    let mut through = opened(&router);
    through.attach_sender("in");
    assert_eq!(through.ask_for_credit(), direct.ask_for_credit());
}

#[test]
fn links_of_one_name_are_several() {
    let (broker, router) = behind(3);
    // Names of links are those of their queues, and all containers have one name.
    let mut receivers: Vec<_> = (0..4).map(|_| opened(&router)).collect();
    receivers.iter_mut().for_each(|receiver| receiver.attach_receiver("in", 1));
    wait_for("all of them", || (consumers(&broker, "in") == 4).then_some(()));
    let mut sender = opened(&router);
    sender.attach_sender("in");
    sender.send_accepted(Durable::No, (0..4_u8).map(|number| vec![number]));
    let mut got: Vec<u8> = receivers.iter_mut().flat_map(|receiver| receiver.receive().1).collect();
    got.sort_unstable();
    assert_eq!(got, [0, 1, 2, 3], "each has one");
}

#[test]
fn addresses_are_what_the_broker_calls_them() {
    let broker = Broker::start(BROKER);
    let routes = "[[link_routes]]\nprefix = \"far\"\nconnection = \"broker\"\nremove_prefix = \"far.\"\n\
                  [[link_routes]]\nprefix = \"out\"\nconnection = \"broker\"\ndirection = \"in\"\nadd_prefix = \"b.\"\n";
    let router = in_front_of(broker.addresses[0], 2, routes);
    wait_for_route(&router, "far.in");
    let mut sender = opened(&router);
    sender.attach_sender("far.in");
    sender.send_message(0, Durable::Yes, b"x");
    assert_eq!((sender.outcome(), messages(&broker, "in")), ((0, 0, None), 1));
    let mut sender = opened(&router);
    sender.attach_sender("out.a");
    sender.send_message(0, Durable::Yes, b"y");
    assert_eq!((sender.outcome(), messages(&broker, "b.out.a")), ((0, 0, None), 1));
    // The answer has the name that was asked for.
    let mut receiver = opened(&router);
    let attach = Attach {
        source: Some(Source::from(Terminus::at("far.in"))),
        target: Some(Target::Node(Terminus::default())),
        ..Attach::new("named", 1, Role::Receiver)
    };
    receiver.put(&Performative::Attach(Box::new(attach)));
    let (answer, refused) = receiver.answer("named");
    assert_eq!((answer.source.and_then(|source| source.terminus.address), refused), (Some("far.in".to_owned()), None));
}

/// Has the system keep little of what a peer does not read.
fn little_room(stream: &TcpStream) {
    use std::os::fd::AsRawFd as _;
    let octets: libc::c_int = 64 << 10;
    // SAFETY: the option is an int, of which the pointer is one, and the length its own.
    let done = unsafe {
        let octets = std::ptr::from_ref(&octets).cast();
        libc::setsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, octets, size_of::<libc::c_int>() as u32)
    };
    assert_eq!(done, 0);
}

#[test]
fn what_a_slow_receiver_does_not_read_stays_at_the_broker() {
    for shards in [1, 3] {
        let (broker, router) = behind(shards);
        let body = vec![7; 100_000];
        // Each sends what its session's window lets it.
        for _ in 0..12 {
            let mut sender = opened(&router);
            sender.attach_sender("in");
            sender.send_accepted(Durable::No, (0..50).map(|_| body.clone()));
        }
        let before = crate::large::resident_mib(router.process.id());
        // It gives credit for everything, and reads nothing.
        let stream = crate::peer::connect(router.addresses[0]);
        little_room(&stream);
        let mut slow = Peer::new(stream);
        slow.open();
        slow.attach_receiver("in", 600);
        wait_for("it to have some", || (broker.queue("in")?["acquired"].as_u64()? > 0).then_some(()));
        // Others of the same connection to the broker go on.
        let mut other = opened(&router);
        other.attach_receiver("out", 100);
        let mut more = opened(&router);
        more.attach_sender("out");
        for number in 0..100 {
            more.send_message(number, Durable::No, b"go");
            assert_eq!(more.outcome(), (number, number, None));
            let (delivery, _) = other.receive();
            other.accept(delivery, delivery);
        }
        let resident = crate::large::resident_mib(router.process.id());
        assert!(resident - before < 30, "60 MB are not at the router: {resident} MiB, {before} before");
        // All of it comes when it reads.
        let mut whole = 0;
        while whole < 600 {
            let (is_whole, delivery) = slow.until(|performative| match performative {
                Performative::Transfer(transfer) => Some((!transfer.more, transfer.delivery_id)),
                _ => None,
            });
            whole += u32::from(is_whole);
            delivery.into_iter().for_each(|delivery| slow.accept(delivery, delivery));
        }
        wait_for("the queue to be empty", || (messages(&broker, "in") == 0).then_some(()));
    }
}

#[test]
fn a_large_message_passes_in_parts_and_one_that_is_given_up_is_nowhere() {
    for shards in [1, 3] {
        let (broker, router) = behind(shards);
        let mut sender = opened(&router);
        sender.attach_sender("in");
        sender.send_large(0, Durable::Yes, 20_000_000, End::Whole);
        assert_eq!(sender.outcome(), (0, 0, None));
        sender.send_large(1, Durable::Yes, 5_000_000, End::Aborted);
        sender.send_message(2, Durable::Yes, b"next");
        assert_eq!(sender.outcome(), (2, 2, None), "the link goes on");
        assert_eq!(messages(&broker, "in"), 2);
        let mut receiver = opened(&router);
        receiver.attach_receiver("in", 5);
        let (delivery, octets) = receiver.receive_large();
        assert_eq!(octets, 20_000_000);
        receiver.accept(delivery, delivery);
        assert_eq!(receiver.receive().1, b"next");
        // Half of one, and the client is gone.
        sender.send_large(3, Durable::Yes, 5_000_000, End::CutOff);
        drop(sender);
        wait_for("the link to be gone", || {
            let links = broker.state()["links"].to_string();
            (!links.contains("producer")).then_some(())
        });
        assert_eq!(messages(&broker, "in"), 1);
    }
}

/// Three routers in a row; the broker is behind the last one.
fn chain(shards: u16, broker: &Broker) -> [Node; 3] {
    let [a, b, c] = places();
    let one = node_with("A", shards, a, &[], "");
    let two = node_with("B", shards, b, &[(a, 1)], "");
    let three = node_with("C", shards, c, &[(b, 1)], &to_broker(broker.addresses[0], ALL));
    [one, two, three]
}

/// A client that has sent so many messages to `in`, each of which the broker accepted.
fn sent(node: &Node, messages: u32) -> Peer<TcpStream> {
    let mut sender = node.client();
    sender.attach_sender("in");
    for number in 0..messages {
        sender.send_message(number, Durable::Yes, &[number as u8]);
        assert_eq!(sender.outcome(), (number, number, None), "accepted by the broker");
    }
    sender
}

#[test]
fn links_go_to_a_broker_behind_another_router() {
    for shards in [1, 3] {
        let broker = Broker::start(BROKER);
        let [one, two, three] = chain(shards, &broker);
        // An address that no route is known for would be routed.
        wait_for("the way to the broker", || opened(&one.broker).try_attach_coordinator().is_none().then_some(()));
        for node in [&one, &two, &three] {
            let _sender = sent(node, 10);
            let mut receiver = node.client();
            receiver.attach_receiver("in", 10);
            for number in 0..10 {
                let (delivery, body) = receiver.receive();
                assert_eq!(body, [number]);
                receiver.accept(delivery, delivery);
            }
            wait_for("the queue to be empty", || (messages(&broker, "in") == 0).then_some(()));
            assert_eq!(opened(&node.broker).try_attach_coordinator(), None, "transactions, too");
        }
        // A router on the way goes.
        let mut receiver = one.client();
        receiver.attach_receiver("in", 10);
        wait_for("it to be there", || (consumers(&broker, "in") == 1).then_some(()));
        drop(two);
        assert_eq!(condition(&ended(&mut receiver).error.expect("why")), "qd:routed-link-lost");
        wait_for("it to be gone", || (consumers(&broker, "in") == 0).then_some(()));
        wait_for("the route to be gone", || opened(&one.broker).try_attach_coordinator().is_some().then_some(()));
    }
}

#[test]
fn links_are_spread_over_brokers_in_turn() {
    let brokers = [Broker::start(BROKER), Broker::start(BROKER)];
    let [first, second] = [&brokers[0], &brokers[1]].map(|broker| broker.addresses[0]);
    let routes =
        format!("{}[[link_routes]]\npattern = \"#\"\nconnection = \"other\"\n", to_broker(first, ALL).replace(ALL, ""));
    let other = to_broker(second, "").replace("\"broker\"", "\"other\"");
    let config = format!(
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[storage]\nenabled = false\n[router]\nenabled = true\n{other}{routes}{ALL}"
    );
    let router = Broker::start_telling(TempDir::new().expect("a folder"), 1, "info", &config);
    wait_for("both to have links", || {
        let mut receivers: Vec<_> = (0..4).map(|_| opened(&router)).collect();
        for receiver in &mut receivers {
            receiver.try_attach_sender("in");
            receiver.attach_receiver("in", 1);
        }
        brokers.iter().all(|broker| consumers(broker, "in") == 2).then_some(())
    });
}

#[test]
fn a_file_of_qdrouterd_says_the_same() {
    let broker = Broker::start(BROKER);
    let at = broker.addresses[0];
    let text = format!(
        "router {{\n id: R\n}}\nlistener {{\n host: 127.0.0.1\n port: 0\n authenticatePeer: no\n}}\nconnector {{\n name: broker\n host: {}\n port: {}\n \
         role: route-container\n}}\nlinkRoute {{\n prefix: in\n direction: in\n connection: broker\n}}\nlinkRoute {{\n prefix: in\n dir: out\n \
         connection: broker\n}}\nlinkRoute {{\n prefix: $coordinator\n direction: in\n connection: broker\n}}\n",
        at.ip(),
        at.port()
    );
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("qdrouterd.conf");
    std::fs::write(&file, text).expect("a file");
    let router = Broker::start_router(TempDir::new().expect("a folder"), &file);
    wait_for_route(&router, "in");
    let mut sender = opened(&router);
    sender.attach_sender("in");
    sender.send_message(0, Durable::Yes, b"x");
    assert_eq!((sender.outcome(), messages(&broker, "in")), ((0, 0, None), 1));
    let mut receiver = opened(&router);
    receiver.attach_receiver("in", 1);
    assert_eq!(receiver.receive().1, b"x");
    assert_eq!(opened(&router).try_attach_coordinator(), None);
}
