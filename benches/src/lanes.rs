//! A message's whole road over two shards of a router without sockets: a producer at the first, a consumer at the second.
//!
//! The rooms are those of one shard (`road`), twice, in turns; between them are the lanes of the mesh, and what one tells the registry holds
//! for both.

use std::sync::Arc;

use amqp_codec::performative::{Role, SenderSettleMode};
use engine_core::Core;
use engine_core::limits::CoreConfig;
use engine_home::{AddressRules, Home, HomeConfig, Slot};
use engine_router::RouterId;
use engine_router::table::Addresses;
use engine_routing::Registry;
use engine_rt::Waker;
use engine_shard::{Engine, Mesh};
use node_shell::Turn;

use crate::road::{Sent, accept, batch, connect, finish, give_credit, router, transfers};

const SHARDS: u16 = 2;
/// Turns of both until each knows the other one's receivers.
const STEPS: u32 = 8;

/// Two shards, a producer at the first and a consumer at the second.
pub struct Lanes {
    shards: [Turn<()>; SHARDS as usize],
    producer: Slot,
    consumer: Slot,
    transfers: Vec<u8>,
    feedback: Vec<u8>,
    received: u32,
    batch: u32,
}

impl Lanes {
    /// Two shards for messages of `size` octets.
    pub fn new(size: usize) -> Self {
        let mut addresses = Addresses::new(Arc::default(), 1);
        let wakers: Vec<Waker> = (0..SHARDS).map(|_| Waker::new().expect("a descriptor")).collect();
        let mut meshes = engine_shard::mesh(&wakers).into_iter();
        let mut shards = std::array::from_fn(|_| shard(meshes.next().expect("one for each"), &mut addresses));
        let mut registry = Registry::new(addresses, SHARDS, None);
        let [first, second] = &mut shards;
        let producer = connect(first, Role::Sender, SenderSettleMode::Unsettled);
        let consumer = connect(second, Role::Receiver, SenderSettleMode::Unsettled);
        for _ in 0..STEPS {
            register(&mut shards, &mut registry);
        }
        let (transfers, batch) = (transfers(size, Sent::Routed), batch(size));
        Self { shards, producer, consumer, transfers, feedback: Vec::new(), received: 0, batch }
    }

    /// Messages of one turn.
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// One turn of each shard: `batch` messages from the producer's bytes to the consumer's, and all that follows.
    pub fn turn(&mut self) {
        let [first, second] = &mut self.shards;
        first.begin(0, 0);
        first.receive(self.producer, &self.transfers);
        finish(first);
        self.feedback.clear();
        if self.received > 0 {
            accept(&mut self.feedback, self.received, self.batch);
        }
        give_credit(&mut self.feedback, self.received, self.batch);
        second.begin(0, 0);
        second.receive(self.consumer, &self.feedback);
        finish(second);
        self.received = self.received.wrapping_add(self.batch);
        assert_eq!(
            second.get(self.consumer).map(|entry| entry.protocol.client().messages_out as u32),
            Some(self.received),
            "each message went all the way"
        );
    }

    /// Several turns.
    pub fn turns(&mut self, turns: u32) {
        for _ in 0..turns {
            self.turn();
        }
    }
}

fn shard(mesh: Mesh, addresses: &mut Addresses) -> Turn<()> {
    let core = CoreConfig { shard: mesh.shard(), catalogue: crate::queue::deep(), ..CoreConfig::default() };
    let router = router((mesh.shard(), SHARDS), RouterId::new("A").expect("an id"), addresses.view());
    let engine = Engine::new(Core::new(core), mesh, None).with_router(router);
    let config =
        HomeConfig { addresses: AddressRules::default(), links_max: 10, node_id: String::new(), first_file: 1 };
    Turn::new(Home::new(config, engine), 10)
}

/// The registry hears of what each has, and both hear of it.
fn register(shards: &mut [Turn<()>], registry: &mut Registry) {
    for turn in &mut *shards {
        turn.begin(0, 0);
        while let Some(note) = turn.poll_note() {
            registry.handle_note(note, 0);
        }
        finish(turn);
    }
    while let Some(update) = registry.poll_update() {
        shards.iter_mut().for_each(|turn| turn.handle_table(update.clone()));
    }
    while let Some(answer) = registry.poll_answer() {
        let (engine_routing::Answer::Stands(consumer) | engine_routing::Answer::Refused(consumer)) = answer;
        shards[usize::from(consumer.shard())].handle_registered(answer);
    }
}
