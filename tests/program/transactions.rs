//! Transactions from outside: what is sent and received within one is done when that is committed, all of it or nothing.

use std::net::TcpStream;

use amqp_codec::performative::{
    Attach, Coordinator, DeliveryState, Detach, Disposition, Performative, Role, Target, Transfer, encode_transfer,
};
use engine_message::encode::{self, Compound};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Peer, opened};

const LISTENER: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nname = \"in\"\nshard = 0\n\
                        [[address]]\nname = \"out\"\nshard = 0\n";
/// The handle of the coordinator's link.
const COORDINATOR: u32 = 5;
/// A header that says durable.
const DURABLE: [u8; 6] = [0x00, 0x53, 0x70, 0xc0, 2, 1];

/// A connection that has a coordinator, sends to a queue and receives from another.
struct Client {
    peer: Peer<TcpStream>,
    next: u32,
}

/// What became of a delivery.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Accepted,
    Rejected(String),
    Declared(Vec<u8>),
    Within(Vec<u8>, bool),
}

fn attach(peer: &mut Peer<TcpStream>) {
    let target = Some(Target::Coordinator(Coordinator::default()));
    let attach = Attach { target, ..Attach::new("transactions", COORDINATOR, Role::Sender) };
    peer.put(&Performative::Attach(Box::new(attach)));
    let (answer, refused) = peer.answer("transactions");
    assert_eq!(refused, None);
    let Some(Target::Coordinator(Coordinator { capabilities })) = answer.target else { panic!("a coordinator") };
    assert!(capabilities.iter().any(|capability| *capability == "amqp:local-transactions"));
    // Or it would be taken for that of the next link.
    peer.until(|performative| matches!(performative, Performative::Flow(flow) if flow.handle.is_some()).then_some(()));
}

impl Client {
    fn new(broker: &Broker) -> Self {
        let mut peer = opened(broker);
        attach(&mut peer);
        Self { peer, next: 0 }
    }

    fn sending_to(broker: &Broker, queue: &str) -> Self {
        let mut client = Self::new(broker);
        client.peer.attach_sender(queue);
        client
    }

    /// Sends a message of encoded sections; gives what becomes of it.
    fn transfer(&mut self, handle: u32, transaction: Option<&[u8]>, message: &[u8]) -> Became {
        let delivery = self.put_transfer(handle, transaction, message);
        self.became(delivery)
    }

    /// Sends a message of encoded sections; gives its delivery.
    fn put_transfer(&mut self, handle: u32, transaction: Option<&[u8]>, message: &[u8]) -> u32 {
        let (delivery, tag) = (self.next, self.next.to_be_bytes());
        self.next += 1;
        let state = transaction.map(|txn_id| DeliveryState::Transactional { txn_id, outcome: None });
        let transfer =
            Transfer { handle, delivery_id: Some(delivery), delivery_tag: Some(&tag), state, ..Transfer::default() };
        let mut out = Vec::new();
        encode_transfer(&mut out, 0, &transfer, message.len());
        out.extend(message);
        self.peer.send(&out);
        delivery
    }

    fn became(&mut self, delivery: u32) -> Became {
        self.peer.until(|performative| {
            let Performative::Disposition(said) = performative else { return None };
            if said.role != Role::Receiver || !(said.first..=said.last.unwrap_or(said.first)).contains(&delivery) {
                return None;
            }
            Some(match said.state.as_ref()? {
                DeliveryState::Accepted => Became::Accepted,
                DeliveryState::Rejected { error } => {
                    Became::Rejected(String::from_utf8_lossy(error.unwrap_or_default()).into_owned())
                }
                DeliveryState::Declared { txn_id } => Became::Declared(txn_id.to_vec()),
                DeliveryState::Transactional { txn_id, outcome } => {
                    assert_eq!(outcome.map(DeliveryState::read), Some(Ok(DeliveryState::Accepted)));
                    Became::Within(txn_id.to_vec(), said.settled)
                }
                other => panic!("{other:?}"),
            })
        })
    }

    fn declare(&mut self) -> Vec<u8> {
        match self.transfer(COORDINATOR, None, &[0x00, 0x53, 0x77, 0x00, 0x53, 0x31, 0x45]) {
            Became::Declared(id) => id,
            other => panic!("{other:?}"),
        }
    }

    /// Ends a transaction: `Ok`, or why not.
    fn discharge(&mut self, id: &[u8], fail: bool) -> Result<(), String> {
        let delivery = self.put_discharge(id, fail);
        self.ended(delivery)
    }

    /// Asks for the end of a transaction; gives the delivery by which it does.
    fn put_discharge(&mut self, id: &[u8], fail: bool) -> u32 {
        let mut message = vec![0x00, 0x53, 0x77];
        let mut list = Compound::described(&mut message, 0x32);
        list.put(|out| encode::binary(out, id)).put(|out| encode::boolean(out, fail));
        list.finish();
        self.put_transfer(COORDINATOR, None, &message)
    }

    /// Waits until so many of these commits were answered, or all; gives how many were.
    fn committed(&mut self, ends: &[u32], wanted: usize) -> usize {
        let mut answered = 0;
        while answered < ends.len().min(wanted) {
            let (first, last, accepted) = self.peer.until(|performative| match performative {
                Performative::Disposition(said) if said.role == Role::Receiver => {
                    Some((said.first, said.last.unwrap_or(said.first), said.state == Some(DeliveryState::Accepted)))
                }
                _ => None,
            });
            assert!(accepted, "it is committed");
            answered += ends.iter().filter(|&&delivery| (first..=last).contains(&delivery)).count();
        }
        answered
    }

    /// What became of a transaction.
    fn ended(&mut self, delivery: u32) -> Result<(), String> {
        match self.became(delivery) {
            Became::Accepted => Ok(()),
            Became::Rejected(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a durable message.
    fn send(&mut self, transaction: &[u8], body: &[u8]) {
        let message = durable(body);
        let became = self.transfer(0, Some(transaction), &message);
        assert_eq!(became, Became::Within(transaction.to_vec(), true));
    }

    /// Accepts a delivery within a transaction.
    fn retire(&mut self, transaction: &[u8], delivery: u32, settled: bool) {
        let mut outcome = Vec::new();
        DeliveryState::Accepted.encode(&mut outcome);
        let state = Some(DeliveryState::Transactional { txn_id: transaction, outcome: Some(&outcome) });
        let disposition =
            Disposition { role: Role::Receiver, first: delivery, last: None, settled, state, batchable: false };
        self.peer.put(&Performative::Disposition(disposition));
    }
}

fn durable(body: &[u8]) -> Vec<u8> {
    let length = u8::try_from(body.len()).expect("a short body");
    // Long data, as `Peer::receive` looks for it.
    [&DURABLE[..], &[0x41, 0x00, 0x53, 0x75, 0xb0, 0, 0, 0, length], body].concat()
}

/// Puts messages into a queue.
fn fill(broker: &Broker, queue: &str, bodies: &[&[u8]]) {
    let mut peer = opened(broker);
    peer.attach_sender(queue);
    peer.send_accepted(crate::peer::Durable::Yes, bodies.iter().map(|body| body.to_vec()));
}

/// All messages of a queue; they stay there.
fn bodies(broker: &Broker, queue: &str) -> Vec<Vec<u8>> {
    let mut peer = opened(broker);
    peer.attach_receiver(queue, 0);
    peer.drain_bodies(100)
}

fn started(shards: u16) -> Broker {
    Broker::start_with(TempDir::new().expect("a folder"), shards, LISTENER)
}

#[test]
fn what_is_committed_is_there_behind_a_kill_and_what_is_not_is_nowhere() {
    for shards in [1, 3] {
        let broker = started(shards);
        fill(&broker, "in", &[b"one", b"two"]);
        let mut client = Client::sending_to(&broker, "out");
        client.peer.attach_receiver("in", 2);
        let deliveries = [client.peer.receive(), client.peer.receive()];
        assert_eq!(deliveries.each_ref().map(|(_, body)| body.as_slice()), [b"one", b"two"]);

        let (kept, lost) = (client.declare(), client.declare());
        client.send(&kept, b"kept");
        client.send(&lost, b"lost");
        client.retire(&kept, deliveries[0].0, true);
        client.retire(&lost, deliveries[1].0, true);
        assert_eq!(bodies(&broker, "out"), [[0_u8; 0]; 0], "nothing before its commit");
        client.discharge(&kept, false).expect("it is committed");
        client.send(&lost, b"lost, too");

        let broker = Broker::start_with(broker.kill(), shards, LISTENER);
        assert_eq!(bodies(&broker, "out"), [b"kept"], "{shards}");
        assert_eq!(bodies(&broker, "in"), [b"two"], "{shards}");
    }
}

#[test]
fn what_is_rolled_back_comes_again_and_counts() {
    for shards in [1, 3] {
        let broker = started(shards);
        fill(&broker, "in", &[b"one"]);
        let mut client = Client::sending_to(&broker, "out");
        for attempt in 0..3 {
            client.peer.attach_receiver("in", 0);
            let id = client.declare();
            assert_eq!(client.peer.drain_counts(1), [attempt]);
            client.send(&id, b"never");
            client.retire(&id, attempt, true);
            client.discharge(&id, true).expect("it is rolled back");
            client.peer.put(&Performative::Detach(Detach { handle: 1, closed: true, error: None }));
            client.peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
        }
        assert_eq!(bodies(&broker, "out"), [[0_u8; 0]; 0]);
    }
}

#[test]
fn a_link_that_ends_before_the_commit_loses_nothing() {
    for (shards, settled) in [(1, true), (3, true), (1, false), (3, false)] {
        let broker = started(shards);
        fill(&broker, "in", &[b"one", b"two"]);
        let mut client = Client::sending_to(&broker, "out");
        let id = client.declare();
        client.peer.attach_receiver("in", 2);
        let (first, _) = client.peer.receive();
        client.send(&id, b"kept");
        client.retire(&id, first, settled);
        for handle in [0, 1] {
            client.peer.put(&Performative::Detach(Detach { handle, closed: true, error: None }));
            client.peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
        }
        client.discharge(&id, false).expect("it is committed");
        assert_eq!(bodies(&broker, "out"), [b"kept"]);
        assert_eq!(bodies(&broker, "in"), [b"two"]);
    }
}

/// A client with a transaction that it does not end: the one message of `in` is taken within it, and another one sent to `out`.
fn undecided(broker: &Broker) -> (Client, Vec<u8>) {
    fill(broker, "in", &[b"one"]);
    let mut client = Client::sending_to(broker, "out");
    let id = client.declare();
    client.peer.attach_receiver("in", 1);
    let (first, _) = client.peer.receive();
    client.send(&id, b"never");
    client.retire(&id, first, true);
    (client, id)
}

/// Waits until the message that was taken is back.
fn wait_for_one(broker: &Broker) {
    let there = || broker.queue("in").filter(|queue| queue["acquired"] == 0 && queue["messages"] == 1);
    wait_for("the message to come back", there);
}

#[test]
fn a_connection_that_ends_takes_its_transactions_with_it() {
    let broker = started(2);
    let (mut client, _) = undecided(&broker);
    // The answer to something later says that it was read.
    let other = client.declare();
    client.discharge(&other, true).expect("it is rolled back");
    drop(client);
    wait_for_one(&broker);
    assert_eq!(bodies(&broker, "in"), [b"one"]);
    assert_eq!(bodies(&broker, "out"), [[0_u8; 0]; 0]);
}

#[test]
fn what_is_wrong_with_a_transaction_is_said() {
    let broker = started(1);
    let mut client = Client::sending_to(&broker, "out");
    let rejected = |became: Became| match became {
        Became::Rejected(why) => why,
        other => panic!("{other:?}"),
    };
    for foreign in [&b"x"[..], b"", &[0; 10], &[9; 10]] {
        let unknown = "amqp:transaction:unknown-id";
        let sent = rejected(client.transfer(0, Some(foreign), &durable(b"never")));
        assert!(sent.contains(unknown), "{sent}");
        let ended = client.discharge(foreign, false).expect_err("there is none");
        assert!(ended.contains(unknown), "{ended}");
    }
    let id = client.declare();
    client.discharge(&id, false).expect("it is about nothing");
    assert!(client.discharge(&id, false).expect_err("it has ended").contains("unknown-id"));
    let mut other = Client::sending_to(&broker, "out");
    let id = client.declare();
    assert!(rejected(other.transfer(0, Some(&id), &durable(b"never"))).contains("unknown-id"), "somebody else's");
    for (message, condition) in [
        (&[0x00, 0x53, 0x77, 0x00, 0x53, 0x31, 0xc0, 4, 1, 0xa0, 1, 1][..], "amqp:not-implemented"),
        (&[0x00, 0x53, 0x77, 0x00, 0x53, 0x32, 0x45], "amqp:decode-error"),
        (&[0x00, 0x53, 0x75, 0xa0, 0], "amqp:not-implemented"),
    ] {
        let why = rejected(client.transfer(COORDINATOR, None, message));
        assert!(why.contains(condition), "{why}");
    }
    // And goes on.
    client.send(&id, b"kept");
    client.discharge(&id, false).expect("it is committed");
    assert_eq!(bodies(&broker, "out"), [b"kept"]);
}

/// Two queues, of a shard each.
const APART: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nname = \"in\"\nshard = 0\n\
                     [[address]]\nname = \"out\"\nshard = 1\nmax_messages = 40\nwhen_full = \"refuse\"\n";

/// The same without bounds.
const ANYWHERE: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[[address]]\nname = \"in\"\nshard = 0\n\
                        [[address]]\nname = \"out\"\nshard = 1\n";

#[test]
fn what_is_about_several_shards_is_done_on_all_or_none() {
    for shards in [2, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, APART);
        fill(&broker, "in", &[b"one", b"two", b"three"]);
        let mut client = Client::sending_to(&broker, "out");
        client.peer.attach_receiver("in", 3);
        let deliveries = [(); 3].map(|()| client.peer.receive().0);
        let (kept, lost) = (client.declare(), client.declare());
        client.send(&kept, b"kept");
        client.retire(&kept, deliveries[0], true);
        client.send(&lost, b"lost");
        client.retire(&lost, deliveries[1], true);
        client.discharge(&lost, true).expect("it is rolled back");
        client.discharge(&kept, false).expect("it is committed");
        // One shard refuses its part, so that the other one does not do its own.
        let full = client.declare();
        (0..60).for_each(|_| client.send(&full, b"x"));
        client.discharge(&full, false).expect("a queue may be a little fuller");
        let refused = client.declare();
        client.send(&refused, b"never");
        client.retire(&refused, deliveries[2], true);
        let why = client.discharge(&refused, false).expect_err("the queue is full");
        assert!(why.contains("amqp:transaction:rollback") && why.contains("is full"), "{why}");
        drop(client);
        let broker = Broker::start_with(broker.kill(), shards, APART);
        let out = bodies(&broker, "out");
        assert_eq!((out.len(), out[0].as_slice()), (61, &b"kept"[..]), "{shards}");
        let mut left = bodies(&broker, "in");
        left.sort();
        assert_eq!(left, [&b"three"[..], b"two"], "{shards}");
    }
}

#[test]
fn many_commits_over_shards_at_once_are_all_answered() {
    for shards in [2, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, ANYWHERE);
        let mut client = Client::sending_to(&broker, "in");
        client.peer.attach_sender_as("out", 7);
        for _ in 0..40 {
            let ids: Vec<Vec<u8>> = (0..8).map(|_| client.declare()).collect();
            for id in &ids {
                client.send(id, b"x");
                let became = client.transfer(7, Some(id), &durable(b"y"));
                assert_eq!(became, Became::Within(id.clone(), true));
            }
            let ends: Vec<u32> = ids.iter().map(|id| client.put_discharge(id, false)).collect();
            assert_eq!(client.committed(&ends, ends.len()), ends.len());
        }
        for queue in ["in", "out"] {
            assert_eq!(broker.queue(queue).expect("it is there")["messages"], 320);
        }
    }
}

/// Messages are moved between queues of two shards, back and forth, and the broker is killed again and again while it commits: each is in
/// one of them at last, once.
#[test]
fn what_is_moved_between_shards_is_neither_lost_nor_doubled_by_kills() {
    const TOKENS: u8 = 32;
    const COMMITS: usize = 8;
    let mut broker = Broker::start_with(TempDir::new().expect("a folder"), 2, ANYWHERE);
    let tokens: Vec<[u8; 1]> = (0..TOKENS).map(|token| [token]).collect();
    fill(&broker, "in", &tokens.iter().map(|token| token.as_slice()).collect::<Vec<_>>());
    let mut committed = 0;
    for round in 0..10 {
        let (from, to) = if round % 2 == 0 { ("in", "out") } else { ("out", "in") };
        let count = broker.queue(from).map_or(0, |queue| queue["messages"].as_u64().unwrap_or(0));
        let mut client = Client::sending_to(&broker, to);
        let moves = COMMITS.min(usize::try_from(count).expect("few"));
        client.peer.attach_receiver(from, u32::try_from(moves).expect("few"));
        let given: Vec<(u32, Vec<u8>)> = (0..moves).map(|_| client.peer.receive()).collect();
        let mut ends = Vec::new();
        for (delivery, token) in given {
            let id = client.declare();
            client.send(&id, &token);
            client.retire(&id, delivery, true);
            ends.push(id);
        }
        let ends: Vec<u32> = ends.iter().map(|id| client.put_discharge(id, false)).collect();
        // Some are answered, and others on their way.
        let answered = client.committed(&ends, round / 2);
        committed += answered;
        broker = Broker::start_with(broker.kill(), 2, ANYWHERE);
    }
    assert!(committed > 15, "{committed}");
    let mut there = bodies(&broker, "in");
    there.extend(bodies(&broker, "out"));
    there.sort();
    assert_eq!(there, tokens);
    // Nothing is left of what was decided.
    let stopped = broker.stop();
    let told = crate::broker::run(&["data", "stat", "--data-dir", &stopped.path().join("data").display().to_string()]);
    assert!(told.status.success(), "{}", crate::broker::text(&told));
}

#[test]
fn a_coordinators_link_that_ends_takes_its_transactions_with_it() {
    let broker = started(1);
    let (mut client, id) = undecided(&broker);
    client.peer.put(&Performative::Detach(Detach { handle: COORDINATOR, closed: true, error: None }));
    client.peer.until(|performative| matches!(performative, Performative::Detach(_)).then_some(()));
    wait_for_one(&broker);
    assert_eq!(bodies(&broker, "out"), [[0_u8; 0]; 0]);
    // The transaction is not there any more, and the connection is.
    attach(&mut client.peer);
    assert!(client.discharge(&id, false).expect_err("it was rolled back").contains("unknown-id"));
}

#[test]
fn a_routed_address_is_no_part_of_a_transaction() {
    const BOTH: &str = "[[listeners]]\naddress = \"127.0.0.1:0\"\n[router]\nenabled = true\n[[routes]]\nprefix = \"orders\"\n\
                        distribution = \"stored\"\n";
    for shards in [1, 3] {
        let broker = Broker::start_with(TempDir::new().expect("a folder"), shards, BOTH);
        let mut receiver = opened(&broker);
        receiver.attach_receiver("passes", 10);
        let mut client = Client::sending_to(&broker, "passes");
        client.peer.attach_sender_as("orders", 1);
        let transaction = client.declare();
        let Became::Rejected(why) = client.transfer(0, Some(&transaction), &durable(b"within")) else {
            panic!("it is routed")
        };
        assert!(why.contains("amqp:not-implemented") && why.contains("routed"), "{why}");
        let kept = client.transfer(1, Some(&transaction), &durable(b"kept"));
        assert_eq!(kept, Became::Within(transaction.clone(), true));
        assert_eq!(client.discharge(&transaction, false), Ok(()));
        // Outside of it both go on.
        let delivery = client.put_transfer(0, None, &durable(b"outside"));
        assert_eq!(receiver.receive().1, b"outside", "and nothing else");
        receiver.accept(0, 0);
        assert_eq!(client.became(delivery), Became::Accepted);
        assert_eq!(bodies(&broker, "orders"), [b"kept".to_vec()]);
        // What is received cannot be settled within one either.
        let mut client = Client::new(&broker);
        let transaction = client.declare();
        client.peer.attach_receiver("passes.2", 10);
        let mut sender = opened(&broker);
        sender.attach_sender("passes.2");
        sender.send_message(0, crate::peer::Durable::No, b"received");
        let (delivery, _) = client.peer.receive();
        client.retire(&transaction, delivery, true);
        let why = client.peer.detached();
        assert!(why.contains("amqp:not-implemented"), "{why}");
        assert_eq!(client.discharge(&transaction, false), Ok(()));
    }
}
