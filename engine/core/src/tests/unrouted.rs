//! What no queue of an address gets: where it goes if the address says so, and what is dropped all the same.

use super::forwarding::{annotations_of, forward_all, view};
use super::*;
use crate::command::{Part, Publish};
use engine_message::value::Value;

/// An owner whose addresses, `dead` too, send what has no route to `dead`.
fn owner(layer: Layer) -> Owner {
    let no_route = layer.dead_letter_no_route.or(Some(true));
    let layer = Layer { dead_letter_address: Some("dead".to_owned()), dead_letter_no_route: no_route, ..layer };
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    Owner { core: Core::new(config), next_link: 0 }
}

/// Messages of a queue, if it is there.
fn messages(owner: &Owner, name: &str) -> Option<u64> {
    owner.core.queue_views().find(|queue| queue.name == name).map(|queue| queue.messages)
}

fn accepted(events: &[Event]) -> bool {
    matches!(events, [Event::Settled { outcome: Outcome::Accepted, .. }])
}

#[test]
fn what_is_sent_to_a_topic_without_subscriptions_goes_to_the_dead_letters_and_says_why() {
    let mut owner = owner(Layer::default());
    let producer = owner.producer("news", Some(RoutingType::Multicast));
    (0..3).for_each(|delivery| assert!(accepted(&owner.send(producer, delivery))));
    assert_eq!(forward_all(&mut owner), 3);
    owner.events();
    let left: Vec<String> = owner.core.queue_views().map(|queue| queue.name).collect();
    assert_eq!(left, ["dead"], "the queue that they were in is gone");
    let consumer = owner.consumer("dead", None, Mode::Consume);
    let events = owner.command(Command::Grant { end: consumer, credit: 1 });
    let [Event::Deliver { message, .. }] = events.as_slice() else { panic!("{events:?}") };
    let map = annotations_of(message);
    let text = |key| map.get(key).and_then(Value::as_text);
    assert_eq!((text("x-opt-ORIG-ADDRESS"), text("x-opt-ORIG-QUEUE")), (Some("news"), Some("news")));
    assert_eq!(text("x-opt-MOVE-REASON"), Some("no-route"));
}

#[test]
fn where_somebody_gets_it_there_is_a_route() {
    let mut owner = owner(Layer::default());
    let producer = owner.producer("news", Some(RoutingType::Multicast));
    let subscription = owner.consumer("news", Some(RoutingType::Multicast), Mode::Consume);
    assert!(accepted(&owner.send(producer, 0)));
    assert!(!owner.core.may_forward());
    owner.command(Command::Detach { end: subscription, mode: DetachMode::Close });
    assert!(accepted(&owner.send(producer, 1)));
    assert_eq!((forward_all(&mut owner), messages(&owner, "dead")), (1, Some(1)));
}

#[test]
fn without_the_setting_or_where_dead_letters_are_it_is_dropped() {
    let mut plain = owner(Layer { dead_letter_no_route: Some(false), ..Layer::default() });
    for name in ["news", "dead"] {
        let mut owner = owner(Layer::default());
        let owner = if name == "news" { &mut plain } else { &mut owner };
        let producer = owner.producer(name, Some(RoutingType::Multicast));
        assert!(accepted(&owner.send(producer, 0)));
        assert!(!owner.core.may_forward(), "{name}");
    }
}

#[test]
fn what_a_queue_would_have_and_drops_is_not_without_a_route() {
    let mut owner = owner(Layer { enabled: Some(false), ..Layer::default() });
    let producer = owner.producer("orders", None);
    assert!(accepted(&owner.send(producer, 0)));
    assert_eq!((owner.core.may_forward(), view(&owner, "orders").totals.dropped), (false, 1));
}

#[test]
fn a_transaction_has_its_messages_there_when_it_is_committed() {
    let mut owner = owner(Layer::default());
    let routing = Some(RoutingType::Multicast);
    let sends = (0..2).map(|number| Publish { routing, ..Publish::of("news".to_owned(), numbered(number)) }).collect();
    let part = Box::new(Part { sends, ..Part::default() });
    let link = LinkKey { shard: 0, generation: 0, slot: 99 };
    let events = owner.command(Command::Transact { link, delivery: 0, settled: Settled::No, part });
    assert!(accepted(&events), "{events:?}");
    assert_eq!((forward_all(&mut owner), messages(&owner, "dead")), (2, Some(2)));
}
