//! Dead letters whose destination has the name of their address in it.

use super::forwarding::{forward_all, view};
use super::*;

fn owner(dead: &str) -> Owner {
    let layer = Layer { dead_letter_address: Some(dead.to_owned()), ..Layer::default() };
    let config = CoreConfig { catalogue: Arc::new(Catalogue::of_all(layer)), ..CoreConfig::default() };
    Owner { core: Core::new(config), next_link: 0 }
}

/// Has so many messages of an address rejected, and takes them where they go.
fn reject(owner: &mut Owner, address: &str, count: u32) -> usize {
    let (producer, consumer) = (owner.producer(address, None), owner.consumer(address, None, Mode::Consume));
    (0..count).for_each(|delivery| drop(owner.send(producer, delivery)));
    for (key, ..) in owner.grant(consumer, count) {
        owner.settle(consumer, key, Outcome::Rejected(None));
    }
    let forwarded = forward_all(owner);
    for end in [producer, consumer] {
        owner.command(Command::Detach { end, mode: DetachMode::Close });
    }
    forwarded
}

fn queues(owner: &Owner) -> Vec<(String, String, u64)> {
    let mut queues: Vec<_> =
        owner.core.queue_views().map(|queue| (queue.address, queue.name, queue.messages)).collect();
    queues.sort();
    queues
}

fn queue(address: &str, name: &str, messages: u64) -> (String, String, u64) {
    (address.to_owned(), name.to_owned(), messages)
}

#[test]
fn each_address_has_a_queue_of_its_own_for_what_it_loses() {
    let mut owner = owner("DLQ::DLQ.{address}");
    assert_eq!((reject(&mut owner, "orders.eu", 2), reject(&mut owner, "news", 1)), (2, 1));
    assert_eq!(queues(&owner), [queue("DLQ", "DLQ.news", 1), queue("DLQ", "DLQ.orders.eu", 2)]);
    let consumer = owner.consumer("DLQ::DLQ.news", None, Mode::Consume);
    for (key, ..) in owner.grant(consumer, 9) {
        owner.settle(consumer, key, Outcome::Rejected(None));
    }
    assert_eq!(forward_all(&mut owner), 0, "there it is dropped");
    owner.command(Command::Detach { end: consumer, mode: DetachMode::Close });
    assert_eq!(queues(&owner), [queue("DLQ", "DLQ.orders.eu", 2)], "and the queue goes");
}

#[test]
fn an_address_of_its_own_leads_no_further() {
    let mut owner = owner("dead.{address}");
    assert_eq!(reject(&mut owner, "orders", 3), 3);
    assert_eq!(view(&owner, "dead.orders").messages, 3);
    assert_eq!(reject(&mut owner, "dead.orders", 1), 0, "it is dropped there, and makes no dead.dead.orders");
    assert!(queues(&owner).iter().all(|(address, ..)| address == "dead.orders"));
}
