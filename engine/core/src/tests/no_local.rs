//! No-local: a subscription that asks for it gets what other containers send, whichever way that comes.

use super::*;
use crate::Origin;
use crate::command::{Part, Publish};
use crate::message::{Content, Large};

const TOPIC: Option<RoutingType> = Some(RoutingType::Multicast);

fn container(name: &str) -> Option<Origin> {
    Some(Origin::of(name))
}

/// A subscription without messages of `me`.
fn others() -> ConsumerSpec {
    ConsumerSpec { routing: TOPIC, no_local: container("me"), ..ConsumerSpec::of("t") }
}

fn named(durability: Durability, sharing: Sharing) -> Option<Subscription> {
    Some(Subscription { container: "me".to_owned(), name: "s".to_owned(), durability, sharing })
}

impl Owner {
    fn subscriber(&mut self, spec: ConsumerSpec) -> EndKey {
        self.attached(|link| Command::AttachConsumer { link, spec: Box::new(spec) })
    }

    fn sender(&mut self, origin: Option<Origin>) -> EndKey {
        let spec = ProducerSpec { routing: TOPIC, origin, ..ProducerSpec::of("t") };
        self.attached(|link| Command::AttachProducer { link, spec: Box::new(spec) })
    }

    fn send_on(&mut self, end: EndKey, message: Message) -> Vec<Event> {
        self.command(Command::Deliver { end, delivery: 0, settled: Settled::No, message })
    }

    /// The numbers of what waits for a consumer.
    fn waiting(&mut self, end: EndKey) -> Vec<u32> {
        let events = self.command(Command::Grant { end, credit: 1000 });
        self.command(Command::Revoke { end, credit: 1000 });
        let number = |event| if let Event::Deliver { message, .. } = event { Some(number(&message)) } else { None };
        events.into_iter().filter_map(number).collect()
    }
}

#[test]
fn a_subscription_gets_what_others_send() {
    let mut owner = Owner::new();
    let alone = owner.subscriber(others());
    let [mine, anothers, nobodys] = [container("me"), container("another"), None].map(|origin| owner.sender(origin));
    let send = |owner: &mut Owner, first| {
        for (end, of) in [mine, anothers, nobodys].into_iter().zip(first..) {
            owner.send_on(end, numbered(of));
        }
    };
    send(&mut owner, 1);
    assert_eq!(owner.waiting(alone), [2, 3], "the only queue of its address");
    let all = owner.subscriber(ConsumerSpec { routing: TOPIC, ..ConsumerSpec::of("t") });
    let urgent = ConsumerSpec { selector: Some("JMSPriority = 4".into()), ..others() };
    let urgent = owner.subscriber(urgent);
    send(&mut owner, 4);
    assert_eq!(owner.waiting(alone), [5, 6]);
    assert_eq!(owner.waiting(urgent), [5, 6], "beside a selector that is true for all of them");
    assert_eq!(owner.waiting(all), [4, 5, 6]);
    owner.core.check();
    // Nobody is left who leaves anything out.
    for end in [alone, urgent] {
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    send(&mut owner, 7);
    assert_eq!(owner.waiting(all), [7, 8, 9]);
    owner.core.check();
}

#[test]
fn it_holds_for_relays_and_transactions() {
    let mut owner = Owner::new();
    let end = owner.subscriber(others());
    let link = LinkKey { shard: 0, generation: 0, slot: 90 };
    let publish = |name, of| Publish { routing: TOPIC, origin: container(name), ..Publish::of("t", numbered(of)) };
    for (name, of) in [("me", 1), ("another", 2)] {
        let publish = Box::new(publish(name, of));
        owner.command(Command::Publish { link, delivery: 0, settled: Settled::No, publish });
    }
    let part = Box::new(Part { sends: vec![publish("me", 3), publish("another", 4)], ..Part::default() });
    owner.command(Command::Transact { link, delivery: 0, settled: Settled::No, part });
    assert_eq!(owner.waiting(end), [2, 4]);
}

#[test]
fn large_messages_are_not_refused_for_it() {
    let mut owner = Owner::new();
    owner.subscriber(others());
    let anothers = owner.sender(container("another"));
    let large = Message { content: Content::File, ..Message::new(Large { id: 1, bytes: 9, checksum: 0 }.encode()) };
    let events = owner.send_on(anothers, large);
    let accepted = |event: &Event| matches!(event, Event::Settled { outcome: Outcome::Accepted, .. });
    assert!(events.iter().any(accepted), "{events:?}");
    assert_eq!(owner.core.nodes.queues.iter().map(|(_, queue)| queue.messages()).sum::<u64>(), 1);
}

#[test]
fn consumers_of_one_subscription_agree_on_it() {
    let mut owner = Owner::new();
    let subscription = named(Durability::Volatile, Sharing::Global);
    let shared = |no_local| ConsumerSpec { subscription: subscription.clone(), no_local, ..others() };
    owner.subscriber(shared(container("me")));
    owner.subscriber(shared(container("me")));
    for other in [None, container("another")] {
        let link = LinkKey { shard: 0, generation: 0, slot: 90 };
        let events = owner.command(Command::AttachConsumer { link, spec: Box::new(shared(other)) });
        let Some(Event::Refused { refusal }) = events.first() else { panic!("it is not refused: {events:?}") };
        assert!(refusal.description.contains("another selector or no-local"), "{}", refusal.description);
    }
}

#[test]
fn a_durable_subscription_has_it_after_a_restart_and_is_another_one_without() {
    let config = CoreConfig { storage: Storage::Journal, ..CoreConfig::default() };
    let start = || {
        let mut owner = Owner { core: Core::new(config.clone()), next_link: 0 };
        owner.core.restore_numbers(crate::LastNumbers::default());
        owner
    };
    let durable = || ConsumerSpec { subscription: named(Durability::Durable, Sharing::Exclusive), ..others() };
    let attach = |owner: &mut Owner, spec| {
        let link = LinkKey { shard: 0, generation: 0, slot: 9 };
        owner.command(Command::AttachConsumer { link, spec: Box::new(spec) });
        std::iter::from_fn(|| owner.core.poll_fact()).find_map(|fact| match fact {
            Fact::Declared { declared, .. } => Some(*declared),
            _ => None,
        })
    };
    let declared = attach(&mut start(), durable()).expect("it is declared");
    assert_eq!((declared.selector.as_deref(), declared.no_local), (None, container("me")));
    let mut owner = start();
    owner.core.restore(&crate::Restored { declared, messages: 0, bytes: 0 });
    owner.core.check();
    let messages = |owner: &Owner| owner.core.nodes.queues.iter().map(|(_, queue)| queue.messages()).sum::<u64>();
    for (name, there) in [("me", 0), ("another", 1)] {
        let end = owner.sender(container(name));
        owner.send_on(end, numbered(1));
        assert_eq!(messages(&owner), there, "from {name}");
    }
    let again = attach(&mut owner, ConsumerSpec { no_local: None, ..durable() }).expect("it is made anew");
    assert_eq!((again.no_local, messages(&owner)), (None, 0), "without what the other one had");
    owner.core.check();
}

#[test]
fn queues_that_are_no_subscriptions_do_not_know_it() {
    let mut owner = Owner::new();
    let spec = ConsumerSpec { no_local: container("me"), ..ConsumerSpec::of("q") };
    let link = LinkKey { shard: 0, generation: 0, slot: 90 };
    let events = owner.command(Command::AttachConsumer { link, spec: Box::new(spec) });
    let Some(Event::Attached { end, info }) = events.first() else { panic!("it is not attached: {events:?}") };
    assert_eq!(info.no_local, None);
    let spec = ProducerSpec { origin: container("me"), ..ProducerSpec::of("q") };
    let producer = owner.attached(|link| Command::AttachProducer { link, spec: Box::new(spec) });
    owner.send_on(producer, numbered(1));
    assert_eq!(owner.waiting(*end), [1]);
}
