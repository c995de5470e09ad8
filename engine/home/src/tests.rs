//! A home over an engine of one shard: links that are found by the names of their subscriptions.

use engine_core::Core;
use engine_core::command::{ConsumerSpec, DetachMode, Durability, Remembered, Searched, Sharing, Subscription};
use engine_core::event::{Event, Refusal};
use engine_core::limits::CoreConfig;
use engine_core::through::Half;
use engine_message::Condition;
use engine_rt::Waker;
use engine_shard::Engine;

use crate::permission::{Action, FORBIDDEN};
use crate::slots::peer_place;
use crate::{AddressRules, Answer, Asked, Client, Home, HomeConfig, LocalId, Moves, Passing, Plan, Slot};

fn home() -> Home {
    let mesh = engine_shard::mesh(&[Waker::new().expect("a descriptor")]).pop().expect("of one shard");
    let engine = Engine::new(Core::new(CoreConfig::default()), mesh, None);
    let addresses = AddressRules::default();
    Home::new(HomeConfig { addresses, links_max: 10, node_id: String::new(), first_file: 1 }, engine)
}

/// Attaches to the durable subscription `sub`, or to it at an address; gives the link, or why there is none.
fn attach(home: &mut Home, client: &mut Client, address: Option<&str>) -> Result<Slot, Condition> {
    let subscription = Subscription {
        container: "c".to_owned(),
        name: "sub".to_owned(),
        durability: Durability::Durable,
        sharing: Sharing::Exclusive,
    };
    let spec = ConsumerSpec {
        subscription: Some(subscription),
        searched: Searched { remembered: address.is_none().then(Remembered::default), ..Searched::default() },
        ..ConsumerSpec::of(address.unwrap_or_default())
    };
    let plan = Plan::Consumer(Box::new(spec));
    let condition = |refusal: &Refusal| {
        [Condition::UnauthorizedAccess, Condition::NotFound]
            .into_iter()
            .find(|&known| refusal.condition == known)
            .expect("one of these")
    };
    let asked = home.attach(client, LocalId(0), plan, Moves::Never).map_err(|refusal| condition(&refusal))?;
    let Asked::Owner(place) = asked else { panic!("an owner answers: {asked:?}") };
    let (link, event) = home.poll_event().expect("an answer");
    assert_eq!(peer_place(link), place);
    match event {
        Event::Attached { end, info } => {
            home.handle_attached(client, place, end, &info).map_err(|refusal| condition(&refusal))?;
            Ok(place)
        }
        Event::Refused { refusal } => {
            home.handle_gone(client, place);
            Err(condition(&refusal))
        }
        other => panic!("no answer: {other:?}"),
    }
}

fn detach(home: &mut Home, client: &mut Client, place: Slot, mode: DetachMode) {
    assert_eq!(home.release(client, place, mode), Answer::Later);
    let (link, event) = home.poll_event().expect("an answer");
    assert!(home.route(link).is_none(), "nothing else is told of it");
    let parting = home.handle_unrouted(link, event).expect("its connection waits");
    assert_eq!((parting.id, parting.event), (LocalId(0), Event::Ended));
    client.drop_leaving();
}

#[test]
fn whoever_may_not_consume_from_an_address_gets_no_subscription_of_it_by_its_name() {
    let (mut home, mut client) = (home(), Client::default());
    let place = attach(&mut home, &mut client, Some("news")).expect("it may");
    detach(&mut home, &mut client, place, DetachMode::Suspend);
    FORBIDDEN.set(Some((Action::Consume, "news")));
    assert_eq!(attach(&mut home, &mut client, Some("news")), Err(Condition::UnauthorizedAccess));
    assert_eq!(attach(&mut home, &mut client, None), Err(Condition::UnauthorizedAccess));
    assert_eq!((client.links(), home.link_count()), (0, 0), "nothing is left of the links");
    FORBIDDEN.set(None);
    let place = attach(&mut home, &mut client, None).expect("it is still there");
    assert_eq!(home.links().next().expect("a link").1.address(), "news");
    detach(&mut home, &mut client, place, DetachMode::Close);
    assert_eq!(attach(&mut home, &mut client, None), Err(Condition::NotFound), "it ended");
}

#[test]
fn a_half_that_its_peer_has_detached_stays_and_does_not_count() {
    let (mut home, mut client) = (home(), Client::default());
    let passing = Passing { id: LocalId(0), half: Half::Receiver, address: "a", name: "half" };
    let place = home.add_half(&mut client, passing).expect("there is room");
    assert_eq!((client.links(), client.receivers()), (1, 1));
    for _ in 0..2 {
        home.leave_half(&mut client, place);
        assert_eq!((client.links(), client.receivers(), home.link_count()), (0, 0, 1));
    }
    assert!(home.is_half(place) && !client.has_no_links(), "it is waited for");
    assert_eq!(home.release(&mut client, place, DetachMode::Ended), Answer::Now);
    assert!(client.has_no_links() && home.link_count() == 0);
}
