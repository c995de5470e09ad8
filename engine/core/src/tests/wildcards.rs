//! Subscriptions to patterns of addresses: what gets to them, from whichever owner, and what does not.

use std::collections::VecDeque;

use engine_catalogue::{Attributes, Change, Definition, Divert, Origin, Placement, Queue};

use super::*;
use crate::command::{Part, Publish};
use crate::fact::{Declared, Purpose};
use crate::key::Port;
use crate::limits::{PATTERNS_MAX, REFRESH_MAX};
use crate::patterns::Known;
use crate::slab::Key;
use crate::wildcard::PatternStep;
use crate::{LastNumbers, Restored, kept_patterns};

const TOPIC: Option<RoutingType> = Some(RoutingType::Multicast);
const QUEUE: Option<RoutingType> = Some(RoutingType::Anycast);

/// Owners that tell each other of patterns, and forward to each other.
struct Net {
    owners: Vec<Owner>,
    steps: VecDeque<(u16, PatternStep)>,
    /// What links heard that are not the owners' own.
    heard: Vec<(LinkKey, Event)>,
    now: u64,
}

impl Net {
    fn new(shards: u16, storage: Storage, definitions: Vec<(&str, Attributes)>) -> Self {
        let defines = definitions.into_iter().map(|(key, attributes)| Change::Define {
            origin: Origin::Configuration,
            definition: Definition::new(key, attributes),
        });
        let catalogue =
            Catalogue::new(Placement::new(shards)).apply(&defines.collect::<Vec<_>>()).expect("it is right");
        let catalogue = Arc::new(catalogue);
        let owner = |shard| {
            let config = CoreConfig { shard, storage, catalogue: Arc::clone(&catalogue), ..CoreConfig::default() };
            Owner { core: Core::new(config), next_link: u32::from(shard) * 1000 }
        };
        Self { owners: (0..shards).map(owner).collect(), steps: VecDeque::new(), heard: Vec::new(), now: 1 }
    }

    fn of(shards: u16) -> Self {
        Self::new(shards, Storage::Memory, Vec::new())
    }

    fn owner_of(&self, address: &str) -> usize {
        let engine_catalogue::Resolved::Stored { owner } = self.owners[0].core.catalogue().resolve(address);
        usize::from(owner.shard)
    }

    /// An address of an owner that begins so.
    fn address(&self, owner: u16, beginning: &str) -> String {
        let catalogue = self.owners[0].core.catalogue();
        catalogue.name_owned_by(owner, |n| format!("{beginning}{n}")).expect("there are many names")
    }

    /// A turn of one owner: what it says is on its way, or heard.
    fn turn(&mut self, owner: usize) {
        self.now += 1;
        let core = &mut self.owners[owner].core;
        core.begin_turn(self.now, self.now);
        core.check();
        loop {
            while let Some((link, event)) = core.poll_event() {
                match event {
                    Event::Pattern(step) => self.steps.push_back((link.shard, *step)),
                    event => self.heard.push((link, event)),
                }
            }
            let Some((link, delivery)) = core.poll_delivery() else { break };
            self.heard.push((link, Event::Deliver { key: delivery.key, message: core.message(&delivery).clone() }));
        }
    }

    fn turns(&mut self) {
        (0..self.owners.len()).for_each(|owner| self.turn(owner));
    }

    /// Takes one step that is on its way; gives whether there was one.
    fn step(&mut self) -> bool {
        let Some((owner, step)) = self.steps.pop_front() else { return false };
        self.owners[usize::from(owner)].core.handle_pattern(step);
        self.turn(usize::from(owner));
        true
    }

    /// Forwards one message of an owner; gives whether there was one.
    fn forward(&mut self, owner: usize) -> bool {
        let Some(forward) = self.owners[owner].core.poll_forward() else { return false };
        let to = self.owner_of(&forward.publish.address);
        if to == owner {
            self.owners[owner].core.forward_here(forward);
        } else {
            let link = LinkKey::at(Port::Forwarder, u16::try_from(owner).expect("few"), 0, 0);
            let (delivery, publish) = (forward.flight, forward.publish);
            let command = Command::Publish { link, delivery, settled: Settled::No, publish };
            self.owners[to].core.handle_command(self.now, self.now, command);
            self.turn(to);
            let answers = self.heard.extract_if(.., |(link, _)| link.port() == Port::Forwarder).collect::<Vec<_>>();
            for (link, event) in answers {
                let Event::Settled { first, outcome, .. } = event else { panic!("{event:?}") };
                self.owners[usize::from(link.shard)].core.handle_forwarded(first, &outcome);
            }
        }
        self.turn(owner);
        true
    }

    /// Until nothing happens any more.
    fn run(&mut self) {
        self.turns();
        while self.step() || (0..self.owners.len()).any(|owner| self.forward(owner)) {
            self.turns();
        }
    }

    fn attach(&mut self, spec: ConsumerSpec) -> (usize, LinkKey) {
        let owner = self.owner_of(engine_catalogue::base(&spec.address));
        self.owners[owner].next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: self.owners[owner].next_link };
        let command = Command::AttachConsumer { link, spec: Box::new(spec) };
        self.owners[owner].core.handle_command(self.now, self.now, command);
        self.turn(owner);
        // A durable subscription is asked for at all owners in turn.
        while let Some(place) = self.heard.iter().position(|(_, event)| matches!(event, Event::Moved(_))) {
            let (_, Event::Moved(moved)) = self.heard.remove(place) else { unreachable!() };
            let to = usize::from(moved.owner.shard);
            self.owners[to].core.handle_command(self.now, self.now, moved.command);
            self.turn(to);
        }
        (owner, link)
    }

    fn answer(&mut self, link: LinkKey) -> Option<Event> {
        let place = self.heard.iter().position(|(other, _)| *other == link)?;
        Some(self.heard.remove(place).1)
    }

    /// A subscriber with much credit.
    fn subscribe(&mut self, spec: ConsumerSpec) -> (usize, LinkKey, EndKey) {
        let (owner, link) = self.attach(ConsumerSpec { routing: TOPIC, ..spec });
        self.run();
        let Some(Event::Attached { end, .. }) = self.answer(link) else { panic!("attached: {:?}", self.heard) };
        self.owners[owner].core.handle_command(self.now, self.now, Command::Grant { end, credit: 10_000 });
        (owner, link, end)
    }

    fn refusal(&mut self, spec: ConsumerSpec) -> String {
        let (_, link) = self.attach(ConsumerSpec { routing: TOPIC, ..spec });
        match self.answer(link) {
            Some(Event::Refused { refusal }) => refusal.condition.as_str().to_owned(),
            other => panic!("refused: {other:?}"),
        }
    }

    /// Sends one message to an address; gives its outcome.
    fn send(&mut self, address: &str, routing: Option<RoutingType>, message: Message) -> Option<Outcome> {
        let owner = self.owner_of(engine_catalogue::base(address));
        let link = LinkKey { shard: 0, generation: 9, slot: 9 };
        let publish = Box::new(Publish { routing, ..Publish::of(address, message) });
        let command = Command::Publish { link, delivery: 1, settled: Settled::No, publish };
        self.owners[owner].core.handle_command(self.now, self.now, command);
        self.turn(owner);
        match self.answer(link)? {
            Event::Settled { outcome, .. } => Some(outcome),
            other => panic!("{other:?}"),
        }
    }

    /// Numbers of messages that a link got.
    fn got(&mut self, link: LinkKey) -> Vec<u32> {
        self.run();
        let of = self.heard.extract_if(.., |(other, event)| *other == link && matches!(event, Event::Deliver { .. }));
        let number =
            |(_, event)| if let Event::Deliver { message, .. } = event { Some(number(&message)) } else { None };
        of.filter_map(number).collect()
    }

    fn detach(&mut self, (owner, _, end): (usize, LinkKey, EndKey), mode: DetachMode) {
        self.owners[owner].core.handle_command(self.now, self.now, Command::Detach { end, mode });
        self.run();
    }

    /// Addresses and queues of all owners.
    fn nodes(&self) -> (usize, usize) {
        let nodes = self.owners.iter().map(|owner| &owner.core.nodes);
        nodes.fold((0, 0), |(addresses, queues), of| (addresses + of.addresses.len(), queues + of.queues.len()))
    }
}

fn durable(address: &str) -> ConsumerSpec {
    let subscription = Subscription {
        name: "s".into(),
        container: "c".into(),
        durability: Durability::Durable,
        sharing: Sharing::Exclusive,
    };
    ConsumerSpec { subscription: Some(subscription), routing: TOPIC, ..ConsumerSpec::of(address) }
}

fn lasting(number: u32) -> Message {
    Message { header: Header { durable: true, ..Header::default() }, ..numbered(number) }
}

#[test]
fn what_is_sent_to_an_address_that_matches_gets_to_whoever_subscribes() {
    for shards in [1, 3] {
        let mut net = Net::of(shards);
        // Some addresses are there before, some come later.
        net.send("news.eu", TOPIC, numbered(0));
        let before = net.subscribe(ConsumerSpec::of("news.eu"));
        let star = net.subscribe(ConsumerSpec::of("news.*"));
        let hash = net.subscribe(ConsumerSpec::of("news.#"));
        let other = net.subscribe(ConsumerSpec::of("weather.#"));
        for (number, address) in [(1, "news.eu"), (2, "news.us"), (3, "news.eu.de"), (4, "news"), (5, "weather")] {
            assert_eq!(net.send(address, TOPIC, numbered(number)), Some(Outcome::Accepted));
            net.run();
        }
        assert_eq!(net.got(before.1), [1], "{shards}");
        assert_eq!(net.got(star.1), [1, 2]);
        assert_eq!(net.got(hash.1), [1, 2, 3, 4]);
        assert_eq!(net.got(other.1), [5]);
        for link in [before, star, hash, other] {
            net.detach(link, DetachMode::Close);
        }
        assert_eq!(net.nodes(), (0, 0), "nothing of it is left");
        assert!(net.owners.iter().all(|owner| owner.core.nodes.patterns.len() == 0));
    }
}

#[test]
fn a_message_for_queues_is_for_none_of_the_subscriptions() {
    for shards in [1, 3] {
        let mut net = Net::of(shards);
        let link = net.subscribe(ConsumerSpec::of("a.#"));
        for (number, address, routing) in
            [(1, "a.q", QUEUE), (2, "a.q::a.q", None), (3, "a.q", None), (4, "a.q", TOPIC)]
        {
            net.send(address, routing, numbered(number));
            net.run();
        }
        assert_eq!(net.got(link.1), [3, 4], "{shards}");
        let queue = net.owner_of("a.q");
        let view = net.owners[queue].core.queue_views().find(|queue| queue.name == "a.q").expect("the queue");
        assert_eq!(view.messages, 3, "what is for queues is there: 1, 2 and 3");
    }
}

#[test]
fn a_link_is_attached_when_all_owners_know() {
    let mut net = Net::of(3);
    let owner = net.owner_of("a.*");
    let others: Vec<u16> = (0..3).filter(|&other| usize::from(other) != owner).collect();
    let addresses: Vec<String> = others.iter().map(|&other| net.address(other, "a.")).collect();
    let (_, link) = net.attach(ConsumerSpec { routing: TOPIC, ..ConsumerSpec::of("a.*") });
    assert!(net.answer(link).is_none(), "two others have not heard");
    assert_eq!(net.steps.len(), 2);
    // Both hear, and one of their answers is there.
    assert!(net.step() && net.step() && net.step());
    assert!(net.answer(link).is_none(), "one has not answered");
    assert!(net.step());
    let Some(Event::Attached { end, .. }) = net.answer(link) else { panic!("attached: {:?}", net.heard) };
    for (number, address) in (1..).zip(&addresses) {
        net.send(address, TOPIC, numbered(number));
    }
    net.owners[owner].core.handle_command(5, 5, Command::Grant { end, credit: 9 });
    let mut got = net.got(link);
    got.sort_unstable();
    assert_eq!(got, [1, 2]);
    // A further one need not wait.
    let (_, second) = net.attach(ConsumerSpec { routing: TOPIC, ..ConsumerSpec::of("a.*") });
    assert!(matches!(net.answer(second), Some(Event::Attached { .. })));
}

#[test]
fn many_addresses_are_brought_to_a_pattern_within_some_turns() {
    let mut net = Net::of(1);
    let count = 3 * REFRESH_MAX;
    for number in 0..count {
        net.owners[0].producer(&format!("a.{number}"), TOPIC);
    }
    net.owners[0].core.nodes.take_looked();
    let (_, link) = net.attach(ConsumerSpec { routing: TOPIC, ..ConsumerSpec::of("a.*") });
    let mut turns = 0;
    while net.answer(link).is_none() {
        assert!(net.owners[0].core.nodes.take_looked() <= 2 * REFRESH_MAX + 8, "a turn looks at so many and no more");
        assert!(net.owners[0].core.deadline().is_some_and(|due| due <= net.now), "it goes on");
        net.turn(0);
        turns += 1;
    }
    assert!((1..=4).contains(&turns), "{turns}");
}

#[test]
fn addresses_that_match_no_pattern_are_as_they_were() {
    let mut net = Net::of(1);
    net.owners[0].consumer("q", None, Mode::Consume);
    let link = net.subscribe(ConsumerSpec::of("a.*"));
    net.owners[0].consumer("a.q", QUEUE, Mode::Consume);
    let alone = |net: &Net, name: &str| {
        let nodes = &net.owners[0].core.nodes;
        nodes.addresses.get(nodes.address(name).expect(name)).is_some_and(|address| address.queues.only().is_some())
    };
    assert!(alone(&net, "q") && alone(&net, "a.*"));
    assert!(!alone(&net, "a.q"));
    net.detach(link, DetachMode::Close);
    assert!(alone(&net, "a.q"), "it is on the short way again");
}

#[test]
fn what_is_the_brokers_own_is_seen_by_none_and_dynamic_nodes_by_their_beginning() {
    let mut net = Net::of(1);
    let hash = net.subscribe(ConsumerSpec::of("#"));
    let beginning = net.subscribe(ConsumerSpec::of("a.#"));
    for (number, address) in [(1, "$dynamic-1.x"), (2, "a"), (3, "a.*")] {
        net.send(address, TOPIC, numbered(number));
    }
    assert_eq!(net.got(hash.1), [2]);
    assert_eq!(net.got(beginning.1), [2]);
}

#[test]
fn durable_messages_are_accepted_when_they_are_stored_on_their_way() {
    let mut net = Net::new(2, Storage::Journal, Vec::new());
    let owner = net.owner_of("a.#");
    let other = 1 - owner;
    let address = net.address(u16::try_from(other).expect("few"), "a.");
    let journal = |net: &mut Net, owner: usize| {
        let facts: Vec<Fact> = std::iter::from_fn(|| net.owners[owner].core.poll_fact()).collect();
        let last = net.owners[owner].core.journal.numbers.last();
        net.owners[owner].core.handle_durable(last);
        net.turn(owner);
        facts
    };
    // Nobody's subscription outlives the node: nothing is stored.
    let volatile = net.subscribe(ConsumerSpec::of("a.#"));
    assert_eq!(net.send(&address, TOPIC, lasting(1)), Some(Outcome::Accepted));
    assert_eq!(net.got(volatile.1), [1]);
    assert!(journal(&mut net, other).is_empty());
    // A durable one comes: the shards are told before it is attached.
    let (_, link) = net.attach(durable("a.#"));
    net.run();
    assert!(net.answer(link).is_none(), "it is not on stable storage");
    journal(&mut net, owner);
    assert!(matches!(net.answer(link), Some(Event::Attached { .. })));
    assert_eq!(net.send(&address, TOPIC, lasting(2)), None, "it waits for the disk");
    let facts = journal(&mut net, other);
    let [Fact::Declared { declared, .. }, Fact::Stored { .. }] = facts.as_slice() else { panic!("stored: {facts:?}") };
    assert_eq!((declared.name.as_str(), declared.purpose), ("$wildcard::a.#", Purpose::OnDemand));
    assert!(declared.address.starts_with("$heddle.wildcard."));
}

#[test]
fn what_a_crash_left_on_its_way_goes_on_or_is_nobodys() {
    let subscription = |address: &str| Restored {
        declared: Declared {
            queue: 7,
            routing: RoutingType::Multicast,
            purpose: Purpose::Subscription,
            address: address.to_owned(),
            name: "c.s".to_owned(),
            selector: None,
            no_local: None,
        },
        messages: 0,
        bytes: 0,
    };
    for (subscribed, there) in [("a.#", vec![1, 2]), ("b.#", vec![])] {
        let mut net = Net::new(2, Storage::Journal, Vec::new());
        let owner = net.owner_of("a.#");
        let other = 1 - owner;
        // The shards may have been others: the name says another one.
        let declared = Declared {
            queue: 1,
            routing: RoutingType::Multicast,
            purpose: Purpose::OnDemand,
            address: "$heddle.wildcard.9.a.#".to_owned(),
            name: "$wildcard::a.#".to_owned(),
            selector: None,
            no_local: None,
        };
        let kept = subscription(subscribed);
        let patterns = kept_patterns([&kept].into_iter());
        assert_eq!(patterns, [Box::from(subscribed)]);
        let last = LastNumbers { fact: 9, queue: 8, ..LastNumbers::default() };
        net.owners.iter_mut().for_each(|owner| owner.core.restore_numbers(last));
        let of = net.owner_of(subscribed);
        net.owners[of].core.restore(&kept);
        net.owners[other].core.restore(&Restored { declared, messages: 2, bytes: 18 });
        net.owners.iter_mut().for_each(|owner| owner.core.know_patterns(&patterns));
        // What is sent before anybody has heard of anything is not missed.
        let address = net.address(u16::try_from(other).expect("few"), "a.");
        net.send(&address, TOPIC, numbered(3));
        while let Some(fetch) = net.owners[other].core.poll_fetch() {
            let core = &mut net.owners[other].core;
            core.handle_fetched(fetch.queue, (1..3).map(|name| (name, numbered(name as u32))));
            core.handle_fetch_done(fetch.queue);
        }
        net.run();
        if subscribed == "a.#" {
            let found = net.owners[owner].core.queue_views().find(|queue| queue.name == "c.s").expect("it is there");
            assert_eq!(found.messages, 1 + there.len() as u64);
        }
        let left = net.owners[other].core.queue_views().filter(|queue| queue.name == "$wildcard::a.#");
        assert_eq!(left.map(|queue| queue.messages).sum::<u64>(), 0);
        assert!(net.owners[other].core.nodes.address("$heddle.wildcard.9.a.#").is_none(), "it is done with");
    }
}

#[test]
fn the_order_stays_while_subscribers_have_no_room() {
    let layer = Layer { max_messages: Some(4), when_full: Some(WhenFull::Refuse), ..Layer::default() };
    let pattern = engine_catalogue::Pattern::new("a.#").expect("a pattern");
    let matched = Attributes::Match(layer);
    let mut net = Net::new(2, Storage::Memory, vec![(pattern.as_str(), matched)]);
    let other = 1 - net.owner_of("a.#");
    let address = net.address(u16::try_from(other).expect("few"), "a.");
    let (owner, link) = net.attach(ConsumerSpec { routing: TOPIC, ..ConsumerSpec::of("a.#") });
    net.run();
    let Some(Event::Attached { end, .. }) = net.answer(link) else { panic!("attached: {:?}", net.heard) };
    // Four fit into the subscription, and four into what leads there.
    let taken =
        (0..20).filter(|&number| net.send(&address, TOPIC, numbered(number)) == Some(Outcome::Accepted)).count();
    net.run();
    assert!((4..=12).contains(&taken), "{taken}");
    let mut got = Vec::new();
    for _ in 0..40 {
        net.now += 10_000_000_000;
        net.owners[owner].core.handle_command(net.now, net.now, Command::Grant { end, credit: 2 });
        net.run();
        let keys: Vec<(u64, u32)> =
            net.heard
                .extract_if(.., |(other, event)| *other == link && matches!(event, Event::Deliver { .. }))
                .filter_map(|(_, event)| {
                    if let Event::Deliver { key, message } = event { Some((key, number(&message))) } else { None }
                })
                .collect();
        for (key, number) in keys {
            got.push(number);
            let settle = Command::Settle { end, key, outcome: Outcome::Accepted, confirm: None };
            net.owners[owner].core.handle_command(net.now, net.now, settle);
        }
    }
    assert_eq!(got.len(), taken);
    assert!(got.is_sorted(), "{got:?}");
}

#[test]
fn selectors_choose_and_large_messages_that_they_cannot_look_into_hold_up_nobody() {
    for shards in [1, 2] {
        let mut net = Net::of(shards);
        let owner = net.owner_of("a.#");
        let address = net.address(u16::try_from(usize::from(shards) - 1 - owner).expect("few"), "a.");
        let urgent = ConsumerSpec { selector: Some("JMSPriority > 4".into()), ..ConsumerSpec::of("a.#") };
        let link = net.subscribe(urgent);
        let large = Message { content: crate::message::Content::File, ..numbered(1) };
        let outcome = net.send(&address, TOPIC, large);
        let is_far = usize::from(shards) - 1 != 0;
        assert_eq!(
            outcome == Some(Outcome::Accepted),
            is_far,
            "its sender hears of it where that is known: {outcome:?}"
        );
        for (number, priority) in [(2, 1), (3, 7)] {
            net.send(&address, TOPIC, Message { header: Header { priority, ..Header::default() }, ..numbered(number) });
        }
        assert_eq!(net.got(link.1), [3]);
        let waits =
            net.owners.iter().flat_map(|owner| owner.core.queue_views()).map(|queue| queue.forwarding).sum::<u64>();
        assert_eq!(waits, 0);
    }
}

#[test]
fn transactions_and_diverts_go_with_them() {
    let divert = |name: &str, exclusive| {
        let divert = Divert { address: name.to_owned(), to: "there".to_owned(), exclusive, ..Divert::default() };
        Attributes::Divert(divert)
    };
    let mut net = Net::new(1, Storage::Memory, vec![("d", divert("a.x", true)), ("e", divert("a.y", false))]);
    let link = net.subscribe(ConsumerSpec::of("a.*"));
    let sends = [(1, "a.x"), (2, "a.y"), (3, "a.z")].map(|(number, to)| Publish::of(to, numbered(number)));
    let part = Part { sends: sends.into(), ..Part::default() };
    let by = LinkKey { shard: 0, generation: 0, slot: 99 };
    let commit = Command::Transact { link: by, delivery: 0, settled: Settled::No, part: Box::new(part) };
    net.owners[0].core.handle_command(2, 2, commit);
    net.turn(0);
    assert!(matches!(net.answer(by), Some(Event::Settled { outcome: Outcome::Accepted, .. })));
    assert_eq!(net.got(link.1), [2, 3], "an exclusive divert has what it gets for itself");
}

#[test]
fn queues_of_a_pattern_that_are_declared_get_what_matches_from_the_start() {
    let audit = ("a.#::audit", Attributes::Queue(Queue { routing: TOPIC }));
    let mut net = Net::new(3, Storage::Memory, vec![audit]);
    let addresses: Vec<String> = (0..3).map(|owner| net.address(owner, "a.")).collect();
    for (number, address) in (1..).zip(&addresses) {
        net.send(address, TOPIC, numbered(number));
    }
    net.run();
    let owner = net.owner_of("a.#");
    let audit = net.owners[owner].core.queue_views().find(|queue| queue.name == "audit").expect("it is declared");
    assert_eq!(audit.messages, 3);
}

#[test]
fn what_is_no_pattern_or_too_much_is_refused() {
    let mut net = Net::of(2);
    assert_eq!(net.refusal(ConsumerSpec::of("a.#.#")), Condition::InvalidField.as_str());
    assert_eq!(net.refusal(ConsumerSpec::of(format!("{}.#", "a".repeat(2000)))), Condition::InvalidField.as_str());
    let no_local = ConsumerSpec { no_local: Some(crate::Origin::of("c")), ..ConsumerSpec::of("a.#") };
    assert_eq!(net.refusal(no_local), Condition::NotImplemented.as_str());
    let literal = net.subscribe(ConsumerSpec::of("a#.b*"));
    assert_eq!(net.owners.iter().map(|owner| owner.core.nodes.patterns.len()).sum::<usize>(), 0, "these are letters");
    net.detach(literal, DetachMode::Close);
    let owner = net.owner_of("one.more.*");
    for number in 0..PATTERNS_MAX {
        let known = Known { leads: Key::NOWHERE, told: None };
        net.owners[owner].core.nodes.patterns.insert(&format!("p.{number}.*"), known);
    }
    assert_eq!(net.refusal(ConsumerSpec::of("one.more.*")), Condition::ResourceLimitExceeded.as_str());
    net.owners[owner].core.nodes.patterns.remove("p.7.*");
    net.subscribe(ConsumerSpec::of("one.more.*"));
}

#[test]
fn whoever_loses_its_subscription_while_it_waits_hears_both() {
    let mut net = Net::of(2);
    let (_, first) = net.attach(durable("a.#"));
    assert!(net.answer(first).is_none());
    let owner = net.owner_of("a.#");
    let queue = net.owners[owner].core.nodes.subscription("c.s").expect("it is there");
    net.owners[owner].core.delete(queue);
    net.run();
    assert!(matches!(net.answer(first), Some(Event::Attached { .. })));
    assert!(matches!(net.answer(first), Some(Event::Detached { .. })));
    assert_eq!(net.nodes(), (0, 0));
}

#[test]
fn what_leads_there_is_nobodys_to_use() {
    let mut net = Net::of(2);
    net.subscribe(ConsumerSpec::of("a.#"));
    assert_eq!(net.refusal(ConsumerSpec::of("a.#::$wildcard::a.#")), Condition::NotAllowed.as_str());
    let other = 1 - net.owner_of("a.#");
    let core = &mut net.owners[other].core;
    let address = format!("$heddle.wildcard.{other}.a.#");
    assert!(core.nodes.address(&address).is_some());
    let task = crate::Task {
        address: address.clone(),
        queue: "$wildcard::a.#".to_owned(),
        action: crate::Action::Delete(crate::Force::Yes),
        selector: None,
        most: 1,
        from: None,
    };
    assert!(core.manage(&task).is_err());
}
