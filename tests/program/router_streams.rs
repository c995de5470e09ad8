//! Messages that pass a router before they are whole: part by part, at the pace of the slowest receiver, and what becomes of those that do not
//! come to their end.
//!
//! The system gives each connection to a shard of its choosing: with several shards both ends are on the same one and on others.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Barrier};

use amqp_codec::performative::{self, DeliveryState, Disposition, Performative, Role, Transfer, encode_transfer};
use tempfile::TempDir;

use crate::broker::{Broker, wait_for};
use crate::peer::{Durable, Peer, connect};
use crate::router::figure;
use crate::router_network::{node, places};

/// Octets of a part as it is sent here.
const PART: usize = 100_000;
/// Transfers that may be under way to a session: 64 MiB in frames of 512 KiB.
const WINDOW: u32 = 128;
/// The same of a listener with frames of the usual size.
const USUAL_WINDOW: u32 = 512;
/// What a message has in memory of a shard, octets: what a router keeps of it before its sender is held up, on the shard of either end, and what was on
/// its way then.
const KEPT_MAX: u64 = 2 * (2 << 20) + WINDOW as u64 * PART as u64;

fn router(shards: u16, memory_mib: u16) -> Broker {
    let text = format!(
        "[storage]\nenabled = false\n[[listeners]]\naddress = \"127.0.0.1:0\"\nmax_frame_size = 524288\n[router]\nenabled = true\nlink_capacity = 20\n\
         [limits]\nmemory_mib = {memory_mib}\n[[routes]]\nprefix = \"news\"\ndistribution = \"multicast\"\n"
    );
    Broker::start_with(TempDir::new().expect("a folder"), shards, &text)
}

fn client(at: SocketAddr) -> Peer<TcpStream> {
    let mut peer = Peer::new(connect(at));
    peer.open();
    peer
}

/// Somebody who sends a message in parts, as its session's window allows.
struct Sender {
    peer: Peer<TcpStream>,
    delivery: u32,
    /// Transfers that were sent, and that may be.
    sent: u32,
    limit: u32,
    /// Octets of the message that comes, and of its data that were sent.
    bytes: usize,
    at: usize,
    told: Vec<(u32, String)>,
    /// Outcomes that were told of what is not whole, and are not settled.
    half: Vec<(u32, String)>,
}

impl Sender {
    fn new(at: SocketAddr, address: &str) -> Self {
        let mut peer = client(at);
        peer.attach_sender(address);
        Self { peer, delivery: 0, sent: 0, limit: WINDOW, bytes: 0, at: 0, told: Vec::new(), half: Vec::new() }
    }

    /// Begins a message with so many octets of data, whose first part it sends.
    fn begin(&mut self, bytes: usize) {
        (self.bytes, self.at) = (bytes, 0);
        self.send_parts(3);
    }

    /// Sends so many parts, and the rest if that is less.
    fn send_parts(&mut self, parts: usize) {
        for _ in 0..parts {
            if self.at == self.bytes {
                return;
            }
            let (first, count) = (self.at == 0, PART.min(self.bytes - self.at));
            let tag = self.delivery.to_be_bytes();
            let transfer = Transfer {
                handle: 0,
                delivery_id: first.then_some(self.delivery),
                delivery_tag: first.then_some(&tag),
                more: self.at + count < self.bytes,
                ..Transfer::default()
            };
            let mut payload = Vec::new();
            if first {
                payload.extend([0x00, 0x53, 0x75, 0xb0]);
                payload.extend(u32::try_from(self.bytes).expect("it fits").to_be_bytes());
            }
            payload.extend((self.at..self.at + count).map(octet));
            self.at += count;
            self.delivery += u32::from(self.at == self.bytes);
            self.transfer(&transfer, &payload);
        }
    }

    fn abort(&mut self) {
        self.transfer(&Transfer { handle: 0, aborted: true, ..Transfer::default() }, &[]);
        self.delivery += 1;
    }

    fn transfer(&mut self, transfer: &Transfer<'_>, payload: &[u8]) {
        while self.sent == self.limit {
            self.hear();
        }
        self.sent += 1;
        let mut out = Vec::new();
        encode_transfer(&mut out, 0, transfer, payload.len());
        out.extend(payload);
        self.peer.send(&out);
    }

    fn hear(&mut self) {
        let (_, body) = self.peer.frame().expect("the router goes on");
        match performative::decode(&body) {
            Ok((Performative::Flow(flow), _)) => {
                self.limit = flow.next_incoming_id.unwrap_or(0).wrapping_add(flow.incoming_window);
            }
            Ok((Performative::Disposition(disposition), _)) => {
                let is_outcome = !matches!(disposition.state, Some(DeliveryState::Received { .. }) | None);
                let state = disposition.state.as_ref().map(|state| format!("{state:?}")).unwrap_or_default();
                let told = (disposition.first, state);
                match self.half.iter().position(|half| *half == told) {
                    Some(at) => {
                        assert!(disposition.settled, "it is told once before the last word");
                        self.half.remove(at);
                        return;
                    }
                    None if is_outcome && !disposition.settled => self.half.push(told.clone()),
                    None => {}
                }
                self.told.push(told);
            }
            _ => {}
        }
    }

    /// Sends the rest of a message that has an outcome, and hears then that it is settled: not before, when a router of qdrouterd's would pass
    /// over that.
    fn end_half(&mut self) {
        assert_eq!(self.half.len(), 1, "it is settled when it is whole");
        self.send_parts(usize::MAX);
        while !self.half.is_empty() {
            self.hear();
        }
    }

    /// The next outcome.
    fn outcome(&mut self) -> (u32, String) {
        while self.told.is_empty() {
            self.hear();
        }
        self.told.remove(0)
    }
}

fn octet(at: usize) -> u8 {
    (at % 251) as u8
}

/// How a message goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    Ended,
    Aborted,
}

/// Somebody who receives a message in parts.
struct Receiver {
    peer: Peer<TcpStream>,
    delivery: u32,
    /// Octets of data that came.
    at: usize,
    is_inside: bool,
}

impl Receiver {
    fn new(at: SocketAddr, address: &str, credit: u32) -> Self {
        let mut peer = client(at);
        peer.attach_receiver(address, credit);
        Self { peer, delivery: 0, at: 0, is_inside: false }
    }

    /// The next part; each octet is looked at.
    fn part(&mut self) -> Goes {
        loop {
            let (_, body) = self.peer.frame().expect("the router goes on");
            let Ok((Performative::Transfer(transfer), payload)) = performative::decode(&body) else { continue };
            if transfer.aborted {
                self.is_inside = false;
                return Goes::Aborted;
            }
            let mut data = payload;
            if !std::mem::replace(&mut self.is_inside, transfer.more) {
                self.delivery = transfer.delivery_id.expect("it begins");
                self.at = 0;
                let front = payload.windows(4).position(|octets| octets == [0x00, 0x53, 0x75, 0xb0]);
                data = &payload[front.expect("a data section") + 8..];
            }
            let is_right = data.iter().zip(self.at..).all(|(&found, at)| found == octet(at));
            assert!(is_right, "what was sent, from {} on", self.at);
            self.at += data.len();
            return if transfer.more { Goes::On } else { Goes::Ended };
        }
    }

    /// Reads until so many octets of data of one message have come.
    fn read_to(&mut self, bytes: usize) -> Goes {
        if !self.is_inside {
            self.at = 0;
        }
        let mut goes = Goes::On;
        while self.at < bytes && goes == Goes::On {
            goes = self.part();
        }
        goes
    }

    fn accept(&mut self) {
        self.peer.accept(self.delivery, self.delivery);
    }
}

fn accepted() -> String {
    format!("{:?}", DeliveryState::Accepted)
}

/// Waits until a router has nothing under way.
fn wait_for_nothing(router: &Broker) {
    wait_for("nothing to be left", || (figure(router, "under_way") == 0 && figure(router, "bytes") == 0).then_some(()));
}

#[test]
fn a_message_larger_than_memory_passes_while_its_sender_still_sends() {
    for shards in [1, 3] {
        let router = router(shards, 4 * shards);
        for pair in 0..4 {
            let address = format!("files.{pair}");
            let mut receiver = Receiver::new(router.addresses[0], &address, 5);
            let mut sender = Sender::new(router.addresses[0], &address);
            let bytes = 40_000_000;
            sender.begin(bytes);
            while sender.at < bytes {
                receiver.read_to(sender.at);
                assert_eq!(receiver.at, sender.at, "what was sent is there, and the message is not whole");
                assert!(figure(&router, "bytes") <= KEPT_MAX, "{}", figure(&router, "bytes"));
                sender.send_parts(20);
            }
            assert_eq!((receiver.read_to(bytes), receiver.at), (Goes::Ended, bytes));
            receiver.accept();
            assert_eq!(sender.outcome(), (0, accepted()));
            wait_for_nothing(&router);
        }
    }
}

#[test]
fn a_receiver_that_is_slow_holds_up_its_sender_and_nobody_else() {
    for shards in [1, 3] {
        let router = router(shards, 1000);
        let at = router.addresses[0];
        let mut receiver = Receiver::new(at, "files", 0);
        let mut other = Receiver::new(at, "others", 100);
        let mut sender = Sender::new(at, "files");
        let bytes = 60_000_000;
        let sending = std::thread::spawn(move || {
            sender.begin(bytes);
            sender.send_parts(usize::MAX);
            sender
        });
        // All that its window allows, and no more.
        let held = u64::from(WINDOW) * PART as u64;
        wait_for("the sender to be held up", || (figure(&router, "bytes") >= held).then_some(()));
        let mut quick = client(at);
        quick.attach_sender("others");
        for number in 0..50 {
            quick.send_message(number, Durable::No, b"small");
            let (delivery, _) = other.peer.receive();
            other.peer.accept(delivery, delivery);
            assert_eq!(quick.outcome(), (number, number, None));
            assert!(figure(&router, "bytes") <= KEPT_MAX, "{}", figure(&router, "bytes"));
        }
        assert!(!sending.is_finished(), "it waits for room");
        receiver.peer.set_credit(0, 1);
        assert_eq!(receiver.read_to(bytes), Goes::Ended);
        receiver.accept();
        let mut sender = sending.join().expect("it has sent all");
        assert_eq!(sender.outcome(), (0, accepted()));
        wait_for_nothing(&router);
    }
}

#[test]
fn what_a_sender_aborts_is_aborted_at_its_receivers_and_its_credit_is_back() {
    for shards in [1, 3] {
        let router = router(shards, 100);
        let at = router.addresses[0];
        let mut receiver = Receiver::new(at, "files", 100);
        let mut sender = Sender::new(at, "files");
        // More often than it has credit.
        for _ in 0..30 {
            sender.begin(10_000_000);
            receiver.read_to(3 * PART);
            sender.abort();
            while receiver.is_inside {
                receiver.part();
            }
        }
        assert_eq!(
            figure(&router, "aborted") / 30,
            figure(&router, "aborted").div_ceil(30),
            "each once, or on two shards"
        );
        // The end of a connection says the same.
        sender.begin(10_000_000);
        receiver.read_to(3 * PART);
        drop(sender);
        assert_eq!(receiver.part(), Goes::Aborted);
        wait_for_nothing(&router);
        // Nobody sees what had not begun.
        let mut late = Receiver::new(at, "late", 0);
        let mut sender = Sender::new(at, "late");
        sender.begin(10_000_000);
        wait_for("it to wait", || (figure(&router, "bytes") > 0).then_some(()));
        sender.abort();
        wait_for_nothing(&router);
        sender.begin(4 * PART);
        sender.send_parts(1);
        late.peer.set_credit(0, 1);
        assert_eq!(late.read_to(4 * PART), Goes::Ended);
        late.accept();
        assert_eq!(sender.outcome(), (1, accepted()));
    }
}

#[test]
fn a_receiver_that_is_lost_half_way_fails_the_message_and_the_rest_is_left_out() {
    for shards in [1, 3] {
        let router = router(shards, 100);
        let at = router.addresses[0];
        let mut sender = None;
        for (round, credit) in (0..).zip([5, 0]) {
            let mut receiver = Receiver::new(at, "files", credit);
            let mut sending = sender.take().unwrap_or_else(|| Sender::new(at, "files"));
            sending.begin(30_000_000);
            match credit {
                0 => wait_for("it to wait", || (figure(&router, "bytes") > 0).then_some(())),
                _ => assert_eq!(receiver.read_to(3 * PART), Goes::On),
            }
            drop(receiver);
            let (delivery, state) = sending.outcome();
            let failed =
                DeliveryState::Modified { delivery_failed: true, undeliverable_here: false, annotations: None };
            let told = if credit == 0 { DeliveryState::Released } else { failed };
            assert_eq!((delivery, state), (round, format!("{told:?}")));
            // The rest of it is taken, so that the link goes on.
            sending.end_half();
            wait_for_nothing(&router);
            sender = Some(sending);
        }
        let mut receiver = Receiver::new(at, "files", 5);
        let mut sender = sender.expect("it is there");
        sender.begin(5 * PART);
        sender.send_parts(usize::MAX);
        assert_eq!(receiver.read_to(5 * PART), Goes::Ended);
        receiver.accept();
        assert_eq!(sender.outcome(), (2, accepted()));
    }
}

#[test]
fn each_receiver_of_a_copied_message_gets_all_of_it() {
    for shards in [1, 3] {
        let router = router(shards, 100);
        let at = router.addresses[0];
        let mut receivers: Vec<Receiver> = (0..4).map(|_| Receiver::new(at, "news", 5)).collect();
        let mut slow = Receiver::new(at, "news", 0);
        let mut sender = Sender::new(at, "news");
        let bytes = 30_000_000;
        let sending = std::thread::spawn(move || {
            sender.begin(bytes);
            sender.send_parts(usize::MAX);
            sender
        });
        for receiver in &mut receivers {
            receiver.read_to(3 * PART);
        }
        // One of them does not want it: that holds up nobody.
        let mut gone = receivers.pop().expect("four");
        gone.peer.decide(gone.delivery, DeliveryState::Released);
        slow.peer.set_credit(0, 1);
        let read = |mut receiver: Receiver| {
            std::thread::spawn(move || {
                assert_eq!((receiver.read_to(bytes), receiver.at), (Goes::Ended, bytes));
                receiver.accept();
                receiver
            })
        };
        let reading: Vec<_> = receivers.into_iter().chain([slow]).map(read).collect();
        let _kept: Vec<Receiver> = reading.into_iter().map(|one| one.join().expect("it has all of it")).collect();
        let mut sender = sending.join().expect("it has sent all");
        assert_eq!(sender.outcome(), (0, accepted()), "of what they said that counts most");
        while gone.is_inside {
            gone.part();
        }
        wait_for_nothing(&router);
    }
}

#[test]
fn a_message_that_is_rejected_half_way_is_told_at_once_and_the_rest_is_left_out() {
    for shards in [1, 3] {
        let router = router(shards, 100);
        let at = router.addresses[0];
        let mut receiver = Receiver::new(at, "files", 5);
        let mut sender = Sender::new(at, "files");
        sender.begin(30_000_000);
        receiver.read_to(3 * PART);
        receiver.peer.reject(receiver.delivery, receiver.delivery, "too blue");
        let (delivery, state) = sender.outcome();
        assert_eq!(delivery, 0);
        assert!(state.contains("Rejected"), "{state}");
        sender.end_half();
        while receiver.is_inside {
            receiver.part();
        }
        wait_for_nothing(&router);
        sender.begin(4 * PART);
        sender.send_parts(usize::MAX);
        assert_eq!(receiver.read_to(4 * PART), Goes::Ended);
        receiver.accept();
        assert_eq!(sender.outcome(), (1, accepted()));
    }
}

#[test]
fn how_far_a_receiver_has_come_is_told_and_a_sender_may_settle_first() {
    for shards in [1, 3] {
        let router = router(shards, 100);
        let at = router.addresses[0];
        for pair in 0..3 {
            let address = format!("files.{pair}");
            let mut receiver = Receiver::new(at, &address, 5);
            let mut sender = Sender::new(at, &address);
            sender.begin(5 * PART);
            receiver.read_to(3 * PART);
            let said = DeliveryState::Received { section_number: 0, section_offset: 250_000 };
            let shown = format!("{said:?}");
            receiver.peer.put(&disposition(Role::Receiver, Some(said)));
            assert_eq!(sender.outcome(), (0, shown));
            sender.peer.put(&disposition(Role::Sender, None));
            sender.send_parts(usize::MAX);
            assert_eq!(receiver.read_to(5 * PART), Goes::Ended);
            receiver.accept();
            // Nothing more is told of that one.
            sender.begin(4 * PART);
            sender.send_parts(usize::MAX);
            assert_eq!(receiver.read_to(4 * PART), Goes::Ended);
            receiver.accept();
            assert_eq!(sender.outcome(), (1, accepted()));
            wait_for_nothing(&router);
        }
    }
}

/// What one end says of its delivery 0: a state, or that it is settled.
fn disposition(role: Role, state: Option<DeliveryState<'_>>) -> Performative<'_> {
    let settled = state.is_none();
    Performative::Disposition(Disposition { role, first: 0, last: None, settled, state, batchable: false })
}

#[test]
fn a_message_in_parts_passes_several_routers() {
    for shards in [1, 3] {
        let [a, b] = places();
        let first = node("A", shards, a, &[]);
        let second = node("B", shards, b, &[(a, 1)]);
        let (here, there) = (first.broker.addresses[0], second.broker.addresses[0]);
        for address in ["files", "news"] {
            let mut receiver = Receiver::new(there, address, 5);
            // It has credit when its router knows of the far one.
            let mut sender = Sender { limit: USUAL_WINDOW, ..Sender::new(here, address) };
            let mut near = (address == "news").then(|| Receiver::new(here, address, 5));
            let delivery = sender.delivery;
            let bytes = 30_000_000;
            sender.begin(bytes);
            while sender.at < bytes {
                for receiver in near.iter_mut().chain([&mut receiver]) {
                    receiver.read_to(sender.at);
                    assert_eq!(receiver.at, sender.at, "it comes before it is whole");
                }
                sender.send_parts(20);
            }
            for receiver in near.iter_mut().chain([&mut receiver]) {
                assert_eq!(receiver.read_to(bytes), Goes::Ended);
                receiver.accept();
            }
            assert_eq!(sender.outcome(), (delivery, accepted()));
            sender.begin(bytes);
            receiver.read_to(3 * PART);
            drop(sender);
            assert_eq!(receiver.part(), Goes::Aborted, "over another router, too");
            for router in [&first, &second] {
                wait_for_nothing(&router.broker);
            }
        }
    }
}

/// Sends copied messages of so many senders at once to as many receivers. Those of each shard begin with their neighbour's, and the others'
/// wait behind that.
fn cross(at: SocketAddr, count: usize, bytes: usize) {
    let receivers: Vec<Receiver> = (0..count).map(|_| Receiver::new(at, "news", 5)).collect();
    // Shards that know of what came last know of them.
    let _last = Receiver::new(at, "last", 1);
    (0..10).for_each(|_| drop(Sender::new(at, "last")));
    let senders: Vec<Sender> = (0..count).map(|_| Sender::new(at, "news")).collect();
    let together = Arc::new(Barrier::new(count));
    let sending = senders.into_iter().map(|mut sender| {
        let together = Arc::clone(&together);
        std::thread::spawn(move || {
            together.wait();
            sender.begin(bytes);
            sender.send_parts(usize::MAX);
            assert_eq!(sender.outcome(), (0, accepted()));
        })
    });
    let receiving = receivers.into_iter().map(|mut receiver| {
        std::thread::spawn(move || {
            for _ in 0..count {
                assert_eq!((receiver.read_to(bytes), receiver.at), (Goes::Ended, bytes));
                receiver.accept();
            }
        })
    });
    let all: Vec<_> = sending.chain(receiving).collect();
    all.into_iter().for_each(|one| one.join().expect("all of it passes"));
}

#[test]
fn copied_messages_that_cross_do_not_wait_for_each_other() {
    let router = router(3, 1000);
    for _ in 0..2 {
        cross(router.addresses[0], 4, 15_000_000);
        wait_for_nothing(&router);
    }
}

/// Has so many large messages begin between two routers, each of an address of its own: one when the one before has come, as far as so many do.
fn begin(here: SocketAddr, there: SocketAddr, (count, come): (usize, usize), bytes: usize) -> Vec<(Sender, Receiver)> {
    let address = |number: usize| format!("files-{number}");
    let receivers: Vec<Receiver> = (0..count).map(|number| Receiver::new(there, &address(number), 1)).collect();
    let send = |(number, mut receiver): (usize, Receiver)| {
        let mut sender = Sender { limit: USUAL_WINDOW, ..Sender::new(here, &address(number)) };
        sender.begin(bytes);
        if number < come {
            receiver.read_to(3 * PART);
        }
        (sender, receiver)
    };
    receivers.into_iter().enumerate().map(send).collect()
}

#[test]
fn what_is_half_way_between_routers_holds_up_nothing_else() {
    for shards in [1, 3] {
        let [a, b] = places();
        let first = node("A", shards, a, &[]);
        let second = node("B", shards, b, &[(a, 1)]);
        let sides = [&first, &second];
        // Either of them connected, and either sends.
        for [here, there] in [[0, 1], [1, 0]].map(|ways| ways.map(|way| sides[way].broker.addresses[0])) {
            let bytes = 3_000_000;
            let mut receiver = Receiver::new(there, "orders", 20);
            let mut half = begin(here, there, (5, 5), bytes);
            let mut sender = Sender { limit: USUAL_WINDOW, ..Sender::new(here, "orders") };
            for number in 0..10 {
                sender.begin(10);
                assert_eq!((receiver.read_to(10), receiver.at), (Goes::Ended, 10));
                receiver.accept();
                assert_eq!(sender.outcome(), (number, accepted()));
            }
            while let Some((mut sender, mut receiver)) = half.pop() {
                sender.send_parts(usize::MAX);
                assert_eq!(receiver.read_to(bytes), Goes::Ended);
                receiver.accept();
                assert_eq!(sender.outcome(), (0, accepted()));
            }
            sides.iter().for_each(|router| wait_for_nothing(&router.broker));
        }
    }
}

#[test]
fn with_all_links_of_their_own_in_use_large_messages_wait_for_each_other() {
    let [a, b] = places();
    let first = node("A", 1, a, &[]);
    let second = node("B", 1, b, &[(a, 1)]);
    let (here, there) = (first.broker.addresses[0], second.broker.addresses[0]);
    let bytes = 400_000;
    // One has the link of its priority, which another one waits for.
    let mut half = begin(here, there, (34, 33), bytes);
    let end = |(mut sender, mut receiver): (Sender, Receiver)| {
        sender.send_parts(usize::MAX);
        assert_eq!(receiver.read_to(bytes), Goes::Ended);
        receiver.accept();
        assert_eq!(sender.outcome(), (0, accepted()));
    };
    let last = half.pop().expect("the one that waits");
    end(half.pop().expect("the one that it waits for"));
    end(last);
    half.into_iter().for_each(end);
    [&first, &second].into_iter().for_each(|router| wait_for_nothing(&router.broker));
}
