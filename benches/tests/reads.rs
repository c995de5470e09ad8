//! Two routers do the same with what their clients say, however much of it each socket gives at a time.
//!
//! Messages of any size, settled or not, all of one priority, as others have links of their own between routers, and a consumer that decides on any of them in any order: what it gets, and what
//! the producer hears of each, are compared with those of routers that read all at once.

use std::collections::{BTreeMap, BTreeSet};

use amqp_codec::frame::{Split, split};
use amqp_codec::performative::{DeliveryState, Disposition, Performative, Role, decode, encode_disposition};
use engine_core::command::Settled;
use heddle_benches::hops::Hops;
use heddle_benches::road::{give_credit, transfer};

/// Seeds of clients.
const SEEDS: u64 = 25;
/// What both clients say one after the other, of each.
const STEPS: u32 = 6;
/// Messages of one step, and those that the producer has unsettled: fewer than routers give credit for.
const MESSAGES_MAX: u64 = 400;
const UNSETTLED_MAX: usize = 900;
/// What the consumer may be sent before it says more.
const CREDIT: u32 = 1000;

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// Both clients, and what they were told.
struct Clients {
    random: Random,
    priority: u8,
    sent: u32,
    /// What the producer sent settled.
    settled: BTreeSet<u32>,
    /// What it sent unsettled, and heard nothing of.
    unsettled: BTreeSet<u32>,
    received: u32,
    /// What the consumer has not decided on.
    held: Vec<u32>,
    /// What it got.
    messages: Vec<u8>,
    /// What the producer heard of each.
    outcomes: BTreeMap<u32, String>,
    /// What the consumer decided of each that it got, in the order in which they were sent.
    decided: BTreeMap<u32, String>,
}

impl Clients {
    fn new(seed: u64) -> Self {
        Self {
            random: Random(seed),
            priority: if seed.is_multiple_of(4) { (seed / 4) as u8 % 10 } else { 4 },
            sent: 0,
            settled: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            received: 0,
            held: Vec::new(),
            messages: Vec::new(),
            outcomes: BTreeMap::new(),
            decided: BTreeMap::new(),
        }
    }

    /// Sends some.
    fn send(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        let sizes = [1, 150, 2000, 6000][self.random.below(4) as usize];
        for _ in 0..self.random.below(MESSAGES_MAX).min((UNSETTLED_MAX - self.unsettled.len()) as u64) {
            let header = engine_message::section::Header {
                durable: self.random.below(9) == 0,
                priority: self.priority,
                ..Default::default()
            };
            let mut payload = Vec::new();
            if self.priority != 4 || self.random.below(3) == 0 {
                header.encode(&mut payload);
            }
            payload.extend([0x00, 0x53, 0x75]);
            let body: Vec<u8> = (0..self.random.below(sizes)).map(|octet| (octet as u8) ^ (self.sent as u8)).collect();
            engine_message::encode::binary(&mut payload, &body);
            let settled = if self.random.below(7) == 0 { Settled::Yes } else { Settled::No };
            match settled {
                Settled::Yes => &mut self.settled,
                Settled::No => &mut self.unsettled,
            }
            .insert(self.sent);
            transfer(&mut out, self.sent, settled, &payload);
            self.sent += 1;
        }
        out
    }

    /// Gives credit for all that comes next, and decides on some of what it has: ranges with one word, or some of them with others.
    fn decide(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while !self.held.is_empty() && self.random.below(8) > 0 {
            let from = match self.random.below(3) {
                0 => self.random.below(self.held.len() as u64) as usize,
                _ => 0,
            };
            let most = self.held.len() - from;
            let count = if self.random.below(3) == 0 { 1 } else { 1 + self.random.below(most as u64) as usize };
            let of_these: Vec<u32> = self.held.drain(from..from + count).collect();
            let state = match self.random.below(6) {
                0 => DeliveryState::Released,
                1 => DeliveryState::Rejected { error: None },
                _ => DeliveryState::Accepted,
            };
            let (first, last) = (of_these[0], of_these.last().copied());
            let said = format!("{:?} true", Some(&state));
            self.decided.extend(of_these.iter().map(|id| (*id, said.clone())));
            let disposition =
                Disposition { role: Role::Receiver, first, last, settled: true, state: Some(state), batchable: false };
            encode_disposition(&mut out, 0, &disposition);
        }
        give_credit(&mut out, self.received, CREDIT);
        out
    }

    fn hear(&mut self, producer: &[u8], consumer: &[u8]) {
        each(producer, |performative, _| {
            if let Performative::Disposition(disposition) = performative {
                let state = format!("{:?} {}", disposition.state, disposition.settled);
                for id in disposition.first..=disposition.last.unwrap_or(disposition.first) {
                    assert_eq!(self.outcomes.insert(id, state.clone()), None, "{id} is told once");
                    self.unsettled.remove(&id);
                }
            }
        });
        each(consumer, |performative, payload| {
            if let Performative::Transfer(transfer) = performative {
                self.messages.extend_from_slice(payload);
                if let Some(id) = transfer.delivery_id {
                    assert_eq!(id, self.received, "in order");
                    self.received += 1;
                    if transfer.settled != Some(true) {
                        self.held.push(id);
                    }
                }
            }
        });
    }
}

/// Gives what each frame says, and what is behind it.
fn each(mut bytes: &[u8], mut hear: impl FnMut(Performative<'_>, &[u8])) {
    while !bytes.is_empty() {
        let Ok(Split::Frame { frame, bytes: length }) = split(bytes, u32::MAX) else {
            panic!("whole frames are written")
        };
        if !frame.body.is_empty() {
            let (performative, payload) = decode(frame.body).expect("what is written can be read");
            let is_end =
                matches!(performative, Performative::Detach(_) | Performative::End(_) | Performative::Close(_));
            assert!(!is_end, "nothing ends: {performative:?}");
            hear(performative, payload);
        }
        bytes = &bytes[length..];
    }
}

/// What clients of a seed were told, where sockets give so many octets at a time.
fn run(seed: u64, octets: usize) -> Clients {
    let (mut hops, mut clients) = (Hops::new(100), Clients::new(seed));
    for _ in 0..STEPS {
        let (decided, sent) = (clients.decide(), clients.send());
        let told = hops.exchange(&sent, &decided, octets);
        clients.hear(&told.producer, &told.consumer);
    }
    clients
}

#[test]
fn however_much_is_read_at_a_time_clients_are_told_the_same() {
    let mut outcomes = 0;
    for seed in 0..SEEDS {
        let whole = run(seed, usize::MAX);
        assert!(whole.received > 0 && whole.messages.len() > 1000, "seed {seed}: messages came");
        // Nothing is lost here, so that the consumer has for each the number that its producer gave it; it wants all of them unsettled.
        assert_eq!(whole.sent, whole.received, "seed {seed}: nothing is lost");
        let decided: BTreeMap<_, _> =
            whole.decided.clone().into_iter().filter(|(id, _)| !whole.settled.contains(id)).collect();
        assert!(whole.outcomes == decided, "seed {seed}: the producer hears what the consumer decided");
        for octets in [700, 9_000, 20_000, 256 << 10] {
            let pieces = run(seed, octets);
            assert_eq!((pieces.sent, pieces.received), (whole.sent, whole.received), "seed {seed}, reads of {octets}");
            assert!(pieces.messages == whole.messages, "seed {seed}, reads of {octets}: other messages");
            let other = whole.outcomes.iter().find(|(id, told)| pieces.outcomes.get(id) != Some(told));
            let counts = (pieces.outcomes.len(), whole.outcomes.len());
            assert!(other.is_none() && counts.0 == counts.1, "seed {seed}, reads of {octets}: {other:?}, {counts:?}");
        }
        outcomes += whole.outcomes.len();
    }
    assert!(outcomes > 10_000, "{outcomes} were decided on");
}
