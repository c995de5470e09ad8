//! Versions of the catalogue that come while a node is at work, told to its shards as `src/reload.rs` tells them: announced first if
//! addresses change hands, kept on stable storage if all agree, and then held by one shard after the other.
//!
//! What a version changes: soft limits, which queues are declared, and on which shards addresses are. In between shards go by different
//! versions, and a crash finds any of that half done.

use std::sync::Arc;

use engine_catalogue::{Attributes, Catalogue, Definition, Kind, Layer, Placed, Placement, Resolved};
use engine_core::{Answer, Version};
use test_support::Chance;

use crate::model::{DeadLetters, Order};
use crate::node::{Node, NodeOptions};
use crate::role::{DEAD_LETTERS, TOPIC, queue_name};
use crate::world::{MS, US};

/// What is said of all addresses.
const EVERY: &str = "#";

/// How far a version came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Announced,
    Holds,
    Forgone,
}

/// A version on its way.
struct Change {
    next: Arc<Catalogue>,
    said: Vec<Definition>,
    /// Addresses that change hands by it.
    addresses: Arc<[String]>,
    stage: Stage,
    /// Shards that are told still, the next one last.
    left: Vec<usize>,
}

/// All versions of a run.
pub struct Versions {
    holds: Arc<Catalogue>,
    /// What it says.
    said: Vec<Definition>,
    addresses: Vec<String>,
    shards: u16,
    are_changing: bool,
    change: Option<Change>,
    /// Versions that came, and addresses that changed hands.
    counts: (u64, u64),
}

impl Versions {
    /// What holds when a run begins: of each address it may be said that it is not where its hash says.
    pub fn new(chance: &mut Chance, options: &NodeOptions, queues: usize) -> Self {
        let mut addresses: Vec<String> = (0..queues).map(queue_name).collect();
        addresses.push(TOPIC.to_owned());
        let layer = Layer {
            producer_window: Some(options.window),
            max_messages: Some(options.max_messages),
            max_delivery_attempts: Some(options.redelivery.attempts),
            redelivery_delay_ms: Some(options.redelivery.delay_ms),
            ..Layer::default()
        };
        let mut said = vec![Definition::new(EVERY, Attributes::Match(layer))];
        if options.dead_letters == DeadLetters::Kept {
            // Those of well-behaved clients only.
            let to = || Some(DEAD_LETTERS.to_owned());
            let layer = Layer { dead_letter_address: to(), expiry_address: to(), ..Layer::default() };
            let matched = addresses.iter().map(|address| Definition::new(address, Attributes::Match(layer.clone())));
            said.extend(matched);
        }
        if chance.one_in(2) {
            let away = addresses.iter().filter(|_| chance.one_in(2)).cloned().collect::<Vec<_>>();
            said.extend(away.into_iter().map(|address| placed(address, chance, options.shards)));
        }
        let nothing = Catalogue::new(Placement::new(options.shards));
        let holds = Arc::new(apply(&nothing, &said));
        let (shards, are_changing) = (options.shards, chance.one_in(2));
        Self { holds, said, addresses, shards, are_changing, change: None, counts: (0, 0) }
    }

    /// The version that holds at a start.
    pub fn holds(&self) -> Arc<Catalogue> {
        Arc::clone(&self.holds)
    }

    /// Whether versions come in this run.
    pub fn are_changing(&self) -> bool {
        self.are_changing
    }

    /// Whether one is on its way.
    pub fn is_under_way(&self) -> bool {
        self.change.is_some()
    }

    /// Whether what is relayed to one address keeps its order.
    pub fn order(&self) -> Order {
        if self.are_changing { Order::Loose } else { Order::Kept }
    }

    /// Versions that came, and addresses that changed hands.
    pub fn counts(&self) -> (u64, u64) {
        self.counts
    }

    /// The node ended: what was not kept is forgotten.
    pub fn handle_crash(&mut self) {
        self.change = None;
    }

    /// A last version declares nothing any more: what only that kept goes.
    pub fn declare_nothing(&mut self, node: &mut Node) {
        self.said.retain(|definition| definition.kind() != Kind::Address);
        self.holds = Arc::new(apply(&self.holds, &self.said));
        node.keep(self.holds());
        for shard in 0..usize::from(self.shards) {
            node.tell(shard, Version::Holds(self.holds()));
        }
    }

    /// Begins a change, or tells the next shard of it; gives how long it is until the next step, nanoseconds.
    pub fn step(&mut self, node: &mut Node, chance: &mut Chance) -> u64 {
        let Some(mut change) = self.change.take() else {
            self.change = Some(self.begin(chance));
            return chance.between(1, 20) * MS;
        };
        let Some(shard) = change.left.pop() else {
            self.go_on(change, node, chance);
            return chance.between(10, 500) * US;
        };
        let version = match change.stage {
            Stage::Announced => {
                Version::Announced { next: Arc::clone(&change.next), addresses: Arc::clone(&change.addresses) }
            }
            Stage::Holds => Version::Holds(Arc::clone(&change.next)),
            Stage::Forgone => Version::Forgone,
        };
        match node.tell(shard, version) {
            Answer::Done => {}
            Answer::NotYet => change.left.push(shard),
            Answer::InUse(_) => {
                (change.stage, change.left) = (Stage::Forgone, shuffled(self.shards, chance));
            }
        }
        self.change = Some(change);
        chance.between(5, 2_000) * US
    }

    /// All shards were told.
    fn go_on(&mut self, mut change: Change, node: &mut Node, chance: &mut Chance) {
        if change.stage != Stage::Announced {
            return;
        }
        self.keep(&change, node);
        (change.stage, change.left) = (Stage::Holds, shuffled(self.shards, chance));
        self.change = Some(change);
    }

    fn keep(&mut self, change: &Change, node: &mut Node) {
        node.keep(Arc::clone(&change.next));
        self.holds = Arc::clone(&change.next);
        self.said.clone_from(&change.said);
        self.counts.0 += 1;
        self.counts.1 += change.addresses.len() as u64;
    }

    /// Says one thing otherwise.
    fn begin(&self, chance: &mut Chance) -> Change {
        let mut said = self.said.clone();
        let address = self.addresses[chance.below(self.addresses.len())].clone();
        match chance.below(4) {
            0 => {
                let every = said.iter_mut().find_map(|definition| match &mut definition.attributes {
                    Attributes::Match(layer) => Some(layer),
                    _ => None,
                });
                if let Some(layer) = every {
                    layer.soft_messages = chance.of(&[None, Some(1), Some(10), Some(0)]);
                }
            }
            1 if address != TOPIC => turn(&mut said, Kind::Address, &address, || {
                Definition::new(&address, Attributes::Address(Layer::default()))
            }),
            _ => turn(&mut said, Kind::Placed, &address, || placed(address.clone(), chance, self.shards)),
        }
        let next = Arc::new(apply(&self.holds, &said));
        let owner = |catalogue: &Catalogue, address: &String| {
            let Resolved::Stored { owner } = catalogue.resolve(address);
            owner.shard
        };
        let moves = |address: &&String| owner(&self.holds, address) != owner(&next, address);
        let addresses = self.addresses.iter().filter(moves).cloned().collect();
        Change { next, said, addresses, stage: Stage::Announced, left: shuffled(self.shards, chance) }
    }
}

/// Takes out what is said of something, or says it.
fn turn(said: &mut Vec<Definition>, kind: Kind, key: &str, make: impl FnOnce() -> Definition) {
    let before = said.len();
    said.retain(|definition| definition.kind() != kind || definition.key != key);
    if said.len() == before {
        said.push(make());
    }
}

fn placed(address: String, chance: &mut Chance, shards: u16) -> Definition {
    let shard = chance.below(usize::from(shards)) as u16;
    Definition::new(address, Attributes::Placed(Placed { shard, epoch: 0 }))
}

fn apply(before: &Catalogue, said: &[Definition]) -> Catalogue {
    before.apply(&before.reconcile(said)).expect("it means something")
}

fn shuffled(shards: u16, chance: &mut Chance) -> Vec<usize> {
    let mut order: Vec<usize> = (0..usize::from(shards)).collect();
    for at in (1..order.len()).rev() {
        order.swap(at, chance.below(at + 1));
    }
    order
}
