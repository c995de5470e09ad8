//! A message's whole road without sockets: bytes of a producer in, bytes for a consumer out, settled both ways.
//!
//! The rooms are the shard's own: two connections' bindings over their home, its engine and its owner, driven as the shell drives them
//! (`node_shell::Turn`).

use std::sync::Arc;

use amqp_bind::Bind;
use amqp_codec::frame::ProtocolHeader;
use amqp_codec::performative::{
    Attach, Begin, DeliveryState, Disposition, Flow, Open, Performative, Role, SenderSettleMode, Source, Target,
    Terminus, Transfer, encode_disposition, encode_flow, encode_frame, encode_transfer,
};
use amqp_proto::Config;
use engine_core::Core;
use engine_core::command::Settled;
use engine_core::limits::{CoreConfig, Storage};
use engine_home::{AddressRules, Home, HomeConfig, Moves, Slot};
use engine_router::RouterId;
use engine_router::table::{Addresses, Table};
use engine_routing::{Registry, Router, RouterConfig};
use engine_rt::Waker;
use engine_shard::Engine;
use engine_shard::store::{Recovery, Store, StoreConfig};
use node_shell::{Protocol, Turn};
use storage_journal::{Done, Order};

/// Messages that go one road in one turn, at most.
pub const BATCH: u32 = 256;
/// Octets of messages that one turn takes at most, about: what a shard reads in one turn, and less than it gives consumers.
const BATCH_BYTES: usize = 128 << 10;
/// The queue.
const ADDRESS: &str = "q";

/// How messages are sent, and who keeps them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// Each is settled both ways.
    Unsettled,
    /// Nobody hears what becomes of them.
    Presettled,
    /// Each is on a disk, which takes no time, before it is settled and given.
    Durable,
    /// Each is settled both ways by its consumer: a router passes it on, and has no queue.
    Routed,
    /// A router passes it on, and nobody hears what becomes of it.
    RoutedPresettled,
}

/// A producer, a queue and a consumer.
pub struct Road {
    turn: Turn<()>,
    producer: Slot,
    consumer: Slot,
    transfers: Vec<u8>,
    feedback: Vec<u8>,
    received: u32,
    sent: Sent,
    batch: u32,
    now_ns: u64,
}

impl Road {
    /// A road for messages of `size` octets.
    pub fn new(size: usize, sent: Sent) -> Self {
        let settled = matches!(sent, Sent::Presettled | Sent::RoutedPresettled);
        let (transfers, batch) = (transfers(size, sent), batch(size));
        let (mut turn, mut registry) = shard(sent);
        let mode = if settled { SenderSettleMode::Settled } else { SenderSettleMode::Unsettled };
        let producer = connect(&mut turn, Role::Sender, mode);
        let consumer = connect(&mut turn, Role::Receiver, mode);
        registry.iter_mut().for_each(|registry| register(&mut turn, registry));
        Self { turn, producer, consumer, transfers, feedback: Vec::new(), received: 0, sent, batch, now_ns: 0 }
    }

    /// Messages of one turn.
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// One turn: `batch` messages from the producer's bytes to the consumer's, and all that follows. Gives the octets
    /// that left.
    pub fn turn(&mut self) -> usize {
        self.hear_consumer();
        if self.sent == Sent::Durable {
            // Writes are put off for a time.
            self.now_ns += 1_000_000;
        }
        self.turn.begin(self.now_ns, 0);
        self.turn.receive(self.consumer, &self.feedback);
        self.turn.receive(self.producer, &self.transfers);
        let left = finish(&mut self.turn);
        self.received = self.received.wrapping_add(self.batch);
        assert_eq!(
            self.turn.get(self.consumer).map(|entry| entry.protocol.client().messages_out as u32),
            Some(self.received),
            "each message went all the way"
        );
        left
    }

    /// Several turns.
    pub fn turns(&mut self, turns: u32) {
        for _ in 0..turns {
            self.turn();
        }
    }

    /// What the consumer says: it accepts what it got in the last turn, and gives credit for the next.
    fn hear_consumer(&mut self) {
        self.feedback.clear();
        if !matches!(self.sent, Sent::Presettled | Sent::RoutedPresettled) && self.received > 0 {
            accept(&mut self.feedback, self.received, self.batch);
        }
        give_credit(&mut self.feedback, self.received, self.batch);
    }
}

/// The transfers of one turn, as their producer writes them.
pub(crate) fn transfers(size: usize, sent: Sent) -> Vec<u8> {
    let settled = match sent {
        Sent::Presettled | Sent::RoutedPresettled => Settled::Yes,
        Sent::Unsettled | Sent::Durable | Sent::Routed => Settled::No,
    };
    let mut payload = Vec::new();
    if sent == Sent::Durable {
        engine_message::section::Header { durable: true, ..Default::default() }.encode(&mut payload);
    }
    payload.extend([0x00, 0x53, 0x75]);
    engine_message::encode::binary(&mut payload, &vec![b'x'; size]);
    let mut transfers = Vec::new();
    for id in 0..batch(size) {
        transfer(&mut transfers, id, settled, &payload);
    }
    transfers
}

/// A producer sends a message by this number.
pub fn transfer(out: &mut Vec<u8>, id: u32, settled: Settled, payload: &[u8]) {
    let tag = id.to_be_bytes();
    let transfer = Transfer {
        delivery_id: Some(id),
        delivery_tag: Some(&tag),
        message_format: Some(0),
        settled: Some(settled == Settled::Yes),
        ..Transfer::default()
    };
    encode_transfer(out, 0, &transfer, payload.len());
    out.extend_from_slice(payload);
}

/// A consumer accepts the last `batch` of the messages that it received.
pub(crate) fn accept(out: &mut Vec<u8>, received: u32, batch: u32) {
    let disposition = Disposition {
        role: Role::Receiver,
        first: received.wrapping_sub(batch),
        last: Some(received.wrapping_sub(1)),
        settled: true,
        state: Some(DeliveryState::Accepted),
        batchable: false,
    };
    encode_disposition(out, 0, &disposition);
}

/// A consumer that received so many gives credit for a batch.
pub fn give_credit(out: &mut Vec<u8>, received: u32, batch: u32) {
    let flow = Flow {
        next_incoming_id: Some(received),
        incoming_window: u32::MAX >> 1,
        handle: Some(0),
        delivery_count: Some(received),
        link_credit: Some(batch),
        ..Flow::default()
    };
    encode_flow(out, 0, &flow);
}

/// How many messages of `size` octets one turn takes.
pub fn batch(size: usize) -> u32 {
    (BATCH_BYTES / (size + 64)).min(BATCH as usize) as u32
}

/// A shard that asks of each message whether it goes to its journal; one that keeps all in memory has none.
/// Or one whose addresses are routed, with the registry of its router.
fn shard(sent: Sent) -> (Turn<()>, Option<Registry>) {
    let core =
        Core::new(CoreConfig { catalogue: crate::queue::deep(), storage: Storage::Journal, ..CoreConfig::default() });
    let store = (sent == Sent::Durable).then(journal);
    let mesh = engine_shard::mesh(&[Waker::new().expect("a descriptor")]).pop().expect("of one shard");
    let mut engine = Engine::new(core, mesh, store);
    let mut registry = None;
    if matches!(sent, Sent::Routed | Sent::RoutedPresettled) {
        let mut addresses = Addresses::new(Arc::default(), 1);
        let (id, table) = (RouterId::new("A").expect("an id"), addresses.view());
        engine = engine.with_router(router((0, 1), id, table));
        registry = Some(Registry::new(addresses, 1, None));
    }
    let addresses = AddressRules::default();
    let config = HomeConfig { addresses, links_max: 10, node_id: String::new(), first_file: 1 };
    (Turn::new(Home::new(config, engine), 10), registry)
}

/// A router's part of a shard, of so many: as deep as a queue gives credit, and enough for a turn.
pub(crate) fn router((shard, shards): (u16, u16), id: RouterId, table: Table) -> Router {
    Router::new(RouterConfig {
        shard,
        shards,
        id,
        table,
        capacity: 1000,
        mode: engine_router::address::Mode::Interior,
        memory_bytes: 1 << 30,
    })
}

/// The router's registry hears of its consumer, and is heard.
fn register(turn: &mut Turn<()>, registry: &mut Registry) {
    turn.begin(0, 0);
    loop {
        while let Some(note) = turn.poll_note() {
            registry.handle_note(note, 0);
        }
        let (update, answer) = (registry.poll_update(), registry.poll_answer());
        if update.is_none() && answer.is_none() {
            break;
        }
        update.into_iter().for_each(|update| turn.handle_table(update));
        answer.into_iter().for_each(|answer| turn.handle_registered(answer));
    }
    finish(turn);
}

/// An empty journal, with segments as they usually are.
fn journal() -> Store {
    let config = StoreConfig { shard: 0, directory: [7; 16], segment_bytes: 64 << 20, checkpoint_segments: 16 };
    Recovery::new(config).finish().store
}

/// A disk that does at once what it is told; gives whether it was told anything.
fn obey(turn: &mut Turn<()>) -> bool {
    let mut told = false;
    while let Some(order) = turn.poll_order() {
        told = true;
        let done = match order {
            Order::Write { buffer, .. } => Done::Written { buffer },
            Order::Prepare { segment, .. } => Done::Prepared { segment },
            Order::Vouch { batch } => Done::Vouched { batch },
            Order::Checkpoint { segment, .. } => Done::Checkpointed { segment },
            Order::Remove { .. } | Order::Discard { .. } => continue,
            Order::Read { .. } => unreachable!("all is in memory"),
        };
        turn.handle_done(done).expect("the disk does what it should");
    }
    told
}

/// A connection with one link.
pub(crate) fn connect(turn: &mut Turn<()>, role: Role, snd_settle_mode: SenderSettleMode) -> Slot {
    let protocol = Protocol::Amqp(Bind::server(Arc::new(Config::default()), Moves::Never, 0));
    let Ok(slot) = turn.insert(protocol, ()) else { panic!("there is room for it") };
    let mut bytes = ProtocolHeader::Amqp.bytes().to_vec();
    encode_frame(&mut bytes, 0, &Performative::Open(Box::new(Open { max_frame_size: 1 << 20, ..Open::default() })));
    let window = u32::MAX >> 1;
    let begin = Begin { incoming_window: window, outgoing_window: window, ..Begin::default() };
    encode_frame(&mut bytes, 0, &Performative::Begin(Box::new(begin)));
    let terminus = Terminus::at(ADDRESS);
    let attach = Attach {
        source: Some(Source::from(terminus.clone())),
        target: Some(Target::Node(terminus)),
        snd_settle_mode,
        ..Attach::new("link", 0, role)
    };
    encode_frame(&mut bytes, 0, &Performative::Attach(Box::new(attach)));
    turn.begin(0, 0);
    turn.receive(slot, &bytes);
    finish(turn);
    slot
}

/// The second half of a turn, with sockets that take everything; gives the octets that left.
pub(crate) fn finish(turn: &mut Turn<()>) -> usize {
    turn.hand_out();
    turn.commit();
    while obey(turn) {
        turn.hand_out();
        turn.commit();
    }
    let mut written = 0;
    while let Some(slot) = turn.poll_dirty() {
        while let Some(out) = turn.poll_output(slot) {
            let bytes = out.len();
            out.advance(bytes);
            written += bytes;
            if !turn.get(slot).is_some_and(|entry| entry.protocol.wants_room()) {
                break;
            }
        }
        turn.handle_written(slot, 0);
    }
    turn.flush();
    written
}
