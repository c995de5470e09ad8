//! Links that pass through whole: where they go on, and what finds nobody.

use std::sync::Arc;

use bytes::Bytes;
use engine_core::key::{LinkKey, Port};
use engine_core::through::{Attaching, Going, Half, NoRoute, Rewrite, Said, Word};
use engine_router::Treatment;
use engine_router::address::Key;
use engine_routing::{LinkRoute, Via};

use crate::world::World;

fn route(key: &str, via: Option<&str>) -> LinkRoute {
    let via = via.map(|name| Via::Name(name.to_owned()));
    let rewrite = Rewrite { remove: Some("far.".into()), add: None };
    LinkRoute { key: Key::read(key).expect("a key"), via, rewrite }
}

fn world(shards: u16, routes: &[LinkRoute]) -> World {
    World::new(shards, Treatment::Balanced).with_link_routes(&Arc::from(routes))
}

/// The half of a link on a shard.
fn half(shard: u16, number: u32) -> LinkKey {
    LinkKey::at(Port::Peer, shard, 0, number)
}

/// The connection of a number on a shard, as events for it are addressed.
fn connection(shard: u16, number: u32) -> LinkKey {
    LinkKey::at(Port::Connection, shard, 0, number)
}

fn going(from: LinkKey, half: Half, address: &str) -> Going {
    let attaching =
        Attaching { attach: Bytes::from_static(b"as it is"), container: "c".into(), rewrite: Rewrite::default() };
    Going { from, half, address: address.to_owned(), came_over: None, attaching }
}

#[test]
fn a_link_goes_to_the_connections_of_its_route_in_turn_from_any_shard() {
    let mut world = world(2, &[route("Cfar", Some("broker"))]);
    assert_eq!(world.go_on(going(half(0, 1), Half::Sender, "far.a")), Err(NoRoute), "nobody is there");
    for (shard, number, name) in [(0, 7, "broker"), (1, 8, "broker"), (1, 9, "other")] {
        world.router(shard).handle_container(number, name, "artemis");
        world.run_all();
    }
    for shard in [0, 1] {
        let mut asked = Vec::new();
        for number in 0..4 {
            let from = half(shard, number);
            assert_eq!(world.go_on(going(from, Half::Sender, "far.a")), Ok(()));
            world.run_all();
            let (to, said) = world.said.pop().expect("a connection is asked for it");
            assert_eq!(said.from, from);
            let Word::Attach(attaching) = said.word else { panic!("{said:?}") };
            assert_eq!(attaching.rewrite.remove.as_deref(), Some("far."), "as the route has it");
            asked.push(to);
        }
        asked.sort_unstable();
        assert_eq!(asked, [connection(0, 7), connection(0, 7), connection(1, 8), connection(1, 8)]);
    }
    assert!(world.go_on(going(half(0, 1), Half::Receiver, "far.a")).is_err(), "the other direction has no route");
    assert!(world.go_on(going(half(0, 1), Half::Sender, "farther")).is_err());
    world.router(0).handle_connection_gone(7);
    world.router(1).handle_connection_gone(8);
    world.run_all();
    assert_eq!(world.go_on(going(half(1, 1), Half::Sender, "far.a")), Err(NoRoute));
}

#[test]
fn a_link_to_a_connection_that_has_just_gone_is_lost() {
    let mut world = world(2, &[route("Cfar", Some("broker"))]);
    world.router(1).handle_container(8, "broker", "artemis");
    world.run_all();
    // The other shard does not know yet.
    world.router(1).handle_connection_gone(8);
    assert_eq!(world.go_on(going(half(0, 3), Half::Sender, "far.a")), Ok(()));
    world.run_all();
    let (to, said) = world.said.pop().expect("its half is told");
    assert_eq!((to, said.word), (half(0, 3), Word::Lost));
}

#[test]
fn words_reach_halves_on_any_shard_in_their_order() {
    let mut world = world(3, &[]);
    for limit in 0..5 {
        let word = Word::Credit { limit, drain: engine_core::through::Drain::No };
        world.router(0).handle_said(half(2, 1), Said { from: half(0, 1), word });
    }
    world.router(0).handle_said(half(0, 2), Said { from: half(0, 1), word: Word::Lost });
    world.run_all();
    let limits: Vec<u32> = world
        .said
        .iter()
        .filter(|(to, _)| *to == half(2, 1))
        .map(|(_, said)| if let Word::Credit { limit, .. } = said.word { limit } else { panic!("{said:?}") })
        .collect();
    assert_eq!(limits, [0, 1, 2, 3, 4]);
    assert!(world.said.contains(&(half(0, 2), Said { from: half(0, 1), word: Word::Lost })));
}

#[test]
fn what_is_of_routers_and_what_no_container_could_know_takes_no_route() {
    let mut world = world(1, &[route("E#", Some("b")), route("F#", Some("b")), route("Dfar", Some("b"))]);
    let router = world.router(0);
    for address in ["a", "a.b", "/a", "amqp://host/a", "$coordinator"] {
        assert!(router.link_route(address, Half::Sender).is_some(), "{address}");
    }
    for address in ["", "$management", "_local/a", "_topo/0/A/a", "_topo/0/B/$management"] {
        assert!(router.link_route(address, Half::Sender).is_none(), "{address}");
    }
    assert!(router.link_route("", Half::Receiver).is_some(), "it is found by its name, and there is one container");
    let mut world = self::world(1, &[route("F#", Some("b")), route("Dfar", Some("c"))]);
    assert!(world.router(0).link_route("", Half::Receiver).is_none(), "nobody knows which container it is");
}

#[test]
fn routes_that_come_and_go_hold_on_all_shards_for_containers_that_are_there() {
    let (near, far) = (route("Cnear", Some("broker")), route("Cfar", Some("broker")));
    let mut world = world(2, std::slice::from_ref(&near));
    world.router(1).handle_container(8, "broker", "artemis");
    world.router(0).handle_container(9, "other", "artemis");
    world.run_all();
    assert!(world.router(0).link_route("far.a", Half::Sender).is_none());
    assert!(world.route_links(&[near.clone(), far.clone()]));
    for shard in [0, 1] {
        assert_eq!(world.go_on(going(half(shard, 1), Half::Sender, "far.a")), Ok(()), "from the answer on");
        assert_eq!(world.go_on(going(half(shard, 2), Half::Sender, "near.a")), Ok(()));
        world.run_all();
        let asked: Vec<LinkKey> = world.said.drain(..).map(|(to, _)| to).collect();
        assert_eq!(asked, [connection(1, 8); 2]);
    }
    // A connection of two routes that differ in what they name it by stays the destination of the one that is left.
    let by_id = LinkRoute { via: Some(Via::Container("artemis".to_owned())), ..far.clone() };
    assert!(world.route_links(&[near.clone(), far, by_id.clone()]));
    assert!(world.route_links(&[by_id]));
    assert!(world.router(0).link_route("near.a", Half::Sender).is_none(), "it goes where other links go");
    let mut asked = Vec::new();
    for number in 0..4 {
        assert_eq!(world.go_on(going(half(0, number), Half::Sender, "far.a")), Ok(()));
        world.run_all();
        asked.extend(world.said.drain(..).map(|(to, _)| to));
    }
    asked.sort_unstable();
    assert_eq!(asked, [connection(0, 9), connection(0, 9), connection(1, 8), connection(1, 8)]);
    let is_served = |world: &mut World, shard, name: &str| world.router(shard).is_served(&Via::Name(name.to_owned()));
    assert_eq!([0, 1].map(|shard| is_served(&mut world, shard, "broker")), [false, true]);
    world.router(1).handle_connection_gone(8);
    world.router(0).handle_connection_gone(9);
    world.run_all();
    assert!(!is_served(&mut world, 1, "broker"));
    assert_eq!(world.go_on(going(half(0, 1), Half::Sender, "far.a")), Err(NoRoute), "it is a route without anybody");
    assert!(world.route_links(&[]));
    assert!(world.router(0).link_route("far.a", Half::Sender).is_none());
}

#[test]
fn a_container_that_comes_while_routes_change_is_reached_whichever_came_first() {
    let far = route("Cfar", Some("broker"));
    let mut world = world(2, &[]);
    // It is told of before and behind the shard hears of the routes.
    world.router(0).handle_container(7, "broker", "artemis");
    assert!(world.route_links(&[far]));
    world.router(1).handle_container(8, "broker", "artemis");
    world.run_all();
    let mut asked = Vec::new();
    for number in 0..4 {
        assert_eq!(world.go_on(going(half(1, number), Half::Sender, "far.a")), Ok(()));
        world.run_all();
        asked.extend(world.said.drain(..).map(|(to, _)| to));
    }
    asked.sort_unstable();
    assert_eq!(asked, [connection(0, 7), connection(0, 7), connection(1, 8), connection(1, 8)]);
}
