//! What a queue's settings and links say of its consumers: how many there may be.

use engine_catalogue::Attributes;

use super::settings::owner_of;
use super::*;

fn owner(layer: Layer) -> Owner {
    owner_of(1, Storage::Memory, vec![("#", Attributes::Match(layer))])
}

/// Attaches a consumer; gives its end, or why it was refused.
fn try_consume(owner: &mut Owner, spec: ConsumerSpec) -> Result<EndKey, String> {
    owner.next_link += 1;
    let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
    let events = owner.command(Command::AttachConsumer { link, spec: Box::new(spec) });
    let answer = events.into_iter().find_map(|event| match event {
        Event::Attached { end, .. } => Some(Ok(end)),
        Event::Refused { refusal } => Some(Err(refusal.condition.as_str().to_owned())),
        _ => None,
    });
    answer.expect("an attach is answered")
}

#[test]
fn a_queue_has_so_many_consumers_and_browsers_do_not_count() {
    let mut owner = owner(Layer { max_consumers: Some(2), ..Layer::default() });
    let browser = ConsumerSpec { mode: Mode::Browse, ..ConsumerSpec::of("q") };
    assert!(try_consume(&mut owner, browser.clone()).is_ok());
    let [first, second] = [(); 2].map(|()| try_consume(&mut owner, ConsumerSpec::of("q")).expect("it is within"));
    let third = try_consume(&mut owner, ConsumerSpec::of("q"));
    assert_eq!(third, Err("amqp:resource-limit-exceeded".to_owned()));
    assert!(try_consume(&mut owner, browser).is_ok());
    assert!(try_consume(&mut owner, ConsumerSpec::of("other")).is_ok(), "each queue has its own");
    owner.command(Command::Detach { end: first, mode: DetachMode::Close });
    let again = try_consume(&mut owner, ConsumerSpec::of("q")).expect("one has gone");
    // Who is there takes turns as ever.
    let producer = owner.producer("q", None);
    (0..4).for_each(|delivery| drop(owner.send(producer, delivery)));
    assert_eq!((owner.grant(second, 2).len(), owner.grant(again, 2).len()), (2, 2));
}

#[test]
fn a_shared_subscription_has_so_many_and_others_of_the_topic_are_apart() {
    let mut owner = owner(Layer { max_consumers: Some(1), ..Layer::default() });
    let shared = |name: &str| ConsumerSpec {
        routing: Some(RoutingType::Multicast),
        subscription: Some(Subscription {
            container: "c".to_owned(),
            name: name.to_owned(),
            durability: Durability::Durable,
            sharing: Sharing::Shared,
        }),
        ..ConsumerSpec::of("t")
    };
    assert!(try_consume(&mut owner, shared("one")).is_ok());
    assert_eq!(try_consume(&mut owner, shared("one")), Err("amqp:resource-limit-exceeded".to_owned()));
    assert!(try_consume(&mut owner, shared("other")).is_ok());
    // Who comes back for its own takes the place of its link of before, and is none more.
    let own = |owner: &mut Owner| {
        let mut spec = shared("own");
        spec.subscription.as_mut().expect("it has one").sharing = Sharing::Exclusive;
        owner.next_link += 1;
        let link = LinkKey { shard: 0, generation: 0, slot: owner.next_link };
        owner.command(Command::AttachConsumer { link, spec: Box::new(spec) })
    };
    own(&mut owner);
    let again = own(&mut owner);
    assert!(matches!(again[..], [Event::Detached { .. }, Event::Attached { .. }]), "{again:?}");
}
