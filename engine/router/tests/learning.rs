//! What routers say of their addresses, taken into the table part by part.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine_router::address::Key;
use engine_router::control::{Announced, Body, Changes, Control, Destination};
use engine_router::limits::{LEARNING_MAX, LEARNING_SHARE};
use engine_router::network::{Config, LinkId, Network, Routes, Timers};
use engine_router::set::RouterIndex;
use engine_router::table::{Addresses, Source};
use engine_router::{RouterId, Treatment};
use proptest::prelude::*;

fn router(number: usize) -> RouterIndex {
    RouterIndex::new(number).expect("an index")
}

fn key(number: usize) -> Key {
    Key::read(&format!("M0{number}")).expect("a key")
}

fn announced(numbers: impl IntoIterator<Item = usize>) -> Vec<Announced> {
    numbers.into_iter().map(|number| Announced { key: key(number), treatment: Some(Treatment::Closest) }).collect()
}

fn all(numbers: impl IntoIterator<Item = usize>) -> Changes {
    Changes::All(announced(numbers))
}

fn since(added: &[usize], deleted: &[usize]) -> Changes {
    Changes::Since {
        added: announced(added.iter().copied()),
        deleted: deleted.iter().map(|number| key(*number)).collect(),
    }
}

fn source(link: u64, octets: usize) -> Source {
    Source { link: LinkId(link), octets }
}

fn addresses() -> Addresses {
    Addresses::new(Arc::default(), 7)
}

/// What a router is known to have, in the order of the keys.
fn known(addresses: &mut Addresses, of: RouterIndex) -> BTreeSet<Key> {
    let table = addresses.view();
    table.iter().filter(|(_, address)| address.routers.contains(of)).map(|(key, _)| key.clone()).collect()
}

fn keys(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<Key> {
    numbers.into_iter().map(key).collect()
}

/// Takes so many.
fn take(addresses: &mut Addresses, mut room: usize) -> Vec<Key> {
    let changed = addresses.poll_learned(&mut room);
    addresses.check();
    changed
}

fn taken(addresses: &mut Addresses) -> Vec<Source> {
    std::iter::from_fn(|| addresses.poll_taken()).collect()
}

#[derive(Clone, Debug)]
enum Step {
    Since(usize, BTreeSet<usize>, BTreeSet<usize>),
    All(usize, BTreeSet<usize>),
    Forget(usize),
    /// So many are taken.
    Take(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let numbers = || proptest::collection::btree_set(0..24_usize, 0..16);
    let step = prop_oneof![
        (1..4_usize, numbers(), numbers()).prop_map(|(from, added, deleted)| Step::Since(from, added, deleted)),
        (1..4_usize, numbers()).prop_map(|(from, all)| Step::All(from, all)),
        (1..4_usize).prop_map(Step::Forget),
        (1..20_usize).prop_map(Step::Take),
        (1..20_usize).prop_map(Step::Take),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn part_by_part_is_the_same_as_at_once(steps in steps()) {
        let (mut addresses, mut model) = (addresses(), BTreeMap::<usize, BTreeSet<usize>>::new());
        let (mut said, mut heard) = (0, 0);
        for step in steps {
            let mut say = |addresses: &mut Addresses, from, changes| {
                said += 1;
                assert!(addresses.handle_said(router(from), changes, source(from as u64, 1)), "there is room");
            };
            match step {
                Step::Since(from, added, deleted) => {
                    say(&mut addresses, from, since(&Vec::from_iter(added.clone()), &Vec::from_iter(deleted.clone())));
                    let has = model.entry(from).or_default();
                    has.retain(|number| !deleted.contains(number));
                    has.extend(added);
                }
                Step::All(from, numbers) => {
                    say(&mut addresses, from, all(numbers.clone()));
                    model.insert(from, numbers);
                }
                Step::Forget(from) => {
                    addresses.handle_forgotten(router(from));
                    model.remove(&from);
                }
                Step::Take(room) => drop(take(&mut addresses, room)),
            }
            heard += taken(&mut addresses).len();
        }
        while addresses.is_learning() {
            take(&mut addresses, 7);
        }
        heard += taken(&mut addresses).len();
        prop_assert_eq!(said, heard, "each message is heard once");
        for from in 1..4 {
            let has = model.get(&from).cloned().unwrap_or_default();
            prop_assert_eq!(known(&mut addresses, router(from)), keys(has), "of router {}", from);
        }
    }
}

#[test]
fn a_short_change_does_not_wait_for_a_long_list() {
    let mut addresses = addresses();
    assert!(addresses.handle_said(router(1), all(0..20_000), source(1, 900_000)));
    assert!(addresses.handle_said(router(2), since(&[7, 30_000], &[]), source(2, 90)));
    assert_eq!(take(&mut addresses, LEARNING_SHARE).len(), 0, "the list is compared with what is known");
    assert_eq!(
        BTreeSet::from_iter(take(&mut addresses, LEARNING_SHARE)),
        keys([7, 30_000]),
        "then it is the other's turn"
    );
    assert_eq!(taken(&mut addresses), [source(2, 90)]);
    let (mut parts, mut longest) = (0, 0);
    while addresses.is_learning() {
        assert_eq!(taken(&mut addresses), [], "it is not heard before all of it is taken");
        longest = longest.max(take(&mut addresses, 1000).len());
        parts += 1;
    }
    assert!((40..45).contains(&parts) && longest <= 1000, "{parts} parts, {longest} in one");
    assert_eq!(taken(&mut addresses), [source(1, 900_000)]);
    assert_eq!(known(&mut addresses, router(1)), keys(0..20_000));
}

#[test]
fn a_newer_list_takes_the_place_of_one_that_is_being_taken() {
    for room in [1, 500, 1000, 1500, 2500] {
        let mut addresses = addresses();
        addresses.learn(router(1), all(0..1000));
        assert!(addresses.handle_said(router(1), all(500..1500), source(1, 1)));
        assert!(addresses.handle_said(router(1), since(&[5000], &[600]), source(1, 2)));
        take(&mut addresses, room);
        assert!(addresses.handle_said(router(1), all(900..2000), source(1, 3)));
        assert_eq!(taken(&mut addresses).iter().map(|source| source.octets).max(), Some(2), "nobody waits for them");
        assert!(addresses.handle_said(router(1), since(&[5], &[900]), source(1, 4)));
        while addresses.is_learning() {
            take(&mut addresses, 300);
        }
        assert_eq!(known(&mut addresses, router(1)), keys((901..2000).chain([5])), "{room}");
        assert_eq!(taken(&mut addresses), [source(1, 3), source(1, 4)]);
    }
}

#[test]
fn what_came_over_a_link_that_is_lost_is_not_taken() {
    let mut addresses = addresses();
    addresses.learn(router(1), all(0..100));
    assert!(addresses.handle_said(router(1), all(50..2000), source(1, 1)));
    assert!(addresses.handle_said(router(2), since(&[1], &[]), source(2, 2)));
    // Of router 3 something came over another link before, and behind it.
    for (number, link) in [(10, 2), (11, 1), (12, 2)] {
        assert!(addresses.handle_said(router(3), since(&[number], &[]), source(link, number)));
    }
    take(&mut addresses, 100);
    assert_eq!(addresses.handle_link_lost(LinkId(1)), [router(1), router(3)], "they are to be asked");
    let given_back: BTreeSet<usize> = taken(&mut addresses).iter().map(|source| source.octets).collect();
    assert_eq!(given_back, BTreeSet::from([1, 11, 12]), "nobody waits for these");
    while addresses.is_learning() {
        take(&mut addresses, 100);
    }
    assert_eq!(known(&mut addresses, router(1)), keys(0..100), "as it was said before");
    assert_eq!((known(&mut addresses, router(2)), known(&mut addresses, router(3))), (keys([1]), keys([10])));
    assert_eq!(addresses.handle_link_lost(LinkId(1)), []);
}

#[test]
fn what_waits_of_one_link_is_bounded() {
    let mut addresses = addresses();
    let long = |number: usize| Changes::Since {
        added: vec![announced([number]).remove(0); LEARNING_MAX / 2],
        deleted: Vec::new(),
    };
    assert!(addresses.handle_said(router(1), long(1), source(1, 1)));
    assert!(addresses.handle_said(router(1), long(2), source(1, 2)));
    assert!(!addresses.handle_said(router(2), since(&[3], &[]), source(1, 3)), "there is no room for it");
    assert_eq!(taken(&mut addresses), [source(1, 3)], "nobody waits for it");
    assert!(addresses.handle_said(router(2), since(&[4], &[]), source(2, 4)), "of another link there is");
    assert!(addresses.handle_said(router(1), all([5]), source(1, 5)), "it takes the place of what waits");
    take(&mut addresses, 100);
    assert_eq!((known(&mut addresses, router(1)), known(&mut addresses, router(2))), (keys([5]), keys([4])));
}

/// Routes of a router whose one neighbour has number 1.
fn routes(neighbour: &str) -> Arc<Routes> {
    let id = |text| RouterId::new(text).expect("an id");
    let mut network = Network::new(Config { id: id("A"), instance: 1, timers: Timers::default() });
    network.handle_link(LinkId(1), id(neighbour), 1, 0);
    let hello = Control { id: id(neighbour), body: Body::Hello { instance: Some(1), seen: vec![id("A")] } };
    network.handle_message(LinkId(1), &hello.encode(&Destination::Neighbours), 1);
    assert_eq!(network.routes().index(neighbour), Some(router(1)));
    Arc::clone(network.routes())
}

#[test]
fn a_number_that_becomes_another_routers_has_nothing_of_the_one_before() {
    let mut addresses = addresses();
    addresses.set_routes(routes("B"));
    addresses.learn(router(1), all(0..1000));
    addresses.handle_forgotten(router(1));
    take(&mut addresses, 100);
    addresses.set_routes(routes("B"));
    assert_eq!(known(&mut addresses, router(1)).len(), 900, "it is the same one still: there is time for the rest");
    assert!(addresses.handle_said(router(1), since(&[5000], &[]), source(1, 1)));
    addresses.set_routes(routes("C"));
    assert!(known(&mut addresses, router(1)).iter().all(|known| *known == key(5000)));
    addresses.check();
}
