//! One name, one durable subscription, whichever owners have the addresses that it was asked for at.

use std::collections::HashMap;

use super::*;
use crate::command::{Remembered, Searched};
use crate::queue::Kind;
use engine_catalogue::Placement;
use engine_message::Symbol;

/// Addresses that the shards of a node share out.
const ADDRESSES: [&str; 5] = ["news.a", "news.b", "news.c", "news.d", "news.e"];

/// A node: owners that answer in turn, and a home of links that asks again whom it was sent on to.
struct Node {
    owners: Vec<Core>,
    links: u32,
}

/// A link that stands: its owner, its half there, and the address.
#[derive(Clone, Debug)]
struct Link {
    owner: usize,
    end: EndKey,
    address: String,
}

impl Node {
    fn new(shards: u16, layer: &Layer) -> Self {
        let catalogue = Arc::new(Catalogue::new(Placement::new(shards)).with_all(layer.clone()));
        let owner = |shard| Core::new(CoreConfig { shard, catalogue: Arc::clone(&catalogue), ..CoreConfig::default() });
        Self { owners: (0..shards).map(owner).collect(), links: 0 }
    }

    fn owner_of(&self, address: &str) -> usize {
        let engine_catalogue::Resolved::Stored { owner } = self.owners[0].catalogue().resolve(address);
        usize::from(owner.shard)
    }

    /// Asks for something at `owner`, and whomever that names, until there is an answer.
    fn ask(&mut self, mut owner: usize, spec: ConsumerSpec) -> Result<Link, Symbol> {
        self.links += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: self.links };
        let mut command = Command::AttachConsumer { link, spec: Box::new(spec) };
        for _ in 0..=2 * self.owners.len() {
            let events = self.command(owner, command);
            match events.into_iter().find(|(to, _)| *to == link).expect("an answer").1 {
                Event::Attached { end, info } => return Ok(Link { owner, end, address: info.address }),
                Event::Refused { refusal } => return Err(refusal.condition.clone()),
                Event::Moved(moved) => {
                    let (to, again) = moved.again();
                    (owner, command) = (usize::from(to), again);
                }
                other => panic!("no answer: {other:?}"),
            }
        }
        panic!("it is sent round for ever");
    }

    fn command(&mut self, owner: usize, command: Command) -> Vec<(LinkKey, Event)> {
        let core = &mut self.owners[owner];
        core.handle_command(1, 1, command);
        let events = std::iter::from_fn(|| core.poll_event()).collect();
        core.check();
        events
    }

    fn subscribe(&mut self, name: &str, address: &str, sharing: Sharing) -> Result<Link, Symbol> {
        let spec = ConsumerSpec { subscription: Some(durable(name, sharing)), ..ConsumerSpec::of(address) };
        self.ask(self.owner_of(address), spec)
    }

    fn remember(&mut self, name: &str, sharing: Sharing) -> Result<Link, Symbol> {
        let subscription = Some(durable(name, sharing));
        let searched = Searched { remembered: Some(Remembered::default()), ..Searched::default() };
        self.ask(
            self.links as usize % self.owners.len(),
            ConsumerSpec { subscription, searched, ..ConsumerSpec::of("") },
        )
    }

    fn detach(&mut self, link: &Link, mode: DetachMode) {
        self.command(link.owner, Command::Detach { end: link.end, mode });
    }

    /// Durable subscriptions: their queues and addresses, in order.
    fn subscriptions(&self) -> Vec<(String, String)> {
        let queues = self.owners.iter().flat_map(|core| core.nodes.queues.iter().map(move |(_, queue)| (core, queue)));
        let durable = queues.filter(|(_, queue)| queue.identity.kind == Kind::Durable);
        let mut found: Vec<_> = durable
            .map(|(core, queue)| {
                let address = core.nodes.addresses.get(queue.identity.address).expect("its address");
                (queue.identity.name.to_string(), address.name.to_string())
            })
            .collect();
        found.sort();
        found
    }
}

fn durable(name: &str, sharing: Sharing) -> Subscription {
    Subscription { name: name.to_owned(), container: "c".to_owned(), durability: Durability::Durable, sharing }
}

#[test]
fn a_name_is_of_one_address_and_moves_only_when_nobody_is_attached() {
    for shards in [1, 3, 7] {
        let mut node = Node::new(shards, &Layer::default());
        let mut last: Option<Link> = None;
        for address in ADDRESSES.into_iter().cycle().take(12) {
            if let Some(link) = last {
                let refused = node.subscribe("sub", address, Sharing::Shared).expect_err("somebody is attached");
                assert_eq!(refused, Condition::IllegalState, "{address} of {shards} shards");
                let left = [("c.sub".to_owned(), link.address.clone())];
                assert_eq!(node.subscriptions(), left, "the old one stays");
                node.detach(&link, DetachMode::Suspend);
            }
            last = Some(node.subscribe("sub", address, Sharing::Shared).expect("nobody is attached any more"));
            assert_eq!(node.subscriptions(), [("c.sub".to_owned(), address.to_owned())], "of {shards} shards");
        }
    }
}

#[test]
fn nothing_is_deleted_for_a_link_that_its_address_refuses() {
    let long = "n".repeat(crate::limits::NAME_BYTES_MAX + 1);
    for shards in [1, 3] {
        let mut node = Node::new(shards, &Layer::default());
        let link = node.subscribe("sub", "news.a", Sharing::Exclusive).expect("it stands");
        node.detach(&link, DetachMode::Suspend);
        let dynamic = format!("{}x", crate::command::DYNAMIC_PREFIX);
        for address in [long.as_str(), dynamic.as_str()] {
            node.subscribe("sub", address, Sharing::Exclusive).expect_err("no such address is made");
            assert_eq!(node.subscriptions(), [("c.sub".to_owned(), "news.a".to_owned())]);
        }
    }
    let closed = Layer { auto_create: Some(false), ..Layer::default() };
    let mut node = Node::new(3, &closed);
    let refused = node.subscribe("sub", "news.a", Sharing::Exclusive).expect_err("nobody declared it");
    assert_eq!(refused, Condition::NotFound);
    assert!(node.owners.iter().all(|core| core.nodes.addresses.iter().next().is_none()), "nothing is made on the way");
}

#[test]
fn what_is_no_durable_subscription_asks_nobody_else() {
    let mut node = Node::new(3, &Layer::default());
    let link = node.subscribe("sub", "news.a", Sharing::Exclusive).expect("it stands");
    let volatile = Subscription { durability: Durability::Volatile, ..durable("sub", Sharing::Shared) };
    let spec = |routing, address: &str, subscription: Subscription| ConsumerSpec {
        routing,
        subscription: Some(subscription),
        ..ConsumerSpec::of(address)
    };
    let other = ADDRESSES.into_iter().find(|other| node.owner_of(other) != link.owner).expect("there are three shards");
    for spec in [
        spec(None, other, volatile),
        spec(Some(RoutingType::Anycast), "work", durable("sub", Sharing::Exclusive)),
        spec(None, "more::c.sub", durable("sub", Sharing::Exclusive)),
    ] {
        node.ask(node.owner_of(engine_catalogue::base(&spec.address)), spec).expect("it stands beside the other");
    }
    assert_eq!(node.subscriptions(), [("c.sub".to_owned(), "news.a".to_owned())]);
}

#[test]
fn whoever_is_attached_is_not_unsubscribed() {
    for shards in [1, 3] {
        for sharing in [Sharing::Exclusive, Sharing::Shared, Sharing::Global] {
            let mut node = Node::new(shards, &Layer::default());
            let link = node.subscribe("sub", "news.a", sharing).expect("it stands");
            assert_eq!(node.remember("sub", sharing).expect_err("it is used"), Condition::IllegalState);
            node.detach(&link, DetachMode::Suspend);
            let found = node.remember("sub", sharing).expect("nobody is attached");
            assert_eq!(found.address, "news.a");
            node.detach(&found, DetachMode::Close);
            assert_eq!(node.remember("sub", sharing).expect_err("it is gone"), Condition::NotFound);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Subscribe(usize, usize),
    Remember(usize),
    Detach(usize, DetachMode),
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![Just(DetachMode::Suspend), Just(DetachMode::Close), Just(DetachMode::Lost)];
    prop_oneof![
        4 => (0..2_usize, 0..ADDRESSES.len()).prop_map(|(name, address)| Step::Subscribe(name, address)),
        1 => (0..2_usize).prop_map(Step::Remember),
        3 => (0..2_usize, mode).prop_map(|(name, mode)| Step::Detach(name, mode)),
    ]
}

proptest! {
    /// Shared subscriptions of two names: each is where it was asked for last, and gone when its last link is closed.
    #[test]
    fn names_are_where_a_model_says(shards in 1..5_u16, steps in proptest::collection::vec(step(), 1..40)) {
        const NAMES: [&str; 2] = ["one", "two"];
        let mut node = Node::new(shards, &Layer::default());
        let mut model: HashMap<usize, (usize, Vec<Link>)> = HashMap::new();
        for step in steps {
            match step {
                Step::Subscribe(name, address) => {
                    let answer = node.subscribe(NAMES[name], ADDRESSES[address], Sharing::Shared);
                    let known = model.entry(name).or_insert((address, Vec::new()));
                    if known.0 != address && !known.1.is_empty() {
                        prop_assert_eq!(answer.expect_err("it is used elsewhere"), Condition::IllegalState);
                        continue;
                    }
                    known.0 = address;
                    known.1.push(answer.expect("it stands"));
                }
                Step::Remember(name) => {
                    let answer = node.remember(NAMES[name], Sharing::Shared);
                    match model.get_mut(&name) {
                        None => prop_assert_eq!(answer.expect_err("there is none"), Condition::NotFound),
                        Some((_, links)) if !links.is_empty() => {
                            prop_assert_eq!(answer.expect_err("it is used"), Condition::IllegalState);
                        }
                        Some((address, links)) => {
                            let link = answer.expect("it is found");
                            prop_assert_eq!(&link.address, ADDRESSES[*address]);
                            links.push(link);
                        }
                    }
                }
                Step::Detach(name, mode) => {
                    let Some((_, links)) = model.get_mut(&name) else { continue };
                    let Some(link) = links.pop() else { continue };
                    node.detach(&link, mode);
                    if links.is_empty() && mode == DetachMode::Close {
                        model.remove(&name);
                    }
                }
            }
            let mut wanted: Vec<_> = model
                .iter()
                .map(|(name, (address, _))| (format!("c.{}", NAMES[*name]), ADDRESSES[*address].to_owned()))
                .collect();
            wanted.sort();
            prop_assert_eq!(node.subscriptions(), wanted);
        }
    }
}
