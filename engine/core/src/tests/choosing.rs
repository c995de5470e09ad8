//! Subscriptions with selectors: each gets the messages that its selector is true for, as if each were asked alone.

use engine_message::encode::{self, Compound, finish_map};
use engine_selector::{Selector, View};
use proptest::collection::vec;

use super::*;
use crate::message::{Content, Large};

const TOPIC: Option<RoutingType> = Some(RoutingType::Multicast);

/// A message with its number as a property, and which of them.
fn colored(color: &str, number: u32) -> Message {
    let mut body = Vec::new();
    encode::descriptor(&mut body, 0x74);
    let mut map = Compound::map(&mut body);
    map.put(|out| encode::string(out, "color")).put(|out| encode::string(out, color));
    map.put(|out| encode::string(out, "number")).put(|out| encode::uint(out, number));
    finish_map(map);
    Message::new(body.into())
}

fn selecting(address: &str, selector: &str) -> ConsumerSpec {
    ConsumerSpec { routing: TOPIC, selector: Some(selector.into()), ..ConsumerSpec::of(address) }
}

fn shared(name: &str, durability: Durability) -> Option<Subscription> {
    let (container, name) = ("client".to_owned(), name.to_owned());
    Some(Subscription { container, name, durability, sharing: Sharing::Shared })
}

impl Owner {
    fn attach(&mut self, spec: ConsumerSpec) -> EndKey {
        self.attached(|link| Command::AttachConsumer { link, spec: Box::new(spec) })
    }

    fn attach_refused(&mut self, spec: ConsumerSpec) -> (String, String) {
        self.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: self.next_link };
        let events = self.command(Command::AttachConsumer { link, spec: Box::new(spec) });
        let Some(Event::Refused { refusal }) = events.first() else { panic!("it is not refused: {events:?}") };
        (refusal.condition.to_string(), refusal.description.clone())
    }

    fn publish_all(&mut self, end: EndKey, messages: &[Message]) {
        for (delivery, message) in (0..).zip(messages) {
            self.command(Command::Deliver { end, delivery, settled: Settled::Yes, message: message.clone() });
        }
    }

    /// Bodies of everything that waits for a consumer.
    fn bodies(&mut self, end: EndKey) -> Vec<Bytes> {
        let events = self.command(Command::Grant { end, credit: 1000 });
        self.command(Command::Revoke { end, credit: 1000 });
        let body = |event| if let Event::Deliver { message, .. } = event { Some(message.body) } else { None };
        events.into_iter().filter_map(body).collect()
    }
}

#[test]
fn a_subscription_gets_what_its_selector_is_true_for() {
    let mut owner = Owner::new();
    let red = owner.attach(selecting("t", "color = 'red'"));
    let producer = owner.producer("t", TOPIC);
    let messages: Vec<_> = (0..6).map(|number| colored(["red", "blue"][number as usize % 2], number)).collect();
    owner.publish_all(producer, &messages[..2]);
    assert_eq!(owner.bodies(red), [messages[0].body.clone()], "the only one of its address chooses, too");
    let all = owner.consumer("t", TOPIC, Mode::Consume);
    let late = owner.attach(selecting("t", "number > 3 AND color <> 'green'"));
    owner.publish_all(producer, &messages[2..]);
    assert_eq!(owner.bodies(red), [2, 4].map(|number: usize| messages[number].body.clone()));
    assert_eq!(owner.bodies(all).len(), 4);
    assert_eq!(owner.bodies(late), [4, 5].map(|number: usize| messages[number].body.clone()));
    // Nobody is left who chooses: everything is as before.
    owner.command(Command::Detach { end: red, mode: DetachMode::Close });
    owner.command(Command::Detach { end: late, mode: DetachMode::Close });
    owner.publish_all(producer, &messages);
    assert_eq!(owner.bodies(all).len(), 6);
    owner.core.check();
}

#[test]
fn what_is_no_selector_is_refused_and_leaves_nothing() {
    let mut owner = Owner::new();
    let refused = owner.attach_refused(selecting("t", "color = "));
    let text = "invalid filter: a name or a value is expected, found: the end (at character 9)";
    assert_eq!(refused, ("amqp:invalid-field".to_owned(), text.to_owned()));
    assert_eq!(owner.core.nodes.queues.len() + owner.core.nodes.addresses.len(), 0);
}

#[test]
fn consumers_of_one_subscription_have_one_selector() {
    let mut owner = Owner::new();
    let volatile = || shared("s", Durability::Volatile);
    let red = || ConsumerSpec { subscription: volatile(), ..selecting("t", "color = 'red'") };
    let [first, second] = [red(), red()].map(|spec| owner.attach(spec));
    let other = ConsumerSpec { selector: Some("color = 'blue'".into()), ..red() };
    let none = ConsumerSpec { selector: None, ..red() };
    for spec in [other.clone(), none] {
        let (condition, text) = owner.attach_refused(spec);
        assert_eq!(condition, "amqp:illegal-state");
        assert!(text.contains("another selector"), "{text}");
    }
    let producer = owner.producer("t", TOPIC);
    owner.publish_all(producer, &[colored("red", 1), colored("blue", 2), colored("red", 3)]);
    assert_eq!(owner.bodies(first).len() + owner.bodies(second).len(), 2);
    // It goes with its last consumer, and one of its name is another one.
    for end in [first, second] {
        owner.command(Command::Detach { end, mode: DetachMode::Ended });
    }
    let blue = owner.attach(other);
    owner.publish_all(producer, &[colored("red", 1), colored("blue", 2), colored("red", 3)]);
    assert_eq!(owner.bodies(blue).len(), 1);
}

#[test]
fn a_durable_subscription_has_its_selector_after_a_restart_and_another_one_only_as_another_subscription() {
    let config = CoreConfig { storage: Storage::Journal, ..CoreConfig::default() };
    let mut owner = Owner { core: Core::new(config.clone()), next_link: 0 };
    owner.core.restore_numbers(crate::LastNumbers::default());
    let durable =
        |selector| ConsumerSpec { subscription: shared("s", Durability::Durable), ..selecting("t", selector) };
    let link = LinkKey { shard: 0, generation: 0, slot: 9 };
    owner.command(Command::AttachConsumer { link, spec: Box::new(durable("color = 'red'")) });
    let declared = std::iter::from_fn(|| owner.core.poll_fact()).find_map(|fact| match fact {
        Fact::Declared { declared, .. } => Some(*declared),
        _ => None,
    });
    let declared = declared.expect("it is declared");
    assert_eq!(declared.selector.as_deref(), Some("color = 'red'"));
    // The node starts again.
    let mut owner = Owner { core: Core::new(config), next_link: 0 };
    owner.core.restore_numbers(crate::LastNumbers::default());
    owner.core.restore(&crate::Restored { declared, messages: 0, bytes: 0 });
    owner.core.check();
    let producer = owner.producer("t", TOPIC);
    owner.publish_all(producer, &[colored("red", 1), colored("blue", 2)]);
    let messages = |owner: &Owner| owner.core.nodes.queues.iter().map(|(_, queue)| queue.messages()).sum::<u64>();
    assert_eq!(messages(&owner), 1);
    // Nobody consumes it: one with another selector takes its place, without its messages.
    let attach = |owner: &mut Owner, selector| {
        let link = LinkKey { shard: 0, generation: 0, slot: 10 };
        owner.command(Command::AttachConsumer { link, spec: Box::new(durable(selector)) });
        std::iter::from_fn(|| owner.core.poll_fact()).collect::<Vec<_>>()
    };
    let facts = attach(&mut owner, "color = 'blue'");
    let [Fact::Deleted { .. }, Fact::Declared { declared, .. }] = facts.as_slice() else { panic!("{facts:?}") };
    assert_eq!((declared.selector.as_deref(), messages(&owner)), (Some("color = 'blue'"), 0));
    assert_eq!(attach(&mut owner, "color = 'blue'"), [], "it is the same one");
    let (condition, _) = owner.attach_refused(durable("color = 'green'"));
    assert_eq!(condition, "amqp:illegal-state", "it has consumers");
    owner.publish_all(producer, &[colored("red", 1), colored("blue", 2)]);
    assert_eq!(messages(&owner), 1);
}

#[test]
fn a_large_message_is_refused_where_selectors_would_have_to_look_into_its_file() {
    let mut owner = Owner::new();
    let large = Message { content: Content::File, ..Message::new(Large { id: 1, bytes: 9, checksum: 0 }.encode()) };
    let producer = owner.producer("t", TOPIC);
    let red = owner.attach(selecting("t", "color = 'red'"));
    let outcome = |owner: &mut Owner| {
        let message = large.clone();
        let events = owner.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::No, message });
        let settled = events.into_iter().find_map(|event| match event {
            Event::Settled { outcome, .. } => Some(outcome),
            _ => None,
        });
        settled.expect("it is settled")
    };
    let Outcome::Rejected(Some(refusal)) = outcome(&mut owner) else { panic!("it is not refused") };
    assert!(refusal.condition == Condition::NotImplemented && refusal.description.contains("large"), "{refusal:?}");
    owner.command(Command::Detach { end: red, mode: DetachMode::Close });
    owner.consumer("t", TOPIC, Mode::Consume);
    assert_eq!(outcome(&mut owner), Outcome::Accepted, "nobody chooses any more");
}

#[test]
fn selectors_see_what_is_kept_beside_the_file_of_a_large_message() {
    let mut owner = Owner::new();
    let producer = owner.producer("t", TOPIC);
    let red = owner.attach(selecting("t", "color = 'red'"));
    for color in ["red", "blue"] {
        let large = Large { id: 1, bytes: 9, checksum: 0 };
        let front = crate::message::large_front(&colored(color, 1).body);
        let message = Message { content: Content::File, ..Message::new(large.encode_with(&[], &front)) };
        owner.command(Command::Deliver { end: producer, delivery: 0, settled: Settled::No, message });
    }
    let got = owner.command(Command::Grant { end: red, credit: 9 });
    assert_eq!(got.iter().filter(|event| matches!(event, Event::Deliver { .. })).count(), 1);
}

proptest! {
    #[test]
    fn each_subscription_gets_what_it_would_get_alone(
        selectors in vec(prop::sample::select(vec![
            "color = 'red'", "color = 'blue' AND number > 2", "number = 3", "number < 3", "'red' = color AND number = 3", "color LIKE 'b%'",
            "missing IS NULL", "missing = 1", "JMSPriority = 4", "AMQAddress = 't'", "",
        ]), 1..8),
        messages in vec((prop::sample::select(vec!["red", "blue", "green"]), 0..5_u32), 0..12),
        leaves in vec(any::<bool>(), 8),
        late in 0..4_usize,
    ) {
        let mut owner = Owner::new();
        let producer = owner.producer("t", TOPIC);
        let spec = |selector: &&str| match *selector {
            "" => ConsumerSpec { routing: TOPIC, ..ConsumerSpec::of("t") },
            selector => selecting("t", selector),
        };
        let ends: Vec<_> = selectors.iter().map(|selector| owner.attach(spec(selector))).collect();
        let leaving = ends.iter().zip(&leaves).filter(|(_, leaves)| **leaves);
        for (end, _) in leaving {
            owner.command(Command::Detach { end: *end, mode: DetachMode::Close });
        }
        // Some come back, of which some choose.
        let late: Vec<_> = selectors.iter().copied().cycle().take(late).collect();
        let (mut ends, mut selectors, mut leaves) = (ends, selectors, leaves);
        leaves.truncate(ends.len());
        leaves.extend(late.iter().map(|_| false));
        ends.extend(late.iter().map(|selector| owner.attach(spec(selector))));
        selectors.extend(late);
        let messages: Vec<_> = messages.into_iter().map(|(color, number)| colored(color, number)).collect();
        owner.publish_all(producer, &messages);
        for ((end, selector), leaves) in ends.into_iter().zip(selectors).zip(leaves) {
            let view = |message: &Message| {
                let kept = message.body.clone();
                let view = View { durable: false, priority: 4, delivery_count: 0, expiry_ms: 0, address: "t", kept: &kept };
                selector.is_empty() || Selector::parse(selector).expect("well-formed").matches(&view)
            };
            let expected: Vec<_> =
                messages.iter().filter(|message| !leaves && view(message)).map(|message| message.body.clone()).collect();
            prop_assert_eq!(owner.bodies(end), expected, "{}", selector);
        }
    }
}
