//! What an owner looks at: the nodes that something happens to, however many others there are.

use super::*;
use crate::limits::RELEASE_MAX;

/// Queues that nothing happens to.
const IDLE: u32 = 2_000;
const SUBSCRIPTIONS: u32 = 1_000;

fn without_checks(owner: &mut Owner, command: Command) -> Vec<Event> {
    owner.core.handle_command(1, 1, command);
    std::iter::from_fn(|| owner.core.poll_event()).map(|(_, event)| event).collect()
}

fn attach(owner: &mut Owner, make: impl FnOnce(LinkKey) -> Command) -> EndKey {
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    match without_checks(owner, make(link)).first() {
        Some(Event::Attached { end, .. }) => *end,
        other => panic!("not attached: {other:?}"),
    }
}

fn produce(address: &str) -> impl FnOnce(LinkKey) -> Command {
    let spec = ProducerSpec::of(address);
    move |link| Command::AttachProducer { link, spec: Box::new(spec) }
}

fn small() -> CoreConfig {
    let layer = Layer { producer_window: Some(10), soft_messages: Some(5), ..Layer::default() };
    CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() }
}

#[test]
fn a_turn_looks_at_the_queues_that_something_happens_to() {
    let mut owner = Owner { core: Core::new(small()), next_link: 0 };
    for queue in 0..IDLE {
        let producer = attach(&mut owner, produce(&format!("idle{queue}")));
        // One in four has a message that may be dropped one day.
        let expires_wall_ms = std::num::NonZeroU64::new(1_000_000).filter(|_| queue.is_multiple_of(4));
        let message = Message { expires_wall_ms, ..numbered(queue) };
        owner.core.handle_deliver(1, 1, producer, queue, Settled::No, message);
    }
    let consumer = attach(&mut owner, |link| consume(link, "busy", None, Mode::Consume));
    let producer = attach(&mut owner, produce("busy"));
    owner.core.handle_command(1, 1, Command::Grant { end: consumer, credit: 1 });
    owner.events();
    owner.core.nodes.take_looked();
    // Its credit is withheld, as the queue is deep and its consumer takes.
    for delivery in 0..10 {
        without_checks(
            &mut owner,
            Command::Deliver { end: producer, delivery, settled: Settled::No, message: numbered(0) },
        );
    }
    let mut credit = 0;
    let mut turns = 0;
    while credit == 0 && turns < 100 {
        turns += 1;
        let now_ns = owner.core.deadline().expect("somebody waits");
        owner.core.begin_turn(now_ns, now_ns / 1_000_000);
        let events: Vec<Event> = std::iter::from_fn(|| owner.core.poll_event()).map(|(_, event)| event).collect();
        credit = events.iter().filter(|event| matches!(event, Event::Credit { .. })).count();
    }
    assert_eq!((credit, turns), (1, 1), "it is looked at when its consumer counts as gone");
    let looked = owner.core.nodes.take_looked();
    assert!(looked <= 6, "{looked} nodes were looked at");
    owner.core.check();
}

#[test]
fn queues_that_wait_for_the_shard_are_released_in_steps() {
    let mut owner = Owner { core: Core::new(small()), next_link: 0 };
    owner.core.handle_room(Room::Busy, 0);
    for queue in 0..IDLE {
        attach(&mut owner, produce(&format!("q{queue}")));
    }
    owner.core.nodes.take_looked();
    assert_eq!(owner.core.deadline(), None, "nothing is due while there is no room");
    owner.core.begin_turn(50_000_000, 50);
    assert_eq!(owner.core.nodes.take_looked(), 0);
    owner.core.handle_room(Room::Plenty, 0);
    let (mut turns, mut credited) = (0, 0);
    while let Some(now_ns) = owner.core.deadline() {
        owner.core.begin_turn(now_ns, 50);
        let looked = owner.core.nodes.take_looked();
        assert!(looked <= 2 * RELEASE_MAX, "{looked} in one turn");
        credited += std::iter::from_fn(|| owner.core.poll_event()).count();
        turns += 1;
    }
    assert_eq!((turns, credited), (IDLE.div_ceil(RELEASE_MAX as u32), IDLE as usize));
    owner.core.check();
}

#[test]
fn a_topic_costs_what_its_subscriptions_get() {
    let mut owner = Owner { core: Core::new(CoreConfig::default()), next_link: 0 };
    let topic = Some(RoutingType::Multicast);
    let mut ends = Vec::new();
    for _ in 0..SUBSCRIPTIONS {
        ends.push(attach(&mut owner, |link| consume(link, "t", topic, Mode::Consume)));
    }
    let producer = attach(&mut owner, produce("t"));
    owner.core.nodes.take_looked();
    for delivery in 0..20 {
        let message = numbered(delivery);
        without_checks(&mut owner, Command::Deliver { end: producer, delivery, settled: Settled::No, message });
    }
    // Credit was looked for once at most: it lasts for half a window.
    let looked = owner.core.nodes.take_looked();
    assert!(looked <= SUBSCRIPTIONS as usize, "{looked} looks for 20 messages");
    // Links come and go, and nobody looks at those that stay.
    for _ in 0..100 {
        let producer = attach(&mut owner, produce("t"));
        let looked = owner.core.nodes.take_looked();
        assert!(looked <= SUBSCRIPTIONS as usize, "its credit: {looked}");
        without_checks(&mut owner, Command::Detach { end: producer, mode: DetachMode::Close });
        assert_eq!(owner.core.nodes.take_looked(), 0);
    }
    for end in ends {
        without_checks(&mut owner, Command::Detach { end, mode: DetachMode::Close });
    }
    assert_eq!(owner.core.nodes.take_looked(), 0);
    owner.core.check();
    assert_eq!(owner.core.counts(), (1, 0), "the producer is left");
}

#[test]
fn a_queue_is_found_among_many_by_its_name() {
    let mut owner = Owner { core: Core::new(CoreConfig::default()), next_link: 0 };
    let topic = Some(RoutingType::Multicast);
    let names: Vec<String> = (0..200).map(|queue| format!("t::q{queue}")).collect();
    let ends: Vec<EndKey> =
        names.iter().map(|name| attach(&mut owner, |link| consume(link, name, topic, Mode::Consume))).collect();
    for (name, end) in names.iter().zip(ends) {
        let again = attach(&mut owner, |link| consume(link, name, topic, Mode::Consume));
        assert_eq!(owner.core.counts().1 as u64, owner.core.queue_views().count() as u64);
        without_checks(&mut owner, Command::Detach { end, mode: DetachMode::Close });
        let queues = owner.core.counts().1;
        without_checks(&mut owner, Command::Detach { end: again, mode: DetachMode::Close });
        assert_eq!(owner.core.counts().1, queues - 1, "{name} had two consumers and no other queue");
        owner.core.check();
    }
    assert_eq!(owner.core.counts(), (0, 0));
}
